# SPDX-License-Identifier: Apache-2.0
"""A venue's limits of a position, in lots of one contract: five at all, and of NEAR three from day 2 on, its spot month; by hand."""

from __future__ import annotations

import pytest

from kilohour.backtests.outputs import tables_of
from kilohour.units import NANOS_PER_DAY
from tests.oracle.explain import ended
from tests.oracle.play import scripted
from tests.oracle.tables import case_of, rows_of

BARS = "day | event | of | price\n" + "\n".join(f"{day} | bar | {name} | 2" for day in (1, 2, 3) for name in ("NEAR", "FAR"))

# The first bid never fills and counts all the same: NEAR is committed to 5 lots on day 1, to 3 from day 2 on, FAR to -5, -3 and -5.
REQUESTS = """
day | request                        | at all         | in the spot month
1   | limit NEAR 3 1.50 gtc          |                |
1   | market NEAR 3 gtc              | position_limit | position_limit
1   | market NEAR 2 gtc              |                |
1   | market FAR -5 gtc              |                |
1   | market NEAR 1 gtc against=FAR  | position_limit | position_limit
2   | market NEAR 1 gtc              | position_limit | position_limit
2   | market NEAR -2 gtc             |                |
2   | market FAR 2 gtc               |                |
3   | market FAR -2 gtc              |                |
3   | market NEAR -7 gtc             |                | position_limit
3   | market NEAR -5 gtc             | position_limit |
"""


@pytest.mark.parametrize("where", ["at all", "in the spot month"])
def test_no_order_goes_whose_fill_with_all_that_works_would_pass_the_venues_limit(where):
    rows = rows_of(REQUESTS)
    asked = "day | request\n" + "\n".join(f"{row['day']} | {row['request']}" for row in rows)
    session = scripted(case_of("contract | last\nNEAR | 10\nFAR | -", BARS, asked))
    terms = session.market.terms
    terms["position_limit"][:2] = 5
    if where == "in the spot month":
        terms["spot_limit"][0], terms["spot_from"][0] = 3, 2 * NANOS_PER_DAY
    done = ended(session)
    assert done is not None
    found = {row["order"]: row["code"] for row in tables_of(done)["orders"].to_pylist()}
    assert [found[number] for number in range(1, 12)] == [row.get(where, "") for row in rows]
