"""What streamers say in Python's logging."""

import ctypes
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest
from conftest import until

from dxstream import ConnectionLostError, DXLinkStreamer, Endpoint, ReconnectPolicy, logs
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, Rules

SOON = ReconnectPolicy(min_delay=0.001, max_delay=0.01)
CANARY = "canary-a83f"


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    yield
    for name in ("dxstream", "dxstream.connection", "dxstream.protocol"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logs.follow_levels()


def texts(caplog: pytest.LogCaptureFixture, level: int = 0) -> list[str]:
    return [record.getMessage() for record in list(caplog.records) if record.levelno >= level]


def said(caplog: pytest.LogCaptureFixture, *parts: str) -> bool:
    return any(all(part in text for part in parts) for text in texts(caplog))


def test_a_reconnect_is_logged_from_loss_to_gap(
    caplog: pytest.LogCaptureFixture, exchange: Exchange
) -> None:
    caplog.set_level(logging.INFO, "dxstream")
    with DXLinkStreamer(exchange.url, reconnect=SOON) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        before = time.time()
        exchange.close_connections(1012, "again")
        until(lambda: said(caplog, "a gap of", "events may be missing of Quote"))
        assert said(caplog, "connecting to 127.0.0.1:")
        assert said(caplog, "connected in", "for the 2. time")
        [lost] = [record for record in caplog.records if "lost" in record.getMessage()]
        assert "the server closed the connection: 1012 again; waits" in lost.getMessage()
        assert (lost.name, lost.levelno) == ("dxstream.connection", logging.WARNING)
        assert lost.threadName == "dxstream-io"
        assert before <= lost.created <= time.time()
    until(lambda: said(caplog, "closed"))


def test_messages_are_named_by_type_and_size_alone(
    caplog: pytest.LogCaptureFixture, exchange: Exchange
) -> None:
    caplog.set_level(1, "dxstream")
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "SECRET1", 0)
        until(lambda: said(caplog, "sent FEED_SUBSCRIPTION, ", "bytes"))
        until(lambda: said(caplog, "received FEED_CONFIG, "))
        assert said(caplog, "the WebSocket upgrade took")
        exchange.send_raw('{"type":"SECRET2"}')
        exchange.send_raw("SECRET3")
        until(lambda: said(caplog, "1 messages or rows could not be read"))
        assert said(caplog, "received something else, 18 bytes")
        exchange.publish(Quote("SECRET1", bid_price=1))
        assert streamer.get_event(Quote).result(10).bid_price == 1
        assert not said(caplog, "SECRET")
        assert not said(caplog, "FEED_DATA")


def test_no_level_shows_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    rules = Rules(tokens=(CANARY,))
    with Exchange(None, rules=rules) as exchange:
        with DXLinkStreamer(Endpoint(exchange.url, CANARY), reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            exchange.send_raw("{")
            exchange.close_connections(1012, "again")
            until(lambda: said(caplog, "for the 2. time"))
        with pytest.raises(Exception, match="token") as refused:
            DXLinkStreamer(Endpoint(exchange.url, f"{CANARY}-wrong")).__enter__()
    until(lambda: said(caplog, "the stream is over"))
    assert said(caplog, "sent AUTH,")
    assert CANARY not in "\n".join([*texts(caplog), *map(repr, caplog.records)])
    assert CANARY not in repr(refused.value)


def test_levels_are_followed_while_streamers_are_connected(
    caplog: pytest.LogCaptureFixture, exchange: Exchange
) -> None:
    logging.getLogger("dxstream").setLevel(logging.WARNING)
    with DXLinkStreamer(exchange.url) as streamer:
        streamer.subscribe(Quote, "A", 0)
        until(lambda: exchange.stats().subscriptions == 1)
        assert texts(caplog) == []
        logging.getLogger("dxstream.protocol").setLevel(logging.DEBUG)
        logs.follow_levels()
        streamer.subscribe(Quote, "B", 0)
        until(lambda: said(caplog, "sent FEED_SUBSCRIPTION"))
        names = {record.name for record in caplog.records}
        assert names == {"dxstream.protocol"}
        # The same without being told to.
        logging.getLogger("dxstream.connection").setLevel(logging.DEBUG)
        until(partial(_says_what_it_subscribes, streamer, count(), caplog))


def _says_what_it_subscribes(
    streamer: DXLinkStreamer, numbers: Iterator[int], caplog: pytest.LogCaptureFixture
) -> bool:
    streamer.subscribe(Quote, f"C{next(numbers)}", 0)
    return said(caplog, "subscribes 1 of Quote")


class Held(logging.Handler):
    """A handler that hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.let_go = threading.Event()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.reached.set()
        self.let_go.wait()
        self.texts.append(record.getMessage())


def test_a_handler_that_hangs_stops_no_stream_and_what_is_dropped_is_said(
    exchange: Exchange,
) -> None:
    logger = logging.getLogger("dxstream")
    handler = Held()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    messages = 10_000
    try:
        with DXLinkStreamer(exchange.url) as streamer:
            assert handler.reached.wait(10)
            for _ in range(messages):
                exchange.send_raw('{"type":"KEEPALIVE","channel":0}')
            until(lambda: streamer.stats().messages > messages)
            handler.let_go.set()
            until(lambda: any("found no room and were dropped" in text for text in handler.texts))
        assert len(handler.texts) < messages
    finally:
        handler.let_go.set()
        logger.removeHandler(handler)


def test_the_stream_goes_on_while_a_thread_holds_the_gil(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(1, "dxstream")
    sleep = ctypes.PyDLL(None).usleep
    with DXLinkStreamer("sim://?quotes_per_second=500") as streamer:
        streamer.subscribe(Quote, ["AAPL", "SPY"], 0, history=4096)
        until(lambda: streamer.latest(Quote, "AAPL"))
        began = time.monotonic_ns()
        # It sleeps in C and gives the lock to no other thread of Python's.
        sleep(300_000)
        ended = time.monotonic_ns()
        arrived = streamer.history(Quote, "AAPL").received_at
        tenth = (ended - began) // 10
        for part in range(1, 10):
            start = began + part * tenth
            assert ((arrived >= start) & (arrived < start + tenth)).any(), part


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_program_that_does_not_log_is_told_nothing() -> None:
    done = run(
        "import threading\n"
        "from dxstream import DXLinkStreamer\n"
        "from dxstream.exchange import Exchange\n"
        "with Exchange(None) as exchange, DXLinkStreamer(exchange.url) as streamer:\n"
        "    exchange.close_connections(1012, 'again')\n"
        "    while not streamer.epoch: pass\n"
        "    print([thread.name for thread in threading.enumerate()])\n"
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "['MainThread']\n")


@pytest.mark.parametrize("ends", ["", "streamer.close()", "raise SystemExit(0)"])
def test_what_is_said_last_is_logged_before_the_interpreter_ends(ends: str) -> None:
    done = run(
        "import logging, warnings\n"
        "logging.basicConfig(level=logging.DEBUG, format='%(name)s %(message)s')\n"
        "warnings.simplefilter('ignore', ResourceWarning)\n"
        "from dxstream import DXLinkStreamer\n"
        "streamer = DXLinkStreamer('sim://').__enter__()\n" + ends
    )
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert lines[-1] == "dxstream.connection closed"
    assert all(line.startswith(("dxstream.", "asyncio ")) for line in lines)


def test_an_error_that_ends_the_stream_is_logged(
    caplog: pytest.LogCaptureFixture, exchange: Exchange
) -> None:
    policy = ReconnectPolicy(max_attempts=0)
    with DXLinkStreamer(exchange.url, reconnect=policy) as streamer:
        exchange.close_connections(1011, "bad")
        with pytest.raises(ConnectionLostError, match="1011 bad"):
            streamer.get_event(Quote).result(10)
        until(lambda: said(caplog, "the stream is over: ", "1011 bad"))
