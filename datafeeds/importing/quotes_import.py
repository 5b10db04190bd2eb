# SPDX-License-Identifier: Apache-2.0
"""Imports quotes; how an import goes on is in :mod:`kilohour.datafeeds.importing.table_import`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.importing.convert import quotes_of
from kilohour.datafeeds.importing.intake import Columns
from kilohour.datafeeds.importing.mapping import QuoteMapping
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals
from kilohour.datafeeds.importing.stream import Batch
from kilohour.datafeeds.importing.table_import import Imported, import_table
from kilohour.datafeeds.quote_folder import TABLE
from kilohour.datafeeds.quotes import key_of
from kilohour.datafeeds.table_folder import TableFolder


@dataclass(frozen=True, slots=True)
class QuoteRows:
    """Rows of files as quotes."""

    source: str
    mapping: QuoteMapping
    table: TableFolder = TABLE
    time: str = "seen"
    amount: str = "price"
    contradiction: str = "another price of the same offer at the same time"
    kept_with: tuple[str, ...] = ()

    def of(self, batch: Batch, names: Names, refusals: Refusals) -> Columns:
        """See :class:`~kilohour.datafeeds.importing.table_import.Rows`."""
        return quotes_of(batch, self.mapping, self.source, names, refusals)

    def order(self, bucket: Columns) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """By time seen, then the texts; one price an offer, term and time."""
        key = key_of(bucket)
        order = np.lexsort((key, bucket["seen"]))
        key, seen = key[order], bucket["seen"][order]
        again = np.zeros(len(order), np.bool_)
        again[1:] = (seen[1:] == seen[:-1]) & (key[1:] == key[:-1])
        return order, again

    def finish(self, bucket: Columns, names: Mapping[str, Sequence[str]]) -> None:
        """Quotes are whole."""

    def content(self) -> dict[str, Any]:
        """Nothing more is said of quotes."""
        return {}


def import_quotes(source: str, mapping: QuoteMapping, inputs: Sequence[Path], out: Path, **options: Any) -> Imported:
    """Writes the quotes of ``inputs`` to the folder ``out``; options and errors are those of
    :func:`~kilohour.datafeeds.importing.table_import.import_table`."""
    return import_table(source, QuoteRows(source, mapping), inputs, out, **options)
