"""What an event costs in Python: to make from a row and free, and to read.

Every figure is of a thousand times. Making is a loop inside of the extension; statements of Python
are in a loop whose own cost is that of ``pass``.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from dxstream._dxstream import _Rows
from dxstream.dxfeed import Quote, TimeAndSale

TIMES = 1000
BID_TIME = 1_684_559_855_000

QUOTE = Quote(
    "AAPL",
    bid_time=BID_TIME,
    bid_exchange_code="Q",
    bid_price=150.0,
    bid_size=100.0,
    ask_time=BID_TIME,
    ask_exchange_code="Z",
    ask_price=150.5,
    ask_size=300.0,
)
TWIN = Quote(**QUOTE.as_dict())
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
STATEMENTS: dict[str, object] = {
    "None": None,
    "quote.event_symbol": "AAPL",
    "quote.bid_price": 150.0,
    "quote.bid_time": BID_TIME,
    "quote.bid_exchange_code": "Q",
    "quote.mid_price": 150.25,
    "quote.bid_time_utc": datetime.fromtimestamp(BID_TIME / 1000, UTC),
    "quote == twin": True,
    "hash(quote)": hash(TWIN),
    "repr(quote)": repr(TWIN),
    "Quote('AAPL', bid_price=150.0)": Quote("AAPL", bid_price=150.0),
}
"""What is read, and its value."""


@pytest.mark.benchmark(group=f"making and freeing an event {TIMES:,} times")
@pytest.mark.parametrize("event", [QUOTE, SALE], ids=["Quote", "TimeAndSale"])
def test_making(benchmark: Any, event: Quote | TimeAndSale) -> None:
    rows = _Rows([event])
    benchmark(rows.churn, TIMES)
    assert rows[0] == event


@pytest.mark.benchmark(group=f"reading an event {TIMES:,} times")
@pytest.mark.parametrize("statement", STATEMENTS)
def test_reading(benchmark: Any, statement: str) -> None:
    names: dict[str, Any] = {"Quote": Quote}
    program = f"""
def read(quote, twin):
    for _ in range({TIMES}):
        value = {statement}
    return value
"""
    exec(program, names)
    assert benchmark(names["read"], QUOTE, TWIN) == STATEMENTS[statement]
