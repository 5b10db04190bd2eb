# SPDX-License-Identifier: Apache-2.0
"""Every source and kind of damage: the seven whose files are no plain tables of one shape here, the others in test_shipped_sources."""

import datetime as dt
import json

import pytest

from kilohour.contracts.contract import Contract
from kilohour.datafeeds import BUILT_IN, source
from kilohour.datafeeds.candles import Wanted
from kilohour.datafeeds.importing.intake import Intake
from kilohour.datafeeds.recording import Recording
from kilohour.datafeeds.sources.ccxt_candles import fetch
from kilohour.tape import Kind
from tests.datafeeds.sources import test_shipped_sources as plain
from tests.datafeeds.sources.damage import (
    KINDS,
    Aside,
    Ends,
    Never,
    Noted,
    Same,
    Shape,
    as_csv,
    as_parquet,
    backwards,
    cut,
    header_only,
    more,
    play,
    turned,
    without,
)  # fmt: skip

ONE_PRICE = Never("a row has one price, so no high and no low")


def by_source(name, *files, **options):
    """Imports files of a folder; what is a file among the options is one of the folder too."""

    def run(folder, out, **given):
        its = {key: folder / value[1:] if isinstance(value, str) and value.startswith("@") else value for key, value in options.items()}
        return list(source(name).run([folder / file for file in files], out, **its, **given))

    return run


# my-file, three shapes

QUOTES = """
gives = "quotes"
[time]
column = "when"
zone = "America/New_York"
[columns]
provider = { value = "Acme" }
segment = { value = "neocloud" }
chip = "model"
[[price]]
column = "usd"
term = { value = "on-demand" }
"""
PRINTS = """
gives = "prints"
[time]
column = "day"
of = "day"
lag = "1 day"
[[series]]
code = { value = "USERS" }
column = "users"
unit = "million"
lowest = 0
"""
BARS = """
gives = "bars"
product = "SIM:H100"
[time]
column = "at"
[columns]
contract = "month"
open = "o"
high = "h"
low = "l"
close = "c"
volume = "v"
"""
BAR = {"at": "2026-11-02T10:00:00Z", "month": "2027-01", "o": "2.10", "h": "2.20", "l": "2.00", "c": "2.15", "v": "5"}


def my_file(mapping, rows, cells):
    def write(folder, given):
        (folder / "map.toml").write_text(mapping, encoding="utf-8")
        as_csv("in.csv", list(rows[0]))(folder, given)

    def run(folder, out, **options):
        file = "in.parquet" if (folder / "in.parquet").exists() else "in.csv"
        return by_source("my-file", file, mapping="@map.toml")(folder, out, **options)

    return Shape(source="my-file", rows=rows, write=write, run=run, cells={
        "cut off": (Ends("in.parquet: must be a whole Parquet table", after=as_parquet), Ends("in.csv: must be a whole CSV table", after=cut("in.csv", 9))),
        "columns in another order": Same(turned), "missing column": Ends("in.csv: unknown column", rows=without(next(iter(rows[0])))),
        "nothing in it": Ends("needs at least one", rows=header_only), "out of order": Same(backwards), **cells})  # fmt: skip


MY_QUOTES = my_file(QUOTES, [{"when": f"2026-07-0{day} 10:00:00", "model": "H100", "usd": f"2.{day}5"} for day in (1, 2, 3)], {
    "wrong unit": Aside("not a number", more(usd="2.15 EUR")),
    "mixed zone": Aside("a time of another zone than America/New_York", more(when="2026-07-01T10:00:00Z")),
    "twice": Aside("the same quote twice", more()),
    "unknown chip": Aside("unknown chip, nearest 'H100'", more(model="H1000")),
    "no number": (Aside("not a number", more(usd="nan")), Aside("not a number", more(usd="inf"))),
    "negative": Aside("not above zero", more(usd="-2.15")),
    "high below low": ONE_PRICE,
    "after the last trade": Never("what a provider asks has no last trade"),
    "missing day": Never("quotes come when they come: a missing day is the index method's to judge"),
})  # fmt: skip
MY_PRINTS = my_file(PRINTS, [{"day": f"2026-07-0{day}", "users": f"{day}5"} for day in (1, 2, 3)], {
    "wrong unit": Aside("not a number", more(users="15 million")),
    "mixed zone": (Aside("a time of another zone than UTC", more(day="2026-07-01T10:00:00-05:00")),
                   Aside("a date with a time of day", more(day="2026-07-01T10:00:00Z"))),
    "twice": Aside("the same print twice", more()),
    "unknown chip": Never("a series has the name that the user gives it"),
    "no number": (Aside("not a number", more(users="nan")), Aside("not a number", more(users="inf"))),
    "negative": Aside("under 0", more(users="-15")),
    "high below low": ONE_PRICE,
    "after the last trade": Never("a series has no last trade"),
    "missing day": Never("a series may have holes: data check finds them, a settlement rule refuses them"),
})  # fmt: skip
MY_BARS = my_file(BARS, [{**BAR, "at": f"2026-11-0{day}T10:00:00Z"} for day in (2, 3, 4)], {
    "wrong unit": Aside("not a number", more(o="2.10 EUR")),
    "mixed zone": (Same(lambda rows: [{**rows[0], "at": "2026-11-02T05:00:00-05:00"}, *rows[1:]]),
                   Aside("a time without a zone", more(at="2026-11-02T10:00:00"))),
    "twice": (Aside("the same bar twice", more()), Aside("another bar of the same contract and time", more(c="2.05"))),
    "unknown chip": Aside("no code, symbol or month of a contract of SIM:H100", more(month="B200Z6")),
    "no number": (Aside("not a number", more(c="nan")), Aside("not a number", more(c="inf")), Aside("empty", more(c=""))),
    "negative": Aside("not whole lots of 0 or more", more(v="-1")),
    "high below low": Aside("a high below the open", more(h="1.90")),
    "after the last trade": Aside("after the contract's last trade", more(at="2027-03-01T10:00:00Z")),
    "missing day": Never("bars come when something traded; contracts that end are settled at their last mark, and a note says so"),
})  # fmt: skip

# aws-cli

CHANGE = {"AvailabilityZone": "us-east-1b", "InstanceType": "p5.48xlarge", "ProductDescription": "Linux/UNIX", "SpotPrice": "31.464000",
          "Timestamp": "2026-07-01T10:00:05+00:00"}  # fmt: skip
AWS = Shape(
    source="aws-cli", rows=[{**CHANGE, "Timestamp": f"2026-07-0{day}T10:00:05+00:00"} for day in (1, 2, 3)],
    write=lambda folder, rows: (folder / "in.json").write_text(json.dumps({"SpotPriceHistory": rows}), encoding="utf-8"),
    run=by_source("aws-cli", "in.json"), cells={
        "cut off": Ends("in.json: must be whole JSON", after=cut("in.json", 20)),
        "columns in another order": Same(turned),
        "wrong unit": Aside("not a number", more(SpotPrice="31.464 EUR")),
        "mixed zone": (Same(lambda rows: [{**rows[0], "Timestamp": "2026-07-01T05:00:05-05:00"}, *rows[1:]]),
                       Aside("a time without a zone", more(Timestamp="2026-07-01T10:00:05"))),
        "twice": Aside("the same quote twice", more()),
        "unknown chip": Aside("no GPU instance of aws_instances.toml", more(InstanceType="p9.48xlarge")),
        "missing column": Ends("row 0, field 'SpotPrice': must be a text", rows=without("SpotPrice")),
        "no number": (Aside("not a number", more(SpotPrice="NaN")), Aside("not a number", more(SpotPrice="inf"))),
        "negative": Aside("not above zero", more(SpotPrice="-1")),
        "high below low": ONE_PRICE,
        "after the last trade": Never("what a provider asks has no last trade"),
        "out of order": Same(backwards),
        "nothing in it": Ends("needs at least one quote", rows=header_only),
        "missing day": Never("Amazon tells changes only: no row means no change"),
    })  # fmt: skip

# ccxt: a row is what the exchange object returns

HOUR, START = 3_600_000, 1_767_225_600_000


class Market:
    def __init__(self, rows):
        self.rows = rows

    def fetch_ohlcv(self, symbol, timeframe, since=None, limit=None):
        return [row for row in self.rows if not isinstance(row[0], int) or row[0] >= since][:limit]


def candles(folder, rows):
    (folder / "rows.json").write_text(json.dumps([list(row.values()) if isinstance(row, dict) else row for row in rows]))


def run_ccxt(folder, out, *, product="GATE:H100", **options):
    rows = json.loads((folder / "rows.json").read_text())
    wanted = Wanted(symbol="H100/USDT:USDT", timeframe="1h", since=START, until=START + 4 * HOUR, limit=20)
    return fetch(Market(rows), "fake", wanted, out, product=product, **options)


def twin(row):
    """One row more, after the first: at the same time, so that it is missing nowhere when it is put aside."""
    return lambda rows: [rows[0], row if isinstance(row, list) else {**rows[0], **row}, *rows[1:]]


CCXT = Shape(
    source="ccxt", rows=[{"at": START + i * HOUR, "o": 2.0, "h": 2.5, "l": 1.5, "c": 2.1, "v": 7.0} for i in range(4)], write=candles, run=run_ccxt,
    cells={
        "cut off": Aside("not time, open, high, low, close and volume", twin([START, 2.0, 2.5])),
        "columns in another order": Never("a candle is a list without names; a high that is not the highest is refused"),
        "wrong unit": (Aside("not a number", twin({"o": "2.0 EUR"})), Aside("not a time in milliseconds", twin({"at": START * 1000}))),
        "mixed zone": Never("times are milliseconds since 1970"),
        "twice": (Aside("the same candle twice", twin({})), Aside("another candle of the same contract and time", twin({"c": 2.2}))),
        "unknown chip": Ends("did you mean 'GATE:H100'", options={"product": "GATE:H1000"}),
        "missing column": Ends("at most 5% of the rows may be refused, found 100%", rows=lambda rows: without("c")(without("v")(rows))),
        "no number": (Aside("not finite", twin({"c": float("nan")})), Aside("not finite", twin({"c": float("inf")})), Aside("empty", twin({"c": None})),
                      Aside("not a time in milliseconds", twin({"at": None}))),
        "negative": Aside("not whole lots of 0 or more", twin({"v": -7.0}), options={"volume": "contracts"}),
        "high below low": Aside("a high below the open", twin({"h": 1.0})),
        "after the last trade": Never("only perpetuals are imported"),
        "out of order": Ends("candles must come in order", rows=lambda rows: [rows[0], rows[2], rows[1], rows[3]]),
        "nothing in it": Ends("must have candles", rows=header_only),
        "missing day": (Noted("1 candle missing in 1 gap", rows=lambda rows: [rows[0], *rows[2:]]),
                        Ends("1 candle missing after", rows=lambda rows: [rows[0], *rows[2:]], options={"gaps": "refuse"})),
    })  # fmt: skip

# databento

def dbn_rows():
    return [{"id": 12, "at": f"2020-04-20T{hour}:00", "cents": (2100, 2043, 2090), "lots": 5} for hour in (17, 18, 19)]


def write_dbn(folder, rows):
    from tests.datafeeds.sources import test_databento_files as its

    made = []
    for row in rows:
        record = its.bar(row["id"], row["at"], row["cents"], row["lots"])
        for name, value in row.get("set", {}).items():
            setattr(record, name, value)
        made.append(record)
    its.write(folder / "in.dbn", its.dbn.Schema.TRADES if rows and rows[0].get("trades") else its.dbn.Schema.OHLCV_1H, its.IDS,
              [] if rows and rows[0].get("trades") else made)  # fmt: skip


DATABENTO = Shape(
    source="databento", rows=dbn_rows(), write=write_dbn, run=by_source("databento", "in.dbn", product="NYMEX:CL", assume="energy"), cells={
        "cut off": Ends("in.dbn: must be a whole DBN file", after=cut("in.dbn", 8)),
        "columns in another order": Never("a binary record: its fields have fixed places"),
        "wrong unit": Never("prices are billionths of a dollar by the format"),
        "mixed zone": Never("times are nanoseconds UTC by the format"),
        "twice": (Aside("the same bar twice", more()), Aside("another bar of the same contract and time", more(cents=(2100, 2043)))),
        "unknown chip": Noted("1 record of other instruments", rows=more(id=14)),
        "missing column": Ends("its schema must be", rows=lambda rows: [{**rows[0], "trades": True}]),
        "no number": Aside("no price", more(set={"open": 2**63 - 1})),
        "negative": Never("prices may be negative, as oil was; volume has no sign in the format"),
        "high below low": Aside("a high below the open", more(set={"high": 1})),
        "after the last trade": Aside("after the contract's last trade", more(at="2020-05-20T18:00")),
        "out of order": Same(backwards),
        "nothing in it": Ends("must hold a bar of NYMEX:CL, found none", rows=header_only),
        "missing day": Never("bars come when something traded; the files hold no prints, and a note says so"),
    })  # fmt: skip

# recorded: rows are events

TERMS = Contract(code="X:Y-1970-02", product="X:Y", symbol="", month=197002, listed_at=0, last_trade_at=10**18, settlement_at=10**18 + 1,
                 fixing_days=(1, 2), rule="by hand")  # fmt: skip


def record(folder, rows):
    with Recording.open(folder / "r", source="by hand", chunk_rows=4) as recording:
        recording.contract(TERMS)
        for row in rows:
            recording.append(Kind.BAR, row.get("ref", 0), row["ts"], open=1, high=1, low=1, close=row["close"], volume=1)


def edited(name, old, new):
    def after(folder):
        path = folder / "r" / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return after


def reordered(folder):
    import pyarrow.parquet as pq

    path = folder / "r" / "chunk-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[::-1]), path)


AS_IT_WAS = Never("a recording is what a run was given: it is replayed as it was, data check judges it")
RECORDED = Shape(
    source="recorded", rows=[{"ts": 10 * i, "close": 1_000 + i} for i in range(1, 7)], write=record, run=by_source("recorded", "r"), cells={
        "cut off": (Ends("chunk-00000.parquet: must be a readable Parquet file", after=cut("r/chunk-00000.parquet", 20)),
                    Noted("the last line of the tail was torn by a crash", after=cut("r/tail.jsonl", 5))),
        "columns in another order": Ends("chunk-00000.parquet: columns must be", after=reordered),
        "wrong unit": Ends(r"tail.jsonl: line 1 must be .* in whole numbers", after=edited("tail.jsonl", "1005", '"1005 USD"')),
        "mixed zone": Never("times are nanoseconds UTC"),
        "twice": Ends("tail.jsonl: line 2 must be event 5, found 4", after=edited("tail.jsonl", "[5,", "[4,")),
        "unknown chip": Ends("event 6 must be of a contract or series named in names.jsonl, found ref 1 of 1", rows=more(ref=1)),
        "missing column": Ends(r"tail.jsonl: line 1 must be .* in whole numbers", after=edited("tail.jsonl", "1005,", "")),
        "no number": Ends(r"tail.jsonl: line 1 must be .* in whole numbers", after=edited("tail.jsonl", "1005", "NaN")),
        "negative": (Ends("found ref -1 of 1", rows=more(ref=-1)), Never("prices may be negative")),
        "high below low": AS_IT_WAS,
        "after the last trade": AS_IT_WAS,
        "out of order": Noted("1 of 7 events came in after a later one and were put in order", rows=more()),
        "nothing in it": Ends("a recording needs at least one event to be a tape", rows=header_only),
        "missing day": AS_IT_WAS,
    })  # fmt: skip

# energy-strip

SETTLE = {"root": "CL", "date": "2020-04-17", "contract": "202005", "settle": "18.27"}


def write_strip(folder, rows):
    as_csv("in.csv", list(SETTLE))(folder, rows)
    (folder / "expiries.csv").write_text("root,contract,last_trade\nCL,202005,2020-04-21\n", encoding="utf-8")


ENERGY = Shape(
    source="energy-strip", rows=[{**SETTLE, "date": f"2020-04-{day}", "settle": price} for day, price in ((17, "18.27"), (20, "-37.63"), (21, "10.01"))],
    write=write_strip, run=by_source("energy-strip", "in.csv", expiries="@expiries.csv"), cells={
        "cut off": (Ends("in.csv: must be a whole CSV table, .* Expected 4 columns, got 3", after=cut("in.csv", 9)),
                    Ends("expiries.csv: row 0 must have 3 cells", after=cut("expiries.csv", 13))),
        "columns in another order": Same(turned),
        "wrong unit": Aside("not a number", more(date="2020-04-16", settle="18.27 EUR")),
        "mixed zone": (Aside("a time of another zone than UTC", more(date="2020-04-16T12:00:00-05:00")),
                       Aside("a date with a time of day", more(date="2020-04-16T12:00:00Z"))),
        "twice": (Aside("the same settlement twice", more()), Aside("another settlement of the same contract and time", more(settle="-99.99"))),
        "unknown chip": (Aside("no root of CL, NG", more(root="CLL")), Aside("no month YYYYMM", more(contract="202013")),
                         Aside("no last trading day in the expiries", more(contract="202006"))),
        "missing column": Ends("in.csv: unknown column 'settle'", rows=without("settle")),
        "no number": (Aside("not a number", more(date="2020-04-16", settle="nan")), Aside("not a number", more(date="2020-04-16", settle="inf")),
                      Aside("empty", more(date="2020-04-16", settle="")), Aside("not under 1e6 dollars", more(date="2020-04-16", settle="2e6"))),
        "negative": Never("oil was negative: the clean rows hold the day"),
        "high below low": ONE_PRICE,
        "after the last trade": Aside("after the contract's last trade", more(date="2020-04-22")),
        "out of order": Same(backwards),
        "nothing in it": Ends("in.csv: needs at least one settlement", rows=header_only),
        "missing day": Never("the product settles at its last mark: a settlement that is missing between two others is counted in a note"),
    })  # fmt: skip

# gpu-prices

PRICE = {"date": "", "chip": "H100", "segment": "aws_spot_us", "median": "8.0"}


def price_rows():
    days = [str(dt.date(2024, 1, 10) + dt.timedelta(days=day)) for day in range(70)]
    rows = [{**PRICE, "date": day, "chip": chip} for day in days for chip in ("H100", "A100-40")]
    return [*rows, *({"date": "2023-06-01", "chip": "A100-40", "segment": name, "median": str(4.0 * share)} for name, share in (
        ("gcp_ondemand_us", 1.0), ("gcp_cud_1y_us", 0.6245), ("gcp_cud_3y_us", 0.3514)))]  # fmt: skip


GPU = Shape(
    source="gpu-prices", rows=price_rows(), write=as_csv("in.csv", list(PRICE)), run=by_source("gpu-prices", "in.csv"), cells={
        "cut off": Ends("in.csv: must be a whole CSV table, .* Expected 4 columns, got 3", after=cut("in.csv", 10)),
        "columns in another order": Same(turned),
        "wrong unit": Aside("not a number", more(date="2024-01-09", median="8.0 EUR")),
        "mixed zone": (Aside("a time of another zone than UTC", more(date="2024-01-09T12:00:00-05:00")), Aside("not a time", more(date="soon"))),
        "twice": (Aside("the same price twice", more()), Aside("another price of the same date, chip and segment", more(median="9.0"))),
        "unknown chip": (Same(more(chip="MI300X")), Never("the file holds chips of which no future is made; they are left out"),
                         Ends("must have prices of H100, found none", rows=lambda rows: [{**row, "chip": row["chip"].replace("H100", "H10O")} for row in rows])),
        "missing column": Ends("in.csv: unknown column 'median'", rows=without("median")),
        "no number": (Aside("not a number", more(date="2024-01-09", median="inf")), Aside("empty", more(date="2024-01-09", median="")),
                      Aside("empty", more(date="2024-01-09", segment=""))),
        "negative": Aside("not above 0 and at most 1000 dollars", more(date="2024-01-09", median="-8.0")),
        "high below low": ONE_PRICE,
        "after the last trade": Never("contracts are made of the prices, each to its own last day"),
        "out of order": Same(backwards),
        "nothing in it": Ends("in.csv: needs at least one price", rows=header_only),
        "missing day": Ends("must have a price on 2024-01-24, for it is a business day of the stretch",
                            rows=lambda rows: [row for row in rows if row["date"] != "2024-01-24"]),
    })  # fmt: skip

SHAPES = {"my-file quotes": MY_QUOTES, "my-file prints": MY_PRINTS, "my-file bars": MY_BARS, "aws-cli": AWS, "ccxt": CCXT, "databento": DATABENTO,
          "recorded": RECORDED, "energy-strip": ENERGY, "gpu-prices": GPU}  # fmt: skip
CELLS = [(name, kind, place) for name, shape in SHAPES.items() for kind, cells in shape.cells.items()
         for place in range(len(cells) if isinstance(cells, tuple) else 1)]  # fmt: skip


# The sources whose files are plain tables of one shape: the test of each kind, over all of them or those that name a chip.
PLAIN = {
    "cut off": plain.test_a_truncated_file_is_refused_and_leaves_nothing,
    "columns in another order": plain.test_the_order_of_columns_does_not_matter,
    "wrong unit": plain.test_a_number_with_a_unit_of_its_own_is_put_aside,
    "mixed zone": plain.test_a_time_of_another_zone_is_put_aside,
    "twice": plain.test_a_row_twice_and_an_unreadable_time_are_put_aside,
    "unknown chip": (plain.test_a_price_for_an_unknown_chip_is_put_aside, Never("other series tell of no chip, or are where chips are named")),
    "missing column": plain.test_a_missing_column_is_refused_by_name_and_leaves_nothing,
    "no number": plain.test_a_number_that_is_none_is_put_aside,
    "negative": (plain.test_a_negative_price_is_put_aside, Never("a series may be negative, as oil was")),
    "high below low": ONE_PRICE,
    "after the last trade": Never("quotes and series have no last trade"),
    "out of order": plain.test_the_order_of_rows_does_not_matter,
    "nothing in it": plain.test_a_file_without_rows_is_refused_and_leaves_nothing,
    "missing day": Never("quotes and series may have holes: the index method, the settlement rule and data check judge them"),
}


def sources_of(test):
    (mark,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return set(mark.args[1])


def test_the_table_is_complete_over_all_sources():
    assert {shape.source for shape in SHAPES.values()} | set(plain.HAND) == set(BUILT_IN)
    assert not {shape.source for shape in SHAPES.values()} & set(plain.HAND)
    for name, shape in SHAPES.items():
        assert set(shape.cells) == set(KINDS), name
    assert set(PLAIN) == set(KINDS)
    for kind, cells in PLAIN.items():
        for cell in cells if isinstance(cells, tuple) else (cells,):
            if isinstance(cell, Never):
                assert cell.why
            else:
                some = plain.PRICED if kind == "unknown chip" else plain.CHIPS
                assert sources_of(cell) == set(some if isinstance(cells, tuple) else plain.HAND), kind


def test_every_source_streams(tmp_path, monkeypatch):
    """The rows of each go through one intake: to runs on the disk. No source reads a file whole, or builds its table or tape in memory."""
    pytest.importorskip("databento_dbn", reason="the extra kilohour[databento] is not installed")
    read, went_on = [], Intake.read

    def noted(intake, inputs, progress):
        read.append(intake)
        went_on(intake, inputs, progress)

    monkeypatch.setattr(Intake, "read", noted)
    for number, shape in enumerate(SHAPES.values(), 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        shape.write(folder, shape.rows)
        shape.run(folder, folder / "out")
        assert len(read) == number, shape.source
    makers = {source(name).run.__module__ for name in plain.HAND}
    assert makers == {"kilohour.datafeeds.importing.feeds"}, "quotes and prints by mapping: the intake of my-file's, two of the shapes"


@pytest.mark.parametrize(("name", "kind", "place"), CELLS)
def test_each_source_takes_each_damage_as_the_table_says(tmp_path, name, kind, place):
    shape = SHAPES[name]
    cells = shape.cells[kind]
    cell = cells[place] if isinstance(cells, tuple) else cells
    if isinstance(cell, Never):
        assert cell.why
        return
    if name == "databento":
        pytest.importorskip("databento_dbn", reason="the extra kilohour[databento] is not installed")
    play(shape, cell, tmp_path)
