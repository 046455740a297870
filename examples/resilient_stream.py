"""Stream over a server that goes away: nothing to write for it, but to look at what was missed.

Run it as it is: it starts an exchange, and lets it drop its connections.
"""

import asyncio

from dxstream import DXLinkStreamer, Gap, ReconnectPolicy
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, Market


async def main() -> None:
    """Print the first quote after each loss, and the gap before it."""
    policy = ReconnectPolicy(min_delay=0.05, max_delay=0.5)
    with Exchange(Market(quotes_per_second=20)) as exchange:
        async with DXLinkStreamer(exchange.url, reconnect=policy) as streamer:
            await streamer.subscribe(Quote, ["AAPL", "SPY"])
            survived = 0
            fresh = True
            async for item in streamer.listen(Quote, gaps=True):
                if isinstance(item, Gap):
                    ms = item.to_time - item.from_time
                    print(f"missed {ms} ms of {', '.join(item.types)}: {item.reason}")
                    survived += 1
                    fresh = True
                elif fresh:
                    print(f"{item.symbol}: {item.bid_price:.2f} x {item.ask_price:.2f}")
                    if survived == 2:
                        break
                    fresh = False
                    exchange.close_connections(1012, "restart")
            print(f"{streamer.epoch} times connected again")


if __name__ == "__main__":
    asyncio.run(main())
