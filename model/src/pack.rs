//! Packing a state into 64-bit words.
//!
//! One description of the layout serves for writing, reading and measuring: a
//! [`Coder`] is handed every field with its width and gives back the value the field
//! has afterwards.

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

    proptest! {
        #[test]
        fn what_is_written_is_read_back(fields in prop::collection::vec((any::<u32>(), 0u32..=32), 0..60)) {
            let fields: Vec<(u32, u32)> = fields
                .into_iter()
                .map(|(v, w)| (if w == 32 { v } else { v & ((1u32 << w) - 1) }, w))
                .collect();
            let bits: u32 = fields.iter().map(|f| f.1).sum();
            let mut words = vec![u64::MAX; bits.div_ceil(64) as usize + 1];
            let mut writer = Writer::new(&mut words);
            for &(v, w) in &fields {
                writer.bits(v, w);
            }
            writer.finish();
            let mut reader = Reader::new(&words);
            for &(v, w) in &fields {
                prop_assert_eq!(reader.bits(0, w), v);
            }
        }
    }
}
