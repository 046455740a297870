"""Children of a fork: they are refused what is the parent's, and have streamers of their own."""

import textwrap

import pytest
from programs import says

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
                    listener = streamer.listen(Quote)
                    streamer.subscribe(Quote, "AAPL", 0)
                    next(listener)
        threads = [threading.Thread(target=connect) for _ in range(3)]
        for thread in threads:
            thread.start()
        codes = set()
        for _ in range(25):
            pid = os.fork()
            if pid == 0:
                with Exchange(None) as another, DXLinkStreamer(another.url) as own:
                    another.publish(Quote("AAPL", bid_price=2))
                    listener = own.listen(Quote)
                    own.subscribe(Quote, "AAPL", 0)
                    next(listener)
                os._exit(0)
            codes.add(os.waitpid(pid, 0)[1])
        stop.set()
        for thread in threads:
            thread.join()
        print(codes)
        """)
    assert out == "{0}\n"


def test_forks_while_a_thread_imports_what_a_session_needs_do_not_hang() -> None:
    out = says("""
        from dxstream import endpoint
        stop = threading.Event()
        def ask():
            sys.modules.pop("dxstream.foreign", None)
            vars(sys.modules["dxstream"]).pop("foreign", None)
            assert endpoint.belongs_to_loop(object())
        def ask_again_and_again():
            while not stop.is_set():
                ask()
        thread = threading.Thread(target=ask_again_and_again)
        thread.start()
        codes = set()
        for _ in range(50):
            pid = os.fork()
            if pid == 0:
                assert endpoint.belongs_to_loop(object())
                os._exit(0)
            codes.add(os.waitpid(pid, 0)[1])
        stop.set()
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
