//! A history for machines: what `glock check --json` prints.

use crate::history::{Ending, History};
use crate::line::{Actor, Line};
use crate::names::Names;
use glock_model::property::Property;
use serde::{Deserialize, Serialize};

/// A history as data, without the states; versioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Always [`Outline::FORMAT`].
    pub format: String,
    /// [`Outline::VERSION`] of the program that wrote it.
    pub version: u32,
    /// Name of the design.
    pub design: String,
    /// Name of the scenario.
    pub scenario: String,
    /// The property it violates, if it is known to violate one.
    pub property: Option<String>,
    /// The tasks' names with their operations, in the scenario's order.
    pub tasks: Vec<OutlineTask>,
    /// Index of the initial state among the scenario's.
    pub initial: usize,
    /// The steps.
    pub steps: Vec<OutlineStep>,
    /// From which step on it repeats for ever, counted from 0; if there is none with
    /// that number, nothing happens any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats_from: Option<usize>,
    /// It leads into so many states that nothing leads out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trap_states: Option<usize>,
}

/// A task of a [`Outline`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineTask {
    /// Its name.
    pub name: String,
    /// Its node, from 1.
    pub node: u8,
    /// Its operation, e.g. `read(F1 -> M2), O_DIRECT`.
    pub operation: String,
}

/// A step of a [`Outline`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineStep {
    /// Who acted: a task's name, `node 1`, `dlm`, `environment`.
    pub actor: String,
    /// What is told of the step; may be empty.
    pub lines: Vec<OutlineLine>,
    /// What happened in it, in the model's own words.
    pub events: Vec<String>,
}

/// A line of a [`OutlineStep`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineLine {
    /// Call depth.
    pub depth: u8,
    /// The text.
    pub text: String,
    /// The design the executed statement stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub design: Option<String>,
    /// Its line there, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl Outline {
    /// Value of [`Outline::format`].
    pub const FORMAT: &'static str = "glock-history";
    /// The version this program writes.
    pub const VERSION: u32 = 1;

    /// The outline of a history.
    pub fn new(history: &History, property: Option<Property>) -> Outline {
        let cluster = history.cluster();
        let (scenario, names) = (cluster.scenario(), Names::new(cluster));
        let states = cluster.initial_states();
        let tasks = (0..scenario.tasks.len()).map(|t| OutlineTask {
            name: names.task(t as u8).to_string(),
            node: scenario.node_of(t) as u8 + 1,
            operation: names.operation(t as u8),
        });
        let steps = history.steps().iter().map(|step| OutlineStep {
            actor: actor(&names, step.actor),
            lines: step.lines.iter().map(line).collect(),
            events: step.events.iter().map(|e| format!("{e:?}")).collect(),
        });
        Outline {
            format: Outline::FORMAT.to_string(),
            version: Outline::VERSION,
            design: cluster.program().name.clone(),
            scenario: scenario.name.clone(),
            property: property.map(|p| p.name().to_string()),
            tasks: tasks.collect(),
            initial: states
                .iter()
                .position(|s| s == history.initial())
                .unwrap_or(0),
            steps: steps.collect(),
            repeats_from: match history.ending() {
                Ending::Loop { start } => Some(start),
                _ => None,
            },
            trap_states: match history.ending() {
                Ending::Trap { states, .. } => Some(states),
                _ => None,
            },
        }
    }
}

fn actor(names: &Names<'_>, actor: Actor) -> String {
    match actor {
        Actor::Task(task) => names.task(task).to_string(),
        Actor::Worker { node } => names.node(node),
        Actor::LockSpace => "dlm".to_string(),
        Actor::Environment => "environment".to_string(),
    }
}

fn line(line: &Line) -> OutlineLine {
    OutlineLine {
        depth: line.depth,
        text: line.text(),
        design: line.design.as_ref().map(|d| d.design.clone()),
        line: line.design.as_ref().map(|d| d.number),
    }
}
