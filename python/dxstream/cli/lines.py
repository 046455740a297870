"""Events as lines of text."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from dxstream.dxfeed import Event, Greeks, Quote, Trade, TradeETH

__all__ = ["line", "table"]


def price(value: float | None) -> str:
    """Write a price: at least two places, and all that it has."""
    if value is None or math.isnan(value):
        return "-"
    return max(f"{value:.2f}", repr(value), key=len)


def size(value: float | None) -> str:
    """Write a size, without places where it has none."""
    if value is None or math.isnan(value):
        return "-"
    return repr(float(value)).removesuffix(".0")


def ratio(value: float | None) -> str:
    """Write a sensitivity or volatility, to four places."""
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _clock(milliseconds: int) -> str:
    if milliseconds <= 0:
        return "-"
    try:
        time = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return "-"
    return f"{time:%H:%M:%S}.{milliseconds % 1000:03}"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _body(event: Event) -> tuple[int, str]:
    match event:
        case Quote():
            bid = f"{price(event.bid_price):>9} x {size(event.bid_size):<6}"
            ask = f"{price(event.ask_price):>9} x {size(event.ask_size):<6}"
            return max(event.bid_time, event.ask_time), f"bid {bid} ask {ask}"
        case Trade() | TradeETH():
            volume = size(event.day_volume)
            traded = f"{price(event.price):>9} x {size(event.size):<6}"
            return event.time, f"    {traded} day volume {volume}"
        case Greeks():
            names = ("delta", "gamma", "theta", "vega")
            greeks = "  ".join(f"{name} {ratio(getattr(event, name)):>8}" for name in names)
            return event.time, f"iv {ratio(event.volatility)}  {greeks}"
    text = repr(event).partition("(")[2].removesuffix(")")
    return getattr(event, "time", 0), text.partition(", ")[2]


def line(event: Event) -> str:
    """Write an event: its time in UTC, type, symbol and values."""
    time, body = _body(event)
    start = f"{_clock(time):>12}  {type(event).__name__:8} {_printable(event.event_symbol):20}"
    return f"{start} {body}".rstrip()


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Arrange rows in columns, the first to the left and the others to the right."""
    cells = [list(heads), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
