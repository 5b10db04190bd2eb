# SPDX-License-Identifier: Apache-2.0
"""DBN files written with Databento's own library and read as a tape."""

import contextlib
import csv
import datetime as dt
import subprocess
import sys
from types import SimpleNamespace

import pyarrow as pa
import pytest

from kilohour.datafeeds.importing import dbn_bars
from kilohour.datafeeds.importing.dbn_bars import import_dbn
from kilohour.errors import DataError
from kilohour.tape import Kind, Tape
from kilohour.tape.store import FILES
from kilohour.units import MISSING, nanos_of

dbn = pytest.importorskip("databento_dbn", reason="the extra kilohour[databento] is not installed")

HOUR, CENT = 3_600 * 10**9, 10_000_000


def at(text):
    return nanos_of(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))


def metadata(schema, ids):
    mappings = [SimpleNamespace(raw_symbol=name, intervals=[SimpleNamespace(start_date=dt.date(2020, 1, 1), end_date=dt.date(2021, 1, 1), symbol=str(number))])
                for name, number in ids.items()]
    return dbn.Metadata(dataset="GLBX.MDP3", start=0, stype_in=dbn.SType.RAW_SYMBOL, stype_out=dbn.SType.INSTRUMENT_ID, schema=schema,
                        symbols=list(ids), mappings=mappings, end=at("2021-01-01T00:00"))


def bar(number, time, cents, volume=5, rtype=0x22):
    low, high = min(cents), max(cents)
    return dbn.OHLCVMsg(rtype, 1, number, at(time), cents[0] * CENT, high * CENT, low * CENT, cents[-1] * CENT, volume)


def settle(number, known, session, cents, flags=1):
    return dbn.StatMsg(1, number, at(known), at(known), at(session), cents * CENT, 0, dbn.StatType.SETTLEMENT_PRICE, stat_flags=flags)


def interest(number, known, session, lots):
    return dbn.StatMsg(1, number, at(known), at(known), at(session), dbn.UNDEF_PRICE, lots, dbn.StatType.OPEN_INTEREST)


def write(path, schema, ids, rows):
    path.write_bytes(bytes(metadata(schema, ids)) + b"".join(bytes(row) for row in rows))
    return path


def tape_of(files, product, assume=(), out="tape", **options):
    folder = files[0].parent / out
    import_dbn(files, folder, product=product, assume=assume, **options)
    return Tape.load(folder)


IDS = {"CLK0": 11, "CLM0": 12, "CLK0-CLM0": 13, "NGK0": 14}


@pytest.fixture
def files(tmp_path):
    bars = write(tmp_path / "bars.dbn", dbn.Schema.OHLCV_1H, IDS, [
        bar(11, "2020-04-20T17:00", (100, 200, -1363)), bar(12, "2020-04-20T17:00", (2100, 2043)), bar(13, "2020-04-20T17:00", (-10, -20)),
        bar(14, "2020-04-20T17:00", (170, 171)), bar(11, "2020-04-20T18:00", (-1363, -3763)), bar(11, "2020-04-21T18:00", (900, 1001)),
        bar(12, "2020-04-21T18:00", (1157, 1157)), bar(12, "2020-04-23T18:00", (1650, 1650))])  # fmt: skip
    statistics = write(tmp_path / "statistics.dbn", dbn.Schema.STATISTICS, IDS, [
        settle(11, "2020-04-20T18:35", "2020-04-20T00:00", -3700, flags=0), settle(11, "2020-04-20T22:00", "2020-04-20T00:00", -3763),
        settle(12, "2020-04-20T22:00", "2020-04-20T00:00", 2043), interest(12, "2020-04-21T13:00", "2020-04-20T00:00", 100_000),
        settle(11, "2020-04-21T22:00", "2020-04-21T00:00", 1001), settle(12, "2020-04-21T22:00", "2020-04-21T00:00", 1157),
        settle(12, "2020-04-22T02:00", "2020-04-21T00:00", 1158)])  # fmt: skip
    return [bars, statistics]


def events(tape, kind, code):
    ref = tape.contract_ref(code)
    keep = (tape.events["kind"] == kind) & (tape.events["ref"] == ref)
    return list(zip(tape.events["ts"][keep].tolist(), tape.events["close"][keep].tolist(), tape.events["volume"][keep].tolist(), strict=True))


def test_bars_are_seen_at_the_end_of_their_interval_in_micros(files):
    tape = tape_of(files, "NYMEX:CL", assume=["energy"])
    assert [contract.code for contract in tape.contracts] == ["NYMEX:CL-2020-05", "NYMEX:CL-2020-06"]
    assert events(tape, Kind.BAR, "NYMEX:CL-2020-05") == [
        (at("2020-04-20T18:00"), -13_630_000, 5), (at("2020-04-20T19:00"), -37_630_000, 5),
        (tape.contracts[0].last_trade_at, 10_010_000, 5)]  # its last hour ends at the last trade, 18:30
    assert tape.contracts[0].last_trade_at == at("2020-04-21T18:30")


def test_final_settlements_are_marks_and_a_later_one_corrects(files):
    tape = tape_of(files, "NYMEX:CL", assume=["energy"])
    assert events(tape, Kind.MARK, "NYMEX:CL-2020-05") == [(at("2020-04-20T22:00"), -37_630_000, MISSING), (at("2020-04-21T22:00"), 10_010_000, MISSING)]
    assert events(tape, Kind.MARK, "NYMEX:CL-2020-06")[1:] == [(at("2020-04-21T22:00"), 11_570_000, MISSING), (at("2020-04-22T02:00"), 11_580_000, 1)]
    assert events(tape, Kind.INTEREST, "NYMEX:CL-2020-06") == [(at("2020-04-21T13:00"), MISSING, 100_000)]
    assert [price for _, price, _ in events(tape, Kind.FINAL, "NYMEX:CL-2020-05")] == [10_010_000]
    assert any(note.startswith("2 records of other instruments") for note in tape.notes)


def test_the_same_files_give_the_same_tape_packed_or_not(files, tmp_path):
    plain = tape_of(files, "NYMEX:CL", assume=["energy"], out="one")
    again = tape_of(files, "NYMEX:CL", assume=["energy"], out="two", batch_rows=2, run_rows=3)
    packed = [file.with_suffix(".dbn.zst") for file in files]
    for file, small in zip(files, packed, strict=True):
        small.write_bytes(pa.Codec("zstd").compress(file.read_bytes(), asbytes=True))
    unpacked = tape_of(packed, "NYMEX:CL", assume=["energy"])
    assert plain.sha256 == again.sha256
    for name, column in plain.events.items():
        assert column.tolist() == unpacked.events[name].tolist()
    packed[0].write_bytes(packed[0].read_bytes()[:-12])
    with pytest.raises(DataError, match="must be a whole DBN file"):
        tape_of(packed, "NYMEX:CL", assume=["energy"])


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda data: data[:-8], "must be a whole DBN file, found its end within a record"),
    (lambda data: data[:60], "must be a whole DBN file, found its end within the metadata"),
    (lambda data: data[:0] + b"time,open\n" * 20, "must be a whole DBN file, found 'decoding error: invalid DBN header'"),
])
def test_damage_is_refused_in_one_line(files, spoil, words):
    files[0].write_bytes(spoil(files[0].read_bytes()))
    with pytest.raises(DataError) as error:
        tape_of(files, "NYMEX:CL", assume=["energy"])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bar_that_cannot_be_used_is_put_aside(tmp_path, files):
    """The same bar twice, another one of its time, a high below the close, no price, and one after the last trade."""
    late, odd, none = bar(11, "2020-04-21T19:00", (1, 2)), bar(12, "2020-04-23T19:00", (5, 6)), bar(12, "2020-04-23T20:00", (5, 6))
    odd.high, none.open = 1 * CENT, dbn.UNDEF_PRICE
    rows = [bar(12, "2020-04-23T18:00", (1650, 1650)), bar(12, "2020-04-23T18:00", (1650, 1651)), odd, none, late]
    more = write(tmp_path / "more.dbn", dbn.Schema.OHLCV_1H, IDS, rows)
    tape = tape_of([*files, more], "NYMEX:CL", ["energy"], rejected_max=0.5, out="whole")
    assert len(tape) == len(tape_of(files, "NYMEX:CL", ["energy"]))
    with (tmp_path / "whole" / "rejected.csv").open(newline="") as file:
        found = {int(row["row"]): row["reason"] for row in csv.DictReader(file) if row["file"] == "more.dbn"}
    assert found == {0: "the same bar twice", 1: "another bar of the same contract and time", 2: "a high below the open",
                     3: "no price", 4: "after the contract's last trade"}
    assert tape.notes[-1].startswith("5 rows of 20 refused and left out: ")
    with pytest.raises(DataError, match="databento: at most 5% of the rows may be refused, found 27%, 3 of 11: no price"):
        tape_of([*files, more], "NYMEX:CL", ["energy"])


def test_an_interrupted_import_goes_on(files, tmp_path, monkeypatch):
    tape_of(files, "NYMEX:CL", ["energy"], out="whole", batch_rows=2, run_rows=2)
    of, seen = dbn_bars._DbnReader.of, []

    def interrupted(reader, batch, *rest):
        seen.append(batch.file)
        if len(seen) == 7:
            raise KeyboardInterrupt
        return of(reader, batch, *rest)

    monkeypatch.setattr(dbn_bars._DbnReader, "of", interrupted)
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt):
            tape_of(files, "NYMEX:CL", ["energy"], batch_rows=2, run_rows=2)
    assert seen[6] == "statistics.dbn"
    assert len(seen) < 2 * 7
    for name in FILES:
        assert (tmp_path / "tape" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_other_schemas_and_other_products_are_refused(tmp_path, files):
    trades = write(tmp_path / "trades.dbn", dbn.Schema.TRADES, IDS, [])
    with pytest.raises(DataError, match=r"trades.dbn: its schema must be ohlcv-1s, .* found trades"):
        tape_of([trades], "NYMEX:CL", assume=["energy"])
    with pytest.raises(DataError, match="must hold a bar of SIM:H100, found none among 15 records of other instruments"):
        tape_of(files, "SIM:H100")


def test_without_the_library_one_word_says_what_to_install(tmp_path):
    code = ("import sys\nsys.modules['databento_dbn'] = None\nfrom kilohour.cli.main import main\n"
            f"sys.exit(main(['data', 'import', 'databento', {str(tmp_path / 'x.dbn')!r}, '--set', 'product=NYMEX:CL', '--out', {str(tmp_path / 't')!r}]))")
    (tmp_path / "x.dbn").write_bytes(b"")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "kilohour: error: the source databento needs the extra of that name: pip install 'kilohour[databento]'\n")
