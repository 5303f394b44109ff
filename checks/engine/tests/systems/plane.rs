//! A system without an end.

use glock_engine::Exact;
use stateright::{Model, Property};

/// Counts for ever, in two directions.
pub struct Plane;

impl Model for Plane {
    type State = (u32, u32);
    type Action = bool;
    fn init_states(&self) -> Vec<(u32, u32)> {
        vec![(0, 0)]
    }
    fn actions(&self, _: &(u32, u32), actions: &mut Vec<bool>) {
        actions.extend([false, true]);
    }
    fn next_state(&self, (x, y): &(u32, u32), up: bool) -> Option<(u32, u32)> {
        Some(if up { (*x, y + 1) } else { (x + 1, *y) })
    }
    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("true", |_, _| true),
            Property::always("not (1, 1)", |_, state| *state != (1, 1)),
            Property::sometimes("(9, 0)", |_, state| *state == (9, 0)),
            Property::sometimes("never", |_, _| false),
        ]
    }
}

/// None of whose states is finished.
pub fn plane() -> Exact<Plane> {
    Exact::new(Plane).finished(|_, _| false)
}
