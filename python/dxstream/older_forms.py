"""Forms in which older versions of the tastytrade SDK open and use a streamer."""

import ssl
import warnings
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Any, Self

from dxstream.dxfeed import Event
from dxstream.subscriptions import Subscriber
from dxstream.waiting import Call

__all__ = ["OlderForms", "OlderOpening", "authorities_of"]


def authorities_of(context: ssl.SSLContext | None) -> bytes | None:
    """Return the certificate authorities that a context trusts, in PEM.

    A context that verifies nothing is warned of: the token that goes over the connection is worth
    an account.
    """
    if context is None:
        return None
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        warnings.warn(
            "ssl_context does not verify the server; dxstream does all the same. If its "
            "certificate is not trusted, name the authority: Endpoint(url, token, ca_file=...)",
            UserWarning,
            stacklevel=4,
        )
    found = context.get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, found)).encode() or None


class OlderOpening(ABC):
    """Something that can be opened as the SDK's streamers could be in any version."""

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Open it."""

    def __await__(self) -> Generator[Any, None, Self]:
        """Open it, as ``streamer = await DXLinkStreamer(session)`` does; close it with `close`."""
        return self.__aenter__().__await__()

    @classmethod
    async def create(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: ANN401 - the constructor's
        """Make a streamer and open it; the arguments are the constructor's."""
        return await cls(*args, **kwargs)

    def __asynccontextmanager__(self) -> Self:
        """Return the streamer itself, for ``portal.wrap_async_context_manager``."""
        return self


class OlderForms(Subscriber, OlderOpening):
    """A streamer that can be opened and used as the SDK's could be in any version."""

    def cancel_channel(self, event_type: type[Event]) -> Call[None]:
        """Ask for no events of the type any more; another name of `unsubscribe_all`."""
        return self.unsubscribe_all(event_type)
