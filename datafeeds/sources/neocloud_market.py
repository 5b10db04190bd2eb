# SPDX-License-Identifier: Apache-2.0
"""The whole of Prime Intellect's aggregator every half hour: quantiles over configurations, as series."""

from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When

STATISTICS = ("min", "p10", "p25", "median", "p75", "p90", "max", "mean", "min_1x", "min_8x")
COUNTS = ("n_configs", "n_available")

FEED = print_feed(
    "neocloud-market",
    PrintMapping(
        value_at=When(column="ts_utc", zone="UTC"),
        chip="chip",
        series=(
            *(
                Series(code=Text(column="chip", prefix=f"NEOCLOUD-{name}-"), column=name, unit="USD per GPU-hour", empty="skip", lowest=0.0)
                for name in STATISTICS
            ),
            *(
                Series(code=Text(column="chip", prefix=f"NEOCLOUD-{name}-"), column=name, unit="configurations", lowest=0.0)
                for name in COUNTS
            ),
        ),
    ),
    about="quantiles over all listed configurations of Prime Intellect's aggregator by chip, every half hour, 2025-10-19 to 2025-11-16",
    columns=columns(
        ("ts_utc", "UTC", "when the page was read"),
        ("chip", "", ""),
        *((name, "USD per GPU-hour", "over configurations") for name in STATISTICS),
        *((name, "configurations", "listed, or in stock") for name in COUNTS),
    ),
    time="when the offers were read, every 26 to 40 minutes; known from then on",
    licence="MIT (tugot17/gpu-price-tracker): free to use with attribution",
    defects=("the median runs over configurations and jumps when one provider lists many; the minimum holds near-expired offers",),
)
