"""Strategies for hypothesis: events of any type."""

from typing import Any

from hypothesis import strategies as st

from dxstream import dxfeed

EVENT_TYPES: list[Any] = [
    getattr(dxfeed, name) for name in dxfeed.__all__ if name not in {"Event", "IndexedEvent"}
]
INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(max_size=20),
    "float": st.floats(),
    "int": INT64,
    "int | None": st.none() | st.integers(1 - 2**63, 2**63 - 1),
    "bool | None": st.none() | st.booleans(),
    "str | None": st.none() | st.text(max_size=20),
}
CHARACTERS = st.none() | st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def enum_names(event_type: Any, field: str) -> list[str]:
    """Return the names of an enum field, which its documentation lists; empty for other fields."""
    _, listed, names = getattr(event_type, field).__doc__.partition("One of ")
    return names.rstrip(".").split(", ") if listed else []


def field_values(event_type: Any, field: str) -> st.SearchStrategy[Any]:
    """Return the values that a field can have."""
    if names := enum_names(event_type, field):
        return st.none() | st.sampled_from(names)
    if field.endswith("_code") or field == "trade_through_exempt":
        return CHARACTERS
    return VALUES[event_type.__annotations__[field]]


@st.composite
def events(draw: st.DrawFn) -> Any:
    """Return an event of any type of which any fields are known."""
    event_type = draw(st.sampled_from(EVENT_TYPES))
    names = event_type.fields[1:]
    known = draw(st.lists(st.sampled_from(names), unique=True))
    values = {name: draw(field_values(event_type, name)) for name in known}
    return event_type(draw(VALUES["str"]), **values)
