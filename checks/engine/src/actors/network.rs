//! Messages under way, as a list of numbers.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use stateright::actor::{Envelope, Id, Network};

/// Which of stateright's networks it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The number of the last envelope delivered plus one, or 0; then the envelopes in their order.
    Duplicating,
    /// The envelopes in their order, each followed by how many there are.
    NonDuplicating,
    /// For each flow its source, its destination, the number of its envelopes, and these.
    Ordered,
}

/// What is known of an envelope by its number.
pub(super) trait Envelopes<M> {
    fn get(&self, number: u32) -> &Envelope<M>;

    fn number(&self, src: Id, dst: Id, msg: &M) -> u32;
}

impl Kind {
    pub(super) fn of<M: Eq + std::hash::Hash>(network: &Network<M>) -> Self {
        match network {
            Network::UnorderedDuplicating(..) => Self::Duplicating,
            Network::UnorderedNonDuplicating(_) => Self::NonDuplicating,
            Network::Ordered(_) => Self::Ordered,
        }
    }

    /// Where in the list of such a network the envelopes stand that can be delivered, in the order in
    /// which stateright sorts their deliveries.
    pub(super) fn deliverable(self, network: &[u32]) -> impl Iterator<Item = usize> {
        let mut next = match self {
            Self::Duplicating => 1,
            Self::NonDuplicating => 0,
            Self::Ordered => 3,
        };
        std::iter::from_fn(move || {
            let at = next;
            next += match self {
                Self::Duplicating => 1,
                Self::NonDuplicating => 2,
                Self::Ordered => network.get(at - 1).map_or(1, |&count| count as usize + 3),
            };
            (at < network.len()).then_some(at)
        })
    }

    /// The one at this place is delivered.
    pub(super) fn deliver(self, network: &mut Vec<u32>, at: usize) {
        match self {
            Self::Duplicating => network[0] = network[at] + 1,
            _ => self.drop(network, at),
        }
    }

    /// The one at this place is lost.
    pub(super) fn drop(self, network: &mut Vec<u32>, at: usize) {
        let gone = match self {
            Self::Duplicating => at..at + 1,
            Self::NonDuplicating => {
                network[at + 1] -= 1;
                match network[at + 1] {
                    0 => at..at + 2,
                    _ => return,
                }
            }
            Self::Ordered => {
                network[at - 1] -= 1;
                match network[at - 1] {
                    0 => at - 3..at + 1,
                    _ => at..at + 1,
                }
            }
        };
        network.drain(gone);
    }

    /// The envelope with this number is sent.
    pub(super) fn send<M: Ord>(
        self,
        network: &mut Vec<u32>,
        number: u32,
        envelopes: &impl Envelopes<M>,
    ) {
        // Which of two stands first if the model holds them for equal in order, but not for equal.
        let place = |other: u32| match other == number {
            true => Ordering::Equal,
            false => envelopes
                .get(other)
                .cmp(envelopes.get(number))
                .then(other.cmp(&number)),
        };
        match self {
            Self::Duplicating => {
                if let Err(at) = network[1..].binary_search_by(|&other| place(other)) {
                    network.insert(1 + at, number);
                }
            }
            Self::NonDuplicating => {
                let (pairs, _) = network.as_chunks::<2>();
                match pairs.binary_search_by(|&[other, _]| place(other)) {
                    Ok(at) => {
                        let count = &mut network[2 * at + 1];
                        *count = count.checked_add(1).expect("fewer than 2^32 messages");
                    }
                    Err(at) => {
                        network.splice(2 * at..2 * at, [number, 1]);
                    }
                }
            }
            Self::Ordered => {
                let Envelope { src, dst, .. } = envelopes.get(number);
                let flow = [*src, *dst].map(|id| usize::from(id) as u32);
                let mut at = 0;
                while at < network.len() && network[at..at + 2] < flow[..] {
                    at += 3 + network[at + 2] as usize;
                }
                if network[at..].starts_with(&flow) {
                    let end = at + 3 + network[at + 2] as usize;
                    network[at + 2] += 1;
                    network.insert(end, number);
                } else {
                    network.splice(at..at, [flow[0], flow[1], 1, number]);
                }
            }
        }
    }

    /// Writes down a network of this kind.
    pub(super) fn write<M: Eq + std::hash::Hash + Ord>(
        self,
        network: &Network<M>,
        envelopes: &impl Envelopes<M>,
        to: &mut Vec<u32>,
    ) {
        to.clear();
        let number =
            |envelope: &Envelope<M>| envelopes.number(envelope.src, envelope.dst, &envelope.msg);
        match network {
            Network::UnorderedDuplicating(set, last) => {
                to.push(last.as_ref().map_or(0, |last| number(last) + 1));
                for envelope in set.iter() {
                    self.send(to, number(envelope), envelopes);
                }
            }
            Network::UnorderedNonDuplicating(counts) => {
                for (envelope, &count) in counts.iter() {
                    let number = number(envelope);
                    self.send(to, number, envelopes);
                    let (pairs, _) = to.as_chunks_mut::<2>();
                    let pair = pairs.iter_mut().find(|[other, _]| *other == number);
                    let count = u32::try_from(count).expect("fewer than 2^32 messages");
                    pair.expect("it has just been sent")[1] = count;
                }
            }
            Network::Ordered(flows) => {
                for ((src, dst), messages) in flows {
                    to.extend([*src, *dst].map(|id| usize::from(id) as u32));
                    to.push(messages.len() as u32);
                    to.extend(messages.iter().map(|msg| envelopes.number(*src, *dst, msg)));
                }
            }
        }
    }

    /// Turns the network that was written down as `old` into the one that is written down as `new`.
    pub(super) fn change<M: Clone + Eq + std::hash::Hash>(
        self,
        network: &mut Network<M>,
        (old, new): (&[u32], &[u32]),
        envelopes: &impl Envelopes<M>,
    ) {
        let envelope = |number: u32| envelopes.get(number);
        match network {
            Network::UnorderedDuplicating(set, last) => {
                *last = new[0].checked_sub(1).map(|last| envelope(last).clone());
                let (old, new) = (&old[1..], &new[1..]);
                for gone in old.iter().filter(|number| !new.contains(number)) {
                    set.remove(envelope(*gone));
                }
                for came in new.iter().filter(|number| !old.contains(number)) {
                    set.insert(envelope(*came).clone());
                }
            }
            Network::UnorderedNonDuplicating(counts) => {
                let ((old, _), (new, _)) = (old.as_chunks::<2>(), new.as_chunks::<2>());
                for pair in old.iter().filter(|pair| !new.contains(pair)) {
                    counts.remove(envelope(pair[0]));
                }
                for pair in new.iter().filter(|pair| !old.contains(pair)) {
                    counts.insert(envelope(pair[0]).clone(), pair[1] as usize);
                }
            }
            Network::Ordered(flows) => {
                *flows = BTreeMap::new();
                let mut rest = new;
                while let [src, dst, count, after @ ..] = rest {
                    let (messages, after) = after.split_at(*count as usize);
                    let messages = messages.iter().map(|number| envelope(*number).msg.clone());
                    let flow = [*src, *dst].map(|id| Id::from(id as usize));
                    flows.insert(flow.into(), messages.collect());
                    rest = after;
                }
            }
        }
    }

    /// Of what the envelopes are, whatever their numbers.
    pub(super) fn hash(
        self,
        network: &[u32],
        hash_of: impl Fn(u32) -> u64,
        mix: impl Fn(u64, u64) -> u64,
    ) -> u64 {
        let sum = |one: u64, other: u64| one.wrapping_add(other);
        match self {
            Self::Duplicating => {
                let last = network[0].checked_sub(1).map_or(0, &hash_of);
                let set = network[1..].iter().map(|number| mix(hash_of(*number), 1));
                mix(last, set.fold(0, sum))
            }
            Self::NonDuplicating => {
                let (pairs, _) = network.as_chunks::<2>();
                let pairs = pairs
                    .iter()
                    .map(|[number, count]| mix(hash_of(*number), u64::from(*count)));
                pairs.fold(0, sum)
            }
            Self::Ordered => {
                let mut hash = 0;
                let mut rest = network;
                while let [src, dst, count, after @ ..] = rest {
                    let (messages, after) = after.split_at(*count as usize);
                    let flow = [src, dst, count].map(|number| u64::from(*number));
                    let messages = messages.iter().map(|number| hash_of(*number));
                    hash = flow.into_iter().chain(messages).fold(hash, &mix);
                    rest = after;
                }
                hash
            }
        }
    }
}
