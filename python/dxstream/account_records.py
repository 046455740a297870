"""What an account streamer says, as objects: fields by name, numbers exact.

The messages are JSON with dasherized names, numbers partly as strings, and signs in fields of their
own: ``"cash-balance-effect": "Debit"`` makes ``"cash-balance": "10.5"`` negative.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Self

__all__ = ["AccountRecord", "update_type"]

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")

# A field whose name ends in one of these words is an amount, a price or a quantity. Other fields
# that look like numbers, such as ids and account numbers, stay what they are.
_AMOUNT = re.compile(
    r"(.*-)?(adjustment|amount|balance|cash|commissions|equity|excess|fees|funds|gain|interest|mark"
    r"|multiplier|numeric|power|price|quantity|requirement|size|threshold|today|trigger|value"
    r"|withdraw)"
)

_TYPES = {
    "AccountBalance": "BALANCE_UPDATE",
    "CurrentPosition": "POSITION_UPDATE",
}


def update_type(raw: str) -> str:
    """Name the kind of update as programs compare it: ``ORDER_UPDATE``, ``POSITION_UPDATE`` ...

    Examples
    --------
    >>> update_type("CurrentPosition"), update_type("AccountBalance"), update_type("TradingStatus")
    ('POSITION_UPDATE', 'BALANCE_UPDATE', 'TRADING_STATUS_UPDATE')
    """
    named = _TYPES.get(raw)
    if named is None:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", raw).upper()
        named = f"{words}_UPDATE"
    return named


def _amount(name: str, value: object) -> bool:
    if _AMOUNT.fullmatch(name) is None:
        return False
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


class AccountRecord(Mapping[str, Any]):
    """An object of the account streamer; its fields are attributes, in snake_case.

    A field that the message does not have raises ``AttributeError``, so that ``hasattr`` tells
    whether it is there. Amounts, prices and quantities are :class:`~decimal.Decimal`, negative
    where the message calls them a debit; objects within are records, lists of them lists of
    records; all else is as JSON has it. As a mapping it holds the message as it was, by the names
    of the wire.

    Parameters
    ----------
    data
        The message, by the names of the wire.
    """

    __slots__ = ("_data", "_names")

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = dict(data)
        self._names = {name.replace("-", "_"): name for name in self._data}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a message, with its numbers exact."""
        return cls(json.loads(text, parse_float=Decimal))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the message has it
        wire = None if name.startswith("_") else self._names.get(name)
        if wire is None:
            has = ", ".join(sorted(self._names)) if not name.startswith("_") else "no such field"
            msg = f"this {type(self).__name__} has no {name!r}; it has {has}"
            raise AttributeError(msg, name=name, obj=self)
        return self._value(wire, self._data[wire])

    def _value(self, name: str, value: Any) -> Any:  # noqa: ANN401 - as the message has it
        if _amount(name, value):
            number = Decimal(str(value))
            if self._data.get(f"{name}-effect") == "Debit":
                return -abs(number)
            return number
        if isinstance(value, Mapping):
            return AccountRecord(value)
        if isinstance(value, list):
            return [AccountRecord(each) if isinstance(each, Mapping) else each for each in value]
        return value

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by their names as attributes, numbers and signs as there."""
        return {name: getattr(self, name) for name in self._names}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - as the message has it
        return self._data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]

    def __repr__(self) -> str:
        """Show the fields that have a value."""
        values = ((name, getattr(self, name)) for name in self._names)
        shown = ", ".join(f"{name}={value!r}" for name, value in values if value is not None)
        return f"{type(self).__name__}({shown})"
