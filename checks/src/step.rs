//! `glock step`: stepping through a record in a terminal, with the panes of the page.

use crate::mistake::Mistake;
use glock_traces::{ActorKind, Record, RecordLine, Table, Value, Walker};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};
use std::collections::BTreeSet;
use std::io::IsTerminal;

/// Steps that PageUp and PageDown go.
const PAGE: usize = 10;

/// Steps through a record until somebody has seen enough.
///
/// # Errors
///
/// If there is no terminal, or it fails.
pub(crate) fn run(record: &Record) -> Result<(), Mistake> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Mistake::new("there is no terminal to step in")
            .help("`glock show FILE` prints the history, and `--as html` makes a page"));
    }
    let failed = |e: std::io::Error| Mistake::new(format!("the terminal fails: {e}"));
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let mut stepper = Stepper::new(record);
    let result = loop {
        if let Err(error) = terminal.draw(|frame| stepper.draw(frame)) {
            break Err(failed(error));
        }
        match event::read() {
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => {
                if stepper.press(key) == Then::End {
                    break Ok(());
                }
            }
            Ok(_) => {}
            Err(error) => break Err(failed(error)),
        }
    };
    ratatui::restore();
    result
}

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    End,
}

/// Something that is typed below the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Typed {
    Nothing,
    /// A text to look for.
    Search(String),
    /// The number of a step.
    Number(String),
}

struct Stepper<'r> {
    record: &'r Record,
    walker: Walker<'r>,
    typed: Typed,
    /// What was looked for last, in small letters.
    query: String,
    /// What is said below the panes.
    note: String,
}

impl<'r> Stepper<'r> {
    fn new(record: &'r Record) -> Stepper<'r> {
        Stepper {
            record,
            walker: record.walk(),
            typed: Typed::Nothing,
            query: String::new(),
            note: String::new(),
        }
    }

    fn last(&self) -> usize {
        self.record.steps.len()
    }

    fn go(&mut self, step: usize) {
        self.walker.go_to(step.min(self.last()));
    }

    // ---- keys -------------------------------------------------------------------------

    fn press(&mut self, key: KeyEvent) -> Then {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Then::End,
                _ => Then::GoOn,
            };
        }
        self.note.clear();
        match &mut self.typed {
            Typed::Nothing => return self.command(key.code),
            Typed::Search(text) | Typed::Number(text) => match key.code {
                KeyCode::Char(c) => text.push(c),
                KeyCode::Backspace => drop(text.pop()),
                KeyCode::Enter => self.typed_in(),
                KeyCode::Esc => self.typed = Typed::Nothing,
                _ => {}
            },
        }
        Then::GoOn
    }

    fn command(&mut self, key: KeyCode) -> Then {
        let at = self.walker.steps();
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return Then::End,
            KeyCode::Right | KeyCode::Down | KeyCode::Char(' ') => self.next(),
            KeyCode::Left | KeyCode::Up | KeyCode::Backspace => self.go(at.saturating_sub(1)),
            KeyCode::PageDown => self.go(at + PAGE),
            KeyCode::PageUp => self.go(at.saturating_sub(PAGE)),
            KeyCode::Home => self.go(0),
            KeyCode::End => self.go(self.last()),
            KeyCode::Char('/') => self.typed = Typed::Search(String::new()),
            KeyCode::Char('g') => self.typed = Typed::Number(String::new()),
            KeyCode::Char('n') => self.find(),
            _ => {}
        }
        Then::GoOn
    }

    /// The next step; from the end of a loop to its beginning.
    fn next(&mut self) {
        let (at, last) = (self.walker.steps(), self.last());
        match self.record.repeats_from {
            Some(start) if at == last && start < last => self.go(start + 1),
            _ => self.go(at + 1),
        }
    }

    fn typed_in(&mut self) {
        match std::mem::replace(&mut self.typed, Typed::Nothing) {
            Typed::Search(text) => {
                self.query = text.to_lowercase();
                self.find();
            }
            Typed::Number(text) => match text.trim().parse() {
                Ok(step) => self.go(step),
                Err(_) => self.note = format!("{text:?} is no number of a step"),
            },
            Typed::Nothing => {}
        }
    }

    /// Goes to the next step of which something is told that was looked for.
    fn find(&mut self) {
        let (at, last) = (self.walker.steps(), self.last());
        let is_hit = |step: &usize| {
            let told = self.told(*step).into_iter().map(|(_, text)| text);
            told.into_iter()
                .any(|t| t.to_lowercase().contains(&self.query))
        };
        let mut order = (at + 1..=last).chain(1..=at);
        match order.find(is_hit) {
            Some(step) if !self.query.is_empty() => self.go(step),
            _ => self.note = "not found".to_owned(),
        }
    }

    // ---- what there is to see -----------------------------------------------------------

    /// What is told of a step, from 1: who, and what.
    fn told(&self, step: usize) -> Vec<(String, String)> {
        let step = &self.record.steps[step - 1];
        let name = |actor: u32| self.record.actors[actor as usize].name.clone();
        let line = |line: &RecordLine| {
            let indent = " ".repeat(usize::from(line.depth) * 2);
            (name(line.actor), format!("{indent}{}", line.text()))
        };
        let mut told: Vec<_> = self.record.lines_of(step).map(line).collect();
        if told.is_empty() {
            told.push((name(self.record.actor_of(step)), "goes on".to_owned()));
        }
        for &message in &step.send {
            let m = &self.record.messages[message as usize];
            told.push((
                name(m.from),
                format!("-> {}: {} {}", name(m.to), m.file, m.text),
            ));
        }
        told
    }

    /// The history around the present step, so many lines of it.
    fn history(&self, height: usize) -> Vec<Line<'static>> {
        let at = self.walker.steps();
        let width = self.record.actors.iter().map(|a| a.name.chars().count());
        let width = width.max().unwrap_or(0).min(16);
        let mut lines: Vec<Line<'static>> = Vec::new();
        // Each step has a line at least, so no more steps than lines can be seen.
        let first = at.saturating_sub(height / 2 + 1).max(1);
        let mut now = 0;
        for step in first..=self.last().min(first + height) {
            if self.record.repeats_from == Some(step - 1) {
                lines.push(Line::from("      then for ever:"));
            }
            for (i, (who, what)) in self.told(step).into_iter().enumerate() {
                let number = if i == 0 {
                    step.to_string()
                } else {
                    String::new()
                };
                let text = format!("{number:>5} {who:<width$} {what}");
                if step == at {
                    now = lines.len();
                }
                lines.push(match step == at {
                    true => Line::styled(text, Style::new().add_modifier(Modifier::REVERSED)),
                    false => Line::from(text),
                });
            }
        }
        let skip = now.saturating_sub(height * 2 / 3);
        lines.into_iter().skip(skip).take(height).collect()
    }

    /// The variables that the present step has changed.
    fn changed(&self) -> BTreeSet<usize> {
        let step = self.walker.steps().checked_sub(1);
        let set = step.map_or(&[][..], |s| &self.record.steps[s].set);
        set.chunks_exact(2).map(|pair| pair[0] as usize).collect()
    }

    /// What is not empty of a table, a line a row.
    fn table(&self, table: Table, but_for: &[&str]) -> Vec<Line<'static>> {
        let changed = self.changed();
        let mut lines: Vec<(String, Vec<Span<'static>>)> = Vec::new();
        for (i, (variable, value)) in self.walker.values().enumerate() {
            let name = variable.name.as_str();
            let is_empty = match value {
                Value::Truth(truth) => !truth,
                Value::Number(number) => *number == 0,
                Value::Text(text) => text.is_empty(),
                Value::List(list) => list.is_empty(),
            };
            let is_news = changed.contains(&i);
            if variable.table != table || but_for.contains(&name) || is_empty && !is_news {
                continue;
            }
            if lines.last().is_none_or(|(row, _)| *row != variable.row) {
                let bold = Style::new().add_modifier(Modifier::BOLD);
                let row = Span::styled(format!("{} ", variable.row), bold);
                lines.push((variable.row.clone(), vec![row]));
            }
            let style = match is_news {
                true => Style::new().add_modifier(Modifier::UNDERLINED | Modifier::BOLD),
                false => Style::new(),
            };
            if let Some((_, spans)) = lines.last_mut() {
                spans.push(Span::styled(format!("{name}={value}"), style));
                spans.push(Span::raw("  "));
            }
        }
        lines
            .into_iter()
            .map(|(_, spans)| Line::from(spans))
            .collect()
    }

    /// The lines of the design around those where tasks stand.
    fn design(&self, height: usize) -> Vec<Line<'static>> {
        let mut places: Vec<(String, String)> = Vec::new();
        for actor in self
            .record
            .actors
            .iter()
            .filter(|a| a.kind == ActorKind::Task)
        {
            for name in ["handler at", "at"] {
                let value = self.walker.value(Table::Tasks, &actor.name, name);
                let place = value.map(ToString::to_string).unwrap_or_default();
                if !place.is_empty() {
                    places.push((place, actor.name.clone()));
                }
            }
        }
        let mut lines = Vec::new();
        let context = (height / (2 * places.len().max(1))).clamp(1, 4);
        let mut shown = BTreeSet::new();
        for (place, _) in &places {
            let Some((design, number)) = place.rsplit_once(':') else {
                continue;
            };
            let sources = &self.record.design.sources;
            let source = sources.iter().find(|s| s.design == design);
            let (Some(source), Ok(number)) = (source, number.parse::<usize>()) else {
                continue;
            };
            for n in number.saturating_sub(context).max(1)..=number + context {
                let Some(text) = source.text.get(n - 1) else {
                    continue;
                };
                let here = format!("{design}:{n}");
                if !shown.insert(here.clone()) {
                    continue;
                }
                let who = places.iter().filter(|(p, _)| *p == here);
                let who: Vec<&str> = who.map(|(_, name)| name.as_str()).collect();
                let text = format!("{here:<12} {text}");
                lines.push(match who.is_empty() {
                    true => Line::from(text),
                    false => Line::styled(
                        format!("{text}  <- {}", who.join(", ")),
                        Style::new().add_modifier(Modifier::BOLD),
                    ),
                });
            }
        }
        lines.truncate(height);
        lines
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let [head, body, foot] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(Paragraph::new(self.head()), head);
        let [left, right] =
            Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)])
                .areas(body);
        let [history, design] =
            Layout::vertical([Constraint::Percentage(62), Constraint::Percentage(38)]).areas(left);
        let inner = |area: Rect| usize::from(area.height.saturating_sub(2));
        pane(frame, history, "History", self.history(inner(history)));
        pane(frame, design, "Design", self.design(inner(design)));
        let hidden = ["instruction", "handler instruction"];
        let panes = [
            ("Glocks", self.table(Table::Glocks, &[])),
            ("Tasks", self.table(Table::Tasks, &hidden)),
            ("Pages and page tables", {
                let mut lines = self.table(Table::Pages, &[]);
                lines.extend(self.table(Table::Ptes, &[]));
                lines
            }),
            ("Messages and lock space", {
                let mut lines = self.table(Table::Messages, &[]);
                lines.extend(self.table(Table::LockSpace, &[]));
                lines
            }),
            ("Waits", self.table(Table::Waits, &[])),
        ];
        let areas = Layout::vertical([
            Constraint::Fill(3),
            Constraint::Fill(3),
            Constraint::Fill(2),
            Constraint::Fill(1),
            Constraint::Fill(2),
        ])
        .split(right);
        for ((title, lines), &area) in panes.into_iter().zip(areas.iter()) {
            pane(frame, area, title, lines);
        }
        frame.render_widget(Paragraph::new(self.foot()), foot);
    }

    fn head(&self) -> Vec<Line<'static>> {
        let r = self.record;
        let property = r.property.as_deref().unwrap_or("history");
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let cell = format!("{} under {}", r.scenario.name, r.design.name);
        vec![
            Line::styled(format!("{property} {}: {cell}", r.verdict), bold),
            Line::from(format!("step {} of {}", self.walker.steps(), self.last())),
        ]
    }

    fn foot(&self) -> String {
        match &self.typed {
            Typed::Search(text) => format!("/{text}"),
            Typed::Number(text) => format!("go to step: {text}"),
            Typed::Nothing if !self.note.is_empty() => self.note.clone(),
            Typed::Nothing => {
                "arrows step, Home End, g number, / search, n next, q ends".to_owned()
            }
        }
    }
}

fn pane(frame: &mut Frame<'_>, area: Rect, title: &'static str, lines: Vec<Line<'static>>) {
    let text = Paragraph::new(lines)
        .block(Block::bordered().title(title))
        .wrap(Wrap { trim: false });
    frame.render_widget(text, area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    const RECORD: &[u8] = include_bytes!("../../traces/tests/records/version-1.json");

    fn record() -> Record {
        Record::from_bytes("version-1.json", RECORD).expect("a record")
    }

    fn press(stepper: &mut Stepper<'_>, keys: &[KeyCode]) -> Then {
        let mut then = Then::GoOn;
        for &key in keys {
            then = stepper.press(KeyEvent::new(key, KeyModifiers::NONE));
        }
        then
    }

    fn screen(stepper: &mut Stepper<'_>, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
        terminal.draw(|frame| stepper.draw(frame)).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn keys_step_jump_and_search() {
        let record = record();
        let mut stepper = Stepper::new(&record);
        press(
            &mut stepper,
            &[KeyCode::Right, KeyCode::Right, KeyCode::Left],
        );
        assert_eq!(stepper.walker.steps(), 1);
        press(&mut stepper, &[KeyCode::End]);
        assert_eq!(stepper.walker.steps(), 10);
        press(&mut stepper, &[KeyCode::Right]);
        assert_eq!(stepper.walker.steps(), 10);
        press(
            &mut stepper,
            &[KeyCode::Char('g'), KeyCode::Char('4'), KeyCode::Enter],
        );
        assert_eq!(stepper.walker.steps(), 4);
        let search = [KeyCode::Char('/')].into_iter();
        let search = search.chain("QUEUED".chars().map(KeyCode::Char));
        let search: Vec<KeyCode> = search.chain([KeyCode::Enter]).collect();
        press(&mut stepper, &search);
        assert_eq!(stepper.walker.steps(), 9);
        press(&mut stepper, &[KeyCode::Char('n')]);
        assert_eq!(stepper.walker.steps(), 10);
        press(
            &mut stepper,
            &[KeyCode::Char('g'), KeyCode::Char('x'), KeyCode::Enter],
        );
        assert_eq!(stepper.note, "\"x\" is no number of a step");
        assert_eq!(press(&mut stepper, &[KeyCode::Char('q')]), Then::End);
    }

    #[test]
    fn a_loop_goes_round() {
        let mut record = record();
        record.repeats_from = Some(6);
        let mut stepper = Stepper::new(&record);
        press(&mut stepper, &[KeyCode::End, KeyCode::Right]);
        assert_eq!(stepper.walker.steps(), 7);
    }

    #[test]
    fn every_pane_is_there() {
        let record = record();
        let mut stepper = Stepper::new(&record);
        press(&mut stepper, &[KeyCode::End]);
        let screen = screen(&mut stepper, 140, 50);
        for text in [
            "no-deadlock violated in 10 steps: race-direct-read-two-nodes under base",
            "step 10 of 10",
            "node 2 wants SH, queued",
            "gfs2_glock_nq file SH  <- P1, P2",
            "gl_holders=P1 DF H",
            "cycle=P1",
            "mmap_lock=read",
            "blocking callback SH",
        ] {
            assert!(screen.contains(text), "{text}\n{screen}");
        }
    }

    #[test]
    fn no_screen_is_too_small() {
        let record = record();
        let mut stepper = Stepper::new(&record);
        for (width, height) in [(1, 1), (10, 3), (20, 6), (80, 24), (300, 100)] {
            for step in 0..=10 {
                stepper.go(step);
                screen(&mut stepper, width, height);
            }
        }
    }
}
