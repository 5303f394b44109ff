//! What happened inside a step: for coverage and for people.
//!
//! A step is atomic, but a good deal happens in it. Transitions report it as
//! [`Event`]s to a [`Sink`]: the search passes one that sets a bit per kind
//! ("a TRY failed", "a genuine -EFAULT was delivered"), the rendering of a history
//! one that keeps them all. A sink never changes what a transition does.

use crate::mode::Mode;
use crate::program::{Entry, NqFlags, Pc, Val};
use crate::scenario::Pte;

/// Something that happened in a step. Tasks, files, pages and nodes are indices
/// into the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // fields are explained with their variant
pub enum Event {
    /// A task executed the instruction at `pc`.
    Line { task: u8, pc: Pc },
    /// A task entered its system call or touched memory in user mode.
    Call { task: u8 },
    /// Its operation is over, with this result.
    Return { task: u8, value: Val },
    /// An entry of the design (fault handler, hook) was called.
    Enter { task: u8, entry: Entry },
    /// It came back.
    Leave { task: u8, entry: Entry, value: Val },
    /// A holder was queued; what follows says whether it was granted (Q3).
    Queue {
        task: u8,
        file: u8,
        mode: Mode,
        flags: NqFlags,
    },
    /// A holder was granted (Q8).
    Promote { task: u8, file: u8, mode: Mode },
    /// A TRY request failed, at once or out of the queue (Q6, Q13).
    TryFailed { task: u8, file: u8 },
    /// The request could not be granted at once: the task sleeps (Q3).
    Sleep { task: u8, file: u8 },
    /// A sleeper found its request granted (or, a TRY, failed).
    Wake { task: u8, file: u8, granted: bool },
    /// A holder left the queue (Q17).
    Dequeue { task: u8, file: u8, mode: Mode },
    /// A weak holder was taken away (W2 to W5).
    Taken { task: u8, file: u8, mode: Mode },
    /// The task's holder may be taken away from here on, or no longer (W1).
    MayDemote { task: u8, file: u8, weak: bool },
    /// The recursion trap: the task already has an entry (Q4).
    Recursion { task: u8, file: u8 },
    /// `gfs2_glock_dq` of a holder the task does not have.
    DqNotQueued { task: u8, file: u8 },
    /// A change of the node's mode began (Q10).
    Xmote { file: u8, from: Mode, to: Mode },
    /// Dirty pages were written back, writable mappings unmapped (R5).
    Sync { file: u8 },
    /// A page was dropped from the cache and all page tables (R6).
    Invalidate { file: u8, page: u8 },
    /// A request went to the lock space (Q11, Q16).
    Request { file: u8, mode: Mode, noqueue: bool },
    /// The lock space's answer reached the node (D7).
    Answer { file: u8, granted: bool },
    /// The node's mode changed (Q12).
    StateChange { file: u8, from: Mode, to: Mode },
    /// Somebody asked the node to give the file up (R1). `pending`: after the
    /// minimum hold time.
    DemoteRequest { file: u8, mode: Mode, pending: bool },
    /// The minimum hold time is over (R3).
    HoldExpired { file: u8 },
    /// The lock space granted a request (D2).
    Granted { node: u8, file: u8, mode: Mode },
    /// The lock space queued a request (D2).
    Queued { node: u8, file: u8, mode: Mode },
    /// The lock space refused a request that may not queue (D3).
    Refused { node: u8, file: u8, mode: Mode },
    /// The lock space saw a conversion deadlock (D6).
    Deadlk { node: u8, file: u8 },
    /// The lock space sent a blocking callback (D3, D4).
    Bast { node: u8, file: u8, mode: Mode },
    /// A page fault began: mmap_lock is held for reading (M1).
    FaultBegin { task: u8, vpage: u8, write: bool },
    /// The page fault is over: the access may be repeated, or failed with an error.
    FaultEnd { task: u8, vpage: u8, outcome: Val },
    /// A copy or get-user-pages met an absent page while faults were disabled.
    NoFault { task: u8, vpage: u8 },
    /// An access failed because the address is genuinely bad (M7).
    Genuine { task: u8, vpage: u8 },
    /// An access failed although the address is good: the handler refused.
    Spurious { task: u8, vpage: u8 },
    /// A PTE changed.
    PteSet { vpage: u8, pte: Pte },
    /// A page was read from disk into the cache.
    PageRead { file: u8, page: u8 },
    /// A cached page was dirtied.
    PageDirty { file: u8, page: u8 },
    /// A direct transfer wrote back (and, for a write, dropped) its range (I1b).
    DioFlush { task: u8, file: u8 },
    /// Buffer page `index` and file page `page` were transferred.
    Transfer { task: u8, index: u8, page: u8 },
    /// Buffer page `index` was submitted by asynchronous direct I/O (I1).
    Submit { task: u8, index: u8 },
    /// Asynchronous direct I/O completed and reported this result (I1).
    Complete { task: u8, value: Val },
    /// The transfer function returned.
    TransferDone { task: u8, value: Val },
    /// Pages that a fault-in could not make accessible.
    FaultInDone { task: u8, left: u8 },
    /// A buffer page was pinned (M10).
    Pin { task: u8, index: u8 },
    /// A pinned page left the file: data written to it will be lost (M10).
    Orphan { task: u8, index: u8 },
    /// mmap_lock was taken for writing (M8).
    MmapWriteLock { task: u8 },
    /// mmap_lock was released by its writer.
    MmapWriteUnlock { task: u8 },
    /// A writer queued for mmap_lock: new readers wait (M8).
    MmapWriteQueued { task: u8 },
    /// The buffer's pages became inaccessible.
    Unmapped { task: u8 },
    /// i_rwsem was taken for writing.
    InodeLock { task: u8, file: u8 },
    /// i_rwsem was released.
    InodeUnlock { task: u8, file: u8 },
    /// `i_size` of a file became what it is on disk.
    SizeRead { file: u8, pages: u8 },
    /// A process on a node outside the model has appended this page.
    AppendedOutside { file: u8, page: u8 },
    /// Memory pressure took a page.
    Reclaim { vpage_or_page: u8 },
    /// The shrinker demotes an idle glock (R8).
    Shrink { file: u8 },
}

/// Receives what happens inside a step.
pub trait Sink {
    /// Called in the order in which things happen.
    fn event(&mut self, event: Event);
}

/// Forgets everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl Sink for NoSink {
    #[inline(always)]
    fn event(&mut self, _: Event) {}
}

impl Sink for Vec<Event> {
    fn event(&mut self, event: Event) {
        self.push(event);
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    #[inline(always)]
    fn event(&mut self, event: Event) {
        (**self).event(event);
    }
}
