"""What the README shows runs, and what documents name is there."""

import json
import re
from pathlib import Path

import pytest
from benches.peers.table import measured_anew
from programs import output

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^):]+)\)", document.read_text())
    assert links or document.name not in ("README.md", "CONTRIBUTING.md")
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_of_a_document_exist(document: Path) -> None:
    named = r"^make ([a-z-]+) +#|`make ([a-z-]+)[ `]"
    targets = re.findall(named, document.read_text(), re.MULTILINE)
    assert targets or document.name not in ("README.md", "CONTRIBUTING.md")
    makefile = (ROOT / "Makefile").read_text()
    for target in targets:
        assert f"\n{target[0] or target[1]}:" in makefile


def test_the_figures_of_the_table_are_those_that_were_measured() -> None:
    measured = json.loads((ROOT / "docs" / "performance" / "peers.json").read_text())
    assert README.read_text() == measured_anew(README.read_text(), measured)
