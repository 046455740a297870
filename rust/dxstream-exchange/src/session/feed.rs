//! A FEED channel: its configuration, the rows that wait for its next frames, and the frames.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use dxstream::event::{Contract, EventKind};
use dxstream::symbol::{SymbolId, Tables};
use foldhash::fast::RandomState;

use crate::config::Rules;
use crate::encode::Layout;
use crate::fault::Encoding;
use crate::session::message::ClientMessage;
use crate::session::outbox::Outbox;
use crate::session::reply;
use crate::source::Row;

/// Bytes that end a frame: `]]}`.
const FRAME_END: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataFormat {
    Full,
    Compact,
}

impl DataFormat {
    const fn of(compact: bool) -> Self {
        if compact { Self::Compact } else { Self::Full }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Compact => "COMPACT",
        }
    }
}

/// What conflation holds equal: the symbol, and the index where the contract is HISTORY.
type Place = (EventKind, SymbolId, Option<i64>);

/// One FEED channel.
#[derive(Debug)]
pub(crate) struct Feed {
    channel: i64,
    pub(crate) contract: Contract,
    format: DataFormat,
    /// What the format and the fields are, whatever the client asks for.
    encoding: Encoding,
    period: Duration,
    /// The fields that the client asked for.
    asked: HashMap<EventKind, Vec<String>>,
    /// The fields that the client was told of.
    layouts: HashMap<EventKind, Layout>,
    pending: VecDeque<Row>,
    /// Rows of `pending` that a newer one replaces, numbered from the channel's first row.
    places: HashMap<Place, u64, RandomState>,
    /// The number of the first row of `pending`.
    first: u64,
    flushed: Option<Duration>,
    due: Option<Duration>,
    frame: Frame,
}

/// The frame that is being written.
#[derive(Debug, Default)]
struct Frame {
    kind: Option<EventKind>,
    bytes: Vec<u8>,
    rows: usize,
    row: Vec<u8>,
}

impl Feed {
    pub(crate) fn new(
        channel: i64,
        contract: Contract,
        encoding: &Encoding,
        rules: &Rules,
    ) -> Self {
        Self {
            channel,
            contract,
            format: DataFormat::of(encoding.compact == Some(true)),
            encoding: encoding.clone(),
            period: rules.aggregation.grant(None),
            asked: HashMap::new(),
            layouts: HashMap::new(),
            pending: VecDeque::new(),
            places: HashMap::default(),
            first: 0,
            flushed: None,
            due: None,
            frame: Frame::default(),
        }
    }

    /// Takes a FEED_SETUP and answers it; the fields of a type are told with its first data.
    pub(crate) fn set_up(&mut self, message: &ClientMessage, rules: &Rules, outbox: &mut Outbox) {
        if let Some(wish) = &message.accept_aggregation_period {
            self.period = rules.aggregation.grant(wish.seconds());
        }
        match message.accept_data_format.as_deref() {
            _ if self.encoding.compact.is_some() => {}
            Some("COMPACT") => self.format = DataFormat::Compact,
            Some("FULL") => self.format = DataFormat::Full,
            _ => {}
        }
        for (name, fields) in message.accept_event_fields.iter().flatten() {
            let Some(kind) = find_kind(name) else { continue };
            let layout =
                Layout::new(kind, self.encoding.fields(kind).unwrap_or(fields), rules.field_names);
            if self.layouts.get(&kind).is_some_and(|told| *told != layout) {
                self.layouts.remove(&kind);
            }
            self.asked.insert(kind, fields.clone());
        }
        outbox.push(reply::feed_config(self.channel, self.format.name(), self.period, None));
    }

    /// Encodes rows in another way from here on and tells the client; fields are told with the next data.
    pub(crate) fn reconfigure(&mut self, encoding: &Encoding, outbox: &mut Outbox) {
        self.encoding = encoding.clone();
        if let Some((kind, _)) = &encoding.fields {
            self.layouts.remove(kind);
        }
        if let Some(compact) = encoding.compact {
            self.format = DataFormat::of(compact);
        }
        outbox.push(reply::feed_config(self.channel, self.format.name(), self.period, None));
    }

    /// Puts a live row behind those that wait, or in the place of the one that it makes old. Ticks of
    /// a client that is `behind` are conflated even without aggregation.
    pub(crate) fn push(&mut self, now: Duration, row: &Row, contract: Contract, behind: bool) {
        let mut row = *row;
        let place = match contract {
            Contract::Ticker if behind || self.period > Duration::ZERO => Some(None),
            Contract::History if self.period > Duration::ZERO => Some(Some(row.index())),
            _ => None,
        };
        if contract != Contract::History {
            row.set_flags(0);
        } else if row.flags() != 0 {
            // Nothing is conflated across a transaction, a removal or a snapshot.
            self.places.retain(|place, _| place.2.is_none());
        }
        if place.is_none() && !self.places.is_empty() {
            // A later row must not take the place of one that stands before this.
            self.places.remove(&(row.kind, row.symbol(), None));
        }
        let number = self.first + self.pending.len() as u64;
        let conflated = place.filter(|_| row.flags() == 0).and_then(|index| {
            match self.places.entry((row.kind, row.symbol(), index)) {
                std::collections::hash_map::Entry::Occupied(older) => Some(*older.get()),
                std::collections::hash_map::Entry::Vacant(vacant) => {
                    vacant.insert(number);
                    None
                }
            }
        });
        match conflated {
            Some(older) => self.pending[(older - self.first) as usize] = row,
            None => self.pending.push_back(row),
        }
        let next = self.flushed.map_or(now, |flushed| (flushed + self.period).max(now));
        self.due.get_or_insert(next);
    }

    /// Drops waiting rows that nobody wants any more.
    pub(crate) fn keep(&mut self, mut wanted: impl FnMut(&Row) -> bool) {
        let mut number = self.first;
        let mut dropped = Vec::new();
        self.pending.retain(|row| {
            let keep = wanted(row);
            if !keep {
                dropped.push(number);
            }
            number += 1;
            keep
        });
        if !dropped.is_empty() {
            self.places.retain(|_, number| match dropped.binary_search(number) {
                Ok(_) => false,
                Err(before) => {
                    *number -= before as u64;
                    true
                }
            });
        }
    }

    /// When rows should be sent.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// How many rows wait.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Sends the rows that wait, as many as the outbox has room for.
    pub(crate) fn flush(
        &mut self,
        now: Duration,
        tables: &Tables,
        rules: &Rules,
        outbox: &mut Outbox,
    ) {
        while outbox.bytes() + self.frame.bytes.len() < rules.outbox_bytes {
            let Some(row) = self.pending.pop_front() else { break };
            self.first += 1;
            self.write(&row, tables, rules, outbox);
        }
        self.end_frame(outbox);
        if self.pending.is_empty() {
            self.places.clear();
            self.flushed = Some(now);
            self.due = None;
        } else {
            let first = self.first;
            self.places.retain(|_, number| *number >= first);
        }
    }

    /// Sends rows at once, before those that wait.
    pub(crate) fn send(
        &mut self,
        rows: &[Row],
        tables: &Tables,
        rules: &Rules,
        outbox: &mut Outbox,
    ) {
        for row in rows {
            self.write(row, tables, rules, outbox);
        }
        self.end_frame(outbox);
    }

    /// The fields of a type's rows, told to the client if it does not know them.
    pub(crate) fn layout(
        &mut self,
        kind: EventKind,
        rules: &Rules,
        outbox: &mut Outbox,
    ) -> &Layout {
        self.layouts.entry(kind).or_insert_with(|| {
            let asked = self.asked.get(&kind).map_or(&[][..], Vec::as_slice);
            let fields = self.encoding.fields(kind).unwrap_or(asked);
            let layout = Layout::new(kind, fields, rules.field_names);
            let fields = Some((kind.name(), layout.names()));
            outbox.push(reply::feed_config(self.channel, self.format.name(), self.period, fields));
            layout
        })
    }

    fn write(&mut self, row: &Row, tables: &Tables, rules: &Rules, outbox: &mut Outbox) {
        if !self.layouts.contains_key(&row.kind) {
            self.end_frame(outbox);
        }
        let format = self.format;
        let mut text = std::mem::take(&mut self.frame.row);
        text.clear();
        let layout = self.layout(row.kind, rules, outbox);
        match format {
            DataFormat::Compact => layout.write_compact(&mut text, row, tables, rules),
            DataFormat::Full => layout.write_full(&mut text, row, tables, rules),
        }
        let one_type = !rules.several_types_a_frame;
        let frame = &self.frame;
        let fits = frame.bytes.len() + text.len() + row.kind.name().len() + FRAME_END + 6
            <= rules.max_frame_bytes
            && frame.rows < rules.max_frame_rows
            && (frame.kind == Some(row.kind) || !one_type);
        if !fits {
            self.end_frame(outbox);
        }
        let frame = &mut self.frame;
        let compact = format == DataFormat::Compact;
        match frame.kind {
            None => {
                let start = format!(r#"{{"type":"FEED_DATA","channel":{},"data":["#, self.channel);
                frame.bytes.extend_from_slice(start.as_bytes());
                if compact {
                    frame.bytes.extend_from_slice(format!("\"{}\",[", row.kind.name()).as_bytes());
                }
            }
            Some(kind) if kind != row.kind && compact => {
                frame.bytes.extend_from_slice(format!("],\"{}\",[", row.kind.name()).as_bytes());
            }
            Some(_) => frame.bytes.push(b','),
        }
        frame.kind = Some(row.kind);
        frame.bytes.extend_from_slice(&text);
        frame.rows += 1;
        frame.row = text;
        outbox.sent.events[row.kind as usize] += 1;
    }

    fn end_frame(&mut self, outbox: &mut Outbox) {
        if self.frame.kind.take().is_none() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.frame.bytes);
        self.frame.rows = 0;
        bytes.extend_from_slice(match self.format {
            DataFormat::Compact => b"]]}",
            DataFormat::Full => b"]}",
        });
        outbox.push(String::from_utf8(bytes).expect("encoded rows are UTF-8"));
    }
}

/// The event type of this wire name.
pub(crate) fn find_kind(name: &str) -> Option<EventKind> {
    EventKind::ALL.iter().copied().find(|kind| kind.name() == name)
}
