# SPDX-License-Identifier: Apache-2.0
"""What the components of kilohour.trading recorded: rolls, and every broken leg with its cost."""

from __future__ import annotations

import numpy as np

from kilohour.reports.folder import RunFolder
from kilohour.reports.page import details, table, usd
from kilohour.reports.table import Floats
from kilohour.units import date_of

LISTED = 200


def rolls(run: RunFolder) -> str:
    """Rolls done, forced and stranded, and a row for every broken leg; "" for a strategy that recorded neither."""
    sentence = "".join((_rolled(run), _broken(run)))
    return f"<h3>Rolls and legs</h3>{sentence}" if sentence else ""


def broken_legs(run: RunFolder) -> list[tuple[int, int, float]]:
    """Each time at which legs broke: nanoseconds UTC, how many, and their cost in dollars before fees.

    ``legs_broken`` and ``broken_cost`` are counters; a leg's cost is booked once it is closed, before the next can break.
    """
    if "legs_broken" not in run["records"].columns:
        return []
    legs, cost = (_counter(run, name) for name in ("legs_broken", "broken_cost"))
    breaks = np.flatnonzero(np.diff(legs, prepend=0.0) > 0.0)
    ends = np.append(breaks, len(legs))[1:] - 1
    times = run["records"].integers("ts")
    found = []
    for at, end in zip(breaks.tolist(), ends.tolist(), strict=True):
        legs_before, cost_before = (legs[at - 1], cost[at - 1]) if at else (0.0, 0.0)
        found.append((int(times[at]), int(legs[at] - legs_before), float(cost[end] - cost_before)))
    return found


def _counter(run: RunFolder, name: str) -> Floats:
    """A recorded counter without gaps: what was not recorded is as it was before, and 0 at first."""
    values = run["records"].floats(name)
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(last < 0, 0.0, values[np.maximum(last, 0)])


def _rolled(run: RunFolder) -> str:
    if "rolls" not in run["records"].columns or not run["records"].rows:
        return ""
    done, forced, stranded = (int(_counter(run, name)[-1]) for name in ("rolls", "forced_lots", "stranded_lots"))
    return (f"<p>{done:,} rolls. {forced:,} lots were left when the deadline came and went at the market; "
            f"{stranded:,} could not be traded in time and were settled.</p>")


def _broken(run: RunFolder) -> str:
    if "legs_broken" not in run["records"].columns:
        return ""
    found = broken_legs(run)
    if not found:
        return "<p>No leg broke: every fill was hedged in time.</p>"
    total = sum(cost for _, _, cost in found)
    rows = [[str(date_of(ts // 86_400_000_000_000)), f"{count:,}", usd(round(cost * 1e6), 2)] for ts, count, cost in found[:LISTED]]
    count = sum(legs for _, legs, _ in found)
    listed = "" if len(found) <= LISTED else f" The first {LISTED} are listed."
    lead = f"<p>{count:,} legs broke, at a cost of {usd(round(total * 1e6), 2)} before fees.{listed}</p>"
    return lead + details(f"{count:,} broken legs", table(["Day", "Legs", "Cost"], rows))
