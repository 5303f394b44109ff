//! A compiled design: the instructions a task executes.
//!
//! The language front end ([`crate::design`]) turns a `.design` file into a
//! [`Program`]; the model interprets it one atomic step at a time. Helpers of the
//! design are expanded in place, so a task needs no call stack: one program
//! counter for the system call and one for the fault handler (or iomap hook)
//! that runs on top of it.
//!
//! Every instruction has one meaning in the model, listed with its rule by
//! `glock explain`. *Local* instructions touch only the task's own variables and
//! may be fused with the step before them; see [`Program::is_local`].

use crate::mode::Mode;
use std::fmt;

/// Index of an instruction in [`Program::code`].
pub type Pc = u16;

/// A function of the design that the kernel calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Entry {
    /// `read()` with `O_DIRECT`.
    DirectRead,
    /// `write()` with `O_DIRECT`, the buffered rest included.
    DirectWrite,
    /// `read()` without `O_DIRECT`.
    BufferedRead,
    /// `write()` without `O_DIRECT`.
    BufferedWrite,
    /// `vm_operations_struct::fault`: a page of the mapping is wanted (rule R9).
    Fault,
    /// `vm_operations_struct::page_mkwrite`: a shared page becomes writable (R9).
    PageMkwrite,
    /// `inode_operations::fiemap`: the extents of the file are copied to user memory.
    Fiemap,
    /// `file_operations::mmap`, run with mmap_lock held for writing (rule I6).
    Mmap,
    /// Called by a buffered write before it touches an extent (rule I4).
    IomapBegin,
    /// Called when a buffered write is done with the extent (rule I4).
    IomapEnd,
    /// `address_space_operations::readpage`, up to v5.7: a buffered read has locked a page
    /// that is not cached and wants it read in (I27).
    Readpage,
}

impl Entry {
    /// All entries, in the order of declaration.
    pub const ALL: [Entry; 11] = [
        Entry::DirectRead,
        Entry::DirectWrite,
        Entry::BufferedRead,
        Entry::BufferedWrite,
        Entry::Fault,
        Entry::PageMkwrite,
        Entry::Fiemap,
        Entry::Mmap,
        Entry::IomapBegin,
        Entry::IomapEnd,
        Entry::Readpage,
    ];

    /// The name under which a design defines it.
    pub const fn name(self) -> &'static str {
        match self {
            Entry::DirectRead => "direct_read",
            Entry::DirectWrite => "direct_write",
            Entry::BufferedRead => "buffered_read",
            Entry::BufferedWrite => "buffered_write",
            Entry::Fault => "fault",
            Entry::PageMkwrite => "page_mkwrite",
            Entry::Fiemap => "fiemap",
            Entry::Mmap => "mmap",
            Entry::IomapBegin => "iomap_begin",
            Entry::IomapEnd => "iomap_end",
            Entry::Readpage => "readpage",
        }
    }

    /// Does it run on top of a system call (second program counter)?
    pub const fn is_nested(self) -> bool {
        matches!(
            self,
            Entry::Fault
                | Entry::PageMkwrite
                | Entry::IomapBegin
                | Entry::IomapEnd
                | Entry::Readpage
        )
    }

    /// May a design leave it out?
    pub const fn is_optional(self) -> bool {
        matches!(
            self,
            Entry::Fiemap | Entry::Mmap | Entry::IomapBegin | Entry::IomapEnd | Entry::Readpage
        )
    }
}

/// A small value a design computes with: a size in pages, a mode, or a code.
///
/// Five bits. Sizes are pages (0 to [`Val::MAX_SIZE`]); everything else is a name
/// of the kernel's. Codes compare equal only to themselves; `-E…` codes are
/// less than zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Val(pub u8);

impl Val {
    /// Nothing: 0 pages, success.
    pub const ZERO: Val = Val(0);
    /// One page; also "true".
    pub const ONE: Val = Val(1);
    /// The largest size in pages.
    pub const MAX_SIZE: u8 = 7;
    /// `LM_ST_UNLOCKED` and the other modes as values: `UN`, `SH`, `DF`, `EX`.
    pub const fn mode(mode: Mode) -> Val {
        Val(8 + mode as u8)
    }
    /// `GLR_TRYFAILED`, 13: positive in the kernel, which is a trap (rule Q6).
    pub const TRYFAILED: Val = Val(12);
    /// `VM_FAULT_LOCKED`: the page is returned locked (rule M2).
    pub const LOCKED: Val = Val(13);
    /// `VM_FAULT_NOPAGE`: nothing to install, repeat the access (rule M2).
    pub const NOPAGE: Val = Val(14);
    /// `VM_FAULT_RETRY`: mmap_lock was dropped, repeat the fault (rule M2).
    pub const RETRY: Val = Val(15);
    /// `VM_FAULT_SIGBUS` (rule M4).
    pub const SIGBUS: Val = Val(16);
    /// `VM_FAULT_RESTART`: the RFC's other proposal, a code of its own that
    /// reaches the file system as -EBUSY.
    pub const RESTART: Val = Val(17);
    /// `-EFAULT`.
    pub const EFAULT: Val = Val(18);
    /// `-EAGAIN`.
    pub const EAGAIN: Val = Val(19);
    /// `-EBUSY`.
    pub const EBUSY: Val = Val(20);
    /// `-ENOTBLK`: "do it buffered".
    pub const ENOTBLK: Val = Val(21);
    /// `-EIO`.
    pub const EIO: Val = Val(22);
    /// `-EIOCBQUEUED`: an asynchronous transfer is under way, its completion will
    /// report the result (rule I1).
    pub const EIOCBQUEUED: Val = Val(23);
    /// `AOP_TRUNCATED_PAGE`: the page was unlocked, look it up again (I27).
    pub const TRUNCATED: Val = Val(24);
    /// Number of bits a value takes in a packed state.
    pub const BITS: u32 = 5;

    /// A size of `pages` pages.
    ///
    /// # Panics
    /// If `pages` is larger than [`Val::MAX_SIZE`].
    #[inline]
    pub const fn size(pages: u8) -> Val {
        assert!(pages <= Val::MAX_SIZE);
        Val(pages)
    }

    /// The size, if it is one.
    #[inline]
    pub const fn as_size(self) -> Option<u8> {
        if self.0 <= Val::MAX_SIZE {
            Some(self.0)
        } else {
            None
        }
    }

    /// Is it a negative error number?
    #[inline]
    pub const fn is_error(self) -> bool {
        self.0 >= Val::EFAULT.0 && self.0 <= Val::EIOCBQUEUED.0
    }

    /// The named values, as a design writes them.
    pub const NAMES: [(&'static str, Val); 17] = [
        ("UN", Val::mode(Mode::Un)),
        ("SH", Val::mode(Mode::Sh)),
        ("DF", Val::mode(Mode::Df)),
        ("EX", Val::mode(Mode::Ex)),
        ("GLR_TRYFAILED", Val::TRYFAILED),
        ("VM_FAULT_LOCKED", Val::LOCKED),
        ("VM_FAULT_NOPAGE", Val::NOPAGE),
        ("VM_FAULT_RETRY", Val::RETRY),
        ("VM_FAULT_SIGBUS", Val::SIGBUS),
        ("VM_FAULT_RESTART", Val::RESTART),
        ("-EFAULT", Val::EFAULT),
        ("-EAGAIN", Val::EAGAIN),
        ("-EBUSY", Val::EBUSY),
        ("-ENOTBLK", Val::ENOTBLK),
        ("-EIO", Val::EIO),
        ("AOP_TRUNCATED_PAGE", Val::TRUNCATED),
        ("-EIOCBQUEUED", Val::EIOCBQUEUED),
    ];

    /// The value with this name.
    pub fn named(name: &str) -> Option<Val> {
        Val::NAMES.iter().find(|(n, _)| *n == name).map(|&(_, v)| v)
    }
}

impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Val::NAMES.iter().find(|(_, v)| v == self) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A local variable of a function (slot after helpers have been expanded).
///
/// Slots of system calls and slots of nested entries ([`Entry::is_nested`]) are
/// numbered separately, each from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Var(pub u8);

/// How many variables may live in a system call's frame at a time.
pub const MAX_VARS: usize = 8;
/// How many variables may live in a nested frame (fault handler, hook) at a time.
pub const MAX_NESTED_VARS: usize = 2;
/// How many flags and counters a design may declare.
pub const MAX_FLAGS: usize = 4;

/// Where a flag lives: who sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the task (`current->…`): seen by this task only.
    Task,
    /// In the task's `journal_info` pointer, which other code interprets: seen by
    /// this task only, but a mark left there at return is somebody else's bug.
    JournalInfo,
    /// In the open file: seen by every task that uses the same descriptor.
    File,
    /// In the inode (this node's): seen by every task of the node.
    Inode,
}

/// A declared flag or bounded counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagDecl {
    /// Its name in the design.
    pub name: String,
    /// Where it lives.
    pub place: Place,
    /// Largest value: 1 for a flag, up to 3 for a counter. Counters saturate.
    pub max: u8,
}

/// A declared flag or counter, by index into [`Program::flags`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flag(pub u8);

/// A value an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A constant.
    Const(Val),
    /// A local variable of the current frame.
    Var(Var),
    /// A flag or counter. For [`Place::File`] and [`Place::Inode`] in a system
    /// call: of the file it works on; in a fault handler: of the mapped file.
    Flag(Flag),
    /// `iter.count`: pages left in the iterator.
    IterCount,
    /// `iter.pos`: the file position, in pages from where the operation began.
    IterPos,
    /// `gfs2_glock_is_locked_by_me file`: 1 if this task is a holder (Q19).
    LockedByMe,
    /// `held file`: the mode in which this task is a holder, or `UN`.
    Held,
    /// `gfs2_holder_queued file`: 1 if the holder the system call took is still in the
    /// queue, weak or not (I11).
    HolderQueued,
    /// `pagefault_disabled`: 1 between pagefault_disable and pagefault_enable.
    PagefaultDisabled,
    /// `iocb_append`: 1 if the file is open with O_APPEND (IOCB_APPEND).
    IocbAppend,
}

/// How two operands are combined by [`Op::Assign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arith {
    /// `a + b`, sizes; saturates at [`Val::MAX_SIZE`].
    Add,
    /// `a - b`, sizes; not below 0.
    Sub,
    /// The smaller of two sizes.
    Min,
}

/// A comparison in an `if`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cmp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`: error codes are below 0, names that are no numbers never compare.
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Cmp {
    /// The outcome of `a self b`. Sizes compare as numbers, error codes are
    /// below every size; other names only compare equal or unequal.
    /// `GLR_TRYFAILED` is the number 13, as in the kernel: larger than 0.
    #[inline]
    pub fn holds(self, a: Val, b: Val) -> bool {
        fn number(v: Val) -> Option<i8> {
            if let Some(n) = v.as_size() {
                Some(n as i8)
            } else if v.is_error() {
                Some(-1 - (v.0 - Val::EFAULT.0) as i8)
            } else if v == Val::TRYFAILED {
                Some(13)
            } else {
                None
            }
        }
        match self {
            Cmp::Eq => a == b,
            Cmp::Ne => a != b,
            _ => match (number(a), number(b)) {
                (Some(a), Some(b)) => match self {
                    Cmp::Lt => a < b,
                    Cmp::Le => a <= b,
                    Cmp::Gt => a > b,
                    _ => a >= b,
                },
                _ => false,
            },
        }
    }
}

/// Request flags of `gfs2_glock_nq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct NqFlags(pub u8);

impl NqFlags {
    /// No flag: wait for as long as it takes.
    pub const NONE: NqFlags = NqFlags(0);
    /// `LM_FLAG_TRY`: do not wait; no callback to other nodes (Q6, D3).
    pub const TRY: NqFlags = NqFlags(1);
    /// `LM_FLAG_TRY_1CB`: as TRY, but one callback is sent (Q16, D3).
    pub const TRY_1CB: NqFlags = NqFlags(2);
    /// `LM_FLAG_ANY`: any shared mode will do (G4, G5, I6).
    pub const ANY: NqFlags = NqFlags(4);

    /// Are all flags of `other` set?
    #[inline]
    pub const fn has(self, other: NqFlags) -> bool {
        self.0 & other.0 == other.0
    }
    /// Either kind of TRY: same behaviour on the node (Q16).
    #[inline]
    pub const fn is_try(self) -> bool {
        self.0 & 3 != 0
    }
}

impl fmt::Display for NqFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has(NqFlags::TRY) {
            f.write_str("|TRY")?;
        }
        if self.has(NqFlags::TRY_1CB) {
            f.write_str("|TRY_1CB")?;
        }
        if self.has(NqFlags::ANY) {
            f.write_str("|ANY")?;
        }
        Ok(())
    }
}

/// Options of `iomap_dio_rw`: what it did before it was repaired, and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct DioFlags(pub u8);

impl DioFlags {
    /// None.
    pub const NONE: DioFlags = DioFlags(0);
    /// `fast`: get-user-pages only looks at the page tables, without mmap_lock, and
    /// takes no special entry (v4 and v5 of the merged series).
    pub const FAST: DioFlags = DioFlags(1);
    /// `hole_efault`: a read of a hole whose copy to the user fails answers -EFAULT.
    /// Without it the transfer ends there as at the end of the file (42c498c18a94).
    pub const HOLE_EFAULT: DioFlags = DioFlags(2);
    /// `offset_errno`: if not even the first page of an unaligned buffer could be had,
    /// the error is minus the offset in that page (before 814a66741b9f).
    pub const OFFSET_ERRNO: DioFlags = DioFlags(4);

    /// Options with the words that stand for them.
    pub const NAMES: [(&'static str, DioFlags); 3] = [
        ("fast", DioFlags::FAST),
        ("hole_efault", DioFlags::HOLE_EFAULT),
        ("offset_errno", DioFlags::OFFSET_ERRNO),
    ];

    /// Are all options of `other` set?
    #[inline]
    pub const fn has(self, other: DioFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Options of the fault-in: in which way it does less than the access it is for (I20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct FaultInFlags(pub u8);

impl FaultInFlags {
    /// None: every page is made ready, and the result is right.
    pub const NONE: FaultInFlags = FaultInFlags(0);
    /// `gup`: by get-user-pages, which leaves the marks of a present entry as they are
    /// and passes over device memory (writeable, before fe673d3f5bf1).
    pub const GUP: FaultInFlags = FaultInFlags(1);
    /// `coarse`: only the page it begins with and the first of every further chunk of
    /// the file are looked at, as one byte a page is (before the exact probe of v5.19).
    pub const COARSE: FaultInFlags = FaultInFlags(2);
    /// `overreports`: a failure behind the first page is reported as complete success
    /// (writeable, fe673d3f5bf1 to 8c03ebd7cdc0).
    pub const OVERREPORTS: FaultInFlags = FaultInFlags(4);

    /// Options with the words that stand for them.
    pub const NAMES: [(&'static str, FaultInFlags); 3] = [
        ("gup", FaultInFlags::GUP),
        ("coarse", FaultInFlags::COARSE),
        ("overreports", FaultInFlags::OVERREPORTS),
    ];

    /// Are all options of `other` set?
    #[inline]
    pub const fn has(self, other: FaultInFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One instruction. `to` is where a result goes; `None` discards it.
///
/// "The file" is the file the system call works on, and in [`Entry::Fault`] and
/// [`Entry::PageMkwrite`] the file of the mapping that faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // fields are explained with their variant
pub enum Op {
    /// `gfs2_glock_nq file MODE [try|try_1cb] [any] [requeue] [else LABEL]`: enqueue a
    /// holder and wait until it is granted or refused (Q3 to Q8). Result: 0 or
    /// `GLR_TRYFAILED`. With `refused`, a refusal continues there. `requeue`: the holder
    /// of the request before, as that left it ([`GhError`]).
    Nq {
        mode: Mode,
        flags: NqFlags,
        requeue: bool,
        to: Option<Var>,
        refused: Option<Pc>,
    },
    /// `gfs2_glock_dq file` (Q17).
    Dq,
    /// `gfs2_holder_allow_demote file`: from here on the holder may be taken away by
    /// whoever it stands in the way of (W1 to W5).
    AllowDemote,
    /// `gfs2_holder_disallow_demote file`: no longer; it may be gone (W1).
    DisallowDemote,
    /// `inode_lock file`: i_rwsem for writing.
    InodeLock,
    /// `inode_unlock file`.
    InodeUnlock,
    /// `generic_write_checks file iter`: with O_APPEND the file position becomes the size
    /// of the file as this node knows it (`i_size`); without, nothing.
    WriteChecks,
    /// `pagefault_disable` (M5).
    PagefaultDisable,
    /// `pagefault_enable`.
    PagefaultEnable,
    /// `iter.nofault = 0|1`: get-user-pages does not fault (FOLL_NOFAULT, I10).
    IterNofault(bool),
    /// `ret = iomap_dio_rw file iter [partial|rewind] [done VAR]`: direct transfer (I1,
    /// I1b, I2, X1, I13). `partial`: an -EFAULT after progress ends as a short
    /// count (IOMAP_DIO_PARTIAL); `rewind`: it takes the iterator back to where it was
    /// (K10); `done`: earlier pages, added to the result.
    DioRw {
        to: Var,
        partial: bool,
        rewind: bool,
        done: Option<Var>,
        flags: DioFlags,
    },
    /// `ret = generic_file_read_iter file iter [noio]`: copy from the page cache
    /// (I3). `noio`: cached pages only, else -EAGAIN.
    ReadIter { to: Var, noio: bool },
    /// `ret = iomap_file_buffered_write file iter [keep_pos] [whole_chunks]` (I4). `keep_pos`: the
    /// file position is left to the caller. `whole_chunks`: a chunk of the file of which some page
    /// cannot be reached fails as a whole (I14).
    BufferedWrite {
        to: Var,
        keep_pos: bool,
        whole_chunks: bool,
    },
    /// `ret = iomap_fiemap file iter`: copies the records of the file's extents to user
    /// memory (fiemap_fill_next_extent). Result: pages of records; an error wins over
    /// progress.
    IomapFiemap { to: Var },
    /// `iter.mapped = 0`: the array of records is empty again (fi_extents_mapped).
    IterMapped,
    /// `left = fault_in_iov_iter_readable iter N` / `..._writeable`: make up to N
    /// pages present; result: pages that are not accessible (I20).
    FaultIn {
        to: Var,
        write: bool,
        window: Operand,
        flags: FaultInFlags,
    },
    /// `ret = iov_iter_fault_in_readable iter`: as before v5.16; 0 or -EFAULT.
    FaultInReadable { to: Var },
    /// `ret = pin_user_pages iter N`: get-user-pages on up to N pages; they stay
    /// pinned (M10). Result: pages pinned, or -EFAULT if none. `refs`:
    /// `iov_iter_get_pages_alloc`, which only keeps references to them (I9).
    Pin {
        to: Var,
        window: Operand,
        refs: bool,
    },
    /// `unpin_user_pages iter`: drop all pins.
    Unpin,
    /// `ret = filemap_fault file`: the page is read in if it must be, and comes
    /// back locked; the first time it may answer VM_FAULT_RETRY instead, with
    /// mmap_lock dropped (R9, M1). Beyond EOF: VM_FAULT_SIGBUS.
    FilemapFault { to: Var },
    /// `ret = set_page_dirty_if_mapped file`: lock the page; if it still belongs to
    /// the file: dirty it, VM_FAULT_LOCKED; else unlock, VM_FAULT_NOPAGE (R9b).
    DirtyPage { to: Var },
    /// `mpage_readpage file`: reads the page `readpage` was called for, and unlocks it.
    MpageReadpage,
    /// `unlock_page`: unlock the page `filemap_fault` or
    /// `set_page_dirty_if_mapped` returned.
    UnlockPage,
    /// `VAR = A`, `VAR = A + B`, `VAR = A - B`, `VAR = min A B`; also `iter.count`.
    Assign {
        to: Target,
        a: Operand,
        op: Option<(Arith, Operand)>,
    },
    /// `FLAG = 0|1`, `COUNTER = …`, `COUNTER += 1`: saturates at its maximum.
    SetFlag {
        flag: Flag,
        a: Operand,
        op: Option<(Arith, Operand)>,
    },
    /// `if A cmp B goto LABEL`; falls through to the next instruction otherwise.
    Branch {
        a: Operand,
        cmp: Cmp,
        b: Operand,
        then: Pc,
    },
    /// `goto LABEL`.
    Goto(Pc),
    /// `return A`: from the entry, not from a helper.
    Return(Operand),
}

impl Op {
    /// Does it enter a built-in operation ([`crate::transfer`])? Those are the ones in
    /// which user memory is touched and page faults may be served.
    pub const fn is_builtin(self) -> bool {
        matches!(
            self,
            Op::DioRw { .. }
                | Op::ReadIter { .. }
                | Op::BufferedWrite { .. }
                | Op::IomapFiemap { .. }
                | Op::FaultIn { .. }
                | Op::FaultInReadable { .. }
                | Op::Pin { .. }
        )
    }
}

/// What an [`Op::Assign`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A variable of the current frame.
    Var(Var),
    /// `iter.count`: limits (`iov_iter_truncate`) or re-expands the iterator.
    IterCount,
    /// `iter.pos`: moves the file position.
    IterPos,
}

/// A place in a design's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index into [`Program::sources`].
    pub source: u16,
    /// Line number, from 1.
    pub number: u32,
    /// The function it stands in.
    pub function: String,
    /// Nesting depth of helper expansion, for indentation.
    pub depth: u8,
    /// The statement's text, blanks squeezed, comment removed.
    pub text: String,
}

/// One instruction with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instr {
    /// What it does.
    pub op: Op,
    /// Index into [`Program::lines`]. Several instructions may share a line.
    pub line: u16,
    /// Variables of the frame that may still be read after this instruction has
    /// been *reached* (bit per slot): all others are reset to 0 there.
    pub live: u16,
}

/// Which version's rule decides local grants, G4 or G5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum MayGrant {
    /// Up to v5.15 (rule G4).
    #[default]
    V512,
    /// From v5.16 on (rule G5).
    V516,
}

/// Which version's rule decides TRY requests, Q6 or Q6b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum TryRule {
    /// Up to v6.17 (rules Q6, Q13).
    #[default]
    V512,
    /// From v6.18 on (rule Q6b).
    V618,
}

/// What a grant does to weak holders, where there is no strong one (W4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum WeakRule {
    /// v5.16 to v5.19: it leaves them alone, compatible or not.
    #[default]
    V516,
    /// From v6.0 on (0befb8511e6a): incompatible ones are dequeued.
    V60,
}

/// What becomes of the error of a holder that is queued again (I26).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum GhError {
    /// Up to v5.17: it stays, and a request that is granted returns it.
    #[default]
    V512,
    /// From v5.18 on ("gfs2: Initialize gh_error in gfs2_glock_nq"): it is cleared.
    V518,
}

/// In whose context a demote that is due is carried out when a request scans the queue
/// (Q7a, Q10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum DemoteRule {
    /// Before the work queue of v2.6.24 (c4f68a130fc1): in that of the request.
    V2619,
    /// Since: in the worker's.
    #[default]
    V2624,
}

/// When a node that is asked for a file keeps it for the rest of the minimum hold time
/// (R1, R2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum HoldRule {
    /// From v2.6.24 on (c4f68a130fc1): always. The hold time counts from the last change of
    /// mode, whoever is queued. From 2010 to v5.9 (GLF_QUEUED) so, too, unless nobody had
    /// queued since.
    V2624,
    /// From v5.10 on (e2c6c8a797ee): only while somebody is queued.
    #[default]
    V510,
}

/// The glock rules of the kernel a design is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Kernel {
    /// Local grants.
    pub may_grant: MayGrant,
    /// TRY requests.
    pub try_rule: TryRule,
    /// Weak holders.
    pub weak: WeakRule,
    /// Holders that are queued again.
    pub gh_error: GhError,
    /// Demotes that are due.
    pub demote: DemoteRule,
    /// The minimum hold time.
    pub hold: HoldRule,
}

/// A design file: where a [`Line`] comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The design's name.
    pub design: String,
    /// File name, for messages.
    pub file: String,
    /// Its whole text.
    pub text: String,
}

/// A compiled design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The design's name.
    pub name: String,
    /// The names of what it extends, nearest first.
    pub extends: Vec<String>,
    /// Its description: one or more sentences.
    pub description: String,
    /// The glock rules it runs under.
    pub kernel: Kernel,
    /// Flags and counters.
    pub flags: Vec<FlagDecl>,
    /// Entries for which the design admits a short count (`admits short ENTRY…`).
    pub admits_short: Vec<Entry>,
    /// Does the design let anybody take holders away? Then it counts whether a glock's
    /// worker was asked to look (W1).
    pub weak_holders: bool,
    /// The design file and those it extends.
    pub sources: Vec<Source>,
    /// Statement lines, referred to by [`Instr::line`].
    pub lines: Vec<Line>,
    /// The instructions.
    pub code: Vec<Instr>,
    /// Where each entry starts, by `Entry as usize`; `None` if left out.
    pub entries: [Option<Pc>; Entry::ALL.len()],
    /// Names of the variable slots of system calls, for traces.
    pub var_names: Vec<String>,
    /// Names of the variable slots of nested entries, for traces.
    pub nested_var_names: Vec<String>,
}

impl Program {
    /// Where an entry starts, if the design has it.
    #[inline]
    pub fn entry(&self, entry: Entry) -> Option<Pc> {
        self.entries[entry as usize]
    }

    /// The line an instruction stands on.
    pub fn line(&self, pc: Pc) -> &Line {
        &self.lines[self.code[pc as usize].line as usize]
    }

    /// Does reading or writing this flag touch only the task itself?
    pub fn flag_is_local(&self, flag: Flag) -> bool {
        matches!(
            self.flags[flag.0 as usize].place,
            Place::Task | Place::JournalInfo
        )
    }

    /// Does the design queue a holder again as the request before left it?
    pub fn requeues_holders(&self) -> bool {
        let requeues = |op| matches!(op, Op::Nq { requeue: true, .. });
        self.code.iter().any(|i| requeues(i.op))
    }

    /// Does an instruction ask whether the holder is still queued?
    pub fn reads_queued(&self, pc: Pc) -> bool {
        crate::design::graph::operands(&self.code[pc as usize].op)
            .any(|operand| operand == Operand::HolderQueued)
    }

    fn operand_is_local(&self, operand: Operand) -> bool {
        match operand {
            Operand::Flag(flag) => self.flag_is_local(flag),
            _ => true,
        }
    }

    /// Does this instruction touch only the task's own variables? Such steps are
    /// fused with the one before them unless fusion is switched off. A task's own
    /// holder is only ever taken away by the task itself, so asking for it
    /// (Q19) is local too, except for a weak one ([`Program::reads_queued`]). A nested
    /// `return` is not: it installs the PTE. [`Op::WriteChecks`] is, but for tasks that
    /// append: what they read, all tasks of the node share.
    pub fn is_local(&self, pc: Pc) -> bool {
        match self.code[pc as usize].op {
            Op::PagefaultDisable
            | Op::PagefaultEnable
            | Op::IterNofault(_)
            | Op::WriteChecks
            | Op::Goto(_) => true,
            Op::Assign { a, op, .. } => {
                self.operand_is_local(a) && op.is_none_or(|(_, b)| self.operand_is_local(b))
            }
            Op::SetFlag { flag, a, op } => {
                self.flag_is_local(flag)
                    && self.operand_is_local(a)
                    && op.is_none_or(|(_, b)| self.operand_is_local(b))
            }
            Op::Branch { a, b, .. } => self.operand_is_local(a) && self.operand_is_local(b),
            _ => false,
        }
    }
}
