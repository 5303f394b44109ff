//! What the text of a history is drawn from, be it replayed or read from a record.

use crate::history::{Ending, History};
use crate::line::Line;
use crate::names::Names;

/// A history as far as its text goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chart {
    /// The state it starts in, in a sentence.
    pub(crate) initially: String,
    /// The tasks, in the scenario's order.
    pub(crate) tasks: Vec<ChartTask>,
    /// What is told of each step.
    pub(crate) steps: Vec<Vec<Line>>,
    /// From which step on it repeats.
    pub(crate) repeats_from: Option<usize>,
}

/// The head of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChartTask {
    /// `P1`.
    pub(crate) name: String,
    /// `P1`, with several nodes `P1 on node 1`.
    pub(crate) title: String,
    /// `read(F1 -> M2), O_DIRECT`.
    pub(crate) operation: String,
}

impl Chart {
    /// The chart of a history.
    pub(crate) fn of(history: &History) -> Chart {
        let cluster = history.cluster();
        Chart {
            initially: crate::initially::initially(history),
            tasks: (0..cluster.scenario().tasks.len() as u8)
                .map(|t| ChartTask::of(history, t))
                .collect(),
            steps: history.steps().iter().map(|s| s.lines.clone()).collect(),
            repeats_from: match history.ending() {
                Ending::Loop { start } => Some(start),
                _ => None,
            },
        }
    }

    /// The steps before those that repeat, and those.
    pub(crate) fn parts(&self) -> (&[Vec<Line>], &[Vec<Line>]) {
        let at = self.repeats_from.unwrap_or(self.steps.len());
        self.steps.split_at(at.min(self.steps.len()))
    }
}

impl ChartTask {
    /// The head of a task's column.
    pub(crate) fn of(history: &History, task: u8) -> ChartTask {
        let cluster = history.cluster();
        let (scenario, names) = (cluster.scenario(), Names::new(cluster));
        let name = names.task(task).to_string();
        ChartTask {
            title: match scenario.nodes {
                1 => name.clone(),
                _ => {
                    let node = scenario.node_of(task as usize) as u8;
                    format!("{name} on {}", names.node(node))
                }
            },
            name,
            operation: names.operation(task),
        }
    }
}
