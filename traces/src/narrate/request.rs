//! `gfs2_glock_nq`: one line for the call and what becomes of it.

use super::{Narrator, Request, Scene};
use crate::glock_text::engine;
use glock_model::event::Event;
use glock_model::waits::{self, Waiter};

impl Narrator<'_> {
    pub(super) fn glock_detail(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let me = scene.task;
        match event {
            Event::Queue { .. } => self.queue(scene, i, event),
            Event::Wake { granted, .. } => {
                let how = if granted { "granted" } else { "GLR_TRYFAILED" };
                self.request_outcome(me, how);
                self.calls[me as usize].request = None;
            }
            Event::Promote { task, .. } if task == me => self.request_outcome(me, "granted"),
            Event::TryFailed { task, .. } if task == me => {
                self.request_outcome(me, "GLR_TRYFAILED");
            }
            Event::Request { mode, .. } => {
                let told = self.calls[me as usize]
                    .request
                    .as_ref()
                    .is_none_or(|r| r.told);
                if !told && !self.told_in_step(scene, i) {
                    let call = self.request_call(me);
                    self.say_more(me, call, format!("asks the dlm for {}", mode.name()));
                }
            }
            Event::StateChange { to, .. } => {
                let promoted = scene.events[i..]
                    .iter()
                    .any(|e| matches!(e, Event::Promote { task, .. } if *task == me));
                if !promoted {
                    let call = self.request_call(me);
                    self.say_more(me, call, format!("glock is {}", to.name()));
                }
            }
            Event::Promote { .. } | Event::TryFailed { .. } | Event::Sync { .. } => {
                if let Some(text) = engine(&self.names, event) {
                    self.say_inside(me, text);
                }
            }
            _ => {}
        }
    }

    pub(super) fn request_call(&self, task: u8) -> String {
        let request = &self.calls[task as usize].request;
        request.as_ref().map_or(String::new(), |r| r.call.clone())
    }

    /// Did the step that begins the request already say how it stands?
    pub(super) fn told_in_step(&self, scene: &Scene<'_>, i: usize) -> bool {
        scene.events[..i]
            .iter()
            .any(|e| matches!(e, Event::Queue { .. }))
    }

    /// Tells how a request ended, once.
    pub(super) fn request_outcome(&mut self, task: u8, how: &str) {
        let Some(request) = &mut self.calls[task as usize].request else {
            return;
        };
        if !request.told {
            request.told = true;
            let call = request.call.clone();
            self.say_more(task, call, how);
        }
    }

    /// `gfs2_glock_nq`: the call with what became of it at once.
    pub(super) fn queue(&mut self, scene: &Scene<'_>, i: usize, event: Event) {
        let Event::Queue {
            task,
            file,
            mode,
            flags,
        } = event
        else {
            return;
        };
        let call = format!(
            "gfs2_glock_nq({}, {}{flags})",
            self.names.file(file),
            mode.name()
        );
        let (outcome, told) = self.queue_outcome(scene, i, file);
        self.say_here(task, call.clone(), outcome);
        self.calls[task as usize].request = Some(Request { call, told });
    }

    pub(super) fn queue_outcome(&self, scene: &Scene<'_>, i: usize, file: u8) -> (String, bool) {
        let me = scene.task;
        let mut xmote = None;
        for &event in &scene.events[i + 1..] {
            match event {
                Event::Line { .. } => break,
                Event::Promote { task, .. } if task == me => return ("granted".to_string(), true),
                Event::TryFailed { task, .. } if task == me => {
                    return ("GLR_TRYFAILED".to_string(), true);
                }
                Event::Recursion { .. } => {
                    return (self.recursion(scene, file), true);
                }
                Event::Request { mode, .. } => {
                    return (format!("asks the dlm for {}", mode.name()), false);
                }
                Event::Xmote { from, to, .. } => xmote = Some((from, to)),
                _ => {}
            }
        }
        match xmote {
            Some((from, to)) => (format!("do_xmote {} -> {}", from.name(), to.name()), false),
            None => (self.waits_for(scene, file), false),
        }
    }

    pub(super) fn recursion(&self, scene: &Scene<'_>, file: u8) -> String {
        let node = self.cluster.scenario().node_of(scene.task as usize);
        let queue = &scene.before.nodes[node].glocks[file as usize].queue;
        match queue.of(scene.task) {
            Some(h) => format!("BUG, it has this glock already ({})", h.mode.name()),
            None => "BUG, it has this glock already".to_string(),
        }
    }

    /// Whom a task that has just gone to sleep waits for.
    pub(super) fn waits_for(&self, scene: &Scene<'_>, file: u8) -> String {
        let graph = waits::graph(self.cluster, scene.after);
        let others: Vec<&str> = graph
            .waits_for(Waiter::Task(scene.task))
            .filter_map(|w| match w {
                Waiter::Task(t) => Some(self.names.task(t)),
                _ => None,
            })
            .collect();
        let node = self.cluster.scenario().node_of(scene.task as usize);
        let glock = &scene.after.nodes[node].glocks[file as usize];
        if !others.is_empty() {
            format!("waits for {}", others.join(" and "))
        } else if glock.demote_wanted() {
            "waits, a demote is due".to_string()
        } else if glock.locked() {
            "waits for do_xmote".to_string()
        } else {
            "waits".to_string()
        }
    }
}
