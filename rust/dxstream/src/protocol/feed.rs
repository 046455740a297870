//! The desired subscriptions of one channel, and what of them the server has been told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::Serialize;

use super::subscription::{Displaced, Entry, FeedKey};
use crate::event::EventKind;

/// How long an ERROR that refuses a subscription takes to come at most, but for a network that stalls.
const UNCERTAIN: Duration = Duration::from_secs(3);

/// How long it may take to come, whatever happens.
const REMEMBERED: Duration = Duration::from_mins(1);

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
pub(super) struct Wish {
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
    pub(super) wanted: BTreeMap<Entry, Wish>,
    pub(super) to_add: BTreeSet<Entry>,
    to_remove: BTreeSet<Entry>,
    told: BTreeSet<Entry>,
    /// Messages with entries to add that this channel was sent.
    pub(super) messages: usize,
    /// The entries of the last messages, and when each was sent: the server may still refuse it.
    pub(super) uncertain: VecDeque<(Duration, Vec<Entry>)>,
    /// Symbols whose history has come, as it was asked for.
    pub(super) loaded: BTreeSet<String>,
    /// From when on the history of loaded symbols is asked for on this connection, ms.
    pub(super) resumed: BTreeMap<String, i64>,
}

impl Feed {
    pub(super) fn add(&mut self, entry: Entry, from_time: Option<i64>) {
        if self.wanted.get(&entry).map(|wish| wish.from_time) != Some(from_time) {
            self.wanted.insert(entry.clone(), Wish { from_time, taken: false });
            self.loaded.remove(&entry.symbol);
            self.resumed.remove(&entry.symbol);
            self.to_remove.remove(&entry);
            self.to_add.insert(entry);
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) -> bool {
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

    /// Wants nothing any more.
    pub(super) fn clear(&mut self) {
        *self = Self { aggregation_period: self.aggregation_period, ..Self::default() };
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

    pub(super) fn set_taken(&mut self, entry: &Entry) {
        if let Some(wish) = self.wanted.get_mut(entry) {
            wish.taken = true;
        }
    }

    /// Asks again for all that the server may just have refused: of what it did not answer behind, the
    /// last seconds' messages, or all where there are none or it owes an answer. Says since when events
    /// may be missing of what a server had taken before.
    pub(super) fn ask_again(&mut self, owes_answer: bool, now: Duration) -> Option<Duration> {
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
    pub(super) fn set_certain(&mut self, before: Duration) {
        while let Some((_, entries)) = self.uncertain.pop_front_if(|(sent_at, _)| *sent_at < before)
        {
            for entry in &entries {
                self.set_taken(entry);
            }
        }
    }

    /// Lets the history of symbols that have theirs be asked for from their last event on, whose time
    /// `last` gives in ms since 1970 UTC.
    pub(super) fn resume(&mut self, key: FeedKey, last: impl Fn(EventKind, &str) -> Option<i64>) {
        let last = |symbol: &String| Some((symbol.clone(), last(key.kind, symbol)?));
        self.resumed = if key.heals() {
            self.loaded.iter().filter_map(last).collect()
        } else {
            BTreeMap::new()
        };
    }

    /// Gives up entries, to be wanted on another connection. What was refused may be missing since
    /// `refused`.
    pub(super) fn displace(
        &mut self,
        key: FeedKey,
        entries: Vec<Entry>,
        refused: Duration,
    ) -> Vec<Displaced> {
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
