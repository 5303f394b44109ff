//! How much memory states take that own memory outside of themselves.

/// The resident memory of the process when the search began.
///
/// What a `Vec` in a state points to is nobody's to count but the allocator's; the process's
/// resident memory, less what it was at the start, stands for it. Whatever else the process does
/// meanwhile is in it, too.
pub(crate) struct Heap {
    at_start: usize,
}

impl Heap {
    /// For states of this type; `None` if all of such a state is in its own bytes, or if the system
    /// does not say how much memory the process has.
    pub(crate) fn of<T>() -> Option<Self> {
        if !std::mem::needs_drop::<T>() {
            return None;
        }
        resident().map(|at_start| Self { at_start })
    }

    /// By how much the process has grown since, in bytes.
    pub(crate) fn grown(&self) -> usize {
        resident().unwrap_or(0).saturating_sub(self.at_start)
    }
}

fn resident() -> Option<usize> {
    memory_stats::memory_stats().map(|stats| stats.physical_mem)
}
