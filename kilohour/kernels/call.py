# SPDX-License-Identifier: Apache-2.0
"""Calls a native function by its address, so that the engine is compiled once for every strategy."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def call_step(typing_context, address, strategy, desk):
    """``int64 (*)(void *strategy, void *desk)`` at ``address``; all three are int64 addresses."""

    def codegen(context, builder, signature, arguments):
        pointer = ir.IntType(8).as_pointer()
        function_type = ir.FunctionType(ir.IntType(64), [pointer, pointer])
        function = builder.inttoptr(arguments[0], function_type.as_pointer())
        strategy_at = builder.inttoptr(arguments[1], pointer)
        desk_at = builder.inttoptr(arguments[2], pointer)
        return builder.call(function, [strategy_at, desk_at])

    return types.int64(types.int64, types.int64, types.int64), codegen
