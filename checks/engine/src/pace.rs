//! Whether several threads are worth it.
//!
//! Where a step costs nearly nothing, or allocates, a second thread costs more than it gains: what it
//! found has to come from the other core's cache, what it allocated is freed by another. Nobody knows
//! beforehand; but results are the same either way, so both are tried now and then.

use std::time::Duration;

/// Of so many rounds some are for trying, one each way.
const PERIOD: u32 = 64;

/// How a round goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// One thread does everything.
    Alone,
    /// All threads expand, then one takes over what they found.
    Together,
    /// One takes over what was found in the round before, while the others expand.
    Overlapped,
}

/// How long rounds take, each way.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The ways there are, each with the nanoseconds a transition took the last time.
    ways: Vec<(Way, f64)>,
    round: u32,
}

impl Pace {
    /// To choose from these ways; in doubt from the first.
    pub(crate) fn new(ways: &[Way]) -> Self {
        Self {
            ways: ways.iter().map(|&way| (way, f64::MAX)).collect(),
            round: 0,
        }
    }

    /// How the next round goes.
    pub(crate) fn way(&self) -> Way {
        let trial = (self.round % PERIOD) as usize;
        let fastest = self
            .ways
            .iter()
            .min_by(|one, other| one.1.total_cmp(&other.1));
        match self.ways.get(trial) {
            Some((way, _)) => *way,
            None => fastest.expect("there is a way").0,
        }
    }

    /// What a round took that went so.
    pub(crate) fn took(&mut self, way: Way, time: Duration, edges: u64) {
        let each = time.as_secs_f64() * 1e9 / edges.max(1) as f64;
        for (_, nanoseconds) in self.ways.iter_mut().filter(|(known, _)| *known == way) {
            *nanoseconds = each;
        }
        self.round = self.round.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAYS: [Way; 3] = [Way::Overlapped, Way::Together, Way::Alone];

    /// How many of some rounds go this way, if they take so long.
    fn rounds(wanted: Way, mut times: impl FnMut(u32, Way) -> u64) -> usize {
        let mut pace = Pace::new(&WAYS);
        (0..10 * PERIOD)
            .filter(|&round| {
                let way = pace.way();
                pace.took(way, Duration::from_micros(times(round, way)), 1000);
                way == wanted
            })
            .count()
    }

    #[test]
    fn what_is_faster_is_done_but_for_trials() {
        let trials = 10;
        let all = 10 * PERIOD as usize;
        for fast in WAYS {
            let times = |_, way| if way == fast { 2 } else { 3 };
            for way in WAYS {
                let expected = if way == fast {
                    all - 2 * trials
                } else {
                    trials
                };
                assert_eq!(rounds(way, times), expected, "{way:?} if {fast:?} is fast");
            }
        }
    }

    #[test]
    fn a_change_is_noticed_at_the_next_trial() {
        let changes = |round, way| match (way == Way::Alone) == (round < 5 * PERIOD) {
            true => 1,
            false => 2,
        };
        let half = 5 * PERIOD as usize;
        // Alone is tried last, and each of the others before.
        assert_eq!(rounds(Way::Alone, changes), half - 5 * 2 + 5);
        assert_eq!(rounds(Way::Overlapped, changes), half - 5 * 2 + 5);
    }
}
