"""What the commands do."""

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

from dxstream import dxfeed
from dxstream.cli.follow import Tally, follow
from dxstream.cli.lines import line, price, ratio, table
from dxstream.dxfeed import Event, Greeks, Quote, Trade
from dxstream.endpoint import Endpoint
from dxstream.errors import DXStreamError
from dxstream.exchange import Exchange, Market, Rules, Tape, TapeContents
from dxstream.healing import Gap
from dxstream.streamer import DXLinkStreamer

__all__ = ["Command", "demo", "exchange", "quote", "replay"]

Command: TypeAlias = Callable[[argparse.Namespace], Coroutine[Any, Any, None]]

DEMO_EQUITIES = ("AAPL", "MSFT", "SPY")
DEMO_STRIKES = 3

# Seconds without an event after which a tape that should be over is over.
_SILENCE = 2.0
_SUBSCRIBE_SECONDS = 30.0
# A tape is asked for all that it has.
_MOST_SUBSCRIPTIONS = 1 << 24


def _say(text: str = "") -> None:
    print(text, flush=True)


def _near_the_money(options: list[str], spot: float) -> list[str]:
    """Choose the options of the first expiry whose strikes are nearest to a price."""
    parts = [(re.fullmatch(r"(\..*\d{6})[CP]([\d.]+)", symbol), symbol) for symbol in options]
    strikes = [(part[1], float(part[2]), symbol) for part, symbol in parts if part]
    first = [(strike, symbol) for expiry, strike, symbol in strikes if expiry == strikes[0][0]]
    listed = sorted({strike for strike, _ in first}, key=lambda strike: abs(strike - spot))
    nearest = listed[:DEMO_STRIKES]
    return [symbol for strike, symbol in first if strike in nearest]


def _last_values(streamer: DXLinkStreamer, symbols: list[str]) -> list[str]:
    rows = []
    for symbol in symbols:
        quote = streamer.latest(Quote, symbol)
        trade = streamer.latest(Trade, symbol)
        greeks = streamer.latest(Greeks, symbol)
        rows.append(
            (
                symbol,
                price(quote and quote.bid_price),
                price(quote and quote.ask_price),
                price(trade and trade.price),
                ratio(greeks and greeks.volatility),
                ratio(greeks and greeks.delta),
            )
        )
    return table(("symbol", "bid", "ask", "last", "iv", "delta"), rows)


async def demo(arguments: argparse.Namespace) -> None:
    """Stream equities and options of the synthetic market for some seconds."""
    tally = Tally()

    def each(event: Event) -> bool:
        tally.add(event)
        _say(line(event))
        return False

    with Exchange(Market(seed=arguments.seed)) as served:
        async with DXLinkStreamer(served.url) as streamer:
            underlying = DEMO_EQUITIES[0]
            quotes, missing = await streamer.collect(Quote, underlying)
            if missing:
                msg = "the exchange of this process gave no quote; the machine may be too busy"
                raise DXStreamError(msg)
            options = _near_the_money(served.options(underlying), quotes[underlying].mid_price)
            symbols = [*DEMO_EQUITIES, *options]
            _say(f"A synthetic market at {served.url}, for {arguments.seconds:g} s; times are UTC.")
            tally.restart()
            await follow(
                streamer,
                {Quote: symbols, Trade: DEMO_EQUITIES, Greeks: options},
                each,
                end=partial(asyncio.sleep, arguments.seconds),
            )
            _say()
            for text in (*_last_values(streamer, symbols), "", *tally.lines()):
                _say(text)


async def quote(arguments: argparse.Namespace) -> None:
    """Print events of symbols as they come."""
    tally = Tally()
    count: int | None = arguments.count

    def each(event: Event) -> bool:
        tally.add(event)
        _say(line(event))
        return count is not None and tally.events >= count

    endpoint = Endpoint(arguments.url, os.environ.get("DXSTREAM_TOKEN") or None)
    async with DXLinkStreamer(endpoint, on_gap=_say_gap) as streamer:
        end = None if arguments.seconds is None else partial(asyncio.sleep, arguments.seconds)
        await follow(streamer, dict.fromkeys(arguments.types, arguments.symbols), each, end=end)


def _say_gap(gap: Gap) -> None:
    seconds = (gap.to_time - gap.from_time) / 1000
    line = f"dxstream: events of {seconds:.1f} s are missing: {gap.reason}; connected again"
    print(line, file=sys.stderr, flush=True)


async def exchange(arguments: argparse.Namespace) -> None:
    """Serve a market or a tape until a signal comes."""
    source: Market | Tape = Market() if arguments.seed is None else Market(seed=arguments.seed)
    rules = Rules()
    if arguments.tape:
        source = Tape(tuple(arguments.tape), speed=arguments.speed)
        rules = Rules(start="on subscription")
    with Exchange(source, port=arguments.port, rules=rules) as served:
        _say(served.url)
        await asyncio.Event().wait()


def _chosen(
    tape: TapeContents, arguments: argparse.Namespace
) -> tuple[list[type[Event]], set[str]]:
    """Find the event types and symbols that are asked for, of those that the tape has."""
    names = list(tape.events)
    types = arguments.types or [getattr(dxfeed, name) for name in names]
    for of in types:
        if of.__name__ not in names:
            msg = f"the tape has no {of.__name__}; it has {', '.join(names) or 'nothing'}"
            raise ValueError(msg)
    symbols = set(arguments.symbols or tape.symbols)
    if unknown := sorted(symbols.difference(tape.symbols)):
        some = ", ".join(tape.symbols[:10])
        msg = f"the tape has no symbol {unknown[0]!r}; it has {len(tape.symbols)}, such as {some}"
        raise ValueError(msg)
    return types, symbols


async def replay(arguments: argparse.Namespace) -> None:
    """Play a tape through an exchange and print what arrives."""
    rules = Rules(lossless=True, start="on play", max_subscriptions=_MOST_SUBSCRIPTIONS)
    with Exchange(Tape(tuple(arguments.tape), speed=arguments.speed), rules=rules) as played:
        tape = played.tape
        assert tape is not None
        types, symbols = _chosen(tape, arguments)
        total = sum(tape.events[of.__name__] for of in types)
        tally = Tally()
        arrived = 0

        def each(event: Event) -> bool:
            nonlocal arrived
            arrived += 1
            if event.event_symbol in symbols:
                tally.add(event)
                if not arguments.quiet:
                    _say(line(event))
            return arrived == total

        async def begin() -> None:
            wanted = len(types) * len(tape.symbols)
            deadline = time.monotonic() + _SUBSCRIBE_SECONDS + wanted / 1000
            while played.stats().subscriptions < wanted:
                if time.monotonic() > deadline:
                    msg = "the exchange did not take every subscription; ask for fewer types"
                    raise DXStreamError(msg)
                await asyncio.sleep(0.005)
            tally.restart()
            played.play()

        async def silence() -> None:
            await asyncio.sleep(tape.seconds / arguments.speed if arguments.speed else 0)
            before = -1
            while before != arrived:
                before = arrived
                await asyncio.sleep(_SILENCE)

        if total:
            async with DXLinkStreamer(played.url) as streamer:
                await follow(
                    streamer,
                    dict.fromkeys(types, tape.symbols),
                    each,
                    refresh_interval=0,
                    buffer=total,
                    begin=begin,
                    end=silence,
                )
        for text in tally.lines():
            _say(text)
        if arrived < total:
            msg = f"{total - arrived:,} of the tape's {total:,} events did not arrive"
            raise DXStreamError(msg)
