//! Which rows a listener wants: of which symbols, and with what in their fields.

use std::collections::HashSet;

use crate::event::{SYMBOL_WORD, UNKNOWN_LONG};
use crate::symbol::SymbolId;

/// What a number of a row must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A double that is neither unknown nor infinite.
    Finite,
    /// A double that is a whole number of 64 bits.
    Whole,
    /// The same, or unknown or infinite.
    WholeOrUnknown,
    /// A [`FieldKind::Long`](crate::event::FieldKind::Long) that is known.
    Known,
}

impl Need {
    /// Whether a word is as needed.
    pub fn is_met(self, word: u64) -> bool {
        let number = f64::from_bits(word);
        match self {
            Self::Finite => number.is_finite(),
            Self::Whole => is_whole(number),
            Self::WholeOrUnknown => !number.is_finite() || is_whole(number),
            Self::Known => word != UNKNOWN_LONG as u64,
        }
    }
}

/// Whether a double is an integer of 64 bits, the least of them left out.
pub fn is_whole(number: f64) -> bool {
    // As doubles, the bounds are -2^63 and 2^63.
    number.fract() == 0.0 && number > i64::MIN as f64 && number < i64::MAX as f64
}

/// What a word of a row must be; the first member is its place.
pub type Requirement = (usize, Need);

/// Whether the words of a row are as required.
pub fn are_met(requirements: &[Requirement], row: &[u64]) -> bool {
    requirements.iter().all(|&(at, need)| need.is_met(row[at]))
}

/// What a listener wants that does not want all.
#[derive(Debug)]
pub(super) struct Wants {
    symbols: Option<HashSet<SymbolId>>,
    requirements: &'static [Requirement],
}

impl Wants {
    /// The rows of `symbols`, or of any, that meet the requirements; `None` where these are all rows.
    pub(super) fn new(
        symbols: Option<HashSet<SymbolId>>,
        requirements: &'static [Requirement],
    ) -> Option<Self> {
        (symbols.is_some() || !requirements.is_empty()).then_some(Self { symbols, requirements })
    }

    /// Whether a row is wanted.
    pub(super) fn take(&self, row: &[u64]) -> bool {
        let symbol = SymbolId(row[SYMBOL_WORD] as u32);
        self.symbols.as_ref().is_none_or(|symbols| symbols.contains(&symbol))
            && are_met(self.requirements, row)
    }

    /// How many symbols there may be, where they are named.
    pub(super) fn symbols(&self) -> Option<usize> {
        self.symbols.as_ref().map(HashSet::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_needed() {
        let met = |need: Need, number: f64| need.is_met(number.to_bits());
        for number in [0.0, -0.0, 1.5, -2e18, 9e18, 1e300] {
            assert!(met(Need::Finite, number));
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!met(Need::Finite, number));
            assert!(!met(Need::Whole, number));
            assert!(met(Need::WholeOrUnknown, number));
        }
        for need in [Need::Whole, Need::WholeOrUnknown] {
            assert!(met(need, -7.0) && met(need, 9_007_199_254_740_992.0));
            assert!(!met(need, 0.5) && !met(need, 9.3e18) && !met(need, -1e20));
        }
        assert!(Need::Known.is_met(0));
        assert!(!Need::Known.is_met(UNKNOWN_LONG as u64));
    }
}
