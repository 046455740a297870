//! Where events wait for Python: the latest event of each symbol, and each listener's queue.
//!
//! One thread writes, the I/O thread; any thread reads. Reading never makes the writer wait for
//! longer than a few instructions: a latest value is read without a lock, and a queue hands over whole
//! segments.

mod latest;
mod queue;
mod wake;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

pub use queue::{Arm, Consumer, QueueSettings, QueueStats};
pub use wake::Wake;

use crate::error::Error;
use crate::event::EventKind;
use crate::protocol::EventSink;
use crate::symbol::{SymbolId, Tables};
use latest::LatestTable;
use queue::Queue;

/// The store of one streamer.
#[derive(Debug)]
pub struct Store {
    tables: Arc<Tables>,
    latest: Box<[OnceLock<LatestTable>]>,
    queues: RwLock<Queues>,
}

#[derive(Debug)]
struct Queues {
    by_kind: Vec<Vec<Weak<Queue>>>,
    ended: Option<Error>,
}

impl Store {
    /// An empty store whose rows are in `tables`.
    pub fn new(tables: Arc<Tables>) -> Self {
        Self {
            tables,
            latest: EventKind::ALL.iter().map(|_| OnceLock::new()).collect(),
            queues: RwLock::new(Queues {
                by_kind: EventKind::ALL.iter().map(|_| Vec::new()).collect(),
                ended: None,
            }),
        }
    }

    /// The tables that rows refer to.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Copies the latest event of a symbol into `row`; says whether there is one. Takes no lock.
    ///
    /// # Panics
    /// If `row` is shorter than the event type's width.
    pub fn latest(&self, kind: EventKind, symbol: SymbolId, row: &mut [u64]) -> bool {
        self.latest[kind as usize].get().is_some_and(|table| table.read(symbol, row))
    }

    /// A new queue for events of `kind`, from now on; of all symbols, or of those given.
    pub fn listen(
        &self,
        kind: EventKind,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Consumer {
        let queue = Arc::new(Queue::new(kind, symbols, settings));
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &queues.ended {
            queue.end(error.clone());
        }
        queues.add(&queue);
        Consumer::new(queue)
    }

    /// A new queue that begins with the rows that wait in that of `consumer`, of all symbols or of
    /// those given.
    pub fn fork(
        &self,
        consumer: &Consumer,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Consumer {
        // The writer pushes under the read side of this lock, so that no row falls between.
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let queue = Arc::new(consumer.copy(symbols, settings));
        queues.add(&queue);
        Consumer::new(queue)
    }

    /// Ends every queue: listeners get what is left in theirs, then `error`.
    pub fn end(&self, error: &Error) {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if queues.ended.is_none() {
            queues.ended = Some(error.clone());
            for queue in queues.by_kind.iter().flatten().filter_map(Weak::upgrade) {
                queue.end(error.clone());
            }
        }
    }
}

impl Queues {
    fn add(&mut self, queue: &Arc<Queue>) {
        let of_kind = &mut self.by_kind[queue.kind() as usize];
        of_kind.retain(|queue| queue.strong_count() > 0);
        of_kind.push(Arc::downgrade(queue));
    }
}

/// The writer's side of a store.
#[derive(Debug)]
pub struct StoreWriter<'a>(pub &'a Store);

impl EventSink for StoreWriter<'_> {
    fn rows(&mut self, kind: EventKind, rows: &[u64]) {
        let width = kind.fields().len();
        let table = self.0.latest[kind as usize].get_or_init(|| LatestTable::new(width));
        for row in rows.chunks_exact(width) {
            table.write(row);
        }
        let queues = self.0.queues.read().unwrap_or_else(PoisonError::into_inner);
        for queue in queues.by_kind[kind as usize].iter().filter_map(Weak::upgrade) {
            queue.push(rows);
        }
    }
}

#[cfg(test)]
mod tests;
