"""The command ``dxstream``: see a stream, serve one, or replay a recorded one."""

import argparse
import asyncio
import contextlib
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from dxstream import dxfeed
from dxstream._dxstream import __version__
from dxstream.cli import bench, commands, run
from dxstream.cli.follow import run_until_signal
from dxstream.dxfeed import Event
from dxstream.errors import DXStreamError

__all__ = ["main"]

EVENT_TYPES: dict[str, type[Event]] = {
    name: getattr(dxfeed, name) for name in dxfeed.__all__ if name not in ("Event", "IndexedEvent")
}

_INTERRUPTED = 130
_TERMINATED = 143


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"dxstream: {message}\n")


def _number(
    kind: Callable[[str], float], allowed: Callable[[float], bool], what: str
) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not allowed(number):
            msg = f"{text!r} is not {what}"
            raise argparse.ArgumentTypeError(msg)
        return number

    return read


_port = _number(int, lambda port: 0 <= port <= 65_535, "a port from 0 to 65535")
_seed = _number(int, lambda seed: 0 <= seed < 1 << 64, "a whole number from 0 to 2^64 - 1")
_count = _number(int, lambda count: count >= 1, "a whole number above 0")
_seconds = _number(float, lambda seconds: 0 < seconds < math.inf, "a number of seconds above 0")
_speed = _number(float, lambda speed: 0 < speed < math.inf, "a speed above 0")


def _types(text: str) -> list[type[Event]]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in EVENT_TYPES:
            msg = f"{name!r} is no event type; there are {', '.join(EVENT_TYPES)}"
            raise argparse.ArgumentTypeError(msg)
    return [EVENT_TYPES[name] for name in names]


def _symbols(text: str) -> list[str]:
    return list(dict.fromkeys(text.split(",")))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="dxstream",
        description="Market data over DXLink: see a stream, serve one, or replay a recorded one.",
        epilog="examples:\n"
        "  dxstream demo\n"
        "  dxstream quote AAPL SPY --seconds 3\n"
        "  dxstream COMMAND --help\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dxstream {__version__}")
    added = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], object], text: str, examples: Sequence[str]
    ) -> argparse.ArgumentParser:
        of_command: argparse.ArgumentParser = added.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog="examples:\n" + "".join(f"  {example}\n" for example in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        of_command.set_defaults(run=run)
        return of_command

    demo = command(
        "demo",
        commands.demo,
        "stream a synthetic market inside this process, and sum it up",
        ["dxstream demo", "dxstream demo --seconds 20 --seed 7"],
    )
    demo.add_argument("--seconds", type=_seconds, default=5.0, help="how long (default: 5)")
    demo.add_argument("--seed", type=_seed, default=1, help="another seed is another market")

    quote = command(
        "quote",
        commands.quote,
        "print events of symbols as they come",
        [
            "dxstream quote AAPL SPY",
            "dxstream quote AAPL --type Quote,Trade --count 20",
            "DXSTREAM_TOKEN=... dxstream quote AAPL --url wss://host/path",
        ],
    )
    quote.add_argument("symbols", nargs="+", metavar="SYMBOL", help="a dxFeed symbol")
    quote.add_argument(
        "--type",
        dest="types",
        type=_types,
        default=[dxfeed.Quote],
        metavar="TYPE[,TYPE]",
        help="event types (default: Quote)",
    )
    quote.add_argument(
        "--url",
        default="sim://",
        help="a DXLink server; the token for it is read from DXSTREAM_TOKEN "
        "(default: sim://, a synthetic market inside this process)",
    )
    quote.add_argument("--count", type=_count, help="end after so many events")
    quote.add_argument("--seconds", type=_seconds, help="end after so many seconds")

    exchange = command(
        "exchange",
        commands.exchange,
        "serve DXLink on the loopback interface until Ctrl-C",
        [
            "dxstream exchange --port 7000",
            "dxstream exchange --port 7000 --tape ticks/aig_20131009_trade.zip --speed 10",
        ],
    )
    exchange.add_argument(
        "--port", type=_port, default=0, help="where to listen (default: a free port)"
    )
    source = exchange.add_mutually_exclusive_group()
    source.add_argument("--seed", type=_seed, help="another seed is another market")
    source.add_argument(
        "--tape",
        nargs="+",
        metavar="FILE",
        help="recorded events in place of a market; they begin with the first subscription",
    )
    exchange.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        help="how many times as fast as recorded to play the tape (default: 1)",
    )

    replay = command(
        "replay",
        commands.replay,
        "play recorded events through an exchange and print what arrives",
        [
            "dxstream replay ticks/aig_20131009_trade.zip --quiet",
            "dxstream replay demo.jsonl.gz --speed 1 --types Quote --symbols IBM,SPY",
        ],
    )
    replay.add_argument(
        "tape", nargs="+", metavar="TAPE", help="a .jsonl[.gz], .csv[.gz] or tick .zip file"
    )
    replay.add_argument(
        "--speed", type=_speed, help="how many times as fast as recorded (default: full speed)"
    )
    replay.add_argument(
        "--types", type=_types, metavar="TYPE[,TYPE]", help="event types (default: all)"
    )
    replay.add_argument(
        "--symbols", type=_symbols, metavar="SYMBOL[,SYMBOL]", help="symbols (default: all)"
    )
    replay.add_argument("--quiet", action="store_true", help="print only the summary")

    benchmark = command(
        "bench",
        bench.bench,
        "measure how fast quotes stream on this machine, and check them",
        ["dxstream bench", "dxstream bench --rounds 9 --events 8000000"],
    )
    benchmark.add_argument("--rounds", type=_count, default=5, help="rounds (default: 5)")
    benchmark.add_argument(
        "--events",
        type=_count,
        default=2_000_000,
        help="events of a round, a quarter where a frame has but one (default: 2000000)",
    )

    program = command(
        "run",
        run.run,
        "run a program written for the tastytrade SDK, streaming by dxstream",
        [
            "dxstream run --simulated watchlist.py",
            "TT_SECRET=... TT_REFRESH=... dxstream run bot.py AAPL SPY",
        ],
    )
    program.add_argument(
        "script", metavar="SCRIPT", help="a Python file; it may await at its top level"
    )
    program.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="arguments of the script"
    )
    program.add_argument("--seconds", type=_seconds, help="stop it after so many seconds")
    session = program.add_argument_group(
        "session",
        "What the names `session` and `account` are in a script that uses them and does not make "
        "them. The credentials are TT_SECRET and TT_REFRESH.",
    )
    session.add_argument(
        "--simulated", action="store_true", help="a market and an account inside this process"
    )
    session.add_argument("--sandbox", action="store_true", help="tastytrade's sandbox")
    session.add_argument("--base-url", metavar="URL", help="another server of the REST API")
    session.add_argument("--account-url", metavar="URL", help="another account streamer")
    return parser


def _discard_output() -> None:
    # The interpreter flushes the stream once more when it ends.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
        ran = arguments.run(arguments)
        if asyncio.iscoroutine(ran):
            ran = asyncio.run(run_until_signal(ran))
        return ran if isinstance(ran, int) else 0
    finally:
        sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        The arguments; those of the process where they are not given.

    Returns
    -------
    int
        The exit code: 0; 2 after an error, which is told in a line on stderr; 130 after Ctrl-C; 143
        after SIGTERM.
    """
    try:
        return _run(argv)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except asyncio.CancelledError:
        return _TERMINATED
    except BrokenPipeError:
        _discard_output()
        return 0
    except (DXStreamError, ValueError, OSError) as error:
        print(f"dxstream: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
