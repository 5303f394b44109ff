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
    let lines = match property {
        Property::NoDeadlock => deadlock::lines(history.cluster(), history.last()),
        _ if property.kind() == Kind::Progress => progress::lines(history, property),
        _ => wrong::lines(history, property),
    };
    let mut out = String::new();
    for line in &lines {
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
        let end = closing(history, property, *self);
        let table = self.table(history);
        if end.is_empty() {
            table
        } else {
            format!("{table}\n{end}")
        }
    }
}
