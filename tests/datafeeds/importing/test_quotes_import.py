# SPDX-License-Identifier: Apache-2.0
"""Imports of quotes and prints: exact prices, refused rows with their reason, the same bytes again, and again after an interruption."""

import csv
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kilohour.datafeeds.importing.mapping import Price, PrintMapping, QuoteMapping, Series, Text, When, unit_of
from kilohour.datafeeds.importing.prints_import import import_prints
from kilohour.datafeeds.importing.quotes_import import import_quotes
from kilohour.datafeeds.importing.stream import batches
from kilohour.datafeeds.prints import Prints
from kilohour.datafeeds.quotes import Quotes
from kilohour.errors import DataError, KilohourError, UsageError
from kilohour.units import MISSING

MAPPING = QuoteMapping(
    quoted=When(column="time", zone="UTC"), provider=Text(value="Acme"), segment=Text(value="neocloud"), chip=Text(column="chip"),
    region=Text(column="place"), size="gpus",
    prices=(Price(column="usd", term=Text(value="on-demand")), Price(column="spot", term=Text(value="spot"), empty="skip")))  # fmt: skip

GOOD = """time,chip,place,gpus,usd,spot
2026-01-01T00:00:00Z,H100,US,8,2.815,1.4
2026-01-01T01:00:00Z,H100 SXM,EU,,2.5,
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def imported(tmp_path, text, mapping=MAPPING, out="q", **options):
    return import_quotes("by-hand", mapping, [write(tmp_path / "in.csv", text)], tmp_path / out, **options)


def side_file(folder):
    with (folder / "rejected.csv").open(encoding="utf-8", newline="") as file:
        return [(int(row["row"]), row["column"], row["value"], row["reason"]) for row in csv.DictReader(file)]


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_each_price_of_a_row_is_a_quote_in_micros(tmp_path):
    done = imported(tmp_path, GOOD)
    found = Quotes.load(tmp_path / "q")
    assert (done.read, done.kept, done.refused) == (2, 3, 0)
    assert found.price.tolist() == [2_815_000, 1_400_000, 2_500_000]
    assert found.text("term").tolist() == ["on-demand", "spot", "on-demand"]
    assert found.text("chip").tolist() == ["H100"] * 3
    assert found.size.tolist() == [8, 8, MISSING]
    assert sorted(path.name for path in (tmp_path / "q").iterdir()) == ["manifest.json", "quotes-00000.parquet"]


def test_the_order_of_columns_does_not_matter(tmp_path):
    imported(tmp_path, GOOD)
    rows = [line.split(",") for line in GOOD.splitlines()]
    turned = "\n".join(",".join(reversed(row)) for row in rows) + "\n"
    imported(tmp_path, turned, out="turned")
    first, second = Quotes.load(tmp_path / "q"), Quotes.load(tmp_path / "turned")
    assert first.price.tolist() == second.price.tolist()
    assert first.names == second.names


@pytest.mark.parametrize("unit", ["USD per GPU-hour", "cents per GPU-hour", "USD per node-hour", "cents per node-day", "USD per node-month"])
def test_units_become_dollars_per_gpu_hour(tmp_path, unit):
    gpus = 8 if "node" in unit else None
    prices = ["2.815", "19.99", "0.1"]
    text = "time,chip,place,gpus,usd\n" + "".join(f"2026-01-0{i + 1}T00:00:00Z,H100,US,8,{price}\n" for i, price in enumerate(prices))
    mapping = QuoteMapping(quoted=When(column="time"), provider=Text(value="Acme"), segment=Text(value="neocloud"), chip=Text(column="chip"),
                           prices=(Price(column="usd", term=Text(value="1y"), unit=unit_of(unit, gpus)),))
    imported(tmp_path, text, mapping)
    hours = {"hour": 1, "day": 24, "month": 730}[unit.rsplit("-", 1)[1]]
    wanted = [round(Fraction(price) * (Fraction(1, 100) if "cents" in unit else 1) / hours / (gpus or 1) * 10**6) for price in prices]
    assert Quotes.load(tmp_path / "q").price.tolist() == wanted


BAD = """time,chip,place,gpus,usd,spot
2026-01-01T00:00:00Z,H100,US,8,2.8,1.4
2026-01-01T00:00:00Z,H1000,US,8,2.8,1.4
2026-01-01T01:00:00Z,H100,US,8,-2.8,1.4
2026-01-01T02:00:00Z,H100,US,8,nan,1.4
2026-01-01T03:00:00Z,H100,US,8,,1.4
2026-01-01T04:00:00+02:00,H100,US,8,2.8,1.4
2026-01-01 25:00:00,H100,US,8,2.8,1.4
2026-01-01T05:00:00Z,H100,US,half,2.8,1.4
2026-01-01T00:00:00Z,H100,US,8,2.8,1.5
2026-01-01T06:00:00Z,,US,8,2.8,1.4
2026-01-01T07:00:00Z,H100,US,8,2800000,0
"""


def test_each_refused_row_is_in_the_side_file_with_its_reason(tmp_path):
    done = imported(tmp_path, BAD, rejected_max=1.0)
    assert side_file(tmp_path / "q") == [
        (6, "time", "2026-01-01 25:00:00", "not a time"),
        (5, "time", "2026-01-01T04:00:00+02:00", "a time of another zone than UTC"),
        (1, "chip", "H1000", "unknown chip, nearest 'H100'"),
        (9, "chip", "", "empty"),
        (7, "gpus", "half", "not a number"),
        (3, "usd", "nan", "not a number"),
        (4, "usd", "", "empty"),
        (2, "usd", "-2.8", "not above zero"),
        (10, "usd", "2800000", "over 1,000,000 dollars per GPU-hour"),
        (10, "spot", "0", "not above zero"),
        (8, "price", "2.8", "the same quote twice"),
        (8, "price", "1.5", "another price of the same offer at the same time"),
    ]
    assert (done.read, done.kept, done.refused) == (11, 5, 12)
    assert sum(done.reasons.values()) == 12
    assert any("12 refused" in line for line in done.told())
    found = Quotes.load(tmp_path / "q")
    assert found.names["chip"] == ("H100",)
    assert found.where(term="spot").price.tolist() == [1_400_000] * 4


def test_too_many_refused_rows_end_the_import_and_leave_nothing(tmp_path):
    with pytest.raises(DataError, match=r"at most 5% of the rows may be refused, found 59%, 10 of 17: .* first is row 6, column 'time'"):
        imported(tmp_path, BAD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


@pytest.mark.parametrize(("text", "words"), [
    (GOOD.replace("usd", "uds"), "in.csv: unknown column 'usd' in the file; did you mean 'uds'?"),
    (GOOD.replace("place", "chip"), "must have a header that names each column once, found 'chip' twice"),
    ("", "must have a header that names each column once, found none"),
    (GOOD.splitlines()[0] + "\n", "needs at least one quote, found none in in.csv"),
    (GOOD + "2026-01-01,H100\n", "in.csv: must be a whole CSV table, found"),
])
def test_a_file_that_is_not_the_table_is_refused(tmp_path, text, words):
    with pytest.raises(KilohourError) as error:
        imported(tmp_path, text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv"]


def test_a_truncated_parquet_is_refused(tmp_path):
    table = pa.table({"time": ["2026-01-01T00:00:00Z"] * 2000, "chip": ["H100"] * 2000, "place": ["US"] * 2000, "gpus": [8] * 2000,
                      "usd": np.linspace(1, 2, 2000), "spot": np.linspace(1, 2, 2000)})
    pq.write_table(table, tmp_path / "in.parquet")
    whole = (tmp_path / "in.parquet").read_bytes()
    for cut in (whole[:-100], whole[: len(whole) // 2], b""):
        (tmp_path / "in.parquet").write_bytes(cut)
        with pytest.raises(DataError, match=r"in.parquet: must be a whole Parquet table, found"):
            import_quotes("by-hand", MAPPING, [tmp_path / "in.parquet"], tmp_path / "q")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet"]


def test_an_import_writes_over_nothing_but_quotes(tmp_path):
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="a table of quotes is only written to a new folder"):
        imported(tmp_path, GOOD)
    assert contents(tmp_path / "q") == {"mine.txt": b"keep"}


def many(rows, seed=1):
    rng = np.random.default_rng(seed)
    hours = rng.integers(0, 5_000, rows)
    zones = rng.integers(0, 40, rows)
    return pa.table({"time": pa.array(hours * 3_600, pa.timestamp("s")), "chip": np.where(zones % 2, "H100", "A100-80"),
                     "place": [f"zone-{zone}" for zone in zones.tolist()], "gpus": np.full(rows, 8), "usd": rng.uniform(1, 9, rows).round(4),
                     "spot": np.where(zones % 3, rng.uniform(0.1, 1, rows).round(4), -1.0)})


class Interrupted(BaseException):
    """Ctrl-C."""


def stopping(at):
    def opened(path, mapping):
        for number, batch in enumerate(batches(path, mapping.columns(), batch_rows=1_000)):
            if number == at:
                raise Interrupted
            yield batch

    return opened


def test_the_same_input_gives_the_same_bytes_also_after_an_interruption(tmp_path):
    pq.write_table(many(12_000), tmp_path / "in.parquet")
    options = {"rejected_max": 1.0, "run_rows": 3_000}
    inputs = [tmp_path / "in.parquet"]
    import_quotes("by-hand", MAPPING, inputs, tmp_path / "whole", opened=stopping(-1), **options)
    import_quotes("by-hand", MAPPING, inputs, tmp_path / "again", opened=stopping(-1), **options)
    for at in (1, 5, 9):
        with pytest.raises(Interrupted):
            import_quotes("by-hand", MAPPING, inputs, tmp_path / "q", opened=stopping(at), **options)
        assert not (tmp_path / "q").exists()
    assert (tmp_path / ".q.import" / "progress.json").exists()
    import_quotes("by-hand", MAPPING, inputs, tmp_path / "q", opened=stopping(-1), **options)
    assert contents(tmp_path / "whole") == contents(tmp_path / "again") == contents(tmp_path / "q")
    assert not (tmp_path / ".q.import").exists()
    reasons = {reason for *_, reason in side_file(tmp_path / "q")}
    assert reasons == {"not above zero", "another price of the same offer at the same time"}


SERIES = PrintMapping(value_at=When(column="time", zone="UTC"), known=When(column="known", zone="UTC"), regime=Text(column="place"),
                      series=(Series(code=Text(column="chip"), column="usd", unit="USD"), Series(code=Text(value="spot"), column="spot", unit="cents", lowest=0.0)))


def test_prints_stream_as_quotes_do_and_count_their_revisions(tmp_path):
    """12,000 rows in runs of 3,000: beside pandas, in memory, and after an interruption."""
    table = many(12_000)
    rng = np.random.default_rng(5)
    known = pa.array(table["time"].cast(pa.int64()).to_numpy() + 3_600 * rng.integers(0, 4, len(table)), pa.timestamp("s"))
    pq.write_table(table.append_column("known", known), tmp_path / "in.parquet")
    given = ([tmp_path / "in.parquet"],)
    for run_rows in (10**6, 3_000):
        import_prints("by-hand", SERIES, *given, tmp_path / str(run_rows), opened=stopping(-1), rejected_max=1.0, run_rows=run_rows)
    with pytest.raises(Interrupted):
        import_prints("by-hand", SERIES, *given, tmp_path / "p", opened=stopping(7), rejected_max=1.0, run_rows=3_000)
    assert (tmp_path / ".p.import" / "progress.json").exists()
    import_prints("by-hand", SERIES, *given, tmp_path / "p", opened=stopping(-1), rejected_max=1.0, run_rows=3_000)
    assert contents(tmp_path / "p") == contents(tmp_path / "3000")
    assert list(Prints.load(tmp_path / "p").rows()) == list(Prints.load(tmp_path / "1000000").rows())

    frame = pq.read_table(tmp_path / "in.parquet").to_pandas()
    frame = pd.concat([frame.assign(series=frame["chip"], value=frame["usd"]), frame[frame["spot"] >= 0].assign(series="SPOT", value=frame["spot"])])
    frame = frame.drop_duplicates(["series", "time", "known"]).sort_values(["series", "time", "known"], kind="stable")
    found = Prints.load(tmp_path / "p")
    assert found.value.tolist() == (frame["value"] * 10**6).round().astype(int).tolist()
    assert found.revision.tolist() == frame.groupby(["series", "time"]).cumcount().tolist()
    assert found.units == {"A100-80": "USD", "H100": "USD", "SPOT": "cents"}
    spot = Prints.load(tmp_path / "p", ["SPOT"])
    assert (set(spot.names["series"]), len(spot)) == ({"SPOT"}, int((frame["series"] == "SPOT").sum()))
    reasons = {reason for *_, reason in side_file(tmp_path / "p")}
    assert reasons == {"under 0", "another value of the same print"}


def test_an_interrupted_import_of_another_input_is_not_taken_up(tmp_path):
    pq.write_table(many(12_000), tmp_path / "in.parquet")
    pq.write_table(many(12_000, seed=3), tmp_path / "other.parquet")
    options = {"rejected_max": 1.0, "run_rows": 3_000}
    with pytest.raises(Interrupted):
        import_quotes("by-hand", MAPPING, [tmp_path / "in.parquet"], tmp_path / "q", opened=stopping(9), **options)
    with pytest.raises(Interrupted):  # before it has a run of its own
        import_quotes("by-hand", MAPPING, [tmp_path / "other.parquet"], tmp_path / "q", opened=stopping(1), **options)
    assert not (tmp_path / ".q.import" / "progress.json").exists()
    pq.write_table(many(12_000, seed=2), tmp_path / "in.parquet")
    import_quotes("by-hand", MAPPING, [tmp_path / "in.parquet"], tmp_path / "q", opened=stopping(-1), **options)
    import_quotes("by-hand", MAPPING, [tmp_path / "in.parquet"], tmp_path / "whole", opened=stopping(-1), **options)
    assert contents(tmp_path / "whole") == contents(tmp_path / "q")


def test_runs_on_disk_give_what_memory_gives(tmp_path):
    pq.write_table(many(9_000), tmp_path / "in.parquet")
    for run_rows in (10**6, 2_000):
        import_quotes("by-hand", MAPPING, [tmp_path / "in.parquet"], tmp_path / str(run_rows), opened=stopping(-1), rejected_max=1.0, run_rows=run_rows)
    assert Quotes.load(tmp_path / "2000").price.tolist() == Quotes.load(tmp_path / "1000000").price.tolist()
    assert (tmp_path / "2000" / "rejected.csv").read_bytes() == (tmp_path / "1000000" / "rejected.csv").read_bytes()


def test_progress_is_told_and_ends_at_all(tmp_path):
    told = []
    imported(tmp_path, GOOD, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (1000, 1000)


def test_a_price_in_32_bits_is_the_decimal_that_was_meant(tmp_path):
    prices = ["1.22898", "16.29", "32.7726", "0.0157"]
    table = pa.table({"time": ["2026-01-01T00:00:00Z"] * 4, "chip": ["H100"] * 4, "place": list("abcd"), "gpus": [8] * 4,
                      "usd": pa.array([float(price) for price in prices], pa.float32()), "spot": pa.array([None] * 4, pa.float32())})
    pq.write_table(table, tmp_path / "in.parquet")
    import_quotes("by-hand", MAPPING, [tmp_path / "in.parquet"], tmp_path / "q")
    assert Quotes.load(tmp_path / "q").price.tolist() == [round(Fraction(price) * 10**6) for price in prices]
