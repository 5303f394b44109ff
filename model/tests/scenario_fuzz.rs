//! Random and mutated text never panics, and what can be read can be written
//! and read again.

use glock_model::scenario::{Library, MAX_BYTES, MAX_INITIAL, Scenario, initial_assignments};
use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::sync::LazyLock;

/// Reads `text`, shows the error if there is one, and takes a scenario round.
fn survives(text: &str) -> Result<(), TestCaseError> {
    match Scenario::from_toml(text, "random.toml") {
        Ok(scenario) => round_trip(&scenario),
        Err(error) => {
            let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
            let mut out = String::new();
            prop_assert!(handler.render_report(&mut out, &error).is_ok());
            prop_assert!(out.len() < 10_000, "a long error: {out}");
            if let Some((_, line, column)) = error.place() {
                prop_assert!(line >= 1 && line <= text.matches('\n').count() + 1);
                prop_assert!(column >= 1);
            }
            Ok(())
        }
    }
}

fn round_trip(scenario: &Scenario) -> Result<(), TestCaseError> {
    let text = scenario.to_toml();
    let again = Scenario::from_toml(&text, "other.toml");
    prop_assert!(again.is_ok(), "{:?} in\n{text}", again);
    let again = again.unwrap();
    prop_assert_eq!(&again, scenario, "{}", text);
    prop_assert_eq!(again.to_toml(), text);
    let states = initial_assignments(scenario).len();
    prop_assert!((1..=MAX_INITIAL).contains(&states));
    every_alternative_occurs(scenario)?;
    prop_assert!(!scenario.describe().is_empty());
    Ok(())
}

/// Whatever a file lists is part of some initial state.
fn every_alternative_occurs(s: &Scenario) -> Result<(), TestCaseError> {
    let states = initial_assignments(s);
    for (f, file) in s.files.iter().enumerate() {
        for (n, modes) in file.modes.iter().enumerate() {
            for mode in modes {
                prop_assert!(states.iter().any(|i| i.modes[n][f] == *mode));
            }
            // What entries need is cached as well, so look for at least that.
            for page in &file.cached[n] {
                prop_assert!(states.iter().any(|i| i.cached[n][f][0] >= *page));
            }
        }
    }
    for (v, vpage) in s.vpages.iter().enumerate() {
        for pte in &vpage.initial {
            prop_assert!(states.iter().any(|i| i.ptes[v] == *pte));
        }
    }
    Ok(())
}

static SHIPPED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let library = Library::builtin();
    let read = |name| std::fs::read_to_string(format!("{directory}/{name}.toml")).unwrap();
    library.names().map(read).collect()
});

/// Pieces of scenario files, right and wrong.
const PIECES: [&str; 56] = [
    "[files.F1]\n",
    "[files.F2]\n",
    "[[tasks]]\n",
    "[events]\n",
    "[switches]\n",
    "[files]\n",
    "nodes = 2\n",
    "nodes = 3\n",
    "mode = ",
    "cached = ",
    "buffer = ",
    "op = ",
    "file = ",
    "page = ",
    "pte = ",
    "mm = ",
    "node = ",
    "demand = ",
    "lock = ",
    "\"F1\"",
    "\"F2\"",
    "\"EX\"",
    "\"UN\"",
    "\"dlm\"",
    "\"direct_read\"",
    "\"load\"",
    "\"mmap\"",
    "\"ro\"",
    "\"clean\"",
    "{ shared = \"F1\" }",
    "{ anon = \"present\" }",
    "{ bad = true }",
    "{ zero = true }",
    "{ io = \"absent\" }",
    "\"unmarked\"",
    "holes = ",
    "chunk = ",
    "unaligned = ",
    "append = ",
    "size = ",
    "true",
    "\"direct_write\"",
    "{ node1 = ",
    "0",
    "1",
    "-9223372036854775808",
    "0x7f",
    "1e9",
    "1979-05-27",
    "\n",
    ", ",
    "[",
    "]",
    "{",
    "}",
    "\"\"\"",
];

/// A change to a text, at fractions of its length.
#[derive(Clone, Debug)]
enum Mutation {
    Delete(f64, usize),
    Insert(f64, String),
    Repeat(f64, usize, usize),
    Swap(f64, f64),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || 0.0..1.0;
    let piece = prop_oneof![
        select(PIECES.to_vec()).prop_map(str::to_string),
        ".{0,3}".prop_map(String::from),
    ];
    prop_oneof![
        (at(), 1..30usize).prop_map(|(at, n)| Mutation::Delete(at, n)),
        (at(), piece).prop_map(|(at, text)| Mutation::Insert(at, text)),
        (at(), 1..200usize, 2..40usize).prop_map(|(at, n, m)| Mutation::Repeat(at, n, m)),
        (at(), at()).prop_map(|(a, b)| Mutation::Swap(a, b)),
    ]
}

fn mutate(text: &str, mutation: &Mutation) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let len = chars.len();
    let index = |at: &f64| (at * len as f64) as usize;
    match mutation {
        _ if len == 0 => {}
        Mutation::Delete(at, n) => {
            let from = index(at);
            chars.drain(from..len.min(from + n));
        }
        Mutation::Insert(at, text) => {
            let from = index(at);
            chars.splice(from..from, text.chars());
        }
        Mutation::Repeat(at, n, times) => {
            let from = index(at);
            let part = chars[from..len.min(from + n)].repeat(*times);
            chars.splice(from..from, part);
        }
        Mutation::Swap(a, b) => chars.swap(index(a), index(b)),
    }
    chars.into_iter().collect()
}

fn list(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let some = subsequence(words, 1..=words.len()).prop_shuffle();
    some.prop_map(|words| format!("{words:?}"))
}

fn page() -> impl Strategy<Value = String> {
    let mapping = (
        select(vec!["shared", "private"]),
        select(vec!["F1", "F2"]),
        0..3u8,
        list(&["none", "ro", "rw"]),
        select(vec!["", ", id = \"x\"", ", id = \"y\""]),
    );
    prop_oneof![
        4 => mapping.prop_map(|(kind, file, page, pte, id)| {
            // The second page is the last one.
            let pte = if page < 2 { pte } else { "[\"none\"]".into() };
            format!("{{ {kind} = \"{file}\", page = {page}, pte = {pte}{id} }}")
        }),
        2 => list(&["present", "absent"]).prop_map(|anon| format!("{{ anon = {anon} }}")),
        1 => Just("{ anon = \"present\", id = \"z\" }".to_string()),
        1 => Just("{ bad = true }".to_string()),
        1 => Just("{ served = \"P1\" }".to_string()),
        1 => Just("{ bad = true, id = \"b\" }".to_string()),
    ]
}

fn task() -> impl Strategy<Value = String> {
    let io = select(vec![
        "direct_read",
        "direct_write",
        "buffered_read",
        "buffered_write",
    ]);
    let other = select(vec!["load", "store", "pipe_read", "munmap", "mprotect"]);
    let buffer = || proptest::collection::vec(page(), 1..=2);
    let who = select(vec![
        "",
        "mm = \"A\"\n",
        "mm = \"B\"\nnode = 2\n",
        "node = 2\n",
        "mm = \"P1\"\n",
    ]);
    let open = select(vec!["", "", "open_file = \"f\"\n", "aio = true\n"]);
    let environment = select(vec!["", "", "environment = true\n"]);
    let what = prop_oneof![
        3 => (io, buffer(), open).prop_map(|(op, buffer, open)| {
            let buffer = buffer.join(", ");
            format!("op = \"{op}\"\nfile = \"F1\"\n{open}buffer = [{buffer}]\n")
        }),
        2 => (other, buffer()).prop_map(|(op, buffer)| {
            format!("op = \"{op}\"\nbuffer = [{}]\n", buffer.join(", "))
        }),
        1 => Just("op = \"mmap\"\nfile = \"F2\"\n".to_string()),
    ];
    (who, what, environment).prop_map(|(who, what, env)| format!("[[tasks]]\n{who}{what}{env}"))
}

/// Text that is a scenario more often than not.
fn scenario() -> impl Strategy<Value = String> {
    let modes = select(vec![
        r#"["UN", "SH", "DF", "EX"]"#,
        r#"["EX", "UN"]"#,
        r#"{ node2 = ["UN", "EX"] }"#,
        r#"{ node1 = ["EX", "SH", "UN"], node2 = ["UN", "SH"] }"#,
    ]);
    let cached = select(vec![r#""no""#, r#"["no", "clean"]"#, r#"["dirty", "no"]"#]);
    let file = (modes, cached).prop_map(|(m, c)| format!("mode = {m}\ncached = {c}\n"));
    let events = select(vec![
        "",
        "reclaim = 2\nexpire = 0\n",
        "shrink = 1\ndemand = [{ node = 2, file = \"F2\", mode = \"SH\", times = 2 }]\n",
    ]);
    let head = (
        "(\\PC|\n){0,40}",
        select(vec![
            "",
            "hold_time = false\n",
            "lock_object = [\"absent\", \"null\"]\n",
        ]),
        select(vec![
            "",
            "fusion = false\n",
            "release_fusion = false\n",
            "page_refs_block = true\ngup_window = true\n",
        ]),
    );
    let files = proptest::collection::vec(file, 2);
    let tasks = proptest::collection::vec(task(), 1..=4);
    (head, files, tasks, events).prop_map(|((text, head, switches), files, tasks, events)| {
        let description = toml::Value::String(text);
        format!(
            "description = {description}\nnodes = 2\n{head}[files.F1]\n{}[files.F2]\n{}{}\
             [events]\n{events}[switches]\n{switches}",
            files[0],
            files[1],
            tasks.concat()
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_text_never_panics(text in "(?s).{0,200}") {
        survives(&text)?;
    }

    #[test]
    fn random_pieces_never_panic(
        pieces in proptest::collection::vec(select(PIECES.to_vec()), 0..60)
    ) {
        survives(&pieces.concat())?;
    }

    #[test]
    fn mutated_scenarios_never_panic(
        text in select(SHIPPED.clone()),
        mutations in proptest::collection::vec(mutation(), 1..6),
    ) {
        let text = mutations.iter().fold(text, |text, m| mutate(&text, m));
        survives(&text)?;
    }

    #[test]
    fn random_scenarios_survive_a_round_trip(text in scenario()) {
        survives(&text)?;
    }
}

#[test]
fn random_scenarios_are_often_good() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut good = 0;
    for _ in 0..500 {
        let text = scenario().new_tree(&mut runner).unwrap().current();
        good += usize::from(Scenario::from_toml(&text, "random.toml").is_ok());
    }
    assert!(good >= 100, "{good} of 500");
}

#[test]
fn large_and_deep_texts_are_refused_quickly() {
    let many = |text: &str| text.repeat(MAX_BYTES / text.len());
    let task = "[[tasks]]\nop = \"load\"\n";
    let header = |n: usize| format!("[a{n}.b]\n");
    let headers: String = (0..60_000).map(header).collect();
    let keys: String = (0..60_000).map(|n| format!("k{n} = {n}\n")).collect();
    for text in [
        many("["),
        many("]"),
        many("{a="),
        many("a."),
        many("[[a]]\n"),
        many("[a.a]\n"),
        many("\"\"\""),
        many("'"),
        many("\\"),
        many("# x\n"),
        many(task),
        many("x = [1, 2]\n"),
        many("\u{feff}"),
        format!("x = [{}]", many("1,")),
        format!("x = \"{}\"", many("\\n")),
        format!("{} = 1", many("a")),
        format!(
            "[files.F1]\n{task}buffer = [{}]",
            many("{anon=\"absent\"},")
        ),
        headers,
        keys,
    ] {
        let shown: String = text.chars().take(40).collect();
        let start = std::time::Instant::now();
        assert!(Scenario::from_toml(&text, "big.toml").is_err(), "{shown}");
        let time = start.elapsed();
        assert!(time.as_secs() < 10, "{time:?} for {shown}");
    }
}
