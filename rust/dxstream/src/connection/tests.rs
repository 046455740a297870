//! What happens to streamers when something on the I/O thread panics.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::changes::State;
use super::command::Command;
use super::io_thread::IoThread;
use super::{Client, Endpoint, Limits, StreamSettings};
use crate::error::Error;
use crate::event::EventKind;
use crate::protocol::{LinkSettings, ReconnectPolicy, SessionSettings};
use crate::store::{Consumer, QueueSettings, Wake};

/// Wall-clock time after which something that should happen counts as not happening.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server that never answers; streamers wait for it.
fn silent_server() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    (listener, Endpoint::new(&url, None).unwrap())
}

fn connect(endpoint: &Endpoint) -> (Client, Consumer) {
    let link = LinkSettings {
        session: SessionSettings::default(),
        policy: ReconnectPolicy::default(),
        renews: false,
        heals_first: true,
        renewal_timeout: DEADLINE,
    };
    let settings = StreamSettings { link, limits: Limits::default() };
    let client = Client::connect(endpoint.clone(), settings, 0).unwrap();
    let consumer = client.store().listen(EventKind::Quote, None, QueueSettings::every(8));
    (client, consumer)
}

/// Waits, as a listener does, until the queue has ended.
fn end_of(consumer: &mut Consumer) -> Error {
    let wake = Arc::new(Wake::new().unwrap());
    let limit = Instant::now() + DEADLINE;
    loop {
        if let Some(error) = consumer.ended() {
            return error;
        }
        assert!(Instant::now() < limit, "the queue did not end");
        let _ = consumer.arm(&wake, 1);
        wake.wait(Duration::from_millis(100)).unwrap();
    }
}

fn assert_is_defect(client: &Client, error: &Error) {
    assert!(matches!(error, Error::ConnectionLost(text) if text.contains("defect of dxstream")));
    assert_eq!(client.state(), State::Ended(error.clone()));
    let (changes, _) = client.changes_since(0);
    assert_eq!(changes.last().map(|change| &change.state), Some(&State::Ended(error.clone())));
}

fn close(client: &Client, consumer: &mut Consumer) {
    assert_eq!(client.state(), State::Connecting);
    client.close();
    assert_eq!(end_of(consumer), Error::Closed);
}

/// One test, for the I/O thread is the process's.
#[test]
fn a_panic_ends_the_streamers_that_it_concerns_and_no_others() {
    let (_listener, endpoint) = silent_server();
    let (bystander, mut of_bystander) = connect(&endpoint);
    for in_link in [true, false] {
        let (client, mut consumer) = connect(&endpoint);
        client.send(Command::Panic { in_link });
        let error = end_of(&mut consumer);
        assert_is_defect(&client, &error);
        // Who asks later is told at once.
        let mut late = client.store().listen(EventKind::Trade, None, QueueSettings::every(8));
        assert_eq!(end_of(&mut late), error);
    }
    assert_eq!(bystander.state(), State::Connecting);

    let (second, mut of_second) = connect(&endpoint);
    let thread = IoThread::get().unwrap();
    thread.panic();
    for (client, consumer) in [(&bystander, &mut of_bystander), (&second, &mut of_second)] {
        let error = end_of(consumer);
        assert_is_defect(client, &error);
    }

    // The dead thread is still held here; another takes its place.
    let (next, mut of_next) = connect(&endpoint);
    assert!(!Arc::ptr_eq(&thread, &IoThread::get().unwrap()));
    // A task that the dead thread was handed ends as well.
    let store = crate::store::Store::new(Arc::default(), 0);
    let shared = Arc::new(super::shared::Shared::new(store, Duration::ZERO));
    let guard = super::shared::EndGuard(Arc::clone(&shared));
    IoThread::spawn(thread, async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    assert!(matches!(shared.state(), State::Ended(Error::ConnectionLost(_))));
    close(&next, &mut of_next);
    drop((bystander, second, next));
    assert!(super::shut_down(DEADLINE));
}
