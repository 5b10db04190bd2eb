# SPDX-License-Identifier: Apache-2.0
"""Daily settlements of Brent, heating oil and RBOB by position on the curve: series, for there are no expiries to make contracts of."""

from typing import Any

from kilohour.datafeeds.importing.cells import as_text
from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When


def named(rows: dict[str, Any]) -> dict[str, Any]:
    """Root and position as one name, as BRN-01."""
    import pyarrow.compute as pc

    nth = pc.utf8_lpad(as_text(rows["nth"]), 2, "0")
    rows["position"] = pc.binary_join_element_wise(as_text(rows["root"]), nth, "-")
    return rows


FEED = print_feed(
    "energy-positions",
    PrintMapping(
        value_at=When(column="date", of="day"),
        series=(Series(code=Text(column="position"), column="settle", unit="USD per barrel or gallon", empty="skip"),),
        tidy=named,
        needs=("root", "nth"),
        makes=("position",),
    ),
    about="daily settlements of Brent (36 months), heating oil and RBOB (18) by position, 2007 to 2025",
    columns=columns(
        ("root", "", "BRN, HO or RB"),
        ("date", "day", "of the settlement"),
        ("nth", "", "1 is the front month"),
        ("settle", "USD per barrel (BRN) or gallon (HO, RB)", ""),
    ),
    time="the day of the settlement; known from the midnight UTC that ends it",
    licence="package MIT (risktoollib/RTL), upstream exchange settlements: for internal use; ask before publishing",
    defects=("by position only: a step on a roll day is no move of any contract",),
)
