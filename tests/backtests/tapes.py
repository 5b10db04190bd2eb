# SPDX-License-Identifier: Apache-2.0
"""A small market of SIM products for tests of drivers: daily bars and marks, two delivery months, seeded."""

from __future__ import annotations

import numpy as np

from kilohour.contracts.contract import NEVER, Contract
from kilohour.tape import Index, Tape, TapeBuilder
from kilohour.units import NANOS_PER_DAY

FIRST = 20_000


def sim_tape(days: int = 120, products: tuple[str, ...] = ("SIM:H100",), *, seed: int = 1, marks_a_day: int = 1,
             bars_after: int = 0) -> Tape:
    """``days`` of bars at 20:00 UTC of a near and a far contract of each product, marks from 20:15 on.

    ``marks_a_day`` marks follow each other by an hour; ``bars_after`` days at the end have bars and no mark.
    """
    rng = np.random.default_rng(seed)
    builder = TapeBuilder(source="small SIM market")
    for product in products:
        builder.index(Index(code=product.replace(":", "-"), unit="USD per GPU-hour"))
        for month in (203001, 203002):
            code = f"{product}-{month // 100}-{month % 100:02d}"
            ref = builder.contract(Contract(code=code, product=product, symbol=code, month=month, listed_at=0, last_trade_at=NEVER,
                                            settlement_at=NEVER, fixing_days=(), rule="by hand"))
            days_of = (FIRST + np.arange(days)) * NANOS_PER_DAY
            hour = NANOS_PER_DAY // 24
            close = 2_000_000 + 5_000 * np.cumsum(rng.integers(-4, 5, days))
            opened = close + 5_000 * rng.integers(-1, 2, days)
            high, low = np.maximum(opened, close) + 5_000, np.minimum(opened, close) - 5_000
            builder.bars(ref, days_of + 20 * hour, opened, high, low, close, rng.integers(50, 2_000, days))
            for again in range(marks_a_day):
                ts, price = days_of + (20 + again) * hour + hour // 4, close + 5_000 * again * rng.integers(-2, 3, days)
                builder.marks(ref, ts[: days - bars_after], price[: days - bars_after])
    return builder.build()
