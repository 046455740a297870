//! What a symbol stands for, and the answers to questions about it.

use dxstream::event::{EventKind, Record};
use dxstream::symbol::SymbolId;

use super::Market;
use super::asset::{Asset, Sample};
use super::book::SOURCE;
use super::candle::{Bar, CandleSymbol};
use super::instrument::Instrument;
use super::rows::SPREAD_SOURCE;
use crate::source::Row;

/// Candle symbols of the market that are kept up to date, at most.
const MAX_CANDLES: usize = 4096;

/// What a symbol stands for: places in the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// An underlying.
    Asset(usize),
    /// An option, by its underlying and its place among the watched.
    Option(usize, usize),
    /// A candle symbol, by its underlying and its place among the live.
    Candle(usize, usize),
}

/// Whether an underlying has events of a type.
pub(super) fn has_asset_kind(instrument: &Instrument, kind: EventKind) -> bool {
    match kind {
        EventKind::Trade
        | EventKind::Summary
        | EventKind::Profile
        | EventKind::Underlying
        | EventKind::Series
        | EventKind::SpreadOrder
        | EventKind::OptionSale
        | EventKind::Configuration
        | EventKind::Message => true,
        EventKind::Quote
        | EventKind::TradeETH
        | EventKind::TimeAndSale
        | EventKind::Order
        | EventKind::AnalyticOrder => !instrument.index,
        EventKind::Greeks | EventKind::TheoPrice | EventKind::Candle => false,
    }
}

/// Whether options have events of a type.
fn has_option_kind(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Quote
            | EventKind::Trade
            | EventKind::TimeAndSale
            | EventKind::Summary
            | EventKind::Profile
            | EventKind::Greeks
            | EventKind::TheoPrice
    )
}

impl Market {
    /// Has events of a type emitted from now on for a symbol, or for every underlying and option with
    /// `*`; answers whether there can be any.
    pub(super) fn watch(&mut self, kind: EventKind, symbol: &str) -> bool {
        if symbol != "*" {
            return self.resolve(kind, symbol).is_some();
        }
        let mut any = kind == EventKind::Candle;
        for place in 0..self.assets.len() {
            if has_asset_kind(&self.assets[place].instrument, kind) {
                self.assets[place].kinds.add(kind);
                any = true;
            }
            if has_option_kind(kind) {
                let chain = &self.assets[place].chain;
                let symbols: Vec<String> = chain.all().map(|at| chain.symbol(at)).collect();
                for symbol in symbols {
                    any |= self.resolve(kind, &symbol).is_some();
                }
            }
        }
        any
    }

    /// What a symbol stands for, if it has events of the type.
    pub(super) fn target(&mut self, kind: EventKind, symbol: SymbolId) -> Option<Target> {
        let tables = std::sync::Arc::clone(&self.tables);
        self.resolve(kind, tables.symbol(symbol)?)
    }

    fn resolve(&mut self, kind: EventKind, symbol: &str) -> Option<Target> {
        let known = self.tables.symbols.find(symbol).and_then(|id| self.targets.get(&SymbolId(id)));
        let target = match known {
            Some(&target) => target,
            None => self.find(kind, symbol)?,
        };
        match target {
            Target::Asset(place) => {
                let asset = &mut self.assets[place];
                has_asset_kind(&asset.instrument, kind).then(|| asset.kinds.add(kind))?;
            }
            Target::Option(place, option) => {
                let watched = &mut self.assets[place].watched[option];
                has_option_kind(kind).then(|| watched.kinds.add(kind))?;
            }
            Target::Candle(..) => (kind == EventKind::Candle).then_some(())?,
        }
        Some(target)
    }

    /// Finds what a symbol stands for the first time that it is named.
    fn find(&mut self, kind: EventKind, symbol: &str) -> Option<Target> {
        let named =
            |wanted: &str| self.assets.iter().position(|asset| asset.instrument.symbol == wanted);
        let (id, target);
        if symbol.starts_with('.') {
            has_option_kind(kind).then_some(())?;
            let (place, at) = self
                .assets
                .iter()
                .enumerate()
                .find_map(|(place, asset)| Some((place, asset.chain.find(symbol)?)))?;
            id = SymbolId(self.tables.symbols.intern(symbol).ok()?);
            target = Target::Option(place, self.assets[place].watch_option(id, at));
        } else if symbol.ends_with('}') {
            let read = CandleSymbol::parse(symbol)?;
            let place = named(read.base)?;
            let candles: usize = self.assets.iter().map(|asset| asset.live.len()).sum();
            (kind == EventKind::Candle && candles < MAX_CANDLES).then_some(())?;
            id = SymbolId(self.tables.symbols.intern(symbol).ok()?);
            target = Target::Candle(place, self.assets[place].watch_candle(id, &read));
        } else {
            let place = named(symbol)?;
            (id, target) = (self.assets[place].symbol, Target::Asset(place));
        }
        self.targets.insert(id, target);
        Some(target)
    }

    pub(super) fn latest_of(
        &self,
        kind: EventKind,
        symbol: SymbolId,
        target: Target,
    ) -> Option<Row> {
        match target {
            Target::Asset(place) => latest_of_asset(&self.assets[place], kind),
            Target::Option(place, option) => {
                let asset = &self.assets[place];
                let at = asset.watched[option].at;
                let sample = asset.samples.back()?;
                Some(match kind {
                    EventKind::Quote => Row::new(&asset.option_quote(symbol, at)),
                    EventKind::Trade => Row::new(&asset.option_last(symbol, at)),
                    EventKind::Summary => Row::new(&asset.option_summary(symbol, at)),
                    EventKind::Profile => Row::new(&asset.option_profile(symbol, at)),
                    EventKind::Greeks => Row::new(&asset.greeks(symbol, at, sample)),
                    EventKind::TheoPrice => Row::new(&asset.theo_price(symbol, at, sample)),
                    EventKind::TimeAndSale => {
                        let last = asset.chain.traded(at).last?;
                        Row::new(&asset.time_and_sale(symbol, &last.sale))
                    }
                    _ => return None,
                })
            }
            Target::Candle(place, live) => {
                let asset = &self.assets[place];
                let (start, bar) = asset.live[live].bar?;
                Some(Row::new(&asset.candle(symbol, start, &bar)))
            }
        }
    }

    pub(super) fn history_of(
        &self,
        kind: EventKind,
        symbol: SymbolId,
        source: Option<&str>,
        from_time: i64,
        target: Target,
    ) -> Vec<Row> {
        match target {
            Target::Asset(place) => history_of_asset(&self.assets[place], kind, source, from_time),
            Target::Option(place, option) => {
                let asset = &self.assets[place];
                let at = asset.watched[option].at;
                match kind {
                    EventKind::Greeks => {
                        sampled(asset, from_time, |sample| asset.greeks(symbol, at, sample))
                    }
                    EventKind::TheoPrice => {
                        sampled(asset, from_time, |sample| asset.theo_price(symbol, at, sample))
                    }
                    EventKind::TimeAndSale => {
                        let sales = asset
                            .option_trades
                            .iter()
                            .filter(|trade| trade.at == at && trade.sale.ms() >= from_time);
                        sales
                            .map(|trade| Row::new(&asset.time_and_sale(symbol, &trade.sale)))
                            .collect()
                    }
                    _ => Vec::new(),
                }
            }
            Target::Candle(place, live) => {
                let asset = &self.assets[place];
                let live = &asset.live[live];
                let mut bars = asset.bars(live.period, live.regular_only, from_time);
                bars.drain(..bars.len().saturating_sub(Self::MAX_ROWS));
                let row = |(start, bar): &(i64, Bar)| Row::new(&asset.candle(symbol, *start, bar));
                bars.iter().map(row).collect()
            }
        }
    }
}

fn latest_of_asset(asset: &Asset, kind: EventKind) -> Option<Row> {
    let sample = asset.samples.back()?;
    Some(match kind {
        EventKind::Quote => Row::new(&asset.quote()),
        EventKind::Trade => Row::new(&asset.last_trade()),
        EventKind::TradeETH => Row::new(&asset.trade_eth()),
        EventKind::Summary => Row::new(&asset.summary()),
        EventKind::Profile => Row::new(&asset.profile()),
        EventKind::Configuration => Row::new(&asset.configuration()),
        EventKind::Underlying => Row::new(&asset.underlying(sample)),
        EventKind::TimeAndSale => Row::new(&asset.time_and_sale(asset.symbol, asset.sales.back()?)),
        EventKind::OptionSale => Row::new(&asset.option_sale(asset.option_trades.back()?)),
        EventKind::Message
        | EventKind::Series
        | EventKind::Order
        | EventKind::AnalyticOrder
        | EventKind::SpreadOrder
        | EventKind::Greeks
        | EventKind::TheoPrice
        | EventKind::Candle => return None,
    })
}

fn history_of_asset(
    asset: &Asset,
    kind: EventKind,
    source: Option<&str>,
    from_time: i64,
) -> Vec<Row> {
    let has_source = |name: &str| source.is_none_or(|wanted| wanted == name);
    match kind {
        EventKind::TimeAndSale => {
            let sales = asset.sales.iter().filter(|sale| sale.ms() >= from_time);
            sales.map(|sale| Row::new(&asset.time_and_sale(asset.symbol, sale))).collect()
        }
        EventKind::OptionSale => {
            let sales = asset.option_trades.iter().filter(|trade| trade.sale.ms() >= from_time);
            sales.map(|trade| Row::new(&asset.option_sale(trade))).collect()
        }
        EventKind::Underlying => sampled(asset, from_time, |sample| asset.underlying(sample)),
        EventKind::Series => asset.samples.back().map_or_else(Vec::new, |sample| {
            let expiries = 0..asset.chain.expiries.len();
            expiries.map(|expiry| Row::new(&asset.series(sample, expiry))).collect()
        }),
        EventKind::Order if has_source(SOURCE) => {
            let orders = asset.book_orders();
            let rows = orders.iter().enumerate().map(|(place, (change, order))| {
                Row::new(&asset.order(*change, order, place as i64))
            });
            rows.collect()
        }
        EventKind::AnalyticOrder if has_source(SOURCE) => {
            let orders = asset.book_orders();
            let rows = orders.iter().enumerate().map(|(place, (change, order))| {
                Row::new(&asset.analytic_order(*change, order, place as i64))
            });
            rows.collect()
        }
        EventKind::SpreadOrder if has_source(SPREAD_SOURCE) => {
            asset.samples.back().map_or_else(Vec::new, |sample| {
                [true, false].map(|buy| Row::new(&asset.spread_order(sample, buy))).into()
            })
        }
        _ => Vec::new(),
    }
}

fn sampled<R: Record>(asset: &Asset, from_time: i64, make: impl Fn(&Sample) -> R) -> Vec<Row> {
    let samples = asset.samples.iter().skip_while(|sample| sample.time < from_time);
    samples.map(|sample| Row::new(&make(sample))).collect()
}
