//! Which faults make sense.

use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use super::{Action, Encoding, Fault, FaultError, Injection, Messages, Point};
use crate::config::FieldNames;
use crate::encode::Layout;
use crate::session::MESSAGE_TYPES;

/// Longest reason of a close: a control frame carries 125 bytes, two of them the code (RFC 6455, 5.5).
const MAX_REASON: usize = 123;

/// Whether these faults can happen in an exchange with or without TLS.
pub(crate) fn check(faults: &[Fault], tls: bool, blast: bool) -> Result<(), FaultError> {
    if blast && !faults.is_empty() {
        return Err(FaultError::Blast);
    }
    for fault in faults {
        if fault.point == Point::Tls && !tls {
            return Err(FaultError::NoTls);
        }
        check_place(fault)?;
        check_values(fault)?;
    }
    Ok(())
}

fn check_place(fault: &Fault) -> Result<(), FaultError> {
    let Fault { point, action, .. } = fault;
    let fits = match action {
        Action::Stall { bytes, .. } | Action::Cut { bytes, .. } => match point {
            // There is nothing to say a part of.
            Point::Accept | Point::After(_) => *bytes == 0,
            Point::Tls | Point::Upgrade | Point::At(_) => true,
        },
        Action::Trickle { .. } => true,
        Action::Respond { .. } => *point == Point::Upgrade,
        Action::Close { .. } | Action::Inject(_) => matches!(point, Point::At(_) | Point::After(_)),
        Action::Omit | Action::Repeat(_) | Action::Rewrite { .. } => matches!(point, Point::At(_)),
        Action::Expire(_) | Action::Reconfigure(_) => matches!(point, Point::After(_)),
    };
    if fits {
        Ok(())
    } else {
        Err(FaultError::Misplaced { action: name(action), point: place(point) })
    }
}

fn check_values(fault: &Fault) -> Result<(), FaultError> {
    let above_0 = |name, value| {
        let allowed = "above 0";
        if value > 0 { Ok(()) } else { Err(FaultError::Number { name, allowed, value }) }
    };
    if let Point::At(messages) = &fault.point {
        above_0("the number of a message", messages.number)?;
    }
    if let Point::At(Messages { kind: Some(kind), .. })
    | Point::After(Messages { kind: Some(kind), .. }) = &fault.point
        && !MESSAGE_TYPES.contains(&kind.as_str())
    {
        return Err(FaultError::UnknownMessage(kind.clone()));
    }
    above_0("times", fault.times.unwrap_or(1))?;
    match &fault.action {
        Action::Trickle { bytes_per_second } => {
            above_0("bytes_per_second", u64::from(*bytes_per_second))
        }
        Action::Respond { status, headers } => {
            if *status != 101 && !(300..600).contains(status) {
                let (name, allowed) = ("status", "101 or from 300 to 599");
                return Err(FaultError::Number { name, allowed, value: u64::from(*status) });
            }
            let valid = |(name, value): &&(String, String)| {
                HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok()
            };
            match headers.iter().find(|header| !valid(header)) {
                Some((name, _)) => Err(FaultError::Header(name.clone())),
                None => Ok(()),
            }
        }
        Action::Close { code, reason } => {
            if !(1000..5000).contains(code) {
                let (name, allowed) = ("the code of a close", "from 1000 to 4999");
                return Err(FaultError::Number { name, allowed, value: u64::from(*code) });
            }
            if reason.len() > MAX_REASON {
                return Err(FaultError::LongReason(reason.len()));
            }
            Ok(())
        }
        Action::Inject(Injection { fragments, times, .. }) => {
            above_0("fragments", *fragments as u64)?;
            above_0("times", u64::from(*times))
        }
        Action::Repeat(times) => above_0("times", u64::from(*times)),
        Action::Reconfigure(Encoding { fields: Some((kind, fields)), .. }) => {
            let layout = Layout::new(*kind, fields, FieldNames::Lenient);
            let served = layout.names();
            match fields.iter().find(|field| !served.contains(&field.as_str())) {
                Some(field) => Err(FaultError::UnknownField(kind.name(), field.clone())),
                None => Ok(()),
            }
        }
        Action::Rewrite { old, .. } if old.is_empty() => Err(FaultError::NothingToRewrite),
        _ => Ok(()),
    }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Stall { bytes: 0, .. } => "a stall",
        Action::Stall { .. } => "a stall in the middle of a message",
        Action::Cut { bytes: 0, .. } => "a cut",
        Action::Cut { .. } => "a cut in the middle of a message",
        Action::Trickle { .. } => "a trickle",
        Action::Respond { .. } => "an answer to the HTTP request",
        Action::Close { .. } => "a close",
        Action::Inject(_) => "an injection",
        Action::Omit => "an omission",
        Action::Repeat(_) => "a repetition",
        Action::Rewrite { .. } => "a rewrite",
        Action::Expire(_) => "the expiry of a token",
        Action::Reconfigure(_) => "another configuration",
    }
}

fn place(point: &Point) -> &'static str {
    match point {
        Point::Accept => "when a connection is accepted",
        Point::Tls => "in the TLS handshake",
        Point::Upgrade => "in the HTTP upgrade",
        Point::At(_) => "at a message",
        Point::After(_) => "after a message",
    }
}
