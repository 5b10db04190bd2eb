# SPDX-License-Identifier: Apache-2.0
"""Daily medians and quartiles of every segment of the GPU rental market, as series."""

from typing import Any

from kilohour.datafeeds.importing.cells import as_text
from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When

STATISTICS = ("median", "min", "p25", "p75", "max")


def named(rows: dict[str, Any]) -> dict[str, Any]:
    """Segment and chip as one name, as AWS_SPOT_US-H100."""
    import pyarrow.compute as pc

    rows["of"] = pc.binary_join_element_wise(as_text(rows["segment"]), as_text(rows["chip"]), "-")
    return rows


FEED = print_feed(
    "price-statistics",
    PrintMapping(
        value_at=When(column="date", of="day"),
        series=tuple(
            Series(code=Text(column="of", prefix=f"{name}-"), column=name, unit="USD per GPU-hour", lowest=0.0) for name in STATISTICS
        ),
        chip="chip",
        tidy=named,
        needs=("segment", "chip"),
        makes=("of",),
    ),
    about="daily median, quartiles and range of each segment of GPU rental, 2022 to 2026; a date exists only if it was observed",
    columns=columns(
        ("date", "day", ""),
        ("chip", "", ""),
        ("segment", "", "as aws_spot_us, neocloud_list"),
        *((name, "USD per GPU-hour", "over zones, regions, providers or offers") for name in STATISTICS),
    ),
    time="the day observed; known from the midnight UTC that ends it",
    licence="segments aws_* and gcp_gpuonly_*: no licence stated, ask before publishing; the others MIT or Apache-2.0",
    defects=("the marketplace's A100-PCIE, 8 rows, is the boards of 40 and of 80 GB in one median: no chip, and refused",),
)
