//! What was probably meant by a symbol that no server answers.

use super::occ::OptionSymbol;

/// The digits of an OCC strike.
const OCC_STRIKE: usize = 8;

/// The symbol that was probably meant, where `symbol` is an option in another notation than dxFeed's,
/// or has small letters.
pub fn suggest(symbol: &str) -> Option<String> {
    if symbol.contains(['{', ':']) {
        return None;
    }
    let compact: String = symbol.chars().filter(|c| !c.is_whitespace()).collect();
    let upper = compact.to_ascii_uppercase();
    let suggestion = option(upper.trim_start_matches('.')).or_else(|| {
        // The letters of a security; spreads and the like have their own.
        let plain =
            upper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"$/.".contains(&byte));
        (plain && !upper.is_empty()).then_some(upper)
    })?;
    (suggestion != symbol).then_some(suggestion)
}

/// The dxFeed symbol of an option, whose contract is written without spaces and without a point.
fn option(contract: &str) -> Option<String> {
    let (named, strike) = contract.split_at_checked(contract.rfind(['C', 'P'])? + 1)?;
    // So many digits are OCC's thousandths, for no strike is as high.
    if strike.len() == OCC_STRIKE && strike.bytes().all(|byte| byte.is_ascii_digit()) {
        let (root, of_root) = named.split_at_checked(named.len().checked_sub(7)?)?;
        let occ = format!("{root:<6}{of_root}{strike}");
        return OptionSymbol::from_occ(&occ).ok().map(|option| option.to_dxfeed());
    }
    let (whole, places) = strike.split_once('.').unwrap_or((strike, ""));
    let (whole, places) = (whole.trim_start_matches('0'), places.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if places.is_empty() { "" } else { "." };
    let option = OptionSymbol::from_dxfeed(&format!(".{named}{whole}{point}{places}"));
    option.ok().map(|option| option.to_dxfeed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            assert_eq!(suggest(written).as_deref(), Some(".AAPL250117C150.5"), "{written}");
        }
        assert_eq!(suggest("XYZ   250117P00000500").as_deref(), Some(".XYZ250117P0.5"));
        assert_eq!(suggest("AAPL1 250117C00150000").as_deref(), Some(".AAPL1250117C150"));
    }

    #[test]
    fn small_letters_become_capitals() {
        assert_eq!(suggest("spy").as_deref(), Some("SPY"));
        assert_eq!(suggest("brk/b").as_deref(), Some("BRK/B"));
    }

    #[test]
    fn nothing_better_is_known_of_what_may_be_right() {
        for symbol in [
            "SPY",
            "BRK/B",
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
            assert_eq!(suggest(symbol), None, "{symbol}");
        }
    }

    proptest! {
        #[test]
        fn an_occ_symbol_leads_to_its_option_and_that_is_final(
            root in "[A-Z][A-Z0-9]{0,5}",
            (year, month, day) in (0..100, 1..13, 1..29),
            right in "[CP]",
            strike in 1..100_000_000,
        ) {
            let occ = format!("{root:<6}{year:02}{month:02}{day:02}{right}{strike:08}");
            let expected = OptionSymbol::from_occ(&occ).unwrap().to_dxfeed();
            prop_assert_eq!(suggest(&occ), Some(expected.clone()));
            prop_assert_eq!(suggest(&expected), None);
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,24}") {
            if let Some(better) = suggest(&text) {
                prop_assert_eq!(suggest(&better), None);
            }
        }
    }
}
