"""What streamers and listeners have counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Latency", "ListenerStats", "MemoryUse", "Rates", "StreamerStats", "TypeStats"]


@dataclass(frozen=True, slots=True)
class Rates:
    """What came in a second, on average over the last 5 s; or since the start, where that is less.

    Attributes
    ----------
    messages, bytes, events
        As in :class:`StreamerStats`, a second.
    """

    messages: float = 0.0
    bytes: float = 0.0
    events: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took: samples and their quantiles, in seconds, known to 1 %.

    Attributes
    ----------
    count
        How many samples there are.
    sum
        Their sum.
    p50, p99, p999
        What 50, 99 and 99.9 % of them do not exceed.
    max
        The longest; what took more than a minute counts as a minute.
    """

    count: int = 0
    sum: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True)
class TypeStats:
    """What a streamer has counted of one event type.

    Attributes
    ----------
    events
        Events read.
    listeners
        Listeners that there are, batches and :meth:`~dxstream.DXLinkStreamer.get_event` included.
    pending
        Events that wait in their buffers; a listener may have up to 1,024 more in hand.
    conflated
        Events that gave way to a later one of their symbol, over all listeners there ever were.
    dropped
        Events that were dropped because a buffer was full, over all listeners there ever were. What
        a listener leaves behind when it is closed does not count.
    """

    events: int = 0
    listeners: int = 0
    pending: int = 0
    conflated: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class StreamerStats:
    """What a streamer has counted since it was connected.

    Attributes
    ----------
    state
        "new", "connecting", "connected", "reconnecting", "closed" or "failed".
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
    reconnects
        How many times a connection was made again.
    gaps
        How many gaps are over; see :attr:`~dxstream.DXLinkStreamer.gaps`.
    connections
        Connections that the subscriptions are spread over.
    last_message_age
        Seconds since a server last gave a sign of life; ``None`` before the first.
    handshake
        Seconds that the last handshake took, up to the server's AUTHORIZED.
    rates
        Messages, bytes and events a second, over the last 5 s.
    by_type
        For each event type by its name, as far as something came of it or somebody listens: events,
        and what became of them in the listeners' buffers.
    wire_to_parse
        From the read of the socket until all events of a message are stored: a sample for each time
        that the socket was read, of the last message that was there.
    parse_to_delivery
        From when an event is stored until a listener takes it: a sample for each time that a
        listener went to its buffer, of the event that waited longest there. Listeners that conflate
        are left out, for they let events wait on purpose.
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
    reconnects: int
    connections: int
    last_message_age: float | None
    handshake: float | None
    gaps: int = 0
    rates: Rates = Rates()
    by_type: Mapping[str, TypeStats] = field(default_factory=dict)
    wire_to_parse: Latency = Latency()
    parse_to_delivery: Latency = Latency()

    @property
    def parse_errors(self) -> int:
        """Frames, rows and blocks that could not be read."""
        return self.malformed_frames + self.rejected_rows + self.rejected_blocks

    @property
    def pending(self) -> int:
        """Events that wait in the buffers of all listeners."""
        return sum(of.pending for of in self.by_type.values())

    @property
    def conflated(self) -> int:
        """Events that gave way to a later one of their symbol, over all listeners."""
        return sum(of.conflated for of in self.by_type.values())

    @property
    def dropped(self) -> int:
        """Events that were dropped because a buffer was full, over all listeners."""
        return sum(of.dropped for of in self.by_type.values())


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
    conflated
        Events that gave way to a later one of their symbol.
    dropped
        Events that were dropped because the buffer was full, or came after the listener had ended.
    filtered
        Events of symbols that the listener did not ask for.
    """

    received: int
    delivered: int
    pending: int
    conflated: int
    dropped: int
    filtered: int


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """The memory of a streamer's events, as a formula with its numbers; print it.

    Attributes
    ----------
    history
        Events that a ring keeps where nothing else was asked for.
    rings
        For each event type: its name, how many symbols have had an event, bytes of an event in a
        ring, bytes once these rings are full, and bytes that are allocated.
    buffers
        For each queue: its event type, most events, bytes of an event, how many more there may be
        memory for, and how many wait. A queue that conflates has a mailbox for each symbol instead:
        most of them, bytes of one, 0, and how many there are.
    connections
        How many connections there are, and the bytes that one holds at most: of messages, and of
        the symbols that it knows again.
    books
        How many order books there are, how many there may be, and the bytes that one takes at most;
        then the same of the orders in them.
    series
        For each history of candles that goes on: its symbol, how many bars, and bytes of a bar at
        most.
    """

    history: int
    rings: tuple[tuple[str, int, int, int, int], ...]
    buffers: tuple[tuple[str, int, int, int, int], ...]
    connections: tuple[int, int] = (0, 0)
    books: tuple[int, int, int, int, int, int] = (0,) * 6
    series: tuple[tuple[str, int, int], ...] = ()

    @property
    def allocated(self) -> int:
        """Bytes of rings, waiting events and histories; of order books, the most they take now."""
        rings = sum(allocated for *_, allocated in self.rings)
        queues = sum(width * waiting for _, _, width, _, waiting in self.buffers)
        books, _, book_bytes, orders, _, order_bytes = self.books
        return rings + queues + self._series + books * book_bytes + orders * order_bytes

    @property
    def bound(self) -> int:
        """Bytes that all this takes at most, with the symbols, queues and connections of now."""
        rings = sum(full for *_, full, _ in self.rings)
        queues = sum((most + spare) * width for _, most, width, spare, _ in self.buffers)
        connections, connection_bytes = self.connections
        return rings + queues + connections * connection_bytes + self._series + self._full_books

    @property
    def _series(self) -> int:
        return sum(bars * width for _, bars, width in self.series)

    @property
    def _full_books(self) -> int:
        books, most_books, book_bytes, _, most_orders, order_bytes = self.books
        return most_books * book_bytes + most_orders * order_bytes if books else 0

    def __str__(self) -> str:
        """Write one line for each term, and the sum."""
        lines = [
            f"rings of {name}: {count:,} symbols x {self.history:,} events x {width} bytes, "
            f"{full:,} bytes with their tables when full, {allocated:,} now"
            for name, count, width, full, allocated in self.rings
        ]
        lines += [
            f"queue of {name}: ({most:,} + {spare:,}) events x {width} bytes "
            f"= {(most + spare) * width:,} bytes when full, {waiting * width:,} now"
            for name, most, width, spare, waiting in self.buffers
        ]
        connections, connection_bytes = self.connections
        if connections:
            lines.append(
                f"messages: {connections:,} connections x {connection_bytes:,} bytes "
                f"= {connections * connection_bytes:,} bytes at most"
            )
        books, most_books, book_bytes, orders, most_orders, order_bytes = self.books
        if books:
            now = books * book_bytes + orders * order_bytes
            lines.append(
                f"order books: {most_books:,} books x {book_bytes:,} bytes "
                f"+ {most_orders:,} orders x {order_bytes} bytes "
                f"= {self._full_books:,} bytes when full; "
                f"{books:,} books and {orders:,} orders, at most {now:,} bytes, now"
            )
        lines += [
            f"candles of {symbol}: {bars:,} bars x {width} bytes = {bars * width:,} bytes"
            for symbol, bars, width in self.series
        ]
        together = f"together {self.allocated:,} bytes now, at most {self.bound:,}"
        return "\n".join([*lines, together])
