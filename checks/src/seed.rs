//! The main job: the race that started it all, under every design of its discussion.
//!
//! Two processes, two files: each transfers one file while its buffer is a mapping of the other one.

use crate::check::{Report, Verdict};
use crate::table::{Columns, Entry, Mark, fold, grouped};
use crate::text;
use glock_model::cluster::{Cluster, State};
use glock_model::property::{Kind, Property};
use glock_model::task::Fault;

/// The race on one node.
pub(crate) const ONE_NODE: [&str; 8] = [
    "race-direct-read",
    "race-direct-read-private",
    "race-direct-write",
    "race-direct-write-private",
    "race-buffered-read",
    "race-buffered-read-private",
    "race-buffered-write",
    "race-buffered-write-private",
];

/// The race on two nodes.
pub(crate) const TWO_NODES: [&str; 8] = [
    "race-direct-read-two-nodes",
    "race-direct-read-private-two-nodes",
    "race-direct-write-two-nodes",
    "race-direct-write-private-two-nodes",
    "race-buffered-read-two-nodes",
    "race-buffered-read-private-two-nodes",
    "race-buffered-write-two-nodes",
    "race-buffered-write-private-two-nodes",
];

/// Heads of the columns for [`ONE_NODE`] and [`TWO_NODES`].
const HEADS: [&str; 8] = [
    "direct\nread\nshared",
    "direct\nread\npriv.",
    "direct\nwrite\nshared",
    "direct\nwrite\npriv.",
    "bufrd\nread\nshared",
    "bufrd\nread\npriv.",
    "bufrd\nwrite\nshared",
    "bufrd\nwrite\npriv.",
];

/// The design whose worst failure is told.
pub(crate) const RFC: &str = "restart-hack";

/// The columns of one of the two tables.
pub(crate) fn columns(columns: Columns) -> Columns {
    HEADS
        .iter()
        .fold(columns.left("design", 22), |columns, head| {
            columns.left(head, 6)
        })
}

/// A row: a design under eight scenarios.
pub(crate) fn row(reports: &[Report]) -> Vec<Entry> {
    let design = reports.first().map_or("", Report::design).to_owned();
    std::iter::once(Entry::from(design))
        .chain(reports.iter().map(entry))
        .collect()
}

/// What the tables judge besides the safety properties.
pub(crate) const PROGRESS: [Property; 1] = [Property::CanFinish];

/// The letters of what is violated, or `ok`; a `?` if something is not known.
fn entry(report: &Report) -> Entry {
    let mut text = String::new();
    let mut unknown = false;
    for judged in report.judged.iter().filter(|judged| judged.demanded()) {
        match judged.verdict {
            Verdict::Violated { .. } if is_shown(report, judged.property) => {
                text.push(letter(judged.property));
            }
            Verdict::Unknown { .. } => unknown = true,
            Verdict::Violated { .. } | Verdict::Holds { .. } | Verdict::NotAsked => {}
        }
    }
    match (text.is_empty(), unknown) {
        (true, true) => Mark::Unknown.into(),
        (true, false) => Mark::Holds.into(),
        (false, true) => Entry::like(Mark::Violated(0), text + "?"),
        (false, false) => Entry::like(Mark::Violated(0), text),
    }
}

/// Is a violation of the property worth its letter? After a deadlock calls cannot return; there is
/// no need to say it twice.
fn is_shown(report: &Report, property: Property) -> bool {
    let deadlock = || report.verdict(Property::NoDeadlock).history().is_some();
    property.kind() != Kind::Progress || !deadlock()
}

/// The letter of a property in a table of the seed's race.
const fn letter(property: Property) -> char {
    match property {
        Property::NoDeadlock => 'D',
        Property::NoRecursion => 'R',
        Property::NoLostEfault => 'F',
        Property::NoSpuriousEfault => 'E',
        Property::NoShort => 'S',
        Property::Placement => 'P',
        Property::Coherence => 'C',
        Property::Mapping => 'M',
        Property::Balanced => 'B',
        Property::AtomicRead => 'A',
        Property::CanFinish => 'L',
        Property::Finishes => 'W',
        Property::FinishesStrongly => 'G',
    }
}

/// What the letters in the tables mean, of those that occur.
pub(crate) fn legend(reports: &[Report]) -> String {
    let mut out = String::new();
    fold(
        &mut out,
        "ok  ",
        "every safety property holds in every reachable state, and from each of them every call \
         can still return; that it will is not looked at here (`glock check -p finishes`)",
    );
    if reports.iter().any(|report| report.unfinished.is_some()) {
        out += "?   not every state was looked at\n";
    }
    for property in Property::ALL {
        let violated = |report: &Report| {
            let judged = &report.judged[property as usize];
            judged.demanded() && judged.verdict.history().is_some() && is_shown(report, property)
        };
        if reports.iter().any(violated) {
            let also = match property {
                Property::CanFinish => "can loop for ever: ",
                _ => "",
            };
            let text = format!("{also}{}: {}", property.name(), property.meaning());
            fold(&mut out, &format!("{}   ", letter(property)), &text);
        }
    }
    out
}

/// Among the deadlocks of the RFC one that goes through `gfs2_page_mkwrite`, the shortest of them;
/// if there is none, the shortest deadlock.
pub(crate) fn worst_failure(reports: &[Report]) -> Option<&Report> {
    reports
        .iter()
        .filter(|report| report.design() == RFC)
        .filter_map(|report| {
            let walk = report.verdict(Property::NoDeadlock).history()?;
            let last = walk.last(&report.cluster)?;
            let through_mkwrite = in_page_mkwrite(&report.cluster, &last);
            Some((!through_mkwrite, walk.len(), report))
        })
        .min_by_key(|&(elsewhere, steps, _)| (elsewhere, steps))
        .map(|(_, _, report)| report)
}

/// Is a task inside `gfs2_page_mkwrite`?
fn in_page_mkwrite(cluster: &Cluster, state: &State) -> bool {
    let scenario = cluster.scenario();
    (0..scenario.tasks.len()).any(|t| {
        let task = &state.nodes[scenario.node_of(t)].tasks[t];
        matches!(task.fault, Fault::MkwriteNew | Fault::MkwriteWp)
    })
}

/// What stands above the tables.
pub(crate) fn introduction() -> String {
    let mut out = String::new();
    fold(
        &mut out,
        "",
        "The race: two processes, two files. Each process transfers one file, directly or through \
         the page cache, and its buffer is a mapping of the other file, shared or private. Each \
         makes one call, of one page, nobody else wants the files, and no page is reclaimed: `ok` \
         is said of that and of nothing else (`glock scenarios` lists what else there is).",
    );
    out
}

/// Prints the two tables as their cells come in.
pub(crate) struct Printer {
    columns: Columns,
    designs: usize,
    rows: usize,
    row: Vec<Report>,
}

impl Printer {
    /// For so many designs.
    pub(crate) fn new(columns: Columns, designs: usize) -> Printer {
        Printer {
            columns,
            designs,
            rows: 0,
            row: Vec::new(),
        }
    }

    /// Takes a report; the text of a row if it is complete, with a head if it is the first.
    pub(crate) fn add(&mut self, report: &Report) -> String {
        self.row.push(report.clone());
        if self.row.len() < HEADS.len() {
            return String::new();
        }
        let row = self.columns.row(row(&std::mem::take(&mut self.row)));
        let title = match self.rows {
            0 => "\nOn one node\n\n",
            n if n == self.designs => "\nOn two nodes\n\n",
            _ => "",
        };
        self.rows += 1;
        match title.is_empty() {
            true => row,
            false => title.to_owned() + &self.columns.head() + &row,
        }
    }
}

/// What stands below the tables.
pub(crate) fn closing(reports: &[Report]) -> String {
    let mut out = format!("\n{}", legend(reports));
    out += &unfinished(reports);
    if let Some(report) = worst_failure(reports)
        && let Some(walk) = report.verdict(Property::NoDeadlock).history()
    {
        out += &text::story(report, Property::NoDeadlock, walk);
    }
    out
}

/// How much was looked at.
fn unfinished(reports: &[Report]) -> String {
    let states: usize = reports.iter().map(|report| report.stats.states).sum();
    let edges: u64 = reports.iter().map(|report| report.stats.edges).sum();
    format!(
        "\n{} cells, {} states, {} transitions\n",
        reports.len(),
        grouped(states),
        grouped(edges)
    ) + &text::unknowns(reports, &Property::ALL)
}
