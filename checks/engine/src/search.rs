//! The search loop: exact, breadth-first, level by level.
//!
//! States are numbered in the order in which a plain sequential breadth-first search would find
//! them: by level, then by the predecessor's number, then by the order of the predecessor's steps.
//! A state's predecessor is the one that found it in this order. All of this is so for any number of
//! threads, because the parallel part never decides anything: a level is cut into chunks, threads
//! expand chunks and strike out the successors that the table, which nobody changes meanwhile,
//! already knows; what is left is committed chunk by chunk in order.
//!
//! A property is evaluated once per state, when the state's turn to be expanded has come. As levels
//! come in order, the first violation seen is a shortest one, for each property on its own.
//!
//! The cost of such a search is the memory's latency: one random access to the table per transition
//! and a second one to the store if the state is known. Both are requested well before they are
//! needed, see [`crate::ahead`].
//!
//! If anything is claimed about runs, all transitions are stored afterwards, see [`crate::graph`].

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use stateright::{Expectation, Model, Property};

use crate::ahead::Ahead;
use crate::claim::Claim;
use crate::graph::Graph;
use crate::lasso::Judge;
use crate::model::Merge;
use crate::outcome::{DEADLOCK, Error, Judged, Outcome, Stats, Unfinished, Verdict};
use crate::replay::{Run, replay};
use crate::store::{Blocks, Index, Store};
use crate::system::{ActionOf, BatchOf, StateOf, System};
use crate::table::{MAX_STATES, Table};

/// States expanded at a time by one thread.
const CHUNK: usize = 256;

/// Chunks per thread between two commits.
const CHUNKS_PER_THREAD: usize = 8;

/// Candidates remembered while a chunk is expanded.
const RECENT: usize = 1 << 12;

/// The predecessor of an initial state.
const NOBODY: Index = Index::MAX;

/// When to give up. A search that gave up claims nothing about states it did not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most states to store. Reached when one more would have to be.
    pub states: Option<usize>,
    /// The most memory to use for states, table and buffers, and for transitions if there are claims,
    /// in bytes. It is not exceeded by more than what a few thousand states need.
    pub memory_bytes: Option<usize>,
    /// The most time to take. Looked at every few thousand states, and before each claim, but not
    /// while one is being decided.
    pub time: Option<Duration>,
    /// The most steps to go from the initial states: states at this distance are looked at but not
    /// expanded.
    pub depth: Option<usize>,
}

/// When to stop although there is more to explore. Names are those of the model's properties, or
/// [`DEADLOCK`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StopWhen {
    /// Never: explore everything.
    #[default]
    Exhausted,
    /// As soon as there is a counterexample, or an example, for every one of these.
    AllFound(Vec<String>),
    /// As soon as there is a counterexample, or an example, for one of these.
    AnyFound(Vec<String>),
}

/// How far a search is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Different states found so far.
    pub states: usize,
    /// Transitions seen so far.
    pub edges: u64,
    /// The distance of the states being expanded from the initial ones.
    pub depth: usize,
    /// States found and not yet expanded.
    pub queue: usize,
    /// Memory in use, in bytes.
    pub bytes: usize,
    /// Time since the start.
    pub elapsed: Duration,
}

/// What a search of a system gives.
pub type OutcomeOf<S> = Outcome<StateOf<S>, ActionOf<S>, <S as System>::Coverage>;

/// What is known of a property of a system.
pub(crate) type VerdictOf<S> = Verdict<StateOf<S>, ActionOf<S>>;

/// What group an action is in, if any. Without such a function all actions are the environment's.
pub(crate) type Groups<'a, S> = Option<Box<dyn Fn(&ActionOf<S>) -> Option<usize> + Sync + 'a>>;

type Report<'a> = Box<dyn FnMut(&Progress) + 'a>;

/// A search to be configured and run. See the [crate's documentation](crate) for an example.
pub struct Search<'a, S: System> {
    system: &'a S,
    limits: Limits,
    threads: usize,
    stop_when: StopWhen,
    cancel: Option<&'a AtomicBool>,
    progress: Option<(Duration, Report<'a>)>,
    groups: Groups<'a, S>,
    claims: Vec<Claim<'a, StateOf<S>>>,
}

impl<'a, S: System> Search<'a, S> {
    /// A search through all of a system: no limits, one thread.
    pub fn new(system: &'a S) -> Self {
        Self {
            system,
            limits: Limits::default(),
            threads: 1,
            stop_when: StopWhen::default(),
            cancel: None,
            progress: None,
            groups: None,
            claims: Vec::new(),
        }
    }

    /// Sorts actions into groups, which [`Fairness`](crate::Fairness) is about: for instance one for
    /// each process. Groups are numbered from 0 to 63; `None` is the environment.
    #[must_use]
    pub fn groups(mut self, group: impl Fn(&ActionOf<S>) -> Option<usize> + Sync + 'a) -> Self {
        self.groups = Some(Box::new(group));
        self
    }

    /// Something to decide besides the model's own properties.
    ///
    /// For claims, and for stateright's `eventually` properties, all transitions are stored after
    /// the search, at 5 bytes each, and some 40 bytes a state are needed besides. The model must not pack symmetrical states
    /// alike: who is treated fairly could then not be told.
    #[must_use]
    pub fn claim(mut self, claim: Claim<'a, StateOf<S>>) -> Self {
        self.claims.push(claim);
        self
    }

    /// When to give up.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many threads to use, at least 1. The result is the same for any number.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// When to stop before everything is explored.
    #[must_use]
    pub fn stop_when(mut self, stop_when: StopWhen) -> Self {
        self.stop_when = stop_when;
        self
    }

    /// Stops the search, with unknown verdicts, soon after somebody sets this flag.
    #[must_use]
    pub fn cancel(mut self, flag: &'a AtomicBool) -> Self {
        self.cancel = Some(flag);
        self
    }

    /// Calls `report` about every `interval`, on the thread that called [`run`](Self::run).
    #[must_use]
    pub fn progress(mut self, interval: Duration, report: impl FnMut(&Progress) + 'a) -> Self {
        self.progress = Some((interval, Box::new(report)));
        self
    }

    /// Searches.
    ///
    /// # Errors
    ///
    /// See [`Error`]. Reaching a limit is none.
    pub fn run(self) -> Result<OutcomeOf<S>, Error> {
        let properties = Properties::of(self.system)?;
        let eventually = properties.claims(self.system);
        let mut run = Running {
            goal: Goal::new(&self.stop_when, &properties)?,
            explored: Explored::new(self.system, properties),
            system: self.system,
            limits: self.limits,
            cancel: self.cancel,
            progress: self.progress,
            pool: pool(self.threads)?,
            started: Instant::now(),
            reported: Instant::now(),
            buffer_bytes: 0,
        };
        let chunks = match self.threads {
            1 => 1,
            threads => threads * CHUNKS_PER_THREAD,
        };
        run.explored.unfinished = run.levels(chunks)?.err();
        run.buffer_bytes = 0;
        run.explored.stats.elapsed = run.started.elapsed();
        let claims: Vec<_> = eventually.iter().chain(&self.claims).collect();
        let verdicts = run.decide(&claims, &self.groups)?;
        run.explored.stats.elapsed_claims = run.started.elapsed() - run.explored.stats.elapsed;
        run.explored.outcome(self.system, &claims, verdicts)
    }
}

fn pool(threads: usize) -> Result<Option<rayon::ThreadPool>, Error> {
    if threads == 1 {
        return Ok(None);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map(Some).map_err(|error| Error::Threads {
        threads,
        reason: error.to_string(),
    })
}

/// The model's properties, apart by kind.
pub(crate) struct Properties<M: Model> {
    pub(crate) all: Vec<Property<M>>,
    always: Vec<Property<M>>,
    sometimes: Vec<Property<M>>,
    deadlock: bool,
}

impl<M: Model> Properties<M> {
    fn of<S: System<Model = M>>(system: &S) -> Result<Self, Error> {
        let all = system.model().properties();
        let kind = |wanted: Expectation| -> Vec<_> {
            all.iter()
                .filter(|property| property.expectation == wanted)
                .cloned()
                .collect()
        };
        let always = kind(Expectation::Always);
        let sometimes = kind(Expectation::Sometimes);
        match always.len().max(sometimes.len()) {
            0..=64 => Ok(Self {
                all,
                always,
                sometimes,
                deadlock: system.knows_deadlock(),
            }),
            many => Err(Error::TooManyProperties(many)),
        }
    }

    /// The `eventually` properties.
    fn claims<'a, S: System<Model = M>>(&self, system: &'a S) -> Vec<Claim<'a, M::State>>
    where
        M: 'a,
    {
        let eventually = |property: &&Property<M>| property.expectation == Expectation::Eventually;
        self.all
            .iter()
            .filter(eventually)
            .map(|property| {
                let condition = property.condition;
                Claim::eventually(property.name, move |state| condition(system.model(), state))
            })
            .collect()
    }

    /// The names in the order of the outcome, each with the place of its first finding.
    fn names(&self) -> impl Iterator<Item = (&'static str, Expectation, Option<Place>)> {
        let mut seen = (0, 0);
        self.all
            .iter()
            .map(move |property| {
                let place = match property.expectation {
                    Expectation::Always => {
                        seen.0 += 1;
                        Some(Place::Always(seen.0 - 1))
                    }
                    Expectation::Sometimes => {
                        seen.1 += 1;
                        Some(Place::Sometimes(seen.1 - 1))
                    }
                    Expectation::Eventually => None,
                };
                (property.name, property.expectation.clone(), place)
            })
            .chain(
                self.deadlock
                    .then_some((DEADLOCK, Expectation::Always, Some(Place::Deadlock))),
            )
    }
}

/// A property that a single state decides: which of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Always(u32),
    Sometimes(u32),
    Deadlock,
}

/// For each property the first state, if any, that decides it.
#[derive(Clone, Default)]
struct Found {
    always: u64,
    sometimes: u64,
    deadlock: bool,
    first: Vec<(Place, Index)>,
}

impl Found {
    fn note(&mut self, place: Place, index: Index) {
        if !self.has(place) {
            match place {
                Place::Always(i) => self.always |= 1 << i,
                Place::Sometimes(i) => self.sometimes |= 1 << i,
                Place::Deadlock => self.deadlock = true,
            }
            self.first.push((place, index));
        }
    }

    fn has(&self, place: Place) -> bool {
        match place {
            Place::Always(i) => self.always >> i & 1 == 1,
            Place::Sometimes(i) => self.sometimes >> i & 1 == 1,
            Place::Deadlock => self.deadlock,
        }
    }

    fn get(&self, place: Place) -> Option<Index> {
        self.first
            .iter()
            .find(|(at, _)| *at == place)
            .map(|(_, index)| *index)
    }
}

/// What [`StopWhen`] asks for.
enum Goal {
    None,
    All(Vec<Option<Place>>),
    Any(Vec<Option<Place>>),
}

impl Goal {
    fn new<M: Model>(stop_when: &StopWhen, properties: &Properties<M>) -> Result<Self, Error> {
        let places = |names: &[String]| {
            names
                .iter()
                .map(|name| {
                    properties
                        .names()
                        .find(|(known, _, _)| known == name)
                        .map(|(_, _, place)| place)
                        .ok_or_else(|| Error::UnknownProperty {
                            name: name.clone(),
                            known: properties
                                .names()
                                .map(|(known, _, _)| known.to_owned())
                                .collect(),
                        })
                })
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match stop_when {
            StopWhen::Exhausted => Self::None,
            StopWhen::AllFound(names) => Self::All(places(names)?),
            StopWhen::AnyFound(names) => Self::Any(places(names)?),
        })
    }

    fn reached(&self, found: &Found) -> bool {
        let has = |place: &Option<Place>| place.is_some_and(|place| found.has(place));
        match self {
            Self::None => false,
            Self::All(places) => places.iter().all(has),
            Self::Any(places) => places.iter().any(has),
        }
    }
}

/// Everything a search leaves behind.
pub(crate) struct Explored<S: System> {
    pub(crate) properties: Properties<S::Model>,
    pub(crate) store: S::Store,
    pub(crate) table: Table,
    parents: Blocks<Index>,
    found: Found,
    pub(crate) coverage: S::Coverage,
    pub(crate) stats: Stats,
    pub(crate) unfinished: Option<Unfinished>,
}

impl<S: System> Explored<S> {
    fn new(system: &S, properties: Properties<S::Model>) -> Self {
        Self {
            properties,
            store: system.new_store(),
            table: Table::with_capacity(1000),
            parents: Blocks::new(1),
            found: Found::default(),
            coverage: S::Coverage::default(),
            stats: Stats::default(),
            unfinished: None,
        }
    }

    /// Memory for everything stored, less the table.
    fn bytes_without_table(&self) -> usize {
        self.store.bytes() + self.parents.bytes()
    }

    /// The numbers of the states on the way from an initial state to this one.
    pub(crate) fn way_to(&self, index: Index) -> Vec<Index> {
        let mut way = vec![index];
        let mut at = index;
        loop {
            at = self.parents.get(at as usize)[0];
            if at == NOBODY {
                way.reverse();
                return way;
            }
            way.push(at);
        }
    }

    /// What to report, given the verdicts on `claims`, of which the first are the `eventually`
    /// properties.
    fn outcome(
        self,
        system: &S,
        claims: &[&Claim<'_, StateOf<S>>],
        verdicts: Vec<VerdictOf<S>>,
    ) -> Result<OutcomeOf<S>, Error> {
        let mut claimed = claims.iter().zip(verdicts);
        let mut properties = Vec::new();
        for (name, expectation, place) in self.properties.names() {
            let verdict = match place {
                Some(place) => self.verdict(system, name, &expectation, place)?,
                None => claimed.next().expect("each has a verdict").1,
            };
            properties.push(Judged {
                name,
                expectation,
                verdict,
            });
        }
        properties.extend(claimed.map(|(claim, verdict)| Judged {
            name: claim.name,
            expectation: Expectation::Eventually,
            verdict,
        }));
        Ok(Outcome {
            properties,
            stats: self.stats,
            coverage: self.coverage,
            unfinished: self.unfinished,
        })
    }

    fn verdict(
        &self,
        system: &S,
        name: &'static str,
        expectation: &Expectation,
        place: Place,
    ) -> Result<VerdictOf<S>, Error> {
        if let Some(index) = self.found.get(place) {
            let run = self.replay_finding(system, name, place, index)?;
            return Ok(match expectation {
                Expectation::Sometimes => Verdict::Found(run),
                _ => Verdict::Violated(run),
            });
        }
        Ok(match (self.unfinished, expectation) {
            (Some(why), _) => Verdict::Unknown(why),
            (None, Expectation::Sometimes) => Verdict::Nowhere,
            (None, _) => Verdict::Holds,
        })
    }

    /// Rebuilds the run to a state and asks the model again whether that state decides the property.
    fn replay_finding(
        &self,
        system: &S,
        name: &'static str,
        place: Place,
        index: Index,
    ) -> Result<Run<S>, Error> {
        let run = replay(system, &self.store, &self.way_to(index), name)?;
        let last = run.last();
        let decided = match place {
            Place::Always(i) => system.violated(last, &self.properties.always) >> i & 1 == 1,
            Place::Sometimes(i) => system.reached(last, &self.properties.sometimes) >> i & 1 == 1,
            Place::Deadlock => {
                system.deadlocked(last) == Some(true) && system.steps(last).is_empty()
            }
        };
        match decided {
            true => Ok(run),
            false => Err(Error::Replay {
                property: name,
                step: run.len(),
            }),
        }
    }
}

/// What is kept of a successor beside its encoding.
#[derive(Clone, Copy)]
struct Candidate {
    hash: u32,
    /// The state it comes from.
    parent: Index,
}

/// A stretch of a level: what its expansion gave.
struct Chunk<S: System> {
    range: Range<Index>,
    batch: BatchOf<S>,
    candidates: Vec<Candidate>,
    /// The candidates not known to be old, in order.
    fresh: Vec<u32>,
    /// By hash, a candidate of this chunk that may be equal to the next.
    recent: Box<[u32; RECENT]>,
    found: Found,
    coverage: S::Coverage,
    tally: Tally,
}

/// What is counted while states are expanded.
#[derive(Default)]
struct Tally {
    edges: u64,
    outside: u64,
    terminal: usize,
    finished: usize,
    stopped: usize,
}

impl<S: System> Default for Chunk<S> {
    fn default() -> Self {
        Self {
            range: 0..0,
            batch: BatchOf::<S>::default(),
            candidates: Vec::new(),
            fresh: Vec::new(),
            recent: Box::new([0; RECENT]),
            found: Found::default(),
            coverage: S::Coverage::default(),
            tally: Tally::default(),
        }
    }
}

impl<S: System> Chunk<S> {
    fn restart(&mut self, range: Range<Index>) {
        S::Store::clear(&mut self.batch);
        self.candidates.clear();
        self.fresh.clear();
        self.range = range;
        self.found = Found::default();
        self.coverage = S::Coverage::default();
        self.tally = Tally::default();
    }

    fn bytes(&self) -> usize {
        S::Store::batch_bytes(&self.batch)
            + self.candidates.capacity() * size_of::<Candidate>()
            + (self.fresh.capacity() + RECENT) * size_of::<u32>()
    }

    /// Evaluates the properties in every state of the range.
    fn look(&mut self, system: &S, explored: &Explored<S>) {
        for index in self.range.clone() {
            system.with_state(&explored.store, index, |state| {
                self.judge(system, explored, index, state);
            });
        }
    }

    /// Evaluates the properties in every state of the range, and collects all successors.
    fn expand(&mut self, system: &S, explored: &Explored<S>) {
        for index in self.range.clone() {
            system.with_state(&explored.store, index, |state| {
                self.judge(system, explored, index, state);
                if system.stop_at(state) {
                    self.tally.stopped += 1;
                } else if !self.collect(system, explored, index, state) {
                    self.tally.terminal += 1;
                    match system.deadlocked(state) {
                        Some(true) => self.found.note(Place::Deadlock, index),
                        Some(false) => self.tally.finished += 1,
                        None => {}
                    }
                }
            });
        }
    }

    #[inline]
    fn judge(&mut self, system: &S, explored: &Explored<S>, index: Index, state: &StateOf<S>) {
        let Properties {
            always, sometimes, ..
        } = &explored.properties;
        let known = &explored.found;
        let violated = system.violated(state, always) & !(self.found.always | known.always);
        let reached = system.reached(state, sometimes) & !(self.found.sometimes | known.sometimes);
        for i in ones(violated) {
            self.found.note(Place::Always(i), index);
        }
        for i in ones(reached) {
            self.found.note(Place::Sometimes(i), index);
        }
    }

    /// Adds the successors of a state to the candidates; false if it has none.
    ///
    /// Steps that change nothing, and those to a state that a step of the same chunk led to not
    /// long before, are not looked up: where independent steps commute there are many.
    #[inline]
    fn collect(
        &mut self,
        system: &S,
        explored: &Explored<S>,
        index: Index,
        state: &StateOf<S>,
    ) -> bool {
        let Self {
            batch,
            candidates,
            fresh,
            recent,
            coverage,
            ..
        } = self;
        let model = system.model();
        let store = &explored.store;
        let own_hash = store.hash(index);
        let before = candidates.len();
        let mut outside = 0;
        system.expand(state, coverage, Clone::clone, &mut |action, next| {
            if !model.within_boundary(&next) {
                outside += 1;
                return;
            }
            let at = candidates.len();
            let hash = system.encode_next(batch, store, index, state, &action, next);
            let twin = &mut recent[hash as usize % RECENT];
            let known = hash == own_hash && store.equals(index, batch, at)
                || candidates
                    .get(*twin as usize)
                    .is_some_and(|candidate| candidate.hash == hash)
                    && store.same(batch, *twin as usize, at);
            candidates.push(Candidate {
                hash,
                parent: index,
            });
            if !known {
                *twin = at as u32;
                fresh.push(at as u32);
            }
        });
        let edges = candidates.len() - before;
        self.tally.edges += edges as u64;
        self.tally.outside += outside;
        edges > 0 || outside > 0
    }

    /// Strikes out the candidates that are in the table already.
    fn strike_out_known(&mut self, explored: &Explored<S>) {
        let Explored { store, table, .. } = explored;
        let Self {
            batch,
            candidates,
            fresh,
            ..
        } = self;
        let mut kept = 0;
        let hash = |fresh: &[u32], i| {
            let at: Option<&u32> = fresh.get(i);
            at.map(|&at| candidates[at as usize].hash)
        };
        let mut ahead = Ahead::new(table, store, |i| hash(fresh, i));
        for i in 0..fresh.len() {
            let guess = ahead.guess(table, store, |i| hash(fresh, i), i);
            let at = fresh[i];
            let equal = |index| store.equals(index, batch, at as usize);
            if !guess.is_some_and(equal) && table.find(candidates[at as usize].hash, equal).is_err()
            {
                fresh[kept] = at;
                kept += 1;
            }
        }
        fresh.truncate(kept);
    }
}

/// The positions of the bits that are set.
fn ones(bits: u64) -> impl Iterator<Item = u32> {
    (0..64)
        .filter(move |i| bits >> i & 1 == 1)
        .take(bits.count_ones() as usize)
}

/// A search on its way.
struct Running<'a, S: System> {
    explored: Explored<S>,
    system: &'a S,
    limits: Limits,
    goal: Goal,
    cancel: Option<&'a AtomicBool>,
    progress: Option<(Duration, Report<'a>)>,
    pool: Option<rayon::ThreadPool>,
    started: Instant,
    reported: Instant,
    /// Memory for the chunks between two commits.
    buffer_bytes: usize,
}

/// Whether to go on.
type Flow = Result<(), Unfinished>;

impl<S: System> Running<'_, S> {
    /// The loop. The inner result tells why the search did not get to the end.
    fn levels(&mut self, chunks: usize) -> Result<Flow, Error> {
        let mut round: Vec<_> = (0..chunks).map(|_| Chunk::default()).collect();
        let mut flow = self.initial(&mut round[0]);
        if self.explored.store.is_empty() {
            return match flow {
                Ok(()) => Err(Error::NoInitialState),
                Err(why) => Ok(Err(why)),
            };
        }
        let mut level = 0..self.explored.store.len() as Index;
        while !level.is_empty() {
            let stats = &mut self.explored.stats;
            stats.depth = stats.levels.len();
            stats.levels.push(level.len());
            if flow.is_ok() && Some(stats.depth) == self.limits.depth {
                flow = Err(Unfinished::Depth);
            }
            let expanded = match flow {
                Ok(()) => self.level(level.clone(), &mut round),
                Err(why) => return Ok(Err(self.look_at_rest(level.start, why, &mut round[0]))),
            };
            let next = level.end..self.explored.store.len() as Index;
            if let Err((done, why)) = expanded {
                if done == level.end && next.is_empty() && why.is_wish() {
                    break;
                }
                if !next.is_empty() {
                    let stats = &mut self.explored.stats;
                    stats.depth = stats.levels.len();
                    stats.levels.push(next.len());
                }
                return Ok(Err(self.look_at_rest(done, why, &mut round[0])));
            }
            level = next;
            flow = Ok(());
        }
        Ok(Ok(()))
    }

    /// Stores the initial states.
    fn initial(&mut self, chunk: &mut Chunk<S>) -> Flow {
        let model = self.system.model();
        chunk.restart(0..0);
        for state in model.init_states() {
            if model.within_boundary(&state) {
                let hash = self
                    .system
                    .encode(&mut chunk.batch, std::borrow::Cow::Owned(state));
                chunk.fresh.push(chunk.candidates.len() as u32);
                chunk.candidates.push(Candidate {
                    hash,
                    parent: NOBODY,
                });
            }
        }
        self.commit(chunk)
    }

    /// Expands a level. If it is not to the end: from which state on it did not, and why.
    fn level(
        &mut self,
        level: Range<Index>,
        round: &mut [Chunk<S>],
    ) -> Result<(), (Index, Unfinished)> {
        let mut next = level.start;
        while next < level.end {
            let mut count = 0;
            while count < round.len() && next < level.end {
                let end = (next as usize + CHUNK).min(level.end as usize) as Index;
                round[count].restart(next..end);
                next = end;
                count += 1;
            }
            self.expand_round(&mut round[..count]);
            self.buffer_bytes = round.iter().map(Chunk::bytes).sum();
            for chunk in &mut round[..count] {
                self.absorb(chunk).map_err(|why| (chunk.range.end, why))?;
            }
            self.pause(next).map_err(|why| (next, why))?;
        }
        Ok(())
    }

    fn expand_round(&self, round: &mut [Chunk<S>]) {
        let Self {
            explored, system, ..
        } = self;
        match (round, &self.pool) {
            (chunks @ [_, _, ..], Some(pool)) => pool.install(|| {
                chunks.par_iter_mut().with_max_len(1).for_each(|chunk| {
                    chunk.expand(*system, explored);
                    chunk.strike_out_known(explored);
                });
            }),
            (chunks, _) => chunks
                .iter_mut()
                .for_each(|chunk| chunk.expand(*system, explored)),
        }
    }

    /// Takes over what a chunk's expansion gave.
    fn absorb(&mut self, chunk: &mut Chunk<S>) -> Flow {
        let flow = self.commit(chunk);
        let explored = &mut self.explored;
        explored.stats.edges += chunk.tally.edges;
        explored.stats.outside += chunk.tally.outside;
        explored.stats.terminal += chunk.tally.terminal;
        explored.stats.finished += chunk.tally.finished;
        explored.stats.stopped += chunk.tally.stopped;
        explored.coverage.merge(&chunk.coverage);
        for &(place, index) in &chunk.found.first {
            explored.found.note(place, index);
        }
        flow?;
        match self.goal.reached(&self.explored.found) {
            true => Err(Unfinished::Stopped),
            false => Ok(()),
        }
    }

    /// Stores the candidates that are new, and keeps the accounts.
    fn commit(&mut self, chunk: &mut Chunk<S>) -> Flow {
        let flow = self.store_fresh(chunk);
        self.explored.stats.states = self.explored.store.len();
        let bytes = self.bytes();
        let peak = &mut self.explored.stats.peak_bytes;
        *peak = (*peak).max(bytes);
        flow?;
        match self.limits.memory_bytes {
            Some(limit) if bytes > limit => Err(Unfinished::Memory),
            _ => Ok(()),
        }
    }

    fn store_fresh(&mut self, chunk: &mut Chunk<S>) -> Flow {
        let Chunk {
            batch,
            candidates,
            fresh,
            ..
        } = chunk;
        let Explored { store, table, .. } = &self.explored;
        let hash_at = |i| {
            let at: Option<&u32> = fresh.get(i);
            at.map(|&at| candidates[at as usize].hash)
        };
        let mut ahead = Ahead::new(table, store, hash_at);
        for (i, &at) in fresh.iter().enumerate() {
            let at = at as usize;
            let Explored { store, table, .. } = &self.explored;
            let guess = ahead.guess(table, store, hash_at, i);
            let equal = |index| store.equals(index, batch, at);
            if guess.is_some_and(equal) {
                continue;
            }
            let Candidate { hash, parent } = candidates[at];
            let Err(mut vacant) = table.find(hash, equal) else {
                continue;
            };
            if Some(store.len()) == self.limits.states {
                return Err(Unfinished::States);
            }
            if store.len() == table.capacity() {
                self.grow()?;
                vacant = self.explored.table.vacant(hash);
            }
            let Explored {
                store,
                table,
                parents,
                ..
            } = &mut self.explored;
            table.insert(vacant, hash, store.len() as Index);
            store.append(batch, at);
            parents.push(parent);
        }
        Ok(())
    }

    /// Makes room in the table, as far as the limit on memory permits.
    fn grow(&mut self) -> Flow {
        let states = self.explored.store.len();
        if states == MAX_STATES {
            return Err(Unfinished::Numbers);
        }
        let free = self.limits.memory_bytes.map_or(usize::MAX, |limit| {
            limit.saturating_sub(self.explored.bytes_without_table() + self.buffer_bytes)
        });
        // As much again while that is cheap, then a half more; close to the limit on memory, a little.
        let more = if states < 1 << 22 { states } else { states / 2 };
        let wanted = [more, states / 8, states / 32]
            .map(|more| (states + more + 1).min(MAX_STATES))
            .into_iter()
            .find(|&wanted| Table::bytes_for(wanted) <= free)
            .ok_or(Unfinished::Memory)?;
        self.explored.table.grow(wanted, &self.explored.store);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.explored.bytes_without_table() + self.explored.table.bytes() + self.buffer_bytes
    }

    /// Looks up from the work: reports, and asks whether to go on.
    fn pause(&mut self, next: Index) -> Flow {
        if let Some((interval, report)) = &mut self.progress
            && self.reported.elapsed() >= *interval
        {
            let stats = &self.explored.stats;
            let progress = Progress {
                states: stats.states,
                edges: stats.edges,
                depth: stats.depth,
                queue: stats.states - next as usize,
                bytes: stats.peak_bytes,
                elapsed: self.started.elapsed(),
            };
            report(&progress);
            self.reported = Instant::now();
        }
        self.may_go_on()
    }

    fn may_go_on(&self) -> Flow {
        if self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Unfinished::Cancelled);
        }
        match self.limits.time {
            Some(limit) if self.started.elapsed() >= limit => Err(Unfinished::Time),
            _ => Ok(()),
        }
    }

    /// The verdicts on claims, which need all transitions.
    fn decide(
        &mut self,
        claims: &[&Claim<'_, StateOf<S>>],
        groups: &Groups<'_, S>,
    ) -> Result<Vec<VerdictOf<S>>, Error> {
        let unknown = |why| Ok(claims.iter().map(|_| Verdict::Unknown(why)).collect());
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(why) = self.explored.unfinished {
            return unknown(why);
        }
        let mut peak = self.bytes() + Graph::work_bytes(self.explored.store.len());
        let stored = peak;
        let graph = Graph::build(
            self.system,
            &self.explored,
            groups,
            self.pool.as_ref(),
            |bytes| {
                peak = peak.max(stored + bytes);
                match self.limits.memory_bytes {
                    Some(limit) if stored + bytes > limit => Err(Unfinished::Memory),
                    _ => self.may_go_on(),
                }
            },
        )?;
        let graph = match graph {
            Ok(graph) => graph,
            Err(why) => return unknown(why),
        };
        self.explored.stats.peak_bytes = self.explored.stats.peak_bytes.max(peak);
        let judge = Judge {
            system: self.system,
            explored: &self.explored,
            graph: &graph,
            groups,
        };
        let decide = |claim: &&Claim<'_, _>| match self.may_go_on() {
            Ok(()) => judge.decide(claim),
            Err(why) => Ok(Verdict::Unknown(why)),
        };
        claims.iter().map(decide).collect()
    }

    /// After a limit on size: evaluates the properties in the states that are stored but will not
    /// be expanded, so that no violation in a stored state goes unreported.
    fn look_at_rest(&mut self, first: Index, why: Unfinished, chunk: &mut Chunk<S>) -> Unfinished {
        if why.is_wish() {
            return why;
        }
        chunk.restart(first..self.explored.store.len() as Index);
        chunk.look(self.system, &self.explored);
        for &(place, index) in &chunk.found.first {
            self.explored.found.note(place, index);
        }
        why
    }
}
