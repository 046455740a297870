//! It does not matter where in a frame a value stands, how long it is, and where the frame ends.

use super::differential::compare;
use super::*;

const NAMES: &str = "eventSymbol,bidPrice,bidTime,bidExchangeCode,noSuchField,askPrice";

fn feed() -> Feed {
    Feed::default().with(EventKind::Quote, NAMES)
}

fn frame(rows: &[String]) -> String {
    let rows = rows.join(",");
    format!(r#"{{"type":"FEED_DATA","channel":1,"data":["Quote",[{rows}]]}}"#)
}

fn row(symbol: &str, price: &str, time: &str, code: &str, other: &str) -> String {
    format!("{symbol},{price},{time},{code},{other},{price}")
}

/// A row of which nothing is special, with a symbol of so many bytes.
fn plain_row(length: usize) -> String {
    row(&symbol(length), "12.5", "0", r#""Q""#, "7")
}

fn symbol(length: usize) -> String {
    format!("\"{}\"", &"./ESU25P900:XCME{=5m}ABCDEFGHIJKLMNOPQRSTUVWXYZ"[..length])
}

/// Numbers of each length, with the point at each place.
fn numbers() -> Vec<String> {
    let digits = "9081726354091827364509";
    let mut numbers = vec!["0".to_owned(), "0.0".to_owned(), "0.05".to_owned()];
    for length in 1..digits.len() {
        numbers.push(digits[..length].to_owned());
        for point in [1, 2, length / 2, length - 1] {
            if (1..length).contains(&point) {
                numbers.push(format!("{}.{}", &digits[..point], &digits[point..length]));
            }
        }
    }
    numbers.extend(numbers.iter().map(|number| format!("-{number}")).collect::<Vec<_>>());
    let others = ["1.5e3", "1e-7", "12.", ".5", "01", "01.5", "1.2.3", "--1", "+1", "1-2", "-"];
    numbers.extend(others.map(str::to_owned));
    numbers
}

const STRINGS: &[&str] = &[
    r#""""#,
    r#"",""#,
    r#""]""#,
    r#""[""#,
    r#""}""#,
    r#""\"""#,
    r#""\\""#,
    r#""\u0000""#,
    r#""Q"""#,
    r#""Q"x"#,
    r#"""Q"#,
    r#""Q,R""#,
    r#"",,,""#,
    r#""],[""#,
    r#""a\",b""#,
    r#""AAPL{=5m,tho=true,a=b}""#,
    r#""=2*.SPXW241125P5990-.SPXW241125P5980,-./ESU25P900:XCME""#,
    r#""é""#,
    r#""éÜ€😀,éÜ€😀""#,
    r#""NaN""#,
    r#""NaN"x"#,
    r#""Infinity""#,
    "\"Q\0\"",
    "\"Q\"\0",
    "\"\n\"",
    "null",
    "nul",
    "true",
    "Q",
    "\"",
    "",
];

/// Compares with the rows of the frame before and behind, so that the row begins at each byte of a
/// span, and is at each distance from the end.
fn compare_everywhere(row: &str) -> usize {
    compare_every(1, row)
}

fn compare_every(step: usize, row: &str) -> usize {
    let feed = feed();
    let mut single = 0;
    for before in (1..=40).step_by(step) {
        let mut rows = vec![plain_row(before), row.to_owned()];
        single += usize::from(compare(&frame(&rows), &feed).unwrap());
        rows.extend([plain_row(41 - before), plain_row(before)]);
        single += usize::from(compare(&frame(&rows), &feed).unwrap());
    }
    single
}

#[test]
fn symbols_of_each_length() {
    for length in 1..=40 {
        let row = row(&symbol(length), "131.66", "1748020169744", r#""Q""#, "0.5");
        assert_eq!(compare_everywhere(&row), 80, "{row}");
    }
}

#[test]
fn numbers_of_each_length() {
    for number in numbers() {
        compare_every(3, &row(&symbol(4), &number, "0", r#""Q""#, "7"));
        compare_every(3, &row(&symbol(4), "12.5", &number, r#""Q""#, &number));
    }
}

#[test]
fn strings_of_all_sorts() {
    for string in STRINGS {
        compare_everywhere(&row(string, "12.5", "0", r#""Q""#, "7"));
        compare_everywhere(&row(&symbol(4), "12.5", "0", string, string));
        compare_everywhere(&row(&symbol(4), string, string, r#""Q""#, "7"));
    }
}

#[test]
fn strings_that_hold_commas_and_brackets_are_read_in_one_pass() {
    for symbol in [r#""AAPL{=5m,tho=true}""#, r#""],[""#, r#"",""#, r#""a,b]]}""#] {
        assert_eq!(compare_everywhere(&row(symbol, "12.5", "0", "\",\"", symbol)), 80, "{symbol}");
    }
}

#[test]
fn frames_that_end_anywhere() {
    let feed = feed();
    for rows in 1..=5 {
        let rows: Vec<String> = (0..rows).map(|at| plain_row(3 + 5 * at)).collect();
        let whole = frame(&rows);
        assert!(compare(&whole, &feed).unwrap());
        for end in 0..whole.len() {
            let cut = &whole[..end];
            for rest in ["", "]]}", "\"]]}", ",]]}", "]]]}", "0]]}", "]]}]]}", "]]} ", "\0]]}"] {
                compare(&format!("{cut}{rest}"), &feed).unwrap();
            }
        }
    }
}

#[test]
fn bytes_that_are_too_many_anywhere() {
    let feed = feed();
    for rows in [1, 4] {
        let rows: Vec<String> = (0..rows).map(|at| plain_row(3 + 5 * at)).collect();
        let whole = frame(&rows);
        for at in 0..whole.len() {
            for more in ["\0", "\0\0\0\0", ",", "]", "\"", "\\", " ", "é", "0", "-", ".", "\"\""] {
                let mut longer = whole.clone();
                longer.insert_str(at, more);
                compare(&longer, &feed).unwrap();
            }
        }
    }
}
