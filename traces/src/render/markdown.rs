//! A page for a forge.

use crate::columns::{DesignLines, Style, WIDTH};
use crate::record::Record;
use std::fmt::Write;

pub(super) fn text(record: &Record) -> String {
    let (scenario, design) = (&record.scenario.name, &record.design.name);
    let title = match &record.property {
        Some(property) => format!("{property} {}", record.verdict),
        None => format!("A history of {scenario}"),
    };
    let mut out = format!("# {}\n\n", escaped(title.trim_end()));
    let _ = writeln!(
        out,
        "Scenario {} under design {}. {}",
        code(scenario),
        code(design),
        escaped(&record.meaning)
    );
    if !record.switches.is_empty() {
        let switches = record.switches.join(", ");
        let _ = writeln!(out, "\nSwitches: {}.", escaped(&switches));
    }
    if let Some(search) = &record.search {
        let states = search.states.map(|n| format!(", {n} states"));
        let _ = writeln!(
            out,
            "\nFound by looking at {}{}; {}.",
            escaped(&search.how),
            states.unwrap_or_default(),
            match search.shortest {
                true => "no history is shorter",
                false => "there may be a shorter one",
            }
        );
    }
    if let Some(command) = &record.command {
        let _ = writeln!(out, "\nAgain:\n\n{}", fenced("sh", command));
    }
    let style = Style {
        width: WIDTH,
        design_lines: DesignLines::Shown,
    };
    let told = style.report_of_record(record);
    let _ = write!(out, "\n{}", fenced("text", told.trim_end()));
    for source in &record.design.sources {
        let text = source.text.join("\n");
        let _ = write!(
            out,
            "\n<details><summary>The design {}</summary>\n\n{}\n</details>\n",
            html(&source.design),
            fenced("text", &text)
        );
    }
    let text = record.scenario.text.join("\n");
    let _ = write!(
        out,
        "\n<details><summary>The scenario</summary>\n\n{}\n</details>\n",
        fenced("toml", &text)
    );
    out
}

/// A block in a fence that is longer than any in it.
fn fenced(language: &str, text: &str) -> String {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{text}\n{fence}\n")
}

fn code(text: &str) -> String {
    match text.contains('`') {
        true => escaped(text),
        false => format!("`{text}`"),
    }
}

/// Text that is nothing but text.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "\\`*_{}[]<>#|&~!".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn html(text: &str) -> String {
    super::svg::escaped(text)
}
