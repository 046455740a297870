//! The seeds, as they are and damaged, through the checks of the targets: fuzzing for every day.

use std::fs;
use std::path::Path;

use dxstream_fuzz::{compact, config, session};

/// How often each seed is damaged in a way of its own.
const DAMAGED: u64 = 400;

fn each_seed(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut checked = 0;
    for seed in fs::read_dir(&seeds).expect("the seeds are committed") {
        let seed =
            fs::read(seed.expect("the folder is readable").path()).expect("a seed is a file");
        check(&seed);
        for number in 0..DAMAGED {
            check(&damaged(&seed, number));
        }
        checked += 1;
    }
    assert!(checked > 0, "{} is empty", seeds.display());
}

/// A seed with up to eight bytes changed, left out or doubled; the same for the same number.
fn damaged(seed: &[u8], number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    // Marsaglia's xorshift.
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut bytes = seed.to_vec();
    for _ in 0..=draw(8) {
        if bytes.is_empty() {
            break;
        }
        let at = draw(bytes.len());
        match draw(3) {
            0 => bytes[at] = draw(256) as u8,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, bytes[at]),
        }
    }
    bytes
}

#[test]
fn compact_data_is_read_the_same_both_ways() {
    each_seed("compact", compact::check);
}

#[test]
fn data_is_read_by_the_last_config_the_same_both_ways() {
    each_seed("config", config::check);
}

#[test]
fn a_session_stands_whatever_is_said() {
    each_seed("session", session::check);
}
