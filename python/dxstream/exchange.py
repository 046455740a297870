"""An exchange in this process: a DXLink server on the loopback interface, with accounts if wished.

It is for demonstrations, tests and benchmarks; real DXLink clients accept it.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from dxstream import _dxstream
from dxstream.accounts import Accounts, AccountSide, AccountStats
from dxstream.dxfeed import Event
from dxstream.faults import Fault
from dxstream.proxy import FaultProxy, ProxyStats

__all__ = [
    "AccountStats",
    "Accounts",
    "Blast",
    "Exchange",
    "ExchangeStats",
    "FaultProxy",
    "Market",
    "ProxyStats",
    "Rules",
    "Tape",
    "TapeContents",
]

SYMBOLS = tuple(_dxstream.market_symbols())
"""The underlyings of the synthetic market."""


def _now() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A synthetic market: equities that move together, and the options of each.

    The same settings make the same market, event by event.

    Attributes
    ----------
    seed
        Markets with different seeds move differently.
    start
        The time at which the exchange starts, ms since 1970 UTC; now, unless it is given.
    symbols
        The underlyings; each brings its options.
    prices
        Prices of underlyings at the start, where they are to be others than the market's own. Their
        options are listed around them.
    quotes_per_second
        Quotes a second of each underlying, on average.
    trades_per_second
        Trades a second of each underlying, on average.
    """

    seed: int = 1
    start: int = field(default_factory=_now)
    symbols: tuple[str, ...] = SYMBOLS
    prices: Mapping[str, float] = field(default_factory=dict)
    quotes_per_second: float = 2.0
    trades_per_second: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blast:
    """Quotes encoded ahead of time and sent back to back, for benchmarks.

    Attributes
    ----------
    symbols
        How many symbols take turns.
    rows_per_frame
        Rows in a frame.
    rows
        How many rows to send; without end where it is ``None``.
    seed
        What the values are made from.
    wait_for
        How many symbols a client subscribes before it gets the first row.
    rows_per_second
        Rows a second, on a schedule that does not wait; as fast as the client reads where it is
        ``None``.
    stamp
        What ``bid_time`` and ``time_nano_part`` of a paced row say of when it was sent: "none",
        "wall" (since 1970) or "monotonic" (:func:`time.monotonic_ns`).
    """

    symbols: int = 1_000
    rows_per_frame: int = 50
    rows: int | None = None
    seed: int = 1
    wait_for: int = 1
    rows_per_second: int | None = None
    stamp: str = "none"


@dataclass(frozen=True, slots=True)
class Tape:
    """Recorded events, merged by time from files whose names say what they hold.

    Attributes
    ----------
    paths
        ``*.jsonl`` and ``*.jsonl.gz`` with a decoded QD record a line;
        ``<symbol>_<yyyymmdd>_quote.zip`` and ``..._trade.zip`` with the ticks of a day; ``*.csv``
        and ``*.csv.gz`` with a text tape.
    speed
        How many times as fast as it was recorded to play it: 1.0 is real time, and ``None`` is full
        speed.
    """

    paths: tuple[str | PathLike[str], ...]
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class TapeContents:
    """What a tape holds.

    Attributes
    ----------
    symbols
        The symbols of its events, in the order in which the files name them.
    events
        How many events it has, by the name of their type.
    start
        Time of the first event, ms since 1970 UTC; ``None`` for a tape without events.
    seconds
        Seconds from the first event to the last, as it was recorded.
    """

    symbols: tuple[str, ...]
    events: dict[str, int]
    start: int | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the exchange speaks.

    Attributes
    ----------
    tls
        Whether to speak TLS, with a certificate made for this run; see :attr:`Exchange.ca_pem`.
    certificate
        What the certificate is like: "valid", "expired", or that of an "other host".
    tokens
        Whom to let in, besides those with a quote token that the exchange's accounts issued;
        everybody, without a token, where it is ``None``.
    start
        When the source begins: "at once", "on subscription" or "on play".
    lossless
        Whether the source waits for clients that read slowly, so that each gets every event.
    strict_fields
        Whether to serve only the field names of the specification.
    max_subscriptions
        Most subscriptions of a connection, counted by type, symbol and source.
    subscription_rate
        Most subscriptions at once and a second; without bound where it is ``None``.
    keepalive_timeout
        Seconds for which the exchange may be silent, as it tells clients.
    received_limit
        How many of the clients' messages to keep; tokens are among them.
    """

    tls: bool = False
    certificate: str = "valid"
    tokens: tuple[str, ...] | None = field(default=None, repr=False)
    start: str = "at once"
    lossless: bool = False
    strict_fields: bool = False
    max_subscriptions: int = 25_000
    subscription_rate: tuple[int, int] | None = None
    keepalive_timeout: float = 60.0
    received_limit: int = 0


@dataclass(frozen=True, slots=True)
class ExchangeStats:
    """What an exchange has done.

    Attributes
    ----------
    connections
        Clients that are connected now.
    accepted
        Clients that were ever connected.
    subscriptions
        Subscriptions of the clients that are connected, counted by type, symbol and source.
    frames
        Messages put out to clients.
    errors
        ERROR messages among them.
    slow_clients
        Clients disconnected because they did not read.
    events
        Events put out, by the name of their type, each counted once a client.
    attempts
        Connections that ever came in, whether or not they got as far as the WebSocket.
    faults
        How often each fault has happened, in the order in which they were set.
    """

    connections: int
    accepted: int
    subscriptions: int
    frames: int
    errors: int
    slow_clients: int
    events: dict[str, int]
    attempts: int
    faults: tuple[int, ...]


class Exchange(AccountSide):
    """A DXLink server on the loopback interface; it runs from when it is made until it is stopped.

    Parameters
    ----------
    source
        Where events come from besides :meth:`publish`: a :class:`Market`, a :class:`Tape`, a
        :class:`Blast`, or ``None``.
    port
        Where to listen; 0 lets the system choose.
    rules
        How it speaks.
    faults
        What goes wrong on purpose; see :mod:`dxstream.faults`. A :class:`Blast` has none.
    accounts
        The accounts to serve beside the market, on a port of their own; see :attr:`api_url`.

    Raises
    ------
    ValueError
        If a setting makes no sense, or a tape has a line that cannot be read.
    OSError
        If the port is taken, or a file cannot be read.

    Examples
    --------
    >>> from dxstream import DXLinkStreamer
    >>> from dxstream.dxfeed import Quote
    >>> from dxstream.exchange import Exchange
    >>> with Exchange() as exchange, DXLinkStreamer(exchange.url) as streamer:
    ...     events, missing = streamer.collect(Quote, ["AAPL", "NONE"], timeout=0.2).result()
    >>> sorted(events), missing
    (['AAPL'], ['NONE'])
    """

    def __init__(
        self,
        source: Market | Blast | Tape | None = Market(),
        *,
        port: int = 0,
        rules: Rules = Rules(),
        faults: Sequence[Fault] = (),
        accounts: Accounts | None = None,
    ) -> None:
        self._native = _dxstream.Exchange(
            port,
            rules,
            faults,
            market=source if isinstance(source, Market) else None,
            blast=source if isinstance(source, Blast) else None,
            tape=source if isinstance(source, Tape) else None,
            accounts=accounts,
        )
        self._account_side = _dxstream.ExchangeAccounts(self._native)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Start the exchange that a URL like ``sim://?seed=7`` describes, with one account.

        Raises
        ------
        ValueError
            If the URL names a setting that neither :class:`Market` nor the orders of an account
            have, or a value that is none.
        """
        parts = urlsplit(url)
        settings: dict[str, int | float] = {}
        known = {of.name for of in fields(Market)} - {"symbols", "prices"} | {"orders_per_minute"}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name not in known:
                msg = f"sim:// has no setting {name!r}; it has {', '.join(sorted(known))}"
                raise ValueError(msg)
            try:
                settings[name] = float(value) if "_per_" in name else int(value)
            except ValueError:
                msg = f"the setting {name} of sim:// must be a number, not {value!r}"
                raise ValueError(msg) from None
        if parts.netloc or parts.path.strip("/"):
            msg = "sim:// takes only settings, as in sim://?seed=7"
            raise ValueError(msg)
        accounts = Accounts(seed=int(settings.get("seed", 1)))
        if "orders_per_minute" in settings:
            accounts = replace(accounts, orders_per_minute=settings.pop("orders_per_minute"))
        return cls(Market(**settings), accounts=accounts)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return self._native.url

    @property
    def port(self) -> int:
        """The port that the exchange listens on."""
        return self._native.port

    @property
    def ca_pem(self) -> str | None:
        """The certificate authority that clients have to trust, in PEM; ``None`` without TLS."""
        return self._native.ca_pem

    @property
    def tape(self) -> TapeContents | None:
        """What the tape holds that the exchange plays; ``None`` where it plays none."""
        contents = self._native.tape()
        return None if contents is None else TapeContents(*contents)

    def options(self, symbol: str) -> list[str]:
        """Return the symbols of the options of an underlying of the market.

        They are in order of expiry and strike, for each strike the call, then the put; there are
        none of a symbol that the market does not have.
        """
        return self._native.options(symbol)

    def publish(self, *events: Event) -> None:
        """Send events to every subscriber; they become the last of their symbols, and history."""
        self._native.publish(events)

    def set_depth(
        self,
        symbol: str,
        bids: Sequence[tuple[float, float]],
        asks: Sequence[tuple[float, float]],
        *,
        time: int | None = None,
    ) -> None:
        """Set the order book that the DOM service shows for a symbol, in place of the source's.

        Parameters
        ----------
        symbol
            The symbol, as clients name it.
        bids
            Price and size of each bid level, in descending price.
        asks
            Price and size of each ask level, in ascending price.
        time
            Time of the book, ms since 1970 UTC; now, unless it is given.
        """
        self._native.set_depth(symbol, bids, asks, _now() if time is None else time)

    def play(self) -> None:
        """Begin the time of a source that waits for it."""
        self._native.play()

    def send_raw(self, text: str) -> None:
        """Send a text message to every client, as it is."""
        self._native.send_raw(text)

    def close_connections(self, code: int = 1000, reason: str = "") -> None:
        """Close every connection; new ones may come."""
        self._native.close_connections(code, reason)

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Replace the faults, for the connections that are open too; they are counted anew.

        Raises
        ------
        ValueError
            If a fault cannot happen; the faults are then those that they were.
        """
        self._native.set_faults(faults)

    def received(self) -> list[str]:
        """Return the clients' last messages, oldest first, as many as the rules keep."""
        return self._native.received()

    def stats(self) -> ExchangeStats:
        """Count what the exchange has done."""
        counts, events, faults = self._native.stats()
        return ExchangeStats(**counts, events=events, faults=faults)

    def stop(self) -> None:
        """Close every connection and stop listening."""
        self._native.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # In a fork's child there is nothing to stop.
        with suppress(RuntimeError):
            self.stop()

    def __repr__(self) -> str:
        """Show where clients connect to."""
        return f"<Exchange at {self.url}>"
