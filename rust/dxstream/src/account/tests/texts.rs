//! What the server's texts turn out to be, whatever they are.

use proptest::prelude::*;

use super::*;

#[test]
fn types_that_nobody_knows_are_handed_on_as_they_are() {
    let mut link = connected(false);
    events(&mut link);
    link.receive(r#"{"type":"Brand New","data":{"a": [1, 2.50]},"timestamp":"17"}"#, seconds(1));
    link.receive(r#"{"type":"UserMessage","text":"no data"}"#, seconds(1));
    let events = events(&mut link);
    let told = told(&events);
    assert_eq!((&*told[0].kind, told[0].data.get()), ("Brand New", r#"{"a": [1, 2.50]}"#));
    assert_eq!((told[0].timestamp, told[0].sequence), (Some(17), None));
    assert_eq!(told[1].data.get(), r#"{"type":"UserMessage","text":"no data"}"#);
}

#[test]
fn each_part_of_a_batch_is_a_message_of_its_own() {
    let mut link = connected(false);
    events(&mut link);
    let batch = format!(
        r#"{{"results":[{},17,{{"status":"ok","action":"heartbeat"}},{},{{"x":1}}]}}"#,
        order(ACCOUNT, 1, 1, 1),
        order(ACCOUNT, 2, 1, 2)
    );
    link.receive(&batch, seconds(1));
    assert_eq!(told(&events(&mut link)).len(), 2);
    let counters = link.counters();
    assert_eq!((counters.notifications, counters.malformed, counters.unknown), (2, 1, 1));
    assert_eq!(counters.unmatched_replies, 1);
}

#[test]
fn what_is_told_in_the_batch_that_ends_a_stream_is_handed_on() {
    let mut link = connecting(true);
    sent(&mut link, "Bearer 1", seconds(1));
    let refusal = r#"{"status":"ok","action":"connect","value":[]}"#;
    let batch = format!(r#"{{"results":[{refusal},{}]}}"#, order(ACCOUNT, 1, 1, 1));
    link.receive(&batch, seconds(1));
    assert!(matches!(link.step(), AccountStep::Over(_)));
    assert_eq!(told(&events(&mut link)).len(), 1);
}

#[test]
fn what_cannot_be_read_is_counted_and_harms_nothing() {
    let mut link = connected(false);
    events(&mut link);
    for frame in ["", "{", "[1]", "17", "\u{feff}{}", r#"{"type":"Order","type":"Order"}"#] {
        link.receive(frame, seconds(1));
    }
    for frame in ["{}", r#"{"type":null}"#, r#"{"results":7}"#, r#"{"status":["ok"]}"#] {
        link.receive(frame, seconds(1));
    }
    link.receive_binary(seconds(1));
    let counters = link.counters();
    assert_eq!((counters.malformed, counters.unknown), (6, 5));
    link.receive(&order(ACCOUNT, 1, 1, 1), seconds(1));
    assert_eq!(told(&events(&mut link)).len(), 1);
}

#[test]
fn missing_numbers_are_counted() {
    let mut link = connected(false);
    for sequence in [2, 3, 7, 7, 5, 8, 10] {
        link.receive(&order(ACCOUNT, 1, 1, sequence), seconds(1));
    }
    let counts = link.counters().sequence;
    assert_eq!((counts.gaps, counts.missing, counts.repeats), (2, 4, 2));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("ok"),
            Just("error"),
            Just("connect"),
            Just("heartbeat"),
            Just("failed"),
            Just("Order"),
            Just(ACCOUNT),
            Just("9223372036854775807")
        ]
        .prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let keys = prop_oneof![
        Just("type"),
        Just("data"),
        Just("timestamp"),
        Just("ws-sequence"),
        Just("results"),
        Just("status"),
        Just("action"),
        Just("message"),
        Just("request-id"),
        Just("value"),
        Just("account-number")
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6).prop_map(|pairs| {
                pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    /// Nothing that a server says makes the protocol panic, and every frame is counted as what it is.
    #[test]
    fn every_text_is_counted_once(frames in prop::collection::vec(
        prop_oneof![json().prop_map(|value| value.to_string()), ".{0,40}"], 1..20))
    {
        let mut link = connected(true);
        link.tick(seconds(20));
        sent(&mut link, "Bearer 1", seconds(20));
        events(&mut link);
        let before = link.counters();
        for frame in &frames {
            link.receive(frame, seconds(21));
        }
        let after = link.counters();
        prop_assert_eq!(after.messages - before.messages, frames.len() as u64);
        let parts = |counters: crate::account::AccountCounters| {
            counters.notifications + counters.replies + counters.malformed + counters.unknown
        };
        let empty = |frame: &&String| {
            let value: Value = serde_json::from_str(frame).unwrap_or_default();
            value["type"].is_null() && value["results"].as_array().is_some_and(Vec::is_empty)
        };
        let empty = frames.iter().filter(empty).count() as u64;
        prop_assert!(parts(after) - parts(before) >= frames.len() as u64 - empty);
        // What is held for a snapshot is handed on at the latest when the connection ends.
        link.lost(crate::Loss::passing("over"), seconds(22), 0.5);
        let told = told(&events(&mut link)).len() as u64;
        prop_assert_eq!(told, after.notifications - before.notifications);
    }
}
