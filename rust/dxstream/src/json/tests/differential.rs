//! The reader gives for any frame what the general reader alone gives.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::event::{Field, FieldKind};
use crate::symbol::Interner;

/// Choices that look random and follow from a seed.
struct Choice(u64);

impl Choice {
    /// A number below `limit`. (SplitMix64.)
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

const SYMBOLS: &[&str] = &[
    r#""A""#,
    r#""AAPL""#,
    r#""/ESU25:XCME""#,
    r#"".SPXW241125P5990""#,
    r#""./ESU25P900:XCME""#,
    r#""AAPL{=5m,tho=true}""#,
    r#""=2*.SPXW241125P5990-.SPXW241125P5980""#,
    r#""éÜ€😀""#,
    r#""1234567""#,
    r#""12345678""#,
    r#""123456789012345""#,
    r#""1234567890123456""#,
];
const TEXTS: &[&str] =
    &[r#""""#, r#""@  I""#, r#""Apple Inc. - Common Stock""#, r#""NTV""#, "null", r#""ü""#];
const ODD: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1e999",
    "1e308",
    "-1.5E-7",
    "01",
    "1.",
    "[]",
    "{}",
    r#"{"b":[1,{"a":null}],"a":1e2,"b":2}"#,
    r#""""#,
    r#""NaN""#,
    r#""Infinity""#,
    r#""-Infinity""#,
    r#""\u0000""#,
    r#""\u0041""#,
    r#""\ud83d\ude00""#,
    r#""\ud83d""#,
    r#""\"\\\/""#,
    "\"\u{7}\"",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "1e3",
    "2.0",
    "-9007199254740992.0",
    "9007199254740993.0",
    "12345678901234567890.5",
    "nul",
    "\"",
    ",",
];

fn number(choice: &mut Choice) -> String {
    let digits = |choice: &mut Choice, most: usize| -> String {
        (0..=choice.below(most)).map(|_| char::from(b'0' + choice.below(10) as u8)).collect()
    };
    let most = if choice.one_in(6) { 25 } else { 4 };
    let mut text = digits(choice, most);
    text = text.trim_start_matches('0').to_owned();
    if text.is_empty() {
        text.push('0');
    }
    if choice.one_in(6) {
        text.insert(0, '-');
    }
    if choice.one_in(2) {
        let places = if choice.one_in(6) { 25 } else { 3 };
        text = text + "." + &digits(choice, places);
    }
    if choice.one_in(12) {
        text += choice.of(&["e", "E", "e-", "E+"]);
        text += &digits(choice, 2);
    }
    text
}

fn integer(choice: &mut Choice) -> String {
    match choice.below(5) {
        0 => "0".into(),
        1 => (choice.below(1 << 22)).to_string(),
        2 => format!("17480201{:05}", choice.below(100_000)),
        3 => (choice.0 as i64).to_string(),
        _ => choice.of(&["100.0", "1.0E3", "null", "\"NaN\"", "-7"]).into(),
    }
}

fn value(choice: &mut Choice, kind: Option<FieldKind>) -> String {
    if choice.one_in(150) {
        return choice.of(ODD).into();
    }
    match kind {
        Some(FieldKind::Symbol) => choice.of(SYMBOLS).into(),
        Some(FieldKind::Double) if choice.one_in(5) => {
            choice.of(&["\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "null"]).into()
        }
        Some(FieldKind::Double) => number(choice),
        Some(
            FieldKind::Long | FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index,
        ) => integer(choice),
        Some(FieldKind::Char) => choice
            .of(&[r#""Q""#, r#""""#, r#""\u0000""#, "null", r#""é""#, r#""MEMX""#, r#"" ""#])
            .into(),
        Some(FieldKind::Bool) => choice.of(&["true", "false", "null"]).into(),
        Some(FieldKind::Enum(names)) => match choice.below(8) {
            0 => choice.of(&["null", r#""""#, r#""NEVER_HEARD""#]).into(),
            _ => format!("\"{}\"", choice.of(names.names)),
        },
        None if choice.one_in(2) => number(choice),
        Some(FieldKind::Text) | None => choice.of(TEXTS).into(),
    }
}

/// The columns of a type: its symbol, some other fields, and names that it does not have.
fn columns(choice: &mut Choice, kind: EventKind) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for field in kind.fields() {
        if field.kind == FieldKind::Symbol || choice.one_in(2) {
            names.push(field.aliases.first().filter(|_| choice.one_in(2)).unwrap_or(&field.wire));
        }
    }
    if choice.one_in(2) {
        names.push("eventType");
    }
    if choice.one_in(4) {
        names.push("noSuchField");
    }
    for last in (1..names.len()).rev() {
        names.swap(last, choice.below(last + 1));
    }
    names
}

fn kind_of(kind: EventKind, name: &str) -> Option<FieldKind> {
    kind.fields().iter().find(|field| field.is_wire_name(name)).map(|field: &Field| field.kind)
}

fn block(choice: &mut Choice, kind: EventKind, names: &[&str]) -> String {
    let mut values = Vec::new();
    for _ in 0..choice.below(5) {
        values.extend(names.iter().map(|name| value(choice, kind_of(kind, name))));
    }
    if choice.one_in(30) {
        values.pop();
    }
    format!("\"{}\",[{}]", kind.name(), values.join(","))
}

fn event(choice: &mut Choice, kind: EventKind, names: &[&str]) -> String {
    let mut fields = vec![format!(r#""eventType":"{}""#, kind.name())];
    for name in names.iter().filter(|&&name| name != "eventType") {
        if !choice.one_in(20) {
            fields.push(format!(r#""{name}":{}"#, value(choice, kind_of(kind, name))));
        }
    }
    format!("{{{}}}", fields.join(","))
}

/// A frame of feed data and the channels to read it with.
fn feed_data(choice: &mut Choice) -> (Feed, String) {
    let mut feed = Feed::default();
    let mut parts = Vec::new();
    let full = choice.one_in(5);
    for _ in 0..=choice.below(3) {
        let kind = EventKind::ALL[choice.below(EventKind::ALL.len())];
        let names = columns(choice, kind);
        if feed.0.iter().any(|schema| schema.kind() == kind) {
            continue;
        }
        parts.push(if full { event(choice, kind, &names) } else { block(choice, kind, &names) });
        if !choice.one_in(30) {
            feed.0.push(Schema::new(kind, &names).unwrap());
        }
    }
    if choice.one_in(30) {
        parts.push(choice.of(&[r#""Nonsense",[1,2]"#, r#""Quote""#, "null", "[1]"]).into());
    }
    let channel =
        if choice.one_in(30) { choice.of(&["5", "-1", "-0", "01", "1.0", "1e0"]) } else { "1" };
    let frame =
        format!(r#"{{"type":"FEED_DATA","channel":{channel},"data":[{}]}}"#, parts.join(","));
    (feed, frame)
}

fn spaced(choice: &mut Choice, frame: &str) -> String {
    let mut spaced = String::new();
    let mut in_string = false;
    for character in frame.chars() {
        in_string ^= character == '"';
        spaced.push(character);
        if !in_string && matches!(character, ',' | ':' | '[' | ']') && choice.one_in(8) {
            spaced.push_str(choice.of(&[" ", "\n", "\t ", "\r\n"]));
        }
    }
    spaced
}

/// Changes a few bytes of a frame, or cuts it short.
fn damaged(choice: &mut Choice, frame: &str) -> String {
    let mut bytes = frame.as_bytes().to_vec();
    for _ in 0..=choice.below(2) {
        let at = choice.below(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
        match choice.below(5) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] = choice.below(256) as u8,
            2 if !bytes.is_empty() => {
                bytes.remove(at);
            }
            3 => bytes.insert(at, br#"",[]{}\0-1e. :"#[choice.below(14)]),
            _ => bytes.extend_from_within(..at.min(3)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Tables without texts, or with all that the frames may hold.
fn tables(known: bool) -> Tables {
    let [symbols, texts] = [(); 2].map(|()| Interner::new(1 << 10, 1 << 20));
    let tables = Tables { symbols, texts };
    for text in SYMBOLS.iter().chain(TEXTS).filter(|_| known) {
        if let Ok(Value::String(text)) = serde_json::from_str(text) {
            tables.symbols.intern(&text).unwrap();
            tables.texts.intern(&text).unwrap();
        }
    }
    tables
}

/// Reads a frame with both readers: with symbols that are new, that the frame made known, and that
/// were known before. Whether the frame was read in one pass in the end.
pub(super) fn compare(frame: &str, feed: &Feed) -> Result<bool, TestCaseError> {
    let mut single = false;
    for known in [false, true] {
        let (mut batch, mut expected_batch) = (Batch::new(), Batch::new());
        let [tables, expected_tables] = [known; 2].map(tables);
        let expected = general::read(frame, feed, &expected_tables, &mut expected_batch);
        let mut reader = FrameReader::new();
        for _ in 0..2 {
            let read = reader.read(frame, feed, &tables, &mut batch);
            prop_assert_eq!(&read, &expected, "{}", frame);
            prop_assert_eq!(rows(&batch), rows(&expected_batch), "{}", frame);
            prop_assert!(read.is_ok() || batch.is_empty(), "{}", frame);
            for (table, expected) in [
                (&tables.symbols, &expected_tables.symbols),
                (&tables.texts, &expected_tables.texts),
            ] {
                prop_assert_eq!(table.len(), expected.len());
                for id in 0..table.len() as u32 {
                    prop_assert_eq!(table.get(id), expected.get(id));
                }
            }
        }
        batch.clear();
        let mut lookup = compact::Lookup::default();
        single = compact::read(frame, feed, &tables, &mut lookup, &mut batch).is_some();
    }
    Ok(single)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn written_frames(seed in any::<u64>()) {
        let mut choice = Choice(seed);
        let (feed, frame) = feed_data(&mut choice);
        compare(&frame, &feed)?;
        let spaced = spaced(&mut choice, &frame);
        compare(&spaced, &feed)?;
    }

    #[test]
    fn damaged_frames(seed in any::<u64>()) {
        let mut choice = Choice(seed);
        let (feed, frame) = feed_data(&mut choice);
        for _ in 0..3 {
            let frame = damaged(&mut choice, &frame);
            compare(&frame, &feed)?;
        }
    }

    #[test]
    fn frames_with_one_byte_changed(seed in any::<u64>()) {
        let mut choice = Choice(seed);
        let row = r#""/ESU25:XCME",10.25,1748020169744,"","#;
        let mut frame = format!(
            r#"{{"type":"FEED_DATA","channel":1,"data":["Quote",[{}"AAPL",1.5,0,"Q"],"Quote",["A",0.5,7,"Z"]]}}"#,
            row.repeat(choice.below(5)),
        );
        let feed = Feed::default()
            .with(EventKind::Quote, "eventSymbol,bidPrice,bidTime,bidExchangeCode");
        let at = choice.below(frame.len());
        let changed = char::from(choice.below(128) as u8).to_string();
        match choice.below(3) {
            0 => frame.replace_range(at..=at, &changed),
            1 => frame.insert_str(at + 1, &changed),
            _ => frame.replace_range(at..=at, ""),
        }
        compare(&frame, &feed)?;
    }

    #[test]
    fn any_text(frame in "[\\[\\]{}\",:0-9a-z. ]{0,60}") {
        compare(&frame, &Feed::default())?;
    }
}

#[test]
fn most_written_frames_are_read_in_one_pass() {
    let single = (0..500)
        .filter(|&seed| {
            let (feed, frame) = feed_data(&mut Choice(seed));
            compare(&frame, &feed).unwrap()
        })
        .count();
    assert!((150..450).contains(&single), "{single} of 500");
}
