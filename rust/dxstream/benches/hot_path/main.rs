//! What the core's hot path costs, in time or in instructions.
//!
//! `cargo bench --bench hot_path` measures time with criterion. `hot_path --list` names the works, and
//! `hot_path --once NAME` does one of them once in [`measured`], for `scripts/instructions.py`, which
//! counts the instructions there. Every work checks what it did each time.

mod input;
mod numbers;
mod queue;
mod reader;
mod session;
mod store;

use std::hint::black_box;

use criterion::{Criterion, Throughput};

/// What is done to the events of a round. It checks what it did.
type Round = Box<dyn FnMut()>;

/// Something that is done to a number of events, again and again.
struct Work {
    name: &'static str,
    /// Events of a round.
    events: usize,
    make: fn() -> Round,
}

impl Work {
    const fn new(name: &'static str, make: fn() -> Round) -> Self {
        Self { name, events: input::EVENTS, make }
    }
}

fn works() -> impl Iterator<Item = &'static Work> {
    [reader::WORKS, numbers::WORKS, store::WORKS, queue::WORKS, session::WORKS]
        .into_iter()
        .flatten()
}

/// Does a work once. Instructions are counted from its entry to its return.
#[inline(never)]
fn measured(round: &mut dyn FnMut()) {
    black_box(round)();
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => {
            for work in works() {
                println!("{} {}", work.events, work.name);
            }
        }
        ["--once", name] => {
            let work = works()
                .find(|work| work.name == name)
                .unwrap_or_else(|| panic!("there is no work {name:?}; --list names them"));
            let mut round = (work.make)();
            // The first round allocates, and meets each symbol for the first time.
            round();
            measured(&mut *round);
        }
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            for work in works() {
                let (group, case) = work.name.split_once('/').expect("a work is of a group");
                let mut group = criterion.benchmark_group(group);
                group.throughput(Throughput::Elements(work.events as u64));
                group.bench_function(case, |bencher| {
                    let mut round = (work.make)();
                    bencher.iter(&mut *round);
                });
                group.finish();
            }
            criterion.final_summary();
        }
    }
}
