# SPDX-License-Identifier: Apache-2.0
"""Lays an engine's tables beside the oracle's and says where they first part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kilohour.units import datetime_of
from tests.oracle.books import (
    EquityRow,
    FillRow,
    LedgerRow,
    OrderRow,
    PositionRow,
    Result,
    SettlementRow,
)

TABLES: dict[str, Any] = {"orders": OrderRow, "fills": FillRow, "ledger": LedgerRow, "settlements": SettlementRow,
                          "equity": EquityRow, "positions": PositionRow}
"""Tables in the order in which a difference is easiest to understand, with the columns that are compared."""


def differences(result: Result, run_tables: Mapping[str, Any]) -> list[str]:
    """One line (or a few) for each table that is not equal row by row; empty when all agree.

    ``run_tables`` maps a table's name to a DataFrame, a pyarrow Table, a mapping of columns or a list of mappings.
    Columns that only the engine has are left alone; a table that is not given is a difference.
    """
    found = []
    for name, kind in TABLES.items():
        if name not in run_tables:
            found.append(f"{name}: the engine gave no such table")
            continue
        problem = _first_difference(kind._fields, [tuple(row) for row in getattr(result, name)], run_tables[name])
        if problem:
            found.append(f"{name}: {problem}")
    return found


def _first_difference(names: Sequence[str], ours: list[tuple[Any, ...]], engine_table: Any) -> str:
    absent, theirs = _rows(names, engine_table)
    if absent and (ours or theirs is None):
        return f"the engine's table lacks {', '.join(absent)}"
    theirs = theirs or []
    if ours == theirs:
        return ""
    row = _first(ours, theirs)
    ours_here, theirs_here = (rows[row] if row < len(rows) else None for rows in (ours, theirs))
    order = " (the same rows in another order)" if sorted(map(repr, ours)) == sorted(map(repr, theirs)) else ""
    which = ""
    if ours_here and theirs_here:
        which = " in " + ", ".join(n for n, a, b in zip(names, ours_here, theirs_here, strict=True) if a != b)
    return (f"row {row} differs{which}; {len(ours)} rows expected, {len(theirs)} found{order}\n"
            f"  oracle: {_shown(names, ours_here)}\n  engine: {_shown(names, theirs_here)}")


def parted_at(result: Result, run_tables: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Time and number of the order of the earliest fill that only one of the two has, else of the first order row
    that differs; None where there is none."""
    for name in ("fills", "orders"):
        kind = TABLES[name]
        ours = [tuple(row) for row in getattr(result, name)]
        absent, theirs = _rows(kind._fields, run_tables[name])
        if not absent and theirs is not None and ours != theirs:
            row = _first(ours, theirs)
            first = min((dict(zip(kind._fields, rows[row], strict=True)) for rows in (ours, theirs) if row < len(rows)),
                        key=lambda its: its["ts"])
            return first["ts"], first["order"]
    return None, None


def _first(ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> int:
    return next((i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]),
                min(len(ours), len(theirs)))


def _rows(names: Sequence[str], engine_table: Any) -> tuple[list[str], list[tuple[Any, ...]] | None]:
    """Names that the table lacks, and its rows; None instead of rows when it has columns, but not these."""
    columns = _columns(engine_table)
    absent = [name for name in names if name not in columns]
    if absent:
        return absent, None if columns else []
    return [], list(zip(*(map(_plain, columns[name]) for name in names), strict=True))


def _columns(engine_table: Any) -> dict[str, list[Any]]:
    if hasattr(engine_table, "to_pydict"):
        engine_table = engine_table.to_pydict()
    elif hasattr(engine_table, "columns") and not isinstance(engine_table, Mapping):
        engine_table = {str(name): engine_table[name] for name in engine_table.columns}
    elif not isinstance(engine_table, Mapping):
        rows = list(engine_table)
        engine_table = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return {name: list(column) for name, column in engine_table.items()}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _shown(names: Sequence[str], row: tuple[Any, ...] | None) -> str:
    if row is None:
        return "no row"
    cells = (f"{name}={datetime_of(value):%Y-%m-%d %H:%M} ({value})" if name == "ts" else f"{name}={value}"
             for name, value in zip(names, row, strict=True))
    return " ".join(cells)
