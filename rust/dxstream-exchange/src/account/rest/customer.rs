//! Who the accounts belong to: a customer that was made up.

use serde_json::{Value, json};

use crate::account::clock::iso;

/// As `external-id` of the user has it.
const USER: &str = "U0000000001";

/// Who is logged in.
pub(super) fn user() -> Value {
    json!({
        "email": "sim@example.com",
        "username": "sim",
        "external-id": USER,
        "id": 1,
    })
}

/// The customer.
pub(super) fn customer(start: i64) -> Value {
    let address = json!({
        "city": "Chicago",
        "country": "USA",
        "is-domestic": true,
        "is-foreign": false,
        "postal-code": "60601",
        "state-region": "IL",
        "street-one": "1 Example Street",
    });
    json!({
        "id": "me",
        "first-name": "Simulated",
        "last-name": "Customer",
        "address": address,
        "mailing-address": address,
        "is-foreign": false,
        "usa-citizenship-type": "Citizen",
        "mobile-phone-number": "+13125550100",
        "birth-date": "1970-01-01",
        "email": "sim@example.com",
        "external-id": USER,
        "tax-number-type": "SSN",
        "subject-to-tax-withholding": false,
        "has-industry-affiliation": false,
        "has-listed-affiliation": false,
        "has-political-affiliation": false,
        "has-delayed-quotes": false,
        "has-pending-or-approved-application": true,
        "is-professional": false,
        "permitted-account-types": [{
            "name": "Individual",
            "description": "An individual taxable account.",
            "is-tax-advantaged": false,
            "is-publicly-available": true,
            "has-multiple-owners": false,
            "margin-types": [{"name": "Reg T", "is-margin": true}],
        }],
        "created-at": iso(start),
    })
}

/// An account.
pub(super) fn account(number: &str, start: i64) -> Value {
    json!({
        "account-number": number,
        "external-id": format!("A{number}"),
        "opened-at": iso(start),
        "nickname": "Simulated",
        "account-type-name": "Individual",
        "day-trader-status": false,
        "is-closed": false,
        "is-firm-error": false,
        "is-firm-proprietary": false,
        "is-futures-approved": false,
        "is-test-drive": false,
        "margin-or-cash": "Margin",
        "is-foreign": false,
        "suitable-options-level": "No Restrictions",
        "created-at": iso(start),
    })
}

/// What an account may do.
pub(super) fn trading_status(number: &str, ms: i64) -> Value {
    json!({
        "account-number": number,
        "day-trade-count": 0,
        "equities-margin-calculation-type": "Reg T",
        "fee-schedule-name": "default",
        "futures-margin-rate-multiplier": "0.0",
        "has-intraday-equities-margin": false,
        "id": 1,
        "is-aggregated-at-clearing": false,
        "is-closed": false,
        "is-closing-only": false,
        "is-cryptocurrency-closing-only": false,
        "is-cryptocurrency-enabled": false,
        "is-frozen": false,
        "is-full-equity-margin-required": false,
        "is-futures-closing-only": false,
        "is-futures-intra-day-enabled": false,
        "is-futures-enabled": false,
        "is-in-day-trade-equity-maintenance-call": false,
        "is-in-margin-call": false,
        "is-pattern-day-trader": false,
        "is-portfolio-margin-enabled": false,
        "is-risk-reducing-only": false,
        "is-small-notional-futures-intra-day-enabled": false,
        "is-roll-the-day-forward-enabled": true,
        "are-far-otm-net-options-restricted": false,
        "options-level": "No Restrictions",
        "short-calls-enabled": true,
        "small-notional-futures-margin-rate-multiplier": "0.0",
        "is-equity-offering-enabled": false,
        "is-equity-offering-closing-only": false,
        "updated-at": iso(ms),
    })
}
