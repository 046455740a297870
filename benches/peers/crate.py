"""Runs of the Rust crate `dxlink`, by a program that is built once."""

import json
import subprocess
from pathlib import Path

from benches.peers.run import Found, Run

FOLDER = Path(__file__).parent / "dxlink-crate"
PROGRAM = Path("target/dxlink-peer/release/dxlink-peer")
SOURCES = ("Cargo.toml", "Cargo.lock", "src/main.rs")


def is_built() -> bool:
    """Say whether the program is there, and newer than what it is built from."""
    sources = [FOLDER / name for name in SOURCES]
    newest = max(source.stat().st_mtime for source in sources)
    return PROGRAM.exists() and PROGRAM.stat().st_mtime > newest


def build() -> str | None:
    """Build the program, and return why it cannot be built if so."""
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    where = ["--manifest-path", str(FOLDER / "Cargo.toml"), "--target-dir", "target/dxlink-peer"]
    try:
        built = subprocess.run([*command, *where], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"cargo cannot be run: {error}"
    errors = [line for line in built.stderr.splitlines() if line.startswith("error")]
    return None if built.returncode == 0 else (errors or ["it cannot be built"])[0]


def measure(run: Run) -> Found:
    """Run the program, and check what it says."""
    command = [str(PROGRAM), run.url, str(run.rows), str(run.symbols)]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    latest = {symbol: (bid, ask) for symbol, (bid, ask) in found["latest"].items()}
    run.expected.check(found["count"], found["total"], latest)
    return Found.of(run.rows - 1, found["seconds"], found["cpu"])
