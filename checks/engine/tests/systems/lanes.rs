//! Two threads of the same length: the smallest system with rare interleavings.

use stateright::{Model, Property};

/// Each of two threads takes so many steps. It is bad if the second one takes all of its steps
/// between the first and the second step of the first: one order of the two and one moment at which
/// the first must be stopped, of `2 * steps` moments.
#[derive(Clone, Copy, Debug)]
pub struct Lanes(pub u32);

/// How many steps each thread has taken, and whether the second one began after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Taken(pub [u32; 2], pub bool);

impl Model for Lanes {
    type State = Taken;
    /// The thread.
    type Action = usize;

    fn init_states(&self) -> Vec<Taken> {
        vec![Taken([0, 0], false)]
    }

    fn actions(&self, Taken(taken, _): &Taken, actions: &mut Vec<usize>) {
        actions.extend((0..2).filter(|&thread| taken[thread] < self.0));
    }

    fn next_state(&self, Taken(taken, late): &Taken, thread: usize) -> Option<Taken> {
        let mut next = Taken(*taken, *late);
        next.1 |= thread == 1 && *taken == [1, 0];
        next.0[thread] += 1;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("not all at once", |lanes, taken: &Taken| {
                *taken != Taken([1, lanes.0], true)
            }),
            Property::always("not both halfway", |lanes, taken: &Taken| {
                taken.0 != [lanes.0 / 2, lanes.0 / 2]
            }),
        ]
    }
}
