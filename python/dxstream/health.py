"""Whether a stream is well: what it says of itself in a few lines."""

from dataclasses import dataclass

__all__ = ["Health", "SilentSymbol"]

_SHOWN = 10
"""Most silent symbols that are printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentSymbol:
    """A symbol that is subscribed and of which nothing comes; print it.

    Attributes
    ----------
    event_type
        Name of the event type.
    symbol
        The symbol, as the server was asked for it.
    age
        Seconds since its last event; ``None`` where none ever came.
    suggestion
        The symbol that was probably meant, where this one looks wrong and none ever came.
    """

    event_type: str
    symbol: str
    age: float | None
    suggestion: str | None = None

    def __str__(self) -> str:
        """Say it in words."""
        since = "never answered" if self.age is None else f"silent for {self.age:.0f} s"
        meant = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{self.event_type} {self.symbol}: {since}{meant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a stream is; print it.

    Attributes
    ----------
    state
        As :attr:`dxstream.DXLinkStreamer.state`.
    last_message_age
        Seconds since a server last gave a sign of life; ``None`` before the first.
    events_per_second
        Over the last 5 s.
    silent
        As :meth:`dxstream.DXLinkStreamer.silent` says.
    dropped
        Events that were dropped because a listener's buffer was full.
    gaps
        How many times a connection was lost and made again.
    """

    state: str
    last_message_age: float | None
    events_per_second: float
    silent: tuple[SilentSymbol, ...]
    dropped: int
    gaps: int

    def __str__(self) -> str:
        """Write a line for the stream, and one for each of the first silent symbols."""
        age = self.last_message_age
        heard = "nothing heard yet" if age is None else f"last message {age:.1f} s ago"
        rate = f"{self.events_per_second:,.0f} events/s"
        lost = f"{self.dropped:,} dropped, {self.gaps} gaps"
        lines = [f"{self.state}, {heard}, {rate}, {len(self.silent)} silent, {lost}"]
        lines += [f"  {symbol}" for symbol in self.silent[:_SHOWN]]
        if (more := len(self.silent) - _SHOWN) > 0:
            lines.append(f"  and {more} more")
        return "\n".join(lines)
