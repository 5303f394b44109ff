//! Mutations of recordings: what the kernel's rules forbid has to be rejected.

use super::*;
use glock::conform::host::Host;
use glock::conform::observe::{By, Observation, Value, What};
use glock::conform::verdict::Follower;
use glock_engine::Exact;
use glock_model::mode::Mode;
use std::fmt::Write;
use std::mem::discriminant;

/// States that are kept from one mutation of a recording to the next.
const KEPT: usize = 150_000;

/// What is done to a recording, and why it may fit all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Dropped,
    /// Two neighbours of one process, or of one change of mode.
    Swapped,
    /// Two neighbours at the glock of one file, of two contexts.
    SwappedAtGlock,
    /// Two events of the same kind, of the glock of one file, on two nodes.
    Exchanged,
    Mode,
    ResultChanged,
    // From here on the rules do not forbid it.
    /// Nothing more of its process, or of its file, is observed on its node.
    DroppedLast,
    /// The first change of a file's mode: it may have begun in the new one.
    DroppedFirstState,
    SwappedIndependent,
    /// VM_FAULT_RETRY or not: the page may have been there, or have come while it was waited for.
    RetryChanged,
}

impl Class {
    /// Whether the kernel's rules forbid it.
    fn is_forbidden(self) -> bool {
        self < Class::DroppedLast
    }
}

/// A mutation of the log of `node` at an observation, and the logs it makes.
struct Mutation {
    class: Class,
    node: usize,
    at: usize,
    logs: Vec<Vec<Observation>>,
}

fn other_mode(mode: Mode) -> Mode {
    match mode {
        Mode::Sh => Mode::Df,
        Mode::Df => Mode::Ex,
        Mode::Ex | Mode::Un => Mode::Sh,
    }
}

fn other_value(value: Value) -> Option<Value> {
    match value {
        Value::Bytes(bytes) if bytes >= 8192 => Some(Value::Bytes(bytes - 4096)),
        Value::Bytes(_) => Some(Value::Error(-14)),
        Value::Error(_) => Some(Value::Bytes(4096)),
        Value::Done => None,
    }
}

fn with_other_mode(what: What) -> Option<What> {
    Some(match what {
        What::Queue {
            proc,
            file,
            mode,
            by: by @ By::Design,
        } => What::Queue {
            proc,
            file,
            mode: other_mode(mode),
            by,
        },
        What::Promote { file, mode } => What::Promote {
            file,
            mode: other_mode(mode),
        },
        What::Dequeue {
            proc,
            file,
            mode,
            by: by @ By::Design,
        } => What::Dequeue {
            proc,
            file,
            mode: other_mode(mode),
            by,
        },
        What::State { file, from, to } => What::State {
            file,
            from,
            to: other_mode(to),
        },
        What::Demote { file, from, to } => What::Demote {
            file,
            from,
            to: other_mode(to),
        },
        What::Request { file, mode } => What::Request {
            file,
            mode: other_mode(mode),
        },
        What::Callback { file, mode } => What::Callback {
            file,
            mode: other_mode(mode),
        },
        _ => return None,
    })
}

fn with_other_result(what: What) -> Option<What> {
    Some(match what {
        What::Return { proc, value } => What::Return {
            proc,
            value: other_value(value)?,
        },
        What::Transfer { proc, value } => What::Transfer {
            proc,
            value: other_value(value)?,
        },
        What::FaultDone { proc, code } => What::FaultDone {
            proc,
            code: if code == 0x200 { 0x2 } else { 0x200 },
        },
        What::MkwriteDone { proc, code } => What::MkwriteDone {
            proc,
            code: if code == 0x200 { 0x2 } else { 0x200 },
        },
        What::FaultIn { proc, left } => What::FaultIn {
            proc,
            left: if left == 0 { 4096 } else { 0 },
        },
        What::Answer { file, granted } => What::Answer {
            file,
            granted: !granted,
        },
        _ => return None,
    })
}

/// What the order of two neighbours is. With the same time stamp it is not known.
fn swapped(one: What, two: What, tied: bool) -> Class {
    let same_file = one.file().is_some() && one.file() == two.file();
    // A change of mode is one run of code up to its request, and from its answer on; what the lock
    // space says comes in its order.
    let change = |what| {
        matches!(
            what,
            What::GoSync { .. } | What::GoInval { .. } | What::Request { .. } | What::State { .. }
        )
    };
    let said = |what| matches!(what, What::Callback { .. } | What::Demote { .. });
    let answer = |what| matches!(what, What::Answer { .. });
    let in_one =
        |kind: &dyn Fn(What) -> bool| (kind(one) || answer(one)) && (kind(two) || answer(two));
    if one.proc().is_some() && one.proc() == two.proc() {
        Class::Swapped
    } else if tied {
        Class::SwappedIndependent
    } else if same_file && (in_one(&change) || in_one(&said)) {
        Class::Swapped
    } else if one.glock().is_some() && one.glock() == two.glock() {
        Class::SwappedAtGlock
    } else {
        Class::SwappedIndependent
    }
}

/// All mutations of a recording, of which `take` chooses.
fn mutations(logs: &[Vec<Observation>], mut take: impl FnMut() -> bool) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (node, log) in logs.iter().enumerate() {
        let mut add = |class, at, change: &dyn Fn(&mut Vec<Vec<Observation>>)| {
            if take() {
                let mut logs = logs.to_vec();
                change(&mut logs);
                all.push(Mutation {
                    class,
                    node,
                    at,
                    logs,
                });
            }
        };
        for at in 0..log.len() {
            let what = log[at].what;
            let first_state = match what {
                What::State { file, .. } => !log[..at]
                    .iter()
                    .any(|seen| matches!(seen.what, What::State { file: f, .. } if f == file)),
                _ => false,
            };
            let is_last = !log[at + 1..].iter().any(|seen| match what.proc() {
                Some(proc) => seen.what.proc() == Some(proc),
                None => seen.what.file() == what.file(),
            });
            let class = match (is_last, first_state) {
                (true, _) => Class::DroppedLast,
                (false, true) => Class::DroppedFirstState,
                (false, false) => Class::Dropped,
            };
            add(class, at, &|logs| {
                logs[node].remove(at);
            });
            if let Some(next) = log.get(at + 1)
                && next.what != what
            {
                add(
                    swapped(what, next.what, log[at].time == next.time),
                    at,
                    &|logs| logs[node].swap(at, at + 1),
                );
            }
            if let Some(other) = with_other_mode(what) {
                add(Class::Mode, at, &|logs| logs[node][at].what = other);
            }
            if let Some(other) = with_other_result(what) {
                let class = match what {
                    What::FaultDone { code: 0x400, .. } => Class::RetryChanged,
                    _ => Class::ResultChanged,
                };
                add(class, at, &|logs| logs[node][at].what = other);
            }
            // The next log has another event of this kind, about as far on.
            if let Some(theirs) = logs.get(node + 1)
                && let Some(file) = what.file()
                && what.proc().is_none()
            {
                let other = theirs.iter().position(|seen| {
                    discriminant(&seen.what) == discriminant(&what)
                        && seen.what.file() == Some(file)
                        && seen.what != what
                });
                if let Some(other) = other {
                    add(Class::Exchanged, at, &|logs| {
                        logs[node][at].what = theirs[other].what;
                        logs[node + 1][other].what = what;
                    });
                }
            }
        }
    }
    all
}

/// The numbers of SplitMix64, of which one in `of` is taken.
fn one_in(of: u64, seed: u64) -> impl FnMut() -> bool {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).is_multiple_of(of)
    }
}

/// Makes one in `of` of the mutations of recordings; if `few`, fewer of long ones, which repeat
/// themselves.
fn mutate(all: &[Recorded], of: u64, few: bool) {
    let programs: BTreeMap<&str, Program> =
        all.iter().map(|r| (r.design, program(r.design))).collect();
    let results = on_two_threads(all, |recorded| {
        let length: usize = recorded.recording.logs.iter().map(Vec::len).sum();
        let of = match few {
            true => of * (1 + length as u64 / 40),
            false => of,
        };
        let seed = recorded.name.bytes().map(u64::from).sum();
        let setup = recorded.setup(&programs[recorded.design]).unwrap();
        let host = Exact::new(Host::new(&recorded.recording, setup));
        let mut follower = Follower::new(&host, FRONTIER, KEPT).unwrap();
        let mut results = Vec::new();
        for mutation in mutations(&recorded.recording.logs, one_in(of, seed)) {
            let verdict = follower.judge(mutation.logs);
            let at = recorded.recording.logs[mutation.node][mutation.at];
            let class = mutation.class;
            let log = &recorded.recording.logs[mutation.node];
            let what = format!(
                "{class:?} {} node {} line {}: {:?}, {:?}",
                recorded.name,
                mutation.node,
                at.line,
                at.what,
                log.get(mutation.at + 1).map(|next| next.what)
            );
            results.push((class, verdict, what));
        }
        results
    });
    let mut counts: BTreeMap<Class, [usize; 3]> = BTreeMap::new();
    let mut survivors = String::new();
    for (class, verdict, what) in results.into_iter().flatten() {
        let count = counts.entry(class).or_default();
        match verdict {
            Verdict::Rejected | Verdict::RejectedAtEnd => count[0] += 1,
            Verdict::Accepted | Verdict::Incomplete => count[1] += 1,
            Verdict::Unknown(_) => count[2] += 1,
        }
        if class.is_forbidden() && !matches!(verdict, Verdict::Rejected | Verdict::RejectedAtEnd) {
            let _ = writeln!(survivors, "{what}: {verdict:?}");
        }
    }
    let mut table = String::new();
    let mut forbidden = [0; 3];
    for (class, count) in counts {
        let [rejected, accepted, unknown] = count;
        let _ = writeln!(
            table,
            "{:20} {rejected:5} rejected {accepted:4} accepted {unknown:3} unknown",
            format!("{class:?}")
        );
        if class.is_forbidden() {
            forbidden
                .iter_mut()
                .zip(count)
                .for_each(|(all, n)| *all += n);
        }
    }
    let all: usize = forbidden.iter().sum();
    let rejected = forbidden[0];
    let _ = writeln!(table, "forbidden: {rejected} of {all} rejected");
    println!("{table}{survivors}");
    assert!(all > 0 && rejected * 100 >= all * 95, "{table}{survivors}");
}

#[test]
fn what_the_rules_forbid_is_rejected() {
    mutate(&recorded(&SINGLE), 10, true);
}

#[test]
fn what_the_rules_forbid_is_rejected_on_two_nodes() {
    let mut all = recorded(&CLUSTER);
    all.retain(|recorded| !takes_long(recorded));
    mutate(&all, 40, true);
}

#[test]
#[ignore = "takes 60 seconds"]
fn what_the_rules_forbid_is_rejected_everywhere() {
    mutate(&recorded(&SINGLE), 1, false);
}

#[test]
#[ignore = "takes 250 seconds"]
fn what_the_rules_forbid_is_rejected_on_two_nodes_in_a_larger_sample() {
    mutate(&recorded(&CLUSTER), 25, false);
}

#[test]
#[ignore = "takes 5000 seconds"]
fn what_the_rules_forbid_is_rejected_on_two_nodes_everywhere() {
    mutate(&recorded(&CLUSTER), 1, false);
}
