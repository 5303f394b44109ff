//! The packed form of a state: every field in as many bits as scenario and design
//! leave it values.

use super::layout::{Layout, NodeLayout, TaskLayout};
use super::{Action, Budgets, Cluster, State};
use crate::glock::{Demote, Glock, Holder, Queue, Request, Runner, Stage};
use crate::lockspace::{Channel, Fifo, Lock, Message, Resource, Waiting, dlm_rank};
use crate::mode::Mode;
use crate::node::Node;
use crate::pack::{ALL, Bits, Coder, Measurer, Reader, Rewriter, Shape, Writer, ones, up_to};
use crate::program::{MAX_NESTED_VARS, MAX_VARS, NqFlags, Val};
use crate::scenario::{
    MAX_BUDGET, MAX_FILES, MAX_NODES, MAX_PAGES, MAX_TASKS, MAX_TRANSFER, MAX_VPAGES, Page, Pte,
    Scenario,
};
use crate::task::{Aio, Fault, Flight, Mapping, Pinned, Status, Sub, Task, Wait};

// Bits enough for the largest number, or for 1 + a number.
const COUNT: u32 = 3;
const TASK: u32 = 3;
const NODE: u32 = 2;
const FILES: u32 = MAX_FILES as u32;
const VPAGES: u32 = MAX_VPAGES as u32;
/// No field takes more room packed than it takes in a state.
const MAX_WORDS: usize = size_of::<State>() / size_of::<u64>();
const _: () = {
    assert!(MAX_PAGES < 1 << COUNT && MAX_TRANSFER < 1 << COUNT && MAX_TASKS < 1 << TASK);
    assert!(MAX_NODES < 1 << NODE && MAX_BUDGET < 1 << 2 && FILES <= 8 && VPAGES <= 8);
};

impl Cluster {
    /// Packs a state; equal states give equal words, and with
    /// [`Cluster::with_symmetry`] so do states that it exchanges.
    ///
    /// # Panics
    /// If `out` is not [`Cluster::words`] long, or if a field has a value that scenario
    /// and design do not leave it.
    pub fn pack(&self, state: &State, out: &mut [u64]) {
        let Some(symmetry) = &self.symmetry else {
            return self.pack_as_it_is(state, out);
        };
        let mut candidates = symmetry.with_smallest_key(&self.scenario, state);
        if let Some(first) = candidates.next() {
            self.pack_as_it_is(&first, out);
        }
        let mut words = [0; MAX_WORDS];
        let words = &mut words[..self.words];
        for other in candidates {
            self.pack_as_it_is(&other, words);
            if *words < *out {
                out.copy_from_slice(words);
            }
        }
    }

    /// Packs a state, whatever its representative is; equal states, and no others,
    /// give equal words.
    ///
    /// # Panics
    /// As [`Cluster::pack`].
    pub fn pack_as_it_is(&self, state: &State, out: &mut [u64]) {
        assert_eq!(out.len(), self.words, "a packed state has a fixed length");
        let mut writer = Writer::new(state, &self.shapes, out);
        self.code(&mut writer, None);
        writer.finish();
    }

    /// As [`Cluster::pack`], for a state that `action` has led to from `before`, which is
    /// what [`Cluster::unpack`] makes of the words in `out`. Little of them changes in a
    /// step, unless another state has to be packed for this one.
    ///
    /// # Panics
    /// As [`Cluster::pack`].
    pub fn repack(&self, before: &State, action: Action, state: &State, out: &mut [u64]) {
        if let Some(symmetry) = &self.symmetry
            && !symmetry.has_smallest_key(&self.scenario, state)
        {
            return self.pack(state, out);
        }
        assert_eq!(out.len(), self.words, "a packed state has a fixed length");
        let only = self.node_of_step(action);
        let mut rewriter = Rewriter::new(before, state, &self.shapes, out);
        self.code(&mut rewriter, only);
        rewriter.finish();
        debug_assert!(
            self.unpack(out) == *state,
            "{action:?} changed more than said"
        );
    }

    /// The state that was packed, or the representative of its orbit.
    pub fn unpack(&self, words: &[u64]) -> State {
        let mut state = self.blank;
        self.code(&mut Reader::new(words, &self.shapes, &mut state), None);
        state
    }

    /// The shapes of what a node has, with the messages from it and to it.
    pub(super) fn measured_node(&self, n: usize) -> Vec<Shape> {
        let mut measurer = Measurer::new(&self.blank);
        self.code_node_alone(&mut measurer, n);
        measurer.shapes
    }

    /// Packs what a node has, with the messages from it and to it; of all other nodes there
    /// must be none.
    ///
    /// # Panics
    /// As [`Cluster::pack`].
    pub(super) fn pack_node(&self, n: usize, shapes: &[Shape], state: &State, out: &mut [u64]) {
        let mut writer = Writer::new(state, shapes, out);
        self.code_node_alone(&mut writer, n);
        writer.finish();
    }

    /// As [`Cluster::pack_node`], where `words` are those of `before`.
    pub(super) fn repack_node(
        &self,
        n: usize,
        shapes: &[Shape],
        before: &State,
        state: &State,
        words: &mut [u64],
    ) {
        let mut rewriter = Rewriter::new(before, state, shapes, words);
        self.code_node_alone(&mut rewriter, n);
        rewriter.finish();
    }

    /// The state in which there is only what [`Cluster::pack_node`] has packed.
    pub(super) fn unpack_node(&self, n: usize, shapes: &[Shape], words: &[u64]) -> State {
        let mut state = self.blank;
        self.code_node_alone(&mut Reader::new(words, shapes, &mut state), n);
        state
    }

    #[inline(always)]
    fn code_node_alone<C: Coder<State>>(&self, c: &mut C, n: usize) {
        self.code_node(c, n, &self.layout.nodes[n]);
        if self.is_dlm() {
            for f in 0..self.scenario.files.len() {
                self.code_channels(c, f, None);
            }
        }
    }

    /// The shapes of all parts of a state.
    pub(super) fn measured(&self) -> Vec<Shape> {
        let mut measurer = Measurer::new(&self.blank);
        self.code(&mut measurer, None);
        measurer.shapes
    }

    /// All parts of a state. `only`: the one node in which there may be differences, or
    /// in the messages from it and to it, if it is known.
    #[inline(always)]
    fn code<C: Coder<State>>(&self, c: &mut C, only: Option<usize>) {
        let (s, l) = (&self.scenario, &self.layout);
        for (n, here) in l.nodes.iter().enumerate() {
            c.section(
                self.parts_of(here),
                |_, _| only.is_some_and(|m| m != n),
                |c| self.code_node(c, n, here),
            );
        }
        if self.is_dlm() {
            for f in 0..s.files.len() {
                self.code_channels(c, f, only);
                self.code_lock_space(c, f, only);
            }
        }
        c.section(
            1,
            |before, now| only.is_some() || before.budgets == now.budgets,
            |c| {
                c.part(
                    |state, b| code_budgets(b, s, &state.budgets),
                    |state, budgets| state.budgets = budgets,
                );
            },
        );
    }

    /// The messages about a file.
    #[inline(always)]
    fn code_channels<C: Coder<State>>(&self, c: &mut C, f: usize, only: Option<usize>) {
        let nodes = self.layout.nodes.len();
        c.section(
            1,
            |before, now| {
                let same = |n: usize| before.channels[n][f] == now.channels[n][f];
                only.map_or_else(|| (0..nodes).all(same), same)
            },
            |c| {
                c.part(
                    |s, b| {
                        let mut channels = [Channel::default(); MAX_NODES];
                        for (n, channel) in channels[..nodes].iter_mut().enumerate() {
                            *channel = code_channel(b, &s.channels[n][f]);
                        }
                        channels
                    },
                    |s, channels| {
                        for (n, channel) in channels[..nodes].iter().enumerate() {
                            s.channels[n][f] = *channel;
                        }
                    },
                );
            },
        );
    }

    /// The lock space for a file.
    #[inline(always)]
    fn code_lock_space<C: Coder<State>>(&self, c: &mut C, f: usize, only: Option<usize>) {
        let nodes = self.layout.nodes.len();
        c.section(
            1,
            |before, now| only.is_some() || before.resources[f] == now.resources[f],
            |c| {
                c.part(
                    |s, b| code_resource(b, nodes, &s.resources[f]),
                    |s, resource| s.resources[f] = resource,
                );
            },
        );
    }

    /// How many parts [`Cluster::code_node`] has.
    #[inline]
    fn parts_of(&self, here: &NodeLayout) -> usize {
        let flags = usize::from(self.layout.file_flags != 0);
        let tasks = here.tasks.iter().map(|&t| self.layout.tasks[t].parts());
        2 * self.scenario.files.len() + 1 + flags + tasks.sum::<usize>()
    }

    #[inline(always)]
    fn code_node<C: Coder<State>>(&self, c: &mut C, n: usize, here: &NodeLayout) {
        let l = &self.layout;
        let files = self.scenario.files.len();
        for f in 0..files {
            c.section(
                2,
                |before, now| {
                    let (before, now) = (&before.nodes[n], &now.nodes[n]);
                    before.glocks[f] == now.glocks[f]
                        && before.pages[f] == now.pages[f]
                        && before.i_size[f] == now.i_size[f]
                        && before.disk_size[f] == now.disk_size[f]
                        && before.rwsem[f] == now.rwsem[f]
                        && before.inode_flags[f] == now.inode_flags[f]
                },
                |c| self.code_file(c, n, here, f),
            );
        }
        c.section(
            1,
            |before, now| {
                let (before, now) = (&before.nodes[n], &now.nodes[n]);
                before.sw_paged == now.sw_paged
                    && before.ptes == now.ptes
                    && before.copied == now.copied
                    && before.bad == now.bad
            },
            |c| {
                c.part(
                    |s, b| code_memory(b, here, files, &s.nodes[n]),
                    |s, (sw_paged, ptes, copied, bad)| {
                        s.nodes[n].sw_paged = sw_paged;
                        s.nodes[n].ptes = ptes;
                        s.nodes[n].copied = copied;
                        s.nodes[n].bad = bad;
                    },
                );
            },
        );
        if l.file_flags != 0 {
            c.part(
                |s, b| code_file_flags(b, l, here, &s.nodes[n]),
                |s, flags| s.nodes[n].file_flags = flags,
            );
        }
        for &t in &here.tasks {
            c.section(
                l.tasks[t].parts(),
                |before, now| before.nodes[n].tasks[t] == now.nodes[n].tasks[t],
                |c| self.code_task(c, n, t),
            );
        }
    }

    /// What a node has of a file.
    #[inline(always)]
    fn code_file<C: Coder<State>>(&self, c: &mut C, n: usize, here: &NodeLayout, f: usize) {
        let (l, pages) = (&self.layout, self.scenario.files[f].pages as usize);
        c.part(
            |s, b| {
                let node = &s.nodes[n];
                let glock = code_glock(b, l, here, &node.glocks[f]);
                (glock, code_inode(b, l, here, pages, node, f))
            },
            |s, (glock, (pages, sizes, rwsem, flags))| {
                let node = &mut s.nodes[n];
                node.glocks[f] = glock;
                node.pages[f] = pages;
                (node.i_size[f], node.disk_size[f]) = sizes;
                node.rwsem[f] = rwsem;
                node.inode_flags[f] = flags;
            },
        );
        c.part(
            |s, b| code_queue(b, l, here, f, &s.nodes[n].glocks[f].queue),
            |s, queue| s.nodes[n].glocks[f].queue = queue,
        );
    }

    #[inline(always)]
    fn code_task<C: Coder<State>>(&self, c: &mut C, n: usize, t: usize) {
        let (l, own) = (&self.layout, &self.layout.tasks[t]);
        c.part(
            |s, b| code_position(b, l, own, &s.nodes[n].tasks[t]),
            |s, task| s.nodes[n].tasks[t] = task,
        );
        c.part(
            |s, b| code_call(b, l, own, &s.nodes[n].tasks[t]),
            |s, task| s.nodes[n].tasks[t] = task,
        );
        c.part(
            |s, b| code_transfer(b, own, &s.nodes[n].tasks[t]),
            |s, task| s.nodes[n].tasks[t] = task,
        );
        if own.aio {
            c.part(
                |s, b| code_aio(b, own, &s.nodes[n].tasks[t].aio),
                |s, aio| s.nodes[n].tasks[t].aio = aio,
            );
        }
    }
}

// ---- glocks and memory ----------------------------------------------------------

#[inline(always)]
fn code_mode<B: Bits>(b: &mut B, mode: Mode, used: u32) -> Mode {
    b.tag::<2, _>(mode, used, |m| m as u32, |m| Mode::from_bits(m as u8))
}

#[inline(always)]
fn code_nq_flags<B: Bits>(b: &mut B, l: &Layout, flags: NqFlags) -> NqFlags {
    NqFlags(b.u8::<3>(flags.0, l.nq_flags))
}

/// A glock without its queue.
#[inline(always)]
fn code_glock<B: Bits>(b: &mut B, l: &Layout, here: &NodeLayout, gl: &Glock) -> Glock {
    let state = code_mode(b, gl.state, ALL);
    let target = code_mode(b, gl.target, ALL);
    let req = code_mode(b, gl.req, ALL);
    let demote_state = code_mode(b, gl.demote_state, ALL);
    let demote = b.tag::<2, _>(gl.demote, ALL, |d| d as u32, demote_from);
    let demote_in_progress = b.flag(gl.demote_in_progress, ALL);
    let stage = b.tag::<3, _>(gl.stage, ALL, |s| s as u32, stage_from);
    let runner = b.tag::<TASK, _>(
        gl.runner,
        up_to(here.tasks.len()),
        |runner| match runner {
            Runner::Worker => 0,
            Runner::Task(t) => here.rank(t) + 1,
        },
        |number| match number.checked_sub(1) {
            None => Runner::Worker,
            Some(rank) => Runner::Task(here.task_of(rank)),
        },
    );
    let lck_flags = code_nq_flags(b, l, gl.lck_flags);
    // An answer is looked at before there is anything to invalidate again.
    let answered = stage == Stage::Reply;
    let (used, unused) = match answered {
        true => (gl.reply as u8, gl.inval_page),
        false => (gl.inval_page, gl.reply as u8),
    };
    b.zero(unused);
    let used = b.u8::<COUNT>(used, l.page | 3);
    let (inval_page, reply) = match answered {
        true => (0, Mode::from_bits(used)),
        false => (used, Mode::Un),
    };
    Glock {
        state,
        target,
        req,
        demote_state,
        demote,
        demote_in_progress,
        stage,
        runner,
        inval_page,
        lck_flags,
        reply,
        kept: b.u8::<5>(gl.kept, l.kept),
        work_queued: b.flag(gl.work_queued, l.weak),
        queue: gl.queue,
    }
}

fn demote_from(number: u32) -> Demote {
    match number {
        0 => Demote::None,
        1 => Demote::Pending,
        2 => Demote::Now,
        _ => Demote::Both,
    }
}

fn stage_from(number: u32) -> Stage {
    match number {
        0 => Stage::Idle,
        1 => Stage::Sync,
        2 => Stage::Inval,
        3 => Stage::Sent,
        _ => Stage::Reply,
    }
}

/// `gl_holders`: a task is in it at most once, or twice if one of the two is weak.
#[inline(always)]
fn code_queue<B: Bits>(b: &mut B, l: &Layout, here: &NodeLayout, f: usize, queue: &Queue) -> Queue {
    let tasks = here.tasks.len();
    let entries = queue.as_slice();
    let len = b.count::<TASK>(entries.len(), tasks + here.twice[f]);
    let mut coded = Queue::default();
    for i in 0..len {
        let h = entries.get(i).copied().unwrap_or_default();
        let number = up_to(tasks.saturating_sub(1));
        coded.push(Holder {
            task: b.tag::<TASK, _>(h.task, number, |t| here.rank(t), |r| here.task_of(r)),
            mode: code_mode(b, h.mode, ALL),
            flags: code_nq_flags(b, l, h.flags),
            granted: b.flag(h.granted, ALL),
            weak: b.flag(h.weak, l.weak),
        });
    }
    coded
}

/// What else a node has of a file: its cached pages, its length as the node knows it and as
/// it is, i_rwsem, and flags in the inode.
#[inline(always)]
fn code_inode<B: Bits>(
    b: &mut B,
    l: &Layout,
    here: &NodeLayout,
    pages: usize,
    node: &Node,
    f: usize,
) -> ([Page; MAX_PAGES], (u8, u8), u8, u8) {
    let cached = std::array::from_fn(|q| {
        let used = if q < pages { ALL } else { 0 };
        b.tag::<2, _>(node.pages[f][q], used, |p| p as u32, page_from)
    });
    let sizes = (
        b.u8::<COUNT>(node.i_size[f], here.sizes[f]),
        b.u8::<COUNT>(node.disk_size[f], here.sizes[f]),
    );
    let rwsem = b.tag::<TASK, _>(
        node.rwsem[f],
        here.rwsem,
        |owner| owner.checked_sub(1).map_or(0, |t| here.rank(t) + 1),
        |number| number.checked_sub(1).map_or(0, |r| here.task_of(r) + 1),
    );
    let flags = b.u8::<8>(node.inode_flags[f], l.inode_flags);
    (cached, sizes, rwsem, flags)
}

fn page_from(number: u32) -> Page {
    match number {
        0 => Page::Absent,
        1 => Page::Clean,
        _ => Page::Dirty,
    }
}

/// The node's user memory, and which of the files have been written through it.
#[inline(always)]
fn code_memory<B: Bits>(
    b: &mut B,
    here: &NodeLayout,
    files: usize,
    node: &Node,
) -> (u8, [Pte; MAX_VPAGES], u8, u8) {
    let sw_paged = b.u8::<FILES>(node.sw_paged, ones(files as u32));
    let ptes = std::array::from_fn(|v| {
        let used = if here.vpages >> v & 1 == 1 { ALL } else { 0 };
        b.tag::<2, _>(node.ptes[v], used, |p| p as u32, pte_from)
    });
    let copied = b.u8::<VPAGES>(node.copied, here.copied);
    (sw_paged, ptes, copied, b.u8::<VPAGES>(node.bad, here.bad))
}

fn pte_from(number: u32) -> Pte {
    match number {
        0 => Pte::None,
        1 => Pte::Ro,
        _ => Pte::Rw,
    }
}

/// Flags in open files.
#[inline(always)]
fn code_file_flags<B: Bits>(
    b: &mut B,
    l: &Layout,
    here: &NodeLayout,
    node: &Node,
) -> [u8; MAX_TASKS] {
    std::array::from_fn(|open| {
        let used = if here.open_files >> open & 1 == 1 {
            l.file_flags
        } else {
            0
        };
        b.u8::<8>(node.file_flags[open], used)
    })
}

// ---- tasks ----------------------------------------------------------------------

/// Where a task is, but for the system call's own frame. What a task that is done
/// has returned stands where others have what they wait for.
#[inline(always)]
fn code_position<B: Bits>(b: &mut B, l: &Layout, own: &TaskLayout, t: &Task) -> Task {
    let status = b.tag::<2, _>(t.status, ALL, |s| s as u32, status_from);
    let waits = t.wait as u8 | (t.fault as u8) << 2;
    let (used, unused) = match status {
        Status::Done => (t.result.0, waits),
        _ => (waits, t.result.0),
    };
    b.zero(unused);
    let used = b.u8::<{ Val::BITS }>(used, ALL);
    let (waits, result) = match status {
        Status::Done => (0, Val(used)),
        _ => (used, Val::ZERO),
    };
    Task {
        status,
        wait: wait_from(waits & 3),
        fault: fault_from(waits >> 2),
        result,
        sub: b.tag::<5, _>(t.sub, own.sub, |s| s as u32, sub_from),
        nested_pc: l.nested_pcs.code(b, t.nested_pc),
        nested_vars: code_vars::<_, MAX_NESTED_VARS>(b, l.nested_vars, t.nested_vars),
        mmap_read: b.flag(t.mmap_read, ALL),
        page_locked: b.flag(t.page_locked, ALL),
        tried: b.flag(t.tried, ALL),
        faults_off: b.flag(t.faults_off, own.faults_off),
        nofault: b.flag(t.nofault, own.nofault),
        gh_error: b.flag(t.gh_error, own.gh_error),
        have_page: b.flag(t.have_page, own.have_page),
        mapping: b.tag::<2, _>(t.mapping, own.mapping, |m| m as u32, mapping_from),
        saw_bad: b.flag(t.saw_bad, l.saw_bad),
        changed: b.flag(t.changed, own.changed),
        wrong: b.u8::<7>(t.wrong, ALL),
        moved: b.u8::<COUNT>(t.moved, own.count),
        ..*t
    }
}

/// The frame of the system call, and the flags in the task.
#[inline(always)]
fn code_call<B: Bits>(b: &mut B, l: &Layout, own: &TaskLayout, t: &Task) -> Task {
    Task {
        pc: own.pcs.code(b, t.pc),
        vars: code_vars::<_, MAX_VARS>(b, own.vars, t.vars),
        flags: std::array::from_fn(|i| b.u8::<2>(t.flags[i], l.task_flags[i])),
        ..*t
    }
}

/// Variables, of which some are used (bit per slot).
#[inline(always)]
fn code_vars<B: Bits, const N: usize>(b: &mut B, used: u32, vars: [Val; N]) -> [Val; N] {
    std::array::from_fn(|slot| {
        let used = if used >> slot & 1 == 1 { ALL } else { 0 };
        Val(b.u8::<{ Val::BITS }>(vars[slot].0, used))
    })
}

/// What only matters to a transfer.
#[inline(always)]
fn code_transfer<B: Bits>(b: &mut B, own: &TaskLayout, t: &Task) -> Task {
    let of_page = |i, used| if i < own.pages { used } else { 0 };
    Task {
        iter_pos: b.u8::<COUNT>(t.iter_pos, own.io_count),
        iter_count: b.u8::<COUNT>(t.iter_count, own.io_count),
        ki_pos: b.u8::<COUNT>(t.ki_pos, own.position),
        first: b.u8::<COUNT>(t.first, own.first),
        extent_moved: b.u8::<COUNT>(t.extent_moved, own.extent_moved),
        window: b.u8::<COUNT>(t.window, own.window),
        attempts: b.u8::<2>(t.attempts, own.attempts),
        error: Val(b.u8::<{ Val::BITS }>(t.error.0, own.error)),
        pins: std::array::from_fn(|i| {
            let used = of_page(i, own.pin);
            b.tag::<2, _>(t.pins[i], used, |p| p as u32, pinned_from)
        }),
        landed: std::array::from_fn(|i| b.u8::<3>(t.landed[i], of_page(i, own.landed))),
        ..*t
    }
}

/// Asynchronous direct I/O.
#[inline(always)]
fn code_aio<B: Bits>(b: &mut B, own: &TaskLayout, aio: &Aio) -> Aio {
    Aio {
        flight: b.tag::<3, _>(aio.flight, ALL, |f| f as u32, flight_from),
        bios: b.u8::<{ MAX_TRANSFER as u32 }>(aio.bios, ones(own.pages as u32)),
        index: b.u8::<COUNT>(aio.index, own.count),
        page: b.u8::<COUNT>(aio.page, own.count),
        size: b.u8::<COUNT>(aio.size, own.count),
        value: Val(b.u8::<{ Val::BITS }>(aio.value.0, ALL)),
        pinned: b.u8::<{ MAX_TRANSFER as u32 }>(aio.pinned, ones(own.own_pins)),
        referenced: b.u8::<{ MAX_TRANSFER as u32 }>(aio.referenced, ones(own.own_pins)),
    }
}

fn flight_from(number: u32) -> Flight {
    match number {
        0 => Flight::None,
        1 => Flight::Submitting,
        2 => Flight::Queued,
        3 => Flight::Ending,
        _ => Flight::Complete,
    }
}

fn status_from(number: u32) -> Status {
    match number {
        0 => Status::Idle,
        1 => Status::Running,
        2 => Status::Done,
        _ => Status::Bug,
    }
}

fn wait_from(number: u8) -> Wait {
    match number {
        0 => Wait::No,
        1 => Wait::Sleeping,
        _ => Wait::Failed,
    }
}

fn fault_from(number: u8) -> Fault {
    match number {
        0 => Fault::None,
        1 => Fault::Begin,
        2 => Fault::Handler,
        3 => Fault::MkwriteNew,
        _ => Fault::MkwriteWp,
    }
}

fn sub_from(number: u32) -> Sub {
    match number {
        0 => Sub::None,
        1 => Sub::DioFlush,
        2 => Sub::DioPage,
        3 => Sub::DioEnd,
        4 => Sub::ReadPage,
        5 => Sub::WriteBegin,
        6 => Sub::WritePage,
        7 => Sub::WriteEnd,
        8 => Sub::FaultIn,
        9 => Sub::Pin,
        10 => Sub::Touch,
        11 => Sub::MmArrive,
        12 => Sub::MmQueued,
        13 => Sub::MmHeld,
        14 => Sub::Readpage,
        15 => Sub::FiemapPage,
        16 => Sub::DioWait,
        _ => Sub::Parked,
    }
}

fn mapping_from(number: u32) -> Mapping {
    match number {
        0 => Mapping::None,
        1 => Mapping::Valid,
        _ => Mapping::Stale,
    }
}

fn pinned_from(number: u32) -> Pinned {
    match number {
        0 => Pinned::No,
        1 => Pinned::Live,
        2 => Pinned::Orphan,
        _ => Pinned::Ref,
    }
}

// ---- the lock space -------------------------------------------------------------

/// A request and what is under way the other way: callbacks, an answer if there is
/// one, and callbacks after it. Each time callbacks for higher and higher modes, as
/// others are merged with the one before ([`Channel::push`]); so they are sets.
#[inline(always)]
fn code_channel<B: Bits>(b: &mut B, channel: &Channel) -> Channel {
    let request = channel.request;
    let bits = |request: Option<Request>| request.map_or(0, request_bits);
    let request = b.tag::<6, _>(request, ALL, bits, request_from);
    let mut coded = b.tag::<8, _>(*channel, ALL, messages_bits, messages_from);
    coded.request = request;
    coded
}

fn request_bits(r: Request) -> u32 {
    1 | (r.mode as u32) << 1
        | u32::from(r.noqueue) << 3
        | u32::from(r.noqueuebast) << 4
        | u32::from(r.quecvt) << 5
}

fn request_from(bits: u32) -> Option<Request> {
    (bits & 1 != 0).then(|| Request {
        mode: Mode::from_bits((bits >> 1) as u8),
        noqueue: bits & 8 != 0,
        noqueuebast: bits & 16 != 0,
        quecvt: bits & 32 != 0,
    })
}

/// Bits 0 to 2: callbacks for CW, PR, EX before an answer; bits 3 and 4: the answer;
/// bits 5 to 7: callbacks after it. Anything else has no room.
#[inline]
fn messages_bits(channel: Channel) -> u32 {
    const NO_ROOM: u32 = u32::MAX;
    let (mut bits, mut callbacks) = (0, 0);
    for message in channel.messages() {
        let bit = match message {
            Message::Bast(mode) => 1 << dlm_rank(mode) >> 1 << callbacks,
            _ if callbacks > 0 => return NO_ROOM,
            Message::Grant => 1 << 3,
            Message::Refuse => 2 << 3,
        };
        if bits >= bit {
            return NO_ROOM;
        }
        bits |= bit;
        if !matches!(message, Message::Bast(_)) {
            callbacks = 5;
        }
    }
    bits
}

#[inline]
fn messages_from(bits: u32) -> Channel {
    let mut channel = Channel::default();
    if bits != 0 {
        push_callbacks(&mut channel, bits & 7);
        match bits >> 3 & 3 {
            0 => {}
            1 => channel.push_raw(Message::Grant),
            _ => channel.push_raw(Message::Refuse),
        }
        push_callbacks(&mut channel, bits >> 5);
    }
    channel
}

fn push_callbacks(channel: &mut Channel, set: u32) {
    for (i, mode) in [Mode::Df, Mode::Sh, Mode::Ex].into_iter().enumerate() {
        if set >> i & 1 == 1 {
            channel.push_raw(Message::Bast(mode));
        }
    }
}

/// The lock space of a file: a node has at most one request queued there.
#[inline(always)]
fn code_resource<B: Bits>(b: &mut B, nodes: usize, resource: &Resource) -> Resource {
    let locks = std::array::from_fn(|n| {
        let used = if n < nodes { ALL } else { 0 };
        let lock = &resource.locks[n];
        Lock {
            exists: b.flag(lock.exists, used),
            granted: code_mode(b, lock.granted, used),
            highbast: code_mode(b, lock.highbast, used),
        }
    });
    let (convert, wait) = (resource.convert.as_slice(), resource.wait.as_slice());
    let queued = b.count::<NODE>(convert.len() + wait.len(), nodes);
    let converting = b.u8::<NODE>(convert.len() as u8, up_to(nodes)) as usize;
    let (mut coded_convert, mut coded_wait) = (Fifo::default(), Fifo::default());
    for i in 0..queued {
        let w = convert.iter().chain(wait).nth(i).copied();
        let w = w.unwrap_or_default();
        let w = Waiting {
            node: b.u8::<NODE>(w.node, up_to(nodes - 1)),
            mode: code_mode(b, w.mode, ALL),
        };
        match i < converting {
            true => coded_convert.push(w),
            false => coded_wait.push(w),
        }
    }
    Resource {
        locks,
        convert: coded_convert,
        wait: coded_wait,
    }
}

// ---- the environment ------------------------------------------------------------

#[inline(always)]
fn code_budgets<B: Bits>(b: &mut B, s: &Scenario, budgets: &Budgets) -> Budgets {
    let e = &s.events;
    let mut left = |left, most: u8| b.u8::<2>(left, up_to(most as usize));
    Budgets {
        reclaim: left(budgets.reclaim, e.reclaim),
        shrink: left(budgets.shrink, e.shrink),
        expire: left(budgets.expire, e.expire.unwrap_or(0)),
        demands: std::array::from_fn(|i| {
            let most = e.demands.get(i).map_or(0, |d| d.budget);
            left(budgets.demands[i], most)
        }),
        appends: std::array::from_fn(|f| left(budgets.appends[f], e.appends[f])),
    }
}
