//! A shared search, to be configured and run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use glock_engine::share::{self, Groups, ParcelOf, Part, Share};
use glock_engine::{
    ActionOf, Checkpoint, Claim, Limits, Mobile, OutcomeOf, Parcel, Persist, Progress, StateOf,
    Stats, StopWhen, System, Unfinished, Verdict,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::Hooks;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::allocator::TcpBuilder;
use timely::communication::allocator::zero_copy::initialize::{
    CommsGuard, initialize_networking_from_sockets,
};
use timely::worker::Worker;

use crate::alarm::{Alarm, OnPanic, Trouble};
use crate::checkpoint::{Keeper, Saving};
use crate::driver::{Driver, Found, Halt, Report, Terms};
use crate::line::{Farewell, Processes};
use crate::reach::Decided;
use crate::wire::{self, Wire};

/// Where the workers of a search are.
#[derive(Clone, Debug)]
pub enum Placement {
    /// So many threads of this process.
    Threads(usize),
    /// In several processes, of which this is one. All of them have to be started with the same
    /// model and the same settings; each comes to the same outcome.
    ///
    /// The connections between them are neither encrypted nor authenticated.
    Processes(Processes),
}

/// Why there is no outcome at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the engine says of the model, or of the caller.
    #[error(transparent)]
    Engine(#[from] glock_engine::Error),
    /// States that are kept as they are, as [`Exact`](glock_engine::Exact) does, in several
    /// processes.
    #[error(
        "states of this model are not packed into words and cannot be sent to another process: use \
         the workers of one process, or make it a packed model"
    )]
    NotPortable,
    /// There is no such process in the list of addresses.
    #[error("there is no process {process}: the list has {processes} addresses, counted from 0")]
    NoSuchProcess {
        /// The number that was given.
        process: usize,
        /// How many there are.
        processes: usize,
    },
    /// This process cannot listen at its own address.
    #[error("cannot listen at {address}: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A process did not come.
    #[error("process {process} did not come to {address} within {seconds} s")]
    Absent {
        /// Which.
        process: usize,
        /// Where it should listen.
        address: String,
        /// For how long it was awaited.
        seconds: u64,
    },
    /// At an address there is another process than the list says.
    #[error("at {address} there is process {other}, not {process}: the lists differ")]
    Elsewhere {
        /// The address.
        address: String,
        /// Which should be there.
        process: usize,
        /// Which is.
        other: usize,
    },
    /// Two processes were given the same number.
    #[error("there are two processes with the number {process}")]
    Twice {
        /// The number.
        process: usize,
    },
    /// Processes are about to check different things.
    #[error("process {process} has another {what}: {there}, and here it is {here}")]
    Disagreement {
        /// The other process.
        process: usize,
        /// In what they differ.
        what: String,
        /// What it is in this process.
        here: String,
        /// What it is in the other one.
        there: String,
    },
}

/// What a shared search found, and how it was shared.
pub struct Shared<S: System> {
    /// What it found.
    pub outcome: OutcomeOf<S>,
    /// How much each worker had to do: its counts, in the order of workers. Empty if a process was
    /// lost.
    pub shares: Vec<Stats>,
    /// Bytes of states that workers sent to one another, in all processes; 0 if one was lost.
    pub state_bytes: u64,
    /// The most bytes that a worker had under way to all others together, of which they had not said
    /// yet that they read them; 0 if a process was lost.
    pub under_way_bytes: usize,
    /// Bytes that this process sent to others, with everything around the states.
    pub sent_bytes: u64,
    /// What became of another process, if the search ended for that reason.
    pub trouble: Option<String>,
}

/// A search whose states, table and work are shared by several workers.
pub struct DistributedSearch<'a, S: System> {
    placement: Placement,
    report: Option<Report<'a>>,
    job: Job<'a, S>,
}

/// What all workers of a process know.
struct Job<'a, S: System> {
    system: &'a S,
    limits: Limits,
    stop_when: StopWhen,
    cancel: Option<&'a AtomicBool>,
    started: Instant,
    saving: Option<Saving<'a, S>>,
    claims: Vec<Claim<'a, StateOf<S>>>,
    groups: Groups<'a, S>,
    window: Option<usize>,
}

impl<'a, S> DistributedSearch<'a, S>
where
    S: System<Store: Mobile, Coverage: Serialize + DeserializeOwned>,
{
    /// A search through all of a system, without limits.
    pub fn new(system: &'a S, placement: Placement) -> Self {
        Self {
            placement,
            report: None,
            job: Job {
                system,
                limits: Limits::default(),
                stop_when: StopWhen::default(),
                cancel: None,
                started: Instant::now(),
                saving: None,
                claims: Vec::new(),
                groups: None,
                window: None,
            },
        }
    }

    /// When to give up.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.job.limits = limits;
        self
    }

    /// When to stop before everything is explored: looked at after each level.
    #[must_use]
    pub fn stop_when(mut self, stop_when: StopWhen) -> Self {
        self.job.stop_when = stop_when;
        self
    }

    /// Stops the search, with unknown verdicts, soon after somebody sets this flag.
    #[must_use]
    pub fn cancel(mut self, flag: &'a AtomicBool) -> Self {
        self.job.cancel = Some(flag);
        self
    }

    /// Calls `report` about every `interval`, on the thread that called [`run`](Self::run).
    #[must_use]
    pub fn progress(mut self, interval: Duration, report: impl FnMut(&Progress) + 'a) -> Self {
        self.report = Some((interval, Box::new(report)));
        self
    }

    /// Something to decide besides the model's own properties. For claims the steps between states are
    /// stored after the search, at 20 bytes each while they are collected, and for claims about what
    /// happens 30 bytes a state.
    #[must_use]
    pub fn claim(mut self, claim: Claim<'a, StateOf<S>>) -> Self {
        self.job.claims.push(claim);
        self
    }

    /// Which group an action is in, for fairness; see
    /// [`Search::groups`](glock_engine::Search::groups).
    #[must_use]
    pub fn groups(mut self, group: impl Fn(&ActionOf<S>) -> Option<usize> + Sync + 'a) -> Self {
        self.job.groups = Some(Box::new(group));
        self
    }

    /// How many bytes may be under way from one worker to another before it waits until some were
    /// read: by default 1 MiB, less from 32 workers on. What a slow worker has not read yet takes at
    /// most as much for each of the others, and what one of them sends at once.
    #[must_use]
    pub fn window(mut self, bytes: usize) -> Self {
        self.job.window = Some(bytes);
        self
    }

    /// Saves the search at the end of a level now and then, each worker in files of its own (see
    /// [`checkpoint_files`](crate::checkpoint_files)), or goes on from where a saved one was; one of
    /// another number of workers is refused. The result is the one that a search without interruption
    /// would have had.
    #[must_use]
    pub fn checkpoint(mut self, checkpoint: Checkpoint<'a>) -> Self
    where
        S: System<Store: Persist>,
    {
        self.job.saving = Some(Saving::new(checkpoint));
        self
    }

    /// Searches.
    ///
    /// # Errors
    ///
    /// See [`Error`]. Reaching a limit is none.
    pub fn run(mut self) -> Result<Shared<S>, Error> {
        self.job.started = Instant::now();
        let eventually = share::eventually(self.job.system, &self.job.claims)?;
        self.job.claims.splice(0..0, eventually);
        match self.placement {
            Placement::Threads(workers) => {
                let workers = workers.max(1);
                let builders = process_builders(workers);
                let builders = builders.into_iter().map(Builder::Process).collect();
                let worked = self
                    .job
                    .run(0, workers, builders, self.report, &Alarm::default())?;
                worked.shared(&self.job, 0, None)
            }
            Placement::Processes(processes) => self.job.run_among(&processes, self.report),
        }
    }
}

fn process_builders(workers: usize) -> Vec<ProcessBuilder> {
    ProcessBuilder::new_typed_vector(workers, Hooks::default().refill, None)
}

/// Waits for timely's threads that send and receive, unless something keeps them.
fn join(guard: CommsGuard) {
    const LONG_ENOUGH: Duration = Duration::from_secs(10);
    let (send, done) = std::sync::mpsc::channel();
    let joining = move || {
        drop(guard);
        let _ = send.send(());
    };
    if std::thread::Builder::new().spawn(joining).is_ok() {
        let _ = done.recv_timeout(LONG_ENOUGH);
    }
}

/// What becomes a worker's connection to the others, on its own thread.
enum Builder {
    Process(ProcessBuilder),
    Tcp(TcpBuilder),
}

impl Builder {
    fn build(self) -> Allocator {
        match self {
            Self::Process(builder) => Allocator::Process(builder.build()),
            Self::Tcp(builder) => Allocator::Tcp(builder.build()),
        }
    }
}

impl<'a, S> Job<'a, S>
where
    S: System<Store: Mobile, Coverage: Serialize + DeserializeOwned>,
{
    /// Runs the workers of one of several processes.
    fn run_among(
        &self,
        processes: &Processes,
        report: Option<Report<'a>>,
    ) -> Result<Shared<S>, Error> {
        if !ParcelOf::<S>::PORTABLE {
            return Err(Error::NotPortable);
        }
        let (process, count) = (processes.process, processes.addresses.len());
        if process >= count {
            return Err(Error::NoSuchProcess {
                process,
                processes: count,
            });
        }
        let workers = processes.workers.max(1);
        let alarm = Arc::new(Alarm::default());
        let (sockets, lines) = processes.connect(&alarm)?;
        let networking = initialize_networking_from_sockets(
            process_builders(workers),
            sockets,
            process,
            workers,
            Hooks::default(),
        );
        let (builders, guard) = networking.map_err(|why| glock_engine::Error::Threads {
            threads: 2 * count,
            reason: why.to_string(),
        })?;
        let builders = builders.into_iter().map(Builder::Tcp).collect();
        let first = process * workers;
        let worked = self.run(first, count * workers, builders, report, &alarm);
        let farewell = match (&worked, alarm.trouble()) {
            (Err(why), _) => Farewell::GaveUp(why.to_string()),
            (Ok(worked), Some(Trouble::Lost { process })) if worked.is_broken => {
                Farewell::Lost(process)
            }
            (Ok(worked), Some(Trouble::GaveUp { process, .. })) if worked.is_broken => {
                Farewell::Lost(process)
            }
            _ => Farewell::Done,
        };
        alarm.close();
        match farewell {
            Farewell::Done => join(guard),
            // Its threads wait for somebody who is gone.
            _ => std::mem::forget(guard),
        }
        let sent = lines.sent();
        lines.close(&farewell);
        let worked = worked?;
        let trouble = match alarm.trouble() {
            _ if !worked.is_broken => None,
            Some(Trouble::Lost { process }) => Some(format!(
                "process {process} at {} was lost",
                processes.addresses[process]
            )),
            Some(Trouble::GaveUp { process, reason }) => Some(format!(
                "process {process} at {} gave up: {reason}",
                processes.addresses[process]
            )),
            Some(Trouble::Panic) | None => None,
        };
        worked.shared(self, sent, trouble)
    }

    /// Runs the workers of this process, the first one on the thread that calls.
    fn run(
        &self,
        first: usize,
        workers: usize,
        builders: Vec<Builder>,
        report: Option<Report<'a>>,
        alarm: &Alarm,
    ) -> Result<Worked<'a, S>, Error> {
        let neighbours = builders.len();
        let part = |worker| Part {
            worker,
            workers,
            neighbours,
            memory_bytes: self.limits.memory_bytes.map(|all| all / neighbours),
        };
        let mut builders = (first..).zip(builders);
        let (first, builder) = builders.next().expect("there is at least one");
        std::thread::scope(|scope| {
            for (worker, builder) in builders {
                let run = move || {
                    // All come to the same result; the first one tells it.
                    let _ = self.work(part(worker), builder, None, alarm);
                };
                let spawned = std::thread::Builder::new()
                    .name(format!("worker {worker}"))
                    .spawn_scoped(scope, run);
                if let Err(why) = spawned {
                    alarm.raise(Trouble::Panic);
                    return Err(Error::Engine(glock_engine::Error::Threads {
                        threads: neighbours,
                        reason: why.to_string(),
                    }));
                }
            }
            self.work(part(first), builder, report, alarm)
        })
    }

    fn work(
        &self,
        part: Part,
        builder: Builder,
        report: Option<Report<'a>>,
        alarm: &Alarm,
    ) -> Result<Worked<'a, S>, Error> {
        let _guard = OnPanic(alarm);
        let share = Share::new(self.system, part, &self.stop_when)?;
        let now = Instant::now();
        let worker = Worker::new(WorkerConfig::default(), builder.build(), Some(now));
        let window = self.window.unwrap_or(wire::window(part.workers));
        let terms = Terms {
            limits: self.limits,
            cancel: self.cancel,
            started: self.started,
            report,
            reported: now,
            before: Duration::ZERO,
        };
        let saving = self.saving.clone();
        let keeper = saving.map(|saving| Keeper::new(saving, part.worker, part.workers));
        let mut driver = Driver::new(
            share,
            Wire::new(worker, window, alarm),
            terms,
            keeper,
            part.neighbours,
        );
        let claims: Vec<_> = self.claims.iter().collect();
        match driver.run(&claims, &self.groups) {
            Ok(found) => {
                let Driver { share, wire, .. } = driver;
                // What is known does not depend on who is still there.
                let _ = wire.close();
                Ok(Worked {
                    share,
                    found,
                    is_broken: false,
                })
            }
            Err(Halt::Error(why)) => {
                let _ = driver.wire.close();
                Err(why.into())
            }
            Err(Halt::Broken) => {
                let totals = driver.lost(Some(lost(alarm)));
                let Driver { share, wire, .. } = driver;
                wire.abandon();
                Ok(Worked {
                    share,
                    found: Found::nothing(totals),
                    is_broken: true,
                })
            }
        }
    }
}

fn lost(alarm: &Alarm) -> Unfinished {
    match alarm.trouble() {
        Some(Trouble::Lost { process } | Trouble::GaveUp { process, .. }) => {
            Unfinished::Lost { process }
        }
        // The panic goes on as soon as all have ended.
        _ => Unfinished::Lost { process: 0 },
    }
}

/// What a worker comes to.
struct Worked<'a, S: System<Store: Mobile>> {
    share: Share<'a, S>,
    found: Found<S>,
    /// Whether the others could not be asked to the end.
    is_broken: bool,
}

impl<S: System<Store: Mobile>> Worked<'_, S> {
    fn shared(
        self,
        job: &Job<'_, S>,
        sent_bytes: u64,
        trouble: Option<String>,
    ) -> Result<Shared<S>, Error> {
        let Found {
            ways,
            totals,
            shares,
            state_bytes,
            unsaved,
            decided,
            under_way,
        } = self.found;
        let claims = &job.claims;
        let mut verdicts = Vec::new();
        for (at, claim) in claims.iter().enumerate() {
            verdicts.push(match decided.get(at) {
                Some(Decided::Holds) => Verdict::Holds,
                Some(Decided::Trap(way, states)) => self.share.trap(claim, way, *states)?,
                Some(Decided::Lasso(stem, round)) => {
                    self.share.lasso(claim, &job.groups, stem, round)?
                }
                Some(Decided::Unknown(why)) => Verdict::Unknown(*why),
                // Nobody could be asked.
                None => Verdict::Unknown(totals.unfinished.unwrap_or(Unfinished::Cancelled)),
            });
        }
        let claims: Vec<_> = claims.iter().collect();
        let mut outcome = self.share.outcome(totals, &ways, &claims, verdicts)?;
        outcome.unsaved = unsaved;
        Ok(Shared {
            outcome,
            shares,
            state_bytes,
            under_way_bytes: under_way,
            sent_bytes,
            trouble,
        })
    }
}
