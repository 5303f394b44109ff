//! Which scenarios answer to which prediction of the semantics' section 9.5. (S4b is a row of the
//! history: what a flag in a shared object does.)

use glock_model::mode::Mode;
use glock_model::scenario::{Library, LockManager, OpKind, Pte, Scenario, TaskSpec, VpageKind};
use std::collections::{BTreeMap, BTreeSet};

/// S-numbers and the scenarios that cover them.
const TABLE: &[(&str, &[&str])] = &[
    (
        "S1",
        &[
            "own-buffered-read-demanded",
            "own-buffered-read-other-page",
            "own-buffered-read-private",
            "own-buffered-read-same-page",
            "own-buffered-write-demanded",
            "own-buffered-write-other-page",
            "own-buffered-write-private",
            "own-buffered-write-same-page",
            "own-direct-read-demanded",
            "own-direct-read-other-page",
            "own-direct-read-private",
            "own-direct-read-same-page",
            "own-direct-write-demanded",
            "own-direct-write-other-page",
            "own-direct-write-private",
            "own-direct-write-same-page",
        ],
    ),
    (
        "S2",
        &[
            "race-buffered-read",
            "race-buffered-read-bad-first",
            "race-buffered-read-bad-second",
            "race-buffered-read-mixed-pages",
            "race-buffered-read-private",
            "race-buffered-read-private-second-page",
            "race-buffered-read-second-page",
            "race-buffered-read-two-pages",
            "race-buffered-read-write",
            "race-buffered-read-written",
            "race-buffered-write",
            "race-buffered-write-bad-first",
            "race-buffered-write-bad-second",
            "race-buffered-write-mixed-pages",
            "race-buffered-write-private",
            "race-buffered-write-private-second-page",
            "race-buffered-write-second-page",
            "race-buffered-write-two-pages",
            "race-direct-read",
            "race-direct-read-bad-both",
            "race-direct-read-bad-first",
            "race-direct-read-bad-second",
            "race-direct-read-mixed-pages",
            "race-direct-read-private",
            "race-direct-read-private-second-page",
            "race-direct-read-second-page",
            "race-direct-read-two-pages",
            "race-direct-read-write",
            "race-direct-read-written",
        ],
    ),
    (
        "S3",
        &[
            "race-buffered-read-demanded",
            "race-buffered-write-demanded",
            "race-direct-read-demanded",
            "race-direct-write-demanded",
        ],
    ),
    (
        "S4",
        &[
            "race-direct-read-write",
            "race-direct-write",
            "race-direct-write-bad-first",
            "race-direct-write-bad-second",
            "race-direct-write-mixed-pages",
            "race-direct-write-private",
            "race-direct-write-private-second-page",
            "race-direct-write-second-page",
            "race-direct-write-two-pages",
        ],
    ),
    ("S4b", &["threads-direct-read-same-file"]),
    (
        "S5",
        &[
            "lone-buffered-read-cached-idle-remote",
            "lone-buffered-read-idle-remote",
            "lone-buffered-write-idle-remote",
            "lone-direct-read-idle-reader",
            "lone-direct-read-idle-remote",
            "lone-direct-write-idle-remote",
        ],
    ),
    (
        "S6",
        &[
            "race-buffered-read-bad-first-two-nodes",
            "race-buffered-read-bad-second-two-nodes",
            "race-buffered-read-private-second-page-two-nodes",
            "race-buffered-read-private-two-nodes",
            "race-buffered-read-second-page-two-nodes",
            "race-buffered-read-two-nodes",
            "race-buffered-read-two-pages-two-nodes",
            "race-buffered-write-bad-first-two-nodes",
            "race-buffered-write-bad-second-two-nodes",
            "race-buffered-write-private-second-page-two-nodes",
            "race-buffered-write-private-two-nodes",
            "race-buffered-write-second-page-two-nodes",
            "race-buffered-write-two-nodes",
            "race-buffered-write-two-pages-two-nodes",
            "race-direct-read-bad-first-two-nodes",
            "race-direct-read-bad-other-two-nodes",
            "race-direct-read-bad-second-two-nodes",
            "race-direct-read-private-second-page-two-nodes",
            "race-direct-read-private-two-nodes",
            "race-direct-read-second-page-two-nodes",
            "race-direct-read-two-nodes",
            "race-direct-read-two-nodes-first-use",
            "race-direct-read-two-pages-two-nodes",
            "race-direct-write-bad-first-two-nodes",
            "race-direct-write-bad-second-two-nodes",
            "race-direct-write-private-second-page-two-nodes",
            "race-direct-write-private-two-nodes",
            "race-direct-write-second-page-two-nodes",
            "race-direct-write-two-nodes",
            "race-direct-write-two-pages-two-nodes",
        ],
    ),
    (
        "S7",
        &[
            "ring-buffered-read",
            "ring-buffered-read-bystander",
            "ring-direct-read",
            "ring-direct-read-bystander",
        ],
    ),
    (
        "S8",
        &[
            "threads-buffered-read",
            "threads-buffered-read-mmap",
            "threads-buffered-read-mprotect",
            "threads-buffered-read-munmap",
            "threads-buffered-write",
            "threads-direct-read",
            "threads-direct-read-mmap",
            "threads-direct-read-mprotect",
            "threads-direct-read-munmap",
            "threads-direct-write",
        ],
    ),
    (
        "S9",
        &[
            "touch-load-idle-remote",
            "touch-load-local-direct-writer",
            "touch-load-local-reader",
            "touch-load-local-writer",
            "touch-load-remote-direct-writer",
            "touch-load-remote-writer",
            "touch-store-both-nodes",
            "touch-store-both-nodes-shared",
            "touch-store-idle-remote",
            "touch-store-local-direct-writer",
            "touch-store-local-reader",
            "touch-store-local-writer",
            "touch-store-remote-direct-writer",
            "touch-store-remote-writer",
        ],
    ),
    (
        "S10",
        &[
            "pipe-read-local-reader",
            "pipe-read-local-writer",
            "pipe-read-remote-writer",
            "pipe-write-local-reader",
            "pipe-write-local-writer",
            "pipe-write-remote-writer",
        ],
    ),
    (
        "S11",
        &[
            "mmap-lock-mmap-buffered-read",
            "mmap-lock-mmap-direct-read",
            "mmap-lock-mprotect-buffer-buffered-read",
            "mmap-lock-mprotect-buffer-direct-read",
            "mmap-lock-mprotect-buffered-read",
            "mmap-lock-mprotect-direct-read",
            "mmap-lock-munmap-buffer-buffered-read",
            "mmap-lock-munmap-buffer-direct-read",
            "mmap-lock-munmap-buffered-read",
            "mmap-lock-munmap-direct-read",
            "threads-buffered-read-mmap",
            "threads-buffered-read-mprotect",
            "threads-buffered-read-munmap",
            "threads-direct-read-mmap",
            "threads-direct-read-mprotect",
            "threads-direct-read-munmap",
        ],
    ),
    (
        "S12",
        &[
            "aio-bad-second-direct-read",
            "bad-beyond-end-buffered-read",
            "bad-beyond-end-direct-read",
            "bad-first-buffered-read",
            "bad-first-buffered-write",
            "bad-first-direct-read",
            "bad-first-direct-write",
            "bad-later-buffered-read",
            "bad-later-direct-read",
            "bad-second-buffered-read",
            "bad-second-buffered-write",
            "bad-second-direct-read",
            "bad-second-direct-write",
            "race-buffered-read-bad-first",
            "race-buffered-read-bad-first-two-nodes",
            "race-buffered-read-bad-second",
            "race-buffered-read-bad-second-two-nodes",
            "race-buffered-write-bad-first",
            "race-buffered-write-bad-first-two-nodes",
            "race-buffered-write-bad-second",
            "race-buffered-write-bad-second-two-nodes",
            "race-direct-read-bad-both",
            "race-direct-read-bad-first",
            "race-direct-read-bad-first-two-nodes",
            "race-direct-read-bad-other-two-nodes",
            "race-direct-read-bad-second",
            "race-direct-read-bad-second-two-nodes",
            "race-direct-write-bad-first",
            "race-direct-write-bad-first-two-nodes",
            "race-direct-write-bad-second",
            "race-direct-write-bad-second-two-nodes",
        ],
    ),
    (
        "S13",
        &[
            "aio-direct-read",
            "aio-direct-write",
            "resume-buffered-read",
            "resume-buffered-read-bad",
            "resume-buffered-write",
            "resume-direct-read",
            "resume-direct-read-bad",
            "resume-direct-read-two-nodes",
            "resume-direct-write",
        ],
    ),
    (
        "S14",
        &[
            "race-buffered-read-reclaim",
            "race-buffered-write-reclaim",
            "race-direct-read-reclaim",
            "race-direct-write-reclaim",
            "reclaim-buffered-read",
            "reclaim-buffered-write",
            "reclaim-buffered-write-three-pages",
            "reclaim-direct-read",
            "reclaim-direct-read-twice",
            "reclaim-direct-write",
        ],
    ),
    ("S16", &["torn-buffered-read", "torn-buffered-read-local"]),
    ("S17", &["aio-direct-read-remote", "aio-direct-write-local"]),
    (
        "S18",
        &[
            "third-writer-buffered-read",
            "third-writer-buffered-read-private",
            "third-writer-buffered-read-private-both",
            "third-writer-direct-read",
            "third-writer-direct-read-private",
        ],
    ),
    // Not of the semantics: the next number.
    (
        "S19",
        &[
            "append-buffered-write",
            "append-buffered-write-two-tasks",
            "append-direct-write",
            "append-direct-write-one-page",
        ],
    ),
];

/// Predictions without a scenario, and why.
const LEFT_OUT: [(&str, &str); 1] = [("S15", "is about a chunk smaller than a page")];

fn load(name: &str) -> Scenario {
    Library::builtin().load(name).unwrap()
}

/// Is it about an item of the history, and not a prediction of the semantics?
fn is_of_the_history(scenario: &Scenario) -> bool {
    scenario.description.starts_with("K") || scenario.description.starts_with("Sibling")
}

/// The numbers before the colon of a description: "S12 and S2: …".
fn numbers(scenario: &Scenario) -> BTreeSet<String> {
    let head = scenario.description.split(':').next().unwrap();
    if is_of_the_history(scenario) {
        return BTreeSet::new();
    }
    let words = head.split([' ', ',']).filter(|w| w.starts_with('S'));
    words.map(str::to_string).collect()
}

#[test]
fn the_table_and_the_descriptions_agree() {
    let mut table: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (number, names) in TABLE {
        for name in *names {
            table.entry(name).or_default().insert(number.to_string());
        }
    }
    let library = Library::builtin();
    let described: BTreeMap<&str, BTreeSet<String>> = library
        .names()
        .filter(|name| !is_of_the_history(&load(name)))
        .map(|name| (name, numbers(&load(name))))
        .filter(|(_, numbers)| !numbers.is_empty())
        .collect();
    assert_eq!(table, described);
}

/// What has no number of section 9.5 is for a row of the history.
#[test]
fn every_scenario_says_what_it_is_for() {
    for name in Library::builtin().names() {
        let scenario = load(name);
        let head = scenario.description.split(':').next().unwrap();
        let row = |word: &str| {
            let mut letters = word.chars();
            letters.next().is_some_and(|c| "GHKPS".contains(c))
                && letters.next().is_some_and(|c| c.is_ascii_digit())
        };
        assert!(head.split([' ', ',']).any(row), "{name}: {head}");
    }
}

#[test]
fn every_prediction_is_covered_or_left_out_for_a_reason() {
    for n in 1..=18 {
        let number = format!("S{n}");
        let covered = TABLE
            .iter()
            .any(|(s, names)| *s == number && !names.is_empty());
        let left_out = LEFT_OUT.iter().any(|(s, _)| *s == number);
        assert!(covered != left_out, "{number}");
    }
}

/// The file behind the first mapped page of a task's buffer.
fn mapped_file(s: &Scenario, task: &TaskSpec) -> Option<u8> {
    let mut pages = task.buffer.iter();
    pages.find_map(|v| s.vpages[*v as usize].kind.backing().map(|(file, _)| file))
}

/// Two tasks, each with a mapping of the other's file.
fn crosses(s: &Scenario) -> bool {
    let io: Vec<&TaskSpec> = s.tasks.iter().filter(|t| t.op.is_io()).collect();
    io.len() >= 2
        && io[0].file != io[1].file
        && mapped_file(s, io[0]) == Some(io[1].file)
        && mapped_file(s, io[1]) == Some(io[0].file)
}

fn has_bad_page(s: &Scenario) -> bool {
    s.vpages.iter().any(|v| match v.kind {
        VpageKind::Bad => true,
        kind => kind
            .backing()
            .is_some_and(|(f, p)| p >= s.files[f as usize].pages),
    })
}

fn does(s: &Scenario, ops: &[OpKind]) -> bool {
    s.tasks.iter().any(|t| ops.contains(&t.op))
}

const MMAP_LOCK_WRITERS: [OpKind; 3] = [OpKind::Mmap, OpKind::Munmap, OpKind::Mprotect];

/// What a scenario with this number must have.
fn fits(number: &str, s: &Scenario) -> bool {
    match number {
        "S1" => s.tasks.len() == 1 && mapped_file(s, &s.tasks[0]) == Some(s.tasks[0].file),
        "S2" => s.nodes == 1 && crosses(s),
        "S3" => crosses(s) && s.events.demands.len() == 2 && s.lock == LockManager::Dlm,
        "S4" => s.nodes == 1 && crosses(s) && does(s, &[OpKind::DirectWrite]),
        "S4b" => {
            s.tasks
                .iter()
                .filter(|t| t.open_file == s.tasks[0].open_file)
                .count()
                == 2
        }
        "S5" => s.nodes == 2 && s.tasks.len() == 1 && mapped_file(s, &s.tasks[0]) == Some(1),
        "S6" => s.nodes == 2 && crosses(s),
        "S7" => s.nodes == 3 && s.files.len() == 3,
        "S8" => crosses(s) && s.mms.len() == 1,
        "S9" => does(s, &[OpKind::Load, OpKind::Store]),
        "S10" => does(s, &[OpKind::PipeRead, OpKind::PipeWrite]),
        "S11" => s.mms.len() == 1 && does(s, &MMAP_LOCK_WRITERS),
        "S12" => has_bad_page(s) || does(s, &[OpKind::Munmap]),
        "S13" => s.tasks[0].buffer.len() >= 2 && s.vpages[0].initial == [Pte::Rw],
        "S14" => s.events.reclaim > 0,
        "S16" => s.tasks[0].op == OpKind::BufferedRead && s.tasks[0].buffer.len() == 2,
        "S17" => s.tasks[0].aio && s.tasks[1].file == s.tasks[0].file,
        "S18" => crosses(s) && s.tasks[2].op == OpKind::BufferedWrite && s.tasks[2].file == 0,
        "S19" => s.tasks.iter().all(|t| t.append),
        _ => false,
    }
}

#[test]
fn scenarios_are_what_their_number_says() {
    for (number, names) in TABLE {
        for name in *names {
            assert!(fits(number, &load(name)), "{name} is not {number}");
        }
    }
}

#[test]
fn the_race_comes_in_all_its_forms() {
    for op in [
        "direct-read",
        "direct-write",
        "buffered-read",
        "buffered-write",
    ] {
        for kind in ["", "-private"] {
            for page in ["", "-second-page"] {
                for nodes in ["", "-two-nodes"] {
                    let s = load(&format!("race-{op}{kind}{page}{nodes}"));
                    assert!(crosses(&s));
                    assert_eq!(s.tasks[0].op.name(), op.replace('-', "_"));
                    assert_eq!(s.nodes, if nodes.is_empty() { 1 } else { 2 });
                    let second = u8::from(!page.is_empty());
                    for (i, v) in s.vpages.iter().enumerate() {
                        let file = 1 - i as u8;
                        let expected = match kind.is_empty() {
                            true => VpageKind::Shared { file, page: second },
                            false => VpageKind::Private { file, page: second },
                        };
                        assert_eq!(v.kind, expected);
                        assert_eq!(v.initial, [Pte::None, Pte::Ro]);
                    }
                    assert!(
                        s.files
                            .iter()
                            .all(|f| f.modes.iter().all(|m| *m == Mode::ALL))
                    );
                }
            }
        }
    }
}
