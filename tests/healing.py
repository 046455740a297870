"""Streamers and servers for tests of what a streamer survives."""

from typing import Any

from conftest import until

from dxstream import DXLinkStreamer, Endpoint, ReconnectPolicy, StateChange
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, FaultProxy, Rules
from dxstream.faults import Fault

CANARY = "canary-7d0e41"
"""A token that is to be seen nowhere; so is one that it is a part of."""

SOON = ReconnectPolicy(min_delay=0.001, max_delay=0.01)


def server(*faults: Fault, port: int = 0, **rules: Any) -> Exchange:
    """Start an exchange that lets nobody in but who sends the canary."""
    rules = {"tokens": (CANARY,), "received_limit": 10_000, **rules}
    return Exchange(None, port=port, rules=Rules(**rules), faults=faults)


def stream(to: Exchange | FaultProxy, **settings: Any) -> DXLinkStreamer:
    """Make a streamer that sends the canary, and connects again soon."""
    return DXLinkStreamer(Endpoint(to.url, CANARY), **{"reconnect": SOON, **settings})


def reconnected(streamer: DXLinkStreamer, times: int = 1) -> None:
    """Wait until a connection was made again so many times, and everything was asked for."""
    until(lambda: streamer.epoch >= times and streamer.state == "connected")


def subscribed(exchange: Exchange, count: int = 1) -> None:
    until(lambda: exchange.stats().subscriptions == count)


def change(streamer: DXLinkStreamer, reason: str = "") -> StateChange:
    """Wait for the first loss, or attempt that failed, whose reason has a part."""
    return next(
        change
        for change in streamer.states()
        if change.state == "reconnecting" and reason in (change.reason or "")
    )


def bid(streamer: DXLinkStreamer, symbol: str = "A") -> float | None:
    quote = streamer.latest(Quote, symbol)
    return None if quote is None else quote.bid_price


def flows(
    exchange: Exchange, streamer: DXLinkStreamer, price: float = 1, symbol: str = "A"
) -> None:
    """Check that a quote that is published comes."""
    subscribed(exchange)
    exchange.publish(Quote(symbol, bid_price=price))
    until(lambda: bid(streamer, symbol) == price)
