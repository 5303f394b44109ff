//! A sequence chart in the language of Mermaid.

use crate::record::{Record, RecordStep};
use std::fmt::Write;

pub(super) fn text(record: &Record) -> String {
    let mut out = String::from("sequenceDiagram\n");
    for (i, actor) in record.actors.iter().enumerate() {
        if !super::acts(record, i as u32) {
            continue;
        }
        let mut title = actor.name.clone();
        if let Some(operation) = &actor.operation {
            title += ": ";
            title += operation;
        }
        let _ = writeln!(out, "    participant A{i} as {}", escaped(&title));
    }
    for (i, step) in record.steps.iter().enumerate() {
        let indent = match record.repeats_from {
            Some(start) if i >= start => "    ",
            _ => "",
        };
        if record.repeats_from == Some(i) {
            out += "    loop for ever\n";
        }
        write_step(&mut out, record, i, step, indent);
    }
    if record
        .repeats_from
        .is_some_and(|start| start < record.steps.len())
    {
        out += "    end\n";
    }
    let acting: Vec<usize> = (0..record.actors.len())
        .filter(|&a| super::acts(record, a as u32))
        .collect();
    if let (Some(first), Some(last), Some(end)) =
        (acting.first(), acting.last(), record.closing.last())
    {
        let over = match first == last {
            true => format!("A{first}"),
            false => format!("A{first},A{last}"),
        };
        let _ = writeln!(out, "    Note over {over}: {}", escaped(end));
    }
    out
}

fn write_step(out: &mut String, record: &Record, number: usize, step: &RecordStep, indent: &str) {
    let mut told: Vec<(u32, Vec<String>)> = Vec::new();
    for line in record.lines_of(step) {
        let text = escaped(&line.text());
        match told.last_mut() {
            Some((actor, texts)) if *actor == line.actor => texts.push(text),
            _ => told.push((line.actor, vec![text])),
        }
    }
    for (i, (actor, texts)) in told.iter().enumerate() {
        let number = match i {
            0 => format!("{}. ", number + 1),
            _ => String::new(),
        };
        let text = texts.join("<br/>");
        let _ = writeln!(out, "{indent}    Note over A{actor}: {number}{text}");
    }
    for &message in &step.send {
        let m = &record.messages[message as usize];
        let text = escaped(&format!("{}: {}", m.file, m.text));
        let _ = writeln!(out, "{indent}    A{}-)A{}: {text}", m.from, m.to);
    }
}

/// Letters that mean something to Mermaid, as entities.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '#' => out += "#35;",
            ';' => out += "#59;",
            '<' => out += "#lt;",
            '>' => out += "#gt;",
            '"' => out += "#quot;",
            '%' => out += "#37;",
            c => out.push(c),
        }
    }
    out
}
