//! A design file as written, with the place of everything.

use super::problem::Span;
use crate::program::{
    Arith, Cmp, DemoteRule, Entry, FlagDecl, GhError, HoldRule, MayGrant, TryRule, Val, WeakRule,
};

/// A word and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Span,
}

/// One design file.
#[derive(Clone, Debug, Default)]
pub(super) struct Design {
    pub(super) name: Option<Name>,
    pub(super) extends: Option<Name>,
    pub(super) description: Vec<String>,
    pub(super) origins: Vec<String>,
    pub(super) may_grant: Option<MayGrant>,
    pub(super) try_rule: Option<TryRule>,
    pub(super) weak: Option<WeakRule>,
    pub(super) gh_error: Option<GhError>,
    pub(super) demote: Option<DemoteRule>,
    pub(super) hold: Option<HoldRule>,
    pub(super) admits: Option<Vec<Entry>>,
    pub(super) flags: Vec<(FlagDecl, Span)>,
    pub(super) functions: Vec<Function>,
}

/// A function written out.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) name: Name,
    pub(super) params: Vec<Name>,
    pub(super) body: Vec<Line>,
}

/// One line of a function.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) span: Span,
    /// From 1.
    pub(super) number: u32,
    /// Blanks squeezed, comments removed.
    pub(super) text: String,
    pub(super) node: Node,
}

/// What a line is.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Label(Name),
    Do(Stmt),
    If(Cond, Stmt),
}

/// A statement that may follow an `if`.
#[derive(Clone, Debug)]
pub(super) enum Stmt {
    Goto(Name),
    Return(Option<Expr>),
    Set(Place, SetOp, Expr),
    Call(Call),
}

/// `=`, `+=`, `-=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetOp {
    Assign,
    Update(Arith),
}

/// What is assigned to: `ret`, `iter.count`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: Name,
    pub(super) field: Option<Name>,
    pub(super) span: Span,
}

/// The right-hand side of an assignment or a `return`.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Value(Value),
    Binary(Value, Arith, Value),
    Call(Call),
}

/// Something that has a value without doing anything.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) kind: ValueKind,
    pub(super) span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum ValueKind {
    Const(Val),
    Name(String),
    Field(Name, Name),
    LockedByMe(Name),
    Held(Name),
    HolderQueued(Name),
    PagefaultDisabled,
    IocbAppend,
}

/// A kernel operation or a helper of the design, with its arguments.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) name: Name,
    pub(super) args: Vec<Arg>,
    pub(super) span: Span,
}

/// An argument: its meaning depends on what is called.
#[derive(Clone, Debug)]
pub(super) enum Arg {
    Value(Value),
    /// `&x`: the helper may change it.
    Ref(Name),
    /// `else LABEL`, of a request that may be refused.
    Else(Name),
}

impl Arg {
    pub(super) fn span(&self) -> &Span {
        match self {
            Arg::Value(value) => &value.span,
            Arg::Ref(name) | Arg::Else(name) => &name.span,
        }
    }
}

/// What an `if` asks.
#[derive(Clone, Debug)]
pub(super) enum Cond {
    Compare(Value, Cmp, Value),
    Truth(Value),
    Call(Call),
    Not(Box<Cond>),
    And(Vec<Cond>),
    Or(Vec<Cond>),
}
