//! The known answers of the history, put to the model again.

use crate::check::{CheckError, Options, Report, Verdict, check};
use crate::json::pretty;
use crate::table::{Colours, Columns, Entry as Cell, Mark, fold, grouped};
use glock_engine::Unfinished;
use glock_model::design;
use glock_model::known::{Answer, Case, Entry, Strength};
use glock_model::program::Program;
use glock_model::property::{Kind, Property};
use glock_model::scenario;
use serde::Serialize;
use std::fmt;

/// What the model answers now.
#[derive(Clone, Debug)]
pub struct Found {
    /// The cell, explored.
    pub report: Report,
    /// Where this is not what is recorded; nothing if it all is.
    pub differences: Vec<Difference>,
}

/// A recorded answer that is no longer given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The search ended early.
    Unfinished(Unfinished),
    /// A property has another verdict, or a longer or shorter history.
    Property {
        /// Which one.
        property: Property,
        /// What is recorded, in steps; `None` if it holds.
        recorded: Option<usize>,
        /// What was found.
        found: Option<usize>,
    },
    /// A count is another.
    Count {
        /// Of what.
        what: &'static str,
        /// What is recorded.
        recorded: u64,
        /// What was found.
        found: u64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = |steps: Option<usize>| match steps {
            None => "holds".to_owned(),
            Some(steps) => format!("violated in {steps} steps"),
        };
        match *self {
            Difference::Unfinished(why) => write!(f, "not every state was looked at: {why}"),
            Difference::Property {
                property,
                recorded,
                found,
            } => {
                let (recorded, found) = (verdict(recorded), verdict(found));
                write!(f, "{}: recorded {recorded}, found {found}", property.name())
            }
            Difference::Count {
                what,
                recorded,
                found,
            } => {
                let (recorded, found) = (grouped(recorded), grouped(found));
                write!(f, "{what}: recorded {recorded}, found {found}")
            }
        }
    }
}

/// Explores the cell of an answer and compares. The properties about progress that the answer speaks
/// of are judged in addition to those of `options`.
///
/// # Errors
///
/// [`CheckError`]; another answer is none.
pub fn ask(answer: &Answer, options: &Options<'_>) -> Result<Found, CheckError> {
    // The names were looked up when the answers were read.
    let program = design::Library::builtin()
        .load(&answer.design)
        .unwrap_or_else(|e| panic!("a built-in design is wrong: {e}"))
        .program;
    ask_of(&program, answer, options)
}

/// As [`ask`], of this program instead of the design's.
///
/// # Errors
///
/// [`CheckError`]; another answer is none.
pub fn ask_of(
    program: &Program,
    answer: &Answer,
    options: &Options<'_>,
) -> Result<Found, CheckError> {
    let progress: Vec<Property> = answer
        .properties()
        .into_iter()
        .filter(|p| p.kind() == Kind::Progress)
        .chain(options.progress.iter().copied())
        .collect();
    let options = Options {
        progress: &progress,
        ..*options
    };
    let scenario = scenario::Library::builtin()
        .load(&answer.scenario)
        .unwrap_or_else(|e| panic!("a built-in scenario is wrong: {e}"));
    let report = check(program, &scenario, &options)?;
    Ok(Found {
        differences: differences(answer, &report),
        report,
    })
}

fn differences(answer: &Answer, report: &Report) -> Vec<Difference> {
    let steps = |property| report.verdict(property).history().map(super::Walk::len);
    if let Some(why) = report.unfinished {
        return vec![Difference::Unfinished(why)];
    }
    let mut out = Vec::new();
    for property in answer.properties() {
        let recorded = answer.violated.iter().find(|(p, _)| *p == property);
        let (recorded, found) = (recorded.map(|&(_, steps)| steps), steps(property));
        if recorded != found {
            out.push(Difference::Property {
                property,
                recorded,
                found,
            });
        }
    }
    let stats = &report.stats;
    for (what, recorded, found) in [
        ("states", answer.states as u64, stats.states as u64),
        ("transitions", answer.transitions, stats.edges),
        ("depth", answer.depth as u64, stats.depth as u64),
    ] {
        if recorded != found {
            out.push(Difference::Count {
                what,
                recorded,
                found,
            });
        }
    }
    out
}

/// A case with both answers found.
pub(crate) struct Asked<'a> {
    pub(crate) case: &'a Case,
    pub(crate) before: Found,
    pub(crate) after: Found,
}

impl Asked<'_> {
    /// The recorded answers with what was found.
    pub(crate) fn sides(&self) -> [(&'static str, &Answer, &Found); 2] {
        [
            ("before", &self.case.before, &self.before),
            ("after", &self.case.after, &self.after),
        ]
    }

    pub(crate) fn is_as_recorded(&self) -> bool {
        self.sides()
            .iter()
            .all(|(_, _, f)| f.differences.is_empty())
    }

    /// Was a search stopped before it knew?
    pub(crate) fn is_unknown(&self) -> bool {
        self.sides()
            .iter()
            .any(|(_, _, f)| f.report.unfinished.is_some())
    }

    fn seconds(&self) -> f64 {
        let sides = self.sides();
        sides
            .iter()
            .map(|(_, _, f)| f.report.stats.elapsed.as_secs_f64())
            .sum()
    }
}

// ---- as text ----------------------------------------------------------------------

/// The table's columns; states and seconds are those of both answers together.
fn columns(colours: Colours) -> Columns {
    Columns::new(colours)
        .left("", 4)
        .left("case", 18)
        .left("property", 18)
        .right("before", 6)
        .right("after", 6)
        .right("states", 9)
        .right("time", 6)
}

/// What stands above the first entry.
pub(crate) fn head(colours: Colours) -> String {
    columns(colours).head()
}

/// An entry before its cases: what it is about, and what is lacking.
pub(crate) fn entry_head(entry: &Entry) -> String {
    let mut out = String::new();
    fold(&mut out, &format!("{:<5}", entry.id), &entry.title);
    if let Some(lacks) = &entry.lacks {
        fold(&mut out, "     not yet: ", lacks);
    }
    out
}

/// One case: a row, and what is not as recorded below it.
pub(crate) fn case_row(asked: &Asked<'_>, colours: Colours) -> String {
    let [before, after] = asked.sides();
    let mark = |found: &Found| -> Cell {
        Mark::of(&found.report.judged[asked.case.property as usize]).into()
    };
    let states = before.2.report.stats.states + after.2.report.stats.states;
    let mut out = columns(colours).row([
        Cell::from(String::new()),
        Cell::from(asked.case.what.clone()),
        Cell::from(asked.case.property.name().to_owned()),
        mark(before.2),
        mark(after.2),
        Cell::from(grouped(states as u64)),
        Cell::from(format!("{:.2}", asked.seconds())),
    ]);
    for (side, answer, found) in asked.sides() {
        for difference in &found.differences {
            let cell = format!("{} under {}", answer.scenario, answer.design);
            let text = format!("{difference} ({cell})");
            fold(&mut out, &format!("     NOT AS RECORDED, {side}: "), &text);
        }
    }
    out
}

/// What stands below the last entry.
pub(crate) fn closing(asked: usize, different: usize, lacking: usize) -> String {
    let mut out = String::from(
        "\nok: holds   !8: VIOLATED, the shortest history has 8 steps   ?: unknown\n\
         (8): violated, but reported only and not demanded\n",
    );
    let rows = |n: usize| match n {
        1 => "1 row".to_owned(),
        n => format!("{n} rows"),
    };
    let same = rows(asked - different);
    out += &format!("{same} as recorded, {different} not, {lacking} not yet\n");
    out
}

/// An entry in words: the story and where it comes from.
pub(crate) fn explained(entry: &Entry) -> String {
    let mut out = String::new();
    fold(&mut out, &format!("{}  ", entry.id), &entry.title);
    let strength: Vec<&str> = entry.strength.iter().map(|s| s.name()).collect();
    fold(&mut out, "  source: ", &entry.source);
    fold(&mut out, "  strength: ", &strength.join(", "));
    if !entry.story.is_empty() {
        out.push('\n');
        fold(&mut out, "  ", &entry.story);
    }
    if let Some(explanation) = &entry.explanation {
        out.push('\n');
        fold(&mut out, "  the model's answer: ", explanation);
    }
    if let Some(lacks) = &entry.lacks {
        out.push('\n');
        fold(&mut out, "  not yet: ", lacks);
    }
    for case in &entry.cases {
        out.push('\n');
        let indent = match case.what.is_empty() {
            true => "  ",
            false => {
                fold(&mut out, "  ", &case.what);
                "    "
            }
        };
        for (side, answer) in [("before", &case.before), ("after", &case.after)] {
            let says = |answer: &Answer| {
                let mut parts: Vec<String> = answer
                    .violated
                    .iter()
                    .map(|(p, steps)| format!("{} violated in {steps} steps", p.name()))
                    .collect();
                let holds = answer.holds.iter().map(|p| format!("{} holds", p.name()));
                parts.extend(holds);
                parts.join(", ")
            };
            let text = format!(
                "{} under {}: {}",
                answer.scenario,
                answer.design,
                says(answer)
            );
            fold(&mut out, &format!("{indent}{side:<8}"), &text);
        }
    }
    out
}

/// The answer whose history is shown with an entry: the first that violates what its case is about.
pub(crate) fn shown(entry: &Entry) -> Option<(&Answer, Property)> {
    let mut answers = entry
        .cases
        .iter()
        .flat_map(|case| [&case.before, &case.after].map(|answer| (answer, case.property)));
    answers.find(|(answer, property)| answer.violated.iter().any(|(p, _)| p == property))
}

// ---- for machines -----------------------------------------------------------------

/// Raised when a field changes its meaning or goes away.
const VERSION: u32 = 1;

/// All that was asked.
#[derive(Serialize)]
pub(crate) struct Document {
    format: &'static str,
    version: u32,
    /// "as recorded", "different", or "unknown" if a search was stopped.
    verdict: &'static str,
    entries: Vec<EntryDocument>,
}

#[derive(Serialize)]
pub(crate) struct EntryDocument {
    id: String,
    title: String,
    source: String,
    strength: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
    /// What the model lacks to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    lacks: Option<String>,
    cases: Vec<CaseDocument>,
}

#[derive(Serialize)]
struct CaseDocument {
    what: String,
    /// The property it is about.
    property: &'static str,
    before: AnswerDocument,
    after: AnswerDocument,
}

#[derive(Serialize)]
struct AnswerDocument {
    design: String,
    scenario: String,
    as_recorded: bool,
    properties: Vec<PropertyDocument>,
    states: usize,
    transitions: u64,
    depth: usize,
    seconds: f64,
    differences: Vec<String>,
}

#[derive(Serialize)]
struct PropertyDocument {
    name: &'static str,
    /// "holds", "violated" or "unknown", as found.
    verdict: &'static str,
    /// Length of the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
}

impl Document {
    pub(crate) fn new(verdict: &'static str, entries: Vec<EntryDocument>) -> Document {
        Document {
            format: "glock-known",
            version: VERSION,
            verdict,
            entries,
        }
    }

    /// The text, with a line end.
    pub(crate) fn text(&self) -> String {
        pretty(self)
    }
}

impl EntryDocument {
    pub(crate) fn new(entry: &Entry, asked: &[Asked<'_>]) -> EntryDocument {
        let case = |asked: &Asked<'_>| CaseDocument {
            what: asked.case.what.clone(),
            property: asked.case.property.name(),
            before: AnswerDocument::new(&asked.case.before, &asked.before),
            after: AnswerDocument::new(&asked.case.after, &asked.after),
        };
        EntryDocument {
            id: entry.id.clone(),
            title: entry.title.clone(),
            source: entry.source.clone(),
            strength: entry.strength.iter().copied().map(Strength::name).collect(),
            explanation: entry.explanation.clone(),
            lacks: entry.lacks.clone(),
            cases: asked.iter().map(case).collect(),
        }
    }
}

impl AnswerDocument {
    fn new(answer: &Answer, found: &Found) -> AnswerDocument {
        let verdict = |property| -> &Verdict { found.report.verdict(property) };
        let stats = &found.report.stats;
        AnswerDocument {
            design: answer.design.clone(),
            scenario: answer.scenario.clone(),
            as_recorded: found.differences.is_empty(),
            properties: answer
                .properties()
                .into_iter()
                .map(|p| PropertyDocument {
                    name: p.name(),
                    verdict: verdict(p).name(),
                    steps: verdict(p).history().map(super::Walk::len),
                })
                .collect(),
            states: stats.states,
            transitions: stats.edges,
            depth: stats.depth,
            seconds: stats.elapsed.as_secs_f64(),
            differences: found
                .differences
                .iter()
                .map(Difference::to_string)
                .collect(),
        }
    }
}
