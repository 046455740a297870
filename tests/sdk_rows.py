"""Rows of the SDK's events as servers send them: real ones, and strategies for others."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from dxstream import _dxstream
from dxstream.compat import events

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
FRAMES = sorted((DATA / "frames").glob("*.jsonl"))
SAMPLE = DATA / "tape" / "demo-sample.decoded.jsonl.gz"
TYPES: list[Any] = list(_dxstream.sdk_event_types())
KINDS = {
    each.__name__: {name: kind for name, _, kind in _dxstream.sdk_fields(each)} for each in TYPES
}
OURS = {
    each.__name__: {name: (kind, names) for name, kind, names in _dxstream.field_kinds(each)}
    for each in TYPES
}

UNKNOWN = {"double": "NaN", "long": "NaN", "char": "\0", "enum": "UNDEFINED", "bool": False}
"""What a server sends where it knows nothing; 0 for whole numbers, None for texts."""

SAMPLE_FIELDS = {
    "Quote": {
        "bid_exchange_code": "Bid.Exchange",
        "bid_price": "Bid.Price",
        "bid_size": "Bid.Size",
        "ask_exchange_code": "Ask.Exchange",
        "ask_price": "Ask.Price",
        "ask_size": "Ask.Size",
    },
    "Trade": {
        "exchange_code": "Last.Exchange",
        "price": "Last.Price",
        "size": "Last.Size",
        "change": "Last.Change",
        "day_volume": "Volume",
    },
    "Profile": {
        "description": "Description",
        "status_reason": "StatusReason",
        "beta": "Beta",
        "earnings_per_share": "Eps",
        "dividend_frequency": "DivFreq",
        "ex_dividend_amount": "ExdDiv.Amount",
        "ex_dividend_day_id": "ExdDiv.Date",
        "high_52_week_price": "52High.Price",
        "low_52_week_price": "52Low.Price",
        "shares": "Shares",
    },
    "Summary": {
        "day_id": "DayId",
        "day_open_price": "DayOpen.Price",
        "day_high_price": "DayHigh.Price",
        "day_low_price": "DayLow.Price",
        "day_close_price": "DayClose.Price",
        "prev_day_id": "PrevDayId",
        "prev_day_close_price": "PrevDayClose.Price",
        "open_interest": "OpenInterest",
    },
}


def row(event_type: str, known: dict[str, Any]) -> list[Any]:
    """Make a whole row in the SDK's order of what is known."""
    values = []
    for name, kind in KINDS[event_type].items():
        default = UNKNOWN.get(OURS[event_type][name][0], 0)
        if kind in ("OptionalStr", "Nothing") or name == "description":
            default = None if kind != "Str" else ""
        values.append(known.get(name, default))
    return values


def real_rows() -> Iterator[tuple[str, list[Any]]]:
    """List the rows of recorded frames and of a recorded market."""
    for path in FRAMES:
        columns: dict[str, list[str]] = {"Quote": []}
        for line in path.read_text().splitlines():
            frame = json.loads(line)["frame"]
            columns |= frame.get("acceptEventFields", {})
            for name, values in zip(*[iter(frame.get("data", []))] * 2, strict=True):
                yield from _rows_of_frame(name, columns[name], values)
    if SAMPLE.exists():
        with gzip.open(SAMPLE, "rt") as lines:
            for record in map(json.loads, lines):
                fields = SAMPLE_FIELDS[record["record"]]
                known = {name: record[field] for name, field in fields.items() if field in record}
                yield (
                    record["record"],
                    row(record["record"], known | {"event_symbol": record["symbol"]}),
                )


def _rows_of_frame(
    name: str, columns: list[str], values: list[Any]
) -> Iterator[tuple[str, list[Any]]]:
    if not columns:
        columns = ["", "eventSymbol", "bidPrice", "askPrice", "bidSize", "askSize"]
    names = {alias: field for field, alias, _ in _dxstream.sdk_fields(getattr(events, name))}
    for one in zip(*[iter(values)] * len(columns), strict=True):
        known = dict(zip(columns, one, strict=True))
        # Flags say that other rows belong to it; that is not what is compared.
        known.pop("eventFlags", None)
        yield name, row(name, {names[key]: value for key, value in known.items() if key in names})


WHOLE = st.integers(-(2**53), 2**53)
NOT_FINITE = st.sampled_from(["NaN", "Infinity", "-Infinity"])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | WHOLE
# The SDK takes a text that reads like one of these for an absent number; ours is the text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(
    lambda text: text not in {"NaN", "Infinity", "-Infinity"}
)


def values(event_type: str, name: str) -> st.SearchStrategy[Any]:
    """Return the values that a server may send for a field."""
    kind, names = OURS[event_type][name]
    match kind:
        case "double" if "Int" in KINDS[event_type][name]:
            return WHOLE.map(float) | NUMBERS | NOT_FINITE | st.sampled_from([1e20, -0.0, 9.3e18])
        case "double":
            return NUMBERS | NOT_FINITE
        case "long":
            return WHOLE | st.just("NaN")
        case "bool":
            return st.booleans()
        case "char":
            return st.sampled_from(["\0", "Q", "é", "𝄞", "two"])
        case "enum":
            return st.sampled_from([*(names or ()), "OF_TOMORROW", ""])
        case "symbol":
            return TEXT.map(lambda text: f"S{text}")
        case "text" if KINDS[event_type][name] == "Nothing":
            return st.none()
        case "text" if KINDS[event_type][name] == "OptionalStr":
            return st.none() | TEXT
        case "text":
            return TEXT
    return st.just(0) if name == "event_flags" else WHOLE


def rows(event_type: str) -> st.SearchStrategy[list[Any]]:
    """Return whole rows in the SDK's order."""
    return st.tuples(*(values(event_type, name) for name in KINDS[event_type])).map(list)
