# SPDX-License-Identifier: Apache-2.0
"""The form of a mapping file, checked with pydantic; imported only when one is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kilohour.contracts.validation import check_form

Word = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _When(_Table):
    column: Word
    of: Literal["instant", "day"] = "instant"
    zone: Word | None = None
    epoch: Literal["s", "ms", "us", "ns"] | None = None
    lag: Word | None = None


class _Text(_Table):
    column: Word | None = None
    value: str | None = None
    rename: dict[str, str] = {}
    prefix: str = ""


Text = Word | _Text


class _QuoteColumns(_Table):
    provider: Text
    segment: Text
    chip: Text
    region: Text | None = None
    zone: Text | None = None
    offer: Text | None = None
    flag: Text | None = None
    size: Word | int | None = None


class _Price(_Table):
    column: Word
    term: Text
    unit: Word = "USD per GPU-hour"
    gpus: Word | int | None = None
    empty: Literal["refuse", "skip"] = "refuse"
    offer: str | None = None
    count: Word | None = None


class _Quotes(_Table):
    gives: Literal["quotes"]
    time: _When
    seen: _When | None = None
    columns: _QuoteColumns
    price: Annotated[list[_Price], Field(min_length=1)]


class _Series(_Table):
    code: Text
    column: Word
    unit: Word
    scale: float | int = 1.0
    empty: Literal["refuse", "skip"] = "refuse"
    lowest: float | int | None = None


class _PrintColumns(_Table):
    regime: Text | None = None
    note: Text | None = None


class _Prints(_Table):
    gives: Literal["prints"]
    time: _When
    known: _When | None = None
    columns: _PrintColumns = _PrintColumns()
    series: Annotated[list[_Series], Field(min_length=1)]


class _BarColumns(_Table):
    contract: Text
    open: Word
    high: Word
    low: Word
    close: Word
    volume: Word | None = None
    settle: Word | None = None
    open_interest: Word | None = None


class _Prices(_Table):
    unit: Word = "USD per GPU-hour"
    gpus: int | None = None


class _Bars(_Table):
    gives: Literal["bars"]
    product: Word
    assume: list[Word] = []
    time: _When
    columns: _BarColumns
    prices: _Prices = _Prices()


FORMS: Mapping[str, type[_Table]] = {"quotes": _Quotes, "prints": _Prints, "bars": _Bars}


def check_mapping(file: str, gives: str, tables: Mapping[str, Any]) -> None:
    """Raises :class:`~kilohour.errors.UsageError`, in one line, when the file has another form."""
    check_form(FORMS[gives], file, tables)
