//! What may be a symbol at all.

use crate::error::{Error, Result};

/// Most bytes of a symbol. Spreads with many legs are the longest that exist.
pub const MAX_SYMBOL: usize = 1024;

/// Accepts what can be sent to a server as a symbol.
///
/// # Errors
/// [`Error::InvalidArgument`] for an empty symbol, a control character, or more than [`MAX_SYMBOL`]
/// bytes.
pub fn check(symbol: &str) -> Result<()> {
    if symbol.is_empty() {
        return Err(Error::InvalidArgument("a symbol is empty".into()));
    }
    if symbol.len() > MAX_SYMBOL {
        return Err(Error::InvalidArgument(format!(
            "a symbol has {} bytes; at most {MAX_SYMBOL} are allowed",
            symbol.len()
        )));
    }
    if symbol.chars().any(char::is_control) {
        return Err(Error::InvalidArgument(format!(
            "the symbol {symbol:?} has a control character in it"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_every_market_pass() {
        for symbol in ["AAPL", ".SPXW241125P5990", "/ESU25:XCME", "AAPL{=5m,tho=true}", "Ä/ß"] {
            assert_eq!(check(symbol), Ok(()), "{symbol}");
        }
    }

    #[test]
    fn what_no_server_can_know_is_refused_in_one_line() {
        for symbol in ["", "A\0B", "A\nB", &"A".repeat(1 << 20)] {
            let text = check(symbol).unwrap_err().to_string();
            assert!(text.len() < 120 && !text.contains('\n'), "{text}");
        }
    }
}
