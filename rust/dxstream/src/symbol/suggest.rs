//! What was probably meant by a symbol that no server answers.

use super::date::Date;
use super::futures::{FutureOption, future_to_dxfeed, is_future};
use super::occ::OptionSymbol;
use super::products::{exchange_of, exchange_of_options};
use super::terms::OptionTerms;

/// The digits of an OCC strike.
const OCC_STRIKE: usize = 8;

/// The exchange suffix under which tastytrade has its cryptocurrencies, all in dollars.
const CRYPTO: (&str, [&str; 5]) = ("CXTALP", ["BCH", "BTC", "DOGE", "ETH", "LTC"]);

/// The symbol that was probably meant, where `symbol` is in another notation than dxFeed's, lacks its
/// exchange, or has small letters.
///
/// The last digit of a future's year is read as [`to_dxfeed`](super::to_dxfeed) does.
pub fn suggest(symbol: &str, this_year: u32) -> Option<String> {
    if symbol.contains(['{', ':']) {
        return None;
    }
    let upper = symbol.trim().to_ascii_uppercase();
    let suggestion = if upper.starts_with("./") {
        option_on_future(&upper)?
    } else if is_future(&upper) {
        future_to_dxfeed(&upper, this_year).ok()?
    } else {
        let compact: String = upper.chars().filter(|c| !c.is_whitespace()).collect();
        option(compact.trim_start_matches('.'))
            .or_else(|| future(&upper))
            .or_else(|| crypto_to_dxfeed(&upper))
            .or_else(|| {
                // The letters of a security; spreads and the like have their own.
                let plain = upper
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"$/.".contains(&byte));
                (plain && !upper.is_empty()).then(|| upper.clone())
            })?
    };
    (suggestion != symbol).then_some(suggestion)
}

/// The dxFeed symbol of a cryptocurrency as tastytrade has it: `BTC/USD:CXTALP` for `BTC/USD`.
pub fn crypto_to_dxfeed(symbol: &str) -> Option<String> {
    let (exchange, coins) = CRYPTO;
    let coin = symbol.strip_suffix("/USD")?;
    coins.contains(&coin).then(|| format!("{symbol}:{exchange}"))
}

/// The symbol of a future, `/ESZ25`, with its exchange.
fn future(symbol: &str) -> Option<String> {
    let contract = symbol.strip_prefix('/')?;
    let (named, year) = contract.split_at_checked(contract.len().checked_sub(2)?)?;
    let of_one_digit = format!("/{named}{}", year.get(1..)?);
    year.parse::<u8>().ok().filter(|_| is_future(&of_one_digit))?;
    let product = named.get(..named.len() - 1)?;
    exchange_of(product).map(|exchange| format!("{symbol}:{exchange}"))
}

/// The dxFeed symbol of an option on a future, which lacks its exchange or is written in tastytrade's
/// way with another number of spaces.
fn option_on_future(symbol: &str) -> Option<String> {
    let words: Vec<&str> = symbol.split_whitespace().collect();
    let respaced = match *words {
        [_] => {
            let root = OptionTerms::read(symbol)?.root;
            return exchange_of_options(root).map(|exchange| format!("{symbol}:{exchange}"));
        }
        [future, contract, terms] => format!("{future} {contract:<6}{terms}"),
        _ => symbol.to_owned(),
    };
    FutureOption::read(&respaced).ok()?.to_dxfeed().ok()
}

/// The dxFeed symbol of an option, whose contract is written without spaces and without a point.
fn option(contract: &str) -> Option<String> {
    let (named, strike) = contract.split_at_checked(contract.rfind(['C', 'P'])? + 1)?;
    let (whole, places) = strike.split_once('.').unwrap_or((strike, ""));
    // So many digits are OCC's thousandths, for no strike is as high; of nearly as many, some are missing
    // or too many.
    if strike.len() == OCC_STRIKE && places.is_empty() {
        let (root, of_root) = named.split_at_checked(named.len().checked_sub(7)?)?;
        let (date, right) = of_root.split_at_checked(6)?;
        let date = in_order(date)?;
        let option = OptionSymbol::from_occ(&format!("{root:<6}{date}{right}{strike}"));
        return option.ok().map(|option| option.to_dxfeed());
    }
    if whole.len() > 5 {
        return None;
    }
    let (whole, places) = (whole.trim_start_matches('0'), places.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if places.is_empty() { "" } else { "." };
    let option = OptionSymbol::from_dxfeed(&format!(".{named}{whole}{point}{places}"));
    option.ok().map(|option| option.to_dxfeed())
}

/// A date as `yymmdd`, where it is that, or is a date in one other order alone.
fn in_order(date: &str) -> Option<String> {
    if Date::from_yymmdd(date).is_some() {
        return Some(date.to_owned());
    }
    let (first, second, third) = (date.get(..2)?, date.get(2..4)?, date.get(4..)?);
    let mut orders = [
        format!("{first}{third}{second}"),
        format!("{third}{first}{second}"),
        format!("{third}{second}{first}"),
    ]
    .into_iter()
    .filter(|date| Date::from_yymmdd(date).is_some());
    orders.next().filter(|_| orders.next().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::symbol::tests::any_occ;

    #[test]
    fn other_notations_of_options_lead_to_dxfeed() {
        for written in [
            "AAPL  250117C00150500",
            "AAPL 250117C00150500",
            "AAPL250117C00150500",
            ".AAPL250117C00150500",
            "aapl  250117c00150500",
            "AAPL250117C150.5",
            ".AAPL250117C150.50",
            ".AAPL250117C150.5000",
            ".AAPL250117C0150.5",
            ".aapl250117c150.5",
            " .AAPL250117C150.5",
        ] {
            assert_eq!(suggest(written, 2025).as_deref(), Some(".AAPL250117C150.5"), "{written}");
        }
        assert_eq!(suggest("XYZ   250117P00000500", 2025).as_deref(), Some(".XYZ250117P0.5"));
        assert_eq!(suggest("AAPL1 250117C00150000", 2025).as_deref(), Some(".AAPL1250117C150"));
    }

    #[test]
    fn small_letters_become_capitals() {
        assert_eq!(suggest("spy", 2025).as_deref(), Some("SPY"));
        assert_eq!(suggest("brk/b", 2025).as_deref(), Some("BRK/B"));
    }

    #[test]
    fn dates_in_another_order_are_put_right_where_there_is_but_one() {
        for written in ["AAPL  011725C00150000", "AAPL  251701C00150000"] {
            assert_eq!(suggest(written, 2025).as_deref(), Some(".AAPL250117C150"), "{written}");
        }
        for written in ["AAPL  251317C00150000", "AAPL  320132C00150000"] {
            assert_eq!(suggest(written, 2025), None, "{written}");
        }
    }

    #[test]
    fn strikes_that_lack_a_digit_are_not_guessed() {
        for written in ["AAPL  250117C0015000", "AAPL  250117C001500000", "AAPL250117C015000"] {
            assert_ne!(suggest(written, 2025).as_deref(), Some(".AAPL250117C15000"), "{written}");
            assert_ne!(suggest(written, 2025).as_deref(), Some(".AAPL250117C150"), "{written}");
        }
    }

    #[test]
    fn futures_get_their_exchange() {
        for (written, expected) in [
            ("/ESZ5", "/ESZ25:XCME"),
            ("/esz5", "/ESZ25:XCME"),
            ("/ESZ25", "/ESZ25:XCME"),
            ("./EW4Z25C6900", "./EW4Z25C6900:XCME"),
            ("./ESZ5 EW4Z5 251226C6900", "./EW4Z25C6900:XCME"),
            ("./ESZ5  EW4Z5  251226C6900", "./EW4Z25C6900:XCME"),
            ("./ESZ5 ESZ5 251219c800", "./ESZ25C800:XCME"),
            ("BTC/USD", "BTC/USD:CXTALP"),
            ("eth/usd", "ETH/USD:CXTALP"),
        ] {
            assert_eq!(suggest(written, 2025).as_deref(), Some(expected), "{written}");
        }
    }

    #[test]
    fn nothing_better_is_known_of_what_may_be_right() {
        for symbol in [
            "SPY",
            "BRK/B",
            "EUR/USD",
            "/ES",
            "/QQQQZ5",
            "/QQQQZ25",
            "./QQQQZ25C6900",
            "./QQQQZ5 QQQZ5 251226C6900",
            "SPY AAPL",
            "$VIX",
            "/ESZ25:XCME",
            "/eszz:xcme",
            ".AAPL250117C150",
            "aapl{=5m}",
            "=.A-2*.B",
            "",
            "é",
            "CéC",
        ] {
            assert_eq!(suggest(symbol, 2025), None, "{symbol}");
        }
    }

    proptest! {
        #[test]
        fn an_occ_symbol_leads_to_its_option_and_that_is_final(occ in any_occ()) {
            let expected = OptionSymbol::from_occ(&occ).unwrap().to_dxfeed();
            prop_assert_eq!(suggest(&occ, 2025), Some(expected.clone()));
            prop_assert_eq!(suggest(&expected, 2025), None);
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,24}") {
            if let Some(better) = suggest(&text, 2025) {
                prop_assert_eq!(suggest(&better, 2025), None);
            }
        }
    }
}
