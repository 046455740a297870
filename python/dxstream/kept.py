"""What a streamer keeps of events: the last of each symbol, its history, its book."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from dxstream._dxstream import event_class
from dxstream.dxfeed import Event, Order
from dxstream.observed import Observed
from dxstream.process import importing
from dxstream.subscriptions import MAX_HISTORY, check_subscribed, type_name

if TYPE_CHECKING:
    from dxstream.book import OrderBook
    from dxstream.table import EventTable

__all__ = ["Kept"]

E = TypeVar("E", bound=Event)

MAX_DEPTH = 1 << 32
"""More price levels than a book has."""


class Kept(Observed):
    """A connection whose events can be read after they came, without a listener."""

    def latest(self, event_type: type[E], symbol: str) -> E | None:
        """Get the last event of a symbol, or ``None`` where none has come.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer was never connected.
        """
        client = self._client
        if client is None:
            client = self._connected()
        return client.latest(event_type, symbol)

    def snapshot(
        self,
        event_type: type[E],
        symbols: str | Iterable[str] | None = None,
        *,
        fields: Iterable[str] | None = None,
        out: "EventTable[E] | None" = None,
    ) -> "EventTable[E]":
        """Get the last event of each symbol as columns.

        It reads memory alone: it needs no event loop, takes no lock that the connection takes, and
        works after the streamer was closed. Each row is one event.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`.
        symbols
            The symbols of the rows, in their order; all that are subscribed where it is ``None``,
            in the order of subscription.
        fields
            The fields to read; all where it is ``None``.
        out
            A table of the event type with as many rows, whose arrays are filled and which is
            returned; its fields are read. It costs less than a table that is made.

        Returns
        -------
        EventTable
            A row for each symbol. Rows of symbols without an event are not ``valid``.

        Raises
        ------
        KeyError
            If a symbol is not subscribed, or there is no such field.
        ValueError, TypeError
            If an argument cannot be used; `out` is unchanged then.
        StreamerClosedError
            If the streamer was never connected.

        Notes
        -----
        Where nobody waits for single events, busy sockets are read every 4 ms, and every
        millisecond for a program that looks at least every 5 ms: what is kept is so much behind
        the wire. It is not where somebody iterates :meth:`listen`.
        """
        with importing:
            from dxstream import reading

        client = self._client or self._connected()
        event_type = event_class(event_type)
        rows = self._rows(client, event_type, symbols)
        return reading.snapshot(client, event_type, rows, fields, out)

    def history(
        self,
        event_type: type[E],
        symbol: str,
        n: int | None = None,
        *,
        fields: Iterable[str] | None = None,
        out: "EventTable[E] | None" = None,
    ) -> "EventTable[E]":
        """Get the last events of a symbol as columns, oldest first.

        Like :meth:`snapshot` it reads memory alone. Events that are overwritten while they are read
        are left out, on the oldest side.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`.
        symbol
            A symbol that is subscribed.
        n
            Most events; where it is ``None``, all that are kept, or as many as `out` has rows.
        fields
            The fields to read; all where it is ``None``.
        out
            A table of the event type with exactly `n` rows, whose arrays are filled and which is
            returned; its fields are read. The events stand at its start, and the rows for which
            there is none are not ``valid``.

        Raises
        ------
        KeyError
            If the symbol is not subscribed, or there is no such field.
        ValueError, TypeError
            If an argument cannot be used; `out` is unchanged then.
        StreamerClosedError
            If the streamer was never connected.
        """
        with importing:
            from dxstream import reading

        if n is not None and n < 0:
            msg = "n must be 0 or more"
            raise ValueError(msg)
        client = self._client or self._connected()
        event_type = event_class(event_type)
        with self._lock:
            [wire] = client.wire_symbols(event_type, [symbol])
            name = type_name(event_type)
            check_subscribed(name, [wire], self._subscribed.get(name, {}))
        if out is not None:
            reading.check_out(event_type, n, fields, out)
            n = len(out)
        else:
            fields = reading.check_fields(event_type, fields)
        events = client.history(event_type, wire, MAX_HISTORY if n is None else n)
        return reading.table_of(event_type, events, fields, symbol=(symbol, wire), out=out)

    def book(
        self,
        symbol: str,
        source: str,
        *,
        depth: int | None = None,
        event_type: type[Event] = Order,
    ) -> "OrderBook | None":
        """Get the order book of a symbol and source, or ``None`` where nothing of it has come.

        Orders have to be subscribed with that source. A book never shows half of a transaction.

        Parameters
        ----------
        symbol
            A symbol.
        source
            The source of the orders, such as ``"NTV"``.
        depth
            Most price levels a side; all where it is ``None``.
        event_type
            ``Order``, ``AnalyticOrder`` or ``SpreadOrder``.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer was never connected.
        """
        with importing:
            from dxstream.book import BookSide, OrderBook

        if depth is not None and depth < 1:
            msg = "depth must be at least 1"
            raise ValueError(msg)
        client = self._client or self._connected()
        levels = client.book(event_type, symbol, source, MAX_DEPTH if depth is None else depth)
        if levels is None:
            return None
        bids, asks, epoch, complete = levels
        return OrderBook(BookSide.of(bids), BookSide.of(asks), epoch, complete)
