//! From the syntax tree to instructions: helpers are expanded in place, names
//! become slots, conditions become branches.

mod calls;

use super::ast::*;
use super::graph::{self, MAX_NAMES};
use super::parse::suggestion;
use super::problem::{MAX_PROBLEMS, Problem, Rule, Span};
use super::statements::Kernel;
use super::unit::Unit;
use crate::program::{self, Arith, Cmp, Entry, Flag, Op, Operand, Pc, Target, Val, Var};
use std::collections::{HashMap, HashSet};

/// How many instructions a design may have, helpers expanded.
pub(super) const MAX_CODE: usize = 4096;
/// Name of variables the design does not name.
const TEMPORARY: &str = "tmp";

/// An instruction and the line it comes from.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) op: Op,
    /// Index into [`Lines::lines`].
    pub(super) line: u16,
    /// Made by the compiler, not written: may be removed.
    generated: bool,
}

/// The statement lines of a program, each with its place.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<program::Line>,
    pub(super) spans: Vec<Span>,
    known: HashMap<(usize, usize, u8), u16>,
}

impl Lines {
    fn add(&mut self, frame: &Frame<'_>, line: &Line) -> u16 {
        let key = (frame.source, line.span.start, frame.depth);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let index = self.lines.len() as u16;
        self.lines.push(program::Line {
            source: frame.source as u16,
            number: line.number,
            function: frame.function.name.text.clone(),
            depth: frame.depth,
            text: line.text.clone(),
        });
        self.spans.push(line.span.clone());
        self.known.insert(key, index);
        index
    }
}

/// What a parameter stands for.
#[derive(Clone, Copy, Debug)]
enum Binding {
    File,
    Iter,
    Value(Operand),
    /// `&x`: a variable of the caller.
    Ref(Var),
}

/// One function being expanded.
struct Frame<'a> {
    function: &'a Function,
    source: usize,
    depth: u8,
    bindings: HashMap<&'a str, Binding>,
    /// Names that are set somewhere in the function.
    assigned: HashSet<&'a str>,
    vars: HashMap<&'a str, Var>,
    labels: HashMap<&'a str, Pc>,
    answer: Answer,
}

/// What becomes of the value a function returns.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// The system call, handler or hook ends with it.
    Entry,
    /// Nothing; go on there.
    Nowhere(Pc),
    /// It is stored; go on there.
    Into(Var, Pc),
    /// It is a condition.
    Test { yes: Pc, no: Pc },
}

/// Expands one entry.
pub(super) struct Lowering<'a> {
    unit: &'a Unit,
    entry: Entry,
    lines: &'a mut Lines,
    problems: &'a mut Vec<Problem>,
    code: Vec<Raw>,
    /// Jump targets are label numbers until [`Lowering::finish`].
    labels: Vec<Option<Pc>>,
    /// Name of each variable.
    names: Vec<String>,
    active: Vec<&'a str>,
    line: u16,
    source: usize,
    too_large: bool,
}

/// A lowered entry: code with jump targets relative to it, and variable names.
pub(super) struct Lowered {
    pub(super) code: Vec<Raw>,
    pub(super) names: Vec<String>,
}

/// Lowers the function an entry starts with.
pub(super) fn lower<'a>(
    unit: &'a Unit,
    entry: Entry,
    lines: &'a mut Lines,
    problems: &'a mut Vec<Problem>,
) -> Option<Lowered> {
    let (source, function) = unit.function(entry.name())?;
    let mut lowering = Lowering {
        unit,
        entry,
        lines,
        problems,
        code: Vec::new(),
        labels: Vec::new(),
        names: Vec::new(),
        active: vec![entry.name()],
        line: 0,
        source,
        too_large: false,
    };
    let wanted: &[(&str, Binding)] = match entry.is_nested() || entry == Entry::Mmap {
        true => &[("file", Binding::File)],
        false => &[("file", Binding::File), ("iter", Binding::Iter)],
    };
    if function.params.len() != wanted.len() {
        let params: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
        let message = format!("wrong parameters of `{}`", entry.name());
        let help = format!("write `{}({}):`", entry.name(), params.join(", "));
        lowering.report(Problem::new(Rule::Entry, function.name.span.clone(), message).help(help));
        return None;
    }
    let bound = wanted.iter().map(|(_, b)| *b).collect();
    let mut frame = lowering.frame(function, source, 0, bound);
    lowering.body(&mut frame);
    Some(lowering.finish())
}

impl<'a> Lowering<'a> {
    fn report(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem.in_source(self.source));
        }
    }

    fn error(
        &mut self,
        rule: Rule,
        span: &Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(Problem::new(rule, span.clone(), message).help(help));
    }

    // Code

    fn emit(&mut self, op: Op) {
        self.push(op, false);
    }

    fn emit_generated(&mut self, op: Op) {
        self.push(op, true);
    }

    fn push(&mut self, op: Op, generated: bool) {
        if self.code.len() >= MAX_CODE || self.labels.len() >= 2 * MAX_CODE {
            if !self.too_large {
                let (_, function) = self
                    .unit
                    .function(self.entry.name())
                    .expect("being expanded");
                let message = format!(
                    "`{}` is too long: more than {MAX_CODE} instructions",
                    self.entry.name()
                );
                let span = function.name.span.clone();
                self.error(Rule::TooLarge, &span, message, "expand fewer helpers");
            }
            self.too_large = true;
            return;
        }
        self.code.push(Raw {
            op,
            line: self.line,
            generated,
        });
    }

    fn new_label(&mut self) -> Pc {
        if self.labels.len() < Pc::MAX as usize {
            self.labels.push(None);
        }
        (self.labels.len() - 1) as Pc
    }

    fn place(&mut self, label: Pc) {
        self.labels[label as usize] = Some(self.code.len() as Pc);
    }

    fn new_var(&mut self, name: &str, span: &Span) -> Var {
        if self.names.len() >= MAX_NAMES {
            if !self.too_large {
                let message = format!("more than {MAX_NAMES} variables in `{}`", self.entry.name());
                self.error(
                    Rule::TooLarge,
                    span,
                    message,
                    "use fewer variables or helpers",
                );
            }
            self.too_large = true;
            return Var(u8::MAX);
        }
        self.names.push(name.to_string());
        Var((self.names.len() - 1) as u8)
    }

    // Functions

    fn frame(
        &mut self,
        function: &'a Function,
        source: usize,
        depth: u8,
        bound: Vec<Binding>,
    ) -> Frame<'a> {
        let params = function.params.iter().map(|p| p.text.as_str());
        let mut labels = HashMap::new();
        for line in &function.body {
            if let Node::Label(name) = &line.node {
                let label = self.new_label();
                labels.insert(name.text.as_str(), label);
            }
        }
        Frame {
            function,
            source,
            depth,
            bindings: params.zip(bound).collect(),
            assigned: assigned(function),
            vars: HashMap::new(),
            labels,
            answer: Answer::Entry,
        }
    }

    fn body(&mut self, frame: &mut Frame<'a>) {
        for line in &frame.function.body {
            if self.too_large || self.lines.lines.len() >= 4 * MAX_CODE {
                return;
            }
            self.source = frame.source;
            if let Node::Label(name) = &line.node {
                let label = frame.labels[name.text.as_str()];
                self.place(label);
                continue;
            }
            self.line = self.lines.add(frame, line);
            self.node(frame, &line.node);
        }
    }

    fn node(&mut self, f: &mut Frame<'a>, node: &'a Node) {
        match node {
            Node::Label(_) => {}
            Node::Do(stmt) => self.stmt(f, stmt),
            Node::If(cond, Stmt::Goto(label)) => {
                let to = self.label(f, label);
                self.jump_if(f, cond, to, true);
            }
            Node::If(cond, stmt) => {
                let skip = self.new_label();
                self.jump_if(f, cond, skip, false);
                self.stmt(f, stmt);
                self.place(skip);
            }
        }
    }

    /// A label of the function; unknown ones have been reported.
    fn label(&mut self, f: &Frame<'a>, name: &Name) -> Pc {
        match f.labels.get(name.text.as_str()) {
            Some(&label) => label,
            None => self.new_label(),
        }
    }

    fn stmt(&mut self, f: &mut Frame<'a>, stmt: &'a Stmt) {
        match stmt {
            Stmt::Goto(label) => {
                let to = self.label(f, label);
                self.emit(Op::Goto(to));
            }
            Stmt::Return(value) => self.return_(f, value.as_ref()),
            Stmt::Set(place, op, value) => self.set(f, place, *op, value),
            Stmt::Call(call) => self.call(f, call, None),
        }
    }

    fn return_(&mut self, f: &mut Frame<'a>, value: Option<&'a Expr>) {
        let needs_value = !matches!(f.answer, Answer::Nowhere(_));
        if needs_value && value.is_none() {
            let span = self.lines.spans[self.line as usize].clone();
            let message = format!("`{}` returns no value here", f.function.name.text);
            return self.error(Rule::Result, &span, message, "write `return VALUE`");
        }
        match (f.answer, value) {
            (Answer::Entry, Some(value)) => {
                let operand = self.expr_operand(f, value);
                self.emit(Op::Return(operand));
            }
            (Answer::Into(to, exit), Some(value)) => {
                self.assign_expr(f, to, value);
                self.emit_generated(Op::Goto(exit));
            }
            (Answer::Test { yes, no }, Some(value)) => match self.expr_operand(f, value) {
                Operand::Const(Val::ZERO) => self.emit(Op::Goto(no)),
                Operand::Const(_) => self.emit(Op::Goto(yes)),
                a => {
                    self.branch(a, Cmp::Ne, Operand::Const(Val::ZERO), yes, true);
                    self.emit_generated(Op::Goto(no));
                }
            },
            (Answer::Nowhere(exit), value) => {
                if let Some(Expr::Call(call)) = value {
                    self.call(f, call, None);
                }
                self.emit_generated(Op::Goto(exit));
            }
            (_, None) => {}
        }
    }

    // Conditions

    /// Goes to `to` if the condition's value is `when`, else falls through.
    fn jump_if(&mut self, f: &mut Frame<'a>, cond: &'a Cond, to: Pc, when: bool) {
        match cond {
            Cond::Not(inner) => self.jump_if(f, inner, to, !when),
            Cond::And(parts) => self.jump_joined(f, parts, to, when, false),
            Cond::Or(parts) => self.jump_joined(f, parts, to, when, true),
            Cond::Truth(value) => {
                let a = self.operand(f, value);
                self.branch(a, Cmp::Ne, Operand::Const(Val::ZERO), to, when);
            }
            Cond::Compare(a, cmp, b) => {
                let (a, b) = (self.operand(f, a), self.operand(f, b));
                self.branch(a, *cmp, b, to, when);
            }
            Cond::Call(call) if Kernel::named(&call.name.text).is_some() => {
                let result = self.new_var(TEMPORARY, &call.span);
                self.call(f, call, Some(result));
                let zero = Operand::Const(Val::ZERO);
                self.branch(Operand::Var(result), Cmp::Ne, zero, to, when);
            }
            Cond::Call(call) => {
                let other = self.new_label();
                let (yes, no) = if when { (to, other) } else { (other, to) };
                self.helper(f, call, Answer::Test { yes, no });
                self.place(other);
            }
        }
    }

    /// `and` is decided by its first false part, `or` by its first true one.
    fn jump_joined(
        &mut self,
        f: &mut Frame<'a>,
        parts: &'a [Cond],
        to: Pc,
        when: bool,
        decides: bool,
    ) {
        if when == decides {
            for part in parts {
                self.jump_if(f, part, to, when);
            }
            return;
        }
        let skip = self.new_label();
        let Some((last, first)) = parts.split_last() else {
            return;
        };
        for part in first {
            self.jump_if(f, part, skip, decides);
        }
        self.jump_if(f, last, to, when);
        self.place(skip);
    }

    fn branch(&mut self, a: Operand, cmp: Cmp, b: Operand, to: Pc, when: bool) {
        let opposite = match cmp {
            _ if when => Some(cmp),
            Cmp::Eq => Some(Cmp::Ne),
            Cmp::Ne => Some(Cmp::Eq),
            // Names that are no numbers are neither less nor greater.
            _ => None,
        };
        if let Some(cmp) = opposite {
            return self.emit(Op::Branch {
                a,
                cmp,
                b,
                then: to,
            });
        }
        let holds = self.new_label();
        self.emit(Op::Branch {
            a,
            cmp,
            b,
            then: holds,
        });
        self.emit_generated(Op::Goto(to));
        self.place(holds);
    }

    // Values

    fn operand(&mut self, f: &mut Frame<'a>, value: &'a Value) -> Operand {
        match &value.kind {
            ValueKind::Const(val) => Operand::Const(*val),
            ValueKind::PagefaultDisabled => Operand::PagefaultDisabled,
            ValueKind::IocbAppend => Operand::IocbAppend,
            ValueKind::LockedByMe(file) => {
                self.file(f, file);
                Operand::LockedByMe
            }
            ValueKind::Held(file) => {
                self.file(f, file);
                Operand::Held
            }
            ValueKind::HolderQueued(file) => {
                let scope = super::statements::Scope::Transfers;
                self.allowed(&value.span, "gfs2_holder_queued", scope);
                self.file(f, file);
                Operand::HolderQueued
            }
            ValueKind::Field(name, field) => {
                self.iter(f, name);
                match field.text.as_str() {
                    "count" => return Operand::IterCount,
                    "pos" => return Operand::IterPos,
                    _ => {}
                }
                let message = format!("`{}.{}` cannot be read", name.text, field.text);
                self.error(
                    Rule::Arguments,
                    &value.span,
                    message,
                    "an iterator has a `count`: pages left, and a `pos`: the file position",
                );
                Operand::IterCount
            }
            ValueKind::Name(name) => self.name(f, name, &value.span),
        }
    }

    fn name(&mut self, f: &mut Frame<'a>, name: &'a str, span: &Span) -> Operand {
        match f.bindings.get(name) {
            Some(Binding::Value(operand)) => return *operand,
            Some(Binding::Ref(var)) => return Operand::Var(*var),
            Some(Binding::File) => {
                let help = format!("write `held {name}` for its glock's mode");
                self.error(
                    Rule::Arguments,
                    span,
                    format!("`{name}` is a file, not a value"),
                    help,
                );
                return Operand::Const(Val::ZERO);
            }
            Some(Binding::Iter) => {
                let help = format!("write `{name}.count` for the pages left");
                self.error(
                    Rule::Arguments,
                    span,
                    format!("`{name}` is an iterator, not a value"),
                    help,
                );
                return Operand::Const(Val::ZERO);
            }
            None => {}
        }
        if let Some(flag) = self.unit.flag(name) {
            return Operand::Flag(flag);
        }
        if f.assigned.contains(name) {
            return Operand::Var(self.variable(f, name, span));
        }
        self.unknown_name(f, name, span);
        Operand::Const(Val::ZERO)
    }

    fn unknown_name(&mut self, f: &Frame<'a>, name: &str, span: &Span) {
        let known = f
            .assigned
            .iter()
            .copied()
            .chain(f.bindings.keys().copied())
            .chain(
                self.unit
                    .flags
                    .iter()
                    .map(|(flag, _, _)| flag.name.as_str()),
            )
            .chain(Val::NAMES.iter().map(|(n, _)| *n));
        let mut known: Vec<&str> = known.collect();
        known.sort_unstable();
        let otherwise = format!("set it first (`{name} = 0`), or declare `task flag {name}`");
        let help = suggestion(name, known, &otherwise);
        let message = format!("`{name}` is never set");
        let problem = Problem::new(Rule::Variable, span.clone(), message)
            .label("neither variable, parameter nor declared flag");
        self.report(problem.help(help));
    }

    fn variable(&mut self, f: &mut Frame<'a>, name: &'a str, span: &Span) -> Var {
        if let Some(&var) = f.vars.get(name) {
            return var;
        }
        let var = self.new_var(name, span);
        f.vars.insert(name, var);
        var
    }

    fn file(&mut self, f: &Frame<'a>, name: &Name) {
        if !matches!(f.bindings.get(name.text.as_str()), Some(Binding::File)) {
            self.wrong_thing(f, name, "a file", |b| matches!(b, Binding::File));
        }
    }

    fn iter(&mut self, f: &Frame<'a>, name: &Name) {
        if !matches!(f.bindings.get(name.text.as_str()), Some(Binding::Iter)) {
            self.wrong_thing(f, name, "an iterator", |b| matches!(b, Binding::Iter));
        }
    }

    fn wrong_thing(
        &mut self,
        f: &Frame<'a>,
        name: &Name,
        what: &str,
        fits: impl Fn(&Binding) -> bool,
    ) {
        let params = f.function.params.iter().map(|p| p.text.as_str());
        let right = params
            .clone()
            .find(|p| f.bindings.get(p).is_some_and(&fits));
        let help = match right {
            Some(right) => format!("write `{right}`"),
            None => format!(
                "`{}` does not have {what} among its parameters",
                f.function.name.text
            ),
        };
        self.error(
            Rule::Arguments,
            &name.span,
            format!("`{}` is not {what}", name.text),
            help,
        );
    }

    /// A value in a form an instruction can read.
    fn expr_operand(&mut self, f: &mut Frame<'a>, value: &'a Expr) -> Operand {
        if let Expr::Value(value) = value {
            return self.operand(f, value);
        }
        let span = self.lines.spans[self.line as usize].clone();
        let to = self.new_var(TEMPORARY, &span);
        self.assign_expr(f, to, value);
        Operand::Var(to)
    }

    fn assign_expr(&mut self, f: &mut Frame<'a>, to: Var, value: &'a Expr) {
        match value {
            Expr::Call(call) => self.call(f, call, Some(to)),
            _ => {
                let (a, op) = self.simple(f, value);
                self.emit(Op::Assign {
                    to: Target::Var(to),
                    a,
                    op,
                });
            }
        }
    }

    /// A value as one operand or two.
    fn simple(
        &mut self,
        f: &mut Frame<'a>,
        value: &'a Expr,
    ) -> (Operand, Option<(Arith, Operand)>) {
        match value {
            Expr::Value(value) => (self.operand(f, value), None),
            Expr::Binary(a, op, b) => {
                let (a, b) = (self.operand(f, a), self.operand(f, b));
                (a, Some((*op, b)))
            }
            Expr::Call(_) => (self.expr_operand(f, value), None),
        }
    }

    // Assignments

    fn set(&mut self, f: &mut Frame<'a>, place: &'a Place, op: SetOp, value: &'a Expr) {
        match place.field.as_ref().map(|field| field.text.as_str()) {
            Some("nofault") => return self.set_nofault(f, place, op, value),
            Some("mapped") => return self.set_mapped(f, place, op, value),
            Some("count") => {
                self.iter(f, &place.name);
                let (a, op) = self.updated(f, Operand::IterCount, op, value);
                return self.emit(Op::Assign {
                    to: Target::IterCount,
                    a,
                    op,
                });
            }
            Some("pos") => {
                self.iter(f, &place.name);
                let (a, op) = self.updated(f, Operand::IterPos, op, value);
                let to = Target::IterPos;
                return self.emit(Op::Assign { to, a, op });
            }
            Some(field) => {
                let message = format!("an iterator has no `{field}`");
                let known = ["count", "mapped", "nofault", "pos"];
                let otherwise = "it has `count`, `mapped`, `nofault` and `pos`";
                let help = suggestion(field, known, otherwise);
                return self.error(Rule::Arguments, &place.span, message, help);
            }
            None => {}
        }
        let name = place.name.text.as_str();
        if let Some(flag) = self.unit.flag(name) {
            let (a, op) = self.updated(f, Operand::Flag(flag), op, value);
            self.check_range(flag, a, op, place);
            return self.emit(Op::SetFlag { flag, a, op });
        }
        let to = match f.bindings.get(name) {
            Some(Binding::Ref(var)) => *var,
            Some(_) => {
                let message = format!("parameter `{name}` cannot be set");
                return self.error(
                    Rule::Variable,
                    &place.span,
                    message,
                    format!("let the caller pass `&{name}`, or use a variable"),
                );
            }
            None => self.variable(f, name, &place.span),
        };
        match (op, value) {
            (SetOp::Assign, Expr::Call(call)) => self.call(f, call, Some(to)),
            _ => {
                let (a, op) = self.updated(f, Operand::Var(to), op, value);
                self.emit(Op::Assign {
                    to: Target::Var(to),
                    a,
                    op,
                });
            }
        }
    }

    /// The new value of `old` after `= value`, `+= value` or `-= value`.
    fn updated(
        &mut self,
        f: &mut Frame<'a>,
        old: Operand,
        op: SetOp,
        value: &'a Expr,
    ) -> (Operand, Option<(Arith, Operand)>) {
        match op {
            SetOp::Assign => self.simple(f, value),
            SetOp::Update(arith) => {
                let by = self.expr_operand(f, value);
                (old, Some((arith, by)))
            }
        }
    }

    fn set_mapped(&mut self, f: &mut Frame<'a>, place: &'a Place, op: SetOp, value: &'a Expr) {
        self.iter(f, &place.name);
        self.allowed(&place.span, "iter.mapped", super::statements::Scope::Fiemap);
        match assigned_size(op, value) {
            Some(0) => self.emit(Op::IterMapped),
            _ => self.error(
                Rule::Arguments,
                &place.span,
                "mapped can only be set to 0",
                format!("write `{}.mapped = 0`", place.name.text),
            ),
        }
    }

    fn set_nofault(&mut self, f: &mut Frame<'a>, place: &'a Place, op: SetOp, value: &'a Expr) {
        self.iter(f, &place.name);
        self.allowed(
            &place.span,
            "iter.nofault",
            super::statements::Scope::Transfers,
        );
        match assigned_size(op, value) {
            Some(bit @ 0..=1) => self.emit(Op::IterNofault(bit == 1)),
            _ => self.error(
                Rule::Arguments,
                &place.span,
                "nofault is 0 or 1",
                format!("write `{}.nofault = 1`", place.name.text),
            ),
        }
    }

    fn check_range(&mut self, flag: Flag, a: Operand, op: Option<(Arith, Operand)>, place: &Place) {
        let decl = &self.unit.flags[flag.0 as usize].0;
        let (name, max) = (decl.name.clone(), decl.max);
        if let (Operand::Const(val), None) = (a, op)
            && val.as_size().is_none_or(|n| n > max)
        {
            let message = format!("`{name}` cannot be {val}: its largest value is {max}");
            self.error(
                Rule::Flag,
                &place.span,
                message,
                "declare a counter with a larger bound",
            );
        }
    }

    // The end

    /// Removes what the compiler made and does not need; resolves labels.
    fn finish(self) -> Lowered {
        let len = self.code.len();
        let target = |label: Pc| {
            self.labels
                .get(label as usize)
                .copied()
                .flatten()
                .map_or(len, usize::from)
        };
        let mut ops: Vec<Op> = self.code.iter().map(|raw| raw.op).collect();
        for op in &mut ops {
            graph::retarget(op, |label| target(label) as Pc);
        }
        let mut keep = graph::reachable(&ops);
        // Where control really goes on from each place.
        let mut next = vec![len; len + 1];
        for at in (0..len).rev() {
            if let (Op::Goto(to), true) = (ops[at], self.code[at].generated)
                && to as usize > at
                && next[to as usize] == next[at + 1]
            {
                keep[at] = false;
            }
            next[at] = if keep[at] { at } else { next[at + 1] };
        }
        let mut index = vec![0; len + 1];
        for at in 0..len {
            index[at + 1] = index[at] + usize::from(keep[at]);
        }
        let mut code = Vec::new();
        for (at, raw) in self
            .code
            .into_iter()
            .enumerate()
            .filter(|(at, _)| keep[*at])
        {
            let mut op = ops[at];
            graph::retarget(&mut op, |pc| index[next[(pc as usize).min(len)]] as Pc);
            code.push(Raw { op, ..raw });
        }
        Lowered {
            code,
            names: self.names,
        }
    }
}

/// The names a function sets.
fn assigned(function: &Function) -> HashSet<&str> {
    fn refs(call: &Call) -> impl Iterator<Item = &str> {
        call.args.iter().filter_map(|arg| match arg {
            Arg::Ref(name) => Some(name.text.as_str()),
            _ => None,
        })
    }
    fn in_cond<'a>(cond: &'a Cond, names: &mut HashSet<&'a str>) {
        match cond {
            Cond::Call(call) => names.extend(refs(call)),
            Cond::Not(inner) => in_cond(inner, names),
            Cond::And(parts) | Cond::Or(parts) => {
                parts.iter().for_each(|part| in_cond(part, names))
            }
            Cond::Compare(..) | Cond::Truth(_) => {}
        }
    }
    let mut names = HashSet::new();
    for line in &function.body {
        let stmt = match &line.node {
            Node::Label(_) => continue,
            Node::Do(stmt) => stmt,
            Node::If(cond, stmt) => {
                in_cond(cond, &mut names);
                stmt
            }
        };
        if let Stmt::Set(
            Place {
                name, field: None, ..
            },
            ..,
        ) = stmt
        {
            names.insert(&name.text);
        }
        if let Stmt::Call(call)
        | Stmt::Set(_, _, Expr::Call(call))
        | Stmt::Return(Some(Expr::Call(call))) = stmt
        {
            names.extend(refs(call));
        }
    }
    names
}

/// The constant size that is assigned, if it is one.
fn assigned_size(op: SetOp, value: &Expr) -> Option<u8> {
    match value {
        Expr::Value(Value {
            kind: ValueKind::Const(val),
            ..
        }) if op == SetOp::Assign => val.as_size(),
        _ => None,
    }
}
