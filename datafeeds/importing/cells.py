# SPDX-License-Identifier: Apache-2.0
"""Reads the cells of one Arrow column, and says of each cell whether it is there and whether it can be read.

Nothing here raises over a cell: a cell that cannot be read is the importer's to put aside with its reason.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from kilohour.tape.arrow import numbers as arrow_numbers
from kilohour.tape.arrow import texts as arrow_texts
from kilohour.units import NANOS_PER_DAY, NANOS_PER_SECOND

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
TIME = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?\s*(Z|[+-][0-9]{2}:?[0-9]{2})?\s*$"
ZONED = r"(Z|[+-][0-9]{2}:?[0-9]{2})\s*$"
EPOCHS = {"s": NANOS_PER_SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}


@dataclass(slots=True)
class Read:
    """What a column's cells say: ``values`` (anything where ``empty`` or a ``bad`` mask holds), and why not."""

    values: npt.NDArray[Any]
    empty: Mask
    bad: dict[str, Mask] = field(default_factory=dict)
    """Mask by reason."""

    def is_good(self) -> Mask:
        """Cells that are there and can be read."""
        good = ~self.empty
        for mask in self.bad.values():
            good &= ~mask
        return good


def numbers(column: Any) -> Read:
    """Numbers as floats: of text, integers, decimals or floats; a 32-bit float means its shortest decimal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _plain(column)
    kind = column.type
    empty = _nulls(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        blank = empty | _bools(pc.equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), ""))
        readable = _bools(pc.match_substring_regex(pc.fill_null(column, ""), NUMBER))
        text = pc.if_else(bool_array(readable), pc.utf8_trim_whitespace(pc.fill_null(column, "0")), "0")
        values = array_of(pc.cast(text, pa.float64()))
        return _finite(values, blank, {"not a number": ~readable & ~blank})
    if pa.types.is_boolean(kind) or not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return Read(np.zeros(len(column)), empty, {"not a number": ~empty})
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    filled = array_of(pc.fill_null(column, 0) if column.null_count else column)
    values = _decimal_of(filled) if filled.dtype == np.float32 else filled.astype(np.float64)
    return _finite(values, empty, {})


def texts(column: Any) -> Any:
    """The column as an Arrow dictionary of trimmed text; an empty cell is an empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(pc.cast(column, pa.string()))
    words = pc.utf8_trim_whitespace(pc.cast(column.dictionary, pa.string()))
    indices = column.indices.cast(pa.int32())
    if column.null_count:
        indices = pc.fill_null(indices, len(words))
        words = pa.concat_arrays([words, arrow_texts([""])])
    return pa.DictionaryArray.from_arrays(indices, words)


def as_text(column: Any) -> Any:
    """An Arrow column of any type as texts, empty where there is no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.fill_null(pc.cast(_plain(column), pa.string()), "")


def times(column: Any, *, zone: str | None = None, epoch: str | None = None) -> Read:
    """Instants in nanoseconds UTC.

    ``epoch``: the column counts ``s``, ``ms``, ``us`` or ``ns`` since 1970. Otherwise text as ISO 8601, or timestamps. A time
    without a zone is read in ``zone`` and refused without one; a time that states another offset than ``zone`` has then is refused too:
    the file mixes zones.
    """
    import pyarrow as pa

    column = _plain(column)
    if epoch is not None:
        return _epochs(column, EPOCHS[epoch])
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _stamps(column, zone)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _written(column, zone)
    empty = _nulls(column)
    return Read(np.zeros(len(column), np.int64), empty, {"not a time": ~empty})


def days(column: Any) -> Read:
    """Days since 1970-01-01: of text like ``2024-05-01``, dates, or timestamps at midnight, of no zone or UTC."""
    import pyarrow as pa

    column = _plain(column)
    is_stamp = pa.types.is_timestamp(column.type)
    if is_stamp and column.type.tz in (None, "UTC"):
        found = _stamps(column, "UTC")
    elif pa.types.is_date(column.type) or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        found = times(column, zone="UTC")
    else:
        empty = _nulls(column)
        reason = "a time of another zone than UTC" if is_stamp else "not a date"
        return Read(np.zeros(len(column), np.int64), empty, {reason: ~empty})
    clock = found.is_good() & (found.values % NANOS_PER_DAY != 0)
    return Read(found.values // NANOS_PER_DAY, found.empty, {**found.bad, "a date with a time of day": clock})


def bool_array(mask: Mask) -> Any:
    """An Arrow array of a mask."""
    import pyarrow as pa

    return arrow_numbers(mask.astype(np.uint8)).cast(pa.bool_())


def array_of(column: Any) -> npt.NDArray[Any]:
    """The values of an Arrow array of numbers without nulls. Not by ``to_numpy``: that imports pandas, which takes 0.3 s."""
    import pyarrow as pa

    kind = column.type
    dtype = np.dtype(np.int64) if pa.types.is_temporal(kind) and kind.bit_width == 64 else np.dtype(kind.to_pandas_dtype())
    if not len(column):
        return np.empty(0, dtype)
    return np.frombuffer(column.buffers()[1], dtype=dtype, count=len(column), offset=column.offset * dtype.itemsize)


def _plain(column: Any) -> Any:
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _nulls(column: Any) -> Mask:
    return _bools(column.is_null()) if column.null_count else np.zeros(len(column), np.bool_)


def _bools(array: Any) -> Mask:
    import pyarrow as pa

    return array_of(array.cast(pa.uint8())).astype(np.bool_)


def _finite(values: Floats, empty: Mask, bad: dict[str, Mask]) -> Read:
    return Read(values, empty, {**bad, "not finite": ~np.isfinite(values) & ~empty})


def _decimal_of(values: npt.NDArray[np.float32]) -> Floats:
    # 16.29 kept in 32 bits is 16.290000915 as a double, a micro off. The decimal of the fewest digits, 6 to 9, is what was meant.
    found = values.astype(np.float64)
    with np.errstate(all="ignore"):
        size = np.floor(np.log10(np.abs(found)))
    open_rows = np.flatnonzero(np.isfinite(size) & (np.abs(size) < 15))
    for digits in (6, 7, 8, 9):
        shift = 10.0 ** np.abs(digits - 1 - size[open_rows])
        grows = size[open_rows] < digits
        wide = found[open_rows]
        rounded = np.where(grows, np.rint(wide * shift) / shift, np.rint(wide / shift) * shift)
        meant = rounded.astype(np.float32) == values[open_rows]
        found[open_rows[meant]] = rounded[meant]
        open_rows = open_rows[~meant]
    return found


def _epochs(column: Any, unit: int) -> Read:
    read = numbers(column)
    whole = np.rint(read.values)
    read.bad["not a whole number"] = read.is_good() & (whole != read.values)
    limit = 2**62 // unit
    read.bad["a time out of range"] = read.is_good() & (np.abs(whole) > limit)
    values = np.where(read.is_good(), whole, 0).astype(np.int64) * unit
    return Read(values, read.empty, read.bad)


def _stamps(column: Any, zone: str | None) -> Read:
    import pyarrow as pa
    import pyarrow.compute as pc

    empty = _nulls(column)
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    if column.type.tz is None and zone is None:
        return Read(np.zeros(len(column), np.int64), empty, {"a time without a zone": ~empty})
    unit = EPOCHS[column.type.unit]
    wide = array_of(pc.fill_null(column.cast(pa.int64()), 0))
    far = np.abs(wide) > 2**62 // unit
    values = np.where(far, 0, wide) * unit
    bad = {"a time out of range": far & ~empty}
    if column.type.tz is None and zone != "UTC":
        values, unclear = _from_zone(values, str(zone))
        bad["a time that its zone has twice or never"] = unclear & ~empty & ~far
    return Read(values, empty, bad)


def _from_zone(local: Ints, zone: str) -> tuple[Ints, Mask]:
    """UTC of wall clock times, and which of them the zone has twice (clocks go back) or never (they go forward)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    stamps = arrow_numbers(local).cast(pa.timestamp("ns"))
    early, late = (
        array_of(pc.assume_timezone(stamps, zone, ambiguous=which, nonexistent=which).cast(pa.int64())) for which in ("earliest", "latest")
    )
    return early, early != late


def _written(column: Any, zone: str | None) -> Read:
    import pyarrow.compute as pc

    # Few distinct texts as a rule: a snapshot names its time in each of its rows.
    coded = pc.dictionary_encode(pc.fill_null(column, ""))
    words = pc.utf8_trim_whitespace(coded.dictionary)
    empty = _bools(pc.equal(words, ""))
    readable, zoned = (_bools(pc.match_substring_regex(words, pattern)) for pattern in (TIME, ZONED))
    clean = pc.if_else(bool_array(readable), words, "1970-01-01")
    zoned &= readable & (array_of(pc.utf8_length(clean)) > 10)
    values, invalid = _parsed(clean, zoned)
    bad = {"not a time": ~empty & (~readable | invalid)}
    naive = readable & ~zoned & ~invalid
    if zone is None:
        bad["a time without a zone"] = naive
    else:
        local, unclear = _from_zone(values, zone) if zone != "UTC" else (values, np.zeros(len(values), np.bool_))
        bad["a time that its zone has twice or never"] = naive & unclear
        bad[f"a time of another zone than {zone}"] = zoned & ~invalid & (_offsets(clean, zoned) != _offsets_of(values, zone))
        values = np.where(naive, local, values)
    place = array_of(coded.indices)
    return Read(values[place], empty[place], {reason: mask[place] for reason, mask in bad.items()})


def _parsed(words: Any, zoned: Mask) -> tuple[Ints, Mask]:
    """Nanoseconds as written: UTC where an offset stands, else as the clock on the wall; and what no calendar has."""
    values, invalid = np.zeros(len(words), np.int64), np.zeros(len(words), np.bool_)
    for place, word in enumerate(words.to_pylist()):
        try:
            values[place] = _nanos_of(word, bool(zoned[place]))
        except ValueError:
            invalid[place] = True
    return values, invalid


def _nanos_of(word: str, zoned: bool) -> int:
    whole, _, rest = word.partition(".")
    digits = ""
    if rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        whole += rest[len(digits) :]
    moment = dt.datetime.fromisoformat(whole.replace(" ", "T", 1).replace(" ", ""))
    if not zoned:
        moment = moment.replace(tzinfo=dt.UTC)
    past = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    nanos = (past.days * 86_400 + past.seconds) * NANOS_PER_SECOND + int(digits.ljust(9, "0") or 0)
    if abs(nanos) > 2**62:
        _out_of_range()
    return nanos


def _out_of_range() -> NoReturn:
    raise ValueError("beyond the nanoseconds of 64 bits")


def _offsets(words: Any, zoned: Mask) -> Ints:
    """Seconds east of Greenwich that each zoned text states."""
    found = np.zeros(len(words), np.int64)
    for place, word in enumerate(words.to_pylist()):
        if zoned[place] and not word.endswith("Z"):
            sign = word[-6] if word[-3] == ":" else word[-5]
            hours, minutes = (word[-5:-3], word[-2:]) if word[-3] == ":" else (word[-4:-2], word[-2:])
            found[place] = (-1 if sign == "-" else 1) * (int(hours) * 3600 + int(minutes) * 60)
    return found


def _offsets_of(values: Ints, zone: str) -> Ints:
    if zone == "UTC":
        return np.zeros(len(values), np.int64)
    place = ZoneInfo(zone)
    moments = (dt.datetime.fromtimestamp(value // NANOS_PER_SECOND, place) for value in values.tolist())
    return np.array([int((moment.utcoffset() or dt.timedelta()).total_seconds()) for moment in moments], dtype=np.int64)
