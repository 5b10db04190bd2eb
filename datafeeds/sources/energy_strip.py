# SPDX-License-Identifier: Apache-2.0
"""Daily settlements of WTI and Henry Hub futures, 36 months out, as a tape (:mod:`kilohour.datafeeds.energy`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import OPTIONS, REJECTED_MAX, columns, share_of
from kilohour.datafeeds.reading import Progress


def run(
    inputs: Sequence[Path], out: Path, *, expiries: Path, rejected_max: str = REJECTED_MAX, progress: Progress | None = None
) -> Iterable[str]:
    """Makes the tape."""
    from kilohour.datafeeds.energy import import_strip

    return import_strip(inputs[0], expiries, out, rejected_max=share_of(rejected_max), progress=progress).told()


FEED = Feed(
    name="energy-strip",
    about="daily settlements of WTI (CL) and Henry Hub (NG) futures, 36 months out, 2007 to 2025: a real term structure",
    gives="tape",
    columns=columns(
        ("root", "", "CL or NG"),
        ("date", "day", "of the settlement"),
        ("contract", "YYYYMM", "month of delivery"),
        ("settle", "USD per barrel or MMBtu", "may be negative"),
    ),
    time="the product's close on the day of the settlement",
    licence="package MIT (risktoollib/RTL), upstream exchange settlements: for internal use; ask before publishing",
    defects=("settlements only: no open, high, low, volume; about 0.9 % of the values are missing and left out",),
    options={"expiries": "FILE of last trading days: root, contract, last_trade", **OPTIONS},
    needs=("expiries",),
    run=run,
)
