//! Futures and the options on them: tastytrade's `/ESZ5` and `./ESZ5 EW4Z5 251226C6900`, dxFeed's
//! `/ESZ25:XCME` and `./EW4Z25C6900:XCME`.

use super::date::{Date, month};
use super::products::exchange_of;

/// The characters of the contract of an option on a future, padded with spaces.
const CONTRACT: usize = 6;
/// The characters of a date, `yymmdd`.
const DATE: usize = 6;

/// What is wrong with the symbol of a future or of an option on one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FutureSymbolError {
    /// A future is a slash, product, letter of the month and last digit of the year.
    #[error("the future is not of the form /ESZ5")]
    Future,
    /// The exchange of the product is not known, and the symbol does not say it.
    #[error("the exchange of the product {0} is not known")]
    Product(String),
    /// An option is a point, future, contract padded to six, date, `C` or `P`, and strike.
    #[error("it is not of the form ./ESZ5 EW4Z5 251226C6900, the contract padded with spaces to 6")]
    Form,
    /// The contract of an option is its root, letter of the month and last digit of the year.
    #[error("the contract of the option is not of the form EW4Z5")]
    Contract,
    /// The six digits are no date.
    #[error("the expiry is no date yymmdd")]
    Date,
    /// The contract is not of the year of its expiry, and not of the next one either.
    #[error("the year of the contract is not that of the expiry")]
    Year,
    /// The strike is no decimal number.
    #[error("the strike is no number")]
    Strike,
}

/// A contract: product or option root, letter of the month, last digit of the year.
struct Contract<'a> {
    root: &'a str,
    /// With the letter of the month.
    named: &'a str,
    year: u32,
}

impl<'a> Contract<'a> {
    /// Reads `ESZ5`.
    fn read(text: &'a str) -> Option<Self> {
        let (named, year) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let (root, letter) = named.split_at_checked(named.len().checked_sub(1)?)?;
        month(*letter.as_bytes().first()?)?;
        let year = year.chars().next()?.to_digit(10)?;
        is_root(root).then_some(Self { root, named, year })
    }

    /// The contract with two digits of its year, which is the only one in ten years from `first` on.
    fn of_years_from(&self, first: u32) -> (String, u32) {
        let year = first + (self.year + 10 - first % 10) % 10;
        (format!("{}{:02}", self.named, year % 100), year)
    }
}

/// Whether this is the root of a product or of an option on a future.
fn is_root(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether a symbol is written as tastytrade writes futures: `/ESZ5`, without an exchange.
pub(super) fn is_future(symbol: &str) -> bool {
    symbol.strip_prefix('/').is_some_and(|contract| Contract::read(contract).is_some())
}

/// The dxFeed symbol of a future, `/ESZ25:XCME`.
///
/// The contract is one of last year, which has expired, of this year or of the eight to come.
///
/// # Errors
/// [`FutureSymbolError`] naming the part that is wrong, or the product whose exchange is not known.
pub(super) fn future_to_dxfeed(symbol: &str, this_year: u32) -> Result<String, FutureSymbolError> {
    let contract =
        symbol.strip_prefix('/').and_then(Contract::read).ok_or(FutureSymbolError::Future)?;
    let exchange = exchange(&contract)?;
    let (contract, _) = contract.of_years_from(this_year - 1);
    Ok(format!("/{contract}:{exchange}"))
}

/// An option on a future, as tastytrade writes it.
pub(super) struct FutureOption<'a> {
    future: Contract<'a>,
    contract: Contract<'a>,
    pub(super) expiry: Date,
    pub(super) is_call: bool,
    /// A decimal number without zeros that say nothing; it may be below zero.
    pub(super) strike: &'a str,
}

impl<'a> FutureOption<'a> {
    /// Reads `./ESZ5 EW4Z5 251226C6900`.
    pub(super) fn read(symbol: &'a str) -> Result<Self, FutureSymbolError> {
        let text = symbol.strip_prefix("./").ok_or(FutureSymbolError::Form)?;
        let (future, rest) = text.split_once(' ').ok_or(FutureSymbolError::Form)?;
        let future = Contract::read(future).ok_or(FutureSymbolError::Future)?;
        let (contract, rest) = rest.split_at_checked(CONTRACT).ok_or(FutureSymbolError::Form)?;
        let (date, rest) = rest.split_at_checked(DATE).ok_or(FutureSymbolError::Form)?;
        let is_call = rest.starts_with('C');
        let strike = rest.strip_prefix(['C', 'P']).ok_or(FutureSymbolError::Form)?;
        let contract =
            Contract::read(contract.trim_end_matches(' ')).ok_or(FutureSymbolError::Contract)?;
        let expiry = Date::from_yymmdd(date).ok_or(FutureSymbolError::Date)?;
        // An option of January may expire in December.
        let (_, year) = contract.of_years_from(expiry.year());
        if year > expiry.year() + 1 {
            return Err(FutureSymbolError::Year);
        }
        let strike = decimal(strike).ok_or(FutureSymbolError::Strike)?;
        Ok(Self { future, contract, expiry, is_call, strike })
    }

    /// The root of the option.
    pub(super) fn root(&self) -> &'a str {
        self.contract.root
    }

    /// The dxFeed symbol, `./EW4Z25C6900:XCME`.
    ///
    /// # Errors
    /// [`FutureSymbolError::Product`] where the exchange of the future is not known.
    pub(super) fn to_dxfeed(&self) -> Result<String, FutureSymbolError> {
        let exchange = exchange(&self.future)?;
        let (contract, _) = self.contract.of_years_from(self.expiry.year());
        let right = if self.is_call { 'C' } else { 'P' };
        Ok(format!("./{contract}{right}{}:{exchange}", self.strike))
    }
}

fn exchange(future: &Contract<'_>) -> Result<&'static str, FutureSymbolError> {
    exchange_of(future.root).ok_or_else(|| FutureSymbolError::Product(future.root.to_owned()))
}

/// A decimal number, without the zeros at the end of its places.
pub(super) fn decimal(text: &str) -> Option<&str> {
    let (whole, places) = match text.split_once('.') {
        Some((whole, places)) => (whole, Some(places)),
        None => (text, None),
    };
    let is_number = |digits: &str| {
        !digits.is_empty() && digits.len() <= 12 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(whole.strip_prefix('-').unwrap_or(whole)) || !places.is_none_or(is_number) {
        return None;
    }
    Some(if places.is_some() { text.trim_end_matches('0').trim_end_matches('.') } else { text })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn option(symbol: &str) -> Result<String, FutureSymbolError> {
        FutureOption::read(symbol)?.to_dxfeed()
    }

    #[test]
    fn known_pairs() {
        for (symbol, this_year, expected) in [
            ("/ESZ5", 2025, "/ESZ25:XCME"),
            ("/ESZ5", 2026, "/ESZ25:XCME"),
            ("/ESZ5", 2027, "/ESZ35:XCME"),
            ("/ESZ5", 2017, "/ESZ25:XCME"),
            ("/6AM3", 2023, "/6AM23:XCME"),
            ("/ESH0", 2029, "/ESH30:XCME"),
            ("/CLF0", 2092, "/CLF00:XNYM"),
        ] {
            assert_eq!(future_to_dxfeed(symbol, this_year).as_deref(), Ok(expected), "{symbol}");
        }
        for (symbol, expected) in [
            ("./GCQ5 OGN5  250625P2095", "./OGN25P2095:XCEC"),
            ("./6EM6 EUUJ6 260403C1.215", "./EUUJ26C1.215:XCME"),
            ("./ZBU5 OZBN5 250620C142.5", "./OZBN25C142.5:XCBT"),
            ("./CLK6 LOK6  260416P70", "./LOK26P70:XNYM"),
            ("./ESU5 ESU5  250919P900", "./ESU25P900:XCME"),
            ("./GCG6 OGF6  251223P2075", "./OGF26P2075:XCEC"),
            ("./ESZ5 EW4Z5 251226C6900", "./EW4Z25C6900:XCME"),
            ("./ESH0 ESF0  291221P-2.50", "./ESF30P-2.5:XCME"),
        ] {
            assert_eq!(option(symbol).as_deref(), Ok(expected), "{symbol}");
        }
    }

    #[test]
    fn errors_name_the_part() {
        use FutureSymbolError::{Contract, Date, Form, Future, Product, Strike, Year};
        for (symbol, expected) in [
            ("ESZ5", Future),
            ("/ES", Future),
            ("/Z5", Future),
            ("/ESA5", Future),
            ("/ESZ25", Future),
            ("/esz5", Future),
            ("/ÉSZ5", Future),
            ("/ESZé", Future),
            ("/QQQQZ5", Product("QQQQ".into())),
        ] {
            assert_eq!(future_to_dxfeed(symbol, 2025), Err(expected), "{symbol}");
        }
        for (symbol, expected) in [
            ("", Form),
            ("./ESZ5", Form),
            ("./ESZ5 ESZ5", Form),
            ("./ESZ5 ESZ5 251219C800", Form),
            ("./ESZ5 ESZ5  251219X800", Form),
            ("./ESZ5 ESZ5  25121éC800", Form),
            ("./ES ESZ5  251219C800", Future),
            ("./ESZ5 ESA5  251219C800", Contract),
            ("./ESZ5  ESZ5 251219C800", Contract),
            ("./ESZ5 ESZ5  251319C800", Date),
            ("./ESZ5 ESZ7  251219C800", Year),
            ("./ESZ5 ESZ4  251219C800", Year),
            ("./ESZ5 ESZ5  251219C", Strike),
            ("./ESZ5 ESZ5  251219C8.", Strike),
            ("./ESZ5 ESZ5  251219C.8", Strike),
            ("./ESZ5 ESZ5  251219C8e2", Strike),
            ("./ESZ5 ESZ5  251219C--8", Strike),
            ("./QQQQZ5 ESZ5  251219C800", Product("QQQQ".into())),
        ] {
            assert_eq!(option(symbol), Err(expected), "{symbol}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[./ 0-9A-Zé-]{0,30}") {
            let _ = future_to_dxfeed(&text, 2025);
            let _ = option(&text);
        }

        #[test]
        fn a_contract_of_today_keeps_its_year_over_new_year(
            year in 2001..2090_u32,
            ahead in 0..9_u32,
        ) {
            let symbol = format!("/ESZ{}", (year + ahead) % 10);
            let expected = format!("/ESZ{:02}:XCME", (year + ahead) % 100);
            prop_assert_eq!(future_to_dxfeed(&symbol, year), Ok(expected));
            if ahead < 8 {
                // Asked for again a year later, it is still the same.
                let symbol = format!("/ESZ{}", (year + ahead + 1) % 10);
                prop_assert_eq!(
                    future_to_dxfeed(&symbol, year),
                    future_to_dxfeed(&symbol, year + 1)
                );
            }
        }
    }
}
