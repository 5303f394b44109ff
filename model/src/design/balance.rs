//! What is taken must be given back: walks all paths of an entry over sets of
//! possible values and looks for glocks, i_rwsem, pins, page locks and switches
//! that are left behind, taken twice or released untaken.
//!
//! Branches are decided where the values decide them, so a request that may be
//! refused and a later test of its result go together. Where two variables
//! depend on each other the walk cannot know, and a finding that rests on such a
//! path alone is a warning.

use super::graph;
use super::problem::{Problem, Rule, Span};
use super::statements::Scope;
use super::values::Values;
use crate::mode::Mode;
use crate::program::{
    Arith, Entry, Flag, MAX_VARS, Op, Operand, Pc, Place, Program, Target, Val, Var,
};
use std::collections::{BTreeMap, HashMap};

/// More situations than this are not looked at.
const MAX_STATES: usize = 50_000;
/// How many lines of a path are named.
const MAX_PATH: usize = 12;

/// A situation: a place in the code, and what may be known there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    pc: usize,
    vars: [Values; MAX_VARS],
    flags: Vec<Values>,
    /// Does this entry hold the file's glock?
    held: bool,
    /// May the holder be taken away here?
    weak: bool,
    /// May the system call below hold it? A set of 0 and 1.
    outer: Values,
    inode_locked: bool,
    faults_disabled: bool,
    nofault: bool,
    pinned: bool,
    page_locked: bool,
    /// Did the path pass a branch on values that may depend on each other?
    doubtful: bool,
}

/// Something wrong at an instruction; orders the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Finding {
    GlockKept,
    GlockTwice,
    GlockUntaken,
    AllowUntaken,
    DisallowUntaken,
    InodeKept,
    InodeTwice,
    InodeUntaken,
    FaultsDisabled,
    DisabledTwice,
    EnabledUntaken,
    NofaultKept,
    PinsKept,
    PageKept,
    PageMissing,
    PageUntaken,
    ReadUnlocked,
    NoFaultCode(Val),
    FaultCode(Val),
    Refusal,
}

struct Walk<'a> {
    program: &'a Program,
    entry: Entry,
    states: Vec<State>,
    /// Where each state came from.
    from: Vec<usize>,
    known: HashMap<State, usize>,
    /// Instruction and finding to the states that show it.
    findings: BTreeMap<(usize, Finding), Vec<usize>>,
    may_return_held: bool,
}

/// Checks all entries of a program.
pub(super) fn check(program: &Program, spans: &[Span], problems: &mut Vec<Problem>) {
    let mut begin_holds = false;
    for entry in Entry::ALL {
        let Some(start) = program.entry(entry) else {
            continue;
        };
        let held = entry == Entry::IomapEnd && begin_holds;
        let mut walk = Walk {
            program,
            entry,
            states: Vec::new(),
            from: Vec::new(),
            known: HashMap::new(),
            findings: BTreeMap::new(),
            may_return_held: false,
        };
        walk.run(start, held);
        if entry == Entry::Readpage && walk.may_return_held {
            // AOP_TRUNCATED_PAGE: it is called again.
            walk.run(start, true);
        }
        begin_holds |= entry == Entry::IomapBegin && walk.may_return_held;
        walk.report(spans, problems);
    }
}

impl Walk<'_> {
    fn run(&mut self, start: Pc, held: bool) {
        let flags = self
            .program
            .flags
            .iter()
            .map(|f| Values::up_to(f.max))
            .collect();
        let unknown = Values::up_to(1);
        let readpage = self.entry == Entry::Readpage;
        let nested = self.entry.is_nested() && !held && !readpage;
        let begin = self.states.len();
        self.reach(
            State {
                pc: start as usize,
                vars: [Values::ZERO; MAX_VARS],
                flags,
                held,
                weak: false,
                outer: if nested { unknown } else { Values::ZERO },
                inode_locked: false,
                faults_disabled: false,
                nofault: false,
                pinned: false,
                page_locked: readpage,
                doubtful: false,
            },
            begin,
        );
        let mut at = begin;
        while at < self.states.len() && self.states.len() < MAX_STATES {
            self.step(at);
            at += 1;
        }
        if at < self.states.len() {
            // Too many to be sure of anything.
            self.findings.clear();
        }
    }

    fn reach(&mut self, mut state: State, from: usize) {
        let live = self.program.code[state.pc].live;
        for (slot, values) in state.vars.iter_mut().enumerate() {
            if live >> slot & 1 == 0 {
                *values = Values::ZERO;
            }
        }
        if !self.known.contains_key(&state) {
            self.known.insert(state.clone(), self.states.len());
            self.states.push(state);
            self.from.push(from);
        }
    }

    fn find(&mut self, at: usize, finding: Finding) {
        let pc = self.states[at].pc;
        self.findings.entry((pc, finding)).or_default().push(at);
    }

    fn step(&mut self, at: usize) {
        let state = self.states[at].clone();
        let mut next = State {
            pc: state.pc + 1,
            ..state.clone()
        };
        match self.program.code[state.pc].op {
            Op::Nq {
                flags, to, refused, ..
            } => {
                if state.held {
                    return self.find(at, Finding::GlockTwice);
                }
                if flags.is_try() {
                    let mut failed = next.clone();
                    failed.pc = refused.map_or(failed.pc, usize::from);
                    failed.set(to, Values::one(Val::TRYFAILED));
                    self.reach(failed, at);
                }
                next.held = true;
                next.set(to, Values::ZERO);
                self.reach(next, at);
            }
            Op::Branch { a, cmp, b, then } => {
                let (left, right) = (self.values(&state, a), self.values(&state, b));
                let both = [true, false].map(|wanted| left.compare(cmp, right, wanted));
                let doubtful =
                    both.iter().all(Option::is_some) && !left.is_single() && !right.is_single();
                for (outcome, pc) in both.into_iter().zip([then as usize, state.pc + 1]) {
                    let Some((left, right)) = outcome else {
                        continue;
                    };
                    let mut next = State {
                        pc,
                        ..state.clone()
                    };
                    next.doubtful |= doubtful;
                    self.restrict(&mut next, a, left);
                    self.restrict(&mut next, b, right);
                    self.reach(next, at);
                }
            }
            Op::Goto(pc) => {
                next.pc = pc as usize;
                self.reach(next, at);
            }
            Op::Return(a) => self.leave(at, &state, a),
            op => {
                if let Some(finding) = self.misuse(&state, &op) {
                    return self.find(at, finding);
                }
                for next in self.results(&state, next, &op) {
                    self.reach(next, at);
                }
            }
        }
    }

    /// Released untaken, or taken twice.
    fn misuse(&self, state: &State, op: &Op) -> Option<Finding> {
        match op {
            Op::Dq if !state.held || state.weak => Some(Finding::GlockUntaken),
            Op::AllowDemote if !state.held || state.weak => Some(Finding::AllowUntaken),
            Op::DisallowDemote if !state.weak => Some(Finding::DisallowUntaken),
            Op::InodeLock if state.inode_locked => Some(Finding::InodeTwice),
            Op::InodeUnlock if !state.inode_locked => Some(Finding::InodeUntaken),
            Op::PagefaultDisable if state.faults_disabled => Some(Finding::DisabledTwice),
            Op::PagefaultEnable if !state.faults_disabled => Some(Finding::EnabledUntaken),
            Op::UnlockPage if !state.page_locked => Some(Finding::PageUntaken),
            Op::MpageReadpage if !state.page_locked => Some(Finding::ReadUnlocked),
            _ => None,
        }
    }

    /// What an instruction may lead to, result by result.
    fn results(&self, state: &State, mut next: State, op: &Op) -> Vec<State> {
        if op.is_builtin() {
            self.forget_task_flags(&mut next);
        }
        let one = Values::one;
        let moved = Values::SIZES.or(one(Val::EFAULT)).or(one(Val::EBUSY));
        let result = match *op {
            Op::Dq => {
                next.held = false;
                return vec![next];
            }
            Op::AllowDemote => {
                next.weak = true;
                return vec![next];
            }
            Op::DisallowDemote => {
                next.weak = false;
                let lost = State {
                    held: false,
                    ..next.clone()
                };
                return vec![next, lost];
            }
            Op::InodeLock | Op::InodeUnlock => {
                next.inode_locked = *op == Op::InodeLock;
                return vec![next];
            }
            Op::PagefaultDisable | Op::PagefaultEnable => {
                next.faults_disabled = *op == Op::PagefaultDisable;
                return vec![next];
            }
            Op::IterNofault(on) => {
                next.nofault = on;
                return vec![next];
            }
            Op::IterMapped | Op::WriteChecks => return vec![next],
            Op::Unpin => {
                next.pinned = false;
                return vec![next];
            }
            Op::UnlockPage | Op::MpageReadpage => {
                next.page_locked = false;
                return vec![next];
            }
            Op::Assign { to, a, op } => {
                self.assign(state, &mut next, to, a, op);
                return vec![next];
            }
            Op::SetFlag { flag, a, op } => {
                self.set_flag(state, &mut next, flag, a, op);
                return vec![next];
            }
            Op::DioRw { .. } => moved.or(one(Val::ENOTBLK)).or(one(Val::EIOCBQUEUED)),
            Op::ReadIter { .. } => moved.or(one(Val::EAGAIN)),
            Op::FaultIn { .. } => Values::SIZES,
            Op::FaultInReadable { .. } => Values::ZERO.or(one(Val::EFAULT)),
            Op::Pin { .. } => return pinned_or_not(next, op),
            Op::FilemapFault { .. } => return locked_or_not(next, op, &[Val::RETRY, Val::SIGBUS]),
            Op::DirtyPage { .. } => return locked_or_not(next, op, &[Val::NOPAGE]),
            _ => moved,
        };
        next.set(graph::sets(op), result);
        vec![next]
    }

    /// Fault handlers run on top of a transfer and may set the task's flags.
    fn forget_task_flags(&self, state: &mut State) {
        for (values, decl) in state.flags.iter_mut().zip(&self.program.flags) {
            *values = Values::up_to(decl.max);
        }
    }

    fn assign(
        &self,
        state: &State,
        next: &mut State,
        to: Target,
        a: Operand,
        op: Option<(Arith, Operand)>,
    ) {
        let Target::Var(to) = to else { return };
        let values = self.combined(state, a, op);
        next.doubtful |= self.loses_track(state, next.pc, Some(to), a, op);
        next.set(Some(to), values);
    }

    fn set_flag(
        &self,
        state: &State,
        next: &mut State,
        flag: Flag,
        a: Operand,
        op: Option<(Arith, Operand)>,
    ) {
        let max = Values::up_to(self.program.flags[flag.0 as usize].max);
        let values = self.combined(state, a, op);
        let over = !values.without(max).is_empty();
        let top = Values::one(Val::size(self.program.flags[flag.0 as usize].max));
        next.doubtful |= self.loses_track(state, next.pc, None, a, op);
        next.flags[flag.0 as usize] = if over {
            values.and(max).or(top)
        } else {
            values
        };
    }

    fn combined(&self, state: &State, a: Operand, op: Option<(Arith, Operand)>) -> Values {
        let a = self.values(state, a);
        match op {
            None => a,
            Some((op, b)) => a.combine(op, self.values(state, b)),
        }
    }

    /// Does the new value depend on a variable that is still used, so that tests
    /// of the two belong together?
    fn loses_track(
        &self,
        state: &State,
        next: usize,
        to: Option<Var>,
        a: Operand,
        op: Option<(Arith, Operand)>,
    ) -> bool {
        let live = self.program.code[next].live;
        let lost = |operand: Operand| match operand {
            Operand::Var(var) => {
                Some(var) != to && live >> var.0 & 1 == 1 && !state.vars[var.0 as usize].is_single()
            }
            _ => false,
        };
        lost(a) || op.is_some_and(|(_, b)| lost(b))
    }

    fn is_shared(&self, flag: Flag) -> bool {
        matches!(
            self.program.flags[flag.0 as usize].place,
            Place::File | Place::Inode
        )
    }

    fn values(&self, state: &State, operand: Operand) -> Values {
        match operand {
            Operand::Const(val) => Values::one(val),
            Operand::Var(var) => state.vars[var.0 as usize],
            // Others may change it at any time.
            Operand::Flag(flag) if self.is_shared(flag) => {
                Values::up_to(self.program.flags[flag.0 as usize].max)
            }
            Operand::Flag(flag) => state.flags[flag.0 as usize],
            Operand::IterCount | Operand::IterPos => Values::SIZES,
            Operand::LockedByMe if state.weak => Values::ZERO,
            Operand::LockedByMe if state.held => Values::one(Val::ONE),
            Operand::LockedByMe => state.outer,
            Operand::Held => held_modes(state),
            Operand::HolderQueued if state.weak => Values::up_to(1),
            Operand::HolderQueued => Values::one(Val::size(u8::from(state.held))),
            Operand::IocbAppend => Values::up_to(1),
            Operand::PagefaultDisabled if self.entry.is_nested() => Values::up_to(1),
            Operand::PagefaultDisabled => Values::one(Val::size(u8::from(state.faults_disabled))),
        }
    }

    fn restrict(&self, state: &mut State, operand: Operand, values: Values) {
        match operand {
            Operand::Var(var) => state.vars[var.0 as usize] = values,
            Operand::Flag(flag) if !self.is_shared(flag) => state.flags[flag.0 as usize] = values,
            Operand::LockedByMe if !state.held => state.outer = values,
            Operand::Held if !state.held => {
                let free = Values::one(Val::mode(Mode::Un));
                if values.and(free).is_empty() {
                    state.outer = Values::one(Val::ONE);
                } else if values == free {
                    state.outer = Values::ZERO;
                }
            }
            _ => {}
        }
    }

    /// What is wrong when the entry returns in this state.
    fn leave(&mut self, at: usize, state: &State, a: Operand) {
        let values = self.values(state, a);
        let handler = Scope::Faults.allows(self.entry);
        let readpage = self.entry == Entry::Readpage;
        let truncated = Values::one(Val::TRUNCATED);
        let others_drop_it = match self.entry {
            Entry::IomapBegin => self.program.entry(Entry::IomapEnd).is_some(),
            Entry::Readpage => values == truncated,
            _ => false,
        };
        if state.held && others_drop_it {
            self.may_return_held = true;
        } else if state.held {
            self.find(at, Finding::GlockKept);
        }
        let kept = [
            (state.inode_locked, Finding::InodeKept),
            (state.faults_disabled, Finding::FaultsDisabled),
            (state.nofault, Finding::NofaultKept),
            (state.pinned, Finding::PinsKept),
            (
                state.page_locked && (readpage || handler && !values.has(Val::LOCKED)),
                Finding::PageKept,
            ),
            (
                !state.page_locked && handler && values.has(Val::LOCKED),
                Finding::PageMissing,
            ),
        ];
        for (_, finding) in kept.into_iter().filter(|(wrong, _)| *wrong) {
            self.find(at, finding);
        }
        let wrong = if handler {
            values.without(Values::FAULT_CODES)
        } else {
            let wrong = Values::FAULT_CODES.or(modes());
            values.and(if readpage { wrong } else { wrong.or(truncated) })
        };
        if let Some(val) = wrong.iter().next() {
            let finding = if handler {
                Finding::NoFaultCode(val)
            } else {
                Finding::FaultCode(val)
            };
            self.find(at, finding);
        } else if values.has(Val::TRYFAILED) {
            self.find(at, Finding::Refusal);
        }
    }

    // Reports

    fn report(&self, spans: &[Span], problems: &mut Vec<Problem>) {
        for (&(pc, finding), shown_by) in &self.findings {
            let all = self.states.iter().filter(|s| s.pc == pc).count() == shown_by.len();
            let sure = shown_by.iter().find(|&&at| !self.states[at].doubtful);
            let Some(&example) = sure.or(shown_by.first()) else {
                continue;
            };
            let line = self.program.code[pc].line as usize;
            let (message, label, help) = self.describe(finding);
            let path = self.path(example);
            let mut problem = Problem::new(finding.rule(), spans[line].clone(), message)
                .label(label)
                .help(format!(
                    "{help}\nlines on the way: {}",
                    self.path_text(&path)
                ))
                .in_source(self.program.lines[line].source as usize);
            if let Some((taken, label)) = self.taken(&path, finding)
                && self.program.lines[taken].source == self.program.lines[line].source
                && taken != line
            {
                problem = problem.also(spans[taken].clone(), label);
            }
            let certain = (sure.is_some() || all) && finding != Finding::Refusal;
            problems.push(if certain { problem } else { problem.warning() });
        }
    }

    /// The instructions that lead to a state, itself included.
    fn path(&self, state: usize) -> Vec<usize> {
        let mut path = vec![self.states[state].pc];
        let mut at = state;
        while at != self.from[at] {
            at = self.from[at];
            path.push(self.states[at].pc);
        }
        path.reverse();
        path
    }

    fn path_text(&self, path: &[usize]) -> String {
        let mut names: Vec<String> = Vec::new();
        for &pc in path {
            let line = self.program.line(pc as Pc);
            let name = match line.source {
                0 => line.number.to_string(),
                source => format!(
                    "{}:{}",
                    self.program.sources[source as usize].file, line.number
                ),
            };
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        let cut = names.len().saturating_sub(MAX_PATH);
        let dots = if cut > 0 { "…, " } else { "" };
        format!("{dots}{}", names[cut..].join(", "))
    }

    /// The line on the path where the thing was taken or given back.
    fn taken(&self, path: &[usize], finding: Finding) -> Option<(usize, &'static str)> {
        let (before, label): (fn(&Op) -> bool, _) = match finding {
            Finding::GlockKept | Finding::GlockTwice => {
                (|op| matches!(op, Op::Nq { .. }), "taken here")
            }
            Finding::GlockUntaken => (
                |op| matches!(op, Op::Dq | Op::AllowDemote),
                "given back here",
            ),
            Finding::AllowUntaken | Finding::DisallowUntaken => {
                (|op| matches!(op, Op::AllowDemote), "allowed here")
            }
            Finding::InodeKept | Finding::InodeTwice => {
                (|op| matches!(op, Op::InodeLock), "taken here")
            }
            Finding::InodeUntaken => (|op| matches!(op, Op::InodeUnlock), "given back here"),
            Finding::FaultsDisabled | Finding::DisabledTwice => {
                (|op| matches!(op, Op::PagefaultDisable), "disabled here")
            }
            Finding::EnabledUntaken => (|op| matches!(op, Op::PagefaultEnable), "enabled here"),
            Finding::NofaultKept => (|op| matches!(op, Op::IterNofault(true)), "set here"),
            Finding::PinsKept => (|op| matches!(op, Op::Pin { .. }), "pinned here"),
            Finding::PageKept => (
                |op| matches!(op, Op::FilemapFault { .. } | Op::DirtyPage { .. }),
                "locked here",
            ),
            _ => return None,
        };
        let (_, earlier) = path.split_last()?;
        let pc = earlier
            .iter()
            .rev()
            .find(|&&pc| before(&self.program.code[pc].op))?;
        let op = self.program.code[*pc].op;
        let lost = finding == Finding::GlockUntaken && op == Op::AllowDemote;
        let label = if lost {
            "may be lost from here on"
        } else {
            label
        };
        Some((self.program.code[*pc].line as usize, label))
    }

    /// Message, label and help.
    fn describe(&self, finding: Finding) -> (String, String, String) {
        let entry = self.entry.name();
        let (message, label, help): (String, &str, String) = match finding {
            Finding::GlockKept => (
                format!("`{entry}` can return with the glock held"),
                "gfs2_glock_dq is missing on the way here",
                match self.entry {
                    Entry::IomapBegin => "write `gfs2_glock_dq file` in `iomap_end`".into(),
                    _ => "write `gfs2_glock_dq file` before it returns".into(),
                },
            ),
            Finding::GlockTwice => (
                "the glock is taken a second time".into(),
                "the task already holds it: the BUG of rule Q4",
                "release it first with `gfs2_glock_dq file`".into(),
            ),
            Finding::GlockUntaken => (
                "gfs2_glock_dq of a glock that is not held".into(),
                "not held on some way here",
                "guard it: `if gfs2_glock_is_locked_by_me file gfs2_glock_dq file`".into(),
            ),
            Finding::AllowUntaken => (
                "gfs2_holder_allow_demote of a glock that is not held, or once more".into(),
                "no strong holder on some way here",
                "take the glock first, and allow demotion once".into(),
            ),
            Finding::DisallowUntaken => (
                "gfs2_holder_disallow_demote without gfs2_holder_allow_demote".into(),
                "demotion is not allowed on some way here",
                "write `gfs2_holder_allow_demote file` before it".into(),
            ),
            Finding::InodeKept => (
                format!("`{entry}` can return with the inode locked"),
                "inode_unlock is missing on the way here",
                "write `inode_unlock file` before it returns".into(),
            ),
            Finding::InodeTwice => (
                "the inode is locked a second time".into(),
                "the task would wait for itself",
                "unlock it first with `inode_unlock file`".into(),
            ),
            Finding::InodeUntaken => (
                "inode_unlock of an inode that is not locked".into(),
                "not locked on some way here",
                "lock it first with `inode_lock file`".into(),
            ),
            Finding::FaultsDisabled => (
                format!("`{entry}` can return with page faults disabled"),
                "pagefault_enable is missing on the way here",
                "write `pagefault_enable` before it returns".into(),
            ),
            Finding::DisabledTwice => (
                "page faults are disabled a second time".into(),
                "they still are",
                "write `pagefault_enable` first".into(),
            ),
            Finding::EnabledUntaken => (
                "pagefault_enable without pagefault_disable".into(),
                "faults are enabled on some way here",
                "write `pagefault_disable` before it".into(),
            ),
            Finding::NofaultKept => (
                format!("`{entry}` can return with iter.nofault set"),
                "it is still 1 on some way here",
                "write `iter.nofault = 0` before it returns".into(),
            ),
            Finding::PinsKept => (
                format!("`{entry}` can return with pages pinned"),
                "unpin_user_pages is missing on the way here",
                "write `unpin_user_pages iter` before it returns".into(),
            ),
            Finding::PageKept => (
                format!("`{entry}` can return with the page locked, and does not say so"),
                "the page stays locked for ever",
                match self.entry {
                    Entry::Readpage => "write `mpage_readpage file` or `unlock_page` first".into(),
                    _ => "return the VM_FAULT_LOCKED it got, or write `unlock_page` first".into(),
                },
            ),
            Finding::PageMissing => (
                format!("`{entry}` can return VM_FAULT_LOCKED without a locked page"),
                "no page is locked on some way here",
                "return what `filemap_fault` or `set_page_dirty_if_mapped` returned".into(),
            ),
            Finding::PageUntaken => (
                "unlock_page without a locked page".into(),
                "no page is locked on some way here",
                "test the result first: only VM_FAULT_LOCKED comes with a locked page".into(),
            ),
            Finding::ReadUnlocked => (
                "mpage_readpage without a locked page".into(),
                "unlocked or read in already on some way here",
                "return AOP_TRUNCATED_PAGE: then the page is looked up again".into(),
            ),
            Finding::NoFaultCode(val) => (
                format!("`{entry}` can return {val}"),
                "not an answer of a fault handler",
                "return VM_FAULT_LOCKED, VM_FAULT_NOPAGE, VM_FAULT_RETRY or VM_FAULT_SIGBUS".into(),
            ),
            Finding::FaultCode(val) => (
                format!("`{entry}` can return {val}"),
                "neither pages nor an error",
                "return a number of pages or an error such as -EFAULT".into(),
            ),
            Finding::Refusal => (
                format!("`{entry}` can return GLR_TRYFAILED"),
                "a caller takes it for 13 bytes",
                "test for it, and return an error or 0".into(),
            ),
        };
        (message, label.to_string(), help)
    }
}

impl Finding {
    fn rule(self) -> Rule {
        match self {
            Finding::GlockKept
            | Finding::GlockTwice
            | Finding::GlockUntaken
            | Finding::AllowUntaken
            | Finding::DisallowUntaken => Rule::Glock,
            Finding::InodeKept | Finding::InodeTwice | Finding::InodeUntaken => Rule::InodeLock,
            Finding::FaultsDisabled
            | Finding::DisabledTwice
            | Finding::EnabledUntaken
            | Finding::NofaultKept => Rule::Pagefault,
            Finding::PinsKept => Rule::Pins,
            Finding::PageKept
            | Finding::PageMissing
            | Finding::PageUntaken
            | Finding::ReadUnlocked => Rule::PageLock,
            Finding::NoFaultCode(_) | Finding::FaultCode(_) | Finding::Refusal => Rule::Result,
        }
    }
}

impl State {
    fn set(&mut self, var: Option<Var>, values: Values) {
        if let Some(var) = var {
            self.vars[var.0 as usize] = values;
        }
    }
}

fn modes() -> Values {
    Mode::ALL
        .into_iter()
        .fold(Values::ZERO.without(Values::ZERO), |all, m| {
            all.or(Values::one(Val::mode(m)))
        })
}

fn held_modes(state: &State) -> Values {
    let free = Values::one(Val::mode(Mode::Un));
    if state.weak {
        return free;
    }
    if state.held || state.outer == Values::one(Val::ONE) {
        modes().without(free)
    } else if state.outer == Values::ZERO {
        free
    } else {
        modes()
    }
}

fn pinned_or_not(next: State, op: &Op) -> Vec<State> {
    let mut pinned = State {
        pinned: true,
        ..next.clone()
    };
    pinned.set(graph::sets(op), Values::SIZES.without(Values::ZERO));
    let mut none = next;
    none.set(graph::sets(op), Values::ZERO.or(Values::one(Val::EFAULT)));
    vec![pinned, none]
}

fn locked_or_not(next: State, op: &Op, otherwise: &[Val]) -> Vec<State> {
    let mut locked = State {
        page_locked: true,
        ..next.clone()
    };
    locked.set(graph::sets(op), Values::one(Val::LOCKED));
    let answer = |&val: &Val| {
        let mut not = next.clone();
        not.set(graph::sets(op), Values::one(val));
        not
    };
    otherwise.iter().map(answer).chain([locked]).collect()
}
