//! Whatever the text, the compiler ends in a program or in mistakes that point
//! into it.

use glock_model::design::{
    DesignError, Library, MAX_PROBLEMS, compile, source_from_bytes, statements,
};
use glock_model::program::{Op, Program};
use proptest::prelude::*;

/// Compiles a text and looks at what comes out.
fn survives(text: &str) {
    let Ok(source) = source_from_bytes("mine.design", text.as_bytes()) else {
        return;
    };
    match compile(&source, &Library::builtin()) {
        Ok(compiled) => is_sound(&compiled.program),
        Err(error) => points_into_the_text(&error, text),
    }
}

fn points_into_the_text(error: &DesignError, text: &str) {
    assert!((1..=MAX_PROBLEMS).contains(&error.problems.len()));
    for problem in &error.problems {
        let span = problem.span();
        assert!(span.start <= span.end);
        assert!(!problem.message().is_empty());
        assert!(problem.suggestion().is_some(), "{problem}");
        let (line, column) = problem.position();
        assert!(line >= 1 && column >= 1);
        if problem.file() == "mine.design" {
            assert!(text.get(span).is_some(), "{problem}");
        }
        let mut out = String::new();
        let handler = miette::GraphicalReportHandler::new();
        handler
            .render_report(&mut out, problem)
            .expect("can be shown");
    }
}

/// Jumps stay inside, control never falls off, lines and variables exist.
fn is_sound(program: &Program) {
    let len = program.code.len();
    for (pc, instr) in program.code.iter().enumerate() {
        assert!((instr.line as usize) < program.lines.len());
        let targets = match instr.op {
            Op::Goto(to) | Op::Branch { then: to, .. } => Some(to),
            Op::Nq { refused, .. } => refused,
            _ => None,
        };
        assert!(targets.is_none_or(|to| (to as usize) < len));
        let ends = matches!(instr.op, Op::Goto(_) | Op::Return(_));
        assert!(ends || pc + 1 < len);
    }
    assert!(!program.listing().contains('?'));
}

/// Pieces a design is made of, and some it is not.
fn piece() -> impl Strategy<Value = String> {
    let names: Vec<String> = statements().iter().map(|s| s.name.to_string()).collect();
    let signs = [
        "(",
        ")",
        ":",
        ",",
        "=",
        "==",
        "<=",
        "+=",
        "-=",
        "&",
        ".",
        "->",
        "-",
        "+",
        "\n",
        "\n\n",
        " ",
        "\t",
        "\"",
        "/*",
        "*/",
        "//",
        "#",
        "{",
        "}",
        "file",
        "iter",
        "iter.count",
        "ret",
        "x",
        "SH",
        "DF",
        "EX",
        "try",
        "else",
        "and",
        "or",
        "not",
        "min",
        "0",
        "1",
        "7",
        "99999999999",
        "-EFAULT",
        "-EFOO",
        "VM_FAULT_LOCKED",
        "direct_read(file, iter):",
        "fault(file):",
        "design mine",
        "extends base",
        "restart:",
        "goto restart",
        "return ret",
        "ä",
        "\u{0}",
        "\r\n",
        "𝄞",
    ];
    prop_oneof![
        prop::sample::select(names),
        prop::sample::select(signs.map(String::from).to_vec()),
    ]
}

fn builtin() -> impl Strategy<Value = String> {
    let library = Library::builtin();
    let texts: Vec<String> = library
        .names()
        .into_iter()
        .chain(library.steps())
        .map(|name| library.source(name).expect("built in").text)
        .collect();
    prop::sample::select(texts)
}

/// A change to a text.
#[derive(Clone, Debug)]
enum Edit {
    Delete(prop::sample::Index, usize),
    Insert(prop::sample::Index, String),
    SwapLines(prop::sample::Index, prop::sample::Index),
    DropLine(prop::sample::Index),
    RepeatLine(prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1usize..20).prop_map(|(i, n)| Edit::Delete(i, n)),
        (at(), piece()).prop_map(|(i, p)| Edit::Insert(i, p)),
        (at(), at()).prop_map(|(a, b)| Edit::SwapLines(a, b)),
        at().prop_map(Edit::DropLine),
        at().prop_map(Edit::RepeatLine),
    ]
}

fn apply(text: &str, edit: &Edit) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let mut lines: Vec<&str> = text.lines().collect();
    if chars.is_empty() || lines.is_empty() {
        return text.to_string();
    }
    match edit {
        Edit::Delete(at, n) => {
            let at = at.index(chars.len());
            chars.drain(at..(at + n).min(text.chars().count()));
            return chars.into_iter().collect();
        }
        Edit::Insert(at, piece) => {
            let at = at.index(chars.len());
            chars.splice(at..at, piece.chars());
            return chars.into_iter().collect();
        }
        Edit::SwapLines(a, b) => {
            lines.swap(a.index(text.lines().count()), b.index(text.lines().count()))
        }
        Edit::DropLine(at) => {
            lines.remove(at.index(text.lines().count()));
        }
        Edit::RepeatLine(at) => {
            let at = at.index(text.lines().count());
            lines.insert(at, lines[at]);
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_gives_a_program_or_mistakes(text in any::<String>()) {
        survives(&text);
        survives(&format!("design mine\n  extends base\n{text}"));
    }

    #[test]
    fn any_mixture_of_words_gives_a_program_or_mistakes(pieces in prop::collection::vec(piece(), 0..80), sep in "[ \n]") {
        let text = pieces.join(&sep);
        survives(&text);
        survives(&format!("design mine\n  extends base\nmmap(file):\n{text}"));
    }

    #[test]
    fn a_damaged_design_gives_a_program_or_mistakes(text in builtin(), edits in prop::collection::vec(edit(), 1..6)) {
        let damaged = edits.iter().fold(text, |text, edit| apply(&text, edit));
        survives(&damaged);
    }
}

#[test]
fn a_mebibyte_of_one_thing_neither_hangs_nor_overflows_the_stack() {
    for unit in [
        "(", "not ", "if ", "x", "-", "\n", "/*", "a:\n", "&", "\"", "goto a\n", "h(", "and ",
        "1 ", "x += 1\n",
    ] {
        let text = unit.repeat(((1 << 20) - 100) / unit.len());
        survives(&text);
        survives(&format!("design mine\n  extends base\nmmap(file):\n{text}"));
        survives(&format!(
            "design mine\n  extends base\nmmap(file):\n if {text}"
        ));
        survives(&format!(
            "design mine\n  extends base\nmmap(file):\n x = {text}"
        ));
    }
}

#[test]
fn many_branches_are_walked_in_bounded_time() {
    let mut text = String::from("design mine\n  extends base\ndirect_read(file, iter):\n");
    for name in ["a", "b", "c", "d", "e"] {
        text += &format!(" {name} = iomap_dio_rw file iter\n");
    }
    text += "again:\n ret = iomap_dio_rw file iter\n";
    for i in 0..100 {
        let names = ["a", "b", "c", "d", "e", "ret"];
        let (x, y) = (names[i % 6], names[(i / 6 + 1 + i) % 6]);
        text += &format!(
            " if {x} <= {y} {x} -= 1\n if {y} > {} {y} = min {x} {}\n",
            i % 8,
            (i + 3) % 8
        );
    }
    text += " if ret == -EFAULT goto again\n return ret\n";
    survives(&text);
}
