//! The normal form of candle symbols, which the server echoes in `eventSymbol`.
//!
//! Attributes are sorted by key with the period first, defaults are left out and a period of one
//! drops its number: `AAPL{tho=true,=1m}` is `AAPL{=m,tho=true}`. Source: dxFeed API, `CandleSymbol`.

/// Attribute values that say what is true anyway.
const DEFAULTS: &[(&str, &str)] =
    &[("", "t"), ("", "1t"), ("a", "m"), ("price", "last"), ("tho", "false")];

/// The normal form of a candle symbol, or nothing where `symbol` has no attributes.
pub(crate) fn normalize(symbol: &str) -> Option<String> {
    let (base, attributes) = symbol.strip_suffix('}')?.rsplit_once('{')?;
    let mut pairs = Vec::new();
    for attribute in attributes.split(',').filter(|attribute| !attribute.is_empty()) {
        let (key, value) = attribute.split_once('=')?;
        if !DEFAULTS.contains(&(key, value)) {
            pairs.push((key, if key.is_empty() { without_one(value) } else { value }));
        }
    }
    pairs.sort_unstable();
    pairs.dedup_by_key(|pair| pair.0);
    if pairs.is_empty() {
        return Some(base.to_owned());
    }
    let attributes: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Some(format!("{base}{{{}}}", attributes.join(",")))
}

fn without_one(period: &str) -> &str {
    match period.strip_prefix('1') {
        Some(unit) if unit.starts_with(|first: char| first.is_ascii_alphabetic()) => unit,
        _ => period,
    }
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn candle_symbols_have_one_form() {
        for (symbol, normal) in [
            ("AAPL{=1d}", "AAPL{=d}"),
            ("AAPL{=1m}", "AAPL{=m}"),
            ("AAPL{=15m}", "AAPL{=15m}"),
            ("AAPL{=60m}", "AAPL{=60m}"),
            ("AAPL{tho=true,=5m}", "AAPL{=5m,tho=true}"),
            ("AAPL{=5m,price=last}", "AAPL{=5m}"),
            ("AAPL{=5m,tho=false}", "AAPL{=5m}"),
            ("AAPL&Q{price=bid,=1h,a=s}", "AAPL&Q{=h,a=s,price=bid}"),
            ("AAPL{=t}", "AAPL"),
        ] {
            assert_eq!(normalize(symbol).as_deref(), Some(normal), "{symbol}");
        }
        assert_eq!(normalize("AAPL"), None);
    }
}
