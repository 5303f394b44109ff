//! One glock of one node: the holder queue and the state engine.
//!
//! Reads side by side with `fs/gfs2/glock.c`: same functions, same order of
//! decisions. Rules Q1 to Q19 and R1 to R4 of the semantics. Everything here is
//! what happens under `gl_lockref.lock`; what happens with that spinlock dropped
//! (write-back, invalidation, the request to the lock space) is a
//! [`Stage`] between two such sections, during which GLF_LOCK stays set.

use crate::event::{Event, Sink};
use crate::mode::Mode;
use crate::mutant::Mutant;
use crate::program::{DemoteRule, HoldRule, Kernel, MayGrant, NqFlags, TryRule, WeakRule};
use crate::scenario::{LockManager, MAX_TASKS};
use std::hash::{Hash, Hasher};

/// An entry of `gl_holders`: a holder (granted) or a waiter. A task has at most one
/// that is not weak: a second one is the recursion trap (Q4). Next to its own weak
/// holder it may have another entry (W, v5.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Holder {
    /// Owner (`gh_owner_pid`), a task index.
    pub task: u8,
    /// Wanted mode (`gh_state`).
    pub mode: Mode,
    /// Request flags.
    pub flags: NqFlags,
    /// HIF_HOLDER; otherwise HIF_WAIT.
    pub granted: bool,
    /// HIF_MAY_DEMOTE, of a holder: it may be taken away (W1).
    pub weak: bool,
}

impl Holder {
    /// A holder that only its task gives up.
    #[inline]
    pub fn is_strong(&self) -> bool {
        self.granted && !self.weak
    }
}

/// `gl_holders`, first come first.
#[derive(Clone, Copy, Debug, Eq, Default)]
pub struct Queue {
    len: u8,
    entries: [Holder; MAX_TASKS],
}

impl PartialEq for Queue {
    #[inline]
    fn eq(&self, other: &Queue) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Hash for Queue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl Queue {
    /// The entries in queue order.
    #[inline]
    pub fn as_slice(&self) -> &[Holder] {
        &self.entries[..self.len as usize]
    }

    #[inline]
    fn as_mut_slice(&mut self) -> &mut [Holder] {
        &mut self.entries[..self.len as usize]
    }

    /// Appends an entry (Q5: always at the tail).
    #[inline]
    pub fn push(&mut self, holder: Holder) {
        self.entries[self.len as usize] = holder;
        self.len += 1;
    }

    /// Removes the entry at `index`; later ones move up.
    fn remove(&mut self, index: usize) -> Holder {
        let gone = self.entries[index];
        self.entries
            .copy_within(index + 1..self.len as usize, index);
        self.len -= 1;
        self.entries[self.len as usize] = Holder::default();
        gone
    }

    /// The entry of a task, its weak holder aside.
    #[inline]
    pub fn of(&self, task: u8) -> Option<&Holder> {
        self.as_slice().iter().find(|h| h.task == task && !h.weak)
    }

    /// The weak holder of a task.
    #[inline]
    pub fn weak_of(&self, task: u8) -> Option<&Holder> {
        self.as_slice().iter().find(|h| h.task == task && h.weak)
    }

    fn position(&self, is: impl Fn(&Holder) -> bool) -> Option<usize> {
        self.as_slice().iter().position(is)
    }

    fn first_waiter(&self) -> Option<Holder> {
        self.as_slice().iter().find(|h| !h.granted).copied()
    }

    /// `find_first_holder`.
    fn first_holder(&self) -> Option<Holder> {
        self.as_slice().iter().find(|h| h.granted).copied()
    }

    /// `find_first_strong_holder` (W2, W3).
    pub(crate) fn first_strong_holder(&self) -> Option<Holder> {
        self.as_slice().iter().find(|h| h.is_strong()).copied()
    }
}

/// Where a change of mode (an xmote) stands. Anything but `Idle` is GLF_LOCK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Stage {
    /// No xmote: GLF_LOCK clear.
    #[default]
    Idle = 0,
    /// Before `go_sync`.
    Sync = 1,
    /// In `go_inval`; the next page is [`Glock::inval_page`].
    Inval = 2,
    /// Asked the lock space, waiting for the answer. On a local mount: before
    /// the immediate completion.
    Sent = 3,
    /// GLF_REPLY_PENDING: the answer is there, the worker has not looked (D7).
    Reply = 4,
}

/// Whether and when the node has been asked to give the file up (R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Demote {
    /// Not.
    #[default]
    None = 0,
    /// GLF_PENDING_DEMOTE: when the minimum hold time is over.
    Pending = 1,
    /// GLF_DEMOTE.
    Now = 2,
    /// GLF_DEMOTE, and GLF_PENDING_DEMOTE for a second request.
    Both = 3,
}

impl Demote {
    /// GLF_DEMOTE is set.
    #[inline]
    pub const fn now(self) -> bool {
        matches!(self, Demote::Now | Demote::Both)
    }
    /// GLF_PENDING_DEMOTE is set.
    #[inline]
    pub const fn pending(self) -> bool {
        matches!(self, Demote::Pending | Demote::Both)
    }
    #[inline]
    const fn with_now(self) -> Demote {
        match self {
            Demote::None | Demote::Now => Demote::Now,
            Demote::Pending | Demote::Both => Demote::Both,
        }
    }
    #[inline]
    const fn with_pending(self) -> Demote {
        match self {
            Demote::None | Demote::Pending => Demote::Pending,
            Demote::Now | Demote::Both => Demote::Both,
        }
    }
    #[inline]
    const fn without_now(self) -> Demote {
        if self.pending() {
            Demote::Pending
        } else {
            Demote::None
        }
    }
    #[inline]
    const fn without_pending(self) -> Demote {
        if self.now() {
            Demote::Now
        } else {
            Demote::None
        }
    }
}

/// In whose context the xmote runs until the lock space has been asked (Q10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Runner {
    /// The glock's work item.
    #[default]
    Worker,
    /// The task whose `gfs2_glock_nq` started it.
    Task(u8),
}

/// A request to the lock space (`gdlm_lock`, rules Q11, Q16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Wanted mode; UN converts to NL.
    pub mode: Mode,
    /// DLM_LKF_NOQUEUE: refuse instead of queueing (TRY, TRY_1CB).
    pub noqueue: bool,
    /// DLM_LKF_NOQUEUEBAST: send callbacks all the same (TRY_1CB).
    pub noqueuebast: bool,
    /// DLM_LKF_QUECVT: a conversion queues behind other conversions (GLF_BLOCKING).
    pub quecvt: bool,
}

/// A glock (`struct gfs2_glock`) of one inode on one node, rule Q1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Glock {
    /// `gl_state`: the mode the node owns.
    pub state: Mode,
    /// `gl_target`: what the state engine aims at.
    pub target: Mode,
    /// `gl_req`: what the xmote under way asks for.
    pub req: Mode,
    /// `gl_demote_state`; EX means "none".
    pub demote_state: Mode,
    /// GLF_DEMOTE and GLF_PENDING_DEMOTE.
    pub demote: Demote,
    /// GLF_DEMOTE_IN_PROGRESS.
    pub demote_in_progress: bool,
    /// Where the xmote stands; GLF_LOCK.
    pub stage: Stage,
    /// Who runs it.
    pub runner: Runner,
    /// Next page of `go_inval`.
    pub inval_page: u8,
    /// TRY flags of the request the xmote is for (`lck_flags`).
    pub lck_flags: NqFlags,
    /// The answer (`gl_reply`) while [`Stage::Reply`]: the mode now owned.
    pub reply: Mode,
    /// Steps of the node's tasks for which the minimum hold time certainly lasts; with
    /// [`HoldRule::V2624`] only.
    pub kept: u8,
    /// `gl_work` is queued: the worker will look at the queue once more. Noted only where it
    /// [counts](Env::work_counts), and not while GLF_LOCK is set, as a change of mode that is
    /// over has the queue looked at.
    pub work_queued: bool,
    /// `gl_holders`.
    pub queue: Queue,
}

/// What a task can do in a minimum hold time, of a tenth or fifth of a second: far more
/// than this, which is enough to be through with two page faults and the access.
pub const HOLD_STEPS: u8 = 24;

impl Default for Glock {
    fn default() -> Self {
        Glock::new(Mode::Un)
    }
}

/// Does an xmote to this mode drop what is cached (Q10)?
#[inline]
fn invalidates(mode: Mode) -> bool {
    mode == Mode::Un || mode == Mode::Df && !Mutant::CachedUnderDeferred.is_on()
}

/// The set of tasks whose TRY requests failed in a step: bit per task.
pub type Failed = u8;

/// What `gfs2_glock_nq` did at once (Q3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nq {
    /// The request is granted.
    Granted,
    /// GLR_TRYFAILED.
    Failed,
    /// It is queued: the task sleeps.
    Waiting,
    /// The recursion trap: kernel BUG (Q4).
    Bug,
}

/// What surrounds a glock's transitions: its names for reporting, the kernel's
/// rules, and what the page cache needs.
pub struct Env<'a, S: Sink> {
    /// The file.
    pub file: u8,
    /// Grant and TRY rules.
    pub kernel: Kernel,
    /// Local mount or cluster.
    pub lock: LockManager,
    /// Is there a minimum hold time (R2)?
    pub hold_time: bool,
    /// Does `go_sync` have anything to do now (R5)?
    pub sync_needed: bool,
    /// Does the worker look at the queue only if `gl_work` was queued? Otherwise it does
    /// whenever it finds something to do: where holders cannot become weak this is the same
    /// (2.6, W1).
    pub work_counts: bool,
    /// Receives what happens.
    pub sink: &'a mut S,
}

/// What a transition wants done outside the glock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Effects {
    /// TRY requests that failed: their tasks wake up with GLR_TRYFAILED.
    pub failed: Failed,
    /// A request for the lock space.
    pub request: Option<Request>,
}

impl Glock {
    /// A glock at rest in `state`.
    pub const fn new(state: Mode) -> Glock {
        Glock {
            state,
            target: state,
            req: Mode::Un,
            demote_state: Mode::Ex,
            demote: Demote::None,
            demote_in_progress: false,
            stage: Stage::Idle,
            runner: Runner::Worker,
            inval_page: 0,
            lck_flags: NqFlags::NONE,
            reply: Mode::Un,
            kept: 0,
            work_queued: false,
            queue: Queue {
                len: 0,
                entries: [Holder {
                    task: 0,
                    mode: Mode::Un,
                    flags: NqFlags::NONE,
                    granted: false,
                    weak: false,
                }; MAX_TASKS],
            },
        }
    }

    /// GLF_LOCK.
    #[inline]
    pub fn locked(&self) -> bool {
        self.stage != Stage::Idle
    }

    /// GLF_INVALIDATE_IN_PROGRESS: set when an xmote to UN or DF begins, cleared
    /// when `go_inval` is done (Q10).
    #[inline]
    pub fn invalidate_in_progress(&self) -> bool {
        matches!(self.stage, Stage::Sync | Stage::Inval) && matches!(self.req, Mode::Un | Mode::Df)
    }

    /// Nothing under way, nothing wanted, nobody waiting: the worker would find
    /// nothing to do (R3), and nobody has asked it to look.
    #[inline]
    pub fn is_at_rest(&self) -> bool {
        self.stage == Stage::Idle
            && !self.work_queued
            && !self.demote.now()
            && self.queue.as_slice().iter().all(|h| h.granted)
    }

    /// Is a demote wanted now that holders block (Q7a)?
    #[inline]
    pub fn demote_wanted(&self) -> bool {
        self.demote.now() && self.demote_state != self.state
    }

    /// `may_grant`, rules G4 and G5. `index` is the place of `new` in the queue, or
    /// the queue's length if it is not in it yet.
    fn may_grant(&self, rule: MayGrant, new: &Holder, index: usize) -> bool {
        let queue = self.queue.as_slice();
        match rule {
            MayGrant::V512 => {
                // Compares with the first entry, granted or not.
                let first = match queue.first() {
                    Some(first) if index != 0 => first,
                    _ => new,
                };
                let is_first = index == 0 || queue.is_empty();
                if !is_first && (first.mode == Mode::Ex || new.mode == Mode::Ex) {
                    return false;
                }
                if self.state == new.mode {
                    return true;
                }
                if self.state == Mode::Ex
                    && first.mode == new.mode
                    && matches!(new.mode, Mode::Sh | Mode::Df)
                {
                    return true;
                }
                self.state != Mode::Un && new.flags.has(NqFlags::ANY)
            }
            MayGrant::V516 => self.goes_with(self.queue.first_strong_holder().map(|h| h.mode), new),
        }
    }

    /// `may_grant` from v5.16 on, with the mode of a holder that counts, if any (G5).
    pub(crate) fn goes_with(&self, current: Option<Mode>, new: &Holder) -> bool {
        if let Some(current) = current {
            return (current != Mode::Ex || Mutant::SharedExclusive.is_on()) && current == new.mode;
        }
        if self.state == new.mode {
            return true;
        }
        if self.state == Mode::Ex {
            return matches!(new.mode, Mode::Sh | Mode::Df) || new.flags.has(NqFlags::ANY);
        }
        self.state != Mode::Un && new.flags.has(NqFlags::ANY)
    }

    /// `do_error(gl, 0)`: fails every waiting TRY request.
    fn do_error<S: Sink>(&mut self, env: &mut Env<'_, S>, out: &mut Effects) {
        let mut i = 0;
        while i < self.queue.len as usize {
            let h = self.queue.entries[i];
            if !h.granted && h.flags.is_try() {
                self.queue.remove(i);
                out.failed |= 1 << h.task;
                env.sink.event(Event::TryFailed {
                    task: h.task,
                    file: env.file,
                });
            } else {
                i += 1;
            }
        }
    }

    /// `do_promote`: grants waiters in order; true if the head is blocked (Q8).
    fn do_promote<S: Sink>(&mut self, env: &mut Env<'_, S>, out: &mut Effects) -> bool {
        let mut at = 0;
        let mut first = true;
        while at < self.queue.len as usize {
            let (i, h) = (at, self.queue.entries[at]);
            at += 1;
            if h.granted {
                continue;
            }
            if self.may_grant(env.kernel.may_grant, &h, i) {
                let strong = self.queue.first_strong_holder();
                self.queue.as_mut_slice()[i].granted = true;
                env.sink.event(Event::Promote {
                    task: h.task,
                    file: env.file,
                    mode: h.mode,
                });
                if std::mem::take(&mut first) {
                    at -= match (strong, env.kernel.weak) {
                        // W4: compared with nobody, so that nobody leaves.
                        (None, WeakRule::V516) => self.demote_incompat_holders(None, env),
                        // Whichever strong holder there was goes with the new one.
                        _ => self.demote_incompat_holders(Some(h.mode), env),
                    };
                }
                continue;
            }
            if i == 0 {
                return true;
            }
            if Mutant::GrantedPastWaiter.is_on() {
                continue;
            }
            if !Mutant::StuckTry.is_on() {
                self.do_error(env, out); // Q13c
            }
            break;
        }
        false
    }

    /// `demote_incompat_holders`: dequeues the weak holders that do not go with a
    /// holder of mode `current`. Returns how many left; all of them stood in front of
    /// every waiter (W2, W3).
    fn demote_incompat_holders<S: Sink>(
        &mut self,
        current: Option<Mode>,
        env: &mut Env<'_, S>,
    ) -> usize {
        let before = self.queue.len;
        let mut at = 0;
        while let Some(&h) = self.queue.as_slice().get(at) {
            if h.granted && h.weak && !self.goes_with(current, &h) {
                self.dequeue(at, false, env);
                at = 0; // others may have left with it
            } else {
                at += 1;
            }
        }
        (before - self.queue.len) as usize
    }

    /// `__gfs2_glock_queue_work`. Delays are not: whatever is queued may run now.
    fn queue_work<S: Sink>(&mut self, env: &Env<'_, S>) {
        self.work_queued = env.work_counts && !self.locked();
    }

    /// `__gfs2_glock_dq`: unlinks a holder, its `own` task's doing or not; with a demote
    /// asked for and no strong holder left, the weak ones as well (Q17, W5).
    fn dequeue<S: Sink>(&mut self, index: usize, mut own: bool, env: &mut Env<'_, S>) {
        let mut next = Some(index);
        while let Some(index) = next {
            let Holder { task, mode, .. } = self.queue.remove(index);
            let file = env.file;
            env.sink.event(match std::mem::take(&mut own) {
                true => Event::Dequeue { task, file, mode },
                false => Event::Taken { task, file, mode },
            });
            let kept = self.demote == Demote::None || self.queue.first_strong_holder().is_some();
            next = match kept {
                true => None,
                false => self.queue.position(|h| h.granted),
            };
        }
        if self.demote != Demote::None || !self.queue.as_slice().is_empty() {
            self.queue_work(env);
        }
    }

    /// `gfs2_holder_allow_demote`: the task's holder may be taken away. Looks neither at
    /// a demote that is due nor at the queue (W1). False if it has none.
    pub fn allow_demote<S: Sink>(&mut self, task: u8, env: &mut Env<'_, S>) -> bool {
        self.set_weak(task, true, env)
    }

    /// `gfs2_holder_disallow_demote`: what is left of the holder stays (W1).
    pub fn disallow_demote<S: Sink>(&mut self, task: u8, env: &mut Env<'_, S>) -> bool {
        self.set_weak(task, false, env)
    }

    fn set_weak<S: Sink>(&mut self, task: u8, weak: bool, env: &mut Env<'_, S>) -> bool {
        let index = self
            .queue
            .position(|h| h.task == task && h.granted && h.weak != weak);
        if let Some(index) = index {
            self.queue.as_mut_slice()[index].weak = weak;
        }
        env.sink.event(Event::MayDemote {
            task,
            file: env.file,
            weak,
        });
        index.is_some()
    }

    /// `gfs2_demote_wake`: the demote request is satisfied.
    fn demote_wake(&mut self) {
        self.demote_state = Mode::Ex;
        self.demote = self.demote.without_now();
    }

    /// `do_xmote`: begins a change of mode to `target` (Q10, Q11).
    fn do_xmote<S: Sink>(
        &mut self,
        head: Option<Holder>,
        target: Mode,
        runner: Runner,
        env: &mut Env<'_, S>,
        out: &mut Effects,
    ) {
        env.sink.event(Event::Xmote {
            file: env.file,
            from: self.state,
            to: target,
        });
        let invalidates = invalidates(target);
        self.lck_flags = match head {
            Some(h) => NqFlags(h.flags.0 & (NqFlags::TRY.0 | NqFlags::TRY_1CB.0)),
            None => NqFlags::NONE,
        };
        self.req = target;
        self.runner = runner;
        self.inval_page = 0;
        if invalidates && env.kernel.try_rule == TryRule::V512 {
            self.do_error(env, out); // Q13e
        }
        self.stage = if env.sync_needed {
            Stage::Sync
        } else if invalidates {
            Stage::Inval
        } else {
            Stage::Sent
        };
        self.work_queued = false;
        if self.stage == Stage::Sent {
            self.send(env, out);
        }
    }

    /// What follows `go_sync` (the caller has written back and unmapped).
    pub fn synced<S: Sink>(&mut self, env: &mut Env<'_, S>) -> Effects {
        let mut out = Effects::default();
        env.sink.event(Event::Sync { file: env.file });
        if invalidates(self.req) {
            self.stage = Stage::Inval;
        } else {
            self.send(env, &mut out);
        }
        out
    }

    /// What follows `go_inval`: GLF_INVALIDATE_IN_PROGRESS is cleared, the lock
    /// space is asked.
    pub fn invalidated<S: Sink>(&mut self, env: &mut Env<'_, S>) -> Effects {
        let mut out = Effects::default();
        self.inval_page = 0;
        self.send(env, &mut out);
        out
    }

    /// The call to `lm_lock`. The message is on its way from here on; nobody can
    /// tell a request that was not sent from one that was not received.
    fn send<S: Sink>(&mut self, env: &mut Env<'_, S>, out: &mut Effects) {
        self.stage = Stage::Sent;
        if env.lock == LockManager::Nolock {
            return; // completes in finish_local
        }
        let noqueue = self.lck_flags.is_try();
        let quecvt = self.req != Mode::Un && self.state != Mode::Ex && !noqueue; // Q11
        out.request = Some(Request {
            mode: self.req,
            noqueue,
            noqueuebast: self.lck_flags.has(NqFlags::TRY_1CB),
            quecvt,
        });
        self.lck_flags = NqFlags::NONE;
        self.runner = Runner::Worker;
        env.sink.event(Event::Request {
            file: env.file,
            mode: self.req,
            noqueue,
        });
    }

    /// On a local mount: the request completes at once, in the context that made
    /// it (Q10).
    pub fn finish_local<S: Sink>(&mut self, env: &mut Env<'_, S>) -> Effects {
        let mut out = Effects::default();
        let runner = self.runner;
        self.finish_xmote(self.req, runner, env, &mut out);
        out
    }

    /// The lock space's answer arrives: GLF_REPLY_PENDING (D7). A refusal leaves
    /// the mode as it was.
    pub fn complete<S: Sink>(&mut self, granted: bool, env: &mut Env<'_, S>) {
        self.reply = if granted { self.req } else { self.state };
        self.stage = Stage::Reply;
        env.sink.event(Event::Answer {
            file: env.file,
            granted,
        });
    }

    /// `finish_xmote`, rule Q12.
    fn finish_xmote<S: Sink>(
        &mut self,
        state: Mode,
        runner: Runner,
        env: &mut Env<'_, S>,
        out: &mut Effects,
    ) {
        self.reply = Mode::Un;
        if state != self.state {
            env.sink.event(Event::StateChange {
                file: env.file,
                from: self.state,
                to: state,
            });
        }
        self.state = state;
        if env.kernel.hold == HoldRule::V2624 && env.hold_time {
            self.kept = if state == Mode::Un { 0 } else { HOLD_STEPS };
        }
        let head = self.queue.first_waiter();
        if self.demote_in_progress && state != Mode::Un && self.demote_state == Mode::Un {
            // A demote to UN was asked for during a demote to SH or DF.
            self.target = Mode::Un;
        }
        if state != self.target {
            if let Some(h) = head
                && !self.demote_in_progress
                && h.flags.is_try()
            {
                self.target = self.state;
                self.do_error(env, out); // Q13f
                self.unlock(env);
                return;
            }
            let next = if state == Mode::Un {
                self.target
            } else {
                Mode::Un
            };
            self.do_xmote(head, next, runner, env, out);
            return;
        }
        if self.demote_in_progress {
            self.demote_in_progress = false;
            self.demote_wake();
        }
        if state != Mode::Un {
            self.do_promote(env, out);
        }
        self.unlock(env);
    }

    /// Clears GLF_LOCK, and what only means something while it is set. The worker looks at
    /// the queue after an answer; on a local mount it is asked to (Q12).
    fn unlock<S: Sink>(&mut self, env: &Env<'_, S>) {
        self.stage = Stage::Idle;
        self.runner = Runner::Worker;
        self.req = Mode::Un;
        self.lck_flags = NqFlags::NONE;
        self.target = self.state;
        self.queue_work(env);
    }

    /// `run_queue`, rule Q7. `nonblock` in a task's context: demotes are left to
    /// the worker.
    fn run_queue<S: Sink>(
        &mut self,
        nonblock: bool,
        runner: Runner,
        env: &mut Env<'_, S>,
        out: &mut Effects,
    ) {
        if self.locked() {
            return;
        }
        if self.demote_wanted() {
            let held = self.queue.first_holder().is_some();
            if held && !Mutant::DemotedUnderHolders.is_on() {
                return; // Q7a
            }
            if nonblock {
                return self.queue_work(env);
            }
            self.demote_in_progress = true;
            self.target = self.demote_state;
            self.do_xmote(None, self.target, runner, env, out);
            return;
        }
        if self.demote.now() {
            self.demote_wake();
        }
        if !self.do_promote(env, out) {
            return;
        }
        let head = self.queue.as_slice()[0];
        self.target = head.mode;
        if !head.flags.is_try() {
            self.do_error(env, out); // Q13d
        }
        self.do_xmote(Some(head), head.mode, runner, env, out);
    }

    /// `add_to_queue` and `run_queue` of `gfs2_glock_nq` (Q3 to Q6b).
    pub fn nq<S: Sink>(
        &mut self,
        task: u8,
        mode: Mode,
        flags: NqFlags,
        env: &mut Env<'_, S>,
    ) -> (Nq, Effects) {
        let mut out = Effects::default();
        let new = Holder {
            task,
            mode,
            flags,
            granted: false,
            weak: false,
        };
        env.sink.event(Event::Queue {
            task,
            file: env.file,
            mode,
            flags,
        });
        let added = self.add_to_queue(new, env);
        if added == Nq::Bug {
            return (added, out);
        }
        // A TRY that failed at once scans the queue all the same.
        let nonblock = env.kernel.demote == DemoteRule::V2624;
        self.run_queue(nonblock, Runner::Task(task), env, &mut out);
        if added == Nq::Failed {
            return (added, out);
        }
        let bit = 1 << task;
        if out.failed & bit != 0 {
            out.failed &= !bit;
            return (Nq::Failed, out);
        }
        let granted = self.queue.of(task).is_some_and(|h| h.granted);
        if !granted {
            env.sink.event(Event::Sleep {
                task,
                file: env.file,
            });
        }
        (if granted { Nq::Granted } else { Nq::Waiting }, out)
    }

    fn add_to_queue<S: Sink>(&mut self, new: Holder, env: &mut Env<'_, S>) -> Nq {
        let fail = |env: &mut Env<'_, S>| {
            env.sink.event(Event::TryFailed {
                task: new.task,
                file: env.file,
            });
            Nq::Failed
        };
        if self.queue.of(new.task).is_some() {
            // The trap is looked for entry by entry, and so is a futile TRY; the
            // one that is met first wins, except that a running invalidation is
            // looked at before the queue.
            if !(new.flags.is_try() && self.refused_before(new, env.kernel)) {
                if Mutant::NoRecursionTrap.is_on() {
                    return Nq::Waiting;
                }
                env.sink.event(Event::Recursion {
                    task: new.task,
                    file: env.file,
                });
                return Nq::Bug;
            }
            return fail(env);
        }
        if new.flags.is_try() && !Mutant::TryQueues.is_on() && self.try_refused(&new, env.kernel) {
            return fail(env);
        }
        self.queue.push(new);
        Nq::Waiting
    }

    /// Would a TRY request be refused before its own task's entry is met?
    fn refused_before(&self, new: Holder, kernel: Kernel) -> bool {
        match kernel.try_rule {
            TryRule::V618 => self.try_refused(&new, kernel),
            TryRule::V512 => {
                if self.invalidate_in_progress() {
                    return true;
                }
                let len = self.queue.as_slice().len();
                self.locked()
                    && !self.may_grant(kernel.may_grant, &new, len)
                    && self
                        .queue
                        .as_slice()
                        .iter()
                        .take_while(|h| h.task != new.task || h.weak)
                        .any(|h| !h.flags.is_try())
            }
        }
    }

    /// Is a TRY request refused without being queued? Rules Q6 and Q6b.
    fn try_refused(&self, new: &Holder, kernel: Kernel) -> bool {
        let queue = self.queue.as_slice();
        match kernel.try_rule {
            TryRule::V512 => {
                self.invalidate_in_progress() // Q13a
                    || (self.locked()
                        && !self.may_grant(kernel.may_grant, new, queue.len())
                        && queue.iter().any(|h| !h.flags.is_try())) // Q13b
            }
            TryRule::V618 => {
                let incompatible = queue.iter().any(Holder::is_strong)
                    && !self.may_grant(kernel.may_grant, new, queue.len());
                incompatible || queue.iter().any(|h| !h.granted && !h.flags.is_try())
            }
        }
    }

    /// `gfs2_glock_dq`, rule Q17: unlinks the task's holder, `weak` or not, and weak
    /// ones of others with it (W5). Demotion and promotion are left to the worker.
    /// False if the task has no such holder.
    pub fn dq<S: Sink>(&mut self, task: u8, weak: bool, env: &mut Env<'_, S>) -> bool {
        let own = |h: &Holder| h.task == task && h.granted && h.weak == weak;
        let Some(index) = self.queue.position(own) else {
            env.sink.event(Event::DqNotQueued {
                task,
                file: env.file,
            });
            return false;
        };
        self.dequeue(index, true, env);
        true
    }

    /// `gfs2_glock_cb`: somebody else wants the file; give it up down to `mode`
    /// (R1). With an empty queue there is no hold time to wait for since v5.10. Weak holders
    /// that stand in the way leave, unless there is a strong one (W2).
    pub fn callback<S: Sink>(&mut self, mode: Mode, env: &mut Env<'_, S>) {
        let counts = env.kernel.hold == HoldRule::V2624 || !self.queue.as_slice().is_empty();
        let pending = env.hold_time && !Mutant::NoHoldTime.is_on() && counts;
        if self.queue.first_strong_holder().is_none() {
            let wanted = if mode == Mode::Un { Mode::Ex } else { mode };
            self.demote_incompat_holders(Some(wanted), env);
        }
        self.handle_callback(mode, pending, env);
    }

    /// The shrinker (R8): an idle glock is demoted to UN.
    pub fn shrink<S: Sink>(&mut self, env: &mut Env<'_, S>) {
        env.sink.event(Event::Shrink { file: env.file });
        self.handle_callback(Mode::Un, false, env);
    }

    /// May the shrinker take it (`demote_ok`, R8)?
    pub fn is_idle(&self) -> bool {
        self.state != Mode::Un
            && !self.locked()
            && self.demote == Demote::None
            && self.queue.as_slice().is_empty()
    }

    /// `handle_callback`, and `__gfs2_glock_queue_work` as all who call it.
    fn handle_callback<S: Sink>(&mut self, mode: Mode, pending: bool, env: &mut Env<'_, S>) {
        self.demote = if pending {
            self.demote.with_pending()
        } else {
            self.demote.with_now()
        };
        if self.demote_state == Mode::Ex {
            self.demote_state = mode;
        } else if self.demote_state != mode && !Mutant::SecondDemandLost.is_on() {
            self.demote_state = Mode::Un;
        }
        self.queue_work(env);
        env.sink.event(Event::DemoteRequest {
            file: env.file,
            mode,
            pending,
        });
    }

    /// May the minimum hold time expire with any effect (R3)? `glock_work_func`
    /// looks at it only while the node owns something.
    pub fn hold_may_expire(&self) -> bool {
        self.demote.pending() && self.state != Mode::Un && self.demote_state != Mode::Ex
    }

    /// The minimum hold time is over: GLF_PENDING_DEMOTE becomes GLF_DEMOTE (R3).
    pub fn hold_expires<S: Sink>(&mut self, env: &mut Env<'_, S>) {
        self.demote = self.demote.without_pending().with_now();
        self.queue_work(env);
        env.sink.event(Event::HoldExpired { file: env.file });
    }

    /// `glock_work_func`, rule R3: processes an answer, then scans the queue. None
    /// if it would find nothing to do, or where it [counts](Env::work_counts) that nobody
    /// has asked it to look.
    pub fn work<S: Sink>(&self, env: &mut Env<'_, S>) -> Option<(Glock, Effects)> {
        let mut next = *self;
        let mut out = Effects::default();
        match self.stage {
            Stage::Reply => {
                let reply = next.reply;
                next.finish_xmote(reply, Runner::Worker, env, &mut out);
            }
            Stage::Idle if Mutant::LostWakeup.is_on() => return None,
            Stage::Idle if env.work_counts && !self.work_queued => return None,
            Stage::Idle => {
                next.work_queued = false;
                next.run_queue(false, Runner::Worker, env, &mut out);
            }
            _ => return None,
        }
        (next != *self).then_some((next, out))
    }
}
