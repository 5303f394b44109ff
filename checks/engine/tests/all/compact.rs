//! A search that keeps fingerprints finds what an exact one finds, and says how sure that is.

use crate::systems::graph::Graph;
use crate::systems::padded::Padded;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{Claim, Compact, Error, Search};
use proptest::prelude::*;

#[test]
fn counts_verdicts_and_counterexamples_are_those_of_the_exact_search() {
    let system = TwoPhaseCommit(6);
    for (seed, threads) in [(0, 1), (1, 2)] {
        let exact = Search::new(&system).run().unwrap();
        let compact = Compact::new(&system, seed);
        let compact = Search::new(&compact).threads(threads).run().unwrap();
        assert_eq!(compact.properties, exact.properties);
        assert_eq!(compact.stats.levels, exact.stats.levels);
        assert_eq!(compact.stats.edges, exact.stats.edges);
        assert_eq!(exact.omission, 0.0);
        let states = exact.stats.states as f64;
        assert_eq!(
            compact.omission,
            states * (states - 1.0) / 2.0 / 2f64.powi(64)
        );
    }
}

proptest! {
    #[test]
    fn and_so_they_are_on_any_graph(
        edges in prop::collection::vec((0..8_u8, 0..8_u8), 0..20),
        labels in any::<[u8; 4]>(),
        finished in any::<u8>(),
        seed in any::<u64>(),
    ) {
        let graph = Graph {
            initial: vec![0],
            edges,
            labels: labels.map(u64::from),
            finished: u64::from(finished),
            ..Graph::default()
        };
        let exact = Search::new(&graph).run().unwrap();
        let compact = Search::new(&Compact::new(&graph, seed)).run().unwrap();
        prop_assert_eq!(compact.properties, exact.properties);
        prop_assert_eq!(compact.stats.edges, exact.stats.edges);
        prop_assert_eq!(compact.coverage, exact.coverage);
    }
}

#[test]
fn a_wide_state_costs_no_more_than_a_narrow_one() {
    let system = TwoPhaseCommit(7);
    let run = |words| Search::new(&Compact::new(&Padded(system, words), 3)).run();
    let (narrow, wide) = (run(1).unwrap(), run(20).unwrap());
    assert_eq!(narrow.stats.states, 296_448);
    assert_eq!(wide.stats.states, 296_448);
    // Fingerprint, predecessor and table; the rest are states that wait, and buffers.
    let (narrow, wide) = (narrow.stats.bytes_per_state(), wide.stats.bytes_per_state());
    assert!(wide < 60.0, "{wide} bytes a state");
    assert!(narrow < 30.0, "{narrow} bytes a state");
}

#[test]
fn claims_about_runs_are_refused() {
    let system = TwoPhaseCommit(3);
    let compact = Compact::new(&system, 0);
    let search = Search::new(&compact).claim(Claim::can_reach("ends", |_| true));
    assert_eq!(
        search.run().unwrap_err(),
        Error::StatesNotKept { claim: "ends" }
    );
}
