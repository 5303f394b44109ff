//! The collection of counterexamples: complete, walked again, and told as it was told.
//!
//! `glock known --write` writes it anew. Where a text differs, look at what changed before you do.

use glock_model::known::KnownAnswers;
use glock_traces::{Form, Record, Style};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("found")
}

fn names(ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder()).expect("the collection is there");
    entries
        .filter_map(|e| e.expect("readable").file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(ending)?.to_owned()))
        .collect()
}

/// What the known answers say is violated: name and length.
fn violated() -> BTreeSet<(String, usize)> {
    let known = KnownAnswers::builtin().expect("the known answers are right");
    let cases = known.entries.iter().flat_map(|entry| &entry.cases);
    let answers = cases.flat_map(|case| [&case.before, &case.after]);
    let name = |answer: &glock_model::known::Answer, property: &str| {
        format!("{}--{}--{property}", answer.scenario, answer.design)
    };
    answers
        .flat_map(|a| a.violated.iter().map(move |(p, n)| (name(a, p.name()), *n)))
        .collect()
}

#[test]
fn every_violated_known_answer_is_in_the_collection_and_nothing_else() {
    let wanted: BTreeSet<String> = violated().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names(".json"), wanted);
    assert_eq!(names(".txt"), wanted);
}

#[test]
fn every_record_walks_again_and_is_as_long_as_known() {
    let lengths: std::collections::BTreeMap<String, usize> = violated().into_iter().collect();
    for (name, steps) in lengths {
        let path = folder().join(format!("{name}.json"));
        let record = Record::read(&path).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(record.steps.len(), steps, "{name}");
        let history = record.replay().unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(history.steps().len(), steps, "{name}");
        let search = record.search.as_ref().expect("figures");
        assert!(search.exhaustive, "{name}");
        // The designs and scenarios of today, not only those of the record.
        let design = glock_model::design::Library::builtin().load(&record.design.name);
        let scenario = glock_model::scenario::Library::builtin().load(&record.scenario.name);
        let cluster = glock_model::cluster::Cluster::new(
            scenario.expect("a built-in scenario"),
            design.expect("a built-in design").program,
        );
        let today = record.replay_in(&cluster.expect("they go together"));
        assert!(today.is_ok(), "{name}: {}", today.unwrap_err());
    }
}

#[test]
fn every_text_is_what_its_record_says() {
    for name in names(".json") {
        let path = folder().join(format!("{name}.json"));
        let record = Record::read(&path).unwrap_or_else(|e| panic!("{e}"));
        let told = std::fs::read_to_string(folder().join(format!("{name}.txt"))).expect("a text");
        let now = Form::Text.of(&record, Style::TERMINAL);
        assert_eq!(told, now, "{name}");
        // And what today's model would say of the same steps.
        let history = record.replay().unwrap_or_else(|e| panic!("{name}: {e}"));
        let property = record.property.as_deref();
        let property = property.and_then(glock_model::property::Property::named);
        let fresh = Style::TERMINAL.report(&history, property.expect("a property"));
        assert_eq!(told, fresh, "{name}");
    }
}

#[test]
fn the_index_leads_to_every_file_and_to_no_other() {
    let index = std::fs::read_to_string(folder().join("README.md")).expect("an index");
    let linked: BTreeSet<String> = index
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect();
    let files = |ending: &'static str| names(ending).into_iter().map(move |n| n + ending);
    let there: BTreeSet<String> = files(".json").chain(files(".txt")).collect();
    assert_eq!(linked, there);
}
