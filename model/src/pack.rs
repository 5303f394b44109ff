//! Packing a state into 64-bit words.
//!
//! One description of the form serves for writing, reading and measuring. A [`Coder`]
//! goes through the state part by part. The fields of a part stand at fixed places of
//! one word, each with room for the largest value there may ever be, so that a field
//! costs a few instructions ([`Bits`]). What a scenario never uses of that room is
//! squeezed out of the whole word at a time ([`Shape`]).

/// Handles the fields of one part.
pub trait Bits {
    /// Handles the next `W` bits (at most 32) of a field that is `value` now; returns
    /// what it is to be. `used`: the bits that may be other than zero.
    fn bits<const W: u32>(&mut self, value: u32, used: u32) -> u32;

    /// How many entries there are of a list, of `max` at most. Measured are all that
    /// there may be.
    fn count<const W: u32>(&mut self, count: usize, max: usize) -> usize;

    /// Something that has to be zero here, and takes no room.
    #[inline(always)]
    fn zero(&mut self, value: u8) {
        self.bits::<0>(u32::from(value), 0);
    }

    /// A `u8` field.
    #[inline(always)]
    fn u8<const W: u32>(&mut self, field: u8, used: u32) -> u8 {
        self.bits::<W>(u32::from(field), used) as u8
    }

    /// A `bool` field; `used` is 0 where it is always false, else odd.
    #[inline(always)]
    fn flag(&mut self, field: bool, used: u32) -> bool {
        self.bits::<1>(u32::from(field), used) != 0
    }

    /// A field with a number: `to` gives it, `from` finds the field again.
    fn tag<const W: u32, T: Copy>(
        &mut self,
        field: T,
        used: u32,
        to: impl FnOnce(T) -> u32,
        from: impl FnOnce(u32) -> T,
    ) -> T;
}

/// Goes through the parts of an `S`.
pub trait Coder<S> {
    /// What handles the fields of a part.
    type Bits: Bits;

    /// Handles the next part, of at most 64 bits: `code` codes it as it is in the whole
    /// now, `set` puts what comes out of that in its place.
    fn part<T>(&mut self, code: impl FnOnce(&S, &mut Self::Bits) -> T, set: impl FnOnce(&mut S, T));

    /// Handles the next `parts` parts, which `code` codes. `same`: are they the same in
    /// both?
    #[inline(always)]
    fn section(
        &mut self,
        parts: usize,
        same: impl FnOnce(&S, &S) -> bool,
        code: impl FnOnce(&mut Self),
    ) {
        let _ = (parts, same);
        code(self);
    }
}

// ---- shapes ---------------------------------------------------------------------

/// Which bits of a part's word are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    mask: u64,
    /// Bits that go down by 1, 2, 4, … places, in this order, to close the gaps.
    moves: [u64; 6],
    /// Number of used bits.
    width: u32,
}

impl Shape {
    /// The shape that uses these bits.
    pub fn new(mask: u64) -> Shape {
        // Where every used bit is, and how many places it has to go down.
        let used = (0..u64::BITS).filter(|&i| mask >> i & 1 == 1);
        let mut bits: Vec<(u32, u32)> = (0..).zip(used).map(|(to, at)| (at, at - to)).collect();
        let moves = std::array::from_fn(|step| {
            let mut moved = 0;
            for (at, _) in bits.iter_mut().filter(|(_, down)| down >> step & 1 == 1) {
                moved |= 1 << *at;
                *at -= 1 << step;
            }
            moved
        });
        Shape {
            mask,
            moves,
            width: mask.count_ones(),
        }
    }

    /// As many of the lowest bits as are used.
    #[inline(always)]
    fn room(&self) -> u64 {
        let (half, rest) = (self.width / 2, self.width.div_ceil(2));
        (1_u64 << half << rest).wrapping_sub(1)
    }

    /// The used bits, one next to the other (Warren, Hacker's Delight, 7-4).
    #[inline(always)]
    fn squeeze(&self, bits: u64) -> u64 {
        let down = |bits: u64, step: usize| {
            let moving = bits & self.moves[step];
            bits ^ moving | moving >> (1 << step)
        };
        down(down(down(down(down(down(bits, 0), 1), 2), 3), 4), 5)
    }

    /// Puts squeezed bits back where they belong.
    #[inline(always)]
    fn stretch(&self, bits: u64) -> u64 {
        let up = |bits: u64, step: usize| {
            let moved = self.moves[step];
            bits & !moved | bits << (1 << step) & moved
        };
        up(up(up(up(up(up(bits, 5), 4), 3), 2), 1), 0) & self.mask
    }
}

/// The used bits of a part.
#[derive(Default)]
pub struct Measure {
    mask: u64,
    width: u32,
}

impl Bits for Measure {
    fn bits<const W: u32>(&mut self, value: u32, used: u32) -> u32 {
        let used = u64::from(used) & ((1 << W) - 1);
        self.mask |= used.checked_shl(self.width).unwrap_or(0);
        self.width += W;
        value
    }

    fn count<const W: u32>(&mut self, _: usize, max: usize) -> usize {
        self.bits::<W>(0, up_to(max));
        max
    }

    fn tag<const W: u32, T: Copy>(
        &mut self,
        field: T,
        used: u32,
        _: impl FnOnce(T) -> u32,
        _: impl FnOnce(u32) -> T,
    ) -> T {
        self.bits::<W>(0, used);
        field
    }
}

/// Finds the shapes of all parts.
pub struct Measurer<'a, S> {
    whole: &'a S,
    /// The shapes so far.
    pub shapes: Vec<Shape>,
}

impl<'a, S> Measurer<'a, S> {
    /// Measures `whole`; the shapes are the same for any other.
    pub fn new(whole: &'a S) -> Self {
        Measurer {
            whole,
            shapes: Vec::new(),
        }
    }
}

impl<S> Coder<S> for Measurer<'_, S> {
    type Bits = Measure;

    /// # Panics
    /// If the part is larger than 64 bits.
    fn part<T>(&mut self, code: impl FnOnce(&S, &mut Measure) -> T, _: impl FnOnce(&mut S, T)) {
        let mut part = Measure::default();
        code(self.whole, &mut part);
        assert!(part.width <= u64::BITS, "a part of {} bits", part.width);
        self.shapes.push(Shape::new(part.mask));
    }
}

/// How many 64-bit words all parts take together.
pub fn words(shapes: &[Shape]) -> usize {
    let bits: u32 = shapes.iter().map(|shape| shape.width).sum();
    bits.div_ceil(u64::BITS) as usize
}

// ---- writing --------------------------------------------------------------------

/// The bits of a part that is written.
#[derive(Default)]
pub struct Gather {
    bits: u64,
    width: u32,
    lost: u64,
}

impl Bits for Gather {
    #[inline(always)]
    fn bits<const W: u32>(&mut self, value: u32, _: u32) -> u32 {
        self.lost |= u64::from(value) >> W;
        if W > 0 {
            self.bits |= u64::from(value) << self.width;
            self.width += W;
        }
        value
    }

    #[inline(always)]
    fn count<const W: u32>(&mut self, count: usize, max: usize) -> usize {
        self.lost |= u64::from(count > max);
        self.bits::<W>(count as u32, ALL);
        count
    }

    #[inline(always)]
    fn tag<const W: u32, T: Copy>(
        &mut self,
        field: T,
        used: u32,
        to: impl FnOnce(T) -> u32,
        _: impl FnOnce(u32) -> T,
    ) -> T {
        self.bits::<W>(to(field), used);
        field
    }
}

/// Writes parts.
pub struct Writer<'a, S> {
    whole: &'a S,
    shapes: std::slice::Iter<'a, Shape>,
    words: &'a mut [u64],
    word: usize,
    acc: u64,
    fill: u32,
    lost: u64,
}

impl<'a, S> Writer<'a, S> {
    /// Writes `whole`, whose parts have these shapes, into `words` from the first bit on.
    #[inline]
    pub fn new(whole: &'a S, shapes: &'a [Shape], words: &'a mut [u64]) -> Self {
        Writer {
            whole,
            shapes: shapes.iter(),
            words,
            word: 0,
            acc: 0,
            fill: 0,
            lost: 0,
        }
    }

    /// Writes what is left; unused bits are zero.
    ///
    /// # Panics
    /// If a field had a value for which it has no room: the words would be those of
    /// another state.
    #[inline]
    pub fn finish(self) {
        assert!(self.lost == 0, "a field does not fit its place");
        if let Some((last, rest)) = self.words[self.word..].split_first_mut() {
            *last = self.acc;
            rest.fill(0);
        }
    }
}

impl<S> Coder<S> for Writer<'_, S> {
    type Bits = Gather;

    #[inline(always)]
    fn part<T>(&mut self, code: impl FnOnce(&S, &mut Gather) -> T, _: impl FnOnce(&mut S, T)) {
        let mut part = Gather::default();
        code(self.whole, &mut part);
        let shape = self.shapes.next().expect(MEASURED);
        self.lost |= part.lost | part.bits & !shape.mask;
        let bits = shape.squeeze(part.bits);
        self.acc |= bits << self.fill;
        let fill = self.fill + shape.width;
        if fill >= u64::BITS {
            self.words[self.word] = self.acc;
            self.word += 1;
            // In two steps: where the part was added whole, nothing is left of it.
            self.acc = bits >> 1 >> (63 - self.fill);
        }
        self.fill = fill % u64::BITS;
    }
}

const MEASURED: &str = "every part has been measured";

/// Writes parts over those of another whole, where the two differ.
pub struct Rewriter<'a, S> {
    before: &'a S,
    whole: &'a S,
    shapes: &'a [Shape],
    words: &'a mut [u64],
    /// Parts gone through, and their bits.
    part: usize,
    position: u32,
    lost: u64,
}

impl<'a, S> Rewriter<'a, S> {
    /// Makes `words`, to which `before` is packed, those of `whole`.
    #[inline]
    pub fn new(before: &'a S, whole: &'a S, shapes: &'a [Shape], words: &'a mut [u64]) -> Self {
        Rewriter {
            before,
            whole,
            shapes,
            words,
            part: 0,
            position: 0,
            lost: 0,
        }
    }

    /// # Panics
    /// As [`Writer::finish`].
    #[inline]
    pub fn finish(self) {
        assert!(self.lost == 0, "a field does not fit its place");
    }
}

impl<S> Coder<S> for Rewriter<'_, S> {
    type Bits = Gather;

    #[inline(always)]
    fn part<T>(&mut self, code: impl FnOnce(&S, &mut Gather) -> T, _: impl FnOnce(&mut S, T)) {
        let mut part = Gather::default();
        code(self.whole, &mut part);
        let shape = &self.shapes[self.part];
        self.lost |= part.lost | part.bits & !shape.mask;
        let (bits, room) = (shape.squeeze(part.bits), shape.room());
        let (first, shift) = ((self.position / 64) as usize, self.position % 64);
        if let Some(word) = self.words.get_mut(first) {
            *word = *word & !(room << shift) | bits << shift;
        }
        if shift + shape.width > u64::BITS {
            let word = &mut self.words[first + 1];
            *word = *word & !(room >> (64 - shift)) | bits >> (64 - shift);
        }
        self.part += 1;
        self.position += shape.width;
    }

    #[inline(always)]
    fn section(
        &mut self,
        parts: usize,
        same: impl FnOnce(&S, &S) -> bool,
        code: impl FnOnce(&mut Self),
    ) {
        if same(self.before, self.whole) {
            let skipped = &self.shapes[self.part..self.part + parts];
            self.part += parts;
            self.position += skipped.iter().map(|shape| shape.width).sum::<u32>();
        } else {
            code(self);
        }
    }
}

// ---- reading --------------------------------------------------------------------

/// The bits of a part that is read.
pub struct Scatter {
    bits: u64,
    width: u32,
}

impl Bits for Scatter {
    #[inline(always)]
    fn bits<const W: u32>(&mut self, _: u32, _: u32) -> u32 {
        if W == 0 {
            return 0;
        }
        let value = self.bits >> self.width & ((1 << W) - 1);
        self.width += W;
        value as u32
    }

    #[inline(always)]
    fn count<const W: u32>(&mut self, _: usize, _: usize) -> usize {
        self.bits::<W>(0, ALL) as usize
    }

    #[inline(always)]
    fn tag<const W: u32, T: Copy>(
        &mut self,
        _: T,
        used: u32,
        _: impl FnOnce(T) -> u32,
        from: impl FnOnce(u32) -> T,
    ) -> T {
        from(self.bits::<W>(0, used))
    }
}

/// Reads parts.
pub struct Reader<'a, S> {
    whole: &'a mut S,
    shapes: std::slice::Iter<'a, Shape>,
    words: &'a [u64],
    position: u32,
}

impl<'a, S> Reader<'a, S> {
    /// Reads `words`, where parts have these shapes, from the first bit on into `whole`.
    #[inline]
    pub fn new(words: &'a [u64], shapes: &'a [Shape], whole: &'a mut S) -> Self {
        Reader {
            whole,
            shapes: shapes.iter(),
            words,
            position: 0,
        }
    }
}

impl<S> Coder<S> for Reader<'_, S> {
    type Bits = Scatter;

    #[inline(always)]
    fn part<T>(&mut self, code: impl FnOnce(&S, &mut Scatter) -> T, set: impl FnOnce(&mut S, T)) {
        let shape = self.shapes.next().expect(MEASURED);
        let word = |i: usize| self.words.get(i).copied().unwrap_or(0);
        let (first, shift) = ((self.position / 64) as usize, self.position % 64);
        let bits = word(first) >> shift | word(first + 1) << 1 << (63 - shift);
        self.position += shape.width;
        let mut part = Scatter {
            bits: shape.stretch(bits),
            width: 0,
        };
        let coded = code(self.whole, &mut part);
        set(self.whole, coded);
    }
}

/// All bits of a field are used.
pub const ALL: u32 = u32::MAX;

/// The bits that the numbers 0 to `max` use.
///
/// # Panics
/// If `max` has more than 31 bits.
pub const fn up_to(max: usize) -> u32 {
    ones(usize::BITS - max.leading_zeros())
}

/// The lowest `width` bits, at most 31.
pub const fn ones(width: u32) -> u32 {
    (1 << width) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_squeezed_has_no_gaps_and_stretches_back(mask: u64, bits: u64, above: u64) {
            let (shape, bits) = (Shape::new(mask), bits & mask);
            let squeezed = shape.squeeze(bits);
            let used = (0..64).filter(|i| mask >> i & 1 == 1);
            let expected = (0..).zip(used).fold(0, |all, (to, at)| all | (bits >> at & 1) << to);
            prop_assert_eq!(squeezed, expected);
            // Above the part there is the next one.
            let next = above.checked_shl(shape.width).unwrap_or(0);
            prop_assert_eq!(shape.stretch(squeezed | next), bits);
        }
    }

    /// Per part three fields: 20 bits, 31 bits, and a list of numbers of 3 bits.
    type Parts = Vec<(u32, u32, Vec<u8>)>;

    /// How much of that is used: of the fields so many bits, of the list so many entries.
    type Used = Vec<(u32, u32, usize)>;

    fn code(c: &mut impl Coder<Parts>, used: &Used) {
        for (i, &(first, second, entries)) in used.iter().enumerate() {
            let same = |before: &Parts, now: &Parts| before[i] == now[i];
            c.section(1, same, |c| {
                c.part(
                    |parts, b| {
                        let (one, other, list) = &parts[i];
                        let one = b.bits::<20>(*one, ones(first));
                        let other = b.tag::<31, _>(*other, ones(second), |v| v, |v| v);
                        let len = b.count::<2>(list.len(), entries);
                        let entry = |i| list.get(i).copied().unwrap_or(0);
                        let list = (0..len).map(|i| b.u8::<3>(entry(i), ALL)).collect();
                        (one, other, list)
                    },
                    |parts, coded| parts[i] = coded,
                )
            });
        }
    }

    fn written(parts: &Parts, used: &Used, spare: usize) -> (Vec<Shape>, Vec<u64>) {
        let blank = vec![(0, 0, Vec::new()); parts.len()];
        let mut measurer = Measurer::new(&blank);
        code(&mut measurer, used);
        let shapes = measurer.shapes;
        let mut packed = vec![u64::MAX; words(&shapes) + spare];
        let mut writer = Writer::new(parts, &shapes, &mut packed);
        code(&mut writer, used);
        writer.finish();
        (shapes, packed)
    }

    fn parts() -> impl Strategy<Value = (Used, Parts)> {
        let field = |most: u32| (0..=most).prop_flat_map(|used| (Just(used), 0..1_u64 << used));
        let list = (0..=3_usize).prop_flat_map(|max| {
            let list = prop::collection::vec(0..8_u8, 0..=max);
            (Just(max), list)
        });
        let part = (field(20), field(31), list)
            .prop_map(|(a, b, c)| ((a.0, b.0, c.0), (a.1 as u32, b.1 as u32, c.1)));
        prop::collection::vec(part, 0..20).prop_map(|parts| parts.into_iter().unzip())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back((used, parts) in parts(), spare in 0usize..3) {
            let (shapes, packed) = written(&parts, &used, spare);
            let mut back = vec![(7, 7, vec![7]); parts.len()];
            code(&mut Reader::new(&packed, &shapes, &mut back), &used);
            prop_assert_eq!(back, parts);
            let list = |entries| up_to(entries).count_ones() + 3 * entries as u32;
            let bits: u32 = used.iter().map(|u| u.0 + u.1 + list(u.2)).sum();
            prop_assert_eq!(packed.len(), bits.div_ceil(64) as usize + spare);
            let rest = (bits as usize..64 * packed.len()).filter(|i| packed[i / 64] >> (i % 64) & 1 == 1);
            prop_assert_eq!(rest.count(), 0);
        }
    }

    proptest! {
        #[test]
        fn what_is_rewritten_is_as_if_written(
            (used, parts) in parts(),
            (_, others) in parts(),
            spare in 0usize..3,
        ) {
            let mut changed = parts.clone();
            for ((part, other), used) in changed.iter_mut().zip(others).zip(&used) {
                let fits = other.0 < 1 << used.0 && other.1 < 1 << used.1;
                if fits && other.2.len() <= used.2 {
                    *part = other;
                }
            }
            let (shapes, mut packed) = written(&parts, &used, spare);
            let mut rewriter = Rewriter::new(&parts, &changed, &shapes, &mut packed);
            code(&mut rewriter, &used);
            rewriter.finish();
            prop_assert_eq!(packed, written(&changed, &used, spare).1);
        }
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_value_beyond_what_is_used_is_not_forgotten() {
        written(&vec![(4, 0, Vec::new())], &vec![(2, 0, 0)], 0);
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_value_beyond_its_field_is_not_forgotten() {
        written(&vec![(1 << 20, 0, Vec::new())], &vec![(20, 31, 0)], 0);
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn an_entry_too_many_is_not_forgotten() {
        written(&vec![(0, 0, vec![0, 0])], &vec![(0, 0, 1)], 0);
    }
}
