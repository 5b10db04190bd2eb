# SPDX-License-Identifier: Apache-2.0
"""What ``aws ec2 describe-spot-price-history`` prints: each change of a spot price by availability zone."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kilohour.datafeeds.feed import Feed
from kilohour.datafeeds.importing.feeds import OPTIONS, REJECTED_MAX, columns, share_of
from kilohour.datafeeds.importing.mapping import Price, QuoteMapping, Text, Unit, When
from kilohour.datafeeds.reading import Progress
from kilohour.errors import DataError

INSTANCES = Path(__file__).parents[1] / "aws_instances.toml"
KEY = "SpotPriceHistory"
FIELDS = ("AvailabilityZone", "InstanceType", "ProductDescription", "SpotPrice", "Timestamp")
LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
BATCH_ROWS = 1 << 16


def doubted(rows: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Prices with a licence of another operating system in them, and instances whose GPUs we do not know."""
    import numpy as np

    instances, systems = (np.array(rows[name].to_pylist(), dtype=object) for name in ("InstanceType", "ProductDescription"))
    yield "ProductDescription", ~np.isin(systems, LINUX), "not the price of Linux/UNIX"
    yield "InstanceType", ~np.isin(instances, list(_instances())), "no GPU instance of aws_instances.toml"


MAPPING = QuoteMapping(
    quoted=When(column="Timestamp"),
    provider=Text(value="AWS"),
    segment=Text(value="hyperscaler"),
    chip=Text(column="chip"),
    region=Text(column="region"),
    zone=Text(column="zone"),
    offer=Text(column="InstanceType"),
    size="gpus",
    prices=(Price(column="SpotPrice", term=Text(value="spot"), unit=Unit(gpus="gpus")),),
    doubt=doubted,
)


def run(inputs: Sequence[Path], out: Path, *, rejected_max: str = REJECTED_MAX, progress: Progress | None = None) -> Iterable[str]:
    """Imports one output of the command, or several."""
    from kilohour.datafeeds.importing.quotes_import import import_quotes

    return import_quotes("aws-cli", MAPPING, inputs, out, opened=_opened, rejected_max=share_of(rejected_max), progress=progress).told()


def _opened(path: Path, _: Any) -> Iterator[Any]:
    from kilohour.datafeeds.importing.json_items import json_items
    from kilohour.datafeeds.importing.stream import Batch

    items, first, total = json_items(path, KEY), 0, path.stat().st_size
    while held := list(itertools.islice(items, BATCH_ROWS)):
        yield Batch(path.name, first, _columns(path, first, [item for item, _ in held]), len(held), held[-1][1], total)
        first += len(held)


def _columns(path: Path, first: int, items: Sequence[Any]) -> dict[str, Any]:
    import pyarrow as pa

    known = _instances()
    for row, item in enumerate(items, first):
        missing = FIELDS if not isinstance(item, dict) else [name for name in FIELDS if not isinstance(item.get(name), str)]
        if missing:
            raise DataError(f"{path.name}: row {row}, field {missing[0]!r}: must be a text, found {str(item)[:60]!r}")
    found: dict[str, list[Any]] = {name: [item[name] for item in items] for name in FIELDS}
    its = [known.get(name, ("", 1)) for name in found["InstanceType"]]
    # A zone's letter means another zone in each account; its id, where the command prints it, is the same for all.
    found["zone"] = [item.get("AvailabilityZoneId") or item["AvailabilityZone"] for item in items]
    found["region"] = [name.rstrip("abcdefghij") for name in found["AvailabilityZone"]]
    found["chip"], found["gpus"] = [chip for chip, _ in its], [str(gpus) for _, gpus in its]
    return {name: pa.array(values, pa.string()) for name, values in found.items()}


def _instances() -> Mapping[str, tuple[str, int]]:
    return {name: (chip, gpus) for name, (chip, gpus) in tomllib.loads(INSTANCES.read_text(encoding="utf-8")).items()}


FEED = Feed(
    name="aws-cli",
    about="JSON as 'aws ec2 describe-spot-price-history --output json' prints it: every change of a spot price of the last 90 days",
    gives="quotes",
    columns=columns(
        ("Timestamp", "time with its zone", "when Amazon set the price"),
        ("InstanceType", "", "told apart into chip and GPUs by aws_instances.toml"),
        ("SpotPrice", "USD per instance-hour", "over the instance's GPUs"),
        ("AvailabilityZone", "", "or AvailabilityZoneId where it is printed"),
        ("ProductDescription", "", "only Linux/UNIX is kept"),
    ),
    time="when Amazon set the price; taken as known at once, for the interface shows it within minutes: an assumption",
    licence="yours under the terms of your AWS account",
    options=OPTIONS,
    inputs="some",
    run=run,
)
