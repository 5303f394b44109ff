//! The page: records to step through in a browser, in one file.
//!
//! The file needs no server and no network. What it may do is written into it as a
//! content-security policy: run this script and use this style, both named by their hash, and
//! nothing else. Records are in it as data, which the script only ever shows as text; so a
//! record can say whatever it likes and do nothing.

use crate::columns::Style;
use crate::record::Record;
use crate::render::svg::escaped;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

const SCRIPT: &str = include_str!("../page/page.js");
const STYLE: &str = include_str!("../page/page.css");

/// A matrix of designs and scenarios, with what was found out about each cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// What stands above it.
    pub title: String,
    /// The rows.
    pub designs: Vec<String>,
    /// The columns.
    pub scenarios: Vec<String>,
    /// The cells.
    pub cells: Vec<MatrixCell>,
}

/// A design under a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixCell {
    /// The design's name.
    pub design: String,
    /// The scenario's name.
    pub scenario: String,
    /// How many states were looked at.
    pub states: usize,
    /// Was every reachable state looked at?
    pub exhaustive: bool,
    /// What is known of each property.
    pub verdicts: Vec<MatrixVerdict>,
}

/// What is known of a property of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixVerdict {
    /// The property's name.
    pub property: String,
    /// Does a violation count?
    pub demanded: bool,
    /// `holds`, `violated` or `unknown`.
    pub verdict: String,
    /// The same in words.
    pub text: String,
    /// Index of the record of its counterexample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<usize>,
}

/// What the script finds in a page.
#[derive(Default, Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a Matrix>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    live: bool,
    records: &'a [Record],
}

/// A page with one record.
pub(crate) fn html(records: &[Record]) -> String {
    let told: Vec<String> = records
        .iter()
        .map(|r| Style::default().report_of_record(r))
        .collect();
    let title = records.first().map_or_else(String::new, |r| {
        let property = r.property.as_deref().unwrap_or("history");
        format!("{property}: {} under {}", r.scenario.name, r.design.name)
    });
    let data = Data {
        records,
        ..Data::default()
    };
    page(&title, &data, &told.join("\n"))
}

/// A page with a matrix and the records of its counterexamples, to which the matrix refers by
/// index.
pub fn report(matrix: &Matrix, records: &[Record]) -> String {
    let data = Data {
        report: Some(matrix),
        records,
        ..Data::default()
    };
    let told: Vec<String> = matrix.cells.iter().map(told).collect();
    page(&matrix.title, &data, &told.join("\n"))
}

/// The page of a server that answers where one can go from a state.
pub fn live(title: &str) -> String {
    let data = Data {
        live: true,
        ..Data::default()
    };
    page(title, &data, "This page asks its server with a script.")
}

/// A cell for who has no script.
fn told(cell: &MatrixCell) -> String {
    let verdicts = cell
        .verdicts
        .iter()
        .map(|v| format!("{} {}", v.property, v.text));
    let verdicts: Vec<String> = verdicts.collect();
    format!(
        "{} under {}: {}",
        cell.scenario,
        cell.design,
        verdicts.join(", ")
    )
}

fn page(title: &str, data: &Data<'_>, without_script: &str) -> String {
    let connect = if data.live {
        "connect-src 'self'; "
    } else {
        ""
    };
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; {connect}base-uri 'none'; \
         form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    // Inside a script element only `<` could end the data.
    let json = serde_json::to_string(data).unwrap_or_default();
    let json = json.replace('<', "\\u003c");
    let (title, without_script) = (escaped(title), escaped(without_script));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <main id=\"app\"></main>\n<noscript><pre>{without_script}</pre></noscript>\n\
         <script type=\"application/json\" id=\"data\">{json}</script>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// The source of a text in a content-security policy.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}
