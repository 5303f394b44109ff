//! Typed access to parsed TOML: each mistake is told where it stands.

use super::error::{ScenarioError, Source, did_you_mean, joined, quoted};
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;
/// The result of reading a part of a scenario.
pub(super) type Read<T> = Result<T, ScenarioError>;

/// A table whose keys are all known.
pub(super) struct Fields<'a> {
    source: Source<'a>,
    table: &'a DeTable<'a>,
    /// Where the table, or its header, stands.
    pub(super) span: Range<usize>,
    what: &'a str,
}

impl<'a> Fields<'a> {
    /// The table, if all its keys are among `known`. `what` is what a sentence
    /// calls it: "a task".
    pub(super) fn new(
        source: Source<'a>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        what: &'a str,
        known: &[&str],
    ) -> Read<Self> {
        for (key, _) in in_order(table) {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = format!("{what} has no key {}", quoted(name));
                return Err(source
                    .error(key.span(), message)
                    .label("unknown key")
                    .help(did_you_mean(name, known)));
            }
        }
        Ok(Fields {
            source,
            table,
            span,
            what,
        })
    }

    /// The value of `key`, if there is one.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.table.get(key)
    }

    /// The value of `key`, which must be there; `example` is what to write.
    pub(super) fn need(&self, key: &str, example: &str) -> Read<&'a Value<'a>> {
        self.get(key).ok_or_else(|| {
            self.source
                .error(self.span.clone(), format!("{} lacks `{key}`", self.what))
                .label(format!("no `{key}`"))
                .help(format!("add `{example}`"))
        })
    }

    /// Refuses `key`; `why` completes "`key` …".
    pub(super) fn refuse(&self, key: &str, why: &str, help: &str) -> Read<()> {
        match self.get(key) {
            None => Ok(()),
            Some(value) => Err(self
                .source
                .error(value.span(), format!("`{key}` {why}"))
                .label("not here")
                .help(help)),
        }
    }

    /// A whole number in `range`, or `default`.
    pub(super) fn integer(&self, key: &str, range: RangeInclusive<u8>, default: u8) -> Read<u8> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => self.source.integer(value, key, range),
        }
    }

    /// `true` or `false`, or `default`.
    pub(super) fn boolean(&self, key: &str, default: bool) -> Read<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => match value.get_ref() {
                DeValue::Boolean(b) => Ok(*b),
                _ => Err(self
                    .source
                    .mismatch(value, key, "true or false, without quotes")),
            },
        }
    }

    /// A name, if there is one; see [`Source::name`].
    pub(super) fn name(&self, key: &str) -> Read<Option<&'a str>> {
        self.get(key).map(|v| self.source.name(v, key)).transpose()
    }
}

/// The entries of a table in the order in which they are written.
pub(super) fn in_order<'a>(
    table: &'a DeTable<'a>,
) -> Vec<(&'a Spanned<toml::de::DeString<'a>>, &'a Value<'a>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// The elements of a list; a single value is a list of one.
pub(super) fn one_or_many<'a>(value: &'a Value<'a>) -> Vec<&'a Value<'a>> {
    match value.get_ref() {
        DeValue::Array(array) => array.iter().collect(),
        _ => vec![value],
    }
}

/// "a string", "a list", … for a sentence.
fn kind(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl<'a> Source<'a> {
    /// The error that `key` is of the wrong type and must be `wanted`.
    pub(super) fn mismatch(&self, value: &Value, key: &str, wanted: &str) -> ScenarioError {
        self.error(value.span(), format!("`{key}` must be {wanted}"))
            .label(format!("this is {}", kind(value.get_ref())))
    }

    /// The string `key` holds.
    pub(super) fn string(&self, value: &'a Value<'a>, key: &str) -> Read<&'a str> {
        match value.get_ref() {
            DeValue::String(s) => Ok(s),
            _ => Err(self.mismatch(value, key, "a string in quotes")),
        }
    }

    /// The whole number `key` holds, which must be in `range`.
    pub(super) fn integer(&self, value: &Value, key: &str, range: RangeInclusive<u8>) -> Read<u8> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = value.get_ref() else {
            return Err(self.mismatch(value, key, &wanted));
        };
        i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|n| u8::try_from(n).ok())
            .filter(|n| range.contains(n))
            .ok_or_else(|| {
                self.error(value.span(), format!("`{key}` must be {wanted}"))
                    .label("out of range")
            })
    }

    /// The table `key` holds.
    pub(super) fn table(&self, value: &'a Value<'a>, key: &str) -> Read<&'a DeTable<'a>> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.mismatch(value, key, "a table")),
        }
    }

    /// A name: up to 24 letters, digits, `_` and `-`.
    pub(super) fn name(&self, value: &'a Value<'a>, key: &str) -> Read<&'a str> {
        let name = self.string(value, key)?;
        self.check_name(name, value.span())?;
        Ok(name)
    }

    /// Refuses names that are empty, long, or not plain.
    pub(super) fn check_name(&self, name: &str, span: Range<usize>) -> Read<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.is_empty() && name.len() <= 24 && name.chars().all(plain) {
            return Ok(());
        }
        Err(self
            .error(span, format!("{} cannot be a name", quoted(name)))
            .help("a name has 1 to 24 letters, digits, `_` and `-`"))
    }

    /// One of the words in `names`.
    pub(super) fn word<T: Copy>(
        &self,
        value: &'a Value<'a>,
        key: &str,
        names: &[(&str, T)],
    ) -> Read<T> {
        let choices: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
        let DeValue::String(word) = value.get_ref() else {
            let choices: Vec<String> = choices.iter().map(|c| format!("\"{c}\"")).collect();
            return Err(self.mismatch(value, key, &joined(&choices, "or")));
        };
        match names.iter().find(|(n, _)| n == word) {
            Some((_, value)) => Ok(*value),
            None => Err(self
                .error(value.span(), format!("`{key}` cannot be {}", quoted(word)))
                .label("unknown value")
                .help(did_you_mean(word, &choices))),
        }
    }

    /// One or several of the words in `names`, each once.
    pub(super) fn words<T: Copy + PartialEq>(
        &self,
        value: &'a Value<'a>,
        key: &str,
        names: &[(&str, T)],
    ) -> Read<Vec<T>> {
        let mut found = Vec::new();
        for element in one_or_many(value) {
            let word = self.word(element, key, names)?;
            if found.contains(&word) {
                return Err(self
                    .error(element.span(), format!("`{key}` lists this twice"))
                    .label("again")
                    .help("leave it out: each alternative counts once"));
            }
            found.push(word);
        }
        if found.is_empty() {
            return Err(self
                .error(value.span(), format!("`{key}` is an empty list"))
                .label("no alternative")
                .help("list what it may be at the start, or leave the key out"));
        }
        Ok(found)
    }
}
