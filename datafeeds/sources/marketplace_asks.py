# SPDX-License-Identifier: Apache-2.0
"""Every rentable ask on Vast.ai for eight models, once a day: a real ladder. The host is the provider."""

from typing import Any

from kilohour.datafeeds.importing.cells import as_text
from kilohour.datafeeds.importing.feeds import columns, quote_feed
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, When

AMPERE_80_MB = 60_000
"""An A100 PCIE with more memory is the one of 80 GB: the marketplace names both alike."""
CHIPS = {"Tesla V100": "V100", "H100 SXM": "H100", "H100 PCIE": "H100-PCIE", "H200 NVL": "H200-NVL", "RTX 4090": "RTX4090"}


def named(rows: dict[str, Any]) -> dict[str, Any]:
    """Tells the two A100 apart by memory and gives each ask a name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    model = as_text(rows["gpu_name"])
    large = pc.fill_null(pc.greater(pc.cast(rows["gpu_ram_mb"], pa.int64()), AMPERE_80_MB), False)
    ampere = pc.equal(model, "A100 PCIE")
    rows["chip"] = pc.if_else(ampere, pc.if_else(large, "A100-80-PCIE", "A100-40-PCIE"), model)
    machine, offer = (as_text(rows[name]) for name in ("machine_id", "offer_id"))
    rows["ask"] = pc.binary_join_element_wise("machine", machine, "offer", offer, " ")
    return rows


FEED = quote_feed(
    "marketplace-asks",
    QuoteMapping(
        quoted=When(column="collected_utc", zone="UTC"),
        provider=Text(column="host_id", prefix="host "),
        segment=Text(value="marketplace"),
        chip=Text(column="chip", rename=CHIPS),
        region=Text(column="country"),
        offer=Text(column="ask"),
        flag=Text(column="verification", rename={"verified": ""}),
        size="num_gpus",
        prices=(
            Price(column="usd_per_gpu_h", term=Text(value="on-demand")),
            Price(column="bid_usd_per_gpu_h", term=Text(value="spot"), empty="skip"),
        ),
        tidy=named,
        needs=("gpu_name", "gpu_ram_mb", "machine_id", "offer_id"),
        makes=("chip", "ask"),
    ),
    about="every rentable ask on Vast.ai for eight models, one snapshot a day, 2026-02-27 to 2026-03-06",
    columns=columns(
        ("collected_utc", "UTC", "when the ladder was read"),
        ("gpu_name", "", "as the marketplace has it"),
        ("gpu_ram_mb", "MB", "tells the A100 of 40 GB from that of 80 GB"),
        ("num_gpus", "GPUs", "of the ask"),
        ("usd_per_gpu_h", "USD per GPU-hour", "ask: term on-demand"),
        ("bid_usd_per_gpu_h", "USD per GPU-hour", "lowest accepted interruptible bid: term spot"),
        ("verification", "", "verified, or the flag unverified or deverified"),
        ("country", "", ""),
        ("host_id, machine_id, offer_id", "", "running numbers in place of the marketplace's own"),
    ),
    time="when the ladder was read; known from then on",
    licence="MIT (ccir-index/cri-h100): free to use with attribution",
    defects=("only asks: what is rented does not show, so neither does demand",),
)
