"""The native part of dxstream."""

from collections.abc import Iterable
from typing import Any, Self, final

from dxstream.dxfeed import *  # noqa: F403
from dxstream.dxfeed import Event

__version__: str

def _event(event_type: type[Event], fields: dict[str, Any]) -> Event: ...

@final
class _Rows:
    def __new__(cls, events: Iterable[Event]) -> Self: ...
    def __len__(self) -> int: ...
    def __getitem__(self, at: int, /) -> Event: ...
    def churn(self, times: int) -> None: ...
    @staticmethod
    def kind(class_: type, /) -> tuple[str, bool] | None: ...
