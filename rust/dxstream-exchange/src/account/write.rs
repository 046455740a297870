//! Orders, positions and balances as the vendor writes them, in REST and in notifications.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::account::clock::{date, expiry, iso};
use crate::account::order::{Order, Status};
use crate::account::portfolio::{Portfolio, Position};
use crate::account::price::text;

/// Where something is written to: some values have another form in notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Rest,
    /// `updated-at` of orders is a number, `quantity` of positions text.
    Notification,
}

/// What the vendor calls the sign of an amount.
fn effect(amount: Decimal) -> &'static str {
    if amount.is_zero() {
        "None"
    } else if amount.is_sign_negative() {
        "Debit"
    } else {
        "Credit"
    }
}

/// An order.
pub(super) fn order(order: &Order, account: &str, form: Form) -> Value {
    let ticket = &order.ticket;
    let instrument = &ticket.instrument;
    let open = !order.status.is_terminal() && order.status != Status::Routed;
    let fills: Vec<Value> = order
        .fills
        .iter()
        .map(|fill| {
            json!({
                "destination-venue": "SIM_A",
                "ext-exec-id": fill.id.rsplit('.').next(),
                "ext-group-fill-id": "0",
                "fill-id": fill.id,
                "fill-price": text(fill.price),
                "filled-at": iso(fill.at),
                "quantity": fill.quantity,
            })
        })
        .collect();
    let mut data = json!({
        "id": order.id,
        "account-number": account,
        "cancellable": open,
        "editable": open,
        "edited": false,
        "global-request-id": order.request,
        "leg-count": 1,
        "order-type": if ticket.limit.is_some() { "Limit" } else { "Market" },
        "received-at": iso(order.received),
        "size": order.size(),
        "source": "dxstream exchange",
        "status": order.status.name(),
        "time-in-force": "Day",
        "underlying-instrument-type": instrument.underlying_kind(),
        "underlying-symbol": instrument.underlying,
        "updated-at": match form {
            Form::Rest => json!(iso(order.updated)),
            Form::Notification => json!(order.updated),
        },
        "legs": [{
            "action": order.action,
            "instrument-type": instrument.kind(),
            "quantity": order.size(),
            "remaining-quantity": order.remaining(),
            "symbol": instrument.symbol,
            "fills": fills,
        }],
    });
    let mut set = |name: &str, value: Value| data[name] = value;
    if let Some(limit) = ticket.limit {
        set("price", text(limit).into());
        set("price-effect", if ticket.is_buy() { "Debit" } else { "Credit" }.into());
    }
    if let Some(id) = &order.client_id {
        set("ext-client-order-id", id.clone().into());
    }
    if let (Form::Rest, Some(live)) = (form, order.live) {
        set("live-at", iso(live).into());
    }
    if let Some(terminal) = order.terminal {
        set("terminal-at", iso(terminal).into());
        if order.status == Status::Cancelled {
            set("cancelled-at", iso(terminal).into());
            set("cancelled-size", (order.size() - order.filled()).into());
        }
    }
    data
}

/// A position; with marks only where they are asked for.
pub(super) fn position(position: &Position, account: &str, form: Form, marks: bool) -> Value {
    let instrument = &position.instrument;
    let quantity = position.quantity.abs();
    let direction = match position.quantity {
        0 => "Zero",
        1.. => "Long",
        _ => "Short",
    };
    let realized = text(position.realized.abs());
    let day = date(position.updated);
    let mut data = json!({
        "account-number": account,
        "symbol": instrument.symbol,
        "instrument-type": instrument.kind(),
        "underlying-symbol": instrument.underlying,
        "quantity": match form {
            Form::Rest => json!(quantity),
            Form::Notification => json!(quantity.to_string()),
        },
        "quantity-direction": direction,
        "close-price": text(position.close),
        "average-open-price": text(position.average_open_price),
        "average-yearly-market-close-price": text(position.close),
        "average-daily-market-close-price": text(position.close),
        "multiplier": instrument.multiplier(),
        "cost-effect": match position.quantity {
            0 => "None",
            1.. => "Debit",
            _ => "Credit",
        },
        "is-suppressed": false,
        "is-frozen": false,
        "restricted-quantity": match form {
            Form::Rest => json!(0),
            Form::Notification => json!("0"),
        },
        "realized-day-gain": realized,
        "realized-day-gain-effect": effect(position.realized),
        "realized-day-gain-date": day,
        "realized-today": realized,
        "realized-today-effect": effect(position.realized),
        "realized-today-date": day,
        "created-at": iso(position.created),
        "updated-at": iso(position.updated),
    });
    if let Some(expires) = instrument.option.as_ref().map(|option| expiry(option.expiry())) {
        data["expires-at"] = iso(expires).into();
    }
    if marks {
        data["mark"] = text(position.value().abs()).into();
        data["mark-price"] = text(position.mark).into();
    }
    data
}

/// The balances.
pub(super) fn balances(portfolio: &Portfolio, account: &str, ms: i64) -> Value {
    let sums = portfolio.sums();
    let mut data = Map::new();
    let amounts = [
        ("cash-balance", portfolio.cash),
        ("long-equity-value", sums.long_equity),
        ("short-equity-value", sums.short_equity),
        ("long-derivative-value", sums.long_derivative),
        ("short-derivative-value", sums.short_derivative),
        ("long-margineable-value", sums.long_equity),
        ("short-margineable-value", sums.short_equity),
        ("margin-equity", sums.margin_equity),
        ("equity-buying-power", sums.excess * Decimal::TWO),
        ("derivative-buying-power", sums.excess),
        ("day-trading-buying-power", sums.excess * Decimal::from(4)),
        ("available-trading-funds", sums.excess),
        ("maintenance-requirement", sums.maintenance),
        ("reg-t-margin-requirement", sums.maintenance),
        ("maintenance-excess", sums.margin_equity - sums.maintenance),
        ("day-trade-excess", sums.excess),
        ("used-derivative-buying-power", sums.maintenance),
        ("net-liquidating-value", sums.net_liquidating),
        ("cash-available-to-withdraw", portfolio.cash.min(sums.excess).max(Decimal::ZERO)),
    ];
    for (name, amount) in amounts {
        data.insert(name.to_owned(), text(amount.round_dp(4)).into());
    }
    for name in ZEROS {
        data.insert((*name).to_owned(), "0.0".into());
    }
    for name in [
        "pending-cash-effect",
        "buying-power-adjustment-effect",
        "unsettled-cryptocurrency-fiat-effect",
    ] {
        data.insert(name.to_owned(), "None".into());
    }
    data.insert("account-number".to_owned(), account.into());
    data.insert("currency".to_owned(), "USD".into());
    data.insert("snapshot-date".to_owned(), date(ms).into());
    data.insert("updated-at".to_owned(), iso(ms).into());
    data.into()
}

/// Amounts that an account without futures, bonds, coins and calls has none of.
const ZEROS: &[&str] = &[
    "long-futures-value",
    "short-futures-value",
    "long-futures-derivative-value",
    "short-futures-derivative-value",
    "futures-margin-requirement",
    "futures-overnight-margin-requirement",
    "futures-intraday-margin-requirement",
    "maintenance-call-value",
    "reg-t-call-value",
    "day-trading-call-value",
    "day-equity-call-value",
    "pending-cash",
    "pending-margin-interest",
    "long-cryptocurrency-value",
    "short-cryptocurrency-value",
    "cryptocurrency-margin-requirement",
    "unsettled-cryptocurrency-fiat-amount",
    "effective-cryptocurrency-buying-power",
    "closed-loop-available-balance",
    "equity-offering-margin-requirement",
    "long-bond-value",
    "bond-margin-requirement",
    "apex-starting-day-margin-equity",
    "buying-power-adjustment",
];
