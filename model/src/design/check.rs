//! Checks on the compiled code of a whole design: flags, counters, loops that
//! spin, refusals that are ignored, and what [`balance`] finds.

use super::balance;
use super::graph;
use super::lower::{Lines, Lowered};
use super::problem::{Problem, Rule, Span};
use super::unit::Unit;
use crate::program::{Arith, MayGrant, Op, Operand, Pc, Program, Target, Val, Var};

/// Everything that needs the whole program.
pub(super) fn check(unit: &Unit, program: &Program, spans: &[Span], problems: &mut Vec<Problem>) {
    let check = Check {
        unit,
        program,
        spans,
    };
    let ops: Vec<Op> = program.code.iter().map(|instr| instr.op).collect();
    problems.extend(check.flags());
    problems.extend(check.counters(&ops));
    problems.extend(check.ignored_refusals());
    problems.extend(check.too_early_for_weak_holders());
    problems.extend(check.spin(&ops));
    balance::check(program, spans, problems);
}

/// Variables that may be read before they are set: at the start of an entry
/// nothing may be live.
pub(super) fn unset(lowered: &Lowered, lines: &Lines, problems: &mut Vec<Problem>) {
    let ops: Vec<Op> = lowered.code.iter().map(|raw| raw.op).collect();
    let live = graph::live(&ops);
    for var in live.first().into_iter().flat_map(|set| set.iter()) {
        let Some(pc) = first_read(&ops, var) else {
            continue;
        };
        let line = lowered.code[pc].line as usize;
        let name = &lowered.names[var.0 as usize];
        let message = format!("`{name}` may be read before it is set");
        problems.push(
            Problem::new(Rule::Variable, lines.spans[line].clone(), message)
                .label("not set on some way here")
                .help(format!("set it first: `{name} = 0`"))
                .in_source(lines.lines[line].source as usize),
        );
    }
}

/// The first instruction that reads `var` on a way on which nothing set it.
fn first_read(ops: &[Op], var: Var) -> Option<usize> {
    let mut seen = vec![false; ops.len()];
    let mut work = std::collections::VecDeque::from([0]);
    while let Some(pc) = work.pop_front() {
        if pc >= ops.len() || std::mem::replace(&mut seen[pc], true) {
            continue;
        }
        if graph::uses(&ops[pc]).any(|v| v == var) {
            return Some(pc);
        }
        if graph::sets(&ops[pc]) != Some(var) {
            work.extend(graph::successors(pc, &ops[pc]));
        }
    }
    None
}

struct Check<'a> {
    unit: &'a Unit,
    program: &'a Program,
    spans: &'a [Span],
}

impl Check<'_> {
    fn problem(&self, rule: Rule, pc: usize, message: String) -> Problem {
        let line = self.program.code[pc].line as usize;
        Problem::new(rule, self.spans[line].clone(), message)
            .in_source(self.program.lines[line].source as usize)
    }

    /// Set and never read, or read and never set.
    fn flags(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, (decl, _, _)) in self.unit.flags.iter().enumerate() {
            let is_it = |f: crate::program::Flag| f.0 as usize == index;
            let read = self.find(|op| {
                let own = matches!(op, Op::SetFlag { flag, .. } if is_it(*flag));
                !own && graph::operands(op).any(|o| matches!(o, Operand::Flag(f) if is_it(f)))
            });
            let set = self.find(|op| match op {
                Op::SetFlag { flag, a, op } if is_it(*flag) => {
                    *a != Operand::Const(Val::ZERO) || op.is_some()
                }
                _ => false,
            });
            let name = &decl.name;
            match (set, read) {
                (Some(pc), None) => problems.push(
                    self.problem(Rule::Flag, pc, format!("`{name}` is set but never read"))
                        .label("set here")
                        .help(format!("test it with `if {name} …`, or remove it")),
                ),
                (None, Some(pc)) => problems.push(
                    self.problem(Rule::Flag, pc, format!("`{name}` is read but never set"))
                        .label("always 0 here")
                        .help(format!("set it somewhere with `{name} = 1`, or remove it")),
                ),
                _ => {}
            }
        }
        problems
    }

    fn find(&self, is: impl Fn(&Op) -> bool) -> Option<usize> {
        self.program.code.iter().position(|instr| is(&instr.op))
    }

    /// `tries += 1` in a loop, on something without a bound.
    fn counters(&self, ops: &[Op]) -> Vec<Problem> {
        let counts = |op: &Op| match *op {
            Op::Assign {
                to: Target::Var(to),
                a: Operand::Var(a),
                op: Some((Arith::Add, Operand::Const(by))),
            } => to == a && by != Val::ZERO,
            _ => false,
        };
        (0..ops.len())
            .filter(|&pc| counts(&ops[pc]) && graph::is_in_loop(ops, pc))
            .map(|pc| {
                let text = &self.program.line(pc as Pc).text;
                let name = counter_name(text);
                self.problem(
                    Rule::Counter,
                    pc,
                    format!("`{name}` counts without a bound"),
                )
                .label("grows in a loop")
                .help(format!(
                    "declare it above the first function: `task counter {name} max 3`"
                ))
            })
            .collect()
    }

    /// A TRY request whose result nobody looks at.
    fn ignored_refusals(&self) -> Vec<Problem> {
        let code = &self.program.code;
        let ignored = |pc: usize| match code[pc].op {
            Op::Nq {
                flags,
                to: Some(to),
                refused: None,
                ..
            } => {
                flags.is_try()
                    && code
                        .get(pc + 1)
                        .is_none_or(|next| next.live >> to.0 & 1 == 0)
            }
            _ => false,
        };
        (0..code.len())
            .filter(|&pc| ignored(pc))
            .map(|pc| {
                let message = "the refusal of this TRY request is ignored".to_string();
                self.problem(Rule::TryIgnored, pc, message)
                    .label("its result is never tested")
                    .help("test it: `if ret == GLR_TRYFAILED goto …`, or add `else LABEL`")
            })
            .collect()
    }

    /// Weak holders under the grants of a kernel that had none.
    fn too_early_for_weak_holders(&self) -> Option<Problem> {
        let pc = self.find(|op| *op == Op::AllowDemote)?;
        (self.program.kernel.may_grant == MayGrant::V512).then(|| {
            let message = "there are no weak holders under the grants of v5.12".to_string();
            self.problem(Rule::Header, pc, message)
                .label("came with v5.16")
                .help("write `kernel v5.16` above the first function")
        })
    }

    /// A loop of purely local statements.
    fn spin(&self, ops: &[Op]) -> Option<Problem> {
        let local: Vec<bool> = (0..ops.len())
            .map(|pc| self.program.is_local(pc as Pc))
            .collect();
        let pc = graph::cycle_within(ops, &local)?;
        let message = "this loop spins without any kernel operation".to_string();
        Some(
            self.problem(Rule::Spin, pc, message)
                .label("first statement of the loop")
                .help("nothing it tests can change: put a kernel operation into it, or leave it"),
        )
    }
}

/// The variable a line counts: the word before `+=` or `=`.
fn counter_name(text: &str) -> &str {
    let before = text.split("+=").next().unwrap_or(text);
    let before = before.split(" = ").next().unwrap_or(before).trim_end();
    before.rsplit(' ').next().unwrap_or(before)
}
