//! That something can still be reached from everywhere, decided by workers together.

use crate::same::same;
use crate::systems::graph::{Graph, has};
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{Claim, Limits, PackedModel, Search, Unfinished, Verdict};
use glock_engine_timely::{DistributedSearch, Placement};
use proptest::prelude::*;

fn is_as_on_one_machine(graph: &Graph) {
    let goal = |node: &u8| has(graph.labels[3], *node);
    let alone = Search::new(graph).claim(Claim::can_reach("goal", goal));
    let alone = alone.run().unwrap();
    for workers in [1, 2, 4] {
        let shared = DistributedSearch::new(graph, Placement::Threads(workers));
        let shared = shared.claim(Claim::can_reach("goal", goal)).run().unwrap();
        assert_eq!(same(&shared.outcome), same(&alone), "{workers} workers");
    }
}

#[test]
fn a_trap_is_found_and_counted() {
    let graph = Graph::paths(&[&[0, 1, 2, 0], &[0, 1, 3, 4, 5, 3]]).label(3, &[2]);
    let goal = |node: &u8| *node == 2;
    let shared = DistributedSearch::new(&graph, Placement::Threads(2));
    let shared = shared.claim(Claim::can_reach("goal", goal)).run().unwrap();
    let Some(Verdict::Trapped(trap)) = shared.outcome.verdict("goal") else {
        panic!("there is no way out of 3, 4 and 5");
    };
    assert_eq!((trap.states, trap.path.last()), (3, &3));
    is_as_on_one_machine(&graph);
}

#[test]
fn everybody_can_finish_a_two_phase_commit() {
    let system = TwoPhaseCommit(6);
    let finished = |state: &_| system.is_finished(state);
    for workers in [1, 2, 3] {
        let shared = DistributedSearch::new(&system, Placement::Threads(workers));
        let shared = shared.claim(Claim::can_reach("finish", finished));
        let outcome = shared.run().unwrap().outcome;
        assert_eq!(outcome.verdict("finish"), Some(&Verdict::Holds));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_graph_has_the_traps_that_one_machine_finds(
        initial in prop::collection::vec(0..40_u8, 1..3),
        edges in prop::collection::vec((0..40_u8, 0..40_u8), 0..100),
        bits in any::<[u64; 4]>(),
    ) {
        is_as_on_one_machine(&Graph {
            initial,
            edges,
            labels: [0, 0, 0, bits[0] & bits[1] & bits[2]],
            finished: bits[3],
            stop: bits[0] & bits[1] & bits[3] & !bits[2],
            ..Graph::default()
        });
    }
}

#[test]
fn steps_that_there_is_no_memory_for_leave_it_unknown() {
    let system = TwoPhaseCommit(6);
    let finished = |state: &_| system.is_finished(state);
    let shared = DistributedSearch::new(&system, Placement::Threads(2));
    let limits = Limits {
        memory_bytes: Some(4 << 20),
        ..Limits::default()
    };
    let shared = shared
        .limits(limits)
        .claim(Claim::can_reach("finish", finished));
    let outcome = shared.run().unwrap().outcome;
    assert_eq!(outcome.verdict("consistent"), Some(&Verdict::Holds));
    let unknown = Verdict::Unknown(Unfinished::Memory);
    assert_eq!(outcome.verdict("finish"), Some(&unknown));
}
