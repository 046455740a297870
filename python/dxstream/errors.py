"""What can go wrong, by what the caller does about it.

Wrong arguments raise :class:`ValueError` or :class:`TypeError` and change nothing. Everything else
is a :class:`DXStreamError`; its text is one line that says what happened and what to do.
"""

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


class DXStreamError(Exception):
    """An error of the stream; the base of all others."""


class AuthenticationError(DXStreamError):
    """The server refused the token, or asked for one where there is none."""


class ConnectionLostError(DXStreamError, ConnectionError):
    """The server could not be reached, or the connection to it ended."""


class ProtocolError(DXStreamError):
    """The server does not speak DXLink as this client understands it."""


class RequestRefusedError(DXStreamError):
    """The server refused a request of REST, such as one for something that does not exist."""


class SubscriptionError(DXStreamError):
    """The server refused a subscription."""


class SlowConsumerError(DXStreamError):
    """A listener fell so far behind that its buffer is full, and it asked to be told."""


class StreamerClosedError(DXStreamError):
    """The streamer was closed by its owner, or is not open yet."""


class SlowConsumerWarning(RuntimeWarning):
    """A listener fell so far behind that its oldest events were dropped."""
