use super::*;
use crate::account::fault::AccountFault;
use crate::session::Verdict;

#[test]
fn requests_without_what_is_needed_are_refused_as_the_vendor_does() {
    let mut world = World::new(AccountsConfig { is_test: true, ..AccountsConfig::default() });
    let status = |world: &mut World, change: &dyn Fn(&mut Request), path: &str| {
        let mut request = world.request(path);
        change(&mut request);
        let reply = world.ask(&request);
        let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        (reply.status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let of = |status, code: &str| (status, code.to_owned());
    let same = |_: &mut Request| {};
    let me = "/customers/me";
    assert_eq!(status(&mut world, &same, me), of(200, ""));
    assert_eq!(status(&mut world, &|it| it.has_user_agent = false, me), of(401, ""));
    assert_eq!(
        status(&mut world, &|it| it.has_accept_version = true, me),
        of(406, "not_acceptable")
    );
    assert_eq!(status(&mut world, &|it| it.authorization = None, me), of(401, "token_invalid"));
    assert_eq!(status(&mut world, &|it| it.method = "PUT".to_owned(), me), of(404, "not_found"));
    let others = "/accounts/5WT00000/balances";
    assert_eq!(status(&mut world, &same, others), of(403, "not_permitted"));
    assert_eq!(
        status(&mut world, &same, "/accounts/SIM00001/orders/7"),
        of(404, "record_not_found")
    );
    world.now += Duration::from_mins(15);
    assert_eq!(status(&mut world, &same, me), of(401, "token_invalid"));
    world.bearer = world.grant();
    assert_eq!(status(&mut world, &same, me), of(200, ""));
    world.accounts.expire_access_tokens();
    assert_eq!(status(&mut world, &same, me), of(401, "token_invalid"));
    assert_eq!(world.record.stats().requests["GET /customers/me"], 7);
}

#[test]
fn quote_tokens_are_let_in_until_they_expire() {
    let config = AccountsConfig {
        is_test: true,
        quote_token_lifetime: Duration::from_mins(5),
        ..AccountsConfig::default()
    };
    let mut world = World::new(config);
    let answer = world.get("/api-quote-tokens");
    assert_eq!(answer["level"], "demo");
    assert_eq!(answer["dxlink-url"], "ws://127.0.0.1:1/");
    assert_eq!(answer["issued-at"], "2026-01-05T15:00:00.000+00:00");
    assert_eq!(answer["expires-at"], "2026-01-05T15:05:00.000+00:00");
    let token = answer["token"].as_str();
    let minutes = Duration::from_mins;
    assert!(matches!(world.admission.judge(minutes(4), token), Verdict::Admitted(_, Some(_))));
    assert_eq!(world.admission.judge(minutes(5), token), Verdict::Failed);
    assert_eq!(world.admission.judge(minutes(4), Some("another")), Verdict::Refused);

    let mut world = World::new(AccountsConfig { market_data: false, ..AccountsConfig::default() });
    let reply = world.ask(&world.request("/api-quote-tokens"));
    assert!(reply.body.contains("quote_streamer.customer_not_found_error"), "{}", reply.body);
    assert_eq!(reply.status, 404);
}

#[test]
fn instruments_have_the_symbol_of_the_streamer() {
    let mut world = World::new(AccountsConfig::default());
    let mut streamer = |path: &str| {
        let items = world.get(path)["items"].take();
        let symbols = items.as_array().unwrap().iter();
        symbols.map(|item| item["streamer-symbol"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        streamer(
            "/instruments/equity-options?symbol[]=AAPL++270115C00150000&symbol[]=X&symbol[]=SPXW++260318P07022500"
        ),
        [".AAPL270115C150", ".SPXW260318P7022.5"]
    );
    assert_eq!(
        streamer("/instruments/futures?symbol[]=/ESZ6&symbol=CLF7"),
        ["/ESZ26:XCME", "/CLF27:XNYM"]
    );
    assert_eq!(
        streamer("/instruments/future-options?symbol[]=./ESZ6+EW3V6+261016C6700"),
        ["./EW3V26C6700:XCME"]
    );
    let one = world.get("/instruments/equity-options/AAPL%20%20270115C00150000");
    assert_eq!(one["strike-price"], "150.0");
}

#[test]
fn messages_are_answered_as_they_were_recorded() {
    let mut world = World::new(AccountsConfig::default());
    let id = world.accounts.open(Duration::ZERO).id;
    let token = world.bearer.clone();
    let mut say = |mut message: Value| {
        if message.get("auth-token").is_none() {
            message["auth-token"] = token.clone().into();
        }
        let mut replies = world.say(id, &message);
        assert_eq!(replies.len(), 1);
        let mut reply = replies.remove(0);
        let session = reply["web-socket-session-id"].take();
        assert_eq!(session.as_str().unwrap().len(), 8);
        reply.as_object_mut().unwrap().remove("web-socket-session-id");
        reply
    };
    let error = |action: &str, message: &str| json!({"status": "error", "action": action, "message": message});
    assert_eq!(
        say(json!({"action": "heartbeat", "request-id": 1})),
        error("heartbeat", "not implemented")
    );
    assert_eq!(
        say(json!({"action": "quote-alerts-subscribe", "request-id": 2})),
        error("quote-alerts-subscribe", "connect-not-completed")
    );
    for wrong in [
        json!({"action": "connect", "value": ["5WT00000"], "request-id": 3}),
        json!({"action": "connect", "value": [], "request-id": 3}),
        json!({"action": "connect", "value": [NUMBER], "auth-token": "Bearer x", "request-id": 3}),
        json!({"action": "connect", "value": [NUMBER], "auth-token": token.trim_start_matches("Bearer ")}),
    ] {
        assert_eq!(say(wrong), error("connect", "failed"));
    }
    assert_eq!(
        say(json!({"action": "connect", "value": NUMBER, "request-id": 4})),
        json!({"status": "ok", "action": "connect", "value": [NUMBER], "request-id": 4})
    );
    for action in [
        "heartbeat",
        "public-watchlists-subscribe",
        "quote-alerts-subscribe",
        "user-message-subscribe",
    ] {
        assert_eq!(
            say(json!({"action": action, "request-id": "5"})),
            json!({"status": "ok", "action": action, "request-id": "5"})
        );
    }
    assert_eq!(
        say(json!({"action": "heartbeat", "auth-token": "Bearer x"})),
        error("heartbeat", "failed")
    );
    assert_eq!(say(json!({"action": "dance"})), error("dance", "not implemented"));
    let stats = world.record.stats();
    assert_eq!((stats.connects, stats.heartbeats, stats.errors), (1, 1, 8));
}

#[test]
fn a_client_without_a_heartbeat_for_a_minute_is_closed() {
    let mut world =
        World::new(AccountsConfig { orders_per_minute: 0.0, ..AccountsConfig::default() });
    let (silent, lively) = (world.connect(), world.connect());
    for _ in 0..4 {
        world.run(Duration::from_secs(20));
        world.say(lively, &json!({"action": "heartbeat", "auth-token": world.bearer}));
    }
    assert_eq!(world.heard(silent), [json!({"close": 1000})]);
    assert_eq!(world.heard(lively), Vec::<Value>::new());
    assert_eq!(world.record.stats().timeouts, 1);
}

#[test]
fn faults_of_the_account_side_happen_where_they_are_set() {
    let fault = |point: &str, action| AccountFault {
        point: point.to_owned(),
        number: 1,
        times: Some(1),
        action,
    };
    let mut world =
        World::new(AccountsConfig { orders_per_minute: 0.0, ..AccountsConfig::default() });
    let connect = json!({"action": "connect", "value": [NUMBER], "auth-token": world.bearer});
    let heartbeat = json!({"action": "heartbeat", "auth-token": world.bearer});
    world.accounts.set_faults(vec![
        fault("connect", AccountAction::Refuse("failed".to_owned())),
        fault("heartbeat", AccountAction::Omit),
        fault(
            "/accounts",
            AccountAction::Respond {
                status: 429,
                headers: vec![("Retry-After".to_owned(), "7".to_owned())],
            },
        ),
        fault("notification", AccountAction::Inject("{".to_owned())),
    ]);
    let id = world.accounts.open(Duration::ZERO).id;
    assert_eq!(world.say(id, &connect)[0]["message"], "failed");
    assert_eq!(world.say(id, &connect)[0]["status"], "ok");
    assert_eq!(world.say(id, &heartbeat), Vec::<Value>::new());
    assert_eq!(world.say(id, &heartbeat)[0]["status"], "ok");
    let reply = world.ask(&world.request("/accounts/SIM00001/balances"));
    assert_eq!(reply.status, 429);
    assert!(reply.headers.contains(&("Retry-After".to_owned(), "7".to_owned())));
    world.get("/accounts/SIM00001/balances");
    assert_eq!(world.accounts.notify(NUMBER, "[1]"), 1);
    let texts = world.accounts.take(id);
    assert_eq!(texts, [Output::Text("{".to_owned()), Output::Text("[1]".to_owned())]);
    assert_eq!(world.record.stats().faults, [1; 4]);

    world.accounts.set_faults(vec![
        fault("/", AccountAction::Stall),
        fault("heartbeat", AccountAction::Stall),
        fault("connect", AccountAction::Close { code: 1012, reason: "Bye".to_owned() }),
    ]);
    let request = world.request("/customers/me");
    assert_eq!(world.accounts.request(world.now, &request, &mut world.ledger), None);
    assert_eq!(world.say(id, &heartbeat), Vec::<Value>::new());
    assert_eq!(world.accounts.notify(NUMBER, "[1]"), 0);
    let other = world.accounts.open(Duration::ZERO).id;
    assert_eq!(world.say(other, &connect), [json!({"close": 1012})]);
    assert_eq!(world.record.stats().faults, [1; 3]);
}

#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let mut world =
        World::new(AccountsConfig { orders_per_minute: 0.0, ..AccountsConfig::default() });
    let id = world.connect();
    for _ in 0..1 << 16 {
        assert_eq!(world.accounts.notify(NUMBER, "{}"), 1);
    }
    world.accounts.notify(NUMBER, "{}");
    assert_eq!(world.accounts.notify(NUMBER, "{}"), 0);
    let left = world.accounts.take(id);
    assert_eq!(left, [Output::Close { code: 1008, reason: "slow consumer".to_owned() }]);
}
