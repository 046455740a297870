//! Trades of an underlying and of its options.

use dxstream::event::EventKind;

use super::Out;
use super::asset::{Asset, MINUTES, OPTION_SALES, OptionTrade, SALES, Top, keep};
use super::candle::{Bar, Last, Minute, Sale};
use super::chain::OptionAt;

/// One in this many trades counts as made outside of regular trading hours.
const EXTENDED_ONE_IN: u64 = 50;
/// One in this many trades brings a trade of an option.
const OPTION_ONE_IN: u64 = 3;
/// One in this many trades brings a message and repeats the summary.
const MESSAGE_ONE_IN: u64 = 64;
/// One in this many trades brings a new version of the configuration and repeats the profile.
const CONFIGURATION_ONE_IN: u64 = 256;

impl Asset {
    /// Makes a trade at a time in ns since 1970 UTC.
    pub(super) fn trade(&mut self, time: i64, out: &mut Out) {
        let ms = time.div_euclid(1_000_000);
        self.enter_day(ms, out);
        self.trades += 1;
        let buy = self.random.below(2) == 0;
        let between = self.random.below(8) == 0;
        let extended = self.random.below(EXTENDED_ONE_IN) == 0;
        let usual = self.instrument.size as f64;
        let size = 1 + (self.random.exponential() * 0.4 * usual) as u32;
        let exchange = b"QPZKNDXBJY"[self.random.below(10) as usize];
        let Top { bid, ask, spot, .. } = self.top;
        let index = self.instrument.index;
        let sale = Sale {
            time,
            sequence: self.sale_sequence.next(ms),
            price: match (index, between, buy) {
                (true, ..) => (spot * 100.0).round() as i64,
                (_, true, _) => i64::midpoint(bid, ask),
                (_, _, true) => ask,
                (_, _, false) => bid,
            },
            size: if index { 0 } else { size },
            bid,
            ask,
            buy,
            extended: extended && !index,
            exchange: if index { self.instrument.exchange } else { exchange },
            id: self.trades as i64,
        };
        self.enter(&sale, out);
        if self.random.below(OPTION_ONE_IN) == 0 {
            self.trade_option(time, out);
        }
        if self.trades.is_multiple_of(MESSAGE_ONE_IN) {
            if self.kinds.has(EventKind::Message) {
                out.send(&self.message());
            }
            if self.kinds.has(EventKind::Summary) {
                out.send(&self.summary());
            }
        }
        if self.trades.is_multiple_of(CONFIGURATION_ONE_IN) {
            if self.kinds.has(EventKind::Configuration) {
                out.send(&self.configuration());
            }
            if self.kinds.has(EventKind::Profile) {
                out.send(&self.profile());
            }
        }
    }

    /// The version of the configuration.
    pub(super) fn version(&self) -> i64 {
        1 + (self.trades / CONFIGURATION_ONE_IN) as i64
    }

    fn enter(&mut self, sale: &Sale, out: &mut Out) {
        let ms = sale.ms();
        let last = if sale.extended { &mut self.last_extended } else { &mut self.last };
        *last = Some(Last::after(last.as_ref(), sale));
        let bar = if sale.extended { &mut self.extended } else { &mut self.regular };
        let before = *bar;
        bar.append(&Bar::of(sale));
        let new_extreme = before.count == 0 || before.high != bar.high || before.low != bar.low;
        keep(&mut self.sales, SALES, *sale);
        match self.minutes.back_mut() {
            Some(minute) if minute.start == Minute::at(ms).start => minute.append(sale),
            _ => {
                let mut minute = Minute::at(ms);
                minute.append(sale);
                keep(&mut self.minutes, MINUTES, minute);
            }
        }
        let kind = if sale.extended { EventKind::TradeETH } else { EventKind::Trade };
        if self.kinds.has(kind) {
            match kind {
                EventKind::TradeETH => out.send(&self.trade_eth()),
                _ => out.send(&self.last_trade()),
            }
        }
        if self.kinds.has(EventKind::TimeAndSale) && !self.instrument.index {
            out.send(&self.time_and_sale(self.symbol, sale));
        }
        if new_extreme && !sale.extended && self.kinds.has(EventKind::Summary) {
            out.send(&self.summary());
        }
        for at in 0..self.live.len() {
            let live = &mut self.live[at];
            if live.regular_only && sale.extended {
                continue;
            }
            let start = live.period.start_of(ms);
            match &mut live.bar {
                Some((known, bar)) if *known == start => bar.append(&Bar::of(sale)),
                other => *other = Some((start, Bar::of(sale))),
            }
            let live = &self.live[at];
            if let Some((start, bar)) = live.bar {
                out.send(&self.candle(live.symbol, start, &bar));
            }
        }
    }

    fn trade_option(&mut self, time: i64, out: &mut Out) {
        let ms = time.div_euclid(1_000_000);
        let expiries = self.chain.expiries.len() as u64;
        let expiry = self.random.below(expiries).min(self.random.below(expiries)) as u16;
        let options = self.chain.expiries[usize::from(expiry)].strikes.len() as u64 * 2;
        let at = OptionAt { expiry, option: self.random.below(options) as u16 };
        let buy = self.random.below(2) == 0;
        let size = 1 + self.random.below(20) as u32;
        let quote = self.chain.quote(at, self.top.spot, self.top.ms());
        let buy = buy || quote.bid == 0;
        let sale = Sale {
            time,
            sequence: self.option_sequence.next(ms),
            price: if buy { quote.ask } else { quote.bid },
            size,
            bid: quote.bid,
            ask: quote.ask,
            buy,
            extended: false,
            exchange: b'C',
            id: self.trades as i64,
        };
        let trade = OptionTrade { at, sale, spot: self.top.spot };
        keep(&mut self.option_trades, OPTION_SALES, trade);
        self.chain.trade(at, &sale);
        if self.kinds.has(EventKind::OptionSale) {
            out.send(&self.option_sale(&trade));
        }
        if let Some(watched) = self.watched.iter().find(|watched| watched.at == at) {
            if watched.kinds.has(EventKind::Trade) {
                out.send(&self.option_last(watched.symbol, at));
            }
            if watched.kinds.has(EventKind::TimeAndSale) {
                out.send(&self.time_and_sale(watched.symbol, &sale));
            }
            if watched.kinds.has(EventKind::Summary) {
                out.send(&self.option_summary(watched.symbol, at));
            }
        }
    }
}
