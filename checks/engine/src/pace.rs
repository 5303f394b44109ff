//! Whether several threads are worth it.
//!
//! Where a step costs nearly nothing, or allocates, a second thread costs more than it gains: what it
//! found has to come from the other core's cache, what it allocated is freed by another. Nobody knows
//! beforehand; but results are the same either way, so both are tried now and then.

use std::time::Duration;

/// Of so many rounds two are for trying.
const PERIOD: u32 = 64;

/// How long rounds take, on all threads and on one.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    round: u32,
    /// Nanoseconds a transition, in the last such round.
    together: f64,
    alone: f64,
}

impl Pace {
    /// Whether the next round is for all threads.
    pub(crate) fn together(&self) -> bool {
        match self.round % PERIOD {
            0 => true,
            1 => false,
            _ => self.together <= self.alone,
        }
    }

    /// What a round took.
    pub(crate) fn took(&mut self, together: bool, time: Duration, edges: u64) {
        let each = time.as_secs_f64() * 1e9 / edges.max(1) as f64;
        match together {
            true => self.together = each,
            false => self.alone = each,
        }
        self.round = self.round.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of some rounds are for all threads, if they take so long.
    fn rounds_together(mut times: impl FnMut(u32, bool) -> u64) -> usize {
        let mut pace = Pace::default();
        (0..10 * PERIOD)
            .filter(|&round| {
                let together = pace.together();
                let time = Duration::from_micros(times(round, together));
                pace.took(together, time, 1000);
                together
            })
            .count()
    }

    #[test]
    fn what_is_faster_is_done_but_for_trials() {
        let trials = 10;
        let all = 10 * PERIOD as usize;
        let slow_together = |_, together| if together { 3 } else { 2 };
        assert_eq!(rounds_together(slow_together), trials);
        let fast_together = |_, together| if together { 1 } else { 2 };
        assert_eq!(rounds_together(fast_together), all - trials);
    }

    #[test]
    fn a_change_is_noticed_at_the_next_trial() {
        let changes = |round, together| match together == (round < 5 * PERIOD) {
            true => 1,
            false => 2,
        };
        let half = 5 * PERIOD as usize;
        assert_eq!(rounds_together(changes), half - 5 + 5);
    }
}
