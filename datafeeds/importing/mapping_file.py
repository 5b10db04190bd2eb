# SPDX-License-Identifier: Apache-2.0
"""A user's mapping file: TOML that says which column of his own table is what. docs/data.md shows one of each kind."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kilohour.datafeeds.importing.mapping import Price, PrintMapping, QuoteMapping, Series, Text, Unit, When, lag_of, unit_of
from kilohour.errors import UnknownName, UsageError

GIVES = ("quotes", "prints", "bars")


@dataclass(frozen=True, slots=True, kw_only=True)
class BarMapping:
    """How rows become bars of one product, for :meth:`kilohour.tape.Tape.from_bars`."""

    product: str
    assume: tuple[str, ...]
    time: When
    contract: Text
    columns: Mapping[str, str]
    """Our name of a column: the file's."""
    unit: Unit


def read_mapping(path: Path) -> QuoteMapping | PrintMapping | BarMapping:
    """The mapping in a file. Raises :class:`UsageError` in one line with file, key, rule and value."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: must be TOML, found {str(error)!r}") from None
    gives = tables.get("gives")
    if gives is None:
        raise UsageError(f"{path.name}: gives is missing: what the rows become, one of {', '.join(GIVES)}")
    if gives not in GIVES:
        raise UnknownName("result", str(gives), GIVES, where=f"{path.name}, key gives")
    from kilohour.datafeeds.importing.mapping_form import check_mapping

    check_mapping(path.name, gives, tables)
    try:
        return READERS[gives](tables)
    except UsageError as error:
        raise UsageError(f"{path.name}: {error}") from None


def _quotes(tables: Mapping[str, Any]) -> QuoteMapping:
    named: dict[str, Any] = {name: _text(value) for name, value in tables["columns"].items() if name != "size"}
    prices = []
    for one in tables["price"]:
        unit = unit_of(one.get("unit", "USD per GPU-hour"), one.get("gpus"))
        own = {name: one[name] for name in ("empty", "offer", "count") if name in one}
        term = {"value": one["term"]} if isinstance(one["term"], str) else one["term"]
        prices.append(Price(column=one["column"], term=_text(term), unit=unit, **own))
    seen = _when(tables["seen"], "seen") if "seen" in tables else None
    return QuoteMapping(quoted=_when(tables["time"], "time"), seen=seen, prices=tuple(prices), size=tables["columns"].get("size"), **named)


def _prints(tables: Mapping[str, Any]) -> PrintMapping:
    series = []
    for one in tables["series"]:
        own = {name: one[name] for name in ("scale", "empty", "lowest") if name in one}
        series.append(Series(code=_text(one["code"]), column=one["column"], unit=one["unit"], **own))
    named: dict[str, Any] = {name: _text(value) for name, value in tables.get("columns", {}).items()}
    known = _when(tables["known"], "known") if "known" in tables else None
    return PrintMapping(value_at=_when(tables["time"], "time"), known=known, series=tuple(series), **named)


def _bars(tables: Mapping[str, Any]) -> BarMapping:
    prices = tables.get("prices", {})
    columns = {name: value for name, value in tables["columns"].items() if name != "contract"}
    when = _when(tables["time"], "time")
    if when.lag:
        raise UsageError("time: lag: a bar is seen at its close, so it takes none")
    return BarMapping(
        product=tables["product"], assume=tuple(tables.get("assume", ())), time=when, contract=_text(tables["columns"]["contract"]),
        columns=columns, unit=unit_of(prices.get("unit", "USD per GPU-hour"), prices.get("gpus")),
    )  # fmt: skip


def _text(value: Any) -> Text:
    if isinstance(value, str):
        return Text(column=value)
    if ("column" in value) == ("value" in value):
        raise UsageError(f"a text needs either a column or a value, found {', '.join(value) or 'neither'}")
    return Text(
        column=value.get("column"), value=value.get("value", ""), rename=value.get("rename") or None, prefix=value.get("prefix", "")
    )


def _when(table: Mapping[str, Any], key: str) -> When:
    zone, of = table.get("zone"), table.get("of", "instant")
    if zone is not None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise UsageError(f"{key}: zone must be a name like America/New_York or UTC, found {zone!r}") from None
    if of == "day" and (zone is not None or "epoch" in table):
        raise UsageError(f"{key}: plain days have neither zone nor epoch")
    lag = lag_of(table["lag"]) if "lag" in table else 0
    return When(column=table["column"], of=of, zone=zone, epoch=table.get("epoch"), lag=lag)


READERS: Mapping[str, Callable[[Mapping[str, Any]], QuoteMapping | PrintMapping | BarMapping]] = {
    "quotes": _quotes, "prints": _prints, "bars": _bars,
}  # fmt: skip
