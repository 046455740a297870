//! Models of the wake flag alone, around something that is published.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::check_model;
use crate::store::waiting::Waiting;
use crate::store::{Arm, Wake};

/// What is published, without an ordering of its own, and who waits for it.
struct Published {
    rows: AtomicUsize,
    waiting: Waiting,
}

impl Published {
    fn new() -> Arc<Self> {
        Arc::new(Self { rows: AtomicUsize::new(0), waiting: Waiting::new() })
    }

    fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    fn publish(&self) {
        self.rows.store(self.rows() + 1, Ordering::Relaxed);
        self.waiting.ring(|| self.rows());
    }

    /// Waits until so many rows are published, as a reader does.
    fn wait_for(&self, rows: usize) {
        let wake = Arc::new(Wake::new().unwrap());
        while matches!(self.waiting.arm(&wake, rows, || self.rows() >= rows), Arm::Waiting) {
            wake.wait();
        }
    }
}

#[test]
fn no_wake_up_is_lost() {
    check_model(3, || {
        let published = Published::new();
        let writer = {
            let published = Arc::clone(&published);
            thread::spawn(move || published.publish())
        };
        published.wait_for(1);
        writer.join().unwrap();
    });
}

#[test]
fn no_wake_up_is_lost_that_takes_several_rows() {
    check_model(2, || {
        let published = Published::new();
        let writer = {
            let published = Arc::clone(&published);
            thread::spawn(move || {
                published.publish();
                published.publish();
            })
        };
        published.wait_for(2);
        writer.join().unwrap();
    });
}

#[test]
fn each_of_two_readers_is_woken() {
    check_model(2, || {
        let published = Published::new();
        let [writer, other] = [0, 1].map(|thread| {
            let published = Arc::clone(&published);
            thread::spawn(
                move || if thread == 0 { published.publish() } else { published.wait_for(1) },
            )
        });
        published.wait_for(1);
        writer.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_line_rings_once_for_each_time_it_was_armed() {
    check_model(2, || {
        let published = Published::new();
        let wake = Arc::new(Wake::new().unwrap());
        let armed = published.waiting.arm(&wake, 1, || false);
        assert!(matches!(armed, Arm::Waiting));
        let writer = {
            let published = Arc::clone(&published);
            thread::spawn(move || published.publish())
        };
        writer.join().unwrap();
        assert!(wake.rings());
        wake.clear();
        published.publish();
        assert!(!wake.rings());
    });
}
