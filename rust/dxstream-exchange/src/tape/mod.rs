//! Replay of recorded events.
