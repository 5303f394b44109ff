//! Memory: page cache, page tables, mmap_lock, and the page fault.
//!
//! Rules M1 to M9, R5 to R9. Impl blocks of [`Node`]: everything here is local to
//! one node. A PTE of a file page that has not been copied (MAP_PRIVATE) points at
//! the node's cached page; dropping the page clears it.

use crate::event::{Event, Sink};
use crate::mutant::Mutant;
use crate::node::{Ctx, Node};
use crate::program::{Entry, Op, Val};
use crate::scenario::{MAX_TASKS, OpKind, Page, Pte, VpageKind};
use crate::task::{Fault, Pinned, Status, Sub, Wait};

/// What a task's step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It cannot be taken now; nothing was changed.
    Blocked,
    /// It was taken.
    Taken,
}

impl Node {
    /// Is the address genuinely inaccessible now (M7)? Beyond the end of the
    /// mapped file counts: only the fault handler finds out.
    pub fn is_bad(&self, ctx: &Ctx<'_>, vpage: usize) -> bool {
        self.is_unmapped(ctx, vpage) || self.is_beyond_eof(ctx, vpage)
    }

    /// No VMA, or no permission.
    pub(crate) fn is_unmapped(&self, ctx: &Ctx<'_>, vpage: usize) -> bool {
        self.bad & (1 << vpage) != 0 || ctx.scenario.vpages[vpage].kind == VpageKind::Bad
    }

    fn is_beyond_eof(&self, ctx: &Ctx<'_>, vpage: usize) -> bool {
        let kind = ctx.scenario.vpages[vpage].kind;
        !self.is_copied(vpage)
            && kind
                .backing()
                .is_some_and(|(f, q)| q >= ctx.scenario.files[f as usize].pages)
    }

    /// Has a private page been copied: is it anonymous now?
    #[inline]
    pub fn is_copied(&self, vpage: usize) -> bool {
        self.copied & (1 << vpage) != 0
    }

    /// The file page behind an address now: none if anonymous or copied.
    #[inline]
    pub fn backing(&self, ctx: &Ctx<'_>, vpage: usize) -> Option<(usize, usize)> {
        if self.is_copied(vpage) {
            return None;
        }
        ctx.scenario.vpages[vpage]
            .kind
            .backing()
            .map(|(f, q)| (f as usize, q as usize))
    }

    /// Does the PTE allow the access without a fault?
    #[inline]
    pub(crate) fn pte_usable(&self, vpage: usize, write: bool) -> bool {
        match self.ptes[vpage] {
            Pte::None => false,
            Pte::Ro => !write,
            Pte::Rw => true,
        }
    }

    /// Does get-user-pages find the page without a fault? It asks less than the CPU
    /// of an entry without its marks, more of device memory (never), and, when it
    /// only looks at the page tables, more of the zero page (I11).
    #[inline]
    pub(crate) fn gup_usable(&self, ctx: &Ctx<'_>, vpage: usize, write: bool, fast: bool) -> bool {
        match ctx.scenario.vpages[vpage].kind {
            VpageKind::Shared { .. } | VpageKind::Private { .. } => self.pte_usable(vpage, write),
            VpageKind::Io => false,
            VpageKind::Anon => self.ptes[vpage] != Pte::None,
            VpageKind::Zero if fast && !self.is_copied(vpage) => false,
            _ => self.pte_usable(vpage, write),
        }
    }

    /// Can the access the task is at be made without a fault?
    pub(crate) fn access_usable(
        &self,
        ctx: &Ctx<'_>,
        task: usize,
        vpage: usize,
        write: bool,
    ) -> bool {
        if self.pte_usable(vpage, write) && ctx.scenario.vpages[vpage].kind.backing().is_some() {
            true // whoever asks
        } else if self.accesses_by_gup(ctx, task) {
            self.gup_usable(ctx, vpage, write, self.gup_is_fast(ctx, task))
        } else {
            self.pte_usable(vpage, write)
        }
    }

    pub(crate) fn set_pte<S: Sink>(&mut self, vpage: usize, pte: Pte, sink: &mut S) {
        if self.ptes[vpage] != pte {
            self.ptes[vpage] = pte;
            sink.event(Event::PteSet {
                vpage: vpage as u8,
                pte,
            });
        }
    }

    /// The buffer page the task is working on, and whether it will be written.
    pub(crate) fn current_access(&self, ctx: &Ctx<'_>, task: usize) -> Option<(usize, bool)> {
        let spec = &ctx.scenario.tasks[task];
        let t = &self.tasks[task];
        let fills = spec.op.fills_buffer();
        let (index, write) = match t.sub {
            // Within a chunk, the page that could not be reached.
            Sub::DioPage => (t.iter_pos + t.window, fills),
            Sub::ReadPage | Sub::FiemapPage => (t.iter_pos, fills),
            Sub::WritePage => (t.iter_pos + t.window, false),
            Sub::FaultIn => (t.iter_pos + t.moved, ctx.fault_in_writes(t.pc)),
            Sub::Pin => (t.iter_pos + t.moved, fills),
            Sub::Touch => (t.moved, fills),
            _ => return None,
        };
        spec.buffer
            .get(index as usize)
            .map(|&v| (v as usize, write))
    }

    /// Is a page of this node's cache locked by the fault of a task other than
    /// `except` (M2: returned locked until the PTE is in place)?
    pub(crate) fn page_locked(
        &self,
        ctx: &Ctx<'_>,
        file: usize,
        page: usize,
        except: Option<usize>,
    ) -> bool {
        self.page_lock_owner(ctx, file, page)
            .is_some_and(|t| Some(t) != except)
    }

    /// Which task has the page locked? At most one: a page lock excludes all others.
    pub fn page_lock_owner(&self, ctx: &Ctx<'_>, file: usize, page: usize) -> Option<usize> {
        (0..ctx.scenario.tasks.len())
            .find(|&t| self.tasks[t].page_locked && self.page_at_hand(ctx, t) == Some((file, page)))
    }

    /// The page a task locks, if it locks one: that of its fault, or the one it reads in.
    fn page_at_hand(&self, ctx: &Ctx<'_>, task: usize) -> Option<(usize, usize)> {
        if self.tasks[task].sub == Sub::Readpage {
            let file = ctx.scenario.tasks[task].file as usize;
            return Some((file, self.file_page(ctx, task)));
        }
        let (v, _) = self.current_access(ctx, task)?;
        self.backing(ctx, v)
    }

    /// The task whose page lock another one waits for, if it waits for any.
    pub(crate) fn waits_for_page(&self, ctx: &Ctx<'_>, task: usize) -> Option<usize> {
        let t = &self.tasks[task];
        let other = |file: usize, page: usize| {
            let owner = self.page_lock_owner(ctx, file, page);
            owner.filter(|&owner| owner != task)
        };
        let own = ctx.scenario.tasks[task].file as usize;
        if t.nested() {
            let op = ctx.program.code[t.nested_pc as usize].op;
            let locks = matches!(op, Op::FilemapFault { .. } | Op::DirtyPage { .. });
            let (file, page) = self.page_at_hand(ctx, task).filter(|_| locks)?;
            return other(file, page);
        }
        if t.fault != Fault::None {
            return None;
        }
        match t.sub {
            Sub::ReadPage => {
                let page = self.file_page(ctx, task);
                (self.pages[own][page] == Page::Absent && !t.have_page)
                    .then(|| other(own, page))
                    .flatten()
            }
            Sub::WritePage => {
                let (v, write) = self.current_access(ctx, task)?;
                self.pte_usable(v, write)
                    .then(|| other(own, self.file_page(ctx, task)))
                    .flatten()
            }
            Sub::DioFlush => self.range(ctx, task).find_map(|q| other(own, q)),
            Sub::DioEnd => {
                let first = (self.first_page(ctx, task) + t.ki_pos) as usize;
                (first..first + t.moved as usize).find_map(|q| other(own, q))
            }
            _ => None,
        }
    }

    /// `mpage_readpage`: the page is read in under whatever the task holds, and unlocked.
    pub(crate) fn mpage_readpage<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        let Some((file, page)) = self.page_at_hand(ctx, task) else {
            return;
        };
        self.pages[file][page] = Page::Clean;
        self.tasks[task].page_locked = false;
        sink.event(Event::PageRead {
            file: file as u8,
            page: page as u8,
        });
    }

    /// Is a page of the file locked by a task other than `except`?
    pub(crate) fn any_page_locked(
        &self,
        ctx: &Ctx<'_>,
        file: usize,
        pages: std::ops::Range<usize>,
        except: Option<usize>,
    ) -> bool {
        pages
            .into_iter()
            .any(|q| self.page_locked(ctx, file, q, except))
    }

    /// The tasks with references that keep a page from reclaim, and with the switch
    /// `page_refs_block` from invalidation (R10.5): pins, and the source page of a
    /// copy in progress.
    pub fn page_ref_owners(
        &self,
        ctx: &Ctx<'_>,
        file: usize,
        page: usize,
    ) -> impl Iterator<Item = usize> {
        (0..ctx.scenario.tasks.len()).filter(move |&t| {
            let (spec, task) = (&ctx.scenario.tasks[t], &self.tasks[t]);
            let source = task.have_page
                && spec.file as usize == file
                && (self.first_page(ctx, t) + task.ki_pos) as usize == page;
            source || self.pinned_by(ctx, t, file, page).next().is_some()
        })
    }

    /// The pages of a task's buffer that are this page of a file, and keep it.
    fn pinned_by(
        &self,
        ctx: &Ctx<'_>,
        task: usize,
        file: usize,
        page: usize,
    ) -> impl Iterator<Item = usize> {
        let pages = ctx.scenario.tasks[task].buffer.iter();
        let pins = pages.zip(&self.tasks[task].pins).enumerate();
        pins.filter(move |&(_, (&v, p))| {
            p.keeps() && self.backing(ctx, v as usize) == Some((file, page))
        })
        .map(|(index, _)| index)
    }

    /// Does the task keep the page only by direct I/O in flight, which ends by itself,
    /// whatever the task waits for?
    pub fn keeps_by_bio(&self, ctx: &Ctx<'_>, task: usize, file: usize, page: usize) -> bool {
        let t = &self.tasks[task];
        let mut pinned = self.pinned_by(ctx, task, file, page).peekable();
        !t.have_page
            && !t.page_locked
            && pinned.peek().is_some()
            && pinned.all(|index| t.aio.alone_pins(index))
    }

    /// Removes a page from the cache and from all page tables (R6, M9).
    pub(crate) fn drop_page<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        page: usize,
        sink: &mut S,
    ) {
        self.pages[file][page] = Page::Absent;
        sink.event(Event::Invalidate {
            file: file as u8,
            page: page as u8,
        });
        for v in 0..ctx.scenario.vpages.len() {
            if self.backing(ctx, v) == Some((file, page)) && ctx.vpage_is_here(v) {
                if !Mutant::StillMapped.is_on() {
                    self.set_pte(v, Pte::None, sink);
                }
                self.orphan_pins(ctx, v, sink);
            }
        }
    }

    fn orphan_pins<S: Sink>(&mut self, ctx: &Ctx<'_>, vpage: usize, sink: &mut S) {
        for (t, spec) in ctx.scenario.tasks.iter().enumerate() {
            for (i, &v) in spec.buffer.iter().enumerate() {
                if v as usize == vpage && self.tasks[t].pins[i] == Pinned::Ref {
                    self.tasks[t].pins[i] = Pinned::No; // to a page nobody asks for any more
                }
                if v as usize == vpage
                    && self.tasks[t].pins[i] == Pinned::Live
                    && !Mutant::OrphanUnnoticed.is_on()
                {
                    self.tasks[t].pins[i] = Pinned::Orphan;
                    sink.event(Event::Orphan {
                        task: t as u8,
                        index: i as u8,
                    });
                }
            }
        }
    }

    /// Writes a dirty page back: it becomes clean, and read-only in all page tables
    /// (I1b; page_mkclean).
    pub(crate) fn clean_page<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        page: usize,
        sink: &mut S,
    ) {
        if self.pages[file][page] != Page::Dirty {
            return;
        }
        self.pages[file][page] = Page::Clean;
        for v in 0..ctx.scenario.vpages.len() {
            if self.backing(ctx, v) == Some((file, page))
                && ctx.vpage_is_here(v)
                && self.ptes[v] == Pte::Rw
            {
                self.set_pte(v, Pte::Ro, sink);
            }
        }
    }

    /// Ghost (P12): the file may have changed; whoever is in the middle of a
    /// buffered read of it will return pages of two generations.
    pub(crate) fn file_changes(&mut self, ctx: &Ctx<'_>, file: usize, by: Option<usize>) {
        for (t, spec) in ctx.scenario.tasks.iter().enumerate() {
            let task = &mut self.tasks[t];
            if Some(t) != by
                && spec.op == OpKind::BufferedRead
                && spec.file as usize == file
                && task.status == Status::Running
                && task.ki_pos > 0
                && task.iter_count > 0
            {
                task.changed = true;
            }
        }
    }

    /// Can a task take mmap_lock for reading? A queued writer keeps new readers
    /// out (M8).
    pub(crate) fn mmap_readable(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        !(0..ctx.scenario.tasks.len()).any(|u| {
            u != task
                && ctx.same_mm(task, u)
                && matches!(self.tasks[u].sub, Sub::MmQueued | Sub::MmHeld)
                && !(Mutant::ReadersPassWriter.is_on() && self.tasks[u].sub == Sub::MmQueued)
        })
    }

    /// Can a task take mmap_lock for writing: no reader, no other owner?
    pub(crate) fn mmap_writable(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        !(0..ctx.scenario.tasks.len()).any(|u| {
            u != task
                && ctx.same_mm(task, u)
                && (self.tasks[u].mmap_read || self.tasks[u].mmap_write())
        })
    }

    /// The task that has to be done before the fault under way can be served, if there
    /// is one and it is not (history, I20).
    pub fn waits_for_server(&self, ctx: &Ctx<'_>, task: usize) -> Option<usize> {
        let (v, write) = self.current_access(ctx, task)?;
        let VpageKind::Served { task: server } = ctx.scenario.vpages[v].kind else {
            return None;
        };
        let server = server as usize;
        let waits = !Mutant::ServedAtOnce.is_on()
            && !self.pte_usable(v, write)
            && !self.is_unmapped(ctx, v)
            && !self.tasks[server].finished();
        waits.then_some(server)
    }

    /// The next step of a page fault that has not entered a handler: take mmap_lock,
    /// look at the address, and serve it at once if that needs no handler (M1, R9).
    pub(crate) fn fault_begin<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        sink: &mut S,
    ) -> Step {
        if !self.mmap_readable(ctx, task) || self.waits_for_server(ctx, task).is_some() {
            return Step::Blocked;
        }
        let Some((v, write)) = self.current_access(ctx, task) else {
            return Step::Blocked;
        };
        let kind = ctx.scenario.vpages[v].kind;
        sink.event(Event::FaultBegin {
            task: task as u8,
            vpage: v as u8,
            write,
        });
        if self.access_usable(ctx, task, v, write) {
            self.fault_over(ctx, task, Val::ZERO, sink);
        } else if self.is_unmapped(ctx, v) {
            self.fault_over(ctx, task, Val::EFAULT, sink);
        } else if kind == VpageKind::Zero && !self.is_copied(v) {
            match write {
                true => self.copy_private(v, sink),
                false => self.set_pte(v, Pte::Ro, sink),
            }
            self.fault_over(ctx, task, Val::ZERO, sink);
        } else if matches!(
            kind,
            VpageKind::Anon | VpageKind::Io | VpageKind::Served { .. }
        ) || self.is_copied(v)
        {
            self.set_pte(v, Pte::Rw, sink);
            self.fault_over(ctx, task, Val::ZERO, sink);
        } else if write && self.ptes[v] == Pte::Ro {
            if matches!(kind, VpageKind::Private { .. }) {
                self.copy_private(v, sink); // wp_page_copy: no handler, no glock
                self.fault_over(ctx, task, Val::ZERO, sink);
            } else {
                self.enter_handler(ctx, task, Fault::MkwriteWp, sink);
            }
        } else if !write && self.fault_around(ctx, task, v, sink) {
            self.fault_over(ctx, task, Val::ZERO, sink);
        } else {
            self.enter_handler(ctx, task, Fault::Handler, sink);
        }
        Step::Taken
    }

    /// `filemap_map_pages`: a read fault on a cached page takes no glock (R9). A
    /// page somebody has locked is passed over.
    fn fault_around<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        v: usize,
        sink: &mut S,
    ) -> bool {
        let Some((f, q)) = self.backing(ctx, v) else {
            return false;
        };
        let maps = !self.is_beyond_eof(ctx, v)
            && self.pages[f][q] != Page::Absent
            && !self.page_locked(ctx, f, q, Some(task));
        if maps {
            self.set_pte(v, Pte::Ro, sink);
        }
        maps
    }

    fn copy_private<S: Sink>(&mut self, v: usize, sink: &mut S) {
        self.copied |= 1 << v;
        self.set_pte(v, Pte::Rw, sink);
    }

    fn enter_handler<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, fault: Fault, sink: &mut S) {
        let entry = if fault == Fault::Handler {
            Entry::Fault
        } else {
            Entry::PageMkwrite
        };
        let t = &mut self.tasks[task];
        t.mmap_read = true;
        t.fault = fault;
        sink.event(Event::Enter {
            task: task as u8,
            entry,
        });
        self.enter_nested(ctx, task, entry);
    }

    /// The page a fault handler is about to lock: `Some(None)` beyond the end of the
    /// file, `None` while somebody else has it locked.
    fn lockable_page(&self, ctx: &Ctx<'_>, task: usize) -> Option<Option<(usize, usize)>> {
        let (v, _) = self.current_access(ctx, task)?;
        let (f, q) = self.backing(ctx, v)?;
        if self.is_beyond_eof(ctx, v) {
            return Some(None);
        }
        (!self.page_locked(ctx, f, q, Some(task))).then_some(Some((f, q)))
    }

    /// `filemap_fault` (R9, M1). `retry`: the read drops mmap_lock and the answer is
    /// VM_FAULT_RETRY. None if the page is locked by somebody else.
    pub(crate) fn filemap_fault<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        retry: bool,
        sink: &mut S,
    ) -> Option<Val> {
        let Some((f, q)) = self.lockable_page(ctx, task)? else {
            return Some(Val::SIGBUS);
        };
        if self.pages[f][q] == Page::Absent {
            self.pages[f][q] = Page::Clean;
            sink.event(Event::PageRead {
                file: f as u8,
                page: q as u8,
            });
        }
        let t = &mut self.tasks[task];
        if retry {
            t.mmap_read = false;
            return Some(Val::RETRY);
        }
        t.page_locked = true;
        Some(Val::LOCKED)
    }

    /// With the switch `readahead`: the file of which the task's next step reads a page in, and
    /// other pages that are not cached may come along. A page that a design's `readpage` reads
    /// comes alone.
    pub(crate) fn reads_with_others(&self, ctx: &Ctx<'_>, task: usize) -> Option<usize> {
        if !ctx.scenario.switches.readahead {
            return None;
        }
        let t = &self.tasks[task];
        if t.status != Status::Running || t.wait != Wait::No || t.fault == Fault::Begin {
            return None;
        }
        let (file, page) = if t.nested() {
            let op = ctx.program.code[t.nested_pc as usize].op;
            let (v, _) = self.current_access(ctx, task)?;
            let known = matches!(op, Op::FilemapFault { .. }) && !self.is_beyond_eof(ctx, v);
            known.then(|| self.backing(ctx, v))??
        } else {
            let op = ctx.program.code[t.pc as usize].op;
            let reads = t.sub == Sub::ReadPage
                && !t.have_page
                && matches!(op, Op::ReadIter { noio: false, .. })
                && ctx.program.entry(Entry::Readpage).is_none();
            reads.then(|| {
                (
                    ctx.scenario.tasks[task].file as usize,
                    self.file_page(ctx, task),
                )
            })?
        };
        let pages = &self.pages[file][..self.pages_in(ctx, file)];
        let absent = pages.iter().filter(|&&p| p == Page::Absent).count();
        (self.pages[file][page] == Page::Absent && absent > 1).then_some(file)
    }

    /// The length of a file, in pages.
    fn pages_in(&self, ctx: &Ctx<'_>, file: usize) -> usize {
        let spec = &ctx.scenario.files[file];
        usize::from(if spec.grows() {
            self.i_size[file]
        } else {
            spec.pages
        })
    }

    /// Reads in what is not cached.
    pub(crate) fn read_others<S: Sink>(&mut self, ctx: &Ctx<'_>, file: usize, sink: &mut S) {
        for page in 0..self.pages_in(ctx, file) {
            if self.pages[file][page] == Page::Absent && !self.page_locked(ctx, file, page, None) {
                self.pages[file][page] = Page::Clean;
                sink.event(Event::PageRead {
                    file: file as u8,
                    page: page as u8,
                });
            }
        }
    }

    /// May `filemap_fault` answer RETRY here: the page must be read, and it is the
    /// first try (M1)?
    pub(crate) fn filemap_fault_may_retry(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        ctx.scenario.switches.fault_retry
            && !self.tasks[task].tried
            && self
                .current_access(ctx, task)
                .and_then(|(v, _)| self.backing(ctx, v).map(|b| (v, b)))
                .is_some_and(|(v, (f, q))| {
                    !self.is_beyond_eof(ctx, v) && self.pages[f][q] == Page::Absent
                })
    }

    /// `set_page_dirty_if_mapped`: the end of `gfs2_page_mkwrite` (R9b). None if the
    /// page is locked by somebody else.
    pub(crate) fn dirty_page<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        sink: &mut S,
    ) -> Option<Val> {
        let Some((f, q)) = self.lockable_page(ctx, task)? else {
            return Some(Val::SIGBUS);
        };
        if self.pages[f][q] == Page::Absent {
            return Some(Val::NOPAGE);
        }
        if !Mutant::CleanMkwrite.is_on() {
            self.pages[f][q] = Page::Dirty;
        }
        self.sw_paged |= 1 << f;
        self.tasks[task].page_locked = true;
        sink.event(Event::PageDirty {
            file: f as u8,
            page: q as u8,
        });
        Some(Val::LOCKED)
    }

    /// A fault handler returned: what the memory-management layer makes of it (M2 to
    /// M4).
    pub(crate) fn handler_returned<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        value: Val,
        sink: &mut S,
    ) {
        let fault = self.tasks[task].fault;
        let entry = if fault == Fault::Handler {
            Entry::Fault
        } else {
            Entry::PageMkwrite
        };
        sink.event(Event::Leave {
            task: task as u8,
            entry,
            value,
        });
        let Some((v, write)) = self.current_access(ctx, task) else {
            return;
        };
        let shared = matches!(ctx.scenario.vpages[v].kind, VpageKind::Shared { .. });
        match value {
            // There is no page to map.
            Val::LOCKED if !self.tasks[task].page_locked => {
                self.fault_over(ctx, task, Val::EFAULT, sink);
            }
            Val::LOCKED if fault == Fault::Handler && write && shared => {
                // do_shared_fault unlocks the page before it asks page_mkwrite.
                self.tasks[task].page_locked = false;
                self.enter_handler(ctx, task, Fault::MkwriteNew, sink);
            }
            Val::LOCKED => {
                self.install(v, fault, write, sink);
                self.fault_over(ctx, task, Val::ZERO, sink);
            }
            Val::NOPAGE => self.fault_over(ctx, task, Val::ZERO, sink),
            Val::RETRY => {
                let t = &mut self.tasks[task];
                t.mmap_read = false;
                t.page_locked = false;
                t.tried = true;
                t.fault = Fault::Begin;
            }
            Val::RESTART => self.fault_over(ctx, task, Val::EBUSY, sink),
            _ => self.fault_over(ctx, task, Val::EFAULT, sink),
        }
    }

    fn install<S: Sink>(&mut self, v: usize, fault: Fault, write: bool, sink: &mut S) {
        match fault {
            Fault::Handler if write => self.copy_private(v, sink), // do_cow_fault
            Fault::Handler if self.ptes[v] == Pte::None => self.set_pte(v, Pte::Ro, sink),
            // The PTE is checked again: if it changed meanwhile, the access repeats.
            Fault::MkwriteNew if self.ptes[v] == Pte::None => self.set_pte(v, Pte::Rw, sink),
            Fault::MkwriteWp if self.ptes[v] == Pte::Ro => self.set_pte(v, Pte::Rw, sink),
            _ => {}
        }
    }

    /// The fault is over: mmap_lock is released, and the access repeats (0) or
    /// fails (`-EFAULT`; `-EBUSY` for VM_FAULT_RESTART).
    fn fault_over<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, outcome: Val, sink: &mut S) {
        let access = self.current_access(ctx, task);
        let t = &mut self.tasks[task];
        t.mmap_read = false;
        t.page_locked = false;
        t.tried = false;
        t.fault = Fault::None;
        let Some((v, _)) = access else { return };
        sink.event(Event::FaultEnd {
            task: task as u8,
            vpage: v as u8,
            outcome,
        });
        if outcome == Val::ZERO || Mutant::ErrorSwallowed.is_on() {
            self.access_served(ctx, task, sink);
        } else {
            self.access_failed(ctx, task, outcome, sink);
        }
    }

    /// munmap or mprotect of the task's buffer (M7).
    pub(crate) fn unmap_buffer<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        for &v in &ctx.scenario.tasks[task].buffer {
            let v = v as usize;
            self.set_pte(v, Pte::None, sink);
            self.bad |= 1 << v;
            self.copied &= !(1 << v);
            self.orphan_pins(ctx, v, sink);
        }
        sink.event(Event::Unmapped { task: task as u8 });
    }

    /// Memory pressure takes a clean file page (M9).
    pub(crate) fn reclaim_page<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        page: usize,
        sink: &mut S,
    ) -> Step {
        if self.pages[file][page] != Page::Clean
            || self.page_locked(ctx, file, page, None)
            || self.page_ref_owners(ctx, file, page).next().is_some()
        {
            return Step::Blocked;
        }
        self.drop_page(ctx, file, page, sink);
        Step::Taken
    }

    /// Memory pressure takes an anonymous page that is present (M9).
    pub(crate) fn reclaim_anon<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        vpage: usize,
        sink: &mut S,
    ) -> Step {
        let anonymous = self.is_copied(vpage) || ctx.scenario.vpages[vpage].kind == VpageKind::Anon;
        let pinned = (0..MAX_TASKS.min(ctx.scenario.tasks.len())).any(|t| {
            let spec = &ctx.scenario.tasks[t];
            let pins = &self.tasks[t].pins;
            spec.buffer
                .iter()
                .zip(pins)
                .any(|(&v, &p)| v as usize == vpage && p != Pinned::No)
        });
        if !anonymous || pinned || self.ptes[vpage] == Pte::None {
            return Step::Blocked;
        }
        self.set_pte(vpage, Pte::None, sink);
        Step::Taken
    }
}
