//! What the user wants to receive: the desired set, and what of it the server has not been told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::feed::Feed;
use crate::event::{Contract, EventKind};

/// One channel's worth of subscriptions: an event type under a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedKey {
    /// The event type.
    pub kind: EventKind,
    /// The contract.
    pub contract: Contract,
}

impl FeedKey {
    /// The channel that carries `kind`: HISTORY where `from_time` asks for it, AUTO else.
    pub fn new(kind: EventKind, from_time: Option<i64>) -> Self {
        let contract = if from_time.is_some() { Contract::History } else { Contract::Auto };
        Self { kind, contract }
    }

    /// Whether nothing is missing once everything was asked for again: the channel carries histories.
    pub(super) fn heals(self) -> bool {
        self.contract == Contract::History && self.kind.delivery().time_series
    }
}

/// What identifies a subscription within its channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The symbol, as the server knows it; a candle symbol in normal form.
    pub symbol: String,
    /// The source of orders, such as NTV.
    pub source: Option<String>,
}

/// An entry that was taken out of a connection's subscriptions, to be wanted on another.
#[derive(Debug, Clone, PartialEq)]
pub struct Displaced {
    /// The channel.
    pub key: FeedKey,
    /// The entry.
    pub entry: Entry,
    /// Start of its history, ms since 1970 UTC.
    pub from_time: Option<i64>,
    /// Seconds over which the server may aggregate.
    pub aggregation_period: Option<f64>,
    /// Since when its events may be missing; nothing where no server had taken it before.
    pub missing_since: Option<Duration>,
    /// Whether its history has come.
    pub loaded: bool,
}

/// Everything that the user wants to receive. It outlives connections.
#[derive(Debug, Clone, Default)]
pub struct Subscriptions {
    pub(super) feeds: BTreeMap<FeedKey, Feed>,
}

impl Subscriptions {
    /// Wants `entries` of the channel; an entry with another `from_time` is asked for anew.
    pub fn add(
        &mut self,
        key: FeedKey,
        entries: impl IntoIterator<Item = Entry>,
        from_time: Option<i64>,
        aggregation_period: Option<f64>,
    ) {
        let feed = self.feeds.entry(key).or_default();
        if aggregation_period.is_some() {
            feed.aggregation_period = aggregation_period;
        }
        for entry in entries {
            feed.add(entry, from_time);
        }
    }

    /// Wants `entries` of the event type no longer, under one contract or under all; says how many
    /// were wanted until now.
    pub fn remove(
        &mut self,
        kind: EventKind,
        contract: Option<Contract>,
        entries: &[Entry],
    ) -> usize {
        let feeds = self.feeds.iter_mut().filter(|(key, _)| {
            key.kind == kind && contract.is_none_or(|contract| key.contract == contract)
        });
        feeds.map(|(_, feed)| entries.iter().filter(|entry| feed.remove(entry)).count()).sum()
    }

    /// Wants nothing of the event type any more.
    pub fn remove_all(&mut self, kind: EventKind) {
        for (_, feed) in self.feeds.iter_mut().filter(|(key, _)| key.kind == kind) {
            feed.clear();
        }
    }

    /// How many entries are wanted.
    pub fn len(&self) -> usize {
        self.feeds.values().map(|feed| feed.wanted.len()).sum()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The event types of which something is wanted.
    pub fn kinds(&self) -> BTreeSet<EventKind> {
        let wanted = self.feeds.iter().filter(|(_, feed)| !feed.is_empty());
        wanted.map(|(key, _)| key.kind).collect()
    }

    /// The symbols that are wanted of an event type; one may be named more than once.
    pub fn symbols(&self, kind: EventKind) -> impl Iterator<Item = &str> {
        let feeds = self.feeds.iter().filter(move |(key, _)| key.kind == kind);
        feeds.flat_map(|(_, feed)| feed.wanted.keys()).map(|entry| entry.symbol.as_str())
    }

    /// Whether the server was told all that is wanted of an event type.
    pub(super) fn is_told(&self, kind: EventKind) -> bool {
        let mut feeds = self.feeds.iter().filter(|(key, _)| key.kind == kind);
        feeds.all(|(_, feed)| !feed.has_changes())
    }

    /// Whether the channels of an event type were told all of it in a single message, so that its first
    /// event shows that the server has all of it.
    pub(super) fn is_told_at_once(&self, kind: EventKind) -> bool {
        let feeds = self.feeds.iter().filter(|(key, _)| key.kind == kind);
        feeds.map(|(_, feed)| feed.messages).sum::<usize>() == 1
    }

    /// Starts over for a new connection, which was told nothing yet.
    pub(super) fn forget_told(&mut self) {
        self.feeds.values_mut().for_each(Feed::forget_told);
    }

    /// Takes note that the history of a symbol has come, as it was asked for. Says whether that was from
    /// its last event on; if it comes once more, it is as new.
    pub(super) fn loaded(&mut self, key: FeedKey, symbol: &str) -> bool {
        let Some(feed) = self.feeds.get_mut(&key) else { return false };
        if !feed.loaded.contains(symbol) {
            feed.loaded.insert(symbol.to_owned());
        }
        feed.resumed.remove(symbol).is_some()
    }

    /// Takes note that the server has answered behind what it was sent before then.
    pub(super) fn set_certain(&mut self, before: Duration) {
        self.feeds.values_mut().for_each(|feed| feed.set_certain(before));
    }

    /// Lets the next connection ask for the history of symbols that have theirs from their last event
    /// on, whose time `last` gives in ms since 1970 UTC. Says of which event types nothing will be
    /// missing by that.
    pub fn resume(&mut self, last: impl Fn(EventKind, &str) -> Option<i64>) -> BTreeSet<EventKind> {
        let mut healed = self.kinds();
        for (key, feed) in &mut self.feeds {
            feed.resume(*key, &last);
            // What is not loaded is asked for from its start, and nothing of it was there to be lost.
            if !feed.is_empty() && !key.heals() {
                healed.remove(&key.kind);
            }
        }
        healed
    }

    /// The same for one channel that is asked for again over the same connection.
    pub(super) fn resume_channel(
        &mut self,
        key: FeedKey,
        last: impl Fn(EventKind, &str) -> Option<i64>,
    ) {
        if let Some(feed) = self.feeds.get_mut(&key) {
            feed.resume(key, last);
        }
    }

    /// Wants what another connection gave up. Its history goes on from `last`, the time of its last
    /// event in ms since 1970 UTC.
    pub(super) fn take_over(&mut self, displaced: Displaced, last: Option<i64>) {
        let Displaced { key, entry, from_time, aggregation_period, missing_since, .. } = displaced;
        self.add(key, [entry.clone()], from_time, aggregation_period);
        let feed = self.feeds.entry(key).or_default();
        if missing_since.is_some() {
            feed.set_taken(&entry);
        }
        if let Some(last) = last.filter(|_| key.heals()) {
            feed.loaded.insert(entry.symbol.clone());
            feed.resumed.insert(entry.symbol, last);
        }
    }

    /// Gives up what a server without room has just refused, and what it was not asked for yet.
    ///
    /// It refuses the last message of the channel of `key`, or of any: as long as nothing is removed,
    /// what comes after a message that does not fit does not fit either.
    pub(super) fn displace(&mut self, key: Option<FeedKey>, now: Duration) -> Vec<Displaced> {
        let mut displaced = Vec::new();
        let last = self
            .feeds
            .iter_mut()
            .filter(|(of, _)| key.is_none_or(|key| **of == key))
            .max_by_key(|(_, feed)| feed.uncertain.back().map(|(sent_at, _)| *sent_at));
        if let Some((&key, feed)) = last
            && let Some((sent_at, entries)) = feed.uncertain.pop_back()
        {
            displaced.extend(feed.displace(key, entries, sent_at));
        }
        for (&key, feed) in &mut self.feeds {
            let untold = feed.to_add.iter().cloned().collect();
            displaced.extend(feed.displace(key, untold, now));
        }
        displaced
    }

    /// Asks again for what the server may just have refused on the channel of `key`, or on any: for
    /// histories that have come from their last event on, as [`Subscriptions::resume`] does. Says of
    /// which channels events may be missing by that, and since when.
    pub(super) fn ask_again(
        &mut self,
        key: Option<FeedKey>,
        owes_answer: bool,
        last: impl Fn(EventKind, &str) -> Option<i64>,
        now: Duration,
    ) -> Vec<(FeedKey, Duration)> {
        let feeds = self.feeds.iter_mut().filter(|(of, _)| key.is_none_or(|key| **of == key));
        let missing = feeds.filter_map(|(&key, feed)| {
            feed.resume(key, &last);
            Some((key, feed.ask_again(owes_answer, now)?))
        });
        missing.collect()
    }
}

#[cfg(test)]
mod tests;
