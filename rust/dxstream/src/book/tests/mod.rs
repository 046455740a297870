mod model;
mod replay;

use super::*;
use crate::event::flags::{REMOVE_EVENT, SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP, TX_PENDING};
use crate::event::{AnalyticOrder, Order, Record, Side, SpreadOrder, Text, UNKNOWN_LONG};
use crate::symbol::{SymbolId, TextId};

fn order(index: i64, order_side: Side, price: f64, size: f64) -> Order {
    Order { index, order_side: order_side.into(), price, size, ..Order::UNKNOWN }
}

fn bid(index: i64, price: f64, size: f64) -> Order {
    order(index, Side::Buy, price, size)
}

fn ask(index: i64, price: f64, size: f64) -> Order {
    order(index, Side::Sell, price, size)
}

fn removal(index: i64) -> Order {
    Order { index, event_flags: REMOVE_EVENT, ..Order::UNKNOWN }
}

fn flagged(event_flags: i64, order: Order) -> Order {
    Order { event_flags, ..order }
}

fn rows<R: Record>(events: &[R]) -> Vec<u64> {
    let width = R::KIND.fields().len();
    let mut words = vec![0; events.len() * width];
    for (row, event) in words.chunks_exact_mut(width).zip(events) {
        event.write_row(row);
    }
    words
}

fn apply(book: &mut Book, events: &[Order]) {
    book.apply(EventKind::Order, &rows(events));
}

fn book(events: &[Order]) -> Book {
    let mut book = Book::new();
    apply(&mut book, events);
    book
}

fn indexes(orders: Orders<'_>) -> Vec<i64> {
    orders.orders(usize::MAX).map(|order| order.index).collect()
}

fn levels(orders: Orders<'_>) -> Vec<(f64, f64, u64)> {
    orders.levels(usize::MAX).map(|level| (level.price, level.size, level.count)).collect()
}

#[test]
fn the_best_price_is_first_on_both_sides() {
    let book = book(&[
        bid(1, 9.0, 1.0),
        bid(2, 10.0, 1.0),
        bid(3, -1.0, 1.0),
        ask(4, 12.0, 1.0),
        ask(5, 11.0, 1.0),
        ask(6, -1.0, 1.0),
    ]);
    assert_eq!(indexes(book.bids()), [2, 1, 3]);
    assert_eq!(indexes(book.asks()), [6, 5, 4]);
}

#[test]
fn prices_order_from_minus_infinity_to_infinity() {
    let prices = [f64::NEG_INFINITY, -2.5, -f64::MIN_POSITIVE, 0.0, 5e-324, 1.0, f64::INFINITY];
    let mut events: Vec<Order> =
        (1..).zip(prices).map(|(index, price)| ask(index, price, 1.0)).collect();
    events.reverse();
    assert_eq!(indexes(book(&events).asks()), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn zero_and_negative_zero_are_one_price() {
    let book = book(&[ask(1, -0.0, 1.0), ask(2, 0.0, 2.0)]);
    assert_eq!(levels(book.asks()), [(0.0, 3.0, 2)]);
    assert!(book.asks().levels(1).all(|level| level.price.is_sign_positive()));
}

#[test]
fn orders_of_a_price_stand_by_time_then_sequence_then_index() {
    let at = |index, time, time_nano_part, sequence| Order {
        time,
        time_nano_part,
        sequence,
        ..bid(index, 10.0, 1.0)
    };
    let events = [at(1, 2, 0, 0), at(5, 1, 5, 9), at(4, 1, 6, 1), at(3, 1, 6, 2), at(-2, 1, 6, 2)];
    assert_eq!(indexes(book(&events).bids()), [5, 4, -2, 3, 1]);
}

#[test]
fn an_event_replaces_the_order_with_its_index() {
    let mut book = book(&[bid(1, 10.0, 5.0), bid(2, 9.0, 1.0)]);
    apply(&mut book, &[bid(1, 8.0, 7.0)]);
    assert_eq!(levels(book.bids()), [(9.0, 1.0, 1), (8.0, 7.0, 1)]);
}

#[test]
fn an_order_that_changes_sides_moves() {
    let mut book = book(&[bid(1, 10.0, 5.0)]);
    apply(&mut book, &[ask(1, 10.0, 5.0)]);
    assert!(book.bids().is_empty());
    assert_eq!(indexes(book.asks()), [1]);
    assert_eq!((book.len(), book.asks().len()), (1, 1));
}

#[test]
fn what_is_no_order_leaves_the_book() {
    let gone = [
        removal(1),
        flagged(REMOVE_EVENT, bid(1, 10.0, 5.0)),
        bid(1, 10.0, 0.0),
        bid(1, 10.0, -0.0),
        bid(1, 10.0, -1.0),
        bid(1, 10.0, f64::NAN),
        bid(1, f64::NAN, 5.0),
        order(1, Side::Undefined, 10.0, 5.0),
        Order { index: 1, price: 10.0, size: 5.0, ..Order::UNKNOWN },
    ];
    for (case, event) in gone.into_iter().enumerate() {
        let mut book = book(&[bid(1, 10.0, 5.0), bid(2, 9.0, 5.0)]);
        apply(&mut book, &[event]);
        assert_eq!(indexes(book.bids()), [2], "case {case}");
        assert_eq!(book.len(), 1, "case {case}");
    }
}

#[test]
fn removing_an_unknown_index_changes_nothing() {
    let mut book = book(&[bid(1, 10.0, 5.0)]);
    apply(&mut book, &[removal(9)]);
    assert_eq!(indexes(book.bids()), [1]);
    assert_eq!(book.epoch(), 2);
}

#[test]
fn a_snapshot_replaces_the_book() {
    let mut book = book(&[bid(1, 10.0, 5.0), ask(2, 11.0, 5.0)]);
    assert!(!book.is_complete());
    apply(
        &mut book,
        &[flagged(SNAPSHOT_BEGIN, bid(3, 9.0, 1.0)), flagged(SNAPSHOT_END, ask(4, 12.0, 1.0))],
    );
    assert_eq!((indexes(book.bids()), indexes(book.asks())), (vec![3], vec![4]));
    assert!(book.is_complete());
    apply(&mut book, &[flagged(SNAPSHOT_BEGIN | SNAPSHOT_SNIP, bid(5, 9.0, 1.0))]);
    assert_eq!((indexes(book.bids()), indexes(book.asks())), (vec![5], vec![]));
    assert!(book.is_complete());
}

#[test]
fn a_snapshot_in_parts_is_complete_with_its_last() {
    let mut book = book(&[flagged(SNAPSHOT_BEGIN | SNAPSHOT_END, bid(1, 10.0, 5.0))]);
    apply(&mut book, &[flagged(SNAPSHOT_BEGIN, bid(2, 9.0, 1.0))]);
    assert!(!book.is_complete());
    apply(&mut book, &[flagged(SNAPSHOT_END, bid(3, 8.0, 1.0))]);
    assert_eq!(indexes(book.bids()), [2, 3]);
    assert!(book.is_complete());
}

#[test]
fn an_end_without_a_begin_is_an_event_like_any_other() {
    let mut book = book(&[bid(1, 10.0, 5.0)]);
    apply(&mut book, &[flagged(SNAPSHOT_END, bid(2, 9.0, 1.0))]);
    assert_eq!(indexes(book.bids()), [1, 2]);
    assert!(!book.is_complete());
}

#[test]
fn a_cleared_book_is_complete_and_empty() {
    let mut book = book(&[bid(1, 10.0, 5.0)]);
    book.clear();
    assert!(book.is_empty() && book.bids().is_empty() && book.is_complete());
    assert_eq!(book.epoch(), 2);
}

#[test]
fn levels_sum_sizes_and_count_orders() {
    let counted = |count, order| Order { count, ..order };
    let book = book(&[
        counted(UNKNOWN_LONG, bid(1, 10.0, 0.1)),
        counted(0, bid(2, 10.0, 0.2)),
        counted(7, bid(3, 10.0, 0.3)),
        counted(1, bid(4, 9.5, 4.0)),
        bid(5, 9.0, 5.0),
    ]);
    let sum = 0.1 + 0.2 + 0.3;
    assert_eq!(levels(book.bids()), [(10.0, sum, 9), (9.5, 4.0, 1), (9.0, 5.0, 1)]);
    assert_eq!(book.bids().levels(2).count(), 2);
    assert_eq!(book.bids().levels(0).count(), 0);
    assert_eq!(book.bids().orders(4).count(), 4);
}

#[test]
fn a_price_has_no_trace_of_orders_that_left() {
    let mut book = book(&[bid(1, 10.0, 0.1), bid(2, 10.0, 1e17)]);
    apply(&mut book, &[removal(2)]);
    assert_eq!(levels(book.bids()), [(10.0, 0.1, 1)]);
    apply(&mut book, &[bid(2, 10.0, f64::INFINITY)]);
    apply(&mut book, &[removal(2)]);
    assert_eq!(levels(book.bids()), [(10.0, 0.1, 1)]);
}

#[test]
fn a_group_is_one_step_of_the_epoch() {
    let mut book = Book::new();
    assert_eq!(book.epoch(), 0);
    // A sale that takes the best bid and leaves its rest at that price: half of it would be a
    // crossed book.
    apply(&mut book, &[bid(1, 10.0, 5.0), ask(2, 11.0, 5.0)]);
    apply(&mut book, &[flagged(TX_PENDING, ask(3, 10.0, 2.0)), bid(1, 10.0, 0.0)]);
    assert_eq!(book.epoch(), 2);
    assert!(book.bids().is_empty());
    assert_eq!(levels(book.asks()), [(10.0, 2.0, 1), (11.0, 5.0, 1)]);
}

#[test]
fn every_order_type_makes_a_book() {
    let (buy, price, size) = (Side::Buy.into(), 10.0, 5.0);
    let text = Text::from(TextId(7));
    let mut book = Book::new();
    let event =
        AnalyticOrder { order_side: buy, price, size, market_maker: text, ..Record::UNKNOWN };
    book.apply(EventKind::AnalyticOrder, &rows(&[event]));
    assert!(book.bids().orders(1).all(|order| order.market_maker == text));
    assert_eq!(levels(book.bids()), [(10.0, 5.0, 1)]);

    let mut book = Book::new();
    let event =
        SpreadOrder { order_side: buy, price, size, spread_symbol: text, ..Record::UNKNOWN };
    book.apply(EventKind::SpreadOrder, &rows(&[event]));
    assert!(book.bids().orders(1).all(|order| order.spread_symbol == text));
    assert_eq!(levels(book.bids()), [(10.0, 5.0, 1)]);
}

#[test]
#[should_panic(expected = "Quote events are not orders")]
fn quotes_make_no_book() {
    let row = vec![0; EventKind::Quote.fields().len()];
    Book::new().apply(EventKind::Quote, &row);
}

fn of(symbol: u32, source: u32, order: Order) -> Order {
    Order { event_symbol: SymbolId(symbol), source: Text::from(TextId(source)), ..order }
}

fn get(books: &Books, symbol: u32, source: u32) -> Option<Vec<i64>> {
    books
        .get(EventKind::Order, SymbolId(symbol), TextId(source).into())
        .map(|book| indexes(book.bids()))
}

#[test]
fn each_type_symbol_and_source_has_its_own_book() {
    let mut books = Books::new(10, 100);
    let events = [
        of(1, 1, bid(1, 10.0, 1.0)),
        of(1, 2, bid(1, 10.0, 1.0)),
        of(2, 1, bid(1, 10.0, 1.0)),
        of(1, 1, bid(2, 9.0, 1.0)),
    ];
    books.apply(EventKind::Order, &rows(&events));
    let snapshot = flagged(SNAPSHOT_BEGIN | SNAPSHOT_END, of(1, 2, bid(3, 9.0, 1.0)));
    books.apply(EventKind::Order, &rows(&[snapshot]));
    books.apply(EventKind::Quote, &vec![0; EventKind::Quote.fields().len()]);
    assert_eq!(get(&books, 1, 1), Some(vec![1, 2]));
    assert_eq!(get(&books, 1, 2), Some(vec![3]));
    assert_eq!(get(&books, 2, 1), Some(vec![1]));
    assert_eq!(get(&books, 2, 2), None);
    assert!(books.get(EventKind::SpreadOrder, SymbolId(1), TextId(1).into()).is_none());
    assert_eq!((books.len(), books.orders()), (3, 4));
    let analytic = AnalyticOrder {
        event_symbol: SymbolId(1),
        source: TextId(1).into(),
        event_flags: SNAPSHOT_BEGIN | SNAPSHOT_END,
        ..Record::UNKNOWN
    };
    books.apply(EventKind::AnalyticOrder, &rows(&[analytic]));
    assert_eq!((books.len(), get(&books, 1, 1)), (4, Some(vec![1, 2])));
}

#[test]
fn books_keep_to_their_bounds_and_say_so() {
    let mut books = Books::new(2, 3);
    let text = |source| Text::from(TextId(source));
    let begun = flagged(SNAPSHOT_BEGIN | SNAPSHOT_END, of(1, 1, bid(1, 10.0, 1.0)));
    let events =
        [begun, of(1, 2, bid(2, 9.0, 1.0)), of(1, 3, bid(3, 8.0, 1.0)), of(1, 1, bid(4, 9.0, 1.0))];
    books.apply(EventKind::Order, &rows(&events));
    assert_eq!((books.len(), books.orders(), books.refused()), (2, 3, 1));
    assert!(books.get(EventKind::Order, SymbolId(1), text(1)).unwrap().is_complete());

    books.apply(EventKind::Order, &rows(&[of(1, 1, bid(5, 9.5, 1.0)), of(1, 1, bid(4, 8.0, 2.0))]));
    assert_eq!(get(&books, 1, 1), Some(vec![1, 4]), "a known order may still change");
    let book = books.get(EventKind::Order, SymbolId(1), text(1)).unwrap();
    assert!(!book.is_complete());
    assert_eq!((book.refused(), books.orders()), (1, 3));

    books.clear(EventKind::Order, SymbolId(1), text(1));
    books.forget(EventKind::Order, SymbolId(1), text(2));
    assert_eq!((books.len(), books.orders(), get(&books, 1, 1)), (1, 0, Some(vec![])));
    books.apply(EventKind::Order, &rows(&[of(1, 3, bid(3, 8.0, 1.0))]));
    assert_eq!((books.orders(), get(&books, 1, 3)), (1, Some(vec![3])));
}

#[test]
fn a_book_that_begins_empty_is_complete_with_its_first_order() {
    let mut books = Books::new(1, 3);
    let source = Text::from(TextId(1));
    books.clear(EventKind::Order, SymbolId(1), source);
    let book = books.get(EventKind::Order, SymbolId(1), source).unwrap();
    assert!(book.is_empty() && book.is_complete());
    books.clear(EventKind::Order, SymbolId(2), source);
    assert_eq!(books.len(), 1, "there is room for one");
    books.apply(EventKind::Order, &rows(&[of(1, 1, bid(1, 10.0, 1.0))]));
    let book = books.get(EventKind::Order, SymbolId(1), source).unwrap();
    assert!(book.is_complete());
    assert_eq!((get(&books, 1, 1), books.orders()), (Some(vec![1]), 1));
}

#[test]
fn an_order_takes_what_the_bound_counts_with() {
    assert_eq!(size_of::<(Rank, BookOrder)>(), 136);
    assert_eq!(size_of::<(i64, (BookSide, Rank))>(), 56);
    // A node that is not the root has 5 entries at least, room for 11, a link and two lengths; one
    // above the leaves has 12 edges more and, as each has 6 at least, a sixth of the entries.
    let entry = |bytes: usize| {
        let leaf = (11 * bytes + 16).div_ceil(5);
        leaf + (12 * size_of::<usize>()).div_ceil(5 * 6)
    };
    assert!(entry(136) + entry(56) <= Books::ORDER_BYTES);
}

#[test]
fn an_interrupted_book_shows_what_was_known_and_is_not_complete_before_a_snapshot() {
    let mut books = Books::new(8, 8);
    let snapshot = |symbol| of(symbol, 1, flagged(SNAPSHOT_BEGIN | SNAPSHOT_END, bid(7, 1.0, 1.0)));
    books.apply(EventKind::Order, &rows(&[snapshot(1)]));
    books.apply(EventKind::Order, &rows(&[snapshot(2)]));
    books.interrupt(EventKind::Order, &[SymbolId(1)].into());
    let complete = |books: &Books, symbol| {
        let source = Text::from(TextId(1));
        books.get(EventKind::Order, SymbolId(symbol), source).is_some_and(Book::is_complete)
    };
    assert_eq!(get(&books, 1, 1), Some(vec![7]));
    assert!(!complete(&books, 1) && complete(&books, 2));
    books.apply(EventKind::Order, &rows(&[of(1, 1, bid(8, 2.0, 1.0))]));
    assert!(!complete(&books, 1));
    books.apply(EventKind::Order, &rows(&[snapshot(1)]));
    assert!(complete(&books, 1));
    assert_eq!(get(&books, 1, 1), Some(vec![7]));
}
