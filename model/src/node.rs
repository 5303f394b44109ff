//! One node: its glocks, page cache, address spaces and tasks, and every step
//! they take.
//!
//! The same transitions serve two hosts: [`crate::cluster`] packs all nodes, the
//! lock space and the messages into one value; [`crate::actors`] gives each node
//! and each resource an actor of its own. A step is atomic: one critical section of
//! the kernel, one page moved, one message taken (semantics, 9.2).

use crate::event::{Event, NoSink, Sink};
use crate::glock::{Effects, Env, Glock, Nq, Request, Runner, Stage};
use crate::lockspace::{Message, demote_for};
use crate::memory::Step;
use crate::mode::Mode;
use crate::mutant::Mutant;
use crate::program::{
    Arith, Entry, Flag, GhError, HoldRule, MAX_FLAGS, NqFlags, Op, Operand, Pc, Place, Program,
    Target, Val, Var,
};
use crate::release::Holds;
use crate::scenario::{
    LockManager, MAX_FILES, MAX_PAGES, MAX_TASKS, MAX_VPAGES, OpKind, Page, Pte, Scenario,
};
use crate::task::{Fault, Mapping, Pinned, Status, Sub, Task, Wait};

/// What never changes during a run, and which node this is.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The compiled design.
    pub program: &'a Program,
    /// Index of the node.
    pub node: usize,
}

impl Ctx<'_> {
    /// Do two tasks share an address space?
    #[inline]
    pub(crate) fn same_mm(&self, a: usize, b: usize) -> bool {
        self.scenario.tasks[a].mm == self.scenario.tasks[b].mm
    }
    /// Is this page of user memory on this node?
    #[inline]
    pub(crate) fn vpage_is_here(&self, vpage: usize) -> bool {
        let mm = self.scenario.vpages[vpage].mm as usize;
        self.scenario.mms[mm].node as usize == self.node
    }
    /// Does the fault-in at `pc` ask for write access?
    #[inline]
    pub(crate) fn fault_in_writes(&self, pc: Pc) -> bool {
        matches!(
            self.program.code[pc as usize].op,
            Op::FaultIn { write: true, .. }
        )
    }
    /// Does the design admit short counts for this operation (P10)?
    pub(crate) fn admits_short(&self, op: OpKind) -> bool {
        entry_of(op).is_some_and(|e| self.program.admits_short.contains(&e))
    }
}

/// The design's function an operation runs.
pub const fn entry_of(op: OpKind) -> Option<Entry> {
    match op {
        OpKind::DirectRead => Some(Entry::DirectRead),
        OpKind::DirectWrite => Some(Entry::DirectWrite),
        OpKind::BufferedRead => Some(Entry::BufferedRead),
        OpKind::BufferedWrite => Some(Entry::BufferedWrite),
        OpKind::Fiemap => Some(Entry::Fiemap),
        OpKind::Mmap => Some(Entry::Mmap),
        _ => None,
    }
}

/// The state of one node. Arrays are indexed by the scenario's numbers; entries of
/// other nodes' tasks and addresses stay at their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Node {
    /// Per file.
    pub glocks: [Glock; MAX_FILES],
    /// The page cache, per file and page.
    pub pages: [[Page; MAX_PAGES]; MAX_FILES],
    /// Files with pages made writable through a mapping (GIF_SW_PAGED): bit per file.
    pub sw_paged: u8,
    /// `i_size` in pages, per file that is appended to on this node; as it was when a
    /// holder was last granted, or grown by this node since. Of other files 0.
    pub i_size: [u8; MAX_FILES],
    /// The true length of such a file, the one on disk once all is written back.
    pub disk_size: [u8; MAX_FILES],
    /// i_rwsem, per file: 1 + the task that holds it for writing, or 0.
    pub rwsem: [u8; MAX_FILES],
    /// Flags that live in the inode, per file: two bits a flag.
    pub inode_flags: [u8; MAX_FILES],
    /// Flags that live in an open file, per open file: two bits a flag.
    pub file_flags: [u8; MAX_TASKS],
    /// Page tables.
    pub ptes: [Pte; MAX_VPAGES],
    /// Private pages that have been copied: bit per page of user memory.
    pub copied: u8,
    /// Pages made inaccessible at run time: bit per page of user memory.
    pub bad: u8,
    /// The tasks.
    pub tasks: [Task; MAX_TASKS],
}

/// A message a step sends to the lock space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The file it is about.
    pub file: u8,
    /// The request.
    pub request: Request,
}

/// Collects what a step does outside the node: at most one request.
#[derive(Default)]
pub struct Outgoing(pub Option<Sent>);

impl Node {
    /// The mode in which the task is a holder of the file, or UN. A weak holder does not
    /// count (Q19, as of v5.16).
    #[inline]
    pub fn held(&self, task: usize, file: usize) -> Mode {
        match self.glocks[file].queue.of(task as u8) {
            Some(h) if h.granted => h.mode,
            _ => Mode::Un,
        }
    }

    /// Is the task a holder of the file, weak or not?
    #[inline]
    pub fn has_holder(&self, task: usize, file: usize) -> bool {
        let queue = &self.glocks[file].queue;
        queue.weak_of(task as u8).is_some() || self.held(task, file) != Mode::Un
    }

    /// Has the kernel of this node hit a BUG? Nothing moves on it any more.
    pub fn is_down(&self) -> bool {
        self.tasks.iter().any(|t| t.status == Status::Bug)
    }

    /// The file the current frame of the task speaks of.
    pub fn frame_file(&self, ctx: &Ctx<'_>, task: usize) -> usize {
        let own = ctx.scenario.tasks[task].file as usize;
        if self.tasks[task].fault == Fault::None {
            return own;
        }
        self.current_access(ctx, task)
            .and_then(|(v, _)| ctx.scenario.vpages[v].kind.backing())
            .map_or(own, |(f, _)| f as usize)
    }

    /// The program counter of the frame that runs.
    #[inline]
    pub fn frame_pc(&self, task: usize) -> Pc {
        let t = &self.tasks[task];
        if t.nested() { t.nested_pc } else { t.pc }
    }

    fn sync_needed(&self, ctx: &Ctx<'_>, file: usize) -> bool {
        let pages = ctx.scenario.files[file].pages as usize;
        if self.dio_in_flight(ctx, file) && !Mutant::DioNotSynced.is_on() {
            return true;
        }
        if Mutant::DirtyUnderShared.is_on() {
            return false;
        }
        self.sw_paged & (1 << file) != 0 || self.pages[file][..pages].contains(&Page::Dirty)
    }

    /// Runs a transition of one glock and applies what it wants done elsewhere.
    pub(crate) fn with_glock<S: Sink, R>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        out: &mut Outgoing,
        sink: &mut S,
        f: impl FnOnce(&mut Glock, &mut Env<'_, S>) -> (R, Effects),
    ) -> R {
        let mut env = Env {
            file: file as u8,
            kernel: ctx.program.kernel,
            lock: ctx.scenario.lock,
            hold_time: ctx.scenario.hold_time,
            sync_needed: self.sync_needed(ctx, file),
            work_counts: ctx.program.weak_holders,
            sink,
        };
        let (result, effects) = f(&mut self.glocks[file], &mut env);
        let mut failed = effects.failed;
        while failed != 0 {
            self.tasks[failed.trailing_zeros() as usize].wait = Wait::Failed;
            failed &= failed - 1;
        }
        if let Some(request) = effects.request {
            out.0 = Some(Sent {
                file: file as u8,
                request,
            });
        }
        result
    }

    /// As [`Node::with_glock`], for what neither fails a TRY nor asks the lock space.
    pub(crate) fn tell_glock<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        sink: &mut S,
        f: impl FnOnce(&mut Glock, &mut Env<'_, S>),
    ) {
        self.with_glock(ctx, file, &mut Outgoing::default(), sink, |gl, env| {
            f(gl, env);
            ((), Effects::default())
        });
    }

    // ---- the task ----------------------------------------------------------

    /// Puts a task at the start of its operation. Its local prefix has run.
    pub fn start<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        let spec = &ctx.scenario.tasks[task];
        sink.event(Event::Call { task: task as u8 });
        let t = &mut self.tasks[task];
        t.status = Status::Running;
        match spec.op {
            OpKind::Load | OpKind::Store | OpKind::PipeRead | OpKind::PipeWrite => {
                t.sub = Sub::Touch;
            }
            OpKind::Mmap | OpKind::Munmap | OpKind::Mprotect => t.sub = Sub::MmArrive,
            _ => {
                t.iter_count = spec.buffer.len() as u8;
                let entry = entry_of(spec.op).and_then(|e| ctx.program.entry(e));
                t.pc = entry.unwrap_or_default();
                self.drop_dead(ctx, task);
            }
        }
        self.run_locals(ctx, task, sink);
    }

    /// Enters a nested frame: a fault handler or a hook.
    pub(crate) fn enter_nested(&mut self, ctx: &Ctx<'_>, task: usize, entry: Entry) {
        let t = &mut self.tasks[task];
        t.nested_pc = ctx.program.entry(entry).unwrap_or_default();
        t.nested_vars = Default::default();
    }

    /// How many different outcomes the task's next step may have.
    pub fn task_choices(&self, ctx: &Ctx<'_>, task: usize) -> u8 {
        self.own_choices(ctx, task) + u8::from(self.tasks[task].aio.can_move())
    }

    /// As [`Node::task_choices`], of the task itself: the choice behind them is the step
    /// of its asynchronous I/O.
    fn own_choices(&self, ctx: &Ctx<'_>, task: usize) -> u8 {
        let t = &self.tasks[task];
        if t.sub == Sub::Parked {
            return 0;
        }
        let may_retry = t.nested()
            && t.wait == Wait::No
            && matches!(
                ctx.program.code[t.nested_pc as usize].op,
                Op::FilemapFault { .. }
            )
            && self.filemap_fault_may_retry(ctx, task);
        (1 + u8::from(may_retry)) << u8::from(self.reads_with_others(ctx, task).is_some())
    }

    /// A task that did nothing so far begins its operation.
    pub fn task_starts<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        if self.tasks[task].status != Status::Idle {
            return Step::Blocked;
        }
        self.start(ctx, task, sink);
        Step::Taken
    }

    /// The task's next step; `choice` selects among its outcomes
    /// ([`Node::task_choices`]). A blocked step has changed nothing.
    pub fn task_step<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        choice: u8,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        let t = &self.tasks[task];
        match t.status {
            Status::Idle | Status::Done | Status::Bug => return Step::Blocked,
            Status::Running => {}
        }
        if t.aio.can_move() && choice == self.own_choices(ctx, task) {
            return self.bio_step(ctx, task, sink);
        }
        let before = self.holds(task);
        // The choices behind those of the step itself bring other pages along.
        let (choice, others) = match self.reads_with_others(ctx, task) {
            Some(file) if choice >= self.own_choices(ctx, task) / 2 => {
                (choice - self.own_choices(ctx, task) / 2, Some(file))
            }
            _ => (choice, None),
        };
        let step = if t.fault == Fault::Begin {
            self.fault_begin(ctx, task, sink)
        } else if t.nested() || self.runs_design(ctx, task) {
            self.instruction(ctx, task, choice, out, sink)
        } else {
            self.builtin_step(ctx, task, sink)
        };
        if step == Step::Taken
            && let Some(file) = others
        {
            self.read_others(ctx, file, sink);
        }
        if step == Step::Taken {
            self.run_unseen(ctx, task, before, sink);
            if ctx.program.kernel.hold == HoldRule::V2624 {
                for gl in &mut self.glocks[..ctx.scenario.files.len()] {
                    gl.kept = gl.kept.saturating_sub(1);
                }
            }
        }
        step
    }

    /// Can a task of the node move, without any help?
    fn somebody_moves(&self, ctx: &Ctx<'_>) -> bool {
        (0..ctx.scenario.tasks.len())
            .filter(|&t| ctx.scenario.node_of(t) == ctx.node)
            .any(|t| {
                (0..self.task_choices(ctx, t)).any(|choice| {
                    let (mut next, mut out) = (*self, Outgoing::default());
                    next.task_step(ctx, t, choice, &mut out, &mut NoSink) == Step::Taken
                })
            })
    }

    /// Does the outer frame run the design's code (rather than a built-in)?
    pub(crate) fn runs_design(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        match self.tasks[task].sub {
            Sub::None => true,
            Sub::MmHeld => ctx.scenario.tasks[task].op == OpKind::Mmap,
            _ => false,
        }
    }

    /// Fusion: executes what touches only the task itself, up to the next step that
    /// others could notice.
    fn run_locals<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        if !ctx.scenario.switches.fusion {
            return;
        }
        while self.at_local(ctx, task) {
            self.local(ctx, task, sink);
        }
    }

    /// As [`Node::run_locals`], and with release fusion what nobody depends on.
    fn run_unseen<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, mut before: Holds, sink: &mut S) {
        self.run_locals(ctx, task, sink);
        while ctx.scenario.switches.release_fusion && self.at_release(ctx, task, &mut before) {
            self.instruction(ctx, task, 0, &mut Outgoing::default(), sink);
            self.run_locals(ctx, task, sink);
        }
    }

    /// Does the task run code of the design, a handler's or a hook's included?
    pub(crate) fn runs_code(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        let t = &self.tasks[task];
        t.status == Status::Running
            && t.wait == Wait::No
            && (t.nested() || t.fault == Fault::None && self.runs_design(ctx, task))
    }

    /// Is the task's next step local: a local instruction, the entry of a built-in,
    /// or the return of the system call?
    fn at_local(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        if !self.runs_code(ctx, task) {
            return false;
        }
        let t = &self.tasks[task];
        let nested = t.nested();
        let pc = self.frame_pc(task);
        match ctx.program.code[pc as usize].op {
            Op::Return(_) => !nested && t.sub == Sub::None,
            // All tasks of the node share what it reads.
            Op::WriteChecks if ctx.scenario.tasks[task].append => false,
            op if op.is_builtin() => true,
            _ => {
                ctx.program.is_local(pc)
                    && !(ctx.program.reads_queued(pc) && self.may_lose_holder(ctx, task))
            }
        }
    }

    /// Can the holder of the system call's file be taken away at any time (W2)?
    fn may_lose_holder(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        let file = ctx.scenario.tasks[task].file as usize;
        self.glocks[file].queue.weak_of(task as u8).is_some()
    }

    /// One instruction of the frame that runs.
    fn instruction<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        choice: u8,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        let pc = self.frame_pc(task);
        let op = ctx.program.code[pc as usize].op;
        if self.tasks[task].wait == Wait::No {
            sink.event(Event::Line {
                task: task as u8,
                pc,
            });
        }
        match op {
            Op::Nq { mode, flags, .. } => self.nq(ctx, task, mode, flags, out, sink),
            Op::Dq => self.dq(ctx, task, out, sink),
            Op::AllowDemote | Op::DisallowDemote => {
                let file = self.frame_file(ctx, task);
                self.tell_glock(ctx, file, sink, |gl, env| {
                    match op {
                        Op::AllowDemote => gl.allow_demote(task as u8, env),
                        _ => gl.disallow_demote(task as u8, env),
                    };
                });
                self.advance(ctx, task);
                Step::Taken
            }
            Op::InodeLock => self.inode_lock(ctx, task, sink),
            Op::InodeUnlock => self.inode_unlock(ctx, task, sink),
            Op::FilemapFault { to } => {
                let retry = choice == 1;
                self.handler_call(ctx, task, to, sink, |n, s| {
                    n.filemap_fault(ctx, task, retry, s)
                })
            }
            Op::DirtyPage { to } => {
                self.handler_call(ctx, task, to, sink, |n, s| n.dirty_page(ctx, task, s))
            }
            Op::UnlockPage => {
                self.tasks[task].page_locked = false;
                self.advance(ctx, task);
                Step::Taken
            }
            Op::MpageReadpage => {
                self.mpage_readpage(ctx, task, sink);
                self.advance(ctx, task);
                Step::Taken
            }
            Op::Unpin => {
                let t = &mut self.tasks[task];
                for (i, pin) in t.pins.iter_mut().enumerate() {
                    // A bio has a pin of its own.
                    if t.aio.bios & (1 << i) == 0 {
                        *pin = Pinned::No;
                    }
                }
                (t.aio.pinned, t.aio.referenced) = (0, 0);
                self.advance(ctx, task);
                Step::Taken
            }
            Op::Return(a) if self.tasks[task].nested() => {
                let value = self.eval(ctx, task, a);
                self.nested_return(ctx, task, value, sink);
                Step::Taken
            }
            Op::Return(a) => {
                let value = self.eval(ctx, task, a);
                self.operation_returns(ctx, task, value, sink);
                Step::Taken
            }
            _ => {
                self.local_op(ctx, task, op);
                Step::Taken
            }
        }
    }

    /// A local instruction, with its line reported.
    fn local<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        let pc = self.frame_pc(task);
        sink.event(Event::Line {
            task: task as u8,
            pc,
        });
        match ctx.program.code[pc as usize].op {
            Op::Return(a) => {
                let value = self.eval(ctx, task, a);
                self.operation_returns(ctx, task, value, sink);
            }
            op => self.local_op(ctx, task, op),
        }
    }

    /// Executes an instruction that needs nothing but the task (or a shared flag).
    fn local_op(&mut self, ctx: &Ctx<'_>, task: usize, op: Op) {
        match op {
            Op::PagefaultDisable => self.tasks[task].faults_off = true,
            Op::PagefaultEnable => self.tasks[task].faults_off = false,
            Op::IterNofault(on) => self.tasks[task].nofault = on,
            Op::IterMapped => {
                let t = &mut self.tasks[task];
                t.iter_count += std::mem::take(&mut t.iter_pos);
            }
            Op::WriteChecks => self.write_checks(ctx, task),
            Op::Assign { to, a, op } => {
                let value = self.arith(ctx, task, a, op);
                match to {
                    Target::Var(var) => self.set_var(task, var, value),
                    Target::IterCount => {
                        // Cannot be re-expanded beyond the buffer.
                        let asked = ctx.scenario.tasks[task].buffer.len() as u8;
                        let t = &mut self.tasks[task];
                        t.iter_count = value.as_size().unwrap_or(0).min(asked - t.iter_pos);
                    }
                    Target::IterPos => {
                        let asked = ctx.scenario.tasks[task].buffer.len() as u8;
                        self.tasks[task].ki_pos = value.as_size().unwrap_or(0).min(asked);
                    }
                }
            }
            Op::SetFlag { flag, a, op } => {
                let value = self.arith(ctx, task, a, op);
                let max = ctx.program.flags[flag.0 as usize].max;
                self.set_flag(ctx, task, flag, value.as_size().unwrap_or(0).min(max));
            }
            Op::Branch { a, cmp, b, then } => {
                let (a, b) = (self.eval(ctx, task, a), self.eval(ctx, task, b));
                if cmp.holds(a, b) {
                    self.jump(ctx, task, then);
                    return;
                }
            }
            Op::Goto(to) => {
                self.jump(ctx, task, to);
                return;
            }
            builtin => {
                self.enter_builtin(ctx, task, builtin);
                return;
            }
        }
        self.advance(ctx, task);
    }

    /// A function of the fault handler that returns a value, or waits.
    fn handler_call<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        to: Var,
        sink: &mut S,
        f: impl FnOnce(&mut Node, &mut S) -> Option<Val>,
    ) -> Step {
        match f(self, sink) {
            None => Step::Blocked,
            Some(value) => {
                self.set_var(task, to, value);
                self.advance(ctx, task);
                Step::Taken
            }
        }
    }

    fn nested_return<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, value: Val, sink: &mut S) {
        let t = &mut self.tasks[task];
        t.nested_pc = 0;
        t.nested_vars = Default::default();
        if t.fault == Fault::None {
            self.hook_returned(ctx, task, value, sink);
        } else {
            self.handler_returned(ctx, task, value, sink);
        }
    }

    fn jump(&mut self, ctx: &Ctx<'_>, task: usize, pc: Pc) {
        let t = &mut self.tasks[task];
        if t.nested() {
            t.nested_pc = pc;
        } else {
            t.pc = pc;
        }
        self.drop_dead(ctx, task);
    }

    pub(crate) fn advance(&mut self, ctx: &Ctx<'_>, task: usize) {
        self.jump(ctx, task, self.frame_pc(task) + 1);
    }

    /// Resets variables that no path reads any more.
    fn drop_dead(&mut self, ctx: &Ctx<'_>, task: usize) {
        let pc = self.frame_pc(task);
        let t = &mut self.tasks[task];
        let live = ctx.program.code[pc as usize].live;
        let vars: &mut [Val] = if t.nested() {
            &mut t.nested_vars
        } else {
            &mut t.vars
        };
        for (i, var) in vars.iter_mut().enumerate() {
            if live & (1 << i) == 0 {
                *var = Val::ZERO;
            }
        }
    }

    fn set_var(&mut self, task: usize, var: Var, value: Val) {
        let t = &mut self.tasks[task];
        if t.nested() {
            t.nested_vars[var.0 as usize] = value;
        } else {
            t.vars[var.0 as usize] = value;
        }
    }

    fn flag_shift(flag: Flag) -> u32 {
        2 * u32::from(flag.0)
    }

    fn set_flag(&mut self, ctx: &Ctx<'_>, task: usize, flag: Flag, value: u8) {
        let shift = Node::flag_shift(flag);
        let file = self.frame_file(ctx, task);
        let open = ctx.scenario.tasks[task].open_file as usize;
        let packed = match ctx.program.flags[flag.0 as usize].place {
            Place::Task | Place::JournalInfo => {
                self.tasks[task].flags[flag.0 as usize] = value;
                return;
            }
            Place::File => &mut self.file_flags[open],
            Place::Inode => &mut self.inode_flags[file],
        };
        *packed = (*packed & !(3 << shift)) | (value << shift);
    }

    fn flag(&self, ctx: &Ctx<'_>, task: usize, flag: Flag) -> u8 {
        let shift = Node::flag_shift(flag);
        let open = ctx.scenario.tasks[task].open_file as usize;
        match ctx.program.flags[flag.0 as usize].place {
            Place::Task | Place::JournalInfo => self.tasks[task].flags[flag.0 as usize],
            Place::File => self.file_flags[open] >> shift & 3,
            Place::Inode => self.inode_flags[self.frame_file(ctx, task)] >> shift & 3,
        }
    }

    /// The value of an operand in the frame that runs.
    pub(crate) fn eval(&self, ctx: &Ctx<'_>, task: usize, operand: Operand) -> Val {
        let t = &self.tasks[task];
        let bit = |b: bool| if b { Val::ONE } else { Val::ZERO };
        match operand {
            Operand::Const(value) => value,
            Operand::Var(var) if t.nested() => t.nested_vars[var.0 as usize],
            Operand::Var(var) => t.vars[var.0 as usize],
            Operand::Flag(flag) => Val(self.flag(ctx, task, flag)),
            Operand::IterCount => Val(t.iter_count),
            Operand::IterPos => Val(t.ki_pos),
            Operand::LockedByMe => bit(self.held(task, self.frame_file(ctx, task)) != Mode::Un),
            Operand::Held => Val::mode(self.held(task, self.frame_file(ctx, task))),
            Operand::HolderQueued => bit(self.has_holder(task, self.frame_file(ctx, task))),
            Operand::PagefaultDisabled => bit(t.faults_off),
            Operand::IocbAppend => bit(ctx.scenario.tasks[task].append),
        }
    }

    fn arith(&self, ctx: &Ctx<'_>, task: usize, a: Operand, op: Option<(Arith, Operand)>) -> Val {
        let a = self.eval(ctx, task, a);
        let Some((op, b)) = op else { return a };
        let b = self.eval(ctx, task, b);
        // A name that is no size (GLR_TRYFAILED taken for a count) stays itself.
        let (Some(x), Some(y)) = (a.as_size(), b.as_size()) else {
            return if a.as_size().is_none() { a } else { b };
        };
        match op {
            Arith::Add => Val((x + y).min(Val::MAX_SIZE)),
            Arith::Sub => Val(x.saturating_sub(y)),
            Arith::Min => Val(x.min(y)),
        }
    }

    // ---- glocks and i_rwsem -------------------------------------------------

    /// `gfs2_glock_nq`: enqueue; run the xmote it may have started; wake up (Q3).
    fn nq<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        mode: Mode,
        flags: NqFlags,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        let file = self.frame_file(ctx, task);
        if self.tasks[task].wait != Wait::No {
            return self.nq_continue(ctx, task, file, out, sink);
        }
        let nq = self.with_glock(ctx, file, out, sink, |gl, env| {
            gl.nq(task as u8, mode, flags, env)
        });
        // The xmote runs in this task's context: it stays in the call for it.
        let runs_xmote = self.runs_xmote(task, file);
        let dio_wait = self.waits_for_dio(ctx, task, file);
        match nq {
            Nq::Granted if !runs_xmote && !dio_wait => self.nq_done(ctx, task, true, sink),
            Nq::Failed if !runs_xmote => self.nq_done(ctx, task, false, sink),
            Nq::Failed => self.tasks[task].wait = Wait::Failed,
            Nq::Granted | Nq::Waiting => self.tasks[task].wait = Wait::Sleeping,
            Nq::Bug => self.tasks[task].status = Status::Bug,
        }
        Step::Taken
    }

    /// Does this task's `gfs2_glock_nq` still have to carry an xmote on?
    pub fn runs_xmote(&self, task: usize, file: usize) -> bool {
        let gl = &self.glocks[file];
        gl.runner == Runner::Task(task as u8)
            && matches!(gl.stage, Stage::Sync | Stage::Inval | Stage::Sent)
    }

    fn nq_continue<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        file: usize,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        if self.runs_xmote(task, file) {
            return self.xmote_step(ctx, file, out, sink);
        }
        let granted = self.held(task, file) != Mode::Un;
        let failed = self.tasks[task].wait == Wait::Failed;
        if !granted && !failed || self.waits_for_dio(ctx, task, file) {
            return Step::Blocked;
        }
        sink.event(Event::Wake {
            task: task as u8,
            file: file as u8,
            granted,
        });
        self.nq_done(ctx, task, granted, sink);
        Step::Taken
    }

    /// Does the task have its grant and not the use of it, while direct I/O is in
    /// flight: `inode_dio_wait` for SH and EX (Q8)? The woken task waits, as from v6.0
    /// on; before that the queue run did, and everybody behind it. Beside a holder in
    /// DF nobody waits.
    pub fn waits_for_dio(&self, ctx: &Ctx<'_>, task: usize, file: usize) -> bool {
        let holders = self.glocks[file].queue.as_slice().iter();
        self.held(task, file) != Mode::Un
            && self.dio_in_flight(ctx, file)
            && !Mutant::DioNotAwaited.is_on()
            && !holders.into_iter().any(|h| h.granted && h.mode == Mode::Df)
    }

    /// `gfs2_glock_nq` returns.
    fn nq_done<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, granted: bool, sink: &mut S) {
        self.tasks[task].wait = Wait::No;
        if granted {
            self.read_inode(self.frame_file(ctx, task), sink);
        }
        let op = ctx.program.code[self.frame_pc(task) as usize].op;
        let Op::Nq {
            to,
            refused,
            requeue,
            ..
        } = op
        else {
            return;
        };
        let failed = !granted || requeue && self.tasks[task].gh_error;
        if !self.tasks[task].nested() {
            let stays = ctx.program.kernel.gh_error == GhError::V512;
            self.tasks[task].gh_error = failed && stays && ctx.program.requeues_holders();
        }
        if let Some(var) = to {
            self.set_var(task, var, if failed { Val::TRYFAILED } else { Val::ZERO });
        }
        match refused {
            Some(pc) if failed => self.jump(ctx, task, pc),
            _ => self.advance(ctx, task),
        }
    }

    /// gfs2_inode_refresh: with a holder granted, what the glock protects is read in again if
    /// it is not up to date (go_lock up to v5.15, gfs2_instantiate from then on). It is not
    /// once the node has lost the glock; nobody else appends before.
    fn read_inode<S: Sink>(&mut self, file: usize, sink: &mut S) {
        let size = self.disk_size[file];
        if self.i_size[file] != size && !Mutant::SizeNotRefreshed.is_on() {
            self.i_size[file] = size;
            sink.event(Event::SizeRead {
                file: file as u8,
                pages: size,
            });
        }
    }

    fn dq<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        let file = self.frame_file(ctx, task);
        // Dequeueing its weak holder is up to the system call that took it.
        let weak = !self.tasks[task].nested() && self.held(task, file) == Mode::Un;
        let dequeued = self.with_glock(ctx, file, out, sink, |gl, env| {
            (gl.dq(task as u8, weak, env), Effects::default())
        });
        if !dequeued {
            self.tasks[task].status = Status::Bug;
            return Step::Taken;
        }
        let own = ctx.scenario.tasks[task].file as usize;
        if file == own && self.tasks[task].mapping == Mapping::Valid {
            self.tasks[task].mapping = Mapping::Stale;
        }
        self.advance(ctx, task);
        Step::Taken
    }

    fn inode_lock<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let file = self.frame_file(ctx, task);
        if self.rwsem[file] != 0 {
            return Step::Blocked;
        }
        self.rwsem[file] = task as u8 + 1;
        sink.event(Event::InodeLock {
            task: task as u8,
            file: file as u8,
        });
        self.advance(ctx, task);
        Step::Taken
    }

    fn inode_unlock<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let file = self.frame_file(ctx, task);
        if self.rwsem[file] == task as u8 + 1 {
            self.rwsem[file] = 0;
        }
        sink.event(Event::InodeUnlock {
            task: task as u8,
            file: file as u8,
        });
        self.advance(ctx, task);
        Step::Taken
    }

    /// P5: does the task leave anything behind as it returns?
    pub(crate) fn leaves_something(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        let t = &self.tasks[task];
        let queued = (0..ctx.scenario.files.len()).any(|f| {
            let queue = self.glocks[f].queue.as_slice();
            queue.iter().any(|h| h.task as usize == task)
        });
        let rwsem = self.rwsem.contains(&(task as u8 + 1));
        let mut pins = t.pins.iter().enumerate();
        // What is in flight is not the call's any more.
        let pins = pins.any(|(i, &p)| p != Pinned::No && !t.aio.alone_pins(i));
        let journal_info = (0..MAX_FLAGS.min(ctx.program.flags.len()))
            .any(|i| ctx.program.flags[i].place == Place::JournalInfo && t.flags[i] != 0);
        queued || rwsem || pins || journal_info || t.faults_off || t.nofault || t.mmap_read
    }

    // ---- the glock's worker and the messages --------------------------------

    /// The next part of an xmote, in the context that runs it (Q10, R5, R6).
    pub(crate) fn xmote_step<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        match self.glocks[file].stage {
            Stage::Sync => self.go_sync(ctx, file, out, sink),
            Stage::Inval => self.go_inval(ctx, file, out, sink),
            Stage::Sent if ctx.scenario.lock == LockManager::Nolock => {
                self.with_glock(ctx, file, out, sink, |gl, env| ((), gl.finish_local(env)));
                Step::Taken
            }
            _ => Step::Blocked,
        }
    }

    /// `inode_go_sync`: unmap what is mapped writable, wait for direct I/O in flight,
    /// write back what is dirty (R5).
    fn go_sync<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        let pages = ctx.scenario.files[file].pages as usize;
        let locked_dirty = (0..pages)
            .any(|q| self.pages[file][q] == Page::Dirty && self.page_locked(ctx, file, q, None));
        let in_flight = self.dio_in_flight(ctx, file) && !Mutant::DioNotSynced.is_on();
        if locked_dirty || in_flight {
            return Step::Blocked;
        }
        if self.sw_paged & (1 << file) != 0 {
            self.sw_paged &= !(1 << file);
            for v in 0..ctx.scenario.vpages.len() {
                if ctx.vpage_is_here(v) && self.backing(ctx, v).is_some_and(|(f, _)| f == file) {
                    self.set_pte(v, Pte::None, sink);
                }
            }
        }
        for q in 0..pages {
            self.clean_page(ctx, file, q, sink);
        }
        self.with_glock(ctx, file, out, sink, |gl, env| ((), gl.synced(env)));
        Step::Taken
    }

    /// `inode_go_inval`: drop the file's data pages, one a step (R6). Waits for page
    /// locks; with the switch `page_refs_block` also for references (R10.5).
    fn go_inval<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        let first = self.glocks[file].inval_page as usize;
        if let Some(q) = self.next_inval(ctx, file, first) {
            if self.inval_waits_for(ctx, file, q).next().is_some()
                && !Mutant::InvalidatedUnderLock.is_on()
            {
                return Step::Blocked;
            }
            self.drop_page(ctx, file, q, sink);
            self.glocks[file].inval_page = q as u8 + 1;
            self.file_changes(ctx, file, None);
            if self.next_inval(ctx, file, q + 1).is_some() {
                return Step::Taken;
            }
        } else {
            self.file_changes(ctx, file, None);
        }
        self.with_glock(ctx, file, out, sink, |gl, env| ((), gl.invalidated(env)));
        Step::Taken
    }

    /// The next page `go_inval` has to drop or to wait for: a page that is being read in
    /// is not cached yet, but locked (I27).
    pub(crate) fn next_inval(&self, ctx: &Ctx<'_>, file: usize, from: usize) -> Option<usize> {
        let reads_in = ctx.program.entry(Entry::Readpage).is_some();
        (from..ctx.scenario.files[file].pages as usize).find(|&q| {
            self.pages[file][q] != Page::Absent
                || reads_in && self.page_lock_owner(ctx, file, q).is_some()
        })
    }

    /// The tasks whose page lock (or references, by switch) hold up the invalidation
    /// of a page. It waits for every one of them.
    pub fn inval_waits_for(
        &self,
        ctx: &Ctx<'_>,
        file: usize,
        page: usize,
    ) -> impl Iterator<Item = usize> {
        let blocking = ctx.scenario.switches.page_refs_block;
        let references = blocking.then(|| self.page_ref_owners(ctx, file, page));
        let locked = self.page_lock_owner(ctx, file, page);
        locked.into_iter().chain(references.into_iter().flatten())
    }

    /// The glock's work item (R3), or the part of an xmote it runs.
    pub fn worker_step<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        out: &mut Outgoing,
        sink: &mut S,
    ) -> Step {
        let gl = &self.glocks[file];
        if gl.is_at_rest() {
            return Step::Blocked;
        }
        if matches!(gl.stage, Stage::Sync | Stage::Inval | Stage::Sent) {
            if gl.runner != Runner::Worker {
                return Step::Blocked;
            }
            return self.xmote_step(ctx, file, out, sink);
        }
        let taken = self.with_glock(ctx, file, out, sink, |gl, env| match gl.work(env) {
            None => (false, Effects::default()),
            Some((next, effects)) => {
                *gl = next;
                (true, effects)
            }
        });
        if taken { Step::Taken } else { Step::Blocked }
    }

    /// The minimum hold time of a glock is over (R2, R3). Where it counts from the change of
    /// mode ([`HoldRule`]) it lasts for some steps of the node's tasks; but when none of
    /// them can move, time passes.
    ///
    /// [`HoldRule`]: crate::program::HoldRule
    pub fn hold_expires<S: Sink>(&mut self, ctx: &Ctx<'_>, file: usize, sink: &mut S) -> Step {
        let gl = &self.glocks[file];
        let kept = gl.kept > 0 && !Mutant::HoldTimeTooShort.is_on();
        if !gl.hold_may_expire() || kept && self.somebody_moves(ctx) {
            return Step::Blocked;
        }
        self.tell_glock(ctx, file, sink, |gl, env| gl.hold_expires(env));
        Step::Taken
    }

    /// A message from the lock space arrives (D7). A callback for a mode that goes
    /// with the mode last granted is dropped, as the DLM does on delivery.
    pub fn deliver<S: Sink>(&mut self, ctx: &Ctx<'_>, file: usize, message: Message, sink: &mut S) {
        self.tell_glock(ctx, file, sink, |gl, env| match message {
            Message::Grant => gl.complete(true, env),
            Message::Refuse => gl.complete(false, env),
            Message::Bast(mode) => {
                let cast = if gl.stage == Stage::Reply {
                    gl.reply
                } else {
                    gl.state
                };
                if !cast.compatible(mode) {
                    gl.callback(demote_for(mode), env);
                }
            }
        });
    }

    /// A process outside the model wants the file (R1).
    pub fn demand<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        mode: Mode,
        sink: &mut S,
    ) -> Step {
        if self.glocks[file].state.compatible(mode) {
            return Step::Blocked;
        }
        self.tell_glock(ctx, file, sink, |gl, env| {
            gl.callback(demote_for(mode), env)
        });
        Step::Taken
    }

    /// A process on a node outside the model appends a page. It needs EX, so that this node,
    /// the only one of the model that uses the file, must not own the glock, and holds it for
    /// this step only.
    pub fn append_outside<S: Sink>(&mut self, ctx: &Ctx<'_>, file: usize, sink: &mut S) -> Step {
        let gl = &self.glocks[file];
        let page = self.disk_size[file];
        let full = page == ctx.scenario.files[file].pages;
        if gl.state != Mode::Un || gl.stage != Stage::Idle || full {
            return Step::Blocked;
        }
        self.disk_size[file] += 1;
        sink.event(Event::AppendedOutside {
            file: file as u8,
            page,
        });
        Step::Taken
    }

    /// The shrinker takes an idle glock (R8).
    pub fn shrink<S: Sink>(&mut self, ctx: &Ctx<'_>, file: usize, sink: &mut S) -> Step {
        if !self.glocks[file].is_idle() {
            return Step::Blocked;
        }
        self.tell_glock(ctx, file, sink, |gl, env| gl.shrink(env));
        Step::Taken
    }
}
