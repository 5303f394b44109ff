//! Abstract two-phase commit, packed into one word: the engine beside stateright and SPIN, what
//! claims about runs cost, and how time and memory grow.
//!
//! `cargo bench -p glock-engine` goes up to 8 resource managers, `-- 9` to 9 (10.3 million states),
//! and `-- 10` adds the 61.5 million of 10, which stateright and SPIN are spared.

#[path = "../tests/systems/mod.rs"]
mod systems;

mod support;

use glock_engine::{Claim, Fairness, OutcomeOf, Search};
use stateright::{Checker, Model};
use support::{Rows, Taken, best, millions, print_machine, times, whole};
use systems::spin;
use systems::two_phase_commit::TwoPhaseCommit;

/// Resource managers and states, as published for the TLA+ and stateright versions.
const KNOWN: [(u32, usize); 6] = [
    (3, 288),
    (5, 8_832),
    (7, 296_448),
    (8, 1_745_408),
    (9, 10_340_352),
    (10, 61_515_776),
];

fn main() {
    let largest = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(8);
    print_machine();
    let sizes = KNOWN.iter().filter(|(managers, _)| *managers <= largest);
    let (mut growth, mut claims, mut peers) = (growth_rows(), claim_rows(), peer_rows());
    for &(managers, states) in sizes {
        let system = TwoPhaseCommit(managers);
        let alone = search(&system, 1, states);
        add_growth(&mut growth, managers, 1, &alone);
        add_growth(&mut growth, managers, 2, &search(&system, 2, states));
        if managers < 10 {
            add_claims(&mut claims, system, managers, &alone);
        }
        if (7..10).contains(&managers) {
            add_peers(&mut peers, system, managers, &alone);
        }
    }
    for rows in [growth, claims, peers] {
        rows.print();
    }
}

/// One search and what it took.
type Searched = (Taken, OutcomeOf<TwoPhaseCommit>);

fn search(system: &TwoPhaseCommit, threads: usize, states: usize) -> Searched {
    let run = || Search::new(system).threads(threads).run();
    let (taken, outcome) = best(|| run().expect("the model is sound"));
    assert_eq!(outcome.stats.states, states);
    (taken, outcome)
}

fn growth_rows() -> Rows {
    Rows::new(&[
        "managers", "threads", "states", "edges", "seconds", "states/s", "edges/s", "B/state",
    ])
}

fn add_growth(rows: &mut Rows, managers: u32, threads: usize, (taken, outcome): &Searched) {
    let stats = &outcome.stats;
    rows.add([
        managers.to_string(),
        threads.to_string(),
        whole(stats.states),
        whole(stats.edges),
        format!("{:.3}", taken.seconds()),
        millions(stats.states as f64 / taken.seconds()),
        millions(stats.edges as f64 / taken.seconds()),
        format!("{:.1}", stats.bytes_per_state()),
    ]);
}

fn claim_rows() -> Rows {
    Rows::new(&[
        "managers",
        "claims",
        "safety, s",
        "claims, s",
        "claims / safety",
        "B/edge",
    ])
}

/// That all can finish, and that they do if all keep moving: what each costs on top of the search, and
/// both together.
fn add_claims(rows: &mut Rows, system: TwoPhaseCommit, managers: u32, (alone, _): &Searched) {
    let finished = |state: &_| glock_engine::PackedModel::is_finished(&system, state);
    let can = || Claim::can_reach("can finish", finished);
    let does = || Claim::eventually("finishes", finished).under(Fairness::Weak);
    type Made<'a> = &'a dyn Fn() -> Vec<Claim<'a, systems::two_phase_commit::State>>;
    let kinds: [(&str, Made<'_>); 3] = [
        ("can_reach", &|| vec![can()]),
        ("eventually", &|| vec![does()]),
        ("both", &|| vec![can(), does()]),
    ];
    for (name, claims) in kinds {
        let run = || {
            let search = Search::new(&system)
                .groups(|action: &systems::two_phase_commit::Action| Some(action.process()));
            claims().into_iter().fold(search, Search::claim).run()
        };
        let (taken, outcome) = best(|| run().expect("the model is sound"));
        let good = |judged: &glock_engine::Judged<_, _>| judged.verdict.is_good();
        assert!(outcome.properties.iter().all(good));
        let more = taken.seconds() - alone.seconds();
        let bytes = taken.bytes.saturating_sub(alone.bytes);
        rows.add([
            managers.to_string(),
            name.to_owned(),
            format!("{:.3}", alone.seconds()),
            format!("{more:.3}"),
            times(more / alone.seconds()),
            format!("{:.1}", bytes as f64 / outcome.stats.edges as f64),
        ]);
    }
}

fn peer_rows() -> Rows {
    Rows::new(&[
        "managers",
        "checker",
        "seconds",
        "time / ours",
        "B/state",
        "memory / ours",
    ])
}

fn add_peers(rows: &mut Rows, system: TwoPhaseCommit, managers: u32, (ours, outcome): &Searched) {
    let states = outcome.stats.states;
    let mut add = |checker: &str, taken: Taken| {
        rows.add([
            managers.to_string(),
            checker.to_owned(),
            format!("{:.3}", taken.seconds()),
            times(taken.seconds() / ours.seconds()),
            format!("{:.1}", taken.bytes as f64 / states as f64),
            times(taken.bytes as f64 / ours.bytes as f64),
        ]);
    };
    add("ours", *ours);
    let (taken, checker) = best(|| system.checker().spawn_dfs().join());
    assert_eq!(checker.unique_state_count(), states);
    add("stateright DFS", taken);
    drop(checker);
    let (taken, checker) = best(|| system.checker().spawn_bfs().join());
    assert_eq!(checker.unique_state_count(), states);
    add("stateright BFS", taken);
    drop(checker);
    if !spin::is_installed() {
        eprintln!("SPIN is not measured: spin and cc are not both installed");
        return;
    }
    let verified = spin::verify(managers, states);
    assert_eq!((verified.states, verified.errors), (states, 0));
    let (time, bytes) = (verified.time, verified.bytes);
    add("SPIN", Taken { time, bytes });
}
