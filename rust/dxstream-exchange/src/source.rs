//! Where an exchange's events come from: the synthetic market, a tape, or a test.

use std::time::Duration;

use dxstream::event::{EventKind, MAX_WORDS, Record, Text};
use dxstream::symbol::{SymbolId, TextId};

/// The word of `eventFlags` in an indexed event.
const FLAGS_WORD: usize = 2;
/// The word of `index` in an indexed event.
const INDEX_WORD: usize = 3;
/// The word of `time` in an indexed event.
const TIME_WORD: usize = 4;
/// The word of `source` in an order.
const SOURCE_WORD: usize = 7;

/// One event: its type and its words, in the tables of the exchange.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The event type.
    pub kind: EventKind,
    /// The fields; only the first `kind.fields().len()` words count.
    pub words: [u64; MAX_WORDS],
}

impl Row {
    /// The row of a record.
    pub fn new<R: Record>(record: &R) -> Self {
        let mut words = [0; MAX_WORDS];
        record.write_row(&mut words);
        Self { kind: R::KIND, words }
    }

    /// The symbol of the event.
    pub fn symbol(&self) -> SymbolId {
        SymbolId(self.words[0] as u32)
    }

    /// The fields of the event.
    pub fn fields(&self) -> &[u64] {
        &self.words[..self.kind.fields().len()]
    }

    /// The event of which nothing but its symbol is known.
    pub fn unknown(kind: EventKind, symbol: SymbolId) -> Self {
        let mut words = [0; MAX_WORDS];
        for (word, field) in words.iter_mut().zip(kind.fields()) {
            *word = field.kind.unknown();
        }
        words[0] = u64::from(symbol.0);
        Self { kind, words }
    }

    /// The event flags; zero for a type that has none.
    pub fn flags(&self) -> i64 {
        self.indexed_word(FLAGS_WORD)
    }

    /// Sets the event flags, if the type has them.
    pub fn set_flags(&mut self, flags: i64) {
        if self.kind.delivery().indexed {
            self.words[FLAGS_WORD] = flags as u64;
        }
    }

    /// The index; zero for a type that has none.
    pub fn index(&self) -> i64 {
        self.indexed_word(INDEX_WORD)
    }

    /// The time of an indexed event, ms since 1970 UTC; zero for a type that has no index.
    pub fn time(&self) -> i64 {
        self.indexed_word(TIME_WORD)
    }

    /// The source of an order.
    pub fn source(&self) -> Option<TextId> {
        has_source(self.kind).then(|| Text(self.words[SOURCE_WORD]).id()).flatten()
    }

    pub(crate) fn set_index_and_time(&mut self, index: i64, time: i64) {
        if self.kind.delivery().indexed {
            self.words[INDEX_WORD] = index as u64;
            self.words[TIME_WORD] = time as u64;
        }
    }

    pub(crate) fn set_source(&mut self, source: Option<TextId>) {
        if has_source(self.kind) {
            self.words[SOURCE_WORD] = source.map_or(Text::NONE, Text::from).0;
        }
    }

    fn indexed_word(&self, at: usize) -> i64 {
        if self.kind.delivery().indexed { self.words[at] as i64 } else { 0 }
    }
}

/// Whether events of the type are told apart by their source as well as their symbol.
pub(crate) fn has_source(kind: EventKind) -> bool {
    matches!(kind, EventKind::Order | EventKind::AnalyticOrder | EventKind::SpreadOrder)
}

/// One price of an order book.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The price.
    pub price: f64,
    /// The size at the price.
    pub size: f64,
}

/// An order book as the DOM service shows it, the best price first on either side.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Depth {
    /// Time of the book, ms since 1970 UTC.
    pub time: i64,
    /// The bids, in descending price.
    pub bids: Vec<Level>,
    /// The asks, in ascending price.
    pub asks: Vec<Level>,
}

/// When a source has something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At this time since the source was started; in the past means now.
    At(Duration),
    /// Not before something outside changes.
    Never,
}

/// A source of events, driven by the exchange's clock.
///
/// Time is an argument, so that a source is repeatable. Symbols are in the [`dxstream::symbol::Tables`]
/// that the source was made with.
pub trait EventSource: Send {
    /// Whether events of this type may come for the symbol; clients that ask for another get silence.
    fn knows(&mut self, kind: EventKind, symbol: &str) -> bool;

    /// The last event, for a TICKER subscription.
    fn latest(&mut self, kind: EventKind, symbol: SymbolId) -> Option<Row>;

    /// The events since `from_time` (ms since 1970 UTC) in ascending index, with no event flags set,
    /// for a HISTORY subscription. `source` is that of orders.
    fn history(
        &mut self,
        kind: EventKind,
        symbol: SymbolId,
        source: Option<&str>,
        from_time: i64,
    ) -> Vec<Row>;

    /// The order book of a symbol, at most `levels` prices a side, for the DOM service.
    fn depth(&mut self, symbol: &str, levels: usize) -> Option<Depth> {
        let _ = (symbol, levels);
        None
    }

    /// The symbols of the options that are listed on an underlying.
    fn options(&self, underlying: &str) -> Vec<String> {
        let _ = underlying;
        Vec::new()
    }

    /// When [`EventSource::advance`] should be called next.
    fn due(&self) -> Due;

    /// Emits what has happened until `now`, at most `most` events; what is left stays due.
    fn advance(&mut self, now: Duration, most: usize, emit: &mut dyn FnMut(&Row));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexed_types_have_their_words_where_rows_look_for_them() {
        for kind in EventKind::ALL {
            let place = |wire| kind.fields().iter().position(|field| field.wire == wire);
            assert_eq!(place("eventFlags").is_some(), kind.delivery().indexed, "{}", kind.name());
            assert_eq!(place("source").is_some(), has_source(*kind), "{}", kind.name());
            for (wire, word) in
                [("eventFlags", FLAGS_WORD), ("index", INDEX_WORD), ("source", SOURCE_WORD)]
            {
                assert!(place(wire).is_none_or(|at| at == word), "{}.{wire}", kind.name());
            }
            if kind.delivery().indexed {
                assert_eq!(place("time"), Some(TIME_WORD), "{}", kind.name());
            }
        }
    }
}
