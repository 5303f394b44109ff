//! States of stateright's actor systems, kept in parts.
//!
//! A step changes one actor and a few messages, so that many states are few actors' states and
//! messages put together in ever new ways. Each such part is stored once and has a number; a state is
//! the list of the numbers of its parts, a few bytes each. The idea is the collapse compression of
//! SPIN (Holzmann, "State Compression in SPIN", 1997). Nothing is lost by it: a candidate is compared
//! with the parts themselves.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use stateright::actor::{Actor, ActorModelState, Envelope, Id, Network, RandomChoices, Timers};

use crate::store::{Blocks, ExactBatch, Index, Keeps, Store, fold, prefetch};

fn hash_of(value: &impl Hash) -> u64 {
    FixedState::with_seed(0).hash_one(value)
}

/// Different things, numbered in the order in which they came.
#[derive(Debug)]
struct Numbered<T> {
    things: Vec<T>,
    numbers: HashTable<u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            things: Vec::new(),
            numbers: HashTable::new(),
        }
    }
}

impl<T: Hash + PartialEq> Numbered<T> {
    /// The number of a thing, a new one if it was not there yet.
    fn number(&mut self, thing: T) -> u64 {
        let hash = hash_of(&thing);
        let Self { things, numbers } = self;
        let same = |number: &u32| things[*number as usize] == thing;
        if let Some(number) = numbers.find(hash, same) {
            return u64::from(*number);
        }
        let number = things.len() as u32;
        numbers.insert_unique(hash, number, |number| hash_of(&things[*number as usize]));
        things.push(thing);
        u64::from(number)
    }

    fn get(&self, number: u64) -> &T {
        &self.things[number as usize]
    }

    fn bytes(&self) -> usize {
        self.things.capacity() * size_of::<T>() + self.numbers.allocation_size()
    }
}

/// Numbers one after the other, seven bits to a byte, the lowest first.
#[derive(Clone, Copy)]
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    #[inline]
    fn next(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = self.0.split_first().expect("a record has an end");
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }
}

fn write(record: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        record.push(number as u8 | 0x80);
        number >>= 7;
    }
    record.push(number as u8);
}

/// Byte strings that know where they end, in blocks that never move but for the first.
#[derive(Debug, Default)]
struct Records {
    blocks: Vec<Vec<u8>>,
}

const BLOCK: usize = 1 << 20;

impl Records {
    /// Adds a record and says where it is.
    fn push(&mut self, record: &[u8]) -> u64 {
        let fits = |block: &Vec<u8>| block.len() + record.len() <= BLOCK;
        if !self.blocks.last().is_some_and(fits) {
            let mut block = Vec::new();
            if !self.blocks.is_empty() {
                block.reserve_exact(BLOCK.max(record.len()));
            }
            self.blocks.push(block);
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let at = (number * BLOCK + block.len()) as u64;
        block.extend_from_slice(record);
        at
    }

    /// The record at this place, and what follows it.
    #[inline]
    fn at(&self, place: u64) -> Numbers<'_> {
        let place = place as usize;
        Numbers(&self.blocks[place / BLOCK][place % BLOCK..])
    }

    fn bytes(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum()
    }
}

/// A place in the [`Records`]: up to 2^40.
type Place = [u8; 5];

/// How a network is written down; its kind comes first.
mod kind {
    pub(super) const DUPLICATING: u64 = 0;
    pub(super) const NON_DUPLICATING: u64 = 1;
    pub(super) const ORDERED: u64 = 2;
}

/// The states of an actor system, in parts. See [`Exact::in_parts`](crate::Exact::in_parts).
pub struct PartsStore<A: Actor, H> {
    actors: Numbered<Arc<A::State>>,
    histories: Numbered<H>,
    timers: Numbered<Vec<Timers<A::Timer>>>,
    choices: Numbered<Vec<RandomChoices<A::Random>>>,
    crashed: Numbered<Vec<bool>>,
    storages: Numbered<Vec<Option<A::Storage>>>,
    envelopes: Numbered<Envelope<A::Msg>>,
    records: Records,
    places: Blocks<Place>,
    hashes: Blocks<u32>,
    /// Memory for the record being written.
    record: Vec<u8>,
}

impl<A: Actor, H: Hash + PartialEq> Default for PartsStore<A, H> {
    fn default() -> Self {
        Self {
            actors: Numbered::default(),
            histories: Numbered::default(),
            timers: Numbered::default(),
            choices: Numbered::default(),
            crashed: Numbered::default(),
            storages: Numbered::default(),
            envelopes: Numbered::default(),
            records: Records::default(),
            places: Blocks::new(1),
            hashes: Blocks::new(1),
            record: Vec::new(),
        }
    }
}

impl<A: Actor, H: Clone + Hash + PartialEq> PartsStore<A, H> {
    fn record(&self, index: Index) -> Numbers<'_> {
        let [a, b, c, d, e] = self.places.get(index as usize)[0];
        self.records
            .at(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
    }

    /// The order is that in which [`state`](Self::state) and [`is`](Self::is) read.
    fn write(&mut self, state: ActorModelState<A, H>, record: &mut Vec<u8>) {
        write(record, state.actor_states.len() as u64);
        for actor in state.actor_states {
            write(record, self.actors.number(actor));
        }
        write(record, self.histories.number(state.history));
        write(record, self.timers.number(state.timers_set));
        write(record, self.choices.number(state.random_choices));
        write(record, self.crashed.number(state.crashed));
        write(record, self.storages.number(state.actor_storages));
        self.write_network(state.network, record);
    }

    fn write_network(&mut self, network: Network<A::Msg>, record: &mut Vec<u8>) {
        let mut number = |envelope: &Envelope<A::Msg>| self.envelopes.number(envelope.clone());
        match network {
            Network::UnorderedDuplicating(set, last) => {
                write(record, kind::DUPLICATING);
                write(record, last.map_or(0, |last| number(&last) + 1));
                let mut numbers: Vec<_> = set.iter().map(number).collect();
                numbers.sort_unstable();
                write(record, numbers.len() as u64);
                numbers.into_iter().for_each(|number| write(record, number));
            }
            Network::UnorderedNonDuplicating(counts) => {
                write(record, kind::NON_DUPLICATING);
                let counted = counts
                    .iter()
                    .map(|(envelope, count)| (number(envelope), *count));
                let mut numbers: Vec<_> = counted.collect();
                numbers.sort_unstable();
                write(record, numbers.len() as u64);
                for (number, count) in numbers {
                    write(record, number);
                    write(record, count as u64);
                }
            }
            Network::Ordered(flows) => {
                write(record, kind::ORDERED);
                write(record, flows.len() as u64);
                for ((src, dst), messages) in flows {
                    write(record, usize::from(src) as u64);
                    write(record, usize::from(dst) as u64);
                    write(record, messages.len() as u64);
                    for msg in messages {
                        write(record, number(&Envelope { src, dst, msg }));
                    }
                }
            }
        }
    }

    fn state(&self, index: Index) -> ActorModelState<A, H> {
        let mut record = self.record(index);
        let actors = record.next();
        ActorModelState {
            actor_states: (0..actors)
                .map(|_| self.actors.get(record.next()).clone())
                .collect(),
            history: self.histories.get(record.next()).clone(),
            timers_set: self.timers.get(record.next()).clone(),
            random_choices: self.choices.get(record.next()).clone(),
            crashed: self.crashed.get(record.next()).clone(),
            actor_storages: self.storages.get(record.next()).clone(),
            network: self.network(record),
        }
    }

    fn network(&self, mut record: Numbers<'_>) -> Network<A::Msg> {
        let envelope = |number| self.envelopes.get(number);
        match record.next() {
            kind::DUPLICATING => {
                let last = record
                    .next()
                    .checked_sub(1)
                    .map(|last| envelope(last).clone());
                let envelopes = (0..record.next()).map(|_| envelope(record.next()).clone());
                Network::new_unordered_duplicating_with_last_msg(envelopes, last)
            }
            kind::NON_DUPLICATING => {
                let mut network = Network::new_unordered_nonduplicating([]);
                if let Network::UnorderedNonDuplicating(counts) = &mut network {
                    for _ in 0..record.next() {
                        let envelope = envelope(record.next()).clone();
                        counts.insert(envelope, record.next() as usize);
                    }
                }
                network
            }
            _ => {
                let mut flows = BTreeMap::new();
                for _ in 0..record.next() {
                    let src = Id::from(record.next() as usize);
                    let dst = Id::from(record.next() as usize);
                    let messages = (0..record.next()).map(|_| envelope(record.next()).msg.clone());
                    flows.insert((src, dst), messages.collect());
                }
                Network::Ordered(flows)
            }
        }
    }

    /// Whether the stored state is this one.
    fn is(&self, index: Index, state: &ActorModelState<A, H>) -> bool {
        let mut record = self.record(index);
        let same_actor = |number, actor: &Arc<A::State>| {
            let known = self.actors.get(number);
            Arc::ptr_eq(known, actor) || known == actor
        };
        record.next() == state.actor_states.len() as u64
            && state
                .actor_states
                .iter()
                .all(|actor| same_actor(record.next(), actor))
            && *self.histories.get(record.next()) == state.history
            && *self.timers.get(record.next()) == state.timers_set
            && *self.choices.get(record.next()) == state.random_choices
            && *self.crashed.get(record.next()) == state.crashed
            && *self.storages.get(record.next()) == state.actor_storages
            && self.is_network(record, &state.network)
    }

    fn is_network(&self, mut record: Numbers<'_>, network: &Network<A::Msg>) -> bool {
        let envelope = |number| self.envelopes.get(number);
        match (record.next(), network) {
            (kind::DUPLICATING, Network::UnorderedDuplicating(set, last)) => {
                record.next().checked_sub(1).map(envelope) == last.as_ref()
                    && record.next() == set.len() as u64
                    && (0..set.len()).all(|_| set.contains(envelope(record.next())))
            }
            (kind::NON_DUPLICATING, Network::UnorderedNonDuplicating(counts)) => {
                record.next() == counts.len() as u64
                    && (0..counts.len()).all(|_| {
                        let count = counts.get(envelope(record.next()));
                        record.next() == count.map_or(u64::MAX, |count| *count as u64)
                    })
            }
            (kind::ORDERED, Network::Ordered(flows)) => {
                record.next() == flows.len() as u64
                    && flows.iter().all(|((src, dst), messages)| {
                        record.next() == usize::from(*src) as u64
                            && record.next() == usize::from(*dst) as u64
                            && record.next() == messages.len() as u64
                            && messages
                                .iter()
                                .all(|message| envelope(record.next()).msg == *message)
                    })
            }
            _ => false,
        }
    }

    fn hash_whole(state: &ActorModelState<A, H>) -> u64 {
        // Of messages without an order the sum, so that nothing has to be sorted.
        let network = match &state.network {
            Network::UnorderedDuplicating(set, last) => {
                set.iter().fold(hash_of(last), |sum, envelope| {
                    sum.wrapping_add(hash_of(envelope))
                })
            }
            Network::UnorderedNonDuplicating(counts) => counts
                .iter()
                .fold(0, |sum: u64, message| sum.wrapping_add(hash_of(&message))),
            Network::Ordered(flows) => hash_of(flows),
        };
        hash_of(&(
            network,
            &state.actor_states,
            &state.history,
            &state.timers_set,
            &state.random_choices,
            &state.crashed,
            &state.actor_storages,
        ))
    }
}

impl<A, H> Store for PartsStore<A, H>
where
    A: Actor<
            Msg: Send + Sync,
            Timer: Send + Sync,
            State: Send + Sync,
            Storage: Send + Sync,
            Random: Send + Sync,
        >,
    H: Clone + Hash + PartialEq + Send + Sync,
{
    type Batch = ExactBatch<ActorModelState<A, H>>;

    const AT_ONCE: bool = true;

    #[inline]
    fn drop_last(batch: &mut Self::Batch) {
        batch.states.pop();
    }

    fn clear(batch: &mut Self::Batch) {
        batch.states.clear();
    }

    fn batch_bytes(batch: &Self::Batch) -> usize {
        batch.bytes()
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn bytes(&self) -> usize {
        let parts = self.actors.bytes()
            + self.histories.bytes()
            + self.timers.bytes()
            + self.choices.bytes()
            + self.crashed.bytes()
            + self.storages.bytes()
            + self.envelopes.bytes();
        parts + self.records.bytes() + self.places.bytes() + self.hashes.bytes()
    }

    #[inline]
    fn hash(&self, index: Index) -> u32 {
        self.hashes.get(index as usize)[0]
    }

    #[inline]
    fn prefetch(&self, index: Index) {
        prefetch(self.places.get(index as usize).as_ptr());
    }

    #[inline]
    fn equals(&self, index: Index, batch: &Self::Batch, at: usize) -> bool {
        let (hash, candidate) = &batch.states[at];
        self.hash(index) == *hash
            && candidate
                .as_ref()
                .is_some_and(|state| self.is(index, state))
    }

    #[inline]
    fn same(&self, batch: &Self::Batch, one: usize, other: usize) -> bool {
        batch.states[one] == batch.states[other]
    }

    fn append(&mut self, batch: &mut Self::Batch, at: usize) {
        let (hash, state) = batch.take(at);
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        self.write(state, &mut record);
        let [place @ .., 0, 0, 0] = self.records.push(&record).to_le_bytes() else {
            panic!("a terabyte is full");
        };
        self.record = record;
        self.places.push(place);
        self.hashes.push(hash);
    }
}

impl<A, H> Keeps<ActorModelState<A, H>> for PartsStore<A, H>
where
    A: Actor,
    H: Clone + Hash + PartialEq,
    Self: Store<Batch = ExactBatch<ActorModelState<A, H>>>,
{
    fn with<R>(&self, index: u32, use_it: impl FnOnce(&ActorModelState<A, H>) -> R) -> R {
        use_it(&self.state(index))
    }

    fn push(batch: &mut Self::Batch, state: ActorModelState<A, H>) -> u32 {
        batch.push(fold(Self::hash_whole(&state)), state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(numbers: Vec<u64>) {
            let mut record = Vec::new();
            for number in &numbers {
                write(&mut record, *number);
            }
            let mut read = Numbers(&record);
            for number in numbers {
                prop_assert_eq!(read.next(), number);
            }
            prop_assert!(read.0.is_empty());
        }

        #[test]
        fn records_are_found_again(lengths in prop::collection::vec(0..BLOCK / 2, 1..9)) {
            let mut records = Records::default();
            let filled = |i: usize, length| vec![i as u8; length];
            let places: Vec<_> = lengths
                .iter()
                .enumerate()
                .map(|(i, length)| records.push(&filled(i, *length)))
                .collect();
            for (i, (place, length)) in places.into_iter().zip(lengths).enumerate() {
                prop_assert_eq!(&records.at(place).0[..length], &filled(i, length)[..]);
            }
        }
    }

    #[derive(Clone, Debug)]
    struct Nobody;

    impl Actor for Nobody {
        type Msg = u8;
        type State = u8;
        type Timer = u8;
        type Random = u8;
        type Storage = u8;

        fn on_start(&self, _: Id, _: &Option<u8>, _: &mut stateright::actor::Out<Self>) -> u8 {
            0
        }
    }

    type State = ActorModelState<Nobody, u8>;

    fn any_network() -> impl Strategy<Value = Network<u8>> {
        let envelope = || {
            (0..2_usize, 0..2_usize, 0..3_u8).prop_map(|(src, dst, msg)| Envelope {
                src: src.into(),
                dst: dst.into(),
                msg,
            })
        };
        let envelopes = || prop::collection::vec(envelope(), 0..4);
        prop_oneof![
            envelopes().prop_map(Network::new_ordered),
            envelopes().prop_map(Network::new_unordered_nonduplicating),
            (envelopes(), prop::option::of(envelope())).prop_map(|(envelopes, last)| {
                Network::new_unordered_duplicating_with_last_msg(envelopes, last)
            }),
        ]
    }

    prop_compose! {
        /// Few parts, so that states are often alike in some.
        fn any_state()(
            actors in prop::collection::vec(0..2_u8, 0..3),
            history in 0..2_u8,
            timers in prop::collection::vec(prop::collection::vec(0..2_u8, 0..2), 0..3),
            choices in prop::collection::vec(prop::option::of(0..2_u8), 0..2),
            crashed: Vec<bool>,
            storages in prop::collection::vec(prop::option::of(0..2_u8), 0..2),
            network in any_network(),
        ) -> State {
            let timers = timers.into_iter().map(|set| {
                let mut timers = Timers::new();
                set.into_iter().for_each(|timer| { timers.set(timer); });
                timers
            });
            let choices = choices.into_iter().map(|choice| {
                let mut choices = RandomChoices::default();
                choice.into_iter().for_each(|c| choices.insert("choice".to_owned(), vec![c]));
                choices
            });
            State {
                actor_states: actors.into_iter().map(Arc::new).collect(),
                network,
                timers_set: timers.collect(),
                random_choices: choices.collect(),
                crashed,
                history,
                actor_storages: storages,
            }
        }
    }

    proptest! {
        #[test]
        fn states_come_back_and_are_told_apart(
            states in prop::collection::vec(any_state(), 1..20)
        ) {
            let mut store = PartsStore::<Nobody, u8>::default();
            let mut batch = ExactBatch::default();
            for state in &states {
                PartsStore::push(&mut batch, state.clone());
            }
            for at in 0..states.len() {
                store.append(&mut batch, at);
            }
            for state in &states {
                PartsStore::push(&mut batch, state.clone());
            }
            for (i, state) in states.iter().enumerate() {
                prop_assert!(store.with(i as u32, |stored| stored == state));
                for (j, other) in states.iter().enumerate() {
                    let equal = store.equals(i as u32, &batch, states.len() + j);
                    prop_assert_eq!(equal, state == other);
                }
            }
        }
    }
}
