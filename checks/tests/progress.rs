//! What the semantics predict in 9.5 about progress, and what the model answers.
//!
//! Three properties: from every state every call can still return (P17); it does if
//! everybody keeps moving (P15); it does if whoever can move again and again moves (P16).

mod support;

use glock::{Report, Verdict, Walk};
use glock_engine::{Limits, Unfinished};
use glock_model::cluster::Action;
use glock_model::design::DIFFERENT;
use glock_model::program::Program;
use glock_model::property::Property::{self, CanFinish, Finishes, FinishesStrongly, NoDeadlock};
use glock_model::scenario::Scenario;
use glock_traces::{Ending, History, Style};
use support::{design, explored_with, scenario, written};

fn judged_in(program: &Program, scenario: &Scenario) -> Report {
    explored_with(program, scenario, &Property::PROGRESS)
}

fn judged(design_name: &str, scenario_name: &str) -> Report {
    judged_in(&design(design_name), &scenario(scenario_name))
}

/// Those of the three that are violated.
fn failing(report: &Report) -> Vec<&'static str> {
    Property::PROGRESS
        .into_iter()
        .filter(|&p| match report.verdict(p) {
            Verdict::Holds { .. } => false,
            Verdict::Violated { .. } => true,
            other => panic!("{}: {other}", p.name()),
        })
        .map(Property::name)
        .collect()
}

const ALL: [&str; 3] = ["can-finish", "finishes", "finishes-strongly"];
const FAIRLY: [&str; 2] = ["finishes", "finishes-strongly"];
const NONE: [&str; 0] = [];

fn history(report: &Report, property: Property) -> &Walk {
    report.verdict(property).history().expect("violated")
}

fn deadlocks(report: &Report) -> bool {
    report.verdict(NoDeadlock).history().is_some()
}

/// The tasks that move while a run goes round.
fn going_round(walk: &Walk) -> Vec<u8> {
    let Ending::Loop { start } = walk.ending else {
        panic!("no loop")
    };
    let mut tasks: Vec<u8> = walk.actions[start..]
        .iter()
        .filter_map(|action| match action {
            Action::Task { task, .. } => Some(*task),
            _ => None,
        })
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    tasks
}

fn told(report: &Report, property: Property) -> String {
    let walk = history(report, property);
    let history = History::replay(&report.cluster, walk.initial, &walk.actions)
        .and_then(|history| history.ending_in(walk.ending))
        .unwrap_or_else(|e| panic!("{e}"));
    Style::default().report(&history, property)
}

// ---- T4, S5: alone, and for ever --------------------------------------------------

/// The glock is merely cached elsewhere, and a TRY that fails never makes it come.
#[test]
fn the_rfc_goes_round_for_ever_with_nobody_else_around() {
    for cell in [
        "lone-direct-read-idle-remote",
        "lone-buffered-read-idle-remote",
    ] {
        let report = judged("restart-hack", cell);
        assert_eq!(failing(&report), ALL, "{cell}");
        assert!(!deadlocks(&report), "{cell}");
        let trap = history(&report, CanFinish);
        assert_eq!(trap.len(), 0, "{cell}: lost from the start");
        assert!(matches!(trap.ending, Ending::Trap { states, .. } if states > 1));
        let lasso = history(&report, Finishes);
        assert_eq!(going_round(lasso), [0], "{cell}");
        assert_eq!(history(&report, FinishesStrongly).round(), lasso.round());
        for who_waits in ["base", "fault-in-retry"] {
            assert_eq!(failing(&judged(who_waits, cell)), NONE, "{cell}");
        }
    }
}

#[test]
fn the_report_of_a_loop_shows_the_way_in_and_one_round() {
    let report = judged("restart-hack", "lone-direct-read-idle-remote");
    insta::assert_snapshot!(told(&report, CanFinish) + "-----\n" + &told(&report, Finishes));
}

/// R1: with one callback per TRY the other node lets go.
const ONE_CALLBACK: &str = "\
design restart-one-callback
  extends restart-hack
  \"As restart-hack, but a refused TRY sends one callback.\"

fault(file):
        if gfs2_glock_is_locked_by_me file goto recursive
        gfs2_glock_nq file SH try_1cb else refused
        ret = filemap_fault file
        gfs2_glock_dq file
        return ret
recursive:
        ret = filemap_fault file
        return ret
refused:
        restart_hack = 1
        return VM_FAULT_SIGBUS
";

#[test]
fn with_one_callback_per_try_a_lone_reader_finishes() {
    let program = written(ONE_CALLBACK);
    for cell in [
        "lone-direct-read-idle-remote",
        "lone-buffered-read-idle-remote",
    ] {
        assert_eq!(
            failing(&judged_in(&program, &scenario(cell))),
            NONE,
            "{cell}"
        );
    }
}

// ---- S2, S6: the race -------------------------------------------------------------

/// T3: each TRY meets the other's holder, again and again. Both move all the time, so
/// no fairness among tasks helps; only another interleaving does.
#[test]
fn on_one_node_the_rfc_can_run_in_lock_step() {
    let report = judged("restart-hack", "race-direct-read-private");
    assert_eq!(failing(&report), FAIRLY);
    assert_eq!(going_round(history(&report, Finishes)), [0, 1]);
    assert_eq!(going_round(history(&report, FinishesStrongly)), [0, 1]);
}

/// Each one's flush before its transfer takes the page the other one has just faulted
/// in. With private mappings there is nothing to take.
#[test]
fn upstream_can_play_ping_pong_for_ever_but_need_not() {
    let report = judged("fault-in-retry", "race-direct-read");
    assert_eq!(failing(&report), FAIRLY);
    assert_eq!(going_round(history(&report, Finishes)), [0, 1]);
    assert_eq!(going_round(history(&report, FinishesStrongly)), [0, 1]);
    assert_eq!(
        failing(&judged("fault-in-retry", "race-direct-read-private")),
        NONE
    );
}

/// A deadlock is an end from which nothing returns.
#[test]
fn a_deadlock_is_no_progress_either() {
    let report = judged("base", "race-direct-read");
    assert_eq!(failing(&report), ALL);
    assert!(deadlocks(&report));
    assert_eq!(history(&report, Finishes).round(), Some(0));
    for property in [Finishes, FinishesStrongly] {
        assert!(told(&report, property).contains("*** DEADLOCK ***"));
    }
    // The calls are lost a few steps before they wait.
    let (lost, stuck) = (history(&report, CanFinish), history(&report, NoDeadlock));
    assert!(lost.len() <= stuck.len());
    assert!(told(&report, CanFinish).contains("P1 and P2 never all return"));
}

// ---- S1: a direct write whose source is the file itself ---------------------------

/// I19, I19b: preparing the transfer takes away the page it copies from.
#[test]
fn upstream_takes_its_own_source_page_away_and_the_bounded_one_gives_up() {
    for cell in ["own-direct-write-same-page", "own-direct-write-other-page"] {
        let report = judged("fault-in-retry", cell);
        assert_eq!(failing(&report), ALL, "{cell}");
        assert!(!deadlocks(&report), "{cell}");
        assert_eq!(going_round(history(&report, Finishes)), [0], "{cell}");
        assert_eq!(
            failing(&judged("fault-in-retry-bounded", cell)),
            NONE,
            "{cell}"
        );
    }
}

// ---- what does not count ----------------------------------------------------------

/// A BUG ends everything; that is what no-recursion is about.
#[test]
fn a_bug_is_an_end() {
    let report = judged("base", "own-direct-read-same-page");
    assert_eq!(failing(&report), NONE);
    assert!(report.verdict(Property::NoRecursion).history().is_some());
}

/// Threads of the environment need not start, and so nobody may rely on them; but
/// once one has started it is to return as every call is.
#[test]
fn a_thread_of_the_environment_is_fair_from_its_start_on() {
    let report = judged("fault-in-retry", "bad-later-direct-read");
    let cluster = &report.cluster;
    let environment = |t: &usize| cluster.scenario().tasks[*t].environment;
    let task = (0..cluster.scenario().tasks.len()).find(environment);
    let task = task.expect("somebody unmaps the buffer") as u8;
    assert_eq!(cluster.mover(Action::Start { task }), None);
    assert!(cluster.mover(Action::Task { task, choice: 0 }).is_some());
    let initial = cluster.initial_states()[0];
    let step = |action| cluster.step(&initial, action, &mut glock_model::event::NoSink);
    assert!(step(Action::Start { task }).is_some());
    assert!(step(Action::Task { task, choice: 0 }).is_none());
    assert_eq!(failing(&report), NONE);
}

#[test]
fn nothing_is_known_of_runs_after_a_search_that_ended_early() {
    let (program, scenario) = (
        design("fault-in-retry"),
        scenario("race-direct-read-private"),
    );
    let options = glock::Options {
        limits: Limits {
            states: Some(1000),
            ..Limits::default()
        },
        progress: &Property::PROGRESS,
        ..Default::default()
    };
    let report = glock::check(&program, &scenario, &options).expect("a limit is no error");
    for property in Property::PROGRESS {
        let reason = Unfinished::States;
        assert_eq!(*report.verdict(property), Verdict::Unknown { reason });
    }
    let report = explored_with(&program, &scenario, &[]);
    for property in Property::PROGRESS {
        assert_eq!(*report.verdict(property), Verdict::NotAsked);
    }
}

/// Giving up in the step before what nobody sees given up changes no verdict, those about runs included.
#[test]
fn release_fusion_changes_no_verdict_about_progress() {
    const NAMES: [&str; 8] = [
        "race-direct-read",
        "race-direct-write",
        "race-buffered-read",
        "race-buffered-write",
        "own-direct-write-same-page",
        "lone-direct-read-idle-remote",
        "reclaim-direct-read",
        "threads-direct-read-munmap",
    ];
    for design_name in DIFFERENT {
        for name in NAMES {
            let fused = scenario(name);
            let mut single = fused.clone();
            single.switches.release_fusion = false;
            let program = design(design_name);
            let violated = |scenario| {
                let report = judged_in(&program, scenario);
                let judged = Property::ALL.into_iter();
                judged
                    .filter(|&p| report.verdict(p).history().is_some())
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                violated(&fused),
                violated(&single),
                "{name} under {design_name}"
            );
        }
    }
}
