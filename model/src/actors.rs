//! The second host: the same transitions as [`stateright`] actors.
//!
//! Each node is an actor, and so is the lock space of each file ([`Member`]).
//! They exchange requests, answers and blocking callbacks ([`Msg`]); whatever a
//! node does without being told to is a [`Timer`]. This is the form in which
//! distributed systems are usually written down, and the one stateright's
//! Explorer shows. [`crate::cluster`] runs the very same functions; a test shows
//! that the two reach the same states by the same number of steps.
//!
//! # How the two correspond
//!
//! | [`State`] of the cluster | here |
//! |---|---|
//! | `nodes[n]` | state of actor `n` |
//! | `resources[f]` | state of actor `nodes + f`; no such actors on a local mount |
//! | `channels[n][f].request` | the flow from actor `n` to actor `nodes + f` |
//! | `channels[n][f].messages()` | the flow from actor `nodes + f` to actor `n` |
//! | `budgets` | the system's history variable |
//!
//! A lock space per file rather than one for all, because stateright keeps
//! messages of one pair of actors in order, and a [`Channel`] those of one node
//! about one file. [`Actors::project`] and [`Actors::embed`] translate states,
//! [`Actors::cluster_action`] steps. All timers of a node are set all the time; one
//! whose step is blocked changes nothing and is not offered. The outcomes of a step
//! that has several are timers of their own.
//!
//! # What actors alone cannot say
//!
//! [`Actors`] is stateright's [`ActorModel`] with five rules that no actor could
//! follow, because they are about more than one:
//! * callbacks merge on their way, as [`Channel::push`] says: the sender cannot
//!   know what has been delivered;
//! * a request is delivered only if the lock space has room to answer
//!   ([`Channel::has_room`]);
//! * the budgets of the environment are shared by all nodes. They belong to nobody,
//!   so they are stateright's `history`, paid for by the steps that need them;
//! * a kernel BUG stops everything, as it does in the cluster;
//! * with [message fusion](crate::scenario::Switches::message_fusion) an answer that nothing precedes is delivered,
//!   and the worker looks at it, in the step in which it was given: three steps of
//!   two actors in one.
//!
//! # Initial states
//!
//! An `ActorModel` starts in one state. [`Actors`] starts in every consistent
//! combination of the scenario's alternatives: the actors' own start, with the
//! cluster's initial states put in.

use crate::cluster::{Action, Budgets, Cluster, State, Unfit};
use crate::event::{Event, NoSink};
use crate::glock::Request;
use crate::lockspace::{CHANNEL, Channel, Message, Resource};
use crate::memory::Step;
use crate::mode::Mode;
use crate::node::{Node, Outgoing};
use crate::program::Program;
use crate::property::Property;
use crate::scenario::{LockManager, Scenario};
use stateright::Model;
use stateright::actor::{
    Actor, ActorModel, ActorModelAction, ActorModelState, Id, Network, Out, model_timeout,
};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

mod text;

/// An actor of the system.
#[derive(Clone, Debug)]
pub enum Member {
    /// A node: its glocks, page cache, address spaces and tasks.
    Node {
        /// Scenario and design.
        cluster: Arc<Cluster>,
        /// Index of the node.
        node: u8,
    },
    /// The lock space of one file.
    LockSpace {
        /// Scenario and design.
        cluster: Arc<Cluster>,
        /// Index of the file.
        file: u8,
    },
}

/// The state of an actor.
#[derive(Clone, PartialEq, Eq, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "stateright keeps each behind an Arc of its own"
)]
pub enum MemberState {
    /// Of a node.
    Node(Node),
    /// Of a lock space.
    LockSpace(Resource),
}

/// A message. Sender and receiver say which node and which file it is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Msg {
    /// A node asks the lock space for a mode.
    Request(Request),
    /// The lock space grants the request.
    Grant,
    /// The lock space refuses it.
    Refuse,
    /// Somebody waits for this mode.
    Bast(Mode),
}

/// What a node, or its environment, does by itself. Indices are the scenario's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // fields are explained with their variant
pub enum Timer {
    /// A thread of the environment begins its operation, if it ever does.
    Start { task: u8 },
    /// A task takes its next step; `choice` tells outcomes apart.
    Task { task: u8, choice: u8 },
    /// A glock's work item runs.
    Worker { file: u8 },
    /// A minimum hold time is over.
    Expire { file: u8 },
    /// A process outside the model wants a file (index of the demand).
    Demand { demand: u8 },
    /// A process on a node outside the model appends a page.
    Append { file: u8 },
    /// The shrinker takes an idle glock.
    Shrink { file: u8 },
    /// Memory pressure takes a file page.
    ReclaimPage { file: u8, page: u8 },
    /// Memory pressure takes an anonymous page.
    ReclaimAnon { vpage: u8 },
}

/// Most outcomes a task's step may have ([`Node::task_choices`]), twice as many with the switch
/// `readahead`, and one step of its asynchronous I/O.
fn most_choices(scenario: &Scenario, task: u8) -> u8 {
    let own = 2 << u8::from(scenario.switches.readahead);
    own + u8::from(scenario.tasks[task as usize].aio)
}

/// The system as stateright's actors see it.
pub type System = ActorModel<Member, Arc<Cluster>, Budgets>;
/// A state of the system.
pub type SystemState = ActorModelState<Member, Budgets>;
/// A step of the system.
pub type SystemAction = ActorModelAction<Msg, Timer, ()>;

// ---- the actors -----------------------------------------------------------------

impl Actor for Member {
    type Msg = Msg;
    type Timer = Timer;
    type State = MemberState;
    type Storage = ();
    type Random = ();

    /// The timers, and a placeholder for the state ([`Actors::embed`]).
    fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Self>) -> MemberState {
        match self {
            Member::Node { cluster, node } => {
                for timer in timers(cluster.scenario(), *node) {
                    out.set_timer(timer, model_timeout());
                }
                MemberState::Node(Node::default())
            }
            Member::LockSpace { .. } => MemberState::LockSpace(Resource::default()),
        }
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, MemberState>,
        src: Id,
        msg: Msg,
        out: &mut Out<Self>,
    ) {
        match (self, state.to_mut(), msg) {
            (Member::LockSpace { file, .. }, MemberState::LockSpace(resource), msg) => {
                if let Msg::Request(request) = msg {
                    let node = usize::from(src) as u8;
                    let answer = &mut |to: u8, message: Message| {
                        out.send(Id::from(to as usize), message.into());
                    };
                    resource.request(node, *file, request, answer, &mut NoSink);
                }
            }
            (Member::Node { cluster, node }, MemberState::Node(state), msg) => {
                if let Some(message) = msg.message() {
                    let ctx = cluster.ctx(*node as usize);
                    let file = usize::from(src) - cluster.scenario().nodes as usize;
                    state.deliver(&ctx, file, message, &mut NoSink);
                }
            }
            _ => unreachable!("an actor's state is of its own kind"),
        }
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, MemberState>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        out.set_timer(*timer, model_timeout());
        let (Member::Node { cluster, node }, MemberState::Node(old)) = (self, &**state) else {
            return; // a lock space has no timers
        };
        let (mut next, mut sent) = (*old, Outgoing::default());
        if timer.fires(cluster, *node, &mut next, &mut sent) == Step::Blocked {
            return;
        }
        if let Some(sent) = sent.0 {
            let to = cluster.scenario().nodes as usize + sent.file as usize;
            out.send(Id::from(to), Msg::Request(sent.request));
        }
        *state = Cow::Owned(MemberState::Node(next));
    }

    fn name(&self) -> String {
        match self {
            Member::Node { node, .. } => text::node_name(*node),
            Member::LockSpace { cluster, file } => text::lock_space_name(cluster, *file),
        }
    }
}

/// All timers of a node.
fn timers(scenario: &Scenario, node: u8) -> Vec<Timer> {
    let here = |mm: u8| scenario.mms[mm as usize].node == node;
    let events = &scenario.events;
    let mut all = Vec::new();
    for (task, spec) in (0..).zip(&scenario.tasks) {
        if here(spec.mm) {
            if spec.environment {
                all.push(Timer::Start { task });
            }
            let most = most_choices(scenario, task);
            all.extend((0..most).map(|choice| Timer::Task { task, choice }));
        }
    }
    for (file, spec) in (0..).zip(&scenario.files) {
        all.push(Timer::Worker { file });
        if scenario.hold_time {
            all.push(Timer::Expire { file });
        }
        if events.shrink > 0 {
            all.push(Timer::Shrink { file });
        }
        let f = file as usize;
        if events.appends[f] > 0 && scenario.appending_node(f) == Some(node as usize) {
            all.push(Timer::Append { file });
        }
        if events.reclaim > 0 {
            all.extend((0..spec.pages).map(|page| Timer::ReclaimPage { file, page }));
        }
    }
    for (vpage, spec) in (0..).zip(&scenario.vpages) {
        if events.reclaim > 0 && here(spec.mm) {
            all.push(Timer::ReclaimAnon { vpage });
        }
    }
    for (demand, spec) in (0..).zip(&events.demands) {
        if spec.node == node {
            all.push(Timer::Demand { demand });
        }
    }
    all
}

impl Timer {
    /// Takes the step on the node it belongs to.
    fn fires(self, cluster: &Cluster, node: u8, state: &mut Node, sent: &mut Outgoing) -> Step {
        let (ctx, sink) = (&cluster.ctx(node as usize), &mut NoSink);
        match self {
            Timer::Start { task } => state.task_starts(ctx, task as usize, sink),
            Timer::Task { task, choice } => {
                let choices = state.task_choices(ctx, task as usize);
                let most = most_choices(cluster.scenario(), task);
                debug_assert!(choices <= most, "every outcome has its timer");
                if choice >= choices {
                    return Step::Blocked;
                }
                state.task_step(ctx, task as usize, choice, sent, sink)
            }
            Timer::Worker { file } => state.worker_step(ctx, file as usize, sent, sink),
            Timer::Expire { file } => state.hold_expires(ctx, file as usize, sink),
            Timer::Demand { demand } => {
                let d = &cluster.scenario().events.demands[demand as usize];
                state.demand(ctx, d.file as usize, d.mode, sink)
            }
            Timer::Append { file } => state.append_outside(ctx, file as usize, sink),
            Timer::Shrink { file } => state.shrink(ctx, file as usize, sink),
            Timer::ReclaimPage { file, page } => {
                state.reclaim_page(ctx, file as usize, page as usize, sink)
            }
            Timer::ReclaimAnon { vpage } => state.reclaim_anon(ctx, vpage as usize, sink),
        }
    }

    /// The budget its step is paid from, if it has one.
    fn budget<'a>(self, scenario: &Scenario, budgets: &'a mut Budgets) -> Option<&'a mut u8> {
        match self {
            Timer::Start { .. } | Timer::Task { .. } | Timer::Worker { .. } => None,
            Timer::Expire { .. } => scenario.events.expire.map(|_| &mut budgets.expire),
            Timer::Demand { demand } => Some(&mut budgets.demands[demand as usize]),
            Timer::Append { file } => Some(&mut budgets.appends[file as usize]),
            Timer::Shrink { .. } => Some(&mut budgets.shrink),
            Timer::ReclaimPage { .. } | Timer::ReclaimAnon { .. } => Some(&mut budgets.reclaim),
        }
    }
}

impl Msg {
    /// What a node is told, if the message is for a node.
    const fn message(self) -> Option<Message> {
        match self {
            Msg::Request(_) => None,
            Msg::Grant => Some(Message::Grant),
            Msg::Refuse => Some(Message::Refuse),
            Msg::Bast(mode) => Some(Message::Bast(mode)),
        }
    }

    /// What a lock space is asked, if the message is for a lock space.
    const fn request(self) -> Option<Request> {
        match self {
            Msg::Request(request) => Some(request),
            _ => None,
        }
    }

    /// Kind and content, for an order.
    const fn key(self) -> (u8, u8, [bool; 3]) {
        match self {
            Msg::Request(r) => (0, r.mode as u8, [r.noqueue, r.noqueuebast, r.quecvt]),
            Msg::Grant => (1, 0, [false; 3]),
            Msg::Refuse => (2, 0, [false; 3]),
            Msg::Bast(mode) => (3, mode as u8, [false; 3]),
        }
    }
}

impl From<Message> for Msg {
    fn from(message: Message) -> Msg {
        match message {
            Message::Grant => Msg::Grant,
            Message::Refuse => Msg::Refuse,
            Message::Bast(mode) => Msg::Bast(mode),
        }
    }
}

impl PartialOrd for Msg {
    fn partial_cmp(&self, other: &Msg) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Msg {
    fn cmp(&self, other: &Msg) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

// ---- the system -----------------------------------------------------------------

/// A scenario under a design, as actors.
#[derive(Clone)]
pub struct Actors {
    system: System,
}

/// The model to hand to stateright's Explorer, with every message to be seen:
/// `actors::explorable(scenario, program)?.checker().serve("localhost:3000")`.
///
/// # Errors
/// [`Unfit`] if scenario and design do not go together.
pub fn explorable(mut scenario: Scenario, program: Program) -> Result<Actors, Unfit> {
    scenario.switches.message_fusion = false;
    Actors::new(scenario, program)
}

impl Actors {
    /// Puts a scenario under a design.
    ///
    /// # Errors
    /// [`Unfit`] if the two do not go together.
    pub fn new(scenario: Scenario, program: Program) -> Result<Actors, Unfit> {
        Ok(Actors::of(Cluster::new(scenario, program)?))
    }

    /// The same scenario and design in this form.
    pub fn of(cluster: Cluster) -> Actors {
        let cluster = Arc::new(cluster);
        let scenario = cluster.scenario();
        let nodes = (0..scenario.nodes).map(|node| Member::Node {
            cluster: cluster.clone(),
            node,
        });
        let lock_spaces = match scenario.lock {
            LockManager::Nolock => 0,
            LockManager::Dlm => scenario.files.len() as u8,
        };
        let lock_spaces = (0..lock_spaces).map(|file| Member::LockSpace {
            cluster: cluster.clone(),
            file,
        });
        let system = ActorModel::new(cluster.clone(), Budgets::default())
            .actors(nodes.chain(lock_spaces))
            .init_network(Network::new_ordered([]));
        Actors { system }
    }

    /// The scenario under the design, in its packed form.
    pub fn cluster(&self) -> &Cluster {
        &self.system.cfg
    }

    /// Stateright's model of the actors, without the rules that no actor can follow.
    pub fn system(&self) -> &System {
        &self.system
    }

    fn scenario(&self) -> &Scenario {
        self.cluster().scenario()
    }

    fn nodes(&self) -> usize {
        self.scenario().nodes as usize
    }

    fn lock_space(&self, file: usize) -> Id {
        Id::from(self.nodes() + file)
    }

    /// The cluster's state that is the same as this one.
    pub fn project(&self, state: &SystemState) -> State {
        let mut projected = State {
            budgets: state.history,
            ..State::default()
        };
        for (i, member) in state.actor_states.iter().enumerate() {
            match **member {
                MemberState::Node(node) => projected.nodes[i] = node,
                MemberState::LockSpace(resource) => {
                    let file = i - self.nodes();
                    projected.resources[file] = resource;
                    for node in 0..self.nodes() {
                        projected.channels[node][file] = self.channel(state, node, file);
                    }
                }
            }
        }
        projected
    }

    /// The state that is the same as this one of the cluster: the inverse of
    /// [`Actors::project`].
    pub fn embed(&self, state: &State) -> SystemState {
        let mut embedded = self.system.init_states().remove(0);
        embedded.history = state.budgets;
        for (i, member) in embedded.actor_states.iter_mut().enumerate() {
            *member = Arc::new(match **member {
                MemberState::Node(_) => MemberState::Node(state.nodes[i]),
                MemberState::LockSpace(_) => {
                    MemberState::LockSpace(state.resources[i - self.nodes()])
                }
            });
        }
        for node in 0..self.nodes() {
            for file in 0..self.scenario().files.len() {
                let channel = &state.channels[node][file];
                let (here, there) = (Id::from(node), self.lock_space(file));
                let request = channel.request.map(Msg::Request).into_iter();
                set_flow(&mut embedded, here, there, request.collect());
                let messages = channel.messages().map(Msg::from);
                set_flow(&mut embedded, there, here, messages.collect());
            }
        }
        embedded
    }

    /// The messages between a node and the lock space of a file.
    fn channel(&self, state: &SystemState, node: usize, file: usize) -> Channel {
        let (here, there) = (Id::from(node), self.lock_space(file));
        let mut channel = Channel::with_request(flow(state, here, there).find_map(Msg::request));
        let messages = flow(state, there, here).filter_map(Msg::message);
        for message in messages.take(CHANNEL) {
            channel.push_raw(message);
        }
        channel
    }

    /// The same step in the cluster. None if it is no step of a cluster.
    pub fn cluster_action(&self, action: &SystemAction) -> Option<Action> {
        match *action {
            ActorModelAction::Deliver { src, dst, .. } => {
                let (src, dst) = (usize::from(src), usize::from(dst));
                let (node, file) = (src.min(dst), src.max(dst) - self.nodes());
                let (node, file) = (node as u8, file as u8);
                Some(if dst < self.nodes() {
                    Action::Deliver { node, file }
                } else {
                    Action::Server { node, file }
                })
            }
            ActorModelAction::Timeout(id, timer) => {
                let node = usize::from(id) as u8;
                Some(match timer {
                    Timer::Start { task } => Action::Start { task },
                    Timer::Task { task, choice } => Action::Task { task, choice },
                    Timer::Worker { file } => Action::Worker { node, file },
                    Timer::Expire { file } => Action::Expire { node, file },
                    Timer::Demand { demand } => Action::Demand { demand },
                    Timer::Append { file } => Action::Append { file },
                    Timer::Shrink { file } => Action::Shrink { node, file },
                    Timer::ReclaimPage { file, page } => Action::ReclaimPage { node, file, page },
                    Timer::ReclaimAnon { vpage } => Action::ReclaimAnon { vpage },
                })
            }
            _ => None,
        }
    }

    /// Is every operation over? Threads of the environment may never have begun.
    pub fn is_finished(&self, state: &SystemState) -> bool {
        self.cluster().is_finished(&self.project(state))
    }

    /// Has a kernel BUG been hit? Then nothing moves any more.
    pub fn is_down(&self, state: &SystemState) -> bool {
        state.actor_states.iter().any(|member| match &**member {
            MemberState::Node(node) => node.is_down(),
            MemberState::LockSpace(_) => false,
        })
    }

    /// Do the rules that concern more than one actor let this step happen?
    fn allows(&self, state: &SystemState, action: &SystemAction) -> bool {
        match *action {
            _ if self.is_down(state) => false,
            ActorModelAction::Deliver { dst, .. } => {
                usize::from(dst) < self.nodes() || {
                    let file = usize::from(dst) - self.nodes();
                    (0..self.nodes()).all(|n| self.channel(state, n, file).has_room())
                }
            }
            ActorModelAction::Timeout(_, timer) => timer
                .budget(self.scenario(), &mut state.history.clone())
                .is_none_or(|left| *left > 0),
            _ => true,
        }
    }

    /// Is the step a timer whose step is blocked?
    fn is_blocked(&self, state: &SystemState, action: &SystemAction) -> bool {
        let ActorModelAction::Timeout(id, timer) = *action else {
            return false;
        };
        let MemberState::Node(node) = &*state.actor_states[usize::from(id)] else {
            return true; // a lock space has no timers
        };
        let (mut next, mut sent) = (*node, Outgoing::default());
        let (cluster, node) = (self.cluster(), usize::from(id) as u8);
        timer.fires(cluster, node, &mut next, &mut sent) == Step::Blocked
    }

    /// Merges callbacks on their way from a lock space, as [`Channel::push`] does.
    fn merge(&self, state: &mut SystemState, lock_space: Id) {
        for node in (0..self.nodes()).map(Id::from) {
            let mut merged = Channel::default();
            for message in flow(state, lock_space, node).filter_map(Msg::message) {
                merged.push(message);
            }
            let merged = merged.messages().map(Msg::from).collect();
            set_flow(state, lock_space, node, merged);
        }
    }

    /// Message fusion: answers that nothing precedes are delivered, and the worker
    /// looks at them.
    fn deliver_answers(&self, mut state: SystemState, lock_space: Id) -> SystemState {
        let file = (usize::from(lock_space) - self.nodes()) as u8;
        for node in (0..self.nodes()).map(Id::from) {
            let Some(msg @ (Msg::Grant | Msg::Refuse)) = flow(&state, lock_space, node).next()
            else {
                continue;
            };
            let (src, dst) = (lock_space, node);
            let deliver = ActorModelAction::Deliver { src, dst, msg };
            let work = ActorModelAction::Timeout(node, Timer::Worker { file });
            for action in [deliver, work] {
                if let Some(next) = self.system.next_state(&state, action) {
                    state = next;
                }
            }
        }
        state
    }

    /// What happens inside a step, in order.
    fn events(&self, state: &SystemState, action: &SystemAction) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(action) = self.cluster_action(action) {
            self.cluster()
                .step(&self.project(state), action, &mut events);
        }
        events
    }
}

/// The messages from one actor to another, oldest first.
fn flow(state: &SystemState, src: Id, dst: Id) -> impl Iterator<Item = Msg> + '_ {
    let Network::Ordered(flows) = &state.network else {
        unreachable!("the network keeps messages in order");
    };
    flows.get(&(src, dst)).into_iter().flatten().copied()
}

/// Replaces the messages from one actor to another.
fn set_flow(state: &mut SystemState, src: Id, dst: Id, messages: VecDeque<Msg>) {
    let Network::Ordered(flows) = &mut state.network else {
        unreachable!("the network keeps messages in order");
    };
    if messages.is_empty() {
        flows.remove(&(src, dst));
    } else {
        flows.insert((src, dst), messages);
    }
}

impl Model for Actors {
    type State = SystemState;
    type Action = SystemAction;

    fn init_states(&self) -> Vec<SystemState> {
        let initial = self.cluster().initial_states();
        initial.iter().map(|state| self.embed(state)).collect()
    }

    fn actions(&self, state: &SystemState, actions: &mut Vec<SystemAction>) {
        self.system.actions(state, actions);
        actions.retain(|action| self.allows(state, action) && !self.is_blocked(state, action));
    }

    fn next_state(&self, state: &SystemState, action: SystemAction) -> Option<SystemState> {
        if !self.allows(state, &action) {
            return None;
        }
        let mut next = self.system.next_state(state, action.clone())?;
        match action {
            ActorModelAction::Deliver { dst, .. } if usize::from(dst) >= self.nodes() => {
                self.merge(&mut next, dst);
                if self.scenario().switches.message_fusion {
                    next = self.deliver_answers(next, dst);
                }
            }
            ActorModelAction::Timeout(_, timer) => {
                if let Some(left) = timer.budget(self.scenario(), &mut next.history) {
                    *left -= 1;
                }
            }
            _ => {}
        }
        Some(next)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        properties().into()
    }

    fn format_action(&self, action: &SystemAction) -> String {
        text::action(self.cluster(), action)
    }

    fn format_step(&self, state: &SystemState, action: SystemAction) -> Option<String> {
        let next = self.next_state(state, action.clone())?;
        let events = self.events(state, &action);
        Some(text::step(self.cluster(), &events, &action, &next))
    }

    fn as_svg(&self, path: stateright::Path<SystemState, SystemAction>) -> Option<String> {
        self.system.as_svg(path)
    }
}

/// The properties in stateright's form, in the order of [`Property::SAFETY`].
fn properties() -> [stateright::Property<Actors>; Property::SAFETY.len()] {
    fn holds<const P: usize>(actors: &Actors, state: &SystemState) -> bool {
        Property::SAFETY[P].holds(actors.cluster(), &actors.project(state)) != Some(false)
    }
    fn always<const P: usize>() -> stateright::Property<Actors> {
        stateright::Property::<Actors>::always(Property::SAFETY[P].name(), holds::<P>)
    }
    [
        always::<0>(),
        always::<1>(),
        always::<2>(),
        always::<3>(),
        always::<4>(),
        always::<5>(),
        always::<6>(),
        always::<7>(),
        always::<8>(),
        always::<9>(),
    ]
}
