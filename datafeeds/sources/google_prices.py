# SPDX-License-Identifier: Apache-2.0
"""Google Cloud's price list by region: on demand, spot, and commitments of one and three years."""

from kilohour.datafeeds.importing.feeds import columns, quote_feed
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, When

TERMS = (
    ("ondemand_usd_per_gpu_h", "on-demand", "all-in machine price over its GPUs"),
    ("spot_usd_per_gpu_h", "spot", "from 2023-05-08"),
    ("cud_1y_usd_per_gpu_h", "1y", "one-year commitment: the monthly price over 730 hours"),
    ("cud_3y_usd_per_gpu_h", "3y", "three-year commitment"),
)

FEED = quote_feed(
    "google-prices",
    QuoteMapping(
        quoted=When(column="date", of="day"),
        provider=Text(value="GCP"),
        segment=Text(value="hyperscaler"),
        chip=Text(column="chip"),
        region=Text(column="region"),
        offer=Text(column="machine"),
        size="gpus",
        prices=tuple(Price(column=column, term=Text(value=term), empty="skip") for column, term, _ in TERMS),
    ),
    about="Google Cloud's list prices by region with one- and three-year commitments, about five dates a month since 2022",
    columns=columns(
        ("date", "day", "when the price list was committed"),
        ("chip", "", ""),
        ("machine", "", "as a3-highgpu-8g"),
        ("gpus", "GPUs", "of the machine"),
        ("region", "", ""),
        *((column, "USD per GPU-hour", meaning) for column, _, meaning in TERMS),
    ),
    time="the day of the commit; known from the midnight UTC that ends it",
    licence="Apache-2.0 (Cyclenerd/google-cloud-pricing-cost-calculator): free to use with attribution",
    defects=(
        "a price in a region does not mean that the GPU can be had there",
        "spot changes about once a month or less",
    ),
)
