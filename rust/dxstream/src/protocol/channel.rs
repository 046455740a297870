//! Feed channels: which exist, and how the data of each is read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::message::{ClientMessage, FeedParameters};
use super::subscription::FeedKey;
use super::transaction::Transactions;
use crate::event::{Contract, EventKind};
use crate::json::{self, Schema};

const FEED: &str = "FEED";
const COMPACT: &str = "COMPACT";

/// One feed channel of a connection.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: u64,
    pub(super) key: FeedKey,
    pub(super) opened: bool,
    opened_at: Duration,
    /// The server was sent a FEED_SUBSCRIPTION on this channel.
    pub(super) subscribed: bool,
    /// The aggregation period of the last FEED_SETUP.
    pub(super) aggregation_period: Option<f64>,
    /// When a FEED_CONFIG or data must have come; nothing once one has, or was missed.
    config_by: Option<Duration>,
    /// A FEED_CONFIG or data has come.
    configured: bool,
    pub(super) transactions: Option<Transactions>,
    schemas: BTreeMap<EventKind, Schema>,
}

impl Channel {
    /// A channel that is yet to be opened. Until a FEED_CONFIG names the fields, rows are read as they
    /// were asked for.
    fn new(id: u64, key: FeedKey) -> Self {
        let schema = Schema::new(key.kind, &requested_fields(key.kind))
            .expect("every event type declares its symbol, and each wire name once");
        Self {
            id,
            key,
            opened: false,
            opened_at: Duration::ZERO,
            subscribed: false,
            aggregation_period: None,
            config_by: None,
            configured: false,
            transactions: Transactions::new(key.kind),
            schemas: BTreeMap::from_iter([(key.kind, schema)]),
        }
    }

    pub(super) fn request(&self) -> String {
        request(self.id, self.key.contract)
    }

    /// Takes note that the server opened it, and is to configure it until then.
    pub(super) fn open(&mut self, now: Duration, config_by: Duration) {
        self.opened = true;
        self.opened_at = now;
        self.config_by = Some(config_by);
    }

    /// When the server opened it, where it has not configured it since.
    pub(super) fn unconfigured_since(&self) -> Option<Duration> {
        (!self.configured).then_some(self.opened_at)
    }

    /// Takes note of a FEED_CONFIG, or of data.
    pub(super) fn set_configured(&mut self) {
        self.configured = true;
        self.config_by = None;
    }

    pub(super) fn setup(&self) -> String {
        let fields = requested_fields(self.key.kind).into_iter().map(Value::from).collect();
        ClientMessage::FeedSetup {
            channel: self.id,
            accept_aggregation_period: self.aggregation_period,
            accept_data_format: COMPACT,
            accept_event_fields: Map::from_iter([(self.key.kind.name().into(), fields)]),
        }
        .frame()
    }

    /// Takes the field lists of a FEED_CONFIG; a type it does not name keeps its fields. A list that
    /// cannot be read leaves its type without a schema, and says why.
    pub(super) fn configure(&mut self, event_fields: &Map<String, Value>) -> Result<(), String> {
        let mut problems = Ok(());
        for (name, list) in event_fields {
            let Some(kind) = EventKind::from_name(name) else { continue };
            let names: Option<Vec<&str>> =
                list.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
            let schema = match names {
                Some(names) => Schema::new(kind, &names).map_err(|error| error.to_string()),
                None => Err("is no list of names".to_owned()),
            };
            match schema {
                Ok(schema) => {
                    self.schemas.insert(kind, schema);
                }
                Err(problem) => {
                    self.schemas.remove(&kind);
                    problems = Err(format!("the field list of {name} {problem}"));
                }
            }
        }
        problems
    }
}

fn request(channel: u64, contract: Contract) -> String {
    let parameters = FeedParameters { contract: contract.name() };
    ClientMessage::ChannelRequest { channel, service: FEED, parameters }.frame()
}

/// The fields that are asked for: all that are declared, under every name that a server may know.
fn requested_fields(kind: EventKind) -> Vec<&'static str> {
    kind.fields()
        .iter()
        .flat_map(|field| std::iter::once(field.wire).chain(field.aliases.iter().copied()))
        .collect()
}

/// The channels of a connection.
#[derive(Debug, Default)]
pub(super) struct Channels {
    open: Vec<Channel>,
    /// Channels that were cancelled and whose CHANNEL_CLOSED has not come.
    cancelled: Vec<u64>,
    /// Channels that were asked for to have an answer, and when.
    questions: Vec<(u64, Duration)>,
    made: u64,
}

impl Channels {
    /// Makes the next channel. Ids of a client are odd.
    pub(super) fn make(&mut self, key: FeedKey) -> &mut Channel {
        let id = self.next_id();
        self.open.push(Channel::new(id, key));
        self.open.last_mut().expect("a channel was just added")
    }

    fn next_id(&mut self) -> u64 {
        self.made += 1;
        2 * self.made - 1
    }

    /// Asks for a channel that nobody needs; gives its id.
    pub(super) fn ask(&mut self, now: Duration) -> (u64, String) {
        let id = self.next_id();
        self.questions.push((id, now));
        (id, request(id, Contract::Auto))
    }

    /// Whether the server owes an answer.
    pub(super) fn owe_answer(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Takes note that something came about a channel. Says when the question was asked that it answers,
    /// if it answers one.
    pub(super) fn answers(&mut self, id: u64) -> Option<Duration> {
        let at = self.questions.iter().position(|(question, _)| *question == id)?;
        Some(self.questions.swap_remove(at).1)
    }

    /// Takes back the request for a channel that nobody needs.
    pub(super) fn cancel_question(&mut self, id: u64) -> String {
        self.cancelled.push(id);
        ClientMessage::ChannelCancel { channel: id }.frame()
    }

    pub(super) fn by_id(&mut self, id: u64) -> Option<&mut Channel> {
        self.open.iter_mut().find(|channel| channel.id == id)
    }

    pub(super) fn by_key(&mut self, key: FeedKey) -> Option<&mut Channel> {
        self.open.iter_mut().find(|channel| channel.key == key)
    }

    pub(super) fn cancel(&mut self, key: FeedKey) -> Option<String> {
        let at = self.open.iter().position(|channel| channel.key == key)?;
        let id = self.open.swap_remove(at).id;
        self.cancelled.push(id);
        Some(ClientMessage::ChannelCancel { channel: id }.frame())
    }

    /// Takes note of CHANNEL_CLOSED; gives back the channel where nobody had cancelled it.
    pub(super) fn closed(&mut self, id: u64) -> Option<Channel> {
        self.cancelled.retain(|&cancelled| cancelled != id);
        let at = self.open.iter().position(|channel| channel.id == id)?;
        Some(self.open.swap_remove(at))
    }

    /// Whether data of the channel may still be under way although it was cancelled.
    pub(super) fn is_cancelled(&self, id: u64) -> bool {
        self.cancelled.contains(&id)
    }

    /// Whether the channel of `key` takes subscriptions.
    pub(super) fn is_ready(&self, key: FeedKey) -> bool {
        self.open.iter().any(|channel| channel.key == key && channel.opened)
    }

    /// Whether every channel that was asked for is open.
    pub(super) fn are_open(&self) -> bool {
        self.open.iter().all(|channel| channel.opened)
    }

    /// When the server opened the first channel of an event type that it has not configured since.
    pub(super) fn unconfigured_since(&self, kind: EventKind) -> Option<Duration> {
        let open = self.open.iter().filter(|channel| channel.key.kind == kind && channel.opened);
        open.filter_map(Channel::unconfigured_since).min()
    }

    /// When the first channel that the server has not configured should have been.
    pub(super) fn configured_by(&self) -> Option<Duration> {
        self.open.iter().filter_map(|channel| channel.config_by).min()
    }

    /// The channels that the server should have configured by now, and when it opened them; each is
    /// named once.
    pub(super) fn unconfigured(&mut self, now: Duration) -> Vec<(FeedKey, Duration)> {
        let late = self.open.iter_mut().filter_map(|channel| {
            channel.config_by.take_if(|config_by| *config_by <= now)?;
            Some((channel.key, channel.opened_at))
        });
        late.collect()
    }

    /// How many transactions were too long to be held back whole.
    pub(super) fn split_transactions(&self) -> u64 {
        self.open
            .iter()
            .filter_map(|channel| channel.transactions.as_ref())
            .map(Transactions::split)
            .sum()
    }
}

impl json::Channels for Channels {
    fn is_open(&self, channel: u64) -> bool {
        self.open.iter().any(|open| open.id == channel)
    }

    fn schema(&self, channel: u64, kind: EventKind) -> Option<&Schema> {
        self.open.iter().find(|open| open.id == channel)?.schemas.get(&kind)
    }
}
