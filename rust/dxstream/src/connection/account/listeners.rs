//! The queues of those who listen to an account stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::super::watchers::Watchers;
use crate::account::Notification;
use crate::error::Error;
use crate::store::Wake;

/// A message, and when it came.
#[derive(Debug, Clone)]
pub struct AccountMessage {
    /// What was told.
    pub notification: Arc<Notification>,
    /// When it came, in nanoseconds of the monotonic clock.
    pub received_at: u64,
}

/// Counts of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountQueueStats {
    /// Messages of the types that are listened to.
    pub received: u64,
    /// Those that were taken.
    pub delivered: u64,
    /// Those that wait.
    pub pending: u64,
    /// The oldest, which were dropped when the queue was full.
    pub dropped: u64,
    /// Messages of other types.
    pub filtered: u64,
}

#[derive(Debug)]
struct Inner {
    types: Option<Vec<String>>,
    capacity: usize,
    messages: VecDeque<AccountMessage>,
    stats: AccountQueueStats,
    ended: Option<Error>,
    waiting: Watchers,
}

#[derive(Debug)]
struct Shared(Mutex<Inner>);

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one listener has still to take. It may be used from any thread.
#[derive(Debug)]
pub struct AccountQueue(Arc<Shared>);

impl AccountQueue {
    /// The next message, if one waits.
    pub fn next_message(&self) -> Option<AccountMessage> {
        let mut inner = self.0.inner();
        let message = inner.messages.pop_front();
        inner.stats.delivered += u64::from(message.is_some());
        message
    }

    /// Lets `wake` ring once when there is something to take or the stream has ended; says whether to wait
    /// for that.
    pub fn arm(&self, wake: &Arc<Wake>) -> bool {
        let mut inner = self.0.inner();
        let waits = inner.messages.is_empty() && inner.ended.is_none();
        if waits {
            inner.waiting.add(wake);
        }
        waits
    }

    /// Why there will be no more messages, once the last was taken.
    pub fn ended(&self) -> Option<Error> {
        let inner = self.0.inner();
        inner.ended.clone().filter(|_| inner.messages.is_empty())
    }

    /// The counts of this moment.
    pub fn stats(&self) -> AccountQueueStats {
        let inner = self.0.inner();
        AccountQueueStats { pending: inner.messages.len() as u64, ..inner.stats }
    }
}

/// All queues of a stream; those that nobody holds any more are forgotten.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    queues: Vec<Weak<Shared>>,
    ended: Option<Error>,
}

impl Listeners {
    pub(super) fn listen(&mut self, types: Option<Vec<String>>, capacity: usize) -> AccountQueue {
        let shared = Arc::new(Shared(Mutex::new(Inner {
            types,
            capacity: capacity.max(1),
            messages: VecDeque::new(),
            stats: AccountQueueStats::default(),
            ended: self.ended.clone(),
            waiting: Watchers::default(),
        })));
        self.queues.retain(|queue| queue.strong_count() > 0);
        self.queues.push(Arc::downgrade(&shared));
        AccountQueue(shared)
    }

    pub(super) fn tell(&mut self, message: &AccountMessage) {
        for queue in self.queues.iter().filter_map(Weak::upgrade) {
            let mut inner = queue.inner();
            let kind = &*message.notification.kind;
            if inner.types.as_ref().is_some_and(|types| !types.iter().any(|of| of == kind)) {
                inner.stats.filtered += 1;
                continue;
            }
            inner.stats.received += 1;
            if inner.messages.len() == inner.capacity {
                inner.messages.pop_front();
                inner.stats.dropped += 1;
            }
            inner.messages.push_back(message.clone());
            inner.waiting.ring();
        }
    }

    pub(super) fn end(&mut self, error: &Error) {
        self.ended = Some(error.clone());
        for queue in self.queues.iter().filter_map(Weak::upgrade) {
            let mut inner = queue.inner();
            inner.ended = Some(error.clone());
            inner.waiting.ring();
        }
    }
}
