//! Peterson's lock for two threads, and what is left of it without one of its two variables.
//!
//! `cargo run -p glock-engine --example peterson`

use glock_engine::{Claim, DEADLOCK, Exact, Fairness, Search, Verdict};
use stateright::{Model, Property};

/// Which of the two variables the threads look at before they enter.
struct Lock {
    looks_at_flags: bool,
    looks_at_turn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Rest,
    /// The flag is up.
    Wants,
    /// The turn has been given away.
    Waits,
    Inside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Threads {
    at: [At; 2],
    turn: usize,
}

/// A thread starts when it likes; once it has, it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start(usize),
    GoOn(usize),
}

impl Model for Lock {
    type State = Threads;
    type Action = Step;

    fn init_states(&self) -> Vec<Threads> {
        vec![Threads {
            at: [At::Rest; 2],
            turn: 0,
        }]
    }

    fn actions(&self, threads: &Threads, actions: &mut Vec<Step>) {
        actions.extend([0, 1].map(|thread| match threads.at[thread] {
            At::Rest => Step::Start(thread),
            _ => Step::GoOn(thread),
        }));
    }

    fn next_state(&self, threads: &Threads, step: Step) -> Option<Threads> {
        let (Step::Start(me) | Step::GoOn(me)) = step;
        let other = 1 - me;
        let mut next = *threads;
        next.at[me] = match threads.at[me] {
            At::Rest => At::Wants,
            At::Wants => {
                next.turn = other;
                At::Waits
            }
            At::Waits => {
                let flag = self.looks_at_flags && threads.at[other] != At::Rest;
                let turn = !self.looks_at_turn || threads.turn == other;
                match flag && turn || !self.looks_at_flags && threads.turn == other {
                    true => return None,
                    false => At::Inside,
                }
            }
            At::Inside => At::Rest,
        };
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("exclusion", |_, threads: &Threads| {
            threads.at != [At::Inside; 2]
        })]
    }
}

fn judge(title: &str, lock: Lock) {
    let wants = |threads: &Threads| threads.at[0] == At::Wants;
    let inside = |threads: &Threads| threads.at[0] == At::Inside;
    let lock = Exact::new(lock).finished(|_, _| false);
    let outcome = Search::new(&lock)
        .groups(|step| match step {
            Step::Start(_) => None,
            Step::GoOn(thread) => Some(*thread),
        })
        .claim(Claim::can_reach("can always get in", inside))
        .claim(Claim::leads_to("gets in, fairly", wants, inside).under(Fairness::Weak))
        .claim(Claim::leads_to("gets in, unfairly", wants, inside))
        .run()
        .expect("the model is deterministic");
    println!("{title}: {} states", outcome.stats.states);
    for name in [
        "exclusion",
        DEADLOCK,
        "can always get in",
        "gets in, fairly",
        "gets in, unfairly",
    ] {
        let told = match outcome.verdict(name).expect("it was asked for") {
            Verdict::Holds => "holds".to_owned(),
            Verdict::Violated(path) => {
                format!("violated after {:?}", path.actions().collect::<Vec<_>>())
            }
            Verdict::Trapped(trap) => format!("not from {:?} on", trap.path.last()),
            Verdict::Never(lasso) => format!(
                "violated: after {:?}, for ever {:?}",
                lasso.stem.actions().collect::<Vec<_>>(),
                lasso
                    .cycle
                    .iter()
                    .map(|(thread, _)| thread)
                    .collect::<Vec<_>>(),
            ),
            other => format!("{other:?}"),
        };
        println!("  {name:18} {told}");
    }
}

fn main() {
    for (title, looks_at_flags, looks_at_turn) in [
        ("Peterson's lock", true, true),
        ("flags alone", true, false),
        ("turn alone", false, true),
    ] {
        judge(
            title,
            Lock {
                looks_at_flags,
                looks_at_turn,
            },
        );
    }
}
