//! Tables whose rows are printed as they come: all widths are known beforehand.

use crate::check::{Judged, Verdict};
use comfy_table::{
    Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle,
    Table, TableStyle, Width,
};
use glock_model::property::{Kind, Property};
use std::fmt;

/// A verdict in a few characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `ok`: holds.
    Holds,
    /// `!17`: violated, and the shortest history has so many steps.
    Violated(usize),
    /// `(17)`: the same of a property that is reported without being demanded.
    Reported(usize),
    /// `?`: unknown.
    Unknown,
}

impl Mark {
    /// The mark for a verdict.
    pub fn of(judged: &Judged) -> Mark {
        match &judged.verdict {
            Verdict::Holds { .. } => Mark::Holds,
            Verdict::Violated { history } if judged.demanded() => Mark::Violated(history.len()),
            Verdict::Violated { history } => Mark::Reported(history.len()),
            Verdict::Unknown { .. } | Verdict::NotAsked => Mark::Unknown,
        }
    }

    /// What the marks mean, for below a table of these properties.
    pub(crate) fn legend(properties: &[Property]) -> String {
        let mut out = String::from(
            "ok: holds   !17: VIOLATED, the shortest history has 17 steps   ?: unknown\n",
        );
        let reported = |property: &Property| property.kind() == Kind::Reported;
        if properties.iter().any(reported) {
            out += "(17): violated, but reported only and not demanded\n";
        }
        if properties.contains(&Property::NoRecursion) {
            out += "no-recursion violated: the marks beside it speak of what precedes the BUG\n";
        }
        let endless = |p: &Property| matches!(p, Property::Finishes | Property::FinishesStrongly);
        if properties.iter().any(endless) {
            out += "of what goes on for ever, the steps are the way in and one round\n";
        }
        out
    }

    fn colour(self) -> Option<Color> {
        match self {
            Mark::Holds => Some(Color::Green),
            Mark::Violated(_) => Some(Color::Red),
            Mark::Reported(_) => None,
            Mark::Unknown => Some(Color::Yellow),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mark::Holds => f.write_str("ok"),
            Mark::Violated(steps) => write!(f, "!{steps}"),
            Mark::Reported(steps) => write!(f, "({steps})"),
            Mark::Unknown => f.write_str("?"),
        }
    }
}

/// Whether escape sequences may be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    Off,
    On,
}

/// What stands in a row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    text: String,
    colour: Option<Color>,
}

impl From<Mark> for Entry {
    fn from(mark: Mark) -> Entry {
        Entry {
            text: mark.to_string(),
            colour: mark.colour(),
        }
    }
}

impl From<String> for Entry {
    fn from(text: String) -> Entry {
        Entry { text, colour: None }
    }
}

impl Entry {
    /// Text in the colour of a mark.
    pub(crate) fn like(mark: Mark, text: String) -> Entry {
        Entry {
            text,
            colour: mark.colour(),
        }
    }
}

/// The columns of a table.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// Head, broken by hand, and width.
    columns: Vec<(String, usize, CellAlignment)>,
    colours: Colours,
}

impl Columns {
    pub(crate) fn new(colours: Colours) -> Columns {
        Columns {
            columns: Vec::new(),
            colours,
        }
    }

    /// Adds a column; it is made as wide as its head at least.
    pub(crate) fn left(mut self, head: &str, width: usize) -> Columns {
        self.add(head, width, CellAlignment::Left);
        self
    }

    /// Adds a column of numbers.
    pub(crate) fn right(mut self, head: &str, width: usize) -> Columns {
        self.add(head, width, CellAlignment::Right);
        self
    }

    fn add(&mut self, head: &str, width: usize, alignment: CellAlignment) {
        let own = head.lines().map(|l| l.chars().count()).max().unwrap_or(0);
        self.columns
            .push((head.to_owned(), width.max(own), alignment));
    }

    /// The head and the line below it.
    pub(crate) fn head(&self) -> String {
        // A table without rows has no line below its head.
        let blank = vec![Entry::from(String::new()); self.columns.len()];
        let lines = self.lines(blank);
        lines[..lines.len() - 1].concat()
    }

    /// One row.
    pub(crate) fn row(&self, entries: impl IntoIterator<Item = Entry>) -> String {
        let head = self.columns.iter().map(|(head, _, _)| head.lines().count());
        let head = head.max().unwrap_or(0).max(1) + 1;
        self.lines(entries)[head..].concat()
    }

    /// The lines of the table with one row.
    fn lines(&self, entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
        let mut table = self.table();
        table.add_row(entries.into_iter().map(|entry| {
            let cell = Cell::new(entry.text);
            match (entry.colour, self.colours) {
                (Some(colour), Colours::On) => cell.fg(colour),
                _ => cell,
            }
        }));
        table
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_style(
                TableStyle::new()
                    .header_lines(ContentLineStyle::none().junction(' '))
                    .header_separator(LineStyle::none().fill('-').junction(' '))
                    .content_lines(ContentLineStyle::none().junction(' ')),
            )
            .set_content_arrangement(ContentArrangement::Disabled);
        match self.colours {
            Colours::On => table.enforce_styling(),
            Colours::Off => table.force_no_tty(),
        };
        table.set_header(self.columns.iter().map(|(head, _, _)| Cell::new(head)));
        for (i, (_, width, alignment)) in self.columns.iter().enumerate() {
            if let Some(column) = table.column_mut(i) {
                column.set_padding((0, 0));
                column.set_cell_alignment(*alignment);
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(*width as u16)));
            }
        }
        table
    }
}

/// A column head of at most four characters a line.
pub(crate) const fn short_head(property: Property) -> &'static str {
    match property {
        Property::NoDeadlock => "dead\nlock",
        Property::NoRecursion => "re-\ncurs",
        Property::NoLostEfault => "lost\nEFLT",
        Property::NoSpuriousEfault => "spur\nEFLT",
        Property::NoShort => "shrt",
        Property::Placement => "plac",
        Property::Coherence => "cohe",
        Property::Mapping => "map-\nping",
        Property::Balanced => "bal-\nance",
        Property::AtomicRead => "atom\nread",
        Property::CanFinish => "can\nfin",
        Property::Finishes => "fin-\nish",
        Property::FinishesStrongly => "fin\nstrg",
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: impl TryInto<u128>) -> String {
    let digits = number.try_into().unwrap_or(0).to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Appends `text` to `out`, broken at blanks to lines of at most 80 characters; the first line begins
/// with `first`, the others with blanks of the same width.
pub(crate) fn fold(out: &mut String, first: &str, text: &str) {
    const WIDTH: usize = 80;
    let indent = first.chars().count();
    let mut line = first.to_owned();
    let mut used = indent;
    let mut empty = true;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if !empty && used + 1 + width > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
            used = indent;
            empty = true;
        }
        if !empty {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += width;
        empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_line_up_under_their_heads() {
        let columns = Columns::new(Colours::Off)
            .left("design", 8)
            .right("dead\nlock", 4)
            .right("states", 7);
        let entry = |text: &str| Entry::from(text.to_owned());
        let text = columns.head()
            + &columns.row([entry("base"), Mark::Violated(8).into(), entry("5 141")])
            + &columns.row([entry("pin"), Mark::Holds.into(), entry("999 999")]);
        assert_eq!(
            text,
            "design   dead  states\n         lock\n-------- ---- -------\n\
             base       !8   5 141\npin        ok 999 999\n"
        );
    }

    #[test]
    fn thousands_are_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (1234567, "1 234 567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn no_line_is_longer_than_80() {
        let mut out = String::new();
        fold(&mut out, "Never occurred: ", &"seven letters ".repeat(30));
        assert!(out.lines().all(|l| l.chars().count() <= 80));
        assert!(out.lines().skip(1).all(|l| l.starts_with(&" ".repeat(16))));
    }
}
