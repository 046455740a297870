//! Symbols: interning, and conversion between notations.

mod candle;
mod check;
mod date;
mod futures;
mod interner;
mod notation;
mod occ;
mod products;
mod suggest;
mod terms;

pub use candle::{CandleSymbol, CandleSymbolError};
pub use check::{MAX_SYMBOL, check};
pub use date::Date;
pub use futures::FutureSymbolError;
pub use interner::{InternError, Interner};
pub use notation::{NotationError, candle_to_dxfeed, to_dxfeed, to_occ};
pub use occ::{OptionSymbol, OptionSymbolError};
pub use suggest::{crypto_to_dxfeed, suggest};
pub use terms::OptionTerms;

/// The number of a symbol in its [`Interner`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SymbolId(pub u32);

/// The number of a text in its [`Interner`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub u32);

/// The tables of one connection: every symbol and every text that its rows name.
#[derive(Debug)]
pub struct Tables {
    /// The symbols, numbered by [`SymbolId`].
    pub symbols: Interner,
    /// The texts, numbered by [`TextId`].
    pub texts: Interner,
}

impl Tables {
    /// Most symbols of a connection.
    pub const MAX_SYMBOLS: usize = 1 << 20;
    /// Most distinct texts of a connection.
    pub const MAX_TEXTS: usize = 1 << 20;
    /// Most bytes of a connection's symbols, and of its texts.
    pub const MAX_BYTES: usize = 64 << 20;

    /// Empty tables.
    pub fn new() -> Self {
        Self {
            symbols: Interner::new(Self::MAX_SYMBOLS, Self::MAX_BYTES),
            texts: Interner::new(Self::MAX_TEXTS, Self::MAX_BYTES),
        }
    }

    /// The symbol with this number, or nothing for a number that the table did not give out.
    pub fn symbol(&self, id: SymbolId) -> Option<&str> {
        self.symbols.get(id.0)
    }

    /// The text with this number, or nothing for a number that the table did not give out.
    pub fn text(&self, id: TextId) -> Option<&str> {
        self.texts.get(id.0)
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
