//! A cluster by the numbers of its parts, and its steps by what they were before.
//!
//! Of a large cluster's states there are millions, of the states of one of its nodes some
//! thousands: what a node has, with the messages from it and to it, is kept once and
//! known by a number, and so is what the lock space has. A state is then three or four
//! small numbers ([`Joint`]): state-vector compression by COLLAPSE (Holzmann, State
//! Compression in SPIN, 1997).
//!
//! Nearly every step concerns one node alone, so that it need be worked out once for
//! every state of that node, whatever the rest is like: this is how LTSmin gets along
//! with slow models (Blom, van de Pol, Weber, LTSmin: Distributed and Symbolic
//! Reachability, 2010). What a step may look at is not declared here, it is what the
//! code is given: the steps of a node are methods of [`Node`](crate::node::Node). Of the
//! environment's steps, each is one of a node, and takes from one budget. The lock
//! space handles a request by a method of [`Resource`]; what comes of it is messages,
//! and what a node makes of these concerns that node alone.
//!
//! Predicates go the same way: of each node by itself, of the lock space by itself, and
//! the wait-for graph is put together from what each node adds to it
//! ([`waits::View`]). Under designs with weak holders that cannot be done, and the whole
//! state is looked at whenever a task sleeps.
//!
//! Nothing of this changes what a state, a step or a verdict is. A test compares the two
//! forms step by step, of every state of every small cell.

use super::{Action, Budgets, Cluster, MAX_DEMANDS, State};
use crate::event::{NoSink, Sink};
use crate::glock::{Glock, Request};
use crate::lockspace::{Message, Resource};
use crate::mode::Mode;
use crate::pack::{self, Shape};
use crate::property::{self, Property};
use crate::scenario::{MAX_FILES, MAX_NODES};
use crate::waits;
use arrayvec::ArrayVec;
use glock_parts::{Memo, Numbered};
use hashbrown::Equivalent;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// A state by the numbers of its parts. Equal states have equal numbers, within one
/// [`Collapsed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Joint {
    nodes: [u32; MAX_NODES],
    /// The lock space and the budgets.
    rest: u32,
}

/// Hears of steps when they are worked out, which is once, or now and then once more.
///
/// What is handed over as the state is what the step may look at, and nothing of the rest.
/// A step that goes through the lock space is told of in pieces: what that does, and what
/// each node makes of it.
pub trait Listener {
    /// What is told of what happens inside a step.
    type Sink: Sink;

    /// Called for what happens inside the step under way.
    fn sink(&mut self) -> &mut Self::Sink;

    /// The step under way was taken and led to `next`.
    fn taken(&mut self, action: Action, next: &State);
}

impl Listener for NoSink {
    type Sink = NoSink;

    fn sink(&mut self) -> &mut NoSink {
        self
    }

    fn taken(&mut self, _: Action, _: &State) {}
}

/// A cluster whose states are [`Joint`]s. It grows while it is asked.
pub struct Collapsed<'c> {
    cluster: &'c Cluster,
    widths: Widths,
    nodes: Vec<NodeTable>,
    rests: Numbered<Rest>,
    /// What the lock space has, of all files.
    lock_spaces: Numbered<[Resource; MAX_FILES]>,
    served: Numbered<Served>,
    messages: Numbered<ToNode>,
    /// What a request, or a message, was found to lead to.
    memo: Memo<24>,
    /// Whether these views and this lock space have a cycle of waits.
    cycles: Memo<1>,
    /// A number did not fit its place.
    full: AtomicBool,
    /// Memory of lists of steps.
    list_bytes: AtomicUsize,
}

/// How many bits of the packed words a number may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Widths {
    words: usize,
    node: u32,
    rest: u32,
}

/// What one node has.
struct NodeTable {
    shapes: Vec<Shape>,
    words: usize,
    parts: Numbered<NodePart>,
    views: Numbered<waits::View>,
    /// The budgets from which steps of this node are taken.
    budgets: Vec<Budget>,
}

/// Steps of a node, worked out when they are asked for first.
type StepsOnce = OnceLock<Box<[NodeStep]>>;

/// A state of one node, with the messages from it and to it. What is asked of every state
/// stands first, close together.
#[repr(C)]
struct NodePart {
    steps: StepsOnce,
    /// Properties it violates by itself.
    violated: u16,
    /// Number of its [`waits::View`], or [`NO_VIEW`].
    view: u16,
    flags: u8,
    files: [Exchange; MAX_FILES],
    /// Steps taken from a budget, as [`NodeTable::budgets`]; none if that is empty.
    paid: Option<Box<[StepsOnce]>>,
    words: Box<[u64]>,
}

impl NodePart {
    const DOWN: u8 = 1;
    const FINISHED: u8 = 2;
    const MAY_EXPIRE: u8 = 4;
    const SLEEPS: u8 = 8;

    #[inline]
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The design has none, or they are too many.
const NO_VIEW: u16 = u16::MAX;

impl PartialEq for NodePart {
    fn eq(&self, other: &NodePart) -> bool {
        self.words == other.words
    }
}

impl Eq for NodePart {}

impl Hash for NodePart {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.words.hash(state);
    }
}

/// By its packed words.
#[derive(Hash)]
struct ByWords<'a>(&'a [u64]);

impl Equivalent<NodePart> for ByWords<'_> {
    fn equivalent(&self, part: &NodePart) -> bool {
        *self.0 == *part.words
    }
}

/// What the lock space sees of a node and a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Exchange(u8);

impl Exchange {
    const REQUEST: u8 = 1;
    const NO_ROOM: u8 = 2;
    const ANSWERED: u8 = 4;

    /// Is there a request?
    #[inline]
    fn request(self) -> bool {
        self.0 & Exchange::REQUEST != 0
    }

    /// Which request that is: a number below 32.
    #[inline]
    fn request_code(self) -> u64 {
        u64::from(self.0 >> 3)
    }

    /// Is the next message to the node an answer?
    #[inline]
    fn answered(self) -> bool {
        self.0 & Exchange::ANSWERED != 0
    }

    /// Is there room for what the lock space may send?
    #[inline]
    fn has_room(self) -> bool {
        self.0 & Exchange::NO_ROOM == 0
    }
}

/// A number for a request, below 32.
fn code_of(request: Request) -> u8 {
    let flag = |flag, bit| u8::from(flag) << bit;
    request.mode as u8
        | flag(request.noqueue, 2)
        | flag(request.noqueuebast, 3)
        | flag(request.quecvt, 4)
}

fn request_of(code: u64) -> Request {
    let code = code as u8;
    Request {
        mode: Mode::from_bits(code & 3),
        noqueue: code & 4 != 0,
        noqueuebast: code & 8 != 0,
        quecvt: code & 16 != 0,
    }
}

/// A step of one node.
#[derive(Clone, Copy, Debug)]
struct NodeStep {
    action: Action,
    /// Its place in the order of all steps out of a state.
    rank: u16,
    /// Number of the state of the node it leads to.
    to: u32,
}

/// What may run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Budget {
    Reclaim,
    Shrink,
    Expire,
    Demand(u8),
    Append(u8),
}

const BUDGETS: usize = 3 + MAX_DEMANDS + MAX_FILES;

impl Budget {
    const ALL: [Budget; BUDGETS] = [
        Budget::Reclaim,
        Budget::Shrink,
        Budget::Expire,
        Budget::Demand(0),
        Budget::Demand(1),
        Budget::Demand(2),
        Budget::Demand(3),
        Budget::Append(0),
        Budget::Append(1),
        Budget::Append(2),
    ];

    fn index(self) -> usize {
        match self {
            Budget::Reclaim => 0,
            Budget::Shrink => 1,
            Budget::Expire => 2,
            Budget::Demand(d) => 3 + d as usize,
            Budget::Append(f) => 3 + MAX_DEMANDS + f as usize,
        }
    }

    /// What is left of it.
    #[inline]
    fn left(self, budgets: &Budgets) -> u8 {
        match self {
            Budget::Reclaim => budgets.reclaim,
            Budget::Shrink => budgets.shrink,
            Budget::Expire => budgets.expire,
            Budget::Demand(d) => budgets.demands[d as usize],
            Budget::Append(f) => budgets.appends[f as usize],
        }
    }

    fn left_mut(self, budgets: &mut Budgets) -> &mut u8 {
        match self {
            Budget::Reclaim => &mut budgets.reclaim,
            Budget::Shrink => &mut budgets.shrink,
            Budget::Expire => &mut budgets.expire,
            Budget::Demand(d) => &mut budgets.demands[d as usize],
            Budget::Append(f) => &mut budgets.appends[f as usize],
        }
    }
}

/// The lock space and the budgets.
struct Rest {
    /// Number of what the lock space has.
    lock_space: u32,
    budgets: Budgets,
    /// Properties the lock space violates by itself.
    violated: u16,
    /// The number of the same with one taken from a budget, or [`UNKNOWN`].
    less: [AtomicU32; BUDGETS],
}

const UNKNOWN: u32 = u32::MAX;

impl PartialEq for Rest {
    fn eq(&self, other: &Rest) -> bool {
        (self.lock_space, self.budgets) == (other.lock_space, other.budgets)
    }
}

impl Eq for Rest {}

impl Hash for Rest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.lock_space, self.budgets).hash(state);
    }
}

#[derive(Hash)]
struct RestKey(u32, Budgets);

impl Equivalent<Rest> for RestKey {
    fn equivalent(&self, rest: &Rest) -> bool {
        (self.0, self.1) == (rest.lock_space, rest.budgets)
    }
}

/// What comes of a request to the lock space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Served {
    rest: u32,
    /// Per node, the number of what it gets ([`ToNode`]).
    messages: [u32; MAX_NODES],
}

/// What the lock space sends to a node about a file in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ToNode {
    file: u8,
    /// Has it taken the node's request?
    took: bool,
    /// Oldest first; a step sends no more ([`crate::lockspace::CHANNEL`]).
    messages: [Option<Message>; 2],
}

impl ToNode {
    const fn nothing(file: u8) -> ToNode {
        ToNode {
            file,
            took: false,
            messages: [None; 2],
        }
    }
}

/// Steps that stand in line to be visited.
struct Line<'a> {
    steps: &'a [NodeStep],
    node: usize,
    rest: u32,
}

const LINES: usize = MAX_NODES * (1 + BUDGETS);

impl<'c> Collapsed<'c> {
    /// A cluster of which nothing is known yet. States take one 64-bit word if there are
    /// at most two nodes; if the numbers grow too large for that, it is
    /// [full](Collapsed::is_full).
    pub fn new(cluster: &'c Cluster) -> Collapsed<'c> {
        match cluster.scenario.nodes {
            1 => Collapsed::in_bits(cluster, 32, 32),
            2 => Collapsed::in_bits(cluster, 24, 16),
            _ => Collapsed::wide(cluster),
        }
    }

    /// As [`Collapsed::new`], with room in the words for all numbers there can be.
    pub fn wide(cluster: &'c Cluster) -> Collapsed<'c> {
        let widths = Widths {
            words: (cluster.scenario.nodes as usize + 1).div_ceil(2),
            node: 32,
            rest: 32,
        };
        Collapsed::with(cluster, widths)
    }

    /// As [`Collapsed::new`], in one 64-bit word with so many bits for the number of what a
    /// node has, and for that of the rest.
    ///
    /// # Panics
    /// If that is more than 64 bits in all, or more than 32 for a number.
    pub fn in_bits(cluster: &'c Cluster, node: u32, rest: u32) -> Collapsed<'c> {
        let bits = node * u32::from(cluster.scenario.nodes) + rest;
        assert!(bits <= 64 && node <= 32 && rest <= 32, "too many bits");
        let words = 1;
        Collapsed::with(cluster, Widths { words, node, rest })
    }

    fn with(cluster: &'c Cluster, widths: Widths) -> Collapsed<'c> {
        let nodes = 0..cluster.scenario.nodes as usize;
        let collapsed = Collapsed {
            cluster,
            widths,
            nodes: nodes.map(|n| NodeTable::new(cluster, n)).collect(),
            rests: Numbered::default(),
            lock_spaces: Numbered::default(),
            served: Numbered::default(),
            messages: Numbered::default(),
            memo: Memo::default(),
            cycles: Memo::default(),
            full: AtomicBool::new(false),
            list_bytes: AtomicUsize::new(0),
        };
        // So that nothing for a file has the number of the file.
        for file in 0..cluster.scenario.files.len() as u8 {
            collapsed.messages.number(ToNode::nothing(file));
        }
        collapsed
    }

    /// The cluster.
    pub fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    // ---- states -----------------------------------------------------------------

    /// Number of 64-bit words a packed state takes.
    pub fn words(&self) -> usize {
        self.widths.words
    }

    /// Was there a state whose numbers are too large for its words? Whatever was said
    /// of states since is void; [`Collapsed::wide`] has room.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Packs a state; equal states, and no others, give equal words, unless
    /// [full](Collapsed::is_full).
    #[inline]
    pub fn pack(&self, joint: Joint, out: &mut [u64]) {
        let Widths { words, node, rest } = self.widths;
        let nodes = &joint.nodes[..self.nodes.len()];
        if words > 1 {
            let mut numbers = nodes.iter().chain([&joint.rest]);
            for word in out {
                let mut half = || u64::from(numbers.next().copied().unwrap_or(0));
                *word = half() | half() << 32;
            }
            return;
        }
        let mut word = u64::from(joint.rest);
        let mut lost = word >> rest;
        for &number in nodes.iter().rev() {
            lost |= u64::from(number) >> node;
            word = word << node | u64::from(number);
        }
        if lost != 0 {
            self.full.store(true, Ordering::Relaxed);
            word = 0; // what was numbered first of everything, so that it can be unpacked
        }
        out[0] = word;
    }

    /// The state that was packed.
    #[inline]
    pub fn unpack(&self, words: &[u64]) -> Joint {
        let mut joint = Joint::default();
        let nodes = self.nodes.len();
        if self.widths.words > 1 {
            let number = |i: usize| (words[i / 2] >> (i % 2 * 32)) as u32;
            (0..nodes).for_each(|n| joint.nodes[n] = number(n));
            joint.rest = number(nodes);
            return joint;
        }
        let mut word = words[0];
        for number in &mut joint.nodes[..nodes] {
            *number = (word & ((1 << self.widths.node) - 1)) as u32;
            word >>= self.widths.node;
        }
        joint.rest = word as u32;
        joint
    }

    /// All initial states.
    pub fn initial_states(&self) -> Vec<Joint> {
        let states = self.cluster.initial_states_one_by_one();
        states.map(|state| self.joint(&state)).collect()
    }

    /// A state by its numbers.
    pub fn joint(&self, state: &State) -> Joint {
        let mut joint = Joint::default();
        for n in 0..self.nodes.len() {
            let mut alone = self.cluster.blank;
            alone.nodes[n] = state.nodes[n];
            alone.channels[n] = state.channels[n];
            joint.nodes[n] = self.node_number(n, &alone);
        }
        let lock_space = self.lock_spaces.number(state.resources);
        joint.rest = self.rest_number(lock_space, state.budgets);
        joint
    }

    /// The whole state.
    pub fn state(&self, joint: Joint) -> State {
        let rest = self.rests.get(joint.rest);
        let mut state = self.cluster.blank;
        for n in 0..self.nodes.len() {
            let alone = self.alone(n, joint.nodes[n]);
            state.nodes[n] = alone.nodes[n];
            state.channels[n] = alone.channels[n];
        }
        state.resources = *self.lock_spaces.get(rest.lock_space);
        state.budgets = rest.budgets;
        state
    }

    /// A state in which there is only this of one node.
    fn alone(&self, n: usize, part: u32) -> State {
        let table = &self.nodes[n];
        let words = &table.parts.get(part).words;
        self.cluster.unpack_node(n, &table.shapes, words)
    }

    /// The number of what the node has in a state in which there is nothing else.
    fn node_number(&self, n: usize, alone: &State) -> u32 {
        let table = &self.nodes[n];
        let mut words = ArrayVec::<u64, MAX_WORDS>::new();
        words.extend((0..table.words).map(|_| 0));
        self.cluster.pack_node(n, &table.shapes, alone, &mut words);
        self.number_of_words(n, &words, alone)
    }

    /// As [`Collapsed::node_number`], where a step has led there from the state of the node
    /// with the number `from`.
    fn next_number(&self, n: usize, from: u32, before: &State, alone: &State) -> u32 {
        let table = &self.nodes[n];
        let mut words = ArrayVec::<u64, MAX_WORDS>::new();
        words.extend(table.parts.get(from).words.iter().copied());
        self.cluster
            .repack_node(n, &table.shapes, before, alone, &mut words);
        self.number_of_words(n, &words, alone)
    }

    fn number_of_words(&self, n: usize, words: &[u64], alone: &State) -> u32 {
        let part = || self.node_part(n, words, alone);
        self.nodes[n].parts.number_of(&ByWords(words), part)
    }

    /// What the node has in a state in which there is nothing else.
    fn node_part(&self, n: usize, words: &[u64], alone: &State) -> NodePart {
        let (cluster, table, node) = (self.cluster, &self.nodes[n], &alone.nodes[n]);
        let view = (!cluster.program.weak_holders).then(|| waits::View::of(cluster, alone, n));
        let sleeps = match &view {
            Some(view) => view.sleeps,
            None => waits::somebody_sleeps(cluster, alone),
        };
        let flag = |flag, bit| if flag { bit } else { 0 };
        let flags = flag(node.is_down(), NodePart::DOWN)
            | flag(cluster.has_finished(n, node), NodePart::FINISHED)
            | flag(
                node.glocks.iter().any(Glock::hold_may_expire),
                NodePart::MAY_EXPIRE,
            )
            | flag(sleeps, NodePart::SLEEPS);
        let files = std::array::from_fn(|f| {
            let channel = &alone.channels[n][f];
            let request = channel.request;
            let answer = matches!(channel.first(), Some(Message::Grant | Message::Refuse));
            Exchange(
                flag(request.is_some(), Exchange::REQUEST)
                    | flag(!channel.has_room(), Exchange::NO_ROOM)
                    | flag(answer, Exchange::ANSWERED)
                    | request.map_or(0, |request| code_of(request) << 3),
            )
        });
        let paid = (!table.budgets.is_empty()).then(|| {
            self.count_list::<StepsOnce>(table.budgets.len());
            table.budgets.iter().map(|_| OnceLock::new()).collect()
        });
        NodePart {
            steps: OnceLock::new(),
            violated: property::violated_on_node(cluster, alone, n) as u16,
            view: view.map_or(NO_VIEW, |view| {
                let number = table.views.number(view);
                u16::try_from(number).unwrap_or(NO_VIEW)
            }),
            flags,
            files,
            paid,
            words: words.into(),
        }
    }

    fn rest_number(&self, lock_space: u32, budgets: Budgets) -> u32 {
        self.rests.number_of(&RestKey(lock_space, budgets), || {
            let resources = self.lock_spaces.get(lock_space);
            Rest {
                lock_space,
                budgets,
                violated: property::violated_in_lock_space(self.cluster, resources) as u16,
                less: [const { AtomicU32::new(UNKNOWN) }; BUDGETS],
            }
        })
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        let nodes = self.nodes.iter().map(|table| {
            let words = table.parts.len() * (table.words * size_of::<u64>() + ALLOCATED);
            words + table.parts.bytes() + table.views.bytes()
        });
        nodes.sum::<usize>()
            + self.rests.bytes()
            + self.lock_spaces.bytes()
            + self.served.bytes()
            + self.messages.bytes()
            + self.memo.bytes()
            + self.cycles.bytes()
            + self.list_bytes.load(Ordering::Relaxed)
    }

    // ---- predicates -------------------------------------------------------------

    #[inline]
    fn parts(&self, joint: Joint) -> impl Iterator<Item = &NodePart> {
        let tables = self.nodes.iter().zip(joint.nodes);
        tables.map(|(table, number)| table.parts.get(number))
    }

    /// As [`Cluster::is_down`].
    #[inline]
    pub fn is_down(&self, joint: Joint) -> bool {
        self.parts(joint).any(|part| part.has(NodePart::DOWN))
    }

    /// As [`Cluster::is_finished`].
    #[inline]
    pub fn is_finished(&self, joint: Joint) -> bool {
        self.parts(joint).all(|part| part.has(NodePart::FINISHED))
    }

    /// As [`Cluster::is_out_of_time`].
    #[inline]
    pub fn is_out_of_time(&self, joint: Joint) -> bool {
        self.cluster.scenario.events.expire.is_some()
            && self.rests.get(joint.rest).budgets.expire == 0
            && self.parts(joint).any(|part| part.has(NodePart::MAY_EXPIRE))
    }

    /// As [`property::violated`].
    #[inline]
    pub fn violated(&self, joint: Joint) -> u64 {
        let mut bits = self.rests.get(joint.rest).violated;
        let mut flags = 0;
        for part in self.parts(joint) {
            bits |= part.violated;
            flags |= part.flags;
        }
        match flags & NodePart::SLEEPS != 0 && self.is_cyclic(joint) {
            true => u64::from(bits) | Property::NoDeadlock.bit(),
            false => u64::from(bits),
        }
    }

    /// Is there a cycle of waits? Some task sleeps.
    fn is_cyclic(&self, joint: Joint) -> bool {
        // 62 bits for the key.
        let width = 46 / self.nodes.len() as u32;
        let lock_space = self.rests.get(joint.rest).lock_space;
        let mut key = u64::from(lock_space);
        let mut fits = lock_space >> 16 == 0;
        for part in self.parts(joint) {
            if part.view == NO_VIEW {
                return waits::cycle(self.cluster, &self.state(joint)).is_some();
            }
            fits &= u64::from(part.view) >> width == 0;
            key = key << width | u64::from(part.view);
        }
        if let Some(known) = self.cycles.get(key).filter(|_| fits) {
            return known == 1;
        }
        let tables = self.nodes.iter().zip(self.parts(joint));
        let views: ArrayVec<&waits::View, MAX_NODES> = tables
            .map(|(table, part)| table.views.get(part.view.into()))
            .collect();
        let resources = &self.lock_spaces.get(lock_space)[..self.cluster.scenario.files.len()];
        let is_cyclic = waits::is_cyclic(&views, resources);
        if fits {
            self.cycles.keep(key, u64::from(is_cyclic));
        }
        is_cyclic
    }

    // ---- steps ------------------------------------------------------------------

    /// As [`Cluster::successors`], in the same order.
    #[inline]
    pub fn successors<L: Listener>(
        &self,
        joint: Joint,
        listener: &mut L,
        visit: &mut impl FnMut(Action, Joint),
    ) {
        let mut lines = ArrayVec::<Line<'_>, LINES>::new();
        let mut asks = 0_u32;
        for (n, table) in self.nodes.iter().enumerate() {
            let part = table.parts.get(joint.nodes[n]);
            if part.has(NodePart::DOWN) {
                return;
            }
            let rest = joint.rest;
            let steps = match part.steps.get() {
                Some(steps) => steps,
                None => self.steps_of_node(n, joint.nodes[n], part, listener),
            };
            lines.push(Line {
                steps,
                node: n,
                rest,
            });
            for (f, exchange) in part.files.iter().enumerate() {
                asks |= u32::from(exchange.request()) << (n * MAX_FILES + f);
            }
            if let Some(paid) = &part.paid {
                self.line_up_paid(n, joint, paid, listener, &mut lines);
            }
        }
        loop {
            let ranks = lines
                .iter()
                .map(|line| line.steps.first().map_or(LAST, |s| s.rank));
            let (first, rank) = ranks
                .enumerate()
                .fold((0, LAST), |(best, least), (i, rank)| {
                    if rank < least {
                        (i, rank)
                    } else {
                        (best, least)
                    }
                });
            let asking = asks.trailing_zeros() as usize;
            if asks != 0 && rank_of_glock(asking, Action::Server { node: 0, file: 0 }) < rank {
                asks &= asks - 1;
                let (n, f) = (asking / MAX_FILES, asking % MAX_FILES);
                if let Some(next) = self.serve(joint, n, f, listener) {
                    let (node, file) = (n as u8, f as u8);
                    visit(Action::Server { node, file }, next);
                }
                continue;
            }
            if rank == LAST {
                return;
            }
            let line = &mut lines[first];
            let step = line.steps[0];
            line.steps = &line.steps[1..];
            let mut next = joint;
            next.nodes[line.node] = step.to;
            next.rest = line.rest;
            visit(step.action, next);
        }
    }

    /// Puts the steps of a node in line that are taken from a budget.
    fn line_up_paid<'a, L: Listener>(
        &'a self,
        n: usize,
        joint: Joint,
        paid: &'a [StepsOnce],
        listener: &mut L,
        lines: &mut ArrayVec<Line<'a>, LINES>,
    ) {
        let rest = self.rests.get(joint.rest);
        for (i, &budget) in self.nodes[n].budgets.iter().enumerate() {
            if budget.left(&rest.budgets) == 0 {
                continue;
            }
            let steps = paid[i].get_or_init(|| {
                let mut alone = self.alone(n, joint.nodes[n]);
                *budget.left_mut(&mut alone.budgets) = 1;
                let mut actions = Vec::new();
                self.cluster.for_each_environment(&alone, &mut |action| {
                    if self.node_concerned(action) == Some(n) {
                        actions.push(action);
                    }
                });
                if budget == Budget::Expire {
                    self.for_each_of_glocks(n, &alone, &mut |action| {
                        if matches!(action, Action::Expire { .. }) {
                            actions.push(action);
                        }
                    });
                }
                self.work_out(n, joint.nodes[n], &alone, &actions, listener)
            });
            if !steps.is_empty() {
                lines.push(Line {
                    steps,
                    node: n,
                    rest: self.less(joint.rest, budget),
                });
            }
        }
    }

    /// The number of the rest with one taken from a budget.
    fn less(&self, rest: u32, budget: Budget) -> u32 {
        let Rest {
            lock_space,
            mut budgets,
            ref less,
            ..
        } = *self.rests.get(rest);
        let less = &less[budget.index()];
        match less.load(Ordering::Acquire) {
            UNKNOWN => {
                *budget.left_mut(&mut budgets) -= 1;
                let number = self.rest_number(lock_space, budgets);
                less.store(number, Ordering::Release);
                number
            }
            number => number,
        }
    }

    /// The steps of a node that concern nothing else.
    #[cold]
    fn steps_of_node<'a, L: Listener>(
        &self,
        n: usize,
        number: u32,
        part: &'a NodePart,
        listener: &mut L,
    ) -> &'a [NodeStep] {
        part.steps.get_or_init(|| {
            let alone = self.alone(n, number);
            let mut actions = Vec::new();
            let scenario = &self.cluster.scenario;
            for task in (0..scenario.tasks.len()).filter(|&t| scenario.node_of(t) == n) {
                self.cluster
                    .for_each_of_task(&alone, task, &mut |action| actions.push(action));
            }
            self.for_each_of_glocks(n, &alone, &mut |action| {
                if !matches!(action, Action::Server { .. }) {
                    actions.push(action);
                }
            });
            // Where hold times are limited none is left, so that none expires here.
            self.work_out(n, number, &alone, &actions, listener)
        })
    }

    fn for_each_of_glocks(&self, n: usize, alone: &State, f: &mut impl FnMut(Action)) {
        for file in 0..self.cluster.scenario.files.len() as u8 {
            self.cluster.for_each_of_glock(alone, n as u8, file, f);
        }
    }

    /// Those of the actions that are enabled, with where they lead.
    fn work_out<L: Listener>(
        &self,
        n: usize,
        from: u32,
        alone: &State,
        actions: &[Action],
        listener: &mut L,
    ) -> Box<[NodeStep]> {
        let mut next = *alone;
        let mut steps = Vec::with_capacity(actions.len());
        for &action in actions {
            if self.cluster.apply(&mut next, action, listener.sink()) {
                listener.taken(action, &next);
                steps.push(NodeStep {
                    action,
                    rank: rank(action),
                    to: self.next_number(n, from, alone, &next),
                });
                next.nodes[n] = alone.nodes[n];
                next.channels[n] = alone.channels[n];
                next.budgets = alone.budgets;
                debug_assert!(next == *alone, "{action:?} changed more than node {n}");
            }
        }
        self.count_list::<NodeStep>(steps.len());
        steps.into()
    }

    fn count_list<T>(&self, items: usize) {
        if items > 0 {
            let bytes = items * size_of::<T>() + ALLOCATED;
            self.list_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The node that a step of the environment concerns.
    fn node_concerned(&self, action: Action) -> Option<usize> {
        let scenario = &self.cluster.scenario;
        match action {
            Action::Demand { demand } => {
                Some(scenario.events.demands[demand as usize].node as usize)
            }
            Action::Append { file } => scenario.appending_node(file as usize),
            Action::Shrink { node, .. } | Action::ReclaimPage { node, .. } => Some(node as usize),
            Action::ReclaimAnon { vpage } => {
                let mm = scenario.vpages[vpage as usize].mm as usize;
                Some(scenario.mms[mm].node as usize)
            }
            _ => None,
        }
    }

    // ---- the lock space ---------------------------------------------------------

    /// The lock space handles a node's request, unless there is no room for what it may
    /// send.
    fn serve<L: Listener>(
        &self,
        joint: Joint,
        n: usize,
        f: usize,
        listener: &mut L,
    ) -> Option<Joint> {
        if !self.parts(joint).all(|part| part.files[f].has_room()) {
            return None;
        }
        let code = self.nodes[n].parts.get(joint.nodes[n]).files[f].request_code();
        let place = (n * MAX_FILES + f) as u64;
        let key = u64::from(joint.rest) << 10 | place << 6 | code << 1;
        let fits = joint.rest >> 24 == 0;
        let known = self.memo.get(key).filter(|_| fits);
        let served = known.unwrap_or_else(|| {
            let served = u64::from(self.work_out_request(joint.rest, n, f, code, listener));
            if fits {
                self.memo.keep(key, served);
            }
            served
        });
        let served = self.served.get(served as u32);
        let mut next = joint;
        next.rest = served.rest;
        let fusion = self.cluster.scenario.switches.message_fusion;
        for m in 0..self.nodes.len() {
            let message = served.messages[m];
            let answered = || self.nodes[m].parts.get(joint.nodes[m]).files[f].answered();
            if message as usize != f || fusion && answered() {
                next.nodes[m] = self.send(m, joint.nodes[m], message, n, listener);
            }
        }
        Some(next)
    }

    /// What comes of a node's request.
    fn work_out_request<L: Listener>(
        &self,
        rest: u32,
        n: usize,
        f: usize,
        code: u64,
        listener: &mut L,
    ) -> u32 {
        let &Rest {
            lock_space,
            budgets,
            ..
        } = self.rests.get(rest);
        let (node, file) = (n as u8, f as u8);
        let mut all = [ToNode::nothing(file); MAX_NODES];
        all[n].took = true;
        let mut resources = *self.lock_spaces.get(lock_space);
        resources[f].request(
            node,
            file,
            request_of(code),
            &mut |to, message| {
                let messages = &mut all[to as usize].messages;
                let free = messages.iter_mut().find(|message| message.is_none());
                *free.expect("a step sends two messages at most") = Some(message);
            },
            listener.sink(),
        );
        let mut next = self.cluster.blank;
        next.resources = resources;
        listener.taken(Action::Server { node, file }, &next);
        let rest = self.rest_number(self.lock_spaces.number(resources), budgets);
        let messages = all.map(|to_node| self.messages.number(to_node));
        self.served.number(Served { rest, messages })
    }

    /// What a node has once this was sent to it, after a request of node `asking`.
    fn send<L: Listener>(
        &self,
        m: usize,
        part: u32,
        message: u32,
        asking: usize,
        listener: &mut L,
    ) -> u32 {
        let fits = part >> 24 == 0 && message >> 11 == 0;
        let key = u64::from(part) << 14 | u64::from(message) << 3 | (m as u64) << 1 | 1;
        if let Some(known) = self.memo.get(key).filter(|_| fits) {
            return known as u32;
        }
        let ToNode {
            file,
            took,
            messages,
        } = *self.messages.get(message);
        let f = file as usize;
        let before = self.alone(m, part);
        let mut alone = before;
        let channel = &mut alone.channels[m][f];
        if took {
            channel.request = None;
        }
        for message in messages.into_iter().flatten() {
            channel.push(message);
        }
        if self.cluster.scenario.switches.message_fusion {
            self.cluster
                .deliver_answer(&mut alone, m, f, listener.sink());
        }
        let node = asking as u8;
        listener.taken(Action::Server { node, file }, &alone);
        let next = self.next_number(m, part, &before, &alone);
        if fits {
            self.memo.keep(key, u64::from(next));
        }
        next
    }
}

/// No part of a state takes more.
const MAX_WORDS: usize = size_of::<State>() / size_of::<u64>();

/// What an allocation costs beside what was asked for.
const ALLOCATED: usize = 16;

impl NodeTable {
    fn new(cluster: &Cluster, n: usize) -> NodeTable {
        let shapes = cluster.measured_node(n);
        let scenario = &cluster.scenario;
        let concerned = |budget: &Budget| match *budget {
            Budget::Reclaim => scenario.events.reclaim > 0,
            Budget::Shrink => scenario.events.shrink > 0,
            Budget::Expire => scenario.events.expire.is_some(),
            Budget::Demand(d) => {
                let demand = scenario.events.demands.get(d as usize);
                demand.is_some_and(|demand| demand.node as usize == n)
            }
            Budget::Append(f) => {
                scenario.events.appends[f as usize] > 0
                    && scenario.appending_node(f as usize) == Some(n)
            }
        };
        NodeTable {
            words: pack::words(&shapes),
            shapes,
            parts: Numbered::default(),
            views: Numbered::default(),
            budgets: Budget::ALL.into_iter().filter(concerned).collect(),
        }
    }
}

/// Behind all ranks.
const LAST: u16 = u16::MAX;

/// The place of an action in the order in which [`Cluster::successors`] visits them.
fn rank(action: Action) -> u16 {
    const DEMANDS: u16 = 1 << 13;
    const APPENDS: u16 = DEMANDS + MAX_DEMANDS as u16;
    const PAGES: u16 = 1 << 14;
    const ANONYMOUS: u16 = 1 << 15;
    let glock = |node: u8, file: u8| node as usize * MAX_FILES + file as usize;
    match action {
        Action::Start { task } => u16::from(task) << 8,
        Action::Task { task, choice } => u16::from(task) << 8 | u16::from(choice),
        Action::Worker { node, file }
        | Action::Server { node, file }
        | Action::Deliver { node, file }
        | Action::Expire { node, file } => rank_of_glock(glock(node, file), action),
        Action::Demand { demand } => DEMANDS + u16::from(demand),
        Action::Append { file } => APPENDS + u16::from(file),
        Action::Shrink { node, file } => PAGES + ((glock(node, file) as u16) << 8),
        Action::ReclaimPage { node, file, page } => {
            PAGES + ((glock(node, file) as u16) << 8 | (u16::from(page) + 1))
        }
        Action::ReclaimAnon { vpage } => ANONYMOUS + u16::from(vpage),
    }
}

/// The same, of a step about this glock, counted through all nodes and files.
#[inline]
fn rank_of_glock(glock: usize, action: Action) -> u16 {
    const GLOCKS: u16 = 1 << 12;
    let kind = match action {
        Action::Worker { .. } => 0,
        Action::Server { .. } => 1,
        Action::Deliver { .. } => 2,
        _ => 3,
    };
    GLOCKS + (glock as u16) * 4 + kind
}
