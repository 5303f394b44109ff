//! Rows of a table: lines that belong together become one.

use crate::glock_text::{GRANT_ARRIVES, REFUSAL_ARRIVES};
use crate::line::{Actor, DesignLine, Line};
use std::collections::HashSet;

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

/// The rows of steps that follow one another.
///
/// A line that goes on with the call of the row above replaces what that row said
/// about its outcome. Steps in the background that are about one glock are strung
/// together. That an answer of the lock space has arrived is left out if what the
/// glock makes of it is told later.
pub(crate) fn rows(steps: &[Vec<Line>]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let lines: Vec<&Line> = steps.iter().flatten().collect();
    for (&line, told_later) in lines.iter().zip(told_later(&lines)) {
        if is_arrival(line) && told_later {
            continue;
        }
        match rows.last_mut() {
            Some(last) if continues(last, line) => last.outcome.clone_from(&line.outcome),
            Some(last) if strings_with(last, line) => {
                last.outcome += "; ";
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
    without_repeats(&rows)
}

/// Longest block that is looked for again behind itself.
const LONGEST_BLOCK: usize = 24;

/// Rows of one task that repeat at once, as a transfer's attempts do, are shown once
/// and counted.
fn without_repeats(rows: &[Row]) -> Vec<Row> {
    let mut out = Vec::new();
    let mut rest = rows;
    while let [first, ..] = rest {
        let longest = LONGEST_BLOCK.min(rest.len() / 2);
        let block = (2..=longest).find(|&n| rest[..n] == rest[n..2 * n]);
        let Some(block) = block.filter(|&n| is_whole(&rest[..n])) else {
            out.push(first.clone());
            rest = &rest[1..];
            continue;
        };
        let times = repeats(rest, block);
        out.extend_from_slice(&rest[..block]);
        out.push(Row {
            call: match times {
                1 => "(the same once more)".to_string(),
                n => format!("(the same {n} times more)"),
            },
            outcome: String::new(),
            design: None,
            ..first.clone()
        });
        rest = &rest[block * (times + 1)..];
    }
    out
}

/// How often the first `n` rows follow themselves.
fn repeats(rows: &[Row], n: usize) -> usize {
    let (block, rest) = rows.split_at(n);
    rest.chunks(n).take_while(|c| *c == block).count()
}

/// Is this one call of one task with all that happens inside it?
fn is_whole(block: &[Row]) -> bool {
    let [first, inner @ ..] = block else {
        return false;
    };
    matches!(first.actor, Actor::Task(_))
        && inner
            .iter()
            .all(|r| r.actor == first.actor && r.depth > first.depth)
}

/// An answer of the lock space that waits to be looked at.
fn is_arrival(line: &Line) -> bool {
    line.outcome == GRANT_ARRIVES || line.outcome == REFUSAL_ARRIVES
}

/// Of each line, whether there is a later one about the same glock.
fn told_later(lines: &[&Line]) -> Vec<bool> {
    let mut seen: HashSet<(Actor, &str)> = HashSet::new();
    let backwards = lines.iter().rev();
    let mut later: Vec<bool> = backwards
        .map(|line| !seen.insert((line.actor, line.call.as_str())))
        .collect();
    later.reverse();
    later
}

fn continues(row: &Row, line: &Line) -> bool {
    line.continues && row.actor == line.actor && row.depth == line.depth && row.call == line.call
}

fn strings_with(row: &Row, line: &Line) -> bool {
    let background = !matches!(line.actor, Actor::Task(_));
    background && row.actor == line.actor && row.call == line.call
}
