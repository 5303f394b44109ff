//! The lines of a function: values, conditions, statements.

use super::super::ast::*;
use super::super::lex::{Kind, Token};
use super::super::problem::{Problem, Rule, Span, did_you_mean};
use super::super::statements::Kernel;
use super::{Parsed, Tokens, eat, end_of_line, here, is_next, new_name, unexpected, used_name};
use crate::program::{Arith, Cmp, Val};
use winnow::Parser;
use winnow::combinator::{alt, opt, separated};
use winnow::stream::Stream;

/// How deep conditions may nest.
const MAX_NESTING: usize = 16;

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
        "iocb_append" => ValueKind::IocbAppend,
        "held" => ValueKind::Held(query(input)?),
        "gfs2_glock_is_locked_by_me" => ValueKind::LockedByMe(query(input)?),
        "gfs2_holder_queued" => ValueKind::HolderQueued(query(input)?),
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
    let is_value = [
        "held",
        "gfs2_glock_is_locked_by_me",
        "gfs2_holder_queued",
        "min",
    ]
    .contains(word);
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
    let name = new_name(input, "a variable")?;
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

pub(super) fn line(input: &mut Tokens<'_, '_>) -> Parsed<Node> {
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
