//! A small order book around the quote.

/// Price levels on each side, one order each.
pub(super) const LEVELS: usize = 10;

/// The source of the book's orders.
pub(super) const SOURCE: &str = "NTV";

/// One order of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BookOrder {
    /// Identifier, from 1, in order of arrival.
    pub(super) id: u32,
    /// Whether it stands on the bid side.
    pub(super) buy: bool,
    /// In cents.
    pub(super) price: i64,
    pub(super) size: u32,
    /// Arrival or last change, nanoseconds since 1970 UTC.
    pub(super) time: i64,
    /// Whether its size has changed since it arrived.
    pub(super) replaced: bool,
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Resize,
    Remove,
}

/// The orders of one instrument, best first on each side.
#[derive(Debug, Default)]
pub(super) struct Book {
    bids: Vec<BookOrder>,
    asks: Vec<BookOrder>,
    last_id: u32,
}

impl Book {
    /// Moves the book to a new quote; levels lie `step` cents apart behind the best, `size` gives a
    /// level's size by its side and price. Each change is told once, removals first.
    pub(super) fn follow(
        &mut self,
        time: i64,
        (bid, ask): (i64, i64),
        step: i64,
        size: impl Fn(bool, i64) -> u32,
        mut tell: impl FnMut(Change, &BookOrder),
    ) {
        let last_id = &mut self.last_id;
        for (buy, side) in [(true, &mut self.bids), (false, &mut self.asks)] {
            let best = if buy { bid } else { ask };
            // Levels behind the best lie on multiples of the step, so that most survive a move.
            let prices: [i64; LEVELS] = std::array::from_fn(|level| match (level as i64, buy) {
                (0, _) => best,
                (level, true) => (best - 1).div_euclid(step) * step - (level - 1) * step,
                (level, false) => -(-(best + 1)).div_euclid(step) * step + (level - 1) * step,
            });
            side.retain(|order| {
                let stays = prices.contains(&order.price);
                if !stays {
                    tell(Change::Remove, order);
                }
                stays
            });
            for price in prices.into_iter().filter(|&price| price > 0) {
                let wanted = size(buy, price);
                if let Some(order) = side.iter_mut().find(|order| order.price == price) {
                    if order.size != wanted {
                        (order.size, order.time, order.replaced) = (wanted, time, true);
                        tell(Change::Resize, order);
                    }
                } else {
                    *last_id += 1;
                    let order =
                        BookOrder { id: *last_id, buy, price, size: wanted, time, replaced: false };
                    tell(Change::Add, &order);
                    side.push(order);
                }
            }
            side.sort_by_key(|order| if buy { -order.price } else { order.price });
        }
    }

    /// The bids, best first.
    pub(super) fn bids(&self) -> &[BookOrder] {
        &self.bids
    }

    /// The asks, best first.
    pub(super) fn asks(&self) -> &[BookOrder] {
        &self.asks
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn changes_add_up_to_the_book() {
        let mut book = Book::default();
        let mut mirror: BTreeMap<u32, BookOrder> = BTreeMap::new();
        for (time, quote) in
            [(15_000, 15_002), (15_001, 15_002), (15_001, 15_002), (14_990, 14_993)]
                .iter()
                .enumerate()
        {
            let size = |buy: bool, price: i64| {
                100 + (price % 7) as u32 * 10 + u32::from(buy) + time as u32
            };
            book.follow(time as i64, *quote, 2, size, |change, order| match change {
                Change::Add => assert!(mirror.insert(order.id, *order).is_none()),
                Change::Resize => assert!(mirror.insert(order.id, *order).is_some()),
                Change::Remove => assert!(mirror.remove(&order.id).is_some()),
            });
            let mut held: Vec<_> = book.bids().iter().chain(book.asks()).copied().collect();
            held.sort_by_key(|order| order.id);
            assert_eq!(held, mirror.values().copied().collect::<Vec<_>>());
            assert_eq!((book.bids()[0].price, book.asks()[0].price), *quote);
            assert_eq!((book.bids().len(), book.asks().len()), (LEVELS, LEVELS));
            assert!(book.bids().windows(2).all(|pair| pair[0].price > pair[1].price));
            assert!(book.asks().windows(2).all(|pair| pair[0].price < pair[1].price));
        }
    }
}
