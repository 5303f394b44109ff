//! Reachability, shared by workers: what one machine says, and nothing else.

use crate::same::same;
use crate::systems::graph::{Graph, set};
use crate::systems::lanes::Lanes;
use crate::systems::register::register;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{DEADLOCK, Mobile};
use glock_engine::{Exact, Limits, Search, StopWhen, System, Unfinished, Verdict};
use glock_engine_timely::{DistributedSearch, Placement};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::{Model, Property};

const WORKERS: [usize; 3] = [1, 2, 4];

fn is_as_on_one_machine<S>(system: &S)
where
    S: System<Store: Mobile, Coverage: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>,
{
    let alone = Search::new(system).run().unwrap();
    for workers in WORKERS {
        let shared = DistributedSearch::new(system, Placement::Threads(workers));
        let shared = shared.run().unwrap().outcome;
        assert_eq!(same(&shared), same(&alone), "{workers} workers");
        assert_eq!(shared.coverage, alone.coverage, "{workers} workers");
        assert_eq!(shared.unfinished, None);
    }
}

/// Gray and Lamport's two-phase commit, with the counts published for TLA+.
#[test]
fn two_phase_commit_has_as_many_states_for_any_number_of_workers() {
    for (managers, states) in [(3, 288), (5, 8_832), (7, 296_448)] {
        let system = TwoPhaseCommit(managers);
        for workers in WORKERS {
            let shared = DistributedSearch::new(&system, Placement::Threads(workers));
            assert_eq!(shared.run().unwrap().outcome.stats.states, states);
        }
        is_as_on_one_machine(&system);
    }
}

#[test]
fn states_of_any_type_are_shared_by_the_workers_of_a_process() {
    is_as_on_one_machine(&Exact::new(Lanes(20)));
    is_as_on_one_machine(&Exact::new(Lanes(20)).finished(|_, _| false));
}

/// Each worker numbers the parts of states in its own way.
#[test]
fn states_in_parts_are_shared_by_the_workers_of_a_process() {
    is_as_on_one_machine(&Exact::new(register(2, 1)).in_parts());
    is_as_on_one_machine(&Exact::new(register(2, 2)).in_parts());
}

#[test]
fn a_state_in_the_boundary_but_for_one_worker_is_nobodys() {
    let mut graph = Graph::paths(&[&[0, 1, 2, 3], &[1, 4], &[5]]);
    graph.outside = set(&[2, 5]);
    is_as_on_one_machine(&graph);
}

#[test]
fn the_same_counterexample_is_told_by_any_number_of_workers() {
    let system = TwoPhaseCommit(5);
    let runs = WORKERS.map(|workers| {
        let shared = DistributedSearch::new(&system, Placement::Threads(workers));
        let outcome = shared.run().unwrap().outcome;
        outcome
            .verdict("commit agreement")
            .unwrap()
            .path()
            .unwrap()
            .clone()
    });
    assert_eq!(runs[0].len(), 16);
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

fn graphs() -> impl Strategy<Value = Graph> {
    let nodes = 0..40_u8;
    let edges = prop::collection::vec((nodes.clone(), nodes.clone()), 0..120);
    let initial = prop::collection::vec(nodes, 1..4);
    (initial, edges, any::<[u64; 7]>()).prop_map(|(initial, edges, bits)| Graph {
        initial,
        edges,
        // Few nodes in the sets, so that the ways to them are long.
        labels: [0, 1, 2, 3].map(|i| bits[i] & bits[(i + 1) % 4] & bits[(i + 2) % 4]),
        finished: bits[4],
        outside: bits[5] & bits[4] & !1,
        stop: bits[6] & bits[5] & bits[3],
        groups: Vec::new(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_graph_is_as_on_one_machine(graph in graphs()) {
        if graph.initial.iter().any(|&node| graph.outside >> node & 1 == 0) {
            is_as_on_one_machine(&graph);
        }
    }
}

#[test]
fn nothing_holds_beyond_a_limit() {
    let system = TwoPhaseCommit(5);
    let limits = |limits| {
        let shared = DistributedSearch::new(&system, Placement::Threads(2));
        shared.limits(limits).run().unwrap().outcome
    };
    let enough = limits(Limits {
        states: Some(8_832),
        ..Limits::default()
    });
    assert_eq!(enough.verdict("consistent"), Some(&Verdict::Holds));
    let cases = [
        (
            Unfinished::States,
            Limits {
                states: Some(8_831),
                ..Limits::default()
            },
        ),
        (
            Unfinished::Depth,
            Limits {
                depth: Some(5),
                ..Limits::default()
            },
        ),
        (
            Unfinished::Memory,
            Limits {
                memory_bytes: Some(100_000),
                ..Limits::default()
            },
        ),
        (
            Unfinished::Time,
            Limits {
                time: Some(std::time::Duration::from_nanos(1)),
                ..Limits::default()
            },
        ),
    ];
    for (why, limit) in cases {
        let outcome = limits(limit);
        assert_eq!(outcome.unfinished, Some(why));
        assert_eq!(outcome.verdict("consistent"), Some(&Verdict::Unknown(why)));
    }
}

#[test]
fn a_limit_on_depth_counts_as_on_one_machine() {
    let system = TwoPhaseCommit(4);
    for depth in [0, 1, 7, 14, 15, 16, 99] {
        let limits = Limits {
            depth: Some(depth),
            ..Limits::default()
        };
        let alone = Search::new(&system).limits(limits).run().unwrap();
        let shared = DistributedSearch::new(&system, Placement::Threads(2));
        let shared = shared.limits(limits).run().unwrap().outcome;
        assert_eq!(same(&shared), same(&alone), "depth {depth}");
    }
}

#[test]
fn stops_after_the_level_in_which_it_found_what_it_was_to_find() {
    let graph = Graph::paths(&[&[0, 1, 2, 3, 4, 5], &[0, 1, 6]]).label(0, &[6]);
    let shared = DistributedSearch::new(&graph, Placement::Threads(2));
    let wish = StopWhen::AnyFound(vec!["never 0".to_owned()]);
    let outcome = shared.stop_when(wish).run().unwrap().outcome;
    assert_eq!(outcome.verdict("never 0").unwrap().path().unwrap().len(), 2);
    assert_eq!(outcome.unfinished, Some(Unfinished::Stopped));
    assert_eq!(outcome.stats.levels, [1, 1, 2, 1]);
    let unknown = Some(&Verdict::Unknown(Unfinished::Stopped));
    assert_eq!(outcome.verdict("never 1"), unknown);
}

#[test]
fn stopping_where_nothing_is_left_leaves_nothing_unknown() {
    let graph = Graph::paths(&[&[0, 1, 2]]).label(0, &[2]).finished(&[2]);
    let shared = DistributedSearch::new(&graph, Placement::Threads(2));
    let wish = StopWhen::AnyFound(vec!["never 0".to_owned()]);
    let outcome = shared.stop_when(wish).run().unwrap().outcome;
    assert_eq!(outcome.verdict(DEADLOCK), Some(&Verdict::Holds));
}

#[test]
fn a_cancelled_search_knows_nothing() {
    let flag = std::sync::atomic::AtomicBool::new(true);
    let system = TwoPhaseCommit(5);
    let shared = DistributedSearch::new(&system, Placement::Threads(2));
    let outcome = shared.cancel(&flag).run().unwrap().outcome;
    assert_eq!(outcome.unfinished, Some(Unfinished::Cancelled));
}

#[test]
fn a_model_without_an_initial_state_is_refused() {
    let graph = Graph::default();
    let shared = DistributedSearch::new(&graph, Placement::Threads(2));
    let why = shared.run().err().unwrap().to_string();
    assert!(why.contains("no initial state"), "{why}");
}

/// A light that may stay on.
struct Light;

impl Model for Light {
    type State = bool;
    type Action = ();

    fn init_states(&self) -> Vec<bool> {
        vec![true]
    }

    fn actions(&self, _: &bool, actions: &mut Vec<()>) {
        actions.push(());
    }

    fn next_state(&self, light: &bool, (): ()) -> Option<bool> {
        Some(*light)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::eventually("goes out", |_, light| !light)]
    }
}

#[test]
fn what_happens_eventually_is_judged_like_the_other_properties() {
    is_as_on_one_machine(&Exact::new(Light));
    let light = Exact::new(Light);
    let shared = DistributedSearch::new(&light, Placement::Threads(2));
    let outcome = shared.run().unwrap().outcome;
    let Some(Verdict::Never(lasso)) = outcome.verdict("goes out") else {
        panic!("it stays on");
    };
    assert_eq!((lasso.stem.len(), lasso.cycle.len()), (0, 1));
}
