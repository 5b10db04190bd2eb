# SPDX-License-Identifier: Apache-2.0
"""Estimated weekly spending on the top models of OpenRouter, with its level break of November 2025."""

from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When
from kilohour.units import NANOS_PER_DAY

FEED = print_feed(
    "openrouter-revenue",
    PrintMapping(
        value_at=When(column="week", of="day", lag=6 * NANOS_PER_DAY),
        series=(
            Series(code=Text(value="OPENROUTER-REVENUE"), column="est_revenue_usd", unit="million USD a week", scale=1e-6, lowest=0.0),
            Series(
                code=Text(value="OPENROUTER-TOKENS"),
                column="top10_tokens_trillion",
                unit="trillion tokens a week",
                empty="skip",
                lowest=0.0,
            ),
        ),
        regime=Text(column="regime"),
    ),
    about="estimated weekly spending on the top models of OpenRouter, 2025-02 to 2026-05",
    columns=columns(
        ("week", "day", "first day of the week"),
        ("est_revenue_usd", "USD a week", "estimate"),
        ("top10_tokens_trillion", "trillion tokens a week", "empty where it is not known"),
        ("regime", "", "method of the estimate; a change of it is a level break"),
    ),
    time="a week from the day named; known when the week is over, an assumption: the file has no release times",
    licence="no licence seen (johnbean393/openrouter-inference-stats): for internal use; ask before publishing",
    defects=(
        "level break at 2025-11-16: the method changed, and no difference is taken across it",
        "later vintages revised four weeks of December 2025 and January 2026 by up to 1.7 %; only the last vintage is here",
    ),
)
