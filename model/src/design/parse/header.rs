//! The lines above the first function.

use super::super::ast::Name;
use super::super::lex::{Kind, Token};
use super::super::problem::{Problem, Rule};
use super::{
    Parsed, Reader, Tokens, eat, end_of_line, here, is_next, new_name, suggestion, unexpected, word,
};
use crate::program::{Entry, FlagDecl, MayGrant, Place, TryRule};
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
