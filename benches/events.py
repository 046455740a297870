"""What an event costs in Python: to make from a row and free, and to read.

Each figure is the best of several runs, in nanoseconds. Making is measured in a loop inside of the
extension; the other figures are statements of Python, less the time of the empty statement.
"""

import platform
import time
import timeit
from collections.abc import Callable

from dxstream._dxstream import _Rows
from dxstream.dxfeed import Quote, TimeAndSale

EVENTS = 1_000_000
RUNS = 5

QUOTE = Quote(
    "AAPL",
    bid_time=1_684_559_855_000,
    bid_exchange_code="Q",
    bid_price=150.0,
    bid_size=100.0,
    ask_time=1_684_559_855_000,
    ask_exchange_code="Z",
    ask_price=150.01,
    ask_size=300.0,
)
SALE = TimeAndSale(
    "AAPL",
    index=7_235_129_486_797_176_832,
    time=1_684_559_855_338,
    price=150.0,
    size=100.0,
    exchange_sale_conditions="@ TI",
    aggressor_side="BUY",
    type="NEW",
)
STATEMENTS = [
    "quote.event_symbol",
    "quote.bid_price",
    "quote.bid_time",
    "quote.bid_exchange_code",
    "quote.mid_price",
    "quote.bid_time_utc",
    "quote == twin",
    "hash(quote)",
    "repr(quote)",
    "Quote('AAPL', bid_price=150.0)",
]


def main() -> None:
    """Measure and print."""
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    for event in (QUOTE, SALE):
        report(f"make and free a {type(event).__name__}", churn(event))
    empty = statement("pass")
    for source in STATEMENTS:
        report(source, statement(source) - empty)


def report(name: str, seconds: float) -> None:
    """Print one figure."""
    print(f"{name:32} {seconds * 1e9:7.1f} ns")


def churn(event: Quote | TimeAndSale) -> float:
    """Return the seconds that it takes to make an event from its row and to free it."""
    rows = _Rows([event])
    return best(lambda: rows.churn(EVENTS)) / EVENTS


def best(run: Callable[[], object]) -> float:
    """Return the seconds of the fastest run."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def statement(source: str) -> float:
    """Return the seconds that a statement takes."""
    names = {"quote": QUOTE, "twin": Quote(**QUOTE.as_dict()), "Quote": Quote}
    return min(timeit.repeat(source, globals=names, number=EVENTS // 5, repeat=RUNS)) / (
        EVENTS // 5
    )


if __name__ == "__main__":
    main()
