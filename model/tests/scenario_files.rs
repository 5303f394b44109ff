//! The scenarios that come with the tool.

use glock_model::scenario::{Library, MAX_INITIAL, Scenario, initial_assignments};
use std::path::Path;

fn shipped() -> Vec<Scenario> {
    let library = Library::builtin();
    library
        .names()
        .map(|name| match library.load(name) {
            Ok(scenario) => scenario,
            Err(error) => panic!("{name}: {:?}", miette::Report::new(error)),
        })
        .collect()
}

#[test]
fn every_file_of_the_directory_is_built_in_and_nothing_else() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut names: Vec<String> = Library::builtin()
        .names()
        .map(|n| format!("{n}.toml"))
        .collect();
    names.sort();
    assert_eq!(names, files);
}

#[test]
fn every_shipped_scenario_says_what_it_is_about() {
    for scenario in shipped() {
        let text = &scenario.description;
        // A prediction of section 9.5, or a row of the history.
        let begins = text.starts_with(['S', 'G', 'H', 'K', 'P']);
        assert!(begins, "{}: {text}", scenario.name);
        assert!(text.contains(':'), "{}: {text}", scenario.name);
        assert!(text.ends_with(['.', '?']), "{}: {text}", scenario.name);
    }
}

/// The scenarios of section 9.5, that is: stride bugs need two. Those of the history are
/// as small as shows their point.
#[test]
fn every_file_of_a_predicted_scenario_has_at_least_two_pages() {
    let predicted = shipped()
        .into_iter()
        .filter(|s| s.description.starts_with('S'));
    for scenario in predicted {
        assert!(scenario.files.iter().all(|f| f.pages >= 2));
    }
}

#[test]
fn every_shipped_scenario_has_initial_states() {
    for scenario in shipped() {
        let count = initial_assignments(&scenario).len();
        assert!((1..=2048).contains(&count), "{}: {count}", scenario.name);
        const { assert!(2048 < MAX_INITIAL) };
    }
}

#[test]
fn every_shipped_scenario_survives_a_round_trip() {
    for scenario in shipped() {
        let text = scenario.to_toml();
        let again = Scenario::from_toml(&text, "other.toml");
        assert_eq!(again.unwrap(), scenario, "{text}");
    }
}

#[test]
fn descriptions_fit_a_terminal() {
    for scenario in shipped() {
        for line in scenario.describe().lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn the_canonical_text_of_the_race() {
    let race = Library::builtin().load("race-direct-read").unwrap();
    insta::assert_snapshot!(race.to_toml());
}

#[test]
fn descriptions_of_a_few() {
    let library = Library::builtin();
    let text: Vec<String> = [
        "race-direct-read-two-nodes-first-use",
        "race-direct-read-demanded",
        "threads-direct-read-mmap",
        "lone-direct-read-idle-reader",
    ]
    .iter()
    .map(|name| library.load(name).unwrap().describe())
    .collect();
    insta::assert_snapshot!(text.join("\n"));
}
