//! One account: its orders from the moment they are placed, and what they make of its portfolio.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::account::clock::Clock;
use crate::account::order::{Fill, Order, Status, Ticket, action};
use crate::account::portfolio::Portfolio;
use crate::account::price::{Prices, Sides};
use crate::account::write::{self, Form};
use crate::market::random::Random;

/// Most orders that are kept once nothing more comes of them; the oldest go first.
const MAX_DONE: usize = 1_000;

/// How long an order that cannot be filled waits before it looks at the market again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A notification to whoever hears of the account.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notification {
    pub(super) kind: &'static str,
    pub(super) data: Value,
}

/// What happens next to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Route,
    Live,
    /// The order looks at the market, and is filled as far as it can be.
    Match,
    Cancel,
}

/// An account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) number: String,
    pub(super) portfolio: Portfolio,
    /// By id, and so in the order in which they were placed.
    pub(super) orders: BTreeMap<u64, Order>,
    clock: Clock,
    random: Random,
    next_order: u64,
    next_fill: u64,
    /// What is to happen, by time and in the order in which it was put in.
    agenda: BTreeMap<(Duration, u64), (u64, Step)>,
    next_entry: u64,
}

impl Account {
    pub(super) fn new(number: &str, cash: Decimal, clock: Clock, random: Random) -> Self {
        let mut account = Self {
            number: number.to_owned(),
            portfolio: Portfolio::new(cash),
            orders: BTreeMap::new(),
            clock,
            random,
            next_order: 0,
            next_fill: 0,
            agenda: BTreeMap::new(),
            next_entry: 0,
        };
        account.next_order = 500_000_000 + account.random.below(9_000_000);
        account
    }

    /// Places an order; it is filled when the market lets it.
    pub(super) fn place(&mut self, now: Duration, ticket: Ticket) -> u64 {
        let id = self.next_order;
        self.next_order += 1 + self.random.below(900);
        let request =
            format!("{:016x}{:016x}", self.random.below(u64::MAX), self.random.below(u64::MAX));
        let ms = self.clock.ms(now);
        let order = Order {
            id,
            action: action(self.portfolio.held(&ticket.instrument.symbol), ticket.quantity),
            status: Status::Received,
            fills: Vec::new(),
            request,
            client_id: None,
            received: ms,
            live: None,
            terminal: None,
            updated: ms,
            ticket,
        };
        self.orders.insert(id, order);
        self.forget_done();
        self.put_within(now, 5..30, id, Step::Route);
        id
    }

    /// Places an order and fills all of it at once, if there is a price.
    pub(super) fn trade(&mut self, now: Duration, ticket: Ticket, prices: &mut dyn Prices) {
        let Some(sides) = prices.quote(&ticket.instrument.streamer_symbol) else { return };
        let Some(price) = accepts(&ticket, sides) else { return };
        let size = ticket.quantity.abs();
        let id = self.place(now, ticket);
        let ms = self.clock.ms(now);
        self.agenda.retain(|_, (of, _)| *of != id);
        let client_id = self.letters(18);
        let fill = self.fill(size, price, ms);
        if let Some(order) = self.orders.get_mut(&id) {
            self.portfolio.fill(&order.ticket.instrument, order.ticket.quantity, price, ms);
            order.client_id = Some(client_id);
            order.live = Some(ms);
            order.fills.push(fill);
            order.status = Status::Filled;
            order.terminal = Some(ms);
        }
    }

    /// When [`Account::advance`] has something to do.
    pub(super) fn due(&self) -> Option<Duration> {
        self.agenda.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Orders of which something more comes.
    pub(super) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().filter(|order| !order.status.is_terminal())
    }

    /// Does what is due.
    pub(super) fn advance(
        &mut self,
        now: Duration,
        prices: &mut dyn Prices,
        out: &mut Vec<Notification>,
    ) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let (due, _) = *entry.key();
            let (id, step) = entry.remove();
            match step {
                Step::Route => {
                    self.change(id, due, out, |order, _| order.status = Status::Routed);
                    self.put_within(due, 10..60, id, Step::Live);
                }
                Step::Live => self.go_live(id, due, out),
                Step::Match => self.try_to_fill(id, due, now, prices, out),
                Step::Cancel => self.change(id, due, out, |order, ms| {
                    order.status = Status::Cancelled;
                    order.terminal = Some(ms);
                }),
            }
        }
    }

    fn go_live(&mut self, id: u64, due: Duration, out: &mut Vec<Notification>) {
        let client_id = self.letters(18);
        self.change(id, due, out, |order, ms| {
            order.status = Status::Live;
            order.client_id = Some(client_id);
            order.live = Some(ms);
        });
        self.put_within(due, 20..400, id, Step::Match);
        let patience = self.orders.get(&id).and_then(|order| order.ticket.patience);
        if let Some(patience) = patience {
            self.put(due + patience, id, Step::Cancel);
        }
    }

    /// Fills an order, or a part of it, at the price of the market.
    fn try_to_fill(
        &mut self,
        id: u64,
        due: Duration,
        now: Duration,
        prices: &mut dyn Prices,
        out: &mut Vec<Notification>,
    ) {
        let Some(order) = self.orders.get(&id).filter(|order| !order.status.is_terminal()) else {
            return;
        };
        let sides = prices.quote(&order.ticket.instrument.streamer_symbol);
        let Some(price) = sides.and_then(|sides| accepts(&order.ticket, sides)) else {
            // From now on, and not from when it was due: the market has not to be looked at for the past.
            self.put(now + LOOK_AGAIN, id, Step::Match);
            return;
        };
        let left = order.remaining();
        // Half of the orders for more than one are filled in parts.
        let whole = left == 1 || self.random.below(2) == 0;
        let quantity = if whole { left } else { 1 + self.random.below(left as u64) as i64 };
        let ms = self.clock.ms(due);
        let fill = self.fill(quantity, price, ms);
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.fills.push(fill);
        order.updated = ms;
        if quantity == left {
            order.status = Status::Filled;
            order.terminal = Some(ms);
        }
        let signed = if order.ticket.is_buy() { quantity } else { -quantity };
        let instrument = order.ticket.instrument.clone();
        self.portfolio.fill(&instrument, signed, price, ms);
        self.portfolio.mark(prices);
        self.tell_order(id, out);
        if let Some(position) = self.portfolio.positions.get(&instrument.symbol) {
            let data = write::position(position, &self.number, Form::Notification, false);
            out.push(Notification { kind: "CurrentPosition", data });
        }
        let data = write::balances(&self.portfolio, &self.number, ms);
        out.push(Notification { kind: "AccountBalance", data });
        if quantity < left {
            self.put_within(due, 50..600, id, Step::Match);
        }
    }

    /// Changes an order of which something more comes, and tells of it.
    fn change(
        &mut self,
        id: u64,
        due: Duration,
        out: &mut Vec<Notification>,
        change: impl FnOnce(&mut Order, i64),
    ) {
        let ms = self.clock.ms(due);
        if let Some(order) = self.orders.get_mut(&id)
            && !order.status.is_terminal()
        {
            change(order, ms);
            order.updated = ms;
            self.tell_order(id, out);
        }
    }

    fn tell_order(&self, id: u64, out: &mut Vec<Notification>) {
        if let Some(order) = self.orders.get(&id) {
            let data = write::order(order, &self.number, Form::Notification);
            out.push(Notification { kind: "Order", data });
        }
    }

    fn put(&mut self, due: Duration, id: u64, step: Step) {
        self.agenda.insert((due, self.next_entry), (id, step));
        self.next_entry += 1;
    }

    fn fill(&mut self, quantity: i64, price: Decimal, at: i64) -> Fill {
        self.next_fill += 1;
        let id = format!("{}_SIM::SIM_A.{}", self.number, self.next_fill);
        Fill { id, quantity, price, at }
    }

    fn forget_done(&mut self) {
        while self.orders.len() > MAX_DONE {
            let oldest = self.orders.values().find(|order| order.status.is_terminal());
            let Some(id) = oldest.map(|order| order.id) else { return };
            self.orders.remove(&id);
        }
    }

    /// Puts a step so many milliseconds after a time.
    fn put_within(&mut self, after: Duration, ms: Range<u64>, id: u64, step: Step) {
        let wait = ms.start + self.random.below(ms.end - ms.start);
        self.put(after + Duration::from_millis(wait), id, step);
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'a' + self.random.below(26) as u8)).collect()
    }
}

/// The price at which the market takes an order now, if it does.
fn accepts(ticket: &Ticket, sides: Sides) -> Option<Decimal> {
    let price = if ticket.is_buy() { sides.ask } else { sides.bid };
    let fits = match ticket.limit {
        None => true,
        Some(limit) if ticket.is_buy() => price <= limit,
        Some(limit) => price >= limit,
    };
    // Nobody pays nothing.
    (fits && price > Decimal::ZERO).then_some(price)
}
