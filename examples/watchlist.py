"""Change what is subscribed while another task listens.

Run it as it is: it starts an exchange with a synthetic market.
"""

import asyncio

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Quote


async def show(streamer: DXLinkStreamer) -> None:
    """Print which symbols tick, whenever that changes."""
    shown: set[str] = set()
    async for table in streamer.batches(Quote, max_wait=0.5, policy="latest", fields=["bid_price"]):
        ticking = set(table.symbols)
        if ticking != shown:
            print("ticking:", " ".join(sorted(ticking)), flush=True)
            shown = ticking


async def main() -> None:
    """Add symbols, and take one away."""
    async with DXLinkStreamer("sim://?quotes_per_second=50") as streamer:
        await streamer.subscribe(Quote, ["AAPL"])
        showing = asyncio.create_task(show(streamer))
        await asyncio.sleep(1.2)
        # No symbol is asked for twice, however often it is named.
        await streamer.subscribe(Quote, ["AAPL", "SPY", "QQQ"])
        await asyncio.sleep(1.2)
        await streamer.unsubscribe(Quote, ["AAPL"])
        await asyncio.sleep(1.2)
        showing.cancel()
        print(streamer)


if __name__ == "__main__":
    asyncio.run(main())
