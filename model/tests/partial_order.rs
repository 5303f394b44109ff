//! What partial-order reduction could save, measured on full graphs, and the part of
//! it that is built in: [`glock_model::release`].
//!
//! The oracle computes from the full graph of a scenario which sets of movers are
//! persistent in which states, and searches with the smallest ones: with full
//! knowledge of what comes, which no rule that looks at one state has. Its ratios
//! are a guide and no proof: which of several persistent sets is best is tried, not
//! known. `cargo test -p glock-model --test partial_order -- --ignored --nocapture`
//! prints them for 18 scenarios under four designs. By how much states and edges
//! become fewer, least and most:
//!
//! |                                | release fusion |          | then the oracle |          | of tasks only |          |
//! |--------------------------------|---------------:|---------:|----------------:|---------:|--------------:|---------:|
//! |                                |         states |    edges |          states |    edges |        states |    edges |
//! | alone, the file idle elsewhere |       1.1, 1.3 | 1.1, 1.3 |        1.0, 1.3 | 1.0, 1.6 |      1.0, 1.1 | 1.0, 1.4 |
//! | the race on one node           |       1.2, 1.6 | 1.2, 1.6 |        1.2, 2.0 | 1.5, 3.0 |      1.2, 2.0 | 1.4, 3.0 |
//! | the same, with demands         |       1.2, 1.4 | 1.2, 1.4 |        1.7, 2.7 | 2.8, 5.2 |      1.2, 1.3 | 1.5, 1.8 |
//! | the same, with a third writer  |       1.5, 1.9 | 1.6, 2.0 |        1.7, 2.2 | 2.5, 3.5 |      1.7, 2.1 | 2.3, 3.2 |
//! | writers of mmap_lock           |       1.0, 1.1 | 1.0, 1.1 |        1.8, 3.1 | 2.6, 5.5 |      1.7, 3.1 | 2.4, 5.5 |
//! | the race on two nodes          |       1.1, 1.7 | 1.1, 1.8 |        2.0, 2.9 | 3.2, 5.6 |      1.4, 2.2 | 1.8, 3.7 |
//!
//! A reduced search is not built in. What is left to save, at most, is a factor of two
//! to three in states, and it rests on knowing what comes: a task's step on a page is
//! persistent nine times in ten, but the tenth time somebody will demote that page's
//! glock first, and the state does not show it. The price would be the shortest
//! histories, the account of what happened and what never did, and the two properties
//! about fair runs. Fusion costs none of these.

#[path = "partial_order/oracle.rs"]
mod oracle;
mod support;

use glock_model::cluster::{Action, Cluster, State};
use glock_model::property;
use glock_model::scenario::Scenario;
use oracle::{Edge, Graph, Judged, Oracle, Order, Proviso, Reduced};
use std::collections::HashMap;
use std::hash::Hash;
use support::{cluster, explore, scenario, with_scenario};

const DESIGNS: [&str; 4] = ["base", "restart-hack", "pin-on-demand", "fault-in-retry"];

const CAP: usize = 400_000;

/// The set of all movers.
const EVERYBODY: u64 = !0;

/// Numbers whatever it meets, in the order in which it meets it.
#[derive(Debug)]
struct Numbers<T>(HashMap<T, usize>);

impl<T: Hash + Eq> Numbers<T> {
    fn new() -> Numbers<T> {
        Numbers(HashMap::new())
    }

    fn of(&mut self, item: T) -> usize {
        let next = self.0.len();
        *self.0.entry(item).or_insert(next)
    }
}

/// Who moves: a fairness group, or a step of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mover {
    Group(usize),
    Environment(Action),
}

/// The same task before and after it begins is one mover, and every step of the
/// environment is one of its own.
fn mover(cluster: &Cluster, action: Action) -> Mover {
    let group = match action {
        Action::Start { task } => cluster.mover(Action::Task { task, choice: 0 }),
        _ => cluster.mover(action),
    };
    group.map_or(Mover::Environment(action), Mover::Group)
}

/// The full graph of a scenario; for each of its states the movers that are tasks
/// about to release something unseen; and the movers that are tasks.
struct Full {
    graph: Graph,
    releases: Vec<u64>,
    tasks: u64,
}

impl Full {
    fn new(cluster: &Cluster, cap: usize) -> Full {
        let mut full = Full {
            graph: Graph::default(),
            releases: Vec::new(),
            tasks: 0,
        };
        let (mut states, mut labels, mut movers) = (Numbers::new(), Numbers::new(), Numbers::new());
        for state in cluster.initial_states() {
            let first = states.of(packed(cluster, &state)) as u32;
            full.graph.initial.push(first);
        }
        explore(cluster, cap, |_, state, successors| {
            let number = states.of(packed(cluster, state));
            assert_eq!(number, full.graph.states(), "states come in order");
            let mut releases = 0;
            let mut steps = Vec::new();
            for &(action, next) in successors {
                let mover = movers.of(mover(cluster, action));
                assert!(mover < 64, "one bit per mover");
                steps.push(Edge {
                    label: labels.of(action) as u16,
                    mover: mover as u8,
                    to: states.of(packed(cluster, &next)) as u32,
                });
                if matches!(action, Action::Task { .. } | Action::Start { .. }) {
                    full.tasks |= 1 << mover;
                }
                if releases_unseen(cluster, state, action) {
                    releases |= 1 << mover;
                }
            }
            full.releases.push(releases);
            full.graph.push(judged(cluster, state), steps);
        });
        full
    }
}

fn packed(cluster: &Cluster, state: &State) -> Box<[u64]> {
    let mut words = vec![0; cluster.words()].into_boxed_slice();
    cluster.pack(state, &mut words);
    words
}

fn judged(cluster: &Cluster, state: &State) -> Judged {
    Judged {
        violated: property::violated(cluster, state),
        stopped: cluster.is_down(state),
        finished: cluster.is_finished(state) || cluster.is_out_of_time(state),
    }
}

fn releases_unseen(cluster: &Cluster, state: &State, action: Action) -> bool {
    let Action::Task { task, .. } = action else {
        return false;
    };
    let n = cluster.scenario().node_of(task as usize);
    state.nodes[n].next_is_unseen(&cluster.ctx(n), task as usize)
}

/// Without the fusion that is to be judged.
fn in_single_releases(name: &str) -> Scenario {
    let mut scenario = scenario(name);
    scenario.switches.release_fusion = false;
    scenario
}

/// Three who count to three, each for himself: one order of the steps is enough.
#[test]
fn the_oracle_sees_that_counters_are_independent() {
    let mut graph = Graph {
        initial: vec![0],
        ..Graph::default()
    };
    for s in 0..64u32 {
        let counting = (0..3u8).filter(|who| s >> (2 * who) & 3 < 3);
        let steps = counting.map(|who| Edge {
            label: who.into(),
            mover: who,
            to: s + (1 << (2 * who)),
        });
        let judged = Judged {
            finished: s == 63,
            ..Judged::default()
        };
        graph.push(judged, steps.collect());
    }
    let oracle = Oracle::new(&graph);
    let full = Reduced::nothing(&graph).verdicts(&graph);
    for order in Order::ALL {
        for proviso in [Proviso::None, Proviso::Queue] {
            let reduced = oracle.reduced(EVERYBODY, order, proviso);
            assert_eq!((reduced.states(), reduced.edges), (10, 9));
            assert_eq!(reduced.verdicts(&graph), full);
        }
    }
}

/// Two who take one lock: who comes first makes a difference, nothing may be left
/// out.
#[test]
fn the_oracle_sees_that_takers_of_a_lock_depend_on_each_other() {
    let mut graph = Graph {
        initial: vec![0],
        ..Graph::default()
    };
    let take = |who: u8| Edge {
        label: who.into(),
        mover: who,
        to: who as u32 + 1,
    };
    graph.push(Judged::default(), vec![take(0), take(1)]);
    graph.push(Judged::default(), vec![]);
    graph.push(Judged::default(), vec![]);
    let oracle = Oracle::new(&graph);
    assert!(!oracle.is_persistent(0, 1));
    assert!(!oracle.is_persistent(0, 2));
    let reduced = oracle.reduced(EVERYBODY, Order::FewestNew, Proviso::None);
    assert_eq!((reduced.states(), reduced.edges), (3, 2));
}

/// Two threads use one page: the end of one's fault is seen by the other.
const SAME_PAGE: &str = r#"
    [files.F1]
    pages = 1
    [[tasks]]
    mm = "A"
    op = "load"
    buffer = [{ shared = "F1", page = 0 }]
    [[tasks]]
    mm = "A"
    op = "store"
    buffer = [{ shared = "F1", page = 0 }]
"#;

/// A page is mapped by one process while the write-back of another one, which another
/// process has dirtied, unmaps all pages of the file.
const OTHER_PAGE: &str = r#"
    lock = "dlm"
    [files.F1]
    pages = 2
    [[tasks]]
    op = "load"
    buffer = [{ shared = "F1", page = 0 }]
    [[tasks]]
    op = "store"
    buffer = [{ shared = "F1", page = 1 }]
    [events]
    demand = [{ node = 1, file = "F1", mode = "SH", times = 1 }]
"#;

/// What [`glock_model::release`] rests on: whatever others do, a release stays
/// possible and comes to the same.
#[test]
fn nobody_depends_on_a_release() {
    const NAMES: [&str; 21] = [
        "race-direct-read",
        "race-direct-write",
        "race-buffered-read",
        "race-buffered-write",
        "race-direct-read-private",
        "race-buffered-write-two-pages",
        "race-buffered-read-bad-second",
        "own-direct-read-same-page",
        "own-direct-write-other-page",
        "own-buffered-write-demanded",
        "lone-buffered-read-idle-remote",
        "touch-store-remote-writer",
        "touch-load-local-direct-writer",
        "pipe-read-local-writer",
        "threads-direct-read-munmap",
        "threads-buffered-write",
        "mmap-lock-mprotect-buffer-direct-read",
        "reclaim-direct-read",
        "aio-direct-write",
        "race-direct-read-private-two-nodes",
        "race-direct-write-two-nodes",
    ];
    let written = [SAME_PAGE, OTHER_PAGE].map(|text| {
        let mut scenario = Scenario::from_toml(text, "test.toml").expect("a scenario");
        scenario.switches.release_fusion = false;
        scenario
    });
    let mut releases = 0;
    for scenario in NAMES.map(in_single_releases).iter().chain(&written) {
        let name = &scenario.name;
        for design in DESIGNS {
            let full = Full::new(&with_scenario(design, scenario.clone()), CAP);
            let oracle = Oracle::new(&full.graph);
            for (state, &movers) in full.releases.iter().enumerate() {
                for mover in (0..64).filter(|m| movers & 1 << m != 0) {
                    releases += 1;
                    assert!(
                        oracle.is_persistent(state as u32, 1 << mover),
                        "{name} under {design}, state {state}"
                    );
                }
            }
        }
    }
    assert!(releases > 10_000, "{releases}");
}

/// The best of several orders: the smallest persistent sets are not always the best.
fn best(oracle: &Oracle<'_>, among: u64, proviso: Proviso) -> Reduced {
    let all = Order::ALL.map(|order| oracle.reduced(among, order, proviso));
    all.into_iter()
        .min_by_key(|found| found.states())
        .expect("there are orders")
}

/// What a full graph has and what reduced searches of it need.
struct Line {
    states: usize,
    edges: usize,
    free: Reduced,
    queue: Reduced,
    tasks: Reduced,
}

impl Line {
    fn new(cluster: &Cluster) -> Line {
        let Full { graph, tasks, .. } = Full::new(cluster, CAP);
        let oracle = Oracle::new(&graph);
        let line = Line {
            states: graph.states(),
            edges: graph.edges.len(),
            free: best(&oracle, EVERYBODY, Proviso::None),
            queue: best(&oracle, EVERYBODY, Proviso::Queue),
            tasks: best(&oracle, tasks, Proviso::Queue),
        };
        let full = Reduced::nothing(&graph).verdicts(&graph);
        assert_eq!(line.free.verdicts(&graph).ends, full.ends);
        assert_eq!(line.queue.verdicts(&graph), full);
        line
    }

    /// States and edges, as they are against as they would be.
    fn saved_by(&self, reduced: &Reduced) -> String {
        format!(
            "{:>6.2} {:>5.2}",
            self.states as f64 / reduced.states() as f64,
            self.edges as f64 / reduced.edges as f64
        )
    }
}

/// Prints the table above.
#[test]
#[ignore = "a measurement"]
fn what_persistent_sets_could_save() {
    const NAMES: [&str; 18] = [
        "lone-direct-read-idle-remote",
        "lone-buffered-write-idle-remote",
        "race-direct-read",
        "race-direct-write",
        "race-buffered-read",
        "race-buffered-write",
        "race-direct-read-reclaim",
        "race-direct-read-demanded",
        "third-writer-direct-read",
        "threads-direct-read-munmap",
        "mmap-lock-munmap-direct-read",
        "mmap-lock-mmap-buffered-read",
        "race-direct-read-private-two-nodes",
        "race-direct-read-bad-first-two-nodes",
        "race-direct-write-two-nodes",
        "race-buffered-read-private-two-nodes",
        "race-buffered-read-two-nodes",
        "race-buffered-write-two-nodes",
    ];
    println!("states and edges; saved by fusion; saved by the oracle without and with a");
    println!("proviso, first without fusion, then with it; then by tasks alone");
    for name in NAMES {
        for design in DESIGNS {
            let single = Line::new(&with_scenario(design, in_single_releases(name)));
            let fused = Line::new(&cluster(design, name));
            println!(
                "{name:<36} {design:<14} {:>7} {:>7} | {:>6.2} {:>5.2} | {} {} | {} {} {}",
                single.states,
                single.edges,
                single.states as f64 / fused.states as f64,
                single.edges as f64 / fused.edges as f64,
                single.saved_by(&single.free),
                single.saved_by(&single.queue),
                fused.saved_by(&fused.free),
                fused.saved_by(&fused.queue),
                fused.saved_by(&fused.tasks),
            );
        }
    }
}
