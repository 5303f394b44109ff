//! The forms in which a record is shown.
//!
//! Every form is made from the record alone, without the model, and in time linear in the
//! record and in what comes out.

use crate::columns::{COMMIT_WIDTH, DesignLines, Style, WIDTH};
use crate::record::Record;

pub(crate) mod itf;
mod lockdep;
mod markdown;
mod mermaid;
mod sequence;
mod shiviz;
pub(crate) mod svg;
mod waits;

/// Text that is nothing but text in Markdown.
pub fn markdown(text: &str) -> String {
    markdown::escaped(text)
}

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Columns of a race diagram, and what is wrong at the end.
    Text,
    /// The block of lockdep's reports.
    Lockdep,
    /// A sequence chart for Mermaid.
    Mermaid,
    /// A sequence chart as a picture.
    Svg,
    /// Who waits for whom at the end, as a picture.
    WaitsSvg,
    /// Informal Trace Format.
    Itf,
    /// A log for ShiViz.
    Shiviz,
    /// A page for a forge.
    Markdown,
    /// The record itself.
    Json,
    /// A page to step through it.
    Html,
}

impl Form {
    /// All forms.
    pub const ALL: [Form; 10] = [
        Form::Text,
        Form::Lockdep,
        Form::Mermaid,
        Form::Svg,
        Form::WaitsSvg,
        Form::Itf,
        Form::Shiviz,
        Form::Markdown,
        Form::Json,
        Form::Html,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Form::Text => "text",
            Form::Lockdep => "lockdep",
            Form::Mermaid => "mermaid",
            Form::Svg => "svg",
            Form::WaitsSvg => "waits-svg",
            Form::Itf => "itf",
            Form::Shiviz => "shiviz",
            Form::Markdown => "markdown",
            Form::Json => "json",
            Form::Html => "html",
        }
    }

    /// The form of that name.
    pub fn named(name: &str) -> Option<Form> {
        Form::ALL.into_iter().find(|f| f.name() == name)
    }

    /// What it is, in a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Form::Text => "columns, one a task, calls indented, and what is wrong at the end",
            Form::Lockdep => {
                "lockdep's block: who takes which lock when, who holds, who waits, the cycle"
            }
            Form::Mermaid => "a sequence chart in the language of Mermaid, for a forge or a wiki",
            Form::Svg => "a sequence chart as a picture",
            Form::WaitsSvg => "who waits for whom at the end, the cycle marked, as a picture",
            Form::Itf => "Informal Trace Format, for the trace viewers of Apalache and Quint",
            Form::Shiviz => "a log with vector clocks, for ShiViz",
            Form::Markdown => "a page for a forge: verdict, columns, waits, the command",
            Form::Json => "the record itself",
            Form::Html => "a page to step through it in a browser, in one file",
        }
    }

    /// The record in this form.
    pub fn of(self, record: &Record, style: Style) -> String {
        match self {
            Form::Text => style.report_of_record(record),
            Form::Lockdep => lockdep::text(record, style),
            Form::Mermaid => mermaid::text(record),
            Form::Svg => sequence::svg(record),
            Form::WaitsSvg => waits::svg(record),
            Form::Itf => itf::text(record),
            Form::Shiviz => shiviz::text(record),
            Form::Markdown => markdown::text(record),
            Form::Json => record.to_text(),
            Form::Html => crate::page::html(std::slice::from_ref(record)),
        }
    }
}

impl Style {
    /// For a commit message: narrower, and with the lines of the design.
    pub const COMMIT_MESSAGE: Style = Style {
        width: COMMIT_WIDTH,
        design_lines: DesignLines::Shown,
    };
    /// For a terminal.
    pub const TERMINAL: Style = Style {
        width: WIDTH,
        design_lines: DesignLines::Omitted,
    };
}

/// Does somebody do anything, or does anything happen to him? Tasks are always shown.
pub(crate) fn acts(record: &Record, actor: u32) -> bool {
    let kind = record.actors[actor as usize].kind;
    kind == crate::record::ActorKind::Task
        || record.lines.iter().any(|l| l.actor == actor)
        || record
            .messages
            .iter()
            .any(|m| m.from == actor || m.to == actor)
}
