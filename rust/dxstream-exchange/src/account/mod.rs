//! The account side of an exchange: REST, OAuth and the account WebSocket of a broker in tastytrade's manner,
//! with accounts whose orders, fills, positions and balances agree.
//!
//! All of it but `serve` is sans-I/O: requests and messages in, answers and notifications out, time and prices
//! as arguments. With the same seed, times and prices it says the same.

mod client;
mod clock;
mod command;
pub mod config;
mod credential;
mod execution;
pub mod fault;
mod instrument;
mod order;
mod portfolio;
pub(crate) mod price;
pub(crate) mod record;
mod rest;
pub(crate) mod serve;
#[cfg(test)]
mod tests;
mod trader;
mod write;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use self::client::{Client, Message};
use self::clock::Clock;
use self::credential::Tokens;
use self::execution::{Account, Notification};
use self::fault::{AccountAction, NOTIFICATION, Script};
use self::instrument::Instrument;
use self::order::Ticket;
use self::price::Prices;
use self::trader::Trader;
use crate::hub::{Next, earlier};
use crate::market::random::{Random, mix};
use crate::session::{Admission, Output};

pub use rust_decimal::Decimal;

pub use self::command::OrderError;
pub use self::config::AccountsConfig;
pub use self::instrument::InstrumentError;
pub(crate) use self::record::AccountRecord;
pub use self::record::AccountStats;

/// Streams of random numbers of an account's orders and of its trader.
const ORDERS: u64 = 1;
const TRADER: u64 = 2;

/// The accounts of one customer, and who hears of them.
pub(crate) struct Accounts {
    config: AccountsConfig,
    clock: Clock,
    tokens: Tokens,
    /// By number.
    held: BTreeMap<String, (Account, Trader)>,
    clients: BTreeMap<u64, Client>,
    next_client: u64,
    /// Whether the accounts have their first orders.
    opened: bool,
    script: Script,
    /// Who is let in by the market data side.
    admission: Arc<Admission>,
    /// Where the market data side is.
    dxlink_url: String,
    record: Arc<AccountRecord>,
}

impl Accounts {
    pub(crate) fn new(
        mut config: AccountsConfig,
        admission: Arc<Admission>,
        dxlink_url: String,
        record: Arc<AccountRecord>,
    ) -> Self {
        let clock = Clock { start: config.start };
        let numbers = config.numbers.iter().enumerate();
        let accounts = numbers.map(|(at, number)| {
            let seed = mix(config.seed, at as u64);
            let account = Account::new(number, config.cash, clock, Random::new(seed, ORDERS));
            let random = Random::new(seed, TRADER);
            let trader = Trader::new(&config.symbols, config.orders_per_minute, random);
            (number.clone(), (account, trader))
        });
        Self {
            clock,
            tokens: Tokens::new(config.seed),
            held: accounts.collect(),
            clients: BTreeMap::new(),
            next_client: 0,
            opened: false,
            script: Script::new(std::mem::take(&mut config.faults), Arc::clone(&record)),
            admission,
            dxlink_url,
            record,
            config,
        }
    }

    /// Lets a client of the WebSocket in.
    pub(crate) fn open(&mut self, now: Duration) -> Ears {
        let id = self.next_client;
        self.next_client += 1;
        let client = Client::new(self.tokens.session_id(), now);
        let ears = Ears { id, wake: Rc::clone(&client.wake), deaf: Rc::clone(&client.deaf) };
        self.clients.insert(id, client);
        self.record.update(|stats| {
            stats.connections += 1;
            stats.accepted += 1;
        });
        ears
    }

    /// Forgets a client.
    pub(crate) fn leave(&mut self, id: u64) {
        if self.clients.remove(&id).is_some() {
            self.record.update(|stats| stats.connections -= 1);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// What is ready to be sent to a client.
    pub(crate) fn take(&mut self, id: u64) -> Vec<Output> {
        self.clients.get_mut(&id).map(Client::take).unwrap_or_default()
    }

    /// Takes a client's message.
    pub(crate) fn receive(&mut self, id: u64, now: Duration, text: &str) {
        self.record.keep(text, self.config.received_limit);
        let Some(client) = self.clients.get_mut(&id).filter(|client| !client.is_closed()) else {
            return;
        };
        let Ok(message) = serde_json::from_str::<Message>(text) else {
            client.refuse(None, "failed");
            self.record.update(|stats| stats.errors += 1);
            return;
        };
        let action = message.action.as_deref().unwrap_or_default();
        if action == "heartbeat" {
            client.heard = now;
        }
        let fault = self.script.come_to(action);
        let Some(client) = self.clients.get_mut(&id) else { return };
        match fault {
            Some(AccountAction::Refuse(text)) => {
                client.refuse(Some(action), &text);
                self.record.update(|stats| stats.errors += 1);
            }
            Some(AccountAction::Omit) => {}
            Some(AccountAction::Stall) => client.mute(),
            Some(AccountAction::Close { code, reason }) => client.close(code, &reason),
            Some(AccountAction::Inject(text)) => {
                client.say(text);
                self.answer(id, now, &message);
            }
            Some(AccountAction::Respond { .. }) | None => self.answer(id, now, &message),
        }
    }

    /// Does what a message asks for.
    fn answer(&mut self, id: u64, now: Duration, message: &Message) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let action = message.action.as_deref().unwrap_or_default();
        let admitted = self.tokens.admit(now, message.auth_token.as_deref());
        let known = |number: &String| self.held.contains_key(number);
        let refusal = match action {
            "connect" | "account-subscribe" => match message.accounts() {
                Some(numbers) if admitted && numbers.iter().all(known) => {
                    client.connect(&numbers);
                    client.confirm(message, Some(numbers.into()));
                    self.record.update(|stats| stats.connects += 1);
                    return;
                }
                _ => "failed",
            },
            "heartbeat" if !client.is_connected() => "not implemented",
            "heartbeat"
            | "public-watchlists-subscribe"
            | "quote-alerts-subscribe"
            | "user-message-subscribe" => {
                if client.is_connected() && admitted {
                    client.confirm(message, None);
                    if action == "heartbeat" {
                        self.record.update(|stats| stats.heartbeats += 1);
                    }
                    return;
                }
                if client.is_connected() { "failed" } else { "connect-not-completed" }
            }
            _ => "not implemented",
        };
        client.refuse(message.action.as_deref(), refusal);
        self.record.update(|stats| stats.errors += 1);
    }

    /// Closes a client whose message is too long.
    pub(crate) fn refuse_message(&mut self, id: u64) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.close(1009, "message too big");
        }
    }

    /// Closes every client after what is ready to be sent to it.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        for client in self.clients.values_mut() {
            client.close(code, reason);
        }
    }

    /// Sends a text as it is to whoever hears of an account, and says to how many.
    pub(crate) fn notify(&mut self, account: &str, text: &str) -> usize {
        self.tell(account, |client| client.say(text.to_owned()))
    }

    /// Lets every access token expire.
    pub(crate) fn expire_access_tokens(&mut self) {
        self.tokens.expire();
    }

    /// Replaces the faults.
    pub(crate) fn set_faults(&mut self, faults: Vec<fault::AccountFault>) {
        self.script.set(faults);
    }

    /// Places an order in an account.
    pub(crate) fn place(
        &mut self,
        now: Duration,
        account: &str,
        symbol: &str,
        quantity: i64,
        limit: Option<Decimal>,
    ) -> Result<u64, OrderError> {
        let Some((account, _)) = self.held.get_mut(account) else {
            return Err(OrderError::Account(account.to_owned()));
        };
        let instrument = Instrument::parse(symbol)?;
        if quantity == 0 || quantity.abs() > 1_000_000 {
            return Err(OrderError::Quantity(quantity));
        }
        if let Some(limit) = limit.filter(|limit| *limit <= Decimal::ZERO) {
            return Err(OrderError::Price(limit));
        }
        Ok(account.place(now, Ticket { instrument, quantity, limit, patience: None }))
    }

    /// Does what is due: orders of the traders, what becomes of orders, clients without a heartbeat.
    pub(crate) fn turn(&mut self, now: Duration, prices: &mut dyn Prices) -> Next {
        self.open_accounts(prices);
        let mut told = Vec::new();
        let mut next = Next::Never;
        for (number, (account, trader)) in &mut self.held {
            let mut notifications = Vec::new();
            if trader.due().is_some_and(|due| due <= now) {
                trader.advance(now, account, prices);
            }
            if account.due().is_some_and(|due| due <= now) {
                account.advance(now, prices, &mut notifications);
            }
            for due in [account.due(), trader.due()].into_iter().flatten() {
                next = earlier(next, now, due);
            }
            told.extend(notifications.into_iter().map(|told| (number.clone(), told)));
        }
        for (number, Notification { kind, data }) in told {
            let timestamp = self.clock.ms(now);
            self.tell(&number, |client| client.notify(kind, &data, timestamp));
        }
        for client in
            self.clients.values_mut().filter(|client| !client.is_closed() && !client.muted)
        {
            let limit = client.heard.saturating_add(self.config.heartbeat_timeout);
            if limit <= now {
                client.close(1000, "");
                self.record.update(|stats| stats.timeouts += 1);
            } else {
                next = earlier(next, now, limit);
            }
        }
        next
    }

    /// Fills the first orders of the accounts, if they are not.
    fn open_accounts(&mut self, prices: &mut dyn Prices) {
        if !self.opened {
            self.opened = true;
            for (account, trader) in self.held.values_mut() {
                trader.open(account, self.config.opening_orders, prices);
            }
        }
    }

    /// Says something to everybody who hears of an account, and returns to how many it was said.
    fn tell(&mut self, account: &str, say: impl Fn(&mut Client)) -> usize {
        let mut told = 0;
        for client in self.clients.values_mut().filter(|client| client.hears_of(account)) {
            if client.is_closed() || client.muted {
                continue;
            }
            match self.script.come_to(NOTIFICATION) {
                Some(AccountAction::Omit) => continue,
                Some(AccountAction::Stall) => {
                    client.mute();
                    continue;
                }
                Some(AccountAction::Close { code, reason }) => {
                    client.close(code, &reason);
                    continue;
                }
                Some(AccountAction::Inject(text)) => client.say(text),
                Some(AccountAction::Respond { .. } | AccountAction::Refuse(_)) | None => {}
            }
            say(client);
            told += 1;
        }
        self.record.update(|stats| stats.notifications += told);
        told as usize
    }
}

/// A client as its socket knows it.
pub(crate) struct Ears {
    pub(crate) id: u64,
    /// Woken when there is something to send.
    pub(crate) wake: Rc<Notify>,
    /// Told when nothing more is to be read.
    pub(crate) deaf: Rc<Notify>,
}

/// A JSON object that says what went wrong, as the vendor writes it.
fn error_body(code: &str, message: &str) -> Value {
    serde_json::json!({"error": {"code": code, "message": message}})
}
