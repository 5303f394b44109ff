//! Informal Trace Format, which Apalache, Quint and their trace viewers read.

use crate::observe::Value;
use crate::record::Record;
use serde_json::{Map, Value as Json, json};

/// The variable with what happened, as Quint calls it.
const ACTION: &str = "mbt::actionTaken";
/// The variable with the choices made, as Quint calls it.
const PICKS: &str = "mbt::nondetPicks";

pub(super) fn text(record: &Record) -> String {
    let names: Vec<String> = record.variables.iter().map(ToString::to_string).collect();
    // The state that follows the last one is a state there is already.
    let (states, back_to) = match record.repeats_from {
        Some(start) if start < record.steps.len() => (record.steps.len(), Some(start)),
        Some(start) => (record.steps.len() + 1, Some(start)),
        None => (record.steps.len() + 1, None),
    };
    let mut description = match &record.property {
        Some(property) => format!("{property} {}", record.verdict),
        None => record.verdict.clone(),
    };
    if let Some(start) = back_to {
        description += &format!("; back to state {start} after the last one");
    }
    let mut vars = names.clone();
    vars.extend([ACTION.to_owned(), PICKS.to_owned()]);
    let meta = json!({
        "format": "ITF",
        "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
        "source": format!("{} under {}", record.scenario.name, record.design.name),
        "description": description,
        "status": if record.property.is_some() { "violation" } else { "passed" },
    });
    let mut out = format!("{{\n\"#meta\": {meta},\n");
    if let Some(start) = back_to {
        out += &format!("\"loop\": {start},\n");
    }
    out += &format!("\"vars\": {},\n\"states\": [", json!(vars));
    let mut walker = record.walk();
    for i in 0..states {
        let mut state = Map::new();
        state.insert("#meta".to_owned(), json!({ "index": i }));
        for (name, (_, value)) in names.iter().zip(walker.values()) {
            state.insert(name.clone(), encode(value));
        }
        let action = match i.checked_sub(1) {
            None => "init".to_owned(),
            Some(step) => action(record, step),
        };
        state.insert(ACTION.to_owned(), json!(action));
        state.insert(PICKS.to_owned(), json!({}));
        out += if i == 0 { "\n" } else { ",\n" };
        out += &Json::Object(state).to_string();
        walker.step();
    }
    out + "\n]\n}\n"
}

/// What a step does, in words.
fn action(record: &Record, step: usize) -> String {
    let step = &record.steps[step];
    let actor = &record.actors[record.actor_of(step) as usize].name;
    let told: Vec<String> = record.lines_of(step).map(|l| l.text()).collect();
    match told.is_empty() {
        true => format!("{actor}: goes on"),
        false => format!("{actor}: {}", told.join(" / ")),
    }
}

fn encode(value: &Value) -> Json {
    match value {
        Value::Truth(truth) => json!(truth),
        Value::Number(number) => json!({ "#bigint": number.to_string() }),
        Value::Text(text) => json!(text),
        Value::List(list) => json!(list),
    }
}
