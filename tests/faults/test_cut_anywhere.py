"""The connection is cut at any byte of the server's stream, and what was received adds up."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pytest
from candle_bars import FIVE, candle, index
from conftest import DEADLINE, until
from healing import bid, server, stream, subscribed

from dxstream import DXLinkStreamer, Gap, Listener
from dxstream.dxfeed import Candle, Quote, TimeAndSale
from dxstream.exchange import Exchange, FaultProxy

E = TypeVar("E", bound=Any)

SEED = 20_240_607
"""Of the positions; the parameter of a test replays one batch of them."""

BATCHES = [
    pytest.param(batch, marks=[] if batch < 3 else pytest.mark.long, id=f"batch {batch}")
    for batch in range(50)
]
"""Each has 20 positions: 1,000 together."""

POSITIONS = 20

BARS = 60
SALES = 60
START = 1_767_625_200_000


def sale(number: int) -> TimeAndSale:
    at = START + number // 3
    return TimeAndSale(
        "A", time=at, index=index(at) + number % 3, price=float(number), size=1.0 + number
    )


@dataclass
class Series:
    """What came of the series in one run."""

    sent: int = 0
    bars: dict[int, float] = field(default_factory=dict)
    table: list[tuple[int, float]] = field(default_factory=list)
    sales: list[float] = field(default_factory=list)


def series(cut: int | None, connections: int = 1) -> Series:
    """Receive candles and sales, the first half as history, over a connection that is cut."""
    with server() as exchange, FaultProxy(exchange.url) as proxy:
        bars = [candle(number, number + 0.5) for number in range(BARS)]
        sales = [sale(number) for number in range(SALES)]
        exchange.publish(*bars[: BARS // 2], *sales[: SALES // 2])
        with stream(proxy) as streamer:
            if cut is not None:
                proxy.cut(cut, connections=connections)
            candles = streamer.listen(Candle)
            times = streamer.listen(TimeAndSale)
            streamer.subscribe(TimeAndSale, "A", from_time=START)
            live = streamer.candles(FIVE).result(DEADLINE).live()
            for number in range(BARS // 2, BARS):
                exchange.publish(candle(number - 1, number), bars[number])
                exchange.publish(sales[number])
            result = Series()
            result.sales = [of.price for of in _up_to(times, lambda of: of.price == SALES - 1)]
            for bar in _up_to(candles, lambda bar: bar.close == BARS - 0.5):
                result.bars[bar.index] = bar.close
            result.sent = proxy.stats().bytes_from_server
            while True:
                table = next(live)
                result.table = list(zip(table.time.tolist(), table.close.tolist(), strict=True))
                if result.table[-1][0] == bars[-1].time:
                    break
            result.sales.sort()
            return result


def _up_to(listener: Listener[E], is_last: Callable[[E], bool]) -> list[E]:
    """Take events up to the last, and what came with it: histories come newest first."""
    taken = [next(listener)]
    while not is_last(taken[-1]):
        taken.append(next(listener))
    while listener.stats().pending:
        taken.append(next(listener))
    return taken


@pytest.fixture(scope="module")
def uncut() -> Series:
    whole = series(None)
    assert whole.sales == list(range(SALES))
    assert len(whole.bars) == len(whole.table) == BARS
    return whole


@pytest.mark.parametrize("batch", BATCHES)
def test_series_that_were_cut_anywhere_are_those_that_were_not(batch: int, uncut: Series) -> None:
    draw = random.Random(SEED + batch)
    for _ in range(POSITIONS):
        cut, connections = draw.randrange(uncut.sent), draw.choice((1, 1, 2, 3))
        healed = series(cut, connections)
        at = (cut, connections)
        assert (at, healed.bars) == (at, uncut.bars)
        assert (at, healed.table) == (at, uncut.table)
        assert (at, healed.sales) == (at, uncut.sales)


SYMBOLS = ["A", "B", "C"]
QUOTES = 60
"""Quotes that are published in one run; the symbols take turns."""


@dataclass
class Quotes:
    """What came of the quotes in one run."""

    sent: int = 0
    published: list[int] = field(default_factory=list)
    """When each was about to be published, ns."""
    items: list[Quote | Gap] = field(default_factory=list)
    snapshot: list[float] = field(default_factory=list)


def quotes(cut: int | None) -> Quotes:
    """Receive quotes over a connection that is cut so many bytes after they have begun.

    Until the cut each is published when the one before it has come, so that only one is under way,
    and those that are lost are published after the last message before the loss. Then some are
    published whatever happens, and the others again one by one.
    """
    with server() as exchange, FaultProxy(exchange.url) as proxy, stream(proxy) as streamer:
        result = Quotes()
        listener = streamer.listen(Quote, gaps=True)
        streamer.subscribe(Quote, SYMBOLS, 0)
        subscribed(exchange, len(SYMBOLS))
        _publish(exchange, result)
        until(partial(_last, streamer, result))
        begun = proxy.stats().bytes_from_server
        if cut is not None:
            proxy.cut(begun + cut)
        while len(result.published) < QUOTES and not proxy.stats().cut:
            _publish(exchange, result)
            until(lambda: _last(streamer, result) or proxy.stats().cut)
        while len(result.published) < QUOTES and streamer.state != "connected":
            _publish(exchange, result)
        if proxy.stats().cut:
            until(lambda: len(streamer.gaps) >= streamer.epoch > 0)
        result.sent = proxy.stats().bytes_from_server - begun
        for _ in range(5):
            _publish(exchange, result)
            until(partial(_last, streamer, result))
        last = float(len(result.published) - 1)
        result.items = _up_to(listener, lambda of: isinstance(of, Quote) and of.bid_price == last)
        result.snapshot = streamer.snapshot(Quote, SYMBOLS).bid_price.tolist()
        return result


def _publish(exchange: Exchange, result: Quotes) -> None:
    number = len(result.published)
    result.published.append(time.monotonic_ns())
    exchange.publish(Quote(SYMBOLS[number % len(SYMBOLS)], bid_price=float(number)))


def _last(streamer: DXLinkStreamer, result: Quotes) -> bool:
    number = len(result.published) - 1
    return bid(streamer, SYMBOLS[number % len(SYMBOLS)]) == number


@pytest.fixture(scope="module")
def all_quotes() -> Quotes:
    whole = quotes(None)
    numbers = [item.bid_price for item in whole.items if isinstance(item, Quote)]
    assert numbers == list(range(len(whole.published)))
    assert len(numbers) == len(whole.items) == QUOTES + 5
    return whole


@pytest.mark.parametrize("batch", BATCHES)
def test_a_gap_covers_the_quotes_that_were_missed_and_no_others(
    batch: int, all_quotes: Quotes
) -> None:
    draw = random.Random(SEED - 1 - batch)
    cuts = [draw.randrange(all_quotes.sent) for _ in range(POSITIONS)]
    missed = [_missed(quotes(cut), cut) for cut in cuts]
    assert sum(missed) > 0


def _missed(run: Quotes, cut: int) -> int:
    """Check a run that was cut, and count the quotes that were missed."""
    last = len(run.published)
    assert (cut, sorted(run.snapshot)) == (cut, [last - 3, last - 2, last - 1])
    gaps = [item for item in run.items if isinstance(item, Gap)]
    numbers = [int(item.bid_price) for item in run.items if isinstance(item, Quote)]
    assert (cut, len(gaps)) == (cut, 1)
    gap = gaps[0]
    at = run.items.index(gap)
    before, after = numbers[:at], numbers[at:]
    # Nothing is missing before, and nothing after what the server gave again: the last of each.
    assert (cut, before) == (cut, list(range(at)))
    again, news = set(after[: len(SYMBOLS)]), after[len(SYMBOLS) :]
    assert (cut, news) == (cut, list(range(max(again) + 1, last)))
    # It begins when the last quote before it came, and ends when the first after it did.
    assert (cut, gap.received_from >= run.published[at - 1]) == (cut, True)
    assert (cut, gap.received_to <= run.published[min(max(again) + 1, last - 1)]) == (cut, True)
    missed = set(range(last)) - set(numbers)
    for number in missed:
        # What is lost never came, so its publication stands for its coming: that was later.
        assert gap.received_from <= run.published[number] <= gap.received_to, cut
    return len(missed)
