//! Which lines ring while rows are taken in, and how they are held back for an event loop that takes
//! the rows in itself.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::wake::Wake;

/// Whose lines rang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// Nobody's.
    Nobody,
    /// Those of one event loop alone, in a hurry.
    Loop(u64),
    /// Others.
    Others,
}

thread_local! {
    static RUNG: Cell<Rung> = const { Cell::new(Rung::Nobody) };
    /// The lines that are held back, while they are.
    static HELD_BACK: RefCell<Option<Vec<Arc<Wake>>>> = const { RefCell::new(None) };
}

/// Does something and says whose lines rang in this thread meanwhile.
pub fn rung_by<T>(act: impl FnOnce() -> T) -> (T, Rung) {
    RUNG.set(Rung::Nobody);
    let done = act();
    (done, RUNG.get())
}

/// Does something and gives the lines that would have rung in this thread meanwhile. The caller rings
/// them, or wakes who waits for them.
pub fn holding_back<T>(act: impl FnOnce() -> T) -> (T, Vec<Arc<Wake>>) {
    HELD_BACK.set(Some(Vec::new()));
    let done = act();
    (done, HELD_BACK.take().unwrap_or_default())
}

/// Rings a line, unless lines are held back in this thread.
pub(super) fn ring(wake: &Arc<Wake>) {
    RUNG.set(match (RUNG.get(), wake.event_loop()) {
        (Rung::Nobody, Some(id)) => Rung::Loop(id),
        (Rung::Loop(first), Some(id)) if first == id => Rung::Loop(id),
        _ => Rung::Others,
    });
    let held_back = HELD_BACK.with_borrow_mut(|lines| {
        lines.as_mut().map(|lines| lines.push(Arc::clone(wake))).is_some()
    });
    if !held_back {
        wake.ring();
    }
}

#[cfg(all(test, not(dxstream_loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(event_loop: u64) -> Arc<Wake> {
        let wake = Wake::new().unwrap();
        if event_loop != 0 {
            wake.set_event_loop(event_loop);
        }
        Arc::new(wake)
    }

    fn rings(wake: &Wake) -> bool {
        wake.wait(Duration::ZERO).unwrap()
    }

    #[test]
    fn one_learns_whose_lines_rang() {
        let (first, second, other, nobodys) = (line(1), line(1), line(2), line(0));
        let rung = |lines: &[&Arc<Wake>]| rung_by(|| lines.iter().for_each(|line| ring(line))).1;
        assert_eq!(rung(&[]), Rung::Nobody);
        assert_eq!(rung(&[&first, &second]), Rung::Loop(1));
        assert_eq!(rung(&[&other]), Rung::Loop(2));
        assert_eq!(rung(&[&first, &other]), Rung::Others);
        assert_eq!(rung(&[&nobodys]), Rung::Others);
        assert_eq!(rung(&[&nobodys, &first]), Rung::Others);
        let patient = Arc::new(Wake::new().unwrap().patient());
        patient.set_event_loop(1);
        assert_eq!(rung(&[&patient]), Rung::Others);
    }

    #[test]
    fn lines_that_are_held_back_are_handed_out_and_ring_no_more_than_they_are_rung() {
        let (first, second) = (line(1), line(0));
        let ((), lines) = holding_back(|| {
            ring(&first);
            ring(&second);
        });
        assert!(lines.len() == 2 && Arc::ptr_eq(&lines[0], &first));
        assert!(!rings(&first) && !rings(&second));
        ring(&second);
        assert!(!rings(&first) && rings(&second));
    }
}
