# SPDX-License-Identifier: Apache-2.0
"""What a trader gets wrong, and the one line that says so: parameter, rule, value found, nearest valid choice.

Each row is a command line and a part of the message. All end with exit code 2, say nothing on standard output, and
leave the folder as it was.
"""

import dataclasses
import json
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from kilohour.tape import Tape
from kilohour.tape.schema import Kind
from kilohour.units import NANOS_PER_DAY

NAMES = """
backtest calender-spread --tape tape                             | unknown strategy 'calender-spread'
backtest calender-spread --tape tape                             | did you mean 'calendar-spread'?
backtest calendar-spread --tape tape --set windw=90              | unknown field 'windw' in CalendarSpread; did you mean 'window'?
backtest calendar-spread --tape tape --set gap=1                 | unknown field 'gap' in CalendarSpread
backtest calendar-spread --tape tape --set product=SIM:H10       | unknown product 'SIM:H10' in this tape; did you mean 'SIM:H100'?
backtest calendar-spread --tape tape --assume gpu1-2025          | unknown assumptions 'gpu1-2025'
backtest adoption-momentum --tape energy                         | 'SIM:B200' in this tape
backtest raises.py:Rises --tape tape                             | unknown strategy 'Rises' in raises.py; did you mean 'Raises'?
backtest nowhere.py:Raises --tape tape                           | strategy: no such file 'nowhere.py'
backtest twofold.py --tape tape                                  | twofold.py holds 2 strategies (One, Two): name one
backtest calendar-spread --taep tape                             | No such option: --taep (Possible options:
backtset calendar-spread                                         | No such command 'backtset'
backtest                                                         | Missing argument 'NAME'
sweep calendar-spread --tape tape --set windw=1,2                | did you mean 'window'?
contracts show SIM:H10                                           | unknown product 'SIM:H10' in the registry; did you mean 'SIM:H100'?
contracts show SIM:H100-2027-13                                  | with a month of 01 to 12, found 202713
contracts show SIM:H200-2027-04                                  | SIM:H200
contracts show GPU1Z6                                            | symbol 'GPU1Z6' names one contract in every 10 years
contracts show GPU1Q                                             | unknown contract 'GPU1Q'
contracts list --venue NYMX                                      | unknown venue 'NYMX' in the registry; did you mean 'NYMEX'?
backtest calendar-spread --tape tape --venue nymx                | unknown venue 'nymx' in the shipped tables
backtest calendar-spread --tape tape --venue nymx                | did you mean 'nymex'?
sweep calendar-spread --tape tape --set window=20,30 --venue okex | did you mean 'okx'?
contracts venues sandbok                                         | did you mean 'sandbox'?
data show tape --product SIM:H10                                 | did you mean 'SIM:H100'?
data import energy-stripe strip.csv --out new                    | did you mean 'energy-strip'?
"""

VALUES = """
backtest calendar-spread --tape tape --set window=ninety         | CalendarSpread.window must be a whole number, found 'ninety'
backtest calendar-spread --tape tape --set window=1.5            | CalendarSpread.window must be a whole number, found '1.5'
backtest calendar-spread --tape tape --set entry=nan             | CalendarSpread.entry must be finite, found 'nan'
backtest calendar-spread --tape tape --set entry                 | --set must read field=value, found 'entry'
backtest calendar-spread --tape tape --set lots=1 --set lots=2   | --set gives field 'lots' twice, found '1' and '2'
backtest calendar-spread --tape tape --set lots=0                | lots must be from 1 to 1000000
backtest calendar-spread --tape tape --set near=7                | near must be at least 1 and below far, found near 7, far 4
backtest calendar-spread --tape tape --set window=0              | RollingZ.window must be from 2 to 1024 (its capacity), found 0
backtest calendar-spread --tape tape --cash 0                    | cash must be above 0 and at most 1e12 USD, found 0.0
backtest calendar-spread --tape tape --cash nan                  | cash must be above 0
backtest calendar-spread --tape tape --cash much                 | Invalid value for '--cash'
backtest calendar-spread --tape tape --from yesterday            | from must be a day such as 2024-01-31, found 'yesterday'
backtest calendar-spread --tape tape --from 2031-01-01           | the range must hold at least one bar: from 2031-01-01
backtest calendar-spread --tape tape --from 2026-05-02 --to 2026-05-01 | the range must hold at least one bar
backtest calendar-spread --tape tape --market 7                  | give --tape or --market, not both
backtest calendar-spread --market seven                          | market must be a whole seed, a TOML file, or FILE:SEED, found 'seven'
backtest calendar-spread --market none.toml                      | none.toml does not exist
backtest calendar-spread --market high.toml                      | premium must be between 0 and 1, found 7
backtest calendar-spread --market 99999999999999999999           | the seed must be between 0 and
backtest calendar-spread --tape tape --contracts taken.toml      | taken.toml
backtest calendar-spread --tape tape --fills model=opne          | unknown fill model 'opne'; did you mean 'open'?
backtest calendar-spread --tape tape --fills slippage=1          | unknown fills 'slippage' in --fills
backtest calendar-spread --tape tape --fills latency_ms=soon     | --fills latency_ms must be given a number, found 'latency_ms=soon'
backtest calendar-spread --tape tape --fills model=quote         | the fill model 'quote' needs quotes on the tape (Tape.from_quotes, TapeBuilder.quotes), found none
backtest calendar-spread --tape tape --fills stale_after_s=-1    | stale_after_s must be between 0 and 2.592e+06, found -1.0
backtest calendar-spread --tape tape --cash-rate 4.33            | cash_rate must be a share a year from -1 to 1 with at most six decimals (0.0433 is 4.33 %), found 4.33
backtest calendar-spread --tape tape --cash-rate SOFR           | unknown cash_rate 'SOFR' in this tape
backtest calendar-spread --tape tape --fills slippage_ticks=-1   | slippage_ticks must be between 0 and 1e+06, found -1.0
backtest calendar-spread --tape tape --limits nowhere.toml       | nowhere.toml: cannot be read (No such file or directory)
sweep calendar-spread --tape tape --set window=20,30 --limits raises.py | raises.py: is not TOML
backtest calendar-spread --tape tape --venue none.toml           | none.toml: cannot be read
backtest calendar-spread --tape tape --venue hole.toml           | hole.toml: feature 'market' is missing; write "unknown"
backtest calendar-spread --tape tape --venue coy.toml            | coy.toml: feature 'stop': a refusal must have the venue's reason code
backtest calendar-spread --tape tape --venue odd.toml            | unknown term 'stop_lmit' in odd.toml: features; did you mean 'stop_limit'?
contracts venues maybe.toml                                      | term 'stop' must be one of accepted, emulated, refused, found 'maybe'
contracts venues taken.toml                                      | taken.toml: title is missing
backtest calendar-spread --tape tape --out notes                 | a run is only written to a new folder, an empty one, or over a run
backtest calendar-spread --tape tape --out tape                  | a run is only written to a new folder
sweep calendar-spread --tape tape --set window=20:120            | CalendarSpread.window: a range must read start:stop:step, found '20:120'
sweep calendar-spread --tape tape --set window=20:120:-5         | the step of a range must lead from start to stop
sweep calendar-spread --tape tape --set window=20:120:0          | the step of a range must lead from start to stop
sweep calendar-spread --tape tape --set window=20:40:2.5         | CalendarSpread.window must be a whole number, found '22.5'
sweep calendar-spread --tape tape --set entry=0:1e9:0.001        | a range must have at most 1,000,000 values
sweep calendar-spread --tape tape                                | a sweep needs at least one parameter
sweep calendar-spread --tape tape --set window=20,30 --out-of-sample 100% | from 0% to below 100%, found '100%'
sweep calendar-spread --tape tape --set window=20,30 --out-of-sample some | out-of-sample must be a share
sweep calendar-spread --tape tape --set window=20,30 --cores 0   | Invalid value for '--cores'
sweep calendar-spread --tape tape --set near=8,9                 | near must be at least 1 and below far
new strategy 9lives                                              | name must be words of letters and digits such as my-idea, found '9lives'
new strategy raises                                              | raises.py exists: an existing file is never overwritten
new strategy idea --dir nowhere                                  | dir must be a folder that exists, found 'nowhere'
"""

DATA = """
backtest calendar-spread --tape nowhere                          | nowhere: a tape is a folder, found nothing there
backtest calendar-spread --tape notes                            | a tape needs this file, found none
backtest calendar-spread --tape version-0                        | schema version must be 1, found 0
backtest calendar-spread --tape changed                          | column 'close' must have sha256
backtest calendar-spread --tape edited                           | was changed after it was written
data show changed                                                | column 'close' must have sha256
data check version-0                                             | schema version must be 1, found 0
data check nowhere                                               | a tape is a folder, found nothing there
backtest settles.py:Settles --tape no-print                      | SIM:H100-2026-05: missing_day = refuse needs a print of SIM-H100
backtest calendar-spread --tape no-print                         | known by the settlement at 2026-06-01 14:00: found none for 2026-05-13
backtest calendar-spread --tape no-print                         | data check
backtest calendar-spread --tape no-print --json                  | leave the window out (--from, --to): SIM:H100 says missing_day itself
backtest generation-roll --tape no-print                         | found none for 2026-05-13, and
sweep calendar-spread --tape no-print --set window=20,30         | found none for 2026-05-13
backtest calendar-spread --tape unassumed --set product=NYMEX:CL | NYMEX:CL: term
backtest calendar-spread --tape unassumed --set product=NYMEX:CL | fill it with the assumptions energy (--assume energy)
data import energy-strip strip.csv --out new                     | energy-strip needs --expiries FILE, found none
data import energy-strip none.csv --expiries expiries.csv --out new | no such file 'none.csv'
data import energy-strip strip.csv strip.csv --expiries expiries.csv --out new | energy-strip takes one INPUT, found 2
data import energy-strip strip.csv --expiries expiries.csv --carry last --out new | takes no --carry; it takes --expiries
data import energy-strip expiries.csv --expiries expiries.csv --out new | expiries.csv: unknown column 'date' in the file
data import energy-strip word.csv --expiries expiries.csv --out new | at most 5% of the rows may be refused
data import energy-strip infinite.csv --expiries expiries.csv --rejected-max 0% --out new | column 'settle'
data import energy-strip twice.csv --expiries expiries.csv --out new | column 'settle': another settlement of the same contract and time, found 51.0
data import energy-strip late.csv --expiries expiries.csv --out new | after the contract's last trade
data import energy-strip strip.csv --expiries expiries.csv --out notes | a tape is only written to a new folder
data embedded 7 --out notes                                      | a tape is only written to a new folder
report nowhere                                                   | a run folder must hold manifest.json, found none in nowhere
report tape                                                      | tape
report raises.py                                                 | a run folder must hold manifest.json, found none in raises.py
"""

STRATEGIES = """
backtest power.py:Power --tape tape                              | power.py:8: 'x ** 2' cannot be compiled: ** rounds differently
backtest power.py:Power --tape tape                              | or run it in CPython with --interpreted
backtest plain.py:Plain --tape tape                              | a strategy must be a class that derives from kilohour.Strategy
backtest idle.py:Idle --tape tape                                | Idle has no on_bar(self, desk)
"""


def rows(table):
    return [tuple(part.strip() for part in line.split(" | ")) for line in table.splitlines() if line]


STRATEGY = """from kilohour import Product, Strategy, product


class {name}(Strategy):
    product: Product = product("SIM:H100")

    def on_bar(self, desk):
        {line}
"""
HEADER = "root,date,contract,settle\n"
GOOD = "".join(f"CL,2020-03-{day:02d},20200{month},{50 + month - day}\n" for day in (2, 3, 4) for month in (4, 5, 6))
FILES = {
    "raises.py": STRATEGY.format(name="Raises", line="x = 1.0 / (desk.price(0) - desk.price(0))\n        desk.record('x', x)"),
    "power.py": STRATEGY.format(name="Power", line="x = desk.price(0); desk.record('x', x ** 2)"),
    "settles.py": STRATEGY.format(name="Settles", line="desk.target(4, 1)"),
    "twofold.py": "from kilohour import Strategy\n\n\nclass One(Strategy):\n    pass\n\n\nclass Two(Strategy):\n    pass\n",
    "idle.py": "from kilohour import Strategy\n\n\nclass Idle(Strategy):\n    pass\n",
    "plain.py": "class Plain:\n    pass\n",
    "broken.py": "import kilohour\n\nanswer = 1 / 0\n",
    "high.toml": "premium = 7.0\n",
    "taken.toml": "colour = 1\n",
    "hole.toml": 'title = "A hole"\n[features]\nlimit = { value = "accepted", source = "our own" }\n',
    "coy.toml": 'title = "Coy"\nlike = "ax"\n[features]\nstop = { value = "refused", source = "our own" }\n',
    "odd.toml": 'title = "Odd"\nlike = "ax"\n[features]\nstop_lmit = { value = "accepted", source = "our own" }\n',
    "maybe.toml": 'title = "Maybe"\nlike = "ax"\n[features]\nstop = { value = "maybe", source = "our own" }\n',
    "notes/mine.txt": "do not lose this\n",
    "strip.csv": HEADER + GOOD,
    "twice.csv": HEADER + GOOD + "CL,2020-03-03,202005,51\n",
    "late.csv": HEADER + GOOD + "CL,2020-03-30,202004,51\n",
    "word.csv": HEADER + GOOD + "CL,2020-03-05,202005,cheap\n",
    "infinite.csv": HEADER + GOOD + "CL,2020-03-05,202005,inf\n",
    "expiries.csv": "root,contract,last_trade\nCL,202004,2020-03-20\nCL,202005,2020-04-21\nCL,202006,2020-05-19\n",
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, tape, tape_folder):
    """A folder with good and bad tapes, strategies and tables."""
    from kilohour.datafeeds.energy import import_strip

    folder = tmp_path_factory.mktemp("bad")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("tape", "version-0", "changed", "edited"):
        shutil.copytree(tape_folder, folder / name)
    rewrite(folder / "version-0", schema_version=0)
    rewrite(folder / "edited", source="somebody else")
    events = pq.read_table(folder / "changed" / "events.parquet")
    close = events["close"].to_numpy().copy()
    close[1000] += 1
    place = events.schema.get_field_index("close")
    pq.write_table(events.set_column(place, "close", [close]), folder / "changed" / "events.parquet")
    without_print(tape).save(folder / "no-print")
    import_strip(folder / "strip.csv", folder / "expiries.csv", folder / "energy")
    energy = Tape.load(folder / "energy")
    dataclasses.replace(energy, assumptions=(), sha256="").save(folder / "unassumed")
    return folder


def rewrite(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}), encoding="utf-8")


def without_print(tape: Tape) -> Tape:
    """The tape without any print of 2026-05-13, a fixing day of the May contract."""
    day = int(np.datetime64("2026-05-13", "D").astype(np.int64))
    gone = (tape.events["kind"] == Kind.PRINT) & (tape.events["ts_event"] // NANOS_PER_DAY == day)
    assert gone.any()
    events = {name: column[~gone] for name, column in tape.events.items()}
    return dataclasses.replace(tape, events=events, sha256="")


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))
            if "__pycache__" not in path.parts}


@pytest.mark.parametrize(("line", "fragment"), rows(NAMES + VALUES + DATA + STRATEGIES))
def test_one_line_says_what_is_wrong_and_nothing_is_written(kilohour, prepared, monkeypatch, line, fragment):
    monkeypatch.chdir(prepared)
    before = contents(prepared)
    ended = kilohour(line)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("kilohour: error: ")
    assert ended.err.count("\n") == 1
    assert fragment in ended.err
    assert contents(prepared) == before


@pytest.mark.parametrize("way", ["", " --interpreted", " --json"])
def test_a_strategy_that_raises_shows_the_users_lines_only(kilohour, prepared, monkeypatch, way):
    monkeypatch.chdir(prepared)
    before = contents(prepared)
    ended = kilohour("backtest raises.py:Raises --tape tape" + way)
    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.splitlines()
    assert re.fullmatch(r"kilohour: error: Raises raised at 2026-01-\d\d \d\d:\d\d UTC", lines[0])
    assert lines[-1].startswith("ZeroDivisionError")
    assert "x = 1.0 / (desk.price(0) - desk.price(0))" in ended.err
    files = re.findall(r'File "([^"]+)", line (\d+)', ended.err)
    assert [(name.rsplit("/", 1)[-1], number) for name, number in files] == [("raises.py", "8")]
    assert contents(prepared) == before


def test_a_file_that_fails_while_it_is_read_shows_the_users_lines_only(kilohour, prepared, monkeypatch):
    monkeypatch.chdir(prepared)
    ended = kilohour("backtest broken.py --tape tape --json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("kilohour: error: broken.py failed while it was read\n")
    assert re.findall(r'File "[^"]*?([^"/]+)", line (\d+)', ended.err) == [("broken.py", "3")]


def test_a_file_with_a_syntax_error_names_its_line(kilohour, here, tape_folder):
    (here / "typo.py").write_text("x = (\n", encoding="utf-8")
    ended = kilohour(f"backtest typo.py --tape {tape_folder}")
    assert ended.code == 2
    assert ended.err.startswith("kilohour: error: typo.py failed while it was read\n")
    assert "line 1" in ended.err
    assert "SyntaxError" in ended.err


def test_a_name_of_a_field_that_the_run_needs_itself_is_refused(kilohour, here, tape_folder):
    (here / "own.py").write_text(STRATEGY.format(name="Own", line="pass").replace("    def", "    cash: int = 1\n\n    def"),
                                 encoding="utf-8")
    ended = kilohour(f"backtest own.py:Own --tape {tape_folder} --set cash=2")
    assert ended.code == 2
    assert "a field cannot have the name of an argument" in ended.err
