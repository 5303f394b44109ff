//! SPIN finds the same states, by the same number of steps.

use crate::systems::spin;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::Search;

#[test]
fn spin_and_the_engine_find_the_same_states_of_two_phase_commit() {
    if !spin::is_installed() {
        eprintln!("spin and cc are not installed: skipped");
        return;
    }
    for managers in [3, 5] {
        let ours = Search::new(&TwoPhaseCommit(managers)).run().unwrap().stats;
        let theirs = spin::verify(managers, ours.states);
        assert_eq!(theirs.errors, 0);
        assert_eq!(theirs.states, ours.states);
        assert_eq!(theirs.transitions, ours.edges + 1);
    }
}
