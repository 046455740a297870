//! Books against a model that keeps a list of orders and sorts it for each reading.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Default)]
pub(super) struct Model(Vec<Order>);

impl Model {
    pub(super) fn apply(&mut self, group: &[Order]) {
        for event in group {
            if event.event_flags & SNAPSHOT_BEGIN != 0 {
                self.0.clear();
            }
            self.0.retain(|order| order.index != event.index);
            let sided =
                event.order_side == Side::Buy.into() || event.order_side == Side::Sell.into();
            let removed = event.event_flags & REMOVE_EVENT != 0;
            if sided && !removed && event.size > 0.0 && !event.price.is_nan() {
                self.0.push(*event);
            }
        }
    }

    pub(super) fn side(&self, side: Side) -> Vec<Order> {
        let mut orders: Vec<Order> =
            self.0.iter().filter(|order| order.order_side == side.into()).copied().collect();
        orders.sort_by(|one, other| {
            let by_price = one.price.partial_cmp(&other.price).expect("no price is NaN");
            let best_first = if side == Side::Buy { by_price.reverse() } else { by_price };
            let key =
                |order: &Order| (order.time, order.time_nano_part, order.sequence, order.index);
            best_first.then(key(one).cmp(&key(other)))
        });
        orders
    }
}

pub(super) fn assert_side(book: Orders<'_>, model: &[Order], depth: usize) {
    let seen: Vec<_> =
        book.orders(usize::MAX).map(|order| (order.index, order.price, order.size)).collect();
    let expected: Vec<_> =
        model.iter().map(|order| (order.index, order.price, order.size)).collect();
    assert_eq!(seen, expected);
    assert_eq!(book.len(), model.len());
    let expected: Vec<Level> = model
        .chunk_by(|one, other| {
            one.price.partial_cmp(&other.price) == Some(std::cmp::Ordering::Equal)
        })
        .take(depth)
        .map(|orders| Level {
            price: orders[0].price,
            size: orders[1..].iter().fold(orders[0].size, |sum, order| sum + order.size),
            count: orders.iter().map(|order| order.count.max(1) as u64).sum(),
        })
        .collect();
    assert_eq!(book.levels(depth).collect::<Vec<_>>(), expected);
}

/// An order of few indexes, prices and times, so that they meet.
fn event() -> impl Strategy<Value = Order> {
    let order_side = prop_oneof![
        8 => Just(Side::Buy),
        8 => Just(Side::Sell),
        1 => Just(Side::Undefined),
    ];
    let price = prop_oneof![
        20 => (-4..4_i8).prop_map(|tick| f64::from(tick) * 0.25),
        1 => Just(-0.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => any::<f64>(),
    ];
    let size = prop_oneof![
        20 => (1..40_i8).prop_map(|tenths| f64::from(tenths) * 0.1),
        2 => Just(0.0),
        1 => Just(f64::NAN),
        1 => Just(-1.0),
    ];
    let event_flags = prop_oneof![6 => Just(0), 1 => Just(REMOVE_EVENT)];
    let count = prop_oneof![Just(UNKNOWN_LONG), 0..5_i64];
    (-12..12_i64, order_side, price, size, event_flags, count, (0..3_i64, 0..2_i64, 0..3_i64))
        .prop_map(
            |(
                index,
                order_side,
                price,
                size,
                event_flags,
                count,
                (time, time_nano_part, sequence),
            )| Order {
                event_flags,
                time,
                time_nano_part,
                sequence,
                count,
                ..order(index, order_side, price, size)
            },
        )
}

/// A transaction, or a snapshot with its marks as the protocol sets them.
fn group() -> impl Strategy<Value = Vec<Order>> {
    let transaction = prop::collection::vec(event(), 1..6).prop_map(|mut events| {
        let last = events.len() - 1;
        for event in &mut events[..last] {
            event.event_flags |= TX_PENDING;
        }
        events
    });
    let snapshot =
        (prop::collection::vec(event(), 1..20), any::<bool>()).prop_map(|(mut events, snipped)| {
            let last = events.len() - 1;
            events[0].event_flags |= SNAPSHOT_BEGIN;
            events[last].event_flags |= if snipped { SNAPSHOT_SNIP } else { SNAPSHOT_END };
            events
        });
    prop_oneof![8 => transaction, 1 => snapshot]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_book_is_what_its_groups_say(groups in prop::collection::vec(group(), 1..40), depth in 0..6_usize) {
        let mut book = Book::new();
        let mut model = Model::default();
        let mut complete = false;
        for (epoch, group) in (1..).zip(&groups) {
            apply(&mut book, group);
            model.apply(group);
            complete |= group[0].event_flags & SNAPSHOT_BEGIN != 0;
            assert_side(book.bids(), &model.side(Side::Buy), depth);
            assert_side(book.asks(), &model.side(Side::Sell), depth);
            prop_assert_eq!(book.epoch(), epoch);
            prop_assert_eq!(book.len(), model.0.len());
            prop_assert_eq!(book.is_complete(), complete);
        }
    }

    #[test]
    fn books_do_not_mix(groups in prop::collection::vec((0..3_u32, 0..2_u32, group()), 1..40)) {
        let mut books = Books::new(6, 1000);
        let mut models: [Model; 6] = Default::default();
        for (symbol, source, group) in &groups {
            let group: Vec<Order> = group.iter().map(|&event| of(*symbol, *source, event)).collect();
            books.apply(EventKind::Order, &rows(&group));
            models[(symbol * 2 + source) as usize].apply(&group);
        }
        for (at, model) in (0..).zip(&models) {
            let source = Text::from(TextId(at % 2));
            match books.get(EventKind::Order, SymbolId(at / 2), source) {
                Some(book) => {
                    assert_side(book.bids(), &model.side(Side::Buy), 5);
                    assert_side(book.asks(), &model.side(Side::Sell), 5);
                }
                None => prop_assert!(model.0.is_empty()),
            }
        }
        prop_assert_eq!(books.orders(), models.iter().map(|model| model.0.len()).sum::<usize>());
    }
}
