//! Which event of the kernel is which event of the model.
//!
//! Everything that names a function of the kernel is in this file. A kernel in which one of them has
//! another name needs one more line here.
//!
//! | the kernel's | the model's |
//! |---|---|
//! | `gfs2_glock_queue ... queue`, `dequeue` | `Queue`, `Dequeue` (Q3, Q17) |
//! | `gfs2_promote` | `Promote` (Q8) |
//! | `gfs2_glock_state_change ... A to B`, unless `A` is `B` | `StateChange` (Q12) |
//! | `gfs2_demote_rq` | `DemoteRequest` (R1) |
//! | `gfs2_glock_nq_ret ... ret=13` (GLR_TRYFAILED) | `TryFailed` (Q6, Q13) |
//! | `dlm_lock_start`, `dlm_ast` | `Request` (Q11), `Answer` (D7) |
//! | `dlm_bast` | the callback leaves the channel (D7); `DemoteRequest`, what it does, comes after |
//! | `inode_go_sync` | `Xmote` (Q10): the change of mode begins, with write-back (R5) |
//! | `inode_go_inval` | the change of mode drops the pages (R6): the begin, as pages have no line |
//! | the return of a function in [`FUNCTIONS`] to one of [`FLUSHERS`] | `DioFlush` (I1b) |
//! | `gfs2_glock_nq`, the last line of its task where the kernel hit a BUG | `Recursion` (Q4) |
//! | the functions in [`FUNCTIONS`] | as said there |
//! | the markers `CALL` and `RET` | `Call`, `Return` |
//!
//! `dlm_lock_end` is implied by its start. The probes of `inode_go_sync` and `inode_go_inval` do not
//! say which glock: it is the one whose `dlm_lock_start` or `gfs2_glock_state_change` the same task
//! prints next, as a change of mode is one run of code (Q10). What of these a log has not a single
//! line of was not probed there, and the model does not show it.

/// What a probed function is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The request for a glock: the queue's event says which, the return who asked and whether it
    /// was refused.
    Nq,
    /// The fault handler: entry and result.
    Fault,
    /// The handler that makes a page writable: entry and result.
    PageMkwrite,
    /// Fault-in: its result, the bytes that are missing.
    FaultIn,
    /// A transfer: its result.
    Transfer,
    /// A transfer that faults its source in on its own: its result. What it faults in is part of it.
    TransferWithFaultIn,
    /// Write-back before a change of mode: its entry.
    GoSync,
    /// Invalidation before a change of mode: its entry.
    GoInval,
    /// Write-back, and for a write invalidation, of the range of a direct transfer: its return.
    Flush,
    /// Nothing that the model shows, or nothing that another event does not say better.
    Implied,
}

/// The functions, by name.
pub const FUNCTIONS: &[(&str, Function)] = &[
    ("gfs2_glock_nq", Function::Nq),
    ("gfs2_fault", Function::Fault),
    ("gfs2_page_mkwrite", Function::PageMkwrite),
    ("fault_in_readable", Function::FaultIn),
    ("fault_in_safe_writeable", Function::FaultIn),
    ("iomap_dio_rw", Function::Transfer),
    ("generic_file_read_iter", Function::Transfer),
    ("iomap_file_buffered_write", Function::TransferWithFaultIn),
    ("gfs2_glock_dq", Function::Implied),
    ("gfs2_glock_cb", Function::Implied),
    ("gfs2_mmap", Function::Implied),
    ("gfs2_file_read_iter", Function::Implied),
    ("gfs2_file_write_iter", Function::Implied),
    ("gfs2_file_buffered_write", Function::Implied),
    ("filemap_write_and_wait_range", Function::Flush),
    ("kiocb_write_and_wait", Function::Flush),
    ("kiocb_invalidate_pages", Function::Flush),
    ("inode_go_sync", Function::GoSync),
    ("inode_go_inval", Function::GoInval),
];

/// Callers for which a [`Function::Flush`] is part of a direct transfer.
pub const FLUSHERS: &[&str] = &["__iomap_dio_rw"];

/// Callers of `gfs2_glock_nq` that a design is about. Whatever another function asks for is a
/// request that the model serves and the design does not make ([`glock_model::guest`]).
pub const CALLERS: &[&str] = &[
    "gfs2_file_direct_read",
    "gfs2_file_direct_write",
    "gfs2_file_read_iter",
    "gfs2_file_write_iter",
    "gfs2_file_buffered_write",
    "gfs2_write_lock",
    "gfs2_iomap_begin",
    "gfs2_iomap_begin_write",
    "gfs2_fault",
    "lab_fault",
    "gfs2_page_mkwrite",
];

/// Bytes of a page.
pub const PAGE: i64 = 4096;

/// GLR_TRYFAILED, what a refused TRY returns (Q6).
pub const TRYFAILED: i64 = 13;

/// Results of a fault handler, highest first, as far as they decide anything: VM_FAULT_RETRY,
/// VM_FAULT_LOCKED, VM_FAULT_NOPAGE, VM_FAULT_SIGBUS. VM_FAULT_MAJOR says nothing here.
pub const FAULT_BITS: [i64; 4] = [0x400, 0x200, 0x100, 0x2];

/// What a function is to the model; `None` if nobody knows it.
pub fn function(name: &str) -> Option<Function> {
    let known = FUNCTIONS.iter().find(|(known, _)| *known == name);
    known.map(|(_, function)| *function)
}
