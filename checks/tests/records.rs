//! Records on the command line: written by `check` and `walk`, shown, walked again, shrunk and
//! compared.

use glock_model::cluster::Cluster;
use glock_model::event::NoSink;
use glock_model::property::Property;
use glock_traces::{History, Record};
use std::path::{Path, PathBuf};
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

/// Without line breaks, for sentences that may be folded anywhere.
fn squeezed(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap().replace('│', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not killed by a signal")
}

/// A folder with the record of the deadlock of two readers.
fn deadlock() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deadlock.json").display().to_string();
    let cell = ["check", "-d", "base", "-s", "race-direct-read"];
    let args = [&cell[..], &["-p", "no-deadlock", "--record", &path]].concat();
    let output = glock(&args);
    assert_eq!(code(&output), 1);
    assert!(squeezed(&output.stderr).contains("recorded in"));
    (folder, path)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_folder_has_a_record_for_every_counterexample() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("folder");
    let path_text = path.display().to_string();
    let output = glock(&[
        "check",
        "-d",
        "base",
        "-d",
        "pin-first",
        "-s",
        "race-direct-read",
        "-p",
        "no-deadlock",
        "-p",
        "can-finish",
        "--no-history",
        "--record",
        &path_text,
    ]);
    assert_eq!(code(&output), 1);
    let expected = [
        "race-direct-read--base--can-finish.json",
        "race-direct-read--base--no-deadlock.json",
    ];
    assert_eq!(names(&path), expected);
    let record = Record::read(&path.join(expected[1])).expect("a record");
    let command = "glock check -d base -s race-direct-read -p no-deadlock";
    assert_eq!(record.command.as_deref(), Some(command));
    assert_eq!(record.verdict, "violated in 8 steps");
    let search = record.search.expect("figures");
    assert!(search.exhaustive && search.shortest && search.states > Some(100));
    // The command in it finds the same again.
    let args: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(stdout(&glock(&args)).contains("VIOLATED in 8 steps"));
}

#[test]
fn several_counterexamples_do_not_fit_in_a_file() {
    let output = glock(&[
        "check",
        "-d",
        "base",
        "-s",
        "race-direct-read",
        "--record",
        "x.json",
    ]);
    assert_eq!(code(&output), 2);
    let error = squeezed(&output.stderr);
    assert!(
        error.contains("\"x.json\" is one file, and there may be 13 counterexamples"),
        "{error}"
    );
    assert!(!PathBuf::from("x.json").exists());
}

#[test]
fn nothing_is_recorded_of_what_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json").display().to_string();
    let args = [
        "check",
        "-d",
        "fault-in-retry",
        "-s",
        "race-direct-read-private",
    ];
    let output = glock(&[&args[..], &["-p", "no-deadlock", "--record", &path]].concat());
    assert_eq!(code(&output), 0);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_record_is_shown_as_check_shows_it() {
    let (_folder, path) = deadlock();
    let shown = stdout(&glock(&["show", &path]));
    let told = stdout(&glock(&[
        "check",
        "-d",
        "base",
        "-s",
        "race-direct-read",
        "-p",
        "no-deadlock",
    ]));
    assert!(told.ends_with(&shown), "{shown}");
    for line in shown.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let narrow = stdout(&glock(&["show", &path, "--commit-message"]));
    assert!(narrow.contains("[base:"), "{narrow}");
    for line in narrow.lines() {
        assert!(line.chars().count() <= 72, "{line}");
    }
}

#[test]
fn every_form_is_listed_and_written() {
    let (folder, path) = deadlock();
    let list = stdout(&glock(&["show", "--list"]));
    let forms: Vec<&str> = list
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(forms.len(), 10, "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 80));
    for form in forms {
        let out = folder.path().join(form);
        let args = [
            "show",
            &path,
            "--as",
            form,
            "--out",
            &out.display().to_string(),
        ];
        assert_eq!(code(&glock(&args)), 0, "{form}");
        assert!(std::fs::metadata(out).unwrap().len() > 100, "{form}");
    }
    let output = glock(&["show", &path, "--as", "postscript"]);
    assert_eq!(code(&output), 2);
}

#[test]
fn what_is_no_record_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("x.json");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (_deadlock, good) = deadlock();
    let good = std::fs::read_to_string(good).unwrap();
    for (text, says) in [
        ("", "x.json:1:0: EOF while parsing a value"),
        (
            "{\n\"format\": \"glock-record\",\n\"version\": 7}",
            "version 7",
        ),
        ("{}", "no record of a history"),
        (&good[..good.len() / 2], "EOF while parsing"),
    ] {
        let path = file(text);
        for command in ["show", "replay", "shrink"] {
            let output = glock(&[command, &path]);
            assert_eq!(code(&output), 2, "{command} of {text:?}");
            let error = squeezed(&output.stderr).replace(' ', "");
            assert!(error.contains(&says.replace(' ', "")), "{command}: {error}");
            assert_eq!(stdout(&output), "");
        }
    }
    let missing = folder.path().join("missing.json").display().to_string();
    for path in [
        missing.as_str(),
        &folder.path().display().to_string(),
        "/dev/zero",
    ] {
        assert_eq!(code(&glock(&["show", path])), 2, "{path}");
    }
}

#[test]
fn a_record_is_walked_again() {
    let (_folder, path) = deadlock();
    let output = glock(&["replay", &path]);
    assert_eq!(code(&output), 0);
    assert_eq!(
        squeezed(&output.stdout),
        "race-direct-read under base: 8 steps, each as recorded, and at their end no-deadlock is \
         violated"
    );
}

#[test]
fn a_changed_model_is_told() {
    let (_folder, path) = deadlock();
    let mut record = Record::read(Path::new(&path)).unwrap();
    // As if `dq` came before `nq`: another design than the one that was recorded.
    for line in &mut record.design.sources[0].text {
        *line = line.replace("gfs2_glock_nq file DF", "gfs2_glock_nq file EX");
    }
    std::fs::write(&path, record.to_text()).unwrap();
    let output = glock(&["replay", &path]);
    assert_eq!(code(&output), 1, "{}", stdout(&output));
    let told = squeezed(&output.stdout);
    assert!(
        told.contains("the model is another than that of the record"),
        "{told}"
    );
    assert!(told.contains("leads to another state"), "{told}");
    assert!(told.contains("gl_holders"), "{told}");
}

#[test]
fn a_random_walk_is_recorded_and_shrunk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json").display().to_string();
    let cell = ["walk", "-d", "base", "-s", "race-direct-read-two-nodes"];
    let args = ["-p", "no-deadlock", "--walks", "50", "--record", &path];
    assert_eq!(code(&glock(&[&cell[..], &args].concat())), 1);
    let record = Record::read(Path::new(&path)).unwrap();
    let command = record.command.as_deref().unwrap_or_default();
    assert!(command.starts_with("glock walk -d base"), "{command}");
    assert!(record.search.as_ref().is_some_and(|s| !s.exhaustive));
    let out = folder.path().join("y.json").display().to_string();
    let output = glock(&["shrink", &path, "-o", &out]);
    assert_eq!(code(&output), 0);
    let shrunk = Record::read(Path::new(&out)).unwrap();
    assert!(shrunk.steps.len() <= record.steps.len());
    assert!(
        squeezed(&output.stdout).contains("shrunk to"),
        "{}",
        stdout(&output)
    );
    assert_eq!(code(&glock(&["replay", &out])), 0);
}

/// A history that nobody has shortened: the first random walk that comes to a deadlock.
fn long_way_to_a_deadlock() -> Record {
    let (design, scenario) = ("base", "race-direct-read");
    let program = glock_model::design::Library::builtin().load(design);
    let scenario = glock_model::scenario::Library::builtin().load(scenario);
    let cluster = Cluster::new(scenario.unwrap(), program.unwrap().program).unwrap();
    let initial = cluster.initial_states()[0];
    let mut x: u32 = 5;
    loop {
        let (mut state, mut actions) = (initial, Vec::new());
        while Property::NoDeadlock.holds(&cluster, &state) == Some(true) {
            let mut steps = Vec::new();
            cluster.successors(&state, &mut NoSink, &mut |a, s| steps.push((a, *s)));
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let Some(&(action, next)) = steps.get((x >> 16) as usize % steps.len().max(1)) else {
                break;
            };
            actions.push(action);
            state = next;
        }
        if Property::NoDeadlock.holds(&cluster, &state) == Some(false) && actions.len() > 12 {
            let history = History::replay(&cluster, initial, &actions).unwrap();
            return Record::new(&history, Some(Property::NoDeadlock));
        }
    }
}

#[test]
fn a_long_history_is_shrunk_to_a_shortest_one() {
    let folder = tempfile::tempdir().unwrap();
    let (long, short) = (
        folder.path().join("long.json"),
        folder.path().join("short.json"),
    );
    let record = long_way_to_a_deadlock();
    std::fs::write(&long, record.to_text()).unwrap();
    let [long, short] = [long, short].map(|p| p.display().to_string());
    let output = glock(&["shrink", &long, "-o", &short]);
    assert_eq!(code(&output), 0, "{}", squeezed(&output.stderr));
    let steps = record.steps.len();
    let told = format!("{steps} steps shrunk to 8; no history is shorter");
    assert_eq!(squeezed(&output.stdout), told);
    let shrunk = Record::read(Path::new(&short)).unwrap();
    assert_eq!(
        (shrunk.steps.len(), shrunk.property.as_deref()),
        (8, Some("no-deadlock"))
    );
    assert_eq!(code(&glock(&["replay", &short])), 0);
}

#[test]
fn two_records_are_compared() {
    let (_folder, path) = deadlock();
    let same = glock(&["diff", &path, &path]);
    assert_eq!(
        (code(&same), stdout(&same).as_str()),
        (0, "The two are the same: 8 steps.\n")
    );
    let other = glock(&["diff", &path, "-d", "restart-hack"]);
    assert_eq!(code(&other), 1);
    let told = squeezed(&other.stdout);
    assert!(told.contains("The two part at step"), "{told}");
    assert!(told.contains("SH|TRY"), "{told}");
    assert_eq!(code(&glock(&["diff", &path])), 2);
    assert_eq!(code(&glock(&["diff", &path, "-d", "no-such-design"])), 2);
}

#[test]
fn a_matrix_is_a_page_with_the_histories_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report.html").display().to_string();
    let designs = ["report", "-d", "base", "-d", "fault-in-retry"];
    let rest = ["-s", "race-direct-read", "-p", "no-deadlock", "-o", &out];
    let output = glock(&[&designs[..], &rest].concat());
    assert_eq!(code(&output), 1, "{}", squeezed(&output.stderr));
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.starts_with("<!doctype html>"));
    assert!(page.contains("Content-Security-Policy"));
    let data = page
        .split("id=\"data\">")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        data["report"]["designs"],
        serde_json::json!(["base", "fault-in-retry"])
    );
    let [violated, holds] = [0, 1].map(|i| data["report"]["cells"][i]["verdicts"][0].clone());
    assert_eq!(violated["verdict"], "violated");
    assert_eq!(violated["text"], "violated in 8 steps");
    assert_eq!(violated["record"], 0);
    assert_eq!(holds["verdict"], "holds");
    assert_eq!(data["records"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        data["records"][0]["command"],
        "glock check -d base -s race-direct-read -p no-deadlock"
    );
}

#[test]
fn a_report_leaves_no_doubt() {
    let output = glock(&[
        "report",
        "-d",
        "base",
        "-s",
        "race-direct-read",
        "--compact",
    ]);
    assert_eq!(code(&output), 2);
    assert!(squeezed(&output.stderr).contains("--compact does not go with a report"));
}

#[test]
fn a_page_of_a_counterexample_stands_alone() {
    let (folder, path) = deadlock();
    let out = folder.path().join("x.html").display().to_string();
    assert_eq!(
        code(&glock(&["show", &path, "--as", "html", "-o", &out])),
        0
    );
    let page = std::fs::read_to_string(&out).unwrap();
    // Also for who has no script.
    assert!(page.contains("*** DEADLOCK ***"));
    assert!(page.len() < 100 << 10, "{}", page.len());
}

#[test]
fn nobody_steps_without_a_terminal() {
    let (_folder, path) = deadlock();
    let output = glock(&["step", &path]);
    assert_eq!(code(&output), 2);
    assert!(squeezed(&output.stderr).contains("there is no terminal"));
}

/// The collection is the same whoever writes it; see `traces/tests/found.rs`.
#[test]
fn the_collection_is_written_as_a_whole_or_not_at_all() {
    let missing = ["known", "--write", "/nowhere/at/all"];
    let some = ["known", "K4f", "--write", "."];
    assert_eq!(code(&glock(&some)), 2);
    // That there is no such folder is said before an hour of work.
    let output = glock(&missing);
    assert_eq!(code(&output), 2);
    assert!(output.stdout.is_empty());
    assert!(squeezed(&output.stderr).contains("there is no folder"));
}

/// Files of 100 MB, and some as long as a record may be, under a limit of 200 MB on all memory there
/// is, the program itself included.
#[cfg(target_os = "linux")]
#[test]
fn a_hostile_file_of_100_mb_is_refused_within_200_mb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let head = "{\"format\": \"glock-record\", \"version\": 1, \"program\": \"\", ";
    let long = 100 << 20;
    let whole = (16 << 20) - 600;
    let lists = format!("[{}\"\"],", "\"\",".repeat(250));
    for (prefix, repeated, end, length) in [
        ("\"values\": [", "\"\",", "", long),
        ("\"steps\": [", "{\"act\":0},", "", long),
        ("\"x\": [", "[],", "", long),
        ("\"values\": [", lists.as_str(), "0]}", whole),
        ("\"steps\": [{\"act\":0,\"set\":[", "0,", "0]}]}", whole),
        ("\"steps\": [", "{\"act\":0},", "{\"act\":0}]}", whole),
        ("\"first\": [", "0,", "0]}", whole),
    ] {
        let mut text = format!("{head}{prefix}");
        while text.len() < length {
            text += repeated;
        }
        text += end;
        std::fs::write(&path, text).unwrap();
        let glock = env!("CARGO_BIN_EXE_glock");
        let command = format!("ulimit -v 204800; exec {glock} show {}", path.display());
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        let error = squeezed(&output.stderr).replace(' ', "");
        assert_eq!(code(&output), 2, "{prefix}: {error}");
        assert!(error.contains("x.json:1:"), "{prefix}: {error}");
    }
}
