//! Snapshots, as REST tells them.

use crate::account::{SnapshotPages, SnapshotPart};
use crate::error::Error;
use crate::loss::{Loss, Remedy};

/// A page of orders with these ids.
fn page(ids: &[u64], pages: u64, items: u64) -> String {
    let orders: Vec<_> = ids.iter().map(|id| serde_json::json!({"id": id})).collect();
    serde_json::json!({
        "data": {"items": orders},
        "pagination": {"total-pages": pages, "total-items": items},
    })
    .to_string()
}

/// What comes of all these pages.
fn read(all: &[String]) -> Result<Vec<String>, Loss> {
    let mut pages = SnapshotPages::new(SnapshotPart::Orders);
    for (at, body) in all.iter().enumerate() {
        let asked = (at > 0).then(|| ("page-offset".to_owned(), at.to_string()));
        assert_eq!(pages.query(), asked);
        assert_eq!(pages.take(body)?, at + 1 == all.len());
    }
    let found = pages.into_notifications();
    Ok(found.iter().map(|one| one.data.get().to_owned()).collect())
}

#[test]
fn a_list_is_read_to_its_last_page() {
    let ids = |ids: &[u64]| ids.iter().map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    assert_eq!(read(&[page(&[1, 2], 1, 2)]), Ok(ids(&[1, 2])));
    let pages = [page(&[1, 2], 3, 5), page(&[3, 4], 3, 5), page(&[5], 3, 5)];
    assert_eq!(read(&pages), Ok(ids(&[1, 2, 3, 4, 5])));
    assert_eq!(read(&[r#"{"data":{"items":[{"id":7}]}}"#.to_owned()]), Ok(ids(&[7])));
    assert_eq!(read(&[page(&[], 0, 0)]), Ok(Vec::new()));
}

#[test]
fn a_list_that_changes_while_its_pages_are_read_is_to_be_read_again() {
    // The first order is gone by the time of the second page, so that the third is on neither.
    let error = read(&[page(&[1, 2], 2, 4), page(&[4], 2, 3)]).unwrap_err();
    assert_eq!(error.remedy, Remedy::Backoff);
    let expected = "the list of Order has changed while its pages were read";
    assert_eq!(error.error, Error::ConnectionLost(expected.to_owned()));
}

#[test]
fn a_list_that_cannot_be_read_or_has_no_end_is_an_error() {
    for body in ["", "[]", r#"{"data":7}"#, r#"{"data":{"items":{}}}"#] {
        let error = read(&[body.to_owned()]).unwrap_err();
        assert_eq!(error.remedy, Remedy::Backoff, "{body}");
        assert!(error.error.to_string().contains("the server's list of Order cannot be read"));
    }
    let endless: Vec<_> = (0..200).map(|id| page(&[id], 200, 200)).collect();
    let error = read(&endless).unwrap_err();
    assert_eq!(error.remedy, Remedy::None);
    assert!(error.error.to_string().contains("more than 100 pages"), "{:?}", error.error);
}
