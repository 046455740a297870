//! Who reads the sockets: the I/O thread, or an event loop that waits for their events.
//!
//! An event that goes from the I/O thread to a thread that sleeps wakes two threads, and each wake-up
//! costs several times what the few events do that came together. So while it is one event loop that
//! waits for what comes, again and again, the I/O thread lets that loop read: the loop watches
//! [`Lead::as_raw_fd`] and calls [`Lead::turn`] when it is readable. Which thread it is makes no other
//! difference: the runtime and its tasks are the same, and one thread at a time is at work in them.
//!
//! The I/O thread stays responsible. It looks every [`LOOK`] whether the loop has had a turn, and has one
//! itself where it has not; it looks less often the longer the loop has had its turns, up to every
//! [`LONGEST_LOOK`]. It takes the lead back when it finds again what the loop should have read, when much
//! comes at once or nothing, when nobody waits or somebody else does, and when a streamer is told to do
//! something.

use std::cell::Cell;
use std::io;
use std::mem;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::coalescing::Burst;
use super::watching::Line;
use crate::store::{Rung, Wake, holding_back};

/// How long an event loop that leads may leave its sockets alone, at first.
const LOOK: Duration = Duration::from_millis(2);

/// How long it may once it has had its turns for a while. A thread that wakes up moves others between
/// cores, and one that is moved can wait several times as long as it works.
const LONGEST_LOOK: Duration = Duration::from_millis(32);

/// By this share each look at which it had had a turn makes the time to the next longer: others may wait
/// for a loop that is blocked about as small a share of the time for which it was not.
const LONGER: u32 = 8;

/// So many looks one after another at which nothing had come end the lead.
const QUIET_LOOKS: u32 = 10;

/// And so many at which something had that the loop should have read. Once is not enough: the system may
/// have held up the loop, and a lead that is lost takes long to come back.
const LATE_LOOKS: u32 = 2;

/// By so many more readings that woke one event loop alone than readings that woke nobody, it gets the lead;
/// by so many that woke nobody it loses it.
const READINGS: u32 = 64;

/// It needs twice as many for each lead before that ended after fewer turns, up to so many.
const MOST_SHORT: u32 = 4;

/// Readings with more time between them are not worth a lead, in which the I/O thread wakes up as often.
const SPAN: Duration = LOOK;

/// A reading of more bytes, or of more messages, is worth a thread of its own.
const MOST_BYTES: usize = 16 << 10;

/// See [`MOST_BYTES`].
const MOST_MESSAGES: usize = 32;

/// Held by the thread that has a turn, and while a process forks.
static LEADING: Mutex<Leading> = Mutex::new(Leading::NONE);

/// Whether an event loop leads and is to go on. Relaxed, as the next four: they decide when, and the locks
/// and the runtime order all else.
static LED: AtomicBool = AtomicBool::new(false);

/// Turns that event loops had.
static TURNS: AtomicU64 = AtomicU64::new(0);

/// Readings one after another that woke nobody, while an event loop leads.
static UNWANTED: AtomicU32 = AtomicU32::new(0);

/// Readings that there were.
static READ: AtomicUsize = AtomicUsize::new(0);

/// The sockets that are to be watched, and the event loops that may have the lead. Never locked for long.
static KNOWN: Mutex<Known> = Mutex::new(Known::NONE);

/// Leads one after another that ended after few turns.
static SHORT: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub(super) struct Leading {
    /// The runtime, as long as an event loop leads.
    runtime: Option<Arc<Runtime>>,
    /// The event loop that leads.
    event_loop: u64,
}

impl Leading {
    const NONE: Self = Self { runtime: None, event_loop: 0 };
}

#[derive(Debug)]
pub(super) struct Known {
    /// Those of the next lead, or of the one that is.
    sockets: Vec<Arc<OwnedFd>>,
    loops: Vec<(u64, Arc<Line>)>,
    /// The event loop that is to have the lead.
    offered: u64,
    /// What the I/O thread waits for, to hand the lead out.
    offer: Option<Arc<Notify>>,
    /// The I/O thread, as long as an event loop leads.
    looks: Option<Thread>,
}

impl Known {
    const NONE: Self =
        Self { sockets: Vec::new(), loops: Vec::new(), offered: 0, offer: None, looks: None };

    /// Lets the event loop watch the sockets to which the lead was offered; gives its number and its line.
    fn begin(&mut self) -> Option<(u64, Arc<Line>)> {
        let (number, line) = self.loops.iter().find(|(number, _)| *number == self.offered)?;
        for socket in &self.sockets {
            line.watch(socket);
        }
        self.looks = Some(thread::current());
        Some((*number, Arc::clone(line)))
    }

    /// Lets it watch them no longer, and lets them go.
    fn end(&mut self, line: &Line) {
        self.looks = None;
        for socket in self.sockets.drain(..) {
            line.unwatch(&socket);
        }
    }
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leading() -> MutexGuard<'static, Leading> {
    LEADING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The locks of this module.
pub(super) type Held = (MutexGuard<'static, Leading>, MutexGuard<'static, Known>);

/// Keeps other threads from the lead.
pub(super) fn hold() -> Held {
    (leading(), known())
}

/// Forgets the leads of the process that this one was forked from: its descriptors are shared with it.
pub(super) fn forget((mut leading, mut known): Held) {
    std::mem::forget(std::mem::replace(&mut *leading, Leading::NONE));
    std::mem::forget(std::mem::replace(&mut *known, Known::NONE));
    LED.store(false, Ordering::Relaxed);
    SHORT.store(0, Ordering::Relaxed);
}

/// A socket that an event loop is to watch during the next lead, by a descriptor of its own.
#[derive(Debug)]
pub(super) struct Watched(Weak<OwnedFd>);

impl Watched {
    pub(super) fn new(socket: OwnedFd) -> Self {
        let socket = Arc::new(socket);
        let watched = Self(Arc::downgrade(&socket));
        known().sockets.push(socket);
        watched
    }

    /// Whether that lead is over.
    pub(super) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut known = known();
        let Some(socket) = self.0.upgrade() else { return };
        known.sockets.retain(|other| !Arc::ptr_eq(other, &socket));
        for (_, line) in &known.loops {
            line.unwatch(&socket);
        }
    }
}

/// What is to be done after a reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read on.
    Read,
    /// Let the socket be watched, and read on.
    Watch,
    /// Let others have their turn.
    GiveWay,
}

/// Readings one after another by which one event loop was woken alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    event_loop: u64,
    /// How many, less those that woke nobody.
    length: u32,
}

impl Run {
    const NONE: Self = Self { event_loop: 0, length: 0 };

    /// The run with one reading more: whose lines rang by it, and whether it is soon after the last and
    /// little.
    fn with(self, rung: Rung, is_fit: bool) -> Self {
        match rung {
            Rung::Loop(event_loop) if is_fit && event_loop == self.event_loop => {
                Self { length: self.length + 1, ..self }
            }
            Rung::Loop(event_loop) if is_fit => Self { event_loop, length: 1 },
            Rung::Nobody if is_fit => Self { length: self.length.saturating_sub(1), ..self },
            _ => Self::NONE,
        }
    }
}

thread_local! {
    /// Of the I/O thread.
    static RUN: Cell<Run> = const { Cell::new(Run::NONE) };
}

/// Takes note of a reading that began at `now`, the last of this socket having begun at `last`; whose
/// lines rang by it, and how much it was.
pub(super) fn note(last: Option<Duration>, now: Duration, rung: Rung, burst: Burst) -> Next {
    READ.fetch_add(1, Ordering::Relaxed);
    let is_much = burst.bytes > MOST_BYTES || burst.messages > MOST_MESSAGES;
    if LED.load(Ordering::Relaxed) {
        let unwanted = match rung {
            Rung::Nobody => UNWANTED.fetch_add(1, Ordering::Relaxed) + 1,
            Rung::Loop(_) | Rung::Others => {
                UNWANTED.store(0, Ordering::Relaxed);
                0
            }
        };
        if is_much || rung == Rung::Others || unwanted >= READINGS {
            take_back();
            return Next::GiveWay;
        }
        return Next::Read;
    }
    let is_next = last.is_some_and(|last| now.saturating_sub(last) < SPAN);
    let run = RUN.get().with(rung, is_next && !is_much);
    let needed = READINGS << SHORT.load(Ordering::Relaxed).min(MOST_SHORT);
    // A run leads to one offer: what comes before that is taken must not count for the lead after it.
    RUN.set(if run.length < needed { run } else { Run::NONE });
    if run.length >= needed {
        let mut known = known();
        known.offered = run.event_loop;
        known.offer.iter().for_each(|offer| offer.notify_one());
    }
    if run.length >= needed / 2 { Next::Watch } else { Next::Read }
}

/// What tells the I/O thread that is about to run that an event loop is to have the lead.
pub(super) fn offer() -> Arc<Notify> {
    let offer = Arc::new(Notify::new());
    known().offer = Some(Arc::clone(&offer));
    offer
}

/// Takes the lead back, where an event loop has it.
pub(super) fn take_back() {
    if LED.swap(false, Ordering::Relaxed) {
        known().looks.iter().for_each(Thread::unpark);
    }
}

/// One turn of the runtime: what is ready is done, and the sockets are asked once.
fn turn(runtime: &Runtime) {
    runtime.block_on(async {
        // The runtime asks the sockets when this gives way, and then does what is ready.
        yield_now().await;
        yield_now().await;
    });
}

/// Ends a lead when it is dropped: the runtime is the I/O thread's alone again.
struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        LED.store(false, Ordering::Relaxed);
        leading().runtime = None;
        set_exact(false);
    }
}

/// Whether this thread wakes up exactly when it is to. Otherwise Linux lets it wake up with others within
/// 50 us, and so just when one is woken that reads the sockets, which then has to wait for a core.
fn set_exact(exact: bool) {
    #[cfg(target_os = "linux")]
    // It decides when, and no more.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(exact.into()));
    #[cfg(not(target_os = "linux"))]
    let _ = exact;
}

/// Leaves the event loop alone for so long, or until the lead is to be taken back.
fn rest(length: Duration) {
    let until = Instant::now() + length;
    while LED.load(Ordering::Relaxed) {
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return,
            left => thread::park_timeout(left),
        }
    }
}

/// Lets the event loop lead to which it was offered, until `is_over` or something else ends it. Called by
/// the I/O thread.
pub(super) fn follow(runtime: &Arc<Runtime>, is_over: impl Fn() -> bool) {
    // Dropped last, however this ends.
    let _over = Over;
    set_exact(true);
    let Some((event_loop, line)) = known().begin() else { return };
    LED.store(true, Ordering::Relaxed);
    *leading() = Leading { runtime: Some(Arc::clone(runtime)), event_loop };
    UNWANTED.store(0, Ordering::Relaxed);
    let first = TURNS.load(Ordering::Relaxed);
    let (mut turns, mut quiet, mut late, mut look) = (first, 0, 0, LOOK);
    loop {
        rest(look);
        if !LED.load(Ordering::Relaxed) || is_over() {
            break;
        }
        let before = mem::replace(&mut turns, TURNS.load(Ordering::Relaxed));
        if turns != before {
            (quiet, late, look) = (0, 0, LONGEST_LOOK.min(look + look / LONGER));
            continue;
        }
        // A thread that looks and has no turn must not hold this: it can lose its core at any time.
        let _held = match LEADING.try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            Ok(held) => held,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        look = LOOK;
        let read = READ.load(Ordering::Relaxed);
        turn(runtime);
        let is_late = READ.load(Ordering::Relaxed) != read;
        (quiet, late) = if is_late { (0, late + 1) } else { (quiet + 1, 0) };
        if quiet == QUIET_LOOKS || late == LATE_LOOKS {
            break;
        }
    }
    let was_short = TURNS.load(Ordering::Relaxed) - first < u64::from(READINGS);
    SHORT.store(if was_short { SHORT.load(Ordering::Relaxed) + 1 } else { 0 }, Ordering::Relaxed);
    known().end(&line);
}

/// What an event loop has that may lead.
#[derive(Debug)]
pub struct Lead {
    number: u64,
    line: Arc<Line>,
    turns: AtomicU64,
}

impl Lead {
    /// Makes an event loop known that may lead.
    ///
    /// # Errors
    /// When the process has no file descriptor left, and on systems without epoll.
    pub fn new() -> io::Result<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let line = Arc::new(Line::new()?);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        known().loops.push((number, Arc::clone(&line)));
        Ok(Self { number, line, turns: AtomicU64::new(0) })
    }

    /// By which its lines know it: see [`Wake::set_event_loop`].
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The descriptor for the event loop to watch, readable when there is something for it to read.
    pub fn as_raw_fd(&self) -> RawFd {
        self.line.as_raw_fd()
    }

    /// How many turns it had.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Reads what came, unless it leads no longer, and gives the lines that would have rung for that:
    /// the caller rings them, or wakes who waits for them. To be called by its thread.
    pub fn turn(&self) -> Vec<Arc<Wake>> {
        let leading = match LEADING.try_lock() {
            Ok(leading) => leading,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // The I/O thread looks, or the process forks.
            Err(TryLockError::WouldBlock) => return Vec::new(),
        };
        if leading.event_loop != self.number {
            return Vec::new();
        }
        let Some(runtime) = leading.runtime.clone() else { return Vec::new() };
        if Handle::try_current().is_ok() {
            // A program that runs Python within a runtime of its own; there it cannot run another.
            known().loops.retain(|(number, _)| *number != self.number);
            take_back();
            return Vec::new();
        }
        TURNS.fetch_add(1, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::Relaxed);
        let ((), lines) = holding_back(|| turn(&runtime));
        // The I/O thread has its own, so that this is never the last.
        drop(runtime);
        lines
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        known().loops.retain(|(number, _)| *number != self.number);
        // If it is this loop that leads, it has no more turns.
        take_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_loop_that_most_readings_wake_alone_has_a_run() {
        let after = |readings: &[(Rung, bool)]| {
            readings.iter().fold(Run::NONE, |run, &(rung, is_fit)| run.with(rung, is_fit))
        };
        let run = |event_loop, length| Run { event_loop, length };
        let (one, other) = (Rung::Loop(1), Rung::Loop(2));
        assert_eq!(after(&[(one, true); 3]), run(1, 3));
        assert_eq!(after(&[(one, true), (one, true), (Rung::Nobody, true)]), run(1, 1));
        assert_eq!(after(&[(Rung::Nobody, true), (one, true)]), run(1, 1));
        assert_eq!(after(&[(one, true), (one, true), (other, true)]), run(2, 1));
        assert_eq!(after(&[(one, true), (one, true), (Rung::Others, true)]), Run::NONE);
        for rung in [one, Rung::Nobody, Rung::Others] {
            assert_eq!(after(&[(one, true), (one, true), (rung, false)]), Run::NONE);
        }
    }
}
