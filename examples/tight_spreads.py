"""Hand each quote to a coroutine that tells tight spreads and large sizes.

Run it as it is: it starts an exchange with a synthetic market. With tastytrade, pass `Session()` in
place of "sim://".
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Quote


async def each_quote(
    streamer: DXLinkStreamer,
    symbols: Sequence[str],
    handler: Callable[[Quote], Awaitable[None]],
    count: int,
) -> None:
    """Give so many quotes of the symbols to a handler."""
    streamer.subscribe(Quote, symbols)
    async for quote in streamer.listen(Quote):
        await handler(quote)
        count -= 1
        if count == 0:
            break


async def tell(quote: Quote) -> None:
    """Print what stands out; one side of a quote may be unknown, and NaN compares as false."""
    percent = (quote.ask_price - quote.bid_price) / quote.bid_price * 100
    if percent < 0.01:
        print(f"{quote.symbol}: tight, {percent:.4f}%")
    if quote.bid_size > 400 or quote.ask_size > 400:
        print(f"{quote.symbol}: large, {quote.bid_size:.0f} x {quote.ask_size:.0f}")


async def main() -> None:
    """Watch three symbols for a hundred quotes."""
    async with DXLinkStreamer("sim://?quotes_per_second=20") as streamer:
        await each_quote(streamer, ["AAPL", "SPY", "QQQ"], tell, 100)


if __name__ == "__main__":
    asyncio.run(main())
