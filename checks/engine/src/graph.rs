//! All transitions between the states that a search has stored.
//!
//! The search itself keeps no transitions. If something is to be said about whole runs, every state
//! is expanded once more, and its successors are looked up: 5 bytes a transition.

use std::ops::Range;

use crate::ahead::Ahead;
use crate::bits::Bits;
use crate::claim::MAX_GROUPS;
use crate::crew::share_out;
use crate::explored::Explored;
use crate::outcome::{Error, Unfinished};
use crate::recent::Words;
use crate::search::Groups;
use crate::store::{Index, Store};
use crate::system::{ActionOf, BatchOf, Stored, System};

/// The group of an environment's step.
pub(crate) const NO_GROUP: u8 = u8::MAX;

/// States expanded at a time by one thread.
const CHUNK: usize = 1024;

/// Ascending positions, in little more than 4 bytes each.
struct Positions {
    /// Every so many positions, one in full.
    bases: Vec<u64>,
    /// How far each is from the one in full before it.
    beyond: Vec<u32>,
}

impl Positions {
    /// Positions to one in full.
    const STRIDE: usize = 1 << 10;

    fn with_capacity(positions: usize) -> Self {
        Self {
            bases: Vec::with_capacity(positions.div_ceil(Self::STRIDE)),
            beyond: Vec::with_capacity(positions),
        }
    }

    /// Adds one that is not below those before.
    ///
    /// # Panics
    ///
    /// If a thousand states have more than 2^32 transitions.
    fn push(&mut self, position: u64) {
        if self.beyond.len().is_multiple_of(Self::STRIDE) {
            self.bases.push(position);
        }
        let base = self.bases[self.bases.len() - 1];
        let beyond = u32::try_from(position - base);
        self.beyond
            .push(beyond.expect("no state has millions of transitions"));
    }

    #[inline]
    fn get(&self, at: usize) -> u64 {
        self.bases[at / Self::STRIDE] + u64::from(self.beyond[at])
    }

    fn len(&self) -> usize {
        self.beyond.len()
    }

    fn bytes(&self) -> usize {
        self.bases.len() * size_of::<u64>() + self.beyond.len() * size_of::<u32>()
    }
}

/// The transitions of a system, by the state they start from and in the order of its steps.
pub(crate) struct Graph {
    /// For each state the position of its first transition, and the end of the last.
    first: Positions,
    targets: Vec<Index>,
    groups: Vec<u8>,
    /// The states beyond which the model wished not to go.
    pub(crate) stopped: Bits,
}

impl Graph {
    pub(crate) fn states(&self) -> usize {
        self.first.len() - 1
    }

    /// The positions of a state's transitions.
    #[inline]
    pub(crate) fn range(&self, state: Index) -> Range<u64> {
        self.first.get(state as usize)..self.first.get(state as usize + 1)
    }

    /// The state that a transition leads to.
    #[inline]
    pub(crate) fn target(&self, position: u64) -> Index {
        self.targets[position as usize]
    }

    /// A state's transitions: where to, and in which group.
    #[inline]
    pub(crate) fn edges(&self, state: Index) -> impl Iterator<Item = (Index, u8)> {
        let range = self.range(state);
        let range = range.start as usize..range.end as usize;
        let groups = self.groups[range.clone()].iter();
        self.targets[range].iter().copied().zip(groups.copied())
    }

    /// The groups that are enabled in a state, a bit each.
    #[inline]
    pub(crate) fn enabled(&self, state: Index) -> u64 {
        self.edges(state)
            .filter(|&(target, _)| target != state)
            .fold(0, |bits, (_, group)| bits | bit(group))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.first.bytes()
            + self.targets.len() * size_of::<Index>()
            + self.groups.len()
            + self.stopped.bytes()
    }

    /// The most memory that deciding a claim takes, in bytes, but for sets of a bit a state: a number
    /// for each state, and two more on the stacks, which grow by a quarter, on a graph that is one
    /// long path.
    pub(crate) fn work_bytes(states: usize) -> usize {
        14 * states
    }

    fn with_capacity(states: usize, edges: u64) -> Self {
        let mut first = Positions::with_capacity(states + 1);
        first.push(0);
        Self {
            first,
            targets: Vec::with_capacity(edges as usize),
            groups: Vec::with_capacity(edges as usize),
            stopped: Bits::new(states),
        }
    }

    /// The graph with these transitions, for each state in turn: where to, and in which group.
    pub(crate) fn of(states: usize, edges: impl Iterator<Item = Vec<(Index, u8)>>) -> Self {
        let mut graph = Self::with_capacity(states, 0);
        for out in edges {
            for (target, group) in out {
                graph.targets.push(target);
                graph.groups.push(group);
            }
            graph.first.push(graph.targets.len() as u64);
        }
        graph
    }

    /// The transitions between the states explored; `pause` is called now and then with the memory
    /// in use, and can put an end to it.
    pub(crate) fn build<S: System>(
        system: &S,
        explored: &Explored<S>,
        groups: &Groups<S>,
        helpers: Option<&rayon::ThreadPool>,
        mut pause: impl FnMut(usize) -> Result<(), Unfinished>,
    ) -> Result<Result<Self, Unfinished>, Error> {
        let states = explored.store.len();
        let mut graph = Self::with_capacity(states, explored.stats.edges);
        let threads = 1 + helpers.map_or(0, rayon::ThreadPool::current_num_threads);
        let mut round: Vec<Chunk<S>> = (0..if threads == 1 { 1 } else { 4 * threads })
            .map(|_| Chunk::default())
            .collect();
        let mut next = 0;
        while next < states {
            if let Err(why) = pause(graph.bytes()) {
                return Ok(Err(why));
            }
            for chunk in &mut round {
                let end = (next + CHUNK).min(states);
                chunk.range = next as Index..end as Index;
                next = end;
            }
            share_out(helpers, &mut vec![(); threads], &mut round, |(), chunk| {
                chunk.failed = chunk.expand(system, explored, groups).err();
            });
            if let Some(error) = round.iter_mut().find_map(|chunk| chunk.failed.take()) {
                return Err(error);
            }
            for chunk in &round {
                graph.append(chunk);
            }
        }
        if let Err(why) = pause(graph.bytes()) {
            return Ok(Err(why));
        }
        match graph.targets.len() as u64 == explored.stats.edges {
            true => Ok(Ok(graph)),
            false => Err(Error::Unsteady),
        }
    }

    fn append<S: System>(&mut self, chunk: &Chunk<S>) {
        let before = self.targets.len() as u64;
        for end in &chunk.ends {
            self.first.push(before + end);
        }
        self.targets.extend_from_slice(&chunk.targets);
        self.groups.extend_from_slice(&chunk.labels);
        for &index in &chunk.stopped {
            self.stopped.insert(index);
        }
    }
}

/// The group of an action.
#[inline]
pub(crate) fn label<S: System>(groups: &Groups<'_, S>, action: &ActionOf<S>) -> Result<u8, Error> {
    match groups.as_ref().and_then(|groups| groups(action)) {
        None => Ok(NO_GROUP),
        Some(group) if group < MAX_GROUPS => Ok(group as u8),
        Some(group) => Err(Error::Group(group)),
    }
}

/// The bit of a group, none for the environment.
#[inline]
pub(crate) fn bit(group: u8) -> u64 {
    match group {
        NO_GROUP => 0,
        group => 1 << group,
    }
}

/// Tells `each` the numbers of these candidates of a batch, in order. `hash` gives their hashes.
fn look_up<S: System>(
    explored: &Explored<S>,
    batch: &BatchOf<S>,
    candidates: &[u32],
    hash: impl Fn(usize) -> Option<u32>,
    mut each: impl FnMut(u32, Index),
) -> Result<(), Error> {
    let Explored { store, table, .. } = explored;
    let mut ahead = Ahead::new(table, store, &hash);
    for (i, &at) in candidates.iter().enumerate() {
        let equal = |index| store.equals(index, batch, at as usize);
        let known = match ahead.guess(table, store, &hash, i) {
            Some(index) if equal(index) => Ok(index),
            _ => table.find(hash(i).expect("each has one"), equal),
        };
        each(at, known.map_err(|_| Error::Unsteady)?);
    }
    Ok(())
}

/// States that are one word each and were met lately, with their numbers.
#[derive(Default)]
struct Met {
    words: Words,
    /// By the place of each its number, or, with [`PENDING`], its position among those looked up now.
    numbers: Vec<u32>,
}

/// Beyond all numbers of states.
const PENDING: u32 = 1 << 31;

impl Met {
    /// Gives each of these words its number, or its position in `fresh`, to which those not met lately
    /// are added. There are so many transitions in all.
    fn sift(&mut self, words: &[u64], edges: u64, fresh: &mut Vec<u32>, targets: &mut Vec<u32>) {
        self.numbers.resize(self.words.make_room(edges), 0);
        let mut kept = 0;
        fresh.resize(words.len(), 0);
        targets.resize(words.len(), 0);
        // No branches: whether a word was met is as good as random.
        for (at, (&word, target)) in words.iter().zip(&mut targets[..]).enumerate() {
            let place = self.words.place(word);
            let known = self.words.note(place, word);
            let number = &mut self.numbers[place];
            *number = if known {
                *number
            } else {
                PENDING | kept as u32
            };
            *target = *number;
            fresh[kept] = at as u32;
            kept += usize::from(!known);
        }
        fresh.truncate(kept);
    }

    /// Takes over the numbers that were found.
    fn settle(&mut self, words: &[u64], fresh: &[u32], found: &[Index], targets: &mut [u32]) {
        for target in targets {
            if *target & PENDING != 0 {
                *target = found[(*target & !PENDING) as usize];
            }
        }
        for (i, (&at, &found)) in (0..).zip(fresh.iter().zip(found)) {
            let number = &mut self.numbers[self.words.place(words[at as usize])];
            if *number == PENDING | i {
                *number = found;
            }
        }
    }
}

/// A stretch of states and their transitions.
struct Chunk<S: System> {
    range: Range<Index>,
    batch: BatchOf<S>,
    hashes: Vec<u32>,
    /// For each successor, one that is the same state.
    twins: Vec<u32>,
    /// The successors to be looked up.
    fresh: Vec<u32>,
    /// The states that these are, if all states are one word each.
    found: Vec<Index>,
    met: Met,
    targets: Vec<Index>,
    labels: Vec<u8>,
    /// For each state the end of its transitions.
    ends: Vec<u64>,
    stopped: Vec<Index>,
    failed: Option<Error>,
}

impl<S: System> Default for Chunk<S> {
    fn default() -> Self {
        Self {
            range: 0..0,
            batch: BatchOf::<S>::default(),
            hashes: Vec::new(),
            twins: Vec::new(),
            fresh: Vec::new(),
            found: Vec::new(),
            met: Met::default(),
            targets: Vec::new(),
            labels: Vec::new(),
            ends: Vec::new(),
            stopped: Vec::new(),
            failed: None,
        }
    }
}

impl<S: System> Chunk<S> {
    fn expand(
        &mut self,
        system: &S,
        explored: &Explored<S>,
        groups: &Groups<S>,
    ) -> Result<(), Error> {
        let Self {
            range,
            batch,
            hashes,
            twins,
            fresh,
            found,
            met,
            targets,
            labels,
            ends,
            stopped,
            ..
        } = self;
        S::Store::clear(batch);
        hashes.clear();
        targets.clear();
        labels.clear();
        ends.clear();
        stopped.clear();
        let mut coverage = S::Coverage::default();
        let mut too_large = None;
        let label = |action: &dyn Fn() -> ActionOf<S>| match groups {
            Some(_) => label::<S>(groups, &action()),
            None => Ok(NO_GROUP),
        };
        let store = &explored.store;
        for index in range.clone() {
            system.with_state(store, index, |state| {
                if system.stop_at(state) {
                    stopped.push(index);
                    return;
                }
                let at = Stored {
                    store,
                    index,
                    state,
                };
                system.expand_into(batch, at, &mut coverage, label, &mut |_, label, hash| {
                    if hash.is_some() {
                        labels.push(label.unwrap_or_else(|why| {
                            too_large = Some(why);
                            NO_GROUP
                        }));
                    }
                });
            });
            ends.push(labels.len() as u64);
        }
        if let Some(why) = too_large {
            return Err(why);
        }
        if let Some(words) = store.words(batch) {
            met.sift(words, explored.stats.edges, fresh, targets);
            let hash_of = |&at: &u32| store.candidate_hash(batch, at as usize);
            hashes.extend(fresh.iter().map(hash_of));
            found.clear();
            let hash = |i: usize| hashes.get(i).copied();
            look_up(explored, batch, fresh, hash, |_, number| found.push(number))?;
            met.settle(words, fresh, found, targets);
        } else {
            hashes.extend((0..labels.len()).map(|at| store.candidate_hash(batch, at)));
            Self::find_twins(store, batch, hashes, twins, fresh);
            targets.resize(hashes.len(), 0);
            let hash = |i: usize| fresh.get(i).map(|&at| hashes[at as usize]);
            look_up(explored, batch, fresh, hash, |at, number| {
                targets[at as usize] = number;
            })?;
            for (at, &twin) in twins.iter().enumerate() {
                targets[at] = targets[twin as usize];
            }
        }
        Ok(())
    }

    /// For each successor an equal one that is looked up: where independent steps commute, most have one
    /// shortly before them. Whether one has is as good as random, so nothing is done only if it has.
    fn find_twins(
        store: &S::Store,
        batch: &BatchOf<S>,
        hashes: &[u32],
        twins: &mut Vec<u32>,
        fresh: &mut Vec<u32>,
    ) {
        const PLACES: usize = 1 << 12;
        let mut recent = [0_u32; PLACES];
        let mut kept = 0;
        twins.clear();
        twins.resize(hashes.len(), 0);
        fresh.clear();
        fresh.resize(hashes.len(), 0);
        for (at, &hash) in hashes.iter().enumerate() {
            let place = &mut recent[hash as usize % PLACES];
            let other = *place as usize;
            let alike = (other < at) & (hashes[other] == hash);
            twins[at] = if alike { twins[other] } else { at as u32 };
            *place = at as u32;
            fresh[kept] = at as u32;
            kept += usize::from(!alike);
        }
        fresh.truncate(kept);
        // Those that only have the same hash.
        for (at, twin) in twins.iter_mut().enumerate() {
            if !store.same(batch, *twin as usize, at) {
                *twin = at as u32;
                fresh.push(at as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KEY;
    use proptest::prelude::*;

    proptest! {
        /// Whatever was met before, in this stretch or in one before it, or has the same place.
        #[test]
        fn every_word_gets_its_number(
            stretches in prop::collection::vec(prop::collection::vec(0..300_u64, 0..200), 1..8),
            spread in prop::sample::select(vec![1, 1 << 20, KEY]),
            edges in prop::sample::select(vec![0, u64::MAX]),
        ) {
            let mut met = Met::default();
            let (mut fresh, mut targets) = (Vec::new(), Vec::new());
            for numbers in stretches {
                let words: Vec<u64> = numbers.iter().map(|number| number.wrapping_mul(spread)).collect();
                met.sift(&words, edges, &mut fresh, &mut targets);
                let found: Vec<Index> = fresh.iter().map(|&at| numbers[at as usize] as Index).collect();
                met.settle(&words, &fresh, &found, &mut targets);
                prop_assert!(targets.iter().copied().map(u64::from).eq(numbers));
            }
        }
    }

    #[test]
    fn what_was_met_lately_is_not_looked_up() {
        let mut met = Met::default();
        let (mut fresh, mut targets) = (Vec::new(), Vec::new());
        met.sift(&[7, 0, 7], 0, &mut fresh, &mut targets);
        assert_eq!(fresh, [0, 1]);
        met.settle(&[7, 0, 7], &fresh, &[70, 30], &mut targets);
        assert_eq!(targets, [70, 30, 70]);
        met.sift(&[0, 7], 0, &mut fresh, &mut targets);
        assert!(fresh.is_empty());
        assert_eq!(targets, [30, 70]);
    }
}
