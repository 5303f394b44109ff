//! Abstract two-phase commit, after the example `2pc` of stateright, which is after Gray and
//! Lamport, "Consensus on Transaction Commit" (2006). Packed into one word.

use glock_engine::PackedModel;
use stateright::{Model, Property};

/// Resource managers, at most 12.
#[derive(Clone, Copy, Debug)]
pub struct TwoPhaseCommit(pub u32);

/// For each resource manager one bit in each of four fields of 12 bits; then the transaction
/// manager's state and the two messages that are sent to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State(u64);

/// "I am prepared" was sent.
const SENT: u32 = 0;
/// "I am prepared" was received by the transaction manager.
const RECEIVED: u32 = 12;
/// The two bits of a resource manager's state.
const LOW: u32 = 24;
const HIGH: u32 = 36;
const TM_DONE: u64 = 1 << 48;
const COMMIT: u64 = 1 << 49;
const ABORT: u64 = 1 << 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    TmCommit,
    TmAbort,
    TmRcvPrepared(u32),
    RmPrepare(u32),
    RmChooseToAbort(u32),
    RmRcvCommitMsg(u32),
    RmRcvAbortMsg(u32),
}

impl Action {
    /// Whose step it is: 0 for the transaction manager, 1 and up for the resource managers.
    pub fn process(&self) -> usize {
        match *self {
            Self::TmCommit | Self::TmAbort | Self::TmRcvPrepared(_) => 0,
            Self::RmPrepare(rm)
            | Self::RmChooseToAbort(rm)
            | Self::RmRcvCommitMsg(rm)
            | Self::RmRcvAbortMsg(rm) => 1 + rm as usize,
        }
    }
}

impl State {
    /// What an action that is enabled makes of it.
    #[inline(always)]
    fn after(self, action: Action) -> State {
        let State(bits) = self;
        let high = |rm: u32| 1 << (HIGH + rm);
        let low = |rm: u32| 1 << (LOW + rm);
        State(match action {
            Action::TmCommit => bits | TM_DONE | COMMIT,
            Action::TmAbort => bits | TM_DONE | ABORT,
            Action::TmRcvPrepared(rm) => bits | 1 << (RECEIVED + rm),
            Action::RmPrepare(rm) => bits | low(rm) | 1 << (SENT + rm),
            Action::RmRcvCommitMsg(rm) => (bits | high(rm)) & !low(rm),
            Action::RmChooseToAbort(rm) | Action::RmRcvAbortMsg(rm) => bits | high(rm) | low(rm),
        })
    }
}

impl TwoPhaseCommit {
    fn everyone(&self) -> u64 {
        (1 << self.0) - 1
    }

    /// The resource managers in the state with these two bits: working 0 0, prepared 0 1,
    /// committed 1 0, aborted 1 1.
    fn in_state(&self, state: State, high: u64, low: u64) -> u64 {
        let all = self.everyone();
        (state.0 >> HIGH ^ high.wrapping_sub(1)) & (state.0 >> LOW ^ low.wrapping_sub(1)) & all
    }

    #[inline(always)]
    fn step(&self, state: State, mut visit: impl FnMut(Action, State)) {
        let State(bits) = state;
        let all = self.everyone();
        let init = bits & TM_DONE == 0;
        let mut enabled = |action| visit(action, state.after(action));
        if init && bits >> RECEIVED & all == all {
            enabled(Action::TmCommit);
        }
        if init {
            enabled(Action::TmAbort);
        }
        for rm in 0..self.0 {
            if init && bits >> (SENT + rm) & 1 == 1 {
                enabled(Action::TmRcvPrepared(rm));
            }
            if bits & (1 << (HIGH + rm) | 1 << (LOW + rm)) == 0 {
                enabled(Action::RmPrepare(rm));
                enabled(Action::RmChooseToAbort(rm));
            }
            if bits & COMMIT != 0 {
                enabled(Action::RmRcvCommitMsg(rm));
            }
            if bits & ABORT != 0 {
                enabled(Action::RmRcvAbortMsg(rm));
            }
        }
    }

    fn committed(&self, state: State) -> u64 {
        self.in_state(state, 1, 0)
    }

    fn aborted(&self, state: State) -> u64 {
        self.in_state(state, 1, 1)
    }
}

impl Model for TwoPhaseCommit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State(0)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.step(*state, |action, _| actions.push(action));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(state.after(action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::sometimes("abort agreement", |system, state| {
                system.aborted(*state) == system.everyone()
            }),
            Property::sometimes("commit agreement", |system, state| {
                system.committed(*state) == system.everyone()
            }),
            Property::always("consistent", |system, state| {
                system.committed(*state) == 0 || system.aborted(*state) == 0
            }),
        ]
    }
}

impl PackedModel for TwoPhaseCommit {
    type Coverage = ();

    fn words(&self) -> usize {
        1
    }

    #[inline]
    fn pack(&self, state: &State, out: &mut [u64]) {
        out[0] = state.0;
    }

    #[inline]
    fn unpack(&self, words: &[u64]) -> State {
        State(words[0])
    }

    #[inline]
    fn successors(&self, state: &State, (): &mut (), visit: &mut impl FnMut(Action, &State)) {
        self.step(*state, |action, next| visit(action, &next));
    }

    /// All have committed, or all have aborted.
    fn is_finished(&self, state: &State) -> bool {
        self.committed(*state) == self.everyone() || self.aborted(*state) == self.everyone()
    }
}
