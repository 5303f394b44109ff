//! States as short strings of bytes.

use crate::store::Blocks;

/// Numbers one after the other, seven bits to a byte, the lowest first.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    #[inline]
    pub(super) fn next(&mut self) -> u32 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = self.0.split_first().expect("a record has an end");
            self.0 = rest;
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }
}

/// Adds a number to a record.
#[inline]
pub(super) fn write(record: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        record.push(number as u8 | 0x80);
        number >>= 7;
    }
    record.push(number as u8);
}

/// A place in the [`Records`]: up to 2^40.
type Place = [u8; 5];

/// Byte strings that know where they end, in blocks that never move but for the first.
#[derive(Debug)]
pub(super) struct Records {
    blocks: Vec<Vec<u8>>,
    places: Blocks<Place>,
}

const BLOCK: usize = 1 << 20;

impl Default for Records {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            places: Blocks::new(1),
        }
    }
}

impl Records {
    /// Adds a record under the next number.
    ///
    /// # Panics
    ///
    /// If there is a terabyte of them.
    pub(super) fn push(&mut self, record: &[u8]) {
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
        let place = ((number * BLOCK + block.len()) as u64).to_le_bytes();
        block.extend_from_slice(record);
        let [place @ .., 0, 0, 0] = place else {
            panic!("a terabyte is full");
        };
        self.places.push(place);
    }

    /// The record with this number, and what follows it.
    #[inline]
    pub(super) fn get(&self, number: usize) -> Reader<'_> {
        let [a, b, c, d, e] = self.places.get(number)[0];
        let place = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]) as usize;
        Reader(&self.blocks[place / BLOCK][place % BLOCK..])
    }

    /// Where it is said where a record is.
    #[inline]
    pub(super) fn place(&self, number: usize) -> *const Place {
        self.places.get(number).as_ptr()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum::<usize>() + self.places.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(numbers: Vec<u32>) {
            let mut record = Vec::new();
            for number in &numbers {
                write(&mut record, *number);
            }
            let mut read = Reader(&record);
            for number in numbers {
                prop_assert_eq!(read.next(), number);
            }
            prop_assert!(read.0.is_empty());
        }

        #[test]
        fn records_are_found_again(lengths in prop::collection::vec(0..BLOCK / 2, 1..9)) {
            let mut records = Records::default();
            let filled = |i: usize, length| vec![i as u8; length];
            for (i, length) in lengths.iter().enumerate() {
                records.push(&filled(i, *length));
            }
            prop_assert_eq!(records.len(), lengths.len());
            for (i, length) in lengths.into_iter().enumerate() {
                prop_assert_eq!(&records.get(i).0[..length], &filled(i, length)[..]);
            }
        }
    }
}
