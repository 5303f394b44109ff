//! From tokens to the syntax tree, a line at a time: a line that cannot be read
//! is reported and skipped, so that one run shows all mistakes.

use super::ast::*;
use super::lex::{Kind, Token, tokens};
use super::problem::{MAX_PROBLEMS, Problem, Rule, Span, did_you_mean};
use super::statements::{HEADER_WORDS, KEYWORDS, Kernel};
use crate::program::{self, Arith, Cmp, Entry, FlagDecl, MayGrant, TryRule, Val};
use winnow::Parser;
use winnow::combinator::{alt, opt, separated};
use winnow::error::ParserError;
use winnow::stream::{Stream, TokenSlice};

/// How deep conditions may nest.
const MAX_NESTING: usize = 16;
/// Largest bound of a counter.
const MAX_COUNTER: u32 = 3;

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
        message,
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

// Values and conditions

fn number(n: u32, span: &Span) -> Parsed<Val> {
    match u8::try_from(n) {
        Ok(n) if n <= Val::MAX_SIZE => Ok(Val::size(n)),
        _ => Err(Problem::new(
            Rule::Syntax,
            span.clone(),
            format!("number too large: sizes are pages, 0 to {}", Val::MAX_SIZE),
        )
        .help("scenarios transfer a few pages; write a size in pages, or iter.count for all")),
    }
}

fn errno(code: &str, span: &Span) -> Parsed<Val> {
    Val::named(code).ok_or_else(|| {
        let known = || {
            Val::NAMES
                .iter()
                .map(|(n, _)| *n)
                .filter(|n| n.starts_with('-'))
        };
        let help = match did_you_mean(code, known()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the model knows {}", known().collect::<Vec<_>>().join(", ")),
        };
        Problem::new(
            Rule::Syntax,
            span.clone(),
            format!("unknown error code `{code}`"),
        )
        .help(help)
    })
}

/// `held FILE` and its kind: the argument may stand in parentheses.
fn query(input: &mut Tokens<'_, '_>) -> Parsed<Name> {
    if opt(eat("(")).parse_next(input)?.is_some() {
        let file = used_name(input, "a file")?;
        eat(")")(input)?;
        return Ok(file);
    }
    used_name(input, "a file")
}

fn value(input: &mut Tokens<'_, '_>) -> Parsed<Value> {
    let Some(Token { kind, span }) = input.first().cloned() else {
        return Err(unexpected(input, "a value"));
    };
    let kind = match kind {
        Kind::Number(n) => {
            let val = number(n, &span)?;
            input.next_token();
            ValueKind::Const(val)
        }
        Kind::Errno(code) => {
            let val = errno(code, &span)?;
            input.next_token();
            ValueKind::Const(val)
        }
        Kind::Word(_) => named_value(input)?,
        _ => return Err(unexpected(input, "a value")),
    };
    let end = input
        .previous_tokens()
        .next()
        .map_or(span.end, |t| t.span.end);
    Ok(Value {
        kind,
        span: span.start..end,
    })
}

fn named_value(input: &mut Tokens<'_, '_>) -> Parsed<ValueKind> {
    let name = used_name(input, "a value")?;
    Ok(match name.text.as_str() {
        "true" => ValueKind::Const(Val::ONE),
        "false" => ValueKind::Const(Val::ZERO),
        "pagefault_disabled" => ValueKind::PagefaultDisabled,
        "held" => ValueKind::Held(query(input)?),
        "gfs2_glock_is_locked_by_me" => ValueKind::LockedByMe(query(input)?),
        text => match Val::named(text) {
            Some(val) => ValueKind::Const(val),
            None if is_next(input, ".") || is_next(input, "->") => {
                eat(".")(input)?;
                let field = used_name(input, "`count`")?;
                ValueKind::Field(name, field)
            }
            None => ValueKind::Name(name.text),
        },
    })
}

fn arg(input: &mut Tokens<'_, '_>) -> Parsed<Arg> {
    if opt(eat("&")).parse_next(input)?.is_some() {
        return used_name(input, "a variable").map(Arg::Ref);
    }
    if opt(eat("else")).parse_next(input)?.is_some() {
        return used_name(input, "a label").map(Arg::Else);
    }
    value(input).map(Arg::Value)
}

/// `name a b c` up to the end of the line, or `name(a, b, c)` and what follows.
fn call(input: &mut Tokens<'_, '_>, words_follow: bool) -> Parsed<Call> {
    let name = used_name(input, "a statement")?;
    let mut args = Vec::new();
    if opt(eat("(")).parse_next(input)?.is_some() {
        if !is_next(input, ")") {
            args = separated(1.., arg, eat(",")).parse_next(input)?;
        }
        eat(")")(input)?;
    }
    while words_follow && !input.is_empty() {
        if is_next(input, ",") {
            return Err(unexpected(input, "the next argument")
                .help("separate arguments by blanks, or write NAME(A, B)"));
        }
        if !is_argument(input) {
            break;
        }
        args.push(arg(input)?);
    }
    let end = input
        .previous_tokens()
        .next()
        .map_or(name.span.end, |t| t.span.end);
    let span = name.span.start..end;
    Ok(Call { name, args, span })
}

fn is_argument(input: &Tokens<'_, '_>) -> bool {
    let kind = input.first().map(|t| t.kind);
    matches!(
        kind,
        Some(Kind::Word(_) | Kind::Number(_) | Kind::Errno(_) | Kind::Sign("&"))
    )
}

/// Is the next thing a call, not a value?
fn is_call(input: &Tokens<'_, '_>, words_follow: bool) -> bool {
    let [
        Token {
            kind: Kind::Word(word),
            ..
        },
        rest @ ..,
    ] = &**input
    else {
        return false;
    };
    let is_value = ["held", "gfs2_glock_is_locked_by_me", "min"].contains(word);
    let is_op = Kernel::named(word).is_some();
    let follows = match rest.first().map(|t| t.kind) {
        Some(Kind::Sign("(")) => true,
        Some(Kind::Word(_) | Kind::Number(_) | Kind::Sign("&")) => words_follow,
        _ => false,
    };
    !is_value && (follows || (is_op && words_follow))
}

fn comparison(input: &mut Tokens<'_, '_>) -> Parsed<Option<Cmp>> {
    let cmp = match input.first().map(|t| t.kind) {
        Some(Kind::Sign("==")) => Cmp::Eq,
        Some(Kind::Sign("!=")) => Cmp::Ne,
        Some(Kind::Sign("<")) => Cmp::Lt,
        Some(Kind::Sign("<=")) => Cmp::Le,
        Some(Kind::Sign(">")) => Cmp::Gt,
        Some(Kind::Sign(">=")) => Cmp::Ge,
        Some(Kind::Sign("=" | "&&" | "||")) => return Err(unexpected(input, "a comparison")),
        _ => return Ok(None),
    };
    input.next_token();
    Ok(Some(cmp))
}

fn too_deep(input: &Tokens<'_, '_>) -> Problem {
    let message = format!("condition nested more than {MAX_NESTING} deep");
    Problem::new(Rule::TooLarge, here(input), message).help("split it into several `if` lines")
}

fn condition(input: &mut Tokens<'_, '_>, depth: usize) -> Parsed<Cond> {
    if depth > MAX_NESTING {
        return Err(too_deep(input));
    }
    joined(input, "or", Cond::Or, |input| {
        joined(input, "and", Cond::And, |input| negation(input, depth))
    })
}

/// Conditions joined by `word`; one alone stays as it is.
fn joined(
    input: &mut Tokens<'_, '_>,
    word: &'static str,
    join: fn(Vec<Cond>) -> Cond,
    mut part: impl FnMut(&mut Tokens<'_, '_>) -> Parsed<Cond>,
) -> Parsed<Cond> {
    let first = part(input)?;
    if !is_next(input, word) {
        return Ok(first);
    }
    let mut conds = vec![first];
    while opt(eat(word)).parse_next(input)?.is_some() {
        conds.push(part(input)?);
    }
    Ok(join(conds))
}

fn negation(input: &mut Tokens<'_, '_>, depth: usize) -> Parsed<Cond> {
    let mut negated = false;
    while opt(eat("not")).parse_next(input)?.is_some() {
        negated = !negated;
    }
    let cond = if opt(eat("(")).parse_next(input)?.is_some() {
        let inner = condition(input, depth + 1)?;
        eat(")")(input)?;
        inner
    } else if is_call(input, false) {
        Cond::Call(call(input, false)?)
    } else {
        test(input)?
    };
    Ok(if negated {
        Cond::Not(Box::new(cond))
    } else {
        cond
    })
}

fn test(input: &mut Tokens<'_, '_>) -> Parsed<Cond> {
    let left = value(input)?;
    Ok(match comparison(input)? {
        None => Cond::Truth(left),
        Some(cmp) => Cond::Compare(left, cmp, value(input)?),
    })
}

// Statements

fn minimum(input: &mut Tokens<'_, '_>) -> Parsed<Expr> {
    eat("min")(input)?;
    let bracket = opt(eat("(")).parse_next(input)?.is_some();
    let a = value(input)?;
    if bracket {
        eat(",")(input)?;
    }
    let b = value(input)?;
    if bracket {
        eat(")")(input)?;
    }
    Ok(Expr::Binary(a, Arith::Min, b))
}

fn expr(input: &mut Tokens<'_, '_>) -> Parsed<Expr> {
    if is_next(input, "min") {
        return minimum(input);
    }
    if is_call(input, true) {
        return call(input, true).map(Expr::Call);
    }
    let a = value(input)?;
    let op = opt(alt((
        eat("+").value(Arith::Add),
        eat("-").value(Arith::Sub),
    )))
    .parse_next(input)?;
    match op {
        None => Ok(Expr::Value(a)),
        Some(op) => Ok(Expr::Binary(a, op, value(input)?)),
    }
}

/// `ret =`, `iter.count +=`: only if an assignment follows.
fn target(input: &mut Tokens<'_, '_>) -> Parsed<Option<(Place, SetOp)>> {
    let length = match &**input {
        [
            _,
            Token {
                kind: Kind::Sign("." | "->"),
                ..
            },
            _,
            op,
            ..,
        ] if set_op(op).is_some() => 3,
        [_, op, ..] if set_op(op).is_some() => 1,
        _ => return Ok(None),
    };
    let name = used_name(input, "a variable")?;
    let field = if length == 3 {
        eat(".")(input)?;
        Some(used_name(input, "`count` or `nofault`")?)
    } else {
        None
    };
    let end = field.as_ref().map_or(name.span.end, |f| f.span.end);
    let op = input.next_token().and_then(set_op);
    let span = name.span.start..end;
    Ok(op.map(|op| (Place { name, field, span }, op)))
}

fn set_op(token: &Token<'_>) -> Option<SetOp> {
    match token.kind {
        Kind::Sign("=") => Some(SetOp::Assign),
        Kind::Sign("+=") => Some(SetOp::Update(Arith::Add)),
        Kind::Sign("-=") => Some(SetOp::Update(Arith::Sub)),
        _ => None,
    }
}

fn statement(input: &mut Tokens<'_, '_>) -> Parsed<Stmt> {
    if opt(eat("goto")).parse_next(input)?.is_some() {
        return used_name(input, "a label").map(Stmt::Goto);
    }
    if opt(eat("return")).parse_next(input)?.is_some() {
        let value = if input.is_empty() {
            None
        } else {
            Some(expr(input)?)
        };
        return Ok(Stmt::Return(value));
    }
    if is_next(input, "if") {
        return Err(unexpected(input, "a statement").help("join the conditions with `and`"));
    }
    if let Some((place, op)) = target(input)? {
        return Ok(Stmt::Set(place, op, expr(input)?));
    }
    call(input, true).map(Stmt::Call)
}

fn line(input: &mut Tokens<'_, '_>) -> Parsed<Node> {
    if let [
        Token {
            kind: Kind::Word(_),
            ..
        },
        Token {
            kind: Kind::Sign(":"),
            ..
        },
        rest @ ..,
    ] = &**input
    {
        if let Some(token) = rest.first() {
            let problem =
                Problem::new(Rule::Syntax, token.span.clone(), "statement behind a label");
            return Err(problem.help("put it on a line of its own"));
        }
        return new_name(input, "a label").map(Node::Label);
    }
    let node = if opt(eat("if")).parse_next(input)?.is_some() {
        let cond = condition(input, 0)?;
        if input.is_empty() {
            return Err(unexpected(input, "a statement")
                .help("write `if COND STATEMENT` on one line, e.g. `if ret < 0 goto out`"));
        }
        Node::If(cond, statement(input)?)
    } else {
        Node::Do(statement(input)?)
    };
    end_of_line(input)?;
    Ok(node)
}

// The whole file

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
            let result = reader.line(line);
            reader.problems.extend(result.err());
        }
    }
    (reader.design, reader.problems)
}

impl<'s> Reader<'s> {
    fn line(&mut self, line: &[Token<'s>]) -> Parsed<()> {
        let mut input = TokenSlice::new(line);
        if is_function_header(line) {
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
        let node = line(&mut TokenSlice::new(tokens))?;
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

    fn header(&mut self, input: &mut Tokens<'_, 's>) -> Parsed<()> {
        let keyword = word(input, "a header word")?;
        match keyword.text.as_str() {
            "design" => {
                let message = "second `design` line";
                return Err(Problem::new(Rule::Header, keyword.span, message)
                    .help("one file holds one design"));
            }
            "extends" => {
                let name = word(input, "the name of a design")?;
                if self.design.extends.is_some() {
                    let message = "second `extends` line";
                    return Err(Problem::new(Rule::Header, keyword.span, message)
                        .help("a design extends one other design"));
                }
                self.design.extends = Some(name);
            }
            "source" => self.source(input)?,
            "kernel" => self.kernel(input)?,
            "admits" => self.admits(input)?,
            _ => self.flag(&keyword, input)?,
        }
        end_of_line(input)
    }

    fn source(&mut self, input: &mut Tokens<'_, 's>) -> Parsed<()> {
        match input.first().map(|t| t.kind) {
            Some(Kind::Text(text)) => {
                input.next_token();
                self.design.origins.push(text.to_string());
                Ok(())
            }
            _ => Err(unexpected(input, "a string")
                .help("write `source \"commit or mail, date, kernel version\"`")),
        }
    }

    /// `kernel v5.16`, or `kernel may_grant v5.16, try v6.18`.
    fn kernel(&mut self, input: &mut Tokens<'_, 's>) -> Parsed<()> {
        if !is_next(input, "may_grant") && !is_next(input, "try") {
            let (may_grant, try_rule) = self.version(input, &["v5.12", "v5.16", "v6.18"])?;
            self.design.may_grant = Some(may_grant);
            self.design.try_rule = Some(try_rule);
            return Ok(());
        }
        loop {
            if opt(eat("may_grant")).parse_next(input)?.is_some() {
                self.design.may_grant = Some(self.version(input, &["v5.12", "v5.16"])?.0);
            } else {
                eat("try")(input)?;
                self.design.try_rule = Some(self.version(input, &["v5.12", "v6.18"])?.1);
            }
            if opt(eat(",")).parse_next(input)?.is_none() {
                return Ok(());
            }
        }
    }

    fn version(&self, input: &mut Tokens<'_, 's>, known: &[&str]) -> Parsed<(MayGrant, TryRule)> {
        let start = here(input);
        let mut end = start.end;
        while let Some(Token {
            kind: Kind::Word(_) | Kind::Number(_) | Kind::Sign("."),
            span,
        }) = input.first()
        {
            end = span.end;
            input.next_token();
        }
        let span = start.start..end.max(start.start);
        let given = &self.text[span.clone()];
        match known.iter().find(|v| **v == given) {
            Some(&"v5.12") => Ok((MayGrant::V512, TryRule::V512)),
            Some(&"v5.16") => Ok((MayGrant::V516, TryRule::V512)),
            Some(_) => Ok((MayGrant::V516, TryRule::V618)),
            None => {
                let message = format!("unknown kernel version `{given}`");
                Err(Problem::new(Rule::Header, span, message).help(format!(
                    "the rules changed in {}; name the last change before your kernel",
                    known.join(", ")
                )))
            }
        }
    }

    fn admits(&mut self, input: &mut Tokens<'_, 's>) -> Parsed<()> {
        eat("short")(input)?;
        let mut entries = Vec::new();
        while !input.is_empty() || entries.is_empty() {
            let name = word(input, "an entry, e.g. `buffered_read`")?;
            let Some(entry) = Entry::ALL.into_iter().find(|e| e.name() == name.text) else {
                let known = Entry::ALL.iter().map(|e| e.name());
                let help = suggestion(
                    &name.text,
                    known,
                    "entries are direct_read, direct_write, buffered_read, buffered_write",
                );
                let message = format!("unknown entry `{}`", name.text);
                return Err(Problem::new(Rule::Header, name.span, message).help(help));
            };
            entries.push(entry);
        }
        self.design.admits.get_or_insert_default().extend(entries);
        Ok(())
    }

    fn flag(&mut self, place: &Name, input: &mut Tokens<'_, 's>) -> Parsed<()> {
        let kind = word(input, "`flag` or `counter`")?;
        if kind.text != "flag" && kind.text != "counter" {
            let message = format!("`{}` where `flag` or `counter` is expected", kind.text);
            return Err(Problem::new(Rule::Flag, kind.span, message)
                .help(format!("write `{} flag NAME`", place.text)));
        }
        let name = new_name(input, "a flag")?;
        let max = if kind.text == "counter" {
            bound(&name, input)?
        } else {
            1
        };
        if self.design.flags.iter().any(|(f, _)| f.name == name.text) {
            let message = format!("`{}` is declared twice", name.text);
            return Err(Problem::new(Rule::Flag, name.span, message).help("remove one line"));
        }
        let place = match place.text.as_str() {
            "task" => program::Place::Task,
            "inode" => program::Place::Inode,
            "file" => program::Place::File,
            _ => program::Place::JournalInfo,
        };
        let Name { text, span } = name;
        self.design.flags.push((
            FlagDecl {
                name: text,
                place,
                max,
            },
            span,
        ));
        Ok(())
    }
}

/// `max N` behind a counter's name.
fn bound(name: &Name, input: &mut Tokens<'_, '_>) -> Parsed<u8> {
    let help = format!(
        "write `counter {} max N`, N from 1 to {MAX_COUNTER}",
        name.text
    );
    if input.is_empty() {
        let message = format!("counter `{}` has no bound", name.text);
        return Err(Problem::new(Rule::Counter, name.span.clone(), message).help(help));
    }
    eat("max")(input).map_err(|p| p.help(&help))?;
    match input.first().cloned() {
        Some(Token {
            kind: Kind::Number(n @ 1..=MAX_COUNTER),
            ..
        }) => {
            input.next_token();
            Ok(n as u8)
        }
        Some(Token {
            kind: Kind::Number(_),
            span,
        }) => {
            let message = format!("bound of a counter out of range: 1 to {MAX_COUNTER}");
            Err(Problem::new(Rule::Counter, span, message).help(help))
        }
        _ => Err(unexpected(input, "the bound").help(help)),
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

/// `name(...)` with a colon behind, or at the left edge of the text.
fn is_function_header(line: &[Token<'_>]) -> bool {
    let opens = matches!(line, [Token { kind: Kind::Word(w), .. }, Token { kind: Kind::Sign("("), .. }, ..] if *w != "if" && *w != "return");
    opens && line.last().is_some_and(|t| t.kind == Kind::Sign(":"))
        || opens && is_entry_without_colon(line)
}

/// `fault(file)` alone: an entry whose colon was forgotten.
fn is_entry_without_colon(line: &[Token<'_>]) -> bool {
    let Kind::Word(word) = line[0].kind else {
        return false;
    };
    Entry::ALL.iter().any(|e| e.name() == word)
        && line.iter().position(|t| t.kind == Kind::Sign(")")) == Some(line.len() - 1)
        && line[0].span.start == 0
}

fn stray_statement(tokens: &[Token<'_>], span: Span) -> Problem {
    let message = "statement outside a function";
    let problem = Problem::new(Rule::Header, span, message);
    let word = match tokens[0].kind {
        Kind::Word(word) => word,
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
