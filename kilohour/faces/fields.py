# SPDX-License-Identifier: Apache-2.0
"""What a strategy or an indicator may declare as a field, and how its memory is laid out.

==================  ==============================  =========================================
annotation          in memory                       default
==================  ==============================  =========================================
``int``, ``bool``   int64                           a number
``float``           float64                         a number
``Ring``            float64 array of the capacity   none: starts at zero
``IntRing``         int64 array of the capacity     none: starts at zero
an indicator        a record inside the record      ``indicator(Class, ...)``
a component         the same                        ``component(Class, ...)``
``Product``         int64, the product's row        ``product("VENUE:PRODUCT")``
``Index``           int64, the index's row          ``index("CODE")``
anything else       Python only (``interpreted``)   any
==================  ==============================  =========================================
"""

from __future__ import annotations

import hashlib
import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from kilohour.contracts.product import Product
from kilohour.errors import CannotCompile, UsageError
from kilohour.faces.class_source import class_source
from kilohour.tape.schema import Index

CAPACITY = 1024
"""Values a ring remembers unless ``indicator(..., capacity=)`` says otherwise."""
T = TypeVar("T")


class Ring:
    """Annotation: a float64 array of the indicator's capacity, zero at first."""

    if TYPE_CHECKING:

        def __getitem__(self, at: int) -> float: ...
        def __setitem__(self, at: int, value: float) -> None: ...
        def __len__(self) -> int: ...


class IntRing:
    """Annotation: an int64 array of the indicator's capacity, zero at first."""

    if TYPE_CHECKING:

        def __getitem__(self, at: int) -> int: ...
        def __setitem__(self, at: int, value: int) -> None: ...
        def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class State:
    """Default of a field that is not a parameter."""

    value: Any


@dataclass(frozen=True, slots=True)
class Part:
    """Default of a field that holds an indicator: its class, its capacity, and where its parameters come from."""

    face: type
    bindings: tuple[tuple[str, Any], ...]
    capacity: int


@dataclass(frozen=True, slots=True)
class Handle:
    """Default of a field that names a product (``kind`` product) or an index (``kind`` index) by its code."""

    kind: str
    code: str


def state(value: T) -> T:
    """Marks a field as state: it has a starting value, and is neither a parameter nor swept."""
    return cast("T", State(value))


def product(code: str) -> Product:
    """A field that names a product, e.g. ``product("SIM:H100")``; another can be chosen with ``--set``."""
    return cast("Product", Handle("product", code))


def index(code: str) -> Index:
    """A field that names a published series, e.g. ``index("SIM-ADOPTION")``."""
    return cast("Index", Handle("index", code))


def indicator(face: type[T], *values: object, capacity: int = CAPACITY, **named: object) -> T:
    """A field that holds an indicator whose memory travels with the strategy.

    Parameters of the indicator are given in order or by name: a number, or the name of the strategy's own field,
    so that it can be set and swept: ``indicator(RollingZ, "window")``.

    Raises :class:`UsageError` for a name the indicator lacks, a capacity below 1, or an indicator that cannot nest.
    """
    if not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < 1:
        raise UsageError(f"{face.__name__}: capacity must be a whole number of at least 1, found {capacity!r}")
    for field in fields_of(face):
        if field.kind == "python":
            raise UsageError(f"{face.__name__}.{field.name}: an indicator holds numbers, rings and indicators only; "
                             "keep other things in the strategy")
    own = [f.name for f in fields_of(face) if f.kind in ("int", "float", "bool")]
    if len(values) > len(own):
        raise UsageError(f"{face.__name__} has {len(own)} fields, found {len(values)} values")
    bindings = dict(zip(own, values, strict=False))
    for name, value in named.items():
        if name not in own:
            from kilohour.errors import UnknownName

            raise UnknownName("field", name, own, where=face.__name__)
        bindings[name] = value
    return cast("T", Part(face, tuple(bindings.items()), capacity))


component = indicator
"""The same for what trades rather than measures: ``component(Roll, days="roll_days")``."""


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field: ``kind`` is int, float, bool, ring, int ring, part, product, index or python."""

    name: str
    kind: str
    default: Any
    is_parameter: bool


_KINDS: dict[Any, str] = {int: "int", float: "float", bool: "bool", Ring: "ring", IntRing: "int ring", Product: "product", Index: "index"}


def fields_of(face: type) -> tuple[Field, ...]:
    """The declared fields of a class and its bases, in order of declaration.

    Raises :class:`CannotCompile` for an annotation that cannot be read.
    """
    found = face.__dict__.get("_kilohour_fields")
    if found is None:
        found = tuple(_read_fields(face))
        face._kilohour_fields = found  # type: ignore[attr-defined]
    return cast("tuple[Field, ...]", found)


def _read_fields(face: type) -> list[Field]:
    near: dict[str, Any] = {}
    for base in face.__mro__:  # an indicator's class may be local to a function; its default knows it
        for value in vars(base).values():
            kind = value.face if isinstance(value, Part) else value
            if isinstance(kind, type):
                near.setdefault(kind.__name__, kind)
    try:
        hints = typing.get_type_hints(face, localns=near)
    except NameError as error:
        raise CannotCompile(f"{face.__name__}: an annotation names something unknown: {error}") from None
    for name in dir(face):
        if name not in hints and isinstance(inspect.getattr_static(face, name), State | Part | Handle):
            raise UsageError(f"{face.__name__}.{name} has no annotation; write its type, as in {name}: float = state(0.0)")
    fields = []
    for name, hint in hints.items():
        if typing.get_origin(hint) is typing.ClassVar or name.startswith("_kilohour") or hint is typing.ClassVar:
            continue
        fields.append(_read_field(face, name, hint))
    return fields


def _read_field(face: type, name: str, hint: Any) -> Field:
    default = inspect.getattr_static(face, name, None)
    is_state = isinstance(default, State)
    value = default.value if isinstance(default, State) else default
    kind = _KINDS.get(hint, "python")
    if isinstance(value, Part):
        return Field(name, "part", value, False)
    if kind in ("ring", "int ring", "python"):
        return Field(name, kind, value, False)
    if kind in ("product", "index"):
        if not isinstance(value, Handle) or value.kind != kind:
            raise UsageError(f'{face.__name__}.{name} must be given as {kind}("CODE"), found {value!r}')
        return Field(name, kind, value, not is_state)
    if value is None:
        value = {"int": 0, "float": 0.0, "bool": False}[kind]
    return Field(name, kind, checked(face, name, kind, value), not is_state)


def starting_value(field: Field) -> Any:
    """What a field that lives in Python only starts with."""
    return field.default.value if isinstance(field.default, State) else field.default


def checked(face: type, name: str, kind: str, value: Any) -> Any:
    """The value if it has the field's kind: an int may enter a float, never the other way round.

    Raises :class:`UsageError` naming field, rule and value.
    """
    is_bool = isinstance(value, bool | np.bool_)
    if kind == "bool" and is_bool:
        return bool(value)
    if kind == "int" and isinstance(value, int | np.integer) and not is_bool:
        if not -(2**63) <= value < 2**63:
            raise UsageError(f"{face.__name__}.{name} must fit into 64 bits, found {value!r}")
        return int(value)
    if kind == "float" and isinstance(value, int | float | np.floating | np.integer) and not is_bool:
        return float(value)
    raise UsageError(f"{face.__name__}.{name} must be {'an' if kind == 'int' else 'a'} {kind}, found {value!r}")


def tag_of(face: type) -> str:
    """The name of the record's first field: it tells records apart, and changes when the class's source does."""
    try:
        where = f"{face.__module__}.{face.__qualname__} "
        source = where + "".join(class_source(c) for c in face.__mro__[:-1] if not c.__module__.startswith("kilohour.faces"))
    except (OSError, TypeError):
        source = repr(sorted((k, getattr(v, "__code__", v)) for k, v in vars(face).items() if callable(v)))
    return f"is_{face.__name__}_{hashlib.blake2b(source.encode(), digest_size=4).hexdigest()}"


_DTYPES: dict[tuple[type, int], np.dtype[Any]] = {}


def dtype_of(face: type, capacity: int = CAPACITY) -> np.dtype[Any]:
    """The numpy record of a class. Parts nest; rings have the given capacity; Python-only fields are left out."""
    own = face.__dict__.get("_kilohour_dtype")
    if own is not None:
        return cast("np.dtype[Any]", own)
    if (face, capacity) not in _DTYPES:
        _DTYPES[face, capacity] = _lay_out(face, capacity)
    return _DTYPES[face, capacity]


def _lay_out(face: type, capacity: int) -> np.dtype[Any]:
    entries: list[Any] = [(tag_of(face), np.int64)]
    for field in fields_of(face):
        if field.kind in ("int", "bool", "product", "index"):
            entries.append((field.name, np.int64))
        elif field.kind == "float":
            entries.append((field.name, np.float64))
        elif field.kind in ("ring", "int ring"):
            entries.append((field.name, np.float64 if field.kind == "ring" else np.int64, (capacity,)))
        elif field.kind == "part":
            entries.append((field.name, dtype_of(field.default.face, field.default.capacity)))
    return np.dtype(entries, align=True)
