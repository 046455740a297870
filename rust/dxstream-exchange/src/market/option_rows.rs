//! The events of options.

use dxstream::event::{
    Char, EventKind, Greeks, MAX_WORDS, OptionSale, PriceType, Profile, Quote, Record, Summary,
    TheoPrice, Trade, TradingStatus, index,
};
use dxstream::symbol::SymbolId;

use super::asset::{Asset, OptionTrade, Sample};
use super::chain::OptionAt;
use super::instrument::INTEREST;
use super::rows::{nano_part, price, text, trade_row};

impl Asset {
    pub(super) fn option_quote(&self, symbol: SymbolId, at: OptionAt) -> Quote {
        let quote = self.chain.quote(at, self.top.spot, self.top.ms());
        Quote {
            event_symbol: symbol,
            sequence: i64::from(self.top.sequence),
            time_nano_part: nano_part(self.top.time),
            bid_time: self.top.ms(),
            bid_exchange_code: Char::new('C'),
            bid_price: price(quote.bid),
            bid_size: f64::from(quote.bid_size),
            ask_time: self.top.ms(),
            ask_exchange_code: Char::new('C'),
            ask_price: price(quote.ask),
            ask_size: f64::from(quote.ask_size),
            ..Quote::UNKNOWN
        }
    }

    pub(super) fn greeks(&self, symbol: SymbolId, at: OptionAt, sample: &Sample) -> Greeks {
        let contract = self.chain.contract(at, sample.spot, sample.time);
        let value = contract.value();
        Greeks {
            event_symbol: symbol,
            index: index::pack(sample.time, 0),
            time: sample.time,
            price: value.price,
            volatility: contract.volatility,
            delta: value.delta,
            gamma: value.gamma,
            theta: value.theta,
            rho: value.rho,
            vega: value.vega,
            ..Greeks::UNKNOWN
        }
    }

    pub(super) fn theo_price(&self, symbol: SymbolId, at: OptionAt, sample: &Sample) -> TheoPrice {
        let value = self.chain.contract(at, sample.spot, sample.time).value();
        TheoPrice {
            event_symbol: symbol,
            index: index::pack(sample.time, 0),
            time: sample.time,
            price: value.price,
            underlying_price: sample.spot,
            delta: value.delta,
            gamma: value.gamma,
            dividend: self.instrument.dividend,
            interest: INTEREST,
            ..TheoPrice::UNKNOWN
        }
    }

    /// The last trade of an option; a Trade of unknown values before the first.
    pub(super) fn option_last(&self, symbol: SymbolId, at: OptionAt) -> Trade {
        let traded = self.chain.traded(at);
        trade_row(symbol, traded.last.as_ref(), self.day, &traded.day, None)
    }

    pub(super) fn option_summary(&self, symbol: SymbolId, at: OptionAt) -> Summary {
        let bar = &self.chain.traded(at).day;
        let known = |cents| if bar.count == 0 { f64::NAN } else { price(cents) };
        Summary {
            event_symbol: symbol,
            day_id: self.day,
            day_open_price: known(bar.open),
            day_high_price: known(bar.high),
            day_low_price: known(bar.low),
            day_close_price_type: PriceType::Regular.into(),
            prev_day_id: self.previous.0,
            prev_day_close_price_type: PriceType::Regular.into(),
            open_interest: self.chain.open_interest(at),
            ..Summary::UNKNOWN
        }
    }

    pub(super) fn option_profile(&self, symbol: SymbolId, at: OptionAt) -> Profile {
        Profile {
            event_symbol: symbol,
            description: text(&self.tables, &self.chain.description(at)),
            trading_status: TradingStatus::Active.into(),
            ..Profile::UNKNOWN
        }
    }

    pub(super) fn option_sale(&self, trade: &OptionTrade) -> OptionSale {
        let OptionTrade { at, sale, spot } = trade;
        let contract = self.chain.contract(*at, *spot, sale.ms());
        let mut row = [0; MAX_WORDS];
        OptionSale::UNKNOWN.write_row(&mut row);
        let shared = EventKind::OptionSale.fields().len() - 4;
        let mut sale_row = [0; MAX_WORDS];
        self.time_and_sale(self.symbol, sale).write_row(&mut sale_row);
        // Both types begin with the fields of a sale; OptionSale has four of its own.
        row[..shared].copy_from_slice(&sale_row[..shared]);
        OptionSale {
            // The index of this type is no time; the dxFeed API keeps 32 bits of it.
            index: sale.id,
            underlying_price: *spot,
            volatility: contract.volatility,
            delta: contract.value().delta,
            option_symbol: text(&self.tables, &self.chain.symbol(*at)),
            ..OptionSale::from_row(&row)
        }
    }
}
