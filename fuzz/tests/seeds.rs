//! The seeds, and what fuzzing found once, through the checks of the targets.

use std::fs;
use std::path::Path;

use dxstream_fuzz::{compact, config, session};

fn each_seed(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut checked = 0;
    for seed in fs::read_dir(&seeds).expect("the seeds are committed") {
        check(&fs::read(seed.expect("the folder is readable").path()).expect("a seed is a file"));
        checked += 1;
    }
    assert!(checked > 0, "{} is empty", seeds.display());
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
