//! How large a search will be, from a sample: the states nearest to the initial ones, and random walks.

use crate::check::CheckError;
use crate::checked::Checked;
use crate::interchange::Interchange;
use crate::table::grouped;
use glock_engine::{Forecast, Limits, PackedModel, Search, Stats, Unfinished, forecast};
use glock_model::cluster::Cluster;
use serde::Serialize;
use std::fmt::Write;
use std::sync::atomic::AtomicBool;

/// How to sample.
#[derive(Clone, Copy, Debug)]
pub struct SampleOptions<'a> {
    /// States to look at, at least 1.
    pub states: usize,
    /// The most memory for it, in bytes.
    pub memory_bytes: Option<usize>,
    /// Threads; 0 is taken as 1.
    pub threads: usize,
    /// Set by somebody to have it stop.
    pub cancel: Option<&'a AtomicBool>,
}

/// What a search will need.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// The design under the scenario.
    pub cluster: Cluster,
    /// Sizes of the levels that were looked at to the end.
    pub levels: Vec<usize>,
    /// Whether these are all: nothing had to be estimated.
    pub complete: bool,
    /// Steps out of a state, in the mean.
    pub branching: f64,
    /// Memory of a state with everything around it, in bytes.
    pub bytes_per_state: f64,
    /// The part of it that is the state itself, in bytes.
    pub state_bytes: usize,
    /// How many states a second these threads found.
    pub rate: f64,
    /// How many threads.
    pub threads: usize,
    /// How many states there are; `None` if there is no telling yet.
    pub states: Option<Forecast>,
}

/// What each of several machines will need: the least, the likely and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    /// How many machines.
    pub machines: usize,
    /// Memory of each, in bytes.
    pub memory: [f64; 3],
    /// Time, in seconds.
    pub seconds: [f64; 3],
}

/// How much of its time a worker of several works: an assumption.
const EFFICIENCY: f64 = 0.8;

/// How much larger than the mean a share may be.
const IMBALANCE: f64 = 1.05;

/// Time that workers lose at the end of a level, in seconds.
const BARRIER: f64 = 2e-3;

impl Estimate {
    /// What so many machines like this one will need. One searches in memory that its threads share,
    /// several share the search.
    pub fn need(&self, machines: usize) -> Option<Need> {
        let states = self.states.as_ref()?;
        let share = match machines {
            1 => 1.0,
            many => IMBALANCE / many as f64,
        };
        let each = [states.low, states.likely, states.high].map(|states| states as f64);
        let seconds = |states: f64| match machines {
            1 => states / self.rate,
            many => {
                states / (self.rate * many as f64 * EFFICIENCY)
                    + BARRIER * self.states.as_ref().map_or(0.0, |f| f.levels as f64)
            }
        };
        Some(Need {
            machines,
            memory: each.map(|states| states * self.bytes_per_state * share),
            seconds: each.map(seconds),
        })
    }
}

/// Looks at the first states of a cell, and says how many there will be.
///
/// # Errors
///
/// [`CheckError`]. That it was cancelled is the inner one.
pub fn estimate(
    cluster: Cluster,
    options: &SampleOptions<'_>,
) -> Result<Result<Estimate, Unfinished>, CheckError> {
    let checked = Checked(&cluster);
    let run = |limits| {
        let mut search = Search::new(&checked)
            .limits(limits)
            .threads(options.threads);
        if let Some(flag) = options.cancel {
            search = search.cancel(flag);
        }
        let outcome = search.run().map_err(|why| CheckError::Engine {
            design: cluster.program().name.clone(),
            scenario: cluster.scenario().name.clone(),
            why,
        })?;
        Ok((outcome.stats, outcome.unfinished))
    };
    let (sampled, unfinished) = run(Limits {
        states: Some(options.states),
        memory_bytes: options.memory_bytes,
        ..Limits::default()
    })?;
    let complete = unfinished.is_none();
    if let Some(why) = unfinished
        && !matches!(why, Unfinished::States | Unfinished::Memory)
    {
        return Ok(Err(why));
    }
    let mut levels = sampled.levels.clone();
    let mut expanded = (sampled.states, sampled.edges);
    if !complete {
        // Not all of the last level was found.
        levels.pop();
        // How many steps there are out of how many states is known where a level ends.
        let depth = levels.len().saturating_sub(1);
        let limits = Limits {
            depth: Some(depth),
            ..Limits::default()
        };
        let (stats, _): (Stats, _) = run(limits)?;
        expanded = (levels[..depth].iter().sum(), stats.edges);
    }
    let states = match complete {
        true => Some(Forecast {
            low: sampled.states,
            likely: sampled.states,
            high: sampled.states,
            levels: levels.len(),
        }),
        false => match forecast(&checked, &levels, options.cancel) {
            Ok(states) => states,
            Err(why) => return Ok(Err(why)),
        },
    };
    Ok(Ok(Estimate {
        complete,
        branching: expanded.1 as f64 / expanded.0.max(1) as f64,
        bytes_per_state: sampled.bytes_per_state(),
        state_bytes: 8 * checked.words(),
        rate: sampled.states as f64 / sampled.elapsed.as_secs_f64().max(1e-6),
        threads: options.threads.max(1),
        states,
        levels,
        cluster,
    }))
}

/// A number of which two digits say something.
pub(crate) fn roughly(number: f64) -> String {
    let units = [(1e12, " x 10^12"), (1e9, " x 10^9"), (1e6, " million")];
    let rounded = |number: f64| {
        let scale = 10f64
            .powf(number.abs().max(1.0).log10().floor() - 1.0)
            .max(0.1);
        (number / scale).round() * scale
    };
    match units.iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => {
            let number = rounded(number / unit);
            match number < 10.0 {
                true => format!("{number:.1}{name}"),
                false => format!("{}{name}", grouped(number as u64)),
            }
        }
        None if number < 10.0 => format!("{number:.1}"),
        None => grouped(rounded(number) as u64),
    }
}

fn size(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (unit, name) = units
        .into_iter()
        .find(|(unit, _)| bytes >= *unit)
        .unwrap_or((1.0, "B"));
    format!("{} {name}", roughly(bytes / unit))
}

fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1.0 => "less than 1 s".to_owned(),
        _ if seconds < 120.0 => format!("{} s", seconds.round()),
        _ if seconds < 7200.0 => format!("{} min", (seconds / 60.0).round()),
        _ if seconds < 48.0 * 3600.0 => format!("{} h", (seconds / 3600.0).round()),
        _ => format!("{} days", roughly(seconds / 86_400.0)),
    }
}

/// The growth of the levels: the quotient of the last two, and the largest one.
fn growth(levels: &[usize]) -> Option<(f64, f64)> {
    let quotients = || {
        levels
            .windows(2)
            .map(|pair| pair[1] as f64 / pair[0] as f64)
    };
    Some((quotients().next_back()?, quotients().fold(0.0, f64::max)))
}

/// An estimate in words.
pub(crate) fn told(estimate: &Estimate, machines: &[usize]) -> String {
    let mut out = String::new();
    let cluster = &estimate.cluster;
    let (design, scenario) = (&cluster.program().name, &cluster.scenario().name);
    let known: usize = estimate.levels.iter().sum();
    let _ = writeln!(out, "{scenario} under {design}\n");
    if Interchange::of(cluster).is_some() {
        let _ = writeln!(out, "states are counted by representative\n");
    }
    let _ = writeln!(
        out,
        "sample      {} states in {} levels; {} states a second on {} thread{}",
        grouped(known),
        estimate.levels.len(),
        roughly(estimate.rate),
        estimate.threads,
        if estimate.threads == 1 { "" } else { "s" },
    );
    let _ = writeln!(
        out,
        "            {:.1} steps out of a state; {:.0} B a state, {} B of which are itself",
        estimate.branching, estimate.bytes_per_state, estimate.state_bytes
    );
    if let Some((last, most)) = growth(&estimate.levels) {
        let _ = writeln!(
            out,
            "            a level grows to {last:.2} times the one before at the end, at most {most:.2}",
        );
    }
    match &estimate.states {
        _ if estimate.complete => {
            let _ = writeln!(
                out,
                "all of it   these are all states: nothing is estimated"
            );
        }
        Some(states) => {
            let _ = writeln!(
                out,
                "estimate    {} states in up to {} levels; 9 of 10 runs it was fitted to were between {} and {}",
                roughly(states.likely as f64),
                states.levels,
                roughly(states.low as f64),
                roughly(states.high as f64),
            );
        }
        None => {
            let _ = writeln!(
                out,
                "estimate    none: too little is known; take a larger --sample"
            );
        }
    }
    let needs: Vec<_> = machines.iter().filter_map(|&n| estimate.need(n)).collect();
    if !needs.is_empty() {
        let _ = writeln!(out, "\nmachines    memory of each              time");
    }
    for Need {
        machines,
        memory,
        seconds,
    } in needs
    {
        let range = |[low, likely, high]: [f64; 3], name: fn(f64) -> String| match estimate.complete
        {
            true => name(likely),
            false => format!("{} ({} to {})", name(likely), name(low), name(high)),
        };
        let memory = range(memory, size);
        let _ = writeln!(out, "{machines:<11} {memory:<27} {}", range(seconds, time));
    }
    if !estimate.complete {
        out += "\nThis is an estimate and no search: nothing is said of any property. Progress takes 5 B a\n\
                step more on one machine, and 20 B on several.\n";
    }
    out
}

/// What machines read.
#[derive(Serialize)]
pub(crate) struct EstimateDocument {
    design: String,
    scenario: String,
    sample: SampleDocument,
    /// Whether the sample is all there is.
    exhaustive: bool,
    /// Null if there is no telling.
    estimate: Option<ForecastDocument>,
    needs: Vec<NeedDocument>,
}

#[derive(Serialize)]
struct SampleDocument {
    states: usize,
    levels: Vec<usize>,
    steps_per_state: f64,
    bytes_per_state: f64,
    bytes_of_state: usize,
    states_per_second: f64,
    threads: usize,
}

#[derive(Serialize)]
struct ForecastDocument {
    low: usize,
    likely: usize,
    high: usize,
    levels: usize,
}

#[derive(Serialize)]
struct NeedDocument {
    machines: usize,
    /// Low, likely, high.
    bytes_each: [f64; 3],
    seconds: [f64; 3],
}

impl EstimateDocument {
    pub(crate) fn new(estimate: &Estimate, machines: &[usize]) -> Self {
        let states = estimate.states.as_ref();
        let needs = machines.iter().filter_map(|&n| estimate.need(n));
        Self {
            design: estimate.cluster.program().name.clone(),
            scenario: estimate.cluster.scenario().name.clone(),
            sample: SampleDocument {
                states: estimate.levels.iter().sum(),
                levels: estimate.levels.clone(),
                steps_per_state: estimate.branching,
                bytes_per_state: estimate.bytes_per_state,
                bytes_of_state: estimate.state_bytes,
                states_per_second: estimate.rate,
                threads: estimate.threads,
            },
            exhaustive: estimate.complete,
            estimate: states.map(|states| ForecastDocument {
                low: states.low,
                likely: states.likely,
                high: states.high,
                levels: states.levels,
            }),
            needs: needs
                .map(|need| NeedDocument {
                    machines: need.machines,
                    bytes_each: need.memory,
                    seconds: need.seconds,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_told() {
        for (number, told) in [
            (0.04, "0.0"),
            (3.06, "3.1"),
            (59.4, "59"),
            (12_345.0, "12 000"),
            (987_654.0, "990 000"),
            (1_234_567.0, "1.2 million"),
            (98_765_432.0, "99 million"),
            (1.26e11, "130 x 10^9"),
        ] {
            assert_eq!(roughly(number), told);
        }
    }
}
