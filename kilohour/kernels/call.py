# SPDX-License-Identifier: Apache-2.0
"""Calls a native function by its address, so that the engine is compiled once for every strategy, and in two parts that can be
compiled side by side.

The functions called have numba's own calling convention, ``int32 status (int64 *result, void **exception, arguments …)``:
what a C callback puts around it costs 1.4 ns a bar.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

POINTER, NUMBER, STATUS = ir.IntType(8).as_pointer(), ir.IntType(64), ir.IntType(32)


def native_address(compiled: Any) -> int:
    """Address of the function inside a compiled ``cfunc``, which returns a status other than 0 when it raised."""
    address = int(compiled._library.get_pointer_to_function(compiled.native_name.removeprefix("cfunc.")))
    assert address, f"{compiled.native_name} has no native function"
    return address


def _called(builder: Any, address: Any, arguments: list[Any]) -> Any:
    result, exception = cgutils.alloca_once(builder, NUMBER), cgutils.alloca_once(builder, POINTER)
    passed = [result, exception, *arguments]
    function_type = ir.FunctionType(STATUS, [argument.type for argument in passed])
    status = builder.call(builder.inttoptr(address, function_type.as_pointer()), passed)
    return builder.sext(status, NUMBER)


@intrinsic
def call_step(typing_context, address, strategy, desk):
    """``status (void *strategy, void *desk)`` at ``address``; all three are int64 addresses."""

    def codegen(context, builder, signature, arguments):
        return _called(builder, arguments[0], [builder.inttoptr(argument, POINTER) for argument in arguments[1:]])

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def call_gate(typing_context, address, what, book, desk, terms, order, out):
    """``status (int64 what, void *book, *desk, *terms, *order, *out)`` at ``address``; all are int64."""

    def codegen(context, builder, signature, arguments):
        records = [builder.inttoptr(argument, POINTER) for argument in arguments[2:]]
        return _called(builder, arguments[0], [arguments[1], *records])

    return types.int64(*[types.int64] * 7), codegen
