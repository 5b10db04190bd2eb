# SPDX-License-Identifier: Apache-2.0
"""Arrow columns over numpy's memory.

``pyarrow.array`` looks whether its input could be pandas', and imports pandas to find out: 0.3 s of a run that needs
no pandas. These build the same columns from buffers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


def numbers(values: npt.NDArray[Any]) -> pa.Array:
    """A column over an array of integers or floats; NaN stays NaN, nothing is null."""
    import pyarrow as pa

    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def texts(values: Sequence[str]) -> pa.Array:
    """A column of strings."""
    return _strings([value.encode() for value in values])


def named(rows: npt.NDArray[Any], names: Sequence[str]) -> pa.Array:
    """A column of strings, ``names[row]`` for each row."""
    words = [name.encode() for name in names]
    return _strings([words[row] for row in rows.tolist()])


def _strings(parts: list[bytes]) -> pa.Array:
    import pyarrow as pa

    ends = np.zeros(len(parts) + 1, dtype=np.int32)
    np.cumsum(np.fromiter(map(len, parts), np.int32, len(parts)), out=ends[1:])
    return pa.Array.from_buffers(pa.string(), len(parts), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(parts))])


def table(columns: Mapping[str, pa.Array | npt.NDArray[Any]]) -> pa.Table:
    """A table of arrays and Arrow columns."""
    import pyarrow as pa

    return pa.table({name: numbers(c) if isinstance(c, np.ndarray) else c for name, c in columns.items()})
