//! From characters to tokens, with winnow.

use super::problem::{Problem, Rule, Span};
use winnow::Parser;
use winnow::ascii::dec_uint;
use winnow::combinator::{alt, delimited, opt, preceded, repeat};
use winnow::error::EmptyError;
use winnow::stream::LocatingSlice;
use winnow::token::{any, one_of, take_till, take_until, take_while};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'s> {
    /// A name; hyphens inside belong to it, as in `fault-in-retry`.
    Word(&'s str),
    /// `-EFAULT`, with its sign.
    Errno(&'s str),
    /// A number; too large ones saturate.
    Number(u32),
    /// A string, without its quotes.
    Text(&'s str),
    /// An operator or a bracket.
    Sign(&'static str),
    /// End of a line.
    Newline,
    /// A character the language does not have.
    Stray(char),
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind<'s>,
    pub(super) span: Span,
}

type Input<'s> = LocatingSlice<&'s str>;

/// Longest first.
const SIGNS: [&str; 22] = [
    "==", "!=", "<=", ">=", "+=", "-=", "->", "&&", "||", "(", ")", ",", ":", "=", "<", ">", "+",
    "-", ".", "&", "!", ";",
];

fn word<'s>(input: &mut Input<'s>) -> Result<&'s str, EmptyError> {
    let part = || take_while(1.., |c: char| c.is_ascii_alphanumeric() || c == '_');
    (
        one_of(|c: char| c.is_ascii_alphabetic() || c == '_'),
        opt(part()),
        repeat::<_, _, (), _, _>(0.., ('-', part())),
    )
        .take()
        .parse_next(input)
}

fn errno<'s>(input: &mut Input<'s>) -> Result<&'s str, EmptyError> {
    let code = take_while(1.., |c: char| c.is_ascii_uppercase() || c.is_ascii_digit());
    ("-E", code).take().parse_next(input)
}

fn number(input: &mut Input<'_>) -> Result<u32, EmptyError> {
    let digits = take_while(1.., |c: char| c.is_ascii_digit());
    alt((dec_uint, digits.value(u32::MAX))).parse_next(input)
}

fn text<'s>(input: &mut Input<'s>) -> Result<&'s str, EmptyError> {
    delimited('"', take_till(0.., ['"', '\n']), '"').parse_next(input)
}

fn sign(input: &mut Input<'_>) -> Result<&'static str, EmptyError> {
    for sign in SIGNS {
        if opt(sign).parse_next(input)?.is_some() {
            return Ok(sign);
        }
    }
    Err(EmptyError)
}

/// A token's kind.
fn token<'s>(input: &mut Input<'s>) -> Result<Kind<'s>, EmptyError> {
    alt((
        '\n'.value(Kind::Newline),
        errno.map(Kind::Errno),
        word.map(Kind::Word),
        number.map(Kind::Number),
        text.map(Kind::Text),
        sign.map(Kind::Sign),
        any.map(Kind::Stray),
    ))
    .parse_next(input)
}

fn blanks(input: &mut Input<'_>) -> Result<(), EmptyError> {
    take_while(0.., [' ', '\t', '\r']).void().parse_next(input)
}

/// `// …` and `# …`, up to the end of the line.
fn line_comment(input: &mut Input<'_>) -> Result<(), EmptyError> {
    (alt(("//", "#")), take_till(0.., '\n'))
        .void()
        .parse_next(input)
}

/// `/* … */`; says whether it spans lines.
fn block_comment(input: &mut Input<'_>) -> Result<bool, EmptyError> {
    delimited("/*", take_until(0.., "*/"), "*/")
        .map(|inner: &str| inner.contains('\n'))
        .parse_next(input)
}

/// All tokens of a text. A comment that spans lines ends the line it starts on.
pub(super) fn tokens<'s>(source: &'s str, problems: &mut Vec<Problem>) -> Vec<Token<'s>> {
    let mut input = LocatingSlice::new(source);
    let mut found = Vec::new();
    loop {
        let _ = blanks(&mut input);
        if input.is_empty() {
            return found;
        }
        if opt(line_comment)
            .parse_next(&mut input)
            .ok()
            .flatten()
            .is_some()
        {
            continue;
        }
        if let Ok(Some((spans_lines, span))) = opt(block_comment.with_span()).parse_next(&mut input)
        {
            if spans_lines {
                found.push(Token {
                    kind: Kind::Newline,
                    span,
                });
            }
            continue;
        }
        let Ok((kind, span)) = preceded(blanks, token.with_span()).parse_next(&mut input) else {
            return found;
        };
        if source[span.start..].starts_with("/*") {
            problems.push(
                Problem::new(
                    Rule::Syntax,
                    span.start..span.start + 2,
                    "comment without an end",
                )
                .label("starts here")
                .help("close it with `*/`, or use `//` for a comment up to the end of the line"),
            );
            return found;
        }
        found.push(Token { kind, span });
    }
}
