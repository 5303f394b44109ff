//! Where two histories part.

use crate::columns::WIDTH;
use crate::record::{Record, RecordLine};
use crate::wrap::wrap;

/// How two records compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// How many steps are told alike.
    pub alike: usize,
    /// Variables with other values before the first step: the variable and both values.
    pub start: Vec<(String, String, String)>,
    /// What the first differing step of each says; none if it has no more steps.
    pub next: [Option<String>; 2],
    /// What that step changes in one and not in the other: the variable and both values.
    pub changed: Vec<(String, String, String)>,
}

/// The first step at which two records part: somebody else moves, or something else is told or
/// changed. Variables that only one of them has do not count.
pub fn parting(a: &Record, b: &Record) -> Parting {
    let common: Vec<(usize, usize)> = a
        .variables
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((i, b.variables.iter().position(|w| w == v)?)))
        // Statements have other numbers in another design, and stand elsewhere.
        .filter(|&(i, _)| !is_place(&a.variables[i].name))
        .collect();
    let (mut wa, mut wb) = (a.walk(), b.walk());
    let differing = |wa: &crate::record::Walker<'_>, wb: &crate::record::Walker<'_>| {
        let mut out = Vec::new();
        for &(i, j) in &common {
            let old = &a.values[wa.indices()[i] as usize];
            let new = &b.values[wb.indices()[j] as usize];
            if old != new {
                let name = a.variables[i].to_string();
                out.push((name, old.to_string(), new.to_string()));
            }
        }
        out
    };
    let mut parting = Parting {
        alike: 0,
        start: differing(&wa, &wb),
        next: [None, None],
        changed: Vec::new(),
    };
    if !parting.start.is_empty() {
        return parting;
    }
    for i in 0..a.steps.len().max(b.steps.len()) {
        let (ta, tb) = (told(a, i), told(b, i));
        wa.step();
        wb.step();
        let changed = differing(&wa, &wb);
        if ta != tb || !changed.is_empty() {
            parting.next = [ta, tb];
            parting.changed = changed;
            return parting;
        }
        parting.alike += 1;
    }
    parting
}

fn is_place(name: &str) -> bool {
    name.contains("instruction") || name == "at" || name == "handler at"
}

/// Who moves in a step, and what is told of it.
fn told(record: &Record, step: usize) -> Option<String> {
    let step = record.steps.get(step)?;
    let actor = &record.actors[record.actor_of(step) as usize].name;
    let line = |line: &RecordLine| line.text();
    let lines: Vec<String> = record.lines_of(step).map(line).collect();
    Some(match lines.is_empty() {
        true => format!("{actor}: goes on"),
        false => format!("{actor}: {}", lines.join("; ")),
    })
}

impl Parting {
    /// Is there none?
    pub fn is_none(&self) -> bool {
        self.start.is_empty() && self.next == [None, None]
    }

    /// The same in words; `names` are what the two are called.
    pub fn told(&self, names: [&str; 2]) -> String {
        const WIDEST: usize = 24;
        let mut out = String::new();
        let mut say = |text: &str, hang: usize| {
            for line in wrap(text, WIDTH, hang) {
                out += line.trim_end();
                out.push('\n');
            }
        };
        let steps = |n| match n {
            1 => "1 step".to_owned(),
            n => format!("{n} steps"),
        };
        if self.is_none() {
            say(&format!("The two are the same: {}.", steps(self.alike)), 0);
            return out;
        }
        if !self.start.is_empty() {
            say(
                "The two part before the first step: they start in other states.",
                0,
            );
        } else {
            let which = format!("The two part at step {}", self.alike + 1);
            say(
                &format!("{which}; {} before it are the same.", steps(self.alike)),
                0,
            );
        }
        let short = |name: &str| name.chars().count() <= WIDEST;
        let (a, b) = match short(names[0]) && short(names[1]) {
            true => (names[0], names[1]),
            false => {
                say(&format!("  A is {}", names[0]), 5);
                say(&format!("  B is {}", names[1]), 5);
                ("A", "B")
            }
        };
        if self.start.is_empty() {
            for (name, next) in [a, b].iter().zip(&self.next) {
                let next = next.as_deref().unwrap_or("has no more steps");
                say(&format!("  {name}: {next}"), 4);
            }
        }
        for (variable, old, new) in self.start.iter().chain(&self.changed) {
            say(&format!("  {variable}: {a} {old:?}, {b} {new:?}"), 4);
        }
        out
    }
}
