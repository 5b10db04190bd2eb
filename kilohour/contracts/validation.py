# SPDX-License-Identifier: Apache-2.0
"""The form of the TOML files that people write, checked with pydantic; the values are checked where terms are parsed.

Imported only when a file of the user's is read: pydantic costs a fifth of a second.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from kilohour.errors import UsageError

Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class _Stated(_Table):
    value: Any
    source: Words


class _Terms(_Table):
    terms: dict[str, _Stated] = {}


class _Exception(_Table):
    days: list[str | dt.date]
    open: bool
    reason: Words


class _Calendar(_Table):
    name: Words
    base: Words
    exceptions: list[_Exception] = []


class _Product(_Terms):
    code: Words
    name: Words


class _ProductsFile(_Table):
    sources: dict[str, Words] = {}
    common: _Terms = _Terms()
    calendar: list[_Calendar] = []
    product: Annotated[list[_Product], Field(min_length=1)]


class _Assumed(_Table):
    value: Any
    reason: Words


class _Assume(_Table):
    products: Annotated[list[Words], Field(min_length=1)]
    terms: Annotated[dict[str, _Assumed], Field(min_length=1)]


class _AssumptionsFile(_Table):
    note: str = ""
    assume: Annotated[list[_Assume], Field(min_length=1)]


class _Capable(_Stated):
    code: Words | None = None


class _VenueFile(_Table):
    title: Words
    like: Words | None = None
    note: str = ""
    sources: dict[str, Words] = {}
    features: dict[str, _Capable] = {}
    reasons: dict[str, _Stated] = {}
    facts: dict[str, _Stated] = {}


def check_venue(file: str, tables: Mapping[str, Any]) -> None:
    """Raises :class:`UsageError`, in one line, when a file of a venue has another form."""
    check_form(_VenueFile, file, tables)


def check_products(file: str, tables: Mapping[str, Any]) -> None:
    """Raises :class:`UsageError`, in one line, when a file of products has another form."""
    check_form(_ProductsFile, file, tables)


def check_assumptions(file: str, tables: Mapping[str, Any]) -> None:
    """Raises :class:`UsageError`, in one line, when a file of assumptions has another form."""
    check_form(_AssumptionsFile, file, tables)


def check_form(model: type[BaseModel], file: str, tables: Mapping[str, Any]) -> None:
    """Raises :class:`UsageError`, in one line, when ``tables`` are not of the form of ``model``."""
    try:
        model.model_validate(tables)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = _place(tables, first["loc"])
        if first["type"] == "missing":
            raise UsageError(f"{file}: {place} is missing") from None
        raise UsageError(f"{file}: {place}: {_rule(first)}, found {_short(first['input'])}") from None


def _rule(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "no such key is known here"
    if error["type"] in ("model_type", "dict_type"):
        return "must be a table"
    words: str = error["msg"]
    return words[0].lower() + words[1:]


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _place(tables: Mapping[str, Any], steps: tuple[int | str, ...]) -> str:
    """``product MY:GPU: terms: lot: source`` of ``('product', 0, 'terms', 'lot', 'source')``."""
    words: list[str] = []
    here: Any = tables
    for step in steps:
        here = _child(here, step)
        if isinstance(step, int):
            name = here.get("code", here.get("name")) if isinstance(here, Mapping) else None
            words[-1] += f" {name if name is not None else step + 1}"
        else:
            words.append(str(step))
    return ": ".join(words)


def _child(table: Any, step: int | str) -> Any:
    if isinstance(table, Mapping):
        return table.get(step)
    return table[step] if isinstance(table, list) and isinstance(step, int) else None
