"""The event types of dxFeed: native objects that do not change.

Examples
--------
>>> from dxstream.dxfeed import Quote
>>> quote = Quote("AAPL", bid_price=150.0, bid_size=100, ask_price=150.5, ask_size=300)
>>> quote.mid_price, quote.micro_price
(150.25, 150.125)
>>> quote.bid_time_utc is None
True
>>> quote
Quote(event_symbol='AAPL', bid_price=150.0, bid_size=100.0, ask_price=150.5, ask_size=300.0)
"""

# The signatures of the classes are read in this module and have nan as a default.
from math import nan  # noqa: F401
from typing import Any

from dxstream._dxstream import (
    AnalyticOrder,
    Candle,
    Configuration,
    Event,
    Greeks,
    IndexedEvent,
    Message,
    OptionSale,
    Order,
    Profile,
    Quote,
    Series,
    SpreadOrder,
    Summary,
    TheoPrice,
    TimeAndSale,
    Trade,
    TradeETH,
    Underlying,
)

# It is no event of dxFeed's, and therefore not in the list; programs look for it here.
from dxstream.account_update import AccountUpdate as AccountUpdate

__all__ = [
    "AnalyticOrder",
    "Candle",
    "Configuration",
    "Event",
    "Greeks",
    "IndexedEvent",
    "Message",
    "OptionSale",
    "Order",
    "Profile",
    "Quote",
    "Series",
    "SpreadOrder",
    "Summary",
    "TheoPrice",
    "TimeAndSale",
    "Trade",
    "TradeETH",
    "Underlying",
]


def _core_schema(cls: Any, _source: Any, _handler: Any) -> Any:  # noqa: ANN401
    """Tell pydantic to take events of the class, and the fields of one by name."""
    from pydantic_core import core_schema

    return core_schema.no_info_plain_validator_function(
        lambda value: value if isinstance(value, cls) else cls(**value),
        serialization=core_schema.plain_serializer_function_ser_schema(lambda e: e.as_dict()),
    )


Event.__get_pydantic_core_schema__ = classmethod(_core_schema)  # type: ignore[method-assign, assignment]
