//! Snapshots and what comes meanwhile.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::account::{SNAPSHOT_END, SnapshotPages, SnapshotPart};
use crate::loss::Loss;

fn snapshot(orders: &[(u64, u64)]) -> Vec<Notification> {
    let items: Vec<_> = orders
        .iter()
        .map(|(id, state)| serde_json::json!({"account-number": ACCOUNT, "id": id, "state": state}))
        .collect();
    let body = serde_json::json!({"data": {"items": items}}).to_string();
    let mut pages = SnapshotPages::new(SnapshotPart::Orders);
    assert_eq!(pages.take(&body), Ok(true));
    pages.into_notifications()
}

fn fetch(events: &[AccountEvent]) -> Option<u64> {
    events.iter().find_map(|event| match event {
        AccountEvent::Hydrate(account, number) if account == ACCOUNT => Some(*number),
        _ => None,
    })
}

fn state(notification: &Notification) -> Option<(u64, u64)> {
    let data: Value = serde_json::from_str(notification.data.get()).unwrap();
    Some((data["id"].as_u64()?, data["state"].as_u64()?))
}

#[test]
fn a_snapshot_comes_before_what_was_told_meanwhile_and_its_end_is_marked() {
    let mut link = connected(true);
    let number = fetch(&events(&mut link)).unwrap();
    link.receive(&order(ACCOUNT, 1, 2, 1), seconds(1));
    link.receive(&order(OTHER, 9, 9, 2), seconds(1));
    link.receive(r#"{"type":"QuoteAlert","data":{"symbol":"SPY"}}"#, seconds(1));
    link.receive(&order(ACCOUNT, 1, 3, 3), seconds(1));
    // What is not about the account is not held.
    let before = events(&mut link);
    assert_eq!(told(&before).len(), 2);
    link.hydrated(ACCOUNT, number, snapshot(&[(1, 1)]));
    let after = events(&mut link);
    let told = told(&after);
    let states: Vec<_> = told.iter().map(|one| (one.is_snapshot, state(one))).collect();
    assert_eq!(
        states,
        [(true, Some((1, 1))), (true, None), (false, Some((1, 2))), (false, Some((1, 3)))]
    );
    assert_eq!(*told[1].kind, *SNAPSHOT_END);
    let end: Value = serde_json::from_str(told[1].data.get()).unwrap();
    assert_eq!(end["Order"], 1);
    assert_eq!(end["CurrentPosition"], 0);
    assert!(matches!(after.last(), Some(AccountEvent::Hydrated(account)) if account == ACCOUNT));
}

#[test]
fn an_account_that_is_added_does_not_hold_back_the_others() {
    let mut link = connected(true);
    let number = fetch(&events(&mut link)).unwrap();
    link.hydrated(ACCOUNT, number, Vec::new());
    link.subscribe_accounts([OTHER.to_owned()]);
    events(&mut link);
    link.receive(&order(OTHER, 1, 1, 1), seconds(1));
    link.receive(&order(ACCOUNT, 1, 1, 2), seconds(1));
    let events = events(&mut link);
    let told = told(&events);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].account().as_deref(), Some(ACCOUNT));
}

#[test]
fn more_than_is_held_is_handed_on_and_the_snapshot_is_asked_for_again() {
    let mut link = connected(true);
    let number = fetch(&events(&mut link)).unwrap();
    for count in 0..4_097 {
        link.receive(&order(ACCOUNT, 1, count, count), seconds(1));
    }
    let overfull = events(&mut link);
    assert_eq!(told(&overfull).len(), 4_097);
    link.hydrated(ACCOUNT, number, snapshot(&[(1, 1)]));
    assert!(told(&events(&mut link)).is_empty());
    link.tick(seconds(2));
    assert!(fetch(&events(&mut link)).is_some_and(|next| next > number));
}

#[test]
fn what_is_held_is_handed_on_when_the_connection_is_lost() {
    let mut link = connected(true);
    events(&mut link);
    link.receive(&order(ACCOUNT, 1, 1, 1), seconds(1));
    link.lost(Loss::passing("gone"), seconds(2), 0.5);
    let events = events(&mut link);
    assert_eq!(told(&events).len(), 1);
    assert!(matches!(events.last(), Some(AccountEvent::Lost { .. })));
}

/// What happens to a server and its network.
#[derive(Debug, Clone)]
enum Happening {
    /// An order changes.
    Change(u64),
    /// The next notification arrives.
    Arrive,
    /// The server makes the snapshot that was asked for.
    Take,
    /// The snapshot arrives.
    Snapshot,
    /// The snapshot is lost.
    Lose,
    /// The connection is lost, with all that is under way, and made again.
    Cut,
    /// Time passes.
    Pass,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (0..4_u64).prop_map(Happening::Change),
        6 => Just(Happening::Arrive),
        3 => Just(Happening::Take),
        3 => Just(Happening::Snapshot),
        1 => Just(Happening::Lose),
        1 => Just(Happening::Cut),
        1 => Just(Happening::Pass),
    ]
}

/// A server with orders, its network, a link and what a listener has been told last of each order.
struct World {
    link: AccountLink,
    now: Duration,
    orders: HashMap<u64, u64>,
    network: Vec<String>,
    sequence: u64,
    asked: Option<u64>,
    taken: Option<(u64, Vec<Notification>)>,
    seen: HashMap<u64, u64>,
    arrived: u64,
    handed_on: u64,
}

impl World {
    fn take_events(&mut self) {
        let events = events(&mut self.link);
        self.asked = fetch(&events).or(self.asked);
        for notification in told(&events) {
            self.handed_on += u64::from(!notification.is_snapshot);
            if let Some((id, state)) = state(notification) {
                self.seen.insert(id, state);
            }
        }
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Change(id) => {
                let state = self.orders.entry(*id).or_default();
                *state += 1;
                self.sequence += 1;
                self.network.push(order(ACCOUNT, *id, *state, self.sequence));
            }
            Happening::Arrive if !self.network.is_empty() => {
                let frame = self.network.remove(0);
                self.arrived += 1;
                self.link.receive(&frame, self.now);
            }
            Happening::Take => {
                if let Some(number) = self.asked.take() {
                    let orders: Vec<_> =
                        self.orders.iter().map(|(&id, &state)| (id, state)).collect();
                    self.taken = Some((number, snapshot(&orders)));
                }
            }
            Happening::Snapshot => {
                if let Some((number, snapshot)) = self.taken.take() {
                    self.link.hydrated(ACCOUNT, number, snapshot);
                }
            }
            Happening::Lose => {
                if let Some((number, _)) = self.taken.take() {
                    let loss = Loss::passing("no answer");
                    self.link.not_hydrated(ACCOUNT, number, &loss, self.now);
                }
            }
            Happening::Cut => {
                self.link.lost(Loss::passing("gone"), self.now, 0.5);
                (self.asked, self.taken) = (None, None);
                self.network.clear();
                self.now += seconds(60);
                self.link.tick(self.now);
                self.link.connected(self.now);
                sent(&mut self.link, "Bearer 1", self.now);
                confirm(&mut self.link, &[ACCOUNT], self.now);
            }
            Happening::Pass => {
                self.now += seconds(30);
                self.link.receive_sign_of_life(self.now);
                self.link.tick(self.now);
                sent(&mut self.link, "Bearer 1", self.now);
            }
            Happening::Arrive => {}
        }
        self.take_events();
    }
}

proptest! {
    /// Whatever the order of things: once all has arrived, a listener has the newest state of every order,
    /// and no notification was lost, doubled or swapped.
    #[test]
    fn the_last_that_is_told_of_an_order_is_its_newest_state(
        happenings in prop::collection::vec(happening(), 0..80))
    {
        let mut world = World {
            link: connected(true), now: Duration::ZERO, orders: HashMap::new(), network: Vec::new(),
            sequence: 0, asked: None, taken: None, seen: HashMap::new(), arrived: 0, handed_on: 0,
        };
        world.take_events();
        for happening in &happenings {
            world.happen(happening);
        }
        // The network calms down.
        while !world.network.is_empty() {
            world.happen(&Happening::Arrive);
        }
        for _ in 0..3 {
            for happening in [Happening::Snapshot, Happening::Take, Happening::Snapshot, Happening::Pass] {
                world.happen(&happening);
            }
        }
        prop_assert_eq!(&world.seen, &world.orders);
        prop_assert_eq!(world.handed_on, world.arrived);
    }
}
