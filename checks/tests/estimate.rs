//! `glock estimate`: what it says, and how right it is where all states are known.

mod support;

use std::ops::Range;
use std::process::{Command, Output};

use glock::{Estimate, SampleOptions, estimate};
use glock_model::cluster::Cluster;
use glock_model::known::KnownAnswers;
use serde_json::Value;

fn of(design: &str, scenario: &str, states: usize) -> Estimate {
    let cluster = Cluster::new(support::scenario(scenario), support::design(design)).unwrap();
    let options = SampleOptions {
        states,
        memory_bytes: None,
        threads: 1,
        cancel: None,
    };
    estimate(cluster, &options).unwrap().unwrap()
}

/// Cells of the known answers with so many states.
fn known_cells(states: Range<usize>) -> Vec<(String, String, usize)> {
    let known = KnownAnswers::builtin().unwrap();
    let cases = known.entries.iter().flat_map(|entry| &entry.cases);
    let mut cells: Vec<_> = cases
        .flat_map(|case| [&case.before, &case.after])
        .filter(|answer| states.contains(&answer.states))
        .map(|answer| {
            let (design, scenario) = (answer.design.clone(), answer.scenario.clone());
            (design, scenario, answer.states)
        })
        .collect();
    cells.sort_unstable();
    cells.dedup();
    cells
}

/// The truth by what was told to be likely, in order, and how many were within the range.
fn errors(cells: &[(String, String, usize)], share: f64) -> (Vec<f64>, usize) {
    let (mut errors, mut within) = (Vec::new(), 0);
    for (design, scenario, states) in cells {
        let sample = (*states as f64 * share) as usize;
        if let Some(forecast) = of(design, scenario, sample).states {
            assert!(forecast.low <= forecast.likely && forecast.likely <= forecast.high);
            errors.push(*states as f64 / forecast.likely as f64);
            within += usize::from((forecast.low..=forecast.high).contains(states));
        }
    }
    errors.sort_by(f64::total_cmp);
    (errors, within)
}

#[test]
fn searches_are_as_large_as_was_said() {
    let cells: Vec<_> = known_cells(20_000..60_000)
        .into_iter()
        .step_by(6)
        .take(4)
        .collect();
    let (errors, within) = errors(&cells, 0.1);
    assert!(errors.len() >= 3, "{errors:?}");
    assert!(within + 1 >= errors.len(), "{errors:?}");
}

/// The table in the README.
#[test]
#[ignore = "takes 100 seconds"]
fn nine_of_ten_searches_are_as_large_as_was_said() {
    let cells = known_cells(20_000..400_000);
    let (mut all, mut right) = (0, 0);
    for share in [0.03, 0.1, 0.3] {
        let (errors, within) = errors(&cells, share);
        let count = errors.len();
        let [least, median, most] = [0.05, 0.5, 0.95].map(|q| errors[(q * count as f64) as usize]);
        println!(
            "| {:.0} % | {count} | {least:.2} | {median:.2} | {most:.2} | {within} |",
            100.0 * share
        );
        (all, right) = (all + count, right + within);
    }
    assert!(10 * right >= 9 * all, "{right} of {all}");
}

#[test]
fn a_sample_that_is_all_is_no_estimate() {
    let estimate = of("restart-hack", "race-direct-read", 1_000_000);
    assert!(estimate.complete);
    let states = estimate.states.as_ref().unwrap();
    assert_eq!(states.likely, estimate.levels.iter().sum::<usize>());
    assert_eq!((states.low, states.high), (states.likely, states.likely));
}

#[test]
fn more_machines_need_less_memory_each_and_less_time() {
    let estimate = of("fault-in-retry", "race-direct-read-two-nodes", 10_000);
    let needs = [1, 2, 10, 100].map(|machines| estimate.need(machines).unwrap());
    for pair in needs.windows(2) {
        assert!(pair[1].memory[1] < pair[0].memory[1], "{pair:?}");
    }
    for need in needs {
        assert!(need.memory.is_sorted() && need.seconds.is_sorted());
    }
    let all = needs[2].memory[1] * 10.0;
    assert!(all > needs[0].memory[1] && all < 1.2 * needs[0].memory[1]);
}

fn glock(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glock"));
    command.arg("estimate").args(args).env("NO_COLOR", "1");
    command.output().unwrap()
}

const CELL: [&str; 4] = ["-d", "fault-in-retry", "-s", "race-direct-read-two-nodes"];

#[test]
fn it_is_told_that_it_is_an_estimate() {
    let output = glock(&[&CELL[..], &["--sample", "5000", "--machines", "4"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stdout).unwrap();
    for part in [
        "race-direct-read-two-nodes under fault-in-retry",
        "steps out of a state",
        "9 of 10 runs it was fitted to were between",
        "This is an estimate and no search",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(told.lines().any(|line| line.starts_with("4  ")), "{told}");
    assert!(!told.contains("holds"), "{told}");
}

#[test]
fn machines_read_the_same() {
    let output = glock(&[&CELL[..], &["--sample", "5000", "--json"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cell = &document[0];
    assert_eq!(cell["exhaustive"], false);
    let [low, high] = ["low", "high"].map(|key| cell["estimate"][key].as_u64().unwrap());
    assert!(low > 5000 && high > low, "{cell}");
    let machines = |at: usize| cell["needs"][at]["machines"].as_u64();
    assert_eq!((machines(0), machines(1)), (Some(1), Some(2)));
}

#[test]
fn bad_input_is_refused() {
    for (args, said) in [
        (&["-d", "restart-hack"][..], "--scenario"),
        (&["-d", "nobody", "-s", CELL[3]], "nobody"),
        (
            &[CELL[0], CELL[1], CELL[2], CELL[3], "--sample", "0"],
            "--sample",
        ),
        (
            &[CELL[0], CELL[1], CELL[2], CELL[3], "--machines", "0"],
            "--machines",
        ),
    ] {
        let output = glock(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(said), "{errors}");
        assert!(output.stdout.is_empty());
    }
}
