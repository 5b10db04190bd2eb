# SPDX-License-Identifier: Apache-2.0
"""Tables of list prices of about twenty clouds, kept by hand: hyperscalers and neoclouds side by side."""

from typing import Any

from kilohour.datafeeds.importing.cells import as_text
from kilohour.datafeeds.importing.feeds import columns, quote_feed
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, When


def named(rows: dict[str, Any]) -> dict[str, Any]:
    """An offer by its instance, where it has one, its GPUs and the provider's label: few neoclouds name instances."""
    import pyarrow.compute as pc

    gpus = pc.replace_substring_regex(as_text(rows["gpus"]), r"\.0$", "")
    words = (as_text(rows["instance"]), gpus, "x", as_text(rows["gpu_label"]))
    rows["what"] = pc.utf8_trim_whitespace(pc.binary_join_element_wise(*words, " "))
    return rows


FEED = quote_feed(
    "cloud-tables",
    QuoteMapping(
        quoted=When(column="date", of="day"),
        provider=Text(column="provider"),
        segment=Text(column="segment"),
        chip=Text(column="chip"),
        offer=Text(column="what"),
        flag=Text(column="flag"),
        size="gpus",
        prices=(
            Price(column="ondemand_usd_per_gpu_h", term=Text(value="on-demand"), empty="skip"),
            Price(column="spot_usd_per_gpu_h", term=Text(value="spot"), empty="skip"),
        ),
        tidy=named,
        needs=("instance", "gpu_label"),
        makes=("what",),
    ),
    about="list prices of about twenty clouds on 41 dates, 2022-08 to 2025-04, kept by hand",
    columns=columns(
        ("date", "day", "when the entry was merged"),
        ("provider", "", ""),
        ("segment", "", "hyperscaler or neocloud"),
        ("chip", "", ""),
        ("gpus", "GPUs", "of the offer"),
        ("instance, gpu_label", "", "as the provider names the offer"),
        ("ondemand_usd_per_gpu_h", "USD per GPU-hour", ""),
        ("spot_usd_per_gpu_h", "USD per GPU-hour", ""),
        ("flag", "", "suspect_low: doubted by whoever collected it"),
    ),
    time="the day the entry was merged; known from the midnight UTC that ends it. An entry may be months old by then",
    licence="rows of fsdl-cloud-gpus: MIT (the-full-stack/website); rows of skypilot-catalog: no licence stated, ask before publishing",
    defects=("only clouds that sent a change moved; Dataoorts' H100 at 0.69 is flagged suspect_low",),
)
