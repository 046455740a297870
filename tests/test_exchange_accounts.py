"""The account side of the exchange, with the tastytrade SDK and a plain client as its clients."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import tastytrade.session
import tastytrade.streamer
from conftest import DEADLINE, NO_RECONNECT, until
from httpx2.websockets import WebSocketDisconnect, WebSocketSession
from tastytrade import Account, AlertStreamer, Session
from tastytrade.account import AccountBalance, CurrentPosition
from tastytrade.instruments import Equity, Future, FutureOption, Option
from tastytrade.market_data import get_market_data_by_type
from tastytrade.order import OrderStatus, PlacedOrder
from tastytrade.utils import TastytradeError

from dxstream import AuthenticationError, DXLinkStreamer, Endpoint
from dxstream.dxfeed import Quote
from dxstream.exchange import Accounts, Exchange, Market, Rules
from dxstream.faults import AccountFault, Close, Cut, Inject, Omit, Refuse, Respond, Stall

NUMBER = "SIM00001"
MARKET = Market(symbols=("AAPL", "SPY"), seed=3, start=1_767_625_200_000)
BUSY = Accounts(orders_per_minute=600)
IDLE = Accounts(orders_per_minute=0, opening_orders=0)
RECORDED = Path(__file__).parent.parent.parent / "shared/data/account"

T = TypeVar("T")


@pytest.fixture
def point_sdk(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exchange], None]:
    """Return what points the SDK to an exchange instead of tastytrade."""

    def point(exchange: Exchange) -> None:
        for name in ("API_URL", "CERT_URL"):
            monkeypatch.setattr(tastytrade.session, name, exchange.api_url)
        for name in ("STREAMER_URL", "CERT_STREAMER_URL"):
            monkeypatch.setattr(tastytrade.streamer, name, exchange.account_url)

    return point


def session(exchange: Exchange, **settings: Any) -> Session:
    if exchange.ca_pem is not None:
        settings["verify"] = ssl.create_default_context(cadata=exchange.ca_pem)
    return Session("secret", "refresh", trust_env=False, **settings)


@asynccontextmanager
async def alerts(of: Session) -> AsyncIterator[AlertStreamer]:
    """Give the SDK's streamer; its queues are closed, as the SDK leaves them open."""
    streamer = AlertStreamer(of)
    try:
        async with asyncio.timeout(DEADLINE), streamer:
            yield streamer
    finally:
        for queue in streamer._queues.values():
            await queue.aclose()


async def take(
    streamer: AlertStreamer, alert_class: type[Any], enough: Callable[[Any], bool]
) -> Any:
    async for alert in streamer.listen(alert_class):
        if enough(alert):
            return alert
    raise AssertionError


class Client:
    """A plain client of REST and of the WebSocket."""

    def __init__(self, exchange: Exchange, http: httpx2.Client) -> None:
        self.http = http
        self.url = exchange.account_url
        self.token = ""

    def grant(self, **fields: str) -> httpx2.Response:
        body = {"grant_type": "refresh_token", "client_secret": "s", "refresh_token": "r"} | fields
        answer = self.http.post("/oauth/token", json=body)
        if answer.is_success:
            self.token = f"Bearer {answer.json()['access_token']}"
            self.http.headers["Authorization"] = self.token
        return answer

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()["data"]

    @contextmanager
    def websocket(self, *accounts: str) -> Iterator[WebSocketSession]:
        with self.http.websocket(self.url, keepalive_ping_interval_seconds=None) as websocket:
            if accounts:
                assert self.ask(websocket, "connect", value=list(accounts))["status"] == "ok"
            yield websocket

    def send(self, websocket: WebSocketSession, action: str, **fields: Any) -> None:
        websocket.send_json({"action": action, "auth-token": self.token, **fields})

    def ask(self, websocket: WebSocketSession, action: str, **fields: Any) -> Any:
        self.send(websocket, action, **fields)
        return websocket.receive_json(timeout=DEADLINE)


@contextmanager
def plain_client(exchange: Exchange, *, granted: bool = True) -> Iterator[Client]:
    headers = {"User-Agent": "test/1"}
    with httpx2.Client(
        base_url=exchange.api_url, trust_env=False, timeout=DEADLINE, headers=headers
    ) as http:
        client = Client(exchange, http)
        if granted:
            client.grant()
        yield client


@pytest.fixture
def idle() -> Iterator[Exchange]:
    with Exchange(MARKET, accounts=IDLE) as exchange:
        yield exchange


@pytest.fixture
def client(idle: Exchange) -> Iterator[Client]:
    with plain_client(idle) as plain:
        yield plain


@pytest.mark.parametrize("is_test", [False, True])
def test_the_sdk_reads_accounts_and_instruments(
    is_test: bool, point_sdk: Callable[[Exchange], None]
) -> None:
    async def read(exchange: Exchange) -> None:
        async with session(exchange, is_test=is_test) as of:
            assert await of.validate() is False
            assert (await of.get_customer()).email == "sim@example.com"
            assert await of.validate() is True
            [account] = await Account.get(of)
            assert await Account.get(of, NUMBER) == account
            assert (await account.get_trading_status(of)).account_number == NUMBER
            balances = await account.get_balances(of)
            positions = await account.get_positions(of, include_marks=True)
            worth = [
                position.mark_price * position.quantity * position.multiplier
                for position in positions
                if position.mark_price is not None
            ]
            # The opening orders buy, as an account without a position has nothing to sell.
            assert {position.quantity_direction for position in positions} <= {"Long", "Short"}
            longs = [position.quantity_direction == "Long" for position in positions]
            signed = [value if long else -value for value, long in zip(worth, longs, strict=True)]
            assert balances.net_liquidating_value == balances.cash_balance + sum(signed)
            orders = await account.get_live_orders(of)
            assert len(orders) == 3
            assert {order.status for order in orders} == {OrderStatus.FILLED}
            assert await account.get_order(of, orders[0].id) == orders[0]
            token = await of._get("/api-quote-tokens")
            assert token["dxlink-url"] == exchange.url
            assert token["level"] == ("demo" if is_test else "api")

            option = await Option.get(of, "AAPL  270115C00150000")
            assert option.streamer_symbol == ".AAPL270115C150"
            [future] = await Future.get(of, ["/ESZ6"])
            assert future.streamer_symbol == "/ESZ26:XCME"
            future_option = await FutureOption.get(of, "./ESZ6 EW3V6 261016C6700")
            assert future_option.streamer_symbol == "./EW3V26C6700:XCME"
            assert (await Equity.get(of, "SPY")).streamer_symbol == "SPY"
            [data] = await get_market_data_by_type(of, equities=["SPY"])
            assert data.bid is not None
            assert data.ask is not None
            assert data.bid <= data.ask

    # Prices stand still, so that what is asked one after the other agrees.
    rules = Rules(start="on play")
    accounts = Accounts(orders_per_minute=0, is_test=is_test)
    with Exchange(MARKET, rules=rules, accounts=accounts) as exchange:
        point_sdk(exchange)
        asyncio.run(read(exchange))
        assert exchange.account_stats().requests["POST /oauth/token"] == 1


@pytest.mark.parametrize("tls", [False, True])
def test_the_sdk_hears_of_orders_positions_and_balances(
    tls: bool, point_sdk: Callable[[Exchange], None]
) -> None:
    async def hear(exchange: Exchange) -> None:
        async with session(exchange) as of, alerts(of) as streamer:
            accounts = await Account.get(of)
            await streamer.subscribe_accounts(accounts)
            await streamer.subscribe_public_watchlists()
            await streamer.subscribe_quote_alerts()

            def is_option(position: CurrentPosition) -> bool:
                return len(position.symbol) == 21

            order, position, balance = await asyncio.gather(
                take(streamer, PlacedOrder, lambda order: order.status is OrderStatus.FILLED),
                take(streamer, CurrentPosition, is_option),
                take(streamer, AccountBalance, lambda _: True),
            )
            assert sum(fill.quantity for fill in order.legs[0].fills or []) == order.size
            assert position.multiplier == 100
            assert position.underlying_symbol in {"AAPL", "SPY"}
            assert balance.account_number == NUMBER

    with Exchange(MARKET, rules=Rules(tls=tls), accounts=BUSY) as exchange:
        assert exchange.api_url.startswith("https" if tls else "http:")
        assert exchange.account_url.startswith("wss" if tls else "ws:")
        point_sdk(exchange)
        asyncio.run(hear(exchange))
        stats = exchange.account_stats()
        assert stats.connects == 1
        assert stats.notifications > 0
        assert '"connect"' in exchange.account_received()[0]


def test_an_order_of_the_caller_reaches_the_sdk_and_rest(
    point_sdk: Callable[[Exchange], None], idle: Exchange
) -> None:
    async def hear() -> None:
        async with session(idle) as of, alerts(of) as streamer:
            [account] = await Account.get(of)
            await streamer.subscribe_accounts([account])
            option = idle.options("AAPL")[38]
            placed = idle.place_order(NUMBER, option, 2)
            far = idle.place_order(NUMBER, "SPY", -1, Decimal("9999.5"))

            def is_done(order: PlacedOrder) -> bool:
                return order.id == placed and order.status is OrderStatus.FILLED

            order = await take(streamer, PlacedOrder, is_done)
            assert order.legs[0].action == "Buy to Open"
            [position] = await account.get_positions(of)
            assert position.quantity == 2
            assert position.symbol == Option.streamer_symbol_to_occ(option)
            balance = await account.get_balances(of)
            fills = order.legs[0].fills or []
            paid = sum(fill.fill_price * fill.quantity * 100 for fill in fills)
            assert balance.cash_balance == 100_000 - paid - 2 * Decimal("1.14")
            orders = {order.id: order for order in await account.get_live_orders(of)}
            assert orders[far].price == Decimal("9999.5")
            assert orders[far].status is not OrderStatus.FILLED

    point_sdk(idle)
    asyncio.run(hear())


def test_an_order_without_a_price_waits_for_one() -> None:
    with (
        Exchange(None, accounts=IDLE) as exchange,
        plain_client(exchange) as client,
        client.websocket(NUMBER) as websocket,
    ):
        order = exchange.place_order(NUMBER, "AAPL", 1)
        statuses = [websocket.receive_json(timeout=DEADLINE)["data"]["status"] for _ in range(2)]
        assert statuses == ["Routed", "Live"]
        exchange.publish(Quote(event_symbol="AAPL", bid_price=9.5, ask_price=10.25))
        filled, position, balance = (websocket.receive_json(timeout=DEADLINE) for _ in range(3))
        assert filled["data"]["id"] == order
        assert filled["data"]["legs"][0]["fills"][0]["fill-price"] == "10.25"
        assert position["data"]["average-open-price"] == "10.25"
        assert balance["data"]["cash-balance"] == "99989.7492"
        assert balance["data"]["net-liquidating-value"] == "99999.6242"
        assert [frame["ws-sequence"] for frame in (filled, position, balance)] == [3, 4, 5]


def recorded_frames() -> list[str]:
    texts = [path.read_text() for path in sorted(RECORDED.glob("*.jsonl"))]
    return [json.dumps(json.loads(line)["frame"]) for text in texts for line in text.splitlines()]


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded account frames are absent")
def test_every_recorded_frame_reaches_the_sdk(
    point_sdk: Callable[[Exchange], None], idle: Exchange
) -> None:
    frames = recorded_frames()
    orders = [json.loads(frame)["data"] for frame in frames if '"Order"' in frame]
    assert len(orders) > 10

    async def replay() -> None:
        async with session(idle) as of, alerts(of) as streamer:
            await streamer.subscribe_accounts(await Account.get(of))
            for frame in [*frames, '{"type":"OrderChain","data":{}}']:
                assert idle.notify(NUMBER, frame) == 1
            heard: list[PlacedOrder] = []

            def is_last(order: PlacedOrder) -> bool:
                heard.append(order)
                return len(heard) == len(orders)

            await take(streamer, PlacedOrder, is_last)
            assert [(order.id, order.status) for order in heard] == [
                (order["id"], order["status"]) for order in orders
            ]

    point_sdk(idle)
    asyncio.run(replay())


def test_credentials_are_asked_for() -> None:
    accounts = Accounts(client_secret="s3", refresh_token="r3", any_credentials=False)
    assert "s3" not in repr(accounts)
    assert "r3" not in repr(accounts)
    with (
        Exchange(None, accounts=accounts) as exchange,
        plain_client(exchange, granted=False) as client,
    ):
        refused = client.grant(client_secret="s3")
        assert refused.status_code == 400
        assert refused.json()["error_code"] == "invalid_grant"
        assert client.grant(refresh_token="r3").status_code == 401
        assert client.grant(client_secret="s3", refresh_token="r3").json()["expires_in"] == 900


def test_requests_are_refused_as_tastytrade_refuses_them(
    idle: Exchange, client: Client, point_sdk: Callable[[Exchange], None]
) -> None:
    assert client.http.get("/accounts/5WT00000/balances").status_code == 403
    assert client.http.get("/nowhere").status_code == 404
    assert client.http.get("/customers/me", headers={"User-Agent": ""}).status_code == 401
    idle.expire_access_tokens()
    refused = client.http.get("/customers/me")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "token_invalid")
    client.grant()
    client.get("/customers/me")

    async def ask(of: Session, path: str) -> None:
        async with of:
            await of._get(path)

    point_sdk(idle)
    with pytest.raises(TastytradeError, match="not_permitted"):
        asyncio.run(ask(session(idle), "/accounts/5WT00000/balances"))
    nobody = Accounts(orders_per_minute=0, market_data=False)
    with Exchange(None, accounts=nobody) as exchange:
        point_sdk(exchange)
        with pytest.raises(TastytradeError, match=r"quote_streamer\.customer_not_found_error"):
            asyncio.run(ask(session(exchange), "/api-quote-tokens"))
    with Exchange(None, accounts=Accounts(is_test=True)) as sandbox:
        point_sdk(sandbox)
        with pytest.raises(TastytradeError, match="Accept-Version"):
            asyncio.run(ask(session(sandbox), "/customers/me"))


def test_a_quote_token_of_rest_is_let_in_by_the_market_data_side() -> None:
    with Exchange(MARKET, rules=Rules(tokens=()), accounts=IDLE) as exchange:
        with plain_client(exchange) as client:
            token = client.get("/api-quote-tokens")["token"]
        with DXLinkStreamer(Endpoint(exchange.url, token)) as streamer:
            events, missing = streamer.collect(Quote, ["AAPL"], timeout=DEADLINE).result()
            assert "AAPL" in events
            assert not missing
        refused = Endpoint(exchange.url, "another")
        with pytest.raises(AuthenticationError), DXLinkStreamer(refused, reconnect=NO_RECONNECT):
            pass


def test_notices_go_to_those_who_hear_of_the_account_as_they_are() -> None:
    accounts = Accounts(numbers=("A1", "B2"), orders_per_minute=0)
    with Exchange(None, accounts=accounts) as exchange:
        with (
            plain_client(exchange) as client,
            client.websocket("A1") as first,
            client.websocket("A1", "B2") as both,
        ):
            assert exchange.notify("A1", "{no json") == 2
            assert exchange.notify("B2", "{}") == 1
            assert exchange.notify("C3", "{}") == 0
            assert first.receive_text(timeout=DEADLINE) == "{no json"
            assert both.receive_text(timeout=DEADLINE) == "{no json"
            assert both.receive_text(timeout=DEADLINE) == "{}"
            failed = client.ask(first, "connect", value="C3")
            assert failed["message"] == "failed"
            exchange.close_account_connections(1012, "Reconnection is required")
            with pytest.raises(WebSocketDisconnect) as closed:
                first.receive(timeout=DEADLINE)
            assert closed.value.code == 1012
        until(lambda: exchange.account_stats().connections == 0)
        assert exchange.account_stats().accepted == 2


def test_a_client_without_heartbeats_is_closed() -> None:
    accounts = Accounts(orders_per_minute=0, heartbeat_timeout=0.05)
    with Exchange(None, accounts=accounts) as exchange:
        with plain_client(exchange) as client, client.websocket() as websocket:
            with pytest.raises(WebSocketDisconnect) as closed:
                websocket.receive(timeout=DEADLINE)
            assert closed.value.code == 1000
        assert exchange.account_stats().timeouts == 1


def test_faults_of_each_kind_happen_and_are_counted(idle: Exchange, client: Client) -> None:
    idle.set_account_faults(
        [
            AccountFault(Respond(429, {"Retry-After": "7"}), at="/accounts", times=2),
            AccountFault(Respond(503), at="upgrade"),
            AccountFault(Refuse(), at="connect"),
            AccountFault(Omit(), at="heartbeat", number=2),
            AccountFault(Inject("[]"), at="notification"),
        ]
    )
    busy = [client.http.get(f"/accounts/{NUMBER}/balances") for _ in range(3)]
    assert [answer.status_code for answer in busy] == [429, 429, 200]
    assert busy[0].headers["Retry-After"] == "7"
    with pytest.raises(httpx2.websockets.WebSocketUpgradeError), client.websocket():
        pass
    with client.websocket() as websocket:
        refused = client.ask(websocket, "connect", value=[NUMBER], **{"request-id": 1})
        assert (refused["message"], "request-id" in refused) == ("failed", False)
        assert client.ask(websocket, "connect", value=[NUMBER])["status"] == "ok"
        assert client.ask(websocket, "heartbeat", **{"request-id": 1})["request-id"] == 1
        client.send(websocket, "heartbeat", **{"request-id": 2})
        assert client.ask(websocket, "heartbeat", **{"request-id": 3})["request-id"] == 3
        idle.notify(NUMBER, "{}")
        heard = [websocket.receive_text(timeout=DEADLINE) for _ in range(2)]
        assert heard == ["[]", "{}"]
        assert idle.account_stats().faults == (2, 1, 1, 1, 1)

        idle.set_account_faults([AccountFault(Close(1012, "Bye"), at="heartbeat")])
        client.send(websocket, "heartbeat")
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive(timeout=DEADLINE)
        assert (closed.value.code, closed.value.reason) == (1012, "Bye")


def test_a_stalled_client_hears_nothing_more(idle: Exchange, client: Client) -> None:
    stalled = AccountFault(Stall(), at="notification")
    idle.set_account_faults([stalled, AccountFault(Stall(), at="/customers")])
    with client.websocket(NUMBER) as websocket:
        assert idle.notify(NUMBER, "{}") == 0
        assert idle.notify(NUMBER, "{}") == 0
        assert not websocket.ping().wait(0.0)
        with pytest.raises(httpx2.ReadTimeout):
            client.http.get("/customers/me", timeout=0.05)
        assert idle.account_stats().connections == 1
        idle.stop()
    assert idle.account_stats().connections == 0
    assert idle.account_stats().faults == (1, 1)


def test_what_makes_no_sense_is_refused_and_changes_nothing(idle: Exchange) -> None:
    idle.set_account_faults([AccountFault(Omit(), at="heartbeat")])
    for fault, text in [
        (AccountFault(Respond(500), at="connect"), "Respond cannot happen at"),
        (AccountFault(Close(99), at="connect"), "not closed with code 99"),
        (AccountFault(Refuse(), at="connect", number=0), "counted from 1"),
    ]:
        with pytest.raises(ValueError, match=text):
            idle.set_account_faults([fault])
        with pytest.raises(ValueError, match=text):
            Exchange(None, accounts=Accounts(faults=(fault,)))
    with pytest.raises(TypeError, match="not Cut"):
        idle.set_account_faults([AccountFault(Cut(), at="connect")])  # type: ignore[arg-type]
    assert idle.account_stats().faults == (0,)
    for order, text in [
        (("5WT00000", "AAPL", 1, None), "no account 5WT00000"),
        ((NUMBER, "SPX", 1, None), "SPX is an index"),
        ((NUMBER, "AAPL", 0, None), "a quantity is"),
        ((NUMBER, "AAPL", 1, -1.0), "a price must be above 0"),
        ((NUMBER, "AAPL", 1, float("nan")), "price must be a number, not nan"),
    ]:
        with pytest.raises(ValueError, match=text):
            idle.place_order(*order)
    unusable: list[tuple[dict[str, Any], str]] = [
        ({"numbers": ()}, "numbers needs an account number"),
        ({"orders_per_minute": -1}, "orders_per_minute must lie between"),
        ({"access_token_seconds": 0}, "access_token_seconds must be a number of seconds"),
        ({"cash": "much"}, "cash must be a number, not much"),
        ({"cash": 1e28}, "the cash of an account lies between"),
    ]
    for settings, text in unusable:
        with pytest.raises(ValueError, match=text):
            Exchange(None, accounts=Accounts(**settings))
    with Exchange(None) as without, pytest.raises(ValueError, match="has no accounts"):
        _ = without.api_url


def test_sim_has_one_account_that_trades() -> None:
    with (
        Exchange.from_url("sim://?seed=7&orders_per_minute=600") as exchange,
        plain_client(exchange) as client,
        client.websocket(NUMBER) as websocket,
    ):
        assert websocket.receive_json(timeout=DEADLINE)["type"] == "Order"
        [owned] = client.get("/customers/me/accounts")["items"]
        assert owned["account"]["account-number"] == NUMBER


def test_an_exchange_with_clients_of_its_accounts_stops() -> None:
    exchange = Exchange(None, accounts=IDLE)
    with plain_client(exchange) as client, client.websocket(NUMBER) as websocket:
        exchange.stop()
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive(timeout=DEADLINE)
        assert closed.value.code == 1001
    with pytest.raises(ValueError, match="the exchange has stopped"):
        exchange.place_order(NUMBER, "AAPL", 1)
