//! A history shows nothing that the model does not do.

mod support;

use glock_model::cluster::{Action, Cluster, State};
use glock_model::property::Property;
use glock_traces::{Actor, History, ReplayError, Style};
use support::{first_start, shortest};

fn recorded() -> (Cluster, State, Vec<(Action, State)>) {
    let cluster = first_start("race-direct-read", "base");
    let history = shortest(&cluster, Property::NoDeadlock).expect("a deadlock");
    let steps = history.steps().iter().map(|s| (s.action, s.state));
    let steps = steps.collect();
    (cluster.clone(), *history.initial(), steps)
}

#[test]
fn a_recorded_history_replays() {
    let (cluster, initial, steps) = recorded();
    let history = History::replay_recorded(&cluster, initial, &steps).expect("it was recorded");
    assert_eq!(history.steps().len(), steps.len());
    assert_eq!(*history.last(), steps[steps.len() - 1].1);
    assert_eq!(history.steps()[0].actor, Actor::Task(0));
}

#[test]
fn a_history_begins_in_an_initial_state() {
    let (cluster, _, steps) = recorded();
    let late = steps[0].1;
    let error = History::replay(&cluster, late, &[]).unwrap_err();
    assert_eq!(error, ReplayError::NotInitial);
}

#[test]
fn an_action_that_cannot_happen_is_named() {
    let (cluster, initial, steps) = recorded();
    let mut actions: Vec<Action> = steps.iter().map(|(a, _)| *a).collect();
    let action = Action::Worker { node: 0, file: 0 };
    actions.insert(0, action);
    let error = History::replay(&cluster, initial, &actions).unwrap_err();
    assert_eq!(error, ReplayError::NotEnabled { step: 1, action });
    assert!(
        error
            .to_string()
            .starts_with("step 1 of the history cannot be taken")
    );
}

#[test]
fn a_state_that_does_not_follow_is_named() {
    let (cluster, initial, mut steps) = recorded();
    let last = steps.len() - 1;
    steps[last].1 = initial;
    let error = History::replay_recorded(&cluster, initial, &steps).unwrap_err();
    let action = steps[last].0;
    assert_eq!(
        error,
        ReplayError::OtherState {
            step: last + 1,
            action
        }
    );
}

#[test]
fn a_history_without_steps_has_a_header() {
    let (cluster, initial, _) = recorded();
    let history = History::replay(&cluster, initial, &[]).expect("an initial state");
    let text = Style::default().table(&history);
    assert!(text.contains("read(F1 -> M2), O_DIRECT"), "{text}");
}
