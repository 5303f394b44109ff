//! The part of a search that one worker of several has: the states it owns, and what it does with
//! them. How workers come by each other's states is not its business.
//!
//! A search that is shared goes level by level. Each worker expands the states of a level that it
//! owns, keeps the successors it owns and hands the others out in [parcels](ParcelOf), one for each
//! owner; once all have done so and all parcels have arrived, the next level is complete. Nothing
//! then depends on the number of workers but the order in which a worker numbers its states, and
//! nothing that is reported depends on that:
//!
//! * A state does not know who found it. A run to it is rebuilt afterwards, backwards and level by
//!   level, from what the workers answer when they are asked for
//!   [predecessors](Share::predecessor).
//! * Of several states that would do, the one with the least [route](Mobile::route) is taken.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Serialize};
use stateright::{Expectation, Model};

use crate::chunk::{Candidate, Chunk};
use crate::claim::Claim;
use crate::estimate;
use crate::explored::{Explored, Found, Goal, Links, NOBODY, Place, Properties, not_found};
use crate::heap::Heap;
use crate::mobile::{Mobile, owner};
use crate::outcome::{Error, Outcome, Stats, Unfinished, Verdict};
use crate::recent::Recent;
use crate::replay::{Run, replay};
use crate::search::{OutcomeOf, StopWhen, VerdictOf};
use crate::store::{Index, Store};
use crate::system::{BatchOf, StateOf, System};

pub use crate::search::Groups;
pub use crate::share_fair::{Member, Remainder, Round, Runs, eventually};
pub use crate::share_file::Mark;
pub use crate::share_graph::{StateSet, StepOut, StepTable, StepsAway};

/// The states of a system under way.
pub type ParcelOf<S> = <<S as System>::Store as Mobile>::Parcel;

/// A state and its [route](Mobile::route): the least one is chosen.
pub type Candidacy<S> = (u64, ParcelOf<S>);

/// Which properties were decided in some state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    always: u64,
    sometimes: u64,
    deadlock: bool,
}

impl Sight {
    /// What either saw.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            always: self.always | other.always,
            sometimes: self.sometimes | other.sometimes,
            deadlock: self.deadlock | other.deadlock,
        }
    }

    /// Whether nothing was seen.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// A property and the distance from the initial states of the nearest states that decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    pub(crate) place: Place,
    /// The distance, in steps.
    pub level: usize,
}

/// Who of how many a worker is, and what it may use.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The worker, from 0.
    pub worker: usize,
    /// How many workers there are, at least 1.
    pub workers: usize,
    /// How many of them are in this process, at least 1.
    pub neighbours: usize,
    /// The most memory for this share, in bytes.
    pub memory_bytes: Option<usize>,
}

/// A worker's part of a shared search.
pub struct Share<'a, S: System> {
    pub(crate) system: &'a S,
    pub(crate) part: Part,
    pub(crate) explored: Explored<S>,
    goal: Goal,
    chunk: Chunk<S>,
    recent: Recent,
    /// For each level the number of its first state; then that of the next one to be stored.
    pub(crate) starts: Vec<Index>,
    sightings: Vec<Sighting>,
    buffer_bytes: usize,
    heap: Option<Heap>,
}

impl<'a, S: System<Store: Mobile>> Share<'a, S> {
    /// A share with those of the initial states in it that the worker owns.
    ///
    /// # Errors
    ///
    /// Those of [`Search::run`](crate::Search::run) that are known before it starts.
    pub fn new(system: &'a S, part: Part, stop_when: &StopWhen) -> Result<Self, Error> {
        let properties = Properties::of(system)?;
        let goal = Goal::new(stop_when, &properties)?;
        let mut explored = Explored::new(system, properties);
        explored.links = Links::Dropped;
        let mut share = Self {
            system,
            part,
            explored,
            goal,
            chunk: Chunk::default(),
            recent: Recent::default(),
            starts: vec![0],
            sightings: Vec::new(),
            buffer_bytes: 0,
            heap: Heap::of::<StateOf<S>>(),
        };
        share.seed()?;
        Ok(share)
    }

    fn seed(&mut self) -> Result<(), Error> {
        let model = self.system.model();
        let mut any = false;
        self.chunk.restart(0..0);
        for state in model.init_states() {
            if model.within_boundary(&state) {
                any = true;
                let store = &self.explored.store;
                let batch = &mut self.chunk.batch;
                let hash = self.system.encode(batch, store, Cow::Owned(state));
                let route = store.route(batch, self.chunk.count as usize);
                let own = owner(route, self.part.workers) == self.part.worker;
                self.chunk.add(hash, own);
            }
        }
        // A limit on memory that is too small for the initial states is noticed soon enough.
        let _ = self.store_fresh();
        match any {
            true => Ok(()),
            false => Err(Error::NoInitialState),
        }
    }

    /// The system.
    pub fn system(&self) -> &'a S {
        self.system
    }

    /// States stored.
    pub fn states(&self) -> usize {
        self.explored.store.len()
    }

    /// Counts of this share alone; its levels are those closed so far.
    pub fn stats(&self) -> Stats {
        Stats {
            states: self.states(),
            levels: self
                .starts
                .windows(2)
                .map(|ends| (ends[1] - ends[0]) as usize)
                .collect(),
            ..self.explored.stats.clone()
        }
    }

    /// What the steps out of the states of this share recorded.
    pub fn coverage(&self) -> &S::Coverage {
        &self.explored.coverage
    }

    /// Memory in use, in bytes.
    pub fn bytes(&self) -> usize {
        let counted =
            self.explored.bytes_without_table() + self.explored.table.bytes() + self.buffer_bytes;
        self.heap.as_ref().map_or(counted, |heap| {
            counted.max(heap.grown() / self.part.neighbours)
        })
    }

    /// Ends a level: all of its states have arrived. Gives their numbers.
    pub fn close_level(&mut self) -> Range<u32> {
        let end = self.states() as Index;
        let start = *self.starts.last().expect("there is always a start");
        self.starts.push(end);
        start..end
    }

    /// The numbers of the states at this distance; of those beyond the last level closed, none.
    pub fn level(&self, level: usize) -> Range<u32> {
        match self.starts.get(level..level + 2) {
            Some(&[start, end]) => start..end,
            _ => 0..0,
        }
    }

    /// Evaluates the properties in some states of the level being expanded, keeps those of their
    /// successors that it owns, and adds the others to the parcels, of which there is one for each
    /// worker.
    ///
    /// # Errors
    ///
    /// Why not all successors could be kept.
    pub fn expand(
        &mut self,
        states: Range<u32>,
        parcels: &mut [ParcelOf<S>],
    ) -> Result<(), Unfinished> {
        let Self {
            system,
            explored,
            chunk,
            recent,
            part,
            ..
        } = self;
        chunk.restart(states);
        chunk.expand(*system, &explored.known(), recent);
        if part.workers > 1 {
            let Chunk { batch, fresh, .. } = chunk;
            let store = &explored.store;
            fresh.retain(|&Candidate { at, .. }| {
                let owner = owner(store.route(batch, at as usize), part.workers);
                let own = owner == part.worker;
                if !own {
                    store.load(batch, at as usize, &mut parcels[owner]);
                }
                own
            });
        }
        explored.absorb(chunk);
        self.store_fresh()
    }

    /// Keeps what is new of the states in a parcel, which the worker owns.
    ///
    /// # Errors
    ///
    /// Why not all could be kept.
    pub fn receive(&mut self, parcel: ParcelOf<S>) -> Result<(), Unfinished> {
        self.chunk.restart(0..0);
        let Chunk { batch, fresh, .. } = &mut self.chunk;
        self.explored.store.unload(parcel, batch, |hash| {
            let at = fresh.len() as u32;
            fresh.push(Candidate { hash, at });
        });
        self.store_fresh()
    }

    fn store_fresh(&mut self) -> Result<(), Unfinished> {
        let Chunk { batch, fresh, .. } = &mut self.chunk;
        let (limit, buffers) = (self.part.memory_bytes, self.buffer_bytes);
        let flow = self.explored.store_fresh(
            batch,
            fresh,
            |_| NOBODY,
            |explored| explored.make_room(limit, buffers),
        );
        self.buffer_bytes = self.chunk.bytes() + self.recent.bytes();
        let bytes = self.bytes();
        let peak = &mut self.explored.stats.peak_bytes;
        *peak = (*peak).max(bytes);
        flow?;
        match limit {
            Some(limit) if bytes > limit => Err(Unfinished::Memory),
            _ => Ok(()),
        }
    }

    /// Evaluates the properties in states that will not be expanded.
    pub fn look(&mut self, states: Range<u32>) {
        self.chunk.restart(states);
        self.chunk.look(self.system, &self.explored.known());
        self.explored.absorb(&self.chunk);
    }

    /// Which properties are known to be decided in some state, by this worker.
    pub fn sight(&self) -> Sight {
        let Found {
            always,
            sometimes,
            deadlock,
            ..
        } = self.explored.found;
        Sight {
            always,
            sometimes,
            deadlock,
        }
    }

    /// Takes note of what all workers together saw in the states at this distance.
    pub fn agree(&mut self, sight: Sight, level: usize) {
        let found = &mut self.explored.found;
        let mut note = |place| {
            let seen = match place {
                Place::Always(i) => sight.always >> i & 1 == 1,
                Place::Sometimes(i) => sight.sometimes >> i & 1 == 1,
                Place::Deadlock => sight.deadlock,
            };
            if seen && !self.sightings.iter().any(|known| known.place == place) {
                self.sightings.push(Sighting { place, level });
            }
        };
        for (_, _, place) in self.explored.properties.names() {
            place.into_iter().for_each(&mut note);
        }
        found.always |= sight.always;
        found.sometimes |= sight.sometimes;
        found.deadlock |= sight.deadlock;
    }

    pub(crate) fn restore(&mut self, sight: Sight, sightings: Vec<Sighting>) {
        self.sightings = sightings;
        let found = &mut self.explored.found;
        found.always = sight.always;
        found.sometimes = sight.sometimes;
        found.deadlock = sight.deadlock;
    }

    pub(crate) fn owns(&self, route: u64) -> bool {
        owner(route, self.part.workers) == self.part.worker
    }

    /// What all workers agreed to have seen, and where.
    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// Whether what [`StopWhen`] asks for is among what all workers agreed to have seen.
    pub fn goal_reached(&self) -> bool {
        self.goal.reached(&self.explored.found)
    }

    /// Of the states in the level of a sighting that decide its property, one that this worker has.
    pub fn witness(&self, sighting: &Sighting) -> Option<Candidacy<S>> {
        self.least(self.level(sighting.level), |state| {
            self.explored
                .properties
                .decided(self.system, sighting.place, state)
        })
    }

    /// Of the states at this distance that a step leads from to the state in the parcel, one that this
    /// worker has.
    pub fn predecessor(&self, target: &ParcelOf<S>, level: usize) -> Option<Candidacy<S>> {
        self.predecessor_among(target, self.level(level))
    }

    /// As [`predecessor`](Self::predecessor), among these states.
    pub fn predecessor_among(
        &self,
        target: &ParcelOf<S>,
        states: impl Iterator<Item = u32>,
    ) -> Option<Candidacy<S>> {
        let mut batch = BatchOf::<S>::default();
        self.least(states, |state| {
            !self.system.stop_at(state) && self.leads_to(state, target, &mut batch)
        })
    }

    pub(crate) fn leads_to(
        &self,
        state: &StateOf<S>,
        target: &ParcelOf<S>,
        batch: &mut BatchOf<S>,
    ) -> bool {
        let Self {
            system, explored, ..
        } = self;
        let store = &explored.store;
        let mut wanted = 0;
        S::Store::clear(batch);
        store.unload(target.clone(), batch, |hash| wanted = hash);
        let (mut next, mut found) = (1, false);
        let mut coverage = S::Coverage::default();
        system.expand(state, &mut coverage, |_| (), &mut |(), successor| {
            if !found && system.model().within_boundary(&successor) {
                let hash = system.encode(batch, store, successor);
                found = hash == wanted && store.same(batch, 0, next);
                next += 1;
            }
        });
        found
    }

    /// The state with the least route among those of these that pass a test.
    pub(crate) fn least(
        &self,
        states: impl Iterator<Item = Index>,
        mut test: impl FnMut(&StateOf<S>) -> bool,
    ) -> Option<Candidacy<S>> {
        let store = &self.explored.store;
        let mut batch = BatchOf::<S>::default();
        let mut least: Option<(u64, Index)> = None;
        for index in states {
            let route = self.system.with_state(store, index, |state| {
                test(state).then(|| {
                    S::Store::clear(&mut batch);
                    self.system.encode(&mut batch, store, Cow::Borrowed(state));
                    store.route(&batch, 0)
                })
            });
            if let Some(route) = route
                && least.is_none_or(|(best, _)| route < best)
            {
                least = Some((route, index));
            }
        }
        least.map(|(route, index)| (route, store.copy(index)))
    }

    /// Runs the model through these states, of which the first is an initial one.
    ///
    /// # Errors
    ///
    /// [`Error::Replay`] if it has no such run.
    pub(crate) fn replay(
        &self,
        states: &[ParcelOf<S>],
        property: &'static str,
    ) -> Result<Run<S>, Error> {
        let numbers: Vec<Index> = (0..states.len() as Index).collect();
        replay(self.system, &self.store_of(states), &numbers, property)
    }

    /// A store with these states, in order.
    pub(crate) fn store_of(&self, states: &[ParcelOf<S>]) -> S::Store {
        let mut store = self.system.new_store();
        let mut batch = BatchOf::<S>::default();
        for (at, state) in states.iter().enumerate() {
            store.unload(state.clone(), &mut batch, |_| ());
            store.append(&mut batch, at);
        }
        store
    }

    /// What to report, given the counts and coverage of all workers, a way to a state for each of the
    /// [`sightings`](Self::sightings), and the verdicts on the claims.
    ///
    /// # Errors
    ///
    /// That of running a way on the model.
    pub fn outcome(
        &self,
        all: Totals<S>,
        ways: &[Vec<ParcelOf<S>>],
        claims: &[&Claim<'_, StateOf<S>>],
        verdicts: Vec<VerdictOf<S>>,
    ) -> Result<OutcomeOf<S>, Error> {
        let properties =
            self.explored
                .properties
                .judged(claims, verdicts, |name, expectation, place| {
                    self.verdict(&all, ways, name, expectation, place)
                })?;
        Ok(Outcome {
            properties,
            stats: all.stats,
            coverage: all.coverage,
            unfinished: all.unfinished,
            omission: self.explored.store.omission(),
            unsaved: None,
        })
    }

    fn verdict(
        &self,
        all: &Totals<S>,
        ways: &[Vec<ParcelOf<S>>],
        name: &'static str,
        expectation: &Expectation,
        place: Place,
    ) -> Result<VerdictOf<S>, Error> {
        let mut sightings = self.sightings.iter().zip(ways);
        let Some((_, way)) = sightings.find(|(sighting, _)| sighting.place == place) else {
            return Ok(not_found(all.unfinished, expectation));
        };
        let run = self.replay(way, name)?;
        if !self
            .explored
            .properties
            .decided(self.system, place, run.last())
        {
            return Err(Error::Replay {
                property: name,
                step: run.len(),
            });
        }
        Ok(match expectation {
            Expectation::Sometimes => Verdict::Found(run),
            _ => Verdict::Violated(run),
        })
    }
}

/// What all workers of a shared search together found.
pub struct Totals<S: System> {
    /// Counts.
    pub stats: Stats,
    /// What the steps recorded.
    pub coverage: S::Coverage,
    /// Why not every reachable state was looked at.
    pub unfinished: Option<Unfinished>,
}

impl Stats {
    /// The counts of two shares of a search together. Memory adds up, and time does not.
    pub fn add(&mut self, other: &Self) {
        self.states += other.states;
        self.edges += other.edges;
        self.outside += other.outside;
        self.terminal += other.terminal;
        self.finished += other.finished;
        self.stopped += other.stopped;
        self.peak_bytes += other.peak_bytes;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.elapsed_claims = self.elapsed_claims.max(other.elapsed_claims);
        if self.levels.len() < other.levels.len() {
            self.levels.resize(other.levels.len(), 0);
        }
        for (level, more) in self.levels.iter_mut().zip(&other.levels) {
            *level += more;
        }
    }

    /// How many states are left to be found, as [`Progress::left`](crate::Progress::left) has it.
    pub fn left(&self) -> Option<RangeInclusive<usize>> {
        estimate::left(&self.levels, self.states)
    }
}
