//! What a search found, and what it may claim.

use std::fmt;
use std::time::Duration;

use stateright::Expectation;

/// The name under which the built-in check for deadlocks reports: a state without successors that is
/// not finished.
pub const DEADLOCK: &str = "deadlock";

/// A run: an initial state and the steps from there, each an action and the state it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path<T, A> {
    /// The state it starts from.
    pub initial: T,
    /// The steps, in order.
    pub steps: Vec<(A, T)>,
}

impl<T, A> Path<T, A> {
    /// The number of steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it is an initial state and nothing more.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The state it ends in.
    pub fn last(&self) -> &T {
        self.steps.last().map_or(&self.initial, |(_, state)| state)
    }

    /// Its states, from the initial one to the last.
    pub fn states(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.initial).chain(self.steps.iter().map(|(_, state)| state))
    }

    /// Its actions, in order.
    pub fn actions(&self) -> impl Iterator<Item = &A> {
        self.steps.iter().map(|(action, _)| action)
    }
}

/// Why a run ended before it knew everything, or why it could not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unfinished {
    /// [`Limits::states`](crate::Limits::states) was reached.
    States,
    /// [`Limits::memory_bytes`](crate::Limits::memory_bytes) was reached.
    Memory,
    /// [`Limits::time`](crate::Limits::time) was over.
    Time,
    /// [`Limits::depth`](crate::Limits::depth) was reached with states left to expand.
    Depth,
    /// Somebody set the flag given to [`Search::cancel`](crate::Search::cancel).
    Cancelled,
    /// What [`Search::stop_when`](crate::Search::stop_when) asked for was found.
    Stopped,
    /// More states than the engine can number, `2^31 - 2`.
    Numbers,
    /// An `eventually` property, which a search for reachable states cannot decide.
    Liveness,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::States => "the limit on states was reached",
            Self::Memory => "the limit on memory was reached",
            Self::Time => "the limit on time was reached",
            Self::Depth => "the limit on depth was reached",
            Self::Cancelled => "the search was cancelled",
            Self::Stopped => "the search stopped at what it was to find",
            Self::Numbers => "there are more than 2^31 - 2 states",
            Self::Liveness => "a search for reachable states does not decide it",
        })
    }
}

/// What is known of one property.
///
/// `Holds` and `Nowhere` are claims about all reachable states and are made only after every one of
/// them has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<T, A> {
    /// An `always` property is true in every reachable state; no reachable state is a deadlock.
    Holds,
    /// A shortest run to a state that violates an `always` property, or to a deadlock.
    Violated(Path<T, A>),
    /// A shortest run to an example for a `sometimes` property.
    Found(Path<T, A>),
    /// No reachable state is an example for a `sometimes` property.
    Nowhere,
    /// Neither is known.
    Unknown(Unfinished),
}

impl<T, A> Verdict<T, A> {
    /// Whether the property is known to be as the model expects it.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Holds | Self::Found(_))
    }

    /// Whether the property is known not to be as the model expects it.
    pub fn is_bad(&self) -> bool {
        matches!(self, Self::Violated(_) | Self::Nowhere)
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// The counterexample or example, if there is one.
    pub fn path(&self) -> Option<&Path<T, A>> {
        match self {
            Self::Violated(path) | Self::Found(path) => Some(path),
            _ => None,
        }
    }
}

/// A property and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged<T, A> {
    /// The property's name, or [`DEADLOCK`].
    pub name: &'static str,
    /// What the model expects; [`Expectation::Always`] for [`DEADLOCK`], which is expected never.
    pub expectation: Expectation,
    /// What is known.
    pub verdict: Verdict<T, A>,
}

/// Counts of a search. Unless it stopped for time, memory or a cancellation they do not depend on
/// the number of threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Different states found.
    pub states: usize,
    /// Transitions seen, with self-loops and with those to states already known.
    pub edges: u64,
    /// Transitions out of the model's boundary, which are not followed and not in `edges`.
    pub outside: u64,
    /// Steps from the initial states to the farthest state found.
    pub depth: usize,
    /// States by their distance from the initial states; `levels[0]` counts the initial states.
    pub levels: Vec<usize>,
    /// States without any successor.
    pub terminal: usize,
    /// Those of `terminal` that are finished; 0 if the system cannot tell.
    pub finished: usize,
    /// States beyond which the model wished not to go.
    pub stopped: usize,
    /// The most memory in use for states, table and buffers, in bytes.
    pub peak_bytes: usize,
    /// Wall-clock time.
    pub elapsed: Duration,
}

impl Stats {
    /// `peak_bytes` per state, everything counted.
    pub fn bytes_per_state(&self) -> f64 {
        self.peak_bytes as f64 / self.states.max(1) as f64
    }
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome<T, A, C> {
    /// The model's properties in their order, then [`DEADLOCK`] if it was looked for.
    pub properties: Vec<Judged<T, A>>,
    /// Counts.
    pub stats: Stats,
    /// What the steps recorded, merged.
    pub coverage: C,
    /// Why the search did not look at every reachable state, or `None` if it did.
    pub unfinished: Option<Unfinished>,
}

impl<T, A, C> Outcome<T, A, C> {
    /// Whether every reachable state was looked at.
    pub fn exhaustive(&self) -> bool {
        self.unfinished.is_none()
    }

    /// What is known of the property with this name, the first of several; `None` if there is no
    /// such property.
    pub fn verdict(&self, name: &str) -> Option<&Verdict<T, A>> {
        self.properties
            .iter()
            .find(|judged| judged.name == name)
            .map(|judged| &judged.verdict)
    }
}

/// Why there is no outcome at all. Every one of these is a fault of the model or of the caller, or a
/// bug of the engine, never a property of the system that the model describes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The model has no initial state inside its boundary, so that every claim would be empty.
    #[error("the model has no initial state inside its boundary: there is nothing to check")]
    NoInitialState,
    /// More than 64 properties of one kind.
    #[error("the model has {0} properties of one kind; at most 64 are supported")]
    TooManyProperties(usize),
    /// A name given to [`Search::stop_when`](crate::Search::stop_when) is not a property's.
    #[error("there is no property {name:?}; there are: {}", known.join(", "))]
    UnknownProperty {
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        reason: String,
    },
    /// A run that the search found cannot be repeated.
    #[error(
        "the run found for {property:?} cannot be repeated from its step {step} on. Most likely \
         the model is not deterministic (the same state gives other successors, or in another \
         order), or its packing is not canonical (equal states with different words)"
    )]
    Replay {
        /// The property.
        property: &'static str,
        /// The first step that cannot be repeated; 0 is the choice of the initial state.
        step: usize,
    },
}
