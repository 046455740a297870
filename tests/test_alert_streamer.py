"""The alert streamer in the form of the SDK's, with the SDK's models and without."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tastytrade
import tastytrade.session
from conftest import DEADLINE, until, until_in_loop
from tastytrade.account import AccountBalance, CurrentPosition
from tastytrade.order import PlacedOrder
from tastytrade.watchlists import Watchlist

import dxstream
from dxstream import AuthenticationError
from dxstream.compat.alerts import AlertStreamer
from dxstream.exchange import Accounts, Exchange, Market
from dxstream.faults import AccountFault, Refuse

NUMBER = "SIM00001"


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    accounts = Accounts(orders_per_minute=0, opening_orders=2)
    with Exchange(Market(symbols=("SPY",)), accounts=accounts) as running:
        yield running


@pytest.fixture
def session(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> tastytrade.Session:
    monkeypatch.setattr(tastytrade.session, "API_URL", exchange.api_url)
    return tastytrade.Session("secret", "token")


@pytest.fixture
def streamer(exchange: Exchange, session: tastytrade.Session) -> Iterator[AlertStreamer]:
    made = AlertStreamer(session)
    made.base_url = exchange.account_url
    with made as opened:
        yield opened


def test_orders_positions_and_balances_are_the_sdks_own_models(
    exchange: Exchange, streamer: AlertStreamer, session: tastytrade.Session
) -> None:
    async def accounts() -> list[tastytrade.Account]:
        async with session:
            return await tastytrade.Account.get(session)

    [account] = asyncio.run(accounts())
    streamer.subscribe_accounts([account]).result(DEADLINE)
    order_id = exchange.place_order(NUMBER, "SPY", -500)
    orders: Iterator[PlacedOrder] = streamer.listen(PlacedOrder)
    order = next(order for order in orders if order.status == "Filled")
    assert (type(order), order.id) == (PlacedOrder, order_id)
    position: CurrentPosition = next(streamer.listen(CurrentPosition))
    assert (position.symbol, position.quantity_direction) == ("SPY", "Short")
    assert position.quantity > 0
    balance: AccountBalance = next(streamer.listen(AccountBalance))
    assert (balance.account_number, type(balance.cash_balance)) == (NUMBER, Decimal)
    assert streamer.request_id == 1


def test_what_stood_before_is_not_told_until_a_connection_is_made_again(
    exchange: Exchange, streamer: AlertStreamer
) -> None:
    streamer.subscribe_accounts([NUMBER]).result(DEADLINE)
    positions = streamer.listen(CurrentPosition)
    exchange.notify(NUMBER, json.dumps({"type": "CurrentPosition", "data": {}}))
    until(lambda: positions._queue.next() is None and streamer.rejected["CurrentPosition"] == 1)
    exchange.close_account_connections(1012, "restart")
    assert next(positions).account_number == NUMBER


def test_an_alert_that_the_model_refuses_harms_no_other(
    exchange: Exchange, streamer: AlertStreamer, caplog: pytest.LogCaptureFixture
) -> None:
    streamer.subscribe_accounts([NUMBER]).result(DEADLINE)
    streamer.subscribe_public_watchlists().result(DEADLINE)
    watchlist = {"name": "High", "group-name": "G", "order-index": 1, "watchlist-entries": []}
    exchange.notify(NUMBER, json.dumps({"type": "PublicWatchlists", "data": {"name": 5}}))
    exchange.notify(NUMBER, json.dumps({"type": "PublicWatchlists", "data": watchlist}))
    assert next(streamer.listen(Watchlist)).name == "High"
    assert streamer.rejected == {"PublicWatchlists": 1}
    assert "PublicWatchlists is passed over: ValidationError" in caplog.text


def test_each_listener_gets_every_alert(exchange: Exchange, streamer: AlertStreamer) -> None:
    streamer.subscribe_accounts([NUMBER]).result(DEADLINE)
    first, second = (streamer.listen(PlacedOrder) for _ in range(2))
    order = exchange.place_order(NUMBER, "SPY", 1)
    assert {next(first).id, next(second).id} == {order}


def test_refusals_are_raised_where_they_are_awaited(
    exchange: Exchange, streamer: AlertStreamer, session: tastytrade.Session
) -> None:
    with pytest.raises(ValueError, match="subscribe an account before"):
        streamer.subscribe_quote_alerts()
    exchange.set_account_faults([AccountFault(Refuse(), at="connect", times=None)])
    with pytest.raises(AuthenticationError):
        streamer.subscribe_accounts([NUMBER]).result(DEADLINE)
    with pytest.raises(AuthenticationError):
        next(streamer.listen(PlacedOrder))
    with pytest.raises(TypeError, match="no class of alerts; there are AccountBalance"):
        streamer.listen(int)
    with pytest.raises(ValueError, match="no account is given"):
        streamer.subscribe_accounts([])
    with pytest.raises(TypeError, match="external_id"):
        streamer.subscribe_user_messages(session)
    with pytest.raises(TypeError, match="account updates need"):
        AlertStreamer("sim://").__enter__()


def test_functions_of_older_versions_are_called(
    exchange: Exchange, session: tastytrade.Session
) -> None:
    called: list[tuple[str, object]] = []
    again = threading.Event()

    async def lost(streamer: AlertStreamer, word: str) -> None:
        called.append((word, streamer))

    def made(streamer: AlertStreamer, word: str) -> None:
        called.append((word, streamer))
        again.set()

    streamer = AlertStreamer(session, ("lost",), lost, ("made",), made)
    streamer.base_url = exchange.account_url

    async def main() -> None:
        opened = await streamer
        await opened.subscribe_accounts([NUMBER])
        exchange.close_account_connections(1012, "restart")
        await until_in_loop(again.is_set)
        await opened.close()

    asyncio.run(main())
    assert called == [("lost", streamer), ("made", streamer)]


def test_without_the_sdk_alerts_are_records(exchange: Exchange) -> None:
    code = f"""
import sys
sys.modules["tastytrade"] = None
import importlib.util
importlib.util.find_spec = lambda name, *_: None
import asyncio, dxstream
del sys.modules["tastytrade"]
dxstream.install()
from tastytrade import Account, AlertStreamer, Session
from tastytrade.order import PlacedOrder

async def main():
    session = Session("a", "b", base_url={exchange.api_url!r}, account_url={exchange.account_url!r})
    async with AlertStreamer(session) as streamer:
        await streamer.subscribe_accounts(await Account.get(session))
        print("ready", flush=True)
        async for order in streamer.listen(PlacedOrder):
            print(type(order).__name__, order.underlying_symbol, order.legs[0].quantity)
            break

asyncio.run(main())
"""
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    exchange.place_order(NUMBER, "SPY", 7)
    out, _ = program.communicate(timeout=DEADLINE)
    assert (program.returncode, out) == (0, "PlacedOrder SPY 7\n")


def test_a_streamer_that_is_left_open_holds_no_exit_up(exchange: Exchange) -> None:
    code = f"""
import time
from dxstream import Session
from dxstream.compat.alerts import AlertStreamer
session = Session("a", "b", base_url={exchange.api_url!r}, account_url={exchange.account_url!r})
streamer = AlertStreamer(session).__enter__()
streamer.subscribe_accounts([{NUMBER!r}]).result()
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], timeout=60, check=False)
    assert done.returncode == 0
    until(lambda: exchange.account_stats().connections == 0)


def test_a_streamer_is_opened_once_and_not_pickled(streamer: AlertStreamer) -> None:
    with pytest.raises(dxstream.StreamerClosedError, match="make a new one"):
        streamer.__enter__()
    with pytest.raises(TypeError, match="cannot be pickled"):
        streamer.__reduce_ex__(4)
    from httpx2.websockets import HTTPXWSException

    with pytest.raises(HTTPXWSException):
        streamer.fail()


def test_recorded_orders_pass_through_the_sdks_models(
    exchange: Exchange, streamer: AlertStreamer
) -> None:
    folder = Path(__file__).parents[2] / "shared" / "data" / "account"
    if not folder.exists():
        pytest.skip("the recorded account messages are not there")
    streamer.subscribe_accounts([NUMBER]).result(DEADLINE)
    expected: list[Any] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            frame = json.loads(line)["frame"]
            exchange.notify(NUMBER, json.dumps(frame))
            if frame.get("type") == "Order":
                expected.append(frame["data"])
    orders: Iterator[PlacedOrder] = streamer.listen(PlacedOrder)
    for data in expected:
        order = next(orders)
        assert (order.id, order.status.value) == (data["id"], data["status"])
    assert len(expected) == 18
    assert not streamer.rejected
