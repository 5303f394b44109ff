//! The packed cluster and the actors are one model: they reach the same states by
//! the same number of steps and violate the same properties.
//!
//! The cluster is searched by a few lines written here, the actors by stateright's
//! own checker. Whole states are compared, not fingerprints. Every scenario that
//! comes with the tool takes part, from two of its initial states, unless there is
//! more to search than [`LIMIT`]; what they do not cover is varied from them.

use glock_model::actors::{self, Actors, SystemAction, SystemState, Timer};
use glock_model::cluster::{Action, Cluster, State};
use glock_model::design;
use glock_model::event::NoSink;
use glock_model::glock::Request;
use glock_model::lockspace::{Channel, Message};
use glock_model::mode::Mode;
use glock_model::program::{NqFlags, Op, Program};
use glock_model::property::{self, Property};
use glock_model::scenario::{Library, LockObject, Scenario};
use stateright::{Checker, Model};
use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

/// More states than this are not searched where many scenarios are tried.
const LIMIT: usize = 3000;
/// No limit at all.
const ALL: usize = usize::MAX;

// ---- searching both hosts -------------------------------------------------------

/// What a search of all states found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// All states, packed.
    states: HashSet<Box<[u64]>>,
    /// Initial states and steps, each counted as often as it was met.
    edges: usize,
    /// The properties violated somewhere.
    violated: u64,
    /// States that nothing leads out of although some operation is not over.
    stuck: HashSet<Box<[u64]>>,
}

impl Found {
    fn violations(&self) -> Vec<&'static str> {
        let all = Property::ALL.into_iter();
        all.filter(|p| self.violated & p.bit() != 0)
            .map(Property::name)
            .collect()
    }
}

/// The packed state, after a look that nothing is lost by packing.
fn packed(cluster: &Cluster, state: &State) -> Box<[u64]> {
    let mut words = vec![0; cluster.words()].into_boxed_slice();
    cluster.pack(state, &mut words);
    assert_eq!(cluster.unpack(&words), *state, "packing loses nothing");
    words
}

/// All states of the cluster, breadth first. None if there are more than `limit`.
fn search_cluster(cluster: &Cluster, start: &[State], limit: usize) -> Option<Found> {
    let mut found = Found {
        edges: start.len(),
        ..Found::default()
    };
    let mut queue = VecDeque::new();
    for state in start {
        if found.states.insert(packed(cluster, state)) {
            queue.push_back(*state);
        }
    }
    while let Some(state) = queue.pop_front() {
        if found.states.len() > limit {
            return None;
        }
        found.violated |= property::violated(cluster, &state);
        let mut steps = 0;
        cluster.successors(&state, &mut NoSink, &mut |_, next| {
            steps += 1;
            if found.states.insert(packed(cluster, next)) {
                queue.push_back(*next);
            }
        });
        found.edges += steps;
        if steps == 0 && !cluster.is_finished(&state) {
            found.stuck.insert(packed(cluster, &state));
        }
    }
    Some(found)
}

/// The actors, with a property that holds everywhere and writes down where it was
/// asked: stateright's checker asks once for every state it finds.
struct Recorded {
    actors: Actors,
    start: Vec<State>,
    properties: Vec<stateright::Property<Actors>>,
    found: Mutex<Found>,
}

impl Recorded {
    fn record(&self, state: &SystemState) {
        let (actors, cluster) = (&self.actors, self.actors.cluster());
        let projected = actors.project(state);
        assert!(actors.embed(&projected) == *state, "states are one to one");
        let words = packed(cluster, &projected);
        let is_stuck = !actors.is_finished(state) && nobody_can_move(actors, state);
        let mut found = self.found.lock().unwrap();
        for (p, property) in self.properties.iter().zip(Property::ALL) {
            if !(p.condition)(actors, state) {
                found.violated |= property.bit();
            }
        }
        if is_stuck {
            found.stuck.insert(words.clone());
        }
        let is_new = found.states.insert(words);
        assert!(is_new, "the checker visits every state once");
    }
}

fn nobody_can_move(actors: &Actors, state: &SystemState) -> bool {
    let mut actions = Vec::new();
    actors.actions(state, &mut actions);
    let mut actions = actions.into_iter();
    actions.all(|action| actors.next_state(state, action).is_none())
}

impl Model for Recorded {
    type State = SystemState;
    type Action = SystemAction;
    fn init_states(&self) -> Vec<SystemState> {
        let start = self.start.iter();
        start.map(|state| self.actors.embed(state)).collect()
    }
    fn actions(&self, state: &SystemState, actions: &mut Vec<SystemAction>) {
        self.actors.actions(state, actions);
    }
    fn next_state(&self, state: &SystemState, action: SystemAction) -> Option<SystemState> {
        self.actors.next_state(state, action)
    }
    fn properties(&self) -> Vec<stateright::Property<Self>> {
        let recorded = |m: &Recorded, state: &SystemState| {
            m.record(state);
            true
        };
        vec![stateright::Property::<Self>::always("recorded", recorded)]
    }
}

/// All states of the actors, by stateright's breadth-first search.
fn search_actors(actors: Actors, start: &[State]) -> Found {
    let recorded = Recorded {
        properties: actors.properties(),
        start: start.to_vec(),
        actors,
        found: Mutex::default(),
    };
    let checker = recorded.checker().spawn_bfs().join();
    checker.assert_properties();
    let mut found = std::mem::take(&mut *checker.model().found.lock().unwrap());
    assert_eq!(found.states.len(), checker.unique_state_count());
    found.edges = checker.state_count();
    found
}

/// Searches both hosts and compares what they found. None if that is too much.
fn agree(cluster: &Cluster, start: &[State], limit: usize) -> Option<Found> {
    let by_cluster = search_cluster(cluster, start, limit)?;
    let by_actors = search_actors(Actors::of(cluster.clone()), start);
    let (scenario, program) = (cluster.scenario(), cluster.program());
    let what = format!("{} under {}", scenario.name, program.name);
    let only = |a: &Found, b: &Found| a.states.difference(&b.states).count();
    assert_eq!(only(&by_cluster, &by_actors), 0, "{what}: only in cluster");
    assert_eq!(only(&by_actors, &by_cluster), 0, "{what}: only in actors");
    assert_eq!(by_cluster.edges, by_actors.edges, "{what}: steps");
    assert_eq!(by_cluster.violations(), by_actors.violations(), "{what}");
    assert_eq!(by_cluster.stuck, by_actors.stuck, "{what}: nobody can move");
    Some(by_actors)
}

// ---- every scenario ---------------------------------------------------------------

fn load_scenario(name: &str) -> Scenario {
    Library::builtin().load(name).unwrap()
}

fn load_design(name: &str) -> Program {
    design::Library::builtin().load(name).unwrap().program
}

/// Compares the hosts on all scenarios, from the first and the last initial state of
/// each. Returns how many comparisons there were, with how many states together.
fn agree_on_all_scenarios(design: &str) -> (usize, usize) {
    let (program, scenarios) = (load_design(design), Library::builtin());
    let (mut compared, mut states) = (0, 0);
    for name in scenarios.names() {
        let cluster = Cluster::new(load_scenario(name), program.clone()).unwrap();
        let initial = cluster.initial_states();
        let starts = [initial[0], initial[initial.len() - 1]];
        for start in &starts[..initial.len().min(2)] {
            if let Some(found) = agree(&cluster, &[*start], LIMIT) {
                compared += 1;
                states += found.states.len();
            }
        }
    }
    println!("{design}: {compared} comparisons, {states} states");
    (compared, states)
}

#[test]
fn hosts_agree_on_base() {
    agree_on_all_scenarios("base");
}

#[test]
fn hosts_agree_on_recursion_check() {
    agree_on_all_scenarios("recursion-check");
}

#[test]
fn hosts_agree_on_restart_hack() {
    agree_on_all_scenarios("restart-hack");
}

#[test]
fn hosts_agree_on_fault_in_retry() {
    agree_on_all_scenarios("fault-in-retry");
}

#[test]
fn initial_states_agree_on_every_scenario() {
    let (program, scenarios) = (load_design("base"), Library::builtin());
    for name in scenarios.names() {
        let actors = Actors::new(load_scenario(name), program.clone()).unwrap();
        let initial = actors.init_states();
        let projected: Vec<State> = initial.iter().map(|s| actors.project(s)).collect();
        assert_eq!(projected, actors.cluster().initial_states(), "{name}");
    }
}
