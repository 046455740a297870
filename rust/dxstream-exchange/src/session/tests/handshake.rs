use super::*;

const UNAUTHORIZED: &str = r#"{"type":"AUTH_STATE","channel":0,"state":"UNAUTHORIZED"}"#;
const AUTHORIZED: &str =
    r#"{"type":"AUTH_STATE","channel":0,"state":"AUTHORIZED","userId":"exchange-user"}"#;
const REQUEST: &str =
    r#"{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{"contract":"AUTO"}}"#;
const AUTH_MISSING: &str =
    r#"{"type":"ERROR","channel":0,"error":"BAD_ACTION","message":"AUTH step missing"}"#;

fn talk(access: Access) -> Talk {
    Talk::new(Rules::default(), access)
}

#[test]
fn a_client_sets_up_and_authenticates() {
    let mut talk = talk(Access::Tokens(vec!["secret".to_owned()]));
    let heard = talk.ask(SETUP);
    assert!(heard[0].starts_with(r#"{"type":"SETUP","channel":0,"#), "{}", heard[0]);
    let setup: Value = serde_json::from_str(&heard[0]).unwrap();
    assert_eq!(
        (&setup["keepaliveTimeout"], &setup["acceptKeepaliveTimeout"]),
        (&json!(60), &json!(60))
    );
    assert!(setup["version"].as_str().is_some_and(|version| version.starts_with("1.0-")));
    assert_eq!(heard[1..], [UNAUTHORIZED]);
    assert_eq!(talk.ask(AUTH), [AUTHORIZED]);
    assert_eq!(
        talk.ask(REQUEST),
        [
            r#"{"type":"CHANNEL_OPENED","channel":1,"service":"FEED","parameters":{"contract":"AUTO","subFormat":"LIST"}}"#
        ]
    );
}

#[test]
fn setup_and_auth_may_come_together() {
    let mut talk = talk(Access::AnyToken);
    talk.say(SETUP);
    talk.say(AUTH);
    let heard = talk.hear();
    assert_eq!(heard[1..], [UNAUTHORIZED, AUTHORIZED]);
}

#[test]
fn an_anonymous_server_authorizes_at_once_and_takes_a_token_too() {
    let mut talk = talk(Access::Anonymous);
    assert_eq!(talk.ask(SETUP)[1..], [AUTHORIZED]);
    assert_eq!(talk.ask(AUTH), [AUTHORIZED]);
}

#[test]
fn a_wrong_token_is_refused_and_the_connection_closed() {
    let mut talk = talk(Access::Tokens(vec!["another".to_owned()]));
    talk.ask(SETUP);
    assert_eq!(talk.ask(AUTH), [UNAUTHORIZED, "close 1008 unauthorized"]);
    assert_eq!(talk.ask(REQUEST), [""; 0], "nothing follows a close");
}

#[test]
fn nothing_is_served_before_the_client_is_authorized() {
    let mut talk = talk(Access::AnyToken);
    assert_eq!(talk.ask(REQUEST), [AUTH_MISSING]);
    talk.ask(SETUP);
    for text in [REQUEST, r#"{"type":"FEED_SETUP","channel":1}"#] {
        assert_eq!(talk.ask(text), [AUTH_MISSING]);
    }
}

#[test]
fn a_second_setup_changes_timeouts_and_does_not_ask_for_auth_again() {
    let mut talk = talk(Access::Anonymous);
    talk.ask(SETUP);
    let heard = talk.ask(
        r#"{"version":"0.1","keepaliveTimeout":5.5,"agent":{"java":"17"},"channel":0,"type":"SETUP"}"#,
    );
    assert_eq!(heard.len(), 1);
    assert_eq!(talk.pass(5_400), [""; 0]);
    assert_eq!(talk.pass(200), ["close 1000 Bye"]);
}

#[test]
fn an_unknown_version_is_refused() {
    let mut talk = talk(Access::Anonymous);
    let heard = talk.ask(r#"{"type":"SETUP","channel":0,"version":"7"}"#);
    assert!(heard[0].contains("UNSUPPORTED_PROTOCOL"), "{heard:?}");
    assert!(heard[1].starts_with("close "), "{heard:?}");
}

#[test]
fn what_is_not_a_message_is_an_error() {
    let mut talk = talk(Access::Anonymous);
    for text in ["{", "[]", "7", r#"{"channel":0}"#, r#"{"type":7}"#] {
        assert_eq!(
            talk.ask(text),
            [
                r#"{"type":"ERROR","channel":0,"error":"INVALID_MESSAGE","message":"The message is not valid JSON."}"#
            ],
            "{text}"
        );
    }
    assert!(talk.ask(r#"{"type":"WHAT","channel":0}"#)[0].contains("INVALID_MESSAGE"));
}

#[test]
fn a_message_beyond_the_limit_closes_the_connection() {
    let mut talk = talk(Access::Anonymous);
    let long = format!(r#"{{"type":"KEEPALIVE","channel":0,"x":"{}"}}"#, "x".repeat(1 << 16));
    assert_eq!(talk.ask(&long), ["close 1009 message too big"]);
}

#[test]
fn the_server_speaks_when_it_has_nothing_to_say() {
    let keepalive = r#"{"type":"KEEPALIVE","channel":0}"#;
    let mut talk = talk(Access::Anonymous);
    talk.ask(SETUP);
    assert_eq!(talk.pass(29_999), [""; 0]);
    assert_eq!(talk.session.due(), Some(Duration::from_secs(30)));
    assert_eq!(talk.pass(1), [keepalive]);
    talk.say(keepalive);
    assert_eq!(talk.pass(29_999), [""; 0]);
    assert_eq!(talk.pass(1), [keepalive]);
}

#[test]
fn a_client_may_want_to_hear_more_often() {
    let mut talk = talk(Access::Anonymous);
    talk.ask(r#"{"type":"SETUP","channel":0,"version":"0.1","acceptKeepaliveTimeout":10}"#);
    assert_eq!(talk.pass(5_000).len(), 1);
}

#[test]
fn a_silent_client_is_told_by_the_rules() {
    let mut bye = talk(Access::Anonymous);
    bye.ask(SETUP);
    bye.pass(59_999);
    assert_eq!(bye.pass(1), ["close 1000 Bye"]);
    assert_eq!(bye.session.due(), None);

    let rules = Rules { silence: Silence::Timeout, ..Rules::default() };
    let mut timeout = Talk::new(rules, Access::Anonymous);
    timeout.ask(SETUP);
    assert_eq!(
        timeout.pass(60_000),
        [
            r#"{"type":"ERROR","channel":0,"error":"TIMEOUT","message":"The timeout has been reached. The message was last received 60 seconds ago."}"#,
            "close 1000 Bye"
        ]
    );
}
