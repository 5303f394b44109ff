//! The minimum hold time where it counts from the last change of mode (R2; v2.6.24).

mod support;

use glock_model::cluster::{Action, Cluster, State};
use glock_model::glock::HOLD_STEPS;
use support::{cluster, explore};

const CAP: usize = 50_000;

fn two_nodes(design: &str) -> Cluster {
    cluster(design, "touch-store-two-nodes")
}

fn a_task_moves(cluster: &Cluster, node: u8, successors: &[(Action, State)]) -> bool {
    successors.iter().any(|(action, _)| match *action {
        Action::Task { task, .. } => cluster.scenario().node_of(task as usize) == node as usize,
        _ => false,
    })
}

#[test]
fn it_is_not_over_before_the_tasks_have_moved_and_always_over_when_none_can() {
    let cluster = two_nodes("hold-from-change");
    let (mut lasts, mut out_of_steps, mut nobody_moves) = (0, 0, 0);
    explore(&cluster, CAP, |_, state, successors| {
        for node in 0..2 {
            let gl = &state.nodes[node as usize].glocks[0];
            if !gl.hold_may_expire() {
                continue;
            }
            let expires = successors
                .iter()
                .any(|(action, _)| matches!(*action, Action::Expire { node: n, .. } if n == node));
            let moves = a_task_moves(&cluster, node, successors);
            assert_eq!(expires, gl.kept == 0 || !moves, "{state:?}");
            lasts += u32::from(!expires);
            out_of_steps += u32::from(gl.kept == 0);
            nobody_moves += u32::from(gl.kept > 0 && !moves);
        }
    });
    assert!(lasts > 0 && nobody_moves > 0, "{lasts} {nobody_moves}");
    // A store is through long before.
    assert_eq!(out_of_steps, 0);
}

#[test]
fn it_is_long_enough_for_whoever_has_won_the_glock_in_ex_to_use_it() {
    let cluster = two_nodes("hold-from-change");
    let mut least = HOLD_STEPS;
    explore(&cluster, CAP, |_, state, successors| {
        for (_, next) in successors {
            for task in 0..2 {
                let now = &state.nodes[task].tasks[task];
                if !now.finished() && next.nodes[task].tasks[task].finished() {
                    least = least.min(next.nodes[task].glocks[0].kept);
                }
            }
        }
    });
    assert!((1..HOLD_STEPS).contains(&least), "{least} steps are left");
}

#[test]
fn a_node_keeps_what_it_has_won_also_with_nobody_in_the_queue() {
    let kept_for_nobody = |design: &str| {
        let mut found = false;
        explore(&two_nodes(design), CAP, |_, state, successors| {
            for (_, next) in successors {
                for node in 0..2 {
                    let [before, after] = [state, next].map(|s| s.nodes[node].glocks[0]);
                    let asked = !before.demote.pending() && after.demote.pending();
                    found |= asked && after.queue.as_slice().is_empty();
                }
            }
        });
        found
    };
    assert!(kept_for_nobody("hold-from-change"));
    assert!(!kept_for_nobody("base"));
}
