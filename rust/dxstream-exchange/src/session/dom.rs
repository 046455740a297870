//! A DOM channel: one symbol's order book, sent whole each time that it changes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::Rules;
use crate::ledger::Ledger;
use crate::session::message::ClientMessage;
use crate::session::outbox::Outbox;
use crate::session::reply;
use crate::source::Depth;

/// How often a book is looked at for a client that wants no aggregation.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

const ORDER_FIELDS: [&str; 2] = ["price", "size"];

/// One DOM channel.
#[derive(Debug)]
pub(crate) struct Dom {
    channel: i64,
    symbol: String,
    sources: Value,
    period: Duration,
    depth_limit: usize,
    order_fields: Vec<String>,
    /// When to look at the book; never before the client's DOM_SETUP.
    due: Option<Duration>,
    /// Whether the client knows the configuration.
    configured: bool,
    sent: Option<Depth>,
}

impl Dom {
    /// The channel of a CHANNEL_REQUEST, if it names a symbol.
    pub(crate) fn new(message: &ClientMessage, rules: &Rules) -> Option<Self> {
        let sources = message.parameters.as_ref().and_then(|parameters| parameters.get("sources"));
        Some(Self {
            channel: message.channel,
            symbol: message.parameter("symbol")?.to_owned(),
            sources: sources.cloned().unwrap_or_else(|| json!([])),
            period: rules.aggregation.grant(None),
            depth_limit: rules.max_depth,
            order_fields: ORDER_FIELDS.map(str::to_owned).to_vec(),
            due: None,
            configured: false,
            sent: None,
        })
    }

    /// The parameters that CHANNEL_OPENED echoes.
    pub(crate) fn parameters(&self) -> Map<String, Value> {
        Map::from_iter([
            ("symbol".to_owned(), json!(self.symbol)),
            ("sources".to_owned(), self.sources.clone()),
        ])
    }

    /// Takes a DOM_SETUP; the configuration is told before the next snapshot.
    pub(crate) fn set_up(&mut self, now: Duration, message: &ClientMessage, rules: &Rules) {
        if let Some(wish) = &message.accept_aggregation_period {
            self.period = rules.aggregation.grant(wish.seconds());
        }
        if let Some(wish) = message.accept_depth_limit {
            self.depth_limit = if wish == 0 { rules.max_depth } else { wish.min(rules.max_depth) };
        }
        if let Some(asked) = &message.accept_order_fields {
            let known = asked.iter().filter(|name| ORDER_FIELDS.contains(&name.as_str()));
            self.order_fields = known.cloned().collect();
            if self.order_fields.is_empty() {
                self.order_fields = ORDER_FIELDS.map(str::to_owned).to_vec();
            }
        }
        self.configured = false;
        self.sent = None;
        self.due = Some(now);
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Sends the book, if it is due and another than the last.
    pub(crate) fn advance(&mut self, now: Duration, ledger: &mut Ledger, outbox: &mut Outbox) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = Some(now + self.period.max(SHORTEST_PERIOD));
        let Some(depth) = ledger.depth(&self.symbol, self.depth_limit) else { return };
        if self.sent.as_ref() == Some(&depth) {
            return;
        }
        if !self.configured {
            self.configured = true;
            outbox.push(reply::dom_config(
                self.channel,
                self.period,
                self.depth_limit,
                &self.order_fields,
            ));
        }
        outbox.push(reply::dom_snapshot(
            self.channel,
            depth.time,
            &depth.bids,
            &depth.asks,
            &self.order_fields,
        ));
        self.sent = Some(depth);
    }
}
