//! The claim the project exists for.
//!
//! In the race of the RFC's own mail, on one node and on two, alone and with a
//! genuinely bad page in either buffer, the upstream answer never deadlocks, never
//! loses an -EFAULT and never invents one; and the same question has another answer
//! for what came before. The actor host answers it in `model/tests/hosts_agree.rs`.

mod support;

use glock_model::property::Property::{NoDeadlock, NoLostEfault, NoSpuriousEfault};
use support::{design, explored, scenario, shortest};

/// The race: every way to transfer, both kinds of mapping, one node and two.
const RACE: [&str; 16] = [
    "race-direct-read",
    "race-direct-read-private",
    "race-direct-write",
    "race-direct-write-private",
    "race-buffered-read",
    "race-buffered-read-private",
    "race-buffered-write",
    "race-buffered-write-private",
    "race-direct-read-two-nodes",
    "race-direct-read-private-two-nodes",
    "race-direct-write-two-nodes",
    "race-direct-write-private-two-nodes",
    "race-buffered-read-two-nodes",
    "race-buffered-read-private-two-nodes",
    "race-buffered-write-two-nodes",
    "race-buffered-write-private-two-nodes",
];

/// The race with a bad page: the first or the second of a buffer of two, in either
/// process's buffer.
const BAD: [&str; 18] = [
    "race-direct-read-bad-first",
    "race-direct-read-bad-second",
    "race-direct-read-bad-both",
    "race-direct-write-bad-first",
    "race-direct-write-bad-second",
    "race-buffered-read-bad-first",
    "race-buffered-read-bad-second",
    "race-buffered-write-bad-first",
    "race-buffered-write-bad-second",
    "race-direct-read-bad-first-two-nodes",
    "race-direct-read-bad-second-two-nodes",
    "race-direct-read-bad-other-two-nodes",
    "race-direct-write-bad-first-two-nodes",
    "race-direct-write-bad-second-two-nodes",
    "race-buffered-read-bad-first-two-nodes",
    "race-buffered-read-bad-second-two-nodes",
    "race-buffered-write-bad-first-two-nodes",
    "race-buffered-write-bad-second-two-nodes",
];

/// The cells in which the claim is wrong, with the property and the length of a
/// shortest history.
fn where_it_fails(design_name: &str) -> Vec<(&'static str, &'static str, usize)> {
    let program = design(design_name);
    let mut failures = Vec::new();
    for name in RACE.into_iter().chain(BAD) {
        let report = explored(&program, &scenario(name));
        for property in [NoDeadlock, NoLostEfault, NoSpuriousEfault] {
            if let Some(steps) = shortest(&report, property) {
                failures.push((name, property.name(), steps));
            }
        }
    }
    failures
}

#[test]
fn upstream_neither_deadlocks_nor_loses_nor_invents_an_efault_in_the_race() {
    assert_eq!(where_it_fails("fault-in-retry"), []);
}

#[test]
fn the_claim_fails_for_base_on_one_node_and_on_two() {
    let failures = where_it_fails("base");
    // Each takes its DF, starts its transfer, faults, and waits: four steps each.
    assert!(failures.contains(&("race-direct-read", "no-deadlock", 8)));
    let on_two: Vec<_> = failures
        .iter()
        .filter(|f| f.0.ends_with("two-nodes"))
        .collect();
    assert!(on_two.iter().any(|f| f.0 == "race-direct-read-two-nodes"));
    assert!(
        failures.iter().all(|f| f.1 == "no-deadlock"),
        "{failures:?}"
    );
}

#[test]
fn the_claim_fails_for_the_recursion_check_exactly_where_it_fails_for_base() {
    assert_eq!(where_it_fails("recursion-check"), where_it_fails("base"));
}

#[test]
fn the_claim_fails_for_the_rfc_through_page_mkwrite() {
    let failures = where_it_fails("restart-hack");
    let cells: Vec<_> = failures.iter().map(|f| f.0).collect();
    // Shared mappings that are written to: with private ones, and in writes, nobody
    // ever waits under a glock.
    assert_eq!(
        cells,
        [
            "race-direct-read",
            "race-buffered-read",
            "race-buffered-read-two-nodes",
            "race-direct-read-bad-second",
            "race-buffered-read-bad-second",
            "race-buffered-read-bad-second-two-nodes",
        ]
    );
    assert!(
        failures.iter().all(|f| f.1 == "no-deadlock"),
        "{failures:?}"
    );
    assert!(failures.contains(&("race-direct-read", "no-deadlock", 8)));
}
