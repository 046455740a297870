//! Replay of recorded events.
//!
//! A [`Tape`] is read from files of three forms, told by their names:
//!
//! - `*.jsonl` and `*.jsonl.gz`: one JSON object a line with the record and field names of QD, such as
//!   `"Bid.Price"`, and the time of arrival in `t`;
//! - `<symbol>_<yyyymmdd>_quote.zip` and `<symbol>_<yyyymmdd>_trade.zip`: ticks of one symbol and
//!   day, in ms since midnight in New York and prices times 10,000;
//! - `*.csv` and `*.csv.gz`: text tapes of dxFeed, with a `#=Type,Field,...` line for each type.
//!
//! Several files are merged into one tape by time; events of one time keep the order of the files.

mod decoded;
mod player;
#[cfg(test)]
mod tests;
mod text;
mod ticks;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dxstream::event::{EventKind, MAX_WORDS, Record, Text};
use dxstream::symbol::{SymbolId, Tables, TextId};
use flate2::read::MultiGzDecoder;
use zip::result::ZipError;

pub use self::player::{Speed, TapePlayer};

/// Longest line of a tape, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// A tape that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The name of the file does not say what it holds.
    #[error("{}: the name is that of no known tape", .0.display())]
    Unknown(PathBuf),
    /// The file cannot be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The file is not the archive that its name says.
    #[error("{}: {error}", file.display())]
    Archive {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        error: ZipError,
    },
    /// A line is malformed.
    #[error("{}:{line}: {problem}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

/// One event of a tape.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// When it is played, ms since 1970 UTC.
    time: i64,
    /// Place in [`Tape::symbols`].
    symbol: u32,
    body: Body,
}

/// The fields of an event. Ticks are kept packed, as a tape may have millions of them.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// Prices times 10,000.
    Quote {
        sequence: u32,
        bid: u32,
        ask: u32,
        bid_size: u32,
        ask_size: u32,
        bid_exchange: u8,
        ask_exchange: u8,
    },
    /// Price times 10,000; `day` in days since 1970-01-01.
    Trade { sequence: u32, price: u32, size: u32, day: u16, exchange: u8, extended: bool },
    /// A whole row, from this place in [`Tape::words`].
    Row { kind: EventKind, at: u32 },
}

impl Body {
    fn kind(&self) -> EventKind {
        match self {
            Self::Quote { .. } => EventKind::Quote,
            Self::Trade { .. } => EventKind::Trade,
            Self::Row { kind, .. } => *kind,
        }
    }
}

/// Recorded events, in order of time.
#[derive(Debug, Default)]
pub struct Tape {
    entries: Vec<Entry>,
    words: Vec<u64>,
    symbols: Vec<SymbolId>,
    names: HashMap<Box<str>, u32>,
    /// The sources of orders.
    sources: HashMap<Box<str>, Text>,
}

impl Tape {
    /// Reads files and merges them by time.
    ///
    /// # Errors
    /// [`TapeError`], which names the file and the line.
    pub fn open(files: &[PathBuf], tables: &Tables) -> Result<Self, TapeError> {
        let mut tape = Self::default();
        for file in files {
            tape.read(file, tables)?;
        }
        tape.entries.sort_by_key(|entry| entry.time);
        tape.entries.shrink_to_fit();
        Ok(tape)
    }

    /// How many events the tape has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the tape has no events.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many events of a type the tape has.
    pub fn count(&self, kind: EventKind) -> usize {
        self.entries.iter().filter(|entry| entry.body.kind() == kind).count()
    }

    /// The symbols of the tape.
    pub fn symbols(&self) -> &[SymbolId] {
        &self.symbols
    }

    /// Time of the first event, ms since 1970 UTC.
    pub fn start(&self) -> Option<i64> {
        self.entries.first().map(|entry| entry.time)
    }

    /// Time from the first event to the last.
    pub fn length(&self) -> Duration {
        match (self.entries.first(), self.entries.last()) {
            (Some(first), Some(last)) => Duration::from_millis(first.time.abs_diff(last.time)),
            _ => Duration::ZERO,
        }
    }

    fn read(&mut self, file: &Path, tables: &Tables) -> Result<(), TapeError> {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of_read = |error| TapeError::Read { file: file.to_owned(), error };
        let (plain, packed) = match name.strip_suffix(".gz") {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let form = plain.rsplit_once('.').map_or("", |(_, form)| form);
        if let Some(ticks) = ticks::Name::parse(name) {
            let archive = File::open(file).map_err(of_read)?;
            let of_zip = |error| TapeError::Archive { file: file.to_owned(), error };
            let mut archive = zip::ZipArchive::new(BufReader::new(archive)).map_err(of_zip)?;
            for member in 0..archive.len() {
                let member = archive.by_index(member).map_err(of_zip)?;
                let mut reader = ticks::Reader::new(&ticks, self, tables).map_err(|problem| {
                    TapeError::Line { file: file.to_owned(), line: 0, problem }
                })?;
                let lines = for_lines(file, member, |line| reader.line(line))?;
                reader.finish().map_err(|problem| TapeError::Line {
                    file: file.to_owned(),
                    line: lines,
                    problem,
                })?;
            }
            return Ok(());
        }
        if form != "jsonl" && form != "csv" {
            return Err(TapeError::Unknown(file.to_owned()));
        }
        let opened = File::open(file).map_err(of_read)?;
        let source: Box<dyn Read> =
            if packed { Box::new(MultiGzDecoder::new(opened)) } else { Box::new(opened) };
        if form == "jsonl" {
            for_lines(file, source, |line| decoded::line(line, self, tables))?;
        } else {
            let mut reader = text::Reader::new(self, tables);
            for_lines(file, source, |line| reader.line(line))?;
        }
        Ok(())
    }

    /// The place of a symbol in [`Tape::symbols`].
    fn symbol(&mut self, name: &str, tables: &Tables) -> Result<u32, String> {
        if let Some(&place) = self.names.get(name) {
            return Ok(place);
        }
        let id = tables.symbols.intern(name).map_err(|error| error.to_string())?;
        let place = self.symbols.len() as u32;
        self.symbols.push(SymbolId(id));
        self.names.insert(name.into(), place);
        Ok(place)
    }

    fn push_row(
        &mut self,
        time: i64,
        symbol: u32,
        kind: EventKind,
        row: &[u64],
    ) -> Result<(), String> {
        let at = u32::try_from(self.words.len()).map_err(|_| "the tape is too long".to_owned())?;
        self.words.extend_from_slice(&row[..kind.fields().len()]);
        self.entries.push(Entry { time, symbol, body: Body::Row { kind, at } });
        Ok(())
    }

    fn push_record<R: Record>(&mut self, time: i64, symbol: u32, record: &R) -> Result<(), String> {
        let mut row = [0; MAX_WORDS];
        record.write_row(&mut row);
        self.push_row(time, symbol, R::KIND, &row)
    }
}

fn intern_text(tables: &Tables, text: &str) -> Result<TextId, String> {
    tables.texts.intern(text).map(TextId).map_err(|error| error.to_string())
}

/// Gives each line without its end to `each`; answers how many there were.
fn for_lines(
    file: &Path,
    source: impl Read,
    mut each: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<u64, TapeError> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let mut buffer = Vec::new();
    let mut line = 0;
    loop {
        buffer.clear();
        let length = source
            .by_ref()
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut buffer)
            .map_err(|error| TapeError::Read { file: file.to_owned(), error })?;
        if length == 0 {
            return Ok(line);
        }
        line += 1;
        let text = buffer.strip_suffix(b"\n").unwrap_or(&buffer);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let outcome = if text.len() as u64 > MAX_LINE {
            Err(format!("the line has more than {MAX_LINE} bytes"))
        } else {
            each(text)
        };
        outcome.map_err(|problem| TapeError::Line { file: file.to_owned(), line, problem })?;
    }
}
