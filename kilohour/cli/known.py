# SPDX-License-Identifier: Apache-2.0
"""``kilohour data known``: a series as it was known on a day, and what those values are at a later one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kilohour.errors import UsageError
from kilohour.units import MICROS, NANOS_PER_DAY, datetime_of, nanos_of

FOREVER = 2**63 - 1


def known_on(folder: Path, series: str, on: str, now: str | None) -> dict[str, Any]:
    """Values known when the day ``on`` was over; beside each what it is when ``now`` is over, or by the last print without it."""
    from kilohour.datafeeds.prints import Prints

    then = _end_of("--on", on)
    later = _end_of("--now", now) if now is not None else FOREVER
    if later < then:
        raise UsageError(f"--now must not be before --on, found {now} and {on}")
    prints = Prints.load(folder, [series])
    known, current = prints.as_of(then, series), prints.as_of(later, series)
    values = dict(zip(current.value_at.tolist(), current.value.tolist(), strict=True))
    rows = [
        {
            "value_at": _time(at),
            "known_at": _time(seen),
            "revision": revision,
            "value": value / MICROS,
            "now": values[at] / MICROS,
            "regime": regime,
        }
        for at, seen, revision, value, regime in zip(
            known.value_at.tolist(),
            known.known_at.tolist(),
            known.revision.tolist(),
            known.value.tolist(),
            known.regime.tolist(),
            strict=True,
        )
    ]
    restated = sum(row["value"] != row["now"] for row in rows)
    breaks = [str(one) for one in known.breaks()]
    return {"series": series, "unit": known.unit, "on": on, "now": now, "values": rows, "restated": restated, "level_breaks": breaks}


def print_known(found: Mapping[str, Any]) -> None:
    """The values as a table, then what was restated and where the method changed."""
    from kilohour.cli.output import grid, line, show

    rows = []
    for row in found["values"]:
        now = f"{row['now']:g}" if row["now"] != row["value"] else ""
        rows.append((row["value_at"], row["known_at"], row["revision"], f"{row['value']:g}", now))
    title = f"{found['series']}, {found['unit']}, as known on {found['on']}"
    show(grid(title, ("For", "Known", "Revision", "Value", "Now"), rows, right=("Revision", "Value", "Now")))
    line(f"{len(rows)} values, {found['restated']} of them restated since")
    for its in found["level_breaks"]:
        line(its)


def _end_of(option: str, day: str) -> int:
    try:
        return nanos_of(dt.date.fromisoformat(day)) + NANOS_PER_DAY - 1
    except ValueError:
        raise UsageError(f"{option} must be a day like 2026-01-31, found {day!r}") from None


def _time(nanos: int) -> str:
    moment = datetime_of(nanos)
    return f"{moment:%Y-%m-%d}" if nanos % NANOS_PER_DAY == 0 else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
