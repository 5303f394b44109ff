//! Walking a record again, with the model of today.

use super::{Record, action};
use crate::history::{Ending, History};
use crate::observe::{Observer, Value, Variable};
use glock_model::cluster::{Cluster, State};
use glock_model::design::{self, Library};
use glock_model::event::NoSink;
use glock_model::program::Source;
use glock_model::property::{Kind, Property};
use glock_model::scenario::Scenario;
use std::fmt;

/// Where today's model and a record part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The design is none any more.
    Design(String),
    /// The scenario is none any more.
    Scenario(String),
    /// The two do not go together any more.
    Unfit(String),
    /// States are described with other variables.
    Variables {
        /// One that only the record has.
        recorded: Option<Variable>,
        /// One that only today's model has.
        today: Option<Variable>,
    },
    /// No initial state of today is the recorded one; how the most similar differs.
    Start(Vec<Difference>),
    /// An action cannot be taken.
    Impossible {
        /// The step, from 1.
        step: usize,
        /// The action.
        action: String,
    },
    /// A step leads to another state.
    State {
        /// The step, from 1.
        step: usize,
        /// The action.
        action: String,
        /// What is different.
        differences: Vec<Difference>,
    },
    /// What is said to repeat does not lead back to where it began.
    Loop {
        /// The first step that is said to repeat, from 1.
        step: usize,
    },
    /// The property of that name is not known, or not violated at the end.
    Property(String),
}

/// A variable with two values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The variable.
    pub variable: Variable,
    /// What is recorded.
    pub recorded: Value,
    /// What the model of today makes of it.
    pub today: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            variable,
            recorded,
            today,
        } = self;
        write!(
            f,
            "{variable}: recorded {recorded:?}, today {today:?}",
            recorded = recorded.to_string(),
            today = today.to_string()
        )
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, differences: &[Difference]| {
            let shown = differences.iter().take(5);
            shown.clone().try_for_each(|d| write!(f, "\n  {d}"))?;
            match differences.len() - shown.len() {
                0 => Ok(()),
                n => write!(f, "\n  and {n} more"),
            }
        };
        match self {
            Departure::Design(why) => write!(f, "the design is none any more: {why}"),
            Departure::Scenario(why) => write!(f, "the scenario is none any more: {why}"),
            Departure::Unfit(why) => {
                write!(f, "design and scenario do not go together any more: {why}")
            }
            Departure::Variables { recorded, today } => {
                f.write_str("states are described with other variables")?;
                if let Some(variable) = recorded {
                    write!(f, "\n  only recorded: {variable}")?;
                }
                match today {
                    Some(variable) => write!(f, "\n  only today: {variable}"),
                    None => Ok(()),
                }
            }
            Departure::Start(differences) => {
                f.write_str("no initial state is the recorded one; the most similar differs in")?;
                list(f, differences)
            }
            Departure::Impossible { step, action } => {
                write!(f, "step {step} ({action}) cannot be taken any more")
            }
            Departure::State {
                step,
                action,
                differences,
            } => {
                write!(f, "step {step} ({action}) leads to another state")?;
                list(f, differences)
            }
            Departure::Loop { step } => {
                write!(f, "the steps from {step} on do not lead back any more")
            }
            Departure::Property(name) => {
                write!(
                    f,
                    "every step is as recorded, and at their end {name} holds"
                )
            }
        }
    }
}

impl Record {
    /// Design and scenario as the model of today reads them.
    ///
    /// # Errors
    /// [`Departure`] if it does not.
    pub fn cluster(&self) -> Result<Cluster, Departure> {
        let file = |name: &str| format!("{name}.design");
        let sources: Vec<Source> = self
            .design
            .sources
            .iter()
            .map(|s| Source {
                design: s.design.clone(),
                file: file(&s.design),
                text: s.text.join("\n") + "\n",
            })
            .collect();
        // Nothing is looked up elsewhere: the record stands alone.
        let library = sources
            .iter()
            .rev()
            .fold(Library::default(), |l, s| l.with_file(s.clone()));
        let design = design::compile(&sources[0], &library).map_err(|e| {
            let first = e.problems.first();
            let why = first.map(|p| format!("{}: {}", p.place(), p.message()));
            Departure::Design(why.unwrap_or_else(|| e.to_string()))
        })?;
        let text = self.scenario.text.join("\n") + "\n";
        let name = format!("{}.toml", self.scenario.name);
        let scenario =
            Scenario::from_toml(&text, &name).map_err(|e| Departure::Scenario(e.to_string()))?;
        Cluster::new(scenario, design.program).map_err(|e| Departure::Unfit(e.to_string()))
    }

    /// Walks the record with the model of today, step by step, and compares every state.
    ///
    /// # Errors
    /// [`Departure`] where the two part first.
    pub fn replay(&self) -> Result<History, Departure> {
        self.replay_in(&self.cluster()?)
    }

    /// As [`Record::replay`], in another cluster.
    ///
    /// # Errors
    /// [`Departure`] where the two part first.
    pub fn replay_in(&self, cluster: &Cluster) -> Result<History, Departure> {
        let observer = Observer::new(cluster);
        let today = observer.variables();
        if today != self.variables {
            let missing = |of: &[Variable], other: &[Variable]| {
                of.iter().find(|v| !other.contains(v)).cloned()
            };
            return Err(Departure::Variables {
                recorded: missing(&self.variables, &today),
                today: missing(&today, &self.variables),
            });
        }
        let mut walker = self.walk();
        let compare = |walker: &super::Walker<'_>, state: &State| -> Vec<Difference> {
            let values = observer.values(state);
            let pairs = walker.values().zip(values);
            let other = pairs.filter(|((_, recorded), today)| *recorded != today);
            other
                .map(|((variable, recorded), today)| Difference {
                    variable: variable.clone(),
                    recorded: recorded.clone(),
                    today,
                })
                .collect()
        };
        let mut nearest: Option<(Vec<Difference>, State)> = None;
        for state in cluster.initial_states() {
            let differences = compare(&walker, &state);
            if nearest
                .as_ref()
                .is_none_or(|(d, _)| differences.len() < d.len())
            {
                nearest = Some((differences, state));
            }
        }
        let initial = match nearest {
            Some((differences, state)) if differences.is_empty() => state,
            other => return Err(Departure::Start(other.map_or_else(Vec::new, |(d, _)| d))),
        };
        let (mut state, mut actions) = (initial, Vec::with_capacity(self.steps.len()));
        for (i, step) in self.steps.iter().enumerate() {
            let text = &self.actions[step.act as usize];
            let (number, action) = (i + 1, text.clone());
            let next = action::parse(text)
                .filter(|&a| action::is_within(a, cluster.scenario()))
                .and_then(|a| Some((a, cluster.step(&state, a, &mut NoSink)?)));
            let Some((taken, next)) = next else {
                return Err(Departure::Impossible {
                    step: number,
                    action,
                });
            };
            walker.step();
            let differences = compare(&walker, &next);
            if !differences.is_empty() {
                return Err(Departure::State {
                    step: number,
                    action,
                    differences,
                });
            }
            actions.push(taken);
            state = next;
        }
        let history = History::replay(cluster, initial, &actions).map_err(|_| {
            let (step, action) = (actions.len(), String::new());
            Departure::Impossible { step, action }
        })?;
        let history = history
            .ending_in(self.ending())
            .map_err(|_| Departure::Loop {
                step: self.repeats_from.unwrap_or(0) + 1,
            })?;
        match &self.property {
            Some(name) if !is_violated(&history, name) => Err(Departure::Property(name.clone())),
            _ => Ok(history),
        }
    }

    /// What its end makes of it.
    pub fn ending(&self) -> Ending {
        match (self.repeats_from, self.trap) {
            (Some(start), _) => Ending::Loop { start },
            (None, Some(trap)) => Ending::Trap {
                states: trap.states,
                by_representative: trap.by_representative,
            },
            (None, None) => Ending::State,
        }
    }
}

/// Does the end of the history violate the property of that name? Of one about progress no
/// single state can tell; that the steps repeat, or lead into a trap, is what there is.
fn is_violated(history: &History, name: &str) -> bool {
    let (cluster, last) = (history.cluster(), history.last());
    let Some(property) = Property::named(name) else {
        return false;
    };
    if property.kind() == Kind::Progress {
        return history.ending() != Ending::State;
    }
    let nobody_moves = || {
        let mut any = false;
        cluster.successors(last, &mut NoSink, &mut |_, _| any = true);
        !any && !cluster.is_finished(last) && !cluster.is_down(last)
    };
    property.holds(cluster, last) == Some(false)
        || property == Property::NoDeadlock && nobody_moves()
}
