//! A stretch of a level: its states are looked at, its successors collected, and those that are
//! known already struck out.

use std::ops::Range;

use stateright::Model;

use crate::ahead::Ahead;
use crate::explored::{Explored, Found, Place, Properties};
use crate::store::{Index, Store};
use crate::system::{ActionOf, BatchOf, StateOf, System};

/// Candidates remembered while a chunk is expanded.
const RECENT: usize = 1 << 12;

/// What is kept of a successor beside its encoding.
#[derive(Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) hash: u32,
    /// The state it comes from.
    pub(crate) parent: Index,
}

/// A stretch of a level: what its expansion gave.
pub(crate) struct Chunk<S: System> {
    pub(crate) range: Range<Index>,
    pub(crate) batch: BatchOf<S>,
    pub(crate) candidates: Vec<Candidate>,
    /// The candidates not known to be old, in order.
    pub(crate) fresh: Vec<u32>,
    /// By hash, a candidate of this chunk that may be equal to the next.
    recent: Box<[u32; RECENT]>,
    pub(crate) found: Found,
    pub(crate) coverage: S::Coverage,
    pub(crate) tally: Tally,
}

/// What is counted while states are expanded.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) edges: u64,
    pub(crate) outside: u64,
    pub(crate) terminal: usize,
    pub(crate) finished: usize,
    pub(crate) stopped: usize,
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
    pub(crate) fn restart(&mut self, range: Range<Index>) {
        S::Store::clear(&mut self.batch);
        self.candidates.clear();
        self.fresh.clear();
        self.range = range;
        self.found = Found::default();
        self.coverage = S::Coverage::default();
        self.tally = Tally::default();
    }

    pub(crate) fn bytes(&self) -> usize {
        S::Store::batch_bytes(&self.batch)
            + self.candidates.capacity() * size_of::<Candidate>()
            + (self.fresh.capacity() + RECENT) * size_of::<u32>()
    }

    /// Evaluates the properties in every state of the range.
    pub(crate) fn look(&mut self, system: &S, explored: &Explored<S>) {
        for index in self.range.clone() {
            system.with_state(&explored.store, index, |state| {
                self.judge(system, explored, index, state);
            });
        }
    }

    /// Evaluates the properties in every state of the range, and collects all successors.
    pub(crate) fn expand(&mut self, system: &S, explored: &Explored<S>) {
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
        let Explored { store, table, .. } = explored;
        let own_hash = store.hash(index);
        let mut edges = 0;
        let mut outside = 0;
        let label = |action: &ActionOf<S>| S::REPACKS.then(|| action.clone());
        system.expand(state, coverage, label, &mut |action, next| {
            if !model.within_boundary(&next) {
                outside += 1;
                return;
            }
            edges += 1;
            let at = candidates.len();
            let hash = system.encode_next(batch, store, index, state, action.as_ref(), next);
            let twin = &mut recent[hash as usize % RECENT];
            let known = hash == own_hash && store.equals(index, batch, at)
                || candidates
                    .get(*twin as usize)
                    .is_some_and(|candidate| candidate.hash == hash)
                    && store.same(batch, *twin as usize, at);
            if S::Store::AT_ONCE
                && (known || table.find(hash, |i| store.equals(i, batch, at)).is_ok())
            {
                S::Store::drop_last(batch);
                return;
            }
            candidates.push(Candidate {
                hash,
                parent: index,
            });
            if !known {
                *twin = at as u32;
                fresh.push(at as u32);
            }
        });
        self.tally.edges += edges;
        self.tally.outside += outside;
        edges > 0 || outside > 0
    }

    /// Strikes out the candidates that are in the table already.
    pub(crate) fn strike_out_known(&mut self, explored: &Explored<S>) {
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
pub(crate) fn ones(bits: u64) -> impl Iterator<Item = u32> {
    (0..64)
        .filter(move |i| bits >> i & 1 == 1)
        .take(bits.count_ones() as usize)
}
