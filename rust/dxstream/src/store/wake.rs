//! A file descriptor that becomes readable when there is something to read.
//!
//! An event loop watches it, or a thread sleeps on it; the I/O thread writes it without knowing
//! which. An eventfd on Linux, a pair of sockets elsewhere.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A wake-up line from the I/O thread to whoever waits.
#[derive(Debug)]
pub struct Wake {
    reader: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    writer: OwnedFd,
    patient: bool,
    /// The number of the event loop that waits with it; zero where none does. A hint, by itself.
    event_loop: AtomicU64,
}

impl Wake {
    /// A line that nobody has rung yet.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    #[cfg(target_os = "linux")]
    pub fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let reader = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { reader, patient: false, event_loop: AtomicU64::new(0) })
    }

    /// A line that nobody has rung yet.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    #[cfg(not(target_os = "linux"))]
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = std::os::unix::net::UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self {
            reader: reader.into(),
            writer: writer.into(),
            patient: false,
            event_loop: AtomicU64::new(0),
        })
    }

    /// The same line of one who does not mind to be rung some milliseconds late.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { patient: true, ..self }
    }

    /// Whether it may be rung some milliseconds late.
    pub fn is_patient(&self) -> bool {
        self.patient
    }

    /// Takes note that the event loop of this number waits with it.
    pub fn set_event_loop(&self, number: u64) {
        self.event_loop.store(number, Ordering::Relaxed);
    }

    /// The number of the event loop that waits with it and is in a hurry.
    pub(super) fn event_loop(&self) -> Option<u64> {
        let number = self.event_loop.load(Ordering::Relaxed);
        (number != 0 && !self.patient).then_some(number)
    }

    /// Makes the descriptor readable. Never blocks; a line that is already ringing stays so.
    pub fn ring(&self) {
        #[cfg(target_os = "linux")]
        let line = &self.reader;
        #[cfg(not(target_os = "linux"))]
        let line = &self.writer;
        // The only failure is a counter or buffer that is full, and then the line is ringing.
        let _ = rustix::io::write(line, &1_u64.to_ne_bytes());
    }

    /// Makes the descriptor silent again.
    pub fn clear(&self) {
        let mut bytes = [0; 512];
        while rustix::io::read(&self.reader, &mut bytes).is_ok_and(|count| count == bytes.len()) {}
    }

    /// Waits until the descriptor is readable, at most `timeout`; says whether it is.
    ///
    /// # Errors
    /// As the system's poll; an interrupting signal is no error.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let timeout =
            Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos().into() };
        let mut watched = [PollFd::new(&self.reader, PollFlags::IN)];
        match poll(&mut watched, Some(&timeout)) {
            Ok(count) => Ok(count > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The descriptor, for an event loop to watch while the line lives.
    pub fn as_raw_fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
