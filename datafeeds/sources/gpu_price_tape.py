# SPDX-License-Identifier: Apache-2.0
"""Observed GPU prices as a real index with modelled monthly futures (:mod:`kilohour.datafeeds.gpu_prices`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import OPTIONS, REJECTED_MAX, columns, share_of
from kilohour.datafeeds.reading import Progress
from kilohour.errors import UsageError


def run(
    inputs: Sequence[Path],
    out: Path,
    *,
    adoption: Path | None = None,
    segment: str = "aws_spot_us",
    carry: str = "refuse",
    release_lag: int | str = 45,
    rejected_max: str = REJECTED_MAX,
    progress: Progress | None = None,
) -> Iterable[str]:
    """Makes the tape."""
    from kilohour.datafeeds.gpu_prices import import_prices

    if not str(release_lag).isdigit():
        raise UsageError(f"release-lag must be whole days, found {release_lag!r}")
    given: dict[str, Any] = {"segment": segment, "carry": carry, "release_lag_days": int(release_lag)}
    return import_prices(inputs[0], out, adoption, rejected_max=share_of(rejected_max), progress=progress, **given).told()


FEED = Feed(
    name="gpu-prices",
    about="a real daily index of A100-40 and H100 rental, with futures whose forwards are a model",
    gives="tape",
    columns=columns(
        ("date", "day", ""),
        ("chip", "", "A100-40 and H100"),
        ("segment", "", "as aws_spot_us"),
        ("median", "USD per GPU-hour", "of the segment that day"),
    ),
    time="a day's median is known at the midnight UTC that ends it; bars are at 21:00 UTC of business days",
    licence="segments aws_* and gcp_gpuonly_*: no licence stated, ask before publishing; the others MIT or Apache-2.0",
    options={
        "adoption": "FILE of adoption figures, put on the tape as series",
        "segment": "segment of the market, aws_spot_us unless given",
        "carry": "what a day without a price does: refuse or last",
        "release-lag": "days from an adoption date until it is known, 45 unless given",
        **OPTIONS,
    },
    run=run,
)
