//! A node's page cache of one file, and the page table entries that point into it.
//!
//! Rules R5, R6, R9. A page is one word; the disk is the word it is read from and
//! written back to. All of it is under one mutex per node and file; a page that is
//! *locked* keeps others, and invalidation, waiting beyond that.

use crate::event::Residency;
use crate::glock::Rules;
use crate::runtime::{Lock, Parker, Runtime};
use crate::weakened::Weakened;
use std::sync::Arc;

/// What a page table entry allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Pte {
    /// Nothing: the access faults.
    #[default]
    None,
    /// Reads.
    ReadOnly,
    /// Reads and writes.
    Writable,
}

impl Pte {
    /// Does it allow this access?
    pub(crate) fn allows(self, write: bool) -> bool {
        match self {
            Pte::None => false,
            Pte::ReadOnly => !write,
            Pte::Writable => true,
        }
    }
}

struct Page<R: Runtime> {
    found: Residency,
    /// What it holds; whatever was there last if it is absent.
    word: u64,
    /// The task that has it locked.
    locked: Option<u8>,
    /// Who waits for that lock.
    waiters: Vec<Arc<R::Parker>>,
}

struct Pages<R: Runtime> {
    pages: Vec<Page<R>>,
    /// Entries of all mappings: which page, and what it allows.
    ptes: Vec<(u8, Pte)>,
    /// GIF_SW_PAGED: a page was made writable through a mapping.
    sw_paged: bool,
}

impl<R: Runtime> Pages<R> {
    fn unmap(&mut self, page: u8) {
        let of_page = self.ptes.iter_mut().filter(|(p, _)| *p == page);
        of_page.for_each(|(_, pte)| *pte = Pte::None);
    }

    /// Writes a dirty page back: it is clean and read-only then.
    fn clean(&mut self, page: u8, disk: &R::Mutex<Vec<u64>>, rules: &Rules) {
        let p = &mut self.pages[page as usize];
        if p.found != Residency::Dirty {
            return;
        }
        p.found = Residency::Clean;
        let word = p.word;
        if !rules.weak(Weakened::NotWrittenBack) {
            disk.with(|d| d[page as usize] = word);
        }
        for (p, pte) in &mut self.ptes {
            if *p == page && *pte == Pte::Writable {
                *pte = Pte::ReadOnly;
            }
        }
    }
}

/// The page cache of a file on a node.
pub(crate) struct Cache<R: Runtime> {
    /// Number of pages; without any there is nothing to lock.
    len: u8,
    pages: R::Mutex<Pages<R>>,
    disk: Arc<R::Mutex<Vec<u64>>>,
}

impl<R: Runtime> Cache<R> {
    pub(crate) fn new(len: u8, disk: Arc<R::Mutex<Vec<u64>>>) -> Self {
        let page = |_| Page {
            found: Residency::Absent,
            word: 0,
            locked: None,
            waiters: Vec::new(),
        };
        Cache {
            len,
            pages: R::Mutex::new(Pages {
                pages: (0..len).map(page).collect(),
                ptes: Vec::new(),
                sw_paged: false,
            }),
            disk,
        }
    }

    pub(crate) fn len(&self) -> u8 {
        self.len
    }

    /// Sleeps while `busy` finds a page that somebody else has locked; then runs `then`
    /// in the same critical section.
    fn unlocked<U>(
        &self,
        task: Option<u8>,
        busy: impl Fn(&Page<R>, u8) -> bool,
        then: impl FnOnce(&mut Pages<R>) -> U,
    ) -> U {
        let mut then = Some(then);
        let mut own: Option<Arc<R::Parker>> = None;
        loop {
            let done = self.pages.with(|c| {
                let others = |p: &Page<R>| p.locked.is_some() && p.locked != task;
                let mut pages = c.pages.iter_mut().zip(0..);
                match pages.find(|(p, i)| others(p) && busy(p, *i)) {
                    None => then.take().map(|then| then(c)),
                    Some((p, _)) => {
                        let own = own.get_or_insert_with(|| Arc::new(R::Parker::new()));
                        p.waiters.push(own.clone());
                        None
                    }
                }
            });
            match (done, &own) {
                (Some(done), _) => return done,
                (None, Some(own)) => own.park(),
                (None, None) => unreachable!("whoever waits has a place to"),
            }
        }
    }

    /// `inode_go_sync`: unmap what may be written, write back what is dirty (R5).
    pub(crate) fn go_sync(&self, rules: &Rules) {
        if self.len == 0 {
            return;
        }
        let dirty = |p: &Page<R>, _| p.found == Residency::Dirty;
        self.unlocked(None, dirty, |c| {
            if std::mem::take(&mut c.sw_paged) {
                c.ptes.iter_mut().for_each(|(_, pte)| *pte = Pte::None);
            }
            for page in 0..self.len {
                c.clean(page, &self.disk, rules);
            }
        });
    }

    /// `inode_go_inval`: drop every page, each when nobody has it locked (R6).
    pub(crate) fn go_inval(&self, rules: &Rules) {
        for page in 0..self.len {
            let this = |_: &Page<R>, i| i == page && !rules.weak(Weakened::InvalidatedUnderLock);
            self.unlocked(None, this, |c| {
                c.pages[page as usize].found = Residency::Absent;
                if !rules.weak(Weakened::StillMapped) {
                    c.unmap(page);
                }
            });
        }
    }

    /// `filemap_fault`: locks the page, reads it in if it is absent. How it was found.
    pub(crate) fn filemap_fault(&self, task: u8, page: u8, log: impl FnOnce(Residency)) {
        self.unlocked(
            Some(task),
            |_, i| i == page,
            |c| {
                let found = self.read_in(c, page);
                c.pages[page as usize].locked = Some(task);
                log(found);
            },
        );
    }

    fn read_in(&self, c: &mut Pages<R>, page: u8) -> Residency {
        let p = &mut c.pages[page as usize];
        let found = p.found;
        if found == Residency::Absent {
            p.word = self.disk.with(|d| d[page as usize]);
            p.found = Residency::Clean;
        }
        found
    }

    /// The end of `page_mkwrite`: if the page is still there, locks and dirties it
    /// (R9b). False if it is gone.
    pub(crate) fn mkwrite(
        &self,
        rules: &Rules,
        task: u8,
        page: u8,
        log: impl FnOnce(Residency),
    ) -> bool {
        self.unlocked(
            Some(task),
            |_, i| i == page,
            |c| {
                let p = &mut c.pages[page as usize];
                log(p.found);
                let there = p.found != Residency::Absent || rules.weak(Weakened::MkwriteBlind);
                if there {
                    p.found = Residency::Dirty;
                    p.locked = Some(task);
                    c.sw_paged = true;
                }
                there
            },
        )
    }

    /// Unlocks a page and wakes who waits for it.
    pub(crate) fn unlock_page(&self, rules: &Rules, page: u8) {
        let waiters = self.pages.with(|c| {
            let p = &mut c.pages[page as usize];
            p.locked = None;
            std::mem::take(&mut p.waiters)
        });
        if !rules.weak(Weakened::PageUnlockSilent) {
            waiters.iter().for_each(|w| w.unpark());
        }
    }

    /// `filemap_map_pages`: maps a cached page that nobody else has locked, read-only
    /// and without a glock (R9). False if there is none.
    pub(crate) fn fault_around(&self, task: u8, page: u8, slot: usize) -> bool {
        self.pages.with(|c| {
            let p = &c.pages[page as usize];
            let maps = p.found != Residency::Absent && p.locked.is_none_or(|t| t == task);
            if maps {
                c.ptes[slot].1 = Pte::ReadOnly;
            }
            maps
        })
    }

    /// A page table entry for a page; which one.
    pub(crate) fn map(&self, page: u8) -> usize {
        self.pages.with(|c| {
            c.ptes.push((page, Pte::None));
            c.ptes.len() - 1
        })
    }

    pub(crate) fn pte(&self, slot: usize) -> Pte {
        self.pages.with(|c| c.ptes[slot].1)
    }

    /// Sets an entry if it is still as the fault handler found it.
    pub(crate) fn install(&self, slot: usize, was: Pte, pte: Pte) {
        self.pages.with(|c| {
            if c.ptes[slot].1 == was {
                c.ptes[slot].1 = pte;
            }
        });
    }

    /// An access through an entry, with what it is for: `None` if it faults.
    pub(crate) fn access<U>(
        &self,
        slot: usize,
        write: bool,
        f: impl FnOnce(&mut u64) -> U,
    ) -> Option<U> {
        self.pages.with(|c| {
            let (page, pte) = c.ptes[slot];
            pte.allows(write)
                .then(|| f(&mut c.pages[page as usize].word))
        })
    }

    /// Direct I/O begins: what is dirty in the range is written back (I1b).
    pub(crate) fn dio_flush(&self, rules: &Rules, task: u8, range: std::ops::Range<u8>) {
        if range.is_empty() {
            return;
        }
        self.unlocked(
            Some(task),
            |_, i| range.contains(&i),
            |c| {
                for page in range.clone() {
                    c.clean(page, &self.disk, rules);
                }
            },
        );
    }

    /// A page of the disk, read past the cache.
    pub(crate) fn read_disk(&self, page: u8) -> u64 {
        self.disk.with(|d| d[page as usize])
    }

    /// Buffered access to a page by a holder: `filemap_read`, `iomap_write_actor`. The
    /// page is read in if it is absent, and dirty after a write.
    pub(crate) fn buffered<U>(
        &self,
        task: u8,
        page: u8,
        write: bool,
        f: impl FnOnce(&mut u64) -> U,
    ) -> U {
        self.unlocked(
            Some(task),
            |_, i| i == page,
            |c| {
                self.read_in(c, page);
                let p = &mut c.pages[page as usize];
                if write {
                    p.found = Residency::Dirty;
                }
                f(&mut p.word)
            },
        )
    }

    pub(crate) fn residency(&self, page: u8) -> Residency {
        self.pages.with(|c| c.pages[page as usize].found)
    }
}
