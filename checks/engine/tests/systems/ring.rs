//! One cycle.

use glock_engine::PackedModel;
use stateright::Model;

/// So many states, each with a step to the next one.
pub struct Ring(pub u32);

impl Model for Ring {
    type State = u32;
    type Action = ();

    fn init_states(&self) -> Vec<u32> {
        vec![0]
    }

    fn actions(&self, _: &u32, actions: &mut Vec<()>) {
        actions.push(());
    }

    fn next_state(&self, at: &u32, (): ()) -> Option<u32> {
        Some((at + 1) % self.0)
    }
}

impl PackedModel for Ring {
    type Coverage = ();

    fn words(&self) -> usize {
        1
    }

    fn pack(&self, at: &u32, out: &mut [u64]) {
        out[0] = u64::from(*at);
    }

    fn unpack(&self, words: &[u64]) -> u32 {
        words[0] as u32
    }

    fn is_finished(&self, _: &u32) -> bool {
        false
    }
}
