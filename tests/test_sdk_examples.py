"""The SDK's own examples of its streamers run as they are, streaming by dxstream.

They are taken from the README and the docstrings of the installed SDK. What its other documents
show is done here in the same way: candles, one event of each symbol, and a blocking portal.
"""

import asyncio
import inspect
import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path

import pytest
import tastytrade
import tastytrade.session
import tastytrade.streamer
from anyio.from_thread import start_blocking_portal
from conftest import DEADLINE
from programs import output

import dxstream
from dxstream.exchange import Accounts, Exchange, Market

# The classes are looked at before anything is installed in their place.
DOCSTRINGS = {
    name: textwrap.dedent(
        (inspect.getdoc(getattr(tastytrade.streamer, name)) or "").partition("::\n")[2]
    )
    for name in ("DXLinkStreamer", "AlertStreamer")
}


def readme() -> dict[str, str]:
    """Find the blocks of the README that stream, by the heading above them."""
    text = distribution("tastytrade").read_text("METADATA") or ""
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    blocks = {}
    for section in sections:
        block = re.search(r"^```python\n((?!>>>).*?)^```", section, re.DOTALL | re.MULTILINE)
        if block and "Streamer(" in block[1]:
            blocks[section.splitlines()[0]] = block[1]
    return blocks


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(Market(), accounts=Accounts(orders_per_minute=120)) as running:
        yield running


def run(exchange: Exchange, code: str, folder: Path) -> list[str]:
    """Run an example with a session of the SDK's own in scope."""
    script = folder / "example.py"
    before = (
        "import tastytrade.session\n"
        f"tastytrade.session.API_URL = {exchange.api_url!r}\n"
        "session = tastytrade.session.Session('secret', 'token')\n"
    )
    if "AlertStreamer" in code:
        before += (
            "from dxstream.compat import alerts\n"
            f"alerts.PRODUCTION = ({exchange.api_url!r}, {exchange.account_url!r})\n"
        )
    script.write_text(before + code)
    return output("-m", "dxstream", "run", "--seconds", "5", script).splitlines()


def test_the_readme_shows_a_streamer(exchange: Exchange, tmp_path: Path) -> None:
    lines = run(exchange, readme()["Using the streamer"], tmp_path)
    assert len(lines) > 2
    assert all("event_symbol='SPY'" in line and "bid_price=Decimal('" in line for line in lines)


def test_the_readme_shows_greeks_of_a_chain(exchange: Exchange, tmp_path: Path) -> None:
    [line] = run(exchange, readme()["Options chain/streaming greeks"], tmp_path)
    assert "event_symbol='.SPY" in line
    assert "delta=Decimal('" in line


def test_every_streaming_example_of_the_readme_has_a_test() -> None:
    source = Path(__file__).read_text()
    assert readme()
    assert all(f'"{heading}"' in source for heading in readme())


def test_the_docstring_shows_a_streamer(exchange: Exchange, tmp_path: Path) -> None:
    [line] = run(exchange, DOCSTRINGS["DXLinkStreamer"], tmp_path)
    assert "event_symbol='SPY'" in line


def test_the_docstring_shows_an_alert_streamer(exchange: Exchange, tmp_path: Path) -> None:
    lines = run(exchange, DOCSTRINGS["AlertStreamer"], tmp_path)
    assert len(lines) > 1
    assert all(line.startswith("account_number='SIM00001' time_in_force=") for line in lines)


@pytest.fixture
def session(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[tastytrade.Session]:
    monkeypatch.setattr(tastytrade.session, "API_URL", exchange.api_url)
    dxstream.install()
    yield tastytrade.Session("secret", "token")
    dxstream.uninstall()


def test_one_event_of_each_symbol_is_collected(session: tastytrade.Session) -> None:
    from tastytrade import DXLinkStreamer
    from tastytrade.dxfeed import Quote

    async def main() -> dict[str, Quote]:
        wanted = ["SPY", "AAPL", "QQQ"]
        quotes: dict[str, Quote] = {}
        async with asyncio.timeout(DEADLINE), DXLinkStreamer(session) as streamer:
            await streamer.subscribe(Quote, wanted)
            async for quote in streamer.listen(Quote):
                quotes[quote.event_symbol] = quote
                if len(quotes) >= len(wanted):
                    break
        return quotes

    quotes = asyncio.run(main())
    assert set(quotes) == {"SPY", "AAPL", "QQQ"}
    for quote in quotes.values():
        assert isinstance(quote, Quote)
        assert isinstance(quote.bid_price, Decimal)
        assert quote.bid_price <= quote.mid_price <= quote.ask_price


def test_candles_are_taken_to_the_end_of_their_snapshot(session: tastytrade.Session) -> None:
    from tastytrade import DXLinkStreamer
    from tastytrade.dxfeed import Candle

    start = datetime.now(UTC) - timedelta(days=5)

    async def main() -> list[Candle]:
        candles: list[Candle] = []
        async with asyncio.timeout(DEADLINE), DXLinkStreamer(session) as streamer:
            await streamer.subscribe_candle(["SPY"], "1h", start)
            async for candle in streamer.listen(Candle):
                candles.append(candle)
                if candle.snapshot_end or candle.snapshot_snip:
                    break
            await streamer.unsubscribe_candle("SPY", "1h")
        return candles

    candles = [candle for candle in asyncio.run(main()) if candle.close]
    assert len(candles) > 20
    assert all(candle.low <= candle.close <= candle.high for candle in candles)
    assert min(candle.time for candle in candles) >= start.timestamp() * 1000


def test_a_blocking_portal_runs_a_streamer(session: tastytrade.Session) -> None:
    from tastytrade import DXLinkStreamer
    from tastytrade.dxfeed import Quote

    with start_blocking_portal() as portal:
        streamer = DXLinkStreamer(session)
        with portal.wrap_async_context_manager(streamer.__asynccontextmanager__()):
            portal.call(streamer.subscribe, Quote, ["SPY"])
            assert portal.call(streamer.get_event, Quote).event_symbol == "SPY"
            assert portal.call(streamer.unsubscribe_all, Quote) is None


def test_a_worker_polls_without_waiting(session: tastytrade.Session) -> None:
    from tastytrade import DXLinkStreamer
    from tastytrade.dxfeed import Trade

    async def main() -> Trade:
        async with asyncio.timeout(DEADLINE), DXLinkStreamer(session) as streamer:
            assert streamer.get_event_nowait(Trade) is None
            await streamer.subscribe(Trade, ["SPX"], refresh_interval=0)
            while (trade := streamer.get_event_nowait(Trade)) is None:
                await asyncio.sleep(0.01)
            return trade

    assert asyncio.run(main()).event_symbol == "SPX"


def test_install_is_undone(session: tastytrade.Session) -> None:
    from tastytrade import DXLinkStreamer

    assert isinstance(session, tastytrade.Session)
    dxstream.install()
    dxstream.uninstall()
    assert not issubclass(tastytrade.DXLinkStreamer, DXLinkStreamer)
    assert tastytrade.streamer.MAP_EVENTS["Quote"] is tastytrade.dxfeed.Quote
    assert issubclass(tastytrade.dxfeed.Quote, tastytrade.dxfeed.Event)
    assert not hasattr(tastytrade.dxfeed, "AccountUpdate")
