//! Abstract two-phase commit, packed: how fast the search is, and how many bytes a state takes.
//!
//! `cargo bench -p glock-engine` prints a table for 3 to 9 resource managers;
//! `cargo bench -p glock-engine -- 10` adds the 61.5 million states of 10, which take 1.1 GB, and
//! the word `packed` leaves out the others.

#[path = "../tests/systems/mod.rs"]
mod systems;

use std::time::Duration;

use std::time::Instant;

use glock_engine::{Claim, Exact, Fairness, OutcomeOf, PackedModel, Search, System};
use stateright::{Checker, Model};
use systems::two_phase_commit::TwoPhaseCommit;

/// Resource managers and states, as published for the TLA+ and stateright versions.
const KNOWN: [(u32, usize); 6] = [
    (3, 288),
    (5, 8_832),
    (7, 296_448),
    (8, 1_745_408),
    (9, 10_340_352),
    (10, 61_515_776),
];

fn main() {
    let largest = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(9);
    println!(
        "managers  store   threads      states        edges  seconds  states/s   edges/s  B/state"
    );
    for (managers, states) in KNOWN {
        if managers > largest {
            break;
        }
        let packed = TwoPhaseCommit(managers);
        measure(&packed, managers, "packed", states);
        if managers < 9 && std::env::args().all(|argument| argument != "packed") {
            measure(&Exact::new(packed), managers, "exact", states);
            measure_stateright(packed, managers, states);
            measure_claims(&packed, managers);
        }
    }
}

/// stateright's own depth-first search, which is the faster of its two.
fn measure_stateright(system: TwoPhaseCommit, managers: u32, states: usize) {
    let started = Instant::now();
    let checker = system.checker().spawn_dfs().join();
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(checker.unique_state_count(), states);
    let edges = checker.state_count() - 1;
    println!(
        "{managers:8}  theirs        1  {states:10}  {edges:11}  {seconds:7.3}  {:8.2e}  {:8.2e}",
        states as f64 / seconds,
        edges as f64 / seconds,
    );
}

/// That all finish if all keep moving, and that they can: what it costs on top of the search.
fn measure_claims(system: &TwoPhaseCommit, managers: u32) {
    let finished = |state: &_| system.is_finished(state);
    let outcome = Search::new(system)
        .groups(|action| Some(action.process()))
        .claim(Claim::can_reach("can finish", finished))
        .claim(Claim::eventually("finishes", finished).under(Fairness::Weak))
        .run()
        .expect("the model is sound");
    assert!(
        outcome
            .properties
            .iter()
            .all(|judged| judged.verdict.is_good())
    );
    let stats = &outcome.stats;
    let safety = Search::new(system).run().expect("the model is sound").stats;
    println!(
        "{managers:8}  claims        1  {:10}  {:11}  {:7.3}  {:.1} times the search, {:.1} B/edge",
        stats.states,
        stats.edges,
        stats.elapsed_claims.as_secs_f64(),
        stats.elapsed_claims.as_secs_f64() / stats.elapsed.as_secs_f64(),
        (stats.peak_bytes - safety.peak_bytes) as f64 / stats.edges as f64,
    );
}

fn measure<S: System>(system: &S, managers: u32, store: &str, states: usize) {
    for threads in [1, 2] {
        let best = (0..if states > 1_000_000 { 2 } else { 5 })
            .map(|_| Search::new(system).threads(threads).run())
            .map(|outcome| outcome.expect("the model is sound"))
            .min_by_key(|outcome| outcome.stats.elapsed)
            .expect("there is at least one run");
        assert_eq!(best.stats.states, states);
        report::<S>(managers, store, threads, &best);
    }
}

fn report<S: System>(managers: u32, store: &str, threads: usize, outcome: &OutcomeOf<S>) {
    let stats = &outcome.stats;
    let seconds = stats.elapsed.max(Duration::from_nanos(1)).as_secs_f64();
    println!(
        "{managers:8}  {store:6}  {threads:7}  {:10}  {:11}  {seconds:7.3}  {:8.2e}  {:8.2e}  {:7.1}",
        stats.states,
        stats.edges,
        stats.states as f64 / seconds,
        stats.edges as f64 / seconds,
        stats.bytes_per_state(),
    );
}
