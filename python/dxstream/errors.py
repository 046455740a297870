"""What can go wrong, by what the caller does about it.

Wrong arguments raise :class:`ValueError` or :class:`TypeError` and change nothing. Everything else
is a :class:`DXStreamError`; its text is one line that says what happened and what to do.
"""

import sys

__all__ = [
    "AuthenticationError",
    "ConnectionLostError",
    "DXStreamError",
    "ProtocolError",
    "RequestRefusedError",
    "SlowConsumerError",
    "SlowConsumerWarning",
    "StreamerClosedError",
    "SubscriptionError",
]


class _Root(Exception):  # noqa: N818 - a place in the order of classes, and no error
    """What stands above :class:`DXStreamError` until `adopt_sdk_error` puts another class there."""


class DXStreamError(_Root):
    """An error of the stream; the base of all others.

    Where the tastytrade SDK is in use it is a ``tastytrade.utils.TastytradeError`` as well, so that
    programs written for the SDK catch it.
    """


class AuthenticationError(DXStreamError):
    """The server refused the token, or asked for one where there is none."""


class ConnectionLostError(DXStreamError, ConnectionError):
    """The server could not be reached, or the connection to it ended."""


class ProtocolError(DXStreamError):
    """The server does not speak DXLink as this client understands it."""


class RequestRefusedError(DXStreamError):
    """The server refused a request of REST, such as one for something that does not exist."""


class SubscriptionError(DXStreamError):
    """The server refused a subscription, or something was asked for without one that it needs."""


class SlowConsumerError(DXStreamError):
    """A listener fell so far behind that its buffer is full, and it asked to be told."""


class StreamerClosedError(DXStreamError):
    """The streamer was closed by its owner, or is not open yet."""


class SlowConsumerWarning(RuntimeWarning):
    """A listener fell so far behind that its oldest events were dropped."""


def adopt_sdk_error() -> None:
    """Let the errors be the SDK's too, where a program has imported it.

    An ``except`` clause looks at the order of classes and at nothing else.
    """
    utils = sys.modules.get("tastytrade.utils")
    base = getattr(utils, "TastytradeError", None)
    if isinstance(base, type) and not issubclass(DXStreamError, base):
        DXStreamError.__bases__ = (base,)
