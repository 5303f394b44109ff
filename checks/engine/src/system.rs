//! The narrow interface between what is explored and how: all the search knows of a system.
//!
//! The idea is LTSmin's (PINS): models of every kind meet every algorithm in one next-state
//! interface.

use std::borrow::Cow;

use stateright::{Model, Property};

use crate::model::{Merge, PackedModel};
use crate::store::{PackedBatch, PackedStore, Store, hash_words};

/// The state type of a system.
pub type StateOf<S> = <<S as System>::Model as Model>::State;

/// The action type of a system.
pub type ActionOf<S> = <<S as System>::Model as Model>::Action;

/// The candidate batch of a system's store.
pub(crate) type BatchOf<S> = <<S as System>::Store as Store>::Batch;

/// A state that is stored under this number.
pub struct Stored<'a, S: System> {
    /// What it is stored in.
    pub store: &'a S::Store,
    /// Its number there.
    pub index: u32,
    /// The state itself.
    pub state: &'a StateOf<S>,
}

/// A stateright model together with a way to store its states.
///
/// Implemented for every [`PackedModel`] and for [`Exact`](crate::Exact); there is hardly a reason
/// to implement it directly.
pub trait System: Sync {
    /// The model.
    type Model: Model<State: Clone, Action: Clone>;
    /// What is merged over the run.
    type Coverage: Default + Clone + Send + Sync + Merge;
    /// How its states are kept.
    type Store: Store;

    /// Whether every state stored can be had back. If not, nothing can be said about runs.
    const KEEPS_STATES: bool = true;

    /// The model, for its initial states, properties and boundary.
    fn model(&self) -> &Self::Model;

    /// An empty store.
    fn new_store(&self) -> Self::Store;

    /// Hands the stored state with this number to `use_it`.
    fn with_state<R>(
        &self,
        store: &Self::Store,
        index: u32,
        use_it: impl FnOnce(&StateOf<Self>) -> R,
    ) -> R;

    /// Adds a state to a batch of candidates for this store and returns its hash.
    fn encode(
        &self,
        batch: &mut <Self::Store as Store>::Batch,
        store: &Self::Store,
        state: Cow<'_, StateOf<Self>>,
    ) -> u32;

    /// Adds the successors of a state, which is stored under this number, to a batch of candidates for
    /// the store, in the order of [`steps`](Self::steps). Each is told to `visit` as soon as it is
    /// there, with what `label` makes of the action and with its hash. One outside of the model's
    /// boundary is told of without a hash, and not added.
    fn expand_into<L>(
        &self,
        batch: &mut <Self::Store as Store>::Batch,
        at: Stored<'_, Self>,
        coverage: &mut Self::Coverage,
        label: impl Fn(&dyn Fn() -> ActionOf<Self>) -> L,
        visit: &mut impl FnMut(&mut <Self::Store as Store>::Batch, L, Option<u32>),
    ) where
        Self: Sized,
    {
        let Stored { store, state, .. } = at;
        let label = |action: &ActionOf<Self>| label(&|| action.clone());
        self.expand(state, coverage, label, &mut |label, next| {
            let inside = self.model().within_boundary(&next);
            let hash = inside.then(|| self.encode(batch, store, next));
            visit(batch, label, hash);
        });
    }

    /// Visits the successors of a state, each with what `label` makes of the action, in the order of
    /// [`steps`](Self::steps).
    fn expand<L>(
        &self,
        state: &StateOf<Self>,
        coverage: &mut Self::Coverage,
        label: impl Fn(&ActionOf<Self>) -> L,
        visit: &mut impl FnMut(L, Cow<'_, StateOf<Self>>),
    );

    /// Adds what one step records in `coverage`.
    fn record(
        &self,
        state: &StateOf<Self>,
        action: &ActionOf<Self>,
        next: &StateOf<Self>,
        coverage: &mut Self::Coverage,
    );

    /// Every enabled action with its successor.
    fn steps(&self, state: &StateOf<Self>) -> Vec<(ActionOf<Self>, StateOf<Self>)>;

    /// Bit `i`: the `i`-th of these `always` properties is violated. What is said of those whose bit in
    /// `asked` is not set has no meaning.
    fn violated(&self, state: &StateOf<Self>, always: &[Property<Self::Model>], asked: u64) -> u64;

    /// Bit `i`: the state is an example for the `i`-th of these `sometimes` properties. What is said of
    /// those whose bit in `asked` is not set has no meaning.
    fn reached(
        &self,
        state: &StateOf<Self>,
        sometimes: &[Property<Self::Model>],
        asked: u64,
    ) -> u64;

    /// Whether a state without successors is a deadlock, or `None` if the system cannot tell.
    fn deadlocked(&self, state: &StateOf<Self>) -> Option<bool>;

    /// Whether [`deadlocked`](Self::deadlocked) can tell.
    fn knows_deadlock(&self) -> bool;

    /// Whether not to go beyond a state.
    fn stop_at(&self, state: &StateOf<Self>) -> bool;

    /// Whether states that a symmetry exchanges are stored as one; see
    /// [`PackedModel::symmetric`].
    fn symmetric(&self) -> bool {
        false
    }

    /// Memory that the model has come to need, in bytes; see [`PackedModel::bytes`].
    fn bytes(&self) -> usize {
        0
    }
}

impl<M: PackedModel> System for M {
    type Model = M;
    type Coverage = M::Coverage;
    type Store = PackedStore;

    fn model(&self) -> &M {
        self
    }

    fn new_store(&self) -> PackedStore {
        PackedStore::new(self.words())
    }

    #[inline]
    fn with_state<R>(
        &self,
        store: &PackedStore,
        index: u32,
        use_it: impl FnOnce(&M::State) -> R,
    ) -> R {
        use_it(&self.unpack(store.words(index)))
    }

    #[inline]
    fn encode(
        &self,
        batch: &mut PackedBatch,
        _store: &PackedStore,
        state: Cow<'_, M::State>,
    ) -> u32 {
        PackedStore::push(batch, self.words(), |out| self.pack(&state, out))
    }

    #[inline]
    fn expand_into<L>(
        &self,
        batch: &mut PackedBatch,
        Stored {
            store,
            index,
            state,
        }: Stored<'_, M>,
        coverage: &mut M::Coverage,
        label: impl Fn(&dyn Fn() -> M::Action) -> L,
        visit: &mut impl FnMut(&mut PackedBatch, L, Option<u32>),
    ) {
        batch.depart(store.words(index));
        self.successors(state, coverage, &mut |action, next: &M::State| {
            let label = label(&|| action.clone());
            let hash = self
                .within_boundary(next)
                .then(|| hash_words(batch.push_next(|out| self.repack(state, &action, next, out))));
            visit(batch, label, hash);
        });
    }

    #[inline]
    fn expand<L>(
        &self,
        state: &M::State,
        coverage: &mut M::Coverage,
        label: impl Fn(&M::Action) -> L,
        visit: &mut impl FnMut(L, Cow<'_, M::State>),
    ) {
        self.successors(state, coverage, &mut |action, next: &M::State| {
            visit(label(&action), Cow::Borrowed(next))
        });
    }

    fn record(
        &self,
        state: &M::State,
        action: &M::Action,
        next: &M::State,
        coverage: &mut M::Coverage,
    ) {
        PackedModel::record(self, state, action, next, coverage);
    }

    fn steps(&self, state: &M::State) -> Vec<(M::Action, M::State)> {
        let mut steps = Vec::new();
        let mut coverage = M::Coverage::default();
        self.successors(state, &mut coverage, &mut |action, next: &M::State| {
            steps.push((action, next.clone()))
        });
        steps
    }

    #[inline]
    fn violated(&self, state: &M::State, always: &[Property<M>], _asked: u64) -> u64 {
        PackedModel::violated(self, state, always)
    }

    #[inline]
    fn reached(&self, state: &M::State, sometimes: &[Property<M>], _asked: u64) -> u64 {
        PackedModel::reached(self, state, sometimes)
    }

    #[inline]
    fn deadlocked(&self, state: &M::State) -> Option<bool> {
        Some(!self.is_finished(state))
    }

    fn knows_deadlock(&self) -> bool {
        true
    }

    #[inline]
    fn stop_at(&self, state: &M::State) -> bool {
        PackedModel::stop_at(self, state)
    }

    fn symmetric(&self) -> bool {
        PackedModel::symmetric(self)
    }

    fn bytes(&self) -> usize {
        PackedModel::bytes(self)
    }
}
