//! How a link heals, and what ends it.

use std::collections::BTreeSet;

use super::*;
use crate::account::Failure;
use crate::error::Error;
use crate::loss::Loss;

fn user(accounts: &[&str]) -> BTreeSet<String> {
    accounts.iter().map(|&account| account.to_owned()).collect()
}

fn refuse(link: &mut AccountLink, now: Duration) {
    sent(link, "Bearer 1", now);
    link.receive(r#"{"status":"error","action":"connect","message":"failed"}"#, now);
    let failure = link.take_failure().unwrap();
    link.failed(failure, now, 0.5);
    assert_eq!(*link.step(), AccountStep::Check);
}

fn again(link: &mut AccountLink, now: Duration) {
    let AccountStep::Wait(until) = *link.step() else { panic!("{:?}", link.step()) };
    link.tick(until.max(now));
    assert_eq!(*link.step(), AccountStep::Connect);
    link.connected(until.max(now));
}

#[test]
fn a_link_is_idle_until_an_account_is_wanted() {
    let link = AccountLink::new(settings(true));
    assert_eq!((link.step(), link.deadline()), (&AccountStep::Idle, None));
}

#[test]
fn a_lost_connection_is_made_again_with_all_that_is_wanted() {
    let mut link = connected(false);
    link.subscribe("quote-alerts-subscribe".to_owned(), None);
    for epoch in 1..4 {
        events(&mut link);
        link.lost(Loss::passing("gone"), seconds(60), 0.5);
        again(&mut link, seconds(60));
        let frames = sent(&mut link, "Bearer 2", seconds(60));
        assert_eq!(frames[0]["value"], serde_json::json!([ACCOUNT]));
        confirm(&mut link, &[ACCOUNT], seconds(60));
        assert_eq!(sent(&mut link, "Bearer 2", seconds(60)).len(), 1);
        let accepted = events(&mut link);
        assert!(
            accepted
                .iter()
                .any(|event| matches!(event, AccountEvent::Accepted { epoch: of } if *of == epoch))
        );
    }
}

#[test]
fn the_first_connection_is_final_where_it_is_not_to_be_healed() {
    let mut link = connecting(false);
    link.lost(Loss::passing("gone"), Duration::ZERO, 0.5);
    assert!(matches!(link.step(), AccountStep::Over(Error::ConnectionLost(_))));
    link.tick(seconds(100));
    link.subscribe_accounts([OTHER.to_owned()]);
    assert!(matches!(link.step(), AccountStep::Over(_)));
}

#[test]
fn an_unknown_account_ends_a_link_that_has_no_other() {
    let mut link = connecting(true);
    refuse(&mut link, Duration::ZERO);
    link.checked(Ok(&user(&[OTHER])), Duration::ZERO, 0.5);
    let AccountStep::Over(Error::Subscription(text)) = link.step() else { panic!("it goes on") };
    assert!(text.contains(ACCOUNT) && text.contains("not one of this login's"), "{text}");
}

#[test]
fn an_unknown_account_leaves_the_others_alone() {
    let mut link = connected(true);
    link.subscribe_accounts([OTHER.to_owned()]);
    events(&mut link);
    refuse(&mut link, seconds(1));
    link.checked(Ok(&user(&[ACCOUNT])), seconds(1), 0.5);
    assert_eq!(*link.step(), AccountStep::Connect);
    assert!(
        events(&mut link)
            .iter()
            .any(|event| matches!(event, AccountEvent::Refused(what, _) if what == OTHER))
    );
    link.connected(seconds(2));
    let frames = sent(&mut link, "Bearer 1", seconds(2));
    assert_eq!(frames[0]["value"], serde_json::json!([ACCOUNT]));
}

#[test]
fn a_connection_that_ends_because_an_account_is_added_in_vain_is_told_as_lost() {
    let lost = |link: &mut AccountLink| {
        let events = events(link).into_iter();
        events.filter(|event| matches!(event, AccountEvent::Lost { .. })).count()
    };
    let mut link = connected(false);
    link.subscribe_accounts([OTHER.to_owned()]);
    refuse(&mut link, seconds(1));
    assert_eq!(lost(&mut link), 1);
    link.checked(Ok(&user(&[ACCOUNT])), seconds(1), 0.5);
    assert_eq!(lost(&mut link), 0);
    // One that carried nothing is not lost.
    let mut link = connecting(false);
    refuse(&mut link, seconds(1));
    assert_eq!(lost(&mut link), 0);
}

#[test]
fn a_refused_token_is_replaced_once_and_then_final() {
    let mut link = connecting(false);
    let known = user(&[ACCOUNT]);
    refuse(&mut link, Duration::ZERO);
    link.checked(Ok(&known), Duration::ZERO, 0.5);
    assert!(link.wants_other_token());
    again(&mut link, Duration::ZERO);
    refuse(&mut link, seconds(1));
    link.checked(Ok(&known), seconds(1), 0.5);
    let AccountStep::Over(Error::Authentication(text)) = link.step() else { panic!("it goes on") };
    assert!(text.contains("log in again"), "{text}");
}

#[test]
fn a_server_that_knew_the_user_and_forgot_is_asked_again_and_again() {
    let mut link = connected(false);
    let known = user(&[ACCOUNT]);
    link.lost(Loss::passing("gone"), seconds(60), 0.5);
    again(&mut link, seconds(60));
    for minute in 2..20 {
        refuse(&mut link, seconds(60 * minute));
        link.checked(Ok(&known), seconds(60 * minute), 0.5);
        again(&mut link, seconds(60 * minute));
    }
    sent(&mut link, "Bearer 1", seconds(2_000));
    confirm(&mut link, &[ACCOUNT], seconds(2_000));
    assert!(link.is_accepted() && !link.wants_other_token());
}

#[test]
fn credentials_that_are_refused_end_a_link() {
    let mut link = connected(false);
    let refused = Loss::lasting(Error::Authentication("the refresh token was revoked".into()));
    link.failed(Failure::Loss(refused.clone()), seconds(1), 0.5);
    assert_eq!(*link.step(), AccountStep::Over(refused.error));
}

#[test]
fn a_snapshot_that_cannot_be_had_is_asked_for_again_later_and_holds_nothing_back() {
    let mut link = connected(true);
    let number = |events: &[AccountEvent]| {
        events.iter().find_map(|event| match event {
            AccountEvent::Hydrate(_, number) => Some(*number),
            _ => None,
        })
    };
    let first = number(&events(&mut link)).unwrap();
    link.receive(&order(ACCOUNT, 1, 1, 1), seconds(1));
    assert!(told(&events(&mut link)).is_empty());
    let mut now = seconds(1);
    let mut last = first;
    for delay in [1, 2, 4, 8, 16, 30, 30] {
        link.receive_sign_of_life(now);
        link.not_hydrated(ACCOUNT, last, &Loss::passing("no answer"), now);
        let given_up = events(&mut link);
        assert_eq!(told(&given_up).len(), usize::from(last == first));
        // What comes now is handed on at once.
        link.receive(&order(ACCOUNT, 1, 2, 2), now);
        assert_eq!(told(&events(&mut link)).len(), 1);
        now += seconds(delay);
        link.receive_sign_of_life(now);
        link.tick(now);
        let next = number(&events(&mut link)).expect("it is asked for again");
        assert!(next > last);
        // A late answer to the question before changes nothing.
        link.hydrated(ACCOUNT, last, Vec::new());
        assert!(told(&events(&mut link)).is_empty());
        last = next;
    }
    link.not_hydrated(
        ACCOUNT,
        last,
        &Loss::lasting(Error::Authentication("the grant does not allow it".into())),
        now,
    );
    link.tick(now + seconds(40));
    assert_eq!(number(&events(&mut link)), None);
}
