//! Recordings of real kernels against the model: is what the kernel did a history of the design?
//!
//! [`ftrace`] reads raw text, [`mapping`] says which event of the kernel is which of the model,
//! [`observe`] puts logs together, [`setup`] derives the scenarios, [`host`] is the model that is
//! followed, [`verdict`] follows, [`report`] tells, and [`reproduce`] writes a program that makes a
//! recording.

pub mod ftrace;
pub mod host;
pub mod mapping;
pub mod observe;
pub mod report;
pub mod reproduce;
pub mod setup;
pub mod verdict;

use glock_model::design::{Library, source_from_bytes};

/// The early designs as they were recorded, in a 6.1 kernel: file name and text.
const RECORDED: [(&str, &str); 3] = [
    (
        "base-v61.design",
        include_str!("../../kernel/designs/base-v61.design"),
    ),
    (
        "recursion-check-v61.design",
        include_str!("../../kernel/designs/recursion-check-v61.design"),
    ),
    (
        "restart-hack-v61.design",
        include_str!("../../kernel/designs/restart-hack-v61.design"),
    ),
];

/// The designs that recordings are compared with: the built-in ones, and the early ones as they
/// were recorded.
///
/// # Panics
///
/// If a file that comes with the tool is wrong.
pub fn designs() -> Library {
    RECORDED
        .iter()
        .fold(Library::builtin(), |library, (file, text)| {
            let source = source_from_bytes(file, text.as_bytes());
            library.with_file(source.expect("the designs that come with the tool are whole"))
        })
}

/// The names of the designs of [`designs`]: those of the discussion, the steps between them, the
/// recorded ones.
pub fn design_names() -> Vec<String> {
    let library = Library::builtin();
    let names = library.names().into_iter().chain(library.steps());
    let recorded = RECORDED
        .iter()
        .map(|(file, _)| file.trim_end_matches(".design"));
    names.chain(recorded).map(str::to_owned).collect()
}
