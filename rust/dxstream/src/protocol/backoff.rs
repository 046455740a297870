//! When to connect again: full-jitter exponential backoff.

use std::time::Duration;

use crate::error::Error;
use crate::loss::{Loss, Remedy};

/// How a streamer connects again after a loss.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconnectPolicy {
    /// The longest wait before the first attempt; it doubles with each that fails.
    pub min_delay: Duration,
    /// The longest wait before any attempt.
    pub max_delay: Duration,
    /// How long a connection must have held for the waits to begin anew.
    pub stable_after: Duration,
    /// Attempts without a stable connection between them after which the loss is final; no end of
    /// them where nothing is said.
    pub max_attempts: Option<u32>,
    /// The shortest wait after the server said that the user has too many sessions; it doubles with
    /// each such answer, up to [`ReconnectPolicy::MAX_SATURATION`], and is never shorter than
    /// another wait would be.
    pub saturation_delay: Duration,
}

impl ReconnectPolicy {
    /// The longest wait after an answer that the user has too many sessions: as long as half-dead
    /// sessions were seen to count on tastytrade's servers.
    pub const MAX_SATURATION: Duration = Duration::from_mins(15);

    /// The longest wait that a server's Retry-After is granted.
    pub const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            min_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            stable_after: Duration::from_secs(30),
            max_attempts: None,
            saturation_delay: Duration::from_mins(1),
        }
    }
}

/// The attempts since the connection was last stable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    saturations: u32,
    accepted_at: Option<Duration>,
}

impl Backoff {
    /// Attempts since the connection was last stable.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Takes note that the server accepted the client.
    pub(crate) fn accepted(&mut self, now: Duration) {
        self.accepted_at = Some(now);
    }

    /// How long to wait before the next attempt; nothing where there is to be none. `draw` is a random
    /// number from 0 to 1.
    pub(crate) fn lost(
        &mut self,
        policy: &ReconnectPolicy,
        remedy: Remedy,
        now: Duration,
        draw: f64,
    ) -> Option<Duration> {
        let held = self.accepted_at.take().map(|accepted_at| now.saturating_sub(accepted_at));
        if held.is_some_and(|held| held >= policy.stable_after) {
            self.attempts = 0;
            self.saturations = 0;
        }
        let attempt = self.attempts;
        if remedy == Remedy::None || policy.max_attempts.is_some_and(|most| attempt >= most) {
            return None;
        }
        self.attempts = attempt.saturating_add(1);
        let longest = doubled(policy.min_delay, attempt).min(policy.max_delay);
        let jittered = longest.mul_f64(draw);
        Some(match remedy {
            Remedy::AtOnce if attempt == 0 => Duration::ZERO,
            Remedy::After(least) => least.min(ReconnectPolicy::MAX_RETRY_AFTER) + jittered,
            Remedy::Saturation => {
                let least = doubled(policy.saturation_delay, self.saturations)
                    .min(ReconnectPolicy::MAX_SATURATION);
                self.saturations = self.saturations.saturating_add(1);
                // Up to half as much again, so that streamers come back one by one.
                least + (least / 2).mul_f64(draw)
            }
            _ => jittered,
        })
    }

    /// What is told of a loss after which no attempt is made.
    pub(crate) fn last_word(&self, policy: &ReconnectPolicy, loss: &Loss) -> Error {
        match (&loss.error, policy.max_attempts) {
            (Error::ConnectionLost(text), Some(most)) if self.attempts >= most.max(1) => {
                Error::ConnectionLost(format!("gave up after {most} attempts: {text}"))
            }
            (error, _) => error.clone(),
        }
    }
}

fn doubled(delay: Duration, times: u32) -> Duration {
    delay.saturating_mul(2_u32.saturating_pow(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_hours(1);

    fn policy() -> ReconnectPolicy {
        ReconnectPolicy { min_delay: Duration::from_secs(1), ..ReconnectPolicy::default() }
    }

    fn delays(remedy: Remedy, draw: f64, count: usize) -> Vec<u64> {
        let mut backoff = Backoff::default();
        let mut delay = || backoff.lost(&policy(), remedy, NOW, draw).unwrap().as_secs();
        (0..count).map(|_| delay()).collect()
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_a_random_part_of_it() {
        assert_eq!(delays(Remedy::Backoff, 1.0, 7), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(delays(Remedy::Backoff, 0.5, 4), [0, 1, 2, 4]);
        assert_eq!(delays(Remedy::Backoff, 0.0, 3), [0, 0, 0]);
        assert_eq!(delays(Remedy::Backoff, 1.0, 99).last(), Some(&30));
    }

    #[test]
    fn what_may_be_tried_at_once_is_so_the_first_time_only() {
        assert_eq!(delays(Remedy::AtOnce, 1.0, 3), [0, 2, 4]);
    }

    #[test]
    fn a_server_that_names_a_time_is_obeyed_within_reason() {
        assert_eq!(delays(Remedy::After(Duration::from_secs(20)), 1.0, 2), [21, 22]);
        assert_eq!(delays(Remedy::After(Duration::from_hours(9)), 0.0, 1), [300]);
    }

    #[test]
    fn too_many_sessions_make_a_long_wait() {
        assert_eq!(delays(Remedy::Saturation, 0.0, 6), [60, 120, 240, 480, 900, 900]);
        assert_eq!(delays(Remedy::Saturation, 1.0, 1), [90]);
    }

    #[test]
    fn waits_begin_anew_once_a_connection_was_stable_and_not_before() {
        let mut backoff = Backoff::default();
        let lose = |backoff: &mut Backoff, now| {
            backoff.lost(&policy(), Remedy::Backoff, now, 1.0).unwrap().as_secs()
        };
        assert_eq!([lose(&mut backoff, NOW), lose(&mut backoff, NOW)], [1, 2]);
        backoff.accepted(NOW);
        assert_eq!(lose(&mut backoff, NOW + Duration::from_secs(29)), 4);
        backoff.accepted(NOW);
        assert_eq!(lose(&mut backoff, NOW + Duration::from_secs(30)), 1);
    }

    #[test]
    fn attempts_end_where_the_policy_says() {
        let mut backoff = Backoff::default();
        let policy = ReconnectPolicy { max_attempts: Some(2), ..policy() };
        let mut lose = || backoff.lost(&policy, Remedy::Backoff, NOW, 0.0);
        assert_eq!([lose(), lose(), lose()], [Some(Duration::ZERO), Some(Duration::ZERO), None]);
        assert_eq!(Backoff::default().lost(&policy, Remedy::None, NOW, 0.0), None);
    }
}
