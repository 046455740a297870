"""Watch an option chain: prices, volatilities and greeks as arrays, joined by symbol.

Run it as it is: it starts an exchange with a synthetic market. With a server of your own, pass its
endpoint to `DXLinkStreamer` and the streamer symbols of the chain to `watch`.
"""

from collections.abc import Sequence

import numpy as np

from dxstream import DXLinkStreamer
from dxstream.analytics import chain_pivot, mid, parse_options
from dxstream.dxfeed import Greeks, Quote
from dxstream.exchange import Exchange, Market


def watch(streamer: DXLinkStreamer, options: Sequence[str], seconds: float = 5.0) -> None:
    """Wait until the chain is there, then print it: strikes down, calls left and puts right."""
    for event_type in (Quote, Greeks):
        _, missing = streamer.collect(event_type, options, timeout=seconds).result()
        if missing:
            print(f"no {event_type.__name__} of {len(missing)} contracts, such as {missing[0]}")
        streamer.subscribe(event_type, options)
    prices = mid(streamer.snapshot(Quote, options))
    greeks = streamer.snapshot(Greeks, options)
    chain = parse_options(options)
    price, volatility, delta = (
        chain_pivot(chain, values).values[0] for values in (prices, greeks.volatility, greeks.delta)
    )
    print(f"{'call':>8}{'iv':>8}{'delta':>8}{'strike':>9}{'delta':>8}{'iv':>8}{'put':>8}")
    for row, strike in enumerate(np.unique(chain.strike)):
        call, put = ([of[row, right] for of in (price, volatility, delta)] for right in (0, 1))
        print(
            f"{call[0]:8.2f}{call[1]:8.1%}{call[2]:8.2f}{strike:9.1f}"
            f"{put[2]:8.2f}{put[1]:8.1%}{put[0]:8.2f}"
        )


def main() -> None:
    """Print the nearest expiry of AAPL once."""
    with Exchange(Market(symbols=("AAPL",))) as exchange:
        options = exchange.options("AAPL")
        expiry = parse_options(options).expiry
        nearest = [
            symbol for symbol, day in zip(options, expiry, strict=True) if day == expiry.min()
        ]
        with DXLinkStreamer(exchange.url) as streamer:
            watch(streamer, nearest)


if __name__ == "__main__":
    main()
