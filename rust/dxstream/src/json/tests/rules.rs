//! One table for each rule of reading.

use super::*;
use crate::event::{Bool, Char, Direction, Enum, Text, UNKNOWN_LONG};
use crate::symbol::{Interner, TextId};

const KINDS: &str = "eventSymbol,price,tradeId,sequence,time,dayId,exchangeCode,\
                     extendedTradingHours,tickDirection";
const QUOTES: &str = "eventSymbol,bidPrice";

fn read(frame: &str, feed: &Feed, tables: &Tables) -> (Result<Frame, FrameError>, Batch) {
    let mut batch = Batch::new();
    let mut reader = FrameReader::new();
    let first = reader.read(frame, feed, tables, &mut batch);
    let rows_before = rows(&batch);
    let again = reader.read(frame, feed, tables, &mut batch);
    assert_eq!(first, again, "{frame}");
    assert_eq!(rows(&batch), rows_before, "{frame}");
    (first, batch)
}

/// The word of a field of a one-row frame, or nothing where the row was rejected.
fn word(kind: EventKind, wire: &str, value: &str, tables: &Tables) -> Option<u64> {
    let feed = Feed::default().with(kind, &format!("eventSymbol,{wire}"));
    let at = kind.fields().iter().position(|field| field.is_wire_name(wire)).unwrap();
    let name = kind.name();
    let compact = format!(r#"{{"type":"FEED_DATA","channel":1,"data":["{name}",["A",{value}]]}}"#);
    let full = format!(
        r#"{{"type":"FEED_DATA","channel":1,"data":[{{"eventType":"{name}","{wire}":{value},"eventSymbol":"A"}}]}}"#
    );
    let [compact, full] = [compact, full].map(|frame| {
        let (frame, batch) = read(&frame, &feed, tables);
        let rows = rows(&batch);
        let rejected = Rejected { rows: 1 - rows.len() as u64, blocks: 0 };
        assert_eq!(frame, Ok(Frame::Data { channel: 1, rejected }), "{wire} {value}");
        rows.first().map(|(_, row)| row[at])
    });
    assert_eq!(compact, full, "{wire} {value}");
    compact
}

fn float(value: f64) -> u64 {
    value.to_bits()
}

fn int(value: i64) -> u64 {
    value as u64
}

#[test]
fn doubles() {
    let tables = Tables::new();
    for (value, expected) in [
        ("1.5", Some(float(1.5))),
        ("-0", Some(float(-0.0))),
        ("-0.0", Some(float(-0.0))),
        ("7", Some(float(7.0))),
        ("1.3743299E7", Some(float(13_743_299.0))),
        ("4.81989763184255e-12", Some(float(4.819_897_631_842_55e-12))),
        ("1e-400", Some(float(0.0))),
        ("9007199254740993", Some(float(9_007_199_254_740_992.0))),
        ("18446744073709551616", Some(float(18_446_744_073_709_551_616.0))),
        ("0.1000000000000000055511151231257827", Some(float(0.1))),
        (r#""NaN""#, Some(float(f64::NAN))),
        (r#""Infinity""#, Some(float(f64::INFINITY))),
        (r#""-Infinity""#, Some(float(f64::NEG_INFINITY))),
        ("null", Some(float(f64::NAN))),
        (r#""1.5""#, None),
        (r#""""#, None),
        ("true", None),
        ("[1.5]", None),
        ("{}", None),
    ] {
        assert_eq!(word(EventKind::Trade, "price", value, &tables), expected, "{value}");
    }
}

#[test]
fn integers() {
    let tables = Tables::new();
    for (value, expected) in [
        ("0", Some(int(0))),
        ("-5", Some(int(-5))),
        ("-0", Some(int(0))),
        ("7235129486797176832", Some(int(7_235_129_486_797_176_832))),
        ("7235129486797176833", Some(int(7_235_129_486_797_176_833))),
        ("9223372036854775807", Some(int(i64::MAX))),
        ("-9223372036854775807", Some(int(-i64::MAX))),
        ("9223372036854775808", None),
        ("18446744073709551616", None),
        ("100.0", Some(int(100))),
        ("1.0E3", Some(int(1000))),
        ("-2.5e1", Some(int(-25))),
        ("9007199254740992.0", Some(int(9_007_199_254_740_992))),
        ("9007199254740994.0", None),
        ("1.5", None),
        ("1e300", None),
        (r#""7""#, None),
        (r#""Infinity""#, None),
        ("false", None),
    ] {
        for (kind, wire) in [
            (EventKind::Trade, "tradeId"),
            (EventKind::Trade, "sequence"),
            (EventKind::Trade, "time"),
            (EventKind::Trade, "dayId"),
            (EventKind::Candle, "index"),
        ] {
            assert_eq!(word(kind, wire, value, &tables), expected, "{wire} {value}");
        }
    }
    for value in ["null", r#""NaN""#] {
        assert_eq!(word(EventKind::Trade, "tradeId", value, &tables), Some(int(UNKNOWN_LONG)));
        assert_eq!(word(EventKind::Candle, "index", value, &tables), Some(int(0)));
    }
    let least = "-9223372036854775808";
    assert_eq!(word(EventKind::Trade, "tradeId", least, &tables), None);
    assert_eq!(word(EventKind::Candle, "index", least, &tables), Some(int(i64::MIN)));
}

#[test]
fn characters_truth_values_and_enums() {
    let tables = Tables::new();
    let text = |id| TextId(id);
    for (value, expected) in [
        (r#""Q""#, Some(Char::new('Q').0)),
        (r#""""#, Some(0)),
        (r#""\u0000""#, Some(0)),
        ("null", Some(0)),
        (r#""é""#, Some(Char::new('é').0)),
        (r#""\u00e9""#, Some(Char::new('é').0)),
        (r#""\ud83d\ude00""#, Some(Char::new('😀').0)),
        (r#""MEMX""#, Some(Char::from_text(text(0)).0)),
        ("5", None),
    ] {
        assert_eq!(word(EventKind::Trade, "exchangeCode", value, &tables), expected, "{value}");
    }
    for (value, expected) in [
        ("true", Some(Bool::from(true).0)),
        ("false", Some(Bool::from(false).0)),
        ("null", Some(Bool::UNKNOWN.0)),
        (r#""true""#, None),
        ("1", None),
    ] {
        let found = word(EventKind::Trade, "extendedTradingHours", value, &tables);
        assert_eq!(found, expected, "{value}");
    }
    for (value, expected) in [
        (r#""ZERO_UP""#, Some(Enum::from(Direction::ZeroUp).0)),
        (r#""SIDEWAYS""#, Some(Enum::from_text(text(1)).0)),
        (r#""""#, Some(Enum::UNKNOWN.0)),
        ("null", Some(Enum::UNKNOWN.0)),
        ("3", None),
    ] {
        assert_eq!(word(EventKind::Trade, "tickDirection", value, &tables), expected, "{value}");
    }
    assert_eq!((tables.text(text(0)), tables.text(text(1))), (Some("MEMX"), Some("SIDEWAYS")));
}

#[test]
fn texts_keep_what_is_no_string_as_json() {
    let tables = Tables::new();
    for (value, expected) in [
        (r#""plain""#, Some(Some("plain"))),
        (r#""\"\\\/\b\f\n\r\t""#, Some(Some("\"\\/\u{8}\u{c}\n\r\t"))),
        (r#""""#, Some(Some(""))),
        ("null", Some(None)),
        (r#"{ "a": [1, 2.50, "x"], "b": null }"#, Some(Some(r#"{"a":[1,2.5,"x"],"b":null}"#))),
        ("[ 1, true ]", Some(Some("[1,true]"))),
        ("12", Some(Some("12"))),
        ("true", None),
    ] {
        let found = word(EventKind::Configuration, "attachment", value, &tables)
            .map(|word| Text(word).id().map(|id| tables.text(id).unwrap()));
        assert_eq!(found, expected, "{value}");
    }
}

#[test]
fn rows_behind_a_bad_one_are_rejected_with_it() {
    let feed = Feed::default().with(EventKind::Quote, QUOTES).with(EventKind::Trade, KINDS);
    for (data, kept, rejected) in [
        (r#"["Quote",["A",1,"B",2]]"#, 2, (0, 0)),
        (r#"["Quote",[]]"#, 0, (0, 0)),
        ("[]", 0, (0, 0)),
        (r#"["Quote",["A",1,"B",2,"C"]]"#, 2, (1, 0)),
        (r#"["Quote",["A",1,"B",true,"C",3]]"#, 1, (2, 0)),
        (r#"["Quote",["A",1,"",2,"C",3,"D"]]"#, 1, (3, 0)),
        (r#"["Quote",["A",1,2,"B",3,"C",4]]"#, 1, (3, 0)),
        (r#"["Quote",[["A",1],["B",2]]]"#, 0, (1, 0)),
        (r#"["Quote",["A",1,5,5],"Quote",["B",2]]"#, 2, (1, 0)),
        (r#"["Quote",["A",1],"Nonsense",[1,2,3],"Quote",["B",2]]"#, 2, (0, 1)),
        (r#"["Greeks",["A",1],"Quote",["B",2]]"#, 1, (0, 1)),
        (r#"["Quote",["A",1],"Quote"]"#, 1, (0, 1)),
        (r#"["Quote","Quote",["A",1]]"#, 0, (0, 2)),
        (r#"["Quote",["A",1],{"eventType":"Quote"},["B",2]]"#, 1, (0, 1)),
        (
            r#"[{"eventType":"Quote","eventSymbol":"A"},{"eventType":"Quote"},
                {"eventType":"Quote","eventSymbol":"B","bidPrice":[]},{"eventType":"X"},7,
                {"eventSymbol":"C"},{"eventType":"Trade","eventSymbol":"D"}]"#,
            2,
            (4, 1),
        ),
    ] {
        let frame = format!(r#"{{"type":"FEED_DATA","channel":3,"data":{data}}}"#);
        let (frame, batch) = read(&frame, &feed, &Tables::new());
        let rejected = Rejected { rows: rejected.0, blocks: rejected.1 };
        assert_eq!(frame, Ok(Frame::Data { channel: 3, rejected }), "{data}");
        assert_eq!(batch.rows(), kept, "{data}");
    }
}

#[test]
fn nothing_of_an_unknown_channel_is_read() {
    let feed = Feed::default().with(EventKind::Quote, QUOTES);
    for data in [
        r#"["Quote",["A",1],"Quote",["B",2]]"#,
        r#"[{"eventType":"Quote","eventSymbol":"A"},{"eventType":"Quote","eventSymbol":"B"}]"#,
    ] {
        let frame = format!(r#"{{"type":"FEED_DATA","channel":5,"data":{data}}}"#);
        let (frame, batch) = read(&frame, &feed, &Tables::new());
        let rejected = Rejected { rows: 0, blocks: 2 };
        assert_eq!(frame, Ok(Frame::Data { channel: 5, rejected }));
        assert!(batch.is_empty());
    }
}

#[test]
fn a_full_table_rejects_rows_with_new_symbols_only() {
    let feed = Feed::default().with(EventKind::Quote, QUOTES);
    let tables = Tables { symbols: Interner::new(1, 100), texts: Interner::new(1, 100) };
    let frame = r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["A",1,"B",2,"A",3]]}"#;
    let (frame, batch) = read(frame, &feed, &tables);
    let rejected = Rejected { rows: 1, blocks: 0 };
    assert_eq!(frame, Ok(Frame::Data { channel: 1, rejected }));
    assert_eq!(batch.rows(), 2);
}

#[test]
fn malformed_frames_leave_nothing() {
    let feed = Feed::default().with(EventKind::Quote, QUOTES);
    let whole = r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["A",1.5,"B",2e3]]}"#;
    let tables = Tables::new();
    assert!(read(whole, &feed, &tables).0.is_ok());
    for end in 0..whole.len() {
        let (frame, batch) = read(&whole[..end], &feed, &tables);
        assert!(matches!(frame, Err(FrameError::Truncated(_))), "{} {frame:?}", &whole[..end]);
        assert!(batch.is_empty());
    }
    let with = |value: &str| whole.replace("1.5", value);
    let deep = "[".repeat(130) + &"]".repeat(130);
    for (frame, expected) in [
        (format!("{whole}x"), FrameError::Malformed(whole.len() + 1)),
        (format!("{whole}{{}}"), FrameError::Malformed(whole.len() + 1)),
        (with("1e999"), FrameError::Malformed(55)),
        (with("-1e999"), FrameError::Malformed(56)),
        (with("01"), FrameError::Malformed(52)),
        (with("+1"), FrameError::Malformed(51)),
        (with("1."), FrameError::Malformed(53)),
        (with(".5"), FrameError::Malformed(51)),
        (with("NaN"), FrameError::Malformed(51)),
        (with("0x1"), FrameError::Malformed(52)),
        (with("1,"), FrameError::Malformed(53)),
        (with(&deep), FrameError::Malformed(175)),
        (with(r#""\ud800""#), FrameError::Malformed(58)),
        (with(r#""\udc00x""#), FrameError::Malformed(57)),
        (with("\"\u{1}\""), FrameError::Malformed(52)),
        ("7".into(), FrameError::NotAnObject),
        ("[]".into(), FrameError::NotAnObject),
        (r#"{"type":"FEED_DATA","data":[]}"#.into(), FrameError::Channel),
        (r#"{"type":"FEED_DATA","channel":"1","data":[]}"#.into(), FrameError::Channel),
        (r#"{"type":"FEED_DATA","channel":-1,"data":[]}"#.into(), FrameError::Channel),
        (whole.replace(":1,", ":1.0,"), FrameError::Channel),
        (whole.replace(":1,", ":-0,"), FrameError::Channel),
        (r#"{"type":"FEED_DATA","channel":1}"#.into(), FrameError::Data),
        (r#"{"type":"FEED_DATA","channel":1,"data":{}}"#.into(), FrameError::Data),
        (r#"{"type":"FEED_DATA","channel":1,"data":[null]}"#.into(), FrameError::Data),
    ] {
        let (result, batch) = read(&frame, &feed, &tables);
        let error = result.unwrap_err();
        assert_eq!(
            std::mem::discriminant(&error),
            std::mem::discriminant(&expected),
            "{frame} {error:?}"
        );
        if let (FrameError::Malformed(at), FrameError::Malformed(about)) = (error, expected) {
            assert!(at.abs_diff(about) <= 8, "{frame} {error}");
        }
        assert!(batch.is_empty());
    }
}

#[test]
fn the_way_a_frame_is_written_does_not_matter() {
    let feed = Feed::default().with(EventKind::Quote, "eventType,eventSymbol,noSuchField,bidPrice");
    let tables = Tables::new();
    let expected = {
        let frame = r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["Quote","A/B",7,1.5]]}"#;
        rows(&read(frame, &feed, &tables).1)
    };
    assert_eq!(expected.len(), 1);
    for frame in [
        r#"{"data":["Quote",["Quote","A/B",{"x":[1]},1.5]],"channel":1,"type":"FEED_DATA"}"#,
        r#" { "type" : "FEED_DATA" , "channel" : 1 , "data" : [ "Quote" , [ "Quote" , "A/B" , null , 1.5 ] ] } "#,
        r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["\u0051uote","\u0041\/B","x",1.5]]}"#,
        r#"{"type":"FEED_DATA","channel":9,"channel":1,"data":5,"data":["Quote",["","A/B",7,15E-1]]}"#,
        r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["","A/B",7,1.5]],"more":{"a":1}}"#,
    ] {
        let (result, batch) = read(frame, &feed, &tables);
        let clean = Frame::Data { channel: 1, rejected: Rejected::default() };
        assert_eq!(result, Ok(clean), "{frame}");
        assert_eq!(rows(&batch), expected, "{frame}");
    }
}

#[test]
fn schemas() {
    let new = |names: &[&str]| Schema::new(EventKind::Candle, names);
    assert_eq!(new(&[]), Err(SchemaError::Empty(EventKind::Candle)));
    assert_eq!(new(&["open"]), Err(SchemaError::NoSymbol(EventKind::Candle)));
    for name in ["open", "noSuchField"] {
        let twice = SchemaError::Twice { kind: EventKind::Candle, name: name.into() };
        assert_eq!(new(&["eventSymbol", name, name]), Err(twice));
    }
    let schema = new(&["eventSymbol", "VWAP", "vwap", "noSuchField"]).unwrap();
    assert_eq!((schema.kind(), schema.width()), (EventKind::Candle, 4));
    for (name, carried) in
        [("vwap", true), ("VWAP", true), ("event_symbol", true), ("open", false), ("no", false)]
    {
        assert_eq!(schema.carries(name), carried, "{name}");
    }
}

#[test]
fn adjacent_rows_of_a_type_are_one_block() {
    let feed = Feed::default().with(EventKind::Quote, QUOTES).with(EventKind::Trade, KINDS);
    let frame = r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["A",1],"Trade",[],
        "Quote",["B",2],"Trade",["A",1,2,3,4,5,"Q",true,"UP"],"Quote",["B",3]]}"#;
    let (_, batch) = read(frame, &feed, &Tables::new());
    let kinds: Vec<(EventKind, usize)> =
        batch.blocks().map(|(kind, words)| (kind, words.len() / kind.fields().len())).collect();
    assert_eq!(kinds, [(EventKind::Quote, 2), (EventKind::Trade, 1), (EventKind::Quote, 1)]);
}
