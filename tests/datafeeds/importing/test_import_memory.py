# SPDX-License-Identifier: Apache-2.0
"""An import's memory does not grow with its rows: a small one in every run, fifty million rows in the soak."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, sys
from pathlib import Path
from kilohour.backtests.bench.data import make_snapshots
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.datafeeds.importing.quotes_import import import_quotes
from kilohour.datafeeds.importing.stream import batches
from kilohour.datafeeds.sources.aws_spot import MAPPING
folder, few, many, run_rows, batch_rows = Path(sys.argv[1]), *map(int, sys.argv[2:])
def opened(path, mapping):
    return batches(path, mapping.columns(), batch_rows=batch_rows)
found = []
for rows in (few, many):
    path = make_snapshots(folder / f"{rows}.parquet", rows, every_seconds=3_600)
    done = import_quotes("aws-spot", MAPPING, [path], folder / f"q{rows}", opened=opened, run_rows=run_rows)
    found.append([done.read, done.kept, peak_bytes()])
print(json.dumps(found))
"""
PRINTS = """
import json, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.datafeeds.importing.mapping import PrintMapping, Series, Text, When
from kilohour.datafeeds.importing.prints_import import import_prints
path, rng, rows, group = Path(sys.argv[1]) / "in.parquet", np.random.default_rng(3), 25_000_000, 1 << 17
schema = pa.schema([("at", pa.timestamp("s", "UTC")), ("a", pa.float64()), ("b", pa.float64())])
with pq.ParquetWriter(path, schema) as writer:
    for first in range(0, rows, group):
        at = 60 * np.arange(first, min(first + group, rows))
        columns = [pa.array(at, pa.timestamp("s", "UTC")), *(pa.array(rng.random(len(at)).round(3)) for _ in "ab")]
        writer.write_table(pa.Table.from_arrays(columns, schema=schema))
mapping = PrintMapping(value_at=When(column="at", lag=86_400 * 10**9),
                       series=tuple(Series(code=Text(value=name), column=name, unit="USD") for name in "ab"))
done = import_prints("by-hand", mapping, [path], Path(sys.argv[1]) / "p")
print(json.dumps([done.read, done.kept, peak_bytes()]))
"""

BARS = """
import json, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.datafeeds.importing.mapping_file import read_mapping
from kilohour.datafeeds.importing.own_bars import import_bars
folder, rng, rows, group, names = Path(sys.argv[1]), np.random.default_rng(3), int(sys.argv[2]), 1 << 17, [f"20{y}-{m:02d}" for y in (40, 41) for m in range(1, 13)]
schema = pa.schema([("at", pa.timestamp("s", "UTC")), ("month", pa.string()), *((name, pa.float64()) for name in "ohlc"), ("v", pa.int64())])
with pq.ParquetWriter(folder / "in.parquet", schema) as writer:
    for first in range(0, rows, group):
        number = np.arange(first, min(first + group, rows))
        at = 1_800_000_000 + 60 * (number // 24)
        low = 200 + rng.integers(0, 50, len(number))
        o, c = low + rng.integers(0, 10, len(number)), low + rng.integers(0, 10, len(number))
        prices = [o, np.maximum(o, c), low, c]
        number = number[::-1]
        columns = [pa.array(at[::-1], pa.timestamp("s", "UTC")), pa.array([names[n % 24] for n in number]),
                   *(pa.array(price[::-1] / 100) for price in prices), pa.array(number % 90)]
        writer.write_table(pa.Table.from_arrays(columns, schema=schema))
(folder / "map.toml").write_text('gives = "bars"\\nproduct = "SIM:H100"\\n[time]\\ncolumn = "at"\\n[columns]\\ncontract = "month"\\nopen = "o"\\n'
                                 'high = "h"\\nlow = "l"\\nclose = "c"\\nvolume = "v"\\n')
before = peak_bytes()
done = import_bars(folder / "in.parquet", read_mapping(folder / "map.toml"), folder / "t")
print(json.dumps([done.read, done.bars, done.events, before, peak_bytes()]))
"""


def imported(folder, *numbers):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    words = [sys.executable, "-c", PROGRAM, str(folder), *map(str, numbers)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_eight_times_the_rows_need_hardly_more_memory(tmp_path):
    """Held whole, the larger import's columns alone would take 90 bytes a quote, 55 MB more."""
    (few, _, before), (many, kept, after) = imported(tmp_path, 50_000, 400_000, 1 << 15, 1 << 14)
    assert (few, many) == (50_000, 400_000)
    assert (kept - 87_500) * 90 > 50e6
    assert after - before < 30e6


@pytest.mark.soak
def test_fifty_million_rows_take_less_than_two_gigabytes(tmp_path):
    _, (rows, kept, peak) = imported(tmp_path, 1_000, 50_000_000, 1 << 20, 1 << 17)
    sys.stdout.write(f"{rows:,} rows, {kept:,} quotes, peak {peak / 1e6:,.0f} MB\n")
    assert rows == 50_000_000
    assert kept > 85_000_000
    assert peak < 2e9


@pytest.mark.soak
def test_fifty_million_prints_take_less_than_two_gigabytes(tmp_path):
    """Values of a series a minute, 95 years of them, in two columns of 25 million rows; known a day later."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", PRINTS, str(tmp_path)], capture_output=True, text=True, env=environment, check=True)
    read, kept, peak = json.loads(done.stdout)
    sys.stdout.write(f"{read:,} rows, {kept:,} prints, peak {peak / 1e6:,.0f} MB\n")
    assert (read, kept) == (25_000_000, 50_000_000)
    assert peak < 2e9


@pytest.mark.soak
def test_a_tape_of_fifty_million_bars_takes_less_than_two_gigabytes(tmp_path):
    """Minute bars of 24 contracts over four years, each stretch of the file backwards."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    words = [sys.executable, "-c", BARS, str(tmp_path), "50000000"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=True)
    read, bars, events, _, peak = json.loads(done.stdout)
    sys.stdout.write(f"{read:,} rows, {bars:,} bars, {events:,} events, peak {peak / 1e6:,.0f} MB\n")
    assert (read, bars) == (50_000_000, 50_000_000)
    assert peak < 2e9
