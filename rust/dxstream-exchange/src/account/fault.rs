//! Faults of the account side that are made on purpose, so that a client can be tested against them.

use std::sync::Arc;

use crate::account::record::AccountRecord;

/// The point that is any notification.
pub(super) const NOTIFICATION: &str = "notification";

/// The point that is the HTTP request for the WebSocket.
pub(super) const UPGRADE: &str = "upgrade";

/// Something that goes wrong on the account side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFault {
    /// Where: a path that the path of an HTTP request begins with, such as `/oauth/token`; "upgrade"; the
    /// action of a client's message, such as "connect"; or "notification".
    pub point: String,
    /// At which of them it begins, counted from 1 over all clients since the faults were set.
    pub number: u64,
    /// At how many in a row; nothing for always.
    pub times: Option<u64>,
    /// What happens.
    pub action: AccountAction,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountAction {
    /// The HTTP answer is this one.
    Respond {
        /// The status.
        status: u16,
        /// Its headers.
        headers: Vec<(String, String)>,
    },
    /// A message is answered by an error, such as "failed".
    Refuse(String),
    /// A message is not answered; a notification is not sent.
    Omit,
    /// Nothing more is said, not even a pong; the connection stays open.
    Stall,
    /// The WebSocket is closed.
    Close {
        /// The code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// This text is sent before what would be sent.
    Inject(String),
}

/// A fault that cannot happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountFaultError {
    /// The action has no meaning at the point.
    #[error("{action} cannot happen at {point:?}; it happens {possible}")]
    Place {
        /// The action.
        action: &'static str,
        /// The point.
        point: String,
        /// Where it can happen.
        possible: &'static str,
    },
    /// A close code that may not be sent.
    #[error("a WebSocket is not closed with code {0}; it must lie between 1000 and 4999")]
    Code(u16),
    /// The reason of a close is too long.
    #[error("the reason of a close has at most 123 bytes, not {0}")]
    Reason(usize),
    /// A status that no answer has.
    #[error("an HTTP answer has a status from 200 to 599, not {0}")]
    Status(u16),
    /// A header that cannot be sent.
    #[error("{0:?} is no HTTP header")]
    Header(String),
    /// The number of the first occurrence is 0.
    #[error("occurrences are counted from 1")]
    Number,
}

/// Refuses faults that cannot happen.
pub(crate) fn check(faults: &[AccountFault]) -> Result<(), AccountFaultError> {
    faults.iter().try_for_each(check_one)
}

fn check_one(fault: &AccountFault) -> Result<(), AccountFaultError> {
    let http = fault.point.starts_with('/') || fault.point == UPGRADE;
    let message = !http && fault.point != NOTIFICATION;
    let (action, fits, possible) = match &fault.action {
        AccountAction::Respond { .. } => ("Respond", http, "at a path or \"upgrade\""),
        AccountAction::Refuse(_) => ("Refuse", message, "at the action of a message"),
        AccountAction::Omit => ("Omit", !http, "at the action of a message or \"notification\""),
        AccountAction::Close { .. } => {
            ("Close", !http, "at the action of a message or \"notification\"")
        }
        AccountAction::Inject(_) => {
            ("Inject", !http, "at the action of a message or \"notification\"")
        }
        AccountAction::Stall => ("Stall", true, "everywhere"),
    };
    if !fits {
        return Err(AccountFaultError::Place { action, point: fault.point.clone(), possible });
    }
    match &fault.action {
        AccountAction::Close { code, .. } if !(1000..5000).contains(code) => {
            Err(AccountFaultError::Code(*code))
        }
        AccountAction::Close { reason, .. } if reason.len() > 123 => {
            Err(AccountFaultError::Reason(reason.len()))
        }
        AccountAction::Respond { status, .. } if !(200..600).contains(status) => {
            Err(AccountFaultError::Status(*status))
        }
        AccountAction::Respond { headers, .. } => match headers.iter().find(|(name, value)| {
            hyper::header::HeaderName::try_from(name).is_err()
                || hyper::header::HeaderValue::try_from(value).is_err()
        }) {
            Some((name, _)) => Err(AccountFaultError::Header(name.clone())),
            None if fault.number == 0 => Err(AccountFaultError::Number),
            None => Ok(()),
        },
        _ if fault.number == 0 => Err(AccountFaultError::Number),
        _ => Ok(()),
    }
}

/// Decides when each fault happens.
pub(super) struct Script {
    /// With how often their points have come.
    faults: Vec<(AccountFault, u64)>,
    record: Arc<AccountRecord>,
}

impl Script {
    pub(super) fn new(faults: Vec<AccountFault>, record: Arc<AccountRecord>) -> Self {
        let mut script = Self { faults: Vec::new(), record };
        script.set(faults);
        script
    }

    /// Replaces the faults; they are counted anew.
    pub(super) fn set(&mut self, faults: Vec<AccountFault>) {
        self.record.update(|stats| stats.faults = vec![0; faults.len()]);
        self.faults = faults.into_iter().map(|fault| (fault, 0)).collect();
    }

    /// What goes wrong now that a point has come; of several faults the first.
    pub(super) fn come_to(&mut self, point: &str) -> Option<AccountAction> {
        let mut happening = None;
        for (at, (fault, come)) in self.faults.iter_mut().enumerate() {
            let here = if fault.point.starts_with('/') {
                point.starts_with(&fault.point)
            } else {
                point == fault.point
            };
            if !here {
                continue;
            }
            *come += 1;
            let since = come.checked_sub(fault.number);
            let on = since.is_some_and(|since| fault.times.is_none_or(|times| since < times));
            if on && happening.is_none() {
                happening = Some(fault.action.clone());
                self.record.update(|stats| stats.faults[at] += 1);
            }
        }
        happening
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(point: &str, action: AccountAction) -> AccountFault {
        AccountFault { point: point.to_owned(), number: 1, times: Some(1), action }
    }

    #[test]
    fn a_fault_happens_at_its_number_and_as_often_as_it_says() {
        let record = Arc::new(AccountRecord::default());
        let twice =
            AccountFault { number: 2, times: Some(2), ..fault("/accounts", AccountAction::Stall) };
        let mut script = Script::new(vec![twice], Arc::clone(&record));
        let mut come = |point| script.come_to(point).is_some();
        assert_eq!(
            [
                come("/accounts/A"),
                come("/oauth/token"),
                come("/accounts/B"),
                come("/accounts"),
                come("/accounts")
            ],
            [false, false, true, true, false]
        );
        assert_eq!(record.stats().faults, [2]);
    }

    #[test]
    fn faults_that_make_no_sense_are_refused() {
        let close = |code, reason: &str| AccountAction::Close { code, reason: reason.to_owned() };
        let respond = |status, name: &str| AccountAction::Respond {
            status,
            headers: vec![(name.to_owned(), "1".to_owned())],
        };
        for (fault, text) in [
            (
                fault("connect", respond(500, "A")),
                "Respond cannot happen at \"connect\"; it happens at a path or \"upgrade\"",
            ),
            (
                fault("/", AccountAction::Omit),
                "Omit cannot happen at \"/\"; it happens at the action of a message or \"notification\"",
            ),
            (
                fault("notification", AccountAction::Refuse("failed".to_owned())),
                "Refuse cannot happen at \"notification\"; it happens at the action of a message",
            ),
            (
                fault("heartbeat", close(999, "")),
                "a WebSocket is not closed with code 999; it must lie between 1000 and 4999",
            ),
            (
                fault("heartbeat", close(1000, &"x".repeat(124))),
                "the reason of a close has at most 123 bytes, not 124",
            ),
            (fault("/", respond(100, "A")), "an HTTP answer has a status from 200 to 599, not 100"),
            (fault("/", respond(500, "a b")), "\"a b\" is no HTTP header"),
            (
                AccountFault { number: 0, ..fault("/", AccountAction::Stall) },
                "occurrences are counted from 1",
            ),
        ] {
            assert_eq!(check(&[fault]).unwrap_err().to_string(), text);
        }
        assert_eq!(
            check(&[fault("/", respond(503, "Retry-After")), fault("connect", close(1012, ""))]),
            Ok(())
        );
    }
}
