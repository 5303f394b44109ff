//! A search that did not see everything never claims that something holds.

mod systems;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use glock_engine::{Claim, DEADLOCK, Limits, Outcome, Search, Unfinished, Verdict};
use systems::graph::Graph;
use systems::plane::plane;
use systems::two_phase_commit::TwoPhaseCommit;

/// What was found stays found, and nothing else is known.
fn assert_unfinished<C>(outcome: &Outcome<(u32, u32), bool, C>, why: Unfinished) {
    assert_eq!(outcome.unfinished, Some(why));
    assert!(!outcome.exhaustive());
    for name in ["true", "never", DEADLOCK] {
        assert_eq!(
            outcome.verdict(name),
            Some(&Verdict::Unknown(why)),
            "{name}"
        );
    }
    let verdict = outcome.verdict("not (1, 1)").unwrap();
    assert_eq!(verdict.path().map(|path| path.len()), Some(2));
    assert!(verdict.is_bad());
}

#[test]
fn a_limit_on_states_ends_in_unknown() {
    for threads in [1, 2] {
        let limits = Limits {
            states: Some(10_000),
            ..Limits::default()
        };
        let plane = plane();
        let search = Search::new(&plane).limits(limits).threads(threads);
        let outcome = search.run().unwrap();
        assert_unfinished(&outcome, Unfinished::States);
        assert_eq!(outcome.stats.states, 10_000);
        assert_eq!(outcome.stats.levels.iter().sum::<usize>(), 10_000);
    }
}

#[test]
fn a_limit_on_depth_ends_in_unknown() {
    let limits = Limits {
        depth: Some(20),
        ..Limits::default()
    };
    let outcome = Search::new(&plane()).limits(limits).run().unwrap();
    assert_unfinished(&outcome, Unfinished::Depth);
    assert_eq!(outcome.stats.depth, 20);
    assert_eq!(outcome.stats.states, 21 * 22 / 2);
}

#[test]
fn a_limit_on_time_ends_in_unknown_even_with_one_thread() {
    for threads in [1, 2] {
        let limits = Limits {
            time: Some(Duration::from_millis(50)),
            ..Limits::default()
        };
        let started = Instant::now();
        let plane = plane();
        let search = Search::new(&plane).limits(limits).threads(threads);
        let outcome = search.run().unwrap();
        assert_unfinished(&outcome, Unfinished::Time);
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_limit_on_memory_ends_in_unknown_and_is_used_and_kept_within_a_tenth() {
    for (threads, megabytes) in [(1, 2), (1, 30), (2, 30)] {
        let limit = megabytes << 20;
        let limits = Limits {
            memory_bytes: Some(limit),
            ..Limits::default()
        };
        let plane = plane();
        let search = Search::new(&plane).limits(limits).threads(threads);
        let outcome = search.run().unwrap();
        assert_unfinished(&outcome, Unfinished::Memory);
        let used = outcome.stats.peak_bytes;
        assert!(used <= limit + limit / 10, "{used} of {limit}");
        assert!(used >= limit / 2, "{used} of {limit}");
    }
}

#[test]
fn a_cancelled_search_ends_in_unknown() {
    let cancel = AtomicBool::new(false);
    let plane = plane();
    let outcome = Search::new(&plane)
        .cancel(&cancel)
        .progress(Duration::ZERO, |progress| {
            if progress.depth > 20 {
                cancel.store(true, Ordering::Relaxed);
            }
        })
        .run()
        .unwrap();
    assert_unfinished(&outcome, Unfinished::Cancelled);
    assert_eq!(outcome.stats.depth, 22);
}

#[test]
fn a_claim_is_given_up_while_it_is_being_decided() {
    let cancel = AtomicBool::new(false);
    let system = TwoPhaseCommit(7);
    let outcome = Search::new(&system)
        .cancel(&cancel)
        .claim(Claim::can_reach("patient", |_| true))
        .claim(Claim::can_reach("cancelled half-way", |_| {
            cancel.store(true, Ordering::Relaxed);
            true
        }))
        .claim(Claim::can_reach("too late", |_| true))
        .run()
        .unwrap();
    assert!(outcome.exhaustive());
    assert_eq!(outcome.verdict("patient"), Some(&Verdict::Holds));
    for name in ["cancelled half-way", "too late"] {
        let unknown = Verdict::Unknown(Unfinished::Cancelled);
        assert_eq!(outcome.verdict(name), Some(&unknown), "{name}");
    }
}

#[test]
fn a_limit_that_is_just_not_reached_does_not_count() {
    let graph = Graph::paths(&[&[0, 1, 2]]).finished(&[2]);
    let limits = Limits {
        states: Some(3),
        depth: Some(3),
        ..Limits::default()
    };
    let outcome = Search::new(&graph).limits(limits).run().unwrap();
    assert!(outcome.exhaustive());
    let limits = Limits {
        states: Some(2),
        ..limits
    };
    let outcome = Search::new(&graph).limits(limits).run().unwrap();
    assert_eq!(outcome.unfinished, Some(Unfinished::States));
}

#[test]
fn a_limit_of_no_states_at_all_ends_in_unknown() {
    let limits = Limits {
        states: Some(0),
        ..Limits::default()
    };
    let graph = Graph::paths(&[&[0, 1]]);
    let outcome = Search::new(&graph).limits(limits).run().unwrap();
    assert_eq!(outcome.stats.states, 0);
    assert!(outcome.verdict("never 0").unwrap().is_unknown());
}

#[test]
fn states_at_the_limit_are_looked_at() {
    let graph = Graph::paths(&[&[0, 1, 2]]).label(0, &[1]);
    let limits = Limits {
        depth: Some(1),
        ..Limits::default()
    };
    let outcome = Search::new(&graph).limits(limits).run().unwrap();
    assert!(outcome.verdict("never 0").unwrap().is_bad());
    assert!(outcome.verdict(DEADLOCK).unwrap().is_unknown());
    let limits = Limits {
        states: Some(2),
        ..Limits::default()
    };
    let outcome = Search::new(&graph).limits(limits).run().unwrap();
    assert!(outcome.verdict("never 0").unwrap().is_bad());
}

#[test]
fn where_a_limit_on_states_cuts_does_not_depend_on_threads() {
    let system = TwoPhaseCommit(6);
    for states in [1, 2, 100, 1_000, 5_001, 40_000] {
        let run = |threads| {
            let limits = Limits {
                states: Some(states),
                ..Limits::default()
            };
            let search = Search::new(&system).limits(limits).threads(threads);
            let mut outcome = search.run().unwrap();
            outcome.stats.elapsed = Duration::ZERO;
            outcome.stats.elapsed_claims = Duration::ZERO;
            outcome.stats.peak_bytes = 0;
            outcome
        };
        let (alone, together) = (run(1), run(2));
        assert_eq!(alone.stats, together.stats);
        assert_eq!(alone.properties, together.properties);
        assert_eq!(alone.stats.states, states);
    }
}

#[test]
fn progress_counts_up_and_knows_the_queue() {
    let system = TwoPhaseCommit(5);
    let mut seen = Vec::new();
    let outcome = Search::new(&system)
        .progress(Duration::ZERO, |progress| seen.push(progress.clone()))
        .run()
        .unwrap();
    assert!(seen.windows(2).all(|pair| pair[0].states <= pair[1].states));
    let last = seen.last().unwrap();
    assert_eq!(
        (last.states, last.edges, last.depth, last.queue),
        (
            outcome.stats.states,
            outcome.stats.edges,
            outcome.stats.depth,
            0
        )
    );
}

#[test]
fn a_search_cancelled_when_there_is_nothing_left_to_do_is_complete() {
    let cancel = AtomicBool::new(false);
    let system = TwoPhaseCommit(4);
    let outcome = Search::new(&system)
        .cancel(&cancel)
        .progress(Duration::ZERO, |progress| {
            cancel.store(progress.queue == 0, Ordering::Relaxed);
        })
        .run()
        .unwrap();
    assert!(cancel.load(Ordering::Relaxed));
    assert!(outcome.exhaustive());
}
