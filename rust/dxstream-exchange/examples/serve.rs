//! An exchange to point a client at: `serve [port]` prints its address and moves a few symbols until its
//! standard input ends.

use std::error::Error;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dxstream::event::{
    Candle, Char, Enum, Greeks, Profile, Quote, Record, Side, Summary, Text, TimeAndSale, Trade,
    Underlying, index,
};
use dxstream::symbol::{SymbolId, TextId};
use dxstream_exchange::config::ExchangeConfig;
use dxstream_exchange::source::{Depth, Level, Row};
use dxstream_exchange::{Exchange, config};

const SYMBOLS: [&str; 3] = ["AAPL", "MSFT", "SPY"];
const DAY: i64 = 86_400_000;

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |text| text.parse())?;
    let exchange = Exchange::start(ExchangeConfig {
        address: ([127, 0, 0, 1], port).into(),
        access: config::Access::AnyToken,
        ..ExchangeConfig::default()
    })?;
    println!("{}", exchange.url());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for tick in 0_i64.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                if let Err(error) = publish(&exchange, tick) {
                    eprintln!("{error}");
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        // The end of the input, however it comes, is the end of the exchange.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        done.store(true, Ordering::Relaxed);
    });
    println!("{:?}", exchange.stats());
    Ok(())
}

fn publish(exchange: &Exchange, tick: i64) -> Result<(), Box<dyn Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let mut rows = Vec::new();
    for (number, symbol) in SYMBOLS.into_iter().enumerate() {
        let event_symbol = SymbolId(exchange.tables().symbols.intern(symbol)?);
        let price = 100.0 * (number + 1) as f64 + (tick % 100) as f64 / 100.0;
        let exchange_code = Char::new('Q');
        rows.push(Row::new(&Quote {
            event_symbol,
            bid_price: price - 0.01,
            bid_size: 300.0,
            bid_time: now,
            bid_exchange_code: exchange_code,
            ask_price: price + 0.01,
            ask_size: 100.0,
            ask_time: now,
            ask_exchange_code: exchange_code,
            ..Quote::UNKNOWN
        }));
        rows.push(Row::new(&Trade {
            event_symbol,
            time: now,
            exchange_code,
            price,
            size: 100.0,
            day_id: now / DAY,
            day_volume: 13_743_299.0,
            ..Trade::UNKNOWN
        }));
        rows.push(Row::new(&TimeAndSale {
            event_symbol,
            index: index::pack(now, tick),
            time: now,
            sequence: tick & index::MAX_SEQUENCE,
            exchange_code,
            price,
            size: 100.0,
            bid_price: price - 0.01,
            ask_price: price + 0.01,
            aggressor_side: Enum::from(Side::Buy),
            valid_tick: true.into(),
            ..TimeAndSale::UNKNOWN
        }));
        if tick % 20 == 0 {
            rows.extend(slow_rows(exchange, symbol, now, price)?);
        }
    }
    exchange.publish(&rows);
    Ok(())
}

/// What changes seldom: fundamentals, model values, bars and the book.
fn slow_rows(
    exchange: &Exchange,
    symbol: &str,
    now: i64,
    price: f64,
) -> Result<Vec<Row>, Box<dyn Error>> {
    let tables = exchange.tables();
    let event_symbol = SymbolId(tables.symbols.intern(symbol)?);
    let mut rows = Vec::new();
    let description = TextId(tables.texts.intern("A company")?);
    rows.push(Row::new(&Summary {
        event_symbol,
        day_id: now / DAY,
        day_open_price: 99.0,
        open_interest: 0,
        ..Summary::UNKNOWN
    }));
    rows.push(Row::new(&Profile {
        event_symbol,
        description: Text::from(description),
        ..Profile::UNKNOWN
    }));
    rows.push(Row::new(&Greeks {
        event_symbol,
        index: index::pack(now, 0),
        time: now,
        price,
        volatility: 0.4,
        delta: 0.5,
        gamma: 4.819_897_631_842_55e-12,
        theta: -0.1,
        rho: 0.01,
        vega: 0.2,
        ..Greeks::UNKNOWN
    }));
    rows.push(Row::new(&Underlying {
        event_symbol,
        index: index::pack(now, 0),
        time: now,
        volatility: 0.3,
        front_volatility: 0.31,
        back_volatility: 0.29,
        call_volume: 1_000.0,
        put_volume: 500.0,
        option_volume: 1_500.0,
        put_call_ratio: 0.5,
        ..Underlying::UNKNOWN
    }));
    let candle = |attributes| tables.symbols.intern(&format!("{symbol}{attributes}"));
    let candles = [SymbolId(candle("{=d}")?), SymbolId(candle("{=d,tho=true}")?)];
    for (day, event_symbol) in (0..3).rev().flat_map(|day| candles.map(|it| (day, it))) {
        let time = (now / DAY - day) * DAY;
        rows.push(Row::new(&Candle {
            event_symbol,
            index: index::pack(time, 0),
            time,
            count: 1,
            open: 99.0,
            high: 101.0,
            low: 98.0,
            close: price,
            volume: 1_000.0,
            vwap: 100.0,
            ..Candle::UNKNOWN
        }));
    }
    let level = |price, size| Level { price, size };
    let (bids, asks) = (vec![level(price - 0.01, 300.0)], vec![level(price + 0.01, 100.0)]);
    exchange.set_depth(symbol, Depth { time: now, bids, asks });
    Ok(rows)
}
