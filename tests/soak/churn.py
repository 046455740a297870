"""What comes and goes while the client runs: subscriptions, listeners, histories of candles."""

import random
from collections.abc import Callable
from threading import Event, Thread

import numpy as np

from dxstream import DXLinkStreamer, EventTable, Gap, Listener
from dxstream.batches import Batches
from dxstream.dxfeed import Quote, TimeAndSale, Trade
from soak.checks import ACCOUNTED, RIGHT, TAKEN, Violations, adds_up
from soak.market import CANDLES, FIRST_BARS, MINUTE, START, TRADES, price

Some = Listener[Quote] | Listener[TimeAndSale | Gap] | Batches[TimeAndSale]

LOAD_SECONDS = 60.0
"""Most seconds for a history of candles, in which the connection may be lost more than once."""


class Churn(Thread):
    """Subscribes and unsubscribes trades, opens and closes listeners, and loads candles."""

    def __init__(self, streamer: DXLinkStreamer, violations: Violations) -> None:
        super().__init__(name="churn")
        self.subscribed: set[str] = set()
        self.loads = self.listeners = self.changes = 0
        self._streamer = streamer
        self._violations = violations
        self._draw = random.Random()
        self._over = Event()
        self._bars = [FIRST_BARS] * len(CANDLES)

    def __str__(self) -> str:
        """Say what it has done."""
        return (
            f"{self.changes:,} changes of subscriptions, {self.listeners:,} listeners, "
            f"{self.loads:,} histories of candles"
        )

    def begin(self, seed: int) -> None:
        """Begin, with draws of a seed."""
        self._draw.seed(seed)
        self.start()

    def end(self) -> None:
        """Let it be over, and wait for it."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Go on until it is over."""
        what = [self._change_subscriptions] * 6 + [self._listen] * 3 + [self._load]
        try:
            while not self._over.wait(0.1):
                self._draw.choice(what)()
        except Exception as error:
            self._violations.add("subscribing, listening and loading raise nothing", repr(error))

    def _change_subscriptions(self) -> None:
        new = set(self._draw.sample(TRADES, 20))
        old = self._draw.sample(sorted(self.subscribed), min(20, len(self.subscribed)))
        if old:
            self._streamer.unsubscribe(Trade, old)
        self._streamer.subscribe(Trade, sorted(new), 0)
        self.subscribed -= set(old)
        self.subscribed |= new
        self.changes += 1

    def _listen(self) -> None:
        """Listen for a moment, take some of what came, and stop."""
        make: dict[str, Callable[[], Some]] = {
            "every": lambda: self._streamer.listen(Quote),
            "gaps": lambda: self._streamer.listen(TimeAndSale, gaps=True),
            "latest": lambda: self._streamer.listen(Quote, policy="latest"),
            "tables": lambda: self._streamer.batches(TimeAndSale, max_rate=10),
        }
        kind = self._draw.choice(sorted(make))
        some = make[kind]()
        self._over.wait(self._draw.uniform(0, 0.2))
        taken = 0
        while taken < 100 and some.stats().pending:
            got = next(some)
            taken += len(got) if isinstance(got, EventTable) else not isinstance(got, Gap)
        stats = some.stats()
        what = f"a listener for a moment ({kind}): {stats}"
        self._violations.check(adds_up(stats), ACCOUNTED, what)
        self._violations.check(stats.delivered == taken, TAKEN, f"{taken}, {what}")
        if isinstance(some, Listener):
            some.close()
        self.listeners += 1

    def _load(self) -> None:
        """Load the candles of a symbol, all that there are."""
        symbol = self._draw.randrange(len(CANDLES))
        candles = self._streamer.candles(
            CANDLES[symbol], start_time=START, timeout=LOAD_SECONDS
        ).result()
        numbers = (candles.time - START) // MINUTE
        complete = bool((numbers == np.arange(len(candles))).all())
        complete = complete and len(candles) >= self._bars[symbol]
        self._violations.check(complete, "a history of candles is complete", numbers)
        right = candles.close == price(np.full_like(numbers, symbol), numbers) / 100
        self._violations.check(bool(right.all()), RIGHT, "candles")
        self._bars[symbol] = len(candles)
        self.loads += 1
