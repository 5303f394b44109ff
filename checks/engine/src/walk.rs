//! Random walks: for systems that are too large to look at every state.
//!
//! A walk starts in a random initial state and takes random steps. It proves nothing, but a state it
//! comes to is reachable, so what it finds is real. Each walk has a generator of its own, made from
//! the seed and the walk's number, and of all walks that find something the first one counts: the
//! result does not depend on the number of threads.
//!
//! A finding is kept as the number of a walk and the number of steps to go; the run is made again
//! when it is wanted, and then shrunk, see [`shrink`].

pub(crate) mod chance;
mod shrink;
pub(crate) mod states;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use stateright::{Expectation, Model};

use self::chance::{Chance, Scheduler};
use self::shrink::{Shrinker, Shrunk};
use self::states::States;
use crate::chunk::ones;
use crate::crew::pool;
use crate::explored::{Found, Goal, Place, Properties};
use crate::model::Merge;
use crate::outcome::{Error, Judged, Path, Unfinished, Verdict};
use crate::replay::Run;
use crate::search::{Groups, StopWhen, VerdictOf};
use crate::store::{Index, Store};
use crate::system::{ActionOf, StateOf, System};

/// Walks between two looks at what was found, per thread.
const ROUND: u64 = 64;

/// Steps of a walk between two looks at the clock.
const PATIENCE: usize = 256;

/// Uniform walks that are taken first, to see how long a run is.
const PILOTS: u64 = 32;

/// How the next step is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Every enabled step is equally likely.
    Uniform,
    /// Probabilistic concurrency testing, after Burckhardt, Kothari, Musuvathi and Nagarakatte, "A
    /// Randomized Scheduler with Probabilistic Guarantees of Finding Bugs" (ASPLOS 2010). The
    /// threads of that paper are the [`groups`](Walk::groups) of steps; all steps in no group,
    /// which are the environment's, are those of one more thread. In each walk the threads get
    /// priorities in a random order, and of those that can move the one with the highest does; if
    /// several of its steps are enabled, each is equally likely. At `changes` random moments,
    /// whoever would move is put behind all others.
    ///
    /// What needs at most `changes + 1` ordering constraints among `n` threads of `k` steps in all
    /// is met by a walk with a probability of at least `1 / (n k^changes)`, in the setting of that
    /// paper: where a thread has no choice, so not with an initial state that is drawn, nor with
    /// several steps in a group.
    ///
    /// How long a run is, which the paper takes to be known, is drawn for each walk from the
    /// lengths of 32 uniform walks that are taken first and not looked at otherwise. After twice
    /// that length a walk is uniform, so that a thread that spins does not keep all others from
    /// moving.
    Priority {
        /// How often a priority changes, `d - 1` in the paper.
        changes: usize,
    },
}

/// How far random walks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkProgress {
    /// Walks taken so far.
    pub walks: u64,
    /// Steps taken so far.
    pub steps: u64,
    /// Properties for which something was found.
    pub found: usize,
    /// Time since the start.
    pub elapsed: Duration,
}

/// Counts of random walks. Unless they ended for time or a cancellation they do not depend on the
/// number of threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkStats {
    /// Walks taken.
    pub walks: u64,
    /// Steps taken, in all walks.
    pub steps: u64,
    /// Steps of the longest walk.
    pub longest: usize,
    /// Walks that came to a state without any successor.
    pub terminal: u64,
    /// Those of `terminal` that came to a finished state; 0 if the system cannot tell.
    pub finished: u64,
    /// Those of `terminal` that came to a deadlock; 0 if the system cannot tell.
    pub deadlocked: u64,
    /// Walks that came to a state beyond which the model wished not to go.
    pub stopped: u64,
    /// Walks that came to a state all of whose steps lead out of the model's boundary.
    pub outside: u64,
    /// Walks that took as many steps as they may.
    pub at_limit: u64,
    /// Wall-clock time of the walks.
    pub elapsed: Duration,
    /// Wall-clock time of shrinking, after the walks.
    pub elapsed_shrinking: Duration,
}

impl WalkStats {
    fn add(&mut self, walk: &Self) {
        self.walks += walk.walks;
        self.steps += walk.steps;
        self.longest = self.longest.max(walk.longest);
        self.terminal += walk.terminal;
        self.finished += walk.finished;
        self.deadlocked += walk.deadlocked;
        self.stopped += walk.stopped;
        self.outside += walk.outside;
        self.at_limit += walk.at_limit;
    }
}

/// Where something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The walk, counted from 0: the first that found it.
    pub walk: u64,
    /// The steps that this walk took to get there, before the run was shrunk.
    pub steps: usize,
    /// Whether it turned out that no run to such a state is shorter than the one reported: because
    /// all states nearer to the initial ones were looked at in shrinking.
    pub shortest: bool,
}

/// What random walks found. Nothing in it is ever [`Verdict::Holds`] or [`Verdict::Nowhere`].
#[derive(Clone, Debug)]
pub struct WalkOutcome<T, A, C> {
    /// The model's properties in their order, then [`DEADLOCK`](crate::DEADLOCK) if it was looked
    /// for. Walks do not decide `eventually` properties.
    pub properties: Vec<Judged<T, A>>,
    /// For each of `properties` where it was found, if it was.
    pub findings: Vec<Option<Finding>>,
    /// Counts.
    pub stats: WalkStats,
    /// What the steps that were taken recorded, merged.
    pub coverage: C,
    /// Why the walks ended; [`Unfinished::Sampled`] if as many were taken as were asked for.
    pub unfinished: Unfinished,
}

impl<T, A, C> WalkOutcome<T, A, C> {
    /// What is known of the property with this name, and where that was found; `None` if there is
    /// no such property.
    pub fn verdict(&self, name: &str) -> Option<(&Verdict<T, A>, Option<Finding>)> {
        let mut all = self.properties.iter().zip(&self.findings);
        all.find(|(judged, _)| judged.name == name)
            .map(|(judged, finding)| (&judged.verdict, *finding))
    }
}

/// What random walks through a system give.
pub type WalkOutcomeOf<S> = WalkOutcome<StateOf<S>, ActionOf<S>, <S as System>::Coverage>;

type Report<'a> = Box<dyn FnMut(&WalkProgress) + 'a>;

/// Random walks to be configured and run.
///
/// ```
/// use glock_engine::{Exact, Strategy, Verdict, Walk};
/// use stateright::{Model, Property};
///
/// /// Counts up or down, without end.
/// struct Drunkard;
///
/// impl Model for Drunkard {
///     type State = i64;
///     type Action = i64;
///     fn init_states(&self) -> Vec<i64> {
///         vec![0]
///     }
///     fn actions(&self, _: &i64, actions: &mut Vec<i64>) {
///         actions.extend([1, -1]);
///     }
///     fn next_state(&self, at: &i64, step: i64) -> Option<i64> {
///         Some(at + step)
///     }
///     fn properties(&self) -> Vec<Property<Self>> {
///         vec![
///             Property::always("not at the pub", |_, at| *at != 9),
///             Property::always("on the road", |_, at| at % 1 == 0),
///         ]
///     }
/// }
///
/// let outcome = Walk::new(&Exact::new(Drunkard)).seed(7).run().unwrap();
/// let (pub_found, finding) = outcome.verdict("not at the pub").unwrap();
/// assert!(finding.unwrap().steps >= 9);
/// assert_eq!(pub_found.path().unwrap().len(), 9, "no step back is left");
/// let (unknown, _) = outcome.verdict("on the road").unwrap();
/// assert!(unknown.is_unknown());
/// ```
pub struct Walk<'a, S: System> {
    system: &'a S,
    seed: u64,
    walks: u64,
    steps: usize,
    strategy: Strategy,
    effort: usize,
    time: Option<Duration>,
    threads: usize,
    stop_when: StopWhen,
    cancel: Option<&'a AtomicBool>,
    progress: Option<(Duration, Report<'a>)>,
    groups: Groups<'a, S>,
}

impl<'a, S: System> Walk<'a, S> {
    /// A thousand uniform walks of up to ten thousand steps with seed 0, on one thread.
    pub fn new(system: &'a S) -> Self {
        Self {
            system,
            seed: 0,
            walks: 1000,
            steps: 10_000,
            strategy: Strategy::Uniform,
            effort: 1 << 20,
            time: None,
            threads: 1,
            stop_when: StopWhen::default(),
            cancel: None,
            progress: None,
            groups: None,
        }
    }

    /// What the walks are made from. The same seed gives the same walks, on every machine.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// How many walks to take.
    #[must_use]
    pub fn walks(self, walks: u64) -> Self {
        Self { walks, ..self }
    }

    /// The most steps in a walk; more than four billion are taken as four billion.
    #[must_use]
    pub fn steps(self, steps: usize) -> Self {
        Self {
            steps: steps.min(Index::MAX as usize),
            ..self
        }
    }

    /// How to choose a step.
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// Sorts actions into groups, which are the threads of [`Strategy::Priority`]. Groups are
    /// numbered from 0 to 63; `None` is the environment.
    #[must_use]
    pub fn groups(mut self, group: impl Fn(&ActionOf<S>) -> Option<usize> + Sync + 'a) -> Self {
        self.groups = Some(Box::new(group));
        self
    }

    /// About how many states to expand in order to shorten the run to a finding, for each; 0 to
    /// leave every run as it was walked. A million by default.
    #[must_use]
    pub fn shrink(self, states: usize) -> Self {
        Self {
            effort: states,
            ..self
        }
    }

    /// The most time to take for walking. Shrinking what was found comes after it and has its own
    /// measure, see [`shrink`](Self::shrink), so that its result does not depend on the clock.
    #[must_use]
    pub fn limit_time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// How many threads to use, at least 1. The result is the same for any number.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// When to stop before all walks are taken. What a later walk finds is then not reported.
    #[must_use]
    pub fn stop_when(mut self, stop_when: StopWhen) -> Self {
        self.stop_when = stop_when;
        self
    }

    /// Stops walks and shrinking soon after somebody sets this flag.
    #[must_use]
    pub fn cancel(mut self, flag: &'a AtomicBool) -> Self {
        self.cancel = Some(flag);
        self
    }

    /// Calls `report` about every `interval`, on the thread that called [`run`](Self::run).
    #[must_use]
    pub fn progress(mut self, interval: Duration, report: impl FnMut(&WalkProgress) + 'a) -> Self {
        self.progress = Some((interval, Box::new(report)));
        self
    }

    /// Walks.
    ///
    /// # Errors
    ///
    /// See [`Error`]. Reaching a limit is none.
    pub fn run(self) -> Result<WalkOutcomeOf<S>, Error>
    where
        ActionOf<S>: PartialEq,
    {
        let initial = initial(self.system);
        if initial.is_empty() {
            return Err(Error::NoInitialState);
        }
        let properties = Properties::of(self.system)?;
        let goal = Goal::new(&self.stop_when, &properties)?;
        let pool = match self.threads {
            0 | 1 => None,
            threads => Some(pool(threads)?),
        };
        let mut ground = Ground {
            system: self.system,
            properties,
            goal,
            initial,
            groups: &self.groups,
            seed: self.seed,
            steps: self.steps,
            strategy: self.strategy,
            lengths: Vec::new(),
            cancel: self.cancel,
            time: self.time,
            started: Instant::now(),
        };
        let mut taken = Taken::default();
        let round = match &pool {
            None => 1,
            Some(_) => ROUND * self.threads as u64,
        };
        let unfinished = match ground.pilots()? {
            Err(why) => why,
            Ok(()) => ground.walks(self.walks, round, pool.as_ref(), self.progress, &mut taken)?,
        };
        taken.stats.elapsed = ground.started.elapsed();
        ground.outcome(taken, unfinished, self.effort)
    }
}

/// What all walks have in common.
struct Ground<'a, S: System> {
    system: &'a S,
    properties: Properties<S::Model>,
    goal: Goal,
    /// The different initial states within the boundary, at least one.
    initial: S::Store,
    groups: &'a Groups<'a, S>,
    seed: u64,
    steps: usize,
    strategy: Strategy,
    /// How long runs are.
    lengths: Vec<usize>,
    cancel: Option<&'a AtomicBool>,
    time: Option<Duration>,
    started: Instant,
}

/// One walk on its way.
struct Walker<'a, S: System> {
    ground: &'a Ground<'a, S>,
    chance: Chance,
    scheduler: Scheduler,
    at: StateOf<S>,
    steps: usize,
    /// The steps enabled where it is, that lead nowhere outside.
    enabled: Vec<(ActionOf<S>, StateOf<S>)>,
    /// Steps that lead out of the boundary.
    outside: usize,
    /// What steps record that may not be taken.
    unused: S::Coverage,
}

impl<S: System> Walker<'_, S> {
    /// Sees which steps there are.
    fn look(&mut self) {
        let Self {
            ground,
            enabled,
            outside,
            unused,
            ..
        } = self;
        let model = ground.system.model();
        enabled.clear();
        *outside = 0;
        let visit = &mut |action, next: Cow<'_, _>| match model.within_boundary(&next) {
            true => enabled.push((action, next.into_owned())),
            false => *outside += 1,
        };
        ground.system.expand(&self.at, unused, Clone::clone, visit);
    }

    /// Takes a random one of the steps that it saw, of which there is at least one; returns where it
    /// was before, and the action.
    fn step(&mut self) -> Result<(StateOf<S>, ActionOf<S>), Error> {
        let Self {
            ground,
            chance,
            enabled,
            ..
        } = self;
        let groups = enabled
            .iter()
            .map(|(action, _)| ground.groups.as_ref().and_then(|group| group(action)));
        let chosen = self.scheduler.choose(self.steps, groups, chance)?;
        let (action, next) = enabled.swap_remove(chosen);
        self.steps += 1;
        Ok((std::mem::replace(&mut self.at, next), action))
    }
}

/// What one walk gives.
struct Trip<S: System> {
    /// With the step at which it was found.
    found: Found,
    stats: WalkStats,
    coverage: S::Coverage,
    /// It was not the walk that came to an end.
    interrupted: Option<Unfinished>,
}

/// What all walks so far gave.
struct Taken<S: System> {
    found: Found,
    /// For each finding the walk.
    first: Vec<(Place, u64, Index)>,
    stats: WalkStats,
    coverage: S::Coverage,
}

impl<S: System> Default for Taken<S> {
    fn default() -> Self {
        Self {
            found: Found::default(),
            first: Vec::new(),
            stats: WalkStats::default(),
            coverage: S::Coverage::default(),
        }
    }
}

impl<S: System> Taken<S> {
    fn absorb(&mut self, walk: u64, trip: &Trip<S>) {
        for &(place, step) in &trip.found.first {
            if !self.found.has(place) {
                self.found.note(place, step);
                self.first.push((place, walk, step));
            }
        }
        self.stats.add(&trip.stats);
        self.coverage.merge(&trip.coverage);
    }
}

impl<S: System> Ground<'_, S> {
    /// An initial state.
    fn start(&self, number: usize) -> StateOf<S> {
        let number = number as Index;
        self.system.with_state(&self.initial, number, Clone::clone)
    }

    /// The walk with this number, at its start.
    fn walker(&self, number: u64) -> Walker<'_, S> {
        let mut chance = Chance::new(self.seed, number);
        let at = self.start(chance.below(self.initial.len()));
        let length = match self.lengths.len() {
            0 => 0,
            known => self.lengths[chance.below(known)],
        };
        Walker {
            ground: self,
            scheduler: Scheduler::new(self.strategy, length, &mut chance),
            chance,
            at,
            steps: 0,
            enabled: Vec::new(),
            outside: 0,
            unused: S::Coverage::default(),
        }
    }

    /// Finds out how long runs are, if that matters. The inner result tells why it could not.
    fn pilots(&mut self) -> Result<Result<(), Unfinished>, Error> {
        if self.strategy == Strategy::Uniform {
            return Ok(Ok(()));
        }
        let strategy = std::mem::replace(&mut self.strategy, Strategy::Uniform);
        let mut lengths = Vec::new();
        for pilot in 0..PILOTS {
            let trip = self.trip(u64::MAX - pilot, &Goal::None)?;
            if let Some(why) = trip.interrupted {
                return Ok(Err(why));
            }
            lengths.push(trip.stats.longest);
        }
        self.strategy = strategy;
        self.lengths = lengths;
        Ok(Ok(()))
    }

    /// Takes one walk to its end, or to where it has found what is wanted.
    fn trip(&self, number: u64, goal: &Goal) -> Result<Trip<S>, Error> {
        let mut walker = self.walker(number);
        let mut trip = Trip {
            found: Found::default(),
            stats: WalkStats {
                walks: 1,
                ..WalkStats::default()
            },
            coverage: S::Coverage::default(),
            interrupted: None,
        };
        loop {
            self.judge(&walker, &mut trip.found);
            if goal.reached(&trip.found) || self.ends(&mut walker, &mut trip) {
                break;
            }
            if walker.steps % PATIENCE == PATIENCE - 1 {
                trip.interrupted = self.may_go_on().err();
                if trip.interrupted.is_some() {
                    break;
                }
            }
            let (from, action) = walker.step()?;
            self.system
                .record(&from, &action, &walker.at, &mut trip.coverage);
        }
        trip.stats.steps = walker.steps as u64;
        trip.stats.longest = walker.steps;
        Ok(trip)
    }

    /// Evaluates the properties where a walk is.
    fn judge(&self, walker: &Walker<'_, S>, found: &mut Found) {
        let Properties {
            always, sometimes, ..
        } = &self.properties;
        let step = walker.steps as Index;
        for i in ones(self.system.violated(&walker.at, always, u64::MAX)) {
            found.note(Place::Always(i), step);
        }
        for i in ones(self.system.reached(&walker.at, sometimes, u64::MAX)) {
            found.note(Place::Sometimes(i), step);
        }
    }

    /// Whether a walk ends where it is, for want of a step or because it has taken enough of them.
    fn ends(&self, walker: &mut Walker<'_, S>, trip: &mut Trip<S>) -> bool {
        let stats = &mut trip.stats;
        if self.system.stop_at(&walker.at) {
            stats.stopped = 1;
            return true;
        }
        walker.look();
        if walker.enabled.is_empty() && walker.outside > 0 {
            stats.outside = 1;
        } else if walker.enabled.is_empty() {
            stats.terminal = 1;
            match self.system.deadlocked(&walker.at) {
                Some(true) => {
                    stats.deadlocked = 1;
                    trip.found.note(Place::Deadlock, walker.steps as Index);
                }
                Some(false) => stats.finished = 1,
                None => {}
            }
        } else if walker.steps >= self.steps {
            stats.at_limit = 1;
        } else {
            return false;
        }
        true
    }

    fn may_go_on(&self) -> Result<(), Unfinished> {
        if self.is_cancelled() {
            return Err(Unfinished::Cancelled);
        }
        match self.time {
            Some(limit) if self.started.elapsed() >= limit => Err(Unfinished::Time),
            _ => Ok(()),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Takes walks until there were enough, and tells why it stopped.
    fn walks(
        &self,
        walks: u64,
        round: u64,
        pool: Option<&rayon::ThreadPool>,
        mut progress: Option<(Duration, Report<'_>)>,
        taken: &mut Taken<S>,
    ) -> Result<Unfinished, Error> {
        let mut reported = Instant::now();
        let mut next = 0;
        while next < walks {
            if let Err(why) = self.may_go_on() {
                return Ok(why);
            }
            let numbers = next..next.saturating_add(round).min(walks);
            next = numbers.end;
            let mut interrupted = None;
            for (number, trip) in numbers.clone().zip(self.round(numbers, pool)) {
                let Some(trip) = trip.transpose()? else {
                    continue;
                };
                taken.absorb(number, &trip);
                interrupted = interrupted.or(trip.interrupted);
                if interrupted.is_none() && self.goal.reached(&taken.found) {
                    return Ok(Unfinished::Stopped);
                }
            }
            if let Some(why) = interrupted {
                return Ok(why);
            }
            if let Some((interval, report)) = &mut progress
                && reported.elapsed() >= *interval
            {
                report(&WalkProgress {
                    walks: taken.stats.walks,
                    steps: taken.stats.steps,
                    found: taken.first.len(),
                    elapsed: self.started.elapsed(),
                });
                reported = Instant::now();
            }
        }
        Ok(Unfinished::Sampled)
    }

    /// Takes the walks with these numbers. Those behind one that found all that is wanted may be
    /// missing.
    fn round(
        &self,
        numbers: Range<u64>,
        pool: Option<&rayon::ThreadPool>,
    ) -> Vec<Option<Result<Trip<S>, Error>>> {
        let enough = AtomicU64::new(u64::MAX);
        let walk = |number| {
            if number > enough.load(Ordering::Relaxed) {
                return None;
            }
            let trip = self.trip(number, &self.goal);
            if trip
                .as_ref()
                .is_ok_and(|trip| self.goal.reached(&trip.found))
            {
                enough.fetch_min(number, Ordering::Relaxed);
            }
            Some(trip)
        };
        match pool {
            None => numbers.map(walk).collect(),
            Some(pool) => pool.install(|| numbers.into_par_iter().map(walk).collect()),
        }
    }

    /// Makes a run again: the first steps of a walk.
    fn again(&self, walk: u64, steps: Index) -> Result<Run<S>, Error> {
        let mut walker = self.walker(walk);
        let mut run = Path {
            initial: walker.at.clone(),
            steps: Vec::new(),
        };
        for _ in 0..steps {
            walker.look();
            let (_, action) = walker.step()?;
            run.steps.push((action, walker.at.clone()));
        }
        Ok(run)
    }

    /// What to report.
    fn outcome(
        self,
        mut taken: Taken<S>,
        unfinished: Unfinished,
        effort: usize,
    ) -> Result<WalkOutcomeOf<S>, Error>
    where
        ActionOf<S>: PartialEq,
    {
        let started = Instant::now();
        let (mut properties, mut findings) = (Vec::new(), Vec::new());
        for (name, expectation, place) in self.properties.names() {
            let first = taken.first.iter().find(|(at, ..)| Some(*at) == place);
            let (verdict, finding) = match first {
                Some(&(place, walk, steps)) => {
                    let run = self.again(walk, steps)?;
                    let Shrunk { run, shortest } = self.shrunk(run, place, effort, name)?;
                    let finding = Finding {
                        walk,
                        steps: steps as usize,
                        shortest,
                    };
                    (found::<S>(&expectation, run), Some(finding))
                }
                None => (Verdict::Unknown(unfinished), None),
            };
            findings.push(finding);
            properties.push(Judged {
                name,
                expectation,
                verdict,
            });
        }
        taken.stats.elapsed_shrinking = started.elapsed();
        Ok(WalkOutcome {
            properties,
            findings,
            stats: taken.stats,
            coverage: taken.coverage,
            unfinished,
        })
    }

    /// Shrinks a run, and makes sure that what is left is one, to a state that decides the property.
    fn shrunk(
        &self,
        run: Run<S>,
        place: Place,
        effort: usize,
        name: &'static str,
    ) -> Result<Shrunk<S>, Error>
    where
        ActionOf<S>: PartialEq,
    {
        let wanted = |state: &_| self.properties.decided(self.system, place, state);
        let cancelled = || self.is_cancelled();
        let initial: Vec<_> = (0..self.initial.len()).map(|i| self.start(i)).collect();
        let shrinker = Shrinker::new(self.system, &initial, &wanted, &cancelled, effort);
        let shrunk = shrinker.shrink(run);
        let run = shrink::replayed(self.system, &shrunk.run, name)?;
        match wanted(run.last()) {
            true => Ok(Shrunk { run, ..shrunk }),
            false => Err(Error::Replay {
                property: name,
                step: run.len(),
            }),
        }
    }
}

/// A run of a system.
pub type PathOf<S> = Path<StateOf<S>, ActionOf<S>>;

/// Shortens a run whose last state is wanted, with about so many states to expand; says as well
/// whether the result is known to be a shortest such run. Less than that is done once somebody sets
/// the flag.
///
/// # Errors
///
/// [`Error::Replay`] if the run is none of the system's, or its last state is not wanted.
pub fn shorten<S: System>(
    system: &S,
    run: PathOf<S>,
    wanted: impl Fn(&StateOf<S>) -> bool,
    cancel: Option<&AtomicBool>,
    effort: usize,
) -> Result<(PathOf<S>, bool), Error>
where
    ActionOf<S>: PartialEq,
{
    const NAME: &str = "the property";
    let run = shrink::replayed(system, &run, NAME)?;
    let cancelled = || cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
    let model = system.model();
    let mut initial = model.init_states();
    initial.retain(|state| model.within_boundary(state));
    let is_wanted = wanted(run.last());
    let shrinker = Shrinker::new(system, &initial, &wanted, &cancelled, effort);
    let Shrunk { run, shortest } = match is_wanted {
        true => shrinker.shrink(run),
        false => Shrunk {
            run,
            shortest: false,
        },
    };
    let run = shrink::replayed(system, &run, NAME)?;
    match wanted(run.last()) {
        true => Ok((run, shortest)),
        false => Err(Error::Replay {
            property: NAME,
            step: run.len(),
        }),
    }
}

/// The different initial states within the boundary.
fn initial<S: System>(system: &S) -> S::Store {
    let model = system.model();
    let mut states = States::new(system);
    for state in model.init_states() {
        if model.within_boundary(&state) {
            let _ = states.insert(&state);
        }
    }
    states.store
}

fn found<S: System>(expectation: &Expectation, run: Run<S>) -> VerdictOf<S> {
    match expectation {
        Expectation::Sometimes => Verdict::Found(run),
        _ => Verdict::Violated(run),
    }
}
