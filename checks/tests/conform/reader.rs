//! Raw text, whole and damaged.

use super::*;
use glock::conform::ftrace::Damage;
use glock::conform::mapping::{FUNCTIONS, Function, function};
use glock::conform::observe::What;
use proptest::prelude::*;

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

/// Who follows the guide probes what is matched, and nothing that nobody knows.
#[test]
fn the_guide_probes_what_is_matched() {
    let guide = std::fs::read_to_string(kernel().join("README.md")).unwrap();
    let (_, list) = guide.split_once("for f in gfs2_glock_nq").unwrap();
    let (list, _) = list.split_once("; do").unwrap();
    let words = list.split_whitespace().filter(|word| *word != "\\");
    let probed: Vec<&str> = std::iter::once("gfs2_glock_nq").chain(words).collect();
    for (name, function) in FUNCTIONS {
        let wanted = *function != Function::Implied || *name == "gfs2_glock_dq";
        assert_eq!(probed.contains(name), wanted, "{name}");
    }
    assert!(probed.iter().all(|name| function(name).is_some()));
}

/// Probes that do not say which glock are told apart by what follows them. The 40 changes of mode
/// that are left over are of the directory and of the statfs inode, whose other lines the recordings
/// leave out: each change of f1 and f2 has to have its own, or the recording were rejected.
#[test]
fn every_line_of_a_probe_is_matched() {
    let (mut lines, mut matched) = ([0; 4], [0; 4]);
    for recorded in recorded(&[&SINGLE[..], &CLUSTER[..]].concat()) {
        for name in &recorded.recording.names {
            for line in std::fs::read_to_string(name).unwrap().lines() {
                let is = |text: &str| usize::from(line.contains(text));
                lines[0] += is(": inode_go_sync: ");
                lines[1] += is(": inode_go_inval: ");
                lines[2] += is("__iomap_dio_rw") * (is("_range_ret: ") + is(": kiocb_"));
                lines[3] += is(": dlm_bast: ");
            }
        }
        for seen in recorded.recording.logs.iter().flatten() {
            match seen.what {
                What::GoSync { .. } => matched[0] += 1,
                What::GoInval { .. } => matched[1] += 1,
                What::Flush { .. } => matched[2] += 1,
                What::Callback { .. } => matched[3] += 1,
                _ => {}
            }
        }
    }
    assert_eq!(lines, [887, 284, 603, 153]);
    assert_eq!(matched, [847, 273, 603, 153]);
}
