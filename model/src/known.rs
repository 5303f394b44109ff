//! What is known of the designs of the history: a question with an answer for every defect.
//!
//! Each [`Entry`] is one row of the history: a defect, the state of the code that had it, and the
//! state that had it no longer. It is put to the model as [`Case`]s; each runs the design before
//! and the design after, and says which properties are violated, after how many steps, which hold,
//! and how large the explored graph is. Read from `model/known-answers.toml`, strictly: an unknown
//! key, design, scenario or property is an error that names its line.
//!
//! ```
//! use glock_model::known::KnownAnswers;
//!
//! let known = KnownAnswers::builtin().unwrap();
//! let rfc = known.entry("K4f").unwrap();
//! assert_eq!(rfc.cases[0].before.design, "restart-hack");
//! ```

use crate::property::Property;
use crate::{design, scenario};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use toml::Spanned;

/// The file that comes with the tool.
const BUILTIN: &str = include_str!("../known-answers.toml");
/// What errors call it.
const FILE: &str = "known-answers.toml";

/// How sure the history is of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Seen in a source.
    Read,
    /// Follows from code that was read; no source says it in these words.
    Derived,
    /// From general knowledge of the kernel, not looked up.
    Recalled,
    /// Reasoned about; nobody describes it.
    Inferred,
}

impl Strength {
    /// Its name, as the file writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Strength::Read => "read",
            Strength::Derived => "derived",
            Strength::Recalled => "recalled",
            Strength::Inferred => "inferred",
        }
    }
}

/// A row of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number there, such as `K4f`.
    pub id: String,
    /// What it is about, in one sentence.
    pub title: String,
    /// Commits and mails.
    pub source: String,
    /// How sure the history is.
    pub strength: Vec<Strength>,
    /// What happened, in a paragraph; empty only if something is lacking.
    pub story: String,
    /// Where the model answers differently from the history, or answers less: why.
    pub explanation: Option<String>,
    /// What the model lacks to answer at all; there are no cases then.
    pub lacks: Option<String>,
    /// The questions; at least one, unless something is lacking.
    pub cases: Vec<Case>,
}

/// One question: what a change did to a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What tells it from the other cases of its entry; empty if there is no other.
    pub what: String,
    /// The property it is about; both answers speak of it.
    pub property: Property,
    /// Both answers together take so many seconds; `None` if less than five.
    pub slow: Option<u32>,
    /// Before the change.
    pub before: Answer,
    /// After it.
    pub after: Answer,
}

/// A cell and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// A built-in design.
    #[serde(deserialize_with = "design_name")]
    pub design: String,
    /// A built-in scenario.
    #[serde(deserialize_with = "scenario_name")]
    pub scenario: String,
    /// Properties that are violated, each with the length of the history that shows it: a shortest
    /// one, or for runs that go on for ever the way in and one round.
    #[serde(default, deserialize_with = "violations")]
    pub violated: Vec<(Property, usize)>,
    /// Properties that hold.
    #[serde(default, deserialize_with = "properties")]
    pub holds: Vec<Property>,
    /// Reachable states.
    pub states: usize,
    /// Transitions between them.
    pub transitions: u64,
    /// The largest distance of a state from the initial ones.
    pub depth: usize,
}

impl Answer {
    /// The properties it speaks of, in the order of [`Property::ALL`].
    pub fn properties(&self) -> Vec<Property> {
        let violated = |p: &Property| self.violated.iter().any(|(v, _)| v == p);
        let all = Property::ALL.into_iter();
        all.filter(|p| violated(p) || self.holds.contains(p))
            .collect()
    }
}

/// What is wrong with a file of known answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct KnownError {
    /// What the file is called.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, and what to write instead.
    pub message: String,
}

/// All entries, in the order of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAnswers {
    /// The entries.
    pub entries: Vec<Entry>,
}

impl KnownAnswers {
    /// Those that come with the tool.
    ///
    /// # Errors
    /// If the file the tool was built with is wrong.
    pub fn builtin() -> Result<KnownAnswers, KnownError> {
        KnownAnswers::from_toml(BUILTIN, FILE)
    }

    /// Reads entries from TOML. `file` is what errors call the text.
    ///
    /// ```
    /// use glock_model::known::KnownAnswers;
    ///
    /// let text = "[[entry]]\nid = \"K1\"\ntitel = \"x\"\n";
    /// let error = KnownAnswers::from_toml(text, "x.toml").unwrap_err();
    /// assert_eq!((error.line, error.message.contains("titel")), (3, true));
    /// ```
    ///
    /// # Errors
    /// If it is not TOML, or says something that cannot be: an unknown key, design, scenario or
    /// property, an id that occurs twice, an entry without an answer.
    pub fn from_toml(text: &str, file: &str) -> Result<KnownAnswers, KnownError> {
        let error = |at: usize, message: String| KnownError {
            file: file.into(),
            line: text[..at.min(text.len())].matches('\n').count() + 1,
            message,
        };
        let raw: RawFile = toml::from_str(text)
            .map_err(|e| error(e.span().map_or(0, |span| span.start), e.message().into()))?;
        let mut ids = HashSet::new();
        for entry in &raw.entry {
            let (at, entry) = (entry.span().start, entry.get_ref());
            let complain = |message: String| Err(error(at, message));
            let id = &entry.id;
            if id.is_empty() || !id.chars().all(char::is_alphanumeric) {
                return complain(format!("{id:?} is no id: letters and digits, such as K4f"));
            }
            if !ids.insert(id.clone()) {
                return complain(format!("there are two entries {id}"));
            }
            if entry.strength.is_empty() {
                return complain(format!("{id} says nothing about its strength"));
            }
            match (&entry.lacks, entry.case.is_empty()) {
                (Some(_), false) => {
                    return complain(format!("{id} lacks something and has cases: remove one"));
                }
                (None, true) => {
                    return complain(format!("{id} has no case: add one, or say what it `lacks`"));
                }
                (None, false) if entry.story.trim().is_empty() => {
                    return complain(format!("{id} has no `story`"));
                }
                _ => {}
            }
            let mut names = HashSet::new();
            for case in &entry.case {
                let (at, case) = (case.span().start, case.get_ref());
                if !names.insert(&case.what) || case.what.is_empty() && entry.case.len() > 1 {
                    let help = "give each case its own `what`";
                    return Err(error(at, format!("two cases of {id} look alike: {help}")));
                }
                for answer in [&case.before, &case.after] {
                    let spoken = answer.properties();
                    if spoken.len() != answer.violated.len() + answer.holds.len() {
                        let help = "it is violated, or it holds, once";
                        let message = format!("a property occurs twice in an answer of {id}");
                        return Err(error(at, format!("{message}: {help}")));
                    }
                    if !spoken.contains(&case.property) {
                        let name = case.property.name();
                        let message = format!("an answer of {id} does not speak of {name}");
                        let help = "say that it is `violated` or `holds`";
                        return Err(error(at, format!("{message}: {help}")));
                    }
                }
            }
        }
        let entries = raw.entry.into_iter().map(|e| e.into_inner().cooked());
        Ok(KnownAnswers {
            entries: entries.collect(),
        })
    }

    /// The entry with this id; upper and lower case are one.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.id.eq_ignore_ascii_case(id))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    entry: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    id: String,
    title: String,
    source: String,
    strength: Vec<Strength>,
    #[serde(default)]
    story: String,
    explanation: Option<String>,
    lacks: Option<String>,
    #[serde(default)]
    case: Vec<Spanned<RawCase>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    #[serde(default)]
    what: String,
    #[serde(deserialize_with = "one_property")]
    property: Property,
    slow: Option<u32>,
    before: Answer,
    after: Answer,
}

impl RawEntry {
    fn cooked(self) -> Entry {
        let cases = self.case.into_iter().map(|case| {
            let case = case.into_inner();
            Case {
                what: case.what,
                property: case.property,
                slow: case.slow,
                before: case.before,
                after: case.after,
            }
        });
        Entry {
            id: self.id,
            title: self.title,
            source: squeezed(&self.source),
            strength: self.strength,
            story: squeezed(&self.story),
            explanation: self.explanation.as_deref().map(squeezed),
            lacks: self.lacks.as_deref().map(squeezed),
            cases: cases.collect(),
        }
    }
}

/// The words of a text that the file breaks into lines.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name that must be among those there are.
fn known<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
    kind: &str,
    is_known: impl Fn(&str) -> bool,
) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    match is_known(&name) {
        true => Ok(name),
        false => Err(serde::de::Error::custom(format!(
            "there is no built-in {kind} `{name}`"
        ))),
    }
}

fn design_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    known(deserializer, "design", |name| {
        let library = design::Library::builtin();
        library.names().contains(&name) || library.steps().contains(&name)
    })
}

fn scenario_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    known(deserializer, "scenario", |name| {
        scenario::Library::builtin().names().any(|n| n == name)
    })
}

fn property<E: serde::de::Error>(name: &str) -> Result<Property, E> {
    Property::named(name).ok_or_else(|| {
        let all = Property::ALL.map(Property::name).join(", ");
        E::custom(format!("there is no property `{name}`: there are {all}"))
    })
}

fn one_property<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Property, D::Error> {
    property(&String::deserialize(d)?)
}

fn properties<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<Property>, D::Error> {
    let names = Vec::<String>::deserialize(d)?;
    names.iter().map(|name| property(name)).collect()
}

fn violations<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<(Property, usize)>, D::Error> {
    let steps = BTreeMap::<String, usize>::deserialize(d)?;
    let mut violated = Vec::with_capacity(steps.len());
    for (name, steps) in steps {
        violated.push((property(&name)?, steps));
    }
    violated.sort_by_key(|&(property, _)| property);
    Ok(violated)
}
