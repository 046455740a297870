"""A connection to the account streamer, and what programs take from it."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Generic, TypeVar

from dxstream._dxstream import AccountClient, AccountQueue, Wake
from dxstream.access import AccountAccess
from dxstream.account_update import AccountUpdate
from dxstream.arguments import symbol_list
from dxstream.errors import SubscriptionError
from dxstream.process import Local
from dxstream.session import AccountSettings
from dxstream.waiting import Call, Procedure, Wait

__all__ = ["AccountSource", "AccountStream", "AccountUpdates", "Message"]

T = TypeVar("T")

BUFFER = 10_000
"""Most messages that wait for a listener; beyond, the oldest are dropped and counted."""


_CLOSE_SECONDS = 3.0

Message = tuple[str, str, int | None, int | None, bool, int]
"""Type, data (JSON), the server's time (ms) and number, is snapshot, received (ns, monotonic)."""


class AccountStream(Local):
    """What happens in the accounts of a login, over one connection that heals itself.

    It connects when the first account is subscribed. Every connection begins with how things stand
    (balances, positions, live orders), since the server tells changes alone.

    Parameters
    ----------
    session
        A :class:`dxstream.Session`, or a session of another package that has OAuth's credentials or
        an access token.
    account_url
        Where the account streamer is, if the session does not say it.
    settings
        How it connects.

    Raises
    ------
    TypeError
        If an account stream cannot log in with the session.
    """

    def __init__(
        self,
        session: object,
        *,
        account_url: str | None = None,
        settings: AccountSettings | None = None,
    ) -> None:
        access = AccountAccess(session, account_url=account_url)
        self.client = AccountClient(access.api, settings or AccountSettings())
        access.serve(self.client)
        # What the user has heard of, word for word.
        self._told: set[str] = set()

    @property
    def state(self) -> str:
        """Where it stands, in the words of :attr:`dxstream.DXLinkStreamer.state`."""
        return self.client.state

    def subscribe_accounts(self, numbers: Iterable[str]) -> Procedure[None]:
        """Ask for the updates of accounts, and wait until the server has agreed."""
        wanted = list(numbers)
        self.client.subscribe_accounts(wanted)
        return self._confirmed(wanted)

    def subscribe(self, action: str, value: str | None = None) -> Procedure[None]:
        """Ask for something else than accounts, and wait until the server has agreed."""
        self.client.subscribe(action, value)
        return self._confirmed([action])

    def _confirmed(self, wanted: list[str]) -> Procedure[None]:
        wake = Wake()
        while True:
            wake.clear()
            self.client.watch(wake)
            if (error := self.error()) is not None:
                raise error
            known = {what: (state, refused) for what, state, refused in self.client.confirmed()}
            answers = [known.get(what, ("waiting", None)) for what in wanted]
            for _, refused in answers:
                if refused is not None:
                    self._told.add(str(refused))
                    raise refused
            if all(state != "waiting" for state, _ in answers):
                return
            yield Wait(wake)

    def listen(self, types: Iterable[str] | None = None, capacity: int = BUFFER) -> AccountQueue:
        """Queue what is told from now on, of some types or of all."""
        return self.client.listen(None if types is None else list(types), capacity)

    def error(self) -> Exception | None:
        """Say why it has ended, where nothing could heal it; it counts as told then."""
        error = self.client.error() if self.client.state == "failed" else None
        if error is not None:
            self._told.add(str(error))
        return error

    def untold_error(self) -> Exception | None:
        """Say why it has ended, where nobody has asked yet."""
        told = self._told.copy()
        error = self.error()
        return None if error is None or str(error) in told else error

    def close(self) -> Procedure[None]:
        """Close the connection."""
        self.client.close()
        deadline = time.monotonic() + _CLOSE_SECONDS
        wake = Wake()
        while True:
            wake.clear()
            self.client.watch(wake)
            if self.client.state in ("closed", "failed"):
                return
            if not (yield Wait(wake, deadline)):
                return


class AccountSource(Generic[T]):
    """The messages of a queue as objects, for a listener.

    Parameters
    ----------
    stream
        Where the queue comes from.
    queue
        The messages.
    read
        Makes an object of a message; of one for which it returns ``None``, there is none.
    """

    def __init__(
        self, stream: AccountStream, queue: AccountQueue, read: Callable[[Message], T | None]
    ) -> None:
        self._stream = stream
        self._queue = queue
        self._read = read
        self._closed = False
        self.stats = queue.stats

    def next(self) -> T | None:
        """Take the next object, or ``None`` where none waits."""
        while not self._closed and (message := self._queue.next()) is not None:
            made = self._read(message)
            if made is not None:
                return made
        return None

    def arm(self, wake: Wake, events: int = 1) -> bool:  # noqa: ARG002 - each is waited for
        """Ask `wake` to ring when a message comes; ``False`` where one is there."""
        return self._queue.arm(wake)

    def check(self) -> None:
        """Raise why there will be no more messages, where that is so."""
        if (ended := self._queue.ended()) is not None:
            self._stream.error()
            try:
                raise ended
            finally:
                # An error and the frame that holds it would keep each other.
                del ended

    def set_capacity(self, capacity: int) -> None:
        """Take nothing any more, where the capacity is 0."""
        self._closed = capacity == 0


class AccountUpdates:
    """The account updates of one streamer.

    Parameters
    ----------
    session
        What leads to the login.
    mark
        Returns the price of a symbol, for the market value of positions.
    """

    def __init__(self, session: object, mark: Callable[[str], float | None]) -> None:
        self._session = session
        self._mark = mark
        self._lock = threading.Lock()
        self._stream: AccountStream | None = None
        self._wanted: set[str] = set()
        # What came since the first `subscribe`, until the first listener takes it over.
        self._backlog: AccountQueue | None = None
        # For `get_event`: the backlog, for as long as there is one.
        self._inbox: AccountSource[AccountUpdate] | None = None

    def subscribe(self, numbers: str | Iterable[str]) -> Call[None]:
        """Ask for the updates of accounts, by their numbers."""
        wanted = [numbers] if isinstance(numbers, str) else list(numbers)
        if not wanted or not all(wanted):
            msg = "no account number is given; pass those of session.accounts()"
            raise ValueError(msg)
        for number in wanted:
            if not isinstance(number, str):
                msg = f"an account number must be a string, not {type(number).__name__}"
                raise TypeError(msg)
        with self._lock:
            if self._stream is None:
                self._stream = AccountStream(self._session)
                self._backlog = self._stream.listen()
            # Before the server is asked, so that no update finds its account unwanted.
            self._wanted.update(wanted)
            asked = self._stream.subscribe_accounts(wanted)
        return Call(lambda: asked)

    def unsubscribe(self, numbers: str | Iterable[str] | None = None) -> None:
        """Give no updates of accounts any more; all where it is ``None``.

        The server knows no end of a subscription: what it still sends is passed over.
        """
        with self._lock:
            if numbers is None:
                self._wanted.clear()
            else:
                self._wanted.difference_update(symbol_list(numbers))

    def source(self, numbers: str | Iterable[str] | None = None) -> AccountSource[AccountUpdate]:
        """Give a listener its updates: the first begins with what came since `subscribe`."""
        chosen = None if numbers is None else frozenset(symbol_list(numbers))
        with self._lock:
            stream = self._subscribed()
            if self._backlog is None:
                return self._source(stream, stream.listen(), chosen)
            queue, self._backlog = self._backlog, None
            if self._inbox is not None:
                self._inbox = self._source(stream, stream.listen())
            return self._source(stream, queue, chosen)

    def inbox(self) -> AccountSource[AccountUpdate]:
        """Give `get_event` its updates."""
        with self._lock:
            stream = self._subscribed()
            if self._inbox is None:
                self._inbox = self._source(stream, self._backlog or stream.listen())
            return self._inbox

    def _subscribed(self) -> AccountStream:
        if self._stream is None:
            msg = "no account is subscribed; call subscribe(AccountUpdate, [account_number]) before"
            raise SubscriptionError(msg)
        return self._stream

    def _source(
        self, stream: AccountStream, queue: AccountQueue, chosen: frozenset[str] | None = None
    ) -> AccountSource[AccountUpdate]:
        def read(message: Message) -> AccountUpdate | None:
            raw_type, text, timestamp, sequence, snapshot, received_at = message
            data: Any = json.loads(text, parse_float=Decimal)
            if not isinstance(data, dict):
                data = {"value": data}
            number = data.get("account-number")
            if number is not None and (
                number not in self._wanted or (chosen is not None and number not in chosen)
            ):
                return None
            return AccountUpdate(
                raw_type,
                data,
                timestamp=timestamp,
                sequence=sequence,
                snapshot=snapshot,
                received_at=received_at,
                mark=self._mark,
            )

        return AccountSource(stream, queue, read)

    def close(self) -> Procedure[None]:
        """Close the connection, if there is one."""
        if self._stream is not None:
            yield from self._stream.close()

    def shut(self) -> None:
        """Begin to close the connection, if there is one."""
        if self._stream is not None:
            self._stream.client.close()

    @property
    def state(self) -> str:
        """Where the connection stands; "new" before the first subscription."""
        return "new" if self._stream is None else self._stream.state

    def untold_error(self) -> Exception | None:
        """Say why the connection has ended, where nobody was told."""
        return None if self._stream is None else self._stream.untold_error()
