//! Rows that listeners do not get: of symbols that nobody subscribed for their own sake.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::PoisonError;

use super::Store;
use crate::event::{EventKind, MAX_WORDS, SYMBOL_WORD};
use crate::symbol::SymbolId;

/// The symbols whose rows are hidden, by event type.
#[derive(Debug)]
pub(super) struct Hidden(Vec<HashSet<SymbolId>>);

impl Hidden {
    pub(super) fn new() -> Self {
        Self(EventKind::ALL.iter().map(|_| HashSet::new()).collect())
    }

    /// The rows that are not hidden.
    pub(super) fn visible<'a>(&self, kind: EventKind, rows: &'a [u64]) -> Cow<'a, [u64]> {
        let hidden = &self.0[kind as usize];
        if hidden.is_empty() {
            return Cow::Borrowed(rows);
        }
        let rows = rows.chunks_exact(kind.fields().len());
        let visible = rows.filter(|row| !hidden.contains(&SymbolId(row[SYMBOL_WORD] as u32)));
        Cow::Owned(visible.flatten().copied().collect())
    }
}

impl Store {
    /// Hides the rows of a symbol that come from now on from all listeners, which do not count them
    /// either. Rings keep them.
    pub fn hide(&self, kind: EventKind, symbol: SymbolId) {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        queues.hidden.0[kind as usize].insert(symbol);
    }

    /// Whether rows of some symbol are hidden.
    pub fn is_hiding(&self, kind: EventKind) -> bool {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        !queues.hidden.0[kind as usize].is_empty()
    }

    /// Hides the rows of a symbol no longer. Listeners get the last one that came meanwhile if they are
    /// to get it `with_latest`, as they would of a server that was asked for the symbol now.
    ///
    /// Called by the thread that writes.
    pub fn show(&self, kind: EventKind, symbol: SymbolId, with_latest: bool) {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let was_hidden = queues.hidden.0[kind as usize].remove(&symbol);
        let mut row = [0; MAX_WORDS];
        if was_hidden
            && with_latest
            && let Some(received_at) = self.latest(kind, symbol, &mut row)
        {
            queues.push_to_listeners(kind, &row[..kind.fields().len()], received_at);
        }
    }
}
