"""Older versions of the SDK open and use a streamer in other ways; all of them work."""

import asyncio
import ssl

import pytest
import trio
from anyio.from_thread import start_blocking_portal
from conftest import until

import dxstream
from dxstream import DXLinkStreamer, Endpoint, ReconnectPolicy
from dxstream.compat.streamer import DXLinkStreamer as SdkStreamer
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, Rules


def test_a_streamer_is_awaited_and_closed_in_either_way(exchange: Exchange) -> None:
    async def main() -> None:
        streamer = await DXLinkStreamer(exchange.url)
        assert streamer.state == "connected"
        streamer.close()
        streamer = await DXLinkStreamer.create(exchange.url)
        await streamer.subscribe(Quote, ["AAPL"])
        await streamer.cancel_channel(Quote)
        await streamer.close()
        assert streamer.state == "closed"

    asyncio.run(main())
    trio.run(main)


def test_a_blocking_portal_runs_it(exchange: Exchange) -> None:
    with start_blocking_portal() as portal:
        streamer = DXLinkStreamer(exchange.url)
        with portal.wrap_async_context_manager(streamer.__asynccontextmanager__()):
            portal.call(streamer.subscribe, Quote, ["SPY"])
            exchange.publish(Quote("SPY", bid_price=1.0))
            assert portal.call(streamer.get_event, Quote).bid_price == 1.0


def test_functions_for_reconnects_stand_where_each_version_has_them(exchange: Exchange) -> None:
    def nothing(*_: object) -> None: ...

    def something(*_: object) -> None: ...

    context = ssl.create_default_context()
    for older in [
        (("a",), nothing, ("b",), something, context),
        (("a",), nothing, context),
        (context,),
        ((), None, ("b",), something, None),
        (),
    ]:
        assert SdkStreamer(exchange.url, *older).state == "new"
    with pytest.raises(TypeError, match="no argument of a streamer"):
        SdkStreamer(exchange.url, 5)


def test_a_reconnect_calls_the_functions_with_their_arguments(exchange: Exchange) -> None:
    called: list[tuple[object, ...]] = []

    async def lost(streamer: SdkStreamer, *arguments: object) -> None:
        called.append(("lost", streamer, *arguments))

    async def again(streamer: SdkStreamer, *arguments: object) -> None:
        called.append(("again", streamer, *arguments))

    policy = ReconnectPolicy(min_delay=0.01, max_delay=0.05)
    streamer = SdkStreamer(exchange.url, (1,), lost, (2, 3), again, reconnect=policy)
    with streamer:
        exchange.close_connections(1012)
        until(lambda: len(called) == 2)
    assert called == [("lost", streamer, 1), ("again", streamer, 2, 3)]


def test_the_interval_of_the_constructor_counts_for_subscriptions_without_one(
    exchange: Exchange,
) -> None:
    with SdkStreamer(exchange.url, refresh_interval=0) as streamer:
        streamer.subscribe(Quote, "AAPL")
        until(lambda: any('"acceptAggregationPeriod":0' in text for text in exchange.received()))


def test_authorities_of_a_context_are_trusted() -> None:
    with Exchange(None, rules=Rules(tls=True)) as exchange:
        assert exchange.ca_pem is not None
        context = ssl.create_default_context(cadata=exchange.ca_pem)
        with DXLinkStreamer(exchange.url, ssl_context=context) as streamer:
            assert streamer.state == "connected"


def test_a_context_that_verifies_nothing_is_warned_of_and_not_obeyed() -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Exchange(None, rules=Rules(tls=True)) as exchange:
        with pytest.warns(UserWarning, match="dxstream does all the same"):
            streamer = DXLinkStreamer(Endpoint(exchange.url), ssl_context=context)
        with pytest.raises(dxstream.ConnectionLostError, match="not trusted"), streamer:
            pass


def test_errors_are_the_sdks_where_the_sdk_is_in_use() -> None:
    from tastytrade.utils import TastytradeError

    with pytest.raises(TastytradeError), DXLinkStreamer("ws://127.0.0.1:1/"):
        pass
    with pytest.raises(dxstream.ConnectionLostError), DXLinkStreamer("ws://127.0.0.1:1/"):
        pass
