"""Watch a stream: print how it is, and name the symbols of which nothing comes.

Run it as it is: it starts an exchange with a synthetic market.
"""

import time

from dxstream import DXLinkStreamer
from dxstream.dxfeed import Quote


def main() -> None:
    """Print the health of a stream a few times, and how long its events take."""
    with DXLinkStreamer("sim://") as streamer:
        # The last is an option without the point that dxFeed puts before it.
        streamer.subscribe(Quote, ["AAPL", "SPY", "AAPL250117C150"], 0)
        listener = streamer.listen(Quote)
        deadline = time.monotonic() + 2
        next_look = 0.0
        for _ in listener:
            if time.monotonic() >= next_look:
                print(streamer.health(older_than=0.5))
                next_look = time.monotonic() + 0.5
            if time.monotonic() >= deadline:
                break
        waited = streamer.stats().parse_to_delivery
        print(f"taken after {waited.p50 * 1e6:.0f} us, 99 % after {waited.p99 * 1e6:.0f} us")


if __name__ == "__main__":
    main()
