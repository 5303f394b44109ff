//! Smaller schedules for the same failure.
//!
//! Delta debugging (Zeller and Hildebrandt, 2002) over a schedule cut where it changes
//! threads: pieces are left out or swapped, and what is left is followed as far as it
//! goes. A candidate counts only if its execution fails in the same way; what is kept is
//! what it really did, so that every result is again an exact schedule.

use super::shuttle_runs::{Execution, STEPS, Schedule, follow};
use super::{Case, Judged, judging};
use glock_primitives::Weakened;
use glock_primitives::event::{Event, Op};
use std::mem::{Discriminant, discriminant};
use std::path::PathBuf;

/// The way in which an execution fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody can move.
    Deadlock,
    /// An assertion: its first line, without numbers.
    Panic(String),
    /// The log is no history of the model; what the first event that does not fit is.
    NoHistory(Discriminant<Op>),
}

/// Executions that are tried, at most.
const TRIED: usize = 3_000;

/// A failing execution, with the smallest schedule that was found for it.
pub struct Shrunk {
    pub kind: Kind,
    pub original: Schedule,
    pub schedule: Schedule,
    /// Executions that were tried.
    pub tried: usize,
    /// The log of the smallest; up to the event that does not fit, if one does not.
    pub events: Vec<Event>,
}

/// How a schedule is compared: preemptions first, then switches, then steps.
fn size(s: &Schedule) -> (usize, usize, usize) {
    (s.preemptions(), s.switches(), s.steps())
}

/// Shrinks the schedule of an execution that fails. `None` if it does not fail.
pub fn shrink(case: &'static Case, schedule: &Schedule, part: Option<Weakened>) -> Option<Shrunk> {
    judging(case, |judge| {
        let mut kind = |once: &Execution| -> Option<(Kind, Vec<Event>)> {
            let events = once.events.clone();
            if let Some(why) = &once.why {
                let line = why.lines().next().unwrap_or_default();
                let kind = match line.contains("deadlock") {
                    true => Kind::Deadlock,
                    false => Kind::Panic(line.replace(|c: char| c.is_ascii_digit(), "")),
                };
                return Some((kind, events));
            }
            let Judged::Not { at, .. } = judge(&events) else {
                return None;
            };
            let kind = Kind::NoHistory(discriminant(&events[at].op));
            Some((kind, events[..=at].to_vec()))
        };
        let first = follow(case, schedule.threads(), STEPS, part)?;
        let (wanted, events) = kind(&first)?;
        let mut best = Shrunk {
            kind: wanted,
            original: first.schedule.clone(),
            schedule: first.schedule,
            tried: 1,
            events,
        };
        let mut better = |best: &mut Shrunk, threads: Vec<usize>| -> bool {
            if best.tried >= TRIED {
                return false;
            }
            best.tried += 1;
            // Smaller, and in nothing larger than what there was at the beginning.
            let was = &best.original;
            let Some(once) = follow(case, threads, was.steps(), part) else {
                return false;
            };
            let s = &once.schedule;
            if size(s) >= size(&best.schedule) || s.switches() > was.switches() {
                return false;
            }
            match kind(&once) {
                Some((kind, events)) if kind == best.kind => {
                    (best.schedule, best.events) = (once.schedule, events);
                    true
                }
                _ => false,
            }
        };
        loop {
            let before = size(&best.schedule);
            cut_off(&mut best, &mut better);
            leave_out(&mut best, &mut better);
            run_on(&mut best, &mut better);
            swap(&mut best, &mut better);
            if size(&best.schedule) == before {
                return Some(best);
            }
        }
    })
}

/// A stretch in which one thread runs.
type Piece = (usize, usize);

fn pieces(schedule: &Schedule) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for thread in schedule.threads() {
        match pieces.last_mut() {
            Some((last, n)) if *last == thread => *n += 1,
            _ => pieces.push((thread, 1)),
        }
    }
    pieces
}

fn threads(pieces: &[Piece]) -> Vec<usize> {
    let repeat = |&(thread, n): &Piece| std::iter::repeat_n(thread, n);
    pieces.iter().flat_map(repeat).collect()
}

/// Ends the list early: from there on nobody is preempted.
fn cut_off(best: &mut Shrunk, better: &mut impl FnMut(&mut Shrunk, Vec<usize>) -> bool) {
    let all = pieces(&best.schedule);
    for end in 0..all.len() {
        if better(best, threads(&all[..end])) {
            return;
        }
    }
}

/// Lets a thread run until it cannot go on.
fn run_on(best: &mut Shrunk, better: &mut impl FnMut(&mut Shrunk, Vec<usize>) -> bool) {
    let mut at = 0;
    loop {
        let mut longer = pieces(&best.schedule);
        if at >= longer.len() {
            return;
        }
        longer[at].1 = best.original.steps();
        let found = better(best, threads(&longer));
        at += usize::from(!found);
    }
}

/// Leaves pieces out: halves, quarters, and so on down to single ones, and the end of
/// single ones.
fn leave_out(best: &mut Shrunk, better: &mut impl FnMut(&mut Shrunk, Vec<usize>) -> bool) {
    let mut length = pieces(&best.schedule).len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        loop {
            let mut left = pieces(&best.schedule);
            if at >= left.len() {
                break;
            }
            left.drain(at..(at + length).min(left.len()));
            if !better(best, threads(&left)) {
                at += length;
            }
        }
        length /= 2;
    }
    let mut at = 0;
    while let Some(&(_, n)) = pieces(&best.schedule).get(at) {
        let shorter = [n / 2, n - 1].iter().any(|&n| {
            let mut left = pieces(&best.schedule);
            left[at].1 = n;
            better(best, threads(&left))
        });
        at += usize::from(!shorter);
    }
}

/// Swaps pieces with those after them, so that pieces of one thread come together.
fn swap(best: &mut Shrunk, better: &mut impl FnMut(&mut Shrunk, Vec<usize>) -> bool) {
    let mut at = 0;
    loop {
        let now = pieces(&best.schedule);
        if at + 1 >= now.len() {
            return;
        }
        let mut swapped = now.clone();
        swapped.swap(at, at + 1);
        // Or the next piece of the same thread comes here.
        let mut joined = now.clone();
        let next = (at + 1..now.len()).find(|&j| now[j].0 == now[at].0);
        if let Some(next) = next {
            let piece = joined.remove(next);
            joined.insert(at + 1, piece);
        }
        let found = better(best, threads(&swapped)) || better(best, threads(&joined));
        at += usize::from(!found);
    }
}

impl std::fmt::Display for Shrunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = |s: &Schedule| {
            let (p, w, n) = size(s);
            format!("{n} steps, {w} switches of threads, {p} of them preemptions")
        };
        writeln!(f, "found:  {}", told(&self.original))?;
        let tried = self.tried;
        writeln!(
            f,
            "shrunk: {} ({tried} executions tried)",
            told(&self.schedule)
        )?;
        for e in &self.events {
            writeln!(f, "  {e}")?;
        }
        f.write_str(&glock_primitives::event::waits(&self.events))?;
        writeln!(f, "schedule: {}", self.schedule)
    }
}

/// Where schedules that fail are kept: `schedules/` in cargo's directory for the files
/// of tests, usually `target/tmp`.
pub fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("schedules")
}

/// Keeps a schedule that fails, for `replay_a_kept_schedule`: the file.
pub fn keep(case: &Case, part: Option<Weakened>, shrunk: &Shrunk) -> PathBuf {
    let part = part.map_or("whole".to_owned(), |p| format!("{p:?}"));
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = format!("{}-{part}", case.name)
        .chars()
        .map(letter)
        .collect();
    let dir = directory();
    std::fs::create_dir_all(&dir).expect("cargo's directory for tests is writable");
    let file = dir.join(name + ".txt");
    let said: String = shrunk
        .to_string()
        .lines()
        .filter(|l| !l.starts_with("schedule: "))
        .map(|l| format!("# {l}\n"))
        .collect();
    let text = format!(
        "case: {}\nweakened: {part}\nschedule: {}\n{said}",
        case.name, shrunk.schedule
    );
    std::fs::write(&file, text).expect("cargo's directory for tests is writable");
    file
}

/// What a kept file says: case, weakened part, and schedule.
pub fn kept(text: &str) -> Option<(&'static Case, Option<Weakened>, String)> {
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        line.map(str::trim)
    };
    let name = field("case:")?;
    let case = super::cases::ALL.iter().find(|c| c.name == name)?;
    let part = match field("weakened:")? {
        "whole" => None,
        part => Some(*Weakened::ALL.iter().find(|w| format!("{w:?}") == part)?),
    };
    Some((case, part, field("schedule:")?.to_owned()))
}
