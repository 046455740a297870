//! What REST tells of an account, as notifications.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::message::{Notification, raw};
use crate::error::{Error, Result};

/// The type of the notification after the last of a snapshot. It is dxstream's own: its data names the
/// account and how many there were of each type, so that what is missing is known to be gone.
pub const SNAPSHOT_END: &str = "SnapshotEnd";

/// A part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotPart {
    /// The balance.
    Balance,
    /// The positions.
    Positions,
    /// The orders of the day, and those that are working.
    Orders,
}

impl SnapshotPart {
    /// All of them, in the order in which they are handed on.
    pub const ALL: [Self; 3] = [Self::Balance, Self::Positions, Self::Orders];

    /// Where REST has it.
    pub fn path(self, account: &str) -> String {
        let part = match self {
            Self::Balance => "balances",
            Self::Positions => "positions",
            Self::Orders => "orders/live",
        };
        format!("/accounts/{account}/{part}")
    }

    /// The type of its notifications.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Balance => "AccountBalance",
            Self::Positions => "CurrentPosition",
            Self::Orders => "Order",
        }
    }

    /// The objects in REST's answer, and how many pages of them there are.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the answer is not of the form that it should have.
    pub fn read(self, body: &str) -> Result<(Vec<Notification>, u64)> {
        let unreadable = || {
            Error::Protocol(format!(
                "the server's list of {} cannot be read; its form is unknown",
                self.kind()
            ))
        };
        let whole: Body<'_> = serde_json::from_str(body).map_err(|_| unreadable())?;
        let objects = if self == Self::Balance {
            vec![whole.data]
        } else {
            items(whole.data).ok_or_else(unreadable)?
        };
        let notification = |data: &RawValue| Notification {
            kind: self.kind().into(),
            data: data.to_owned(),
            timestamp: None,
            sequence: None,
            is_snapshot: true,
        };
        let pages = whole.pagination.and_then(|pages| pages.total).unwrap_or(1);
        Ok((objects.into_iter().map(notification).collect(), pages))
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    pagination: Option<Pagination>,
}

#[derive(Deserialize)]
struct Pagination {
    #[serde(rename = "total-pages")]
    total: Option<u64>,
}

fn items(data: &RawValue) -> Option<Vec<&RawValue>> {
    #[derive(Deserialize)]
    struct Items<'a> {
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    let found: Items<'_> = serde_json::from_str(data.get()).ok()?;
    Some(found.items)
}

/// The account numbers in REST's answer about the user's accounts.
///
/// # Errors
/// [`Error::Protocol`] when the answer is not of the form that it should have.
pub fn user_accounts(body: &str) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Item {
        account: Account,
    }
    #[derive(Deserialize)]
    struct Account {
        #[serde(rename = "account-number")]
        number: String,
    }
    let unreadable = || Error::Protocol("the server's list of accounts cannot be read".into());
    let whole: Body<'_> = serde_json::from_str(body).map_err(|_| unreadable())?;
    items(whole.data)
        .ok_or_else(unreadable)?
        .into_iter()
        .map(|item| {
            let item: Item = serde_json::from_str(item.get()).map_err(|_| unreadable())?;
            Ok(item.account.number)
        })
        .collect()
}

/// The notification after the last of a snapshot.
pub(super) fn end(account: &str, snapshot: &[Notification]) -> Notification {
    #[derive(Serialize)]
    struct End<'a> {
        #[serde(rename = "account-number")]
        account: &'a str,
        #[serde(rename = "AccountBalance")]
        balances: usize,
        #[serde(rename = "CurrentPosition")]
        positions: usize,
        #[serde(rename = "Order")]
        orders: usize,
    }
    let count =
        |part: SnapshotPart| snapshot.iter().filter(|one| *one.kind == *part.kind()).count();
    let data = raw(&End {
        account,
        balances: count(SnapshotPart::Balance),
        positions: count(SnapshotPart::Positions),
        orders: count(SnapshotPart::Orders),
    });
    Notification {
        kind: SNAPSHOT_END.into(),
        data,
        timestamp: None,
        sequence: None,
        is_snapshot: true,
    }
}
