//! A model that packs symmetrical states alike: what may be claimed of it, and that
//! the answers are those of the same model without.

use glock_engine::{Claim, Error, Fairness, OutcomeOf, PackedModel, Search, Verdict};
use stateright::{Model, Property};

/// Two hikers, each at one of five huts: 0, 1 and 2 on the way up, 3 on the top, 4 in a
/// hole that nobody gets out of.
#[derive(Clone, Copy)]
struct Hikers {
    alike: bool,
    patient: bool,
}

const TOP: u8 = 3;
const HOLE: u8 = 4;

impl Model for Hikers {
    type State = [u8; 2];
    type Action = (usize, u8);

    fn init_states(&self) -> Vec<[u8; 2]> {
        vec![[0, 0]]
    }
    /// One goes up, or falls; who is on the top stays there.
    fn actions(&self, huts: &[u8; 2], actions: &mut Vec<(usize, u8)>) {
        for (who, &hut) in huts.iter().enumerate() {
            if hut < TOP {
                actions.push((who, hut + 1));
            }
            // Only where the other is not at the same hut to hold the rope.
            if hut == 2 && huts[1 - who] != hut {
                actions.push((who, HOLE));
            }
        }
    }
    fn next_state(&self, huts: &[u8; 2], (who, hut): (usize, u8)) -> Option<[u8; 2]> {
        let mut next = *huts;
        next[who] = hut;
        Some(next)
    }
    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("not both in the hole", |_, huts| *huts != [HOLE, HOLE]),
            Property::always(
                "nobody on the top before the other starts",
                |_, huts: &[u8; 2]| !huts.contains(&TOP) || huts.iter().all(|hut| *hut > 0),
            ),
            Property::sometimes("both on the top", |_, huts| *huts == [TOP, TOP]),
        ];
        if self.patient {
            let over = |_: &Hikers, huts: &[u8; 2]| huts.iter().all(|hut| *hut >= TOP);
            properties.push(Property::eventually("both are somewhere for good", over));
        }
        properties
    }
}

impl PackedModel for Hikers {
    type Coverage = ();
    fn words(&self) -> usize {
        1
    }
    fn pack(&self, huts: &[u8; 2], out: &mut [u64]) {
        let word = |a: u8, b: u8| u64::from(a) << 8 | u64::from(b);
        out[0] = match (self.alike, *huts) {
            (true, [a, b]) => word(a, b).min(word(b, a)),
            (false, [a, b]) => word(a, b),
        };
    }
    fn unpack(&self, words: &[u64]) -> [u8; 2] {
        [(words[0] >> 8) as u8, words[0] as u8]
    }
    fn symmetric(&self) -> bool {
        self.alike
    }
    fn is_finished(&self, huts: &[u8; 2]) -> bool {
        huts.iter().all(|hut| *hut >= TOP)
    }
}

const ALIKE: Hikers = Hikers {
    alike: true,
    patient: false,
};
const APART: Hikers = Hikers {
    alike: false,
    patient: false,
};

fn can_meet_on_the_top<'a>() -> Claim<'a, [u8; 2]> {
    Claim::can_reach("can still meet on the top", |huts| *huts == [TOP, TOP])
}

fn outcome(hikers: &Hikers) -> OutcomeOf<Hikers> {
    Search::new(hikers)
        .claim(can_meet_on_the_top())
        .run()
        .unwrap()
}

#[test]
fn verdicts_and_lengths_are_those_of_the_model_without() {
    let (alike, apart) = (outcome(&ALIKE), outcome(&APART));
    assert!(alike.stats.states < apart.stats.states);
    assert_eq!(alike.stats.depth, apart.stats.depth);
    for (one, other) in alike.properties.iter().zip(&apart.properties) {
        let kind = |v: &Verdict<_, _>| (v.is_good(), v.is_bad(), v.path().map(|p| p.len()));
        assert_eq!(kind(&one.verdict), kind(&other.verdict), "{}", one.name);
    }
}

/// 0, 1, 2, ... for one, and then the other falls; or the other way round.
#[test]
fn a_trap_is_a_real_run_and_counts_representatives() {
    let trap = |hikers: &Hikers| match outcome(hikers).verdict("can still meet on the top") {
        Some(Verdict::Trapped(trap)) => trap.clone(),
        other => panic!("{other:?}"),
    };
    let (alike, apart) = (trap(&ALIKE), trap(&APART));
    assert_eq!(alike.path.len(), 3);
    for (from, (action, to)) in alike.path.states().zip(&alike.path.steps) {
        assert_eq!(APART.next_state(from, *action), Some(*to));
    }
    // One in the hole and the other at one of 0 to 4: both in the hole is symmetrical.
    assert_eq!((alike.states, apart.states), (5, 9));
}

#[test]
fn what_will_happen_is_not_decided_by_representatives() {
    let over = |huts: &[u8; 2]| huts.iter().all(|hut| *hut >= TOP);
    let claims = || {
        [
            Claim::eventually("a", over).under(Fairness::Weak),
            Claim::eventually("a", over).under(Fairness::Strong),
            Claim::eventually("a", over),
            Claim::infinitely_often("a", over),
            Claim::leads_to("a", over, over),
        ]
    };
    for claim in claims() {
        let result = Search::new(&ALIKE)
            .claim(can_meet_on_the_top())
            .claim(claim)
            .run();
        assert_eq!(result.err(), Some(Error::Symmetric { claim: "a" }));
    }
    for claim in claims() {
        assert!(Search::new(&APART).claim(claim).run().is_ok());
    }
}

#[test]
fn an_eventually_of_the_model_is_refused_as_well() {
    let patient = |hikers| Hikers {
        patient: true,
        ..hikers
    };
    let result = Search::new(&patient(ALIKE)).run();
    let claim = "both are somewhere for good";
    assert_eq!(result.err(), Some(Error::Symmetric { claim }));
    let outcome = Search::new(&patient(APART)).run().unwrap();
    assert_eq!(outcome.verdict(claim), Some(&Verdict::Holds));
}
