# SPDX-License-Identifier: Apache-2.0
"""What cash earns: a rate of its own, or the prints of a series on the tape. Rules: docs/engine.md, "Interest on cash"."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MICROS

PERCENT_MOST = 100


@dataclass(frozen=True, slots=True)
class CashRate:
    """``ppm`` millionths a year; or ``series``, whose latest print is the rate in per cent a year (4.33)."""

    ppm: int = 0
    series: str = ""

    @property
    def earns(self) -> bool:
        """True when there is anything to book."""
        return self.ppm != 0 or self.series != ""

    def row(self, tape: Tape) -> int:
        """Row of the series on a tape, -1 without one."""
        codes = [index.code for index in tape.indices]
        return codes.index(self.series) if self.series else -1

    def sentence(self) -> str:
        """What a report says of it."""
        rate = f"the latest print of {self.series}, in per cent" if self.series else f"{self.ppm / 10_000:g} %"
        return f"Cash earns {rate} a year, actual days over 360, booked daily; a debt pays the same."


NOTHING = CashRate()


def cash_rate_of(rate: float | str, tape: Tape) -> CashRate:
    """A share a year, or the code of a series on the tape.

    Raises :class:`UsageError` unless the share is a multiple of 0.000001 from -1 to 1, :class:`UnknownName` for another series,
    :class:`DataError` where a print of it is no rate.
    """
    if isinstance(rate, str):
        codes = [index.code for index in tape.indices]
        if rate not in codes:
            raise UnknownName("cash_rate", rate, codes, where="this tape")
        prints = (tape.events["kind"] == Kind.PRINT) & (tape.events["ref"] == codes.index(rate))
        highest = int(np.abs(tape.events["close"][prints]).max(initial=0))
        if highest > PERCENT_MOST * MICROS:
            raise DataError(f"{rate}: cash_rate needs prints in per cent a year, from -{PERCENT_MOST} to {PERCENT_MOST}, "
                            f"found {highest / MICROS:g}")
        return CashRate(series=rate)
    ppm = Fraction(str(rate)) * MICROS if -1 <= rate <= 1 else Fraction(1, 2)
    if ppm.denominator != 1:
        raise UsageError(f"cash_rate must be a share a year from -1 to 1 with at most six decimals (0.0433 is 4.33 %), found {rate!r}")
    return CashRate(int(ppm))
