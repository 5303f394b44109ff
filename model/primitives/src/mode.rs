//! Modes, request flags and the kernel versions whose rules a glock follows.

use std::fmt;

/// A glock mode, rule G1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Mode {
    /// Unlocked: nothing may be cached.
    #[default]
    Un = 0,
    /// Shared: data may be cached, nothing dirty.
    Sh = 1,
    /// Deferred: shared with its own kind; data may not be cached. For direct I/O.
    Df = 2,
    /// Exclusive: everything may be cached and dirty.
    Ex = 3,
}

impl Mode {
    /// All modes.
    pub const ALL: [Mode; 4] = [Mode::Un, Mode::Sh, Mode::Df, Mode::Ex];

    /// May two nodes own these modes of one file at a time? Rule G2.
    pub const fn compatible(self, other: Mode) -> bool {
        match (self, other) {
            (Mode::Un, _) | (_, Mode::Un) => true,
            (Mode::Ex, _) | (_, Mode::Ex) => false,
            (Mode::Sh, Mode::Sh) | (Mode::Df, Mode::Df) => true,
            (Mode::Sh, Mode::Df) | (Mode::Df, Mode::Sh) => false,
        }
    }

    /// The rank the DLM gives it: NL < CW < PR < EX.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Mode::Un => 0,
            Mode::Df => 1,
            Mode::Sh => 2,
            Mode::Ex => 3,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Un => "UN",
            Mode::Sh => "SH",
            Mode::Df => "DF",
            Mode::Ex => "EX",
        })
    }
}

/// Flags of a request, combined with `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// An ordinary request: waits.
    pub const NONE: Flags = Flags(0);
    /// LM_FLAG_TRY: fails rather than wait for another node. It may still wait on
    /// this one (Q14).
    pub const TRY: Flags = Flags(1);
    /// LM_FLAG_TRY_1CB: as TRY, but owners on other nodes are told (Q16).
    pub const TRY_1CB: Flags = Flags(2);
    /// LM_FLAG_ANY: any mode but UN will do.
    pub const ANY: Flags = Flags(4);

    /// Are all of `other`'s bits set?
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
    /// TRY of either kind?
    pub const fn is_try(self) -> bool {
        self.0 & (Flags::TRY.0 | Flags::TRY_1CB.0) != 0
    }
    /// The bits: 1 TRY, 2 TRY_1CB, 4 ANY.
    pub const fn bits(self) -> u8 {
        self.0
    }
    pub(crate) const fn only_try(self) -> Flags {
        Flags(self.0 & (Flags::TRY.0 | Flags::TRY_1CB.0))
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, name) in [
            (Flags::TRY, "|TRY"),
            (Flags::TRY_1CB, "|TRY_1CB"),
            (Flags::ANY, "|ANY"),
        ] {
            if self.has(bit) {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// The kernel whose rules for grants and TRY requests a glock follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Kernel {
    /// Up to v5.15: a request is compared with the first in the queue (G4).
    #[default]
    V512,
    /// v5.16 to v5.19: compared with a holder (G5), with weak holders (W).
    V516,
    /// v6.0 to v6.17: as v5.16, and a grant takes incompatible weak holders away (W4).
    V60,
    /// From v6.18 on: TRY requests fail if they would have to wait for a holder (Q6b).
    V618,
}

impl Kernel {
    /// Are requests compared with the first queue entry, granted or not?
    pub(crate) const fn compares_with_first(self) -> bool {
        matches!(self, Kernel::V512)
    }
    /// Up to v6.17.
    pub(crate) const fn old_try(self) -> bool {
        !matches!(self, Kernel::V618)
    }
    /// Does a grant leave weak holders alone that it does not go with (W4)?
    pub(crate) const fn spares_weak(self) -> bool {
        matches!(self, Kernel::V512 | Kernel::V516)
    }
}

/// Who grants modes to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LockManager {
    /// Nobody: a local mount, every request is granted at once (lock_nolock).
    #[default]
    Nolock,
    /// The lock space that all nodes share (lock_dlm).
    Dlm,
}
