"""A native DXLink market-data streamer."""

from dxstream import dxfeed
from dxstream._dxstream import __version__

__all__ = ["__version__", "dxfeed"]
