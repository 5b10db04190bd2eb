# SPDX-License-Identifier: Apache-2.0
"""What chips can do: throughput, memory, power and launch price, as figures known from the day of release."""

from kilohour.datafeeds.importing.feeds import columns, print_feed
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When

FACTS = {
    "bf16_dense_tflops": "TFLOPS", "fp8_dense_tflops": "TFLOPS", "fp4_dense_tflops": "TFLOPS", "hbm_gb": "GB", "mem_bw_tb_s": "TB/s",
    "tdp_w": "W", "release_price_usd": "USD",
}  # fmt: skip

FEED = print_feed(
    "chip-facts",
    PrintMapping(
        value_at=When(column="release_date", of="day"),
        series=tuple(
            Series(code=Text(column="chip", prefix=f"CHIP-{name}-"), column=name, unit=unit, empty="skip", lowest=0.0)
            for name, unit in FACTS.items()
        ),
        note=Text(column="status"),
    ),
    about="dense throughput, memory, bandwidth, power and launch price of 21 chips",
    columns=columns(
        ("chip", "", ""),
        ("release_date", "day", "empty: announced only, and refused"),
        *((name, unit, "") for name, unit in FACTS.items()),
        ("status", "", "shipping, or announced"),
    ),
    time="the day of release; known from the midnight UTC that ends it. Data sheets are often public earlier",
    licence="CC-BY 4.0 (Epoch AI, ML hardware): free to use with attribution; some cells are from vendors' data sheets",
    defects=("some cells were filled from data sheets by memory; a chip that is only announced has no date and is refused",),
)
