//! A counterexample as it is kept: where it starts and what moves. The states between are made again
//! when it is told, by the model's single-step function, which is not the one the search used.

use glock_engine::{Lasso, Path, Trap};
use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::NoSink;
use glock_model::property::Property;
use glock_traces::{Ending, History, Outline, Record, ReplayError, Style, closing};

/// A run of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The state it starts from.
    pub initial: State,
    /// The steps, in order; of a run that goes on for ever the way in and then one round.
    pub actions: Vec<Action>,
    /// What its end makes of it.
    pub ending: Ending,
}

impl Walk {
    /// The run without the states between.
    pub fn of(path: &Path<State, Action>) -> Walk {
        Walk {
            initial: path.initial,
            actions: path.actions().copied().collect(),
            ending: Ending::State,
        }
    }

    /// A way into a trap of this cluster.
    pub fn into_trap(trap: &Trap<State, Action>, cluster: &Cluster) -> Walk {
        Walk {
            ending: Ending::Trap {
                states: trap.states,
                by_representative: cluster.packs_by_representative(),
            },
            ..Walk::of(&trap.path)
        }
    }

    /// A run that goes on for ever.
    pub fn for_ever(lasso: &Lasso<State, Action>) -> Walk {
        let mut walk = Walk::of(&lasso.stem);
        walk.ending = Ending::Loop {
            start: walk.actions.len(),
        };
        walk.actions
            .extend(lasso.cycle.iter().map(|(action, _)| action));
        walk
    }

    /// The number of steps that repeat for ever, if it is such a run; 0 if nothing happens any more.
    pub fn round(&self) -> Option<usize> {
        match self.ending {
            Ending::Loop { start } => Some(self.actions.len() - start),
            _ => None,
        }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether it has no step: the initial state itself is at fault.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// All states, from the initial one on; `None` if the model does not walk this way.
    pub fn states(&self, cluster: &Cluster) -> Option<Vec<State>> {
        let mut states = vec![self.initial];
        for &action in &self.actions {
            let next = cluster.step(states.last()?, action, &mut NoSink)?;
            states.push(next);
        }
        Some(states)
    }

    /// The state it ends in; `None` if the model does not walk this way.
    pub fn last(&self, cluster: &Cluster) -> Option<State> {
        self.states(cluster)?.last().copied()
    }
}

/// A history as a reader sees it: the columns of the tasks, then what is wrong at the end.
pub(crate) fn tell(cluster: &Cluster, property: Property, walk: &Walk) -> String {
    match replay(cluster, walk) {
        Ok(history) => Style::default().report(&history, property),
        Err(error) => format!("A bug in glock: {error}. Please report it.\n"),
    }
}

/// What is wrong at the end of a history, without the history.
pub(crate) fn close(cluster: &Cluster, property: Property, walk: &Walk) -> String {
    match replay(cluster, walk) {
        Ok(history) => closing(&history, property, Style::default()),
        Err(error) => format!("A bug in glock: {error}. Please report it.\n"),
    }
}

/// A history for machines; `None` if the model does not walk this way.
pub(crate) fn outline(cluster: &Cluster, property: Property, walk: &Walk) -> Option<Outline> {
    let history = replay(cluster, walk).ok()?;
    Some(Outline::new(&history, Some(property)))
}

/// A history as a record; `None` if the model does not walk this way.
pub(crate) fn record(cluster: &Cluster, property: Property, walk: &Walk) -> Option<Record> {
    let history = replay(cluster, walk).ok()?;
    Some(Record::new(&history, Some(property)))
}

/// A run that violates nothing in particular as a record; `None` if the model does not walk this way.
pub(crate) fn retold(cluster: &Cluster, walk: &Walk) -> Option<Record> {
    Some(Record::new(&replay(cluster, walk).ok()?, None))
}

fn replay(cluster: &Cluster, walk: &Walk) -> Result<History, ReplayError> {
    History::replay(cluster, walk.initial, &walk.actions)?.ending_in(walk.ending)
}
