//! Helpers, expanded in place, and kernel operations with their arguments.

use super::super::ast::*;
use super::super::parse::suggestion;
use super::super::problem::{Problem, Rule, Span};
use super::super::statements::{Kernel, Scope};
use super::{Answer, Binding, Frame, Lowering, TEMPORARY};
use crate::mode::Mode;
use crate::program::{DioFlags, FaultInFlags, NqFlags, Op, Operand, Target, Val, Var};

/// How deep helpers may call helpers.
const MAX_DEPTH: usize = 16;

impl<'a> Lowering<'a> {
    pub(super) fn allowed(&mut self, span: &Span, what: &str, scope: Scope) -> bool {
        if scope.allows(self.entry) {
            return true;
        }
        let message = format!("`{what}` in `{}`", self.entry.name());
        let help = format!("it may stand in {}", scope.describe());
        let problem = Problem::new(Rule::Place, span.clone(), message).label("not allowed here");
        self.report(problem.help(help));
        false
    }

    pub(super) fn call(&mut self, f: &mut Frame<'a>, call: &'a Call, to: Option<Var>) {
        match Kernel::named(&call.name.text) {
            Some(kernel) => self.kernel(f, kernel, call, to),
            None => {
                let exit = self.new_label();
                let answer = match to {
                    Some(to) => Answer::Into(to, exit),
                    None => Answer::Nowhere(exit),
                };
                self.helper(f, call, answer);
                self.place(exit);
            }
        }
    }

    pub(super) fn helper(&mut self, f: &mut Frame<'a>, call: &'a Call, answer: Answer) {
        // Unknown statements have been reported.
        let Some((source, function)) = self.unit.function(&call.name.text) else {
            return;
        };
        if self.active.contains(&function.name.text.as_str()) {
            let message = format!("`{}` calls itself", function.name.text);
            let help = "helpers are expanded in place: use a loop with a label instead";
            return self.error(Rule::Helper, &call.span, message, help);
        }
        if self.active.len() >= MAX_DEPTH {
            let message = format!("helpers call helpers more than {MAX_DEPTH} deep");
            return self.error(
                Rule::TooLarge,
                &call.span,
                message,
                "expand some of them by hand",
            );
        }
        if call.args.len() != function.params.len() {
            return self.wrong_count(function, call);
        }
        let bound = call
            .args
            .iter()
            .map(|arg| self.bind(f, call, arg))
            .collect();
        let mut inner = self.frame(function, source, f.depth + 1, bound);
        inner.answer = answer;
        self.active.push(&function.name.text);
        let line = self.line;
        self.body(&mut inner);
        self.active.pop();
        self.line = line;
        self.source = f.source;
    }

    fn wrong_count(&mut self, function: &Function, call: &Call) {
        let params: Vec<&str> = function.params.iter().map(|p| p.text.as_str()).collect();
        let message = format!(
            "wrong number of arguments for `{}`: {} wanted, {} given",
            function.name.text,
            params.len(),
            call.args.len()
        );
        let help = format!("write `{}({})`", function.name.text, params.join(", "));
        self.error(Rule::Arguments, &call.span, message, help);
    }

    fn bind(&mut self, f: &mut Frame<'a>, call: &'a Call, arg: &'a Arg) -> Binding {
        let value = match arg {
            Arg::Ref(name) => return self.bind_ref(f, name),
            Arg::Else(name) => {
                let help = "only `gfs2_glock_nq … try` can be refused";
                self.error(Rule::Arguments, &name.span, "`else` behind a helper", help);
                return Binding::Value(Operand::Const(Val::ZERO));
            }
            Arg::Value(value) => value,
        };
        if let ValueKind::Name(name) = &value.kind
            && let Some(binding @ (Binding::File | Binding::Iter)) = f.bindings.get(name.as_str())
        {
            return *binding;
        }
        let operand = self.operand(f, value);
        let changes = |var: Var| {
            let same = |name: &Name| {
                f.vars.get(name.text.as_str()) == Some(&var)
                    || matches!(f.bindings.get(name.text.as_str()), Some(Binding::Ref(v)) if *v == var)
            };
            call.args
                .iter()
                .any(|arg| matches!(arg, Arg::Ref(name) if same(name)))
        };
        match operand {
            Operand::Const(_) => Binding::Value(operand),
            Operand::Var(var) if !changes(var) => Binding::Value(operand),
            _ => {
                let copy = self.new_var(TEMPORARY, &value.span);
                self.emit(Op::Assign {
                    to: Target::Var(copy),
                    a: operand,
                    op: None,
                });
                Binding::Value(Operand::Var(copy))
            }
        }
    }

    fn bind_ref(&mut self, f: &mut Frame<'a>, name: &'a Name) -> Binding {
        match f.bindings.get(name.text.as_str()) {
            Some(Binding::Ref(var)) => return Binding::Ref(*var),
            None if self.unit.flag(&name.text).is_none() => {
                return Binding::Ref(self.variable(f, &name.text, &name.span));
            }
            _ => {}
        }
        let message = format!(
            "`&{}`: only a variable can be passed to be changed",
            name.text
        );
        self.error(
            Rule::Arguments,
            &name.span,
            message,
            format!("pass `{}` without the `&`", name.text),
        );
        Binding::Value(Operand::Const(Val::ZERO))
    }

    fn kernel(&mut self, f: &mut Frame<'a>, kernel: Kernel, call: &'a Call, to: Option<Var>) {
        if !self.allowed(&call.name.span, kernel.name(), kernel.scope()) {
            return;
        }
        if to.is_some() && !kernel.has_result() {
            let message = format!("`{}` has no result", kernel.name());
            return self.error(
                Rule::Result,
                &call.span,
                message,
                format!("write `{}`", kernel.syntax()),
            );
        }
        let before = self.problems.len();
        let args = Args {
            kernel,
            call,
            at: 0,
        };
        if let Some(op) = self.operation(f, args, to)
            && self.problems.len() == before
        {
            self.emit(op);
        }
    }

    fn operation(&mut self, f: &mut Frame<'a>, mut args: Args<'a>, to: Option<Var>) -> Option<Op> {
        let (kernel, call) = (args.kernel, args.call);
        // A result nobody wants goes into a variable nobody reads.
        let result = |this: &mut Self| to.unwrap_or_else(|| this.new_var(TEMPORARY, &call.span));
        let op = match kernel {
            Kernel::GlockNq => return self.glock_nq(f, args, to),
            Kernel::GlockDq => self.file_only(f, &mut args).map(|()| Op::Dq)?,
            Kernel::AllowDemote => self.file_only(f, &mut args).map(|()| Op::AllowDemote)?,
            Kernel::DisallowDemote => self.file_only(f, &mut args).map(|()| Op::DisallowDemote)?,
            Kernel::InodeLock => self.file_only(f, &mut args).map(|()| Op::InodeLock)?,
            Kernel::InodeUnlock => self.file_only(f, &mut args).map(|()| Op::InodeUnlock)?,
            Kernel::WriteChecks => {
                self.file_only(f, &mut args)?;
                self.iter_arg(f, &mut args)?;
                Op::WriteChecks
            }
            Kernel::PagefaultDisable => Op::PagefaultDisable,
            Kernel::PagefaultEnable => Op::PagefaultEnable,
            Kernel::UnlockPage => Op::UnlockPage,
            Kernel::MpageReadpage => self.file_only(f, &mut args).map(|()| Op::MpageReadpage)?,
            Kernel::Unpin => self.iter_arg(f, &mut args).map(|()| Op::Unpin)?,
            Kernel::DioRw => return self.dio_rw(f, args, to),
            Kernel::ReadIter => {
                self.file_only(f, &mut args)?;
                self.iter_arg(f, &mut args)?;
                let noio = args.option("noio");
                Op::ReadIter {
                    to: result(self),
                    noio,
                }
            }
            Kernel::BufferedWrite => {
                self.file_only(f, &mut args)?;
                self.iter_arg(f, &mut args)?;
                let keep_pos = args.option("keep_pos");
                let whole_chunks = args.option("whole_chunks");
                Op::BufferedWrite {
                    to: result(self),
                    keep_pos,
                    whole_chunks,
                }
            }
            Kernel::Fiemap => {
                self.file_only(f, &mut args)?;
                self.iter_arg(f, &mut args)?;
                Op::IomapFiemap { to: result(self) }
            }
            Kernel::FaultInReadable | Kernel::FaultInWriteable => {
                self.iter_arg(f, &mut args)?;
                let window = self.value_arg(f, &mut args)?;
                let write = kernel == Kernel::FaultInWriteable;
                // Reading goes by loads, which two of the defects are not about.
                let possible = |flag| write || flag == FaultInFlags::COARSE;
                let names = FaultInFlags::NAMES
                    .into_iter()
                    .filter(|(_, f)| possible(*f));
                let names: Vec<_> = names.collect();
                let mut flags = FaultInFlags::NONE;
                while let Some(flag) = args.one_of(&names) {
                    flags = FaultInFlags(flags.0 | flag.0);
                }
                Op::FaultIn {
                    to: result(self),
                    write,
                    window,
                    flags,
                }
            }
            Kernel::FaultInReadableOld => {
                self.iter_arg(f, &mut args)?;
                Op::FaultInReadable { to: result(self) }
            }
            Kernel::Pin | Kernel::GetPages => {
                self.iter_arg(f, &mut args)?;
                let window = self.value_arg(f, &mut args)?;
                Op::Pin {
                    to: result(self),
                    window,
                    refs: kernel == Kernel::GetPages,
                }
            }
            Kernel::FilemapFault => {
                self.file_only(f, &mut args)?;
                Op::FilemapFault { to: result(self) }
            }
            Kernel::DirtyPage => {
                self.file_only(f, &mut args)?;
                Op::DirtyPage { to: result(self) }
            }
        };
        self.no_more(&args)?;
        Some(op)
    }

    /// The next argument must be there.
    fn argument(&mut self, args: &mut Args<'a>, what: &str) -> Option<&'a Arg> {
        let arg = args.next();
        if arg.is_none() {
            let end = args.call.span.end;
            let message = format!("`{}` lacks {what}", args.kernel.name());
            let problem = Problem::new(Rule::Arguments, end..end, message)
                .label(format!("{what} belongs here"));
            self.report(problem.help(args.help()));
        }
        arg
    }

    fn no_more(&mut self, args: &Args<'a>) -> Option<()> {
        let Some(arg) = args.call.args.get(args.at) else {
            return Some(());
        };
        let message = format!("`{}` does not take this argument", args.kernel.name());
        self.error(Rule::Arguments, arg.span(), message, args.help());
        None
    }

    fn named_arg(&mut self, args: &mut Args<'a>, what: &str) -> Option<Name> {
        match self.argument(args, what)? {
            Arg::Value(Value {
                kind: ValueKind::Name(text),
                span,
            }) => Some(Name {
                text: text.clone(),
                span: span.clone(),
            }),
            other => {
                let message = format!("`{}` wants {what} here", args.kernel.name());
                self.error(Rule::Arguments, other.span(), message, args.help());
                None
            }
        }
    }

    fn file_only(&mut self, f: &Frame<'a>, args: &mut Args<'a>) -> Option<()> {
        let name = self.named_arg(args, "the file")?;
        self.file(f, &name);
        Some(())
    }

    fn iter_arg(&mut self, f: &Frame<'a>, args: &mut Args<'a>) -> Option<()> {
        let name = self.named_arg(args, "the iterator")?;
        self.iter(f, &name);
        Some(())
    }

    fn value_arg(&mut self, f: &mut Frame<'a>, args: &mut Args<'a>) -> Option<Operand> {
        match self.argument(args, "a number of pages")? {
            Arg::Value(value) => Some(self.operand(f, value)),
            other => {
                self.error(
                    Rule::Arguments,
                    other.span(),
                    "only helpers take `&` arguments",
                    args.help(),
                );
                None
            }
        }
    }

    fn dio_rw(&mut self, f: &mut Frame<'a>, mut args: Args<'a>, to: Option<Var>) -> Option<Op> {
        self.file_only(f, &mut args)?;
        self.iter_arg(f, &mut args)?;
        let partial = args.option("partial");
        let rewind = !partial && args.option("rewind");
        let mut done = None;
        if args.option("done") {
            let name = self.named_arg(&mut args, "a variable")?;
            let text = args.last_name()?;
            match self.name(f, text, &name.span) {
                Operand::Var(var) => done = Some(var),
                _ => {
                    let message = format!("`{}` is not a variable", name.text);
                    self.error(Rule::Arguments, &name.span, message, args.help());
                }
            }
        }
        let mut flags = DioFlags::NONE;
        while let Some(flag) = args.one_of(&DioFlags::NAMES) {
            flags = DioFlags(flags.0 | flag.0);
        }
        self.no_more(&args)?;
        let to = to.unwrap_or_else(|| self.new_var(TEMPORARY, &args.call.span));
        Some(Op::DioRw {
            to,
            partial,
            rewind,
            done,
            flags,
        })
    }

    fn glock_nq(&mut self, f: &mut Frame<'a>, mut args: Args<'a>, to: Option<Var>) -> Option<Op> {
        self.file_only(f, &mut args)?;
        let mode = self.mode(&mut args)?;
        let mut flags = NqFlags::NONE;
        let mut refused = None;
        let mut requeue = false;
        while let Some(arg) = args.next() {
            match arg {
                Arg::Else(label) => refused = Some((self.label(f, label), label)),
                _ if args.last_name() == Some("requeue") => {
                    requeue = true;
                    self.allowed(arg.span(), "requeue", Scope::Transfers);
                }
                _ => flags = NqFlags(flags.0 | self.nq_flag(arg, &args)?.0),
            }
        }
        if let Some((_, label)) = &refused
            && !flags.is_try()
            && !requeue
        {
            let help = format!(
                "add `try`: `gfs2_glock_nq FILE {mode} try else {}`",
                label.text
            );
            self.error(
                Rule::Arguments,
                &label.span,
                "only a `try` request can be refused",
                help,
            );
        }
        if flags.is_try() && to.is_none() && refused.is_none() {
            let message = "the refusal of this TRY request is ignored";
            let help = "add `else LABEL`, or test the result: `ret = gfs2_glock_nq …` and `if ret == GLR_TRYFAILED …`";
            let problem = Problem::new(Rule::TryIgnored, args.call.span.clone(), message);
            self.report(problem.label("goes on as if it held the glock").help(help));
        }
        Some(Op::Nq {
            mode,
            flags,
            requeue,
            to,
            refused: refused.map(|(pc, _)| pc),
        })
    }

    fn mode(&mut self, args: &mut Args<'a>) -> Option<Mode> {
        let arg = self.argument(args, "a mode")?;
        if let Arg::Value(Value {
            kind: ValueKind::Const(val),
            ..
        }) = arg
            && let Some(mode) = Mode::ALL
                .into_iter()
                .skip(1)
                .find(|m| Val::mode(*m) == *val)
        {
            return Some(mode);
        }
        self.error(
            Rule::Arguments,
            arg.span(),
            "not a mode a glock can be held in",
            "modes are SH, DF and EX",
        );
        None
    }

    fn nq_flag(&mut self, arg: &Arg, args: &Args<'a>) -> Option<NqFlags> {
        const FLAGS: [(&str, NqFlags); 3] = [
            ("try", NqFlags::TRY),
            ("try_1cb", NqFlags::TRY_1CB),
            ("any", NqFlags::ANY),
        ];
        let word = match arg {
            Arg::Value(Value {
                kind: ValueKind::Name(word),
                ..
            }) => word.as_str(),
            _ => "",
        };
        let known = FLAGS.iter().find(|(name, _)| *name == word);
        if known.is_none() {
            let help = suggestion(word, FLAGS.iter().map(|(n, _)| *n), &args.help());
            self.error(
                Rule::Arguments,
                arg.span(),
                "unknown option of `gfs2_glock_nq`",
                help,
            );
        }
        known.map(|(_, flags)| *flags)
    }
}

/// The arguments of a kernel operation, taken one by one.
#[derive(Clone, Copy)]
struct Args<'a> {
    kernel: Kernel,
    call: &'a Call,
    at: usize,
}

impl<'a> Args<'a> {
    fn next(&mut self) -> Option<&'a Arg> {
        let arg = self.call.args.get(self.at);
        self.at += usize::from(arg.is_some());
        arg
    }

    fn name_at(&self, at: usize) -> Option<&'a str> {
        match self.call.args.get(at)? {
            Arg::Value(Value {
                kind: ValueKind::Name(name),
                ..
            }) => Some(name),
            _ => None,
        }
    }

    /// Takes the next argument if it is this word.
    fn option(&mut self, word: &str) -> bool {
        let there = self.name_at(self.at) == Some(word);
        self.at += usize::from(there);
        there
    }

    /// The meaning of the next argument, if it is one of these words.
    fn one_of<T: Copy>(&mut self, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| self.option(word));
        found.map(|(_, meaning)| *meaning)
    }

    /// The argument taken last, as a name.
    fn last_name(&self) -> Option<&'a str> {
        self.name_at(self.at.checked_sub(1)?)
    }

    fn help(&self) -> String {
        format!("write `{}`", self.kernel.syntax())
    }
}
