# SPDX-License-Identifier: Apache-2.0
"""Databento's DBN files as a tape: OHLCV bars, official settlements and open interest. Real CME data arrives this way.

A bar's time in the file is when its interval begins; on the tape it is seen when the interval ends, or at the last trade if that comes
first. Settlements are those the venue calls final; a later one of the same session corrects it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import OPTIONS, REJECTED_MAX, columns, share_of
from kilohour.datafeeds.reading import Progress


def run(
    inputs: Sequence[Path], out: Path, *, product: str, assume: str = "", rejected_max: str = REJECTED_MAX, progress: Progress | None = None
) -> Iterable[str]:
    """Makes a tape of DBN files of bars and statistics of one product."""
    from kilohour.datafeeds.importing.dbn_bars import import_dbn

    names = [name for name in assume.split(",") if name]
    return import_dbn(inputs, out, product=product, assume=names, rejected_max=share_of(rejected_max), progress=progress).told()


FEED = Feed(
    name="databento",
    about="DBN files of ohlcv-1s, -1m, -1h, -1d and statistics of one product, as Databento delivers CME's data",
    gives="tape",
    columns=columns(
        ("ts_event", "nanoseconds UTC", "begin of a bar's interval"),
        ("open, high, low, close", "billionths of a dollar", "micros on the tape"),
        ("volume", "lots", ""),
        ("statistics: settlement price", "billionths of a dollar", "marks: those flagged final, known at ts_recv"),
        ("statistics: open interest", "lots", "known at ts_recv"),
    ),
    time="a bar is seen when its interval ends; a settlement and open interest when Databento received them",
    licence="yours under the terms of your subscription and of the exchange",
    options={
        "product": "code of the product in the registry, as NYMEX:CL",
        "assume": "assumptions for unknown terms, as energy",
        **OPTIONS,
    },
    needs=("product",),
    inputs="some",
    run=run,
)
