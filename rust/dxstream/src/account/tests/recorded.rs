//! Frames of the real server.

use std::path::PathBuf;

use super::*;

/// The frames of a file of recorded ones; nothing, with a note, where it is not there.
fn frames(name: &str) -> Option<Vec<String>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/account");
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        println!("skipped: the recorded frames in {name} are not here");
        return None;
    };
    if name.starts_with("documented") {
        return Some(vec![text]);
    }
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["frame"].to_string()
    };
    Some(text.lines().filter(|line| !line.trim().is_empty()).map(line).collect())
}

#[test]
fn recorded_orders_are_handed_on_whole() {
    for name in
        ["quantconnect_captured_order_stream_2026-09.jsonl", "control_and_sandbox_fill.jsonl"]
    {
        let Some(frames) = frames(name) else { continue };
        let mut link = connected(false);
        events(&mut link);
        let before = link.counters().replies;
        for frame in &frames {
            link.receive(frame, seconds(1));
            let sent: Value = serde_json::from_str(frame).unwrap();
            let events = events(&mut link);
            let told = told(&events);
            if sent["type"].is_null() {
                assert!(told.is_empty(), "{frame}");
                continue;
            }
            let data: Value = serde_json::from_str(told[0].data.get()).unwrap();
            assert_eq!(data, sent["data"], "{frame}");
            assert_eq!(*told[0].kind, *sent["type"].as_str().unwrap());
            assert_eq!(told[0].timestamp, sent["timestamp"].as_i64());
            assert_eq!(told[0].sequence, sent["ws-sequence"].as_i64());
            assert_eq!(told[0].account().as_deref(), sent["data"]["account-number"].as_str());
        }
        let counters = link.counters();
        assert_eq!((counters.malformed, counters.unknown), (0, 0));
        assert_eq!(counters.notifications + counters.replies - before, frames.len() as u64);
    }
}

#[test]
fn recorded_refusals_are_taken_for_the_request_that_they_are_for() {
    let Some(frames) = frames("control_and_sandbox_fill.jsonl") else { return };
    let refusals: Vec<_> = frames.iter().filter(|frame| frame.contains(r#""error""#)).collect();
    assert!(!refusals.is_empty());
    for refusal in refusals {
        let mut link = connecting(false);
        sent(&mut link, "Bearer 1", Duration::ZERO);
        link.receive(refusal, seconds(1));
        assert!(
            matches!(link.take_failure(), Some(crate::account::Failure::ConnectRefused(_))),
            "{refusal}"
        );
    }
}

#[test]
fn documented_frames_are_understood() {
    for name in [
        "error-connect.documented.json",
        "order-market.documented.json",
        "order.documented.json",
        "status-connect.documented.json",
    ] {
        let Some(frames) = frames(&format!("documented-not-captured/{name}")) else { continue };
        let mut link = connecting(false);
        sent(&mut link, "Bearer 1", Duration::ZERO);
        link.receive(&frames[0], seconds(1));
        let counters = link.counters();
        assert_eq!((counters.malformed, counters.unknown), (0, 0), "{name}");
        assert_eq!(counters.notifications, u64::from(name.starts_with("order")), "{name}");
    }
}
