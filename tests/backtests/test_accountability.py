# SPDX-License-Identifier: Apache-2.0
"""A position above a level of accountability is noted, by contract and over all months; nothing is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from kilohour.backtests.accountability import accountability_notes
from kilohour.kernels.records import OUT_FILLS, OUT_SETTLEMENTS
from kilohour.units import NANOS_PER_DAY

FIRST = 20_000  # 2024-10-04


def rows(dtype, lines):
    found = np.zeros(len(lines), dtype)
    for row, (day, contract, lots) in zip(found, lines, strict=True):
        row["ts"], row["contract"], row["lots"] = (FIRST + day) * NANOS_PER_DAY, contract, lots
    return found


def notes(fills, settlements, **levels):
    contracts = [SimpleNamespace(code=code, product=code[:3]) for code in ("X:A-1", "X:A-2", "X:B-1")]
    of = {f"position_accountability_{name}": level for name, level in levels.items()}
    product = SimpleNamespace(code="X:A", get=of.get, whole=of.__getitem__)
    prepared = SimpleNamespace(market=SimpleNamespace(tape=SimpleNamespace(contracts=contracts)), products=[product])
    tables = {"fills": rows(OUT_FILLS, fills), "settlements": rows(OUT_SETTLEMENTS, settlements)}
    return accountability_notes(prepared, SimpleNamespace(table=tables.get))


def test_positions_above_a_level_are_noted_once_with_their_first_day_and_size():
    fills = [(0, 0, -10), (1, 1, 6), (2, 0, -1), (3, 1, -6), (3, 2, 99), (5, 0, 3)]
    assert notes(fills, [(4, 0, -11)], single=10, all=10) == [
        "X:A-1: the position was above the level of accountability of 10 lots, first on 2024-10-06, at most 11 lots; "
        "the venue may ask for it to be reduced.",
        "all months of X:A: the position was above the level of accountability of 10 lots, first on 2024-10-07, at most 11 lots; "
        "the venue may ask for it to be reduced."]
    assert notes(fills, [(4, 0, -11)], single=11, all=11) == []
    assert notes(fills, []) == notes([], [], single=1, all=1) == []
