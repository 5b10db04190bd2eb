# SPDX-License-Identifier: Apache-2.0
"""Rows of the run's tables, appended to fixed buffers that the driver empties between calls."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.records import TIED, TRIGGERED


@inner
def write_ledger(out, ts, contract, kind, micros):
    """Appends one amount of cash."""
    row = out.ledger_row[out.ledger]
    row.ts, row.contract, row.kind, row.micros = ts, contract, kind, micros
    out.ledger += 1


@inner
def write_settlement(out, ts, contract, lots, price, fixings, prints_sum, missing, weight, revision):
    """Appends a final price that met a position; ``revision`` 0 is the first one."""
    row = out.settlement_row[out.settlements]
    row.contract, row.ts, row.lots, row.price_micros = contract, ts, lots, price
    row.fixings, row.prints_sum_micros, row.missing = fixings, prints_sum, missing
    row.weight, row.revision = weight, revision
    out.settlements += 1


@inner
def write_order(out, ts, order, status, code):
    """Appends one row a leg of an order, with its status now."""
    for leg in range(order.legs):
        row = out.order_row[out.orders]
        row.order, row.ts, row.basket = order.number, ts, order.number
        row.contract = order.contract[leg]
        row.lots = order.ratio[leg] * order.size
        row.kind, row.limit_micros, row.tif = order.kind, order.limit, order.life
        row.origin, row.status, row.code = order.origin, status, code
        row.filled_lots = order.ratio[leg] * order.filled
        row.flags = order.flags + (TIED if order.group else 0) + (TRIGGERED if order.parent else 0)
        out.orders += 1


@inner
def write_fill(out, ts, order, contract, lots, price, fee, half_spread, position_after, maker):
    """Appends one leg's fill."""
    row = out.fill_row[out.fills]
    row.order, row.ts, row.contract, row.lots = order.number, ts, contract, lots
    row.price_micros, row.fee_micros, row.half_spread_micros = price, fee, half_spread
    row.position_after, row.origin, row.maker = position_after, order.origin, maker
    out.fills += 1
