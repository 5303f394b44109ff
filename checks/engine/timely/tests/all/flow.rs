//! How much is under way between workers when one of them lags behind.

use std::cell::Cell;
use std::time::Duration;

use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::PackedModel;
use glock_engine_timely::{DistributedSearch, Placement, Shared};
use stateright::Model;

/// Eighteen switches, each of which can be put on. The second worker sleeps at the first state of
/// every level, in which time the first one is done with its own.
struct Switches;

const SWITCHES: u32 = 18;

thread_local! {
    static LEVEL: Cell<u32> = const { Cell::new(0) };
}

impl Model for Switches {
    type State = u32;
    type Action = u32;

    fn init_states(&self) -> Vec<u32> {
        vec![0]
    }

    fn actions(&self, on: &u32, actions: &mut Vec<u32>) {
        let lags = std::thread::current().name() == Some("worker 1");
        if lags && LEVEL.replace(on.count_ones()) != on.count_ones() {
            std::thread::sleep(Duration::from_millis(50));
        }
        actions.extend((0..SWITCHES).filter(|switch| on >> switch & 1 == 0));
    }

    fn next_state(&self, on: &u32, switch: u32) -> Option<u32> {
        Some(on | 1 << switch)
    }
}

impl PackedModel for Switches {
    type Coverage = ();

    fn words(&self) -> usize {
        1
    }

    fn pack(&self, on: &u32, out: &mut [u64]) {
        out[0] = u64::from(*on);
    }

    fn unpack(&self, words: &[u64]) -> u32 {
        words[0] as u32
    }

    fn is_finished(&self, on: &u32) -> bool {
        on.count_ones() == SWITCHES
    }
}

fn with_window(bytes: usize) -> Shared<Switches> {
    let shared = DistributedSearch::new(&Switches, Placement::Threads(2));
    let shared = shared.window(bytes).run().unwrap();
    assert_eq!(shared.outcome.stats.states, 1 << SWITCHES);
    shared
}

/// A state takes 8 bytes on its way. A letter that is sent when the window is nearly full, and what
/// else there is to send then, come on top of it: the successors of 256 states at most.
#[test]
fn what_is_under_way_to_a_worker_that_lags_is_bounded() {
    let (window, at_once) = (32 << 10, 256 * SWITCHES as usize * 8 + (16 << 10));
    let bounded = with_window(window).under_way_bytes;
    assert!(bounded <= window + at_once, "{} states", bounded / 8);
    // Or the second worker does not lag, and nothing was shown.
    let unbounded = with_window(usize::MAX).under_way_bytes;
    assert!(
        unbounded > 2 * (window + at_once),
        "{} states",
        unbounded / 8
    );
}

#[test]
fn workers_that_wait_for_one_another_come_to_an_end() {
    for workers in [2, 4] {
        let system = TwoPhaseCommit(6);
        let shared = DistributedSearch::new(&system, Placement::Threads(workers));
        let shared = shared.window(0).run().unwrap();
        assert_eq!(shared.outcome.stats.states, 50_816);
    }
}
