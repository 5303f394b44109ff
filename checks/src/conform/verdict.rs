//! Whether a recording is a history of a design.

use super::host::{Act, Host, HostState, part, view};
use super::observe::{Observation, Recording, What};
use super::setup::{Setup, TooLarge};
use glock_engine::{Answer, Exact, MatchLimits, MatchStats, Matcher, Seen, Undecided};
use glock_model::program::Program;
use glock_model::waits::{self, Waiter};
use glock_traces::describe_state;
use std::collections::BTreeSet;

/// States kept while a recording is followed, more or less: they are large.
pub const KEPT: usize = 40_000;

/// What a verdict may take.
pub const FRONTIER: usize = 100_000;

/// What is known of a recording under a design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is a history of the design, or the beginning of one.
    Accepted,
    /// It is not: something was observed that does not fit.
    Rejected,
    /// Everything that was observed fits, but the design does not end as the recording does.
    RejectedAtEnd,
    /// What there is fits, but the recording is damaged before its end.
    Incomplete,
    /// A limit was met.
    Unknown(Undecided),
}

/// A recording under a design.
#[derive(Clone, Debug)]
pub struct Conformance {
    /// The design's name.
    pub design: String,
    /// What is known.
    pub verdict: Verdict,
    /// Per log, the first observation beyond which nothing fits; `None` if all of them do.
    pub at: Vec<Option<Observation>>,
    /// How many fit in all, and how many there are.
    pub matched: (usize, usize),
    /// How many states of the model are left, or were left before the first event that did not
    /// fit.
    pub states: usize,
    /// What the model would have allowed at the place at which nothing fits: the log, and what.
    pub allowed: Vec<(usize, What)>,
    /// The observations before that, each with its log, in an order that the model allows.
    pub order: Vec<(usize, Observation)>,
    /// One of the states.
    pub state: Option<String>,
    /// The processes that wait for one another in the end, by their numbers, in one of the states
    /// in which nothing goes on; empty if there is no such state.
    pub deadlock: Vec<usize>,
    /// Counts.
    pub stats: MatchStats,
}

/// Follows a recording through a design.
///
/// # Errors
///
/// [`TooLarge`] if it does not fit into the model.
pub fn conform(
    recording: &Recording,
    program: &Program,
    setup: Setup,
    frontier: usize,
) -> Result<Conformance, TooLarge> {
    let host = Exact::new(Host::new(recording, setup));
    let mut follower = Follower::new(&host, frontier, KEPT)?;
    Ok(follower.follow(&program.name, recording.logs.clone()))
}

type View = fn(&HostState, &Act, &HostState, &mut Vec<Seen<What>>);

/// Follows logs of the calls of a recording, one set after the other, through one design. What is
/// known of the model's states is kept in between, so that many variants of a recording, such as
/// its mutations, cost little more than one.
pub struct Follower<'h, 'r> {
    host: &'h Exact<Host<'r>>,
    matcher: Matcher<'h, Exact<Host<'r>>, What, View>,
}

impl<'h, 'r> Follower<'h, 'r> {
    /// A follower through `host`, that gives up when more than `frontier` states fit at a time, and
    /// keeps about `kept` of those it has met.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if the model cannot begin.
    pub fn new(
        host: &'h Exact<Host<'r>>,
        frontier: usize,
        kept: usize,
    ) -> Result<Follower<'h, 'r>, TooLarge> {
        let matcher = Matcher::new(host, view as View);
        let matcher = matcher
            .map_err(|_| TooLarge::Design(glock_model::cluster::Unfit::NoInitialState))?
            .limits(MatchLimits { frontier, kept })
            .in_parts(part);
        Ok(Follower { host, matcher })
    }

    /// Follows `logs`, of which the recording that the model was made of says the processes, the
    /// calls, and how it ended.
    pub fn follow(&mut self, design: &str, mut logs: Vec<Vec<Observation>>) -> Conformance {
        let mut found = self.judged(design, &mut logs);
        if !matches!(found.verdict, Verdict::Rejected | Verdict::RejectedAtEnd) {
            return found;
        }
        let matcher = &self.matcher;
        for allowed in matcher.allowed() {
            found.allowed.extend(allowed.events);
        }
        found.allowed.dedup();
        if let Some(told) = matcher.told(|_| true) {
            let steps = told.steps.iter();
            let places = steps.flat_map(|step| step.accounts_for.clone());
            found.order = places.map(|(log, at)| (log, logs[log][at])).collect();
        }
        let plain = |state: &HostState| state.outside.iter().all(Option::is_none);
        let state = matcher.states().map(|(_, state)| state).find(plain);
        found.state = state.map(|state| {
            let cluster = &self.host.model().setup().clusters[state.combination as usize];
            describe_state(cluster, &state.cluster)
        });
        found
    }

    /// The same, without a story: whether `logs` are a history.
    pub fn judge(&mut self, mut logs: Vec<Vec<Observation>>) -> Verdict {
        self.judged("", &mut logs).verdict
    }

    fn judged(&mut self, design: &str, logs: &mut [Vec<Observation>]) -> Conformance {
        let (model, matcher) = (self.host.model(), &mut self.matcher);
        let mut swapped = BTreeSet::new();
        let answer = loop {
            let slices: Vec<&[Observation]> = logs.iter().map(Vec::as_slice).collect();
            let fits = |event: &What, seen: &Observation| event.is_seen_as(&seen.what);
            let answer = matcher.follow_by_parts(&slices, fits, alone);
            match &answer {
                Answer::Rejected { farthest } if swap_tied(logs, farthest, &mut swapped) => {}
                _ => break answer,
            }
        };
        let total: usize = logs.iter().map(Vec::len).sum();
        let at = matcher.states().next().map(|(at, _)| at.to_vec());
        let matched = at.map_or(0, |at| at.iter().map(|&n| n as usize).sum());
        let mut found = Conformance {
            design: design.to_owned(),
            verdict: Verdict::Accepted,
            at: vec![None; logs.len()],
            matched: (matched, total),
            states: matcher.states().count(),
            allowed: Vec::new(),
            order: Vec::new(),
            state: None,
            deadlock: Vec::new(),
            stats: matcher.stats(),
        };
        match answer {
            Answer::Accepted => {
                found.verdict = ending(model, matcher.states(), &mut found.deadlock);
            }
            Answer::Rejected { farthest } => {
                let at = logs.iter().zip(&farthest);
                found.at = at.map(|(log, &at)| log.get(at).copied()).collect();
                found.verdict = Verdict::Rejected;
            }
            Answer::Unknown(why) => found.verdict = Verdict::Unknown(why),
        }
        found
    }
}

/// The node that goes on alone: one whose next event does not come from the lock space.
///
/// Nodes meet only in the lock space. A node's own steps, its requests included, change nothing that
/// other nodes or the lock space look at before the request is served, and depend on nothing that
/// they do until a message is delivered. What is delivered with effect is observed, so if the next
/// observation of a node is something else, all it does until then commutes with what others do. A
/// callback that is dropped on delivery changes nothing but the channel.
fn alone(next: &[Option<&Observation>]) -> Option<u32> {
    if next.len() == 1 {
        return None;
    }
    let own = |seen: &&Observation| {
        !matches!(
            seen.what,
            What::Answer { .. } | What::Demote { .. } | What::Callback { .. }
        )
    };
    let node = next.iter().position(|seen| seen.filter(own).is_some())?;
    Some(node as u32 + 1)
}

/// Two events with the same time stamp on different CPUs may have happened in either order: tries
/// the other one where nothing fits any more. False if there is nothing left to try.
fn swap_tied(
    logs: &mut [Vec<Observation>],
    farthest: &[usize],
    swapped: &mut BTreeSet<(usize, usize, usize)>,
) -> bool {
    for (log, &at) in farthest.iter().enumerate() {
        for first in [at.wrapping_sub(1), at] {
            let observations = &mut logs[log];
            let (Some(&one), Some(&other)) = (
                observations.get(first),
                observations.get(first.wrapping_add(1)),
            ) else {
                continue;
            };
            let pair = (log, one.line.min(other.line), one.line.max(other.line));
            if one.time == other.time && one.cpu != other.cpu && swapped.insert(pair) {
                observations.swap(first, first + 1);
                return true;
            }
        }
    }
    false
}

/// Whether one of the states left ends as the recording does.
fn ending<'a>(
    model: &Host<'_>,
    states: impl Iterator<Item = (&'a [u32], HostState)>,
    deadlock: &mut Vec<usize>,
) -> Verdict {
    let recording = model.recording();
    let damaged = recording
        .problems
        .iter()
        .any(|(_, p)| p.what.loses_events());
    if damaged {
        return Verdict::Incomplete;
    }
    let ending = &recording.ending;
    if ending.cut.is_some() || !ending.bug && ending.stuck == 0 {
        return Verdict::Accepted;
    }
    for (_, state) in states {
        let cluster = &model.setup().clusters[state.combination as usize];
        if ending.bug {
            if cluster.is_down(&state.cluster) {
                return Verdict::Accepted;
            }
            continue;
        }
        if model.under_way(&state).len() != ending.stuck || !model.is_stuck(&state) {
            continue;
        }
        if state.outside.iter().all(Option::is_none)
            && let Some(cycle) = waits::cycle(cluster, &state.cluster)
        {
            let tasks = cycle.into_iter().filter_map(|waiter| match waiter {
                Waiter::Task(task) => Some(task as usize),
                _ => None,
            });
            *deadlock = tasks.collect();
            deadlock.sort_unstable();
        }
        return Verdict::Accepted;
    }
    Verdict::RejectedAtEnd
}
