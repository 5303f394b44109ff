//! What a report of a cell claims, and what it does not.

use glock::known::ask;
use glock::{Catalog, Checked, Matrix, Occurrence, Options, Report, Verdict, check};
use glock_engine::{Limits, PackedModel, Unfinished};
use glock_model::cluster::Cluster;
use glock_model::known::KnownAnswers;
use glock_model::program::Op;
use glock_model::property::{self, Property};
use glock_model::scenario::Scenario;
use glock_model::task::Fault;
use stateright::Model;
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn scenario(name: &str) -> Scenario {
    Catalog::builtin().scenario(name).unwrap()
}

fn cell(design: &str, scenario: &Scenario, options: &Options<'_>) -> Report {
    let design = Catalog::builtin().design(design).unwrap().program;
    check(&design, scenario, options).unwrap()
}

fn report(design: &str, name: &str) -> Report {
    cell(design, &scenario(name), &Options::default())
}

fn violated(report: &Report) -> Vec<Property> {
    report
        .judged
        .iter()
        .filter(|judged| judged.verdict.history().is_some())
        .map(|judged| judged.property)
        .collect()
}

fn is_unknown(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Unknown { .. })
}

#[test]
fn the_rfc_deadlocks_through_page_mkwrite() {
    let report = report("restart-hack", "race-direct-read");
    assert_eq!(violated(&report), [Property::NoDeadlock]);
    let walk = report.verdict(Property::NoDeadlock).history().unwrap();
    assert_eq!(walk.len(), 8);
    let last = walk.last(&report.cluster).unwrap();
    let in_page_mkwrite = |t: usize| {
        matches!(
            last.nodes[0].tasks[t].fault,
            Fault::MkwriteNew | Fault::MkwriteWp
        )
    };
    assert!(in_page_mkwrite(0) && in_page_mkwrite(1));
}

#[test]
fn the_upstream_answer_holds_in_the_race_on_one_node() {
    let report = report("fault-in-retry", "race-direct-read");
    assert!(report.unfinished.is_none());
    for property in Property::SAFETY {
        let states = report.stats.states;
        assert_eq!(*report.verdict(property), Verdict::Holds { states });
    }
}

#[test]
fn a_state_in_which_nobody_can_move_is_a_deadlock_too() {
    // A writer takes i_rwsem where it should drop it, and waits for itself.
    let mut twice = Catalog::builtin().design("base").unwrap().program;
    for instruction in &mut twice.code {
        if instruction.op == Op::InodeUnlock {
            instruction.op = Op::InodeLock;
        }
    }
    let lone = scenario("lone-direct-write-idle-remote");
    let report = check(&twice, &lone, &Options::default()).unwrap();
    let walk = report.verdict(Property::NoDeadlock).history().unwrap();
    let last = walk.last(&report.cluster).unwrap();
    assert_eq!(
        Property::NoDeadlock.holds(&report.cluster, &last),
        Some(true)
    );
    assert!(Checked(&report.cluster).next_steps(&last).is_empty());
    assert!(!report.cluster.is_finished(&last));
}

#[test]
fn a_budget_of_expirations_that_is_used_up_is_no_deadlock() {
    let mut patient = scenario("race-direct-read-two-nodes");
    patient.events.expire = Some(0);
    let report = cell("fault-in-retry", &patient, &Options::default());
    assert!(report.unfinished.is_none());
    assert!(report.verdict(Property::NoDeadlock).history().is_none());
    let report = cell("base", &patient, &Options::default());
    assert!(
        report.verdict(Property::NoDeadlock).history().is_some(),
        "a cycle of waits"
    );
}

#[test]
fn after_a_kernel_bug_nothing_is_a_deadlock() {
    let report = report("base", "own-direct-read-same-page");
    assert!(report.verdict(Property::NoRecursion).history().is_some());
    assert!(report.stats.stopped > 0);
    let walk = report.verdict(Property::NoRecursion).history().unwrap();
    assert!(report.cluster.is_down(&walk.last(&report.cluster).unwrap()));
}

#[test]
fn every_limit_leaves_unknown_and_never_holds() {
    let big = scenario("race-direct-read-two-nodes");
    let limits = [
        (
            Unfinished::States,
            Limits {
                states: Some(5_000),
                ..Limits::default()
            },
        ),
        (
            Unfinished::Memory,
            Limits {
                memory_bytes: Some(1 << 20),
                ..Limits::default()
            },
        ),
        (
            Unfinished::Time,
            Limits {
                time: Some(Duration::from_millis(5)),
                ..Limits::default()
            },
        ),
        (
            Unfinished::Depth,
            Limits {
                depth: Some(9),
                ..Limits::default()
            },
        ),
    ];
    for (reason, limits) in limits {
        let options = Options {
            limits,
            progress: &Property::PROGRESS,
            ..Options::default()
        };
        let report = cell("fault-in-retry", &big, &options);
        assert_eq!(report.unfinished, Some(reason));
        for judged in &report.judged {
            assert_eq!(judged.verdict, Verdict::Unknown { reason }, "{judged:?}");
        }
    }
}

#[test]
fn what_was_found_before_a_limit_counts() {
    let limits = Limits {
        depth: Some(8),
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let report = cell("base", &scenario("race-direct-read"), &options);
    assert_eq!(report.unfinished, Some(Unfinished::Depth));
    assert_eq!(violated(&report), [Property::NoDeadlock]);
    assert!(is_unknown(report.verdict(Property::NoLostEfault)));
}

#[test]
fn a_cancelled_cell_knows_nothing() {
    let flag = AtomicBool::new(true);
    let options = Options {
        cancel: Some(&flag),
        progress: &Property::PROGRESS,
        ..Options::default()
    };
    let report = cell(
        "fault-in-retry",
        &scenario("race-direct-read-two-nodes"),
        &options,
    );
    assert_eq!(report.unfinished, Some(Unfinished::Cancelled));
    assert!(
        report
            .judged
            .iter()
            .all(|judged| is_unknown(&judged.verdict))
    );
}

#[test]
fn reports_come_in_order_and_do_not_depend_on_the_threads() {
    let catalog = Catalog::builtin();
    let designs = ["restart-hack", "base", "fault-in-retry"]
        .map(|name| catalog.design(name).unwrap().program);
    let scenarios = ["race-direct-read", "race-buffered-read"].map(scenario);
    let run = |threads| {
        let mut seen = Vec::new();
        let options = Options {
            threads,
            ..Options::default()
        };
        Matrix::by_scenario(&designs, &scenarios)
            .unwrap()
            .run(&options, |report| {
                let verdicts: Vec<Verdict> = report
                    .judged
                    .iter()
                    .map(|judged| judged.verdict.clone())
                    .collect();
                let cell = (report.scenario().to_owned(), report.design().to_owned());
                seen.push((cell, report.stats.states, report.stats.edges, verdicts));
            })
            .unwrap();
        seen
    };
    let one = run(1);
    let names: Vec<_> = one.iter().map(|(cell, ..)| cell.1.as_str()).collect();
    let order = ["restart-hack", "base", "fault-in-retry"];
    assert_eq!(names, [order, order].concat());
    assert_eq!(one, run(3));
    assert_eq!(one, run(16));
}

#[test]
fn coverage_tells_what_ran() {
    let race = report("restart-hack", "race-direct-read");
    for what in [
        Occurrence::TryFailed,
        Occurrence::WentBack,
        Occurrence::FaultUnderGlock,
    ] {
        assert!(race.coverage.occurred(what), "{what:?}");
    }
    assert!(!race.coverage.occurred(Occurrence::GenuineBad));
    let bad = report("restart-hack", "bad-first-direct-read");
    assert!(bad.coverage.occurred(Occurrence::GenuineBad));
    assert!(bad.coverage.occurred(Occurrence::EfaultReturned));
    let two = report("base", "race-direct-read-two-nodes");
    for what in [
        Occurrence::Callback,
        Occurrence::Demoted,
        Occurrence::HoldExpired,
    ] {
        assert!(two.coverage.occurred(what), "{what:?}");
    }
}

#[test]
fn lines_that_a_scenario_cannot_reach_are_not_missed() {
    // The recursive branch of the fault handler is for a buffer in the own file only.
    let race = report("recursion-check", "race-direct-read");
    let missed: Vec<String> = race
        .never_executed()
        .into_iter()
        .map(|line| line.text)
        .collect();
    assert_eq!(missed, ["ret = filemap_fault file", "return ret"]);
    // Local instructions at the very start run before the first step, and count.
    let upstream = report("fault-in-retry", "race-direct-read");
    assert_eq!(upstream.never_executed(), []);
}

#[test]
fn switches_that_are_not_as_usual_are_named() {
    let mut changed = scenario("race-direct-read");
    assert!(
        cell("base", &changed, &Options::default())
            .switches()
            .is_empty()
    );
    changed.switches.gup_window = true;
    changed.switches.fault_retry = false;
    let report = cell("base", &changed, &Options::default());
    assert_eq!(report.switches(), ["gup_window on", "fault_retry off"]);
}

#[test]
fn the_bits_and_the_conditions_of_the_properties_agree() {
    let design = Catalog::builtin().design("restart-errno").unwrap().program;
    let cluster = Cluster::new(scenario("race-buffered-read"), design).unwrap();
    let checked = Checked(&cluster);
    let properties = checked.properties();
    let mut open = checked.init_states();
    let mut seen: HashSet<_> = open.iter().copied().collect();
    let mut violations = 0;
    while let Some(state) = open.pop() {
        let bits = PackedModel::violated(&checked, &state, &properties);
        assert_eq!(bits, property::violated(&cluster, &state));
        for (i, property) in properties.iter().enumerate() {
            let violated = !(property.condition)(&checked, &state);
            assert_eq!(violated, bits >> i & 1 == 1, "{}", property.name);
            violations += u32::from(violated);
        }
        for (_, next) in checked.next_steps(&state) {
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    assert!(
        violations > 0,
        "a test that never sees a violation shows nothing"
    );
}

/// What is explored by the parts of its states is reported as if it were explored whole: the same
/// counts, the same histories, the same lines and occurrences.
#[test]
fn a_report_is_the_same_for_whole_states_and_for_their_parts() {
    let known = KnownAnswers::builtin().unwrap();
    let cases = known.entries.iter().flat_map(|entry| &entry.cases);
    let answers = cases.flat_map(|case| [&case.before, &case.after]);
    let mut compared = 0;
    for answer in answers.filter(|answer| answer.states < 25_000) {
        if scenario(&answer.scenario).nodes == 1 {
            continue; // always whole
        }
        let told = |whole, threads| {
            let options = Options {
                progress: &Property::PROGRESS,
                whole,
                threads,
                ..Options::default()
            };
            let report = ask(answer, &options).unwrap().report;
            let verdicts: Vec<_> = report.judged.iter().map(|j| j.verdict.clone()).collect();
            let coverage = serde_json::to_string(&report.coverage).unwrap();
            let stats = report.stats;
            (
                verdicts,
                coverage,
                stats.levels,
                stats.edges,
                stats.terminal,
            )
        };
        let name = format!("{} under {}", answer.scenario, answer.design);
        let whole = told(true, 1);
        assert_eq!(told(false, 1), whole, "{name}");
        assert_eq!(told(false, 2), whole, "{name}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}
