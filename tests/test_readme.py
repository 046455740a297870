"""What the README shows runs."""

import re
from pathlib import Path

import pytest
from programs import output

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


def test_first_lines_of_code_run_as_they_are() -> None:
    code = blocks()[0]
    assert len(code.splitlines()) <= 10
    rows = [line.split() for line in output("-W", "error", "-c", code).splitlines()]
    assert len(rows) == 5
    for symbol, bid, ask in rows:
        assert symbol in ("AAPL", "SPY")
        assert float(bid) < float(ask)


@pytest.mark.parametrize("code", blocks())
def test_every_block_runs(code: str) -> None:
    output("-W", "error", "-c", code)


def test_links_lead_to_files() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        links = re.findall(r"\]\(([^):]+)\)", (ROOT / name).read_text())
        assert links
        assert [link for link in links if not (ROOT / link).exists()] == []


def test_make_targets_of_the_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"^`?make ([a-z-]+)|`make ([a-z-]+)`", (ROOT / name).read_text()):
            assert f"\n{target[0] or target[1]}:" in makefile
