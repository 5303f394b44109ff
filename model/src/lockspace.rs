//! The lock space: one resource of the DLM per file, as an atomic server.
//!
//! Rules D1 to D6; reads side by side with `fs/dlm/lock.c`. Three queues
//! (granted, converting, waiting), one lock per node. Requests, answers and
//! blocking callbacks (BASTs) travel asynchronously (D7): the messages are in
//! [`Channel`], one first-in-first-out pipe per node and file in the server's
//! direction to the node, and at most one request the other way.

use crate::event::{Event, Sink};
use crate::glock::Request;
use crate::mode::Mode;
use crate::mutant::Mutant;
use crate::scenario::MAX_NODES;
use std::hash::{Hash, Hasher};

/// What a node has at the lock space (D1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Lock {
    /// Is there a lock object? Without, a request is a new one.
    pub exists: bool,
    /// Granted mode; UN is NL.
    pub granted: Mode,
    /// The highest mode a BAST has been sent for since the lock was granted
    /// (D4); UN: none. Ordered as the DLM orders modes: CW < PR < EX.
    pub highbast: Mode,
}

impl Lock {
    /// Is it in the way of `mode`, and has it not been told of as high a mode?
    fn not_told_of(&self, mode: Mode) -> bool {
        dlm_rank(self.highbast) < dlm_rank(mode) && !self.granted.compatible(mode)
    }
}

/// A queued request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Waiting {
    /// The node that waits.
    pub node: u8,
    /// The mode it wants.
    pub mode: Mode,
}

/// One queue of a resource, first come first.
#[derive(Clone, Copy, Debug, Eq, Default)]
pub struct Fifo {
    len: u8,
    entries: [Waiting; MAX_NODES],
}

impl PartialEq for Fifo {
    #[inline]
    fn eq(&self, other: &Fifo) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Hash for Fifo {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl Fifo {
    /// The entries in queue order.
    #[inline]
    pub fn as_slice(&self) -> &[Waiting] {
        &self.entries[..self.len as usize]
    }
    /// Appends.
    pub fn push(&mut self, entry: Waiting) {
        self.entries[self.len as usize] = entry;
        self.len += 1;
    }
    fn remove(&mut self, index: usize) -> Waiting {
        let gone = self.entries[index];
        self.entries
            .copy_within(index + 1..self.len as usize, index);
        self.len -= 1;
        self.entries[self.len as usize] = Waiting::default();
        gone
    }
}

/// A resource: the locks of all nodes on one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Resource {
    /// Per node.
    pub locks: [Lock; MAX_NODES],
    /// Conversions that wait.
    pub convert: Fifo,
    /// New requests that wait.
    pub wait: Fifo,
}

/// A message from the lock space to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// The request is granted (AST, status 0).
    Grant,
    /// It is refused (AST, -EAGAIN or -EDEADLK: gfs2 does not tell them apart).
    Refuse,
    /// Somebody waits for this mode (BAST).
    Bast(Mode),
}

/// How many messages may be under way from the lock space to one node about one
/// file: enough for all there can be, so that no verdict rests on it.
///
/// A node has one request under way, so there is at most one answer. The callbacks
/// for one granted mode are at most three (an owner of EX is told of CW, PR and EX,
/// each higher than the one before; an owner of PR or CW of the other shared mode
/// and of EX; equal ones are merged), and between a lock and its conversion one of
/// the modes is not EX, so 3 + 1 + 2 = 6. A server step adds at most two.
pub const CHANNEL: usize = 8;

/// Messages between one node and one resource.
#[derive(Clone, Copy, Debug, Eq, Default)]
pub struct Channel {
    /// The node's request.
    pub request: Option<Request>,
    len: u8,
    /// Answers and callbacks, oldest first.
    messages: [Option<Message>; CHANNEL],
}

impl PartialEq for Channel {
    #[inline]
    fn eq(&self, other: &Channel) -> bool {
        self.request == other.request && self.under_way() == other.under_way()
    }
}

impl Hash for Channel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.request, self.under_way()).hash(state);
    }
}

impl Channel {
    /// A channel with nothing on its way to the node.
    pub fn with_request(request: Option<Request>) -> Channel {
        Channel {
            request,
            ..Default::default()
        }
    }
    /// Messages under way to the node, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = Message> + '_ {
        self.under_way().iter().flatten().copied()
    }
    #[inline]
    fn under_way(&self) -> &[Option<Message>] {
        &self.messages[..self.len as usize]
    }
    /// The oldest message.
    #[inline]
    pub fn first(&self) -> Option<Message> {
        self.messages[0]
    }
    /// Nothing under way in either direction?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.request.is_none() && self.len == 0
    }
    /// Takes the oldest message.
    pub fn pop(&mut self) -> Option<Message> {
        let first = self.messages[0]?;
        self.messages.copy_within(1.., 0);
        self.messages[CHANNEL - 1] = None;
        self.len -= 1;
        Some(first)
    }
    /// Room for everything one server step may send?
    #[inline]
    pub fn has_room(&self) -> bool {
        (self.len as usize) + 2 <= CHANNEL
    }
    /// Appends a message. A callback for a mode that the newest undelivered
    /// message already asks for is merged with it, as the DLM does.
    pub fn push(&mut self, message: Message) {
        let newest = self
            .len
            .checked_sub(1)
            .and_then(|i| self.messages[i as usize]);
        if let (Some(Message::Bast(old)), Message::Bast(new)) = (newest, message)
            && dlm_rank(old) >= dlm_rank(new)
        {
            return;
        }
        self.push_raw(message);
    }
    /// Appends a message as it is.
    pub(crate) fn push_raw(&mut self, message: Message) {
        self.messages[self.len as usize] = Some(message);
        self.len += 1;
    }
}

/// The DLM's numeric order of modes: NL < CW < PR < EX.
#[inline]
pub const fn dlm_rank(mode: Mode) -> u8 {
    match mode {
        Mode::Un => 0,
        Mode::Df => 1,
        Mode::Sh => 2,
        Mode::Ex => 3,
    }
}

/// What a node must do about a blocked mode: rule D5 (`gdlm_bast`).
#[inline]
pub fn demote_for(blocked: Mode) -> Mode {
    match blocked {
        Mode::Ex if Mutant::DemotedTooLittle.is_on() => Mode::Sh,
        Mode::Sh => Mode::Sh,
        Mode::Df => Mode::Df,
        _ => Mode::Un,
    }
}

/// Messages of one server step, per node.
pub type Outbox<'a> = &'a mut dyn FnMut(u8, Message);

impl Resource {
    /// No granted mode of another node conflicts, those of nodes that wait on the
    /// convert queue included (`queue_conflict`, D2).
    fn compatible(&self, node: u8, mode: Mode) -> bool {
        self.locks.iter().enumerate().all(|(n, l)| {
            n == node as usize
                || l.granted.compatible(mode)
                || Mutant::SharedBesideDeferred.is_on() && l.granted != Mode::Ex && mode != Mode::Ex
        })
    }

    /// `conversion_deadlock_detect`: our granted mode blocks a conversion that is
    /// queued already (D6).
    fn conversion_deadlock(&self, node: u8) -> bool {
        let granted = self.locks[node as usize].granted;
        !Mutant::ConversionDeadlock.is_on()
            && self
                .convert
                .as_slice()
                .iter()
                .any(|w| w.node != node && !granted.compatible(w.mode))
    }

    fn is_converting(&self, node: usize) -> bool {
        self.convert
            .as_slice()
            .iter()
            .any(|w| w.node as usize == node)
    }

    /// Handles a request (`dlm_lock`): grants, queues or refuses it.
    pub fn request<S: Sink>(
        &mut self,
        node: u8,
        file: u8,
        request: Request,
        out: Outbox<'_>,
        sink: &mut S,
    ) {
        let mode = request.mode;
        let converts = self.locks[node as usize].exists;
        let order_allows = if converts {
            !request.quecvt || self.convert.as_slice().is_empty() || Mutant::Overtaken.is_on()
        } else {
            self.convert.as_slice().is_empty() && self.wait.as_slice().is_empty()
        };
        if self.compatible(node, mode) && order_allows {
            self.grant(node, file, mode, out, sink);
            self.grant_pending(file, out, sink);
        } else if request.noqueue && !Mutant::QueuedTry.is_on() {
            sink.event(Event::Refused { node, file, mode });
            out(node, Message::Refuse);
            if request.noqueuebast || Mutant::TryTells.is_on() {
                self.send_basts(node, file, mode, true, out, sink);
            }
        } else if converts && self.conversion_deadlock(node) {
            sink.event(Event::Deadlk { node, file });
            out(node, Message::Refuse);
        } else {
            let entry = Waiting { node, mode };
            if converts {
                self.convert.push(entry);
            } else {
                self.wait.push(entry);
            }
            sink.event(Event::Queued { node, file, mode });
            if !Mutant::SilentQueue.is_on() {
                self.send_basts(node, file, mode, false, out, sink);
            }
        }
    }

    fn grant<S: Sink>(&mut self, node: u8, file: u8, mode: Mode, out: Outbox<'_>, sink: &mut S) {
        let highbast = match Mutant::ToldOnce.is_on() {
            true => self.locks[node as usize].highbast,
            false => Mode::Un,
        };
        self.locks[node as usize] = Lock {
            exists: true,
            granted: mode,
            highbast,
        };
        sink.event(Event::Granted { node, file, mode });
        out(node, Message::Grant);
    }

    /// `send_bast` to everybody in the way of a request that was just queued or
    /// refused (D3): owners on the granted queue; with `converting` also those on
    /// the convert queue.
    fn send_basts<S: Sink>(
        &mut self,
        node: u8,
        file: u8,
        mode: Mode,
        converting: bool,
        out: Outbox<'_>,
        sink: &mut S,
    ) {
        for other in 0..MAX_NODES {
            if other != node as usize && (converting || !self.is_converting(other)) {
                self.bast(other, file, mode, out, sink);
            }
        }
    }

    /// `modes_require_bast`: PR and CW are signalled to each other unless EX has been
    /// (D4).
    fn bast<S: Sink>(&mut self, node: usize, file: u8, mode: Mode, out: Outbox<'_>, sink: &mut S) {
        let lock = &self.locks[node];
        let cross = matches!(
            (lock.granted, mode),
            (Mode::Sh, Mode::Df) | (Mode::Df, Mode::Sh)
        );
        let due = if cross {
            lock.highbast != Mode::Ex
        } else {
            lock.not_told_of(mode)
        };
        if due {
            self.send_bast(node, file, mode, out, sink);
        }
    }

    fn send_bast<S: Sink>(
        &mut self,
        node: usize,
        file: u8,
        mode: Mode,
        out: Outbox<'_>,
        sink: &mut S,
    ) {
        self.locks[node].highbast = mode;
        sink.event(Event::Bast {
            node: node as u8,
            file,
            mode,
        });
        out(node as u8, Message::Bast(mode));
    }

    /// `grant_pending_locks`: first come first, conversions before new requests;
    /// then callbacks for what still waits.
    fn grant_pending<S: Sink>(&mut self, file: u8, out: Outbox<'_>, sink: &mut S) {
        while let Some(&Waiting { node, mode }) = self.convert.as_slice().first() {
            if !self.compatible(node, mode) {
                break;
            }
            self.convert.remove(0);
            self.grant(node, file, mode, out, sink);
        }
        while self.convert.as_slice().is_empty() {
            let Some(&Waiting { node, mode }) = self.wait.as_slice().first() else {
                break;
            };
            if !self.compatible(node, mode) {
                break;
            }
            self.wait.remove(0);
            self.grant(node, file, mode, out, sink);
        }
        self.send_pending_basts(file, out, sink);
    }

    /// Callbacks to granted owners for the highest mode that waits.
    fn send_pending_basts<S: Sink>(&mut self, file: u8, out: Outbox<'_>, sink: &mut S) {
        let waiting = || self.convert.as_slice().iter().chain(self.wait.as_slice());
        let Some(high) = waiting().map(|w| w.mode).max_by_key(|m| dlm_rank(*m)) else {
            return;
        };
        let cw_waits = waiting().any(|w| w.mode == Mode::Df);
        for node in 0..MAX_NODES {
            if self.is_converting(node) {
                continue;
            }
            // `lock_requires_bast`: only an owner of PR hears of CW beside the highest.
            let lock = &self.locks[node];
            if cw_waits && lock.granted == Mode::Sh {
                if lock.highbast != Mode::Ex {
                    let mode = if high == Mode::Sh { Mode::Df } else { high };
                    self.send_bast(node, file, mode, out, sink);
                }
            } else if lock.not_told_of(high) {
                self.send_bast(node, file, high, out, sink);
            }
        }
    }
}
