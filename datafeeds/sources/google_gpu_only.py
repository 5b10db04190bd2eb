# SPDX-License-Identifier: Apache-2.0
"""Google Cloud's price of the GPU alone, without processor and memory. Flagged, so that no index mixes it with all-in prices."""

from kilohour.datafeeds.importing.feeds import columns, quote_feed
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, When

FEED = quote_feed(
    "google-gpu-only",
    QuoteMapping(
        quoted=When(column="date", of="day"),
        provider=Text(value="GCP"),
        segment=Text(value="hyperscaler"),
        chip=Text(column="chip"),
        region=Text(column="region"),
        offer=Text(value="GPU alone"),
        flag=Text(value="gpu-only"),
        prices=(
            Price(column="ondemand_usd_per_gpu_h", term=Text(value="on-demand"), empty="skip"),
            Price(column="spot_usd_per_gpu_h", term=Text(value="spot"), empty="skip"),
        ),
    ),
    about="Google Cloud's price of the GPU alone by region, 2022-12 to 2024-04, older chips and TPU boards among them",
    columns=columns(
        ("date", "day", "when the catalogue was committed"),
        ("chip", "", "tpu-v2-8 and tpu-v3-8 are boards of eight cores"),
        ("region", "", ""),
        ("ondemand_usd_per_gpu_h", "USD per GPU-hour", "GPU alone"),
        ("spot_usd_per_gpu_h", "USD per GPU-hour", "GPU alone"),
    ),
    time="the day of the commit; known from the midnight UTC that ends it",
    licence="no licence stated by the repository it was read from: for internal use; ask before publishing",
    defects=("few dates before June 2023; never to be mixed with all-in prices: every quote has the flag gpu-only",),
)
