use dxstream::event::{Order, Text};
use dxstream::symbol::TextId;

use super::*;

const FIELDS: &str = r#"{"Quote":["eventSymbol","bidPrice"],"Candle":["eventFlags","eventSymbol","time","close"],"TimeAndSale":["eventFlags","eventSymbol","price"],"Order":["eventFlags","eventSymbol","index","source"]}"#;

fn opened(contract: &str, period: f64) -> Talk {
    Talk::opened(Rules::default(), contract, period, FIELDS)
}

fn feed_data(heard: &[String]) -> Vec<&str> {
    heard.iter().map(String::as_str).filter(|text| text.contains("FEED_DATA")).collect()
}

#[test]
fn ticker_sends_the_last_value_at_once_and_then_the_last_of_each_period() {
    let mut talk = opened("TICKER", 0.1);
    talk.quote("AAPL", 1.0);
    talk.quote("AAPL", 1.1);
    let heard = talk.subscribe(r#""add":[{"type":"Quote","symbol":"AAPL"}]"#);
    assert_eq!(values(&heard, "Quote"), [json!("AAPL"), json!(1.1)]);
    talk.quote("AAPL", 1.2);
    assert_eq!(values(&talk.pass(0), "Quote"), [json!("AAPL"), json!(1.2)]);
    for price in [1.3, 1.4, 1.5] {
        talk.quote("AAPL", price);
        assert_eq!(talk.pass(30), [""; 0]);
    }
    assert_eq!(talk.session.due(), Some(Duration::from_millis(100)));
    assert_eq!(values(&talk.pass(10), "Quote"), [json!("AAPL"), json!(1.5)]);
}

#[test]
fn without_aggregation_each_event_is_sent() {
    let mut talk = opened("TICKER", 0.0);
    talk.subscribe(r#""add":[{"type":"Quote","symbol":"AAPL"}]"#);
    talk.quote("AAPL", 1.0);
    talk.quote("AAPL", 1.1);
    let heard = talk.hear();
    assert_eq!(
        feed_data(&heard),
        [r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["AAPL",1.0,"AAPL",1.1]]}"#]
    );
}

#[test]
fn an_unknown_symbol_may_be_answered_with_an_event_that_says_nothing() {
    let rules = Rules { answer_unknown_symbols: true, ..Rules::default() };
    let mut talk = Talk::opened(rules, "TICKER", 0.1, FIELDS);
    let heard = talk.subscribe(r#""add":[{"type":"Quote","symbol":"NOPE"}]"#);
    assert_eq!(values(&heard, "Quote"), [json!("NOPE"), json!("NaN")]);
}

#[test]
fn stream_sends_new_events_only_and_without_flags() {
    let mut talk = opened("STREAM", 1.0);
    talk.candle("AAPL{=m}", 60_000, 1.0);
    assert_eq!(talk.subscribe(r#""add":[{"type":"Candle","symbol":"AAPL{=m}"}]"#), [""; 0]);
    talk.flagged_candle("AAPL{=m}", 60_000, 1.1, 1);
    talk.candle("AAPL{=m}", 60_000, 1.2);
    let expected = [
        json!(0),
        json!("AAPL{=m}"),
        json!(60_000),
        json!(1.1),
        json!(0),
        json!("AAPL{=m}"),
        json!(60_000),
        json!(1.2),
    ];
    assert_eq!(values(&talk.pass(1_000), "Candle"), expected);
}

#[test]
fn a_wildcard_stands_for_every_symbol_and_an_event_comes_once() {
    let mut talk = opened("AUTO", 0.0);
    talk.subscribe(
        r#""add":[{"type":"TimeAndSale","symbol":"*"},{"type":"TimeAndSale","symbol":"AAPL"}]"#,
    );
    talk.sale("AAPL", 1_000, 1.0);
    talk.sale("MSFT", 1_000, 2.0);
    assert_eq!(
        values(&talk.hear(), "TimeAndSale"),
        [json!(0), json!("AAPL"), json!(1.0), json!(0), json!("MSFT"), json!(2.0)]
    );
}

#[test]
fn history_is_a_snapshot_from_new_to_old_and_then_live() {
    let mut talk = opened("AUTO", 0.1);
    for (time, close) in [(60_000, 1.0), (120_000, 2.0), (180_000, 3.0)] {
        talk.candle("AAPL{=m}", time, close);
    }
    let heard = talk.subscribe(r#""add":[{"type":"Candle","symbol":"AAPL{=m}","fromTime":90000}]"#);
    assert_eq!(
        feed_data(&heard),
        [
            r#"{"type":"FEED_DATA","channel":1,"data":["Candle",[4,"AAPL{=m}",180000,3.0,0,"AAPL{=m}",120000,2.0,10,"AAPL{=m}",90000,"NaN"]]}"#
        ]
    );
    talk.candle("AAPL{=m}", 180_000, 3.1);
    talk.candle("AAPL{=m}", 60_000, 1.1);
    let expected = [json!(0), json!("AAPL{=m}"), json!(180_000), json!(3.1)];
    assert_eq!(values(&talk.pass(100), "Candle"), expected, "what is before fromTime is left out");
    let again =
        talk.subscribe(r#""add":[{"type":"Candle","symbol":"AAPL{=m}","fromTime":170000}]"#);
    let flags: Vec<Value> = values(&again, "Candle").chunks(4).map(|row| row[0].clone()).collect();
    assert_eq!(flags, [json!(4), json!(10)], "another fromTime makes another snapshot");
}

#[test]
fn an_event_at_the_start_of_a_history_ends_the_snapshot() {
    let mut talk = opened("AUTO", 0.0);
    for time in [60_000, 120_000, 180_000] {
        talk.candle("AAPL{=m}", time, 1.0);
    }
    for (from_time, rows) in
        [(120_000, &[(4, 180_000), (8, 120_000)][..]), (180_000, &[(12, 180_000)])]
    {
        let heard = talk.subscribe(&format!(
            r#""add":[{{"type":"Candle","symbol":"AAPL{{=m}}","fromTime":{from_time}}}]"#
        ));
        let heard: Vec<(i64, i64)> = values(&heard, "Candle")
            .chunks(4)
            .map(|row| (row[0].as_i64().unwrap(), row[2].as_i64().unwrap()))
            .collect();
        assert_eq!(heard, rows);
    }
}

#[test]
fn an_empty_history_is_one_row_and_an_unknown_symbol_is_silent() {
    let mut talk = opened("HISTORY", 0.0);
    talk.candle("AAPL{=m}", 60_000, 1.0);
    let heard = talk.subscribe(
        r#""add":[{"type":"Candle","symbol":"AAPL{=m}","fromTime":90000},{"type":"Candle","symbol":"NOPE{=m}","fromTime":0}]"#,
    );
    assert_eq!(
        values(&heard, "Candle"),
        [json!(14), json!("AAPL{=m}"), json!(90_000), json!("NaN")]
    );
}

#[test]
fn history_conflates_by_index_but_not_across_flags() {
    let mut talk = opened("HISTORY", 1.0);
    talk.candle("A{=m}", 60_000, 1.0);
    talk.subscribe(r#""add":[{"type":"Candle","symbol":"A{=m}","fromTime":0}]"#);
    talk.candle("A{=m}", 60_000, 1.1);
    talk.hear();
    talk.candle("A{=m}", 60_000, 1.2);
    talk.candle("A{=m}", 120_000, 2.0);
    talk.candle("A{=m}", 60_000, 1.3);
    talk.flagged_candle("A{=m}", 60_000, 1.4, 1);
    talk.candle("A{=m}", 60_000, 1.5);
    talk.candle("A{=m}", 60_000, 1.6);
    let rows: Vec<(Value, Value)> = values(&talk.pass(1_000), "Candle")
        .chunks(4)
        .map(|row| (row[0].clone(), row[3].clone()))
        .collect();
    let row = |flags: i64, close: f64| (json!(flags), json!(close));
    assert_eq!(rows, [row(0, 1.3), row(0, 2.0), row(1, 1.4), row(0, 1.6)]);
}

#[test]
fn a_long_snapshot_spans_frames() {
    let rules = Rules { max_frame_bytes: 1_000, ..Rules::default() };
    let mut talk = Talk::opened(rules, "AUTO", 0.1, FIELDS);
    for minute in 1..=100 {
        talk.candle("AAPL{=m}", minute * 60_000, 1.0);
    }
    let heard = talk.subscribe(r#""add":[{"type":"Candle","symbol":"AAPL{=m}","fromTime":0}]"#);
    let frames = feed_data(&heard);
    assert!(frames.len() > 2 && frames.iter().all(|frame| frame.len() <= 1_000));
    let rows = values(&heard, "Candle");
    assert_eq!(rows.len(), 101 * 4);
    assert_eq!((&rows[0], &rows[100 * 4]), (&json!(4), &json!(10)));
}

#[test]
fn orders_have_a_snapshot_for_each_source() {
    let mut talk = opened("AUTO", 0.0);
    let source = |talk: &Talk, name| TextId(talk.ledger.tables.texts.intern(name).unwrap());
    for (name, index) in [("NTV", 1), ("NTV", 2), ("ARCA", 3)] {
        let order = Order {
            event_symbol: talk.symbol("AAPL"),
            index,
            source: Text::from(source(&talk, name)),
            ..Order::UNKNOWN
        };
        talk.publish(&Row::new(&order));
    }
    let rows = |heard: &[String]| -> Vec<(i64, i64, String)> {
        values(heard, "Order")
            .chunks(4)
            .map(|row| {
                let number = |at: usize| row[at].as_i64().unwrap();
                (number(0), number(2), row[3].as_str().unwrap().to_owned())
            })
            .collect()
    };
    let row = |flags, index, source: &str| (flags, index, source.to_owned());
    let one = talk.subscribe(r#""add":[{"type":"Order","symbol":"AAPL","source":"NTV"}]"#);
    assert_eq!(rows(&one), [row(4, 2, "NTV"), row(0, 1, "NTV"), row(10, 0, "NTV")]);
    let none = talk.subscribe(r#""add":[{"type":"Order","symbol":"AAPL","source":"glbx"}]"#);
    assert_eq!(rows(&none), [row(14, 0, "glbx")]);
    let all = talk
        .subscribe(r#""reset":true,"add":[{"source":"DEFAULT","symbol":"AAPL","type":"Order"}]"#);
    assert_eq!(
        rows(&all),
        [
            row(4, 2, "NTV"),
            row(0, 1, "NTV"),
            row(10, 0, "NTV"),
            row(4, 3, "ARCA"),
            row(10, 0, "ARCA")
        ]
    );
}

#[test]
fn a_frame_has_one_type_unless_several_are_asked_for() {
    for (several, frames) in [(false, 3), (true, 1)] {
        let rules = Rules { several_types_a_frame: several, ..Rules::default() };
        let mut talk = Talk::opened(rules, "STREAM", 0.0, FIELDS);
        talk.subscribe(
            r#""add":[{"type":"Quote","symbol":"A"},{"type":"TimeAndSale","symbol":"A"}]"#,
        );
        // Both types have to be known to the client before they can share a frame.
        talk.quote("A", 0.0);
        talk.sale("A", 1, 0.0);
        talk.hear();
        talk.quote("A", 1.0);
        talk.sale("A", 1, 2.0);
        talk.quote("A", 3.0);
        let heard = talk.hear();
        assert_eq!(heard.len(), frames, "{heard:?}");
        assert_eq!(values(&heard, "Quote").len(), 4);
        assert_eq!(values(&heard, "TimeAndSale"), [json!(0), json!("A"), json!(2.0)]);
    }
}

#[test]
fn a_client_that_does_not_read_gets_conflated_ticks_and_every_sale() {
    let rules = Rules { outbox_bytes: 200, ..Rules::default() };
    let mut talk = Talk::opened(rules, "AUTO", 0.0, FIELDS);
    talk.subscribe(r#""add":[{"type":"Quote","symbol":"A"},{"type":"TimeAndSale","symbol":"A"}]"#);
    for number in 1..=100 {
        talk.quote("A", f64::from(number));
        talk.sale("A", i64::from(number), f64::from(number));
        talk.session.advance(talk.now, &mut talk.ledger);
    }
    assert!(talk.session.is_blocked());
    assert!(talk.session.pending() < 150);
    let mut heard = Vec::new();
    loop {
        let more = talk.hear();
        if more.is_empty() {
            break;
        }
        heard.extend(more);
    }
    assert_eq!(values(&heard, "TimeAndSale").len(), 300);
    let quotes = values(&heard, "Quote");
    assert!(quotes.len() < 20 && quotes.last() == Some(&json!(100.0)), "{quotes:?}");
}

#[test]
fn a_client_that_is_behind_now_and_then_gets_ticks_in_order() {
    let rules = Rules { outbox_bytes: 200, ..Rules::default() };
    let mut talk = Talk::opened(rules, "AUTO", 0.0, FIELDS);
    talk.subscribe(r#""add":[{"type":"Quote","symbol":"A"},{"type":"Quote","symbol":"B"}]"#);
    let fill = |talk: &mut Talk| talk.session.send_raw(talk.now, &"x".repeat(200));
    let empty = |talk: &mut Talk| while talk.session.take().is_some() {};
    fill(&mut talk);
    talk.quote("A", 1.0);
    talk.quote("B", 2.0);
    empty(&mut talk);
    talk.quote("A", 3.0);
    fill(&mut talk);
    talk.quote("A", 4.0);
    talk.quote("B", 5.0);
    empty(&mut talk);
    let mut heard = talk.hear();
    heard.extend(talk.hear());
    let quotes = values(&heard, "Quote");
    let bids = |symbol: &str| -> Vec<f64> {
        let rows = quotes.chunks(2).filter(|row| row[0] == symbol);
        rows.map(|row| row[1].as_f64().unwrap()).collect()
    };
    assert_eq!((bids("A"), bids("B")), (vec![1.0, 3.0, 4.0], vec![5.0]), "{quotes:?}");
}
