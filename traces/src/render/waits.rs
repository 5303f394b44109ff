//! Who waits for whom at the end of a history, as a picture.

use super::svg::{self, LETTER, LINE};
use crate::observe::{Table, Value};
use crate::record::Record;
use std::collections::BTreeSet;
use std::f64::consts::TAU;
use std::fmt::Write;

pub(super) fn svg(record: &Record) -> String {
    let mut walker = record.walk();
    walker.go_to(record.steps.len());
    let mut edges: Vec<(&str, &str)> = Vec::new();
    for (variable, value) in walker.values() {
        if let (Table::Waits, "waits for", Value::List(whom)) =
            (variable.table, variable.name.as_str(), value)
        {
            edges.extend(whom.iter().map(|w| (variable.row.as_str(), w.as_str())));
        }
    }
    let names: BTreeSet<&str> = edges.iter().flat_map(|&(a, b)| [a, b]).collect();
    let names = in_a_circle(&record.cycle, &names);
    let title = format!("who waits for whom: {}", record.scenario.name);
    if names.is_empty() {
        let mut body = String::new();
        svg::text(&mut body, 12.0, 24.0, "", "Nobody waits for anybody.");
        return svg::picture(240.0, 40.0, &title, &body);
    }
    let longest = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let half = longest as f64 * LETTER / 2.0 + 10.0;
    let radius = (names.len() as f64 * (half * 2.0 + 40.0) / TAU).max(70.0);
    let (cx, cy) = (radius + half + 10.0, radius + LINE * 2.0);
    let place = |i: usize| {
        let angle = TAU * i as f64 / names.len() as f64 - TAU / 4.0;
        (cx + radius * angle.cos(), cy + radius * angle.sin())
    };
    let at = |name: &str| names.iter().position(|n| *n == name).map(place);
    let mut body = String::new();
    for &(from, to) in &edges {
        let (Some(a), Some(b)) = (at(from), at(to)) else {
            continue;
        };
        let class = if is_in_cycle(&record.cycle, from, to) {
            "cycle"
        } else {
            "arrow"
        };
        edge(&mut body, a, b, half, class);
    }
    for (i, name) in names.iter().enumerate() {
        let (x, y) = place(i);
        let class = match record.cycle.iter().any(|c| c == name) {
            true => "cycle-box",
            false => "box",
        };
        let (left, top, width) = (x - half, y - LINE, half * 2.0);
        let _ = writeln!(
            body,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{}\" rx=\"6\"/>",
            2.0 * LINE
        );
        svg::text(&mut body, round(x), round(y + 4.0), "middle", name);
    }
    svg::picture(round(cx * 2.0), round(cy * 2.0), &title, &body)
}

fn round(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

/// Those in the circle of waits in its order, then the others.
fn in_a_circle<'r>(cycle: &'r [String], names: &BTreeSet<&'r str>) -> Vec<&'r str> {
    let first = cycle
        .iter()
        .map(String::as_str)
        .filter(|n| names.contains(n));
    let mut out: Vec<&str> = Vec::new();
    for name in first.chain(names.iter().copied()) {
        if !out.contains(&name) {
            out.push(name);
        }
    }
    out
}

fn is_in_cycle(cycle: &[String], from: &str, to: &str) -> bool {
    let next = cycle.iter().cycle().skip(1);
    cycle.iter().zip(next).any(|(a, b)| a == from && b == to)
}

/// An arrow from the edge of one box to the edge of another; from a box to itself a loop.
fn edge(out: &mut String, a: (f64, f64), b: (f64, f64), half: f64, class: &str) {
    let head = if class == "cycle" {
        "cycle-head"
    } else {
        "head"
    };
    if a == b {
        let (x, y) = (a.0 + half, a.1);
        let _ = writeln!(
            out,
            "<path class=\"{class}\" marker-end=\"url(#{head})\" \
             d=\"M{x:.1} {:.1}c30 -20 30 30 0 12\"/>",
            y - 6.0
        );
        return;
    }
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    // How much of the way lies inside a box.
    let inside = (half / dx.abs().max(0.1)).min((LINE + 1.0) / dy.abs().max(0.1));
    let (from, to) = (
        (a.0 + dx * inside, a.1 + dy * inside),
        (b.0 - dx * inside, b.1 - dy * inside),
    );
    // Bent a little, so that two that wait for one another have two arrows.
    let bend = (
        (from.0 + to.0) / 2.0 - dy * 0.12,
        (from.1 + to.1) / 2.0 + dx * 0.12,
    );
    let _ = writeln!(
        out,
        "<path class=\"{class}\" marker-end=\"url(#{head})\" d=\"M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}\"/>",
        from.0, from.1, bend.0, bend.1, to.0, to.1
    );
}
