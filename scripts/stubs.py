"""Write the stubs of `dxstream.dxfeed` and `dxstream.compat.events`.

They follow the declarations of the event types in Rust.

With ``--check`` nothing is written; the exit code says whether the stub is up to date.
"""

import inspect
import subprocess
import sys
import types
from pathlib import Path

from dxstream import _dxstream, dxfeed
from dxstream.compat import events

PACKAGE = Path(__file__).parent.parent / "python" / "dxstream"

HEADER = f'''\
"""{(dxfeed.__doc__ or "").partition("Examples")[0].rstrip()}"""

# Written by scripts/stubs.py from the declarations in rust/dxstream/src/event/types.rs.

from datetime import date, datetime
from typing import Any, ClassVar, Literal, Self, final

from dxstream.account_update import AccountUpdate as AccountUpdate

'''

EVENT_METHODS = '''
    def as_dict(self) -> dict[str, Any]:
        """Every field by its name, unknown ones too."""

    def __copy__(self) -> Self:
        """Return the event itself, as it cannot change."""

    def __deepcopy__(self, memo: object, /) -> Self:
        """Return the event itself, as it cannot change."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any: ...
'''

DERIVED = {
    "Quote.last_price": "float | None",
    "Quote.volume": "float | None",
    "Quote.last_time": "int | None",
    ".trade_conditions": "str | None",
    ".implied_volatility": "float",
    ".volume": "float",
    "_utc": "datetime | None",
    "_date": "date | None",
    "_price": "float",
    ".symbol": "str",
}
"""The types of properties that are no fields, by how class and property end; the first counts."""


SDK_HEADER = f'''\
"""{(events.__doc__ or "").partition("Examples")[0].rstrip()}
"""

# Written by scripts/stubs.py from the declarations in rust/dxstream-python/src/event/sdk.rs.
# To type checkers the classes do not derive from those of dxstream.dxfeed, whose prices are floats.

from datetime import date, datetime
from decimal import Decimal
from typing import final

from dxstream.compat.models import Model
from dxstream.dxfeed import Event, IndexedEvent

'''

SDK_DERIVED = {
    "Quote.last_price": "Decimal | None",
    "Quote.volume": "Decimal | None",
    "Trade.volume": "Decimal | None",
    "_price": "Decimal",
    ".implied_volatility": "Decimal",
}
"""The same as `DERIVED`, where it differs in the SDK's events."""


def main() -> int:
    """Write the stubs, or check them."""
    stubs = {
        PACKAGE / "dxfeed.pyi": HEADER + exports(dxfeed) + "".join(map(stub_of, classes())),
        PACKAGE / "compat" / "events.pyi": SDK_HEADER
        + exports(events)
        + "".join(map(sdk_stub_of, _dxstream.sdk_event_types())),
    }
    failed = 0
    for stub, source in stubs.items():
        text = formatted(source, stub)
        if "--check" not in sys.argv[1:]:
            stub.write_text(text)
        elif stub.read_text() != text:
            print(f"{stub} is not what scripts/stubs.py writes")
            failed = 1
    return failed


def exports(module: types.ModuleType) -> str:
    """Return a stub's list of names."""
    return f"__all__ = {module.__all__!r}\n"


def sdk_stub_of(event_type: type[dxfeed.Event]) -> str:
    """Return the stub of one class of the SDK's events."""
    ours, base = event_type.__mro__[1:3]
    doc = (inspect.getdoc(event_type) or "").replace("\n", "\n    ")
    name = event_type.__name__
    text = f'@final\nclass {name}(Model, {base.__name__}):\n    """{doc}\n    """\n\n'
    fields: dict[str, str] = {
        field: str(getattr(annotation, "__name__", None) or annotation)
        for field, annotation in event_type.__annotations__.items()
    }
    known = set(dir(base))
    for attribute in [*fields, *(each for each in vars(ours) if each not in fields)]:
        of_class = getattr(event_type, attribute)
        if attribute in known or not isinstance(of_class, types.GetSetDescriptorType):
            continue
        result = fields.get(attribute) or ours.__annotations__.get(attribute)
        result = result or derived_annotation(f"{name}.{attribute}", DERIVED | SDK_DERIVED)
        result = result.replace("decimal.", "").replace("NoneType", "None")
        text += f"    @property\n    def {attribute}(self) -> {result}: ...\n"
    return text


def classes() -> list[type[dxfeed.Event]]:
    """Return the base classes, then the event types."""
    bases: list[type[dxfeed.Event]] = [dxfeed.Event, dxfeed.IndexedEvent]
    exported = (getattr(dxfeed, name) for name in dxfeed.__all__)
    return bases + [each for each in exported if each not in bases]


def stub_of(event_type: type[dxfeed.Event]) -> str:
    """Return the stub of one class."""
    base = event_type.__mro__[1]
    inherited = "" if base is object else f"({base.__name__})"
    summary = inspect.getdoc(event_type) or ""
    summary = summary.partition("\n\nAttributes\n")[0]
    closing = '"""' if "\n" not in summary else '\n    """'
    doc = summary.replace("\n", "\n    ") + closing
    text = "" if is_base(event_type) else "@final\n"
    text += f'class {event_type.__name__}{inherited}:\n    """{doc}\n\n'
    if not is_base(event_type):
        text += constructor(event_type)
    annotations = annotations_of(event_type)
    known = set(dir(base))
    for name, attribute in vars(event_type).items():
        if isinstance(attribute, types.GetSetDescriptorType) and name not in known:
            result = annotations.get(name) or derived_annotation(f"{event_type.__name__}.{name}")
            description = (attribute.__doc__ or "").replace("\n", "\n        ")
            end = '"""' if "\n" not in description else '\n        """'
            text += f"    @property\n    def {name}(self) -> {result}:\n"
            text += f'        """{description}{end}\n\n'
    return text + (EVENT_METHODS if event_type is dxfeed.Event else "")


def is_base(event_type: type[dxfeed.Event]) -> bool:
    """Whether the class has no instances of its own."""
    return not hasattr(event_type, "fields")


def annotations_of(event_type: type[dxfeed.Event]) -> dict[str, str]:
    """Return the types of the fields; a base class has those of its subclasses."""
    if not is_base(event_type):
        return dict(event_type.__annotations__)
    found: dict[str, str] = {}
    for subclass in event_type.__subclasses__():
        found |= annotations_of(subclass)
    return found


def derived_annotation(name: str, derived: dict[str, str] = DERIVED) -> str:
    """Return the type of a property that is not a field."""
    for suffix, annotation in derived.items():
        if name.endswith(suffix):
            return annotation
    return "bool"


def constructor(event_type: type[dxfeed.Event]) -> str:
    """Return the class attributes and the constructor of an event type."""
    parameters = []
    for parameter in inspect.signature(event_type).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        default = "..." if isinstance(parameter.default, float) else repr(parameter.default)
        default = "" if parameter.default is parameter.empty else f" = {default}"
        annotation = event_type.__annotations__[parameter.name]
        parameters.append(f"{parameter.name}: {annotation}{default}")
    return (
        "    fields: ClassVar[tuple[str, ...]]\n"
        '    __match_args__: ClassVar[tuple[Literal["event_symbol"]]] = ("event_symbol",)\n\n'
        f"    def __new__(cls, {', '.join(parameters)}) -> Self: ...\n\n"
    )


def formatted(source: str, stub: Path) -> str:
    """Return the source of a stub as the formatter writes it."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(stub), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
