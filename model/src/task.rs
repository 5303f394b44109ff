//! A task: one process or thread with one operation.
//!
//! Two program counters (the system call; the fault handler or hook on top of
//! it), the position inside a built-in transfer, the page fault under way, and
//! the three variables a transfer must not confuse: iterator position, file
//! position and accumulated count (semantics, section 5).

use crate::program::{MAX_FLAGS, MAX_NESTED_VARS, MAX_VARS, Pc, Val};
use crate::scenario::MAX_TRANSFER;

/// How far the task's operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Status {
    /// Not begun (only environment threads start so).
    #[default]
    Idle = 0,
    /// Under way.
    Running = 1,
    /// Returned, or killed by SIGBUS.
    Done = 2,
    /// Ran into a kernel BUG: recursion (Q4) or a dequeue of nothing.
    Bug = 3,
}

/// Is the task asleep in the `gfs2_glock_nq` at its program counter?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Wait {
    /// No.
    #[default]
    No = 0,
    /// Yes (HIF_WAIT).
    Sleeping = 1,
    /// Its TRY request was failed; it has not looked yet.
    Failed = 2,
}

/// Where a built-in operation stands. What each does is in [`crate::transfer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Sub {
    /// None is under way: the design's code runs.
    #[default]
    None = 0,
    /// `iomap_dio_rw`: before the write-back (and invalidation) of the range.
    DioFlush = 1,
    /// `iomap_dio_rw`: next page.
    DioPage = 2,
    /// `iomap_dio_rw`, writes: before the second invalidation.
    DioEnd = 3,
    /// `generic_file_read_iter`: next page.
    ReadPage = 4,
    /// `iomap_file_buffered_write`: `iomap_begin` runs.
    WriteBegin = 5,
    /// `iomap_file_buffered_write`: next page.
    WritePage = 6,
    /// `iomap_file_buffered_write`: `iomap_end` runs.
    WriteEnd = 7,
    /// Fault-in: next page.
    FaultIn = 8,
    /// `pin_user_pages`: next page.
    Pin = 9,
    /// Access from user mode or by another system call: next page.
    Touch = 10,
    /// Writer of mmap_lock, not there yet.
    MmArrive = 11,
    /// Queued for mmap_lock: new readers wait (M8).
    MmQueued = 12,
    /// Holds mmap_lock for writing.
    MmHeld = 13,
    /// `generic_file_read_iter`: the design's `readpage` runs.
    Readpage = 14,
    /// `iomap_fiemap`: next page of records.
    FiemapPage = 15,
    /// `iomap_dio_rw`, asynchronous, a later page refused: before the wait for what
    /// has been submitted (I13).
    DioWait = 16,
    /// The call has returned `-EIOCBQUEUED`; only the completion is left.
    Parked = 17,
}

/// Where a page fault stands (M1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Fault {
    /// None under way.
    #[default]
    None = 0,
    /// Waits for mmap_lock.
    Begin = 1,
    /// The design's `fault` runs.
    Handler = 2,
    /// The design's `page_mkwrite` runs after `fault` (no PTE yet).
    MkwriteNew = 3,
    /// The design's `page_mkwrite` runs alone (read-only PTE).
    MkwriteWp = 4,
}

/// Ghost: does the transfer use a valid extent mapping (X2, P6)?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Mapping {
    /// No mapping.
    #[default]
    None = 0,
    /// Made under the glock, which is still held.
    Valid = 1,
    /// Made without the glock, or the glock has been dropped since.
    Stale = 2,
}

/// A pinned buffer page (M10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Pinned {
    /// Not pinned.
    #[default]
    No = 0,
    /// Pinned, still the page the address maps.
    Live = 1,
    /// Pinned, but the page has left its file: a write to it is lost.
    Orphan = 2,
    /// Referenced only: transfers go by the page tables (I9).
    Ref = 3,
}

impl Pinned {
    /// Does a transfer use the pinned page, whatever the page tables say?
    #[inline]
    pub const fn is_used(self) -> bool {
        matches!(self, Pinned::Live | Pinned::Orphan)
    }

    /// Does it keep the page that is in the cache from reclaim?
    #[inline]
    pub const fn keeps(self) -> bool {
        matches!(self, Pinned::Live | Pinned::Ref)
    }
}

/// Where asynchronous direct I/O stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Flight {
    /// There is none.
    #[default]
    None = 0,
    /// `iomap_dio_rw` submits it: counted in `i_dio_count`.
    Submitting = 1,
    /// `iomap_dio_rw` has returned -EIOCBQUEUED: counted, until it completes.
    Queued = 2,
    /// A write: all pages are done, the completion still has to drop the range of the
    /// page cache (I2). Counted.
    Ending = 3,
    /// Completed and reported, before the system call has returned.
    Complete = 4,
}

/// Asynchronous direct I/O of a task (I1, I13): what has been submitted and what its
/// completion will report. Submitted pages are pinned ([`Task::pins`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Aio {
    /// How far it is.
    pub flight: Flight,
    /// Pages of the buffer that have been submitted and not yet moved: bit per page.
    pub bios: u8,
    /// The first page of the buffer.
    pub index: u8,
    /// The page of the file that goes with it, from where the operation began.
    pub page: u8,
    /// Pages submitted (`dio->size`).
    pub size: u8,
    /// What the completion reports; before the wait for what has been submitted, the
    /// error the call will return, or 0.
    pub value: Val,
    /// Submitted pages that the design had pinned before: bit per page.
    pub pinned: u8,
    /// Submitted pages that the design had a reference to before: bit per page.
    pub referenced: u8,
}

impl Aio {
    /// Is it counted in the inode's `i_dio_count`?
    #[inline]
    pub fn in_flight(&self) -> bool {
        matches!(
            self.flight,
            Flight::Submitting | Flight::Queued | Flight::Ending
        )
    }

    /// A bio takes a page of the buffer, with a pin of its own.
    pub(crate) fn takes(&mut self, index: u8, pins: &[Pinned; MAX_TRANSFER]) {
        let bit = 1 << index;
        self.bios |= bit;
        match pins[index as usize] {
            Pinned::No => {}
            Pinned::Live | Pinned::Orphan => self.pinned |= bit,
            Pinned::Ref => self.referenced |= bit,
        }
    }

    /// The bio of a page is done: what is left is what the design had, of a page that is
    /// as it is now.
    pub(crate) fn gives_back(&mut self, index: u8, now: Pinned) -> Pinned {
        let bit = 1 << index;
        self.bios &= !bit;
        let (pinned, referenced) = (self.pinned & bit != 0, self.referenced & bit != 0);
        self.pinned &= !bit;
        self.referenced &= !bit;
        match now {
            _ if pinned => now,
            Pinned::Live if referenced => Pinned::Ref,
            _ => Pinned::No,
        }
    }

    /// Is this page of the buffer pinned by a bio only, which needs nobody's help?
    #[inline]
    pub fn alone_pins(&self, index: usize) -> bool {
        (self.bios & !self.pinned & !self.referenced) >> index & 1 == 1
    }

    /// Is there something to do that needs nobody's help: a page to be moved, or the
    /// completion?
    #[inline]
    pub fn can_move(&self) -> bool {
        self.bios != 0 || self.flight == Flight::Ending
    }
}

/// What went wrong with a task's operation: bits of [`Task::wrong`].
pub mod wrong {
    /// no-lost-efault (P9).
    pub const LOST: u8 = 1;
    /// no-spurious-efault (P8).
    pub const SPURIOUS: u8 = 2;
    /// no-short (P10).
    pub const SHORT: u8 = 4;
    /// placement (P7).
    pub const PLACEMENT: u8 = 8;
    /// balanced (P5).
    pub const UNBALANCED: u8 = 16;
    /// atomic-read (P12).
    pub const TORN: u8 = 32;
    /// mapping (P6).
    pub const MAPPING: u8 = 64;
}

/// [`Task::landed`] of a buffer page whose data was lost with an orphaned page.
pub const LANDED_LOST: u8 = 7;

/// A task. Everything that means nothing at the moment is zero, so that equal
/// situations are equal states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Task {
    /// How far it is.
    pub status: Status,
    /// Program counter in the system call.
    pub pc: Pc,
    /// Program counter in the fault handler or hook.
    pub nested_pc: Pc,
    /// Asleep in `gfs2_glock_nq`?
    pub wait: Wait,
    /// Position in a built-in operation.
    pub sub: Sub,
    /// Position in a page fault.
    pub fault: Fault,
    /// Variables of the system call.
    pub vars: [Val; MAX_VARS],
    /// Variables of the fault handler or hook.
    pub nested_vars: [Val; MAX_NESTED_VARS],
    /// Flags and counters that live in the task.
    pub flags: [u8; MAX_FLAGS],
    /// Iterator position: next buffer page.
    pub iter_pos: u8,
    /// `iter.count`: pages the iterator has left.
    pub iter_count: u8,
    /// File position, in pages from where the operation began.
    pub ki_pos: u8,
    /// O_APPEND: the page of the file where the operation began, and 0 until
    /// `generic_write_checks` has said so. Others begin at the scenario's `page`.
    pub first: u8,
    /// Pages done by the built-in operation under way.
    pub moved: u8,
    /// Buffered write: pages done under the extent mapping under way.
    pub extent_moved: u8,
    /// Direct I/O: how often the current page was refused in this call.
    pub attempts: u8,
    /// Fault-in and pin: pages asked for.
    pub window: u8,
    /// Buffered write: what `iomap_begin` or the copy failed with, if anything.
    pub error: Val,
    /// Between `pagefault_disable` and `pagefault_enable` (M5).
    pub faults_off: bool,
    /// `iter.nofault` (I10).
    pub nofault: bool,
    /// Its holder was refused, and has not been initialised since (I26).
    pub gh_error: bool,
    /// Holds mmap_lock for reading.
    pub mmap_read: bool,
    /// Has the page of its fault locked.
    pub page_locked: bool,
    /// The fault has answered RETRY once (FAULT_FLAG_TRIED).
    pub tried: bool,
    /// Buffered read: has a reference to the source page (I3).
    pub have_page: bool,
    /// Per buffer page.
    pub pins: [Pinned; MAX_TRANSFER],
    /// Asynchronous direct I/O.
    pub aio: Aio,
    /// Ghost: the extent mapping.
    pub mapping: Mapping,
    /// Ghost: an access of this operation failed on a genuinely bad address.
    pub saw_bad: bool,
    /// Ghost, per buffer page: 1 + the file page (from where the operation began)
    /// it was transferred with; 0 if none, [`LANDED_LOST`] if into an orphan.
    pub landed: [u8; MAX_TRANSFER],
    /// Ghost, buffered read: the file may have changed since its first page was
    /// read.
    pub changed: bool,
    /// What went wrong so far: bits of [`wrong`].
    pub wrong: u8,
    /// What the operation returned, once done.
    pub result: Val,
}

impl Task {
    /// Is its operation over?
    #[inline]
    pub fn finished(&self) -> bool {
        self.status == Status::Done
    }

    /// Does a nested frame run: a fault handler or a hook?
    #[inline]
    pub fn nested(&self) -> bool {
        matches!(
            self.fault,
            Fault::Handler | Fault::MkwriteNew | Fault::MkwriteWp
        ) || (self.fault == Fault::None
            && matches!(self.sub, Sub::WriteBegin | Sub::WriteEnd | Sub::Readpage))
    }

    /// Does it hold mmap_lock for writing?
    #[inline]
    pub fn mmap_write(&self) -> bool {
        self.sub == Sub::MmHeld
    }
}
