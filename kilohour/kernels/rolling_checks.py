# SPDX-License-Identifier: Apache-2.0
"""Looks for a value that a rolling kernel must not be given."""

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]

CHUNK = 4096


@njit(cache=True, nogil=True)
def first_unfit(values: Floats, largest: float) -> int:
    """The place of the first NaN, infinity or value beyond ``largest`` in size; −1 if there is none."""
    for start in range(0, values.size, CHUNK):
        chunk = values[start : start + CHUNK]
        unfit = 0
        for k in range(chunk.size):
            unfit += 0 if abs(chunk[k]) <= largest else 1
        if unfit > 0:
            for k in range(chunk.size):
                if not abs(chunk[k]) <= largest:
                    return start + k
    return -1
