//! What the stream has to say, for the program's log: records that wait in a bounded queue until a
//! thread of the program fetches them. Whoever writes one waits for nobody.

use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

use crossbeam_queue::ArrayQueue;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Metadata};

use crate::loss::one_line;
use crate::store::Wake;

/// Who speaks of connections: how they come, go and are mended.
pub(crate) const CONNECTION: &str = "dxstream.connection";

/// Who speaks of messages, by type and size; never of what is in them.
pub(crate) const PROTOCOL: &str = "dxstream.protocol";

/// Those who speak.
pub const SPEAKERS: [&str; 2] = [CONNECTION, PROTOCOL];

/// Most records that wait.
const CAPACITY: usize = 4096;

/// How much a record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something ended that nothing heals.
    Error = 1,
    /// Something is amiss.
    Warning,
    /// Something happened.
    Info,
    /// What happens in detail.
    Debug,
}

impl From<&tracing::Level> for Level {
    fn from(level: &tracing::Level) -> Self {
        match *level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warning,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// How much it matters.
    pub level: Level,
    /// Who said it, of [`SPEAKERS`].
    pub speaker: &'static str,
    /// When.
    pub at: SystemTime,
    /// What, in one line.
    pub text: String,
}

/// Records that wait. One that finds no room is dropped and counted.
#[derive(Debug)]
pub struct LogQueue {
    records: ArrayQueue<LogRecord>,
    /// The greatest [`Level`] that is wanted, or 0.
    wanted: AtomicUsize,
    dropped: AtomicU64,
    wake: Arc<Wake>,
}

impl LogQueue {
    /// An empty queue, for which nothing is wanted yet. `wake` rings when a record comes.
    pub fn new(wake: Arc<Wake>) -> Self {
        Self {
            records: ArrayQueue::new(CAPACITY),
            wanted: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            wake,
        }
    }

    /// Makes it the queue of all that is said in the process; says whether there was none before.
    pub fn install(self: &Arc<Self>) -> bool {
        tracing::subscriber::set_global_default(Arc::clone(self)).is_ok()
    }

    /// Wants records up to a level, or none.
    pub fn want(&self, level: Option<Level>) {
        // Relaxed: the number stands for itself; a record more or less does no harm.
        self.wanted.store(level.map_or(0, |level| level as usize), Ordering::Relaxed);
    }

    /// The next record.
    pub fn take(&self) -> Option<LogRecord> {
        self.records.pop()
    }

    /// How many records were dropped since this was asked last.
    pub fn take_dropped(&self) -> u64 {
        // Relaxed: the count stands for itself.
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// What rings when a record comes.
    pub fn wake(&self) -> &Arc<Wake> {
        &self.wake
    }
}

impl Subscriber for LogQueue {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if SPEAKERS.contains(&metadata.target()) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Level::from(metadata.level()) as usize <= self.wanted.load(Ordering::Relaxed)
            && SPEAKERS.contains(&metadata.target())
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let Some(speaker) = SPEAKERS.into_iter().find(|of| *of == metadata.target()) else {
            return;
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        let record = LogRecord {
            level: metadata.level().into(),
            speaker,
            at: SystemTime::now(),
            text: one_line(&text.0),
        };
        if self.records.push(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.wake.ring();
    }

    // There are no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The text of an event; all that is said is in its message.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // A String takes any text.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(all(test, not(dxstream_loom)))]
mod tests {
    use super::*;

    fn queue() -> Arc<LogQueue> {
        Arc::new(LogQueue::new(Arc::new(Wake::new().unwrap())))
    }

    fn texts(queue: &LogQueue) -> Vec<String> {
        std::iter::from_fn(|| queue.take()).map(|record| record.text).collect()
    }

    #[test]
    fn what_is_wanted_is_taken_in_order_and_rings() {
        let queue = queue();
        let speak = || {
            tracing::debug!(target: PROTOCOL, "a detail");
            tracing::info!(target: CONNECTION, "line one\nline two");
            tracing::error!(target: "dxstream::elsewhere", "of somebody else");
            tracing::warn!(target: CONNECTION, number = 1, "amiss");
        };
        tracing::subscriber::with_default(Arc::clone(&queue), || {
            speak();
            assert_eq!(texts(&queue), [""; 0]);
            queue.want(Some(Level::Info));
            speak();
            assert!(queue.wake().wait(std::time::Duration::ZERO).unwrap());
            let first = queue.take().unwrap();
            assert_eq!((first.level, first.speaker), (Level::Info, CONNECTION));
            assert_eq!(first.text, "line one line two");
            assert_eq!(texts(&queue), ["amiss"]);
            queue.want(Some(Level::Debug));
            speak();
            assert_eq!(texts(&queue), ["a detail", "line one line two", "amiss"]);
            queue.want(None);
            speak();
            assert_eq!(texts(&queue), [""; 0]);
        });
    }

    #[test]
    fn records_that_nobody_fetches_take_no_more_room() {
        let queue = queue();
        queue.want(Some(Level::Debug));
        tracing::subscriber::with_default(Arc::clone(&queue), || {
            for number in 0..100_000 {
                tracing::debug!(target: PROTOCOL, "{number} {}", "x".repeat(1_000));
            }
        });
        assert_eq!(queue.take_dropped(), (100_000 - CAPACITY) as u64);
        assert_eq!(queue.take_dropped(), 0);
        let kept = texts(&queue);
        assert_eq!(kept.len(), CAPACITY);
        assert!(kept[0].starts_with("0 ") && kept[CAPACITY - 1].starts_with("4095 "));
        assert!(kept.iter().all(|text| text.len() <= 300));
    }
}
