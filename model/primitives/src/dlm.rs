//! The lock space: one resource per file, rules D1 to D6.
//!
//! A request is decided at once, in the context of who makes it, under the resource's
//! mutex; answers and blocking callbacks travel: they wait in the node's channel until
//! a worker delivers them (D7).

use crate::mode::{Flags, Mode};
use std::collections::VecDeque;

/// What a node asks for (Q11, Q16).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) mode: Mode,
    /// TRY: refuse rather than queue. TRY_1CB: and tell the owners in the way.
    pub(crate) flags: Flags,
    /// A conversion that queues behind others.
    pub(crate) quecvt: bool,
}

/// What a node is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Grant,
    Refuse,
    /// Somebody waits for this mode.
    Bast(Mode),
}

/// A node's lock on the file.
#[derive(Clone, Copy, Debug, Default)]
struct NodeLock {
    /// Without, a request is new; with, it is a conversion (D1).
    exists: bool,
    granted: Mode,
    /// Rank of the highest mode its owner was told of since the last grant (D4).
    told: u8,
}

#[derive(Debug)]
pub(crate) struct Resource {
    locks: Vec<NodeLock>,
    convert: VecDeque<(u8, Mode)>,
    wait: VecDeque<(u8, Mode)>,
    channels: Vec<VecDeque<Message>>,
    /// Nodes with a message since the last [`Resource::take_notified`], one per message.
    notified: Vec<u8>,
}

impl Resource {
    /// With what each node owns already.
    pub(crate) fn new(owned: &[Mode]) -> Self {
        let lock = |&granted: &Mode| NodeLock {
            exists: granted != Mode::Un,
            granted,
            told: 0,
        };
        Resource {
            locks: owned.iter().map(lock).collect(),
            convert: VecDeque::new(),
            wait: VecDeque::new(),
            channels: owned.iter().map(|_| VecDeque::new()).collect(),
            notified: Vec::new(),
        }
    }

    /// The oldest message to a node; the `newest` only to see what breaks.
    pub(crate) fn receive(&mut self, node: u8, newest: bool) -> Option<Message> {
        let channel = &mut self.channels[node as usize];
        match newest {
            false => channel.pop_front(),
            true => channel.pop_back(),
        }
    }

    /// The nodes that were sent messages, once per message.
    pub(crate) fn take_notified(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.notified)
    }

    /// Decides a request: grants, queues or refuses it (D2, D3, D6).
    pub(crate) fn request(&mut self, node: u8, request: Request) {
        let Request {
            mode,
            flags,
            quecvt,
        } = request;
        let converts = self.locks[node as usize].exists;
        let in_turn = match converts {
            true => !quecvt || self.convert.is_empty(),
            false => self.convert.is_empty() && self.wait.is_empty(),
        };
        if in_turn && self.goes_with_others(node, mode) {
            self.grant(node, mode);
            self.grant_waiting();
        } else if flags.is_try() {
            self.send(node, Message::Refuse);
            if flags.has(Flags::TRY_1CB) {
                self.tell_owners(node, mode, true);
            }
        } else if converts && self.would_deadlock(node) {
            self.send(node, Message::Refuse);
        } else {
            match converts {
                true => self.convert.push_back((node, mode)),
                false => self.wait.push_back((node, mode)),
            }
            self.tell_owners(node, mode, false);
        }
    }

    fn goes_with_others(&self, node: u8, mode: Mode) -> bool {
        let mut others = self.locks.iter().enumerate();
        others.all(|(n, l)| n == node as usize || l.granted.compatible(mode))
    }

    /// Does what the node owns block a conversion that is queued already (D6)?
    fn would_deadlock(&self, node: u8) -> bool {
        let granted = self.locks[node as usize].granted;
        let mut queued = self.convert.iter();
        queued.any(|&(n, mode)| n != node && !granted.compatible(mode))
    }

    fn grant(&mut self, node: u8, mode: Mode) {
        self.locks[node as usize] = NodeLock {
            exists: true,
            granted: mode,
            told: 0,
        };
        self.send(node, Message::Grant);
    }

    /// First come first, conversions before new requests (D2); then those in the way
    /// of what still waits are told.
    fn grant_waiting(&mut self) {
        while let Some(&(node, mode)) = self.convert.front() {
            if !self.goes_with_others(node, mode) {
                break;
            }
            self.convert.pop_front();
            self.grant(node, mode);
        }
        while self.convert.is_empty()
            && let Some(&(node, mode)) = self.wait.front()
            && self.goes_with_others(node, mode)
        {
            self.wait.pop_front();
            self.grant(node, mode);
        }
        self.tell_owners_of_waiting();
    }

    fn converts(&self, node: usize) -> bool {
        self.convert.iter().any(|&(n, _)| n as usize == node)
    }

    /// Tells whoever is in the way of a request just queued, or refused (`all`: also
    /// those that wait for a conversion themselves).
    fn tell_owners(&mut self, asking: u8, mode: Mode, all: bool) {
        for node in 0..self.locks.len() {
            if node == asking as usize || !all && self.converts(node) {
                continue;
            }
            let NodeLock { granted, told, .. } = self.locks[node];
            let shared_kinds =
                matches!((granted, mode), (Mode::Sh, Mode::Df) | (Mode::Df, Mode::Sh));
            // D4: the two shared modes are told of each other unless EX was.
            let due = match shared_kinds {
                true => told != Mode::Ex.rank(),
                false => told < mode.rank() && !granted.compatible(mode),
            };
            if due {
                self.bast(node, mode);
            }
        }
    }

    fn tell_owners_of_waiting(&mut self) {
        let waiting = || self.convert.iter().chain(&self.wait).map(|w| w.1);
        let Some(highest) = waiting().max_by_key(|m| m.rank()) else {
            return;
        };
        let deferred_waits = waiting().any(|m| m == Mode::Df);
        for node in 0..self.locks.len() {
            if self.converts(node) {
                continue;
            }
            let NodeLock { granted, told, .. } = self.locks[node];
            if deferred_waits && granted == Mode::Sh {
                if told != Mode::Ex.rank() {
                    self.bast(
                        node,
                        if highest == Mode::Sh {
                            Mode::Df
                        } else {
                            highest
                        },
                    );
                }
            } else if told < highest.rank() && !granted.compatible(highest) {
                self.bast(node, highest);
            }
        }
    }

    fn bast(&mut self, node: usize, mode: Mode) {
        self.locks[node].told = mode.rank();
        self.send(node as u8, Message::Bast(mode));
    }

    /// A callback for no more than the newest undelivered one asks for is not sent.
    fn send(&mut self, node: u8, message: Message) {
        let channel = &mut self.channels[node as usize];
        if let (Some(Message::Bast(newest)), Message::Bast(mode)) = (channel.back(), message)
            && newest.rank() >= mode.rank()
        {
            return;
        }
        channel.push_back(message);
        self.notified.push(node);
    }
}
