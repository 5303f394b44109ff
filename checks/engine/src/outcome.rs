//! What a search found, and what it may claim.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stateright::Expectation;

use crate::system::{ActionOf, StateOf};

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

/// A run that goes on for ever: a way in, and what happens again and again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lasso<T, A> {
    /// From an initial state to the cycle.
    pub stem: Path<T, A>,
    /// From the last state of the stem back to it, at least one step; or no step at all, if the run
    /// stays in that state for ever because nothing more has to happen.
    pub cycle: Vec<(A, T)>,
}

impl<T, A> Lasso<T, A> {
    /// The states that the run visits again and again.
    pub fn visited_for_ever(&self) -> impl Iterator<Item = &T> {
        std::iter::once(self.stem.last()).chain(self.cycle.iter().map(|(_, state)| state))
    }
}

impl<T, A> Path<T, A> {
    /// The same run of states in another form.
    pub fn map_states<U>(self, mut form: impl FnMut(T) -> U) -> Path<U, A> {
        Path {
            initial: form(self.initial),
            steps: mapped(self.steps, form),
        }
    }
}

fn mapped<T, A, U>(steps: Vec<(A, T)>, mut form: impl FnMut(T) -> U) -> Vec<(A, U)> {
    let steps = steps.into_iter();
    steps.map(|(action, state)| (action, form(state))).collect()
}

/// A lasso of a system.
pub(crate) type LassoOf<S> = Lasso<StateOf<S>, ActionOf<S>>;

/// A way into a part of the system from which the goal cannot be reached any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trap<T, A> {
    /// A shortest run into it: its last state is the only one in the trap.
    pub path: Path<T, A>,
    /// How many of the reachable states are in it: from none of them can the goal be reached.
    pub states: usize,
}

/// A trap of a system.
pub(crate) type TrapOf<S> = Trap<StateOf<S>, ActionOf<S>>;

/// Why a run ended before it knew everything, or why it could not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Only a sample was looked at, as by [`Walk`](crate::Walk): all that was asked for, and never
    /// everything.
    Sampled,
    /// A process that shared the search was lost, or gave up.
    Lost {
        /// Its number, from 0.
        process: usize,
    },
    /// In so many states fair runs go on for ever, or lead to where they do; they were to be looked at
    /// by one worker, for a counterexample, and do not fit in its memory.
    Component {
        /// How many.
        states: usize,
    },
}

impl Unfinished {
    /// Whether somebody wished the search to end at once, rather than that there was no more room.
    pub fn is_wish(self) -> bool {
        matches!(self, Self::Time | Self::Cancelled | Self::Stopped)
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost { process } => return write!(f, "process {process} was lost"),
            Self::Component { states } => {
                return write!(
                    f,
                    "a counterexample in {states} states is too large for one worker's memory"
                );
            }
            Self::States => "the limit on states was reached",
            Self::Memory => "the limit on memory was reached",
            Self::Time => "the limit on time was reached",
            Self::Depth => "the limit on depth was reached",
            Self::Cancelled => "the search was cancelled",
            Self::Stopped => "the search stopped at what it was to find",
            Self::Numbers => "there are more than 2^31 - 2 states",
            Self::Sampled => "random walks do not look at everything",
        })
    }
}

/// What is known of one property.
///
/// `Holds` and `Nowhere` are claims about all reachable states and are made only after every one of
/// them has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<T, A> {
    /// An `always` property is true in every reachable state; no reachable state is a deadlock; no
    /// run contradicts a claim or an `eventually` property.
    Holds,
    /// A shortest run to a state that violates an `always` property, or to a deadlock; from a
    /// [`Walk`](crate::Walk) a short one.
    Violated(Path<T, A>),
    /// A shortest run to an example for a `sometimes` property; from a [`Walk`](crate::Walk) a
    /// short one.
    Found(Path<T, A>),
    /// No reachable state is an example for a `sometimes` property.
    Nowhere,
    /// A run, as the claim or `eventually` property is about, that never does what it should. Both
    /// stem and cycle are short, but there may be a shorter lasso.
    Never(Lasso<T, A>),
    /// From some reachable states the goal of a [`Claim::can_reach`](crate::Claim::can_reach) cannot
    /// be reached.
    Trapped(Trap<T, A>),
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
        matches!(
            self,
            Self::Violated(_) | Self::Nowhere | Self::Never(_) | Self::Trapped(_)
        )
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// The counterexample or example, if there is one; of a lasso the stem.
    pub fn path(&self) -> Option<&Path<T, A>> {
        match self {
            Self::Violated(path) | Self::Found(path) => Some(path),
            Self::Never(lasso) => Some(&lasso.stem),
            Self::Trapped(trap) => Some(&trap.path),
            Self::Holds | Self::Nowhere | Self::Unknown(_) => None,
        }
    }
}

impl<T, A> Verdict<T, A> {
    /// The same verdict, its states in another form.
    fn map_states<U>(self, mut form: impl FnMut(T) -> U) -> Verdict<U, A> {
        match self {
            Self::Holds => Verdict::Holds,
            Self::Nowhere => Verdict::Nowhere,
            Self::Unknown(why) => Verdict::Unknown(why),
            Self::Violated(path) => Verdict::Violated(path.map_states(form)),
            Self::Found(path) => Verdict::Found(path.map_states(form)),
            Self::Never(lasso) => Verdict::Never(Lasso {
                stem: lasso.stem.map_states(&mut form),
                cycle: mapped(lasso.cycle, form),
            }),
            Self::Trapped(trap) => Verdict::Trapped(Trap {
                path: trap.path.map_states(form),
                states: trap.states,
            }),
        }
    }
}

/// A property and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged<T, A> {
    /// The property's name, or [`DEADLOCK`].
    pub name: &'static str,
    /// What is expected: of [`DEADLOCK`], that it is always absent; of a claim, that it comes true
    /// eventually.
    pub expectation: Expectation,
    /// What is known.
    pub verdict: Verdict<T, A>,
}

/// Counts of a search. Unless it stopped for time, memory or a cancellation they do not depend on
/// the number of threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Wall-clock time of the search.
    pub elapsed: Duration,
    /// Wall-clock time spent on claims and `eventually` properties, after the search.
    pub elapsed_claims: Duration,
}

impl Stats {
    /// `peak_bytes` per state, everything counted.
    pub fn bytes_per_state(&self) -> f64 {
        self.peak_bytes as f64 / self.states.max(1) as f64
    }

    /// All but `levels`, which is empty.
    pub(crate) fn without_levels(&self) -> Self {
        Self {
            levels: Vec::new(),
            ..*self
        }
    }
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome<T, A, C> {
    /// The model's properties in their order, then [`DEADLOCK`] if it was looked for, then the
    /// claims.
    pub properties: Vec<Judged<T, A>>,
    /// Counts.
    pub stats: Stats,
    /// What the steps recorded, merged.
    pub coverage: C,
    /// Why the search did not look at every reachable state, or `None` if it did.
    pub unfinished: Option<Unfinished>,
    /// An upper bound of the probability that states were missed although the search is finished,
    /// because two had the same fingerprint: 0 unless the store is [`Compact`](crate::Compact).
    pub omission: f64,
    /// Why the last try to save the search did not succeed, if it did not; see
    /// [`Search::checkpoint`](crate::Search::checkpoint).
    pub unsaved: Option<Error>,
}

impl<T, A, C> Outcome<T, A, C> {
    /// Whether every reachable state was looked at. Claims may still be unknown, if memory or time
    /// was not enough for them.
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

impl<T, A, C> Outcome<T, A, C> {
    /// The same outcome, its states in another form: for a model that is explored in a form of its
    /// states that nobody wants to read. Different states must have different forms.
    pub fn map_states<U>(self, mut form: impl FnMut(T) -> U) -> Outcome<U, A, C> {
        let properties = self.properties.into_iter().map(|judged| Judged {
            name: judged.name,
            expectation: judged.expectation,
            verdict: judged.verdict.map_states(&mut form),
        });
        Outcome {
            properties: properties.collect(),
            stats: self.stats,
            coverage: self.coverage,
            unfinished: self.unfinished,
            omission: self.omission,
            unsaved: self.unsaved,
        }
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
    /// A step has a group that is not below [`MAX_GROUPS`](crate::MAX_GROUPS).
    #[error("a step is in group {0}; groups are numbered from 0 to 63")]
    Group(usize),
    /// A checkpoint cannot be written, or cannot be gone on from.
    #[error("the checkpoint {path} cannot be used: {reason}")]
    Checkpoint {
        /// Its path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A claim, or an `eventually` property, and a [`Compact`](crate::Compact) store.
    #[error(
        "{claim:?} is about runs, and needs all states and their transitions; of a compact search \
         only fingerprints are left"
    )]
    StatesNotKept {
        /// The claim.
        claim: &'static str,
    },
    /// A claim that cannot be decided where symmetrical states are packed alike.
    #[error(
        "{claim:?} cannot be decided on a model that packs symmetrical states alike: it is about what \
         happens along a run, and who does it, which is lost where states that differ in names are \
         one. Only `Claim::can_reach` can"
    )]
    Symmetric {
        /// The claim, or the `eventually` property.
        claim: &'static str,
    },
    /// Expanding all states a second time did not give the same transitions.
    #[error(
        "the model has other transitions when asked again: it is not deterministic, or its packing \
         is not canonical"
    )]
    Unsteady,
    /// A counterexample to a claim did not pass its examination.
    #[error(
        "the counterexample found for {claim:?} is none: {fault}. If the model packs symmetrical \
         states alike, it must say so (`PackedModel::symmetric`); otherwise this is a bug of the \
         engine"
    )]
    Lasso {
        /// The claim.
        claim: &'static str,
        /// What is wrong.
        fault: &'static str,
    },
}
