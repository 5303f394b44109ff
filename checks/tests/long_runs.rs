//! Runs that are too long, too large or cut short: saved, killed, gone on with, and kept small.
#![cfg(target_os = "linux")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A cell of some 100 000 states.
const CELL: [&str; 5] = [
    "check",
    "-d",
    "restart-hack",
    "-s",
    "race-direct-read-two-nodes",
];

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

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Without line breaks, for sentences that may be folded anywhere.
fn squeezed(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a run found, without what depends on the machine.
fn document(output: &Output) -> Value {
    let mut document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", stderr(output)));
    let search = &mut document["cells"][0]["search"];
    search["seconds"] = Value::Null;
    search["bytes"] = Value::Null;
    document
}

struct Place {
    _directory: tempfile::TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("search");
        Self {
            _directory: directory,
            file,
        }
    }

    fn path(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// The cell with these arguments, saved often, gone on with if there is something to go on with.
    fn saved<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = [&CELL[..], more, &["--json", "--checkpoint", self.path()]].concat();
        args.extend(["--checkpoint-every", "20ms"]);
        if self.file.exists() {
            args.push("--resume");
        }
        args
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

fn wait_for(file: &Path) {
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_again_and_again_it_ends_like_one_that_was_left_alone() {
    for more in [
        &["-p", "no-deadlock", "-p", "can-finish"][..],
        &["--compact"],
    ] {
        let alone = output(&[&CELL[..], more, &["--json"]].concat());
        let place = Place::new();
        // Whatever the random moments are, the result must be the same; these are a fixed few.
        for milliseconds in [3, 41, 7, 90, 23, 150, 60] {
            let mut child = glock(&place.saved(more)).spawn().unwrap();
            if !place.file.exists() {
                wait_for(&place.file);
            }
            std::thread::sleep(Duration::from_millis(milliseconds));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let resumed = output(&place.saved(more));
        assert_eq!(resumed.status.code(), alone.status.code());
        assert_eq!(document(&resumed), document(&alone));
    }
}

/// The arguments for a search of millions of states, saved only when it is told to: it is still
/// running when a signal comes.
fn long<'a>(place: &'a Place, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = place.saved(more);
    args.retain(|&arg| arg != "20ms" && arg != "--checkpoint-every");
    args.iter_mut()
        .filter(|arg| **arg == "restart-hack")
        .for_each(|arg| *arg = "fault-in-retry");
    args
}

/// How long until it has certainly begun.
const BEGUN: Duration = Duration::from_millis(500);

#[test]
fn stopped_by_ctrl_c_it_is_saved_and_unknown() {
    let place = Place::new();
    let child = glock(&long(&place, &[])).spawn().unwrap();
    std::thread::sleep(BEGUN);
    signal(&child, "-INT");
    let stopped = child.wait_with_output().unwrap();
    assert_eq!(stopped.status.code(), Some(3), "{}", stderr(&stopped));
    let found = document(&stopped)["cells"][0]["search"]["states"].clone();
    assert!(place.file.exists());
    let resumed = output(&long(&place, &["--limit-states", "1"]));
    let kept = document(&resumed)["cells"][0]["search"]["states"].clone();
    assert!(
        kept.as_u64() <= found.as_u64() && kept.as_u64() > Some(1),
        "{kept} of {found}"
    );
}

#[test]
fn a_signal_saves_and_does_not_stop() {
    let place = Place::new();
    let mut child = glock(&long(&place, &["-p", "no-deadlock"]))
        .spawn()
        .unwrap();
    std::thread::sleep(BEGUN);
    signal(&child, "-USR1");
    wait_for(&place.file);
    assert_eq!(child.try_wait().unwrap(), None);
    signal(&child, "-INT");
    let stopped = child.wait_with_output().unwrap();
    assert_eq!(stopped.status.code(), Some(3), "{}", stderr(&stopped));
}

#[test]
fn a_search_is_not_gone_on_with_as_another() {
    let place = Place::new();
    let mut start = place.saved(&["--limit-states", "500"]);
    assert_eq!(output(&start).status.code(), Some(3));
    let again = output(&start);
    assert_eq!(again.status.code(), Some(2));
    assert!(squeezed(&again.stderr).contains("add --resume to go on"));
    start.push("--resume");
    let mut other_design = start.clone();
    other_design[2] = "base";
    for other in [other_design, [&start[..], &["--compact"]].concat()] {
        let refused = output(&other);
        assert_eq!(refused.status.code(), Some(2));
        assert!(
            squeezed(&refused.stderr).contains("it is of another search"),
            "{}",
            stderr(&refused)
        );
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let place = Place::new();
    let missing = output(&[&CELL[..], &["--checkpoint", "/nowhere/at/all"]].concat());
    assert_eq!(missing.status.code(), Some(2));
    for (args, expected) in [
        (
            &["check", "--checkpoint", place.path()][..],
            "--checkpoint is for one search",
        ),
        (&["check", "--resume"], "--checkpoint"),
        (
            &["check", "--compact", "--progress"],
            "--progress does not go with --compact",
        ),
        (
            &["check", "--compact", "-p", "finishes"],
            "finishes does not go with --compact",
        ),
        (&["check", "--compact", "x"], "invalid value"),
    ] {
        let refused = output(args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(
            squeezed(&refused.stderr).contains(expected),
            "{}",
            stderr(&refused)
        );
    }
}

#[test]
fn a_compact_search_says_what_it_may_have_missed() {
    let args = [
        "check",
        "-d",
        "pin-first",
        "-s",
        "race-direct-read",
        "--compact",
        "7",
    ];
    let text = squeezed(&output(&args).stdout);
    assert!(
        text.contains("fingerprints were kept, not states"),
        "{text}"
    );
    assert!(
        text.contains("that others were missed is at most"),
        "{text}"
    );
    assert!(!text.contains("every reachable state was looked at"));
    assert!(!text.contains("can-finish"), "{text}");
    let both = [
        "check",
        "-d",
        "pin-first",
        "-d",
        "base",
        "-s",
        "race-direct-read",
        "--compact",
    ];
    assert!(squeezed(&output(&both).stdout).contains("probability that a cell missed a state"));
}

/// The kernel's account of the process, not the engine's own.
#[test]
fn the_process_keeps_within_a_tenth_of_the_limit_on_memory() {
    let (megabytes, states) = (48, "race-direct-read-two-nodes");
    let limit = format!("{megabytes}MiB");
    let args = [
        "check",
        "-d",
        "fault-in-retry",
        "-s",
        states,
        "--limit-memory",
        &limit,
    ];
    let mut child = glock(&[&args[..], &["-p", "no-deadlock"]].concat())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = kilobytes
            .and_then(|number| number.parse().ok())
            .unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let limit = megabytes * 1024;
    assert!(peak <= limit + limit / 10, "{peak} of {limit} kB");
    assert!(peak >= limit / 2, "{peak} of {limit} kB");
}
