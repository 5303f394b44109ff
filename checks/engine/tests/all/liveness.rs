//! Claims about runs: one small graph for every rule of fairness and every shape of lasso.
//!
//! In a graph, predicate 2 is "there", the goal. Edges are in groups 0, 1, ... or the environment's.

use crate::systems::graph::{Graph, has};
use crate::systems::ring::Ring;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{Claim, Error, Exact, Fairness, Lasso, Limits, Search, Unfinished, Verdict};

type Found = Verdict<u8, usize>;

fn check(graph: &Graph, claim: Claim<'_, u8>) -> Found {
    let search = Search::new(graph).groups(|edge| graph.group_of(*edge));
    let outcome = search.claim(claim).run().unwrap();
    outcome.properties.last().unwrap().verdict.clone()
}

fn there(graph: &Graph) -> impl Fn(&u8) -> bool + Sync {
    |node| has(graph.labels[2], *node)
}

fn eventually(graph: &Graph, fairness: Fairness) -> Found {
    check(
        graph,
        Claim::eventually("there", there(graph)).under(fairness),
    )
}

/// The nodes of the stem, and those of the cycle.
fn nodes(verdict: Found) -> (Vec<u8>, Vec<u8>) {
    match verdict {
        Verdict::Never(Lasso { stem, cycle }) => (
            stem.states().copied().collect(),
            cycle.into_iter().map(|(_, node)| node).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_that_ends_elsewhere_never_gets_there() {
    let graph = Graph::paths(&[&[0, 1], &[0, 2]]).label(2, &[1]);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Maximal)),
        (vec![0, 2], vec![])
    );
}

#[test]
fn a_run_that_is_there_at_once_is_there() {
    let graph = Graph::paths(&[&[0, 1, 0]]).label(2, &[0]);
    assert_eq!(eventually(&graph, Fairness::Maximal), Verdict::Holds);
}

#[test]
fn a_self_loop_is_a_run_if_all_runs_count() {
    let graph = Graph::paths(&[&[0, 1, 1, 2]]).label(2, &[2]);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Maximal)),
        (vec![0, 1], vec![1])
    );
}

#[test]
fn a_self_loop_is_no_progress_and_takes_no_group() {
    let graph = Graph::paths(&[&[0, 1, 1, 2]])
        .label(2, &[2])
        .group(0, 1, 0)
        .group(1, 1, 0)
        .group(1, 2, 0);
    // The group could go on to 2, and its step from 1 to 1 is no way to keep its promise.
    assert_eq!(eventually(&graph, Fairness::Weak), Verdict::Holds);
}

#[test]
fn a_self_loop_does_not_enable_its_group() {
    let graph = Graph::paths(&[&[0, 0], &[0, 1]]).group(0, 0, 0);
    // Only the environment can leave 0; nothing unfair happens if it does not.
    let graph = graph.label(2, &[1]);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Strong)),
        (vec![0], vec![])
    );
}

#[test]
fn the_environment_is_never_obliged() {
    let graph = Graph::paths(&[&[0, 1]]).label(2, &[1]);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Strong)),
        (vec![0], vec![])
    );
    assert_eq!(eventually(&graph, Fairness::Maximal), Verdict::Holds);
}

#[test]
fn a_group_always_enabled_is_taken_under_weak_fairness() {
    // The environment goes round between 0 and 1; group 0 can leave from both.
    let graph = Graph::paths(&[&[0, 1, 0], &[0, 2], &[1, 2]])
        .label(2, &[2])
        .group(0, 2, 0)
        .group(1, 2, 0);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Maximal)),
        (vec![0], vec![1, 0])
    );
    assert_eq!(eventually(&graph, Fairness::Weak), Verdict::Holds);
}

#[test]
fn a_group_enabled_now_and_then_is_taken_under_strong_fairness_only() {
    let graph = Graph::paths(&[&[0, 1, 0], &[1, 2]])
        .label(2, &[2])
        .group(0, 1, 0)
        .group(1, 0, 0)
        .group(1, 2, 1);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Weak)),
        (vec![0], vec![1, 0])
    );
    assert_eq!(eventually(&graph, Fairness::Strong), Verdict::Holds);
    let weak_only = Fairness::Mixed { weak: 2, strong: 1 };
    assert!(eventually(&graph, weak_only).is_bad());
    let strong = Fairness::Mixed { weak: 1, strong: 2 };
    assert_eq!(eventually(&graph, strong), Verdict::Holds);
}

#[test]
fn a_strongly_fair_run_may_avoid_the_place_where_a_group_is_enabled() {
    // Strong fairness for group 1 rules out 1, but 0 and 3 are enough for a cycle.
    let graph = Graph::paths(&[&[0, 1, 0, 3, 0], &[1, 2]])
        .label(2, &[2])
        .group(0, 3, 0)
        .group(3, 0, 0)
        .group(1, 2, 1);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Strong)),
        (vec![0], vec![3, 0])
    );
}

#[test]
fn two_groups_in_one_component_must_both_be_served() {
    // 1 and 2 hang on 0; each of the loops serves one group, only both together are fair.
    let graph = Graph::paths(&[&[0, 1, 0, 2, 0], &[0, 3]])
        .label(2, &[3])
        .group(0, 1, 0)
        .group(1, 0, 0)
        .group(0, 2, 1)
        .group(2, 0, 1);
    let (stem, cycle) = nodes(eventually(&graph, Fairness::Strong));
    assert_eq!(stem, [0]);
    assert_eq!(cycle.len(), 4);
    assert!(cycle.contains(&1) && cycle.contains(&2));
}

#[test]
fn a_cycle_serves_what_it_passes_on_its_way_home() {
    // Group 1 is enabled at 1; having served it, the way home passes 3, where group 2 is enabled.
    let mut graph = Graph::paths(&[&[0, 1, 0], &[1, 2, 3, 0], &[3, 4, 0]]);
    graph.groups = vec![Some(0); graph.edges.len()];
    let graph = graph.group(1, 2, 1).group(3, 4, 2);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Strong)),
        (vec![0], vec![1, 2, 3, 4, 0])
    );
}

#[test]
fn a_cycle_serves_no_group_by_a_self_loop() {
    let graph = Graph::paths(&[&[0, 0], &[0, 1, 0], &[0, 2, 0]])
        .group(0, 0, 1)
        .group(0, 1, 0)
        .group(1, 0, 0)
        .group(0, 2, 1)
        .group(2, 0, 0);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Strong)),
        (vec![0], vec![2, 0])
    );
}

#[test]
fn two_groups_that_cannot_both_be_served_are_no_counterexample() {
    // Each group alone admits a fair cycle, in another component; both together admit none.
    let graph = Graph::paths(&[
        &[0, 1, 0],
        &[0, 2, 3, 2],
        &[1, 4],
        &[0, 4],
        &[2, 4],
        &[3, 4],
    ])
    .label(2, &[4])
    .group(0, 1, 0)
    .group(1, 0, 0)
    .group(2, 3, 1)
    .group(3, 2, 1)
    .group(1, 4, 1)
    .group(0, 4, 1)
    .group(2, 4, 0)
    .group(3, 4, 0);
    let only = |weak| Fairness::Mixed { weak, strong: 0 };
    assert_eq!(nodes(eventually(&graph, only(1))).1, [1, 0]);
    let (_, cycle) = nodes(eventually(&graph, only(2)));
    assert_eq!(cycle.len(), 2);
    assert!(cycle.contains(&2) && cycle.contains(&3));
    assert_eq!(eventually(&graph, only(3)), Verdict::Holds);
}

#[test]
fn the_stem_of_a_lasso_avoids_the_goal() {
    // The cycle 3, 4 is two steps away through the goal, and four around it.
    let graph = Graph::paths(&[&[0, 1, 3, 4, 3], &[0, 5, 6, 7, 3]]).label(2, &[1]);
    assert_eq!(
        nodes(eventually(&graph, Fairness::Maximal)),
        (vec![0, 5, 6, 7, 3], vec![4, 3])
    );
    let often = Claim::infinitely_often("often there", there(&graph));
    assert_eq!(nodes(check(&graph, often)), (vec![0, 1, 3], vec![4, 3]));
}

#[test]
fn a_joined_dag_has_no_cycle() {
    let graph = Graph::paths(&[&[0, 1, 3, 4], &[0, 2, 3], &[1, 4]]).label(2, &[4]);
    assert_eq!(eventually(&graph, Fairness::Maximal), Verdict::Holds);
}

#[test]
fn infinitely_often_allows_a_cycle_through_the_goal_and_no_other() {
    let graph = Graph::paths(&[&[0, 1, 2, 0]]).label(2, &[1]);
    let often = || Claim::infinitely_often("often there", |node| has(2, *node));
    assert_eq!(check(&graph, often()), Verdict::Holds);
    let graph = Graph::paths(&[&[0, 1, 2, 0], &[2, 3, 2]]);
    let (stem, cycle) = nodes(check(&graph, often()));
    assert_eq!((stem, cycle), (vec![2], vec![3, 2]));
}

#[test]
fn leads_to_looks_at_what_follows_and_not_at_what_was_before() {
    // 1 is asked, 2 is answered.
    let asked = |node: &u8| *node == 1;
    let answered = |node: &u8| *node == 2;
    let claim = || Claim::leads_to("answered", asked, answered);
    let graph = Graph::paths(&[&[0, 1, 2, 0], &[0, 0]]);
    assert_eq!(check(&graph, claim()), Verdict::Holds);
    let graph = Graph::paths(&[&[0, 2, 1, 3, 4, 3]]);
    assert_eq!(
        nodes(check(&graph, claim())),
        (vec![0, 2, 1, 3], vec![4, 3])
    );
    // Asked and answered at once.
    let both = Claim::leads_to("answered", asked, asked);
    assert_eq!(check(&graph, both), Verdict::Holds);
}

#[test]
fn can_reach_reports_the_trap_and_its_size() {
    let graph = Graph::paths(&[&[0, 1, 0], &[1, 2], &[0, 3, 4, 5, 4]]).label(2, &[2]);
    let Verdict::Trapped(trap) = check(&graph, Claim::can_reach("can finish", there(&graph)))
    else {
        panic!("from 3 there is no way to 2");
    };
    assert_eq!(trap.states, 3);
    assert_eq!(trap.path.states().collect::<Vec<_>>(), [&0, &3]);
}

#[test]
fn can_reach_is_content_with_a_way_that_need_not_be_taken() {
    let graph = Graph::paths(&[&[0, 1, 0], &[1, 2]]).label(2, &[2]);
    let can = Claim::can_reach("can finish", there(&graph));
    assert_eq!(check(&graph, can), Verdict::Holds);
    assert!(eventually(&graph, Fairness::Maximal).is_bad());
}

#[test]
fn runs_that_reach_a_state_to_stop_at_are_not_judged() {
    let mut graph = Graph::paths(&[&[0, 1], &[0, 2, 3]]).label(2, &[1]);
    graph.stop = 1 << 2;
    assert_eq!(eventually(&graph, Fairness::Maximal), Verdict::Holds);
    let can = Claim::can_reach("can finish", there(&graph));
    assert_eq!(check(&graph, can), Verdict::Holds);
}

#[test]
fn a_run_ends_at_the_boundary() {
    let mut graph = Graph::paths(&[&[0, 1, 2]]).label(2, &[2]);
    graph.outside = 1 << 2;
    assert_eq!(
        nodes(eventually(&graph, Fairness::Maximal)),
        (vec![0, 1], vec![])
    );
}

#[test]
fn a_claim_is_unknown_after_a_truncated_search() {
    let system = TwoPhaseCommit(4);
    let claim = || Claim::can_reach("impossible", |_| true);
    let limits = Limits {
        states: Some(100),
        ..Limits::default()
    };
    let outcome = Search::new(&system).claim(claim()).limits(limits).run();
    assert_eq!(
        outcome.unwrap().verdict("impossible"),
        Some(&Verdict::Unknown(Unfinished::States))
    );
}

#[test]
fn a_claim_is_unknown_if_memory_is_enough_for_the_states_only() {
    let system = TwoPhaseCommit(6);
    let needed = Search::new(&system).run().unwrap().stats.peak_bytes;
    let limits = Limits {
        memory_bytes: Some(needed + needed / 10),
        ..Limits::default()
    };
    let claim = Claim::can_reach("trivial", |_| true);
    let outcome = Search::new(&system)
        .claim(claim)
        .limits(limits)
        .run()
        .unwrap();
    assert!(outcome.exhaustive());
    assert_eq!(outcome.verdict("consistent"), Some(&Verdict::Holds));
    assert_eq!(
        outcome.verdict("trivial"),
        Some(&Verdict::Unknown(Unfinished::Memory))
    );
}

#[test]
fn a_group_out_of_range_is_an_error() {
    let graph = Graph::paths(&[&[0, 1]]);
    let search = Search::new(&graph).groups(|_| Some(64));
    let outcome = search.claim(Claim::can_reach("any", |_| true)).run();
    assert_eq!(outcome.unwrap_err(), Error::Group(64));
}

#[test]
fn two_phase_commit_finishes_if_every_process_keeps_moving() {
    use glock_engine::PackedModel;
    for threads in [1, 2] {
        let system = TwoPhaseCommit(5);
        let finished = |state: &_| system.is_finished(state);
        let idle = Fairness::Mixed {
            weak: !1,
            strong: 0,
        };
        let outcome = Search::new(&system)
            .threads(threads)
            .groups(|action| Some(action.process()))
            .claim(Claim::can_reach("can finish", finished))
            .claim(Claim::eventually("finishes", finished).under(Fairness::Weak))
            .claim(Claim::eventually("without the manager", finished).under(idle))
            .claim(Claim::eventually("in any case", finished))
            .run()
            .unwrap();
        assert_eq!(outcome.verdict("can finish"), Some(&Verdict::Holds));
        assert_eq!(outcome.verdict("finishes"), Some(&Verdict::Holds));
        let Some(Verdict::Never(lasso)) = outcome.verdict("without the manager") else {
            panic!("all wait for the transaction manager");
        };
        assert!(lasso.cycle.is_empty());
        let Some(Verdict::Never(lasso)) = outcome.verdict("in any case") else {
            panic!("a message can be received again and again");
        };
        assert_eq!(lasso.cycle.len(), 1);
    }
}

#[test]
fn a_long_path_needs_no_stack() {
    let ring = Exact::new(Ring(1_000_000));
    let outcome = Search::new(&ring)
        .claim(Claim::infinitely_often("begins again", |state| *state == 0))
        .claim(Claim::eventually("never", |_| false))
        .run()
        .unwrap();
    assert_eq!(outcome.verdict("begins again"), Some(&Verdict::Holds));
    let Some(Verdict::Never(lasso)) = outcome.verdict("never") else {
        panic!("it goes round");
    };
    assert_eq!((lasso.stem.len(), lasso.cycle.len()), (0, 1_000_000));
}
