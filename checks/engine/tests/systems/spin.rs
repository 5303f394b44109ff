//! Abstract two-phase commit, searched by SPIN.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROMELA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/two_phase_commit.pml");

/// What SPIN's verifier says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified {
    pub states: usize,
    /// Steps, and one for the initial state.
    pub transitions: u64,
    pub errors: usize,
    /// State vectors and hash table, in bytes.
    pub bytes: usize,
    /// How long the verifier ran.
    pub time: Duration,
}

/// Whether SPIN and a C compiler can be called.
pub fn is_installed() -> bool {
    let answers = |program: &str, option: &str| {
        let mut command = Command::new(program);
        command
            .arg(option)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    answers("spin", "-V") && answers("cc", "--version")
}

/// An exhaustive search for safety without reduction, compiled with -O2, its hash table sized for
/// `states` states: up to half full.
///
/// # Panics
///
/// If SPIN or the compiler fails.
pub fn verify(managers: u32, states: usize) -> Verified {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let folder = folder.path();
    let managers = format!("-DMANAGERS={managers}");
    run(folder, "spin", &[&managers, "-a", PROMELA]);
    let flags = ["-O2", "-w", "-DNOREDUCE", "-DSAFETY", "-DMEMLIM=16000"];
    run(
        folder,
        "cc",
        &[&flags[..], &["-o", "pan", "pan.c"]].concat(),
    );
    let slots = format!("-w{}", states.ilog2() + 2);
    let started = Instant::now();
    let said = run(folder, "./pan", &["-m100000", &slots]);
    let time = started.elapsed();
    let number = |after: &str| number_before(&said, after);
    Verified {
        states: number(" states, stored") as usize,
        transitions: number(" transitions") as u64,
        errors: said
            .split_once("errors: ")
            .and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok())
            .expect("the verifier counts errors"),
        bytes: (number("\ttotal actual memory usage") * 1024.0 * 1024.0) as usize,
        time,
    }
}

fn number_before(text: &str, after: &str) -> f64 {
    let line = text.lines().find(|line| line.contains(after));
    line.and_then(|line| line.split(after).next()?.trim().parse().ok())
        .unwrap_or_else(|| panic!("the verifier did not say{after}:\n{text}"))
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} failed: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}
