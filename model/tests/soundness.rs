//! What must be true of the model itself, in every reachable state of every small
//! scenario under every design: the checks that keep it from cheating.

mod support;

use glock_model::cluster::{Action, Cluster, State, Unfit};
use glock_model::design::{self, DIFFERENT};
use glock_model::event::NoSink;
use glock_model::program::{Entry, Program};
use glock_model::property::{self, Property};
use glock_model::scenario::{Page, Pte, Scenario};
use glock_model::task::Wait;
use glock_model::waits;
use support::{HISTORY, cluster, explore, scenario, search, with_scenario};

/// Scenarios small enough to visit in full, many times.
const SMALL: [&str; 19] = [
    "race-direct-read",
    "race-direct-write",
    "race-buffered-read",
    "race-buffered-write",
    "race-direct-read-private",
    "lone-direct-read-idle-remote",
    "lone-buffered-read-idle-remote",
    "own-direct-read-same-page",
    "own-direct-write-other-page",
    "own-buffered-read-other-page",
    "bad-second-direct-read",
    "bad-second-buffered-write",
    "touch-store-remote-writer",
    "pipe-read-local-writer",
    "threads-direct-read-munmap",
    "reclaim-direct-read",
    "aio-direct-read",
    "served-direct-read",
    "aio-direct-write-local",
];

const CAP: usize = 400_000;

fn every_small_cluster(mut f: impl FnMut(&Cluster)) {
    for name in DIFFERENT {
        for small in SMALL {
            f(&cluster(name, small));
        }
    }
    for (name, scenario) in HISTORY {
        f(&cluster(name, scenario));
    }
}

fn where_(cluster: &Cluster) -> String {
    format!(
        "{} under {}",
        cluster.scenario().name,
        cluster.program().name
    )
}

#[test]
fn packing_loses_nothing() {
    every_small_cluster(|c| {
        explore(c, CAP, |_, state, _| {
            let mut words = vec![0; c.words()];
            c.pack(state, &mut words);
            assert_eq!(c.unpack(&words), *state, "{}", where_(c));
        });
    });
}

/// Packing only what a step may have changed is packing all of it.
#[test]
fn a_state_is_packed_alike_from_scratch_and_from_the_one_before() {
    every_small_cluster(|c| {
        let packed = |state: &State| {
            let mut words = vec![0; c.words()];
            c.pack(state, &mut words);
            words
        };
        explore(c, CAP, |_, state, successors| {
            let before = packed(state);
            for (action, next) in successors {
                let mut words = before.clone();
                c.repack(state, *action, next, &mut words);
                assert_eq!(words, packed(next), "{}: {action:?}", where_(c));
            }
        });
    });
}

/// Counts the states with a cycle of waits; none of their successors is without.
fn cycles_stay(c: &Cluster) -> usize {
    let mut cycles = 0;
    explore(c, CAP, |_, state, successors| {
        if let Some(cycle) = waits::cycle(c, state) {
            cycles += 1;
            for (action, next) in successors.iter().filter(|(_, n)| !c.is_down(n)) {
                assert!(
                    waits::cycle(c, next).is_some(),
                    "{}: {action:?} dissolves {cycle:?}",
                    where_(c)
                );
            }
        }
    });
    cycles
}

/// P14 speaks of deadlocks only if a cycle of waits is for ever.
#[test]
fn a_cycle_of_waits_never_dissolves() {
    every_small_cluster(|c| {
        cycles_stay(c);
    });
}

/// W2, W5: nor if weak holders could have been taken away, by callbacks from another node
/// or from outside.
#[test]
fn a_cycle_through_weak_holders_never_dissolves() {
    for name in ["weak-holders", "weak-holders-restored"] {
        for scenario in [
            "own-direct-read-demanded",
            "own-direct-write-demanded",
            "own-buffered-read-demanded",
            "own-buffered-write-demanded",
            "race-buffered-read-private-two-nodes",
        ] {
            let cycles = cycles_stay(&cluster(name, scenario));
            assert!(cycles > 0, "{scenario} under {name} has none");
        }
        for scenario in ["weak-reader-remote-writer", "torn-buffered-read"] {
            assert_eq!(cycles_stay(&cluster(name, scenario)), 0, "{scenario}");
        }
    }
}

/// The other direction: if nobody can move, the wait-for graph says why. Unless a call
/// returned with what others wait for.
#[test]
fn whoever_is_stuck_waits_in_a_cycle() {
    every_small_cluster(|c| {
        explore(c, CAP, |_, state, successors| {
            let kept = property::violated(c, state) & Property::Balanced.bit() != 0;
            if successors.is_empty() && !c.is_finished(state) && !c.is_down(state) && !kept {
                assert!(waits::cycle(c, state).is_some(), "{}: {state:?}", where_(c));
            }
        });
    });
}

/// The state, whoever has asked a worker to look.
fn whoever_asked(state: &State) -> State {
    let mut state = *state;
    for node in &mut state.nodes {
        for glock in &mut node.glocks {
            glock.work_queued = false;
        }
    }
    state
}

/// How often a worker would do something that it does not do because nobody has asked it to
/// look. Everything else is the same, but for its looking in vain.
fn overlooked(scenario: Scenario, program: Program) -> usize {
    let with = |weak_holders| {
        let program = Program {
            weak_holders,
            ..program.clone()
        };
        Cluster::new(scenario.clone(), program).expect("they go together")
    };
    let (always, asked) = (with(false), with(true));
    let mut overlooked = 0;
    explore(&asked, CAP, |_, state, successors| {
        let before = whoever_asked(state);
        let mut all = Vec::new();
        always.successors(&before, &mut NoSink, &mut |action, next| {
            all.push((action, *next));
        });
        let (vain, taken): (Vec<_>, Vec<_>) = successors
            .iter()
            .map(|(action, next)| (*action, whoever_asked(next)))
            .partition(|(action, next)| matches!(action, Action::Worker { .. }) && *next == before);
        let glocks = state.nodes.iter().flat_map(|node| node.glocks);
        assert!(vain.len() <= glocks.filter(|glock| glock.work_queued).count());
        all.retain(|step| !taken.contains(step));
        let missing = all;
        let is_worker = |(action, _): &(Action, State)| matches!(action, Action::Worker { .. });
        assert!(missing.iter().all(is_worker));
        overlooked += missing.len();
    });
    overlooked
}

/// 2.6: a worker that looks whenever there is something to do is one that looks when it is
/// asked to, as long as nobody makes holders weak.
#[test]
fn without_weak_holders_workers_overlook_nothing() {
    for name in DIFFERENT {
        for small in SMALL {
            let c = cluster(name, small);
            if !c.program().weak_holders {
                let overlooked = overlooked(c.scenario().clone(), c.program().clone());
                assert_eq!(overlooked, 0, "{}", where_(&c));
            }
        }
    }
}

/// W1: where somebody does, they do.
#[test]
fn w1_a_holder_that_becomes_weak_has_nobody_look() {
    let c = cluster("weak-holders", "threads-direct-read-munmap");
    assert!(overlooked(c.scenario().clone(), c.program().clone()) > 0);
}

fn page_tables_agree_with_the_cache(c: &Cluster, state: &State) -> bool {
    let scenario = c.scenario();
    (0..scenario.vpages.len()).all(|v| {
        let n = scenario.mms[scenario.vpages[v].mm as usize].node as usize;
        let node = &state.nodes[n];
        match (node.backing(&c.ctx(n), v), node.ptes[v]) {
            (Some((f, q)), Pte::Ro) => node.pages[f][q] != Page::Absent,
            (Some((f, q)), Pte::Rw) => node.pages[f][q] == Page::Dirty,
            _ => true,
        }
    })
}

/// A PTE points at a cached page, a writable one at a dirty page (R5, R6, R9, I1b).
#[test]
fn page_tables_never_map_what_is_not_cached() {
    every_small_cluster(|c| {
        explore(c, CAP, |_, state, _| {
            assert!(
                page_tables_agree_with_the_cache(c, state),
                "{}: {state:?}",
                where_(c)
            );
        });
    });
}

/// P11, R11: the page lock is last in the lock order. It was not while readpage took the
/// glock, up to v5.7.
#[test]
fn nobody_who_has_a_page_locked_waits_for_a_glock() {
    every_small_cluster(|c| {
        if c.program().entry(Entry::Readpage).is_some() {
            return;
        }
        explore(c, CAP, |_, state, _| {
            let sleeps_with_page = state
                .nodes
                .iter()
                .flat_map(|n| &n.tasks)
                .any(|t| t.page_locked && t.wait == Wait::Sleeping);
            assert!(!sleeps_with_page, "{}: {state:?}", where_(c));
        });
    });
}

/// The lock space is never held up by a full channel: its length is no bound on
/// what was explored.
#[test]
fn no_channel_ever_fills_up() {
    every_small_cluster(|c| {
        explore(c, CAP, |_, state, _| {
            assert!(
                state.channels.iter().flatten().all(|ch| ch.has_room()),
                "{}",
                where_(c)
            );
        });
    });
}

/// The fast predicate and the single ones are the same.
#[test]
fn the_combined_predicate_equals_the_single_ones() {
    for design in ["base", "restart-hack", "fault-in-retry"] {
        for small in [
            "race-direct-read",
            "own-direct-write-other-page",
            "touch-store-remote-writer",
        ] {
            let c = cluster(design, small);
            explore(&c, CAP, |_, state, _| {
                let single = Property::SAFETY
                    .into_iter()
                    .filter(|p| p.holds(&c, state) == Some(false))
                    .fold(0, |bits, p| bits | p.bit());
                assert_eq!(property::violated(&c, state), single, "{}", where_(&c));
            });
        }
    }
}

/// Fusing local instructions with the step before them changes no verdict.
#[test]
fn step_fusion_changes_no_verdict() {
    for design in DIFFERENT {
        for small in SMALL {
            let fused = scenario(small);
            let mut single = fused.clone();
            single.switches.fusion = false;
            let fused = search(&with_scenario(design, fused), CAP);
            let single = search(&with_scenario(design, single), 4 * CAP);
            assert_eq!(fused.names(), single.names(), "{small} under {design}");
            assert!(fused.states <= single.states, "{small} under {design}");
        }
    }
}

const TWO_NODES: [&str; 9] = [
    "lone-direct-read-idle-remote",
    "lone-direct-write-idle-remote",
    "lone-buffered-read-idle-remote",
    "lone-buffered-write-idle-remote",
    "touch-store-remote-writer",
    "touch-load-remote-direct-writer",
    "pipe-read-remote-writer",
    "torn-buffered-read",
    "aio-direct-read-remote",
];

/// Delivering an answer in the step that sends it changes no verdict.
#[test]
fn message_fusion_changes_no_verdict() {
    for design in DIFFERENT {
        for name in TWO_NODES {
            let fused = scenario(name);
            let mut single = fused.clone();
            single.switches.message_fusion = false;
            let fused = search(&with_scenario(design, fused), CAP);
            let single = search(&with_scenario(design, single), 4 * CAP);
            assert_eq!(fused.names(), single.names(), "{name} under {design}");
            assert!(fused.states <= single.states, "{name} under {design}");
        }
    }
}

/// The same for the cells of the history, and for what is given up unseen.
#[test]
fn fusion_changes_no_verdict_of_the_history() {
    for (design, name) in HISTORY {
        let fused = search(&cluster(design, name), CAP);
        for release_only in [true, false] {
            let mut single = scenario(name);
            single.switches.release_fusion = false;
            single.switches.fusion = release_only;
            let single = search(&with_scenario(design, single), 4 * CAP);
            assert_eq!(fused.names(), single.names(), "{name} under {design}");
            assert!(fused.states <= single.states, "{name} under {design}");
        }
    }
}

/// Giving up in the step before what nobody can see given up changes no verdict.
#[test]
fn release_fusion_changes_no_verdict() {
    let mut saved = 0;
    for design in DIFFERENT {
        for name in SMALL.into_iter().chain(TWO_NODES) {
            let fused = scenario(name);
            let mut single = fused.clone();
            single.switches.release_fusion = false;
            let fused = search(&with_scenario(design, fused), CAP);
            let single = search(&with_scenario(design, single), 4 * CAP);
            assert_eq!(fused.names(), single.names(), "{name} under {design}");
            assert!(fused.states <= single.states, "{name} under {design}");
            saved += single.states - fused.states;
        }
    }
    assert!(saved > 0, "nothing was fused anywhere");
}

/// A task that allows demotion and faults on its own file may be in the queue twice. A
/// scenario for which there is no room is refused, and only under such a design.
#[test]
fn a_queue_that_may_grow_too_long_is_refused() {
    let mut text = "[files.F1]\npages = 1\n".to_string();
    for _ in 0..4 {
        text += "[[tasks]]\nop = \"buffered_read\"\nfile = \"F1\"\n\
                 buffer = { shared = \"F1\" }\n";
    }
    let program = |name| {
        let compiled = design::Library::builtin().load(name);
        compiled.expect("built in").program
    };
    let crowded = Scenario::from_toml(&text, "x.toml").expect("right");
    let refused = Cluster::new(crowded.clone(), program("weak-holders"));
    assert_eq!(refused.err(), Some(Unfit::QueueTooLong));
    assert!(Cluster::new(crowded, program("fault-in-retry")).is_ok());
}

/// A design may set the file position to wherever it likes. A transfer from there goes to the wrong
/// place, or has no place to go to; that is its mistake, and not the end of the search.
#[test]
fn a_position_ahead_of_the_transfer_is_a_wrong_place() {
    const TEXT: &str = "design ahead\n  extends base\n  \"Sets the position ahead.\"\n\n\
        direct_read(file, iter):\n\titer.pos = iter.pos + 1\n\tgfs2_glock_nq file DF\n\
        \tret = iomap_dio_rw file iter\n\tgfs2_glock_dq file\n\treturn ret\n\n\
        buffered_read(file, iter):\n\titer.pos = 2\n\
        \tret = generic_file_read_iter file iter\n\treturn ret\n\n\
        buffered_write(file, iter):\n\tgfs2_glock_nq file EX\n\titer.pos = iter.pos + 1\n\
        \tret = iomap_file_buffered_write file iter\n\tgfs2_glock_dq file\n\treturn ret\n";
    let source = design::source_from_bytes("ahead.design", TEXT.as_bytes()).expect("it is text");
    let compiled = design::compile(&source, &design::Library::builtin());
    let program = compiled.expect("it is a design").program;
    let mut misplaced = 0;
    for name in SMALL {
        let cluster = Cluster::new(scenario(name), program.clone()).expect("the two go together");
        let found = search(&cluster, CAP);
        assert!(found.states > 1, "{name}");
        misplaced += usize::from(found.violated.contains_key(&Property::Placement));
    }
    assert!(misplaced >= 8, "{misplaced}");
}
