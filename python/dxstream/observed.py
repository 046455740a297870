"""What a streamer says of itself: counts, memory, silent symbols, health."""

import time
from typing import Any

from dxstream import _dxstream, dxfeed
from dxstream.candle_subscriptions import CandleSubscriber
from dxstream.dxfeed import Candle, Event
from dxstream.health import Health, SilentSymbol
from dxstream.stats import Latency, MemoryUse, Rates, StreamerStats, TypeStats
from dxstream.subscriptions import type_name

__all__ = ["Observed"]


class Observed(CandleSubscriber):
    """A streamer that is looked at; nothing here waits or asks the server."""

    def memory(self) -> MemoryUse:
        """Say how much memory the events take and at most can, as a formula: print it."""
        client = self._client
        with self._lock:
            series = self._histories.memory()
        return MemoryUse(
            history=self._settings.history,
            rings=() if client is None else tuple(client.ring_memory()),
            buffers=() if client is None else tuple(client.queue_memory()),
            connections=(0, 0) if client is None else client.connection_memory(),
            books=(0,) * 6 if client is None else client.book_memory(),
            series=series,
        )

    def stats(self) -> StreamerStats:
        """Count what has come, what became of it, and how long it took.

        Nothing runs for it between two calls; a call costs microseconds.
        """
        client = self._client
        counters: dict[str, Any] = dict(_NOTHING) if client is None else client.counters()
        counters["rates"] = Rates(*counters["rates"])
        counters["by_type"] = {
            name: TypeStats(*of_type) for name, of_type in counters["by_type"].items()
        }
        for latency in ("wire_to_parse", "parse_to_delivery"):
            counters[latency] = Latency(*counters[latency])
        with self._lock:
            candles = self._subscribed.get(type_name(Candle), {})
            subscriptions = sum(len(of_type) for of_type in self._subscribed.values())
            subscriptions += sum(symbol not in candles for symbol in self._histories)
        return StreamerStats(
            state=self.state,
            complaints=() if client is None else tuple(client.complaints()),
            subscriptions=subscriptions,
            **counters,
        )

    def silent(
        self, older_than: float = 30.0, event_type: type[Event] | None = None
    ) -> list[SilentSymbol]:
        """Name the symbols that are subscribed and of which nothing comes.

        These are the symbols that never had an event, although they were subscribed so long ago;
        and those whose last event is older than that while others of the same type go on. A type of
        which nothing comes at all, as at night, names none of the latter.

        Parameters
        ----------
        older_than
            Seconds of silence.
        event_type
            Look at this type alone.

        Returns
        -------
        list of SilentSymbol
            In the order of subscription, type by type.

        Raises
        ------
        ValueError
            If `older_than` is no number of seconds.
        StreamerClosedError
            If the streamer was never connected.
        """
        if not older_than >= 0:
            msg = "older_than must be seconds, 0 or more"
            raise ValueError(msg)
        client = self._client or self._connected()
        found = []
        with self._lock:
            names = list(self._subscribed) if event_type is None else [type_name(event_type)]
            for name in names:
                asked_at = self._subscribed.get(name)
                if not asked_at:
                    continue
                rows = self._rows(client, getattr(dxfeed, name), None)
                received = client.last_received(rows.resolved)
                now = time.monotonic_ns()
                recently = now - older_than * 1e9
                ticks = any(at is not None and at > recently for at in received)
                for symbol, at in zip(rows.wire, received, strict=True):
                    if at is None and asked_at[symbol] <= recently:
                        suggestion = _dxstream.suggest_symbol(symbol)
                        silent = SilentSymbol(
                            event_type=name, symbol=symbol, age=None, suggestion=suggestion
                        )
                        found.append(silent)
                    elif at is not None and at <= recently and ticks:
                        age = (now - at) / 1e9
                        found.append(SilentSymbol(event_type=name, symbol=symbol, age=age))
        return found

    def health(self, older_than: float = 30.0) -> Health:
        """Say in a few lines how the stream is: print it.

        Parameters
        ----------
        older_than
            Seconds after which a symbol is silent; see :meth:`silent`.

        Raises
        ------
        ValueError
            If `older_than` is no number of seconds.
        StreamerClosedError
            If the streamer was never connected.
        """
        silent = self.silent(older_than)
        stats = self.stats()
        return Health(
            state=stats.state,
            last_message_age=stats.last_message_age,
            events_per_second=stats.rates.events,
            silent=tuple(silent),
            dropped=stats.dropped,
            gaps=stats.gaps,
        )


_NOTHING: dict[str, Any] = {
    "messages": 0,
    "bytes": 0,
    "events": 0,
    "malformed_frames": 0,
    "rejected_rows": 0,
    "rejected_blocks": 0,
    "split_transactions": 0,
    "server_errors": 0,
    "reconnects": 0,
    "gaps": 0,
    "connections": 0,
    "last_message_age": None,
    "handshake": None,
    "rates": (),
    "by_type": {},
    "wire_to_parse": (),
    "parse_to_delivery": (),
}
"""What a streamer has counted that was never connected."""
