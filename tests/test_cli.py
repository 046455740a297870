"""The command line: what it prints, how it ends, and what it says of an error."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dxstream import DXLinkStreamer, __version__
from dxstream.cli import main
from dxstream.dxfeed import Greeks, Profile, Quote
from dxstream.exchange import Exchange, Rules

SECONDS = 60.0
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Write three quotes and a trade of two symbols within two seconds."""
    records = [
        {"t": 1_374_162_978_000, "record": "Quote", "symbol": "AAA", "Bid.Price": 1.5},
        {"t": 1_374_162_978_500, "record": "Quote", "symbol": "BBB", "Bid.Price": 2.25},
        {"t": 1_374_162_979_000, "record": "Trade", "symbol": "AAA", "Last.Price": 1.75},
        {"t": 1_374_162_980_000, "record": "Quote", "symbol": "AAA", "Bid.Price": 1.625},
    ]
    path = tmp_path / "three.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command as a process that is ended with the block, at the latest after a minute."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dxstream", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def error_of(arguments: list[str], capsys: Captured) -> str:
    """Run a command that must fail; return its one line on stderr without the program's name."""
    assert main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert error.startswith("dxstream: ")
    return error.removeprefix("dxstream: ").rstrip()


def test_demo_streams_three_types_and_sums_up(capsys: Captured) -> None:
    assert main(["demo", "--seconds", "0.3"]) == 0
    stream, last_values, summary = capsys.readouterr().out.split("\n\n")
    kinds = {line.split()[1] for line in stream.splitlines()[1:]}
    assert kinds == {"Quote", "Trade", "Greeks"}
    symbols = [line.split()[0] for line in last_values.splitlines()[1:]]
    assert symbols[:3] == ["AAPL", "MSFT", "SPY"]
    assert len({re.sub(r"[CP][\d.]+$", "", symbol) for symbol in symbols[3:]}) == 1
    assert len(symbols) == 9
    total = int(summary.split()[0])
    assert total == len(stream.splitlines()) - 1
    assert re.search(r"Greeks +\d+ +[\d.]+ +6", summary)


def test_demo_chooses_strikes_around_the_price(capsys: Captured) -> None:
    assert main(["demo", "--seconds", "0.1"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.split("\n\n")[1].splitlines()[1:]]
    price = float(rows[0][1])
    strikes = sorted({float(re.split("[CP]", row[0])[-1]) for row in rows[3:]})
    assert strikes[0] < price < strikes[-1]


def test_quote_ends_after_the_count(capsys: Captured) -> None:
    assert main(["quote", "AAPL", "SPY", "--type", "Quote,Trade", "--count", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert {line.split()[2] for line in lines} <= {"AAPL", "SPY"}


def test_quote_ends_after_the_seconds_when_nothing_comes(capsys: Captured) -> None:
    assert main(["quote", "NONE", "--seconds", "0.05"]) == 0
    assert capsys.readouterr() == ("", "")


def test_quote_prints_every_value_that_is_known(capsys: Captured) -> None:
    with Exchange(None) as exchange:
        exchange.publish(
            Quote("X", bid_price=1.5, bid_size=100, ask_price=1.62345, ask_time=82_800_001),
            Greeks("X", volatility=0.25, delta=-0.5, time=1),
        )
        arguments = ["quote", "X", "--url", exchange.url, "--type", "Quote,Greeks", "--count", "2"]
        assert main(arguments) == 0
    lines = sorted(capsys.readouterr().out.splitlines())
    assert [" ".join(line.split()) for line in lines] == [
        "00:00:00.001 Greeks X iv 0.2500 delta -0.5000 gamma - theta - vega -",
        "23:00:00.001 Quote X bid 1.50 x 100 ask 1.62345 x -",
    ]


def test_quote_hides_control_characters_of_the_server(capsys: Captured) -> None:
    with Exchange(None) as exchange:
        exchange.publish(Profile("X", description="\x1b[31mred\n"))
        arguments = ["quote", "X", "--url", exchange.url, "--type", "Profile", "--count", "1"]
        assert main(arguments) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
    assert "red" in line


def test_token_is_read_from_the_environment(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Exchange(rules=Rules(tokens=("kept-secret",))) as exchange:
        arguments = ["quote", "AAPL", "--url", exchange.url, "--count", "1"]
        monkeypatch.setenv("DXSTREAM_TOKEN", "kept-secret")
        assert main(arguments) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1
        monkeypatch.setenv("DXSTREAM_TOKEN", "another-secret")
        assert "another-secret" not in error_of(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["stream"], "'stream'"),
        (["demo", "--seconds", "0"], "above 0"),
        (["demo", "--seconds", "nan"], "above 0"),
        (["demo", "--seed", "-1"], "'-1'"),
        (["quote"], "SYMBOL"),
        (["quote", ""], "symbol"),
        (["quote", "", "--seconds", "1"], "symbol"),
        (["quote", "A\x07"], "symbol"),
        (["quote", "AAPL", "--type", "Quotes"], "'Quotes' is no event type"),
        (["quote", "AAPL", "--type", ""], "no event type"),
        (["quote", "AAPL", "--count", "0"], "above 0"),
        (["quote", "AAPL", "--url", "http://localhost"], "wss://"),
        (["quote", "AAPL", "--url", "ws://example.com/"], "loopback"),
        (["quote", "AAPL", "--url", "sim://?speed=1"], "no setting 'speed'"),
        (["quote", "AAPL", "--url", "ws://127.0.0.1:1/"], "cannot connect to 127.0.0.1:1"),
        (["exchange", "--port", "65536"], "a port from 0 to 65535"),
        (["exchange", "--seed", "1", "--tape", "x"], "not allowed with"),
        (["exchange", "--tape", "nothing.csv"], "nothing.csv"),
        (["replay"], "TAPE"),
        (["replay", "nothing.jsonl"], "nothing.jsonl: No such file"),
        (["replay", "tape.txt"], "tape.txt"),
        (["replay", "nothing.jsonl", "--speed", "0"], "a speed above 0"),
    ],
)
def test_errors_are_one_line(arguments: list[str], said: str, capsys: Captured) -> None:
    assert said in error_of(arguments, capsys)


def test_port_that_is_taken_is_an_error(capsys: Captured) -> None:
    with Exchange(None) as exchange:
        said = error_of(["exchange", "--port", str(exchange.port)], capsys)
    assert f"127.0.0.1:{exchange.port}" in said


def test_a_lost_connection_is_said_and_the_stream_goes_on() -> None:
    with Exchange() as exchange, running("quote", "AAPL", "--url", exchange.url) as process:
        assert "AAPL" in first_line(process)
        exchange.close_connections(1012, "out of order")
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "AAPL" in first_line(process)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert said.startswith("dxstream: events of ")
    assert "are missing: the server closed the connection: 1012 out of order" in said


@pytest.mark.parametrize(
    ("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
@pytest.mark.parametrize(
    "arguments", [["quote", "AAPL"], ["demo", "--seconds", "50"], ["exchange"]]
)
def test_signals_end_a_command_without_a_word(
    arguments: list[str], ending: signal.Signals, code: int
) -> None:
    with running(*arguments) as process:
        assert first_line(process)
        process.send_signal(ending)
        _, error = process.communicate()
    assert (process.returncode, error) == (code, "")


def test_closed_pipe_ends_a_command_without_a_word() -> None:
    with running("quote", "AAPL", "SPY") as process:
        first_line(process)
        assert process.stdout is not None
        process.stdout.close()
        process.wait()
        assert process.stderr is not None
        error = process.stderr.read()
        assert (process.returncode, error) == (0, "")
        # What is left has been read; there is nothing for `communicate` to read.
        process.stdout = None


def test_exchange_serves_where_it_says() -> None:
    with running("exchange", "--seed", "7") as process:
        url = first_line(process).strip()
        with DXLinkStreamer(url) as streamer:
            events, missing = streamer.collect(Quote, ["AAPL"]).result()
    assert (list(events), missing) == (["AAPL"], [])


def test_exchange_plays_a_tape_when_somebody_subscribes(tape: Path) -> None:
    with running("exchange", "--tape", str(tape), "--speed", "100") as process:
        url = first_line(process).strip()
        with DXLinkStreamer(url) as streamer:
            streamer.subscribe(Quote, ["AAA"], refresh_interval=0)
            quotes = [streamer.get_event(Quote).result(SECONDS) for _ in range(2)]
    assert [quote.bid_price for quote in quotes] == [1.5, 1.625]


@pytest.mark.parametrize("speed", [[], ["--speed", "50"]], ids=["full speed", "50 times"])
def test_replay_prints_every_event_and_sums_up(
    tape: Path, speed: list[str], capsys: Captured
) -> None:
    assert main(["replay", str(tape), *speed]) == 0
    lines = capsys.readouterr().out.splitlines()
    printed = [line.split()[1:3] for line in lines[:4]]
    assert [words for words in printed if words[0] == "Quote"] == [
        ["Quote", "AAA"],
        ["Quote", "BBB"],
        ["Quote", "AAA"],
    ]
    assert ["Trade", "AAA"] in printed
    assert lines[4].startswith("4 events in ")
    assert [line.split()[:2] for line in lines[6:]] == [["Quote", "3"], ["Trade", "1"]]


def test_replay_takes_types_and_symbols(tape: Path, capsys: Captured) -> None:
    assert main(["replay", str(tape), "--types", "Quote", "--symbols", "AAA", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 events in ")
    assert [line.split()[:2] for line in lines[2:]] == [["Quote", "2"]]


def test_replay_says_what_the_tape_does_not_have(tape: Path, capsys: Captured) -> None:
    assert "no Greeks" in error_of(["replay", str(tape), "--types", "Greeks"], capsys)
    assert "no symbol 'CCC'" in error_of(["replay", str(tape), "--symbols", "AAA,CCC"], capsys)


def test_replay_names_the_line_that_cannot_be_read(tape: Path, capsys: Captured) -> None:
    tape.write_text(tape.read_text() + "{}\n")
    assert f"{tape}:5: " in error_of(["replay", str(tape)], capsys)


def test_replay_of_an_empty_tape_says_so(tmp_path: Path, capsys: Captured) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert main(["replay", str(empty)]) == 0
    assert capsys.readouterr().out.startswith("0 events in ")


@pytest.mark.parametrize("command", ["demo", "quote", "exchange", "replay"])
def test_help_has_examples(command: str, capsys: Captured) -> None:
    assert main([command, "--help"]) == 0
    examples = capsys.readouterr().out.split("examples:\n")[1]
    assert f"dxstream {command}" in examples


def test_module_and_script_are_the_command() -> None:
    with running("--version") as process:
        out, _ = process.communicate()
    assert out == f"dxstream {__version__}\n"
    (script,) = entry_points(group="console_scripts", name="dxstream")
    assert script.load() is main
