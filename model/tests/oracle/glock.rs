//! A second, naive implementation of one glock, written from the kernel's
//! `fs/gfs2/glock.c` without looking at the model: growing lists, one boolean per
//! flag bit, one function per kernel function. Only meant to be compared with.

/// Modes as the kernel names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum M {
    UN,
    SH,
    DF,
    EX,
}
use M::{DF, EX, SH, UN};

/// Neither, LM_FLAG_TRY, or LM_FLAG_TRY_1CB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Try {
    No,
    Once,
    OneCallback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Grants {
    /// may_grant(gl, gh): compares with the first entry of the queue (G4).
    Before516,
    /// may_grant(gl, current_gh, gh): compares with a granted holder (G5).
    From516,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tries {
    /// Q6.
    Until617,
    /// Q6b.
    From618,
}

/// Holders with HIF_MAY_DEMOTE, when there is no strong one (W4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Weak {
    /// do_promote passes the first strong holder, so NULL.
    Until519,
    /// do_promote passes the holder it has just granted.
    From60,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    pub(crate) grants: Grants,
    pub(crate) tries: Tries,
    pub(crate) weak: Weak,
    /// lock_nolock instead of lock_dlm.
    pub(crate) nolock: bool,
}

/// struct gfs2_holder. HIF_WAIT is the negation of HIF_HOLDER while it is queued.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gh {
    pub(crate) pid: u8,
    pub(crate) mode: M,
    pub(crate) try_: Try,
    pub(crate) any: bool,
    pub(crate) hif_holder: bool,
    pub(crate) hif_may_demote: bool,
}

impl Gh {
    fn is_try(&self) -> bool {
        self.try_ != Try::No
    }
}

/// Whose call stack do_xmote is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    Worker,
    Pid(u8),
}

/// Where the part of do_xmote with the spinlock dropped has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    BeforeSync,
    BeforeInval,
    /// lock_nolock: before the inline finish_xmote.
    BeforeLocalFinish,
    /// lm_lock has been called; dlm_lock's ast has not come.
    AtDlm,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Xmote {
    pub(crate) place: Place,
    pub(crate) caller: Caller,
    pub(crate) target: M,
    pub(crate) lck_flags: Try,
    pub(crate) glf_blocking: bool,
}

/// What is passed to dlm_lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) mode: M,
    pub(crate) noqueue: bool,
    pub(crate) noqueuebast: bool,
    pub(crate) quecvt: bool,
}

/// What one call brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Out {
    /// Pids woken with GLR_TRYFAILED, sorted.
    pub(crate) failed: Vec<u8>,
    pub(crate) asked: Option<Asked>,
    /// A kernel BUG: the recursion trap, or "wanted X got Y".
    pub(crate) bug: Option<&'static str>,
    /// The places of Q13 that failed somebody, for coverage.
    pub(crate) places: Vec<char>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gl {
    pub(crate) gl_state: M,
    pub(crate) gl_target: M,
    pub(crate) gl_req: M,
    pub(crate) gl_demote_state: M,
    pub(crate) glf_lock: bool,
    pub(crate) glf_demote: bool,
    pub(crate) glf_pending_demote: bool,
    pub(crate) glf_demote_in_progress: bool,
    pub(crate) glf_invalidate_in_progress: bool,
    /// GLF_REPLY_PENDING and gl_reply.
    pub(crate) reply: Option<M>,
    pub(crate) xmote: Option<Xmote>,
    /// gl_work is on its way to a worker, whenever that may be.
    pub(crate) gl_work: bool,
    pub(crate) gl_holders: Vec<Gh>,
}

/// What a call finds around it.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) rules: Rules,
    pub(crate) caller: Caller,
    /// go_sync has something to do; if not it is over at once.
    pub(crate) sync_needed: bool,
}

impl Gl {
    pub(crate) fn new(state: M) -> Gl {
        Gl {
            gl_state: state,
            gl_target: state,
            gl_req: state,
            gl_demote_state: EX,
            glf_lock: false,
            glf_demote: false,
            glf_pending_demote: false,
            glf_demote_in_progress: false,
            glf_invalidate_in_progress: false,
            reply: None,
            xmote: None,
            gl_work: false,
            gl_holders: Vec::new(),
        }
    }

    /// A strong holder of the process.
    pub(crate) fn granted(&self, pid: u8) -> bool {
        self.gl_holders
            .iter()
            .any(|gh| gh.pid == pid && gh.hif_holder && !gh.hif_may_demote)
    }

    /// An entry of the process that is no weak holder.
    pub(crate) fn queued(&self, pid: u8) -> bool {
        self.gl_holders
            .iter()
            .any(|gh| gh.pid == pid && !gh.hif_may_demote)
    }

    pub(crate) fn weak(&self, pid: u8) -> bool {
        self.gl_holders
            .iter()
            .any(|gh| gh.pid == pid && gh.hif_may_demote)
    }

    fn first_is_granted(&self) -> bool {
        match self.gl_holders.first() {
            Some(gh) => gh.hif_holder,
            None => false,
        }
    }

    fn find_first_strong_holder(&self) -> Option<&Gh> {
        for gh in &self.gl_holders {
            if !gh.hif_holder {
                return None;
            }
            if !gh.hif_may_demote {
                return Some(gh);
            }
        }
        None
    }

    fn find_first_waiter(&self) -> Option<Gh> {
        self.gl_holders.iter().find(|gh| !gh.hif_holder).cloned()
    }

    /// G4, and G5 with the current holder that callers look up.
    fn may_grant(&self, rules: Rules, new: &Gh) -> bool {
        match rules.grants {
            Grants::Before516 => {
                // On an empty list the kernel reads rubbish here, but the result
                // is not used then.
                let head = match self.gl_holders.first() {
                    Some(head) => head.clone(),
                    None => new.clone(),
                };
                let new_is_head = head.pid == new.pid;
                if !new_is_head && (new.mode == EX || head.mode == EX) {
                    return false;
                }
                if self.gl_state == new.mode {
                    return true;
                }
                if self.gl_state == EX {
                    if new.mode == SH && head.mode == SH {
                        return true;
                    }
                    if new.mode == DF && head.mode == DF {
                        return true;
                    }
                }
                self.gl_state != UN && new.any
            }
            Grants::From516 => {
                let current = self.find_first_strong_holder().map(|gh| gh.mode);
                self.may_grant_beside(current, new)
            }
        }
    }

    /// may_grant(gl, current_gh, gh) from v5.16 on.
    fn may_grant_beside(&self, current_gh: Option<M>, gh: &Gh) -> bool {
        match current_gh {
            Some(EX | UN) => return false,
            Some(current) => return current == gh.mode,
            None => {}
        }
        if self.gl_state == gh.mode {
            return true;
        }
        if self.gl_state == EX {
            return gh.mode == SH || gh.mode == DF;
        }
        gh.any && self.gl_state != UN
    }

    /// demote_incompat_holders(gl, current_gh), the walk as fixed in v5.16-rc2.
    fn demote_incompat_holders(&mut self, current_gh: Option<M>) {
        let mut at = 0;
        while at < self.gl_holders.len() {
            let gh = self.gl_holders[at].clone();
            if !gh.hif_holder {
                return;
            }
            if !gh.hif_may_demote || self.may_grant_beside(current_gh, &gh) {
                at += 1;
                continue;
            }
            let before = self.gl_holders.len();
            self.__gfs2_glock_dq(at);
            if before - self.gl_holders.len() > 1 {
                return; // the next one is no holder any more
            }
        }
    }

    fn __gfs2_glock_dq(&mut self, at: usize) {
        self.gl_holders.remove(at);
        let needs_demote = self.glf_demote || self.glf_pending_demote;
        while needs_demote && self.find_first_strong_holder().is_none() && self.first_is_granted() {
            self.gl_holders.remove(0);
        }
        let fast_path = !needs_demote && self.gl_holders.is_empty();
        if !fast_path {
            self.gl_work = true;
        }
    }

    /// do_error(gl, 0); `place` as in Q13.
    fn fail_waiting_tries(&mut self, place: char, out: &mut Out) {
        let mut stay = Vec::new();
        for gh in self.gl_holders.drain(..) {
            if !gh.hif_holder && gh.is_try() {
                out.failed.push(gh.pid);
                out.places.push(place);
            } else {
                stay.push(gh);
            }
        }
        self.gl_holders = stay;
    }

    /// True if the head is blocked (the kernel's 1).
    fn do_promote(&mut self, rules: Rules, out: &mut Out) -> bool {
        let mut at = 0;
        let mut incompat_holders_demoted = false;
        while at < self.gl_holders.len() {
            let gh = self.gl_holders[at].clone();
            if gh.hif_holder {
                at += 1;
            } else if self.may_grant(rules, &gh) {
                if !incompat_holders_demoted {
                    incompat_holders_demoted = true;
                    match rules.weak {
                        Weak::Until519 => {
                            let first_gh = self.find_first_strong_holder().map(|gh| gh.mode);
                            self.demote_incompat_holders(first_gh);
                            // The waiter may have moved up.
                            at = self
                                .gl_holders
                                .iter()
                                .position(|gh| !gh.hif_holder)
                                .unwrap();
                            self.gl_holders[at].hif_holder = true;
                        }
                        Weak::From60 => {
                            self.gl_holders[at].hif_holder = true;
                            self.demote_incompat_holders(Some(gh.mode));
                        }
                    }
                } else {
                    self.gl_holders[at].hif_holder = true;
                }
                at = 0; // the kernel restarts from the beginning
            } else if at == 0 {
                return true;
            } else {
                self.fail_waiting_tries('c', out);
                return false;
            }
        }
        false
    }

    fn gfs2_demote_wake(&mut self) {
        self.gl_demote_state = EX;
        self.glf_demote = false;
    }

    fn do_xmote(&mut self, now: Now, gh: Option<&Gh>, target: M, out: &mut Out) {
        assert!(self.glf_lock);
        let lck_flags = gh.map_or(Try::No, |gh| gh.try_);
        if target == UN || target == DF {
            assert!(
                !self.glf_invalidate_in_progress,
                "only an I/O error leaves it set"
            );
            self.glf_invalidate_in_progress = true;
            if now.rules.tries == Tries::Until617 {
                self.fail_waiting_tries('e', out);
            }
        }
        self.gl_req = target;
        let glf_blocking = !(target == UN || self.gl_state == EX || lck_flags != Try::No);
        self.xmote = Some(Xmote {
            place: Place::BeforeSync,
            caller: now.caller,
            target,
            lck_flags,
            glf_blocking,
        });
        if !now.sync_needed {
            self.go_on_after_sync(now, out);
        }
    }

    fn go_on_after_sync(&mut self, now: Now, out: &mut Out) {
        if self.glf_invalidate_in_progress {
            self.xmote.as_mut().unwrap().place = Place::BeforeInval;
        } else {
            self.lm_lock(now, out);
        }
    }

    fn lm_lock(&mut self, now: Now, out: &mut Out) {
        let xmote = self.xmote.as_mut().unwrap();
        if now.rules.nolock {
            xmote.place = Place::BeforeLocalFinish;
            return;
        }
        xmote.place = Place::AtDlm;
        assert!(out.asked.is_none());
        out.asked = Some(Asked {
            mode: xmote.target,
            noqueue: xmote.lck_flags != Try::No,
            noqueuebast: xmote.lck_flags == Try::OneCallback,
            quecvt: xmote.glf_blocking,
        });
    }

    /// go_sync has returned.
    pub(crate) fn synced(&mut self, now: Now) -> Out {
        assert_eq!(self.xmote.as_ref().unwrap().place, Place::BeforeSync);
        let mut out = Out::default();
        self.go_on_after_sync(now, &mut out);
        out.done()
    }

    /// go_inval has returned.
    pub(crate) fn invalidated(&mut self, now: Now) -> Out {
        assert_eq!(self.xmote.as_ref().unwrap().place, Place::BeforeInval);
        let mut out = Out::default();
        self.glf_invalidate_in_progress = false;
        self.lm_lock(now, &mut out);
        out.done()
    }

    /// lock_nolock: finish_xmote in the context of do_xmote.
    pub(crate) fn finish_local(&mut self, now: Now) -> Out {
        let xmote = self.xmote.clone().unwrap();
        assert_eq!(xmote.place, Place::BeforeLocalFinish);
        let mut out = Out::default();
        let now = Now {
            caller: xmote.caller,
            ..now
        };
        self.finish_xmote(now, xmote.target, &mut out);
        self.gl_work = true;
        out.done()
    }

    /// gdlm_ast and gfs2_glock_complete.
    pub(crate) fn ast(&mut self, granted: bool) {
        assert_eq!(self.xmote.as_ref().unwrap().place, Place::AtDlm);
        assert!(self.reply.is_none());
        self.reply = Some(if granted { self.gl_req } else { self.gl_state });
    }

    fn finish_xmote(&mut self, now: Now, state: M, out: &mut Out) {
        self.gl_state = state;
        let gh = self.find_first_waiter();
        if self.glf_demote_in_progress && state != UN && self.gl_demote_state == UN {
            self.gl_target = UN;
        }
        if state != self.gl_target {
            if let Some(gh) = &gh
                && !self.glf_demote_in_progress
                && gh.is_try()
            {
                self.gl_target = self.gl_state;
                self.fail_waiting_tries('f', out);
                self.glf_lock = false;
                self.xmote = None;
                return;
            }
            match state {
                UN => self.do_xmote(now, gh.as_ref(), self.gl_target, out),
                SH | DF => self.do_xmote(now, gh.as_ref(), UN, out),
                EX => out.bug = Some("wanted something else, got EX"),
            }
            return;
        }
        if self.glf_demote_in_progress {
            self.glf_demote_in_progress = false;
            self.gfs2_demote_wake();
        }
        if state != UN {
            self.do_promote(now.rules, out);
        }
        self.glf_lock = false;
        self.xmote = None;
    }

    fn run_queue(&mut self, now: Now, nonblock: bool, out: &mut Out) {
        if self.glf_lock {
            return;
        }
        self.glf_lock = true;
        if self.glf_demote && self.gl_demote_state != self.gl_state {
            if self.first_is_granted() {
                self.glf_lock = false;
                return;
            }
            if nonblock {
                self.glf_lock = false;
                self.gl_work = true;
                return;
            }
            self.glf_demote_in_progress = true;
            assert_ne!(self.gl_demote_state, EX);
            self.gl_target = self.gl_demote_state;
            self.do_xmote(now, None, self.gl_target, out);
            return;
        }
        if self.glf_demote {
            self.gfs2_demote_wake();
        }
        if !self.do_promote(now.rules, out) {
            self.glf_lock = false;
            return;
        }
        let gh = self.find_first_waiter().unwrap();
        self.gl_target = gh.mode;
        if !gh.is_try() {
            self.fail_waiting_tries('d', out);
        }
        self.do_xmote(now, Some(&gh), gh.mode, out);
    }

    /// True: linked (or BUG); false: failed.
    fn add_to_queue(&mut self, rules: Rules, gh: Gh, out: &mut Out) {
        let mut try_futile = false;
        if gh.is_try() {
            match rules.tries {
                Tries::Until617 => {
                    if self.glf_lock {
                        try_futile = !self.may_grant(rules, &gh);
                    }
                    if self.glf_invalidate_in_progress {
                        out.failed.push(gh.pid);
                        out.places.push('a');
                        return;
                    }
                }
                Tries::From618 => {
                    let held = self.find_first_strong_holder().is_some();
                    let blocked = held && !self.may_grant(rules, &gh);
                    let others = self
                        .gl_holders
                        .iter()
                        .any(|other| !other.hif_holder && !other.is_try());
                    if blocked || others {
                        out.failed.push(gh.pid);
                        out.places.push('q');
                        return;
                    }
                }
            }
        }
        for other in &self.gl_holders {
            if other.pid == gh.pid && !other.hif_may_demote {
                out.bug = Some("recursion");
                return;
            }
            if try_futile && !other.is_try() {
                out.failed.push(gh.pid);
                out.places.push('b');
                return;
            }
        }
        self.gl_holders.push(gh);
    }

    /// gfs2_glock_nq up to the sleep.
    pub(crate) fn nq(&mut self, now: Now, gh: Gh) -> Out {
        let mut out = Out::default();
        self.add_to_queue(now.rules, gh, &mut out);
        if out.bug.is_none() {
            // Also if the request failed.
            self.run_queue(now, true, &mut out);
        }
        out.done()
    }

    /// gfs2_glock_dq; the worker does the rest.
    pub(crate) fn dq(&mut self, pid: u8, weak: bool) {
        let mut all = self.gl_holders.iter();
        let at = all.position(|gh| gh.pid == pid && gh.hif_holder && gh.hif_may_demote == weak);
        self.__gfs2_glock_dq(at.expect("a holder"));
    }

    /// gfs2_holder_allow_demote and gfs2_holder_disallow_demote.
    pub(crate) fn set_may_demote(&mut self, pid: u8, may: bool) {
        for gh in &mut self.gl_holders {
            if gh.pid == pid && gh.hif_holder {
                gh.hif_may_demote = may;
            }
        }
    }

    /// gfs2_glock_cb. `hold`: what is left of the minimum hold time is not zero.
    pub(crate) fn cb(&mut self, mode: M, hold: bool) {
        let delay = hold && !self.gl_holders.is_empty();
        if self.find_first_strong_holder().is_none() {
            self.demote_incompat_holders(Some(if mode == UN { EX } else { mode }));
        }
        self.handle_callback(mode, delay);
    }

    pub(crate) fn handle_callback(&mut self, mode: M, delay: bool) {
        if delay {
            self.glf_pending_demote = true;
        } else {
            self.glf_demote = true;
        }
        if self.gl_demote_state == EX {
            self.gl_demote_state = mode;
        } else if self.gl_demote_state != UN && self.gl_demote_state != mode {
            self.gl_demote_state = UN;
        }
        self.gl_work = true; // by everybody who calls this
    }

    /// Would glock_work_func look at the hold time?
    pub(crate) fn hold_time_counts(&self) -> bool {
        self.glf_pending_demote && self.gl_state != UN && self.gl_demote_state != EX
    }

    /// The part of glock_work_func about GLF_PENDING_DEMOTE, with nothing of the
    /// hold time left.
    pub(crate) fn hold_time_is_over(&mut self) {
        assert!(self.hold_time_counts());
        self.glf_pending_demote = false;
        self.glf_demote = true;
        self.gl_work = true; // the rest of it
    }

    /// One of the two critical sections of glock_work_func: an answer is processed
    /// (finish_xmote takes and drops the spinlock), or else, with some of the hold
    /// time left, the queue is scanned. The scan always follows the answer.
    pub(crate) fn work(&mut self, now: Now) -> Out {
        let mut out = Out::default();
        let now = Now {
            caller: Caller::Worker,
            ..now
        };
        if let Some(state) = self.reply.take() {
            self.finish_xmote(now, state, &mut out);
            self.gl_work = true; // the scan that follows
        } else if self.gl_work {
            self.gl_work = false;
            self.run_queue(now, false, &mut out);
        }
        out.done()
    }

    /// Would anything read this value again before it is set?
    pub(crate) fn target_counts(&self) -> bool {
        self.glf_lock
    }
}

impl Out {
    fn done(mut self) -> Out {
        self.failed.sort_unstable();
        self
    }
}
