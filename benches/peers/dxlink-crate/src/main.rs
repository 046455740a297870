//! One run of the crate `dxlink`: subscribes quotes, reads bid and ask of each, and prints what came.
//!
//! Arguments: the URL, how many rows come, and the number of symbols.

use std::collections::HashMap;
use std::error::Error;
use std::time::Instant;

use dxlink::{DXLinkClient, EventType, FeedSubscription, MarketEvent};
use serde_json::json;

/// Clock ticks a second in `/proc/self/stat`; Linux has 100 everywhere.
const TICKS_A_SECOND: f64 = 100.0;

fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / TICKS_A_SECOND)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let rows: usize = arguments[2].parse()?;
    let symbols: usize = arguments[3].parse()?;
    // Room for every row: the client drops what does not fit.
    let mut client = DXLinkClient::new(&arguments[1], "none").with_event_buffer(rows + 1)?;
    let mut events = client.connect().await?;
    let channel = client.create_feed_channel("AUTO").await?;
    client.setup_feed(channel, &[EventType::Quote]).await?;
    let subscriptions = (0..symbols).map(|number| FeedSubscription {
        event_type: "Quote".to_owned(),
        symbol: format!("SYM{number:04}"),
        from_time: None,
        source: None,
    });
    client.subscribe(channel, subscriptions.collect()).await?;
    let mut total = 0.0;
    let mut latest = HashMap::new();
    let mut count = 0;
    let mut began = (Instant::now(), cpu_seconds()?);
    while let Some(event) = events.recv().await {
        let MarketEvent::Quote(quote) = event else { continue };
        if count == 0 {
            began = (Instant::now(), cpu_seconds()?);
        }
        total += quote.bid_price + quote.ask_price;
        count += 1;
        if count + symbols > rows {
            latest.insert(quote.event_symbol, (quote.bid_price, quote.ask_price));
        }
        if count == rows {
            break;
        }
    }
    let seconds = began.0.elapsed().as_secs_f64();
    let cpu = cpu_seconds()? - began.1;
    let dropped = client.dropped_event_count();
    let found = json!({
        "count": count, "dropped": dropped, "seconds": seconds, "cpu": cpu, "total": total,
        "latest": latest,
    });
    println!("{found}");
    Ok(())
}
