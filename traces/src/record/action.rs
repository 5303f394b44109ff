//! Actions as records write them: a word and indices of the scenario.

use glock_model::cluster::Action;

/// `task 0 1`.
pub(crate) fn text(action: Action) -> String {
    match action {
        Action::Start { task } => format!("start {task}"),
        Action::Task { task, choice } => format!("task {task} {choice}"),
        Action::Worker { node, file } => format!("worker {node} {file}"),
        Action::Server { node, file } => format!("server {node} {file}"),
        Action::Deliver { node, file } => format!("deliver {node} {file}"),
        Action::Expire { node, file } => format!("expire {node} {file}"),
        Action::Demand { demand } => format!("demand {demand}"),
        Action::Append { file } => format!("append {file}"),
        Action::Shrink { node, file } => format!("shrink {node} {file}"),
        Action::ReclaimPage { node, file, page } => format!("reclaim {node} {file} {page}"),
        Action::ReclaimAnon { vpage } => format!("reclaim-anon {vpage}"),
    }
}

/// The action of a text that [`text`] could have made.
pub(crate) fn parse(text: &str) -> Option<Action> {
    let mut words = text.split(' ');
    let word = words.next()?;
    let numbers: Option<Vec<u8>> = words.map(|w| w.parse().ok()).collect();
    Some(match (word, numbers?.as_slice()) {
        ("start", &[task]) => Action::Start { task },
        ("task", &[task, choice]) => Action::Task { task, choice },
        ("worker", &[node, file]) => Action::Worker { node, file },
        ("server", &[node, file]) => Action::Server { node, file },
        ("deliver", &[node, file]) => Action::Deliver { node, file },
        ("expire", &[node, file]) => Action::Expire { node, file },
        ("demand", &[demand]) => Action::Demand { demand },
        ("append", &[file]) => Action::Append { file },
        ("shrink", &[node, file]) => Action::Shrink { node, file },
        ("reclaim", &[node, file, page]) => Action::ReclaimPage { node, file, page },
        ("reclaim-anon", &[vpage]) => Action::ReclaimAnon { vpage },
        _ => return None,
    })
}

/// Are its indices those of the scenario? An action of a record may be anybody's.
pub(crate) fn is_within(action: Action, scenario: &glock_model::scenario::Scenario) -> bool {
    let task = |t: u8| usize::from(t) < scenario.tasks.len();
    let node = |n: u8| n < scenario.nodes;
    let file = |f: u8| usize::from(f) < scenario.files.len();
    match action {
        Action::Start { task: t } | Action::Task { task: t, .. } => task(t),
        Action::Worker { node: n, file: f }
        | Action::Server { node: n, file: f }
        | Action::Deliver { node: n, file: f }
        | Action::Expire { node: n, file: f }
        | Action::Shrink { node: n, file: f } => node(n) && file(f),
        Action::Demand { demand } => usize::from(demand) < scenario.events.demands.len(),
        Action::Append { file: f } => file(f),
        Action::ReclaimPage {
            node: n,
            file: f,
            page,
        } => node(n) && file(f) && page < scenario.files[usize::from(f)].pages,
        Action::ReclaimAnon { vpage } => usize::from(vpage) < scenario.vpages.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_reads_back() {
        for action in [
            Action::Start { task: 3 },
            Action::Task { task: 1, choice: 2 },
            Action::Worker { node: 1, file: 2 },
            Action::Server { node: 2, file: 1 },
            Action::Deliver { node: 0, file: 1 },
            Action::Expire { node: 1, file: 0 },
            Action::Demand { demand: 3 },
            Action::Append { file: 2 },
            Action::Shrink { node: 1, file: 2 },
            Action::ReclaimPage {
                node: 1,
                file: 2,
                page: 3,
            },
            Action::ReclaimAnon { vpage: 7 },
        ] {
            assert_eq!(parse(&text(action)), Some(action));
        }
    }

    #[test]
    fn nonsense_is_no_action() {
        for text in [
            "",
            "task",
            "task 0",
            "task 0 0 0",
            "task x 0",
            "task 0 256",
            "dance 1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
