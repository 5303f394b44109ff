//! By parts and whole, every step is the same.

use proptest::prelude::*;
use stateright::Expectation;

use super::*;
use crate::exact::Exact;
use crate::outcome::Verdict;
use crate::search::{Limits, Search};
use crate::system::System;

/// An actor that does anything, and the same again when it is asked the same.
#[derive(Clone, Copy, Debug)]
struct Whim {
    seed: u64,
}

impl Whim {
    /// Something that depends on all of it, below `end`.
    fn any(self, what: impl Hash, end: u8) -> u8 {
        (hash_of(&(self.seed, what)) % u64::from(end)) as u8
    }

    fn respond(self, what: (Id, u8, u8, u8), state: &mut Cow<'_, u8>, out: &mut Out<Self>) {
        let number = |turn: u8, end| self.any((what, turn), end);
        if number(0, 3) > 0 {
            *state.to_mut() = number(1, 3);
        }
        for turn in 0..number(2, 4) {
            let number = |of: u8, end| self.any((what, turn, of), end);
            match number(3, 8) {
                0..3 => out.send(usize::from(number(4, 3)).into(), number(5, 3)),
                3 => out.set_timer(number(4, 2), stateright::actor::model_timeout()),
                4 => out.cancel_timer(number(4, 2)),
                5 => out.choose_random("one", (0..number(4, 3)).collect()),
                6 => out.choose_random("two", vec![number(4, 3); 2]),
                _ => out.save(number(4, 2)),
            }
        }
    }
}

impl Actor for Whim {
    type Msg = u8;
    type State = u8;
    type Timer = u8;
    type Random = u8;
    type Storage = u8;

    fn on_start(&self, id: Id, storage: &Option<u8>, out: &mut Out<Self>) -> u8 {
        let stored = storage.map_or(9, |stored| stored);
        let mut state = Cow::Owned(0);
        self.respond((id, 0, stored, 0), &mut state, out);
        out.send(id, 0);
        *state
    }

    fn on_msg(&self, id: Id, state: &mut Cow<'_, u8>, src: Id, msg: u8, out: &mut Out<Self>) {
        let src = usize::from(src) as u8;
        self.respond((id, 1 + src, **state, msg), state, out);
    }

    fn on_timeout(&self, id: Id, state: &mut Cow<'_, u8>, timer: &u8, out: &mut Out<Self>) {
        match self.any((**state, *timer), 4) {
            // Nothing but to set the timer again is no step.
            0 => {
                out.set_timer(*timer, stateright::actor::model_timeout());
            }
            _ => self.respond((id, 5, **state, *timer), state, out),
        }
    }

    fn on_random(&self, id: Id, state: &mut Cow<'_, u8>, random: &u8, out: &mut Out<Self>) {
        self.respond((id, 6, **state, *random), state, out);
    }
}

type Whims = ActorModel<Whim, u8, Vec<u8>>;

/// The last few messages, but for some.
fn recorded(kind: u8, history: &[u8], msg: u8) -> Option<Vec<u8>> {
    let start = history.len().saturating_sub(2);
    (msg != kind).then(|| [&history[start..], &[kind * 3 + msg]].concat())
}

/// What a system is like.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    actors: usize,
    kind: Kind,
    lossy: bool,
    crashes: usize,
    bounded: bool,
}

impl Plan {
    fn model(&self) -> Whims {
        let network = match self.kind {
            Kind::Ordered => Network::new_ordered([]),
            Kind::NonDuplicating => Network::new_unordered_nonduplicating([]),
            Kind::Duplicating => Network::new_unordered_duplicating([]),
        };
        let model = ActorModel::new(6, Vec::new())
            .actors((0..self.actors).map(|_| Whim { seed: self.seed }))
            .init_network(network)
            .lossy_network(match self.lossy {
                true => LossyNetwork::Yes,
                false => LossyNetwork::No,
            })
            .max_crashes(self.crashes)
            .record_msg_in(|_, history, envelope| recorded(0, history, *envelope.msg))
            .record_msg_out(|_, history, envelope| recorded(1, history, *envelope.msg))
            .property(Expectation::Always, "not all at two", |_, state| {
                state.actor_states.iter().any(|state| **state != 2)
                    || state.history.iter().filter(|&&msg| msg == 5).count() < 2
            })
            .property(Expectation::Sometimes, "two under way", |_, state| {
                state.network.len() > 1
            });
        match self.bounded {
            true => {
                model.within_boundary(|limit, state| state.network.len() <= usize::from(*limit))
            }
            false => model,
        }
    }
}

prop_compose! {
    fn any_plan()(
        seed: u64,
        actors in 1..=2_usize,
        kind in prop::sample::select(vec![Kind::Ordered, Kind::NonDuplicating, Kind::Duplicating]),
        lossy: bool,
        crashes in 0..2_usize,
        bounded in prop::bool::weighted(0.8),
    ) -> Plan {
        Plan { seed, actors, kind, lossy, crashes, bounded }
    }
}

/// The first few hundred states; `None` if there is none within the boundary.
fn limited<S: System>(system: &S, threads: usize) -> Option<crate::search::OutcomeOf<S>> {
    let limits = Limits {
        states: Some(300),
        ..Limits::default()
    };
    let search = Search::new(system).limits(limits).threads(threads);
    search.run().ok()
}

/// Compares the steps of the first states with those of the model, and hands each to `seen`.
fn steps_are_those_of(
    plan: &Plan,
    mut seen: impl FnMut(&ActorModelAction<u8, u8, u8>),
) -> Result<(), TestCaseError> {
    let model = plan.model();
    let mut store = Exact::new(plan.model()).in_parts().new_store();
    let mut batch = ActorBatch::default();
    for state in model.init_states() {
        store.push(&mut batch, state);
        store.append(&mut batch, 0);
    }
    let mut next = 0;
    while next < store.len().min(60) {
        let state = store.state(next as Index);
        ActorStore::<Whim, u8, Vec<u8>>::clear(&mut batch);
        let mut found = Vec::new();
        let from = (next as Index, &state);
        store.expand_into(
            &mut batch,
            from,
            &model,
            |action| action(),
            &mut |_, action, hash| {
                found.push((action, hash));
            },
        );
        let mut count = 0;
        let expected = model.next_steps(&state);
        prop_assert_eq!(found.len(), expected.len());
        for ((action, hash), (expected, next)) in found.into_iter().zip(expected) {
            seen(&action);
            prop_assert_eq!(action, expected);
            prop_assert_eq!(hash.is_some(), Model::within_boundary(&model, &next));
            if hash.is_some() {
                prop_assert_eq!(&store.candidate(&batch, count), &next);
                // However a state comes to be known, its record is the same.
                let mut other = ActorBatch::default();
                prop_assert_eq!(hash, Some(store.push(&mut other, next)));
                prop_assert_eq!(batch.record(count), other.record(0));
                prop_assert_eq!(
                    store.hash_of_parts(&batch, count),
                    store.hash_of_parts(&other, 0)
                );
                count += 1;
            }
        }
        for at in 0..count {
            if (0..store.len()).all(|index| !store.equals(index as Index, &batch, at)) {
                store.append(&mut batch, at);
            }
        }
        next += 1;
        store.forget(next as Index);
    }
    for index in 0..store.len() as Index {
        prop_assert!(store.with(index, |state| *state == store.state(index)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn steps_are_those_of_the_model(plan in any_plan()) {
        steps_are_those_of(&plan, |_| ())?;
    }

    #[test]
    fn a_search_in_parts_is_a_search(plan in any_plan()) {
        let whole = limited(&Exact::new(plan.model()), 1);
        for threads in [1, 2] {
            let parts = limited(&Exact::new(plan.model()).in_parts(), threads);
            prop_assert_eq!(parts.is_some(), whole.is_some());
            let (Some(parts), Some(whole)) = (parts, &whole) else {
                return Ok(());
            };
            let stats = |of: &crate::Stats| (of.states, of.levels.clone(), of.terminal);
            prop_assert_eq!(stats(&parts.stats), stats(&whole.stats));
            if whole.unfinished.is_none() {
                prop_assert_eq!(parts.stats.edges, whole.stats.edges);
                prop_assert_eq!(parts.stats.outside, whole.stats.outside);
            }
            prop_assert_eq!(parts.unfinished, whole.unfinished);
            for (one, other) in parts.properties.iter().zip(&whole.properties) {
                match (&one.verdict, &other.verdict) {
                    (Verdict::Violated(one), Verdict::Violated(other))
                    | (Verdict::Found(one), Verdict::Found(other)) => {
                        prop_assert_eq!(&one.steps, &other.steps);
                    }
                    (one, other) => {
                        prop_assert_eq!(std::mem::discriminant(one), std::mem::discriminant(other));
                    }
                }
            }
        }
    }
}

/// A model has no boundary if it has stateright's own; this is seen, as each successor would have to be
/// put together to ask.
#[test]
fn a_model_without_a_boundary_is_seen_to_have_none() {
    let model = || ActorModel::<Whim, (), u8>::new((), 0);
    assert!(!Bounds::of(model()).1.bounded);
    let bounded = model().within_boundary(|(), state| state.network.len() < 3);
    assert!(Bounds::of(bounded).1.bounded);
}

#[test]
fn steps_of_every_kind_are_compared() {
    let kinds = [Kind::Ordered, Kind::NonDuplicating, Kind::Duplicating];
    for kind in kinds {
        let mut seen = [0; 6];
        for seed in 0..40 {
            let plan = Plan {
                seed,
                actors: 2,
                kind,
                lossy: seed % 2 == 0,
                crashes: 1,
                bounded: true,
            };
            let compared = steps_are_those_of(&plan, |action| {
                seen[match action {
                    ActorModelAction::Deliver { .. } => 0,
                    ActorModelAction::Drop(_) => 1,
                    ActorModelAction::Timeout(..) => 2,
                    ActorModelAction::Crash(_) => 3,
                    ActorModelAction::Recover(_) => 4,
                    ActorModelAction::SelectRandom { .. } => 5,
                }] += 1;
            });
            compared.unwrap();
        }
        assert!(seen.into_iter().all(|count| count > 100), "{seen:?}");
    }
}
