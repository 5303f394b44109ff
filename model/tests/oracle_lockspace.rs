//! One resource of the lock space against a second implementation written from
//! the rules (semantics, section 3) and the kernel: in every state that three
//! nodes can reach, and rule by rule.

#[path = "oracle/resource.rs"]
mod reference;

use std::collections::{HashMap, HashSet, VecDeque};

use glock_model::event::NoSink;
use glock_model::glock::Request;
use glock_model::lockspace::{Message, Resource};
use glock_model::mode::Mode;
use reference::{CW, EX, Flags, IV, NL, PR, Rsb, Sent};

const NODES: u8 = 3;
const QUEUE: Flags = Flags {
    noqueue: false,
    noqueuebast: false,
    quecvt: false,
};
/// What gfs2 passes for a request that is not a TRY.
const QUECVT: Flags = Flags {
    quecvt: true,
    ..QUEUE
};
const TRY: Flags = Flags {
    noqueue: true,
    ..QUEUE
};
const TRY_1CB: Flags = Flags {
    noqueuebast: true,
    ..TRY
};

fn mode(dlm: i8) -> Mode {
    match dlm {
        NL => Mode::Un,
        CW => Mode::Df,
        PR => Mode::Sh,
        EX => Mode::Ex,
        other => panic!("{other}"),
    }
}

fn dlm(mode: Mode) -> i8 {
    match mode {
        Mode::Un => NL,
        Mode::Df => CW,
        Mode::Sh => PR,
        Mode::Ex => EX,
    }
}

/// What both represent (for an owner of PR, whether CW or PR has been signalled makes
/// no difference to anything: CW stands for both): granted mode and "highest mode signalled" of each node,
/// the two queues of waiting requests.
#[derive(Debug, PartialEq, Eq)]
struct View {
    granted: Vec<Option<(i8, i8)>>,
    convert: Vec<(u8, i8)>,
    wait: Vec<(u8, i8)>,
}

fn signalled(grmode: i8, highbast: i8) -> i8 {
    match (grmode, highbast) {
        (PR, PR) => CW,
        _ => highbast,
    }
}

fn view(rsb: &Rsb) -> View {
    let waiting = |queue: &[reference::Lkb]| queue.iter().map(|l| (l.node, l.rqmode)).collect();
    View {
        granted: (0..NODES)
            .map(|node| rsb.granted(node))
            .map(|lkb| lkb.map(|lkb| (lkb.grmode, signalled(lkb.grmode, lkb.highbast))))
            .collect(),
        convert: waiting(&rsb.convertqueue),
        wait: waiting(&rsb.waitqueue),
    }
}

fn model_view(resource: &Resource) -> View {
    let waiting = |queue: &[glock_model::lockspace::Waiting]| {
        queue.iter().map(|w| (w.node, dlm(w.mode))).collect()
    };
    View {
        granted: (0..NODES as usize)
            .map(|node| {
                let lock = resource.locks[node];
                let (granted, highbast) = (dlm(lock.granted), dlm(lock.highbast));
                lock.exists.then(|| (granted, signalled(granted, highbast)))
            })
            .collect(),
        convert: waiting(resource.convert.as_slice()),
        wait: waiting(resource.wait.as_slice()),
    }
}

#[derive(Clone, Debug, Default)]
struct Joint {
    reference: Rsb,
    model: Resource,
}

impl Joint {
    /// A request of a node to both; what was sent to whom, in order.
    fn request(&mut self, node: u8, to: i8, flags: Flags) -> Result<Vec<(u8, Sent)>, String> {
        let before = view(&self.reference);
        let sent = self.reference.dlm_lock(node, to, flags);
        let mut messages = Vec::new();
        let request = Request {
            mode: mode(to),
            noqueue: flags.noqueue,
            noqueuebast: flags.noqueuebast,
            quecvt: flags.quecvt,
        };
        let mut outbox = |node: u8, message: Message| messages.push((node, message));
        self.model
            .request(node, 0, request, &mut outbox, &mut NoSink);

        // The order of messages to one node counts, gfs2 does not tell the two
        // ways of refusing apart.
        let of = |to: u8| -> Vec<Message> {
            let to_node = sent.iter().filter(|(node, _)| *node == to);
            to_node
                .map(|(_, sent)| match *sent {
                    Sent::Granted => Message::Grant,
                    Sent::Eagain | Sent::Edeadlk => Message::Refuse,
                    Sent::Bast(blocked) => Message::Bast(mode(blocked)),
                })
                .collect()
        };
        let in_model = |to: u8| -> Vec<Message> {
            let to_node = messages.iter().filter(|(node, _)| *node == to);
            to_node.map(|&(_, message)| message).collect()
        };
        let mut differ = view(&self.reference) != model_view(&self.model);
        for node in 0..NODES {
            differ |= of(node) != in_model(node);
        }
        if differ {
            return Err(format!(
                "before    {before:?}\nrequest   node {node} to {to} {flags:?}\n\
                 reference {:?} sends {sent:?}\nmodel     {:?} sends {messages:?}",
                view(&self.reference),
                model_view(&self.model)
            ));
        }
        Ok(sent)
    }

    /// For stories: the request, and what was sent.
    fn ask(&mut self, node: u8, to: i8, flags: Flags) -> Vec<(u8, Sent)> {
        self.request(node, to, flags)
            .unwrap_or_else(|how| panic!("{how}"))
    }

    fn has(&self, node: u8) -> i8 {
        self.reference.granted(node).map_or(IV, |lkb| lkb.grmode)
    }

    /// Two nodes' granted modes never conflict (P1).
    fn assert_compatible(&self) {
        for a in 0..NODES {
            for b in 0..a {
                assert!(reference::compat(self.has(a), self.has(b)), "{self:?}");
            }
        }
    }
}

/// All states that requests for these modes, with all flags, can reach; compares in
/// each. The kinds of messages that were met.
fn explore(modes: &[i8]) -> usize {
    let mut all_flags = Vec::new();
    for bits in 0..8 {
        all_flags.push(Flags {
            noqueue: bits & 1 != 0,
            noqueuebast: bits & 2 != 0,
            quecvt: bits & 4 != 0,
        });
    }
    let mut seen = HashSet::new();
    let mut todo = VecDeque::new();
    let mut met: HashMap<&str, usize> = HashMap::new();
    let mut requests = 0;
    let start = Joint::default();
    seen.insert((start.reference.clone(), start.model));
    todo.push_back(start);
    while let Some(joint) = todo.pop_front() {
        joint.assert_compatible();
        for node in 0..NODES {
            if joint.reference.is_waiting(node) {
                continue;
            }
            for &to in modes {
                // gfs2 asks neither for what it has nor for a first lock at NL.
                if to == joint.has(node) || (to == NL && joint.has(node) == IV) {
                    continue;
                }
                for &flags in &all_flags {
                    let mut next = joint.clone();
                    let sent = next
                        .request(node, to, flags)
                        .unwrap_or_else(|how| panic!("{how}"));
                    requests += 1;
                    for (to_node, sent) in sent {
                        *met.entry(match sent {
                            Sent::Granted if to_node == node => "granted",
                            Sent::Granted => "granted later",
                            Sent::Eagain => "-EAGAIN",
                            Sent::Edeadlk => "-EDEADLK",
                            Sent::Bast(CW) => "BAST CW",
                            Sent::Bast(PR) => "BAST PR",
                            Sent::Bast(_) => "BAST EX",
                        })
                        .or_default() += 1;
                    }
                    if seen.insert((next.reference.clone(), next.model)) {
                        todo.push_back(next);
                    }
                }
            }
        }
    }
    println!("{} states, {requests} requests, {met:?}", seen.len());
    met.len()
}

#[test]
fn every_state_of_three_nodes_without_df_agrees() {
    assert_eq!(explore(&[NL, PR, EX]), 6);
}
#[test]
fn every_state_of_three_nodes_agrees() {
    assert_eq!(explore(&[NL, CW, PR, EX]), 7);
}

/// When something is granted, a CW owner is not told again of the PR that still
/// waits (`lock_requires_bast`), a PR owner is told again of CW.
#[test]
fn d4_a_grant_repeats_the_callback_for_waiting_df_but_not_for_waiting_sh() {
    for (owned, waits, again) in [(CW, PR, false), (PR, CW, true)] {
        let mut joint = Joint::default();
        joint.ask(0, owned, QUECVT);
        joint.ask(1, owned, QUECVT);
        let sent = joint.ask(2, waits, QUECVT);
        assert!(sent.contains(&(1, Sent::Bast(waits))));
        let sent = joint.ask(0, NL, QUEUE);
        assert_eq!(sent.contains(&(1, Sent::Bast(waits))), again);
    }
}

#[test]
fn d1_a_refused_first_request_leaves_no_lock_a_refused_conversion_leaves_the_old_mode() {
    let mut joint = Joint::default();
    joint.ask(0, EX, QUECVT);
    assert_eq!(joint.ask(1, PR, TRY), [(1, Sent::Eagain)]);
    assert_eq!(joint.has(1), IV);
    joint.ask(0, NL, QUEUE);
    assert_eq!(joint.has(0), NL);
    joint.ask(1, PR, TRY);
    joint.ask(0, PR, TRY);
    assert_eq!(joint.ask(0, EX, TRY), [(0, Sent::Eagain)]);
    assert_eq!(joint.has(0), PR);
}

#[test]
fn d2_a_try_conversion_overtakes_a_waiting_one_a_first_request_does_not() {
    let mut joint = Joint::default();
    joint.ask(0, PR, QUECVT);
    joint.ask(1, PR, QUECVT);
    joint.ask(1, NL, QUEUE);
    joint.ask(2, PR, QUECVT);
    joint.ask(2, NL, QUEUE);
    joint.ask(2, EX, QUECVT); // waits on the convert queue
    let mut blocking = joint.clone();
    assert!(blocking.ask(1, PR, QUECVT).iter().all(|m| m.0 != 1));
    assert_eq!(
        joint.ask(1, PR, TRY),
        [(1, Sent::Granted), (1, Sent::Bast(EX))] // at once told of who still waits
    );

    let mut joint = Joint::default();
    joint.ask(0, PR, QUECVT);
    joint.ask(2, EX, QUECVT); // waits on the wait queue
    assert_eq!(joint.ask(1, PR, TRY), [(1, Sent::Eagain)]);
}

#[test]
fn d2_the_wait_queue_does_not_delay_a_conversion() {
    let mut joint = Joint::default();
    joint.ask(0, PR, QUECVT);
    joint.ask(1, PR, QUECVT);
    joint.ask(1, NL, QUEUE);
    joint.ask(2, EX, QUECVT);
    assert_eq!(joint.ask(1, PR, QUECVT)[0], (1, Sent::Granted));
}

#[test]
fn d3_a_failed_try_sends_no_callback() {
    for owned in [CW, PR, EX] {
        let mut joint = Joint::default();
        joint.ask(0, owned, QUECVT);
        joint.ask(1, CW, TRY);
        assert_eq!(joint.clone().ask(1, EX, TRY), [(1, Sent::Eagain)]);
        assert_eq!(
            joint
                .ask(1, EX, TRY_1CB)
                .into_iter()
                .filter(|m| m.0 == 0)
                .collect::<Vec<_>>(),
            [(0, Sent::Bast(EX))]
        );
    }
}

#[test]
fn d3_an_owner_on_the_convert_queue_gets_a_callback_only_from_try_1cb() {
    let mut joint = Joint::default();
    joint.ask(0, PR, QUECVT);
    joint.ask(1, PR, QUECVT);
    joint.ask(0, EX, QUECVT); // 0 waits on the convert queue, still at PR
    let to_0 = |sent: Vec<(u8, Sent)>| sent.into_iter().filter(|m| m.0 == 0).count();
    assert_eq!(to_0(joint.clone().ask(2, EX, QUECVT)), 0);
    assert_eq!(to_0(joint.clone().ask(2, EX, TRY)), 0);
    assert_eq!(to_0(joint.clone().ask(2, EX, TRY_1CB)), 1);
}

#[test]
fn d4_a_callback_is_not_repeated_until_the_lock_is_granted_anew() {
    let mut joint = Joint::default();
    joint.ask(0, EX, QUECVT);
    assert_eq!(joint.ask(1, PR, TRY_1CB).len(), 2);
    // Not for the same mode, not for a lower one, but for a higher one.
    assert_eq!(joint.ask(1, PR, TRY_1CB), [(1, Sent::Eagain)]);
    assert_eq!(joint.ask(1, CW, TRY_1CB), [(1, Sent::Eagain)]);
    assert!(joint.ask(1, EX, TRY_1CB).contains(&(0, Sent::Bast(EX))));
    joint.ask(0, NL, QUEUE);
    joint.ask(0, EX, QUECVT);
    assert!(joint.ask(1, CW, TRY_1CB).contains(&(0, Sent::Bast(CW))));
}

#[test]
fn d4_conflicts_of_sh_and_df_are_signalled_again_and_again() {
    let mut joint = Joint::default();
    joint.ask(0, PR, QUECVT);
    for _ in 0..2 {
        assert!(joint.ask(1, CW, TRY_1CB).contains(&(0, Sent::Bast(CW))));
    }
    joint.ask(1, EX, TRY_1CB);
    assert_eq!(joint.ask(1, CW, TRY_1CB), [(1, Sent::Eagain)]);
}

#[test]
fn d4_a_refused_conversion_does_not_reset_what_was_signalled() {
    let mut joint = Joint::default();
    joint.ask(0, PR, QUECVT);
    joint.ask(1, PR, QUECVT);
    joint.ask(1, EX, TRY_1CB);
    joint.ask(0, EX, TRY);
    assert_eq!(joint.ask(1, EX, TRY_1CB), [(1, Sent::Eagain)]);
}

#[test]
fn d6_conversion_deadlock() {
    for (from, to) in [(PR, EX), (CW, PR)] {
        let mut joint = Joint::default();
        joint.ask(0, from, QUECVT);
        joint.ask(1, from, QUECVT);
        joint.ask(0, to, QUECVT);
        // A TRY is simply refused, a queueable request would wait for ever.
        assert_eq!(joint.clone().ask(1, to, TRY), [(1, Sent::Eagain)]);
        assert_eq!(joint.ask(1, to, QUECVT), [(1, Sent::Edeadlk)]);
        assert_eq!(joint.has(1), from);
        assert!(joint.ask(1, NL, QUEUE).contains(&(0, Sent::Granted)));
        assert_eq!(joint.has(0), to);
    }
}
