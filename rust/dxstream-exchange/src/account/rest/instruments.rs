//! Instruments: above all the symbol that the streamer has for each.

use dxstream::symbol::OptionSymbol;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::account::clock::{date, expiry, iso};
use crate::account::instrument::{Future, Instrument, strike};
use crate::account::price::{Prices, Sides, text};
use crate::account::rest::{Found, Reply, Request, items};
use crate::market::calendar::{DAY_MS, Date, FRIDAY, new_york_midnight, next_weekday};

/// What is found below `/instruments`.
pub(super) fn find(request: &Request, path: &[&str], ms: i64) -> Found {
    let describe: fn(&str, i64) -> Option<Value> = match path.first() {
        Some(&"equities") => equity,
        Some(&"equity-options") => equity_option,
        Some(&"futures") => |symbol, ms| future(symbol, ms, false),
        Some(&"future-options") => |symbol, ms| future(symbol, ms, true),
        _ => return Err(Reply::not_found()),
    };
    match &path[1..] {
        // As the vendor does, what is not known is left out.
        [] => Ok(items(request.values("symbol").iter().filter_map(|symbol| describe(symbol, ms)))),
        symbol => describe(&symbol.join("/"), ms).ok_or_else(|| {
            Reply::error(404, "record_not_found", "Couldn't find the requested instrument")
        }),
    }
}

/// The options of these streamer symbols.
pub(super) fn chain(options: &[String], ms: i64) -> Value {
    items(options.iter().filter_map(|symbol| {
        let option = OptionSymbol::from_dxfeed(symbol).ok()?;
        equity_option(&option.to_occ(), ms)
    }))
}

fn equity(symbol: &str, _: i64) -> Option<Value> {
    let instrument =
        Instrument::parse(symbol).ok().filter(|instrument| instrument.option.is_none())?;
    Some(json!({
        "id": 1,
        "symbol": instrument.symbol,
        "instrument-type": "Equity",
        "streamer-symbol": instrument.streamer_symbol,
        "description": instrument.symbol,
        "short-description": instrument.symbol,
        "is-index": false,
        "is-etf": false,
        "is-closing-only": false,
        "is-options-closing-only": false,
        "is-illiquid": false,
        "active": true,
        "lendability": "Easy To Borrow",
        "market-time-instrument-collection": "Equity",
        "tick-sizes": [{"value": "0.01"}],
    }))
}

fn equity_option(symbol: &str, ms: i64) -> Option<Value> {
    let option = OptionSymbol::from_occ(symbol).ok()?;
    let instrument = Instrument::parse(symbol).ok()?;
    let expires = expiry(option.expiry());
    Some(json!({
        "symbol": instrument.symbol,
        "instrument-type": "Equity Option",
        "streamer-symbol": instrument.streamer_symbol,
        "active": true,
        "strike-price": text(strike(&option)),
        "root-symbol": option.root(),
        "underlying-symbol": instrument.underlying,
        "expiration-date": date(expires),
        "exercise-style": if instrument.underlying_kind() == "Index" { "European" } else { "American" },
        "shares-per-contract": instrument.multiplier(),
        "option-type": if instrument.is_call() { "C" } else { "P" },
        "option-chain-type": "Standard",
        "expiration-type": "Regular",
        "settlement-type": "PM",
        "stops-trading-at": iso(expires),
        "expires-at": iso(expires),
        "market-time-instrument-collection": "Equity Option",
        "days-to-expiration": (expires - ms).max(0) / DAY_MS,
        "is-closing-only": false,
    }))
}

/// A future, or an option on one.
fn future(symbol: &str, ms: i64, option: bool) -> Option<Value> {
    let written =
        if symbol.starts_with(['/', '.']) { symbol.to_owned() } else { format!("/{symbol}") };
    let future = Future::parse(&written, Date::of(ms.div_euclid(DAY_MS)).year)?;
    let streamer_symbol = future.streamer_symbol();
    let exchange = match future.exchange {
        "XCBF" => "CFE",
        "XCBT" => "CBOT",
        "XNYM" => "NYMEX",
        "XCEC" => "COMEX",
        _ => "CME",
    };
    let Some(of) = future.option.as_ref().filter(|_| option) else {
        let expires = third_friday(&future);
        let of_option = future.option.is_some() || option;
        return (!of_option).then(|| {
            json!({
                "symbol": written,
                "instrument-type": "Future",
                "streamer-symbol": streamer_symbol,
                "streamer-exchange-code": future.exchange,
                "product-code": future.product,
                "tick-size": "0.01",
                "notional-multiplier": "1.0",
                "display-factor": "0.01",
                "last-trade-date": date(expires),
                "expiration-date": date(expires),
                "active": expires > ms,
                "active-month": false,
                "next-active-month": false,
                "is-closing-only": false,
                "is-tradeable": true,
                "stops-trading-at": iso(expires),
                "expires-at": iso(expires),
                "product-group": "Simulated",
                "exchange": exchange,
                "back-month-first-calendar-symbol": true,
            })
        });
    };
    let expires = expiry(of.expiry);
    let underlying = written.split_ascii_whitespace().next()?.strip_prefix('.')?;
    Some(json!({
        "symbol": written,
        "instrument-type": "Future Option",
        "streamer-symbol": streamer_symbol,
        "underlying-symbol": underlying,
        "product-code": future.product,
        "root-symbol": format!("/{}", future.product),
        "option-root-symbol": of.contract,
        "expiration-date": date(expires),
        "strike-price": text(of.strike),
        "option-type": if of.is_call { "C" } else { "P" },
        "exercise-style": "American",
        "exchange": exchange,
        "exchange-symbol": of.contract,
        "security-exchange": "2",
        "sx-id": "0",
        "is-vanilla": true,
        "is-primary-deliverable": true,
        "is-confirmed": true,
        "is-exercisable-weekly": true,
        "is-closing-only": false,
        "active": expires > ms,
        "future-price-ratio": "1.0",
        "multiplier": "1.0",
        "underlying-count": "1.0",
        "notional-value": "0.5",
        "display-factor": "0.01",
        "strike-factor": "1.0",
        "settlement-type": "Future",
        "maturity-date": date(expires),
        "last-trade-time": "0",
        "days-to-expiration": (expires - ms).max(0) / DAY_MS,
        "stops-trading-at": iso(expires),
        "expires-at": iso(expires),
    }))
}

/// When a future of a month expires here: on the third Friday at 16:00 in New York. The real rules differ
/// from product to product.
fn third_friday(future: &Future) -> i64 {
    let month = "FGHJKMNQUVXZ".find(future.month).map_or(1, |at| at as i64 + 1);
    let first = Date { year: future.year, month, day: 1 }.number();
    let day = next_weekday(first, FRIDAY) + 14;
    day * DAY_MS + new_york_midnight(day) + 16 * 3_600_000
}

/// What is found below `/market-data`.
pub(super) fn market_data(
    request: &Request,
    path: &[&str],
    ms: i64,
    prices: &mut dyn Prices,
) -> Found {
    match path {
        ["by-type"] => {
            let mut found = Vec::new();
            for (name, kind) in KINDS {
                for symbol in request.values(name) {
                    found.extend(market_data_of(symbol, kind, ms, prices));
                }
            }
            Ok(items(found))
        }
        [kind, symbol @ ..] => market_data_of(&symbol.join("/"), kind, ms, prices)
            .ok_or_else(|| Reply::error(404, "record_not_found", "Couldn't find market data")),
        [] => Err(Reply::not_found()),
    }
}

/// Parameters of `/market-data/by-type`, and the types that they are of.
const KINDS: &[(&str, &str)] =
    &[("index", "Index"), ("equity", "Equity"), ("equity-option", "Equity Option")];

/// What an instrument costs; nothing where that is not known.
fn market_data_of(symbol: &str, kind: &str, ms: i64, prices: &mut dyn Prices) -> Option<Value> {
    let streamer_symbol = match Instrument::parse(symbol) {
        Ok(instrument) => instrument.streamer_symbol,
        Err(_) => symbol.to_owned(),
    };
    let quote = prices.quote(&streamer_symbol);
    let last = prices.last(&streamer_symbol);
    let mark = prices.mark(&streamer_symbol)?;
    let mut data = json!({
        "symbol": symbol,
        "instrument-type": kind,
        "updated-at": iso(ms),
        "bid-size": "0.0",
        "ask-size": "0.0",
        "mark": text(mark),
        "close-price-type": "Unknown",
        "summary-date": date(ms),
        "prev-close-date": date(ms - DAY_MS),
        "prev-close-price-type": "Regular",
        "halt-start-time": -1,
        "halt-end-time": -1,
        "is-trading-halted": false,
    });
    let mut set = |name: &str, price: Option<Decimal>| {
        if let Some(price) = price {
            data[name] = text(price).into();
        }
    };
    set("bid", quote.map(|sides| sides.bid));
    set("ask", quote.map(|sides| sides.ask));
    set("mid", quote.map(Sides::mid));
    set("last", last);
    set("prev-close", prices.previous_close(&streamer_symbol));
    Some(data)
}
