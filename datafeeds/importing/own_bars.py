# SPDX-License-Identifier: Apache-2.0
"""A user's own bars as a tape: his columns renamed, his unit made ours, the rest is :meth:`kilohour.tape.Tape.from_bars`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kilohour.datafeeds.importing.cells import days, numbers, texts, times
from kilohour.datafeeds.importing.mapping_file import BarMapping
from kilohour.datafeeds.importing.stream import Batch, batches
from kilohour.errors import DataError
from kilohour.tape import Tape

if TYPE_CHECKING:
    import pandas as pd

PRICES = ("open", "high", "low", "close", "settle")
COUNTS = ("volume", "open_interest")


def bars_of(path: Path, mapping: BarMapping) -> Tape:
    """The tape of a file of bars. A tape with a row left out is another market, so the first bad row ends the import.

    Raises :class:`DataError` with file, row, column and value.
    """
    import pandas as pd

    columns = [mapping.time.column, *mapping.columns.values(), *([mapping.contract.column] if mapping.contract.column else [])]
    parts = [_frame(batch, mapping) for batch in batches(path, columns)]
    if not parts:
        raise DataError(f"{path.name}: needs at least one bar, found none")
    frame = pd.concat(parts, ignore_index=True)
    try:
        return Tape.from_bars(frame, product=mapping.product, assume=mapping.assume)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from None


def _frame(batch: Batch, mapping: BarMapping) -> pd.DataFrame:
    import pandas as pd

    at = mapping.time
    column = batch.columns[at.column]
    read = days(column) if at.of == "day" else times(column, zone=at.zone, epoch=at.epoch)
    _refuse(batch, at.column, [*read.bad.items(), ("empty", read.empty)])
    scale = 86_400_000_000_000 if at.of == "day" else 1
    stamps = pd.to_datetime(read.values * scale, utc=at.of != "day")
    found: dict[str, Any] = {"time": stamps}
    words = texts(batch.columns[mapping.contract.column]).to_pylist() if mapping.contract.column else [mapping.contract.value] * batch.rows
    rename = mapping.contract.rename or {}
    found["contract"] = [mapping.contract.prefix + rename.get(word, word) for word in words]
    for name, column_name in mapping.columns.items():
        read = numbers(batch.columns[column_name])
        missing = () if name in (*COUNTS, "settle") else (("empty", read.empty),)
        _refuse(batch, column_name, [*read.bad.items(), *missing])
        unit = mapping.unit.scale / int(mapping.unit.gpus) if name in PRICES else 1.0
        found[name] = np.where(read.empty, np.nan, read.values * unit)
    found.setdefault("volume", np.full(batch.rows, np.nan))
    return pd.DataFrame(found)


def _refuse(batch: Batch, column: str, faults: Iterable[tuple[str, Any]]) -> None:
    for reason, mask in faults:
        if mask.any():
            row = int(np.argmax(mask))
            value = batch.columns[column][row].as_py()
            raise DataError(f"{batch.file}: row {batch.first + row}, column {column!r}: {reason}, found {str(value)!r}")
