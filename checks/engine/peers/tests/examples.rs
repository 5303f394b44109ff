//! stateright's own examples run unchanged: the engine finds as many states as stateright and says
//! the same about their properties. The numbers are those of the examples' own tests.

use glock_engine::{Exact, Keeps, Limits, OutcomeOf, Search, System, Verdict};
use glock_engine_peers::{
    ActorExample, Example, linearizable_register, paxos, raft, single_copy_register,
    two_phase_commit,
};
use stateright::{Checker, Expectation, Model};

/// Both searches explored everything: compares what they found.
fn agrees_with_stateright<M: Example>(model: impl Fn() -> M, states: usize) {
    agrees_when_kept_so(&model, &Exact::new(model()), states);
    agrees_when_kept_so(&model, &Exact::new(model()).hashed(1), states);
}

/// The same, and with states kept in parts.
fn actors_agree_with_stateright<M: ActorExample>(model: impl Fn() -> M, states: usize) {
    agrees_with_stateright(&model, states);
    agrees_when_kept_so(&model, &model().in_parts(), states);
}

fn agrees_when_kept_so<M: Example, K: Keeps<M>>(
    model: impl Fn() -> M,
    ours: &Exact<M, K>,
    states: usize,
) {
    let theirs = model().checker().spawn_bfs().join();
    assert_eq!(theirs.unique_state_count(), states);
    for threads in [1, 2] {
        let ours = Search::new(ours).threads(threads).run().unwrap();
        assert_eq!(ours.stats.states, states);
        let steps = theirs.state_count() - ours.stats.levels[0];
        assert_eq!(ours.stats.edges, steps as u64);
        assert_eq!(ours.stats.depth + 1, theirs.max_depth());
        for judged in &ours.properties {
            let discovery = theirs.discovery(judged.name);
            let expected = match judged.expectation {
                Expectation::Always => discovery.is_none(),
                Expectation::Sometimes => discovery.is_some(),
                Expectation::Eventually => continue, // stateright's answer may be wrong.
            };
            assert_eq!(judged.verdict.is_good(), expected, "{}", judged.name);
            assert!(!judged.verdict.is_unknown());
        }
    }
}

#[test]
fn two_phase_commit() {
    agrees_with_stateright(|| two_phase_commit::model(3), 288);
    agrees_with_stateright(|| two_phase_commit::model(5), 8_832);
}

#[test]
fn paxos() {
    actors_agree_with_stateright(|| paxos::model(2), 16_668);
}

#[test]
fn single_copy_register() {
    actors_agree_with_stateright(|| single_copy_register::model(2, 1), 93);
}

/// stateright stops at 54 states, when it has found something for every property, and overwrites
/// what it found first.
#[test]
fn two_single_copies_are_not_linearizable() {
    let theirs = single_copy_register::model(2, 2)
        .checker()
        .spawn_bfs()
        .join();
    let theirs = theirs.discovery("linearizable").unwrap();
    let ours = Exact::new(single_copy_register::model(2, 2));
    let ours = Search::new(&ours).run().unwrap();
    let Some(Verdict::Violated(path)) = ours.verdict("linearizable") else {
        panic!("a client reads the other copy");
    };
    assert_eq!(path.len(), 4);
    assert!(theirs.into_actions().len() >= path.len());
}

#[test]
fn linearizable_register() {
    actors_agree_with_stateright(|| linearizable_register::model(2, 2, false), 544);
    let ordered = || linearizable_register::model(2, 2, true);
    let theirs = ordered().checker().spawn_dfs().join();
    actors_agree_with_stateright(ordered, theirs.unique_state_count());
}

const DEPTH: usize = 5;

fn states_stateright_finds(model: impl Example) -> usize {
    // stateright counts states on a path, not steps.
    let checker = model.checker().target_max_depth(DEPTH + 1);
    checker.spawn_bfs().join().unique_state_count()
}

fn states_we_find(model: impl Example) -> usize {
    states_found(&Exact::new(model))
}

fn states_found(system: &impl System) -> usize {
    to_a_bounded_depth(system).stats.states
}

fn to_a_bounded_depth<S: System>(system: &S) -> OutcomeOf<S> {
    let limits = Limits {
        depth: Some(DEPTH),
        ..Limits::default()
    };
    Search::new(system).limits(limits).run().unwrap()
}

/// Different states of this example have equal hashes, see [`raft`], and stateright takes them for
/// equal. With a hash of all there is it finds what we find; and we find what it finds if states with
/// equal hashes are equal.
#[test]
fn raft_to_a_bounded_depth() {
    let theirs = states_stateright_finds(raft::model(3));
    let ours = states_we_find(raft::model(3));
    assert!(theirs < ours);
    assert_eq!(states_found(&raft::model(3).in_parts()), ours);
    assert_eq!(states_stateright_finds(raft::wholly_hashed(3)), ours);
    assert_eq!(states_we_find(raft::wholly_hashed(3)), ours);
    assert_eq!(states_we_find(raft::compared_by_hash(3)), theirs);
    let hashed = to_a_bounded_depth(&Exact::new(raft::model(3)).hashed(1));
    assert_eq!(hashed.stats.states, theirs);
    assert_eq!(hashed.omission, 1.0, "it is noticed that states were lost");
}
