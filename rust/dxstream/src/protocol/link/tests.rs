use super::*;
use crate::store::{Store, StoreWriter};

#[test]
fn a_session_that_gives_up_by_itself_leaves_a_gap_too() {
    let tables = Arc::new(Tables::new());
    let store = Store::new(Arc::clone(&tables), 0);
    let settings = LinkSettings {
        session: SessionSettings::default(),
        policy: ReconnectPolicy::default(),
        renews: false,
        heals_first: true,
        renewal_timeout: Duration::from_secs(30),
    };
    let mut link = Link::new(settings, tables);
    let entry = Entry { symbol: "A".into(), source: None };
    let key = FeedKey::new(EventKind::Quote, None);
    link.subscribe(key, [entry], None, None, Duration::ZERO);
    let mut now = Duration::ZERO;
    for _ in 0..2 {
        link.connected(None, now);
        for message in [
            r#"{"type":"SETUP","channel":0}"#,
            r#"{"type":"AUTH_STATE","channel":0,"state":"AUTHORIZED"}"#,
            r#"{"type":"CHANNEL_OPENED","channel":1}"#,
        ] {
            link.receive(message, &mut StoreWriter { store: &store, received_at: 0 }, now);
        }
        now += Duration::from_mins(1);
        link.tick(now);
        let loss = link.take_failure().expect("the server is silent");
        link.lost(loss, |_, _| None, now, 0.0);
        link.tick(now);
    }
    let events: Vec<_> = std::iter::from_fn(|| link.next_event()).collect();
    let gaps = events.iter().filter(|event| matches!(event, LinkEvent::Gap(_)));
    assert_eq!(gaps.count(), 1, "{events:?}");
}
