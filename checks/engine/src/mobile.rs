//! States on their way from one worker to another.
//!
//! Where several workers share a search, each state has one of them for its owner, by a hash of the
//! state. That hash must have nothing to do with the one by which the owner finds the state in its
//! [table](crate::table): a worker only ever sees states whose owner's hash lies in its part of all
//! hashes, and a table that looked at the same bits would use that part of its lines and no other.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};

use stateright::actor::{Actor, ActorModel, ActorModelState};

use crate::actors::{ActorBatch, ActorStore};
use crate::store::{ExactBatch, ExactStore, Keeps, PackedBatch, PackedStore, Store};

/// Encoded states under way.
pub trait Parcel: Default + Clone + Send + 'static {
    /// Whether it can leave the process: as a list of 64-bit words.
    const PORTABLE: bool;

    /// Whether there is no state in it.
    fn is_empty(&self) -> bool;

    /// Memory its states occupy in it, in bytes.
    fn bytes(&self) -> usize;

    /// Its words.
    ///
    /// # Panics
    ///
    /// Unless it is [`PORTABLE`](Self::PORTABLE).
    fn words(&self) -> &[u64];

    /// The parcel with these words.
    ///
    /// # Panics
    ///
    /// Unless it is [`PORTABLE`](Self::PORTABLE).
    fn from_words(words: Vec<u64>) -> Self;
}

/// A store whose candidates can be handed on to the store of another worker.
pub trait Mobile: Store {
    /// Candidates under way.
    type Parcel: Parcel;

    /// A hash of a candidate that says who owns it, the same in every process of the same program;
    /// it is independent of [`Store::hash`].
    fn route(&self, batch: &Self::Batch, at: usize) -> u64;

    /// Takes a candidate that was not moved yet out of a batch and adds it to a parcel.
    fn load(&self, batch: &mut Self::Batch, at: usize, parcel: &mut Self::Parcel);

    /// Adds the states of a parcel to a batch, and calls `each` with the hash of each.
    fn unload(&self, parcel: Self::Parcel, batch: &mut Self::Batch, each: impl FnMut(u32));

    /// A stored state, alone in a parcel.
    fn copy(&self, index: u32) -> Self::Parcel;
}

/// The worker, of so many, that owns a state with this route.
#[inline]
pub(crate) fn owner(route: u64, peers: usize) -> usize {
    ((u128::from(route) * peers as u128) >> 64) as usize
}

/// Packed states, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<u64>);

impl Parcel for Words {
    const PORTABLE: bool = true;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.0[..])
    }

    fn words(&self) -> &[u64] {
        &self.0
    }

    fn from_words(words: Vec<u64>) -> Self {
        Self(words)
    }
}

/// Neither of the numbers by which [`crate::store`] hashes; from the digits of pi.
const KEY: u64 = 0x2436_a885_a308_d319;
const OTHER_KEY: u64 = 0x4a40_9382_2299_f31d;

#[inline]
fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(KEY);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Mobile for PackedStore {
    type Parcel = Words;

    #[inline]
    fn route(&self, batch: &PackedBatch, at: usize) -> u64 {
        let words = batch.get(at, self.width_in_words()).iter();
        let hash = words.fold(OTHER_KEY, |state, &word| mix(state, word));
        // The upper bits decide: a second round, so that all have a say in them.
        mix(hash.rotate_left(32), OTHER_KEY)
    }

    #[inline]
    fn load(&self, batch: &mut PackedBatch, at: usize, parcel: &mut Words) {
        match batch.get(at, self.width_in_words()) {
            // Not worth a call of `memcpy`.
            [word] => parcel.0.push(*word),
            words => parcel.0.extend_from_slice(words),
        }
    }

    fn unload(&self, parcel: Words, batch: &mut PackedBatch, mut each: impl FnMut(u32)) {
        let width = self.width_in_words();
        for words in parcel.0.chunks_exact(width) {
            each(PackedStore::push(batch, width, |out| {
                match (&mut *out, words) {
                    ([to], [from]) => *to = *from,
                    (to, from) => to.copy_from_slice(from),
                }
            }));
        }
    }

    fn copy(&self, index: u32) -> Words {
        Words(self.words(index).to_vec())
    }
}

/// Whole states, each with the hash by which it is looked up.
#[derive(Clone, Debug)]
pub struct Whole<T>(Vec<(u32, T)>);

impl<T> Default for Whole<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone + Send + 'static> Parcel for Whole<T> {
    const PORTABLE: bool = false;

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.0[..])
    }

    fn words(&self) -> &[u64] {
        panic!("states of any type do not leave the process");
    }

    fn from_words(_: Vec<u64>) -> Self {
        panic!("states of any type do not come from outside of the process");
    }
}

impl<T> Mobile for ExactStore<T>
where
    T: Clone + Hash + PartialEq + Send + Sync + 'static,
{
    type Parcel = Whole<T>;

    fn route(&self, batch: &ExactBatch<T>, at: usize) -> u64 {
        foldhash::quality::FixedState::with_seed(KEY).hash_one(batch.state(at))
    }

    fn load(&self, batch: &mut ExactBatch<T>, at: usize, parcel: &mut Whole<T>) {
        parcel.0.push(batch.take(at));
    }

    fn unload(&self, parcel: Whole<T>, batch: &mut ExactBatch<T>, mut each: impl FnMut(u32)) {
        for (hash, state) in parcel.0 {
            each(batch.push(hash, state));
        }
    }

    fn copy(&self, index: u32) -> Whole<T> {
        Whole(vec![(self.hash(index), self.state(index).clone())])
    }
}

/// On the way a state is whole: another worker numbers its parts in its own way.
impl<A, C, H> Mobile for ActorStore<A, C, H>
where
    A: Actor<Msg: Ord, Timer: Ord>,
    H: Clone + Debug + Hash + PartialEq,
    ActorModelState<A, H>: Clone + Send + 'static,
    Self: Keeps<ActorModel<A, C, H>, Batch = ActorBatch>,
{
    type Parcel = Whole<ActorModelState<A, H>>;

    fn route(&self, batch: &ActorBatch, at: usize) -> u64 {
        let hash = mix(OTHER_KEY, self.hash_of_parts(batch, at));
        mix(hash.rotate_left(32), OTHER_KEY)
    }

    fn load(&self, batch: &mut ActorBatch, at: usize, parcel: &mut Self::Parcel) {
        let hash = self.candidate_hash(batch, at);
        parcel.0.push((hash, self.candidate(batch, at)));
    }

    fn unload(&self, parcel: Self::Parcel, batch: &mut ActorBatch, mut each: impl FnMut(u32)) {
        for (_, state) in parcel.0 {
            each(self.push(batch, state));
        }
    }

    fn copy(&self, index: u32) -> Self::Parcel {
        Whole(vec![(self.hash(index), self.state(index))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the table's own hash for a route the first worker would use half of its lines.
    #[test]
    fn the_owner_says_nothing_about_the_place_in_the_table() {
        let store = PackedStore::new(1);
        let mut batch = PackedBatch::default();
        let mut owned = [0_usize; 2];
        let mut upper = [0_usize; 2];
        for at in 0..100_000 {
            let hash = PackedStore::push(&mut batch, 1, |out| out[0] = at as u64);
            let owner = owner(store.route(&batch, at), 2);
            owned[owner] += 1;
            upper[owner] += (hash >> 31) as usize;
        }
        for (owned, upper) in owned.into_iter().zip(upper) {
            assert!((48_000..52_000).contains(&owned), "{owned}");
            let share = upper as f64 / owned as f64;
            assert!((0.48..0.52).contains(&share), "{share}");
        }
    }
}
