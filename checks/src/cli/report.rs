//! `glock report`: a matrix as a page, with the counterexample behind each violation.

use super::{CellArgs, Plan, STOP, Status, command, explore_all, status};
use crate::catalog::Catalog;
use crate::check::{Report, Verdict, count};
use crate::matrix::Matrix as Cells;
use crate::mistake::Mistake;
use crate::output::Output;
use crate::records;
use glock_traces::{Matrix, MatrixCell, MatrixVerdict, Record, report};
use miette::IntoDiagnostic;

pub(super) fn write(catalog: &Catalog, args: &CellArgs) -> miette::Result<Status> {
    if args.compact.is_some() {
        return Err(Mistake::new("--compact does not go with a report")
            .help("a page says that something holds without room for a doubt; leave it out")
            .into());
    }
    let plan = Plan::of(catalog, args, false)?;
    let mut output = match &args.out {
        Some(path) => Output::file(path, &STOP)?,
        None => Output::stdout(&STOP),
    };
    let cells = Cells::by_scenario(&plan.designs, &plan.scenarios).into_diagnostic()?;
    let progress = plan.progress();
    let options = args.options(&progress);
    let reports = explore_all(cells, &options, |_| ())?;
    let mut records: Vec<Record> = Vec::new();
    let cells = reports
        .iter()
        .enumerate()
        .map(|(i, report)| cell(&plan, args, i, report, &mut records))
        .collect();
    let matrix = Matrix {
        title: format!(
            "{} under {}",
            count(plan.scenarios.len(), "scenario"),
            count(plan.designs.len(), "design")
        ),
        designs: plan.designs.iter().map(|d| d.name.clone()).collect(),
        scenarios: plan.scenarios.iter().map(|s| s.name.clone()).collect(),
        cells,
    };
    output.say(&report(&matrix, &records));
    output.finish()?;
    Ok(status(&reports, &plan.properties))
}

fn cell(
    plan: &Plan,
    args: &CellArgs,
    index: usize,
    report: &Report,
    records: &mut Vec<Record>,
) -> MatrixCell {
    let judged = plan.properties.iter().map(|&p| &report.judged[p as usize]);
    let verdicts = judged
        .map(|judged| {
            let command = command(plan, args, index, judged.property);
            let record = records::record(report, judged.property, records::searched, Some(command));
            MatrixVerdict {
                property: judged.property.name().to_owned(),
                demanded: judged.demanded(),
                verdict: judged.verdict.name().to_owned(),
                text: match (&record, &judged.verdict) {
                    (Some(record), _) => record.verdict.clone(),
                    (None, Verdict::NotAsked) => "not asked".to_owned(),
                    (None, verdict) => verdict.to_string(),
                },
                record: record.map(|record| {
                    records.push(record);
                    records.len() - 1
                }),
            }
        })
        .collect();
    MatrixCell {
        design: report.design().to_owned(),
        scenario: report.scenario().to_owned(),
        states: report.stats.states,
        exhaustive: report.unfinished.is_none(),
        verdicts,
    }
}
