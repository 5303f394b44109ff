//! Page faults, page tables and transfers.

use super::{Narrator, Scene};
use crate::glock_text::{engine, pte_change};
use crate::names;
use glock_model::event::Event;
use glock_model::program::{Op, Val};
use glock_model::scenario::{OpKind, Pte, VpageKind};
use glock_model::task::{Sub, Task};

impl Narrator<'_> {
    /// The buffer page a task is about to access, and whether it will be written.
    pub(super) fn page_of(&self, task: u8, t: &Task) -> Option<(u8, bool)> {
        let spec = &self.cluster.scenario().tasks[task as usize];
        let fills = self.names.fills_buffer(task);
        let (index, write) = match t.sub {
            Sub::DioPage => (t.iter_pos + t.window, fills),
            Sub::ReadPage | Sub::FiemapPage => (t.iter_pos, fills),
            Sub::WritePage => (t.iter_pos + t.window, false),
            Sub::FaultIn => {
                let op = self.cluster.program().code[t.pc as usize].op;
                let write = matches!(op, Op::FaultIn { write: true, .. });
                (t.iter_pos + t.moved, write)
            }
            Sub::Pin => (t.iter_pos + t.moved, fills),
            _ => (t.moved, fills),
        };
        spec.buffer.get(index as usize).map(|&v| (v, write))
    }

    pub(super) fn fault_call(&self, vpage: u8, write: bool) -> String {
        let access = if write { "write" } else { "read" };
        format!("page fault on {} ({access})", self.names.vpage(vpage))
    }

    pub(super) fn memory_detail(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let me = scene.task;
        match event {
            Event::FaultBegin { vpage, write, .. } => self.fault_begin(scene, i, vpage, write),
            Event::FaultEnd { vpage, outcome, .. } => self.fault_end(scene, i, vpage, outcome),
            Event::NoFault { vpage, .. } => {
                let page = self.names.vpage(vpage);
                let asked = match self.task_of(scene.before, me).attempts {
                    0 => String::new(),
                    n => format!("asked {} times", n + 1),
                };
                let why = self.why_not(scene, vpage);
                self.say_more(me, format!("{page} {why}"), asked);
            }
            Event::Genuine { vpage, .. } => {
                let told =
                    |e: &Event| matches!(e, Event::FaultBegin { .. } | Event::NoFault { .. });
                if !scene.events[..i].iter().any(told) {
                    self.say_here(me, format!("{} is bad", self.names.vpage(vpage)), "");
                }
            }
            // Get-user-pages refuses device memory, whatever is mapped and allowed.
            Event::Spurious { vpage, .. } if self.is_device(vpage) => {
                let told = |e: &Event| matches!(e, Event::NoFault { .. });
                if !scene.events[..i].iter().any(told) {
                    let text = format!("{} is refused", self.names.vpage(vpage));
                    self.say_more(me, text, "");
                }
            }
            Event::PteSet { vpage, pte } => self.pte_set(scene, vpage, pte),
            _ => self.transfer_detail(scene, i, event),
        }
    }

    fn is_device(&self, vpage: u8) -> bool {
        self.cluster.scenario().vpages[vpage as usize].kind == VpageKind::Io
    }

    /// Why a page cannot be reached without a fault. Most are not mapped, or not for
    /// the access; the others would not be, however often they are faulted in (I11).
    fn why_not(&self, scene: &Scene<'_>, vpage: u8) -> &'static str {
        let scenario = self.cluster.scenario();
        let node = scenario.node_of(scene.task as usize);
        let spec = &scenario.vpages[vpage as usize];
        match (spec.kind, scene.before.nodes[node].ptes[vpage as usize]) {
            (VpageKind::Zero, Pte::Ro) => "has a special entry, no fault",
            (VpageKind::Anon, Pte::Ro) => "is not marked dirty, no fault",
            _ => "is not mapped, no fault",
        }
    }

    pub(super) fn fault_begin(&mut self, scene: &Scene<'_>, i: usize, vpage: u8, write: bool) {
        let me = scene.task;
        let call = self.fault_call(vpage, write);
        let at_once = scene.events[i + 1..].iter().find_map(|e| match e {
            Event::FaultEnd { outcome, .. } => Some(Some(*outcome)),
            Event::Enter { .. } => Some(None),
            _ => None,
        });
        let pte = self.own_pte(scene, i, vpage);
        let outcome = match (at_once.flatten(), pte) {
            (None, _) if self.mmap_lock_matters(me) => "mmap_lock taken",
            (None, _) => "",
            (Some(Val::ZERO), Some(pte)) => mapped(pte),
            (Some(Val::ZERO), None) => "is mapped already",
            (Some(_), _) => "bad address",
        };
        self.say_more(me, call, outcome);
        self.calls[me as usize].fault = true;
    }

    /// What the task's own fault made of the PTE, after event `i`.
    pub(super) fn own_pte(&self, scene: &Scene<'_>, i: usize, vpage: u8) -> Option<Pte> {
        scene.events[i..].iter().find_map(|e| match e {
            Event::PteSet { vpage: v, pte } if *v == vpage => Some(*pte),
            _ => None,
        })
    }

    /// Does anybody ever take the task's mmap_lock for writing? Otherwise it says
    /// nothing that a fault takes it.
    pub(super) fn mmap_lock_matters(&self, task: u8) -> bool {
        let tasks = &self.cluster.scenario().tasks;
        let mm = tasks[task as usize].mm;
        let writes = |op| matches!(op, OpKind::Mmap | OpKind::Munmap | OpKind::Mprotect);
        tasks.iter().any(|t| t.mm == mm && writes(t.op))
    }

    pub(super) fn fault_end(&mut self, scene: &Scene<'_>, i: usize, vpage: u8, outcome: Val) {
        let me = scene.task;
        self.calls[me as usize].fault = false;
        let began_here = scene.events[..i]
            .iter()
            .any(|e| matches!(e, Event::FaultBegin { .. }));
        if began_here || outcome != Val::ZERO {
            return;
        }
        if let Some(pte) = self.own_pte(scene, 0, vpage) {
            let page = self.names.vpage(vpage);
            self.say_here(me, format!("{page} {}", mapped(pte)), "");
        }
    }

    pub(super) fn pte_set(&mut self, scene: &Scene<'_>, vpage: u8, pte: Pte) {
        let me = scene.task;
        let own = scene
            .events
            .iter()
            .any(|e| matches!(e, Event::FaultEnd { vpage: v, .. } if *v == vpage));
        let unmaps = scene
            .events
            .iter()
            .any(|e| matches!(e, Event::Unmapped { .. }));
        if !own && !unmaps {
            self.say_inside(me, pte_change(&self.names, vpage, pte));
        }
    }

    pub(super) fn transfer_detail(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let me = scene.task;
        let spec = &self.cluster.scenario().tasks[me as usize];
        match event {
            Event::Transfer { index, page, .. } => {
                let file = match spec.op {
                    OpKind::Fiemap => format!("extent {page} of {}", self.names.file(spec.file)),
                    _ => format!("{} page {page}", self.names.file(spec.file)),
                };
                let memory = self.names.vpage(spec.buffer[index as usize]);
                let text = if self.names.fills_buffer(me) {
                    format!("{file} -> {memory}")
                } else {
                    format!("{memory} -> {file}")
                };
                self.say_here(me, text, "");
            }
            Event::TransferDone { value, .. } => self.end_transfer(me, names::result(value)),
            Event::FaultInDone { left: 0, .. } => self.end_transfer(me, "all there".to_string()),
            Event::FaultInDone { left, .. } => {
                self.end_transfer(me, format!("{} not there", names::pages(left as usize)));
            }
            Event::PageRead { file, page } => {
                let in_fault = matches!(scene.events[..i].last(), Some(Event::Line { .. }));
                if !in_fault {
                    let text = format!("{} page {page} read in", self.names.file(file));
                    self.say_here(me, text, "");
                }
            }
            Event::Invalidate { file, page } => {
                let file = self.names.file(file);
                self.say_inside(me, format!("{file} page {page} dropped"));
            }
            Event::Pin { index, .. } => {
                let page = self.names.vpage(spec.buffer[index as usize]);
                self.say_here(me, format!("{page} pinned"), "");
            }
            Event::Submit { index, .. } => {
                let page = self.names.vpage(spec.buffer[index as usize]);
                self.say_here(me, format!("{page} submitted"), "");
            }
            Event::Complete { value, .. } => {
                self.say_inside(me, format!("completion: {}", names::result(value)));
            }
            Event::Orphan { .. } => {
                if let Some(text) = engine(&self.names, event) {
                    self.say_inside(me, text);
                }
            }
            _ => {}
        }
    }

    pub(super) fn end_transfer(&mut self, task: u8, outcome: String) {
        let calls = &mut self.calls[task as usize];
        let name = calls.transfer.take().unwrap_or("transfer");
        calls.nested = None;
        self.say_more(task, name, outcome);
    }
}

fn mapped(pte: Pte) -> &'static str {
    match pte {
        Pte::None => "unmapped",
        Pte::Ro => "mapped read-only",
        Pte::Rw => "mapped writable",
    }
}
