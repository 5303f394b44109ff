//! The design files of the history: they compile without a warning, say where
//! they come from, and mean what their listing says.

use glock_model::design::{Compiled, Library};
use glock_model::program::{Entry, MayGrant, Op, Place};

fn load(name: &str) -> Compiled {
    Library::builtin()
        .load(name)
        .unwrap_or_else(|e| panic!("{name}: {:?}", miette::Report::new(e)))
}

fn all(library: &Library) -> impl Iterator<Item = &str> {
    library.names().into_iter().chain(library.steps())
}

#[test]
fn every_file_of_the_directory_is_built_in_and_nothing_else() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("designs");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .expect("a directory")
        .map(|e| {
            e.expect("readable")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    files.sort();
    let library = Library::builtin();
    let mut names: Vec<String> = all(&library).map(|n| format!("{n}.design")).collect();
    names.sort();
    assert_eq!(names, files);
}

#[test]
fn every_built_in_design_compiles_without_a_warning() {
    for name in all(&Library::builtin()) {
        let compiled = load(name);
        assert_eq!(compiled.program.name, name);
        assert!(
            compiled.warnings.is_empty(),
            "{name}: {:?}",
            compiled.warnings
        );
    }
}

#[test]
fn every_built_in_design_says_what_it_is_and_where_it_comes_from() {
    for name in all(&Library::builtin()) {
        let compiled = load(name);
        assert!(!compiled.program.description.is_empty(), "{name}");
        assert!(!compiled.origins.is_empty(), "{name}");
        for line in compiled.program.sources[0].text.lines() {
            assert!(line.chars().count() <= 88, "{name}: {line}");
        }
    }
}

#[test]
fn listing_of_restart_hack() {
    insta::assert_snapshot!(load("restart-hack").program.listing());
}

#[test]
fn listing_of_fault_in_retry() {
    insta::assert_snapshot!(load("fault-in-retry").program.listing());
}

/// The RFC has six restart labels; two are in direct_write's expansion.
#[test]
fn restart_hack_resets_its_flag_at_each_of_six_restarts() {
    let program = load("restart-hack").program;
    let resets: std::collections::BTreeSet<u32> = (0..program.code.len() as u16)
        .filter(|&pc| matches!(program.code[pc as usize].op, Op::SetFlag { .. }))
        .map(|pc| program.line(pc))
        .filter(|line| line.text == "restart_hack = 0")
        .map(|line| line.number)
        .collect();
    assert_eq!(resets.len(), 6);
}

#[test]
fn journal_info_moves_the_flag_and_leaves_the_code() {
    let (hack, info) = (
        load("restart-hack").program,
        load("restart-journal-info").program,
    );
    assert_eq!(info.flags[0].place, Place::JournalInfo);
    let ops = |p: &glock_model::program::Program| p.code.iter().map(|i| i.op).collect::<Vec<_>>();
    assert_eq!(ops(&hack), ops(&info));
}

#[test]
fn upstream_has_no_glock_in_the_iomap_hooks() {
    for name in ["fault-in-retry", "fault-in-retry-bounded"] {
        let program = load(name).program;
        assert_eq!(program.entry(Entry::IomapBegin), None);
        assert_eq!(program.entry(Entry::IomapEnd), None);
        assert_eq!(program.kernel.may_grant, MayGrant::V516);
    }
}

#[test]
fn a_file_extends_its_neighbour_before_a_built_in_design() {
    let dir = tempfile::tempdir().expect("a directory");
    let write =
        |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    write("mine.design", "design mine\n  extends yours\n");
    write(
        "yours.design",
        "design yours\n  extends base\n\nmmap(file):\n        return 0\n",
    );
    let path = dir.path().join("mine.design");
    let program = Library::builtin()
        .load(&path.to_string_lossy())
        .expect("compiles")
        .program;
    assert_eq!(program.extends, ["yours", "base"]);
    assert_eq!(program.entry(Entry::Mmap), None);
}
