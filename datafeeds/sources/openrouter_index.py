# SPDX-License-Identifier: Apache-2.0
"""Median and quartile of token prices over the paid models of OpenRouter."""

from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When

PRICES = ("blend_median", "blend_p25", "blend_min", "output_median")
COUNTS = ("n_models_paid", "n_models_all")

FEED = print_feed(
    "openrouter-index",
    PrintMapping(
        value_at=When(column="date", of="day"),
        series=(
            *(Series(code=Text(value=f"OPENROUTER-{name}"), column=name, unit="USD per million tokens", lowest=0.0) for name in PRICES),
            *(Series(code=Text(value=f"OPENROUTER-{name}"), column=name, unit="models", lowest=0.0) for name in COUNTS),
        ),
    ),
    about="median and quartile of 0.75 input + 0.25 output over the paid models of OpenRouter, 31 dates since 2023-07",
    columns=columns(
        ("date", "day", "of the stored page"),
        *((name, "USD per million tokens", "over paid models") for name in PRICES),
        *((name, "models", "counted") for name in COUNTS),
    ),
    time="the day the page was stored; known from the midnight UTC that ends it",
    licence="MIT (the package model-price-radar-mcp, from stored pages): free to use with attribution",
    defects=("which models are in it changes from date to date",),
)
