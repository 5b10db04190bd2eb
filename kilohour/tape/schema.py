# SPDX-License-Identifier: Apache-2.0
"""What a tape holds: the kinds of event, their order within a timestamp, and the meaning of each column.

==========  ========================  =======================================================================
kind        ``ref`` points into       columns that carry a value
==========  ========================  =======================================================================
BAR         contracts                 ``open high low close`` micros; ``volume`` lots, MISSING when unknown
MARK        contracts                 ``close`` official settlement price of the day, micros; a correction has its
                                      revision (1, 2 ...) in ``volume``, the ``ts_event`` of the mark it corrects,
                                      and in ``open`` the price before
FUNDING     contracts                 ``close`` rate of the interval in hundred-millionths (eight decimals) as the venue
                                      states it, or MISSING: the product's funding rule decides from the mark and the
                                      print of its index known by then
PRINT       indices                   ``close`` value, millionths; ``open`` the value known before, MISSING on
                                      the first print; ``volume`` revision number; ``high`` weight of a volume-weighted
                                      mean (units behind the print), MISSING without one; ``ts_event`` value date
INTEREST    contracts                 ``volume`` open interest, lots
FINAL       contracts                 ``close`` final settlement price the venue states, micros, or MISSING:
                                      the product's settlement rule decides from the prints known by then; a
                                      correction has its revision in ``volume``, and in ``open`` the price before
                                      (MISSING when that one was by rule)
EXPIRY      contracts                 none: the last trade is over
LISTING     contracts                 none: the contract can be traded from now on
QUOTE       contracts                 one level of what is displayed: ``open`` bid and ``low`` ask, micros, MISSING where that
                                      side has none; ``high`` lots bid and ``close`` lots asked, 0 where none; ``volume``
                                      the level, 0 the best, which begins a new snapshot
SESSION     contracts                 ``volume`` the session state from now on: 0 open, 1 pre-open, 2 pre-open without
                                      cancels, 3 halted, 4 closed; a contract without one is open
==========  ========================  =======================================================================

Events are sorted by (``ts``, kind, ``ref``, arrival); ``ts`` is when the event could be known (``ts_seen``),
``ts_event`` when it happened. Both are nanoseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

SCHEMA_VERSION = 1


class Kind(IntEnum):
    """Kinds of event; the number is the order within one timestamp."""

    BAR = 1
    MARK = 2
    FUNDING = 3
    PRINT = 4
    INTEREST = 5
    FINAL = 6
    EXPIRY = 7
    LISTING = 8
    QUOTE = 9
    SESSION = 10


COLUMNS: dict[str, np.dtype[np.generic]] = {
    "ts": np.dtype("i8"),
    "ts_event": np.dtype("i8"),
    "kind": np.dtype("u1"),
    "ref": np.dtype("i4"),
    "open": np.dtype("i8"),
    "high": np.dtype("i8"),
    "low": np.dtype("i8"),
    "close": np.dtype("i8"),
    "volume": np.dtype("i8"),
}
"""Column name to dtype, in the order of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A published series: a price index that settles contracts, or an adoption series that only informs.

    Values are stored in millionths of ``unit``.
    """

    code: str
    """Upper case, e.g. ``SIM-H100`` or ``ADOPTION``."""
    unit: str
    """``USD per GPU-hour``, ``million weekly users`` ..."""
    note: str = ""
    """Method, publisher, licence, in a sentence."""
