//! What is asked of a proxy, and what that means for the next bytes of a stream.

use std::time::Duration;

/// One of the two streams of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What the server says.
    Server,
    /// What the client says.
    Client,
}

/// Where connections are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// How many bytes of the stream pass, counted from the beginning of each connection.
    pub after: u64,
    /// Whether both ends are reset; they get FIN otherwise.
    pub reset: bool,
    /// How many connections are cut.
    pub connections: u64,
}

/// Which byte is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corruption {
    /// Its position in the stream, from 0, counted from the beginning of each connection.
    pub at: u64,
    /// The bits that are flipped.
    pub mask: u8,
    /// In how many connections.
    pub connections: u64,
}

/// What is asked of a proxy.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) delay: Duration,
    pub(super) bytes_per_second: Option<u32>,
    pub(super) frozen: bool,
    cuts: [Option<Cut>; 2],
    corruptions: [Option<Corruption>; 2],
    /// How often all connections were dropped, and whether by RST the last time.
    pub(super) dropped: Option<(u64, bool)>,
}

/// What is done with the next bytes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Wait,
    /// So many pass, at most.
    Pass(usize),
    /// One passes with these bits flipped.
    Flip(u8),
    /// The connection ends.
    Cut { reset: bool },
}

impl Settings {
    pub(super) fn cut_mut(&mut self, stream: Stream) -> &mut Option<Cut> {
        &mut self.cuts[stream as usize]
    }

    pub(super) fn corruption_mut(&mut self, stream: Stream) -> &mut Option<Corruption> {
        &mut self.corruptions[stream as usize]
    }

    pub(super) fn drops(&self) -> u64 {
        self.dropped.map_or(0, |(drops, _)| drops)
    }

    /// What is done with the next bytes of a stream of which so many have passed.
    pub(super) fn next(&self, stream: Stream, position: u64) -> Next {
        if self.frozen {
            return Next::Wait;
        }
        // A trickle has ten pieces a second, or as many as bytes.
        let mut most = self.bytes_per_second.map_or(u64::MAX, |rate| u64::from(rate / 10).max(1));
        if let Some(cut) = self.cuts[stream as usize]
            && cut.connections > 0
            && cut.after >= position
        {
            if cut.after == position {
                return Next::Cut { reset: cut.reset };
            }
            most = most.min(cut.after - position);
        }
        if let Some(corruption) = self.corruptions[stream as usize]
            && corruption.connections > 0
            && corruption.at >= position
        {
            if corruption.at == position {
                return Next::Flip(corruption.mask);
            }
            most = most.min(corruption.at - position);
        }
        Next::Pass(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Counts that a connection was cut.
    pub(super) fn has_cut(&mut self, stream: Stream) {
        if let Some(cut) = self.cut_mut(stream) {
            cut.connections = cut.connections.saturating_sub(1);
        }
    }

    /// Counts that a byte was changed.
    pub(super) fn has_flipped(&mut self, stream: Stream) {
        if let Some(corruption) = self.corruption_mut(stream) {
            corruption.connections = corruption.connections.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_up_to_the_next_that_matters() {
        let mut settings = Settings::default();
        assert_eq!(settings.next(Stream::Server, 0), Next::Pass(usize::MAX));
        *settings.cut_mut(Stream::Server) = Some(Cut { after: 10, reset: true, connections: 1 });
        *settings.corruption_mut(Stream::Server) =
            Some(Corruption { at: 4, mask: 3, connections: 2 });
        assert_eq!(settings.next(Stream::Server, 0), Next::Pass(4));
        assert_eq!(settings.next(Stream::Server, 4), Next::Flip(3));
        assert_eq!(settings.next(Stream::Server, 5), Next::Pass(5));
        assert_eq!(settings.next(Stream::Server, 10), Next::Cut { reset: true });
        assert_eq!(settings.next(Stream::Server, 11), Next::Pass(usize::MAX));
        assert_eq!(settings.next(Stream::Client, 10), Next::Pass(usize::MAX));
        settings.has_cut(Stream::Server);
        assert_eq!(settings.next(Stream::Server, 10), Next::Pass(usize::MAX));
        settings.has_flipped(Stream::Server);
        assert_eq!(settings.next(Stream::Server, 4), Next::Flip(3));
        settings.has_flipped(Stream::Server);
        assert_eq!(settings.next(Stream::Server, 4), Next::Pass(usize::MAX));
    }

    #[test]
    fn a_frozen_stream_waits_even_for_its_cut() {
        let mut settings = Settings { frozen: true, ..Settings::default() };
        *settings.cut_mut(Stream::Client) = Some(Cut { after: 0, reset: false, connections: 1 });
        assert_eq!(settings.next(Stream::Client, 0), Next::Wait);
    }
}
