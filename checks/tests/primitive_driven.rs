//! The other direction: what the model shows, the primitive is made to do.
//!
//! Seen from outside, the model of a case is an automaton over events ([`observer`]). Every
//! edge of it is to be taken by a real execution: threads under shuttle, with a scheduler
//! that looks for the history that is wanted ([`drive`]). Each event must agree with the
//! model, outcome included, whether it was wanted or not.
//!
//! [`observer`]: primitive::observer
//! [`drive`]: primitive::drive

mod primitive;

use glock_primitives::event::{Event, Op};
use primitive::drive::Cover;
use primitive::shuttle_runs::{Chosen, explore};
use primitive::{Case, cases};
use std::fmt::Write;

/// Sets of states up to which a case counts as small.
const SETS: usize = 1_700;
/// Attempts at an edge, for each way that is known to its set: few for all, more for what
/// is left.
const EFFORTS: [usize; 5] = [4, 10, 40, 160, 640];
/// Executions under each scheduler that nobody steers.
const UNSTEERED: usize = 300;

/// Too large for every edge: walked through.
static WALKED: [&Case; 5] = [
    &cases::CROWD,
    &cases::TRIO,
    &cases::OCTET,
    &cases::SIX_AND_DEMAND,
    &cases::RACE_NODES_FAULT_IN,
];

/// A case as it is driven: demands in any order, three workers, and rounds enough that
/// no task gives up, which the model never does.
fn driven(case: &Case) -> &'static Case {
    Box::leak(Box::new(Case {
        apart: !case.demands.is_empty(),
        workers: 3,
        rounds: 12,
        ..*case
    }))
}

/// What was covered of some cases.
#[derive(Default)]
struct Table {
    text: String,
    edges: usize,
    covered: usize,
}

/// Drives the primitive along all edges of these cases.
fn cover(which: impl Fn(&Case) -> bool) -> Table {
    let mut table = Table::default();
    for &case in cases::ALL.iter().filter(|c| which(c)) {
        let case = driven(case);
        let cluster = case.cluster();
        let mut cover = Cover::new(case, &cluster);
        let edges = cover.edges(SETS).expect("a small case");
        cover.all_edges(&EFFORTS);
        let alone = cover.count();
        let mut free = Cover::new(case, &cluster);
        for (seed, chosen) in (1..).zip(Chosen::ALL) {
            let runs = explore(case, chosen, seed, UNSTEERED, None);
            // Where the case's design deadlocks, the history up to there.
            let logs = runs.first.into_keys().chain(runs.failure.map(|f| f.events));
            for log in logs {
                let log = match case.name == cases::RECURSION.name {
                    true => up_to_recursion(&log),
                    false => &log,
                };
                let fits = free.note(log).and_then(|()| cover.note(log));
                assert!(fits.is_ok(), "{}: {fits:?} {log:?}", case.name);
            }
        }
        writeln!(
            table.text,
            "{:>5} edges, {:>5} driven, {:>5} unsteered, {:>5} together: {}",
            edges.len(),
            alone,
            free.count(),
            cover.count(),
            case.name
        )
        .unwrap();
        table.edges += edges.len();
        table.covered += cover.count();
        for (set, event) in edges {
            if cover.is_covered(set, &event) {
                continue;
            }
            let before = cover.history(set).unwrap_or_default();
            let before: String = before.iter().map(|e| format!("  {e}\n")).collect();
            panic!("{}: never {event}\nafter\n{before}", case.name);
        }
    }
    writeln!(table.text, "{} of {} edges", table.covered, table.edges).unwrap();
    table
}

/// The kernel stops there.
fn up_to_recursion(log: &[Event]) -> &[Event] {
    use glock_primitives::event::Outcome;
    let refused = |e: &Event| {
        matches!(
            e.op,
            Op::Enqueue {
                outcome: Outcome::Recursion,
                ..
            }
        )
    };
    match log.iter().position(refused) {
        Some(at) => &log[..=at],
        None => log,
    }
}

fn is_small(case: &Case) -> bool {
    let large = [&cases::SIX_READERS, &cases::FOUR_READERS];
    !WALKED.iter().chain(&large).any(|c| c.name == case.name)
}

/// Is it about transfers?
fn reads(case: &Case) -> bool {
    case.pages > 0
}

#[test]
fn the_primitive_takes_every_edge_of_the_models_of_requests() {
    let table = cover(|c| is_small(c) && !reads(c));
    println!("{}", table.text);
    assert_eq!(table.covered, table.edges);
}

#[test]
fn the_primitive_takes_every_edge_of_the_models_of_transfers() {
    let table = cover(|c| is_small(c) && reads(c));
    println!("{}", table.text);
    assert_eq!(table.covered, table.edges);
}

/// Walks through each large model of requests (one through a transfer's, which is ten times
/// as long), and attempts at each step.
const WALKS: u64 = 2;
const EFFORT: usize = 30;

#[test]
fn the_primitive_follows_long_walks_through_large_models() {
    let (mut length, mut missed) = (0, 0);
    for case in WALKED.map(driven) {
        let walks = if reads(case) { 1 } else { WALKS };
        let cluster = case.cluster();
        let mut cover = Cover::new(case, &cluster);
        let began = std::time::Instant::now();
        let walks: Vec<_> = (1..=walks)
            .map(|seed| cover.walk(seed << 32, EFFORT))
            .collect();
        println!("{}: {walks:?} {:.1?}", case.name, began.elapsed());
        length += walks.iter().map(|w| w.0).sum::<usize>();
        missed += walks.iter().map(|w| w.1).sum::<usize>();
    }
    println!("{length} events, {missed} times another event was chosen first and not found");
    assert!(missed * 5 <= length, "{missed} of {length}");
}
