//! Searches that workers share: in one process, in several, and when one of them is lost.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use glock::{Crew, Options, Report, Verdict, check};
use glock_engine::Stats;
use glock_model::known::{Answer, KnownAnswers};
use glock_model::property::Property;
use glock_traces::Ending;
use proptest::test_runner::{Config as ProptestConfig, TestRunner};
use serde_json::Value;

// ---- the same as on one machine ---------------------------------------------------

/// What must not depend on who searches.
fn same(report: &Report) -> (Stats, Vec<String>, Vec<String>) {
    let counts = Stats {
        peak_bytes: 0,
        elapsed: Duration::ZERO,
        elapsed_claims: Duration::ZERO,
        ..report.stats.clone()
    };
    let verdict = |verdict: &Verdict| match verdict {
        Verdict::Violated { history } => match history.ending {
            // Of several states that are as near, one begins the round.
            Ending::Loop { start } => format!("violated for ever after {start}"),
            _ => format!("violated in {}", history.len()),
        },
        other => other.to_string(),
    };
    let verdicts = report.judged.iter().map(|judged| verdict(&judged.verdict));
    let lines = report.never_executed().into_iter();
    let lines = lines.map(|line| format!("{} {}", line.function, line.text));
    (counts, verdicts.collect(), lines.collect())
}

/// Cells of the known answers with at most so many states, of those answers.
fn known_cells(states: usize, of: impl Fn(&Answer) -> bool) -> BTreeSet<(String, String)> {
    let known = KnownAnswers::builtin().unwrap();
    let cases = known.entries.iter().flat_map(|entry| &entry.cases);
    cases
        .flat_map(|case| [&case.before, &case.after])
        .filter(|answer| answer.states <= states && of(answer))
        .map(|answer| (answer.design.clone(), answer.scenario.clone()))
        .collect()
}

fn small_known_cells(states: usize) -> BTreeSet<(String, String)> {
    known_cells(states, |_| true)
}

fn addresses(processes: usize) -> Vec<String> {
    let listeners: Vec<_> = (0..processes)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    listeners.iter().map(address).collect()
}

#[test]
fn known_answers_are_the_same_for_any_number_of_workers() {
    let cells = small_known_cells(2_000);
    assert!(cells.len() >= 20, "{}", cells.len());
    for (design, scenario) in cells {
        let (program, scenario) = (support::design(&design), support::scenario(&scenario));
        let alone = check(&program, &scenario, &Options::default()).unwrap();
        for workers in [1, 2, 4] {
            let crew = Crew::here(workers);
            let options = Options {
                crew: Some(&crew),
                ..Options::default()
            };
            let shared = check(&program, &scenario, &options).unwrap();
            let cell = format!("{design} under {}, {workers} workers", scenario.name);
            assert_eq!(same(&shared), same(&alone), "{cell}");
        }
    }
}

/// What two processes say of a cell is what one says. All that goes from one to the other goes through
/// a socket, so that it does not matter that they are threads of this one.
fn are_as_one((design, scenario): &(String, String), options: &Options<'_>) {
    let (program, scenario) = (support::design(design), support::scenario(scenario));
    let alone = check(&program, &scenario, options).unwrap();
    let addresses = addresses(2);
    std::thread::scope(|scope| {
        for process in 0..2 {
            let crew = Crew {
                workers: 1,
                addresses: addresses.clone(),
                process,
            };
            let (program, scenario, alone) = (&program, &scenario, &alone);
            scope.spawn(move || {
                let options = Options {
                    crew: Some(&crew),
                    ..*options
                };
                let shared = check(program, scenario, &options).unwrap();
                assert_eq!(same(&shared), same(alone), "{}", scenario.name);
            });
        }
    });
}

/// The same of many cells, several at a time: each takes a moment to connect, in which there is nothing
/// to do.
fn are_all_as_one(
    cells: BTreeSet<(String, String)>,
    options: impl Fn() -> Options<'static> + Sync,
) {
    let cells = std::sync::Mutex::new(cells.into_iter());
    let next = || cells.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(cell) = next() {
                    are_as_one(&cell, &options());
                }
            });
        }
    });
}

#[test]
fn known_answers_are_the_same_for_two_processes() {
    are_all_as_one(small_known_cells(2_000), Options::default);
}

#[test]
fn representatives_are_shared_like_states() {
    let (program, scenario) = (
        support::design("restart-hack"),
        support::scenario("race-direct-read-two-nodes"),
    );
    let symmetry = Options {
        symmetry: true,
        ..Options::default()
    };
    let crew = Crew::here(2);
    let shared = Options {
        crew: Some(&crew),
        ..symmetry
    };
    let alone = check(&program, &scenario, &symmetry).unwrap();
    let shared = check(&program, &scenario, &shared).unwrap();
    assert_eq!(same(&shared), same(&alone));
}

// ---- the command line -------------------------------------------------------------

/// A cell of some 100 000 states.
const CELL: [&str; 4] = ["-d", "restart-hack", "-s", "race-direct-read-two-nodes"];

fn glock(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glock"));
    command
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn output(args: &[&str]) -> Output {
    glock(args).output().unwrap()
}

/// Without line breaks, for sentences that may be folded anywhere.
fn squeezed(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.replace('│', " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a run found, without what depends on who ran it: the machine, and which of several shortest
/// histories is told.
fn document(output: &Output) -> Value {
    let mut document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", squeezed(&output.stderr)));
    let cell = &mut document["cells"][0];
    cell["search"]["seconds"] = Value::Null;
    cell["search"]["bytes"] = Value::Null;
    for property in cell["properties"].as_array_mut().unwrap() {
        property["history"] = Value::Null;
    }
    document
}

/// What one process says, of the properties that workers can judge.
fn alone() -> Output {
    let properties = Property::SAFETY;
    let properties = properties.iter().flat_map(|p| ["-p", p.name()]);
    let args: Vec<&str> = [&["check"][..], &CELL, &["--json"]].concat();
    output(&args.into_iter().chain(properties).collect::<Vec<_>>())
}

#[test]
fn a_cluster_of_two_processes_says_what_one_says() {
    let alone = alone();
    for more in [&["--workers", "1"][..], &["--workers", "2"]] {
        let args = [
            &["cluster", "-n", "2", "--", "check"],
            &CELL[..],
            more,
            &["--json"],
        ];
        let cluster = output(&args.concat());
        assert_eq!(document(&cluster), document(&alone));
        assert_eq!(cluster.status.code(), alone.status.code());
        assert_eq!(squeezed(&cluster.stderr), "");
    }
    let workers = output(&[&["check"], &CELL[..], &["--workers", "4", "--json"]].concat());
    assert_eq!(document(&workers), document(&alone));
}

/// Those about progress.
fn small_cells_about_progress(states: usize) -> BTreeSet<(String, String)> {
    known_cells(states, |answer| {
        let violated = answer.violated.iter().map(|(property, _)| property);
        let mut asked = violated.chain(&answer.holds);
        asked.any(|property| Property::PROGRESS.contains(property))
    })
}

/// With all properties about progress.
fn progress<'a>() -> Options<'a> {
    Options {
        progress: &Property::PROGRESS,
        ..Options::default()
    }
}

#[test]
fn workers_judge_progress_as_one_machine_does() {
    let cells = small_cells_about_progress(2_000);
    assert!(cells.len() >= 10, "{}", cells.len());
    let mut violated = BTreeSet::new();
    for (design, scenario) in cells {
        let (program, scenario) = (support::design(&design), support::scenario(&scenario));
        let alone = check(&program, &scenario, &progress()).unwrap();
        for workers in [1, 2, 4] {
            let crew = Crew::here(workers);
            let shared = Options {
                crew: Some(&crew),
                ..progress()
            };
            let shared = check(&program, &scenario, &shared).unwrap();
            let cell = format!("{design} under {}, {workers} workers", scenario.name);
            assert_eq!(same(&shared), same(&alone), "{cell}");
        }
        let bad = |p: &&Property| matches!(alone.verdict(**p), Verdict::Violated { .. });
        violated.extend(Property::PROGRESS.iter().filter(bad).map(|p| p.name()));
    }
    // Or nothing was shown of counterexamples.
    assert_eq!(violated.len(), 3, "{violated:?}");
}

#[test]
fn processes_judge_progress_as_one_machine_does() {
    are_all_as_one(small_cells_about_progress(2_000), progress);
    let properties = ["-p", "can-finish", "-p", "finishes", "--json"];
    let alone = output(&[&["check"], &CELL[..], &properties].concat());
    let cluster = ["cluster", "-n", "2", "--", "check"];
    let cluster = output(&[&cluster, &CELL[..], &properties].concat());
    assert_eq!(document(&cluster), document(&alone));
}

fn is_refused(args: &[&str], said: &str) {
    let output = output(args);
    let errors = squeezed(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
    assert!(errors.contains(said), "{args:?}: {errors}");
    assert!(output.stdout.is_empty());
}

#[test]
fn what_workers_cannot_do_is_refused() {
    let cell = |more: &[&'static str]| [&["check"], &CELL[..], more].concat();
    is_refused(
        &cell(&["--workers", "2", "--compact"]),
        "workers store no predecessors",
    );
    is_refused(&cell(&["--workers", "0"]), "0 is not in 1..=256");
    is_refused(&cell(&["--process", "1"]), "--hostfile");
    is_refused(&cell(&["--hostfile", "hosts"]), "--process");
    is_refused(
        &cell(&["--hostfile", "/nowhere/hosts", "--process", "0"]),
        "cannot read /nowhere/hosts",
    );
    is_refused(
        &["cluster", "-n", "2", "--", "walk"],
        "cluster runs `check`",
    );
}

/// The host file of two processes.
struct Hosts {
    folder: tempfile::TempDir,
    addresses: Vec<String>,
}

impl Hosts {
    fn new() -> Self {
        let hosts = Self {
            folder: tempfile::tempdir().unwrap(),
            addresses: addresses(2),
        };
        std::fs::write(hosts.path("hosts"), hosts.addresses.join("\n")).unwrap();
        hosts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a process, with these arguments for what to check.
    fn start(&self, process: &str, args: &[&str]) -> Child {
        let hosts = self.path("hosts");
        let hosts = ["--hostfile", hosts.to_str().unwrap(), "--process", process];
        glock(&[&["check"], args, &hosts].concat()).spawn().unwrap()
    }

    /// The cell, saved at the end of each level.
    fn start_saved(&self, process: &str, more: &[&str]) -> Child {
        let path = self.path("search");
        let saved = ["--checkpoint", path.to_str().unwrap()];
        let often = ["--checkpoint-every", "1ms", "--json"];
        self.start(process, &[&CELL, &saved[..], &often, more].concat())
    }
}

#[test]
fn processes_that_check_different_things_say_so() {
    let hosts = Hosts::new();
    let one = hosts.start("0", &CELL);
    let other = hosts.start("1", &["-d", "fault-in-retry", CELL[2], CELL[3]]);
    for (process, name, there) in [
        (
            one,
            "process 1 has another design: fault-in-retry",
            "it is restart-hack",
        ),
        (
            other,
            "process 0 has another design: restart-hack",
            "it is fault-in-retry",
        ),
    ] {
        let output = process.wait_with_output().unwrap();
        let errors = squeezed(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(name) && errors.contains(there), "{errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_host_file_with_a_mistake_is_refused() {
    let hosts = Hosts::new();
    std::fs::write(hosts.path("hosts"), "localhost:2101\nlocalhost\n").unwrap();
    let output = hosts.start("0", &CELL).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = squeezed(&output.stderr);
    assert!(
        errors.contains("line 2: \"localhost\" is no host and port"),
        "{errors}"
    );
}

// ---- a process is lost ------------------------------------------------------------

/// How long the others may take to notice.
const NOTICED: Duration = Duration::from_secs(30);

fn wait(child: Child) -> (Output, Duration) {
    let since = Instant::now();
    (child.wait_with_output().unwrap(), since.elapsed())
}

fn is_unknown(output: &Output, after: Duration, lost: usize, hosts: &Hosts) {
    let errors = squeezed(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(after < NOTICED, "{after:?}");
    let address = &hosts.addresses[lost];
    let named = format!("process {lost} at {address} was lost");
    assert!(errors.contains(&named), "{errors}");
    assert!(!squeezed(&output.stdout).contains("\"holds\""));
}

/// Waits until process 1 has saved a level from this one on.
fn wait_for_level(hosts: &Hosts, level: usize) {
    loop {
        let saved = (level..level + 200).any(|level| {
            hosts
                .path(&format!("search.worker-1-of-2.level-{level}"))
                .exists()
        });
        if saved {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills one of two processes some time after the other one has saved a level, and then lets both go
/// on.
fn killed_and_resumed(level: usize, later: Duration, lost: usize, alone: &Value) {
    let hosts = Hosts::new();
    let mut processes = ["0", "1"].map(|process| hosts.start_saved(process, &[]));
    wait_for_level(&hosts, level);
    std::thread::sleep(later);
    processes[lost].kill().unwrap();
    processes[lost].wait().unwrap();
    let [first, second] = processes;
    let left = if lost == 0 { second } else { first };
    let (output, after) = wait(left);
    is_unknown(&output, after, lost, &hosts);
    let resumed = ["0", "1"].map(|process| hosts.start_saved(process, &["--resume"]));
    let [first, second] = resumed.map(|child| child.wait_with_output().unwrap());
    assert_eq!(&document(&first), alone);
    assert_eq!(first.status.code(), second.status.code());
}

/// At so many random levels, and times after them, now process 0, which reports, and now the other.
fn are_killed(times: u32) {
    let alone = document(&alone());
    let levels = alone["cells"][0]["search"]["depth"].as_u64().unwrap() as usize;
    let mut runner = TestRunner::new(ProptestConfig {
        cases: times,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    // In the last levels it may be too late.
    let when = (1..levels * 3 / 4, 0..30_u64, 0..2_usize);
    let run = runner.run(&when, |(level, later, lost)| {
        killed_and_resumed(level, Duration::from_millis(later), lost, &alone);
        Ok(())
    });
    run.unwrap();
}

#[test]
fn a_killed_process_leaves_everything_unknown_and_the_search_can_go_on() {
    are_killed(4);
}

#[test]
#[ignore = "takes 20 seconds"]
fn a_process_may_be_killed_at_any_level() {
    are_killed(40);
}

/// No connection ends: that it is silent is all there is to notice.
#[test]
#[ignore = "takes 20 seconds"]
fn a_process_that_is_stopped_is_lost() {
    let hosts = Hosts::new();
    let cell = ["-d", "fault-in-retry", CELL[2], CELL[3], "--json"];
    let first = hosts.start("0", &cell);
    let mut second = hosts.start("1", &cell);
    std::thread::sleep(Duration::from_millis(700));
    let stop = ["-STOP", &second.id().to_string()];
    assert!(Command::new("kill").args(stop).status().unwrap().success());
    let (output, after) = wait(first);
    second.kill().unwrap();
    second.wait().unwrap();
    is_unknown(&output, after, 1, &hosts);
}

#[test]
fn interrupting_one_process_stops_all_in_order() {
    let hosts = Hosts::new();
    let cell = ["-d", "fault-in-retry", CELL[2], CELL[3], "--json"];
    let processes = ["0", "1"].map(|process| hosts.start(process, &cell));
    std::thread::sleep(Duration::from_millis(700));
    let interrupt = ["-INT", &processes[1].id().to_string()];
    assert!(
        Command::new("kill")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );
    let outputs = processes.map(|child| child.wait_with_output().unwrap());
    for output in &outputs {
        let errors = squeezed(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{errors}");
        assert!(!errors.contains("lost"), "{errors}");
    }
    let found = document(&outputs[0]);
    assert_eq!(found["verdict"], "unknown");
}
