# SPDX-License-Identifier: Apache-2.0
"""WTI at Cushing in cash against the front future, 2019 and 2020, with the negative day."""

from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When

FEED = print_feed(
    "wti-cash",
    PrintMapping(
        value_at=When(column="date", of="day"),
        series=(Series(code=Text(column="series", prefix="WTI-"), column="value", unit="USD per barrel"),),
    ),
    about="WTI in cash, the front future, and their difference, 2019 and 2020",
    columns=columns(
        ("date", "day", ""),
        ("series", "", "cash, fut or spot2fut (their difference)"),
        ("value", "USD per barrel", "may be negative"),
    ),
    time="the day; known from the midnight UTC that ends it",
    licence="package MIT (risktoollib/RTL), upstream exchange settlements: for internal use; ask before publishing",
)
