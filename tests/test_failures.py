"""Bad input and bad servers: one typed error in one clear line, and nothing left running."""

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import DEADLINE, NO_RECONNECT, io_threads, until

from dxstream import (
    AuthenticationError,
    ConnectionLostError,
    DXLinkStreamer,
    DXStreamError,
    Endpoint,
    ProtocolError,
    StreamerClosedError,
)
from dxstream.dxfeed import Candle, Event, Quote, Trade
from dxstream.exchange import Exchange, Market, Rules


@pytest.fixture
def streamer(exchange: Exchange) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(exchange.url) as connected:
        yield connected


def fails_to_connect(session: Any, error: type[BaseException], match: str) -> None:
    """Check that no way of entering connects, and that nothing is left."""
    streamers = [DXLinkStreamer(session, connect_timeout=5) for _ in range(2)]

    async def enter() -> None:
        async with streamers[0]:
            pass

    with pytest.raises(error, match=match) as raised:
        asyncio.run(enter())
    assert "\n" not in str(raised.value)
    with pytest.raises(error, match=match), streamers[1]:
        pass
    assert [streamer.state for streamer in streamers] == ["closed", "closed"]
    del raised
    gc.collect()
    until(lambda: io_threads() == 0)


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("ws://example.com/feed", "loopback"),
        ("https://example.com", "wss://"),
        ("nonsense", "wss://"),
        ("wss://", "URL"),
        ("wss://user:secret@example.com", "names a user"),
        ("wss://example.com:70000/", "port"),
        ("sim://?sed=1", "no setting 'sed'"),
        ("sim://?seed=x", "must be a number"),
        ("sim://somewhere", "only settings"),
    ],
)
def test_a_bad_url_is_a_value_error(url: str, match: str) -> None:
    fails_to_connect(url, ValueError, match)


@pytest.mark.parametrize("session", [None, 7, b"wss://example.com", lambda: 3])
def test_what_leads_to_no_endpoint_is_a_type_error(session: object) -> None:
    fails_to_connect(session, TypeError, "a session must be an Endpoint")


def test_a_port_that_refuses_is_said_so() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    fails_to_connect(f"ws://127.0.0.1:{port}", ConnectionLostError, "refused")


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        streamer = DXLinkStreamer(url, connect_timeout=0.1)
        with pytest.raises(ConnectionLostError, match=r"took longer than 0\.1 s"), streamer:
            pass


def test_a_wrong_or_missing_token_is_an_authentication_error() -> None:
    with Exchange(None, rules=Rules(tokens=("right",))) as exchange:
        wrong = Endpoint(exchange.url, "canary-token")
        fails_to_connect(wrong, AuthenticationError, "refused the token")
        fails_to_connect(Endpoint(exchange.url), AuthenticationError, "asks for a token")
        with DXLinkStreamer(Endpoint(exchange.url, "right")) as streamer:
            assert streamer.state == "connected"


def test_a_token_is_not_shown() -> None:
    endpoint = Endpoint("wss://example.com", "canary-token")
    assert "canary" not in repr(endpoint) + repr(DXLinkStreamer(endpoint)) + str(endpoint)


def test_tls_needs_an_authority_that_is_trusted(tmp_path: Path) -> None:
    with Exchange(None, rules=Rules(tls=True)) as exchange:
        fails_to_connect(exchange.url, ConnectionLostError, "certificate .* is not trusted")
        ca_file = tmp_path / "ca.pem"
        ca_file.write_text(exchange.ca_pem or "")
        exchange.publish(Quote("A", bid_price=1, ask_price=2))
        with DXLinkStreamer(Endpoint(exchange.url, ca_file=ca_file)) as streamer:
            streamer.subscribe(Quote, "A")
            assert streamer.get_event(Quote).result(DEADLINE).bid_price == 1


@pytest.mark.parametrize(
    ("content", "error"), [(None, FileNotFoundError), (b"not a certificate", ValueError)]
)
def test_a_ca_file_that_is_none_is_said_so(
    tmp_path: Path, content: bytes | None, error: type[Exception]
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    endpoint = Endpoint("wss://127.0.0.1:1", ca_file=ca_file)
    with pytest.raises(error), DXLinkStreamer(endpoint):
        pass


BAD_CALLS: dict[str, tuple[Callable[[DXLinkStreamer], Any], type[Exception], str]] = {
    "unknown event class": (lambda s: s.subscribe(int, "A"), TypeError, "event class"),  # type: ignore[arg-type]
    "event type by name": (lambda s: s.subscribe("Quote", "A"), TypeError, "event class"),  # type: ignore[arg-type]
    "abstract event": (lambda s: s.subscribe(Event, "A"), TypeError, "event class"),
    "listen to no event class": (lambda s: s.listen(int), TypeError, "event class"),
    "get_event of no class": (lambda s: s.get_event(None), TypeError, "event class"),  # type: ignore[call-overload]
    "empty symbol list": (lambda s: s.subscribe(Quote, []), ValueError, "no symbol"),
    "empty symbol": (lambda s: s.subscribe(Quote, ["A", ""]), ValueError, "empty"),
    "NUL in a symbol": (lambda s: s.subscribe(Quote, "A\0B"), ValueError, "control"),
    "symbol of 1 MiB": (lambda s: s.subscribe(Quote, "A" * 2**20), ValueError, "1048576 bytes"),
    "symbol that is no string": (lambda s: s.subscribe(Quote, [7]), TypeError, "string, not int"),  # type: ignore[list-item]
    "lone surrogate": (lambda s: s.subscribe(Quote, "\ud800"), ValueError, "surrogate"),
    "interval nonsense": (lambda s: s.subscribe_candle("A", "often"), ValueError, "often"),
    "interval zero": (lambda s: s.subscribe_candle("A", "0m"), ValueError, "0m"),
    "empty interval": (lambda s: s.subscribe_candle("A", ""), ValueError, "interval"),
    "candle symbol nonsense": (lambda s: s.subscribe(Candle, "A{=m"), ValueError, "A{=m"),
    "history of quotes": (
        lambda s: s.subscribe(Quote, "A", from_time=datetime.now(UTC)),
        ValueError,
        "no history",
    ),
    "from_time in seconds": (
        lambda s: s.subscribe(Candle, "A{=m}", from_time=1_700_000_000),
        ValueError,
        "looks like seconds",
    ),
    "from_time before 1970": (
        lambda s: s.subscribe(Candle, "A{=m}", from_time=-1),
        ValueError,
        "before 1970",
    ),
    "source of quotes": (lambda s: s.subscribe(Quote, "A", source="NTV"), ValueError, "no source"),
    "negative refresh": (lambda s: s.subscribe(Quote, "A", -1), ValueError, "refresh_interval"),
    "NaN refresh": (lambda s: s.subscribe(Quote, "A", float("nan")), ValueError, "refresh"),
    "empty unsubscribe": (lambda s: s.unsubscribe(Quote, []), ValueError, "no symbol"),
    "negative timeout": (lambda s: s.collect(Quote, "A", timeout=-1), ValueError, "timeout"),
    "negative history": (lambda s: s.subscribe(Quote, "A", history=-1), ValueError, "history must"),
    "history beyond memory": (
        lambda s: s.subscribe(Quote, "A", history=1 << 30),
        ValueError,
        "history must",
    ),
    "rate of nothing": (lambda s: s.listen(Quote, max_rate=0), ValueError, "max_rate"),
    "negative rate": (lambda s: s.batches(Quote, max_rate=-1), ValueError, "max_rate"),
    "NaN rate": (lambda s: s.listen(Quote, max_rate=float("nan")), ValueError, "max_rate"),
    "endless rate": (lambda s: s.batches(Quote, max_rate=float("inf")), ValueError, "max_rate"),
    "policy nonsense": (lambda s: s.listen(Quote, policy="some"), ValueError, "policy"),
    "batches of nothing": (lambda s: s.batches(Quote, max_events=0), ValueError, "max_events"),
    "negative batches": (lambda s: s.batches(Quote, max_events=-5), ValueError, "max_events"),
    "negative wait": (lambda s: s.batches(Quote, max_wait=-1), ValueError, "max_wait"),
    "NaN wait": (lambda s: s.batches(Quote, max_wait=float("nan")), ValueError, "max_wait"),
    "negative buffer": (lambda s: s.batches(Quote, buffer=-1), ValueError, "at least 1"),
    "depth of nothing": (lambda s: s.book("A", "NTV", depth=0), ValueError, "depth must"),
    "negative depth": (lambda s: s.book("A", "NTV", depth=-1), ValueError, "depth must"),
    "buffer of nothing": (lambda s: s.listen(Quote, buffer=0), ValueError, "at least 1"),
    "latest of nothing": (lambda s: s.latest(Quote, ""), ValueError, "empty"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_bad_call_is_an_error_in_one_line_and_changes_nothing(
    exchange: Exchange, streamer: DXLinkStreamer, case: str
) -> None:
    call, error, match = BAD_CALLS[case]
    with pytest.raises(error, match=match) as raised:
        call(streamer)
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) < 200
    assert streamer.stats().subscriptions == 0
    exchange.publish(Quote("A", bid_price=1))
    streamer.subscribe(Quote, "A")
    assert streamer.get_event(Quote).result(DEADLINE).bid_price == 1


def test_a_refused_subscription_leaves_no_wish_for_history(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    refused: list[Callable[[], object]] = [
        lambda: streamer.subscribe(Quote, "A", -1, history=1),
        lambda: streamer.subscribe(Quote, "A", source="NTV", history=1),
        lambda: streamer.subscribe(Quote, "A", from_time=10**12, history=1),
        lambda: streamer.subscribe(Quote, ["A", ""], history=1),
    ]
    for subscribe in refused:
        with pytest.raises(ValueError, match=r"refresh_interval|source|history|empty"):
            subscribe()
    streamer.subscribe(Quote, "A", 0)
    until(lambda: exchange.stats().subscriptions == 1)
    exchange.publish(Quote("A", bid_price=1), Quote("A", bid_price=2))
    until(lambda: len(streamer.history(Quote, "A")) == 2)


def test_use_before_connecting_and_after_closing_is_said_so(exchange: Exchange) -> None:
    streamer = DXLinkStreamer(exchange.url)
    calls: list[Callable[[], object]] = [
        lambda: streamer.subscribe(Quote, "A"),
        lambda: streamer.unsubscribe(Quote, "A"),
        lambda: streamer.unsubscribe_all(Quote),
        lambda: streamer.subscribe_candle("A", "1m"),
        lambda: streamer.unsubscribe_candle("A"),
        lambda: streamer.listen(Quote),
        lambda: streamer.get_event(Quote),
        lambda: streamer.get_event_nowait(Quote),
        lambda: streamer.collect(Quote, "A"),
    ]
    for call in calls:
        with pytest.raises(StreamerClosedError, match="not connected"):
            call()
    with streamer:
        pass
    for call in calls:
        with pytest.raises(StreamerClosedError, match="closed; make a new one"):
            call()
    with pytest.raises(StreamerClosedError, match="make a new one"), streamer:
        pass
    assert issubclass(StreamerClosedError, DXStreamError)


def test_entering_twice_is_said_so(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        with pytest.raises(RuntimeError, match="connected already"), streamer:
            pass
        assert streamer.state == "connected"


def test_closing_is_idempotent_and_keeps_the_last_events(exchange: Exchange) -> None:
    exchange.publish(Quote("A", bid_price=1))
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "A")
        streamer.get_event(Quote).result(DEADLINE)
        streamer.close().result(DEADLINE)
        streamer.close()
    latest = streamer.latest(Quote, "A")
    assert latest is not None
    assert latest.bid_price == 1
    until(lambda: io_threads() == 0)


def test_closing_ends_listeners_and_calls_that_wait(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        ended: list[str] = []

        def listen() -> None:
            for _ in streamer.listen(Quote):
                pytest.fail("no event was sent")
            ended.append("listener")

        def get() -> None:
            with pytest.raises(StreamerClosedError):
                streamer.get_event(Trade).result(DEADLINE)
            ended.append("get_event")

        def collect() -> None:
            with pytest.raises(StreamerClosedError):
                streamer.collect(Quote, "A", timeout=DEADLINE).result()
            ended.append("collect")

        threads = [threading.Thread(target=target) for target in (listen, get, collect)]
        for thread in threads:
            thread.start()
        until(lambda: streamer.stats().subscriptions == 1)
        streamer.close()
        for thread in threads:
            thread.join(DEADLINE)
        assert sorted(ended) == ["collect", "get_event", "listener"]


def test_closing_a_listener_ends_its_iteration(exchange: Exchange) -> None:
    async def main() -> None:
        async with DXLinkStreamer(exchange.url) as streamer:
            listener = streamer.listen(Quote)
            waiting = asyncio.ensure_future(anext(listener, None))
            await asyncio.sleep(0)
            await listener.aclose()
            assert await asyncio.wait_for(waiting, DEADLINE) is None
            assert [event async for event in listener] == []

    asyncio.run(main())


@pytest.mark.parametrize("blocking", [True, False])
def test_a_lost_connection_raises_out_of_everything_that_waits(
    exchange: Exchange, blocking: bool
) -> None:
    exchange.publish(Quote("A", bid_price=1))
    lost = pytest.raises(ConnectionLostError, match="1012 restarting")

    def block() -> None:
        with DXLinkStreamer(exchange.url, reconnect=NO_RECONNECT) as streamer:
            streamer.subscribe(Quote, "A")
            listener = streamer.listen(Quote)
            assert next(listener).bid_price == 1
            exchange.close_connections(1012, "restarting")
            with lost:
                next(listener)
            with lost:
                streamer.get_event(Trade).result(DEADLINE)
            assert streamer.state == "failed"

    async def wait() -> None:
        async with DXLinkStreamer(exchange.url, reconnect=NO_RECONNECT) as streamer:
            waits = [
                asyncio.ensure_future(streamer.listen(Quote).__anext__()),
                asyncio.ensure_future(streamer.get_event(Trade)),
                asyncio.ensure_future(streamer.collect(Quote, "B", timeout=DEADLINE)),
            ]
            await asyncio.sleep(0)
            exchange.close_connections(1012, "restarting")
            for waiting in waits:
                with pytest.raises(ConnectionLostError, match="1012 restarting"):
                    await asyncio.wait_for(waiting, DEADLINE)
            with pytest.raises(ConnectionLostError, match="1012 restarting"):
                streamer.subscribe(Quote, "C")

    if blocking:
        block()
    else:
        asyncio.run(wait())


@pytest.mark.parametrize("frame", ["x" * (5 << 20), "[" * (5 << 20)])
def test_a_huge_frame_ends_the_connection(exchange: Exchange, frame: str) -> None:
    with DXLinkStreamer(exchange.url, reconnect=NO_RECONNECT) as streamer:
        exchange.send_raw(frame)
        with pytest.raises(ProtocolError, match="too much at once"):
            streamer.get_event(Quote).result(DEADLINE)


def test_deep_nesting_is_a_malformed_frame(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        exchange.send_raw("[" * 100_000)
        until(lambda: streamer.stats().malformed_frames == 1)
        assert streamer.state == "connected"


def test_leaving_closes_the_connection_properly(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url):
        assert exchange.stats().connections == 1
    until(lambda: exchange.stats().connections == 0)
    assert exchange.stats().accepted == 1


def test_cancelling_while_connecting_leaves_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        streamer = DXLinkStreamer(f"ws://127.0.0.1:{silent.getsockname()[1]}")

        async def main() -> None:
            entering = asyncio.ensure_future(streamer.__aenter__())
            await asyncio.sleep(0)
            accepted, _ = await asyncio.to_thread(silent.accept)
            with accepted:
                entering.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await entering

        asyncio.run(main())
    assert streamer.state == "closed"
    until(lambda: io_threads() == 0)


def test_a_forgotten_streamer_warns_and_its_thread_ends(exchange: Exchange) -> None:
    forgotten = [DXLinkStreamer(exchange.url).__enter__()]
    assert io_threads() == 1
    with pytest.warns(ResourceWarning, match="never closed"):
        forgotten.clear()
    until(lambda: io_threads() == 0)


def test_a_call_is_awaited_once(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        call = streamer.collect(Quote, "A", timeout=0)
        call.result()
        with pytest.raises(RuntimeError, match="awaited before"):
            call.result()


def run_script(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_interpreter_exits_with_a_streamer_open() -> None:
    script = run_script("""
        from dxstream import DXLinkStreamer
        from dxstream.dxfeed import Quote
        streamer = DXLinkStreamer("sim://?quotes_per_second=20").__enter__()
        streamer.subscribe(Quote, "AAPL", 0)
        listener = streamer.listen(Quote)
        print(next(listener).event_symbol)
    """)
    out, err = script.communicate(timeout=DEADLINE)
    assert (script.returncode, out, err) == (0, "AAPL\n", "")


@pytest.mark.parametrize("form", ["for", "async for"])
def test_control_c_ends_a_program_that_waits(form: str) -> None:
    bodies = {
        "for": """
            with streamer:
                print("ready", flush=True)
                for event in streamer.listen(Quote):
                    pass
        """,
        "async for": """
            async def main():
                async with streamer:
                    print("ready", flush=True)
                    async for event in streamer.listen(Quote):
                        pass
            asyncio.run(main())
        """,
    }
    script = run_script(
        "import asyncio\nfrom dxstream import DXLinkStreamer\n"
        "from dxstream.dxfeed import Quote\nstreamer = DXLinkStreamer('sim://')\n"
        + textwrap.dedent(bodies[form])
    )
    assert script.stdout is not None
    assert script.stdout.readline() == "ready\n"
    script.send_signal(signal.SIGINT)
    _, err = script.communicate(timeout=DEADLINE)
    assert script.returncode != 0
    assert err.splitlines()[-1] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Exchange(Market(symbols=())), ValueError, "needs a symbol"),
        (lambda: Exchange(Market(symbols=("NONE",))), ValueError, "no symbol"),
        (lambda: Exchange(Market(quotes_per_second=0)), ValueError, "quotes_per_second"),
        (lambda: Exchange(None, rules=Rules(start="later")), ValueError, "start must be"),
        (lambda: Exchange(None, rules=Rules(keepalive_timeout=-1)), ValueError, "keepalive"),
        (lambda: Exchange(None).publish(3), TypeError, "not an event"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_exchange_is_an_error_in_one_line(
    make: Callable[[], object], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match) as raised:
        make()
    assert "\n" not in str(raised.value)


def test_a_taken_port_is_an_os_error(exchange: Exchange) -> None:
    with pytest.raises(OSError, match="cannot listen"):
        Exchange(None, port=exchange.port)
