"""A streamer that is made as the SDK's is, in any of its versions."""

import ssl
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from dxstream.listener import Listener
from dxstream.streamer import DXLinkStreamer as NativeStreamer
from dxstream.waiting import Call

__all__ = ["DXLinkStreamer"]


class DXLinkStreamer(NativeStreamer):
    """Market data from a DXLink server, constructed as the tastytrade SDK's streamer is.

    Versions of the SDK differ in what follows the session by position: an SSL context, a function
    and its arguments for reconnects, and from 10.2 on such a pair for disconnects before them. What
    is passed is told apart by what it is.

    Parameters
    ----------
    session
        As for :class:`dxstream.DXLinkStreamer`, the SDK's own included.
    *older
        Positional arguments of versions before 12: arguments and function pairs, an SSL context.
    refresh_interval
        Seconds over which the server may aggregate, for subscriptions that name no other. Of
        versions 9.9 and 9.10.
    **settings
        The keywords of :class:`dxstream.DXLinkStreamer`.

    Raises
    ------
    TypeError
        If an argument by position is none of these.
    """

    default_companions: ClassVar[str] = "on use"
    """The `companions` of streamers that name none; see :class:`dxstream.DXLinkStreamer`."""

    def __init__(
        self,
        session: Any,
        *older: object,
        refresh_interval: float | None = 0.1,
        **settings: Any,
    ) -> None:
        self._refresh_interval = refresh_interval
        settings.setdefault("companions", self.default_companions)
        super().__init__(session, **{**_by_name(older), **settings})

    # The SDK calls by these names what the base class calls by others.

    def subscribe(  # type: ignore[override]
        self,
        event_class: type[Any],
        symbols: str | Iterable[str],
        refresh_interval: float | None = None,
        **more: Any,
    ) -> Call[None]:
        """Ask for events of symbols; see :meth:`dxstream.DXLinkStreamer.subscribe`."""
        if refresh_interval is None:
            refresh_interval = self._refresh_interval
        return super().subscribe(event_class, symbols, refresh_interval, **more)

    def unsubscribe(  # type: ignore[override]
        self,
        event_class: type[Any],
        symbols: str | Iterable[str],
        **more: Any,
    ) -> Call[None]:
        """Ask for events of symbols no longer."""
        return super().unsubscribe(event_class, symbols, **more)

    def unsubscribe_all(self, event_class: type[Any]) -> Call[None]:
        """Ask for no events of the type any more."""
        return super().unsubscribe_all(event_class)

    def listen(  # type: ignore[override]
        self,
        event_class: type[Any],
        *more: Any,
        **named: Any,
    ) -> Listener[Any]:
        """Get the events of a type; see :meth:`dxstream.DXLinkStreamer.listen`."""
        return super().listen(event_class, *more, **named)

    def get_event(self, event_class: type[Any]) -> Call[Any]:
        """Get the next event of a type, waiting for it where none has come."""
        return super().get_event(event_class)

    def get_event_nowait(self, event_class: type[Any]) -> Any:
        """Get the next event of a type, or ``None`` where none has come."""
        return super().get_event_nowait(event_class)


def _by_name(older: Iterable[Any]) -> dict[str, Any]:
    """Name the constructor's positional arguments of older versions."""
    named: dict[str, Any] = {}
    pairs: list[tuple[Iterable[object], Callable[..., object] | None]] = []
    arguments: Iterable[object] | None = None
    for value in older:
        if isinstance(value, ssl.SSLContext):
            named["ssl_context"] = value
        elif callable(value) or (value is None and arguments is not None):
            pairs.append((arguments or (), value))
            arguments = None
        elif value is None or isinstance(value, tuple | list):
            arguments = () if value is None else value
        else:
            msg = (
                f"{value!r} is no argument of a streamer; after the session there may be arguments "
                "and a function for disconnects and reconnects, and an SSL context"
            )
            raise TypeError(msg)
    names = ["disconnect", "reconnect"] if len(pairs) == 2 else ["reconnect"]
    for name, (values, function) in zip(names, pairs, strict=False):
        named[f"{name}_args"] = values
        named[f"{name}_fn"] = function
    return named
