"""The streamer that is soaked, and what is looked at while it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from dxstream import DXLinkStreamer, EventTable
from dxstream.dxfeed import Greeks, Quote, TimeAndSale, Trade
from dxstream.stats import MemoryUse, StreamerStats
from soak.checks import (
    ACCOUNTED,
    ASCENDS,
    RIGHT,
    TAKEN,
    Jumps,
    Sequence,
    Violations,
    adds_up,
    until,
)
from soak.churn import Churn
from soak.footprint import Trend
from soak.market import QUOTES, SALES, SERIES, START, TRADES, price
from soak.peer import Peer
from soak.readers import Reader, SalesAndGaps, SaleTables, States, Unread, other_readers, unread

LOOK = 0.1
"""Seconds between two looks."""

REST = 30.0
"""Most seconds to come to rest."""


@dataclass
class Result:
    """What a run came to."""

    seconds: float = 0.0
    events: int = 0
    published: int = 0
    published_in: float = 0.0
    looks: int = 0
    lost: int = 0
    missing: int = 0
    most_memory: int = 0
    stats: StreamerStats | None = None
    memory: MemoryUse | None = None
    churned: str = ""
    trend: Trend = field(default_factory=Trend)


class Client:
    """A streamer that is connected, its readers, and who looks at them."""

    def __init__(
        self,
        peer: Peer,
        violations: Violations,
        streamer: DXLinkStreamer,
        gaps: list[tuple[int, bool]],
    ) -> None:
        self.result = Result()
        self._peer = peer
        self._check = violations.check
        self._streamer = streamer
        # Of each gap that was told, its epoch and whether it is one of sales.
        self._gaps = gaps
        self._jumps = Jumps(violations)
        self._sales = SalesAndGaps(streamer, violations, self._jumps)
        self._tables = SaleTables(streamer, violations, self._jumps)
        others = other_readers(streamer, violations)
        self._readers: list[Reader] = [self._sales, self._tables, *others]
        self._listeners: list[Reader | Unread] = [*self._readers, *unread(streamer)]
        self._states = States(streamer, violations)
        self._churn = Churn(streamer, violations)
        self._seen = Sequence(len(SALES), again=True), Sequence(len(QUOTES), again=True)
        self._rest_by = 0.0
        self._snapshots: tuple[EventTable[TimeAndSale], EventTable[Quote]] | None = None

    def start(self, seed: int) -> None:
        """Subscribe, read, and let things go wrong once sales of every symbol have come."""
        for thread in (*self._readers, self._states):
            thread.start()
        self._streamer.subscribe(TimeAndSale, SALES, 0)
        self._streamer.subscribe(Quote, QUOTES, 0)
        self._streamer.subscribe(Greeks, SERIES, 0, from_time=START)
        came = until(lambda: bool(self._streamer.snapshot(TimeAndSale).valid.all()), REST)
        self._check(came, "sales of every symbol come", f"not within {REST:.0f} s")
        self._churn.begin(seed)
        self._peer.say("faults")

    def look_for(self, seconds: float) -> None:
        """Look ten times a second, for so long."""
        began, events = time.monotonic(), self._streamer.stats().events
        closer = began
        while (now := time.monotonic()) < began + seconds:
            self._look()
            if now >= closer:
                closer += 1.0
                self._look_closer()
            time.sleep(max(0.0, now + LOOK - time.monotonic()))
        self.result.seconds = time.monotonic() - began
        self.result.events = self._streamer.stats().events - events

    def _look(self) -> None:
        for of in self._listeners:
            stats = of.listener.stats()
            self._check(adds_up(stats), ACCOUNTED, f"{of.name}: {stats}")
        waiting = max(reader.listener.stats().pending for reader in self._readers)
        self._peer.say("seen", int(self._tables.published.max()), waiting)
        if self._snapshots is None:
            self._snapshots = self._streamer.snapshot(TimeAndSale), self._streamer.snapshot(Quote)
        sales, quotes = self._snapshots
        self._streamer.snapshot(TimeAndSale, out=sales)
        self._streamer.snapshot(Quote, out=quotes)
        for seen, table, numbers, prices in (
            (self._seen[0], sales, sales.size, sales.price),
            (self._seen[1], quotes, quotes.bid_size, quotes.bid_price),
        ):
            symbols = np.flatnonzero(table.valid)
            came = numbers[symbols].astype(np.int64)
            self._check(seen.steps(symbols, came), ASCENDS, "a snapshot")
            right = prices[symbols] == price(symbols, came) / 100
            self._check(bool(right.all()), RIGHT, "a snapshot")
        self.result.looks += 1

    def _look_closer(self) -> None:
        self.result.trend.take()
        self._jumps.explain()
        memory = self._streamer.memory()
        self.result.most_memory = max(self.result.most_memory, memory.allocated)
        within = memory.allocated <= memory.bound
        self._check(within, "memory() is within its bound", memory)
        sales = self._streamer.history(TimeAndSale, SALES[0], fields=["price", "size"])
        numbers = sales.size.astype(np.int64)
        right = sales.price == price(np.zeros_like(numbers), numbers) / 100
        self._check(bool(right.all()), RIGHT, "a history")
        self._check(bool((np.diff(numbers) > 0).all()), ASCENDS, "a history")

    def come_to_rest(self) -> None:
        """Let nothing go wrong any more, then nothing be published, and look at what there is."""
        self._rest_by = time.monotonic() + REST
        calm: int = self._peer.ask("calm", answer="calm", seconds=self._left())
        self._churn.end()
        self._streamer.subscribe(Trade, TRADES, 0)

        def is_back() -> bool:
            # Of each symbol: those that are asked for last are back last.
            self._look()
            return int(self._tables.published.min()) > calm

        self._check(self._until(is_back), "the client is back in the end", "it is not")
        last = self._peer.ask("finish", answer="last", seconds=self._left())
        published = self._peer.wait_for("published", self._left())
        self.result.published, self.result.published_in = published
        for reader in self._readers:
            came = self._until(partial(reader.reached, last))
            what = f"{reader.name}: not of {reader.missing(last)}"
            self._check(came, "the last events come to each reader", what)
        self._look_at_accounts()
        self._look_at_latest(last)
        self._look_at_gaps()
        self._look_at_subscriptions()
        self.result.stats = self._streamer.stats()
        self.result.memory = self._streamer.memory()
        self.result.churned = str(self._churn)

    def _look_at_accounts(self) -> None:
        by_type = self._streamer.stats().by_type
        for reader in self._readers:
            self._until(reader.is_at_rest)
            stats = reader.listener.stats()
            counts = f"{reader.name}: {reader.taken} taken, {stats}"
            self._check(reader.is_at_rest(), TAKEN, counts)
            self._check(not stats.dropped, "a listener that is read drops nothing", counts)
        for of in self._listeners:
            stats, events = of.listener.stats(), by_type[of.event_type.__name__].events
            counts = f"{of.name}: {stats}; {events} events"
            self._check(adds_up(stats), ACCOUNTED, counts)
            self._check(stats.received == events, "a listener receives every event", counts)

    def _look_at_latest(self, last: dict[str, list[int]]) -> None:
        def latest() -> dict[str, list[float]]:
            return {
                "sales": self._streamer.snapshot(TimeAndSale, SALES).size.tolist(),
                "quotes": self._streamer.snapshot(Quote, QUOTES).bid_size.tolist(),
                "trades": self._streamer.snapshot(Trade, TRADES).size.tolist(),
            }

        self._until(lambda: all(of == last[name] for name, of in latest().items()))
        for name, numbers in latest().items():
            same = numbers == last[name]
            self._check(same, "the latest events are the last that were published", name)

    def _look_at_gaps(self) -> None:
        self._jumps.explain(at_last=True)
        self._sales.end()
        stats = self._streamer.stats()

        def losses() -> dict[str, int]:
            return {
                "lost": self._states.lost,
                "connected again": self._states.made_again,
                "reconnects": self._streamer.stats().reconnects,
                "epoch": self._streamer.epoch,
                "epochs with a gap": len({epoch for epoch, _ in self._gaps} - {0}),
            }

        def gaps() -> dict[str, int]:
            return {
                "stats().gaps": self._streamer.stats().gaps,
                "on_gap": len(self._gaps),
                "among sales": self._sales.gaps + sum(not of_sales for _, of_sales in self._gaps),
            }

        for counts in (losses, gaps):
            self._check(
                self._until(partial(agree, counts)),
                "each loss has a gap, which is told everywhere",
                counts(),
            )
        unread = stats.rejected_rows + stats.rejected_blocks
        self._check(not unread, "every row can be read", stats)
        self.result.lost, self.result.missing = self._states.lost, self._jumps.missing

    def _look_at_subscriptions(self) -> None:
        wanted = self._streamer.stats().subscriptions

        def subscribed() -> int:
            count: int = self._peer.ask("count", answer="subscriptions", seconds=self._left())
            return count

        same = self._until(lambda: subscribed() == wanted)
        what = f"{subscribed()} there, {wanted} here"
        self._check(same, "the exchange has the subscriptions that are wanted", what)

    def _left(self) -> float:
        return max(1.0, self._rest_by - time.monotonic())

    def _until(self, condition: Callable[[], bool]) -> bool:
        return until(condition, self._left())

    def end(self) -> None:
        """Wait for the readers of a streamer that was closed."""
        for thread in (*self._readers, self._states):
            thread.join(REST)
            self._check(not thread.is_alive(), "reading ends with the streamer", thread.name)


def agree(counts: Callable[[], dict[str, int]]) -> bool:
    """Say whether all counts are the same."""
    return len(set(counts().values())) == 1
