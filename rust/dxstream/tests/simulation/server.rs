//! A DXLink server as a second reading of the protocol, with a network that loses, delays and repeats.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use dxstream::event::{Contract, EventKind};
use dxstream::protocol::Displaced;
use serde_json::{Value, json};

use crate::choice::Choice;
use crate::market::{Key, Market, RECORDED, Row, fields};

/// What travels to the client.
#[derive(Debug, Clone)]
pub(crate) enum Down {
    Text(String),
    Binary,
    Close(u16, &'static str),
    /// The socket breaks.
    Reset,
}

/// A row that whoever wants its symbol has to get, or a gap for it.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) kind: EventKind,
    pub(crate) symbol: String,
    pub(crate) number: u64,
    pub(crate) at: Duration,
    /// When the client gets it, if it does.
    pub(crate) arrival: Duration,
}

#[derive(Debug)]
struct Channel {
    contract: Contract,
    entries: BTreeMap<Key, Option<i64>>,
    columns: BTreeMap<EventKind, Vec<&'static str>>,
    /// The server forgets to configure it, and to send data.
    mute: bool,
}

/// The server's end of a connection and what is on its way.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    delay: Duration,
    pub(crate) to_client: VecDeque<(Duration, Down)>,
    pub(crate) to_server: VecDeque<(Duration, String)>,
    authorized: bool,
    channels: BTreeMap<u64, Channel>,
    /// Channels that were open once.
    closed: BTreeSet<u64>,
    /// Nothing gets through any more.
    silent: bool,
    /// It takes no more subscriptions.
    full: bool,
    heard_at: Duration,
    keepalive_at: Duration,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) market: Market,
    pub(crate) connection: Option<Connection>,
    pub(crate) choice: Choice,
    /// Whether anything goes wrong.
    pub(crate) troubled: bool,
    /// The number of the token that is good; those before it have expired.
    pub(crate) token: u64,
    /// Tokens of which the client has heard that they are refused.
    pub(crate) refused: BTreeSet<u64>,
    connections: u64,
    /// Symbols of streams that the user wants.
    pub(crate) wanted: BTreeSet<(EventKind, String)>,
    /// Those of them that were subscribed since. What was refused, or is on a channel that is closed,
    /// stays among them if it was subscribed before.
    pub(crate) live: BTreeSet<(EventKind, String)>,
    pub(crate) log: Vec<Published>,
    /// Symbols whose history was or may be told anew without a reconnect.
    pub(crate) retold: BTreeSet<String>,
    /// What the link has given up for want of room, for the user to hear of.
    pub(crate) displaced: Vec<Displaced>,
}

/// Whether every row of a symbol is due: it is no history.
fn is_stream(kind: EventKind, contract: Contract) -> bool {
    kind == EventKind::Quote || kind == EventKind::TimeAndSale && contract == Contract::Auto
}

impl Server {
    pub(crate) fn new(mut choice: Choice) -> Self {
        Self {
            market: Market::new(&mut choice),
            connection: None,
            choice,
            troubled: true,
            token: 0,
            refused: BTreeSet::new(),
            connections: 0,
            wanted: BTreeSet::new(),
            live: BTreeSet::new(),
            log: Vec::new(),
            retold: BTreeSet::new(),
            displaced: Vec::new(),
        }
    }

    pub(crate) fn accept(&mut self, now: Duration) {
        assert!(self.connection.is_none(), "two connections at once");
        self.connections += 1;
        self.connection = Some(Connection {
            id: self.connections,
            delay: self.choice.time(Duration::from_millis(300)),
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
            authorized: false,
            channels: BTreeMap::new(),
            closed: BTreeSet::new(),
            silent: false,
            full: false,
            heard_at: now,
            keepalive_at: now + Duration::from_secs(20),
        });
    }

    pub(crate) fn drop_connection(&mut self) {
        self.connection = None;
        self.live.retain(|key| self.wanted.contains(key));
    }

    fn trouble(&mut self, chances: usize) -> bool {
        self.troubled && self.choice.one_in(chances)
    }

    pub(crate) fn send(&mut self, down: Down, now: Duration) {
        let Some(connection) = self.connection.as_mut().filter(|open| !open.silent) else { return };
        let at = connection.arrival(now);
        connection.to_client.push_back((at, down));
    }

    fn tell(&mut self, message: &Value, now: Duration) {
        self.send(Down::Text(message.to_string()), now);
    }

    /// Sends an answer of a handshake, which may be lost, come twice or be the last.
    fn answer(&mut self, message: &Value, now: Duration) {
        if self.trouble(60) {
            return;
        }
        self.tell(message, now);
        // A second UNAUTHORIZED is an answer to AUTH.
        if message["state"] != "UNAUTHORIZED" && self.trouble(12) {
            self.tell(message, now);
        }
        if self.trouble(80) {
            self.send(Down::Reset, now);
        }
    }

    fn complain(&mut self, channel: u64, error: &str, text: &str, now: Duration) {
        let message = json!({"type": "ERROR", "channel": channel, "error": error, "message": text});
        self.tell(&message, now);
    }

    /// Takes a frame of the client.
    pub(crate) fn hear(&mut self, frame: &str, now: Duration) {
        let Some(connection) = self.connection.as_mut().filter(|open| !open.silent) else { return };
        connection.heard_at = now;
        assert!(frame.len() <= 64 << 10, "a message of {} bytes", frame.len());
        let message: Value = serde_json::from_str(frame).expect("a client sends JSON");
        let channel = message["channel"].as_u64().expect("a message has a channel");
        let kind = message["type"].as_str().expect("a message has a type");
        assert!(
            connection.authorized || matches!(kind, "SETUP" | "AUTH" | "KEEPALIVE"),
            "{kind} before AUTHORIZED"
        );
        match kind {
            "SETUP" => self.setup(now),
            "AUTH" => self.authorize(message["token"].as_str().expect("a token is a text"), now),
            "CHANNEL_REQUEST" => self.open(channel, &message, now),
            "CHANNEL_CANCEL" => {
                if self.close(channel) {
                    self.answer(&json!({"type": "CHANNEL_CLOSED", "channel": channel}), now);
                }
            }
            "FEED_SETUP" => self.configure(channel, now),
            "FEED_SUBSCRIPTION" => self.subscribe(channel, &message, now),
            "KEEPALIVE" => {}
            other => panic!("a client sends no {other}"),
        }
    }

    fn setup(&mut self, now: Duration) {
        if self.trouble(60) {
            let many = "The number of user sessions has exceeded the configured limit, user=u";
            self.complain(0, "UNAUTHORIZED", many, now);
            return self.send(Down::Close(1000, ""), now);
        }
        self.answer(&json!({"type": "SETUP", "channel": 0, "keepaliveTimeout": 60}), now);
        let state = json!({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"});
        self.answer(&state, now);
    }

    fn authorize(&mut self, token: &str, now: Duration) {
        let token: u64 = token.parse().expect("a token of the simulation is a number");
        assert!(!self.refused.contains(&token), "the refused token {token} is sent again");
        if token < self.token {
            let state = json!({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"});
            return self.tell(&state, now);
        }
        let connection = self.connection.as_mut().expect("a connection is heard");
        connection.authorized = true;
        self.answer(&json!({"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED"}), now);
    }

    fn open(&mut self, channel: u64, message: &Value, now: Duration) {
        let contract = message["parameters"]["contract"].as_str().expect("a contract is named");
        let contract = Contract::from_name(contract).expect("the contract is known");
        let mute = self.trouble(60);
        let connection = self.connection.as_mut().expect("a connection is heard");
        assert!(channel % 2 == 1 && !connection.closed.contains(&channel), "channel {channel}");
        let opened = Channel { contract, entries: BTreeMap::new(), columns: BTreeMap::new(), mute };
        assert!(connection.channels.insert(channel, opened).is_none(), "channel {channel} twice");
        self.answer(&json!({"type": "CHANNEL_OPENED", "channel": channel}), now);
    }

    /// Closes a channel; says whether it was open.
    fn close(&mut self, channel: u64) -> bool {
        let connection = self.connection.as_mut().expect("a connection is open");
        let closed = connection.channels.remove(&channel).is_some();
        connection.closed.insert(channel);
        closed
    }

    /// Takes note that the client does not want entries any more.
    fn let_go(&mut self, contract: Contract, entries: impl IntoIterator<Item = Key>) {
        for (kind, symbol, _) in entries {
            if is_stream(kind, contract) {
                self.live.remove(&(kind, symbol));
            } else {
                self.retold.insert(symbol);
            }
        }
    }

    /// Names other columns than before, in another order, for each type of the channel.
    fn configure(&mut self, channel: u64, now: Duration) {
        let connection = self.connection.as_mut().expect("a connection is heard");
        let Some(open) = connection.channels.get_mut(&channel) else { return };
        if open.mute {
            return;
        }
        let kinds = [EventKind::Quote, EventKind::TimeAndSale, EventKind::Candle, EventKind::Order];
        let mut named = serde_json::Map::new();
        for kind in kinds {
            let mut columns = fields(kind);
            if kind.delivery().time_series && self.choice.one_in(3) {
                columns.pop();
            }
            self.choice.shuffle(&mut columns);
            named.insert(kind.name().into(), json!(columns));
            open.columns.insert(kind, columns);
        }
        let config = json!({"type": "FEED_CONFIG", "channel": channel, "dataFormat": "COMPACT",
                            "aggregationPeriod": 0, "eventFields": named});
        self.tell(&config, now);
        if self.trouble(6) {
            self.tell(&config, now);
        }
    }

    fn subscribe(&mut self, channel: u64, message: &Value, now: Duration) {
        let list = |name: &str| -> Vec<(Key, Option<i64>)> {
            let items = message[name].as_array().into_iter().flatten();
            let text = |item: &Value, name: &str| item[name].as_str().unwrap_or("").to_owned();
            let entry = |item: &Value| {
                let kind = EventKind::from_name(&text(item, "type")).expect("the type is known");
                ((kind, text(item, "symbol"), text(item, "source")), item["fromTime"].as_i64())
            };
            items.map(entry).collect()
        };
        let (add, remove) = (list("add"), list("remove"));
        let rate = self.trouble(30);
        let size = self.trouble(150);
        let connection = self.connection.as_mut().expect("a connection is heard");
        let Some(open) = connection.channels.get_mut(&channel) else {
            assert!(connection.closed.contains(&channel), "channel {channel} was never opened");
            return;
        };
        let (contract, mute) = (open.contract, open.mute);
        if message["reset"] == true {
            open.entries.clear();
        }
        for (key, _) in &remove {
            open.entries.remove(key);
        }
        connection.full |= size;
        let full = connection.full;
        self.let_go(contract, remove.into_iter().map(|(key, _)| key));
        if !add.is_empty() && (rate || full) {
            // A link that hears of it asks again for all that it asked for just before.
            self.retold.extend(RECORDED.map(str::to_owned));
            let what = if full { "size is too big" } else { "rate is too high" };
            let text = format!("Your subscription {what}");
            return self.complain(channel, "BAD_ACTION", &text, now);
        }
        for (key, from_time) in add {
            let connection = self.connection.as_mut().expect("a connection is heard");
            let open = connection.channels.get_mut(&channel).expect("the channel was there");
            open.entries.insert(key.clone(), from_time);
            let of_stream = (key.0, key.1.clone());
            if is_stream(key.0, contract) && self.wanted.contains(&of_stream) {
                self.live.insert(of_stream);
            }
            if mute {
                continue;
            }
            let snapshot = self.market.snapshot(&key, from_time, &mut self.choice);
            let parts = 1 + self.choice.below(3);
            for part in snapshot.chunks(snapshot.len().div_ceil(parts).max(1)) {
                self.tell_rows(channel, part, now);
            }
        }
    }

    fn tell_rows(&mut self, channel: u64, rows: &[Row], now: Duration) {
        let connection = self.connection.as_ref().expect("a connection is open");
        let Some(columns) = connection.channels[&channel].columns.get(&rows[0].kind) else {
            return;
        };
        let values: Vec<Value> = rows
            .iter()
            .flat_map(|row| columns.iter().map(|field| row.value(field, connection.id)))
            .collect();
        // As on the wire, the type comes first.
        let frame = format!(
            r#"{{"type":"FEED_DATA","channel":{channel},"data":["{}",{}]}}"#,
            rows[0].kind.name(),
            Value::from(values)
        );
        self.send(Down::Text(frame), now);
    }

    /// Lets something happen in the market, and tells who asked.
    pub(crate) fn publish(&mut self, now: Duration) {
        let rows = self.market.advance(now, &mut self.choice);
        let key: Key = (rows[0].kind, rows[0].symbol.clone(), rows[0].source.clone());
        let of_stream = (key.0, key.1.clone());
        if self.live.contains(&of_stream) && self.wanted.contains(&of_stream) {
            let arrival = self.connection.as_ref().map_or(now, |open| open.arrival(now));
            let (kind, symbol) = of_stream;
            let number = rows[0].number;
            self.log.push(Published { kind, symbol, number, at: now, arrival });
        }
        let Some(connection) = &self.connection else { return };
        let asked = connection.channels.iter().filter(|(_, open)| open.entries.contains_key(&key));
        for channel in asked.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.tell_rows(channel, &rows, now);
        }
    }

    /// Keeps the connection alive, and sees that the client does.
    pub(crate) fn keep_alive(&mut self, now: Duration) {
        let Some(connection) = self.connection.as_mut().filter(|open| !open.silent) else { return };
        let quiet = now.saturating_sub(connection.heard_at);
        assert!(quiet <= Duration::from_mins(1), "the client said nothing for {quiet:?}");
        if connection.keepalive_at <= now {
            connection.keepalive_at = now + Duration::from_secs(20);
            self.tell(&json!({"type": "KEEPALIVE", "channel": 0}), now);
        }
    }

    /// Lets something go wrong on an open connection.
    pub(crate) fn go_wrong(&mut self, now: Duration) {
        const GARBAGE: [&str; 9] = [
            "",
            "{",
            "[]",
            "null",
            r#"{"type":"NEWS","channel":0}"#,
            r#"{"type":"FEED_DATA","channel":99,"data":["Quote",["A",1,1]]}"#,
            r#"{"type":"FEED_DATA","channel":1,"data":["Nothing",["A",1,1]]}"#,
            r#"{"type":"FEED_CONFIG","channel":98,"eventFields":{"Quote":[1]}}"#,
            r#"{"type":"AUTH_STATE","channel":0}"#,
        ];
        let Some(connection) = &mut self.connection else { return };
        let channels: Vec<u64> = connection.channels.keys().copied().collect();
        match self.choice.below(16) {
            0..4 => {
                // Of what is on its way, a part still comes.
                let left = self.choice.below(connection.to_client.len() + 1);
                connection.to_client.truncate(left);
                self.send(Down::Reset, now);
            }
            4 => connection.silent = true,
            5 => self.send(Down::Close(1012, "restart"), now),
            6 => self.send(Down::Close(1000, "Bye"), now),
            7 => self.send(Down::Close(1011, ""), now),
            8 => {
                self.market.restart();
                self.send(Down::Close(1012, "restart"), now);
            }
            // A client that has not heard of AUTHORIZED would take it for an answer to AUTH.
            9 if connection.authorized && !channels.is_empty() => {
                self.token += 1;
                match self.choice.below(2) {
                    0 => {
                        let gone =
                            json!({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"});
                        self.tell(&gone, now);
                    }
                    _ => self.complain(0, "UNAUTHORIZED", "the token has expired", now),
                }
            }
            10 | 11 if !channels.is_empty() => {
                let &channel = self.choice.of(&channels);
                self.configure(channel, now);
            }
            12 if !channels.is_empty() => {
                let &channel = self.choice.of(&channels);
                self.close(channel);
                self.tell(&json!({"type": "CHANNEL_CLOSED", "channel": channel}), now);
            }
            13 => {
                // The way to the client is blocked for a while.
                let stall = self.choice.time(Duration::from_secs(8));
                for (at, _) in &mut connection.to_client {
                    *at += stall;
                }
                for published in self.log.iter_mut().filter(|row| row.arrival > now) {
                    published.arrival += stall;
                }
            }
            14 => self.send(Down::Binary, now),
            _ => {
                let garbage = (*self.choice.of(&GARBAGE)).to_owned();
                self.send(Down::Text(garbage), now);
            }
        }
    }

    /// What is subscribed over the connection: contract, type, symbol, source and start.
    pub(crate) fn subscribed(&self) -> BTreeSet<(Contract, Key)> {
        let heard = self.connection.iter().filter(|open| !open.silent);
        let channels = heard.flat_map(|open| open.channels.values());
        channels
            .flat_map(|open| open.entries.keys().map(|key| (open.contract, key.clone())))
            .collect()
    }
}

impl Connection {
    /// When what the client sends now is heard: some time after what it sent before.
    pub(crate) fn departure(&self, now: Duration, choice: &mut Choice) -> Duration {
        let last = self.to_server.back().map_or(Duration::ZERO, |(at, _)| *at);
        last.max(now) + choice.time(self.delay)
    }

    /// When what is sent now arrives; nothing overtakes.
    fn arrival(&self, now: Duration) -> Duration {
        let last = self.to_client.back().map_or(Duration::ZERO, |(at, _)| *at);
        last.max(now + self.delay)
    }
}
