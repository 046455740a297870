"""The process of the exchange: it publishes, goes wrong, and speaks with the client's process.

It reads a line for each look of the client, ``seen`` with the time of the last sale that came and
how many events wait there, and the lines ``calm``, ``finish`` and ``count``. It writes a line of
JSON for what the client's process should know. It ends with its standard input.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from threading import Condition, Event, Lock, Thread
from typing import ParamSpec

from dxstream.exchange import Exchange, FaultProxy, Rules
from soak.market import Publisher
from soak.mishaps import MISHAPS, Scene

P = ParamSpec("P")

TICK = 0.01
"""Seconds between two publications."""

LOOK = 0.1
"""Seconds between two looks whether it is over."""

MOST_BEHIND = 0.5
"""Seconds of events that are made up for where the machine did not keep up; more are left out."""

MOST_WAITING = 100_000
"""Events that wait at the client, beyond which nothing is published: it is to lose none by this."""

TOKENS = 20_000

BACK = 45.0
"""Seconds within which the client has to receive again after a fault is over."""


class Talk:
    """The lines to the client's process, and what it said last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._told = Condition()
        self.seen = 0
        self.waiting = 0

    def say(self, **what: object) -> None:
        """Write a line."""
        with self._lock:
            print(json.dumps(what), flush=True)

    def told(self, work: Callable[P, None]) -> Callable[P, None]:
        """Return what does the work of a thread, and tells the client's process if it fails."""

        def run(*arguments: P.args, **named: P.kwargs) -> None:
            try:
                work(*arguments, **named)
            except Exception as error:
                self.say(trouble=f"{work.__name__} raised {error!r}")
                raise

        return run

    def hear(self, seen: int, waiting: int) -> None:
        """Take note of what the client has received."""
        with self._told:
            self.seen, self.waiting = seen, waiting
            self._told.notify_all()

    def wait_until_seen(self, moment: int, seconds: float, over: Event) -> bool:
        """Wait until the client received what was published after a moment, or it is over."""
        limit = time.monotonic() + seconds
        with self._told:
            while self.seen <= moment and not over.is_set() and time.monotonic() < limit:
                self._told.wait(LOOK)
            return self.seen > moment


def publish(exchange: Exchange, publisher: Publisher, talk: Talk, rate: int, stop: Event) -> None:
    """Publish at a rate until it is told to stop."""
    made_until = time.monotonic()
    while not stop.wait(TICK):
        now = time.monotonic()
        if talk.waiting > MOST_WAITING:
            made_until = now
            continue
        made_until = max(made_until, now - MOST_BEHIND)
        count = int((now - made_until) * rate)
        seconds = count / rate
        made_until += seconds
        exchange.publish(*publisher.events(count, seconds, time.monotonic_ns()))


def go_wrong(scene: Scene, talk: Talk) -> None:
    """Make faults until it is told to stop: each kind once, in any order, then each again."""
    kinds: list[str] = []
    while not scene.over.wait(scene.draw.uniform(1, 3)):
        if not kinds:
            kinds = sorted(MISHAPS)
            scene.draw.shuffle(kinds)
        kind = kinds.pop()
        happened = MISHAPS[kind](scene)
        over = time.monotonic_ns()
        if happened or not scene.over.is_set():
            talk.say(fault=kind, happened=happened)
        # One in four may come while the client is busy with the one before.
        if scene.draw.random() < 0.75:
            if talk.wait_until_seen(over, BACK, scene.over):
                talk.say(back=kind, seconds=(time.monotonic_ns() - over) / 1e9)
            elif not scene.over.is_set():
                talk.say(lost=kind, seconds=BACK)


def main() -> None:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    tokens = tuple(f"soak-{number}" for number in range(TOKENS))
    talk, publisher = Talk(), Publisher()
    calm, finished = Event(), Event()
    with (
        Exchange(None, rules=Rules(tokens=tokens)) as exchange,
        FaultProxy(exchange.url) as proxy,
    ):
        exchange.publish(*publisher.first())
        scene = Scene(exchange, proxy, random.Random(options.seed), calm)
        publishing = Thread(
            target=talk.told(publish), args=(exchange, publisher, talk, options.rate, finished)
        )
        wrong = Thread(target=talk.told(go_wrong), args=(scene, talk))
        began = time.monotonic()
        publishing.start()
        talk.say(url=proxy.url)
        for line in sys.stdin:
            match line.split():
                case ["seen", seen, waiting]:
                    talk.hear(int(seen), int(waiting))
                case ["faults"]:
                    wrong.start()
                case ["calm"]:
                    calm.set()
                    wrong.join()
                    talk.say(calm=time.monotonic_ns())
                case ["finish"]:
                    finished.set()
                    publishing.join()
                    seconds = time.monotonic() - began
                    talk.say(published=(publisher.made, seconds), last=publisher.last())
                case ["count"]:
                    stats = exchange.stats()
                    talk.say(subscriptions=stats.subscriptions, events=sum(stats.events.values()))
        calm.set()
        finished.set()


if __name__ == "__main__":
    main()
