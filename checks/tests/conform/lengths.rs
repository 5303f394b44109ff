//! How long recordings may be: what is kept and looked at grows with the length, and no faster.

use super::*;
use glock::conform::verdict::KEPT;
use std::fmt::Write;
use std::time::Instant;

/// Logs that begin as recorded, and then go round.
struct Round {
    heads: Vec<Vec<String>>,
    rounds: Vec<Vec<String>>,
}

impl Round {
    /// Logs of `lines` lines in all, or just above. Whole rounds, each line a microsecond after the
    /// one before.
    fn logs(&self, lines: usize) -> Vec<String> {
        let round: usize = self.rounds.iter().map(Vec::len).sum();
        let head: usize = self.heads.iter().map(Vec::len).sum();
        self.times(lines.saturating_sub(head).div_ceil(round))
    }

    fn times(&self, times: usize) -> Vec<String> {
        let logs = self.heads.iter().zip(&self.rounds);
        logs.map(|(head, round)| {
            let again = std::iter::repeat_n(round, times).flatten();
            let mut text = String::new();
            for (at, line) in head.iter().chain(again).enumerate() {
                match line.split_once("] ") {
                    Some((task, tail)) if !line.starts_with('#') => {
                        let (flags, tail) = tail.split_once(' ').unwrap();
                        let (_, event) = tail.trim_start().split_once(": ").unwrap();
                        let (seconds, micros) = (at / 1_000_000, at % 1_000_000);
                        let _ = writeln!(text, "{task}] {flags} {seconds}.{micros:06}: {event}");
                    }
                    _ => {
                        let _ = writeln!(text, "{line}");
                    }
                }
            }
            text
        })
        .collect()
    }
}

/// Finds calls of a recording that can be made again and again: whole lines of its logs, from one
/// `CALL` to another, whose repetition is a history of the design.
fn round(names: &[&str], design: &str, scenario: Option<&Scenario>) -> Round {
    let texts: Vec<Vec<String>> = names
        .iter()
        .map(|name| {
            let text = std::fs::read_to_string(kernel().join("recordings").join(name)).unwrap();
            // Longer than the recording, it does not end as it does.
            let kept = text.lines().filter(|line| !line.contains("# outcome"));
            kept.map(str::to_owned).collect()
        })
        .collect();
    let mut choices: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
    for text in &texts {
        let calls = text
            .iter()
            .enumerate()
            .filter(|(_, l)| l.contains(": CALL"));
        let mut calls: Vec<usize> = calls.map(|(at, _)| at).collect();
        calls.push(text.len());
        let mut pairs = Vec::new();
        for (i, &start) in calls.iter().enumerate().rev() {
            pairs.extend(calls[i + 1..].iter().map(|&end| (start, end)));
        }
        choices = choices
            .iter()
            .flat_map(|chosen| pairs.iter().map(|&pair| [&chosen[..], &[pair]].concat()))
            .collect();
    }
    let program = program(design);
    for chosen in choices {
        let cut = texts.iter().zip(&chosen);
        let round = Round {
            heads: cut
                .clone()
                .map(|(t, &(from, _))| t[..from].to_vec())
                .collect(),
            rounds: cut.map(|(t, &(from, to))| t[from..to].to_vec()).collect(),
        };
        let found = followed(&round.times(6), &program, scenario);
        if found.is_some_and(|found| found.verdict == Verdict::Accepted) {
            return round;
        }
    }
    panic!("{names:?}: no calls can be repeated");
}

fn followed(
    logs: &[String],
    program: &Program,
    scenario: Option<&Scenario>,
) -> Option<Conformance> {
    let traces: Vec<(String, Trace)> = logs
        .iter()
        .enumerate()
        .map(|(node, text)| (format!("node{node}"), Trace::read(text)))
        .collect();
    let recording = observe(&traces).ok()?;
    let setup = match scenario {
        Some(scenario) => Setup::of_scenario(&recording, scenario, program),
        None => Setup::new(&recording, program),
    };
    Some(conform(&recording, program, setup.ok()?, FRONTIER).unwrap())
}

/// A recording of one node and one of two, with a design and a scenario.
fn rounds() -> Vec<(Round, &'static str, Option<Scenario>)> {
    let contended = contended();
    let one = "early/base/direct-read-second-page-contended.trace";
    let two = [
        "cluster/6.1-open-first/same-file-direct-reads/node1.trace",
        "cluster/6.1-open-first/same-file-direct-reads/node2.trace",
    ];
    vec![
        (
            round(&[one], "base-v61", Some(&contended)),
            "base-v61",
            Some(contended),
        ),
        (
            round(&two, "fault-in-retry-bounded", None),
            "fault-in-retry-bounded",
            None,
        ),
    ]
}

#[test]
fn the_work_grows_with_the_length_and_no_faster() {
    for (round, design, scenario) in rounds() {
        let program = program(design);
        let counts: Vec<_> = [2000, 4000, 8000]
            .into_iter()
            .map(|lines| {
                let found = followed(&round.logs(lines), &program, scenario.as_ref()).unwrap();
                assert_eq!(found.verdict, Verdict::Accepted);
                (lines as u64, found.stats)
            })
            .collect();
        // Not more at a time, whatever the length.
        let [first, .., last] = &counts[..] else {
            unreachable!()
        };
        assert_eq!(first.1.widest, last.1.widest);
        assert!(last.1.kept <= KEPT + 4 * last.1.widest, "{last:?}");
        // And not more for a line.
        for pair in counts.windows(2) {
            let [(lines, few), (more_lines, more)] = pair else {
                unreachable!()
            };
            let grows = |few: u64, more: u64| more * lines * 100 <= few * more_lines * 102;
            assert!(grows(few.pairs as u64, more.pairs as u64), "{pair:?}");
            assert!(grows(few.steps, more.steps), "{pair:?}");
            assert!(grows(few.expanded, more.expanded), "{pair:?}");
        }
    }
}

/// The address space of the process is limited, so that it cannot take more.
#[test]
#[cfg(target_os = "linux")]
fn a_hundred_thousand_lines_are_followed_in_a_gibibyte() {
    let folder = tempfile::tempdir().unwrap();
    for (at, (round, design, _)) in rounds().iter().enumerate() {
        let mut shell = std::process::Command::new("sh");
        let limited = "ulimit -v 1048576 && exec \"$0\" \"$@\"";
        shell.args([
            "-c",
            limited,
            env!("CARGO_BIN_EXE_glock"),
            "conform",
            "-d",
            design,
        ]);
        if at == 0 {
            let scenario = kernel().join("scenarios/second-page-contended.toml");
            shell.arg("-s").arg(scenario);
        }
        for (node, text) in round.logs(100_000).iter().enumerate() {
            let path = folder.path().join(format!("{at}-{node}.trace"));
            std::fs::write(&path, text).unwrap();
            shell.arg(path);
        }
        let output = shell.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.starts_with("Accepted:"), "{text}");
    }
}

#[test]
#[ignore = "takes 60 seconds"]
fn what_long_recordings_take() {
    for (round, design, scenario) in rounds() {
        let program = program(design);
        for lines in [25_000, 50_000, 100_000] {
            let logs = round.logs(lines);
            let begun = Instant::now();
            let found = followed(&logs, &program, scenario.as_ref()).unwrap();
            assert_eq!(found.verdict, Verdict::Accepted);
            let taken = begun.elapsed();
            let memory = memory_stats::memory_stats().map_or(0, |now| now.physical_mem >> 20);
            println!(
                "{} logs, {lines} lines: {taken:?}, {} events, at most {} states, {memory} MiB",
                logs.len(),
                found.matched.0,
                found.stats.widest
            );
            assert!(memory < 1024);
        }
    }
}
