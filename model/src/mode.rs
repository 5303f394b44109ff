//! Lock modes: what a node owns cluster-wide, and which modes go together.
//!
//! Rules G1 to G3 of the semantics. Two questions look alike and are not: which
//! modes two *nodes* may own at a time ([`Mode::compatible`], decided by the
//! lock space), and which *holders* may sit side by side on one node
//! (`may_grant` in [`crate::glock`]).

use std::fmt;

/// A glock mode (`LM_ST_*`), rule G1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Mode {
    /// Unlocked: nothing may be cached. DLM mode NL.
    #[default]
    Un = 0,
    /// Shared: data and metadata may be cached, nothing dirty. DLM mode PR.
    Sh = 1,
    /// Deferred: metadata may be cached, data may not; for direct I/O. DLM mode CW.
    Df = 2,
    /// Exclusive: everything may be cached and dirty. DLM mode EX.
    Ex = 3,
}

impl Mode {
    /// All modes, weakest first.
    pub const ALL: [Mode; 4] = [Mode::Un, Mode::Sh, Mode::Df, Mode::Ex];

    /// The mode with this number (two bits); the inverse of `as u8`.
    #[inline]
    pub const fn from_bits(bits: u8) -> Mode {
        match bits & 3 {
            0 => Mode::Un,
            1 => Mode::Sh,
            2 => Mode::Df,
            _ => Mode::Ex,
        }
    }

    /// May two different nodes own these modes of one file at a time? Rule G2.
    #[inline]
    pub const fn compatible(self, other: Mode) -> bool {
        matches!(
            (self, other),
            (Mode::Un, _) | (_, Mode::Un) | (Mode::Sh, Mode::Sh) | (Mode::Df, Mode::Df)
        )
    }

    /// May file data be in the page cache of a node that owns this mode? Rule G1.
    #[inline]
    pub const fn allows_cached(self) -> bool {
        matches!(self, Mode::Sh | Mode::Ex)
    }

    /// May that data be dirty? Rule G1.
    #[inline]
    pub const fn allows_dirty(self) -> bool {
        matches!(self, Mode::Ex)
    }

    /// Is owning `self` at least as much as owning `other`? SH and DF do not
    /// contain each other.
    #[inline]
    pub const fn contains(self, other: Mode) -> bool {
        matches!(
            (self, other),
            (Mode::Ex, _) | (_, Mode::Un) | (Mode::Sh, Mode::Sh) | (Mode::Df, Mode::Df)
        )
    }

    /// gfs2's short name.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Un => "UN",
            Mode::Sh => "SH",
            Mode::Df => "DF",
            Mode::Ex => "EX",
        }
    }

    /// The DLM's name for it (`make_mode`), rule G2.
    pub const fn dlm_name(self) -> &'static str {
        match self {
            Mode::Un => "NL",
            Mode::Sh => "PR",
            Mode::Df => "CW",
            Mode::Ex => "EX",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G2, written out: rows and columns NL, CW(DF), PR(SH), EX.
    #[test]
    fn nodes_share_sh_with_sh_and_df_with_df_and_nothing_else() {
        use Mode::*;
        let order = [Un, Df, Sh, Ex];
        let table = [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]];
        for (i, a) in order.into_iter().enumerate() {
            for (j, b) in order.into_iter().enumerate() {
                assert_eq!(a.compatible(b), table[i][j] == 1, "{a} with {b}");
            }
        }
    }

    #[test]
    fn only_sh_and_ex_cache_data_and_only_ex_dirties_it() {
        let cached: Vec<_> = Mode::ALL
            .into_iter()
            .filter(|m| m.allows_cached())
            .collect();
        assert_eq!(cached, [Mode::Sh, Mode::Ex]);
        let dirty: Vec<_> = Mode::ALL.into_iter().filter(|m| m.allows_dirty()).collect();
        assert_eq!(dirty, [Mode::Ex]);
    }
}
