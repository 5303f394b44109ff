//! Lookups that do not wait: memory is requested a while before it is needed.

use crate::store::{Index, Store};
use crate::table::Table;

/// How many lookups ahead memory is requested; a power of two.
const AHEAD: usize = 16;

/// Looks ahead in a list of hashes that are going to be looked up, so that the memory is on its way
/// when a hash's turn comes: first the line of the table, then the state that the line points to.
pub(crate) struct Ahead {
    /// Numbers of states to compare with first, for the next hashes; only guesses.
    guesses: [Option<Index>; AHEAD],
}

impl Ahead {
    /// `hash` gives the hash at a position, or `None` beyond the end.
    #[inline]
    pub(crate) fn new(
        table: &Table,
        store: &impl Store,
        hash: impl Fn(usize) -> Option<u32>,
    ) -> Self {
        let mut ahead = Self {
            guesses: [None; AHEAD],
        };
        for hash in (0..AHEAD).map_while(&hash) {
            table.prefetch(hash);
        }
        for i in 0..AHEAD {
            ahead.look(table, store, &hash, i);
        }
        ahead
    }

    /// The state that the `i`-th may be; to be called once for each in turn.
    #[inline]
    pub(crate) fn guess(
        &mut self,
        table: &Table,
        store: &impl Store,
        hash: impl Fn(usize) -> Option<u32>,
        i: usize,
    ) -> Option<Index> {
        let guess = self.guesses[i % AHEAD];
        self.look(table, store, hash, i + AHEAD);
        guess
    }

    #[inline]
    fn look(
        &mut self,
        table: &Table,
        store: &impl Store,
        hash: impl Fn(usize) -> Option<u32>,
        i: usize,
    ) {
        if let Some(hash) = hash(i + AHEAD) {
            table.prefetch(hash);
        }
        if let Some(hash) = hash(i) {
            let guess = table.guess(hash);
            if let Some(index) = guess {
                store.prefetch(index);
            }
            self.guesses[i % AHEAD] = guess;
        }
    }
}
