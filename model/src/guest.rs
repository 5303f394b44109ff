//! Requests for a glock that no operation of the scenario makes.
//!
//! A process asks for inode glocks in more places than the functions a design is about:
//! when it looks a name up, checks permissions, reads attributes, or updates times before
//! a write. A recording of a real kernel shows these, too, and they wait and are waited
//! for by the same rules. A guest is such a request: an entry of the queue under a task
//! number that the scenario does not use. It is served by the transitions that serve the
//! tasks; only nothing runs under it.
//!
//! Wait-for graphs, packing and symmetry know the scenario's tasks alone: they are not to
//! be asked about a state with guests in a queue.

use crate::cluster::{Cluster, State};
use crate::event::Sink;
use crate::glock::Nq;
use crate::memory::Step;
use crate::mode::Mode;
use crate::node::Outgoing;
use crate::program::NqFlags;
use crate::scenario::MAX_TASKS;

/// A guest: who asks, on which node, for which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guest {
    /// Its task number; not one of the scenario's.
    pub task: u8,
    /// The node.
    pub node: u8,
    /// The file.
    pub file: u8,
}

impl Guest {
    /// The guest of a task: one at a time, under a number counted from the end.
    ///
    /// # Panics
    /// If `tasks` tasks and as many guests are more than [`MAX_TASKS`].
    pub fn of(task: usize, tasks: usize, node: usize, file: usize) -> Guest {
        assert!(
            task < tasks && 2 * tasks <= MAX_TASKS,
            "no room for a guest of each task"
        );
        Guest {
            task: (MAX_TASKS - 1 - task) as u8,
            node: node as u8,
            file: file as u8,
        }
    }
}

/// What a request of a guest has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// The guest is a holder.
    Granted,
    /// It waits, or has work to do for it ([`Cluster::guest_step`]).
    Waits,
}

impl Cluster {
    /// `gfs2_glock_nq` of a guest (Q3), with a mode and flags other than a TRY.
    pub fn guest_nq<S: Sink>(
        &self,
        state: &mut State,
        guest: Guest,
        (mode, flags): (Mode, NqFlags),
        sink: &mut S,
    ) -> Asked {
        let (n, f) = (guest.node as usize, guest.file as usize);
        let mut out = Outgoing::default();
        let nq = state.nodes[n].with_glock(&self.ctx(n), f, &mut out, sink, |gl, env| {
            gl.nq(guest.task, mode, flags, env)
        });
        self.guest_sends(state, guest, out);
        match nq {
            Nq::Granted if !state.nodes[n].runs_xmote(guest.task as usize, f) => Asked::Granted,
            _ => Asked::Waits,
        }
    }

    /// The next step of a guest that waits: a part of the xmote that runs in its context
    /// (Q10), or the return of `gfs2_glock_nq`.
    pub fn guest_step<S: Sink>(
        &self,
        state: &mut State,
        guest: Guest,
        sink: &mut S,
    ) -> Option<Asked> {
        let (n, f) = (guest.node as usize, guest.file as usize);
        if state.nodes[n].runs_xmote(guest.task as usize, f) {
            let mut out = Outgoing::default();
            let step = state.nodes[n].xmote_step(&self.ctx(n), f, &mut out, sink);
            self.guest_sends(state, guest, out);
            return (step == Step::Taken).then_some(Asked::Waits);
        }
        let queue = &state.nodes[n].glocks[f].queue;
        let granted = queue.of(guest.task).is_some_and(|holder| holder.granted);
        granted.then_some(Asked::Granted)
    }

    /// `gfs2_glock_dq` of a guest (Q17). False if it holds nothing.
    pub fn guest_dq<S: Sink>(&self, state: &mut State, guest: Guest, sink: &mut S) -> bool {
        let (n, f) = (guest.node as usize, guest.file as usize);
        let mut dequeued = false;
        state.nodes[n].tell_glock(&self.ctx(n), f, sink, |gl, env| {
            dequeued = gl.dq(guest.task, false, env);
        });
        dequeued
    }

    fn guest_sends(&self, state: &mut State, guest: Guest, out: Outgoing) {
        if let Some(sent) = out.0 {
            let channel = &mut state.channels[guest.node as usize][sent.file as usize];
            channel.request = Some(sent.request);
        }
    }
}
