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
done = import_bars(folder / "in.parquet", read_mapping(folder / "map.toml"), folder / "t")
print(json.dumps([done.read, done.bars, peak_bytes()]))
"""

RECORDED = """
import json, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.contracts import Registry
from kilohour.datafeeds.importing.recording_import import import_recording
from kilohour.datafeeds.recording import CHUNK_ROWS, Recording
from kilohour.tape.schema import COLUMNS
folder, chunks, rng = Path(sys.argv[1]) / "r", int(sys.argv[2]) // CHUNK_ROWS, np.random.default_rng(3)
product = Registry.shipped().product("SIM:H100")
with Recording.open(folder, source="by hand") as recording:
    for month in range(204001, 204013):
        recording.contract(product.contract(month))
for chunk in range(chunks):
    number = chunk * CHUNK_ROWS + np.arange(CHUNK_ROWS)
    at = 1_800_000_000 * 10**9 + 10**8 * (number + rng.integers(-90, 90, CHUNK_ROWS))
    price = 2_000_000 + rng.integers(0, 500, CHUNK_ROWS) * 1_000
    events = {"ts": at, "ts_event": at, "kind": np.where(number % 9, 9, 1), "ref": number % 12, "open": price, "high": price, "low": price, "close": price,
              "volume": number * 0}
    columns = {name: events[name].astype(dtype) for name, dtype in COLUMNS.items()}
    pq.write_table(pa.table(columns), folder / f"chunk-{chunk:05d}.parquet", compression="zstd")
done = import_recording(folder, Path(sys.argv[1]) / "t")
print(json.dumps([done.read, done.events, peak_bytes()]))
"""
DBN = """
import datetime as dt, json, sys
from pathlib import Path
from types import SimpleNamespace
import databento_dbn as dbn
import numpy as np
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.datafeeds.importing.dbn_bars import import_dbn
path, rows = Path(sys.argv[1]) / "in.dbn", int(sys.argv[2])
ids = {f"CL{letter}8": place for place, letter in enumerate("FGHJKMNQUVXZ")}
days = dict(start_date=dt.date(2020, 1, 1), end_date=dt.date(2028, 1, 1))
mappings = [SimpleNamespace(raw_symbol=name, intervals=[SimpleNamespace(symbol=str(place), **days)]) for name, place in ids.items()]
head = dbn.Metadata(dataset="GLBX.MDP3", start=0, stype_in=dbn.SType.RAW_SYMBOL, stype_out=dbn.SType.INSTRUMENT_ID, schema=dbn.Schema.OHLCV_1S,
                    symbols=list(ids), mappings=mappings, end=0)
one = bytes(dbn.OHLCVMsg(0x20, 1, 0, 0, 0, 0, 0, 0, 5))
layout = np.dtype([("header", "V4"), ("id", "<u4"), ("ts", "<u8"), ("open", "<i8"), ("high", "<i8"), ("low", "<i8"), ("close", "<i8"), ("volume", "<u8")])
with path.open("wb") as file:
    file.write(bytes(head))
    for first in range(0, rows, 1 << 20):
        number = np.arange(first, min(first + (1 << 20), rows))
        table = np.tile(np.frombuffer(one, layout), len(number))
        table["id"], table["ts"] = number % 12, 10**9 * (1_580_000_000 + number // 12)
        for name in ("open", "high", "low", "close"):
            table[name] = 10_000_000 * (5_000 + number % 97)
        file.write(table.tobytes())
done = import_dbn([path], Path(sys.argv[1]) / "t", product="NYMEX:CL", assume=["energy"])
print(json.dumps([done.read, done.bars, peak_bytes()]))
"""

STRIP = """
import datetime as dt, json, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.contracts import Registry
from kilohour.datafeeds.energy import ROOTS, import_strip
from kilohour.units import day_of
folder, rows, rng = Path(sys.argv[1]), int(sys.argv[2]), np.random.default_rng(3)
months = [100 * year + month for year in range(1991, 2049) for month in range(1, 13)]
ends = {(root, month): Registry.shipped().product(code).last_trade_day(month) for root, code in ROOTS.items() for month in months}
first = min(ends.values())
while sum(end - first + 1 for end in ends.values()) < rows:
    first -= 365
schema = pa.schema([("root", pa.string()), ("date", pa.timestamp("s")), ("contract", pa.int32()), ("settle", pa.float32())])
made = 0
with pq.ParquetWriter(folder / "in.parquet", schema) as writer:
    for (root, month), end in ends.items():
        days = np.arange(end, first - 1, -1)
        columns = [pa.array([root] * len(days)), pa.array(86_400 * days, pa.timestamp("s")), pa.array(np.full(len(days), month, np.int32)),
                   pa.array((5_000 + rng.integers(-50, 50, len(days))).astype(np.float32) / 100)]
        writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        made += len(days)
lines = [f"{root},{month},{dt.date(1970, 1, 1) + dt.timedelta(days=int(end))}" for (root, month), end in ends.items()]
(folder / "ends.csv").write_text("root,contract,last_trade\\n" + "\\n".join(lines) + "\\n")
done = import_strip(folder / "in.parquet", folder / "ends.csv", folder / "t")
assert done.read == made
print(json.dumps([done.read, done.bars, peak_bytes()]))
"""
GPU_PRICES = """
import json, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.datafeeds.gpu_prices import CHIPS, COMMITTED, import_prices
folder, rows, rng = Path(sys.argv[1]), int(sys.argv[2]), np.random.default_rng(3)
segments = ["aws_spot_us", *COMMITTED, *(f"segment-{k}" for k in range(96))]
chips = [*CHIPS, *(f"chip-{k}" for k in range(123))]
names = [(chip, segment) for chip in chips for segment in segments]
share = np.array([dict(zip(COMMITTED, (1.0, 0.6245, 0.3514))).get(segment, 0.9) for _, segment in names])
chip, segment = (pa.array([name[k] for name in names]) for k in (0, 1))
schema = pa.schema([("date", pa.timestamp("s")), ("chip", pa.string()), ("segment", pa.string()), ("median", pa.float64())])
count, last = rows // len(names), 20_000
with pq.ParquetWriter(folder / "in.parquet", schema) as writer:
    for day in range(last, last - count, -1):
        at = pa.array(np.full(len(names), 86_400 * day), pa.timestamp("s"))
        writer.write_table(pa.Table.from_arrays([at, chip, segment, pa.array(share * (8 + rng.integers(0, 90) / 100))], schema=schema))
done = import_prices(folder / "in.parquet", folder / "t")
print(json.dumps([done.read, done.bars, peak_bytes()]))
"""
CANDLES = """
import functools, json, sys
from pathlib import Path
import numpy as np
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.contracts import Registry
from kilohour.datafeeds.candles import Wanted, pages
from kilohour.datafeeds.importing.candle_import import Market, import_candles
folder, rows, start = Path(sys.argv[1]), int(sys.argv[2]), 1_767_225_600_000
class Exchange:
    def fetch_ohlcv(self, symbol, timeframe, since, limit):
        number = np.arange((since - start) // 1_000, min((since - start) // 1_000 + limit, rows))
        price = (200 + number % 97) / 100
        columns = (start + 1_000 * number, price, price + 0.05, price - 0.05, price + 0.01, (number % 90).astype(float))
        return [list(row) for row in zip(*(column.tolist() for column in columns))]
wanted = Wanted(symbol="H100/USDT:USDT", timeframe="1s", since=start, until=start + 1_000 * rows, limit=5_000)
market = Market(exchange="fake", product=Registry.shipped().product("GATE:H100"), assume=(), counts_lots=True, refuses_gaps=True)
done = import_candles(functools.partial(pages, Exchange(), wait=lambda _: None), market, wanted, folder / "t")
print(json.dumps([done.read, done.bars, peak_bytes()]))
"""

SPOT_HISTORY = """
import json, sys
from pathlib import Path
from kilohour.backtests.bench.timing import peak_bytes
from kilohour.datafeeds import source
folder, rows = Path(sys.argv[1]), int(sys.argv[2])
file = folder / f"{rows}.json"
with file.open("w") as out:
    out.write('{"SpotPriceHistory": [')
    for k in range(rows):
        second = k // 60
        at = f"2026-{1 + second // 2_419_200:02d}-{1 + second // 86_400 % 28:02d}T{second // 3_600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}+00:00"
        out.write((", " if k else "") + json.dumps({"AvailabilityZone": f"us-east-1{'abcdef'[k % 6]}", "InstanceType": "p4d.24xlarge", "SpotPrice":
                  f"{8 + k % 977 / 100:.4f}", "ProductDescription": "Linux/UNIX", "Timestamp": at, "AvailabilityZoneId": f"use1-az{k % 60}"}))
    out.write("]}")
told = list(source("aws-cli").run([file], folder / f"q{rows}"))
read, kept = (int(told[0].split()[place].replace(",", "")) for place in (0, 3))
print(json.dumps([read, kept, peak_bytes()]))
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


def played(program, folder, rows=()):
    """Rows read, rows kept and the peak, of a program of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", program, str(folder), *map(str, rows)], capture_output=True, text=True, env=environment, check=True)
    read, kept, peak = json.loads(done.stdout)
    sys.stdout.write(f"{read:,} rows, {kept:,} kept, peak {peak / 1e6:,.0f} MB\n")
    return read, kept, peak


@pytest.mark.soak
def test_fifty_million_prints_take_less_than_two_gigabytes(tmp_path):
    """Values of a series a minute, 95 years of them, in two columns of 25 million rows; known a day later."""
    read, kept, peak = played(PRINTS, tmp_path)
    assert (read, kept) == (25_000_000, 50_000_000)
    assert peak < 2e9


@pytest.mark.soak
def test_a_tape_of_fifty_million_bars_takes_less_than_two_gigabytes(tmp_path):
    """Minute bars of 24 contracts over four years, each stretch of the file backwards."""
    read, bars, peak = played(BARS, tmp_path, [50_000_000])
    assert (read, bars) == (50_000_000, 50_000_000)
    assert peak < 2e9


@pytest.mark.soak
def test_a_recording_of_fifty_million_events_takes_less_than_two_gigabytes(tmp_path):
    """Quotes and bars of twelve contracts that came in up to nine seconds late."""
    read, events, peak = played(RECORDED, tmp_path, [50_000_000])
    assert read == events > 49_900_000
    assert peak < 2e9


@pytest.mark.soak
def test_fifty_million_bars_of_databento_take_less_than_two_gigabytes(tmp_path):
    pytest.importorskip("databento_dbn", reason="the extra kilohour[databento] is not installed")
    read, bars, peak = played(DBN, tmp_path, [50_000_000])
    assert (read, bars) == (50_000_000, 50_000_000)
    assert peak < 2e9


@pytest.mark.soak
def test_fifty_million_settlements_take_less_than_two_gigabytes(tmp_path):
    """1,392 contracts, the last day first: as many as the calendars know, each for about a century."""
    read, bars, peak = played(STRIP, tmp_path, [50_000_000])
    assert read == bars >= 50_000_000
    assert peak < 2e9


@pytest.mark.soak
def test_fifty_million_prices_take_less_than_two_gigabytes(tmp_path):
    """Eleven years of 12,500 prices a day, the last day first, of which a tape of two chips needs eight."""
    read, bars, peak = played(GPU_PRICES, tmp_path, [50_000_000])
    assert read == 50_000_000
    assert bars > 50_000
    assert peak < 2e9


@pytest.mark.soak
def test_fifty_million_candles_take_less_than_two_gigabytes(tmp_path):
    """A candle a second of more than a year and a half, in pages of five thousand."""
    read, bars, peak = played(CANDLES, tmp_path, [50_000_000])
    assert read == bars == 50_000_000
    assert peak < 2e9


@pytest.mark.soak
def test_four_times_the_answers_of_a_command_line_need_hardly_more_memory(tmp_path):
    """Fifty million are 10 GB of JSON (the same program, by hand: 717 MB): the peak must not grow once a run is full, at a million."""
    few, many = (played(SPOT_HISTORY, tmp_path, [rows]) for rows in (1_500_000, 6_000_000))
    assert (few[:2], many[:2]) == ((1_500_000, 1_500_000), (6_000_000, 6_000_000))
    assert many[2] < 2e9
    assert many[2] - few[2] < 250e6
