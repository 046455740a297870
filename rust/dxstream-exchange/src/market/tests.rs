use std::collections::BTreeMap;

use dxstream::event::{
    Candle, Greeks, OptionSale, Order, Quote, Series, Summary, TimeAndSale, Trade, Underlying,
    flags, index,
};

use super::*;

fn config() -> MarketConfig {
    MarketConfig {
        symbols: ["SPX", "AAPL", "SPY"].map(str::to_owned).to_vec(),
        before: Duration::from_mins(3),
        ..MarketConfig::default()
    }
}

fn market(config: &MarketConfig) -> (Market, Arc<Tables>) {
    let tables = Arc::new(Tables::new());
    (Market::new(config, Arc::clone(&tables)).unwrap(), tables)
}

fn until(market: &mut Market, seconds: u64) -> Vec<Row> {
    let mut rows = Vec::new();
    market.advance(Duration::from_secs(seconds), usize::MAX, &mut |row| rows.push(*row));
    rows
}

fn of<R: Record>(rows: &[Row], symbol: SymbolId) -> Vec<R> {
    let wanted = rows.iter().filter(|row| row.kind == R::KIND && row.symbol() == symbol);
    wanted.map(|row| R::from_row(row.fields())).collect()
}

fn id(tables: &Tables, symbol: &str) -> SymbolId {
    SymbolId(tables.symbols.intern(symbol).unwrap())
}

fn fields(rows: &[Row]) -> Vec<(EventKind, Vec<u64>)> {
    rows.iter().map(|row| (row.kind, row.fields().to_vec())).collect()
}

/// Symbols and types of which each market that [`config`] makes has events.
fn asked(market: &Market) -> Vec<(EventKind, String)> {
    let option = market.options("AAPL").nth(18).unwrap();
    let mut asked: Vec<(EventKind, String)> = EventKind::ALL
        .iter()
        .map(|&kind| match kind {
            EventKind::Greeks | EventKind::TheoPrice => (kind, option.clone()),
            EventKind::Candle => (kind, "AAPL{=m}".to_owned()),
            _ => (kind, "AAPL".to_owned()),
        })
        .collect();
    asked.push((EventKind::Quote, option));
    asked.push((EventKind::Candle, "SPX{=5s}".to_owned()));
    asked
}

#[test]
fn the_same_calls_give_the_same_events() {
    let run = |most: usize| {
        let (mut market, _) = market(&config());
        for (kind, symbol) in asked(&market) {
            assert!(market.knows(kind, &symbol), "{} {symbol}", kind.name());
        }
        let mut rows = Vec::new();
        loop {
            let before = rows.len();
            market.advance(Duration::from_mins(1), most, &mut |row: &Row| rows.push(*row));
            assert!(rows.len() - before <= most);
            if rows.len() == before {
                return fields(&rows);
            }
        }
    };
    let all = run(usize::MAX);
    assert!(all.len() > 1000);
    assert_eq!(run(usize::MAX), all);
    assert_eq!(run(7), all);
    let (mut other, _) = market(&MarketConfig { seed: 2, ..config() });
    assert_ne!(fields(&until(&mut other, 60))[..20], all[..20]);
}

#[test]
fn what_moves_does_not_depend_on_who_listens() {
    let (mut quiet, quiet_tables) = market(&config());
    let (mut busy, busy_tables) = market(&config());
    for (kind, symbol) in asked(&busy) {
        busy.knows(kind, &symbol);
    }
    let (quiet, busy) = (until(&mut quiet, 60), until(&mut busy, 60));
    let quotes = |rows: &[Row], tables: &Tables| -> Vec<_> {
        let quotes = of::<Quote>(rows, id(tables, "AAPL"));
        quotes.iter().map(|quote| (quote.bid_time, quote.bid_price.to_bits())).collect()
    };
    assert_eq!(quotes(&quiet, &quiet_tables), quotes(&busy, &busy_tables));
}

#[test]
fn every_type_is_streamed() {
    let (mut market, _) = market(&config());
    for (kind, symbol) in asked(&market) {
        market.knows(kind, &symbol);
    }
    let rows = until(&mut market, 600);
    for &kind in EventKind::ALL {
        assert!(rows.iter().any(|row| row.kind == kind), "{}", kind.name());
    }
}

#[test]
fn unknown_questions_get_no_answer() {
    let (mut market, tables) = market(&config());
    for (kind, symbol) in [
        (EventKind::Quote, "MSFT"),
        (EventKind::Quote, "SPX"),
        (EventKind::Greeks, "AAPL"),
        (EventKind::Quote, "AAPL{=m}"),
        (EventKind::Candle, "AAPL"),
        (EventKind::Candle, "MSFT{=m}"),
        (EventKind::Candle, "AAPL{=t}"),
        (EventKind::Quote, ".AAPL300101C1"),
        (EventKind::Message, "{"),
        (EventKind::Message, ""),
    ] {
        assert!(!market.knows(kind, symbol), "{} {symbol}", kind.name());
        let symbol = id(&tables, symbol);
        assert!(market.latest(kind, symbol).is_none());
        assert!(market.history(kind, symbol, None, i64::MIN).is_empty());
    }
    assert!(market.latest(EventKind::Quote, SymbolId(u32::MAX)).is_none());
}

#[test]
fn rates_and_quotes_are_those_of_the_configuration() {
    let (mut market, tables) = market(&config());
    let rows = until(&mut market, 600);
    let aapl = id(&tables, "AAPL");
    let quotes: Vec<Quote> = of(&rows, aapl);
    let trades = of::<TimeAndSale>(&rows, aapl).len();
    assert!((1000..1400).contains(&quotes.len()), "{}", quotes.len());
    assert!((480..720).contains(&trades), "{trades}");
    assert!(of::<Quote>(&rows, id(&tables, "SPX")).is_empty());
    for quote in &quotes {
        assert!(quote.bid_price < quote.ask_price && quote.ask_price - quote.bid_price < 0.05);
        let cents = quote.bid_price * 100.0;
        assert!((cents - cents.round()).abs() < 1e-9 && quote.bid_size >= 1.0);
    }
    assert!(quotes.windows(2).all(|pair| {
        (pair[0].bid_time, pair[0].sequence) < (pair[1].bid_time, pair[1].sequence)
    }));
}

#[test]
fn candles_are_the_bars_of_the_trades() {
    for (symbol, length, regular_only) in [
        ("AAPL{=m}", 60_000, false),
        ("AAPL{=m,tho=true}", 60_000, true),
        ("AAPL{=5s}", 5_000, false),
        ("AAPL{=2m}", 120_000, false),
    ] {
        let (mut market, tables) = market(&MarketConfig { seed: 9, ..config() });
        let start = config().start;
        market.knows(EventKind::Candle, symbol);
        let candle_id = id(&tables, symbol);
        let rows = until(&mut market, 300);
        let sales: Vec<TimeAndSale> = {
            let rows =
                market.history(EventKind::TimeAndSale, id(&tables, "AAPL"), None, start - 180_000);
            of(&rows, id(&tables, "AAPL"))
        };
        let mut bars: BTreeMap<i64, Vec<&TimeAndSale>> = BTreeMap::new();
        for sale in &sales {
            if !(regular_only && sale.extended_trading_hours.value() == Some(true)) {
                bars.entry(sale.time / length * length).or_default().push(sale);
            }
        }
        let history: Vec<Candle> = {
            let rows = market.history(EventKind::Candle, candle_id, None, start - 120_000);
            of(&rows, candle_id)
        };
        let mut live: BTreeMap<i64, Candle> = BTreeMap::new();
        for candle in of::<Candle>(&rows, candle_id) {
            live.insert(candle.time, candle);
        }
        assert!(history.len() > 3 && live.len() >= 3);
        assert!(history.windows(2).all(|pair| pair[0].index < pair[1].index));
        for candle in history.iter().chain(live.values()) {
            let sales = &bars[&candle.time];
            let volume: f64 = sales.iter().map(|sale| sale.size).sum();
            let turnover: f64 = sales.iter().map(|sale| sale.size * sale.price).sum();
            assert_eq!(candle.index, index::pack(candle.time, 0));
            assert_eq!(candle.count, sales.len() as i64);
            let ends = [(candle.open, sales[0]), (candle.close, sales[sales.len() - 1])];
            assert!(ends.iter().all(|(price, sale)| price.to_bits() == sale.price.to_bits()));
            let high = sales.iter().fold(0.0_f64, |high, sale| high.max(sale.price));
            let low = sales.iter().fold(f64::INFINITY, |low, sale| low.min(sale.price));
            assert_eq!(
                [candle.high, candle.low, candle.volume].map(f64::to_bits),
                [high, low, volume].map(f64::to_bits)
            );
            assert!((candle.vwap - turnover / volume).abs() < 1e-9);
            assert!((candle.bid_volume + candle.ask_volume - volume).abs() < 1e-9);
        }
        let last = Candle::from_row(market.latest(EventKind::Candle, candle_id).unwrap().fields());
        let shown = history.last().unwrap();
        assert_eq!((last.index, last.count), (shown.index, shown.count));
    }
}

#[test]
fn the_day_is_the_same_in_trade_summary_and_candle() {
    let (mut market, tables) = market(&config());
    until(&mut market, 120);
    let aapl = id(&tables, "AAPL");
    let day_id = id(&tables, "AAPL{=d,tho=true}");
    let trade = Trade::from_row(market.latest(EventKind::Trade, aapl).unwrap().fields());
    let summary = Summary::from_row(market.latest(EventKind::Summary, aapl).unwrap().fields());
    let days = market.history(EventKind::Candle, day_id, None, 0);
    let days: Vec<Candle> = of(&days, day_id);
    assert!(days.len() > 250);
    let (today, before) = (days[days.len() - 1], days[days.len() - 2]);
    assert_eq!(today.time, trade.day_id * 86_400_000);
    assert_eq!(before.time, summary.prev_day_id * 86_400_000);
    assert_eq!(
        [today.volume, today.open, today.high, today.low, today.close].map(f64::to_bits),
        [
            trade.day_volume,
            summary.day_open_price,
            summary.day_high_price,
            summary.day_low_price,
            trade.price
        ]
        .map(f64::to_bits)
    );
    assert_eq!(before.close.to_bits(), summary.prev_day_close_price.to_bits());
    assert!((trade.price - before.close - trade.change).abs() < 1e-9);
}

#[test]
fn greeks_agree_with_quotes_and_with_their_history() {
    let (mut market, tables) = market(&config());
    let option = market.options("AAPL").nth(60).unwrap();
    assert!(market.knows(EventKind::Greeks, &option) && market.knows(EventKind::Quote, &option));
    let option = id(&tables, &option);
    let rows = until(&mut market, 120);
    let greeks: Vec<Greeks> = of(&rows, option);
    assert!(greeks.len() > 50);
    let mut quote = Quote::UNKNOWN;
    let mut compared = 0;
    for row in rows.iter().filter(|row| row.symbol() == option) {
        match row.kind {
            EventKind::Quote => quote = Quote::from_row(row.fields()),
            _ if quote.bid_price.is_nan() => {}
            _ => {
                let greeks = Greeks::from_row(row.fields());
                assert!(quote.bid_price <= greeks.price && greeks.price <= quote.ask_price);
                compared += 1;
            }
        }
    }
    assert!(compared > 50);
    let history = market.history(EventKind::Greeks, option, None, greeks[0].time);
    let live: Vec<Row> = rows.iter().filter(|row| row.kind == EventKind::Greeks).copied().collect();
    assert_eq!(fields(&history), fields(&live));
    assert!(market.history(EventKind::Greeks, option, None, 0).len() > history.len());
}

#[test]
fn book_changes_add_up_to_its_history_and_depth() {
    let (mut market, tables) = market(&config());
    let aapl = id(&tables, "AAPL");
    let mut book: BTreeMap<i64, Order> = BTreeMap::new();
    for row in market.history(EventKind::Order, aapl, Some("NTV"), 0) {
        let order = Order::from_row(row.fields());
        assert_eq!(order.event_flags, 0);
        book.insert(order.index, order);
    }
    assert!(market.history(EventKind::Order, aapl, Some("ntv"), 0).is_empty());
    let mut removed = 0;
    for order in of::<Order>(&until(&mut market, 60), aapl) {
        if order.event_flags & flags::REMOVE_EVENT == 0 {
            book.insert(order.index, order);
        } else {
            assert!(book.remove(&order.index).is_some());
            removed += 1;
        }
    }
    assert!(removed > 10);
    let shown = market.history(EventKind::Order, aapl, None, 0);
    let shown: Vec<Order> = of(&shown, aapl);
    let of_order = |order: &Order| (order.index, order.price.to_bits(), order.size.to_bits());
    let kept: Vec<_> = book.values().map(of_order).collect();
    assert_eq!(shown.iter().map(of_order).collect::<Vec<_>>(), kept);
    let depth = market.depth("AAPL", 3).unwrap();
    let quote = Quote::from_row(market.latest(EventKind::Quote, aapl).unwrap().fields());
    assert_eq!((depth.bids.len(), depth.asks.len()), (3, 3));
    let best = Level { price: quote.bid_price, size: quote.bid_size };
    assert_eq!(depth.bids[0], best);
    assert_eq!(depth.asks[0], Level { price: quote.ask_price, size: quote.ask_size });
    assert!(market.depth("SPX", 3).is_none() && market.depth("MSFT", 3).is_none());
}

#[test]
fn option_volumes_add_up() {
    let (mut market, tables) = market(&config());
    let aapl = id(&tables, "AAPL");
    until(&mut market, 300);
    let series = market.history(EventKind::Series, aapl, None, 0);
    let series: Vec<Series> = of(&series, aapl);
    let underlying =
        Underlying::from_row(market.latest(EventKind::Underlying, aapl).unwrap().fields());
    assert!(series.windows(2).all(|pair| pair[0].index < pair[1].index));
    assert!(underlying.call_volume > 0.0 && underlying.put_volume > 0.0);
    let whole = underlying.call_volume + underlying.put_volume;
    assert_eq!(underlying.option_volume.to_bits(), whole.to_bits());
    assert!(series.iter().map(|series| series.call_volume).sum::<f64>() >= underlying.call_volume);
}

#[test]
fn option_sales_are_told_apart_by_32_bits_of_their_index() {
    let (mut market, tables) = market(&config());
    let aapl = id(&tables, "AAPL");
    market.knows(EventKind::OptionSale, "AAPL");
    let live: Vec<OptionSale> = of(&until(&mut market, 60), aapl);
    let history: Vec<OptionSale> = of(&market.history(EventKind::OptionSale, aapl, None, 0), aapl);
    assert!(!live.is_empty() && history.len() > live.len());
    assert!(history.windows(2).all(|pair| pair[0].index < pair[1].index));
    assert!(history.iter().all(|sale| i32::try_from(sale.index).is_ok()));
    let last = history.last().unwrap();
    assert_eq!((live.last().unwrap().index, live.last().unwrap().time), (last.index, last.time));
}

#[test]
fn days_change_at_midnight() {
    let start = 1_767_657_590_000;
    assert_eq!(start % 86_400_000, 86_390_000);
    let (mut market, tables) = market(&MarketConfig { start, ..config() });
    let aapl = id(&tables, "AAPL");
    market.knows(EventKind::Summary, "AAPL");
    let close = Trade::from_row(market.latest(EventKind::Trade, aapl).unwrap().fields());
    let rows = until(&mut market, 60);
    let summaries: Vec<Summary> = of(&rows, aapl);
    let last = summaries.last().unwrap();
    assert_eq!((last.day_id, last.prev_day_id), (close.day_id + 1, close.day_id));
    let trades: Vec<Trade> = of(&rows, aapl);
    assert!(trades.last().unwrap().day_volume < close.day_volume);
}

#[test]
fn due_is_when_something_happens() {
    let (mut market, _) = market(&config());
    let Due::At(first) = market.due() else { panic!("a market is always due") };
    assert!(first < Duration::from_secs(5));
    let mut count = 0;
    market.advance(first, 1, &mut |_| count += 1);
    let Due::At(second) = market.due() else { panic!("a market is always due") };
    assert!(second >= first);
    market.advance(Duration::from_secs(5), usize::MAX, &mut |_| count += 1);
    assert!(count > 5);
    let Due::At(later) = market.due() else { panic!("a market is always due") };
    assert!(later > Duration::from_secs(5));
}

#[test]
fn a_star_asks_for_every_symbol() {
    let (mut market, tables) = market(&config());
    assert!(market.knows(EventKind::Greeks, "*") && !market.knows(EventKind::Greeks, "AAPL"));
    let rows = until(&mut market, 5);
    let all = market.options("AAPL").chain(market.options("SPX")).chain(market.options("SPY"));
    for option in all {
        assert!(!of::<Greeks>(&rows, id(&tables, &option)).is_empty(), "{option}");
    }
}

#[test]
fn configurations_without_sense_are_refused() {
    let refused = |config: MarketConfig| {
        Market::new(&config, Arc::new(Tables::new())).unwrap_err().to_string()
    };
    let symbols = |symbols: &[&str]| symbols.iter().map(|&symbol| symbol.to_owned()).collect();
    assert_eq!(
        refused(MarketConfig { symbols: symbols(&["AAPL", "XYZ"]), ..config() }),
        r#"the market has no symbol "XYZ""#
    );
    assert_eq!(
        refused(MarketConfig { symbols: symbols(&[]), ..config() }),
        "the market needs a symbol"
    );
    assert_eq!(
        refused(MarketConfig { quotes_per_second: f64::NAN, ..config() }),
        "quotes_per_second is NaN, it must be above 0 and at most 1000000"
    );
    assert_eq!(
        refused(MarketConfig { start: 0, ..config() }),
        "start is 0 ms, it must lie between 2000 and 2100"
    );
}

#[test]
fn a_price_moves_the_quotes_and_the_chain() {
    let prices = vec![("AAPL".to_owned(), 150.0)];
    let (mut market, tables) = market(&MarketConfig { prices, ..config() });
    let options: Vec<_> = market.options("AAPL").collect();
    assert!(options.iter().any(|symbol| symbol.ends_with("C150")), "{options:?}");
    let quotes: Vec<Quote> = of(&until(&mut market, 30), id(&tables, "AAPL"));
    assert!(!quotes.is_empty());
    assert!(quotes.iter().all(|quote| (140.0..160.0).contains(&quote.bid_price)));
}

#[test]
fn a_price_that_cannot_be_is_refused() {
    let refused = |symbol: &str, price| {
        let prices = vec![(symbol.to_owned(), price)];
        Market::new(&MarketConfig { prices, ..config() }, Arc::default()).unwrap_err()
    };
    assert_eq!(refused("NONE", 1.0), MarketError::UnknownSymbol("NONE".into()));
    for price in [0.0, -1.0, 0.99, 1e7] {
        let symbol = "AAPL".to_owned();
        assert_eq!(refused("AAPL", price), MarketError::Price { symbol, price });
    }
}
