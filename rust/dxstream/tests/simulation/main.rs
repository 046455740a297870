//! A link and its store against a server and a network that fail, on a virtual clock.
//!
//! Each seed is one schedule of what a user does, what a server says and what goes wrong. The
//! environment says which: `SEED=7` runs one and tells what happens, `SEEDS=100000` runs so many,
//! from 0 on.

mod choice;
mod client;
mod gaps;
mod market;
mod server;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use world::{Messages, Outcome, World};

/// Seeds of an ordinary run.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is to be a number, not {text:?}")))
}

/// Takes seeds until none is left, and adds up what came of them.
fn take_seeds(messages: Messages, next: &AtomicU64, end: u64) -> Result<Outcome, u64> {
    let mut sum = Outcome::default();
    loop {
        // The number of a seed is all that the threads share.
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(sum);
        }
        let run = catch_unwind(AssertUnwindSafe(|| World::new(seed, messages, false).run()));
        let Ok(outcome) = run else {
            next.store(end, Ordering::Relaxed);
            return Err(seed);
        };
        sum.steps += outcome.steps;
        sum.gaps += outcome.gaps;
        sum.rows += outcome.rows;
        sum.missed += outcome.missed;
        sum.missed_late += outcome.missed_late;
    }
}

/// Runs the seeds that the environment says, of the test of this name; gives what came of them.
fn run(test: &str, messages: Messages) -> Outcome {
    if let Some(seed) = number("SEED") {
        let outcome = World::new(seed, messages, true).run();
        println!("seed {seed}: {outcome:?}");
        return outcome;
    }
    let (next, end) = (AtomicU64::new(0), number("SEEDS").unwrap_or(SEEDS));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let runs: Vec<_> = thread::scope(|scope| {
        let runs: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| take_seeds(messages, &next, end))).collect();
        runs.into_iter().map(|run| run.join().expect("a run's panic is caught")).collect()
    });
    let mut sum = Outcome::default();
    for run in runs {
        match run {
            Ok(outcome) => {
                println!("{outcome:?}");
                sum.gaps += outcome.gaps;
                sum.missed_late += outcome.missed_late;
            }
            Err(seed) => panic!(
                "seed {seed} fails; to see how:\n    SEED={seed} cargo test --locked -p dxstream \
                 --test simulation -- --exact {test} --nocapture"
            ),
        }
    }
    sum
}

#[test]
fn a_link_keeps_its_promises_whatever_goes_wrong() {
    let outcome = run("a_link_keeps_its_promises_whatever_goes_wrong", Messages::Full);
    assert!(outcome.gaps > 0, "nothing went wrong");
}

#[test]
fn a_gap_has_all_that_is_missed_while_subscriptions_are_sent_one_by_one() {
    let test = "a_gap_has_all_that_is_missed_while_subscriptions_are_sent_one_by_one";
    let outcome = run(test, Messages::OfOne);
    let alone = number("SEED").is_some();
    assert!(alone || outcome.missed_late > 0, "nothing was missed after the first event came");
}
