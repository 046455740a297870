//! Where an exchange's events come from: the synthetic market, a tape, or a test.

use std::time::Duration;

use dxstream::event::{EventKind, MAX_WORDS, Record};
use dxstream::symbol::SymbolId;

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

    /// When [`EventSource::advance`] should be called next.
    fn due(&self) -> Due;

    /// Emits what has happened until `now`, at most `most` events; what is left stays due.
    fn advance(&mut self, now: Duration, most: usize, emit: &mut dyn FnMut(&Row));
}
