# SPDX-License-Identifier: Apache-2.0
"""Rolling smallest and largest value of an array, in constant time whatever the data.

Blocks as in :mod:`kilohour.kernels.rolling_sums`: the extreme to the end of a block, and the one from the next block's
beginning (van Herk 1992; Gil and Werman 1993). Exact; no branch depends on the data.
"""

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_min(x: Floats, window: int, out: Floats) -> None:
    """Smallest of the last ``window`` values."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    older = np.full(window + 1, np.inf)
    newer = np.full(window + 1, np.inf)
    suffix = np.inf
    for k in range(window - 1, -1, -1):
        suffix = suffix if suffix < x[k] else x[k]
        older[k] = suffix
    out[window - 1] = suffix
    start = window
    while start < size:
        length = min(window, size - start)
        block = x[start : start + length]
        result = out[start : start + length]
        ends = older[1:]
        prefix = np.inf
        suffix = np.inf
        for k in range(length):
            value = block[k]
            prefix = prefix if prefix < value else value
            result[k] = prefix if prefix < ends[k] else ends[k]
            value = block[length - 1 - k]
            suffix = suffix if suffix < value else value
            newer[length - 1 - k] = suffix
        older, newer = newer, older
        start += window


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_max(x: Floats, window: int, out: Floats) -> None:
    """Largest of the last ``window`` values."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    older = np.full(window + 1, -np.inf)
    newer = np.full(window + 1, -np.inf)
    suffix = -np.inf
    for k in range(window - 1, -1, -1):
        suffix = suffix if suffix > x[k] else x[k]
        older[k] = suffix
    out[window - 1] = suffix
    start = window
    while start < size:
        length = min(window, size - start)
        block = x[start : start + length]
        result = out[start : start + length]
        ends = older[1:]
        prefix = -np.inf
        suffix = -np.inf
        for k in range(length):
            value = block[k]
            prefix = prefix if prefix > value else value
            result[k] = prefix if prefix > ends[k] else ends[k]
            value = block[length - 1 - k]
            suffix = suffix if suffix > value else value
            newer[length - 1 - k] = suffix
        older, newer = newer, older
        start += window
