# SPDX-License-Identifier: Apache-2.0
"""Rolling sum and mean of an array.

The array is cut into blocks of ``window``. A window is the end of one block and the beginning of the next: the sums
to the end of a block are worked out backwards, those from its beginning forwards, and each output is one addition of
the two. No value is ever subtracted, so nothing drifts; the two chains of additions overlap in the processor.
The streaming indicators do the same sums in the same order, so the results agree to the bit.

All kernels: ``x`` float64, contiguous and finite; ``out`` float64 of the same length, overwritten, NaN before the
window is full.
"""

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def suffix_sums(block: Floats, sums: Floats) -> None:
    """``sums[k]`` becomes the sum of ``block[k:]``; ``sums`` is one longer than the block."""
    total = 0.0
    sums[block.size] = 0.0
    for k in range(block.size - 1, -1, -1):
        total += block[k]
        sums[k] = total


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_sum(x: Floats, window: int, out: Floats) -> None:
    """Sum of the last ``window`` values."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    older = np.empty(window + 1)
    newer = np.empty(window + 1)
    suffix_sums(x[:window], older)
    out[window - 1] = older[0]
    start = window
    while start + window <= size:
        block = x[start : start + window]
        result = out[start : start + window]
        ends = older[1:]
        prefix = 0.0
        suffix = 0.0
        newer[window] = 0.0
        for k in range(window):
            prefix += block[k]
            result[k] = ends[k] + prefix
            suffix += block[window - 1 - k]
            newer[window - 1 - k] = suffix
        result[window - 1] = suffix
        older, newer = newer, older
        start += window
    prefix = 0.0
    for k in range(size - start):
        prefix += x[start + k]
        out[start + k] = older[k + 1] + prefix


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_mean(x: Floats, window: int, out: Floats) -> None:
    """Mean of the last ``window`` values."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    older = np.empty(window + 1)
    newer = np.empty(window + 1)
    suffix_sums(x[:window], older)
    out[window - 1] = older[0] / window
    start = window
    while start + window <= size:
        block = x[start : start + window]
        result = out[start : start + window]
        ends = older[1:]
        prefix = 0.0
        suffix = 0.0
        newer[window] = 0.0
        for k in range(window):
            prefix += block[k]
            result[k] = (ends[k] + prefix) / window
            suffix += block[window - 1 - k]
            newer[window - 1 - k] = suffix
        result[window - 1] = suffix / window
        older, newer = newer, older
        start += window
    prefix = 0.0
    for k in range(size - start):
        prefix += x[start + k]
        out[start + k] = (older[k + 1] + prefix) / window
