//! The forms of a record, each checked by the rules of its readers.

mod support;

use glock_model::cluster::State;
use glock_model::event::NoSink;
use glock_model::property::Property;
use glock_model::scenario::Library;
use glock_traces::{Ending, Form, History, Record, Style, Value, WIDTH};
use insta::assert_snapshot;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashSet};
use support::{designs_for, every_start, first_start, search, shortest, walk};

fn recorded(scenario: &str, design: &str, property: Property) -> Record {
    let cluster = first_start(scenario, design);
    let history = shortest(&cluster, property).expect("the property is violated");
    let mut record = Record::new(&history, Some(property));
    record.verdict = format!("violated in {} steps", history.steps().len());
    record
}

fn two_nodes() -> Record {
    recorded("race-direct-read-two-nodes", "base", Property::NoDeadlock)
}

/// A record that ends where nothing moves, told as a run that goes on for ever.
fn lasso() -> Record {
    let mut record = two_nodes();
    let steps = record.steps.len();
    // The last step, and one that takes back what it did.
    let mut walker = record.walk();
    walker.go_to(steps - 1);
    let before = walker.indices().to_vec();
    let mut back = record.steps[steps - 1].clone();
    for pair in back.set.chunks_exact_mut(2) {
        pair[1] = before[pair[0] as usize];
    }
    record.steps.push(back);
    record.repeats_from = Some(steps - 1);
    record
}

/// Records of walks through every fourth scenario.
fn walks(mut look: impl FnMut(&str, &Record)) {
    let mut x: u8 = 1;
    let mut random = || {
        x = x.wrapping_mul(77).wrapping_add(31);
        x
    };
    for name in Library::builtin().names().step_by(4) {
        let choices: Vec<u8> = (0..60).map(|_| random()).collect();
        let designs = designs_for(name);
        let upstream = designs.iter().find(|design| *design == "fault-in-retry");
        let design = upstream.unwrap_or(&designs[0]);
        let history: History = walk(&every_start(name, design), 0, &choices);
        look(name, &Record::new(&history, None));
    }
}

#[test]
fn every_form_of_every_walk_can_be_made() {
    walks(|name, record| {
        for form in Form::ALL {
            let text = form.of(record, Style::TERMINAL);
            assert!(!text.is_empty(), "{name} as {}", form.name());
            if matches!(form, Form::Text | Form::Lockdep) {
                let widest = text.lines().map(|l| l.chars().count()).max();
                assert!(widest <= Some(WIDTH), "{name} as {}:\n{text}", form.name());
            }
        }
    });
}

/// W1: the last thing that happens before nothing does.
#[test]
fn a_worker_that_looks_in_vain_is_told_of() {
    let cluster = every_start("own-buffered-write-demanded", "weak-holders-restored");
    let is_stuck = |state: &State| {
        let mut steps = 0;
        cluster.successors(state, &mut NoSink, &mut |_, _| steps += 1);
        steps == 0 && !cluster.is_finished(state)
    };
    let (initial, actions) = search(&cluster, &is_stuck).expect("it deadlocks");
    let history = History::replay(&cluster, initial, &actions).expect("it is a history");
    let text = Form::Text.of(&Record::new(&history, None), Style::TERMINAL);
    assert!(
        text.contains("the worker looks, and has nothing to do"),
        "{text}"
    );
}

#[test]
fn forms_are_found_by_name() {
    for form in Form::ALL {
        assert_eq!(Form::named(form.name()), Some(form));
        assert!(form.meaning().chars().count() < 90);
    }
    assert_eq!(Form::named("postscript"), None);
}

// ---- lockdep ----------------------------------------------------------------------

#[test]
fn two_tasks_as_lockdep_would_show_them() {
    let text = Form::Lockdep.of(&two_nodes(), Style::TERMINAL);
    let line = |start: &str| text.lines().find(|l| l.trim_start().starts_with(start));
    // The columns of lockdep's own report.
    assert_eq!(line("P1").and_then(|l| l.find("P1")), Some(7), "{text}");
    assert_eq!(line("P1").and_then(|l| l.find("P2")), Some(31), "{text}");
    assert_eq!(
        line("lock(F1, DF)").and_then(|l| l.find('l')),
        Some(2),
        "{text}"
    );
    assert_eq!(
        line("lock(F2, DF)").and_then(|l| l.find('l')),
        Some(31),
        "{text}"
    );
    assert_snapshot!(text);
}

#[test]
fn three_tasks_as_lockdep_cannot_show_them() {
    let record = recorded("ring-direct-read", "base", Property::NoDeadlock);
    assert_snapshot!(Form::Lockdep.of(&record, Style::TERMINAL));
}

// ---- Mermaid ----------------------------------------------------------------------

#[test]
fn a_sequence_chart_for_mermaid() {
    assert_snapshot!(Form::Mermaid.of(&two_nodes(), Style::TERMINAL));
}

/// The statements of Mermaid's sequence charts that are used, with their rules: participants
/// come first, text ends with the line and holds nothing that Mermaid takes for itself, and a
/// loop ends.
#[test]
fn mermaid_takes_every_line() {
    let check = |name: &str, record: &Record| {
        let text = Form::Mermaid.of(record, Style::TERMINAL);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("sequenceDiagram"));
        let (mut known, mut open) = (HashSet::new(), 0);
        let plain = |text: &str| {
            let mut rest = text;
            while let Some(at) = rest.find('#') {
                let end = rest[at..]
                    .find(';')
                    .unwrap_or_else(|| panic!("{name}: {text}"));
                let entity = &rest[at + 1..at + end];
                assert!(
                    ["35", "37", "59", "lt", "gt", "quot"].contains(&entity),
                    "{text}"
                );
                rest = &rest[at + end + 1..];
            }
            let text = text.replace("<br/>", "");
            let bare: String = text
                .split('#')
                .map(|p| p.split_once(';').map_or(p, |x| x.1))
                .collect();
            assert!(!bare.contains(['<', '>', ';', '%', '"']), "{name}: {text}");
        };
        for line in lines.map(str::trim_start) {
            if let Some(rest) = line.strip_prefix("participant ") {
                let (id, title) = rest.split_once(" as ").expect("a title");
                assert!(known.insert(id.to_owned()));
                plain(title);
            } else if let Some(rest) = line.strip_prefix("Note over ") {
                let (ids, text) = rest.split_once(": ").expect("a text");
                assert!(ids.split(',').all(|id| known.contains(id)), "{line}");
                plain(text);
            } else if let Some((from, rest)) = line.split_once("-)") {
                let (to, text) = rest.split_once(": ").expect("a text");
                assert!(known.contains(from) && known.contains(to), "{line}");
                plain(text);
            } else {
                assert!(line == "loop for ever" || line == "end", "{name}: {line}");
                open += if line == "end" { -1 } else { 1 };
            }
        }
        assert_eq!(open, 0, "{name}");
    };
    walks(check);
    check("lasso", &lasso());
}

// ---- ITF --------------------------------------------------------------------------

/// A value as ITF has it, read by ITF's rules.
fn decoded(json: &Json) -> Value {
    match json {
        Json::Bool(truth) => Value::Truth(*truth),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(list) => Value::List(
            list.iter()
                .map(|t| t.as_str().expect("texts").to_owned())
                .collect(),
        ),
        Json::Object(object) => {
            let number = object.get("#bigint").and_then(Json::as_str);
            Value::Number(number.and_then(|n| n.parse().ok()).expect("a number"))
        }
        other => panic!("{other}"),
    }
}

fn itf_round_trip(name: &str, record: &Record) {
    let text = Form::Itf.of(record, Style::TERMINAL);
    let itf: Json = serde_json::from_str(&text).expect("ITF is JSON");
    let vars: Vec<&str> = itf["vars"]
        .as_array()
        .expect("vars")
        .iter()
        .filter_map(Json::as_str)
        .collect();
    let states = itf["states"].as_array().expect("states");
    let again = record.repeats_from.filter(|&s| s < record.steps.len());
    assert_eq!(
        states.len(),
        record.steps.len() + usize::from(again.is_none())
    );
    assert_eq!(
        itf["loop"].as_u64().map(|n| n as usize),
        record.repeats_from
    );
    let mut walker = record.walk();
    for (i, state) in states.iter().enumerate() {
        let state = state.as_object().expect("a state");
        assert_eq!(state["#meta"]["index"], i);
        // Every variable has a value, and there is nothing else.
        assert_eq!(state.len(), vars.len() + 1, "{name}");
        for (variable, value) in walker.values() {
            let found = &state[&variable.to_string()];
            assert_eq!(decoded(found), *value, "{name}: {variable} after {i} steps");
        }
        assert!(state["mbt::actionTaken"].is_string());
        assert!(state["mbt::nondetPicks"].is_object());
        walker.step();
    }
    if let Some(start) = again {
        let last = walker.indices().to_vec();
        let mut begun = record.walk();
        begun.go_to(start);
        assert_eq!(
            begun.indices(),
            last,
            "{name}: what follows the last state is there"
        );
    }
    assert_eq!(itf["#meta"]["format"], "ITF");
}

#[test]
fn itf_has_the_states_of_the_record() {
    itf_round_trip("deadlock", &two_nodes());
    itf_round_trip("lasso", &lasso());
    let mut still = two_nodes();
    still.repeats_from = Some(still.steps.len());
    itf_round_trip("still", &still);
    walks(itf_round_trip);
}

// ---- ShiViz -----------------------------------------------------------------------

/// ShiViz's own rules: the parser's two lines an event, a clock with an entry of its own host
/// which counts 1, 2, 3, and other entries that refer to events there are.
fn shiviz_rules(name: &str, record: &Record) {
    let text = Form::Shiviz.of(record, Style::TERMINAL);
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some(r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})")
    );
    assert_eq!(lines.next(), Some("=== (?<trace>.*) ==="));
    let label = lines.next().expect("a label");
    assert!(
        label.starts_with("=== ") && label.ends_with(" ==="),
        "{label}"
    );
    let rest: Vec<&str> = lines.collect();
    assert_eq!(rest.len() % 2, 0, "{name}");
    let mut events: Vec<(String, BTreeMap<String, u64>)> = Vec::new();
    for pair in rest.chunks_exact(2) {
        assert!(!pair[0].is_empty(), "{name}: an event without text");
        let (host, clock) = pair[1].split_once(' ').expect("a host");
        let clock = serde_json::from_str(clock).expect("a clock");
        events.push((host.to_owned(), clock));
    }
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (host, clock) in &events {
        let count = counts.entry(host).or_default();
        *count += 1;
        assert_eq!(clock.get(host).copied(), Some(*count), "{name}: {host}");
    }
    for (host, clock) in &events {
        for (other, n) in clock {
            let there = counts.get(other.as_str()).copied().unwrap_or(0);
            assert!((1..=there).contains(n), "{name}: {host} knows {other} {n}");
        }
    }
    // Knowing is transitive: what an event knows of knows no more than it does.
    for (host, clock) in &events {
        for (other, n) in clock.iter().filter(|(other, _)| *other != host) {
            let known = events
                .iter()
                .find(|(h, c)| h == other && c[other] == *n)
                .expect("there is such an event");
            for (third, m) in &known.1 {
                assert!(clock.get(third) >= Some(m), "{name}: {host} of {third}");
            }
        }
    }
}

#[test]
fn shiviz_clocks_follow_its_rules() {
    shiviz_rules("deadlock", &two_nodes());
    shiviz_rules("lasso", &lasso());
    walks(shiviz_rules);
}

#[test]
fn who_takes_a_message_knows_who_sent_it() {
    let text = Form::Shiviz.of(&two_nodes(), Style::TERMINAL);
    let lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .position(|l| l.contains("node 1 wants SH, queued"))
        .expect("the lock space queues the request");
    assert!(lines[at + 1].starts_with("dlm {"), "{}", lines[at + 1]);
    let asked = lines
        .iter()
        .position(|l| l.ends_with("(F2, SH): asks the dlm for SH"));
    let clock = |line: &str| -> BTreeMap<String, u64> {
        let (_, clock) = line.split_once(' ').expect("a host");
        serde_json::from_str(clock).expect("a clock")
    };
    let sent = clock(lines[asked.expect("P1 asks") + 1])["P1"];
    assert!(sent > 1);
    assert_eq!(clock(lines[at + 1])["P1"], sent);
}

// ---- pictures ---------------------------------------------------------------------

#[test]
fn the_circle_of_waits_is_marked_in_its_picture() {
    let svg = Form::WaitsSvg.of(&two_nodes(), Style::TERMINAL);
    // P1, its glock's work, the request, P2, and so back: each arrow of the circle is marked.
    let record = two_nodes();
    assert_eq!(
        svg.matches("class=\"cycle\"").count(),
        record.cycle.len(),
        "{svg}"
    );
    assert_eq!(
        svg.matches("class=\"cycle-box\"").count(),
        record.cycle.len()
    );
    assert!(record.cycle.contains(&"P1".to_owned()));
    let still = Form::WaitsSvg.of(
        &recorded("own-direct-read-same-page", "base", Property::NoRecursion),
        Style::TERMINAL,
    );
    assert!(still.contains("Nobody waits for anybody."));
}

#[test]
fn pictures_are_well_formed_and_have_every_message() {
    for record in [two_nodes(), lasso()] {
        let svg = Form::Svg.of(&record, Style::TERMINAL);
        for text in [&svg, &Form::WaitsSvg.of(&record, Style::TERMINAL)] {
            well_formed(text);
        }
        let taken: usize = record.steps.iter().map(|s| s.take.len()).sum();
        let sent: usize = record.steps.iter().map(|s| s.send.len()).sum();
        assert!(sent > 0);
        let arrows = svg.matches("marker-end").count();
        assert!(
            arrows > 0 && arrows <= taken,
            "{arrows} arrows, {taken} taken"
        );
    }
    assert!(
        Form::Svg
            .of(&lasso(), Style::TERMINAL)
            .contains("then for ever:")
    );
}

/// Every element that begins ends, in order.
fn well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name), "{svg}"),
            (None, false) => open.push(name),
            (None, true) => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

// ---- Markdown ---------------------------------------------------------------------

#[test]
fn markdown_has_verdict_columns_and_texts() {
    let text = Form::Markdown.of(&two_nodes(), Style::TERMINAL);
    assert!(
        text.starts_with("# no-deadlock violated in 16 steps\n"),
        "{text}"
    );
    assert!(text.contains("design base\n"));
    assert_eq!(text.matches("```").count() % 2, 0);
}

#[test]
fn hostile_texts_stay_texts() {
    let mut record = two_nodes();
    record.verdict = "<script>alert(1)</script>".into();
    record.meaning = "![x](http://example.org/x.png)".into();
    record.lines[0].call = "```\n# x".replace('\n', " ");
    record.actors[0].name = "</text><script>".into();
    let markdown = Form::Markdown.of(&record, Style::TERMINAL);
    assert!(!markdown.contains("<script>alert"), "{markdown}");
    assert!(!markdown.contains("![x]"), "{markdown}");
    assert!(markdown.contains("\n````text\n"), "{markdown}");
    for form in [Form::Svg, Form::WaitsSvg] {
        let svg = form.of(&record, Style::TERMINAL);
        assert!(!svg.contains("<script"), "{svg}");
        well_formed(&svg);
    }
}

#[test]
fn a_loop_that_closes_is_told_as_one() {
    let record = lasso();
    assert_eq!(
        record.ending(),
        Ending::Loop {
            start: record.steps.len() - 2
        }
    );
    assert!(
        Form::Text
            .of(&record, Style::TERMINAL)
            .contains("then for ever:")
    );
}
