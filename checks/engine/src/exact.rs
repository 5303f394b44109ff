//! Any stateright model, its states kept whole.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use stateright::actor::{Actor, ActorModel, ActorModelState};
use stateright::{Model, Property};

use crate::actors::{ActorStore, Bounds};
use crate::hashed::HashedStore;
use crate::model::mask_of;
use crate::store::{ACTIONS, ExactStore, Keeps};
use crate::system::{Stored, System};

/// Runs any stateright [`Model`] unchanged.
///
/// States are stored as they are and compared with `==`, so that, unlike in stateright, two states
/// whose hashes collide stay two states. `PartialEq` is enough, as stateright's own types do not all
/// have `Eq`; a state that does not equal itself would be found anew for ever.
///
/// The memory that a state owns outside of itself (the items of a `Vec`, say) only the allocator
/// knows. For such states the growth of the process's resident memory since the start of the search
/// is what is counted, in the statistics and against
/// [`Limits::memory_bytes`](crate::Limits::memory_bytes), with whatever else the process does
/// meanwhile; where the system does not tell it, such memory is not counted.
///
/// A stateright model does not say which of its states are finished, so deadlocks are looked for
/// only after [`finished`](Self::finished) has told.
///
/// ```
/// use glock_engine::{Exact, Search};
/// use stateright::{Model, Property};
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct Coins(Vec<bool>);
///
/// struct Flip(usize);
///
/// impl Model for Flip {
///     type State = Coins;
///     type Action = usize;
///     fn init_states(&self) -> Vec<Coins> {
///         vec![Coins(vec![false; self.0])]
///     }
///     fn actions(&self, _: &Coins, actions: &mut Vec<usize>) {
///         actions.extend(0..self.0);
///     }
///     fn next_state(&self, coins: &Coins, i: usize) -> Option<Coins> {
///         let mut next = coins.clone();
///         next.0[i] = !next.0[i];
///         Some(next)
///     }
///     fn properties(&self) -> Vec<Property<Self>> {
///         vec![Property::sometimes("all heads", |_, s: &Coins| s.0.iter().all(|x| *x))]
///     }
/// }
///
/// let outcome = Search::new(&Exact::new(Flip(4))).run().unwrap();
/// assert_eq!(outcome.stats.states, 16);
/// assert_eq!(outcome.stats.edges, 64);
/// assert_eq!(outcome.verdict("all heads").unwrap().path().unwrap().len(), 4);
/// ```
pub struct Exact<M: Model, K: Keeps<M> = ExactStore<<M as Model>::State>> {
    model: Arc<M>,
    finished: Option<fn(&M, &M::State) -> bool>,
    how: K::How,
}

impl<M: Model<State: Hash + PartialEq + Send + Sync>> Exact<M> {
    /// Wraps a model; deadlocks are not looked for.
    pub fn new(model: M) -> Self {
        Self {
            model: Arc::new(model),
            finished: None,
            how: (),
        }
    }

    /// Of states that were expanded, keeps only a fingerprint of 64 bits, as stateright does. No longer
    /// exact: [`Outcome::omission`](crate::Outcome::omission) says how likely it is that a state was
    /// taken for another and lost, see [`Compact`](crate::Compact); claims about runs are refused.
    ///
    /// The fingerprint is that of the state's own [`Hash`](std::hash::Hash). States that differ and
    /// feed the same to it are the same state to this search. Where two such states meet before they
    /// are expanded it is noticed, and the probability said to be 1.
    ///
    /// ```
    /// # use stateright::Model;
    /// # struct Count;
    /// # impl Model for Count {
    /// #     type State = u64;
    /// #     type Action = ();
    /// #     fn init_states(&self) -> Vec<u64> { vec![0] }
    /// #     fn actions(&self, _: &u64, actions: &mut Vec<()>) { actions.push(()); }
    /// #     fn next_state(&self, state: &u64, (): ()) -> Option<u64> { Some((state + 1) % 1000) }
    /// # }
    /// use glock_engine::{Exact, Search};
    ///
    /// let outcome = Search::new(&Exact::new(Count).hashed(1)).run().unwrap();
    /// assert_eq!(outcome.stats.states, 1000);
    /// assert!(outcome.omission > 0.0 && outcome.omission < 1e-13);
    /// ```
    #[must_use]
    pub fn hashed(self, seed: u64) -> Exact<M, HashedStore<M::State>> {
        Exact {
            model: self.model,
            finished: self.finished,
            how: seed,
        }
    }
}

impl<A, C, H> Exact<ActorModel<A, C, H>>
where
    A: Actor<Msg: Ord, Timer: Ord>,
    H: Clone + Debug + Hash,
    ExactStore<ActorModelState<A, H>>: Keeps<ActorModel<A, C, H>, How = ()>,
    ActorStore<A, C, H>: Keeps<ActorModel<A, C, H>, How = Bounds>,
{
    /// For an actor system, keeps what each actor has, the messages and the history apart, each
    /// different one once, and works out once what an actor makes of a message: as exact as before, in a
    /// small part of the memory and of the time.
    ///
    /// Of the model are used its actors, which may look at nothing but what they are called with, its
    /// network, its functions that record history, and its boundary. A step is what
    /// [`ActorModel::next_state`](Model::next_state) makes of it, and every run that is reported is run
    /// by that.
    #[must_use]
    pub fn in_parts(self) -> Exact<ActorModel<A, C, H>, ActorStore<A, C, H>> {
        let model = Arc::into_inner(self.model).expect("nobody else has it yet");
        let (model, bounds) = Bounds::of(model);
        Exact {
            model: Arc::new(model),
            finished: self.finished,
            how: bounds,
        }
    }
}

impl<M: Model, K: Keeps<M>> Exact<M, K> {
    /// Looks for deadlocks: states without successors that are not finished.
    #[must_use]
    pub fn finished(self, finished: fn(&M, &M::State) -> bool) -> Self {
        Self {
            finished: Some(finished),
            ..self
        }
    }

    /// The wrapped model.
    pub fn model(&self) -> &M {
        &self.model
    }
}

impl<M, K> System for Exact<M, K>
where
    M: Model<State: Clone, Action: Clone> + Send + Sync,
    K: Keeps<M>,
{
    type Model = M;
    type Coverage = ();
    type Store = K;

    const KEEPS_STATES: bool = K::KEEPS_STATES;

    fn model(&self) -> &M {
        &self.model
    }

    fn new_store(&self) -> K {
        K::of(&self.model, &self.how)
    }

    #[inline]
    fn with_state<R>(&self, store: &K, index: u32, use_it: impl FnOnce(&M::State) -> R) -> R {
        store.with(index, use_it)
    }

    #[inline]
    fn encode(&self, batch: &mut K::Batch, store: &K, state: Cow<'_, M::State>) -> u32 {
        store.push(batch, state.into_owned())
    }

    #[inline]
    fn expand_into<L>(
        &self,
        batch: &mut K::Batch,
        Stored {
            store,
            index,
            state,
        }: Stored<'_, Self>,
        (): &mut (),
        label: impl Fn(&dyn Fn() -> M::Action) -> L,
        visit: &mut impl FnMut(&mut K::Batch, L, Option<u32>),
    ) {
        store.expand_into(batch, (index, state), &self.model, label, visit);
    }

    fn expand<L>(
        &self,
        state: &M::State,
        _coverage: &mut (),
        label: impl Fn(&M::Action) -> L,
        visit: &mut impl FnMut(L, Cow<'_, M::State>),
    ) {
        let mut actions = Vec::with_capacity(ACTIONS);
        self.model.actions(state, &mut actions);
        for action in actions {
            let label = label(&action);
            if let Some(next) = self.model.next_state(state, action) {
                visit(label, Cow::Owned(next));
            }
        }
    }

    fn record(&self, _: &M::State, _: &M::Action, _: &M::State, (): &mut ()) {}

    fn steps(&self, state: &M::State) -> Vec<(M::Action, M::State)> {
        self.model.next_steps(state)
    }

    fn violated(&self, state: &M::State, always: &[Property<M>], asked: u64) -> u64 {
        mask_of(always, asked, |property| {
            !(property.condition)(&self.model, state)
        })
    }

    fn reached(&self, state: &M::State, sometimes: &[Property<M>], asked: u64) -> u64 {
        mask_of(sometimes, asked, |property| {
            (property.condition)(&self.model, state)
        })
    }

    fn deadlocked(&self, state: &M::State) -> Option<bool> {
        self.finished.map(|finished| !finished(&self.model, state))
    }

    fn knows_deadlock(&self) -> bool {
        self.finished.is_some()
    }

    fn stop_at(&self, _state: &M::State) -> bool {
        false
    }
}
