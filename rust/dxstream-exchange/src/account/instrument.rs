//! What an account can hold: the vendor's symbol, the streamer's, and what one of it is worth.

use dxstream::symbol::{Date, OptionSymbol};
use rust_decimal::Decimal;

/// The exchanges of futures products, as in the suffix of a streamer symbol.
const PRODUCTS: &[(&str, &[&str])] = &[
    (
        "XCME",
        &[
            "ES", "MES", "NQ", "MNQ", "RTY", "M2K", "6A", "6B", "6C", "6E", "6J", "LE", "HE", "GE",
            "SR3",
        ],
    ),
    ("XCBT", &["YM", "MYM", "ZB", "ZF", "ZN", "ZT", "UB", "ZC", "ZS", "ZW", "ZL", "ZM"]),
    ("XNYM", &["CL", "MCL", "NG", "HO", "RB"]),
    ("XCEC", &["GC", "MGC", "SI", "SIL", "HG"]),
    ("XCBF", &["VX", "VXM"]),
];

/// Indices, which themselves are not traded.
const INDICES: &[&str] = &["SPX", "XSP", "NDX", "RUT", "VIX", "DJX"];

/// Roots of options that are not the symbol of their underlying.
const UNDERLYINGS: &[(&str, &str)] =
    &[("SPXW", "SPX"), ("NDXP", "NDX"), ("RUTW", "RUT"), ("VIXW", "VIX")];

/// Why an instrument cannot be traded here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    /// An index.
    #[error("{0} is an index and cannot be traded; trade its options")]
    Index(String),
    /// A symbol of a form that is not known.
    #[error("{0:?} is no stock and no OCC or streamer symbol of an option")]
    Symbol(String),
}

/// A stock or an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instrument {
    /// As the vendor has it: `AAPL`, or OCC's `AAPL  250117C00150000`.
    pub(super) symbol: String,
    /// As the streamer has it.
    pub(super) streamer_symbol: String,
    pub(super) underlying: String,
    /// Of an option.
    pub(super) option: Option<OptionSymbol>,
}

impl Instrument {
    /// The instrument that a stock's symbol, an OCC symbol or a streamer symbol names.
    pub(super) fn parse(symbol: &str) -> Result<Self, InstrumentError> {
        let refused = || InstrumentError::Symbol(symbol.to_owned());
        let option = if symbol.starts_with('.') {
            Some(OptionSymbol::from_dxfeed(symbol).map_err(|_| refused())?)
        } else if symbol.len() > 8 {
            Some(OptionSymbol::from_occ(symbol).map_err(|_| refused())?)
        } else {
            None
        };
        if let Some(option) = option {
            let root = option.root();
            let listed = UNDERLYINGS.iter().find(|(of, _)| *of == root);
            return Ok(Self {
                symbol: option.to_occ(),
                streamer_symbol: option.to_dxfeed(),
                underlying: listed.map_or(root, |(_, underlying)| underlying).to_owned(),
                option: Some(option),
            });
        }
        if INDICES.contains(&symbol) {
            return Err(InstrumentError::Index(symbol.to_owned()));
        }
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'.';
        if !symbol.as_bytes().first().is_some_and(u8::is_ascii_uppercase)
            || !symbol.bytes().all(letters)
        {
            return Err(refused());
        }
        Ok(Self {
            symbol: symbol.to_owned(),
            streamer_symbol: symbol.to_owned(),
            underlying: symbol.to_owned(),
            option: None,
        })
    }

    /// As `instrument-type` has it.
    pub(super) fn kind(&self) -> &'static str {
        if self.option.is_some() { "Equity Option" } else { "Equity" }
    }

    /// What a price of one is the price of.
    pub(super) fn multiplier(&self) -> i64 {
        if self.option.is_some() { 100 } else { 1 }
    }

    /// As `underlying-instrument-type` has it.
    pub(super) fn underlying_kind(&self) -> &'static str {
        if INDICES.contains(&self.underlying.as_str()) { "Index" } else { "Equity" }
    }

    pub(super) fn is_call(&self) -> bool {
        self.option.as_ref().is_some_and(OptionSymbol::is_call)
    }
}

/// The strike of an option.
pub(super) fn strike(option: &OptionSymbol) -> Decimal {
    Decimal::new(i64::from(option.strike_thousandths()), 3).normalize()
}

/// A future or future option, by its symbol alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Future {
    /// Such as `ES`.
    pub(super) product: &'static str,
    /// Such as `XCME`.
    pub(super) exchange: &'static str,
    /// The letter of the month, and the year.
    pub(super) month: char,
    pub(super) year: i64,
    pub(super) option: Option<FutureOption>,
}

/// What an option on a future adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FutureOption {
    /// The contract as it was written: `EW3V5`.
    pub(super) contract: String,
    /// The contract with two digits of its year: `EW3V25`.
    full_contract: String,
    pub(super) expiry: Date,
    pub(super) is_call: bool,
    pub(super) strike: Decimal,
}

impl Future {
    /// Reads `/ESZ5`, or `./ESZ5 EW3V5 251017C6700`, near the year that it is.
    pub(super) fn parse(symbol: &str, this_year: i64) -> Option<Self> {
        let (of_option, rest) = match symbol.strip_prefix("./") {
            Some(rest) => (true, rest),
            None => (false, symbol.strip_prefix('/')?),
        };
        let mut words = rest.split_ascii_whitespace();
        let contract = words.next()?;
        let (product, month, year) = split_contract(contract, this_year)?;
        let (exchange, product) = PRODUCTS.iter().find_map(|(exchange, products)| {
            let known = products.iter().find(|known| **known == product)?;
            Some((*exchange, *known))
        })?;
        let option = if of_option {
            let contract = words.next()?;
            let last = words.next()?;
            let (expiry, rest) = last.split_at_checked(6)?;
            let expiry = Date::from_yymmdd(expiry)?;
            // An option of January may expire in December.
            let (root, month, year) = split_contract(contract, i64::from(expiry.year()))?;
            let full_contract = format!("{root}{month}{:02}", year % 100);
            let contract = contract.to_owned();
            let is_call = rest.starts_with('C');
            let strike = rest.strip_prefix(['C', 'P'])?.parse().ok()?;
            Some(FutureOption { contract, full_contract, expiry, is_call, strike })
        } else {
            None
        };
        words.next().is_none().then_some(Self { product, exchange, month, year, option })
    }

    /// The streamer symbol: `/ESZ25:XCME`, or `./EW3V25C6700:XCME`.
    pub(super) fn streamer_symbol(&self) -> String {
        let exchange = self.exchange;
        match &self.option {
            None => format!("/{}{}{:02}:{exchange}", self.product, self.month, self.year % 100),
            Some(option) => {
                let right = if option.is_call { 'C' } else { 'P' };
                format!("./{}{right}{}:{exchange}", option.full_contract, option.strike)
            }
        }
    }
}

/// Splits `ESZ5` or `ESZ25` into product, month and year; one digit is the year that is next to this.
fn split_contract(contract: &str, this_year: i64) -> Option<(&str, char, i64)> {
    let digits = contract.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (head, year) = contract.split_at(contract.len() - digits);
    let month = head.chars().last().filter(|month| "FGHJKMNQUVXZ".contains(*month))?;
    let product = &head[..head.len() - 1];
    let written: i64 = year.parse().ok()?;
    let year = match digits {
        1 => {
            let decade = this_year - this_year.rem_euclid(10);
            let years = [decade - 10 + written, decade + written, decade + 10 + written];
            years.into_iter().min_by_key(|year| (year - this_year).abs())?
        }
        2 => 2000 + written,
        _ => return None,
    };
    (!product.is_empty()).then_some((product, month, year))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_the_vendor_and_of_the_streamer_name_the_same_instrument() {
        for (occ, streamer, underlying) in [
            ("AAPL  250117C00150000", ".AAPL250117C150", "AAPL"),
            ("SPXW  260318P07022500", ".SPXW260318P7022.5", "SPX"),
            ("AAPL", "AAPL", "AAPL"),
            ("BRK/B", "BRK/B", "BRK/B"),
        ] {
            let instrument = Instrument::parse(occ).unwrap();
            assert_eq!(instrument, Instrument::parse(streamer).unwrap());
            assert_eq!(instrument.symbol, occ);
            assert_eq!(instrument.streamer_symbol, streamer);
            assert_eq!(instrument.underlying, underlying);
        }
    }

    #[test]
    fn what_cannot_be_traded_is_refused() {
        for symbol in ["SPX", "", "aapl", "AAPL  250117X00150000", ".AAPL", "AAPL{=d}"] {
            assert!(Instrument::parse(symbol).is_err(), "{symbol}");
        }
    }

    #[test]
    fn futures_and_their_options_have_the_streamer_symbols_of_the_feed() {
        for (symbol, streamer) in [
            ("/ESZ5", "/ESZ25:XCME"),
            ("/CLF6", "/CLF26:XNYM"),
            ("/ESM30", "/ESM30:XCME"),
            ("./ESZ5 EW3V5 251017C6700", "./EW3V25C6700:XCME"),
            ("./ESH6 EWF6  251231C6700", "./EWF26C6700:XCME"),
            ("./GCZ5 OGZ5  251124P4000.5", "./OGZ25P4000.5:XCEC"),
        ] {
            let future = Future::parse(symbol, 2026).unwrap();
            assert_eq!(future.streamer_symbol(), streamer);
        }
        for symbol in ["/ESA5", "/QQQZ5", "ES", "/", "./ESZ5", "./ESZ5 EW3V5 251317C6700"] {
            assert_eq!(Future::parse(symbol, 2026), None, "{symbol}");
        }
    }
}
