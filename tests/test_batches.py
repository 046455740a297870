"""Batches: what arrives, as tables."""

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
from conftest import DEADLINE, NO_RECONNECT, until

from dxstream import ConnectionLostError, DXLinkStreamer, SlowConsumerWarning
from dxstream.dxfeed import Quote, Trade
from dxstream.exchange import Blast, Exchange

SYMBOLS = [f"SYM{n:04}" for n in range(1000)]


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        connected.subscribe(Quote, ["A", "B"], 0)
        until(lambda: exchange.stats().subscriptions == 2)
        yield connected


def quote(symbol: str, bid: float) -> Quote:
    return Quote(symbol, bid_price=bid, ask_price=bid + 1)


def test_tables_hold_what_arrived_in_order(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    sent = [quote("AB"[n % 2], n) for n in range(10)]
    batches = streamer.batches(Quote, max_events=4, max_wait=DEADLINE)
    exchange.publish(*sent)
    until(lambda: batches.stats().received == 10)
    first, second = next(batches), next(batches)
    assert [len(first), len(second)] == [4, 4]
    assert list(first) + list(second) == sent[:8]
    assert first.symbols == ("A", "B", "A", "B")
    assert (np.diff(first.received_at) >= 0).all()
    streamer.close()
    assert [list(table) for table in batches] == [sent[8:]]


def test_an_event_waits_no_longer_than_max_wait(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    batches = streamer.batches(Quote, "B", max_wait=0, fields=["bid_price"])
    exchange.publish(quote("A", 1), quote("B", 2))
    table = next(batches)
    assert table.bid_price.tolist() == [2]
    assert batches.stats().filtered == 1


def test_who_comes_late_for_a_batch_gets_at_once_what_has_come_since_the_last(
    exchange: Exchange, streamer: DXLinkStreamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    max_wait = 10 * DEADLINE
    batches = streamer.batches(Quote, max_events=2, max_wait=max_wait)
    # As if the first had been taken so long ago.
    late = SimpleNamespace(monotonic=lambda: time.monotonic() - max_wait)
    monkeypatch.setattr("dxstream.batches.time", late)
    exchange.publish(quote("A", 1), quote("B", 2))
    assert next(batches).bid_price.tolist() == [1, 2]
    monkeypatch.undo()
    exchange.publish(quote("A", 3))
    until(lambda: batches.stats().pending == 1)
    table = asyncio.run(asyncio.wait_for(anext(batches), DEADLINE))
    assert table.bid_price.tolist() == [3]


def test_a_day_of_quotes_comes_complete_in_columns() -> None:
    rows = 400_000

    async def main() -> None:
        with Exchange(Blast(rows=rows, wait_for=1000)) as exchange:
            async with DXLinkStreamer(exchange.url) as streamer:
                batches = streamer.batches(Quote, fields=["bid_price", "ask_price"])
                streamer.subscribe(Quote, SYMBOLS, 0)
                prices: list[npt.NDArray[np.float64]] = []
                while batches.stats().delivered < rows:
                    prices.append((await anext(batches)).bid_price)
                bids = np.concatenate(prices)
                # A blast repeats itself each 8 rounds of its symbols.
                assert (bids.reshape(-1, 8000) == bids[:8000]).all()
                stats = batches.stats()
                assert (stats.received, stats.delivered) == (rows, rows)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_cancelled_batches_lose_no_event(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    async def main() -> None:
        batches = streamer.batches(Quote, max_wait=0.05)
        exchange.publish(quote("A", 1))
        until(lambda: batches.stats().received == 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(batches), 0.005)
        exchange.publish(quote("A", 2))
        assert (await anext(batches)).bid_price[0] == 1

    asyncio.run(main())


def test_a_full_buffer_warns(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    batches = streamer.batches(Quote, buffer=2, max_wait=0)
    exchange.publish(*(quote("A", n) for n in range(5)))
    until(lambda: batches.stats().received == 5)
    with pytest.warns(SlowConsumerWarning, match="3 events were dropped"):
        assert next(batches).bid_price.tolist() == [3, 4]


def test_a_lost_connection_raises_after_the_last_events(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url, reconnect=NO_RECONNECT) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        batches = streamer.batches(Quote)
        exchange.publish(quote("A", 1))
        exchange.close_connections(1012, "restarting")
        assert next(batches).bid_price.tolist() == [1]
        with pytest.raises(ConnectionLostError, match="1012 restarting"):
            next(batches)


def test_bad_settings_are_refused_in_one_line(streamer: DXLinkStreamer) -> None:
    with pytest.raises(ValueError, match="max_events must be"):
        streamer.batches(Quote, max_events=0)
    with pytest.raises(ValueError, match="max_wait must be"):
        streamer.batches(Quote, max_wait=-1)
    with pytest.raises(KeyError, match="no field 'prize'; there are price"):
        streamer.batches(Trade, fields=["prize"])
