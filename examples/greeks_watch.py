"""Print the greeks of options that are named as their clearing house does.

Run it as it is: it starts an exchange with a synthetic market, and names the options nearest to the
money. OCC symbols, `AAPL  250117C00150000`, may stand wherever symbols do.
"""

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Greeks, Quote
from dxstream.exchange import Exchange, Market
from dxstream.symbology import parse_options, to_occ


def near_the_money(options: list[str], spot: float, count: int) -> list[str]:
    """Choose the options of the first expiry nearest to a price, and name them by OCC symbol."""
    chain = parse_options(options)
    first = chain.expiry == chain.expiry.min()
    nearest = abs(chain.strike - spot).argsort(kind="stable")
    return to_occ([options[at] for at in nearest if first[at]][:count])


def main() -> None:
    """Print each option once, and which of them are deep in the money."""
    with Exchange(Market(symbols=("AAPL",))) as exchange, DXLinkStreamer(exchange.url) as streamer:
        quotes, _ = streamer.collect(Quote, "AAPL").result()
        symbols = near_the_money(exchange.options("AAPL"), quotes["AAPL"].mid_price, 6)
        found, missing = streamer.collect(Greeks, symbols).result()
        for symbol, greeks in found.items():
            print(
                f"{symbol}  delta {greeks.delta:6.3f}  gamma {greeks.gamma:.4f}"
                f"  theta {greeks.theta:6.3f}  vega {greeks.vega:.3f}"
                f"  iv {greeks.implied_volatility:.1%}"
            )
        for symbol in missing:
            print(f"{symbol}  nothing came")


if __name__ == "__main__":
    main()
