# SPDX-License-Identifier: Apache-2.0
"""Rows of a source, mapped: instants, numbers, texts; what breaks a rule is refused by row with its reason."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.datafeeds.chips import chip_named, chip_names
from kilohour.datafeeds.importing.cells import Read, array_of, days, numbers, texts, times
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, Unit, When
from kilohour.datafeeds.importing.names import Names
from kilohour.datafeeds.importing.refusals import Refusals, Sieve
from kilohour.datafeeds.importing.stream import Batch
from kilohour.datafeeds.quotes import NUMBERS, SEGMENTS, TERMS, WORDS
from kilohour.errors import UnknownName
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY

Ints = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]
PRICE_MAX = 1e6
"""Dollars per GPU-hour; beyond it the unit is wrong."""
UNKNOWN = ""
VOCABULARIES: dict[str, Collection[str]] = {"chip": chip_names(), "segment": SEGMENTS, "term": TERMS}


def quotes_of(batch: Batch, mapping: QuoteMapping, source: str, names: Names, refusals: Refusals) -> Columns:
    """The quotes of a batch: the columns of :mod:`kilohour.datafeeds.quotes`, texts as codes of ``names``, and ``row``."""
    columns = mapping.tidy(dict(batch.columns)) if mapping.tidy else batch.columns
    sieve = Sieve(batch.file, batch.first, batch.rows, columns, refusals)
    if mapping.doubt:
        for column, mask, reason in mapping.doubt(columns):
            sieve.refuse(mask, column, reason)
    quoted, known = instants(sieve, mapping.quoted)
    seen = instants(sieve, mapping.seen)[0] if mapping.seen else known
    if mapping.seen:
        sieve.refuse(quoted > seen, mapping.seen.column, "seen before it was quoted")
    coded = {"source": names.code("source", source)}
    for name in ("provider", "segment", "chip", "region", "zone", "offer", "flag"):
        coded[name] = _words(sieve, name, getattr(mapping, name), names)
    shared: dict[str, Any] = {"seen": seen, "quoted": quoted, "size": _size(sieve, mapping.size), **coded}
    offers = [_offer(sieve.child(), price, shared, names) for price in mapping.prices]
    return {name: np.concatenate([offer[name] for offer in offers]) for name in (*NUMBERS, *WORDS, "row")}


def instants(sieve: Sieve, when: When) -> tuple[Ints, Ints]:
    """When it happened, and when it could be known with the lag of ``when``; nanoseconds UTC."""
    column = sieve.columns[when.column]
    if when.of == "day":
        read = days(column)
        at = read.values * NANOS_PER_DAY
        known = at + NANOS_PER_DAY + when.lag
    else:
        read = times(column, zone=when.zone, epoch=when.epoch)
        at, known = read.values, read.values + when.lag
    refuse_unread(sieve, when.column, read)
    return at, known


def refuse_unread(sieve: Sieve, column: str, read: Read, *, empty: str = "refuse") -> None:
    """Refuses the cells that could not be read; empty ones are refused, or left out without a word (``skip``)."""
    for reason, mask in read.bad.items():
        sieve.refuse(mask, column, reason)
    if empty == "refuse":
        sieve.refuse(read.empty, column, "empty")
    else:
        sieve.good &= ~read.empty


def codes_of(sieve: Sieve, name: str, text: Text, names: Names, spelt: Callable[[str], str] = str) -> Any:
    """Codes of a text: one a row, or one for all rows; each as ``spelt`` makes it."""
    if text.column is None:
        return names.code(name, spelt(text.value))
    return names.of(name, texts(sieve.columns[text.column]), lambda word: spelt(_meaning(text, word)))


def kept_of(value: Any, keep: npt.NDArray[np.intp], dtype: Any) -> npt.NDArray[Any]:
    """The kept rows of an array, or one value for each."""
    return np.full(len(keep), value, dtype) if np.ndim(value) == 0 else np.asarray(value)[keep].astype(dtype, copy=False)


def _meaning(text: Text, word: str) -> str:
    meant = text.rename.get(word, word) if text.rename else word
    return text.prefix + meant if meant else meant


def _words(sieve: Sieve, name: str, text: Text, names: Names) -> Any:
    known = VOCABULARIES.get(name)
    if text.column is None:
        if known is not None and text.value not in known:
            raise UnknownName(name, text.value, known, where="the mapping")
        return names.code(name, chip_named(text.value) if name == "chip" else text.value)
    cells = texts(sieve.columns[text.column])
    if name not in ("provider", "segment", "chip", "term"):
        return names.of(name, cells, functools.partial(_meaning, text))
    meanings = [_meaning(text, word) for word in cells.dictionary.to_pylist()]
    place = array_of(cells.indices)
    _refuse_unknown(sieve, name, text.column, meanings, place)
    if name == "chip":
        meanings = [chip_names().get(word, UNKNOWN) for word in meanings]
    codes = np.array([names.code(name, word) for word in meanings], dtype=np.int32)
    return codes[place] if len(codes) else np.zeros(len(place), np.int32)


def refuse_unknown_chips(sieve: Sieve, column: str) -> None:
    """Refuses the rows whose cell names no chip that we know, the nearest one in the reason."""
    cells = texts(sieve.columns[column])
    _refuse_unknown(sieve, "chip", column, cells.dictionary.to_pylist(), array_of(cells.indices))


def _refuse_unknown(sieve: Sieve, name: str, column: str, words: Sequence[str], place: npt.NDArray[Any]) -> None:
    known = VOCABULARIES.get(name)
    for code, word in enumerate(words):
        if not word:
            sieve.refuse(place == code, column, "empty")
        elif known is not None and word not in known:
            nearest = UnknownName(name, word, known).nearest
            sieve.refuse(place == code, column, f"unknown {name}" + (f", nearest {nearest!r}" if nearest else ""))


def _offer(sieve: Sieve, price: Price, shared: dict[str, Any], names: Names) -> Columns:
    """The quotes of one column of prices."""
    micros = _price(sieve, price)
    found = {
        **shared,
        "price": micros,
        "count": _count(sieve, price.count),
        "term": _words(sieve, "term", price.term, names),
        "row": sieve.first + np.arange(len(micros)),
    }
    if price.offer is not None:
        found["offer"] = names.code("offer", price.offer)
    keep = np.flatnonzero(sieve.good)
    return {name: kept_of(value, keep, np.int64 if name in (*NUMBERS, "row") else np.int32) for name, value in found.items()}


def _price(sieve: Sieve, price: Price) -> Ints:
    read = numbers(sieve.columns[price.column])
    refuse_unread(sieve, price.column, read, empty=price.empty)
    dollars = read.values * price.unit.scale / _gpus(sieve, price.unit)
    sieve.refuse(~(dollars > 0), price.column, "not above zero")
    sieve.refuse(dollars > PRICE_MAX, price.column, f"over {PRICE_MAX:,.0f} dollars per GPU-hour")
    micros: Ints = np.rint(np.where(sieve.good, dollars, 1.0) * MICROS).astype(np.int64)
    sieve.refuse(micros < 1, price.column, "under a millionth of a dollar per GPU-hour")
    return micros


def _gpus(sieve: Sieve, unit: Unit) -> Any:
    return unit.gpus if isinstance(unit.gpus, int) else np.maximum(_whole(sieve, unit.gpus, 1, empty="refuse"), 1)


def _size(sieve: Sieve, size: int | str | None) -> Any:
    if not isinstance(size, str):
        return MISSING if size is None else size
    return _whole(sieve, size, MISSING, empty="missing")


def _count(sieve: Sieve, column: str | None) -> Any:
    return 1 if column is None else _whole(sieve, column, 1, empty="refuse")


def _whole(sieve: Sieve, column: str, otherwise: int, *, empty: str) -> Ints:
    """Whole numbers of 1 or more; ``otherwise`` where there is none."""
    read = numbers(sieve.columns[column])
    for reason, mask in read.bad.items():
        sieve.refuse(mask, column, reason)
    if empty == "refuse":
        sieve.refuse(read.empty, column, "empty")
    good = read.is_good()
    values = np.where(good, read.values, 1.0)
    sieve.refuse((values < 1) | (values != np.rint(values)) | (values > 1e6), column, "not a whole number of 1 or more")
    values = np.clip(np.rint(values), 1, 1e6)
    found: Ints = np.where(good, values.astype(np.int64), otherwise)
    return found
