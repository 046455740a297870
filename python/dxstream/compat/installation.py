"""Putting dxstream in the place of the tastytrade SDK's streaming half, and back."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, Literal

from dxstream.compat import events, stand_in
from dxstream.compat.alerts import AlertStreamer
from dxstream.compat.streamer import DXLinkStreamer
from dxstream.errors import adopt_sdk_error

__all__ = ["install", "installed", "uninstall"]

_SDK = "tastytrade"

_MISSING = object()

# What was there before: module, name and value, in the order of replacement.
_replaced: list[tuple[dict[str, Any] | type, str, object]] = []


def installed() -> bool:
    """Whether the streaming half of ``tastytrade`` is dxstream's."""
    return bool(_replaced)


def install(*, companions: Literal["on use", "subscribe", "off"] = "on use") -> None:
    """Let ``tastytrade`` stream by dxstream, in every program part that imports it from now on.

    Where the tastytrade SDK is installed, its ``DXLinkStreamer``, ``AlertStreamer`` and event
    classes become ours in all of its modules; sessions, accounts, orders and everything else stay
    the SDK's. Where it is not, the modules ``tastytrade``, ``tastytrade.dxfeed``,
    ``tastytrade.streamer``, ``tastytrade.session`` and ``tastytrade.utils`` are ours.

    Call it before the program imports names from ``tastytrade``: a name that was imported before
    still means what it meant. A second call changes nothing; :func:`uninstall` undoes it.

    Parameters
    ----------
    companions
        The `companions` of streamers that name none; see :class:`dxstream.DXLinkStreamer`.

    Examples
    --------
    >>> import dxstream
    >>> dxstream.install()
    >>> from tastytrade.dxfeed import Quote
    >>> Quote("SPY", bid_price=1.5).bid_price
    Decimal('1.5')
    >>> dxstream.uninstall()
    """
    if installed():
        return
    _put_attribute(DXLinkStreamer, "default_companions", companions)
    if importlib.util.find_spec(_SDK) is None:
        for name, module in stand_in.modules().items():
            _put(sys.modules, name, module)
        return
    ours = _ours()
    for name in ("dxfeed", "streamer", "paper", "utils"):
        _import(f"{_SDK}.{name}")
    adopt_sdk_error()
    originals = {id(value): name for name, value in _originals().items()}
    for module in _modules():
        for name, value in list(vars(module).items()):
            ours_name = originals.get(id(value))
            if ours_name is not None:
                _put(vars(module), name, ours[ours_name])
    for path, names in stand_in.ADDED.items():
        for name in names:
            _put(vars(sys.modules[path]), name, getattr(stand_in, name))
    streamer = sys.modules[f"{_SDK}.streamer"]
    known = {name: ours.get(name, value) for name, value in streamer.MAP_EVENTS.items()}
    _put(vars(streamer), "MAP_EVENTS", known)


def uninstall() -> None:
    """Let ``tastytrade`` be what it was before :func:`install`."""
    while _replaced:
        namespace, name, before = _replaced.pop()
        if isinstance(namespace, type):
            setattr(namespace, name, before)
        elif before is _MISSING:
            namespace.pop(name, None)
        else:
            namespace[name] = before


def _put(namespace: dict[str, Any], name: str, value: object) -> None:
    _replaced.append((namespace, name, namespace.get(name, _MISSING)))
    namespace[name] = value


def _put_attribute(of: type, name: str, value: object) -> None:
    _replaced.append((of, name, getattr(of, name)))
    setattr(of, name, value)


def _ours() -> dict[str, object]:
    return {
        "DXLinkStreamer": DXLinkStreamer,
        "AlertStreamer": AlertStreamer,
        **{name: getattr(events, name) for name in events.__all__},
    }


def _originals() -> dict[str, object]:
    """Find what the SDK calls by the names that are replaced."""
    streamer = sys.modules[f"{_SDK}.streamer"]
    dxlink = sys.modules[f"{_SDK}.dxfeed"]
    event = sys.modules[f"{_SDK}.dxfeed.event"]
    return {
        "DXLinkStreamer": streamer.DXLinkStreamer,
        "AlertStreamer": streamer.AlertStreamer,
        **{name: getattr(dxlink, name, None) or getattr(event, name) for name in events.__all__},
    }


def _modules() -> list[ModuleType]:
    loaded = list(sys.modules.items())
    return [of for name, of in loaded if name == _SDK or name.startswith(f"{_SDK}.")]


def _import(name: str) -> None:
    # A module that a version of the SDK lacks has nothing to replace.
    if importlib.util.find_spec(name) is not None:
        importlib.import_module(name)
