# SPDX-License-Identifier: Apache-2.0
"""A user's own table with a mapping file: quotes, series and bars; and what is wrong with a mapping, in one line."""

import pandas as pd
import pytest

from kilohour.datafeeds.prints import Prints
from kilohour.datafeeds.quotes import Quotes
from kilohour.datafeeds.sources.my_file import import_frame, run
from kilohour.errors import DataError, KilohourError
from kilohour.tape import Kind, Tape
from kilohour.units import nanos_of

QUOTES = """
gives = "quotes"
[time]
column = "when"
zone = "America/New_York"
lag = "15 minutes"
[columns]
provider = { value = "Acme" }
segment = { value = "neocloud" }
chip = { column = "model", rename = { "Hopper" = "H100" } }
region = "dc"
size = "n"
[[price]]
column = "cents"
term = "on-demand"
unit = "cents per node-day"
gpus = "n"
[[price]]
column = "cents_spot"
term = { value = "spot" }
unit = "cents per node-day"
gpus = 8
empty = "skip"
"""

TABLE = """dc,cents,cents_spot,model,n,when
east,54048,19200,Hopper,8,2026-07-01 10:00:00
west,54048,,H200,8,2026-12-01 10:00
"""


def at(text):
    return nanos_of(pd.Timestamp(text, tz="UTC").to_pydatetime())


def put(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")


def test_quotes_of_a_node_in_cents_a_day_in_new_york_time(tmp_path):
    put(tmp_path, in_csv=TABLE, map_toml=QUOTES)
    told = list(run([tmp_path / "in.csv"], tmp_path / "q", mapping=tmp_path / "map.toml"))
    assert told[0] == "2 rows read, 3 quotes kept, 0 refused"
    found = Quotes.load(tmp_path / "q")
    assert found.price.tolist() == [2_815_000, 1_000_000, 2_815_000]  # 540.48 USD / 24 h / 8 GPUs; 192 / 24 / 8
    assert found.quoted.tolist() == [at("2026-07-01 14:00"), at("2026-07-01 14:00"), at("2026-12-01 15:00")]
    assert (found.seen - found.quoted).tolist() == [15 * 60 * 10**9] * 3
    assert found.text("chip").tolist() == ["H100", "H100", "H200"]


def test_a_frame_gives_the_same_quotes_as_its_file(tmp_path):
    put(tmp_path, in_csv=TABLE, map_toml=QUOTES)
    list(run([tmp_path / "in.csv"], tmp_path / "q", mapping=tmp_path / "map.toml"))
    import_frame(pd.read_csv(tmp_path / "in.csv"), tmp_path / "frame", mapping=tmp_path / "map.toml")
    assert Quotes.load(tmp_path / "frame").price.tolist() == Quotes.load(tmp_path / "q").price.tolist()


def test_a_series_with_release_times_and_restatements(tmp_path):
    put(tmp_path, in_csv="day,released,users\n2026-01-01,2026-01-05T12:00:00Z,100\n2026-01-01,2026-02-01T12:00:00Z,110\n",
        map_toml='gives = "prints"\n[time]\ncolumn = "day"\nof = "day"\n[known]\ncolumn = "released"\n'
                 '[[series]]\ncode = { value = "users" }\ncolumn = "users"\nunit = "million"\n')
    list(run([tmp_path / "in.csv"], tmp_path / "p", mapping=tmp_path / "map.toml"))
    prints = Prints.load(tmp_path / "p")
    assert prints.as_of(at("2026-01-31"), "USERS").value.tolist() == [100_000_000]
    assert prints.as_of(at("2026-02-02"), "USERS").value.tolist() == [110_000_000]


BARS = """
gives = "bars"
product = "SIM:H100"
[time]
column = "day"
of = "day"
[columns]
contract = "month"
open = "o"
high = "h"
low = "l"
close = "c"
[prices]
unit = "cents per node-hour"
gpus = 8
"""


def test_bars_in_cents_per_node_become_a_tape(tmp_path):
    put(tmp_path, in_csv="month,o,h,l,c,day\n2027-01,2248,2280,2240,2264,2026-11-02\n2027-01,2264,2272,2232,2240,2026-11-03\n", map_toml=BARS)
    told = list(run([tmp_path / "in.csv"], tmp_path / "t", mapping=tmp_path / "map.toml"))
    tape = Tape.load(tmp_path / "t")
    rows = tape.events["kind"] == Kind.BAR
    assert tape.events["close"][rows].tolist() == [2_830_000, 2_800_000]
    assert told[-1] == f"tape: {tmp_path / 't'}"


def test_a_bad_bar_is_put_aside_and_too_many_end_the_import(tmp_path):
    put(tmp_path, in_csv="month,o,h,l,c,day\n2027-01,2248,2280,2240,2264,2026-11-02\n2027-01,2264,x,2232,2240,2026-11-03\n", map_toml=BARS)
    with pytest.raises(DataError, match=r"my-file: at most 5% .* the first is row 1, column 'h': not a number, found 'x'; --rejected-max says otherwise"):
        run([tmp_path / "in.csv"], tmp_path / "t", mapping=tmp_path / "map.toml")
    assert not (tmp_path / "t").exists()
    told = run([tmp_path / "in.csv"], tmp_path / "t", mapping=tmp_path / "map.toml", rejected_max="50%")
    assert "  - 1 row of 2 refused and left out: not a number (1)" in told
    assert (tmp_path / "t" / "rejected.csv").read_text() == "file,row,column,value,reason\nin.csv,1,h,x,not a number\n"


@pytest.mark.parametrize(("old", "new", "words"), [
    ('gives = "quotes"', 'gives = "quote"', "map.toml, key gives; did you mean 'quotes'?"),
    ('gives = "quotes"', "", "map.toml: gives is missing: what the rows become, one of "),
    ('gives = "quotes"', "gives = [", "map.toml: must be TOML"),
    ("cents per node-day", "cents per node-week", "map.toml: unknown time 'week' in unit 'cents per node-week'"),
    ("cents per node-day", "cent per node-day", "did you mean 'cents'?"),
    ('gpus = "n"\n', "", "needs the GPUs of a node: gpus = 8, or a column's name; found nothing"),
    ("gpus = 8", "gpus = 0", "gpus must be 1 or more, found 0"),
    ("America/New_York", "Amerika", "time: zone must be a name like America/New_York or UTC, found 'Amerika'"),
    ("15 minutes", "soon", "a lag reads '15 minutes'"),
    ('provider = { value = "Acme" }', "", "map.toml: columns: provider is missing"),
    ('provider = { value = "Acme" }', "provider = { }", "a text needs either a column or a value, found neither"),
    ('region = "dc"', 'regoin = "dc"', "map.toml: columns: regoin: no such key is known here"),
    ('region = "dc"', 'region = "dcc"', "in.csv: unknown column 'dcc' in the file; did you mean 'dc'?"),
    ('value = "neocloud"', 'value = "cloud"', "unknown segment 'cloud'"),
    ('value = "spot"', 'value = "sport"', "unknown term 'sport'"),
])
def test_a_wrong_mapping_is_refused_in_one_line(tmp_path, old, new, words):
    assert old in QUOTES
    put(tmp_path, in_csv=TABLE, map_toml=QUOTES.replace(old, new))
    with pytest.raises(KilohourError) as error:
        list(run([tmp_path / "in.csv"], tmp_path / "q", mapping=tmp_path / "map.toml"))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "map.toml"]
