# SPDX-License-Identifier: Apache-2.0
"""`kilohour data` with quotes and series: imported, shown, checked; what is wrong is said in one line and leaves nothing."""

import dataclasses
import json

import numpy as np
import pytest

from kilohour.contracts import Product
from kilohour.datafeeds.prints import Print, Prints
from tests.tape import test_doubts as doubted

MAPPING = """gives = "quotes"
[time]
column = "time"
[columns]
provider = { value = "Acme" }
segment = { value = "neocloud" }
chip = "chip"
[[price]]
column = "usd"
term = "on-demand"
"""
HEAD = "time,chip,usd\n"
ROWS = [f"2026-01-{day:02d}T00:00:00Z,H100,{2 + day / 100:.2f}\n" for day in range(1, 31)]


@pytest.fixture
def files(here):
    (here / "mine.toml").write_text(MAPPING, encoding="utf-8")
    (here / "mine.csv").write_text(HEAD + "".join(ROWS), encoding="utf-8")
    (here / "revenue.csv").write_text("week,est_revenue_usd,regime,top10_tokens_trillion\n2025-11-09,3500000,A,\n2025-11-16,9000000,B,4.5\n")
    return here


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_quotes_are_imported_shown_and_checked(kilohour, files):
    done = kilohour("data import my-file mine.csv --mapping mine.toml --out quotes")
    assert (done.code, done.out, done.err) == (0, "30 rows read, 30 quotes kept, 0 refused\n", "")
    shown = json.loads(kilohour("data show quotes --json").out)
    assert (shown["kind"], shown["rows"], shown["start"]) == ("quotes", 30, "2026-01-01T00:00:00Z")
    assert shown["groups"] == [{"segment": "neocloud", "chip": "H100", "term": "on-demand", "providers": 1, "quotes": 30, "lowest": "2.01",
                                "median": "2.155", "highest": "2.3"}]
    assert "on-demand" in kilohour("data show quotes").out
    ended = kilohour("data check quotes")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "0 errors, 0 warnings")


def test_a_unit_slip_in_quotes_ends_a_check_with_one(kilohour, files):
    rows = ROWS.copy()
    rows[15] = rows[15].replace("2.16", "17.28")
    (files / "mine.csv").write_text(HEAD + "".join(rows), encoding="utf-8")
    kilohour("data import my-file mine.csv --mapping mine.toml --out quotes")
    ended = kilohour("data check quotes --json --html check.html")
    found = json.loads(ended.out)
    assert (ended.code, found["quotes"], found["errors"]) == (1, "quotes", 1)
    assert [(row["rule"], row["contract"], row["count"]) for row in found["findings"]] == [("unit slip", "Acme H100 on-demand", 2)]
    page = (files / "check.html").read_text(encoding="utf-8")
    assert "8 or 100 times what it was" in page
    assert "Acme H100 on-demand" in page
    assert len(page) < 20_000
    assert "http" not in page.replace("Content-Security-Policy", "").replace('http-equiv="', "")


def test_a_series_is_imported_shown_and_its_level_break_told(kilohour, files):
    done = kilohour("data import openrouter-revenue revenue.csv --out prints")
    assert done.out.splitlines()[0] == "2 rows read, 3 prints kept, 0 refused"
    shown = json.loads(kilohour("data show prints --json").out)
    assert [(row["series"], row["values"], row["last"]) for row in shown["groups"]] == [("OPENROUTER-REVENUE", 2, "9"), ("OPENROUTER-TOKENS", 1, "4.5")]
    ended = kilohour("data check prints")
    assert "level break" in ended.out
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "0 errors, 1 warnings")


def test_what_was_known_on_a_day_and_what_it_is_now(kilohour, here):
    day = 24 * 3_600 * 10**9
    rows = [(1, 2, 100), (2, 3, 200), (1, 5, 103), (3, 6, 300)]  # for, known, value
    Prints.of([Print(series="USERS", value_at=at * day, known_at=known * day, value=value * 10**6, source="x") for at, known, value in rows],
              units={"USERS": "million"}).save("prints")
    found = json.loads(kilohour("data known prints USERS --on 1970-01-05 --json").out)
    assert [(row["value_at"], row["known_at"], row["value"], row["now"]) for row in found["values"]] == [
        ("1970-01-02", "1970-01-03", 100.0, 103.0), ("1970-01-03", "1970-01-04", 200.0, 200.0)]
    assert found["restated"] == 1
    assert json.loads(kilohour("data known prints USERS --on 1970-01-04 --now 1970-01-05 --json").out)["restated"] == 0
    assert kilohour("data known prints USERS --on 1970-01-05").out.splitlines()[-1] == "2 values, 1 of them restated since"
    assert "must not be before --on" in kilohour("data known prints USERS --on 1970-01-05 --now 1970-01-04").err
    assert "did you mean 'USERS'" in kilohour("data known prints USRS --on 1970-01-05").err
    assert "--on must be a day like 2026-01-31, found 'soon'" in kilohour("data known prints USERS --on soon").err


def test_refused_rows_are_counted_and_kept_aside(kilohour, files):
    (files / "mine.csv").write_text(HEAD + "".join(ROWS) + "2026-02-01T00:00:00Z,H100X,2\n", encoding="utf-8")
    done = kilohour("data import my-file mine.csv --mapping mine.toml --out quotes --json")
    told = json.loads(done.out)
    assert told["told"] == ["31 rows read, 30 quotes kept, 1 refused", "  1 refused: unknown chip, nearest 'H100'",
                            "  each with its reason: quotes/rejected.csv"]
    assert (files / "quotes" / "rejected.csv").read_text() == "file,row,column,value,reason\nmine.csv,30,chip,H100X,\"unknown chip, nearest 'H100'\"\n"


def own(tape):
    """With its product, which is in no registry."""
    return dataclasses.replace(tape, products=(Product.simple("X:Y", lot=1, tick="0.001"),), sha256="")


def test_a_check_of_a_clean_tape_writes_its_page(kilohour, here):
    own(doubted.make_tape()).save(here / "tape")
    ended = kilohour("data check tape --html check.html")
    assert (ended.code, ended.out.splitlines()) == (0, ["0 errors, 0 warnings", "page: check.html"])
    assert "Nothing found: every check passed." in (here / "check.html").read_text(encoding="utf-8")


def turned(tape):
    """Two of its events have changed places."""
    rows = np.arange(len(tape))
    rows[[100, 200]] = rows[[200, 100]]
    return dataclasses.replace(tape, events={name: column[rows] for name, column in tape.events.items()}, sha256="")


FAULTS = {
    "gap": lambda: doubted.make_tape(print_days=np.delete(doubted.BUSINESS, slice(20, 30))),
    "stale": lambda: doubted.make_tape(change=doubted.still(20, 40)),
    "outlier": lambda: doubted.make_tape(change=doubted.spike(1.6)),
    "duplicated row": lambda: doubted.make_tape(again=np.array([3, 4])),
    "out of order": lambda: turned(doubted.make_tape()),
    "unit slip": lambda: doubted.make_tape(change=doubted.spike(8.0)),
    "unit slip of 100": lambda: doubted.make_tape(change=doubted.level(0.01)),
    "weekend": lambda: doubted.make_tape(print_days=np.sort(np.append(doubted.BUSINESS, [20_001, 20_009]))),
    "outside neighbours": lambda: doubted.make_tape(change=doubted.spike(0.4)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_tape_is_told_in_the_terminal_and_on_the_page(kilohour, here, monkeypatch, fault):
    monkeypatch.setenv("COLUMNS", "200")
    own(FAULTS[fault]()).save(here / "tape")
    ended, rule = kilohour("data check tape --html check.html"), fault.removesuffix(" of 100")
    found = json.loads(kilohour("data check tape --json").out)
    assert rule in {row["rule"] for row in found["findings"]}
    assert ended.code == (1 if found["errors"] else 0) == (1 if rule in ("duplicated row", "out of order", "unit slip") else 0)
    page = (here / "check.html").read_text(encoding="utf-8")
    for shown in (ended.out, page):
        assert rule in shown
        assert all(row["contract"] in shown for row in found["findings"])


def test_sources_are_listed_and_told(kilohour):
    rows = json.loads(kilohour("data sources --json").out)["sources"]
    assert {"aws-spot", "my-file", "ccxt", "databento", "energy-strip"} <= {row["name"] for row in rows}
    its = json.loads(kilohour("data sources aws-spot --json").out)
    assert its["columns"][0] == {"name": "ts_utc", "unit": "UTC", "meaning": "when the snapshot was stored"}
    assert "up to 7 hours" in its["time"]
    assert "(needed)" in kilohour("data sources ccxt").out


@pytest.mark.parametrize(("line", "words"), [
    ("data import my-file mine.csv --out q", "my-file needs --mapping FILE, found none"),
    ("data import my-file mine.csv --mapping none.toml --out q", "no such file 'none.toml'"),
    ("data import my-file --mapping mine.toml --out q", "my-file takes one INPUT or more, found 0"),
    ("data import my-file mine.csv --mapping mine.csv --out q", "mine.csv: must be TOML"),
    ("data import my-file mine.csv --mapping mine.toml --rejected-max 200% --out q", "rejected-max must be a share like 5% or 0.05"),
    ("data import my-file mine.csv --mapping mine.toml --set mappnig=x --out q", "unknown option 'mappnig' in my-file; did you mean 'mapping'?"),
    ("data import my-file mine.csv --mapping mine.toml --set mapping=x --out q", "is given mapping twice"),
    ("data import aws-spot mine.csv --mapping mine.toml --out q", "aws-spot takes no --mapping; it takes --rejected-max"),
    ("data import aws-spot mine.csv --out q", "mine.csv: unknown column 'ts_utc' in the file (known: chip, time, usd)"),
    ("data import aws-spott mine.csv --out q", "did you mean 'aws-spot'?"),
    ("data import ccxt --out q", "ccxt needs --set exchange=..., found none: ccxt's id, as gate"),
    ("data import ccxt mine.csv --out q", "ccxt takes no INPUT, found 1"),
    ("data import databento mine.csv --out q", "databento needs --set product=..., found none"),
    ("data import gpu-prices mine.csv --set release-lag=soon --out q", "release-lag must be whole days, found 'soon'"),
    ("data import ccxt --set exchange=gatee --set symbol=a --set product=b --set since=2026-01-01 --set until=2026-01-02 --out q", "ccxt"),
    ("data import recorded none --out q", "recorded: no such file 'none'"),
    ("data import aws-cli mine.csv --out q", "mine.csv: must hold a list 'SpotPriceHistory'"),
    ("data sources aws-spott", "did you mean 'aws-spot'?"),
    ("data check mine.csv", "a tape is a folder, found a file"),
    ("data check . --html page.txt", "--html must name a file that ends in .html, found 'page.txt'"),
    ("data check . --html none/page.html", "--html must name a file in a folder that is there"),
    ("data show mine.csv", "a tape is a folder, found a file"),
])
def test_what_is_wrong_is_said_in_one_line(kilohour, files, line, words):
    before = names(files)
    ended = kilohour(line)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("kilohour: error: ")
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert names(files) == before
