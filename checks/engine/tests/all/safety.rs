//! Reachability on small named systems: verdicts, shortest runs, counts.

use crate::systems::graph::{Graph, set};
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{DEADLOCK, Error, Exact, PackedModel, Search, StopWhen, Unfinished, Verdict};
use stateright::{Model, Property};

/// 0 -> 1 -> 2 -> 3 -> 4 with a short cut from 0 to 3, and a branch that ends in 5.
fn ladder() -> Graph {
    Graph::paths(&[&[0, 1, 2, 3, 4], &[0, 3], &[0, 1, 5]]).finished(&[4])
}

fn states_of<T: Copy, A, C>(
    outcome: &glock_engine::Outcome<T, A, C>,
    name: &str,
) -> Option<Vec<T>> {
    let path = outcome.verdict(name)?.path()?;
    Some(path.states().copied().collect())
}

#[test]
fn counts_states_edges_levels_and_ends() {
    let outcome = Search::new(&ladder()).run().unwrap();
    assert_eq!(outcome.stats.states, 6);
    assert_eq!(outcome.stats.edges, 6);
    assert_eq!(outcome.stats.levels, [1, 2, 3]);
    assert_eq!(outcome.stats.depth, 2);
    assert_eq!(outcome.stats.terminal, 2);
    assert_eq!(outcome.stats.finished, 1);
    assert!(outcome.exhaustive());
    assert_eq!(outcome.coverage, set(&[0, 1, 2, 3, 4, 5]));
}

#[test]
fn counts_self_loops_and_parallel_edges_as_edges() {
    let mut graph = Graph::paths(&[&[0, 0], &[0, 1]]).finished(&[1]);
    graph.edges.push((0, 1));
    let outcome = Search::new(&graph).run().unwrap();
    assert_eq!((outcome.stats.states, outcome.stats.edges), (2, 3));
}

#[test]
fn every_property_gets_a_shortest_run_of_its_own() {
    let graph = ladder().label(0, &[2, 4]).label(1, &[5]).label(2, &[4]);
    let outcome = Search::new(&graph).run().unwrap();
    assert_eq!(states_of(&outcome, "never 0"), Some(vec![0, 1, 2]));
    assert_eq!(states_of(&outcome, "never 1"), Some(vec![0, 1, 5]));
    assert_eq!(states_of(&outcome, "sometimes 2"), Some(vec![0, 3, 4]));
    assert_eq!(outcome.verdict("sometimes 3"), Some(&Verdict::Nowhere));
    assert_eq!(states_of(&outcome, DEADLOCK), Some(vec![0, 1, 5]));
}

#[test]
fn a_property_that_is_never_violated_holds() {
    let graph = ladder().finished(&[4, 5]);
    let outcome = Search::new(&graph).run().unwrap();
    assert_eq!(outcome.verdict("never 0"), Some(&Verdict::Holds));
    assert_eq!(outcome.verdict(DEADLOCK), Some(&Verdict::Holds));
    assert_eq!(outcome.verdict("no such name"), None);
}

#[test]
fn an_initial_state_can_violate() {
    let graph = Graph::paths(&[&[3, 4], &[4]]).label(0, &[4]);
    let outcome = Search::new(&graph).run().unwrap();
    assert_eq!(states_of(&outcome, "never 0"), Some(vec![4]));
    assert_eq!(outcome.stats.depth, 0);
}

#[test]
fn a_self_loop_is_no_deadlock() {
    let outcome = Search::new(&Graph::paths(&[&[0, 1, 1]])).run().unwrap();
    assert_eq!(outcome.verdict(DEADLOCK), Some(&Verdict::Holds));
    assert_eq!(outcome.stats.terminal, 0);
}

#[test]
fn states_outside_the_boundary_are_not_entered_and_make_no_deadlock() {
    let mut graph = Graph::paths(&[&[0, 1, 2]]).label(0, &[2]);
    graph.outside = set(&[2]);
    let outcome = Search::new(&graph).run().unwrap();
    assert_eq!(outcome.verdict("never 0"), Some(&Verdict::Holds));
    assert_eq!(outcome.verdict(DEADLOCK), Some(&Verdict::Holds));
    assert_eq!((outcome.stats.edges, outcome.stats.outside), (1, 1));
}

#[test]
fn the_search_does_not_go_beyond_a_state_to_stop_at() {
    let mut graph = Graph::paths(&[&[0, 1, 2], &[0, 3]])
        .label(0, &[1])
        .finished(&[3]);
    graph.stop = set(&[1]);
    let outcome = Search::new(&graph).run().unwrap();
    assert_eq!(outcome.stats.states, 3);
    assert_eq!(outcome.stats.stopped, 1);
    assert!(outcome.verdict("never 0").unwrap().is_bad());
    assert_eq!(outcome.verdict(DEADLOCK), Some(&Verdict::Holds));
}

#[test]
fn exploration_goes_on_beyond_a_violation() {
    let graph = Graph::paths(&[&[0, 1, 2, 3]]).label(0, &[1]).label(1, &[3]);
    let outcome = Search::new(&graph).run().unwrap();
    assert_eq!(outcome.verdict("never 0").unwrap().path().unwrap().len(), 1);
    assert_eq!(outcome.verdict("never 1").unwrap().path().unwrap().len(), 3);
}

#[test]
fn stops_at_the_first_finding_asked_for_and_claims_nothing_else() {
    let graph = Graph::paths(&[&[0, 1, 2, 3, 4, 0]])
        .label(0, &[1])
        .label(1, &[3]);
    let run = |stop_when| Search::new(&graph).stop_when(stop_when).run().unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();

    let first = run(StopWhen::AnyFound(names(&["never 0", "never 1"])));
    assert_eq!(first.stats.depth, 2);
    assert!(first.verdict("never 0").unwrap().is_bad());
    let stopped = Some(&Verdict::Unknown(Unfinished::Stopped));
    assert_eq!(first.verdict("never 1"), stopped);
    assert_eq!(first.verdict(DEADLOCK), stopped);
    assert!(!first.exhaustive());

    let both = run(StopWhen::AllFound(names(&["never 0", "never 1"])));
    assert_eq!(both.stats.depth, 4);
    assert!(both.verdict("never 1").unwrap().is_bad());

    let neither = run(StopWhen::AllFound(names(&["never 0", DEADLOCK])));
    assert!(neither.exhaustive());
    assert_eq!(neither.verdict(DEADLOCK), Some(&Verdict::Holds));
}

#[test]
fn a_misspelt_property_is_an_error_that_names_the_others() {
    let stop_when = StopWhen::AnyFound(vec!["newer 0".to_owned()]);
    let error = Search::new(&ladder())
        .stop_when(stop_when)
        .run()
        .unwrap_err();
    insta::assert_snapshot!(error, @r#"there is no property "newer 0"; there are: never 0, sometimes 2, never 1, sometimes 3, deadlock"#);
}

#[test]
fn a_model_without_initial_states_is_an_error_and_not_a_success() {
    let mut graph = Graph::paths(&[&[0, 1]]);
    graph.outside = set(&[0]);
    assert_eq!(
        Search::new(&graph).run().unwrap_err(),
        Error::NoInitialState
    );
}

/// Gives other successors every time it is asked.
struct Moody(std::sync::atomic::AtomicU64);

impl Model for Moody {
    type State = u64;
    type Action = ();
    fn init_states(&self) -> Vec<u64> {
        vec![0]
    }
    fn actions(&self, _: &u64, actions: &mut Vec<()>) {
        actions.push(());
    }
    fn next_state(&self, state: &u64, (): ()) -> Option<u64> {
        let mood = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (*state < 1000).then_some(1000 + mood)
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("small", |_, state| *state < 1000)]
    }
}

#[test]
fn a_run_that_the_model_does_not_repeat_is_an_error() {
    let error = Search::new(&Exact::new(Moody(0.into()))).run().unwrap_err();
    assert_eq!(
        error,
        Error::Replay {
            property: "small",
            step: 1
        }
    );
}

/// A die, packed by the sum of itself and its mirror image: 1 and 6 are the same state.
struct Die;

impl Model for Die {
    type State = u8;
    type Action = u8;
    fn init_states(&self) -> Vec<u8> {
        vec![1]
    }
    fn actions(&self, _: &u8, actions: &mut Vec<u8>) {
        actions.extend(1..=6);
    }
    fn next_state(&self, side: &u8, next: u8) -> Option<u8> {
        (next != *side && next != 7 - *side).then_some(next)
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("not in the middle", |_, side| {
            !(3..=4).contains(side)
        })]
    }
}

impl PackedModel for Die {
    type Coverage = ();
    fn words(&self) -> usize {
        1
    }
    fn pack(&self, side: &u8, out: &mut [u64]) {
        out[0] = u64::from(*side.min(&(7 - side)));
    }
    fn unpack(&self, words: &[u64]) -> u8 {
        words[0] as u8
    }
    fn symmetric(&self) -> bool {
        true
    }
    fn is_finished(&self, _: &u8) -> bool {
        true
    }
}

#[test]
fn symmetrical_states_may_share_a_packed_form() {
    let outcome = Search::new(&Die).run().unwrap();
    assert_eq!(outcome.stats.states, 3);
    assert_eq!(states_of(&outcome, "not in the middle"), Some(vec![1, 3]));
}

#[test]
fn two_phase_commit_has_the_known_number_of_states() {
    for (managers, states, edges) in [(3, 288, 1_145), (5, 8_832, 58_145), (7, 296_448, 2_744_705)]
    {
        let system = TwoPhaseCommit(managers);
        let outcome = Search::new(&system).run().unwrap();
        assert_eq!(outcome.stats.states, states);
        assert_eq!(outcome.stats.edges, edges);
        assert_eq!(outcome.verdict("consistent"), Some(&Verdict::Holds));
        assert!(outcome.verdict("commit agreement").unwrap().is_good());
        // Prepare, receive, commit: three steps for each manager and one for the decision.
        let commit = outcome.verdict("commit agreement").unwrap();
        assert_eq!(commit.path().unwrap().len(), 3 * managers as usize + 1);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_result() {
    let system = TwoPhaseCommit(6);
    let alone = Search::new(&system).run().unwrap();
    for threads in [2, 3, 7] {
        let mut together = Search::new(&system).threads(threads).run().unwrap();
        together.stats.elapsed = alone.stats.elapsed;
        together.stats.elapsed_claims = alone.stats.elapsed_claims;
        together.stats.peak_bytes = alone.stats.peak_bytes;
        assert_eq!(together.stats, alone.stats);
        assert_eq!(together.properties, alone.properties);
    }
}

#[test]
fn an_exact_store_finds_what_a_packed_one_finds() {
    let system = TwoPhaseCommit(5);
    let exact = Exact::new(system).finished(|system, state| system.is_finished(state));
    let exact = Search::new(&exact).run().unwrap();
    let packed = Search::new(&system).run().unwrap();
    assert_eq!(exact.properties, packed.properties);
    assert_eq!(exact.stats.levels, packed.stats.levels);
    assert_eq!(exact.stats.edges, packed.stats.edges);
}
