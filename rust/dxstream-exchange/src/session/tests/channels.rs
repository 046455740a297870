use super::*;
use crate::config::{Aggregation, FieldNames};
use crate::source::{Depth, Level};

const FIELDS: &str =
    r#"{"Quote":["eventSymbol","bidPrice"],"Candle":["eventFlags","eventSymbol","time","close"]}"#;
const ADD_QUOTE: &str = r#""add":[{"type":"Quote","symbol":"AAPL"}]"#;

fn errors(heard: &[String]) -> Vec<(i64, String)> {
    heard
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap())
        .filter(|message| message["type"] == "ERROR")
        .map(|message| {
            assert_eq!(message["error"], "BAD_ACTION");
            (message["channel"].as_i64().unwrap(), message["message"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn channels_are_odd_and_open_once() {
    let mut talk = Talk::opened(Rules::default(), "AUTO", 0.1, FIELDS);
    let request = |id: i64| {
        format!(
            r#"{{"type":"CHANNEL_REQUEST","channel":{id},"service":"FEED","parameters":{{"contract":"AUTO"}}}}"#
        )
    };
    let even = (0, "Protocol violation with an even channel usage.".to_owned());
    assert_eq!(errors(&talk.ask(&request(2))), std::slice::from_ref(&even));
    assert_eq!(errors(&talk.ask(&request(0))), [even]);
    assert_eq!(errors(&talk.ask(&request(1))).len(), 1);
    assert!(talk.ask(&request(3))[0].contains("CHANNEL_OPENED"));
    let unknown = r#"{"type":"CHANNEL_REQUEST","channel":5,"service":"WHAT","parameters":{}}"#;
    assert_eq!(errors(&talk.ask(unknown))[0].0, 5);
}

#[test]
fn a_channel_that_is_not_open_is_an_error() {
    let mut talk = Talk::opened(Rules::default(), "AUTO", 0.1, FIELDS);
    for kind in ["FEED_SETUP", "FEED_SUBSCRIPTION", "DOM_SETUP", "CHANNEL_CANCEL"] {
        let heard = talk.ask(&format!(r#"{{"type":"{kind}","channel":3}}"#));
        assert_eq!(errors(&heard), [(0, "Channel with id 3 not exists".to_owned())], "{kind}");
    }
}

#[test]
fn a_cancelled_channel_is_closed_and_says_nothing_more() {
    let mut talk = Talk::opened(Rules::default(), "AUTO", 0.0, FIELDS);
    talk.subscribe(ADD_QUOTE);
    let heard = talk.ask(r#"{"type":"CHANNEL_CANCEL","channel":1}"#);
    assert_eq!(heard, [r#"{"type":"CHANNEL_CLOSED","channel":1}"#]);
    talk.quote("AAPL", 1.0);
    assert_eq!(talk.hear(), [""; 0]);
    assert_eq!(talk.session.subscribed(), 0);
}

#[test]
fn fields_are_told_just_before_the_first_data_of_their_type() {
    let mut talk = Talk::new(Rules::default(), Access::Anonymous);
    talk.say(SETUP);
    talk.say(r#"{"type":"CHANNEL_REQUEST","channel":3,"service":"FEED","parameters":{"contract":"AUTO"}}"#);
    talk.hear();
    let heard = talk.ask(
        r#"{"type":"FEED_SETUP","channel":3,"acceptAggregationPeriod":0.1,"acceptDataFormat":"COMPACT","acceptEventFields":{"Quote":["bidPrice","what","eventSymbol"]}}"#,
    );
    assert_eq!(
        heard,
        [r#"{"type":"FEED_CONFIG","channel":3,"dataFormat":"COMPACT","aggregationPeriod":0.1}"#]
    );
    let subscription =
        r#"{"add":[{"symbol":"AAPL","type":"Quote"}],"channel":3,"type":"FEED_SUBSCRIPTION"}"#;
    assert_eq!(talk.ask(subscription), [""; 0], "an unknown symbol is met with silence");
    talk.quote("AAPL", 150.25);
    assert_eq!(
        talk.pass(100),
        [
            r#"{"type":"FEED_CONFIG","channel":3,"dataFormat":"COMPACT","aggregationPeriod":0.1,"eventFields":{"Quote":["bidPrice","eventSymbol"]}}"#,
            r#"{"type":"FEED_DATA","channel":3,"data":["Quote",[150.25,"AAPL"]]}"#,
        ]
    );
    talk.quote("AAPL", 150.5);
    assert_eq!(talk.pass(100).len(), 1, "fields are told once");
    let changed =
        r#"{"type":"FEED_SETUP","channel":3,"acceptEventFields":{"Quote":["eventSymbol"]}}"#;
    talk.ask(changed);
    talk.quote("AAPL", 151.0);
    assert!(talk.pass(100)[0].contains(r#""eventFields":{"Quote":["eventSymbol"]}"#));
}

#[test]
fn a_channel_without_setup_serves_every_field_in_full_format() {
    let rules = Rules { field_names: FieldNames::Strict, ..Rules::default() };
    let mut talk = Talk::new(rules, Access::Anonymous);
    talk.say(SETUP);
    talk.say(r#"{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{"contract":"AUTO"}}"#);
    talk.quote("AAPL", 1.5);
    let heard = talk.subscribe(ADD_QUOTE);
    assert!(heard[3].contains(r#""dataFormat":"FULL","aggregationPeriod":0.1,"eventFields""#));
    assert_eq!(
        heard[4],
        r#"{"type":"FEED_DATA","channel":1,"data":[{"eventType":"Quote","eventSymbol":"AAPL","bidPrice":1.5}]}"#
    );
}

#[test]
fn the_server_bounds_the_aggregation_period() {
    let aggregation = Aggregation {
        min: Duration::from_millis(100),
        default: Duration::from_secs(1),
        max: Duration::from_mins(1),
    };
    let mut talk = Talk::opened(Rules { aggregation, ..Rules::default() }, "AUTO", 0.0, FIELDS);
    for (wish, granted) in [("0", "0.1"), ("3600", "60"), ("2.5", "2.5"), ("\"NaN\"", "1")] {
        let heard = talk.ask(&format!(
            r#"{{"type":"FEED_SETUP","channel":1,"acceptAggregationPeriod":{wish}}}"#
        ));
        assert!(heard[0].ends_with(&format!(r#""aggregationPeriod":{granted}}}"#)), "{heard:?}");
    }
}

#[test]
fn reset_comes_before_remove_and_remove_before_add() {
    let mut talk = Talk::opened(Rules::default(), "AUTO", 0.0, FIELDS);
    talk.quote("AAPL", 1.0);
    talk.quote("MSFT", 2.0);
    let heard = talk.subscribe(
        r#""add":[{"type":"Quote","symbol":"AAPL"},{"type":"Quote","symbol":"MSFT"}],"remove":[{"type":"Quote","symbol":"AAPL"}],"reset":false"#,
    );
    assert_eq!(values(&heard, "Quote"), [json!("AAPL"), json!(1.0), json!("MSFT"), json!(2.0)]);
    let heard = talk.subscribe(r#""add":[{"type":"Quote","symbol":"MSFT"}],"reset":true"#);
    assert_eq!(values(&heard, "Quote"), [json!("MSFT"), json!(2.0)]);
    talk.quote("AAPL", 1.1);
    talk.quote("MSFT", 2.1);
    assert_eq!(values(&talk.hear(), "Quote"), [json!("MSFT"), json!(2.1)]);
    talk.subscribe(r#""remove":[{"type":"Quote","symbol":"MSFT"}]"#);
    talk.quote("MSFT", 2.2);
    assert_eq!(talk.hear(), [""; 0]);
}

#[test]
fn what_waits_is_dropped_with_its_subscription() {
    let mut talk = Talk::opened(Rules::default(), "AUTO", 1.0, FIELDS);
    talk.quote("AAPL", 1.0);
    talk.quote("MSFT", 2.0);
    talk.subscribe(r#""add":[{"type":"Quote","symbol":"AAPL"},{"type":"Quote","symbol":"MSFT"}]"#);
    talk.quote("MSFT", 2.1);
    talk.pass(0);
    talk.quote("AAPL", 1.1);
    talk.quote("MSFT", 2.2);
    talk.subscribe(r#""remove":[{"type":"Quote","symbol":"AAPL"}]"#);
    talk.quote("MSFT", 2.3);
    assert_eq!(values(&talk.pass(1_000), "Quote"), [json!("MSFT"), json!(2.3)]);
}

#[test]
fn candles_are_removed_without_from_time_and_under_any_spelling() {
    let mut talk = Talk::opened(Rules::default(), "AUTO", 0.0, FIELDS);
    talk.candle("AAPL{=m}", 60_000, 1.0);
    let heard =
        talk.subscribe(r#""add":[{"type":"Candle","symbol":"AAPL{=1m}","fromTime":60000}]"#);
    assert_eq!(values(&heard, "Candle"), [json!(12), json!("AAPL{=m}"), json!(60_000), json!(1.0)]);
    talk.subscribe(r#""remove":[{"type":"Candle","symbol":"AAPL{=1m,tho=false}"}]"#);
    talk.candle("AAPL{=m}", 60_000, 1.1);
    assert_eq!(talk.hear(), [""; 0]);
}

#[test]
fn subscriptions_beyond_the_size_are_refused_together() {
    let rules = Rules { max_subscriptions: 2, ..Rules::default() };
    let mut talk = Talk::opened(rules, "AUTO", 0.0, FIELDS);
    talk.subscribe(ADD_QUOTE);
    let two = r#""add":[{"type":"Quote","symbol":"B"},{"type":"Quote","symbol":"C"}]"#;
    let too_big = [(1, "Your subscription size is too big".to_owned())];
    assert_eq!(errors(&talk.subscribe(two)), too_big);
    talk.quote("B", 1.0);
    assert_eq!(talk.hear(), [""; 0], "nothing of a refused message is subscribed");
    let again = r#""add":[{"type":"Quote","symbol":"AAPL"},{"type":"Quote","symbol":"B"}]"#;
    assert_eq!(errors(&talk.subscribe(again)), []);
}

#[test]
fn subscriptions_beyond_the_rate_are_refused_until_time_has_passed() {
    let rate = SubscriptionRate { burst: 2, per_second: 1 };
    let rules = Rules { subscription_rate: Some(rate), ..Rules::default() };
    let mut talk = Talk::opened(rules, "AUTO", 0.0, FIELDS);
    let two = r#""add":[{"type":"Quote","symbol":"B"},{"type":"Quote","symbol":"C"}]"#;
    assert_eq!(errors(&talk.subscribe(two)), []);
    let too_fast = [(1, "Your subscription rate is too high".to_owned())];
    talk.pass(1_000);
    let more = r#""add":[{"type":"Quote","symbol":"D"},{"type":"Quote","symbol":"E"}]"#;
    assert_eq!(errors(&talk.subscribe(more)), too_fast);
    assert_eq!(talk.session.subscribed(), 2, "nothing of a refused message is subscribed");
    talk.pass(1_000);
    assert_eq!(errors(&talk.subscribe(more)), []);
    assert_eq!(talk.session.subscribed(), 4);
}

#[test]
fn types_that_are_not_served_are_met_with_silence() {
    let mut talk = Talk::opened(Rules::default(), "TICKER", 0.0, FIELDS);
    talk.sale("AAPL", 1_000, 1.0);
    let heard = talk.subscribe(
        r#""add":[{"type":"What","symbol":"AAPL"},{"type":"TimeAndSale","symbol":"AAPL"},{"type":"Quote","symbol":"*"}]"#,
    );
    assert_eq!(heard, [""; 0]);
    assert_eq!(talk.session.subscribed(), 0);
}

#[test]
fn a_dom_channel_sends_the_book_whole_when_it_changes() {
    let mut talk = Talk::new(Rules::default(), Access::Anonymous);
    talk.ask(SETUP);
    let level = |price, size| Level { price, size };
    let mut depth = Depth {
        time: 1_710_262_466_056,
        bids: vec![level(172.33, 376.0), level(172.32, 100.0)],
        asks: vec![level(172.34, 165.0)],
    };
    talk.ledger.set_depth("AAPL", depth.clone());
    let heard = talk.ask(
        r#"{"type":"CHANNEL_REQUEST","channel":1,"service":"DOM","parameters":{"symbol":"AAPL","sources":["NTV"]}}"#,
    );
    assert_eq!(
        heard,
        [
            r#"{"type":"CHANNEL_OPENED","channel":1,"service":"DOM","parameters":{"sources":["NTV"],"symbol":"AAPL"}}"#
        ]
    );
    assert_eq!(talk.pass(1_000), [""; 0], "the book waits for DOM_SETUP");
    let heard = talk.ask(
        r#"{"type":"DOM_SETUP","channel":1,"acceptAggregationPeriod":1,"acceptDepthLimit":1,"acceptDataFormat":"FULL"}"#,
    );
    assert_eq!(
        heard,
        [
            r#"{"type":"DOM_CONFIG","channel":1,"aggregationPeriod":1,"dataFormat":"FULL","depthLimit":1,"orderFields":["price","size"]}"#,
            r#"{"type":"DOM_SNAPSHOT","channel":1,"time":1710262466056,"bids":[{"price":172.33,"size":376.0}],"asks":[{"price":172.34,"size":165.0}]}"#,
        ]
    );
    assert_eq!(talk.pass(1_000), [""; 0], "nothing changed");
    depth.bids[0].size = 300.0;
    talk.ledger.set_depth("AAPL", depth);
    assert_eq!(talk.pass(999), [""; 0]);
    assert_eq!(talk.pass(1).len(), 1);
}
