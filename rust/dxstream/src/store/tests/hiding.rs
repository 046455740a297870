//! Rows of hidden symbols: who gets them, and that nobody else counts them.

use super::*;

const FIRST: SymbolId = SymbolId(1);
const SECOND: SymbolId = SymbolId(2);

#[test]
fn listeners_neither_get_nor_count_hidden_rows() {
    let store = store();
    let mut every = store.listen(EventKind::Quote, None, ROOMY);
    let latest = QueueSettings { conflation: Some(0), ..ROOMY };
    let mut conflated = store.listen(EventKind::Quote, None, latest);
    let mut named = store.listen(EventKind::Quote, Some([FIRST].into()), ROOMY);
    store.hide(EventKind::Quote, FIRST);
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0), (2, 2.0), (1, 3.0)]));
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 4.0)]));
    assert_eq!(prices(&mut every), [2.0]);
    assert_eq!(prices(&mut conflated), [2.0]);
    assert!(prices(&mut named).is_empty());
    for consumer in [&every, &conflated, &named] {
        add_up(consumer.stats());
        assert_eq!(consumer.stats().received, 1);
    }
    assert_eq!(named.stats().filtered, 1);
}

#[test]
fn rings_and_watchers_get_hidden_rows() {
    let store = store();
    let mut watcher = store.watch(EventKind::Quote, [FIRST].into(), 8);
    store.hide(EventKind::Quote, FIRST);
    assert!(store.is_hiding(EventKind::Quote));
    writer(&store, 7).rows(EventKind::Quote, &quotes(&[(1, 1.0), (2, 2.0)]));
    assert_eq!(prices(&mut watcher), [1.0]);
    let mut row = [0; MAX_WORDS];
    assert_eq!(store.latest(EventKind::Quote, FIRST, &mut row), Some(7));
    assert_eq!(store.listener_totals()[EventKind::Quote as usize].listeners, 0);
}

#[test]
fn hiding_is_of_one_event_type() {
    let store = store();
    store.hide(EventKind::Trade, FIRST);
    let mut listener = store.listen(EventKind::Quote, None, ROOMY);
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
    assert_eq!(prices(&mut listener), [1.0]);
    assert!(!store.is_hiding(EventKind::Quote));
}

#[test]
fn who_is_shown_a_symbol_begins_with_its_latest_row() {
    let store = store();
    let mut listener = store.listen(EventKind::Quote, None, ROOMY);
    store.hide(EventKind::Quote, FIRST);
    store.hide(EventKind::Quote, SECOND);
    writer(&store, 5).rows(EventKind::Quote, &quotes(&[(1, 1.0), (1, 2.0), (2, 3.0)]));
    store.show(EventKind::Quote, FIRST, true);
    store.show(EventKind::Quote, SECOND, false);
    let (row, received_at) = listener.next_row(0).unwrap();
    assert_eq!((Quote::from_row(row).bid_price.to_bits(), received_at), (2.0_f64.to_bits(), 5));
    assert!(listener.next_row(0).is_none());
    writer(&store, 6).rows(EventKind::Quote, &quotes(&[(1, 4.0), (2, 5.0)]));
    assert_eq!(prices(&mut listener), [4.0, 5.0]);
    // What is not hidden is not given twice.
    store.show(EventKind::Quote, FIRST, true);
    assert!(prices(&mut listener).is_empty());
    add_up(listener.stats());
    assert_eq!(listener.stats().received, 3);
}

#[test]
fn a_symbol_without_a_row_is_shown_when_one_comes() {
    let store = store();
    let mut listener = store.listen(EventKind::Quote, None, ROOMY);
    store.hide(EventKind::Quote, FIRST);
    store.show(EventKind::Quote, FIRST, true);
    assert!(prices(&mut listener).is_empty());
    writer(&store, 0).rows(EventKind::Quote, &quotes(&[(1, 1.0)]));
    assert_eq!(prices(&mut listener), [1.0]);
}
