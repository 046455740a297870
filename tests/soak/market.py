"""What the exchange publishes, in a way that each event can be checked by itself.

Each event carries the number of its symbol and its number among the events of that symbol, and its
price follows from both.
"""

import itertools
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dxstream.dxfeed import Candle, Event, Greeks, Quote, TimeAndSale, Trade

SALES = tuple(f"SALE{number:03}" for number in range(600))
QUOTES = tuple(f"QUOTE{number:03}" for number in range(600))
TRADES = tuple(f"TRADE{number:02}" for number in range(100))
SERIES = tuple(f"SERIES{number}" for number in range(4))
CANDLES = ("BAR0{=m,tho=true}", "BAR1{=m,tho=true}")

START = 1_767_625_200_000
"""When the series and the candles begin, ms since 1970 UTC."""

MINUTE = 60_000
FIRST_BARS = 300
"""Candles that are published before the client comes."""

EVENTS_PER_TRADE = 50
"""One event of so many is a trade; the others are sales and quotes by turns."""

SERIES_PER_SECOND = 25
BARS_PER_SECOND = 0.5

Numbers = TypeVar("Numbers", int, npt.NDArray[np.int64])


def price(symbol: Numbers, number: Numbers) -> Numbers:
    """Return the price of an event in cents, given the numbers of its symbol and of itself."""
    return 10_000 + (symbol * 7_919 + number * 104_729) % 1_000_003


def index(time: int) -> int:
    """Return the index of the event of a time series at a time in ms."""
    return (time // 1000) << 32 | (time % 1000) << 22


class Publisher:
    """Makes the events, in order, and remembers how far each symbol is."""

    def __init__(self) -> None:
        self.sales = [0] * len(SALES)
        self.quotes = [0] * len(QUOTES)
        self.trades = [0] * len(TRADES)
        self.series = [0] * len(SERIES)
        self.bars = [0] * len(CANDLES)
        self._sold_at = [0] * len(SALES)
        self._sold = itertools.cycle(range(len(SALES)))
        self._quoted = itertools.cycle(range(len(QUOTES)))
        self.made = 0
        self._since = 0.0

    def first(self) -> list[Event]:
        """Make what there is before the client comes.

        A server says nothing of a series of which it has no event, so that a client does not know
        whether it has had its history, and asks for all of it again.
        """
        bars = [self._bar(symbol) for symbol in range(len(CANDLES)) for _ in range(FIRST_BARS)]
        return [*map(self._greeks, range(len(SERIES))), *bars]

    def events(self, count: int, seconds: float, now: int) -> list[Event]:
        """Make so many events, and those of series of so many seconds; `now` is monotonic ns."""
        made: list[Event] = []
        for turn in range(self.made, self.made + count):
            if turn % EVENTS_PER_TRADE == 0:
                made.append(self._trade(turn // EVENTS_PER_TRADE % len(TRADES)))
            elif turn % 2:
                made.append(self._sale(next(self._sold), now))
            else:
                made.append(self._quote(next(self._quoted), now))
        self.made += count
        before, self._since = self._since, self._since + seconds
        for _ in range(int(before * SERIES_PER_SECOND), int(self._since * SERIES_PER_SECOND)):
            made += map(self._greeks, range(len(SERIES)))
        for _ in range(int(before * BARS_PER_SECOND), int(self._since * BARS_PER_SECOND)):
            made += map(self._bar, range(len(CANDLES)))
        return made

    def last(self) -> dict[str, list[int]]:
        """Return the number of the last event of each symbol, or -1, by the list of symbols."""
        made = {
            "sales": self.sales,
            "quotes": self.quotes,
            "trades": self.trades,
            "series": self.series,
            "bars": self.bars,
        }
        return {name: [count - 1 for count in counts] for name, counts in made.items()}

    def _sale(self, symbol: int, now: int) -> TimeAndSale:
        number = self.sales[symbol]
        self.sales[symbol] += 1
        before, self._sold_at[symbol] = self._sold_at[symbol], now
        time, nanos = divmod(now, 1_000_000)
        return TimeAndSale(
            SALES[symbol],
            time=time,
            time_nano_part=nanos,
            # The exchange keeps a sale of each index, and not all that there ever were.
            index=1 + number % 64,
            price=price(symbol, number) / 100,
            size=number,
            bid_price=symbol,
            # When the one before was published, in microseconds: it may be missing.
            ask_price=before // 1000,
        )

    def _quote(self, symbol: int, now: int) -> Quote:
        number = self.quotes[symbol]
        self.quotes[symbol] += 1
        bid = price(symbol, number)
        return Quote(
            QUOTES[symbol],
            bid_time=now // 1_000_000,
            bid_price=bid / 100,
            bid_size=number,
            ask_price=(bid + 1) / 100,
            ask_size=symbol,
        )

    def _trade(self, symbol: int) -> Trade:
        number = self.trades[symbol]
        self.trades[symbol] += 1
        return Trade(
            TRADES[symbol], price=price(symbol, number) / 100, size=number, day_volume=symbol
        )

    def _greeks(self, symbol: int) -> Greeks:
        number = self.series[symbol]
        self.series[symbol] += 1
        time = START + number
        return Greeks(
            SERIES[symbol], index=index(time), time=time, price=price(symbol, number) / 100
        )

    def _bar(self, symbol: int) -> Candle:
        number = self.bars[symbol]
        self.bars[symbol] += 1
        time = START + number * MINUTE
        return Candle(
            CANDLES[symbol], index=index(time), time=time, close=price(symbol, number) / 100
        )
