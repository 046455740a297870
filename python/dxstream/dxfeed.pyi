"""The event types of dxFeed: native objects that do not change."""

# Written by scripts/stubs.py from the declarations in rust/dxstream/src/event/types.rs.

from datetime import date, datetime
from typing import Any, ClassVar, Literal, Self, final

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

class Event:
    """The base of all event types; it has no instances of its own.

    Events do not change. They are equal when they are of one type and all of their fields are equal,
    where an unknown number equals an unknown number; equal events have the same hash. They have no
    order.

    Notes
    -----
    What the server did not send is unknown. An unknown double is NaN; an unknown text, character,
    enum name or truth value is None, and so is an unknown count or identifier (`int | None`).
    Times, days, indexes, sequence numbers and flags are plain integers, and 0 says that they are
    unknown: that is the rule of dxFeed, which has no other mark for them.
    """

    @property
    def event_symbol(self) -> str:
        """Symbol of the event as the wire has it."""

    @property
    def event_time(self) -> int:
        """Time of the event, ms since 1970 UTC; 0, as DXLink mostly sends, is unknown."""

    @property
    def event_time_utc(self) -> datetime | None:
        """The `event_time` as a datetime in UTC, or None for 0."""

    @property
    def symbol(self) -> str:
        """The symbol as it was written in the last subscription; event_symbol is that of the wire.

        It is the same for events of all types, so that they can be joined by it. Of an event that a program
        made, it is the event_symbol.
        """

    def as_dict(self) -> dict[str, Any]:
        """Every field by its name, unknown ones too."""

    def __copy__(self) -> Self:
        """Return the event itself, as it cannot change."""

    def __deepcopy__(self, memo: object, /) -> Self:
        """Return the event itself, as it cannot change."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...

class IndexedEvent(Event):
    """The base of the event types that have an index and event flags.

    It has no instances of its own. An index is unique for its symbol; a time series is ordered by it.
    """

    @property
    def event_flags(self) -> int:
        """Transaction and snapshot flags, a bit set."""

    @property
    def index(self) -> int:
        """Index of the event, unique for its symbol; 64 bits, exact."""

    @property
    def time(self) -> int:
        """Time of the value, ms since 1970 UTC; 0 is unknown."""

    @property
    def time_utc(self) -> datetime | None:
        """The `time` as a datetime in UTC, or None for 0."""

    @property
    def pending(self) -> bool:
        """Whether more events of the same transaction follow."""

    @property
    def remove(self) -> bool:
        """Whether the event with this index is gone."""

    @property
    def snapshot_begin(self) -> bool:
        """Whether a snapshot begins with the event."""

    @property
    def snapshot_end(self) -> bool:
        """Whether a snapshot ends with the event."""

    @property
    def snapshot_snip(self) -> bool:
        """Whether a snapshot ends with the event because the server cut it short."""

    @property
    def snapshot_mode(self) -> bool:
        """Whether the publisher works in snapshot mode."""

@final
class AnalyticOrder(IndexedEvent):
    """An order with what is known of its iceberg part."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        time_nano_part: int = 0,
        sequence: int = 0,
        source: str | None = None,
        action: str | None = None,
        action_time: int = 0,
        order_id: int | None = None,
        aux_order_id: int | None = None,
        price: float = ...,
        size: float = ...,
        executed_size: float = ...,
        count: int | None = None,
        exchange_code: str | None = None,
        order_side: str | None = None,
        scope: str | None = None,
        trade_id: int | None = None,
        trade_price: float = ...,
        trade_size: float = ...,
        market_maker: str | None = None,
        iceberg_peak_size: float = ...,
        iceberg_hidden_size: float = ...,
        iceberg_executed_size: float = ...,
        iceberg_type: str | None = None,
    ) -> Self: ...
    @property
    def time_nano_part(self) -> int:
        """Nanoseconds of the time within its millisecond."""

    @property
    def sequence(self) -> int:
        """Number that orders events of the same time, 0 to 4194303."""

    @property
    def source(self) -> str | None:
        """Source of the order, such as NTV; part of its identity."""

    @property
    def action(self) -> str | None:
        """What happened to the order. One of UNDEFINED, NEW, REPLACE, MODIFY, DELETE, PARTIAL, EXECUTE, TRADE, BUST."""

    @property
    def action_time(self) -> int:
        """Time of the action, ms since 1970 UTC; 0 is unknown."""

    @property
    def order_id(self) -> int | None:
        """Identifier of the order at its exchange; 0 where it has none."""

    @property
    def aux_order_id(self) -> int | None:
        """Identifier of the order that this one replaced or matched; 0 where there is none."""

    @property
    def price(self) -> float:
        """Price of the order."""

    @property
    def size(self) -> float:
        """Size of the order."""

    @property
    def executed_size(self) -> float:
        """Size executed so far."""

    @property
    def count(self) -> int | None:
        """Number of orders in an aggregated one."""

    @property
    def exchange_code(self) -> str | None:
        """Exchange of the order, one letter."""

    @property
    def order_side(self) -> str | None:
        """Side of the book. One of UNDEFINED, BUY, SELL."""

    @property
    def scope(self) -> str | None:
        """What the order stands for: one order or an aggregate. One of COMPOSITE, REGIONAL, AGGREGATE, ORDER."""

    @property
    def trade_id(self) -> int | None:
        """Identifier of the trade, for a trade action; 0 elsewhere."""

    @property
    def trade_price(self) -> float:
        """Price of the trade, for a trade action."""

    @property
    def trade_size(self) -> float:
        """Size of the trade, for a trade action."""

    @property
    def market_maker(self) -> str | None:
        """Market maker of the order."""

    @property
    def iceberg_peak_size(self) -> float:
        """Visible size of the iceberg order."""

    @property
    def iceberg_hidden_size(self) -> float:
        """Hidden size of the iceberg order."""

    @property
    def iceberg_executed_size(self) -> float:
        """Executed size of the iceberg order."""

    @property
    def iceberg_type(self) -> str | None:
        """Kind of the iceberg order. One of UNDEFINED, NATIVE, SYNTHETIC."""

    @property
    def action_time_utc(self) -> datetime | None:
        """The `action_time` as a datetime in UTC, or None for 0."""

@final
class Candle(IndexedEvent):
    """One bar of a price chart."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        sequence: int = 0,
        count: int | None = None,
        open: float = ...,
        high: float = ...,
        low: float = ...,
        close: float = ...,
        volume: float = ...,
        vwap: float = ...,
        bid_volume: float = ...,
        ask_volume: float = ...,
        imp_volatility: float = ...,
        open_interest: float = ...,
    ) -> Self: ...
    @property
    def sequence(self) -> int:
        """Number that orders events of the same time, 0 to 4194303."""

    @property
    def count(self) -> int | None:
        """Number of trades in the bar."""

    @property
    def open(self) -> float:
        """First price of the bar; NaN where nothing traded."""

    @property
    def high(self) -> float:
        """Highest price of the bar."""

    @property
    def low(self) -> float:
        """Lowest price of the bar."""

    @property
    def close(self) -> float:
        """Last price of the bar."""

    @property
    def volume(self) -> float:
        """Volume of the bar."""

    @property
    def vwap(self) -> float:
        """Volume-weighted average price of the bar."""

    @property
    def bid_volume(self) -> float:
        """Volume that traded at the bid."""

    @property
    def ask_volume(self) -> float:
        """Volume that traded at the ask."""

    @property
    def imp_volatility(self) -> float:
        """Implied volatility, a fraction."""

    @property
    def open_interest(self) -> float:
        """Open interest in contracts."""

@final
class Configuration(Event):
    """Settings that a publisher attached to a symbol."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        version: int | None = None,
        attachment: str | None = None,
    ) -> Self: ...
    @property
    def version(self) -> int | None:
        """Version of the attachment."""

    @property
    def attachment(self) -> str | None:
        """The attachment; an object is kept as its JSON text."""

@final
class Greeks(IndexedEvent):
    """Greeks and implied volatility of an option, from a model."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        sequence: int = 0,
        price: float = ...,
        volatility: float = ...,
        delta: float = ...,
        gamma: float = ...,
        theta: float = ...,
        rho: float = ...,
        vega: float = ...,
    ) -> Self: ...
    @property
    def sequence(self) -> int:
        """Number that orders events of the same time, 0 to 4194303."""

    @property
    def price(self) -> float:
        """Option price that the greeks were computed from."""

    @property
    def volatility(self) -> float:
        """Black-Scholes implied volatility, a fraction: 0.397 is 39.7 %."""

    @property
    def delta(self) -> float:
        """First derivative of the price by the underlying price."""

    @property
    def gamma(self) -> float:
        """Second derivative of the price by the underlying price."""

    @property
    def theta(self) -> float:
        """Change of the price over one day."""

    @property
    def rho(self) -> float:
        """Change of the price for one percentage point of interest rate."""

    @property
    def vega(self) -> float:
        """Change of the price for one percentage point of volatility."""

    @property
    def implied_volatility(self) -> float:
        """Black-Scholes implied volatility, a fraction; the same as volatility."""

@final
class Message(Event):
    """A message that a publisher sent to a symbol."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls, event_symbol: str, *, event_time: int = 0, attachment: str | None = None
    ) -> Self: ...
    @property
    def attachment(self) -> str | None:
        """The attachment; an object is kept as its JSON text."""

@final
class OptionSale(IndexedEvent):
    """One sale of any option of an underlying."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        time_nano_part: int = 0,
        sequence: int = 0,
        exchange_code: str | None = None,
        price: float = ...,
        size: float = ...,
        bid_price: float = ...,
        ask_price: float = ...,
        exchange_sale_conditions: str | None = None,
        trade_through_exempt: str | None = None,
        aggressor_side: str | None = None,
        spread_leg: bool | None = None,
        extended_trading_hours: bool | None = None,
        valid_tick: bool | None = None,
        type: str | None = None,
        underlying_price: float = ...,
        volatility: float = ...,
        delta: float = ...,
        option_symbol: str | None = None,
    ) -> Self: ...
    @property
    def time_nano_part(self) -> int:
        """Nanoseconds of the time within its millisecond."""

    @property
    def sequence(self) -> int:
        """Number that orders sales of the same time, 0 to 4194303."""

    @property
    def exchange_code(self) -> str | None:
        """Exchange of the sale, one letter."""

    @property
    def price(self) -> float:
        """Price of the sale."""

    @property
    def size(self) -> float:
        """Size of the sale."""

    @property
    def bid_price(self) -> float:
        """Best bid at the time of the sale."""

    @property
    def ask_price(self) -> float:
        """Best ask at the time of the sale."""

    @property
    def exchange_sale_conditions(self) -> str | None:
        """Sale conditions in the exchange's own letters."""

    @property
    def trade_through_exempt(self) -> str | None:
        """Trade-through exemption, one letter."""

    @property
    def aggressor_side(self) -> str | None:
        """Side of the order that took liquidity. One of UNDEFINED, BUY, SELL."""

    @property
    def spread_leg(self) -> bool | None:
        """Whether the sale is a leg of a spread."""

    @property
    def extended_trading_hours(self) -> bool | None:
        """Whether the sale was made outside of regular trading hours."""

    @property
    def valid_tick(self) -> bool | None:
        """Whether the sale counts for last, high and low."""

    @property
    def type(self) -> str | None:
        """Whether the sale is new, a correction or a cancel. One of NEW, CORRECTION, CANCEL."""

    @property
    def underlying_price(self) -> float:
        """Price of the underlying at the sale."""

    @property
    def volatility(self) -> float:
        """Implied volatility of the sale, a fraction."""

    @property
    def delta(self) -> float:
        """Delta of the option at the sale."""

    @property
    def option_symbol(self) -> str | None:
        """Symbol of the option."""

@final
class Order(IndexedEvent):
    """One order or price level of an order book."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        time_nano_part: int = 0,
        sequence: int = 0,
        source: str | None = None,
        action: str | None = None,
        action_time: int = 0,
        order_id: int | None = None,
        aux_order_id: int | None = None,
        price: float = ...,
        size: float = ...,
        executed_size: float = ...,
        count: int | None = None,
        exchange_code: str | None = None,
        order_side: str | None = None,
        scope: str | None = None,
        trade_id: int | None = None,
        trade_price: float = ...,
        trade_size: float = ...,
        market_maker: str | None = None,
    ) -> Self: ...
    @property
    def time_nano_part(self) -> int:
        """Nanoseconds of the time within its millisecond."""

    @property
    def sequence(self) -> int:
        """Number that orders events of the same time, 0 to 4194303."""

    @property
    def source(self) -> str | None:
        """Source of the order, such as NTV; part of its identity."""

    @property
    def action(self) -> str | None:
        """What happened to the order. One of UNDEFINED, NEW, REPLACE, MODIFY, DELETE, PARTIAL, EXECUTE, TRADE, BUST."""

    @property
    def action_time(self) -> int:
        """Time of the action, ms since 1970 UTC; 0 is unknown."""

    @property
    def order_id(self) -> int | None:
        """Identifier of the order at its exchange; 0 where it has none."""

    @property
    def aux_order_id(self) -> int | None:
        """Identifier of the order that this one replaced or matched; 0 where there is none."""

    @property
    def price(self) -> float:
        """Price of the order."""

    @property
    def size(self) -> float:
        """Size of the order."""

    @property
    def executed_size(self) -> float:
        """Size executed so far."""

    @property
    def count(self) -> int | None:
        """Number of orders in an aggregated one."""

    @property
    def exchange_code(self) -> str | None:
        """Exchange of the order, one letter."""

    @property
    def order_side(self) -> str | None:
        """Side of the book. One of UNDEFINED, BUY, SELL."""

    @property
    def scope(self) -> str | None:
        """What the order stands for: one order or an aggregate. One of COMPOSITE, REGIONAL, AGGREGATE, ORDER."""

    @property
    def trade_id(self) -> int | None:
        """Identifier of the trade, for a trade action; 0 elsewhere."""

    @property
    def trade_price(self) -> float:
        """Price of the trade, for a trade action."""

    @property
    def trade_size(self) -> float:
        """Size of the trade, for a trade action."""

    @property
    def market_maker(self) -> str | None:
        """Market maker of the order."""

    @property
    def action_time_utc(self) -> datetime | None:
        """The `action_time` as a datetime in UTC, or None for 0."""

@final
class Profile(Event):
    """What is known of an instrument: description, trading status, limits, fundamentals."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        description: str | None = None,
        short_sale_restriction: str | None = None,
        trading_status: str | None = None,
        status_reason: str | None = None,
        halt_start_time: int = 0,
        halt_end_time: int = 0,
        high_limit_price: float = ...,
        low_limit_price: float = ...,
        high_52_week_price: float = ...,
        low_52_week_price: float = ...,
        beta: float = ...,
        earnings_per_share: float = ...,
        dividend_frequency: float = ...,
        ex_dividend_amount: float = ...,
        ex_dividend_day_id: int = 0,
        shares: float = ...,
        free_float: float = ...,
    ) -> Self: ...
    @property
    def description(self) -> str | None:
        """Name of the instrument."""

    @property
    def short_sale_restriction(self) -> str | None:
        """Whether short sales are restricted. One of UNDEFINED, ACTIVE, INACTIVE."""

    @property
    def trading_status(self) -> str | None:
        """Whether the instrument trades. One of UNDEFINED, HALTED, ACTIVE."""

    @property
    def status_reason(self) -> str | None:
        """Why trading was halted."""

    @property
    def halt_start_time(self) -> int:
        """Start of the halt, ms since 1970 UTC; 0 is none."""

    @property
    def halt_end_time(self) -> int:
        """End of the halt, ms since 1970 UTC; 0 is none."""

    @property
    def high_limit_price(self) -> float:
        """Highest price allowed today."""

    @property
    def low_limit_price(self) -> float:
        """Lowest price allowed today."""

    @property
    def high_52_week_price(self) -> float:
        """Highest price of the last 52 weeks."""

    @property
    def low_52_week_price(self) -> float:
        """Lowest price of the last 52 weeks."""

    @property
    def beta(self) -> float:
        """Correlation with the S&P 500."""

    @property
    def earnings_per_share(self) -> float:
        """Earnings per share."""

    @property
    def dividend_frequency(self) -> float:
        """Dividend payments a year."""

    @property
    def ex_dividend_amount(self) -> float:
        """Amount of the last dividend."""

    @property
    def ex_dividend_day_id(self) -> int:
        """Day of the last dividend, days since 1970-01-01."""

    @property
    def shares(self) -> float:
        """Shares outstanding."""

    @property
    def free_float(self) -> float:
        """Shares in free float."""

    @property
    def halt_start_time_utc(self) -> datetime | None:
        """The `halt_start_time` as a datetime in UTC, or None for 0."""

    @property
    def halt_end_time_utc(self) -> datetime | None:
        """The `halt_end_time` as a datetime in UTC, or None for 0."""

    @property
    def ex_dividend_day_id_date(self) -> date | None:
        """The `ex_dividend_day_id` as a date, or None for 0."""

@final
class Quote(Event):
    """Best bid and best ask of a symbol."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        sequence: int = 0,
        time_nano_part: int = 0,
        bid_time: int = 0,
        bid_exchange_code: str | None = None,
        bid_price: float = ...,
        bid_size: float = ...,
        ask_time: int = 0,
        ask_exchange_code: str | None = None,
        ask_price: float = ...,
        ask_size: float = ...,
    ) -> Self: ...
    @property
    def sequence(self) -> int:
        """Number that orders quotes of the same time, 0 to 4194303."""

    @property
    def time_nano_part(self) -> int:
        """Nanoseconds of the time within its millisecond."""

    @property
    def bid_time(self) -> int:
        """Time of the last bid change, ms since 1970 UTC; 0 is unknown."""

    @property
    def bid_exchange_code(self) -> str | None:
        """Exchange of the bid, one letter."""

    @property
    def bid_price(self) -> float:
        """Best bid price."""

    @property
    def bid_size(self) -> float:
        """Size at the best bid."""

    @property
    def ask_time(self) -> int:
        """Time of the last ask change, ms since 1970 UTC; 0 is unknown."""

    @property
    def ask_exchange_code(self) -> str | None:
        """Exchange of the ask, one letter."""

    @property
    def ask_price(self) -> float:
        """Best ask price."""

    @property
    def ask_size(self) -> float:
        """Size at the best ask."""

    @property
    def bid_time_utc(self) -> datetime | None:
        """The `bid_time` as a datetime in UTC, or None for 0."""

    @property
    def ask_time_utc(self) -> datetime | None:
        """The `ask_time` as a datetime in UTC, or None for 0."""

    @property
    def mid_price(self) -> float:
        """The price halfway between bid and ask; NaN where one of them is unknown."""

    @property
    def micro_price(self) -> float:
        """The mean of bid and ask, each weighted with the size of the other side.

        It leans to the side that is about to give way. It is the mid price where the sizes are unknown or
        total 0, and NaN where the bid or the ask is unknown.
        """

    @property
    def last_price(self) -> float | None:
        """The price of the symbol's last Trade, or None where none came.

        A Quote has no such price on the wire. It is that of the last Trade known when it is read: the first
        read of the symbol's `last_price`, `volume` or `last_time` subscribes its Trade, hidden from
        listeners, if the streamer does not leave it out, and unsubscribing the Quote ends that. It is None
        while none has come, where the price is unknown, of an event that a program made, and when the
        streamer is gone. `last_time` says how old it is.
        """

    @property
    def volume(self) -> float | None:
        """The day's volume by the symbol's last Trade, or None where none came; see last_price."""

    @property
    def last_time(self) -> int | None:
        """The time of the symbol's last Trade, ms since 1970 UTC, or None where it is unknown.

        See last_price.
        """

@final
class Series(IndexedEvent):
    """One expiry of an underlying's options: implied volatility, forward price, volumes."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        sequence: int = 0,
        expiration: int = 0,
        volatility: float = ...,
        call_volume: float = ...,
        put_volume: float = ...,
        put_call_ratio: float = ...,
        forward_price: float = ...,
        dividend: float = ...,
        interest: float = ...,
    ) -> Self: ...
    @property
    def sequence(self) -> int:
        """Number that orders events of the same time, 0 to 4194303."""

    @property
    def expiration(self) -> int:
        """Expiry, days since 1970-01-01."""

    @property
    def volatility(self) -> float:
        """Implied volatility of the expiry, a fraction."""

    @property
    def call_volume(self) -> float:
        """Volume of calls today, in contracts."""

    @property
    def put_volume(self) -> float:
        """Volume of puts today, in contracts."""

    @property
    def put_call_ratio(self) -> float:
        """Put volume over call volume."""

    @property
    def forward_price(self) -> float:
        """Implied forward price."""

    @property
    def dividend(self) -> float:
        """Implied dividend return, a fraction."""

    @property
    def interest(self) -> float:
        """Implied interest rate, a fraction."""

    @property
    def expiration_date(self) -> date | None:
        """The `expiration` as a date, or None for 0."""

@final
class SpreadOrder(IndexedEvent):
    """One order of a spread's book."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        time_nano_part: int = 0,
        sequence: int = 0,
        source: str | None = None,
        action: str | None = None,
        action_time: int = 0,
        order_id: int | None = None,
        aux_order_id: int | None = None,
        price: float = ...,
        size: float = ...,
        executed_size: float = ...,
        count: int | None = None,
        exchange_code: str | None = None,
        order_side: str | None = None,
        scope: str | None = None,
        trade_id: int | None = None,
        trade_price: float = ...,
        trade_size: float = ...,
        spread_symbol: str | None = None,
    ) -> Self: ...
    @property
    def time_nano_part(self) -> int:
        """Nanoseconds of the time within its millisecond."""

    @property
    def sequence(self) -> int:
        """Number that orders events of the same time, 0 to 4194303."""

    @property
    def source(self) -> str | None:
        """Source of the order, such as NTV; part of its identity."""

    @property
    def action(self) -> str | None:
        """What happened to the order. One of UNDEFINED, NEW, REPLACE, MODIFY, DELETE, PARTIAL, EXECUTE, TRADE, BUST."""

    @property
    def action_time(self) -> int:
        """Time of the action, ms since 1970 UTC; 0 is unknown."""

    @property
    def order_id(self) -> int | None:
        """Identifier of the order at its exchange; 0 where it has none."""

    @property
    def aux_order_id(self) -> int | None:
        """Identifier of the order that this one replaced or matched; 0 where there is none."""

    @property
    def price(self) -> float:
        """Price of the order."""

    @property
    def size(self) -> float:
        """Size of the order."""

    @property
    def executed_size(self) -> float:
        """Size executed so far."""

    @property
    def count(self) -> int | None:
        """Number of orders in an aggregated one."""

    @property
    def exchange_code(self) -> str | None:
        """Exchange of the order, one letter."""

    @property
    def order_side(self) -> str | None:
        """Side of the book. One of UNDEFINED, BUY, SELL."""

    @property
    def scope(self) -> str | None:
        """What the order stands for: one order or an aggregate. One of COMPOSITE, REGIONAL, AGGREGATE, ORDER."""

    @property
    def trade_id(self) -> int | None:
        """Identifier of the trade, for a trade action; 0 elsewhere."""

    @property
    def trade_price(self) -> float:
        """Price of the trade, for a trade action."""

    @property
    def trade_size(self) -> float:
        """Size of the trade, for a trade action."""

    @property
    def spread_symbol(self) -> str | None:
        """Symbol of the spread."""

    @property
    def action_time_utc(self) -> datetime | None:
        """The `action_time` as a datetime in UTC, or None for 0."""

@final
class Summary(Event):
    """The trading day of a symbol: open, high, low, close and open interest."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        day_id: int = 0,
        day_open_price: float = ...,
        day_high_price: float = ...,
        day_low_price: float = ...,
        day_close_price: float = ...,
        day_close_price_type: str | None = None,
        prev_day_id: int = 0,
        prev_day_close_price: float = ...,
        prev_day_close_price_type: str | None = None,
        prev_day_volume: float = ...,
        open_interest: int | None = None,
    ) -> Self: ...
    @property
    def day_id(self) -> int:
        """Trading day, days since 1970-01-01."""

    @property
    def day_open_price(self) -> float:
        """First price of the day."""

    @property
    def day_high_price(self) -> float:
        """Highest price of the day."""

    @property
    def day_low_price(self) -> float:
        """Lowest price of the day."""

    @property
    def day_close_price(self) -> float:
        """Last price of the day."""

    @property
    def day_close_price_type(self) -> str | None:
        """How final the close is. One of REGULAR, INDICATIVE, PRELIMINARY, FINAL."""

    @property
    def prev_day_id(self) -> int:
        """Previous trading day, days since 1970-01-01."""

    @property
    def prev_day_close_price(self) -> float:
        """Last price of the previous day."""

    @property
    def prev_day_close_price_type(self) -> str | None:
        """How final the previous day's close is. One of REGULAR, INDICATIVE, PRELIMINARY, FINAL."""

    @property
    def prev_day_volume(self) -> float:
        """Volume of the previous day."""

    @property
    def open_interest(self) -> int | None:
        """Open interest in contracts; 0 for equities."""

    @property
    def day_id_date(self) -> date | None:
        """The `day_id` as a date, or None for 0."""

    @property
    def prev_day_id_date(self) -> date | None:
        """The `prev_day_id` as a date, or None for 0."""

@final
class TheoPrice(IndexedEvent):
    """Theoretical price of an option, from a model."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        sequence: int = 0,
        price: float = ...,
        underlying_price: float = ...,
        delta: float = ...,
        gamma: float = ...,
        dividend: float = ...,
        interest: float = ...,
    ) -> Self: ...
    @property
    def sequence(self) -> int:
        """Number that orders events of the same time, 0 to 4194303."""

    @property
    def price(self) -> float:
        """Theoretical price."""

    @property
    def underlying_price(self) -> float:
        """Underlying price of the computation."""

    @property
    def delta(self) -> float:
        """Delta at the theoretical price."""

    @property
    def gamma(self) -> float:
        """Gamma at the theoretical price."""

    @property
    def dividend(self) -> float:
        """Implied dividend return of the option series, a fraction."""

    @property
    def interest(self) -> float:
        """Implied interest rate of the option series, a fraction."""

@final
class TimeAndSale(IndexedEvent):
    """One sale as the exchange reported it."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        time_nano_part: int = 0,
        sequence: int = 0,
        exchange_code: str | None = None,
        price: float = ...,
        size: float = ...,
        bid_price: float = ...,
        ask_price: float = ...,
        exchange_sale_conditions: str | None = None,
        trade_through_exempt: str | None = None,
        aggressor_side: str | None = None,
        spread_leg: bool | None = None,
        extended_trading_hours: bool | None = None,
        valid_tick: bool | None = None,
        type: str | None = None,
        trade_id: int | None = None,
        buyer: str | None = None,
        seller: str | None = None,
    ) -> Self: ...
    @property
    def time_nano_part(self) -> int:
        """Nanoseconds of the time within its millisecond."""

    @property
    def sequence(self) -> int:
        """Number that orders sales of the same time, 0 to 4194303."""

    @property
    def exchange_code(self) -> str | None:
        """Exchange of the sale, one letter."""

    @property
    def price(self) -> float:
        """Price of the sale."""

    @property
    def size(self) -> float:
        """Size of the sale."""

    @property
    def bid_price(self) -> float:
        """Best bid at the time of the sale."""

    @property
    def ask_price(self) -> float:
        """Best ask at the time of the sale."""

    @property
    def exchange_sale_conditions(self) -> str | None:
        """Sale conditions in the exchange's own letters."""

    @property
    def trade_through_exempt(self) -> str | None:
        """Trade-through exemption, one letter."""

    @property
    def aggressor_side(self) -> str | None:
        """Side of the order that took liquidity. One of UNDEFINED, BUY, SELL."""

    @property
    def spread_leg(self) -> bool | None:
        """Whether the sale is a leg of a spread."""

    @property
    def extended_trading_hours(self) -> bool | None:
        """Whether the sale was made outside of regular trading hours."""

    @property
    def valid_tick(self) -> bool | None:
        """Whether the sale counts for last, high and low."""

    @property
    def type(self) -> str | None:
        """Whether the sale is new, a correction or a cancel. One of NEW, CORRECTION, CANCEL."""

    @property
    def trade_id(self) -> int | None:
        """Identifier of the trade at its exchange."""

    @property
    def buyer(self) -> str | None:
        """Buyer of the sale, where it is public."""

    @property
    def seller(self) -> str | None:
        """Seller of the sale, where it is public."""

@final
class Trade(Event):
    """Last trade of a symbol in regular trading hours, with the day's volume."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        time: int = 0,
        time_nano_part: int = 0,
        sequence: int = 0,
        exchange_code: str | None = None,
        trade_id: int | None = None,
        price: float = ...,
        change: float = ...,
        size: float = ...,
        day_id: int = 0,
        day_volume: float = ...,
        day_turnover: float = ...,
        tick_direction: str | None = None,
        extended_trading_hours: bool | None = None,
    ) -> Self: ...
    @property
    def time(self) -> int:
        """Time of the trade, ms since 1970 UTC; 0 is unknown."""

    @property
    def time_nano_part(self) -> int:
        """Nanoseconds of the time within its millisecond."""

    @property
    def sequence(self) -> int:
        """Number that orders trades of the same time, 0 to 4194303."""

    @property
    def exchange_code(self) -> str | None:
        """Exchange of the trade, one letter."""

    @property
    def trade_id(self) -> int | None:
        """Identifier of the trade at its exchange."""

    @property
    def price(self) -> float:
        """Price of the trade."""

    @property
    def change(self) -> float:
        """Change of the price since the previous day's close."""

    @property
    def size(self) -> float:
        """Size of the trade."""

    @property
    def day_id(self) -> int:
        """Trading day of the day fields, days since 1970-01-01."""

    @property
    def day_volume(self) -> float:
        """Volume of the trading day so far."""

    @property
    def day_turnover(self) -> float:
        """Sum of price times size of the trading day so far."""

    @property
    def tick_direction(self) -> str | None:
        """How the price stands to the one before. One of UNDEFINED, DOWN, ZERO_DOWN, ZERO, ZERO_UP, UP."""

    @property
    def extended_trading_hours(self) -> bool | None:
        """Whether the trade was made outside of regular trading hours."""

    @property
    def time_utc(self) -> datetime | None:
        """The `time` as a datetime in UTC, or None for 0."""

    @property
    def day_id_date(self) -> date | None:
        """The `day_id` as a date, or None for 0."""

    @property
    def volume(self) -> float:
        """Volume of the trading day so far, the same as day_volume. The size of the trade is its size."""

    @property
    def trade_conditions(self) -> str | None:
        """The conditions of the sale in the exchange's own letters, or None where they are not known.

        No Trade has them on the wire. They are those of the TimeAndSale of the same symbol, time, sequence,
        price and size, if TimeAndSale is subscribed and the streamer still has it when this is read.
        """

@final
class TradeETH(Event):
    """Last trade of a symbol in extended trading hours, with the session's volume."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        time: int = 0,
        time_nano_part: int = 0,
        sequence: int = 0,
        exchange_code: str | None = None,
        trade_id: int | None = None,
        price: float = ...,
        change: float = ...,
        size: float = ...,
        day_id: int = 0,
        day_volume: float = ...,
        day_turnover: float = ...,
        tick_direction: str | None = None,
        extended_trading_hours: bool | None = None,
    ) -> Self: ...
    @property
    def time(self) -> int:
        """Time of the trade, ms since 1970 UTC; 0 is unknown."""

    @property
    def time_nano_part(self) -> int:
        """Nanoseconds of the time within its millisecond."""

    @property
    def sequence(self) -> int:
        """Number that orders trades of the same time, 0 to 4194303."""

    @property
    def exchange_code(self) -> str | None:
        """Exchange of the trade, one letter."""

    @property
    def trade_id(self) -> int | None:
        """Identifier of the trade at its exchange."""

    @property
    def price(self) -> float:
        """Price of the trade."""

    @property
    def change(self) -> float:
        """Change of the price since the previous day's close."""

    @property
    def size(self) -> float:
        """Size of the trade."""

    @property
    def day_id(self) -> int:
        """Trading day of the day fields, days since 1970-01-01."""

    @property
    def day_volume(self) -> float:
        """Volume of the trading day so far."""

    @property
    def day_turnover(self) -> float:
        """Sum of price times size of the trading day so far."""

    @property
    def tick_direction(self) -> str | None:
        """How the price stands to the one before. One of UNDEFINED, DOWN, ZERO_DOWN, ZERO, ZERO_UP, UP."""

    @property
    def extended_trading_hours(self) -> bool | None:
        """Whether the trade was made outside of regular trading hours."""

    @property
    def time_utc(self) -> datetime | None:
        """The `time` as a datetime in UTC, or None for 0."""

    @property
    def day_id_date(self) -> date | None:
        """The `day_id` as a date, or None for 0."""

    @property
    def volume(self) -> float:
        """Volume of the trading day so far, the same as day_volume. The size of the trade is its size."""

    @property
    def trade_conditions(self) -> str | None:
        """The conditions of the sale in the exchange's own letters, or None where they are not known.

        No Trade has them on the wire. They are those of the TimeAndSale of the same symbol, time, sequence,
        price and size, if TimeAndSale is subscribed and the streamer still has it when this is read.
        """

@final
class Underlying(IndexedEvent):
    """Option statistics of an underlying: implied volatility, volumes, put/call ratio."""

    fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)

    def __new__(
        cls,
        event_symbol: str,
        *,
        event_time: int = 0,
        event_flags: int = 0,
        index: int = 0,
        time: int = 0,
        sequence: int = 0,
        volatility: float = ...,
        front_volatility: float = ...,
        back_volatility: float = ...,
        call_volume: float = ...,
        put_volume: float = ...,
        option_volume: float = ...,
        put_call_ratio: float = ...,
    ) -> Self: ...
    @property
    def sequence(self) -> int:
        """Number that orders events of the same time, 0 to 4194303."""

    @property
    def volatility(self) -> float:
        """30-day implied volatility, a fraction."""

    @property
    def front_volatility(self) -> float:
        """Implied volatility of the front month, a fraction."""

    @property
    def back_volatility(self) -> float:
        """Implied volatility of the back month, a fraction."""

    @property
    def call_volume(self) -> float:
        """Volume of calls today, in contracts."""

    @property
    def put_volume(self) -> float:
        """Volume of puts today, in contracts."""

    @property
    def option_volume(self) -> float:
        """Volume of calls and puts today, in contracts."""

    @property
    def put_call_ratio(self) -> float:
        """Put volume over call volume."""
