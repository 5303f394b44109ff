//! How many states are left: a guess from the sizes of the levels.
use crate::checkpoint::Position;
use std::ops::RangeInclusive;
pub(crate) fn left(
    _levels: &[usize],
    _at: &Position,
    _states: usize,
) -> Option<RangeInclusive<usize>> {
    None
}
