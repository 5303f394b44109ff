//! The lines above the first function.

use super::super::ast::Name;
use super::super::lex::{Kind, Token};
use super::super::problem::{Problem, Rule};
use super::{
    Parsed, Reader, Tokens, eat, end_of_line, here, is_next, new_name, suggestion, unexpected, word,
};
use crate::program::{
    DemoteRule, Entry, FlagDecl, GhError, HoldRule, MayGrant, Place, TryRule, WeakRule,
};
use winnow::Parser;
use winnow::combinator::opt;
use winnow::stream::Stream;

/// Largest bound of a counter.
const MAX_COUNTER: u32 = 3;

impl<'s> Reader<'s> {
    pub(super) fn header(&mut self, input: &mut Tokens<'_, 's>) -> Parsed<()> {
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
        const RULES: [&str; 6] = ["may_grant", "try", "weak", "gh_error", "demote", "hold"];
        if !RULES.iter().any(|rule| is_next(input, rule)) {
            let known = ["v5.12", "v5.16", "v5.18", "v6.0", "v6.18"];
            let since = self.version(input, &known)?;
            let later = |version: &str| since >= place(&known, version);
            let design = &mut self.design;
            design.may_grant = Some(one_of(later("v5.16"), MayGrant::V512, MayGrant::V516));
            design.gh_error = Some(one_of(later("v5.18"), GhError::V512, GhError::V518));
            design.weak = Some(one_of(later("v6.0"), WeakRule::V516, WeakRule::V60));
            design.try_rule = Some(one_of(later("v6.18"), TryRule::V512, TryRule::V618));
            design.demote = Some(DemoteRule::V2624);
            design.hold = Some(HoldRule::V510);
            return Ok(());
        }
        loop {
            let rule = RULES.into_iter().find(|rule| is_next(input, rule));
            let Some(rule) = rule else {
                return Err(
                    unexpected(input, "a rule").help(format!("the rules are {}", RULES.join(", ")))
                );
            };
            eat(rule)(input)?;
            let mut changed = |known: [&str; 2]| self.version(input, &known).map(|at| at == 1);
            match rule {
                "may_grant" => {
                    let later = changed(["v5.12", "v5.16"])?;
                    self.design.may_grant = Some(one_of(later, MayGrant::V512, MayGrant::V516));
                }
                "try" => {
                    let later = changed(["v5.12", "v6.18"])?;
                    self.design.try_rule = Some(one_of(later, TryRule::V512, TryRule::V618));
                }
                "weak" => {
                    let later = changed(["v5.16", "v6.0"])?;
                    self.design.weak = Some(one_of(later, WeakRule::V516, WeakRule::V60));
                }
                "gh_error" => {
                    let later = changed(["v5.12", "v5.18"])?;
                    self.design.gh_error = Some(one_of(later, GhError::V512, GhError::V518));
                }
                "hold" => {
                    let later = changed(["v2.6.24", "v5.10"])?;
                    self.design.hold = Some(one_of(later, HoldRule::V2624, HoldRule::V510));
                }
                _ => {
                    let later = changed(["v2.6.19", "v2.6.24"])?;
                    self.design.demote = Some(one_of(later, DemoteRule::V2619, DemoteRule::V2624));
                }
            }
            if opt(eat(",")).parse_next(input)?.is_none() {
                return Ok(());
            }
        }
    }

    /// The place of a version among the known ones, which are in order.
    fn version(&self, input: &mut Tokens<'_, 's>, known: &[&str]) -> Parsed<usize> {
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
        known.iter().position(|v| *v == given).ok_or_else(|| {
            let message = format!("unknown kernel version `{given}`");
            Problem::new(Rule::Header, span, message).help(format!(
                "the rules changed in {}; name the last change before your kernel",
                known.join(", ")
            ))
        })
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
            "task" => Place::Task,
            "inode" => Place::Inode,
            "file" => Place::File,
            _ => Place::JournalInfo,
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

/// The place of one of the known versions.
fn place(known: &[&str], version: &str) -> usize {
    known.iter().position(|v| *v == version).unwrap_or(0)
}

fn one_of<T>(later: bool, before: T, after: T) -> T {
    if later { after } else { before }
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
