//! Which design a kernel runs.

use super::*;
use glock_model::program::{Entry, Pc};
use glock_model::scenario::OpKind;
use std::fmt::Write;

/// The designs that have recordings, against those of one node.
#[test]
fn recorded_designs_against_recordings() {
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
}

/// A row of the table of designs in `checks/kernel/README.md`.
struct Row {
    design: String,
    /// The folder of whose recordings it accepts most, and how many of how many.
    nearest: String,
    /// How many recordings of two nodes it accepts, of how many.
    two_nodes: String,
    /// The recording that convicts it, by folder and name, and per log the line beyond which
    /// nothing fits.
    recording: String,
    lines: Vec<usize>,
}

impl Row {
    fn text(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(usize::to_string).collect();
        format!(
            "| {} | {} | {} | {}:{} |",
            self.design,
            self.nearest,
            self.two_nodes,
            self.recording,
            lines.join(", ")
        )
    }
}

/// The rows of the guide's table.
fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(kernel().join("README.md")).unwrap();
    let table = text
        .split("| design | nearest recordings | two nodes | convicted by |\n|---|---|---|---|\n");
    let table = table.last().unwrap();
    table
        .lines()
        .map_while(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, design, nearest, two_nodes, convicted, _] = cells[..] else {
                return None;
            };
            let (recording, lines) = convicted.rsplit_once(':').unwrap();
            Some(Row {
                design: design.to_owned(),
                nearest: nearest.to_owned(),
                two_nodes: two_nodes.to_owned(),
                recording: recording.to_owned(),
                lines: lines.split(", ").map(|n| n.parse().unwrap()).collect(),
            })
        })
        .collect()
}

/// Where each log of a rejected recording ends.
fn lines(found: &Conformance) -> Vec<usize> {
    let at = found.at.iter();
    at.map(|seen| seen.map_or(0, |seen| seen.line)).collect()
}

/// The guide says which line of which recording of another design convicts a design: that is so.
#[test]
fn every_design_is_convicted_by_a_recording_of_another() {
    let rows = rows();
    let names: Vec<&str> = rows.iter().map(|row| &*row.design).collect();
    let mut expected = design_names();
    expected.sort();
    assert_eq!(names, expected);
    let all = recorded(&[&SINGLE[..], &CLUSTER[..]].concat());
    let wrong = on_two_threads(&rows, |row| {
        let recorded = all.iter().find(|r| r.name == row.recording).unwrap();
        assert_ne!(recorded.design, row.design);
        let found = recorded.under(&program(&row.design));
        let is_so = found.verdict == Verdict::Rejected && lines(&found) == row.lines;
        (!is_so).then(|| format!("{}: {:?} {:?}", row.text(), found.verdict, lines(&found)))
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// All designs against all recordings: the table of the guide.
#[test]
#[ignore = "takes 500 seconds"]
fn every_design_against_every_recording() {
    let all = recorded(&[&SINGLE[..], &CLUSTER[..]].concat());
    let mut names = design_names();
    names.sort();
    let table = on_two_threads(&names, |name| {
        let program = program(name);
        let mut folders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut convicted = Vec::new();
        for recorded in &all {
            let folder = recorded.name.rsplit_once('/').unwrap().0;
            let count = folders.entry(folder).or_default();
            count.1 += 1;
            let found = recorded.under(&program);
            match found.verdict {
                Verdict::Accepted => count.0 += 1,
                Verdict::Rejected if recorded.design != name => {
                    convicted.push((folder, recorded.name.clone(), lines(&found)));
                }
                Verdict::Unknown(why) => panic!("{name}: {}: {why}", recorded.name),
                _ => {}
            }
        }
        let (two, one): (Vec<_>, Vec<_>) = folders
            .into_iter()
            .partition(|(folder, _)| folder.starts_with("cluster/"));
        let of_two = two
            .iter()
            .fold((0, 0), |sum, (_, count)| (sum.0 + count.0, sum.1 + count.1));
        // Those of which it accepts the largest share first.
        let mut nearest = one;
        nearest.sort_by_key(|&(_, (n, of))| 1000 - n * 1000 / of);
        let (folder, (n, of)) = nearest[0];
        let folders = nearest.iter().chain(&two);
        let by = folders.map(|&(near, _)| convicted.iter().find(|(folder, ..)| *folder == near));
        let by = by.flatten().next();
        let (_, recording, lines) = by.unwrap_or_else(|| panic!("{name} is convicted by nothing"));
        let row = Row {
            design: name.clone(),
            nearest: format!("{folder} {n}/{of}"),
            two_nodes: format!("{}/{}", of_two.0, of_two.1),
            recording: recording.clone(),
            lines: lines.clone(),
        };
        row.text()
    });
    println!("{}", table.join("\n"));
    let rows: Vec<String> = rows().iter().map(Row::text).collect();
    assert_eq!(rows, table);
}

/// fiemap-fault-in accepts what fault-in-retry-bounded accepts, and rejects what that rejects: they
/// differ in fiemap, which no recording calls.
#[test]
fn a_design_that_no_recording_tells_apart_differs_in_calls_that_none_makes() {
    let (one, other) = (
        program("fiemap-fault-in"),
        program("fault-in-retry-bounded"),
    );
    let same = |p: &Program| (p.kernel, p.flags.clone(), p.admits_short.clone());
    assert_eq!(same(&one), same(&other));
    for entry in Entry::ALL {
        let text = |program: &Program| {
            let of_entry = |pc: &Pc| program.entry_of(*pc) == entry;
            let pcs = (0..program.code.len() as Pc).filter(of_entry);
            pcs.map(|pc| program.line(pc).text.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            text(&one) == text(&other),
            entry != Entry::Fiemap,
            "{entry:?}"
        );
    }
    for recorded in recorded(&[&SINGLE[..], &CLUSTER[..]].concat()) {
        for call in recorded.recording.processes.iter().flat_map(|p| &p.calls) {
            assert_ne!(call.op, OpKind::Fiemap, "{}", recorded.name);
        }
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
