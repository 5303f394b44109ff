//! A design together with everything it extends.

use super::ast::{Design, Function};
use super::problem::{Problem, Rule, Span};
use crate::program::{Entry, Flag, FlagDecl, Kernel, Source};
use std::collections::BTreeMap;

/// The effective parts of a design: the nearest definition of each name wins.
pub(super) struct Unit {
    /// The design's own text first, then what it extends, nearest first.
    pub(super) sources: Vec<Source>,
    pub(super) designs: Vec<Design>,
    /// Name to (source, index of the function in its design).
    functions: BTreeMap<String, (usize, usize)>,
    /// Declaration, source and place, in the order of declaration.
    pub(super) flags: Vec<(FlagDecl, usize, Span)>,
}

impl Unit {
    pub(super) fn new(
        sources: Vec<Source>,
        designs: Vec<Design>,
        problems: &mut Vec<Problem>,
    ) -> Unit {
        let mut unit = Unit {
            sources,
            designs,
            functions: BTreeMap::new(),
            flags: Vec::new(),
        };
        for source in (0..unit.designs.len()).rev() {
            unit.add_functions(source, problems);
            unit.add_flags(source);
        }
        unit
    }

    fn add_functions(&mut self, source: usize, problems: &mut Vec<Problem>) {
        for (index, function) in self.designs[source].functions.iter().enumerate() {
            let name = &function.name;
            let before = self.functions.insert(name.text.clone(), (source, index));
            if let Some((at, first)) = before
                && at == source
            {
                let first = self.designs[source].functions[first].name.span.clone();
                let message = format!("function `{}` is written twice", name.text);
                problems.push(
                    Problem::new(Rule::Header, name.span.clone(), message)
                        .label("and again here")
                        .also(first, "first here")
                        .help("remove one; only an inherited function can be replaced")
                        .in_source(source),
                );
            }
        }
    }

    /// A flag declared again replaces the inherited one.
    fn add_flags(&mut self, source: usize) {
        for (flag, span) in &self.designs[source].flags {
            let new = (flag.clone(), source, span.clone());
            match self
                .flags
                .iter_mut()
                .find(|(old, _, _)| old.name == flag.name)
            {
                Some(old) => *old = new,
                None => self.flags.push(new),
            }
        }
    }

    /// The function that counts, and the source it stands in.
    pub(super) fn function(&self, name: &str) -> Option<(usize, &Function)> {
        let &(source, index) = self.functions.get(name)?;
        Some((source, &self.designs[source].functions[index]))
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = (usize, &Function)> {
        self.functions
            .values()
            .map(|&(source, index)| (source, &self.designs[source].functions[index]))
    }

    pub(super) fn flag(&self, name: &str) -> Option<Flag> {
        self.flags
            .iter()
            .position(|(flag, _, _)| flag.name == name)
            .map(|i| Flag(i as u8))
    }

    pub(super) fn kernel(&self) -> Kernel {
        /// The rule of the nearest design that has one.
        fn nearest<T: Default>(designs: &[Design], rule: impl Fn(&Design) -> Option<T>) -> T {
            designs.iter().find_map(rule).unwrap_or_default()
        }
        let designs = self.designs.as_slice();
        Kernel {
            may_grant: nearest(designs, |d| d.may_grant),
            try_rule: nearest(designs, |d| d.try_rule),
            weak: nearest(designs, |d| d.weak),
            gh_error: nearest(designs, |d| d.gh_error),
            demote: nearest(designs, |d| d.demote),
            hold: nearest(designs, |d| d.hold),
        }
    }

    pub(super) fn admits_short(&self) -> Vec<Entry> {
        let mut entries = self
            .designs
            .iter()
            .find_map(|d| d.admits.clone())
            .unwrap_or_default();
        entries.sort_unstable();
        entries.dedup();
        entries
    }
}
