use std::fs;
use std::io::Write;

use dxstream::event::{Direction, Order, Profile, Quote, Summary, Trade};
use proptest::prelude::*;

use super::*;
use crate::source::{Due, EventSource, Row};

/// A file of the recorded data; none, and a word about it, where the data is not there.
fn recorded(name: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    let there = file.exists();
    if !there {
        println!("skipped: {} is absent", file.display());
    }
    there.then_some(file)
}

fn play(player: &mut TapePlayer, now: Duration) -> Vec<Row> {
    let mut rows = Vec::new();
    player.advance(now, usize::MAX, &mut |row| rows.push(*row));
    rows
}

fn of<R: Record>(rows: &[Row]) -> Vec<R> {
    let wanted = rows.iter().filter(|row| row.kind == R::KIND);
    wanted.map(|row| R::from_row(row.fields())).collect()
}

/// A directory that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dxstream-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).unwrap();
        file
    }

    fn ticks(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        let mut archive = zip::ZipWriter::new(File::create(&file).unwrap());
        archive.start_file("ticks.csv", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
        archive.finish().unwrap();
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_decoded_tape_is_read_whole() {
    let Some(file) = recorded("tape/demo-sample.decoded.jsonl.gz") else { return };
    let tables = Tables::new();
    let tape = Tape::open(&[file], &tables).unwrap();
    let counts = [EventKind::Quote, EventKind::Trade, EventKind::Summary, EventKind::Profile]
        .map(|kind| tape.count(kind));
    assert_eq!(counts, [4465, 1951, 114, 79]);
    assert_eq!((tape.len(), tape.symbols().len()), (6609, 88));
    assert_eq!(tape.start(), Some(1_374_162_978_877));
    let mut player = TapePlayer::new(tape, Speed::Full);
    let rows = play(&mut player, Duration::ZERO);
    let first: Trade = of(&rows)[0];
    assert_eq!(tables.symbol(first.event_symbol), Some("DANOY"));
    assert_eq!((first.time, first.exchange_code.character()), (1_374_157_001_000, Some('V')));
    assert_eq!(
        [first.price, first.size, first.change, first.day_volume].map(f64::to_bits),
        [15.1_f64, 100.0, -0.03, 37_939.0].map(f64::to_bits)
    );
    assert_eq!(first.tick_direction, Direction::Up.into());
    assert!(first.day_turnover.is_nan() && first.extended_trading_hours.value().is_none());
    let quote: Quote = of(&rows)[0];
    assert_eq!(tables.symbol(quote.event_symbol), Some("XOM.TEST"));
    assert_eq!((quote.bid_time, quote.ask_time), (1_336_052_888_000, 1_336_052_888_000));
    assert_eq!(
        [quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size].map(f64::to_bits),
        [86.03_f64, 7.0, 86.04, 6.0].map(f64::to_bits)
    );
    let profiles: Vec<Profile> = of(&rows);
    let profile = &profiles[1];
    let words = |text: dxstream::event::Text| tables.text(text.id().unwrap()).unwrap();
    assert_eq!(words(profile.description), "American Express Co");
    assert_eq!(words(profile.status_reason), "Market On Close Imbalance Buy");
    assert_eq!(profile.trading_status, dxstream::event::TradingStatus::Active.into());
    assert_eq!(profile.ex_dividend_day_id, 15_888);
    let summaries: Vec<Summary> = of(&rows);
    assert!(summaries.iter().all(|summary| summary.open_interest >= 0));
    assert_eq!(player.due(), Due::Never);
}

#[test]
fn the_text_tape_is_read() {
    let Some(file) = recorded("tape/graal-native-sdk_tape.csv") else { return };
    let tables = Tables::new();
    let mut player = TapePlayer::new(Tape::open(&[file], &tables).unwrap(), Speed::REAL);
    assert_eq!(player.tape().length(), Duration::from_millis(370));
    let quotes: Vec<Quote> = of(&play(&mut player, Duration::from_millis(369)));
    assert_eq!(quotes.len(), 1);
    assert_eq!(quotes[0].event_time, 1_668_431_833_608);
    assert_eq!((quotes[0].bid_time, quotes[0].ask_time), (1_668_431_832_000, 1_668_431_829_000));
    assert_eq!(quotes[0].bid_price.to_bits(), 148.8_f64.to_bits());
    let quotes: Vec<Quote> = of(&play(&mut player, Duration::from_millis(370)));
    assert_eq!(quotes[0].bid_size.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn the_ticks_of_a_day_are_read() {
    let (Some(quotes), Some(trades)) =
        (recorded("ticks/ibm_20131009_quote.zip"), recorded("ticks/ibm_20131009_trade.zip"))
    else {
        return;
    };
    let tables = Tables::new();
    let tape = Tape::open(&[quotes, trades], &tables).unwrap();
    assert_eq!((tape.count(EventKind::Quote), tape.count(EventKind::Trade)), (67_746, 27_042));
    // 2013-10-09 04:00:00.546 in New York.
    assert_eq!(tape.start(), Some(1_381_305_600_546));
    let mut player = TapePlayer::new(tape, Speed::Full);
    let rows = play(&mut player, Duration::ZERO);
    let quote: Quote = of(&rows)[0];
    assert_eq!(tables.symbol(quote.event_symbol), Some("IBM"));
    assert_eq!(
        [quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size].map(f64::to_bits),
        [175.0_f64, 100.0, 184.83, 100.0].map(f64::to_bits)
    );
    let trades: Vec<Trade> = of(&rows);
    assert_eq!(trades[0].time, 1_381_291_200_000 + 33_156_320);
    assert_eq!(trades[0].price.to_bits(), 179.05_f64.to_bits());
    let last = trades.last().unwrap();
    // The sum of the sizes of all lines.
    assert_eq!(last.day_volume.to_bits(), 4_368_369.0_f64.to_bits());
    assert_eq!(last.day_id, 15_987);
    let ordered = |pair: &[Trade]| {
        (pair[0].time, pair[0].sequence) < (pair[1].time, pair[1].sequence)
            && pair[0].day_volume < pair[1].day_volume
    };
    assert!(trades.windows(2).all(ordered));
}

#[test]
#[ignore = "1.2 million events take seconds in a debug build"]
fn the_largest_tapes_are_read_whole() {
    let files = [
        "ticks/aig_20131009_quote.zip",
        "ticks/aig_20131009_trade.zip",
        "ticks/spy_20131009_trade.zip",
    ];
    let Some(files) = files.into_iter().map(recorded).collect::<Option<Vec<_>>>() else { return };
    let began = std::time::Instant::now();
    let tape = Tape::open(&files, &Tables::new()).unwrap();
    println!("{} events were read in {:?}", tape.len(), began.elapsed());
    assert_eq!(tape.count(EventKind::Quote), 712_006);
    assert_eq!(tape.count(EventKind::Trade), 52_008 + 439_677);
    let mut player = TapePlayer::new(tape, Speed::Full);
    let began = std::time::Instant::now();
    let mut count = 0_u32;
    while player.due() != Due::Never {
        player.advance(Duration::ZERO, 1000, &mut |_| count += 1);
    }
    println!("{count} events were played in {:?}", began.elapsed());
}

#[test]
fn ticks_are_joined_merged_and_numbered() {
    let scratch = Scratch::new("ticks");
    let quotes = scratch.ticks(
        "abc_20260116_quote.zip",
        "34200000,10000,1,0,0,P,1,0\n34200000,0,0,10100,2,Q,1,0\n\
         34200000,10001,3,0,0,N,1,0\n34200000,0,0,10100,2,Q,1,0\n",
    );
    let trades = scratch.ticks(
        "abc_20260116_trade.zip",
        "34199999,10000,5,P,0,0\n34200000,10100,6,Q,0,1\n34200000,10100,7,Q,0,0\n",
    );
    let tables = Tables::new();
    let tape = Tape::open(&[quotes, trades], &tables).unwrap();
    let mut player = TapePlayer::new(tape, Speed::Scaled(2.0));
    assert!(player.knows(EventKind::Quote, "ABC") && player.knows(EventKind::Trade, "*"));
    assert!(!player.knows(EventKind::Quote, "abc") && !player.knows(EventKind::Greeks, "*"));
    let symbol = player.tape().symbols()[0];
    assert!(player.latest(EventKind::Trade, symbol).is_none());
    assert_eq!(play(&mut player, Duration::ZERO).len(), 1);
    assert_eq!(player.due(), Due::At(Duration::from_micros(500)));
    let rows = play(&mut player, Duration::from_micros(500));
    let kinds: Vec<_> = rows.iter().map(|row| row.kind).collect();
    let (quote, trade) = (EventKind::Quote, EventKind::Trade);
    assert_eq!(kinds, [quote, quote, trade, trade]);
    let quotes: Vec<Quote> = of(&rows);
    assert_eq!((quotes[0].sequence, quotes[1].sequence), (0, 1));
    assert_eq!(quotes[0].bid_exchange_code.character(), Some('P'));
    assert_eq!(quotes[0].ask_exchange_code.character(), Some('Q'));
    // 09:30 in New York is 14:30 UTC in winter.
    assert_eq!(quotes[0].bid_time, 1_768_573_800_000);
    let trades: Vec<Trade> = of(&rows);
    assert_eq!(trades[0].tick_direction, Direction::Up.into());
    assert_eq!(trades[1].tick_direction, Direction::ZeroUp.into());
    assert_eq!(trades[0].extended_trading_hours.value(), Some(false));
    let latest = Trade::from_row(player.latest(EventKind::Trade, symbol).unwrap().fields());
    assert_eq!((latest.sequence, latest.day_volume.to_bits()), (1, 18.0_f64.to_bits()));
    assert!((latest.day_turnover - (5.0 + 13.0 * 1.01)).abs() < 1e-9);
    player.rewind();
    assert!(player.latest(EventKind::Trade, symbol).is_none());
    assert_eq!(play(&mut player, Duration::from_secs(1)).len(), 5);
}

#[test]
fn indexed_events_have_the_history_that_was_played() {
    let scratch = Scratch::new("orders");
    let file = scratch.file(
        "orders.csv",
        "#=Order,EventSymbol,EventFlags,Index,Time,Source,Price,OrderSide,Unheard\n\
         Order,ABC,4,7,20260116-143000Z,NTV,10.5,BUY,x\n\
         Order,ABC,8,6,20260116-143000Z,NTV,10.4,BUY,x\n\
         Order,ABC,0,5,20260116-143001Z,ntv,10.3,SELL,x\n\
         Order,ABC,2,7,20260116-143002Z,NTV,NaN,BUY,x\n",
    );
    let tables = Tables::new();
    let mut player = TapePlayer::new(Tape::open(&[file], &tables).unwrap(), Speed::REAL);
    let symbol = player.tape().symbols()[0];
    play(&mut player, Duration::from_secs(1));
    let mut indexes = |source| -> Vec<i64> {
        let rows = player.history(EventKind::Order, symbol, source, 0);
        of::<Order>(&rows).iter().map(|order| order.index * 10 + order.event_flags).collect()
    };
    assert_eq!(indexes(Some("NTV")), [60, 70]);
    assert_eq!(indexes(Some("ntv")), [50]);
    assert_eq!(indexes(Some("ISE")), [0; 0]);
    assert_eq!(indexes(None), [50, 60, 70]);
    let removed: Vec<Order> = of(&play(&mut player, Duration::from_secs(2)));
    assert_eq!(removed[0].event_flags, dxstream::event::flags::REMOVE_EVENT);
    assert_eq!(player.history(EventKind::Order, symbol, Some("NTV"), 0).len(), 1);
}

#[test]
fn malformed_lines_are_named() {
    let scratch = Scratch::new("malformed");
    let problem = |file: PathBuf| {
        let error = Tape::open(&[file], &Tables::new()).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error.strip_prefix(&*scratch.0.to_string_lossy()).unwrap_or(&error).to_owned()
    };
    let quote = "a_20260116_quote.zip";
    for (name, text, wanted) in [
        (quote, "1,1,1,0,0,P,1,0\n2,0,0,1,1,P,1,0\n", "2: a bid is not followed by its ask"),
        (quote, "1,0,0,1,1,P,1,0\n", "1: an ask without its bid"),
        (quote, "1,1,1,0,0,P,1,0\n", "1: a bid without its ask"),
        (quote, "1,x,1,0,0,P,1,0\n", "1: \"x\" is no number below 2^32"),
        (quote, "1,1,1,0,0,P,1\n", "1: a quote has 8 fields"),
        (quote, "86400000,1,1,0,0,P,1,0\n", "1: 86400000 ms are more than a day"),
        ("a_20260116_trade.zip", "1,1,1,PQ,1,0\n", "1: \"PQ\" is no exchange letter"),
        ("a_20260116_trade.zip", "1,1,1,P,1,0\n\n", "2: \"\" is no number below 2^32"),
    ] {
        assert_eq!(problem(scratch.ticks(name, text)), format!("/{name}:{wanted}"));
    }
    let header = "#=Quote,EventSymbol,BidPrice,BidTime\n";
    for (name, text, wanted) in [
        (
            "a.jsonl",
            "{\"t\":1,\"symbol\":\"A\",\"record\":\"X\"}",
            "1: the record \"X\" is not known",
        ),
        ("a.jsonl", "{\"symbol\":\"A\"}", "1: t is missing"),
        ("a.csv", "Quote,A,1\n", "1: Quote has no header"),
        ("a.csv", "#=Quote,BidPrice\n", "1: the header of Quote has no EventSymbol"),
        ("a.csv", "#=Nothing,EventSymbol\n", "1: the event type \"Nothing\" is not known"),
        ("a.csv", &format!("{header}Quote,A,1\n"), "2: Quote has 2 fields, its header 3"),
        ("a.csv", &format!("{header}Quote,A,x,0\n"), "2: bidPrice: \"x\" is no number"),
        ("a.csv", &format!("{header}Quote,A,1,20\u{e9}\n"), "2: bidTime: \"20\u{e9}\" is no time"),
        ("a.csv", &format!("{header}Quote,,1,0\n"), "2: the event has no symbol"),
    ] {
        assert_eq!(problem(scratch.file(name, text)), format!("/{name}:{wanted}"));
    }
    assert!(problem(scratch.file("a.jsonl", "{")).starts_with("/a.jsonl:1: EOF"));
    assert!(problem(scratch.file("a.jsonl.gz", "no gzip")).starts_with("/a.jsonl.gz: "));
    assert!(problem(scratch.file(quote, "no zip")).starts_with("/a_20260116_quote.zip: "));
    assert!(problem(scratch.0.join("absent.csv")).starts_with("/absent.csv: "));
    assert_eq!(problem(scratch.file("a.txt", "")), "/a.txt: the name is that of no known tape");
}

proptest! {
    #[test]
    fn no_line_breaks_a_reader(
        line in "[A-Z]{0,2}[0-9,.\"{}:+-]{0,40}|.{0,40}",
        values in proptest::collection::vec("[0-9a-zA-Z.+:\"-]{0,20}|.{0,5}", 15),
    ) {
        let tables = Tables::new();
        let mut tape = Tape::default();
        let _ = decoded::line(line.as_bytes(), &mut tape, &tables);
        for name in ["a_20260116_quote.zip", "a_20260116_trade.zip"] {
            let name = ticks::Name::parse(name).unwrap();
            let mut reader = ticks::Reader::new(&name, &mut tape, &tables).unwrap();
            let _ = reader.line(line.as_bytes());
            let _ = reader.line(line.as_bytes());
        }
        let mut reader = text::Reader::new(&mut tape, &tables);
        let _ = reader.line(line.as_bytes());
        let header = b"#=Trade,EventSymbol,EventTime,Time,TimeNanoPart,Sequence,ExchangeCode,TradeId,\
            Price,Change,Size,DayId,DayVolume,DayTurnover,TickDirection,ExtendedTradingHours";
        reader.line(header).unwrap();
        let _ = reader.line(format!("Trade,{}", values.join(",")).as_bytes());
        let mut player = TapePlayer::new(tape, Speed::REAL);
        while let Due::At(time) = player.due() {
            player.advance(time, 1, &mut |_| {});
        }
    }
}
