# SPDX-License-Identifier: Apache-2.0
"""What counts as data beside a strategy, and other values in its place: later ones where it carries times, all of it where it does not."""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kilohour.backtests.check.probes import perturbed
from kilohour.tape.tape import Tape

ROWS_MIN = 64
"""Fewer values than these are parameters, not a series."""
LABELS_REPEAT = 4
"""Words are the labels of a series where each comes so often on average; a list of names is none."""


def is_data(value: Any) -> bool:
    """True for a tape, and for :data:`ROWS_MIN` rows or more of numbers, truths or labels."""
    if isinstance(value, Tape):
        return True
    if isinstance(value, np.ndarray):
        is_series = value.ndim >= 1 and len(value) >= ROWS_MIN and not _are_times(value)
        return is_series and (value.dtype.kind in "fiub" or _are_labels(value))
    if _is_pandas(value):
        return len(value) >= ROWS_MIN
    if isinstance(value, list | tuple | deque | set | frozenset):
        return len(value) >= ROWS_MIN and (all(_is_row(one) for one in value) or _are_labels(value))
    if not isinstance(value, dict) or len(value) < ROWS_MIN:
        return False
    return all(_is_row(one) for one in value.values()) or _are_labels(value.values())


def time_index(value: Any) -> Any:
    """Nanoseconds UTC of a frame or series with a time index; None for anything else."""
    if not _is_pandas(value) or type(value.index).__name__ != "DatetimeIndex":
        return None
    index = value.index if value.index.tz is None else value.index.tz_convert("UTC").tz_localize(None)
    return index.to_numpy("datetime64[ns]").astype(np.int64)


def changed(value: Any, after: int, factor: Callable[[int], Any]) -> Any:
    """A copy with other numbers, truths and labels in another order: after a time where it has times, everywhere else."""
    if isinstance(value, Tape):
        return perturbed(value, after, factor)
    if isinstance(value, np.ndarray):
        return _array(value, factor)
    if _is_pandas(value):
        return _frame(value, after, factor)
    if isinstance(value, dict):
        return dict(zip(value, _rows(list(value.values()), factor), strict=True))
    if isinstance(value, set | frozenset):
        return type(value)(sorted(value, key=repr)[::2])
    return type(value)(_rows(value, factor))


def _array(value: Any, factor: Callable[[int], Any]) -> Any:
    if value.dtype.kind == "b":
        return np.ascontiguousarray(~value[::-1])
    if value.dtype.kind not in "fiu":
        return np.ascontiguousarray(value[::-1])
    scale = factor(len(value)).reshape(-1, *[1] * (value.ndim - 1))
    return np.ascontiguousarray((value * scale)[::-1]).astype(value.dtype)


def _frame(value: Any, after: int, factor: Callable[[int], Any]) -> Any:
    times, copy = time_index(value), value.copy()
    rows = np.ones(len(value), dtype=bool) if times is None else times > after
    is_series = type(value).__name__ == "Series"
    columns = copy.to_frame() if is_series else copy
    for at in range(columns.shape[1]):
        column = columns.iloc[:, at]
        kind = column.dtype.kind
        if kind == "M":
            continue
        other = column.to_numpy(np.float64) * factor(len(column)) if kind in "fiu" else column.to_numpy(copy=True)
        other[rows] = ~other[rows][::-1] if kind == "b" else other[rows][::-1]
        if kind in "fiu":
            other = np.where(rows, other, column.to_numpy(np.float64))
        columns.isetitem(at, other)
    return columns.iloc[:, 0].rename(value.name) if is_series else columns


def _rows(rows: Sequence[Any], factor: Callable[[int], Any]) -> list[Any]:
    return [_row(one, by) for one, by in zip(reversed(rows), factor(len(rows)).tolist(), strict=True)]


def _row(one: Any, by: float) -> Any:
    if isinstance(one, bool | np.bool_):
        return not one
    if _is_number(one):
        return one * by
    if isinstance(one, dict):
        return {key: _row(item, by) for key, item in one.items()}
    if isinstance(one, list | tuple):
        items = [_row(item, by) for item in one]
        return type(one)(*items) if hasattr(one, "_fields") else type(one)(items)
    if _is_record(one):
        other = copy.copy(one)
        for field in dataclasses.fields(one):
            object.__setattr__(other, field.name, _row(getattr(one, field.name), by))
        return other
    return one * by if isinstance(one, np.ndarray) and one.dtype.kind in "fiu" else one


def _is_row(one: Any) -> bool:
    """A number or a truth, or a few of them together, as of a bar: a word or a time may be among them."""
    if isinstance(one, dict):
        return any(_is_number(item) for item in one.values())
    if isinstance(one, list | tuple):
        return any(_is_number(item) for item in one)
    if _is_record(one):
        return any(_is_number(getattr(one, field.name)) for field in dataclasses.fields(one))
    if isinstance(one, np.ndarray):
        return 0 < one.size < ROWS_MIN and one.dtype.kind in "fiub"
    return _is_number(one) or isinstance(one, np.bool_)


def _are_times(value: Any) -> bool:
    """A calendar may be known beforehand: whole numbers that rise and are at least a day since 1970 in days."""
    return bool(value.dtype.kind in "iu" and value.ndim == 1 and value[0] > 3650 and (np.diff(value) > 0).all())


def _are_labels(values: Any) -> bool:
    words = list(values.ravel()) if isinstance(values, np.ndarray) else list(values)
    return all(isinstance(word, str) for word in words) and len(words) >= LABELS_REPEAT * len(set(words))


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "pandas" and type(value).__name__ in ("Series", "DataFrame")
