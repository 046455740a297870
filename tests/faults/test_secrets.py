"""What the other tests of this folder listen to for a token, and that they would hear it."""

import logging
from typing import TYPE_CHECKING

import pytest
from conftest import until
from healing import CANARY, SOON, change, flows, server, stream

from dxstream import AuthenticationError, ConnectionLostError, DXLinkStreamer, Endpoint
from dxstream.dxfeed import Quote
from dxstream.faults import Fault, Inject

if TYPE_CHECKING:
    from faults.conftest import Told

WORD = "word-that-is-told"


def heard(told: "Told") -> bool:
    return any(WORD in text for text in told.texts())


def test_what_is_logged_or_printed_would_be_heard(
    told: "Told", capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("dxstream").log(1, "%s", WORD)
    assert heard(told)
    told._caplog.clear()
    assert not heard(told)
    assert capfd.readouterr().out == ""
    print(WORD)  # noqa: T201
    assert heard(told)


def test_what_errors_and_states_say_would_be_heard(told: "Told") -> None:
    with server() as exchange, stream(exchange) as streamer:
        exchange.close_connections(1011, WORD)
        assert WORD in (change(streamer).reason or "")
    assert heard(told)
    with server() as exchange:
        exchange.stop()
    with pytest.raises(ConnectionLostError), stream(exchange):
        pass
    assert told.errors
    told.error(ConnectionLostError(WORD))
    assert any(WORD in text for text in told.errors)


def test_a_session_that_fails_with_its_token_in_the_text_is_not_quoted(told: "Told") -> None:
    asked = []
    with server() as exchange:

        def session() -> Endpoint:
            asked.append(1)
            if len(asked) == 2:
                msg = f"no connection to https://example.com/?token={CANARY}"
                raise OSError(msg)
            return Endpoint(exchange.url, CANARY)

        with DXLinkStreamer(session, reconnect=SOON) as streamer:
            streamer.subscribe(Quote, "A", 0)
            exchange.close_connections(1012)
            flows(exchange, streamer)
            assert len(asked) == 3
            assert change(streamer, "the session gave no new endpoint: OSError").delay is not None
    assert any("OSError" in text for text in told.texts())


def test_a_refused_token_is_not_quoted() -> None:
    with server(tokens=("another",)) as exchange:
        with pytest.raises(AuthenticationError, match="refused the token"), stream(exchange):
            pass
        assert any(CANARY in message for message in exchange.received())


def test_a_server_that_repeats_the_token_is_not_quoted(told: "Told") -> None:
    said = Inject.message("ERROR", error="UNKNOWN", message=f"token={CANARY} is odd")
    columns = {"Quote": [CANARY, CANARY]}
    unusable = Inject.message("FEED_CONFIG", 1, eventFields=columns)
    faults = [Fault(action, after="FEED_DATA", connection=1) for action in (said, unusable)]
    with server(*faults) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer)
        until(lambda: len(streamer.stats().complaints) == 2)
        assert "UNKNOWN: token=*** is odd" in streamer.stats().complaints[0]
        assert "***" in streamer.stats().complaints[1]
        exchange.close_connections(1011, f"bye {CANARY}")
        assert (change(streamer).reason or "").endswith("1011 bye ***")
        until(lambda: streamer.gaps)
        assert streamer.gaps[0].reason.endswith("1011 bye ***")
    assert any("1011 bye ***" in text for text in told.texts())


def test_a_server_that_refuses_the_token_and_repeats_it_is_not_quoted() -> None:
    refusal = Inject.message("ERROR", error="UNAUTHORIZED", message=f"{CANARY} has expired")
    with (
        server(Fault(refusal, at="AUTH_STATE", number=2)) as exchange,
        pytest.raises(AuthenticationError, match=r"UNAUTHORIZED: \*\*\* has expired"),
        stream(exchange),
    ):
        pass
