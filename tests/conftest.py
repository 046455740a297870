"""What tests share: an exchange, and waiting for things to become true."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dxstream import ReconnectPolicy
from dxstream.exchange import Exchange, Rules

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would the programs
# that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DEADLINE = 20.0
"""Seconds after which something that should happen counts as not happening."""


NO_RECONNECT = ReconnectPolicy(max_attempts=0)
"""For streamers whose first loss is to be final."""


def until(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Wait until a condition holds; fail after the deadline."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "the condition did not come true in time"
        time.sleep(0.001)


async def until_in_loop(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Let the event loop run until a condition holds; fail after the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


def io_threads() -> int:
    """Count the I/O threads of this process."""
    count = 0
    for task in Path("/proc/self/task").iterdir():
        # A thread may end while it is looked at.
        with suppress(OSError):
            count += (task / "comm").read_text().strip() == "dxstream-io"
    return count


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """Run an exchange that sends only what a test publishes."""
    with Exchange(None, rules=Rules(received_limit=1000)) as running:
        yield running
