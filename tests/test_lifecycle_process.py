"""Programs that are interrupted, end or run out of something: no hang, no noise, no harm."""

import re
import signal
import textwrap
import time
from pathlib import Path

import pytest
from conftest import DEADLINE, until
from programs import ENDS, ended, is_asleep, program, says

from dxstream.exchange import Exchange, FaultProxy, Rules

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
        # asyncio loses a callback where a handler raises between two, and may wait for it for ever.
        until(lambda: is_asleep(running))
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


@pytest.mark.parametrize("first", ["None", "DXLinkStreamer(URL).__enter__()"])
def test_a_process_without_descriptors_is_told_so(exchange: Exchange, first: str) -> None:
    out = says(
        f"""
        # A module is a file too; this one is imported when a streamer connects.
        import dxstream.foreign
        first = {first}

        def connect():
            with DXLinkStreamer(URL):
                pass

        def listen():
            first.listen(Quote).close()

        def wait():
            try:
                event = first.get_event(Quote).result(0.01)
            except TimeoutError:
                # There was a descriptor to wait with; nobody publishes anything.
                return
            raise AssertionError(event)

        def call_all(left):
            for call in calls:
                try:
                    call()
                except (OSError, ConnectionError) as error:
                    print(left, call.__name__, f"{{type(error).__name__}}: {{error}}")
                else:
                    print(left, call.__name__, "works")

        calls = [connect]
        if first is not None:
            first.subscribe(Quote, "A", 0)
            calls += [listen, wait]
        held = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        call_all(0)
        for left in range(1, 6):
            os.close(held.pop())
            call_all(left)
        for descriptor in held:
            os.close(descriptor)
        call_all("all")
        """,
        exchange.url,
    )
    calls = ["connect"] if first == "None" else ["connect", "listen", "wait"]
    told = [line.split(" ", 2) for line in out.splitlines()]
    outcomes = {(left, call): outcome for left, call, outcome in told}
    assert list(outcomes) == [(left, call) for left in [*"012345", "all"] for call in calls]
    too_few = re.compile(
        r"OSError: \[Errno 24\] no file descriptor to wait with \(.*\); close files, or raise .*|"
        r"ConnectionLostError: (the I/O thread cannot be started|cannot connect to [\d.:]+): "
        r"Too many open files \(os error 24\)"
    )
    for (left, _), outcome in outcomes.items():
        if left == "all":
            assert outcome == "works"
        elif left == "0":
            assert too_few.fullmatch(outcome)
        else:
            # How many each takes, and when what it had is given back, is its own business.
            assert outcome == "works" or too_few.fullmatch(outcome)


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
