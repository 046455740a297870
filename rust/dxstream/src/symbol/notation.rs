//! The symbols that tastytrade and its users write, converted to those of dxFeed.

use std::borrow::Cow;

use super::candle::{CandleSymbol, CandleSymbolError};
use super::futures::{FutureOption, FutureSymbolError, future_to_dxfeed, is_future};
use super::occ::{OptionSymbol, OptionSymbolError};
use super::suggest::suggest;

/// Why a symbol of another notation than dxFeed's cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotationError {
    /// It looks like an OCC symbol and is none.
    #[error("{symbol:?} is no OCC symbol: {error}{}", question(.meant.as_deref()))]
    Occ {
        /// The symbol as it was written.
        symbol: String,
        /// What is wrong.
        error: OptionSymbolError,
        /// The dxFeed symbol that was probably meant.
        meant: Option<String>,
    },
    /// It looks like an option on a future and is none, or one of an unknown product.
    #[error("{symbol:?} cannot be converted: {error}{}", advice(.error, .symbol, .meant.as_deref()))]
    Future {
        /// The symbol as it was written.
        symbol: String,
        /// What is wrong.
        error: FutureSymbolError,
        /// The dxFeed symbol that was probably meant.
        meant: Option<String>,
    },
    /// It has white space in it and looks like no option.
    #[error("{symbol:?} has white space in it, as only symbols of options may{}", other(.meant.as_deref()))]
    Space {
        /// The symbol as it was written.
        symbol: String,
        /// The symbol that was probably meant.
        meant: Option<String>,
    },
    /// It is no candle symbol.
    #[error("the candle symbol {symbol:?}: {error}")]
    Candle {
        /// The symbol as it was written.
        symbol: String,
        /// What is wrong.
        error: CandleSymbolError,
    },
    /// It is of no option that OCC clears.
    #[error("{symbol:?} has no OCC symbol: {error}")]
    NoOcc {
        /// The symbol as it was written.
        symbol: String,
        /// What is wrong.
        error: OptionSymbolError,
    },
}

fn question(meant: Option<&str>) -> Cow<'static, str> {
    meant.map_or(Cow::Borrowed(""), |meant| format!("; did you mean {meant:?}?").into())
}

fn other(meant: Option<&str>) -> Cow<'static, str> {
    meant.map_or("; several symbols are a list".into(), |meant| question(Some(meant)))
}

fn advice(error: &FutureSymbolError, symbol: &str, meant: Option<&str>) -> Cow<'static, str> {
    if !matches!(error, FutureSymbolError::Product(_)) {
        return question(meant);
    }
    let (instruments, example) = if symbol.starts_with('.') {
        ("future-options", "./EW4Z25C6900:XCME")
    } else {
        ("futures", "/ESZ25:XCME")
    };
    format!("; pass its streamer-symbol of REST /instruments/{instruments}, as {example:?}").into()
}

/// The dxFeed symbol of what a user wrote: OCC's `AAPL  250117C00150000`, tastytrade's `/ESZ5` and
/// `./ESZ5 EW4Z5 251226C6900`; any other symbol is as it was.
///
/// `this_year` tells which year the last digit of a future's year means: the last one, this one or one of
/// the eight to come.
///
/// # Errors
/// [`NotationError`] for what looks like one of these notations and is wrong; no symbol that dxFeed has
/// does.
pub fn to_dxfeed(symbol: &str, this_year: u32) -> Result<Cow<'_, str>, NotationError> {
    let has_space = symbol.contains(char::is_whitespace);
    let refused = |error| NotationError::Future {
        symbol: symbol.to_owned(),
        error,
        meant: suggest(symbol, this_year),
    };
    if has_space && symbol.trim_start().starts_with("./") {
        let converted = FutureOption::read(symbol).and_then(|option| option.to_dxfeed());
        return converted.map(Cow::Owned).map_err(refused);
    }
    if is_future(symbol) {
        return future_to_dxfeed(symbol, this_year).map(Cow::Owned).map_err(refused);
    }
    if looks_like_occ(symbol) {
        let option = OptionSymbol::from_occ(symbol).map_err(|error| NotationError::Occ {
            symbol: symbol.to_owned(),
            error,
            meant: suggest(symbol, this_year),
        })?;
        return Ok(Cow::Owned(option.to_dxfeed()));
    }
    if has_space {
        let meant = suggest(symbol, this_year);
        return Err(NotationError::Space { symbol: symbol.to_owned(), meant });
    }
    Ok(Cow::Borrowed(symbol))
}

/// The candle symbol in normal form, its instrument converted as [`to_dxfeed`] does.
///
/// # Errors
/// [`NotationError`] where the instrument, or what is in braces, is wrong.
pub fn candle_to_dxfeed(symbol: &str, this_year: u32) -> Result<CandleSymbol, NotationError> {
    let wrong = |error| NotationError::Candle { symbol: symbol.to_owned(), error };
    let candle: CandleSymbol = symbol.parse().map_err(wrong)?;
    candle.with_symbol(&to_dxfeed(candle.symbol(), this_year)?).map_err(wrong)
}

/// The OCC symbol of an option on equities or an index, from its dxFeed or its OCC symbol.
///
/// # Errors
/// [`NotationError`] for what is neither.
pub fn to_occ(symbol: &str) -> Result<String, NotationError> {
    let option = if symbol.starts_with('.') {
        OptionSymbol::from_dxfeed(symbol)
    } else {
        OptionSymbol::from_occ(symbol)
    };
    option
        .map(|option| option.to_occ())
        .map_err(|error| NotationError::NoOcc { symbol: symbol.to_owned(), error })
}

/// Whether a symbol has the shape of OCC's, right or wrong: in letters and digits, apart from white
/// space, with a date of about six digits and a strike of about eight.
///
/// dxFeed writes neither white space nor strikes so long, and begins symbols of options with a point;
/// after one, only eight digits count, for strikes of futures have up to seven.
fn looks_like_occ(symbol: &str) -> bool {
    let text = symbol.strip_prefix('.').unwrap_or(symbol);
    let has_space = text.contains(char::is_whitespace);
    let letters = || text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    if !text.is_ascii() || !letters().all(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    let digits = |skipped| letters().rev().skip(skipped).take_while(u8::is_ascii_digit).count();
    let strike = digits(0);
    let right = letters().rev().nth(strike);
    let date = digits(strike + 1);
    let is_option = right.is_some_and(|right| b"CPcp".contains(&right));
    let is_long = match (has_space, symbol.starts_with('.')) {
        (true, _) => true,
        (false, true) => strike == 8,
        (false, false) => (7..=9).contains(&strike),
    };
    // The root may end in a digit, and one of the date may be missing.
    is_option && is_long && date >= 5
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::symbol::tests::any_occ;

    fn dxfeed(symbol: &str) -> Result<String, String> {
        to_dxfeed(symbol, 2025).map(Cow::into_owned).map_err(|error| error.to_string())
    }

    #[test]
    fn other_notations_are_converted() {
        for (written, expected) in [
            ("AAPL  250117C00150000", ".AAPL250117C150"),
            ("SPXW  241125P05990000", ".SPXW241125P5990"),
            ("F     250117C00012500", ".F250117C12.5"),
            ("AAPL1 250117C00150000", ".AAPL1250117C150"),
            ("ABCDEF250117C00150000", ".ABCDEF250117C150"),
            ("/ESZ5", "/ESZ25:XCME"),
            ("./ESZ5 EW4Z5 251226C6900", "./EW4Z25C6900:XCME"),
        ] {
            assert_eq!(dxfeed(written).as_deref(), Ok(expected), "{written}");
            assert_eq!(dxfeed(expected).as_deref(), Ok(expected), "{expected}");
        }
    }

    #[test]
    fn symbols_of_dxfeed_stay_as_they_are() {
        for symbol in [
            "AAPL",
            "aapl",
            "BRK/B",
            "BTC/USD",
            "BTC/USD:CXTALP",
            "AAPL&Q",
            "$VIX",
            "/ES",
            "/ES:XCME",
            "/ESZ25",
            "/ESZ25:XCME",
            "/SR3",
            "/A5:XNYM",
            "./ESU25P900:XCME",
            ".AAPL250117C150",
            ".AAPL251317C150",
            "AAPL250117C150",
            "03/22_USB:XNFI",
            "EUR/JPY:AFX",
            "AED/CNY{mm=COMP}",
            "=.A-2*.B",
            "Ä/ß",
            "",
        ] {
            assert_eq!(dxfeed(symbol).as_deref(), Ok(symbol));
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_was_meant() {
        for (written, expected) in [
            (
                "AAPL 250117C00150000",
                r#""AAPL 250117C00150000" is no OCC symbol: it has 20 characters instead of 21: a root padded with spaces to 6, yymmdd, C or P, and eight digits; did you mean ".AAPL250117C150"?"#,
            ),
            (
                "AAPL  250117C0015000",
                r#""AAPL  250117C0015000" is no OCC symbol: it has 20 characters instead of 21: a root padded with spaces to 6, yymmdd, C or P, and eight digits"#,
            ),
            (
                "AAPL  251317C00150000",
                r#""AAPL  251317C00150000" is no OCC symbol: the expiry is no date yymmdd"#,
            ),
            (
                "AAPL  011725C00150000",
                r#""AAPL  011725C00150000" is no OCC symbol: the expiry is no date yymmdd; did you mean ".AAPL250117C150"?"#,
            ),
            (
                "AAPL  250117C00000000",
                r#""AAPL  250117C00000000" is no OCC symbol: the strike is not between 0.001 and 99999.999 in steps of 0.001"#,
            ),
            (
                "aapl  250117c00150000",
                r#""aapl  250117c00150000" is no OCC symbol: it has small letters; did you mean ".AAPL250117C150"?"#,
            ),
            (
                " .AAPL250117C150",
                r#"" .AAPL250117C150" has white space in it, as only symbols of options may; did you mean ".AAPL250117C150"?"#,
            ),
            (
                "SPY AAPL",
                r#""SPY AAPL" has white space in it, as only symbols of options may; several symbols are a list"#,
            ),
            (
                "SPY ",
                r#""SPY " has white space in it, as only symbols of options may; did you mean "SPY"?"#,
            ),
            (
                "/QQQQZ5",
                r#""/QQQQZ5" cannot be converted: the exchange of the product QQQQ is not known; pass its streamer-symbol of REST /instruments/futures, as "/ESZ25:XCME""#,
            ),
            (
                "./QQQQZ5 QQQZ5 251226C6900",
                r#""./QQQQZ5 QQQZ5 251226C6900" cannot be converted: the exchange of the product QQQQ is not known; pass its streamer-symbol of REST /instruments/future-options, as "./EW4Z25C6900:XCME""#,
            ),
            (
                "./ESZ5 ESZ5 251219C800",
                r#""./ESZ5 ESZ5 251219C800" cannot be converted: it is not of the form ./ESZ5 EW4Z5 251226C6900, the contract padded with spaces to 6; did you mean "./ESZ25C800:XCME"?"#,
            ),
            (
                "./ESZ5 EW4Z5 251326C6900",
                r#""./ESZ5 EW4Z5 251326C6900" cannot be converted: the expiry is no date yymmdd"#,
            ),
        ] {
            assert_eq!(dxfeed(written), Err(expected.to_owned()));
        }
        for written in [
            "AAPL250117C00150000",
            ".AAPL250117C00150000",
            "aapl250117c00150000",
            "AAPL  25117C00150000",
            "AAPL25117C00150000",
            "AAPL  250117C001500000",
            "AAPL  250117C150",
            "TOOLONG250117C00150000",
        ] {
            let error = dxfeed(written).unwrap_err();
            assert!(error.contains("is no OCC symbol") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn candles_of_other_notations_are_converted() {
        let candle = |symbol| {
            candle_to_dxfeed(symbol, 2025)
                .map(|candle| candle.to_string())
                .map_err(|error| error.to_string())
        };
        for (written, expected) in [
            ("AAPL{=1d}", "AAPL{=d}"),
            ("AAPL  250117C00150000{tho=true,=5m}", ".AAPL250117C150{=5m,tho=true}"),
            ("/ESZ5{=h}", "/ESZ25:XCME{=h}"),
        ] {
            assert_eq!(candle(written).as_deref(), Ok(expected));
        }
        let error = candle("AAPL 250117C00150000{=d}").unwrap_err();
        assert!(error.starts_with("\"AAPL 250117C00150000\" is no OCC symbol"), "{error}");
        let expected = r#"the candle symbol "A{=m": "A{=m" does not end in {key=value,...}"#;
        assert_eq!(candle("A{=m"), Err(expected.into()));
    }

    #[test]
    fn occ_symbols_of_options_and_of_nothing_else() {
        for (written, expected) in [
            (".AAPL250117C150", "AAPL  250117C00150000"),
            ("AAPL  250117C00150000", "AAPL  250117C00150000"),
        ] {
            assert_eq!(to_occ(written).as_deref(), Ok(expected));
        }
        for (written, expected) in [
            ("./EW4Z25C6900:XCME", "OCC clears no options on futures"),
            ("./ESZ5 EW4Z5 251226C6900", "OCC clears no options on futures"),
            (".AAPL251317C150", "the expiry is no date yymmdd"),
            ("AAPL", "it has 4 characters instead of 21"),
        ] {
            let error = to_occ(written).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{written:?} has no OCC symbol: ")), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn both_ways(occ in any_occ()) {
            let converted = dxfeed(&occ).unwrap();
            prop_assert_eq!(dxfeed(&converted), Ok(converted.clone()));
            prop_assert_eq!(to_occ(&converted), Ok(occ));
        }

        #[test]
        fn any_text_is_converted_for_good_or_refused_in_one_line(
            text in "[./]{0,2}[A-Za-zé0-9 ]{0,8}[0-9]{0,8}[CPcp]?[0-9. ]{0,9}",
        ) {
            match dxfeed(&text) {
                Ok(converted) => prop_assert_eq!(dxfeed(&converted), Ok(converted.clone())),
                Err(error) => prop_assert!(!error.contains('\n')),
            }
        }

        #[test]
        fn any_character_is_bearable(text in "\\PC{0,30}") {
            let _ = (dxfeed(&text), to_occ(&text));
        }
    }
}
