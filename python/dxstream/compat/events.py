"""The events of the tastytrade SDK: prices are ``Decimal``, what is absent is ``None``.

Each class derives from that of the same name in :mod:`dxstream.dxfeed`, and has the fields, types,
defaults and methods of the SDK's model (13.2.3). A streamer that is asked for one of them, or for
the SDK's own class, gives events of it. As in the SDK, an event of which a number is absent that
has to be there is not delivered to listeners; it counts as filtered. `latest` and tables have it,
with ``None``. Where a program has imported the SDK, they are instances of its classes.

Examples
--------
>>> from dxstream.compat.events import Quote
>>> quote = Quote(eventSymbol="AAPL", bid_price=150.25, ask_price=150.5, bidSize=3)
>>> quote.bid_price, quote.mid_price, quote.ask_size
(Decimal('150.25'), Decimal('150.375'), Decimal('0'))
>>> quote.model_copy(update={"bid_price": 1}).model_dump(include={"bid_price"}, by_alias=True)
{'bidPrice': Decimal('1.0')}
"""

from dxstream import _dxstream
from dxstream.compat import models
from dxstream.dxfeed import Event, IndexedEvent

__all__ = [
    "Candle",
    "Event",
    "Greeks",
    "IndexedEvent",
    "Profile",
    "Quote",
    "Summary",
    "TheoPrice",
    "TimeAndSale",
    "Trade",
    "Underlying",
]

_CLASSES = _dxstream.sdk_event_types()
(
    Candle,
    Greeks,
    Profile,
    Quote,
    Summary,
    TheoPrice,
    TimeAndSale,
    Trade,
    Underlying,
) = _CLASSES

for _class in _CLASSES:
    models.complete(_class)
