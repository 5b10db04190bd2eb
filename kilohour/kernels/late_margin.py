# SPDX-License-Identifier: Apache-2.0
"""The address of the engine's fourth part: that of a way into CPython which compiles it, until it is first called."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

NATIVE = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, ctypes.c_int64, *[ctypes.c_void_p] * 5)
"""numba's own calling convention: result, exception, then what, and five records."""


@functools.cache
def margin_address() -> int:
    """Address of the compiled function, which is taken from the cache where it is there."""
    from kilohour.kernels.margin_service import compiled_margin

    return compiled_margin()


def address_of(late: LateMargin) -> int:
    """The way into CPython, whether or not there is a compiled function."""
    return late.own_address


class LateMargin:
    """Stands for the compiled function until it is first called."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        """What stopped a call: ctypes would swallow it."""
        self.callback = NATIVE(self._make())
        self.own_address = ctypes.cast(self.callback, ctypes.c_void_p).value or 0

    @property
    def address(self) -> int:
        """The compiled function once there is one, the way into CPython before."""
        return margin_address() if margin_address.cache_info().currsize else address_of(self)

    def _make(self) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            try:
                return NATIVE(margin_address())(*arguments)
            except BaseException as error:
                self.error = error
                return 1

        return call
