//! What each message of a client does.

use std::sync::Arc;
use std::time::Duration;

use dxstream::event::{Contract, EventKind};
use dxstream::symbol::{CandleSymbol, SymbolId, TextId};
use serde_json::{Map, json};

use crate::session::admission::Verdict;
use crate::session::dom::Dom;
use crate::session::feed::{Feed, find_kind};
use crate::session::message::{ClientMessage, Item};
use crate::session::reply::{self, ErrorKind};
use crate::session::subscription::{Key, Terms, WILDCARD, contract_of};
use crate::session::{Channel, Session, Stage};
use crate::source::has_source;

/// The longest silence that a client may ask for.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// The source that the QD client names where the application named none.
const DEFAULT_SOURCE: &str = "DEFAULT";

impl Session {
    fn bad_action(&mut self, channel: i64, text: &str) {
        self.outbox.error(channel, ErrorKind::BadAction, text);
    }

    pub(super) fn handle(&mut self, now: Duration, message: &ClientMessage) {
        match message.kind.as_str() {
            "SETUP" => self.set_up(message),
            "AUTH" => self.authenticate(now, message),
            "KEEPALIVE" | "ERROR" => {}
            "CHANNEL_REQUEST" | "CHANNEL_CANCEL" | "FEED_SETUP" | "FEED_SUBSCRIPTION"
            | "DOM_SETUP"
                if self.stage != Stage::Authorized =>
            {
                self.bad_action(0, "AUTH step missing");
            }
            "CHANNEL_REQUEST" => self.open_channel(message),
            "CHANNEL_CANCEL" => {
                if self.channels.remove(&message.channel).is_some() {
                    self.subscriptions.remove_channel(message.channel);
                    self.outbox.push(reply::channel_closed(message.channel));
                } else {
                    self.no_channel(message.channel);
                }
            }
            "FEED_SETUP" => match self.channels.get_mut(&message.channel) {
                Some(Channel::Feed(feed)) => feed.set_up(message, &self.rules, &mut self.outbox),
                _ => self.no_channel(message.channel),
            },
            "FEED_SUBSCRIPTION" => match self.channels.get(&message.channel) {
                Some(Channel::Feed(feed)) => self.subscribe(now, message, feed.contract),
                _ => self.no_channel(message.channel),
            },
            "DOM_SETUP" => match self.channels.get_mut(&message.channel) {
                Some(Channel::Dom(dom)) => dom.set_up(now, message, &self.rules),
                _ => self.no_channel(message.channel),
            },
            kind => {
                let text = format!("The message type {kind} is not known.");
                self.outbox.error(message.channel, ErrorKind::InvalidMessage, &text);
            }
        }
    }

    fn no_channel(&mut self, channel: i64) {
        self.bad_action(0, &format!("Channel with id {channel} not exists"));
    }

    fn set_up(&mut self, message: &ClientMessage) {
        let version = message.version.as_deref().unwrap_or_default();
        if !(version.starts_with("0.") || version.starts_with("1.")) {
            let text = format!("The version {version:?} is not supported.");
            self.outbox.error(0, ErrorKind::UnsupportedProtocol, &text);
            self.outbox.close(1002, "unsupported version");
            return;
        }
        let rules = Arc::clone(&self.rules);
        if let Some(promise) = message.keepalive_timeout.and_then(timeout) {
            self.client_timeout = promise;
        }
        let wish = message.accept_keepalive_timeout.and_then(timeout);
        self.speak_every = wish.unwrap_or(rules.keepalive_timeout).min(rules.keepalive_timeout) / 2;
        self.outbox.push(reply::setup(rules.keepalive_timeout, rules.accept_keepalive_timeout));
        if self.stage == Stage::Connected {
            if self.admission.is_anonymous() {
                self.stage = Stage::Authorized;
                self.outbox.push(reply::authorized());
            } else {
                self.stage = Stage::SetUp;
                self.outbox.push(reply::unauthorized());
            }
        }
    }

    fn authenticate(&mut self, now: Duration, message: &ClientMessage) {
        if self.stage == Stage::Connected {
            self.bad_action(0, "SETUP step missing");
            return;
        }
        match self.admission.judge(now, message.token.as_deref()) {
            Verdict::Admitted(token, expires) => {
                self.stage = Stage::Authorized;
                self.token = Some(token);
                self.token_expires = expires;
                self.outbox.push(reply::authorized());
            }
            Verdict::Refused => {
                self.stage = Stage::SetUp;
                self.outbox.push(reply::unauthorized());
                self.outbox.close(1008, "unauthorized");
            }
            Verdict::Failed => {
                self.stage = Stage::SetUp;
                self.outbox.error(0, ErrorKind::Unauthorized, "Authentication failed");
            }
        }
    }

    fn open_channel(&mut self, message: &ClientMessage) {
        let id = message.channel;
        if id <= 0 || id % 2 == 0 {
            self.bad_action(0, "Protocol violation with an even channel usage.");
            return;
        }
        if self.channels.contains_key(&id) {
            self.bad_action(0, &format!("Channel with id {id} already exists"));
            return;
        }
        let service = message.service.as_deref().unwrap_or_default();
        let (channel, parameters) = match service {
            "FEED" => {
                let contract = message.parameter("contract").and_then(Contract::from_name);
                let Some(contract) = contract else {
                    self.bad_action(id, "The contract is missing or not known.");
                    return;
                };
                let parameters = Map::from_iter([
                    ("contract".to_owned(), json!(contract.name())),
                    ("subFormat".to_owned(), json!("LIST")),
                ]);
                (Channel::Feed(Feed::new(id, contract, &self.encoding, &self.rules)), parameters)
            }
            "DOM" => {
                let Some(dom) = Dom::new(message, &self.rules) else {
                    self.bad_action(id, "The symbol is missing.");
                    return;
                };
                let parameters = dom.parameters();
                (Channel::Dom(dom), parameters)
            }
            _ => {
                self.bad_action(id, &format!("The service {service:?} is not known."));
                return;
            }
        };
        self.channels.insert(id, channel);
        self.outbox.push(reply::channel_opened(id, service, &parameters));
    }

    /// Applies reset, then remove, then add, in whatever order the message has them.
    fn subscribe(&mut self, now: Duration, message: &ClientMessage, contract: Contract) {
        let channel = message.channel;
        if message.reset == Some(true) {
            self.subscriptions.remove_channel(channel);
        }
        for item in message.remove.iter().flatten() {
            if let Some(key) = self.key(channel, item) {
                self.subscriptions.remove(key);
            }
        }
        let items = message.add.as_deref().unwrap_or_default();
        if !self.allows(now, items.len()) {
            self.bad_action(channel, "Your subscription rate is too high");
        } else if !self.add(channel, items, contract) {
            self.bad_action(channel, "Your subscription size is too big");
        }
        let Self { channels, subscriptions, .. } = self;
        if let Some(Channel::Feed(feed)) = channels.get_mut(&channel) {
            feed.keep(|row| subscriptions.wants(channel, row));
        }
    }

    /// Adds subscriptions, or none of them where there would be too many.
    fn add(&mut self, channel: i64, items: &[Item], contract: Contract) -> bool {
        let mut additions = Vec::with_capacity(items.len());
        for item in items {
            let Some(key) = self.key(channel, item) else { continue };
            let from_time = item.start();
            let picked = contract_of(contract, key.kind, key.symbol.is_none(), from_time.is_some());
            let Some(contract) = picked else { continue };
            let fresh = contract != Contract::Stream;
            let terms = Terms { contract, from_time: from_time.unwrap_or(0), fresh };
            additions.push((key, terms));
        }
        let mut unknown: Vec<Key> = additions.iter().map(|(key, _)| *key).collect();
        unknown.retain(|key| self.subscriptions.get(*key).is_none());
        unknown.sort_unstable();
        unknown.dedup();
        if self.subscriptions.len() + unknown.len() > self.rules.max_subscriptions {
            return false;
        }
        for (key, terms) in additions {
            self.subscriptions.add(key, terms);
            if terms.fresh {
                self.fresh.push_back(key);
            }
        }
        true
    }

    /// The key of an item; nothing for a type that is not served, which is met with silence.
    fn key(&self, channel: i64, item: &Item) -> Option<Key> {
        let kind = find_kind(&item.kind)?;
        let symbol = if item.symbol == WILDCARD {
            None
        } else {
            let candle = (kind == EventKind::Candle).then(|| item.symbol.parse::<CandleSymbol>());
            let symbol = match &candle {
                Some(Ok(normal)) => normal.as_str(),
                _ => &item.symbol,
            };
            Some(SymbolId(self.tables.symbols.intern(symbol).ok()?))
        };
        let source = match item.source.as_deref() {
            Some(source) if has_source(kind) && source != DEFAULT_SOURCE => {
                Some(TextId(self.tables.texts.intern(source).ok()?))
            }
            _ => None,
        };
        Some(Key { channel, kind, symbol, source })
    }

    fn allows(&mut self, now: Duration, items: usize) -> bool {
        let Some(allowance) = &mut self.allowance else { return true };
        let elapsed = now.saturating_sub(allowance.counted).as_secs_f64();
        allowance.left = (allowance.left + elapsed * f64::from(allowance.rate.per_second))
            .min(f64::from(allowance.rate.burst));
        allowance.counted = now;
        let allowed = items as f64 <= allowance.left;
        if allowed {
            allowance.left -= items as f64;
        }
        allowed
    }
}

/// A client's timeout, if it is one; a day stands for all that are longer.
fn timeout(seconds: f64) -> Option<Duration> {
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    (duration > Duration::ZERO).then(|| duration.min(LONGEST_TIMEOUT))
}
