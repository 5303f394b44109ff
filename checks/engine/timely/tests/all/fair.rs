//! What happens in every fair run, decided by workers together: what one machine says.

use crate::same::same;
use crate::systems::graph::{Graph, has};
use crate::systems::ring::Ring;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{Claim, Error, Fairness, Limits, PackedModel, Search, Unfinished, Verdict};
use glock_engine_timely::{DistributedSearch, Placement};
use proptest::prelude::*;

const WORKERS: [usize; 3] = [1, 2, 4];

/// All kinds of claims under one fairness, each twice: of frequent and of rare conditions.
fn claims(graph: &Graph, fairness: &Fairness) -> Vec<Claim<'static, u8>> {
    let [often, rarely] = [graph.labels[2], graph.labels[3]];
    let (is_often, is_rarely) = (
        move |node: &u8| has(often, *node),
        move |node: &u8| has(rarely, *node),
    );
    [
        Claim::eventually("eventually often", is_often),
        Claim::eventually("eventually rarely", is_rarely),
        Claim::infinitely_often("again often", is_often),
        Claim::infinitely_often("again rarely", is_rarely),
        Claim::leads_to("one to another", is_often, is_rarely),
        Claim::leads_to("another to one", is_rarely, is_often),
    ]
    .map(|claim| claim.under(fairness.clone()))
    .into()
}

fn is_as_on_one_machine(graph: &Graph, fairness: &Fairness) {
    let mut alone = Search::new(graph).groups(|&edge| graph.group_of(edge));
    for claim in claims(graph, fairness) {
        alone = alone.claim(claim);
    }
    let alone = alone.run().unwrap();
    let mut told = Vec::new();
    for workers in WORKERS {
        let mut shared = DistributedSearch::new(graph, Placement::Threads(workers))
            .groups(|&edge| graph.group_of(edge));
        for claim in claims(graph, fairness) {
            shared = shared.claim(claim);
        }
        let shared = shared.run().unwrap().outcome;
        assert_eq!(same(&shared), same(&alone), "{workers} workers");
        told.push(shared.properties);
    }
    assert_eq!(told[0], told[1], "the same counterexamples");
    assert_eq!(told[0], told[2], "the same counterexamples");
}

fn fairness() -> impl Strategy<Value = Fairness> {
    prop_oneof![
        Just(Fairness::Maximal),
        Just(Fairness::Weak),
        Just(Fairness::Strong),
        (0..8_u64, 0..8_u64).prop_map(|(weak, strong)| Fairness::Mixed { weak, strong }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Eight nodes have many cycles, forty a long way to them.
    #[test]
    fn any_graph_is_judged_as_on_one_machine(
        nodes in prop_oneof![Just(8_u8), Just(40)],
        initial in prop::collection::vec(any::<u8>(), 1..3),
        edges in prop::collection::vec((any::<u8>(), any::<u8>(), prop::option::of(0..3_usize)), 0..60),
        bits in any::<[u64; 4]>(),
        fairness in fairness(),
    ) {
        let graph = Graph {
            initial: initial.iter().map(|node| node % nodes).collect(),
            edges: edges.iter().map(|&(from, to, _)| (from % nodes, to % nodes)).collect(),
            groups: edges.iter().map(|&(_, _, group)| group).collect(),
            labels: [0, 0, bits[0] & bits[1], bits[0] & bits[2] & bits[3]],
            stop: bits[1] & bits[2] & bits[3],
            ..Graph::default()
        };
        is_as_on_one_machine(&graph, &fairness);
    }
}

/// Two states that lead to one another, and a way out that is open in one of them only.
fn door() -> Graph {
    Graph::paths(&[&[0, 1, 2, 1], &[0, 1, 2, 3]])
        .group(0, 1, 0)
        .group(1, 2, 0)
        .group(2, 1, 0)
        .group(2, 3, 1)
        .label(3, &[3])
}

#[test]
fn a_door_that_is_open_now_and_then_is_passed_if_strongly_fair() {
    let graph = door();
    let out = |node: &u8| *node == 3;
    for workers in WORKERS {
        let shared = DistributedSearch::new(&graph, Placement::Threads(workers))
            .groups(|&edge| graph.group_of(edge))
            .claim(Claim::eventually("weakly", out).under(Fairness::Weak))
            .claim(Claim::eventually("strongly", out).under(Fairness::Strong));
        let outcome = shared.run().unwrap().outcome;
        let Some(Verdict::Never(lasso)) = outcome.verdict("weakly") else {
            panic!("it goes between 1 and 2");
        };
        assert_eq!((lasso.stem.len(), lasso.cycle.len()), (1, 2));
        assert_eq!(outcome.verdict("strongly"), Some(&Verdict::Holds));
    }
}

/// A chain of unfair rounds before the fair one: taken out from both ends, so that one round is left.
#[test]
fn rounds_that_are_unfair_are_not_gathered() {
    let mut graph = Graph::default();
    graph.initial.push(0);
    for round in 0..15_u8 {
        let at = 2 * round;
        graph
            .edges
            .extend([(at, at + 1), (at + 1, at), (at, at + 2)]);
        // Who waits in the round would go on if it were fair.
        graph.groups.extend([Some(0), Some(0), Some(1)]);
    }
    graph.edges.extend([(30, 31), (31, 30)]);
    graph.groups.extend([Some(0), Some(0)]);
    is_as_on_one_machine(&graph, &Fairness::Strong);
    is_as_on_one_machine(&graph, &Fairness::Weak);
}

#[test]
fn everybody_decides_in_a_fair_two_phase_commit() {
    let system = TwoPhaseCommit(5);
    let finished = |state: &_| system.is_finished(state);
    for fairness in [Fairness::Maximal, Fairness::Weak] {
        let claim = || Claim::eventually("finishes", finished).under(fairness.clone());
        let alone = Search::new(&system).groups(|_| Some(0)).claim(claim());
        let alone = alone.run().unwrap();
        for workers in WORKERS {
            let shared = DistributedSearch::new(&system, Placement::Threads(workers))
                .groups(|_| Some(0))
                .claim(claim());
            let shared = shared.run().unwrap();
            assert_eq!(same(&shared.outcome), same(&alone), "{workers} workers");
        }
    }
}

#[test]
fn a_group_that_cannot_be_is_refused_by_all() {
    let mut graph = door();
    graph.groups[3] = Some(64);
    let shared = DistributedSearch::new(&graph, Placement::Threads(2))
        .groups(|&edge| graph.group_of(edge))
        .claim(Claim::eventually("out", |node| *node == 3));
    let why = shared.run().err().unwrap().to_string();
    assert_eq!(why, Error::Group(64).to_string());
}

/// A ring is one component, and one worker has to look at it.
#[test]
fn a_component_too_large_for_one_worker_leaves_it_unknown() {
    let ring = Ring(1 << 11);
    let with = |memory_bytes| {
        let limits = Limits {
            memory_bytes,
            ..Limits::default()
        };
        let claim = Claim::eventually("ends", |_: &u32| false);
        let shared = DistributedSearch::new(&ring, Placement::Threads(2));
        let outcome = shared.limits(limits).claim(claim).run().unwrap().outcome;
        assert!(outcome.exhaustive());
        outcome
    };
    let enough = with(None);
    let Some(Verdict::Never(lasso)) = enough.verdict("ends") else {
        panic!("it goes round");
    };
    assert_eq!((lasso.stem.len(), lasso.cycle.len()), (0, 1 << 11));
    // Enough for the steps, and not for all of them at one worker.
    let scarce = with(Some(enough.stats.peak_bytes + (240 << 10)));
    let too_large = Unfinished::Component { states: 1 << 11 };
    assert_eq!(scarce.verdict("ends"), Some(&Verdict::Unknown(too_large)));
    let said = too_large.to_string();
    assert!(said.contains("2048 states"), "{said}");
}
