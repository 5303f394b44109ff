//! What is said about a recording under a design.

use super::observe::{Observation, Recording, What};
use super::verdict::{Conformance, Verdict};
use std::fmt::Write;

macro_rules! say {
    ($out:expr, $($text:tt)*) => {{
        let _ = writeln!($out, $($text)*);
    }};
}

/// Width of a report, in columns.
const WIDTH: usize = 78;

/// How many events before the one that does not fit are shown.
const SHOWN: usize = 24;

/// How many alternatives are listed.
const ALTERNATIVES: usize = 8;

/// The whole report. `texts` are the logs, to quote lines from.
pub fn report(recording: &Recording, found: &Conformance, texts: &[String]) -> String {
    let mut out = String::new();
    match found.verdict {
        Verdict::Accepted => accepted(&mut out, recording, found),
        Verdict::Incomplete => {
            let (matched, _) = found.matched;
            say!(
                out,
                "Unknown: {matched} events are a history of {}, but what follows is lost.",
                found.design
            );
        }
        Verdict::Unknown(why) => say!(out, "Unknown under {}: {why}.", found.design),
        Verdict::Rejected | Verdict::RejectedAtEnd => rejected(&mut out, recording, found, texts),
    }
    footnotes(&mut out, recording);
    out
}

fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn accepted(out: &mut String, recording: &Recording, found: &Conformance) {
    say!(
        out,
        "Accepted: a history of {}. {} matched, {} of the model left.",
        found.design,
        plural(found.matched.0, "event"),
        plural(found.states, "state")
    );
    if !found.deadlock.is_empty() {
        let names = found.deadlock.iter();
        let names: Vec<&str> = names
            .map(|&proc| recording.processes[proc].name.as_str())
            .collect();
        say!(
            out,
            "In the end {} wait for one another.",
            names.join(" and ")
        );
    }
}

fn rejected(out: &mut String, recording: &Recording, found: &Conformance, texts: &[String]) {
    match found.verdict {
        Verdict::RejectedAtEnd => {
            let stuck = recording.ending.stuck;
            let what = match recording.ending.bug {
                true => "the kernel hits a BUG".to_owned(),
                false => format!("{} never come back", plural(stuck, "task")),
            };
            say!(
                out,
                "Rejected at the end: in the recording {what}. {} has no such end here.",
                found.design
            );
        }
        _ => say!(out, "Rejected: not a history of {}.", found.design),
    }
    for (log, name) in recording.names.iter().enumerate() {
        let Some(observation) = &found.at[log] else {
            if recording.logs.len() > 1 {
                say!(out, "{name}: fits to its end.");
            }
            continue;
        };
        say!(
            out,
            "{name}\nline {}: nothing fits from here on.",
            observation.line
        );
        let line = texts[log].lines().nth(observation.line - 1).unwrap_or("");
        say!(out, "  {}", cut(line.trim(), WIDTH - 2));
        say!(out, "  {}", with_name(recording, log, &observation.what));
    }
    if !found.allowed.is_empty() {
        say!(out, "\nThe model allowed instead:");
        let allowed = found.allowed.iter();
        let mut texts: Vec<String> = allowed
            .map(|(log, what)| with_name(recording, *log, what))
            .collect();
        texts.sort();
        texts.dedup();
        for text in &texts[..texts.len().min(ALTERNATIVES)] {
            say!(out, "  {text}");
        }
        if texts.len() > ALTERNATIVES {
            say!(out, "  and {} more", texts.len() - ALTERNATIVES);
        }
    }
    columns(out, recording, found);
    if let Some(state) = &found.state {
        say!(
            out,
            "\nOne of the {} that fit before:\n{}",
            plural(found.states, "state"),
            state.trim_end()
        );
    }
}

fn with_name(recording: &Recording, log: usize, what: &What) -> String {
    let text = recording.text(what);
    match what.proc() {
        Some(proc) => format!("{}: {text}", recording.processes[proc as usize].name),
        None if recording.logs.len() > 1 => format!("node {}: {text}", log + 1),
        None => text,
    }
}

/// The events before, a column for each process and one for what happens to the glocks.
fn columns(out: &mut String, recording: &Recording, found: &Conformance) {
    let first = found.order.len().saturating_sub(SHOWN);
    let last = &found.order[first..];
    if last.is_empty() {
        return;
    }
    let names = recording.processes.iter().map(|p| p.name.as_str());
    let names: Vec<&str> = names.chain(["glocks"]).collect();
    let width = (WIDTH + 2) / names.len() - 2;
    let row = |out: &mut String, cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|c| format!("{c:width$}")).collect();
        say!(out, "{}", cells.join("  ").trim_end());
    };
    say!(out, "\nWhat led here:\n");
    row(
        out,
        &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(),
    );
    row(out, &vec!["-".repeat(width); names.len()]);
    for &(log, Observation { ref what, .. }) in last {
        let text = recording.text(what);
        let (column, text) = match what.proc() {
            Some(proc) => (proc as usize, text),
            None if recording.logs.len() > 1 => (names.len() - 1, format!("{}: {text}", log + 1)),
            None => (names.len() - 1, text),
        };
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let line = lines.last_mut().expect("there is a line");
            if !line.is_empty() && line.len() + 1 + word.len() > width {
                lines.push(format!("  {word}"));
            } else {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
        for line in lines {
            let mut cells = vec![String::new(); names.len()];
            cells[column] = line;
            row(out, &cells);
        }
    }
}

fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some((at, _)) => text[..at].to_owned(),
        None => text.to_owned(),
    }
}

fn footnotes(out: &mut String, recording: &Recording) {
    let skipped: usize = recording.skipped.iter().sum();
    if skipped > 0 {
        say!(
            out,
            "Not matched: {} that say nothing about the model.",
            plural(skipped, "line")
        );
    }
    if recording.ending.cut.is_some() {
        say!(out, "The recording is not whole; its beginning is.");
    }
    for (log, problem) in &recording.problems {
        say!(out, "{}: {problem}.", recording.names[*log]);
    }
}
