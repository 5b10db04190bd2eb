# SPDX-License-Identifier: Apache-2.0
"""Offers on Prime Intellect's aggregator every half hour: per provider, the average over its configurations."""

from kilohour.datafeeds.importing.feeds import columns, quote_feed
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, When

FEED = quote_feed(
    "neocloud-offers",
    QuoteMapping(
        quoted=When(column="ts_utc", zone="UTC"),
        provider=Text(column="provider"),
        segment=Text(value="neocloud"),
        chip=Text(column="chip"),
        prices=(Price(column="avg", term=Text(value="on-demand"), offer="average", count="n_configs"),),
    ),
    about="what 14 neoclouds asked on Prime Intellect's aggregator, every half hour, 2025-10-19 to 2025-11-16",
    columns=columns(
        ("ts_utc", "UTC", "when the page was read"),
        ("chip", "", ""),
        ("provider", "", ""),
        ("n_configs", "configurations", "behind the average"),
        ("avg", "USD per GPU-hour", "mean over the provider's configurations"),
    ),
    time="when the offers were read, every 26 to 40 minutes; known from then on",
    licence="MIT (tugot17/gpu-price-tracker): free to use with attribution",
    defects=("cents only; an average jumps when the provider lists or delists many configurations; largest gap 5.6 hours",),
)
