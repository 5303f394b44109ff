//! The report of a matrix as one JSON document.

use crate::check::{Judged, Report, Verdict};
use crate::coverage::SourceLine;
use crate::history;
use crate::interchange::{Interchange, Part};
use glock_model::property::Property;
use glock_traces::{Ending, Outline};
use serde::Serialize;

/// Raised when a field changes its meaning or goes away.
const VERSION: u32 = 1;

/// The document.
#[derive(Serialize)]
pub(crate) struct Document {
    format: &'static str,
    version: u32,
    /// "holds", "violated" or "unknown", of all that is demanded.
    verdict: &'static str,
    cells: Vec<CellDocument>,
}

/// A design under a scenario.
#[derive(Serialize)]
pub(crate) struct CellDocument {
    design: String,
    scenario: String,
    /// Every reachable state was looked at.
    exhaustive: bool,
    /// Switches that are not as they are by default.
    switches: Vec<String>,
    /// What is interchangeable, if it was looked for: states are then counted by representative.
    #[serde(skip_serializing_if = "Option::is_none")]
    symmetry: Option<SymmetryDocument>,
    search: SearchDocument,
    properties: Vec<PropertyDocument>,
    /// What occurred at least once.
    occurred: Vec<&'static str>,
    /// Lines that were never executed.
    never_executed: Vec<LineDocument>,
}

#[derive(Serialize)]
struct SymmetryDocument {
    /// In how many ways names can be exchanged, the one included that changes nothing.
    order: usize,
    /// What changes places independently of the rest.
    interchangeable: Vec<PartDocument>,
}

/// What changes places together.
#[derive(Serialize)]
struct PartDocument {
    nodes: Vec<String>,
    files: Vec<String>,
    tasks: Vec<String>,
    /// In how many ways, the one included that changes nothing.
    ways: usize,
}

#[derive(Serialize)]
struct SearchDocument {
    initial_states: usize,
    states: usize,
    transitions: u64,
    depth: usize,
    bytes: usize,
    seconds: f64,
    /// An upper bound of the probability that a state was missed.
    omission: f64,
}

#[derive(Serialize)]
pub(crate) struct PropertyDocument {
    name: &'static str,
    /// Does a violation count?
    demanded: bool,
    verdict: &'static str,
    /// Why it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Length of the history: a shortest one, or a short one if it goes on for ever, with one round.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    /// The steps from this one on, counted from 0, repeat for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats_from: Option<usize>,
    /// The history leads into so many states that nothing leads out of; with symmetry so many
    /// representatives.
    #[serde(skip_serializing_if = "Option::is_none")]
    trap_states: Option<usize>,
    /// That history.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Outline>,
}

#[derive(Serialize)]
pub(crate) struct LineDocument {
    design: String,
    line: u32,
    function: String,
    text: String,
}

impl Document {
    pub(crate) fn new(verdict: &'static str, cells: Vec<CellDocument>) -> Document {
        Document {
            format: "glock-check",
            version: VERSION,
            verdict,
            cells,
        }
    }

    /// The text, with a line end.
    pub(crate) fn text(&self) -> String {
        pretty(self)
    }
}

/// A document as text, with a line end.
pub(crate) fn pretty(document: &impl Serialize) -> String {
    // Numbers, strings, lists: nothing that could fail to be written.
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

impl CellDocument {
    pub(crate) fn new(report: &Report, properties: &[Property], histories: Histories) -> Self {
        let stats = &report.stats;
        CellDocument {
            design: report.design().to_owned(),
            scenario: report.scenario().to_owned(),
            exhaustive: report.unfinished.is_none(),
            switches: report.switches(),
            symmetry: Interchange::of(&report.cluster).map(SymmetryDocument::from),
            search: SearchDocument {
                initial_states: stats.levels.first().copied().unwrap_or(0),
                states: stats.states,
                transitions: stats.edges,
                depth: stats.depth,
                bytes: stats.peak_bytes,
                seconds: stats.elapsed.as_secs_f64(),
                omission: report.omission,
            },
            properties: properties
                .iter()
                .map(|&p| PropertyDocument::new(report, &report.judged[p as usize], histories))
                .collect(),
            occurred: report.coverage.occurrences().map(|o| o.name()).collect(),
            never_executed: report
                .never_executed()
                .into_iter()
                .map(LineDocument::from)
                .collect(),
        }
    }
}

/// Are the histories written?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Histories {
    Shown,
    Hidden,
}

impl PropertyDocument {
    pub(crate) fn new(report: &Report, judged: &Judged, histories: Histories) -> Self {
        let walk = judged.verdict.history();
        PropertyDocument {
            name: judged.property.name(),
            demanded: judged.demanded(),
            verdict: judged.verdict.name(),
            reason: match &judged.verdict {
                Verdict::Unknown { reason } => Some(reason.to_string()),
                _ => None,
            },
            steps: walk.map(|walk| walk.len()),
            repeats_from: walk.and_then(|walk| match walk.ending {
                Ending::Loop { start } => Some(start),
                _ => None,
            }),
            trap_states: walk.and_then(|walk| match walk.ending {
                Ending::Trap { states, .. } => Some(states),
                _ => None,
            }),
            history: walk
                .filter(|_| histories == Histories::Shown)
                .and_then(|walk| history::outline(&report.cluster, judged.property, walk)),
        }
    }
}

impl From<Interchange> for SymmetryDocument {
    fn from(interchange: Interchange) -> Self {
        let part = |part: Part| {
            let [nodes, files, tasks] = Part::KINDS.map(|kind| part.names(kind));
            PartDocument {
                nodes,
                files,
                tasks,
                ways: part.ways,
            }
        };
        SymmetryDocument {
            order: interchange.order,
            interchangeable: interchange.parts.into_iter().map(part).collect(),
        }
    }
}

impl From<SourceLine> for LineDocument {
    fn from(line: SourceLine) -> Self {
        LineDocument {
            design: line.design,
            line: line.line,
            function: line.function,
            text: line.text,
        }
    }
}
