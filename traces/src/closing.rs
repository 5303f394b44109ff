//! What is wrong at the end of a history.

use crate::columns::Style;
use crate::history::History;
use crate::wrap::wrap;
use crate::{deadlock, progress, wrong};
use glock_model::property::{Kind, Property};

/// The closing block of a history that violates `property`: for a deadlock who holds
/// what and who waits for whom, otherwise what is wrong, in a sentence or a few.
///
/// Of a property about progress the history's [`Ending`](crate::Ending) tells what is
/// wrong.
///
/// A property that holds at the end of the history gives an empty text, except that
/// [`Property::NoDeadlock`] may also be violated because nobody can move.
pub fn closing(history: &History, property: Property, style: Style) -> String {
    wrapped(&lines(history, property), style)
}

/// The same, a sentence or an item of a list each.
pub(crate) fn lines(history: &History, property: Property) -> Vec<String> {
    match property {
        Property::NoDeadlock => deadlock::lines(history.cluster(), history.last()),
        _ if property.kind() == Kind::Progress => progress::lines(history, property),
        _ => wrong::lines(history, property),
    }
}

/// The lines as wide as they may be.
pub(crate) fn wrapped(lines: &[String], style: Style) -> String {
    let mut out = String::new();
    for line in lines {
        for part in wrap(line, style.width.max(40), hang(line)) {
            out.push_str(part.trim_end());
            out.push('\n');
        }
    }
    out
}

/// Lines that begin with a blank belong to a list.
fn hang(line: &str) -> usize {
    if line.starts_with(' ') { 5 } else { 0 }
}

impl Style {
    /// The whole report of a history: table and closing block.
    pub fn report(&self, history: &History, property: Property) -> String {
        with_closing(self.table(history), &closing(history, property, *self))
    }
}

/// A table and what stands below it.
pub(crate) fn with_closing(table: String, end: &str) -> String {
    match end.is_empty() {
        true => table,
        false => format!("{table}\n{end}"),
    }
}
