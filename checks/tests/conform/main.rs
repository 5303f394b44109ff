//! The recordings of real kernels against the designs that they are recordings of.

mod commands;
mod designs;
mod lengths;
mod mutations;
mod readahead;
mod reader;

use glock::conform::ftrace::Trace;
use glock::conform::observe::{Recording, observe};
use glock::conform::setup::{Setup, TooLarge};
use glock::conform::verdict::{Conformance, FRONTIER, Verdict, conform};
use glock::conform::{design_names, designs as library};
use glock_model::program::Program;
use glock_model::scenario::Scenario;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

fn kernel() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernel")
}

/// Folders of recordings of one node, with the design that each is one of.
const SINGLE: [(&str, &str); 5] = [
    ("6.1.0-56", "fault-in-retry-bounded"),
    ("6.12.117", "fault-in-retry-bounded"),
    ("early/base", "base-v61"),
    ("early/recursion-check", "recursion-check-v61"),
    ("early/restart-hack", "restart-hack-v61"),
];

/// Folders of recordings of two nodes.
const CLUSTER: [(&str, &str); 5] = [
    ("cluster/6.1.0-56", "fault-in-retry-bounded"),
    ("cluster/6.1-open-first", "fault-in-retry-bounded"),
    ("cluster/6.12.117", "fault-in-retry-bounded"),
    ("cluster/base", "base-v61"),
    ("cluster/restart-hack", "restart-hack-v61"),
];

fn program(name: &str) -> Program {
    let design = library().load(name);
    design.map_err(miette::Report::new).unwrap().program
}

fn read(paths: &[PathBuf]) -> Recording {
    let traces: Vec<(String, Trace)> = paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            (path.display().to_string(), Trace::read(&text))
        })
        .collect();
    observe(&traces).unwrap_or_else(|error| panic!("{error}"))
}

/// A recording with its name and the logs it is made of.
struct Recorded {
    name: String,
    design: &'static str,
    recording: Recording,
    scenario: Option<Scenario>,
}

impl Recorded {
    fn setup(&self, program: &Program) -> Result<Setup, TooLarge> {
        match &self.scenario {
            Some(scenario) => Setup::of_scenario(&self.recording, scenario, program),
            None => Setup::new(&self.recording, program),
        }
    }

    fn under(&self, program: &Program) -> Conformance {
        let setup = self.setup(program);
        let setup = setup.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        conform(&self.recording, program, setup, FRONTIER).unwrap()
    }
}

fn contended() -> Scenario {
    let path = kernel().join("scenarios/second-page-contended.toml");
    let text = std::fs::read_to_string(path).unwrap();
    Scenario::from_toml(&text, "second-page-contended.toml").unwrap()
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let folder = kernel().join("recordings").join(folder);
    let mut entries: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    assert!(!entries.is_empty(), "{}", folder.display());
    entries
}

fn recorded(folders: &[(&'static str, &'static str)]) -> Vec<Recorded> {
    let mut all = Vec::new();
    for &(folder, design) in folders {
        for entry in entries(folder) {
            let stem = entry.file_stem().unwrap().to_str().unwrap().to_owned();
            let logs = match entry.is_dir() {
                true => vec![entry.join("node1.trace"), entry.join("node2.trace")],
                false => vec![entry.clone()],
            };
            // Its marker does not say what the buffer is made of.
            let scenario = (stem == "direct-read-second-page-contended").then(contended);
            all.push(Recorded {
                name: format!("{folder}/{stem}"),
                design,
                recording: read(&logs),
                scenario,
            });
        }
    }
    all
}

/// Does something with each of `items`, on two threads, and puts the results in order.
fn on_two_threads<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return done;
            };
            done.push((at, f(item)));
        }
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn all_accepted(all: &[Recorded]) {
    let programs: BTreeMap<&str, Program> =
        all.iter().map(|r| (r.design, program(r.design))).collect();
    let failures = on_two_threads(all, |recorded| {
        let found = recorded.under(&programs[recorded.design]);
        (found.verdict != Verdict::Accepted).then(|| {
            let at: Vec<_> = found.at.iter().flatten().map(|seen| seen.line).collect();
            format!("{}: {:?} at {at:?}\n", recorded.name, found.verdict)
        })
    });
    let failures: String = failures.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_recording_of_one_node_is_a_history_of_its_design() {
    let all = recorded(&SINGLE);
    assert_eq!(all.len(), 94);
    all_accepted(&all);
}

/// Those that take long are below.
fn takes_long(recorded: &Recorded) -> bool {
    ["same-file", "user-", "cross-buffered"]
        .iter()
        .any(|long| recorded.name.contains(long))
}

#[test]
fn recordings_of_two_nodes_are_histories_of_their_designs() {
    let mut all = recorded(&CLUSTER);
    assert_eq!(all.len(), 65);
    all.retain(|recorded| !takes_long(recorded));
    all_accepted(&all);
}

#[test]
fn the_other_recordings_of_two_nodes_are_histories_of_their_designs() {
    let mut all = recorded(&CLUSTER);
    all.retain(takes_long);
    all_accepted(&all);
}

/// Where a recording ends with tasks that never come back, the model can end in a state in which
/// these tasks, and no others, wait for one another.
#[test]
fn a_recorded_deadlock_is_a_deadlock_of_the_model() {
    let mut deadlocks = 0;
    for recorded in recorded(&[SINGLE[2], SINGLE[3], SINGLE[4], CLUSTER[3]]) {
        let ending = recorded.recording.ending;
        if ending.cut.is_some() || ending.bug || ending.stuck == 0 || takes_long(&recorded) {
            continue;
        }
        let found = recorded.under(&program(recorded.design));
        assert_eq!(found.verdict, Verdict::Accepted, "{}", recorded.name);
        let stuck: Vec<usize> = (0..ending.stuck).collect();
        assert_eq!(found.deadlock, stuck, "{}", recorded.name);
        deadlocks += 1;
    }
    assert!(deadlocks >= 5, "{deadlocks}");
}

#[test]
fn a_recursion_ends_in_the_trap() {
    let mut traps = 0;
    for recorded in recorded(&[SINGLE[2], SINGLE[3], SINGLE[4]]) {
        if recorded.recording.ending.bug {
            let found = recorded.under(&program(recorded.design));
            assert_eq!(found.verdict, Verdict::Accepted, "{}", recorded.name);
            // Upstream's design never asks for a glock it has.
            let upstream = recorded.under(&program("fault-in-retry-bounded"));
            assert_ne!(upstream.verdict, Verdict::Accepted, "{}", recorded.name);
            traps += 1;
        }
    }
    assert_eq!(traps, 8);
}
