//! What the tests under loom and shuttle share.
#![allow(dead_code)] // each test binary uses its part

use glock_primitives::event::{Actor, Event, Log, Op, Outcome};
use glock_primitives::{Config, Flags, LockSpace, Mode, Refused, Runtime, Task, Ticket};
use std::sync::{Arc, Mutex};

/// Takes a glock and waits for it.
pub(crate) fn hold<'a, R: Runtime>(
    space: &'a Arc<LockSpace<R>>,
    task: &Task,
    file: u8,
    mode: Mode,
) -> Ticket<'a, R> {
    let ticket = space
        .enqueue(task, file, mode, Flags::NONE)
        .expect("not held yet");
    ticket.wait().expect("not a TRY");
    ticket
}

/// Tries to take a glock.
pub(crate) fn attempt<'a, R: Runtime>(
    space: &'a Arc<LockSpace<R>>,
    task: &Task,
    file: u8,
    mode: Mode,
) -> Option<Ticket<'a, R>> {
    let ticket = space
        .enqueue(task, file, mode, Flags::TRY)
        .expect("not held yet");
    match ticket.wait() {
        Ok(()) => Some(ticket),
        Err(Refused::TryFailed) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Who is inside, on all nodes: checks that they go together. Invisible to loom and
/// shuttle, so that it orders nothing.
#[derive(Default)]
pub(crate) struct Inside(Mutex<Vec<(u8, Mode)>>);

impl Inside {
    /// Somebody holds the glock.
    pub(crate) fn enter(&self, task: u8, mode: Mode) {
        let mut inside = self.0.lock().unwrap();
        for (other, held) in inside.iter() {
            let together = *held == mode && mode != Mode::Ex;
            assert!(
                together,
                "task {task} has {mode} beside {held} of task {other}"
            );
        }
        inside.push((task, mode));
    }
    /// Not any more.
    pub(crate) fn leave(&self, task: u8) {
        self.0.lock().unwrap().retain(|(t, _)| *t != task);
    }
}

/// Nobody was granted a glock of a node past somebody who came before and waited.
pub(crate) fn assert_first_come_first_served(events: &[Event]) {
    let mut waiting: Vec<(u8, u8, u8)> = Vec::new();
    for e in events {
        let here = (e.node, e.file);
        let (woken, new) = match (e.actor, e.op) {
            (Actor::Task(t), Op::Enqueue { outcome, woken, .. }) => (woken, Some((t, outcome))),
            (_, Op::Work { woken }) => (woken, None),
            (Actor::Task(t), Op::Withdraw) => {
                waiting.retain(|w| *w != (here.0, here.1, t));
                continue;
            }
            _ => continue,
        };
        waiting.retain(|w| (w.0, w.1) != here || woken.failed & 1 << w.2 == 0);
        let of_glock = |w: &&(u8, u8, u8)| (w.0, w.1) == here;
        let mut passed = false;
        for w in waiting.iter().filter(of_glock) {
            let granted = woken.granted & 1 << w.2 != 0;
            assert!(!(granted && passed), "{e}: past an earlier waiter");
            passed |= !granted;
        }
        waiting.retain(|w| (w.0, w.1) != here || woken.granted & 1 << w.2 == 0);
        match new {
            Some((t, Outcome::Granted)) => assert!(!passed, "task {t} passed a waiter: {e}"),
            Some((t, Outcome::Waiting)) => waiting.push((here.0, here.1, t)),
            _ => {}
        }
    }
}

/// A configuration that logs, and its log.
pub(crate) fn logged(config: Config) -> (Config, Arc<Log>) {
    let log = Arc::new(Log::default());
    let config = Config {
        sink: Some(log.clone()),
        ..config
    };
    (config, log)
}
