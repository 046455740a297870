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

from dxstream import dxfeed
from dxstream._dxstream import __version__
from dxstream.endpoint import Endpoint
from dxstream.errors import (
    AuthenticationError,
    ConnectionLostError,
    DXStreamError,
    ProtocolError,
    SlowConsumerError,
    SlowConsumerWarning,
    StreamerClosedError,
    SubscriptionError,
)
from dxstream.listener import Listener
from dxstream.stats import ListenerStats, StreamerStats
from dxstream.streamer import DXLinkStreamer

__all__ = [
    "AuthenticationError",
    "ConnectionLostError",
    "DXLinkStreamer",
    "DXStreamError",
    "Endpoint",
    "Listener",
    "ListenerStats",
    "ProtocolError",
    "SlowConsumerError",
    "SlowConsumerWarning",
    "StreamerClosedError",
    "StreamerStats",
    "SubscriptionError",
    "__version__",
    "dxfeed",
]
