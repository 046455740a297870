"""Follow the volume of trades without a Python object for each: batches and numpy.

Run it as it is: it starts an exchange with a synthetic market.
"""

import time

import numpy as np

from dxstream import DXLinkStreamer
from dxstream.analytics import vwap_by_symbol
from dxstream.dxfeed import TimeAndSale

SYMBOLS = ("AAPL", "SPY", "TSLA")
LARGE = 400
"""Shares from which on a sale is printed by itself."""


def track(streamer: DXLinkStreamer, seconds: float) -> dict[str, tuple[int, float]]:
    """Return how many sales each symbol had, and their volume."""
    streamer.subscribe(TimeAndSale, SYMBOLS, 0)
    totals = dict.fromkeys(SYMBOLS, (0, 0.0))
    deadline = time.monotonic() + seconds
    for sales in streamer.batches(TimeAndSale, max_wait=0.5):
        for symbol in vwap_by_symbol(sales).symbols:
            rows = np.array(sales.symbols) == symbol
            count, volume = totals[symbol]
            totals[symbol] = count + int(rows.sum()), volume + float(sales.size[rows].sum())
        for sale in sales[sales.size >= LARGE]:
            print(f"large sale: {sale.event_symbol} {sale.size:,.0f} at {sale.price:.2f}")
        if time.monotonic() >= deadline:
            break
    return totals


def main() -> None:
    """Track for some seconds and print the totals."""
    with DXLinkStreamer("sim://?trades_per_second=50") as streamer:
        for symbol, (count, volume) in track(streamer, 3).items():
            average = volume / count if count else float("nan")
            print(f"{symbol}: {count} sales, {volume:,.0f} shares, {average:.1f} on average")


if __name__ == "__main__":
    main()
