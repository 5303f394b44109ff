//! User memory: address spaces, mmap_lock, mappings, and the page fault.
//!
//! Rules M1 to M9 and R9. A fault holds mmap_lock for reading while the handler waits
//! for a glock; that is what makes a fault under another glock dangerous.

use crate::cache::Pte;
use crate::event::{Actor, Op};
use crate::glock::Rules;
use crate::mode::{Flags, Mode};
use crate::runtime::{Lock, Parker, Runtime};
use crate::space::{LockSpace, Misuse, Task, Ticket};
use crate::weakened::Weakened;
use std::sync::Arc;

struct MmapState<R: Runtime> {
    readers: u32,
    writer: bool,
    /// Writers that wait: they keep new readers out (M8).
    queued: u32,
    waiters: Vec<Arc<R::Parker>>,
}

/// mmap_lock: many readers or one writer; a writer that waits keeps new readers out.
pub struct MmapLock<R: Runtime> {
    state: R::Mutex<MmapState<R>>,
    rules: Rules,
}

impl<R: Runtime> MmapLock<R> {
    pub(crate) fn new(rules: Rules) -> Self {
        MmapLock {
            state: R::Mutex::new(MmapState {
                readers: 0,
                writer: false,
                queued: 0,
                waiters: Vec::new(),
            }),
            rules,
        }
    }

    /// Sleeps until `take` could take the lock.
    fn take(&self, mut take: impl FnMut(&mut MmapState<R>) -> bool) {
        let mut own: Option<Arc<R::Parker>> = None;
        loop {
            let taken = self.state.with(|s| {
                let taken = take(s);
                if !taken {
                    let own = own.get_or_insert_with(|| Arc::new(R::Parker::new()));
                    s.waiters.push(own.clone());
                }
                taken
            });
            match &own {
                Some(own) if !taken => own.park(),
                _ => return,
            }
        }
    }

    fn release(&self, silent: Weakened, release: impl FnOnce(&mut MmapState<R>)) {
        let waiters = self.state.with(|s| {
            release(s);
            match s.readers {
                0 => std::mem::take(&mut s.waiters),
                _ => Vec::new(), // a writer would find it taken, a reader waits for that
            }
        });
        if !self.rules.weak(silent) {
            waiters.iter().for_each(|w| w.unpark());
        }
    }

    /// Runs `f` with the lock taken for reading.
    pub fn read<U>(&self, f: impl FnOnce() -> U) -> U {
        let passes = self.rules.weak(Weakened::ReadersPassWriter);
        self.take(|s| {
            let free = !s.writer && (s.queued == 0 || passes);
            s.readers += u32::from(free);
            free
        });
        let _release = Release(|| self.release(Weakened::MmapReaderSilent, |s| s.readers -= 1));
        f()
    }

    /// Runs `f` with the lock taken for writing.
    pub fn write<U>(&self, f: impl FnOnce() -> U) -> U {
        let mut queued = false;
        self.take(|s| {
            let free = !s.writer && s.readers == 0;
            if free {
                s.writer = true;
                s.queued -= u32::from(queued);
            } else if !queued {
                queued = true;
                s.queued += 1;
            }
            free
        });
        let _release = Release(|| self.release(Weakened::MmapWriterSilent, |s| s.writer = false));
        f()
    }
}

/// Releases on the way out, by a panic too.
struct Release<F: FnMut()>(F);

impl<F: FnMut()> Drop for Release<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The address space of one process on one node.
pub struct AddressSpace<R: Runtime> {
    space: Arc<LockSpace<R>>,
    node: u8,
    /// Its mmap_lock.
    pub mmap_lock: MmapLock<R>,
    /// Anonymous pages: present, and the word.
    anonymous: R::Mutex<Vec<(bool, u64)>>,
}

/// A page of user memory: an element of an I/O buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserPage {
    /// A page of a shared mapping of a file.
    Shared {
        /// The file.
        file: u8,
        /// The page of the file.
        page: u8,
        /// Its page table entry.
        slot: usize,
    },
    /// A page of no file: a fault on it takes no glock.
    Anonymous {
        /// Its page table entry.
        slot: usize,
    },
    /// Nothing is mapped there.
    Bad,
}

/// What a page fault came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whatever was wrong is put right, or worth another try: repeat the access.
    Served,
    /// There is nothing at the address.
    Bad,
    /// A TRY request for the glock failed.
    Refused,
}

/// How a fault handler asks for the glock of the mapped file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// It waits.
    Wait,
    /// `gfs2_fault` does not wait, and takes no glock at all if its task has it
    /// already, in whatever mode. `gfs2_page_mkwrite` waits. (The RFC, I7.)
    Try,
}

impl<R: Runtime> AddressSpace<R> {
    /// An address space with nothing in it.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn new(space: &Arc<LockSpace<R>>, node: u8) -> Arc<Self> {
        assert!(node < space.config().nodes, "there is no node {node}");
        Arc::new(AddressSpace {
            space: space.clone(),
            node,
            mmap_lock: MmapLock::new(space.rules),
            anonymous: R::Mutex::new(Vec::new()),
        })
    }

    /// The node.
    pub fn node(&self) -> u8 {
        self.node
    }

    /// Maps a page of a file, shared and writable. Nothing is resident yet.
    ///
    /// # Panics
    /// If there is no such page.
    pub fn map_shared(&self, file: u8, page: u8) -> UserPage {
        assert!(page < self.space.config().pages, "there is no page {page}");
        let slot = self
            .mmap_lock
            .write(|| self.space.inode(self.node, file).cache.map(page));
        UserPage::Shared { file, page, slot }
    }

    /// Maps a page of anonymous memory, zero; present, or still to be faulted in.
    pub fn map_anonymous(&self, present: bool) -> UserPage {
        let slot = self.mmap_lock.write(|| {
            self.anonymous.with(|pages| {
                pages.push((present, 0));
                pages.len() - 1
            })
        });
        UserPage::Anonymous { slot }
    }

    /// What the page's entry allows now.
    pub fn pte(&self, page: UserPage) -> Pte {
        match page {
            UserPage::Shared { file, slot, .. } => {
                self.space.inode(self.node, file).cache.pte(slot)
            }
            UserPage::Anonymous { slot } => match self.anonymous.with(|pages| pages[slot].0) {
                true => Pte::Writable,
                false => Pte::None,
            },
            UserPage::Bad => Pte::None,
        }
    }

    /// An access that does not fault: `None` where it would.
    pub(crate) fn access<U>(
        &self,
        page: UserPage,
        write: bool,
        f: impl FnOnce(&mut u64) -> U,
    ) -> Option<U> {
        match page {
            UserPage::Shared { file, slot, .. } => self
                .space
                .inode(self.node, file)
                .cache
                .access(slot, write, f),
            UserPage::Anonymous { slot } => self.anonymous.with(|pages| {
                let (present, word) = &mut pages[slot];
                present.then(|| f(word))
            }),
            UserPage::Bad => None,
        }
    }

    /// Reads a word of user memory as a program does, faults and all.
    ///
    /// # Errors
    /// [`Fault::Bad`]: SIGSEGV.
    ///
    /// # Panics
    /// On [`Misuse::Recursion`]: the task holds the file's glock.
    pub fn load(&self, task: &Task, page: UserPage) -> Result<u64, Fault> {
        self.touch(task, page, false, |word| *word)
    }

    /// Writes a word of user memory as a program does, faults and all.
    ///
    /// # Errors
    /// [`Fault::Bad`]: SIGSEGV.
    ///
    /// # Panics
    /// On [`Misuse::Recursion`]: the task holds the file's glock.
    pub fn store(&self, task: &Task, page: UserPage, value: u64) -> Result<(), Fault> {
        self.touch(task, page, true, |word| *word = value)
    }

    fn touch<U>(
        &self,
        task: &Task,
        page: UserPage,
        write: bool,
        f: impl Fn(&mut u64) -> U,
    ) -> Result<U, Fault> {
        loop {
            if let Some(value) = self.access(page, write, &f) {
                return Ok(value);
            }
            match self.fault(task, page, write, Ask::Wait) {
                Ok(Fault::Served) => {}
                Ok(other) => return Err(other),
                Err(misuse) => panic!("{misuse}"),
            }
        }
    }

    /// Serves a page fault of the task (M1, R9). It may take two glocks one after the
    /// other, and its success promises nothing: repeat the access and see.
    ///
    /// # Errors
    /// [`Misuse::Recursion`], where the kernel has its BUG.
    ///
    /// # Panics
    /// If the task is on another node.
    pub fn fault(
        &self,
        task: &Task,
        page: UserPage,
        write: bool,
        ask: Ask,
    ) -> Result<Fault, Misuse> {
        assert!(task.node() == self.node, "the task is on another node");
        let (file, page, slot) = match page {
            UserPage::Shared { file, page, slot } => (file, page, slot),
            UserPage::Anonymous { slot } => {
                self.mmap_lock
                    .read(|| self.anonymous.with(|pages| pages[slot].0 = true));
                return Ok(Fault::Served);
            }
            UserPage::Bad => return Ok(self.mmap_lock.read(|| Fault::Bad)),
        };
        self.mmap_lock.read(|| {
            let cache = &self.space.inode(self.node, file).cache;
            let pte = cache.pte(slot);
            if pte.allows(write) {
                return Ok(Fault::Served); // by somebody else meanwhile
            }
            if pte == Pte::ReadOnly {
                return self.page_mkwrite(task, file, page, slot, Pte::ReadOnly);
            }
            if !write && cache.fault_around(task.id(), page, slot) {
                return Ok(Fault::Served);
            }
            let handled = self.filemap_fault(task, file, page, ask)?;
            if handled != Fault::Served {
                return Ok(handled);
            }
            if !write {
                cache.install(slot, Pte::None, Pte::ReadOnly);
            }
            cache.unlock_page(&self.space.rules, page);
            match write {
                true => self.page_mkwrite(task, file, page, slot, Pte::None),
                false => Ok(Fault::Served),
            }
        })
    }

    /// `gfs2_fault`: the page is locked and read in; it stays locked over the dequeue.
    fn filemap_fault(&self, task: &Task, file: u8, page: u8, ask: Ask) -> Result<Fault, Misuse> {
        let recursive = ask == Ask::Try && self.space.is_locked_by(task, file);
        let flags = match ask {
            Ask::Wait => Flags::NONE,
            Ask::Try => Flags::TRY,
        };
        let ticket = match recursive {
            true => None,
            false => Some(self.space.enqueue(task, file, Mode::Sh, flags)?),
        };
        if let Some(ticket) = &ticket
            && ticket.wait().is_err()
        {
            return Ok(Fault::Refused);
        }
        let log = |found| {
            let op = Op::Fill { page, found };
            self.space.log(Actor::Task(task.id()), self.node, file, op);
        };
        let cache = &self.space.inode(self.node, file).cache;
        cache.filemap_fault(task.id(), page, log);
        if let Some(ticket) = &ticket {
            ticket.dequeue(task)?;
        }
        Ok(Fault::Served)
    }

    /// `gfs2_page_mkwrite`: always waits for EX (I7). A page that is gone means: repeat
    /// the access.
    fn page_mkwrite(
        &self,
        task: &Task,
        file: u8,
        page: u8,
        slot: usize,
        was: Pte,
    ) -> Result<Fault, Misuse> {
        let ticket = self.space.enqueue(task, file, Mode::Ex, Flags::NONE)?;
        if ticket.wait().is_err() {
            return Ok(Fault::Bad); // poisoned: SIGBUS
        }
        let log = |found| {
            let op = Op::Mkwrite { page, found };
            self.space.log(Actor::Task(task.id()), self.node, file, op);
        };
        let cache = &self.space.inode(self.node, file).cache;
        let locked = cache.mkwrite(&self.space.rules, task.id(), page, log);
        ticket.dequeue(task)?;
        if locked {
            cache.install(slot, was, Pte::Writable);
            cache.unlock_page(&self.space.rules, page);
        }
        Ok(Fault::Served)
    }
}

impl<R: Runtime> LockSpace<R> {
    /// `gfs2_glock_is_locked_by_me` (Q19): is the task a holder of the file, not one
    /// that may be taken away? Says nothing about the mode.
    pub fn is_locked_by(&self, task: &Task, file: u8) -> bool {
        self.inode(task.node(), file).holds(task.id())
    }

    /// Reads a page of the file under its glock, through the page cache.
    ///
    /// # Errors
    /// [`Misuse::StillWaiting`] if the ticket does not hold SH or EX,
    /// [`Misuse::NotOwner`] for another task.
    ///
    /// # Panics
    /// If there is no such page.
    pub fn read_page(&self, ticket: &Ticket<'_, R>, task: &Task, page: u8) -> Result<u64, Misuse> {
        ticket.allows(task, &[Mode::Sh, Mode::Ex])?;
        let cache = &self.inode(ticket.node(), ticket.file()).cache;
        assert!(page < cache.len(), "there is no page {page}");
        Ok(cache.buffered(task.id(), page, false, |word| *word))
    }

    /// Writes a page of the file under its glock, through the page cache.
    ///
    /// # Errors
    /// [`Misuse::StillWaiting`] if the ticket does not hold EX, [`Misuse::NotOwner`]
    /// for another task.
    ///
    /// # Panics
    /// If there is no such page.
    pub fn write_page(
        &self,
        ticket: &Ticket<'_, R>,
        task: &Task,
        page: u8,
        value: u64,
    ) -> Result<(), Misuse> {
        ticket.allows(task, &[Mode::Ex])?;
        let cache = &self.inode(ticket.node(), ticket.file()).cache;
        assert!(page < cache.len(), "there is no page {page}");
        cache.buffered(task.id(), page, true, |word| *word = value);
        Ok(())
    }

    /// How a page of the node's cache is now.
    pub fn residency(&self, node: u8, file: u8, page: u8) -> crate::event::Residency {
        self.inode(node, file).cache.residency(page)
    }
}
