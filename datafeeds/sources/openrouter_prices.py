# SPDX-License-Identifier: Apache-2.0
"""Prices of all models on OpenRouter on 31 dates. Zero means free."""

from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When

PRICES = {"input": "input_usd_per_mtok", "output": "output_usd_per_mtok"}

FEED = print_feed(
    "openrouter-prices",
    PrintMapping(
        value_at=When(column="date", of="day"),
        series=tuple(
            Series(code=Text(column="model", prefix=f"OPENROUTER-{name}-"), column=column, unit="USD per million tokens", lowest=0.0)
            for name, column in PRICES.items()
        ),
    ),
    about="prices of all models on OpenRouter on 31 dates, 2023-07 to 2026-09",
    columns=columns(
        ("date", "day", "of the stored page"),
        ("model", "", "provider/model"),
        *((column, "USD per million tokens", f"{name} tokens; 0 is free") for name, column in PRICES.items()),
    ),
    time="the day the page was stored; known from the midnight UTC that ends it",
    licence="MIT (the package model-price-radar-mcp, from stored pages): free to use with attribution",
    defects=("964 rows are zero: free models, no faults",),
)
