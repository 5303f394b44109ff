//! Mistakes in a file of known answers are told with their line.

use glock_model::design;
use glock_model::known::{KnownAnswers, KnownError, Strength};
use glock_model::property::Property;
use glock_model::scenario;

const RIGHT: &str = r#"
[[entry]]
id = "K1"
title = "A task asks for the glock it holds."
source = "a mail"
strength = ["read", "derived"]
story = """
It asks
again.
"""

[[entry.case]]
what = "direct read"
property = "no-recursion"
[entry.case.before]
design = "base"
scenario = "own-direct-read-other-page"
violated = { no-recursion = 4 }
states = 50
transitions = 43
depth = 4
[entry.case.after]
design = "fault-in-retry"
scenario = "own-direct-read-other-page"
holds = ["no-recursion", "can-finish"]
states = 98
transitions = 98
depth = 16
"#;

fn read(text: &str) -> Result<KnownAnswers, KnownError> {
    KnownAnswers::from_toml(text, "mine.toml")
}

#[test]
fn a_right_one_is_read() {
    let known = read(RIGHT).unwrap();
    let entry = known.entry("k1").unwrap();
    assert_eq!(entry.story, "It asks again.");
    assert_eq!(entry.strength, [Strength::Read, Strength::Derived]);
    assert_eq!(entry.cases.len(), 1);
    let case = &entry.cases[0];
    assert_eq!(case.property, Property::NoRecursion);
    assert_eq!(case.slow, None);
    assert_eq!(case.before.violated, [(Property::NoRecursion, 4)]);
    let both = [Property::NoRecursion, Property::CanFinish];
    assert_eq!(case.after.properties(), both);
    assert_eq!(known.entry("K11"), None);
}

/// The right file with one thing changed, the line of the error and words in it.
#[test]
fn mistakes_are_told_with_their_line() {
    let cases: &[(&str, &str, usize, &str)] = &[
        ("title =", "titel =", 4, "unknown field `titel`"),
        ("what =", "wht =", 13, "unknown field `wht`"),
        ("depth = 4\n", "dept = 4\n", 21, "unknown field `dept`"),
        ("depth = 4\n", "", 15, "missing field `depth`"),
        ("states = 50", "states = -50", 19, "-50"),
        ("states = 50", "states = many", 19, ""),
        ("\"read\", ", "\"heard\", ", 6, "unknown variant `heard`"),
        (
            "[\"read\", \"derived\"]",
            "[]",
            2,
            "nothing about its strength",
        ),
        ("\"base\"", "\"bse\"", 16, "no built-in design `bse`"),
        (
            "\"own-direct-read-other-page\"\nviolated",
            "\"own\"\nviolated",
            17,
            "no built-in scenario `own`",
        ),
        (
            "{ no-recursion",
            "{ no-recurse",
            18,
            "no property `no-recurse`",
        ),
        (
            "[\"no-recursion\", \"can",
            "[\"no-recursion\", \"might",
            25,
            "no property `might-finish`",
        ),
        (
            "property = \"no-recursion\"",
            "property = \"x\"",
            14,
            "no property `x`: there are no-deadlock",
        ),
        (
            "property = \"no-recursion\"",
            "property = \"finishes\"",
            12,
            "does not speak of finishes",
        ),
        (
            "[\"no-recursion\", \"can",
            "[\"can-finish\", \"can",
            12,
            "occurs twice in an answer of K1",
        ),
        ("id = \"K1\"", "id = \"K 1\"", 2, "\"K 1\" is no id"),
        (
            "story = \"\"\"\nIt asks\nagain.\n\"\"\"\n",
            "",
            2,
            "K1 has no `story`",
        ),
        (
            "story =",
            "lacks = \"much\"\nstory =",
            2,
            "K1 lacks something and has cases",
        ),
    ];
    for (from, to, line, words) in cases {
        assert!(RIGHT.contains(from), "{from}");
        let error = read(&RIGHT.replacen(from, to, 1)).expect_err(to);
        assert_eq!(error.line, *line, "{from} -> {to}: {error}");
        assert!(error.message.contains(words), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("mine.toml:{line}: "))
        );
    }
}

#[test]
fn an_id_that_occurs_twice_is_refused_where_it_does() {
    let twice = format!("{RIGHT}{RIGHT}");
    let error = read(&twice).unwrap_err();
    let second = RIGHT.matches('\n').count() + 2;
    assert_eq!(
        (error.line, error.message.as_str()),
        (second, "there are two entries K1")
    );
}

#[test]
fn cases_that_look_alike_are_refused() {
    let case = &RIGHT[RIGHT.find("[[entry.case]]").unwrap()..];
    let error = read(&format!("{RIGHT}{case}")).unwrap_err();
    assert!(
        error.message.contains("two cases of K1 look alike"),
        "{error}"
    );
}

#[test]
fn an_entry_without_an_answer_says_what_it_lacks() {
    let head = "[[entry]]\nid = \"K2\"\ntitle = \"t\"\nsource = \"s\"\nstrength = [\"read\"]\n";
    let error = read(head).unwrap_err();
    assert!(
        error
            .message
            .contains("K2 has no case: add one, or say what it `lacks`")
    );
    let known = read(&format!("{head}lacks = \"weak holders\"\n")).unwrap();
    assert_eq!(known.entries[0].lacks.as_deref(), Some("weak holders"));
}

/// Names on the command line are looked for among rows, designs, scenarios and properties alike.
#[test]
fn no_row_is_called_as_something_else_is() {
    let scenarios = scenario::Library::builtin();
    let designs = design::Library::builtin();
    for entry in KnownAnswers::builtin().unwrap().entries {
        let is_row = |name: &str| name.eq_ignore_ascii_case(&entry.id);
        assert!(!designs.names().iter().any(|name| is_row(name)));
        assert!(!scenarios.names().any(is_row));
        assert!(Property::named(&entry.id).is_none());
        assert!(!design::statements().iter().any(|s| is_row(s.name)));
    }
}
