//! One glock of one node: what happens under its spinlock.
//!
//! The holder queue and the state engine, rules Q1 to Q19, R1 to R4, W1 to W5, with the
//! kernel's function names. Nothing here sleeps or calls out: what must happen with the
//! spinlock dropped (waking, write-back, invalidation, the request to the lock space,
//! the worker) is left in [`Todo`].

use crate::dlm::Request;
use crate::event::Woken;
use crate::mode::{Flags, Kernel, LockManager, Mode};
use crate::runtime::{Flag, Parker, Runtime};
use crate::weakened::Weakened;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The wake flag: the request waits.
pub(crate) const WAITING: u8 = 0;
/// The request is granted.
pub(crate) const GRANTED: u8 = 1;
/// The TRY request failed.
pub(crate) const FAILED: u8 = 2;
/// The request is granted, but a holder of EX panicked.
pub(crate) const POISONED: u8 = 3;

/// Where the task that waits for a request sleeps: a flag and a place.
pub(crate) struct Waiter<R: Runtime> {
    pub(crate) flag: R::Flag,
    pub(crate) parker: R::Parker,
}

impl<R: Runtime> Waiter<R> {
    pub(crate) fn new() -> Self {
        Waiter {
            flag: R::Flag::new(WAITING),
            parker: R::Parker::new(),
        }
    }
}

/// An entry of `gl_holders`.
pub(crate) struct Holder<R: Runtime> {
    /// Tells entries apart: a task may have a weak holder and another entry.
    pub(crate) serial: u64,
    pub(crate) task: u8,
    pub(crate) mode: Mode,
    pub(crate) flags: Flags,
    pub(crate) granted: bool,
    /// HIF_MAY_DEMOTE.
    pub(crate) weak: bool,
    /// Who sleeps for it; none if it was granted at once.
    waiter: Option<Arc<Waiter<R>>>,
}

impl<R: Runtime> Holder<R> {
    fn is_strong(&self) -> bool {
        self.granted && !self.weak
    }
}

/// What does not change during the life of a glock.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) kernel: Kernel,
    pub(crate) lock: LockManager,
    pub(crate) hold_time: bool,
    pub(crate) weakened: Option<Weakened>,
}

impl Rules {
    #[inline]
    pub(crate) fn weak(&self, part: Weakened) -> bool {
        self.weakened == Some(part)
    }
}

/// A change of mode to carry on with the spinlock dropped (Q10).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xmote {
    pub(crate) target: Mode,
}

impl Xmote {
    /// Does it drop what is cached?
    pub(crate) fn invalidates(self) -> bool {
        matches!(self.target, Mode::Un | Mode::Df)
    }
}

/// What is left to do with the spinlock dropped.
pub(crate) struct Todo<R: Runtime> {
    /// For the log: whose wait ended since the last entry.
    pub(crate) woken: Woken,
    /// Sleepers to wake, and what to tell them.
    wake: Vec<(Arc<Waiter<R>>, u8)>,
    /// The worker must look at the glock.
    pub(crate) work: bool,
    /// A change of mode has begun.
    pub(crate) xmote: Option<Xmote>,
}

impl<R: Runtime> Todo<R> {
    #[inline]
    pub(crate) fn new() -> Self {
        Todo {
            woken: Woken::default(),
            wake: Vec::new(),
            work: false,
            xmote: None,
        }
    }

    /// Is nothing left to do?
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.wake.is_empty() && !self.work && self.xmote.is_none()
    }

    /// Wakes the sleepers: sets the flag, then wakes, with the spinlock dropped.
    pub(crate) fn wake(&mut self, rules: &Rules) {
        for (waiter, why) in self.wake.drain(..) {
            let (order, silent) = match why {
                // Nothing is handed over with a failure.
                FAILED => (Ordering::Relaxed, rules.weak(Weakened::TryUnwoken)),
                // What earlier holders did must be seen by who sees the flag: it does
                // not take the spinlock again.
                _ if rules.weak(Weakened::GrantRelaxed) => (Ordering::Relaxed, false),
                _ => (Ordering::Release, rules.weak(Weakened::GrantUnwoken)),
            };
            waiter.flag.store(why, order);
            if !silent {
                waiter.parker.unpark();
            }
        }
    }
}

/// What a node must come down to if this mode is blocked (D5).
pub(crate) fn demote_for(blocked: Mode) -> Mode {
    match blocked {
        Mode::Sh | Mode::Df => blocked,
        Mode::Un | Mode::Ex => Mode::Un,
    }
}

/// What `gfs2_glock_nq` did at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nq {
    Granted,
    Failed,
    Waiting,
    Recursion,
}

/// A glock's state under its spinlock (Q1).
pub(crate) struct Glock<R: Runtime> {
    /// `gl_state`: the mode the node owns.
    pub(crate) state: Mode,
    /// `gl_target`.
    target: Mode,
    /// `gl_req`.
    req: Mode,
    /// `gl_demote_state`; none: no demote is asked for.
    demote_state: Option<Mode>,
    /// GLF_DEMOTE.
    demote: bool,
    /// GLF_PENDING_DEMOTE.
    pending_demote: bool,
    /// GLF_DEMOTE_IN_PROGRESS.
    demote_in_progress: bool,
    /// GLF_LOCK.
    lock: bool,
    /// GLF_INVALIDATE_IN_PROGRESS.
    invalidating: bool,
    /// TRY flags of the request the change of mode is for.
    lck_flags: Flags,
    /// GLF_REPLY_PENDING: the mode the lock space answered with.
    reply: Option<Mode>,
    /// `gl_holders`.
    pub(crate) queue: Vec<Holder<R>>,
    serials: u64,
    /// A holder of EX panicked.
    pub(crate) poisoned: bool,
}

impl<R: Runtime> Glock<R> {
    pub(crate) fn new(state: Mode) -> Self {
        Glock {
            state,
            target: state,
            req: Mode::Un,
            demote_state: None,
            demote: false,
            pending_demote: false,
            demote_in_progress: false,
            lock: false,
            invalidating: false,
            lck_flags: Flags::NONE,
            reply: None,
            queue: Vec::with_capacity(8),
            serials: 0,
            poisoned: false,
        }
    }

    fn first_strong(&self) -> Option<&Holder<R>> {
        self.queue.iter().find(|h| h.is_strong())
    }

    /// Would the worker find anything to do?
    fn has_work(&self) -> bool {
        self.demote || self.reply.is_some() || self.queue.iter().any(|h| !h.granted)
    }

    // ---- may_grant --------------------------------------------------------

    /// `may_grant` (G4, G5) for a request at `index`, which may be the queue's length.
    fn may_grant(&self, rules: &Rules, mode: Mode, flags: Flags, index: usize) -> bool {
        if !rules.kernel.compares_with_first() {
            return self.goes_with(self.first_strong().map(|h| h.mode), mode, flags);
        }
        let first = match index {
            0 => None,
            _ => self.queue.first(),
        };
        if let Some(first) = first
            && (first.mode == Mode::Ex || mode == Mode::Ex)
        {
            return false;
        }
        let first_mode = first.map_or(mode, |h| h.mode);
        let under_ex = self.state == Mode::Ex && first_mode == mode;
        self.state == mode
            || under_ex && matches!(mode, Mode::Sh | Mode::Df)
            || self.state != Mode::Un && flags.has(Flags::ANY)
    }

    /// `may_grant` from v5.16 on, with the mode of the holder to compare with (G5).
    fn goes_with(&self, current: Option<Mode>, mode: Mode, flags: Flags) -> bool {
        match current {
            Some(Mode::Ex) => false,
            Some(current) => current == mode,
            None => {
                self.state == mode
                    || self.state == Mode::Ex && matches!(mode, Mode::Sh | Mode::Df)
                    || self.state != Mode::Un && flags.has(Flags::ANY)
            }
        }
    }

    // ---- gfs2_glock_nq ----------------------------------------------------

    /// `add_to_queue` and `run_queue` (Q3 to Q8). The serial tells the entry, if one is
    /// left; the waiter, if it waits.
    #[inline]
    pub(crate) fn nq(
        &mut self,
        rules: &Rules,
        task: u8,
        mode: Mode,
        flags: Flags,
        todo: &mut Todo<R>,
    ) -> (Nq, u64, Option<Arc<Waiter<R>>>) {
        if self.queue.is_empty() && self.is_free(mode) {
            // What all of what follows comes to if nothing is in the way.
            let serial = self.push(task, mode, flags, true);
            return (Nq::Granted, serial, None);
        }
        self.nq_slow(rules, task, mode, flags, todo)
    }

    fn nq_slow(
        &mut self,
        rules: &Rules,
        task: u8,
        mode: Mode,
        flags: Flags,
        todo: &mut Todo<R>,
    ) -> (Nq, u64, Option<Arc<Waiter<R>>>) {
        let refused = flags.is_try() && self.refuses(rules, mode, flags);
        let recursion = self.queue.iter().any(|h| h.task == task && !h.weak);
        if recursion && !refused {
            return (Nq::Recursion, 0, None);
        }
        if refused {
            // A TRY that fails at once scans the queue all the same.
            self.run_queue(rules, true, todo);
            return (Nq::Failed, 0, None);
        }
        let serial = self.push(task, mode, flags, false);
        self.run_queue(rules, true, todo);
        let Some(own) = self.queue.iter_mut().find(|h| h.serial == serial) else {
            todo.woken.failed &= !(1 << task);
            return (Nq::Failed, serial, None);
        };
        if own.granted {
            todo.woken.granted &= !(1 << task);
            return (Nq::Granted, serial, None);
        }
        let waiter = Arc::new(Waiter::new());
        own.waiter = Some(waiter.clone());
        (Nq::Waiting, serial, Some(waiter))
    }

    /// Is nothing under way or asked for, and does the node's mode do?
    #[inline]
    fn is_free(&self, mode: Mode) -> bool {
        let busy = self.lock || self.demote || self.invalidating;
        !busy && (self.state == mode || self.state == Mode::Ex)
    }

    #[inline]
    fn push(&mut self, task: u8, mode: Mode, flags: Flags, granted: bool) -> u64 {
        self.serials += 1;
        self.queue.push(Holder {
            serial: self.serials,
            task,
            mode,
            flags,
            granted,
            weak: false,
            waiter: None,
        });
        self.serials
    }

    /// Does a TRY request fail before it is queued (Q6, Q6b)?
    fn refuses(&self, rules: &Rules, mode: Mode, flags: Flags) -> bool {
        let fits = || self.may_grant(rules, mode, flags, self.queue.len());
        if rules.kernel.old_try() {
            let waits_for_good = self.queue.iter().any(|h| !h.flags.is_try());
            return self.invalidating || self.lock && waits_for_good && !fits();
        }
        let waits = |h: &Holder<R>| !h.granted && !h.flags.is_try();
        self.first_strong().is_some() && !fits() || self.queue.iter().any(waits)
    }

    // ---- run_queue --------------------------------------------------------

    /// `run_queue` (Q7). `nonblock`: leave demotes to the worker.
    pub(crate) fn run_queue(&mut self, rules: &Rules, nonblock: bool, todo: &mut Todo<R>) {
        if self.lock {
            return; // who clears it looks again
        }
        if self.demote && self.demote_state.is_some_and(|d| d != self.state) {
            let held = self.queue.iter().any(|h| h.granted);
            if held && !rules.weak(Weakened::DemotedUnderHolders) {
                return; // the last dequeue schedules the worker
            }
            if nonblock {
                todo.work = true;
                return;
            }
            self.demote_in_progress = true;
            self.target = self.demote_state.unwrap_or(Mode::Un);
            self.do_xmote(rules, Flags::NONE, self.target, todo);
            return;
        }
        if self.demote {
            self.demote_wake();
        }
        if !self.do_promote(rules, todo) {
            return;
        }
        let (mode, flags) = (self.queue[0].mode, self.queue[0].flags);
        self.target = mode;
        if !flags.is_try() && !rules.weak(Weakened::TryBehindHead) {
            self.do_error(todo); // Q13d
        }
        self.do_xmote(rules, flags.only_try(), mode, todo);
    }

    /// `do_promote` (Q8). True if the head of the queue cannot be granted.
    fn do_promote(&mut self, rules: &Rules, todo: &mut Todo<R>) -> bool {
        let mut at = 0;
        let mut first = true;
        while at < self.queue.len() {
            let Holder {
                mode,
                flags,
                granted,
                ..
            } = self.queue[at];
            if granted {
                at += 1;
                continue;
            }
            if self.may_grant(rules, mode, flags, at) {
                let strong = self.first_strong().is_some();
                self.grant(at, todo);
                at += 1;
                if std::mem::take(&mut first) {
                    let with = (strong || !rules.kernel.spares_weak()).then_some(mode);
                    at -= self.take_weak(with, todo);
                }
                continue;
            }
            if at == 0 {
                return true;
            }
            if rules.weak(Weakened::GrantedPastWaiter) {
                at += 1;
                continue;
            }
            if !rules.weak(Weakened::StuckTry) {
                self.do_error(todo); // Q13c
            }
            break;
        }
        false
    }

    /// A waiter becomes a holder; its sleeper will be woken.
    fn grant(&mut self, at: usize, todo: &mut Todo<R>) {
        let h = &mut self.queue[at];
        h.granted = true;
        todo.woken.granted |= 1 << h.task;
        if let Some(waiter) = h.waiter.take() {
            let why = if self.poisoned { POISONED } else { GRANTED };
            todo.wake.push((waiter, why));
        }
    }

    /// `do_error`: fails every waiting TRY request (Q13).
    fn do_error(&mut self, todo: &mut Todo<R>) {
        self.queue.retain_mut(|h| {
            let fails = !h.granted && h.flags.is_try();
            if fails {
                todo.woken.failed |= 1 << h.task;
                if let Some(waiter) = h.waiter.take() {
                    todo.wake.push((waiter, FAILED));
                }
            }
            !fails
        });
    }

    // ---- gfs2_glock_dq, weak holders --------------------------------------

    /// `gfs2_glock_dq` (Q17) of the entry with this serial. False if it is not there:
    /// a weak holder that was taken away.
    #[inline]
    pub(crate) fn dq(&mut self, rules: &Rules, serial: u64, todo: &mut Todo<R>) -> Option<Mode> {
        if let [only] = &self.queue[..]
            && only.serial == serial
            && !(self.lock || self.demote || self.pending_demote)
        {
            let mode = only.mode;
            self.queue.pop(); // nobody waits, nobody asked
            return Some(mode);
        }
        self.dq_slow(rules, serial, todo)
    }

    fn dq_slow(&mut self, rules: &Rules, serial: u64, todo: &mut Todo<R>) -> Option<Mode> {
        let at = self.queue.iter().position(|h| h.serial == serial)?;
        let mode = self.queue[at].mode;
        let granted = self.queue[at].granted;
        self.unlink(at);
        let silent = match granted {
            true => Weakened::DequeueSilent,
            false => Weakened::WithdrawSilent,
        };
        todo.work |= self.has_work() && !rules.weak(silent);
        Some(mode)
    }

    /// Unlinks a holder; with a demote asked for and no strong holder left, the weak
    /// ones go as well (W5).
    fn unlink(&mut self, at: usize) {
        let waiting = !self.queue[at].granted;
        self.queue.remove(at);
        let asked = self.demote || self.pending_demote;
        if !waiting && asked && self.first_strong().is_none() {
            self.queue.retain(|h| !h.granted);
        }
    }

    /// `demote_incompat_holders`: weak holders that do not go with `current` leave (W2,
    /// W3). How many left.
    fn take_weak(&mut self, current: Option<Mode>, todo: &mut Todo<R>) -> usize {
        let before = self.queue.len();
        let mut at = 0;
        while at < self.queue.len() {
            let h = &self.queue[at];
            if h.granted && h.weak && !self.goes_with(current, h.mode, h.flags) {
                self.unlink(at);
                at = 0;
            } else {
                at += 1;
            }
        }
        todo.work |= before != self.queue.len() && self.has_work();
        before - self.queue.len()
    }

    /// Marks or unmarks a holder (W1). Looks neither at demotes nor at the queue.
    pub(crate) fn set_weak(&mut self, serial: u64, weak: bool) -> bool {
        let is = |h: &&mut Holder<R>| h.serial == serial && h.granted && h.weak != weak;
        let found = self.queue.iter_mut().find(is);
        found.map(|h| h.weak = weak).is_some()
    }

    // ---- callbacks --------------------------------------------------------

    /// `gfs2_glock_cb` (R1): give the file up down to `mode`.
    pub(crate) fn callback(&mut self, rules: &Rules, mode: Mode, todo: &mut Todo<R>) {
        let delayed = rules.hold_time && !self.queue.is_empty();
        if self.first_strong().is_none() {
            let wanted = if mode == Mode::Un { Mode::Ex } else { mode };
            self.take_weak(Some(wanted), todo);
        }
        match delayed {
            true => self.pending_demote = true,
            false => self.demote = true,
        }
        self.demote_state = match self.demote_state {
            Some(other) if other != mode => Some(Mode::Un),
            _ => Some(mode),
        };
        todo.work |= !delayed && !rules.weak(Weakened::CallbackSilent);
    }

    /// The minimum hold time is over (R3). False if nobody waits for that.
    pub(crate) fn hold_expires(&mut self, rules: &Rules, todo: &mut Todo<R>) -> bool {
        let due = self.pending_demote && self.state != Mode::Un && self.demote_state.is_some();
        if due {
            self.pending_demote = false;
            self.demote = true;
            todo.work |= !rules.weak(Weakened::ExpirySilent);
        }
        due
    }

    /// A blocking callback arrives: the mode that counts is the one last granted.
    pub(crate) fn bast(&mut self, rules: &Rules, blocked: Mode, todo: &mut Todo<R>) {
        if !self.reply.unwrap_or(self.state).compatible(blocked) {
            self.callback(rules, demote_for(blocked), todo);
        }
    }

    /// The answer arrives (GLF_REPLY_PENDING).
    pub(crate) fn complete(&mut self, granted: bool, todo: &mut Todo<R>) {
        self.reply = Some(if granted { self.req } else { self.state });
        todo.work = true;
    }

    fn demote_wake(&mut self) {
        self.demote_state = None;
        self.demote = false;
    }

    // ---- xmote ------------------------------------------------------------

    /// `do_xmote` (Q10): the change of mode begins.
    fn do_xmote(&mut self, rules: &Rules, lck_flags: Flags, target: Mode, todo: &mut Todo<R>) {
        let xmote = Xmote { target };
        self.lck_flags = lck_flags;
        self.req = target;
        self.lock = !rules.weak(Weakened::XmoteUnlocked);
        self.invalidating = xmote.invalidates();
        if xmote.invalidates() && rules.kernel.old_try() {
            self.do_error(todo); // Q13e
        }
        todo.xmote = Some(xmote);
    }

    /// After go_sync and go_inval: what to ask the lock space (Q11).
    pub(crate) fn request(&mut self) -> Request {
        self.invalidating = false;
        let flags = std::mem::take(&mut self.lck_flags);
        Request {
            mode: self.req,
            flags,
            quecvt: self.req != Mode::Un && self.state != Mode::Ex && !flags.is_try(),
        }
    }

    /// On a local mount the request is granted at once.
    pub(crate) fn finish_local(&mut self, rules: &Rules, todo: &mut Todo<R>) {
        self.invalidating = false;
        self.finish_xmote(rules, self.req, todo);
    }

    /// `finish_xmote` (Q12).
    fn finish_xmote(&mut self, rules: &Rules, state: Mode, todo: &mut Todo<R>) {
        self.state = state;
        if self.demote_in_progress && state != Mode::Un && self.demote_state == Some(Mode::Un) {
            self.target = Mode::Un; // asked for meanwhile
        }
        if state != self.target {
            let first = self.queue.iter().find(|h| !h.granted);
            let flags = first.map_or(Flags::NONE, |h| h.flags);
            if flags.is_try() && !self.demote_in_progress {
                self.do_error(todo); // Q13f
                self.unlock(rules, todo);
                return;
            }
            let next = match state {
                Mode::Un => self.target,
                _ => Mode::Un,
            };
            self.do_xmote(rules, flags.only_try(), next, todo);
            return;
        }
        if std::mem::take(&mut self.demote_in_progress) {
            self.demote_wake();
        }
        if state != Mode::Un {
            self.do_promote(rules, todo);
        }
        self.unlock(rules, todo);
    }

    /// Clears GLF_LOCK: whoever found it set and left relies on another scan (Q2).
    fn unlock(&mut self, rules: &Rules, todo: &mut Todo<R>) {
        self.lock = false;
        self.target = self.state;
        todo.work |= self.has_work() && !rules.weak(Weakened::NoRescan);
    }

    /// `glock_work_func`, the answer (R3). True if there was one.
    pub(crate) fn work_reply(&mut self, rules: &Rules, todo: &mut Todo<R>) -> bool {
        let reply = self.reply.take();
        if let Some(state) = reply {
            self.finish_xmote(rules, state, todo);
        }
        reply.is_some()
    }
}
