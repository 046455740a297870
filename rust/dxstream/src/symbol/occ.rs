//! Equity and index options: OCC's 21 characters and dxFeed's `.SPXW241125P5990`.

use std::fmt::Write;

use super::date::{Date, digits};

/// The characters of an OCC root, padded with spaces.
const ROOT: usize = 6;
/// The digits of a date, `yymmdd`.
const DATE: usize = 6;
/// The characters of an OCC symbol.
const OCC: usize = 21;
/// The first strike that eight digits of thousandths cannot express.
const STRIKE_LIMIT: u32 = 100_000_000;

/// What is wrong with an option symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OptionSymbolError {
    /// An OCC symbol has 21 ASCII characters, and this one has another number.
    #[error(
        "it has {0} characters instead of 21: a root padded with spaces to 6, yymmdd, C or P, and \
         eight digits"
    )]
    Length(usize),
    /// The root or the right is written in small letters.
    #[error("it has small letters")]
    Case,
    /// After the date of an OCC symbol stands neither `C` nor `P`.
    #[error("after the date there is neither C nor P")]
    Right,
    /// A dxFeed option symbol is a point, root, date, `C` or `P`, and strike.
    #[error("the symbol is not of the form .ROOTyymmddCstrike")]
    Form,
    /// OCC clears no options on futures, and none of another exchange.
    #[error("OCC clears no options on futures and none with an exchange suffix")]
    Exchange,
    /// The root is not one to six capital letters and digits that begin with a letter.
    #[error("the option root is not 1 to 6 capital letters and digits, a letter first")]
    Root,
    /// The six digits are no date.
    #[error("the expiry is no date yymmdd")]
    Date,
    /// The strike is no number of thousandths between 0.001 and 99999.999.
    #[error("the strike is not between 0.001 and 99999.999 in steps of 0.001")]
    Strike,
}

/// An equity or index option.
///
/// The root is OCC's, such as `SPXW` or `AAPL1`, and not the underlying.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OptionSymbol {
    root: String,
    expiry: Date,
    call: bool,
    strike: u32,
}

impl OptionSymbol {
    /// Reads an OCC symbol: `AAPL  250117C00150000`.
    ///
    /// # Errors
    /// [`OptionSymbolError`] naming the part that is wrong.
    pub fn from_occ(text: &str) -> Result<Self, OptionSymbolError> {
        let length = text.chars().count();
        if length != OCC {
            return Err(OptionSymbolError::Length(length));
        }
        if !text.is_ascii() {
            return Err(OptionSymbolError::Root);
        }
        let (root, rest) = text.split_at(ROOT);
        let (date, rest) = rest.split_at(DATE);
        let (right, strike) = rest.split_at(1);
        let strike = digits(strike).ok_or(OptionSymbolError::Strike)?;
        Self::new(root.trim_end_matches(' '), date, right, strike)
    }

    /// Reads a dxFeed symbol: `.AAPL250117C150`.
    ///
    /// The date is the six digits before the last `C` or `P`, so that roots may end in digits.
    ///
    /// # Errors
    /// [`OptionSymbolError`] naming the part that is wrong.
    pub fn from_dxfeed(text: &str) -> Result<Self, OptionSymbolError> {
        let text = text.strip_prefix('.').ok_or(OptionSymbolError::Form)?;
        if text.contains(':') || text.starts_with('/') {
            return Err(OptionSymbolError::Exchange);
        }
        let at = text.rfind(['C', 'P']).ok_or(OptionSymbolError::Form)?;
        let (contract, rest) = text.split_at(at);
        let (right, strike) = rest.split_at(1);
        let date_at = at.checked_sub(DATE).ok_or(OptionSymbolError::Form)?;
        let (root, date) = contract.split_at_checked(date_at).ok_or(OptionSymbolError::Form)?;
        Self::new(root, date, right, thousandths(strike).ok_or(OptionSymbolError::Strike)?)
    }

    fn new(root: &str, date: &str, right: &str, strike: u32) -> Result<Self, OptionSymbolError> {
        let letters = root.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if root.bytes().chain(right.bytes()).any(|letter| letter.is_ascii_lowercase()) {
            return Err(OptionSymbolError::Case);
        }
        if root.len() > ROOT
            || !root.starts_with(|first: char| first.is_ascii_uppercase())
            || !letters
        {
            return Err(OptionSymbolError::Root);
        }
        if !matches!(right, "C" | "P") {
            return Err(OptionSymbolError::Right);
        }
        let expiry = Date::from_yymmdd(date).ok_or(OptionSymbolError::Date)?;
        if !(1..STRIKE_LIMIT).contains(&strike) {
            return Err(OptionSymbolError::Strike);
        }
        Ok(Self { root: root.to_owned(), expiry, call: right == "C", strike })
    }

    /// The OCC root, without padding.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The day of expiry.
    pub fn expiry(&self) -> Date {
        self.expiry
    }

    /// Whether the option is a call and not a put.
    pub fn is_call(&self) -> bool {
        self.call
    }

    /// The strike in thousandths.
    pub fn strike_thousandths(&self) -> u32 {
        self.strike
    }

    /// The OCC symbol.
    pub fn to_occ(&self) -> String {
        let Self { root, expiry, strike, .. } = self;
        format!("{root:<ROOT$}{}{}{strike:08}", expiry.yymmdd(), self.right())
    }

    /// The dxFeed symbol, its strike without trailing zeros.
    pub fn to_dxfeed(&self) -> String {
        let (whole, part) = (self.strike / 1000, self.strike % 1000);
        let mut text = format!(".{}{}{}{whole}", self.root, self.expiry.yymmdd(), self.right());
        if part != 0 {
            write!(text, ".{part:03}").expect("a String takes any text");
            text.truncate(text.trim_end_matches('0').len());
        }
        text
    }

    fn right(&self) -> char {
        if self.call { 'C' } else { 'P' }
    }
}

/// The thousandths of a decimal number with at most three places.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    if !(1..=3).contains(&places.len()) {
        return None;
    }
    let scale = 10_u32.pow(3 - places.len() as u32);
    digits(whole)?.checked_mul(1000)?.checked_add(digits(places)? * scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::symbol::tests::any_occ;

    fn to_occ(text: &str) -> Result<String, OptionSymbolError> {
        OptionSymbol::from_dxfeed(text).map(|option| option.to_occ())
    }

    fn to_dxfeed(text: &str) -> Result<String, OptionSymbolError> {
        OptionSymbol::from_occ(text).map(|option| option.to_dxfeed())
    }

    #[test]
    fn known_pairs() {
        for (dxfeed, occ) in [
            (".AAPL250117C150", "AAPL  250117C00150000"),
            (".F250117C12.5", "F     250117C00012500"),
            (".SPXW241125P5990", "SPXW  241125P05990000"),
            (".SPY250117C397.78", "SPY   250117C00397780"),
            (".AAPL1250117C150", "AAPL1 250117C00150000"),
            (".XYZ250117P0.5", "XYZ   250117P00000500"),
            (".C250117C50", "C     250117C00050000"),
            (".P250117P5", "P     250117P00005000"),
            (".NDXP250117C21000", "NDXP  250117C21000000"),
        ] {
            assert_eq!(to_occ(dxfeed).as_deref(), Ok(occ));
            assert_eq!(to_dxfeed(occ).as_deref(), Ok(dxfeed));
        }
        let option = OptionSymbol::from_dxfeed(".SPXW241125P5990").unwrap();
        assert_eq!((option.root(), option.expiry()), ("SPXW", Date::new(2024, 11, 25).unwrap()));
        assert_eq!((option.is_call(), option.strike_thousandths()), (false, 5_990_000));
    }

    #[test]
    fn errors_name_the_part() {
        use OptionSymbolError::{Case, Date, Exchange, Form, Length, Right, Root, Strike};
        for (dxfeed, expected) in [
            ("", Form),
            ("AAPL250117C150", Form),
            (".", Form),
            (".AAPL", Form),
            (".C150", Form),
            (".250117C150", Root),
            (".4AD250117C150", Root),
            (".TOOLONG250117C150", Root),
            (".aapl250117C150", Case),
            (".BRK/B250117C150", Root),
            ("./ESU25P900:XCME", Exchange),
            (".AAPL251317C150", Date),
            (".AAPL250230C150", Date),
            (".AAPLé5117C150", Date),
            (".AAPL25011é7C150", Date),
            (".AAPL250117C", Strike),
            (".AAPL250117C0", Strike),
            (".AAPL250117C-8", Strike),
            (".AAPL250117C1.2345", Strike),
            (".AAPL250117C1.", Strike),
            (".AAPL250117C.5", Strike),
            (".AAPL250117C100000", Strike),
            (".AAPL250117C99999999999999", Strike),
            (".1COV250620P36:XEUR", Exchange),
        ] {
            assert_eq!(to_occ(dxfeed), Err(expected), "{dxfeed}");
        }
        for (occ, expected) in [
            ("AAPL 250117C00150000", Length(20)),
            ("AAPL  250117C001500000", Length(22)),
            ("ÄAPL 250117C00150000", Length(20)),
            ("ÄAPL  250117C00150000", Root),
            ("aapl  250117C00150000", Case),
            ("AAPL  250117c00150000", Case),
            ("      250117C00150000", Root),
            ("A PL  250117C00150000", Root),
            ("AAPL  250199C00150000", Date),
            ("AAPL  250117X00150000", Right),
            ("AAPL  250117C00000000", Strike),
            ("AAPL  250117C0015000x", Strike),
            ("AAPL  250117C+0150000", Strike),
        ] {
            assert_eq!(to_dxfeed(occ), Err(expected), "{occ}");
        }
        assert!(OptionSymbol::from_dxfeed(".AAPL240229C1").is_ok());
        assert_eq!(to_occ(".AAPL250229C1"), Err(Date));
    }

    proptest! {
        #[test]
        fn both_ways(occ in any_occ()) {
            let dxfeed = to_dxfeed(&occ).unwrap();
            prop_assert_eq!(to_occ(&dxfeed), Ok(occ));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\.?[A-Zé0-9 ]{0,8}[0-9]{0,8}[CP]?[0-9.]{0,9}") {
            if let Ok(occ) = to_occ(&text) {
                prop_assert_eq!(occ.len(), OCC);
                prop_assert_eq!(to_dxfeed(&occ).and_then(|dxfeed| to_occ(&dxfeed)), Ok(occ));
            }
            let _ = to_dxfeed(&text);
        }
    }
}
