//! What keeps the workers of a process from waiting for somebody who will not come.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another process is gone.
    Lost {
        /// Which.
        process: usize,
    },
    /// Another process gave up.
    GaveUp {
        /// Which.
        process: usize,
        /// What it said.
        reason: String,
    },
    /// A worker of this process panicked.
    Panic,
}

/// Raised once, for all workers of a process.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    raised: AtomicBool,
    closing: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

impl Alarm {
    /// Raises the alarm; the first reason counts.
    pub(crate) fn raise(&self, trouble: Trouble) {
        let mut first = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(trouble);
        self.raised.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    /// From now on it is in order that connections end.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// Raises the alarm if the thread panics.
pub(crate) struct OnPanic<'l>(pub(crate) &'l Alarm);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.raise(Trouble::Panic);
        }
    }
}
