//! Sets of values: what a variable may hold at a place.

use crate::program::{Arith, Cmp, Val};

/// A set of [`Val`]s, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Values(u32);

impl Values {
    pub(super) const ZERO: Values = Values::one(Val::ZERO);
    /// 0 to [`Val::MAX_SIZE`] pages.
    pub(super) const SIZES: Values = Values((1 << (Val::MAX_SIZE + 1)) - 1);
    /// What a fault handler may answer.
    pub(super) const FAULT_CODES: Values = Values::one(Val::LOCKED)
        .or(Values::one(Val::NOPAGE))
        .or(Values::one(Val::RETRY))
        .or(Values::one(Val::SIGBUS))
        .or(Values::one(Val::RESTART));

    pub(super) const fn one(val: Val) -> Values {
        Values(1 << val.0)
    }

    pub(super) const fn or(self, other: Values) -> Values {
        Values(self.0 | other.0)
    }

    pub(super) const fn and(self, other: Values) -> Values {
        Values(self.0 & other.0)
    }

    pub(super) const fn without(self, other: Values) -> Values {
        Values(self.0 & !other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn is_single(self) -> bool {
        self.0.is_power_of_two()
    }

    pub(super) const fn has(self, val: Val) -> bool {
        self.0 >> val.0 & 1 == 1
    }

    /// 0 to `max`.
    pub(super) const fn up_to(max: u8) -> Values {
        Values((2 << max) - 1)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Val> {
        (0..=Val::TRUNCATED.0)
            .map(Val)
            .filter(move |&v| self.has(v))
    }

    /// The part of both sides for which the comparison comes out as `wanted`.
    pub(super) fn compare(self, cmp: Cmp, other: Values, wanted: bool) -> Option<(Values, Values)> {
        let (mut left, mut right) = (0, 0);
        for a in self.iter() {
            for b in other.iter().filter(|&b| cmp.holds(a, b) == wanted) {
                left |= 1 << a.0;
                right |= 1 << b.0;
            }
        }
        (left != 0).then_some((Values(left), Values(right)))
    }

    /// All results of an operation; what is not a size stays what it is.
    pub(super) fn combine(self, op: Arith, other: Values) -> Values {
        let mut all = Values(0);
        for a in self.iter() {
            for b in other.iter() {
                let result = match (a.as_size(), b.as_size(), op) {
                    (Some(a), Some(b), Arith::Add) => Val::size((a + b).min(Val::MAX_SIZE)),
                    (Some(a), Some(b), Arith::Sub) => Val::size(a.saturating_sub(b)),
                    (Some(a), Some(b), Arith::Min) => Val::size(a.min(b)),
                    _ => a,
                };
                all = all.or(Values::one(result));
            }
        }
        all
    }
}
