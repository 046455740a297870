"""The examples in the documentation run, and the tests that it names are there."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import dxstream

MODULES = [
    "dxstream",
    *(module.name for module in pkgutil.walk_packages(dxstream.__path__, "dxstream.")),
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_show_what_happens(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


def test_every_test_that_the_reliability_page_names_is_there_and_the_reverse() -> None:
    root = Path(__file__).parents[1]
    page = (root / "docs" / "reliability.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")][2:]
    assert all(re.search(r"`\w+_\w+_\w+` *(\(|\||,)", row) for row in rows)
    named = set(re.findall(r"`((?:test_)?\w+(?:_\w+){4,})`", page))
    python = {file: file.read_text() for file in (root / "tests").rglob("test_*.py")}
    rust = [file.read_text() for file in (root / "rust").rglob("*.rs")]
    there = set(re.findall(r"^def (test_\w+)", "\n".join(python.values()), re.MULTILINE))
    there |= set(re.findall(r"#\[test\]\s+fn (\w+)", "\n".join(rust)))
    assert named - there == set()
    faults = "\n".join(text for file, text in python.items() if file.parent.name == "faults")
    assert set(re.findall(r"^def (test_\w+)", faults, re.MULTILINE)) - named == set()
