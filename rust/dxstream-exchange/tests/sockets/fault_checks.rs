//! Faults that cannot happen.

use dxstream_exchange::config::ExchangeConfig;
use dxstream_exchange::fault::{Action, Expiry, Fault, FaultError, Injection, Point};
use dxstream_exchange::{Exchange, ExchangeError};

use crate::faults::{STALL, at, exchange, opening, quote_fields};

#[test]
fn faults_that_cannot_happen_are_refused_and_change_nothing() {
    let respond = |status, name: &str| Action::Respond {
        status,
        headers: vec![(name.to_owned(), String::new())],
    };
    let close = |code, reason: String| Action::Close { code, reason };
    let message = || at("SETUP", 1);
    let running = exchange(opening(), STALL);
    for (point, action, text) in [
        (Point::Accept, Action::Omit, "an omission cannot happen when a connection is accepted"),
        (message(), respond(401, "A"), "an answer to the HTTP request cannot happen at a message"),
        (
            opening(),
            Action::Cut { bytes: 1, reset: true },
            "a cut in the middle of a message cannot happen after a message",
        ),
        (
            message(),
            Action::Expire(Expiry::Error),
            "the expiry of a token cannot happen at a message",
        ),
        (Point::Tls, STALL, "a fault of the TLS handshake needs an exchange that speaks TLS"),
        (Point::Upgrade, respond(200, "A"), "status must be 101 or from 300 to 599, not 200"),
        (Point::Upgrade, respond(401, "a b"), "the header \"a b\" is not a header of HTTP"),
        (
            message(),
            close(999, String::new()),
            "the code of a close must be from 1000 to 4999, not 999",
        ),
        (
            message(),
            close(1000, "x".repeat(124)),
            "the reason of a close has at most 123 bytes, not 124",
        ),
        (message(), Action::Repeat(0), "times must be above 0, not 0"),
        (at("SETUP", 0), STALL, "the number of a message must be above 0, not 0"),
        (
            message(),
            Action::Trickle { bytes_per_second: 0 },
            "bytes_per_second must be above 0, not 0",
        ),
        (
            message(),
            Action::Inject(Injection { fragments: 0, ..Injection::text("") }),
            "fragments must be above 0, not 0",
        ),
        (at("FEED-DATA", 1), STALL, "the exchange sends no message of the type \"FEED-DATA\""),
        (
            opening(),
            Action::Reconfigure(quote_fields(&["bidPrice", "bid"])),
            "Quote has no field \"bid\"",
        ),
        (
            message(),
            Action::Rewrite { old: String::new(), new: String::new() },
            "the text to rewrite is empty",
        ),
    ] {
        let faults = vec![Fault::new(point, action)];
        assert_eq!(running.set_faults(faults.clone()).unwrap_err().to_string(), text);
        let config = ExchangeConfig { faults, ..ExchangeConfig::default() };
        assert!(matches!(Exchange::start(config).unwrap_err(), ExchangeError::Fault(_)));
        assert_eq!(running.stats().faults, [0]);
    }
    let blast = ExchangeConfig {
        blast: Some(dxstream_exchange::blast::Blast::default()),
        faults: vec![Fault::new(opening(), STALL)],
        ..ExchangeConfig::default()
    };
    let error = Exchange::start(blast).unwrap_err();
    assert!(matches!(error, ExchangeError::Fault(FaultError::Blast)));
}
