"""``dxstream run`` runs programs that were written for the SDK."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from conftest import DEADLINE


def run(script: str, folder: Path, *options: str, arguments: tuple[str, ...] = ()) -> list[str]:
    """Run a script that is to end well; return what it printed."""
    done = ended(script, folder, *options, arguments=arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def ended(
    script: str, folder: Path, *options: str, arguments: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    path = folder / "script.py"
    path.write_text(script)
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "dxstream", "run", *options, path, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={name: value for name, value in os.environ.items() if not name.startswith("TT_")},
    )


def test_a_script_is_the_main_module_and_has_its_arguments_and_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("WORD = 'next door'")
    script = """
import sys
from neighbour import WORD
if __name__ == "__main__":
    print(WORD, sys.argv[1:], __file__ == sys.argv[0])
    import __main__
    print(__main__.WORD)
"""
    lines = run(script, tmp_path, arguments=("AAPL", "--seconds", "5"))
    assert lines == ["next door ['AAPL', '--seconds', '5'] True", "next door"]


def test_the_sdks_names_are_ours(tmp_path: Path) -> None:
    script = """
from tastytrade import AlertStreamer, DXLinkStreamer
from tastytrade.dxfeed import Quote
print(DXLinkStreamer.__module__, AlertStreamer.__module__, Quote.__module__)
"""
    [line] = run(script, tmp_path)
    assert line == "dxstream.compat.streamer dxstream.compat.alerts dxstream.compat.events"


def test_a_cell_finds_its_session_and_account_and_what_it_began_goes_on(tmp_path: Path) -> None:
    script = """
async def later():
    async with DXLinkStreamer(session) as streamer:
        await streamer.subscribe(Quote, ["SPY"])
        quote = await streamer.get_event(Quote)
        print(quote.symbol, type(quote.bid_price).__name__, account.account_number)

task = asyncio.create_task(later())
print("cell is over")
"""
    assert run(script, tmp_path, "--simulated") == ["cell is over", "SPY Decimal SIM00001"]


def test_names_that_a_script_makes_itself_are_its_own(tmp_path: Path) -> None:
    script = """
session = "mine"
def account(): return "also mine"
print(session, account())
"""
    assert run(script, tmp_path) == ["mine also mine"]


def test_a_script_without_a_session_is_told_what_one_needs(tmp_path: Path) -> None:
    done = ended("print(session)", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "dxstream: a session needs provider_secret (or TT_SECRET in the environment) and "
        "refresh_token (or TT_REFRESH in the environment)\n"
    )


def test_an_exception_is_printed_as_python_does_it(tmp_path: Path) -> None:
    for script in ("def f():\n    1 / 0\nf()", "import asyncio\nawait asyncio.sleep(0)\n1 / 0"):
        done = ended(script, tmp_path)
        assert done.returncode == 1
        assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
        assert "cli/run.py" not in done.stderr
        assert "script.py" in done.stderr
    done = ended("this is no Python", tmp_path)
    assert (done.returncode, "SyntaxError" in done.stderr) == (1, True)
    done = ended("import sys; sys.exit(7)", tmp_path)
    assert (done.returncode, done.stderr) == (7, "")


def test_an_exception_of_a_task_in_the_background_is_not_lost(tmp_path: Path) -> None:
    script = """
async def fail():
    raise LookupError("gone")

task = asyncio.create_task(fail())
"""
    for options in ((), ("--seconds", "0.5")):
        done = ended(script, tmp_path, *options)
        assert done.returncode == 1
        assert done.stderr.startswith("Task exception was never retrieved")
        assert done.stderr.endswith("LookupError: gone\n")
        script += "await asyncio.sleep(60)\n"


def test_an_exception_that_a_script_handles_is_no_failure(tmp_path: Path) -> None:
    script = """
async def fail():
    raise LookupError("gone")

async def look():
    print(await asyncio.gather(fail(), return_exceptions=True))

task = asyncio.create_task(look())
"""
    assert run(script, tmp_path) == ["[LookupError('gone')]"]


def test_a_script_is_stopped_after_so_many_seconds(tmp_path: Path) -> None:
    cell = """
try:
    while True:
        await asyncio.sleep(0.01)
finally:
    print("cleaned up")
"""
    assert run(cell, tmp_path, "--seconds", "0.5") == ["cleaned up"]
    program = """
import asyncio
async def main():
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned up")
asyncio.run(main())
"""
    assert run(program, tmp_path, "--seconds", "0.5") == ["cleaned up"]


def test_a_signal_ends_a_cell_without_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cell.py"
    path.write_text(
        "async with DXLinkStreamer(session) as streamer:\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(60)\n"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        program = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "dxstream", "run", "--simulated", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        _, errors = program.communicate(timeout=DEADLINE)
        assert (program.returncode, errors) == (0, "")


def test_a_script_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dxstream", "run", tmp_path / "none.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "No such file" in done.stderr
    assert done.stderr.count("\n") == 1
