"""What streamers and listeners have counted."""

from dataclasses import dataclass

__all__ = ["ListenerStats", "StreamerStats"]


@dataclass(frozen=True, slots=True)
class StreamerStats:
    """What a streamer has counted since it was connected.

    Attributes
    ----------
    state
        "new", "connecting", "connected", "closed" or "failed".
    messages
        Text frames received.
    bytes
        Bytes of text frames received.
    events
        Events read, marker rows of snapshots included.
    malformed_frames
        Frames that were no DXLink message; they were skipped.
    rejected_rows
        Rows that could not be read; they were skipped.
    rejected_blocks
        Blocks of an unknown event type, channel or field list; they were skipped.
    split_transactions
        Snapshots and transactions that were too long to be handed on whole.
    server_errors
        ERROR messages of the server.
    complaints
        The last of these, oldest first, in words.
    subscriptions
        Symbols wanted, over all event types.
    """

    state: str
    messages: int
    bytes: int
    events: int
    malformed_frames: int
    rejected_rows: int
    rejected_blocks: int
    split_transactions: int
    server_errors: int
    complaints: tuple[str, ...]
    subscriptions: int


@dataclass(frozen=True, slots=True)
class ListenerStats:
    """What became of a listener's events; ``received`` is the sum of the others.

    Attributes
    ----------
    received
        Events of the listener's type that came since it began.
    delivered
        Events that the program took.
    pending
        Events that wait.
    dropped
        Events that were dropped, oldest first, because the buffer was full.
    filtered
        Events of symbols that the listener did not ask for.
    """

    received: int
    delivered: int
    pending: int
    dropped: int
    filtered: int
