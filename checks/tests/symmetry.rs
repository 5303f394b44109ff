//! The standing comparison: states stored by representative give the verdicts of all
//! states.

mod support;

use glock::{CheckError, Occurrence, Options, Report, Verdict, check};
use glock_engine::Limits;
use glock_model::cluster::Cluster;
use glock_model::design::DIFFERENT;
use glock_model::property::Property::{self, CanFinish, Finishes, FinishesStrongly};
use glock_model::scenario;
use glock_traces::Ending;
use support::{design, scenario, shortest};

/// Most states of a cell that is compared.
const SMALL: usize = 10_000;

fn explored(design_name: &str, scenario_name: &str, symmetry: bool) -> Report {
    let options = Options {
        limits: Limits {
            states: Some(SMALL),
            ..Default::default()
        },
        threads: 2,
        progress: &[CanFinish],
        symmetry,
        ..Default::default()
    };
    check(&design(design_name), &scenario(scenario_name), &options)
        .unwrap_or_else(|e| panic!("{e}"))
}

/// Of every property the verdict, and the length of a shortest counterexample.
fn verdicts(report: &Report) -> Vec<(Property, &'static str, Option<usize>)> {
    let told = |p: Property| (p, report.verdict(p).name(), shortest(report, p));
    Property::ALL.into_iter().map(told).collect()
}

fn occurrences(report: &Report) -> Vec<Occurrence> {
    report.coverage.occurrences().collect()
}

/// The size of the trap, and whether it counts representatives.
fn trap(report: &Report) -> Option<(usize, bool)> {
    match report.verdict(CanFinish).history()?.ending {
        Ending::Trap {
            states,
            by_representative,
        } => Some((states, by_representative)),
        other => panic!("{other:?}"),
    }
}

fn has_symmetry(scenario_name: &str, design_name: &str) -> bool {
    let cluster = Cluster::new(scenario(scenario_name), design(design_name)).expect("they fit");
    cluster.with_symmetry().packs_by_representative()
}

#[test]
fn every_small_scenario_has_equal_verdicts_by_representative() {
    let (mut reduced, mut traps) = (0, 0);
    for scenario in scenario::Library::builtin().names() {
        // Who appends needs a design that speaks of it.
        let designs = match self::scenario(scenario).tasks.iter().any(|t| t.append) {
            true => &["append-size-refreshed", "append-pinned"][..],
            false => &DIFFERENT,
        };
        for &design in designs {
            if design != designs[0] && !has_symmetry(scenario, design) {
                continue;
            }
            let all = explored(design, scenario, false);
            if all.unfinished.is_some() {
                continue;
            }
            let few = explored(design, scenario, true);
            let cell = format!("{scenario} under {design}");
            assert_eq!(verdicts(&few), verdicts(&all), "{cell}");
            assert_eq!(occurrences(&few), occurrences(&all), "{cell}");
            assert_eq!(few.never_executed(), all.never_executed(), "{cell}");
            assert_eq!(few.stats.depth, all.stats.depth, "{cell}");
            let order = few.cluster.symmetry().expect("asked for").order();
            assert!(few.stats.states <= all.stats.states, "{cell}");
            assert!(order * few.stats.states >= all.stats.states, "{cell}");
            assert_eq!(order > 1, few.stats.states < all.stats.states, "{cell}");
            if let (Some((few, few_by)), Some((all, all_by))) = (trap(&few), trap(&all)) {
                assert!((few_by, all_by) == (order > 1, false), "{cell}");
                assert!(few <= all && order * few >= all, "{cell}: {few} for {all}");
                traps += usize::from(order > 1);
            }
            reduced += usize::from(order > 1);
        }
    }
    assert!(
        reduced > 200,
        "only {reduced} cells had something to exchange"
    );
    assert!(traps > 50, "only {traps} of them had a trap");
}

/// A ring has a group of order 3, and too many states for the comparison above with
/// every design.
#[test]
fn a_ring_needs_about_a_third_of_the_states() {
    let ring = |symmetry| {
        let options = Options {
            threads: 2,
            symmetry,
            ..Default::default()
        };
        let report = check(&design("base"), &scenario("ring-direct-read"), &options);
        report.unwrap_or_else(|e| panic!("{e}"))
    };
    let (all, few) = (ring(false), ring(true));
    assert_eq!(verdicts(&few), verdicts(&all));
    assert!(3 * few.stats.states >= all.stats.states);
    assert!(3 * few.stats.states < all.stats.states + all.stats.states / 20);
}

/// Fairness is about who moves.
#[test]
fn what_is_about_fairness_is_refused_and_not_left_out() {
    for property in [Finishes, FinishesStrongly] {
        for scenario_name in ["race-direct-read", "lone-direct-read-idle-remote"] {
            let options = Options {
                progress: &[CanFinish, property],
                symmetry: true,
                ..Default::default()
            };
            let error = check(&design("base"), &scenario(scenario_name), &options).err();
            assert!(
                matches!(error, Some(CheckError::Symmetry { property: p }) if p == property),
                "{scenario_name}: {error:?}"
            );
        }
    }
}

#[test]
fn what_nobody_asked_for_is_not_judged() {
    let report = explored("base", "race-direct-read", true);
    assert!(matches!(report.verdict(Finishes), Verdict::NotAsked));
}
