"""Streamers as Prometheus metrics: text on demand, and an HTTP endpoint that gives it.

Examples
--------
>>> from dxstream import DXLinkStreamer, metrics
>>> with DXLinkStreamer("sim://") as streamer, metrics.serve(streamer) as server:
...     print(server.url)
...     print(metrics.render(streamer).splitlines()[1])
http://127.0.0.1:.../metrics
# TYPE dxstream_connected gauge
"""

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, TypeAlias

from dxstream.observed import Observed
from dxstream.stats import Latency, StreamerStats, TypeStats

__all__ = ["CONTENT_TYPE", "MetricsServer", "render", "serve"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The type of what :func:`render` returns."""

Labels: TypeAlias = tuple[tuple[str, str], ...]
Sample: TypeAlias = tuple[str, Labels, float]

_QUANTILES = (("0.5", "p50"), ("0.99", "p99"), ("0.999", "p999"))


def _of_stats(value: Callable[[StreamerStats], float | None]) -> "Callable[..., Iterator[Sample]]":
    def samples(name: str, labels: Labels, stats: StreamerStats) -> Iterator[Sample]:
        if (number := value(stats)) is not None:
            yield name, labels, number

    return samples


def _of_types(value: Callable[[TypeStats], float]) -> "Callable[..., Iterator[Sample]]":
    def samples(name: str, labels: Labels, stats: StreamerStats) -> Iterator[Sample]:
        for event_type, of_type in stats.by_type.items():
            yield name, (*labels, ("event_type", event_type)), value(of_type)

    return samples


def _of_latency(value: Callable[[StreamerStats], Latency]) -> "Callable[..., Iterator[Sample]]":
    def samples(name: str, labels: Labels, stats: StreamerStats) -> Iterator[Sample]:
        latency = value(stats)
        for quantile, field in _QUANTILES:
            # What was never measured has no quantile.
            number = getattr(latency, field) if latency.count else float("nan")
            yield name, (*labels, ("quantile", quantile)), number
        yield f"{name}_sum", labels, latency.sum
        yield f"{name}_count", labels, latency.count

    return samples


_METRICS: tuple[tuple[str, str, str, Callable[..., Iterator[Sample]]], ...] = (
    (
        "connected",
        "gauge",
        "Whether the server accepted the client and the connection holds.",
        _of_stats(lambda stats: stats.state == "connected"),
    ),
    ("messages_total", "counter", "Text frames received.", _of_stats(lambda s: s.messages)),
    ("bytes_total", "counter", "Bytes of text frames received.", _of_stats(lambda s: s.bytes)),
    ("events_total", "counter", "Events read.", _of_types(lambda of: of.events)),
    (
        "messages_per_second",
        "gauge",
        "Text frames a second, over the last 5 s.",
        _of_stats(lambda stats: stats.rates.messages),
    ),
    (
        "bytes_per_second",
        "gauge",
        "Bytes of text frames a second, over the last 5 s.",
        _of_stats(lambda stats: stats.rates.bytes),
    ),
    (
        "events_per_second",
        "gauge",
        "Events a second, over the last 5 s.",
        _of_stats(lambda stats: stats.rates.events),
    ),
    ("listeners", "gauge", "Listeners that there are.", _of_types(lambda of: of.listeners)),
    (
        "pending_events",
        "gauge",
        "Events that wait in the buffers of listeners.",
        _of_types(lambda of: of.pending),
    ),
    (
        "conflated_events_total",
        "counter",
        "Events that gave way to a later one of their symbol, over all listeners.",
        _of_types(lambda of: of.conflated),
    ),
    (
        "dropped_events_total",
        "counter",
        "Events that were dropped because the buffer of a listener was full.",
        _of_types(lambda of: of.dropped),
    ),
    (
        "malformed_frames_total",
        "counter",
        "Frames that were no DXLink message.",
        _of_stats(lambda stats: stats.malformed_frames),
    ),
    (
        "rejected_rows_total",
        "counter",
        "Rows that could not be read.",
        _of_stats(lambda stats: stats.rejected_rows),
    ),
    (
        "rejected_blocks_total",
        "counter",
        "Blocks of an unknown event type, channel or field list.",
        _of_stats(lambda stats: stats.rejected_blocks),
    ),
    (
        "split_transactions_total",
        "counter",
        "Snapshots and transactions that were too long to be handed on whole.",
        _of_stats(lambda stats: stats.split_transactions),
    ),
    (
        "server_errors_total",
        "counter",
        "ERROR messages of the server.",
        _of_stats(lambda stats: stats.server_errors),
    ),
    (
        "reconnects_total",
        "counter",
        "How many times a connection was made again.",
        _of_stats(lambda stats: stats.reconnects),
    ),
    (
        "gaps_total",
        "counter",
        "How many times events may be missing because a connection was lost.",
        _of_stats(lambda stats: stats.gaps),
    ),
    (
        "subscriptions",
        "gauge",
        "Symbols wanted, over all event types.",
        _of_stats(lambda stats: stats.subscriptions),
    ),
    (
        "connections",
        "gauge",
        "Connections that the subscriptions are spread over.",
        _of_stats(lambda stats: stats.connections),
    ),
    (
        "last_message_age_seconds",
        "gauge",
        "Time since a server last gave a sign of life.",
        _of_stats(lambda stats: stats.last_message_age),
    ),
    (
        "handshake_seconds",
        "gauge",
        "How long the last handshake took.",
        _of_stats(lambda stats: stats.handshake),
    ),
    (
        "wire_to_parse_seconds",
        "summary",
        "From the read of the socket until events are stored.",
        _of_latency(lambda stats: stats.wire_to_parse),
    ),
    (
        "parse_to_delivery_seconds",
        "summary",
        "From when an event is stored until a listener takes it.",
        _of_latency(lambda stats: stats.parse_to_delivery),
    ),
)


def render(*streamers: Observed) -> str:
    """Write what streamers have counted, in Prometheus' text format 0.0.4.

    Each sample has the label ``streamer``: the number of its streamer among those given, from 0 on.
    What belongs to an event type has the label ``event_type``. No label holds a symbol or a URL.

    Parameters
    ----------
    streamers
        Instances of :class:`~dxstream.DXLinkStreamer`, connected or not.

    Returns
    -------
    str
        The text; empty where no streamer is given.
    """
    return _render(enumerate(streamers))


def _render(streamers: Iterable[tuple[int, Observed]]) -> str:
    counted = [((("streamer", str(number)),), one.stats()) for number, one in streamers]
    if not counted:
        return ""
    lines = []
    for suffix, kind, text, samples in _METRICS:
        name = f"dxstream_{suffix}"
        lines += [f"# HELP {name} {_escape_help(text)}", f"# TYPE {name} {kind}"]
        for labels, stats in counted:
            lines += [_line(*sample) for sample in samples(name, labels, stats)]
    return "\n".join(lines) + "\n"


def _line(name: str, labels: Labels, value: float) -> str:
    shown = ",".join(f'{label}="{_escape(text)}"' for label, text in labels)
    number = int(value) if isinstance(value, int) else "NaN" if value != value else repr(value)
    return f"{name}{{{shown}}} {number}"


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escape(text: str) -> str:
    return _escape_help(text).replace('"', r"\"")


class MetricsServer:
    """An HTTP server on the loopback interface that gives :func:`render` at ``/metrics``.

    It holds its streamers weakly: one that nobody else has is left out from then on. Use it as a
    context manager, or call :meth:`stop`; it ends with the program otherwise.
    """

    def __init__(self, streamers: Iterable[Observed], port: int) -> None:
        self._server = _Server(streamers, port)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="dxstream-metrics",
            daemon=True,
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the metrics are."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/metrics"

    def stop(self) -> None:
        """Stop answering; it may be called more than once."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, streamers: Iterable[Observed], port: int) -> None:
        self._known = [(number, weakref.ref(one)) for number, one in enumerate(streamers)]
        super().__init__(("127.0.0.1", port), _Handler)

    def render(self) -> str:
        """Render what is alive."""
        known = [(number, streamer()) for number, streamer in self._known]
        return _render((number, one) for number, one in known if one is not None)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing of a client that hung up."""


class _Handler(BaseHTTPRequestHandler):
    """Answers a request for the metrics; any other is not found."""

    timeout = 10.0
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404, "ask for /metrics")
            return
        text = self.server.render().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        """Print nothing."""


def serve(*streamers: Observed, port: int = 0) -> MetricsServer:
    """Give what streamers have counted to Prometheus, over HTTP on the loopback interface.

    Parameters
    ----------
    streamers
        Instances of :class:`~dxstream.DXLinkStreamer`; they are held weakly.
    port
        The port on 127.0.0.1; a free one where it is 0.

    Returns
    -------
    MetricsServer
        It runs already; its ``url`` is what Prometheus is to scrape.

    Raises
    ------
    OSError
        If the port is taken.
    """
    return MetricsServer(streamers, port)
