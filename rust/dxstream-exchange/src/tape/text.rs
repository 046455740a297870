//! Text tapes: `#=Type,Field,...` names the fields of a type, each other line is an event.
//!
//! Fields are separated by commas and may stand in double quotes. A field that the event type does not
//! have is left out. An event is played at its event time; without one, at the latest of its times.

use std::borrow::Cow;
use std::collections::HashMap;

use dxstream::event::{
    Bool, Char, Enum, EventKind, FieldKind, MAX_WORDS, Text, UNKNOWN_LONG, flags,
};
use dxstream::symbol::Tables;

use super::{Tape, intern_text};
use crate::market::calendar::{DAY_MS, Date};

/// Reads the lines of one file into a tape.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    tape: &'a mut Tape,
    tables: &'a Tables,
    /// For each type, the place in its row that each column goes to.
    columns: HashMap<EventKind, Vec<Option<usize>>>,
    time: i64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(tape: &'a mut Tape, tables: &'a Tables) -> Self {
        Self { tape, tables, columns: HashMap::new(), time: 0 }
    }

    /// Reads a line.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let line = str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_owned())?;
        if let Some(header) = line.strip_prefix("#=") {
            return self.header(header);
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let values = split(line)?;
        let kind = kind_of(&values[0])?;
        let columns =
            self.columns.get(&kind).ok_or_else(|| format!("{} has no header", kind.name()))?;
        if values.len() != columns.len() + 1 {
            let (has, wants) = (values.len() - 1, columns.len());
            return Err(format!("{} has {has} fields, its header {wants}", kind.name()));
        }
        let mut row = [0; MAX_WORDS];
        for (word, field) in row.iter_mut().zip(kind.fields()) {
            *word = field.kind.unknown();
        }
        let (mut symbol, mut latest) = (None, 0);
        for (column, value) in columns.iter().zip(&values[1..]) {
            let Some(at) = *column else { continue };
            let field = &kind.fields()[at];
            if field.kind == FieldKind::Symbol {
                symbol = Some(value);
                continue;
            }
            row[at] = word(field.kind, value, self.tables)
                .map_err(|problem| format!("{}: {problem}", field.wire))?;
            if field.kind == FieldKind::Time {
                latest = latest.max(row[at] as i64);
            }
            if field.wire == "source" {
                self.tape.sources.insert((**value).into(), Text(row[at]));
            }
            if field.wire == "eventFlags" {
                row[at] &= flags::REMOVE_EVENT as u64;
            }
        }
        let symbol = symbol.filter(|symbol| !symbol.is_empty()).ok_or("the event has no symbol")?;
        let place = self.tape.symbol(symbol, self.tables)?;
        row[dxstream::event::SYMBOL_WORD] = u64::from(self.tape.symbols[place as usize].0);
        let event_time = row[dxstream::event::EVENT_TIME_WORD] as i64;
        self.time =
            [event_time, latest, self.time].into_iter().find(|&time| time != 0).unwrap_or(0);
        self.tape.push_row(self.time, place, kind, &row)
    }

    fn header(&mut self, header: &str) -> Result<(), String> {
        let mut names = header.split(',');
        let kind = kind_of(names.next().unwrap_or_default())?;
        let columns: Vec<Option<usize>> = names
            .map(|name| {
                let name = name.trim();
                kind.fields().iter().position(|field| {
                    field.is_wire_name(name) || field.wire.eq_ignore_ascii_case(name)
                })
            })
            .collect();
        if !columns.contains(&Some(0)) {
            return Err(format!("the header of {} has no EventSymbol", kind.name()));
        }
        self.columns.insert(kind, columns);
        Ok(())
    }
}

fn kind_of(name: &str) -> Result<EventKind, String> {
    let known = EventKind::ALL.iter().find(|kind| kind.name() == name);
    known.copied().ok_or_else(|| format!("the event type {name:?} is not known"))
}

/// The fields of a line; there is at least one.
fn split(line: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let mut end = 0;
            loop {
                let at = quoted[end..].find('"').ok_or("a quote does not end")?;
                end += at;
                if !quoted[end + 1..].starts_with('"') {
                    break;
                }
                end += 2;
            }
            (Cow::Owned(quoted[..end].replace("\"\"", "\"")), &quoted[end + 1..])
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (Cow::Borrowed(&rest[..end]), &rest[end..])
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("a quote ends within a field".to_owned()),
        }
    }
}

/// The word of a value.
fn word(kind: FieldKind, value: &str, tables: &Tables) -> Result<u64, String> {
    if value.is_empty() || value == "\\NULL" {
        return Ok(kind.unknown());
    }
    let wrong = |what: &str| format!("{value:?} is no {what}");
    Ok(match kind {
        FieldKind::Symbol => return Err(wrong("field of its own")),
        FieldKind::Double => value.parse().map(f64::to_bits).map_err(|_| wrong("number"))?,
        FieldKind::Long => match value.parse::<f64>() {
            Ok(number) if number.is_nan() => UNKNOWN_LONG as u64,
            _ => value.parse::<i64>().map_err(|_| wrong("whole number"))? as u64,
        },
        FieldKind::Int | FieldKind::Index => {
            value.parse::<i64>().map_err(|_| wrong("whole number"))? as u64
        }
        FieldKind::Time => time(value).ok_or_else(|| wrong("time"))? as u64,
        FieldKind::Day => match Date::parse(value) {
            Some(date) => date.number() as u64,
            None => value.parse::<i64>().map_err(|_| wrong("day"))? as u64,
        },
        FieldKind::Char => {
            let mut characters = value.chars();
            match (characters.next(), characters.next()) {
                _ if value == "\\0" => Char::NONE.0,
                (Some(one), None) => Char::new(one).0,
                _ => Char::from_text(intern_text(tables, value)?).0,
            }
        }
        FieldKind::Bool => match value {
            "true" => Bool::from(true).0,
            "false" => Bool::from(false).0,
            _ => return Err(wrong("truth value")),
        },
        FieldKind::Enum(names) => match names.find(value) {
            Some(known) => known.0,
            None => Enum::from_text(intern_text(tables, value)?).0,
        },
        FieldKind::Text => Text::from(intern_text(tables, value)?).0,
    })
}

/// A time as `yyyyMMdd-HHmmss[.SSS][+HHMM]`, or in ms since 1970 UTC; UTC where it has no zone.
fn time(text: &str) -> Option<i64> {
    let Some((date, clock)) = text.split_once('-').filter(|(date, _)| date.len() == 8) else {
        return text.parse().ok();
    };
    let day = Date::parse(date)?.number();
    let zone_at = clock.find(['+', '-', 'Z']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let whole_seconds = clock_seconds(clock, 6)?;
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let ms: i64 = match (digits, fraction.len()) {
        (true, 1..=3) => fraction.parse::<i64>().ok()? * 10_i64.pow(3 - fraction.len() as u32),
        _ => return None,
    };
    let offset = match zone.as_bytes() {
        [] | [b'Z'] => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let seconds = clock_seconds(&zone[1..].replace(':', ""), 4)?;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    Some(day * DAY_MS + (whole_seconds - offset) * 1000 + ms)
}

/// Seconds that `HHmm` or `HHmmss` writes.
fn clock_seconds(digits: &str, length: usize) -> Option<i64> {
    if digits.len() != length || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i64>().ok());
    let (hour, minute, second) = (part(0)?, part(2)?, part(4)?);
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_zones() {
        assert_eq!(time("20221114-161713.608+0300"), Some(1_668_431_833_608));
        assert_eq!(time("20221114-161712+0300"), Some(1_668_431_832_000));
        assert_eq!(time("20221114-081712.5-05:00"), Some(1_668_431_832_500));
        assert_eq!(time("20221114-131712Z"), Some(1_668_431_832_000));
        assert_eq!(time("1668431832000"), Some(1_668_431_832_000));
        assert_eq!(time("0"), Some(0));
        for text in [
            "20221314-161713",
            "20221114-161",
            "20221114-251713",
            "x",
            "20221114-161713.x",
            "20221114-161713Z0300",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn quoted_fields_hold_commas_and_quotes() {
        assert_eq!(split(r#"a,"b,""c""",,"#).unwrap(), ["a", "b,\"c\"", "", ""]);
        for line in ["\"a", "\"a\"b,c"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
