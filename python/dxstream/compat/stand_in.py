"""The modules ``tastytrade`` of a program where the SDK is not installed."""

from dataclasses import fields
from types import ModuleType

from dxstream._dxstream import sdk_event_types
from dxstream.account_update import AccountUpdate
from dxstream.compat import alerts, events
from dxstream.compat.alerts import AlertStreamer
from dxstream.compat.streamer import DXLinkStreamer
from dxstream.errors import DXStreamError
from dxstream.session import Account as NativeAccount
from dxstream.session import Session

__all__ = [
    "ADDED",
    "Account",
    "AccountStreamer",
    "AccountUpdate",
    "EventType",
    "Session",
    "modules",
]

AccountStreamer = AlertStreamer


class EventType:
    """Event types as versions before 9 name them: ``EventType.QUOTE``."""

    CANDLE = events.Candle
    GREEKS = events.Greeks
    PROFILE = events.Profile
    QUOTE = events.Quote
    SUMMARY = events.Summary
    THEO_PRICE = events.TheoPrice
    TIME_AND_SALE = events.TimeAndSale
    TRADE = events.Trade
    UNDERLYING = events.Underlying


ADDED = {
    "tastytrade": ("AccountStreamer",),
    "tastytrade.dxfeed": ("AccountUpdate", "EventType"),
    "tastytrade.streamer": ("AccountStreamer", "EventType"),
}
"""Names that programs use and that the SDK's current version does not have, by module."""


class Account(NativeAccount):
    """An account, as the SDK's programs ask for it."""

    @classmethod
    async def get(
        cls, session: Session, account_number: str | None = None, *, include_closed: bool = False
    ) -> "list[Account] | Account":
        """Get the accounts of a session, or the one with a number."""
        found = [
            cls(**{of.name: getattr(account, of.name) for of in fields(account)})
            for account in await session.accounts()
        ]
        if account_number is None:
            return [account for account in found if include_closed or not account.is_closed]
        for account in found:
            if account.account_number == account_number:
                return account
        msg = f"the session has no account {account_number}"
        raise ValueError(msg)


def modules() -> dict[str, ModuleType]:
    """Make the modules, by name."""
    of_events = {name: getattr(events, name) for name in events.__all__}
    of_alerts = {of.__name__: of for of in alerts.MAP_ALERTS.values()}
    streamers = {
        "AccountStreamer": AccountStreamer,
        "AlertStreamer": AlertStreamer,
        "DXLinkStreamer": DXLinkStreamer,
    }

    def alert(*names: str) -> dict[str, object]:
        return {name: of_alerts[name] for name in names}

    contents: dict[str, dict[str, object]] = {
        "tastytrade": {**streamers, "Account": Account, "Session": Session},
        "tastytrade.account": {
            **alert("AccountBalance", "CurrentPosition", "TradingStatus"),
            "Account": Account,
        },
        "tastytrade.dxfeed": {
            **of_events,
            "AccountUpdate": AccountUpdate,
            "EventType": EventType,
        },
        "tastytrade.dxfeed.event": {
            "Event": events.Event,
            "IndexedEvent": events.IndexedEvent,
        },
        "tastytrade.order": alert("PlacedComplexOrder", "PlacedOrder"),
        "tastytrade.session": {"Session": Session},
        "tastytrade.streamer": {
            **streamers,
            **of_events,
            **alert("ExternalTransaction", "QuoteAlert", "UnderlyingYearGainSummary"),
            "EventType": EventType,
            "MAP_ALERTS": dict(alerts.MAP_ALERTS),
            "MAP_EVENTS": {of.__name__: of for of in sdk_event_types()},
        },
        "tastytrade.utils": {"TastytradeError": DXStreamError},
        "tastytrade.watchlists": alert("Watchlist"),
    }
    made: dict[str, ModuleType] = {}
    for name, values in contents.items():
        module = ModuleType(name, f"The streaming half of {name}, by dxstream.")
        vars(module).update(values, __all__=sorted(values), __path__=[])
        made[name] = module
    for name, module in made.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(made[parent], child, module)
    return made
