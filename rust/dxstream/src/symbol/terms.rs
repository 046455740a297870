//! What the symbol of an option says, in any notation.

use super::date::{Date, month};
use super::futures::{FutureOption, decimal};
use super::occ::OptionSymbol;

/// The terms of an option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptionTerms<'a> {
    /// The root of the option, which may be another than that of its underlying.
    pub root: &'a str,
    /// The day of expiry; none where the symbol names a contract month alone.
    pub expiry: Option<Date>,
    /// Whether it is a call and not a put.
    pub is_call: bool,
    /// The strike; below zero for some options on futures.
    pub strike: f64,
}

impl<'a> OptionTerms<'a> {
    /// Reads `AAPL  250117C00150000`, `.AAPL250117C150`, `./ESZ5 EW4Z5 251226C6900` and
    /// `./EW4Z25C6900:XCME`; none if the symbol is of no option.
    pub fn read(symbol: &'a str) -> Option<Self> {
        let Some(text) = symbol.strip_prefix('.') else {
            let option = OptionSymbol::from_occ(symbol).ok()?;
            return Some(Self {
                root: &symbol[..option.root().len()],
                expiry: Some(option.expiry()),
                is_call: option.is_call(),
                strike: f64::from(option.strike_thousandths()) / 1000.0,
            });
        };
        if text.contains(' ') {
            let option = FutureOption::read(symbol).ok()?;
            let strike = option.strike.parse().ok()?;
            let (root, expiry) = (option.root(), Some(option.expiry));
            return Some(Self { root, expiry, is_call: option.is_call, strike });
        }
        let (contract, exchange) = match text.split_once(':') {
            Some((contract, exchange)) => (contract, Some(exchange)),
            None => (text, None),
        };
        let at = contract.rfind(['C', 'P'])?;
        let (named, rest) = contract.split_at(at);
        let (root, expiry) = match named.strip_prefix('/') {
            Some(named) => month_named(named)?,
            None => day_named(named).or_else(|| month_named(named))?,
        };
        let is_root = !root.is_empty() && !root.contains(char::is_whitespace);
        if !is_root || root.starts_with('.') || exchange.is_some_and(str::is_empty) {
            return None;
        }
        let strike = decimal(&rest[1..])?.parse().ok()?;
        if strike < 0.0 && !named.starts_with('/') {
            return None;
        }
        Some(Self { root, expiry, is_call: rest.starts_with('C'), strike })
    }
}

/// The root and day of `AAPL250117`.
fn day_named(named: &str) -> Option<(&str, Option<Date>)> {
    let (root, date) = named.split_at_checked(named.len().checked_sub(6)?)?;
    Some((root, Some(Date::from_yymmdd(date)?)))
}

/// The root of `EW4Z25`, which names the month of the contract, and root and day of `FLX.DN2229`.
fn month_named(named: &str) -> Option<(&str, Option<Date>)> {
    let digits = named.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (rest, digits) = named.split_at(named.len() - digits);
    let (root, letter) = rest.split_at_checked(rest.len().checked_sub(1)?)?;
    let month = month(*letter.as_bytes().first()?)?;
    let number: u32 = digits.parse().ok()?;
    match digits.len() {
        2 => Some((root, None)),
        4 => Some((root, Some(Date::new(2000 + number / 100, month, number % 100)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_notation_is_read() {
        let day = Date::new;
        for (symbol, root, expiry, is_call, strike) in [
            ("AAPL  250117C00150000", "AAPL", day(2025, 1, 17), true, 150.0),
            ("AAPL1 250117P00000500", "AAPL1", day(2025, 1, 17), false, 0.5),
            (".AAPL250117C150", "AAPL", day(2025, 1, 17), true, 150.0),
            (".SPXW260619P4502.5", "SPXW", day(2026, 6, 19), false, 4502.5),
            (".BRK/B260717C7", "BRK/B", day(2026, 7, 17), true, 7.0),
            (".C250117C50", "C", day(2025, 1, 17), true, 50.0),
            (".OESZ220916C1580:XEUR", "OESZ", day(2022, 9, 16), true, 1580.0),
            (".AF1U22C4.8:XMON", "AF1", None, true, 4.8),
            ("./ESZ5 EW4Z5 251226C6900", "EW4", day(2025, 12, 26), true, 6900.0),
            ("./GCG6 OGF6  251223P2075", "OG", day(2025, 12, 23), false, 2075.0),
            ("./EW4Z25C6900:XCME", "EW4", None, true, 6900.0),
            ("./EW4Z25C6900", "EW4", None, true, 6900.0),
            ("./B7AF23P-2.5:XNYM", "B7A", None, false, -2.5),
            ("./FLX.DN2229P7075:IFLO", "FLX.D", day(2022, 7, 29), false, 7075.0),
        ] {
            let expected = OptionTerms { root, expiry, is_call, strike };
            assert_eq!(OptionTerms::read(symbol), Some(expected), "{symbol}");
        }
    }

    #[test]
    fn other_symbols_are_of_no_option() {
        for symbol in [
            "",
            "AAPL",
            "/ESZ25:XCME",
            "AAPL250117C150",
            "AAPL 250117C00150000",
            ".C150",
            ".AAPL251317C150",
            ".AAPL250117C",
            ".AAPL250117C-5",
            ".AAPL250117C150:",
            ".AAPL250117C1e3",
            ".250117C150",
            "..A250117C150",
            ".A A250117C150",
            "./ESU25",
            "./EWA25C6900:XCME",
            "./Z25C6900",
            "./FLX.DN2232P7075:IFLO",
            "./ESZ5 EW4Z5 251326C6900",
            "./ÉC5",
            ".é50117C5",
        ] {
            assert_eq!(OptionTerms::read(symbol), None, "{symbol}");
        }
    }

    proptest! {
        #[test]
        fn strikes_are_exact(thousandths in 1..100_000_000_u32) {
            let occ = format!("AAPL  250117C{thousandths:08}");
            let dxfeed = OptionSymbol::from_occ(&occ).unwrap().to_dxfeed();
            let expected = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            let read = |symbol: &str| OptionTerms::read(symbol).map(|terms| terms.strike);
            prop_assert_eq!(read(&occ), expected.parse().ok());
            prop_assert_eq!(read(&dxfeed), expected.parse().ok());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\.?/?[A-Zé0-9 .]{0,8}[0-9]{0,8}[CP]?[0-9.:-]{0,9}") {
            let _ = OptionTerms::read(&text);
        }
    }
}
