# SPDX-License-Identifier: Apache-2.0
"""The part of the engine that exists only for runs with risk limits: risk.py behind an address."""

from __future__ import annotations

from numba import carray, from_dtype, types
from numba.extending import intrinsic

from kilohour.kernels.memory import pointed_at
from kilohour.kernels.part import part_address
from kilohour.kernels.records import GUARD, WATCH_LOSSES
from kilohour.kernels.risk import check_limits, watch_losses


@intrinsic
def guard_at(_typing_context, _address):
    """An int64 address as a pointer to the limits' memory, which no part is handed."""
    pointer = types.CPointer(from_dtype(GUARD))

    def codegen(context, builder, _signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64), codegen


def _risk(what, book_at, desk_at, terms_at, order_at, out_at):
    book, desk, order, out = pointed_at(book_at), pointed_at(desk_at), pointed_at(order_at), pointed_at(out_at)
    guard = pointed_at(guard_at(book.risk.guard))
    if what == WATCH_LOSSES:
        watch_losses(book, desk, guard, order, out)
    else:
        check_limits(book, desk, guard, carray(terms_at, desk.contract_count), order, what)
    return 0


def risk_address(with_scenarios: bool = False) -> int:
    """Address of the compiled function, which is taken from the cache where it is there."""
    return part_address(_risk, with_scenarios)
