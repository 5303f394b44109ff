//! The state a history starts in, in a sentence.

use crate::history::History;
use crate::names::Names;
use glock_model::scenario::{Page, Pte, VpageKind};

/// The state it starts in, as far as it is not empty.
pub(crate) fn initially(history: &History) -> String {
    let names = &Names::new(history.cluster());
    let scenario = history.cluster().scenario();
    let nodes: Vec<String> = (0..scenario.nodes as usize)
        .map(|n| node_initially(history, names, n))
        .collect();
    let mut text = String::from("Initially: ");
    if nodes.len() == 1 {
        text += &nodes[0];
    } else if nodes.iter().all(|n| *n == nodes[0]) {
        text += &format!("every node has {}", nodes[0]);
    } else {
        let node = |(n, has): (usize, &String)| format!("{} has {has}", names.node(n as u8));
        let nodes: Vec<String> = nodes.iter().enumerate().map(node).collect();
        text += &nodes.join("; ");
    }
    text + "."
}

fn node_initially(history: &History, names: &Names<'_>, n: usize) -> String {
    let scenario = history.cluster().scenario();
    let node = &history.initial().nodes[n];
    let mut parts = Vec::new();
    for (f, spec) in scenario.files.iter().enumerate() {
        let cached = &node.pages[f][..spec.pages as usize];
        let cached = match (cached.contains(&Page::Dirty), cached.contains(&Page::Clean)) {
            (true, _) => " (dirty pages)",
            (false, true) => " (cached)",
            (false, false) => "",
        };
        parts.push(format!(
            "{} {}{cached}",
            spec.name,
            node.glocks[f].state.name()
        ));
    }
    for (v, pte) in node.ptes.iter().enumerate() {
        match pte {
            Pte::None => {}
            Pte::Ro if scenario.vpages[v].kind == VpageKind::Anon => {
                parts.push(format!("{} not marked dirty", names.vpage_of_mm(v as u8)));
            }
            Pte::Ro => parts.push(format!("{} read-only", names.vpage_of_mm(v as u8))),
            Pte::Rw => parts.push(format!("{} writable", names.vpage_of_mm(v as u8))),
        }
    }
    parts.join(", ")
}
