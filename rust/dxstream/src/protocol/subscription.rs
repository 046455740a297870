//! What the user wants to receive: the desired set, and what of it the server has not been told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::Serialize;

use crate::event::{Contract, EventKind};

/// Most bytes of one FEED_SUBSCRIPTION. Servers close with 1009 beyond 64 KiB.
pub(super) const MAX_MESSAGE: usize = 32 << 10;

/// How long an ERROR that refuses a subscription may take to come.
const UNCERTAIN: Duration = Duration::from_secs(3);

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
}

/// What identifies a subscription within its channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The symbol, as the server knows it; a candle symbol in normal form.
    pub symbol: String,
    /// The source of orders, such as NTV.
    pub source: Option<String>,
}

/// One element of `add` or `remove` in a FEED_SUBSCRIPTION.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    r#type: &'static str,
    symbol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_time: Option<i64>,
}

/// The desired subscriptions of one channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    /// Seconds over which the server may aggregate; the server's choice where nothing was said.
    pub(super) aggregation_period: Option<f64>,
    wanted: BTreeMap<Entry, Option<i64>>,
    to_add: BTreeSet<Entry>,
    to_remove: BTreeSet<Entry>,
    told: BTreeSet<Entry>,
    /// The entries of the last messages, and when each was sent: the server may still refuse it.
    uncertain: VecDeque<(Duration, Vec<Entry>)>,
    /// Symbols whose history has come, as it was asked for.
    loaded: BTreeSet<String>,
    /// From when on the history of loaded symbols is asked for on this connection, ms.
    resumed: BTreeMap<String, i64>,
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
}

impl Feed {
    fn add(&mut self, entry: Entry, from_time: Option<i64>) {
        let known = self.wanted.insert(entry.clone(), from_time);
        if known != Some(from_time) {
            self.loaded.remove(&entry.symbol);
            self.resumed.remove(&entry.symbol);
            self.to_remove.remove(&entry);
            self.to_add.insert(entry);
        }
    }

    fn remove(&mut self, entry: &Entry) -> bool {
        if self.wanted.remove(entry).is_none() {
            return false;
        }
        self.loaded.remove(&entry.symbol);
        self.resumed.remove(&entry.symbol);
        self.to_add.remove(entry);
        if self.told.remove(entry) {
            self.to_remove.insert(entry.clone());
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.to_add.is_empty() || !self.to_remove.is_empty()
    }

    /// Forgets what the server was told: on the next channel all is asked for again.
    pub(super) fn forget_told(&mut self) {
        self.told.clear();
        self.uncertain.clear();
        self.to_remove.clear();
        self.to_add = self.wanted.keys().cloned().collect();
    }

    /// Asks again for all that the server may just have refused.
    pub(super) fn ask_again(&mut self, now: Duration) {
        self.forget_certain(now);
        let refused = std::mem::take(&mut self.uncertain).into_iter();
        for entry in refused.flat_map(|(_, entries)| entries) {
            if self.wanted.contains_key(&entry) {
                self.to_add.insert(entry);
            }
        }
    }

    fn forget_certain(&mut self, now: Duration) {
        while self.uncertain.front().is_some_and(|(sent_at, _)| *sent_at + UNCERTAIN <= now) {
            self.uncertain.pop_front();
        }
    }

    /// Gives up entries, to be wanted on another connection.
    fn displace(&mut self, key: FeedKey, entries: Vec<Entry>) -> Vec<Displaced> {
        let aggregation_period = self.aggregation_period;
        let displaced = entries.into_iter().filter_map(|entry| {
            let from_time = *self.wanted.get(&entry)?;
            // The server may have taken it after all; what it does not have, it need not remove.
            self.remove(&entry);
            Some(Displaced { key, entry, from_time, aggregation_period })
        });
        displaced.collect()
    }

    /// The next FEED_SUBSCRIPTION: at most `most` entries and [`MAX_MESSAGE`] bytes of what the
    /// server has not been told, and how many entries it holds. `reset` clears the server's set first.
    pub(super) fn next_message(
        &mut self,
        key: FeedKey,
        channel: u64,
        reset: bool,
        most: usize,
        now: Duration,
    ) -> (String, usize) {
        self.forget_certain(now);
        let mut message = format!(r#"{{"type":"FEED_SUBSCRIPTION","channel":{channel}"#);
        if reset {
            message.push_str(r#","reset":true"#);
        }
        let removed = self.write_list(&mut message, key.kind, "remove", most);
        let added = self.write_list(&mut message, key.kind, "add", most - removed.len());
        let count = removed.len() + added.len();
        if !added.is_empty() {
            self.told.extend(added.iter().cloned());
            self.uncertain.push_back((now, added));
        }
        message.push('}');
        (message, count)
    }

    fn write_list(
        &mut self,
        out: &mut String,
        kind: EventKind,
        list: &str,
        most: usize,
    ) -> Vec<Entry> {
        let adding = list == "add";
        let mut written = Vec::new();
        while written.len() < most {
            let queue = if adding { &mut self.to_add } else { &mut self.to_remove };
            let Some(entry) = queue.pop_first() else { break };
            let from_time = if adding { self.history_start(&entry) } else { None };
            let item = serde_json::to_string(&Item {
                r#type: kind.name(),
                symbol: &entry.symbol,
                source: entry.source.as_deref(),
                from_time,
            })
            .expect("an item has only texts and a number");
            // A lone entry goes out whatever its length; the symbol's length is checked at the API.
            if !written.is_empty() && out.len() + item.len() > MAX_MESSAGE {
                let queue = if adding { &mut self.to_add } else { &mut self.to_remove };
                queue.insert(entry);
                break;
            }
            if written.is_empty() {
                out.push_str(",\"");
                out.push_str(list);
                out.push_str("\":[");
            } else {
                out.push(',');
            }
            out.push_str(&item);
            written.push(entry);
        }
        if !written.is_empty() {
            out.push(']');
        }
        written
    }

    /// Where the history of an entry begins that the server is asked for.
    fn history_start(&self, entry: &Entry) -> Option<i64> {
        let wanted = self.wanted[entry]?;
        Some(self.resumed.get(&entry.symbol).map_or(wanted, |&resumed| resumed.max(wanted)))
    }
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
            *feed = Feed { aggregation_period: feed.aggregation_period, ..Feed::default() };
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

    /// Starts over for a new connection, which was told nothing yet.
    pub(super) fn forget_told(&mut self) {
        self.feeds.values_mut().for_each(Feed::forget_told);
    }

    /// Takes note that the history of a symbol has come, as it was asked for.
    pub(super) fn loaded(&mut self, key: FeedKey, symbol: &str) {
        if let Some(feed) = self.feeds.get_mut(&key)
            && !feed.loaded.contains(symbol)
        {
            feed.loaded.insert(symbol.to_owned());
        }
    }

    /// Whether the history of a symbol was asked for from its last event on.
    pub(super) fn is_resumed(&self, key: FeedKey, symbol: &str) -> bool {
        self.feeds.get(&key).is_some_and(|feed| feed.resumed.contains_key(symbol))
    }

    /// Lets the next connection ask for the history of symbols that have theirs from their last event
    /// on, whose time `last` gives in ms since 1970 UTC. Says of which event types nothing will be
    /// missing by that.
    pub fn resume(&mut self, last: impl Fn(EventKind, &str) -> Option<i64>) -> BTreeSet<EventKind> {
        let mut healed = self.kinds();
        for (key, feed) in &mut self.feeds {
            let last = |symbol: &String| Some((symbol.clone(), last(key.kind, symbol)?));
            feed.resumed = match key.contract {
                Contract::History if key.kind.delivery().time_series => {
                    feed.loaded.iter().filter_map(last).collect()
                }
                _ => BTreeMap::new(),
            };
            // What is not loaded is asked for from its start, and nothing of it was there to be lost.
            let heals = key.contract == Contract::History && key.kind.delivery().time_series;
            if !feed.is_empty() && !heals {
                healed.remove(&key.kind);
            }
        }
        healed
    }

    /// Gives up what a server without room has just refused, and what it was not asked for yet.
    ///
    /// It refuses the last message of the channel of `key`, or of any: as long as nothing is removed,
    /// what comes after a message that does not fit does not fit either.
    pub(super) fn displace(&mut self, key: Option<FeedKey>) -> Vec<Displaced> {
        let mut displaced = Vec::new();
        let last = self
            .feeds
            .iter_mut()
            .filter(|(of, _)| key.is_none_or(|key| **of == key))
            .max_by_key(|(_, feed)| feed.uncertain.back().map(|(sent_at, _)| *sent_at));
        if let Some((&key, feed)) = last
            && let Some((_, entries)) = feed.uncertain.pop_back()
        {
            displaced.extend(feed.displace(key, entries));
        }
        for (&key, feed) in &mut self.feeds {
            let untold = feed.to_add.iter().cloned().collect();
            displaced.extend(feed.displace(key, untold));
        }
        displaced
    }

    /// Asks again for what the server may just have refused on the channel of `key`, or on any.
    pub(super) fn ask_again(&mut self, key: Option<FeedKey>, now: Duration) {
        let feeds = self.feeds.iter_mut().filter(|(of, _)| key.is_none_or(|key| **of == key));
        feeds.for_each(|(_, feed)| feed.ask_again(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn entry(symbol: &str) -> Entry {
        Entry { symbol: symbol.into(), source: None }
    }

    fn quotes() -> FeedKey {
        FeedKey::new(EventKind::Quote, None)
    }

    #[test]
    fn only_the_difference_is_told() {
        let mut wanted = Subscriptions::default();
        wanted.add(quotes(), [entry("A"), entry("B")], None, Some(0.1));
        let feed = wanted.feeds.get_mut(&quotes()).unwrap();
        let (message, count) = feed.next_message(quotes(), 1, true, 100, NOW);
        assert_eq!(count, 2);
        assert_eq!(
            message,
            r#"{"type":"FEED_SUBSCRIPTION","channel":1,"reset":true,"add":[{"type":"Quote","symbol":"A"},{"type":"Quote","symbol":"B"}]}"#
        );
        wanted.add(quotes(), [entry("B"), entry("C")], None, None);
        assert_eq!(wanted.remove(EventKind::Quote, None, &[entry("A"), entry("Z")]), 1);
        let feed = wanted.feeds.get_mut(&quotes()).unwrap();
        assert_eq!(feed.aggregation_period, Some(0.1));
        let (message, _) = feed.next_message(quotes(), 1, false, 100, NOW);
        assert_eq!(
            message,
            r#"{"type":"FEED_SUBSCRIPTION","channel":1,"remove":[{"type":"Quote","symbol":"A"}],"add":[{"type":"Quote","symbol":"C"}]}"#
        );
        assert!(!feed.has_changes());
    }

    #[test]
    fn an_entry_that_was_never_told_leaves_without_a_message() {
        let mut wanted = Subscriptions::default();
        wanted.add(quotes(), [entry("A")], None, None);
        wanted.remove(EventKind::Quote, None, &[entry("A")]);
        assert!(!wanted.feeds[&quotes()].has_changes());
    }

    #[test]
    fn entries_may_be_left_under_one_contract() {
        let [live, history] = [None, Some(5)].map(|from| FeedKey::new(EventKind::Candle, from));
        let mut wanted = Subscriptions::default();
        wanted.add(live, [entry("A{=m}")], None, None);
        wanted.add(history, [entry("A{=m}")], Some(5), None);
        let removed = wanted.remove(EventKind::Candle, Some(Contract::History), &[entry("A{=m}")]);
        assert_eq!((removed, wanted.feeds[&live].is_empty()), (1, false));
        assert!(wanted.feeds[&history].is_empty());
    }

    #[test]
    fn another_from_time_asks_again() {
        let key = FeedKey::new(EventKind::Candle, Some(5));
        let mut wanted = Subscriptions::default();
        wanted.add(key, [entry("A{=m}")], Some(5), None);
        wanted.feeds.get_mut(&key).unwrap().next_message(key, 1, true, 9, NOW);
        wanted.add(key, [entry("A{=m}")], Some(5), None);
        assert!(!wanted.feeds[&key].has_changes());
        wanted.add(key, [entry("A{=m}")], Some(4), None);
        let (message, _) = wanted.feeds.get_mut(&key).unwrap().next_message(key, 1, false, 9, NOW);
        assert!(message.ends_with(r#""add":[{"type":"Candle","symbol":"A{=m}","fromTime":4}]}"#));
    }

    #[test]
    fn messages_stay_under_the_size_limit_and_lose_nothing() {
        let mut wanted = Subscriptions::default();
        let symbols: Vec<String> = (0..5000).map(|n| format!(".SPXW261218C{n:05}\"")).collect();
        wanted.add(quotes(), symbols.iter().map(|symbol| entry(symbol)), None, None);
        let feed = wanted.feeds.get_mut(&quotes()).unwrap();
        let mut told = Vec::new();
        while feed.has_changes() {
            let (message, count) = feed.next_message(quotes(), 1, false, 100_000, NOW);
            assert!(message.len() <= MAX_MESSAGE + 2);
            let parsed: serde_json::Value = serde_json::from_str(&message).unwrap();
            let added = parsed["add"].as_array().unwrap();
            assert_eq!(added.len(), count);
            told.extend(added.iter().map(|item| item["symbol"].as_str().unwrap().to_owned()));
        }
        assert_eq!(told, symbols);
    }
}
