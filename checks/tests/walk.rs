//! Random walks through cells: violated or unknown, and the same every time.

mod support;

use glock::{
    Checked, Coverage, Occurrence, Options, Verdict, WalkOptions, WalkReport, check, walk,
};
use glock_engine::{PackedModel, Strategy, Unfinished};
use glock_model::cluster::Cluster;
use glock_model::property::Property;
use serde_json::Value;
use std::collections::HashSet;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use support::{design, scenario};

const PRIORITY: Strategy = Strategy::Priority { changes: 3 };

fn options(strategy: Strategy) -> WalkOptions<'static> {
    WalkOptions {
        seed: 1,
        walks: 2000,
        steps: 10_000,
        strategy,
        limit_time: None,
        threads: 2,
        cancel: None,
        properties: &Property::SAFETY,
    }
}

fn walked(design_name: &str, scenario_name: &str, options: &WalkOptions<'_>) -> WalkReport {
    walk(&design(design_name), &scenario(scenario_name), options).unwrap()
}

fn violated(walked: &WalkReport) -> Vec<Property> {
    let judged = walked.report.judged.iter();
    judged
        .filter(|judged| judged.verdict.history().is_some())
        .map(|judged| judged.property)
        .collect()
}

// ---- what walks find --------------------------------------------------------------

#[test]
fn each_strategy_finds_the_deadlock_of_the_rfc_and_shrinks_it_to_the_shortest() {
    for strategy in [Strategy::Uniform, PRIORITY] {
        let walked = walked("restart-hack", "race-direct-read", &options(strategy));
        assert_eq!(violated(&walked), [Property::NoDeadlock]);
        let history = walked.report.verdict(Property::NoDeadlock).history();
        let history = history.unwrap();
        let last = history.last(&walked.report.cluster).expect("a real run");
        let deadlock = Property::NoDeadlock.holds(&walked.report.cluster, &last);
        assert_eq!(deadlock, Some(false));
        assert_eq!(history.len(), 8, "the shortest that a search finds");
        let finding = walked.finding(Property::NoDeadlock).unwrap();
        assert!(finding.shortest && finding.steps >= 8);
    }
}

#[test]
fn what_walks_find_a_search_finds_too_and_never_a_longer_one() {
    for (design_name, scenario_name) in [
        ("base", "race-direct-read-two-nodes"),
        ("restart-errno", "race-buffered-read"),
        ("restart-hack", "resume-direct-read"),
        ("restart-hack", "own-direct-read-other-page"),
        ("pin-first", "race-direct-read-two-nodes"),
    ] {
        let walked = walked(design_name, scenario_name, &options(PRIORITY));
        let (program, scenario) = (design(design_name), scenario(scenario_name));
        let exact = check(&program, &scenario, &Options::default()).unwrap();
        assert!(
            !violated(&walked).is_empty(),
            "{design_name} {scenario_name}"
        );
        for property in violated(&walked) {
            let found = walked.report.verdict(property).history().unwrap().len();
            let shortest = exact.verdict(property).history().unwrap().len();
            let finding = walked.finding(property).unwrap();
            assert!(shortest <= found && found <= finding.steps, "{property:?}");
            assert!(!finding.shortest || shortest == found, "{property:?}");
        }
    }
}

#[test]
fn nothing_ever_holds() {
    let walked = walked("fault-in-retry", "race-direct-read", &options(PRIORITY));
    assert_eq!(walked.unfinished, Unfinished::Sampled);
    assert_eq!(walked.stats.finished, 2000);
    for property in Property::ALL {
        let expected = match Property::SAFETY.contains(&property) {
            true => Verdict::Unknown {
                reason: Unfinished::Sampled,
            },
            false => Verdict::NotAsked,
        };
        assert_eq!(walked.report.verdict(property), &expected);
    }
}

#[test]
fn a_property_about_progress_is_not_judged() {
    let properties = [Property::CanFinish, Property::Finishes];
    let options = WalkOptions {
        properties: &properties,
        walks: 10,
        ..options(Strategy::Uniform)
    };
    let walked = walked("restart-hack", "lone-direct-read-idle-remote", &options);
    assert_eq!(walked.stats.walks, 10);
    assert!(violated(&walked).is_empty());
}

#[test]
fn walks_end_when_each_property_is_violated_and_not_before() {
    let asked = |properties| {
        let options = WalkOptions {
            properties,
            ..options(PRIORITY)
        };
        walked("restart-hack", "race-direct-read", &options)
    };
    let one = asked(&[Property::NoDeadlock]);
    assert_eq!(one.unfinished, Unfinished::Stopped);
    let walk = one.finding(Property::NoDeadlock).unwrap().walk;
    assert_eq!(one.stats.walks, walk + 1);
    let two = asked(&[Property::NoDeadlock, Property::Balanced]);
    assert_eq!(two.unfinished, Unfinished::Sampled);
}

#[test]
fn limits_and_a_flag_leave_unknown() {
    let reason = |options: WalkOptions<'_>| {
        let walked = walked("fault-in-retry", "race-direct-read", &options);
        for property in Property::SAFETY {
            let reason = walked.unfinished;
            assert_eq!(
                walked.report.verdict(property),
                &Verdict::Unknown { reason }
            );
        }
        (walked.unfinished, walked.stats)
    };
    let endless = WalkOptions {
        walks: u64::MAX,
        ..options(PRIORITY)
    };
    let (why, _) = reason(WalkOptions {
        limit_time: Some(Duration::from_millis(20)),
        ..endless
    });
    assert_eq!(why, Unfinished::Time);
    let flag = AtomicBool::new(true);
    let (why, stats) = reason(WalkOptions {
        cancel: Some(&flag),
        ..endless
    });
    assert_eq!((why, stats.walks), (Unfinished::Cancelled, 0));
    let (why, stats) = reason(WalkOptions {
        steps: 5,
        ..options(PRIORITY)
    });
    assert_eq!(why, Unfinished::Sampled);
    assert_eq!((stats.at_limit, stats.steps), (2000, 10_000));
}

// ---- what walks saw ---------------------------------------------------------------

/// All steps, recorded one by one, are what a search records state by state.
#[test]
fn a_step_is_recorded_as_in_a_search() {
    for (design_name, scenario_name) in [
        ("restart-hack", "race-direct-read"),
        ("restart-hack", "own-direct-read-same-page"),
    ] {
        let cluster = Cluster::new(scenario(scenario_name), design(design_name)).unwrap();
        let checked = Checked(&cluster);
        let (mut by_state, mut by_step) = (Coverage::default(), Coverage::default());
        let mut open = cluster.initial_states();
        let mut seen: HashSet<_> = open.iter().copied().collect();
        while let Some(state) = open.pop() {
            let mut steps = Vec::new();
            checked.successors(&state, &mut by_state, &mut |action, next| {
                steps.push((action, *next));
            });
            for (action, next) in steps {
                checked.record(&state, &action, &next, &mut by_step);
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        let occurred = |coverage: &Coverage| coverage.occurrences().collect::<Vec<_>>();
        assert_eq!(occurred(&by_state), occurred(&by_step));
        assert!(!occurred(&by_step).is_empty());
        for pc in 0..cluster.program().code.len() {
            let pc = pc as u16;
            assert_eq!(by_state.executed(pc), by_step.executed(pc), "{pc}");
        }
    }
}

#[test]
fn what_no_walk_did_is_not_said_to_have_occurred() {
    let one_step = WalkOptions {
        steps: 1,
        ..options(Strategy::Uniform)
    };
    let short = walked("restart-hack", "race-direct-read", &one_step);
    assert!(!short.report.coverage.occurred(Occurrence::WentBack));
    let long = walked("restart-hack", "race-direct-read", &options(PRIORITY));
    assert!(long.report.coverage.occurred(Occurrence::WentBack));
}

// ---- the command line -------------------------------------------------------------

fn glock(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_glock"))
        .arg("walk")
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

const RFC: [&str; 4] = ["-d", "restart-hack", "-s", "race-direct-read"];
const UPSTREAM: [&str; 4] = ["-d", "fault-in-retry", "-s", "race-direct-read"];

#[test]
fn the_report_of_a_violation() {
    let output = glock(&[&RFC[..], &["--walks", "200"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty());
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn the_report_of_nothing() {
    let uniform = ["--strategy", "uniform", "--walks", "500", "--seed", "7"];
    let output = glock(&[&UPSTREAM[..], &uniform, &["-p", "no-deadlock"]].concat());
    assert_eq!(output.status.code(), Some(3), "never 0");
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn the_command_in_the_report_gives_the_same_report() {
    let first = glock(&[&RFC[..], &["--seed", "3", "-p", "no-deadlock", "-t", "1"]].concat());
    let text = stdout(&first);
    let again = text.split_once("again: glock walk ").unwrap().1;
    let again = again.split_once("\n\n").unwrap().0;
    let again: Vec<&str> = again.split_whitespace().chain(["-t", "2"]).collect();
    assert_eq!(stdout(&glock(&again)), text);
}

#[test]
fn json_says_everything() {
    let output = glock(&[&RFC[..], &["--walks", "200", "--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["format"], "glock-walk");
    assert_eq!(json["verdict"], "violated");
    assert_eq!((&json["seed"], &json["walks"]), (&1.into(), &200.into()));
    let deadlock = &json["properties"][0];
    assert_eq!(deadlock["verdict"], "violated");
    assert_eq!(deadlock["steps"], 8);
    assert_eq!(deadlock["history"]["steps"].as_array().unwrap().len(), 8);
    assert!(deadlock["walk"].as_u64() >= Some(1));
    assert!(deadlock["walk_steps"].as_u64() >= Some(8));
    assert_eq!(json["properties"][1]["verdict"], "unknown");
    assert!(json["properties"][1].get("walk").is_none());
    let all = json["properties"].as_array().unwrap();
    assert!(all.iter().all(|property| property["verdict"] != "holds"));
}

#[test]
fn what_is_reported_without_being_demanded_does_not_count() {
    let torn = ["-d", "fault-in-retry", "-s", "torn-buffered-read"];
    let output = glock(&[&torn[..], &["-p", "atomic-read"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", stdout(&output));
    assert!(stdout(&output).contains("reported, not demanded"));
}

#[test]
fn a_report_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.txt");
    let file = ["--walks", "10", "-o", path.to_str().unwrap()];
    let output = glock(&[&UPSTREAM[..], &file].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("10 walks taken"), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases: [(&[&str], &str); 12] = [
        (&["-p", "finishes"], "cannot judge finishes"),
        (&["-p", "can-finish"], "cannot judge can-finish"),
        (&["-p", "no-deadlok"], "no-deadlock"),
        (
            &["--strategy", "uniform", "--changes", "2"],
            "no priorities",
        ),
        (&["--strategy", "clever"], "clever"),
        (&["--walks", "0"], "--walks"),
        (&["--steps", "0"], "--steps"),
        (&["--steps", "99999999999"], "--steps"),
        (&["--changes", "101"], "--changes"),
        (&["--seed", "-1"], "-1"),
        (&["--time", "0s"], "--limit-time"),
        (&["-t", "0"], "--threads"),
    ];
    for (args, what) in cases {
        refused(&[&RFC[..], args].concat(), what);
    }
    refused(&["-d", "restart-hack"], "--scenario");
    refused(&["-s", "race-direct-read"], "--design");
    refused(
        &["-d", "restart-hak", "-s", "race-direct-read"],
        "restart-hack",
    );
    refused(
        &["-d", "base", "-s", "race-direct-raed"],
        "race-direct-read",
    );
}

/// Exit 2, a reason on stderr, nothing on stdout.
#[track_caller]
fn refused(args: &[&str], what: &str) {
    let output = glock(args);
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed.contains(what), "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
    assert!(output.stdout.is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_endless_walks_with_a_report() {
    use std::io::Read;
    let mut child = Command::new(env!("CARGO_BIN_EXE_glock"))
        .arg("walk")
        .args(UPSTREAM)
        .args(["--walks", "1000000000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(600));
    let pid = child.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{text}");
    assert!(text.contains("unknown: the search was cancelled"), "{text}");
}
