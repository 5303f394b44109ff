//! A model whose packed states are longer than they need be.

use glock_engine::PackedModel;
use stateright::{Model, Property};

/// States of one word, followed by words that follow from it.
pub struct Padded<M>(pub M, pub usize);

impl<M: Model> Model for Padded<M> {
    type State = M::State;
    type Action = M::Action;

    fn init_states(&self) -> Vec<M::State> {
        self.0.init_states()
    }

    fn actions(&self, state: &M::State, actions: &mut Vec<M::Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &M::State, action: M::Action) -> Option<M::State> {
        self.0.next_state(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        Vec::new()
    }
}

impl<M: PackedModel> PackedModel for Padded<M> {
    type Coverage = ();

    fn words(&self) -> usize {
        self.1
    }

    fn pack(&self, state: &M::State, out: &mut [u64]) {
        self.0.pack(state, &mut out[..1]);
        let word = out[0];
        out.fill(word);
    }

    fn unpack(&self, words: &[u64]) -> M::State {
        self.0.unpack(&words[..1])
    }

    fn is_finished(&self, state: &M::State) -> bool {
        self.0.is_finished(state)
    }
}
