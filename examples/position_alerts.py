"""Tell when a position changes by a hundred or more, while the program does other things.

Run it as it is: it starts an exchange with an account, and buys and sells there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

from dxstream import DXLinkStreamer, Session
from dxstream.dxfeed import AccountUpdate
from dxstream.exchange import Accounts, Exchange, Market

LARGE = 100


async def watch(streamer: DXLinkStreamer, number: str, alerts: asyncio.Queue[str]) -> None:
    """Keep an account's positions, and put a line into the queue for each large change."""
    positions: dict[str, Decimal] = {}
    await streamer.subscribe(AccountUpdate, [number])
    async for update in streamer.listen(AccountUpdate):
        if update.type == "POSITION_UPDATE":
            before = positions.get(update.symbol, Decimal(0))
            positions[update.symbol] = update.quantity
            if abs(update.quantity - before) >= LARGE:
                alerts.put_nowait(f"{update.symbol}: {before} -> {update.quantity}")


@asynccontextmanager
async def in_the_background(
    streamer: DXLinkStreamer, number: str
) -> AsyncIterator[asyncio.Queue[str]]:
    """Watch an account for as long as the block runs."""
    alerts: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(watch(streamer, number, alerts))
    try:
        yield alerts
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def main() -> None:
    """Trade, and print the alerts."""
    with Exchange(Market(), accounts=Accounts(orders_per_minute=0)) as exchange:
        session = Session(
            "secret", "token", base_url=exchange.api_url, account_url=exchange.account_url
        )
        async with (
            DXLinkStreamer(session) as streamer,
            in_the_background(streamer, "SIM00001") as alerts,
        ):
            for symbol, quantity in (("SPY", 300), ("AAPL", 150), ("SPY", -200)):
                exchange.place_order("SIM00001", symbol, quantity)
                print(await asyncio.wait_for(alerts.get(), 20))


if __name__ == "__main__":
    asyncio.run(main())
