//! stateright's own examples, to be run by its checkers and by the engine.
//!
//! Each module is the text of an example, taken from stateright's package by the build script, and
//! below it a function that builds the model with the parameters that the example's own command
//! line offers.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use glock_engine::{ActorStore, Bounds, Exact, Keeps};
use stateright::actor::{Actor, ActorModel, ActorModelState};
use stateright::{Expectation, Model, Property};

/// What stateright's checkers and the engine both can run.
pub trait Example:
    Model<
        State: Clone + Debug + Hash + PartialEq + Send + Sync,
        Action: Clone + Debug + PartialEq + Send + Sync,
    > + Send
    + Sync
    + 'static
{
}

impl<M> Example for M where
    M: Model<
            State: Clone + Debug + Hash + PartialEq + Send + Sync,
            Action: Clone + Debug + PartialEq + Send + Sync,
        > + Send
        + Sync
        + 'static
{
}

/// An actor system, which can be searched by the parts of its states.
pub trait ActorExample: Example {
    /// What keeps them.
    type Parts: Keeps<Self>;

    /// For the engine, by the parts of the states.
    fn in_parts(self) -> Exact<Self, Self::Parts>;
}

impl<A, C, H> ActorExample for ActorModel<A, C, H>
where
    Self: Example + Model<State = ActorModelState<A, H>>,
    A: Actor<Msg: Ord, Timer: Ord>,
    H: Clone + Debug + Hash + PartialEq + Send + Sync,
    ActorModelState<A, H>: PartialEq + Send + Sync,
    ActorStore<A, C, H>: Keeps<Self, How = Bounds>,
{
    type Parts = ActorStore<A, C, H>;

    fn in_parts(self) -> Exact<Self, Self::Parts> {
        Exact::new(self).in_parts()
    }
}

fn hash_of<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A model whose states are hashed and compared in another way.
#[derive(Clone)]
struct Rehashed<M: Model> {
    model: M,
    hash: fn(&M::State) -> u64,
    equal: fn(&M::State, &M::State) -> bool,
}

/// A state of a [`Rehashed`] model.
struct RehashedState<M: Model> {
    state: M::State,
    hash: u64,
    equal: fn(&M::State, &M::State) -> bool,
}

impl<M: Model> Rehashed<M> {
    fn state(&self, state: M::State) -> RehashedState<M> {
        RehashedState {
            hash: (self.hash)(&state),
            state,
            equal: self.equal,
        }
    }
}

impl<M: Example> Clone for RehashedState<M> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            ..*self
        }
    }
}

impl<M: Example> Debug for RehashedState<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.state.fmt(f)
    }
}

impl<M: Model> Hash for RehashedState<M> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.hash.hash(hasher);
    }
}

impl<M: Model> PartialEq for RehashedState<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.equal)(&self.state, &other.state)
    }
}

impl<M: Example> Model for Rehashed<M> {
    type State = RehashedState<M>;
    type Action = M::Action;

    fn init_states(&self) -> Vec<Self::State> {
        let states = self.model.init_states().into_iter();
        states.map(|state| self.state(state)).collect()
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<M::Action>) {
        self.model.actions(&state.state, actions);
    }

    fn next_state(&self, state: &Self::State, action: M::Action) -> Option<Self::State> {
        let next = self.model.next_state(&state.state, action)?;
        Some(self.state(next))
    }

    /// One that holds, so that stateright's checkers search on.
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property {
            expectation: Expectation::Always,
            name: "searched to the end",
            condition: |_, _| true,
        }]
    }
}

/// The example's text, in which much is for other uses than ours.
macro_rules! example {
    ($(#[$doc:meta])* $module:ident, $file:literal, $($ours:item)*) => {
        $(#[$doc])*
        #[allow(warnings, clippy::all)]
        pub mod $module {
            include!(concat!(env!("OUT_DIR"), "/", $file, ".rs"));
            $($ours)*
        }
    };
}

example! {
    /// Abstract two-phase commit; not an actor system.
    two_phase_commit, "2pc",
    /// With so many resource managers.
    pub fn model(managers: usize) -> impl crate::Example {
        TwoPhaseSys { rms: 0..managers }
    }
}

example! {
    /// Single-decree Paxos.
    paxos, "paxos",
    /// With so many clients, each of which puts and then gets, and three servers.
    pub fn model(
        client_count: usize,
    ) -> impl crate::ActorExample {
        PaxosModelCfg {
            client_count,
            server_count: 3,
            network: Network::new_unordered_nonduplicating([]),
        }
        .into_model()
    }
}

example! {
    /// A register of which each server has a copy of its own.
    single_copy_register, "single-copy-register",
    /// With so many clients, each of which puts and then gets, and so many servers.
    pub fn model(
        client_count: usize,
        server_count: usize,
    ) -> impl crate::ActorExample {
        SingleCopyModelCfg {
            client_count,
            server_count,
            network: Network::new_unordered_nonduplicating([]),
        }
        .into_model()
    }
}

example! {
    /// The register of Attiya, Bar-Noy and Dolev.
    linearizable_register, "linearizable-register",
    /// With so many clients, each of which puts and then gets, and so many servers; with messages
    /// that overtake each other or not.
    pub fn model(
        client_count: usize,
        server_count: usize,
        ordered: bool,
    ) -> impl crate::ActorExample {
        AbdModelCfg {
            client_count,
            server_count,
            network: match ordered {
                true => Network::new_ordered([]),
                false => Network::new_unordered_nonduplicating([]),
            },
        }
        .into_model()
    }
}

example! {
    /// Raft, whose terms are not bounded.
    ///
    /// Different states of it have equal hashes, for two reasons: `Hash` for its `NodeState` leaves
    /// out the fields `delivered_messages` and `buffer`, which `==` compares; and stateright's sets
    /// hash their items without their number, so that of two actors' timers one does not see whose
    /// they are. stateright takes states with equal hashes for equal, and does not see what follows
    /// only from those it took for others.
    raft, "raft",
    /// With so many servers.
    pub fn model(server_count: usize) -> impl crate::ActorExample {
        actors(server_count)
    }

    fn actors(server_count: usize) -> ActorModel<RaftActor, RaftModelCfg> {
        RaftModelCfg {
            server_count,
            network: Network::new_unordered_nonduplicating([]),
        }
        .into_model()
    }

    /// The same with states that hash all that they compare.
    pub fn wholly_hashed(server_count: usize) -> impl crate::Example {
        crate::Rehashed {
            model: actors(server_count),
            hash: |state| {
                let nodes = state.actor_states.iter();
                let omitted: Vec<_> = nodes
                    .map(|node| (&node.delivered_messages, &node.buffer))
                    .collect();
                let timers = state.timers_set.iter();
                let lengths: Vec<_> = timers.map(|set| set.iter().count()).collect();
                crate::hash_of(&(state, omitted, lengths))
            },
            equal: |one, other| one == other,
        }
    }

    /// The same with states that are equal if their hashes are.
    pub fn compared_by_hash(server_count: usize) -> impl crate::Example {
        crate::Rehashed {
            model: actors(server_count),
            hash: crate::hash_of,
            equal: |one, other| crate::hash_of(one) == crate::hash_of(other),
        }
    }
}
