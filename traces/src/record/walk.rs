//! Going through the states of a record.

use super::Record;
use crate::observe::{Table, Value, Variable};

/// Stands at a state of a record: after so many steps.
#[derive(Clone, Debug)]
pub struct Walker<'r> {
    record: &'r Record,
    steps: usize,
    values: Vec<u32>,
}

impl Record {
    /// A walker at the state before the first step.
    pub fn walk(&self) -> Walker<'_> {
        Walker {
            record: self,
            steps: 0,
            values: self.first.clone(),
        }
    }
}

impl<'r> Walker<'r> {
    /// How many steps lead here.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Takes the next step; false if there is none.
    pub fn step(&mut self) -> bool {
        let Some(step) = self.record.steps.get(self.steps) else {
            return false;
        };
        for pair in step.set.chunks_exact(2) {
            self.values[pair[0] as usize] = pair[1];
        }
        self.steps += 1;
        true
    }

    /// Goes to the state after so many steps, or the last one.
    pub fn go_to(&mut self, steps: usize) {
        if steps < self.steps {
            *self = self.record.walk();
        }
        while self.steps < steps && self.step() {}
    }

    /// The variables with their values.
    pub fn values(&self) -> impl Iterator<Item = (&'r Variable, &'r Value)> + '_ {
        let values = &self.record.values;
        let value = |&i: &u32| &values[i as usize];
        self.record
            .variables
            .iter()
            .zip(self.values.iter().map(value))
    }

    /// The value of one variable.
    pub fn value(&self, table: Table, row: &str, name: &str) -> Option<&'r Value> {
        self.values()
            .find(|(v, _)| v.table == table && v.row == row && v.name == name)
            .map(|(_, value)| value)
    }

    /// Indices of the values.
    pub fn indices(&self) -> &[u32] {
        &self.values
    }
}
