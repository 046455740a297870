"""DXLink as somebody who knows Python well writes it by hand: the handshake, and reading quotes.

Nothing is validated that the server is trusted to send rightly: a program that is written to be
fast against one server does not. What is read is a frame's JSON; which decoder does it is the
caller's choice.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from benches.peers.quotes import FIELDS

SETUP = (
    '{"type":"SETUP","channel":0,"version":"0.1-peer/1","keepaliveTimeout":60,'
    '"acceptKeepaliveTimeout":60}'
)
OPEN = '{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{"contract":"AUTO"}}'

Decode = Callable[[bytes], Any]

Prices = dict[str, tuple[float, float]]
"""Bid and ask by symbol."""


class Feed(ABC):
    """A connection's protocol: text in, text out, and the rows of quotes to `read`.

    Parameters
    ----------
    decode
        What makes Python values of JSON.
    symbols
        The symbols to subscribe.
    """

    def __init__(self, decode: Decode, symbols: list[str]) -> None:
        self.decode = decode
        self.symbols = symbols
        self.width = 0
        self.positions: dict[str, int] = {}

    def replies(self, message: dict[str, Any]) -> list[str]:
        """Answer a message that is no data."""
        match message:
            case {"type": "AUTH_STATE", "state": "UNAUTHORIZED"}:
                return ['{"type":"AUTH","channel":0,"token":""}']
            case {"type": "AUTH_STATE", "state": "AUTHORIZED"}:
                return [OPEN]
            case {"type": "CHANNEL_OPENED"}:
                return [
                    json.dumps(
                        {
                            "type": "FEED_SETUP",
                            "channel": 1,
                            "acceptAggregationPeriod": 0,
                            "acceptDataFormat": "COMPACT",
                            "acceptEventFields": {"Quote": list(FIELDS)},
                        }
                    ),
                    json.dumps(
                        {
                            "type": "FEED_SUBSCRIPTION",
                            "channel": 1,
                            "add": [{"type": "Quote", "symbol": symbol} for symbol in self.symbols],
                        }
                    ),
                ]
            case {"type": "FEED_CONFIG", "eventFields": {"Quote": fields}}:
                self.configure(fields)
            case {"type": "ERROR"}:
                msg = f"the exchange says {message}"
                raise ValueError(msg)
        return []

    def configure(self, fields: list[str]) -> None:
        """Take note of the positions of fields."""
        self.width = len(fields)
        self.positions = {field: at for at, field in enumerate(fields)}

    def frame(self, payload: bytes) -> list[str] | None:
        """Take a text message in, and return what to answer."""
        message = self.decode(payload)
        if message["type"] != "FEED_DATA":
            return self.replies(message)
        self.rows(message["data"][1])
        return None

    @abstractmethod
    def rows(self, values: list[Any]) -> None:
        """Read the rows of a message, one after the other in a list."""


class Counted(Feed):
    """Counts rows, and measures from the first frame to the last."""

    total: float | None = None
    """The sum of bid and ask over all rows, if they are read."""

    def __init__(self, decode: Decode, symbols: list[str], count: int) -> None:
        super().__init__(decode, symbols)
        self.left = count
        self.first = 0
        self.began = self.cpu = 0.0
        self.seconds = self.cpu_seconds = 0.0

    def begin(self, rows: int) -> None:
        """Note the first rows."""
        self.first = rows
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """Note that all rows have been read."""
        self.seconds = time.perf_counter() - self.began
        self.cpu_seconds = time.process_time() - self.cpu

    @abstractmethod
    def latest(self) -> Prices:
        """Return the last prices of each symbol."""
