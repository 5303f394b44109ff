//! The vocabulary of the language: header words, declarations, kernel
//! operations and control flow, each with its meaning and rule numbers.

use crate::program::Entry;

/// Where a statement of the language may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Above the first function.
    Header,
    /// A declaration, above the first function.
    Declaration,
    /// An operation of the kernel.
    Kernel,
    /// What steers: labels, `goto`, `if`, assignments.
    Control,
    /// Something that has a value.
    Value,
}

/// One statement of the language, as `glock explain` shows it.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand.
    pub group: Group,
    /// How it is written.
    pub syntax: &'static str,
    /// What it does, in a paragraph.
    pub meaning: &'static str,
    /// Rule numbers of the semantics.
    pub rules: &'static [&'static str],
}

/// The entries a kernel operation may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Anywhere,
    Transfers,
    TransfersAndFiemap,
    Fiemap,
    Writes,
    TransfersAndFault,
    Fault,
    Mkwrite,
    Faults,
    Readpage,
    Pages,
}

impl Scope {
    pub(super) fn allows(self, entry: Entry) -> bool {
        let transfer = matches!(
            entry,
            Entry::DirectRead | Entry::DirectWrite | Entry::BufferedRead | Entry::BufferedWrite
        );
        match self {
            Scope::Anywhere => true,
            Scope::Transfers => transfer,
            Scope::TransfersAndFiemap => transfer || entry == Entry::Fiemap,
            Scope::Fiemap => entry == Entry::Fiemap,
            Scope::Writes => matches!(entry, Entry::DirectWrite | Entry::BufferedWrite),
            Scope::TransfersAndFault => transfer || entry == Entry::Fault,
            Scope::Fault => entry == Entry::Fault,
            Scope::Mkwrite => entry == Entry::PageMkwrite,
            Scope::Faults => matches!(entry, Entry::Fault | Entry::PageMkwrite),
            Scope::Readpage => entry == Entry::Readpage,
            Scope::Pages => Scope::Faults.allows(entry) || Scope::Readpage.allows(entry),
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Scope::Anywhere => "any function",
            Scope::Transfers => "direct_read, direct_write, buffered_read and buffered_write",
            Scope::TransfersAndFiemap => {
                "direct_read, direct_write, buffered_read, buffered_write and fiemap"
            }
            Scope::Fiemap => "fiemap",
            Scope::Writes => "direct_write and buffered_write",
            Scope::TransfersAndFault => {
                "direct_read, direct_write, buffered_read, buffered_write and fault"
            }
            Scope::Fault => "fault",
            Scope::Mkwrite => "page_mkwrite",
            Scope::Faults => "fault and page_mkwrite",
            Scope::Readpage => "readpage",
            Scope::Pages => "fault, page_mkwrite and readpage",
        }
    }
}

/// A kernel operation a design can call by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    GlockNq,
    GlockDq,
    AllowDemote,
    DisallowDemote,
    InodeLock,
    InodeUnlock,
    WriteChecks,
    PagefaultDisable,
    PagefaultEnable,
    DioRw,
    ReadIter,
    BufferedWrite,
    Fiemap,
    FaultInReadable,
    FaultInWriteable,
    FaultInReadableOld,
    Pin,
    GetPages,
    Unpin,
    FilemapFault,
    DirtyPage,
    UnlockPage,
    MpageReadpage,
}

impl Kernel {
    pub(super) const ALL: [Kernel; 23] = [
        Kernel::GlockNq,
        Kernel::GlockDq,
        Kernel::AllowDemote,
        Kernel::DisallowDemote,
        Kernel::InodeLock,
        Kernel::InodeUnlock,
        Kernel::WriteChecks,
        Kernel::PagefaultDisable,
        Kernel::PagefaultEnable,
        Kernel::DioRw,
        Kernel::ReadIter,
        Kernel::BufferedWrite,
        Kernel::Fiemap,
        Kernel::FaultInReadable,
        Kernel::FaultInWriteable,
        Kernel::FaultInReadableOld,
        Kernel::Pin,
        Kernel::GetPages,
        Kernel::Unpin,
        Kernel::FilemapFault,
        Kernel::DirtyPage,
        Kernel::UnlockPage,
        Kernel::MpageReadpage,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kernel::GlockNq => "gfs2_glock_nq",
            Kernel::GlockDq => "gfs2_glock_dq",
            Kernel::AllowDemote => "gfs2_holder_allow_demote",
            Kernel::DisallowDemote => "gfs2_holder_disallow_demote",
            Kernel::InodeLock => "inode_lock",
            Kernel::InodeUnlock => "inode_unlock",
            Kernel::WriteChecks => "generic_write_checks",
            Kernel::PagefaultDisable => "pagefault_disable",
            Kernel::PagefaultEnable => "pagefault_enable",
            Kernel::DioRw => "iomap_dio_rw",
            Kernel::ReadIter => "generic_file_read_iter",
            Kernel::BufferedWrite => "iomap_file_buffered_write",
            Kernel::Fiemap => "iomap_fiemap",
            Kernel::FaultInReadable => "fault_in_iov_iter_readable",
            Kernel::FaultInWriteable => "fault_in_iov_iter_writeable",
            Kernel::FaultInReadableOld => "iov_iter_fault_in_readable",
            Kernel::Pin => "pin_user_pages",
            Kernel::GetPages => "iov_iter_get_pages_alloc",
            Kernel::Unpin => "unpin_user_pages",
            Kernel::FilemapFault => "filemap_fault",
            Kernel::DirtyPage => "set_page_dirty_if_mapped",
            Kernel::UnlockPage => "unlock_page",
            Kernel::MpageReadpage => "mpage_readpage",
        }
    }

    pub(super) fn named(name: &str) -> Option<Kernel> {
        Kernel::ALL.into_iter().find(|k| k.name() == name)
    }

    pub(super) fn scope(self) -> Scope {
        match self {
            Kernel::GlockNq | Kernel::GlockDq => Scope::Anywhere,
            Kernel::InodeLock | Kernel::InodeUnlock => Scope::TransfersAndFault,
            Kernel::Fiemap => Scope::Fiemap,
            Kernel::AllowDemote
            | Kernel::DisallowDemote
            | Kernel::PagefaultDisable
            | Kernel::PagefaultEnable
            | Kernel::FaultInReadable
            | Kernel::FaultInWriteable
            | Kernel::FaultInReadableOld => Scope::TransfersAndFiemap,
            Kernel::WriteChecks => Scope::Writes,
            Kernel::FilemapFault => Scope::Fault,
            Kernel::DirtyPage => Scope::Mkwrite,
            Kernel::UnlockPage => Scope::Pages,
            Kernel::MpageReadpage => Scope::Readpage,
            _ => Scope::Transfers,
        }
    }

    /// Has it a result?
    pub(super) fn has_result(self) -> bool {
        !matches!(
            self,
            Kernel::GlockDq
                | Kernel::AllowDemote
                | Kernel::DisallowDemote
                | Kernel::InodeLock
                | Kernel::InodeUnlock
                | Kernel::WriteChecks
                | Kernel::PagefaultDisable
                | Kernel::PagefaultEnable
                | Kernel::Unpin
                | Kernel::UnlockPage
                | Kernel::MpageReadpage
        )
    }

    pub(super) fn syntax(self) -> &'static str {
        STATEMENTS
            .iter()
            .find(|s| s.name == self.name())
            .map_or("", |s| s.syntax)
    }
}

/// Words with a meaning of their own; no variable, label or helper may have one.
pub(super) const KEYWORDS: [&str; 32] = [
    "if",
    "goto",
    "return",
    "and",
    "or",
    "not",
    "else",
    "try",
    "try_1cb",
    "any",
    "requeue",
    "partial",
    "rewind",
    "keep_pos",
    "done",
    "noio",
    "fast",
    "hole_efault",
    "offset_errno",
    "whole_chunks",
    "gup",
    "coarse",
    "overreports",
    "min",
    "max",
    "held",
    "true",
    "false",
    "pagefault_disabled",
    "iocb_append",
    "gfs2_glock_is_locked_by_me",
    "gfs2_holder_queued",
];

/// Words that start a line above the first function.
pub(super) const HEADER_WORDS: [&str; 9] = [
    "design",
    "extends",
    "source",
    "kernel",
    "admits",
    "task",
    "inode",
    "file",
    "journal_info",
];

/// Everything a design can say, in the order `glock explain` lists it.
///
/// ```
/// let nq = glock_model::design::statements()
///     .iter()
///     .find(|s| s.name == "gfs2_glock_nq")
///     .unwrap();
/// assert!(nq.syntax.contains("else LABEL"));
/// assert!(nq.rules.contains(&"Q6"));
/// ```
pub fn statements() -> &'static [Statement] {
    STATEMENTS
}

const STATEMENTS: &[Statement] = &[
    Statement {
        name: "design",
        group: Group::Header,
        syntax: "design NAME",
        meaning: "The first line: the design's name. Strings that follow describe it.",
        rules: &[],
    },
    Statement {
        name: "extends",
        group: Group::Header,
        syntax: "extends NAME",
        meaning: "Takes over everything of another design, built in or in the same \
                  directory: functions, flags, kernel rules, admitted short counts. What is \
                  written out here replaces what is inherited, as a patch does.",
        rules: &[],
    },
    Statement {
        name: "source",
        group: Group::Header,
        syntax: "source \"commit or mail, date, kernel version\"",
        meaning: "Where the design comes from. May be repeated.",
        rules: &[],
    },
    Statement {
        name: "kernel",
        group: Group::Header,
        syntax: "kernel v5.12|v5.16|v5.18|v6.0|v6.18\n\
                 kernel may_grant v5.12|v5.16, try v5.12|v6.18, weak v5.16|v6.0\n\
                 kernel gh_error v5.12|v5.18, demote v2.6.19|v2.6.24, hold v2.6.24|v5.10",
        meaning: "The glock rules the design runs under: which local grants are given \
                  (v5.12: G4, v5.16: G5); which TRY requests fail (v5.12: Q6, v6.18: Q6b); \
                  whether a grant dequeues the weak holders it does not go with where there \
                  is no strong one (v5.16: no, W4; v6.0: yes, 0befb8511e6a); whether a \
                  holder that is queued again keeps the error it was refused with (v5.12: \
                  yes; v5.18: no); who carries out a demote that is due when a request \
                  scans the queue (v2.6.19: the task that asks; v2.6.24: the worker, Q7a); \
                  and whether a node that is asked for a file keeps it for the rest of the \
                  minimum hold time (v5.10: only while somebody is queued; v2.6.24: always, \
                  and after a change of mode its tasks come at least 24 steps far, as long \
                  as one of them can move, before the time is over). A \
                  single version stands for all rules as they were then. Default: inherited, \
                  else v5.12 with the worker.",
        rules: &["G4", "G5", "Q6", "Q6b", "Q7", "R1", "R2", "W4"],
    },
    Statement {
        name: "admits",
        group: Group::Header,
        syntax: "admits short ENTRY...",
        meaning: "The design may return less than asked for from these entries although \
                  neither end of file nor a bad page is in the way: no-short does not count \
                  that as a violation.",
        rules: &["P10"],
    },
    Statement {
        name: "task",
        group: Group::Declaration,
        syntax: "task flag NAME\ntask counter NAME max N",
        meaning: "A flag (0 or 1) or a counter (0 to N, at most 3; it stays at N) in the \
                  task, as in current->NAME: the system call and the fault handlers that run \
                  on top of it see the same one, no other task does. Both start as 0.",
        rules: &["I7"],
    },
    Statement {
        name: "inode",
        group: Group::Declaration,
        syntax: "inode flag NAME\ninode counter NAME max N",
        meaning: "A flag or counter in the inode: every task of the node sees it. In a \
                  fault handler it is the one of the mapped file.",
        rules: &[],
    },
    Statement {
        name: "file",
        group: Group::Declaration,
        syntax: "file flag NAME\nfile counter NAME max N",
        meaning: "A flag or counter in the open file: every task that uses the same \
                  descriptor sees it.",
        rules: &[],
    },
    Statement {
        name: "journal_info",
        group: Group::Declaration,
        syntax: "journal_info flag NAME",
        meaning: "A mark in current->journal_info: as `task flag`, but other code takes the \
                  field for a transaction, so a mark left there when a call returns is a bug \
                  of its own.",
        rules: &["P5"],
    },
    Statement {
        name: "gfs2_glock_nq",
        group: Group::Kernel,
        syntax: "[VAR =] gfs2_glock_nq FILE SH|DF|EX [try|try_1cb] [any] [requeue] [else LABEL]",
        meaning: "Queues a holder on the file's glock and waits until it is granted. With \
                  `try` it does not wait and asks no other node; with `try_1cb` the other \
                  nodes get one callback; with `any` every shared mode will do. Result: 0, \
                  or GLR_TRYFAILED if a TRY request was refused; with `else` a refusal goes \
                  on at LABEL. A task that already holds the glock hits the BUG of rule Q4. \
                  `requeue` queues the holder of the request before as that left it: up to \
                  v5.17 a refusal sticks to it, and is reported once more when the glock has \
                  been granted (`kernel gh_error`).",
        rules: &["Q3", "Q4", "Q5", "Q6", "Q6b", "Q7", "Q8", "G4", "G5"],
    },
    Statement {
        name: "gfs2_glock_dq",
        group: Group::Kernel,
        syntax: "gfs2_glock_dq FILE",
        meaning: "Takes the task's holder off the file's glock. The node keeps the mode.",
        rules: &["Q17"],
    },
    Statement {
        name: "gfs2_holder_allow_demote",
        group: Group::Kernel,
        syntax: "gfs2_holder_allow_demote FILE",
        meaning: "Makes the task's holder weak: a callback for which it stands in the way \
                  takes it off the queue, if there is no strong holder (W2), and so does the \
                  end of the last strong one while a demote is due (W5). A local request does \
                  so only where it can be granted at once, and in v5.16 not even there (W3, \
                  W4). Neither a demote that is due already nor the queue is looked at (W1). \
                  The task may ask for the glock again in a fault. Until v6.1.",
        rules: &["I11", "W1", "W2", "W3", "W4", "W5"],
    },
    Statement {
        name: "gfs2_holder_disallow_demote",
        group: Group::Kernel,
        syntax: "gfs2_holder_disallow_demote FILE",
        meaning: "Makes the holder strong again, if it is still there: test \
                  gfs2_holder_queued.",
        rules: &["I11", "W1"],
    },
    Statement {
        name: "inode_lock",
        group: Group::Kernel,
        syntax: "inode_lock FILE",
        meaning: "Takes the inode's i_rwsem for writing: one writer of a file at a time on \
                  a node. In `fault` it is the mapped file's, and stands for the lock of a \
                  range in file systems that have one; a task that holds it already waits \
                  for itself.",
        rules: &["I2", "I4"],
    },
    Statement {
        name: "inode_unlock",
        group: Group::Kernel,
        syntax: "inode_unlock FILE",
        meaning: "Releases i_rwsem.",
        rules: &["I2", "I4"],
    },
    Statement {
        name: "generic_write_checks",
        group: Group::Kernel,
        syntax: "generic_write_checks FILE ITER",
        meaning: "With O_APPEND the file position becomes the size of the file, as far as \
                  this node knows it: another node may have appended since its glock was \
                  lost, and it is read in again only when a holder is granted. Without \
                  O_APPEND it does nothing. A task that appends needs it in its write path.",
        rules: &["I2", "I4"],
    },
    Statement {
        name: "pagefault_disable",
        group: Group::Kernel,
        syntax: "pagefault_disable",
        meaning: "From here on a copy to or from a page that is not present stops short \
                  instead of faulting. Get-user-pages is not affected.",
        rules: &["M5", "I10"],
    },
    Statement {
        name: "pagefault_enable",
        group: Group::Kernel,
        syntax: "pagefault_enable",
        meaning: "Ends pagefault_disable.",
        rules: &["M5"],
    },
    Statement {
        name: "iter.nofault",
        group: Group::Kernel,
        syntax: "ITER.nofault = 0|1",
        meaning: "With 1, get-user-pages does not fault pages in (FOLL_NOFAULT): -EFAULT \
                  instead. It still takes mmap_lock on its slow path.",
        rules: &["I10", "I21"],
    },
    Statement {
        name: "iomap_dio_rw",
        group: Group::Kernel,
        syntax: "VAR = iomap_dio_rw FILE ITER [partial|rewind] [done VAR] [fast] [hole_efault] \
                 [offset_errno]",
        meaning: "Direct transfer, page by page: flushes the file range, gets the user \
                  pages, moves them. Result: pages moved, or an error; -ENOTBLK from a write \
                  means \"do it buffered\". A later page's -EFAULT overrides the pages moved \
                  before (iterator advanced, file position not), unless `partial` turns it \
                  into a short count, or `rewind` takes the iterator back to where the call \
                  found it. `done`: pages of earlier calls, added to the result. A \
                  hole is zeroed by the CPU, so pagefault_disable counts there and \
                  iter.nofault does not; if that fails the transfer ends as at the end of \
                  the file, unless `hole_efault` makes it -EFAULT. `fast`: the page tables \
                  are looked at without mmap_lock, nothing is faulted in, and the zero page \
                  is refused. `offset_errno`, with `fast`: if not even the first page of a buffer that \
                  begins in mid-page can be had, the error is some other than -EFAULT (-EIO \
                  stands for all of them). Of an asynchronous request (`aio` in the \
                  scenario) what is submitted and not done when the call ends is in flight: \
                  the result is -EIOCBQUEUED, and whoever waits for the completion is told \
                  the pages moved, with `done`, or the error. A short count (`partial`, a \
                  hole) and an error after `rewind` are returned by the call itself, which \
                  waits for what it has submitted.",
        rules: &["I1", "I1b", "I2", "X1", "I13", "I21", "M4"],
    },
    Statement {
        name: "generic_file_read_iter",
        group: Group::Kernel,
        syntax: "VAR = generic_file_read_iter FILE ITER [noio]",
        meaning: "Copies from the page cache, reading pages in as needed. Result: pages \
                  copied; -EFAULT only if there is none. With `noio` only cached pages: \
                  -EAGAIN if the first is not.",
        rules: &["I3", "M6"],
    },
    Statement {
        name: "iomap_file_buffered_write",
        group: Group::Kernel,
        syntax: "VAR = iomap_file_buffered_write FILE ITER [keep_pos] [whole_chunks]",
        meaning: "Copies into the page cache, extent by extent, between the design's \
                  iomap_begin and iomap_end: each page of the source is touched first, then \
                  copied with faults disabled. Result: pages written, or the error if none. \
                  With `keep_pos` the file position stays, and it is for the caller to move \
                  iter.pos. With `whole_chunks` nothing of a chunk of the file is copied \
                  unless all of its source can be reached (until v5.17).",
        rules: &["I4", "I14", "M6"],
    },
    Statement {
        name: "iomap_fiemap",
        group: Group::Kernel,
        syntax: "VAR = iomap_fiemap FILE ITER",
        meaning: "Copies the records of the file's extents to user memory, a page of them for \
                  each page of the file, beginning with the first extent and behind what \
                  iter.mapped says is there. Result: pages of records; -EFAULT if one cannot \
                  be copied, whatever was copied before.",
        rules: &["I9", "M5"],
    },
    Statement {
        name: "iter.mapped",
        group: Group::Kernel,
        syntax: "ITER.mapped = 0",
        meaning: "How much of the memory is filled with records (fi_extents_mapped): nothing, \
                  the next iomap_fiemap begins at the start again.",
        rules: &["I9"],
    },
    Statement {
        name: "fault_in_iov_iter_readable",
        group: Group::Kernel,
        syntax: "[VAR =] fault_in_iov_iter_readable ITER N [coarse]",
        meaning: "Touches up to N pages of the iterator for reading. Result: how many of the \
                  N are not accessible. Nothing keeps the pages there. With `coarse` only \
                  the page it begins with and the first of each further chunk of the file \
                  are touched, and the others are taken to be like them.",
        rules: &["I20", "M9"],
    },
    Statement {
        name: "fault_in_iov_iter_writeable",
        group: Group::Kernel,
        syntax: "[VAR =] fault_in_iov_iter_writeable ITER N [gup] [coarse] [overreports]",
        meaning: "Resolves write faults on up to N pages of the iterator without changing \
                  data. Result: how many of the N are not accessible. `gup`: by \
                  get-user-pages, which leaves an entry that is there unmarked and passes \
                  over device memory (before v5.17). `coarse`: as for readable. \
                  `overreports`: if a page behind the first fails the result is 0 (v5.17 to \
                  v6.14).",
        rules: &["I20", "M9"],
    },
    Statement {
        name: "iov_iter_fault_in_readable",
        group: Group::Kernel,
        syntax: "[VAR =] iov_iter_fault_in_readable ITER",
        meaning: "Touches the iterator's pages for reading, as before v5.16: 0, or -EFAULT \
                  as soon as one is not accessible.",
        rules: &["I4", "M9"],
    },
    Statement {
        name: "pin_user_pages",
        group: Group::Kernel,
        syntax: "VAR = pin_user_pages ITER N",
        meaning: "Get-user-pages on up to N pages of the iterator; transfers use the pinned \
                  pages until unpin_user_pages. Result: pages pinned, or -EFAULT if none. A \
                  pin does not keep the page in its file's cache.",
        rules: &["I9", "M10", "M4"],
    },
    Statement {
        name: "iov_iter_get_pages_alloc",
        group: Group::Kernel,
        syntax: "VAR = iov_iter_get_pages_alloc ITER N",
        meaning: "As pin_user_pages, but only references to the pages are kept: transfers go \
                  by the page tables as without. They keep the pages from reclaim, and with \
                  the switch page_refs_block their file's glock on the node.",
        rules: &["I9", "R10", "M9"],
    },
    Statement {
        name: "unpin_user_pages",
        group: Group::Kernel,
        syntax: "unpin_user_pages ITER",
        meaning: "Drops all pins of pin_user_pages and references of \
                  iov_iter_get_pages_alloc.",
        rules: &["M10"],
    },
    Statement {
        name: "filemap_fault",
        group: Group::Kernel,
        syntax: "VAR = filemap_fault FILE",
        meaning: "Finds the page in the cache, reading it in if it must. Result: \
                  VM_FAULT_LOCKED with the page locked; VM_FAULT_RETRY, mmap_lock dropped, \
                  the first time it has to read; VM_FAULT_SIGBUS beyond the end of file.",
        rules: &["R9", "M1", "M7"],
    },
    Statement {
        name: "set_page_dirty_if_mapped",
        group: Group::Kernel,
        syntax: "VAR = set_page_dirty_if_mapped FILE",
        meaning: "The page part of gfs2_page_mkwrite: locks the page; if it still belongs to \
                  the file, dirties it and answers VM_FAULT_LOCKED; else VM_FAULT_NOPAGE.",
        rules: &["R9b"],
    },
    Statement {
        name: "unlock_page",
        group: Group::Kernel,
        syntax: "unlock_page",
        meaning: "Unlocks the page filemap_fault or set_page_dirty_if_mapped returned, or the \
                  one readpage was called with.",
        rules: &["R9"],
    },
    Statement {
        name: "mpage_readpage",
        group: Group::Kernel,
        syntax: "mpage_readpage FILE",
        meaning: "In readpage(file), which a buffered read calls for a page that is not \
                  cached, with the page locked (up to v5.7): reads the page in and unlocks \
                  it. readpage returns 0, an error, or AOP_TRUNCATED_PAGE with the page \
                  unlocked, upon which it is called again; then the glock may stay held. A \
                  demote waits for the page lock, and so does whoever else wants the page. \
                  Without a readpage the page is simply read in.",
        rules: &["R6", "R11"],
    },
    Statement {
        name: "label",
        group: Group::Control,
        syntax: "LABEL:",
        meaning: "A place to go to, on a line of its own.",
        rules: &[],
    },
    Statement {
        name: "goto",
        group: Group::Control,
        syntax: "goto LABEL",
        meaning: "Goes on at a label of the same function.",
        rules: &[],
    },
    Statement {
        name: "if",
        group: Group::Control,
        syntax: "if COND STATEMENT",
        meaning: "Runs the statement if the condition holds. Conditions compare values (== \
                  != < <= > >=), test them against 0, call helpers as HELPER(...), and join \
                  with and, or, not and parentheses. Error codes are less than 0; \
                  GLR_TRYFAILED is 13, as in the kernel; other names only compare equal or \
                  unequal.",
        rules: &[],
    },
    Statement {
        name: "return",
        group: Group::Control,
        syntax: "return VALUE",
        meaning: "Ends the function. fault and page_mkwrite answer a VM_FAULT code, the \
                  others pages or an error.",
        rules: &["M2"],
    },
    Statement {
        name: "=",
        group: Group::Control,
        syntax: "VAR = A | A + B | A - B | min A B\nVAR += A\nVAR -= A",
        meaning: "Sets a variable, a declared flag or counter, or iter.count. Sizes are \
                  pages; they stay between 0 and 7. The right-hand side may be a kernel \
                  operation or a helper. A variable need not be declared.",
        rules: &[],
    },
    Statement {
        name: "helper",
        group: Group::Control,
        syntax: "[VAR =] HELPER FILE ITER &VAR ...\n[VAR =] HELPER(FILE, ITER, &VAR, ...)",
        meaning: "Runs another function of the design in place. A helper may change a \
                  variable of its caller only if it is passed with &. No recursion.",
        rules: &[],
    },
    Statement {
        name: "iter.count",
        group: Group::Value,
        syntax: "ITER.count",
        meaning: "Pages left in the iterator. Assigning to it limits or re-expands it.",
        rules: &["I14", "I17"],
    },
    Statement {
        name: "iter.pos",
        group: Group::Value,
        syntax: "ITER.pos",
        meaning: "The file position (iocb->ki_pos), in pages from where the operation began. \
                  Transfers move it by what they have done; a direct one only when it \
                  completes.",
        rules: &["X1", "P7"],
    },
    Statement {
        name: "gfs2_glock_is_locked_by_me",
        group: Group::Value,
        syntax: "gfs2_glock_is_locked_by_me FILE",
        meaning: "1 if this task has a holder on the file's glock, else 0. A weak holder does \
                  not count.",
        rules: &["Q19"],
    },
    Statement {
        name: "gfs2_holder_queued",
        group: Group::Value,
        syntax: "gfs2_holder_queued FILE",
        meaning: "1 if the holder the system call took is still in the queue, else 0: behind \
                  gfs2_holder_disallow_demote it tells whether the glock was lost.",
        rules: &["I11", "W1"],
    },
    Statement {
        name: "held",
        group: Group::Value,
        syntax: "held FILE",
        meaning: "The mode in which this task holds the file's glock, or UN.",
        rules: &["Q19"],
    },
    Statement {
        name: "pagefault_disabled",
        group: Group::Value,
        syntax: "pagefault_disabled",
        meaning: "1 between pagefault_disable and pagefault_enable, else 0.",
        rules: &["M5"],
    },
    Statement {
        name: "iocb_append",
        group: Group::Value,
        syntax: "iocb_append",
        meaning: "1 if the file is open with O_APPEND (IOCB_APPEND), else 0.",
        rules: &["I2", "I4"],
    },
];
