# SPDX-License-Identifier: Apache-2.0
"""Minute bars of the front of one curve, over the last sessions of a simulated market."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.embedded import paths as simulated
from kilohour.datafeeds.embedded.activity import REACH
from kilohour.datafeeds.embedded.market import MARK_AFTER_CLOSE, add_public_series, notes, tick_micros
from kilohour.datafeeds.embedded.paths import Fair, Paths
from kilohour.errors import UnknownName, UsageError
from kilohour.kernels import session
from kilohour.kernels.arithmetic import fill_normals, stream
from kilohour.tape import Tape, TapeBuilder
from kilohour.units import NANOS_PER_SECOND

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MINUTES = 480
"""Minutes of a session: the eight hours up to the daily close."""
STEPS = 4
"""Points of the price path in a minute."""
SHARED = 0.9
"""Correlation of a contract's path within the day with that of its curve."""


def minute_tape(paths: Paths, contracts: int, days: int, product: str | None, last: dt.date) -> Tape:
    """Minute bars of the first ``contracts`` months, the fixing month included, over ``days`` sessions up to
    ``last``.

    A minute without a trade has no bar. Raises :class:`UsageError` for a count out of range and :class:`UnknownName`
    for a product that the market does not have.
    """
    end = min(paths.schedule.span, paths.schedule.row_of(last + dt.timedelta(days=1)))
    if not 1 <= days < end:
        raise UsageError(f"minute tape: days must be between 1 and {end - 1}, the sessions up to {last}, found {days}")
    if contracts < 1:
        raise UsageError(f"minute tape: contracts must be at least 1, found {contracts}")
    fair = _fair_of(paths, product)
    line, start = fair.line, end - days
    alive = np.flatnonzero((line.last >= start) & (line.first <= start))
    if not len(alive):
        raise UsageError(f"minute tape: {line.product.code} has no contract on its first day")
    builder = TapeBuilder(source=f"embedded market, seed {paths.seed}, minutes of {line.product.code}",
                          notes=notes(paths))
    with np.errstate(over="ignore"):
        _add_contracts(builder, paths, fair, range(start, end), contracts)
    add_public_series(builder, paths, int(line.fix_day[line.fix_from[alive[0]]]), end)
    return builder.build()


def _fair_of(paths: Paths, product: str | None) -> Fair:
    for fair in paths.fair:
        if product in (None, fair.line.product.code):
            return fair
    raise UnknownName("product", str(product), [line.product.code for line in paths.schedule.lines], where="the embedded market")


def _add_contracts(builder: TapeBuilder, paths: Paths, fair: Fair, days: range, front: int) -> None:
    line, start = fair.line, days.start
    random = stream(paths.seed, simulated.MINUTES)
    shared = np.zeros((len(days), MINUTES * STEPS))
    fill_normals(random, shared.reshape(-1))
    c = paths.schedule.lines.index(line)
    size, closes, tick = paths.plan.interest[c], paths.plan.closes[c], tick_micros(fair)
    for k in range(len(line.contracts)):
        # Delivery months are in order, so the ones ahead of k that have ended tell when k joins the first ones.
        begin = start if k < front else max(start, int(line.last[k - front]) + 1)
        begin = max(begin, int(line.first[k]))
        rows = range(begin, min(int(line.last[k]) + 1, days.stop))
        if rows:
            _add_contract(builder, fair, k, rows, start, random, shared, size, closes, tick)


def _add_contract(builder: TapeBuilder, fair: Fair, k: int, rows: range, start: int, random: npt.NDArray[np.uint64],
                  shared: Floats, size: Floats, closes: Ints, tick: int) -> None:
    line, contract = fair.line, fair.line.contracts[k]
    ref = builder.contract(contract)
    first, fixing = int(line.first[k]), line.fix_day[line.fix_from[k]:line.fix_to[k]]
    lots, interest = (np.zeros(int(line.last[k]) - first + 1, dtype=np.int64) for _ in range(2))
    session.activity(random, first, int(line.last[k]), int(fixing[0]), int(fixing[-1]), size, REACH, line.spacing, lots,
                     interest)
    table = np.zeros((len(rows), MINUTES, 4), dtype=np.int64)
    volume = np.zeros((len(rows), MINUTES), dtype=np.int64)
    path = np.zeros(MINUTES * STEPS + 1)
    for i, t in enumerate(rows):
        at = int(fair.offset[k]) + t - first
        session.minute_bars(random, float(fair.open[at]), float(fair.close[at]), float(fair.width[at]),
                            float(lots[t - first]), tick, shared[t - start], SHARED, path, table[i], volume[i])
    minute = np.arange(1 - MINUTES, 1, dtype=np.int64) * (60 * NANOS_PER_SECOND)
    ts = (closes[rows.start:rows.stop, None] + minute).reshape(-1)
    traded = volume.reshape(-1) > 0
    opens, highs, lows, closing = np.ascontiguousarray(table.reshape(-1, 4)[traded].T)
    builder.bars(ref, ts[traded], opens, highs, lows, closing, volume.reshape(-1)[traded])
    marks = np.zeros(len(rows), dtype=np.int64)
    begin = int(fair.offset[k]) + rows.start - first
    session.marks(fair.close[begin:begin + len(rows)], tick, marks)
    builder.marks(ref, closes[rows.start:rows.stop] + MARK_AFTER_CLOSE, marks, ts_event=closes[rows.start:rows.stop])
