//! Ticks of one symbol and day.
//!
//! Lines of quotes: `ms, bid, bidSize, ask, askSize, exchange, condition, suspicious`, where a quote is
//! two lines, the bid's and the ask's, and the side that a line is not about is 0. Lines of trades:
//! `ms, price, size, exchange, condition, suspicious`. Times are ms since midnight in New York, prices
//! are times 10,000. Condition and suspicion have no field in the events and are left out.

use dxstream::symbol::Tables;

use super::{Body, Entry, Tape};
use crate::market::calendar::{DAY_MS, Date, new_york_midnight};

/// Regular trading hours, in ms since midnight in New York: 09:30 to 16:00.
const REGULAR: std::ops::Range<i64> = 34_200_000..57_600_000;

/// What the name of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    symbol: String,
    /// Days since 1970-01-01.
    day: i64,
    quotes: bool,
}

impl Name {
    /// Reads `<symbol>_<yyyymmdd>_quote.zip` or `..._trade.zip`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".zip")?.rsplitn(3, '_');
        let quotes = match parts.next()? {
            "quote" => true,
            "trade" => false,
            _ => return None,
        };
        let day = Date::parse(parts.next()?)?.number();
        let symbol = parts.next().filter(|symbol| !symbol.is_empty())?.to_uppercase();
        Some(Self { symbol, day, quotes })
    }
}

/// One side of a quote: the time as written, price, size and exchange.
#[derive(Debug, Clone, Copy)]
struct Bid {
    ms: u32,
    price: u32,
    size: u32,
    exchange: u8,
}

/// Reads the lines of one file into a tape.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    tape: &'a mut Tape,
    symbol: u32,
    quotes: bool,
    day: u16,
    /// Midnight in New York, ms since 1970 UTC.
    midnight: i64,
    bid: Option<Bid>,
    last: u32,
    sequence: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(name: &Name, tape: &'a mut Tape, tables: &Tables) -> Result<Self, String> {
        let symbol = tape.symbol(&name.symbol, tables)?;
        Ok(Self {
            tape,
            symbol,
            quotes: name.quotes,
            day: u16::try_from(name.day).map_err(|_| "the date is out of range".to_owned())?,
            midnight: name.day * DAY_MS + new_york_midnight(name.day),
            bid: None,
            last: u32::MAX,
            sequence: 0,
        })
    }

    /// Reads a line.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let mut fields = line.split(|&byte| byte == b',');
        let ms = number(fields.next())?;
        if i64::from(ms) >= DAY_MS {
            return Err(format!("{ms} ms are more than a day"));
        }
        if self.quotes {
            let [bid, bid_size, ask, ask_size] = [(); 4].map(|()| number(fields.next()));
            let sides = [bid?, bid_size?, ask?, ask_size?];
            let exchange = letter(fields.next())?;
            if fields.count() != 2 {
                return Err("a quote has 8 fields".to_owned());
            }
            self.quote(ms, sides, exchange)
        } else {
            let (price, size) = (number(fields.next())?, number(fields.next())?);
            let exchange = letter(fields.next())?;
            if fields.count() != 2 {
                return Err("a trade has 6 fields".to_owned());
            }
            let sequence = self.sequence_at(ms);
            let extended = !REGULAR.contains(&i64::from(ms));
            let body = Body::Trade { sequence, price, size, day: self.day, exchange, extended };
            self.push(ms, body);
            Ok(())
        }
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<(), String> {
        if self.bid.is_some() { Err("a bid without its ask".to_owned()) } else { Ok(()) }
    }

    fn quote(&mut self, ms: u32, sides: [u32; 4], exchange: u8) -> Result<(), String> {
        let [bid, bid_size, ask, ask_size] = sides;
        match (self.bid.take(), [bid, bid_size], [ask, ask_size]) {
            (None, _, [0, 0]) => {
                self.bid = Some(Bid { ms, price: bid, size: bid_size, exchange });
                Ok(())
            }
            (None, ..) => Err("an ask without its bid".to_owned()),
            (Some(bid), [0, 0], _) if bid.ms == ms => {
                let sequence = self.sequence_at(ms);
                let body = Body::Quote {
                    sequence,
                    bid: bid.price,
                    ask,
                    bid_size: bid.size,
                    ask_size,
                    bid_exchange: bid.exchange,
                    ask_exchange: exchange,
                };
                self.push(ms, body);
                Ok(())
            }
            (Some(_), ..) => Err("a bid is not followed by its ask".to_owned()),
        }
    }

    fn sequence_at(&mut self, ms: u32) -> u32 {
        self.sequence = if ms == self.last { self.sequence + 1 } else { 0 };
        self.last = ms;
        self.sequence
    }

    fn push(&mut self, ms: u32, body: Body) {
        let time = self.midnight + i64::from(ms);
        self.tape.entries.push(Entry { time, symbol: self.symbol, body });
    }
}

fn number(field: Option<&[u8]>) -> Result<u32, String> {
    let field = field.ok_or("a field is missing")?;
    let digits = field.iter().try_fold(0_u32, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u32::from(digit)) }
    });
    digits
        .filter(|_| !field.is_empty())
        .ok_or_else(|| format!("{:?} is no number below 2^32", String::from_utf8_lossy(field)))
}

fn letter(field: Option<&[u8]>) -> Result<u8, String> {
    match field {
        Some([letter]) if letter.is_ascii_graphic() => Ok(*letter),
        Some(field) => Err(format!("{:?} is no exchange letter", String::from_utf8_lossy(field))),
        None => Err("a field is missing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_read() {
        let name = Name::parse("brk_b_20131009_quote.zip").unwrap();
        assert_eq!((name.symbol.as_str(), name.day, name.quotes), ("BRK_B", 15_987, true));
        for name in ["aig_20131009.zip", "_20131009_trade.zip", "aig_20131309_trade.zip"] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }

    #[test]
    fn numbers_have_a_range() {
        assert_eq!(number(Some(b"4294967295")), Ok(u32::MAX));
        for field in [b"4294967296".as_slice(), b"", b"-1", b"1.5"] {
            assert!(number(Some(field)).is_err());
        }
    }
}
