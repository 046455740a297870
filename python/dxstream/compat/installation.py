"""Putting dxstream in the place of the tastytrade SDK's streaming half, and back."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Literal

from dxstream.compat import events, stand_in
from dxstream.compat.alerts import AlertStreamer
from dxstream.compat.streamer import DXLinkStreamer
from dxstream.errors import adopt_sdk_error
from dxstream.streamer import check_companions

__all__ = ["install", "installed", "uninstall"]

_SDK = "tastytrade"

_undo: list[Callable[[], object]] = []
"""What puts back what was there before, in the order of replacement."""


def installed() -> bool:
    """Whether the streaming half of ``tastytrade`` is dxstream's."""
    return bool(_undo)


def install(*, companions: Literal["on use", "subscribe", "off"] = "on use") -> None:
    """Let ``tastytrade`` stream by dxstream, in every program part that imports it from now on.

    Where the tastytrade SDK is installed, its ``DXLinkStreamer``, ``AlertStreamer`` and event
    classes become ours in all of its modules; sessions, accounts, orders and everything else stay
    the SDK's. Where it is not, ``tastytrade`` is ours, with those of its modules that streaming
    concerns.

    Call it before the program imports names from ``tastytrade``: a name that was imported before
    still means what it meant. A second call changes nothing; :func:`uninstall` undoes it.

    Parameters
    ----------
    companions
        The `companions` of streamers that name none; see :class:`dxstream.DXLinkStreamer`.

    Raises
    ------
    ValueError
        If `companions` is none of these; nothing is installed then.

    Examples
    --------
    >>> import dxstream
    >>> dxstream.install()
    >>> from tastytrade.dxfeed import Quote
    >>> Quote("SPY", bid_price=1.5).bid_price
    Decimal('1.5')
    >>> dxstream.uninstall()
    """
    check_companions(companions)
    if installed():
        return
    try:
        _replace()
    except BaseException:
        uninstall()
        raise
    _undo.append(
        partial(setattr, DXLinkStreamer, "default_companions", DXLinkStreamer.default_companions)
    )
    DXLinkStreamer.default_companions = companions


def _replace() -> None:
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
    while _undo:
        _undo.pop()()


def _put(namespace: dict[str, Any], name: str, value: object) -> None:
    if name in namespace:
        _undo.append(partial(namespace.__setitem__, name, namespace[name]))
    else:
        _undo.append(partial(namespace.pop, name, None))
    namespace[name] = value


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
