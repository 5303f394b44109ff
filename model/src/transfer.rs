//! Built-in operations: the transfers, fault-in, pinning, plain accesses, and the
//! writers of mmap_lock.
//!
//! Rules I1 to I4, I10, I13, I20, I21, X1, M4 to M6, M8. One page moved is one
//! step. The three variables a restart must keep in step are
//! [`Task::iter_pos`](crate::task::Task::iter_pos),
//! [`Task::ki_pos`](crate::task::Task::ki_pos) and the counts in the design's own
//! variables.

use crate::event::{Event, Sink};
use crate::glock::{Holder, Stage};
use crate::memory::Step;
use crate::mode::Mode;
use crate::mutant::Mutant;
use crate::node::{Ctx, Node};
use crate::program::{DioFlags, Entry, FaultInFlags, NqFlags, Op, Val};
use crate::scenario::{OpKind, Page, VpageKind};
use crate::task::{
    Aio, Fault, Flight, LANDED_LOST, Mapping, Pinned, Status, Sub, Task, Wait, wrong,
};

/// In one direct call a page that is not the first is asked for up to four times
/// before the error surfaces: by the get-user-pages call that returns short, by
/// the next call for the same bio, for the next bio, and for the next mapping
/// (v5.12 and 6.1 sources of bio_iov_iter_get_pages and iomap_dio_bio_iter).
const DIO_EXTRA_ATTEMPTS: u8 = 3;

impl Node {
    /// Begins a built-in operation: sets [`Sub`], touches nothing else but the
    /// task.
    pub(crate) fn enter_builtin(&mut self, ctx: &Ctx<'_>, task: usize, op: Op) {
        let window = match op {
            Op::FaultIn { window, .. } | Op::Pin { window, .. } => {
                self.eval(ctx, task, window).as_size().unwrap_or(0)
            }
            _ => 0,
        };
        let has_hook = ctx.program.entry(Entry::IomapBegin).is_some();
        let t = &mut self.tasks[task];
        t.moved = 0;
        t.window = match op {
            Op::FaultInReadable { .. } => t.iter_count,
            _ => window.min(t.iter_count),
        };
        t.sub = match op {
            Op::DioRw { .. } => Sub::DioFlush,
            Op::ReadIter { .. } => Sub::ReadPage,
            Op::BufferedWrite { .. } if has_hook => Sub::WriteBegin,
            Op::BufferedWrite { .. } => Sub::WritePage,
            Op::IomapFiemap { .. } => Sub::FiemapPage,
            Op::Pin { .. } => Sub::Pin,
            _ => Sub::FaultIn,
        };
        let last = ctx.scenario.files[ctx.scenario.tasks[task].file as usize].pages as usize;
        let nothing_to_do = match self.tasks[task].sub {
            Sub::FaultIn | Sub::Pin => self.tasks[task].window == 0,
            Sub::FiemapPage => self.tasks[task].iter_count == 0,
            // Of a position that the design has set wrong nothing comes right, and what is
            // beyond the file is not there to be touched.
            _ if self.range(ctx, task).end > last => {
                self.tasks[task].wrong |= wrong::PLACEMENT;
                true
            }
            _ => self.tasks[task].iter_count == 0,
        };
        let t = &mut self.tasks[task];
        match t.sub {
            _ if nothing_to_do => self.builtin_done(ctx, task, self.result_so_far(task, op)),
            Sub::WriteBegin => self.enter_nested(ctx, task, Entry::IomapBegin),
            Sub::WritePage => self.map_extent(ctx, task),
            Sub::FiemapPage => {
                // It begins with the first extent, wherever the records go.
                self.tasks[task].ki_pos = 0;
                self.map_extent(ctx, task);
            }
            _ => {}
        }
    }

    /// What a built-in operation that ends without an error returns.
    fn result_so_far(&self, task: usize, op: Op) -> Val {
        let t = &self.tasks[task];
        match op {
            // iomap_dio_complete adds what was done before only to something.
            Op::DioRw { .. } if t.moved == 0 => Val::ZERO,
            Op::DioRw { done, .. } => {
                let done = done.filter(|_| !Mutant::DoneForgotten.is_on());
                let before = done.map_or(0, |v| t.vars[v.0 as usize].as_size().unwrap_or(0));
                Val(Val::MAX_SIZE.min(before + t.moved))
            }
            Op::FaultIn { .. } if Mutant::FaultInBoasts.is_on() => Val::ZERO,
            // The operands of a subtraction were swapped (I20).
            Op::FaultIn { flags, .. } if t.moved > 0 && flags.has(FaultInFlags::OVERREPORTS) => {
                Val::ZERO
            }
            Op::FaultIn { .. } => Val(t.window - t.moved),
            Op::FaultInReadable { .. } if t.moved < t.window => Val::EFAULT,
            Op::FaultInReadable { .. } => Val::ZERO,
            Op::Pin { .. } if t.moved == 0 && t.window > 0 => Val::EFAULT,
            _ => Val(t.moved),
        }
    }

    /// Ends a built-in operation: stores its result, goes on behind it.
    fn builtin_done(&mut self, ctx: &Ctx<'_>, task: usize, value: Val) {
        let op = ctx.program.code[self.tasks[task].pc as usize].op;
        if let Op::BufferedWrite { keep_pos: true, .. } = op {
            self.tasks[task].ki_pos -= self.tasks[task].moved;
        }
        let to = match op {
            Op::DioRw { to, .. }
            | Op::ReadIter { to, .. }
            | Op::BufferedWrite { to, .. }
            | Op::IomapFiemap { to }
            | Op::FaultIn { to, .. }
            | Op::FaultInReadable { to }
            | Op::Pin { to, .. } => to,
            _ => return,
        };
        let t = &mut self.tasks[task];
        t.vars[to.0 as usize] = value;
        t.sub = Sub::None;
        t.moved = 0;
        t.extent_moved = 0;
        t.attempts = 0;
        t.window = 0;
        t.error = Val::ZERO;
        t.have_page = false;
        t.mapping = Mapping::None;
        self.advance(ctx, task);
    }

    fn builtin_ends<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        let op = ctx.program.code[self.tasks[task].pc as usize].op;
        let value = self.result_so_far(task, op);
        if let Op::FaultIn { .. } = op {
            let left = value.as_size().unwrap_or(0);
            sink.event(Event::FaultInDone {
                task: task as u8,
                left,
            });
        } else {
            sink.event(Event::TransferDone {
                task: task as u8,
                value,
            });
        }
        self.builtin_done(ctx, task, value);
    }

    fn builtin_fails<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, error: Val, sink: &mut S) {
        sink.event(Event::TransferDone {
            task: task as u8,
            value: error,
        });
        self.builtin_done(ctx, task, error);
    }

    /// Ghost: the extent is mapped under whatever the task holds now (X2, X3).
    fn map_extent(&mut self, ctx: &Ctx<'_>, task: usize) {
        let file = ctx.scenario.tasks[task].file as usize;
        let held = self.held(task, file) != Mode::Un;
        self.tasks[task].mapping = if held { Mapping::Valid } else { Mapping::Stale };
    }

    /// The next step of the built-in operation under way.
    pub(crate) fn builtin_step<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        sink: &mut S,
    ) -> Step {
        match self.tasks[task].sub {
            Sub::DioFlush => self.dio_flush(ctx, task, sink),
            Sub::DioPage => self.dio_page(ctx, task, sink),
            Sub::DioEnd => self.dio_end(ctx, task, sink),
            Sub::ReadPage => self.read_page(ctx, task, sink),
            Sub::WritePage => self.write_page(ctx, task, sink),
            Sub::FiemapPage => self.fiemap_page(ctx, task, sink),
            Sub::FaultIn => self.fault_in_page(ctx, task, sink),
            Sub::Pin => self.pin_page(ctx, task, sink),
            Sub::Touch => self.touch_page(ctx, task, sink),
            Sub::MmArrive | Sub::MmQueued => self.mmap_write_lock(ctx, task, sink),
            Sub::MmHeld => self.munmap(ctx, task, sink),
            Sub::DioWait => self.dio_wait(ctx, task, sink),
            Sub::Parked | Sub::None | Sub::WriteBegin | Sub::WriteEnd | Sub::Readpage => {
                Step::Blocked
            }
        }
    }

    /// The page of the file where the operation began.
    #[inline]
    pub(crate) fn first_page(&self, ctx: &Ctx<'_>, task: usize) -> u8 {
        ctx.scenario.tasks[task].first_page + self.tasks[task].first
    }

    /// `generic_write_checks`: an append goes where this node takes the end of the file to be.
    /// That is where the operation begins unless some of it is in the file already, be it
    /// somewhere else.
    pub(crate) fn write_checks(&mut self, ctx: &Ctx<'_>, task: usize) {
        let spec = &ctx.scenario.tasks[task];
        if !spec.append {
            return;
        }
        let size = self.i_size[spec.file as usize];
        let t = &mut self.tasks[task];
        if t.landed.iter().all(|&page| page == 0) {
            t.first = size;
        }
        t.ki_pos = size.saturating_sub(t.first);
    }

    /// The file gets a page of an append, and of any other write that goes beyond its end.
    fn file_grows(&mut self, ctx: &Ctx<'_>, task: usize, page: usize, direct: bool) {
        let spec = &ctx.scenario.tasks[task];
        let file = spec.file as usize;
        let (size, page) = (self.disk_size[file], page as u8);
        let relative = page - self.first_page(ctx, task);
        let t = &mut self.tasks[task];
        let own = t.landed.contains(&(relative + 1));
        if spec.append && page < size && !own && !Mutant::OverwriteUnnoticed.is_on() {
            t.wrong |= wrong::PLACEMENT; // somebody's data is there already
        }
        // Direct I/O does not extend a file.
        if !direct {
            self.i_size[file] = self.i_size[file].max(page + 1);
            self.disk_size[file] = size.max(page + 1);
        }
    }

    /// The pages of the file the rest of the transfer will touch.
    pub(crate) fn range(&self, ctx: &Ctx<'_>, task: usize) -> std::ops::Range<usize> {
        let t = &self.tasks[task];
        let first = (self.first_page(ctx, task) + t.ki_pos) as usize;
        first..first + t.iter_count as usize
    }

    /// The file page the next buffer page goes with.
    pub(crate) fn file_page(&self, ctx: &Ctx<'_>, task: usize) -> usize {
        let t = &self.tasks[task];
        // Direct I/O advances ki_pos only when it completes (X1).
        let done = if t.sub == Sub::DioPage { t.moved } else { 0 };
        (self.first_page(ctx, task) + t.ki_pos + done) as usize
    }

    /// How many pages of the buffer, from the next one on, are moved together or not at
    /// all (I22): what is left of the block, of the chunk with `whole_chunks`. A hole
    /// is zeroed byte by byte.
    fn unit(&self, ctx: &Ctx<'_>, task: usize) -> u8 {
        let spec = &ctx.scenario.tasks[task];
        let chunk = ctx.scenario.files[spec.file as usize].chunk;
        if chunk == 1 {
            return 1;
        }
        let t = &self.tasks[task];
        let together = match t.sub {
            Sub::DioPage => !self.copies_to_hole(ctx, task),
            Sub::WritePage => matches!(
                ctx.program.code[t.pc as usize].op,
                Op::BufferedWrite {
                    whole_chunks: true,
                    ..
                }
            ),
            _ => false,
        };
        if !together {
            return 1;
        }
        let left = chunk - self.file_page(ctx, task) as u8 % chunk;
        left.min(t.iter_count)
    }

    /// Of the pages moved together, the first that the transfer cannot reach.
    fn first_out_of_reach(
        &self,
        ctx: &Ctx<'_>,
        task: usize,
        ready: impl Fn(usize) -> bool,
    ) -> Option<u8> {
        let first = self.tasks[task].iter_pos;
        let buffer = &ctx.scenario.tasks[task].buffer;
        (0..self.unit(ctx, task)).find(|&j| {
            let index = (first + j) as usize;
            let pinned = self.tasks[task].pins[index].is_used();
            !pinned && !ready(buffer[index] as usize)
        })
    }

    /// The options of the direct transfer under way.
    fn dio_flags(&self, ctx: &Ctx<'_>, task: usize) -> DioFlags {
        match ctx.program.code[self.tasks[task].pc as usize].op {
            Op::DioRw { flags, .. } => flags,
            _ => DioFlags::NONE,
        }
    }

    /// The options of the fault-in under way.
    fn fault_in_flags(&self, ctx: &Ctx<'_>, task: usize) -> FaultInFlags {
        match ctx.program.code[self.tasks[task].pc as usize].op {
            Op::FaultIn { flags, .. } => flags,
            _ => FaultInFlags::NONE,
        }
    }

    /// Is the task at a direct read of a hole: does it copy zeroes by the CPU (I9)?
    fn copies_to_hole(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        let spec = &ctx.scenario.tasks[task];
        let file = &ctx.scenario.files[spec.file as usize];
        file.holes != 0
            && self.tasks[task].sub == Sub::DioPage
            && spec.op == OpKind::DirectRead
            && file.is_hole(self.file_page(ctx, task))
    }

    /// Does the task reach user memory by get-user-pages, and not by the CPU?
    pub(crate) fn accesses_by_gup(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        match self.tasks[task].sub {
            Sub::DioPage => !self.copies_to_hole(ctx, task),
            Sub::Pin => true,
            Sub::FaultIn => self.fault_in_flags(ctx, task).has(FaultInFlags::GUP),
            _ => false,
        }
    }

    /// Does get-user-pages only look at the page tables?
    pub(crate) fn gup_is_fast(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        self.dio_flags(ctx, task).has(DioFlags::FAST)
    }

    /// Has get-user-pages to go the slow way, with mmap_lock, only to be refused (I21)?
    pub(crate) fn gup_walks_slowly(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        let t = &self.tasks[task];
        if t.sub == Sub::Pin {
            let page = self.current_access(ctx, task);
            return page.is_some_and(|(v, _)| ctx.scenario.vpages[v].kind == VpageKind::Io);
        }
        let spec = &ctx.scenario.tasks[task];
        let file = &ctx.scenario.files[spec.file as usize];
        if t.sub != Sub::DioPage
            || self.gup_is_fast(ctx, task)
            || file.holes != 0 && file.is_hole(self.file_page(ctx, task))
        {
            return false;
        }
        let write = spec.op == OpKind::DirectRead;
        let ready = |v| self.gup_usable(ctx, v, write, false);
        self.first_out_of_reach(ctx, task, ready).is_some_and(|j| {
            let v = spec.buffer[(t.iter_pos + j) as usize] as usize;
            t.nofault || ctx.scenario.vpages[v].kind == VpageKind::Io
        })
    }

    /// I1b: write back the range; for a write also drop it (I2). A write that would end
    /// beyond the end of the file is left to the page cache.
    fn dio_flush<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let file = ctx.scenario.tasks[task].file as usize;
        let range = self.range(ctx, task);
        if ctx.scenario.tasks[task].op == OpKind::DirectWrite
            && ctx.scenario.files[file].grows()
            && range.end > self.i_size[file] as usize
        {
            self.builtin_ends(ctx, task, sink);
            return Step::Taken;
        }
        let aio = &self.tasks[task].aio;
        // A request that is queued and begins again: the first comes to its end.
        if self.any_page_locked(ctx, file, range.clone(), Some(task)) || aio.in_flight() {
            return Step::Blocked;
        }
        let t = &mut self.tasks[task];
        if ctx.scenario.tasks[task].aio {
            if t.aio.flight == Flight::Complete {
                t.wrong |= wrong::UNBALANCED; // reported already, and goes on
            }
            t.aio = Aio {
                flight: Flight::Submitting,
                index: t.iter_pos,
                page: t.ki_pos,
                ..Aio::default()
            };
        }
        sink.event(Event::DioFlush {
            task: task as u8,
            file: file as u8,
        });
        if !Mutant::NotFlushed.is_on() {
            for q in range.clone() {
                self.clean_page(ctx, file, q, sink);
            }
        }
        if ctx.scenario.tasks[task].op == OpKind::DirectWrite {
            self.drop_range(ctx, file, range, sink);
        }
        self.map_extent(ctx, task);
        self.tasks[task].sub = Sub::DioPage;
        Step::Taken
    }

    fn drop_range<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        file: usize,
        range: std::ops::Range<usize>,
        sink: &mut S,
    ) {
        for q in range {
            if self.pages[file][q] != Page::Absent {
                self.drop_page(ctx, file, q, sink);
            }
        }
    }

    /// One page of a direct transfer: get-user-pages, then the transfer itself.
    fn dio_page<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let Some((v, write)) = self.current_access(ctx, task) else {
            return Step::Blocked;
        };
        let file = &ctx.scenario.files[ctx.scenario.tasks[task].file as usize];
        if file.holes != 0 && file.is_hole(self.file_page(ctx, task)) {
            return self.dio_hole(ctx, task, v, write, sink);
        }
        let fast = self.gup_is_fast(ctx, task);
        let ready = |v| self.gup_usable(ctx, v, write, fast);
        if let Some(j) = self.first_out_of_reach(ctx, task, ready) {
            let index = self.tasks[task].iter_pos + j;
            let v = ctx.scenario.tasks[task].buffer[index as usize] as usize;
            let refused = (self.tasks[task].nofault && !Mutant::NofaultIgnored.is_on())
                || fast
                || ctx.scenario.vpages[v].kind == VpageKind::Io;
            // FOLL_NOFAULT stops the fault, not the lock (I21).
            if refused && !fast && !self.mmap_readable(ctx, task) {
                return Step::Blocked;
            }
            self.tasks[task].window = j;
            if !refused {
                self.tasks[task].fault = Fault::Begin;
                return self.fault_begin_or_undo(ctx, task, sink);
            }
            if ctx.scenario.vpages[v].kind != VpageKind::Io {
                sink.event(Event::NoFault {
                    task: task as u8,
                    vpage: v as u8,
                });
            }
            self.access_failed(ctx, task, Val::EFAULT, sink);
            return Step::Taken;
        }
        if ctx.scenario.tasks[task].aio {
            self.submit(ctx, task, sink);
            return Step::Taken;
        }
        let index = self.tasks[task].iter_pos as usize;
        if !self.tasks[task].pins[index].is_used() && ctx.scenario.switches.gup_window {
            self.pin(task, index, Pinned::Live, sink);
            return Step::Taken;
        }
        for _ in 0..self.unit(ctx, task) {
            let index = self.tasks[task].iter_pos as usize;
            let v = ctx.scenario.tasks[task].buffer[index] as usize;
            self.move_page(ctx, task, v, write, sink);
        }
        if self.tasks[task].iter_count == 0 {
            self.dio_complete(ctx, task, sink);
        }
        Step::Taken
    }

    /// One page of a direct transfer that has no block (I9). A read zeroes the buffer
    /// by the CPU; a write goes through the page cache instead.
    fn dio_hole<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        v: usize,
        write: bool,
        sink: &mut S,
    ) -> Step {
        if !write {
            match self.tasks[task].moved {
                0 => self.dio_fails(ctx, task, Val::ENOTBLK, sink),
                _ => self.dio_waits(ctx, task, Val::ZERO, sink),
            }
            return Step::Taken;
        }
        let pinned = self.tasks[task].pins[self.tasks[task].iter_pos as usize].is_used();
        if !pinned && !self.pte_usable(v, write) {
            return self.copy_faults(ctx, task, v, sink);
        }
        self.move_page(ctx, task, v, write, sink);
        if self.tasks[task].iter_count == 0 {
            self.dio_over(ctx, task, Val::ZERO, sink);
        }
        Step::Taken
    }

    fn pin<S: Sink>(&mut self, task: usize, index: usize, how: Pinned, sink: &mut S) {
        self.tasks[task].pins[index] = how;
        sink.event(Event::Pin {
            task: task as u8,
            index: index as u8,
        });
    }

    /// Moves one page between file and buffer, in the direction of the operation.
    fn move_page<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        v: usize,
        into_buffer: bool,
        sink: &mut S,
    ) {
        let file = ctx.scenario.tasks[task].file as usize;
        let page = self.file_page(ctx, task);
        let direct = self.tasks[task].sub == Sub::DioPage;
        if ctx.scenario.files[file].grows() {
            self.file_grows(ctx, task, page, direct);
        }
        let index = self.tasks[task].iter_pos as usize;
        let live_pin = self.page_lands(ctx, task, index, page, into_buffer, sink);
        let t = &mut self.tasks[task];
        if t.mapping == Mapping::Stale {
            t.wrong |= wrong::MAPPING;
        }
        if t.changed {
            t.wrong |= wrong::TORN;
        }
        if ctx.scenario.switches.gup_window && direct {
            t.pins[index] = Pinned::No;
        }
        t.iter_pos += 1;
        t.iter_count -= 1;
        t.moved += 1;
        t.attempts = 0;
        t.have_page = false;
        if !direct {
            t.ki_pos += 1;
        }
        if into_buffer {
            self.memory_written(ctx, task, v, live_pin);
        } else {
            if !direct {
                self.pages[file][page] = Page::Dirty;
                sink.event(Event::PageDirty {
                    file: file as u8,
                    page: page as u8,
                });
            }
            self.file_changes(ctx, file, Some(task));
        }
    }

    /// Ghost (P7): the data of a page arrives. Was it moved through a live pin?
    fn page_lands<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        index: usize,
        page: usize,
        into_buffer: bool,
        sink: &mut S,
    ) -> bool {
        sink.event(Event::Transfer {
            task: task as u8,
            index: index as u8,
            page: page as u8,
        });
        let relative = page as u8 - self.first_page(ctx, task);
        let t = &mut self.tasks[task];
        t.landed[index] = if t.pins[index] == Pinned::Orphan && into_buffer {
            LANDED_LOST
        } else {
            relative + 1
        };
        if !into_buffer && relative as usize != index {
            t.wrong |= wrong::PLACEMENT; // the file has wrong data, whatever is returned
        }
        t.pins[index] == Pinned::Live
    }

    // ---- asynchronous direct I/O ----------------------------------------------

    /// The next pages of the buffer, those moved together, go into a bio, which keeps
    /// them pinned; each is moved in a step of its own ([`Node::bio_step`]).
    fn submit<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        for _ in 0..self.unit(ctx, task) {
            let index = self.tasks[task].iter_pos;
            self.tasks[task].aio.takes(index, &self.tasks[task].pins);
            if !self.tasks[task].pins[index as usize].is_used() {
                self.pin(task, index as usize, Pinned::Live, sink);
            }
            sink.event(Event::Submit {
                task: task as u8,
                index,
            });
            let t = &mut self.tasks[task];
            if t.mapping == Mapping::Stale {
                t.wrong |= wrong::MAPPING;
            }
            t.iter_pos += 1;
            t.iter_count -= 1;
            t.moved += 1;
            t.attempts = 0;
        }
        if self.tasks[task].iter_count == 0 {
            self.dio_over(ctx, task, Val::ZERO, sink);
        }
    }

    /// Nothing more is submitted: `error` is what the rest was refused with, or 0. What
    /// is done already ends here, as if it were synchronous; what is not will be
    /// completed behind the caller's back.
    fn dio_over<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, error: Val, sink: &mut S) {
        if self.tasks[task].aio.bios == 0 {
            return match error {
                Val::ZERO => self.dio_complete(ctx, task, sink),
                error => self.dio_fails(ctx, task, error, sink),
            };
        }
        let op = ctx.program.code[self.tasks[task].pc as usize].op;
        let all = self.result_so_far(task, op);
        let t = &mut self.tasks[task];
        t.aio.flight = Flight::Queued;
        (t.aio.size, t.aio.value) = match error {
            Val::ZERO => (t.moved, all),
            error => (0, error),
        };
        self.builtin_fails(ctx, task, Val::EIOCBQUEUED, sink);
    }

    /// As [`Node::dio_over`], where the request is made to wait for what it has
    /// submitted and ends as a synchronous one: a short count with IOMAP_DIO_PARTIAL or
    /// before a hole, an error where the iterator is taken back (I13).
    fn dio_waits<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, error: Val, sink: &mut S) {
        let t = &mut self.tasks[task];
        if t.aio.bios == 0 {
            return self.dio_over(ctx, task, error, sink);
        }
        t.aio.value = error;
        t.sub = Sub::DioWait;
    }

    fn dio_fails<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, error: Val, sink: &mut S) {
        self.tasks[task].aio = Aio::default();
        self.builtin_fails(ctx, task, error, sink);
    }

    fn dio_wait<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let aio = self.tasks[task].aio;
        if aio.bios != 0 {
            return Step::Blocked;
        }
        self.dio_over(ctx, task, aio.value, sink);
        Step::Taken
    }

    /// A page in flight arrives, or the completion runs: nobody's code but the block
    /// layer's, whatever the task is doing.
    pub(crate) fn bio_step<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let spec = &ctx.scenario.tasks[task];
        let (file, aio) = (spec.file as usize, self.tasks[task].aio);
        if aio.bios == 0 {
            return self.aio_ends(ctx, task, sink);
        }
        let index = aio.bios.trailing_zeros() as usize;
        let page = (spec.first_page + aio.page) as usize + index - aio.index as usize;
        let reads = spec.op == OpKind::DirectRead;
        if self.flies_unprotected(file) {
            self.tasks[task].wrong |= wrong::MAPPING;
        }
        let live = self.page_lands(ctx, task, index, page, reads, sink);
        let t = &mut self.tasks[task];
        t.pins[index] = t.aio.gives_back(index as u8, t.pins[index]);
        let last = t.aio.bios == 0 && t.aio.flight == Flight::Queued;
        if reads {
            self.memory_written(ctx, task, spec.buffer[index] as usize, live);
        } else {
            self.file_changes(ctx, file, Some(task));
        }
        if last && !reads && aio.size > 0 {
            self.tasks[task].aio.flight = Flight::Ending;
        } else if last {
            self.aio_reports(ctx, task, sink);
        }
        Step::Taken
    }

    /// Ghost (P6): does I/O in flight use an extent mapping that may be another by now?
    /// Waiting for it (R5, Q8) keeps the node's mode as it is, and holders out that
    /// could change the file.
    fn flies_unprotected(&self, file: usize) -> bool {
        let gl = &self.glocks[file];
        let holders = gl.queue.as_slice().iter();
        let changes = |h: &Holder| {
            h.granted
                && h.mode != Mode::Df
                && !h.flags.has(NqFlags::ANY)
                && self.tasks[h.task as usize].wait == Wait::No
        };
        gl.state == Mode::Un
            || matches!(gl.stage, Stage::Inval | Stage::Sent | Stage::Reply)
            || holders.filter(|h| changes(h)).count() > 0
    }

    /// The completion of a write, in its work queue: drops the range of the page cache
    /// once more.
    fn aio_ends<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let file = ctx.scenario.tasks[task].file as usize;
        let range = self.aio_range(ctx, task);
        if self.any_page_locked(ctx, file, range.clone(), None) {
            return Step::Blocked;
        }
        self.drop_range(ctx, file, range, sink);
        self.aio_reports(ctx, task, sink);
        Step::Taken
    }

    /// The pages of the file a queued write has written.
    pub(crate) fn aio_range(&self, ctx: &Ctx<'_>, task: usize) -> std::ops::Range<usize> {
        let aio = &self.tasks[task].aio;
        let first = (ctx.scenario.tasks[task].first_page + aio.page) as usize;
        first..first + aio.size as usize
    }

    /// `ki_complete`: the result is delivered, once.
    fn aio_reports<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        let t = &mut self.tasks[task];
        let value = t.aio.value;
        t.ki_pos += t.aio.size;
        sink.event(Event::Complete {
            task: task as u8,
            value,
        });
        if t.sub == Sub::Parked {
            self.operation_over(ctx, task, value);
        } else {
            t.aio = Aio {
                flight: Flight::Complete,
                value,
                ..Aio::default()
            };
        }
    }

    /// Is direct I/O of the file in flight (`i_dio_count`)? Only asynchronous requests
    /// are counted: a synchronous one has its glock until it is over.
    pub fn dio_in_flight(&self, ctx: &Ctx<'_>, file: usize) -> bool {
        let specs = ctx.scenario.tasks.iter().zip(&self.tasks);
        specs
            .into_iter()
            .any(|(spec, t)| spec.aio && spec.file as usize == file && t.aio.in_flight())
    }

    /// The task wrote to user memory: the mapped file changes. Through a pin the
    /// page is dirtied even though its PTE may be read-only (M10).
    fn memory_written(&mut self, ctx: &Ctx<'_>, task: usize, v: usize, pinned: bool) {
        if !matches!(ctx.scenario.vpages[v].kind, VpageKind::Shared { .. }) {
            return;
        }
        if let Some((f, q)) = self.backing(ctx, v) {
            if pinned && self.pages[f][q] == Page::Clean {
                self.pages[f][q] = Page::Dirty;
            }
            self.file_changes(ctx, f, Some(task));
        }
    }

    /// All pages submitted (or the rest refused with IOMAP_DIO_PARTIAL).
    fn dio_complete<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        if ctx.scenario.tasks[task].op == OpKind::DirectWrite && self.tasks[task].moved > 0 {
            self.tasks[task].sub = Sub::DioEnd;
            return;
        }
        self.dio_ends(ctx, task, sink);
    }

    fn dio_ends<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        let t = &mut self.tasks[task];
        t.ki_pos += t.moved;
        t.aio = Aio::default();
        self.builtin_ends(ctx, task, sink);
    }

    /// A completed direct write drops the range once more: pages may have been read
    /// in or faulted in meanwhile (iomap_dio_complete).
    fn dio_end<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let spec = &ctx.scenario.tasks[task];
        let file = spec.file as usize;
        let first = (self.first_page(ctx, task) + self.tasks[task].ki_pos) as usize;
        let range = first..first + self.tasks[task].moved as usize;
        if self.any_page_locked(ctx, file, range.clone(), Some(task)) {
            return Step::Blocked;
        }
        self.drop_range(ctx, file, range, sink);
        self.dio_ends(ctx, task, sink);
        Step::Taken
    }

    /// One page of a buffered read (I3): find or read in the source page, copy it.
    fn read_page<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let file = ctx.scenario.tasks[task].file as usize;
        let page = self.file_page(ctx, task);
        if !self.tasks[task].have_page && self.pages[file][page] == Page::Absent {
            return self.read_miss(ctx, task, file, page, sink);
        }
        let Some((v, write)) = self.current_access(ctx, task) else {
            return Step::Blocked;
        };
        let pinned = self.tasks[task].pins[self.tasks[task].iter_pos as usize].is_used();
        if !pinned && !self.pte_usable(v, write) {
            self.tasks[task].have_page = true; // the page is not looked up again
            return self.copy_faults(ctx, task, v, sink);
        }
        self.move_page(ctx, task, v, write, sink);
        if self.tasks[task].iter_count == 0 {
            self.builtin_ends(ctx, task, sink);
        }
        Step::Taken
    }

    /// The source page is not cached: -EAGAIN with IOCB_NOIO, else read it in.
    fn read_miss<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        file: usize,
        page: usize,
        sink: &mut S,
    ) -> Step {
        let noio = matches!(
            ctx.program.code[self.tasks[task].pc as usize].op,
            Op::ReadIter { noio: true, .. }
        );
        if !noio && ctx.program.entry(Entry::Readpage).is_some() {
            if self.page_locked(ctx, file, page, Some(task)) {
                return Step::Blocked;
            }
            self.tasks[task].page_locked = true;
            self.tasks[task].sub = Sub::Readpage;
            sink.event(Event::Enter {
                task: task as u8,
                entry: Entry::Readpage,
            });
            self.enter_nested(ctx, task, Entry::Readpage);
        } else if !noio {
            self.pages[file][page] = Page::Clean;
            sink.event(Event::PageRead {
                file: file as u8,
                page: page as u8,
            });
        } else if self.tasks[task].moved > 0 {
            self.builtin_ends(ctx, task, sink);
        } else {
            self.builtin_fails(ctx, task, Val::EAGAIN, sink);
        }
        Step::Taken
    }

    /// A copy met an absent page: a page fault, or with faults disabled a short copy
    /// (M5).
    fn copy_faults<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, v: usize, sink: &mut S) -> Step {
        if self.tasks[task].faults_off && !Mutant::FaultsNotDisabled.is_on() {
            sink.event(Event::NoFault {
                task: task as u8,
                vpage: v as u8,
            });
            self.access_failed(ctx, task, Val::EFAULT, sink);
            return Step::Taken;
        }
        self.tasks[task].fault = Fault::Begin;
        self.fault_begin_or_undo(ctx, task, sink)
    }

    /// The fault begins in the same step if mmap_lock is free; otherwise the task
    /// waits for it, which is no step.
    fn fault_begin_or_undo<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        if !self.mmap_readable(ctx, task) || self.waits_for_server(ctx, task).is_some() {
            // Waiting is a step of its own: the task is now in the fault.
            return Step::Taken;
        }
        self.fault_begin(ctx, task, sink)
    }

    /// One page of a buffered write (I4): prefault and copy.
    fn write_page<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let file = ctx.scenario.tasks[task].file as usize;
        let page = self.file_page(ctx, task);
        let Some((v, write)) = self.current_access(ctx, task) else {
            return Step::Blocked;
        };
        let ready = |v| self.pte_usable(v, write);
        if let Some(j) = self.first_out_of_reach(ctx, task, ready) {
            let index = self.tasks[task].iter_pos + j;
            let v = ctx.scenario.tasks[task].buffer[index as usize] as usize;
            self.tasks[task].window = j;
            return self.copy_faults(ctx, task, v, sink);
        }
        if self.page_locked(ctx, file, page, Some(task)) {
            return Step::Blocked;
        }
        self.move_page(ctx, task, v, write, sink);
        self.tasks[task].extent_moved += 1;
        if self.tasks[task].iter_count == 0 {
            self.extent_ends(ctx, task, Val::ZERO, sink);
        }
        Step::Taken
    }

    /// One page of the records of a file's extents (fiemap_fill_next_extent).
    fn fiemap_page<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let Some((v, write)) = self.current_access(ctx, task) else {
            return Step::Blocked;
        };
        if !self.pte_usable(v, write) {
            return self.copy_faults(ctx, task, v, sink);
        }
        self.move_page(ctx, task, v, write, sink);
        if self.tasks[task].iter_count == 0 {
            self.builtin_ends(ctx, task, sink);
        }
        Step::Taken
    }

    /// The extent is done, or its copy stopped: `iomap_end`.
    fn extent_ends<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, error: Val, sink: &mut S) {
        self.tasks[task].error = error;
        self.tasks[task].mapping = Mapping::None;
        if ctx.program.entry(Entry::IomapEnd).is_some() {
            self.tasks[task].sub = Sub::WriteEnd;
            sink.event(Event::Enter {
                task: task as u8,
                entry: Entry::IomapEnd,
            });
            self.enter_nested(ctx, task, Entry::IomapEnd);
        } else {
            self.next_extent(ctx, task, sink);
        }
    }

    /// After `iomap_end`: a copy that stopped after some progress is tried once more
    /// under a new mapping; one without progress ends the write.
    fn next_extent<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        let t = &mut self.tasks[task];
        let progress = std::mem::take(&mut t.extent_moved) > 0;
        let error = std::mem::take(&mut t.error);
        if t.iter_count > 0 && progress {
            if ctx.program.entry(Entry::IomapBegin).is_some() && !Mutant::MappingKept.is_on() {
                t.sub = Sub::WriteBegin;
                sink.event(Event::Enter {
                    task: task as u8,
                    entry: Entry::IomapBegin,
                });
                self.enter_nested(ctx, task, Entry::IomapBegin);
            } else {
                t.sub = Sub::WritePage;
                self.map_extent(ctx, task);
            }
        } else if self.tasks[task].moved > 0 || error == Val::ZERO {
            self.builtin_ends(ctx, task, sink);
        } else {
            self.builtin_fails(ctx, task, error, sink);
        }
    }

    /// `readpage` returned: the page is looked up again, whatever it was (I27).
    fn readpage_returned<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, value: Val, sink: &mut S) {
        sink.event(Event::Leave {
            task: task as u8,
            entry: Entry::Readpage,
            value,
        });
        let t = &mut self.tasks[task];
        t.page_locked = false;
        t.sub = Sub::ReadPage;
        if value.is_error() && t.moved == 0 {
            self.builtin_fails(ctx, task, value, sink);
        } else if value.is_error() {
            self.builtin_ends(ctx, task, sink);
        }
    }

    /// `iomap_begin`, `iomap_end` or `readpage` returned.
    pub(crate) fn hook_returned<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        value: Val,
        sink: &mut S,
    ) {
        if self.tasks[task].sub == Sub::Readpage {
            self.readpage_returned(ctx, task, value, sink);
        } else if self.tasks[task].sub == Sub::WriteBegin {
            sink.event(Event::Leave {
                task: task as u8,
                entry: Entry::IomapBegin,
                value,
            });
            if value.is_error() {
                self.tasks[task].error = value;
                self.next_extent(ctx, task, sink);
            } else {
                self.tasks[task].sub = Sub::WritePage;
                self.map_extent(ctx, task);
            }
        } else {
            sink.event(Event::Leave {
                task: task as u8,
                entry: Entry::IomapEnd,
                value,
            });
            self.next_extent(ctx, task, sink);
        }
    }

    /// One page of a fault-in (I20). The writeable kind takes mmap_lock for every
    /// page, resident or not.
    fn fault_in_page<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let Some((v, write)) = self.current_access(ctx, task) else {
            return Step::Blocked;
        };
        let flags = self.fault_in_flags(ctx, task);
        let skipped = flags.has(FaultInFlags::COARSE) && !self.fault_in_looks(ctx, task)
            || flags.has(FaultInFlags::GUP) && ctx.scenario.vpages[v].kind == VpageKind::Io;
        if skipped || !write && self.pte_usable(v, write) {
            self.page_done(ctx, task, sink);
            return Step::Taken;
        }
        if !write && self.tasks[task].faults_off {
            sink.event(Event::NoFault {
                task: task as u8,
                vpage: v as u8,
            });
            self.access_failed(ctx, task, Val::EFAULT, sink);
            return Step::Taken;
        }
        self.tasks[task].fault = Fault::Begin;
        self.fault_begin_or_undo(ctx, task, sink)
    }

    /// Does a coarse fault-in look at the page it is at: the first, or one that begins a
    /// chunk of the file?
    fn fault_in_looks(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        let spec = &ctx.scenario.tasks[task];
        let t = &self.tasks[task];
        let page = self.first_page(ctx, task) + t.ki_pos + t.moved;
        t.moved == 0 || page.is_multiple_of(ctx.scenario.files[spec.file as usize].chunk)
    }

    /// One page of a fault-in or pin is done.
    fn page_done<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        self.tasks[task].moved += 1;
        if self.tasks[task].moved == self.tasks[task].window {
            self.builtin_ends(ctx, task, sink);
        }
    }

    /// One page of `pin_user_pages`.
    fn pin_page<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let Some((v, write)) = self.current_access(ctx, task) else {
            return Step::Blocked;
        };
        if self.gup_usable(ctx, v, write, false) {
            let index = (self.tasks[task].iter_pos + self.tasks[task].moved) as usize;
            let op = ctx.program.code[self.tasks[task].pc as usize].op;
            let how = match op {
                Op::Pin { refs: true, .. } => Pinned::Ref,
                _ => Pinned::Live,
            };
            self.pin(task, index, how, sink);
            self.page_done(ctx, task, sink);
            return Step::Taken;
        }
        if ctx.scenario.vpages[v].kind == VpageKind::Io {
            if !self.mmap_readable(ctx, task) {
                return Step::Blocked;
            }
            self.access_failed(ctx, task, Val::EFAULT, sink);
            return Step::Taken;
        }
        self.tasks[task].fault = Fault::Begin;
        self.fault_begin_or_undo(ctx, task, sink)
    }

    /// One page touched from user mode, or copied by another system call.
    fn touch_page<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let Some((v, write)) = self.current_access(ctx, task) else {
            return Step::Blocked;
        };
        if !self.pte_usable(v, write) {
            self.tasks[task].fault = Fault::Begin;
            return self.fault_begin_or_undo(ctx, task, sink);
        }
        if write {
            self.memory_written(ctx, task, v, false);
        }
        self.tasks[task].moved += 1;
        let moved = self.tasks[task].moved;
        if moved as usize == ctx.scenario.tasks[task].buffer.len() {
            self.operation_returns(ctx, task, Val(moved), sink);
        }
        Step::Taken
    }

    /// A fault was served; the access repeats, except that a writeable fault-in
    /// takes any success for presence (fixup_user_fault).
    pub(crate) fn access_served<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) {
        match self.tasks[task].sub {
            Sub::FaultIn if ctx.fault_in_writes(self.tasks[task].pc) => {
                // Get-user-pages looks again.
                let again = self.current_access(ctx, task).is_some_and(|(v, write)| {
                    self.accesses_by_gup(ctx, task) && !self.gup_usable(ctx, v, write, false)
                });
                if !again {
                    self.page_done(ctx, task, sink);
                }
            }
            Sub::DioPage | Sub::WritePage => self.tasks[task].window = 0,
            _ => {}
        }
    }

    /// An access failed: what each operation makes of it (M4, M6, X1, I13).
    pub(crate) fn access_failed<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        error: Val,
        sink: &mut S,
    ) {
        let Some((v, _)) = self.current_access(ctx, task) else {
            return;
        };
        let genuine = self.is_bad(ctx, v);
        let (task8, v8) = (task as u8, v as u8);
        sink.event(if genuine {
            Event::Genuine {
                task: task8,
                vpage: v8,
            }
        } else {
            Event::Spurious {
                task: task8,
                vpage: v8,
            }
        });
        self.tasks[task].saw_bad |= genuine;
        if matches!(self.tasks[task].sub, Sub::DioPage | Sub::WritePage) {
            self.tasks[task].window = 0;
        }
        match self.tasks[task].sub {
            Sub::DioPage => self.dio_refused(ctx, task, error, genuine, sink),
            Sub::ReadPage if self.tasks[task].moved > 0 => self.builtin_ends(ctx, task, sink),
            // Copies have no channel for another error than "short".
            Sub::ReadPage => self.builtin_fails(ctx, task, Val::EFAULT, sink),
            Sub::WritePage => self.extent_ends(ctx, task, Val::EFAULT, sink),
            // The error wins over what has been copied.
            Sub::FiemapPage => self.builtin_fails(ctx, task, Val::EFAULT, sink),
            Sub::FaultIn | Sub::Pin => self.builtin_ends(ctx, task, sink),
            Sub::Touch => {
                let moved = self.tasks[task].moved;
                let value = match ctx.scenario.tasks[task].op {
                    OpKind::Load | OpKind::Store => Val::SIGBUS,
                    _ if moved > 0 => Val(moved),
                    _ => Val::EFAULT,
                };
                self.operation_returns(ctx, task, value, sink);
            }
            _ => {}
        }
    }

    /// Get-user-pages failed in a direct transfer (X1, I13).
    fn dio_refused<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        error: Val,
        genuine: bool,
        sink: &mut S,
    ) {
        let op = ctx.program.code[self.tasks[task].pc as usize].op;
        let partial = matches!(op, Op::DioRw { partial: true, .. });
        let rewind = matches!(op, Op::DioRw { rewind: true, .. });
        let flags = self.dio_flags(ctx, task);
        let hole = self.copies_to_hole(ctx, task);
        let file = &ctx.scenario.files[ctx.scenario.tasks[task].file as usize];
        let before = self.file_page(ctx, task).checked_sub(1);
        let same_mapping = before.is_some_and(|page| file.is_hole(page) == hole);
        let unaligned = ctx.scenario.tasks[task].unaligned;
        let t = &mut self.tasks[task];
        // A hole is mapped once more and copied to once more. At the first page of a mapping
        // nothing of it has moved, and nothing is asked for again.
        let extra = match same_mapping {
            false => 0,
            true if hole => 1,
            true => DIO_EXTRA_ATTEMPTS,
        };
        // Copies have no channel for another error than "short".
        let error = if hole { Val::EFAULT } else { error };
        // A bad page stays bad: asking again changes nothing.
        if t.moved > 0 && !genuine && t.attempts < extra {
            t.attempts += 1;
        } else if hole && !flags.has(DioFlags::HOLE_EFAULT) {
            // "Nothing copied" looks like the end of the file.
            self.dio_over(ctx, task, Val::ZERO, sink);
        } else if t.moved > 0 && partial && error == Val::EFAULT {
            self.dio_waits(ctx, task, Val::ZERO, sink);
        } else {
            // The error wins over progress; the iterator stays advanced unless it is
            // taken back, the file position does not move.
            let offset = flags.has(DioFlags::FAST) && unaligned && t.iter_pos == 0 && !hole;
            let error = match offset && flags.has(DioFlags::OFFSET_ERRNO) {
                true => Val::EIO,
                false => error,
            };
            if rewind || Mutant::IteratorRewound.is_on() {
                t.iter_pos -= t.moved;
                t.iter_count += t.moved;
                self.dio_waits(ctx, task, error, sink);
            } else {
                self.dio_over(ctx, task, error, sink);
            }
        }
    }

    /// Takes mmap_lock for writing, or queues for it (M8).
    fn mmap_write_lock<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        let free = self.mmap_writable(ctx, task);
        if !free && self.tasks[task].sub == Sub::MmQueued {
            return Step::Blocked;
        }
        if !free {
            self.tasks[task].sub = Sub::MmQueued;
            sink.event(Event::MmapWriteQueued { task: task as u8 });
            return Step::Taken;
        }
        self.tasks[task].sub = Sub::MmHeld;
        sink.event(Event::MmapWriteLock { task: task as u8 });
        if ctx.scenario.tasks[task].op == OpKind::Mmap {
            match ctx.program.entry(Entry::Mmap) {
                Some(pc) => {
                    self.tasks[task].pc = pc;
                    sink.event(Event::Enter {
                        task: task as u8,
                        entry: Entry::Mmap,
                    });
                }
                None => self.operation_returns(ctx, task, Val::ZERO, sink),
            }
        }
        Step::Taken
    }

    fn munmap<S: Sink>(&mut self, ctx: &Ctx<'_>, task: usize, sink: &mut S) -> Step {
        self.unmap_buffer(ctx, task, sink);
        self.operation_returns(ctx, task, Val::ZERO, sink);
        Step::Taken
    }

    /// The operation is over: judge it (P5, P7 to P10, P12), keep only the verdict.
    pub(crate) fn operation_returns<S: Sink>(
        &mut self,
        ctx: &Ctx<'_>,
        task: usize,
        value: Val,
        sink: &mut S,
    ) {
        sink.event(Event::Return {
            task: task as u8,
            value,
        });
        if self.tasks[task].mmap_write() {
            sink.event(Event::MmapWriteUnlock { task: task as u8 });
            self.tasks[task].sub = Sub::None;
        }
        let t = &self.tasks[task];
        let queued = !matches!(t.aio.flight, Flight::None | Flight::Submitting);
        match (queued, value) {
            (true, Val::EIOCBQUEUED) => self.call_returns_queued(ctx, task),
            // Whoever waits for the request is told twice.
            (true, _) => {
                self.tasks[task].wrong |= wrong::UNBALANCED;
                self.operation_over(ctx, task, value);
            }
            (false, _) => self.operation_over(ctx, task, value),
        }
    }

    /// The system call returns -EIOCBQUEUED. The operation is over when its completion
    /// has reported, whichever comes last.
    fn call_returns_queued(&mut self, ctx: &Ctx<'_>, task: usize) {
        if self.leaves_something(ctx, task) {
            self.tasks[task].wrong |= wrong::UNBALANCED;
        }
        let t = &self.tasks[task];
        if t.aio.flight == Flight::Complete {
            return self.operation_over(ctx, task, t.aio.value);
        }
        self.tasks[task] = Task {
            status: Status::Running,
            sub: Sub::Parked,
            iter_pos: t.iter_pos,
            ki_pos: t.ki_pos,
            pins: t.pins,
            aio: t.aio,
            saw_bad: t.saw_bad,
            landed: t.landed,
            wrong: t.wrong,
            ..Task::default()
        };
    }

    /// The result is known to whoever asked for it.
    fn operation_over(&mut self, ctx: &Ctx<'_>, task: usize, value: Val) {
        let wrong = self.tasks[task].wrong | self.judge(ctx, task, value);
        self.tasks[task] = Task {
            status: Status::Done,
            wrong,
            result: value,
            ..Default::default()
        };
    }

    fn judge(&self, ctx: &Ctx<'_>, task: usize, value: Val) -> u8 {
        let spec = &ctx.scenario.tasks[task];
        let mut bits = if self.leaves_something(ctx, task) {
            wrong::UNBALANCED
        } else {
            0
        };
        let transfers = spec.op.is_io()
            || matches!(
                spec.op,
                OpKind::Load | OpKind::Store | OpKind::PipeRead | OpKind::PipeWrite
            );
        if transfers {
            bits |= self.judge_result(ctx, task, value);
        }
        bits
    }

    /// P7 to P10: what was returned against what was transferred and what was bad.
    fn judge_result(&self, ctx: &Ctx<'_>, task: usize, value: Val) -> u8 {
        let spec = &ctx.scenario.tasks[task];
        let t = &self.tasks[task];
        let asked = spec.buffer.len();
        let first_missing = if spec.op.is_io() {
            (0..asked).find(|&i| t.landed[i] == 0).unwrap_or(asked)
        } else {
            t.moved as usize
        };
        let mut bits = 0;
        // What is moved together is missing together (I22).
        let chunk = match spec.op.is_io() {
            true => ctx.scenario.files[spec.file as usize].chunk as usize,
            false => 1,
        };
        let in_chunk = (spec.first_page as usize + first_missing) % chunk;
        let missing = first_missing..asked.min(first_missing + chunk - in_chunk);
        let at_bad_page = missing
            .into_iter()
            .any(|i| self.is_bad(ctx, spec.buffer[i] as usize));
        match value.as_size() {
            Some(count) => {
                let count = count as usize;
                if at_bad_page && (count == 0 || count > first_missing) {
                    bits |= wrong::LOST;
                }
                if count < asked && !t.saw_bad && !ctx.admits_short(spec.op) {
                    bits |= wrong::SHORT;
                }
                if spec.op.is_io() && !self.placed(task, count) {
                    bits |= wrong::PLACEMENT;
                }
            }
            None => {
                let right = value == Val::EFAULT
                    || (value == Val::SIGBUS && matches!(spec.op, OpKind::Load | OpKind::Store));
                if !right && at_bad_page {
                    bits |= wrong::LOST;
                }
                if !right || !t.saw_bad {
                    bits |= wrong::SPURIOUS;
                }
            }
        }
        bits
    }

    /// P7: buffer page i holds file page i below the count, and nothing else was
    /// moved; iterator and file position moved by the count.
    fn placed(&self, task: usize, count: usize) -> bool {
        let t = &self.tasks[task];
        t.ki_pos as usize == count
            && t.iter_pos as usize == count
            && (0..count).all(|i| t.landed[i] as usize == i + 1)
    }
}
