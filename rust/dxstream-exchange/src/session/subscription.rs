//! Who of a connection's channels wants which event.

use std::collections::HashMap;

use dxstream::event::{Contract, EventKind};
use dxstream::symbol::{SymbolId, TextId};
use foldhash::fast::RandomState;

use crate::source::Row;

/// The symbol that stands for all of them.
pub(crate) const WILDCARD: &str = "*";

/// What a subscription names. A second one of the same key takes the place of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) channel: i64,
    pub(crate) kind: EventKind,
    /// None is the wildcard.
    pub(crate) symbol: Option<SymbolId>,
    pub(crate) source: Option<TextId>,
}

/// How a subscription is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The contract, decided: never AUTO.
    pub(crate) contract: Contract,
    /// The start of a time series, ms since 1970 UTC.
    pub(crate) from_time: i64,
    /// The last value or the snapshot is still to be sent, and has what happens until then.
    pub(crate) fresh: bool,
}

/// What an event is about; no symbol is the wildcard.
type Subject = (EventKind, Option<SymbolId>);

/// The subscriptions of a connection.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    by_symbol: HashMap<Subject, Vec<(Key, Terms)>, RandomState>,
    count: usize,
}

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many symbols are subscribed for events of this type.
    pub(crate) fn symbols_of(&self, kind: EventKind) -> usize {
        self.by_symbol.keys().filter(|(subscribed, _)| *subscribed == kind).count()
    }

    /// A channel that has subscribed to events of this type, the lowest.
    pub(crate) fn first_channel_of(&self, kind: EventKind) -> Option<i64> {
        let entries = self.by_symbol.values().flatten();
        entries.filter(|(key, _)| key.kind == kind).map(|(key, _)| key.channel).min()
    }

    pub(crate) fn add(&mut self, key: Key, terms: Terms) {
        let entries = self.by_symbol.entry((key.kind, key.symbol)).or_default();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.0 == key) {
            entry.1 = terms;
        } else {
            entries.push((key, terms));
            self.count += 1;
        }
    }

    pub(crate) fn remove(&mut self, key: Key) {
        if let Some(entries) = self.by_symbol.get_mut(&(key.kind, key.symbol)) {
            let before = entries.len();
            entries.retain(|entry| entry.0 != key);
            self.count -= before - entries.len();
            if entries.is_empty() {
                self.by_symbol.remove(&(key.kind, key.symbol));
            }
        }
    }

    pub(crate) fn remove_channel(&mut self, channel: i64) {
        let count = &mut self.count;
        self.by_symbol.retain(|_, entries| {
            let before = entries.len();
            entries.retain(|(key, _)| key.channel != channel);
            *count -= before - entries.len();
            !entries.is_empty()
        });
    }

    pub(crate) fn get(&self, key: Key) -> Option<Terms> {
        let entries = self.by_symbol.get(&(key.kind, key.symbol))?;
        entries.iter().find(|entry| entry.0 == key).map(|entry| entry.1)
    }

    /// Calls `deliver` with each channel that wants a live row, and the contract that it comes by.
    pub(crate) fn route(&self, row: &Row, mut deliver: impl FnMut(i64, Contract)) {
        let named = self.matching(row, Some(row.symbol()));
        for (at, (key, terms)) in named.clone().enumerate() {
            if named.clone().take(at).all(|(earlier, _)| earlier.channel != key.channel) {
                deliver(key.channel, terms.contract);
            }
        }
        for (key, terms) in self.matching(row, None) {
            if named.clone().all(|(earlier, _)| earlier.channel != key.channel) {
                deliver(key.channel, terms.contract);
            }
        }
    }

    /// Whether a channel wants a live row.
    pub(crate) fn wants(&self, channel: i64, row: &Row) -> bool {
        [Some(row.symbol()), None]
            .into_iter()
            .any(|symbol| self.matching(row, symbol).any(|(key, _)| key.channel == channel))
    }

    fn matching<'a>(
        &'a self,
        row: &'a Row,
        symbol: Option<SymbolId>,
    ) -> impl Iterator<Item = &'a (Key, Terms)> + Clone {
        self.by_symbol.get(&(row.kind, symbol)).into_iter().flatten().filter(|(key, terms)| {
            let in_time = terms.contract != Contract::History
                || !row.kind.delivery().time_series
                || row.time() >= terms.from_time;
            !terms.fresh && in_time && (key.source.is_none() || key.source == row.source())
        })
    }
}

/// The contract that a subscription comes by on a channel; nothing where the contract does not
/// carry the type. Source: the dxFeed API's own choice for each type.
pub(crate) fn contract_of(
    channel: Contract,
    kind: EventKind,
    wildcard: bool,
    has_from_time: bool,
) -> Option<Contract> {
    let delivery = kind.delivery();
    let contract = match channel {
        Contract::Auto if wildcard => Contract::Stream,
        Contract::Auto if delivery.time_series && has_from_time => Contract::History,
        Contract::Auto if delivery.lasting => Contract::Ticker,
        Contract::Auto if delivery.indexed && !delivery.time_series => Contract::History,
        Contract::Auto => Contract::Stream,
        named => named,
    };
    let carried = match contract {
        Contract::Ticker => delivery.lasting && !wildcard,
        Contract::History => delivery.indexed && !wildcard,
        _ => true,
    };
    carried.then_some(contract)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_picks_by_type_and_from_time() {
        use Contract::{Auto, History, Stream, Ticker};
        for (kind, wildcard, from_time, contract) in [
            (EventKind::Quote, false, false, Ticker),
            (EventKind::Quote, true, false, Stream),
            (EventKind::Configuration, false, false, Ticker),
            (EventKind::Candle, false, false, Ticker),
            (EventKind::Candle, false, true, History),
            (EventKind::Greeks, false, true, History),
            (EventKind::TimeAndSale, false, false, Stream),
            (EventKind::TimeAndSale, false, true, History),
            (EventKind::Order, false, false, History),
            (EventKind::Series, false, false, History),
            (EventKind::OptionSale, false, false, History),
            (EventKind::Message, false, false, Stream),
        ] {
            let picked = contract_of(Auto, kind, wildcard, from_time);
            assert_eq!(picked, Some(contract), "{}", kind.name());
        }
        assert_eq!(contract_of(Ticker, EventKind::TimeAndSale, false, false), None);
        assert_eq!(contract_of(History, EventKind::Quote, false, false), None);
        assert_eq!(contract_of(Ticker, EventKind::Quote, true, false), None);
        assert_eq!(contract_of(Stream, EventKind::Quote, false, false), Some(Stream));
    }
}
