//! What can be wrong with a design, and where.

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A stretch of a design's text, in bytes.
pub type Span = Range<usize>;

/// How many mistakes of one design are reported at most.
pub const MAX_PROBLEMS: usize = 20;

/// Which rule of the language a [`Problem`] breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the name says it
pub enum Rule {
    Syntax,
    File,
    Header,
    Extends,
    UnknownStatement,
    Arguments,
    Label,
    Variable,
    Flag,
    Counter,
    Helper,
    Place,
    FallsOff,
    Unreachable,
    Glock,
    InodeLock,
    Pagefault,
    Pins,
    PageLock,
    TryIgnored,
    Spin,
    Result,
    Entry,
    TooLarge,
    Unused,
}

/// A mistake, or something that looks like one, in a design.
///
/// Its text names the place, says what is wrong and what to write instead.
#[derive(Clone, Debug)]
pub struct Problem {
    pub(super) rule: Rule,
    pub(super) severity: Severity,
    pub(super) message: Box<str>,
    pub(super) help: Option<Box<str>>,
    pub(super) span: Span,
    pub(super) label: Box<str>,
    /// Further places in the same text.
    pub(super) also: Vec<(Span, String)>,
    /// Index of the text; resolved by [`Problem::locate`].
    pub(super) source: usize,
    pub(super) text: Option<Arc<NamedSource<String>>>,
}

impl Problem {
    pub(super) fn new(rule: Rule, span: Span, message: impl Into<String>) -> Problem {
        Problem {
            rule,
            severity: Severity::Error,
            message: message.into().into(),
            help: None,
            span,
            label: "here".into(),
            also: Vec::new(),
            source: 0,
            text: None,
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into().into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into().into());
        self
    }

    pub(super) fn also(mut self, span: Span, label: impl Into<String>) -> Problem {
        self.also.push((span, label.into()));
        self
    }

    pub(super) fn warning(mut self) -> Problem {
        self.severity = Severity::Warning;
        self
    }

    pub(super) fn in_source(mut self, source: usize) -> Problem {
        self.source = source;
        self
    }

    /// Puts the text in, and spans that point into it.
    pub(super) fn locate(mut self, texts: &[Arc<NamedSource<String>>]) -> Problem {
        let text = Arc::clone(&texts[self.source]);
        let fit = |span: &Span| clamp(text.inner(), span);
        self.span = fit(&self.span);
        self.also = self.also.iter().map(|(s, l)| (fit(s), l.clone())).collect();
        self.text = Some(text);
        self
    }

    /// Which rule it breaks.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Does it keep the design from being compiled?
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead.
    pub fn suggestion(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The bytes of the text it is about.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The name of the file it stands in.
    pub fn file(&self) -> &str {
        self.text.as_ref().map_or("", |t| t.name())
    }

    /// File, line and column: `mine.design:5:2`.
    pub fn place(&self) -> String {
        let (line, column) = self.position();
        format!("{}:{line}:{column}", self.file())
    }

    /// Line and column, both from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        match &self.text {
            Some(text) => position(text.inner(), self.span.start),
            None => (1, 1),
        }
    }
}

/// Line and column of a byte, both from 1.
pub(super) fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// A span made to lie on character boundaries inside `text`.
fn clamp(text: &str, span: &Span) -> Span {
    let floor = |mut i: usize| {
        i = i.min(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<_>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.text.as_deref().map(|t| t as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.text.as_ref()?;
        let main =
            LabeledSpan::new_primary_with_span(Some(self.label.to_string()), self.span.clone());
        let also = self
            .also
            .iter()
            .map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), span.clone()));
        Some(Box::new(std::iter::once(main).chain(also)))
    }
}

/// A design that cannot be compiled: everything that is wrong with it.
///
/// As a [`Diagnostic`] a single mistake shows as itself, several show below a
/// headline.
#[derive(Clone, Debug)]
pub struct DesignError {
    /// The design's name, or the path that was asked for.
    pub design: String,
    /// The mistakes, in the order of the text; never empty.
    pub problems: Vec<Problem>,
}

impl DesignError {
    fn only(&self) -> Option<&Problem> {
        match self.problems.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

impl fmt::Display for DesignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.only() {
            Some(only) => fmt::Display::fmt(only, f),
            None => write!(
                f,
                "{} mistakes in design {}",
                self.problems.len(),
                self.design
            ),
        }
    }
}

impl std::error::Error for DesignError {}

impl Diagnostic for DesignError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.only()?.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.only()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.only()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.only().is_some() {
            return None;
        }
        Some(Box::new(self.problems.iter().map(|p| p as &dyn Diagnostic)))
    }
}

/// The one of `known` that `word` was probably meant to be: fewest edits, at
/// most a third of its length.
pub(super) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Longer words are no typing mistakes.
    const LONGEST: usize = 64;
    if word.chars().count() > LONGEST {
        return None;
    }
    known
        .into_iter()
        .filter(|k| *k != word && k.len() <= LONGEST)
        .map(|k| (closeness(word, k), k))
        .filter(|&(distance, k)| distance * 3 <= k.chars().count().max(3))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, k)| k)
}

/// Edit distance; a missing or extra `prefix_` counts as one edit.
fn closeness(a: &str, b: &str) -> usize {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let is_part = short.len() >= 4
        && (long.ends_with(&format!("_{short}")) || long.starts_with(&format!("{short}_")));
    if is_part { 1 } else { edit_distance(a, b) }
}

/// Insertions, deletions, replacements and swaps of neighbours.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}
