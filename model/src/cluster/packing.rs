//! The packed form of a state: every field in as many bits as scenario and design
//! leave it values.

use super::{Cluster, State};
use crate::glock::{Demote, Glock, Holder, Request, Runner, Stage};
use crate::lockspace::{CHANNEL, Channel, Fifo, Message, Resource, Waiting};
use crate::mode::Mode;
use crate::node::Node;
use crate::pack::{Coder, Counter, Reader, Smaller, Writer, width};
use crate::program::{NqFlags, Place, Program, Val};
use crate::scenario::{MAX_NODES, MAX_TASKS, OpKind, Page, Pte, Scenario};
use crate::task::{Fault, Mapping, Pinned, Status, Sub, Task, Wait};

/// Widths of the packed fields that depend on scenario and design.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) words: usize,
    pc: u32,
    vars: usize,
    nested_vars: usize,
    flags: usize,
    inode_flags: bool,
    file_flags: bool,
    page: u32,
}

impl Cluster {
    /// Packs a state; equal states give equal words, and with
    /// [`Cluster::with_symmetry`] so do states that it exchanges.
    ///
    /// # Panics
    /// If `out` is not [`Cluster::words`] long.
    pub fn pack(&self, state: &State, out: &mut [u64]) {
        let Some(symmetry) = &self.symmetry else {
            return self.pack_as_it_is(state, out);
        };
        let mut candidates = symmetry.with_smallest_key(&self.scenario, state);
        if let Some(first) = candidates.next() {
            self.pack_as_it_is(&first, out);
        }
        for other in candidates {
            let mut smaller = Smaller::than(out);
            self.code(&mut smaller, &mut other.into_owned());
            smaller.finish();
        }
    }

    /// Packs a state, whatever its representative is; equal states, and no others,
    /// give equal words.
    ///
    /// # Panics
    /// If `out` is not [`Cluster::words`] long.
    pub fn pack_as_it_is(&self, state: &State, out: &mut [u64]) {
        assert_eq!(
            out.len(),
            self.layout.words,
            "a packed state has a fixed length"
        );
        let mut copy = *state;
        let mut writer = Writer::new(out);
        self.code(&mut writer, &mut copy);
        writer.finish();
    }

    /// The state that was packed, or the representative of its orbit.
    pub fn unpack(&self, words: &[u64]) -> State {
        let mut state = State::default();
        self.code(&mut Reader::new(words), &mut state);
        state
    }

    /// How many bits a state takes.
    pub(super) fn packed_bits(&self) -> u32 {
        let mut counter = Counter::default();
        self.code(&mut counter, &mut State::default());
        counter.0
    }

    fn code<C: Coder>(&self, c: &mut C, state: &mut State) {
        let s = &self.scenario;
        for n in 0..s.nodes as usize {
            self.code_node(c, n, &mut state.nodes[n]);
            if self.is_dlm() {
                for f in 0..s.files.len() {
                    code_channel(c, &mut state.channels[n][f]);
                }
            }
        }
        if self.is_dlm() {
            for f in 0..s.files.len() {
                code_resource(c, s.nodes as usize, &mut state.resources[f]);
            }
        }
        let (b, e) = (&mut state.budgets, &s.events);
        c.u8(&mut b.reclaim, width(e.reclaim as usize));
        c.u8(&mut b.shrink, width(e.shrink as usize));
        c.u8(&mut b.expire, width(e.expire.unwrap_or(0) as usize));
        for (i, d) in e.demands.iter().enumerate() {
            c.u8(&mut b.demands[i], width(d.budget as usize));
        }
    }

    fn code_node<C: Coder>(&self, c: &mut C, n: usize, node: &mut Node) {
        let (s, l) = (&self.scenario, &self.layout);
        let tasks_here = (0..s.tasks.len()).filter(|&t| s.node_of(t) == n).count();
        for (f, spec) in s.files.iter().enumerate() {
            code_glock(c, l, tasks_here, &mut node.glocks[f]);
            for page in &mut node.pages[f][..spec.pages as usize] {
                c.tag(page, 2, |p| p as u8, page_from);
            }
            c.u8(&mut node.rwsem[f], width(MAX_TASKS));
            if l.inode_flags {
                c.u8(&mut node.inode_flags[f], 8);
            }
        }
        c.u8(&mut node.sw_paged, s.files.len() as u32);
        for (v, spec) in s.vpages.iter().enumerate() {
            if s.mms[spec.mm as usize].node as usize == n {
                c.tag(&mut node.ptes[v], 2, |p| p as u8, pte_from);
                code_bit(c, &mut node.copied, v);
                code_bit(c, &mut node.bad, v);
            }
        }
        for (t, spec) in s.tasks.iter().enumerate() {
            if s.node_of(t) == n {
                code_task(c, l, spec.op, spec.buffer.len(), &mut node.tasks[t]);
                if l.file_flags {
                    c.u8(&mut node.file_flags[spec.open_file as usize], 8);
                }
            }
        }
    }
}

impl Layout {
    pub(super) fn new(scenario: &Scenario, program: &Program) -> Layout {
        let has = |place| program.flags.iter().any(|f| f.place == place);
        Layout {
            words: 0,
            pc: width(program.code.len().max(1) - 1),
            vars: program.var_names.len(),
            nested_vars: program.nested_var_names.len(),
            flags: program.flags.len(),
            inode_flags: has(Place::Inode),
            file_flags: has(Place::File),
            page: width(
                scenario
                    .files
                    .iter()
                    .map(|f| f.pages as usize)
                    .max()
                    .unwrap_or(0),
            ),
        }
    }
}

fn page_from(bits: u8) -> Page {
    [Page::Absent, Page::Clean, Page::Dirty][bits as usize % 3]
}

fn pte_from(bits: u8) -> Pte {
    [Pte::None, Pte::Ro, Pte::Rw][bits as usize % 3]
}

fn code_bit<C: Coder>(c: &mut C, field: &mut u8, bit: usize) {
    let value = c.bits(u32::from(*field >> bit & 1), 1) as u8;
    *field = *field & !(1 << bit) | value << bit;
}

fn code_mode<C: Coder>(c: &mut C, mode: &mut Mode) {
    c.tag(mode, 2, |m| m as u8, Mode::from_bits);
}

const STAGES: [Stage; 5] = [
    Stage::Idle,
    Stage::Sync,
    Stage::Inval,
    Stage::Sent,
    Stage::Reply,
];
const DEMOTES: [Demote; 4] = [Demote::None, Demote::Pending, Demote::Now, Demote::Both];

fn code_glock<C: Coder>(c: &mut C, l: &Layout, tasks: usize, gl: &mut Glock) {
    code_mode(c, &mut gl.state);
    code_mode(c, &mut gl.target);
    code_mode(c, &mut gl.req);
    code_mode(c, &mut gl.demote_state);
    c.tag(&mut gl.demote, 2, |d| d as u8, |b| DEMOTES[b as usize]);
    c.flag(&mut gl.demote_in_progress);
    c.tag(&mut gl.stage, 3, |s| s as u8, |b| STAGES[b as usize % 5]);
    c.tag(&mut gl.runner, width(MAX_TASKS), runner_bits, runner_from);
    c.u8(&mut gl.inval_page, l.page);
    c.u8(&mut gl.lck_flags.0, 2);
    code_mode(c, &mut gl.reply);
    let mut len = gl.queue.as_slice().len() as u8;
    c.u8(&mut len, width(tasks));
    let old = gl.queue;
    gl.queue = Default::default();
    for i in 0..tasks {
        let mut h = old.as_slice().get(i).copied().unwrap_or_default();
        c.u8(&mut h.task, width(MAX_TASKS - 1));
        code_mode(c, &mut h.mode);
        c.u8(&mut h.flags.0, 3);
        c.flag(&mut h.granted);
        if i < len as usize {
            gl.queue.push(Holder {
                flags: NqFlags(h.flags.0),
                ..h
            });
        }
    }
}

fn runner_bits(runner: Runner) -> u8 {
    match runner {
        Runner::Worker => 0,
        Runner::Task(t) => t + 1,
    }
}

fn runner_from(bits: u8) -> Runner {
    match bits.checked_sub(1) {
        None => Runner::Worker,
        Some(t) => Runner::Task(t),
    }
}

const STATUSES: [Status; 4] = [Status::Idle, Status::Running, Status::Done, Status::Bug];
const WAITS: [Wait; 3] = [Wait::No, Wait::Sleeping, Wait::Failed];
const SUBS: [Sub; 14] = [
    Sub::None,
    Sub::DioFlush,
    Sub::DioPage,
    Sub::DioEnd,
    Sub::ReadPage,
    Sub::WriteBegin,
    Sub::WritePage,
    Sub::WriteEnd,
    Sub::FaultIn,
    Sub::Pin,
    Sub::Touch,
    Sub::MmArrive,
    Sub::MmQueued,
    Sub::MmHeld,
];
const FAULTS: [Fault; 5] = [
    Fault::None,
    Fault::Begin,
    Fault::Handler,
    Fault::MkwriteNew,
    Fault::MkwriteWp,
];
const MAPPINGS: [Mapping; 3] = [Mapping::None, Mapping::Valid, Mapping::Stale];
const PINNEDS: [Pinned; 3] = [Pinned::No, Pinned::Live, Pinned::Orphan];

fn code_task<C: Coder>(c: &mut C, l: &Layout, op: OpKind, pages: usize, t: &mut Task) {
    c.tag(&mut t.status, 2, |s| s as u8, |b| STATUSES[b as usize]);
    c.tag(&mut t.wait, 2, |w| w as u8, |b| WAITS[b as usize % 3]);
    c.tag(&mut t.sub, 4, |s| s as u8, |b| SUBS[b as usize % 14]);
    c.tag(&mut t.fault, 3, |s| s as u8, |b| FAULTS[b as usize % 5]);
    c.u16(&mut t.nested_pc, l.pc);
    for var in &mut t.nested_vars[..l.nested_vars] {
        c.u8(&mut var.0, Val::BITS);
    }
    for flag in &mut t.flags[..l.flags] {
        c.u8(flag, 2);
    }
    for field in [
        &mut t.mmap_read,
        &mut t.page_locked,
        &mut t.tried,
        &mut t.saw_bad,
    ] {
        c.flag(field);
    }
    let count = width(pages);
    c.u8(&mut t.moved, count);
    c.u8(&mut t.wrong, 7);
    c.u8(&mut t.result.0, Val::BITS);
    if op.is_io() || op == OpKind::Mmap {
        c.u16(&mut t.pc, l.pc);
        for var in &mut t.vars[..l.vars] {
            c.u8(&mut var.0, Val::BITS);
        }
    }
    if op.is_io() {
        code_transfer(c, count, pages, t);
    }
}

fn code_transfer<C: Coder>(c: &mut C, count: u32, pages: usize, t: &mut Task) {
    for field in [
        &mut t.iter_pos,
        &mut t.iter_count,
        &mut t.ki_pos,
        &mut t.extent_moved,
        &mut t.window,
    ] {
        c.u8(field, count);
    }
    c.u8(&mut t.attempts, 2);
    c.u8(&mut t.error.0, Val::BITS);
    for field in [
        &mut t.faults_off,
        &mut t.nofault,
        &mut t.have_page,
        &mut t.changed,
    ] {
        c.flag(field);
    }
    c.tag(&mut t.mapping, 2, |m| m as u8, |b| MAPPINGS[b as usize % 3]);
    for i in 0..pages {
        c.tag(&mut t.pins[i], 2, |p| p as u8, |b| PINNEDS[b as usize % 3]);
        c.u8(&mut t.landed[i], 3);
    }
}

fn code_channel<C: Coder>(c: &mut C, channel: &mut Channel) {
    let mut bits = channel.request.map_or(0, request_bits);
    c.u8(&mut bits, 6);
    let mut rebuilt = Channel::with_request(request_from(bits));
    let mut old = channel.messages();
    for _ in 0..CHANNEL {
        let mut m = old.next().map_or(0, message_bits);
        c.u8(&mut m, 3);
        if let Some(message) = message_from(m) {
            rebuilt.push_raw(message);
        }
    }
    drop(old);
    *channel = rebuilt;
}

/// A message as a small number; 0 is none.
fn message_bits(message: Message) -> u8 {
    match message {
        Message::Grant => 1,
        Message::Refuse => 2,
        Message::Bast(mode) => 3 + mode as u8,
    }
}

fn message_from(bits: u8) -> Option<Message> {
    match bits {
        0 => None,
        1 => Some(Message::Grant),
        2 => Some(Message::Refuse),
        mode => Some(Message::Bast(Mode::from_bits(mode - 3))),
    }
}

fn request_bits(r: Request) -> u8 {
    1 | (r.mode as u8) << 1
        | u8::from(r.noqueue) << 3
        | u8::from(r.noqueuebast) << 4
        | u8::from(r.quecvt) << 5
}

fn request_from(bits: u8) -> Option<Request> {
    (bits & 1 != 0).then(|| Request {
        mode: Mode::from_bits(bits >> 1),
        noqueue: bits & 8 != 0,
        noqueuebast: bits & 16 != 0,
        quecvt: bits & 32 != 0,
    })
}

fn code_resource<C: Coder>(c: &mut C, nodes: usize, resource: &mut Resource) {
    for lock in &mut resource.locks[..nodes] {
        c.flag(&mut lock.exists);
        code_mode(c, &mut lock.granted);
        code_mode(c, &mut lock.highbast);
    }
    code_fifo(c, nodes, &mut resource.convert);
    code_fifo(c, nodes, &mut resource.wait);
}

fn code_fifo<C: Coder>(c: &mut C, nodes: usize, fifo: &mut Fifo) {
    let mut len = fifo.as_slice().len() as u8;
    c.u8(&mut len, width(nodes));
    let old = *fifo;
    *fifo = Fifo::default();
    for i in 0..nodes {
        let mut w = old.as_slice().get(i).copied().unwrap_or_default();
        c.u8(&mut w.node, width(MAX_NODES - 1));
        code_mode(c, &mut w.mode);
        if i < len as usize {
            fifo.push(Waiting { ..w });
        }
    }
}
