//! Breaking text into lines without losing any of it.

/// Breaks `text` at blanks into lines of at most `width` characters; lines after the
/// first are indented by `hang` more than the text is. A word that is longer than a
/// line is broken too.
pub(crate) fn wrap(text: &str, width: usize, hang: usize) -> Vec<String> {
    let bare = text.trim_start_matches(' ');
    let indent = " ".repeat((text.len() - bare.len()).min(width / 2));
    let lines = wrap_bare(bare, width - indent.len(), hang);
    lines.into_iter().map(|l| format!("{indent}{l}")).collect()
}

/// Breaks `call: outcome`, if it must be broken, behind the call.
pub(crate) fn wrap_call(call: &str, outcome: &str, width: usize) -> Vec<String> {
    let whole = match (call.is_empty(), outcome.is_empty()) {
        (_, true) => call.to_string(),
        (true, false) => outcome.to_string(),
        (false, false) => format!("{call}: {outcome}"),
    };
    let head = call.chars().count() + 1;
    if whole.chars().count() <= width || outcome.is_empty() || head > width || width < 6 {
        return wrap(&whole, width, 2);
    }
    let rest = wrap(outcome, width - 2, 2).into_iter();
    let rest = rest.map(|l| format!("  {l}"));
    std::iter::once(format!("{call}:")).chain(rest).collect()
}

fn wrap_bare(text: &str, width: usize, hang: usize) -> Vec<String> {
    let width = width.max(1);
    let hang = hang.min(width - 1);
    let mut lines = vec![String::new()];
    for word in words(text) {
        let mut word = word.as_slice();
        loop {
            let last = lines.last().map_or(0, |l| l.chars().count());
            let start = if lines.len() > 1 { hang } else { 0 };
            let gap = usize::from(last > start);
            if last + gap + word.len() <= width {
                push(&mut lines, gap, word);
                break;
            }
            if gap > 0 {
                lines.push(" ".repeat(hang));
                continue;
            }
            let (head, rest) = word.split_at(break_at(word, width - start));
            push(&mut lines, 0, head);
            lines.push(" ".repeat(hang));
            word = rest;
        }
    }
    lines
}

/// The words of a text. `node 2` is one word.
fn words(text: &str) -> Vec<Vec<char>> {
    let mut words: Vec<Vec<char>> = Vec::new();
    let mut after_node = false;
    for word in text.split(' ') {
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        match words.last_mut() {
            Some(last) if after_node && number => {
                last.push(' ');
                last.extend(word.chars());
            }
            _ => words.push(word.chars().collect()),
        }
        after_node = word == "node";
    }
    words
}

fn push(lines: &mut [String], gap: usize, word: &[char]) {
    if let Some(last) = lines.last_mut() {
        last.push_str(&" ".repeat(gap));
        last.extend(word);
    }
}

/// Where to break a word that does not fit: behind punctuation, if there is any.
fn break_at(word: &[char], room: usize) -> usize {
    let room = room.max(1);
    let good = |c: &char| matches!(c, '_' | '(' | '|' | ',' | '-');
    word[..room].iter().rposition(good).map_or(room, |i| i + 1)
}

#[cfg(test)]
mod tests {
    use super::{wrap, wrap_call};

    #[test]
    fn text_breaks_at_blanks_and_hangs() {
        assert_eq!(wrap("a bc def", 5, 2), ["a bc", "  def"]);
        assert_eq!(wrap("", 5, 2), [""]);
        assert_eq!(wrap("on node 2", 8, 0), ["on", "node 2"]);
        assert_eq!(wrap(" #0: a b", 6, 4), [" #0: a", "     b"]);
    }

    #[test]
    fn an_outcome_moves_below_its_call_as_a_whole() {
        assert_eq!(wrap_call("nq", "granted", 11), ["nq: granted"]);
        assert_eq!(wrap_call("nq", "granted", 10), ["nq:", "  granted"]);
    }

    #[test]
    fn a_long_word_breaks_behind_punctuation() {
        assert_eq!(
            wrap("fault_in_iov_iter", 10, 2),
            ["fault_in_", "  iov_iter"]
        );
        assert_eq!(
            wrap("abcdefgh", 3, 2),
            ["abc", "  d", "  e", "  f", "  g", "  h"]
        );
    }
}
