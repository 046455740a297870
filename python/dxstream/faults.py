"""Faults that an exchange makes on purpose, to see what its clients do about them.

A :class:`Fault` says at which point of a conversation something goes wrong, and in which
connections; the other classes are what can go wrong. :class:`dxstream.exchange.Exchange` takes them
when it is made, and others while it runs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from dxstream.dxfeed import Event

__all__ = [
    "AccountAction",
    "AccountFault",
    "Action",
    "Close",
    "Cut",
    "Expire",
    "Fault",
    "Inject",
    "Omit",
    "Reconfigure",
    "Refuse",
    "Repeat",
    "Respond",
    "Rewrite",
    "Stall",
    "Trickle",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The connection stays open and nothing more is said, not even a pong. At any point.

    Attributes
    ----------
    bytes
        How many bytes of what was to be said are said first: of the TLS answer, of the HTTP answer,
        or of the WebSocket frame of the message.
    reading
        Whether what the client says is still taken off the socket. Where it is not, the exchange
        does not notice that the client leaves.
    """

    bytes: int = 0
    reading: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The TCP connection ends without a close frame and without TLS's farewell. At any point.

    Attributes
    ----------
    bytes
        How many bytes of what was to be said are said first, as for :class:`Stall`.
    reset
        Whether by RST; by FIN otherwise.
    """

    bytes: int = 0
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Trickle:
    """What is said from here on goes out slowly, TLS and all. At any point.

    Attributes
    ----------
    bytes_per_second
        How slowly, in bytes a second.
    """

    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Respond:
    """The request for the WebSocket has this HTTP answer. At "upgrade".

    Attributes
    ----------
    status
        The status. With 101 the connection goes on, and the headers join those of the answer.
    headers
        The headers, such as ``{"Retry-After": "7"}``.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Close:
    """The WebSocket is closed. At or after a message.

    Attributes
    ----------
    code
        The code, from 1000 to 4999.
    reason
        The reason, at most 123 bytes.
    """

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Inject:
    r"""A message is sent that the exchange would not send. At or after a message.

    Attributes
    ----------
    payload
        What is in it.
    text
        Whether it is said to be text, even if the payload is no UTF-8; as the payload is a ``str``
        or ``bytes``, unless it is given.
    fragments
        In how many frames it comes, of about the same length.
    times
        How many times in a row.

    Examples
    --------
    Text that is no JSON, text that is no UTF-8, a binary message, and lists in lists:

    >>> garbage = [
    ...     Inject("{"),
    ...     Inject(b"\xff", text=True),
    ...     Inject(b"\0"),
    ...     Inject("[" * 10_000 + "]" * 10_000, fragments=7),
    ... ]
    """

    payload: str | bytes = field(repr=False)
    text: bool | None = field(default=None, kw_only=True)
    fragments: int = field(default=1, kw_only=True)
    times: int = field(default=1, kw_only=True)

    @classmethod
    def message(cls, message_type: str, channel: int = 0, **fields: object) -> Self:
        """Make a message of the protocol, such as an ERROR.

        Examples
        --------
        >>> Inject.message("ERROR", error="TIMEOUT", message="Too late.").payload
        '{"type": "ERROR", "channel": 0, "error": "TIMEOUT", "message": "Too late."}'
        """
        return cls(json.dumps({"type": message_type, "channel": channel, **fields}))


@dataclass(frozen=True, slots=True)
class Omit:
    """The message is not sent. At a message."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The message is sent more than once. At a message.

    Attributes
    ----------
    times
        How many times more.
    """

    times: int = 1


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A part of the message's text is another, wherever it occurs. At a message.

    Attributes
    ----------
    old
        The part.
    new
        What takes its place.
    """

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Expire:
    """The client's token is refused from here on, in every connection. After a message.

    The client is told, and its channels are closed. It may authenticate anew with another token.

    Attributes
    ----------
    by
        How it is told: "AUTH_STATE", after which the token is refused as one that was never known,
        or "ERROR", as tastytrade's endpoint does, after which an ERROR answers each AUTH with the
        token.
    """

    by: str = "AUTH_STATE"


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Rows are encoded in another way from here on, whatever the client asks for. After a message.

    The client is told by FEED_CONFIG, of fields just before the next data of the type.

    Attributes
    ----------
    event_type
        The type whose fields are others; ``None`` changes the fields of none.
    fields
        Its fields by the names of the feed, such as "bidPrice", in the order in which they are
        served.
    data_format
        "FULL" or "COMPACT"; as it is where it is ``None``.
    """

    event_type: type[Event] | None = None
    fields: tuple[str, ...] = ()
    data_format: str | None = field(default=None, kw_only=True)


Action: TypeAlias = (
    Stall
    | Cut
    | Trickle
    | Respond
    | Close
    | Inject
    | Omit
    | Repeat
    | Rewrite
    | Expire
    | Reconfigure
)
"""What can go wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, where, and in which connections.

    Faults of the same point happen in the order in which they are given. What a fault adds is not
    counted among the messages that others name.

    Attributes
    ----------
    action
        What goes wrong.
    at
        The point that it takes the place of: "accept" (the TCP connection has come), "tls" (the
        client's hello is to be answered), "upgrade" (its HTTP request is to be answered), the type
        of a message of the exchange that is to be sent, such as "AUTH_STATE", or "message", which
        is any type.
    after
        The type of the message that it follows, or "message". A fault has either ``at`` or
        ``after``.
    number
        The message's number among those of the type, from 1, counted since the connection was
        opened or the faults were set, whichever was later. ``after="message", number=0`` is the
        moment at which the WebSocket is open.
    times
        How often in a connection, at that message and those that follow it; always where it is
        ``None``.
    connection
        The number of the only connection that has the fault. Connections are numbered from 1 as
        they come after the faults were set; those that were open before are 0.
    connections
        How many connections have the fault, the first to come. Where neither is given, all have it,
        those that were open before too.

    Examples
    --------
    A server that refuses two connections and cuts the third in the middle of its fifth data frame:

    >>> from dxstream.faults import Cut, Fault, Respond
    >>> faults = [
    ...     Fault(Respond(503, {"Retry-After": "1"}), at="upgrade", connections=2),
    ...     Fault(Cut(bytes=30, reset=True), at="FEED_DATA", number=5, connection=3),
    ... ]
    """

    action: Action
    at: str | None = field(default=None, kw_only=True)
    after: str | None = field(default=None, kw_only=True)
    number: int = field(default=1, kw_only=True)
    times: int | None = field(default=1, kw_only=True)
    connection: int | None = field(default=None, kw_only=True)
    connections: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Refuse:
    """The message is answered by an error. At the action of a message of the account side.

    Attributes
    ----------
    message
        What the error says.
    """

    message: str = "failed"


AccountAction: TypeAlias = Respond | Refuse | Omit | Stall | Close | Inject
"""What can go wrong on the account side."""


@dataclass(frozen=True, slots=True)
class AccountFault:
    """Something that goes wrong on the account side of an exchange, and where.

    Attributes
    ----------
    action
        What goes wrong. The properties of :class:`Stall` do not matter here, nor do those of
        :class:`Inject` but its text, which is sent before what would be sent.
    at
        The point: a path, for every HTTP request whose path begins with it; "upgrade", the request
        for the WebSocket; the action of a client's message, such as "connect" or "heartbeat"; or
        "notification", one of which is to be sent to a client.
    number
        At which of them it begins, from 1, counted over all clients since the faults were set.
    times
        At how many in a row; always where it is ``None``.

    Examples
    --------
    Servers that are overloaded for two requests, and never answer heartbeats:

    >>> from dxstream.faults import AccountFault, Omit, Respond
    >>> faults = [
    ...     AccountFault(Respond(429, {"Retry-After": "1"}), at="/accounts", times=2),
    ...     AccountFault(Omit(), at="heartbeat", times=None),
    ... ]
    """

    action: AccountAction
    at: str = field(kw_only=True)
    number: int = field(default=1, kw_only=True)
    times: int | None = field(default=1, kw_only=True)
