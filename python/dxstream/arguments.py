"""Reading what callers pass."""

from collections.abc import Iterable
from datetime import datetime

__all__ = ["conflation_interval", "milliseconds", "symbol_list"]

# Milliseconds of 1973: an earlier time was most likely given in seconds.
_EARLIEST = 100_000_000_000


def symbol_list(symbols: str | Iterable[str]) -> list[str]:
    """List symbols; a string is one.

    Raises
    ------
    ValueError, TypeError
        If there is none, or one is no string.
    """
    listed = [symbols] if isinstance(symbols, str) else list(symbols)
    for symbol in listed:
        if not isinstance(symbol, str):
            msg = f"a symbol must be a string, not {type(symbol).__name__}"
            raise TypeError(msg)
    if not listed:
        msg = "no symbol is given; name at least one"
        raise ValueError(msg)
    return listed


def milliseconds(name: str, time_of: int | datetime) -> int:
    """Return a point in time as ms since 1970 UTC.

    Raises
    ------
    ValueError
        If it lies before 1970, or was most likely given in seconds.
    """
    if isinstance(time_of, datetime):
        # A datetime without a zone is local time, as everywhere in Python.
        return round(time_of.timestamp() * 1000)
    if 0 < time_of < _EARLIEST:
        msg = f"{name} must be milliseconds since 1970; {time_of} looks like seconds"
        raise ValueError(msg)
    if time_of < 0:
        msg = f"{name} must not be before 1970"
        raise ValueError(msg)
    return time_of


def conflation_interval(policy: str, max_rate: float | None) -> float | None:
    """Return the least seconds between two events of a symbol, or ``None`` where each is given.

    Raises
    ------
    ValueError
        If the policy is none, or the rate is not above 0.
    """
    if policy not in ("every", "latest"):
        msg = f'policy must be "every" or "latest", not {policy!r}'
        raise ValueError(msg)
    if max_rate is not None:
        if not 0 < max_rate < float("inf"):
            msg = "max_rate must be events a second, above 0"
            raise ValueError(msg)
        return 1 / max_rate
    return 0.0 if policy == "latest" else None
