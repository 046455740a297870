//! Rows as JSON values, the way a Java server writes them.

use dxstream::event::{Bool, Char, Enum, EventKind, FieldKind, Text, UNKNOWN_LONG};
use dxstream::symbol::{SymbolId, Tables};

use crate::config::{FieldNames, NoCharacter, Rules, Unknown};
use crate::source::Row;

/// Fields that a strict server does not serve. Source: dxFeed API getters and later additions that
/// the DXLink specification does not list.
const BEYOND_SPECIFICATION: &[(EventKind, &str)] = &[
    (EventKind::Underlying, "optionVolume"),
    (EventKind::Trade, "tradeId"),
    (EventKind::TradeETH, "tradeId"),
    (EventKind::TimeAndSale, "tradeId"),
];

/// The fields of one type that a client gets, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    kind: EventKind,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    /// The name that the client used.
    name: String,
    /// The word of the field; none is `eventType`.
    word: Option<usize>,
}

impl Layout {
    /// The layout for the asked names, without those that are not served. Without any, it is every
    /// field in the order of its declaration.
    pub(crate) fn new(kind: EventKind, asked: &[String], names: FieldNames) -> Self {
        let mut columns: Vec<Column> = asked
            .iter()
            .filter_map(|name| {
                let word = match name.as_str() {
                    "eventType" => None,
                    name => Some(find_word(kind, name, names)?),
                };
                Some(Column { name: name.clone(), word })
            })
            .collect();
        if columns.is_empty() {
            columns = kind
                .fields()
                .iter()
                .enumerate()
                .filter(|(_, field)| find_word(kind, field.wire, names).is_some())
                .map(|(at, field)| Column { name: field.wire.to_owned(), word: Some(at) })
                .collect();
        }
        Self { kind, columns }
    }

    /// The names of the fields, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// The values of a row, separated by commas.
    pub(crate) fn write_compact(
        &self,
        out: &mut Vec<u8>,
        row: &Row,
        tables: &Tables,
        rules: &Rules,
    ) {
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match column.word {
                None => write_json(out, self.kind.name()),
                Some(word) => {
                    let kind = self.kind.fields()[word].kind;
                    write_value(out, kind, row.words[word], tables, rules);
                }
            }
        }
    }

    /// The row as an object: `eventType` first, fields of which nothing is known left out.
    pub(crate) fn write_full(&self, out: &mut Vec<u8>, row: &Row, tables: &Tables, rules: &Rules) {
        out.extend_from_slice(b"{\"eventType\":");
        write_json(out, self.kind.name());
        for column in &self.columns {
            let Some(word) = column.word else { continue };
            let kind = self.kind.fields()[word].kind;
            if is_unknown(kind, row.words[word]) {
                continue;
            }
            out.push(b',');
            write_json(out, &column.name);
            out.push(b':');
            write_value(out, kind, row.words[word], tables, rules);
        }
        out.push(b'}');
    }
}

fn find_word(kind: EventKind, name: &str, names: FieldNames) -> Option<usize> {
    let strict = names == FieldNames::Strict;
    if strict && BEYOND_SPECIFICATION.contains(&(kind, name)) {
        return None;
    }
    kind.fields()
        .iter()
        .position(|field| if strict { field.wire == name } else { field.is_wire_name(name) })
}

fn is_unknown(kind: FieldKind, word: u64) -> bool {
    match kind {
        FieldKind::Symbol => false,
        FieldKind::Double => f64::from_bits(word).is_nan(),
        kind => word == kind.unknown(),
    }
}

fn write_value(out: &mut Vec<u8>, kind: FieldKind, word: u64, tables: &Tables, rules: &Rules) {
    let null = rules.unknown == Unknown::Null;
    match kind {
        FieldKind::Symbol => {
            write_json(out, tables.symbol(SymbolId(word as u32)).unwrap_or_default());
        }
        FieldKind::Double => write_double(out, f64::from_bits(word)),
        FieldKind::Long if word as i64 == UNKNOWN_LONG => {
            out.extend_from_slice(if null { b"null" } else { b"0" });
        }
        FieldKind::Long | FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => {
            write_json(out, &(word as i64));
        }
        FieldKind::Char => write_character(out, Char(word), tables, rules.no_character),
        FieldKind::Bool => match Bool(word).value() {
            None if null => out.extend_from_slice(b"null"),
            value => write_json(out, &value.unwrap_or(false)),
        },
        FieldKind::Enum(names) => {
            let value = Enum(word);
            let known = value.ordinal().and_then(|ordinal| names.names.get(usize::from(ordinal)));
            match known.copied().or_else(|| value.text().and_then(|text| tables.text(text))) {
                Some(name) => write_json(out, name),
                None if null => out.extend_from_slice(b"null"),
                None => write_json(out, names.names[0]),
            }
        }
        FieldKind::Text => match Text(word).id().and_then(|id| tables.text(id)) {
            Some(text) => write_json(out, text),
            None => out.extend_from_slice(b"null"),
        },
    }
}

fn write_character(out: &mut Vec<u8>, value: Char, tables: &Tables, none: NoCharacter) {
    if let Some(character) = value.character() {
        write_json(out, character.encode_utf8(&mut [0; 4]));
    } else if let Some(text) = value.text().and_then(|text| tables.text(text)) {
        write_json(out, text);
    } else {
        out.extend_from_slice(match none {
            NoCharacter::Nul => b"\"\\u0000\"",
            NoCharacter::Empty => b"\"\"",
        });
    }
}

/// A double as Java's `Double.toString` lays it out, with the shortest digits that read back to the
/// same bits: plain from 1e-3 to 1e7, with an exponent outside, what is not finite as a string.
pub(crate) fn write_double(out: &mut Vec<u8>, value: f64) {
    use std::io::Write as _;

    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        write_json(out, &value);
    } else {
        let start = out.len();
        write!(out, "{value:E}").expect("a vector takes every byte");
        let digits = &out[start..];
        if !digits.contains(&b'.') {
            let exponent =
                digits.iter().position(|&byte| byte == b'E').expect("`{:E}` writes an E");
            out.splice(start + exponent..start + exponent, *b".0");
        }
    }
}

fn write_json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("a vector takes every byte");
}

#[cfg(test)]
mod tests {
    use dxstream::event::{PriceType, Quote, Record, Summary, TimeAndSale};
    use proptest::prelude::*;

    use super::*;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_double(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn doubles_look_like_javas() {
        for (value, text) in [
            (100.0, "100.0"),
            (150.25, "150.25"),
            (0.0, "0.0"),
            (0.001, "0.001"),
            (13_743_299.0, "1.3743299E7"),
            (1e10, "1.0E10"),
            (4.819_897_631_842_55e-12, "4.81989763184255E-12"),
            (-2.5e-4, "-2.5E-4"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(double(value), text);
        }
    }

    proptest! {
        #[test]
        fn finite_doubles_read_back_to_the_same_bits(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = double(value);
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert_eq!(serde_json::from_str::<f64>(&text).unwrap().to_bits(), bits);
        }
    }

    #[test]
    fn a_row_is_written_in_the_asked_order_and_unknown_names_are_dropped() {
        let tables = Tables::new();
        let symbol = SymbolId(tables.symbols.intern("A\"B").unwrap());
        let quote = Quote {
            event_symbol: symbol,
            bid_price: 10.5,
            bid_exchange_code: Char::new('Q'),
            ..Quote::UNKNOWN
        };
        let asked = names(&["bidPrice", "nope", "eventType", "eventSymbol", "askPrice"]);
        let layout = Layout::new(EventKind::Quote, &asked, FieldNames::Strict);
        assert_eq!(layout.names(), ["bidPrice", "eventType", "eventSymbol", "askPrice"]);
        let (mut compact, mut full) = (Vec::new(), Vec::new());
        let rules = Rules::default();
        layout.write_compact(&mut compact, &Row::new(&quote), &tables, &rules);
        assert_eq!(compact, br#"10.5,"Quote","A\"B","NaN""#);
        layout.write_full(&mut full, &Row::new(&quote), &tables, &rules);
        assert_eq!(full, br#"{"eventType":"Quote","bidPrice":10.5,"eventSymbol":"A\"B"}"#);
    }

    #[test]
    fn what_is_unknown_is_written_by_the_rules() {
        let tables = Tables::new();
        let defaults = Rules::default();
        let nulls =
            Rules { unknown: Unknown::Null, no_character: NoCharacter::Empty, ..Rules::default() };
        let write = |layout: &Layout, row: &Row, rules: &Rules| {
            let mut out = Vec::new();
            layout.write_compact(&mut out, row, &tables, rules);
            String::from_utf8(out).unwrap()
        };
        let asked = names(&["tradeThroughExempt", "validTick", "type", "buyer", "tradeId", "size"]);
        let layout = Layout::new(EventKind::TimeAndSale, &asked, FieldNames::Lenient);
        let row = Row::new(&TimeAndSale::UNKNOWN);
        assert_eq!(write(&layout, &row, &defaults), r#""\u0000",false,"NEW",null,0,"NaN""#);
        assert_eq!(write(&layout, &row, &nulls), r#""",null,null,null,null,"NaN""#);
        let summary = Summary {
            day_close_price_type: PriceType::Final.into(),
            open_interest: 34_905,
            ..Summary::UNKNOWN
        };
        let layout = Layout::new(
            EventKind::Summary,
            &names(&["dayClosePriceType", "openInterest"]),
            FieldNames::Strict,
        );
        assert_eq!(write(&layout, &Row::new(&summary), &defaults), r#""FINAL",34905"#);
    }

    #[test]
    fn names_that_servers_disagree_on_follow_the_mode() {
        let served = |kind, name: &str, mode| {
            Layout::new(kind, &names(&["eventSymbol", name]), mode).names().len() == 2
        };
        for (kind, name, strict) in [
            (EventKind::Candle, "vwap", true),
            (EventKind::Candle, "VWAP", false),
            (EventKind::Order, "orderSide", true),
            (EventKind::Order, "side", false),
            (EventKind::Underlying, "optionVolume", false),
            (EventKind::Trade, "tradeId", false),
            (EventKind::Order, "tradeId", true),
        ] {
            assert!(served(kind, name, FieldNames::Lenient), "{name}");
            assert_eq!(served(kind, name, FieldNames::Strict), strict, "{name}");
        }
        let default = Layout::new(EventKind::Candle, &[], FieldNames::Strict);
        assert_eq!(default.names().len(), EventKind::Candle.fields().len());
        assert!(default.names().contains(&"vwap"));
    }
}
