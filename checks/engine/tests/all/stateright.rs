//! What stateright 0.31 does wrong or not at all, and this engine right. Where it is cheap, a test
//! shows stateright's answer beside ours, so that a fixed release will be noticed.

use std::hash::{Hash, Hasher};

use crate::systems::graph::Graph;
use glock_engine::{DEADLOCK, Exact, Limits, Search, Unfinished, Verdict};
use stateright::{Checker, Model, Property};

/// Counts to the given number.
struct Chain(u32);

impl Model for Chain {
    type State = u32;
    type Action = ();
    fn init_states(&self) -> Vec<u32> {
        vec![0]
    }
    fn actions(&self, _: &u32, actions: &mut Vec<()>) {
        actions.push(());
    }
    fn next_state(&self, state: &u32, (): ()) -> Option<u32> {
        (*state < self.0).then_some(state + 1)
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("not at the end", |chain, state| {
            *state < chain.0
        })]
    }
}

/// stateright's breadth-first search keeps with each state the whole run to it.
#[test]
fn memory_per_state_does_not_grow_with_depth() {
    let chain = Exact::new(Chain(300_000));
    let outcome = Search::new(&chain).run().unwrap();
    assert_eq!(outcome.stats.depth, 300_000);
    let path = outcome.verdict("not at the end").unwrap().path().unwrap();
    assert_eq!(path.len(), 300_000);
    assert!(outcome.stats.bytes_per_state() < 30.0);
}

/// stateright overwrites a counterexample as long as another property is open.
#[test]
fn a_counterexample_is_shortest_while_another_property_is_open() {
    let graph = Graph::paths(&[&[0, 1, 2, 3, 4, 0]]).label(0, &[1, 3]);
    let theirs = graph.clone().checker().spawn_bfs().join();
    assert_eq!(theirs.discovery("never 0").unwrap().into_actions().len(), 3);

    let ours = Search::new(&graph).run().unwrap();
    assert_eq!(ours.verdict("never 0").unwrap().path().unwrap().len(), 1);
    assert_eq!(ours.verdict("never 1"), Some(&Verdict::Holds));
}

/// stateright has no such check.
#[test]
fn a_state_without_successors_is_reported() {
    let graph = Graph::paths(&[&[0, 1, 2], &[0, 3]]).finished(&[3]);
    let outcome = Search::new(&graph).run().unwrap();
    let path = outcome.verdict(DEADLOCK).unwrap().path().unwrap();
    assert_eq!(path.last(), &2);
}

/// stateright says "done" after a search that a depth or a count ended.
#[test]
fn a_truncated_search_does_not_look_like_success() {
    let theirs = Chain(1000)
        .checker()
        .target_max_depth(10)
        .spawn_bfs()
        .join();
    theirs.assert_no_discovery("not at the end"); // Although there is one, at depth 1000.

    let limits = Limits {
        depth: Some(10),
        ..Limits::default()
    };
    let chain = Exact::new(Chain(1000));
    let ours = Search::new(&chain).limits(limits).run().unwrap();
    assert_eq!(
        ours.verdict("not at the end"),
        Some(&Verdict::Unknown(Unfinished::Depth))
    );
}

/// Numbers that all have the same hash.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Colliding(u8);

impl Hash for Colliding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        0_u8.hash(state);
    }
}

struct Collisions;

impl Model for Collisions {
    type State = Colliding;
    type Action = ();
    fn init_states(&self) -> Vec<Colliding> {
        vec![Colliding(0)]
    }
    fn actions(&self, _: &Colliding, actions: &mut Vec<()>) {
        actions.push(());
    }
    fn next_state(&self, Colliding(n): &Colliding, (): ()) -> Option<Colliding> {
        (*n < 100).then_some(Colliding(n + 1))
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("below 100", |_, state: &Colliding| {
            state.0 < 100
        })]
    }
}

/// stateright takes states with equal hashes for equal.
#[test]
fn states_with_equal_hashes_stay_different() {
    let theirs = Collisions.checker().spawn_bfs().join();
    assert_eq!(theirs.unique_state_count(), 1);
    theirs.assert_no_discovery("below 100");

    let ours = Search::new(&Exact::new(Collisions)).run().unwrap();
    assert_eq!(ours.stats.states, 101);
    assert!(ours.verdict("below 100").unwrap().is_bad());
}

/// A graph whose nodes 0 to 63 shall be followed by one with an odd number.
#[derive(Clone)]
struct Odd(Vec<(u8, u8)>);

impl Model for Odd {
    type State = u8;
    type Action = u8;
    fn init_states(&self) -> Vec<u8> {
        vec![0]
    }
    fn actions(&self, from: &u8, actions: &mut Vec<u8>) {
        let edges = self.0.iter().filter(|edge| edge.0 == *from);
        actions.extend(edges.map(|edge| edge.1));
    }
    fn next_state(&self, _: &u8, to: u8) -> Option<u8> {
        Some(to)
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::eventually("odd", |_, node| node % 2 == 1)]
    }
}

fn eventually_odd(edges: &[(u8, u8)]) -> (bool, Verdict<u8, u8>) {
    let odd = Odd(edges.to_vec());
    let theirs = odd.clone().checker().spawn_bfs().join();
    let ours = Search::new(&Exact::new(odd)).run().unwrap();
    (
        theirs.discovery("odd").is_none(),
        ours.verdict("odd").unwrap().clone(),
    )
}

/// stateright does not see a run that goes round in circles.
#[test]
fn eventually_is_right_on_a_cycle() {
    let (theirs_holds, ours) = eventually_odd(&[(0, 2), (2, 4), (4, 2), (4, 1)]);
    assert!(theirs_holds);
    let Verdict::Never(lasso) = ours else {
        panic!("0, 2, 4, 2, 4, ... has no odd node");
    };
    assert_eq!(lasso.stem.states().collect::<Vec<_>>(), [&0, &2]);
    assert_eq!(lasso.cycle, [(4, 4), (2, 2)]);
}

/// stateright takes what it knows of a state from the first run that comes there.
#[test]
fn eventually_is_right_on_a_join() {
    let (theirs_holds, ours) = eventually_odd(&[(0, 1), (0, 2), (1, 4), (2, 4), (4, 6)]);
    assert!(theirs_holds);
    let Verdict::Never(lasso) = ours else {
        panic!("0, 2, 4, 6 has no odd node");
    };
    let states: Vec<_> = lasso.stem.states().copied().collect();
    assert_eq!(states, [0, 2, 4, 6]);
    assert!(lasso.cycle.is_empty());
}

#[test]
fn eventually_holds_where_every_run_gets_there() {
    let (theirs_holds, ours) = eventually_odd(&[(0, 2), (0, 1), (2, 1), (1, 4), (4, 4)]);
    assert!(theirs_holds);
    assert_eq!(ours, Verdict::Holds);
}

/// stateright's breadth-first search ignores `symmetry`; here a model packs representatives, see
/// `symmetrical_states_may_share_a_packed_form` among the tests of safety. The number of unique
/// states and the number of generated ones agree with stateright's.
#[test]
fn counts_agree_with_stateright() {
    let system = crate::systems::two_phase_commit::TwoPhaseCommit(4);
    let theirs = system.checker().spawn_bfs().join();
    let ours = Search::new(&system).run().unwrap();
    assert_eq!(ours.stats.states, theirs.unique_state_count());
    assert_eq!(
        ours.stats.edges + ours.stats.levels[0] as u64,
        theirs.state_count() as u64
    );
    assert_eq!(ours.stats.depth + 1, theirs.max_depth());
}
