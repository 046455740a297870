"""An exchange that publishes events of several types: ``python -m benches.peers.publish 4 100000``.

It says where it serves, waits until every symbol of every type is subscribed, and publishes as many
events as were asked for, the types in turns. It ends with its standard input.
"""

import sys
from itertools import cycle, islice
from threading import Event, Thread

from dxstream import dxfeed
from dxstream.exchange import Exchange, Rules

TYPES = ("Quote", "Trade", "Summary", "Profile", "TradeETH", "Greeks", "Underlying", "TheoPrice")
SYMBOLS = [f"SYM{number:04}" for number in range(1_000)]
CHUNK, PAUSE = 500, 0.005


def main() -> None:
    """Serve and publish."""
    types = [getattr(dxfeed, name) for name in TYPES[: int(sys.argv[1])]]
    over = Event()

    def hear() -> None:
        sys.stdin.read()
        over.set()

    Thread(target=hear, daemon=True).start()
    with Exchange(None, rules=Rules(lossless=True)) as exchange:
        print(exchange.url, flush=True)
        while exchange.stats().subscriptions < len(types) * len(SYMBOLS):
            if over.wait(PAUSE):
                return
        events = cycle([of(symbol) for symbol in SYMBOLS for of in types])
        left = int(sys.argv[2])
        while left and not over.wait(PAUSE):
            chunk = list(islice(events, min(left, CHUNK)))
            exchange.publish(*chunk)
            left -= len(chunk)
        over.wait()


if __name__ == "__main__":
    main()
