//! Rows of a table: lines that belong together become one.

use crate::glock_text::GRANT_ARRIVES;
use crate::history::History;
use crate::line::{Actor, DesignLine, Line};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) actor: Actor,
    pub(crate) depth: u8,
    pub(crate) call: String,
    pub(crate) outcome: String,
    pub(crate) design: Option<DesignLine>,
}

impl Row {
    pub(crate) fn text(&self) -> String {
        match (self.call.is_empty(), self.outcome.is_empty()) {
            (_, true) => self.call.clone(),
            (true, false) => self.outcome.clone(),
            (false, false) => format!("{}: {}", self.call, self.outcome),
        }
    }
}

/// The rows of a history.
///
/// A line that goes on with the call of the row above replaces what that row said
/// about its outcome. Steps in the background that are about one glock are strung
/// together.
pub(crate) fn rows(history: &History) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in history.steps().iter().flat_map(|s| &s.lines) {
        match rows.last_mut() {
            Some(last) if continues(last, line) => last.outcome.clone_from(&line.outcome),
            Some(last) if strings_with(last, line) => {
                if let Some(before) = last.outcome.strip_suffix(GRANT_ARRIVES) {
                    last.outcome.truncate(before.len());
                } else {
                    last.outcome += "; ";
                }
                last.outcome += &line.outcome;
            }
            _ => rows.push(Row {
                actor: line.actor,
                depth: line.depth,
                call: line.call.clone(),
                outcome: line.outcome.clone(),
                design: line.design.clone(),
            }),
        }
    }
    rows
}

fn continues(row: &Row, line: &Line) -> bool {
    line.continues && row.actor == line.actor && row.depth == line.depth && row.call == line.call
}

fn strings_with(row: &Row, line: &Line) -> bool {
    let background = !matches!(line.actor, Actor::Task(_));
    background && row.actor == line.actor && row.call == line.call
}
