//! A set of states, one bit each.

use crate::store::Index;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// The empty set among `len` states.
    pub(crate) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    #[inline]
    pub(crate) fn has(&self, index: Index) -> bool {
        self.0[index as usize / 64] >> (index % 64) & 1 == 1
    }

    #[inline]
    pub(crate) fn insert(&mut self, index: Index) {
        self.0[index as usize / 64] |= 1 << (index % 64);
    }

    #[inline]
    pub(crate) fn remove(&mut self, index: Index) {
        self.0[index as usize / 64] &= !(1 << (index % 64));
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The members, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Index> + Clone {
        self.0.iter().enumerate().flat_map(|(i, &word)| {
            let bits = (word != 0).then_some(0..64).into_iter().flatten();
            bits.filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| (i * 64 + bit) as Index)
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len() * size_of::<u64>()
    }
}
