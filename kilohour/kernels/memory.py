# SPDX-License-Identifier: Apache-2.0
"""Copies one record over another of its type, and finds the one at an address or behind a pointer."""

from __future__ import annotations

from numba import from_dtype, types
from numba.core import cgutils
from numba.extending import intrinsic

from kilohour.kernels.records import QUOTES


@intrinsic
def copy_record(typing_context, target, source):
    """``target`` and ``source``: two views of records; afterwards their bytes are equal."""
    if not isinstance(target, types.Record) or target != source:
        return None

    def codegen(context, builder, signature, arguments):
        cgutils.raw_memcpy(builder, arguments[0], arguments[1], context.get_constant(types.intp, target.size), 1)
        return context.get_dummy_value()

    return types.none(target, source), codegen


@intrinsic
def record_at(typing_context, address):
    """The record of QUOTES at an address."""
    record = from_dtype(QUOTES)

    def codegen(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(record))

    return record(types.int64), codegen


@intrinsic
def pointed_at(typing_context, pointer):
    """What a pointer points to. An array of one over it, numba's own way, is two more functions to compile for each type."""

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return pointer.dtype(pointer), codegen


@intrinsic
def borrowed(typing_context, array):
    """The same array without its owner: nobody counts how often it is referred to.

    Counting takes two locked instructions for each array on each call of a function. The caller keeps the array alive.
    """

    def codegen(context, builder, signature, arguments):
        view = context.make_array(signature.return_type)(context, builder, arguments[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), codegen
