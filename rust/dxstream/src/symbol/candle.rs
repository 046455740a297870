//! Candle symbols: `AAPL{=5m,tho=true}` and its normal form.
//!
//! Source: dxFeed API, `CandleSymbol`. The server answers under the normal form, whatever form was
//! subscribed to.

use std::fmt;
use std::str::FromStr;

/// The units of a period: ticks, seconds, minutes, hours, days, weeks, months, option expiries,
/// years, volume, price, price momentum and price renko.
const UNITS: [&str; 13] = ["t", "s", "m", "h", "d", "w", "mo", "o", "y", "v", "p", "pm", "pr"];

/// What a candle symbol may hold in braces besides the period, in the order of the normal form:
/// the key, its default, and its other values. A price level is a number instead.
const ATTRIBUTES: [(&str, Option<&str>, &[&str]); 5] = [
    ("a", Some("m"), &["s"]),
    ("dt", None, &["source", "tho", "all", "rth", "eth"]),
    (PRICE_LEVEL, None, &[]),
    ("price", Some("last"), &["bid", "ask", "mark", "s"]),
    (REGULAR_HOURS, Some("false"), &["true"]),
];

const PRICE_LEVEL: &str = "pl";
const REGULAR_HOURS: &str = "tho";

/// What is wrong with a candle symbol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CandleSymbolError {
    /// The instrument is missing or has braces of its own.
    #[error("{0:?} is no symbol for candles")]
    Symbol(String),
    /// The braces do not enclose `key=value` pairs at the end of the symbol.
    #[error("{0:?} does not end in {{key=value,...}}")]
    Braces(String),
    /// The interval is no period of time, ticks, volume or price.
    #[error(
        "{0:?} is no candle interval: it takes a number above zero and one of the units {units}",
        units = UNITS.join(", ")
    )]
    Interval(String),
    /// Candles have no such attribute.
    #[error("candles have no attribute {0:?}")]
    Attribute(String),
    /// An attribute does not take this value.
    #[error("the candle attribute {key:?} does not take the value {value:?}")]
    Value {
        /// The attribute.
        key: &'static str,
        /// The value as it was written.
        value: String,
    },
    /// An attribute is named twice.
    #[error("the candle attribute {0:?} is named twice")]
    Twice(String),
}

/// The symbol of candles, in normal form: attributes in order, defaults and the number 1 left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CandleSymbol {
    text: String,
    symbol_length: usize,
}

impl CandleSymbol {
    /// The candles of a symbol by interval, such as `5m`, of all trading hours or of the regular
    /// ones only.
    ///
    /// # Errors
    /// [`CandleSymbolError`] when the symbol or the interval is invalid.
    pub fn new(
        symbol: &str,
        interval: &str,
        extended_trading_hours: bool,
    ) -> Result<Self, CandleSymbolError> {
        let mut attributes =
            Attributes { period: Some(period(interval)?), ..Attributes::default() };
        if !extended_trading_hours {
            attributes.set(REGULAR_HOURS, "true")?;
        }
        attributes.of(symbol)
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The instrument, with its exchange where there is one: `AAPL&Q`.
    pub fn symbol(&self) -> &str {
        &self.text[..self.symbol_length]
    }

    /// The same candles of another instrument.
    ///
    /// # Errors
    /// [`CandleSymbolError::Symbol`] where that is missing or has braces of its own.
    pub fn with_symbol(&self, symbol: &str) -> Result<Self, CandleSymbolError> {
        if symbol.is_empty() || symbol.contains(['{', '}']) {
            return Err(CandleSymbolError::Symbol(symbol.to_owned()));
        }
        let text = format!("{symbol}{}", &self.text[self.symbol_length..]);
        Ok(Self { text, symbol_length: symbol.len() })
    }

    /// The interval in normal form; ticks are `t`.
    pub fn interval(&self) -> &str {
        self.text[self.symbol_length..]
            .strip_prefix("{=")
            .map_or("t", |period| period.split([',', '}']).next().unwrap_or(period))
    }
}

impl fmt::Display for CandleSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for CandleSymbol {
    type Err = CandleSymbolError;

    fn from_str(text: &str) -> Result<Self, CandleSymbolError> {
        let Some((symbol, rest)) = text.split_once('{') else {
            return Attributes::default().of(text);
        };
        let pairs = rest
            .strip_suffix('}')
            .filter(|pairs| !pairs.contains(['{', '}']))
            .ok_or_else(|| CandleSymbolError::Braces(text.to_owned()))?;
        let mut attributes = Attributes::default();
        let mut keys: Vec<&str> = Vec::new();
        for pair in pairs.split(',').filter(|_| !pairs.is_empty()) {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| CandleSymbolError::Braces(text.to_owned()))?;
            if keys.contains(&key) {
                return Err(CandleSymbolError::Twice(key.to_owned()));
            }
            keys.push(key);
            if key.is_empty() {
                attributes.period = Some(period(value)?);
            } else {
                attributes.set(key, value)?;
            }
        }
        attributes.of(symbol)
    }
}

/// What stands in the braces, each value in normal form.
#[derive(Default)]
struct Attributes {
    period: Option<String>,
    others: [Option<String>; ATTRIBUTES.len()],
}

impl Attributes {
    fn set(&mut self, key: &str, value: &str) -> Result<(), CandleSymbolError> {
        let at = ATTRIBUTES
            .iter()
            .position(|&(known, ..)| known == key)
            .ok_or_else(|| CandleSymbolError::Attribute(key.to_owned()))?;
        let (key, default, values) = ATTRIBUTES[at];
        self.others[at] = if key == PRICE_LEVEL {
            decimal(value)
        } else if values.contains(&value) || default == Some(value) {
            Some(value.to_owned())
        } else {
            None
        };
        if self.others[at].is_none() {
            return Err(CandleSymbolError::Value { key, value: value.to_owned() });
        }
        self.others[at].take_if(|value| default == Some(value.as_str()));
        Ok(())
    }

    fn of(self, symbol: &str) -> Result<CandleSymbol, CandleSymbolError> {
        if symbol.is_empty() || symbol.contains(['{', '}']) {
            return Err(CandleSymbolError::Symbol(symbol.to_owned()));
        }
        let period = self.period.filter(|period| period != "t").map(|period| format!("={period}"));
        let others = ATTRIBUTES
            .iter()
            .zip(self.others)
            .filter_map(|((key, ..), value)| Some(format!("{key}={}", value?)));
        let pairs: Vec<String> = period.into_iter().chain(others).collect();
        let mut text = symbol.to_owned();
        if !pairs.is_empty() {
            text = format!("{text}{{{}}}", pairs.join(","));
        }
        Ok(CandleSymbol { text, symbol_length: symbol.len() })
    }
}

/// The normal form of a period: `1d` is `d`, and `60m` stays as it is.
fn period(text: &str) -> Result<String, CandleSymbolError> {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, unit) = text.split_at(digits);
    let number = if number.is_empty() { Some("1".to_owned()) } else { decimal(number) };
    match number {
        Some(number) if UNITS.contains(&unit) => {
            Ok(if number == "1" { unit.to_owned() } else { format!("{number}{unit}") })
        }
        _ => Err(CandleSymbolError::Interval(text.to_owned())),
    }
}

/// A decimal number above zero without zeros that say nothing.
fn decimal(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| {
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    match (whole, fraction) {
        ("", "") => None,
        (_, "") => Some(whole.to_owned()),
        ("", _) => Some(format!("0.{fraction}")),
        _ => Some(format!("{whole}.{fraction}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(text: &str) -> Result<String, CandleSymbolError> {
        text.parse::<CandleSymbol>().map(|symbol| symbol.to_string())
    }

    #[test]
    fn normal_forms() {
        for (text, expected) in [
            ("AAPL", "AAPL"),
            ("AAPL{}", "AAPL"),
            ("AAPL{=t}", "AAPL"),
            ("AAPL{=1t}", "AAPL"),
            ("AAPL{=10t}", "AAPL{=10t}"),
            ("AAPL{=1d}", "AAPL{=d}"),
            ("AAPL{=1m}", "AAPL{=m}"),
            ("AAPL{=01.0m}", "AAPL{=m}"),
            ("AAPL{=60m}", "AAPL{=60m}"),
            ("AAPL{=0.50p}", "AAPL{=0.5p}"),
            ("SPX{tho=true,=5m}", "SPX{=5m,tho=true}"),
            ("AAPL{=5m,price=last}", "AAPL{=5m}"),
            ("AAPL{=d,a=m,tho=false}", "AAPL{=d}"),
            (
                "AAPL&Q{tho=true,price=mark,pl=0.10,a=s,=2h,dt=rth}",
                "AAPL&Q{=2h,a=s,dt=rth,pl=0.1,price=mark,tho=true}",
            ),
            ("/ES:XCME{=mo}", "/ES:XCME{=mo}"),
            ("AAPL{price=s}", "AAPL{price=s}"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, expected) in [
            ("", r#""" is no symbol for candles"#),
            ("{=d}", r#""" is no symbol for candles"#),
            ("AAPL{=d", r#""AAPL{=d" does not end in {key=value,...}"#),
            ("AAPL{=d}x", r#""AAPL{=d}x" does not end in {key=value,...}"#),
            ("AAPL{d}", r#""AAPL{d}" does not end in {key=value,...}"#),
            ("AAPL{=d,}", r#""AAPL{=d,}" does not end in {key=value,...}"#),
            ("AAPL{=d}{=d}", r#""AAPL{=d}{=d}" does not end in {key=value,...}"#),
            ("AAPL{=d,=d}", r#"the candle attribute "" is named twice"#),
            ("AAPL{tho=false,tho=true}", r#"the candle attribute "tho" is named twice"#),
            ("AAPL{=d,Tho=true}", r#"candles have no attribute "Tho""#),
            ("AAPL{tho=yes}", r#"the candle attribute "tho" does not take the value "yes""#),
            ("AAPL{price=}", r#"the candle attribute "price" does not take the value """#),
            ("AAPL{pl=0}", r#"the candle attribute "pl" does not take the value "0""#),
        ] {
            assert_eq!(normal(text).map_err(|error| error.to_string()), Err(expected.into()));
        }
        for interval in ["nonsense", "", "5", "0m", "-5m", "5M", "5 m", "1.m", ".5m", "1..2m", "m5"]
        {
            assert_eq!(
                normal(&format!("A{{={interval}}}")),
                Err(CandleSymbolError::Interval(interval.into()))
            );
        }
        assert_eq!(
            normal("A{=nonsense}").unwrap_err().to_string(),
            "\"nonsense\" is no candle interval: it takes a number above zero and one of the \
             units t, s, m, h, d, w, mo, o, y, v, p, pm, pr"
        );
    }

    #[test]
    fn from_symbol_and_interval() {
        let new = |symbol, interval, extended| {
            CandleSymbol::new(symbol, interval, extended).map(|candle| candle.to_string())
        };
        assert_eq!(new("SPX", "5m", true).as_deref(), Ok("SPX{=5m}"));
        assert_eq!(new("SPX", "1m", false).as_deref(), Ok("SPX{=m,tho=true}"));
        assert_eq!(new("SPX", "t", true).as_deref(), Ok("SPX"));
        for interval in ["nonsense", "5m,price=bid", "None"] {
            let expected = CandleSymbolError::Interval(interval.into());
            assert_eq!(new("SPX", interval, true), Err(expected));
        }
        assert_eq!(new("SPX{=d}", "5m", true), Err(CandleSymbolError::Symbol("SPX{=d}".into())));
    }

    #[test]
    fn of_another_instrument() {
        let candle: CandleSymbol = "AAPL{=5m,tho=true}".parse().unwrap();
        let other = candle.with_symbol("/ESZ25:XCME").unwrap();
        assert_eq!(Ok(other), "/ESZ25:XCME{=5m,tho=true}".parse());
        for symbol in ["", "SPX{=d}"] {
            assert_eq!(candle.with_symbol(symbol), Err(CandleSymbolError::Symbol(symbol.into())));
        }
    }

    #[test]
    fn parts() {
        for (text, symbol, interval) in [
            ("AAPL&Q{=1d,tho=true}", "AAPL&Q", "d"),
            ("AAPL{tho=true}", "AAPL", "t"),
            ("AAPL{=15s}", "AAPL", "15s"),
            ("AAPL", "AAPL", "t"),
        ] {
            let candle: CandleSymbol = text.parse().unwrap();
            assert_eq!((candle.symbol(), candle.interval()), (symbol, interval));
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_does_not_depend_on_order_and_stays(
            pairs in Just(["=15m", "tho=true", "a=s", "price=bid", "pl=0.5", "dt=all"].to_vec())
                .prop_shuffle(),
            count in 1_usize..6,
        ) {
            let text = format!("AAPL{{{}}}", pairs[..count].join(","));
            let mut sorted = pairs[..count].to_vec();
            sorted.sort_unstable();
            let expected = format!("AAPL{{{}}}", sorted.join(","));
            prop_assert_eq!(normal(&text), Ok(expected.clone()));
            prop_assert_eq!(normal(&expected), Ok(expected.clone()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[A-Z]{0,2}\\{?[=,a-z0-9.{}]{0,20}\\}?") {
            if let Ok(symbol) = normal(&text) {
                prop_assert_eq!(normal(&symbol), Ok(symbol.clone()));
            }
        }
    }
}
