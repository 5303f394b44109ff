//! Random walks: what they find is real, and what they do not find is unknown.

use crate::systems::graph::{Graph, has, set};
use crate::systems::lanes::{Lanes, Taken};
use crate::systems::plane::Plane;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{
    DEADLOCK, Error, Exact, Path, Search, StopWhen, Strategy, System, Unfinished, Verdict, Walk,
    WalkOutcome,
};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;
use stateright::{Model, Property};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const STRATEGIES: [Strategy; 3] = [
    Strategy::Uniform,
    Strategy::Priority { changes: 0 },
    Strategy::Priority { changes: 3 },
];

fn verdict<'a, T, A, C>(outcome: &'a WalkOutcome<T, A, C>, name: &str) -> &'a Verdict<T, A> {
    outcome.verdict(name).expect("there is such a property").0
}

/// The properties for which something was found.
fn found<T, A, C>(outcome: &WalkOutcome<T, A, C>) -> Vec<&str> {
    let known = outcome
        .properties
        .iter()
        .filter(|j| !j.verdict.is_unknown());
    known.map(|judged| judged.name).collect()
}

// ---- what is claimed --------------------------------------------------------------

#[test]
fn nothing_ever_holds_even_if_there_is_but_one_state() {
    let graph = Graph::paths(&[&[0]]).finished(&[0]);
    for strategy in STRATEGIES {
        let outcome = Walk::new(&graph).strategy(strategy).run().unwrap();
        assert_eq!(outcome.unfinished, Unfinished::Sampled);
        for judged in &outcome.properties {
            assert_eq!(judged.verdict, Verdict::Unknown(Unfinished::Sampled));
        }
        let stats = &outcome.stats;
        assert_eq!((stats.walks, stats.finished, stats.steps), (1000, 1000, 0));
    }
}

#[test]
fn violations_examples_and_deadlocks_are_found_each_on_its_own() {
    let graph = Graph::paths(&[&[0, 1, 2, 3], &[0, 4], &[0, 1, 5]])
        .label(0, &[2])
        .label(2, &[3])
        .finished(&[3, 4]);
    for strategy in STRATEGIES {
        let outcome = Walk::new(&graph).strategy(strategy).run().unwrap();
        assert_eq!(found(&outcome), ["never 0", "sometimes 2", DEADLOCK]);
        let length = |name| verdict(&outcome, name).path().map(Path::len);
        assert_eq!(length("never 0"), Some(2));
        assert_eq!(length("sometimes 2"), Some(3));
        assert_eq!(length(DEADLOCK), Some(2));
        assert!(matches!(
            verdict(&outcome, "sometimes 2"),
            Verdict::Found(_)
        ));
        let stats = &outcome.stats;
        assert_eq!(stats.terminal, 1000);
        assert_eq!(stats.finished + stats.deadlocked, 1000);
        assert!(stats.deadlocked > 0 && stats.longest == 3);
    }
}

#[test]
fn an_eventually_property_is_not_decided() {
    struct Still;
    impl Model for Still {
        type State = u8;
        type Action = u8;
        fn init_states(&self) -> Vec<u8> {
            vec![0]
        }
        fn actions(&self, _: &u8, _: &mut Vec<u8>) {}
        fn next_state(&self, _: &u8, _: u8) -> Option<u8> {
            None
        }
        fn properties(&self) -> Vec<Property<Self>> {
            vec![Property::eventually("moves", |_, at| *at > 0)]
        }
    }
    let outcome = Walk::new(&Exact::new(Still)).run().unwrap();
    assert!(verdict(&outcome, "moves").is_unknown());
    assert_eq!(outcome.verdict("rests"), None);
}

#[test]
fn without_an_initial_state_there_is_nothing_to_walk_from() {
    let mut graph = Graph::paths(&[&[0, 1]]);
    graph.outside = set(&[0]);
    let error = Walk::new(&graph).run().unwrap_err();
    assert_eq!(error, Error::NoInitialState);
}

#[test]
fn coverage_is_what_the_walks_did() {
    // The graph records the nodes it was left from.
    let graph = Graph::paths(&[&[0, 1, 2], &[0, 3, 4]]);
    let outcome = Walk::new(&graph).run().unwrap();
    assert_eq!(outcome.coverage, set(&[0, 1, 3]));
    let outcome = Walk::new(&graph).steps(1).run().unwrap();
    assert_eq!(outcome.coverage, set(&[0]));
}

// ---- where a walk ends ------------------------------------------------------------

#[test]
fn a_walk_takes_no_more_steps_than_it_may() {
    let graph = Graph::paths(&[&[0, 1, 2, 3]]).label(0, &[2]).label(1, &[3]);
    let run = |steps| Walk::new(&graph).walks(10).steps(steps).run().unwrap();
    let outcome = run(2);
    assert_eq!(found(&outcome), ["never 0"]);
    assert_eq!((outcome.stats.at_limit, outcome.stats.steps), (10, 20));
    let outcome = run(3);
    assert_eq!(found(&outcome), ["never 0", "never 1", DEADLOCK]);
    assert_eq!((outcome.stats.at_limit, outcome.stats.terminal), (0, 10));
}

#[test]
fn walks_stay_within_the_boundary_and_do_not_go_beyond_a_stop() {
    let mut graph = Graph::paths(&[&[0, 1, 2], &[0, 3, 4]]).label(0, &[2, 4]);
    (graph.outside, graph.stop) = (set(&[2]), set(&[3]));
    for strategy in STRATEGIES {
        let outcome = Walk::new(&graph).strategy(strategy).run().unwrap();
        assert_eq!(found(&outcome), [""; 0], "a wall is no deadlock either");
        let stats = &outcome.stats;
        assert_eq!(stats.outside + stats.stopped, 1000);
        assert!(stats.outside > 0 && stats.stopped > 0);
    }
}

#[test]
fn a_limit_on_time_ends_even_a_single_endless_walk() {
    for (threads, strategy) in [(1, STRATEGIES[0]), (2, STRATEGIES[0]), (1, STRATEGIES[2])] {
        let outcome = Walk::new(&Exact::new(Plane))
            .walks(u64::MAX)
            .steps(usize::MAX)
            .strategy(strategy)
            .threads(threads)
            .limit_time(Duration::from_millis(50))
            .run()
            .unwrap();
        assert_eq!(outcome.unfinished, Unfinished::Time);
        assert_eq!(
            verdict(&outcome, "true"),
            &Verdict::Unknown(Unfinished::Time)
        );
    }
}

#[test]
fn what_was_found_before_the_time_was_over_is_reported_and_shrunk() {
    let outcome = Walk::new(&Exact::new(Plane))
        .walks(u64::MAX)
        .steps(1000)
        .limit_time(Duration::from_millis(50))
        .run()
        .unwrap();
    let path = verdict(&outcome, "not (1, 1)").path().unwrap();
    assert_eq!(path.len(), 2);
}

#[test]
fn a_flag_ends_walks() {
    let cancel = AtomicBool::new(false);
    let outcome = Walk::new(&Exact::new(Plane))
        .walks(u64::MAX)
        .steps(100)
        .cancel(&cancel)
        .progress(Duration::ZERO, |progress| {
            cancel.store(progress.walks == 10, Ordering::Relaxed);
        })
        .run()
        .unwrap();
    assert_eq!(outcome.unfinished, Unfinished::Cancelled);
    assert_eq!((outcome.stats.walks, outcome.stats.steps), (10, 1000));
    let path = verdict(&outcome, "not (1, 1)").path().unwrap();
    assert_eq!(path.last(), &(1, 1), "what was found is a run all the same");
}

#[test]
fn walks_stop_once_they_have_found_what_is_wanted() {
    let graph = Graph::paths(&[&[0, 1, 2], &[0, 3]])
        .label(0, &[1])
        .label(1, &[3]);
    let run = |stop_when| {
        let walk = Walk::new(&graph).stop_when(stop_when);
        walk.run().unwrap()
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    let one = run(StopWhen::AllFound(names(&["never 0"])));
    assert_eq!(one.unfinished, Unfinished::Stopped);
    let (_, finding) = one.verdict("never 0").unwrap();
    assert_eq!(one.stats.walks, finding.unwrap().walk + 1);
    let both = run(StopWhen::AllFound(names(&["never 0", "never 1"])));
    assert!(both.stats.walks > 1 && both.stats.walks < 100);
    assert!(found(&both).starts_with(&["never 0", "never 1"]));
    let any = run(StopWhen::AnyFound(names(&["never 0", "never 1"])));
    assert_eq!(any.stats.walks, 1);
    let error = Walk::new(&graph).stop_when(StopWhen::AnyFound(names(&["x"])));
    assert!(matches!(error.run(), Err(Error::UnknownProperty { .. })));
}

#[test]
fn progress_counts_walks_and_steps() {
    let mut seen = Vec::new();
    let outcome = Walk::new(&Exact::new(Lanes(4)))
        .walks(5)
        .progress(Duration::ZERO, |progress| seen.push(progress.clone()))
        .run()
        .unwrap();
    let walks: Vec<u64> = seen.iter().map(|progress| progress.walks).collect();
    assert_eq!(walks, [1, 2, 3, 4, 5]);
    assert_eq!(seen[4].steps, outcome.stats.steps);
    assert_eq!(outcome.stats.steps, 5 * 8);
}

// ---- strategies -------------------------------------------------------------------

const RARE: &str = "not all at once";

fn lanes(strategy: Strategy, seed: u64, walks: u64) -> WalkOutcome<Taken, usize, ()> {
    Walk::new(&Exact::new(Lanes(20)))
        .groups(|&thread| Some(thread))
        .strategy(strategy)
        .seed(seed)
        .walks(walks)
        .run()
        .unwrap()
}

#[test]
fn one_change_of_priorities_finds_what_uniform_walks_do_not() {
    // A uniform walk: all 20 choices after the first step, 2^-21. One change of priorities: the
    // first thread goes first, 1/2, and is put back before its second step of 40, 1/40.
    for seed in 0..5 {
        let uniform = lanes(Strategy::Uniform, seed, 1000);
        assert!(verdict(&uniform, RARE).is_unknown());
        let fixed = lanes(Strategy::Priority { changes: 0 }, seed, 1000);
        assert!(verdict(&fixed, RARE).is_unknown());
        let priority = lanes(Strategy::Priority { changes: 1 }, seed, 1000);
        let path = verdict(&priority, RARE).path().expect("found");
        assert_eq!(path.last(), &Taken([1, 20], true));
    }
}

#[test]
fn priorities_keep_the_bound_of_their_paper() {
    // At least 1 / (n k^(d - 1)) with n = 2 threads, k = 40 steps and d = 2: in 2000 walks 25 are
    // expected, with a standard deviation of 5.
    let one = |seed| lanes(Strategy::Priority { changes: 1 }, seed, 1);
    let hits = (0..2000).filter(|&seed| !verdict(&one(seed), RARE).is_unknown());
    let hits = hits.count();
    assert!((10..=40).contains(&hits), "{hits}");
}

#[test]
fn uniform_walks_find_what_is_common() {
    // In the middle after 20 fair choices: one walk in six.
    let outcome = lanes(Strategy::Uniform, 0, 100);
    let (_, finding) = outcome.verdict("not both halfway").unwrap();
    assert_eq!(finding.unwrap().steps, 20);
    // With one thread strictly before the other it never happens.
    let outcome = lanes(Strategy::Priority { changes: 0 }, 0, 1000);
    assert_eq!(found(&outcome), [""; 0]);
}

#[test]
fn the_environment_is_one_more_thread() {
    // Thread 1 has no group now: the bound is the same.
    let walk = |seed| {
        let outcome = Walk::new(&Exact::new(Lanes(20)))
            .groups(|&thread| (thread == 0).then_some(0))
            .strategy(Strategy::Priority { changes: 1 })
            .seed(seed)
            .run();
        outcome.unwrap()
    };
    assert!((0..3).all(|seed| !verdict(&walk(seed), RARE).is_unknown()));
}

#[test]
fn a_thread_that_spins_does_not_hide_the_others() {
    // Node 0 has a step to itself, in a group of its own; the way on is in another.
    let graph = Graph::paths(&[&[0, 0], &[0, 1, 2]])
        .group(0, 0, 0)
        .group(0, 1, 1)
        .group(1, 2, 1)
        .label(0, &[2]);
    let outcome = Walk::new(&graph)
        .groups(|&edge| graph.group_of(edge))
        .strategy(Strategy::Priority { changes: 0 })
        .run()
        .unwrap();
    assert_eq!(outcome.stats.at_limit, 0);
    assert_eq!(outcome.stats.deadlocked, 1000);
    assert!(outcome.stats.longest > 2);
}

#[test]
fn a_group_beyond_all_groups_is_refused() {
    let system = Exact::new(Lanes(2));
    let walk = Walk::new(&system)
        .groups(|&thread| Some(63 + thread))
        .strategy(Strategy::Priority { changes: 0 });
    assert_eq!(walk.run().unwrap_err(), Error::Group(64));
}

// ---- the same for ever, and for any number of threads -----------------------------

#[test]
fn threads_make_no_difference() {
    let system = TwoPhaseCommit(3);
    for strategy in STRATEGIES {
        for stop_when in [
            StopWhen::Exhausted,
            StopWhen::AllFound(vec!["commit agreement".into()]),
        ] {
            let run = |threads| {
                let mut outcome = Walk::new(&system)
                    .groups(|action| Some(action.process()))
                    .strategy(strategy)
                    .walks(2000)
                    .steps(100)
                    .stop_when(stop_when.clone())
                    .threads(threads)
                    .run()
                    .unwrap();
                outcome.stats.elapsed = Duration::ZERO;
                outcome.stats.elapsed_shrinking = Duration::ZERO;
                outcome
            };
            let alone = run(1);
            assert!(!found(&alone).is_empty());
            for threads in [2, 3] {
                let together = run(threads);
                assert_eq!(alone.stats, together.stats);
                assert_eq!(alone.properties, together.properties);
                assert_eq!(alone.findings, together.findings);
                assert_eq!(alone.unfinished, together.unfinished);
            }
        }
    }
}

#[test]
fn other_seeds_are_other_walks() {
    let steps = |seed| {
        let (outcome, name) = (lanes(Strategy::Uniform, seed, 50), "not both halfway");
        outcome.verdict(name).unwrap().1.map(|finding| finding.walk)
    };
    let all: Vec<_> = (0..10).map(steps).collect();
    assert!(all.iter().any(|walk| *walk != all[0]));
    assert_eq!(all, (0..10).map(steps).collect::<Vec<_>>());
}

/// Walks are part of what a user writes down: a seed must mean the same next year. The numbers were
/// computed by the first version; whoever changes them changes the meaning of every seed.
#[test]
fn a_seed_means_the_same_for_ever() {
    let walks = |strategy| {
        let outcome = lanes(strategy, 2021, 2000);
        outcome
            .findings
            .iter()
            .map(|f| f.map(|f| f.walk))
            .collect::<Vec<_>>()
    };
    insta::assert_debug_snapshot!((
        walks(Strategy::Uniform),
        walks(Strategy::Priority { changes: 1 }),
        walks(Strategy::Priority { changes: 2 }),
    ));
}

// ---- shrinking --------------------------------------------------------------------

#[test]
fn a_shortest_run_is_found_and_known_to_be_it_where_the_system_is_small() {
    let system = TwoPhaseCommit(4);
    let exact = Search::new(&system).run().unwrap();
    let outcome = Walk::new(&system).run().unwrap();
    for name in ["abort agreement", "commit agreement"] {
        let (verdict, finding) = outcome.verdict(name).unwrap();
        let shortest = exact.verdict(name).unwrap().path().unwrap().len();
        assert_eq!(verdict.path().unwrap().len(), shortest);
        assert!(finding.unwrap().shortest);
    }
}

/// Sixteen counters that go up and down; the first shall not come to 6.
struct Counters;

impl Model for Counters {
    type State = [i16; 16];
    type Action = (usize, i16);
    fn init_states(&self) -> Vec<[i16; 16]> {
        vec![[0; 16]]
    }
    fn actions(&self, _: &[i16; 16], actions: &mut Vec<(usize, i16)>) {
        actions.extend((0..16).flat_map(|i| [(i, 1), (i, -1)]));
    }
    fn next_state(&self, at: &[i16; 16], (i, by): (usize, i16)) -> Option<[i16; 16]> {
        let mut next = *at;
        next[i] += by;
        Some(next)
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("below 6", |_, at: &[i16; 16]| at[0] < 6)]
    }
}

#[test]
fn a_run_through_a_system_that_is_too_large_to_search_gets_short_as_well() {
    let outcome = Walk::new(&Exact::new(Counters)).walks(20).run().unwrap();
    let (verdict, finding) = outcome.verdict("below 6").unwrap();
    assert!(finding.unwrap().steps > 100);
    assert_eq!(verdict.path().unwrap().len(), 6);
    assert!(
        !finding.unwrap().shortest,
        "nobody has looked at all the rest"
    );
}

#[test]
fn a_run_that_is_not_to_be_shrunk_is_the_walk() {
    let outcome = Walk::new(&Exact::new(Counters)).walks(20).shrink(0).run();
    let outcome = outcome.unwrap();
    let (verdict, finding) = outcome.verdict("below 6").unwrap();
    let path = verdict.path().unwrap();
    assert_eq!(path.len(), finding.unwrap().steps);
    assert_eq!(path.last()[0], 6);
}

// ---- random graphs ----------------------------------------------------------------

const NODES: u8 = 10;

fn graphs() -> impl Generator<Value = Graph> {
    let nodes = || 0..1_u64 << NODES;
    let sparse = move || (nodes(), nodes()).prop_map(|(a, b)| a & b);
    let edge = (0..NODES, 0..NODES, prop::option::of(0..4_usize));
    (
        prop::collection::vec(0..NODES, 1..3),
        prop::collection::vec(edge, 0..30),
        [sparse(), sparse(), sparse(), sparse()],
        nodes(),
        (sparse(), sparse()),
    )
        .prop_map(
            |(initial, edges, labels, finished, (outside, stop))| Graph {
                outside: outside & !(1 << initial[0]),
                stop,
                initial,
                groups: edges.iter().map(|(_, _, group)| *group).collect(),
                edges: edges.iter().map(|&(from, to, _)| (from, to)).collect(),
                labels,
                finished,
            },
        )
}

fn strategies() -> impl Generator<Value = Strategy> {
    prop_oneof![
        Just(Strategy::Uniform),
        (0..4_usize).prop_map(|changes| Strategy::Priority { changes }),
    ]
}

/// Whether the model really has this run.
fn is_run(graph: &Graph, stop: u64, path: &Path<u8, usize>) -> bool {
    let mut at = path.initial;
    graph.initial.contains(&at)
        && path.states().all(|node| !has(graph.outside, *node))
        && path.steps.iter().all(|&(action, to)| {
            let from = std::mem::replace(&mut at, to);
            graph.edges[action] == (from, to) && !has(stop, from)
        })
}

/// What is found is real, no shorter than the shortest, no longer than the walk; what does not
/// exist is not found.
fn compare<S>(graph: &Graph, stop: u64, system: &S, walk: Walk<'_, S>) -> Result<(), TestCaseError>
where
    S: System<Model = Graph>,
{
    let exact = Search::new(system).run().unwrap();
    let outcome = walk.groups(|&edge| graph.group_of(edge)).run().unwrap();
    for (judged, finding) in outcome.properties.iter().zip(&outcome.findings) {
        let Some(finding) = finding else {
            prop_assert!(judged.verdict.is_unknown());
            continue;
        };
        let path = judged.verdict.path().unwrap();
        prop_assert!(is_run(graph, stop, path));
        let shortest = exact.verdict(judged.name).unwrap().path();
        let shortest = shortest.expect("what was found exists").len();
        prop_assert!(shortest <= path.len() && path.len() <= finding.steps);
        prop_assert!(!finding.shortest || path.len() == shortest);
        let last = *path.last();
        let label = |label: usize| has(graph.labels[label], last);
        let end = || graph.edges.iter().all(|(from, _)| *from != last);
        let decides = match judged.name {
            "never 0" => label(0),
            "never 1" => label(1),
            "sometimes 2" => label(2),
            "sometimes 3" => label(3),
            _ => end() && !has(graph.finished, last) && !has(stop, last),
        };
        prop_assert!(decides);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_walks_find_is_real(
        graph in graphs(),
        strategy in strategies(),
        seed in any::<u64>(),
        effort in prop_oneof![Just(0), 1..20_usize, Just(1 << 20)],
    ) {
        let walk = Walk::new(&graph).seed(seed).strategy(strategy);
        let walk = walk.walks(30).steps(50).shrink(effort);
        compare(&graph, graph.stop, &graph, walk)?;
    }

    #[test]
    fn what_walks_find_is_real_in_any_model(
        graph in graphs(),
        strategy in strategies(),
        seed in any::<u64>(),
    ) {
        let system = Exact::new(graph.clone()).finished(|graph, node| has(graph.finished, *node));
        let walk = Walk::new(&system).seed(seed).strategy(strategy).walks(30).steps(50);
        compare(&graph, 0, &system, walk)?;
    }

    /// Ten nodes are few enough to be sure.
    #[test]
    fn with_enough_effort_small_runs_are_shortest(graph in graphs(), seed in any::<u64>()) {
        let exact = Search::new(&graph).run().unwrap();
        let outcome = Walk::new(&graph).seed(seed).walks(30).run().unwrap();
        for (judged, finding) in outcome.properties.iter().zip(&outcome.findings) {
            if let (Some(path), Some(finding)) = (judged.verdict.path(), finding) {
                let shortest = exact.verdict(judged.name).unwrap().path().unwrap();
                prop_assert_eq!(path.len(), shortest.len());
                prop_assert!(finding.shortest);
            }
        }
    }
}
