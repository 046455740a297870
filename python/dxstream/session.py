"""A login at tastytrade: OAuth and REST, without the SDK."""

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from dxstream import logs
from dxstream._dxstream import Api, Reply, Wake
from dxstream.endpoint import Endpoint
from dxstream.errors import AuthenticationError, ProtocolError, RequestRefusedError
from dxstream.healing import ReconnectPolicy
from dxstream.process import Local
from dxstream.waiting import Call, Procedure, Wait, run

__all__ = ["Account", "AccountSettings", "Session"]

PRODUCTION = ("https://api.tastyworks.com", "wss://streamer.tastyworks.com")
SANDBOX = ("https://api.cert.tastyworks.com", "wss://streamer.cert.tastyworks.com")

_QUOTE_TOKEN_SECONDS = 23 * 3600.0
"""How long a quote token is used, which is good for a day."""

_NO_CUSTOMER = "quote_streamer.customer_not_found_error"

_log = logging.getLogger("dxstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """How an account stream connects.

    Attributes
    ----------
    reconnect
        How it connects again after a loss.
    connect_timeout
        Longest wait, in seconds, for each step of connecting and for each answer.
    heartbeat_interval
        Seconds between two heartbeats; the server wants one every 2 to 60 seconds.
    silence_timeout
        Seconds of silence after which the server counts as dead; more than `heartbeat_interval`.
    hydrate
        Whether each connection begins with a snapshot of balances, positions and orders by REST.
    """

    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    connect_timeout: float = 10.0
    heartbeat_interval: float = 20.0
    silence_timeout: float = 45.0
    hydrate: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of a login.

    Attributes
    ----------
    account_number
        Its number, such as "5WT00000".
    nickname, account_type_name, margin_or_cash
        What the server says of it; ``None`` where it says nothing.
    is_closed
        Whether it is closed; ``None`` where the server does not say.
    authority_level
        What the login may do with it, such as "owner".
    fields
        Everything that the server says of it, by the server's names.
    """

    account_number: str
    nickname: str | None = None
    account_type_name: str | None = None
    margin_or_cash: str | None = None
    is_closed: bool | None = None
    authority_level: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Account":
        """Make an account of an item of the server's list."""
        fields = item["account"]
        return cls(
            account_number=fields["account-number"],
            nickname=fields.get("nickname"),
            account_type_name=fields.get("account-type-name"),
            margin_or_cash=fields.get("margin-or-cash"),
            is_closed=fields.get("is-closed"),
            authority_level=item.get("authority-level"),
            fields=fields,
        )


def answer_of(reply: Reply) -> Procedure[tuple[int, str]]:
    """Wait for an answer."""
    wake = Wake()
    while True:
        reply.watch(wake)
        if (answer := reply.result()) is not None:
            return answer
        yield Wait(wake)
        wake.clear()


class Session(Local):
    """A login at tastytrade by OAuth.

    It keeps an access token fresh and gets quote tokens, in the thread of the native streamer: no
    event loop is needed, and none is blocked. It may be used from any thread, asyncio and trio.

    Parameters
    ----------
    provider_secret
        The client secret of your OAuth application; the environment's ``TT_SECRET`` by default.
    refresh_token
        The refresh token of your grant; the environment's ``TT_REFRESH`` by default.
    is_test
        Whether it is a login at the sandbox, whose credentials are its own.
    base_url, account_url
        Where the API and the account streamer are, if not at tastytrade: ``https://`` and ``wss://``,
        or ``http://`` and ``ws://`` on the loopback interface.
    ca_file
        A PEM file with certificate authorities to trust besides those of the system.

    Raises
    ------
    ValueError
        If a credential is missing or a URL cannot be used.

    Examples
    --------
    >>> from dxstream import Session
    >>> Session("my secret", "my refresh token", is_test=True)
    Session('https://api.cert.tastyworks.com', is_test=True)
    """

    def __init__(
        self,
        provider_secret: str | None = None,
        refresh_token: str | None = None,
        is_test: bool = False,  # noqa: FBT001, FBT002 - as the SDK's session has it
        *,
        base_url: str | None = None,
        account_url: str | None = None,
        ca_file: str | PathLike[str] | None = None,
    ) -> None:
        provider_secret = provider_secret or os.environ.get("TT_SECRET")
        refresh_token = refresh_token or os.environ.get("TT_REFRESH")
        missing = [
            f"{name} (or {variable} in the environment)"
            for name, variable, value in (
                ("provider_secret", "TT_SECRET", provider_secret),
                ("refresh_token", "TT_REFRESH", refresh_token),
            )
            if not value
        ]
        if missing:
            msg = f"a session needs {' and '.join(missing)}"
            raise ValueError(msg)
        hosts = SANDBOX if is_test else PRODUCTION
        self.is_test = is_test
        self.base_url = base_url or hosts[0]
        self.account_url = account_url or hosts[1]
        self._ca_file = ca_file
        ca_pem = None if ca_file is None else Path(ca_file).read_bytes()

        # The credentials are nobody's attributes, so that nothing shows them by mistake.
        def make(account_url: str) -> Api:
            return Api(
                base_url=self.base_url,
                account_url=account_url,
                provider_secret=provider_secret,
                refresh_token=refresh_token,
                is_test=is_test,
                ca_pem=ca_pem,
            )

        self._make = make
        self._api = self.api_with(account_url=self.account_url)
        self._endpoint: tuple[Endpoint, float] | None = None

    def __repr__(self) -> str:
        return f"Session({self.base_url!r}{', is_test=True' if self.is_test else ''})"

    @property
    def api(self) -> Api:
        """The native part, for an account stream."""
        return self._api

    def api_with(self, *, account_url: str) -> Api:
        """Make a native part with another account streamer, and access tokens of its own."""
        return self._make(account_url)

    async def _get(self, url: str, *, params: Mapping[str, object] | None = None) -> dict[str, Any]:
        # So the SDK's own classes take this session, as in Account.get(session).
        answer = await run(self._fetch(url, list(_query(params or {}))))
        data: dict[str, Any] = answer["data"]
        return data

    def get(self, path: str, **query: object) -> Call[Any]:
        """Get a path of the API, such as ``"/customers/me/accounts"``.

        Parameters
        ----------
        path
            The path, beginning with a slash.
        query
            The query; underscores in its names become dashes, lists are repeated.

        Returns
        -------
        Call[Any]
            The whole JSON of the answer, most of it under "data".

        Raises
        ------
        AuthenticationError
            If the login is refused.
        RequestRefusedError
            If the server refuses the request.
        ConnectionLostError
            If there is no answer.
        """
        pairs = list(_query(query))
        return Call(lambda: self._fetch(path, pairs))

    def _fetch(self, path: str, query: list[tuple[str, str]]) -> Procedure[Any]:
        logs.follow_levels()
        _, text = yield from answer_of(self._api.get(path, query))
        try:
            return json.loads(text)
        except ValueError:
            msg = f"the answer to {path} is no JSON"
            raise ProtocolError(msg) from None

    def refresh(self, *, force: bool = False) -> Call[None]:
        """Get an access token, if there is none that is good for a while.

        Parameters
        ----------
        force
            Whether to get one in any case.

        Raises
        ------
        AuthenticationError
            If the login is refused.
        """

        def procedure() -> Procedure[None]:
            logs.follow_levels()
            yield from answer_of(self._api.refresh(force))

        return Call(procedure)

    def accounts(self) -> Call[list[Account]]:
        """Get the accounts of the login."""

        def procedure() -> Procedure[list[Account]]:
            answer = yield from self._fetch("/customers/me/accounts", [])
            try:
                return [Account.of(item) for item in answer["data"]["items"]]
            except (KeyError, TypeError):
                msg = "the server's list of accounts has an unknown form"
                raise ProtocolError(msg) from None

        return Call(procedure)

    def endpoint(self, *, fresh: bool = False) -> Call[Endpoint]:
        """Get the market-data server and a quote token for it.

        The token is kept for up to 23 hours.

        Parameters
        ----------
        fresh
            Whether to ask the server in any case, as when it refused the last token.

        Raises
        ------
        AuthenticationError
            If the login is refused, or has no market data.
        """
        return Call(lambda: self._ask_endpoint(fresh=fresh))

    def _ask_endpoint(self, *, fresh: bool) -> Procedure[Endpoint]:
        known = self._endpoint
        if known is not None and not fresh and time.monotonic() < known[1]:
            return known[0]
        try:
            answer = yield from self._fetch("/api-quote-tokens", [])
        except RequestRefusedError as error:
            raise AuthenticationError(self._no_market_data(str(error))) from None
        endpoint = endpoint_of(answer.get("data"), self._ca_file)
        _log.info("the quote token is of level %s", endpoint.level)
        self._endpoint = (endpoint, time.monotonic() + _QUOTE_TOKEN_SECONDS)
        return endpoint

    def _no_market_data(self, said: str) -> str:
        if self.is_test:
            return (
                "the sandbox gives this login no market data; stream with a production session. "
                f"It says: {said}"
            )
        if _NO_CUSTOMER in said:
            return (
                "this login has no customer record, so no market data; open an account at "
                f"tastytrade. The server says: {said}"
            )
        return f"no quote token: {said}"


def endpoint_of(data: object, ca_file: str | PathLike[str] | None = None) -> Endpoint:
    """Read the answer to ``/api-quote-tokens``, without or with its "data" around it."""
    if isinstance(data, Mapping):
        data = data.get("data", data)
    if isinstance(data, Mapping):
        url = data.get("dxlink-url") or data.get("websocket-url")
        token = data.get("token")
        if isinstance(url, str) and isinstance(token, str):
            level = data.get("level")
            return Endpoint(url, token, ca_file, level if isinstance(level, str) else None)
    msg = "the answer about quote tokens has no dxlink-url and token; its form is unknown"
    raise ProtocolError(msg)


def _query(query: Mapping[str, object]) -> "list[tuple[str, str]]":
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        values = value if isinstance(value, list | tuple | set | frozenset) else [value]
        for one in values:
            if one is None:
                continue
            text = str(one).lower() if isinstance(one, bool) else str(one)
            pairs.append((name.replace("_", "-"), text))
    return pairs
