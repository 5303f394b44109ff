//! A stretch of a level: its states are looked at, its successors collected, and those that are
//! known already struck out.

use std::ops::Range;

use crate::ahead::Ahead;
use crate::explored::{Explored, Found, Known, NOBODY, Place, Properties};
use crate::recent::{Recent, Successors};
use crate::store::{Index, Store};
use crate::system::{BatchOf, StateOf, Stored, System};

/// A successor that may be new.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate {
    pub(crate) hash: u32,
    /// Its position in the batch.
    pub(crate) at: u32,
}

/// A stretch of a level: what its expansion gave.
pub(crate) struct Chunk<S: System> {
    pub(crate) range: Range<Index>,
    pub(crate) batch: BatchOf<S>,
    /// Candidates in the batch.
    pub(crate) count: u32,
    /// For each state expanded, the position in the batch behind its successors.
    pub(crate) ends: Vec<u32>,
    /// The candidates not known to be old, in order.
    pub(crate) fresh: Vec<Candidate>,
    pub(crate) found: Found,
    pub(crate) coverage: S::Coverage,
    pub(crate) tally: Tally,
    /// The states of the range, if they were [copied](Chunk::copy).
    copied: Option<S::Store>,
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
            count: 0,
            ends: Vec::new(),
            fresh: Vec::new(),
            found: Found::default(),
            coverage: S::Coverage::default(),
            tally: Tally::default(),
            copied: None,
        }
    }
}

impl<S: System> Chunk<S> {
    pub(crate) fn restart(&mut self, range: Range<Index>) {
        S::Store::clear(&mut self.batch);
        self.count = 0;
        self.ends.clear();
        self.fresh.clear();
        self.range = range;
        self.found = Found::default();
        self.coverage = S::Coverage::default();
        self.tally = Tally::default();
    }

    pub(crate) fn bytes(&self) -> usize {
        S::Store::batch_bytes(&self.batch)
            + self.ends.capacity() * size_of::<u32>()
            + self.fresh.capacity() * size_of::<Candidate>()
            + self.copied.as_ref().map_or(0, Store::bytes)
    }

    /// Takes copies of its states, so that they can be expanded while the store grows.
    pub(crate) fn copy(&mut self, system: &S, store: &S::Store) {
        let copied = self.copied.get_or_insert_with(|| system.new_store());
        copied.copy(store, self.range.clone());
    }

    /// As [`expand`](Self::expand), of the states that were copied. `known` was known some time before
    /// this chunk is taken over.
    pub(crate) fn expand_copied(
        &mut self,
        system: &S,
        (properties, always, sometimes): (&Properties<S::Model>, u64, u64),
        recent: &mut Recent,
    ) {
        let copied = self.copied.take().expect("its states were copied");
        let known = Known {
            store: &copied,
            first: self.range.start,
            table: None,
            properties,
            always,
            sometimes,
        };
        self.expand(system, &known, recent);
        self.copied = Some(copied);
    }

    /// Adds a state that is nobody's successor.
    pub(crate) fn add(&mut self, hash: u32, keep: bool) {
        if keep {
            let at = self.count;
            self.fresh.push(Candidate { hash, at });
        }
        self.count += 1;
    }

    /// Evaluates the properties in every state of the range.
    pub(crate) fn look(&mut self, system: &S, known: &Known<'_, S>) {
        for index in self.range.clone() {
            system.with_state(known.store, index - known.first, |state| {
                self.judge(system, known, index, state);
            });
        }
    }

    /// Evaluates the properties in every state of the range, and collects all successors.
    ///
    /// What the thread met lately came from states before these.
    pub(crate) fn expand(&mut self, system: &S, known: &Known<'_, S>, recent: &mut Recent) {
        for index in self.range.clone() {
            let at = index - known.first;
            system.with_state(known.store, at, |state| {
                self.judge(system, known, index, state);
                if system.stop_at(state) {
                    self.tally.stopped += 1;
                } else if !self.collect(system, known, recent, at, state) {
                    self.tally.terminal += 1;
                    match system.deadlocked(state) {
                        Some(true) => self.found.note(Place::Deadlock, index),
                        Some(false) => self.tally.finished += 1,
                        None => {}
                    }
                }
            });
            self.ends.push(self.count);
        }
        if !S::Store::AT_ONCE {
            let successors = Successors {
                first: self.range.start - known.first,
                ends: &self.ends,
            };
            known
                .store
                .sift(&self.batch, successors, recent, &mut self.fresh);
        }
    }

    #[inline]
    fn judge(&mut self, system: &S, known: &Known<'_, S>, index: Index, state: &StateOf<S>) {
        let Properties {
            always, sometimes, ..
        } = known.properties;
        let asked = !(self.found.always | known.always);
        let violated = system.violated(state, always, asked) & asked;
        let asked = !(self.found.sometimes | known.sometimes);
        let reached = system.reached(state, sometimes, asked) & asked;
        for i in ones(violated) {
            self.found.note(Place::Always(i), index);
        }
        for i in ones(reached) {
            self.found.note(Place::Sometimes(i), index);
        }
    }

    /// Adds the successors of a state, which has this number in the store at hand, to the candidates;
    /// false if it has none.
    #[inline]
    fn collect(
        &mut self,
        system: &S,
        known: &Known<'_, S>,
        recent: &mut Recent,
        index: Index,
        state: &StateOf<S>,
    ) -> bool {
        let Self {
            batch,
            fresh,
            coverage,
            ..
        } = self;
        let &Known { store, table, .. } = known;
        let own_hash = store.hash(index);
        let mut edges = 0;
        let mut outside = 0;
        let mut count = self.count;
        let at = Stored {
            store,
            index,
            state,
        };
        system.expand_into(batch, at, coverage, |_| (), &mut |batch, (), hash| {
            let Some(hash) = hash else {
                outside += 1;
                return;
            };
            edges += 1;
            if S::Store::AT_ONCE {
                let candidate = Candidate { hash, at: count };
                let equal = |known| store.equals(known, batch, count as usize);
                if hash == own_hash && equal(index)
                    || recent.met(store, batch, count as usize, candidate)
                    || table.is_some_and(|table| table.find(hash, equal).is_ok())
                {
                    S::Store::drop_last(batch);
                    return;
                }
                fresh.push(candidate);
            }
            count += 1;
        });
        self.count = count;
        self.tally.edges += edges;
        self.tally.outside += outside;
        edges > 0 || outside > 0
    }

    /// Strikes out the candidates that are in the table already.
    pub(crate) fn strike_out_known(&mut self, explored: &Explored<S>) {
        let Explored { store, table, .. } = explored;
        let Self { batch, fresh, .. } = self;
        let mut kept = 0;
        let hash = |fresh: &[Candidate], i: usize| fresh.get(i).map(|candidate| candidate.hash);
        let mut ahead = Ahead::new(table, store, |i| hash(fresh, i));
        for i in 0..fresh.len() {
            let guess = ahead.guess(table, store, |i| hash(fresh, i), i);
            let candidate = fresh[i];
            let equal = |index| store.equals(index, batch, candidate.at as usize);
            if !guess.is_some_and(equal) && table.find(candidate.hash, equal).is_err() {
                fresh[kept] = candidate;
                kept += 1;
            }
        }
        fresh.truncate(kept);
    }
}

/// Whose successor a candidate is, to be asked in the order of the candidates: the first of the states
/// expanded has this number, and `ends` has the end of each one's successors. Nobody's if none were.
pub(crate) fn parents(first: Index, ends: &[u32]) -> impl FnMut(u32) -> Index {
    let mut state = 0;
    move |at| {
        while ends.get(state).is_some_and(|&end| end <= at) {
            state += 1;
        }
        match ends.is_empty() {
            true => NOBODY,
            false => first + state as Index,
        }
    }
}

/// The positions of the bits that are set.
pub(crate) fn ones(bits: u64) -> impl Iterator<Item = u32> {
    (0..64)
        .filter(move |i| bits >> i & 1 == 1)
        .take(bits.count_ones() as usize)
}
