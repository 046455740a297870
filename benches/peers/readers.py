"""What hand-written programs do with quotes: make objects, keep the last, fill columns."""

import time
from collections.abc import Callable
from itertools import starmap
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from benches.peers.feed import Counted, Decode, Prices
from benches.peers.quotes import FIELDS, NUMBERS


class Objects(Counted):
    """Makes an object of each row, and reads bid and ask of it."""

    def __init__(
        self, decode: Decode, symbols: list[str], count: int, make: Callable[..., Any]
    ) -> None:
        super().__init__(decode, symbols, count)
        self.make = make
        self.total: float = 0.0
        self.tail: list[Any] = []
        self.in_order = False
        self.pick: Callable[[list[Any]], tuple[Any, ...]] = tuple

    def configure(self, fields: list[str]) -> None:
        """Find out whether fields come in the order of the class."""
        super().configure(fields)
        places = [self.positions[field] for field in FIELDS]
        self.in_order = places == list(range(self.width))
        self.pick = itemgetter(*places)

    def objects(self, values: list[Any]) -> list[Any]:
        """Make the objects of the rows."""
        width = self.width
        if not self.in_order:
            rows = (self.pick(values[at : at + width]) for at in range(0, len(values), width))
            return list(starmap(self.make, rows))
        if len(values) == width:
            return [self.make(*values)]
        make = self.make
        return [make(*values[at : at + width]) for at in range(0, len(values), width)]

    def read(self, quotes: list[Any]) -> None:
        """Read bid and ask."""
        total = self.total
        for quote in quotes:
            total += quote.bid_price + quote.ask_price
        self.total = total

    def rows(self, values: list[Any]) -> None:
        """Make objects and read them."""
        quotes = self.objects(values)
        self.read(quotes)
        if not self.first:
            self.begin(len(quotes))
        self.left -= len(quotes)
        if self.left <= len(self.symbols):
            self.tail += quotes
            if not self.left:
                self.end()

    def latest(self) -> Prices:
        """Return the last prices of each symbol."""
        return {of.event_symbol: (of.bid_price, of.ask_price) for of in self.tail}


class Latency(Objects):
    """Notes how old each quote is when its object has been read."""

    def __init__(
        self, decode: Decode, symbols: list[str], count: int, make: Callable[..., Any]
    ) -> None:
        super().__init__(decode, symbols, count, make)
        self.ages: list[int] = []

    def read(self, quotes: list[Any]) -> None:
        """Read bid and ask, and compare the quote's time with now."""
        now, ages, total = time.monotonic_ns, self.ages, self.total
        for quote in quotes:
            total += quote.bid_price + quote.ask_price
            ages.append(now() - quote.bid_time * 1_000_000 - quote.time_nano_part)
        self.total = total


class Store(Counted):
    """Keeps the last row of each symbol in one dict; makes columns of them when asked."""

    def __init__(self, decode: Decode, symbols: list[str], count: int) -> None:
        super().__init__(decode, symbols, count)
        self.last: dict[str, list[Any]] = {}

    def rows(self, values: list[Any]) -> None:
        """Keep the rows."""
        width, symbol, last = self.width, self.positions["eventSymbol"], self.last
        for at in range(0, len(values), width):
            last[values[at + symbol]] = values[at : at + width]
        rows = len(values) // width
        if not self.first:
            self.begin(rows)
        self.left -= rows
        if not self.left:
            self.snapshot()
            self.end()

    def snapshot(self) -> dict[str, npt.NDArray[np.float64]]:
        """Make a column of each field that is a number."""
        columns = list(zip(*self.last.values(), strict=True))
        return {
            field: np.array(columns[self.positions[field]], dtype=np.float64) for field in NUMBERS
        }

    def latest(self) -> Prices:
        """Return the last prices of each symbol."""
        bid, ask = self.positions["bidPrice"], self.positions["askPrice"]
        return {symbol: (row[bid], row[ask]) for symbol, row in self.last.items()}


class Columns(Counted):
    """Collects values, and makes columns of bid and ask of them every now and then."""

    EVERY = 0.01

    def __init__(self, decode: Decode, symbols: list[str], count: int) -> None:
        super().__init__(decode, symbols, count)
        self.waiting: list[Any] = []
        self.total: float = 0.0
        self.due = 0.0
        self.tail: list[Any] = []

    def rows(self, values: list[Any]) -> None:
        """Collect the values, and make columns when it is time."""
        self.waiting += values
        rows = len(values) // self.width
        if not self.first:
            self.begin(rows)
        self.left -= rows
        if self.left <= len(self.symbols):
            self.tail += values
        if time.monotonic() >= self.due or not self.left:
            bids = np.array(self.waiting[self.positions["bidPrice"] :: self.width])
            asks = np.array(self.waiting[self.positions["askPrice"] :: self.width])
            self.total += float((bids + asks).sum())
            self.waiting.clear()
            self.due = time.monotonic() + self.EVERY
        if not self.left:
            self.end()

    def latest(self) -> Prices:
        """Return the last prices of each symbol."""
        names = ("eventSymbol", "bidPrice", "askPrice")
        columns = (self.tail[self.positions[name] :: self.width] for name in names)
        return {symbol: (bid, ask) for symbol, bid, ask in zip(*columns, strict=True)}
