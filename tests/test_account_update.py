"""Account updates are read as they were sent."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from tastytrade.streamer import MAP_ALERTS

from dxstream.account_update import AccountUpdate

ACCOUNT = Path(__file__).parents[2] / "shared" / "data" / "account"
RECORDED = [
    ACCOUNT / "quantconnect_captured_order_stream_2026-09.jsonl",
    ACCOUNT / "control_and_sandbox_fill.jsonl",
]

POSITION = {
    "account-number": "5WT00000",
    "symbol": "SPY   230630C00255000",
    "instrument-type": "Equity Option",
    "underlying-symbol": "SPY",
    "quantity": "3",
    "quantity-direction": "Short",
    "average-open-price": "99.5",
    "multiplier": 100,
    "cost-effect": "Debit",
    "realized-day-gain": "12.5",
    "realized-day-gain-effect": "Debit",
    "is-frozen": False,
}

BALANCE = {
    "account-number": "5WT00000",
    "cash-balance": "10000.10",
    "net-liquidating-value": "12345.67",
    "equity-buying-power": "20000.0",
    "derivative-buying-power": "10000.0",
    "day-trading-buying-power": "40000.0",
    "pending-cash": "5.0",
    "pending-cash-effect": "Debit",
    "currency": "USD",
}


def test_a_short_position_has_a_negative_quantity() -> None:
    update = AccountUpdate("CurrentPosition", POSITION)
    assert update.type == "POSITION_UPDATE"
    assert update.raw_type == "CurrentPosition"
    assert update.quantity == -3
    assert update.realized_day_gain == Decimal("-12.5")
    assert update["quantity"] == "3"
    assert (
        AccountUpdate("CurrentPosition", {**POSITION, "quantity-direction": "Long"}).quantity == 3
    )
    assert (
        AccountUpdate("CurrentPosition", {**POSITION, "quantity-direction": "Zero"}).quantity == 0
    )


def test_the_market_value_is_none_without_a_price_and_exact_with_one() -> None:
    assert AccountUpdate("CurrentPosition", POSITION).market_value is None
    update = AccountUpdate("CurrentPosition", POSITION, mark={POSITION["symbol"]: 1.1}.get)
    assert update.market_value == Decimal("-330.0")
    marked = AccountUpdate("CurrentPosition", {**POSITION, "mark-price": "2.05"})
    assert marked.market_value == Decimal("-615.00")


def test_a_balance_has_all_three_buying_powers_and_one_of_them_by_a_short_name() -> None:
    update = AccountUpdate("AccountBalance", BALANCE)
    assert update.type == "BALANCE_UPDATE"
    assert update.buying_power == update.derivative_buying_power == Decimal("10000.0")
    assert (update.equity_buying_power, update.day_trading_buying_power) == (20000, 40000)
    assert f"{update.net_liquidating_value:,.2f}" == "12,345.67"
    assert update.pending_cash == -5
    assert not hasattr(update, "market_value")


def test_a_field_that_is_not_there_is_no_attribute() -> None:
    update = AccountUpdate("AccountBalance", {"cash-balance": "1.0"})
    for name in ("net_liquidating_value", "buying_power", "quantity", "market_value", "_mapping"):
        assert not hasattr(update, name)
    with pytest.raises(AttributeError, match="has no 'buying_power'; it has cash_balance"):
        update.buying_power  # noqa: B018
    assert getattr(update, "symbol", None) is None


def test_ids_stay_texts_and_orders_have_legs_and_fills() -> None:
    order = AccountUpdate(
        "Order",
        {
            "id": 270602,
            "account-number": "5123",
            "ext-exchange-order-number": "910533337354",
            "price": "10.51",
            "price-effect": "Debit",
            "legs": [{"quantity": 1, "fills": [{"fill-price": "1.0", "ext-exec-id": "134"}]}],
        },
    )
    assert order.type == "ORDER_UPDATE"
    assert (order.id, order.account_number) == (270602, "5123")
    assert order.ext_exchange_order_number == "910533337354"
    assert order.price == Decimal("-10.51")
    [fill] = order.legs[0].fills
    assert (fill.fill_price, fill.ext_exec_id) == (Decimal("1.0"), "134")


def test_types_nobody_knows_are_kept() -> None:
    update = AccountUpdate("OrderChain", {"some-thing": [1, "2"]})
    assert (update.type, update.some_thing) == ("ORDER_CHAIN_UPDATE", [1, "2"])
    assert update.as_dict() == {"some_thing": [1, "2"]}
    assert dict(update) == {"some-thing": [1, "2"]}
    assert "some_thing" in dir(update)


def test_whatever_the_sdk_reads_as_a_number_is_one() -> None:
    for name, model in MAP_ALERTS.items():
        for field, info in model.model_fields.items():
            if "Decimal" in str(info.annotation):
                update = AccountUpdate(name, {info.alias or field: "1.50"})
                assert getattr(update, field) == Decimal("1.50"), (name, field)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_messages_lose_nothing(path: Path) -> None:
    if not path.exists():
        pytest.skip("the recorded account messages are not there")
    frames = [json.loads(line)["frame"] for line in path.read_text().splitlines()]
    messages = [frame for frame in frames if "type" in frame]
    assert messages
    for message in messages:
        update = AccountUpdate(message["type"], message["data"])
        assert dict(update) == message["data"]
        assert update.type == "ORDER_UPDATE"
        for leg, raw in zip(update.legs, message["data"]["legs"], strict=True):
            assert leg.quantity == Decimal(str(raw["quantity"]))
            assert [fill.fill_price for fill in leg.fills] == [
                Decimal(fill["fill-price"]) for fill in raw["fills"]
            ]
