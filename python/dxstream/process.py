"""What belongs to the process that made it: not for pickles, nor for the child of a fork."""

import os
import threading
from typing import NoReturn, SupportsIndex

from dxstream import _dxstream

__all__ = ["Local", "importing"]

importing = threading.RLock()
"""Held while something of this package is imported on demand, and by the thread that forks.

The child of a fork would wait for ever for a module that another thread was just importing.
"""


class Local:
    """An object with threads, sockets or locks of this process; it refuses to be pickled."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        msg = (
            f"{type(self).__name__} objects belong to the process that made them and cannot be "
            "pickled or copied; make one where it is needed"
        )
        raise TypeError(msg)


os.register_at_fork(
    before=_dxstream.before_fork,
    after_in_parent=_dxstream.after_fork_in_parent,
    after_in_child=_dxstream.after_fork_in_child,
)
os.register_at_fork(
    before=importing.acquire,
    after_in_parent=importing.release,
    after_in_child=importing.release,
)
