//! The language designs are written in.
//!
//! A design is a locking protocol as text: the gfs2 functions that matter for
//! page faults, in statements that are kernel operations. It reads side by side
//! with the kernel function it abstracts:
//!
//! ```text
//! direct_read(file, iter):                /* gfs2_file_direct_read */
//! restart:
//!         gfs2_glock_nq file DF
//!         restart_hack = 0
//!         ret = iomap_dio_rw file iter
//!         gfs2_glock_dq file
//!         if ret == -EFAULT and restart_hack goto restart
//!         return ret
//! ```
//!
//! A file starts with `design NAME`; header lines and declarations follow, then
//! functions. `extends` takes over another design, and what is written out
//! replaces what is inherited. [`statements`] lists the vocabulary. Comments are
//! `/* … */`, `// …` and `# …`; indentation has no meaning.
//!
//! [`compile`] turns the text into a [`Program`]: helpers are expanded in place,
//! and variables get slots. It refuses what cannot be meant: a path that falls
//! off the end, a TRY request whose refusal is ignored, a glock that is taken
//! and not released. Each [`Problem`] knows its place and what to write instead.
//!
//! A complete design, and one with a mistake:
//!
//! ```
//! use glock_model::design::{self, Library, source_from_bytes};
//! use glock_model::program::Entry;
//!
//! let text = "
//! design polite
//!   extends base
//!   \"The fault handler does not wait; the access is repeated.\"
//!
//! fault(file):
//!         gfs2_glock_nq file SH try else refused
//!         ret = filemap_fault file
//!         gfs2_glock_dq file
//!         return ret
//! refused:
//!         return VM_FAULT_NOPAGE
//! ";
//! let source = source_from_bytes("polite.design", text.as_bytes()).unwrap();
//! let program = design::compile(&source, &Library::builtin()).unwrap().program;
//! let fault = program.entry(Entry::Fault).unwrap();
//! assert_eq!(program.line(fault).number, 7);
//!
//! let text = text.replace("else refused", "else refuse");
//! let source = source_from_bytes("polite.design", text.as_bytes()).unwrap();
//! let error = design::compile(&source, &Library::builtin()).unwrap_err();
//! assert_eq!(error.problems[0].position(), (7, 40));
//! assert_eq!(error.problems[0].suggestion(), Some("did you mean `refused`?"));
//! ```

mod ast;
mod balance;
mod check;
mod flow;
pub(crate) mod graph;
mod lex;
mod library;
mod listing;
mod lower;
mod parse;
mod problem;
mod slots;
mod statements;
mod unit;
mod values;

pub use library::{DIFFERENT, DISCUSSED, Library, MAX_FILE, compile, read, source_from_bytes};
pub use problem::{DesignError, MAX_PROBLEMS, Problem, Rule, Span};
pub use statements::{Group, Statement, statements};

use crate::program::{Entry, FlagDecl, Instr, MAX_FLAGS, Op, Operand, Pc, Program};
use ast::{Call, Cond, Expr, Node, Stmt};
use lower::{Lines, Lowered, MAX_CODE};
use slots::SlotNames;
use statements::{KEYWORDS, Kernel};
use std::collections::HashSet;
use unit::Unit;

/// A design that could be compiled.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What the model executes.
    pub program: Program,
    /// What looks like a mistake and need not be one.
    pub warnings: Vec<Problem>,
    /// Where the design comes from: its `source` lines.
    pub origins: Vec<String>,
}

/// The later stages: from the syntax trees to a program.
fn build(unit: Unit, problems: &mut Vec<Problem>) -> Option<Compiled> {
    for (source, function) in unit.functions() {
        let before = problems.len();
        flow::check(function, problems);
        calls(&unit, function, problems);
        problems[before..]
            .iter_mut()
            .for_each(|p| p.source = source);
    }
    missing_entries(&unit, problems);
    let mut lines = Lines::default();
    let lowered: Vec<(Entry, Lowered)> = Entry::ALL
        .into_iter()
        .filter_map(|entry| Some((entry, lower::lower(&unit, entry, &mut lines, problems)?)))
        .collect();
    if problems.iter().any(Problem::is_error) {
        return None;
    }
    let program = assemble(&unit, lowered, &lines, problems)?;
    check::check(&unit, &program, &lines.spans, problems);
    unused(&unit, &program, problems);
    let origins = unit.designs[0].origins.clone();
    Some(Compiled {
        program: without_unused_flags(program),
        warnings: Vec::new(),
        origins,
    })
}

/// Every call must name a kernel operation or a function of the design.
fn calls(unit: &Unit, function: &ast::Function, problems: &mut Vec<Problem>) {
    for call in function.body.iter().flat_map(|line| calls_in(&line.node)) {
        let name = call.name.text.as_str();
        let is_known = Kernel::named(name).is_some() || unit.function(name).is_some();
        if is_known || problems.len() >= MAX_PROBLEMS {
            continue;
        }
        let known = Kernel::ALL.iter().map(|k| k.name());
        let words = ["if", "goto", "return"];
        let functions: Vec<&str> = unit
            .functions()
            .map(|(_, f)| f.name.text.as_str())
            .collect();
        let known = known.chain(words).chain(functions);
        let otherwise = if KEYWORDS.contains(&name) {
            format!("`{name}` does not start a statement")
        } else {
            format!("write a function `{name}(...):`, or see `glock explain` for all statements")
        };
        problems.push(
            Problem::new(
                Rule::UnknownStatement,
                call.name.span.clone(),
                format!("unknown statement `{name}`"),
            )
            .label("neither a kernel operation nor a function of this design")
            .help(parse::suggestion(name, known, &otherwise)),
        );
    }
}

fn calls_in(node: &Node) -> Vec<&Call> {
    fn in_cond<'a>(cond: &'a Cond, calls: &mut Vec<&'a Call>) {
        match cond {
            Cond::Call(call) => calls.push(call),
            Cond::Not(inner) => in_cond(inner, calls),
            Cond::And(parts) | Cond::Or(parts) => parts.iter().for_each(|p| in_cond(p, calls)),
            Cond::Compare(..) | Cond::Truth(_) => {}
        }
    }
    let mut calls = Vec::new();
    let stmt = match node {
        Node::Label(_) => return calls,
        Node::Do(stmt) => stmt,
        Node::If(cond, stmt) => {
            in_cond(cond, &mut calls);
            stmt
        }
    };
    match stmt {
        Stmt::Call(call)
        | Stmt::Set(_, _, Expr::Call(call))
        | Stmt::Return(Some(Expr::Call(call))) => {
            calls.push(call);
        }
        _ => {}
    }
    calls
}

fn missing_entries(unit: &Unit, problems: &mut Vec<Problem>) {
    let missing: Vec<&str> = Entry::ALL
        .into_iter()
        .filter(|entry| !entry.is_optional() && unit.function(entry.name()).is_none())
        .map(Entry::name)
        .collect();
    if missing.is_empty() {
        return;
    }
    let span = unit.designs[0]
        .name
        .as_ref()
        .map_or(0..0, |n| n.span.clone());
    let s = if missing.len() == 1 { "y" } else { "ies" };
    let message = format!("missing entr{s} {}", missing.join(", "));
    let help = format!("write `{}(...):`, or add `extends base`", missing[0]);
    problems.push(
        Problem::new(Rule::Entry, span, message)
            .label("this design")
            .help(help),
    );
}

/// Puts the entries behind one another.
fn assemble(
    unit: &Unit,
    lowered: Vec<(Entry, Lowered)>,
    lines: &Lines,
    problems: &mut Vec<Problem>,
) -> Option<Program> {
    let mut program = Program {
        name: unit.sources[0].design.clone(),
        extends: unit.sources[1..].iter().map(|s| s.design.clone()).collect(),
        description: unit.designs[0].description.join(" "),
        kernel: unit.kernel(),
        flags: unit.flags.iter().map(|(flag, _, _)| flag.clone()).collect(),
        admits_short: unit.admits_short(),
        weak_holders: false,
        sources: unit.sources.clone(),
        lines: lines.lines.clone(),
        code: Vec::new(),
        entries: [None; Entry::ALL.len()],
        var_names: Vec::new(),
        nested_var_names: Vec::new(),
    };
    let mut names = [SlotNames::new(), SlotNames::new()];
    for (entry, mut lowered) in lowered {
        check::unset(&lowered, lines, problems);
        let names = &mut names[usize::from(entry.is_nested())];
        let (source, function) = unit.function(entry.name())?;
        let report = |message: String, help: &str| {
            Problem::new(Rule::TooLarge, function.name.span.clone(), message)
                .help(help)
                .in_source(source)
        };
        let live = match slots::share(&mut lowered, entry, names) {
            Ok(live) => live,
            Err(vars) => {
                let message = format!(
                    "`{}` needs too many variables at a time: {}",
                    entry.name(),
                    vars.join(", ")
                );
                problems.push(report(message, "use fewer variables"));
                return None;
            }
        };
        if program.code.len() + lowered.code.len() > MAX_CODE {
            let message = format!("the design is too long: more than {MAX_CODE} instructions");
            problems.push(report(message, "expand fewer helpers"));
            return None;
        }
        if entry.is_optional() && does_nothing(&lowered) {
            continue;
        }
        let start = program.code.len() as Pc;
        program.entries[entry as usize] = Some(start);
        for (raw, live) in lowered.code.into_iter().zip(live) {
            let mut op = raw.op;
            graph::retarget(&mut op, |pc| pc + start);
            program.code.push(Instr {
                op,
                line: raw.line,
                live,
            });
        }
    }
    program.weak_holders = program.code.iter().any(|i| i.op == Op::AllowDemote);
    let [calls, nested] = names;
    program.var_names = slots::joined(&calls);
    program.nested_var_names = slots::joined(&nested);
    Some(program)
}

/// An optional entry that only returns 0 is left out.
fn does_nothing(lowered: &Lowered) -> bool {
    matches!(lowered.code.as_slice(), [only] if only.op == Op::Return(Operand::Const(crate::program::Val::ZERO)))
}

/// Warns of helpers and flags of this file that nothing uses.
fn unused(unit: &Unit, program: &Program, problems: &mut Vec<Problem>) {
    let called: HashSet<&str> = unit
        .functions()
        .flat_map(|(_, f)| &f.body)
        .flat_map(|line| calls_in(&line.node))
        .map(|call| call.name.text.as_str())
        .collect();
    for (source, function) in unit.functions() {
        let name = function.name.text.as_str();
        let is_entry = Entry::ALL.iter().any(|e| e.name() == name);
        if source == 0 && !is_entry && !called.contains(name) && problems.len() < MAX_PROBLEMS {
            let message = format!("nothing calls `{name}`");
            let problem = Problem::new(Rule::Unused, function.name.span.clone(), message);
            problems.push(problem.help("call it, or remove it").warning());
        }
        let before = problems.len();
        flow::unused_labels(function, problems);
        problems[before..]
            .iter_mut()
            .for_each(|p| p.source = source);
    }
    let used = flags_used(program);
    for (index, (flag, source, span)) in unit.flags.iter().enumerate() {
        if *source == 0 && !used[index] {
            let message = format!("`{}` is declared and not used", flag.name);
            let problem = Problem::new(Rule::Unused, span.clone(), message);
            problems.push(problem.help("use it, or remove it").warning());
        }
    }
    let over: Vec<&FlagDecl> = program
        .flags
        .iter()
        .zip(&used)
        .filter(|(_, used)| **used)
        .map(|(f, _)| f)
        .collect();
    if over.len() > MAX_FLAGS {
        let (_, source, span) = &unit.flags[unit.flags.len() - 1];
        let message = format!("more than {MAX_FLAGS} flags and counters");
        let help = "use fewer; inherited ones count if they are still used";
        problems.push(
            Problem::new(Rule::TooLarge, span.clone(), message)
                .help(help)
                .in_source(*source),
        );
    }
}

fn flags_used(program: &Program) -> Vec<bool> {
    let mut used = vec![false; program.flags.len()];
    for instr in &program.code {
        if let Op::SetFlag { flag, .. } = instr.op {
            used[flag.0 as usize] = true;
        }
        for operand in graph::operands(&instr.op) {
            if let Operand::Flag(flag) = operand {
                used[flag.0 as usize] = true;
            }
        }
    }
    used
}

/// Inherited flags may have lost their users.
fn without_unused_flags(mut program: Program) -> Program {
    let used = flags_used(&program);
    let index: Vec<u8> = (0..used.len())
        .map(|i| used[..i].iter().filter(|u| **u).count() as u8)
        .collect();
    for instr in &mut program.code {
        graph::renumber_flags(&mut instr.op, |flag| index[flag as usize]);
    }
    let mut keep = used.iter();
    program
        .flags
        .retain(|_| keep.next().copied().unwrap_or(true));
    program
}
