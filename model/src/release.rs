//! Release fusion: what a task gives up unseen it gives up in the step before.
//!
//! Dropping pins, releasing i_rwsem, the return of a hook, and the return of a fault
//! handler with the PTE it installs are steps that nothing others do can prevent or
//! change, and that prevent or change nothing others do: in whatever order they come,
//! the same state follows. In the terms of partial-order reduction the task alone is
//! a persistent set, whatever else can move. Such a step need not be a step: it is
//! taken with the one before it, and the state in between is never stored. Unlike a
//! reduced search this keeps shortest histories, needs no proviso against putting
//! steps off for ever, and the explorer need not know of it.
//!
//! What keeps it right for fair runs too: nothing is released in the step that took
//! it. So whoever waits for it has been seen to wait, in a stored state.
//!
//! A test compares every verdict with and without, another looks at every state of
//! the small scenarios for a step of somebody else that does depend on a release.

use crate::node::{Ctx, Node};
use crate::program::Op;
use crate::scenario::{OpKind, Page, VpageKind};
use crate::task::{Fault, Pinned, Status};

/// What a task holds before a step, and may therefore give up with it.
#[derive(Clone, Copy, Debug)]
pub struct Holds {
    /// It is in a fault handler or a hook.
    nested: bool,
    /// It has the page of its fault locked.
    page_locked: bool,
    /// It has i_rwsem of a file: bit per file.
    rwsem: u8,
    /// It has buffer pages pinned.
    pins: bool,
}

impl Node {
    /// What the task holds now.
    pub(crate) fn holds(&self, task: usize) -> Holds {
        let t = &self.tasks[task];
        let owned = |f: &usize| self.rwsem[*f] == task as u8 + 1;
        Holds {
            nested: t.nested(),
            page_locked: t.page_locked,
            rwsem: (0..self.rwsem.len())
                .filter(owned)
                .fold(0, |set, f| set | 1 << f),
            pins: t.pins.iter().any(|&p| p != Pinned::No),
        }
    }

    /// Is the task's next step one that nobody depends on, if the task did not come by
    /// what it releases only in the step before?
    pub fn next_is_unseen(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        self.at_release(ctx, task, &mut self.holds(task))
    }

    /// Is the task's next step a release of something it held before, which nobody
    /// depends on? Takes it out of `before`, so that every release is fused once.
    pub(crate) fn at_release(&self, ctx: &Ctx<'_>, task: usize, before: &mut Holds) -> bool {
        // Pages in flight are pinned, and dirtied when they arrive.
        if !self.runs_code(ctx, task) || self.tasks.iter().any(|t| t.aio.in_flight()) {
            return false;
        }
        let now = self.holds(task);
        match ctx.program.code[self.frame_pc(task) as usize].op {
            Op::Unpin => now.pins && std::mem::take(&mut before.pins),
            Op::InodeUnlock => {
                let file = 1 << self.frame_file(ctx, task);
                let held = now.rwsem & before.rwsem & file != 0;
                before.rwsem &= !file;
                held
            }
            Op::Return(_) if now.nested => {
                std::mem::take(&mut before.nested)
                    && (before.page_locked || !now.page_locked)
                    && self.return_is_unseen(ctx, task)
            }
            _ => false,
        }
    }

    /// Can nobody tell when the handler or hook returns? A hook's return touches only
    /// the task. That of a fault handler releases mmap_lock, which its writers watch,
    /// and sets the PTE, which threads that use the same page see.
    fn return_is_unseen(&self, ctx: &Ctx<'_>, task: usize) -> bool {
        if self.tasks[task].fault == Fault::None {
            return true;
        }
        let Some((v, _)) = self.current_access(ctx, task) else {
            return false;
        };
        let mut others = self.unfinished_others(ctx, task);
        let seen = others.any(|u| {
            let spec = &ctx.scenario.tasks[u];
            let writer = matches!(spec.op, OpKind::Mmap | OpKind::Munmap | OpKind::Mprotect);
            writer && ctx.same_mm(task, u) || spec.buffer.contains(&(v as u8))
        });
        !seen && !self.may_be_unmapped(ctx, task, v)
    }

    /// May a write-back unmap the locked page before its fault is over (R5)? It waits
    /// for the page lock only if the page is dirty, but takes away all PTEs of a file
    /// that was written through a mapping, or will be by somebody else.
    fn may_be_unmapped(&self, ctx: &Ctx<'_>, task: usize, vpage: usize) -> bool {
        let Some((file, page)) = self.backing(ctx, vpage) else {
            return false;
        };
        let maps = |u: usize| {
            let buffer = &ctx.scenario.tasks[u].buffer;
            buffer.iter().any(|&v| maps_shared(ctx, v, file))
        };
        self.tasks[task].page_locked
            && self.pages[file][page] != Page::Dirty
            && (self.sw_paged & 1 << file != 0 || self.unfinished_others(ctx, task).any(maps))
    }

    fn unfinished_others(&self, ctx: &Ctx<'_>, task: usize) -> impl Iterator<Item = usize> {
        let here = |&u: &usize| ctx.scenario.node_of(u) == ctx.node;
        (0..ctx.scenario.tasks.len())
            .filter(here)
            .filter(move |&u| u != task && self.tasks[u].status != Status::Done)
    }
}

/// Is this page of user memory a shared mapping of the file?
fn maps_shared(ctx: &Ctx<'_>, vpage: u8, file: usize) -> bool {
    let kind = ctx.scenario.vpages[vpage as usize].kind;
    matches!(kind, VpageKind::Shared { file: f, .. } if f as usize == file)
}
