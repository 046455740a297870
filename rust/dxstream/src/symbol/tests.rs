//! Symbols of real instruments.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::*;

/// The symbols of a file of the tape, or nothing where it is absent.
fn listed(name: &str) -> Option<Vec<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tape");
    let file = match File::open(path.join(name)) {
        Ok(file) => file,
        Err(error) => {
            println!("skipped: the symbols in {name} are not here ({error})");
            return None;
        }
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn real_symbols_are_interned() {
    let tables = Tables::new();
    for name in
        ["symbols_bs.csv.gz", "symbols_opt.csv.gz", "symbols_fut.csv.gz", "symbols_futopt.csv.gz"]
    {
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
