"""Account updates through a streamer, beside its market data."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import DEADLINE, until

from dxstream import (
    AuthenticationError,
    DXLinkStreamer,
    Endpoint,
    Session,
    SubscriptionError,
)
from dxstream.dxfeed import AccountUpdate, Quote, Trade
from dxstream.exchange import Accounts, Exchange, Market
from dxstream.faults import AccountFault, Omit, Refuse

ACCOUNT = Path(__file__).parents[2] / "shared" / "data" / "account"
NUMBER = "SIM00001"


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    accounts = Accounts(numbers=(NUMBER, "SIM00002"), orders_per_minute=0, opening_orders=2)
    with Exchange(Market(symbols=("SPY", "AAPL")), accounts=accounts) as running:
        yield running


@pytest.fixture
def session(exchange: Exchange) -> Session:
    urls = exchange.api_url, exchange.account_url
    return Session("secret", "token", base_url=urls[0], account_url=urls[1])


@pytest.fixture
def streamer(session: Session) -> Iterator[DXLinkStreamer]:
    with DXLinkStreamer(session) as connected:
        yield connected


def snapshot(streamer: DXLinkStreamer) -> list[AccountUpdate]:
    """Take updates to the end of the snapshot."""
    taken = []
    while True:
        update = streamer.get_event(AccountUpdate).result(DEADLINE)
        taken.append(update)
        if update.type == "SNAPSHOT_END_UPDATE":
            return taken


def test_an_account_begins_with_how_it_stands(session: Session, streamer: DXLinkStreamer) -> None:
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    *updates, _ = snapshot(streamer)
    assert all(update.snapshot and update.account_number == NUMBER for update in updates)
    told = {update.symbol: update.quantity for update in updates if "quantity" in dir(update)}
    items = session.get(f"/accounts/{NUMBER}/positions").result()["data"]["items"]
    assert told == {
        item["symbol"]: Decimal(item["quantity"])
        * (-1 if item["quantity-direction"] == "Short" else 1)
        for item in items
    }
    [balance] = [update for update in updates if update.type == "BALANCE_UPDATE"]
    assert balance.buying_power == balance.derivative_buying_power


def test_an_order_is_told_with_its_position_and_balance(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    cash = next(u.cash_balance for u in snapshot(streamer) if u.type == "BALANCE_UPDATE")
    order = exchange.place_order(NUMBER, "SPY", -100)
    seen: dict[str, AccountUpdate] = {}
    for update in streamer.listen(AccountUpdate):
        assert not update.snapshot
        assert (update.timestamp or 0) > 1_600_000_000_000
        seen[update.type] = update
        filled = "ORDER_UPDATE" in seen and seen["ORDER_UPDATE"].status == "Filled"
        if filled and len(seen) == 3:
            break
    assert seen["ORDER_UPDATE"].id == order
    fills = [fill for leg in seen["ORDER_UPDATE"].legs for fill in leg.fills]
    assert sum(fill.quantity for fill in fills) == 100
    position = seen["POSITION_UPDATE"]
    assert (position.symbol, position.quantity_direction) == ("SPY", "Short")
    assert position.quantity < 0
    assert seen["BALANCE_UPDATE"].cash_balance > cash


def test_a_position_has_the_value_of_the_market(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.place_order(NUMBER, "SPY", 50)
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    listener = streamer.listen(AccountUpdate)
    position = next(u for u in listener if u.type == "POSITION_UPDATE" and u.symbol == "SPY")
    assert position.market_value is None
    for event_type in (Trade, Quote):
        streamer.subscribe(event_type, "SPY")
        until(partial(streamer.latest, event_type, "SPY"))
        price = float(position.market_value / position.quantity)
        assert abs(price - 598.5) < 60
    quote = streamer.latest(Quote, "SPY")
    assert quote is not None
    assert abs(price - quote.mid_price) < 5


def test_every_listener_gets_every_update_of_its_accounts(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(AccountUpdate, [NUMBER, "SIM00002"]).result(DEADLINE)
    first, second = (streamer.listen(AccountUpdate) for _ in range(2))
    of_one = streamer.listen(AccountUpdate, "SIM00002")
    exchange.notify(NUMBER, note(NUMBER, "a"))
    exchange.notify("SIM00002", note("SIM00002", "a"))
    for listener in (first, second):
        notes = [next(u for u in listener if u.type == "NOTE_UPDATE") for _ in range(2)]
        assert [update.account_number for update in notes] == [NUMBER, "SIM00002"]
    assert next(u for u in of_one if u.type == "NOTE_UPDATE").account_number == "SIM00002"
    streamer.unsubscribe(AccountUpdate, NUMBER)
    exchange.notify(NUMBER, note(NUMBER, "b"))
    exchange.notify("SIM00002", note("SIM00002", "b"))
    assert next(first).account_number == "SIM00002"
    streamer.unsubscribe_all(AccountUpdate)
    stats = second.stats()
    assert stats.received == stats.delivered + stats.pending + stats.dropped + stats.filtered


def note(number: str, text: str) -> str:
    data = {"account-number": number, "text": text}
    return json.dumps({"type": "Note", "data": data})


def test_the_first_listener_begins_with_what_came_whichever_accounts_it_names(
    streamer: DXLinkStreamer,
) -> None:
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    assert next(streamer.listen(AccountUpdate, NUMBER)).snapshot


def test_a_later_listener_takes_nothing_from_get_event(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    snapshot(streamer)
    first = streamer.listen(AccountUpdate)
    exchange.notify(NUMBER, note(NUMBER, "before"))
    assert next(first).text == "before"
    assert streamer.get_event(AccountUpdate).result(DEADLINE).text == "before"
    second = streamer.listen(AccountUpdate)
    exchange.notify(NUMBER, note(NUMBER, "after"))
    assert next(second).text == "after"
    assert streamer.get_event(AccountUpdate).result(DEADLINE).text == "after"


@pytest.mark.parametrize(
    "name",
    ["quantconnect_captured_order_stream_2026-09.jsonl", "control_and_sandbox_fill.jsonl"],
)
def test_recorded_messages_come_as_they_were(
    exchange: Exchange, streamer: DXLinkStreamer, name: str
) -> None:
    if not (ACCOUNT / name).exists():
        pytest.skip("the recorded account messages are not there")
    frames = [json.loads(line)["frame"] for line in (ACCOUNT / name).read_text().splitlines()]
    told = [frame for frame in frames if "type" in frame]
    for frame in told:
        frame["data"]["account-number"] = NUMBER
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    snapshot(streamer)
    for frame in frames:
        exchange.notify(NUMBER, json.dumps(frame))
    for frame in told:
        update = streamer.get_event(AccountUpdate).result(DEADLINE)
        assert dict(update) == frame["data"]
        assert (update.raw_type, update.timestamp) == (frame["type"], frame["timestamp"])
        assert update.sequence == frame.get("ws-sequence")


def test_messages_that_nobody_knows_or_can_read_harm_nothing(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    snapshot(streamer)
    for text in ("no JSON", "[1, 2]", '{"type": 7}', '{"type": "Odd", "data": [1]}'):
        exchange.notify(NUMBER, text)
    exchange.notify(NUMBER, '{"type": "Odd", "data": {"some-value": "1.5"}, "timestamp": 5}')
    update = streamer.get_event(AccountUpdate).result(DEADLINE)
    while not hasattr(update, "some_value"):
        update = streamer.get_event(AccountUpdate).result(DEADLINE)
    assert (update.type, update.some_value, update.timestamp) == ("ODD_UPDATE", Decimal("1.5"), 5)


def test_the_account_of_somebody_else_is_refused_and_named(streamer: DXLinkStreamer) -> None:
    with pytest.raises(SubscriptionError, match="OTHER is not one of this login's"):
        streamer.subscribe(AccountUpdate, ["OTHER"]).result(DEADLINE)


def test_a_connect_that_is_refused_ends_what_listens(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.set_account_faults([AccountFault(Refuse(), at="connect", times=None)])
    asked = streamer.subscribe(AccountUpdate, [NUMBER])
    with pytest.raises(AuthenticationError):
        next(streamer.listen(AccountUpdate))
    with pytest.raises(AuthenticationError):
        asked.result(DEADLINE)


def test_what_ended_the_accounts_is_raised_by_the_end_where_nobody_listened(
    exchange: Exchange, session: Session
) -> None:
    exchange.set_account_faults([AccountFault(Refuse(), at="connect", times=None)])
    streamer = DXLinkStreamer(session)
    streamer.__enter__()
    streamer.subscribe(AccountUpdate, [NUMBER])
    accounts = streamer._account_updates()
    until(lambda: accounts.state == "failed")
    with pytest.raises(AuthenticationError):
        streamer.__exit__(None, None, None)


def test_lost_connections_and_revoked_tokens_are_healed_and_told_by_a_snapshot(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    snapshot(streamer)
    exchange.expire_access_tokens()
    exchange.close_account_connections(1012, "restart")
    exchange.place_order(NUMBER, "AAPL", 30)
    updates = snapshot(streamer)
    assert any(u.type == "POSITION_UPDATE" and u.symbol == "AAPL" for u in updates)


def test_a_server_that_forgets_heartbeats_does_no_harm(
    exchange: Exchange, streamer: DXLinkStreamer
) -> None:
    exchange.set_account_faults([AccountFault(Omit(), at="heartbeat", times=None)])
    streamer.subscribe(AccountUpdate, [NUMBER]).result(DEADLINE)
    assert snapshot(streamer)


def test_what_cannot_be_asked_for_says_why(exchange: Exchange, streamer: DXLinkStreamer) -> None:
    with pytest.raises(SubscriptionError, match="no account is subscribed"):
        streamer.listen(AccountUpdate)
    with pytest.raises(SubscriptionError, match="no account is subscribed"):
        streamer.get_event_nowait(AccountUpdate)
    with pytest.raises(ValueError, match="no account number"):
        streamer.subscribe(AccountUpdate, [])
    with pytest.raises(TypeError, match="must be a string, not int"):
        streamer.subscribe(AccountUpdate, [NUMBER, 5])  # type: ignore[list-item]
    with pytest.raises(SubscriptionError, match="no account is subscribed"):
        streamer.listen(AccountUpdate)
    with pytest.raises(ValueError, match="no history"):
        streamer.subscribe(AccountUpdate, [NUMBER], from_time=0)
    choices: list[dict[str, Any]] = [
        {"policy": "latest"},
        {"buffer": 5},
        {"overflow": "raise"},
        {"gaps": True},
    ]
    for choice in choices:
        with pytest.raises(ValueError, match="account updates have no policy"):
            streamer.listen(AccountUpdate, **choice)
    with pytest.raises(TypeError, match="event class"):
        streamer.snapshot(AccountUpdate)  # type: ignore[type-var]
    with (
        DXLinkStreamer(Endpoint(exchange.url, "any")) as bare,
        pytest.raises(TypeError, match=r"account updates need a dxstream\.Session"),
    ):
        bare.subscribe(AccountUpdate, [NUMBER])


def test_accounts_come_with_the_exchange_inside_the_process() -> None:
    async def main() -> set[str]:
        seen: set[str] = set()
        async with DXLinkStreamer("sim://?orders_per_minute=600") as streamer:
            await streamer.subscribe(AccountUpdate, ["SIM00001"])
            async for update in streamer.listen(AccountUpdate):
                if not update.snapshot:
                    seen.add(update.type)
                if {"ORDER_UPDATE", "POSITION_UPDATE", "BALANCE_UPDATE"} <= seen:
                    return seen
        return seen

    assert len(asyncio.run(asyncio.wait_for(main(), DEADLINE))) == 3
