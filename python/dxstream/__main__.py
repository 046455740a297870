"""``python -m dxstream`` is the command ``dxstream``."""

from dxstream.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    raise SystemExit(main())
