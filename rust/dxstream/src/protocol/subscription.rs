//! What the user wants to receive: the desired set, and what of it the server has not been told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::Serialize;

use crate::event::{Contract, EventKind};

/// How long an ERROR that refuses a subscription takes to come at most, but for a network that stalls.
const UNCERTAIN: Duration = Duration::from_secs(3);

/// How long it may take to come, whatever happens.
const REMEMBERED: Duration = Duration::from_mins(1);

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

/// What is wanted of an entry.
#[derive(Debug, Clone, Copy)]
struct Wish {
    /// Start of its history, ms since 1970 UTC.
    from_time: Option<i64>,
    /// A server was told of it and did not refuse it, so what no server tells since is missing.
    taken: bool,
}

/// The desired subscriptions of one channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    /// Seconds over which the server may aggregate; the server's choice where nothing was said.
    pub(super) aggregation_period: Option<f64>,
    wanted: BTreeMap<Entry, Wish>,
    to_add: BTreeSet<Entry>,
    to_remove: BTreeSet<Entry>,
    told: BTreeSet<Entry>,
    /// Messages with entries to add that this channel was sent.
    messages: usize,
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
    /// Since when its events may be missing; nothing where no server had taken it before.
    pub missing_since: Option<Duration>,
    /// Whether its history has come.
    pub loaded: bool,
}

impl Feed {
    fn add(&mut self, entry: Entry, from_time: Option<i64>) {
        if self.wanted.get(&entry).map(|wish| wish.from_time) != Some(from_time) {
            self.wanted.insert(entry.clone(), Wish { from_time, taken: false });
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
        for entry in std::mem::take(&mut self.told) {
            if !self.to_add.contains(&entry) {
                self.set_taken(&entry);
            }
        }
        self.messages = 0;
        self.uncertain.clear();
        self.to_remove.clear();
        self.to_add = self.wanted.keys().cloned().collect();
    }

    fn set_taken(&mut self, entry: &Entry) {
        if let Some(wish) = self.wanted.get_mut(entry) {
            wish.taken = true;
        }
    }

    /// Asks again for all that the server may just have refused: of what it did not answer behind, the
    /// last seconds' messages, or all where there are none or it owes an answer. Says since when events
    /// may be missing of what a server had taken before.
    fn ask_again(&mut self, owes_answer: bool, now: Duration) -> Option<Duration> {
        self.forget_certain(now);
        let last = self.uncertain.partition_point(|(sent_at, _)| *sent_at + UNCERTAIN <= now);
        let all = owes_answer || last == self.uncertain.len();
        let refused = self.uncertain.split_off(if all { 0 } else { last });
        let mut missing_since = None;
        for (sent_at, entries) in refused {
            for entry in entries {
                let Some(wish) = self.wanted.get(&entry) else { continue };
                if wish.taken {
                    missing_since.get_or_insert(sent_at);
                }
                self.to_add.insert(entry);
            }
        }
        missing_since
    }

    fn forget_certain(&mut self, now: Duration) {
        self.set_certain(now.saturating_sub(REMEMBERED));
    }

    /// Takes note that the server has not refused what it was sent before then.
    fn set_certain(&mut self, before: Duration) {
        while let Some((_, entries)) = self.uncertain.pop_front_if(|(sent_at, _)| *sent_at < before)
        {
            entries.iter().for_each(|entry| self.set_taken(entry));
        }
    }

    /// Lets the history of symbols that have theirs be asked for from their last event on, whose time
    /// `last` gives in ms since 1970 UTC.
    fn resume(&mut self, key: FeedKey, last: impl Fn(EventKind, &str) -> Option<i64>) {
        let last = |symbol: &String| Some((symbol.clone(), last(key.kind, symbol)?));
        self.resumed = if key.heals() {
            self.loaded.iter().filter_map(last).collect()
        } else {
            BTreeMap::new()
        };
    }

    /// Gives up entries, to be wanted on another connection. What was refused may be missing since
    /// `refused`.
    fn displace(&mut self, key: FeedKey, entries: Vec<Entry>, refused: Duration) -> Vec<Displaced> {
        let aggregation_period = self.aggregation_period;
        let displaced = entries.into_iter().filter_map(|entry| {
            let Wish { from_time, taken } = *self.wanted.get(&entry)?;
            let loaded = self.loaded.contains(&entry.symbol);
            // The server may have taken it after all; what it does not have, it need not remove.
            self.remove(&entry);
            let missing_since = taken.then_some(refused);
            Some(Displaced { key, entry, from_time, aggregation_period, missing_since, loaded })
        });
        displaced.collect()
    }

    /// The next FEED_SUBSCRIPTION: at most `most` entries and bytes of what the server has not been
    /// told, and how many entries it holds. `reset` clears the server's set first.
    pub(super) fn next_message(
        &mut self,
        key: FeedKey,
        channel: u64,
        reset: bool,
        most: Most,
        now: Duration,
    ) -> (String, usize) {
        self.forget_certain(now);
        let mut message = format!(r#"{{"type":"FEED_SUBSCRIPTION","channel":{channel}"#);
        if reset {
            message.push_str(r#","reset":true"#);
        }
        let removed = self.write_list(&mut message, key.kind, "remove", most);
        let most = Most { entries: most.entries - removed.len(), ..most };
        let added = self.write_list(&mut message, key.kind, "add", most);
        let count = removed.len() + added.len();
        if !added.is_empty() {
            self.messages += 1;
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
        most: Most,
    ) -> Vec<Entry> {
        let adding = list == "add";
        let mut written = Vec::new();
        while written.len() < most.entries {
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
            if !written.is_empty() && out.len() + item.len() > most.bytes {
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
        let wanted = self.wanted[entry].from_time?;
        Some(self.resumed.get(&entry.symbol).map_or(wanted, |&resumed| resumed.max(wanted)))
    }
}

/// How much one FEED_SUBSCRIPTION may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub(super) entries: usize,
    pub(super) bytes: usize,
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
