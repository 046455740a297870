//! A descriptor that is readable while one of some sockets is.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

/// The descriptor. It exists on Linux alone.
#[derive(Debug)]
pub(super) struct Line(OwnedFd);

#[cfg(target_os = "linux")]
impl Line {
    pub(super) fn new() -> io::Result<Self> {
        use rustix::event::epoll::{CreateFlags, create};
        Ok(Self(create(CreateFlags::CLOEXEC)?))
    }

    /// Watches a socket. One that cannot be watched is read a moment later, by the I/O thread.
    pub(super) fn watch(&self, socket: &OwnedFd) {
        use rustix::event::epoll::{EventData, EventFlags, add};
        let _ = add(&self.0, socket, EventData::new_u64(0), EventFlags::IN);
    }

    /// Watches a socket no longer, if it did.
    pub(super) fn unwatch(&self, socket: &OwnedFd) {
        let _ = rustix::event::epoll::delete(&self.0, socket);
    }
}

#[cfg(not(target_os = "linux"))]
impl Line {
    pub(super) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn watch(&self, _: &OwnedFd) {}

    pub(super) fn unwatch(&self, _: &OwnedFd) {}
}

impl Line {
    pub(super) fn as_raw_fd(&self) -> RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.0)
    }
}
