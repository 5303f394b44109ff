//! What a file must be before the TOML parser sees it: not empty, not huge, not
//! nested so deeply that a recursive reader runs out of stack.

use super::error::{ScenarioError, Source};

/// Longest scenario file, in bytes: 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of brackets and dotted keys. The format itself needs 5.
pub const MAX_NESTING: usize = 16;

/// Refuses texts that are empty, longer than [`MAX_BYTES`] or nested deeper than
/// [`MAX_NESTING`].
pub(super) fn check(source: &Source) -> Result<(), ScenarioError> {
    if source.text.len() > MAX_BYTES {
        return Err(too_long(source.file, source.text.len() as u64));
    }
    if source.text.trim().is_empty() {
        return Err(source
            .error(0..0, "the scenario is empty")
            .label("nothing here")
            .help(
                "a scenario has at least `[files.F1]` and one `[[tasks]]`; \
                 the ones in `model/scenarios` are examples",
            ));
    }
    match too_deep(source.text.as_bytes()) {
        None => Ok(()),
        Some(at) => Err(source
            .error(at..at + 1, "this is nested too deeply")
            .label(format!("more than {MAX_NESTING} levels"))
            .help("a scenario needs no more than five levels of brackets and dots")),
    }
}

/// The error for a file of `bytes` bytes.
pub(super) fn too_long(file: &str, bytes: u64) -> ScenarioError {
    ScenarioError::new(format!(
        "{file}: {bytes} bytes are too long for a scenario, which has at most {MAX_BYTES}"
    ))
    .help("is this the file you meant?")
}

/// Where brackets outside strings and comments nest deeper than
/// [`MAX_NESTING`], or a key has more dots than that.
fn too_deep(text: &[u8]) -> Option<usize> {
    let (mut depth, mut dots, mut at) = (0, 0, 0);
    while at < text.len() {
        match text[at] {
            b'#' => at += text[at..].iter().take_while(|b| **b != b'\n').count(),
            b'"' | b'\'' => {
                at = after_string(text, at);
                continue;
            }
            b'[' | b'{' => (depth, dots) = (depth + 1, 0),
            b']' | b'}' => (depth, dots) = (usize::saturating_sub(depth, 1), 0),
            b'.' => dots += 1,
            b'\n' | b'=' | b',' => dots = 0,
            _ => {}
        }
        if depth.max(dots) > MAX_NESTING {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The position after the string that starts at `at`; a string of one line ends
/// with its line at the latest, as it does for the parser.
fn after_string(text: &[u8], at: usize) -> usize {
    let quote = text[at];
    let triple = [quote; 3];
    let long = text[at..].starts_with(&triple);
    let mut i = at + if long { 3 } else { 1 };
    while i < text.len() {
        match text[i] {
            b'\\' if quote == b'"' => i += 1,
            b'\n' if !long => return i,
            b if b == quote && !long => return i + 1,
            _ if long && text[i..].starts_with(&triple) => return i + 3,
            _ => {}
        }
        i += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_do_not_nest() {
        let deep = "[".repeat(MAX_NESTING + 1);
        assert_eq!(too_deep(deep.as_bytes()), Some(MAX_NESTING));
        for text in [
            format!("# {deep}"),
            format!("x = \"{deep}\\\"{deep}\""),
            format!("x = '{deep}'"),
            format!("x = \"\"\"\n\"{deep}\"\"\""),
            format!("x = '''\n'{deep}'''"),
            "[]".repeat(100),
            "x = 1.5\n".repeat(100),
        ] {
            assert_eq!(too_deep(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn long_dotted_keys_nest() {
        let key = "a.".repeat(MAX_NESTING + 1) + "b = 1";
        assert!(too_deep(key.as_bytes()).is_some());
    }

    #[test]
    fn unfinished_strings_end_somewhere() {
        for text in ["'", "\"", "\"\\", "'''", "\"\"\"\\", "\"\\\n["] {
            assert_eq!(too_deep(text.as_bytes()), None, "{text}");
        }
    }
}
