//! The record: a counterexample as a file that stands alone.
//!
//! A JSON document with everything that is needed to show the history without the model,
//! and to walk it again with the model: the texts of design and scenario, the property and
//! the verdict, who did what in every step, the state before the first step and what every
//! step changed of it ([`Variable`]), and the command that finds it again.
//!
//! What repeats is written once: values, lines, messages and actions stand in tables, and
//! steps refer to them by index, from 0. So a step takes few bytes however much there is
//! to tell of it.
//!
//! The format is versioned. A record of an older version opens as long as this program is
//! around; one of a newer version is refused with a word on what to do. See
//! [`Record::VERSION`].

use crate::chart::{Chart, ChartTask};
use crate::columns::Style;
use crate::line::{Actor, DesignLine, Line};
use crate::observe::{Value, Variable};
use crate::{closing, names};
use serde::{Deserialize, Serialize};

pub(crate) mod action;
mod read;
mod recorder;
mod replay;
mod walk;
mod write;

pub use read::{MAX_BYTES, MAX_STEPS, RecordError};
pub use replay::{Departure, Difference};
pub use walk::Walker;

use read::at_most;

/// A history with all that is known of it. Indices count from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Always [`Record::FORMAT`].
    pub format: String,
    /// The version of the format.
    pub version: u32,
    /// The program that wrote it: `glock 0.1.0`.
    pub program: String,
    /// The property it violates, if it is known to violate one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The verdict in words: `violated in 8 steps`.
    #[serde(default)]
    pub verdict: String,
    /// What it means on a real machine.
    #[serde(default)]
    pub meaning: String,
    /// The command that finds it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// The design.
    pub design: DesignText,
    /// The scenario.
    pub scenario: ScenarioText,
    /// Switches of the scenario that are not as they are by default: `gup_window on`.
    #[serde(default, deserialize_with = "at_most::<_, _, 64>")]
    pub switches: Vec<String>,
    /// Who may act: the tasks in the scenario's order, then the nodes' glock workers, the
    /// lock space if there is one, and the environment.
    #[serde(deserialize_with = "at_most::<_, _, 64>")]
    pub actors: Vec<RecordActor>,
    /// The state it starts in, in a sentence.
    #[serde(default)]
    pub initially: String,
    /// What is wrong at its end: sentences and items of lists.
    #[serde(default, deserialize_with = "at_most::<_, _, 1000>")]
    pub closing: Vec<String>,
    /// From which step on it repeats for ever; if there is none with that number, nothing
    /// happens any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats_from: Option<usize>,
    /// It leads into states that nothing leads out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trap: Option<Trap>,
    /// Who waits for whom at its end, in a circle: each for the next, the last for the first.
    #[serde(default, deserialize_with = "at_most::<_, _, 64>")]
    pub cycle: Vec<String>,
    /// What the states are described with.
    #[serde(deserialize_with = "at_most::<_, _, 4096>")]
    pub variables: Vec<Variable>,
    /// The values there are.
    #[serde(deserialize_with = "at_most::<_, _, 50_000>")]
    pub values: Vec<Value>,
    /// The actions there are, in the model's words; see [`RecordStep::act`].
    #[serde(deserialize_with = "at_most::<_, _, 10_000>")]
    pub actions: Vec<String>,
    /// The lines there are.
    #[serde(deserialize_with = "at_most::<_, _, 100_000>")]
    pub lines: Vec<RecordLine>,
    /// The messages there are.
    #[serde(default, deserialize_with = "at_most::<_, _, 10_000>")]
    pub messages: Vec<RecordMessage>,
    /// The value of each variable before the first step.
    #[serde(deserialize_with = "at_most::<_, _, 4096>")]
    pub first: Vec<u32>,
    /// The steps.
    #[serde(deserialize_with = "at_most::<_, _, MAX_STEPS>")]
    pub steps: Vec<RecordStep>,
}

/// A design with the designs it extends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesignText {
    /// Its name.
    pub name: String,
    /// Its text and those it extends, nearest first.
    #[serde(deserialize_with = "at_most::<_, _, 32>")]
    pub sources: Vec<SourceText>,
}

/// The text of a design.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceText {
    /// The design's name.
    pub design: String,
    /// Its lines, without line ends.
    #[serde(deserialize_with = "at_most::<_, _, 100_000>")]
    pub text: Vec<String>,
}

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioText {
    /// Its name.
    pub name: String,
    /// Number of nodes.
    pub nodes: u8,
    /// Its lines, in TOML, with everything written out.
    #[serde(deserialize_with = "at_most::<_, _, 100_000>")]
    pub text: Vec<String>,
}

/// Somebody who acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordActor {
    /// `P1`, `node 2`, `dlm`, `environment`.
    pub name: String,
    /// What it is.
    pub kind: ActorKind,
    /// The node it is on, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u8>,
    /// What a task does: `read(F1 -> M2), O_DIRECT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// What an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActorKind {
    /// A task.
    Task,
    /// The glock machinery of a node.
    Worker,
    /// The lock space.
    LockSpace,
    /// Whatever else happens.
    Environment,
}

/// Figures of the search that found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// How: `every state`, `random walk`.
    pub how: String,
    /// Was every reachable state looked at?
    pub exhaustive: bool,
    /// Is there no shorter history?
    pub shortest: bool,
    /// States looked at; none are counted by random walks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<u64>,
    /// Transitions between them, or steps of all walks.
    pub transitions: u64,
    /// The largest distance from an initial state, or the longest walk.
    pub depth: u64,
    /// Time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
}

/// States that nothing leads out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    /// How many.
    pub states: usize,
    /// Counted by representative: there are at least so many.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_representative: bool,
}

/// A line that is told of a step: [`Line`] as data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordLine {
    /// Index of who it is told of.
    pub actor: u32,
    /// Call depth.
    pub depth: u8,
    /// The call, or whatever happened.
    pub call: String,
    /// How it ended, or what it does now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// Goes on with a call that an earlier line of this actor began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
    /// The kernel function in which it happens.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub function: String,
    /// The line of the design: index of its text in [`DesignText::sources`], and its
    /// number there, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(u32, u32)>,
}

impl RecordLine {
    /// The whole text.
    pub fn text(&self) -> String {
        match (self.call.is_empty(), self.outcome.is_empty()) {
            (_, true) => self.call.clone(),
            (true, false) => self.outcome.clone(),
            (false, false) => format!("{}: {}", self.call, self.outcome),
        }
    }
}

/// A message between a node and the lock space.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordMessage {
    /// Index of who sends it.
    pub from: u32,
    /// Index of who it is for.
    pub to: u32,
    /// The file it is about.
    pub file: String,
    /// What it says: `EX NOQUEUE`, `grant`, `blocking callback SH`.
    pub text: String,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordStep {
    /// Index of the action: `task 0 1` is task 0 with the second of its outcomes,
    /// `worker 0 1` the glock of file 1 on node 0, and so on.
    pub act: u32,
    /// Indices of the lines that are told of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub say: Vec<u32>,
    /// What it changes: pairs of indices, of a variable and its new value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<u32>,
    /// Indices of messages it sends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub send: Vec<u32>,
    /// Indices of messages it takes, those among them that it has just sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub take: Vec<u32>,
}

impl Record {
    /// Value of [`Record::format`].
    pub const FORMAT: &'static str = "glock-record";
    /// The version this program writes. It is raised when a field changes its meaning or goes
    /// away; a field that is only added has a default and does not count.
    pub const VERSION: u32 = 1;

    /// Who acts in a step.
    pub fn actor_of(&self, step: &RecordStep) -> u32 {
        let tasks = self.count(ActorKind::Task);
        let workers = self.count(ActorKind::Worker);
        let last = self.actors.len().saturating_sub(1) as u32;
        match action::parse(&self.actions[step.act as usize]).map(crate::background::actor_of) {
            Some(Actor::Task(task)) => u32::from(task),
            Some(Actor::Worker { node }) => tasks + u32::from(node),
            Some(Actor::LockSpace) => tasks + workers,
            _ => last,
        }
        .min(last)
    }

    fn count(&self, kind: ActorKind) -> u32 {
        self.actors.iter().filter(|a| a.kind == kind).count() as u32
    }

    /// The actor as lines have it.
    fn actor(&self, index: u32) -> Actor {
        let actor = &self.actors[index as usize];
        match actor.kind {
            ActorKind::Task => Actor::Task(index as u8),
            ActorKind::Worker => Actor::Worker {
                node: actor.node.unwrap_or(1).saturating_sub(1),
            },
            ActorKind::LockSpace => Actor::LockSpace,
            ActorKind::Environment => Actor::Environment,
        }
    }

    /// A line as the text has it.
    fn line(&self, line: &RecordLine) -> Line {
        Line {
            actor: self.actor(line.actor),
            depth: line.depth,
            call: line.call.clone(),
            outcome: line.outcome.clone(),
            continues: line.continues,
            design: line.place.map(|(source, number)| {
                let source = &self.design.sources[source as usize];
                let text = source.text.get((number as usize).wrapping_sub(1));
                DesignLine {
                    design: source.design.clone(),
                    number,
                    text: names::squeezed(text.map_or("", String::as_str)),
                }
            }),
        }
    }

    /// The lines told of a step.
    pub fn lines_of<'r>(&'r self, step: &'r RecordStep) -> impl Iterator<Item = &'r RecordLine> {
        step.say.iter().map(|&i| &self.lines[i as usize])
    }

    /// What a step says of one actor, in a line; of the one who takes it never nothing.
    pub(crate) fn told_of(&self, step: &RecordStep, actor: u32) -> String {
        let mine = self.lines_of(step).filter(|l| l.actor == actor);
        let told: Vec<String> = mine.map(RecordLine::text).collect();
        match told.is_empty() && actor == self.actor_of(step) {
            true => "goes on".to_owned(),
            false => told.join(" / "),
        }
    }

    pub(crate) fn chart(&self) -> Chart {
        let tasks = self.actors.iter().filter(|a| a.kind == ActorKind::Task);
        let line = |l: &RecordLine| self.line(l);
        Chart {
            initially: self.initially.clone(),
            tasks: tasks
                .map(|a| ChartTask {
                    title: match (self.scenario.nodes, a.node) {
                        (2.., Some(node)) => format!("{} on node {node}", a.name),
                        _ => a.name.clone(),
                    },
                    name: a.name.clone(),
                    operation: a.operation.clone().unwrap_or_default(),
                })
                .collect(),
            steps: self
                .steps
                .iter()
                .map(|s| self.lines_of(s).map(line).collect())
                .collect(),
            repeats_from: self.repeats_from,
        }
    }
}

impl Style {
    /// The whole report of a record: table and closing block, as
    /// [`Style::report`] gives them of the history.
    pub fn report_of_record(&self, record: &Record) -> String {
        let end = closing::wrapped(&record.closing, *self);
        closing::with_closing(self.chart(&record.chart()), &end)
    }
}
