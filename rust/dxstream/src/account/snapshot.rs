//! What REST tells of an account, as notifications.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::message::{Notification, raw};
use crate::error::{Error, Result};
use crate::loss::Loss;

/// Most pages of a list that are read.
const MAX_PAGES: u64 = 100;

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
}

/// A part of a snapshot, as its pages come.
#[derive(Debug)]
pub struct SnapshotPages {
    part: SnapshotPart,
    found: Vec<Notification>,
    read: u64,
    /// How many objects all pages have, as the first says.
    items: Option<u64>,
}

impl SnapshotPages {
    /// A part of which no page has come.
    pub fn new(part: SnapshotPart) -> Self {
        Self { part, found: Vec::new(), read: 0, items: None }
    }

    /// The parameter that asks REST for the next page; the first needs none.
    pub fn query(&self) -> Option<(String, String)> {
        (self.read > 0).then(|| ("page-offset".to_owned(), self.read.to_string()))
    }

    /// Takes the next page; says whether it was the last.
    ///
    /// # Errors
    /// A loss where the page has not the form that it should have, where there are too many, and where
    /// something was put in or taken out while the pages came, so that an object may be on none of them.
    pub fn take(&mut self, body: &str) -> std::result::Result<bool, Loss> {
        let kind = self.part.kind();
        let unreadable = || {
            Loss::protocol(format!(
                "the server's list of {kind} cannot be read; its form is unknown"
            ))
        };
        let page: Body<'_> = serde_json::from_str(body).map_err(|_| unreadable())?;
        let objects = if self.part == SnapshotPart::Balance {
            vec![page.data]
        } else {
            items(page.data).ok_or_else(unreadable)?
        };
        self.found.extend(objects.into_iter().map(|data| Notification {
            kind: kind.into(),
            data: data.to_owned(),
            timestamp: None,
            sequence: None,
            is_snapshot: true,
        }));
        self.read += 1;
        let Pagination { pages, items } = page.pagination.unwrap_or_default();
        let is_last = self.read >= pages.unwrap_or(1);
        if self.read == 1 {
            self.items = items;
        } else if items != self.items
            || is_last && items.is_some_and(|items| items != self.found.len() as u64)
        {
            return Err(Loss::passing(format!(
                "the list of {kind} has changed while its pages were read"
            )));
        }
        if !is_last && self.read == MAX_PAGES {
            let text = format!("the list of {kind} has more than {MAX_PAGES} pages");
            return Err(Loss::lasting(Error::Protocol(text)));
        }
        Ok(is_last)
    }

    /// What was on the pages.
    pub fn into_notifications(self) -> Vec<Notification> {
        self.found
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    pagination: Option<Pagination>,
}

#[derive(Default, Deserialize)]
struct Pagination {
    #[serde(rename = "total-pages")]
    pages: Option<u64>,
    #[serde(rename = "total-items")]
    items: Option<u64>,
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
