# SPDX-License-Identifier: Apache-2.0
"""Calls a native function by its address, so that the engine is compiled once for every strategy, and in two parts that can be
compiled side by side."""

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


@intrinsic
def call_gate(typing_context, address, what, book, desk, terms, order, out):
    """``int64 (*)(int64 what, void *book, *desk, *terms, *order, *out)`` at ``address``; all are int64."""

    def codegen(context, builder, signature, arguments):
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(64)
        function_type = ir.FunctionType(number, [number, pointer, pointer, pointer, pointer, pointer])
        function = builder.inttoptr(arguments[0], function_type.as_pointer())
        records = [builder.inttoptr(argument, pointer) for argument in arguments[2:]]
        return builder.call(function, [arguments[1], *records])

    return types.int64(*[types.int64] * 7), codegen
