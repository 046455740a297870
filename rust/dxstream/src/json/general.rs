//! The reader of every frame, by way of a JSON tree.

use serde_json::error::Category;
use serde_json::{Map, Value};

use super::number::whole;
use super::schema::unknown_row;
use super::{Batch, Channels, Frame, FrameError, Rejected, Schema};
use crate::event::{Bool, Char, Enum, EventKind, Field, FieldKind, Text, UNKNOWN_LONG};
use crate::symbol::{Interner, Tables, TextId};

/// Why a value does not go into a row.
enum Refusal {
    /// The value is none of the field's kind.
    WrongType,
    /// The value is a new symbol or text, and the table is full.
    TableFull,
}

/// Reads a frame; `batch` is empty and stays so on an error.
pub(super) fn read(
    frame: &str,
    channels: &impl Channels,
    tables: &Tables,
    batch: &mut Batch,
) -> Result<Frame, FrameError> {
    let mut message: Map<String, Value> =
        serde_json::from_str(frame).map_err(|error| frame_error(frame, &error))?;
    if message.get("type").and_then(Value::as_str) != Some("FEED_DATA") {
        return Ok(Frame::Message(message));
    }
    let channel = message.get("channel").and_then(Value::as_u64).ok_or(FrameError::Channel)?;
    let Some(Value::Array(data)) = message.remove("data") else {
        return Err(FrameError::Data);
    };
    let rejected = match data.first() {
        None => Rejected::default(),
        Some(Value::String(_)) => Compact { channel, channels, tables, batch }.read(&data),
        Some(Value::Object(_)) if channels.is_open(channel) => read_full(&data, tables, batch),
        Some(Value::Object(_)) => Rejected { rows: 0, blocks: data.len() as u64 },
        Some(_) => return Err(FrameError::Data),
    };
    Ok(Frame::Data { channel, rejected })
}

fn frame_error(frame: &str, error: &serde_json::Error) -> FrameError {
    let line_start: usize =
        frame.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let offset = (line_start + error.column()).min(frame.len());
    match error.classify() {
        Category::Eof => FrameError::Truncated(offset),
        Category::Data => FrameError::NotAnObject,
        Category::Syntax | Category::Io => FrameError::Malformed(offset),
    }
}

struct Compact<'a, C> {
    channel: u64,
    channels: &'a C,
    tables: &'a Tables,
    batch: &'a mut Batch,
}

impl<C: Channels> Compact<'_, C> {
    fn read(mut self, data: &[Value]) -> Rejected {
        let mut rejected = Rejected::default();
        let open = self.channels.is_open(self.channel);
        for pair in data.chunks(2) {
            match pair {
                [Value::String(name), Value::Array(values)] if open => {
                    self.read_block(name, values, &mut rejected);
                }
                _ => rejected.blocks += 1,
            }
        }
        rejected
    }

    fn read_block(&mut self, name: &str, values: &[Value], rejected: &mut Rejected) {
        let schema =
            EventKind::from_name(name).and_then(|kind| self.channels.schema(self.channel, kind));
        let Some(schema) = schema else {
            rejected.blocks += 1;
            return;
        };
        let mut rows = values.chunks(schema.width());
        while let Some(values) = rows.next() {
            let read = if values.len() == schema.width() {
                read_row(values, schema, self.tables)
            } else {
                Err(Refusal::WrongType)
            };
            let refusal = match read {
                Ok(row) => {
                    self.batch.push(&row);
                    continue;
                }
                Err(refusal) => refusal,
            };
            rejected.rows += 1;
            if matches!(refusal, Refusal::WrongType) {
                rejected.rows += rows.len() as u64;
                break;
            }
        }
        self.batch.end_block(schema.kind());
    }
}

fn read_row(values: &[Value], schema: &Schema, tables: &Tables) -> Result<Box<[u64]>, Refusal> {
    let mut row = unknown_row(schema.kind());
    for (value, column) in values.iter().zip(schema.columns()) {
        if let Some(target) = column {
            row[target.word] = word(value, target.kind, tables)?;
        }
    }
    Ok(row)
}

fn read_full(data: &[Value], tables: &Tables, batch: &mut Batch) -> Rejected {
    let mut rejected = Rejected::default();
    for event in data {
        let name = event.get("eventType").and_then(Value::as_str);
        let (Value::Object(event), Some(name)) = (event, name) else {
            rejected.rows += 1;
            continue;
        };
        let Some(kind) = EventKind::from_name(name) else {
            rejected.blocks += 1;
            continue;
        };
        match read_event(event, kind, tables) {
            Ok(row) => {
                batch.push(&row);
                batch.end_block(kind);
            }
            Err(_) => rejected.rows += 1,
        }
    }
    rejected
}

fn read_event(
    event: &Map<String, Value>,
    kind: EventKind,
    tables: &Tables,
) -> Result<Box<[u64]>, Refusal> {
    let mut row = unknown_row(kind);
    for (place, field) in row.iter_mut().zip(kind.fields()) {
        match value_of(event, field) {
            Some(value) => *place = word(value, field.kind, tables)?,
            None if field.kind == FieldKind::Symbol => return Err(Refusal::WrongType),
            None => {}
        }
    }
    Ok(row)
}

fn value_of<'a>(event: &'a Map<String, Value>, field: &Field) -> Option<&'a Value> {
    event.get(field.wire).or_else(|| field.aliases.iter().find_map(|&alias| event.get(alias)))
}

fn word(value: &Value, kind: FieldKind, tables: &Tables) -> Result<u64, Refusal> {
    let text = |text: &str| intern(&tables.texts, text).map(TextId);
    let word = match (kind, value) {
        (FieldKind::Symbol, Value::String(symbol)) if !symbol.is_empty() => {
            u64::from(intern(&tables.symbols, symbol)?)
        }
        (FieldKind::Double, Value::Number(number)) => {
            number.as_f64().ok_or(Refusal::WrongType)?.to_bits()
        }
        (FieldKind::Double, Value::String(name)) => match name.as_str() {
            "NaN" => kind.unknown(),
            "Infinity" => f64::INFINITY.to_bits(),
            "-Infinity" => f64::NEG_INFINITY.to_bits(),
            _ => return Err(Refusal::WrongType),
        },
        (FieldKind::Long, Value::Number(number)) => {
            integer(number).filter(|&value| value != UNKNOWN_LONG).ok_or(Refusal::WrongType)? as u64
        }
        (
            FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index,
            Value::Number(number),
        ) => integer(number).ok_or(Refusal::WrongType)? as u64,
        (
            FieldKind::Long | FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index,
            Value::String(name),
        ) if name == "NaN" => kind.unknown(),
        (FieldKind::Char, Value::String(value)) => match one_char(value) {
            Some(word) => word.0,
            None => Char::from_text(text(value)?).0,
        },
        (FieldKind::Bool, &Value::Bool(value)) => Bool::from(value).0,
        (FieldKind::Enum(_), Value::String(name)) if name.is_empty() => kind.unknown(),
        (FieldKind::Enum(names), Value::String(name)) => match names.find(name) {
            Some(word) => word.0,
            None => Enum::from_text(text(name)?).0,
        },
        (FieldKind::Text, Value::String(value)) => Text::from(text(value)?).0,
        (FieldKind::Text, Value::Object(_) | Value::Array(_) | Value::Number(_)) => {
            Text::from(text(&value.to_string())?).0
        }
        (FieldKind::Symbol, _) => return Err(Refusal::WrongType),
        (_, Value::Null) => kind.unknown(),
        _ => return Err(Refusal::WrongType),
    };
    Ok(word)
}

fn intern(table: &Interner, text: &str) -> Result<u32, Refusal> {
    table.intern(text).map_err(|_| Refusal::TableFull)
}

fn integer(number: &serde_json::Number) -> Option<i64> {
    if number.is_f64() { number.as_f64().and_then(whole) } else { number.as_i64() }
}

/// The word of a text of at most one character.
pub(super) fn one_char(text: &str) -> Option<Char> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (None, _) => Some(Char::NONE),
        (Some(character), None) => Some(Char::new(character)),
        _ => None,
    }
}
