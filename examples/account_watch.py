"""Print an account's balances, positions and orders as they change.

Run it as it is: it starts an exchange whose account SIM00001 trades by itself. With tastytrade,
pass `Session()` in place of "sim://", and a number of `session.accounts()`.
"""

import asyncio

from dxstream import DXLinkStreamer
from dxstream.dxfeed import AccountUpdate


def line(update: AccountUpdate) -> str:
    """Write an update in a line. A field that a message does not have is no attribute."""
    if update.type == "BALANCE_UPDATE":
        text = f"{update.net_liquidating_value:,.2f} in all, {update.buying_power:,.2f} to buy with"
    elif update.type == "POSITION_UPDATE":
        text = f"{update.quantity} {update.symbol}"
    elif update.type == "ORDER_UPDATE":
        text = f"{update.underlying_symbol} {update.order_type} {update.status}"
    else:
        text = ", ".join(update.as_dict())
    return f"{'as it stands' if update.snapshot else 'changed':14}{update.type:20}{text}"


async def main() -> None:
    """Print twelve updates: how things stand first, then what changes."""
    async with DXLinkStreamer("sim://?orders_per_minute=120") as streamer:
        await streamer.subscribe(AccountUpdate, ["SIM00001"])
        count = 0
        async for update in streamer.listen(AccountUpdate):
            print(line(update))
            count += 1
            if count == 12:
                break


if __name__ == "__main__":
    asyncio.run(main())
