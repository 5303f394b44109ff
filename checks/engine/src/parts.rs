//! States of stateright's actor systems, kept in parts.
//!
//! A step changes one actor and a few messages, so that many states are few actors' states and
//! messages put together in ever new ways. Each such part is stored once and has a number; a state is
//! the list of the numbers of its parts, a few bytes each. The idea is the collapse compression of
//! SPIN (Holzmann, "State Compression in SPIN", 1997). Nothing is lost by it: parts are compared with
//! `==`, and different numbers are different parts.
//!
//! A successor is turned into numbers as soon as it is there, each of its parts being compared with
//! its predecessor's first, so that few have to be hashed and looked up, and dropped. Only one that
//! has a part never seen before is kept whole until its turn comes.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use stateright::actor::{Actor, ActorModelState, Envelope, Id, Network, RandomChoices, Timers};

use crate::store::{Blocks, Index, Keeps, Store, fold, mix, prefetch};

fn hash_of(value: &impl Hash) -> u64 {
    FixedState::with_seed(0).hash_one(value)
}

/// Different things, each with its hash, numbered in the order in which they came.
#[derive(Debug)]
struct Numbered<T> {
    things: Vec<(u64, T)>,
    numbers: HashTable<u32>,
}

/// What is known of a thing: its hash, and its number if it has one.
type Known = (u64, Option<u32>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            things: Vec::new(),
            numbers: HashTable::new(),
        }
    }
}

impl<T> Numbered<T> {
    #[inline]
    fn get(&self, number: u32) -> &T {
        &self.things[number as usize].1
    }

    #[inline]
    fn hash(&self, number: u32) -> u64 {
        self.things[number as usize].0
    }

    fn bytes(&self) -> usize {
        self.things.capacity() * size_of::<(u64, T)>() + self.numbers.allocation_size()
    }

    /// Looks for a thing with this hash.
    #[inline]
    fn find(&self, hash: u64, same: impl Fn(&T) -> bool) -> Option<u32> {
        let same = |number: &u32| same(self.get(*number));
        self.numbers.find(hash, same).copied()
    }

    /// Adds a thing that has no number yet.
    fn add(&mut self, hash: u64, thing: T) -> u32 {
        let Self { things, numbers } = self;
        let number = things.len() as u32;
        numbers.insert_unique(hash, number, |number| things[*number as usize].0);
        things.push((hash, thing));
        number
    }
}

impl<T: Hash + PartialEq> Numbered<T> {
    /// What is known of a thing that may be the one with the number `guess`.
    #[inline]
    fn known(&self, guess: Option<u32>, thing: &T) -> Known {
        match guess {
            Some(guess) if self.get(guess) == thing => (self.hash(guess), Some(guess)),
            _ => {
                let hash = hash_of(thing);
                (hash, self.find(hash, |known| known == thing))
            }
        }
    }

    /// The number of a thing, a new one if it was not there yet.
    fn number(&mut self, thing: T) -> u32 {
        let hash = hash_of(&thing);
        match self.find(hash, |known| *known == thing) {
            Some(number) => number,
            None => self.add(hash, thing),
        }
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

    /// The numbers of actors' states, with which a record begins.
    #[inline]
    fn actors(&mut self) -> impl Iterator<Item = u32> {
        let count = self.next();
        (0..count).map(|_| self.next() as u32)
    }

    /// Reads a network for its envelopes alone, but for the last one delivered.
    fn envelopes(mut self, numbers: &mut Vec<u32>) {
        let kind = self.next();
        if kind == kind::DUPLICATING && self.next() == 1 {
            self.next();
        }
        for _ in 0..self.next() {
            match kind {
                kind::DUPLICATING => numbers.push(self.next() as u32),
                kind::NON_DUPLICATING => {
                    numbers.push(self.next() as u32);
                    self.next();
                }
                _ => {
                    let [_src, _dst, messages] = [(); 3].map(|()| self.next());
                    numbers.extend((0..messages).map(|_| self.next() as u32));
                }
            }
        }
    }
}

#[inline]
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

/// The most envelopes of a predecessor to compare one with before it is looked up: it is the next one
/// unless some were delivered, or is new.
const GUESSES: usize = 4;

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
    /// The states that were put together last, one for each thread at most.
    made: Mutex<Vec<Made<A, H>>>,
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
            made: Mutex::default(),
        }
    }
}

/// A state put together of its parts, with their numbers. The next one has many parts in common with
/// it, most of all the costly ones, and is made by changing the others.
struct Made<A: Actor, H> {
    actors: Vec<u32>,
    rest: Rest,
    /// The record of the network.
    network: Vec<u8>,
    state: ActorModelState<A, H>,
}

/// The numbers of a state's parts, with which those of its successors are compared first.
#[derive(Debug, Default)]
struct Guesses {
    actors: Vec<u32>,
    rest: Option<Rest>,
    /// In the order in which the network of that state is gone through.
    envelopes: Vec<u32>,
}

/// The numbers of all parts but actors' states and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rest {
    history: u32,
    timers: u32,
    choices: u32,
    crashed: u32,
    storages: u32,
}

impl Rest {
    fn read(record: &mut Numbers<'_>) -> Self {
        let mut next = || record.next() as u32;
        Self {
            history: next(),
            timers: next(),
            choices: next(),
            crashed: next(),
            storages: next(),
        }
    }
}

/// A state being written down.
struct Writer<'a> {
    record: &'a mut Vec<u8>,
    /// Memory for messages without an order: numbers and how often.
    sorted: &'a mut Vec<(u32, u64)>,
    /// Of all parts written so far, whether they have numbers or not.
    hash: u64,
    /// Whether all parts have numbers.
    complete: bool,
}

impl<'a> Writer<'a> {
    fn new(record: &'a mut Vec<u8>, sorted: &'a mut Vec<(u32, u64)>) -> Self {
        Self {
            record,
            sorted,
            hash: 0,
            complete: true,
        }
    }

    #[inline]
    fn count(&mut self, count: u64) {
        self.hash = mix(self.hash, count);
        write(self.record, count);
    }

    #[inline]
    fn part(&mut self, (hash, number): Known) {
        self.hash = mix(self.hash, hash);
        match number {
            Some(number) => write(self.record, u64::from(number)),
            None => self.complete = false,
        }
    }

    /// Messages without an order, each with how often it is there. Their hashes are added up, so
    /// that only numbers have to be sorted.
    fn unordered(&mut self, parts: impl Iterator<Item = (Known, u64)>, counted: bool) {
        self.sorted.clear();
        let mut sum: u64 = 0;
        for ((hash, number), count) in parts {
            sum = sum.wrapping_add(mix(hash, count));
            match number {
                Some(number) => self.sorted.push((number, count)),
                None => self.complete = false,
            }
        }
        self.hash = mix(self.hash, sum);
        self.sorted.sort_unstable_by_key(|(number, _)| *number);
        write(self.record, self.sorted.len() as u64);
        for &(number, count) in &*self.sorted {
            write(self.record, u64::from(number));
            if counted {
                write(self.record, count);
            }
        }
    }
}

fn same_actor<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

fn hash_of_envelope<M: Hash>(src: Id, dst: Id, msg: &M) -> u64 {
    hash_of(&(src, dst, msg))
}

fn is_envelope<M: PartialEq>(envelope: &Envelope<M>, src: Id, dst: Id, msg: &M) -> bool {
    envelope.src == src && envelope.dst == dst && envelope.msg == *msg
}

impl<A: Actor, H: Clone + Hash + PartialEq> PartsStore<A, H> {
    #[inline]
    fn record(&self, index: Index) -> Numbers<'_> {
        let [a, b, c, d, e] = self.places.get(index as usize)[0];
        self.records
            .at(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]))
    }

    /// Whether the stored state has this record. Records know where they end, so none is the
    /// beginning of another.
    #[inline]
    fn has_record(&self, index: Index, record: &[u8]) -> bool {
        self.record(index).0.starts_with(record)
    }

    /// Writes a state down as far as its parts have numbers. The order is that in which
    /// [`state`](Self::state) reads.
    fn write(&self, state: &ActorModelState<A, H>, guesses: &Guesses, out: &mut Writer<'_>) {
        out.count(state.actor_states.len() as u64);
        for (i, actor) in state.actor_states.iter().enumerate() {
            let guess = guesses.actors.get(i).copied();
            out.part(match guess {
                Some(guess) if same_actor(self.actors.get(guess), actor) => {
                    (self.actors.hash(guess), Some(guess))
                }
                _ => self.actors.known(None, actor),
            });
        }
        let rest = guesses.rest;
        out.part(
            self.histories
                .known(rest.map(|rest| rest.history), &state.history),
        );
        out.part(
            self.timers
                .known(rest.map(|rest| rest.timers), &state.timers_set),
        );
        out.part(
            self.choices
                .known(rest.map(|rest| rest.choices), &state.random_choices),
        );
        out.part(
            self.crashed
                .known(rest.map(|rest| rest.crashed), &state.crashed),
        );
        out.part(
            self.storages
                .known(rest.map(|rest| rest.storages), &state.actor_storages),
        );
        self.write_network(&state.network, &guesses.envelopes, out);
    }

    fn write_network(&self, network: &Network<A::Msg>, guesses: &[u32], out: &mut Writer<'_>) {
        let mut next = 0;
        let mut known = |src, dst, msg: &A::Msg| self.envelope(guesses, &mut next, src, dst, msg);
        match network {
            Network::UnorderedDuplicating(set, last) => {
                out.count(kind::DUPLICATING);
                match last {
                    None => out.count(0),
                    Some(last) => {
                        out.count(1);
                        out.part(known(last.src, last.dst, &last.msg));
                    }
                }
                let parts = set.iter().map(|envelope| {
                    let Envelope { src, dst, msg } = envelope;
                    (known(*src, *dst, msg), 1)
                });
                out.unordered(parts, false);
            }
            Network::UnorderedNonDuplicating(counts) => {
                out.count(kind::NON_DUPLICATING);
                let parts = counts.iter().map(|(envelope, count)| {
                    let Envelope { src, dst, msg } = envelope;
                    (known(*src, *dst, msg), *count as u64)
                });
                out.unordered(parts, true);
            }
            Network::Ordered(flows) => {
                out.count(kind::ORDERED);
                out.count(flows.len() as u64);
                for ((src, dst), messages) in flows {
                    out.count(usize::from(*src) as u64);
                    out.count(usize::from(*dst) as u64);
                    out.count(messages.len() as u64);
                    for msg in messages {
                        out.part(known(*src, *dst, msg));
                    }
                }
            }
        }
    }

    /// What is known of an envelope that may be one of these, the `next` most of all.
    #[inline]
    fn envelope(&self, guesses: &[u32], next: &mut usize, src: Id, dst: Id, msg: &A::Msg) -> Known {
        let same = |envelope: &_| is_envelope(envelope, src, dst, msg);
        let ahead = guesses.get(*next..).unwrap_or_default();
        for (i, &guess) in ahead.iter().take(GUESSES).enumerate() {
            let (hash, envelope) = &self.envelopes.things[guess as usize];
            if same(envelope) {
                *next += i + 1;
                return (*hash, Some(guess));
            }
        }
        let hash = hash_of_envelope(src, dst, msg);
        (hash, self.envelopes.find(hash, same))
    }

    /// Gives all parts of a state numbers.
    fn number_parts(&mut self, state: &ActorModelState<A, H>) {
        for actor in &state.actor_states {
            self.actors.number(actor.clone());
        }
        self.histories.number(state.history.clone());
        self.timers.number(state.timers_set.clone());
        self.choices.number(state.random_choices.clone());
        self.crashed.number(state.crashed.clone());
        self.storages.number(state.actor_storages.clone());
        match &state.network {
            Network::UnorderedDuplicating(set, last) => set
                .iter()
                .chain(last)
                .for_each(|envelope| self.number_envelope(envelope.clone())),
            Network::UnorderedNonDuplicating(counts) => counts
                .keys()
                .for_each(|envelope| self.number_envelope(envelope.clone())),
            Network::Ordered(flows) => {
                for (&(src, dst), messages) in flows {
                    for msg in messages.iter().cloned() {
                        self.number_envelope(Envelope { src, dst, msg });
                    }
                }
            }
        }
    }

    fn number_envelope(&mut self, envelope: Envelope<A::Msg>) {
        let hash = hash_of_envelope(envelope.src, envelope.dst, &envelope.msg);
        if self
            .envelopes
            .find(hash, |known| *known == envelope)
            .is_none()
        {
            self.envelopes.add(hash, envelope);
        }
    }

    /// The record of a state whose parts all have numbers.
    fn written(&self, state: &ActorModelState<A, H>) -> Option<Vec<u8>> {
        let (mut record, mut sorted) = (Vec::new(), Vec::new());
        let mut out = Writer::new(&mut record, &mut sorted);
        self.write(state, &Guesses::default(), &mut out);
        out.complete.then_some(record)
    }

    /// Adds a candidate whose parts may be these.
    fn push_guessed(&self, batch: &mut PartsBatch<A, H>, state: ActorModelState<A, H>) -> u32 {
        let start = batch.records.len();
        let mut out = Writer::new(&mut batch.records, &mut batch.sorted);
        self.write(&state, &batch.guesses, &mut out);
        let Writer { hash, complete, .. } = out;
        let kept = match complete {
            true => Kept::Record(start..batch.records.len()),
            false => {
                batch.records.truncate(start);
                Kept::Whole(Box::new(state))
            }
        };
        let hash = fold(hash);
        batch.candidates.push((hash, kept));
        hash
    }

    pub(crate) fn state(&self, index: Index) -> ActorModelState<A, H> {
        self.read(self.record(index))
    }

    fn read(&self, record: Numbers<'_>) -> ActorModelState<A, H> {
        self.make(record).state
    }

    fn make(&self, mut record: Numbers<'_>) -> Made<A, H> {
        let actors = record.actors().collect::<Vec<_>>();
        let rest = Rest::read(&mut record);
        let written = record.0;
        let state = ActorModelState {
            actor_states: actors.iter().map(|i| self.actors.get(*i).clone()).collect(),
            history: self.histories.get(rest.history).clone(),
            timers_set: self.timers.get(rest.timers).clone(),
            random_choices: self.choices.get(rest.choices).clone(),
            crashed: self.crashed.get(rest.crashed).clone(),
            actor_storages: self.storages.get(rest.storages).clone(),
            network: self.network(&mut record),
        };
        Made {
            actors,
            rest,
            network: written[..written.len() - record.0.len()].to_vec(),
            state,
        }
    }

    /// Turns a state into the one with this record. The network is made anew if it is another one, so
    /// that the order in which it is gone through does not depend on what was made before.
    fn make_of(&self, made: &mut Made<A, H>, mut record: Numbers<'_>) {
        let Made {
            actors,
            rest,
            network,
            state,
        } = made;
        let mut count = 0;
        for number in record.actors() {
            match actors.get_mut(count) {
                Some(same) if *same == number => {}
                Some(other) => {
                    *other = number;
                    state.actor_states[count] = self.actors.get(number).clone();
                }
                None => {
                    actors.push(number);
                    state.actor_states.push(self.actors.get(number).clone());
                }
            }
            count += 1;
        }
        actors.truncate(count);
        state.actor_states.truncate(count);
        let old = std::mem::replace(rest, Rest::read(&mut record));
        if old.history != rest.history {
            state.history = self.histories.get(rest.history).clone();
        }
        if old.timers != rest.timers {
            state.timers_set.clone_from(self.timers.get(rest.timers));
        }
        if old.choices != rest.choices {
            let choices = self.choices.get(rest.choices);
            state.random_choices.clone_from(choices);
        }
        if old.crashed != rest.crashed {
            state.crashed.clone_from(self.crashed.get(rest.crashed));
        }
        if old.storages != rest.storages {
            let storages = self.storages.get(rest.storages);
            state.actor_storages.clone_from(storages);
        }
        if !record.0.starts_with(network) {
            let written = record.0;
            state.network = self.network(&mut record);
            network.clear();
            network.extend_from_slice(&written[..written.len() - record.0.len()]);
        }
    }

    /// Takes a candidate that was not moved yet out of a batch, with its hash.
    pub(crate) fn take(
        &self,
        batch: &mut PartsBatch<A, H>,
        at: usize,
    ) -> (u32, ActorModelState<A, H>) {
        let (hash, candidate) = &mut batch.candidates[at];
        let state = match std::mem::replace(candidate, Kept::Moved) {
            Kept::Record(range) => self.read(Numbers(&batch.records[range])),
            Kept::Whole(state) => *state,
            Kept::Moved => panic!("a candidate is moved once"),
        };
        (*hash, state)
    }

    fn network(&self, record: &mut Numbers<'_>) -> Network<A::Msg> {
        let envelope = |number| self.envelopes.get(number as u32);
        match record.next() {
            kind::DUPLICATING => {
                let last = (record.next() == 1).then(|| envelope(record.next()).clone());
                let envelopes = (0..record.next()).map(|_| envelope(record.next()).clone());
                Network::new_unordered_duplicating_with_last_msg(envelopes, last)
            }
            kind::NON_DUPLICATING => {
                let mut network = Network::new_unordered_nonduplicating([]);
                if let Network::UnorderedNonDuplicating(counts) = &mut network {
                    let different = record.next();
                    counts.reserve(different as usize + 1);
                    for _ in 0..different {
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

    /// Turns to the successors of this stored state.
    fn guess_from(&self, guesses: &mut Guesses, index: Index, state: &ActorModelState<A, H>) {
        let mut record = self.record(index);
        guesses.actors.clear();
        guesses.actors.extend(record.actors());
        guesses.rest = Some(Rest::read(&mut record));
        guesses.envelopes.clear();
        let envelopes = &mut guesses.envelopes;
        record.envelopes(envelopes);
        // A successor's network is gone through in much the same order as this one.
        let mut in_turn = |i: usize, envelope: &Envelope<A::Msg>| {
            let is_it = |number: &u32| self.envelopes.get(*number) == envelope;
            let at = envelopes[i..].iter().position(is_it);
            envelopes.swap(i, i + at.expect("a stored state's envelopes have numbers"));
        };
        match &state.network {
            Network::UnorderedDuplicating(set, _) => set
                .iter()
                .enumerate()
                .for_each(|(i, envelope)| in_turn(i, envelope)),
            Network::UnorderedNonDuplicating(counts) => counts
                .keys()
                .enumerate()
                .for_each(|(i, envelope)| in_turn(i, envelope)),
            Network::Ordered(_) => {}
        }
    }
}

/// Candidates: those made of known parts written down, the others whole.
pub struct PartsBatch<A: Actor, H> {
    candidates: Vec<(u32, Kept<ActorModelState<A, H>>)>,
    records: Vec<u8>,
    guesses: Guesses,
    sorted: Vec<(u32, u64)>,
}

enum Kept<T> {
    Record(Range<usize>),
    Whole(Box<T>),
    Moved,
}

impl<A: Actor, H> Default for PartsBatch<A, H> {
    fn default() -> Self {
        Self {
            candidates: Vec::new(),
            records: Vec::new(),
            guesses: Guesses::default(),
            sorted: Vec::new(),
        }
    }
}

impl<A: Actor, H> PartsBatch<A, H> {
    fn record(&self, range: &Range<usize>) -> &[u8] {
        &self.records[range.clone()]
    }

    /// The hash of a candidate.
    pub(crate) fn hash(&self, at: usize) -> u32 {
        self.candidates[at].0
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
    type Batch = PartsBatch<A, H>;

    fn clear(batch: &mut Self::Batch) {
        batch.candidates.clear();
        batch.records.clear();
    }

    fn batch_bytes(batch: &Self::Batch) -> usize {
        batch.candidates.capacity() * size_of::<(u32, Kept<ActorModelState<A, H>>)>()
            + batch.records.capacity()
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
        let (hash, candidate) = &batch.candidates[at];
        self.hash(index) == *hash
            && match candidate {
                Kept::Record(range) => self.has_record(index, batch.record(range)),
                Kept::Whole(state) => self
                    .written(state)
                    .is_some_and(|record| self.has_record(index, &record)),
                Kept::Moved => false,
            }
    }

    #[inline]
    fn candidate_hash(&self, batch: &Self::Batch, at: usize) -> u32 {
        batch.candidates[at].0
    }

    #[inline]
    fn same(&self, batch: &Self::Batch, one: usize, other: usize) -> bool {
        let (one, other) = (&batch.candidates[one], &batch.candidates[other]);
        one.0 == other.0
            && match (&one.1, &other.1) {
                (Kept::Record(one), Kept::Record(other)) => {
                    batch.record(one) == batch.record(other)
                }
                (Kept::Whole(one), Kept::Whole(other)) => one == other,
                // Its parts may have got numbers since.
                (Kept::Record(record), Kept::Whole(state))
                | (Kept::Whole(state), Kept::Record(record)) => {
                    self.written(state).as_deref() == Some(batch.record(record))
                }
                (Kept::Moved, _) | (_, Kept::Moved) => false,
            }
    }

    fn append(&mut self, batch: &mut Self::Batch, at: usize) {
        let (hash, candidate) = &mut batch.candidates[at];
        let place = match std::mem::replace(candidate, Kept::Moved) {
            Kept::Record(range) => self.records.push(&batch.records[range]),
            Kept::Whole(state) => {
                self.number_parts(&state);
                let record = self.written(&state);
                self.records
                    .push(&record.expect("all parts have just been numbered"))
            }
            Kept::Moved => panic!("a candidate is moved once"),
        };
        let [place @ .., 0, 0, 0] = place.to_le_bytes() else {
            panic!("a terabyte is full");
        };
        self.places.push(place);
        self.hashes.push(*hash);
    }
}

impl<A, H> Keeps<ActorModelState<A, H>> for PartsStore<A, H>
where
    A: Actor,
    H: Clone + Hash + PartialEq,
    Self: Store<Batch = PartsBatch<A, H>>,
{
    fn with<R>(&self, index: u32, use_it: impl FnOnce(&ActorModelState<A, H>) -> R) -> R {
        let record = self.record(index);
        let lock = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let last = lock().pop();
        let made = match last {
            Some(mut made) => {
                self.make_of(&mut made, record);
                made
            }
            None => self.make(record),
        };
        let result = use_it(&made.state);
        lock().push(made);
        result
    }

    fn push(&self, batch: &mut Self::Batch, state: ActorModelState<A, H>) -> u32 {
        batch.guesses = Guesses::default();
        self.push_guessed(batch, state)
    }

    fn depart(&self, batch: &mut Self::Batch, index: u32, state: &ActorModelState<A, H>) {
        self.guess_from(&mut batch.guesses, index, state);
    }

    fn push_next(&self, batch: &mut Self::Batch, next: ActorModelState<A, H>) -> u32 {
        self.push_guessed(batch, next)
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
            let mut batch = PartsBatch::default();
            for state in &states {
                store.push(&mut batch, state.clone());
            }
            for at in 0..states.len() {
                store.append(&mut batch, at);
            }
            for state in &states {
                store.push(&mut batch, state.clone());
            }
            for (i, state) in states.iter().enumerate() {
                prop_assert!(store.with(i as u32, |stored| stored == state));
                for (j, other) in states.iter().enumerate() {
                    let equal = store.equals(i as u32, &batch, states.len() + j);
                    prop_assert_eq!(equal, state == other);
                }
            }
        }

        /// Whatever predecessor a state is compared with first, and whichever of its parts have
        /// numbers already.
        #[test]
        fn guesses_change_nothing(
            stored in prop::collection::vec(any_state(), 1..6),
            others in prop::collection::vec(any_state(), 1..6),
        ) {
            let mut store = PartsStore::<Nobody, u8>::default();
            let mut batch = PartsBatch::default();
            for (at, state) in stored.iter().enumerate() {
                store.push(&mut batch, state.clone());
                store.append(&mut batch, at);
            }
            for (index, state) in stored.iter().enumerate() {
                for next in stored.iter().chain(&others) {
                    PartsStore::clear(&mut batch);
                    let plain = store.push(&mut batch, next.clone());
                    store.depart(&mut batch, index as u32, state);
                    let guessed = store.push_next(&mut batch, next.clone());
                    prop_assert_eq!(plain, guessed);
                    prop_assert!(store.same(&batch, 0, 1));
                    for (i, state) in stored.iter().enumerate() {
                        prop_assert_eq!(store.equals(i as u32, &batch, 1), state == next);
                    }
                }
            }
        }
    }
}
