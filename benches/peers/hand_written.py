"""Runs of the clients that are written by hand."""

import asyncio
from importlib import import_module
from typing import Any

import uvloop
from benches.peers import transports
from benches.peers.feed import Counted
from benches.peers.quotes import SlottedQuote, struct_quote
from benches.peers.readers import Columns, Latency, Objects, Store
from benches.peers.run import Found, Run

SNAPSHOTS_EVERY = 0.1


def _decoder(name: str) -> Any:
    if name == "orjson":
        return import_module("orjson").loads
    return import_module("msgspec").json.Decoder().decode


def _reader(run: Run, decoder: str) -> Counted:
    decode = _decoder(decoder)
    symbols = run.expected.symbols
    make = struct_quote() if decoder == "msgspec" else SlottedQuote
    match run.way:
        case "async for" | "listen":
            return Objects(decode, symbols, run.rows, make)
        case "latency":
            return Latency(decode, symbols, run.rows, make)
        case "store" | "kept":
            return Store(decode, symbols, run.rows)
        case "batches" | "columns":
            return Columns(decode, symbols, run.rows)
    msg = f"there is no way {run.way!r} written by hand"
    raise ValueError(msg)


async def _snapshots(store: Store) -> None:
    while store.left:
        await asyncio.sleep(SNAPSHOTS_EVERY)
        if store.last:
            store.snapshot()


async def _stream(run: Run, transport: str, reader: Counted) -> None:
    receive = getattr(transports, transport)(run.url, reader)
    if run.way == "kept" and isinstance(reader, Store):
        await asyncio.gather(receive, _snapshots(reader))
    else:
        await receive


def measure(run: Run) -> Found:
    """Run a client whose name is that of its WebSocket library and its JSON decoder."""
    transport, decoder = run.client.split(" + ")
    reader = _reader(run, decoder)
    uvloop.run(_stream(run, transport, reader))
    run.expected.check(run.rows - reader.left, reader.total, reader.latest())
    found = Found.of(run.rows - reader.first, reader.seconds, reader.cpu_seconds)
    return found.with_ages(reader.ages) if isinstance(reader, Latency) else found
