# SPDX-License-Identifier: Apache-2.0
"""Public figures of adoption: weekly users, quarterly capital spending, data-centre revenue."""

from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When
from kilohour.units import NANOS_PER_DAY

RELEASE_LAG_DAYS = 45

FEED = print_feed(
    "adoption-series",
    PrintMapping(
        value_at=When(column="date", of="day", lag=(RELEASE_LAG_DAYS - 1) * NANOS_PER_DAY),
        series=(Series(code=Text(column="metric"), column="value", unit="as the series' name says", lowest=0.0),),
        note=Text(column="verification"),
    ),
    about="weekly users of ChatGPT, quarterly capital spending of four companies, NVIDIA's data-centre revenue, since 2022",
    columns=columns(
        ("date", "day", "end of the quarter, or day of the statement"),
        ("metric", "", "its end names the unit: usd_bn, million"),
        ("value", "as the metric says", ""),
        ("verification", "", "corpus: seen in a stored page; recall: from memory of the filing"),
    ),
    time=f"the day the figure stands for; counted as known {RELEASE_LAG_DAYS} days later, an assumption: the file has no release dates",
    licence="facts of public filings and statements; most rows are from memory: verify before publishing",
    defects=("companies define capital spending differently; rows whose note begins with recall want checking",),
)
