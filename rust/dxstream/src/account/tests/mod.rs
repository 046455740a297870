//! Tests of the account streamer's protocol, on a virtual clock.

mod healing;
mod ordering;
mod recorded;
mod sessions;
mod snapshots;
mod texts;

use std::time::Duration;

use serde_json::Value;

use super::{
    AccountEvent, AccountLink, AccountLinkSettings, AccountSessionSettings, AccountStep,
    Notification,
};
use crate::protocol::ReconnectPolicy;
use crate::secret::Secret;

const ACCOUNT: &str = "5WT00000";
const OTHER: &str = "5WT00001";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn settings(hydrates: bool) -> AccountLinkSettings {
    AccountLinkSettings {
        session: AccountSessionSettings::default(),
        policy: ReconnectPolicy::default(),
        heals_first: false,
        hydrates,
    }
}

/// A link that has opened a socket and wants an account.
fn connecting(hydrates: bool) -> AccountLink {
    let mut link = AccountLink::new(settings(hydrates));
    link.subscribe_accounts([ACCOUNT.to_owned()]);
    assert_eq!(*link.step(), AccountStep::Connect);
    link.connected(Duration::ZERO);
    link
}

/// The frames that a link sends with a token.
fn sent(link: &mut AccountLink, token: &str, now: Duration) -> Vec<Value> {
    let token = Secret::new(token);
    let frames = std::iter::from_fn(|| link.next_output(&token, now));
    frames.map(|frame| serde_json::from_str(&frame).unwrap()).collect()
}

/// Answers `connect` as the server does.
fn confirm(link: &mut AccountLink, accounts: &[&str], now: Duration) {
    let value = serde_json::to_string(accounts).unwrap();
    link.receive(&format!(r#"{{"status":"ok","action":"connect","value":{value}}}"#), now);
}

/// A link whose account is confirmed, all of its events taken.
fn connected(hydrates: bool) -> AccountLink {
    let mut link = connecting(hydrates);
    sent(&mut link, "Bearer 1", Duration::ZERO);
    confirm(&mut link, &[ACCOUNT], Duration::ZERO);
    link
}

fn events(link: &mut AccountLink) -> Vec<AccountEvent> {
    std::iter::from_fn(|| link.next_event()).collect()
}

/// What a link has handed on, as text.
fn told(events: &[AccountEvent]) -> Vec<&Notification> {
    events
        .iter()
        .filter_map(|event| match event {
            AccountEvent::Notification(notification) => Some(notification),
            _ => None,
        })
        .collect()
}

/// A notification of an order in some state.
fn order(account: &str, id: u64, state: u64, sequence: u64) -> String {
    format!(
        r#"{{"type":"Order","data":{{"account-number":"{account}","id":{id},"state":{state}}},"timestamp":{state},"ws-sequence":{sequence}}}"#
    )
}
