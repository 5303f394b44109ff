//! The recordings of real kernels against the designs that they are recordings of.

use glock::conform::ftrace::{Damage, Trace};
use glock::conform::observe::{By, Observation, Recording, Value, What, observe};
use glock::conform::setup::Setup;
use glock::conform::verdict::{Conformance, FRONTIER, Verdict, conform};
use glock::conform::{design_names, designs};
use glock_model::mode::Mode;
use glock_model::program::Program;
use glock_model::scenario::Scenario;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

fn kernel() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernel")
}

/// Folders of recordings of one node, with the design that each is one of.
const SINGLE: [(&str, &str); 5] = [
    ("6.1.0-56", "fault-in-retry-bounded"),
    ("6.12.117", "fault-in-retry-bounded"),
    ("early/base", "base-v61"),
    ("early/recursion-check", "recursion-check-v61"),
    ("early/restart-hack", "restart-hack-v61"),
];

/// Folders of recordings of two nodes.
const CLUSTER: [(&str, &str); 5] = [
    ("cluster/6.1.0-56", "fault-in-retry-bounded"),
    ("cluster/6.1-open-first", "fault-in-retry-bounded"),
    ("cluster/6.12.117", "fault-in-retry-bounded"),
    ("cluster/base", "base-v61"),
    ("cluster/restart-hack", "restart-hack-v61"),
];

fn program(name: &str) -> Program {
    let design = designs().load(name);
    design.map_err(miette::Report::new).unwrap().program
}

fn read(paths: &[PathBuf]) -> Recording {
    let traces: Vec<(String, Trace)> = paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            (path.display().to_string(), Trace::read(&text))
        })
        .collect();
    observe(&traces).unwrap_or_else(|error| panic!("{error}"))
}

/// A recording with its name and the logs it is made of.
struct Recorded {
    name: String,
    design: &'static str,
    recording: Recording,
    scenario: Option<Scenario>,
}

impl Recorded {
    fn under(&self, program: &Program) -> Conformance {
        let setup = match &self.scenario {
            Some(scenario) => Setup::of_scenario(&self.recording, scenario, program),
            None => Setup::new(&self.recording, program),
        };
        let setup = setup.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        conform(&self.recording, program, setup, FRONTIER).unwrap()
    }
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let folder = kernel().join("recordings").join(folder);
    let mut entries: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    assert!(!entries.is_empty(), "{}", folder.display());
    entries
}

fn recorded(folders: &[(&'static str, &'static str)]) -> Vec<Recorded> {
    let mut all = Vec::new();
    for &(folder, design) in folders {
        for entry in entries(folder) {
            let stem = entry.file_stem().unwrap().to_str().unwrap().to_owned();
            let logs = match entry.is_dir() {
                true => vec![entry.join("node1.trace"), entry.join("node2.trace")],
                false => vec![entry.clone()],
            };
            // Its marker does not say what the buffer is made of.
            let scenario = (stem == "direct-read-second-page-contended").then(|| {
                let path = kernel().join("scenarios/second-page-contended.toml");
                let text = std::fs::read_to_string(path).unwrap();
                Scenario::from_toml(&text, "second-page-contended.toml").unwrap()
            });
            all.push(Recorded {
                name: format!("{folder}/{stem}"),
                design,
                recording: read(&logs),
                scenario,
            });
        }
    }
    all
}

/// Does something with each of `items`, on two threads, and puts the results in order.
fn on_two_threads<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return done;
            };
            done.push((at, f(item)));
        }
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn all_accepted(all: &[Recorded]) {
    let programs: BTreeMap<&str, Program> =
        all.iter().map(|r| (r.design, program(r.design))).collect();
    let failures = on_two_threads(all, |recorded| {
        let found = recorded.under(&programs[recorded.design]);
        (found.verdict != Verdict::Accepted).then(|| {
            let at: Vec<_> = found.at.iter().flatten().map(|seen| seen.line).collect();
            format!("{}: {:?} at {at:?}\n", recorded.name, found.verdict)
        })
    });
    let failures: String = failures.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_recording_of_one_node_is_a_history_of_its_design() {
    let all = recorded(&SINGLE);
    assert_eq!(all.len(), 94);
    all_accepted(&all);
}

/// Those that take long are below.
fn takes_long(recorded: &Recorded) -> bool {
    ["same-file", "user-", "cross-buffered"]
        .iter()
        .any(|long| recorded.name.contains(long))
}

#[test]
fn recordings_of_two_nodes_are_histories_of_their_designs() {
    let mut all = recorded(&CLUSTER);
    assert_eq!(all.len(), 65);
    all.retain(|recorded| !takes_long(recorded));
    all_accepted(&all);
}

#[test]
fn the_other_recordings_of_two_nodes_are_histories_of_their_designs() {
    let mut all = recorded(&CLUSTER);
    all.retain(takes_long);
    all_accepted(&all);
}

/// Where a recording ends with tasks that never come back, the model can end in a state in which
/// these tasks, and no others, wait for one another.
#[test]
fn a_recorded_deadlock_is_a_deadlock_of_the_model() {
    let mut deadlocks = 0;
    for recorded in recorded(&[SINGLE[2], SINGLE[3], SINGLE[4], CLUSTER[3]]) {
        let ending = recorded.recording.ending;
        if ending.cut.is_some() || ending.bug || ending.stuck == 0 || takes_long(&recorded) {
            continue;
        }
        let found = recorded.under(&program(recorded.design));
        assert_eq!(found.verdict, Verdict::Accepted, "{}", recorded.name);
        let stuck: Vec<usize> = (0..ending.stuck).collect();
        assert_eq!(found.deadlock, stuck, "{}", recorded.name);
        deadlocks += 1;
    }
    assert!(deadlocks >= 5, "{deadlocks}");
}

#[test]
fn a_recursion_ends_in_the_trap() {
    let mut traps = 0;
    for recorded in recorded(&[SINGLE[2], SINGLE[3], SINGLE[4]]) {
        if recorded.recording.ending.bug {
            let found = recorded.under(&program(recorded.design));
            assert_eq!(found.verdict, Verdict::Accepted, "{}", recorded.name);
            // Upstream's design never asks for a glock it has.
            let upstream = recorded.under(&program("fault-in-retry-bounded"));
            assert_ne!(upstream.verdict, Verdict::Accepted, "{}", recorded.name);
            traps += 1;
        }
    }
    assert_eq!(traps, 8);
}

/// The designs that have recordings, each convicted by a recording of every other one.
#[test]
fn each_recorded_design_is_rejected_by_a_recording_of_another() {
    let mut table = String::new();
    let of_one_node = recorded(&SINGLE);
    let names = [
        "base-v61",
        "recursion-check-v61",
        "restart-hack-v61",
        "fault-in-retry",
        "fault-in-retry-bounded",
    ];
    for (folder, design) in SINGLE {
        let of_folder: Vec<&Recorded> = of_one_node
            .iter()
            .filter(|r| r.name.starts_with(&format!("{folder}/")))
            .collect();
        for name in names {
            let program = program(name);
            let found = on_two_threads(&of_folder, |r| (r.name.clone(), r.under(&program)));
            let accepted = found.iter().filter(|(_, c)| c.verdict == Verdict::Accepted);
            let accepted = accepted.count();
            let convicting = found.iter().find(|(_, c)| c.verdict == Verdict::Rejected);
            let convicting = match convicting {
                None => "-".to_owned(),
                Some((name, c)) => {
                    let line = c.at[0].map_or(0, |seen| seen.line);
                    format!("{}:{line}", name.rsplit('/').next().unwrap())
                }
            };
            let of = found.len();
            let _ = writeln!(
                table,
                "{folder:22} {name:24} {accepted:2}/{of} {convicting}"
            );
            if name == design {
                assert_eq!(accepted, of);
            }
        }
    }
    insta::assert_snapshot!(table);
    for name in names {
        let convicted = |line: &str| line.contains(&format!(" {name} ")) && !line.ends_with(" -");
        assert!(
            table.lines().any(convicted),
            "{name} is convicted by nothing"
        );
    }
}

#[test]
fn ranking_names_the_design_that_a_kernel_runs() {
    let all = recorded(&[SINGLE[0]]);
    let of = |stem: &str| all.iter().find(|r| r.name.ends_with(stem)).unwrap();
    let recorded = of("/self-shared-direct-write-same-page");
    let accepted: Vec<String> = design_names()
        .into_iter()
        .filter(|name| {
            let program = program(name);
            let Ok(setup) = Setup::new(&recorded.recording, &program) else {
                return false;
            };
            let found = conform(&recorded.recording, &program, setup, FRONTIER).unwrap();
            found.verdict == Verdict::Accepted
        })
        .collect();
    // The second differs from the first only where fault-in fails behind the first page.
    assert!(accepted.contains(&"fault-in-retry-bounded".to_owned()));
    assert!(!accepted.contains(&"fault-in-retry".to_owned()));
    assert!(accepted.len() <= 3, "{accepted:?}");
}

// ---- mutations ------------------------------------------------------------------

/// What is done to a recording, and why it may fit all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Dropped,
    DroppedLast,
    /// The first change of a file's mode: it may have begun in the new one.
    DroppedFirstState,
    Swapped,
    SwappedIndependent,
    Mode,
    ResultChanged,
    /// VM_FAULT_RETRY or not: the page may have been there, or have come while it was waited for.
    RetryChanged,
}

impl Class {
    /// Whether the kernel's rules forbid it.
    fn is_forbidden(self) -> bool {
        matches!(
            self,
            Class::Dropped | Class::Swapped | Class::Mode | Class::ResultChanged
        )
    }
}

fn other_mode(mode: Mode) -> Mode {
    match mode {
        Mode::Sh => Mode::Df,
        Mode::Df => Mode::Ex,
        Mode::Ex | Mode::Un => Mode::Sh,
    }
}

fn other_value(value: Value) -> Option<Value> {
    match value {
        Value::Bytes(bytes) if bytes >= 8192 => Some(Value::Bytes(bytes - 4096)),
        Value::Bytes(_) => Some(Value::Error(-14)),
        Value::Error(_) => Some(Value::Bytes(4096)),
        Value::Done => None,
    }
}

fn with_other_mode(what: What) -> Option<What> {
    Some(match what {
        What::Queue {
            proc,
            file,
            mode,
            by: by @ By::Design,
        } => What::Queue {
            proc,
            file,
            mode: other_mode(mode),
            by,
        },
        What::Promote { file, mode } => What::Promote {
            file,
            mode: other_mode(mode),
        },
        What::State { file, from, to } => What::State {
            file,
            from,
            to: other_mode(to),
        },
        _ => return None,
    })
}

fn with_other_result(what: What) -> Option<What> {
    Some(match what {
        What::Return { proc, value } => What::Return {
            proc,
            value: other_value(value)?,
        },
        What::Transfer { proc, value } => What::Transfer {
            proc,
            value: other_value(value)?,
        },
        What::FaultDone { proc, code } => What::FaultDone {
            proc,
            code: if code == 0x200 { 0x2 } else { 0x200 },
        },
        What::MkwriteDone { proc, code } => What::MkwriteDone {
            proc,
            code: if code == 0x200 { 0x2 } else { 0x200 },
        },
        What::FaultIn { proc, left } => What::FaultIn {
            proc,
            left: if left == 0 { 4096 } else { 0 },
        },
        _ => return None,
    })
}

/// All mutations of a log, of which `take` chooses.
fn mutations(
    log: &[Observation],
    mut take: impl FnMut() -> bool,
) -> Vec<(Class, usize, Vec<Observation>)> {
    let mut all = Vec::new();
    let mut add = |class, at, log: Vec<Observation>| all.push((class, at, log));
    for at in 0..log.len() {
        if take() {
            let mut other = log.to_vec();
            other.remove(at);
            let last = at + 1 == log.len();
            let first_state = match log[at].what {
                What::State { file, .. } => !log[..at]
                    .iter()
                    .any(|seen| matches!(seen.what, What::State { file: f, .. } if f == file)),
                _ => false,
            };
            let class = match (last, first_state) {
                (true, _) => Class::DroppedLast,
                (false, true) => Class::DroppedFirstState,
                (false, false) => Class::Dropped,
            };
            add(class, at, other);
        }
        if at + 1 < log.len() && log[at] != log[at + 1] && take() {
            let (one, two) = (log[at].what, log[at + 1].what);
            // Neither the task nor the glock orders them.
            let ordered = one.proc().is_some() && one.proc() == two.proc()
                || one.glock().is_some() && one.glock() == two.glock();
            let independent = !ordered;
            let mut other = log.to_vec();
            other.swap(at, at + 1);
            let class = match independent {
                true => Class::SwappedIndependent,
                false => Class::Swapped,
            };
            if one != two {
                add(class, at, other);
            }
        }
        for (class, what) in [
            (Class::Mode, with_other_mode(log[at].what)),
            (Class::ResultChanged, with_other_result(log[at].what)),
        ] {
            if let Some(what) = what
                && take()
            {
                let mut other = log.to_vec();
                other[at].what = what;
                let class = match log[at].what {
                    What::FaultDone { code: 0x400, .. } => Class::RetryChanged,
                    _ => class,
                };
                add(class, at, other);
            }
        }
    }
    all
}

fn mutate(share: usize) -> (String, Vec<String>) {
    let all = recorded(&SINGLE);
    let programs: BTreeMap<&str, Program> =
        all.iter().map(|r| (r.design, program(r.design))).collect();
    let results = on_two_threads(&all, |recorded| {
        // Long recordings repeat themselves.
        let mut counter = recorded.name.len();
        let log = &recorded.recording.logs[0];
        let step = share * (1 + log.len() / 40);
        let take = || {
            counter += 1;
            counter.is_multiple_of(step)
        };
        let mut results = Vec::new();
        for (class, at, other) in mutations(log, take) {
            let mut recording = recorded.recording.clone();
            recording.logs[0] = other;
            let mutant = Recorded {
                name: recorded.name.clone(),
                design: recorded.design,
                recording,
                scenario: recorded.scenario.clone(),
            };
            let found = mutant.under(&programs[recorded.design]);
            let accepted = found.verdict == Verdict::Accepted;
            let what = format!(
                "{class:?} {} line {}: {:?}",
                recorded.name, log[at].line, log[at].what
            );
            results.push((class, accepted, what));
        }
        results
    });
    let mut counts: BTreeMap<Class, (usize, usize)> = BTreeMap::new();
    let mut survivors = Vec::new();
    for (class, accepted, what) in results.into_iter().flatten() {
        let count = counts.entry(class).or_default();
        count.0 += usize::from(!accepted);
        count.1 += 1;
        if accepted && class.is_forbidden() {
            survivors.push(what);
        }
    }
    let mut table = String::new();
    let (mut rejected, mut forbidden) = (0, 0);
    for (class, (no, all)) in counts {
        let _ = writeln!(
            table,
            "{:20} {no:4} of {all:4} rejected",
            format!("{class:?}")
        );
        if class.is_forbidden() {
            rejected += no;
            forbidden += all;
        }
    }
    let _ = writeln!(
        table,
        "forbidden            {rejected:4} of {forbidden:4} rejected"
    );
    assert!(
        rejected * 100 >= forbidden * 95,
        "{table}{}",
        survivors.join("\n")
    );
    (table, survivors)
}

#[test]
fn what_the_rules_forbid_is_rejected() {
    let (table, survivors) = mutate(10);
    println!("{table}{}", survivors.join("\n"));
}

#[test]
#[ignore = "takes minutes"]
fn what_the_rules_forbid_is_rejected_everywhere() {
    let (table, survivors) = mutate(1);
    println!("{table}{}", survivors.join("\n"));
}

// ---- the reader -----------------------------------------------------------------

fn sample() -> String {
    let path = kernel().join("recordings/6.12.117/cross-shared-direct-read.trace");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_line_of_the_recordings_is_understood() {
    for recorded in recorded(&SINGLE) {
        assert_eq!(recorded.recording.problems, [], "{}", recorded.name);
    }
}

#[test]
fn damage_is_reported_by_line() {
    let text = sample();
    let lines: Vec<&str> = text.lines().collect();
    let torn = [&lines[..5], &[&lines[5][..40]], &lines[6..]]
        .concat()
        .join("\n")
        + "\n";
    let problems = Trace::read(&torn).problems;
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].line, problems[0].what), (6, Damage::Torn));

    let lost = [&lines[..5], &["CPU:1 [LOST 57 EVENTS]"], &lines[5..]]
        .concat()
        .join("\n")
        + "\n";
    let problems = Trace::read(&lost).problems;
    assert_eq!(
        (problems[0].line, problems[0].what),
        (6, Damage::Lost(Some(57)))
    );

    let mut swapped = lines.clone();
    swapped.swap(5, 9);
    let trace = Trace::read(&(swapped.join("\n") + "\n"));
    assert!(trace.problems.iter().all(|p| p.what == Damage::OutOfOrder));
    let whole = Trace::read(&text);
    let events = |trace: &Trace| {
        trace
            .lines
            .iter()
            .map(|l| l.event.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(events(&trace), events(&whole));

    let cut = &text[..text.len() - 9];
    let problems = Trace::read(cut).problems;
    assert_eq!(problems.last().unwrap().what, Damage::CutOff);
}

#[test]
fn a_report_of_trace_cmd_reads_the_same() {
    let text = sample();
    let report: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (head, tail) = line.split_once("] ").unwrap();
            let (_, tail) = tail.split_once(' ').unwrap();
            let (time, event) = tail.trim_start().split_once(": ").unwrap();
            let event = event.replace("tracing_mark_write:", "print:  tracing_mark_write:");
            format!("{head}] {time}: {event}\n")
        })
        .collect();
    let report = format!("cpus=2\n{report}");
    let (one, other) = (Trace::read(&report), Trace::read(&text));
    assert_eq!(one.problems, []);
    let events = |trace: &Trace| {
        let events = trace.lines.iter().map(|l| (l.time, l.pid, l.event.clone()));
        events.collect::<Vec<_>>()
    };
    assert_eq!(events(&one), events(&other));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in "(?s).{0,400}") {
        let trace = Trace::read(&text);
        let _ = observe(&[("a".to_owned(), trace)]);
    }

    #[test]
    fn a_damaged_recording_is_read(
        cuts in prop::collection::vec((0..6000_usize, 0..40_usize, any::<char>()), 1..8),
    ) {
        let mut text: Vec<char> = sample().chars().collect();
        for (at, length, with) in cuts {
            let at = at % text.len();
            let end = (at + length).min(text.len());
            text.splice(at..end, [with]);
        }
        let text: String = text.into_iter().collect();
        let trace = Trace::read(&text);
        if let Ok(recording) = observe(&[("a".to_owned(), trace)]) {
            let program = program("base");
            if let Ok(setup) = Setup::new(&recording, &program) {
                let _ = conform(&recording, &program, setup, 500);
            }
        }
    }
}

/// A write that is made again and again.
#[test]
fn a_hundred_thousand_lines_are_followed() {
    let name = "recordings/early/base/direct-read-second-page-contended.trace";
    let text = std::fs::read_to_string(kernel().join(name)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().rposition(|l| l.contains(": RET P2")).unwrap();
    let start = lines[..end].iter().rposition(|l| l.contains(": CALL P2"));
    let call = &lines[start.unwrap()..=end];
    let mut long: Vec<&str> = lines[..=end].to_vec();
    while long.len() < 100_000 {
        long.extend(call);
    }
    // All at the same time: the order of the lines is what counts.
    let long: String = long
        .iter()
        .map(|line| match line.split_once("] ") {
            Some((head, tail)) if !line.starts_with('#') => {
                let (flags, tail) = tail.split_once(' ').unwrap();
                let (_, event) = tail.trim_start().split_once(": ").unwrap();
                format!("{head}] {flags} 1.000000: {event}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let path = kernel().join("scenarios/second-page-contended.toml");
    let scenario = std::fs::read_to_string(path).unwrap();
    let scenario = Scenario::from_toml(&scenario, "x.toml").unwrap();
    let recording = observe(&[("long".to_owned(), Trace::read(&long))]).unwrap();
    let program = program("base-v61");
    let setup = Setup::of_scenario(&recording, &scenario, &program).unwrap();
    let found = conform(&recording, &program, setup, FRONTIER).unwrap();
    assert_eq!(found.verdict, Verdict::Accepted);
    assert!(found.matched.0 > 20_000, "{:?}", found.matched);
}

// ---- the command line -------------------------------------------------------------

fn glock(args: &[&str]) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_glock"))
        .args(args)
        .env("NO_COLOR", "1")
        .current_dir(kernel())
        .output()
        .unwrap()
}

#[test]
fn the_exit_status_says_accepted_rejected_or_unusable() {
    let code = |args: &[&str]| {
        let output = glock(&[&["conform"], args].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text)
    };
    let trace = "recordings/6.12.117/kara-direct-writes.trace";
    let (status, text) = code(&["-d", "fault-in-retry-bounded", trace]);
    assert!(status == 0 && text.starts_with("Accepted:"), "{text}");
    let (status, text) = code(&["-d", "fault-in-retry", trace]);
    assert!(status == 1 && text.contains("line 113"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert_eq!(code(&["-d", "base", "no-such-file"]).0, 2);
    assert_eq!(code(&["-d", "base", "README.md"]).0, 2);
    let (status, text) = code(&["--all", trace]);
    assert!(
        status == 0 && text.starts_with("fault-in-retry-bounded"),
        "{text}"
    );

    // What follows a loss is not judged.
    let text = std::fs::read_to_string(kernel().join(trace)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let lost = [&lines[..60], &["CPU:0 [LOST 3 EVENTS]"], &lines[60..]].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lost.trace");
    std::fs::write(&path, lost.join("\n") + "\n").unwrap();
    let (status, text) = code(&["-d", "fault-in-retry-bounded", path.to_str().unwrap()]);
    assert!(status == 3 && text.contains("before line 61"), "{text}");
}

#[test]
fn programs_compile_without_warnings_and_run_in_a_directory_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("repro.c");
    let program = folder.path().join("repro");
    for name in [
        "race-direct-read",
        "race-buffered-write-mixed-pages",
        "mmap-lock-munmap-buffer-direct-read",
        "bad-second-direct-write",
        "pipe-read-local-writer",
        "crossed-direct-read-two-nodes",
    ] {
        let output = glock(&["reproduce", name]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        std::fs::write(&source, output.stdout).unwrap();
        let compiled = std::process::Command::new("cc")
            .args(["-pthread", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&program, &source])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "{name}: {errors}");
    }
    // Somebody's directory is left alone.
    let refused = std::process::Command::new(&program)
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(!folder.path().join("f1").exists());
    for (name, what) in [
        ("io-direct-read", "device memory"),
        (
            "served-direct-read",
            "memory whose faults another task serves",
        ),
        ("fiemap-own", "a fiemap"),
        ("aio-direct-write-local", "asynchronous I/O"),
        ("append-direct-write", "an append"),
    ] {
        let output = glock(&["reproduce", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(output.stdout.is_empty(), "{name}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(what), "{name}: {error}");
    }
}
