//! Steps that no task takes: glock work, the lock space, the environment.

use crate::glock_text::{engine, lock_space};
use crate::line::{Actor, Line};
use crate::names::Names;
use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::Event;
use glock_model::glock::Glock;

/// Who acts in a step.
pub(crate) fn actor_of(action: Action) -> Actor {
    match action {
        Action::Start { task } | Action::Task { task, .. } => Actor::Task(task),
        Action::Worker { node, .. }
        | Action::Deliver { node, .. }
        | Action::Expire { node, .. } => Actor::Worker { node },
        Action::Server { .. } => Actor::LockSpace,
        _ => Actor::Environment,
    }
}

/// The lines of such a step.
pub(crate) fn lines(
    cluster: &Cluster,
    action: Action,
    before: &State,
    events: &[Event],
    after: &State,
) -> Vec<Line> {
    let names = Names::new(cluster);
    let lines = match action {
        Action::Server { file, .. } => {
            let nodes = cluster.scenario().nodes as usize;
            let changed = |n: &usize| {
                let f = file as usize;
                before.nodes[*n].glocks[f] != after.nodes[*n].glocks[f]
            };
            server(&names, file, events, (0..nodes).filter(changed))
        }
        Action::Worker { node, file } if looks_in_vain(node, file, before, after) => {
            let phrase = "the worker looks, and has nothing to do".to_owned();
            vec![line(actor_of(action), names.glock(node, file), &[phrase])]
        }
        _ => vec![other(cluster, &names, action, events)],
    };
    lines
        .into_iter()
        .filter(|l| !l.outcome.is_empty())
        .collect()
}

/// Is all that changes that nobody has asked the worker to look any more (W1)?
fn looks_in_vain(node: u8, file: u8, before: &State, after: &State) -> bool {
    let glock = |state: &State| state.nodes[node as usize].glocks[file as usize];
    let asked = Glock {
        work_queued: true,
        ..glock(after)
    };
    !glock(after).work_queued && glock(before) == asked
}

fn line(actor: Actor, call: String, phrases: &[String]) -> Line {
    Line {
        actor,
        depth: 0,
        call,
        outcome: phrases.join(", "),
        continues: false,
        design: None,
    }
}

/// The lock space handles a request. With message fusion its answers arrive in the
/// same step, in the order of the nodes: `answered` are those they have changed.
fn server(
    names: &Names<'_>,
    file: u8,
    events: &[Event],
    answered: impl Iterator<Item = usize>,
) -> Vec<Line> {
    let is_answer = |e: &Event| matches!(e, Event::Answer { .. });
    let first = events.iter().position(is_answer).unwrap_or(events.len());
    let (at_lock_space, at_nodes) = events.split_at(first);
    let phrases: Vec<String> = at_lock_space
        .iter()
        .filter_map(|&e| lock_space(names, e))
        .collect();
    let call = format!("dlm, {}", names.file(file));
    let mut lines = vec![line(Actor::LockSpace, call, &phrases)];
    let parts = at_nodes.chunk_by(|_, next| !is_answer(next));
    for (part, node) in parts.zip(answered) {
        let node = node as u8;
        // What the glock makes of the answer says that it has arrived.
        let told = if part.len() > 1 { &part[1..] } else { part };
        let phrases: Vec<String> = told.iter().filter_map(|&e| engine(names, e)).collect();
        lines.push(line(
            Actor::Worker { node },
            names.glock(node, file),
            &phrases,
        ));
    }
    lines
}

fn other(cluster: &Cluster, names: &Names<'_>, action: Action, events: &[Event]) -> Line {
    let phrases = events.iter().filter_map(|&e| engine(names, e));
    let phrases: Vec<String> = match (action, events.first()) {
        (Action::ReclaimPage { page, .. }, _) => std::iter::once(format!("page {page} dropped"))
            .chain(phrases.skip(1))
            .collect(),
        (Action::Deliver { .. }, Some(Event::DemoteRequest { .. })) => {
            std::iter::once("blocking callback".to_string())
                .chain(phrases)
                .collect()
        }
        _ => phrases.collect(),
    };
    line(actor_of(action), subject(cluster, names, action), &phrases)
}

/// What a step is about.
fn subject(cluster: &Cluster, names: &Names<'_>, action: Action) -> String {
    match action {
        Action::Worker { node, file }
        | Action::Deliver { node, file }
        | Action::Expire { node, file }
        | Action::Shrink { node, file } => names.glock(node, file),
        Action::Demand { demand } => {
            let d = &cluster.scenario().events.demands[demand as usize];
            let (file, mode) = (names.glock(d.node, d.file), d.mode.name());
            format!("another node wants {mode}, {file}")
        }
        Action::Append { file } => {
            format!("another node appends to {}", names.file(file))
        }
        Action::ReclaimPage { node, file, .. } => match cluster.scenario().nodes {
            1 => format!("memory pressure, {}", names.file(file)),
            _ => {
                let (node, file) = (names.node(node), names.file(file));
                format!("memory pressure on {node}, {file}")
            }
        },
        _ => "memory pressure".to_string(),
    }
}
