"""No fault test tells a token: neither in logs, errors, counts nor what is printed."""

import gc
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from healing import CANARY

from dxstream import DXLinkStreamer, DXStreamError, StreamerClosedError, metrics
from dxstream.connection import Connection


class Told:
    """Everything that a test's streamers tell."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self._caplog = caplog
        self._capfd = capfd
        self.errors: list[str] = []
        self.streamers: list[DXLinkStreamer] = []

    def forget(self) -> None:
        """Take what the streamers tell, and let go of them."""
        self.errors += list(self.texts())
        self.streamers.clear()

    def error(self, error: BaseException) -> None:
        self.errors += [repr(error), *traceback.format_exception(error)]

    def texts(self) -> Iterator[str]:
        yield from self.errors
        yield from self._capfd.readouterr()
        for phase in ("setup", "call"):
            for record in self._caplog.get_records(phase):
                yield repr(vars(record)) + record.getMessage()
                if record.exc_info and record.exc_info[1] is not None:
                    yield from traceback.format_exception(record.exc_info[1])
        for streamer in self.streamers:
            yield f"{streamer!r} {streamer!s} {streamer.session!r}"
            yield f"{streamer.gaps!r} {streamer.state}"
            try:
                states = streamer.states()
            except StreamerClosedError:
                # It never connected, and its error is among the others.
                continue
            yield repr(streamer.stats())
            yield metrics.render(streamer)
            yield from map(repr, states)


@pytest.fixture(autouse=True)
def told(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Told]:
    """Listen to everything, and fail if the canary was told."""
    told = Told(caplog, capfd)
    # Below DEBUG too, as what Rust's libraries say at TRACE.
    caplog.set_level(1)
    caplog.set_level(1, logger="dxstream")
    assert logging.getLogger("dxstream").isEnabledFor(1)
    make = Connection.__init__

    def made(streamer: DXLinkStreamer, *arguments: Any) -> None:
        make(streamer, *arguments)
        told.streamers.append(streamer)

    def failed(error: DXStreamError, *arguments: object) -> None:
        Exception.__init__(error, *arguments)
        told.error(error)

    monkeypatch.setattr(Connection, "__init__", made)
    monkeypatch.setattr(DXStreamError, "__init__", failed)
    yield told
    for streamer in told.streamers:
        streamer.close().result()
    assert not [text for text in told.texts() if CANARY in text]
    told.streamers.clear()
    gc.collect()
