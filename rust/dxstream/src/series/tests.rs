//! Series against a model that keeps what it is told and applies the rules one by one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::flags::TX_PENDING;
use crate::protocol::replay::Replay;
use crate::store::Consumer;
use crate::symbol::SymbolId;

const ZERO: f64 = 0.0;
const FIELDS: [&str; 8] =
    ["eventSymbol", "eventFlags", "index", "time", "open", "high", "low", "close"];

/// A bar of the wire: seconds, flags and close.
type WireBar = (i64, i64, f64);

fn bar((seconds, event_flags, close): WireBar) -> Candle {
    let time = seconds * 1000;
    let open = close;
    Candle {
        event_symbol: SymbolId(0),
        event_flags,
        index: index::pack(time, 0),
        time,
        open,
        high: close,
        low: close,
        close,
        ..Candle::UNKNOWN
    }
}

fn row(candle: &Candle) -> Vec<u64> {
    let mut words = vec![0; EventKind::Candle.fields().len()];
    candle.write_row(&mut words);
    words
}

fn series() -> Series {
    Series::new(EventKind::Candle, i64::MIN, Vec::new())
}

fn apply(series: &mut Series, bars: &[WireBar]) {
    for &wire in bars {
        series.apply(&row(&bar(wire)), 7);
    }
}

/// Seconds and close of each row.
fn held(series: &Series) -> Vec<(i64, f64)> {
    let candles = series.rows().map(|(row, _)| Candle::from_row(row));
    candles.map(|candle| (candle.time / 1000, candle.close)).collect()
}

#[test]
fn rows_are_in_order_and_a_correction_replaces_what_it_corrects() {
    let mut series = series();
    apply(&mut series, &[(3, 0, 3.0), (1, 0, 1.0), (2, 0, 2.0), (1, 0, 1.5)]);
    assert_eq!(held(&series), [(1, 1.5), (2, 2.0), (3, 3.0)]);
    assert!(series.rows().all(|(_, received_at)| received_at == 7));
}

#[test]
fn what_changes_nothing_is_no_change() {
    let mut series = series();
    let snapshot = [(0, 6, ZERO), (2, 4, 2.0), (1, 8, 1.0)];
    apply(&mut series, &snapshot);
    let epoch = series.epoch();
    apply(&mut series, &[(2, 0, 2.0), (9, 2, ZERO)]);
    apply(&mut series, &snapshot);
    assert_eq!(series.epoch(), epoch);
    apply(&mut series, &[(2, 0, 2.5)]);
    assert!(series.epoch() > epoch);
}

#[test]
fn a_series_is_complete_with_its_first_snapshot() {
    let mut series = series();
    apply(&mut series, &[(5, 0, 5.0), (4, 8, 4.0), (3, 4, 3.0), (2, 0, 2.0)]);
    assert!(!series.is_complete());
    assert_eq!(held(&series), [(4, 4.0), (5, 5.0)]);
    apply(&mut series, &[(1, 8, 1.0)]);
    assert!(series.is_complete());
    assert_eq!(held(&series), [(1, 1.0), (2, 2.0), (3, 3.0)]);
}

#[test]
fn an_empty_snapshot_completes_and_clears() {
    let mut series = series();
    apply(&mut series, &[(5, 0, 5.0), (1, 14, ZERO)]);
    assert!(series.is_complete() && series.is_empty());
}

#[test]
fn a_later_snapshot_replaces_what_is_not_older_than_its_start() {
    let mut series = series();
    apply(&mut series, &[(0, 6, ZERO), (9, 4, 9.0), (7, 0, 7.0), (5, 0, 5.0), (3, 8, 3.0)]);
    apply(&mut series, &[(5, 6, ZERO), (9, 4, 9.5), (8, 8, 8.0)]);
    assert_eq!(held(&series), [(3, 3.0), (8, 8.0), (9, 9.5)]);
    apply(&mut series, &[(9, 14, ZERO)]);
    assert_eq!(held(&series), [(3, 3.0), (8, 8.0)]);
}

#[test]
fn a_snapshot_that_was_cut_short_leaves_no_gap() {
    let mut series = series();
    apply(&mut series, &[(0, 6, ZERO), (5, 4, 5.0), (3, 8, 3.0)]);
    assert!(!series.is_snipped());
    apply(&mut series, &[(9, 4, 9.0), (8, 16, 8.0)]);
    assert!(series.is_snipped());
    assert_eq!(held(&series), [(8, 8.0), (9, 9.0)]);
    apply(&mut series, &[(9, 6, ZERO), (9, 12, 9.0)]);
    assert!(series.is_snipped());
    apply(&mut series, &[(0, 6, ZERO), (9, 12, 9.0)]);
    assert!(!series.is_snipped());
}

#[test]
fn a_snapshot_that_somebody_else_asked_for_does_not_complete() {
    let start = |seconds: i64| index::pack(seconds * 1000, 0);
    let mut series = Series::new(EventKind::Candle, start(2), vec![start(5), start(6)]);
    apply(&mut series, &[(5, 6, ZERO), (9, 12, 9.0)]);
    assert!(!series.is_complete());
    apply(&mut series, &[(2, 6, ZERO), (9, 4, 9.0), (5, 8, 5.0)]);
    assert!(series.is_complete());
    assert_eq!(held(&series), [(5, 5.0), (9, 9.0)]);
}

#[test]
fn rows_before_the_first_are_left_out() {
    let mut series = Series::new(EventKind::Candle, index::pack(2000, 0), Vec::new());
    apply(&mut series, &[(0, 6, ZERO), (3, 4, 3.0), (2, 0, 2.0), (1, 8, 1.0), (1, 0, ZERO)]);
    assert_eq!(held(&series), [(2, 2.0), (3, 3.0)]);
    assert_eq!(series.poison(), 0);
}

#[test]
fn poison_is_left_out_and_counted_by_index() {
    let mut series = series();
    let later = [2_145_916_800, 2_147_483_647, 2_147_483_648, 4_102_444_800];
    for seconds in later.into_iter().chain(later) {
        apply(&mut series, &[(seconds, 0, 1.0)]);
    }
    assert_eq!((series.poison(), series.is_empty()), (4, true));
    apply(&mut series, &[(2_145_916_799, 0, 1.0), (5, 0, 5.0), (5, 0, ZERO), (6, 0, -ZERO)]);
    assert_eq!(series.poison(), 6);
    assert_eq!(held(&series), [(5, 5.0), (2_145_916_799, 1.0)]);
    apply(&mut series, &[(5, 0, 5.5), (6, 2, ZERO), (2_147_483_648, 2, ZERO)]);
    assert_eq!(series.poison(), 3);
    apply(&mut series, &[(0, 6, ZERO), (5, 4, 5.0), (4, 8, ZERO)]);
    assert_eq!((series.poison(), held(&series)), (1, vec![(5, 5.0)]));
}

#[test]
fn a_bar_of_which_some_price_is_known_is_no_poison() {
    let mut series = series();
    let one = Candle { high: 0.5, ..bar((1, 0, ZERO)) };
    let unknown = Candle { high: f64::NAN, ..bar((2, 0, ZERO)) };
    series.apply(&[row(&one), row(&unknown), row(&bar((3, 0, f64::NAN)))].concat(), 0);
    assert_eq!((series.len(), series.poison()), (3, 0));
}

#[test]
fn where_no_index_is_sent_the_time_says_it() {
    let mut series = series();
    for wire in [(3, 4, 3.0), (2, 0, 2.0), (3, 0, 3.5), (1, 10, ZERO), (2, 2, ZERO)] {
        series.apply(&row(&Candle { index: 0, ..bar(wire) }), 0);
    }
    assert_eq!((held(&series), series.is_complete()), (vec![(3, 3.5)], true));
}

#[test]
fn a_row_takes_what_is_said_of_it() {
    let entry = size_of::<(i64, Bar)>();
    assert_eq!(entry, 32);
    // As for the orders of a book; and what an allocator adds to a row.
    let in_tree = (11 * entry + 16).div_ceil(5) + (12 * size_of::<usize>()).div_ceil(5 * 6);
    let words = EventKind::Candle.fields().len() * size_of::<u64>();
    assert!(words + 16 + in_tree <= Series::row_bytes(EventKind::Candle));
}

#[test]
fn other_time_series_are_held_as_well() {
    let mut series = Series::new(EventKind::Greeks, i64::MIN, Vec::new());
    let mut words = vec![0; EventKind::Greeks.fields().len()];
    crate::event::Greeks { index: 5, event_flags: 12, ..Record::UNKNOWN }.write_row(&mut words);
    series.apply(&words, 0);
    assert_eq!((series.len(), series.is_complete()), (1, true));
}

#[test]
#[should_panic(expected = "Order events are no time series")]
fn orders_make_no_series() {
    Series::new(EventKind::Order, 0, Vec::new());
}

/// What a program would keep that follows the rules event by event.
#[derive(Debug, Clone, Default)]
struct Model {
    first: i64,
    rows: BTreeMap<i64, u64>,
    poison: BTreeSet<(bool, i64)>,
    complete: bool,
    snipped: bool,
    pending: Vec<Candle>,
    loading: bool,
    mark: Option<i64>,
    least: Option<i64>,
    ended: Option<bool>,
}

impl Model {
    fn receive(&mut self, event: &Candle) {
        let flags = event.event_flags;
        if flags & SNAPSHOT_BEGIN != 0 {
            self.pending.clear();
            (self.loading, self.mark, self.least, self.ended) = (true, None, None, None);
        }
        let marks = flags & REMOVE_EVENT != 0
            && flags & (SNAPSHOT_BEGIN | SNAPSHOT_END | SNAPSHOT_SNIP) != 0
            && self.pending.iter().all(|other| other.index != event.index);
        if self.loading && marks {
            self.mark = self.mark.into_iter().chain([event.index]).min();
        }
        if self.loading && (event.time < POISON_TIME || flags & REMOVE_EVENT != 0) {
            self.least = self.least.into_iter().chain([event.index]).min();
        }
        self.pending.push(*event);
        if self.loading && flags & (SNAPSHOT_END | SNAPSHOT_SNIP) != 0 {
            self.loading = false;
            self.ended = Some(flags & SNAPSHOT_SNIP != 0);
        }
        if self.loading || flags & TX_PENDING != 0 {
            return;
        }
        if let Some(snipped) = self.ended.take() {
            let start = self.mark.take().or(self.least.take()).unwrap_or(i64::MIN);
            self.rows.retain(|index, _| *index < start && !snipped);
            self.poison.retain(|(far, index)| !far && *index < start && !snipped);
            self.snipped = snipped || self.snipped && !self.rows.is_empty();
            self.complete = true;
        }
        for event in std::mem::take(&mut self.pending) {
            self.apply(&event);
        }
    }

    fn apply(&mut self, event: &Candle) {
        let index = event.index;
        if event.event_flags & REMOVE_EVENT != 0 {
            self.rows.remove(&index);
            self.poison.retain(|poison| poison.1 != index);
        } else if event.time >= POISON_TIME {
            self.poison.insert((true, index));
        } else if index >= self.first && event.close == 0.0 {
            self.poison.insert((false, index));
        } else if index >= self.first {
            self.poison.remove(&(false, index));
            self.rows.insert(index, event.close.to_bits());
        }
    }
}

/// One bar of few times and prices, so that they meet; some are poison.
fn wire_bar() -> impl Strategy<Value = WireBar> {
    let seconds = prop_oneof![30 => 1..12_i64, 1 => Just(2_147_483_648)];
    let close = prop_oneof![6 => (1..4_i8).prop_map(f64::from), 1 => Just(ZERO)];
    (seconds, Just(0), close)
}

/// Live rows, whole and broken snapshots with and without marks, and rows with any flags.
fn wire_bars() -> impl Strategy<Value = Vec<WireBar>> {
    let flagged = |flags: BoxedStrategy<i64>| {
        (wire_bar(), flags).prop_map(|((seconds, _, close), flags)| vec![(seconds, flags, close)])
    };
    let live = prop_oneof![8 => Just(0), 1 => Just(TX_PENDING), 2 => Just(REMOVE_EVENT)].boxed();
    let ends = prop_oneof![
        4 => Just(Some(REMOVE_EVENT | SNAPSHOT_END)),
        2 => Just(Some(SNAPSHOT_END)),
        1 => Just(Some(SNAPSHOT_SNIP)),
        1 => Just(Some(REMOVE_EVENT | SNAPSHOT_END | TX_PENDING)),
        1 => Just(None),
    ];
    let snapshot = (prop::collection::vec(wire_bar(), 0..8), ends, 0..8_i64, any::<bool>())
        .prop_map(|(mut bars, end, from, descending)| {
            if descending {
                bars.sort_by_key(|bar| -bar.0);
            }
            match end {
                Some(flags) if flags & REMOVE_EVENT != 0 => bars.push((from, flags, ZERO)),
                Some(flags) => bars.push((from, flags, 1.0)),
                None => {}
            }
            if let Some(first) = bars.first_mut() {
                first.1 |= SNAPSHOT_BEGIN;
            }
            bars
        });
    prop_oneof![6 => flagged(live), 2 => snapshot, 1 => flagged((0..32_i64).boxed())]
}

fn wire_values(symbol: &str, wire: WireBar) -> Vec<Value> {
    let Candle { event_flags, index, time, close, .. } = bar(wire);
    let values = json!([symbol, event_flags, index, time, close, close, close, close]);
    values.as_array().unwrap().clone()
}

fn take_all(series: &mut Series, consumer: &mut Consumer) {
    while let Some((row, received_at)) = consumer.next_row(0) {
        series.apply(row, received_at);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_series_is_what_the_rules_make_of_its_frames(
        frames in prop::collection::vec(
            prop::collection::vec((any::<bool>(), wire_bars()), 1..4), 1..12),
        first in 0..4_i64,
    ) {
        const SYMBOLS: [&str; 2] = ["A{=m}", "A{=m,tho=true}"];
        let first = index::pack(first * 1000, 0);
        let mut replay = Replay::new(EventKind::Candle, Some(0), &FIELDS);
        let mut followed = SYMBOLS.map(|symbol| {
            let consumer = replay.store.follow(EventKind::Candle, replay.symbol(symbol), 1 << 20);
            (Series::new(EventKind::Candle, first, Vec::new()), consumer)
        });
        let mut models = [(); 2].map(|()| Model { first, ..Model::default() });
        for frame in &frames {
            let before = models.clone();
            let epochs = followed.each_ref().map(|(series, _)| series.epoch());
            let rows = frame.iter().flat_map(|(second, bars)| {
                bars.iter().map(|&bar| (usize::from(*second), bar))
            });
            let mut values = Vec::new();
            for (at, wire) in rows {
                values.extend(wire_values(SYMBOLS[at], wire));
                models[at].receive(&bar(wire));
            }
            replay.receive_data(&values);
            for (at, (series, consumer)) in followed.iter_mut().enumerate() {
                take_all(series, consumer);
                let model = &models[at];
                let rows: BTreeMap<i64, u64> = series.rows().map(|(row, _)| {
                    let candle = Candle::from_row(row);
                    (candle.index, candle.close.to_bits())
                }).collect();
                prop_assert_eq!(&rows, &model.rows);
                prop_assert_eq!(series.poison(), model.poison.len());
                prop_assert_eq!(series.is_complete(), model.complete);
                prop_assert_eq!(series.is_snipped(), model.snipped);
                prop_assert!(series.rows().map(|(row, _)| Candle::from_row(row).index).is_sorted());
                prop_assert_eq!(series.refused(), 0);
                let visible = |model: &Model| {
                    (model.rows.clone(), model.poison.clone(), model.complete, model.snipped)
                };
                if visible(&before[at]) != visible(model) {
                    prop_assert!(series.epoch() > epochs[at]);
                }
            }
        }
    }
}
