//! Several processes over loopback. Here they are threads of the test, which makes no difference to
//! them: all that goes from one to another goes through sockets.

use std::net::TcpListener;
use std::time::Duration;

use crate::same::same;
use crate::systems::graph::Graph;
use crate::systems::lanes::Lanes;
use crate::systems::padded::Padded;
use crate::systems::two_phase_commit::TwoPhaseCommit;
use glock_engine::{Exact, Mobile, OutcomeOf, Search, System, Words};
use glock_engine_timely::{DistributedSearch, Error, Placement, Processes, Shared};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Addresses on loopback at which nobody listens at the moment.
fn addresses(processes: usize) -> Vec<String> {
    let listeners: Vec<_> = (0..processes)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    listeners.iter().map(address).collect()
}

fn placements(processes: usize, workers: usize) -> Vec<Processes> {
    let addresses = addresses(processes);
    (0..processes)
        .map(|process| Processes {
            addresses: addresses.clone(),
            process,
            workers,
            agreement: vec![("model".to_owned(), "the same".to_owned())],
            patience: Duration::from_secs(20),
        })
        .collect()
}

/// What each process says.
fn run<S>(system: &S, placements: Vec<Processes>) -> Vec<Result<Shared<S>, Error>>
where
    S: System<Store: Mobile<Parcel: Send>, Coverage: Serialize + DeserializeOwned>,
    Shared<S>: Send,
{
    std::thread::scope(|scope| {
        let processes: Vec<_> = placements
            .into_iter()
            .map(|placement| {
                let placement = Placement::Processes(placement);
                scope.spawn(move || DistributedSearch::new(system, placement).run())
            })
            .collect();
        processes
            .into_iter()
            .map(|process| process.join().unwrap())
            .collect()
    })
}

fn is_as_on_one_machine<S>(system: &S, processes: usize, workers: usize) -> Vec<OutcomeOf<S>>
where
    S: System<Store: Mobile<Parcel = Words>, Coverage: Serialize + DeserializeOwned>,
    Shared<S>: Send,
{
    let alone = Search::new(system).run().unwrap();
    let shared = run(system, placements(processes, workers));
    let outcomes = shared.into_iter().map(|shared| {
        let shared = shared.unwrap();
        assert_eq!(same(&shared.outcome), same(&alone));
        assert_eq!(shared.shares.len(), processes * workers);
        assert!(shared.sent_bytes > 0 && shared.trouble.is_none());
        shared.outcome
    });
    outcomes.collect()
}

#[test]
fn two_processes_say_what_one_says() {
    is_as_on_one_machine(&TwoPhaseCommit(5), 2, 1);
    is_as_on_one_machine(&TwoPhaseCommit(7), 2, 2);
    let graph = Graph::paths(&[&[0, 1, 2, 3, 4, 5], &[0, 6]]).label(0, &[4]);
    is_as_on_one_machine(&graph, 2, 1);
}

#[test]
fn three_processes_say_what_one_says() {
    is_as_on_one_machine(&TwoPhaseCommit(4), 3, 1);
}

#[test]
fn long_states_survive_the_way() {
    is_as_on_one_machine(&Padded(TwoPhaseCommit(4), 7), 2, 1);
}

#[test]
fn every_process_tells_the_same_counterexample() {
    let outcomes = is_as_on_one_machine(&TwoPhaseCommit(5), 2, 1);
    let path = |at: usize| outcomes[at].verdict("commit agreement").unwrap().path();
    assert!(path(0).is_some());
    assert_eq!(path(0), path(1));
}

fn refusals(placements: Vec<Processes>) -> Vec<String> {
    run(&TwoPhaseCommit(3), placements)
        .into_iter()
        .map(|shared| shared.err().unwrap().to_string())
        .collect()
}

#[test]
fn processes_that_are_about_different_things_do_not_start() {
    let mut placements = placements(2, 1);
    placements[1].agreement[0].1 = "another".to_owned();
    let refused = refusals(placements);
    assert_eq!(
        refused,
        [
            "process 1 has another model: another, and here it is the same",
            "process 0 has another model: the same, and here it is another",
        ]
    );
}

#[test]
fn processes_with_different_numbers_of_workers_do_not_start() {
    let mut placements = placements(2, 1);
    placements[1].workers = 2;
    let refused = refusals(placements);
    assert_eq!(
        refused[0],
        "process 1 has another number of workers: 2, and here it is 1"
    );
}

#[test]
fn a_process_that_does_not_come_is_named() {
    let mut placements = placements(2, 1);
    placements.pop();
    placements[0].patience = Duration::from_millis(200);
    let address = placements[0].addresses[1].clone();
    let refused = refusals(placements);
    assert_eq!(
        refused[0],
        format!("process 1 did not come to {address} within 0 s")
    );
}

#[test]
fn a_process_that_is_not_in_the_list_is_refused() {
    let mut placements = placements(2, 1);
    placements.pop();
    placements[0].process = 2;
    let refused = refusals(placements);
    assert!(refused[0].contains("no process 2"), "{}", refused[0]);
}

#[test]
fn a_stranger_at_the_door_does_not_disturb() {
    let placements = placements(2, 1);
    let address = placements[0].addresses[0].clone();
    let stranger = std::thread::spawn(move || {
        use std::io::Write;
        for _ in 0..100 {
            if let Ok(mut stream) = std::net::TcpStream::connect(&address) {
                return stream
                    .write_all(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n")
                    .is_ok();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    });
    for shared in run(&TwoPhaseCommit(4), placements) {
        assert!(shared.unwrap().outcome.exhaustive());
    }
    stranger.join().unwrap();
}

/// States of any type have no form in which they could be sent.
#[test]
fn states_of_any_type_stay_in_their_process() {
    let refused = run(&Exact::new(Lanes(3)), placements(1, 2));
    let why = refused[0].as_ref().err().unwrap().to_string();
    assert!(why.contains("cannot be sent"), "{why}");
}
