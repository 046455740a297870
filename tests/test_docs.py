"""The examples in the documentation run."""

import doctest
import importlib
import pkgutil

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
