use super::*;
use crate::protocol::feed::Most;

const NOW: Duration = Duration::from_secs(100);
const MOST: Most = Most { entries: 100_000, bytes: 32 << 10 };

fn entry(symbol: &str) -> Entry {
    Entry { symbol: symbol.into(), source: None }
}

fn quotes() -> FeedKey {
    FeedKey::new(EventKind::Quote, None)
}

#[test]
fn only_the_difference_is_told() {
    let mut wanted = Subscriptions::default();
    wanted.add(quotes(), [entry("A"), entry("B")], None, Some(0.1));
    let feed = wanted.feeds.get_mut(&quotes()).unwrap();
    let (message, count) = feed.next_message(quotes(), 1, true, MOST, NOW);
    assert_eq!(count, 2);
    assert_eq!(
        message,
        r#"{"type":"FEED_SUBSCRIPTION","channel":1,"reset":true,"add":[{"type":"Quote","symbol":"A"},{"type":"Quote","symbol":"B"}]}"#
    );
    wanted.add(quotes(), [entry("B"), entry("C")], None, None);
    assert_eq!(wanted.remove(EventKind::Quote, None, &[entry("A"), entry("Z")]), 1);
    let feed = wanted.feeds.get_mut(&quotes()).unwrap();
    assert_eq!(feed.aggregation_period, Some(0.1));
    let (message, _) = feed.next_message(quotes(), 1, false, MOST, NOW);
    assert_eq!(
        message,
        r#"{"type":"FEED_SUBSCRIPTION","channel":1,"remove":[{"type":"Quote","symbol":"A"}],"add":[{"type":"Quote","symbol":"C"}]}"#
    );
    assert!(!feed.has_changes());
}

#[test]
fn an_entry_that_was_never_told_leaves_without_a_message() {
    let mut wanted = Subscriptions::default();
    wanted.add(quotes(), [entry("A")], None, None);
    wanted.remove(EventKind::Quote, None, &[entry("A")]);
    assert!(!wanted.feeds[&quotes()].has_changes());
}

#[test]
fn entries_may_be_left_under_one_contract() {
    let [live, history] = [None, Some(5)].map(|from| FeedKey::new(EventKind::Candle, from));
    let mut wanted = Subscriptions::default();
    wanted.add(live, [entry("A{=m}")], None, None);
    wanted.add(history, [entry("A{=m}")], Some(5), None);
    let removed = wanted.remove(EventKind::Candle, Some(Contract::History), &[entry("A{=m}")]);
    assert_eq!((removed, wanted.feeds[&live].is_empty()), (1, false));
    assert!(wanted.feeds[&history].is_empty());
}

#[test]
fn another_from_time_asks_again() {
    let key = FeedKey::new(EventKind::Candle, Some(5));
    let mut wanted = Subscriptions::default();
    wanted.add(key, [entry("A{=m}")], Some(5), None);
    wanted.feeds.get_mut(&key).unwrap().next_message(key, 1, true, MOST, NOW);
    wanted.add(key, [entry("A{=m}")], Some(5), None);
    assert!(!wanted.feeds[&key].has_changes());
    wanted.add(key, [entry("A{=m}")], Some(4), None);
    let (message, _) = wanted.feeds.get_mut(&key).unwrap().next_message(key, 1, false, MOST, NOW);
    assert!(message.ends_with(r#""add":[{"type":"Candle","symbol":"A{=m}","fromTime":4}]}"#));
}

#[test]
fn messages_stay_under_the_size_limit_and_lose_nothing() {
    let mut wanted = Subscriptions::default();
    let symbols: Vec<String> = (0..5000).map(|n| format!(".SPXW261218C{n:05}\"")).collect();
    wanted.add(quotes(), symbols.iter().map(|symbol| entry(symbol)), None, None);
    let feed = wanted.feeds.get_mut(&quotes()).unwrap();
    let mut told = Vec::new();
    while feed.has_changes() {
        let (message, count) = feed.next_message(quotes(), 1, false, MOST, NOW);
        assert!(message.len() <= MOST.bytes + 2);
        let parsed: serde_json::Value = serde_json::from_str(&message).unwrap();
        let added = parsed["add"].as_array().unwrap();
        assert_eq!(added.len(), count);
        told.extend(added.iter().map(|item| item["symbol"].as_str().unwrap().to_owned()));
    }
    assert_eq!(told, symbols);
}
