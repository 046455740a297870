"""WebSocket clients of others, carrying a :class:`~benches.peers.feed.Feed`."""

import asyncio
from importlib import import_module
from typing import Any

from benches.peers.feed import SETUP, Counted


async def picows(url: str, feed: Counted) -> None:
    """Read on picows: a callback for each frame, on the loop's thread."""
    ws = import_module("picows")
    done = asyncio.get_running_loop().create_future()

    class Listener(ws.WSListener):  # type: ignore[name-defined, misc]
        def on_ws_connected(self, transport: Any) -> None:
            transport.send(ws.WSMsgType.TEXT, SETUP.encode())

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            try:
                replies = feed.frame(frame.get_payload_as_memoryview())
                if replies is None:
                    if not feed.left:
                        transport.disconnect()
                else:
                    for reply in replies:
                        transport.send(ws.WSMsgType.TEXT, reply.encode())
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
                transport.disconnect()

        def on_ws_disconnected(self, _transport: Any) -> None:
            if not done.done():
                done.set_result(None)

    await ws.ws_connect(Listener, url, enable_auto_ping=False)
    await done


async def websockets(url: str, feed: Counted) -> None:
    """Read on websockets, without compression and without limits that would slow it down."""
    client = import_module("websockets.asyncio.client")
    async with client.connect(
        url, compression=None, ping_interval=None, max_queue=None, proxy=None
    ) as socket:
        await socket.send(SETUP)
        while feed.left:
            for reply in feed.frame(await socket.recv(decode=False)) or ():
                await socket.send(reply)


async def aiohttp(url: str, feed: Counted) -> None:
    """Read on aiohttp."""
    client = import_module("aiohttp")
    async with (
        client.ClientSession() as session,
        session.ws_connect(url, compress=0, max_msg_size=0) as socket,
    ):
        await socket.send_str(SETUP)
        while feed.left:
            message = await socket.receive()
            for reply in feed.frame(message.data) or ():
                await socket.send_str(reply)
