//! What can be said about a function before anything is expanded: its labels,
//! and which of its lines can be reached.

use super::ast::*;
use super::parse::suggestion;
use super::problem::{MAX_PROBLEMS, Problem, Rule};
use std::collections::{HashMap, HashSet};

/// Checks labels, unreachable lines and the end of a function.
pub(super) fn check(function: &Function, problems: &mut Vec<Problem>) {
    if function.body.is_empty() {
        let message = format!("function `{}` is empty", function.name.text);
        problems.push(
            Problem::new(Rule::FallsOff, function.name.span.clone(), message)
                .help("end it with `return VALUE`"),
        );
        return;
    }
    let labels = labels(function, problems);
    uses(function, &labels, problems);
    paths(function, &labels, problems);
}

fn labels<'a>(function: &'a Function, problems: &mut Vec<Problem>) -> HashMap<&'a str, usize> {
    let mut labels: HashMap<&str, usize> = HashMap::new();
    for (at, line) in function.body.iter().enumerate() {
        let Node::Label(name) = &line.node else {
            continue;
        };
        if let Some(first) = labels.get(name.text.as_str()) {
            if problems.len() >= MAX_PROBLEMS {
                continue;
            }
            let message = format!(
                "label `{}` stands twice in `{}`",
                name.text, function.name.text
            );
            problems.push(
                Problem::new(Rule::Label, name.span.clone(), message)
                    .also(function.body[*first].span.clone(), "first here")
                    .label("and again here")
                    .help("rename one of them"),
            );
        } else {
            labels.insert(&name.text, at);
        }
    }
    labels
}

/// The labels a statement may jump to.
fn jumps(stmt: &Stmt) -> Vec<&Name> {
    match stmt {
        Stmt::Goto(label) => vec![label],
        Stmt::Call(call) | Stmt::Set(_, _, Expr::Call(call)) => {
            else_label(call).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// `… else LABEL` of a gfs2_glock_nq; the value that names it.
fn else_label(call: &Call) -> Option<&Name> {
    call.args.iter().find_map(|arg| match arg {
        Arg::Else(label) => Some(label),
        _ => None,
    })
}

fn stmt_of(node: &Node) -> Option<&Stmt> {
    match node {
        Node::Label(_) => None,
        Node::Do(stmt) | Node::If(_, stmt) => Some(stmt),
    }
}

fn uses(function: &Function, labels: &HashMap<&str, usize>, problems: &mut Vec<Problem>) {
    let mut known: Vec<&str> = labels.keys().copied().collect();
    known.sort_unstable();
    for target in targets(function) {
        if labels.contains_key(target.text.as_str()) || problems.len() >= MAX_PROBLEMS {
            continue;
        }
        let message = format!("undefined label `{}`", target.text);
        let otherwise = format!("put a line `{}:` where to go on", target.text);
        problems.push(
            Problem::new(Rule::Label, target.span.clone(), message)
                .label(format!("no such label in `{}`", function.name.text))
                .help(suggestion(&target.text, known.iter().copied(), &otherwise)),
        );
    }
}

/// Warns of labels nothing goes to.
pub(super) fn unused_labels(function: &Function, problems: &mut Vec<Problem>) {
    let used: HashSet<&str> = targets(function).map(|t| t.text.as_str()).collect();
    for line in &function.body {
        if let Node::Label(name) = &line.node
            && !used.contains(name.text.as_str())
            && problems.len() < MAX_PROBLEMS
        {
            let message = format!("nothing goes to label `{}`", name.text);
            let problem = Problem::new(Rule::Unused, name.span.clone(), message);
            problems.push(problem.help("remove it").warning());
        }
    }
}

/// All labels a function jumps to.
fn targets(function: &Function) -> impl Iterator<Item = &Name> {
    function
        .body
        .iter()
        .filter_map(|l| stmt_of(&l.node))
        .flat_map(jumps)
}

fn paths(function: &Function, labels: &HashMap<&str, usize>, problems: &mut Vec<Problem>) {
    let body = &function.body;
    let mut seen = vec![false; body.len()];
    let mut falls_off = None;
    let mut work = vec![0];
    while let Some(at) = work.pop() {
        if std::mem::replace(&mut seen[at], true) {
            continue;
        }
        let stops = matches!(body[at].node, Node::Do(Stmt::Goto(_) | Stmt::Return(_)));
        if !stops && at + 1 == body.len() {
            falls_off = Some(at);
        } else if !stops {
            work.push(at + 1);
        }
        let targets = stmt_of(&body[at].node).map(jumps).unwrap_or_default();
        work.extend(targets.iter().filter_map(|t| labels.get(t.text.as_str())));
    }
    if let Some(at) = falls_off {
        let message = format!("`{}` can end here without a `return`", function.name.text);
        problems.push(
            Problem::new(Rule::FallsOff, body[at].span.clone(), message)
                .label("control falls off the end behind this line")
                .help("add `return VALUE`"),
        );
    }
    let dead = (0..body.len()).filter(|&at| !seen[at] && !matches!(body[at].node, Node::Label(_)));
    // One message for a run of lines.
    let mut last = None;
    for at in dead {
        if last.is_none_or(|l| l + 1 != at) {
            let message = format!("unreachable statement in `{}`", function.name.text);
            problems.push(
                Problem::new(Rule::Unreachable, body[at].span.clone(), message)
                    .label("nothing leads here")
                    .help("remove it, or give it a label and go there"),
            );
        }
        last = Some(at);
    }
}
