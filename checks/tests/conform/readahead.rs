//! Readahead: the follower of recordings allows it, and the exploring model does where a scenario
//! says so. No verdict rests on its being left out.

use super::*;
use glock::{Catalog, Options, check};
use glock_model::cluster::Cluster;
use glock_model::event::Event;
use glock_model::known::KnownAnswers;
use glock_model::program::Entry;
use glock_model::property::{Kind, Property};
use glock_model::task::Status;
use std::collections::BTreeSet;

/// How often the fault handler is entered in the runs of the only task of a cluster.
fn handler_calls(cluster: &Cluster) -> BTreeSet<usize> {
    let mut todo: Vec<_> = cluster
        .initial_states()
        .into_iter()
        .map(|s| (s, 0))
        .collect();
    let mut known = todo.clone();
    let mut calls = BTreeSet::new();
    while let Some((state, count)) = todo.pop() {
        if state.nodes[0].tasks[0].status == Status::Done {
            calls.insert(count);
        }
        let mut actions = Vec::new();
        cluster.successors(&state, &mut glock_model::event::NoSink, &mut |a, _| {
            actions.push(a)
        });
        for action in actions {
            let mut events: Vec<Event> = Vec::new();
            let Some(next) = cluster.step(&state, action, &mut events) else {
                continue;
            };
            let enters = |event: &&Event| {
                matches!(
                    event,
                    Event::Enter {
                        entry: Entry::Fault,
                        ..
                    }
                )
            };
            let next = (next, count + events.iter().filter(enters).count());
            if !known.contains(&next) {
                known.push(next);
                todo.push(next);
            }
        }
    }
    calls
}

#[test]
fn a_page_that_is_read_in_may_bring_the_others_along() {
    let path = kernel().join("scenarios/readahead.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut scenario = Scenario::from_toml(&text, "readahead.toml").unwrap();
    let mut calls = |readahead| {
        scenario.switches.readahead = readahead;
        // A try for each page that drops mmap_lock, and one that does not.
        scenario.switches.fault_retry = false;
        handler_calls(&Cluster::new(scenario.clone(), program("fault-in-retry")).unwrap())
    };
    assert_eq!(calls(false), BTreeSet::from([2]));
    assert_eq!(calls(true), BTreeSet::from([1, 2]));
}

/// The known answers whose graphs are of up to so many states, in scenarios with a file of several
/// pages, with and without readahead: the same properties are violated.
fn the_same_with_readahead(states: usize) {
    let known = KnownAnswers::builtin().unwrap();
    let cases = known.entries.iter().flat_map(|entry| &entry.cases);
    let answers = cases.flat_map(|case| [&case.before, &case.after]);
    let mut cells: BTreeSet<(String, String)> = BTreeSet::new();
    for answer in answers.filter(|answer| answer.states <= states) {
        cells.insert((answer.design.clone(), answer.scenario.clone()));
    }
    let cells: Vec<_> = cells.into_iter().collect();
    let catalog = Catalog::builtin();
    let found = on_two_threads(&cells, |(design, name)| {
        let program = catalog.design(design).unwrap().program;
        let scenario = catalog.scenario(name).unwrap();
        if scenario.files.iter().all(|file| file.pages < 2) {
            return None;
        }
        let progress = Property::ALL
            .into_iter()
            .filter(|p| p.kind() == Kind::Progress);
        let progress: Vec<Property> = progress.collect();
        let look = |readahead| {
            let mut scenario = scenario.clone();
            scenario.switches.readahead = readahead;
            let options = Options {
                progress: &progress,
                ..Options::default()
            };
            let report = check(&program, &scenario, &options).unwrap();
            assert!(report.unfinished.is_none(), "{design} {name}");
            let violated = report
                .judged
                .iter()
                .filter(|j| j.verdict.history().is_some());
            let violated: Vec<Property> = violated.map(|judged| judged.property).collect();
            (report.stats.states, violated)
        };
        let (without, with) = (look(false), look(true));
        assert!(with.0 >= without.0, "{design} {name}");
        let differs = with.1 != without.1;
        Some((
            with.0 > without.0,
            differs.then(|| format!("{design} {name}: {without:?} {with:?}")),
        ))
    });
    let found: Vec<_> = found.into_iter().flatten().collect();
    let larger = found.iter().filter(|(larger, _)| *larger).count();
    let differ: Vec<_> = found
        .iter()
        .filter_map(|(_, differs)| differs.clone())
        .collect();
    println!(
        "{} cells, {larger} of them larger, {} differ",
        found.len(),
        differ.len()
    );
    assert!(larger > 0);
    assert!(differ.is_empty(), "{differ:#?}");
}

#[test]
fn small_known_answers_are_the_same_with_readahead() {
    the_same_with_readahead(2_000);
}

#[test]
#[ignore = "takes 10 seconds"]
fn known_answers_are_the_same_with_readahead() {
    the_same_with_readahead(200_000);
}
