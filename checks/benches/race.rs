//! The race on two nodes: states and transitions a second, and bytes a state.
//!
//! `cargo bench -p glock`

use divan::Bencher;
use divan::counter::ItemsCount;
use glock::{Catalog, Options, Report, check};
use glock_model::program::Program;
use glock_model::scenario::Scenario;

const SCENARIO: &str = "race-direct-read-two-nodes";
const DESIGNS: [&str; 3] = ["base", "restart-hack", "fault-in-retry"];

fn main() {
    println!("{SCENARIO}");
    println!(
        "{:<16} {:>9} {:>10} {:>5} {:>10} {:>10} {:>11}",
        "design", "states", "edges", "depth", "states/s", "edges/s", "bytes/state"
    );
    for name in DESIGNS {
        let (design, scenario) = cell(name);
        let stats = run(&design, &scenario).stats;
        let seconds = stats.elapsed.as_secs_f64();
        println!(
            "{name:<16} {:>9} {:>10} {:>5} {:>10.0} {:>10.0} {:>11.1}",
            stats.states,
            stats.edges,
            stats.depth,
            stats.states as f64 / seconds,
            stats.edges as f64 / seconds,
            stats.bytes_per_state()
        );
    }
    divan::main();
}

fn cell(design: &str) -> (Program, Scenario) {
    let catalog = Catalog::builtin();
    let load = "the built-in files are right";
    (
        catalog.design(design).expect(load).program,
        catalog.scenario(SCENARIO).expect(load),
    )
}

fn run(design: &Program, scenario: &Scenario) -> Report {
    check(design, scenario, &Options::default()).expect("the two go together")
}

/// Transitions a second.
#[divan::bench(args = DESIGNS, sample_count = 3, sample_size = 1)]
fn transitions(bencher: Bencher<'_, '_>, name: &str) {
    let (design, scenario) = cell(name);
    let count = run(&design, &scenario).stats.edges;
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| run(&design, &scenario));
}
