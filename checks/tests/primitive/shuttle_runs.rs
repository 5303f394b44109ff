//! Cases under shuttle.

use super::{Case, Matched, execute, match_all};
use glock_primitives::event::{Event, Log, waits};
use glock_primitives::{Shuttle, Weakened};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler, Task, TaskId};
use shuttle::scheduler::{Schedule as Encoded, UrwRandomScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use shuttle_engine::scheduler::ScheduleStep;
use shuttle_engine::scheduler::serialization::{deserialize_schedule, serialize_schedule};
use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Once};

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
pub const STEPS: usize = 100_000;

// ---- schedules ----------------------------------------------------------------

/// A choice of the thread to run next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    thread: usize,
    /// Another one ran before.
    switches: bool,
    /// And could have gone on.
    preempts: bool,
}

/// Which thread ran at each step: what was really done, so that it can be done again.
/// As text, shuttle's own string, for `shuttle::replay` too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(Vec<Choice>);

impl Schedule {
    /// Choices of a thread.
    pub fn steps(&self) -> usize {
        self.0.len()
    }
    /// Choices of another thread than before.
    pub fn switches(&self) -> usize {
        self.0.iter().filter(|c| c.switches).count()
    }
    /// Those where the thread before could have gone on.
    pub fn preemptions(&self) -> usize {
        self.0.iter().filter(|c| c.preempts).count()
    }
    /// The threads, in order.
    pub fn threads(&self) -> Vec<usize> {
        self.0.iter().map(|c| c.thread).collect()
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serialize_schedule(&Encoded::new_from_task_ids(0, self.threads()));
        f.write_str(&text.replace('\n', ""))
    }
}

/// The threads of a schedule's text; none if it is not one.
pub fn threads_of(text: &str) -> Option<Vec<usize>> {
    let thread = |s: ScheduleStep| match s {
        ScheduleStep::Task(t) => Some(t.into()),
        ScheduleStep::Random => None, // no case asks for random numbers
    };
    let steps = deserialize_schedule(text)?.steps;
    steps.into_iter().map(thread).collect()
}

/// Lets another scheduler choose, and writes down what it chose.
struct Recorded {
    inner: Box<dyn Scheduler + Send>,
    made: Arc<Mutex<Schedule>>,
}

impl Scheduler for Recorded {
    fn new_execution(&mut self) -> Option<Encoded> {
        let next = self.inner.new_execution();
        if next.is_some() {
            locked(&self.made).0.clear();
        }
        next
    }
    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        let next = self.inner.next_task(runnable, current, yields)?;
        let switches = current.is_some_and(|c| c != next);
        let could = || runnable.iter().any(|t| Some(t.id()) == current);
        locked(&self.made).0.push(Choice {
            thread: next.into(),
            switches,
            preempts: switches && !yields && could(),
        });
        Some(next)
    }
    fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }
}

/// One execution: follows a list of threads as far as they can run, passing over those
/// that cannot, and afterwards preempts nobody. Any list is good for it.
struct Followed {
    threads: std::vec::IntoIter<usize>,
    begun: bool,
    /// Steps after which it is given up.
    left: usize,
}

impl Scheduler for Followed {
    fn new_execution(&mut self) -> Option<Encoded> {
        (!std::mem::replace(&mut self.begun, true)).then(|| Encoded::new(0))
    }
    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        self.left = self.left.checked_sub(1)?;
        let can = |t: TaskId| runnable.iter().any(|r| r.id() == t);
        let mut listed = self.threads.by_ref().map(TaskId::from);
        let goes_on = || current.filter(|c| can(*c) && !yields);
        let first = || runnable.iter().map(|t| t.id()).min();
        listed.find(|t| can(*t)).or_else(goes_on).or_else(first)
    }
    fn next_u64(&mut self) -> u64 {
        unreachable!("no case asks for random numbers")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

// ---- executions ---------------------------------------------------------------

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
    pub schedule: Schedule,
}

/// The executions of a case.
#[derive(Default)]
pub struct Runs {
    /// Different logs, with the number of the first execution that wrote each.
    pub first: HashMap<Vec<Event>, usize>,
    /// Executions that ended.
    pub total: usize,
    pub failure: Option<Failure>,
    /// Of the last execution that began.
    pub last: Schedule,
}

thread_local! {
    /// Panics are expected, and told by who catches them.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the hook for panics quiet where they are expected: thousands of them are caught
/// while a schedule shrinks.
pub fn expect_panics(expected: bool) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(expected);
}

/// Runs a case under a scheduler; stops at the first panic.
fn under(
    scheduler: Box<dyn Scheduler + Send>,
    case: &'static Case,
    weakened: Option<Weakened>,
) -> Runs {
    let kept = Arc::new(Mutex::new(Runs::default()));
    let current = Arc::new(Mutex::new(Arc::new(Log::default())));
    let made = Arc::new(Mutex::new(Schedule::default()));
    let (runs, now) = (kept.clone(), current.clone());
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    config.silence_warnings = true;
    let recorded = Recorded {
        inner: scheduler,
        made: made.clone(),
    };
    let runner = Runner::new(recorded, config);
    expect_panics(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runner.run(move || {
            let log = Arc::new(Log::default());
            *locked(&now) = log.clone();
            execute::<Shuttle>(case, weakened, log.clone(), Arc::new(|_, _| ()));
            let mut runs = locked(&runs);
            let number = runs.total;
            runs.total += 1;
            runs.first.entry(log.take()).or_insert(number);
        })
    }));
    expect_panics(false);
    let mut runs = std::mem::take(&mut *locked(&kept));
    runs.last = locked(&made).clone();
    if let Err(panic) = outcome {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let events = locked(&current).events();
        runs.failure = Some(Failure {
            execution: runs.total,
            why: text.unwrap_or_default(),
            waits: waits(&events),
            events,
            schedule: runs.last.clone(),
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
    under(chosen.scheduler(seed, executions), case, weakened)
}

/// The schedule of the execution with this number, and its log.
pub fn schedule_of(
    case: &'static Case,
    chosen: Chosen,
    seed: u64,
    execution: usize,
    weakened: Option<Weakened>,
) -> Schedule {
    explore(case, chosen, seed, execution + 1, weakened).last
}

/// One execution.
pub struct Execution {
    pub events: Vec<Event>,
    /// What it panicked with.
    pub why: Option<String>,
    /// What was really done.
    pub schedule: Schedule,
}

/// Runs a case along this list of threads. `None` if it takes more than so many steps.
pub fn follow(
    case: &'static Case,
    threads: Vec<usize>,
    steps: usize,
    weakened: Option<Weakened>,
) -> Option<Execution> {
    let scheduler = Followed {
        threads: threads.into_iter(),
        begun: false,
        left: steps,
    };
    let runs = under(Box::new(scheduler), case, weakened);
    let (events, why) = match runs.failure {
        Some(failure) => (failure.events, Some(failure.why)),
        None => (runs.first.into_keys().next()?, None),
    };
    Some(Execution {
        events,
        why,
        schedule: runs.last,
    })
}

/// Runs the schedule with this text again.
///
/// # Panics
/// If it is no schedule, or not one of this case.
pub fn replay(case: &'static Case, schedule: &str, weakened: Option<Weakened>) -> Execution {
    let threads = threads_of(schedule).expect("a schedule");
    let once = follow(case, threads.clone(), STEPS, weakened);
    let once = once.filter(|once| once.schedule.threads() == threads);
    once.unwrap_or_else(|| panic!("{}: the schedule is another program's", case.name))
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
