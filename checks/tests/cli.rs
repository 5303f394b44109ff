//! The binary, as a user meets it.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn glock(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_glock"))
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Without line breaks, for sentences that may be folded anywhere.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not killed by a signal")
}

/// A user's file with this content.
fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

// ---- exit status ------------------------------------------------------------------

#[test]
fn zero_if_everything_holds() {
    let cell = [
        "check",
        "-d",
        "fault-in-retry",
        "-s",
        "race-direct-read-private",
    ];
    let output = glock(&cell);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).contains("no-deadlock          holds"));
    assert!(stdout(&output).contains("finishes-strongly    holds"));
    assert_eq!(stderr(&output), "");
}

#[test]
fn one_if_something_is_violated() {
    let output = glock(&["check", "-d", "base", "-s", "race-direct-read"]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("no-deadlock          VIOLATED in 8 steps"));
    assert!(stdout(&output).contains("*** DEADLOCK ***"));
}

#[test]
fn zero_if_only_other_properties_are_violated() {
    let args = [
        "check",
        "-d",
        "base",
        "-s",
        "race-direct-read",
        "-p",
        "placement",
    ];
    let output = glock(&args);
    assert_eq!(code(&output), 0);
    assert!(!stdout(&output).contains("no-deadlock"));
}

#[test]
fn what_is_reported_without_being_demanded_does_not_count() {
    let args = [
        "check",
        "-d",
        "fault-in-retry",
        "-s",
        "torn-buffered-read",
        "-p",
        "atomic-read",
    ];
    let output = glock(&args);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(
        stdout(&output).contains("reported, not demanded"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn three_for_every_limit_and_never_holds() {
    for limit in [
        ["--limit-states", "1000"],
        ["--limit-memory", "1MiB"],
        ["--limit-time", "5ms"],
    ] {
        let cell = [
            "check",
            "-d",
            "fault-in-retry",
            "-s",
            "race-direct-read-two-nodes",
        ];
        let output = glock(&[&cell[..], &limit[..]].concat());
        let text = stdout(&output);
        assert_eq!(code(&output), 3, "{text}");
        assert!(!text.contains("holds"), "{text}");
        assert!(text.contains("NOT EVERY STATE WAS LOOKED AT"), "{text}");
        let json = glock(&[&cell[..], &limit[..], &["--json"]].concat());
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["verdict"], "unknown");
        for property in json["cells"][0]["properties"].as_array().unwrap() {
            assert_eq!(property["verdict"], "unknown");
            assert!(property["reason"].as_str().unwrap().contains("limit"));
        }
    }
}

#[test]
fn undecided_cells_of_a_table_are_marked_and_explained() {
    let output = glock(&[
        "check",
        "-d",
        "fault-in-retry",
        "-d",
        "fault-in-retry-bounded",
        "-s",
        "race-direct-read-two-nodes",
        "--limit-states",
        "1000",
    ]);
    let text = stdout(&output);
    assert_eq!(code(&output), 3, "{text}");
    let row = text
        .lines()
        .find(|line| line.starts_with("fault-in-retry "))
        .unwrap();
    assert_eq!(row.matches('?').count(), 13, "{row}");
    assert!(!row.contains("ok"), "{row}");
    assert!(
        text.contains("unknown: race-direct-read-two-nodes under fault-in-retry:"),
        "{text}"
    );
}

#[test]
fn a_violation_counts_more_than_not_knowing() {
    let args = [
        "check",
        "-d",
        "base",
        "-s",
        "race-direct-read",
        "--limit-states",
        "4000",
    ];
    let output = glock(&args);
    let text = stdout(&output);
    assert_eq!(code(&output), 1, "{text}");
    assert!(
        text.contains("VIOLATED in 8 steps") && text.contains("unknown: the limit"),
        "{text}"
    );
}

#[test]
fn progress_counts_if_it_was_asked_for() {
    let cell = ["check", "-d", "fault-in-retry", "-s", "race-direct-read"];
    let safety = glock(&[&cell[..], &["-p", "no-deadlock"]].concat());
    assert_eq!(code(&safety), 0, "{}", stdout(&safety));
    let one = glock(&[&cell[..], &["-p", "can-finish"]].concat());
    assert_eq!(code(&one), 0, "{}", stdout(&one));
    let flag = glock(&[&cell[..], &["-p", "no-deadlock", "--progress"]].concat());
    assert_eq!(code(&flag), 1, "{}", stdout(&flag));
    let text = stdout(&glock(&cell));
    assert!(text.contains("can-finish           holds"), "{text}");
    assert!(text.contains("\nthen for ever:\n"), "{text}");
    assert!(text.contains("P1 and P2 go round for ever"), "{text}");
}

#[test]
fn json_says_where_a_history_repeats() {
    let cell = ["check", "-d", "restart-hack", "--json"];
    let output = glock(&[&cell[..], &["-s", "lone-direct-read-idle-remote"]].concat());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let property = |i: usize| &json["cells"][0]["properties"][i];
    let (trap, lasso) = (property(10), property(11));
    assert_eq!(trap["name"], "can-finish");
    assert_eq!(trap["steps"], 0);
    assert!(trap["trap_states"].as_u64().unwrap() > 1);
    assert_eq!(lasso["name"], "finishes");
    assert_eq!(lasso["repeats_from"], lasso["history"]["repeats_from"]);
    assert!(lasso["repeats_from"].as_u64() < lasso["steps"].as_u64());
}

// ---- reports ----------------------------------------------------------------------

#[test]
fn a_small_table() {
    let output = glock(&[
        "check",
        "-d",
        "base",
        "-d",
        "restart-errno",
        "-d",
        "fault-in-retry",
        "-s",
        "race-direct-read",
        "-s",
        "race-buffered-read",
        "--no-history",
    ]);
    assert_eq!(code(&output), 1);
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn a_single_cell() {
    let output = glock(&["check", "-d", "restart-hack", "-s", "race-direct-read"]);
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn few_properties_have_their_names_in_full() {
    let output = glock(&[
        "check",
        "-d",
        "base",
        "-d",
        "fault-in-retry",
        "-s",
        "race-direct-read",
        "-p",
        "no-deadlock",
        "-p",
        "no-spurious-efault",
        "--no-history",
    ]);
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn no_line_of_a_report_is_too_wide() {
    let cells = glock(&["check", "-s", "race-direct-read", "--history", "--progress"]);
    let lists = [glock(&["designs"]), glock(&["scenarios"]), cells];
    for output in &lists {
        for line in stdout(output).lines() {
            // The longest name of a design makes its table a little wider.
            assert!(line.chars().count() <= 84, "{line}");
        }
    }
}

#[test]
fn nothing_but_text_without_a_terminal() {
    let output = Command::new(env!("CARGO_BIN_EXE_glock"))
        .args(["check", "-d", "base", "-s", "race-direct-read"])
        .output()
        .unwrap();
    assert!(!stdout(&output).contains('\u{1b}'));
    assert_eq!(stderr(&output), "");
}

#[test]
fn json_is_one_document_with_everything() {
    let output = glock(&[
        "check",
        "-d",
        "base",
        "-d",
        "fault-in-retry",
        "-s",
        "race-direct-read",
        "--json",
    ]);
    assert_eq!(code(&output), 1);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["format"], "glock-check");
    assert_eq!(json["version"], 1);
    assert_eq!(json["verdict"], "violated");
    let base = &json["cells"][0];
    assert_eq!(base["design"], "base");
    assert_eq!(base["exhaustive"], true);
    assert_eq!(base["search"]["initial_states"], 100);
    let deadlock = &base["properties"][0];
    assert_eq!(deadlock["name"], "no-deadlock");
    assert_eq!(deadlock["steps"], 8);
    assert_eq!(deadlock["history"]["steps"].as_array().unwrap().len(), 8);
    let atomic = &base["properties"][9];
    assert_eq!(
        (&atomic["name"], &atomic["demanded"]),
        (&"atomic-read".into(), &false.into())
    );
    assert!(
        base["occurred"]
            .as_array()
            .unwrap()
            .contains(&"fault-under-glock".into())
    );
    let upstream = &json["cells"][1];
    assert_eq!(upstream["properties"][0]["verdict"], "holds");
}

#[test]
fn json_without_histories() {
    let output = glock(&[
        "check",
        "-d",
        "base",
        "-s",
        "race-direct-read",
        "--json",
        "--no-history",
    ]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(json["cells"][0]["properties"][0].get("history").is_none());
}

#[test]
fn a_report_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let cell = ["check", "-d", "base", "-s", "race-direct-read", "--json"];
    let output = glock(&[&cell[..], &["--out", path.to_str().unwrap()]].concat());
    assert_eq!(code(&output), 1);
    assert_eq!(stdout(&output), "");
    let json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["cells"].as_array().unwrap().len(), 1);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left over"
    );
}

// ---- lists and explanations -------------------------------------------------------

#[test]
fn lists_name_everything() {
    let designs = stdout(&glock(&["designs"]));
    for name in ["base", "restart-hack", "fault-in-retry-bounded"] {
        assert!(designs.contains(name), "{designs}");
    }
    let scenarios = stdout(&glock(&["scenarios"]));
    assert!(
        scenarios.contains("race-direct-read-two-nodes\n"),
        "{scenarios}"
    );
}

#[test]
fn explanations() {
    let mut all = String::new();
    for name in [
        "no-deadlock",
        "atomic-read",
        "race-direct-read",
        "gfs2_glock_nq",
    ] {
        let output = glock(&["explain", name]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        all += &stdout(&output);
        all += "\n=====\n";
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_design_is_explained_with_its_text_and_what_it_extends() {
    let text = stdout(&glock(&["explain", "recursion-check"]));
    for part in [
        "extends base",
        "recursion-check.design\n",
        "if gfs2_glock_is_locked_by_me file",
        "base.design\n",
        "buffered_write(file, iter):",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
}

#[test]
fn every_name_can_be_explained() {
    let catalog = glock::Catalog::builtin();
    let statements = glock_model::design::statements().iter().map(|s| s.name);
    let designs = catalog.designs().into_iter().chain(catalog.steps());
    for name in designs.chain(statements) {
        let output = glock(&["explain", name]);
        assert_eq!(code(&output), 0, "{name}: {}", stderr(&output));
    }
}

// ---- known answers ----------------------------------------------------------------

/// The last column is a time.
fn without_times(table: &str) -> String {
    let mut out = String::new();
    for line in table.lines() {
        let line = match line.rsplit_once(' ') {
            Some((rest, time)) if time.contains('.') && time.parse::<f64>().is_ok() => {
                format!("{} TIME", rest.trim_end())
            }
            _ => line.to_owned(),
        };
        out += &line;
        out.push('\n');
    }
    out
}

#[test]
fn rows_of_the_history_as_a_table() {
    let output = glock(&["known", "H2", "K1", "k4f", "K4i", "K7", "K10"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    insta::assert_snapshot!(without_times(&stdout(&output)));
}

#[test]
fn all_rows_of_the_history_are_as_recorded() {
    let output = glock(&["known", "--json"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["format"], "glock-known");
    assert_eq!(json["verdict"], "as recorded");
    let entries = json["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 54);
    for entry in entries {
        let cases = entry["cases"].as_array().unwrap();
        assert_eq!(cases.is_empty(), entry["lacks"].is_string(), "{entry}");
        for side in cases
            .iter()
            .flat_map(|case| [&case["before"], &case["after"]])
        {
            assert_eq!(side["as_recorded"], true, "{entry}");
            assert_eq!(side["differences"].as_array().unwrap().len(), 0);
        }
    }
}

#[test]
fn a_row_given_twice_is_asked_once() {
    let once = glock(&["known", "K4k"]);
    let twice = glock(&["known", "K4k", "K4k"]);
    let [once, twice] = [once, twice].map(|output| without_times(&stdout(&output)));
    assert_eq!(once, twice);
    assert!(
        once.ends_with("1 row as recorded, 0 not, 0 not yet\n"),
        "{once}"
    );
}

#[test]
fn unknown_rows_are_refused_with_those_there_are() {
    let text = squeezed(&refused(&["known", "K1", "K99"]));
    assert!(text.contains("there is no row \"K99\""), "{text}");
    assert!(text.contains("H1, H2, H3, K1, K2, K3, K4a"), "{text}");
    assert!(text.contains("P3"), "{text}");
}

#[test]
fn a_row_is_explained_with_its_story_and_the_history_of_its_failure() {
    let output = glock(&["explain", "K4f"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn every_row_can_be_explained() {
    for entry in glock_model::known::KnownAnswers::builtin().unwrap().entries {
        let output = glock(&["explain", &entry.id]);
        assert_eq!(code(&output), 0, "{}: {}", entry.id, stderr(&output));
        let text = stdout(&output);
        assert!(text.starts_with(&format!("{}  ", entry.id)), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert_eq!(text.contains("not yet: "), entry.lacks.is_some(), "{text}");
        let fails = entry.cases.iter().any(|case| {
            let sides = [&case.before, &case.after];
            let mut violated = sides.iter().flat_map(|side| &side.violated);
            violated.any(|(property, _)| *property == case.property)
        });
        assert_eq!(text.contains("is violated in "), fails, "{text}");
    }
}

// ---- bad input --------------------------------------------------------------------

/// Exit 2, something on stderr, no panic, nothing on stdout; returns stderr.
#[track_caller]
fn refused(args: &[&str]) -> String {
    let output = glock(args);
    let text = stderr(&output);
    assert_eq!(code(&output), 2, "{text}{}", stdout(&output));
    assert!(!text.is_empty());
    assert!(!text.contains("panicked"), "{text}");
    assert_eq!(stdout(&output), "");
    text
}

#[test]
fn unknown_names_are_refused_with_a_suggestion() {
    let cases = [
        (&["check", "-d", "fault-in-rety"][..], "fault-in-retry"),
        (&["check", "-s", "race-direct-raed"], "race-direct-read"),
        (&["check", "-p", "no-deadlok"], "no-deadlock"),
        (&["explain", "gfs2_glock_nk"], "gfs2_glock_nq"),
        (&["explore", "-d", "bse", "-s", "race-direct-read"], "base"),
    ];
    for (args, suggestion) in cases {
        let text = refused(args);
        assert!(text.contains(suggestion), "{text}");
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for args in [
        &["check", "--limit-states", "0"][..],
        &["check", "--limit-states", "-1"],
        &["check", "--limit-memory", "2 fathoms"],
        &["check", "--limit-memory", "0"],
        &["check", "--limit-time", "0s"],
        &["check", "--limit-time", "NaN"],
        &["check", "--threads", "0"],
        &["check", "--frobnicate"],
        &[
            "explore",
            "-d",
            "base",
            "-s",
            "race-direct-read",
            "--address",
            "0.0.0.0:3000",
        ],
        &[
            "explore",
            "-d",
            "base",
            "-s",
            "race-direct-read",
            "--address",
            "nowhere",
        ],
        &["nonsense"],
        &["explain", ""],
    ] {
        refused(args);
    }
}

#[test]
fn files_that_are_not_what_they_should_be_are_refused() {
    for (ending, option) in [("design", "-d"), ("toml", "-s")] {
        let contents: [(&str, Vec<u8>); 4] = [
            ("empty", Vec::new()),
            ("binary", (0..=255).cycle().take(4096).collect()),
            ("huge", b"# nothing\n".repeat(210_000)),
            ("deep", b"[".repeat(100_000)),
        ];
        for (name, content) in contents {
            let name = format!("{name}.{ending}");
            let (_folder, path) = file(&name, &content);
            let text = refused(&["check", option, path.to_str().unwrap()]);
            assert!(text.contains(&name) || text.contains("…"), "{text}");
            refused(&["explain", path.to_str().unwrap()]);
        }
        refused(&["check", option, &format!("/nonexistent/x.{ending}")]);
        refused(&["check", option, "/"]);
    }
}

#[test]
fn a_mistake_in_a_design_shows_its_place() {
    let text =
        "design mine\n  extends base\n  \"Mine.\"\n\nfault(file):\n        gfs2_glock_nq file XX\n";
    let (_folder, path) = file("mine.design", text.as_bytes());
    let text = refused(&["check", "-d", path.to_str().unwrap()]);
    assert!(text.contains("mine.design:6:"), "{text}");
}

#[test]
fn outputs_that_cannot_be_written_are_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let is_folder = folder.path().to_str().unwrap();
    let missing = folder.path().join("missing/report");
    for path in [is_folder, missing.to_str().unwrap(), "/proc/self/report"] {
        let text = refused(&["check", "--out", path]);
        assert!(text.contains("cannot write"), "{text}");
    }
}

// ---- manners ----------------------------------------------------------------------

#[test]
fn a_reader_that_goes_away_is_no_disaster() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_glock"))
        .args(["check", "-s", "race-direct-read"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(matches!(code(&output), 0..=3));
    assert_eq!(stderr(&output), "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_cleanly_with_what_is_known() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_glock"))
        .args([
            "check",
            "-d",
            "base",
            "-d",
            "fault-in-retry",
            "--threads",
            "1",
        ])
        .args(["-s", "race-direct-read", "-s", "race-direct-read-two-nodes"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(status.code(), Some(3), "{text}");
    assert!(
        squeezed(&text).contains("the search was cancelled"),
        "{text}"
    );
    assert!(
        text.contains("!8"),
        "what was found before is still told: {text}"
    );
}

#[cfg(unix)]
#[test]
fn without_arguments_the_race_begins_at_once() {
    use std::io::{BufRead, BufReader, Read};
    let mut child = Command::new(env!("CARGO_BIN_EXE_glock"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("restart-hack ") {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "no row came");
    }
    let cells: Vec<&str> = line.split_whitespace().skip(1).collect();
    assert_eq!(cells, ["D", "ok", "ok", "ok", "D", "ok", "ok", "ok"]);
    let pid = child.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status().unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(rest.contains("?   not every state was looked at"), "{rest}");
    assert!(rest.contains("gfs2_page_mkwrite(F2)"), "{rest}");
    assert!(rest.contains("*** DEADLOCK ***"), "{rest}");
}

#[test]
fn help_fits_a_terminal() {
    for args in [
        &["--help"][..],
        &["check", "--help"],
        &["walk", "--help"],
        &["explore", "--help"],
    ] {
        let output = glock(args);
        assert_eq!(code(&output), 0);
        assert!(
            stdout(&output)
                .lines()
                .all(|line| line.chars().count() <= 80)
        );
    }
}

/// A rename would put a file in the place of a device, a pipe or a link.
#[cfg(unix)]
#[test]
fn a_report_never_replaces_what_is_no_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "check",
        "-d",
        "base",
        "-s",
        "own-direct-read-same-page",
        "-o",
    ];
    let to = |path: &std::path::Path| {
        std::process::Command::new(env!("CARGO_BIN_EXE_glock"))
            .args(args)
            .arg(path)
            .output()
            .unwrap()
    };
    let pipe = folder.path().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(to(&pipe).status.code(), Some(2));
    use std::os::unix::fs::FileTypeExt;
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());

    let (file, link) = (folder.path().join("report"), folder.path().join("link"));
    std::fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(to(&link).status.code(), Some(1));
    assert!(link.is_symlink(), "the link stays");
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("no-recursion")
    );
}

/// Reading a pipe nobody writes to would hang.
#[cfg(unix)]
#[test]
fn a_design_must_be_a_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.design");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_glock"))
        .args(["check", "-s", "race-direct-read", "-d"])
        .arg(&pipe)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no regular file"));
}

// ---- symmetry -----------------------------------------------------------------------

#[test]
fn symmetry_is_found_and_told() {
    let cell = ["check", "-d", "restart-hack", "-s"];
    let run = |scenario| glock(&[&cell[..], &[scenario, "--symmetry"]].concat());
    let race = run("race-direct-read");
    assert_eq!(code(&race), 1, "{}", stderr(&race));
    let text = squeezed(&stdout(&race));
    for wanted in [
        "symmetry: files F1 and F2 together with tasks P1 and P2 are interchangeable (group of \
         order 2); states are counted by representative",
        "finishes and finishes-strongly cannot be judged with symmetry",
        "can-finish VIOLATED in",
        ": at least ",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("finishes-strongly not asked"), "{text}");
    let lone = squeezed(&stdout(&run("lone-direct-read-idle-remote")));
    assert!(lone.contains("symmetry: there is none; every state is stored as it is"));
    assert!(
        lone.contains(" states, no way out") && !lone.contains("at least"),
        "{lone}"
    );
}

#[test]
fn symmetry_is_in_the_json_document_if_it_was_asked_for() {
    let cell = [
        "check",
        "-d",
        "base",
        "-s",
        "race-direct-read-two-nodes",
        "--json",
        "-p",
        "balanced",
    ];
    let with = glock(&[&cell[..], &["--symmetry"]].concat());
    let with: Value = serde_json::from_str(&stdout(&with)).unwrap();
    assert_eq!(
        with["cells"][0]["symmetry"],
        serde_json::json!({
            "order": 2,
            "interchangeable": [{
                "nodes": ["1", "2"],
                "files": ["F1", "F2"],
                "tasks": ["P1", "P2"],
                "ways": 2,
            }],
        })
    );
    let without: Value = serde_json::from_str(&stdout(&glock(&cell))).unwrap();
    assert!(without["cells"][0].get("symmetry").is_none());
    let states = |document: &Value| document["cells"][0]["search"]["states"].as_u64().unwrap();
    assert!(states(&with) < states(&without) && 2 * states(&with) >= states(&without));
}

#[test]
fn fairness_and_symmetry_do_not_go_together() {
    let cell = [
        "check",
        "-d",
        "base",
        "-s",
        "race-direct-read",
        "--symmetry",
    ];
    for (asked, named) in [
        (&["-p", "finishes"][..], "finishes cannot be judged"),
        (
            &["-p", "balanced", "-p", "finishes-strongly"],
            "finishes-strongly cannot be judged",
        ),
        (&["--progress"], "finishes cannot be judged"),
    ] {
        let output = glock(&[&cell[..], asked].concat());
        assert_eq!(code(&output), 2, "{asked:?}");
        let text = squeezed(&stderr(&output));
        assert!(text.contains(named), "{asked:?}: {text}");
        assert!(text.contains("leave --symmetry out"), "{asked:?}: {text}");
        assert_eq!(stdout(&output), "");
    }
    assert_eq!(
        code(&glock(&[&cell[..], &["-p", "can-finish"]].concat())),
        1
    );
}
