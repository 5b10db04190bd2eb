# SPDX-License-Identifier: Apache-2.0
"""``kilohour backtest``: what it prints, what it writes, and that it is the run of ``kilohour.backtest``."""

import json
import os
import subprocess
import sys
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import mean, stdev

import pyarrow.parquet as pq
import pytest

import kilohour as kh
from kilohour.backtests import prepare
from kilohour.cli import options, source
from kilohour.tape.schema import Kind

# The keys of the issue, written out: "JSON of a run".
KEYS = """
run strategy parameters tape assumptions start end events bars orders refused fills lots_traded settlements
fees_usd fees_micros net_usd net_micros equity_start_usd equity_start_micros equity_end_usd equity_end_micros
max_drawdown_usd max_drawdown_micros max_drawdown sharpe margin_peak_usd margin_peak_micros margin_calls
seconds bars_per_second report
"""


def test_json_is_one_object_with_every_key_and_nothing_else_on_standard_output(kilohour, here, tape_folder):
    ended = kilohour(f"backtest calendar-spread --tape {tape_folder} --json")
    result = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "")
    assert set(result) == set(KEYS.split())
    assert set(result["seconds"]) == {"load", "compile", "run", "report"}
    assert Path(result["report"]).is_file()


def test_the_books_of_the_run_folder_add_up_to_the_result(kilohour, here, tape_folder):
    result = json.loads(kilohour(f"backtest calendar-spread --tape {tape_folder} --set entry=1 --json").out)
    ledger = pq.read_table(here / "runs" / "calendar-spread" / "ledger.parquet")
    assert sum(ledger["micros"].to_pylist()) == result["net_micros"] != 0
    assert result["equity_end_micros"] - result["equity_start_micros"] == result["net_micros"]


HOLDS = """
from kilohour import Product, Strategy, product


class Holds(Strategy):
    product: Product = product("SIM:H100")

    def on_bar(self, desk):
        near = desk.nth(self.product, 1)
        if desk.position(near) == 0:
            desk.target(near, 10)
        desk.limit(near, 1, 1.234567)
"""


def test_every_figure_is_what_the_tables_of_the_run_say(kilohour, here, tape, tape_folder):
    """Lots held into each settlement, a refusal a bar, margin calls: counted and added up here in plain Python."""
    (here / "holds.py").write_text(HOLDS, encoding="utf-8")
    r = json.loads(kilohour(f"backtest holds.py:Holds --tape {tape_folder} --cash 4000 --out run --json").out)
    rows = {file.stem: pq.read_table(file).to_pylist() for file in (here / "run").glob("*.parquet")}
    orders = {row["order"]: row["status"] for row in rows["orders"]}
    refused = sum(status == "refused" for status in orders.values())
    assert (r["orders"], r["refused"]) == (len(orders) - refused, refused)
    assert (r["fills"], r["settlements"]) == (len(rows["fills"]), len(rows["settlements"]))
    assert r["lots_traded"] == sum(abs(row["lots"]) for row in rows["fills"])
    assert r["fees_micros"] == -sum(row["micros"] for row in rows["ledger"] if row["kind"].endswith("fee"))
    assert r["net_micros"] == sum(row["micros"] for row in rows["ledger"]) == r["equity_end_micros"] - r["equity_start_micros"]
    assert (r["equity_start_micros"], r["margin_peak_micros"]) == (4_000_000_000, max(row["margin_initial_micros"] for row in rows["equity"]))
    path = [4_000_000_000, *(row["equity_micros"] for row in rows["equity"])]
    falls = [(peak - now, (peak - now) / peak) for peak, now in zip(accumulate(path, max), path, strict=True)]
    assert (r["max_drawdown_micros"], r["max_drawdown"]) == (max(f[0] for f in falls), pytest.approx(max(f[1] for f in falls)))
    changes = [b - a for a, b in pairwise(path)]  # one mark a day
    assert r["sharpe"] == pytest.approx(mean(changes) / stdev(changes) * 252**0.5)
    assert r["margin_calls"] == 1 <= sum(row["origin"] == "liquidation" for row in rows["orders"])
    assert min(r["refused"], r["settlements"], r["fees_micros"]) > 0
    of = [tape.contracts[ref].product == "SIM:H100" for ref in tape.events["ref"][tape.events["kind"] == Kind.BAR]]
    assert (r["bars"], r["start"], r["end"]) == (sum(of), "2026-01-02T20:00:00Z", "2027-06-30T20:15:00Z")
    for name in ("fees", "net", "equity_start", "equity_end", "max_drawdown", "margin_peak"):
        assert r[f"{name}_usd"] == r[f"{name}_micros"] / 1e6


def test_the_command_gives_what_the_python_function_gives(kilohour, here, tape, tape_folder):
    line = f"backtest calendar-spread --tape {tape_folder} --set window=30 --set entry=1.5 --cash 250000 --cash-rate 0.0433 --to 2026-12-31 --json"
    told = json.loads(kilohour(line).out)
    run = kh.backtest("calendar-spread", tape, window=30, entry=1.5, cash=250_000, cash_rate=0.0433, end="2026-12-31")
    timed = {"seconds", "bars_per_second", "report"}
    assert {k: v for k, v in told.items() if k not in timed} == {k: v for k, v in run.result.items() if k not in timed}
    assert told["parameters"]["window"] == 30
    assert told["end"] < "2027"


def test_the_table_ends_with_the_path_of_the_report(kilohour, here, tape_folder):
    ended = kilohour(f"backtest calendar-spread --tape {tape_folder} --out first")
    assert ended.code == 0
    assert "Net profit" in ended.out
    assert ended.out.splitlines()[-1] == f"report: {os.path.join('first', 'report.html')}"
    assert "<html" in (here / "first" / "report.html").read_text(encoding="utf-8")[:200]


def test_runs_without_out_are_numbered_and_a_named_one_is_written_again(kilohour, here, tape_folder):
    for _ in range(2):
        kilohour(f"backtest calendar-spread --tape {tape_folder} --json")
    for _ in range(2):
        assert kilohour(f"backtest calendar-spread --tape {tape_folder} --out runs/mine --json").code == 0
    assert sorted(path.name for path in (here / "runs").iterdir()) == ["calendar-spread", "calendar-spread-2", "mine"]


def test_what_a_strategy_prints_stays_out_of_the_json(kilohour, here, tape_folder):
    (here / "chatty.py").write_text(
        "from kilohour import Strategy, Product, product\n\n\n"
        "class Chatty(Strategy):\n"
        "    product: Product = product('SIM:H100')\n\n"
        "    def on_bar(self, desk):\n"
        "        print('a bar')\n",
        encoding="utf-8",
    )
    ended = kilohour(f"backtest chatty.py:Chatty --tape {tape_folder} --interpreted --to 2026-02-01 --json")
    assert json.loads(ended.out)["strategy"] == "Chatty"
    assert ended.err.startswith("a bar\n")


def test_compiled_and_interpreted_give_one_result(kilohour, here, tape_folder):
    line = f"backtest calendar-spread --tape {tape_folder} --set entry=1 --to 2026-09-30 --json"
    timed = {"seconds", "bars_per_second", "report", "run"}
    compiled, interpreted = (json.loads(kilohour(line + extra).out) for extra in ("", " --interpreted"))
    assert compiled["fills"] > 0
    assert {k: v for k, v in compiled.items() if k not in timed} == {k: v for k, v in interpreted.items() if k not in timed}


def test_the_embedded_market_is_made_once_and_kept(kilohour, here, monkeypatch):
    (here / "small.toml").write_text('first = "2026-01-02"\nlast = "2026-12-30"\n', encoding="utf-8")
    monkeypatch.setattr("kilohour.kernels.cache_root", lambda: here / "cache")
    first = json.loads(kilohour("backtest calendar-spread --market small.toml:3 --json").out)
    markets = list((here / "cache" / "markets").iterdir())
    monkeypatch.setattr("kilohour.datafeeds.embedded.EmbeddedMarket.tape", lambda _: pytest.fail("made twice"))
    again = json.loads(kilohour("backtest calendar-spread --market small.toml:3 --json").out)
    assert len(markets) == 1
    assert first["tape"] == again["tape"] == "embedded market, seed 3"
    assert first["net_micros"] == again["net_micros"]


def test_a_damaged_market_in_the_cache_is_made_again(here, monkeypatch):
    (here / "small.toml").write_text('first = "2026-01-02"\nlast = "2026-06-30"\n', encoding="utf-8")
    monkeypatch.setattr("kilohour.kernels.cache_root", lambda: here / "cache")
    folder = source.tape_of(None, "small.toml:3", None)
    assert isinstance(folder, Path)
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    assert source.tape_of(None, "small.toml:3", None) == folder
    assert kh.Tape.load(folder).source == "embedded market, seed 3"


def test_each_seed_and_each_configuration_has_a_place_of_its_own(here):
    (here / "small.toml").write_text("premium = 0.02\n", encoding="utf-8")
    keys = {source.key_of(source.market_named(name)) for name in (None, "7", "8", "small.toml", "small.toml:8")}
    assert len(keys) == 4


def test_the_default_cash_of_the_command_is_that_of_the_function():
    assert options.CASH_USD == prepare.CASH_USD


def test_ctrl_c_ends_with_130_and_leaves_nothing(kilohour, here, tape_folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kilohour.backtests.backtest.play", interrupt)
    ended = kilohour(f"backtest calendar-spread --tape {tape_folder}")
    assert (ended.code, ended.out, ended.err) == (130, "", "kilohour: interrupted\n")
    assert list(here.iterdir()) == []


def test_ctrl_c_while_the_report_is_written_leaves_no_half_of_a_run(kilohour, here, tape_folder, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kilohour.reports.report.write_report", interrupt)
    assert kilohour(f"backtest calendar-spread --tape {tape_folder}").code == 130
    assert list(here.iterdir()) == []


def test_a_mistake_of_ours_shows_its_traceback_and_ends_with_70(kilohour, here, tape_folder, monkeypatch):
    def fail(*_):
        raise KeyError("nothing")

    monkeypatch.setattr("kilohour.backtests.backtest.play", fail)
    ended = kilohour(f"backtest calendar-spread --tape {tape_folder} --json")
    assert (ended.code, ended.out) == (70, "")
    assert "Traceback" in ended.err
    assert "please report" in ended.err.splitlines()[-1]
    assert list(here.iterdir()) == []


def test_the_command_runs_as_a_process(here, tape_folder, environment):
    line = [sys.executable, "-m", "kilohour", "backtest", "calendar-spread", "--tape", str(tape_folder), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["strategy"] == "calendar-spread"
