//! What happened in a search, so that a verdict is seen not to be vacuous: which instructions of the
//! design were executed and which interesting things occurred.

use glock_engine::Merge;
use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::{Event, Sink};
use glock_model::node::entry_of;
use glock_model::program::{DioFlags, Entry, Op, Pc, Program, Val};
use glock_model::scenario::{LockManager, OpKind, Pte, Scenario, VpageKind};
use glock_model::task::{Status, Task};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// An interesting thing that may occur in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Occurrence {
    /// A request with a TRY flag failed (Q6, Q13).
    TryFailed,
    /// A request could not be granted at once (Q3).
    Slept,
    /// The design went back to an earlier line: a restart, a retry.
    WentBack,
    /// A page fault was served while its task held a glock.
    FaultUnderGlock,
    /// A page fault was answered with VM_FAULT_RETRY: mmap_lock was dropped (M1).
    FaultRetried,
    /// An access met an absent page while faults were off.
    FaultOff,
    /// An access met a genuinely bad address (M7).
    GenuineBad,
    /// An access to a good address was refused.
    Refused,
    /// A system call returned -EFAULT.
    EfaultReturned,
    /// A fault-in could not make every page accessible.
    FaultInFellShort,
    /// A buffer page was unmapped while its operation still needed it.
    PageLost,
    /// A pinned page left its file (M10).
    Orphaned,
    /// A node gave up a mode or took a weaker one (R5, R6).
    Demoted,
    /// The lock space sent a blocking callback (D3, D4).
    Callback,
    /// The lock space refused a request that may not wait (D3).
    ServerRefused,
    /// The lock space saw a conversion deadlock (D6).
    ConversionDeadlock,
    /// A minimum hold time ended (R2).
    HoldExpired,
    /// A writer waited for mmap_lock, so that new readers wait (M8).
    MmapLockWanted,
    /// Memory pressure took a page.
    Reclaimed,
    /// The shrinker took an idle glock (R8).
    Shrunk,
    /// Somebody outside the model asked for a file (R1).
    Demanded,
    /// The recursion trap: BUG() (Q4).
    Recursion,
    /// Somebody outside the model appended to a file.
    Appended,
}

impl Occurrence {
    /// All of them, in the order of reports.
    pub const ALL: [Occurrence; 23] = [
        Occurrence::TryFailed,
        Occurrence::Slept,
        Occurrence::WentBack,
        Occurrence::FaultUnderGlock,
        Occurrence::FaultRetried,
        Occurrence::FaultOff,
        Occurrence::GenuineBad,
        Occurrence::Refused,
        Occurrence::EfaultReturned,
        Occurrence::FaultInFellShort,
        Occurrence::PageLost,
        Occurrence::Orphaned,
        Occurrence::Demoted,
        Occurrence::Callback,
        Occurrence::ServerRefused,
        Occurrence::ConversionDeadlock,
        Occurrence::HoldExpired,
        Occurrence::MmapLockWanted,
        Occurrence::Reclaimed,
        Occurrence::Shrunk,
        Occurrence::Demanded,
        Occurrence::Recursion,
        Occurrence::Appended,
    ];

    /// A name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Occurrence::TryFailed => "try-failed",
            Occurrence::Slept => "slept",
            Occurrence::WentBack => "went-back",
            Occurrence::FaultUnderGlock => "fault-under-glock",
            Occurrence::FaultRetried => "fault-retried",
            Occurrence::FaultOff => "fault-off",
            Occurrence::GenuineBad => "genuine-bad",
            Occurrence::Refused => "refused",
            Occurrence::EfaultReturned => "efault-returned",
            Occurrence::FaultInFellShort => "fault-in-fell-short",
            Occurrence::PageLost => "page-lost",
            Occurrence::Orphaned => "orphaned",
            Occurrence::Demoted => "demoted",
            Occurrence::Callback => "callback",
            Occurrence::ServerRefused => "server-refused",
            Occurrence::ConversionDeadlock => "conversion-deadlock",
            Occurrence::HoldExpired => "hold-expired",
            Occurrence::MmapLockWanted => "mmap-lock-wanted",
            Occurrence::Reclaimed => "reclaimed",
            Occurrence::Shrunk => "shrunk",
            Occurrence::Demanded => "demanded",
            Occurrence::Recursion => "recursion",
            Occurrence::Appended => "appended",
        }
    }

    /// What occurred, in a few words.
    pub const fn what(self) -> &'static str {
        match self {
            Occurrence::TryFailed => "a TRY failed",
            Occurrence::Slept => "a request had to wait",
            Occurrence::WentBack => "a restart ran",
            Occurrence::FaultUnderGlock => "a fault was served under a glock",
            Occurrence::FaultRetried => "a fault answered VM_FAULT_RETRY",
            Occurrence::FaultOff => "an access met an absent page with faults off",
            Occurrence::GenuineBad => "a genuine bad address was met",
            Occurrence::Refused => "an access to a good address was refused",
            Occurrence::EfaultReturned => "a call returned -EFAULT",
            Occurrence::FaultInFellShort => "a fault-in fell short",
            Occurrence::PageLost => "a page was lost before its use",
            Occurrence::Orphaned => "a pinned page left its file",
            Occurrence::Demoted => "a demotion ran",
            Occurrence::Callback => "a blocking callback was sent",
            Occurrence::ServerRefused => "the lock space refused a request",
            Occurrence::ConversionDeadlock => "a conversion deadlock",
            Occurrence::HoldExpired => "a hold time expired",
            Occurrence::MmapLockWanted => "a writer waited for mmap_lock",
            Occurrence::Reclaimed => "a page was reclaimed",
            Occurrence::Shrunk => "an idle glock was shrunk",
            Occurrence::Demanded => "a file was demanded from outside",
            Occurrence::Recursion => "the recursion trap",
            Occurrence::Appended => "a file was appended to from outside",
        }
    }

    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Sets of instructions executed and of things that occurred.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Bit per instruction.
    executed: Vec<u64>,
    occurred: u64,
    /// Memory of the last recorder, to be used again.
    #[serde(skip)]
    spare: Vec<(u8, Pc)>,
}

impl Merge for Coverage {
    fn merge(&mut self, other: &Self) {
        self.occurred |= other.occurred;
        if self.executed.len() < other.executed.len() {
            self.executed.resize(other.executed.len(), 0);
        }
        for (mine, theirs) in self.executed.iter_mut().zip(&other.executed) {
            *mine |= theirs;
        }
    }
}

impl Coverage {
    /// Was this instruction executed?
    pub fn executed(&self, pc: Pc) -> bool {
        self.executed
            .get(pc as usize / 64)
            .is_some_and(|word| word >> (pc % 64) & 1 == 1)
    }

    /// Was nothing executed at all?
    pub(crate) fn is_empty(&self) -> bool {
        self.executed.is_empty()
    }

    /// Did this occur?
    pub fn occurred(&self, what: Occurrence) -> bool {
        self.occurred & what.bit() != 0
    }

    /// Everything that occurred.
    pub fn occurrences(&self) -> impl Iterator<Item = Occurrence> + '_ {
        Occurrence::ALL
            .into_iter()
            .filter(|&what| self.occurred(what))
    }

    /// Adds what happened before the search began: a task starts with its local instructions done.
    pub(crate) fn add_starts(&mut self, cluster: &Cluster) {
        let recorder = self.recorder();
        for state in cluster.initial_states() {
            for (task, spec) in cluster.scenario().tasks.iter().enumerate() {
                if !spec.environment {
                    let mut started = state;
                    let node = cluster.scenario().node_of(task);
                    started.nodes[node].tasks[task] = Task::default();
                    started.nodes[node].start(&cluster.ctx(node), task, &mut &recorder);
                    let action = Action::Task {
                        task: task as u8,
                        choice: 0,
                    };
                    recorder.taken(cluster, action, &started);
                }
            }
        }
        self.keep(recorder);
    }

    /// Listens to the steps out of one state.
    pub(crate) fn recorder(&mut self) -> Recorder {
        Recorder {
            executed: RefCell::new(std::mem::take(&mut self.executed)),
            occurred: Cell::new(self.occurred),
            lines: RefCell::new(std::mem::take(&mut self.spare)),
            things: Cell::new(0),
            lost: Cell::new(0),
        }
    }

    /// Takes back what [`recorder`](Self::recorder) has lent.
    pub(crate) fn keep(&mut self, recorder: Recorder) {
        self.executed = recorder.executed.into_inner();
        self.occurred = recorder.occurred.get();
        self.spare = recorder.lines.into_inner();
        self.spare.clear();
    }
}

/// Listens to steps. What a step reports is kept only once it was taken: an instruction that found
/// the page locked has not been executed.
pub(crate) struct Recorder {
    executed: RefCell<Vec<u64>>,
    occurred: Cell<u64>,
    /// Instructions of the step under way, each with its task.
    lines: RefCell<Vec<(u8, Pc)>>,
    /// Things of the step under way.
    things: Cell<u64>,
    /// Pages of user memory that lost their PTE in the step under way.
    lost: Cell<u8>,
}

impl Sink for &Recorder {
    #[inline]
    fn event(&mut self, event: Event) {
        let thing = match event {
            Event::Line { task, pc } => return self.lines.borrow_mut().push((task, pc)),
            Event::PteSet {
                vpage,
                pte: Pte::None,
            } => return self.lost.set(self.lost.get() | 1 << vpage),
            Event::TryFailed { .. } => Occurrence::TryFailed,
            Event::Sleep { .. } => Occurrence::Slept,
            Event::FaultEnd {
                outcome: Val::RETRY,
                ..
            } => Occurrence::FaultRetried,
            Event::NoFault { .. } => Occurrence::FaultOff,
            Event::Genuine { .. } => Occurrence::GenuineBad,
            Event::Spurious { .. } => Occurrence::Refused,
            Event::Return {
                value: Val::EFAULT, ..
            } => Occurrence::EfaultReturned,
            Event::FaultInDone { left, .. } if left > 0 => Occurrence::FaultInFellShort,
            Event::Orphan { .. } => Occurrence::Orphaned,
            Event::StateChange { from, to, .. } if !to.contains(from) => Occurrence::Demoted,
            Event::Bast { .. } => Occurrence::Callback,
            Event::Refused { .. } => Occurrence::ServerRefused,
            Event::Deadlk { .. } => Occurrence::ConversionDeadlock,
            Event::HoldExpired { .. } => Occurrence::HoldExpired,
            Event::MmapWriteQueued { .. } => Occurrence::MmapLockWanted,
            Event::Shrink { .. } => Occurrence::Shrunk,
            Event::Recursion { .. } => Occurrence::Recursion,
            _ => return,
        };
        self.things.set(self.things.get() | thing.bit());
    }
}

impl Sink for Recorder {
    #[inline]
    fn event(&mut self, event: Event) {
        (&*self).event(event);
    }
}

impl Recorder {
    /// The step under way was taken and led to `next`.
    #[inline]
    pub(crate) fn taken(&self, cluster: &Cluster, action: Action, next: &State) {
        let mut things = self.things.replace(0);
        match action {
            Action::Start { task } | Action::Task { task, .. } => {
                things |= self.instructions(cluster, task, next);
                things |= fault_under_glock(cluster, task, next);
            }
            Action::ReclaimPage { .. } | Action::ReclaimAnon { .. } => {
                things |= Occurrence::Reclaimed.bit();
            }
            Action::Append { .. } => things |= Occurrence::Appended.bit(),
            Action::Demand { .. } => things |= Occurrence::Demanded.bit(),
            _ => {}
        }
        // Lines of another task are those of a step that turned out to be blocked.
        self.lines.borrow_mut().clear();
        let lost = self.lost.replace(0);
        if lost != 0 && somebody_needs(cluster, next, lost) {
            things |= Occurrence::PageLost.bit();
        }
        self.occurred.set(self.occurred.get() | things);
    }

    /// Keeps the instructions the task executed; did it go back?
    fn instructions(&self, cluster: &Cluster, task: u8, next: &State) -> u64 {
        let mut executed = self.executed.borrow_mut();
        let code = &cluster.program().code;
        if executed.is_empty() {
            executed.resize(code.len().div_ceil(64), 0);
        }
        let lines = self.lines.borrow();
        let own = || lines.iter().filter(|(t, _)| *t == task).map(|&(_, pc)| pc);
        let node = cluster.scenario().node_of(task as usize);
        let last = next.nodes[node].frame_pc(task as usize);
        let mut back = false;
        for (pc, then) in own().zip(own().skip(1).chain([last])) {
            executed[pc as usize / 64] |= 1 << (pc % 64);
            back |= target(code[pc as usize].op) == Some(then) && then <= pc;
        }
        if back { Occurrence::WentBack.bit() } else { 0 }
    }
}

/// Where an instruction may jump to.
fn target(op: Op) -> Option<Pc> {
    match op {
        Op::Goto(to) | Op::Branch { then: to, .. } => Some(to),
        Op::Nq { refused, .. } => refused,
        _ => None,
    }
}

/// Is the task in a fault handler while it holds a glock?
fn fault_under_glock(cluster: &Cluster, task: u8, next: &State) -> u64 {
    use glock_model::mode::Mode;
    use glock_model::task::Fault;
    let task = task as usize;
    let scenario = cluster.scenario();
    let node = &next.nodes[scenario.node_of(task)];
    let spec = &scenario.tasks[task];
    let in_handler = !matches!(node.tasks[task].fault, Fault::None | Fault::Begin);
    let holds = spec.op.is_io() && node.held(task, spec.file as usize) != Mode::Un;
    match in_handler && holds {
        true => Occurrence::FaultUnderGlock.bit(),
        false => 0,
    }
}

/// Does an operation under way still need one of these pages of user memory?
fn somebody_needs(cluster: &Cluster, state: &State, vpages: u8) -> bool {
    let scenario = cluster.scenario();
    scenario.tasks.iter().enumerate().any(|(t, spec)| {
        let task = &state.nodes[scenario.node_of(t)].tasks[t];
        let rest = spec.buffer.get(task.iter_pos as usize..).unwrap_or(&[]);
        task.status == Status::Running && rest.iter().any(|v| vpages >> v & 1 == 1)
    })
}

/// What could occur at all in this scenario under this design, as far as a look at the two can tell.
pub(crate) fn possible(cluster: &Cluster, what: Occurrence) -> bool {
    let (scenario, program) = (cluster.scenario(), cluster.program());
    let has = |wanted: fn(&Op) -> bool| program.code.iter().any(|instr| wanted(&instr.op));
    let dlm = scenario.lock == LockManager::Dlm;
    let does = |kinds: &[OpKind]| scenario.tasks.iter().any(|task| kinds.contains(&task.op));
    match what {
        Occurrence::TryFailed => has(|op| matches!(op, Op::Nq { flags, .. } if flags.is_try())),
        Occurrence::WentBack => (0..)
            .zip(&program.code)
            .any(|(pc, instr)| target(instr.op).is_some_and(|to| to <= pc)),
        Occurrence::FaultOff => {
            let fast = |op: &Op| matches!(op, Op::DioRw { flags, .. } if flags.has(DioFlags::FAST));
            has(|op| matches!(op, Op::PagefaultDisable | Op::IterNofault(true))) || has(fast)
        }
        Occurrence::GenuineBad => {
            does(&[OpKind::Munmap, OpKind::Mprotect])
                || scenario.vpages.iter().any(|v| match v.kind.backing() {
                    Some((file, page)) => page >= scenario.files[file as usize].pages,
                    None => v.kind == VpageKind::Bad,
                })
        }
        Occurrence::FaultInFellShort => has(|op| matches!(op, Op::FaultIn { .. })),
        Occurrence::FaultRetried => scenario.switches.fault_retry,
        Occurrence::Orphaned => {
            has(|op| matches!(op, Op::Pin { .. })) || scenario.switches.gup_window
        }
        Occurrence::Callback | Occurrence::ServerRefused | Occurrence::ConversionDeadlock => {
            dlm && scenario.nodes > 1
        }
        Occurrence::HoldExpired => dlm && scenario.hold_time,
        Occurrence::MmapLockWanted => does(&[OpKind::Mmap, OpKind::Munmap, OpKind::Mprotect]),
        Occurrence::Reclaimed => scenario.events.reclaim > 0,
        Occurrence::Shrunk => scenario.events.shrink > 0,
        Occurrence::Demanded => !scenario.events.demands.is_empty(),
        Occurrence::Appended => scenario.events.appends.iter().any(|&times| times > 0),
        Occurrence::Slept
        | Occurrence::FaultUnderGlock
        | Occurrence::Refused
        | Occurrence::EfaultReturned
        | Occurrence::PageLost
        | Occurrence::Demoted
        | Occurrence::Recursion => true,
    }
}

/// A line of a design.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLine {
    /// The design whose text it stands in: the one checked, or one it extends.
    pub design: String,
    /// Its number, from 1.
    pub line: u32,
    /// The function it stands in.
    pub function: String,
    /// Its text.
    pub text: String,
}

/// The lines that the scenario's operations can get to, whatever the conditions say, each with
/// whether it was executed. A line of a helper counts as executed if it was for one of its callers.
pub fn lines(cluster: &Cluster, coverage: &Coverage) -> BTreeMap<SourceLine, bool> {
    let program = cluster.program();
    let mut lines = BTreeMap::new();
    for pc in reachable(program, &entries(cluster.scenario())) {
        let line = program.line(pc);
        let line = SourceLine {
            design: program.sources[line.source as usize].design.clone(),
            line: line.number,
            function: line.function.clone(),
            text: line.text.clone(),
        };
        *lines.entry(line).or_insert(false) |= coverage.executed(pc);
    }
    lines
}

/// The functions that a scenario's operations can get to.
fn entries(scenario: &Scenario) -> BTreeSet<Entry> {
    let mut entries: BTreeSet<Entry> = scenario
        .tasks
        .iter()
        .filter_map(|task| entry_of(task.op))
        .collect();
    let mapped = |kind: VpageKind| kind.backing().is_some();
    let used = scenario
        .tasks
        .iter()
        .flat_map(|task| task.buffer.iter().map(move |v| (task.op, *v)));
    for (op, vpage) in used {
        let kind = scenario.vpages[vpage as usize].kind;
        if mapped(kind) && !matches!(op, OpKind::Mmap | OpKind::Munmap | OpKind::Mprotect) {
            entries.insert(Entry::Fault);
        }
        if matches!(kind, VpageKind::Shared { .. }) && op.fills_buffer() {
            entries.insert(Entry::PageMkwrite);
        }
    }
    if entries.contains(&Entry::BufferedWrite) {
        entries.extend([Entry::IomapBegin, Entry::IomapEnd]);
    }
    if entries.contains(&Entry::BufferedRead) {
        entries.insert(Entry::Readpage);
    }
    entries
}

/// The instructions that can be reached from these functions, whatever the conditions say.
fn reachable(program: &Program, entries: &BTreeSet<Entry>) -> BTreeSet<Pc> {
    let mut open: Vec<Pc> = entries.iter().filter_map(|&e| program.entry(e)).collect();
    let mut seen = BTreeSet::new();
    while let Some(pc) = open.pop() {
        let Some(instr) = program.code.get(pc as usize) else {
            continue;
        };
        if seen.insert(pc) {
            open.extend(target(instr.op));
            if !matches!(instr.op, Op::Goto(_) | Op::Return(_)) {
                open.push(pc + 1);
            }
        }
    }
    seen
}
