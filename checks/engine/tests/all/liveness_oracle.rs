//! Claims against a brute-force oracle, on random graphs of up to 8 nodes.
//!
//! The oracle tries every set of nodes: a run visits some set again and again, and it can take all
//! edges within that set, which is never less fair than taking some of them.

use crate::systems::graph::{Graph, has};
use glock_engine::{Claim, Exact, Fairness, Search, System, Verdict};
use proptest::prelude::*;

const NODES: u8 = 8;
const GROUPS: usize = 3;

fn graphs() -> impl Strategy<Value = Graph> {
    let nodes = || 0..1_u64 << NODES;
    let group = prop::option::of(0..GROUPS);
    (
        prop::collection::vec(0..NODES, 1..3),
        prop::collection::vec((0..NODES, 0..NODES, group), 0..20),
        [nodes(), nodes(), nodes(), nodes()],
    )
        .prop_map(|(initial, edges, labels)| Graph {
            initial,
            edges: edges.iter().map(|&(from, to, _)| (from, to)).collect(),
            groups: edges.iter().map(|&(_, _, group)| group).collect(),
            labels: [0, 0, labels[2] & labels[1], labels[3]],
            ..Graph::default()
        })
}

fn fairness() -> impl Strategy<Value = Fairness> {
    prop_oneof![
        Just(Fairness::Maximal),
        Just(Fairness::Weak),
        Just(Fairness::Strong),
        (0..8_u64, 0..8_u64).prop_map(|(weak, strong)| Fairness::Mixed { weak, strong }),
    ]
}

/// Whether a group is treated weakly and strongly fairly; strongly is more.
fn rules(fairness: &Fairness, group: usize) -> (bool, bool) {
    match fairness {
        Fairness::Maximal => (false, false),
        Fairness::Weak => (true, false),
        Fairness::Strong => (false, true),
        Fairness::Mixed { weak, strong } => (weak >> group & 1 == 1, strong >> group & 1 == 1),
    }
}

/// The nodes that can be reached from `from` along edges within `within`.
fn closure(graph: &Graph, from: u64, within: u64) -> u64 {
    let mut reached = from & within;
    for _ in 0..NODES {
        for &(a, b) in &graph.edges {
            if has(reached, a) && has(within, b) {
                reached |= 1 << b;
            }
        }
    }
    reached
}

fn members(set: u64) -> impl Iterator<Item = u8> {
    (0..NODES).filter(move |&node| has(set, node))
}

fn enabled(graph: &Graph, node: u8, group: usize) -> bool {
    (0..graph.edges.len()).any(|edge| {
        let (from, to) = graph.edges[edge];
        from == node && to != node && graph.group_of(edge) == Some(group)
    })
}

/// Whether a run can visit exactly the nodes of this set again and again, fairly.
fn can_go_on(graph: &Graph, set: u64, fairness: &Fairness) -> bool {
    let connected = members(set).all(|node| closure(graph, 1 << node, set) == set);
    let alone = set.count_ones() == 1;
    let loops = graph.edges.iter().any(|&(a, b)| a == b && has(set, a));
    let goes_on = match (alone, fairness) {
        (false, _) => true,
        (true, Fairness::Maximal) => loops || graph.edges.iter().all(|&(from, _)| !has(set, from)),
        (true, _) => true,
    };
    let fair = |group| {
        let (weak, strong) = rules(fairness, group);
        let taken = (0..graph.edges.len()).any(|edge| {
            let (from, to) = graph.edges[edge];
            from != to && has(set, from) && has(set, to) && graph.group_of(edge) == Some(group)
        });
        let always = members(set).all(|node| enabled(graph, node, group));
        let sometimes = members(set).any(|node| enabled(graph, node, group));
        (!weak || !always || taken) && (!strong || !sometimes || taken)
    };
    connected && goes_on && (0..GROUPS).all(fair)
}

/// Whether a fair run can go on for ever in some set of nodes that overlaps with `from`, or can be
/// reached from there, all of it within `within`.
fn some_run(graph: &Graph, from: u64, within: u64, fairness: &Fairness) -> bool {
    let reached = closure(graph, from, within);
    (1..1_u64 << NODES)
        .filter(|set| set & !reached == 0)
        .any(|set| can_go_on(graph, set, fairness))
}

fn check<S>(graph: &Graph, system: &S, fairness: &Fairness) -> Result<(), TestCaseError>
where
    S: System<Model = Graph>,
{
    let all = (1 << NODES) - 1;
    let initial = graph
        .initial
        .iter()
        .fold(0, |set, node| set | 1_u64 << node);
    let reachable = closure(graph, initial, all);
    let goal = graph.labels[2];
    let asked = graph.labels[3];
    let there = |node: &u8| has(goal, *node);
    // The engine validates each counterexample by itself, and fails if it is none.
    let outcome = Search::new(system)
        .groups(|edge| graph.group_of(*edge))
        .claim(Claim::can_reach("can", there))
        .claim(Claim::eventually("eventually", there).under(fairness.clone()))
        .claim(Claim::infinitely_often("often", there).under(fairness.clone()))
        .claim(Claim::leads_to("leads to", |node| has(asked, *node), there).under(fairness.clone()))
        .run()
        .unwrap();
    let holds = |name| matches!(outcome.verdict(name), Some(Verdict::Holds));
    prop_assert!(
        outcome
            .properties
            .iter()
            .all(|judged| !judged.verdict.is_unknown())
    );

    let trapped: Vec<u8> = members(reachable)
        .filter(|&node| closure(graph, 1 << node, all) & goal == 0)
        .collect();
    match outcome.verdict("can").unwrap() {
        Verdict::Trapped(trap) => {
            prop_assert_eq!(trap.states, trapped.len());
            prop_assert!(trapped.contains(trap.path.last()));
            let before = trap.path.len();
            let mut near = initial;
            for _ in 0..before {
                prop_assert!(trapped.iter().all(|&node| !has(near, node)));
                near |= graph
                    .edges
                    .iter()
                    .filter(|(from, _)| has(near, *from))
                    .fold(0, |set, (_, to)| set | 1 << to);
            }
        }
        verdict => {
            prop_assert_eq!(verdict, &Verdict::Holds);
            prop_assert!(trapped.is_empty());
        }
    }
    prop_assert_eq!(
        holds("eventually"),
        !some_run(graph, initial, all & !goal, fairness)
    );
    prop_assert_eq!(
        holds("often"),
        !some_run(graph, reachable, all & !goal, fairness)
    );
    prop_assert_eq!(
        holds("leads to"),
        !some_run(graph, reachable & asked, all & !goal, fairness)
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn claims_agree_with_brute_force(graph in graphs(), fairness in fairness()) {
        check(&graph, &graph, &fairness)?;
    }

    #[test]
    fn claims_on_exact_states_agree_with_brute_force(
        graph in graphs(),
        fairness in fairness(),
    ) {
        check(&graph, &Exact::new(graph.clone()), &fairness)?;
    }
}
