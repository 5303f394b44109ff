//! `glock estimate`: what a search would need, from a sample.

use super::{STOP, Status, cores, load, once_each, own_memory};
use crate::catalog::Catalog;
use crate::check::fit;
use crate::estimate::{EstimateDocument, SampleOptions, estimate, told};
use crate::json::pretty;
use crate::limits;
use crate::output::Output;
use clap::Args;
use miette::IntoDiagnostic;
use std::path::PathBuf;

/// See [`Command::Estimate`](super::Command::Estimate).
#[derive(Debug, Args)]
pub(super) struct EstimateArgs {
    /// A design: a name, or the path of a .design file
    #[arg(long, short, value_name = "DESIGN", required = true)]
    design: Vec<String>,
    /// A scenario: a name, or the path of a .toml file
    #[arg(long, short, value_name = "SCENARIO", required = true)]
    scenario: Vec<String>,
    /// Look at so many states
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    sample: u64,
    /// Say what so many machines would need, besides one
    #[arg(long, value_name = "K", default_value = "2")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=10_000))]
    machines: Vec<u16>,
    /// Memory for the process, such as 2GiB
    #[arg(long, value_name = "SIZE", value_parser = limits::bytes, default_value = "1.75GiB")]
    limit_memory: usize,
    /// Count states that differ only in who is called what as one
    #[arg(long)]
    symmetry: bool,
    /// Threads [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write to a file, whole or not at all
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Estimates each cell.
pub(super) fn run(catalog: &Catalog, args: &EstimateArgs) -> miette::Result<Status> {
    let designs = once_each(&args.design, |name| load(catalog, name))?;
    let scenarios = once_each(&args.scenario, |name| catalog.scenario(name))?;
    let mut output = match &args.out {
        Some(path) => Output::file(path, &STOP)?,
        None => Output::stdout(&STOP),
    };
    let options = SampleOptions {
        states: args.sample as usize,
        memory_bytes: Some(args.limit_memory - own_memory().min(args.limit_memory / 2)),
        threads: args.threads.map_or_else(cores, usize::from),
        cancel: Some(&STOP),
    };
    let mut machines: Vec<usize> = args.machines.iter().map(|&n| n.into()).collect();
    machines.push(1);
    machines.sort_unstable();
    machines.dedup();
    let mut documents = Vec::new();
    let mut between = "";
    for scenario in &scenarios {
        for design in &designs {
            let cluster = fit(design, scenario).into_diagnostic()?;
            let cluster = match args.symmetry {
                true => cluster.with_symmetry(),
                false => cluster,
            };
            let Ok(estimate) = estimate(cluster, &options).into_diagnostic()? else {
                return Ok(Status::Unknown);
            };
            let between = std::mem::replace(&mut between, "\n");
            match args.json {
                true => documents.push(EstimateDocument::new(&estimate, &machines)),
                false => output.say(&(between.to_owned() + &told(&estimate, &machines))),
            }
        }
    }
    if args.json {
        output.say(&pretty(&documents));
    }
    output.finish()?;
    Ok(Status::Good)
}
