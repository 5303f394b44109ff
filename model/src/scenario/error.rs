//! What is wrong with a scenario file: where, why, and what to write instead.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use std::fmt;
use std::ops::Range;

/// Longest line of a file that is shown below an error, in bytes.
const MAX_SHOWN_LINE: usize = 240;
/// Longest piece of a file that is quoted inside a sentence, in characters.
const MAX_QUOTED: usize = 40;
/// Most choices that are listed.
const MAX_CHOICES: usize = 12;

/// A mistake in a scenario file, or a file that cannot be read.
///
/// Prints one sentence; as a [`miette::Diagnostic`] it also shows the line, with
/// a caret, and says what to write instead.
#[derive(Clone, Debug)]
pub struct ScenarioError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    message: String,
    label: String,
    help: Option<String>,
    place: Option<Place>,
    shown: Option<Shown>,
}

/// File, line and column, the latter two from 1.
#[derive(Clone, Debug)]
struct Place {
    file: String,
    line: usize,
    column: usize,
}

/// The text below the error and the part of it that is wrong.
#[derive(Clone, Debug)]
struct Shown {
    text: NamedSource<String>,
    span: SourceSpan,
}

impl ScenarioError {
    /// An error without a place in a file.
    pub(super) fn new(message: impl Into<String>) -> Self {
        ScenarioError(Box::new(Inner {
            message: message.into(),
            label: "here".into(),
            help: None,
            place: None,
            shown: None,
        }))
    }

    /// The same with a text at the caret.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    /// The same with what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The file, line and column of the mistake, lines and columns (in
    /// characters) from 1; `None` if no file could be read.
    pub fn place(&self) -> Option<(&str, usize, usize)> {
        self.0
            .place
            .as_ref()
            .map(|p| (p.file.as_str(), p.line, p.column))
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The picture below the message names the place; without one, we do.
        if let (Some(p), None) = (&self.0.place, &self.0.shown) {
            write!(f, "{}:{}:{}: ", p.file, p.line, p.column)?;
        }
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ScenarioError {}

impl Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|h| Box::new(h) as Box<_>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.shown.as_ref().map(|s| &s.text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let shown = self.0.shown.as_ref()?;
        let label = LabeledSpan::new_with_span(Some(self.0.label.clone()), shown.span);
        Some(Box::new(std::iter::once(label)))
    }
}

/// The text of a scenario file and the name errors give it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// Its name, as the user wrote it.
    pub(super) file: &'a str,
    /// Its text.
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// The error `message` about the bytes `span`.
    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) -> ScenarioError {
        let mut error = ScenarioError::new(message);
        let (start, end) = (self.boundary(span.start), self.boundary(span.end));
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        error.0.place = Some(Place {
            file: printable(self.file),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        });
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |i| start + i);
        if start - line_start <= MAX_SHOWN_LINE {
            let line_end = self.boundary(line_end.min(start + MAX_SHOWN_LINE));
            let end = end.clamp(start, line_end);
            error.0.shown = Some(self.excerpt(line_start..line_end, start..end));
        }
        error
    }

    /// The line around a mistake and two lines before it, so that a long file
    /// is not copied; blank lines stand for the rest, to keep the numbers right.
    fn excerpt(&self, line: Range<usize>, span: Range<usize>) -> Shown {
        let mut from = line.start;
        for _ in 0..2 {
            if from > 0 {
                let previous = self.text[..from - 1].rfind('\n').map_or(0, |i| i + 1);
                if from - previous > MAX_SHOWN_LINE {
                    break;
                }
                from = previous;
            }
        }
        let skipped = self.text[..from].matches('\n').count();
        // The blank gives a caret at the end of the line a place to stand.
        let text = "\n".repeat(skipped) + &printable(&self.text[from..line.end]) + " \n";
        let offset = skipped + (span.start - from);
        Shown {
            text: NamedSource::new(printable(self.file), text),
            span: (offset, span.len()).into(),
        }
    }

    /// The nearest character boundary at or before `at`.
    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// The same text without control characters that could move a terminal's
/// cursor; of the same length in bytes.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => out.push(c),
        }
    }
    out
}

/// `text` between backticks, shortened and escaped, for use in a sentence.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_QUOTED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    match short.is_empty() {
        true => "\"\"".into(),
        false => format!("`{}`", short.escape_debug()),
    }
}

/// "a", "a and b", "a, b and c" with the conjunction given.
pub(super) fn joined<S: AsRef<str>>(words: &[S], conjunction: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_string(),
        [init @ .., last] => {
            let init: Vec<&str> = init.iter().map(AsRef::as_ref).collect();
            format!("{} {conjunction} {}", init.join(", "), last.as_ref())
        }
    }
}

/// What the user may have meant by `word`: "did you mean …?", or all choices if
/// they are few.
pub(super) fn did_you_mean(word: &str, choices: &[&str]) -> String {
    let near = nearest(word, choices);
    let names = |words: &[&str]| -> Vec<String> {
        let name = |word: &&str| format!("`{word}`");
        words.iter().map(name).collect()
    };
    match (near.len(), choices.len()) {
        (1..=MAX_CHOICES, _) => format!("did you mean {}?", joined(&names(&near), "or")),
        (_, 1) => format!("there is only `{}`", choices[0]),
        (_, 2..=MAX_CHOICES) => format!("choose from {}", joined(&names(choices), "and")),
        _ => "nothing has a name like that".into(),
    }
}

/// The choices that may be meant by `word`: those a slip of the finger away,
/// else those that contain it, else the nearest if near enough.
fn nearest<'a>(word: &str, choices: &[&'a str]) -> Vec<&'a str> {
    let word = normal(word);
    if word.is_empty() || word.len() > MAX_QUOTED {
        return Vec::new();
    }
    let measured = choices.iter().map(|c| (distance(&word, &normal(c)), *c));
    let measured: Vec<(usize, &str)> = measured.collect();
    let least = measured.iter().map(|(d, _)| *d).min().unwrap_or(0);
    let containing = || {
        let long = word.len() >= 3;
        let all = choices.iter().filter(|c| long && normal(c).contains(&word));
        all.copied().collect::<Vec<_>>()
    };
    if least > 1 && !containing().is_empty() {
        return containing();
    }
    let near = |(d, _): &&(usize, &str)| *d == least && least <= 1 + word.len() / 4;
    measured.iter().filter(near).map(|(_, c)| *c).collect()
}

/// Lower case, with `_` for `-` and blanks.
fn normal(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}

/// Edit distance: insertions, deletions, replacements, swapped neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_one_edit() {
        assert_eq!(distance("drect_read", "direct_read"), 1);
        assert_eq!(distance("direct_raed", "direct_read"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn suggestions_are_near_or_contain_the_word() {
        let ops = ["direct_read", "buffered_read", "load"];
        assert_eq!(nearest("Direct-Read", &ops), ["direct_read"]);
        assert_eq!(nearest("read", &ops), ["direct_read", "buffered_read"]);
        assert_eq!(nearest("lod", &ops), ["load"]);
        assert_eq!(nearest("buffered", &ops), ["buffered_read"]);
        assert!(nearest("x", &ops).is_empty());
        assert!(nearest(&"x".repeat(100), &ops).is_empty());
    }
}
