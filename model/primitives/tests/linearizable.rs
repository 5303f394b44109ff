//! The local glock against a sequential specification: an oracle that knows nothing of
//! queues, only which holders go together (G6).
//!
//! Each task writes down when it calls and when the call returns; stateright's tester
//! asks whether the calls can be put in an order that the specification allows. Loom
//! supplies the executions.

use glock_primitives::{Config, Flags, Join, LockSpace, Loom, Mode, Refused, Runtime, Weakened};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// What a task asks of the glock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Call {
    /// `gfs2_glock_nq`, to its return.
    Take(u8, Mode),
    /// The same with TRY.
    Try(u8, Mode),
    /// `gfs2_glock_dq`.
    Drop(u8),
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Done,
    Failed,
}

/// Which tasks hold the glock, and in what mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Holders(Vec<(u8, Mode)>);

impl Holders {
    fn admit(&self, mode: Mode) -> bool {
        let together = |h: &(u8, Mode)| h.1 == mode && mode != Mode::Ex;
        self.0.iter().all(together)
    }
}

impl SequentialSpec for Holders {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match *call {
            Call::Take(task, mode) | Call::Try(task, mode) if self.admit(mode) => {
                self.0.push((task, mode));
                Answer::Done
            }
            Call::Drop(task) => {
                self.0.retain(|h| h.0 != task);
                Answer::Done
            }
            _ => Answer::Failed,
        }
    }

    /// A request without TRY that cannot be granted waits: it is not done yet. A TRY may
    /// fail without need (Q15).
    fn is_valid_step(&mut self, call: &Call, answer: &Answer) -> bool {
        match (*call, *answer) {
            (Call::Try(..), Answer::Failed) => true,
            (_, Answer::Failed) => false,
            (call, Answer::Done) => self.invoke(&call) == Answer::Done,
        }
    }
}

/// A call, or with an answer its return.
type Moment = (u8, Call, Option<Answer>);

/// The histories of all executions within two preemptions, and how many executions
/// there were.
fn histories(
    requests: &'static [(Mode, Flags)],
    weakened: Option<Weakened>,
) -> (HashSet<Vec<Moment>>, usize) {
    let seen = Arc::new(Mutex::new((HashSet::new(), 0)));
    let kept = seen.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 100_000;
    builder.check(move || {
        let space = LockSpace::<Loom>::new(Config {
            initial: |_, _| Mode::Ex,
            weakened,
            ..Config::local(1, requests.len() as u8)
        });
        let history = Arc::new(Mutex::new(Vec::new()));
        let used = Arc::new(<Loom as Runtime>::Flag::new(0));
        let run = |id: usize| {
            let (space, history, used) = (space.clone(), history.clone(), used.clone());
            move || {
                let write = |moment| history.lock().unwrap().push(moment);
                let (mode, flags) = requests[id];
                let id = id as u8;
                let take = match flags.is_try() {
                    false => Call::Take(id, mode),
                    true => Call::Try(id, mode),
                };
                let task = space.task(id, 0);
                write((id, take, None));
                let ticket = space.enqueue(&task, 0, mode, flags).unwrap();
                match ticket.wait() {
                    Ok(()) => write((id, take, Some(Answer::Done))),
                    Err(Refused::TryFailed) => {
                        return write((id, take, Some(Answer::Failed)));
                    }
                    Err(other) => panic!("{other}"),
                }
                // Something to be interrupted at while it holds the glock.
                used.store(id, Ordering::Relaxed);
                write((id, Call::Drop(id), None));
                ticket.dequeue(&task).unwrap();
                write((id, Call::Drop(id), Some(Answer::Done)));
            }
        };
        let worker = space.start_worker();
        let others: Vec<_> = (1..requests.len()).map(|id| Loom::spawn(run(id))).collect();
        run(0)();
        others.into_iter().for_each(Join::join);
        worker.stop();
        let mut kept = kept.lock().unwrap();
        kept.1 += 1;
        let history = std::mem::take(&mut *history.lock().unwrap());
        kept.0.insert(history);
    });
    let mut seen = seen.lock().unwrap();
    std::mem::take(&mut *seen)
}

fn is_linearizable(history: &[Moment]) -> bool {
    let mut tester = LinearizabilityTester::new(Holders::default());
    for &(task, call, answer) in history {
        match answer {
            None => tester.on_invoke(task, call).map(drop),
            Some(answer) => tester.on_return(task, answer).map(drop),
        }
        .expect("one call at a time");
    }
    tester.is_consistent()
}

fn check(name: &str, requests: &'static [(Mode, Flags)]) {
    let (histories, executions) = histories(requests, None);
    println!(
        "{name}: all of {executions} executions, {} threads, at most 2 preemptions, \
         {} different histories",
        requests.len() + 1,
        histories.len()
    );
    for history in &histories {
        assert!(is_linearizable(history), "{history:?}");
    }
}

const SH: (Mode, Flags) = (Mode::Sh, Flags::NONE);
const DF: (Mode, Flags) = (Mode::Df, Flags::NONE);
const EX: (Mode, Flags) = (Mode::Ex, Flags::NONE);
const TRY_SH: (Mode, Flags) = (Mode::Sh, Flags::TRY);

#[test]
fn requests_of_all_modes_are_linearizable() {
    check("SH, EX, SH", &[SH, EX, SH]);
    check("SH, DF, EX", &[SH, DF, EX]);
}

#[test]
fn try_requests_are_linearizable() {
    check("EX, TRY SH, SH", &[EX, TRY_SH, SH]);
}

#[test]
fn a_grant_past_a_waiter_is_not_linearizable() {
    let (histories, _) = histories(&[SH, EX, SH], Some(Weakened::GrantedPastWaiter));
    assert!(histories.iter().any(|h| !is_linearizable(h)));
}
