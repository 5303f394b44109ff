//! Variables get slots: few, and shared by those that never live together.

use super::graph::{self, VarSet};
use super::lower::Lowered;
use crate::program::{Entry, MAX_NESTED_VARS, MAX_VARS, Op, Var};

/// The names of the variables in each slot, over all entries of a kind.
pub(super) type SlotNames = Vec<Vec<String>>;

/// Gives variables slots, so that no two that live at the same time share one.
/// Variables of one name share a slot between entries where that is possible.
/// Result: per instruction the live slots, or the names that do not fit.
pub(super) fn share(
    lowered: &mut Lowered,
    entry: Entry,
    names: &mut SlotNames,
) -> Result<Vec<u16>, Vec<String>> {
    names.resize(
        if entry.is_nested() {
            MAX_NESTED_VARS
        } else {
            MAX_VARS
        },
        Vec::new(),
    );
    let ops: Vec<Op> = lowered.code.iter().map(|raw| raw.op).collect();
    let live = graph::live(&ops);
    let rivals = rivals(&ops, &live, lowered.names.len());
    let mut slots: Vec<Option<usize>> = vec![None; lowered.names.len()];
    for var in ops
        .iter()
        .flat_map(|op| graph::uses(op).chain(graph::sets(op)))
    {
        let index = var.0 as usize;
        if slots[index].is_some() {
            continue;
        }
        let name = &lowered.names[index];
        let taken: Vec<usize> = rivals[index]
            .iter()
            .filter_map(|v| slots[v.0 as usize])
            .collect();
        // Best the slot of that name, then the one with the fewest names.
        let best = (0..names.len())
            .filter(|slot| !taken.contains(slot))
            .min_by_key(|&slot| (!names[slot].contains(name), names[slot].len()));
        let Some(slot) = best else {
            let rivals = rivals[index]
                .iter()
                .map(|v| lowered.names[v.0 as usize].clone());
            return Err(rivals.chain([name.clone()]).collect());
        };
        if !names[slot].contains(name) {
            names[slot].push(name.clone());
        }
        slots[index] = Some(slot);
    }
    let slot = |var: Var| slots[var.0 as usize].unwrap_or_default() as u8;
    for raw in &mut lowered.code {
        graph::rename(&mut raw.op, |var| Var(slot(var)));
    }
    let bits = |set: &VarSet| {
        let bits: u16 = set.iter().fold(0, |bits, var| bits | 1 << slot(var));
        debug_assert_eq!(bits.count_ones() as usize, set.iter().count());
        bits
    };
    Ok(live.iter().map(bits).collect())
}

/// Per variable: those that must not share its slot.
fn rivals(ops: &[Op], live: &[VarSet], vars: usize) -> Vec<VarSet> {
    let mut rivals = vec![VarSet::default(); vars];
    let mut keep_apart = |a: Var, others: VarSet| {
        for b in others.iter().filter(|&b| b != a) {
            rivals[a.0 as usize].insert(b);
            rivals[b.0 as usize].insert(a);
        }
    };
    for (pc, op) in ops.iter().enumerate() {
        if let Some(var) = graph::sets(op) {
            keep_apart(var, graph::live_after(pc, op, live));
        }
    }
    // Read before they are set: a mistake, but not one to trip over.
    if let Some(&start) = live.first() {
        start.iter().for_each(|var| keep_apart(var, start));
    }
    rivals
}

/// One name per slot, for traces: `ret`, or `read/size`.
pub(super) fn joined(names: &SlotNames) -> Vec<String> {
    let used = names
        .iter()
        .rposition(|n| !n.is_empty())
        .map_or(0, |last| last + 1);
    names[..used].iter().map(|n| n.join("/")).collect()
}
