//! A second, naive implementation of one DLM resource, written from the kernel's
//! `fs/dlm/lock.c` without looking at the model. Only meant to be compared with.

/// DLM modes by their numbers; the ones gfs2 does not use are left out.
pub(crate) const IV: i8 = -1;
pub(crate) const NL: i8 = 0;
pub(crate) const CW: i8 = 2;
pub(crate) const PR: i8 = 3;
pub(crate) const EX: i8 = 5;

/// __dlm_compat_matrix.
pub(crate) fn compat(granted: i8, requested: i8) -> bool {
    match (granted, requested) {
        (IV, _) | (_, IV) | (NL, _) | (_, NL) => true,
        (CW, CW) | (PR, PR) => true,
        (CW, PR) | (PR, CW) => false,
        (EX, _) | (_, EX) => false,
        other => panic!("{other:?}"),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lkb {
    pub(crate) node: u8,
    pub(crate) grmode: i8,
    pub(crate) rqmode: i8,
    pub(crate) highbast: i8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flags {
    pub(crate) noqueue: bool,
    pub(crate) noqueuebast: bool,
    pub(crate) quecvt: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sent {
    /// ast with status 0.
    Granted,
    /// ast with status -EAGAIN.
    Eagain,
    /// ast with status -EDEADLK.
    Edeadlk,
    Bast(i8),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rsb {
    pub(crate) grantqueue: Vec<Lkb>,
    pub(crate) convertqueue: Vec<Lkb>,
    pub(crate) waitqueue: Vec<Lkb>,
}

type Outbox = Vec<(u8, Sent)>;

fn queue_conflict(queue: &[Lkb], lkb: &Lkb) -> bool {
    for other in queue {
        if other.node != lkb.node && !compat(other.grmode, lkb.rqmode) {
            return true;
        }
    }
    false
}

fn first_in_list(lkb: &Lkb, queue: &[Lkb]) -> bool {
    queue.first().is_some_and(|first| first.node == lkb.node)
}

fn modes_require_bast(gr: &Lkb, rqmode: i8) -> bool {
    if (gr.grmode == PR && rqmode == CW) || (gr.grmode == CW && rqmode == PR) {
        return gr.highbast < EX;
    }
    gr.highbast < rqmode && !compat(gr.grmode, rqmode)
}

fn send_bast_queue(queue: &mut [Lkb], lkb: &Lkb, out: &mut Outbox) {
    for gr in queue {
        if gr.node == lkb.node {
            continue;
        }
        if modes_require_bast(gr, lkb.rqmode) {
            out.push((gr.node, Sent::Bast(lkb.rqmode)));
            gr.highbast = lkb.rqmode;
        }
    }
}

impl Rsb {
    /// The mode granted to a node, if it has a lock object that was ever granted.
    pub(crate) fn granted(&self, node: u8) -> Option<&Lkb> {
        let both = self.grantqueue.iter().chain(&self.convertqueue);
        both.into_iter().find(|lkb| lkb.node == node)
    }

    pub(crate) fn is_waiting(&self, node: u8) -> bool {
        let both = self.convertqueue.iter().chain(&self.waitqueue);
        both.into_iter().any(|lkb| lkb.node == node)
    }

    fn plainly_grantable(&self, lkb: &Lkb, now: bool, quecvt: bool) -> bool {
        let conv = lkb.grmode != IV;
        if queue_conflict(&self.grantqueue, lkb) {
            return false;
        }
        if queue_conflict(&self.convertqueue, lkb) {
            return false;
        }
        if now && conv && !quecvt {
            return true;
        }
        if now && conv && quecvt {
            return self.convertqueue.is_empty();
        }
        if !now && conv && first_in_list(lkb, &self.convertqueue) {
            return true;
        }
        if now && !conv && self.convertqueue.is_empty() && self.waitqueue.is_empty() {
            return true;
        }
        !now && !conv && self.convertqueue.is_empty() && first_in_list(lkb, &self.waitqueue)
    }

    fn conversion_deadlock_detect(&self, lkb: &Lkb) -> bool {
        let mut is_ahead = false;
        for other in &self.convertqueue {
            if other.node == lkb.node {
                is_ahead = true;
            } else if !is_ahead {
                if !compat(lkb.grmode, other.rqmode) {
                    return true;
                }
            } else if !compat(lkb.grmode, other.rqmode) && !compat(other.grmode, lkb.rqmode) {
                return true;
            }
        }
        false
    }

    /// dlm_lock on a node whose previous request has been answered.
    pub(crate) fn dlm_lock(&mut self, node: u8, mode: i8, flags: Flags) -> Outbox {
        assert!(!self.is_waiting(node));
        let mut out = Vec::new();
        match self.grantqueue.iter().position(|lkb| lkb.node == node) {
            Some(at) => self.convert(at, mode, flags, &mut out),
            None => self.request(node, mode, flags, &mut out),
        }
        out
    }

    fn convert(&mut self, at: usize, mode: i8, flags: Flags, out: &mut Outbox) {
        let node = self.grantqueue[at].node;
        assert_ne!(self.grantqueue[at].grmode, mode);
        self.grantqueue[at].rqmode = mode;
        let lkb = self.grantqueue[at].clone();
        if self.plainly_grantable(&lkb, true, flags.quecvt) {
            let gone = self.grantqueue.remove(at);
            self.grant(gone, out);
            self.grant_pending_locks(out);
        } else if !flags.noqueue && self.conversion_deadlock_detect(&lkb) {
            self.grantqueue[at].rqmode = IV;
            out.push((node, Sent::Edeadlk));
        } else if !flags.noqueue {
            let moved = self.grantqueue.remove(at);
            self.convertqueue.push(moved);
            send_bast_queue(&mut self.grantqueue, &lkb, out);
        } else {
            self.grantqueue[at].rqmode = IV;
            out.push((node, Sent::Eagain));
            if flags.noqueuebast {
                send_bast_queue(&mut self.grantqueue, &lkb, out);
                send_bast_queue(&mut self.convertqueue, &lkb, out);
            }
        }
    }

    fn request(&mut self, node: u8, mode: i8, flags: Flags, out: &mut Outbox) {
        let lkb = Lkb {
            node,
            grmode: IV,
            rqmode: mode,
            highbast: 0,
        };
        if self.plainly_grantable(&lkb, true, flags.quecvt) {
            self.grant(lkb, out);
        } else if !flags.noqueue {
            self.waitqueue.push(lkb.clone());
            send_bast_queue(&mut self.grantqueue, &lkb, out);
        } else {
            out.push((node, Sent::Eagain));
            if flags.noqueuebast {
                send_bast_queue(&mut self.grantqueue, &lkb, out);
                send_bast_queue(&mut self.convertqueue, &lkb, out);
            }
        }
    }

    /// grant_lock on a lock block that has been taken off its queue.
    fn grant(&mut self, mut lkb: Lkb, out: &mut Outbox) {
        lkb.grmode = lkb.rqmode;
        lkb.rqmode = IV;
        lkb.highbast = 0;
        out.push((lkb.node, Sent::Granted));
        self.grantqueue.push(lkb);
    }

    fn grant_pending_locks(&mut self, out: &mut Outbox) {
        let mut high;
        let mut cw;
        'restart: loop {
            high = IV;
            cw = false;
            for at in 0..self.convertqueue.len() {
                let lkb = self.convertqueue[at].clone();
                if self.plainly_grantable(&lkb, false, false) {
                    let gone = self.convertqueue.remove(at);
                    self.grant(gone, out);
                    continue 'restart;
                }
                assert!(
                    !self.conversion_deadlock_detect(&lkb),
                    "a deadlock is seen when the later one asks"
                );
                high = high.max(lkb.rqmode);
                cw |= lkb.rqmode == CW;
            }
            break;
        }
        let mut at = 0;
        while at < self.waitqueue.len() {
            let lkb = self.waitqueue[at].clone();
            if self.plainly_grantable(&lkb, false, false) {
                let gone = self.waitqueue.remove(at);
                self.grant(gone, out);
            } else {
                high = high.max(lkb.rqmode);
                cw |= lkb.rqmode == CW;
                at += 1;
            }
        }
        if high == IV {
            return;
        }
        for gr in &mut self.grantqueue {
            let required = if gr.grmode == PR && cw {
                gr.highbast < EX
            } else {
                gr.highbast < high && !compat(gr.grmode, high)
            };
            if required {
                let mode = if cw && high == PR && gr.grmode == PR {
                    CW
                } else {
                    high
                };
                out.push((gr.node, Sent::Bast(mode)));
                gr.highbast = high;
            }
        }
    }
}
