//! The events of an underlying and of its options, from what is kept of them.

use dxstream::event::{
    AnalyticOrder, Candle, Char, Configuration, IcebergType, MAX_WORDS, Message, Order,
    OrderAction, PriceType, Profile, Quote, Record, Scope, Series, ShortSaleRestriction, Side,
    SpreadOrder, Summary, Text, TimeAndSale, TimeAndSaleType, Trade, TradeETH, TradingStatus,
    Underlying, flags, index,
};
use dxstream::symbol::{SymbolId, Tables};

use super::asset::{Asset, Sample};
use super::book::{self, BookOrder, Change};
use super::candle::{Bar, Last, Sale};
use super::chain::{OptionAt, years_between};
use super::instrument::{INTEREST, Instrument};

/// The source of spread orders.
pub(super) const SPREAD_SOURCE: &str = "ISE";

/// The interned texts of an underlying's events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts {
    description: Text,
    book: Text,
    spread: Text,
    regular: Text,
    extended: Text,
    market_maker: Text,
    configuration: Text,
    message: Text,
}

/// The word of a text; without one where the table is full.
pub(super) fn text(tables: &Tables, text: &str) -> Text {
    match tables.texts.intern(text) {
        Ok(id) => dxstream::symbol::TextId(id).into(),
        Err(_) => Text::NONE,
    }
}

impl Texts {
    pub(super) fn new(tables: &Tables, instrument: &Instrument) -> Self {
        let symbol = instrument.symbol;
        Self {
            description: text(tables, instrument.description),
            book: text(tables, book::SOURCE),
            spread: text(tables, SPREAD_SOURCE),
            regular: text(tables, "@"),
            extended: text(tables, "@ T"),
            market_maker: text(tables, "NSDQ"),
            configuration: text(
                tables,
                &format!(r#"{{"lotSize":100,"symbol":"{symbol}","tickSize":0.01}}"#),
            ),
            message: text(tables, &format!(r#"{{"symbol":"{symbol}","text":"imbalance"}}"#)),
        }
    }
}

/// The index of an order: its source's name as big-endian ASCII in the high half, its number in the
/// low half. Source: dxFeed API, `OrderSource`.
fn order_index(source: &str, number: u32) -> i64 {
    let name = source.bytes().fold(0, |name, byte| name << 8 | i64::from(byte));
    name << 32 | i64::from(number)
}

pub(super) fn price(cents: i64) -> f64 {
    cents as f64 / 100.0
}

pub(super) fn nano_part(time: i64) -> i64 {
    time.rem_euclid(1_000_000)
}

/// A Trade event; of unknown values where nothing has traded. `previous` is the close of the day
/// before in cents.
pub(super) fn trade_row(
    symbol: SymbolId,
    last: Option<&Last>,
    day_id: i64,
    day: &Bar,
    previous: Option<i64>,
) -> Trade {
    let empty = Trade { event_symbol: symbol, ..Trade::UNKNOWN };
    let Some(Last { sale, direction }) = last else { return empty };
    Trade {
        time: sale.ms(),
        time_nano_part: nano_part(sale.time),
        sequence: i64::from(sale.sequence),
        exchange_code: letter(sale.exchange),
        trade_id: sale.id,
        price: price(sale.price),
        change: previous.map_or(f64::NAN, |close| price(sale.price - close)),
        size: f64::from(sale.size),
        day_id,
        day_volume: day.volume as f64,
        day_turnover: day.turnover as f64 / 100.0,
        tick_direction: (*direction).into(),
        extended_trading_hours: sale.extended.into(),
        ..empty
    }
}

fn side(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
}

fn letter(code: u8) -> Char {
    Char::new(char::from(code))
}

impl Asset {
    pub(super) fn quote(&self) -> Quote {
        let top = &self.top;
        Quote {
            event_symbol: self.symbol,
            sequence: i64::from(top.sequence),
            time_nano_part: nano_part(top.time),
            bid_time: top.ms(),
            bid_exchange_code: letter(top.bid_exchange),
            bid_price: price(top.bid),
            bid_size: f64::from(top.bid_size),
            ask_time: top.ms(),
            ask_exchange_code: letter(top.ask_exchange),
            ask_price: price(top.ask),
            ask_size: f64::from(top.ask_size),
            ..Quote::UNKNOWN
        }
    }

    /// The last trade in regular hours; a Trade of unknown values before the first.
    pub(super) fn last_trade(&self) -> Trade {
        self.trade_of(self.last.as_ref(), &self.regular)
    }

    /// The last trade outside of regular hours; a TradeETH of unknown values before the first.
    pub(super) fn trade_eth(&self) -> TradeETH {
        let mut row = [0; MAX_WORDS];
        self.trade_of(self.last_extended.as_ref(), &self.extended).write_row(&mut row);
        // Both types have the same fields.
        TradeETH::from_row(&row)
    }

    fn trade_of(&self, last: Option<&Last>, day: &Bar) -> Trade {
        let previous = Some(self.previous.1);
        let trade = trade_row(self.symbol, last, self.day, day, previous);
        if !self.instrument.index {
            return trade;
        }
        Trade { size: f64::NAN, day_volume: f64::NAN, day_turnover: f64::NAN, ..trade }
    }

    pub(super) fn summary(&self) -> Summary {
        let bar = &self.regular;
        let known = |cents| if bar.count == 0 { f64::NAN } else { price(cents) };
        let (prev_day_id, prev_close, prev_volume) = self.previous;
        Summary {
            event_symbol: self.symbol,
            day_id: self.day,
            day_open_price: known(bar.open),
            day_high_price: known(bar.high),
            day_low_price: known(bar.low),
            day_close_price_type: PriceType::Regular.into(),
            prev_day_id,
            prev_day_close_price: price(prev_close),
            prev_day_close_price_type: PriceType::Final.into(),
            prev_day_volume: prev_volume as f64,
            open_interest: 0,
            ..Summary::UNKNOWN
        }
    }

    pub(super) fn profile(&self) -> Profile {
        let instrument = &self.instrument;
        let (high, low) = self.past.range();
        let yearly = instrument.dividend * price(instrument.price);
        Profile {
            event_symbol: self.symbol,
            description: self.texts.description,
            short_sale_restriction: ShortSaleRestriction::Inactive.into(),
            trading_status: TradingStatus::Active.into(),
            high_52_week_price: price(high),
            low_52_week_price: price(low),
            beta: instrument.beta,
            earnings_per_share: instrument.earnings,
            dividend_frequency: if yearly > 0.0 { 4.0 } else { 0.0 },
            ex_dividend_amount: (yearly * 25.0).round() / 100.0,
            shares: instrument.shares,
            free_float: instrument.shares,
            ..Profile::UNKNOWN
        }
    }

    pub(super) fn time_and_sale(&self, symbol: SymbolId, sale: &Sale) -> TimeAndSale {
        TimeAndSale {
            event_symbol: symbol,
            index: index::pack(sale.ms(), i64::from(sale.sequence)),
            time: sale.ms(),
            time_nano_part: nano_part(sale.time),
            sequence: i64::from(sale.sequence),
            exchange_code: letter(sale.exchange),
            price: price(sale.price),
            size: f64::from(sale.size),
            bid_price: price(sale.bid),
            ask_price: price(sale.ask),
            exchange_sale_conditions: if sale.extended {
                self.texts.extended
            } else {
                self.texts.regular
            },
            aggressor_side: side(sale.buy).into(),
            spread_leg: false.into(),
            extended_trading_hours: sale.extended.into(),
            valid_tick: true.into(),
            r#type: TimeAndSaleType::New.into(),
            trade_id: sale.id,
            ..TimeAndSale::UNKNOWN
        }
    }

    /// The Candle event of a bar, with the implied volatility at its close.
    pub(super) fn candle(&self, symbol: SymbolId, start: i64, bar: &Bar) -> Candle {
        bar.candle(symbol, start, self.chain.at_the_money(price(bar.close.max(1)), 30.0 / 365.0))
    }

    pub(super) fn order(&self, change: Change, order: &BookOrder, sequence: i64) -> Order {
        let removed = change == Change::Remove;
        let action = match change {
            Change::Add => OrderAction::New,
            Change::Resize => OrderAction::Modify,
            Change::Remove => OrderAction::Delete,
        };
        let changed = if removed { self.top.time } else { order.time };
        Order {
            event_symbol: self.symbol,
            event_flags: if removed { flags::REMOVE_EVENT } else { 0 },
            index: order_index(book::SOURCE, order.id),
            time: changed.div_euclid(1_000_000),
            time_nano_part: nano_part(changed),
            sequence,
            source: self.texts.book,
            action: action.into(),
            action_time: changed.div_euclid(1_000_000),
            order_id: i64::from(order.id),
            aux_order_id: 0,
            price: price(order.price),
            size: if removed { 0.0 } else { f64::from(order.size) },
            executed_size: 0.0,
            count: 1,
            exchange_code: Char::new('Q'),
            order_side: side(order.buy).into(),
            scope: Scope::Order.into(),
            trade_id: 0,
            market_maker: self.texts.market_maker,
            ..Order::UNKNOWN
        }
    }

    /// The order with an iceberg part on each fourth.
    pub(super) fn analytic_order(
        &self,
        change: Change,
        order: &BookOrder,
        sequence: i64,
    ) -> AnalyticOrder {
        let mut row = [0; MAX_WORDS];
        AnalyticOrder::UNKNOWN.write_row(&mut row);
        // An analytic order begins with the fields of an order.
        self.order(change, order, sequence).write_row(&mut row);
        let iceberg = order.id.is_multiple_of(4);
        let size = f64::from(order.size);
        AnalyticOrder {
            iceberg_peak_size: if iceberg { size } else { 0.0 },
            iceberg_hidden_size: if iceberg { 4.0 * size } else { 0.0 },
            iceberg_executed_size: 0.0,
            iceberg_type: if iceberg { IcebergType::Native } else { IcebergType::Undefined }.into(),
            ..AnalyticOrder::from_row(&row)
        }
    }

    /// The orders of the book, by index.
    pub(super) fn book_orders(&self) -> Vec<(Change, BookOrder)> {
        let mut orders: Vec<_> = self.book.bids().iter().chain(self.book.asks()).collect();
        orders.sort_by_key(|order| order.id);
        let change = |order: &BookOrder| if order.replaced { Change::Resize } else { Change::Add };
        orders.into_iter().map(|order| (change(order), *order)).collect()
    }

    /// The bid or the ask of the spread between the two middle calls of the first expiry.
    pub(super) fn spread_order(&self, sample: &Sample, buy: bool) -> SpreadOrder {
        let (near, far) = (OptionAt::middle_call(0), OptionAt::middle_call(1));
        let value = |at| self.chain.contract(at, sample.spot, sample.time).value().price;
        let worth = (value(near) - value(far)) * 20.0;
        let name = format!("={}-{}", self.chain.symbol(near), self.chain.symbol(far));
        SpreadOrder {
            event_symbol: self.symbol,
            index: order_index(SPREAD_SOURCE, if buy { 1 } else { 2 }),
            time: sample.time,
            source: self.texts.spread,
            action: OrderAction::Modify.into(),
            action_time: sample.time,
            order_id: if buy { 1 } else { 2 },
            aux_order_id: 0,
            price: if buy { worth.floor() / 20.0 } else { (worth.floor() + 1.0) / 20.0 },
            size: 10.0,
            executed_size: 0.0,
            count: 1,
            exchange_code: Char::new('I'),
            order_side: side(buy).into(),
            scope: Scope::Order.into(),
            trade_id: 0,
            spread_symbol: text(&self.tables, &name),
            ..SpreadOrder::UNKNOWN
        }
    }

    pub(super) fn underlying(&self, sample: &Sample) -> Underlying {
        let volatility = |expiry: usize| {
            let years = years_between(sample.time, self.chain.expiries[expiry].time);
            self.chain.at_the_money(sample.spot, years)
        };
        let (calls, puts) = (sample.call_volume as f64, sample.put_volume as f64);
        Underlying {
            event_symbol: self.symbol,
            index: index::pack(sample.time, 0),
            time: sample.time,
            volatility: self.chain.at_the_money(sample.spot, 30.0 / 365.0),
            front_volatility: volatility(0),
            back_volatility: volatility(1),
            call_volume: calls,
            put_volume: puts,
            option_volume: calls + puts,
            put_call_ratio: if calls > 0.0 { puts / calls } else { f64::NAN },
            ..Underlying::UNKNOWN
        }
    }

    /// One expiry; its day is its index.
    pub(super) fn series(&self, sample: &Sample, expiry: usize) -> Series {
        let expiry = &self.chain.expiries[expiry];
        let years = years_between(sample.time, expiry.time);
        let (calls, puts) = (expiry.call_volume as f64, expiry.put_volume as f64);
        let dividend = self.instrument.dividend;
        Series {
            event_symbol: self.symbol,
            index: expiry.day,
            time: sample.time,
            expiration: expiry.day,
            volatility: self.chain.at_the_money(sample.spot, years),
            call_volume: calls,
            put_volume: puts,
            put_call_ratio: if calls > 0.0 { puts / calls } else { f64::NAN },
            forward_price: sample.spot * libm::exp((INTEREST - dividend) * years),
            dividend,
            interest: INTEREST,
            ..Series::UNKNOWN
        }
    }

    pub(super) fn configuration(&self) -> Configuration {
        Configuration {
            event_symbol: self.symbol,
            version: self.version(),
            attachment: self.texts.configuration,
            ..Configuration::UNKNOWN
        }
    }

    pub(super) fn message(&self) -> Message {
        Message { event_symbol: self.symbol, attachment: self.texts.message, ..Message::UNKNOWN }
    }
}
