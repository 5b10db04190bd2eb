# SPDX-License-Identifier: Apache-2.0
"""Copies one record over another of its type."""

from __future__ import annotations

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def copy_record(typing_context, target, source):
    """``target`` and ``source``: two views of records; afterwards their bytes are equal."""
    if not isinstance(target, types.Record) or target != source:
        return None

    def codegen(context, builder, signature, arguments):
        cgutils.raw_memcpy(builder, arguments[0], arguments[1], context.get_constant(types.intp, target.size), 1)
        return context.get_dummy_value()

    return types.none(target, source), codegen
