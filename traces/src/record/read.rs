//! Reading records: strictly, and without trusting them.
//!
//! A record may come from anybody. What is too long, too deep or not what it says is
//! refused with a place, before much memory is spent on it.

use super::{ActorKind, Record, action};
use crate::observe::Value;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::path::Path;

/// The longest record that is read, in bytes: 16 MiB.
pub const MAX_BYTES: usize = 16 << 20;
/// The most steps a record may have.
pub const MAX_STEPS: usize = 200_000;
/// The longest text in a record, in bytes.
const MAX_TEXT: usize = 10_000;
/// The longest line, value or name, in bytes: these are referred to again and again.
const MAX_WORDS: usize = 1_000;
/// How much all steps together may tell, in bytes.
const MAX_TOLD: usize = 64 << 20;
/// The most actors of a kind.
const MAX_ACTORS: usize = 16;

/// Why something is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be read at all.
    #[error("cannot read {file}: {why}")]
    Unreadable {
        /// Its path.
        file: String,
        /// What the system says.
        why: String,
    },
    /// It is too long.
    #[error(
        "{file}:{line}:{column}: a record has at most {} MiB, and this is where they end",
        MAX_BYTES >> 20
    )]
    TooLong {
        /// The file.
        file: String,
        /// Line of the limit, from 1.
        line: usize,
        /// Column, in bytes from 1.
        column: usize,
    },
    /// It is no JSON, or JSON of another shape.
    #[error("{file}:{line}:{column}: {why}")]
    Malformed {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, in bytes from 1.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// It is another document.
    #[error("{file} is no record of a history: its format is {format:?}")]
    OtherFormat {
        /// The file.
        file: String,
        /// What it says it is.
        format: String,
    },
    /// A later program wrote it.
    #[error(
        "{file} is a record of version {version}, and this program knows versions up to {}",
        Record::VERSION
    )]
    Newer {
        /// The file.
        file: String,
        /// Its version.
        version: u64,
    },
    /// It refers to something that is not there, or contradicts itself.
    #[error("{file}: {what}: {why}")]
    Inconsistent {
        /// The file.
        file: String,
        /// Where: `steps[3].set`.
        what: String,
        /// What is wrong.
        why: String,
    },
}

impl RecordError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            RecordError::Unreadable { .. } => "give the path of a record",
            RecordError::Newer { .. } => "read it with the glock that wrote it, or a later one",
            RecordError::OtherFormat { .. } => {
                "`glock check --record FOLDER` writes records; the JSON of other options is \
                 something else"
            }
            _ => "the file is damaged, or it was not written by glock",
        }
    }
}

/// What must be known before all the rest is looked at.
#[derive(serde::Deserialize)]
struct Head {
    format: Option<String>,
    version: Option<u64>,
}

impl Record {
    /// Reads a file.
    ///
    /// # Errors
    /// [`RecordError`] if it cannot be read or is no record.
    pub fn read(path: &Path) -> Result<Record, RecordError> {
        let file = path.display().to_string();
        let unreadable = |why: String| RecordError::Unreadable {
            file: file.clone(),
            why,
        };
        let meta = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?;
        // A pipe could keep us waiting for ever.
        if !meta.is_file() {
            return Err(unreadable("it is no regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|f| f.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(|e| unreadable(e.to_string()))?;
        Record::from_bytes(&file, &bytes)
    }

    /// Reads the bytes of a file of that name; of more than [`MAX_BYTES`] no more than one
    /// is looked at.
    ///
    /// # Errors
    /// [`RecordError`] if it is no record.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Record, RecordError> {
        let too_long = bytes.len() > MAX_BYTES;
        let kept = &bytes[..bytes.len().min(MAX_BYTES)];
        let malformed = |error: serde_json::Error| match too_long && error.is_eof() {
            true => RecordError::TooLong {
                file: file.to_owned(),
                line: error.line(),
                column: error.column(),
            },
            false => RecordError::Malformed {
                file: file.to_owned(),
                line: error.line(),
                column: error.column(),
                why: without_place(&error),
            },
        };
        // What goes on behind a valid document within the limit is a mistake in any case.
        let head: Head = serde_json::from_slice(kept).map_err(malformed)?;
        let format = head.format.unwrap_or_default();
        if format != Record::FORMAT {
            let format = format.chars().take(60).collect();
            let file = file.to_owned();
            return Err(RecordError::OtherFormat { file, format });
        }
        let version = head.version.unwrap_or(0);
        if version > Record::VERSION.into() {
            let file = file.to_owned();
            return Err(RecordError::Newer { file, version });
        }
        let record: Record = serde_json::from_slice(kept).map_err(malformed)?;
        match record.mistake() {
            None => Ok(record),
            Some((what, why)) => Err(RecordError::Inconsistent {
                file: file.to_owned(),
                what,
                why,
            }),
        }
    }

    /// What in it cannot be, and why.
    fn mistake(&self) -> Option<(String, String)> {
        let check = || -> Result<(), (String, String)> {
            self.check_texts()?;
            self.check_actors()?;
            self.check_tables()?;
            let mut told = 0;
            for (i, step) in self.steps.iter().enumerate() {
                let within = |field: &str, list: &[u32], length: usize| {
                    within(&format!("steps[{i}].{field}"), list, length)
                };
                within("act", &[step.act], self.actions.len())?;
                within("say", &step.say, self.lines.len())?;
                let lines = self.lines_of(step);
                told += lines
                    .map(|l| l.call.len() + l.outcome.len() + 100)
                    .sum::<usize>();
                if told > MAX_TOLD {
                    let why = format!("more than {} MiB are told up to here", MAX_TOLD >> 20);
                    return Err((format!("steps[{i}].say"), why));
                }
                within("send", &step.send, self.messages.len())?;
                within("take", &step.take, self.messages.len())?;
                if step.set.len() % 2 != 0 {
                    let why = "pairs of numbers, and one is left over";
                    return Err((format!("steps[{i}].set"), why.to_owned()));
                }
                for pair in step.set.chunks_exact(2) {
                    within("set", &pair[..1], self.variables.len())?;
                    within("set", &pair[1..], self.values.len())?;
                }
            }
            Ok(())
        };
        check().err()
    }

    fn check_texts(&self) -> Result<(), (String, String)> {
        let shorter = |most: usize, what: &str, text: &str| {
            let wrong = |why: String| {
                let shown: String = text.escape_debug().take(60).collect();
                Err((what.to_owned(), format!("{why} in \"{shown}\"")))
            };
            if text.len() > most {
                return wrong(format!("more than {most} bytes"));
            }
            match text.chars().any(|c| c.is_control() && c != '\t') {
                true => wrong("a control character".to_owned()),
                false => Ok(()),
            }
        };
        let one = |what: &str, text: &str| shorter(MAX_WORDS, what, text);
        let all = |what: &str, texts: &[String]| texts.iter().try_for_each(|t| one(what, t));
        shorter(MAX_TEXT, "program", &self.program)?;
        shorter(MAX_TEXT, "verdict", &self.verdict)?;
        shorter(MAX_TEXT, "meaning", &self.meaning)?;
        shorter(MAX_TEXT, "initially", &self.initially)?;
        one("design", &self.design.name)?;
        one("scenario", &self.scenario.name)?;
        one("property", self.property.as_deref().unwrap_or_default())?;
        shorter(
            MAX_TEXT,
            "command",
            self.command.as_deref().unwrap_or_default(),
        )?;
        one("search", self.search.as_ref().map_or("", |s| &s.how))?;
        all("switches", &self.switches)?;
        let sentence = |text: &String| shorter(MAX_TEXT, "closing", text);
        self.closing.iter().try_for_each(sentence)?;
        all("cycle", &self.cycle)?;
        // A description may be a line of its own.
        let described = |text: &String| shorter(MAX_TEXT, "scenario", text);
        self.scenario.text.iter().try_for_each(described)?;
        for source in &self.design.sources {
            one("design", &source.design)?;
            all("design", &source.text)?;
        }
        for actor in &self.actors {
            one("actors", &actor.name)?;
            one("actors", actor.operation.as_deref().unwrap_or_default())?;
        }
        for variable in &self.variables {
            one("variables", &variable.row)?;
            one("variables", &variable.name)?;
        }
        for value in &self.values {
            match value {
                Value::Text(text) => one("values", text)?,
                Value::List(list) => all("values", list)?,
                Value::Truth(_) | Value::Number(_) => {}
            }
        }
        for line in &self.lines {
            one("lines", &line.call)?;
            one("lines", &line.outcome)?;
            one("lines", &line.function)?;
        }
        for message in &self.messages {
            one("messages", &message.file)?;
            one("messages", &message.text)?;
        }
        Ok(())
    }

    fn check_actors(&self) -> Result<(), (String, String)> {
        let wrong = |why: String| Err(("actors".to_owned(), why));
        let order = |kind| match kind {
            ActorKind::Task => 0,
            ActorKind::Worker => 1,
            ActorKind::LockSpace => 2,
            ActorKind::Environment => 3,
        };
        let count = |kind| self.actors.iter().filter(|a| a.kind == kind).count();
        if !self.actors.is_sorted_by_key(|a| order(a.kind)) {
            return wrong("tasks come first, then workers, lock space and environment".to_owned());
        }
        for (kind, what, range) in [
            (ActorKind::Task, "tasks", 1..=MAX_ACTORS),
            (ActorKind::Worker, "workers", 1..=MAX_ACTORS),
            (ActorKind::LockSpace, "lock spaces", 0..=1),
            (ActorKind::Environment, "environments", 1..=1),
        ] {
            if !range.contains(&count(kind)) {
                return wrong(format!("there are {} {what}", count(kind)));
            }
        }
        let nodes = self.scenario.nodes;
        let node = |a: &&super::RecordActor| match a.kind {
            ActorKind::Task | ActorKind::Worker => !a.node.is_some_and(|n| 1 <= n && n <= nodes),
            _ => false,
        };
        match self.actors.iter().find(node) {
            Some(actor) => wrong(format!("{} is on no node from 1 to {nodes}", actor.name)),
            None => Ok(()),
        }
    }

    fn check_tables(&self) -> Result<(), (String, String)> {
        let wrong = |what: &str, why: String| Err((what.to_owned(), why));
        if self.first.len() != self.variables.len() {
            let (values, variables) = (self.first.len(), self.variables.len());
            let why = format!("{values} values of {variables} variables");
            return wrong("first", why);
        }
        within("first", &self.first, self.values.len())?;
        if let Some(text) = self.actions.iter().find(|a| action::parse(a).is_none()) {
            let text: String = text.escape_debug().take(60).collect();
            return wrong("actions", format!("\"{text}\" is no action"));
        }
        for (i, line) in self.lines.iter().enumerate() {
            within(
                &format!("lines[{i}].actor"),
                &[line.actor],
                self.actors.len(),
            )?;
            if let Some((source, number)) = line.place {
                let what = format!("lines[{i}].place");
                within(&what, &[source], self.design.sources.len())?;
                let lines = self.design.sources[source as usize].text.len();
                within(&what, &[number.wrapping_sub(1)], lines)?;
            }
        }
        for (i, message) in self.messages.iter().enumerate() {
            let ends = [message.from, message.to];
            within(&format!("messages[{i}]"), &ends, self.actors.len())?;
        }
        if let Some(start) = self.repeats_from
            && start > self.steps.len()
        {
            let steps = self.steps.len();
            return wrong("repeats_from", format!("{start} of {steps} steps"));
        }
        if self.design.sources.is_empty() {
            return wrong("design", "it has no text".to_owned());
        }
        Ok(())
    }
}

fn within(what: &str, list: &[u32], length: usize) -> Result<(), (String, String)> {
    match list.iter().find(|&&i| i as usize >= length) {
        None => Ok(()),
        Some(i) => Err((
            what.to_owned(),
            format!("there is no number {i} among {length}"),
        )),
    }
}

/// The message without the place, which stands before it.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let at = text.rfind(" at line ").unwrap_or(text.len());
    text[..at].chars().take(200).collect()
}

/// A list of at most so many.
pub(super) fn at_most<'de, D, T, const N: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct AtMost<T, const N: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for AtMost<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {N}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while list.len() < N {
                match seq.next_element()? {
                    Some(item) => list.push(item),
                    None => return Ok(list),
                }
            }
            match seq.next_element::<IgnoredAny>()? {
                None => Ok(list),
                Some(_) => Err(de::Error::custom(format_args!("more than {N} in a list"))),
            }
        }
    }
    deserializer.deserialize_seq(AtMost::<T, N>(PhantomData))
}

/// The most entries of a value that is a list.
const MAX_LIST: usize = 32;

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, a whole number, a text or a list of texts")
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
                Ok(Value::Truth(truth))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Number(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
                let number = number.try_into();
                number
                    .map(Value::Number)
                    .map_err(|_| E::custom("a number that is too large"))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut list: Vec<String> = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if list.len() == MAX_LIST {
                        let why = format_args!("more than {MAX_LIST} in a value");
                        return Err(de::Error::custom(why));
                    }
                    list.push(item);
                }
                Ok(Value::List(list))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}
