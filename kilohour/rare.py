# SPDX-License-Identifier: Apache-2.0
"""What few tapes hold and a run must be prepared for: funding, corrections by the venue, quotes."""

from __future__ import annotations

import numpy as np

from kilohour.errors import DataError, UsageError
from kilohour.fills import Fills
from kilohour.kernels import records as r
from kilohour.kernels.records import Array
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING


def rarities(tape: Tape, fills: Fills) -> tuple[bool, bool]:
    """Whether the tape holds anything rare, and whether it holds quotes. Raises :class:`UsageError` when fills need some."""
    kind = tape.events["kind"]
    has_quotes = bool(np.any(kind == Kind.QUOTE))
    if fills.needs_quotes and not has_quotes:
        raise UsageError(f"the fill model {fills.model!r} needs quotes on the tape (Tape.from_quotes, TapeBuilder.quotes), found none; "
                         "models for bars are 'path' and 'open'")
    is_official = (kind == Kind.MARK) | (kind == Kind.FINAL)
    return has_quotes or bool(np.any((kind == Kind.FUNDING) | is_official & (tape.events["volume"] > 0))), has_quotes


def check_funding(tape: Tape, terms: Array) -> None:
    """Funding by rule needs the product's rule; a rate times the lot's denominator must leave the ledger 64 bits."""
    rows = np.flatnonzero(tape.events["kind"] == Kind.FUNDING)
    if not len(rows):
        return
    refs, rates = tape.events["ref"][rows], tape.events["close"][rows]
    by_rule = rates == MISSING
    for ref in np.unique(refs):
        contract, term, own = tape.contracts[ref], terms[ref], refs == ref
        if (by_rule & own).any() and (term["funding_divisor"] == 0 or term["index"] < 0):
            raise UsageError(f"{contract.product}: funding by rule needs the terms index and funding_cap_ppm, and the index on the tape; "
                             "or give the rates the venue stated")
        largest = max(int(np.abs(np.where(by_rule, 0, rates))[own].max()), int(term["funding_cap"]))
        if largest * int(term["lot_den"]) > 2 * 10**10:
            raise DataError(f"{contract.code}: a funding rate times the lot's denominator ({int(term['lot_den'])}) must be at most "
                            f"200, found {largest * int(term['lot_den']) / 1e8:g}")


def empty_quotes(stale_after: int) -> Array:
    """A store of what is displayed, before the first quote; ``stale_after`` in nanoseconds."""
    quotes = np.zeros(1, r.QUOTES)
    quotes["stale_after"] = stale_after
    return quotes
