//! A sequence chart as a picture: a lane per task, worker and lock space, time runs down,
//! messages are arrows from where they are sent to where they are taken.

use super::svg::{self, LETTER, LINE};
use crate::record::{Record, RecordStep};
use crate::wrap::wrap;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;

/// Letters in a lane.
const LETTERS: usize = 36;
/// Left of the first lane, for the numbers of the steps.
const MARGIN: f64 = 42.0;
const LANE: f64 = LETTERS as f64 * LETTER + 24.0;

struct Chart<'r> {
    record: &'r Record,
    /// The actors that have a lane, from left to right.
    lanes: Vec<u32>,
    y: f64,
    body: String,
    /// Where messages under way were sent, per sender, receiver and file.
    sent: HashMap<(u32, u32, &'r str), VecDeque<f64>>,
}

pub(super) fn svg(record: &Record) -> String {
    let lanes = (0..record.actors.len() as u32).filter(|&a| super::acts(record, a));
    let mut chart = Chart {
        record,
        lanes: lanes.collect(),
        y: 0.0,
        body: String::new(),
        sent: HashMap::new(),
    };
    chart.heads();
    let top = chart.y;
    let mut again = None;
    for (i, step) in record.steps.iter().enumerate() {
        if record.repeats_from == Some(i) {
            again = Some(chart.y);
            chart.y += LINE;
            let y = chart.y;
            svg::text(&mut chart.body, MARGIN, y, "bold", "then for ever:");
        }
        chart.step(i, step);
    }
    let width = MARGIN + chart.lanes.len().max(1) as f64 * LANE;
    if let Some(from) = again {
        let (height, inner) = (chart.y - from + 4.0, width - 8.0);
        let _ = writeln!(
            chart.body,
            "<rect class=\"again\" x=\"4\" y=\"{from}\" width=\"{inner}\" height=\"{height}\"/>"
        );
    }
    let bottom = chart.y + LINE;
    for &lane in &chart.lanes {
        let x = chart.x(lane) - 8.0;
        let _ = writeln!(
            chart.body,
            "<path class=\"line\" d=\"M{x} {top}V{bottom}\"/>"
        );
    }
    chart.y = bottom;
    chart.end(width);
    let title = format!("{} under {}", record.scenario.name, record.design.name);
    svg::picture(width, chart.y + LINE, &title, &chart.body)
}

impl<'r> Chart<'r> {
    /// Left end of a lane's text.
    fn x(&self, actor: u32) -> f64 {
        let at = self.lanes.iter().position(|&a| a == actor).unwrap_or(0);
        MARGIN + at as f64 * LANE + 10.0
    }

    fn heads(&mut self) {
        let mut lowest: f64 = 0.0;
        for &lane in &self.lanes.clone() {
            let actor = &self.record.actors[lane as usize];
            let mut y = LINE;
            let x = self.x(lane);
            svg::text(&mut self.body, x, y, "bold", &actor.name);
            let operation = actor.operation.as_deref().unwrap_or_default();
            for part in wrap(operation, LETTERS, 2) {
                y += LINE;
                svg::text(&mut self.body, x, y, "", &part);
            }
            lowest = lowest.max(y);
        }
        self.y = lowest + LINE / 2.0;
    }

    fn step(&mut self, number: usize, step: &'r RecordStep) {
        let top = self.y + LINE;
        let record = self.record;
        for line in record.lines_of(step) {
            let indent = usize::from(line.depth).min(8);
            let x = self.x(line.actor) + indent as f64 * LETTER;
            for part in wrap(&line.text(), LETTERS - indent, 2) {
                self.y += LINE;
                let y = self.y;
                svg::text(&mut self.body, x, y, "", &part);
            }
        }
        if step.say.is_empty() && step.send.is_empty() && step.take.is_empty() {
            return;
        }
        svg::text(&mut self.body, 6.0, top, "", &(number + 1).to_string());
        for &message in &step.send {
            let m = &record.messages[message as usize];
            self.y += LINE;
            let y = self.y;
            let key = (m.from, m.to, m.file.as_str());
            self.sent.entry(key).or_default().push_back(y);
            let x = self.x(m.from);
            let text = format!("{}: {}", m.file, m.text);
            for part in wrap(&format!("> {text}"), LETTERS, 2) {
                svg::text(&mut self.body, x, self.y, "", &part);
                self.y += LINE;
            }
            self.y -= LINE;
        }
        for &message in &step.take {
            let m = &record.messages[message as usize];
            let key = (m.from, m.to, m.file.as_str());
            let Some(from) = self.sent.get_mut(&key).and_then(VecDeque::pop_front) else {
                continue;
            };
            let (x1, x2) = (self.x(m.from) - 8.0, self.x(m.to) - 8.0);
            let to = self.y.max(from + 4.0);
            let _ = writeln!(
                self.body,
                "<path class=\"arrow\" marker-end=\"url(#head)\" d=\"M{x1} {from}L{x2} {to}\"/>"
            );
        }
    }

    /// What is wrong, below.
    fn end(&mut self, width: f64) {
        let letters = ((width - 2.0 * 12.0) / LETTER) as usize;
        for line in &self.record.closing.clone() {
            for part in wrap(line, letters.max(20), 2) {
                self.y += LINE;
                svg::text(&mut self.body, 12.0, self.y, "", &part);
            }
        }
    }
}
