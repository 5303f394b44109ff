//! What a glock did: one [`Event`] per critical section that matters.
//!
//! An event is logged at its linearisation point: inside the critical section, so
//! that the order of the log is an order in which the operations took effect. A
//! checker compares the log with a model of the glock; a report turns it into "who
//! waits for whom", which neither loom nor shuttle say of a deadlock.

use crate::mode::{Flags, Mode};
use std::fmt;
use std::sync::Mutex;

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    /// A task, by its number.
    Task(u8),
    /// A glock's work, in whosoever's context.
    Work,
    /// Somebody outside: a callback, a timer.
    Outside,
}

/// What became of a request at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is granted.
    Granted,
    /// It is a TRY request and failed.
    Failed,
    /// It is queued.
    Waiting,
    /// The task already has an entry in the queue (Q4).
    Recursion,
}

/// Waiters a critical section granted or failed: bit per task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Woken {
    /// Granted.
    pub granted: u8,
    /// TRY requests that failed.
    pub failed: u8,
}

impl Woken {
    /// Nobody.
    pub fn is_empty(self) -> bool {
        self == Woken::default()
    }
}

/// How a page was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Residency {
    /// Not in the page cache.
    #[default]
    Absent,
    /// As on disk.
    Clean,
    /// Newer than the disk.
    Dirty,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `gfs2_glock_nq` up to its sleep (Q3).
    Enqueue {
        /// Wanted mode.
        mode: Mode,
        /// Its flags.
        flags: Flags,
        /// What became of it.
        outcome: Outcome,
        /// Others whose wait ended with it.
        woken: Woken,
    },
    /// The sleeper looked: its request was granted, or (TRY) failed.
    Wake {
        /// Granted.
        granted: bool,
    },
    /// `gfs2_glock_dq` (Q17).
    Dequeue {
        /// Mode of the holder.
        mode: Mode,
    },
    /// A waiting request was withdrawn: its ticket was dropped.
    Withdraw,
    /// `glock_work_func`, or the end of a change of mode, woke somebody (Q8, Q13).
    Work {
        /// Whom.
        woken: Woken,
    },
    /// Somebody outside wants the file in this mode: `gfs2_glock_cb` (R1).
    Demand {
        /// The mode.
        mode: Mode,
    },
    /// The minimum hold time is over (R2).
    HoldExpired,
    /// `gfs2_holder_allow_demote` or `..._disallow_demote` (W1).
    MayDemote {
        /// From here on it may be taken away.
        weak: bool,
        /// There was such a holder.
        found: bool,
    },
    /// `filemap_fault`: the page is locked, and read in if it was absent.
    Fill {
        /// The page of the file.
        page: u8,
        /// How it was found.
        found: Residency,
    },
    /// `page_mkwrite`: the page was dirtied, or was gone (absent).
    Mkwrite {
        /// The page of the file.
        page: u8,
        /// How it was found.
        found: Residency,
    },
    /// An access met an absent page where faults are not served.
    NoFault {
        /// Index of the page in the task's buffer.
        index: u8,
    },
    /// A page was moved between file and buffer.
    Transfer {
        /// Index of the page in the task's buffer.
        index: u8,
        /// The page of the file.
        page: u8,
    },
    /// The operation returned.
    Return {
        /// Pages it reports, or its error.
        result: Result<u8, Errno>,
    },
}

/// Error numbers an operation may end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errno {
    /// A bad address, or a refused fault taken for one.
    Efault,
    /// A refused fault, where it has a code of its own.
    Ebusy,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// Who did it.
    pub actor: Actor,
    /// Where: node.
    pub node: u8,
    /// Which glock: file.
    pub file: u8,
    /// What.
    pub op: Op,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.actor {
            Actor::Task(t) => write!(f, "task {t}: ")?,
            Actor::Work => f.write_str("work: ")?,
            Actor::Outside => f.write_str("outside: ")?,
        }
        let (n, file) = (self.node, self.file);
        match self.op {
            Op::Enqueue {
                mode,
                flags,
                outcome,
                woken,
            } => write!(
                f,
                "gfs2_glock_nq(n{n} f{file}, {mode}{flags}) {}{woken}",
                match outcome {
                    Outcome::Granted => "granted",
                    Outcome::Failed => "GLR_TRYFAILED",
                    Outcome::Waiting => "waits",
                    Outcome::Recursion => "recursion",
                }
            ),
            Op::Wake { granted: true } => write!(f, "wakes up, holds n{n} f{file}"),
            Op::Wake { granted: false } => write!(f, "wakes up, n{n} f{file} GLR_TRYFAILED"),
            Op::Dequeue { mode } => write!(f, "gfs2_glock_dq(n{n} f{file}, {mode})"),
            Op::Withdraw => write!(f, "withdraws from n{n} f{file}"),
            Op::Work { woken } => write!(f, "n{n} f{file}{woken}"),
            Op::Demand { mode } => write!(f, "wants n{n} f{file} in {mode}"),
            Op::HoldExpired => write!(f, "hold time of n{n} f{file} over"),
            Op::MayDemote { weak, found } => {
                let what = if weak { "allow" } else { "disallow" };
                let how = if found { "" } else { ": no such holder" };
                write!(f, "{what}_demote(n{n} f{file}){how}")
            }
            Op::Fill { page, found } => {
                write!(f, "filemap_fault(n{n} f{file} page {page}) found {found:?}")
            }
            Op::Mkwrite { page, found } => {
                write!(f, "page_mkwrite(n{n} f{file} page {page}) found {found:?}")
            }
            Op::NoFault { index } => write!(f, "no fault for buffer page {index}"),
            Op::Transfer { index, page } => write!(f, "f{file} page {page} <> buffer page {index}"),
            Op::Return { result: Ok(n) } => write!(f, "returns {n}"),
            Op::Return { result: Err(e) } => {
                write!(f, "returns -{}", format!("{e:?}").to_uppercase())
            }
        }
    }
}

impl fmt::Display for Woken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bits, name) in [(self.granted, "grants"), (self.failed, "fails")] {
            for t in (0..8).filter(|t| bits & 1 << t != 0) {
                write!(f, ", {name} task {t}")?;
            }
        }
        Ok(())
    }
}

/// Receives events, in the order in which they took effect.
pub trait Sink: Send + Sync + 'static {
    /// Called inside the critical section: be quick, and take no lock of the glock's.
    fn event(&self, event: Event);
}

/// Keeps all events.
///
/// Its mutex is std's under every runtime: loom and shuttle neither see it nor count
/// it as synchronisation, so that logging hides no race and adds no schedule.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<Event>>);

impl Log {
    /// What was logged so far.
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }
    /// Takes what was logged so far.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.lock())
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Sink for Log {
    fn event(&self, event: Event) {
        self.lock().push(event);
    }
}

impl<S: Sink> Sink for std::sync::Arc<S> {
    fn event(&self, event: Event) {
        (**self).event(event);
    }
}

/// A queue entry, as far as the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    task: u8,
    node: u8,
    file: u8,
    mode: Mode,
    granted: bool,
}

/// Who waits for whom after these events: one line per waiter, naming task, glock,
/// mode and holders, and the cycle if there is one. For the report of a deadlock.
///
/// ```
/// use glock_primitives::event::{waits, Actor, Event, Op, Outcome, Woken};
/// use glock_primitives::{Flags, Mode};
///
/// let nq = |task, file, outcome| Event {
///     actor: Actor::Task(task), node: 0, file,
///     op: Op::Enqueue { mode: Mode::Ex, flags: Flags::NONE, outcome, woken: Woken::default() },
/// };
/// let text = waits(&[
///     nq(0, 0, Outcome::Granted), nq(1, 1, Outcome::Granted),
///     nq(0, 1, Outcome::Waiting), nq(1, 0, Outcome::Waiting),
/// ]);
/// assert_eq!(text, "\
/// task 0 waits for glock n0 f1 (EX), held by task 1 (EX)
/// task 1 waits for glock n0 f0 (EX), held by task 0 (EX)
/// deadlock: task 0 -> task 1 -> task 0
/// ");
/// ```
pub fn waits(events: &[Event]) -> String {
    let entries = entries_after(events);
    let mut text = String::new();
    let mut edges: Vec<(u8, u8)> = Vec::new();
    for (i, w) in entries.iter().enumerate().filter(|(_, e)| !e.granted) {
        text += &format!(
            "task {} waits for glock n{} f{} ({})",
            w.task, w.node, w.file, w.mode
        );
        let here = |e: &&Entry| e.file == w.file && e.node == w.node;
        let held: Vec<_> = entries.iter().filter(here).filter(|e| e.granted).collect();
        for (k, h) in held.iter().enumerate() {
            let and = if k == 0 { ", held by" } else { " and" };
            text += &format!("{and} task {} ({})", h.task, h.mode);
        }
        let before = entries[..i].iter().filter(here).filter(|e| !e.granted);
        for e in before.clone() {
            text += &format!(", behind task {} ({})", e.task, e.mode);
        }
        let remote = entries.iter().filter(|e| {
            e.granted && e.file == w.file && e.node != w.node && !e.mode.compatible(w.mode)
        });
        for h in remote.clone() {
            text += &format!(", held on node {} by task {} ({})", h.node, h.task, h.mode);
        }
        let on = held.into_iter().chain(before).chain(remote);
        edges.extend(on.filter(|h| h.task != w.task).map(|h| (w.task, h.task)));
        text.push('\n');
    }
    if let Some(cycle) = cycle(&edges) {
        let names: Vec<_> = cycle.iter().map(|t| format!("task {t}")).collect();
        text += &format!("deadlock: {} -> {}\n", names.join(" -> "), names[0]);
    }
    text
}

/// The tasks that wait after these events: with a request that was neither granted nor
/// has failed.
///
/// ```
/// use glock_primitives::event::{waiting, Actor, Event, Op, Outcome, Woken};
/// use glock_primitives::{Flags, Mode};
///
/// let nq = |task, outcome| Event {
///     actor: Actor::Task(task), node: 0, file: 0,
///     op: Op::Enqueue { mode: Mode::Ex, flags: Flags::NONE, outcome, woken: Woken::default() },
/// };
/// assert_eq!(waiting(&[nq(0, Outcome::Granted), nq(1, Outcome::Waiting)]), [1]);
/// ```
pub fn waiting(events: &[Event]) -> Vec<u8> {
    let entries = entries_after(events).into_iter();
    let mut tasks: Vec<u8> = entries.filter(|e| !e.granted).map(|e| e.task).collect();
    tasks.sort_unstable();
    tasks
}

/// Whose TRY requests fail again and again, for the report of a restart that does not
/// end: one line per task and glock, with how often in a row, and who held it the last
/// time.
///
/// ```
/// use glock_primitives::event::{refusals, Actor, Event, Op, Outcome, Woken};
/// use glock_primitives::{Flags, Mode};
///
/// let refused = Event {
///     actor: Actor::Task(0), node: 0, file: 1,
///     op: Op::Enqueue {
///         mode: Mode::Sh, flags: Flags::TRY, outcome: Outcome::Failed, woken: Woken::default(),
///     },
/// };
/// assert_eq!(
///     refusals(&[refused; 3]),
///     "task 0 was refused glock n0 f1 (SH|TRY) 3 times in a row; on its node nobody held it\n",
/// );
/// ```
pub fn refusals(events: &[Event]) -> String {
    // The request, how many failed, who held the glock, and is the last still undecided?
    let mut rows: Vec<(Event, usize, String, bool)> = Vec::new();
    for (i, e) in events.iter().enumerate() {
        let at = rows
            .iter()
            .position(|r| (r.0.actor, r.0.node, r.0.file) == (e.actor, e.node, e.file));
        let failed = match e.op {
            Op::Enqueue { flags, outcome, .. } if flags.is_try() => {
                let (times, held) = at.map_or((0, String::new()), |at| {
                    let row = rows.swap_remove(at);
                    (row.1, row.2)
                });
                rows.push((*e, times, held, true));
                match outcome {
                    Outcome::Waiting => continue,
                    outcome => outcome == Outcome::Failed,
                }
            }
            Op::Wake { granted } => !granted,
            _ => continue,
        };
        let own = |r: &&mut (Event, usize, String, bool)| {
            r.3 && (r.0.actor, r.0.node, r.0.file) == (e.actor, e.node, e.file)
        };
        let Some(row) = rows.iter_mut().find(own) else {
            continue;
        };
        row.3 = false;
        row.1 = if failed { row.1 + 1 } else { 0 };
        let entries = entries_after(&events[..i]);
        let holds = |h: &&Entry| h.granted && (h.node, h.file) == (e.node, e.file);
        let who = |h: &Entry| format!("task {} ({})", h.task, h.mode);
        let holders: Vec<_> = entries.iter().filter(holds).map(who).collect();
        row.2 = match holders.is_empty() {
            true => "on its node nobody held it".to_owned(),
            false => format!("held by {}", holders.join(" and ")),
        };
    }
    let mut text = String::new();
    for (e, times, held, _) in rows.iter().filter(|r| r.1 > 1) {
        if let (Actor::Task(task), Op::Enqueue { mode, flags, .. }) = (e.actor, e.op) {
            let glock = format!("glock n{} f{} ({mode}{flags})", e.node, e.file);
            text += &format!("task {task} was refused {glock} {times} times in a row; {held}\n");
        }
    }
    text
}

fn entries_after(events: &[Event]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for e in events {
        let Event { node, file, .. } = *e;
        let mut settle = |woken: Woken| {
            entries.retain_mut(|q| {
                let here = q.node == node && q.file == file && !q.granted;
                q.granted |= here && woken.granted & 1 << q.task != 0;
                !(here && woken.failed & 1 << q.task != 0)
            });
        };
        match (e.actor, e.op) {
            (
                Actor::Task(task),
                Op::Enqueue {
                    mode,
                    outcome,
                    woken,
                    ..
                },
            ) => {
                settle(woken);
                if matches!(outcome, Outcome::Granted | Outcome::Waiting) {
                    entries.push(Entry {
                        task,
                        node,
                        file,
                        mode,
                        granted: outcome == Outcome::Granted,
                    });
                }
            }
            (_, Op::Work { woken }) => settle(woken),
            (Actor::Task(task), Op::Dequeue { .. } | Op::Withdraw) => {
                let own = |q: &Entry| q.task == task && q.node == node && q.file == file;
                if let Some(at) = entries.iter().position(own) {
                    entries.remove(at);
                }
            }
            _ => {}
        }
    }
    entries
}

/// A cycle among the edges, each followed by whom it waits for.
fn cycle(edges: &[(u8, u8)]) -> Option<Vec<u8>> {
    let starts = edges.iter().map(|e| e.0);
    for start in starts {
        let mut path = vec![start];
        if walk(edges, &mut path) {
            return Some(path);
        }
    }
    None
}

/// Extends the path until it comes back to its first task.
fn walk(edges: &[(u8, u8)], path: &mut Vec<u8>) -> bool {
    let last = *path.last().expect("never empty");
    for &(_, to) in edges.iter().filter(|e| e.0 == last) {
        if to == path[0] {
            return true;
        }
        if !path.contains(&to) {
            path.push(to);
            if walk(edges, path) {
                return true;
            }
            path.pop();
        }
    }
    false
}
