"""A quote as a struct of msgspec's, which its C code makes."""

import msgspec


class StructQuote(msgspec.Struct, gc=False):
    """A struct that the garbage collector does not track."""

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
