//! One connection: what is sent, when, and how answers are taken.

use super::*;
use crate::account::Failure;
use crate::error::Error;
use crate::loss::Remedy;

#[test]
fn connect_comes_first_and_names_all_accounts() {
    let mut link = AccountLink::new(settings(false));
    link.subscribe_accounts([ACCOUNT.to_owned()]);
    link.subscribe("quote-alerts-subscribe".to_owned(), None);
    link.subscribe("user-message-subscribe".to_owned(), Some("U1".to_owned()));
    link.subscribe_accounts([OTHER.to_owned()]);
    link.connected(Duration::ZERO);
    let frames = sent(&mut link, "Bearer 1", Duration::ZERO);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["action"], "connect");
    assert_eq!(frames[0]["value"], serde_json::json!([ACCOUNT, OTHER]));
    assert_eq!(frames[0]["auth-token"], "Bearer 1");
    assert_eq!(frames[0]["request-id"], 1);
    confirm(&mut link, &[ACCOUNT, OTHER], Duration::ZERO);
    let rest = sent(&mut link, "Bearer 2", Duration::ZERO);
    let actions: Vec<_> = rest.iter().map(|frame| frame["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["quote-alerts-subscribe", "user-message-subscribe"]);
    assert_eq!(rest[1]["value"], "U1");
    assert_eq!(rest[0]["auth-token"], "Bearer 2");
}

#[test]
fn an_account_that_is_added_is_asked_for_with_the_others() {
    let mut link = connected(false);
    link.subscribe_accounts([OTHER.to_owned()]);
    let frames = sent(&mut link, "Bearer 1", Duration::ZERO);
    assert_eq!(frames[0]["value"], serde_json::json!([ACCOUNT, OTHER]));
    link.subscribe_accounts([OTHER.to_owned()]);
    assert!(sent(&mut link, "Bearer 1", Duration::ZERO).is_empty());
}

#[test]
fn heartbeats_begin_after_connect_and_have_the_token_of_their_moment() {
    let mut link = connecting(false);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    link.tick(seconds(9));
    assert!(sent(&mut link, "Bearer 1", seconds(9)).is_empty());
    confirm(&mut link, &[ACCOUNT], seconds(9));
    for beat in 1..4_u64 {
        let at = seconds(9 + 20 * beat);
        assert_eq!(link.deadline(), Some(at));
        link.tick(at.saturating_sub(Duration::from_nanos(1)));
        assert!(!link.has_output());
        link.tick(at);
        let token = format!("Bearer of beat {beat}");
        let frames = sent(&mut link, &token, at);
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0]["action"], "heartbeat");
        assert_eq!(frames[0]["auth-token"], token);
        link.receive(r#"{"status":"ok","action":"heartbeat","request-id":99}"#, at);
    }
    let counters = link.counters();
    assert_eq!((counters.heartbeats, counters.heartbeats_answered), (3, 3));
}

#[test]
fn a_server_that_says_nothing_for_45_seconds_is_dead() {
    let mut link = connected(false);
    for second in 1..45 {
        link.tick(seconds(second));
        assert_eq!(link.take_failure(), None, "{second}");
    }
    link.tick(seconds(45));
    let Some(Failure::Loss(loss)) = link.take_failure() else { panic!("it lives") };
    assert_eq!(loss.remedy, Remedy::Backoff);
    assert_eq!(loss.error.to_string(), "the account streamer has said nothing for 45 s");
}

#[test]
fn a_silence_that_is_not_longer_than_the_pause_between_heartbeats_is_refused() {
    let settings = AccountSessionSettings::default();
    assert_eq!(settings.check(), Ok(()));
    let silence_timeout = settings.heartbeat_interval;
    let contradictory = AccountSessionSettings { silence_timeout, ..settings };
    assert!(matches!(contradictory.check(), Err(Error::InvalidArgument(text))
        if text.starts_with("silence_timeout must be longer than heartbeat_interval")));
}

#[test]
fn any_sign_of_life_keeps_a_connection() {
    let mut link = connected(false);
    link.tick(seconds(40));
    link.receive_sign_of_life(seconds(40));
    link.tick(seconds(84));
    link.receive("not even JSON", seconds(84));
    link.tick(seconds(128));
    assert_eq!(link.take_failure(), None);
    link.tick(seconds(129));
    assert!(link.take_failure().is_some());
}

#[test]
fn a_connect_that_is_not_answered_ends_the_connection() {
    let mut link = connecting(false);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    assert_eq!(link.deadline(), Some(seconds(10)));
    link.tick(seconds(10));
    let Some(Failure::Loss(loss)) = link.take_failure() else { panic!("it waits") };
    assert!(loss.error.to_string().contains("did not answer connect within 10 s"));
}

#[test]
fn an_error_without_the_number_of_its_request_is_matched_by_its_action() {
    let mut link = connecting(false);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    let refusal =
        r#"{"status":"error","action":"connect","web-socket-session-id":"4d","message":"failed"}"#;
    link.receive(refusal, Duration::ZERO);
    assert!(matches!(link.take_failure(), Some(Failure::ConnectRefused(_))));
    assert_eq!(link.counters().unmatched_replies, 0);
}

#[test]
fn a_reply_with_another_requests_number_is_matched_by_its_action() {
    let mut link = connected(false);
    link.subscribe("quote-alerts-subscribe".to_owned(), None);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    let reply = r#"{"status":"ok","action":"quote-alerts-subscribe","request-id":1}"#;
    link.receive(reply, Duration::ZERO);
    let events = events(&mut link);
    assert!(events.iter().any(
        |event| matches!(event, AccountEvent::Confirmed(what) if what == "quote-alerts-subscribe")
    ));
}

#[test]
fn each_error_has_its_own_consequence() {
    let failure = |action: &str, message: &str| {
        let mut link = connected(false);
        link.subscribe("quote-alerts-subscribe".to_owned(), None);
        link.tick(seconds(20));
        sent(&mut link, "Bearer 1", seconds(20));
        let error = format!(r#"{{"status":"error","action":"{action}","message":"{message}"}}"#);
        link.receive(&error, seconds(20));
        let refused = events(&mut link)
            .into_iter()
            .any(|event| matches!(event, AccountEvent::Refused(what, _) if what == action));
        match link.take_failure() {
            Some(Failure::Loss(loss)) => (Some(loss.remedy), refused),
            None => (None, refused),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failure("heartbeat", "failed"), (Some(Remedy::NewToken), false));
    assert_eq!(failure("heartbeat", "not implemented"), (Some(Remedy::Backoff), false));
    assert_eq!(failure("heartbeat", "never heard"), (Some(Remedy::Backoff), false));
    let alerts = "quote-alerts-subscribe";
    assert_eq!(failure(alerts, "connect-not-completed"), (Some(Remedy::Backoff), false));
    assert_eq!(failure(alerts, "not implemented"), (None, true));
    assert_eq!(failure(alerts, "failed"), (None, true));
}

#[test]
fn an_account_that_the_reply_leaves_out_is_refused_and_the_others_go_on() {
    let mut link = AccountLink::new(settings(false));
    link.subscribe_accounts([ACCOUNT.to_owned(), OTHER.to_owned()]);
    link.connected(Duration::ZERO);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    confirm(&mut link, &[OTHER], Duration::ZERO);
    let events = events(&mut link);
    assert!(matches!(&events[0], AccountEvent::Refused(what, Error::Subscription(text))
        if what == ACCOUNT && text.contains(ACCOUNT)));
    assert!(matches!(events[1], AccountEvent::Accepted { epoch: 0 }));
    assert!(matches!(&events[2], AccountEvent::Confirmed(what) if what == OTHER));
    assert_eq!(*link.step(), AccountStep::Converse);
}

#[test]
fn what_was_refused_is_asked_for_again_over_the_same_connection_when_it_is_wanted_again() {
    let mut link = connected(true);
    let alerts = "quote-alerts-subscribe";
    link.subscribe_accounts([OTHER.to_owned()]);
    link.subscribe(alerts.to_owned(), None);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    confirm(&mut link, &[ACCOUNT], Duration::ZERO);
    let error = format!(r#"{{"status":"error","action":"{alerts}","message":"failed"}}"#);
    link.receive(&error, Duration::ZERO);
    let refused = events(&mut link)
        .into_iter()
        .filter(|event| matches!(event, AccountEvent::Refused(..)))
        .count();
    assert_eq!(refused, 2);
    assert!(!link.has_output());

    link.subscribe_accounts([OTHER.to_owned()]);
    link.subscribe(alerts.to_owned(), None);
    let frames = sent(&mut link, "Bearer 1", Duration::ZERO);
    assert_eq!(frames[0]["value"], serde_json::json!([ACCOUNT, OTHER]));
    assert_eq!(frames[1]["action"], alerts);
    confirm(&mut link, &[ACCOUNT, OTHER], Duration::ZERO);
    let events = events(&mut link);
    let is_confirmed =
        |event: &AccountEvent| matches!(event, AccountEvent::Confirmed(what) if what == OTHER);
    assert!(events.iter().any(is_confirmed));
    let hydrates =
        |event: &AccountEvent| matches!(event, AccountEvent::Hydrate(what, _) if what == OTHER);
    assert!(events.iter().any(hydrates));
}

#[test]
fn an_account_that_is_refused_later_is_confirmed_and_has_a_snapshot_once_it_is_wanted_again() {
    let mut link = AccountLink::new(settings(true));
    link.subscribe_accounts([ACCOUNT.to_owned(), OTHER.to_owned()]);
    link.connected(Duration::ZERO);
    let number_of = |events: &[AccountEvent], account| {
        events.iter().find_map(|event| match event {
            AccountEvent::Hydrate(what, number) if what == account => Some(*number),
            _ => None,
        })
    };
    sent(&mut link, "Bearer 1", Duration::ZERO);
    confirm(&mut link, &[ACCOUNT, OTHER], Duration::ZERO);
    let first = number_of(&events(&mut link), ACCOUNT).unwrap();
    link.subscribe_accounts(["5WT00002".to_owned()]);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    confirm(&mut link, &[OTHER, "5WT00002"], Duration::ZERO);
    events(&mut link);
    // Nobody wants the snapshot that was under way.
    link.hydrated(ACCOUNT, first, Vec::new());
    assert!(events(&mut link).is_empty());

    link.subscribe_accounts([ACCOUNT.to_owned()]);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    confirm(&mut link, &[ACCOUNT, OTHER, "5WT00002"], Duration::ZERO);
    let events = events(&mut link);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, AccountEvent::Confirmed(what) if what == ACCOUNT))
    );
    assert!(number_of(&events, ACCOUNT).is_some_and(|number| number > first));
}

#[test]
fn tokens_that_the_server_repeats_are_hidden() {
    let mut link = connected(false);
    link.subscribe("quote-alerts-subscribe".to_owned(), None);
    sent(&mut link, "Bearer canary-old", Duration::ZERO);
    link.tick(seconds(20));
    sent(&mut link, "Bearer canary-new", seconds(20));
    for (action, token) in [("quote-alerts-subscribe", "canary-old"), ("connect", "canary-new")] {
        let error =
            format!(r#"{{"status":"error","action":"{action}","message":"no {token}\nno"}}"#);
        link.receive(&error, seconds(20));
    }
    let shown = format!("{:?} {:?}", events(&mut link), link.closed(Some(1008), "canary-new"));
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("no *** no") && shown.contains("1008 ***"), "{shown}");
}

#[test]
fn a_reply_without_accounts_confirms_all_of_them_and_one_may_come_bare() {
    for reply in [
        r#"{"status":"ok","action":"connect","request-id":1}"#.to_owned(),
        format!(r#"{{"status":"ok","action":"connect","value":"{ACCOUNT}","request-id":"1"}}"#),
    ] {
        let mut link = connecting(false);
        sent(&mut link, "Bearer 1", Duration::ZERO);
        link.receive(&reply, Duration::ZERO);
        assert!(link.is_accepted(), "{reply}");
    }
}
