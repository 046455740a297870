//! An answer that is under way.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::super::io_thread::IoThread;
use super::super::watchers::Watchers;
use super::rest::Answer;
use crate::error::{Error, Result};
use crate::store::Wake;

/// An answer of the API. Dropping it gives the request up.
#[derive(Debug)]
pub struct Reply {
    slot: Arc<Slot>,
    /// The task sees that it is gone.
    _held: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Slot(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answer: Option<Result<Answer>>,
    waiting: Watchers,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, answer: Result<Answer>) {
        let mut state = self.state();
        if state.answer.is_none() {
            state.answer = Some(answer);
            state.waiting.ring();
        }
    }
}

/// Answers when the task ends in a way that nobody foresaw.
struct Guard(Arc<Slot>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.settle(Err(Error::ConnectionLost(
            "the request ended unexpectedly; this is a defect of dxstream".into(),
        )));
    }
}

impl Reply {
    /// Begins `work` on the I/O thread.
    pub(super) fn begin(
        work: impl Future<Output = Result<Answer>> + Send + 'static,
    ) -> Result<Self> {
        let thread = IoThread::get()?;
        let slot = Arc::new(Slot::default());
        let guard = Guard(Arc::clone(&slot));
        let (held, gone) = oneshot::channel::<()>();
        IoThread::spawn(thread, async move {
            tokio::select! {
                answer = work => guard.0.settle(answer),
                _ = gone => {}
            }
        });
        Ok(Self { slot, _held: held })
    }

    /// The answer, or nothing while it is under way.
    pub fn result(&self) -> Option<Result<Answer>> {
        self.slot.state().answer.clone()
    }

    /// Lets `wake` ring once when the answer is there; at once if it is.
    pub fn watch(&self, wake: &Arc<Wake>) {
        let mut state = self.slot.state();
        state.waiting.add(wake);
        if state.answer.is_some() {
            state.waiting.ring();
        }
    }
}
