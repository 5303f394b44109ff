//! The statements of a design: what each says when it is executed.

use super::{Narrator, Scene};
use crate::names;
use glock_model::event::Event;
use glock_model::program::{Entry, Flag, Op, Pc};
use glock_model::task::Status;

impl Narrator<'_> {
    pub(super) fn statement(&mut self, scene: &Scene<'_>, i: usize, task: u8, pc: Pc) {
        self.at(task, pc);
        let program = self.cluster.program();
        let op = program.code[pc as usize].op;
        if let Some(name) = names::builtin(op) {
            return self.begin_transfer(task, name, op);
        }
        match op {
            Op::WriteChecks => self.write_checks(scene, task),
            Op::PagefaultDisable => self.say_here(task, "pagefault_disable", ""),
            Op::PagefaultEnable => self.say_here(task, "pagefault_enable", ""),
            Op::IterNofault(on) => {
                self.say_here(task, format!("iter.nofault = {}", u8::from(on)), "");
            }
            Op::SetFlag { flag, .. } if self.flag_changes(scene, flag) => {
                self.say_here(task, program.line(pc).text.clone(), "");
            }
            Op::FilemapFault { .. } => self.filemap_fault(scene, i, task),
            Op::DirtyPage { .. } => self.dirty_page(scene, i, task),
            Op::UnlockPage => self.say_here(task, "unlock_page", ""),
            Op::MpageReadpage => self.say_here(task, "mpage_readpage", "read in, unlocked"),
            Op::Unpin => self.say_here(task, "unpin_user_pages", ""),
            // Only going back is worth a line: what comes next shows the rest.
            Op::Branch { then, .. } | Op::Goto(then)
                if then <= pc && self.next_pc(scene, i, task) == then =>
            {
                self.say_here(task, program.line(pc).text.clone(), "");
            }
            _ => {}
        }
    }

    /// Notes which statement the task is at, in which frame.
    pub(super) fn at(&mut self, task: u8, pc: Pc) {
        let calls = &mut self.calls[task as usize];
        // A transfer that had nothing to do ended where it began.
        if !calls.fault && pc == calls.pc + 1 {
            calls.forget_transfer();
        }
        if calls.nested.is_some() {
            calls.nested_pc = pc;
        } else {
            calls.pc = pc;
        }
    }

    /// The statement executed after event `i`.
    pub(super) fn next_pc(&self, scene: &Scene<'_>, i: usize, task: u8) -> Pc {
        let later = scene.events[i + 1..].iter().find_map(|e| match e {
            Event::Line { task: t, pc } if *t == task => Some(*pc),
            _ => None,
        });
        later.unwrap_or_else(|| {
            let node = self.cluster.scenario().node_of(task as usize);
            scene.after.nodes[node].frame_pc(task as usize)
        })
    }

    pub(super) fn begin_transfer(&mut self, task: u8, name: &'static str, op: Op) {
        let calls = &mut self.calls[task as usize];
        calls.pending_before = calls.pending.len();
        let line = self.line(task, self.depth(task), name);
        self.hold_back(line);
        self.calls[task as usize].transfer = Some(name);
        let hook = self.cluster.program().entry(Entry::IomapBegin);
        if let (Op::BufferedWrite { .. }, Some(pc)) = (op, hook) {
            let line = self.line(task, self.depth(task), names::function(Entry::IomapBegin));
            self.hold_back(line);
            let calls = &mut self.calls[task as usize];
            calls.nested = Some(Entry::IomapBegin);
            calls.nested_pc = pc;
        }
    }

    /// An append gets its position, which nothing moves before the step is over.
    fn write_checks(&mut self, scene: &Scene<'_>, task: u8) {
        if self.cluster.scenario().tasks[task as usize].append {
            let t = self.task_of(scene.after, task);
            let outcome = format!("from page {} on", t.first + t.ki_pos);
            self.say_here(task, "generic_write_checks", outcome);
        }
    }

    /// Does the step leave a flag of the task as it was? Shared flags and tasks that
    /// return may hide a change, so they count as changed.
    pub(super) fn flag_changes(&self, scene: &Scene<'_>, flag: Flag) -> bool {
        let local = self.cluster.program().flag_is_local(flag);
        let before = self.task_of(scene.before, scene.task);
        let after = self.task_of(scene.after, scene.task);
        let i = flag.0 as usize;
        !local || after.status == Status::Done || before.flags[i] != after.flags[i]
    }

    pub(super) fn filemap_fault(&mut self, scene: &Scene<'_>, i: usize, task: u8) {
        let read = match scene.events.get(i + 1) {
            Some(Event::PageRead { page, .. }) => format!("page {page} read in"),
            _ => "cached".to_string(),
        };
        let outcome = if scene.choice == 1 {
            read + ", mmap_lock dropped"
        } else if self.task_of(scene.after, task).page_locked {
            read
        } else {
            "beyond the end of the file".to_string()
        };
        self.say_here(task, "filemap_fault", outcome);
    }

    pub(super) fn dirty_page(&mut self, scene: &Scene<'_>, i: usize, task: u8) {
        let text = match scene.events.get(i + 1) {
            Some(Event::PageDirty { file, page }) => {
                format!("{} page {page} locked and dirty", self.names.file(*file))
            }
            _ => "the page has left the file".to_string(),
        };
        self.say_here(task, text, "");
    }
}
