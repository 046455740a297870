"""One event of each symbol, waiting for those that have not come."""

import time
from collections.abc import Iterable
from typing import TypeVar

from dxstream._dxstream import Client, Queue, Wake, unmet
from dxstream.arguments import symbol_list
from dxstream.dxfeed import Event
from dxstream.kept import Kept
from dxstream.subscriptions import type_name
from dxstream.waiting import Call, Procedure, Wait

__all__ = ["DEFAULT_BUFFER", "Collected"]

E = TypeVar("E", bound=Event)

DEFAULT_BUFFER = 1 << 20
"""Most events that wait for a listener, unless it asks for another number."""


class Collected(Kept):
    """A connection of which one event of each symbol can be asked for."""

    def collect(
        self,
        event_type: type[E],
        symbols: str | Iterable[str],
        timeout: float = 5.0,
    ) -> Call[tuple[dict[str, E], list[str]]]:
        """Get one event of each symbol: its last one, or the first to come.

        Symbols that are not subscribed are subscribed until all have come.

        Parameters
        ----------
        event_type
            A class of :mod:`dxstream.dxfeed`.
        symbols
            Symbols, as for :meth:`subscribe`; a string is one symbol.
        timeout
            Most seconds to wait.

        Returns
        -------
        tuple of dict and list
            The events by symbol as it was given, and the symbols of which none came, in the order
            given.

        Raises
        ------
        ValueError, TypeError
            If an argument cannot be used.
        StreamerClosedError
            If the streamer is not connected, or is closed meanwhile.
        """
        asked = symbol_list(symbols)
        if not timeout >= 0:
            msg = "timeout must be seconds, 0 or more"
            raise ValueError(msg)
        client = self._connected()
        queue = client.listen(event_type, asked, capacity=DEFAULT_BUFFER)

        def procedure() -> Procedure[tuple[dict[str, E], list[str]]]:
            return (yield from self._collect(client, queue, event_type, asked, timeout))

        return Call(procedure)

    def _collect(
        self,
        client: Client,
        queue: Queue[E],
        event_type: type[E],
        asked: list[str],
        timeout: float,
    ) -> Procedure[tuple[dict[str, E], list[str]]]:
        deadline = time.monotonic() + timeout
        wire = dict(zip(asked, client.wire_symbols(event_type, asked), strict=True))
        with self._lock:
            known = self._subscribed.get(type_name(event_type), {})
            new = {symbol: asked for asked, symbol in wire.items() if symbol not in known}
            if new:
                self.subscribe(event_type, new.values())
        found: dict[str, E] = {}
        for symbol in wire.values():
            if symbol in new:
                continue
            event = client.latest(event_type, symbol)
            if event is not None and not unmet(event):
                found[symbol] = event
        missing = set(wire.values()) - found.keys()
        wake = Wake()
        try:
            while missing:
                event = queue.next()
                if event is not None:
                    if event.event_symbol in missing:
                        missing.discard(event.event_symbol)
                        found[event.event_symbol] = event
                    continue
                queue.check()
                if queue.arm(wake) and not (yield Wait(wake, deadline)):
                    break
        finally:
            if new and self.state in ("connected", "reconnecting"):
                self.unsubscribe(event_type, new)
        events = {symbol: found[name] for symbol, name in wire.items() if name in found}
        return events, [symbol for symbol in asked if symbol not in events]
