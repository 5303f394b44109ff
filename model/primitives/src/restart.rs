//! The restart protocol: a transfer under a glock whose buffer may fault.
//!
//! The buffer of a read or write may be a mapping of another file, or of the same one.
//! A fault on it needs that file's glock, under the glock of the transfer: two tasks
//! that do this crosswise wait for each other for ever. [`Transfer::run`] runs a
//! transfer in one of four ways, which are the heart of four designs of the history:
//!
//! | [`Flavour`] | a fault under the glock | then |
//! |---|---|---|
//! | `Base` | is served, and waits | (deadlock) |
//! | `SideChannel` | asks with TRY; a refusal sets a flag and looks like a bad address | drop the glock, start over if the flag is set |
//! | `Errno` | asks with TRY; a refusal has an error number of its own | drop the glock, start over on that number |
//! | `FaultInRetry` | is not served | drop the glock, fault the pages in, take it again, resume |
//!
//! Two tasks that read crosswise. With `Base` they may end up waiting for each other,
//! so that nobody would dare to join them; with `FaultInRetry` they finish:
//!
//! ```
//! use glock_primitives::{AddressSpace, Config, Flavour, LockSpace, Mode, Std, Transfer};
//! use std::{sync::mpsc, thread, time::Duration};
//!
//! fn crosswise(flavour: Flavour) -> bool {
//!     let config = Config { pages: 1, initial: |_, _| Mode::Df, ..Config::local(2, 2) };
//!     let space = LockSpace::<Std>::new(config);
//!     space.start_worker();
//!     let meet = std::sync::Arc::new(std::sync::Barrier::new(2));
//!     let (done, finished) = mpsc::channel();
//!     for id in 0..2 {
//!         let (space, meet, done) = (space.clone(), meet.clone(), done.clone());
//!         thread::spawn(move || {
//!             let task = space.task(id, 0);
//!             let mm = AddressSpace::new(&space, 0);
//!             let buffer = [mm.map_shared(1 - id, 0)];
//!             let mut transfer = Transfer::new(&space, &mm, &task, id, &buffer, flavour);
//!             let mut met = false;
//!             // Both hold their own glock before either touches its buffer.
//!             let before = || if !std::mem::replace(&mut met, true) { meet.wait(); };
//!             let report = transfer.run(Mode::Df, before, |file, user| *user = file).unwrap();
//!             done.send(report.result).unwrap();
//!         });
//!     }
//!     // A deadlock does not end by itself: give it a second.
//!     (0..2).all(|_| finished.recv_timeout(Duration::from_secs(1)).is_ok())
//! }
//!
//! assert!(!crosswise(Flavour::Base));
//! assert!(crosswise(Flavour::FaultInRetry));
//! ```

use crate::event::{Actor, Errno, Op};
use crate::mode::{Flags, Mode};
use crate::runtime::Runtime;
use crate::space::{LockSpace, Misuse, Task};
use crate::user::{AddressSpace, Ask, Fault, UserPage};
use std::sync::Arc;

/// In one direct call a page that is not the first is asked for up to four times before
/// the error surfaces: by get-user-pages, for the same bio, the next bio and the next
/// mapping.
const EXTRA_ATTEMPTS: u8 = 3;

/// What happens to a fault under the glock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// It is served and waits for its glock. Plain v5.12.
    Base,
    /// The RFC of May 2021: a refused TRY sets a flag of the task, and the transfer
    /// starts over on -EFAULT with the flag set. Nothing is faulted in between.
    SideChannel,
    /// The RFC's variant without a flag: a refused fault ends in -EBUSY.
    Errno,
    /// v5.18: faults are not served under the glock; what could not be reached is
    /// faulted in without it.
    FaultInRetry,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Flavour; 4] = [
        Flavour::Base,
        Flavour::SideChannel,
        Flavour::Errno,
        Flavour::FaultInRetry,
    ];
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Pages it reports to user space, or the error. `None`: given up after
    /// [`Transfer::rounds`] rounds, which the kernel never does.
    pub result: Option<Result<u8, Errno>>,
    /// Pages that were moved, whatever is reported.
    pub moved: u8,
    /// Times the glock was taken.
    pub rounds: u32,
    /// Fault requests that were refused.
    pub refused: u32,
}

/// A direct read of consecutive pages of a file, from page 0, into user memory.
pub struct Transfer<'a, R: Runtime> {
    space: &'a Arc<LockSpace<R>>,
    mm: &'a AddressSpace<R>,
    task: &'a Task,
    file: u8,
    buffer: &'a [UserPage],
    flavour: Flavour,
    /// Rounds after which it gives up; none: never, as in the kernel.
    pub rounds: Option<u32>,
    /// Next page of the buffer.
    iter_pos: u8,
    /// File position, in pages; moves on when a direct transfer completes.
    ki_pos: u8,
    report: Report,
}

/// How one attempt under the glock ended.
enum Attempt {
    /// With this many pages.
    Moved(u8),
    Error(Errno),
}

impl<'a, R: Runtime> Transfer<'a, R> {
    /// A transfer from the file's pages 0, 1, ... to the buffer's.
    ///
    /// # Panics
    /// If the file has fewer pages than the buffer.
    pub fn new(
        space: &'a Arc<LockSpace<R>>,
        mm: &'a AddressSpace<R>,
        task: &'a Task,
        file: u8,
        buffer: &'a [UserPage],
        flavour: Flavour,
    ) -> Self {
        let fits = buffer.len() <= space.config().pages as usize;
        assert!(fits, "the buffer is larger than the file");
        Transfer {
            space,
            mm,
            task,
            file,
            buffer,
            flavour,
            rounds: None,
            iter_pos: 0,
            ki_pos: 0,
            report: Report {
                result: None,
                moved: 0,
                rounds: 0,
                refused: 0,
            },
        }
    }

    /// Runs it: takes the file's glock in `mode`, calls `begin`, then `each` with the
    /// word of the file and the word of user memory for every page, in order; drops
    /// the glock and starts over or resumes as its flavour says.
    ///
    /// # Errors
    /// [`Misuse::Recursion`] where a fault needs the glock its own task holds: the
    /// kernel's BUG. The glock was dropped.
    ///
    /// # Panics
    /// If the glock is poisoned.
    pub fn run(
        &mut self,
        mode: Mode,
        mut begin: impl FnMut(),
        mut each: impl FnMut(u64, &mut u64),
    ) -> Result<Report, Misuse> {
        let mut previous = None;
        let mut window = 0;
        let mut read = 0;
        loop {
            if self.rounds == Some(self.report.rounds) {
                return Ok(self.report);
            }
            self.report.rounds += 1;
            let refused_before = self.report.refused;
            let ticket = self
                .space
                .enqueue(self.task, self.file, mode, Flags::NONE)?;
            ticket.wait().expect("not poisoned");
            begin();
            let attempt = self.attempt(&mut each)?;
            let refused = self.report.refused > refused_before;
            let resumes = self.flavour == Flavour::FaultInRetry;
            if let Attempt::Moved(n) = attempt {
                read += n;
            }
            let left = self.left();
            let again = match (self.flavour, &attempt) {
                (Flavour::SideChannel, Attempt::Error(Errno::Efault)) => refused,
                (Flavour::Errno, Attempt::Error(Errno::Ebusy)) => true,
                (Flavour::FaultInRetry, Attempt::Error(_)) => left > 0,
                (Flavour::FaultInRetry, Attempt::Moved(n)) => *n > 0 && left > 0,
                _ => false,
            };
            if again && resumes {
                // Many pages first, one after a round without progress (I12).
                let progress = previous != Some(left) || window == 0;
                window = if progress { left } else { 1 };
                previous = Some(left);
            }
            ticket.dequeue(self.task)?;
            let again = match again && resumes {
                true => {
                    window -= self.fault_in(window)?;
                    window > 0
                }
                false => again,
            };
            if !again {
                let result = match attempt {
                    Attempt::Error(e) => Err(e),
                    Attempt::Moved(_) => Ok(read),
                };
                self.report.result = Some(result);
                let op = Op::Return { result };
                let actor = Actor::Task(self.task.id());
                self.space.log(actor, self.task.node(), self.file, op);
                return Ok(self.report);
            }
        }
    }

    fn left(&self) -> u8 {
        self.buffer.len() as u8 - self.iter_pos
    }

    fn log(&self, op: Op) {
        let actor = Actor::Task(self.task.id());
        self.space.log(actor, self.task.node(), self.file, op);
    }

    /// `iomap_dio_rw`, a read, under the glock.
    fn attempt(&mut self, each: &mut impl FnMut(u64, &mut u64)) -> Result<Attempt, Misuse> {
        let cache = &self.space.inode(self.task.node(), self.file).cache;
        let left = self.left();
        if left == 0 {
            return Ok(Attempt::Moved(0));
        }
        let first = self.ki_pos;
        cache.dio_flush(&self.space.rules, self.task.id(), first..first + left);
        let (mut moved, mut attempts) = (0, 0);
        while self.left() > 0 {
            let page = self.buffer[self.iter_pos as usize];
            let from = self.ki_pos + moved;
            let word = cache.read_disk(from);
            let done = self.mm.access(page, true, |user| {
                each(word, user);
                self.log(Op::Transfer {
                    index: self.iter_pos,
                    page: from,
                });
            });
            if done.is_some() {
                self.iter_pos += 1;
                moved += 1;
                attempts = 0;
                self.report.moved += 1;
                continue;
            }
            let fault = self.fault_under_glock(page)?;
            let error = match fault {
                Fault::Served => continue,
                Fault::Refused if self.flavour == Flavour::Errno => Errno::Ebusy,
                Fault::Bad | Fault::Refused => Errno::Efault,
            };
            let genuine = page == UserPage::Bad;
            if moved > 0 && !genuine && attempts < EXTRA_ATTEMPTS {
                attempts += 1;
                continue;
            }
            if moved > 0 && self.flavour == Flavour::FaultInRetry {
                break; // IOMAP_DIO_PARTIAL (I13)
            }
            return Ok(Attempt::Error(error)); // wins over progress (X1)
        }
        self.ki_pos += moved;
        Ok(Attempt::Moved(moved))
    }

    /// What a fault under the glock comes to.
    fn fault_under_glock(&mut self, page: UserPage) -> Result<Fault, Misuse> {
        let ask = match self.flavour {
            Flavour::Base => Ask::Wait,
            Flavour::SideChannel | Flavour::Errno => Ask::Try,
            Flavour::FaultInRetry => {
                // FOLL_NOFAULT stops the fault, not the lock (I21).
                self.mm.mmap_lock.read(|| ());
                let index = self.iter_pos;
                if page != UserPage::Bad {
                    self.log(Op::NoFault { index });
                }
                return Ok(Fault::Refused);
            }
        };
        let fault = self.mm.fault(self.task, page, true, ask)?;
        self.report.refused += u32::from(fault == Fault::Refused);
        Ok(fault)
    }

    /// `fault_in_iov_iter_writeable` (I20): pages of the window that are not
    /// accessible. A success is no promise.
    fn fault_in(&self, window: u8) -> Result<u8, Misuse> {
        for done in 0..window {
            let page = self.buffer[(self.iter_pos + done) as usize];
            if self.mm.fault(self.task, page, true, Ask::Wait)? != Fault::Served {
                return Ok(window - done);
            }
        }
        Ok(0)
    }
}
