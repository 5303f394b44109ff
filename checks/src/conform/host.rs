//! The model that recordings are followed through: processes make their calls one after the other,
//! ask for glocks on behalf of functions that are not modelled, and what happens in a step of the
//! model is shown one event at a time.
//!
//! A step of the model is atomic, and the lines that the kernel prints about it need not stand
//! together. What happens to a glock is printed under its spinlock, in its order: the step is taken
//! when the first such line is observed. What a task prints about itself, it prints after the fact:
//! the step may have been taken before. The events that are still to come wait; they keep their
//! order for each task and each glock, and whoever has shown his last step only in part takes no
//! further one.

use super::mapping::PAGE;
use super::observe::{By, Recording, Value, What};
use super::setup::Setup;
use glock_engine::Seen;
use glock_model::cluster::{Action, State};
use glock_model::event::{Event, NoSink};
use glock_model::glock::{Runner, Stage};
use glock_model::guest::{Asked, Guest};
use glock_model::lockspace::Message;
use glock_model::mode::Mode;
use glock_model::program::{Entry, NqFlags, Val};
use glock_model::scenario::{MAX_FILES, MAX_TASKS, Page, Pte, VpageKind};
use glock_model::task::{Status, Task};
use stateright::Model;
use std::collections::BTreeSet;

/// In whose context something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A process.
    Proc(u8),
    /// The work item of a node's glock, and what comes from the lock space to it.
    Work(u8, u8),
}

/// An event that has happened and has not been observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pending {
    who: Who,
    node: u8,
    what: What,
}

impl Pending {
    fn keeps_order_with(&self, other: &Pending) -> bool {
        self.who == other.who
            || self.node == other.node
                && self.what.glock().is_some()
                && self.what.glock() == other.what.glock()
    }
}

fn bit(node: u8, file: u8) -> u32 {
    1 << (node as usize * MAX_FILES + file as usize)
}

/// A request for a glock by a function that is not modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outside {
    /// The file.
    pub file: u8,
    /// The mode.
    pub mode: Mode,
    /// Whether it has been granted, and `gfs2_glock_nq` has returned.
    pub granted: bool,
}

/// A state: the cluster's, and what surrounds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostState {
    /// The cluster.
    pub cluster: State,
    /// Which calls are made: an index into [`Setup::clusters`].
    pub combination: u8,
    /// Per process, what a function that is not modelled has asked for.
    pub outside: Vec<Option<Outside>>,
    /// What is still to be shown.
    pub pending: Vec<Pending>,
    /// Callbacks that were seen to leave the lock space and have not reached the glock: a bit for
    /// each node and file.
    pub called_back: u32,
}

/// What a process has done to its mappings since its last call, without a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// It emptied them (MADV_DONTNEED).
    Emptied,
    /// It emptied them, and then looked at what is cached: fault-around maps it without a glock (R9).
    Read,
}

/// What is done in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // fields are explained with their variant
pub enum Did {
    /// A process makes a call; what it did to its memory before that is not observed.
    Call { proc: u8, call: u8, before: Before },
    /// A step of the cluster.
    Model(Action),
    /// The same, and pages that it did not need were read in as well.
    ReadAhead(Action),
    /// A function that is not modelled asks for a glock.
    Ask { proc: u8, file: u8, mode: Mode },
    /// It waits for the grant.
    Wait { proc: u8 },
    /// It gives the glock up.
    Release { proc: u8 },
    /// A callback leaves the lock space.
    CallBack { node: u8, file: u8 },
    /// Something that has happened is shown.
    Show,
}

/// A step: what is done, what is observed of it, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What is done.
    pub did: Did,
    /// The node and what is observed, if anything is.
    pub shows: Option<(u8, What)>,
    part: u32,
    next: Box<HostState>,
}

/// The model of a recording.
#[derive(Debug)]
pub struct Host<'r> {
    recording: &'r Recording,
    setup: Setup,
    /// Requests by functions that are not modelled, as far as the recording has any.
    asks: BTreeSet<(u8, u8, u8)>,
}

/// What a step shows, for the matcher: the log of a node is that node's.
pub fn view(_: &HostState, act: &Act, _: &HostState, seen: &mut Vec<Seen<What>>) {
    if let Some((node, what)) = act.shows {
        seen.push((node as usize, what));
    }
}

/// The part of the system that takes a step: a node, from 1, or the lock space and the messages
/// from it, 0.
pub fn part(act: &Act) -> u32 {
    act.part
}

impl<'r> Host<'r> {
    /// The model of a recording under the design of `setup`.
    pub fn new(recording: &'r Recording, setup: Setup) -> Host<'r> {
        let mut asks = BTreeSet::new();
        for observation in recording.logs.iter().flatten() {
            if let What::Queue {
                proc,
                file,
                mode,
                by: By::Guest | By::Unknown,
            } = observation.what
            {
                asks.insert((proc, file, mode as u8));
            }
        }
        Host {
            recording,
            setup,
            asks,
        }
    }

    /// The recording.
    pub fn recording(&self) -> &'r Recording {
        self.recording
    }

    /// The scenarios.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    fn node_of(&self, proc: u8) -> u8 {
        self.recording.processes[proc as usize].node as u8
    }

    fn guest(&self, proc: u8, file: u8) -> Guest {
        let tasks = self.recording.processes.len();
        Guest::of(
            proc as usize,
            tasks,
            self.node_of(proc) as usize,
            file as usize,
        )
    }

    /// Whether all operations that began are over, or wait in a way that nothing but the
    /// environment ends.
    pub fn is_stuck(&self, state: &HostState) -> bool {
        let mut acts = Vec::new();
        self.actions(state, &mut acts);
        state.pending.is_empty()
            && acts.iter().all(|act| {
                matches!(act.did, Did::Call { .. } | Did::Ask { .. })
                    || act.shows.is_none() && *act.next == *state
            })
    }

    /// The processes whose calls are under way.
    pub fn under_way(&self, state: &HostState) -> Vec<usize> {
        let running = |proc: &usize| {
            let node = self.node_of(*proc as u8) as usize;
            let task = &state.cluster.nodes[node].tasks[*proc];
            matches!(task.status, Status::Running | Status::Bug)
        };
        (0..self.recording.processes.len())
            .filter(running)
            .collect()
    }

    fn has_pending(&self, state: &HostState, who: Who) -> bool {
        state.pending.iter().any(|pending| pending.who == who)
    }

    // ---- what a step shows -------------------------------------------------------

    fn value(&self, state: &HostState, proc: u8, value: Val) -> Value {
        let call = self
            .setup
            .call_in(state.combination as usize, proc as usize);
        let unit = i64::from(self.setup.calls[proc as usize][call].unit);
        match value.as_size() {
            Some(pages) => Value::Bytes(i64::from(pages) * PAGE * unit),
            None if value == Val::EAGAIN => Value::Error(-11),
            None if value == Val::EBUSY => Value::Error(-16),
            None if value == Val::EIO => Value::Error(-5),
            None if value == Val::ENOTBLK => Value::Error(-15),
            None if value == Val::TRYFAILED => Value::Bytes(13),
            None => Value::Error(-14),
        }
    }

    /// What an event shows, and who shows it.
    fn shown(&self, state: &HostState, (node, who): (u8, Who), event: Event) -> Option<Pending> {
        let procs = self.recording.processes.len() as u8;
        let own = |task: u8, what| {
            Some(Pending {
                who: Who::Proc(task),
                node,
                what,
            })
        };
        // Guests have their numbers from the end.
        let asker = |task: u8| match task < procs {
            true => (task, By::Design),
            false => (MAX_TASKS as u8 - 1 - task, By::Guest),
        };
        let here = |what| Some(Pending { who, node, what });
        let code = |value: Val| match value {
            Val::RETRY => 0x400,
            Val::LOCKED => 0x200,
            Val::NOPAGE => 0x100,
            Val::SIGBUS | Val::RESTART => 0x2,
            _ => 0,
        };
        match event {
            Event::Return { task, value } => {
                let io = self.call_of(state, task).op.is_io();
                let value = match self.value(state, task, value) {
                    // No RET follows: the process is dead.
                    _ if value == Val::SIGBUS => return None,
                    Value::Bytes(_) if !io => Value::Done,
                    value => value,
                };
                own(task, What::Return { proc: task, value })
            }
            Event::Enter {
                task,
                entry: Entry::Fault,
            } => own(task, What::Fault { proc: task }),
            Event::Leave {
                task,
                entry: Entry::Fault,
                value,
            } => own(
                task,
                What::FaultDone {
                    proc: task,
                    code: code(value),
                },
            ),
            Event::Enter {
                task,
                entry: Entry::PageMkwrite,
            } => own(task, What::Mkwrite { proc: task }),
            Event::Leave {
                task,
                entry: Entry::PageMkwrite,
                value,
            } => own(
                task,
                What::MkwriteDone {
                    proc: task,
                    code: code(value),
                },
            ),
            Event::Queue {
                task, file, mode, ..
            } => {
                let (proc, by) = asker(task);
                own(
                    proc,
                    What::Queue {
                        proc,
                        file,
                        mode,
                        by,
                    },
                )
            }
            Event::Dequeue { task, file, mode } => {
                let (proc, by) = asker(task);
                own(
                    proc,
                    What::Dequeue {
                        proc,
                        file,
                        mode,
                        by,
                    },
                )
            }
            Event::Promote { file, mode, .. } => here(What::Promote { file, mode }),
            Event::StateChange { file, from, to } => here(What::State { file, from, to }),
            Event::Request { file, mode, .. } => here(What::Request { file, mode }),
            Event::Answer { file, granted } => here(What::Answer { file, granted }),
            Event::DemoteRequest { file, .. } => {
                let glock = &state.cluster.nodes[node as usize].glocks[file as usize];
                here(What::Demote {
                    file,
                    from: glock.state,
                    to: glock.demote_state,
                })
            }
            Event::Recursion { task, .. } if task < procs => {
                own(task, What::Trapped { proc: task })
            }
            Event::DioFlush { task, .. } => own(task, What::Flush { proc: task }),
            Event::FaultInDone { task, left } => {
                let Value::Bytes(left) = self.value(state, task, Val::size(left)) else {
                    return None;
                };
                own(task, What::FaultIn { proc: task, left })
            }
            Event::TransferDone { task, value } => {
                let value = self.value(state, task, value);
                own(task, What::Transfer { proc: task, value })
            }
            _ => None,
        }
    }

    fn call_of(&self, state: &HostState, proc: u8) -> &super::observe::Call {
        let call = self
            .setup
            .call_in(state.combination as usize, proc as usize);
        &self.recording.processes[proc as usize].calls[call]
    }

    /// Adds the steps that `did` makes: `next` is the state after it, with nothing pending but what
    /// was before.
    fn add(
        &self,
        acts: &mut Vec<Act>,
        (before, did): (&HostState, Did),
        context: (u8, Who),
        next: HostState,
        events: &[Event],
    ) {
        // Where the entry of a TRY that fails at once is, with the line that says it has left.
        let mut at_once = None;
        let mut shown: Vec<Pending> = Vec::new();
        for (i, event) in events.iter().enumerate() {
            self.change_of_mode(&next, context, *event, &mut shown);
            let Event::TryFailed { task, file } = *event else {
                if let Some(Event::Recursion { .. }) = events.get(i + 1) {
                    continue; // the BUG comes before the line
                }
                let probed = self.recording.probed[context.0 as usize];
                let event = self.shown(&next, context, *event);
                shown.extend(event.filter(|event| probed.shows(&event.what)));
                continue;
            };
            let queued = i.checked_sub(1).map(|before| events[before]);
            let mode = match queued {
                Some(Event::Queue {
                    task: t,
                    file: f,
                    mode,
                    ..
                }) if (t, f) == (task, file) => {
                    at_once = Some(shown.len() - 1);
                    mode
                }
                _ => {
                    let glock = &before.cluster.nodes[context.0 as usize].glocks[file as usize];
                    let queued = glock.queue.of(task);
                    queued.map_or(Mode::Un, |holder| holder.mode)
                }
            };
            // Whoever has been queued is taken out of the queue.
            shown.push(Pending {
                who: context.1,
                node: context.0,
                what: What::Expelled { file, mode },
            });
            shown.push(Pending {
                who: Who::Proc(task),
                node: context.0,
                what: What::Refused { proc: task },
            });
        }
        if let Some(place) = at_once {
            let mut without = shown.clone();
            without.drain(place..place + 2);
            self.finish(acts, (context.0, did), next.clone(), without);
        }
        self.finish(acts, (context.0, did), next, shown);
    }

    /// What a change of mode does before the lock space is asked (Q10). Its lines are those of the
    /// context that runs it, which has let the spinlock go.
    fn change_of_mode(
        &self,
        next: &HostState,
        (node, who): (u8, Who),
        event: Event,
        shown: &mut Vec<Pending>,
    ) {
        let stage = |file: u8| next.cluster.nodes[node as usize].glocks[file as usize].stage;
        let (file, syncs, invalidates) = match event {
            Event::Xmote { file, to, .. } => {
                let now = stage(file) != Stage::Sync;
                (file, true, now && matches!(to, Mode::Un | Mode::Df))
            }
            Event::Sync { file } => (file, false, stage(file) == Stage::Inval),
            _ => return,
        };
        let lines = [
            (syncs, What::GoSync { file }),
            (invalidates, What::GoInval { file }),
        ];
        let probed = self.recording.probed[node as usize];
        for (happens, what) in lines {
            if happens && probed.shows(&what) {
                shown.push(Pending { who, node, what });
            }
        }
    }

    fn finish(
        &self,
        acts: &mut Vec<Act>,
        (node, did): (u8, Did),
        mut next: HostState,
        mut shown: Vec<Pending>,
    ) {
        let first_is_glock = shown.first().is_some_and(|p| p.what.glock().is_some());
        let shows = if first_is_glock || matches!(did, Did::Call { .. }) && !shown.is_empty() {
            let first = shown.remove(0);
            if next.pending.iter().any(|p| p.keeps_order_with(&first)) {
                return;
            }
            Some((first.node, first.what))
        } else {
            None
        };
        next.pending.extend(shown);
        let lock_space = matches!(
            did,
            Did::Model(Action::Server { .. } | Action::Deliver { .. })
        );
        let part = match lock_space {
            true => 0,
            false => u32::from(node) + 1,
        };
        acts.push(Act {
            did,
            shows,
            part,
            next: Box::new(next),
        });
    }

    // ---- steps ----------------------------------------------------------------------

    fn calls(&self, state: &HostState, acts: &mut Vec<Act>) {
        for (proc, process) in self.recording.processes.iter().enumerate() {
            let node = process.node;
            let task = &state.cluster.nodes[node].tasks[proc];
            let begins = matches!(task.status, Status::Idle | Status::Done)
                && !(task.status == Status::Done && task.result == Val::SIGBUS)
                && state.outside[proc].is_none()
                && !self.has_pending(state, Who::Proc(proc as u8));
            if !begins {
                continue;
            }
            for call in 0..process.calls.len() {
                let shows = (
                    node as u8,
                    What::Call {
                        proc: proc as u8,
                        call: call as u8,
                    },
                );
                let mut different: Vec<HostState> = Vec::new();
                for before in [Before::Nothing, Before::Emptied, Before::Read] {
                    let next = self.begins(state, proc, call, before);
                    if different.contains(&next) {
                        continue;
                    }
                    different.push(next.clone());
                    acts.push(Act {
                        did: Did::Call {
                            proc: proc as u8,
                            call: call as u8,
                            before,
                        },
                        shows: Some(shows),
                        part: node as u32 + 1,
                        next: Box::new(next),
                    });
                }
            }
        }
    }

    fn begins(&self, state: &HostState, proc: usize, call: usize, before: Before) -> HostState {
        let mut next = state.clone();
        let combination = self.setup.with_call(state.combination as usize, proc, call);
        next.combination = combination as u8;
        let cluster = &self.setup.clusters[combination];
        let node = &mut next.cluster.nodes[self.node_of(proc as u8) as usize];
        node.tasks[proc] = Task::default();
        for (v, spec) in cluster.scenario().vpages.iter().enumerate() {
            let Some((file, page)) = spec.kind.backing() else {
                continue;
            };
            if spec.mm as usize != proc || before == Before::Nothing {
                continue;
            }
            node.copied &= !(1 << v);
            node.ptes[v] = match node.pages[file as usize][page as usize] {
                Page::Clean | Page::Dirty if before == Before::Read => Pte::Ro,
                _ => Pte::None,
            };
        }
        let action = Action::Start { task: proc as u8 };
        if let Some(started) = cluster.step(&next.cluster, action, &mut NoSink) {
            next.cluster = started;
        }
        next
    }

    fn asks(&self, state: &HostState, acts: &mut Vec<Act>) {
        for proc in 0..self.recording.processes.len() as u8 {
            let who = Who::Proc(proc);
            if self.has_pending(state, who) {
                continue;
            }
            let cluster = &self.setup.clusters[state.combination as usize];
            let context = (self.node_of(proc), who);
            let mut events = Vec::new();
            let mut next = state.clone();
            match state.outside[proc as usize] {
                None => {
                    let task = &state.cluster.nodes[context.0 as usize].tasks[proc as usize];
                    if task.nested() || task.wait != glock_model::task::Wait::No {
                        continue;
                    }
                    for &(_, file, mode) in self.asks.iter().filter(|(p, ..)| *p == proc) {
                        let mode = Mode::from_bits(mode);
                        let guest = self.guest(proc, file);
                        // open, stat and permission checks are content with any mode.
                        let flags = match mode {
                            Mode::Sh => &[NqFlags::NONE, NqFlags::ANY][..],
                            _ => &[NqFlags::NONE],
                        };
                        for &flags in flags {
                            let mut next = state.clone();
                            let mut events = Vec::new();
                            let wanted = (mode, flags);
                            let asked =
                                cluster.guest_nq(&mut next.cluster, guest, wanted, &mut events);
                            next.outside[proc as usize] = Some(Outside {
                                file,
                                mode,
                                granted: asked == Asked::Granted,
                            });
                            let did = Did::Ask { proc, file, mode };
                            self.add(acts, (state, did), context, next, &events);
                        }
                    }
                }
                Some(Outside {
                    file,
                    mode,
                    granted: false,
                }) => {
                    let guest = self.guest(proc, file);
                    if let Some(asked) = cluster.guest_step(&mut next.cluster, guest, &mut events) {
                        next.outside[proc as usize] = Some(Outside {
                            file,
                            mode,
                            granted: asked == Asked::Granted,
                        });
                        self.add(acts, (state, Did::Wait { proc }), context, next, &events);
                    }
                }
                Some(Outside { file, .. }) => {
                    let guest = self.guest(proc, file);
                    if cluster.guest_dq(&mut next.cluster, guest, &mut events) {
                        next.outside[proc as usize] = None;
                        self.add(acts, (state, Did::Release { proc }), context, next, &events);
                    }
                }
            }
        }
    }

    fn model_steps(&self, state: &HostState, acts: &mut Vec<Act>) {
        let cluster = &self.setup.clusters[state.combination as usize];
        let mut actions = Vec::new();
        cluster.successors(&state.cluster, &mut NoSink, &mut |action, _| {
            actions.push(action);
        });
        let mut events = Vec::new();
        for action in actions {
            let context = match action {
                Action::Start { .. } => continue,
                Action::Task { task, .. } => {
                    if state.outside[task as usize].is_some() {
                        continue;
                    }
                    (self.node_of(task), Who::Proc(task))
                }
                Action::Worker { node, file }
                | Action::Deliver { node, file }
                | Action::Server { node, file }
                | Action::Expire { node, file } => (node, Who::Work(node, file)),
                _ => (0, Who::Work(0, 0)),
            };
            if let Action::Server { node, file } = action
                && (self.is_calling_back(state, file) || self.is_asking(state, node, file))
            {
                continue;
            }
            if self.calls_back(state, action, acts) {
                continue;
            }
            let nobody = matches!(action, Action::Server { .. });
            if !nobody && self.has_pending(state, context.1) {
                continue;
            }
            events.clear();
            let Some(after) = cluster.step(&state.cluster, action, &mut events) else {
                continue;
            };
            let mut next = HostState {
                cluster: after,
                ..state.clone()
            };
            if let Action::Deliver { node, file } = action {
                next.called_back &= !bit(node, file);
            }
            if let Some(more) = self.reads_ahead(&next, context.0, &events) {
                self.add(
                    acts,
                    (state, Did::ReadAhead(action)),
                    context,
                    more,
                    &events,
                );
            }
            self.add(acts, (state, Did::Model(action)), context, next, &events);
        }
    }

    /// The line of a request comes before the request is sent.
    fn is_asking(&self, state: &HostState, node: u8, file: u8) -> bool {
        let request = |pending: &Pending| {
            pending.node == node
                && matches!(pending.what, What::Request { file: f, .. } if f == file)
        };
        state.pending.iter().any(request)
    }

    /// A callback for this file is between the lock space and the glock of a node: it is not one to
    /// be merged with another message any more.
    fn is_calling_back(&self, state: &HostState, file: u8) -> bool {
        (0..self.recording.logs.len() as u8).any(|node| state.called_back & bit(node, file) != 0)
    }

    /// Is the message to be delivered a callback that has to be seen before it reaches the glock?
    /// Adds the step that shows it. Those that are dropped on delivery are never seen.
    fn calls_back(&self, state: &HostState, action: Action, acts: &mut Vec<Act>) -> bool {
        let Action::Deliver { node, file } = action else {
            return false;
        };
        let channel = &state.cluster.channels[node as usize][file as usize];
        let Some(Message::Bast(mode)) = channel.first() else {
            return false;
        };
        let what = What::Callback { file, mode };
        if !self.recording.probed[node as usize].shows(&what)
            || state.called_back & bit(node, file) != 0
        {
            return false;
        }
        let cluster = &self.setup.clusters[state.combination as usize];
        let mut events = Vec::new();
        cluster.step(&state.cluster, action, &mut events);
        let asks = |event: &Event| matches!(event, Event::DemoteRequest { .. });
        if !events.iter().any(asks) {
            return false;
        }
        let mut next = state.clone();
        next.called_back |= bit(node, file);
        acts.push(Act {
            did: Did::CallBack { node, file },
            shows: Some((node, what)),
            part: 0,
            next: Box::new(next),
        });
        true
    }

    /// A page that is read in may bring the others of its file along: readahead is a matter of the
    /// kernel's memory management, and the model, which reads one page at a time, says nothing of it.
    fn reads_ahead(&self, next: &HostState, node: u8, events: &[Event]) -> Option<HostState> {
        let file = events.iter().find_map(|event| match event {
            Event::PageRead { file, .. } => Some(*file as usize),
            _ => None,
        })?;
        let scenario = self.setup.clusters[0].scenario();
        let mut more = next.clone();
        let pages = scenario.files[file].pages as usize;
        for page in &mut more.cluster.nodes[node as usize].pages[file][..pages] {
            if *page == Page::Absent {
                *page = Page::Clean;
            }
        }
        (more.cluster != next.cluster).then_some(more)
    }

    fn shows(&self, state: &HostState, acts: &mut Vec<Act>) {
        for (place, pending) in state.pending.iter().enumerate() {
            let earlier = &state.pending[..place];
            if earlier.iter().any(|p| p.keeps_order_with(pending)) {
                continue;
            }
            let mut next = state.clone();
            next.pending.remove(place);
            acts.push(Act {
                did: Did::Show,
                shows: Some((pending.node, pending.what)),
                part: u32::from(pending.node) + 1,
                next: Box::new(next),
            });
        }
    }

    /// Is the glock's change of mode under way in the context of a process that is not one of the
    /// scenario's tasks?
    pub fn runs_outside(&self, state: &HostState, node: usize, file: usize) -> bool {
        let glock = &state.cluster.nodes[node].glocks[file];
        let outside = |task: u8| task as usize >= self.recording.processes.len();
        matches!(glock.runner, Runner::Task(task) if outside(task)) && glock.stage != Stage::Idle
    }
}

impl Model for Host<'_> {
    type State = HostState;
    type Action = Act;

    fn init_states(&self) -> Vec<HostState> {
        let cluster = &self.setup.clusters[0];
        let scenario = cluster.scenario();
        let mut states = Vec::new();
        for initial in cluster.initial_states() {
            // Anonymous memory of a process has been used, or not.
            for present in 0..1_u8 << scenario.mms.len() {
                let mut state = initial;
                for (v, spec) in scenario.vpages.iter().enumerate() {
                    if spec.kind == VpageKind::Anon && present >> spec.mm & 1 == 1 {
                        let node = scenario.mms[spec.mm as usize].node as usize;
                        state.nodes[node].ptes[v] = Pte::Rw;
                    }
                }
                let state = HostState {
                    cluster: state,
                    combination: 0,
                    outside: vec![None; self.recording.processes.len()],
                    pending: Vec::new(),
                    called_back: 0,
                };
                if !states.contains(&state) {
                    states.push(state);
                }
            }
        }
        states
    }

    fn actions(&self, state: &HostState, acts: &mut Vec<Act>) {
        self.shows(state, acts);
        self.model_steps(state, acts);
        self.calls(state, acts);
        self.asks(state, acts);
    }

    fn next_state(&self, _: &HostState, act: Act) -> Option<HostState> {
        Some(*act.next)
    }
}
