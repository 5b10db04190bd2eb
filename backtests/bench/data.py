# SPDX-License-Identifier: Apache-2.0
"""Importing quotes, and an index of them: half a million rows as Amazon's snapshots are, timed with start and hashes, in their own process.

The real file is read from the folder that ``KILOHOUR_DATA`` names. Without it the file is made up in the same shape: rows, columns,
types, zones, half of the spot prices missing or unmoved.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kilohour.backtests.bench.children import child
from kilohour.backtests.bench.timing import Row, Sizes

REAL = "aws_gpu_spot_6h.parquet"
ZONES, CHIPS = 68, ("T4", "A10G", "V100", "A100-40", "H100")
SNAPSHOT_SECONDS = 6 * 3_600
GROUP_ROWS = 1 << 17


def import_quotes(sizes: Sizes) -> Iterator[Row]:
    """Time and peak memory of ``data import aws-spot``, time of the daily index of what it gives."""
    with tempfile.TemporaryDirectory() as folder:
        path, what = _file(Path(folder), sizes.quotes)
        found = child("import", sizes, folder=path)
    work = f"import of quotes, {found['rows']:,} rows"
    yield Row("data", work, "s", found["seconds"], False, 3.0, note=f"{what}; {found['note']}")
    yield Row("data", f"daily index from these {found['quotes']:,} quotes", "s", found["index_seconds"], False, 1.0,
              note=f"{found['days']} days; reading them: {found['load_seconds']:.2f} s")  # fmt: skip
    yield Row("data", f"{work}, peak memory", "MB", found["megabytes"], False, 2_000.0, note=f"{what}; does not grow with the rows")


def make_snapshots(path: Path, rows: int, *, every_seconds: int = SNAPSHOT_SECONDS, seed: int = 7) -> Path:
    """Writes made-up snapshots in the shape of the real file, group by group: any number of rows in bounded memory.

    Times must end before 2116, beyond which an import refuses them: many rows need snapshots that are close together.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    texts = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema([("ts_utc", pa.timestamp("ms")), ("instance", texts), ("chip", texts), ("gpus", pa.int64()), ("region", texts),
                        ("zone", texts), ("spot_usd_per_gpu_h", pa.float32()), ("ondemand_usd_per_gpu_h", pa.float32())])  # fmt: skip
    offers = len(CHIPS) * ZONES
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, rows, GROUP_ROWS):
            row = np.arange(first, min(first + GROUP_ROWS, rows))
            shot, offer = row // offers, row % offers
            chip, zone = offer % len(CHIPS), offer // len(CHIPS)
            list_price = 0.5 * 2.0**chip
            spot = np.round(list_price * (0.3 + 0.1 * rng.random(len(row))), 4).astype(np.float32)
            spot = np.where(zone % 4 == 0, np.float32(np.nan), np.where(zone % 4 == 1, (0.3 * list_price).astype(np.float32), spot))
            columns = [
                pa.array(1_669_663_740_000 + shot * every_seconds * 1_000, pa.timestamp("ms")),
                _texts(chip, [f"{name.lower()}.xlarge" for name in CHIPS]), _texts(chip, list(CHIPS)), pa.array(np.full(len(row), 8)),
                _texts(zone // 4, [f"us-{number}" for number in range(ZONES // 4)]),
                _texts(zone, [f"zone-{number}" for number in range(ZONES)]),
                pa.array(spot, mask=np.isnan(spot)), pa.array(list_price.astype(np.float32)),
            ]  # fmt: skip
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=GROUP_ROWS)
    return path


def _texts(codes: npt.NDArray[np.int64], words: list[str]) -> object:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words))


def _file(folder: Path, rows: int) -> tuple[Path, str]:
    named = os.environ.get("KILOHOUR_DATA")
    real = Path(named) / REAL if named else None
    if real is not None and real.is_file():
        return real, "the real file"
    why = f"{REAL} is not in KILOHOUR_DATA" if named else "KILOHOUR_DATA is not set"
    return make_snapshots(folder / "snapshots.parquet", rows), f"a made-up file of its shape, for {why}"
