//! Cases under shuttle.

use super::{Case, Matched, execute, match_all};
use glock_primitives::event::{Event, Log, waits};
use glock_primitives::{Shuttle, Weakened};
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, ReplayScheduler, Scheduler, UrwRandomScheduler,
};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex};
use tempfile::TempDir;

/// How schedules are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// Any runnable thread is as likely as another.
    Random,
    /// Probabilistic concurrency testing, with three changes of priority.
    Pct,
    /// Any interleaving is about as likely as another.
    Uniform,
}

impl Chosen {
    pub const ALL: [Chosen; 3] = [Chosen::Random, Chosen::Pct, Chosen::Uniform];

    fn scheduler(self, seed: u64, executions: usize) -> Box<dyn Scheduler + Send> {
        match self {
            Chosen::Random => Box::new(RandomScheduler::new_from_seed(seed, executions)),
            Chosen::Pct => Box::new(PctScheduler::new_from_seed(seed, 3, executions)),
            Chosen::Uniform => Box::new(UrwRandomScheduler::new_from_seed(seed, executions)),
        }
    }
}

/// Steps after which an execution counts as endless. Its restarts are bounded, so none
/// comes near.
const STEPS: usize = 100_000;

/// What went wrong, and the schedule that makes it go wrong again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The number of the execution, from 0.
    pub execution: usize,
    /// The panic: shuttle's deadlock, or an assertion.
    pub why: String,
    /// Who waits for whom.
    pub waits: String,
    /// What happened.
    pub events: Vec<Event>,
    /// For [`replay`].
    pub schedule: String,
}

/// The executions of a case.
#[derive(Default)]
pub struct Runs {
    /// Different logs, with the number of the first execution that wrote each.
    pub first: HashMap<Vec<Event>, usize>,
    /// Executions that ended.
    pub total: usize,
    pub failure: Option<Failure>,
}

/// Runs a case under a scheduler; stops at the first panic. `fails_at` makes the
/// execution with that number fail, for its schedule.
fn under(
    scheduler: Box<dyn Scheduler + Send>,
    case: &'static Case,
    weakened: Option<Weakened>,
    fails_at: Option<usize>,
) -> Runs {
    let kept = Arc::new(Mutex::new(Runs::default()));
    let current = Arc::new(Mutex::new(Arc::new(Log::default())));
    let (runs, now) = (kept.clone(), current.clone());
    // Shuttle's panic hook remembers the first place it is told of: one for all runs,
    // and one run at a time.
    static SCHEDULES: LazyLock<Mutex<TempDir>> =
        LazyLock::new(|| Mutex::new(tempfile::tempdir().expect("a place for schedules")));
    let dir = SCHEDULES.lock().unwrap_or_else(|e| e.into_inner());
    let stored = |dir: &TempDir| {
        let files = std::fs::read_dir(dir.path()).expect("readable");
        files.map(|f| f.expect("readable").path()).max()
    };
    if let Some(old) = stored(&dir) {
        std::fs::remove_file(old).expect("ours");
    }
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::File(Some(dir.path().into()));
    config.max_steps = MaxSteps::FailAfter(STEPS);
    config.silence_warnings = true;
    let runner = Runner::new(scheduler, config);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runner.run(move || {
            let log = Arc::new(Log::default());
            *now.lock().unwrap() = log.clone();
            execute::<Shuttle>(case, weakened, &log, Arc::new(|_, _| ()));
            let mut runs = runs.lock().unwrap();
            let number = runs.total;
            if fails_at == Some(number) {
                drop(runs);
                panic!("the execution that was asked for");
            }
            runs.total += 1;
            runs.first.entry(log.take()).or_insert(number);
        })
    }));
    let mut runs = std::mem::take(&mut *kept.lock().unwrap_or_else(|e| e.into_inner()));
    if let Err(panic) = outcome {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let events = current.lock().unwrap_or_else(|e| e.into_inner()).events();
        // A schedule that is replayed is not stored again.
        let file = stored(&dir).map(|f| std::fs::read_to_string(f).expect("readable"));
        runs.failure = Some(Failure {
            execution: runs.total,
            why: text.unwrap_or_default(),
            waits: waits(&events),
            events,
            schedule: file.unwrap_or_default().replace('\n', ""),
        });
    }
    runs
}

/// Runs so many executions of a case, or up to the first that fails.
pub fn explore(
    case: &'static Case,
    chosen: Chosen,
    seed: u64,
    executions: usize,
    weakened: Option<Weakened>,
) -> Runs {
    under(chosen.scheduler(seed, executions), case, weakened, None)
}

/// The schedule of the execution with this number.
pub fn schedule_of(
    case: &'static Case,
    chosen: Chosen,
    seed: u64,
    execution: usize,
    weakened: Option<Weakened>,
) -> String {
    let scheduler = chosen.scheduler(seed, execution + 1);
    let runs = under(scheduler, case, weakened, Some(execution));
    runs.failure.expect("it was told to fail").schedule
}

/// Runs a schedule again; its log.
pub fn replay(case: &'static Case, schedule: &str, weakened: Option<Weakened>) -> Vec<Event> {
    let scheduler = Box::new(ReplayScheduler::new_from_encoded(schedule));
    let runs = under(scheduler, case, weakened, None);
    match runs.failure {
        Some(failure) => failure.events,
        None => runs.first.into_keys().next().expect("one execution"),
    }
}

impl Runs {
    /// Matches the different logs with the model.
    pub fn matched(self, case: &Case) -> Matched {
        let total = self.total;
        let mut executions: Vec<_> = self.first.into_iter().map(|(log, n)| (n, log)).collect();
        executions.sort_by_key(|e| e.0);
        match_all(case, &executions, total)
    }
}
