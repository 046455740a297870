//! Symbols of real instruments.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const LISTS: [&str; 4] =
    ["symbols_bs.csv.gz", "symbols_opt.csv.gz", "symbols_fut.csv.gz", "symbols_futopt.csv.gz"];

/// Any OCC symbol.
pub(super) fn any_occ() -> impl Strategy<Value = String> {
    let date = (0..100, 1..13, 1..29)
        .prop_map(|(year, month, day)| format!("{year:02}{month:02}{day:02}"));
    let parts = ("[A-Z][A-Z0-9]{0,5}", date, "[CP]", 1..100_000_000_u32);
    parts.prop_map(|(root, date, right, strike)| format!("{root:<6}{date}{right}{strike:08}"))
}

/// A file of the recorded data, or nothing where it is absent.
fn recorded(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) => {
            println!("skipped: what is in {name} is not here ({error})");
            return None;
        }
    };
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    Some(text)
}

/// The symbols of a file of the tape, or nothing where it is absent.
fn listed(name: &str) -> Option<Vec<String>> {
    Some(recorded(&format!("tape/{name}"))?.lines().map(str::to_owned).collect())
}

/// An answer of tastytrade's REST, or nothing where it is absent.
fn answer(name: &str) -> Option<Value> {
    Some(serde_json::from_str(&recorded(&format!("instruments/{name}"))?).unwrap())
}

fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

#[test]
fn real_symbols_are_interned() {
    let tables = Tables::new();
    for name in LISTS {
        let Some(symbols) = listed(name) else { continue };
        assert_eq!(symbols.len(), 10_000, "{name}");
        for symbol in &symbols {
            let id = tables.symbols.intern(symbol).unwrap();
            assert_eq!(tables.symbol(SymbolId(id)), Some(symbol.as_str()));
        }
        for symbol in &symbols {
            let id = tables.symbols.find(symbol).unwrap();
            assert_eq!(tables.symbol(SymbolId(id)), Some(symbol.as_str()));
        }
    }
}

#[test]
fn real_equity_options_convert_both_ways() {
    let Some(symbols) = listed("symbols_opt.csv.gz") else { return };
    let (mut converted, mut exchange) = (0, 0);
    for symbol in &symbols {
        match OptionSymbol::from_dxfeed(symbol) {
            Ok(option) => {
                let back = OptionSymbol::from_occ(&option.to_occ());
                assert_eq!(back.as_ref(), Ok(&option));
                assert_eq!(&option.to_dxfeed(), symbol);
                converted += 1;
            }
            Err(OptionSymbolError::Exchange) => exchange += 1,
            Err(error) => panic!("{symbol}: {error}"),
        }
    }
    assert_eq!((converted, exchange), (7_448, 2_552));
}

#[test]
fn other_real_symbols_are_no_equity_options() {
    for name in ["symbols_bs.csv.gz", "symbols_fut.csv.gz", "symbols_futopt.csv.gz"] {
        for symbol in listed(name).unwrap_or_default() {
            assert!(OptionSymbol::from_dxfeed(&symbol).is_err(), "{symbol}");
            assert!(OptionSymbol::from_occ(&symbol).is_err(), "{symbol}");
        }
    }
}

#[test]
fn real_symbols_are_no_other_notation() {
    for symbol in LISTS.into_iter().filter_map(listed).flatten() {
        let converted = to_dxfeed(&symbol, 2022);
        assert_eq!(converted.as_deref(), Ok(&*symbol));
    }
}

#[test]
fn real_options_on_futures_convert_as_the_server_names_them() {
    let Some(answer) = answer("es_futures_nested_option_chain_2025-09-01.json.gz") else { return };
    let mut pairs = 0;
    for chain in answer["data"]["option-chains"].as_array().unwrap() {
        for expiration in chain["expirations"].as_array().unwrap() {
            let date = text(expiration, "expiration-date").replace('-', "");
            let expiry = Date::from_yymmdd(&date[2..]);
            for strike in expiration["strikes"].as_array().unwrap() {
                for (right, streamer_symbol) in
                    [("call", "call-streamer-symbol"), ("put", "put-streamer-symbol")]
                {
                    let symbol = text(strike, right);
                    let terms = OptionTerms {
                        root: text(expiration, "option-root-symbol"),
                        expiry,
                        is_call: right == "call",
                        strike: text(strike, "strike-price").parse().unwrap(),
                    };
                    assert_eq!(OptionTerms::read(symbol), Some(terms), "{symbol}");
                    let Some(expected) = strike[streamer_symbol].as_str() else { continue };
                    assert_eq!(to_dxfeed(symbol, 2025).as_deref(), Ok(expected));
                    let terms = OptionTerms { expiry: None, ..terms };
                    assert_eq!(OptionTerms::read(expected), Some(terms), "{expected}");
                    pairs += 1;
                }
            }
        }
    }
    assert_eq!(pairs, 14_530);
}

#[test]
fn real_futures_and_cryptocurrencies_convert_as_the_server_names_them() {
    if let Some(answer) = answer("futures.json") {
        for future in items(&answer) {
            let (symbol, expected) = (text(future, "symbol"), text(future, "streamer-symbol"));
            assert_eq!(to_dxfeed(symbol, 2026).as_deref(), Ok(expected));
        }
        assert_eq!(items(&answer).len(), 3);
    }
    if let Some(answer) = answer("cryptocurrencies.json") {
        for coin in items(&answer) {
            let (symbol, expected) = (text(coin, "symbol"), text(coin, "streamer-symbol"));
            assert_eq!(crypto_to_dxfeed(symbol).as_deref(), Some(expected));
        }
        assert_eq!(items(&answer).len(), 5);
    }
    if let Some(answer) = answer("equities.json") {
        for equity in items(&answer) {
            let (symbol, expected) = (text(equity, "symbol"), text(equity, "streamer-symbol"));
            assert_eq!(to_dxfeed(symbol, 2026).as_deref(), Ok(expected));
        }
    }
    if let Some(answer) = answer("nested-option-chain.json") {
        for expiration in items(&answer)[0]["expirations"].as_array().unwrap() {
            for strike in expiration["strikes"].as_array().unwrap() {
                for (right, streamer_symbol) in
                    [("call", "call-streamer-symbol"), ("put", "put-streamer-symbol")]
                {
                    let (symbol, expected) = (text(strike, right), text(strike, streamer_symbol));
                    assert_eq!(to_dxfeed(symbol, 2026).as_deref(), Ok(expected));
                    assert_eq!(to_occ(expected).as_deref(), Ok(symbol));
                }
            }
        }
    }
}

/// The exchange suffixes under which a list has each root.
fn exchanges(symbols: &[String]) -> HashMap<&str, HashSet<&str>> {
    let mut exchanges: HashMap<&str, HashSet<&str>> = HashMap::new();
    for symbol in symbols {
        let Some((contract, exchange)) = symbol.split_once(':') else { continue };
        let root = match contract.strip_prefix("./") {
            Some(_) => OptionTerms::read(symbol).map(|terms| terms.root),
            None => contract.strip_prefix('/').map(|contract| {
                let dated = contract.trim_end_matches(|digit: char| digit.is_ascii_digit());
                if dated.len() == contract.len() {
                    contract
                } else {
                    dated.get(..dated.len().saturating_sub(1)).unwrap_or(contract)
                }
            }),
        };
        if let Some(root) = root {
            exchanges.entry(root).or_default().insert(exchange);
        }
    }
    exchanges
}

#[test]
fn every_exchange_of_a_product_is_seen_in_real_symbols() {
    let (Some(futures), Some(options), Some(products), Some(chain)) = (
        listed("symbols_fut.csv.gz"),
        listed("symbols_futopt.csv.gz"),
        answer("future-products.json"),
        answer("es_futures_nested_option_chain_2025-09-01.json.gz"),
    ) else {
        return;
    };
    let (futures, mut options) = (exchanges(&futures), exchanges(&options));
    let mut streamed = HashMap::from([("LE", "XCME")]);
    for product in items(&products) {
        let exchange = text(product, "streamer-exchange-code");
        streamed.insert(text(product, "code"), exchange);
        for option in product["option-products"].as_array().unwrap() {
            options.entry(text(option, "root-symbol")).or_default().insert(exchange);
        }
    }
    for chain in chain["data"]["option-chains"].as_array().unwrap() {
        for expiration in chain["expirations"].as_array().unwrap() {
            options.entry(text(expiration, "option-root-symbol")).or_default().insert("XCME");
        }
    }
    for &(product, exchange, roots) in products::all() {
        for root in roots {
            assert!(options[root].contains(exchange), "{product} {root}");
        }
        let of_futures = futures.get(product).is_some_and(|seen| seen.contains(exchange));
        let known = of_futures || streamed.get(product) == Some(&exchange) || !roots.is_empty();
        assert!(known, "{product}");
    }
}

/// All but those of three exchanges, TR, BVMF and SMFE, which name the expiry in other ways.
#[test]
fn real_options_have_terms() {
    for (name, all) in [("symbols_opt.csv.gz", 9_973), ("symbols_futopt.csv.gz", 9_994)] {
        let Some(symbols) = listed(name) else { continue };
        let read = symbols.iter().filter_map(|symbol| OptionTerms::read(symbol));
        assert_eq!(read.filter(|terms| terms.strike.is_finite()).count(), all, "{name}");
    }
    for symbol in
        ["symbols_bs.csv.gz", "symbols_fut.csv.gz"].into_iter().filter_map(listed).flatten()
    {
        assert_eq!(OptionTerms::read(&symbol), None, "{symbol}");
    }
}
