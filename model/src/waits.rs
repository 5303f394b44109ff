//! Who waits for whom: the wait-for graph of a state (P14).
//!
//! Nodes are tasks, glocks' work (an xmote or a demote under way) and requests
//! queued at the lock space. An edge says "cannot go on before the other one does
//! something". Nearly all waits are AND waits: whoever has an edge waits for every one of
//! them, so a cycle is a deadlock that no later step dissolves, whatever others do. Who is
//! behind a weak holder (v5.16) and overlooked waits for anybody to have the queue looked at
//! (W1): for one of several, and for ever only if all of those do.
//! Weak holders are waited for only where nobody can take them away any more; elsewhere a
//! deadlock through them shows as one in which nobody can move, or as a call that can no
//! longer finish.

use crate::cluster::{Cluster, State};
use crate::glock::{Holder, Stage};
use crate::lockspace::{Resource, Waiting};
use crate::mode::Mode;
use crate::node::{Ctx, Node};
use crate::program::{Entry, MayGrant, NqFlags, Op};
use crate::scenario::{LockManager, MAX_FILES, MAX_NODES, MAX_TASKS, Page};
use crate::task::{Fault, Flight, Status, Sub, Wait};
use std::fmt;

/// Somebody who waits or is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Waiter {
    /// A task.
    Task(u8),
    /// The work on one node's glock: its xmote, or the demote that is due.
    Work {
        /// The node.
        node: u8,
        /// The file.
        file: u8,
    },
    /// A node's request queued at the lock space.
    Request {
        /// The node.
        node: u8,
        /// The file.
        file: u8,
    },
}

/// Number of possible waiters.
const COUNT: usize = MAX_TASKS + 2 * MAX_NODES * MAX_FILES;

impl Waiter {
    fn index(self) -> usize {
        match self {
            Waiter::Task(t) => t as usize,
            Waiter::Work { node, file } => MAX_TASKS + node as usize * MAX_FILES + file as usize,
            Waiter::Request { node, file } => {
                MAX_TASKS + (MAX_NODES + node as usize) * MAX_FILES + file as usize
            }
        }
    }

    fn from_index(index: usize) -> Waiter {
        let Some(rest) = index.checked_sub(MAX_TASKS) else {
            return Waiter::Task(index as u8);
        };
        let (node, file) = ((rest / MAX_FILES) as u8, (rest % MAX_FILES) as u8);
        match node.checked_sub(MAX_NODES as u8) {
            None => Waiter::Work { node, file },
            Some(node) => Waiter::Request { node, file },
        }
    }
}

impl fmt::Display for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiter::Task(t) => write!(f, "task {t}"),
            Waiter::Work { node, file } => write!(f, "glock {file} of node {node}"),
            Waiter::Request { node, file } => write!(f, "request of node {node} for file {file}"),
        }
    }
}

/// The wait-for graph of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Bit set of successors per waiter.
    edges: [u32; COUNT],
    /// Per waiter, those of whom one is enough for it to go on; none if it does not wait so.
    any: [u32; COUNT],
}

struct Builder<'a> {
    cluster: &'a Cluster,
    state: &'a State,
    edges: [u32; COUNT],
    any: [u32; COUNT],
}

/// The wait-for graph.
pub fn graph(cluster: &Cluster, state: &State) -> Graph {
    let mut builder = Builder {
        cluster,
        state,
        edges: [0; COUNT],
        any: [0; COUNT],
    };
    let scenario = cluster.scenario();
    for t in 0..scenario.tasks.len() {
        builder.task(t);
    }
    for n in 0..scenario.nodes as usize {
        for f in 0..scenario.files.len() {
            builder.work(n, f);
            if scenario.lock == LockManager::Dlm {
                builder.request(n, f);
            }
        }
    }
    Graph {
        edges: builder.edges,
        any: builder.any,
    }
}

/// A cycle of waits, if there is one: each waits for the next, the last for the
/// first.
pub fn cycle(cluster: &Cluster, state: &State) -> Option<Vec<Waiter>> {
    if !somebody_sleeps(cluster, state) {
        return None;
    }
    graph(cluster, state).cycle()
}

/// Every cycle goes through a task that sleeps in the kernel: in `gfs2_glock_nq`, in a
/// fault handler for i_rwsem, or in a fault that somebody else serves.
pub(crate) fn somebody_sleeps(cluster: &Cluster, state: &State) -> bool {
    (0..cluster.scenario().tasks.len()).any(|t| sleeps(cluster, state, t))
}

fn sleeps(cluster: &Cluster, state: &State, t: usize) -> bool {
    let task = &state.nodes[cluster.scenario().node_of(t)].tasks[t];
    let at = || cluster.program().code[task.nested_pc as usize].op;
    task.wait != Wait::No
        || task.fault == Fault::Handler && at() == Op::InodeLock
        || task.fault == Fault::Begin && waits_for_server(cluster, state, t).is_some()
}

/// What one node adds to the graph, whatever the others and the lock space do. There is
/// no such thing under a design with weak holders: who waits for one depends on whether
/// anybody may still ask for the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    node: u8,
    /// Does one of its tasks sleep ([`cycle`])?
    pub(crate) sleeps: bool,
    /// Whom its tasks and the work on its glocks wait for.
    edges: [u32; COUNT],
    /// Files it has asked the lock space for.
    asked: u8,
    /// Per file, whom somebody waits for who needs the file.
    owners: [u32; MAX_FILES],
}

impl View {
    /// That of a node. Of the state only this node and the messages from it and to it are
    /// looked at.
    pub(crate) fn of(cluster: &Cluster, state: &State, n: usize) -> View {
        debug_assert!(!cluster.program().weak_holders);
        let scenario = cluster.scenario();
        let mut builder = Builder {
            cluster,
            state,
            edges: [0; COUNT],
            any: [0; COUNT], // only weak holders are waited for so
        };
        let tasks = || (0..scenario.tasks.len()).filter(|&t| scenario.node_of(t) == n);
        tasks().for_each(|t| builder.task(t));
        let mut view = View {
            node: n as u8,
            sleeps: tasks().any(|t| sleeps(cluster, state, t)),
            edges: [0; COUNT],
            asked: 0,
            owners: [0; MAX_FILES],
        };
        for f in 0..scenario.files.len() {
            let asked = state.nodes[n].glocks[f].stage == Stage::Sent;
            view.asked |= u8::from(asked) << f;
            if !asked {
                builder.work(n, f);
            }
            // As an edge of a request, of which this node has none.
            let me = Waiter::Request {
                node: n as u8,
                file: f as u8,
            };
            builder.owner(me, n, f);
            view.owners[f] = std::mem::take(&mut builder.edges[me.index()]);
        }
        view.edges = builder.edges;
        view
    }
}

/// Is there a cycle of waits between these nodes, which are all, and the lock space?
pub(crate) fn is_cyclic(views: &[&View], resources: &[Resource]) -> bool {
    let mut edges = [0; COUNT];
    for view in views {
        for (all, own) in edges.iter_mut().zip(view.edges) {
            *all |= own;
        }
        for (f, resource) in resources.iter().enumerate() {
            let node = view.node;
            let file = f as u8;
            let Some(mode) = queued(resource, node as usize) else {
                continue;
            };
            let me = Waiter::Request { node, file }.index();
            if view.asked >> f & 1 == 1 {
                edges[Waiter::Work { node, file }.index()] |= 1 << me;
            }
            for other in views {
                if other.node != node
                    && !resource.locks[other.node as usize].granted.compatible(mode)
                {
                    edges[me] |= other.owners[f];
                }
            }
            for w in ahead_of(resource, node as usize) {
                let node = w.node;
                edges[me] |= 1 << Waiter::Request { node, file }.index();
            }
        }
    }
    let any = [0; COUNT];
    Graph { edges, any }.left() != 0
}

impl Graph {
    /// Whom somebody waits for.
    pub fn waits_for(&self, waiter: Waiter) -> impl Iterator<Item = Waiter> + '_ {
        let mut bits = self.successors(waiter.index());
        std::iter::from_fn(move || {
            (bits != 0).then(|| {
                let i = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                Waiter::from_index(i)
            })
        })
    }

    /// All edges.
    pub fn edges(&self) -> impl Iterator<Item = (Waiter, Waiter)> + '_ {
        (0..COUNT).flat_map(move |i| {
            let from = Waiter::from_index(i);
            self.waits_for(from).map(move |to| (from, to))
        })
    }

    /// A cycle, if there is one.
    fn cycle(&self) -> Option<Vec<Waiter>> {
        let left = self.left();
        (left != 0).then(|| self.walk(left))
    }

    fn successors(&self, i: usize) -> u32 {
        self.edges[i] | self.any[i]
    }

    /// Those who wait on one another: who is left when again and again whoever waits for
    /// nobody that is left has been taken away, and whoever can go on with one of several
    /// when one of them has.
    fn left(&self) -> u32 {
        let mut left: u32 = 0;
        for i in 0..COUNT {
            if self.successors(i) != 0 {
                left |= 1 << i;
            }
        }
        loop {
            let mut kept = 0;
            let mut bits = left;
            while bits != 0 {
                let i = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let any = self.any[i];
                if self.edges[i] & left != 0 || any != 0 && any & !left == 0 {
                    kept |= 1 << i;
                }
            }
            if kept == left {
                return left;
            }
            left = kept;
        }
    }

    /// Everybody in `left` waits for somebody in `left`: walk until one comes twice.
    fn walk(&self, left: u32) -> Vec<Waiter> {
        let mut path = Vec::new();
        let mut at = left.trailing_zeros() as usize;
        loop {
            if let Some(start) = path.iter().position(|&p| p == at) {
                return path[start..]
                    .iter()
                    .map(|&i| Waiter::from_index(i))
                    .collect();
            }
            path.push(at);
            at = (self.successors(at) & left).trailing_zeros() as usize;
        }
    }
}

impl Builder<'_> {
    fn add(&mut self, from: Waiter, to: Waiter) {
        if from != to {
            self.edges[from.index()] |= 1 << to.index();
        }
    }

    /// Is a granted holder in the way until its task gives it up? A weak one may also be
    /// taken away: by a callback while there is no strong holder, or when the last strong
    /// one leaves (W2, W5). What a local request would take away is not waited for.
    fn stays(&self, n: usize, file: usize, h: &Holder) -> bool {
        let gl = &self.state.nodes[n].glocks[file];
        !h.weak || gl.queue.first_strong_holder().is_none() && !self.may_be_called(n, file)
    }

    /// Whoever of the node can still have the queue looked at, as any request and any dequeue
    /// does, if nothing else can (W1): holders, and who is not asleep in it.
    fn who_may_look(&self, n: usize, file: usize) -> Option<u32> {
        let (ctx, node) = (self.cluster.ctx(n), &self.state.nodes[n]);
        let gl = &node.glocks[file];
        let expires = ctx.scenario.hold_time && gl.hold_may_expire();
        if gl.locked() || gl.work_queued || expires || self.may_be_called(n, file) {
            return None;
        }
        let asleep_here = |t: usize| {
            let waits = gl.queue.of(t as u8).is_some_and(|h| !h.granted);
            waits && node.tasks[t].wait == Wait::Sleeping
        };
        let may_look = |&t: &usize| {
            node.has_holder(t, file) || node.tasks[t].status != Status::Done && !asleep_here(t)
        };
        let here = (0..ctx.scenario.tasks.len()).filter(|&t| ctx.scenario.node_of(t) == n);
        Some(here.filter(may_look).fold(0, |all, t| all | 1 << t))
    }

    /// May a callback for the file still reach the node? A node asks the lock space once at
    /// a time, and while it waits for what this one owns it does not ask again (D1, D4).
    fn may_be_called(&self, n: usize, file: usize) -> bool {
        let scenario = self.cluster.scenario();
        let mut demands = scenario
            .events
            .demands
            .iter()
            .zip(self.state.budgets.demands);
        let demanded =
            demands.any(|(d, left)| left > 0 && (d.node as usize, d.file as usize) == (n, file));
        let owned = self.state.resources[file].locks[n].granted;
        let may_ask = |m: usize| {
            let tasks = &self.state.nodes[m].tasks;
            let here = |t: &usize| scenario.node_of(*t) == m;
            let queued = queued(&self.state.resources[file], m);
            (0..scenario.tasks.len())
                .filter(here)
                .any(|t| tasks[t].status != Status::Done)
                && queued.is_none_or(|mode| owned.compatible(mode))
        };
        let under_way = self.state.channels[n][file].first().is_some();
        demanded || under_way || (0..scenario.nodes as usize).any(|m| m != n && may_ask(m))
    }

    fn task(&mut self, t: usize) {
        let n = self.cluster.scenario().node_of(t);
        let (ctx, node) = (self.cluster.ctx(n), &self.state.nodes[n]);
        let task = &node.tasks[t];
        let me = Waiter::Task(t as u8);
        if task.status != Status::Running {
            return;
        }
        match task.wait {
            Wait::Sleeping => return self.sleeper(t, n),
            // Its TRY has failed, but it carries the xmote on.
            Wait::Failed => return self.xmote_runner(t, n),
            Wait::No => {}
        }
        if ctx.program.entry(Entry::Readpage).is_some()
            && let Some(owner) = node.waits_for_page(&ctx, t)
        {
            return self.add(me, Waiter::Task(owner as u8));
        }
        if task.aio.flight == Flight::Ending && task.sub == Sub::Parked {
            self.edges_to_page_locks(me, n, t);
        }
        if task.fault == Fault::Begin
            && let Some(server) = waits_for_server(self.cluster, self.state, t)
        {
            self.add(me, Waiter::Task(server as u8));
        }
        if waits_to_read_mmap(&ctx, node, t) {
            self.edge_to_mm_writers(t, n);
        } else if task.sub == Sub::MmQueued {
            self.edge_to_mm_readers(t, n);
        } else if node.runs_code(&ctx, t)
            && let Op::InodeLock = ctx.program.code[node.frame_pc(t) as usize].op
        {
            let owner = node.rwsem[node.frame_file(&ctx, t)];
            if let Some(owner) = owner.checked_sub(1) {
                // Also of itself: a fault on a page of the file it has locked.
                self.edges[me.index()] |= 1 << Waiter::Task(owner).index();
            }
        }
    }

    /// A task that carries an xmote on waits for what that waits for.
    fn xmote_runner(&mut self, t: usize, n: usize) {
        let node = &self.state.nodes[n];
        let file = node.frame_file(&self.cluster.ctx(n), t);
        if node.runs_xmote(t, file) {
            let (node, file) = (n as u8, file as u8);
            self.add(Waiter::Task(t as u8), Waiter::Work { node, file });
        }
    }

    /// A task asleep in `gfs2_glock_nq`.
    fn sleeper(&mut self, t: usize, n: usize) {
        let node = &self.state.nodes[n];
        let file = node.frame_file(&self.cluster.ctx(n), t);
        let gl = &node.glocks[file];
        let rule = self.cluster.program().kernel.may_grant;
        let me = Waiter::Task(t as u8);
        let work = Waiter::Work {
            node: n as u8,
            file: file as u8,
        };
        if node.runs_xmote(t, file) {
            self.add(me, work);
            return;
        }
        let queue = gl.queue.as_slice();
        let Some(i) = queue
            .iter()
            .position(|h| h.task as usize == t && !h.granted)
        else {
            if node.waits_for_dio(&self.cluster.ctx(n), t, file) {
                self.edges_to_dio(me, n, file);
            }
            return; // granted, about to wake up
        };
        for earlier in &queue[..i] {
            let in_the_way = match earlier.weak {
                // Those behind the first waiter wait for that.
                true => {
                    let first = queue[..i].iter().all(|h| h.granted);
                    let stuck = first && !gl.goes_with(None, &queue[i]) || gl.demote_wanted();
                    if !stuck
                        && first
                        && let Some(some) = self.who_may_look(n, file)
                    {
                        self.any[me.index()] = some;
                    }
                    stuck && self.stays(n, file, earlier)
                }
                false => !earlier.granted || blocks(rule, earlier, &queue[i]) || gl.demote_wanted(),
            };
            if !in_the_way {
                continue;
            }
            if earlier.task as usize == t {
                self.edges[me.index()] |= 1 << me.index(); // its own weak holder
            }
            self.add(me, Waiter::Task(earlier.task));
        }
        if gl.demote_wanted() {
            for later in &queue[i + 1..] {
                if later.granted {
                    self.add(me, Waiter::Task(later.task));
                }
            }
        }
        if gl.locked() {
            self.add(me, work);
        }
    }

    /// Whoever waits for direct I/O in flight waits for the task that still submits it
    /// (which may fault), or for those that keep its completion from a page. Otherwise
    /// it ends by itself.
    fn edges_to_dio(&mut self, me: Waiter, n: usize, file: usize) {
        let (ctx, node) = (self.cluster.ctx(n), &self.state.nodes[n]);
        for (t, spec) in ctx.scenario.tasks.iter().enumerate() {
            let aio = &node.tasks[t].aio;
            if spec.file as usize != file {
                continue;
            }
            match aio.flight {
                Flight::Submitting => self.add(me, Waiter::Task(t as u8)),
                Flight::Ending => self.edges_to_page_locks(me, n, t),
                Flight::None | Flight::Queued | Flight::Complete => {}
            }
        }
    }

    /// The completion of a write waits for locked pages of its range.
    fn edges_to_page_locks(&mut self, me: Waiter, n: usize, t: usize) {
        let (ctx, node) = (self.cluster.ctx(n), &self.state.nodes[n]);
        let file = ctx.scenario.tasks[t].file as usize;
        for q in node.aio_range(&ctx, t) {
            if let Some(owner) = node.page_lock_owner(&ctx, file, q) {
                // Also of itself: whoever locks a page and then waits for the completion.
                self.edges[me.index()] |= 1 << Waiter::Task(owner as u8).index();
            }
        }
    }

    fn edge_to_mm_writers(&mut self, t: usize, n: usize) {
        let ctx = self.cluster.ctx(n);
        for u in 0..ctx.scenario.tasks.len() {
            let writer = matches!(
                self.state.nodes[n].tasks[u].sub,
                Sub::MmQueued | Sub::MmHeld
            );
            if u != t && ctx.same_mm(t, u) && writer {
                self.add(Waiter::Task(t as u8), Waiter::Task(u as u8));
            }
        }
    }

    fn edge_to_mm_readers(&mut self, t: usize, n: usize) {
        let ctx = self.cluster.ctx(n);
        for u in 0..ctx.scenario.tasks.len() {
            let task = &self.state.nodes[n].tasks[u];
            if u != t && ctx.same_mm(t, u) && (task.mmap_read || task.mmap_write()) {
                self.add(Waiter::Task(t as u8), Waiter::Task(u as u8));
            }
        }
    }

    /// The work on one glock.
    fn work(&mut self, n: usize, file: usize) {
        let (ctx, node) = (self.cluster.ctx(n), &self.state.nodes[n]);
        let gl = &node.glocks[file];
        let me = Waiter::Work {
            node: n as u8,
            file: file as u8,
        };
        let pages = ctx.scenario.files[file].pages as usize;
        match gl.stage {
            Stage::Sync => {
                for q in (0..pages).filter(|&q| node.pages[file][q] == Page::Dirty) {
                    if let Some(owner) = node.page_lock_owner(&ctx, file, q) {
                        self.add(me, Waiter::Task(owner as u8));
                    }
                }
                self.edges_to_dio(me, n, file);
            }
            Stage::Inval => {
                if let Some(q) = node.next_inval(&ctx, file, gl.inval_page as usize) {
                    for owner in node.inval_waits_for(&ctx, file, q) {
                        if !node.keeps_by_bio(&ctx, owner, file, q) {
                            self.add(me, Waiter::Task(owner as u8));
                        }
                    }
                }
            }
            Stage::Sent => self.add_request_edge(me, n, file),
            Stage::Reply => {}
            Stage::Idle if gl.demote_wanted() => {
                for h in gl.queue.as_slice().iter().filter(|h| h.granted) {
                    if self.stays(n, file, h) {
                        self.add(me, Waiter::Task(h.task));
                    }
                }
            }
            Stage::Idle => {}
        }
    }

    fn add_request_edge(&mut self, me: Waiter, n: usize, file: usize) {
        if queued(&self.state.resources[file], n).is_some() {
            self.add(
                me,
                Waiter::Request {
                    node: n as u8,
                    file: file as u8,
                },
            );
        }
    }

    /// A request queued at the lock space: for owners of conflicting modes, and for
    /// everybody queued before it.
    fn request(&mut self, n: usize, file: usize) {
        let r = &self.state.resources[file];
        let Some(mode) = queued(r, n) else {
            return;
        };
        let me = Waiter::Request {
            node: n as u8,
            file: file as u8,
        };
        for m in (0..self.cluster.scenario().nodes as usize).filter(|&m| m != n) {
            if !r.locks[m].granted.compatible(mode) {
                self.owner(me, m, file);
            }
        }
        for w in ahead_of(r, n) {
            self.add(
                me,
                Waiter::Request {
                    node: w.node,
                    file: file as u8,
                },
            );
        }
    }

    /// A node that owns what a request needs: its granted holders must leave; without
    /// any its worker must act.
    fn owner(&mut self, me: Waiter, m: usize, file: usize) {
        let gl = &self.state.nodes[m].glocks[file];
        let mut holders = gl.queue.as_slice().iter().filter(|h| h.granted).peekable();
        if holders.peek().is_none() {
            self.add(
                me,
                Waiter::Work {
                    node: m as u8,
                    file: file as u8,
                },
            );
        }
        for h in holders {
            if self.stays(m, file, h) {
                self.add(me, Waiter::Task(h.task));
            }
        }
    }
}

/// Everybody who waits for a file, in the order in which they are served.
fn in_queue(resource: &Resource) -> impl Iterator<Item = &Waiting> {
    let Resource { convert, wait, .. } = resource;
    convert.as_slice().iter().chain(wait.as_slice())
}

/// The mode a node's queued request wants.
fn queued(resource: &Resource, n: usize) -> Option<Mode> {
    let mut all = in_queue(resource);
    all.find(|w| w.node as usize == n).map(|w| w.mode)
}

/// Those queued before the request of a node.
fn ahead_of(resource: &Resource, n: usize) -> impl Iterator<Item = &Waiting> {
    in_queue(resource).take_while(move |w| w.node as usize != n)
}

/// The task that serves the fault another one waits in.
fn waits_for_server(cluster: &Cluster, state: &State, t: usize) -> Option<usize> {
    let n = cluster.scenario().node_of(t);
    state.nodes[n].waits_for_server(&cluster.ctx(n), t)
}

/// Can `new` not be granted while `holder` is (G4 to G6)? Up to v5.15 an ANY request
/// joins a holder of the other shared mode; later ones wait.
fn blocks(rule: MayGrant, holder: &Holder, new: &Holder) -> bool {
    let joins = rule == MayGrant::V512 && new.flags.has(NqFlags::ANY);
    holder.mode == Mode::Ex || new.mode == Mode::Ex || (holder.mode != new.mode && !joins)
}

/// Does the task wait to take mmap_lock for reading: in a fault, or in the slow path
/// of get-user-pages (I21)?
fn waits_to_read_mmap(ctx: &Ctx<'_>, node: &Node, t: usize) -> bool {
    let task = &node.tasks[t];
    let in_fault = task.fault == Fault::Begin;
    let in_gup = task.fault == Fault::None && node.gup_walks_slowly(ctx, t);
    (in_fault || in_gup) && !node.mmap_readable(ctx, t)
}
