# SPDX-License-Identifier: Apache-2.0
"""What ``kilohour data show`` says of a table of quotes or of prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kilohour.units import MICROS, datetime_of

FOREVER = 2**63 - 1
ROWS_SHOWN = 40
NUMBERS = ("providers", "quotes", "lowest", "median", "highest", "prints", "values", "last")
"""Columns that are set right."""


def described(folder: Path) -> dict[str, Any] | None:
    """The description of a table of quotes or prints, or None when the folder holds neither."""
    from kilohour.datafeeds.print_folder import TABLE as PRINTS
    from kilohour.datafeeds.quote_folder import TABLE as QUOTES

    if QUOTES.holds(folder):
        return _quotes(folder)
    return _prints(folder) if PRINTS.holds(folder) else None


def print_table(found: Mapping[str, Any]) -> None:
    """The description as tables."""
    from kilohour.cli.output import grid, line, show

    rows = [("Holds", f"{found['rows']:,} {found['kind']}"), ("From", found["start"]), ("To", found["end"]), ("SHA-256", found["sha256"])]
    show(grid("", ("What", "Value"), rows))
    groups = found["groups"][:ROWS_SHOWN]
    headings = [name.capitalize().replace("_", " ") for name in groups[0]]
    right = [heading for name, heading in zip(groups[0], headings, strict=True) if name in NUMBERS]
    show(grid("", headings, [tuple(group.values()) for group in groups], right=right))
    if len(found["groups"]) > ROWS_SHOWN:
        line(f"and {len(found['groups']) - ROWS_SHOWN:,} more; --json tells all")
    for note in found["notes"]:
        line(f"- {note}")


def _quotes(folder: Path) -> dict[str, Any]:
    import numpy as np

    from kilohour.datafeeds.quotes import Quotes

    quotes = Quotes.load(folder)
    columns = ("segment", "chip", "term")
    keys, place = np.unique(np.stack([getattr(quotes, name) for name in columns], axis=1), axis=0, return_inverse=True)
    groups = []
    for number, key in enumerate(keys.tolist()):
        rows = np.flatnonzero(place.reshape(-1) == number)
        price = quotes.price[rows] / MICROS
        providers = len(np.unique(quotes.provider[rows]))
        words = {name: quotes.names[name][code] for name, code in zip(columns, key, strict=True)}
        told = {"lowest": float(price.min()), "median": float(np.median(price)), "highest": float(price.max())}
        groups.append({**words, "providers": providers, "quotes": len(price), **{name: f"{value:g}" for name, value in told.items()}})
    times = (int(quotes.seen[0]), int(quotes.seen[-1]))
    return {"kind": "quotes", "rows": len(quotes), "start": _time(times[0]), "end": _time(times[1]), "sha256": quotes.sha256,
            "notes": list(quotes.notes), "groups": groups}  # fmt: skip


def _prints(folder: Path) -> dict[str, Any]:
    from kilohour.datafeeds.prints import Prints

    prints = Prints.load(folder)
    groups = []
    for series in prints.names["series"]:
        known = prints.as_of(FOREVER, series)
        code = prints.names["series"].index(series)
        told = {"series": series, "unit": prints.units[series], "prints": int((prints.series == code).sum()), "values": len(known)}
        days = {"first": _time(known.value_at[0])[:10], "last_known": _time(known.known_at.max())[:10]}
        groups.append({**told, **days, "last": f"{known.value[-1] / MICROS:g}"})
    return {"kind": "prints", "rows": len(prints), "start": _time(prints.value_at.min()), "end": _time(prints.value_at.max()),
            "sha256": prints.sha256, "notes": list(prints.notes), "groups": groups}  # fmt: skip


def _time(nanos: int) -> str:
    return f"{datetime_of(int(nanos)):%Y-%m-%dT%H:%M:%SZ}"
