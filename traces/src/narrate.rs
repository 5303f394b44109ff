//! From events to lines: what each step says.
//!
//! The narrator follows every task's calls (design, transfer, page fault, handler)
//! through the events of the steps. Two liberties are taken with the order, both of
//! which nobody in the model could notice: a call that has done nothing yet is told
//! with the first thing it does, and the local statements before a system call's
//! first step are told with that step.

use crate::glock_text::{background, engine, pte_change};
use crate::line::{Actor, DesignLine, Line};
use crate::names::{self, Names};
use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::Event;
use glock_model::node::entry_of;
use glock_model::program::{Entry, Op, Pc, Val};
use glock_model::scenario::{OpKind, Pte};
use glock_model::task::{Fault, Status, Sub, Task};
use glock_model::waits::{self, Waiter};

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
    /// In a page fault.
    fault: bool,
    /// The handler or hook that runs, and its statement.
    nested: Option<Entry>,
    nested_pc: Pc,
    /// Helper functions told, of the system call and of the nested frame.
    helper: [Option<String>; 2],
    request: Option<Request>,
    /// Calls that have done nothing yet.
    pending: Vec<Line>,
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
            Action::Task { task, choice } => self.task_step(&Scene {
                task,
                before,
                events,
                after,
                choice,
            }),
            _ => self.background_step(action, events),
        }
        std::mem::take(&mut self.out)
    }

    fn background_step(&mut self, action: Action, events: &[Event]) {
        let (call, outcome) = background(self.cluster, &self.names, action, events);
        if outcome.is_empty() {
            return;
        }
        self.out.push(Line {
            actor: crate::history::actor_of(action),
            depth: 0,
            call,
            outcome,
            continues: false,
            design: None,
        });
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
        let pending = std::mem::take(&mut self.calls[task as usize].pending);
        self.out.extend(pending);
        self.out.push(line);
    }

    /// Keeps a line until the task says something.
    fn hold_back(&mut self, line: Line) {
        if let Actor::Task(task) = line.actor {
            self.calls[task as usize].pending.push(line);
        }
    }

    /// Something at the depth the task is in now.
    fn say_here(&mut self, task: u8, call: impl Into<String>, outcome: impl Into<String>) {
        let mut line = self.line(task, self.depth(task), call);
        line.outcome = outcome.into();
        self.say(line);
    }

    /// A part of what was said last, one level deeper.
    fn say_inside(&mut self, task: u8, text: impl Into<String>) {
        let line = self.line(task, self.depth(task) + 1, text);
        self.say(line);
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
        let (pc, nested_pc) = (task.pc, task.nested_pc);
        let calls = &mut self.calls[scene.task as usize];
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
        self.say_here(task, text, "");
        let pc = self.cluster.program().entry(entry).unwrap_or_default();
        let calls = &mut self.calls[task as usize];
        calls.nested = Some(entry);
        calls.nested_pc = pc;
        calls.helper[1] = None;
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
        if begins && scene.events.is_empty() {
            if let Some((vpage, write)) = self.page_of(scene.task, &before) {
                let call = self.fault_call(vpage, write);
                self.say_here(scene.task, call, "waits for mmap_lock");
            }
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

    /// The buffer page a task is about to access, and whether it will be written.
    fn page_of(&self, task: u8, t: &Task) -> Option<(u8, bool)> {
        let spec = &self.cluster.scenario().tasks[task as usize];
        let fills = self.names.fills_buffer(task);
        let (index, write) = match t.sub {
            Sub::DioPage | Sub::ReadPage => (t.iter_pos, fills),
            Sub::WritePage => (t.iter_pos, false),
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

    fn fault_call(&self, vpage: u8, write: bool) -> String {
        let access = if write { "write" } else { "read" };
        format!("page fault on {} ({access})", self.names.vpage(vpage))
    }

    // ---- statements -----------------------------------------------------------------

    fn statement(&mut self, scene: &Scene<'_>, i: usize, task: u8, pc: Pc) {
        self.at(task, pc);
        let program = self.cluster.program();
        let op = program.code[pc as usize].op;
        if let Some(name) = names::builtin(op) {
            return self.begin_transfer(task, name, op);
        }
        self.helper_call(task, pc, op);
        match op {
            Op::PagefaultDisable => self.say_here(task, "pagefault_disable", ""),
            Op::PagefaultEnable => self.say_here(task, "pagefault_enable", ""),
            Op::IterNofault(on) => {
                self.say_here(task, format!("iter.nofault = {}", u8::from(on)), "");
            }
            Op::SetFlag { .. } => self.say_here(task, program.line(pc).text.clone(), ""),
            Op::FilemapFault { .. } => self.filemap_fault(scene, i, task),
            Op::DirtyPage { .. } => self.dirty_page(scene, task),
            Op::UnlockPage => self.say_here(task, "unlock_page", ""),
            Op::Unpin => self.say_here(task, "unpin_user_pages", ""),
            Op::Branch { then, .. } | Op::Goto(then) if then <= pc => {
                if self.next_pc(scene, i, task) == then {
                    self.say_here(task, program.line(pc).text.clone(), "");
                }
            }
            _ => {}
        }
    }

    /// Notes which statement the task is at, in which frame.
    fn at(&mut self, task: u8, pc: Pc) {
        let calls = &mut self.calls[task as usize];
        // A transfer that had nothing to do ended where it began.
        if calls.transfer.is_some() && !calls.fault && pc == calls.pc + 1 {
            calls.transfer = None;
            calls.nested = None;
            calls.pending.clear();
        }
        if calls.nested.is_some() {
            calls.nested_pc = pc;
        } else {
            calls.pc = pc;
        }
    }

    /// The statement executed after event `i`.
    fn next_pc(&self, scene: &Scene<'_>, i: usize, task: u8) -> Pc {
        let later = scene.events[i + 1..].iter().find_map(|e| match e {
            Event::Line { task: t, pc } if *t == task => Some(*pc),
            _ => None,
        });
        later.unwrap_or_else(|| {
            let node = self.cluster.scenario().node_of(task as usize);
            scene.after.nodes[node].frame_pc(task as usize)
        })
    }

    /// Names the design's own helper the statement stands in, once.
    fn helper_call(&mut self, task: u8, pc: Pc, op: Op) {
        let line = self.cluster.program().line(pc);
        let nested = usize::from(self.calls[task as usize].nested.is_some());
        let known = &mut self.calls[task as usize].helper[nested];
        if line.depth == 0 {
            *known = None;
        } else if known.as_ref() != Some(&line.function) && !matches!(op, Op::Assign { .. }) {
            *known = Some(line.function.clone());
            let depth = self.depth(task) - 1;
            let line = self.line(task, depth, line.function.clone());
            self.hold_back(line);
        }
    }

    fn begin_transfer(&mut self, task: u8, name: &'static str, op: Op) {
        self.helper_call(task, self.calls[task as usize].pc, op);
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

    fn filemap_fault(&mut self, scene: &Scene<'_>, i: usize, task: u8) {
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

    fn dirty_page(&mut self, scene: &Scene<'_>, task: u8) {
        let outcome = if self.task_of(scene.after, task).page_locked {
            "locked and dirty"
        } else {
            "not in the file any more"
        };
        self.say_here(task, "page", outcome);
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
            Event::DqNotQueued { file, .. } => {
                let call = format!("gfs2_glock_dq({})", self.names.file(file));
                self.say_here(me, call, "BUG, not a holder");
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

    fn glock_detail(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let me = scene.task;
        match event {
            Event::Queue { .. } => self.queue(scene, i, event),
            Event::Wake { granted, .. } => {
                let how = if granted { "granted" } else { "GLR_TRYFAILED" };
                self.request_outcome(me, how);
                self.calls[me as usize].request = None;
            }
            Event::Promote { task, .. } if task == me => self.request_outcome(me, "granted"),
            Event::TryFailed { task, .. } if task == me => {
                self.request_outcome(me, "GLR_TRYFAILED");
            }
            Event::Request { mode, .. } => {
                let told = self.calls[me as usize]
                    .request
                    .as_ref()
                    .is_none_or(|r| r.told);
                if !told && !self.told_in_step(scene, i) {
                    let call = self.request_call(me);
                    self.say_more(me, call, format!("asks the dlm for {}", mode.name()));
                }
            }
            Event::StateChange { to, .. } => {
                let promoted = scene.events[i..]
                    .iter()
                    .any(|e| matches!(e, Event::Promote { task, .. } if *task == me));
                if !promoted {
                    let call = self.request_call(me);
                    self.say_more(me, call, format!("glock is {}", to.name()));
                }
            }
            Event::Promote { .. } | Event::TryFailed { .. } | Event::Sync { .. } => {
                if let Some(text) = engine(&self.names, event) {
                    self.say_inside(me, text);
                }
            }
            _ => {}
        }
    }

    fn request_call(&self, task: u8) -> String {
        let request = &self.calls[task as usize].request;
        request.as_ref().map_or(String::new(), |r| r.call.clone())
    }

    /// Did the step that begins the request already say how it stands?
    fn told_in_step(&self, scene: &Scene<'_>, i: usize) -> bool {
        scene.events[..i]
            .iter()
            .any(|e| matches!(e, Event::Queue { .. }))
    }

    /// Tells how a request ended, once.
    fn request_outcome(&mut self, task: u8, how: &str) {
        let Some(request) = &mut self.calls[task as usize].request else {
            return;
        };
        if !request.told {
            request.told = true;
            let call = request.call.clone();
            self.say_more(task, call, how);
        }
    }

    /// `gfs2_glock_nq`: the call with what became of it at once.
    fn queue(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let Event::Queue {
            task,
            file,
            mode,
            flags,
        } = event
        else {
            return;
        };
        let call = format!(
            "gfs2_glock_nq({}, {}{flags})",
            self.names.file(file),
            mode.name()
        );
        let (outcome, told) = self.queue_outcome(scene, i, file);
        self.say_here(task, call.clone(), outcome);
        self.calls[task as usize].request = Some(Request { call, told });
    }

    fn queue_outcome(&self, scene: &Scene<'_>, i: usize, file: u8) -> (String, bool) {
        let me = scene.task;
        let mut xmote = None;
        for &event in &scene.events[i + 1..] {
            match event {
                Event::Line { .. } => break,
                Event::Promote { task, .. } if task == me => return ("granted".to_string(), true),
                Event::TryFailed { task, .. } if task == me => {
                    return ("GLR_TRYFAILED".to_string(), true);
                }
                Event::Recursion { .. } => {
                    return (self.recursion(scene, file), true);
                }
                Event::Request { mode, .. } => {
                    return (format!("asks the dlm for {}", mode.name()), false);
                }
                Event::Xmote { from, to, .. } => xmote = Some((from, to)),
                _ => {}
            }
        }
        match xmote {
            Some((from, to)) => (format!("do_xmote {} -> {}", from.name(), to.name()), false),
            None => (self.waits_for(scene), false),
        }
    }

    fn recursion(&self, scene: &Scene<'_>, file: u8) -> String {
        let node = self.cluster.scenario().node_of(scene.task as usize);
        let queue = &scene.before.nodes[node].glocks[file as usize].queue;
        match queue.of(scene.task) {
            Some(h) => format!("BUG, it has this glock already ({})", h.mode.name()),
            None => "BUG, it has this glock already".to_string(),
        }
    }

    /// Whom a task that has just gone to sleep waits for.
    fn waits_for(&self, scene: &Scene<'_>) -> String {
        let graph = waits::graph(self.cluster, scene.after);
        let others: Vec<&str> = graph
            .waits_for(Waiter::Task(scene.task))
            .filter_map(|w| match w {
                Waiter::Task(t) => Some(self.names.task(t)),
                _ => None,
            })
            .collect();
        if others.is_empty() {
            "waits".to_string()
        } else {
            format!("waits for {}", others.join(" and "))
        }
    }

    fn memory_detail(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let me = scene.task;
        match event {
            Event::FaultBegin { vpage, write, .. } => self.fault_begin(scene, i, vpage, write),
            Event::FaultEnd { vpage, outcome, .. } => self.fault_end(scene, i, vpage, outcome),
            Event::NoFault { vpage, .. } => {
                let page = self.names.vpage(vpage);
                self.say_here(me, format!("{page} is not there, no fault"), "");
            }
            Event::Genuine { vpage, .. } => {
                let faulted = scene.events[..i]
                    .iter()
                    .any(|e| matches!(e, Event::FaultBegin { .. }));
                if !faulted {
                    self.say_here(me, format!("{} is bad", self.names.vpage(vpage)), "");
                }
            }
            Event::Spurious { vpage, .. } if i + 1 == scene.events.len() => {
                let page = self.names.vpage(vpage);
                self.say_here(me, format!("{page} is asked for again"), "");
            }
            Event::PteSet { vpage, pte } => self.pte_set(scene, vpage, pte),
            _ => self.transfer_detail(scene, i, event),
        }
    }

    fn fault_begin(&mut self, scene: &Scene<'_>, i: usize, vpage: u8, write: bool) {
        let me = scene.task;
        let call = self.fault_call(vpage, write);
        let at_once = scene.events[i + 1..].iter().find_map(|e| match e {
            Event::FaultEnd { outcome, .. } => Some(Some(*outcome)),
            Event::Enter { .. } => Some(None),
            _ => None,
        });
        let pte = self.own_pte(scene, i, vpage);
        let outcome = match (at_once.flatten(), pte) {
            (None, _) if self.mm_is_shared(me) => "mmap_lock taken",
            (None, _) => "",
            (Some(Val::ZERO), Some(pte)) => mapped(pte),
            (Some(Val::ZERO), None) => "is mapped already",
            (Some(_), _) => "bad address",
        };
        self.say_more(me, call, outcome);
        self.calls[me as usize].fault = true;
    }

    /// What the task's own fault made of the PTE, after event `i`.
    fn own_pte(&self, scene: &Scene<'_>, i: usize, vpage: u8) -> Option<Pte> {
        scene.events[i..].iter().find_map(|e| match e {
            Event::PteSet { vpage: v, pte } if *v == vpage => Some(*pte),
            _ => None,
        })
    }

    fn mm_is_shared(&self, task: u8) -> bool {
        let tasks = &self.cluster.scenario().tasks;
        let mm = tasks[task as usize].mm;
        tasks.iter().filter(|t| t.mm == mm).count() > 1
    }

    fn fault_end(&mut self, scene: &Scene<'_>, i: usize, vpage: u8, outcome: Val) {
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
            self.say_here(me, page, mapped(pte));
        }
    }

    fn pte_set(&mut self, scene: &Scene<'_>, vpage: u8, pte: Pte) {
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

    fn transfer_detail(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let me = scene.task;
        let spec = &self.cluster.scenario().tasks[me as usize];
        match event {
            Event::Transfer { index, page, .. } => {
                let file = format!("{} page {page}", self.names.file(spec.file));
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
            Event::Orphan { .. } => {
                if let Some(text) = engine(&self.names, event) {
                    self.say_inside(me, text);
                }
            }
            _ => {}
        }
    }

    fn end_transfer(&mut self, task: u8, outcome: String) {
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
