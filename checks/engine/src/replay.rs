//! Rebuilds a run from the numbers of its states, and so checks it.
//!
//! The search stores for each state the number of one predecessor and nothing else. The replayer
//! starts at a real initial state and lets the model make every step anew from the state it is
//! really in, never from a stored one; stored states only tell which step to take. A run that it
//! returns is therefore a run of the model, whatever the search did.

use std::borrow::Cow;

use stateright::Model;

use crate::outcome::{Error, Path};
use crate::store::{Index, Store};
use crate::system::{ActionOf, BatchOf, StateOf, System};

/// A run of a system.
pub(crate) type Run<S> = Path<StateOf<S>, ActionOf<S>>;

/// Walks through the states with these numbers, of which the first is an initial one.
///
/// # Errors
///
/// [`Error::Replay`] if the model has no such run.
pub(crate) fn replay<S: System>(
    system: &S,
    store: &S::Store,
    numbers: &[Index],
    property: &'static str,
) -> Result<Run<S>, Error> {
    let broken = |step| Error::Replay { property, step };
    let (&first, rest) = numbers.split_first().ok_or(broken(0))?;
    let model = system.model();
    let initial = model
        .init_states()
        .into_iter()
        .find(|state| model.within_boundary(state) && is_stored(system, store, first, state))
        .ok_or(broken(0))?;
    let mut path = Path {
        initial,
        steps: Vec::with_capacity(rest.len()),
    };
    for (step, &index) in rest.iter().enumerate() {
        let next =
            find_step(system, store, path.last(), index, |_| true).ok_or(broken(step + 1))?;
        path.steps.push(next);
    }
    Ok(path)
}

/// The first step from a state, among those whose action is `wanted`, that leads to the stored state
/// with this number.
pub(crate) fn find_step<S: System>(
    system: &S,
    store: &S::Store,
    from: &StateOf<S>,
    to: Index,
    wanted: impl Fn(&ActionOf<S>) -> bool,
) -> Option<(ActionOf<S>, StateOf<S>)> {
    let model = system.model();
    let mut found = None;
    // Not all are kept until the one is known: states may be large.
    let label = |action: &ActionOf<S>| wanted(action).then(|| action.clone());
    system.expand(
        from,
        &mut S::Coverage::default(),
        label,
        &mut |action, state| {
            if let (None, Some(action)) = (&found, action)
                && model.within_boundary(&state)
                && is_stored(system, store, to, &state)
            {
                found = Some((action, state.into_owned()));
            }
        },
    );
    found
}

fn is_stored<S: System>(system: &S, store: &S::Store, index: Index, state: &StateOf<S>) -> bool {
    let mut batch = BatchOf::<S>::default();
    let hash = system.encode(&mut batch, store, Cow::Borrowed(state));
    store.hash(index) == hash && store.equals(index, &batch, 0)
}
