//! From events to lines: what each step says.
//!
//! The narrator follows every task's calls (design, transfer, page fault, handler)
//! through the events of the steps. Two liberties are taken with the order, both of
//! which nobody in the model could notice: a call that has done nothing yet is told
//! with the first thing it does, and the local statements before a system call's
//! first step are told with that step.

use crate::background;
use crate::line::{Actor, DesignLine, Line};
use crate::names::{self, Names};
use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::Event;
use glock_model::node::entry_of;
use glock_model::program::{Entry, Pc, Val};
use glock_model::scenario::{OpKind, VpageKind};
use glock_model::task::{Fault, Status, Sub, Task, Wait};

mod memory;
mod request;
mod statement;

/// A `gfs2_glock_nq` that a task is in.
#[derive(Clone, Debug)]
struct Request {
    call: String,
    /// Its outcome has been told.
    told: bool,
}

/// The calls a task is in.
#[derive(Clone, Debug, Default)]
struct Calls {
    /// Inside `gfs2_file_…`.
    outer: bool,
    /// Statement of the system call.
    pc: Pc,
    /// The built-in operation under way.
    transfer: Option<&'static str>,
    /// How many lines were pending when it began.
    pending_before: usize,
    /// In a page fault.
    fault: bool,
    /// The handler or hook that runs, and its statement.
    nested: Option<Entry>,
    nested_pc: Pc,
    /// The design's own functions that were named, outermost first, of the system
    /// call and of the nested frame.
    helpers: [Vec<String>; 2],
    request: Option<Request>,
    /// Calls that have done nothing yet.
    pending: Vec<Line>,
}

impl Calls {
    /// A transfer that had nothing to do is over without a word.
    fn forget_transfer(&mut self) {
        if self.transfer.take().is_some() {
            self.nested = None;
            self.pending.truncate(self.pending_before);
        }
    }
}

/// What is known of the step that is told.
struct Scene<'e> {
    task: u8,
    before: &'e State,
    events: &'e [Event],
    after: &'e State,
    /// The step's choice among outcomes.
    choice: u8,
}

pub(crate) struct Narrator<'a> {
    cluster: &'a Cluster,
    names: Names<'a>,
    calls: Vec<Calls>,
    /// Lines go to [`Calls::pending`].
    holding_back: bool,
    out: Vec<Line>,
}

impl<'a> Narrator<'a> {
    /// A narrator of what happens from `initial` on.
    pub(crate) fn new(cluster: &'a Cluster, initial: &State) -> Narrator<'a> {
        let count = cluster.scenario().tasks.len();
        let mut narrator = Narrator {
            cluster,
            names: Names::new(cluster),
            calls: vec![Calls::default(); count],
            holding_back: true,
            out: Vec::new(),
        };
        for task in 0..count {
            narrator.prelude(task, initial);
        }
        narrator.holding_back = false;
        narrator
    }

    /// The statements a task has executed before the history begins.
    fn prelude(&mut self, task: usize, initial: &State) {
        let node = self.cluster.scenario().node_of(task);
        let mut copy = initial.nodes[node];
        if copy.tasks[task].status == Status::Idle {
            return;
        }
        copy.tasks[task] = Task::default();
        let mut before = *initial;
        before.nodes[node] = copy;
        let mut events = Vec::new();
        copy.start(&self.cluster.ctx(node), task, &mut events);
        let scene = Scene {
            task: task as u8,
            before: &before,
            events: &events,
            after: initial,
            choice: 0,
        };
        self.task_step(&scene);
    }

    /// The lines of a step.
    pub(crate) fn step(
        &mut self,
        action: Action,
        before: &State,
        events: &[Event],
        after: &State,
    ) -> Vec<Line> {
        match action {
            Action::Start { task } => self.task_step(&Scene {
                task,
                before,
                events,
                after,
                choice: 0,
            }),
            Action::Task { task, choice } => self.task_step(&Scene {
                task,
                before,
                events,
                after,
                choice,
            }),
            _ => {
                let lines = background::lines(self.cluster, action, before, events, after);
                self.out.extend(lines);
            }
        }
        std::mem::take(&mut self.out)
    }

    // ---- lines ------------------------------------------------------------------

    /// Depth inside which the task is now, helpers of the design included.
    fn depth(&self, task: u8) -> u8 {
        let calls = &self.calls[task as usize];
        let mut depth = u8::from(calls.outer);
        if calls.outer {
            depth += self.helper_depth(calls.pc);
        }
        depth += u8::from(calls.transfer.is_some()) + u8::from(calls.fault);
        if calls.nested.is_some() {
            depth += 1 + self.helper_depth(calls.nested_pc);
        }
        depth
    }

    fn helper_depth(&self, pc: Pc) -> u8 {
        let program = self.cluster.program();
        match program.code.get(pc as usize) {
            Some(_) => program.line(pc).depth,
            None => 0,
        }
    }

    /// The statement a task is at.
    fn design_line(&self, task: u8) -> Option<DesignLine> {
        let calls = &self.calls[task as usize];
        if !calls.outer && calls.nested.is_none() {
            return None;
        }
        let program = self.cluster.program();
        let pc = match calls.nested {
            Some(_) => calls.nested_pc,
            None => calls.pc,
        };
        program.code.get(pc as usize)?;
        let line = program.line(pc);
        Some(DesignLine {
            design: program.sources[line.source as usize].design.clone(),
            number: line.number,
            text: line.text.clone(),
        })
    }

    fn line(&self, task: u8, depth: u8, call: impl Into<String>) -> Line {
        Line {
            actor: Actor::Task(task),
            depth,
            call: call.into(),
            outcome: String::new(),
            continues: false,
            design: self.design_line(task),
        }
    }

    /// Says a line of a task, after the calls that lead to it.
    fn say(&mut self, line: Line) {
        let Actor::Task(task) = line.actor else {
            return;
        };
        if self.holding_back {
            self.hold_back(line);
            return;
        }
        self.name_helper(task);
        let pending = std::mem::take(&mut self.calls[task as usize].pending);
        self.out.extend(pending);
        self.out.push(line);
    }

    /// Keeps a line until the task says something.
    fn hold_back(&mut self, line: Line) {
        if let Actor::Task(task) = line.actor {
            self.name_helper(task);
            self.calls[task as usize].pending.push(line);
        }
    }

    /// Something at the depth the task is in now.
    fn say_here(&mut self, task: u8, call: impl Into<String>, outcome: impl Into<String>) {
        let mut line = self.line(task, self.depth(task), call);
        line.outcome = outcome.into();
        self.say(line);
    }

    /// A side effect of what the task does; one level deeper in a `gfs2_glock_nq`.
    fn say_inside(&mut self, task: u8, text: impl Into<String>) {
        let in_request = self.calls[task as usize].request.is_some();
        let line = self.line(task, self.depth(task) + u8::from(in_request), text);
        self.say(line);
    }

    /// Names the design's own function the statement stands in, unless the task is
    /// known to be in it.
    fn name_helper(&mut self, task: u8) {
        let calls = &self.calls[task as usize];
        let (frame, pc) = match calls.nested {
            Some(_) => (1, calls.nested_pc),
            None if calls.outer => (0, calls.pc),
            None => return,
        };
        let program = self.cluster.program();
        if program.code.get(pc as usize).is_none() {
            return;
        }
        let line = program.line(pc);
        let depth = line.depth as usize;
        let known = &mut self.calls[task as usize].helpers[frame];
        known.truncate(depth);
        let news = depth > 0 && known.get(depth - 1) != Some(&line.function);
        known.resize(depth, String::new());
        if news {
            known[depth - 1].clone_from(&line.function);
            let inner = self.inner_depth(task, frame);
            let line = self.line(task, inner + line.depth - 1, line.function.clone());
            self.calls[task as usize].pending.push(line);
        }
    }

    /// Depth inside a frame's entry, helpers not counted.
    fn inner_depth(&self, task: u8, frame: usize) -> u8 {
        let calls = &self.calls[task as usize];
        let outer = u8::from(calls.outer);
        match frame {
            0 => outer,
            _ => {
                let helpers = self.helper_depth(calls.pc) * outer;
                outer + helpers + u8::from(calls.transfer.is_some()) + u8::from(calls.fault) + 1
            }
        }
    }

    fn say_more(&mut self, task: u8, call: impl Into<String>, outcome: impl Into<String>) {
        let mut line = self.line(task, self.depth(task), call);
        line.outcome = outcome.into();
        line.continues = true;
        self.say(line);
    }

    // ---- a task's step ------------------------------------------------------------

    fn task_step(&mut self, scene: &Scene<'_>) {
        self.resume(scene);
        for (i, &event) in scene.events.iter().enumerate() {
            match event {
                Event::Call { task } => self.called(task),
                Event::Line { task, pc } => self.statement(scene, i, task, pc),
                Event::Return { task, value } => self.returned(task, value),
                Event::Enter { task, entry } => self.enter(task, entry, scene),
                Event::Leave { task, entry, value } => self.leave(task, entry, value),
                _ => self.detail(scene, i, event),
            }
        }
        self.silent_step(scene);
    }

    /// Where the task stands as the step begins.
    fn resume(&mut self, scene: &Scene<'_>) {
        let task = self.task_of(scene.before, scene.task);
        let (pc, nested_pc, wait, sub) = (task.pc, task.nested_pc, task.wait, task.sub);
        let calls = &mut self.calls[scene.task as usize];
        if wait == Wait::No {
            calls.request = None;
        }
        if sub == Sub::None {
            calls.forget_transfer();
        }
        calls.pc = pc;
        if calls.nested.is_some() {
            calls.nested_pc = nested_pc;
        }
    }

    fn task_of<'s>(&self, state: &'s State, task: u8) -> &'s Task {
        let node = self.cluster.scenario().node_of(task as usize);
        &state.nodes[node].tasks[task as usize]
    }

    fn called(&mut self, task: u8) {
        let spec = &self.cluster.scenario().tasks[task as usize];
        if !spec.op.is_io() {
            return;
        }
        if let Some(entry) = entry_of(spec.op) {
            let line = self.line(task, 0, names::function(entry));
            self.hold_back(line);
            self.calls[task as usize].outer = true;
            let pc = self.cluster.program().entry(entry).unwrap_or_default();
            self.calls[task as usize].pc = pc;
        }
    }

    fn returned(&mut self, task: u8, value: Val) {
        let spec = &self.cluster.scenario().tasks[task as usize];
        let design = self.design_line(task);
        let touches = matches!(spec.op, OpKind::Load | OpKind::Store);
        self.calls[task as usize] = Calls {
            pending: std::mem::take(&mut self.calls[task as usize].pending),
            ..Calls::default()
        };
        let text = match value {
            Val::SIGBUS => "killed by SIGBUS".to_string(),
            _ if touches => return,
            _ if value == Val::ZERO && !spec.op.is_io() => return,
            _ => format!("returns {}", names::result(value)),
        };
        let mut line = self.line(task, 0, text);
        line.design = design;
        self.say(line);
    }

    fn enter(&mut self, task: u8, entry: Entry, scene: &Scene<'_>) {
        let text = match entry {
            Entry::Fault | Entry::PageMkwrite => match self.access(scene) {
                Some(file) => format!("{}({file})", names::function(entry)),
                None => names::function(entry).to_string(),
            },
            _ => names::function(entry).to_string(),
        };
        if entry == Entry::Mmap {
            self.say_here(task, text, "");
            self.calls[task as usize].outer = true;
            return;
        }
        if matches!(entry, Entry::IomapBegin | Entry::IomapEnd | Entry::Readpage) {
            let line = self.line(task, self.depth(task), text);
            self.hold_back(line);
        } else {
            self.say_here(task, text, "");
        }
        let pc = self.cluster.program().entry(entry).unwrap_or_default();
        let calls = &mut self.calls[task as usize];
        calls.nested = Some(entry);
        calls.nested_pc = pc;
        calls.helpers[1].clear();
    }

    /// The file whose mapping the task's fault is about.
    fn access(&self, scene: &Scene<'_>) -> Option<&'a str> {
        let node = self.cluster.scenario().node_of(scene.task as usize);
        let state = if self.task_of(scene.after, scene.task).fault == Fault::None {
            scene.before
        } else {
            scene.after
        };
        let file = state.nodes[node].frame_file(&self.cluster.ctx(node), scene.task as usize);
        Some(self.names.file(file as u8))
    }

    fn leave(&mut self, task: u8, entry: Entry, value: Val) {
        let dull = value == Val::LOCKED || value == Val::ZERO;
        if !dull {
            self.say_here(task, format!("returns {}", names::result(value)), "");
        }
        // A hook that has done nothing was not worth a line.
        let pending = &mut self.calls[task as usize].pending;
        if pending
            .last()
            .is_some_and(|l| l.call == names::function(entry))
        {
            pending.pop();
        }
        let calls = &mut self.calls[task as usize];
        calls.nested = None;
        // mmap_lock is dropped; the fault begins anew.
        calls.fault &= value != Val::RETRY || !matches!(entry, Entry::Fault | Entry::PageMkwrite);
    }

    /// Steps that report nothing and still mean something to a reader.
    fn silent_step(&mut self, scene: &Scene<'_>) {
        let (before, after) = (
            *self.task_of(scene.before, scene.task),
            *self.task_of(scene.after, scene.task),
        );
        let spec = &self.cluster.scenario().tasks[scene.task as usize];
        let begins = before.fault == Fault::None && after.fault == Fault::Begin;
        if begins
            && scene.events.is_empty()
            && let Some((vpage, write)) = self.page_of(scene.task, &before)
        {
            let call = self.fault_call(vpage, write);
            let scenario = self.cluster.scenario();
            let what = match scenario.vpages[vpage as usize].kind {
                VpageKind::Served { task } => {
                    format!("waits for {}", scenario.tasks[task as usize].name)
                }
                _ => "waits for mmap_lock".to_string(),
            };
            self.say_here(scene.task, call, what);
        }
        let failed =
            matches!(scene.events, [.., Event::Return { value, .. }] if value.as_size().is_none());
        let moved = after.moved > before.moved
            || before.sub == Sub::Touch && after.status == Status::Done && !failed;
        let faulted = scene
            .events
            .iter()
            .any(|e| matches!(e, Event::FaultBegin { .. }));
        if before.sub == Sub::Touch && before.fault == Fault::None && moved && !faulted {
            let page = self.names.vpage(spec.buffer[before.moved as usize]);
            let text = match spec.op {
                OpKind::Load => format!("load from {page}"),
                OpKind::Store => format!("store to {page}"),
                OpKind::PipeRead => format!("copy to {page}"),
                _ => format!("copy from {page}"),
            };
            self.say_here(scene.task, text, "");
        }
    }

    // ---- what happens inside statements ------------------------------------------------

    fn detail(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let me = scene.task;
        match event {
            Event::Queue { .. }
            | Event::Promote { .. }
            | Event::TryFailed { .. }
            | Event::Sleep { .. }
            | Event::Wake { .. }
            | Event::Recursion { .. }
            | Event::Xmote { .. }
            | Event::Sync { .. }
            | Event::Request { .. }
            | Event::StateChange { .. } => self.glock_detail(scene, i, event),
            Event::Dequeue { file, mode, .. } => {
                let file = self.names.file(file);
                self.say_here(me, format!("gfs2_glock_dq({file}, {})", mode.name()), "");
            }
            Event::Taken { task, file, mode } => {
                let (who, file) = (self.names.task(task), self.names.file(file));
                let text = format!(
                    "the weak holder of {who} ({file}, {}) is dequeued",
                    mode.name()
                );
                self.say_here(me, text, "");
            }
            Event::MayDemote { file, weak, .. } => {
                let how = if weak { "allow" } else { "disallow" };
                let call = format!("gfs2_holder_{how}_demote({})", self.names.file(file));
                let node = self.cluster.scenario().node_of(me as usize);
                let queued = scene.after.nodes[node].has_holder(me as usize, file as usize);
                let lost = if weak || queued {
                    ""
                } else {
                    "the holder is gone"
                };
                self.say_here(me, call, lost);
            }
            Event::DqNotQueued { file, .. } => {
                let call = format!("gfs2_glock_dq({})", self.names.file(file));
                self.say_here(me, call, "BUG, not a holder");
            }
            Event::SizeRead { file, pages } => {
                let file = self.names.file(file);
                let text = format!("i_size of {file} read in: {}", names::pages(pages as usize));
                self.say_here(me, text, "");
            }
            Event::InodeLock { file, .. } => {
                self.say_here(me, format!("inode_lock({})", self.names.file(file)), "");
            }
            Event::InodeUnlock { file, .. } => {
                self.say_here(me, format!("inode_unlock({})", self.names.file(file)), "");
            }
            Event::MmapWriteQueued { .. } => self.say_here(me, "mmap_write_lock", "waits"),
            Event::MmapWriteLock { .. } => self.say_more(me, "mmap_write_lock", "taken"),
            Event::MmapWriteUnlock { .. } => self.say_here(me, "mmap_write_unlock", ""),
            Event::Unmapped { .. } => {
                let spec = &self.cluster.scenario().tasks[me as usize];
                let text = format!("{} is bad from now on", self.names.buffer(spec));
                self.say_here(me, text, "");
            }
            _ => self.memory_detail(scene, i, event),
        }
    }
}
