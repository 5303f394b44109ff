//! The known answers of the history, one test a case: `cargo test --test known_answers K4f`.
//!
//! A test is called by the id of its row and by what tells the case from others of the row, as
//! `K4f: direct read`.

use glock::known::{Difference, Found, ask};
use glock::{Coverage, Options, SourceLine, check, lines};
use glock_model::cluster::Cluster;
use glock_model::design;
use glock_model::known::{Answer, Case, Entry, KnownAnswers};
use glock_model::property::Property;
use glock_model::scenario;
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeSet;

/// Every row of the history's table, in its order, and what the model found itself. A row that is
/// missing is a test that fails.
const ROWS: [&str; 54] = [
    "H1", "H2", "H3", "K1", "K2", "K3", "K4a", "K4b", "K4c", "K4d", "K4e", "K4f", "K4g", "K4h",
    "K4i", "K4j", "K4k", "K5", "K6", "K7", "K8", "K9", "K10", "K11", "K12", "K14", "K16", "K17",
    "K18", "K19b", "K21", "K22", "K23", "K24", "K25", "K26", "K26i", "K27", "K28", "K29", "K31",
    "G1", "S1", "S4b", "S5", "S6", "S7", "P1", "P2", "P3", "S11", "S17", "S19", "K32",
];

/// Rows whose change must change nothing.
const CONTROLS: [&str; 4] = ["K7", "K24", "K29", "S17"];

/// Where a control does change something, and the entry explains it.
const CHANGED_CONTROLS: [(&str, &str); 1] = [("K7", "buffered, private")];

/// A test of the rows as a whole.
type Test = fn(&KnownAnswers) -> Result<(), Failed>;
/// What makes a recorded answer wrong.
type Change = fn(&mut Answer);

fn main() {
    let arguments = Arguments::from_args();
    let known = KnownAnswers::builtin().unwrap_or_else(|e| panic!("{e}"));
    let mut trials = Vec::new();
    for entry in &known.entries {
        for case in &entry.cases {
            let name = match case.what.as_str() {
                "" => entry.id.clone(),
                what => format!("{}: {what}", entry.id),
            };
            let (asked, slow) = (case.clone(), case.slow);
            let trial = Trial::test(name, move || as_recorded(&asked));
            trials.push(trial.with_ignored_flag(slow.is_some()));
        }
    }
    let whole: [(&str, Test); 7] = [
        ("every row of the history is there", every_row_is_there),
        (
            "every change changes what it is about",
            every_change_changes_something,
        ),
        (
            "every control changes nothing",
            every_control_changes_nothing,
        ),
        (
            "every answer that differs is explained",
            every_difference_is_explained,
        ),
        (
            "another answer than the recorded one is told",
            other_answers_are_told,
        ),
        (
            "an unfinished search is no answer",
            an_unfinished_search_is_no_answer,
        ),
        ("every line of the designs runs", every_line_runs),
    ];
    for (name, test) in whole {
        let known = known.clone();
        trials.push(Trial::test(name, move || test(&known)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn fail<T>(message: String) -> Result<T, Failed> {
    Err(Failed::from(message))
}

fn found(answer: &Answer, options: &Options<'_>) -> Result<Found, Failed> {
    Ok(ask(answer, options)?)
}

fn as_recorded(case: &Case) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for answer in [&case.before, &case.after] {
        let found = found(answer, &Options::default())?;
        let cell = format!("{} under {}", answer.scenario, answer.design);
        wrong.extend(found.differences.iter().map(|d| format!("{cell}: {d}")));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => fail(wrong.join("\n")),
    }
}

fn every_row_is_there(known: &KnownAnswers) -> Result<(), Failed> {
    let ids: Vec<&str> = known.entries.iter().map(|e| e.id.as_str()).collect();
    match ids == ROWS {
        true => Ok(()),
        false => fail(format!("the rows are {ROWS:?}, the entries are {ids:?}")),
    }
}

/// An answer that is violated, or held, by both sides would show nothing.
fn every_change_changes_something(known: &KnownAnswers) -> Result<(), Failed> {
    for entry in known.entries.iter().filter(|e| !is_control(e)) {
        for case in &entry.cases {
            let violated = violates(&case.before, case.property);
            if !violated || !case.after.holds.contains(&case.property) {
                let (id, name) = (&entry.id, case.property.name());
                return fail(format!("{id} {}: {name} is not repaired", case.what));
            }
        }
    }
    Ok(())
}

fn every_control_changes_nothing(known: &KnownAnswers) -> Result<(), Failed> {
    let verdicts = |answer: &Answer| -> BTreeSet<(Property, bool)> {
        let all = answer.properties().into_iter();
        all.map(|p| (p, violates(answer, p))).collect()
    };
    for entry in known.entries.iter().filter(|e| is_control(e)) {
        for case in &entry.cases {
            let changes = verdicts(&case.before) != verdicts(&case.after);
            let expected = CHANGED_CONTROLS.contains(&(entry.id.as_str(), case.what.as_str()));
            if changes != expected {
                return fail(format!("{} {}: changes: {changes}", entry.id, case.what));
            }
        }
    }
    Ok(())
}

fn is_control(entry: &Entry) -> bool {
    CONTROLS.contains(&entry.id.as_str())
}

fn violates(answer: &Answer, property: Property) -> bool {
    answer.violated.iter().any(|&(p, _)| p == property)
}

/// Inferred and derived rows may come out otherwise, and then there is a sentence about it.
fn every_difference_is_explained(known: &KnownAnswers) -> Result<(), Failed> {
    for entry in &known.entries {
        if entry.lacks.as_ref().is_some_and(|text| text.len() < 10) {
            return fail(format!("{} lacks something without saying what", entry.id));
        }
        let changed = CHANGED_CONTROLS.iter().any(|(id, _)| *id == entry.id);
        if changed && entry.explanation.is_none() {
            return fail(format!("{} differs without an explanation", entry.id));
        }
    }
    Ok(())
}

/// A comparison that never fails shows nothing: each recorded figure is changed in turn.
fn other_answers_are_told(known: &KnownAnswers) -> Result<(), Failed> {
    let case = &known.entry("K4k").expect("it is there").cases[0];
    let right = &case.before;
    let changes: [(&str, Change); 6] = [
        ("states", |a| a.states += 1),
        ("transitions", |a| a.transitions += 1),
        ("depth", |a| a.depth += 1),
        ("the length of a history", |a| a.violated[0].1 += 1),
        (
            "a property that is violated and recorded as one that holds",
            |a| {
                let (property, _) = a.violated.remove(0);
                a.holds.push(property);
            },
        ),
        ("a property that holds and is recorded as violated", |a| {
            a.violated.push((Property::NoDeadlock, 3));
        }),
    ];
    for (what, change) in changes {
        let mut wrong = right.clone();
        change(&mut wrong);
        let found = found(&wrong, &Options::default())?;
        if found.differences.len() != 1 {
            return fail(format!("{what}: {:?}", found.differences));
        }
    }
    match found(right, &Options::default())?.differences.as_slice() {
        [] => Ok(()),
        some => fail(format!("{some:?}")),
    }
}

fn an_unfinished_search_is_no_answer(known: &KnownAnswers) -> Result<(), Failed> {
    let answer = &known.entry("K2").expect("it is there").cases[0].before;
    let mut options = Options::default();
    options.limits.states = Some(100);
    match found(answer, &options)?.differences.as_slice() {
        [Difference::Unfinished(_)] => Ok(()),
        other => fail(format!("{other:?}")),
    }
}

/// Most states of a cell that is looked at for the lines it executes.
const SMALL: usize = 4_000;

/// Lines of designs that no scenario executes, and why; the README says so, too.
const NEVER: [(&str, &str, &str); 7] = [
    // All pages are pinned before the glock is taken: nothing faults under it, nothing is refused.
    ("pin-first", "fault", "ret = filemap_fault file"),
    ("pin-first", "fault", "return ret"),
    ("append-pinned", "fault", "ret = filemap_fault file"),
    ("append-pinned", "fault", "return ret"),
    ("pin-first", "direct_write", "if not ret ret = buffered"),
    // A part through the page cache that never faults its source in does not end in an error.
    ("no-fault-in", "direct_write", "if not ret ret = buffered"),
    (
        "write-no-fault-in",
        "direct_write",
        "if not ret ret = buffered",
    ),
];

/// Every line of every design is executed by some small scenario, but for those.
fn every_line_runs(_: &KnownAnswers) -> Result<(), Failed> {
    let library = design::Library::builtin();
    let scenarios = scenario::Library::builtin();
    let scenarios: Vec<_> = scenarios
        .names()
        .map(|name| scenarios.load(name).expect("built in"))
        .filter(|s| s.tasks.len() <= 2)
        .collect();
    let mut missed = BTreeSet::new();
    for name in library.names().into_iter().chain(library.steps()) {
        let program = library.load(name)?.program;
        let clusters: Vec<_> = scenarios
            .iter()
            .filter_map(|s| Cluster::new(s.clone(), program.clone()).ok())
            .collect();
        let mut open: BTreeSet<_> = clusters
            .iter()
            .flat_map(|cluster| lines(cluster, &Coverage::default()).into_keys())
            .filter(|line| !is_never(name, line))
            .collect();
        for scenario in &scenarios {
            if open.is_empty() {
                break;
            }
            let mut options = Options::default();
            options.limits.states = Some(SMALL);
            if let Ok(report) = check(&program, scenario, &options) {
                let ran = lines(&report.cluster, &report.coverage);
                ran.into_iter()
                    .filter(|(_, ran)| *ran)
                    .for_each(|(line, _)| {
                        open.remove(&line);
                    });
            }
        }
        missed.extend(
            open.iter()
                .map(|line| format!("{name}: {} {}", line.function, line.text)),
        );
    }
    match missed.is_empty() {
        true => Ok(()),
        false => fail(format!("{missed:#?}")),
    }
}

fn is_never(design: &str, line: &SourceLine) -> bool {
    NEVER.contains(&(design, line.function.as_str(), line.text.as_str()))
}
