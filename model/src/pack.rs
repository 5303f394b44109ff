//! Packing a state into 64-bit words.
//!
//! One description of the layout serves for writing, reading and measuring: a
//! [`Coder`] is handed every field with its width and gives back the value the field
//! has afterwards.

use std::cmp::Ordering;

/// Writes, reads or counts bits.
pub trait Coder {
    /// Handles the next `width` bits (at most 32) of a field that is `value` now;
    /// returns what it is to be.
    fn bits(&mut self, value: u32, width: u32) -> u32;

    /// A `u8` field.
    #[inline]
    fn u8(&mut self, field: &mut u8, width: u32) {
        *field = self.bits(u32::from(*field), width) as u8;
    }

    /// A `u16` field.
    #[inline]
    fn u16(&mut self, field: &mut u16, width: u32) {
        *field = self.bits(u32::from(*field), width) as u16;
    }

    /// A `bool` field.
    #[inline]
    fn flag(&mut self, field: &mut bool) {
        *field = self.bits(u32::from(*field), 1) != 0;
    }

    /// An enum field, by its number.
    #[inline]
    fn tag<T: Copy>(&mut self, field: &mut T, width: u32, to: fn(T) -> u8, from: fn(u8) -> T) {
        *field = from(self.bits(u32::from(to(*field)), width) as u8);
    }
}

/// Writes fields.
pub struct Writer<'a> {
    words: &'a mut [u64],
    word: usize,
    acc: u64,
    fill: u32,
}

impl<'a> Writer<'a> {
    /// Writes into `words` from the first bit on.
    pub fn new(words: &'a mut [u64]) -> Self {
        Writer {
            words,
            word: 0,
            acc: 0,
            fill: 0,
        }
    }

    /// Writes what is left; unused bits are zero.
    pub fn finish(mut self) {
        while self.word < self.words.len() {
            self.words[self.word] = self.acc;
            self.acc = 0;
            self.word += 1;
        }
    }
}

impl Coder for Writer<'_> {
    #[inline]
    fn bits(&mut self, value: u32, width: u32) -> u32 {
        debug_assert!(
            width <= 32 && (width == 32 || value < 1 << width),
            "{value} in {width} bits"
        );
        let v = u64::from(value);
        self.acc |= v << self.fill;
        self.fill += width;
        if self.fill >= 64 {
            self.words[self.word] = self.acc;
            self.word += 1;
            self.fill -= 64;
            self.acc = if self.fill == 0 {
                0
            } else {
                v >> (width - self.fill)
            };
        }
        value
    }
}

/// Writes fields over words that are there already, if what is written is smaller:
/// the words compare one by one, the first that differs decides.
pub struct Smaller<'a> {
    words: &'a mut [u64],
    word: usize,
    acc: u64,
    fill: u32,
    /// What has been written, against what was there.
    so_far: Ordering,
}

impl<'a> Smaller<'a> {
    /// Writes over `words` from the first bit on.
    pub fn than(words: &'a mut [u64]) -> Self {
        Smaller {
            words,
            word: 0,
            acc: 0,
            fill: 0,
            so_far: Ordering::Equal,
        }
    }

    /// Is it known that what is written is not smaller? The rest may be left out.
    #[inline]
    pub fn is_larger(&self) -> bool {
        self.so_far == Ordering::Greater
    }

    fn put(&mut self) {
        let word = &mut self.words[self.word];
        self.so_far = self.so_far.then(self.acc.cmp(word));
        if self.so_far == Ordering::Less {
            *word = self.acc;
        }
        self.word += 1;
        self.acc = 0;
    }

    /// Writes what is left; unused bits are zero.
    pub fn finish(mut self) {
        while self.word < self.words.len() {
            self.put();
        }
    }
}

impl Coder for Smaller<'_> {
    #[inline]
    fn bits(&mut self, value: u32, width: u32) -> u32 {
        if self.is_larger() {
            return value;
        }
        let v = u64::from(value);
        self.acc |= v << self.fill;
        self.fill += width;
        if self.fill >= 64 {
            self.fill -= 64;
            self.put();
            if self.fill > 0 {
                self.acc = v >> (width - self.fill);
            }
        }
        value
    }
}

/// Reads fields.
pub struct Reader<'a> {
    words: &'a [u64],
    position: u32,
}

impl<'a> Reader<'a> {
    /// Reads `words` from the first bit on.
    pub fn new(words: &'a [u64]) -> Self {
        Reader { words, position: 0 }
    }
}

impl Coder for Reader<'_> {
    #[inline]
    fn bits(&mut self, _: u32, width: u32) -> u32 {
        if width == 0 {
            return 0;
        }
        let (word, shift) = ((self.position / 64) as usize, self.position % 64);
        self.position += width;
        let mut v = self.words[word] >> shift;
        if shift + width > 64 {
            v |= self.words[word + 1] << (64 - shift);
        }
        (v & ((1u64 << width) - 1)) as u32
    }
}

/// Counts bits.
#[derive(Default)]
pub struct Counter(
    /// Bits so far.
    pub u32,
);

impl Coder for Counter {
    fn bits(&mut self, value: u32, width: u32) -> u32 {
        self.0 += width;
        value
    }
}

/// How many bits the numbers 0 to `max` take.
pub const fn width(max: usize) -> u32 {
    usize::BITS - max.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The fields, cut to their widths.
    fn cut(fields: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
        let cut = |(v, w)| (if w == 32 { v } else { v & ((1u32 << w) - 1) }, w);
        fields.into_iter().map(cut).collect()
    }

    fn written(fields: &[(u32, u32)]) -> Vec<u64> {
        let bits: u32 = fields.iter().map(|f| f.1).sum();
        let mut words = vec![u64::MAX; bits.div_ceil(64) as usize + 1];
        let mut writer = Writer::new(&mut words);
        for &(v, w) in fields {
            writer.bits(v, w);
        }
        writer.finish();
        words
    }

    proptest! {
        #[test]
        fn the_smaller_of_two_is_left(
            fields in prop::collection::vec((any::<u32>(), any::<u32>(), 0u32..=32, any::<bool>()), 0..40)
        ) {
            // Equal in about half of the fields.
            let second = |&(a, b, w, same): &(u32, u32, u32, bool)| (if same { a } else { b }, w);
            let a = cut(fields.iter().map(|&(a, _, w, _)| (a, w)).collect());
            let b = cut(fields.iter().map(second).collect());
            let mut words = written(&a);
            let mut smaller = Smaller::than(&mut words);
            for &(v, w) in &b {
                smaller.bits(v, w);
            }
            smaller.finish();
            prop_assert_eq!(words, written(&a).min(written(&b)));
        }

        #[test]
        fn what_is_written_is_read_back(fields in prop::collection::vec((any::<u32>(), 0u32..=32), 0..60)) {
            let fields = cut(fields);
            let words = written(&fields);
            let mut reader = Reader::new(&words);
            for &(v, w) in &fields {
                prop_assert_eq!(reader.bits(0, w), v);
            }
        }
    }
}
