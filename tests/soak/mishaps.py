"""What goes wrong: each kind of fault, from its beginning to its end."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any

from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, FaultProxy
from dxstream.faults import (
    Action,
    Close,
    Cut,
    Expire,
    Fault,
    Inject,
    Omit,
    Reconfigure,
    Respond,
    Stall,
)

SILENCE = 3.0
"""Seconds of silence after which the client takes the exchange for dead."""

ANSWER = 3.0
"""Seconds that the client gives each step of connecting, and each answer."""

LONGEST = 8.0
"""Seconds after which a fault that has not happened is taken back."""

OTHER_ORDER = (
    "eventSymbol", "askSize", "askPrice", "bidSize", "bidPrice", "askTime", "bidTime",
    "askExchangeCode", "bidExchangeCode", "timeNanoPart", "sequence", "eventTime",
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """The exchange, the proxy before it, and the draw of what happens to them."""

    exchange: Exchange
    proxy: FaultProxy
    draw: random.Random
    over: Flag

    def hold(self, least: float, most: float) -> None:
        """Leave things as they are for a while."""
        self.over.wait(self.draw.uniform(least, most))

    def until(self, happened: Callable[[], bool]) -> bool:
        """Wait until something has happened, and say whether it has."""
        limit = time.monotonic() + LONGEST
        while not happened():
            if time.monotonic() > limit or self.over.wait(0.01):
                return happened()
        return True

    def fault(self, action: Action, **where: Any) -> bool:
        """Let the exchange do something wrong once, and say whether it did."""
        self.exchange.set_faults([Fault(action, **where)])
        try:
            return self.until(lambda: self.exchange.stats().faults[0] > 0)
        finally:
            self.exchange.set_faults([])

    def next_time(self, action: Action, **where: Any) -> bool:
        """End the connection, and let the exchange do something wrong to the next."""
        self.exchange.set_faults([Fault(action, connection=1, **where)])
        self.proxy.drop()
        try:
            return self.until(lambda: self.exchange.stats().faults[0] > 0)
        finally:
            self.exchange.set_faults([])


def _drop(scene: Scene, *, reset: bool) -> bool:
    before = scene.proxy.stats().cut
    scene.proxy.drop(reset=reset)
    return scene.until(lambda: scene.proxy.stats().cut > before)


def _cut_in_a_frame(scene: Scene) -> bool:
    cut = Cut(bytes=scene.draw.randint(1, 3_000), reset=scene.draw.random() < 0.5)
    return scene.fault(cut, at="FEED_DATA", connection=0)


def _cut_early(scene: Scene) -> bool:
    """Cut the connection, which is beyond the byte, and the next when it comes to it."""
    before = scene.proxy.stats().cut
    stream, most = scene.draw.choice((("server", 500_000), ("client", 60_000)))
    after, reset = scene.draw.randrange(most), scene.draw.random() < 0.5
    scene.proxy.cut(after, stream=stream, reset=reset, connections=2)
    happened = scene.until(lambda: scene.proxy.stats().cut > before + 1)
    scene.proxy.cut(None, stream=stream)
    return happened


def _corrupt(scene: Scene) -> bool:
    """Change a byte of the next connection, its handshake included."""
    before = scene.proxy.stats().corrupted
    stream, most = scene.draw.choice((("server", 3_000_000), ("client", 60_000)))
    # Of ASCII, all bits flipped make no text, so that no wrong value can come of it.
    scene.proxy.corrupt(scene.draw.randrange(most), stream=stream)
    scene.proxy.drop()
    happened = scene.until(lambda: scene.proxy.stats().corrupted > before)
    scene.proxy.corrupt(None, stream=stream)
    return happened


def _freeze(scene: Scene, least: float, most: float) -> bool:
    scene.proxy.freeze()
    scene.hold(least, most)
    scene.proxy.thaw()
    return True


def _refuse(scene: Scene) -> bool:
    scene.proxy.refuse()
    scene.proxy.drop(reset=scene.draw.random() < 0.5)
    scene.hold(0.5, 3)
    scene.proxy.accept()
    return True


def _trickle(scene: Scene) -> bool:
    scene.proxy.trickle(scene.draw.randint(10_000, 200_000))
    scene.hold(0.5, 2)
    scene.proxy.trickle(None)
    return True


def _delay(scene: Scene) -> bool:
    scene.proxy.delay(scene.draw.uniform(0.05, 0.5))
    scene.hold(0.5, 2)
    scene.proxy.delay(0)
    return True


def _slow_way_back(scene: Scene) -> bool:
    """End the connection, and let all that the client asks for again be late."""
    before = scene.exchange.stats().accepted
    scene.proxy.delay(scene.draw.uniform(0.1, 0.5))
    scene.proxy.drop()
    happened = scene.until(lambda: scene.exchange.stats().accepted > before)
    scene.hold(1, 4)
    scene.proxy.delay(0)
    return happened


def _freeze_while_it_asks(scene: Scene) -> bool:
    """End the connection, and move nothing while the client asks for everything again."""
    before = scene.exchange.stats().accepted
    scene.proxy.drop()
    happened = scene.until(
        lambda: (
            scene.exchange.stats().accepted > before and scene.exchange.stats().subscriptions > 0
        )
    )
    return _freeze(scene, 1.2, SILENCE - 0.5) and happened


def _close(scene: Scene, code: int, reason: str = "") -> bool:
    scene.exchange.close_connections(code, reason)
    return True


def _stall(scene: Scene) -> bool:
    stall = Stall(bytes=scene.draw.randrange(2_000), reading=scene.draw.random() < 0.7)
    return scene.fault(stall, at="FEED_DATA", connection=0)


def _stop_in_handshake(scene: Scene) -> bool:
    point = scene.draw.choice(
        ("accept", "upgrade", "SETUP", "AUTH_STATE", "CHANNEL_OPENED", "FEED_CONFIG")
    )
    # Of a connection that has just come, nothing is said in part.
    said = 0 if point == "accept" else scene.draw.randrange(20)
    action: Action = scene.draw.choice((Stall(), Cut(bytes=said)))
    return scene.next_time(action, at=point)


def _omit(scene: Scene) -> bool:
    return scene.next_time(Omit(), at=scene.draw.choice(("AUTH_STATE", "CHANNEL_OPENED")))


def _unavailable(scene: Scene) -> bool:
    status = scene.draw.choice((429, 500, 503))
    return scene.next_time(Respond(status, {"Retry-After": "1"}), at="upgrade")


def _garbage(scene: Scene, times: int) -> bool:
    payload = scene.draw.choice(("{", b"\0", '["FEED_DATA"]', '{"type":"FEED_DATA"'))
    return scene.fault(Inject(payload, times=times), after="FEED_DATA", connection=0)


def _no_text(scene: Scene) -> bool:
    return scene.fault(Inject(b"\xff", text=True), after="FEED_DATA", connection=0)


def _encode(scene: Scene, reconfigure: Reconfigure) -> bool:
    """Encode rows in another way for a while."""
    happened = scene.fault(reconfigure, after="FEED_DATA", connection=0)
    scene.hold(0.5, 1.5)
    back = Reconfigure(data_format="COMPACT")
    return scene.fault(back, after="FEED_DATA", connection=0) and happened


def _expire(scene: Scene) -> bool:
    by = scene.draw.choice(("AUTH_STATE", "ERROR"))
    return scene.fault(Expire(by=by), after="FEED_DATA", connection=0)


MISHAPS: dict[str, Callable[[Scene], bool]] = {
    "FIN": lambda scene: _drop(scene, reset=False),
    "RST": lambda scene: _drop(scene, reset=True),
    "cut in a frame": _cut_in_a_frame,
    "cut early": _cut_early,
    "changed byte": _corrupt,
    "short freeze": lambda scene: _freeze(scene, 0.1, 1),
    "long freeze": lambda scene: _freeze(scene, SILENCE + 0.5, SILENCE + 2),
    "slow way back": _slow_way_back,
    "freeze as it asks": _freeze_while_it_asks,
    "refused": _refuse,
    "trickle": _trickle,
    "delay": _delay,
    "close 1012": lambda scene: _close(scene, 1012, "restart"),
    "close 1011": lambda scene: _close(scene, 1011),
    "close 1000 Bye": lambda scene: _close(scene, 1000, "Bye"),
    "silence": _stall,
    "handshake stops": _stop_in_handshake,
    "no answer": _omit,
    "HTTP refusal": _unavailable,
    "some garbage": lambda scene: _garbage(scene, scene.draw.randint(1, 9)),
    "much garbage": lambda scene: _garbage(scene, 100),
    "no UTF-8": _no_text,
    "FULL": lambda scene: _encode(scene, Reconfigure(data_format="FULL")),
    "other columns": lambda scene: _encode(scene, Reconfigure(Quote, OTHER_ORDER)),
    "token expires": _expire,
    "close in data": lambda scene: scene.fault(Close(1001), after="FEED_DATA", connection=0),
}
"""The kinds, each of which says whether it happened."""
