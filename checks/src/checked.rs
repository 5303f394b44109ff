//! The cluster as the engine wants it.

use crate::coverage::Coverage;
use glock_engine::PackedModel;
use glock_model::cluster::{Action, Cluster, State};
use glock_model::property;
use stateright::{Model, Property};

/// A cluster with its packed states and its coverage: what [`glock_engine::Search`] explores.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a>(pub &'a Cluster);

impl Model for Checked<'_> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.0.initial_states()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.0.next_state(state, action)
    }

    /// Names and order are those of [`glock_model::property::Property::SAFETY`]. The engine asks
    /// [`PackedModel::violated`] instead of these conditions.
    fn properties(&self) -> Vec<Property<Self>> {
        property::Property::SAFETY
            .iter()
            .zip(conditions())
            .map(|(property, condition)| Property {
                expectation: stateright::Expectation::Always,
                name: property.name(),
                condition,
            })
            .collect()
    }
}

type Condition<'a> = fn(&Checked<'a>, &State) -> bool;

/// One predicate per property; stateright wants plain functions, so they cannot be closures over
/// the property.
fn conditions<'a>() -> [Condition<'a>; property::Property::SAFETY.len()] {
    fn holds<'a, const P: usize>() -> Condition<'a> {
        |checked, state| property::Property::SAFETY[P].holds(checked.0, state) != Some(false)
    }
    [
        holds::<0>(),
        holds::<1>(),
        holds::<2>(),
        holds::<3>(),
        holds::<4>(),
        holds::<5>(),
        holds::<6>(),
        holds::<7>(),
        holds::<8>(),
        holds::<9>(),
    ]
}

impl PackedModel for Checked<'_> {
    type Coverage = Coverage;

    fn words(&self) -> usize {
        self.0.words()
    }

    fn pack(&self, state: &State, out: &mut [u64]) {
        self.0.pack(state, out);
    }

    fn repack(&self, state: &State, action: &Action, next: &State, out: &mut [u64]) {
        self.0.repack(state, *action, next, out);
    }

    fn unpack(&self, words: &[u64]) -> State {
        self.0.unpack(words)
    }

    fn symmetric(&self) -> bool {
        self.0.packs_by_representative()
    }

    fn successors(
        &self,
        state: &State,
        coverage: &mut Coverage,
        visit: &mut impl FnMut(Action, &State),
    ) {
        let recorder = coverage.recorder();
        self.0
            .successors(state, &mut &recorder, &mut |action, next| {
                recorder.taken(self.0, action, next);
                visit(action, next);
            });
        coverage.keep(recorder);
    }

    fn record(&self, state: &State, action: &Action, next: &State, coverage: &mut Coverage) {
        let recorder = coverage.recorder();
        self.0.step(state, *action, &mut &recorder);
        recorder.taken(self.0, *action, next);
        coverage.keep(recorder);
    }

    /// Where only the budget of expiring hold times is used up, nobody is deadlocked; a cycle of
    /// waits is seen there as everywhere.
    fn is_finished(&self, state: &State) -> bool {
        self.0.is_finished(state) || self.0.is_out_of_time(state)
    }

    fn violated(&self, state: &State, _: &[Property<Self>]) -> u64 {
        property::violated(self.0, state)
    }

    /// After a kernel BUG nothing moves any more: that is a crash, not a deadlock.
    fn stop_at(&self, state: &State) -> bool {
        self.0.is_down(state)
    }
}
