//! What the user wants to receive: the desired set, and what of it the server has not been told.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::event::{Contract, EventKind};

/// Most bytes of one FEED_SUBSCRIPTION. Servers close with 1009 beyond 64 KiB.
pub(super) const MAX_MESSAGE: usize = 32 << 10;

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
}

impl Feed {
    fn add(&mut self, entry: Entry, from_time: Option<i64>) {
        let known = self.wanted.insert(entry.clone(), from_time);
        if known != Some(from_time) {
            self.to_remove.remove(&entry);
            self.to_add.insert(entry);
        }
    }

    fn remove(&mut self, entry: &Entry) -> bool {
        if self.wanted.remove(entry).is_none() {
            return false;
        }
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
        self.to_remove.clear();
        self.to_add = self.wanted.keys().cloned().collect();
    }

    /// The next FEED_SUBSCRIPTION: at most `most` entries and [`MAX_MESSAGE`] bytes of what the
    /// server has not been told, and how many entries it holds. `reset` clears the server's set first.
    pub(super) fn next_message(
        &mut self,
        key: FeedKey,
        channel: u64,
        reset: bool,
        most: usize,
    ) -> (String, usize) {
        let mut message = format!(r#"{{"type":"FEED_SUBSCRIPTION","channel":{channel}"#);
        if reset {
            message.push_str(r#","reset":true"#);
        }
        let mut count = 0;
        count += self.write_list(&mut message, key.kind, "remove", most);
        count += self.write_list(&mut message, key.kind, "add", most - count);
        message.push('}');
        (message, count)
    }

    fn write_list(&mut self, out: &mut String, kind: EventKind, list: &str, most: usize) -> usize {
        let adding = list == "add";
        let mut count = 0;
        while count < most {
            let queue = if adding { &mut self.to_add } else { &mut self.to_remove };
            let Some(entry) = queue.pop_first() else { break };
            let item = serde_json::to_string(&Item {
                r#type: kind.name(),
                symbol: &entry.symbol,
                source: entry.source.as_deref(),
                from_time: if adding { self.wanted[&entry] } else { None },
            })
            .expect("an item has only texts and a number");
            // A lone entry goes out whatever its length; the symbol's length is checked at the API.
            if count > 0 && out.len() + item.len() > MAX_MESSAGE {
                queue.insert(entry);
                break;
            }
            if count == 0 {
                out.push_str(",\"");
                out.push_str(list);
                out.push_str("\":[");
            } else {
                out.push(',');
            }
            out.push_str(&item);
            count += 1;
            if adding {
                self.told.insert(entry);
            }
        }
        if count > 0 {
            out.push(']');
        }
        count
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

    /// Wants `entries` of the event type no longer, whatever their contract; says how many were
    /// wanted until now.
    pub fn remove(&mut self, kind: EventKind, entries: &[Entry]) -> usize {
        let feeds = self.feeds.iter_mut().filter(|(key, _)| key.kind == kind);
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

    /// Starts over for a new connection, which was told nothing yet.
    pub(super) fn forget_told(&mut self) {
        self.feeds.values_mut().for_each(Feed::forget_told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let (message, count) = feed.next_message(quotes(), 1, true, 100);
        assert_eq!(count, 2);
        assert_eq!(
            message,
            r#"{"type":"FEED_SUBSCRIPTION","channel":1,"reset":true,"add":[{"type":"Quote","symbol":"A"},{"type":"Quote","symbol":"B"}]}"#
        );
        wanted.add(quotes(), [entry("B"), entry("C")], None, None);
        assert_eq!(wanted.remove(EventKind::Quote, &[entry("A"), entry("Z")]), 1);
        let feed = wanted.feeds.get_mut(&quotes()).unwrap();
        assert_eq!(feed.aggregation_period, Some(0.1));
        let (message, _) = feed.next_message(quotes(), 1, false, 100);
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
        wanted.remove(EventKind::Quote, &[entry("A")]);
        assert!(!wanted.feeds[&quotes()].has_changes());
    }

    #[test]
    fn another_from_time_asks_again() {
        let key = FeedKey::new(EventKind::Candle, Some(5));
        let mut wanted = Subscriptions::default();
        wanted.add(key, [entry("A{=m}")], Some(5), None);
        wanted.feeds.get_mut(&key).unwrap().next_message(key, 1, true, 9);
        wanted.add(key, [entry("A{=m}")], Some(5), None);
        assert!(!wanted.feeds[&key].has_changes());
        wanted.add(key, [entry("A{=m}")], Some(4), None);
        let (message, _) = wanted.feeds.get_mut(&key).unwrap().next_message(key, 1, false, 9);
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
            let (message, count) = feed.next_message(quotes(), 1, false, 100_000);
            assert!(message.len() <= MAX_MESSAGE + 2);
            let parsed: serde_json::Value = serde_json::from_str(&message).unwrap();
            let added = parsed["add"].as_array().unwrap();
            assert_eq!(added.len(), count);
            told.extend(added.iter().map(|item| item["symbol"].as_str().unwrap().to_owned()));
        }
        assert_eq!(told, symbols);
    }
}
