//! Where states are kept: each once, numbered 0, 1, 2, ... in the order in which they were found.
//!
//! A store is an arena of large blocks, of which only the first ever moves, so growth needs no second
//! copy. It knows nothing of hashing's collisions or of who preceded whom; see [`crate::table`] and
//! [`crate::search`] for those.

use std::hash::{BuildHasher, Hash};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use stateright::Model;

use crate::checkpoint::{Persist, read_blocks, write_blocks};
use crate::chunk::Candidate;
use crate::recent::{Recent, Successors};

/// A number for a state, dense from 0 in the order of discovery.
pub(crate) type Index = u32;

/// States in an arena, and batches of candidates that may turn out to be new.
pub trait Store: Send + Sync {
    /// Candidates: encoded states that are not in the store, or not known to be.
    type Batch: Default + Send + Sync;

    /// Whether a candidate is looked up as soon as it is there, rather than together with others.
    /// It pays where candidates own memory: that of a known one can be used again for the next.
    const AT_ONCE: bool = false;

    /// Removes the last candidate of a batch. Only asked of stores that look up at once.
    fn drop_last(batch: &mut Self::Batch) {
        let _ = batch;
    }

    /// Removes all candidates of a batch, keeping its memory.
    fn clear(batch: &mut Self::Batch);

    /// Memory a batch occupies, in bytes.
    fn batch_bytes(batch: &Self::Batch) -> usize;

    /// Number of states.
    fn len(&self) -> usize;

    /// Whether there is no state yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory the states occupy, in bytes.
    fn bytes(&self) -> usize;

    /// The hash of a stored state, equal to the one it had as a candidate.
    fn hash(&self, index: u32) -> u32;

    /// Hints that a stored state is about to be compared.
    fn prefetch(&self, index: u32);

    /// Whether a stored state and the candidate at position `at` are the same state.
    fn equals(&self, index: u32, batch: &Self::Batch, at: usize) -> bool;

    /// The hash of a candidate.
    fn candidate_hash(&self, batch: &Self::Batch, at: usize) -> u32;

    /// The candidates of a batch, if all states are one word each and candidates nothing else.
    fn words<'a>(&self, batch: &'a Self::Batch) -> Option<&'a [u64]> {
        let _ = batch;
        None
    }

    /// Adds to `fresh` the candidates that are to be looked up, in order. Left out may be those that
    /// are the state they come from, or were met lately.
    fn sift(
        &self,
        batch: &Self::Batch,
        successors: Successors<'_>,
        recent: &mut Recent,
        fresh: &mut Vec<Candidate>,
    ) where
        Self: Sized,
    {
        recent.sift(self, batch, successors, fresh);
    }

    /// Whether two candidates, neither of them moved yet, are the same state.
    fn same(&self, batch: &Self::Batch, one: usize, other: usize) -> bool;

    /// Moves the candidate at position `at` into the store, under the next number. A candidate is
    /// moved at most once.
    fn append(&mut self, batch: &mut Self::Batch, at: usize);

    /// Whether states can be [copied](Self::copy).
    const COPIES: bool = false;

    /// Holds copies of these states of another store of the same system, numbered from 0, and no others:
    /// they can be read while the other store grows. Only asked of stores that [copy](Self::COPIES).
    fn copy(&mut self, other: &Self, states: Range<Index>) {
        let _ = (other, states);
        unreachable!("only stores that copy are asked to");
    }

    /// Hints that the states before this number have been expanded and will not be asked for again,
    /// except to be compared with.
    fn forget(&mut self, before: u32) {
        let _ = before;
    }

    /// An upper bound of the probability that one of the states found was taken for another and so
    /// lost: 0 if states are compared whole.
    fn omission(&self) -> f64 {
        0.0
    }
}

/// Blocks are reserved whole, but memory that was never touched costs nothing.
const BLOCK_BYTES: usize = 16 << 20;

/// A growing array in blocks of a fixed size; all but the first never move.
#[derive(Debug)]
pub(crate) struct Blocks<T> {
    blocks: Vec<Vec<T>>,
    /// Records in a block, as a power of two.
    shift: u32,
    /// Items in a record.
    pub(crate) width: usize,
    records: usize,
    /// Blocks given back, the first ones.
    freed: usize,
}

impl<T> Blocks<T> {
    /// An array of records of `width` items each.
    pub(crate) fn new(width: usize) -> Self {
        Self::in_blocks_of(BLOCK_BYTES, width)
    }

    /// An array in blocks of about so many bytes.
    pub(crate) fn in_blocks_of(bytes: usize, width: usize) -> Self {
        assert!(width > 0, "a record has at least one item");
        let per_block = (bytes / (width * size_of::<T>()).max(1)).max(1);
        Self {
            blocks: Vec::new(),
            shift: per_block.ilog2(),
            width,
            records: 0,
            freed: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records
    }

    /// Memory in use; reserved but never touched memory does not count.
    pub(crate) fn bytes(&self) -> usize {
        (self.records - (self.freed << self.shift)) * self.width * size_of::<T>()
    }

    /// Removes everything, keeping the memory of the first block.
    pub(crate) fn clear(&mut self) {
        self.blocks.truncate(1);
        self.blocks.iter_mut().for_each(Vec::clear);
        self.records = 0;
        self.freed = 0;
    }

    /// Gives back the memory of records before this one, as far as whole blocks can be.
    pub(crate) fn free_before(&mut self, record: usize) {
        while self.freed < record >> self.shift {
            self.blocks[self.freed] = Vec::new();
            self.freed += 1;
        }
    }

    #[inline]
    pub(crate) fn get(&self, record: usize) -> &[T] {
        let block = &self.blocks[record >> self.shift];
        let first = (record & ((1 << self.shift) - 1)) * self.width;
        &block[first..first + self.width]
    }

    /// The records in a range, as few slices as possible.
    pub(crate) fn slices(&self, records: Range<usize>) -> impl Iterator<Item = &[T]> {
        let mut next = records.start;
        std::iter::from_fn(move || {
            if next >= records.end {
                return None;
            }
            let block = next >> self.shift;
            let first = block << self.shift;
            let end = records.end.min(first + (1 << self.shift));
            let slice =
                &self.blocks[block][(next - first) * self.width..(end - first) * self.width];
            next = end;
            Some(slice)
        })
    }

    /// Adds so many records to an empty array that are not there and must not be asked for.
    pub(crate) fn leave_out(&mut self, records: usize)
    where
        T: Copy + Default,
    {
        self.freed = records >> self.shift;
        self.blocks.resize_with(self.freed, Vec::new);
        self.records = self.freed << self.shift;
        let nothing = vec![T::default(); self.width];
        while self.records < records {
            self.push_all(&nothing);
        }
    }

    /// The block that the next record goes to.
    #[inline]
    fn last(&mut self) -> &mut Vec<T> {
        if self.records >> self.shift == self.blocks.len() {
            self.add_block();
        }
        self.records += 1;
        self.blocks.last_mut().expect("a block was just ensured")
    }

    #[cold]
    fn add_block(&mut self) {
        // The first one grows: most searches are small.
        let mut block = Vec::new();
        if !self.blocks.is_empty() {
            block.reserve_exact(self.width << self.shift);
            use_huge_pages(&mut block);
        }
        self.blocks.push(block);
    }

    /// Adds a record of one item.
    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        debug_assert_eq!(self.width, 1);
        self.last().push(item);
    }

    /// Adds a record.
    #[inline]
    pub(crate) fn push_all(&mut self, items: &[T])
    where
        T: Copy,
    {
        debug_assert_eq!(self.width, items.len());
        let block = self.last();
        for &item in items {
            block.push(item);
        }
    }
}

/// Hints that the cache line at `address` will be read soon.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint and never faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Asks for huge pages for the spare capacity of a large vector that is going to be read at random:
/// with small ones nearly every access waits for an address translation, too. A wish, no more.
pub(crate) fn use_huge_pages<T>(vector: &mut Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let spare = vector.spare_capacity_mut();
        let start = spare.as_mut_ptr().addr().next_multiple_of(PAGE);
        let end = (spare.as_mut_ptr().addr() + size_of_val(spare)) / PAGE * PAGE;
        if end.saturating_sub(start) >= 4 << 20 {
            // SAFETY: the pages lie within one allocation of ours, and the advice changes neither
            // their contents nor their protection.
            unsafe {
                let start = spare.as_mut_ptr().cast::<u8>().with_addr(start);
                libc::madvise(start.cast(), end - start.addr(), libc::MADV_HUGEPAGE);
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = vector;
}

/// 64 to 32 bits, keeping the influence of every bit.
#[inline]
pub(crate) fn fold(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

/// Packed states: a fixed number of words each.
#[derive(Debug)]
pub struct PackedStore {
    words: Blocks<u64>,
}

/// Packed candidates, one after the other.
#[derive(Debug, Default)]
pub struct PackedBatch {
    words: Vec<u64>,
    /// The stored state whose successors are being added.
    own: Vec<u64>,
}

impl PackedBatch {
    /// The candidate at this position.
    #[inline]
    pub(crate) fn get(&self, at: usize, width: usize) -> &[u64] {
        &self.words[at * width..(at + 1) * width]
    }

    /// Turns to the successors of a stored state.
    #[inline]
    pub(crate) fn depart(&mut self, words: &[u64]) {
        self.own.clear();
        self.own.extend_from_slice(words);
    }

    /// Adds a successor of the state that was turned to, which `change` makes of that state.
    #[inline]
    pub(crate) fn push_next(&mut self, change: impl FnOnce(&mut [u64])) -> &[u64] {
        let start = self.words.len();
        match self.own[..] {
            // Not worth a call of `memcpy`.
            [word] => self.words.push(word),
            ref own => self.words.extend_from_slice(own),
        }
        let words = &mut self.words[start..];
        change(words);
        words
    }
}

impl PackedStore {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            words: Blocks::new(width),
        }
    }

    pub(crate) fn width_in_words(&self) -> usize {
        self.words.width
    }

    #[inline]
    pub(crate) fn words(&self, index: Index) -> &[u64] {
        self.words.get(index as usize)
    }

    /// Adds a candidate that `fill` writes, and returns its hash.
    #[inline]
    pub(crate) fn push(
        batch: &mut PackedBatch,
        width: usize,
        fill: impl FnOnce(&mut [u64]),
    ) -> u32 {
        let start = batch.words.len();
        batch.words.resize(start + width, 0);
        let words = &mut batch.words[start..];
        fill(words);
        hash_words(words)
    }
}

/// The golden ratio.
pub(crate) const KEY: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER_KEY: u64 = 0xd1b5_4a32_d192_ed03;

/// Folded multiplication (the construction of wyhash and foldhash): the upper half of a 128-bit
/// product carries every bit of its factors into the lower.
#[inline]
pub(crate) fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(KEY);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline]
pub(crate) fn hash_words(words: &[u64]) -> u32 {
    fold(
        words
            .iter()
            .fold(OTHER_KEY, |state, word| mix(state, *word)),
    )
}

/// A loop, not a call of `memcmp`: states are short.
#[inline]
fn equal_words(one: &[u64], other: &[u64]) -> bool {
    one.iter().zip(other).all(|(a, b)| a == b)
}

impl Store for PackedStore {
    type Batch = PackedBatch;

    const COPIES: bool = true;

    fn copy(&mut self, other: &Self, states: Range<Index>) {
        self.words.clear();
        for words in other
            .words
            .slices(states.start as usize..states.end as usize)
        {
            for state in words.chunks_exact(self.words.width) {
                self.words.push_all(state);
            }
        }
    }

    fn clear(batch: &mut PackedBatch) {
        batch.words.clear();
    }

    fn batch_bytes(batch: &PackedBatch) -> usize {
        (batch.words.capacity() + batch.own.capacity()) * size_of::<u64>()
    }

    fn len(&self) -> usize {
        self.words.len()
    }

    fn bytes(&self) -> usize {
        self.words.bytes()
    }

    #[inline]
    fn hash(&self, index: Index) -> u32 {
        hash_words(self.words(index))
    }

    #[inline]
    fn prefetch(&self, index: Index) {
        prefetch(self.words(index).as_ptr());
    }

    #[inline]
    fn equals(&self, index: Index, batch: &PackedBatch, at: usize) -> bool {
        equal_words(self.words(index), batch.get(at, self.words.width))
    }

    #[inline]
    fn candidate_hash(&self, batch: &PackedBatch, at: usize) -> u32 {
        hash_words(batch.get(at, self.words.width))
    }

    fn words<'a>(&self, batch: &'a PackedBatch) -> Option<&'a [u64]> {
        (self.words.width == 1).then_some(&batch.words)
    }

    fn sift(
        &self,
        batch: &PackedBatch,
        successors: Successors<'_>,
        recent: &mut Recent,
        fresh: &mut Vec<Candidate>,
    ) {
        match self.words.width {
            1 => recent.sift_words(
                &batch.words,
                |index| self.words(index)[0],
                |word| hash_words(&[word]),
                successors,
                fresh,
            ),
            _ => recent.sift(self, batch, successors, fresh),
        }
    }

    #[inline]
    fn same(&self, batch: &PackedBatch, one: usize, other: usize) -> bool {
        let width = self.words.width;
        equal_words(batch.get(one, width), batch.get(other, width))
    }

    #[inline]
    fn append(&mut self, batch: &mut PackedBatch, at: usize) {
        self.words.push_all(batch.get(at, self.words.width));
    }
}

impl Persist for PackedStore {
    const KIND: &'static str = "packed";

    fn width(&self) -> usize {
        self.words.width
    }

    fn written(&self, states: usize, _next: usize) -> u64 {
        (states * self.words.width * size_of::<u64>()) as u64
    }

    fn write(&self, states: usize, _next: usize, out: &mut dyn Write) -> io::Result<()> {
        write_blocks(&self.words, 0..states, out)
    }

    fn read(&mut self, states: usize, _next: usize, from: &mut dyn Read) -> io::Result<()> {
        read_blocks(&mut self.words, states, from)
    }
}

/// A store of a model's states.
pub trait Keeps<M: Model>: Store {
    /// Whether every state stored can be had back.
    const KEEPS_STATES: bool = true;

    /// What there is to say about how they are kept.
    type How: Clone + Send + Sync;

    /// An empty store.
    fn of(model: &Arc<M>, how: &Self::How) -> Self;

    /// Hands the state with this number to `use_it`.
    fn with<R>(&self, index: u32, use_it: impl FnOnce(&M::State) -> R) -> R;

    /// Adds a candidate, and returns its hash.
    fn push(&self, batch: &mut Self::Batch, state: M::State) -> u32;

    /// Adds the successors of the state with this number, see
    /// [`System::expand_into`](crate::System::expand_into).
    fn expand_into<L>(
        &self,
        batch: &mut Self::Batch,
        (_index, state): (u32, &M::State),
        model: &M,
        label: impl Fn(&dyn Fn() -> M::Action) -> L,
        visit: &mut impl FnMut(&mut Self::Batch, L, Option<u32>),
    ) where
        M::Action: Clone,
    {
        let mut actions = Vec::with_capacity(ACTIONS);
        model.actions(state, &mut actions);
        for action in actions {
            let label = label(&|| action.clone());
            if let Some(next) = model.next_state(state, action) {
                let inside = model.within_boundary(&next);
                let hash = inside.then(|| self.push(batch, next));
                visit(batch, label, hash);
            }
        }
    }
}

/// Room for the actions of most states, so that it need not grow from nothing for each.
pub(crate) const ACTIONS: usize = 8;

/// Whole states of any type, each with its hash.
#[derive(Debug)]
pub struct ExactStore<T> {
    states: Blocks<T>,
    hashes: Blocks<u32>,
}

/// Candidates of any type.
#[derive(Debug)]
pub struct ExactBatch<T> {
    pub(crate) states: Vec<(u32, Option<T>)>,
}

impl<T> ExactBatch<T> {
    pub(crate) fn push(&mut self, hash: u32, state: T) -> u32 {
        self.states.push((hash, Some(state)));
        hash
    }

    /// Takes a candidate out, together with its hash.
    pub(crate) fn take(&mut self, at: usize) -> (u32, T) {
        let (hash, candidate) = &mut self.states[at];
        (*hash, candidate.take().expect("a candidate is moved once"))
    }

    /// The candidate at this position, which was not taken out yet.
    pub(crate) fn state(&self, at: usize) -> &T {
        let state = self.states[at].1.as_ref();
        state.expect("a candidate is asked for before it is moved")
    }

    pub(crate) fn bytes(&self) -> usize {
        self.states.capacity() * size_of::<(u32, Option<T>)>()
    }
}

impl<T> Default for ExactBatch<T> {
    fn default() -> Self {
        Self { states: Vec::new() }
    }
}

impl<T> Default for ExactStore<T> {
    fn default() -> Self {
        Self {
            states: Blocks::new(1),
            hashes: Blocks::new(1),
        }
    }
}

impl<T> ExactStore<T> {
    #[inline]
    pub(crate) fn state(&self, index: Index) -> &T {
        &self.states.get(index as usize)[0]
    }
}

impl<M: Model<State: Hash + PartialEq + Send + Sync>> Keeps<M> for ExactStore<M::State> {
    type How = ();

    fn of(_: &Arc<M>, (): &()) -> Self {
        Self::default()
    }

    #[inline]
    fn with<R>(&self, index: u32, use_it: impl FnOnce(&M::State) -> R) -> R {
        use_it(self.state(index))
    }

    #[inline]
    fn push(&self, batch: &mut ExactBatch<M::State>, state: M::State) -> u32 {
        let hash = foldhash::quality::FixedState::with_seed(0).hash_one(&state);
        batch.push(fold(hash), state)
    }
}

impl<T: Hash + PartialEq + Send + Sync> Store for ExactStore<T> {
    type Batch = ExactBatch<T>;

    const AT_ONCE: bool = true;

    #[inline]
    fn drop_last(batch: &mut ExactBatch<T>) {
        batch.states.pop();
    }

    fn clear(batch: &mut ExactBatch<T>) {
        batch.states.clear();
    }

    fn batch_bytes(batch: &ExactBatch<T>) -> usize {
        batch.bytes()
    }

    fn len(&self) -> usize {
        self.states.len()
    }

    fn bytes(&self) -> usize {
        self.states.bytes() + self.hashes.bytes()
    }

    #[inline]
    fn hash(&self, index: Index) -> u32 {
        self.hashes.get(index as usize)[0]
    }

    #[inline]
    fn prefetch(&self, index: Index) {
        prefetch(self.state(index));
    }

    #[inline]
    fn equals(&self, index: Index, batch: &ExactBatch<T>, at: usize) -> bool {
        let (hash, candidate) = &batch.states[at];
        self.hash(index) == *hash
            && candidate
                .as_ref()
                .is_some_and(|state| state == self.state(index))
    }

    #[inline]
    fn candidate_hash(&self, batch: &ExactBatch<T>, at: usize) -> u32 {
        batch.states[at].0
    }

    #[inline]
    fn same(&self, batch: &ExactBatch<T>, one: usize, other: usize) -> bool {
        batch.states[one] == batch.states[other]
    }

    fn append(&mut self, batch: &mut ExactBatch<T>, at: usize) {
        let (hash, state) = batch.take(at);
        self.states.push(state);
        self.hashes.push(hash);
    }
}
