//! Looking up now and then from a long computation.

use std::cell::Cell;

use crate::outcome::{Error, Unfinished};

/// Steps between two looks.
const STEPS: u32 = 1 << 14;

/// Asks every so many steps whether to go on.
pub(crate) struct Watch<'a> {
    may_go_on: &'a dyn Fn() -> Result<(), Unfinished>,
    steps: Cell<u32>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(may_go_on: &'a dyn Fn() -> Result<(), Unfinished>) -> Self {
        Self {
            may_go_on,
            steps: Cell::new(0),
        }
    }

    /// Another step; the first asks at once.
    #[inline]
    pub(crate) fn tick(&self) -> Result<(), Unfinished> {
        let steps = self.steps.get();
        self.steps.set(steps.wrapping_add(1));
        match steps % STEPS {
            0 => (self.may_go_on)(),
            _ => Ok(()),
        }
    }
}

/// Why there is no answer.
pub(crate) enum Stop {
    /// Somebody wished the computation to end.
    Unfinished(Unfinished),
    /// Something is wrong.
    Error(Error),
}

impl From<Unfinished> for Stop {
    fn from(why: Unfinished) -> Self {
        Self::Unfinished(why)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}
