//! A streamer's task: its subscriptions, on as many connections as they need.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::clock;
use super::command::Command;
use super::companions::{COMPANION, Companions, OWNER};
use super::endpoint::Endpoint;
use super::link::{LinkTask, Report};
use super::said::Unreadable;
use super::shared::{EndGuard, Shared};
use super::transport::Limits;
use crate::error::Error;
use crate::event::{Contract, EventKind};
use crate::log;
use crate::loss::Loss;
use crate::protocol::{Displaced, Entry, FeedKey, Link, LinkSettings};
use crate::symbol::SymbolId;

/// Most subscriptions of a connection, by event type, symbol and source; measured on tastytrade's
/// servers, which refuse what is beyond.
const MAX_ENTRIES: usize = 25_000;

/// Most connections of a streamer. Servers were seen to refuse a user's 30th to 40th.
const MAX_LINKS: usize = 24;

/// How a streamer connects.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// How each of its connections heals.
    pub link: LinkSettings,
    /// How long each step of connecting may take, and how much the server may send at once.
    pub limits: Limits,
}

/// Runs a streamer until it is closed or fails. `guard` ends it however the task ends.
pub(super) async fn run(
    settings: StreamSettings,
    endpoints: watch::Receiver<Result<Endpoint, Loss>>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    guard: EndGuard,
) {
    let shared = Arc::clone(&guard.0);
    let (reports, mut reported) = mpsc::unbounded_channel();
    let mut stream = Stream {
        settings,
        endpoints,
        reports,
        shared: Arc::clone(&shared),
        tasks: JoinSet::new(),
        links: BTreeMap::new(),
        homes: HashMap::new(),
        companions: Companions::default(),
    };
    stream.open_link();
    let error = loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Close) | None => break Error::Closed,
                Some(command) => stream.obey(command),
            },
            Some(report) = reported.recv() => match report {
                Report::Displaced(link, entries) => stream.rehouse(link, entries),
                Report::Over(link, error) if stream.links.contains_key(&link) => break error,
                // It was closed for want of work.
                Report::Over(..) => {}
            },
            Some(Err(panicked)) = stream.tasks.join_next(), if !stream.tasks.is_empty() => {
                break Error::ConnectionLost(format!(
                    "a connection's task ended unexpectedly; this is a defect of dxstream: {panicked}"
                ));
            }
        }
    };
    for link in stream.links.values() {
        let _ = link.commands.send(Command::Close);
    }
    while stream.tasks.join_next().await.is_some() {}
    match &error {
        Error::Closed => tracing::info!(target: log::CONNECTION, "closed"),
        error => tracing::error!(target: log::CONNECTION, "the stream is over: {error}"),
    }
    shared.end(error, clock::now());
}

struct Stream {
    settings: StreamSettings,
    endpoints: watch::Receiver<Result<Endpoint, Loss>>,
    reports: mpsc::UnboundedSender<Report>,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    links: BTreeMap<usize, LinkHandle>,
    /// Which link has which subscription.
    homes: HashMap<FeedKey, HashMap<Entry, usize>>,
    companions: Companions,
}

struct LinkHandle {
    commands: mpsc::UnboundedSender<Command>,
    entries: usize,
    capacity: usize,
}

impl Stream {
    fn open_link(&mut self) -> usize {
        let number = self.shared.add_link();
        let mut settings = self.settings.link.clone();
        settings.heals_first |= !self.links.is_empty();
        let (sender, commands) = mpsc::unbounded_channel();
        let task = LinkTask {
            number,
            link: Link::new(settings, Arc::clone(self.shared.store.tables())),
            limits: self.settings.limits.clone(),
            endpoints: self.endpoints.clone(),
            commands,
            reports: self.reports.clone(),
            shared: Arc::clone(&self.shared),
            began: Duration::ZERO,
            parsing: None,
            unreadable: Unreadable::default(),
            rows: Vec::new(),
        };
        self.tasks.spawn(task.run());
        let handle = LinkHandle { commands: sender, entries: 0, capacity: MAX_ENTRIES };
        self.links.insert(number, handle);
        number
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Subscribe { key, entries, from_time, aggregation_period } => {
                if key.kind == COMPANION {
                    self.show(&entries);
                }
                self.subscribe(key, entries, from_time, aggregation_period);
            }
            Command::Unsubscribe { kind, contract, mut entries } => {
                if kind == COMPANION {
                    entries.retain(|entry| !self.stays(entry));
                }
                self.unsubscribe(kind, contract, &entries);
                if kind == OWNER {
                    self.end_companions(entries.into_iter().map(|entry| entry.symbol));
                }
                self.close_idle();
            }
            Command::UnsubscribeAll { kind } => {
                if kind == COMPANION && !self.companions.is_empty() {
                    let of_kind = self.homes.iter().filter(|(key, _)| key.kind == kind);
                    let mut entries: Vec<Entry> =
                        of_kind.flat_map(|(_, homes)| homes.keys().cloned()).collect();
                    entries.retain(|entry| !self.stays(entry));
                    self.unsubscribe(kind, None, &entries);
                } else {
                    self.unsubscribe_all(kind);
                }
                if kind == OWNER {
                    let symbols: Vec<String> = self.companions.symbols().cloned().collect();
                    self.end_companions(symbols.into_iter());
                }
                self.close_idle();
            }
            Command::Accompany { symbols } => self.accompany(symbols),
            // Links alone are sent these.
            Command::TakeOver { .. } | Command::Close => {}
            #[cfg(test)]
            Command::Panic { in_link: false } => panic!("a test asked for it"),
            #[cfg(test)]
            Command::Panic { in_link: true } => {
                for link in self.links.values() {
                    let _ = link.commands.send(Command::Panic { in_link: true });
                }
            }
        }
    }

    fn subscribe(
        &mut self,
        key: FeedKey,
        entries: Vec<Entry>,
        from_time: Option<i64>,
        aggregation_period: Option<f64>,
    ) {
        let mut by_link: HashMap<usize, Vec<Entry>> = HashMap::new();
        for entry in entries {
            let known = self.homes.get(&key).and_then(|homes| homes.get(&entry)).copied();
            let link = known.unwrap_or_else(|| self.house(key, entry.clone()));
            by_link.entry(link).or_default().push(entry);
        }
        for (number, link) in &self.links {
            let entries = by_link.remove(number).unwrap_or_default();
            // A link without a new entry may have others, which the aggregation period concerns.
            if !entries.is_empty() || aggregation_period.is_some() {
                let _ = link.commands.send(Command::Subscribe {
                    key,
                    entries,
                    from_time,
                    aggregation_period,
                });
            }
        }
    }

    fn unsubscribe(&mut self, kind: EventKind, contract: Option<Contract>, entries: &[Entry]) {
        let concerned = |key: &FeedKey| {
            key.kind == kind && contract.is_none_or(|contract| contract == key.contract)
        };
        for (_, homes) in self.homes.iter_mut().filter(|(key, _)| concerned(key)) {
            for link in entries.iter().filter_map(|entry| homes.remove(entry)) {
                self.links.entry(link).and_modify(LinkHandle::lose_entry);
            }
        }
        for link in self.links.values() {
            let entries = entries.to_vec();
            let _ = link.commands.send(Command::Unsubscribe { kind, contract, entries });
        }
    }

    fn unsubscribe_all(&mut self, kind: EventKind) {
        for (_, homes) in self.homes.iter_mut().filter(|(key, _)| key.kind == kind) {
            for (_, link) in homes.drain() {
                self.links.entry(link).and_modify(LinkHandle::lose_entry);
            }
        }
        for link in self.links.values() {
            let _ = link.commands.send(Command::UnsubscribeAll { kind });
        }
    }

    /// Subscribes the companions of symbols whose owners are subscribed.
    fn accompany(&mut self, symbols: Vec<String>) {
        let [owner, companion] = [OWNER, COMPANION].map(|kind| FeedKey::new(kind, None));
        let homes = &self.homes;
        let is_home =
            |key, entry: &Entry| homes.get(&key).is_some_and(|entries| entries.contains_key(entry));
        let entries = symbols.into_iter().map(|symbol| Entry { symbol, source: None });
        let new: Vec<Entry> = entries
            .filter(|entry| is_home(owner, entry))
            .filter(|entry| self.companions.begin(&entry.symbol, is_home(companion, entry)))
            .collect();
        for entry in &new {
            self.hide(entry);
        }
        if !new.is_empty() {
            self.subscribe(companion, new, None, None);
        }
    }

    fn hide(&self, entry: &Entry) {
        let store = &self.shared.store;
        // Where there is no room for the symbol, no row of it comes.
        if let Ok(symbol) = store.tables().symbols.intern(&entry.symbol) {
            store.hide(COMPANION, SymbolId(symbol));
        }
    }

    /// Shows the events of what the user subscribes himself.
    fn show(&mut self, entries: &[Entry]) {
        let store = &self.shared.store;
        if !store.is_hiding(COMPANION) {
            return;
        }
        for entry in entries {
            if let Some(symbol) = store.tables().symbols.find(&entry.symbol) {
                let was_companion = self.companions.claim(&entry.symbol);
                store.show(COMPANION, SymbolId(symbol), was_companion);
            }
        }
    }

    /// Whether what the user wants no longer stays as a companion; it is hidden then.
    fn stays(&mut self, entry: &Entry) -> bool {
        let stays = self.companions.disclaim(&entry.symbol);
        if stays {
            self.hide(entry);
        }
        stays
    }

    /// Ends companions. They stay hidden, for some of their events may be on their way.
    fn end_companions(&mut self, symbols: impl Iterator<Item = String>) {
        let ended = symbols.filter(|symbol| self.companions.end(symbol));
        let entries: Vec<Entry> = ended.map(|symbol| Entry { symbol, source: None }).collect();
        if !entries.is_empty() {
            self.unsubscribe(COMPANION, None, &entries);
        }
    }

    /// Finds a link with room for an entry, or opens one.
    fn house(&mut self, key: FeedKey, entry: Entry) -> usize {
        let with_room = self.links.iter().find(|(_, link)| link.entries < link.capacity);
        let number = match (with_room, self.links.last_key_value()) {
            (Some((&number, _)), _) => number,
            (None, Some((&last, _))) if self.links.len() >= MAX_LINKS => last,
            _ => self.open_link(),
        };
        self.links.entry(number).and_modify(|link| link.entries += 1);
        self.homes.entry(key).or_default().insert(entry, number);
        number
    }

    /// Moves subscriptions for which a link's server has no room to another link.
    fn rehouse(&mut self, link: usize, displaced: Vec<Displaced>) {
        let Some(full) = self.links.get_mut(&link) else { return };
        full.entries = full.entries.saturating_sub(displaced.len());
        full.capacity = full.entries;
        for displaced in displaced {
            let Displaced { key, ref entry, loaded, .. } = displaced;
            let Some(homes) = self.homes.get_mut(&key) else { continue };
            if homes.get(entry) != Some(&link) {
                continue;
            }
            homes.remove(entry);
            let number = self.house(key, entry.clone());
            let last = || self.shared.store.last_time(key.kind, &entry.symbol);
            let last = if loaded { last() } else { None };
            if let Some(link) = self.links.get(&number) {
                let _ = link.commands.send(Command::TakeOver { displaced, last });
            }
        }
    }

    /// Closes the links that have nothing to do; the first stays.
    fn close_idle(&mut self) {
        let first = self.links.first_key_value().map(|(&number, _)| number);
        self.links.retain(|&number, link| {
            let stays = link.entries > 0 || Some(number) == first;
            if !stays {
                let _ = link.commands.send(Command::Close);
                self.shared.remove_link(number);
            }
            stays
        });
    }
}

impl LinkHandle {
    fn lose_entry(&mut self) {
        self.entries = self.entries.saturating_sub(1);
    }
}
