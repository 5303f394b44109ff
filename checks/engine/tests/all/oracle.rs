//! The search against a brute-force oracle, on random graphs.

use crate::systems::graph::{Graph, has};
use glock_engine::{DEADLOCK, Exact, Path, Search, System, Verdict};
use proptest::prelude::*;

const NODES: u8 = 10;

fn graphs() -> impl Strategy<Value = Graph> {
    let nodes = || 0..1_u64 << NODES;
    let sparse = move || (nodes(), nodes()).prop_map(|(a, b)| a & b);
    (
        prop::collection::vec(0..NODES, 1..3),
        prop::collection::vec((0..NODES, 0..NODES), 0..24),
        [sparse(), sparse(), sparse(), sparse()],
        nodes(),
        (sparse(), sparse(), prop::bool::ANY),
    )
        .prop_map(
            |(initial, edges, labels, finished, (outside, stop, plain))| Graph {
                outside: if plain {
                    0
                } else {
                    outside & !(1 << initial[0])
                },
                stop: if plain { 0 } else { stop },
                initial,
                edges,
                labels,
                finished,
                ..Graph::default()
            },
        )
}

/// Distances from the initial nodes, by relaxing all edges as often as there are nodes.
fn distances(graph: &Graph, stop: u64) -> Vec<Option<usize>> {
    let mut distance = vec![None; usize::from(NODES)];
    for &node in &graph.initial {
        if !has(graph.outside, node) {
            distance[usize::from(node)] = Some(0);
        }
    }
    for _ in 0..NODES {
        for &(from, to) in &graph.edges {
            if let Some(steps) = distance[usize::from(from)]
                && !has(stop, from)
                && !has(graph.outside, to)
            {
                let best = &mut distance[usize::from(to)];
                *best = Some(best.map_or(steps + 1, |old: usize| old.min(steps + 1)));
            }
        }
    }
    distance
}

fn is_run(graph: &Graph, path: &Path<u8, usize>) -> bool {
    let mut at = path.initial;
    graph.initial.contains(&at)
        && path.steps.iter().all(|&(action, to)| {
            let edge = (std::mem::replace(&mut at, to), to);
            graph.edges[action] == edge
        })
}

fn check<S>(graph: &Graph, stop: u64, system: &S, threads: usize) -> Result<(), TestCaseError>
where
    S: System<Model = Graph>,
{
    let outcome = Search::new(system).threads(threads).run().unwrap();
    let distance = distances(graph, stop);
    let reachable: Vec<u8> = (0..NODES)
        .filter(|&node| distance[usize::from(node)].is_some())
        .collect();
    let expanded = |node: u8| distance[usize::from(node)].is_some() && !has(stop, node);
    let nearest = |test: &dyn Fn(u8) -> bool| {
        let hits = reachable.iter().filter(|&&node| test(node));
        hits.filter_map(|&node| distance[usize::from(node)]).min()
    };

    let stats = &outcome.stats;
    prop_assert!(outcome.exhaustive());
    prop_assert_eq!(stats.states, reachable.len());
    let (outside, inside): (Vec<_>, Vec<_>) = graph
        .edges
        .iter()
        .filter(|(from, _)| expanded(*from))
        .partition::<Vec<&(u8, u8)>, _>(|(_, to)| has(graph.outside, *to));
    prop_assert_eq!(stats.edges, inside.len() as u64);
    prop_assert_eq!(stats.outside, outside.len() as u64);
    for (depth, count) in stats.levels.iter().enumerate() {
        let there = distance.iter().filter(|&&d| d == Some(depth)).count();
        prop_assert_eq!(*count, there);
    }
    prop_assert_eq!(stats.depth + 1, stats.levels.len());

    let ends = |node: u8| expanded(node) && graph.edges.iter().all(|(from, _)| *from != node);
    prop_assert_eq!(
        stats.terminal,
        reachable.iter().filter(|&&node| ends(node)).count()
    );
    let dead = |node: u8| ends(node) && !has(graph.finished, node);
    let hit = |label: usize| move |node: u8| has(graph.labels[label], node);
    type Test<'a> = &'a dyn Fn(u8) -> bool;
    let expected: [(&str, bool, Test); 5] = [
        ("never 0", true, &hit(0)),
        ("never 1", true, &hit(1)),
        ("sometimes 2", false, &hit(2)),
        ("sometimes 3", false, &hit(3)),
        (DEADLOCK, true, &dead),
    ];
    for (name, bad, test) in expected {
        let verdict = outcome.verdict(name).unwrap();
        let path = match (nearest(test), verdict) {
            (None, Verdict::Holds) if bad => continue,
            (None, Verdict::Nowhere) if !bad => continue,
            (Some(_), Verdict::Violated(path)) if bad => path,
            (Some(_), Verdict::Found(path)) if !bad => path,
            other => return Err(TestCaseError::fail(format!("{name}: {other:?}"))),
        };
        prop_assert_eq!(Some(path.len()), nearest(test));
        prop_assert!(is_run(graph, path));
        prop_assert!(test(*path.last()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn packed_search_agrees_with_brute_force(graph in graphs()) {
        check(&graph, graph.stop, &graph, 1)?;
    }

    #[test]
    fn exact_search_agrees_with_brute_force(graph in graphs()) {
        let system = Exact::new(graph.clone()).finished(|graph, node| has(graph.finished, *node));
        check(&graph, 0, &system, 1)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn parallel_search_agrees_with_brute_force(graph in graphs()) {
        check(&graph, graph.stop, &graph, 3)?;
    }
}
