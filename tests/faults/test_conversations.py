"""Servers that speak DXLink, but not as agreed: other fields, answers too many or too few."""

import pytest
from conftest import DEADLINE, until
from healing import bid, change, flows, reconnected, server, stream, subscribed

from dxstream import ProtocolError
from dxstream.dxfeed import Quote, Trade
from dxstream.faults import Close, Fault, Inject, Omit, Reconfigure, Repeat, Rewrite

ORDERS = [
    Reconfigure(Quote, ("askPrice", "eventSymbol", "bidPrice", "bidSize")),
    Reconfigure(Quote, ("eventSymbol", "bidPrice")),
    Reconfigure(data_format="FULL"),
    Reconfigure(Quote, ("bidPrice", "eventSymbol"), data_format="FULL"),
]


@pytest.mark.parametrize("change", ORDERS, ids=repr)
def test_rows_are_read_by_the_fields_that_hold_when_they_come(change: Reconfigure) -> None:
    back = Reconfigure(Quote, ("eventSymbol", "askPrice", "bidPrice"), data_format="COMPACT")
    faults = [
        Fault(change, after="FEED_DATA", number=1),
        Fault(back, after="FEED_DATA", number=2),
    ]
    with server(*faults) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        listener = streamer.listen(Quote)
        subscribed(exchange)
        for price in (1.5, 2.5, 3.5):
            exchange.publish(Quote("A", bid_price=price, ask_price=price + 1))
            quote = next(listener)
            assert (quote.event_symbol, quote.bid_price) == ("A", price)
            # A field that is not served is unknown, never another's value.
            assert quote.ask_price == price + 1 or quote.ask_price != quote.ask_price
        stats = streamer.stats()
        assert (stats.rejected_rows, stats.rejected_blocks) == (0, 0)


def test_rows_without_a_symbol_are_counted_and_complained_of() -> None:
    nobody = Rewrite('"eventSymbol"', '"nobody"')
    unreadable = Fault(nobody, at="FEED_CONFIG", times=None, connection=1)
    with server(unreadable) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        exchange.publish(Quote("A", bid_price=1))
        until(lambda: streamer.stats().rejected_blocks == 1)
        assert "FEED_CONFIG cannot be used" in streamer.stats().complaints[0]
        assert bid(streamer) is None
        # With the next connection the fields can be read.
        exchange.close_connections(1012)
        until(lambda: bid(streamer) == 1)


def test_data_before_its_configuration_is_read_as_it_was_asked_for() -> None:
    with (
        server(Fault(Omit(), at="FEED_CONFIG", times=None)) as exchange,
        stream(exchange) as streamer,
    ):
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        flows(exchange, streamer, 2)
        assert streamer.stats().complaints == ()


@pytest.mark.parametrize(
    ("point", "number"),
    [
        ("SETUP", 1),
        ("AUTH_STATE", 2),
        ("CHANNEL_OPENED", 1),
        ("FEED_CONFIG", 1),
        ("KEEPALIVE", 1),
    ],
)
def test_an_answer_that_comes_twice_changes_nothing(point: str, number: int) -> None:
    twice = Fault(Repeat(times=3), at=point, number=number)
    with server(twice) as exchange, stream(exchange, keepalive_timeout=0.4) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        until(lambda: exchange.stats().faults == (1,))
        flows(exchange, streamer, 2)
        assert (streamer.state, exchange.stats().errors) == ("connected", 0)
        requests = [of for of in exchange.received() if "CHANNEL_REQUEST" in of]
        assert len(requests) == 1 + streamer.epoch


def test_data_that_comes_twice_is_given_twice() -> None:
    with server(Fault(Repeat(), at="FEED_DATA")) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        listener = streamer.listen(Quote)
        flows(exchange, streamer, 1)
        flows(exchange, streamer, 2)
        assert [next(listener).bid_price for _ in range(3)] == [1, 1, 2]


@pytest.mark.parametrize("point", ["SETUP", "CHANNEL_OPENED", "AUTH_STATE"])
def test_an_answer_that_never_comes_is_asked_for_over_a_new_connection(point: str) -> None:
    missing = Fault(Omit(), at=point, connection=2)
    with server(missing) as exchange, stream(exchange, connect_timeout=0.3) as streamer:
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        exchange.close_connections(1012)
        reconnected(streamer)
        flows(exchange, streamer)


def test_what_is_about_nothing_that_is_known_is_passed_over() -> None:
    strange = [
        Inject.message("MARKET_MOOD", mood="good"),
        Inject.message("MARKET_MOOD", 1, mood="good"),
        Inject.message("CHANNEL_OPENED", 77, service="FEED", parameters={}),
        Inject.message("CHANNEL_CLOSED", 77),
        Inject.message("FEED_CONFIG", 77, eventFields={"Quote": ["bidPrice"]}),
        Inject.message("FEED_CONFIG", 1, eventFields={"Mood": ["eventSymbol"]}),
        Inject.message("FEED_DATA", 77, data=["Quote", ["A", 7]]),
        Inject.message("FEED_DATA", 1, data=["Mood", ["A", 7]]),
    ]
    faults = [Fault(action, after="FEED_DATA") for action in strange]
    with server(*faults) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        flows(exchange, streamer, 2)
        stats = streamer.stats()
        assert stats.rejected_blocks == 2
        assert (stats.malformed_frames, stats.complaints, streamer.epoch) == (0, (), 0)


def test_a_channel_that_is_closed_unasked_is_opened_again() -> None:
    with server() as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        exchange.set_faults([Fault(Inject.message("CHANNEL_CLOSED", 1), after="FEED_DATA")])
        flows(exchange, streamer, 2)
        until(lambda: any("FEED_SUBSCRIPTION" in of and ":3" in of for of in exchange.received()))
        until(lambda: len(streamer.stats().complaints) == 1)
        assert "closed the channel of Quote; it is reopened" in streamer.stats().complaints[0]
        assert streamer.epoch == 0
        listener = streamer.listen(Quote)
        exchange.publish(Quote("A", bid_price=3))
        until(lambda: bid(streamer) == 3)
        assert next(listener).event_symbol == "A"


def test_a_channel_that_is_closed_again_and_again_ends_the_connection() -> None:
    closed = [
        Fault(
            Inject.message("CHANNEL_CLOSED", channel),
            after="CHANNEL_OPENED",
            times=None,
            connection=1,
        )
        for channel in range(1, 30, 2)
    ]
    with server(*closed) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, "A", 0)
        reconnected(streamer)
        flows(exchange, streamer)
        assert "again and again" in (change(streamer).reason or "")


FINAL = ["UNSUPPORTED_PROTOCOL", "INVALID_MESSAGE", "BAD_ACTION"]
PASSING = ["TIMEOUT", "UNKNOWN"]


def error(kind: str, channel: int = 0) -> Inject:
    return Inject.message("ERROR", channel, error=kind, message="This is a test.")


@pytest.mark.parametrize("kind", FINAL)
def test_an_error_in_the_handshake_that_will_not_change_ends_the_streamer(kind: str) -> None:
    with (
        server(Fault(error(kind), at="SETUP", connection=2)) as exchange,
        stream(exchange) as streamer,
    ):
        exchange.close_connections(1012)
        with pytest.raises(ProtocolError, match=f"the server says {kind}: This is a test"):
            streamer.get_event(Quote).result(DEADLINE)
        assert exchange.stats().attempts == 2


@pytest.mark.parametrize("kind", PASSING)
def test_an_error_in_the_handshake_that_may_pass_is_tried_again(kind: str) -> None:
    with (
        server(Fault(error(kind), at="SETUP", connection=2)) as exchange,
        stream(exchange) as streamer,
    ):
        streamer.subscribe(Quote, "A", 0)
        subscribed(exchange)
        exchange.close_connections(1012)
        reconnected(streamer)
        flows(exchange, streamer)
        assert change(streamer, f"the server says {kind}").attempt == 2


@pytest.mark.parametrize("channel", [0, 1])
@pytest.mark.parametrize("kind", [*FINAL, *PASSING])
def test_an_error_later_is_counted_and_told(kind: str, channel: int) -> None:
    with (
        server(Fault(error(kind, channel), after="FEED_DATA")) as exchange,
        stream(exchange) as streamer,
    ):
        streamer.subscribe(Quote, "A", 0)
        flows(exchange, streamer, 1)
        flows(exchange, streamer, 2)
        stats = streamer.stats()
        assert (stats.server_errors, streamer.epoch) == (1, 0)
        about = " (channel of Quote)" if channel else ""
        assert stats.complaints == (f"the server says {kind}: This is a test.{about}",)


def test_an_error_and_the_close_after_it_heal_like_a_close() -> None:
    faults = [
        Fault(error("TIMEOUT"), after="FEED_DATA", connection=1),
        Fault(Close(1000, "Bye"), after="FEED_DATA", connection=1),
    ]
    with server(*faults) as exchange, stream(exchange) as streamer:
        streamer.subscribe(Quote, ["A"], 0)
        streamer.subscribe(Trade, ["A"], 0)
        subscribed(exchange, 2)
        exchange.publish(Quote("A", bid_price=1))
        reconnected(streamer)
        subscribed(exchange, 2)
        assert change(streamer).delay == 0
        assert streamer.stats().server_errors == 1
