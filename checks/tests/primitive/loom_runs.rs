//! Cases under loom.

use super::{Case, execute};
use glock_primitives::event::{Event, Log};
use glock_primitives::{Loom, Mode, Weakened};
use loom::cell::UnsafeCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What a glock protects: loom reports two accesses that are not ordered.
pub struct Data(UnsafeCell<u32>);

// SAFETY: loom runs one thread at a time, and panics where two accesses would race.
unsafe impl Sync for Data {}
// SAFETY: as above; it holds a number.
unsafe impl Send for Data {}

impl Data {
    /// Untouched.
    pub fn new() -> Arc<Data> {
        Arc::new(Data(UnsafeCell::new(0)))
    }
    /// What a holder of this mode does.
    pub fn access(&self, mode: Mode) {
        match mode {
            Mode::Ex => self.0.with_mut(|_| ()),
            _ => self.0.with(|_| ()),
        }
    }
}

/// Logs, each with the number of the first execution that wrote it, and how many
/// executions there were.
#[derive(Default)]
pub struct Logs {
    pub first: HashMap<Vec<Event>, usize>,
    pub total: usize,
}

impl Logs {
    /// The different logs, in the order of the executions that first wrote them.
    pub fn in_order(self) -> Vec<(usize, Vec<Event>)> {
        let mut executions: Vec<_> = self.first.into_iter().map(|(log, n)| (n, log)).collect();
        executions.sort_by_key(|e| e.0);
        executions
    }
}

/// Runs all executions of a case with at most so many preemptions; `begins` is told the
/// log of each.
pub fn explore(
    case: &'static Case,
    preemptions: usize,
    weakened: Option<Weakened>,
    begins: impl Fn(&Arc<Log>) + Send + Sync + 'static,
) -> Logs {
    let logs = Arc::new(Mutex::new(Logs::default()));
    let kept = logs.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    assert!(builder.max_permutations.is_none() && builder.max_duration.is_none());
    builder.check(move || {
        let log = Arc::new(Log::default());
        begins(&log);
        let data: Vec<_> = (0..case.files).map(|_| Data::new()).collect();
        let inside = Arc::new(move |file: u8, mode| data[file as usize].access(mode));
        execute::<Loom>(case, weakened, log.clone(), inside);
        let mut logs = kept.lock().unwrap();
        let number = logs.total;
        logs.total += 1;
        logs.first.entry(log.take()).or_insert(number);
    });
    let mut logs = logs.lock().unwrap();
    std::mem::take(&mut *logs)
}
