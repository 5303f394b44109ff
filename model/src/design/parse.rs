//! From tokens to the syntax tree, a line at a time: a line that cannot be read
//! is reported and skipped, so that one run shows all mistakes.

mod header;
mod statement;

use super::ast::*;
use super::lex::{Kind, Token, tokens};
use super::problem::{MAX_PROBLEMS, Problem, Rule, Span, did_you_mean};
use super::statements::{HEADER_WORDS, KEYWORDS, Kernel, statements};
use crate::program::{Entry, Val};
use winnow::Parser;
use winnow::combinator::separated;
use winnow::error::ParserError;
use winnow::stream::{Stream, TokenSlice};

type Tokens<'t, 's> = TokenSlice<'t, Token<'s>>;
type Parsed<T> = Result<T, Problem>;

impl ParserError<Tokens<'_, '_>> for Problem {
    type Inner = Problem;

    fn from_input(input: &Tokens<'_, '_>) -> Problem {
        unexpected(input, "something else")
    }

    fn into_inner(self) -> Result<Problem, Problem> {
        Ok(self)
    }
}

impl PartialEq<&str> for Token<'_> {
    fn eq(&self, other: &&str) -> bool {
        matches!(self.kind, Kind::Word(w) if w == *other)
            || matches!(self.kind, Kind::Sign(s) if s == *other)
    }
}

/// Where the next token stands; after the last one at the end of the line.
fn here(input: &Tokens<'_, '_>) -> Span {
    match (input.first(), input.previous_tokens().next()) {
        (Some(token), _) => token.span.clone(),
        (None, Some(last)) => last.span.end..last.span.end,
        (None, None) => 0..0,
    }
}

fn describe(input: &Tokens<'_, '_>) -> String {
    match input.first().map(|t| t.kind) {
        None | Some(Kind::Newline) => "the line ends".into(),
        Some(Kind::Word(w) | Kind::Errno(w)) => format!("`{w}` stands"),
        Some(Kind::Number(n)) => format!("`{n}` stands"),
        Some(Kind::Text(_)) => "a string stands".into(),
        Some(Kind::Sign(s)) => format!("`{s}` stands"),
        Some(Kind::Stray(c)) => format!("`{}` stands", c.escape_default()),
    }
}

fn unexpected(input: &Tokens<'_, '_>, wanted: &str) -> Problem {
    let message = format!("{} where {wanted} is expected", describe(input));
    let problem = Problem::new(Rule::Syntax, here(input), message);
    let spelling = match input.first().map(|t| t.kind) {
        Some(Kind::Sign("&&")) => "write `and`",
        Some(Kind::Sign("||")) => "write `or`",
        Some(Kind::Sign("!")) => "write `not`",
        Some(Kind::Sign("->")) => "write `.`, as in `iter.count`",
        Some(Kind::Sign(";")) => "a statement ends with its line: leave the `;` out",
        Some(Kind::Sign("=")) => "to compare, write `==`",
        Some(Kind::Stray('{' | '}')) => {
            "functions have no braces: `name(params):` and indented lines"
        }
        Some(Kind::Stray('"')) => "close the string with `\"` on the same line",
        _ => return problem,
    };
    problem.help(spelling)
}

fn is_next(input: &Tokens<'_, '_>, sign: &str) -> bool {
    input.first().is_some_and(|t| *t == sign)
}

fn eat<'s>(sign: &'static str) -> impl FnMut(&mut Tokens<'_, 's>) -> Parsed<Span> {
    move |input| match input.first() {
        Some(token) if *token == sign => {
            let span = token.span.clone();
            input.next_token();
            Ok(span)
        }
        _ => Err(unexpected(input, &format!("`{sign}`"))),
    }
}

fn end_of_line(input: &mut Tokens<'_, '_>) -> Parsed<()> {
    if input.is_empty() {
        return Ok(());
    }
    let message = format!("{} after the end of the statement", describe(input));
    Err(Problem {
        message: message.into(),
        ..unexpected(input, "nothing")
    })
}

fn is_name(word: &str) -> bool {
    !word.contains('-')
}

/// A word of any kind.
fn word(input: &mut Tokens<'_, '_>, wanted: &str) -> Parsed<Name> {
    match input.first() {
        Some(Token {
            kind: Kind::Word(text),
            span,
        }) => {
            let name = Name {
                text: text.to_string(),
                span: span.clone(),
            };
            input.next_token();
            Ok(name)
        }
        _ => Err(unexpected(input, wanted)),
    }
}

/// A name the design chooses: no hyphen, no keyword.
fn new_name(input: &mut Tokens<'_, '_>, wanted: &str) -> Parsed<Name> {
    let name = used_name(input, wanted)?;
    let taken = KEYWORDS.contains(&name.text.as_str())
        || Val::named(&name.text).is_some()
        || Kernel::named(&name.text).is_some();
    if taken {
        let message = format!(
            "`{}` has a meaning of its own and cannot be {wanted}",
            name.text
        );
        return Err(Problem::new(Rule::Syntax, name.span, message).help("choose another name"));
    }
    Ok(name)
}

/// A name that is used: no hyphen.
fn used_name(input: &mut Tokens<'_, '_>, wanted: &str) -> Parsed<Name> {
    let name = word(input, wanted)?;
    if is_name(&name.text) {
        return Ok(name);
    }
    let message = format!("`{}` is not a name", name.text);
    Err(Problem::new(Rule::Syntax, name.span, message)
        .help("names have no hyphen; to subtract, put blanks around `-`"))
}

/// A design under construction.
struct Reader<'s> {
    text: &'s str,
    line_ends: Vec<usize>,
    design: Design,
    problems: Vec<Problem>,
}

/// Reads a design file. The tree holds whatever could be read.
pub(super) fn parse(text: &str) -> (Design, Vec<Problem>) {
    let mut problems = Vec::new();
    let tokens = tokens(text, &mut problems);
    let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
    let mut reader = Reader {
        text,
        line_ends,
        design: Design::default(),
        problems,
    };
    for line in tokens.split(|t| t.kind == Kind::Newline) {
        if reader.problems.len() >= MAX_PROBLEMS {
            break;
        }
        if !line.is_empty() {
            let mistake = reader.line(line).err();
            reader
                .problems
                .extend(mistake.map(|p| with_syntax(p, line)));
        }
    }
    (reader.design, reader.problems)
}

impl<'s> Reader<'s> {
    fn line(&mut self, line: &[Token<'s>]) -> Parsed<()> {
        let mut input = TokenSlice::new(line);
        if is_function_header(self.text, line) {
            return self.function(&mut input);
        }
        if self.design.name.is_none() {
            return self.first_line(&mut input);
        }
        if let Kind::Text(text) = line[0].kind {
            input.next_token();
            self.only_above("a description", &line[0].span)?;
            self.design.description.push(text.to_string());
            return end_of_line(&mut input);
        }
        if let Kind::Word(word) = line[0].kind
            && HEADER_WORDS.contains(&word)
            && !line.get(1).is_some_and(|t| matches!(t.kind, Kind::Sign(_)))
        {
            self.only_above(&format!("`{word}`"), &line[0].span)?;
            return self.header(&mut input);
        }
        self.body(line)
    }

    fn first_line(&mut self, input: &mut Tokens<'_, 's>) -> Parsed<()> {
        let mut missing = unexpected(input, "`design NAME`");
        missing.rule = Rule::Header;
        // Go on as if it were there: the rest is worth reading.
        self.design.name = Some(Name {
            text: String::new(),
            span: here(input),
        });
        if !is_next(input, "design") {
            return Err(missing.help("a design starts with the line `design NAME`"));
        }
        eat("design")(input)?;
        self.design.name = Some(word(input, "the design's name")?);
        end_of_line(input)
    }

    fn only_above(&self, what: &str, span: &Span) -> Parsed<()> {
        if self.design.functions.is_empty() {
            return Ok(());
        }
        let message = format!("{what} belongs above the first function");
        Err(Problem::new(Rule::Header, span.clone(), message).help("move the line up"))
    }

    fn function(&mut self, input: &mut Tokens<'_, 's>) -> Parsed<()> {
        if self.design.name.is_none() {
            let missing = Problem::new(Rule::Header, here(input), "function before `design NAME`");
            self.problems
                .push(missing.help("a design starts with the line `design NAME`"));
            self.design.name = Some(Name {
                text: String::new(),
                span: here(input),
            });
        }
        let name = new_name(input, "a function");
        // Its lines belong to it even if its first one is wrong.
        let fallback = || Name {
            text: String::new(),
            span: 0..0,
        };
        let named = name.as_ref().map_or_else(
            |_| fallback(),
            |n| Name {
                text: n.text.clone(),
                span: n.span.clone(),
            },
        );
        self.design.functions.push(Function {
            name: named,
            params: Vec::new(),
            body: Vec::new(),
        });
        name?;
        eat("(")(input)?;
        let mut params = Vec::new();
        if !is_next(input, ")") {
            let param = |input: &mut Tokens<'_, 's>| new_name(input, "a parameter");
            params = separated(1.., param, eat(",")).parse_next(input)?;
        }
        eat(")")(input)?;
        if let Some(function) = self.design.functions.last_mut() {
            function.params = params;
        }
        eat(":")(input).map_err(|p| p.help("a function starts with `name(params):`"))?;
        end_of_line(input)
    }

    fn body(&mut self, tokens: &[Token<'s>]) -> Parsed<()> {
        let span = tokens[0].span.start..tokens[tokens.len() - 1].span.end;
        let Some(function) = self.design.functions.last_mut() else {
            return Err(stray_statement(tokens, span));
        };
        let node = statement::line(&mut TokenSlice::new(tokens))?;
        let text = squeeze(self.text, tokens);
        let number = self.line_ends.partition_point(|&end| end < span.start) as u32 + 1;
        function.body.push(Line {
            span,
            number,
            text,
            node,
        });
        Ok(())
    }
}

/// A mistake that suggests nothing yet suggests how the line's statement is
/// written.
fn with_syntax(problem: Problem, line: &[Token<'_>]) -> Problem {
    if problem.help.is_some() {
        return problem;
    }
    let words = line.iter().filter_map(|t| match t.kind {
        Kind::Word(word) => Some(word),
        _ => None,
    });
    let known = |word: &str| statements().iter().find(|s| s.name == word);
    let first = words.clone().next().and_then(known);
    // In `if … STATEMENT` and `VAR = STATEMENT` the statement comes last.
    match first
        .filter(|s| s.name != "if")
        .or_else(|| words.rev().find_map(known))
    {
        Some(statement) => problem.help(format!(
            "write `{}`",
            statement.syntax.replace('\n', "` or `")
        )),
        None => problem.help("a line is a label, a statement, or `VAR = VALUE`"),
    }
}

pub(super) fn suggestion<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match did_you_mean(word, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => otherwise.to_string(),
    }
}

/// `name(...)` with a colon behind, or an entry's name at the left edge.
fn is_function_header(text: &str, line: &[Token<'_>]) -> bool {
    let [
        Token {
            kind: Kind::Word(word),
            span,
        },
        Token {
            kind: Kind::Sign("("),
            ..
        },
        ..,
    ] = line
    else {
        return false;
    };
    let last = line[line.len() - 1].kind;
    let is_entry = || Entry::ALL.iter().any(|e| e.name() == *word);
    let at_edge = || {
        text[..span.start]
            .chars()
            .next_back()
            .is_none_or(|c| c == '\n')
    };
    match last {
        Kind::Sign(":") => *word != "if" && *word != "return",
        Kind::Sign(")") => is_entry() && at_edge(),
        _ => false,
    }
}

fn stray_statement(tokens: &[Token<'_>], span: Span) -> Problem {
    let message = "statement outside a function";
    let problem = Problem::new(Rule::Header, span, message);
    let word = match tokens[0].kind {
        Kind::Word(word) => word,
        Kind::Stray('"') => return problem.help("close the string with `\"` on the same line"),
        _ => return problem.help("start a function first: `name(params):`"),
    };
    let help = suggestion(
        word,
        HEADER_WORDS,
        "start a function first: `name(params):`",
    );
    problem.help(help)
}

/// The text of a line: comments removed, blanks squeezed.
fn squeeze(text: &str, tokens: &[Token<'_>]) -> String {
    let mut out = String::new();
    let mut end = tokens[0].span.start;
    for token in tokens {
        if token.span.start > end {
            out.push(' ');
        }
        out.push_str(&text[token.span.clone()]);
        end = token.span.end;
    }
    out
}
