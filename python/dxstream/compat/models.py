"""The methods that the SDK's events have of pydantic, for ours.

pydantic is used where it is, and never needed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

from dxstream import _dxstream

__all__ = ["FieldInfo", "Model", "complete"]

_MISSING = object()

_TYPES: dict[str, tuple[Any, Any]] = {
    "Str": (str, _MISSING),
    "OptionalStr": (str | None, None),
    "Bool": (bool, _MISSING),
    "Int": (int, _MISSING),
    "OptionalInt": (int | None, None),
    "Decimal": (Decimal, _MISSING),
    "OptionalDecimal": (Decimal | None, None),
    "DecimalOrZero": (Decimal, Decimal(0)),
    "GivenDecimalOrZero": (Decimal, _MISSING),
    "Nothing": (type(None), _MISSING),
}
"""The type of each kind of field, and its default."""


class FieldInfo(NamedTuple):
    """What is known of a field, as pydantic names it."""

    annotation: Any
    alias: str
    default: Any

    def is_required(self) -> bool:
        """Whether the field has to be given."""
        return self.default is _MISSING


class Model:
    """What the SDK's events have of pydantic.

    To type checkers they derive from it; in fact they have its methods as their own.
    """

    fields: ClassVar[tuple[str, ...]]
    model_fields: ClassVar[Mapping[str, FieldInfo]]
    __match_args__: ClassVar[tuple[Literal["event_symbol"]]]
    __pydantic_decorators__: ClassVar[None]

    if TYPE_CHECKING:

        def __new__(cls, event_symbol: str = ..., **values: Any) -> Self:
            """Make an event of the values of its fields."""

    @classmethod
    def from_stream(cls, data: list[Any]) -> list[Self]:
        """Make events of values in the order of the fields, one event after another.

        As in the SDK, events that cannot be made are left out.

        Raises
        ------
        ValueError
            If the number of values is no multiple of the number of fields.
        """
        names = tuple(cls.model_fields)
        if len(data) % len(names):
            msg = f"{len(data)} values are no multiple of the {len(names)} fields of {cls.__name__}"
            raise ValueError(msg)
        made = []
        for start in range(0, len(data), len(names)):
            values = dict(zip(names, data[start : start + len(names)], strict=True))
            try:
                made.append(_validated(cls, values))
            except (TypeError, ValueError):
                continue
        return made

    @classmethod
    def model_validate(cls, obj: Any, **_options: object) -> Self:
        """Make an event of a mapping by names or aliases, or of another event of the type.

        Names of no field are passed over.

        Raises
        ------
        ValueError
            If a field is absent that has to be there, or has a value that it cannot have.
        """
        if isinstance(obj, cls.__mro__[1]):
            copied: Self = _checked(_made(cls, _raw(obj)))
            return copied
        if not isinstance(obj, Mapping):
            # Of an event of the SDK, or of another library.
            obj = {name: getattr(obj, name) for name in cls.model_fields if hasattr(obj, name)}
        values = {}
        for name, field in cls.model_fields.items():
            given = obj.get(field.alias, obj.get(name, _MISSING))
            if given is not _MISSING:
                values[name] = given
            elif field.is_required():
                msg = f"{cls.__name__} needs {name}"
                raise ValueError(msg)
        try:
            event: Self = _validated(cls, values)
        except TypeError as error:
            raise ValueError(*error.args) from error
        return event

    @classmethod
    def model_validate_json(cls, json_data: str | bytes, **options: object) -> Self:
        """Make an event of a JSON text; see :meth:`model_validate`."""
        return cls.model_validate(json.loads(json_data), **options)

    @classmethod
    def model_construct(cls, _fields_set: object = None, **values: Any) -> Self:
        """Make an event of values, without a look at what is absent."""
        return cls(**values)

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        by_alias: bool | None = False,
        exclude_none: bool = False,
        **_options: object,
    ) -> dict[str, Any]:
        """Return the values of the fields by name.

        Parameters
        ----------
        mode
            With "json", decimals are texts.
        include, exclude
            The names of the fields to return, or to leave out.
        by_alias
            Whether names are the server's, such as ``bidPrice``.
        exclude_none
            Whether to leave out what is ``None``.
        """
        fields = type(self).model_fields
        wanted = fields.keys() & set(fields if include is None else include) - set(exclude or ())
        dumped = {}
        for name, field in fields.items():
            if name not in wanted:
                continue
            value = getattr(self, name)
            if value is None and exclude_none:
                continue
            if mode == "json" and isinstance(value, Decimal):
                value = str(value)
            dumped[field.alias if by_alias else name] = value
        return dumped

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        """Return the values of the fields as JSON, decimals as texts; see :meth:`model_dump`."""
        separators = (",", ":") if indent is None else (",", ": ")
        dumped = self.model_dump(**(options | {"mode": "json"}))
        return json.dumps(dumped, indent=indent, separators=separators, ensure_ascii=False)

    def model_copy(
        self,
        *,
        update: Mapping[str, Any] | None = None,
        deep: bool = False,  # noqa: ARG002 - events do not change
    ) -> Self:
        """Return the event with other values of some fields.

        Raises
        ------
        TypeError, ValueError
            If there is no such field, or it cannot have the value.
        """
        if not update:
            return self
        cls = type(self)
        names = {field.alias: name for name, field in cls.model_fields.items()}
        values = {names.get(key, key): value for key, value in update.items()}
        # What the constructor makes of the new values, in the place of the old ones.
        old = _raw(self)
        made = _raw(cls(**({"event_symbol": old["event_symbol"]} | values)))
        event: Self = _made(cls, old | {name: made[name] for name in values})
        return event

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self)
        return f"{type(self).__name__}({fields})"

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return ((name, getattr(self, name)) for name in type(self).model_fields)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Tell pydantic to take events of the class, and what :meth:`model_validate` takes."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.model_validate(value),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda event, info: event.model_dump(mode=info.mode, by_alias=bool(info.by_alias)),
                info_arg=True,
            ),
        )


def complete(event_type: Any) -> None:
    """Give a class of the SDK's events the names that pydantic's models have."""
    fields = {
        name: FieldInfo(annotation, alias, default)
        for name, alias, kind in _dxstream.sdk_fields(event_type)
        for annotation, default in [_TYPES[kind]]
    }
    event_type.model_fields = MappingProxyType(fields)
    event_type.__annotations__ = {name: field.annotation for name, field in fields.items()}
    # pydantic looks for it before it asks whether an object is an instance of a model.
    event_type.__pydantic_decorators__ = None
    for name, method in vars(Model).items():
        if isinstance(method, FunctionType | classmethod):
            setattr(event_type, name, method)


def _validated(cls: Any, values: dict[str, Any]) -> Any:
    for name, value in values.items():
        if value is None and cls.model_fields[name].annotation in (str, bool):
            msg = f"{cls.__name__}.{name} must be a {cls.model_fields[name].annotation.__name__}"
            raise ValueError(msg)
    return _checked(cls(**values))


def _checked(event: Any) -> Any:
    if unmet := _dxstream.unmet(event):
        msg = f"{type(event).__name__} needs a number for {', '.join(unmet)}"
        raise ValueError(msg)
    return event


def _made(cls: Any, fields: dict[str, Any]) -> Any:
    return _dxstream._event(cls, fields)


def _raw(event: Any) -> dict[str, Any]:
    raw = _dxstream._raw(event)
    return raw if event.symbol == event.event_symbol else raw | {"symbol": event.symbol}
