"""The event types of dxFeed: native objects that do not change."""

# The signatures of the classes are read in this module and have nan as a default.
from math import nan  # noqa: F401

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
