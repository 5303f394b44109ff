//! What may be claimed of a system beyond its states: that something can, or will, happen.

use crate::outcome::Error;
use crate::system::System;

/// How many groups of steps there can be.
pub const MAX_GROUPS: usize = 64;

/// A condition on states.
pub(crate) type Condition<'a, T> = Box<dyn Fn(&T) -> bool + Sync + 'a>;

/// Which runs a claim is about.
///
/// A group of steps is *enabled* in a state if one of its steps leads from there to another state;
/// it is *taken* where a run makes such a step. A step that changes nothing is no progress: it
/// neither enables its group nor takes it. Steps without a group are the environment's: nothing
/// obliges it to make them.
///
/// Under any rule but `Maximal` a run may stay in a state for ever exactly if that is fair, so that a
/// state in which only the environment can do something is a place where a run may end. This is
/// fairness as in TLA+ (Lamport, "The temporal logic of actions", 1994), with the action of a group
/// being the disjunction of its steps.
///
/// Steps out of the model's boundary do not exist for any of this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fairness {
    /// All runs that go on for ever or end in a state without successors. Groups do not matter, and
    /// a step that changes nothing is a step like any other.
    #[default]
    Maximal,
    /// Runs in which every group that is enabled from some point on without interruption is taken
    /// again and again.
    Weak,
    /// Runs in which every group that is enabled again and again is taken again and again.
    Strong,
    /// Some groups are treated weakly fairly and some strongly, the rest not at all.
    Mixed {
        /// Bit `g`: group `g` is treated weakly fairly.
        weak: u64,
        /// Bit `g`: group `g` is treated strongly fairly.
        strong: u64,
    },
}

/// [`Fairness`] in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) weak: u64,
    pub(crate) strong: u64,
    /// A run may stay where it is if that is fair. Otherwise only where nothing is possible.
    pub(crate) may_stay: bool,
}

impl Fairness {
    pub(crate) fn rules(&self) -> Rules {
        let (weak, strong, may_stay) = match *self {
            Self::Maximal => (0, 0, false),
            Self::Weak => (u64::MAX, 0, true),
            Self::Strong => (0, u64::MAX, true),
            Self::Mixed { weak, strong } => (weak & !strong, strong, true),
        };
        Rules {
            weak,
            strong,
            may_stay,
        }
    }
}

/// What is claimed, of conditions on states.
pub(crate) enum Goal<'a, T> {
    CanReach(Condition<'a, T>),
    Eventually(Condition<'a, T>),
    InfinitelyOften(Condition<'a, T>),
    LeadsTo(Condition<'a, T>, Condition<'a, T>),
}

/// Something to be decided on the whole graph of states, besides the model's own properties; see
/// [`Search::claim`](crate::Search::claim).
///
/// ```
/// use glock_engine::{Claim, Exact, Fairness, Search, Verdict};
/// use stateright::Model;
///
/// /// A lamp that somebody may switch, and that breaks at last.
/// struct Lamp;
///
/// #[derive(Clone, Debug, PartialEq)]
/// enum Step {
///     Switch,
///     Break,
/// }
///
/// impl Model for Lamp {
///     type State = Option<bool>;
///     type Action = Step;
///     fn init_states(&self) -> Vec<Self::State> {
///         vec![Some(false)]
///     }
///     fn actions(&self, lamp: &Self::State, actions: &mut Vec<Step>) {
///         if lamp.is_some() {
///             actions.push(Step::Switch);
///         }
///         if *lamp == Some(true) {
///             actions.push(Step::Break);
///         }
///     }
///     fn next_state(&self, lamp: &Self::State, step: Step) -> Option<Self::State> {
///         Some(match step {
///             Step::Switch => lamp.map(|on| !on),
///             Step::Break => None,
///         })
///     }
/// }
///
/// let broken = |lamp: &Option<bool>| lamp.is_none();
/// let outcome = Search::new(&Exact::new(Lamp))
///     .groups(|step| Some(if *step == Step::Switch { 0 } else { 1 }))
///     .claim(Claim::can_reach("can break", broken))
///     .claim(Claim::eventually("breaks, fairly", broken).under(Fairness::Weak))
///     .claim(Claim::eventually("breaks, strongly fairly", broken).under(Fairness::Strong))
///     .run()
///     .unwrap();
/// assert_eq!(outcome.verdict("can break"), Some(&Verdict::Holds));
/// // On, off, on, off: breaking is not possible without interruption, so nothing unfair happens.
/// let Some(Verdict::Never(lasso)) = outcome.verdict("breaks, fairly") else { panic!() };
/// assert_eq!(lasso.cycle.len(), 2);
/// assert_eq!(outcome.verdict("breaks, strongly fairly"), Some(&Verdict::Holds));
/// ```
pub struct Claim<'a, T> {
    pub(crate) name: &'static str,
    pub(crate) goal: Goal<'a, T>,
    pub(crate) fairness: Fairness,
}

impl<'a, T> Claim<'a, T> {
    fn new(name: &'static str, goal: Goal<'a, T>) -> Self {
        Self {
            name,
            goal,
            fairness: Fairness::default(),
        }
    }

    /// From every reachable state a state with the condition can still be reached (AG EF). Not about
    /// what does happen, so fairness does not matter.
    pub fn can_reach(name: &'static str, condition: impl Fn(&T) -> bool + Sync + 'a) -> Self {
        Self::new(name, Goal::CanReach(Box::new(condition)))
    }

    /// Every run has a state with the condition.
    pub fn eventually(name: &'static str, condition: impl Fn(&T) -> bool + Sync + 'a) -> Self {
        Self::new(name, Goal::Eventually(Box::new(condition)))
    }

    /// Every run has states with the condition again and again; a run that stays in a state for ever
    /// has it again and again.
    pub fn infinitely_often(
        name: &'static str,
        condition: impl Fn(&T) -> bool + Sync + 'a,
    ) -> Self {
        Self::new(name, Goal::InfinitelyOften(Box::new(condition)))
    }

    /// In every run each state with the condition `from` is, or is followed by, one with `to`.
    pub fn leads_to(
        name: &'static str,
        from: impl Fn(&T) -> bool + Sync + 'a,
        to: impl Fn(&T) -> bool + Sync + 'a,
    ) -> Self {
        Self::new(name, Goal::LeadsTo(Box::new(from), Box::new(to)))
    }

    /// Can it be decided of a system: are its states kept, and no others stored as one with them that
    /// a symmetry exchanges, or does that not matter?
    pub(crate) fn can_be_decided<S: System>(&self, system: &S) -> Result<(), Error> {
        let claim = self.name;
        if !S::KEEPS_STATES {
            return Err(Error::StatesNotKept { claim });
        }
        match system.symmetric() && !matches!(self.goal, Goal::CanReach(_)) {
            true => Err(Error::Symmetric { claim }),
            false => Ok(()),
        }
    }

    /// Claims it of the runs that are fair in this sense only. Without it, of all maximal ones.
    #[must_use]
    pub fn under(self, fairness: Fairness) -> Self {
        Self { fairness, ..self }
    }
}
