# SPDX-License-Identifier: Apache-2.0
"""AWS EC2 spot and on-demand prices by availability zone, a snapshot every six hours or so."""

from kilohour.datafeeds.importing.feeds import columns, quote_feed
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, When

MAPPING = QuoteMapping(
    quoted=When(column="ts_utc", zone="UTC"),
    provider=Text(value="AWS"),
    segment=Text(value="hyperscaler"),
    chip=Text(column="chip"),
    region=Text(column="region"),
    zone=Text(column="zone"),
    offer=Text(column="instance"),
    size="gpus",
    prices=(
        Price(column="spot_usd_per_gpu_h", term=Text(value="spot"), empty="skip"),
        Price(column="ondemand_usd_per_gpu_h", term=Text(value="on-demand"), empty="skip"),
    ),
)

FEED = quote_feed(
    "aws-spot",
    MAPPING,
    about="Amazon's spot and on-demand price of GPU instances, by availability zone, about four snapshots a day",
    columns=columns(
        ("ts_utc", "UTC", "when the snapshot was stored"),
        ("instance", "", "as p4d.24xlarge"),
        ("chip", "", ""),
        ("gpus", "GPUs", "of the instance"),
        ("region", "", ""),
        ("zone", "", "the zone's id, as use1-az4"),
        ("spot_usd_per_gpu_h", "USD per GPU-hour", "empty: no spot offered"),
        ("ondemand_usd_per_gpu_h", "USD per GPU-hour", ""),
    ),
    time="when the snapshot was stored, up to 7 hours after Amazon changed the price; known from then on",
    licence="no licence stated by the repositories it was read from: for internal use; ask before publishing",
    defects=(
        "until September or October 2023 Amazon held spot at a floor of 30 % of on-demand (70 % for p5): flat for long stretches",
        "only 2 to 6 zones quote p5; some zones quote spot at the on-demand price",
    ),
)
