"""What programs find that were written for the tastytrade SDK; see :func:`dxstream.install`."""
