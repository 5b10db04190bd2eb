# SPDX-License-Identifier: Apache-2.0
"""On-demand list prices of AWS (us-east-1) and Azure, from the tables their node provisioners carry."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kilohour.datafeeds.importing.cells import numbers
from kilohour.datafeeds.importing.feeds import columns, quote_feed
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, When

TOLERANCE = 1e-4
"""The file rounds the price of a GPU to five decimals."""


def contradicting(rows: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Rows in which the price of the instance and that of its GPUs are not the same money."""
    whole, gpus, each = (numbers(rows[name]).values for name in ("ondemand_usd_per_instance_h", "gpus", "ondemand_usd_per_gpu_h"))
    apart = np.abs(whole - gpus * each) > TOLERANCE * np.maximum(gpus, 1)
    yield "ondemand_usd_per_gpu_h", apart, "not the price of the instance over its GPUs"


FEED = quote_feed(
    "hyperscaler-lists",
    QuoteMapping(
        quoted=When(column="date", of="day"),
        provider=Text(column="provider"),
        segment=Text(value="hyperscaler"),
        chip=Text(column="chip"),
        region=Text(column="region"),
        offer=Text(column="instance"),
        flag=Text(column="flag"),
        size="gpus",
        prices=(Price(column="ondemand_usd_per_gpu_h", term=Text(value="on-demand")),),
        doubt=contradicting,
        needs=("ondemand_usd_per_instance_h",),
    ),
    about="on-demand list prices: AWS us-east-1 on 68 dates since 2022-07, Azure in 47 regions on 8 dates since 2023-10",
    columns=columns(
        ("date", "day", "when the table was generated"),
        ("provider", "", "AWS or Azure"),
        ("region", "", ""),
        ("instance", "", ""),
        ("chip", "", ""),
        ("gpus", "GPUs", "of the instance"),
        ("ondemand_usd_per_instance_h", "USD per instance-hour", "checked against the next"),
        ("ondemand_usd_per_gpu_h", "USD per GPU-hour", ""),
        ("flag", "", "suspect_low: doubted by whoever collected it"),
    ),
    time="the stamp 'generated at' of the table; known from the midnight UTC that ends the day",
    licence="Apache-2.0 (aws/karpenter-provider-aws, Azure/karpenter-provider-azure): free to use with attribution",
    defects=("the day of a step between two dates is not known; two Azure rows of polandcentral at 0.96 are flagged suspect_low",),
)
