"""Programs that are interrupted, end, fork or run out of something: no hang, no noise, no harm."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import DEADLINE, until

from dxstream.exchange import Exchange, FaultProxy, Rules

PRELUDE = """
import asyncio, gc, os, resource, signal, sys, threading
from dxstream import DXLinkStreamer, Endpoint
from dxstream.dxfeed import Quote, Trade
from dxstream.exchange import Exchange
URL = sys.argv[1]
"""


ENDS = """
import atexit, time
# Registered first, and therefore called last.
atexit.register(lambda: print(time.monotonic_ns(), flush=True))
"""
"""Lets a program say when it ends."""


@contextmanager
def program(
    script: str, url: str = "sim://", before: str = ""
) -> Iterator["subprocess.Popen[str]"]:
    """Run a program in which every warning is an error; kill it where it does not end."""
    source = before + PRELUDE + textwrap.dedent(script)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source, url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def ended(running: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for a program's end; return its exit code and what it said."""
    out, err = running.communicate(timeout=DEADLINE)
    return running.returncode, out, err


def says(script: str, url: str = "sim://") -> str:
    """Run a program that ends well and complains of nothing; return what it said."""
    with program(script, url) as running:
        code, out, err = ended(running)
    assert (code, err) == (0, ""), err
    return out


WAITS = {
    "for": """
        with DXLinkStreamer(URL) as streamer:
            streamer.subscribe(Trade, "A")
            print("ready", flush=True)
            for event in streamer.listen(Trade):
                pass
        """,
    "result": """
        with DXLinkStreamer(URL) as streamer:
            streamer.subscribe(Trade, "A")
            print("ready", flush=True)
            streamer.get_event(Trade).result()
        """,
    "batches": """
        with DXLinkStreamer(URL) as streamer:
            streamer.subscribe(Trade, "A")
            # Made first, since an exit in the midst of an import is not a silent one.
            batches = streamer.batches(Trade)
            print("ready", flush=True)
            next(batches)
        """,
    "async for": """
        async def main():
            async with DXLinkStreamer(URL) as streamer:
                await streamer.subscribe(Trade, "A")
                print("ready", flush=True)
                async for event in streamer.listen(Trade):
                    pass
        asyncio.run(main())
        """,
    "uvloop": """
        import uvloop
        async def main():
            async with DXLinkStreamer(URL) as streamer:
                await streamer.subscribe(Trade, "A")
                print("ready", flush=True)
                async for event in streamer.listen(Trade):
                    pass
        uvloop.run(main())
        """,
    "trio": """
        import trio
        async def main():
            async with DXLinkStreamer(URL) as streamer:
                await streamer.subscribe(Trade, "A")
                print("ready", flush=True)
                async for event in streamer.listen(Trade):
                    pass
        trio.run(main)
        """,
}
"""Programs that wait for events that do not come."""

EXITS_ON_SIGTERM = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"


@pytest.mark.parametrize("way", WAITS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_program_that_waits_and_its_connection(
    exchange: Exchange,
    way: str,
    number: signal.Signals,
    request: pytest.FixtureRequest,
) -> None:
    if way == "trio" and number == signal.SIGTERM:
        pytest.skip("trio complains of every exit that a handler of signals makes")
    script = EXITS_ON_SIGTERM + textwrap.dedent(WAITS[way])
    with program(script, exchange.url, before=ENDS) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        until(lambda: exchange.stats().subscriptions == 1)
        # The monotonic clock is the same in every process.
        sent = time.monotonic_ns()
        running.send_signal(number)
        code, out, err = ended(running)
        seconds = (int(out) - sent) / 1e9
        request.node.user_properties.append(("seconds from the signal to the end", seconds))
        # How long it takes where nothing else runs is measured, not asserted.
        assert 0 < seconds < DEADLINE
        if number == signal.SIGINT:
            assert code in (1, -signal.SIGINT)
            assert err.splitlines()[-1] == "KeyboardInterrupt"
            assert err.count("Traceback") - err.count("During handling") <= 2
        else:
            assert (code, err) == (3, "")
    until(lambda: exchange.stats().connections == 0)


@pytest.mark.parametrize(
    "enter",
    [
        "DXLinkStreamer(URL).__enter__()",
        "asyncio.run(DXLinkStreamer(URL).__aenter__())",
    ],
)
def test_a_signal_ends_a_program_that_connects(exchange: Exchange, enter: str) -> None:
    with FaultProxy(exchange.url) as proxy:
        proxy.freeze()
        with program(enter, proxy.url) as running:
            until(lambda: proxy.stats().accepted == 1)
            running.send_signal(signal.SIGINT)
            code, _, err = ended(running)
            assert code in (1, -signal.SIGINT)
            assert err.splitlines()[-1] == "KeyboardInterrupt"


def test_a_signal_ends_a_program_whose_session_hangs() -> None:
    script = """
        async def session():
            print("asked", flush=True)
            await asyncio.sleep(3600)
        DXLinkStreamer(session).__enter__()
        """
    with program(script) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "asked\n"
        running.send_signal(signal.SIGINT)
        code, _, err = ended(running)
        assert code in (1, -signal.SIGINT)
        assert err.splitlines()[-1] == "KeyboardInterrupt"


EXITS = {
    "plain": """
        streamer = DXLinkStreamer(URL).__enter__()
        streamer.subscribe(Quote, "AAPL", 0)
        listener = streamer.listen(Quote)
        next(listener)
        """,
    "candles": """
        streamer = DXLinkStreamer(URL).__enter__()
        candles = streamer.candles("AAPL", "1m").result(10)
        live = candles.live()
        """,
    "callbacks": """
        streamer = DXLinkStreamer(lambda: URL, on_gap=print, reconnect_fn=print).__enter__()
        streamer.subscribe(Quote, "AAPL", 0)
        next(streamer.listen(Quote))
        """,
    "asyncio": """
        async def main():
            global streamer, listener, live
            streamer = DXLinkStreamer(URL, on_gap=print)
            await streamer.__aenter__()
            await streamer.subscribe(Quote, "AAPL", 0)
            listener = streamer.listen(Quote)
            await anext(listener)
            live = (await streamer.candles("AAPL", "1m")).live()
            task = asyncio.create_task(waits())
            await asyncio.sleep(0)
        async def waits():
            async for candles in live:
                pass
        asyncio.run(main())
        """,
    "daemon threads": """
        streamer = DXLinkStreamer(URL).__enter__()
        streamer.subscribe(Quote, "AAPL", 0)
        def read(*symbols):
            for event in streamer.listen(Quote, symbols or None):
                pass
        threading.Thread(target=read, daemon=True).start()
        threading.Thread(target=read, args=("NONE",), daemon=True).start()
        next(streamer.listen(Quote))
        """,
    "reconnecting": """
        exchange = Exchange()
        streamer = DXLinkStreamer(exchange.url).__enter__()
        exchange.stop()
        states = streamer.states()
        while next(states).state != "reconnecting":
            pass
        """,
}
for name, call in {
    "result": "get_event(Trade).result()",
    "collect": 'collect(Trade, "A").result()',
}.items():
    EXITS[f"daemon thread in {name}"] = f"""
        streamer = DXLinkStreamer(URL).__enter__()
        streamer.subscribe(Quote, "AAPL", 0)
        waiting = threading.Event()
        def read():
            waiting.set()
            while True:
                streamer.{call}
        threading.Thread(target=read, daemon=True).start()
        waiting.wait()
        next(streamer.listen(Quote))
        """
EXITS["uvloop"] = "import uvloop\n" + textwrap.dedent(EXITS["asyncio"]).replace(
    "asyncio.run", "uvloop.run"
)


@pytest.mark.parametrize("way", EXITS)
def test_an_interpreter_that_exits_closes_what_is_open(way: str) -> None:
    with Exchange() as exchange:
        assert says(EXITS[way], exchange.url) == ""
        until(lambda: exchange.stats().connections == 0)


FORK = """
exchange = Exchange()
streamer = DXLinkStreamer(exchange.url, on_gap=print)
streamer.__enter__()
streamer.subscribe(Quote, ["AAPL", "MSFT"], 0)
listener, batches, states = streamer.listen(Quote), streamer.batches(Quote), streamer.states()
candles = streamer.candles("AAPL", "1m").result()
live, quote = candles.live(), next(listener)
from dxstream._dxstream import Wake
wake = Wake()
calls = {
    "subscribe": lambda: streamer.subscribe(Quote, "A"),
    "unsubscribe": lambda: streamer.unsubscribe(Quote, "A"),
    "unsubscribe_all": lambda: streamer.unsubscribe_all(Quote),
    "subscribe_candle": lambda: streamer.subscribe_candle("A", "1m"),
    "unsubscribe_candle": lambda: streamer.unsubscribe_candle("A"),
    "candles": lambda: streamer.candles("AAPL", "1m"),
    "listen": lambda: streamer.listen(Quote),
    "batches": lambda: streamer.batches(Quote),
    "get_event": lambda: streamer.get_event(Quote),
    "get_event_nowait": lambda: streamer.get_event_nowait(Quote),
    "collect": lambda: streamer.collect(Quote, "A"),
    "latest": lambda: streamer.latest(Quote, "AAPL"),
    "snapshot": lambda: streamer.snapshot(Quote),
    "history": lambda: streamer.history(Quote, "AAPL"),
    "book": lambda: streamer.book("AAPL", "NTV"),
    "memory": lambda: streamer.memory(),
    "stats": lambda: streamer.stats(),
    "state": lambda: streamer.state,
    "states": lambda: streamer.states(),
    "gaps": lambda: streamer.gaps,
    "epoch": lambda: streamer.epoch,
    "close": lambda: streamer.close(),
    "enter": lambda: streamer.__enter__(),
    "next of a listener": lambda: next(listener),
    "stats of a listener": lambda: listener.stats(),
    "close of a listener": lambda: listener.close(),
    "next of batches": lambda: next(batches),
    "stats of batches": lambda: batches.stats(),
    "next of states": lambda: next(states),
    "next of live": lambda: next(live),
    "ring": lambda: wake.ring(),
    "clear": lambda: wake.clear(),
    "wait": lambda: wake.wait(),
    "fileno": lambda: wake.fileno(),
    "stats of an exchange": lambda: exchange.stats(),
    "stop of an exchange": lambda: exchange.stop(),
}
def child():
    for name, call in calls.items():
        try:
            print(name, "gave", call())
        except RuntimeError as error:
            if "\\n" in str(error) or "StreamerClosed" in repr(error):
                print(name, "raised", error)
    # What is no part of the process goes on; and so does what is made here.
    assert quote.event_symbol in ("AAPL", "MSFT") and len(candles) > 0
    assert "of another process" in repr(streamer)
    with Exchange() as another, DXLinkStreamer(another.url, on_gap=print) as own:
        own.subscribe(Quote, "AAPL", 0)
        print(own.get_event(Quote).result(10).event_symbol)
    streamer.__exit__(None, None, None)
    calls.clear()
    for name in "streamer listener batches states candles live exchange wake".split():
        del globals()[name]
    gc.collect()
"""


def test_the_child_of_a_fork_is_refused_and_the_parent_goes_on() -> None:
    out = says(
        FORK
        + textwrap.dedent("""
        pid = os.fork()
        if pid == 0:
            child()
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        sent = exchange.stats().frames
        for _ in range(20):
            next(listener)
        assert streamer.state == "connected" and streamer.epoch == 0
        assert exchange.stats().accepted == 1
        streamer.close().result(10)
        assert streamer.state == "closed"
        """)
    )
    assert out == "AAPL\n7\n"


def test_forks_while_threads_stream_and_connect_do_not_hang() -> None:
    out = says("""
        exchange = Exchange(None)
        exchange.publish(Quote("AAPL", bid_price=1))
        stop = threading.Event()
        def connect():
            while not stop.is_set():
                with DXLinkStreamer(exchange.url) as streamer:
                    streamer.subscribe(Quote, "AAPL", 0)
                    next(streamer.listen(Quote))
        threads = [threading.Thread(target=connect) for _ in range(3)]
        for thread in threads:
            thread.start()
        codes = set()
        for _ in range(25):
            pid = os.fork()
            if pid == 0:
                with Exchange(None) as another, DXLinkStreamer(another.url) as own:
                    another.publish(Quote("AAPL", bid_price=2))
                    own.subscribe(Quote, "AAPL", 0)
                    own.get_event(Quote).result(10)
                os._exit(0)
            codes.add(os.waitpid(pid, 0)[1])
        stop.set()
        for thread in threads:
            thread.join()
        print(codes)
        """)
    assert out == "{0}\n"


def test_the_child_of_a_fork_connects_though_another_thread_followed_log_levels() -> None:
    out = says("""
        import logging
        from dxstream import logs
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        logging.getLogger("dxstream").setLevel(logging.INFO)
        held, forked = threading.Event(), threading.Event()
        def hold():
            with logs._lock:
                held.set()
                forked.wait()
        exchange = Exchange(None)
        with DXLinkStreamer(exchange.url):
            # The thread that hands records over is there, and another holds the lock.
            holder = threading.Thread(target=hold)
            holder.start()
            held.wait()
            pid = os.fork()
            if pid == 0:
                with Exchange(None) as another, DXLinkStreamer(another.url) as own:
                    assert own.state == "connected"
                sys.exit(7)
            forked.set()
            holder.join()
            print("code", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """)
    assert "code 7" in out.splitlines()
    assert out.count("connected in") == 2


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_works_beside_a_streamer(method: str) -> None:
    script = f"""
        import dxstream
        from multiprocessing import get_context
        with DXLinkStreamer(URL) as streamer:
            streamer.subscribe(Quote, "AAPL", 0)
            quote = streamer.get_event(Quote).result(10)
            with get_context("{method}").Pool(2) as pool:
                assert pool.map(repr, [quote] * 4) == [repr(quote)] * 4
            try:
                get_context("spawn").Process(target=print, args=(streamer,)).start()
            except TypeError as error:
                print(error)
            next(streamer.listen(Quote))
        """
    assert says(script).startswith("DXLinkStreamer objects belong to the process")


@pytest.mark.parametrize("first", ["None", "DXLinkStreamer(URL).__enter__()"])
def test_a_process_without_descriptors_is_told_so(exchange: Exchange, first: str) -> None:
    out = says(
        f"""
        first = {first}
        held = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        calls = [lambda: DXLinkStreamer(URL).__enter__()]
        if first is not None:
            first.subscribe(Quote, "A", 0)
            calls += [lambda: first.listen(Quote), lambda: first.get_event(Quote).result(1)]
        for left in range(6):
            for call in calls:
                try:
                    call().close()
                except (OSError, ConnectionError) as error:
                    print(f"{{type(error).__name__}}: {{error}}")
            if left < 5:
                os.close(held.pop())
        for descriptor in held:
            os.close(descriptor)
        with DXLinkStreamer(URL) as streamer:
            print(streamer.state)
        """,
        exchange.url,
    )
    lines = out.splitlines()
    assert lines[0].startswith("OSError: ")
    assert lines[-1] == "connected"
    assert all("open files" in line for line in lines[:-1])


def test_a_process_without_threads_is_told_so(exchange: Exchange) -> None:
    out = says(
        """
        # The limit does not hold for the superuser.
        if os.geteuid() == 0:
            os.setuid(65534)
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, hard))
        for make in (lambda: DXLinkStreamer(URL).__enter__(), Exchange):
            try:
                make()
            except (OSError, ConnectionError) as error:
                print(f"{type(error).__name__}: {error}")
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))
        with DXLinkStreamer(URL) as streamer:
            print(streamer.state)
        """,
        exchange.url,
    )
    lines = out.splitlines()
    assert lines[0].startswith("ConnectionLostError: the I/O thread cannot be started")
    assert lines[1].startswith("OSError: cannot start the exchange's thread")
    assert lines[2:] == ["connected"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_authorities_of_the_environment_are_trusted(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Exchange(None, rules=Rules(tls=True)) as exchange:
        (tmp_path / "ca.pem").write_text(exchange.ca_pem or "")
        script = """
            try:
                with DXLinkStreamer(URL) as streamer:
                    print(streamer.state)
            except ConnectionError as error:
                print(error)
            """
        assert "is not trusted" in says(script, exchange.url)
        where = tmp_path / "ca.pem" if variable == "SSL_CERT_FILE" else tmp_path
        monkeypatch.setenv(variable, str(where))
        assert says(script, exchange.url) == "connected\n"
