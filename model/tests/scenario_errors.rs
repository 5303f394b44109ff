//! Every mistake a scenario file can have, and what its author is told.

use glock_model::scenario::{Library, MAX_BYTES, Scenario, ScenarioError};
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::fmt::Write;

/// What a terminal of 80 columns shows, without colours.
fn shown(error: &ScenarioError) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let mut out = String::new();
    handler
        .with_width(80)
        .render_report(&mut out, error)
        .unwrap();
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    for line in &lines {
        // The user's own lines are as wide as they are.
        let own = line
            .trim_start()
            .starts_with(|c: char| c == '·' || c.is_ascii_digit());
        assert!(own || line.chars().count() <= 80, "too wide: {line}");
    }
    lines.join("\n")
}

/// The errors of all texts, which must each have a place in the file.
fn errors(texts: &[&str]) -> String {
    let mut out = String::new();
    for text in texts {
        let error = match Scenario::from_toml(text, "test.toml") {
            Ok(_) => panic!("no error in: {text}"),
            Err(error) => error,
        };
        let (file, line, column) = error.place().expect("no place");
        assert_eq!(file, "test.toml");
        let shown = shown(&error);
        let place = format!("test.toml:{line}:{column}");
        assert!(shown.contains(&place), "{place} in {shown}");
        let _ = writeln!(out, "{shown}\n\n{}\n", "-".repeat(72));
    }
    out
}

/// A good scenario with `old` replaced by `new`.
fn edited(old: &str, new: &str) -> String {
    assert_eq!(GOOD.matches(old).count(), 1, "{old}");
    GOOD.replace(old, new)
}

const GOOD: &str = r#"description = "for tests"
nodes = 2
lock = "dlm"

[files.F1]
mode = ["UN", "EX"]

[files.F2]
pages = 3
mode = { node1 = "UN", node2 = ["UN", "SH"] }
cached = "no"

[[tasks]]
name = "P1"
op = "direct_read"
file = "F1"
buffer = [{ shared = "F2", page = 1, pte = "none" }]

[[tasks]]
name = "P2"
node = 2
op = "buffered_read"
file = "F2"
buffer = [{ anon = "present" }, { anon = "absent" }]

[events]
reclaim = 1

[switches]
gup_window = false
"#;

#[test]
fn the_text_the_mistakes_are_made_in_is_good() {
    Scenario::from_toml(GOOD, "good.toml").unwrap();
}

fn edits(edits: &[(&str, &str)]) -> String {
    let texts: Vec<String> = edits.iter().map(|(old, new)| edited(old, new)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    errors(&texts)
}

#[test]
fn texts_that_are_no_toml() {
    let deep = format!("x = {}", "[".repeat(100_000));
    let dots = format!("{}x = 1", "a.".repeat(100_000));
    let long_line = format!("{}nodes = 1", " ".repeat(1000));
    let long_line = format!("x = 1{long_line}");
    insta::assert_snapshot!(errors(&[
        "",
        " \n\t\n",
        "nodes = ",
        "nodes = 2\nnodes = 3",
        "[files.F1\nmode = \"UN\"",
        "description = \"not closed\nnodes = 2",
        "mode = EX",
        "nodes = \u{1b}[31m2",
        &deep,
        &dots,
    ]));
    // Too long to be shown: the sentence names the place instead.
    let error = Scenario::from_toml(&long_line, "test.toml").unwrap_err();
    insta::assert_snapshot!("a_long_line", shown(&error));
}

#[test]
fn unknown_keys() {
    insta::assert_snapshot!(edits(&[
        ("nodes = 2", "node = 2"),
        ("[files.F1]", "[file.F1]"),
        ("pages = 3", "page = 3"),
        ("node = 2\n", "nod = 2\n"),
        ("shared = \"F2\", page = 1", "shared = \"F2\", pge = 1"),
        ("reclaim = 1", "mmap = 1"),
        ("gup_window", "gup-window"),
        ("node2 = [", "node3 = ["),
        ("node2 = [", "n2 = ["),
        (
            "reclaim = 1",
            "demand = { nod = 1, file = \"F1\", mode = \"EX\" }"
        ),
    ]));
}

#[test]
fn unknown_values() {
    insta::assert_snapshot!(edits(&[
        ("lock = \"dlm\"", "lock = \"dml\""),
        ("[\"UN\", \"EX\"]", "[\"UN\", \"ex\"]"),
        ("[\"UN\", \"EX\"]", "\"PR\""),
        ("cached = \"no\"", "cached = \"none\""),
        ("\"direct_read\"", "\"read\""),
        ("\"direct_read\"", "\"direct\""),
        ("file = \"F1\"", "file = \"F3\""),
        ("pte = \"none\"", "pte = \"rx\""),
        ("anon = \"absent\"", "anon = \"gone\""),
        ("reclaim = 1", "demand = { file = \"F1\", mode = \"UN\" }"),
        ("lock = \"dlm\"", "lock_object = \"nil\""),
    ]));
}

#[test]
fn wrong_types() {
    insta::assert_snapshot!(edits(&[
        ("nodes = 2", "nodes = \"2\""),
        ("nodes = 2", "nodes = 2.0"),
        ("description = \"for tests\"", "description = 1"),
        ("name = \"P1\"", "name = 1"),
        ("[\"UN\", \"EX\"]", "[\"UN\", 3]"),
        ("gup_window = false", "gup_window = \"off\""),
        ("reclaim = 1", "demand = \"EX\""),
        (
            "buffer = [{ anon = \"present\" }, { anon = \"absent\" }]",
            "buffer = \"F1\""
        ),
    ]));
}

#[test]
fn tables_of_the_wrong_shape() {
    insta::assert_snapshot!(errors(&[
        "[[files]]\nname = \"F1\"",
        "files = \"F1\"",
        "files = {}",
        "files.F1 = 2",
        "[files.\"F 1\"]",
        "[files.F1]\n[tasks]\nop = \"load\"",
        "[files.F1]\n\n[[tasks]]\nname = \"P1\"",
        "tasks = [1]\n[files.F1]",
        "events = 1\ntasks = [{ op = \"load\", buffer = { bad = true } }]\n[files.F1]",
    ]));
}

#[test]
fn missing_things() {
    insta::assert_snapshot!(errors(&[
        "nodes = 1",
        "[files.F1]",
        "tasks = []\n[files.F1]",
    ]));
    insta::assert_snapshot!(
        "missing_keys",
        edits(&[
            ("op = \"direct_read\"\n", ""),
            ("file = \"F1\"\n", ""),
            (
                "buffer = [{ anon = \"present\" }, { anon = \"absent\" }]",
                ""
            ),
            ("{ anon = \"present\" }, { anon = \"absent\" }", ""),
            ("anon = \"absent\"", ""),
            ("anon = \"absent\"", "page = 1"),
            ("[\"UN\", \"EX\"]", "[]"),
            ("reclaim = 1", "demand = { mode = \"EX\" }"),
            ("reclaim = 1", "demand = { file = \"F1\" }"),
        ])
    );
}

#[test]
fn too_much() {
    let file = |n: usize| format!("[files.F{n}]\n");
    let files: String = (1..=4).map(file).collect();
    let task = "[[tasks]]\nop = \"store\"\nbuffer = { anon = \"absent\" }\n";
    let tasks = format!("[files.F1]\n{}", task.repeat(7));
    let wide = "{ anon = \"absent\" }, ".repeat(5);
    let wide = format!("[files.F1]\n[[tasks]]\nop = \"load\"\nbuffer = [{wide}]");
    let four = "{ anon = \"absent\" }, ".repeat(4);
    let four = format!("[[tasks]]\nop = \"load\"\nbuffer = [{four}]\n");
    let pages = format!("[files.F1]\n{}", four.repeat(3));
    let nodes = ["SH", "DF", "EX"].map(|mode| {
        format!("{{ file = \"F1\", mode = \"{mode}\" }}, {{ node = 2, file = \"F1\", mode = \"{mode}\" }},\n")
    });
    let demands = format!(
        "nodes = 2\n[files.F1]\n{task}[events]\ndemand = [\n{}]",
        nodes.concat()
    );
    let all = "mode = [\"UN\", \"SH\", \"DF\", \"EX\"]\ncached = [\"no\", \"clean\", \"dirty\"]\n";
    let many = format!("nodes = 3\n[files.F1]\n{all}[files.F2]\n{all}[files.F3]\n{all}{task}");
    insta::assert_snapshot!(errors(&[&files, &tasks, &wide, &pages, &many, &demands]));
    insta::assert_snapshot!(
        "numbers_too_large",
        edits(&[
            ("nodes = 2", "nodes = 4"),
            ("nodes = 2", "nodes = 0"),
            ("nodes = 2", "nodes = -99999999999999999999"),
            ("pages = 3", "pages = 5"),
            ("node = 2\n", "node = 3\n"),
            ("page = 1", "page = 5"),
            ("reclaim = 1", "reclaim = 4"),
            ("reclaim = 1", "expire = 4"),
            (
                "reclaim = 1",
                "demand = { node = 3, file = \"F1\", mode = \"EX\" }"
            ),
            (
                "reclaim = 1",
                "demand = { file = \"F1\", mode = \"EX\", times = 0 }"
            ),
        ])
    );
}

#[test]
fn names_and_repetitions() {
    insta::assert_snapshot!(edits(&[
        ("name = \"P2\"", "name = \"P1\""),
        ("name = \"P2\"", "name = \"a process\""),
        ("name = \"P2\"", "mm = \"\""),
        ("[\"UN\", \"EX\"]", "[\"UN\", \"EX\", \"UN\"]"),
        ("description = \"for tests\"", "name = \"two\\nlines\""),
        (
            "reclaim = 1",
            "demand = [{ file = \"F1\", mode = \"EX\" }, { file = \"F1\", mode = \"EX\" }]",
        ),
        (
            "{ anon = \"present\" }, { anon = \"absent\" }",
            "{ private = \"F1\" }, { private = \"F1\", page = 0 }",
        ),
    ]));
}

#[test]
fn things_that_do_not_go_together() {
    insta::assert_snapshot!(edits(&[
        ("lock = \"dlm\"", "lock = \"nolock\""),
        ("name = \"P2\"\nnode = 2", "mm = \"P1\"\nnode = 2"),
        ("file = \"F2\"\n", "file = \"F2\"\npage = 2\n"),
        ("\"direct_read\"", "\"load\""),
        ("\"direct_read\"", "\"mmap\""),
        (
            "op = \"direct_read\"\nfile = \"F1\"",
            "op = \"load\"\npage = 0"
        ),
        (
            "op = \"direct_read\"\nfile = \"F1\"",
            "op = \"load\"\nopen_file = \"x\""
        ),
        ("\"direct_read\"", "\"buffered_read\"\naio = true"),
        ("anon = \"absent\"", "served = \"P9\""),
        ("anon = \"absent\"", "served = \"P1\""),
        ("anon = \"absent\"", "served = \"P2\""),
        ("\"direct_read\"", "\"direct_read\"\naio = \"yes\""),
        ("anon = \"absent\"", "anon = \"absent\", bad = true"),
        ("anon = \"absent\"", "bad = false"),
        ("anon = \"absent\"", "anon = \"absent\", page = 1"),
        ("anon = \"absent\"", "bad = true, pte = \"ro\""),
    ]));
    insta::assert_snapshot!(
        "between_tasks",
        errors(&[
            TWO_OPEN_FILES,
            SERVED_BY_NOBODY,
            OTHER_PTE,
            OTHER_PAGE,
            ONLY_ENVIRONMENT,
            LOCAL_DEMAND,
            LOCAL_OBJECT,
            NO_HOLD_TIME,
            UNUSED_OBJECT,
        ])
    );
}

const TWO_OPEN_FILES: &str = r#"
tasks = [
    { op = "direct_read", file = "F1", open_file = "x", buffer = { anon = "present" } },
    { op = "direct_read", file = "F2", open_file = "x", buffer = { anon = "present" } },
]
[files]
F1 = {}
F2 = {}
"#;
const SERVED_BY_NOBODY: &str = r#"
files.F1 = {}
tasks = [
    { op = "direct_read", file = "F1", buffer = { served = "P2" } },
    { op = "direct_read", file = "F1", environment = true, buffer = { anon = "present" } },
]
"#;
const OTHER_PTE: &str = r#"
files.F1.mode = "EX"
tasks = [
    { mm = "A", op = "load", buffer = { shared = "F1", pte = "ro" } },
    { mm = "A", op = "load", buffer = { shared = "F1", pte = ["ro", "none"] } },
]
"#;
const OTHER_PAGE: &str = r#"
files.F1.mode = "EX"
tasks = [
    { mm = "A", op = "load", buffer = { shared = "F1", id = "x" } },
    { mm = "A", op = "load", buffer = { shared = "F1", page = 1, id = "x" } },
]
"#;
const ONLY_ENVIRONMENT: &str = r#"
files.F1 = {}
tasks = [{ op = "mmap", file = "F1", environment = true }]
"#;
const LOCAL_DEMAND: &str = r#"
files.F1 = {}
tasks = [{ op = "load", buffer = { shared = "F1" } }]
events.demand = { file = "F1", mode = "EX" }
"#;
const LOCAL_OBJECT: &str = r#"
lock_object = "absent"
"#;
const NO_HOLD_TIME: &str = r#"
hold_time = false
files.F1 = {}
tasks = [{ op = "load", buffer = { shared = "F1" } }]
events.expire = 1
"#;
const UNUSED_OBJECT: &str = r#"
lock = "dlm"
lock_object = ["null", "absent"]
files.F1.mode = "EX"
tasks = [{ op = "load", buffer = { shared = "F1" } }]
"#;

#[test]
fn blocks_and_user_memory_that_cannot_be() {
    let written = "[files.F1]\nholes = [0]\n[[tasks]]\nop = \"direct_write\"\nfile = \"F1\"\n\
                   buffer = { zero = true }\n[[tasks]]\nop = \"direct_read\"\nfile = \"F1\"\n\
                   buffer = { io = \"absent\" }\n";
    let mapped = "[files.F1]\nholes = [0]\n[[tasks]]\nop = \"direct_read\"\nfile = \"F1\"\n\
                  buffer = { shared = \"F1\" }\n";
    let asked = "[files.F1]\nholes = [0]\n[[tasks]]\nop = \"fiemap\"\nfile = \"F1\"\n\
                 buffer = { anon = \"absent\" }\n";
    insta::assert_snapshot!(errors(&[
        &edited("pages = 3", "pages = 3\nholes = [3]"),
        &edited("pages = 3", "pages = 3\nholes = [1, 1]"),
        &edited("pages = 3", "pages = 3\nholes = [4]"),
        &edited("pages = 3", "pages = 3\nchunk = 4"),
        &edited("pages = 3", "pages = 3\nchunk = 0"),
        &edited("pages = 3", "pages = 3\nchunk = 2").replace("window = false", "window = true"),
        &edited("node = 2\nop", "node = 2\nunaligned = true\nop"),
        &edited("anon = \"absent\"", "anon = \"ro\""),
        &edited("anon = \"absent\"", "io = \"unmarked\""),
        &edited("anon = \"absent\"", "io = \"absent\", pte = \"rw\""),
        &edited("anon = \"absent\"", "zero = false"),
        &edited("anon = \"absent\"", "zero = true, page = 1"),
        written,
        mapped,
        asked,
    ]));
}

const APPENDING: &str = r#"nodes = 2
[files.F1]
pages = 3
size = 1
mode = { node1 = ["UN", "EX"] }
[files.F2]
pages = 2
[[tasks]]
op = "buffered_write"
file = "F1"
append = true
buffer = { anon = "present" }
[events]
append = { file = "F1", times = 1 }
"#;

#[test]
fn appends_that_cannot_be() {
    assert!(Scenario::from_toml(APPENDING, "test.toml").is_ok());
    let edits: [(&str, &str); 21] = [
        // Values.
        ("size = 1", "size = 4"),
        ("append = true", "append = \"yes\""),
        ("append = true", "append = true\npage = 0"),
        ("\"buffered_write\"", "\"buffered_read\""),
        (
            "\"buffered_write\"\nfile = \"F1\"\nappend = true",
            "\"direct_write\"\nfile = \"F1\"\nappend = true\naio = true",
        ),
        ("append = true", "append = false"),
        ("append = { file = \"F1\", times = 1 }", ""),
        ("times = 1", "times = 0"),
        ("times = 1", "node = 2"),
        ("append = { file = \"F1\"", "append = { file = \"F3\""),
        (
            "append = { file = \"F1\", times = 1 }",
            "append = [{ file = \"F1\" }, { file = \"F1\" }]",
        ),
        ("append = { file = \"F1\", times = 1 }", "append = \"F1\""),
        ("append = { file = \"F1\"", "append = { file = \"F2\""),
        ("nodes = 2", "nodes = 1"),
        // Who else uses the file.
        (
            "[events]",
            "[[tasks]]\nop = \"buffered_read\"\nfile = \"F1\"\n\
             buffer = { anon = \"present\" }\n[events]",
        ),
        ("{ anon = \"present\" }", "{ shared = \"F1\" }"),
        (
            "[events]",
            "[[tasks]]\nop = \"mmap\"\nfile = \"F1\"\n[events]",
        ),
        (
            "[events]",
            "[[tasks]]\nnode = 2\nop = \"direct_write\"\nfile = \"F1\"\n\
             append = true\nbuffer = { anon = \"present\" }\n[events]",
        ),
        ("{ node1 = [\"UN\", \"EX\"] }", "[\"UN\", \"SH\"]"),
        // What it looks like.
        ("size = 1", "size = 1\nholes = [0]"),
        ("times = 1", "times = 2"),
    ];
    let texts = edits.map(|(old, new)| match (old, new) {
        // Without the event there is only the length that nobody changes.
        ("append = { file = \"F1\", times = 1 }", "") => APPENDING
            .replace("append = true\n", "page = 0\n")
            .replace(old, new),
        _ => {
            assert_eq!(APPENDING.matches(old).count(), 1, "{old}");
            APPENDING.replace(old, new)
        }
    });
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    insta::assert_snapshot!(errors(&texts));
    let outside = APPENDING.replace("append = true\n", "page = 2\n");
    insta::assert_snapshot!("a_write_beyond_the_length", errors(&[&outside]));
}

#[test]
fn initial_states_that_cannot_be() {
    insta::assert_snapshot!(edits(&[
        // Modes of two nodes.
        ("[\"UN\", \"EX\"]", "\"EX\""),
        ("[\"UN\", \"EX\"]", "[\"SH\", \"EX\"]"),
        ("[\"UN\", \"EX\"]", "{ node1 = \"DF\", node2 = \"SH\" }"),
        // Cached pages.
        ("cached = \"no\"", "cached = [\"no\", \"clean\"]"),
        (
            "cached = \"no\"",
            "cached = { node2 = [\"no\", \"dirty\"] }"
        ),
        ("cached = \"no\"", "cached = { node2 = \"clean\" }"),
        // Page-table entries.
        ("pte = \"none\"", "pte = [\"none\", \"ro\"]"),
        (
            "page = 1, pte = \"none\"",
            "page = 3, pte = [\"none\", \"ro\"]"
        ),
        ("anon = \"present\"", "shared = \"F2\", pte = \"rw\""),
        ("anon = \"present\"", "shared = \"F2\", pte = \"ro\""),
    ]));
    insta::assert_snapshot!(
        "contradictions",
        errors(&[NOTHING_LEFT, NEVER_DIRTY, NEVER_RW])
    );
}

const NOTHING_LEFT: &str = r#"
nodes = 2
files.F1.mode = { node1 = ["UN", "SH"], node2 = ["UN", "SH"] }
files.F2.mode = { node1 = ["UN", "EX"], node2 = ["UN", "EX"] }
tasks = [
    { op = "load", buffer = { shared = "F2", pte = "ro" } },
    { op = "load", buffer = { shared = "F2", pte = "ro" }, node = 2 },
]
"#;
const NEVER_DIRTY: &str = r#"
nodes = 2
files.F1.mode = ["UN", "SH", "EX"]
files.F1.cached = { node1 = ["no", "dirty"] }
tasks = [
    { op = "load", buffer = { shared = "F1" } },
    { op = "load", buffer = { shared = "F1", pte = "ro" }, node = 2 },
]
"#;
const NEVER_RW: &str = r#"
nodes = 2
files.F1.mode = { node1 = ["SH", "EX"], node2 = ["UN", "SH"] }
tasks = [
    { op = "load", buffer = { shared = "F1", pte = ["none", "rw"] } },
    { op = "load", buffer = { shared = "F1", pte = "ro" }, node = 2 },
]
"#;

#[test]
fn files_that_cannot_be_read() {
    let directory = std::env::temp_dir().join(format!("glock-scenario-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let big = "# much ado\n".repeat(MAX_BYTES / 10);
    let files: [(&str, &[u8]); 4] = [
        ("huge.toml", big.as_bytes()),
        ("latin1.toml", b"nodes = 2\ndescription = \"f\xfcr\"\n"),
        ("binary.toml", b"\x7fELF\x00\xff\xfe"),
        ("empty.toml", b""),
    ];
    for (name, bytes) in files {
        std::fs::write(directory.join(name), bytes).unwrap();
    }
    let library = Library::builtin();
    let mut out = String::new();
    for name in [
        "huge.toml",
        "latin1.toml",
        "binary.toml",
        "empty.toml",
        "none.toml",
        ".",
    ] {
        let path = format!("{}/{name}", directory.display());
        let error = library.load(&path).unwrap_err();
        let text = handler_with_short_paths(&error, &directory.display().to_string());
        let _ = writeln!(out, "{text}\n\n{}\n", "-".repeat(72));
    }
    std::fs::remove_dir_all(&directory).unwrap();
    insta::assert_snapshot!(out);
}

/// What is shown, on lines as wide as needed, with `D` for the directory.
fn handler_with_short_paths(error: &ScenarioError, directory: &str) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let mut out = String::new();
    handler
        .with_width(1000)
        .render_report(&mut out, error)
        .unwrap();
    out.replace(directory, "D").trim_end().to_string()
}

#[test]
fn unknown_scenarios() {
    let library = Library::builtin();
    let names = ["race-direct-raed", "torn", "", "x\u{1b}[2J"];
    let texts: Vec<String> = names
        .iter()
        .map(|name| shown(&library.load(name).unwrap_err()))
        .collect();
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_file_of_the_users_takes_the_place_of_a_built_in_one() {
    let directory = std::env::temp_dir().join(format!("glock-library-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("torn-buffered-read.toml"), GOOD).unwrap();
    std::fs::write(directory.join("mine.toml"), GOOD).unwrap();
    std::fs::write(directory.join("notes.txt"), "not a scenario").unwrap();
    let mut library = Library::builtin();
    let before = library.names().count();
    library.add(&directory).unwrap();
    assert_eq!(library.names().count(), before + 1);
    for name in ["mine", "torn-buffered-read"] {
        let scenario = library.load(name).unwrap();
        assert_eq!(scenario.name, name);
        assert_eq!(scenario.description, "for tests");
    }
    assert!(library.add(&directory.join("nowhere")).is_err());
    std::fs::remove_dir_all(&directory).unwrap();
}
