//! Records: what is written reads back, what is old opens, what is hostile is refused.

mod support;

use glock_model::cluster::State;
use glock_model::property::Property;
use glock_model::scenario::{Library, Scenario};
use glock_traces::{
    COMMIT_WIDTH, Departure, DesignLines, Ending, Form, History, MAX_BYTES, Record, RecordError,
    Style, WIDTH, parting,
};
use std::collections::HashMap;
use support::{designs_for, every_start, first_start, in_small_steps, shortest, walk};

/// A deadlock across the lock space: tasks, workers and messages.
fn deadlock() -> History {
    let cluster = first_start("race-direct-read-two-nodes", "base");
    shortest(&cluster, Property::NoDeadlock).expect("a deadlock")
}

fn record() -> Record {
    Record::new(&deadlock(), Some(Property::NoDeadlock))
}

fn read(text: &str) -> Result<Record, RecordError> {
    Record::from_bytes("x.json", text.as_bytes())
}

/// Numbers that look random and are the same every time.
fn random(seed: u32) -> impl FnMut() -> u8 {
    let mut x = seed;
    move || {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        x as u8
    }
}

/// Random walks of so many steps through every scenario, each under a few designs, with
/// every second one in small steps.
fn walks(steps: usize, mut look: impl FnMut(&str, &History)) {
    let mut random = random(7);
    for (i, name) in Library::builtin().names().enumerate() {
        let designs = designs_for(name);
        let design = designs[i % designs.len()].as_str();
        let small = in_small_steps(name, design);
        // Not every scenario may be written with every switch.
        let text = small.scenario().to_toml();
        let may_be_small = Scenario::from_toml(&text, "small.toml").is_ok();
        let cluster = match i % 2 == 1 && may_be_small {
            true => small,
            false => every_start(name, design),
        };
        let choices: Vec<u8> = (0..steps).map(|_| random()).collect();
        look(name, &walk(&cluster, random() as usize, &choices));
    }
}

// ---- what is written --------------------------------------------------------------

#[test]
fn a_record_reads_back() {
    let record = record();
    assert_eq!(read(&record.to_text()), Ok(record));
}

#[test]
fn a_record_of_any_walk_reads_back_tells_the_same_and_replays() {
    walks(60, |name, history| {
        let record = Record::new(history, None);
        let again = read(&record.to_text()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(again, record, "{name}");
        for design_lines in [DesignLines::Omitted, DesignLines::Shown] {
            for width in [COMMIT_WIDTH, WIDTH] {
                let style = Style {
                    width,
                    design_lines,
                };
                assert_eq!(
                    style.report_of_record(&again),
                    style.table(history),
                    "{name}"
                );
            }
        }
        let replayed = again.replay().unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(replayed.last(), history.last(), "{name}");
    });
}

#[test]
fn a_record_closes_as_its_history_does() {
    let history = deadlock();
    let told = Style::default().report(&history, Property::NoDeadlock);
    assert_eq!(Style::default().report_of_record(&record()), told);
}

/// The variables leave nothing out: states that differ look different.
#[test]
fn states_that_differ_have_values_that_differ() {
    walks(120, |name, history| {
        let record = Record::new(history, None);
        let mut seen: HashMap<Vec<u32>, &State> = HashMap::new();
        let mut walker = record.walk();
        for i in 0..=history.steps().len() {
            walker.go_to(i);
            let state = history.state(i);
            let known = seen.entry(walker.indices().to_vec()).or_insert(state);
            assert_eq!(*known, state, "{name}, after {i} steps");
        }
        let mut names: Vec<String> = record.variables.iter().map(|v| v.to_string()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{name} has two variables of one name");
    });
}

#[test]
fn a_step_takes_less_than_20_bytes_a_changed_variable() {
    let long = long(10_000);
    let changes: usize = long.steps.iter().map(|s| s.set.len() / 2).sum();
    let bytes = long.to_text().len();
    assert!(bytes < 20 * changes, "{bytes} bytes, {changes} changes");
}

/// A record of so many steps, as random walks make them: calls return, so it is many walks in a
/// row, as far as its size and the time it takes go.
fn long(steps: usize) -> Record {
    let mut random = random(3);
    let cluster = every_start("race-buffered-write-two-nodes", "fault-in-retry");
    let choices: Vec<u8> = (0..steps).map(|_| random()).collect();
    let record = Record::new(&walk(&cluster, 0, &choices), None);
    let again = record.steps.iter().cycle().take(steps);
    Record {
        steps: again.cloned().collect(),
        ..record
    }
}

// ---- what is read -----------------------------------------------------------------

/// Version 1 as it was when it was fixed. This file never changes.
const VERSION_1: &str = include_str!("records/version-1.json");

#[test]
fn a_record_of_version_1_opens() {
    let record = read(VERSION_1).expect("every version that was ever written opens");
    assert_eq!(record.version, 1);
    assert_eq!(record.steps.len(), 10);
    assert_eq!(record.design.sources[0].text[0], "design base");
    for form in Form::ALL {
        assert!(!form.of(&record, Style::TERMINAL).is_empty(), "{form:?}");
    }
    let text = Style::default().report_of_record(&record);
    assert!(text.contains("*** DEADLOCK ***"), "{text}");
}

#[test]
fn a_newer_version_is_refused_with_what_to_do() {
    let text = VERSION_1.replacen("\"version\": 1,", "\"version\": 2, \"actors\": 17,", 1);
    let error = read(&text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "x.json is a record of version 2, and this program knows versions up to 1"
    );
    assert!(error.help().contains("later"), "{}", error.help());
}

#[test]
fn fields_that_are_added_later_do_no_harm() {
    let text = VERSION_1.replacen("{", "{\"weather\": [{\"deep\": [1, 2]}],", 1);
    assert!(read(&text).is_ok());
}

#[test]
fn other_documents_are_named() {
    let outline = r#"{"format": "glock-history", "version": 1}"#;
    let error = read(outline).unwrap_err().to_string();
    assert_eq!(
        error,
        "x.json is no record of a history: its format is \"glock-history\""
    );
    assert!(read("[1, 2]").is_err());
    assert!(read("").is_err());
}

#[test]
fn a_truncated_record_is_refused_where_it_ends() {
    let lines = VERSION_1.lines().count();
    for at in (0..VERSION_1.len() - 2)
        .step_by(97)
        .filter(|&at| VERSION_1.is_char_boundary(at))
    {
        match read(&VERSION_1[..at]) {
            Err(RecordError::Malformed { line, column, .. }) => {
                assert!(line <= lines && column <= 100_000, "{line}:{column}");
                assert_eq!(line, VERSION_1[..at].matches('\n').count() + 1);
            }
            other => panic!("cut at {at}: {other:?}"),
        }
    }
}

#[test]
fn numbers_that_lead_nowhere_are_refused() {
    let record = || read(VERSION_1).expect("version 1");
    type Damage = fn(&mut Record);
    let damages: [(&str, Damage); 14] = [
        ("steps[3].set", |r| r.steps[3].set = vec![0, 9999]),
        ("steps[3].set", |r| r.steps[3].set = vec![9999, 0]),
        ("steps[3].set", |r| r.steps[3].set = vec![0]),
        ("steps[0].act", |r| r.steps[0].act = 400),
        ("steps[1].say", |r| r.steps[1].say = vec![400]),
        ("steps[9].take", |r| r.steps[9].take = vec![400]),
        ("first", |r| r.first.truncate(3)),
        ("lines[0].place", |r| r.lines[0].place = Some((0, 0))),
        ("lines[0].place", |r| r.lines[0].place = Some((9, 1))),
        ("lines[0].actor", |r| r.lines[0].actor = 99),
        ("actions", |r| r.actions[0] = "dance".into()),
        ("actors", |r| r.actors.reverse()),
        ("actors", |r| r.actors[0].node = Some(9)),
        ("repeats_from", |r| r.repeats_from = Some(11)),
    ];
    for (what, damage) in damages {
        let mut damaged = record();
        damage(&mut damaged);
        let error = read(&damaged.to_text()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("x.json: {what}: ")),
            "{what}: {error}"
        );
    }
}

#[test]
fn control_characters_are_refused() {
    for text in ["\u{1b}[2J", "a\nb", "\u{7}"] {
        let mut damaged = read(VERSION_1).expect("version 1");
        damaged.lines[0].call = text.into();
        let error = read(&damaged.to_text()).unwrap_err().to_string();
        assert!(error.contains("a control character"), "{error}");
        assert!(!error.contains(text), "{error:?}");
    }
}

/// What is short may refer to what is long a million times.
#[test]
fn texts_that_grow_without_end_are_refused() {
    let good = || read(VERSION_1).expect("version 1");
    let mut long = good();
    long.lines[0].call = "x".repeat(1001);
    let error = read(&long.to_text()).unwrap_err().to_string();
    assert!(error.contains("lines: more than 1000 bytes"), "{error}");
    let mut many = good();
    many.lines[0].call = "x".repeat(1000);
    many.steps[0].say = vec![0; 100_000];
    let error = read(&many.to_text()).unwrap_err().to_string();
    assert!(
        error.contains("steps[0].say: more than 64 MiB are told"),
        "{error}"
    );
    many.steps[0].say.truncate(10_000);
    let record = read(&many.to_text()).expect("a lot, and not too much");
    for form in Form::ALL {
        assert!(!form.of(&record, Style::TERMINAL).is_empty());
    }
}

/// The largest amounts of memory are spent on what is short and many. What is longer than the limit
/// costs no more than what is as long; of a file of 100 MB no more is read, see the tests of the
/// command line.
#[test]
fn hostile_documents_are_refused_where_they_go_wrong() {
    const LENGTH: usize = MAX_BYTES + 100;
    let head = r#"{"format": "glock-record", "version": 1, "program": "", "#;
    let filled = |prefix: &str, repeated: &str| {
        let mut text = String::with_capacity(LENGTH + 64);
        text += prefix;
        while text.len() < LENGTH {
            text += repeated;
        }
        text
    };
    for (prefix, repeated) in [
        ("", "["),
        ("", "{\"a\":"),
        ("", " "),
        ("", "\n"),
        ("\"", "x"),
        (&format!("{head}\"values\": ["), "\"\","),
        (&format!("{head}\"values\": [["), "\"\","),
        (&format!("{head}\"values\": [[]"), ",[]"),
        (&format!("{head}\"steps\": ["), "{\"act\":0},"),
        (&format!("{head}\"steps\": [{{\"act\":0,\"set\":["), "0,"),
        (&format!("{head}\"first\": ["), "0,"),
        (&format!("{head}\"x\": ["), "[],"),
        (&format!("{head}\"x\": "), "{\"a\":"),
        (&VERSION_1[..VERSION_1.len() - 3], " "),
    ] {
        let text = filled(prefix, repeated);
        let error = read(&text).unwrap_err();
        let (RecordError::Malformed { line, column, .. }
        | RecordError::TooLong { line, column, .. }) = error
        else {
            panic!("{repeated:?}: {error}");
        };
        assert!(
            line >= 1 && column <= MAX_BYTES + 1,
            "{repeated:?}: {line}:{column}"
        );
    }
}

// ---- what is walked again ---------------------------------------------------------

#[test]
fn a_recorded_counterexample_replays() {
    let history = record().replay().expect("the model is the same");
    assert_eq!(history.last(), deadlock().last());
}

#[test]
fn a_loop_and_a_trap_replay() {
    let cluster = first_start("race-direct-read", "base");
    let history = shortest(&cluster, Property::NoDeadlock).expect("a deadlock");
    let steps = history.steps().len();
    for ending in [
        Ending::Loop { start: steps },
        Ending::Trap {
            states: 3,
            by_representative: true,
        },
    ] {
        let history = history.clone().ending_in(ending).expect("it stands still");
        let record = Record::new(&history, Some(Property::Finishes));
        let again = read(&record.to_text()).expect("a record");
        assert_eq!(again.ending(), ending);
        assert_eq!(again.replay().map(|h| h.ending()), Ok(ending));
    }
}

#[test]
fn a_changed_model_is_noticed_where_it_first_differs() {
    let departed = |change: fn(&mut Record)| {
        let mut record = record();
        change(&mut record);
        record.replay().map(|h| h.steps().len())
    };
    // As if the model had another state after the third step.
    let other_state = departed(|r| {
        let v = r.variables.iter().position(|v| v.name == "ki_pos");
        let three = r.values.len() as u32;
        r.values.push(glock_traces::Value::Number(3));
        r.steps[2]
            .set
            .extend([v.expect("a task has it") as u32, three]);
    });
    let Err(Departure::State {
        step, differences, ..
    }) = other_state
    else {
        panic!("{other_state:?}");
    };
    assert_eq!((step, differences.len()), (3, 1));
    assert_eq!(
        differences[0].to_string(),
        "tasks/P1/ki_pos: recorded \"3\", today \"0\""
    );
    let impossible = departed(|r| {
        r.actions.push("worker 0 0".into());
        r.steps[0].act = r.actions.len() as u32 - 1;
    });
    assert!(matches!(
        impossible,
        Err(Departure::Impossible { step: 1, .. })
    ));
    let outside = departed(|r| {
        r.actions.push("reclaim 200 200 200".into());
        r.steps[0].act = r.actions.len() as u32 - 1;
    });
    assert!(matches!(
        outside,
        Err(Departure::Impossible { step: 1, .. })
    ));
    let start = departed(|r| {
        let v = r.variables.iter().position(|v| v.name == "gl_state");
        r.first[v.expect("a glock has it")] = r.first[0];
    });
    assert!(
        matches!(start, Err(Departure::Start(ref d)) if d.len() == 1),
        "{start:?}"
    );
    let variables = departed(|r| r.variables[0].name = "weight".into());
    assert!(matches!(variables, Err(Departure::Variables { .. })));
    let design = departed(|r| r.design.sources[0].text[5] = "fault(file:".into());
    assert!(matches!(design, Err(Departure::Design(_))), "{design:?}");
    let scenario = departed(|r| r.scenario.text[0] = "nodes = 9".into());
    assert!(
        matches!(scenario, Err(Departure::Scenario(_))),
        "{scenario:?}"
    );
    let holds = departed(|r| r.property = Some("placement".into()));
    assert_eq!(holds, Err(Departure::Property("placement".into())));
    let unknown = departed(|r| r.property = Some("no-rain".into()));
    assert_eq!(unknown, Err(Departure::Property("no-rain".into())));
}

#[test]
fn two_records_part_at_the_first_step_that_is_told_differently() {
    let record = record();
    assert!(parting(&record, &record).is_none());
    let cluster = first_start("race-direct-read-two-nodes", "restart-hack");
    let other = walk(&cluster, 0, &[0; 12]);
    let other = Record::new(&other, None);
    let parting = parting(&record, &other);
    assert_eq!(parting.alike, 8);
    let told = parting.told(["a", "b"]);
    assert!(
        told.starts_with("The two part at step 9; 8 steps before it are the same."),
        "{told}"
    );
    assert!(told.contains("SH|TRY"), "{told}");
}
