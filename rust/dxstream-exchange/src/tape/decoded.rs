//! Lines of JSON with the record and field names of QD.
//!
//! Times of records are in seconds; `t` is in ms. The bits of `Flags` are those of the dxFeed API:
//! Summary has the type of the previous close in bits 0 and 1 and that of the close in bits 2 and 3,
//! Profile the trading status and the short sale restriction. `Last.Tick` is 1 for up and 2 for down.

use dxstream::event::{
    Char, Direction, Enum, PriceType, Profile, Quote, Record, ShortSaleRestriction, Summary, Text,
    Trade, TradingStatus,
};
use dxstream::symbol::{SymbolId, Tables};
use serde_json::{Map, Value};

use super::{Tape, intern_text};

/// The fields of a line.
struct Fields(Map<String, Value>);

/// Reads a line.
pub(super) fn line(line: &[u8], tape: &mut Tape, tables: &Tables) -> Result<(), String> {
    let fields = serde_json::from_slice(line).map(Fields).map_err(|error| error.to_string())?;
    let time = fields.integer("t")?.ok_or("t is missing")?;
    let place = tape.symbol(fields.string("symbol")?.ok_or("symbol is missing")?, tables)?;
    let symbol = tape.symbols[place as usize];
    match fields.string("record")? {
        Some("Quote") => tape.push_record(time, place, &fields.quote(symbol)?),
        Some("Trade") => tape.push_record(time, place, &fields.trade(symbol)?),
        Some("Summary") => tape.push_record(time, place, &fields.summary(symbol)?),
        Some("Profile") => tape.push_record(time, place, &fields.profile(symbol, tables)?),
        Some(other) => Err(format!("the record {other:?} is not known")),
        None => Err("record is missing".to_owned()),
    }
}

impl Fields {
    fn string(&self, name: &str) -> Result<Option<&str>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{name} is {other}, not a text")),
        }
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(format!("{name} is {value}, not a whole number")),
            },
        }
    }

    /// A field of seconds, in ms; 0 where it is missing.
    fn time(&self, name: &str) -> Result<i64, String> {
        let seconds = self.integer(name)?.unwrap_or_default();
        seconds.checked_mul(1000).ok_or_else(|| format!("{name} is {seconds}, out of range"))
    }

    fn double(&self, name: &str) -> Result<f64, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(f64::NAN),
            Some(Value::Number(number)) => Ok(number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::String(text)) => {
                text.parse().map_err(|_| format!("{name} is {text:?}, not a number"))
            }
            Some(other) => Err(format!("{name} is {other}, not a number")),
        }
    }

    fn exchange(&self, name: &str) -> Result<Char, String> {
        let text = self.string(name)?.unwrap_or_default();
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (None | Some('\0'), None) => Ok(Char::NONE),
            (Some(letter), None) => Ok(Char::new(letter)),
            _ => Err(format!("{name} is {text:?}, not one letter")),
        }
    }

    fn text(&self, name: &str, tables: &Tables) -> Result<Text, String> {
        match self.string(name)? {
            None | Some("") => Ok(Text::NONE),
            Some(text) => Ok(intern_text(tables, text)?.into()),
        }
    }

    /// Two bits of `Flags`, as an ordinal of an enum with `count` values.
    fn flag(&self, shift: u32, count: usize) -> Result<Enum, String> {
        Ok(match self.integer("Flags")? {
            Some(flags) => {
                let ordinal = (flags >> shift & 3) as u8;
                if usize::from(ordinal) < count { Enum::new(ordinal) } else { Enum::UNKNOWN }
            }
            None => Enum::UNKNOWN,
        })
    }

    fn quote(&self, symbol: SymbolId) -> Result<Quote, String> {
        Ok(Quote {
            event_symbol: symbol,
            bid_time: self.time("Bid.Time")?,
            bid_exchange_code: self.exchange("Bid.Exchange")?,
            bid_price: self.double("Bid.Price")?,
            bid_size: self.double("Bid.Size")?,
            ask_time: self.time("Ask.Time")?,
            ask_exchange_code: self.exchange("Ask.Exchange")?,
            ask_price: self.double("Ask.Price")?,
            ask_size: self.double("Ask.Size")?,
            ..Quote::UNKNOWN
        })
    }

    fn trade(&self, symbol: SymbolId) -> Result<Trade, String> {
        Ok(Trade {
            event_symbol: symbol,
            time: self.time("Last.Time")?,
            exchange_code: self.exchange("Last.Exchange")?,
            price: self.double("Last.Price")?,
            change: self.double("Last.Change")?,
            size: self.double("Last.Size")?,
            day_volume: self.double("Volume")?,
            tick_direction: match self.integer("Last.Tick")? {
                Some(1) => Direction::Up.into(),
                Some(2) => Direction::Down.into(),
                Some(_) => Direction::Undefined.into(),
                None => Enum::UNKNOWN,
            },
            ..Trade::UNKNOWN
        })
    }

    fn summary(&self, symbol: SymbolId) -> Result<Summary, String> {
        let types = PriceType::TYPE.names.len();
        Ok(Summary {
            event_symbol: symbol,
            day_id: self.integer("DayId")?.unwrap_or_default(),
            day_open_price: self.double("DayOpen.Price")?,
            day_high_price: self.double("DayHigh.Price")?,
            day_low_price: self.double("DayLow.Price")?,
            day_close_price: self.double("DayClose.Price")?,
            day_close_price_type: self.flag(2, types)?,
            prev_day_id: self.integer("PrevDayId")?.unwrap_or_default(),
            prev_day_close_price: self.double("PrevDayClose.Price")?,
            prev_day_close_price_type: self.flag(0, types)?,
            open_interest: self.integer("OpenInterest")?.unwrap_or(dxstream::event::UNKNOWN_LONG),
            ..Summary::UNKNOWN
        })
    }

    fn profile(&self, symbol: SymbolId, tables: &Tables) -> Result<Profile, String> {
        Ok(Profile {
            event_symbol: symbol,
            description: self.text("Description", tables)?,
            short_sale_restriction: self.flag(2, ShortSaleRestriction::TYPE.names.len())?,
            trading_status: self.flag(0, TradingStatus::TYPE.names.len())?,
            status_reason: self.text("StatusReason", tables)?,
            halt_start_time: self.time("Halt.StartTime")?,
            halt_end_time: self.time("Halt.EndTime")?,
            high_52_week_price: self.double("52High.Price")?,
            low_52_week_price: self.double("52Low.Price")?,
            beta: self.double("Beta")?,
            earnings_per_share: self.double("Eps")?,
            dividend_frequency: self.double("DivFreq")?,
            ex_dividend_amount: self.double("ExdDiv.Amount")?,
            ex_dividend_day_id: self.integer("ExdDiv.Date")?.unwrap_or_default(),
            shares: self.double("Shares")?,
            ..Profile::UNKNOWN
        })
    }
}
