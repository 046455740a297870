"""Every Python block of the document that dxstream's users wrote runs as it stands there.

The blocks are run by ``dxstream run`` against an exchange with a market and an account, with the
tastytrade SDK installed and without. What a block needs and does not make (its session, a function
that its text leaves to the reader) stands in a file before it; the block itself is unchanged.
"""

import os
import re
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dxstream.exchange import Accounts, Exchange, Market

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT.parent / "shared" / "reference" / "streaming-services-api.md"

SYMBOL = "(AAPL|GOOGL|MSFT|SPY|QQQ)"
PRICE = r"\$\d+(\.\d+)?"

# For each block, in order: a name, seconds, what it prints, and what stands before and after it.
BLOCKS: list[tuple[str, float, list[str], str, str]] = [
    ("the streamer's form", 1, [], "", "print('closed:', streamer.state)"),
    (
        "basic quotes",
        3,
        [
            rf"{SYMBOL}: {PRICE} x {PRICE}",
            rf"  Spread: {PRICE}",
            r"  Size: \d+(\.\d+)? x \d+(\.\d+)?",
        ],
        "",
        "",
    ),
    ("a quote handler", 3, [r"Tight spread on SPY: 0\.\d{3}%"], "", ""),
    (
        "trades",
        3,
        [
            rf"AAPL Trade: [\d,.]+ @ {PRICE}",
            r"  Time: \d{13}",
            r"  Exchange: [A-Z]",
            r"  Conditions: None",
        ],
        "",
        "",
    ),
    (
        "a volume tracker",
        14,
        [rf"{SYMBOL} Stats: \{{'total_volume': .*, 'trade_count': 100, 'avg_size': .*\}}"],
        "",
        "",
    ),
    (
        "greeks",
        3,
        [
            r"AAPL  250117[CP]00150000:",
            r"  Delta: -?\d\.\d{3}",
            r"  Gamma: \d\.\d{4}",
            r"  Theta: -?\d+\.\d{3}",
            r"  Vega: \d+\.\d{3}",
            r"  IV: \d+\.\d%",
        ],
        "",
        "",
    ),
    (
        "a chain monitor",
        4,
        [
            r"AAPL  250117C00150000 \['ask', 'bid', 'delta', 'gamma', 'iv', 'last', .*",
            r"AAPL  250117P00140000 \['ask', 'bid', 'delta', 'gamma', 'iv', 'last', .*",
        ],
        """
        async def _watch():
            while True:
                await asyncio.sleep(0.5)
                for symbol, values in monitor.strikes.items():
                    print(symbol, sorted(values))

        _watching = asyncio.ensure_future(_watch())
        """,
        "",
    ),
    (
        "balances",
        4,
        [
            r"Account Update: BALANCE_UPDATE",
            r"Account Update: POSITION_UPDATE",
            r"  NLV: \$[\d,]+\.\d\d",
            r"  Buying Power: \$[\d,]+\.\d\d",
            r"  Cash: \$-?[\d,]+\.\d\d",
        ],
        "",
        "",
    ),
    (
        "a position monitor",
        8,
        [r"Position Alert: \{'type': 'POSITION_CHANGE', 'symbol': 'SPY', .*"],
        "",
        "",
    ),
    (
        "filters and handlers",
        4,
        [rf"Filtered quote: (AAPL|SPY) {PRICE}", r"Large trade: (AAPL|SPY) [\d.]+"],
        "",
        "",
    ),
    (
        "a robust streamer",
        4,
        [
            r"Stream connected, processing data\.\.\.",
            rf"Quote: (AAPL|SPY) {PRICE}",
            rf"Trade: AAPL [\d.]+ @ {PRICE}",
        ],
        "",
        "",
    ),
    ("subscription management", 3, [r"Quote: SPY", r"Quote: QQQ"], "", ""),
    ("rate limiting", 4, [rf"Throttled quote: (AAPL|SPY) {PRICE}"], "", ""),
    (
        "health monitoring",
        4,
        [r"\{'uptime': .*'total_messages': [1-9]\d*, .*'Quote_AAPL': [1-9]\d*.*"],
        """
        async def process_stream_data(data):
            assert data.bid_price < data.ask_price
        """,
        """
        async with DXLinkStreamer(session) as streamer:
            await streamer.subscribe(Quote, ['AAPL', 'SPY'])
            async for quote in streamer.listen(Quote):
                await monitored_stream_handler(quote)
                print(monitor.get_stats())
        """,
    ),
]


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    start = int(datetime(2025, 1, 6, 15, tzinfo=UTC).timestamp() * 1000)
    # Options of AAPL are listed around its price; the document's have strikes around 150.
    market = Market(start=start, prices={"AAPL": 150.0}, quotes_per_second=20, trades_per_second=40)
    with Exchange(market, accounts=Accounts(orders_per_minute=0)) as running:
        over = threading.Event()

        def trade() -> None:
            while not over.wait(0.5):
                running.place_order("SIM00001", "SPY", 200)

        trader = threading.Thread(target=trade)
        trader.start()
        yield running
        over.set()
        trader.join()


@pytest.fixture(scope="module")
def without_the_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with every installed package but the SDK."""
    packages = tmp_path_factory.mktemp("packages")
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith("tastytrade") and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    return packages


def run(
    exchange: Exchange, script: Path, seconds: float, packages: Path | None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TT_SECRET": "a secret", "TT_REFRESH": "a token"}
    python = [sys.executable, "-W", "error"]
    if packages is not None:
        # No site-packages but these.
        python.append("-S")
        environment["PYTHONPATH"] = f"{packages}:{ROOT / 'python'}"
    servers = ["--base-url", exchange.api_url, "--account-url", exchange.account_url]
    return subprocess.run(
        [*python, "-m", "dxstream", "run", "--seconds", str(seconds), *servers, script],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 90,
        env={**environment, "PYTHONUTF8": "1"},
    )


def dedented(text: str) -> str:
    return "\n".join(line.removeprefix("        ") for line in text.splitlines()) + "\n"


Runs = dict[tuple[int, bool], Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest,
    exchange: Exchange,
    without_the_sdk: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Runs]:
    """Run the blocks that are asked for side by side: most of their time they wait."""
    if not DOCUMENT.exists():
        pytest.skip("the document is not there")
    folder = tmp_path_factory.mktemp("blocks")
    chosen: list[tuple[Any, Any]] = [
        (item.callspec.params["at"], item.callspec.params["sdk"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == BLOCK_TEST
    ]
    with ThreadPoolExecutor(max_workers=6) as pool:
        begun: Runs = {}
        for at, sdk in chosen:
            _, seconds, _, before, after = BLOCKS[at]
            script = folder / f"block{at}-{sdk}.py"
            script.write_text(dedented(before) + blocks()[at] + dedented(after))
            packages = None if sdk else without_the_sdk
            begun[at, sdk] = pool.submit(run, exchange, script, seconds, packages)
        yield begun


@pytest.mark.parametrize("sdk", [True, False], ids=["with the SDK", "without the SDK"])
@pytest.mark.parametrize("at", range(len(BLOCKS)), ids=[block[0] for block in BLOCKS])
def test_a_block_runs_as_it_stands(runs: Runs, at: int, sdk: bool) -> None:
    done = runs[at, sdk].result()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for pattern in BLOCKS[at][2]:
        assert any(re.fullmatch(pattern, line) for line in lines), (pattern, lines[:40])


BLOCK_TEST = test_a_block_runs_as_it_stands.__name__


def test_every_block_is_run() -> None:
    if not DOCUMENT.exists():
        pytest.skip("the document is not there")
    assert len(blocks()) == len(BLOCKS)


def test_the_sdk_is_hidden_where_it_is_to_be(without_the_sdk: Path) -> None:
    code = "import importlib.util as of; print(of.find_spec('tastytrade'), of.find_spec('numpy'))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(without_the_sdk)},
    )
    assert done.stdout.startswith("None ModuleSpec")
