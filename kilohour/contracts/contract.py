# SPDX-License-Identifier: Apache-2.0
"""One contract: a product and a delivery month (or a perpetual), with its days already worked out.

The days are computed at import and stored in the tape, with the rule and the calendar's version, so that
a later release of a calendar library changes no old run.
"""

from __future__ import annotations

from dataclasses import dataclass

PERPETUAL = 0
NEVER = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A contract as a tape stores it.

    Times are nanoseconds UTC; days are days since 1970-01-01; ``month`` is YYYYMM, 0 for a perpetual,
    whose ``last_trade_at`` and ``settlement_at`` are :data:`NEVER`.
    """

    code: str
    """``VENUE:PRODUCT-YYYY-MM``."""
    product: str
    """``VENUE:PRODUCT``."""
    symbol: str
    """The venue's own spelling."""
    month: int
    listed_at: int
    last_trade_at: int
    settlement_at: int
    """When the final settlement is known, at the earliest."""
    fixing_days: tuple[int, ...]
    """Value dates whose prints settle the contract; empty when the venue states the final price itself, or
    the last official mark is it."""
    rule: str
    """The rules and the calendar version the days come from, in words."""

    @property
    def is_perpetual(self) -> bool:
        """True for a contract without a delivery month."""
        return self.month == PERPETUAL
