//! Playing a tape.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use dxstream::event::{Char, Direction, EventKind, Field, MAX_WORDS, Quote, Record, Trade, flags};
use dxstream::symbol::SymbolId;

use super::{Body, Tape};
use crate::source::{Due, EventSource, Row};

/// Events of an indexed type that are kept for the history of a symbol.
const HISTORY: usize = 16_384;

/// No event yet.
const NONE: u32 = u32::MAX;

/// How fast a tape is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// This many times as fast as it was recorded; 1 is real time.
    Scaled(f64),
    /// As fast as it is asked for; always due.
    Full,
}

impl Speed {
    /// As fast as it was recorded.
    pub const REAL: Self = Self::Scaled(1.0);
}

/// The trading day of a symbol so far, as trades make it up; prices times 10,000.
#[derive(Debug, Clone, Copy)]
struct Day {
    number: u16,
    volume: u64,
    turnover: u64,
    price: u32,
    direction: Direction,
}

impl Day {
    const NONE: Self =
        Self { number: 0, volume: 0, turnover: 0, price: 0, direction: Direction::Undefined };

    fn trade(&mut self, number: u16, price: u32, size: u32) {
        if self.number != number {
            *self = Self { number, ..Self::NONE };
        }
        self.direction = match (price.cmp(&self.price), self.direction) {
            _ if self.price == 0 => Direction::Undefined,
            (std::cmp::Ordering::Less, _) => Direction::Down,
            (std::cmp::Ordering::Greater, _) => Direction::Up,
            (_, Direction::Down | Direction::ZeroDown) => Direction::ZeroDown,
            (_, Direction::Up | Direction::ZeroUp) => Direction::ZeroUp,
            (_, Direction::Undefined | Direction::Zero) => Direction::Zero,
        };
        self.price = price;
        self.volume = self.volume.saturating_add(u64::from(size));
        self.turnover = self.turnover.saturating_add(u64::from(size) * u64::from(price));
    }
}

/// What is kept of a symbol while its tape is played.
#[derive(Debug, Clone)]
struct Played {
    /// By event type, the last entry that was played.
    latest: Vec<u32>,
    day: Day,
    /// Types that the tape has of the symbol, a bit each.
    kinds: u32,
}

/// A tape as a source of events.
///
/// [`EventSource::latest`] and [`EventSource::history`] answer from what has been played. History is
/// that of indexed types, made of the last 16,384 events of a type and symbol; ticks have none.
#[derive(Debug)]
pub struct TapePlayer {
    tape: Tape,
    speed: Speed,
    next: usize,
    places: HashMap<SymbolId, u32>,
    played: Vec<Played>,
    history: HashMap<(EventKind, u32), VecDeque<u32>>,
}

impl TapePlayer {
    /// A player at the beginning of a tape.
    ///
    /// # Panics
    /// If a scale is not above 0.
    pub fn new(tape: Tape, speed: Speed) -> Self {
        if let Speed::Scaled(scale) = speed {
            assert!(scale > 0.0, "a tape is played at a speed above 0");
        }
        let none = Played { latest: vec![NONE; EventKind::ALL.len()], day: Day::NONE, kinds: 0 };
        let mut played = vec![none; tape.symbols.len()];
        for entry in &tape.entries {
            played[entry.symbol as usize].kinds |= 1 << entry.body.kind() as u32;
        }
        let places = tape.symbols.iter().enumerate().map(|(place, &id)| (id, place as u32));
        let places = places.collect();
        Self { tape, speed, next: 0, places, played, history: HashMap::new() }
    }

    /// The tape.
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// How many events have been played.
    pub fn played(&self) -> usize {
        self.next
    }

    /// Goes back to the beginning and forgets what has been played. The exchange's clock must start
    /// anew as well, unless the speed is full.
    pub fn rewind(&mut self) {
        self.next = 0;
        self.history.clear();
        for played in &mut self.played {
            played.latest.fill(NONE);
            played.day = Day::NONE;
        }
    }

    /// When an entry is due.
    fn due_at(&self, entry: usize) -> Duration {
        let since = self.tape.entries[entry].time.abs_diff(self.tape.entries[0].time);
        match self.speed {
            Speed::Full => Duration::ZERO,
            Speed::Scaled(scale) => {
                let seconds = Duration::from_millis(since).as_secs_f64() / scale;
                Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
            }
        }
    }

    /// The row of an entry; for a tick, with the day as it is now.
    fn row(&self, entry: u32) -> Row {
        let entry = &self.tape.entries[entry as usize];
        let symbol = self.tape.symbols[entry.symbol as usize];
        match entry.body {
            Body::Quote { sequence, bid, ask, bid_size, ask_size, bid_exchange, ask_exchange } => {
                Row::new(&Quote {
                    event_symbol: symbol,
                    sequence: i64::from(sequence),
                    bid_time: entry.time,
                    bid_exchange_code: Char::new(char::from(bid_exchange)),
                    bid_price: price(bid),
                    bid_size: f64::from(bid_size),
                    ask_time: entry.time,
                    ask_exchange_code: Char::new(char::from(ask_exchange)),
                    ask_price: price(ask),
                    ask_size: f64::from(ask_size),
                    ..Quote::UNKNOWN
                })
            }
            Body::Trade { sequence, price: cost, size, day, exchange, extended } => {
                let known = &self.played[entry.symbol as usize].day;
                Row::new(&Trade {
                    event_symbol: symbol,
                    time: entry.time,
                    sequence: i64::from(sequence),
                    exchange_code: Char::new(char::from(exchange)),
                    price: price(cost),
                    size: f64::from(size),
                    day_id: i64::from(day),
                    day_volume: known.volume as f64,
                    day_turnover: known.turnover as f64 / 10_000.0,
                    tick_direction: known.direction.into(),
                    extended_trading_hours: extended.into(),
                    ..Trade::UNKNOWN
                })
            }
            Body::Row { kind, at } => {
                let mut words = [0; MAX_WORDS];
                let (at, width) = (at as usize, kind.fields().len());
                words[..width].copy_from_slice(&self.tape.words[at..at + width]);
                Row { kind, words }
            }
        }
    }

    /// Enters the next entry as played.
    fn play(&mut self) -> Row {
        let at = self.next as u32;
        let entry = &self.tape.entries[self.next];
        let kind = entry.body.kind();
        let played = &mut self.played[entry.symbol as usize];
        played.latest[kind as usize] = at;
        if let Body::Trade { day, price, size, .. } = entry.body {
            played.day.trade(day, price, size);
        }
        if kind.delivery().indexed {
            let kept = self.history.entry((kind, entry.symbol)).or_default();
            if kept.len() == HISTORY {
                kept.pop_front();
            }
            kept.push_back(at);
        }
        self.next += 1;
        self.row(at)
    }
}

/// A price that was times 10,000, to the nearest double.
fn price(times_ten_thousand: u32) -> f64 {
    f64::from(times_ten_thousand) / 10_000.0
}

/// The place of a field in the rows of a type.
fn place_of(kind: EventKind, wire: &str) -> Option<usize> {
    kind.fields().iter().position(|field: &Field| field.wire == wire)
}

impl EventSource for TapePlayer {
    fn knows(&mut self, kind: EventKind, symbol: &str) -> bool {
        let has = |played: &Played| played.kinds & (1 << kind as u32) != 0;
        match self.tape.names.get(symbol) {
            Some(&place) => has(&self.played[place as usize]),
            None => symbol == "*" && self.played.iter().any(has),
        }
    }

    fn latest(&mut self, kind: EventKind, symbol: SymbolId) -> Option<Row> {
        let place = *self.places.get(&symbol)?;
        let entry = self.played[place as usize].latest[kind as usize];
        (entry != NONE).then(|| self.row(entry))
    }

    fn history(
        &mut self,
        kind: EventKind,
        symbol: SymbolId,
        source: Option<&str>,
        from_time: i64,
    ) -> Vec<Row> {
        let kept = self.places.get(&symbol).and_then(|&place| self.history.get(&(kind, place)));
        let (Some(kept), Some(index), Some(event_flags)) =
            (kept, place_of(kind, "index"), place_of(kind, "eventFlags"))
        else {
            return Vec::new();
        };
        let source = place_of(kind, "source").zip(source);
        let time = place_of(kind, "time").filter(|_| kind.delivery().time_series);
        let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
        for &entry in kept {
            let mut row = self.row(entry);
            let other = source.is_some_and(|(at, wanted)| {
                self.tape.sources.get(wanted).is_none_or(|text| text.0 != row.words[at])
            });
            if other || time.is_some_and(|at| (row.words[at] as i64) < from_time) {
                continue;
            }
            let removed = row.words[event_flags] as i64 & flags::REMOVE_EVENT != 0;
            row.words[event_flags] = 0;
            if removed {
                rows.remove(&(row.words[index] as i64));
            } else {
                rows.insert(row.words[index] as i64, row);
            }
        }
        rows.into_values().collect()
    }

    fn due(&self) -> Due {
        if self.next == self.tape.len() { Due::Never } else { Due::At(self.due_at(self.next)) }
    }

    fn advance(&mut self, now: Duration, most: usize, emit: &mut dyn FnMut(&Row)) {
        for _ in 0..most {
            if self.next == self.tape.len() || self.due_at(self.next) > now {
                return;
            }
            emit(&self.play());
        }
    }
}
