//! Designs and scenarios of the library, and a search that finds histories.

#![allow(dead_code, unreachable_pub)] // not every test file uses everything

use glock_model::cluster::{Action, Cluster, State};
use glock_model::design;
use glock_model::event::NoSink;
use glock_model::program::Program;
use glock_model::property::{Property, violated};
use glock_model::scenario::{Library, Scenario};
use glock_traces::History;
use std::collections::{HashMap, VecDeque};

/// A design of the library.
pub fn design(name: &str) -> Program {
    let compiled = design::Library::builtin().load(name);
    compiled.expect("a known design").program
}

/// A scenario of the library.
pub fn scenario(name: &str) -> Scenario {
    Library::builtin().load(name).expect("a known scenario")
}

/// The designs a scenario can run under: who appends needs one that speaks of it.
pub fn designs_for(scenario_name: &str) -> Vec<String> {
    let library = design::Library::builtin();
    let appends = scenario(scenario_name).tasks.iter().any(|t| t.append);
    let names = match appends {
        true => library.steps(),
        false => library.names(),
    };
    let speaks = |name: &&str| !appends || name.starts_with("append-");
    names.into_iter().filter(speaks).map(String::from).collect()
}

/// The scenario under the design, each list of alternatives cut down to its first.
pub fn first_start(name: &str, of_design: &str) -> Cluster {
    let mut scenario = scenario(name);
    for file in &mut scenario.files {
        for modes in &mut file.modes {
            modes.truncate(1);
        }
        for cached in &mut file.cached {
            cached.truncate(1);
        }
    }
    for page in &mut scenario.vpages {
        page.initial.truncate(1);
    }
    scenario.lock_object.truncate(1);
    Cluster::new(scenario, design(of_design)).expect("design and scenario go together")
}

/// As [`every_start`], with every switch that makes steps smaller or adds some.
pub fn in_small_steps(name: &str, of_design: &str) -> Cluster {
    let mut scenario = scenario(name);
    scenario.switches.fusion = false;
    scenario.switches.message_fusion = false;
    scenario.switches.release_fusion = false;
    scenario.switches.gup_window = true;
    scenario.switches.page_refs_block = true;
    Cluster::new(scenario, design(of_design)).expect("design and scenario go together")
}

/// The scenario under the design, with every initial state.
pub fn every_start(name: &str, of_design: &str) -> Cluster {
    Cluster::new(scenario(name), design(of_design)).expect("design and scenario go together")
}

/// A shortest history that ends in a state where the property is violated.
pub fn shortest(cluster: &Cluster, property: Property) -> Option<History> {
    let (initial, actions) = search(cluster, &|s| violated(cluster, s) & property.bit() != 0)?;
    Some(History::replay(cluster, initial, &actions).expect("the search follows the model"))
}

/// A shortest path from an initial state to one that is wanted.
pub fn search(cluster: &Cluster, wanted: &dyn Fn(&State) -> bool) -> Option<(State, Vec<Action>)> {
    let mut from: HashMap<State, Option<(State, Action)>> = HashMap::new();
    let mut queue = VecDeque::new();
    for state in cluster.initial_states() {
        from.insert(state, None);
        queue.push_back(state);
    }
    while let Some(state) = queue.pop_front() {
        if wanted(&state) {
            return Some(path(&from, state));
        }
        cluster.successors(&state, &mut NoSink, &mut |action, next| {
            if !from.contains_key(next) {
                from.insert(*next, Some((state, action)));
                queue.push_back(*next);
            }
        });
        assert!(from.len() < 2_000_000, "too large for a test");
    }
    None
}

fn path(from: &HashMap<State, Option<(State, Action)>>, end: State) -> (State, Vec<Action>) {
    let mut actions = Vec::new();
    let mut state = end;
    while let Some((before, action)) = from[&state] {
        actions.push(action);
        state = before;
    }
    actions.reverse();
    (state, actions)
}

/// A walk that takes `choices[i]` modulo the number of enabled actions at step `i`.
pub fn walk(cluster: &Cluster, start: usize, choices: &[u8]) -> History {
    let states = cluster.initial_states();
    let initial = states[start % states.len()];
    let (mut state, mut actions) = (initial, Vec::new());
    for &choice in choices {
        let mut next = Vec::new();
        cluster.successors(&state, &mut NoSink, &mut |a, s| next.push((a, *s)));
        let Some(&(action, after)) = next.get(choice as usize % next.len().max(1)) else {
            break;
        };
        actions.push(action);
        state = after;
    }
    History::replay(cluster, initial, &actions).expect("the walk follows the model")
}
