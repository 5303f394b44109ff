//! Reports as text.

use crate::check::{Extent, Report, Verdict, count};
use crate::coverage::{Occurrence, SourceLine, lines, possible};
use crate::history::{self, Walk};
use crate::interchange::Interchange;
use crate::table::{Columns, Entry, Mark, fold, grouped, short_head};
use glock_model::property::Property;
use std::collections::BTreeMap;

/// The columns of a table with a row per design and a column per property.
pub(crate) fn property_columns(
    columns: Columns,
    properties: &[Property],
    designs: usize,
) -> Columns {
    const FULL: usize = 3;
    const LONG: usize = 15;
    let designs = match has_states(properties) {
        true => designs,
        false => designs.min(LONG),
    };
    let columns = columns.left("design", designs);
    let columns = properties
        .iter()
        .fold(columns, |columns, &property| match properties.len() {
            0..=FULL => columns.right(property.name(), 8),
            _ => columns.right(short_head(property), 4),
        });
    match has_states(properties) {
        true => columns.right("states", 9),
        false => columns,
    }
}

/// With all properties about progress there is no room for the number of states.
fn has_states(properties: &[Property]) -> bool {
    properties.len() <= Property::SAFETY.len()
}

/// A row of such a table.
pub(crate) fn property_row(report: &Report, properties: &[Property]) -> Vec<Entry> {
    let marks = properties
        .iter()
        .map(|&p| Entry::from(Mark::of(&report.judged[p as usize])));
    let states = match report.unfinished {
        None => report.stats.states.to_string(),
        Some(_) if report.stats.states == 0 => "-".to_owned(),
        Some(_) => format!(">{}", report.stats.states),
    };
    let states = has_states(properties).then(|| Entry::from(states));
    std::iter::once(Entry::from(report.design().to_owned()))
        .chain(marks)
        .chain(states)
        .collect()
}

/// Everything about one cell but its histories.
pub(crate) fn cell(report: &Report, properties: &[Property], columns: Columns) -> String {
    let mut out = format!("{} under {}\n", report.scenario(), report.design());
    fold(&mut out, "  ", &bounds(report));
    fold(&mut out, "  ", &counts(report));
    fold(&mut out, "  ", &completeness(report));
    out += &symmetry(report);
    if report.cluster.symmetry().is_some() && properties.contains(&Property::CanFinish) {
        let lost = "finishes and finishes-strongly cannot be judged with symmetry";
        fold(&mut out, "  ", lost);
    }
    out += &switches(report);
    out.push('\n');
    out += &verdicts(report, properties, columns);
    out.push('\n');
    out += &occurred(report);
    out += &unexecuted(std::slice::from_ref(report));
    out
}

/// A table of the verdicts on one cell, a row each.
pub(crate) fn verdicts(report: &Report, properties: &[Property], columns: Columns) -> String {
    let columns = columns.left("property", 20).left("verdict", 52);
    let mut out = columns.head();
    for &property in properties {
        let judged = &report.judged[property as usize];
        let mark = Mark::of(judged);
        let verdict = match mark {
            Mark::Reported(_) => format!("{}; reported, not demanded", judged.verdict),
            _ => judged.verdict.to_string(),
        };
        out += &columns.row([
            Entry::from(property.name().to_owned()),
            Entry::like(mark, verdict),
        ]);
    }
    out
}

/// "Holds" means "holds for these bounds".
pub(crate) fn bounds(report: &Report) -> String {
    let scenario = report.cluster.scenario();
    let events = &scenario.events;
    let demands: u32 = events.demands.iter().map(|d| u32::from(d.budget)).sum();
    let appends: u32 = events.appends.iter().map(|&times| u32::from(times)).sum();
    let mut parts = vec![
        count(scenario.nodes.into(), "node"),
        count(scenario.tasks.len(), "task"),
        count(scenario.files.len(), "file"),
        count(scenario.vpages.len(), "buffer page"),
    ];
    let budgets = [
        (usize::from(events.reclaim), "reclaim"),
        (usize::from(events.shrink), "shrink"),
        (demands as usize, "demand"),
        (appends as usize, "append"),
    ];
    parts.extend(
        budgets
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| count(*n, what)),
    );
    format!("bounds: {}", parts.join(", "))
}

fn counts(report: &Report) -> String {
    let stats = &report.stats;
    format!(
        "{} states ({} initial), {} transitions, depth {}",
        grouped(stats.states),
        grouped(stats.levels.first().copied().unwrap_or(0)),
        grouped(stats.edges),
        stats.depth
    )
}

/// What is interchangeable; nothing if nobody wanted to know.
fn symmetry(report: &Report) -> String {
    let mut out = String::new();
    match Interchange::of(&report.cluster) {
        None => {}
        Some(none) if none.parts.is_empty() => {
            let text = "symmetry: there is none; every state is stored as it is";
            fold(&mut out, "  ", text);
        }
        Some(some) => {
            let text = format!("symmetry: {some}; states are counted by representative");
            fold(&mut out, "  ", &text);
        }
    }
    out
}

fn completeness(report: &Report) -> String {
    match report.unfinished {
        None if report.stats.stopped > 0 => {
            "every state up to a kernel BUG was looked at; what would come after it is no part of \
             any verdict"
                .to_owned()
        }
        None if report.omission > 0.0 => format!(
            "every state that was found was looked at; fingerprints were kept, not states, and the \
             probability that others were missed is at most {:.1e}",
            report.omission
        ),
        None => "every reachable state was looked at".to_owned(),
        Some(why) => format!("NOT EVERY STATE WAS LOOKED AT: {why}"),
    }
}

pub(crate) fn occurred(report: &Report) -> String {
    let (yes, no): (Vec<_>, Vec<_>) = Occurrence::ALL
        .into_iter()
        .filter(|&what| report.coverage.occurred(what) || possible(&report.cluster, what))
        .partition(|&what| report.coverage.occurred(what));
    let mut out = String::new();
    let never = match report.unfinished {
        None => "never:    ",
        Some(_) => "not yet:  ",
    };
    for (first, these) in [("occurred: ", yes), (never, no)] {
        let these: Vec<&str> = these.iter().map(|what| what.what()).collect();
        if !these.is_empty() {
            fold(&mut out, first, &these.join(", "));
        }
    }
    out
}

/// What a compact search may have missed, below the verdicts of many cells.
pub(crate) fn omission(reports: &[Report]) -> String {
    let most = reports.iter().map(|r| r.omission).fold(0.0, f64::max);
    let mut out = String::new();
    if most > 0.0 {
        let told = format!(
            "Fingerprints were kept, not states: the probability that a cell missed a state is at \
             most {most:.1e}."
        );
        fold(&mut out, "", &told);
    }
    out
}

/// The lines that none of these cells executed although one could have; nothing if there is none.
pub(crate) fn unexecuted(reports: &[Report]) -> String {
    let mut all: BTreeMap<(&str, SourceLine), bool> = BTreeMap::new();
    for report in reports.iter().filter(|report| report.was_looked_at()) {
        for (line, executed) in lines(&report.cluster, &report.coverage) {
            *all.entry((report.design(), line)).or_default() |= executed;
        }
    }
    let complete = |design: &str| {
        let mut cells = reports.iter().filter(|report| report.design() == design);
        cells.all(|report| report.unfinished.is_none())
    };
    let mut out = String::new();
    let mut under = None;
    for ((design, line), _) in all.iter().filter(|(_, executed)| !**executed) {
        if under.replace(*design) != Some(*design) {
            let never = match complete(design) {
                true => "never",
                false => "not yet",
            };
            out += &format!("{never} executed under {design}:\n");
        }
        let place = format!("  {}:{} {}: ", line.design, line.line, line.function);
        fold(&mut out, &place, &line.text);
    }
    out
}

/// The shortest history of a violated property, with what it means.
pub(crate) fn story(report: &Report, property: Property, walk: &Walk) -> String {
    let title = format!("{} is violated {}", property.name(), Extent(walk));
    let mut out = format!("\n{title}\n{}\n", "=".repeat(title.chars().count()));
    let cell = format!("{} under {}.", report.scenario(), report.design());
    fold(&mut out, "", &cell);
    fold(&mut out, "", property.meaning());
    out.push('\n');
    let weakly = report.verdict(Property::Finishes).history();
    if property == Property::FinishesStrongly && weakly == Some(walk) {
        out += "The history is the same as for finishes.\n\n";
        out += &history::close(&report.cluster, property, walk);
    } else {
        out += &history::tell(&report.cluster, property, walk);
    }
    out
}

/// The line above a scenario's table.
pub(crate) fn scenario_head(report: &Report) -> String {
    let mut out = format!("\n{}\n", report.scenario());
    fold(&mut out, "  ", &bounds(report));
    out += &symmetry(report);
    out + &switches(report)
}

/// What is not as it is by default, a line each.
pub(crate) fn switches(report: &Report) -> String {
    let mut out = String::new();
    for switch in report.switches() {
        let text = format!("switch {switch}, which is not the default");
        fold(&mut out, "  ", &text);
    }
    out
}

/// Why cells are not decided; nothing if all are.
pub(crate) fn unknowns(reports: &[Report], properties: &[Property]) -> String {
    let mut out = String::new();
    for report in reports {
        let open = properties.iter().find_map(|&p| match report.verdict(p) {
            Verdict::Unknown { reason } => Some(reason),
            _ => None,
        });
        if let Some(why) = open {
            let text = format!("{} under {}: {why}", report.scenario(), report.design());
            fold(&mut out, "unknown: ", &text);
        }
    }
    out
}

/// A line of a list: a name and its text, folded.
pub(crate) fn list_line(out: &mut String, name: &str, width: usize, text: &str) {
    fold(out, &format!("{name:width$}  "), text);
}

/// The first sentence of a text.
pub(crate) fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}
