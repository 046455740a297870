"""Runs of the tastytrade SDK's own streamer."""

import time
from typing import Any, cast

import uvloop
from benches.peers.run import Found, Run
from tastytrade import DXLinkStreamer, Session
from tastytrade.dxfeed import Quote


class _Session:
    """What the SDK's streamer takes from a session."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client_kwargs = {"trust_env": False}

    async def _get(self, path: str) -> dict[str, str]:
        assert path == "/api-quote-tokens"
        return {"dxlink-url": self.url, "token": ""}


async def _stream(run: Run) -> Found:
    expected = run.expected
    async with DXLinkStreamer(cast(Session, _Session(run.url))) as streamer:
        await streamer.subscribe(Quote, expected.symbols, 0)
        quotes: Any = streamer.listen(Quote)
        first = await anext(quotes)
        began, cpu = time.perf_counter(), time.process_time()
        total = float(first.bid_price + first.ask_price)
        count, tail = 1, [first]
        async for quote in quotes:
            total += float(quote.bid_price + quote.ask_price)
            count += 1
            if count > run.rows - len(expected.symbols):
                tail.append(quote)
                if count == run.rows:
                    break
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        latest = {of.event_symbol: (float(of.bid_price), float(of.ask_price)) for of in tail}
        expected.check(count, total, latest)
        return Found.of(count - 1, seconds, used)


def measure(run: Run) -> Found:
    """Run the SDK's `async for`."""
    return uvloop.run(_stream(run))
