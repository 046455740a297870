"""A quote as a typed object, in the two ways that are fast in Python."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

__all__ = ["FIELDS", "NUMBERS", "SlottedQuote", "struct_quote"]


@dataclass(slots=True)
class SlottedQuote:
    """A class with slots: the fields that dxstream asks for, so that the same bytes come."""

    event_symbol: str
    event_time: int
    sequence: int
    time_nano_part: int
    bid_time: int
    bid_exchange_code: str
    bid_price: float
    bid_size: float
    ask_time: int
    ask_exchange_code: str
    ask_price: float
    ask_size: float


def _on_the_wire(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


FIELDS = {_on_the_wire(of.name): of.name for of in fields(SlottedQuote)}
"""The fields by their names on the wire, and their names in Python."""

NUMBERS = [_on_the_wire(of.name) for of in fields(SlottedQuote) if of.type is not str]
"""Those that are numbers."""


def struct_quote() -> Callable[..., Any]:
    """Make the same a struct of msgspec's: made by C code, and unknown to the garbage collector."""
    struct: Callable[..., Any] = import_module("msgspec").defstruct(
        "StructQuote", [(of.name, of.type) for of in fields(SlottedQuote)], gc=False
    )
    return struct
