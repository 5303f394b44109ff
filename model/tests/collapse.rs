//! States by the numbers of their parts are the same states, with the same steps in the
//! same order, and of the same properties.

mod support;

use glock_model::cluster::{Action, Cluster, Collapsed, Joint, State};
use glock_model::design::{self, DIFFERENT};
use glock_model::event::NoSink;
use glock_model::property;
use glock_model::scenario;
use std::collections::{HashSet, VecDeque};
use support::{HISTORY, cluster};

/// Compares what is said of the first `cap` states, in breadth-first order, and returns how
/// many there were.
fn compare(cluster: &Cluster, cap: usize) -> usize {
    let collapsed = Collapsed::new(cluster);
    let wide = Collapsed::wide(cluster);
    let mut seen: HashSet<Joint> = HashSet::new();
    let mut queue = VecDeque::new();
    let initial = collapsed.initial_states();
    let states: Vec<State> = initial.iter().map(|&j| collapsed.state(j)).collect();
    assert_eq!(states, cluster.initial_states());
    queue.extend(initial.into_iter().filter(|&joint| seen.insert(joint)));
    let mut looked_at = 0;
    while let Some(joint) = queue.pop_front() {
        looked_at += 1;
        let state = collapsed.state(joint);
        same_state(&collapsed, joint, &state);
        same_state(&wide, wide.joint(&state), &state);
        let mut whole = Vec::new();
        cluster.successors(&state, &mut NoSink, &mut |action, next| {
            whole.push((action, *next));
        });
        // Twice: worked out, and remembered.
        for _ in 0..2 {
            let mut parts: Vec<(Action, State)> = Vec::new();
            collapsed.successors(joint, &mut NoSink, &mut |action, next| {
                parts.push((action, collapsed.state(next)));
                if seen.len() < cap && seen.insert(next) {
                    queue.push_back(next);
                }
            });
            assert_eq!(parts, whole, "{}", where_(cluster));
        }
    }
    looked_at
}

fn same_state(collapsed: &Collapsed<'_>, joint: Joint, state: &State) {
    let cluster = collapsed.cluster();
    let name = where_(cluster);
    let mut words = vec![u64::MAX; collapsed.words()];
    collapsed.pack(joint, &mut words);
    assert_eq!(collapsed.unpack(&words), joint, "{name}");
    assert_eq!(collapsed.joint(state), joint, "{name}");
    let violated = property::violated(cluster, state);
    assert_eq!(collapsed.violated(joint), violated, "{name}");
    assert_eq!(collapsed.violated(joint), violated, "{name}, asked again");
    assert_eq!(collapsed.is_down(joint), cluster.is_down(state), "{name}");
    assert_eq!(
        collapsed.is_finished(joint),
        cluster.is_finished(state),
        "{name}"
    );
    let out_of_time = cluster.is_out_of_time(state);
    assert_eq!(collapsed.is_out_of_time(joint), out_of_time, "{name}");
}

fn where_(cluster: &Cluster) -> String {
    let (scenario, program) = (cluster.scenario(), cluster.program());
    format!("{} under {}", scenario.name, program.name)
}

/// Every design under every scenario that goes with it: the states nearest to the start.
#[test]
fn every_cell_begins_alike_whole_and_by_parts() {
    let library = design::Library::builtin();
    let load = |name| library.load(name).expect("it is built in").program;
    let designs: Vec<_> = library.names().into_iter().map(load).collect();
    let library = scenario::Library::builtin();
    let mut cells = 0;
    for scenario in library.names() {
        let scenario = library.load(scenario).expect("it is built in");
        for design in &designs {
            if let Ok(cluster) = Cluster::new(scenario.clone(), design.clone()) {
                compare(&cluster, 20);
                cells += 1;
            }
        }
    }
    assert!(cells > 9_000, "{cells}");
}

#[test]
fn small_cells_are_alike_to_the_end() {
    let small = [
        "lone-direct-read-idle-remote",
        "own-buffered-read-other-page",
        "bad-second-buffered-write",
        "served-direct-read",
    ];
    let all = DIFFERENT.into_iter();
    let all = all.flat_map(|design| small.map(|scenario| (design, scenario)));
    for (design, scenario) in all.chain(HISTORY) {
        let cluster = cluster(design, scenario);
        assert!(compare(&cluster, usize::MAX) > 1, "{}", where_(&cluster));
    }
}

#[test]
fn the_race_on_two_nodes_is_alike_to_the_end() {
    let cluster = cluster("base", "race-direct-read-two-nodes");
    assert_eq!(compare(&cluster, usize::MAX), 22_899);
}

/// Where a number does not fit, nobody is told of another state without being warned.
#[test]
fn numbers_that_do_not_fit_their_words_are_noticed() {
    let cluster = cluster("base", "race-direct-read-two-nodes");
    for (node, rest, fits) in [
        (12, 8, true),
        (11, 8, false),
        (12, 7, false),
        (24, 16, true),
    ] {
        let collapsed = Collapsed::in_bits(&cluster, node, rest);
        let mut words = [0];
        let mut seen = HashSet::new();
        let mut queue = collapsed.initial_states();
        while let Some(joint) = queue.pop() {
            collapsed.successors(joint, &mut NoSink, &mut |_, next| {
                collapsed.pack(next, &mut words);
                if seen.insert(next) {
                    queue.push(next);
                }
                assert!(collapsed.is_full() || collapsed.unpack(&words) == next);
            });
        }
        assert_eq!(collapsed.is_full(), !fits, "{node} and {rest} bits");
    }
}
