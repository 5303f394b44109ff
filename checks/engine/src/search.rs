//! The search loop: exact, breadth-first, level by level.
//!
//! States are numbered in the order in which a plain sequential breadth-first search would find
//! them: by level, then by the predecessor's number, then by the order of the predecessor's steps.
//! A state's predecessor is the one that found it in this order. All of this is so for any number of
//! threads, because the parallel part never decides anything: a level is cut into chunks, which are
//! committed one by one in order. Before, threads expand them, and either strike out the successors
//! that the table, which nobody changes meanwhile, already knows, or work on copies of the states
//! while one thread commits the chunks before; see [`crate::pace`] for which of these it is.
//!
//! A property is evaluated once per state, when the state's turn to be expanded has come. As levels
//! come in order, the first violation seen is a shortest one, for each property on its own.
//!
//! The cost of such a search is the memory's latency: one random access to the table per transition
//! and a second one to the store if the state is known. Both are requested well before they are
//! needed, see [`crate::ahead`].
//!
//! If anything is claimed about runs, all transitions are stored afterwards, see [`crate::graph`].

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::Model;

use crate::checkpoint::{Checkpoint, Keeper, Persist, Position};
use crate::chunk::{Chunk, parents};
use crate::claim::Claim;
use crate::crew::{helpers, share_out, share_out_beside};
use crate::estimate;
use crate::explored::{Explored, Goal, Properties};
use crate::graph::Graph;
use crate::heap::Heap;
use crate::lasso::Judge;
use crate::outcome::{Error, Outcome, Unfinished, Verdict};
use crate::pace::{Pace, Way};
use crate::recent::Recent;
use crate::store::{Index, Store};
use crate::system::{ActionOf, StateOf, System};
use crate::watch::Watch;

/// States expanded at a time by one thread.
const CHUNK: usize = 256;

/// Chunks per thread between two commits.
const CHUNKS_PER_THREAD: usize = 8;

/// When to give up. A search that gave up claims nothing about states it did not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most states to store. Reached when one more would have to be.
    pub states: Option<usize>,
    /// The most memory to use for states, table and buffers, and for transitions if there are claims,
    /// in bytes. It is not exceeded by more than what a few thousand states need.
    pub memory_bytes: Option<usize>,
    /// The most time to take. Looked at every few thousand states, while claims are decided, too.
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
    /// Time since the start, with that before the checkpoint it goes on from.
    pub elapsed: Duration,
    /// How many states are left to be found, at least and at most, by the trend of the levels so
    /// far; `None` while there is no telling. No bound: a level may grow again.
    pub left: Option<RangeInclusive<usize>>,
}

/// What a search of a system gives.
pub type OutcomeOf<S> = Outcome<StateOf<S>, ActionOf<S>, <S as System>::Coverage>;

/// What is known of a property of a system.
pub(crate) type VerdictOf<S> = Verdict<StateOf<S>, ActionOf<S>>;

/// What group an action is in, if any, as [`Search::groups`] has it. Without such a function all actions
/// are the environment's.
pub type Groups<'a, S> = Option<Box<dyn Fn(&ActionOf<S>) -> Option<usize> + Sync + 'a>>;

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
    keeper: Option<Keeper<'a, S>>,
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
            keeper: None,
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
    /// the search, at 5 bytes each, and some 20 bytes a state are needed besides. On a model that
    /// packs symmetrical states alike only [`Claim::can_reach`] can be decided, see
    /// [`PackedModel::symmetric`](crate::PackedModel::symmetric).
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

    /// Saves the search now and then, or goes on from where a saved one was. The result is the one
    /// that a search without interruption would have had; [`Limits`] are this search's own, and
    /// [`Limits::time`] counts from its start.
    ///
    /// That the file cannot be written is an error at the start; later on, the search goes on and
    /// [`Outcome::unsaved`] tells.
    #[must_use]
    pub fn checkpoint(mut self, checkpoint: Checkpoint<'a>) -> Self
    where
        S: System<Store: Persist, Coverage: Serialize + DeserializeOwned>,
    {
        self.keeper = Some(Keeper::new(checkpoint));
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
        let claims: Vec<_> = eventually.iter().chain(&self.claims).collect();
        claims
            .iter()
            .try_for_each(|claim| claim.can_be_decided(self.system))?;
        let mut run = Running {
            goal: Goal::new(&self.stop_when, &properties)?,
            explored: Explored::new(self.system, properties),
            system: self.system,
            limits: self.limits,
            cancel: self.cancel,
            progress: self.progress,
            helpers: helpers(self.threads)?,
            recent: (0..self.threads).map(|_| Recent::default()).collect(),
            pace: Pace::new(ways::<S>(self.threads)),
            started: Instant::now(),
            before: Duration::ZERO,
            reported: Instant::now(),
            buffer_bytes: 0,
            heap: Heap::of::<StateOf<S>>(),
            keeper: self.keeper,
            unsaved: None,
        };
        let chunks = match self.threads {
            1 => 1,
            threads => threads * CHUNKS_PER_THREAD,
        };
        let resumed = run.begin()?;
        run.explored.unfinished = run.levels(chunks, resumed)?.err();
        run.buffer_bytes = 0;
        let searched = run.started.elapsed();
        run.explored.stats.elapsed = run.before + searched;
        run.save_at_end(!claims.is_empty());
        let verdicts = run.decide(&claims, &self.groups)?;
        run.explored.stats.elapsed_claims = run.started.elapsed() - searched;
        let mut outcome = run.explored.outcome(self.system, &claims, verdicts)?;
        outcome.unsaved = run.unsaved;
        Ok(outcome)
    }
}

/// How rounds can go.
fn ways<S: System>(threads: usize) -> &'static [Way] {
    match (threads, S::Store::COPIES) {
        (0 | 1, _) => &[Way::Alone],
        // With two there is nobody to look up for all who expand.
        (2, true) => &[Way::Overlapped, Way::Alone],
        (_, true) => &[Way::Overlapped, Way::Together, Way::Alone],
        (_, false) => &[Way::Together, Way::Alone],
    }
}

/// A search on its way.
struct Running<'a, S: System> {
    explored: Explored<S>,
    system: &'a S,
    limits: Limits,
    goal: Goal,
    cancel: Option<&'a AtomicBool>,
    progress: Option<(Duration, Report<'a>)>,
    helpers: Option<rayon::ThreadPool>,
    /// What each thread met lately.
    recent: Vec<Recent>,
    pace: Pace,
    started: Instant,
    /// Time spent before the checkpoint that the search goes on from.
    before: Duration,
    reported: Instant,
    /// Memory for the chunks between two commits.
    buffer_bytes: usize,
    heap: Option<Heap>,
    keeper: Option<Keeper<'a, S>>,
    unsaved: Option<Error>,
}

/// Gives chunks the states from a number on to expand, as long as there are any.
fn restart<S: System>(chunks: &mut [Chunk<S>], states: Range<Index>) {
    let mut next = states.start;
    for chunk in chunks {
        let end = (next as usize + CHUNK).min(states.end as usize) as Index;
        chunk.restart(next..end);
        next = end;
    }
}

/// Whether to go on.
type Flow = Result<(), Unfinished>;

impl<S: System> Running<'_, S> {
    /// Where to go on, if this search goes on from a checkpoint.
    fn begin(&mut self) -> Result<Option<Position>, Error> {
        let Some(keeper) = &mut self.keeper else {
            return Ok(None);
        };
        let position = keeper.begin(self.system, &mut self.explored)?;
        self.before = self.explored.stats.elapsed;
        Ok(position)
    }

    /// The loop. The inner result tells why the search did not get to the end.
    fn levels(&mut self, chunks: usize, resumed: Option<Position>) -> Result<Flow, Error> {
        let mut round: Vec<_> = (0..chunks).map(|_| Chunk::default()).collect();
        let mut other = Vec::new();
        let mut flow = Ok(());
        let mut at = match resumed {
            Some(position) => position,
            None => {
                flow = self.initial(&mut round[0]);
                match (self.explored.store.len(), flow) {
                    (0, Ok(())) => return Err(Error::NoInitialState),
                    (0, Err(why)) => return Ok(Err(why)),
                    (states, _) => self.enter(0..states as Index),
                }
            }
        };
        while !at.level.is_empty() {
            if flow.is_ok() {
                self.mark(&at);
                let depth = self.explored.stats.depth;
                if self.limits.depth.is_some_and(|limit| depth >= limit) {
                    flow = Err(Unfinished::Depth);
                }
            }
            let expanded = match flow {
                Ok(()) => self.level(&mut at, &mut round, &mut other),
                Err(why) => return Ok(Err(self.look_at_rest(at.next, why, &mut round[0]))),
            };
            let next = at.level.end..self.explored.store.len() as Index;
            if let Err((done, why)) = expanded {
                if done == at.level.end && next.is_empty() && why.is_wish() {
                    break;
                }
                if !next.is_empty() {
                    self.enter(next);
                }
                return Ok(Err(self.look_at_rest(done, why, &mut round[0])));
            }
            match next.is_empty() {
                true => break,
                false => at = self.enter(next),
            }
        }
        Ok(Ok(()))
    }

    /// Turns to the states of the next distance.
    fn enter(&mut self, level: Range<Index>) -> Position {
        let stats = &mut self.explored.stats;
        stats.depth = stats.levels.len();
        stats.levels.push(level.len());
        Position {
            next: level.start,
            level,
        }
    }

    /// Takes note of where the search is, if it is to be saved some time.
    fn mark(&mut self, at: &Position) {
        self.explored.stats.elapsed = self.before + self.started.elapsed();
        if let Some(keeper) = &mut self.keeper {
            keeper.mark(&self.explored, at);
        }
    }

    fn save(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            self.unsaved = keeper.save(&self.explored).err();
        }
    }

    /// Saves a search that gave up, so that it can be gone on with, and one that is going to be long
    /// about something else.
    fn save_at_end(&mut self, claims: bool) {
        match self.explored.unfinished {
            Some(Unfinished::Stopped) => {}
            Some(_) => self.save(),
            None if claims => {
                let end = self.explored.store.len() as Index;
                self.mark(&Position {
                    level: end..end,
                    next: end,
                });
                self.save();
            }
            None => {}
        }
    }

    /// Stores the initial states.
    fn initial(&mut self, chunk: &mut Chunk<S>) -> Flow {
        let model = self.system.model();
        chunk.restart(0..0);
        for state in model.init_states() {
            if model.within_boundary(&state) {
                let state = std::borrow::Cow::Owned(state);
                let store = &self.explored.store;
                let hash = self.system.encode(&mut chunk.batch, store, state);
                chunk.add(hash, true);
            }
        }
        self.commit(chunk)
    }

    /// Expands the rest of a level. If it is not to the end: from which state on it did not, and
    /// why. `other` are more chunks, for rounds that overlap; there need not be any yet.
    fn level(
        &mut self,
        at: &mut Position,
        round: &mut Vec<Chunk<S>>,
        other: &mut Vec<Chunk<S>>,
    ) -> Result<(), (Index, Unfinished)> {
        // Chunks of the round that are expanded and not taken over yet.
        let mut waiting = 0;
        while at.next < at.level.end {
            let first = round[..waiting]
                .last()
                .map_or(at.next, |last| last.range.end);
            let count = (at.level.end - first).div_ceil(CHUNK as Index) as usize;
            let whole = count >= round.len();
            let count = count.min(round.len());
            let way = match (whole, count) {
                (true, _) => self.pace.way(),
                (false, 0 | 1) => Way::Alone,
                (false, _) if S::Store::COPIES => Way::Overlapped,
                (false, _) => Way::Together,
            };
            let (started, edges) = (Instant::now(), self.explored.stats.edges);
            if way == Way::Overlapped {
                other.resize_with(round.len(), Chunk::default);
                restart(&mut other[..count], first..at.level.end);
                self.round_overlapped(&mut round[..waiting], &mut other[..count])
            } else if waiting > 0 {
                (0..waiting).try_for_each(|i| self.absorb(&mut round[i]).map_err(|why| (i, why)))
            } else {
                restart(&mut round[..count], first..at.level.end);
                match way {
                    Way::Together => self.round_together(round, count),
                    _ => self.round_alone(round, count),
                }
            }
            .map_err(|(chunk, why)| (round[chunk].range.end, why))?;
            let overlapped = way == Way::Overlapped;
            if whole && overlapped == (waiting > 0) {
                let edges = self.explored.stats.edges - edges;
                self.pace.took(way, started.elapsed(), edges);
            }
            let done = match (overlapped, waiting) {
                (true, 0) => at.next,
                (true, _) | (false, 1..) => round[waiting - 1].range.end,
                (false, 0) => round[count - 1].range.end,
            };
            waiting = match overlapped {
                true => count,
                false => 0,
            };
            if overlapped {
                std::mem::swap(round, other);
            }
            at.next = done;
            self.explored.store.forget(done);
            self.pause(at).map_err(|why| (done, why))?;
        }
        Ok(())
    }

    /// Takes over what one round's chunks gave, while the next one's are expanded. If it did not get to
    /// the end: which is the last it took over, and why.
    fn round_overlapped(
        &mut self,
        before: &mut [Chunk<S>],
        round: &mut [Chunk<S>],
    ) -> Result<(), (usize, Unfinished)> {
        for chunk in &mut *round {
            chunk.copy(self.system, &self.explored.store);
        }
        let chunks = before.iter().chain(&*round).map(Chunk::bytes);
        self.buffer_bytes = chunks.chain(self.recent.iter().map(Recent::bytes)).sum();
        let properties = Arc::clone(&self.explored.properties);
        let (always, sometimes) = (self.explored.found.always, self.explored.found.sometimes);
        let (system, helpers) = (self.system, self.helpers.take());
        let mut recent = std::mem::take(&mut self.recent);
        let done = share_out_beside(
            helpers.as_ref().expect("somebody helps"),
            &mut recent,
            round,
            |recent, chunk: &mut Chunk<S>| {
                chunk.expand_copied(system, (&properties, always, sometimes), recent);
            },
            || {
                let mut before = before.iter_mut().enumerate();
                before.try_for_each(|(i, chunk)| self.absorb(chunk).map_err(|why| (i, why)))
            },
        );
        self.helpers = helpers;
        self.recent = recent;
        done
    }

    /// Expands chunks on all threads, and then takes over what they gave. If it did not get to the end:
    /// which is the last it took over, and why.
    fn round_together(
        &mut self,
        round: &mut [Chunk<S>],
        count: usize,
    ) -> Result<(), (usize, Unfinished)> {
        let Self {
            explored,
            system,
            helpers,
            recent,
            ..
        } = self;
        share_out(
            helpers.as_ref(),
            recent,
            &mut round[..count],
            |recent, chunk| {
                chunk.expand(*system, &explored.known(), recent);
                chunk.strike_out_known(explored);
            },
        );
        self.count_buffers(round);
        (0..count).try_for_each(|i| self.absorb(&mut round[i]).map_err(|why| (i, why)))
    }

    /// The same, on this thread alone: each chunk is taken over at once.
    fn round_alone(
        &mut self,
        round: &mut [Chunk<S>],
        count: usize,
    ) -> Result<(), (usize, Unfinished)> {
        (0..count).try_for_each(|i| {
            round[i].expand(self.system, &self.explored.known(), &mut self.recent[0]);
            self.count_buffers(round);
            self.absorb(&mut round[i]).map_err(|why| (i, why))
        })
    }

    fn count_buffers(&mut self, round: &[Chunk<S>]) {
        let recent = self.recent.iter().map(Recent::bytes);
        self.buffer_bytes = round.iter().map(Chunk::bytes).chain(recent).sum();
    }

    /// Takes over what a chunk's expansion gave.
    fn absorb(&mut self, chunk: &mut Chunk<S>) -> Flow {
        let flow = self.commit(chunk);
        self.explored.absorb(chunk);
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
        let Limits {
            states,
            memory_bytes,
            ..
        } = self.limits;
        let buffer_bytes = self.buffer_bytes + self.system.bytes();
        let parent = parents(chunk.range.start, &chunk.ends);
        self.explored
            .store_fresh(&mut chunk.batch, &chunk.fresh, parent, |explored| {
                let stored = explored.store.len();
                if states.is_some_and(|limit| stored >= limit) {
                    return Err(Unfinished::States);
                }
                explored.make_room(memory_bytes, buffer_bytes)
            })
    }

    fn bytes(&self) -> usize {
        let counted = self.explored.bytes_without_table()
            + self.explored.table.bytes()
            + self.buffer_bytes
            + self.system.bytes();
        self.heap
            .as_ref()
            .map_or(counted, |heap| counted.max(heap.grown()))
    }

    /// Looks up from the work: reports, saves, and asks whether to go on.
    fn pause(&mut self, at: &Position) -> Flow {
        self.mark(at);
        if self.keeper.as_ref().is_some_and(Keeper::is_due) {
            self.save();
        }
        if let Some((interval, report)) = &mut self.progress
            && self.reported.elapsed() >= *interval
        {
            let stats = &self.explored.stats;
            let progress = Progress {
                states: stats.states,
                edges: stats.edges,
                depth: stats.depth,
                queue: stats.states - at.next as usize,
                bytes: stats.peak_bytes,
                elapsed: stats.elapsed,
                left: estimate::left(&stats.levels, stats.states),
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
            self.helpers.as_ref(),
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
        let may_go_on = || self.may_go_on();
        let judge = Judge {
            system: self.system,
            explored: &self.explored,
            graph: &graph,
            groups,
            watch: Watch::new(&may_go_on),
        };
        claims.iter().map(|claim| judge.decide(claim)).collect()
    }

    /// After a limit on size: evaluates the properties in the states that are stored but will not
    /// be expanded, so that no violation in a stored state goes unreported.
    fn look_at_rest(&mut self, first: Index, why: Unfinished, chunk: &mut Chunk<S>) -> Unfinished {
        if why.is_wish() {
            return why;
        }
        chunk.restart(first..self.explored.store.len() as Index);
        chunk.look(self.system, &self.explored.known());
        for &(place, index) in &chunk.found.first {
            self.explored.found.note(place, index);
        }
        why
    }
}
