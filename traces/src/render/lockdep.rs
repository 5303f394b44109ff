//! The block kernel people know from lockdep: which task takes which lock in which order,
//! then who holds what, who waits for what, and the cycle.
//!
//! lockdep guesses two CPUs and two locks; here are the tasks of the history, all of their
//! locks, and the order in which it happens. The first two columns stand where lockdep has
//! its own.

use crate::closing;
use crate::columns::Style;
use crate::observe::{Table, Value, Variable};
use crate::record::{ActorKind, Record};
use crate::wrap::wrap;

/// From one column to the next, as lockdep has them.
const PITCH: usize = 24;
/// Left of the first name and left of the first column's statements.
const NAMES: usize = 7;
const STATEMENTS: usize = 2;

/// Left of the statements of a column.
const fn left(column: usize) -> usize {
    match column {
        0 => STATEMENTS,
        n => NAMES + n * PITCH,
    }
}

/// What a task does about a lock.
struct Statement {
    task: usize,
    text: String,
}

pub(super) fn text(record: &Record, style: Style) -> String {
    let statements = statements(record);
    let width = style.width.max(40);
    let tasks: Vec<usize> = (0..record.actors.len())
        .filter(|t| statements.iter().any(|s| s.task == *t))
        .collect();
    let title = match record.verdict.is_empty() {
        true => " Locking scenario:".to_owned(),
        false => format!(" Locking scenario, {}:", record.verdict),
    };
    let mut lines = wrap(&title, width, 2);
    lines.push(String::new());
    let longest = statements.iter().map(|s| s.text.chars().count()).max();
    let last = left(tasks.len().saturating_sub(1));
    if last + longest.unwrap_or(0) <= width {
        columns(record, &tasks, &statements, &mut lines);
    } else {
        for statement in &statements {
            let name = &record.actors[statement.task].name;
            lines.extend(wrap(&format!("  {name}: {}", statement.text), width, 4));
        }
    }
    lines.push(String::new());
    let trimmed: Vec<&str> = lines.iter().map(|l| l.trim_end()).collect();
    trimmed.join("\n") + "\n" + &closing::wrapped(&record.closing, style)
}

fn columns(record: &Record, tasks: &[usize], statements: &[Statement], out: &mut Vec<String>) {
    let place = |line: &mut String, at: usize, text: &str| {
        *line = format!("{line:<at$}{text}");
    };
    let (mut names, mut rules) = (String::new(), String::new());
    for (i, &task) in tasks.iter().enumerate() {
        let name = &record.actors[task].name;
        place(&mut names, NAMES + i * PITCH, name);
        place(
            &mut rules,
            NAMES + i * PITCH,
            &"-".repeat(name.chars().count().max(4)),
        );
    }
    out.extend([names, rules]);
    for statement in statements {
        let at = tasks.iter().position(|&t| t == statement.task).unwrap_or(0);
        let mut line = String::new();
        place(&mut line, left(at), &statement.text);
        out.push(line);
    }
}

/// All that happens about locks, in order.
fn statements(record: &Record) -> Vec<Statement> {
    let mut out = Vec::new();
    let mut walker = record.walk();
    let mut before: Vec<u32> = walker.indices().to_vec();
    // What the tasks have, or wait for, before the first step.
    let blank = Value::Text(String::new());
    for (variable, value) in walker.values() {
        changed(record, variable, &blank, value, &mut out);
    }
    for step in &record.steps {
        for pair in step.set.chunks_exact(2) {
            let (v, new) = (pair[0] as usize, pair[1] as usize);
            let old = &record.values[before[v] as usize];
            changed(
                record,
                &record.variables[v],
                old,
                &record.values[new],
                &mut out,
            );
        }
        walker.step();
        before.clear();
        before.extend_from_slice(walker.indices());
    }
    out
}

fn changed(
    record: &Record,
    variable: &Variable,
    old: &Value,
    new: &Value,
    out: &mut Vec<Statement>,
) {
    let task_named = |name: &str| {
        let is = |a: &crate::record::RecordActor| a.kind == ActorKind::Task && a.name == name;
        record.actors.iter().position(is)
    };
    if old == new {
        return;
    }
    let mut say = |task: Option<usize>, text: String| {
        if let Some(task) = task {
            out.push(Statement { task, text });
        }
    };
    let file = variable.row.split(" on node ").next().unwrap_or_default();
    match (variable.table, variable.name.as_str()) {
        (Table::Glocks, "gl_holders") => {
            let (old, new) = (holders(old), holders(new));
            for holder in &new {
                if !old.iter().any(|h| h.is_same_request(holder)) {
                    let how = if holder.is_try() { "trylock" } else { "lock" };
                    let text = format!("{how}({file}, {});", holder.mode);
                    say(task_named(holder.task), text);
                }
            }
            for holder in old
                .iter()
                .filter(|h| !new.iter().any(|n| n.is_same_request(h)))
            {
                let text = match holder.is_granted() {
                    true => format!("unlock({file});"),
                    false => format!("/* {file}: refused */"),
                };
                say(task_named(holder.task), text);
            }
        }
        (Table::Glocks, "i_rwsem") => {
            let (old, new) = (old.to_string(), new.to_string());
            say(task_named(&old), format!("inode_unlock({file});"));
            say(task_named(&new), format!("inode_lock({file});"));
        }
        (Table::Tasks, "mmap_lock") => {
            let task = task_named(&variable.row);
            match (old.to_string().as_str(), new.to_string().as_str()) {
                ("queued to write", "write") => {}
                (_, "") => say(task, "unlock(mmap_lock);".to_owned()),
                (_, "queued to write") => say(task, "lock(mmap_lock, write);".to_owned()),
                (_, how) => say(task, format!("lock(mmap_lock, {how});")),
            }
        }
        _ => {}
    }
}

/// An entry of `gl_holders`.
struct Holder<'v> {
    task: &'v str,
    mode: &'v str,
    flags: &'v str,
}

impl Holder<'_> {
    fn is_same_request(&self, other: &Holder<'_>) -> bool {
        let weak = |h: &Holder<'_>| h.flags.contains('D');
        // That a holder may be taken away is no other request.
        (self.task, self.mode) == (other.task, other.mode)
            && (weak(self) == weak(other) || self.is_granted() && other.is_granted())
    }

    fn is_granted(&self) -> bool {
        self.flags.contains('H')
    }

    fn is_try(&self) -> bool {
        self.flags.contains(['t', 'T'])
    }
}

/// The entries of a value such as `P1 DF H, P2 SH W`.
fn holders(value: &Value) -> Vec<Holder<'_>> {
    let Value::List(list) = value else {
        return Vec::new();
    };
    let entry = |text: &'_ String| -> Option<(usize, usize)> {
        let flags = text.rfind(' ')?;
        let mode = text[..flags].rfind(' ')?;
        Some((mode, flags))
    };
    list.iter()
        .filter_map(|text| {
            let (mode, flags) = entry(text)?;
            Some(Holder {
                task: &text[..mode],
                mode: &text[mode + 1..flags],
                flags: &text[flags + 1..],
            })
        })
        .collect()
}
