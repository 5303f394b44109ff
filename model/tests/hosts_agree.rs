//! The packed cluster and the actors are one model: they reach the same states by
//! the same number of steps and violate the same properties.
//!
//! The cluster is searched by a few lines written here, the actors by stateright's
//! own checker. Whole states are compared, not fingerprints. Every scenario that
//! comes with the tool takes part, from two of its initial states, unless there is
//! more to search than [`LIMIT`]; what they do not cover is varied from them.

mod support;

use glock_model::actors::{Actors, SystemAction, SystemState};
use glock_model::cluster::{Action, Cluster, State, Unfit};
use glock_model::design;
use glock_model::event::NoSink;
use glock_model::glock::Request;
use glock_model::lockspace::{CHANNEL, Channel, Message};
use glock_model::mode::Mode;
use glock_model::program::{NqFlags, Op, Program};
use glock_model::property::{self, Property};
use glock_model::scenario::{Demand, Library, LockManager, LockObject, Scenario, Switches};
use stateright::{Checker, Model};
use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use support::HISTORY;

/// More states than this are not searched where many scenarios are tried.
const LIMIT: usize = 2000;
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
        let all = Property::SAFETY.into_iter();
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
            let reason = [Property::NoDeadlock, Property::NoRecursion];
            let known = reason
                .iter()
                .any(|p| p.holds(cluster, &state) == Some(false));
            assert!(known, "nobody can move, for no reason");
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
        for (p, property) in self.properties.iter().zip(Property::SAFETY) {
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
    actions.is_empty()
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
/// each, with the messages of the lock space fused and not.
fn agree_on_all_scenarios(design: &str) {
    let (program, scenarios) = (load_design(design), Library::builtin());
    let (mut compared, mut states) = (0, 0);
    for name in scenarios.names() {
        for message_fusion in [true, false] {
            let mut scenario = load_scenario(name);
            if scenario.lock == LockManager::Nolock && !message_fusion {
                continue; // there are no messages
            }
            scenario.switches.message_fusion = message_fusion;
            // Who appends needs a design that speaks of it.
            let appends = scenario.tasks.iter().any(|t| t.append);
            let cluster = match Cluster::new(scenario, program.clone()) {
                Err(Unfit::NoWriteChecks { .. }) if appends => continue,
                cluster => cluster.unwrap(),
            };
            let initial = cluster.initial_states();
            let starts = [initial[0], initial[initial.len() - 1]];
            for start in &starts[..initial.len().min(2)] {
                if let Some(found) = agree(&cluster, &[*start], LIMIT) {
                    compared += 1;
                    states += found.states.len();
                }
            }
        }
    }
    println!("{design}: {compared} comparisons, {states} states");
    assert!(compared > 250, "most scenarios are within the limit");
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

/// The options that only single designs of the history have.
#[test]
fn hosts_agree_on_what_the_history_needs() {
    for (design, name) in HISTORY {
        let cluster = Cluster::new(load_scenario(name), load_design(design)).unwrap();
        for start in cluster.initial_states() {
            let found = agree(&cluster, &[start], LIMIT);
            assert!(found.is_some(), "{name} under {design} is too large");
        }
    }
}

#[test]
fn hosts_agree_on_weak_holders() {
    agree_on_all_scenarios("weak-holders");
}

#[test]
fn hosts_agree_on_readpage_try() {
    agree_on_all_scenarios("readpage-try");
}

#[test]
fn initial_states_agree_on_every_scenario() {
    let (base, appends) = (load_design("base"), load_design("append-pinned"));
    for name in Library::builtin().names() {
        let scenario = load_scenario(name);
        let program = match scenario.tasks.iter().any(|t| t.append) {
            true => appends.clone(),
            false => base.clone(),
        };
        let actors = Actors::new(scenario, program).unwrap();
        let initial = actors.init_states();
        let projected: Vec<State> = initial.iter().map(|s| actors.project(s)).collect();
        assert_eq!(projected, actors.cluster().initial_states(), "{name}");
    }
}

// ---- what the scenarios do not cover -------------------------------------------

/// The scenario with as few alternatives as possible, no hold time, and every node
/// owning these modes of the files.
fn reduced(name: &str, modes: &[[Mode; 2]]) -> Scenario {
    let mut scenario = load_scenario(name);
    scenario.hold_time = false;
    scenario.switches.fault_retry = false;
    scenario.lock_object = vec![LockObject::Null];
    for vpage in &mut scenario.vpages {
        vpage.initial.truncate(1);
    }
    for (f, file) in scenario.files.iter_mut().enumerate() {
        for (n, modes) in modes.iter().enumerate() {
            file.modes[n] = vec![modes[f]];
            file.cached[n].truncate(1);
        }
    }
    scenario
}

/// The race of two direct reads on two nodes, in files of one page.
fn small_race_on_two_nodes() -> Scenario {
    let mut scenario = reduced("race-direct-read-two-nodes", &[[Mode::Un; 2]; 2]);
    for file in &mut scenario.files {
        file.pages = 1;
    }
    scenario
}

/// Compares the hosts from all initial states, without a limit.
fn agree_on(scenario: Scenario, program: Program) -> Found {
    let cluster = Cluster::new(scenario, program).unwrap();
    agree(&cluster, &cluster.initial_states(), ALL).unwrap()
}

/// Callbacks for refused requests are sent again and again, and merge on their way.
#[test]
fn hosts_agree_on_tries_that_send_callbacks() {
    let mut program = load_design("restart-hack");
    for instr in &mut program.code {
        if let Op::Nq { flags, .. } = &mut instr.op
            && flags.is_try()
        {
            *flags = NqFlags::TRY_1CB;
        }
    }
    for name in ["lone-direct-read-idle-remote", "touch-load-idle-remote"] {
        agree_on(load_scenario(name), program.clone());
    }
}

/// Node 1 hits a BUG while node 2 is under way: node 2 stops as well.
#[test]
fn hosts_agree_that_a_bug_stops_everybody() {
    let mut scenario = small_race_on_two_nodes();
    scenario.tasks[0].file = 1; // the very file its buffer maps
    let found = agree_on(scenario, load_design("base"));
    assert!(found.violations().contains(&"no-recursion"));
}

/// One reclaim, one shrink and one hold time for both nodes together.
#[test]
fn hosts_agree_on_budgets_that_nodes_share() {
    let mut scenario = load_scenario("lone-direct-read-idle-remote");
    scenario.events.reclaim = 1;
    scenario.events.shrink = 1;
    scenario.events.expire = Some(1);
    let (mode, budget) = (Mode::Ex, 1);
    let demand = |node, file| Demand {
        node,
        file,
        mode,
        budget,
    };
    scenario.events.demands = vec![demand(0, 1), demand(1, 1)];
    let cluster = Cluster::new(scenario, load_design("base")).unwrap();
    agree(&cluster, &cluster.initial_states()[..2], ALL).unwrap();
}

#[test]
fn hosts_agree_on_three_nodes() {
    let mut scenario = load_scenario("ring-direct-read");
    scenario.hold_time = false;
    scenario.tasks.truncate(2);
    let cluster = Cluster::new(scenario, load_design("base")).unwrap();
    agree(&cluster, &cluster.initial_states()[..1], ALL).unwrap();
}

#[test]
fn hosts_agree_under_every_switch() {
    for switch in [
        |s: &mut Switches| s.page_refs_block = true,
        |s: &mut Switches| s.gup_window = true,
        |s: &mut Switches| s.fault_retry = false,
        |s: &mut Switches| s.readahead = true,
        |s: &mut Switches| s.fusion = false,
        |s: &mut Switches| s.message_fusion = false,
        |s: &mut Switches| s.release_fusion = false,
    ] {
        for name in ["race-direct-read-bad-first", "lone-direct-read-idle-remote"] {
            let mut scenario = load_scenario(name);
            switch(&mut scenario.switches);
            agree_on(scenario, load_design("fault-in-retry"));
        }
    }
}

/// No scenario gets as far: a full channel holds the lock space up.
#[test]
fn a_full_channel_holds_the_lock_space_up() {
    let actors = Actors::new(small_race_on_two_nodes(), load_design("base")).unwrap();
    let cluster = actors.cluster();
    let mut state = cluster.initial_states()[0];
    let request = Request {
        mode: Mode::Ex,
        noqueue: false,
        noqueuebast: false,
        quecvt: false,
    };
    state.channels[0][0] = Channel::with_request(Some(request));
    let serve = Action::Server { node: 0, file: 0 };
    let mut full = 0;
    for message in [Message::Bast(Mode::Df), Message::Grant]
        .into_iter()
        .cycle()
    {
        let embedded = actors.embed(&state);
        assert_eq!(actors.project(&embedded), state);
        let mut actions = Vec::new();
        actors.actions(&embedded, &mut actions);
        let served = actions
            .iter()
            .find(|a| actors.cluster_action(a) == Some(serve));
        let next = cluster.step(&state, serve, &mut NoSink);
        assert_eq!(served.is_some(), next.is_some());
        if let Some(action) = served {
            let by_actors = actors.next_state(&embedded, action.clone()).unwrap();
            assert_eq!(Some(actors.project(&by_actors)), next);
        } else {
            full += 1;
        }
        if state.channels[1][0].messages().count() == CHANNEL {
            break;
        }
        state.channels[1][0].push(message);
    }
    assert_eq!(full, 2, "with room for one message or for none");
}

// ---- the claim the project exists for ---------------------------------------------

/// The violated properties, by stateright's own checker on the actors.
fn checked(scenario: Scenario, design: &str) -> Vec<&'static str> {
    let what = format!("{} under {design}", scenario.name);
    let actors = Actors::new(scenario, load_design(design)).unwrap();
    let checker = actors.checker().spawn_bfs().join();
    assert!(checker.is_done());
    println!("{what}: {} states", checker.unique_state_count());
    let found = checker.discoveries();
    for (name, path) in &found {
        let (actors, property) = (checker.model(), Property::named(name).unwrap());
        let last = actors.project(path.last_state());
        assert_eq!(
            property.holds(actors.cluster(), &last),
            Some(false),
            "{what}: {name}"
        );
    }
    let mut names: Vec<_> = found.into_keys().collect();
    names.sort_unstable();
    names
}

/// With the bad page first P1 fails before it wants the other file: no race.
#[test]
fn the_race_deadlocks_under_base_on_one_node_and_on_two() {
    let two_nodes = "race-direct-read-bad-second-two-nodes";
    for scenario in [
        load_scenario("race-direct-read"),
        load_scenario("race-direct-read-bad-second"),
        small_race_on_two_nodes(),
        reduced(two_nodes, &[[Mode::Un; 2]; 2]),
    ] {
        assert_eq!(checked(scenario, "base"), ["no-deadlock"]);
    }
}

#[test]
fn the_race_is_won_under_fault_in_retry_on_one_node() {
    for name in [
        "race-direct-read",
        "race-direct-read-bad-first",
        "race-direct-read-bad-second",
    ] {
        assert!(checked(load_scenario(name), "fault-in-retry").is_empty());
    }
}

#[test]
fn the_race_is_won_under_fault_in_retry_on_two_nodes() {
    for scenario in [
        small_race_on_two_nodes(),
        reduced("race-direct-read-bad-first-two-nodes", &[[Mode::Un; 2]; 2]),
        reduced("race-direct-read-bad-second-two-nodes", &[[Mode::Un; 2]; 2]),
    ] {
        assert!(checked(scenario, "fault-in-retry").is_empty());
    }
}
