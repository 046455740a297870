//! The process's I/O thread: a current-thread runtime on which every streamer is a task.
//!
//! It starts with the first connection and ends with the last. It never calls into Python. An event loop
//! may do its work for a while: see [`lead`].

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{coalescing, lead};
use crate::error::{Error, Result};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the thread is asked to do.
enum Work {
    Run(Task),
    /// Stands for a defect of the thread itself.
    #[cfg(test)]
    Panic,
}

/// The process's I/O threads. The lock is held for moments, never while something is waited for.
static THREADS: Mutex<Threads> = Mutex::new(Threads::NONE);

#[derive(Debug)]
pub(super) struct Threads {
    /// The one that takes tasks, while any task holds it.
    running: Weak<IoThread>,
    /// Those that were started and may still run.
    started: Vec<JoinHandle<()>>,
}

impl Threads {
    const NONE: Self = Self { running: Weak::new(), started: Vec::new() };
}

/// The lock on the process's I/O threads.
pub(super) type Held = MutexGuard<'static, Threads>;

/// Keeps other threads from the process's I/O threads.
pub(super) fn hold() -> Held {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets the I/O threads of the process that this one was forked from.
pub(super) fn forget(threads: &mut Threads) {
    // Dropping a handle would touch a thread that does not exist here.
    std::mem::forget(std::mem::replace(threads, Threads::NONE));
}

/// A task's hold on the I/O thread; the thread ends with the last of its tasks.
#[derive(Debug)]
pub(super) struct IoThread {
    work: mpsc::UnboundedSender<Work>,
}

impl IoThread {
    /// The process's I/O thread, which is started if there is none.
    pub(super) fn get() -> Result<Arc<Self>> {
        let mut threads = hold();
        // A thread that died may be held by tasks that it has not dropped yet.
        if let Some(thread) = threads.running.upgrade().filter(|thread| !thread.work.is_closed()) {
            return Ok(thread);
        }
        let cannot = |error: std::io::Error| {
            Error::ConnectionLost(format!("the I/O thread cannot be started: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(coalescing::rest)
            .build()
            .map_err(cannot)?;
        let (work, arriving) = mpsc::unbounded_channel();
        let handle = std::thread::Builder::new()
            .name("dxstream-io".into())
            .spawn(move || {
                let (runtime, offer) = (Arc::new(runtime), lead::offer());
                let mut main = runtime.spawn(async move {
                    let mut running = JoinSet::new();
                    // Dropped before the tasks: when they learn of a panic, the thread is known for
                    // dead.
                    let mut arriving = arriving;
                    while let Some(work) = arriving.recv().await {
                        match work {
                            Work::Run(task) => running.spawn(task),
                            #[cfg(test)]
                            Work::Panic => panic!("a test asked for it"),
                        };
                        // Ended tasks are let go; a panic in one was reported by its own guard.
                        while running.try_join_next().is_some() {}
                    }
                    while running.join_next().await.is_some() {}
                });
                loop {
                    let ended = runtime.block_on(async {
                        tokio::select! {
                            biased;
                            ended = &mut main => Some(ended),
                            () = offer.notified() => None,
                        }
                    });
                    match ended {
                        Some(Ok(())) => break,
                        Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                        None => lead::follow(&runtime, || main.is_finished()),
                    }
                }
            })
            .map_err(cannot)?;
        threads.started.retain(|handle| !handle.is_finished());
        threads.started.push(handle);
        let thread = Arc::new(Self { work });
        threads.running = Arc::downgrade(&thread);
        Ok(thread)
    }

    /// Runs a task on the thread, which lives at least as long as the task. Where the thread has died,
    /// the task is dropped.
    pub(super) fn spawn(thread: Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let work = thread.work.clone();
        let _ = work.send(Work::Run(Box::pin(async move {
            task.await;
            drop(thread);
        })));
        lead::take_back();
    }

    /// Lets the thread die by a panic of its own.
    #[cfg(test)]
    pub(super) fn panic(&self) {
        let _ = self.work.send(Work::Panic);
    }
}

/// Waits until the I/O thread has ended, at most `limit`; says whether it has. Connections must
/// have been closed or dropped before.
pub fn shut_down(limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let mut threads = hold();
        let ended: Vec<_> = threads.started.extract_if(.., |handle| handle.is_finished()).collect();
        let over = threads.started.is_empty();
        drop(threads);
        for handle in ended {
            // A thread that panicked has ended too; its streamers were told.
            let _ = handle.join();
        }
        if over || Instant::now() >= deadline {
            return over;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
