# SPDX-License-Identifier: Apache-2.0
"""Quotes of GPU rental: what providers asked, when, as a table from which indices are built.

A quote is no tape: nothing trades at it and nothing settles on it. One row is one price that one provider showed for
one chip somewhere at one time:

============  =======  ===========================================================================================
column        type     meaning
============  =======  ===========================================================================================
``seen``      int64    when it could be known, nanoseconds UTC; a backtest may read rows up to its own time only
``quoted``    int64    when the provider set or showed it, nanoseconds UTC; never after ``seen``
``price``     int64    micros per GPU-hour, above zero
``size``      int64    GPUs that come together (a node of 8), MISSING when unknown
``count``     int64    offers behind the price: 1 for a single one, n for an average over n
``provider``  text     who rents it out; on a marketplace the host
``segment``   text     ``hyperscaler``, ``neocloud`` or ``marketplace``: never mixed silently
``chip``      text     a name of ``chips.toml``
``region``    text     as the provider names it, empty when unknown
``zone``      text     availability zone, empty when there is none
``term``      text     ``spot`` (can be taken away), ``on-demand``, ``1y`` or ``3y`` (commitments)
``offer``     text     instance, machine or configuration; ``average`` for a mean over a provider's offers
``flag``      text     empty, or why the source doubts it or what it leaves out (``suspect_low``, ``gpu-only``)
``source``    text     the feed it came by
============  =======  ===========================================================================================

Rows lie in the order (``seen``, the texts as in :data:`WORDS`); there is one row an offer, term and time seen.
On disk it is a folder of Parquet parts and a manifest (:mod:`kilohour.datafeeds.quote_folder`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import DataError, UnknownName
from kilohour.units import MICROS, MISSING

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

SCHEMA_VERSION = 1
NUMBERS = ("seen", "quoted", "price", "size", "count")
WORDS = ("provider", "segment", "chip", "region", "zone", "term", "offer", "flag", "source")
COLUMNS = (*NUMBERS, *WORDS)
SEGMENTS = ("hyperscaler", "neocloud", "marketplace")
TERMS = ("spot", "on-demand", "1y", "3y")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One quote; see the module for each field."""

    seen: int
    quoted: int
    price: int
    size: int = MISSING
    count: int = 1
    provider: str
    segment: str
    chip: str
    region: str = ""
    zone: str = ""
    term: str
    offer: str = ""
    flag: str = ""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quotes:
    """Quotes as arrays of one length; texts are codes into ``names[column]``, which is sorted.

    Made by :meth:`load` or :meth:`of`. The arrays are read-only.
    """

    seen: Ints
    quoted: Ints
    price: Ints
    size: Ints
    count: Ints
    provider: Codes
    segment: Codes
    chip: Codes
    region: Codes
    zone: Codes
    term: Codes
    offer: Codes
    flag: Codes
    source: Codes
    names: Mapping[str, tuple[str, ...]]
    sha256: str = ""
    """Hash of the folder it was loaded from; a selection of it has that one too."""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in COLUMNS:
            column = getattr(self, name)
            assert column.dtype == (np.int64 if name in NUMBERS else np.int32), f"column {name} is {column.dtype}"
            assert len(column) == len(self.seen), f"column {name} has {len(column)} rows, not {len(self.seen)}"
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.seen)

    def text(self, column: str) -> npt.NDArray[np.object_]:
        """The texts of a column, one a row."""
        words = np.array(self.names[column], dtype=object)
        texts: npt.NDArray[np.object_] = words[getattr(self, column)]
        return texts

    def where(self, *, known_by: int | None = None, seen_from: int | None = None, **texts: str | Sequence[str]) -> Quotes:
        """The rows with ``seen`` from ``seen_from`` to ``known_by``, both included, and with the given texts.

        ``quotes.where(chip="H100", term=("spot", "on-demand"), known_by=now)``. What was seen later than ``known_by`` cannot
        show in the result, nor in its ``names``. Raises :class:`UnknownName` for a column or a text that is not there.
        """
        keep = np.ones(len(self), dtype=np.bool_)
        if known_by is not None:
            keep &= self.seen <= known_by
        if seen_from is not None:
            keep &= self.seen >= seen_from
        for column, wanted in texts.items():
            if column not in WORDS:
                raise UnknownName("column", column, WORDS, where="quotes")
            keep &= np.isin(getattr(self, column), self._codes(column, wanted))
        return self.take(np.flatnonzero(keep))

    def take(self, rows: npt.NDArray[Any]) -> Quotes:
        """The given rows, in the given order; names that no row has are dropped."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in COLUMNS}
        names = dict(self.names)
        for name in WORDS:
            used, codes = np.unique(columns[name], return_inverse=True)
            columns[name] = codes.astype(np.int32)
            names[name] = tuple(self.names[name][i] for i in used)
        return Quotes(**columns, names=names, sha256=self.sha256, notes=self.notes)

    def _codes(self, column: str, wanted: str | Sequence[str]) -> list[int]:
        known = {name: code for code, name in enumerate(self.names[column])}
        chosen = [wanted] if isinstance(wanted, str) else list(wanted)
        for one in chosen:
            if one not in known:
                raise UnknownName(column, one, known, where="these quotes")
        return [known[one] for one in chosen]

    def frame(self) -> pd.DataFrame:
        """All columns as a DataFrame: UTC times, dollars, texts as categories. Meant for looking, not for computing."""
        import pandas as pd

        columns: dict[str, Any] = {name: pd.to_datetime(getattr(self, name), utc=True) for name in ("seen", "quoted")}
        size = pd.Series(self.size, dtype="Int64")
        columns |= {"usd_per_gpu_h": self.price / MICROS, "size": size.mask(self.size == MISSING), "count": self.count}
        for name in WORDS:
            columns[name] = pd.Categorical.from_codes(getattr(self, name), pd.Index(self.names[name]))
        return pd.DataFrame(columns)

    @classmethod
    def of(cls, quotes: Iterable[Quote]) -> Quotes:
        """A table of single quotes, put in order. Raises :class:`DataError` as :func:`check_quotes` does."""
        rows = list(quotes)
        columns: dict[str, Any] = {}
        names: dict[str, tuple[str, ...]] = {}
        for name in NUMBERS:
            columns[name] = np.array([getattr(row, name) for row in rows], dtype=np.int64)
        for name in WORDS:
            names[name] = tuple(sorted({getattr(row, name) for row in rows}))
            codes = {word: code for code, word in enumerate(names[name])}
            columns[name] = np.array([codes[getattr(row, name)] for row in rows], dtype=np.int32)
        order = order_of(columns)
        found = cls(**{name: columns[name][order] for name in COLUMNS}, names=names)
        check_quotes(found)
        return found

    @classmethod
    def load(cls, folder: str | Path, *, known_by: int | None = None, **texts: str | Sequence[str]) -> Quotes:
        """The quotes of a folder, or those of them that :meth:`where` would keep, part by part.

        Checks every hash; raises :class:`DataError` naming file and rule.
        """
        from kilohour.datafeeds.quote_folder import load

        return load(Path(folder), known_by=known_by, texts=texts)

    def save(self, folder: str | Path, *, notes: Sequence[str] = ()) -> Quotes:
        """Writes a folder, whole or not at all, and returns the quotes with its hash."""
        from kilohour.datafeeds.quote_folder import save

        return save(self, Path(folder), notes=notes)


def order_of(columns: Mapping[str, npt.NDArray[Any]], *last: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """The order of rows: time seen, then the texts; ``last`` decides between rows that are equal in all of them."""
    key = key_of(columns)
    order: npt.NDArray[np.intp] = np.lexsort((*reversed(last), key, columns["seen"]))
    return order


def key_of(columns: Mapping[str, npt.NDArray[Any]]) -> Ints:
    """One number a row that orders as the codes of all :data:`WORDS` do; equal only where all of them are."""
    key = np.zeros(len(columns["seen"]), dtype=np.int64)
    span = 1
    for name in WORDS:
        codes = columns[name]
        width = int(codes.max(initial=0)) + 1
        if span * width >= 2**62:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
            span = int(key.max(initial=0)) + 1
        key = key * width + codes
        span *= width
    return key


def check_quotes(quotes: Quotes) -> None:
    """Raises :class:`DataError` naming row, column and value where the table breaks a rule of the module's."""
    rules: tuple[tuple[str, npt.NDArray[np.bool_], str], ...] = (
        ("price", quotes.price <= 0, "must be above zero"),
        ("quoted", quotes.quoted > quotes.seen, "must not be after 'seen'"),
        ("count", quotes.count < 1, "must be 1 or more"),
        ("size", (quotes.size < 1) & (quotes.size != MISSING), "must be 1 or more, or MISSING"),
    )
    for column, bad, rule in rules:
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"quotes: row {row}, column {column!r}: {rule}, found {int(getattr(quotes, column)[row])}")
    for column, known in (("segment", SEGMENTS), ("term", TERMS)):
        for word in quotes.names[column]:
            if word not in known:
                raise UnknownName(column, word, known, where="quotes")
    columns = {name: getattr(quotes, name) for name in COLUMNS}
    key = key_of(columns)
    again = (quotes.seen[1:] == quotes.seen[:-1]) & (key[1:] == key[:-1])
    if again.any():
        row = int(np.argmax(again)) + 1
        raise DataError(
            f"quotes: row {row}: an offer needs one price a term and time seen, found a second of "
            f"{quotes.text('offer')[row] or quotes.text('provider')[row]!r}"
        )
