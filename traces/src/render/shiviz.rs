//! A log for ShiViz: a lane per task, per node's glock worker and for the lock space, and
//! an event per step with a vector clock.
//!
//! An event knows of the events before it in its lane, of those that sent the messages it
//! takes, and of those that last changed what it changes. What a step tells of somebody
//! else is an event in that one's lane too, right behind it.

use crate::record::{Record, RecordStep};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;

/// How the lines of an event are taken apart.
const PARSER: &str = r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})";
/// What stands above a history.
const DELIMITER: &str = r"=== (?<trace>.*) ===";

type Clock = Vec<u64>;

struct Log<'r> {
    record: &'r Record,
    hosts: Vec<String>,
    clocks: Vec<Clock>,
    /// Per variable the clock of the event that changed it last.
    changed: Vec<Option<Clock>>,
    /// Clocks of messages under way, per message.
    under_way: HashMap<(u32, u32, String), VecDeque<Clock>>,
    out: String,
}

pub(super) fn text(record: &Record) -> String {
    let lanes = record.actors.len();
    let mut log = Log {
        record,
        hosts: hosts(record),
        clocks: vec![vec![0; lanes]; lanes],
        changed: vec![None; record.variables.len()],
        under_way: HashMap::new(),
        out: format!(
            "{PARSER}\n{DELIMITER}\n=== {} under {} ===\n",
            record.scenario.name, record.design.name
        ),
    };
    for step in &record.steps {
        log.step(step);
    }
    log.out
}

/// The lanes' names, without blanks and all different.
fn hosts(record: &Record) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for actor in &record.actors {
        let plain = |c: char| if c.is_whitespace() { '_' } else { c };
        let mut host: String = actor.name.chars().map(plain).collect();
        while hosts.contains(&host) {
            host.push('\'');
        }
        hosts.push(host);
    }
    hosts
}

fn merge(clock: &mut Clock, other: &Clock) {
    for (mine, theirs) in clock.iter_mut().zip(other) {
        *mine = (*mine).max(*theirs);
    }
}

impl Log<'_> {
    fn step(&mut self, step: &RecordStep) {
        let record = self.record;
        let actor = record.actor_of(step) as usize;
        let mut clock = self.clocks[actor].clone();
        for pair in step.set.chunks_exact(2) {
            if let Some(before) = &self.changed[pair[0] as usize] {
                merge(&mut clock, before);
            }
        }
        // What it takes and has not sent itself was sent by an earlier event.
        for &message in step.take.iter().filter(|m| !step.send.contains(m)) {
            if let Some(sent) = self.queue(message).and_then(VecDeque::pop_front) {
                merge(&mut clock, &sent);
            }
        }
        let text = record.told_of(step, actor as u32);
        self.event(actor, clock, &text);
        let clock = self.clocks[actor].clone();
        for pair in step.set.chunks_exact(2) {
            self.changed[pair[0] as usize] = Some(clock.clone());
        }
        for &message in step.send.iter().filter(|m| !step.take.contains(m)) {
            let m = &record.messages[message as usize];
            let key = (m.from, m.to, m.file.clone());
            self.under_way
                .entry(key)
                .or_default()
                .push_back(clock.clone());
        }
        for lane in 0..record.actors.len() {
            let text = record.told_of(step, lane as u32);
            if lane != actor && !text.is_empty() {
                let mut theirs = self.clocks[lane].clone();
                merge(&mut theirs, &clock);
                self.event(lane, theirs, &text);
            }
        }
    }

    fn queue(&mut self, message: u32) -> Option<&mut VecDeque<Clock>> {
        let m = &self.record.messages[message as usize];
        self.under_way.get_mut(&(m.from, m.to, m.file.clone()))
    }

    /// Writes an event that knows of all in `clock`.
    fn event(&mut self, lane: usize, mut clock: Clock, text: &str) {
        clock[lane] = self.clocks[lane][lane] + 1;
        let known = clock.iter().enumerate().filter(|(_, n)| **n > 0);
        let entries: Vec<String> = known
            .map(|(i, n)| format!("{}: {n}", serde_json::json!(self.hosts[i])))
            .collect();
        let _ = writeln!(
            self.out,
            "{text}\n{} {{{}}}",
            self.hosts[lane],
            entries.join(", ")
        );
        self.clocks[lane] = clock;
    }
}
