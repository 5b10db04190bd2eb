# SPDX-License-Identifier: Apache-2.0
"""List prices of language models by provider: input, output and cached tokens, from the day each became valid."""

from typing import Any

from kilohour.datafeeds.importing.cells import as_text
from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When

PRICES = {"input": "input_usd_per_mtok", "output": "output_usd_per_mtok", "cached": "cache_read_usd_per_mtok"}


def named(rows: dict[str, Any]) -> dict[str, Any]:
    """Provider and model as one name. A price that was valid for no time is none: another of the same day replaced it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows["of"] = pc.binary_join_element_wise(as_text(rows["provider"]), as_text(rows["model"]), "/")
    replaced = pc.equal(as_text(rows["valid_to"]), as_text(rows["valid_from"]))
    for column in PRICES.values():
        rows[column] = pc.if_else(replaced, pa.scalar(None, rows[column].type), rows[column])
    return rows


FEED = print_feed(
    "token-prices",
    PrintMapping(
        value_at=When(column="valid_from", of="day"),
        series=tuple(
            Series(code=Text(column="of", prefix=f"TOKENS-{name}-"), column=column, unit="USD per million tokens", empty="skip", lowest=0.0)
            for name, column in PRICES.items()
        ),
        note=Text(column="basis"),
        tidy=named,
        needs=("provider", "model", "valid_to"),
        makes=("of",),
    ),
    about="list prices of 569 language models of 32 providers with the day each became valid, mostly since mid-2025",
    columns=columns(
        ("provider", "", ""),
        ("model", "", ""),
        ("valid_from", "day", "empty: unknown, and refused"),
        ("valid_to", "day", "the same day as valid_from: replaced at once, and left out"),
        ("basis", "", "documented by the provider, first observed, or the day of a commit"),
        *((column, "USD per million tokens", name) for name, column in PRICES.items()),
    ),
    time="the day the price became valid; known from the midnight UTC that ends it. A documented date may have been written down later",
    licence="MIT (the package model-prices, from models.dev): free to use with attribution",
    defects=("rows without a date cannot be known as of any time and are refused",),
)
