//! How fast a blast comes to a client that only reads: `blast_read [rows] [runs]`.
//!
//! The client speaks the handshake by hand and then walks over frame headers, so that what is measured
//! is the exchange and the loopback. The rows are counted, and the first frames are compared with what
//! the blast says that they hold.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use dxstream_exchange::blast::Blast;
use dxstream_exchange::config::{Access, ExchangeConfig};
use dxstream_exchange::{Exchange, blast};
use serde_json::Value;

/// The size of the reader's buffer.
const BUFFER: usize = 1 << 20;

/// Frames that are compared value by value.
const COMPARED: usize = 100;

const HELLO: [&str; 4] = [
    r#"{"type":"SETUP","channel":0,"version":"0.1-blast/1","keepaliveTimeout":60}"#,
    r#"{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{"contract":"AUTO"}}"#,
    r#"{"type":"FEED_SETUP","channel":1,"acceptAggregationPeriod":0,"acceptDataFormat":"COMPACT","acceptEventFields":{"Quote":["eventSymbol","eventTime","sequence","timeNanoPart","bidTime","bidExchangeCode","bidPrice","bidSize","askTime","askExchangeCode","askPrice","askSize"]}}"#,
    r#"{"type":"FEED_SUBSCRIPTION","channel":1,"add":[{"type":"Quote","symbol":"SYM0000"}]}"#,
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows = arguments.next().map_or(Ok(100_000_000), |text| text.parse())?;
    let runs: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let blast = Blast { rows: Some(rows), ..Blast::default() };
    let config = ExchangeConfig {
        access: Access::Anonymous,
        blast: Some(blast.clone()),
        ..ExchangeConfig::default()
    };
    let exchange = Exchange::start(config)?;
    let mut figures = Vec::new();
    for run in 1..=runs {
        let mut socket = connect(exchange.port())?;
        compare(&mut socket, &blast)?;
        let counted = (COMPARED * blast.rows_per_frame) as u64;
        let started = Instant::now();
        let bytes = read_rows(&mut socket, &blast, rows - counted)?;
        let seconds = started.elapsed().as_secs_f64();
        let rate = (rows - counted) as f64 / seconds / 1e6;
        let row_bytes = bytes as f64 / (rows - counted) as f64;
        println!(
            "run {run}: {rate:.1} M rows/s, {:.2} GB/s, {row_bytes:.1} bytes a row",
            bytes as f64 / seconds / 1e9
        );
        figures.push(rate);
    }
    figures.sort_by(f64::total_cmp);
    println!(
        "median {:.1}, least {:.1}, most {:.1} M rows/s of {runs} runs, {rows} rows each",
        figures[figures.len() / 2],
        figures[0],
        figures[figures.len() - 1]
    );
    Ok(())
}

/// Connects, subscribes and reads up to the FEED_CONFIG that comes just before the rows.
fn connect(port: u16) -> Result<TcpStream, Box<dyn Error>> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        socket,
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )?;
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        response.push(byte[0]);
    }
    for text in HELLO {
        // A masked text frame with a 16-bit length; a masking key of zero leaves the payload as it is.
        let mut frame = vec![0x81, 0xfe];
        frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        socket.write_all(&frame)?;
    }
    while !read_message(&mut socket)?.contains("eventFields") {}
    Ok(socket)
}

fn read_message(socket: &mut TcpStream) -> Result<String, Box<dyn Error>> {
    let mut header = [0; 2];
    socket.read_exact(&mut header)?;
    let mut length = usize::from(header[1]);
    if length == 126 {
        let mut long = [0; 2];
        socket.read_exact(&mut long)?;
        length = usize::from(u16::from_be_bytes(long));
    }
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload)?;
    Ok(String::from_utf8(payload)?)
}

/// Reads the first frames and compares each value with what the blast says.
fn compare(socket: &mut TcpStream, blast: &Blast) -> Result<(), Box<dyn Error>> {
    let mut number = 0;
    for _ in 0..COMPARED {
        let message: Value = serde_json::from_str(&read_message(socket)?)?;
        let block = message["data"][1].as_array().ok_or("no data")?;
        for values in block.chunks(12) {
            let blast::BlastRow { symbol, bid_price, bid_size, ask_price, ask_size } =
                blast.row(number);
            let expected = [bid_price, bid_size, ask_price, ask_size].map(Some);
            if values[0] != blast.symbol(symbol)
                || [6, 7, 10, 11].map(|at: usize| values[at].as_f64()) != expected
            {
                return Err(format!("row {number} is {values:?}").into());
            }
            number += 1;
        }
    }
    Ok(())
}

/// Walks over the frames of this many rows and says how many bytes they were.
fn read_rows(socket: &mut TcpStream, blast: &Blast, rows: u64) -> Result<u64, Box<dyn Error>> {
    let mut buffer = vec![0; BUFFER];
    let frames = rows.div_ceil(blast.rows_per_frame as u64);
    let (mut seen, mut bytes, mut filled) = (0, 0, 0);
    while seen < frames {
        let read = socket.read(&mut buffer[filled..])?;
        if read == 0 {
            return Err(format!("the blast ended after {seen} of {frames} frames").into());
        }
        bytes += read as u64;
        filled += read;
        let mut at = 0;
        while filled - at >= 4 {
            let (header, length) = match buffer[at + 1] {
                126 => (4, usize::from(u16::from_be_bytes([buffer[at + 2], buffer[at + 3]]))),
                length => (2, usize::from(length)),
            };
            if filled - at < header + length {
                break;
            }
            at += header + length;
            seen += 1;
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
    }
    if seen > frames {
        return Err("the blast sent more than it should".into());
    }
    Ok(bytes)
}
