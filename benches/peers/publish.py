"""An exchange that publishes events of several types.

``python -m benches.peers.publish 4 1000 100000`` says where it serves, waits until 1,000 symbols of
each of 4 types are subscribed, and publishes 100,000 events, the types in turns. It ends with its
standard input.
"""

import sys
from itertools import cycle, islice
from threading import Event, Thread

from dxstream import dxfeed
from dxstream.cli.blast_rows import BlastRows
from dxstream.exchange import Exchange, Rules

TYPES = ("Quote", "Trade", "Summary", "Profile", "TradeETH", "Greeks", "Underlying", "TheoPrice")
CHUNK, PAUSE = 500, 0.005


def main() -> None:
    """Serve and publish."""
    count, symbol_count, left = map(int, sys.argv[1:])
    types = [getattr(dxfeed, name) for name in TYPES[:count]]
    symbols = BlastRows(left, symbol_count).symbols
    over = Event()

    def hear() -> None:
        sys.stdin.read()
        over.set()

    Thread(target=hear, daemon=True).start()
    with Exchange(None, rules=Rules(lossless=True)) as exchange:
        print(exchange.url, flush=True)
        while exchange.stats().subscriptions < len(types) * len(symbols):
            if over.wait(PAUSE):
                return
        events = cycle([of(symbol) for symbol in symbols for of in types])
        while left and not over.wait(PAUSE):
            chunk = list(islice(events, min(left, CHUNK)))
            exchange.publish(*chunk)
            left -= len(chunk)
        over.wait()


if __name__ == "__main__":
    main()
