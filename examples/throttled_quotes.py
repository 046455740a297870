"""Print each symbol's quote a few times a second, however often it changes.

Run it as it is: it starts an exchange with a synthetic market.
"""

import time

from dxstream import DXLinkStreamer
from dxstream.analytics import mid, spread_bps
from dxstream.dxfeed import Quote


def main() -> None:
    """Print tables of what changed for some seconds, and what was left out."""
    with DXLinkStreamer("sim://?quotes_per_second=200") as streamer:
        streamer.subscribe(Quote, ["AAPL", "SPY"], 0)
        batches = streamer.batches(Quote, max_rate=4, max_wait=0.2)
        deadline = time.monotonic() + 3
        for quotes in batches:
            for symbol, price, spread in zip(
                quotes.symbols, mid(quotes), spread_bps(quotes), strict=True
            ):
                print(f"{symbol:6}{price:10.2f}{spread:8.2f} bp")
            if time.monotonic() >= deadline:
                break
        stats = batches.stats()
        print(f"{stats.received} quotes came, {stats.delivered} were shown")


if __name__ == "__main__":
    main()
