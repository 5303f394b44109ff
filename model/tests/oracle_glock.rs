//! One glock of the model against a second implementation written from the rules
//! (semantics, sections 1, 2 and 4) and the kernel: in every reachable state of a
//! small queue, along random histories of a longer one, and rule by rule.

#[path = "oracle/joint.rs"]
mod joint;
#[path = "oracle/glock.rs"]
mod reference;

use std::collections::{BTreeSet, HashSet, VecDeque};

use joint::{Agreed, Joint, Kind, Op, SHARED_AND_EX, World, kind};
use proptest::prelude::*;
use reference::{Asked, Grants, M, Place, Rules, Tries, Try, Weak};

const BASE: Rules = Rules {
    grants: Grants::Before516,
    tries: Tries::Until617,
    weak: Weak::Until519,
    nolock: false,
};
const V516: Rules = Rules {
    grants: Grants::From516,
    ..BASE
};
const V60: Rules = Rules {
    weak: Weak::From60,
    ..V516
};
const V618: Rules = Rules {
    tries: Tries::From618,
    ..V516
};
/// The later TRY rule on top of the earlier grants: no kernel, but a variant.
const BASE_618: Rules = Rules {
    tries: Tries::From618,
    ..BASE
};

fn local(rules: Rules) -> Rules {
    Rules {
        nolock: true,
        ..rules
    }
}

fn any_of(mode: M) -> Kind {
    Kind {
        any: true,
        ..kind(mode, Try::No)
    }
}

/// Every request there is.
fn all_kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for mode in SHARED_AND_EX {
        for try_ in [Try::No, Try::Once, Try::OneCallback] {
            kinds.push(kind(mode, try_));
            if mode != M::EX {
                kinds.push(Kind {
                    any: true,
                    ..kind(mode, try_)
                });
            }
        }
    }
    kinds
}

/// Blocking and TRY, no ANY.
fn plain_kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for mode in SHARED_AND_EX {
        for try_ in [Try::No, Try::Once] {
            kinds.push(kind(mode, try_));
        }
    }
    kinds
}

/// All states reachable by any sequence of operations; compares in each. The
/// places of Q13 that were met go into `places`. Only weak holders make the worker overlook
/// something (2.6, W1).
fn explore(rules: Rules, world: &World, places: &mut BTreeSet<char>) -> usize {
    let mut seen = HashSet::new();
    let mut todo = VecDeque::new();
    let mut overlooked = 0;
    for state in [M::UN, M::SH, M::DF, M::EX] {
        let mut start = Joint::new(rules, state);
        assert!(seen.insert(start.canonical()));
        todo.push_back(start);
    }
    while let Some(joint) = todo.pop_front() {
        for op in joint.enabled(world) {
            let mut next = joint.clone();
            match next.step(op) {
                Ok(Agreed { bug: true, .. }) => {}
                Ok(agreed) => {
                    places.extend(agreed.places);
                    if next.overlooks() {
                        assert!(world.weak, "after {op:?}: {next:?}");
                        overlooked += 1;
                    }
                    if seen.insert(next.canonical()) {
                        todo.push_back(next);
                    }
                }
                Err(how) => panic!("{how}"),
            }
        }
    }
    assert_eq!(overlooked > 0, world.weak);
    seen.len()
}

fn explore_all(rules: Rules, expected_places: &str) {
    let mut two = World {
        tasks: 2,
        kinds: all_kinds(),
        again: false,
        weak: false,
        both_syncs: true,
    };
    two.kinds
        .retain(|kind| !(kind.any && kind.try_ == Try::OneCallback)); // left to chance
    if rules == BASE_618 {
        two.kinds.retain(|kind| !kind.any); // has its own test
    }
    let three = World {
        tasks: 3,
        kinds: plain_kinds(),
        again: false,
        weak: false,
        both_syncs: false,
    };
    let mut places = BTreeSet::new();
    for rules in [rules, local(rules)] {
        for world in [&two, &three] {
            let states = explore(rules, world, &mut places);
            println!("{rules:?}, {} tasks: {states} states", world.tasks);
        }
    }
    assert_eq!(places.into_iter().collect::<String>(), expected_places);
}

#[test]
fn every_state_agrees_before_v5_16() {
    explore_all(BASE, "abcdef");
}
#[test]
fn every_state_agrees_from_v5_16() {
    explore_all(V516, "abcdef");
}
/// Nobody is left to fail at Q13d: a TRY is never queued behind a blocked request
/// that is not.
#[test]
fn every_state_agrees_from_v6_18() {
    explore_all(V618, "cfq");
}
#[test]
fn every_state_agrees_with_the_later_try_rule_alone() {
    explore_all(BASE_618, "cfq");
}

/// Weak holders, taken away or not, and their tasks asking again (W1 to W5).
fn explore_weak(rules: Rules) {
    let world = World {
        tasks: 2,
        kinds: plain_kinds(),
        again: false,
        weak: true,
        both_syncs: false,
    };
    let blocking = World {
        tasks: 3,
        kinds: SHARED_AND_EX.map(|mode| kind(mode, Try::No)).to_vec(),
        ..world.clone()
    };
    for rules in [rules, local(rules)] {
        for world in [&world, &blocking] {
            let states = explore(rules, world, &mut BTreeSet::new());
            println!(
                "{rules:?}, {} tasks with weak holders: {states} states",
                world.tasks
            );
        }
    }
}

#[test]
fn w_every_state_with_weak_holders_agrees_from_v5_16() {
    explore_weak(V516);
}
#[test]
fn w_every_state_with_weak_holders_agrees_from_v6_0() {
    explore_weak(V60);
}

/// In every state, a holder that asks again ends in the trap or, if its TRY fails
/// first, does not.
fn explore_recursion(rules: Rules) {
    let world = World {
        tasks: 2,
        kinds: plain_kinds(),
        again: true,
        weak: false,
        both_syncs: false,
    };
    for rules in [rules, local(rules)] {
        let states = explore(rules, &world, &mut BTreeSet::new());
        println!("{rules:?}, asking again: {states} states");
    }
}

#[test]
fn q4_the_trap_agrees_in_every_state_before_v5_16() {
    explore_recursion(BASE);
}
#[test]
fn q4_the_trap_agrees_in_every_state_from_v5_16() {
    explore_recursion(V516);
}
#[test]
fn q4_the_trap_agrees_in_every_state_from_v6_18() {
    explore_recursion(V618);
}

/// ANY under the later TRY rule and the earlier grants: what `may_grant` says
/// decides (Q6b), and that lets ANY join (G4).
#[test]
fn q6b_with_the_earlier_grants_a_try_request_that_any_lets_in_is_queued() {
    let world = World {
        tasks: 2,
        kinds: all_kinds(),
        again: false,
        weak: false,
        both_syncs: false,
    };
    explore(BASE_618, &world, &mut BTreeSet::new());
}

/// Histories of four tasks with every request there is. Each choice is a kind of
/// operation and an index into the enabled ones.
fn random_history(rules: Rules, start: M, choices: &[(u8, u8)]) -> Result<(), String> {
    let weak = rules.weak == Weak::From60;
    let world = World {
        tasks: if weak { 3 } else { 4 },
        kinds: all_kinds(),
        again: false,
        weak,
        both_syncs: true,
    };
    let mut joint = Joint::new(rules, start);
    for &(class, index) in choices {
        let ops = joint.enabled(&world);
        let of_class: Vec<Op> = ops
            .iter()
            .copied()
            .filter(|op| match op {
                Op::Nq { .. } => (0..6).contains(&class),
                Op::Dq { .. } | Op::MayDemote { .. } => (6..8).contains(&class),
                Op::Callback { .. } => class == 8,
                Op::HoldExpires | Op::Shrink => class == 9,
                Op::Work { .. } => (10..13).contains(&class),
                _ => class >= 13,
            })
            .collect();
        if of_class.is_empty() {
            continue;
        }
        joint.step(of_class[index as usize % of_class.len()])?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn random_histories_of_four_tasks_agree(
        rules in prop::sample::select(vec![BASE, V516, V60, V618]),
        nolock: bool,
        start in prop::sample::select(vec![M::UN, M::SH, M::DF, M::EX]),
        choices in prop::collection::vec((0u8..17, any::<u8>()), 1..150),
    ) {
        let rules = if nolock { local(rules) } else { rules };
        random_history(rules, start, &choices).map_err(TestCaseError::fail)?;
    }
}

/// A history written down, agreed by both.
struct Story {
    joint: Joint,
}

impl Story {
    fn new(rules: Rules, state: M) -> Story {
        Story {
            joint: Joint::new(rules, state),
        }
    }
    fn step(&mut self, op: Op) -> Agreed {
        self.joint.step(op).unwrap_or_else(|how| panic!("{how}"))
    }
    fn nq(&mut self, task: u8, kind: Kind) -> Agreed {
        self.step(Op::Nq {
            task,
            kind,
            sync: true,
        })
    }
    fn blocking(&mut self, task: u8, mode: M) -> Agreed {
        self.nq(task, kind(mode, Try::No))
    }
    fn trying(&mut self, task: u8, mode: M) -> Agreed {
        self.nq(task, kind(mode, Try::Once))
    }
    fn dq(&mut self, task: u8) {
        self.step(Op::Dq { task, weak: false });
    }
    fn allow(&mut self, task: u8) {
        self.step(Op::MayDemote { task, may: true });
    }
    fn callback(&mut self, mode: M) {
        self.step(Op::Callback { mode, hold: false });
    }
    fn work(&mut self) -> Agreed {
        self.step(Op::Work { sync: true })
    }
    fn answer(&mut self, granted: bool) {
        self.step(Op::Answer { granted });
    }
    /// Carries an xmote on until the lock space has been asked.
    fn ask(&mut self) -> Asked {
        loop {
            let op = match self.place() {
                Some(Place::BeforeSync) => Op::Synced,
                Some(Place::BeforeInval) => Op::Invalidated,
                other => panic!("no xmote to carry on: {other:?}"),
            };
            if let Some(asked) = self.step(op).asked {
                return asked;
            }
        }
    }
    /// As [`Story::ask`], and the lock space answers.
    fn xmote(&mut self, granted: bool) -> Agreed {
        self.ask();
        self.answer(granted);
        self.work()
    }
    fn place(&self) -> Option<Place> {
        let gl = &self.joint.reference;
        gl.xmote.as_ref().map(|xmote| xmote.place)
    }
    fn state(&self) -> M {
        self.joint.reference.gl_state
    }
    /// Task and "granted", in queue order.
    fn queue(&self) -> Vec<(u8, bool)> {
        let entries = self.joint.model.queue.as_slice();
        entries.iter().map(|h| (h.task, h.granted)).collect()
    }
}

#[test]
fn g3_under_ex_a_shared_request_is_granted_without_an_xmote() {
    for mode in [M::SH, M::DF] {
        let mut story = Story::new(BASE, M::EX);
        story.blocking(0, mode);
        assert_eq!(story.queue(), [(0, true)]);
        assert_eq!((story.state(), story.place()), (M::EX, None));
    }
}

#[test]
fn g4_any_joins_a_deferred_holder_before_v5_16_and_waits_from_then_on() {
    for (rules, joins) in [(BASE, true), (V516, false)] {
        let mut story = Story::new(rules, M::DF);
        story.blocking(0, M::DF);
        story.nq(1, any_of(M::SH));
        assert_eq!(story.queue(), [(0, true), (1, joins)]);
        assert_eq!(story.state(), M::DF);
    }
}

#[test]
fn q6a_a_try_request_fails_during_an_invalidation_even_if_the_queue_is_empty() {
    for (rules, fails) in [(BASE, true), (V516, true), (V618, false)] {
        let mut story = Story::new(rules, M::EX);
        story.callback(M::UN);
        story.work();
        assert_eq!(story.place(), Some(Place::BeforeSync));
        assert_eq!(story.trying(0, M::EX).failed.is_empty(), !fails);
        story.ask();
        // Not while the lock space is asked.
        assert!(story.trying(1, M::EX).failed.is_empty());
    }
}

#[test]
fn q6b_a_try_request_behind_a_blocking_waiter_fails() {
    let mut story = Story::new(V618, M::SH);
    story.blocking(0, M::SH);
    story.blocking(1, M::EX);
    assert_eq!(story.trying(2, M::SH).failed, [2]);
}

#[test]
fn q7a_a_compatible_request_waits_while_a_demote_is_pending() {
    let mut story = Story::new(BASE, M::SH);
    story.blocking(0, M::SH);
    story.callback(M::UN);
    story.blocking(1, M::SH);
    story.work();
    assert_eq!(story.queue(), [(0, true), (1, false)]);
    story.dq(0);
    story.work();
    story.xmote(true);
    assert_eq!((story.state(), story.queue()), (M::UN, vec![(1, false)]));
}

#[test]
fn q7a_a_demote_after_the_hold_time_does_not_stop_promotion() {
    let mut story = Story::new(BASE, M::SH);
    story.blocking(0, M::SH);
    story.step(Op::Callback {
        mode: M::UN,
        hold: true,
    });
    story.blocking(1, M::SH);
    assert_eq!(story.queue(), [(0, true), (1, true)]);
    story.step(Op::HoldExpires);
    story.blocking(2, M::SH);
    assert_eq!(story.queue(), [(0, true), (1, true), (2, false)]);
}

#[test]
fn q8_strict_fifo() {
    let mut story = Story::new(BASE, M::SH);
    story.blocking(0, M::SH);
    story.blocking(1, M::EX);
    story.blocking(2, M::SH);
    assert_eq!(story.queue(), [(0, true), (1, false), (2, false)]);
    story.dq(0);
    story.work();
    story.xmote(true);
    assert_eq!(story.queue(), [(1, true), (2, false)]);
    story.dq(1);
    story.work();
    // EX is kept: SH is granted under it.
    assert_eq!((story.state(), story.queue()), (M::EX, vec![(2, true)]));
}

#[test]
fn q11_blocking_requests_queue_behind_conversions_try_requests_do_not() {
    for (try_, noqueue, noqueuebast, quecvt) in [
        (Try::No, false, false, true),
        (Try::Once, true, false, false),
        (Try::OneCallback, true, true, false),
    ] {
        let mut story = Story::new(BASE, M::SH);
        story.nq(0, kind(M::EX, try_));
        assert_eq!(
            story.ask(),
            Asked {
                mode: M::EX,
                noqueue,
                noqueuebast,
                quecvt
            }
        );
    }
}

#[test]
fn q12_a_conversion_deadlock_is_resolved_by_way_of_un() {
    let mut story = Story::new(BASE, M::SH);
    story.blocking(0, M::EX);
    story.xmote(false);
    assert_eq!(story.ask().mode, M::UN);
    story.answer(true);
    story.work();
    assert_eq!(story.ask().mode, M::EX);
    story.answer(true);
    story.work();
    assert_eq!((story.state(), story.queue()), (M::EX, vec![(0, true)]));
}

#[test]
fn q12_a_refused_try_for_nobody_becomes_a_blocking_request() {
    let mut story = Story::new(BASE, M::SH);
    assert_eq!(story.trying(0, M::DF).failed, [0]);
    let first = story.ask();
    assert!(first.noqueue);
    story.answer(false);
    story.work();
    assert_eq!(story.ask().mode, M::UN);
    story.answer(true);
    story.work();
    let again = story.ask();
    assert!(again.mode == M::DF && !again.noqueue);
}

#[test]
fn q12_a_demote_to_un_overtakes_a_demote_to_sh() {
    let mut story = Story::new(BASE, M::EX);
    story.callback(M::SH);
    story.work();
    story.ask();
    story.callback(M::DF);
    story.answer(true);
    story.work();
    assert_eq!(story.state(), M::SH);
    story.xmote(true);
    assert_eq!(story.state(), M::UN);
}

#[test]
fn q13b_a_second_request_fails_while_the_first_is_being_promoted() {
    let mut story = Story::new(BASE, M::UN);
    story.blocking(0, M::SH);
    assert_eq!(story.trying(1, M::SH).failed, [1]);
    // But not behind another TRY.
    let mut story = Story::new(BASE, M::UN);
    story.trying(0, M::SH);
    assert!(story.trying(1, M::SH).failed.is_empty());
}

#[test]
fn q13c_a_waiter_that_cannot_join_fails_all_try_waiters() {
    let mut story = Story::new(BASE, M::SH);
    story.blocking(0, M::SH);
    assert_eq!(story.trying(1, M::EX).failed, [1]);
    story.blocking(2, M::EX);
    // Also one that could join, were it not for those in front of it.
    assert_eq!(story.trying(3, M::SH).failed, [3]);
    assert_eq!(story.queue(), [(0, true), (2, false)]);
}

#[test]
fn q13c_a_waiter_that_cannot_join_fails_try_waiters_that_slept() {
    let mut story = Story::new(BASE, M::EX);
    story.blocking(0, M::SH);
    story.callback(M::SH); // from here on nothing is promoted
    story.blocking(1, M::SH);
    story.blocking(2, M::EX);
    story.trying(3, M::SH);
    story.dq(0);
    story.work();
    // After the demote task 1 is granted and task 2 is in the way of task 3.
    assert_eq!(story.xmote(true).failed, [3]);
    assert_eq!(story.queue(), [(1, true), (2, false)]);
}

#[test]
fn q13d_a_blocked_head_fails_the_try_waiters_behind_it() {
    let mut story = Story::new(BASE, M::EX);
    story.blocking(0, M::SH);
    story.callback(M::SH);
    story.blocking(1, M::EX);
    story.trying(2, M::EX);
    story.dq(0);
    story.work();
    story.xmote(true);
    assert_eq!(
        (story.state(), story.queue()),
        (M::SH, vec![(1, false), (2, false)])
    );
    assert_eq!(story.work().failed, [2]);
    assert_eq!(story.queue(), [(1, false)]);
}

#[test]
fn q13e_a_try_for_df_fails_itself_and_the_xmote_goes_on() {
    for (rules, fails) in [(BASE, true), (V516, true), (V618, false)] {
        let mut story = Story::new(rules, M::SH);
        assert_eq!(story.trying(0, M::DF).failed.is_empty(), !fails);
        story.xmote(true);
        assert_eq!(story.state(), M::DF);
        assert_eq!(story.queue().is_empty(), fails);
    }
}

#[test]
fn q13f_a_refusal_fails_all_try_waiters() {
    let mut story = Story::new(BASE, M::UN);
    story.trying(0, M::SH);
    story.trying(1, M::SH);
    assert_eq!(story.xmote(false).failed, [0, 1]);
    assert_eq!((story.state(), story.place()), (M::UN, None));
}

#[test]
fn q14_a_try_request_sleeps_behind_a_demote_pending_holder() {
    // Next to an incompatible holder up to v6.17, next to a compatible one always.
    for (rules, mode, sleeps) in [
        (BASE, M::EX, true),
        (BASE, M::SH, true),
        (V516, M::EX, true),
        (V618, M::EX, false),
        (V618, M::SH, true),
    ] {
        let mut story = Story::new(rules, M::SH);
        story.blocking(0, M::SH);
        story.callback(M::UN);
        let failed = story.trying(1, mode).failed;
        assert_eq!(failed.is_empty(), sleeps, "{rules:?} {mode:?}");
        story.work();
        if sleeps {
            assert_eq!(story.queue(), [(0, true), (1, false)]);
        }
        story.dq(0);
        let killed = story.work().failed;
        assert_eq!(killed.contains(&1), sleeps && rules != V618);
    }
}

#[test]
fn q17_an_unlocked_glock_keeps_its_mode() {
    let mut story = Story::new(BASE, M::UN);
    story.blocking(0, M::EX);
    story.xmote(true);
    story.dq(0);
    story.work();
    assert_eq!((story.state(), story.place()), (M::EX, None));
}

#[test]
fn q18_a_holder_that_comes_back_goes_to_the_tail() {
    let mut story = Story::new(BASE, M::EX);
    story.blocking(0, M::EX);
    story.blocking(1, M::EX);
    story.dq(0);
    story.blocking(0, M::EX);
    assert_eq!(story.queue(), [(1, true), (0, false)]);
}

/// The TRY test comes before the search for the task's own entry.
#[test]
fn q4_from_v6_18_a_holder_whose_try_fails_is_not_trapped() {
    let mut story = Story::new(V618, M::SH);
    story.blocking(0, M::SH);
    let agreed = story.trying(0, M::EX);
    assert!(!agreed.bug);
    assert_eq!(agreed.failed, [0]);
    // One that would be queued is trapped.
    assert!(story.trying(0, M::SH).bug);
}

#[test]
fn q4_a_holder_that_asks_again_is_trapped() {
    for rules in [BASE, V516] {
        for kind in all_kinds() {
            let mut story = Story::new(rules, M::SH);
            story.blocking(0, M::SH);
            assert!(story.nq(0, kind).bug);
        }
    }
}

#[test]
fn w2_a_callback_takes_weak_holders_away_unless_there_is_a_strong_one() {
    for (strong, left) in [(false, vec![]), (true, vec![(0, true), (1, true)])] {
        let mut story = Story::new(V516, M::SH);
        story.blocking(0, M::SH);
        story.blocking(1, M::SH);
        story.allow(0);
        if !strong {
            story.allow(1);
        }
        story.callback(M::UN);
        assert_eq!(story.queue(), left);
    }
    // Those that go with what is asked for stay.
    let mut story = Story::new(V516, M::SH);
    story.blocking(0, M::SH);
    story.allow(0);
    story.callback(M::SH);
    assert_eq!(story.queue(), [(0, true)]);
}

#[test]
fn w2_a_holder_that_becomes_weak_after_the_callback_keeps_the_glock() {
    for rules in [V516, V60] {
        let mut story = Story::new(rules, M::EX);
        story.blocking(0, M::EX);
        story.callback(M::UN);
        story.allow(0);
        story.work();
        // Its own request sleeps behind it, too.
        story.blocking(0, M::SH);
        story.work();
        assert_eq!(story.queue(), [(0, true), (0, false)]);
        assert_eq!((story.state(), story.place()), (M::EX, None));
    }
}

#[test]
fn w1_who_waits_is_overlooked_when_a_holder_becomes_weak() {
    for rules in [V516, V60] {
        let mut story = Story::new(rules, M::EX);
        story.blocking(0, M::DF);
        story.blocking(1, M::SH);
        story.allow(0);
        story.work();
        assert_eq!(story.queue(), [(0, true), (1, false)]);
        // Until somebody else asks.
        story.blocking(2, M::SH);
        let expected = match rules.weak {
            Weak::Until519 => vec![(0, true), (1, true), (2, true)],
            Weak::From60 => vec![(1, true), (2, true)],
        };
        assert_eq!(story.queue(), expected, "{rules:?}");
    }
}

#[test]
fn w3_under_df_a_weak_holder_keeps_sh_away_for_good() {
    for rules in [V516, V60] {
        let mut story = Story::new(rules, M::DF);
        story.blocking(0, M::DF);
        story.allow(0);
        story.blocking(1, M::SH);
        story.work();
        assert_eq!(story.queue(), [(0, true), (1, false)]);
        assert_eq!((story.state(), story.place()), (M::DF, None));
    }
}

#[test]
fn w4_under_ex_a_request_is_granted_beside_a_weak_holder_until_v6_0() {
    for (rules, mode) in [(V516, M::EX), (V516, M::DF), (V60, M::EX), (V60, M::DF)] {
        let mut story = Story::new(rules, M::EX);
        story.blocking(0, mode);
        story.allow(0);
        story.blocking(1, M::SH);
        let expected = match rules.weak {
            Weak::Until519 => vec![(0, true), (1, true)],
            Weak::From60 => vec![(1, true)],
        };
        assert_eq!(story.queue(), expected, "{rules:?} {mode:?}");
    }
}

#[test]
fn w5_with_a_demote_due_the_last_strong_holder_takes_the_weak_ones_with_it() {
    for (demote, left) in [(true, vec![]), (false, vec![(0, true)])] {
        let mut story = Story::new(V516, M::SH);
        story.blocking(0, M::SH);
        story.blocking(1, M::SH);
        story.allow(0);
        if demote {
            story.callback(M::UN);
        }
        story.dq(1);
        assert_eq!(story.queue(), left);
    }
}

#[test]
fn q4_a_task_may_ask_again_next_to_its_own_weak_holder() {
    let mut story = Story::new(V516, M::SH);
    story.blocking(0, M::SH);
    story.allow(0);
    assert!(!story.blocking(0, M::SH).bug);
    assert_eq!(story.queue(), [(0, true), (0, true)]);
    assert!(story.blocking(0, M::SH).bug, "now it has a strong one");
}

#[test]
fn r1_two_callbacks_for_different_modes_make_one_for_un() {
    let mut story = Story::new(BASE, M::EX);
    story.callback(M::SH);
    story.callback(M::DF);
    assert_eq!(story.joint.reference.gl_demote_state, M::UN);
    story.work();
    assert_eq!(story.ask().mode, M::UN);
}

#[test]
fn r1_an_empty_queue_has_no_hold_time() {
    let mut story = Story::new(BASE, M::SH);
    story.step(Op::Callback {
        mode: M::UN,
        hold: true,
    });
    assert!(story.joint.reference.glf_demote);
    assert!(!story.joint.reference.glf_pending_demote);
}
