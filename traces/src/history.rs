//! A history: an initial state and the steps from it, replayed.

use crate::background::actor_of;
use crate::line::{Actor, Line};
use crate::narrate::Narrator;
use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::Event;

/// One step of a history.
#[derive(Clone, Debug)]
pub struct Step {
    /// The model's action.
    pub action: Action,
    /// Who acted.
    pub actor: Actor,
    /// What happened inside the step, in order.
    pub events: Vec<Event>,
    /// The same as text. Empty if the step says nothing to a reader.
    pub lines: Vec<Line>,
    /// The state it leads to.
    pub state: State,
}

/// What its end makes of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ending {
    /// The state it leads to is what matters.
    #[default]
    State,
    /// It leads into a set of states that nothing leads out of.
    Trap {
        /// How many there are.
        states: usize,
        /// Does that count one state of each orbit only? Then there are at least so
        /// many; see [`glock_model::symmetry`].
        by_representative: bool,
    },
    /// It goes on for ever.
    Loop {
        /// The steps from this one on repeat, counted from 0. If there is none, nothing
        /// happens any more.
        start: usize,
    },
}

/// An initial state and the steps from it, each of them re-executed.
#[derive(Clone, Debug)]
pub struct History {
    cluster: Cluster,
    initial: State,
    steps: Vec<Step>,
    ending: Ending,
}

/// Why a list of actions is not a history of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It does not start in an initial state.
    #[error("the first state of the history is not an initial state of the scenario")]
    NotInitial,
    /// What is said to repeat does not lead back to where it began.
    #[error("the steps from {start} on do not lead back to where they began")]
    NoLoop {
        /// The step that is said to be the first of a round, counted from 0.
        start: usize,
    },
    /// The action is not enabled where it is said to happen.
    #[error("step {step} of the history cannot be taken: {action:?}")]
    NotEnabled {
        /// Number of the step, from 1.
        step: usize,
        /// The action.
        action: Action,
    },
    /// The action leads to another state than the one recorded.
    #[error("step {step} of the history leads to another state than recorded: {action:?}")]
    OtherState {
        /// Number of the step, from 1.
        step: usize,
        /// The action.
        action: Action,
    },
}

impl History {
    /// Re-executes `actions` from `initial`.
    ///
    /// # Errors
    /// [`ReplayError`] if `initial` is not an initial state of the cluster, or an
    /// action is not enabled when its turn comes.
    pub fn replay(
        cluster: &Cluster,
        initial: State,
        actions: &[Action],
    ) -> Result<History, ReplayError> {
        if !cluster.initial_states().contains(&initial) {
            return Err(ReplayError::NotInitial);
        }
        let mut narrator = Narrator::new(cluster, &initial);
        let mut steps: Vec<Step> = Vec::with_capacity(actions.len());
        for (i, &action) in actions.iter().enumerate() {
            let before = steps.last().map_or(initial, |s| s.state);
            let mut events = Vec::new();
            let state =
                cluster
                    .step(&before, action, &mut events)
                    .ok_or(ReplayError::NotEnabled {
                        step: i + 1,
                        action,
                    })?;
            let actor = actor_of(action);
            let lines = narrator.step(action, &before, &events, &state);
            steps.push(Step {
                action,
                actor,
                events,
                lines,
                state,
            });
        }
        Ok(History {
            cluster: cluster.clone(),
            initial,
            steps,
            ending: Ending::default(),
        })
    }

    /// As [`History::replay`], and compares every state with the recorded one.
    ///
    /// # Errors
    /// As [`History::replay`], and [`ReplayError::OtherState`].
    pub fn replay_recorded(
        cluster: &Cluster,
        initial: State,
        recorded: &[(Action, State)],
    ) -> Result<History, ReplayError> {
        let actions: Vec<Action> = recorded.iter().map(|(a, _)| *a).collect();
        let history = History::replay(cluster, initial, &actions)?;
        for (i, (step, &(action, state))) in history.steps.iter().zip(recorded).enumerate() {
            if step.state != state {
                return Err(ReplayError::OtherState {
                    step: i + 1,
                    action,
                });
            }
        }
        Ok(history)
    }

    /// The same history with another ending.
    ///
    /// # Errors
    /// [`ReplayError::NoLoop`] if it is a loop that does not close.
    pub fn ending_in(self, ending: Ending) -> Result<History, ReplayError> {
        match ending {
            Ending::Loop { start }
                if start > self.steps.len() || self.state(start) != self.last() =>
            {
                Err(ReplayError::NoLoop { start })
            }
            _ => Ok(History { ending, ..self }),
        }
    }

    /// What its end makes of it.
    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// The steps before those that repeat, and those; the latter are none unless it is
    /// a loop.
    pub fn parts(&self) -> (&[Step], &[Step]) {
        match self.ending {
            Ending::Loop { start } => self.steps.split_at(start),
            _ => (&self.steps, &[]),
        }
    }

    /// The scenario under its design.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The state it starts in.
    pub fn initial(&self) -> &State {
        &self.initial
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The state after `steps` steps: 0 is the initial state.
    ///
    /// # Panics
    /// If there are fewer steps.
    pub fn state(&self, steps: usize) -> &State {
        match steps {
            0 => &self.initial,
            n => &self.steps[n - 1].state,
        }
    }

    /// The state it ends in.
    pub fn last(&self) -> &State {
        self.state(self.steps.len())
    }
}
