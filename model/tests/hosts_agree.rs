//! The packed cluster and the actors are one model: they reach the same states by
//! the same number of steps and violate the same properties.
//!
//! The cluster is searched by a few lines written here, the actors by stateright's
//! own checker. Whole states are compared, not fingerprints.

use glock_model::actors::{Actors, SystemAction, SystemState};
use glock_model::cluster::{Cluster, State};
use glock_model::event::NoSink;
use glock_model::mode::Mode;
use glock_model::program::{Entry, Instr, NqFlags, Op, Operand, Program, Var};
use glock_model::property::{self, Property};
use glock_model::scenario::{Library, Scenario};
use stateright::{Checker, Model};
use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

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

/// All states of the cluster, breadth first.
fn search_cluster(cluster: &Cluster) -> Found {
    let mut found = Found::default();
    let mut queue = VecDeque::new();
    let initial = cluster.initial_states();
    found.edges = initial.len();
    for state in initial {
        if found.states.insert(packed(cluster, &state)) {
            queue.push_back(state);
        }
    }
    while let Some(state) = queue.pop_front() {
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
    found
}

/// The actors, with a property that holds everywhere and writes down where it was
/// asked: stateright's checker asks once for every state it finds.
struct Recorded {
    actors: Actors,
    properties: Vec<stateright::Property<Actors>>,
    found: Mutex<Found>,
}

impl Recorded {
    fn new(actors: Actors) -> Recorded {
        Recorded {
            properties: actors.properties(),
            actors,
            found: Mutex::default(),
        }
    }

    fn record(&self, state: &SystemState) {
        let (actors, cluster) = (&self.actors, self.actors.cluster());
        let projected = actors.project(state);
        assert!(actors.embed(&projected) == *state, "states are one to one");
        let words = packed(cluster, &projected);
        let is_stuck = actors.next_states(state).is_empty() && !actors.is_finished(state);
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

impl Model for Recorded {
    type State = SystemState;
    type Action = SystemAction;
    fn init_states(&self) -> Vec<SystemState> {
        self.actors.init_states()
    }
    fn actions(&self, state: &SystemState, actions: &mut Vec<SystemAction>) {
        self.actors.actions(state, actions);
    }
    fn next_state(&self, state: &SystemState, action: SystemAction) -> Option<SystemState> {
        self.actors.next_state(state, action)
    }
    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![stateright::Property::<Self>::always(
            "recorded",
            |m, state| {
                m.record(state);
                true
            },
        )]
    }
}

/// All states of the actors, by stateright's breadth-first search.
fn search_actors(actors: Actors) -> Found {
    let checker = Recorded::new(actors).checker().spawn_bfs().join();
    checker.assert_properties();
    let mut found = std::mem::take(&mut *checker.model().found.lock().unwrap());
    assert_eq!(found.states.len(), checker.unique_state_count());
    found.edges = checker.state_count();
    found
}

/// Searches both hosts and compares what they found.
fn agree(scenario: &Scenario, program: &Program) -> Found {
    let cluster = Cluster::new(scenario.clone(), program.clone()).unwrap();
    let by_cluster = search_cluster(&cluster);
    let by_actors = search_actors(Actors::of(cluster));
    let what = format!("{} under {}", scenario.name, program.name);
    println!(
        "{what}: {} states, {} edges, {:?}",
        by_actors.states.len(),
        by_actors.edges,
        by_actors.violations()
    );
    let only = |a: &Found, b: &Found| a.states.difference(&b.states).count();
    assert_eq!(only(&by_cluster, &by_actors), 0, "{what}: only in cluster");
    assert_eq!(only(&by_actors, &by_cluster), 0, "{what}: only in actors");
    assert_eq!(by_cluster.edges, by_actors.edges, "{what}: steps");
    assert_eq!(by_cluster.violations(), by_actors.violations(), "{what}");
    assert_eq!(by_cluster.stuck, by_actors.stuck, "{what}: nobody can move");
    by_actors
}

// ---- scenarios and designs --------------------------------------------------------

/// A scenario that comes with the tool.
fn scenario(name: &str) -> Scenario {
    Library::builtin().load(name).unwrap()
}

/// The same with one initial mode for each node and file, to keep it small.
fn starting(name: &str, modes: &[&[Mode]]) -> Scenario {
    let mut scenario = scenario(name);
    for (file, spec) in scenario.files.iter_mut().enumerate() {
        for (node, modes) in modes.iter().enumerate() {
            spec.modes[node] = vec![modes[file]];
        }
    }
    scenario
}

/// Direct reads and faults as they were before anybody thought of the race.
fn tiny_base() -> Program {
    let nq = |mode| Op::Nq {
        mode,
        flags: NqFlags::NONE,
        to: None,
        refused: None,
    };
    let to = Var(0);
    let ret = Op::Return(Operand::Var(to));
    let dio = Op::DioRw {
        to,
        partial: false,
        done: None,
    };
    let direct_read = [nq(Mode::Df), dio, Op::Dq, ret];
    let fault = [nq(Mode::Sh), Op::FilemapFault { to }, Op::Dq, ret];
    let page_mkwrite = [nq(Mode::Ex), Op::DirtyPage { to }, Op::Dq, ret];
    let mut program = Program {
        name: "tiny-base".into(),
        extends: Vec::new(),
        description: String::new(),
        kernel: Default::default(),
        flags: Vec::new(),
        admits_short: Vec::new(),
        sources: Vec::new(),
        lines: Vec::new(),
        code: Vec::new(),
        entries: [None; 9],
        var_names: vec!["ret".into()],
        nested_var_names: vec!["ret".into()],
    };
    for (entry, code) in [
        (Entry::DirectRead, direct_read),
        (Entry::Fault, fault),
        (Entry::PageMkwrite, page_mkwrite),
    ] {
        program.entries[entry as usize] = Some(program.code.len() as u16);
        let instr = |op| Instr {
            op,
            line: 0,
            live: 1,
        };
        program.code.extend(code.into_iter().map(instr));
    }
    program
}

#[test]
fn hosts_agree() {
    use Mode::*;
    for scenario in [
        starting("race-direct-read", &[&[Sh, Sh]]),
        starting("race-direct-read", &[&[Un, Ex]]),
        starting("race-direct-read-reclaim", &[&[Ex, Ex]]),
        starting("lone-direct-read-idle-remote", &[&[Un, Un], &[Un, Ex]]),
        starting("race-direct-read-two-nodes", &[&[Un, Un], &[Ex, Ex]]),
    ] {
        agree(&scenario, &tiny_base());
    }
}
