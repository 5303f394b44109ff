//! Control flow and variables of compiled code.

use crate::program::{Op, Operand, Pc, Target, Var};

/// How many variables an entry may have before slots are shared.
pub(super) const MAX_NAMES: usize = 256;

/// A set of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct VarSet([u64; MAX_NAMES / 64]);

impl VarSet {
    pub(super) fn insert(&mut self, var: Var) {
        self.0[var.0 as usize / 64] |= 1 << (var.0 % 64);
    }

    pub(super) fn remove(&mut self, var: Var) {
        self.0[var.0 as usize / 64] &= !(1 << (var.0 % 64));
    }

    pub(super) fn contains(&self, var: Var) -> bool {
        self.0[var.0 as usize / 64] >> (var.0 % 64) & 1 == 1
    }

    pub(super) fn union(mut self, other: VarSet) -> VarSet {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a |= b;
        }
        self
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Var> {
        (0..=u8::MAX).map(Var).filter(move |&v| self.contains(v))
    }
}

/// Where control may go after the instruction at `pc`.
pub(crate) fn successors(pc: usize, op: &Op) -> impl Iterator<Item = usize> + use<> {
    let next = (!matches!(op, Op::Goto(_) | Op::Return(_))).then_some(pc + 1);
    let jump = match *op {
        Op::Goto(to) | Op::Branch { then: to, .. } => Some(to as usize),
        Op::Nq { refused, .. } => refused.map(usize::from),
        _ => None,
    };
    next.into_iter().chain(jump)
}

/// The operands an instruction reads.
pub(crate) fn operands(op: &Op) -> impl Iterator<Item = Operand> + use<> {
    let (a, b) = match *op {
        Op::DioRw { done, .. } => (done.map(Operand::Var), None),
        Op::FaultIn { window, .. } | Op::Pin { window, .. } => (Some(window), None),
        Op::Assign { a, op, .. } | Op::SetFlag { a, op, .. } => (Some(a), op.map(|(_, b)| b)),
        Op::Branch { a, b, .. } => (Some(a), Some(b)),
        Op::Return(a) => (Some(a), None),
        _ => (None, None),
    };
    a.into_iter().chain(b)
}

/// The variables an instruction reads.
pub(super) fn uses(op: &Op) -> impl Iterator<Item = Var> + use<> {
    operands(op).filter_map(|operand| match operand {
        Operand::Var(var) => Some(var),
        _ => None,
    })
}

/// The variable an instruction sets.
pub(super) fn sets(op: &Op) -> Option<Var> {
    match *op {
        Op::Nq { to, .. } => to,
        Op::DioRw { to, .. }
        | Op::ReadIter { to, .. }
        | Op::BufferedWrite { to, .. }
        | Op::IomapFiemap { to }
        | Op::FaultIn { to, .. }
        | Op::FaultInReadable { to }
        | Op::Pin { to, .. }
        | Op::FilemapFault { to }
        | Op::DirtyPage { to }
        | Op::Assign {
            to: Target::Var(to),
            ..
        } => Some(to),
        _ => None,
    }
}

/// Replaces every variable of an instruction.
pub(super) fn rename(op: &mut Op, slot: impl Fn(Var) -> Var) {
    let operand = |operand: &mut Operand| {
        if let Operand::Var(var) = operand {
            *var = slot(*var);
        }
    };
    match op {
        Op::Nq { to: Some(to), .. }
        | Op::ReadIter { to, .. }
        | Op::BufferedWrite { to, .. }
        | Op::IomapFiemap { to }
        | Op::FaultInReadable { to }
        | Op::FilemapFault { to }
        | Op::DirtyPage { to } => *to = slot(*to),
        Op::DioRw { to, done, .. } => {
            *to = slot(*to);
            *done = done.map(&slot);
        }
        Op::FaultIn { to, window, .. } | Op::Pin { to, window, .. } => {
            *to = slot(*to);
            operand(window);
        }
        Op::Assign { to, a, op } => {
            if let Target::Var(to) = to {
                *to = slot(*to);
            }
            operand(a);
            if let Some((_, b)) = op {
                operand(b);
            }
        }
        Op::SetFlag { a, op, .. } => {
            operand(a);
            if let Some((_, b)) = op {
                operand(b);
            }
        }
        Op::Branch { a, b, .. } => {
            operand(a);
            operand(b);
        }
        Op::Return(a) => operand(a),
        _ => {}
    }
}

/// Gives flags new numbers.
pub(super) fn renumber_flags(op: &mut Op, number: impl Fn(u8) -> u8) {
    let operand = |operand: &mut Operand| {
        if let Operand::Flag(flag) = operand {
            flag.0 = number(flag.0);
        }
    };
    match op {
        Op::Assign { a, op, .. } | Op::SetFlag { a, op, .. } => {
            operand(a);
            if let Some((_, b)) = op {
                operand(b);
            }
        }
        Op::Branch { a, b, .. } => {
            operand(a);
            operand(b);
        }
        Op::FaultIn { window: a, .. } | Op::Pin { window: a, .. } | Op::Return(a) => operand(a),
        _ => {}
    }
    if let Op::SetFlag { flag, .. } = op {
        flag.0 = number(flag.0);
    }
}

/// Replaces every jump target of an instruction.
pub(super) fn retarget(op: &mut Op, to: impl Fn(Pc) -> Pc) {
    match op {
        Op::Goto(pc) | Op::Branch { then: pc, .. } => *pc = to(*pc),
        Op::Nq {
            refused: Some(pc), ..
        } => *pc = to(*pc),
        _ => {}
    }
}

/// Per instruction: the variables that may still be read once it is reached,
/// itself included, before they are set again.
pub(super) fn live(code: &[Op]) -> Vec<VarSet> {
    let mut live = vec![VarSet::default(); code.len()];
    let mut before = vec![Vec::new(); code.len()];
    for (pc, op) in code.iter().enumerate() {
        for next in successors(pc, op).filter(|&n| n < code.len()) {
            before[next].push(pc);
        }
    }
    let mut work: Vec<usize> = (0..code.len()).collect();
    while let Some(pc) = work.pop() {
        let op = &code[pc];
        let mut set = live_after(pc, op, &live);
        if let Some(var) = sets(op) {
            set.remove(var);
        }
        uses(op).for_each(|var| set.insert(var));
        if set != live[pc] {
            live[pc] = set;
            work.extend(&before[pc]);
        }
    }
    live
}

/// What may still be read behind an instruction.
pub(super) fn live_after(pc: usize, op: &Op, live: &[VarSet]) -> VarSet {
    successors(pc, op)
        .filter_map(|next| live.get(next))
        .fold(VarSet::default(), |all, set| all.union(*set))
}

/// The instructions that can be reached from the first.
pub(super) fn reachable(code: &[Op]) -> Vec<bool> {
    let mut seen = vec![false; code.len()];
    let mut work = vec![0];
    while let Some(pc) = work.pop() {
        if pc < code.len() && !std::mem::replace(&mut seen[pc], true) {
            work.extend(successors(pc, &code[pc]));
        }
    }
    seen
}

/// Can control come back to the instruction at `pc`?
pub(super) fn is_in_loop(code: &[Op], pc: usize) -> bool {
    let mut seen = vec![false; code.len()];
    let mut work: Vec<usize> = successors(pc, &code[pc]).collect();
    while let Some(at) = work.pop() {
        if at == pc {
            return true;
        }
        if at < code.len() && !std::mem::replace(&mut seen[at], true) {
            work.extend(successors(at, &code[at]));
        }
    }
    false
}

/// The first of the instructions in `part` that lie on a cycle within `part`.
pub(super) fn cycle_within(code: &[Op], part: &[bool]) -> Option<usize> {
    let inside = |pc: usize| pc < code.len() && part[pc];
    let mut alive: Vec<bool> = part.to_vec();
    // Peel off what leads nowhere; what is left leads into a cycle.
    let mut ways = vec![0usize; code.len()];
    let mut before = vec![Vec::new(); code.len()];
    for pc in (0..code.len()).filter(|&pc| inside(pc)) {
        for next in successors(pc, &code[pc]).filter(|&n| inside(n)) {
            ways[pc] += 1;
            before[next].push(pc);
        }
    }
    let mut work: Vec<usize> = (0..code.len())
        .filter(|&pc| inside(pc) && ways[pc] == 0)
        .collect();
    while let Some(pc) = work.pop() {
        alive[pc] = false;
        for &from in &before[pc] {
            ways[from] -= 1;
            if ways[from] == 0 {
                work.push(from);
            }
        }
    }
    let start = alive.iter().position(|&a| a)?;
    // Walk on from there: after as many steps as there are instructions we are on it.
    let step = |pc: usize| successors(pc, &code[pc]).find(|&n| n < code.len() && alive[n]);
    let mut at = start;
    for _ in 0..code.len() {
        at = step(at)?;
    }
    let mut first = at;
    let mut walk = step(at)?;
    while walk != at {
        first = first.min(walk);
        walk = step(walk)?;
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Cmp, DioFlags, Val};
    use proptest::prelude::*;

    const VARS: u8 = 3;

    fn operand() -> impl Strategy<Value = Operand> {
        prop_oneof![
            Just(Operand::Const(Val::ZERO)),
            (0..VARS).prop_map(|v| Operand::Var(Var(v)))
        ]
    }

    fn op(len: u16) -> impl Strategy<Value = Op> {
        let var = (0..VARS).prop_map(Var);
        prop_oneof![
            (var.clone(), operand()).prop_map(|(to, a)| Op::Assign {
                to: Target::Var(to),
                a,
                op: None
            }),
            (var, proptest::option::of((0..VARS).prop_map(Var))).prop_map(|(to, done)| Op::DioRw {
                to,
                partial: true,
                rewind: false,
                done,
                flags: DioFlags::NONE,
            }),
            (operand(), operand(), 0..len).prop_map(|(a, b, then)| Op::Branch {
                a,
                cmp: Cmp::Eq,
                b,
                then
            }),
            (0..len).prop_map(Op::Goto),
            operand().prop_map(Op::Return),
        ]
    }

    fn code() -> impl Strategy<Value = Vec<Op>> {
        (1u16..8).prop_flat_map(|len| proptest::collection::vec(op(len), len as usize))
    }

    /// Is there a path from `pc` on which `var` is read before it is set? All
    /// simple paths, one by one.
    fn read_on_some_path(code: &[Op], pc: usize, var: Var, path: &mut Vec<usize>) -> bool {
        if pc >= code.len() || path.contains(&pc) {
            return false;
        }
        if uses(&code[pc]).any(|v| v == var) {
            return true;
        }
        if sets(&code[pc]) == Some(var) {
            return false;
        }
        path.push(pc);
        let found = successors(pc, &code[pc]).any(|next| read_on_some_path(code, next, var, path));
        path.pop();
        found
    }

    /// Is `pc` on a cycle of instructions in `part`?
    fn comes_back(
        code: &[Op],
        part: &[bool],
        from: usize,
        pc: usize,
        path: &mut Vec<usize>,
    ) -> bool {
        successors(from, &code[from]).any(|next| {
            if next >= code.len() || !part[next] {
                return false;
            }
            if next == pc {
                return true;
            }
            if path.contains(&next) {
                return false;
            }
            path.push(next);
            let found = comes_back(code, part, next, pc, path);
            path.pop();
            found
        })
    }

    proptest! {
        #[test]
        fn a_variable_is_live_where_some_path_reads_it_first(code in code()) {
            let live = live(&code);
            for (pc, set) in live.iter().enumerate() {
                for var in (0..VARS).map(Var) {
                    let wanted = read_on_some_path(&code, pc, var, &mut Vec::new());
                    prop_assert_eq!(set.contains(var), wanted, "{:?} at {} of {:?}", var, pc, code);
                }
            }
        }

        #[test]
        fn a_cycle_is_found_where_there_is_one(code in code(), part in proptest::collection::vec(any::<bool>(), 8)) {
            let part = &part[..code.len()];
            let on_cycle = |pc: usize| part[pc] && comes_back(&code, part, pc, pc, &mut Vec::new());
            let found = cycle_within(&code, part);
            prop_assert_eq!(found.is_some(), (0..code.len()).any(on_cycle));
            if let Some(pc) = found {
                prop_assert!(on_cycle(pc));
            }
        }
    }
}
