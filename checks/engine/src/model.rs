//! What a model offers to the engine beyond stateright's [`Model`]: a packed form of its states.

use stateright::{Model, Property};

/// Something collected over a whole search and merged from its parts: which lines of a program were
/// executed, which interesting events occurred. The order of merging must not matter, and merging a
/// part twice must be the same as merging it once (a set, a bit mask, a maximum).
pub trait Merge {
    /// Adds what `other` has seen.
    fn merge(&mut self, other: &Self);
}

impl Merge for () {
    fn merge(&mut self, _other: &Self) {}
}

impl Merge for u64 {
    /// A set of up to 64 events, one bit each.
    fn merge(&mut self, other: &Self) {
        *self |= other;
    }
}

/// A stateright model whose states pack into a fixed number of 64-bit words.
///
/// The packed words are all the engine stores of a state. Only [`words`](Self::words),
/// [`pack`](Self::pack), [`unpack`](Self::unpack) and [`is_finished`](Self::is_finished) are
/// required; the others have defaults that go through stateright's own methods and are worth
/// overriding in a model that is to be fast.
///
/// Any other stateright model runs through [`Exact`](crate::Exact).
///
/// # Example
///
/// A counter that may also stop at any time:
///
/// ```
/// use glock_engine::{PackedModel, Search, Verdict};
/// use stateright::{Model, Property};
///
/// struct Counter;
///
/// impl Model for Counter {
///     type State = u64;
///     type Action = &'static str;
///     fn init_states(&self) -> Vec<u64> {
///         vec![0]
///     }
///     fn actions(&self, _: &u64, actions: &mut Vec<&'static str>) {
///         actions.push("count");
///     }
///     fn next_state(&self, state: &u64, _: &'static str) -> Option<u64> {
///         (*state < 9).then_some(*state + 1)
///     }
///     fn properties(&self) -> Vec<Property<Self>> {
///         vec![Property::always("below 5", |_, state| *state < 5)]
///     }
/// }
///
/// impl PackedModel for Counter {
///     type Coverage = ();
///     fn words(&self) -> usize {
///         1
///     }
///     fn pack(&self, state: &u64, out: &mut [u64]) {
///         out[0] = *state;
///     }
///     fn unpack(&self, words: &[u64]) -> u64 {
///         words[0]
///     }
///     fn is_finished(&self, state: &u64) -> bool {
///         *state == 9
///     }
/// }
///
/// let outcome = Search::new(&Counter).run().unwrap();
/// assert_eq!(outcome.stats.states, 10);
/// assert!(outcome.exhaustive());
/// match outcome.verdict("below 5").unwrap() {
///     Verdict::Violated(path) => assert_eq!(path.len(), 5),
///     other => panic!("{other:?}"),
/// }
/// ```
pub trait PackedModel: Model<State: Clone, Action: Clone> + Sync {
    /// What is merged over the whole run; `()` if nothing.
    type Coverage: Default + Clone + Send + Sync + Merge;

    /// Length of a packed state in 64-bit words: at least 1, the same for every state of this model
    /// value.
    fn words(&self) -> usize;

    /// Writes the packed form of `state` to all of `out`, which is [`words`](Self::words) long and
    /// holds arbitrary values before.
    ///
    /// Canonical: two states are equal if and only if their words are. A model may go further and
    /// pack states that a symmetry of the model exchanges to the same words, provided that its
    /// transitions, its properties and [`is_finished`](Self::is_finished) respect that symmetry,
    /// and that it says so by [`symmetric`](Self::symmetric); counterexamples are then still real
    /// runs, as they are rebuilt from the initial state by [`successors`](Self::successors) and
    /// only compared by their words.
    fn pack(&self, state: &Self::State, out: &mut [u64]);

    /// As [`pack`](Self::pack), for the state `next` that `action` leads to from `state`, which is
    /// what [`unpack`](Self::unpack) makes of the words in `out`: much of them may stay.
    ///
    /// The default packs all of `next`.
    fn repack(
        &self,
        state: &Self::State,
        action: &Self::Action,
        next: &Self::State,
        out: &mut [u64],
    ) {
        let _ = (state, action);
        self.pack(next, out);
    }

    /// The state that packs to `words`; if the model is [`symmetric`](Self::symmetric), any of them.
    fn unpack(&self, words: &[u64]) -> Self::State;

    /// Whether different states may pack to the same words, because a symmetry of the model
    /// exchanges them.
    ///
    /// Of claims about runs only [`Claim::can_reach`](crate::Claim::can_reach) is then decided, for
    /// conditions that respect the symmetry, and the states of a trap are counted by their words.
    /// That the goal can be reached is so for all or none of the states with the same words, and a
    /// run through words can be followed by real states. Any other claim is about what each step is
    /// and where it really leads: a cycle of words need not be one of states, and who moves in it is
    /// not who moves in the run behind it. The engine refuses these with
    /// [`Error::Symmetric`](crate::Error::Symmetric).
    fn symmetric(&self) -> bool {
        false
    }

    /// Calls `visit` with every enabled action and its successor, always in the same order.
    /// Successors outside [`Model::within_boundary`] are dropped by the engine, not here.
    ///
    /// The default goes through [`Model::actions`] and [`Model::next_state`], hence allocates and
    /// records no coverage.
    fn successors(
        &self,
        state: &Self::State,
        coverage: &mut Self::Coverage,
        visit: &mut impl FnMut(Self::Action, &Self::State),
    ) {
        let _ = coverage;
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        for action in actions {
            if let Some(next) = self.next_state(state, action.clone()) {
                visit(action, &next);
            }
        }
    }

    /// Adds what one of the [`successors`](Self::successors) records in `coverage`: a
    /// [`Walk`](crate::Walk) takes one step out of a state and leaves the others.
    ///
    /// The default adds what all steps out of `state` record.
    fn record(
        &self,
        state: &Self::State,
        action: &Self::Action,
        next: &Self::State,
        coverage: &mut Self::Coverage,
    ) {
        let _ = (action, next);
        self.successors(state, coverage, &mut |_, _| {});
    }

    /// Whether everything that was to be done is done. A state without successors is a deadlock
    /// unless it is finished.
    fn is_finished(&self, state: &Self::State) -> bool;

    /// Bit `i` set: the `i`-th of `always`, the model's `always` properties in the order of
    /// [`Model::properties`], is violated in `state`.
    fn violated(&self, state: &Self::State, always: &[Property<Self>]) -> u64 {
        mask(always, |property| !(property.condition)(self, state))
    }

    /// Bit `i` set: `state` is an example for the `i`-th of `sometimes`, the model's `sometimes`
    /// properties in the order of [`Model::properties`].
    fn reached(&self, state: &Self::State, sometimes: &[Property<Self>]) -> u64 {
        mask(sometimes, |property| (property.condition)(self, state))
    }

    /// Memory that the model has come to need in this search, in bytes: for what it found out and keeps,
    /// so as not to work it out again. It counts for [`Limits::memory_bytes`](crate::Limits).
    fn bytes(&self) -> usize {
        0
    }

    /// Whether the search is not to go beyond `state`. Such a state is neither terminal nor a
    /// deadlock. What lies only behind it is not explored, so every verdict is about runs that end
    /// there, and claims do not judge runs that come there at all: for
    /// [`Claim::can_reach`](crate::Claim::can_reach) it counts as the goal.
    fn stop_at(&self, state: &Self::State) -> bool {
        let _ = state;
        false
    }
}

/// Bit `i` set: `test` is true for the `i`-th item.
pub(crate) fn mask<T>(items: &[T], test: impl Fn(&T) -> bool) -> u64 {
    mask_of(items, u64::MAX, test)
}

/// The same, asked only of the items whose bit is set in `asked`.
pub(crate) fn mask_of<T>(items: &[T], asked: u64, test: impl Fn(&T) -> bool) -> u64 {
    items.iter().enumerate().fold(0, |bits, (i, item)| {
        bits | (u64::from(asked >> i & 1 == 1 && test(item)) << i)
    })
}
