"""Account updates: balances, positions and orders as they change."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dxstream.account_records import AccountRecord, update_type

if TYPE_CHECKING:
    from typing_extensions import TypeIs

__all__ = ["AccountUpdate"]

_SIGNS = {"Long": 1, "Short": -1, "Zero": 0}


class AccountUpdate(AccountRecord):
    """A change of an account, for ``streamer.subscribe(AccountUpdate, [account_number])``.

    It comes from tastytrade's account streamer, over a connection of its own, and is always a whole
    object: all of a balance, a position or an order. Fields are attributes, see
    :class:`~dxstream.account_records.AccountRecord`; those that the message does not have raise
    ``AttributeError``.

    Besides the fields of the message, a position (``POSITION_UPDATE``) has `quantity` with its
    sign, negative for a short position, and `market_value`, at the middle of the last quote or the
    price of the last trade that the streamer has of the symbol, and ``None`` where neither is
    subscribed; a balance (``BALANCE_UPDATE``) has `buying_power`, which is its
    `derivative_buying_power`, the one that tastytrade shows for accounts that trade options.
    `equity_buying_power` and `day_trading_buying_power` stand beside it.

    A connection begins with how things stand: updates that are a `snapshot`, and at their end one
    of type ``SNAPSHOT_END_UPDATE``. After a reconnect, a position that is not among them is closed.

    Attributes
    ----------
    type
        "ORDER_UPDATE", "POSITION_UPDATE", "BALANCE_UPDATE", or another type of message in the same
        manner.
    raw_type
        The type as the server calls it, such as "CurrentPosition".
    snapshot
        Whether it tells how things stood when the connection was made, and not that they changed.
    timestamp
        When the server sent it, ms since 1970 UTC; ``None`` of a snapshot.
    sequence
        The server's number of the message, or ``None``.
    received_at
        When it came, in ns of :func:`time.monotonic_ns`.
    """

    __slots__ = (
        "_mark",
        "raw_type",
        "received_at",
        "sequence",
        "snapshot",
        "timestamp",
        "type",
    )

    def __init__(
        self,
        raw_type: str,
        data: Mapping[str, Any],
        *,
        timestamp: int | None = None,
        sequence: int | None = None,
        snapshot: bool = False,
        received_at: int = 0,
        mark: Callable[[str], float | None] | None = None,
    ) -> None:
        super().__init__(data)
        self.type = update_type(raw_type)
        self.raw_type = raw_type
        self.timestamp = timestamp
        self.sequence = sequence
        self.snapshot = snapshot
        self.received_at = received_at
        self._mark = mark
        if raw_type == "CurrentPosition":
            self._names.setdefault("market_value", "")
        elif raw_type == "AccountBalance" and "derivative-buying-power" in self._data:
            self._names.setdefault("buying_power", "derivative-buying-power")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the message has it
        if name == "market_value" and self._names.get(name) == "":
            return self._market_value()
        return super().__getattr__(name)

    def _value(self, name: str, value: Any) -> Any:  # noqa: ANN401 - as the message has it
        found = super()._value(name, value)
        if name == "quantity" and isinstance(found, Decimal):
            return found * _SIGNS.get(self._data.get("quantity-direction", ""), 1)
        return found

    def _market_value(self) -> Decimal | None:
        """Value the position at the mark of the message, or else of the streamer."""
        price = self._data.get("mark-price")
        if price is None and self._mark is not None:
            price = self._mark(self._data.get("streamer-symbol") or self._data.get("symbol", ""))
        quantity, multiplier = getattr(self, "quantity", None), getattr(self, "multiplier", None)
        if price is None or quantity is None or multiplier is None:
            return None
        value: Decimal = Decimal(str(price)) * quantity * multiplier
        return value


def is_account(event_type: object) -> "TypeIs[type[AccountUpdate]]":
    """Tell whether account updates are asked for, and not market data."""
    return isinstance(event_type, type) and issubclass(event_type, AccountUpdate)
