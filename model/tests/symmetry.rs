//! Nodes, files and tasks that can change places: which there are, that nothing in
//! the model tells them apart, and that a search by representative sees the same.

mod support;

use glock_model::cluster::{Cluster, State};
use glock_model::design::{self, DIFFERENT};
use glock_model::event::NoSink;
use glock_model::glock::Stage;
use glock_model::property;
use glock_model::scenario::{self, Scenario, Switches};
use glock_model::symmetry::{Renaming, Symmetry};
use glock_model::waits;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::collections::{BTreeMap, HashSet, VecDeque};
use support::{cluster, with_scenario};

type Words = Box<[u64]>;

/// The packed form that tells states of one orbit apart.
fn plain(cluster: &Cluster, state: &State) -> Words {
    let mut words = vec![0; cluster.words()].into_boxed_slice();
    cluster.pack_as_it_is(state, &mut words);
    words
}

/// The packed form as a search has it.
fn packed(cluster: &Cluster, state: &State) -> Words {
    let mut words = vec![0; cluster.words()].into_boxed_slice();
    cluster.pack(state, &mut words);
    words
}

fn successors(cluster: &Cluster, state: &State) -> Vec<State> {
    let mut all = Vec::new();
    cluster.successors(state, &mut NoSink, &mut |_, next| all.push(*next));
    all
}

/// The reachable states, each as it was found first, with their distances: one for
/// every packed form. `None` if there are more than `cap`.
fn reachable(cluster: &Cluster, cap: usize) -> Option<Vec<(State, usize)>> {
    let mut seen = HashSet::new();
    let mut queue = VecDeque::new();
    let mut found = Vec::new();
    for state in cluster.initial_states() {
        if seen.insert(packed(cluster, &state)) {
            queue.push_back((state, 0));
        }
    }
    while let Some((state, depth)) = queue.pop_front() {
        if seen.len() > cap {
            return None;
        }
        found.push((state, depth));
        for next in successors(cluster, &state) {
            if seen.insert(packed(cluster, &next)) {
                queue.push_back((next, depth + 1));
            }
        }
    }
    Some(found)
}

/// What the properties, the search and the claims ask about a state.
fn answers(cluster: &Cluster, state: &State) -> (u64, bool, bool, bool) {
    (
        property::violated(cluster, state),
        cluster.is_finished(state),
        cluster.is_down(state),
        cluster.is_out_of_time(state),
    )
}

/// Does the renaming map the steps from this state to those from the renamed one, and
/// are the answers the same?
fn maps_steps(cluster: &Cluster, renaming: &Renaming, state: &State) -> bool {
    let other = renaming.state(state);
    let here = successors(cluster, state);
    let here: Vec<State> = here.iter().map(|next| renaming.state(next)).collect();
    let there = successors(cluster, &other);
    let same_steps = here.len() == there.len()
        && here.iter().all(|next| there.contains(next))
        && there.iter().all(|next| here.contains(next));
    same_steps && answers(cluster, state) == answers(cluster, &other)
}

fn where_(cluster: &Cluster) -> String {
    format!(
        "{} under {}",
        cluster.scenario().name,
        cluster.program().name
    )
}

fn read(text: &str) -> Scenario {
    Scenario::from_toml(text, "written.toml").unwrap_or_else(|e| panic!("{e}"))
}

// ---- what is found --------------------------------------------------------------

/// Nodes, files and tasks after the only exchange there is.
fn exchange(cluster: &Cluster) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let symmetry = Symmetry::of(cluster);
    assert_eq!(symmetry.order(), 2, "{}", where_(cluster));
    let (it, s) = (&symmetry.exchanges()[0], cluster.scenario());
    (
        it.nodes[..s.nodes as usize].to_vec(),
        it.files[..s.files.len()].to_vec(),
        it.tasks[..s.tasks.len()].to_vec(),
    )
}

#[test]
fn two_who_race_can_change_places_with_their_files() {
    let one_node = cluster("base", "race-direct-read");
    assert_eq!(exchange(&one_node), (vec![0], vec![1, 0], vec![1, 0]));
}

#[test]
fn on_two_nodes_the_nodes_go_with_them() {
    let two_nodes = cluster("base", "race-direct-read-two-nodes");
    assert_eq!(exchange(&two_nodes), (vec![1, 0], vec![1, 0], vec![1, 0]));
}

#[test]
fn a_demand_goes_with_its_file() {
    let demanded = cluster("base", "race-direct-read-demanded");
    assert_eq!(exchange(&demanded), (vec![0], vec![1, 0], vec![1, 0]));
    let exchange = Symmetry::of(&demanded).exchanges()[0];
    assert_eq!(exchange.demands[..2], [1, 0]);
}

#[test]
fn a_ring_of_three_turns_and_nothing_else() {
    let symmetry = Symmetry::of(&cluster("base", "ring-direct-read"));
    let tasks: HashSet<[u8; 3]> = symmetry
        .renamings()
        .iter()
        .map(|r| [r.tasks[0], r.tasks[1], r.tasks[2]])
        .collect();
    assert_eq!(tasks, HashSet::from([[0, 1, 2], [1, 2, 0], [2, 0, 1]]));
    let together = |r: &Renaming| r.nodes[..3] == r.tasks[..3] && r.files[..3] == r.tasks[..3];
    assert!(symmetry.renamings().iter().all(together));
}

const THREE_READERS: &str = r#"
nodes = 1
[files.F1]
pages = 1
mode = ["UN", "SH"]
[[tasks]]
op = "buffered_read"
file = "F1"
buffer = { anon = "absent" }
[[tasks]]
op = "buffered_read"
file = "F1"
buffer = { anon = "absent" }
[[tasks]]
op = "buffered_read"
file = "F1"
buffer = { anon = "absent" }
"#;

#[test]
fn three_equal_tasks_can_change_places_in_six_ways() {
    let three = with_scenario("base", read(THREE_READERS));
    assert_eq!(Symmetry::of(&three).order(), 6);
}

const TWO_WRITERS: &str = r#"
nodes = 2
[files.F1]
pages = 2
mode = { node1 = ["UN", "SH"], node2 = ["UN", "SH"] }
[files.F2]
pages = 2
mode = { node1 = ["UN", "SH"], node2 = ["UN", "SH"] }
[[tasks]]
op = "direct_read"
file = "F1"
page = 0
buffer = { shared = "F2", page = 0, pte = ["none"] }
[[tasks]]
op = "direct_read"
node = 2
file = "F2"
page = 0
buffer = { shared = "F1", page = 0, pte = ["none"] }
[events]
demand = [
    { node = 1, file = "F1", mode = "EX", times = 1 },
    { node = 2, file = "F2", mode = "EX", times = 1 },
]
"#;

/// What looks symmetrical and is not, each by one word.
#[test]
fn whoever_differs_in_anything_stays() {
    let order = |text: &str| Symmetry::of(&with_scenario("base", read(text))).order();
    assert_eq!(order(TWO_WRITERS), 2);
    // Modes need not be said in the same order.
    assert_eq!(
        order(&TWO_WRITERS.replacen("[\"UN\", \"SH\"]", "[\"SH\", \"UN\"]", 1)),
        2
    );
    for (what, from, to) in [
        ("a mode", "node1 = [\"UN\", \"SH\"]", "node1 = [\"UN\"]"),
        (
            "a cache",
            "pages = 2\n",
            "pages = 2\ncached = { node1 = [\"no\", \"clean\"] }\n",
        ),
        ("a length", "pages = 2", "pages = 3"),
        (
            "an operation",
            "op = \"direct_read\"",
            "op = \"buffered_read\"",
        ),
        ("a page of the file", "page = 0\n", "page = 1\n"),
        (
            "a page of the buffer",
            "\"F2\", page = 0",
            "\"F2\", page = 1",
        ),
        ("a PTE", "pte = [\"none\"]", "pte = [\"none\", \"ro\"]"),
        ("a kind of mapping", "shared = \"F2\"", "private = \"F2\""),
        ("a buffer's file", "shared = \"F2\"", "shared = \"F1\""),
        (
            "a longer buffer",
            "buffer = { shared",
            "buffer = [{ shared = \"F2\", page = 1 }, { shared",
        ),
        ("a node", "node = 2\nfile", "node = 1\nfile"),
        (
            "the environment",
            "op = \"direct_read\"\n",
            "op = \"direct_read\"\nenvironment = true\n",
        ),
        (
            "asynchronous I/O",
            "op = \"direct_read\"\n",
            "op = \"direct_read\"\naio = true\n",
        ),
        (
            "a demand's file",
            "file = \"F1\", mode",
            "file = \"F2\", mode",
        ),
        (
            "a demand's mode",
            "mode = \"EX\", times",
            "mode = \"SH\", times",
        ),
        ("a demand's number", "times = 1", "times = 2"),
    ] {
        let mut text = TWO_WRITERS.replacen(from, to, 1);
        assert_ne!(text, TWO_WRITERS, "{what}");
        if what == "a longer buffer" {
            text = text.replacen("pte = [\"none\"] }", "pte = [\"none\"] }]", 1);
        }
        assert_eq!(order(&text), 1, "{what} differs");
    }
}

/// Threads of one address space, and one who is not: the shared pages hold them apart.
#[test]
fn who_shares_what_makes_a_difference() {
    let shared = |mms: [&str; 3], open: [&str; 3]| {
        let mut text = THREE_READERS.to_string();
        for (mm, open) in mms.into_iter().zip(open) {
            let with = format!("file =  \"F1\"\nmm = \"{mm}\"\nopen_file = \"{open}\"\n");
            text = text.replacen("file = \"F1\"\n", &with, 1);
        }
        Symmetry::of(&with_scenario("base", read(&text))).order()
    };
    assert_eq!(shared(["a", "b", "c"], ["x", "y", "z"]), 6);
    assert_eq!(shared(["a", "a", "a"], ["x", "x", "x"]), 6);
    assert_eq!(shared(["a", "a", "c"], ["x", "y", "z"]), 2);
    assert_eq!(shared(["a", "b", "c"], ["x", "y", "x"]), 2);
    assert_eq!(shared(["a", "a", "c"], ["x", "y", "y"]), 1);
}

// ---- that nothing tells them apart ------------------------------------------------

/// Every built-in scenario with something to exchange, under every design.
fn every_symmetric_cluster(mut each: impl FnMut(Cluster)) {
    for name in scenario::Library::builtin().names() {
        let scenario = scenario::Library::builtin().load(name).expect("built in");
        let designs = match scenario.tasks.iter().any(|t| t.append) {
            true => &["append-size-refreshed", "append-pinned"][..],
            false => &DIFFERENT,
        };
        if Symmetry::of(&cluster(designs[0], name)).order() > 1 {
            designs.iter().for_each(|d| each(cluster(d, name)));
        }
    }
}

/// Most states of a cell that is explored in full.
const SMALL: usize = 4_000;

/// Small numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }
}

/// States on random ways, from the initial ones to where nothing happens any more.
fn wander(cluster: &Cluster, ways: usize, each: &mut impl FnMut(&State)) {
    const LONGEST: usize = 300;
    let mut dice = Dice(ways as u64);
    let initial = cluster.initial_states();
    for _ in 0..ways {
        let mut state = initial[dice.below(initial.len())];
        for _ in 0..LONGEST {
            each(&state);
            let next = successors(cluster, &state);
            if next.is_empty() {
                break;
            }
            state = next[dice.below(next.len())];
        }
    }
}

fn assert_no_difference(cluster: &Cluster, symmetry: &Symmetry, state: &State) {
    for renaming in symmetry.exchanges() {
        assert!(
            maps_steps(cluster, renaming, state),
            "{}: {renaming:?} is seen in {state:?}",
            where_(cluster)
        );
    }
}

#[test]
fn whoever_changes_places_does_the_same_under_the_other_name() {
    let mut small = 0;
    every_symmetric_cluster(|cluster| {
        let symmetry = Symmetry::of(&cluster);
        let mut look = |state: &State| assert_no_difference(&cluster, &symmetry, state);
        match reachable(&cluster, SMALL) {
            Some(states) => {
                states.iter().for_each(|(state, _)| look(state));
                small += 1;
            }
            None => wander(&cluster, 10, &mut look),
        }
    });
    assert!(small > 100, "only {small} cells were looked at in full");
}

/// Designs that have little in common.
const FEW: [&str; 4] = ["base", "restart-hack", "pin-on-demand", "fault-in-retry"];

#[test]
fn no_switch_tells_anybody_apart() {
    for switch in [
        |s: &mut Switches| s.page_refs_block = true,
        |s: &mut Switches| s.gup_window = true,
        |s: &mut Switches| (s.gup_window, s.page_refs_block) = (true, true),
        |s: &mut Switches| s.fault_retry = false,
        |s: &mut Switches| s.readahead = true,
        |s: &mut Switches| s.fusion = false,
        |s: &mut Switches| s.message_fusion = false,
        |s: &mut Switches| s.release_fusion = false,
    ] {
        every_symmetric_cluster(|cluster| {
            if !FEW.contains(&cluster.program().name.as_str()) {
                return;
            }
            let mut changed = cluster.scenario().clone();
            switch(&mut changed.switches);
            let changed = with_scenario(&cluster.program().name, changed);
            let symmetry = Symmetry::of(&changed);
            assert!(symmetry.order() > 1, "{}", where_(&changed));
            wander(&changed, 2, &mut |state| {
                assert_no_difference(&changed, &symmetry, state);
            });
        });
    }
}

/// What one of several equal parties does, and how all of them start.
#[derive(Clone, Debug)]
struct Party {
    parties: usize,
    own_nodes: bool,
    threads: bool,
    first: &'static str,
    second: Option<&'static str>,
    buffer: Vec<&'static str>,
    modes: &'static str,
    events: String,
    switches: [bool; 5],
}

fn party() -> impl Strategy<Value = Party> {
    const OPS: [&str; 8] = [
        "direct_read",
        "direct_write",
        "buffered_read",
        "buffered_write",
        "load",
        "store",
        "pipe_read",
        "munmap",
    ];
    const PAGES: [&str; 6] = [
        "shared = \"NEXT\", page = 0",
        "shared = \"NEXT\", page = 1",
        "shared = \"OWN\", page = 1",
        "private = \"NEXT\", page = 0",
        "anon = \"absent\"",
        "bad = true",
    ];
    const MODES: [&str; 4] = [
        "\"UN\"",
        "\"SH\"",
        "\"UN\", \"EX\"",
        "\"UN\", \"SH\", \"DF\"",
    ];
    let events =
        (0..2u8, 0..2u8, 0..2u8, any::<bool>()).prop_map(|(reclaim, shrink, expire, asked)| {
            let mut text = format!("reclaim = {reclaim}\nshrink = {shrink}\n");
            if expire > 0 {
                text += "expire = 2\n";
            }
            if asked {
                text += "DEMAND\n";
            }
            text
        });
    let who = (2..=3usize, any::<bool>(), any::<bool>());
    let what = (
        select(&OPS[..5]),
        option::of(select(&OPS[..])),
        subsequence(PAGES.to_vec(), 1..=2),
        select(&MODES[..]),
    );
    (who, what, events, any::<[bool; 5]>()).prop_map(
        |((parties, own_nodes, threads), (first, second, buffer, modes), events, switches)| Party {
            parties,
            own_nodes,
            threads,
            first,
            second: second.filter(|_| parties == 2),
            buffer: match parties {
                2 => buffer,
                _ => buffer[..1].to_vec(),
            },
            modes,
            events,
            switches,
        },
    )
}

impl Party {
    /// The scenario: each party has a file, and works on the next one's as well.
    fn scenario(&self) -> Scenario {
        let nodes = if self.own_nodes { self.parties } else { 1 };
        let mut text = format!("nodes = {nodes}\n");
        if self.events.contains("DEMAND") {
            text += "lock = \"dlm\"\n";
        }
        for i in 1..=self.parties {
            text += &format!("[files.F{i}]\npages = 2\nmode = [{}]\n", self.modes);
        }
        for i in 1..=self.parties {
            let node = if self.own_nodes { i } else { 1 };
            for (place, op) in std::iter::once(self.first).chain(self.second).enumerate() {
                let mm = if self.threads { 0 } else { place };
                text += &format!("[[tasks]]\nnode = {node}\nmm = \"M{i}{mm}\"\nop = \"{op}\"\n");
                if op.contains("direct") || op.contains("buffered") {
                    text += "file = \"OWN\"\n";
                }
                if op == "munmap" {
                    text += "environment = true\n";
                }
                let pages: Vec<String> = self.buffer.iter().map(|p| format!("{{ {p} }}")).collect();
                text += &format!("buffer = [{}]\n", pages.join(", "));
            }
            let next = i % self.parties + 1;
            text = text
                .replace("OWN", &format!("F{i}"))
                .replace("NEXT", &format!("F{next}"));
        }
        let demand = |i: usize| {
            let node = if self.own_nodes { i } else { 1 };
            format!("{{ node = {node}, file = \"F{i}\", mode = \"EX\" }}")
        };
        let demands: Vec<String> = (1..=self.parties).map(demand).collect();
        let demands = format!("demand = [{}]", demands.join(", "));
        text += &format!("[events]\n{}", self.events.replace("DEMAND", &demands));
        let [refs, window, retry, fusion, message_fusion] = self.switches;
        text += &format!(
            "[switches]\npage_refs_block = {refs}\ngup_window = {window}\nfault_retry = {retry}\n\
             fusion = {fusion}\nmessage_fusion = {message_fusion}\n"
        );
        Scenario::from_toml(&text, "party.toml").unwrap_or_else(|e| panic!("{e:?}\n{text}"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..Default::default() })]

    #[test]
    fn equal_parties_are_found_and_nothing_tells_them_apart(party in party()) {
        let scenario = party.scenario();
        for design in FEW {
            let cluster = with_scenario(design, scenario.clone());
            let symmetry = Symmetry::of(&cluster);
            prop_assert!(symmetry.order() >= party.parties, "{}", symmetry.order());
            wander(&cluster, 3, &mut |state| assert_no_difference(&cluster, &symmetry, state));
        }
    }
}

/// P1 and P2 on node 1 have both pinned the page of F1 that node 2 wants to be
/// dropped. Each of them waits for the file that P3 or P4 on node 2 holds while it
/// waits for F1. The wait-for graph must not depend on which of the two comes first.
#[test]
fn an_invalidation_waits_for_everybody_who_has_pinned_the_page() {
    let source = design::source_from_bytes("test.design", PIN_TO_READ.as_bytes()).expect("text");
    let compiled = design::compile(&source, &design::Library::builtin()).expect("right");
    let cluster = Cluster::new(read(TWO_PINS), compiled.program).expect("they go together");
    let symmetry = Symmetry::of(&cluster);
    assert_eq!(symmetry.order(), 2);
    let mut both = 0;
    wander(&cluster, 500, &mut |state| {
        assert_no_difference(&cluster, &symmetry, state);
        let ctx = cluster.ctx(0);
        let waits = state.nodes[0].glocks[0].stage == Stage::Inval;
        both += usize::from(waits && state.nodes[0].inval_waits_for(&ctx, 0, 0).count() == 2);
        if waits::cycle(&cluster, state).is_some() {
            let next = successors(&cluster, state);
            let lasts = |next: &State| waits::cycle(&cluster, next).is_some();
            assert!(next.iter().all(lasts), "a cycle of waits dissolves");
        }
    });
    assert!(both > 0, "nobody waited for two");
}

const PIN_TO_READ: &str = "
design pin-to-read
  extends base
  \"Direct reads pin their buffer before they take the glock.\"

direct_read(file, iter):
        ret = pin_user_pages iter iter.count
        if ret < 0 return ret
        iter.count = min iter.count ret
        gfs2_glock_nq file DF
        ret = iomap_dio_rw file iter
        gfs2_glock_dq file
        unpin_user_pages iter
        return ret
";

const TWO_PINS: &str = r#"
nodes = 2
hold_time = false
[files.F1]
pages = 1
mode = { node1 = "EX" }
[files.F2]
pages = 1
mode = { node2 = "SH" }
[files.F3]
pages = 1
mode = { node2 = "SH" }
[[tasks]]
op = "direct_read"
file = "F2"
buffer = { shared = "F1", pte = "rw" }
[[tasks]]
op = "direct_read"
file = "F3"
buffer = { shared = "F1", pte = "rw" }
[[tasks]]
node = 2
op = "buffered_read"
file = "F2"
buffer = { shared = "F1" }
[[tasks]]
node = 2
op = "buffered_read"
file = "F3"
buffer = { shared = "F1" }
[switches]
page_refs_block = true
fault_retry = false
"#;

/// The tests above notice what they are for.
#[test]
fn an_exchange_that_forgets_somebody_is_noticed() {
    let noticed = |cluster: &Cluster, broken: Renaming| {
        let states = reachable(cluster, 50_000).expect("small enough");
        states.iter().any(|(s, _)| !maps_steps(cluster, &broken, s))
    };
    let race = cluster("base", "race-direct-read-two-nodes");
    let whole = Symmetry::of(&race).exchanges()[0];
    assert!(!noticed(&race, whole));
    let none = Renaming::identity();
    for broken in [
        Renaming {
            nodes: none.nodes,
            ..whole
        },
        Renaming {
            files: none.files,
            ..whole
        },
        Renaming {
            tasks: none.tasks,
            ..whole
        },
        Renaming {
            vpages: none.vpages,
            ..whole
        },
        Renaming {
            tasks: whole.tasks,
            ..none
        },
    ] {
        assert!(noticed(&race, broken), "{broken:?}");
    }
}

/// A state keeps everything that it knows.
#[test]
fn to_change_names_and_to_change_them_back_is_to_do_nothing() {
    every_symmetric_cluster(|cluster| {
        let symmetry = Symmetry::of(&cluster);
        let identity = symmetry.renamings()[0];
        wander(&cluster, 2, &mut |state| {
            assert_eq!(identity.state(state), *state, "{}", where_(&cluster));
            for renaming in symmetry.exchanges() {
                let other = renaming.state(state);
                let back = |r: &Renaming| r.state(&other) == *state;
                assert!(
                    symmetry.renamings().iter().any(back),
                    "{}: {renaming:?}",
                    where_(&cluster)
                );
            }
        });
    });
}

// ---- that a search by representative sees the same ----------------------------------

#[test]
fn states_are_packed_alike_exactly_if_an_exchange_makes_them_equal() {
    every_symmetric_cluster(|cluster| {
        let cluster = cluster.with_symmetry();
        let symmetry = cluster.symmetry().expect("asked for").clone();
        wander(&cluster, 2, &mut |state| {
            let words = packed(&cluster, state);
            let orbit: Vec<Words> = symmetry
                .renamings()
                .iter()
                .map(|renaming| plain(&cluster, &renaming.state(state)))
                .collect();
            assert!(orbit.contains(&words), "{}", where_(&cluster));
            for renaming in symmetry.renamings() {
                assert_eq!(packed(&cluster, &renaming.state(state)), words);
            }
            // What is unpacked is the representative itself.
            let representative = cluster.unpack(&words);
            assert_eq!(plain(&cluster, &representative), words);
            cluster.successors(&representative, &mut NoSink, &mut |action, next| {
                let mut again = words.clone();
                cluster.repack(&representative, action, next, &mut again);
                assert_eq!(again, packed(&cluster, next), "{}", where_(&cluster));
            });
        });
    });
}

/// Every orbit that can be reached is, after as many steps as its nearest state.
#[test]
fn a_search_by_representative_meets_every_orbit_and_no_other() {
    let mut small = 0;
    every_symmetric_cluster(|cluster| {
        let Some(states) = reachable(&cluster, SMALL) else {
            return;
        };
        let cluster = cluster.with_symmetry();
        let mut wanted: BTreeMap<Words, usize> = BTreeMap::new();
        for (state, depth) in &states {
            // The nearest states come first.
            wanted.entry(packed(&cluster, state)).or_insert(*depth);
        }
        // As the search does it: from the representatives, not from what was found.
        let met = by_representative(&cluster);
        assert_eq!(met, wanted, "{}", where_(&cluster));
        assert!(met.len() < states.len(), "{}", where_(&cluster));
        small += 1;
    });
    assert!(small > 100, "only {small} cells were looked at");
}

/// The representatives with their distances, if every step starts from one of them.
fn by_representative(cluster: &Cluster) -> BTreeMap<Words, usize> {
    let mut met = BTreeMap::new();
    let mut queue = VecDeque::new();
    for state in cluster.initial_states() {
        queue.push_back((packed(cluster, &state), 0));
    }
    while let Some((words, depth)) = queue.pop_front() {
        if met.contains_key(&words) {
            continue;
        }
        for next in successors(cluster, &cluster.unpack(&words)) {
            queue.push_back((packed(cluster, &next), depth + 1));
        }
        met.insert(words, depth);
    }
    met
}

#[test]
fn three_who_are_equal_leave_a_sixth_of_the_states() {
    let all = with_scenario("base", read(THREE_READERS));
    let states = reachable(&all, 100_000).expect("small enough");
    let symmetry = Symmetry::of(&all);
    for (state, _) in &states {
        assert_no_difference(&all, &symmetry, state);
    }
    let reduced = by_representative(&all.with_symmetry());
    let (all, reduced) = (states.len(), reduced.len());
    // An orbit has six states at most, and fewer if some tasks are equally far.
    assert!(
        6 * reduced >= all && 4 * reduced < all,
        "{reduced} of {all}"
    );
}
