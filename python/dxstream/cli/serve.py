"""An exchange in a process of its own, so that what is measured has its own interpreter.

That process runs :func:`main` with the settings of a :class:`~dxstream.exchange.Blast` in JSON,
says on its standard output where it serves, and ends with its standard input.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict

from dxstream.exchange import Blast, Exchange

__all__ = ["blasting"]


@contextlib.contextmanager
def blasting(blast: Blast) -> Iterator[str]:
    """Serve a blast from another process, and give its URL.

    Every client that connects gets the whole blast.

    Raises
    ------
    OSError
        If the process ended before it could serve.
    """
    program = "from dxstream.cli.serve import main; main()"
    command = [sys.executable, "-c", program, json.dumps(asdict(blast))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                msg = "the process that was to serve quotes has ended; its error is above"
                raise OSError(msg)
            yield url
        finally:
            process.stdin.close()


def main() -> None:
    """Serve until the standard input ends."""
    with Exchange(Blast(**json.loads(sys.argv[1]))) as exchange:
        print(exchange.url, flush=True)
        sys.stdin.read()
