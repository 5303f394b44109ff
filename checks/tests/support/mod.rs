//! What the suites share: cells by name, and their verdicts as short lists.
#![allow(dead_code, unreachable_pub)] // each test binary uses a part

use glock::{Options, Report, Verdict, check};
use glock_model::design::{self, Library, source_from_bytes};
use glock_model::program::Program;
use glock_model::property::{Kind, Property};
use glock_model::scenario::{self, Scenario};

/// A built-in scenario.
pub fn scenario(name: &str) -> Scenario {
    scenario::Library::builtin()
        .load(name)
        .unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A built-in design.
pub fn design(name: &str) -> Program {
    Library::builtin()
        .load(name)
        .unwrap_or_else(|e| panic!("{name}: {e}"))
        .program
}

/// A design that is written out in a test.
pub fn written(text: &str) -> Program {
    let source = source_from_bytes("test.design", text.as_bytes()).expect("readable");
    match design::compile(&source, &Library::builtin()) {
        Ok(compiled) => compiled.program,
        Err(why) => panic!("{why:?}"),
    }
}

/// Explores a cell in full.
pub fn explored(program: &Program, scenario: &Scenario) -> Report {
    explored_with(program, scenario, &[])
}

/// The same, with properties about progress.
pub fn explored_with(program: &Program, scenario: &Scenario, progress: &[Property]) -> Report {
    let options = Options {
        threads: 2,
        progress,
        ..Default::default()
    };
    let report = check(program, scenario, &options).unwrap_or_else(|e| panic!("{e}"));
    assert!(
        report.unfinished.is_none(),
        "{} was cut short",
        scenario.name
    );
    report
}

/// The demanded properties that are violated in a cell.
pub fn violated_in(program: &Program, scenario: &Scenario) -> Vec<&'static str> {
    names(&explored(program, scenario), Kind::Safety)
}

/// The same for built-in ones.
pub fn violated(design_name: &str, scenario_name: &str) -> Vec<&'static str> {
    violated_in(&design(design_name), &scenario(scenario_name))
}

/// Is a pages-of-one-generation read violated?
pub fn torn(design_name: &str, scenario_name: &str) -> bool {
    let report = explored(&design(design_name), &scenario(scenario_name));
    !names(&report, Kind::Reported).is_empty()
}

fn names(report: &Report, kind: Kind) -> Vec<&'static str> {
    report
        .judged
        .iter()
        .filter(|j| j.property.kind() == kind)
        .filter(|j| matches!(j.verdict, Verdict::Violated { .. }))
        .map(|j| j.property.name())
        .collect()
}

/// The length of a shortest counterexample.
pub fn shortest(report: &Report, property: Property) -> Option<usize> {
    report.verdict(property).history().map(glock::Walk::len)
}
