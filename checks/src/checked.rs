//! The cluster as the engine wants it.

use crate::coverage::{Coverage, Recorder};
use glock_engine::PackedModel;
use glock_model::cluster::{Action, Cluster, Collapsed, Joint, Listener, State};
use glock_model::event::NoSink;
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

    fn properties(&self) -> Vec<Property<Self>> {
        safety()
    }
}

impl Safety for Checked<'_> {
    fn keeps(&self, property: property::Property, state: &State) -> bool {
        property.holds(self.0, state) != Some(false)
    }
}

/// A model that can say of a state whether it keeps to a property of safety.
trait Safety: Model {
    fn keeps(&self, property: property::Property, state: &Self::State) -> bool;
}

/// [`glock_model::property::Property::SAFETY`] in stateright's form, by name and in order. The engine
/// asks [`PackedModel::violated`] instead of these conditions.
fn safety<M: Safety>() -> Vec<Property<M>> {
    /// stateright wants plain functions, so they cannot be closures over the property.
    fn holds<M: Safety, const P: usize>(model: &M, state: &M::State) -> bool {
        model.keeps(property::Property::SAFETY[P], state)
    }
    type Condition<M> = fn(&M, &<M as Model>::State) -> bool;
    let conditions: [Condition<M>; property::Property::SAFETY.len()] = [
        holds::<M, 0>,
        holds::<M, 1>,
        holds::<M, 2>,
        holds::<M, 3>,
        holds::<M, 4>,
        holds::<M, 5>,
        holds::<M, 6>,
        holds::<M, 7>,
        holds::<M, 8>,
        holds::<M, 9>,
    ];
    property::Property::SAFETY
        .iter()
        .zip(conditions)
        .map(|(property, condition)| Property {
            expectation: stateright::Expectation::Always,
            name: property.name(),
            condition,
        })
        .collect()
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

/// A cluster whose states are [`Joint`]s, with its coverage: the same as [`Checked`] and the faster
/// the more states there are.
#[derive(Clone, Copy)]
pub struct CheckedJoint<'a>(pub &'a Collapsed<'a>);

impl Model for CheckedJoint<'_> {
    type State = Joint;
    type Action = Action;

    fn init_states(&self) -> Vec<Joint> {
        self.0.initial_states()
    }

    fn actions(&self, joint: &Joint, actions: &mut Vec<Action>) {
        self.0
            .successors(*joint, &mut NoSink, &mut |action, _| actions.push(action));
    }

    fn next_state(&self, joint: &Joint, wanted: Action) -> Option<Joint> {
        let mut found = None;
        self.0.successors(*joint, &mut NoSink, &mut |action, next| {
            if action == wanted {
                found = Some(next);
            }
        });
        found
    }

    fn properties(&self) -> Vec<Property<Self>> {
        safety()
    }
}

impl Safety for CheckedJoint<'_> {
    fn keeps(&self, property: property::Property, joint: &Joint) -> bool {
        self.0.violated(*joint) & property.bit() == 0
    }
}

impl PackedModel for CheckedJoint<'_> {
    type Coverage = Coverage;

    fn words(&self) -> usize {
        self.0.words()
    }

    #[inline]
    fn pack(&self, joint: &Joint, out: &mut [u64]) {
        self.0.pack(*joint, out);
    }

    #[inline]
    fn unpack(&self, words: &[u64]) -> Joint {
        self.0.unpack(words)
    }

    #[inline]
    fn successors(
        &self,
        joint: &Joint,
        coverage: &mut Coverage,
        visit: &mut impl FnMut(Action, &Joint),
    ) {
        let mut hears = Hears {
            cluster: self.0.cluster(),
            coverage,
            recorder: None,
        };
        self.0
            .successors(*joint, &mut hears, &mut |action, next| visit(action, &next));
    }

    fn is_finished(&self, joint: &Joint) -> bool {
        self.0.is_finished(*joint) || self.0.is_out_of_time(*joint)
    }

    #[inline]
    fn violated(&self, joint: &Joint, _: &[Property<Self>]) -> u64 {
        self.0.violated(*joint)
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Nor is there a point in going on when there is no room for the numbers.
    #[inline]
    fn stop_at(&self, joint: &Joint) -> bool {
        self.0.is_down(*joint) || self.0.is_full()
    }
}

/// Records what there is to hear. Most of the time there is nothing.
struct Hears<'a> {
    cluster: &'a Cluster,
    coverage: &'a mut Coverage,
    recorder: Option<Recorder>,
}

impl Listener for Hears<'_> {
    type Sink = Recorder;

    fn sink(&mut self) -> &mut Recorder {
        self.recorder
            .get_or_insert_with(|| self.coverage.recorder())
    }

    fn taken(&mut self, action: Action, next: &State) {
        let cluster = self.cluster;
        self.sink().taken(cluster, action, next);
    }
}

impl Drop for Hears<'_> {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            self.coverage.keep(recorder);
        }
    }
}
