//! What happens at a glock and at the lock space, as phrases.

use crate::names::Names;
use glock_model::event::Event;
use glock_model::scenario::Pte;

/// Say nothing once what the glock makes of it is told.
pub(crate) const GRANT_ARRIVES: &str = "the dlm's grant arrives";
pub(crate) const REFUSAL_ARRIVES: &str = "the dlm's refusal arrives";

/// What a glock's state engine did, said of a glock that is named before it.
/// None for events that are somebody else's to tell.
pub(crate) fn engine(names: &Names<'_>, event: Event) -> Option<String> {
    Some(match event {
        Event::Xmote { from, to, .. } => format!("do_xmote {} -> {}", from.name(), to.name()),
        Event::Sync { .. } => "inode_go_sync".to_string(),
        Event::Invalidate { page, .. } => format!("inode_go_inval drops page {page}"),
        Event::Request { mode, noqueue, .. } => {
            let how = if noqueue { ", NOQUEUE" } else { "" };
            format!("asks the dlm for {}{how}", mode.name())
        }
        Event::Answer { granted: true, .. } => GRANT_ARRIVES.to_string(),
        Event::Answer { granted: false, .. } => REFUSAL_ARRIVES.to_string(),
        Event::StateChange { from, to, .. } => format!("{} -> {}", from.name(), to.name()),
        Event::Promote { task, mode, .. } => {
            format!("{} is granted {}", names.task(task), mode.name())
        }
        Event::Taken { task, mode, .. } => format!(
            "the weak holder of {} ({}) is dequeued",
            names.task(task),
            mode.name()
        ),
        Event::TryFailed { task, .. } => format!("the TRY of {} fails", names.task(task)),
        Event::DemoteRequest { mode, pending, .. } => {
            let when = if pending {
                ", after the minimum hold time"
            } else {
                ""
            };
            format!("to be demoted to {}{when}", mode.name())
        }
        Event::HoldExpired { .. } => "the minimum hold time is over".to_string(),
        Event::AppendedOutside { page, .. } => format!("page {page} written"),
        Event::Shrink { .. } => "the shrinker takes it".to_string(),
        Event::PteSet { vpage, pte } => pte_change(names, vpage, pte),
        Event::Orphan { task, index } => format!(
            "the page that {} has pinned as buffer page {index} leaves the file",
            names.task(task)
        ),
        _ => return None,
    })
}

/// A PTE of somebody else's page changed.
pub(crate) fn pte_change(names: &Names<'_>, vpage: u8, pte: Pte) -> String {
    let page = names.vpage_of_mm(vpage);
    match pte {
        Pte::None => format!("{page} unmapped"),
        Pte::Ro => format!("{page} made read-only"),
        Pte::Rw => format!("{page} made writable"),
    }
}

/// What the lock space did about a request.
pub(crate) fn lock_space(names: &Names<'_>, event: Event) -> Option<String> {
    Some(match event {
        Event::Granted { node, mode, .. } if mode.name() == "UN" => {
            format!("{} has given it up", names.node(node))
        }
        Event::Granted { node, mode, .. } => {
            format!("{} gets {}", names.node(node), mode.name())
        }
        Event::Queued { node, mode, .. } => {
            format!("{} wants {}, queued", names.node(node), mode.name())
        }
        Event::Refused { node, mode, .. } => {
            format!("{} wants {}, refused", names.node(node), mode.name())
        }
        Event::Deadlk { node, .. } => {
            format!("conversion deadlock, {} refused", names.node(node))
        }
        Event::Bast { node, mode, .. } => {
            format!("blocking callback {} to {}", mode.name(), names.node(node))
        }
        _ => return None,
    })
}
