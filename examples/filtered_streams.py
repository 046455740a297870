"""Take several event types at once, through filters, each type to its own handler.

Run it as it is: it starts an exchange with a synthetic market.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Event, Quote, Trade

Filter = Callable[[Event], bool]
Handler = Callable[[Event], None]


async def stream(
    streamer: DXLinkStreamer,
    wanted: Mapping[type[Event], Sequence[str]],
    filters: Sequence[Filter],
    handlers: Mapping[type[Event], Handler],
) -> None:
    """Hand each event that passes all filters to the handler of its type."""

    async def of_type(event_type: type[Event]) -> None:
        async for event in streamer.listen(event_type):
            if all(passes(event) for passes in filters):
                handlers[event_type](event)

    for event_type, symbols in wanted.items():
        await streamer.subscribe(event_type, symbols)
    async with asyncio.TaskGroup() as tasks:
        for event_type in wanted:
            tasks.create_task(of_type(event_type))


def tell_quote(quote: Event) -> None:
    """Print a quote with the last price, which comes from the symbol's trades."""
    assert isinstance(quote, Quote)
    last = "no trade yet" if quote.last_price is None else f"last {quote.last_price:.2f}"
    print(f"quote {quote.symbol}: {quote.bid_price:.2f} x {quote.ask_price:.2f}, {last}")


def tell_trade(trade: Event) -> None:
    """Print a trade with the volume of its day."""
    assert isinstance(trade, Trade)
    print(f"trade {trade.symbol}: {trade.size:.0f} @ {trade.price:.2f}, {trade.volume:,.0f} today")


async def main() -> None:
    """Watch quotes and trades of two of three symbols for two seconds."""
    async with DXLinkStreamer("sim://?quotes_per_second=20", companions="subscribe") as streamer:
        wanted = {Quote: ["AAPL", "SPY", "QQQ"], Trade: ["AAPL", "SPY"]}
        watching = stream(
            streamer,
            wanted,
            [lambda event: event.symbol in ("AAPL", "SPY")],
            {Quote: tell_quote, Trade: tell_trade},
        )
        try:
            await asyncio.wait_for(watching, 2)
        except TimeoutError:
            print("enough")


if __name__ == "__main__":
    asyncio.run(main())
