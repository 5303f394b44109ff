//! stateright's actor systems run unchanged.

use crate::systems::register::{System as Register, register};
use glock_engine::{Claim, Exact, Fairness, OutcomeOf, Search, System, Verdict};
use stateright::actor::ActorModelAction;
use stateright::{Checker, Model};

#[test]
fn one_copy_is_linearizable() {
    let theirs = register(2, 1).checker().spawn_dfs().join();
    for threads in [1, 2] {
        let system = Exact::new(register(2, 1));
        let ours = Search::new(&system).threads(threads).run().unwrap();
        assert_eq!(ours.stats.states, 93);
        assert_eq!(ours.stats.states, theirs.unique_state_count());
        assert_eq!(ours.verdict("linearizable"), Some(&Verdict::Holds));
        assert_eq!(
            ours.verdict("value chosen").unwrap().path().unwrap().len(),
            3
        );
    }
}

#[test]
fn two_copies_are_not_linearizable() {
    let ours = Search::new(&Exact::new(register(2, 2))).run().unwrap();
    let Some(Verdict::Violated(path)) = ours.verdict("linearizable") else {
        panic!("a client reads the other copy");
    };
    assert_eq!(path.len(), 4);
}

type State = <Register as Model>::State;

/// Groups are those to whom a message is delivered.
fn claims<S>(system: &S) -> OutcomeOf<S>
where
    S: System<Model = Register>,
{
    Search::new(system)
        .groups(|action| match action {
            ActorModelAction::Deliver { dst, .. } => Some(usize::from(*dst)),
            _ => None,
        })
        .claim(
            Claim::eventually("nothing is under way", |state: &State| {
                state.network.len() == 0
            })
            .under(Fairness::Weak),
        )
        .claim(Claim::can_reach("two operations", |state: &State| {
            state.history.len() == 2
        }))
        .claim(
            Claim::eventually("never", |state: &State| state.network.len() > 9)
                .under(Fairness::Weak),
        )
        .run()
        .unwrap()
}

/// By parts, when histories of states that were expanded are not kept.
#[test]
fn claims_in_parts_are_claims_on_whole_states() {
    let whole = claims(&Exact::new(register(2, 2)));
    let parts = claims(&Exact::new(register(2, 2)).in_parts());
    for name in ["nothing is under way", "two operations", "never"] {
        assert_eq!(parts.verdict(name), whole.verdict(name), "{name}");
    }
    assert_eq!(whole.verdict("nothing is under way"), Some(&Verdict::Holds));
    assert!(matches!(whole.verdict("never"), Some(Verdict::Never(_))));
    assert!(matches!(
        whole.verdict("two operations"),
        Some(Verdict::Trapped(_))
    ));
}
