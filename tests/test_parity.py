"""Every public streaming name of the tastytrade SDK is there after `install`, or named here."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import tastytrade
import tastytrade.dxfeed
import tastytrade.dxfeed.event
import tastytrade.streamer
from pydantic import BaseModel

import dxstream
from dxstream.compat import installation
from dxstream.compat.streamer import DXLinkStreamer as CompatStreamer

LEFT_OUT = {
    "change_nan_to_none": "a validator that pydantic calls and nobody else",
    "model_config": "settings of pydantic's, and our events are no models of it",
}
"""Names of the SDK's events that ours lack, and why."""

MODEL_METHODS = {
    "from_stream",
    "model_copy",
    "model_dump",
    "model_dump_json",
    "model_fields",
    "model_validate",
}
"""What of pydantic's methods is called on events."""

SDK_EVENTS = {name: getattr(tastytrade.dxfeed, name) for name in tastytrade.streamer.MAP_EVENTS}
SDK_STREAMERS = {
    name: getattr(tastytrade.streamer, name) for name in ("DXLinkStreamer", "AlertStreamer")
}
SDK_NAMES = {
    module.__name__: [name for name in vars(module) if not name.startswith("_")]
    for module in (
        tastytrade,
        tastytrade.streamer,
        tastytrade.dxfeed,
        tastytrade.dxfeed.event,
    )
}


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    dxstream.install()
    yield
    dxstream.uninstall()


def public(of: type) -> list[str]:
    """Names that a class has of its own, or inherits from other classes of the SDK."""
    found = {
        name
        for base in of.__mro__
        if base.__module__.startswith("tastytrade")
        for name in vars(base)
        if not name.startswith("_")
    }
    return sorted(found - {name for name in vars(BaseModel) if name not in MODEL_METHODS})


@pytest.mark.parametrize("name", SDK_STREAMERS)
def test_methods_and_their_parameters_are_the_sdks(name: str) -> None:
    ours, theirs = getattr(tastytrade.streamer, name), SDK_STREAMERS[name]
    assert ours is not theirs
    for method in public(theirs):
        if not callable(getattr(theirs, method)):
            continue
        signature = inspect.signature(getattr(theirs, method))
        mine = inspect.signature(getattr(ours, method))
        # By position and by the SDK's own keywords, a call means the same.
        arguments = [object() for _ in signature.parameters]
        mine.bind(*arguments)
        if method in ("fail",):
            continue
        named = dict.fromkeys(list(signature.parameters)[1:])
        mine.bind(object(), **named)


@pytest.mark.parametrize("name", SDK_EVENTS)
def test_fields_and_properties_are_the_sdks(name: str) -> None:
    ours: Any = getattr(tastytrade.dxfeed, name)
    theirs = SDK_EVENTS[name]
    assert ours is not theirs
    event = ours(event_symbol="A")
    for field, info in theirs.model_fields.items():
        assert hasattr(event, field), field
        assert hasattr(event, info.alias or field), info.alias
    for attribute in set(public(theirs)) - LEFT_OUT.keys():
        assert hasattr(ours, attribute) or hasattr(event, attribute), attribute
    for method in MODEL_METHODS:
        assert hasattr(ours, method), method


@pytest.mark.parametrize("module", SDK_NAMES)
def test_modules_have_all_their_names(module: str) -> None:
    import sys

    assert [name for name in SDK_NAMES[module] if not hasattr(sys.modules[module], name)] == []


def test_what_is_left_out_is_the_sdks() -> None:
    names = {name for of in SDK_EVENTS.values() for name in dir(of)}
    assert names >= LEFT_OUT.keys()


def test_an_installation_that_cannot_be_whole_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dxstream.uninstall()
    before = tastytrade.DXLinkStreamer
    with pytest.raises(ValueError, match="companions must be one of"):
        dxstream.install(companions="never")  # type: ignore[arg-type]
    monkeypatch.delattr("tastytrade.streamer.MAP_EVENTS")
    with pytest.raises(AttributeError, match="MAP_EVENTS"):
        dxstream.install()
    assert tastytrade.DXLinkStreamer is before
    assert not installation.installed()
    assert CompatStreamer.default_companions == "on use"
