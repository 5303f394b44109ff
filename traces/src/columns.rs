//! The table of a history: one column per task, time runs down.
//!
//! The form of race diagrams on kernel mailing lists: calls are indented under their
//! caller, and only one task acts per row. Glock work, the lock space and the
//! environment have rows of their own that begin with `*` and may use the whole
//! width. With more tasks than columns of a readable width fit, the columns are
//! staggered instead, and every row begins with its task's name.

use crate::chart::Chart;
use crate::fold::{Row, rows};
use crate::history::History;
use crate::line::{Actor, DesignLine};
use crate::wrap::{wrap, wrap_call};
use std::collections::BTreeMap;

/// Width of a terminal.
pub const WIDTH: usize = 80;
/// Width of a commit message.
pub const COMMIT_WIDTH: usize = 72;

/// A column narrower than this cannot be read.
const NARROWEST: usize = 22;
/// Stands above what repeats.
const FOR_EVER: &str = "then for ever:";
/// Between two columns.
const GAP: usize = 2;

/// Are the lines of the design shown with what they do?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DesignLines {
    /// No.
    #[default]
    Omitted,
    /// As `[base:12]` behind the text, where a task gets to a new line.
    Shown,
}

/// How a table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Most characters in a line; [`WIDTH`] or [`COMMIT_WIDTH`], at least 40.
    pub width: usize,
    /// Lines of the design.
    pub design_lines: DesignLines,
}

impl Default for Style {
    fn default() -> Self {
        Style {
            width: WIDTH,
            design_lines: DesignLines::Omitted,
        }
    }
}

/// Where the columns are.
struct Layout {
    tasks: Vec<u8>,
    width: usize,
    /// Width of the gutter with the tasks' names; 0 if there is none.
    gutter: usize,
    /// From one column to the next.
    pitch: usize,
    /// Width of a column.
    column: usize,
}

impl Layout {
    fn new(tasks: Vec<u8>, chart: &Chart, width: usize) -> Layout {
        let n = tasks.len().max(1);
        let pitch = (width + GAP) / n;
        if pitch >= NARROWEST + GAP {
            return Layout {
                tasks,
                width,
                gutter: 0,
                pitch,
                column: pitch - GAP,
            };
        }
        let name = |t: &u8| chart.tasks[*t as usize].name.chars().count();
        let gutter = tasks.iter().map(name).max().unwrap_or(0).min(width / 4) + 1;
        let pitch = 2;
        Layout {
            gutter,
            pitch,
            column: width - gutter - pitch * (n - 1),
            tasks,
            width,
        }
    }

    fn start(&self, task: u8) -> usize {
        let at = self.tasks.iter().position(|&t| t == task).unwrap_or(0);
        self.gutter + at * self.pitch
    }

    /// How far a call is indented under its caller.
    fn indent(&self, depth: u8) -> usize {
        let step = if self.column < 30 { 1 } else { 2 };
        (step * depth as usize).min(self.column / 2)
    }
}

impl Style {
    /// The table of a history.
    pub fn table(&self, history: &History) -> String {
        self.chart(&Chart::of(history))
    }

    /// The table of what is told.
    pub(crate) fn chart(&self, chart: &Chart) -> String {
        let width = self.width.max(40);
        let (once, again) = chart.parts();
        let (once, again) = (rows(once), rows(again));
        let layout = Layout::new(columns(chart, &[&once, &again]), chart, width);
        let mut out = wrap(&chart.initially, width, 2);
        out.push(String::new());
        out.extend(header(chart, &layout));
        let mut places: BTreeMap<u8, &DesignLine> = BTreeMap::new();
        for (i, row) in once.iter().chain(&again).enumerate() {
            if i == once.len() {
                out.extend([String::new(), FOR_EVER.to_string()]);
            }
            match row.actor {
                Actor::Task(task) => {
                    let place = row.design.as_ref();
                    let known = place.is_none_or(|p| places.insert(task, p) == Some(p));
                    let place = place.filter(|_| !known);
                    self.task_row(&mut out, chart, &layout, task, row, place);
                }
                _ => background_row(&mut out, &layout, row),
            }
        }
        let lines: Vec<&str> = out.iter().map(|l| l.trim_end()).collect();
        lines.join("\n") + "\n"
    }

    fn task_row(
        &self,
        out: &mut Vec<String>,
        chart: &Chart,
        layout: &Layout,
        task: u8,
        row: &Row,
        place: Option<&DesignLine>,
    ) {
        let (mut call, mut outcome) = (row.call.clone(), row.outcome.clone());
        if let (DesignLines::Shown, Some(DesignLine { design, number, .. })) =
            (self.design_lines, place)
        {
            let end = if outcome.is_empty() {
                &mut call
            } else {
                &mut outcome
            };
            *end += &format!(" [{design}:{number}]");
        }
        let indent = layout.indent(row.depth);
        let left = layout.start(task) + indent;
        let lines = wrap_call(&call, &outcome, layout.column - indent);
        for (i, line) in lines.into_iter().enumerate() {
            let margin = match (layout.gutter, i) {
                (0, _) | (_, 1..) => " ".repeat(left),
                _ => format!("{:<left$}", gutter_name(chart, layout, task)),
            };
            out.push(margin + &line);
        }
    }
}

fn gutter_name(chart: &Chart, layout: &Layout, task: u8) -> String {
    let name = &chart.tasks[task as usize].name;
    name.chars().take(layout.gutter - 1).collect()
}

fn background_row(out: &mut Vec<String>, layout: &Layout, row: &Row) {
    out.extend(wrap(&format!("* {}", row.text()), layout.width, 4));
}

/// The tasks that act; all of them if none does.
fn columns(chart: &Chart, rows: &[&[Row]]) -> Vec<u8> {
    let all = 0..chart.tasks.len() as u8;
    let acts = |t: &u8| {
        rows.iter()
            .copied()
            .flatten()
            .any(|r| r.actor == Actor::Task(*t))
    };
    let acting: Vec<u8> = all.clone().filter(acts).collect();
    if acting.is_empty() {
        all.collect()
    } else {
        acting
    }
}

fn header(chart: &Chart, layout: &Layout) -> Vec<String> {
    let heads = || layout.tasks.iter().map(|&t| &chart.tasks[t as usize]);
    let titles = heads().map(|head| head.title.as_str());
    let operations = heads().map(|head| head.operation.as_str());
    if layout.gutter > 0 {
        let pairs = titles.zip(operations);
        let lines = pairs.map(|(title, op)| wrap(&format!("{title}: {op}"), layout.width, 4));
        let mut out: Vec<String> = lines.flatten().collect();
        out.push("-".repeat(layout.width.min(24)));
        return out;
    }
    let cells: Vec<Vec<String>> = titles
        .zip(operations)
        .map(|(title, op)| {
            let mut cell = wrap(title, layout.column, 2);
            cell.extend(wrap(op, layout.column, 2));
            cell
        })
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = vec![String::new(); height + 1];
    for (i, cell) in cells.iter().enumerate() {
        let rule = cell.iter().map(|l| l.chars().count()).max().unwrap_or(0);
        let rule = "-".repeat(rule);
        let padded = (0..height).map(|r| cell.get(r).map_or("", String::as_str));
        for (line, text) in out.iter_mut().zip(padded.chain([rule.as_str()])) {
            let at = i * layout.pitch;
            *line = format!("{line:<at$}{text}");
        }
    }
    out
}
