//! Model and reference side by side: one operation is done to both, then all that
//! both represent is compared.
//!
//! What the model represents differently and is abstracted from:
//! * the request is under way as soon as `lm_lock` is due, there is no stage
//!   between;
//! * GLF_LOCK is "a stage other than idle", and `gl_target`, `gl_req` and whose
//!   call stack an xmote is on mean something only then;
//! * whether `gl_work` is queued means something only while GLF_LOCK is not set, as the
//!   queue is looked at when that is cleared;
//! * GLF_PENDING_DEMOTE matures in a step of its own.

use std::hash::{DefaultHasher, Hash, Hasher};

use glock_model::event::NoSink;
use glock_model::glock::{Effects, Env, Glock, Holder, Nq, Queue, Runner, Stage};
use glock_model::mode::Mode;
use glock_model::program::{Kernel, MayGrant, NqFlags, TryRule, WeakRule};
use glock_model::scenario::LockManager;

use crate::reference::{
    Asked, Caller, Gh, Gl, Grants, M, Now, Out, Place, Rules, Tries, Try, Weak,
};

pub(crate) const SHARED_AND_EX: [M; 3] = [M::SH, M::DF, M::EX];

pub(crate) fn mode(m: M) -> Mode {
    match m {
        M::UN => Mode::Un,
        M::SH => Mode::Sh,
        M::DF => Mode::Df,
        M::EX => Mode::Ex,
    }
}

fn back(m: Mode) -> M {
    match m {
        Mode::Un => M::UN,
        Mode::Sh => M::SH,
        Mode::Df => M::DF,
        Mode::Ex => M::EX,
    }
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    pub(crate) mode: M,
    pub(crate) try_: Try,
    pub(crate) any: bool,
}

impl Kind {
    fn flags(self) -> NqFlags {
        let mut bits = match self.try_ {
            Try::No => NqFlags::NONE.0,
            Try::Once => NqFlags::TRY.0,
            Try::OneCallback => NqFlags::TRY_1CB.0,
        };
        if self.any {
            bits |= NqFlags::ANY.0;
        }
        NqFlags(bits)
    }
}

pub(crate) fn kind(mode: M, try_: Try) -> Kind {
    Kind {
        mode,
        try_,
        any: false,
    }
}

/// What may happen in a history.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) tasks: u8,
    pub(crate) kinds: Vec<Kind>,
    /// A task that holds the glock may ask for it again (Q4).
    pub(crate) again: bool,
    /// A holder may be made weak; its task may then ask again (W1).
    pub(crate) weak: bool,
    /// Both with and without anything for go_sync to do; else only with.
    pub(crate) both_syncs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Nq {
        task: u8,
        kind: Kind,
        sync: bool,
    },
    Dq {
        task: u8,
        weak: bool,
    },
    /// Its holder becomes weak, or strong again.
    MayDemote {
        task: u8,
        may: bool,
    },
    /// Somebody else wants the file; `hold`: some of the hold time is left.
    Callback {
        mode: M,
        hold: bool,
    },
    HoldExpires,
    Shrink,
    Work {
        sync: bool,
    },
    Synced,
    Invalidated,
    FinishLocal {
        sync: bool,
    },
    Answer {
        granted: bool,
    },
}

/// Task, mode, flags, "granted", and "weak".
type Entry = (u8, M, u8, bool, bool);

/// What both sides represent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    queue: [Option<Entry>; 6],
    gl_state: M,
    gl_demote_state: M,
    glf_lock: bool,
    glf_demote: bool,
    glf_pending_demote: bool,
    glf_demote_in_progress: bool,
    glf_invalidate_in_progress: bool,
    /// gl_reply, if GLF_REPLY_PENDING.
    reply: Option<M>,
    /// While GLF_LOCK is set and before the answer: place, gl_target, gl_req.
    xmote: Option<(Place, M, M)>,
    /// Whose call stack the xmote is on, until `lm_lock` has returned.
    caller: Option<Caller>,
    /// While GLF_LOCK is not set.
    gl_work: Option<bool>,
}

/// What a step did besides changing the state.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Did {
    failed: Vec<u8>,
    asked: Option<Asked>,
    bug: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Joint {
    pub(crate) rules: Rules,
    pub(crate) reference: Gl,
    pub(crate) model: Glock,
}

/// What happened, agreed by both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agreed {
    pub(crate) failed: Vec<u8>,
    pub(crate) asked: Option<Asked>,
    /// The recursion trap: the history ends here.
    pub(crate) bug: bool,
    pub(crate) places: Vec<char>,
}

impl Joint {
    pub(crate) fn new(rules: Rules, state: M) -> Joint {
        Joint {
            rules,
            reference: Gl::new(state),
            model: Glock::new(mode(state)),
        }
    }

    /// The task that is inside `gfs2_glock_nq` carrying an xmote on.
    pub(crate) fn busy(&self) -> Option<u8> {
        match self.reference.xmote.as_ref() {
            Some(xmote) if xmote.place != Place::AtDlm => match xmote.caller {
                Caller::Pid(pid) => Some(pid),
                Caller::Worker => None,
            },
            _ => None,
        }
    }

    /// Everything that can happen.
    pub(crate) fn enabled(&self, world: &World) -> Vec<Op> {
        let gl = &self.reference;
        let syncs: &[bool] = if world.both_syncs {
            &[true, false]
        } else {
            &[true]
        };
        let mut ops = Vec::new();
        let mut fresh = false;
        for task in 0..world.tasks {
            let waits = gl.queued(task) && !gl.granted(task);
            if self.busy() == Some(task) || waits {
                continue;
            }
            if !gl.queued(task) && !gl.weak(task) {
                if fresh {
                    continue; // as good as the one before
                }
                fresh = true;
            } else if gl.queued(task) && !world.again {
                continue;
            }
            for &kind in &world.kinds {
                for &sync in syncs {
                    ops.push(Op::Nq { task, kind, sync });
                }
            }
        }
        for gh in &gl.gl_holders {
            let task = gh.pid;
            if gh.hif_holder && !gh.hif_may_demote {
                ops.push(Op::Dq { task, weak: false });
                if world.weak && !gl.weak(task) && self.busy() != Some(task) {
                    ops.push(Op::MayDemote { task, may: true });
                }
            }
            if gh.hif_may_demote && !gl.queued(task) && self.busy() != Some(task) {
                ops.push(Op::Dq { task, weak: true });
                ops.push(Op::MayDemote { task, may: false });
            }
        }
        for mode in [M::UN, M::SH, M::DF] {
            ops.push(Op::Callback { mode, hold: true });
            ops.push(Op::Callback { mode, hold: false });
        }
        if gl.hold_time_counts() {
            ops.push(Op::HoldExpires);
        }
        let wanted = gl.glf_demote || gl.glf_pending_demote;
        if gl.gl_holders.is_empty() && !gl.glf_lock && gl.gl_state != M::UN && !wanted {
            ops.push(Op::Shrink);
        }
        for &sync in syncs {
            ops.push(Op::Work { sync });
        }
        if let Some(xmote) = &gl.xmote {
            match xmote.place {
                Place::BeforeSync => ops.push(Op::Synced),
                Place::BeforeInval => ops.push(Op::Invalidated),
                Place::BeforeLocalFinish => {
                    for &sync in syncs {
                        ops.push(Op::FinishLocal { sync });
                    }
                }
                Place::AtDlm if gl.reply.is_none() => {
                    ops.push(Op::Answer { granted: true });
                    // The lock space never refuses to weaken a lock.
                    if gl.gl_state != M::EX && gl.gl_req != M::UN {
                        ops.push(Op::Answer { granted: false });
                    }
                }
                Place::AtDlm => {}
            }
        }
        ops
    }

    /// Does the operation to both. Err: how they differ.
    pub(crate) fn step(&mut self, op: Op) -> Result<Agreed, String> {
        let before = self.clone();
        let (sync_needed, hold_time) = match op {
            Op::Nq { sync, .. } | Op::Work { sync } | Op::FinishLocal { sync } => (sync, false),
            Op::Callback { hold, .. } => (false, hold),
            _ => (false, false),
        };
        let caller = match op {
            Op::Nq { task, .. } => Caller::Pid(task),
            _ => Caller::Worker,
        };
        let now = Now {
            rules: self.rules,
            caller,
            sync_needed,
        };
        let mut sink = NoSink;
        let mut env = Env {
            hold_time,
            sync_needed,
            ..env(self.rules, &mut sink)
        };

        if self.model.hold_may_expire() != self.reference.hold_time_counts() {
            return Err(before.explain(op, "hold_may_expire", &self.reference, &self.model));
        }
        let gl = &mut self.reference;
        let (out, effects, said) = match op {
            Op::Nq { task, kind, .. } => {
                let gh = Gh {
                    pid: task,
                    mode: kind.mode,
                    try_: kind.try_,
                    any: kind.any,
                    hif_holder: false,
                    hif_may_demote: false,
                };
                let out = gl.nq(now, gh);
                let (said, effects) = self.model.nq(task, mode(kind.mode), kind.flags(), &mut env);
                (out, effects, Some((task, said)))
            }
            Op::Dq { task, weak } => {
                gl.dq(task, weak);
                if !self.model.dq(task, weak, &mut env) {
                    return Err(before.explain(op, "dq finds nothing", gl, &self.model));
                }
                (Out::default(), Effects::default(), None)
            }
            Op::MayDemote { task, may } => {
                gl.set_may_demote(task, may);
                let found = match may {
                    true => self.model.allow_demote(task, &mut env),
                    false => self.model.disallow_demote(task, &mut env),
                };
                if !found {
                    return Err(before.explain(op, "no such holder", gl, &self.model));
                }
                (Out::default(), Effects::default(), None)
            }
            Op::Callback { mode: m, hold } => {
                gl.cb(m, hold);
                self.model.callback(mode(m), &mut env);
                (Out::default(), Effects::default(), None)
            }
            Op::HoldExpires => {
                gl.hold_time_is_over();
                self.model.hold_expires(&mut env);
                (Out::default(), Effects::default(), None)
            }
            Op::Shrink => {
                if !self.model.is_idle() {
                    return Err(before.explain(op, "not idle", gl, &self.model));
                }
                gl.handle_callback(M::UN, false);
                self.model.shrink(&mut env);
                (Out::default(), Effects::default(), None)
            }
            Op::Work { .. } => {
                let was = gl.clone();
                let out = gl.work(now);
                let nothing = view(&was) == view(gl) && out == Out::default();
                match self.model.work(&mut env) {
                    Some((after, effects)) => {
                        if nothing {
                            return Err(before.explain(op, "work was in vain", gl, &after));
                        }
                        self.model = after;
                        (out, effects, None)
                    }
                    None => {
                        if !nothing {
                            return Err(before.explain(op, "work missed", gl, &self.model));
                        }
                        (out, Effects::default(), None)
                    }
                }
            }
            Op::Synced => (gl.synced(now), self.model.synced(&mut env), None),
            Op::Invalidated => (gl.invalidated(now), self.model.invalidated(&mut env), None),
            Op::FinishLocal { .. } => (
                gl.finish_local(now),
                self.model.finish_local(&mut env),
                None,
            ),
            Op::Answer { granted } => {
                gl.ast(granted);
                self.model.complete(granted, &mut env);
                (Out::default(), Effects::default(), None)
            }
        };

        let mut failed: Vec<u8> = (0..8).filter(|t| effects.failed & (1 << t) != 0).collect();
        let mut bug = false;
        if let Some((task, said)) = said {
            bug = said == Nq::Bug;
            if said == Nq::Failed && !failed.contains(&task) {
                failed.push(task);
                failed.sort_unstable();
            }
            if !bug {
                // What nq says is what the queue says.
                let expected = if out.failed.contains(&task) {
                    Nq::Failed
                } else if gl.granted(task) {
                    Nq::Granted
                } else {
                    Nq::Waiting
                };
                if out.bug.is_none() && said != expected {
                    let text = format!("nq says {said:?}, not {expected:?}");
                    return Err(before.explain(op, &text, gl, &self.model));
                }
            }
        }
        let here = Did {
            failed: out.failed.clone(),
            asked: out.asked,
            bug: out.bug.is_some(),
        };
        let there = Did {
            failed,
            asked: effects.request.map(|request| Asked {
                mode: back(request.mode),
                noqueue: request.noqueue,
                noqueuebast: request.noqueuebast,
                quecvt: request.quecvt,
            }),
            bug,
        };
        if here != there {
            let text = format!("reference did {here:?}, model {there:?}");
            return Err(before.explain(op, &text, gl, &self.model));
        }
        if !bug && view(gl) != self.model_view() {
            return Err(before.explain(op, "states differ", &self.reference, &self.model));
        }
        Ok(Agreed {
            failed: here.failed,
            asked: here.asked,
            bug,
            places: out.places,
        })
    }

    /// Would the worker find something to do, although nobody has asked it to look?
    pub(crate) fn overlooks(&self) -> bool {
        let mut sink = NoSink;
        let mut unasked = Env {
            work_counts: false,
            ..env(self.rules, &mut sink)
        };
        let finds = self.model.work(&mut unasked).is_some();
        !self.model.locked() && !self.model.work_queued && finds
    }

    fn explain(&self, op: Op, what: &str, reference: &Gl, model: &Glock) -> String {
        let after = Joint {
            rules: self.rules,
            reference: reference.clone(),
            model: *model,
        };
        format!(
            "{what}\nrules     {:?}\nbefore    {:?}\noperation {op:?}\nreference {:?}\nmodel     {:?}",
            self.rules,
            view(&self.reference),
            view(&after.reference),
            after.model_view(),
        )
    }

    fn model_view(&self) -> View {
        let gl = &self.model;
        let place = match gl.stage {
            Stage::Sync => Some(Place::BeforeSync),
            Stage::Inval => Some(Place::BeforeInval),
            Stage::Sent if self.rules.nolock => Some(Place::BeforeLocalFinish),
            Stage::Sent => Some(Place::AtDlm),
            Stage::Idle | Stage::Reply => None,
        };
        View {
            queue: six(gl.queue.as_slice().iter().map(|holder| {
                let mode = back(holder.mode);
                let flags = holder.flags.0;
                (holder.task, mode, flags, holder.granted, holder.weak)
            })),
            gl_state: back(gl.state),
            gl_demote_state: back(gl.demote_state),
            glf_lock: gl.locked(),
            glf_demote: gl.demote.now(),
            glf_pending_demote: gl.demote.pending(),
            glf_demote_in_progress: gl.demote_in_progress,
            glf_invalidate_in_progress: gl.invalidate_in_progress(),
            reply: (gl.stage == Stage::Reply).then(|| back(gl.reply)),
            xmote: place.map(|place| (place, back(gl.target), back(gl.req))),
            caller: place
                .filter(|&place| place != Place::AtDlm)
                .map(|_| match gl.runner {
                    Runner::Worker => Caller::Worker,
                    Runner::Task(task) => Caller::Pid(task),
                }),
            gl_work: (!gl.locked()).then_some(gl.work_queued),
        }
    }

    /// Renames the tasks by their place in the queue; a fingerprint of the rest.
    pub(crate) fn canonical(&mut self) -> u64 {
        let mut names = Vec::new();
        for gh in &self.reference.gl_holders {
            if !names.contains(&gh.pid) {
                names.push(gh.pid);
            }
        }
        if let Some(Caller::Pid(pid)) = self.reference.xmote.as_ref().map(|x| x.caller)
            && !names.contains(&pid)
        {
            names.push(pid);
        }
        let rename = |old: u8| names.iter().position(|&name| name == old).unwrap_or(7) as u8;
        for gh in &mut self.reference.gl_holders {
            gh.pid = rename(gh.pid);
        }
        if let Some(xmote) = &mut self.reference.xmote {
            if let Caller::Pid(pid) = xmote.caller {
                xmote.caller = Caller::Pid(rename(pid));
            }
            if xmote.place == Place::AtDlm {
                xmote.caller = Caller::Worker; // nothing depends on it any more
            }
        }
        if self.reference.glf_lock {
            self.reference.gl_work = false;
        }
        if !self.reference.target_counts() {
            self.reference.gl_target = M::UN;
            self.reference.gl_req = M::UN;
        }
        let mut queue = Queue::default();
        for &holder in self.model.queue.as_slice() {
            queue.push(Holder {
                task: rename(holder.task),
                ..holder
            });
        }
        self.model.queue = queue;
        if let Runner::Task(task) = self.model.runner {
            self.model.runner = Runner::Task(rename(task));
        }
        let mut hasher = DefaultHasher::new();
        self.reference.hash(&mut hasher);
        self.model.hash(&mut hasher);
        hasher.finish()
    }
}

/// What surrounds the model's glock, nothing of which counts but the rules.
fn env(rules: Rules, sink: &mut NoSink) -> Env<'_, NoSink> {
    Env {
        file: 0,
        kernel: Kernel {
            may_grant: match rules.grants {
                Grants::Before516 => MayGrant::V512,
                Grants::From516 => MayGrant::V516,
            },
            try_rule: match rules.tries {
                Tries::Until617 => TryRule::V512,
                Tries::From618 => TryRule::V618,
            },
            weak: match rules.weak {
                Weak::Until519 => WeakRule::V516,
                Weak::From60 => WeakRule::V60,
            },
            ..Kernel::default()
        },
        lock: match rules.nolock {
            true => LockManager::Nolock,
            false => LockManager::Dlm,
        },
        hold_time: false,
        sync_needed: false,
        work_counts: true,
        sink,
    }
}

fn six<T>(mut entries: impl Iterator<Item = T>) -> [Option<T>; 6] {
    let array = std::array::from_fn(|_| entries.next());
    assert!(entries.next().is_none(), "no more than six entries");
    array
}

fn view(gl: &Gl) -> View {
    let xmote = gl.xmote.as_ref().filter(|_| gl.reply.is_none());
    View {
        queue: six(gl.gl_holders.iter().map(|gh| {
            let kind = Kind {
                mode: gh.mode,
                try_: gh.try_,
                any: gh.any,
            };
            (
                gh.pid,
                gh.mode,
                kind.flags().0,
                gh.hif_holder,
                gh.hif_may_demote,
            )
        })),
        gl_state: gl.gl_state,
        gl_demote_state: gl.gl_demote_state,
        glf_lock: gl.glf_lock,
        glf_demote: gl.glf_demote,
        glf_pending_demote: gl.glf_pending_demote,
        glf_demote_in_progress: gl.glf_demote_in_progress,
        glf_invalidate_in_progress: gl.glf_invalidate_in_progress,
        reply: gl.reply,
        xmote: xmote.map(|xmote| (xmote.place, gl.gl_target, gl.gl_req)),
        caller: xmote
            .filter(|xmote| xmote.place != Place::AtDlm)
            .map(|xmote| xmote.caller),
        gl_work: (!gl.glf_lock).then_some(gl.gl_work),
    }
}
