//! What keeps calls from returning, at the end of a history that goes on for ever.

use crate::deadlock;
use crate::history::{Ending, History};
use crate::line::Actor;
use crate::names::Names;
use glock_model::event::NoSink;
use glock_model::property::Property;
use glock_model::task::Status;
use glock_model::waits;

/// The sentences, one a line; none if the history only leads to a state.
pub(crate) fn lines(history: &History, property: Property) -> Vec<String> {
    let (_, again) = history.parts();
    match history.ending() {
        Ending::State => Vec::new(),
        Ending::Trap { .. } if still(history) != Still::Moving => standing(history),
        Ending::Trap {
            states,
            by_representative,
        } => vec![trap(
            history,
            states,
            if by_representative { "at least " } else { "" },
        )],
        Ending::Loop { .. } if again.is_empty() => standing(history),
        Ending::Loop { .. } => vec![round(history, property)],
    }
}

/// Who can move at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Still {
    /// A task or somebody who works for it, and no cycle of waits is known.
    Moving,
    /// The environment alone.
    Environment,
    /// Nobody, or not those who wait for one another.
    Nobody,
}

fn still(history: &History) -> Still {
    let (cluster, state) = (history.cluster(), history.last());
    if waits::cycle(cluster, state).is_some() {
        return Still::Nobody;
    }
    let mut still = Still::Nobody;
    cluster.successors(state, &mut NoSink, &mut |action, _| {
        if cluster.mover(action).is_some() {
            still = Still::Moving;
        } else if still == Still::Nobody {
            still = Still::Environment;
        }
    });
    still
}

/// The block of a deadlock.
fn standing(history: &History) -> Vec<String> {
    let mut lines = deadlock::lines(history.cluster(), history.last());
    if still(history) == Still::Environment {
        lines.pop();
        lines.push("Only the environment can still move, and it need not.".to_string());
    }
    lines
}

fn trap(history: &History, states: usize, about: &str) -> String {
    let cluster = history.cluster();
    let names = Names::new(cluster);
    let running: Vec<&str> = (0..cluster.scenario().tasks.len())
        .filter(|&t| {
            let node = cluster.scenario().node_of(t);
            history.last().nodes[node].tasks[t].status == Status::Running
        })
        .map(|t| names.task(t as u8))
        .collect();
    let who = match running.as_slice() {
        [one] => format!("{one} never returns"),
        all => format!("{} never all return", and(all)),
    };
    let states = match states {
        1 => "1 state, and no step leads".to_string(),
        n => format!("{n} states, and no step leads"),
    };
    format!("From here on {who}, whatever is scheduled: {about}{states} out.")
}

fn round(history: &History, property: Property) -> String {
    let (_, again) = history.parts();
    let names = Names::new(history.cluster());
    let acts = |t: &u8| again.iter().any(|step| step.actor == Actor::Task(*t));
    let going: Vec<&str> = (0..history.cluster().scenario().tasks.len() as u8)
        .filter(acts)
        .map(|t| names.task(t))
        .collect();
    let who = match going.as_slice() {
        [] => "It goes".to_string(),
        [one] => format!("{one} goes"),
        all => format!("{} go", and(all)),
    };
    let steps = match again.len() {
        1 => "1 step".to_string(),
        n => format!("{n} steps"),
    };
    let fair = match property {
        Property::FinishesStrongly => "can move nowhere in it",
        _ => "cannot move at some point of it",
    };
    format!("{who} round for ever, {steps} a round. Whoever takes no part in it {fair}.")
}

/// `P1, P2 and P3`.
fn and(names: &[&str]) -> String {
    match names {
        [] => "the calls".to_string(),
        [one] => (*one).to_string(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
