//! The primitive and the model, told to do the same.
//!
//! A [`Case`] is a handful of tasks. The primitive runs it as threads, under loom or
//! shuttle, and logs what it does. The model runs it as a scenario under a design,
//! written out from the same steps or taken from the history; what its steps show is
//! put in the primitive's words by [`Expectation`]. The engine's matcher asks whether
//! the log is a history of the model.
#![allow(dead_code, unreachable_pub)] // each test binary uses a part

pub mod cases;
pub mod drive;
pub mod loom_runs;
pub mod observer;
pub mod shrink;
pub mod shuttle_runs;

use glock::Checked;
use glock_engine::{Answer, MatchLimits, Matcher, Seen};
use glock_model::cluster::{Action, Cluster, State};
use glock_model::design::{self, Library, source_from_bytes};
use glock_model::event as told;
use glock_model::mode::Mode as ModelMode;
use glock_model::program::{NqFlags, Op as Instr, Program, Val};
use glock_model::scenario::{Demand, LockObject, Page, Pte, Scenario};
use glock_model::task::{Status, Wait};
use glock_primitives::event::{Actor, Errno, Event, Op, Outcome, Residency, Sink, Woken, waiting};
use glock_primitives::{
    AddressSpace, Config, Flags, Flavour, Join, Kernel, LockManager, LockSpace, Mode, Runtime,
    Transfer, UserPage, Weakened, Worker,
};
use stateright::Model;
use std::sync::Arc;

/// One thing a task does with its file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// `gfs2_glock_nq`, and sleep; a refused TRY skips the rest.
    Nq(Mode, Flags),
    /// `gfs2_glock_dq`, if it is still there.
    Dq,
    /// `gfs2_holder_allow_demote`.
    Allow,
    /// `gfs2_holder_disallow_demote`.
    Disallow,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Script {
    /// These steps, on one file.
    Steps(&'static [Step]),
    /// A direct read of the file into these pages (file, page) of shared mappings; with
    /// [`ABSENT`] or [`PRESENT`] for a file, anonymous ones.
    Read(&'static [(u8, u8)]),
}

/// A task: node, file, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct TaskCase {
    pub node: u8,
    pub file: u8,
    pub script: Script,
}

/// Anonymous memory that is not there yet.
pub const ABSENT: u8 = 254;
/// Anonymous memory that is there.
pub const PRESENT: u8 = 255;

/// A task of steps.
pub const fn task(node: u8, file: u8, steps: &'static [Step]) -> TaskCase {
    TaskCase {
        node,
        file,
        script: Script::Steps(steps),
    }
}

/// A task that reads.
pub const fn read(node: u8, file: u8, buffer: &'static [(u8, u8)]) -> TaskCase {
    TaskCase {
        node,
        file,
        script: Script::Read(buffer),
    }
}

/// A handful of tasks.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub kernel: Kernel,
    pub nodes: u8,
    pub files: u8,
    pub pages: u8,
    /// Local mount or cluster.
    pub lock: LockManager,
    /// Is there a minimum hold time? Each demand is then followed by its end.
    pub hold_time: bool,
    pub initial: fn(u8, u8) -> Mode,
    pub tasks: &'static [TaskCase],
    /// Demands from outside, by a thread of its own: node, file, mode.
    pub demands: &'static [(u8, u8, Mode)],
    /// Each demand by a thread of its own, so that they may come in any order.
    pub apart: bool,
    /// Threads that do the work of the nodes.
    pub workers: u8,
    /// How the tasks that read do it.
    pub flavour: Flavour,
    /// Rounds after which they give up, which the model never does.
    pub rounds: u32,
}

/// A local case of one file whose node owns EX.
pub const LOCAL: Case = Case {
    name: "",
    kernel: Kernel::V512,
    nodes: 1,
    files: 1,
    pages: 0,
    lock: LockManager::Nolock,
    hold_time: false,
    initial: |_, _| Mode::Ex,
    tasks: &[],
    demands: &[],
    apart: false,
    workers: 1,
    flavour: Flavour::Base,
    rounds: 3,
};

// ---- the primitive ------------------------------------------------------------

/// What a task that runs steps does while it holds a file's glock.
pub type InsideIt = Arc<dyn Fn(u8, Mode) + Send + Sync>;

/// Runs a case as threads, inside loom, shuttle or nothing; its first task, or its
/// environment, in this thread.
pub fn execute<R: Runtime>(
    case: &'static Case,
    weakened: Option<Weakened>,
    sink: Arc<dyn Sink>,
    inside: InsideIt,
) {
    let space = LockSpace::<R>::new(Config {
        nodes: case.nodes,
        files: case.files,
        pages: case.pages,
        tasks: case.tasks.len() as u8,
        kernel: case.kernel,
        lock: case.lock,
        hold_time: case.hold_time,
        initial: case.initial,
        sink: Some(sink),
        weakened,
    });
    let workers: Vec<_> = (0..case.workers).map(|_| space.start_worker()).collect();
    let here = usize::from(case.demands.is_empty());
    let threads: Vec<_> = (here..case.tasks.len())
        .map(|id| {
            let (space, inside) = (space.clone(), inside.clone());
            R::spawn(move || run_task(case, &space, id as u8, &inside))
        })
        .collect();
    let (mine, others) = match case.apart {
        true => case.demands.split_at(1),
        false => (case.demands, &[][..]),
    };
    let others: Vec<_> = others
        .iter()
        .map(|demand| {
            let space = space.clone();
            R::spawn(move || demand_it(case, &space, demand))
        })
        .collect();
    mine.iter().for_each(|d| demand_it(case, &space, d));
    if here == 1 {
        run_task(case, &space, 0, &inside);
    }
    threads.into_iter().chain(others).for_each(Join::join);
    workers.into_iter().for_each(Worker::stop);
    for node in 0..case.nodes {
        for file in 0..case.files {
            assert_eq!(space.queued(node, file), (0, 0), "somebody is left behind");
        }
    }
}

fn demand_it<R: Runtime>(
    case: &'static Case,
    space: &Arc<LockSpace<R>>,
    &(node, file, mode): &(u8, u8, Mode),
) {
    space.demand(node, file, mode);
    if case.hold_time {
        space.hold_expires(node, file);
    }
}

fn run_task<R: Runtime>(case: &'static Case, space: &Arc<LockSpace<R>>, id: u8, inside: &InsideIt) {
    let spec = &case.tasks[id as usize];
    let task = space.task(id, spec.node);
    match spec.script {
        Script::Steps(steps) => {
            let mut held = None;
            for step in steps {
                match *step {
                    Step::Nq(mode, flags) => {
                        let ticket = space.enqueue(&task, spec.file, mode, flags);
                        let ticket = ticket.expect("no recursion in the case");
                        if ticket.wait().is_err() {
                            return;
                        }
                        inside(spec.file, mode);
                        held = Some(ticket);
                    }
                    Step::Dq => drop(held.take()),
                    Step::Allow => _ = held.as_ref().map(|t| t.allow_demote()),
                    Step::Disallow => _ = held.as_ref().map(|t| t.disallow_demote()),
                }
            }
        }
        Script::Read(buffer) => {
            let mm = AddressSpace::new(space, spec.node);
            let map = |&(file, page): &(u8, u8)| match file {
                ABSENT | PRESENT => mm.map_anonymous(file == PRESENT),
                _ => mm.map_shared(file, page),
            };
            let buffer: Vec<UserPage> = buffer.iter().map(map).collect();
            let mut transfer = Transfer::new(space, &mm, &task, spec.file, &buffer, case.flavour);
            transfer.rounds = Some(case.rounds);
            // The kernel stops at a recursion; this task gives up.
            _ = transfer.run(Mode::Df, || (), |file, user| *user = file);
        }
    }
}

// ---- the model ----------------------------------------------------------------

const ENTRIES: [&str; 4] = [
    "direct_read",
    "direct_write",
    "buffered_read",
    "buffered_write",
];

impl Case {
    /// Threads it has, with the one that starts the others.
    pub fn threads(&self) -> usize {
        let demanding = match self.apart {
            true => self.demands.len(),
            false => self.demands.len().min(1),
        };
        self.tasks.len() + usize::from(self.workers) + demanding
    }

    /// What the model calls what a task does: tasks that do the same share an entry.
    fn entry(&self, task: usize) -> &'static str {
        let Script::Steps(_) = self.tasks[task].script else {
            return "direct_read";
        };
        let mut different: Vec<Script> = Vec::new();
        for t in &self.tasks[..task] {
            if !different.contains(&t.script) {
                different.push(t.script);
            }
        }
        let same = |s: &Script| *s == self.tasks[task].script;
        ENTRIES[different.iter().position(same).unwrap_or(different.len())]
    }

    /// Is it about transfers?
    fn reads(&self) -> bool {
        self.tasks
            .iter()
            .any(|t| matches!(t.script, Script::Read(_)))
    }

    /// The design the tasks run: one of the history, or their steps written out.
    pub fn design(&self) -> Program {
        if self.reads() {
            let name = match self.flavour {
                Flavour::Base => "base",
                Flavour::SideChannel => "restart-hack",
                Flavour::Errno => "restart-errno",
                Flavour::FaultInRetry => "fault-in-retry",
            };
            let design = Library::builtin().load(name);
            return design.unwrap_or_else(|e| panic!("{name}: {e}")).program;
        }
        let text = self.design_text();
        let source = source_from_bytes("steps.design", text.as_bytes()).expect("readable");
        let compiled = design::compile(&source, &Library::builtin());
        let mut program = compiled
            .unwrap_or_else(|why| panic!("{text}\n{why:?}"))
            .program;
        use glock_model::program::{MayGrant, TryRule, WeakRule};
        let kernel = &mut program.kernel;
        (kernel.may_grant, kernel.try_rule, kernel.weak) = match self.kernel {
            Kernel::V512 => (MayGrant::V512, TryRule::V512, WeakRule::V516),
            Kernel::V516 => (MayGrant::V516, TryRule::V512, WeakRule::V516),
            Kernel::V60 => (MayGrant::V516, TryRule::V512, WeakRule::V60),
            Kernel::V618 => (MayGrant::V516, TryRule::V618, WeakRule::V60),
        };
        program
    }

    fn design_text(&self) -> String {
        let mut text = "design steps\n  extends base\n  kernel v5.16\n  \"Steps.\"\n".to_owned();
        for (i, spec) in self.tasks.iter().enumerate() {
            let Script::Steps(steps) = spec.script else {
                continue;
            };
            if self.tasks[..i].iter().any(|t| t.script == spec.script) {
                continue;
            }
            let entry = self.entry(i);
            text += &format!("\n{entry}(file, iter):\n");
            let mut refusable = false;
            let weak = steps.iter().any(|s| matches!(s, Step::Allow));
            for step in steps {
                let line = match step {
                    Step::Nq(mode, flags) => {
                        let mut line = format!("gfs2_glock_nq file {mode}");
                        if flags.has(Flags::TRY) {
                            line += " try";
                        }
                        if flags.has(Flags::TRY_1CB) {
                            line += " try_1cb";
                        }
                        if flags.has(Flags::ANY) {
                            line += " any";
                        }
                        if flags.is_try() {
                            refusable = true;
                            line += " else out";
                        }
                        line
                    }
                    Step::Dq if weak => "if gfs2_holder_queued file gfs2_glock_dq file".into(),
                    Step::Dq => "gfs2_glock_dq file".into(),
                    Step::Allow => "gfs2_holder_allow_demote file".into(),
                    Step::Disallow => "gfs2_holder_disallow_demote file".into(),
                };
                text += &format!("        {line}\n");
            }
            if refusable {
                text += "out:\n";
            }
            text += "        return 0\n";
        }
        text
    }

    /// The same as a scenario of the model.
    pub fn scenario(&self) -> Scenario {
        let mut text = format!("description = \"{}\"\nnodes = {}\n", self.name, self.nodes);
        let lock = match self.lock {
            LockManager::Nolock => "nolock",
            LockManager::Dlm => "dlm",
        };
        text += &format!("lock = \"{lock}\"\n");
        for f in 0..self.files {
            text += &format!("[files.F{}]\npages = {}\n", f + 1, self.pages.max(1));
        }
        for (i, spec) in self.tasks.iter().enumerate() {
            let (op, buffer) = match spec.script {
                Script::Steps(_) => (self.entry(i), "{ anon = \"present\" }".to_owned()),
                Script::Read(buffer) => {
                    let page = |b: &(u8, u8)| match b.0 {
                        ABSENT => "{ anon = \"absent\" }".to_owned(),
                        PRESENT => "{ anon = \"present\" }".to_owned(),
                        file => format!(
                            "{{ shared = \"F{}\", page = {}, pte = [\"none\"] }}",
                            file + 1,
                            b.1
                        ),
                    };
                    let pages: Vec<String> = buffer.iter().map(page).collect();
                    ("direct_read", pages.join(", "))
                }
            };
            text += &format!(
                "[[tasks]]\nname = \"P{i}\"\nnode = {}\nop = \"{op}\"\nfile = \"F{}\"\nbuffer = [{buffer}]\n",
                spec.node + 1,
                spec.file + 1
            );
        }
        let mut scenario =
            Scenario::from_toml(&text, "case.toml").unwrap_or_else(|e| panic!("{text}\n{e:?}"));
        self.adjust(&mut scenario);
        scenario
    }

    /// What the primitive does not do, or always does, and no step of a task shows.
    fn adjust(&self, scenario: &mut Scenario) {
        scenario.lock_object = vec![LockObject::Absent];
        scenario.hold_time = self.hold_time;
        for (f, file) in scenario.files.iter_mut().enumerate() {
            let mode = |n| model_mode((self.initial)(n as u8, f as u8));
            file.modes = (0..self.nodes as usize).map(|n| vec![mode(n)]).collect();
            file.cached.iter_mut().for_each(|c| *c = vec![Page::Absent]);
        }
        for v in &mut scenario.vpages {
            if v.kind.backing().is_some() {
                v.initial = vec![Pte::None];
            }
        }
        let demand = |&(node, file, mode): &(u8, u8, Mode)| Demand {
            node,
            file,
            mode: model_mode(mode),
            budget: 1,
        };
        scenario.events.demands = self.demands.iter().map(demand).collect();
        let switches = &mut scenario.switches;
        // Every step on its own: the primitive's critical sections are as small.
        switches.fusion = false;
        switches.release_fusion = false;
        switches.message_fusion = false;
        // It has no read I/O for which to drop mmap_lock.
        switches.fault_retry = false;
    }

    /// The model of the case.
    pub fn cluster(&self) -> Cluster {
        Cluster::new(self.scenario(), self.design()).unwrap_or_else(|e| panic!("{e}"))
    }

    /// The same with what only a task itself notices, and answers that nothing precedes,
    /// in the step before. Its histories are histories of [`Case::cluster`], not the other
    /// way round; its states are fewer.
    pub fn fused(&self) -> Cluster {
        let mut scenario = self.scenario();
        scenario.switches.fusion = true;
        scenario.switches.message_fusion = true;
        Cluster::new(scenario, self.design()).unwrap_or_else(|e| panic!("{e}"))
    }
}

fn model_mode(mode: Mode) -> ModelMode {
    ModelMode::from_bits(mode as u8)
}

fn mode_of(mode: ModelMode) -> Mode {
    Mode::ALL[mode as usize]
}

fn residency(page: Page) -> Residency {
    match page {
        Page::Absent => Residency::Absent,
        Page::Clean => Residency::Clean,
        Page::Dirty => Residency::Dirty,
    }
}

fn flags_of(flags: NqFlags) -> Flags {
    let mut of = Flags::NONE;
    for (bit, flag) in [
        (NqFlags::TRY, Flags::TRY),
        (NqFlags::TRY_1CB, Flags::TRY_1CB),
        (NqFlags::ANY, Flags::ANY),
    ] {
        if flags.has(bit) {
            of = of | flag;
        }
    }
    of
}

/// The page of a `page_mkwrite` that found nothing: the model does not say which.
const SOME_PAGE: u8 = u8::MAX;

/// Does what was observed fit what the model shows?
pub fn fits(shown: &Event, observed: &Event) -> bool {
    match (shown.op, observed.op) {
        (
            Op::Mkwrite {
                page: SOME_PAGE,
                found,
            },
            Op::Mkwrite { found: seen, .. },
        ) => found == seen && (shown.actor, shown.file) == (observed.actor, observed.file),
        _ => shown == observed,
    }
}

/// What a step of the model shows, in the primitive's words.
pub struct Expectation<'a> {
    cluster: &'a Cluster,
    /// Tasks that run steps do not say that they return.
    returns: bool,
}

impl<'a> Expectation<'a> {
    pub fn new(case: &Case, cluster: &'a Cluster) -> Self {
        Expectation {
            cluster,
            returns: case.reads(),
        }
    }

    /// The events of a step: at most one that shows, unless steps are fused.
    pub fn shown(&self, before: &State, action: &Action, after: &State) -> Vec<Event> {
        let mut inside = Vec::new();
        if self.cluster.step(before, *action, &mut inside).is_none() {
            return Vec::new();
        }
        let scenario = self.cluster.scenario();
        let outside = |node, file, op| {
            let actor = Actor::Outside;
            vec![Event {
                actor,
                node,
                file,
                op,
            }]
        };
        match *action {
            Action::Task { task, .. } => {
                let node = scenario.node_of(task as usize) as u8;
                let first = self.by_task(before, after, task, node, &inside);
                let last = inside.iter().find_map(|e| self.returned(task, node, e));
                match (first, last) {
                    (None, _) => self.work(&inside),
                    (Some(first), Some(last)) if first != last => vec![first, last],
                    (Some(first), _) => vec![first],
                }
            }
            Action::Worker { .. } | Action::Deliver { .. } | Action::Server { .. } => {
                self.work(&inside)
            }
            Action::Expire { node, file } => outside(node, file, Op::HoldExpired),
            Action::Demand { demand } => {
                let d = &scenario.events.demands[demand as usize];
                let mode = mode_of(d.mode);
                outside(d.node, d.file, Op::Demand { mode })
            }
            _ => Vec::new(),
        }
    }

    /// Waits that ended in work on glocks: one event for each glock.
    fn work(&self, inside: &[told::Event]) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for e in inside {
            let (told::Event::Promote { task, file, .. } | told::Event::TryFailed { task, file }) =
                *e
            else {
                continue;
            };
            let node = self.cluster.scenario().node_of(task as usize) as u8;
            if events.iter().any(|e| (e.node, e.file) == (node, file)) {
                continue;
            }
            let here = |e: &&told::Event| match **e {
                told::Event::Promote { task, file: f, .. }
                | told::Event::TryFailed { task, file: f } => {
                    f == file && self.cluster.scenario().node_of(task as usize) as u8 == node
                }
                _ => false,
            };
            let woken = woken(inside.iter().filter(here));
            events.push(Event {
                actor: Actor::Work,
                node,
                file,
                op: Op::Work { woken },
            });
        }
        events
    }

    /// The end of the operation.
    fn returned(&self, task: u8, node: u8, e: &told::Event) -> Option<Event> {
        let told::Event::Return { value, .. } = *e else {
            return None;
        };
        let result = match value {
            Val::EFAULT => Err(Errno::Efault),
            Val::EBUSY => Err(Errno::Ebusy),
            _ => Ok(value.as_size().unwrap_or(u8::MAX)),
        };
        self.returns.then_some(Event {
            actor: Actor::Task(task),
            node,
            file: self.cluster.scenario().tasks[task as usize].file,
            op: Op::Return { result },
        })
    }

    fn by_task(
        &self,
        before: &State,
        after: &State,
        task: u8,
        node: u8,
        inside: &[told::Event],
    ) -> Option<Event> {
        let event = |file, op| {
            Some(Event {
                actor: Actor::Task(task),
                node,
                file,
                op,
            })
        };
        let spec = &self.cluster.scenario().tasks[task as usize];
        if let Some((file, op)) = self.in_handler(before, after, task, node) {
            return event(file, op);
        }
        for e in inside {
            match *e {
                told::Event::Queue {
                    file, mode, flags, ..
                } => return event(file, enqueue(task, mode, flags, inside)),
                told::Event::Wake { file, granted, .. } => {
                    return event(file, Op::Wake { granted });
                }
                told::Event::Dequeue { file, mode, .. } => {
                    let mode = mode_of(mode);
                    return event(file, Op::Dequeue { mode });
                }
                told::Event::MayDemote { file, weak, .. } => {
                    let queue = &before.nodes[node as usize].glocks[file as usize].queue;
                    let found = queue
                        .as_slice()
                        .iter()
                        .any(|h| h.task == task && h.granted && h.weak != weak);
                    return event(file, Op::MayDemote { weak, found });
                }
                told::Event::NoFault { vpage, .. } => {
                    let at = spec.buffer.iter().position(|v| *v == vpage)?;
                    return event(spec.file, Op::NoFault { index: at as u8 });
                }
                told::Event::Transfer { index, page, .. } => {
                    return event(spec.file, Op::Transfer { index, page });
                }
                told::Event::Return { .. } if self.returns => {
                    return self.returned(task, node, e);
                }
                _ => {}
            }
        }
        None
    }

    /// A step of a fault handler that is about a page.
    fn in_handler(&self, before: &State, after: &State, task: u8, node: u8) -> Option<(u8, Op)> {
        let ctx = self.cluster.ctx(node as usize);
        let (was, is) = (&before.nodes[node as usize], &after.nodes[node as usize]);
        let t = &was.tasks[task as usize];
        if !t.nested() || t.wait != Wait::No {
            return None;
        }
        let file = was.frame_file(&ctx, task as usize);
        let pages = 0..ctx.scenario.files[file].pages as usize;
        let locked = pages
            .into_iter()
            .find(|&q| is.page_lock_owner(&ctx, file, q) == Some(task as usize));
        let found = |q: usize| residency(was.pages[file][q]);
        let op = match (ctx.program.code[t.nested_pc as usize].op, locked) {
            (Instr::FilemapFault { .. }, Some(q)) => Op::Fill {
                page: q as u8,
                found: found(q),
            },
            (Instr::DirtyPage { .. }, Some(q)) => Op::Mkwrite {
                page: q as u8,
                found: found(q),
            },
            (Instr::DirtyPage { .. }, None) => Op::Mkwrite {
                page: SOME_PAGE,
                found: Residency::Absent,
            },
            _ => return None,
        };
        Some((file as u8, op))
    }
}

/// A request, and what became of it and of others in the same critical section.
fn enqueue(task: u8, mode: ModelMode, flags: NqFlags, inside: &[told::Event]) -> Op {
    let mut woken = woken(inside);
    let own = 1 << task;
    let slept = |e: &told::Event| matches!(e, told::Event::Sleep { .. });
    let trapped = |e: &told::Event| matches!(e, told::Event::Recursion { .. });
    let outcome = if inside.iter().any(trapped) {
        Outcome::Recursion
    } else if woken.failed & own != 0 {
        Outcome::Failed
    } else if inside.iter().any(slept) {
        Outcome::Waiting
    } else {
        Outcome::Granted
    };
    woken.granted &= !own;
    woken.failed &= !own;
    Op::Enqueue {
        mode: mode_of(mode),
        flags: flags_of(flags),
        outcome,
        woken,
    }
}

fn woken<'a>(inside: impl IntoIterator<Item = &'a told::Event>) -> Woken {
    let mut woken = Woken::default();
    for e in inside {
        match *e {
            told::Event::Promote { task, .. } => woken.granted |= 1 << task,
            told::Event::TryFailed { task, .. } => woken.failed |= 1 << task,
            _ => {}
        }
    }
    woken
}

// ---- both ---------------------------------------------------------------------

/// A log that is no history of the model.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The number of the execution.
    pub execution: usize,
    /// What was observed up to the first event that does not fit, which is the last.
    pub observed: Vec<Event>,
    /// What the model would have allowed instead.
    pub allowed: Vec<Event>,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "execution {} is no history of the model:",
            self.execution
        )?;
        for e in &self.observed {
            writeln!(f, "  {e}")?;
        }
        writeln!(f, "The last does not fit. Allowed were:")?;
        for e in &self.allowed {
            writeln!(f, "  {e}")?;
        }
        Ok(())
    }
}

/// What matching came to.
#[derive(Clone, Debug, Default)]
pub struct Matched {
    pub executions: usize,
    /// Different logs among them.
    pub different: usize,
    /// Events in the different logs.
    pub events: usize,
    pub seconds: f64,
    pub mismatch: Option<Mismatch>,
}

/// What is known of a log.
#[derive(Clone, Debug)]
pub enum Judged {
    /// It is a history of the model.
    Fits,
    /// It is not: the first event that does not fit, and what would have.
    Not { at: usize, allowed: Vec<Event> },
}

/// Judges logs.
pub type Judge<'a> = &'a mut dyn FnMut(&[Event]) -> Judged;

/// What the matcher keeps: the largest cases have two million states for some logs.
const LIMITS: MatchLimits = MatchLimits {
    frontier: 2_000_000,
    kept: 2_000_000,
};

/// For a model of a case, a function that says whether logs are histories of it.
///
/// # Panics
/// If it cannot be decided.
pub fn judging_by<U>(case: &Case, cluster: &Cluster, ask: impl FnOnce(Judge<'_>) -> U) -> U {
    let checked = Checked(cluster);
    let expectation = Expectation::new(case, cluster);
    let view = |before: &State, action: &Action, after: &State, seen: &mut Vec<Seen<Event>>| {
        let shown = expectation.shown(before, action, after);
        seen.extend(shown.into_iter().map(|e| (0, e)));
    };
    let matcher = Matcher::new(&checked, view).expect("a model with a beginning");
    let mut matcher = matcher.limits(LIMITS);
    ask(&mut |log| match matcher.follow(&[log], fits) {
        Answer::Accepted => Judged::Fits,
        Answer::Rejected { farthest } => {
            let allowed = matcher.allowed();
            Judged::Not {
                at: farthest[0].min(log.len() - 1),
                allowed: allowed
                    .iter()
                    .flat_map(|a| &a.events)
                    .map(|e| e.1)
                    .collect(),
            }
        }
        Answer::Unknown(why) => panic!("{}: {why}", case.name),
    })
}

/// For a case, a function that says whether logs are histories of the model. Those of the
/// fused model are; what is none of them is looked at without fusion.
///
/// # Panics
/// If it cannot be decided.
pub fn judging<U>(case: &Case, ask: impl FnOnce(Judge<'_>) -> U) -> U {
    judging_by(case, &case.fused(), |fused| {
        judging_by(case, &case.cluster(), |whole| {
            ask(&mut |log| match fused(log) {
                Judged::Fits => Judged::Fits,
                Judged::Not { .. } => whole(log),
            })
        })
    })
}

/// Asks of logs that end because nobody moves any more, or (their last event) in a refused
/// recursion, whether the model can end there too: in a state in which exactly the tasks
/// wait that wait by the log, and from which no step leads on, or in which exactly the
/// task of the last event ran into the BUG. The first that is none, and why.
pub fn ends_there<'a>(
    case: &Case,
    logs: impl IntoIterator<Item = &'a [Event]>,
) -> Result<(), String> {
    let cluster = case.cluster();
    let checked = Checked(&cluster);
    let expectation = Expectation::new(case, &cluster);
    let view = |before: &State, action: &Action, after: &State, seen: &mut Vec<Seen<Event>>| {
        let shown = expectation.shown(before, action, after);
        seen.extend(shown.into_iter().map(|e| (0, e)));
    };
    let matcher = Matcher::new(&checked, view).expect("a model with a beginning");
    let mut matcher = matcher.limits(LIMITS);
    for log in logs {
        let told = || log.iter().map(|e| format!("  {e}\n")).collect::<String>();
        let answer = matcher.follow(&[log], fits);
        if !answer.is_accepted() {
            return Err(format!("{answer:?}\n{}", told()));
        }
        let waiting = waiting(log);
        let trapped = log.last().and_then(|e| match (e.actor, e.op) {
            (
                Actor::Task(t),
                Op::Enqueue {
                    outcome: Outcome::Recursion,
                    ..
                },
            ) => Some(t),
            _ => None,
        });
        let mut states = matcher.states().map(|s| s.1);
        let ends = states.any(|state| {
            let mut next = Vec::new();
            checked.actions(&state, &mut next);
            let by_node = |t: u8| &state.nodes[cluster.scenario().node_of(t as usize)];
            let is = |t: u8, status| by_node(t).tasks[t as usize].status == status;
            let waits = |t: u8| {
                let glocks = by_node(t).glocks.iter();
                let mut entries = glocks.flat_map(|gl| gl.queue.as_slice());
                entries.any(|h| h.task == t && !h.granted)
            };
            (0..case.tasks.len() as u8).all(|t| {
                let as_logged = waits(t) == waiting.contains(&t);
                let stands = match trapped {
                    Some(bug) => is(t, Status::Bug) == (t == bug),
                    None => is(t, Status::Done) || waits(t),
                };
                as_logged && stands
            }) && (trapped.is_some() || next.is_empty())
        });
        if !ends {
            return Err(format!(
                "tasks {waiting:?} wait, not in the model:\n{}",
                told()
            ));
        }
    }
    Ok(())
}

/// Asks of every log whether it is a history of the model: each different one once, in
/// the order in which the executions came.
pub fn match_all(case: &Case, executions: &[(usize, Vec<Event>)], total: usize) -> Matched {
    judging(case, |judge| {
        let began = std::time::Instant::now();
        let mut matched = Matched {
            executions: total,
            different: executions.len(),
            ..Default::default()
        };
        for (execution, log) in executions {
            matched.events += log.len();
            if let Judged::Not { at, allowed } = judge(log) {
                matched.mismatch = Some(Mismatch {
                    execution: *execution,
                    observed: log[..=at].to_vec(),
                    allowed,
                });
                break;
            }
        }
        matched.seconds = began.elapsed().as_secs_f64();
        matched
    })
}
