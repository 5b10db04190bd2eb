# SPDX-License-Identifier: Apache-2.0
"""Work factors: how many hours of an old chip's work an hour of a new one does, and since when that is known."""

from __future__ import annotations

from collections.abc import Iterable

from kilohour import maths
from kilohour.desk import Desk
from kilohour.errors import UsageError
from kilohour.faces.face import Face
from kilohour.faces.fields import IntRing, Ring, state


class WorkFactors(Face):
    """A table of factors by the day from which each is known; filled with :func:`set_factors` in the strategy's ``check``."""

    count: int = state(0)
    days: IntRing
    factors: Ring

    def is_known(self, desk: Desk) -> bool:
        """True from the first day of the table on."""
        return self.count > 0 and self.days[0] <= desk.date()

    def factor(self, desk: Desk) -> float:
        """The factor as known today. Raises ValueError before the first; ask :meth:`is_known`."""
        if not self.is_known(desk):
            raise ValueError("work factors: none is known yet; ask is_known first")
        at = 0
        while at + 1 < self.count and self.days[at + 1] <= desk.date():
            at += 1
        return self.factors[at]

    def lots(self, desk: Desk, work: float, contract: int) -> int:
        """Whole lots of a new chip's contract nearest to ``work``, in hours of the old chip (ties to even)."""
        return maths.nearest(work / (self.factor(desk) * desk.unit_count(contract)))

    def residual(self, desk: Desk, work: float, contract: int, lots: int) -> float:
        """Hours of the old chip's work that so many whole lots leave open; negative when they do more."""
        return work - lots * self.factor(desk) * desk.unit_count(contract)


def set_factors(table: WorkFactors, rows: Iterable[tuple[int, float]]) -> None:
    """Fills a table with rows of the day, as YYYYMMDD, and the factor known from it on.

    Raises :class:`UsageError` for a factor that is not above zero, days out of order, or more rows than the table's capacity.
    """
    last = 0
    for at, (day, factor) in enumerate(rows):
        if at == len(table.days):
            raise UsageError(f"work factors: at most {at} rows; give the component a larger capacity")
        if not 1900_01_01 <= day <= 2199_12_31 or day <= last:
            raise UsageError(f"work factors: days must be YYYYMMDD in increasing order, found {day} after {last}")
        if not 0.0 < factor <= 1e6:
            raise UsageError(f"work factors: the factor of {day} must be above 0 and at most 1e6, found {factor:g}")
        table.days[at], table.factors[at], last = day, factor, day
        table.count = at + 1
