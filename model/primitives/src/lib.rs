//! The gfs2 glock as real code: cluster-wide locks between nodes, in one process.
//!
//! A glock is a lock that a *node* owns in a mode (shared, deferred, exclusive) and
//! keeps when its last user is gone, until another node wants it. Users of one node
//! queue for it first come first served; data is cached only under a mode that allows
//! it. This crate is that lock as a concurrent Rust primitive, with the kernel's rules
//! for who is granted when: `kernel/semantics` 9.6 of the laboratory it belongs to,
//! whose rule numbers the documentation cites.
//!
//! * [`LockSpace`]: nodes, files, the lock space between the nodes, and workers;
//! * [`Ticket`]: a request, later a holder, with one wake flag of its own;
//! * [`AddressSpace`], [`MmapLock`]: mappings of files, and the page fault on them;
//! * [`Transfer`]: the restart protocol, for I/O under a glock whose buffer may fault;
//! * [`Runtime`]: the same source under std, loom and shuttle;
//! * [`event`]: a log of what happened, for checkers and for reports of deadlocks.
//!
//! ```
//! use glock_primitives::{Config, Flags, LockSpace, Mode, Std};
//!
//! let space = LockSpace::<Std>::new(Config { pages: 1, ..Config::cluster(2, 1, 2) });
//! let worker = space.start_worker();
//! let writer = space.task(0, 0);
//! let reader = space.task(1, 1);
//!
//! let ex = space.enqueue(&writer, 0, Mode::Ex, Flags::NONE)?;
//! ex.wait().unwrap();
//! space.write_page(&ex, &writer, 0, 42)?;
//! ex.dequeue(&writer)?;
//!
//! // The reader's request makes the other node write its page back.
//! let sh = space.enqueue(&reader, 0, Mode::Sh, Flags::NONE)?;
//! sh.wait().unwrap();
//! assert_eq!(space.read_page(&sh, &reader, 0)?, 42);
//! sh.dequeue(&reader)?;
//! worker.stop();
//! # Ok::<(), glock_primitives::Misuse>(())
//! ```
#![forbid(unsafe_code)]

mod cache;
mod dlm;
pub mod event;
mod glock;
mod mode;
mod restart;
mod runtime;
mod space;
mod user;
mod weakened;

pub use cache::Pte;
pub use mode::{Flags, Kernel, LockManager, Mode};
pub use restart::{Flavour, Report, Transfer};
#[cfg(feature = "shuttle")]
pub use runtime::Shuttle;
pub use runtime::{Flag, Join, Lock, Parker, Runtime, Std};
#[cfg(feature = "loom")]
pub use runtime::{Loom, LoomParker};
pub use space::{Config, LockSpace, MAX_TASKS, Misuse, Refused, Task, Ticket, Worker};
pub use user::{AddressSpace, Ask, Fault, MmapLock, UserPage};
pub use weakened::Weakened;
