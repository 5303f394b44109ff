//! The search on one machine, to which a shared one is compared.
#![allow(dead_code, unreachable_pub)]

use glock_engine::{Outcome, Stats, Verdict};

/// What must not depend on how many there are that search.
#[derive(Debug, PartialEq)]
pub struct Same {
    counts: Stats,
    verdicts: Vec<(&'static str, String)>,
}

pub fn same<T, A, C>(outcome: &Outcome<T, A, C>) -> Same {
    let verdicts = outcome.properties.iter();
    Same {
        counts: Stats {
            peak_bytes: 0,
            elapsed: Default::default(),
            elapsed_claims: Default::default(),
            ..outcome.stats.clone()
        },
        verdicts: verdicts
            .map(|judged| (judged.name, in_short(&judged.verdict)))
            .collect(),
    }
}

/// A verdict, with the length of the run that shows it.
fn in_short<T, A>(verdict: &Verdict<T, A>) -> String {
    match verdict {
        Verdict::Holds => "holds".to_owned(),
        Verdict::Nowhere => "nowhere".to_owned(),
        Verdict::Violated(path) => format!("violated in {}", path.len()),
        Verdict::Found(path) => format!("found in {}", path.len()),
        Verdict::Trapped(trap) => format!("{} trapped after {}", trap.states, trap.path.len()),
        Verdict::Never(_) => "never".to_owned(),
        Verdict::Unknown(why) => format!("unknown: {why}"),
    }
}
