//! stateright's actor systems run unchanged.

use crate::systems::register::register;
use glock_engine::{Exact, Search, Verdict};
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
