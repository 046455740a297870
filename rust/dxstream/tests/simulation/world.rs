//! One run: a user, a client, a network and a server, on one virtual clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use dxstream::event::{Candle, Contract, EventKind, Order, Quote, Record, TimeAndSale, index};
use dxstream::protocol::{Entry, FeedKey};
use dxstream::series::Series;
use dxstream::store::{Consumer, QueueSettings};
use dxstream::symbol::SymbolId;

use crate::choice::Choice;
use crate::client::Client;
use crate::gaps::check_gaps;
use crate::market::{BARS, BOOKS, Key, QUOTES, RECORDED, START, STREAMED};
use crate::server::Server;

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_mins(4);

/// How long after that everything has to be well again: two saturations and a Retry-After.
const RECOVERY: Duration = Duration::from_mins(90);

/// Rows that the queues hold. Some listeners are too slow, so that theirs overflow.
const CAPACITIES: [usize; 2] = [1 << 16, 8];

/// Listeners that take everything at once: one of each type but orders. They come first.
const LISTENERS_OF_ALL: usize = 3;

/// What a FEED_SUBSCRIPTION holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Messages {
    /// As many entries as there are.
    Full,
    /// One, so that some are heard when others have been answered.
    OfOne,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) steps: u64,
    pub(crate) gaps: usize,
    pub(crate) rows: u64,
    pub(crate) missed: usize,
    /// Those of them that were published after the first event of their type had come again.
    pub(crate) missed_late: usize,
    pub(crate) over: bool,
}

pub(crate) struct World {
    now: Duration,
    choice: Choice,
    server: Server,
    client: Client,
    wanted: BTreeMap<(FeedKey, Entry), Option<i64>>,
    listeners: Vec<Consumer>,
    series: BTreeMap<(EventKind, String), (Consumer, Series, i64)>,
    /// What each listener of everything was given.
    seen: BTreeSet<(EventKind, String, u64)>,
    /// The last connection of which a row came, by event type.
    connections: HashMap<EventKind, u64>,
    /// When the first row of each connection came, by event type.
    first_rows: Vec<(EventKind, Duration)>,
    publishes_at: Duration,
    user_at: Duration,
    fault_at: Duration,
    outcome: Outcome,
}

impl World {
    pub(crate) fn new(seed: u64, messages: Messages, trace: bool) -> Self {
        let mut choice = Choice::new(seed);
        let mut fork = || Choice::new(choice.below(usize::MAX) as u64);
        let (server, client) = (Server::new(fork()), Client::new(fork(), messages, trace));
        let kinds = [EventKind::Quote, EventKind::TimeAndSale, EventKind::Candle];
        let listen =
            |kind, capacity| client.store.listen(kind, None, QueueSettings::every(capacity));
        let listeners = CAPACITIES
            .iter()
            .flat_map(|&capacity| kinds.map(|kind| listen(kind, capacity)))
            .collect();
        Self {
            now: Duration::ZERO,
            choice,
            server,
            client,
            wanted: BTreeMap::new(),
            listeners,
            series: BTreeMap::new(),
            seen: BTreeSet::new(),
            connections: HashMap::new(),
            first_rows: Vec::new(),
            publishes_at: Duration::ZERO,
            user_at: Duration::ZERO,
            fault_at: Duration::from_secs(3),
            outcome: Outcome::default(),
        }
    }

    /// Runs to the end, and panics where a promise is broken.
    pub(crate) fn run(mut self) -> Outcome {
        let mut same_moment = 0;
        let mut calm_at = None;
        loop {
            let next = self.next_moment();
            same_moment = if next > self.now { 0 } else { same_moment + 1 };
            assert!(same_moment < 10_000, "time stands still");
            self.now = next.max(self.now);
            self.outcome.steps += 1;
            self.step();
            if self.client.over().is_some() {
                self.outcome.over = true;
                return self.outcome;
            }
            if self.server.troubled && self.now >= TROUBLE {
                self.server.troubled = false;
                self.client.say(self.now, || "   no more trouble".into());
            }
            if self.now < TROUBLE {
                continue;
            }
            if self.is_settled() {
                let calm_at = *calm_at.get_or_insert(self.now);
                if self.now >= calm_at + Duration::from_secs(10) && self.is_idle() {
                    break;
                }
            } else {
                calm_at = None;
            }
            assert!(self.now < TROUBLE + RECOVERY, "not well again: {}", self.state());
        }
        self.finish();
        self.outcome
    }

    fn next_moment(&self) -> Duration {
        let connection = self.server.connection.as_ref();
        let arrivals = connection.and_then(|open| open.to_client.front().map(|(at, _)| *at));
        let sent = connection.and_then(|open| open.to_server.front().map(|(at, _)| *at));
        [self.publishes_at, self.user_at, self.fault_at]
            .into_iter()
            .chain(self.client.deadline())
            .chain(arrivals)
            .chain(sent)
            .min()
            .expect("the market goes on")
    }

    fn step(&mut self) {
        let now = self.now;
        if let Some(connection) = &mut self.server.connection {
            if let Some((_, frame)) = connection.to_server.pop_front_if(|(at, _)| *at <= now) {
                self.server.hear(&frame, now);
            } else if let Some((_, down)) = connection.to_client.pop_front_if(|(at, _)| *at <= now)
            {
                self.client.receive(down, &mut self.server, now);
            }
        }
        if self.publishes_at <= now {
            self.server.publish(now);
            self.server.keep_alive(now);
            let most = Duration::from_millis(if self.server.troubled { 400 } else { 6000 });
            self.publishes_at = now + self.choice.time(most);
        }
        if self.user_at <= now {
            self.use_it();
            let most = Duration::from_secs(if self.server.troubled { 12 } else { 1 << 30 });
            self.user_at = now + self.choice.time(most);
        }
        if self.fault_at <= now {
            if self.server.troubled {
                self.server.go_wrong(now);
            }
            let most = Duration::from_secs(if self.server.troubled { 16 } else { 1 << 30 });
            self.fault_at = now + self.choice.time(most);
        }
        self.client.follow(&mut self.server, now);
        for displaced in std::mem::take(&mut self.server.displaced) {
            self.forget(displaced.key, &displaced.entry);
        }
        self.listen();
    }

    /// Does what a user may do.
    fn use_it(&mut self) {
        let feeds = [
            (EventKind::Quote, None, false),
            (EventKind::TimeAndSale, None, false),
            (EventKind::TimeAndSale, Some(START - 5_000), true),
            (EventKind::Candle, Some(START - 60_000), true),
            (EventKind::Order, None, false),
        ];
        let &(kind, from_time, history) = self.choice.of(&feeds);
        let key = FeedKey::new(kind, from_time);
        let known: Vec<(String, Option<String>)> = match (kind, history) {
            (EventKind::Quote, _) => plain(&QUOTES),
            (EventKind::TimeAndSale, false) => plain(&STREAMED),
            (EventKind::TimeAndSale, true) => plain(&RECORDED),
            (EventKind::Candle, _) => plain(&BARS),
            _ => {
                BOOKS.iter().map(|&(symbol, source)| (symbol.into(), Some(source.into()))).collect()
            }
        };
        let chosen = (0..=self.choice.below(known.len())).map(|_| self.choice.of(&known).clone());
        let entries: BTreeSet<Entry> =
            chosen.map(|(symbol, source)| Entry { symbol, source }).collect();
        let entries: Vec<Entry> = entries.into_iter().collect();
        match self.choice.below(8) {
            0 => {
                for entry in &entries {
                    self.forget(key, entry);
                }
                self.client.link.unsubscribe(kind, Some(key.contract), &entries, self.now);
            }
            1 if self.choice.one_in(3) => {
                let of_kind: Vec<_> =
                    self.wanted.keys().filter(|(key, _)| key.kind == kind).cloned().collect();
                for (key, entry) in of_kind {
                    self.forget(key, &entry);
                }
                self.client.link.unsubscribe_all(kind, self.now);
            }
            _ => {
                for entry in &entries {
                    self.want(key, entry, from_time);
                }
                self.client.link.subscribe(key, entries, from_time, None, self.now);
            }
        }
        self.client.pump(&mut self.server, self.now);
    }

    fn want(&mut self, key: FeedKey, entry: &Entry, from_time: Option<i64>) {
        if self.wanted.insert((key, entry.clone()), from_time).is_some() {
            return;
        }
        let kind = key.kind;
        let Some(from_time) = from_time else {
            self.server.wanted.insert((kind, entry.symbol.clone()));
            return;
        };
        let store = &self.client.store;
        let symbol = store.tables().symbols.intern(&entry.symbol).expect("there is room");
        let rows = store.follow(kind, SymbolId(symbol), CAPACITIES[0]);
        let first = index::pack(from_time, 0);
        let series = (rows, Series::new(kind, first, Vec::new()), first);
        self.series.insert((kind, entry.symbol.clone()), series);
        self.seen.retain(|(of, symbol, _)| *of != kind || *symbol != entry.symbol);
    }

    fn forget(&mut self, key: FeedKey, entry: &Entry) {
        self.wanted.remove(&(key, entry.clone()));
        let of_symbol = (key.kind, entry.symbol.clone());
        if key.contract == Contract::History {
            self.series.remove(&of_symbol);
            // The end of a history that is on its way comes as if it was new.
            self.server.retold.insert(of_symbol.1);
            return;
        }
        // What nobody waits for any more may be missing.
        let seen = &self.seen;
        self.server.log.retain(|row| {
            (row.kind, &row.symbol) != (of_symbol.0, &of_symbol.1)
                || seen.contains(&(row.kind, row.symbol.clone(), row.number))
        });
        self.server.live.remove(&of_symbol);
        self.server.wanted.remove(&of_symbol);
    }

    /// Takes what the listeners were given, and looks at their counts.
    fn listen(&mut self) {
        for (number, listener) in self.listeners.iter_mut().enumerate() {
            let stats = listener.stats();
            let known = stats.delivered + stats.pending + stats.conflated + stats.dropped;
            assert_eq!(stats.received, known + stats.filtered, "{stats:?}");
            let complete = number < LISTENERS_OF_ALL;
            // One that is too slow takes a row now and then.
            let most = if complete { usize::MAX } else { usize::from(self.choice.one_in(8)) };
            let kind = listener.kind();
            for _ in 0..most {
                let Some((row, _)) = listener.next_row(0) else { break };
                if !complete {
                    continue;
                }
                self.outcome.rows += 1;
                let (symbol, number, connection) = read(kind, row);
                let last = self.connections.entry(kind).or_default();
                assert!(*last <= connection, "a row of connection {connection} after {last}");
                if *last < connection {
                    self.first_rows.push((kind, self.now));
                }
                *last = connection;
                let symbol = self.client.store.tables().symbol(symbol).expect("a row has a symbol");
                let first = self.seen.insert((kind, symbol.to_owned(), number));
                let once = kind == EventKind::TimeAndSale
                    && RECORDED.contains(&symbol)
                    && !self.server.retold.contains(symbol);
                assert!(first || !once, "sale {number} of {symbol} came twice");
            }
        }
        for (rows, series, _) in self.series.values_mut() {
            while let Some((row, received_at)) = rows.next_row(0) {
                series.apply(row, received_at);
            }
            assert_eq!(rows.stats().dropped, 0);
        }
    }

    /// Whether nothing is on its way.
    fn is_idle(&self) -> bool {
        let connection = self.server.connection.as_ref();
        connection.is_some_and(|open| open.to_client.is_empty() && open.to_server.is_empty())
    }

    /// Whether the server has what is wanted, and every gap is over.
    fn is_settled(&self) -> bool {
        self.client.link.is_accepted()
            && !self.client.link.has_gap()
            && self.server.subscribed() == self.wanted_entries()
    }

    fn wanted_entries(&self) -> BTreeSet<(Contract, Key)> {
        let key = |(key, entry): &(FeedKey, Entry)| {
            let source = entry.source.clone().unwrap_or_default();
            (key.contract, (key.kind, entry.symbol.clone(), source))
        };
        self.wanted.keys().map(key).collect()
    }

    fn state(&self) -> String {
        format!(
            "{:?}, {} accepted, {} gaps, subscribed {:?}, wanted {:?}",
            self.client.link.step(),
            self.client.accepted,
            self.client.store.gaps_since(0).1,
            self.server.subscribed(),
            self.wanted_entries()
        )
    }

    /// Compares what is held with what the server has.
    fn finish(&mut self) {
        assert_eq!(self.client.link.wanted().len(), self.wanted.len());
        self.compare_series();
        self.compare_state();
        let gaps = self.client.store.gaps_since(0).0;
        let of_types = self.client.store.type_gaps_since(0).0;
        check_gaps(&gaps, &of_types, &self.client.accepted_at);
        for row in &self.server.log {
            if self.seen.contains(&(row.kind, row.symbol.clone(), row.number)) {
                continue;
            }
            self.outcome.missed += 1;
            let gap = of_types.iter().find(|gap| {
                gap.kind == row.kind && gap.from <= row.arrival && row.at <= gap.to && !gap.healed
            });
            let Some(gap) = gap else {
                panic!("{row:?} is missing, and no gap says so: {of_types:?}");
            };
            let first = |(kind, at): &(EventKind, Duration)| {
                *kind == row.kind && gap.from < *at && *at < row.at
            };
            self.outcome.missed_late += usize::from(self.first_rows.iter().any(first));
        }
        self.outcome.gaps = gaps.len();
    }

    fn compare_series(&self) {
        for ((kind, symbol), (_, series, first)) in &self.series {
            let key = (*kind, symbol.clone(), String::new());
            let known = self.server.market.rows.get(&key).into_iter().flatten();
            let expected: Vec<(i64, u64)> =
                known.map(|(&at, &number)| (at, number)).filter(|(at, _)| at >= first).collect();
            let held: Vec<(i64, u64)> = series
                .rows()
                .map(|(row, _)| {
                    if *kind == EventKind::Candle {
                        let bar = Candle::from_row(row);
                        (index::pack(bar.time, bar.sequence), bar.close as u64)
                    } else {
                        let sale = TimeAndSale::from_row(row);
                        (index::pack(sale.time, sale.sequence), sale.price as u64)
                    }
                })
                .collect();
            assert!(series.is_complete(), "the series of {symbol} is not complete");
            let [held, expected]: [BTreeSet<_>; 2] =
                [held, expected].map(|rows| rows.into_iter().collect());
            let differs: Vec<_> = held.symmetric_difference(&expected).collect();
            assert!(differs.is_empty(), "the series of {symbol} differs in {differs:?}");
        }
    }

    fn compare_state(&self) {
        let store = &self.client.store;
        let rows = &self.server.market.rows;
        for (key, entry) in self.wanted.keys() {
            let source = entry.source.clone().unwrap_or_default();
            let of_market = rows.get(&(key.kind, entry.symbol.clone(), source));
            let tables = store.tables();
            let symbol = tables.symbols.find(&entry.symbol).map(SymbolId);
            match (key.kind, of_market) {
                (EventKind::Quote, Some(known)) => {
                    let mut row = vec![0; EventKind::Quote.fields().len()];
                    let symbol = symbol.expect("the quote has come");
                    store.latest(EventKind::Quote, symbol, &mut row).expect("it is kept");
                    let held = Quote::from_row(&row).bid_price as u64;
                    assert_eq!(Some(&held), known.get(&0), "the quote of {}", entry.symbol);
                }
                (EventKind::Order, known) => {
                    let source = entry.source.as_ref().expect("orders have a source");
                    let source = tables.texts.find(source).expect("the book has come");
                    let source = dxstream::symbol::TextId(source).into();
                    let symbol = symbol.expect("the book has come");
                    let held = store.read_book(EventKind::Order, symbol, source, |book| {
                        assert!(book.is_complete(), "the book of {} is not", entry.symbol);
                        let orders =
                            book.bids().orders(usize::MAX).chain(book.asks().orders(usize::MAX));
                        orders.map(|order| (order.index, order.price as u64)).collect()
                    });
                    // One that was empty from the first on is none.
                    let held: BTreeMap<i64, u64> = held.unwrap_or_default();
                    assert_eq!(held, known.cloned().unwrap_or_default(), "{}", entry.symbol);
                }
                _ => {}
            }
        }
    }
}

fn plain(symbols: &[&str]) -> Vec<(String, Option<String>)> {
    symbols.iter().map(|&symbol| (symbol.to_owned(), None)).collect()
}

/// The symbol, the number and the connection of a row.
fn read(kind: EventKind, row: &[u64]) -> (SymbolId, u64, u64) {
    let (symbol, number, connection) = match kind {
        EventKind::Quote => {
            let quote = Quote::from_row(row);
            (quote.event_symbol, quote.bid_price, quote.bid_size)
        }
        EventKind::TimeAndSale => {
            let sale = TimeAndSale::from_row(row);
            (sale.event_symbol, sale.price, 0.0)
        }
        EventKind::Candle => {
            let bar = Candle::from_row(row);
            (bar.event_symbol, bar.close, bar.volume)
        }
        EventKind::Order => {
            let order = Order::from_row(row);
            (order.event_symbol, order.price, order.size)
        }
        other => panic!("nobody listens to {}", other.name()),
    };
    (symbol, number as u64, connection as u64)
}
