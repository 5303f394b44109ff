//! The packed whole: all nodes, the lock space and the messages in one value.
//!
//! [`Cluster`] is a scenario under a design, as a [`stateright::Model`] and as the
//! narrow interface a fast explorer wants: successors without allocation, and
//! states packed into a few words.

use crate::event::{Event, NoSink, Sink};
use crate::glock::Glock;
use crate::lockspace::{Channel, Lock, Message, Resource};
use crate::memory::Step;
use crate::mode::Mode;
use crate::node::{Ctx, Node, Outgoing};
use crate::pack::{self, Shape};
use crate::program::Program;
use crate::property;
use crate::scenario::{
    Initial, LockManager, LockObject, MAX_FILES, MAX_NODES, MAX_TASKS, Pte, Scenario, VpageKind,
    initial_assignments,
};
use crate::symmetry::Symmetry;
use crate::task::Status;
use std::fmt;

mod collapse;
mod layout;
mod packing;
pub use collapse::{Collapsed, Joint, Listener};
use layout::Layout;

/// What is left of the environment's budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Budgets {
    /// Pages memory pressure may still take.
    pub reclaim: u8,
    /// Idle glocks the shrinker may still take.
    pub shrink: u8,
    /// Hold times that may still expire, if they are limited.
    pub expire: u8,
    /// Demands from outside, in the scenario's order.
    pub demands: [u8; MAX_DEMANDS],
    /// Pages that may still be appended from outside, per file.
    pub appends: [u8; MAX_FILES],
}

/// Most kinds of demand a scenario may have.
pub const MAX_DEMANDS: usize = 4;

/// A state of the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct State {
    /// The nodes.
    pub nodes: [Node; MAX_NODES],
    /// The lock space, per file.
    pub resources: [Resource; MAX_FILES],
    /// Messages under way, per node and file.
    pub channels: [[Channel; MAX_FILES]; MAX_NODES],
    /// What the environment may still do.
    pub budgets: Budgets,
}

/// A step of the cluster: who moves. Indices are the scenario's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // fields are explained with their variant
pub enum Action {
    /// A thread of the environment begins its operation, if it ever does.
    Start { task: u8 },
    /// A task takes its next step; `choice` tells outcomes apart.
    Task { task: u8, choice: u8 },
    /// A glock's work item runs.
    Worker { node: u8, file: u8 },
    /// The lock space handles a node's request.
    Server { node: u8, file: u8 },
    /// A message from the lock space reaches a node.
    Deliver { node: u8, file: u8 },
    /// A minimum hold time is over.
    Expire { node: u8, file: u8 },
    /// A process outside the model wants a file (index of the demand).
    Demand { demand: u8 },
    /// A process on a node outside the model appends a page to a file.
    Append { file: u8 },
    /// The shrinker takes an idle glock.
    Shrink { node: u8, file: u8 },
    /// Memory pressure takes a file page.
    ReclaimPage { node: u8, file: u8, page: u8 },
    /// Memory pressure takes an anonymous page.
    ReclaimAnon { vpage: u8 },
}

/// A scenario under a design.
#[derive(Clone, Debug)]
pub struct Cluster {
    scenario: Scenario,
    program: Program,
    layout: Layout,
    /// States are packed by representative, if it was looked for.
    symmetry: Option<Symmetry>,
    /// A state with nothing in it.
    blank: State,
    /// The parts of a packed state.
    shapes: Vec<Shape>,
    /// Its length in 64-bit words.
    words: usize,
}

/// A scenario that does not fit the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A task's operation needs an entry the design does not have.
    MissingEntry {
        /// The task.
        task: String,
        /// The entry's name.
        entry: &'static str,
    },
    /// A task appends, and the entry its operation needs has no `generic_write_checks`: it
    /// would never learn where the end of the file is.
    NoWriteChecks {
        /// The task.
        task: String,
        /// The entry's name.
        entry: &'static str,
    },
    /// No initial assignment is consistent.
    NoInitialState,
    /// More kinds of demand than [`MAX_DEMANDS`].
    TooManyDemands,
    /// A glock's queue may grow longer than [`MAX_TASKS`]: next to its weak holder a task
    /// may have a second entry.
    QueueTooLong,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::MissingEntry { task, entry } => {
                write!(
                    f,
                    "task {task} needs the function `{entry}`, which the design does not have"
                )
            }
            Unfit::NoWriteChecks { task, entry } => {
                write!(
                    f,
                    "task {task} appends, and the function `{entry}` of the design never says \
                     `generic_write_checks`"
                )
            }
            Unfit::NoInitialState => f.write_str("no combination of initial values is consistent"),
            Unfit::TooManyDemands => {
                write!(
                    f,
                    "a scenario may have at most {MAX_DEMANDS} kinds of demand"
                )
            }
            Unfit::QueueTooLong => {
                write!(
                    f,
                    "the queue of a glock may grow longer than {MAX_TASKS}: a task that \
                     allows demotion while it faults on its own file counts twice"
                )
            }
        }
    }
}

impl std::error::Error for Unfit {}

impl Cluster {
    /// Puts a scenario under a design.
    ///
    /// # Errors
    /// [`Unfit`] if the two do not go together.
    pub fn new(scenario: Scenario, program: Program) -> Result<Cluster, Unfit> {
        for spec in &scenario.tasks {
            let Some(entry) = crate::node::entry_of(spec.op).filter(|_| spec.op.is_io()) else {
                continue;
            };
            let (task, name) = (spec.name.clone(), entry.name());
            if program.entry(entry).is_none() {
                return Err(Unfit::MissingEntry { task, entry: name });
            }
            if spec.append && !layout::checks_writes(&program, entry) {
                return Err(Unfit::NoWriteChecks { task, entry: name });
            }
        }
        if scenario.events.demands.len() > MAX_DEMANDS {
            return Err(Unfit::TooManyDemands);
        }
        if layout::longest_queue(&scenario, &program) > MAX_TASKS {
            return Err(Unfit::QueueTooLong);
        }
        if initial_assignments(&scenario).is_empty() {
            return Err(Unfit::NoInitialState);
        }
        let mut cluster = Cluster {
            layout: Layout::new(&scenario, &program),
            blank: State::default(),
            shapes: Vec::new(),
            words: 0,
            scenario,
            program,
            symmetry: None,
        };
        cluster.shapes = cluster.measured();
        cluster.words = pack::words(&cluster.shapes);
        Ok(cluster)
    }

    /// The same, with states that a symmetry of the scenario exchanges packed alike.
    /// [`Cluster::unpack`] then gives one of them.
    #[must_use]
    pub fn with_symmetry(self) -> Cluster {
        let symmetry = Some(Symmetry::of(&self));
        Cluster { symmetry, ..self }
    }

    /// The symmetry of the scenario; `None` if nobody asked for it.
    pub fn symmetry(&self) -> Option<&Symmetry> {
        self.symmetry.as_ref()
    }

    /// Are there different states that are packed alike?
    pub fn packs_by_representative(&self) -> bool {
        self.symmetry.as_ref().is_some_and(|s| s.order() > 1)
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The design.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What transitions of one node need to know.
    #[inline]
    pub fn ctx(&self, node: usize) -> Ctx<'_> {
        Ctx {
            scenario: &self.scenario,
            program: &self.program,
            node,
        }
    }

    /// Number of 64-bit words a packed state takes.
    pub fn words(&self) -> usize {
        self.words
    }

    fn is_dlm(&self) -> bool {
        self.scenario.lock == LockManager::Dlm
    }

    // ---- initial states -------------------------------------------------------

    /// All initial states: every consistent combination of the alternatives.
    pub fn initial_states(&self) -> Vec<State> {
        self.initial_states_one_by_one().collect()
    }

    /// The same, without room for all of them at a time: states are large.
    pub(crate) fn initial_states_one_by_one(&self) -> impl Iterator<Item = State> + '_ {
        let initial = initial_assignments(&self.scenario).into_iter();
        initial.map(|initial| self.initial_state(&initial))
    }

    fn initial_state(&self, initial: &Initial) -> State {
        let mut state = State::default();
        let events = &self.scenario.events;
        state.budgets.reclaim = events.reclaim;
        state.budgets.shrink = events.shrink;
        state.budgets.expire = events.expire.unwrap_or(0);
        for (i, demand) in events.demands.iter().enumerate() {
            state.budgets.demands[i] = demand.budget;
        }
        state.budgets.appends = events.appends;
        for n in 0..self.scenario.nodes as usize {
            self.initial_node(initial, n, &mut state);
        }
        state
    }

    fn initial_node(&self, initial: &Initial, n: usize, state: &mut State) {
        let ctx = self.ctx(n);
        let node = &mut state.nodes[n];
        for f in 0..self.scenario.files.len() {
            let mode = initial.modes[n][f];
            node.glocks[f] = Glock::new(mode);
            node.pages[f] = initial.cached[n][f];
            if self.scenario.appending_node(f) == Some(n) {
                node.i_size[f] = self.scenario.files[f].size;
                node.disk_size[f] = self.scenario.files[f].size;
            }
            if self.is_dlm() {
                let exists = mode != Mode::Un || initial.lock_object == LockObject::Null;
                state.resources[f].locks[n] = Lock {
                    exists,
                    granted: mode,
                    highbast: Mode::Un,
                };
            }
        }
        for (v, spec) in self.scenario.vpages.iter().enumerate() {
            if !ctx.vpage_is_here(v) {
                continue;
            }
            node.ptes[v] = initial.ptes[v];
            match spec.kind {
                VpageKind::Private { .. } if initial.ptes[v] == Pte::Rw => node.copied |= 1 << v,
                VpageKind::Shared { file, .. } if initial.ptes[v] == Pte::Rw => {
                    node.sw_paged |= 1 << file;
                }
                _ => {}
            }
        }
        for (t, spec) in self.scenario.tasks.iter().enumerate() {
            if self.scenario.node_of(t) == n && !spec.environment {
                node.start(&ctx, t, &mut NoSink);
            }
        }
    }

    // ---- steps ----------------------------------------------------------------

    /// Calls `visit` with every enabled action and the state it leads to, in a fixed
    /// order. What happens inside the steps goes to the sink that `sink` makes.
    pub fn successors<S: Sink>(
        &self,
        state: &State,
        sink: &mut S,
        visit: &mut impl FnMut(Action, &State),
    ) {
        if self.is_down(state) {
            return;
        }
        let mut next = *state;
        self.for_each_candidate(state, &mut |action| {
            if self.apply(&mut next, action, sink) {
                visit(action, &next);
                self.restore(&mut next, state, action);
            }
        });
    }

    /// Makes `next` equal to `state` again, from which `action` led to it.
    #[inline]
    fn restore(&self, next: &mut State, state: &State, action: Action) {
        let Some(node) = self.node_of_step(action) else {
            *next = *state;
            return;
        };
        next.nodes[node] = state.nodes[node];
        next.channels[node] = state.channels[node];
        debug_assert!(next == state, "{action:?} changed more than node {node}");
    }

    /// The node which alone, with the messages from it and to it, a step concerns.
    /// None if others may be concerned, or the budgets.
    #[inline]
    fn node_of_step(&self, action: Action) -> Option<usize> {
        match action {
            Action::Task { task, .. } | Action::Start { task } => {
                Some(self.scenario.node_of(task as usize))
            }
            Action::Worker { node, .. } | Action::Deliver { node, .. } => Some(node as usize),
            _ => None,
        }
    }

    /// The successor under one action, if it is enabled.
    pub fn step<S: Sink>(&self, state: &State, action: Action, sink: &mut S) -> Option<State> {
        if self.is_down(state) {
            return None;
        }
        let mut next = *state;
        self.apply(&mut next, action, sink).then_some(next)
    }

    /// Has a kernel BUG been hit? Then nothing moves any more.
    pub fn is_down(&self, state: &State) -> bool {
        state.nodes[..self.scenario.nodes as usize]
            .iter()
            .any(Node::is_down)
    }

    /// Actions that may be enabled, in a fixed order.
    fn for_each_candidate(&self, state: &State, f: &mut impl FnMut(Action)) {
        for task in 0..self.scenario.tasks.len() {
            self.for_each_of_task(state, task, f);
        }
        for node in 0..self.scenario.nodes {
            for file in 0..self.scenario.files.len() as u8 {
                self.for_each_of_glock(state, node, file, f);
            }
        }
        self.for_each_environment(state, f);
    }

    fn for_each_of_task(&self, state: &State, task: usize, f: &mut impl FnMut(Action)) {
        let n = self.scenario.node_of(task);
        if state.nodes[n].tasks[task].status == Status::Idle {
            return f(Action::Start { task: task as u8 });
        }
        for choice in 0..state.nodes[n].task_choices(&self.ctx(n), task) {
            f(Action::Task {
                task: task as u8,
                choice,
            });
        }
    }

    fn for_each_of_glock(&self, state: &State, node: u8, file: u8, f: &mut impl FnMut(Action)) {
        let glock = &state.nodes[node as usize].glocks[file as usize];
        let channel = &state.channels[node as usize][file as usize];
        if !glock.is_at_rest() {
            f(Action::Worker { node, file });
        }
        if channel.request.is_some() {
            f(Action::Server { node, file });
        }
        if channel.first().is_some() {
            f(Action::Deliver { node, file });
        }
        if self.scenario.hold_time && glock.hold_may_expire() {
            f(Action::Expire { node, file });
        }
    }

    fn for_each_environment(&self, state: &State, f: &mut impl FnMut(Action)) {
        for demand in 0..self.scenario.events.demands.len() {
            if state.budgets.demands[demand] > 0 {
                f(Action::Demand {
                    demand: demand as u8,
                });
            }
        }
        for file in 0..self.scenario.files.len() {
            if state.budgets.appends[file] > 0 {
                f(Action::Append { file: file as u8 });
            }
        }
        for node in 0..self.scenario.nodes {
            for (file, spec) in self.scenario.files.iter().enumerate() {
                let file = file as u8;
                if state.budgets.shrink > 0 {
                    f(Action::Shrink { node, file });
                }
                if state.budgets.reclaim > 0 {
                    (0..spec.pages).for_each(|page| f(Action::ReclaimPage { node, file, page }));
                }
            }
        }
        if state.budgets.reclaim > 0 {
            (0..self.scenario.vpages.len() as u8)
                .for_each(|vpage| f(Action::ReclaimAnon { vpage }));
        }
    }

    /// Applies an action in place; false (and nothing changed) if it is not enabled.
    fn apply<S: Sink>(&self, state: &mut State, action: Action, sink: &mut S) -> bool {
        let mut out = Outgoing::default();
        let mut node_of_step = None;
        let step = match action {
            Action::Start { task } => {
                let n = self.scenario.node_of(task as usize);
                state.nodes[n].task_starts(&self.ctx(n), task as usize, sink)
            }
            Action::Task { task, choice } => {
                let n = self.scenario.node_of(task as usize);
                node_of_step = Some(n);
                let ctx = self.ctx(n);
                state.nodes[n].task_step(&ctx, task as usize, choice, &mut out, sink)
            }
            Action::Worker { node, file } => {
                node_of_step = Some(node as usize);
                let ctx = self.ctx(node as usize);
                state.nodes[node as usize].worker_step(&ctx, file as usize, &mut out, sink)
            }
            Action::Server { node, file } => self.serve(state, node, file, sink),
            Action::Deliver { node, file } => self.deliver(state, node, file, sink),
            Action::Expire { node, file } => self.expire(state, node, file, sink),
            _ => self.environment(state, action, sink),
        };
        if let (Some(n), Some(sent)) = (node_of_step, out.0) {
            state.channels[n][sent.file as usize].request = Some(sent.request);
        }
        step == Step::Taken
    }

    fn serve<S: Sink>(&self, state: &mut State, node: u8, file: u8, sink: &mut S) -> Step {
        let (n, f) = (node as usize, file as usize);
        let nodes = self.scenario.nodes as usize;
        let Some(request) = state.channels[n][f].request else {
            return Step::Blocked;
        };
        if !state.channels[..nodes].iter().all(|c| c[f].has_room()) {
            return Step::Blocked;
        }
        state.channels[n][f].request = None;
        let channels = &mut state.channels;
        state.resources[f].request(
            node,
            file,
            request,
            &mut |to, message| channels[to as usize][f].push(message),
            sink,
        );
        if self.scenario.switches.message_fusion {
            (0..nodes).for_each(|n| self.deliver_answer(state, n, f, sink));
        }
        Step::Taken
    }

    /// Message fusion: an answer that nothing precedes is delivered at once, and the
    /// worker looks at it at once. While the answer is under way the node's glock
    /// stays locked and its own steps are the ones possible before the answer was
    /// given; callbacks come after it in any case; and looking at the answer commutes
    /// with receiving a callback. A test compares every verdict with and without.
    fn deliver_answer<S: Sink>(&self, state: &mut State, n: usize, f: usize, sink: &mut S) {
        if !matches!(
            state.channels[n][f].first(),
            Some(Message::Grant | Message::Refuse)
        ) {
            return;
        }
        let ctx = self.ctx(n);
        if let Some(answer) = state.channels[n][f].pop() {
            state.nodes[n].deliver(&ctx, f, answer, sink);
            let mut out = Outgoing::default();
            state.nodes[n].worker_step(&ctx, f, &mut out, sink);
            if let Some(sent) = out.0 {
                state.channels[n][f].request = Some(sent.request);
            }
        }
    }

    fn deliver<S: Sink>(&self, state: &mut State, node: u8, file: u8, sink: &mut S) -> Step {
        let (n, f) = (node as usize, file as usize);
        match state.channels[n][f].pop() {
            None => Step::Blocked,
            Some(message) => {
                state.nodes[n].deliver(&self.ctx(n), f, message, sink);
                Step::Taken
            }
        }
    }

    fn expire<S: Sink>(&self, state: &mut State, node: u8, file: u8, sink: &mut S) -> Step {
        let limited = self.scenario.events.expire.is_some();
        if limited && state.budgets.expire == 0 {
            return Step::Blocked;
        }
        let n = node as usize;
        let step = state.nodes[n].hold_expires(&self.ctx(n), file as usize, sink);
        if limited && step == Step::Taken {
            state.budgets.expire -= 1;
        }
        step
    }

    fn environment<S: Sink>(&self, state: &mut State, action: Action, sink: &mut S) -> Step {
        match action {
            Action::Demand { demand } => {
                let d = &self.scenario.events.demands[demand as usize];
                let n = d.node as usize;
                let step = state.nodes[n].demand(&self.ctx(n), d.file as usize, d.mode, sink);
                if step == Step::Taken {
                    state.budgets.demands[demand as usize] -= 1;
                }
                step
            }
            Action::Append { file } => {
                let Some(n) = self.scenario.appending_node(file as usize) else {
                    return Step::Blocked;
                };
                let step = state.nodes[n].append_outside(&self.ctx(n), file as usize, sink);
                if step == Step::Taken {
                    state.budgets.appends[file as usize] -= 1;
                }
                step
            }
            Action::Shrink { node, file } => {
                let n = node as usize;
                let step = state.nodes[n].shrink(&self.ctx(n), file as usize, sink);
                if step == Step::Taken {
                    state.budgets.shrink -= 1;
                }
                step
            }
            Action::ReclaimPage { node, file, page } => {
                let n = node as usize;
                sink.event(Event::Reclaim {
                    vpage_or_page: page,
                });
                let ctx = self.ctx(n);
                let step = state.nodes[n].reclaim_page(&ctx, file as usize, page as usize, sink);
                if step == Step::Taken {
                    state.budgets.reclaim -= 1;
                }
                step
            }
            Action::ReclaimAnon { vpage } => {
                let mm = self.scenario.vpages[vpage as usize].mm as usize;
                let n = self.scenario.mms[mm].node as usize;
                let step = state.nodes[n].reclaim_anon(&self.ctx(n), vpage as usize, sink);
                if step == Step::Taken {
                    state.budgets.reclaim -= 1;
                }
                step
            }
            _ => Step::Blocked,
        }
    }

    /// Is every operation over? Threads of the environment may never have begun.
    pub fn is_finished(&self, state: &State) -> bool {
        let nodes = &state.nodes[..self.scenario.nodes as usize];
        let mut nodes = nodes.iter().enumerate();
        nodes.all(|(n, node)| self.has_finished(n, node))
    }

    /// Is every operation on this node over?
    fn has_finished(&self, n: usize, node: &Node) -> bool {
        let mut tasks = self.scenario.tasks.iter().enumerate();
        tasks.all(|(t, spec)| {
            let task = &node.tasks[t];
            self.scenario.node_of(t) != n
                || task.finished()
                || (spec.environment && task.status == Status::Idle)
        })
    }

    /// Does a minimum hold time only fail to expire because the scenario's budget of
    /// expirations is used up? Whoever waits for it waits for ever, but for a reason
    /// no machine has.
    pub fn is_out_of_time(&self, state: &State) -> bool {
        self.scenario.events.expire.is_some()
            && state.budgets.expire == 0
            && state.nodes[..self.scenario.nodes as usize]
                .iter()
                .any(|n| n.glocks.iter().any(Glock::hold_may_expire))
    }

    /// Who moves in an action, as a number below 64: a task, the worker of a glock,
    /// the lock space for a node's file, a channel from it, or a hold time. Nobody if
    /// it is the environment, which need not move at all.
    pub fn mover(&self, action: Action) -> Option<usize> {
        const GLOCKS: usize = MAX_NODES * MAX_FILES;
        let of = |kind: usize, node: u8, file: u8| {
            Some(MAX_TASKS + kind * GLOCKS + node as usize * MAX_FILES + file as usize)
        };
        const { assert!(MAX_TASKS + 4 * GLOCKS <= 64) };
        match action {
            Action::Task { task, .. } => Some(task as usize),
            Action::Worker { node, file } => of(0, node, file),
            Action::Server { node, file } => of(1, node, file),
            Action::Deliver { node, file } => of(2, node, file),
            Action::Expire { node, file } => of(3, node, file),
            Action::Start { .. }
            | Action::Demand { .. }
            | Action::Append { .. }
            | Action::Shrink { .. }
            | Action::ReclaimPage { .. }
            | Action::ReclaimAnon { .. } => None,
        }
    }
}

impl stateright::Model for Cluster {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.initial_states()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.successors(state, &mut NoSink, &mut |action, _| actions.push(action));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.step(state, action, &mut NoSink)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        property::stateright_properties()
    }
}
