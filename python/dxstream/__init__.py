"""A native DXLink market-data streamer: tastytrade and dxFeed quotes as typed events.

Examples
--------
>>> from dxstream import DXLinkStreamer
>>> from dxstream.dxfeed import Quote
>>> with DXLinkStreamer("sim://") as streamer:
...     events, missing = streamer.collect(Quote, ["AAPL", "SPY"]).result()
>>> sorted(events)
['AAPL', 'SPY']
"""

from typing import TYPE_CHECKING, Literal

from dxstream import dxfeed
from dxstream._dxstream import __version__
from dxstream.endpoint import Endpoint
from dxstream.errors import (
    AuthenticationError,
    ConnectionLostError,
    DXStreamError,
    ProtocolError,
    RequestRefusedError,
    SlowConsumerError,
    SlowConsumerWarning,
    StreamerClosedError,
    SubscriptionError,
)
from dxstream.healing import Gap, ReconnectPolicy, StateChange
from dxstream.health import Health, SilentSymbol
from dxstream.listener import Listener
from dxstream.stats import Latency, ListenerStats, MemoryUse, Rates, StreamerStats, TypeStats
from dxstream.streamer import DXLinkStreamer

if TYPE_CHECKING:
    from dxstream.candles import Candles
    from dxstream.session import Account, Session
    from dxstream.table import EventTable

__all__ = [
    "Account",
    "AuthenticationError",
    "Candles",
    "ConnectionLostError",
    "DXLinkStreamer",
    "DXStreamError",
    "Endpoint",
    "EventTable",
    "Gap",
    "Health",
    "Latency",
    "Listener",
    "ListenerStats",
    "MemoryUse",
    "ProtocolError",
    "Rates",
    "ReconnectPolicy",
    "RequestRefusedError",
    "Session",
    "SilentSymbol",
    "SlowConsumerError",
    "SlowConsumerWarning",
    "StateChange",
    "StreamerClosedError",
    "StreamerStats",
    "SubscriptionError",
    "TypeStats",
    "__version__",
    "dxfeed",
    "install",
    "uninstall",
]


def install(*, companions: Literal["on use", "subscribe", "off"] = "on use") -> None:
    """Let ``tastytrade`` stream by dxstream; see :func:`dxstream.compat.installation.install`."""
    from dxstream.compat import installation

    installation.install(companions=companions)


def uninstall() -> None:
    """Let ``tastytrade`` be what it was before :func:`install`."""
    from dxstream.compat import installation

    installation.uninstall()


_ON_DEMAND = {
    "Account": "dxstream.session",
    "Candles": "dxstream.candles",
    "EventTable": "dxstream.table",
    "Session": "dxstream.session",
}


def __getattr__(name: str) -> object:
    # A program that makes no table need not wait for numpy, nor one without a login for REST.
    if name in _ON_DEMAND:
        from importlib import import_module

        from dxstream.process import importing

        with importing:
            globals()[name] = found = getattr(import_module(_ON_DEMAND[name]), name)
        return found
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
