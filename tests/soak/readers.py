"""The listeners that are read, each by a thread of its own, and what each looks at."""

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from threading import Thread
from typing import Any

import numpy as np

from dxstream import DXLinkStreamer, Gap, Listener
from dxstream.batches import Batches
from dxstream.dxfeed import Event, Greeks, Quote, TimeAndSale, Trade
from soak.checks import ASCENDS, RIGHT, Counted, Jump, Jumps, Sequence, Violations
from soak.market import QUOTES, SALES, SERIES, START, TRADES, price

BUFFER = 1 << 18
"""Events that may wait for a reader: more than the exchange lets, so that none is dropped."""


def differ(came: list[int], last: list[int]) -> list[int]:
    """Return the places at which two lists of the same length differ."""
    return [at for at, (one, other) in enumerate(zip(came, last, strict=True)) if one != other]


class Reader(Thread):
    """Reads a listener to its end, and counts what it took."""

    event_type: type[Event]

    def __init__(self, name: str, listener: Counted, violations: Violations) -> None:
        super().__init__(name=name)
        self.listener = listener
        self.violations = violations
        self.taken = 0

    def run(self) -> None:
        """Read, and tell what was raised."""
        try:
            self.read()
        except Exception as error:
            self.violations.add(f"{self.name} raises nothing", repr(error))

    @abstractmethod
    def read(self) -> None:
        """Read the listener to its end."""

    def is_at_rest(self) -> bool:
        """Say whether nothing waits, and all that was delivered is counted."""
        stats = self.listener.stats()
        return not stats.pending and self.taken == stats.delivered

    @abstractmethod
    def missing(self, last: dict[str, list[int]]) -> list[int]:
        """Return the symbols of which the last events that were published did not come."""

    def reached(self, last: dict[str, list[int]]) -> bool:
        """Say whether the last events that were published came."""
        return not self.missing(last)


class SalesAndGaps(Reader):
    """Every sale as an object, and the gaps at their places between them."""

    event_type = TimeAndSale

    def __init__(self, streamer: DXLinkStreamer, violations: Violations, jumps: Jumps) -> None:
        self.sales: Listener[TimeAndSale | Gap] = streamer.listen(
            TimeAndSale, gaps=True, buffer=BUFFER
        )
        super().__init__("sales and gaps", self.sales, violations)
        self.gaps = 0
        self._jumps = jumps
        self._last = [-1] * len(SALES)
        self._gaps_at_last = [0] * len(SALES)
        # Symbol, number and time of publication of sales behind others that are missing.
        self._before_their_gap: list[tuple[int, int, int]] = []
        self._no_gap: list[tuple[int, int, int]] = []

    def read(self) -> None:
        """Look at each symbol's numbers, and whether a gap stands where one is missing."""
        last, gaps_at_last = self._last, self._gaps_at_last
        for sale in self.sales:
            if isinstance(sale, Gap):
                self.gaps += 1
                # What comes over a new connection was published after the loss.
                self._no_gap += [at for at in self._before_their_gap if at[2] < sale.received_from]
                self._before_their_gap.clear()
                self._jumps.add_gap(sale)
                continue
            self.taken += 1
            symbol, number = int(sale.bid_price), int(sale.size)
            if number != last[symbol] + 1 and last[symbol] != -1:
                if number <= last[symbol]:
                    self.violations.add(ASCENDS, f"sale {number} after {last[symbol]}")
                elif gaps_at_last[symbol] == self.gaps:
                    # It came before the rest of its type was asked for again, which ends the gap.
                    published = sale.time * 1_000_000 + sale.time_nano_part
                    self._before_their_gap.append((symbol, number, published))
            if sale.price != price(symbol, number) / 100 or sale.event_symbol != SALES[symbol]:
                self.violations.add(RIGHT, sale)
            last[symbol], gaps_at_last[symbol] = number, self.gaps

    def missing(self, last: dict[str, list[int]]) -> list[int]:
        """Return the symbols of which the last sales did not come."""
        return differ(self._last, last["sales"])

    def end(self) -> None:
        """Look whether a gap stood at each place where sales were missing."""
        places = self._no_gap + self._before_their_gap
        self.violations.check(not places, "a gap stands where sales are missing", places[:3])


class SaleTables(Reader):
    """Every sale in tables, and which are missing."""

    event_type = TimeAndSale

    def __init__(self, streamer: DXLinkStreamer, violations: Violations, jumps: Jumps) -> None:
        fields = ["bid_price", "ask_price", "price", "size", "time", "time_nano_part"]
        self.tables: Batches[TimeAndSale] = streamer.batches(
            TimeAndSale, fields=fields, buffer=BUFFER
        )
        super().__init__("tables of sales", self.tables, violations)
        # When the last sale of each symbol that came was published.
        self.published = np.zeros(len(SALES), np.int64)
        self._jumps = jumps
        self._sequence = Sequence(len(SALES), again=False)
        self._received = np.zeros(len(SALES), np.int64)

    def read(self) -> None:
        """Look at each table."""
        for table in self.tables:
            symbols, numbers = table.bid_price.astype(np.int64), table.size.astype(np.int64)
            known = self._sequence.last != -1
            differences, ascend = self._sequence.differences(symbols, numbers)
            self.violations.check(ascend, ASCENDS, self.name)
            right = table.price == price(symbols, numbers) / 100
            self.violations.check(bool(right.all()), RIGHT, self.name)
            jumped = np.flatnonzero((differences > 1) & known[symbols])
            jumps = []
            for row in jumped.tolist():
                symbol = int(symbols[row])
                earlier = np.flatnonzero(symbols[:row] == symbol)
                before = table.received_at[earlier[-1]] if len(earlier) else self._received[symbol]
                jumps.append(
                    Jump(
                        symbol=symbol,
                        missing=int(differences[row]) - 1,
                        before=int(before),
                        after=int(table.received_at[row]),
                        published=int(table.ask_price[row]) * 1000,
                    )
                )
            self._jumps.add(jumps)
            # Of equal places numpy takes the last.
            self._received[symbols] = table.received_at
            self.published[symbols] = table.time * 1_000_000 + table.time_nano_part
            self.taken += len(table)

    def missing(self, last: dict[str, list[int]]) -> list[int]:
        """Return the symbols of which the last sales did not come."""
        return differ(self._sequence.last.tolist(), last["sales"])


class Quotes(Reader):
    """Quotes as objects, of which some may be left out."""

    event_type = Quote

    def __init__(
        self, name: str, streamer: DXLinkStreamer, violations: Violations, **how: Any
    ) -> None:
        self.quotes: Listener[Quote] = streamer.listen(Quote, buffer=BUFFER, **how)
        super().__init__(name, self.quotes, violations)
        # The exchange gives the last quote again when it is asked again.
        self._sequence = Sequence(len(QUOTES), again=True)

    def read(self) -> None:
        """Look at each quote."""
        for quote in self.quotes:
            self.look(quote)

    def look(self, quote: Quote) -> None:
        """Look at a quote."""
        self.taken += 1
        symbol, number = int(quote.ask_size), int(quote.bid_size)
        if not self._sequence.step(symbol, number):
            self.violations.add(ASCENDS, quote)
        bid = price(symbol, number)
        if (quote.event_symbol, quote.bid_price, quote.ask_price) != (
            QUOTES[symbol],
            bid / 100,
            (bid + 1) / 100,
        ):
            self.violations.add(RIGHT, quote)

    def missing(self, last: dict[str, list[int]]) -> list[int]:
        """Return the symbols of which the last quotes did not come."""
        return differ(self._sequence.last.tolist(), last["quotes"])


class QuotesInAsyncio(Quotes):
    """The same in an event loop."""

    def read(self) -> None:
        """Look at each quote."""
        asyncio.run(self._read())

    async def _read(self) -> None:
        async for quote in self.quotes:
            self.look(quote)


class LatestQuotes(Reader):
    """The latest quotes in tables."""

    event_type = Quote

    def __init__(self, streamer: DXLinkStreamer, violations: Violations) -> None:
        fields = ["bid_price", "bid_size", "ask_size"]
        self.tables: Batches[Quote] = streamer.batches(
            Quote, fields=fields, policy="latest", max_wait=0.05, buffer=BUFFER
        )
        super().__init__("tables of the latest quotes", self.tables, violations)
        self._sequence = Sequence(len(QUOTES), again=True)

    def read(self) -> None:
        """Look at each table."""
        for table in self.tables:
            self.taken += len(table)
            symbols, numbers = table.ask_size.astype(np.int64), table.bid_size.astype(np.int64)
            self.violations.check(self._sequence.steps(symbols, numbers), ASCENDS, self.name)
            right = table.bid_price == price(symbols, numbers) / 100
            self.violations.check(bool(right.all()), RIGHT, self.name)

    def missing(self, last: dict[str, list[int]]) -> list[int]:
        """Return the symbols of which the last quotes did not come."""
        return differ(self._sequence.last.tolist(), last["quotes"])


class SomeTrades(Reader):
    """The trades of half of the symbols that are subscribed now and then."""

    event_type = Trade

    def __init__(self, streamer: DXLinkStreamer, violations: Violations) -> None:
        self.trades = streamer.listen(Trade, TRADES[::2], buffer=BUFFER)
        super().__init__("trades of some symbols", self.trades, violations)
        self._sequence = Sequence(len(TRADES), again=True)

    def read(self) -> None:
        """Look at each trade."""
        for trade in self.trades:
            self.taken += 1
            symbol, number = int(trade.day_volume), int(trade.size)
            self.violations.check(self._sequence.step(symbol, number), ASCENDS, trade)
            right = trade.price == price(symbol, number) / 100 and symbol % 2 == 0
            self.violations.check(right, RIGHT, trade)

    def missing(self, last: dict[str, list[int]]) -> list[int]:
        """Return those of the symbols of which the last trades did not come."""
        return differ(self._sequence.last[::2].tolist(), last["trades"][::2])


class HealedSeries(Reader):
    """Time series of which nothing is missing, whatever happens."""

    event_type = Greeks

    def __init__(self, streamer: DXLinkStreamer, violations: Violations) -> None:
        self.series = streamer.listen(Greeks, buffer=BUFFER)
        super().__init__("time series", self.series, violations)
        self._next = [0] * len(SERIES)
        # Snapshots come newest first.
        self._early: list[set[int]] = [set() for _ in SERIES]

    def read(self) -> None:
        """Look which have come."""
        for greeks in self.series:
            self.taken += 1
            symbol, number = SERIES.index(greeks.event_symbol), greeks.time - START
            if greeks.price != price(symbol, number) / 100:
                # The mark that ends a snapshot is no data and does not come.
                self.violations.add(RIGHT, greeks)
            early = self._early[symbol]
            if number < self._next[symbol] or number in early:
                # Of each history that is asked for again, the first is the last that came.
                known = greeks.snapshot_end
                self.violations.check(known, "only the last of a time series comes twice", greeks)
                continue
            early.add(number)
            while self._next[symbol] in early:
                early.remove(self._next[symbol])
                self._next[symbol] += 1

    def missing(self, last: dict[str, list[int]]) -> list[int]:
        """Return the series of which not all came, up to the last."""
        return differ([count - 1 for count in self._next], last["series"])


class States(Thread):
    """Counts how often the connection was lost and made again."""

    def __init__(self, streamer: DXLinkStreamer, violations: Violations) -> None:
        super().__init__(name="states")
        self._states = streamer.states()
        self._violations = violations
        self.lost = self.made_again = 0

    def run(self) -> None:
        """Read the changes to their end."""
        before = "connecting"
        for change in self._states:
            self.lost += before == "connected" and change.state == "reconnecting"
            self.made_again += before == "reconnecting" and change.state == "connected"
            failed = change.state == "failed"
            self._violations.check(not failed, "the streamer goes on", change.error)
            before = change.state


def other_readers(streamer: DXLinkStreamer, violations: Violations) -> list[Reader]:
    """Make the listeners that are read, besides those of sales."""
    return [
        QuotesInAsyncio("quotes in asyncio", streamer, violations),
        Quotes("quotes, 5 a second", streamer, violations, max_rate=5),
        LatestQuotes(streamer, violations),
        SomeTrades(streamer, violations),
        HealedSeries(streamer, violations),
    ]


@dataclass(frozen=True)
class Unread:
    """A listener that nobody reads."""

    name: str
    event_type: type[Event]
    listener: Counted


def unread(streamer: DXLinkStreamer) -> list[Unread]:
    """Make listeners that nobody reads, with small buffers."""
    quotes = streamer.listen(Quote, buffer=1_000)
    sales = streamer.listen(TimeAndSale, buffer=2_000, overflow="conflate")
    latest = streamer.listen(Quote, policy="latest", buffer=100)
    return [
        Unread("unread quotes", Quote, quotes),
        Unread("unread sales that conflate", TimeAndSale, sales),
        Unread("unread latest quotes", Quote, latest),
    ]
