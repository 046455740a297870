"""The process of one run: ``python -m benches.peers.client '{...}'`` prints what it found."""

import sys
from importlib import import_module

from benches.peers.run import Run

MODULES = {"dxstream": "ours", "tastytrade SDK": "sdk", "dxlink (Rust)": "crate"}


def main() -> None:
    """Run and print."""
    run = Run.from_json(sys.argv[1])
    module = import_module(f"benches.peers.{MODULES.get(run.client, 'hand_written')}")
    print(module.measure(run).to_json())


if __name__ == "__main__":
    main()
