//! A scenario: who is there, what they do, and how it starts.
//!
//! Nodes, files, address spaces, tasks with one operation each, and budgets of
//! environment events. Read from `model/scenarios/*.toml`. Every list of
//! alternatives ("mode UN or EX", "PTE none or RO") multiplies the initial
//! states: a verdict speaks of all of them.
//!
//! # The file
//!
//! Most keys can be left out. This one shows them all:
//!
//! ```
//! # let text = r##"
//! name = "example"              # default: the file's name
//! description = "S2: the race"  # a sentence or two
//! nodes = 2                     # 1 to 3; default 1
//! lock = "dlm"                  # or "nolock", a local mount, the default of one node
//! lock_object = "null"          # or "absent", never used (D1): where nothing is owned
//! hold_time = true              # false: callbacks act at once (R2)
//!
//! [files.F1]
//! pages = 2                     # 1 to 4; default 2
//! mode = ["UN", "SH"]           # at the start, on every node; default "UN"
//! cached = ["no", "clean"]      # or "dirty", all pages alike; default "no"
//! holes = [1]                   # pages without a block on disk (I9); default none
//! chunk = 1                     # pages moved together or not at all (I22); default 1
//!
//! [files.F2]
//! mode = { node2 = "EX" }       # by node, both here and in `cached`; others: default
//!
//! [files.log]
//! pages = 3                     # what it may grow to, if somebody appends
//! size = 1                      # its length at the start; default `pages`
//!
//! [[tasks]]
//! name = "P1"                   # default: P1, P2, …
//! node = 1                      # from 1; default 1
//! mm = "A"                      # address space; default: one of its own
//! op = "direct_read"            # see `OpKind::NAMES`
//! file = "F1"                   # for reads, writes and mmap
//! page = 0                      # first page of the file; default 0
//! aio = true                    # direct I/O that completes later; default false
//! open_file = "x"               # tasks with the same name share the open file
//! unaligned = false             # direct I/O: the buffer begins in mid-page (I9)
//! buffer = [                    # one entry a page; for all but mmap
//!     { shared = "F2", page = 0, pte = ["none"] },  # pte: none (default), ro, rw
//!     { anon = "present" },                         # or "absent", "unmarked"
//! ]
//!
//! [[tasks]]
//! mm = "A"                      # a thread: on the node of its address space
//! op = "munmap"
//! environment = true            # may never start; default false
//! buffer = { shared = "F2" }    # the same page as above: same mapping, same page
//!
//! [[tasks]]
//! node = 2
//! op = "buffered_write"
//! file = "F2"
//! buffer = [
//!     { private = "F1", page = 1 },                 # also `zero = true`, `io = "present"`
//!     { bad = true },           # `id = "x"` tells pages apart that look alike, and
//! ]                             # makes anonymous or bad ones of two tasks the same
//!
//! [[tasks]]
//! op = "buffered_write"         # or direct_write
//! file = "log"
//! append = true                 # O_APPEND; without `page`; default false
//! buffer = { anon = "present" }
//!
//! [events]                      # how often things happen at most; default never
//! reclaim = 1                   # memory pressure takes a page
//! shrink = 1                    # the shrinker demotes an idle glock
//! demand = { node = 1, file = "F1", mode = "EX", times = 1 }  # or a list of these
//! append = { file = "log", times = 1 }  # a node outside appends a page; or a list
//! expire = 2                    # minimum hold times; default: any number
//!
//! [switches]                    # see `Switches`
//! gup_window = true
//! # "##;
//! # let s = glock_model::scenario::Scenario::from_toml(text, "x.toml");
//! # let s = s.map_err(miette::Report::new).unwrap();
//! # assert_eq!((s.name.as_str(), s.tasks.len(), s.vpages.len()), ("example", 4, 5));
//! ```
//!
//! Everything listed has to occur in some consistent initial state
//! ([`initial_assignments`]); an unknown key or word is an error.

use crate::mode::Mode;

mod describe;
mod error;
mod guard;
mod initial;
mod library;
mod page;
mod read;
mod start;
mod task;
mod value;
mod write;

pub use error::ScenarioError;
pub use guard::{MAX_BYTES, MAX_NESTING};
pub use initial::{Initial, MAX_INITIAL, initial_assignments};
pub use library::Library;

/// Most nodes a scenario may have.
pub const MAX_NODES: usize = 3;
/// Most files.
pub const MAX_FILES: usize = 3;
/// Most pages of a file.
pub const MAX_PAGES: usize = 4;
/// Most tasks, environment threads included.
pub const MAX_TASKS: usize = 6;
/// Most pages of user memory, over all address spaces.
pub const MAX_VPAGES: usize = 8;
/// Most pages one operation transfers.
pub const MAX_TRANSFER: usize = 4;
/// Largest budget of an environment event.
pub const MAX_BUDGET: u8 = 3;

/// Who decides what a node may own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockManager {
    /// `lock_nolock`: a local mount; every request is granted at once (Q10).
    Nolock,
    /// `lock_dlm`: the cluster's lock space (D1 to D7).
    Dlm,
}

/// What a node that owns nothing has at the lock space (D1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockObject {
    /// A lock at NL: the next request is a conversion.
    Null,
    /// None: the next request is a new one, queued behind everybody (D2).
    Absent,
}

/// A page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
#[repr(u8)]
pub enum Pte {
    /// Not present: any access faults.
    #[default]
    None = 0,
    /// Read-only: a write faults.
    Ro = 1,
    /// Writable.
    Rw = 2,
}

/// A page of a file in a node's page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
#[repr(u8)]
pub enum Page {
    /// Not cached.
    #[default]
    Absent = 0,
    /// Cached and the same as on disk.
    Clean = 1,
    /// Cached and changed.
    Dirty = 2,
}

/// A file with one glock per node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Its name, e.g. `F1`.
    pub name: String,
    /// Its length in pages. A mapping may reach beyond: that is EOF (M7). If somebody
    /// appends to it, what it may grow to.
    pub pages: u8,
    /// Its length at the start, up to `pages`. Less only if it is appended to.
    pub size: u8,
    /// Per node: the modes it may own at the start.
    pub modes: Vec<Vec<Mode>>,
    /// Per node: what the page cache may hold at the start, all pages alike.
    /// Combinations a mode forbids are left out; pages that an initial PTE needs
    /// are cached in any case.
    pub cached: Vec<Vec<Page>>,
    /// Pages without a block on disk, bit per page (I9): a direct read zeroes the
    /// buffer by the CPU, a direct write answers -ENOTBLK.
    pub holes: u8,
    /// Pages of user memory that go with one block, or with one page of the page
    /// cache (I22): direct I/O moves them together or not at all, and so does a
    /// buffered write with `whole_chunks`. 1, unless the buffer does not lie as the
    /// file does.
    pub chunk: u8,
}

impl FileSpec {
    /// May its length change?
    #[inline]
    pub const fn grows(&self) -> bool {
        self.size < self.pages
    }

    /// Is the page a hole?
    #[inline]
    pub const fn is_hole(&self, page: usize) -> bool {
        self.holes >> page & 1 != 0
    }
}

/// What a page of user memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VpageKind {
    /// Page `page` of `file`, mapped MAP_SHARED and writable.
    Shared {
        /// Index of the file.
        file: u8,
        /// Page of the file.
        page: u8,
    },
    /// Page `page` of `file`, mapped MAP_PRIVATE and writable.
    Private {
        /// Index of the file.
        file: u8,
        /// Page of the file.
        page: u8,
    },
    /// Anonymous memory. Its entry may start read-only: present, but without the
    /// marks "accessed" and "dirty" where software keeps them, so that the CPU still
    /// takes a fault for it and get-user-pages does not (I11, s390).
    Anon,
    /// Anonymous memory never written to: a read fault maps the zero page, whose
    /// entry is special, and only a write makes it memory of its own (I11).
    Zero,
    /// Device memory (VM_IO, VM_PFNMAP): the CPU reads and writes it, with a fault of
    /// the driver's first if it is absent; get-user-pages always refuses it (I11).
    Io,
    /// Memory whose fault another task serves, which is not there before that task's
    /// operation has returned: userfaultfd, a stacked file system (I20, R29 of the
    /// history). mmap_lock is not held meanwhile, as in `handle_userfault`.
    Served {
        /// Index of the task.
        task: u8,
    },
    /// Nothing that may be accessed: unmapped or PROT_NONE (M7).
    Bad,
}

impl VpageKind {
    /// The file and page behind it, unless it has been copied (private) or is
    /// anonymous.
    pub const fn backing(self) -> Option<(u8, u8)> {
        match self {
            VpageKind::Shared { file, page } | VpageKind::Private { file, page } => {
                Some((file, page))
            }
            _ => None,
        }
    }
}

/// One page of user memory in one address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpageSpec {
    /// Index of the address space.
    pub mm: u8,
    /// What it is.
    pub kind: VpageKind,
    /// Its PTE at the start: alternatives. RO and RW of a shared page need the
    /// page cached (RW: dirty) and a mode that allows it; a private page that
    /// starts RW has been copied. Anonymous: RW is present, None is absent.
    pub initial: Vec<Pte>,
}

/// An address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MmSpec {
    /// Its name.
    pub name: String,
    /// The node it lives on, from 0.
    pub node: u8,
}

/// What a task does, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// `read()` with O_DIRECT into the buffer.
    DirectRead,
    /// `write()` with O_DIRECT from the buffer.
    DirectWrite,
    /// `read()` into the buffer.
    BufferedRead,
    /// `write()` from the buffer.
    BufferedWrite,
    /// The FS_IOC_FIEMAP ioctl: the records of the file's extents are copied to the
    /// buffer, a page of them for each page of the file.
    Fiemap,
    /// User mode reads one byte of each page of the buffer.
    Load,
    /// User mode writes one byte of each page of the buffer.
    Store,
    /// Another system call copies *into* the buffer: `read()` of a pipe.
    PipeRead,
    /// Another system call copies *from* the buffer: `write()` to a pipe.
    PipeWrite,
    /// `mmap()` of the file: mmap_lock for writing around the design's `mmap`.
    Mmap,
    /// `munmap()` of the buffer: its pages become bad.
    Munmap,
    /// `mprotect(PROT_NONE)` of the buffer: its pages become bad.
    Mprotect,
}

impl OpKind {
    /// All kinds with the names scenario files use.
    pub const NAMES: [(&'static str, OpKind); 12] = [
        ("direct_read", OpKind::DirectRead),
        ("direct_write", OpKind::DirectWrite),
        ("buffered_read", OpKind::BufferedRead),
        ("buffered_write", OpKind::BufferedWrite),
        ("fiemap", OpKind::Fiemap),
        ("load", OpKind::Load),
        ("store", OpKind::Store),
        ("pipe_read", OpKind::PipeRead),
        ("pipe_write", OpKind::PipeWrite),
        ("mmap", OpKind::Mmap),
        ("munmap", OpKind::Munmap),
        ("mprotect", OpKind::Mprotect),
    ];

    /// The name scenario files use.
    pub fn name(self) -> &'static str {
        OpKind::NAMES
            .iter()
            .find(|(_, k)| *k == self)
            .map_or("?", |(n, _)| n)
    }

    /// Does it transfer something of a gfs2 file (and run the design's code)?
    pub const fn is_io(self) -> bool {
        matches!(
            self,
            OpKind::DirectRead
                | OpKind::DirectWrite
                | OpKind::BufferedRead
                | OpKind::BufferedWrite
                | OpKind::Fiemap
        )
    }

    /// Does it put something into its buffer, and take nothing from there?
    pub const fn fills_buffer(self) -> bool {
        matches!(
            self,
            OpKind::DirectRead
                | OpKind::BufferedRead
                | OpKind::Fiemap
                | OpKind::Store
                | OpKind::PipeRead
        )
    }
}

/// A task and its one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// Its name, e.g. `P1`.
    pub name: String,
    /// Index of its address space, which also says its node.
    pub mm: u8,
    /// What it does.
    pub op: OpKind,
    /// The file it works on; for operations without one, 0.
    pub file: u8,
    /// First page of the file that is transferred; 0 with `append`.
    pub first_page: u8,
    /// A write with O_APPEND: where it goes is for `generic_write_checks` to say.
    pub append: bool,
    /// The pages of user memory, in order; as many as are transferred.
    pub buffer: Vec<u8>,
    /// Index of the open file it uses; tasks may share one.
    pub open_file: u8,
    /// The buffer begins in mid-page (I9; only `offset_errno` is about that).
    pub unaligned: bool,
    /// Direct reads and writes: asynchronous, as by io_submit. What the completion
    /// reports is the result.
    pub aio: bool,
    /// An event of the environment: it may never start (and is never fair).
    pub environment: bool,
}

/// A demand for a file by a process outside the model (R1): the node is told
/// that somebody wants `mode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The node that is asked, from 0.
    pub node: u8,
    /// The file.
    pub file: u8,
    /// What the other side wants: EX asks for UN, SH for SH, DF for DF (D5).
    pub mode: Mode,
    /// How often it may happen.
    pub budget: u8,
}

/// Budgets of environment events.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Events {
    /// How many pages memory pressure may take: clean file pages and anonymous
    /// pages that are present.
    pub reclaim: u8,
    /// How many idle glocks the shrinker may demote (R8).
    pub shrink: u8,
    /// Demands from outside.
    pub demands: Vec<Demand>,
    /// Per file: how many pages a process on a node outside the model may append. It does
    /// so while no node of the model owns the glock or is changing its mode, as it holds
    /// EX for that moment; a demand for EX is what takes the glock away.
    pub appends: [u8; MAX_FILES],
    /// How many minimum hold times may expire; `None`: any number (R2).
    pub expire: Option<u8>,
}

/// Doubts and refinements that can be switched. Named in the verdict when they
/// differ from the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switches {
    /// References to a page keep it in the cache and so delay a demotion
    /// (R10.5; the recordings say they do not). Default: off.
    pub page_refs_block: bool,
    /// Get-user-pages and the transfer are two steps: the page can be dropped in
    /// between (M10). Default: off.
    pub gup_window: bool,
    /// `filemap_fault` may drop mmap_lock for I/O and answer VM_FAULT_RETRY (M1).
    /// Default: on.
    pub fault_retry: bool,
    /// A page that a fault or a buffered read reads in may bring all the others of the file
    /// along: then they are mapped without a glock (R9), which a recorded kernel does.
    /// Default: off, a page comes alone.
    pub readahead: bool,
    /// Local instructions are fused with the step before them. Default: on.
    pub fusion: bool,
    /// An answer of the lock space that nothing precedes on its way is delivered, and
    /// looked at by the worker, in the step that sends it. Default: on.
    pub message_fusion: bool,
    /// What a task gives up unseen (pins, i_rwsem, the page lock at the end of a fault)
    /// it gives up in the step before: [`crate::release`]. Default: on.
    pub release_fusion: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Switches {
            page_refs_block: false,
            gup_window: false,
            fault_retry: true,
            readahead: false,
            fusion: true,
            message_fusion: true,
            release_fusion: true,
        }
    }
}

impl Switches {
    /// Those that differ from the default, as a verdict names them: `fusion off`.
    pub fn changed(&self) -> Vec<String> {
        let (now, usual) = (self, Switches::default());
        [
            (
                "page_refs_block",
                now.page_refs_block,
                usual.page_refs_block,
            ),
            ("gup_window", now.gup_window, usual.gup_window),
            ("fault_retry", now.fault_retry, usual.fault_retry),
            ("readahead", now.readahead, usual.readahead),
            ("fusion", now.fusion, usual.fusion),
            ("message_fusion", now.message_fusion, usual.message_fusion),
            ("release_fusion", now.release_fusion, usual.release_fusion),
        ]
        .into_iter()
        .filter(|(_, now, usual)| now != usual)
        .map(|(name, now, _)| format!("{name} {}", if now { "on" } else { "off" }))
        .collect()
    }
}

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is about, in a sentence or two.
    pub description: String,
    /// Number of nodes.
    pub nodes: u8,
    /// Who decides what a node may own.
    pub lock: LockManager,
    /// Alternatives for a node that owns nothing at the start.
    pub lock_object: Vec<LockObject>,
    /// Is there a minimum hold time (R2)? Without, callbacks act at once.
    pub hold_time: bool,
    /// The files.
    pub files: Vec<FileSpec>,
    /// The address spaces.
    pub mms: Vec<MmSpec>,
    /// The pages of user memory.
    pub vpages: Vec<VpageSpec>,
    /// The tasks.
    pub tasks: Vec<TaskSpec>,
    /// Environment events.
    pub events: Events,
    /// Switches.
    pub switches: Switches,
}

impl Scenario {
    /// The node on which a file is appended to, if it is. Everything that is done to
    /// such a file is done there, or outside the model.
    pub fn appending_node(&self, file: usize) -> Option<usize> {
        let mut tasks = 0..self.tasks.len();
        let appends = |t: &usize| self.tasks[*t].append && self.tasks[*t].file as usize == file;
        tasks.find(appends).map(|t| self.node_of(t))
    }

    /// The node a task runs on.
    pub fn node_of(&self, task: usize) -> usize {
        self.mms[self.tasks[task].mm as usize].node as usize
    }
}
