//! A plain breadth-first search, for tests of the model that must not depend on the
//! engine that is checked elsewhere.
#![allow(dead_code, unreachable_pub)] // each test binary uses a part

use glock_model::cluster::{Action, Cluster, State};
use glock_model::design;
use glock_model::event::NoSink;
use glock_model::property::{self, Property};
use glock_model::scenario::{self, Scenario};
use std::collections::{BTreeMap, HashSet, VecDeque};

/// A built-in scenario.
pub fn scenario(name: &str) -> Scenario {
    scenario::Library::builtin()
        .load(name)
        .unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A built-in scenario under a built-in design.
pub fn cluster(design: &str, scenario_name: &str) -> Cluster {
    with_scenario(design, scenario(scenario_name))
}

/// A scenario under a built-in design.
pub fn with_scenario(design: &str, scenario: Scenario) -> Cluster {
    let program = design::Library::builtin()
        .load(design)
        .unwrap_or_else(|e| panic!("{design}: {e:?}"))
        .program;
    let name = scenario.name.clone();
    Cluster::new(scenario, program).unwrap_or_else(|e| panic!("{design}/{name}: {e}"))
}

/// Cells of the history that need what no other has: kinds of user memory, holes, blocks
/// of several pages, the options of transfers and fault-in, asynchronous I/O, the
/// hold time of 2007, and appends.
pub const HISTORY: [(&str, &str); 31] = [
    ("fast-pages", "zero-page-direct-write"),
    ("fault-in-retry", "zero-page-direct-write"),
    ("base", "zero-page-direct-write"),
    ("fault-in-retry-bounded", "io-direct-write"),
    ("pin-first", "io-direct-read"),
    ("fault-in-gup", "io-buffered-read"),
    ("fault-in-gup", "unmarked-buffered-read"),
    ("pin-on-demand", "unmarked-direct-read"),
    ("whole-chunks", "chunk-buffered-write-bad-second"),
    ("whole-chunks-limited", "chunk-buffered-write"),
    ("probe-coarse", "chunk-buffered-write-bad-second"),
    ("fault-in-overreports", "chunk-direct-read-bad-second"),
    ("fault-in-retry-bounded", "chunk-direct-write-bad-second"),
    ("base", "chunk-direct-read-bad-second"),
    ("hole-eof", "hole-direct-read-second-bad"),
    ("iter-flag-only", "hole-race-direct-read"),
    ("restart-hack", "hole-race-direct-read"),
    ("fault-in-retry", "hole-direct-write-demanded"),
    ("fallback-error-dropped", "hole-direct-write"),
    ("offset-errno", "unaligned-direct-read"),
    ("range-lock", "range-direct-read-shared"),
    ("range-lock-retry", "range-direct-write"),
    ("fault-in-rewind", "aio-direct-read"),
    ("pin-first", "aio-direct-read"),
    ("pin-retry-once", "aio-direct-write"),
    ("fault-in-retry", "aio-direct-read-remote"),
    ("hold-from-change", "touch-store-two-nodes"),
    ("append-size-refreshed", "append-direct-write-one-page"),
    ("append-size-refreshed", "append-buffered-write-two-tasks"),
    ("append-positioned-again", "append-buffered-write"),
    ("append-pinned", "append-direct-write"),
];

/// What a complete search found.
#[derive(Debug, Default)]
pub struct Found {
    /// Number of states.
    pub states: usize,
    /// Per violated property, the length of a shortest history.
    pub violated: BTreeMap<Property, usize>,
    /// The length of a shortest history after which nobody can move though
    /// somebody has not finished.
    pub stuck: Option<usize>,
}

impl Found {
    /// The names of the violated properties; "no-deadlock" also if stuck.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.violated.keys().map(|p| p.name()).collect();
        if self.stuck.is_some() && !self.violated.contains_key(&Property::NoDeadlock) {
            names.push("no-deadlock");
        }
        names
    }
}

/// Visits every reachable state with its successors, in breadth-first order.
///
/// # Panics
/// If there are more than `cap` states: a test must not pass on part of them.
pub fn explore(
    cluster: &Cluster,
    cap: usize,
    mut visit: impl FnMut(usize, &State, &[(Action, State)]),
) -> usize {
    let mut seen: HashSet<Box<[u64]>> = HashSet::new();
    let mut queue = VecDeque::new();
    let pack = |state: &State| {
        let mut words = vec![0; cluster.words()].into_boxed_slice();
        cluster.pack(state, &mut words);
        words
    };
    for state in cluster.initial_states() {
        if seen.insert(pack(&state)) {
            queue.push_back((0, state));
        }
    }
    let mut successors = Vec::new();
    while let Some((depth, state)) = queue.pop_front() {
        assert!(
            seen.len() <= cap,
            "{}: more than {cap} states",
            cluster.scenario().name
        );
        successors.clear();
        cluster.successors(&state, &mut NoSink, &mut |action, next| {
            successors.push((action, *next));
        });
        visit(depth, &state, &successors);
        for (_, next) in &successors {
            if seen.insert(pack(next)) {
                queue.push_back((depth + 1, *next));
            }
        }
    }
    seen.len()
}

/// Searches all of it.
pub fn search(cluster: &Cluster, cap: usize) -> Found {
    let mut found = Found::default();
    found.states = explore(cluster, cap, |depth, state, successors| {
        let violated = property::violated(cluster, state);
        for property in Property::SAFETY {
            if violated & property.bit() != 0 {
                found.violated.entry(property).or_insert(depth);
            }
        }
        let stuck = successors.is_empty() && !cluster.is_finished(state) && !cluster.is_down(state);
        if stuck && found.stuck.is_none() {
            found.stuck = Some(depth);
        }
    });
    found
}
