"""A quote as a typed object, in the two ways that are fast in Python."""

from dataclasses import dataclass


@dataclass(slots=True)
class SlottedQuote:
    """A class with slots."""

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
