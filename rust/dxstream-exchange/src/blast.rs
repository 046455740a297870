//! Quotes for benchmarks: encoded ahead and written back to back, or paced by an open-loop schedule.
//!
//! A connection of a blast speaks the protocol up to its subscription to quotes; from there its socket
//! belongs to a thread that only writes. The channel's data format has to be COMPACT.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dxstream::event::{Char, EventKind, Quote, Record as _};
use dxstream::symbol::{SymbolId, Tables};
use tokio::sync::oneshot;

use crate::config::Rules;
use crate::encode::Layout;
use crate::hub::Record;
use crate::source::Row;

/// Least bytes of one write at full speed: enough that calls into the system do not count.
const WRITE_BYTES: usize = 512 << 10;

/// How often a client that has got all its rows hears from the server.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);

/// The longest sleep of a paced blast before it looks whether its client is still there.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// The time of the first quotes: a round number of seconds, ms since 1970 UTC.
const FIRST_TIME: i64 = 1_790_000_000_000;

/// A stream of quotes that is the same each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blast {
    /// How many symbols take turns.
    pub symbols: usize,
    /// Rows in a frame.
    pub rows_per_frame: usize,
    /// How many rows to send; nothing is for ever.
    pub rows: Option<u64>,
    /// What the values are made from.
    pub seed: u64,
    /// How often each symbol comes before the values repeat.
    pub rounds: usize,
    /// How many symbols a client subscribes before it gets the first row.
    pub wait_for: usize,
    /// Rows over time; nothing is as fast as the client reads.
    pub pace: Option<Pace>,
}

impl Default for Blast {
    fn default() -> Self {
        Self {
            symbols: 1_000,
            rows_per_frame: 50,
            rows: None,
            seed: 1,
            rounds: 8,
            wait_for: 1,
            pace: None,
        }
    }
}

/// A schedule that does not wait: a frame that is late does not move those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Rows a second.
    pub rows_per_second: u64,
    /// What the rows say of the moment when they were sent.
    pub stamp: Stamp,
}

/// What a paced row says of the moment when its frame was sent: milliseconds in `bidTime` and
/// `askTime`, nanoseconds within them in `timeNanoPart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// Nothing.
    None,
    /// The time since 1970 UTC.
    Wall,
    /// The system's CLOCK_MONOTONIC, Python's `time.monotonic_ns()`.
    Monotonic,
}

/// The values of one row of a blast, as a client should see them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlastRow {
    /// The number of the symbol.
    pub symbol: usize,
    /// Best bid price.
    pub bid_price: f64,
    /// Size at the best bid.
    pub bid_size: f64,
    /// Best ask price.
    pub ask_price: f64,
    /// Size at the best ask.
    pub ask_size: f64,
}

impl Blast {
    /// The symbol with this number, below [`Blast::symbols`].
    pub fn symbol(&self, number: usize) -> String {
        format!("SYM{number:04}")
    }

    /// How many rows come before they repeat.
    pub fn cycle(&self) -> u64 {
        (self.symbols.max(1) * self.rounds.max(1)) as u64
    }

    /// The values of a row, counted from 0.
    pub fn row(&self, number: u64) -> BlastRow {
        let place = number % self.cycle();
        let noise = mix(self.seed ^ mix(place));
        let bid_cents = 10_000 + noise % 40_000;
        let spread_cents = 1 + (noise >> 16) % 5;
        BlastRow {
            symbol: (place % self.symbols.max(1) as u64) as usize,
            bid_price: bid_cents as f64 / 100.0,
            bid_size: ((1 + (noise >> 24) % 9) * 100) as f64,
            ask_price: (bid_cents + spread_cents) as f64 / 100.0,
            ask_size: ((1 + (noise >> 32) % 9) * 100) as f64,
        }
    }
}

/// SplitMix64's finalizer: each bit of the result depends on each bit of the input.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The sockets that blasts write to.
#[derive(Debug, Default)]
pub(crate) struct Blasts {
    sockets: RefCell<Vec<TcpStream>>,
}

impl Blasts {
    /// Gives a socket to a thread of its own; the result tells when the client has gone.
    pub(crate) fn send(
        &self,
        blast: &Arc<Blast>,
        socket: TcpStream,
        channel: i64,
        layout: &Layout,
        record: Arc<Record>,
    ) -> oneshot::Receiver<()> {
        let (done, result) = oneshot::channel();
        if let Ok(socket) = socket.try_clone() {
            self.sockets.borrow_mut().push(socket);
        }
        let blast = Arc::clone(blast);
        let layout = layout.clone();
        let thread = thread::Builder::new().name("dxstream-blast".to_owned()).spawn(move || {
            // The client's end of the connection ends the blast; there is nobody to tell.
            let _ = Sender::new(&blast, channel, &layout, &record).send(socket);
            drop(done);
        });
        drop(thread);
        result
    }

    /// Ends every blast.
    pub(crate) fn stop(&self) {
        for socket in self.sockets.borrow_mut().drain(..) {
            // A socket whose client has gone is shut already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

struct Sender<'a> {
    blast: &'a Blast,
    channel: i64,
    layout: &'a Layout,
    tables: Tables,
    record: &'a Record,
}

impl<'a> Sender<'a> {
    fn new(blast: &'a Blast, channel: i64, layout: &'a Layout, record: &'a Record) -> Self {
        let tables = Tables::new();
        for number in 0..blast.symbols.max(1) {
            tables
                .symbols
                .intern(&blast.symbol(number))
                .expect("symbols are fewer than a table holds");
        }
        Self { blast, channel, layout, tables, record }
    }

    fn send(&self, mut socket: TcpStream) -> io::Result<()> {
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        let mut reader = socket.try_clone()?;
        let (gone, client) = channel::<()>();
        thread::Builder::new().name("dxstream-blast-in".to_owned()).spawn(move || {
            let _ = read_until_close(&mut reader);
            let _ = reader.shutdown(Shutdown::Both);
            drop(gone);
        })?;
        match self.blast.pace {
            None => self.send_at_full_speed(&mut socket)?,
            Some(pace) => self.send_paced(&mut socket, pace, &client)?,
        }
        while client.recv_timeout(KEEPALIVE_EVERY) == Err(RecvTimeoutError::Timeout) {
            let mut frame = Vec::new();
            write_frame(&mut frame, br#"{"type":"KEEPALIVE","channel":0}"#);
            socket.write_all(&frame)?;
        }
        Ok(())
    }

    fn send_at_full_speed(&self, socket: &mut TcpStream) -> io::Result<()> {
        let cycle = self.blast.cycle();
        let mut round = Vec::new();
        let frames = self.encode_rows(&mut round, 0, cycle, None);
        let copies = WRITE_BYTES.div_ceil(round.len());
        let bytes = round.repeat(copies);
        let mut left = self.blast.rows;
        while left.is_none_or(|left| left >= cycle) {
            let rounds = left.map_or(copies as u64, |left| (left / cycle).min(copies as u64));
            socket.write_all(&bytes[..round.len() * rounds as usize])?;
            self.count(rounds * cycle, rounds * frames);
            left = left.map(|left| left - rounds * cycle);
        }
        if let Some(left) = left {
            let mut rest = Vec::new();
            let frames = self.encode_rows(&mut rest, 0, left, None);
            socket.write_all(&rest)?;
            self.count(left, frames);
        }
        Ok(())
    }

    fn send_paced(
        &self,
        socket: &mut TcpStream,
        pace: Pace,
        client: &Receiver<()>,
    ) -> io::Result<()> {
        let rows_per_frame = self.blast.rows_per_frame.max(1) as u64;
        let rows_per_second = pace.rows_per_second.max(1);
        let started = Instant::now();
        let mut frame = Vec::new();
        let mut sent = 0;
        while self.blast.rows.is_none_or(|rows| sent < rows) {
            let nanos = u128::from(sent) * 1_000_000_000 / u128::from(rows_per_second);
            let due = started + Duration::from_nanos(nanos as u64);
            while let Some(early) = due.checked_duration_since(Instant::now()) {
                if early > LONGEST_SLEEP {
                    if client.recv_timeout(LONGEST_SLEEP) == Err(RecvTimeoutError::Disconnected) {
                        return Ok(());
                    }
                } else {
                    thread::sleep(early);
                }
            }
            let rows = self.blast.rows.map_or(rows_per_frame, |all| rows_per_frame.min(all - sent));
            frame.clear();
            self.encode_rows(&mut frame, sent, rows, now(pace.stamp));
            socket.write_all(&frame)?;
            sent += rows;
            self.count(rows, 1);
        }
        Ok(())
    }

    fn count(&self, rows: u64, frames: u64) {
        self.record.update(|stats| {
            stats.add_events(EventKind::Quote, rows);
            stats.frames += frames;
        });
    }

    /// Writes the frames of `rows` rows from the row numbered `first`, and says how many they are.
    fn encode_rows(
        &self,
        out: &mut Vec<u8>,
        first: u64,
        rows: u64,
        stamp: Option<Duration>,
    ) -> u64 {
        let rules = Rules::default();
        let rows_per_frame = self.blast.rows_per_frame.max(1) as u64;
        let mut text = Vec::new();
        for start in (0..rows).step_by(rows_per_frame as usize) {
            text.clear();
            let channel = self.channel;
            write!(text, r#"{{"type":"FEED_DATA","channel":{channel},"data":["Quote",["#)
                .expect("a vector takes every byte");
            for number in start..rows.min(start + rows_per_frame) {
                if number > start {
                    text.push(b',');
                }
                let row = self.quote(first + number, stamp);
                self.layout.write_compact(&mut text, &row, &self.tables, &rules);
            }
            text.extend_from_slice(b"]]}");
            write_frame(out, &text);
        }
        rows.div_ceil(rows_per_frame)
    }

    fn quote(&self, number: u64, stamp: Option<Duration>) -> Row {
        let row = self.blast.row(number);
        let (time, nanos) = match stamp {
            Some(sent) => (sent.as_millis() as i64, i64::from(sent.subsec_nanos() % 1_000_000)),
            None => (FIRST_TIME, 0),
        };
        Row::new(&Quote {
            event_symbol: SymbolId(row.symbol as u32),
            time_nano_part: nanos,
            bid_time: time,
            bid_exchange_code: Char::new('Q'),
            bid_price: row.bid_price,
            bid_size: row.bid_size,
            ask_time: time,
            ask_exchange_code: Char::new('Q'),
            ask_price: row.ask_price,
            ask_size: row.ask_size,
            ..Quote::UNKNOWN
        })
    }
}

fn now(stamp: Stamp) -> Option<Duration> {
    match stamp {
        Stamp::None => None,
        Stamp::Wall => SystemTime::now().duration_since(UNIX_EPOCH).ok(),
        Stamp::Monotonic => {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
        }
    }
}

/// Writes a text message in one WebSocket frame, unmasked as servers do. Source: RFC 6455, 5.2.
fn write_frame(out: &mut Vec<u8>, payload: &[u8]) {
    out.push(0x81);
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Reads a client's frames and forgets them, until it closes.
fn read_until_close(socket: &mut TcpStream) -> io::Result<()> {
    const CLOSE: u8 = 8;
    loop {
        let mut header = [0; 2];
        socket.read_exact(&mut header)?;
        if header[0] & 0x0f == CLOSE {
            return Ok(());
        }
        let length = match header[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                socket.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                socket.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let masking_key = 4 * u64::from(header[1] >> 7);
        io::copy(&mut socket.take(length + masking_key), &mut io::sink())?;
    }
}
