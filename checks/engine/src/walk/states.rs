//! A set of states.

use std::borrow::Cow;

use crate::store::{Index, Store};
use crate::system::{BatchOf, StateOf, System};
use crate::table::Table;

/// Different states, numbered in the order in which they came.
pub(crate) struct States<'a, S: System> {
    pub(crate) system: &'a S,
    pub(crate) store: S::Store,
    table: Table,
    batch: BatchOf<S>,
}

impl<'a, S: System> States<'a, S> {
    pub(crate) fn new(system: &'a S) -> Self {
        Self {
            system,
            store: system.new_store(),
            table: Table::with_capacity(1000),
            batch: BatchOf::<S>::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }

    pub(crate) fn find(&mut self, state: &StateOf<S>) -> Option<Index> {
        let Self { store, batch, .. } = self;
        S::Store::clear(batch);
        let hash = self.system.encode(batch, store, Cow::Borrowed(state));
        let equal = |index| store.equals(index, batch, 0);
        self.table.find(hash, equal).ok()
    }

    /// Adds a state; `Err` with its number if it was there.
    pub(crate) fn insert(&mut self, state: &StateOf<S>) -> Result<Index, Index> {
        if self.len() == self.table.capacity() {
            self.table.grow(2 * self.len(), &self.store);
        }
        let Self { store, batch, .. } = self;
        S::Store::clear(batch);
        let hash = self.system.encode(batch, store, Cow::Borrowed(state));
        let index = store.len() as Index;
        match self.table.find(hash, |known| store.equals(known, batch, 0)) {
            Ok(known) => Err(known),
            Err(vacant) => {
                self.table.insert(vacant, hash, index);
                store.append(batch, 0);
                Ok(index)
            }
        }
    }

    pub(crate) fn get(&self, index: Index) -> StateOf<S> {
        self.system.with_state(&self.store, index, Clone::clone)
    }
}
