# SPDX-License-Identifier: Apache-2.0
"""The other commands: what they print for a person and for a machine, and what they write."""

import dataclasses
import json
import shutil
from fractions import Fraction

import numpy as np
import pytest

from kilohour.cli import doctor
from kilohour.tape import Tape
from kilohour.tape.doubts import doubts
from kilohour.tape.schema import Kind
from kilohour.units import NANOS_PER_DAY

STRIP = "root,date,contract,settle\n" + "".join(
    f"CL,2020-03-{day:02d},20200{month},{50 + month - day}\n" for day in (2, 3, 4) for month in (4, 5, 6)
)
EXPIRIES = "root,contract,last_trade\nCL,202004,2020-03-20\nCL,202005,2020-04-21\nCL,202006,2020-05-19\n"


def loaded(ended):
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count("\n") == 1
    return json.loads(ended.out)


# sweep


def test_a_sweep_counts_every_trial_and_writes_its_report(kilohour, here, tape_folder):
    line = f"sweep calendar-spread --tape {tape_folder} --set window=20:60:20 --set entry=1,1.5 --set lots=5 --cores 1 --json"
    result = loaded(kilohour(line + " --out-of-sample 30%"))
    assert result["trials"] == 6
    assert result["grid"] == {"window": [20, 40, 60], "entry": [1.0, 1.5]}
    assert result["parameters"] == {"lots": 5}
    assert result["out_of_sample"] == pytest.approx(0.3)
    assert (here / "runs" / "calendar-spread-sweep" / "report.html").is_file()


def test_a_sweep_of_one_trial_is_the_backtest(kilohour, here, tape_folder):
    swept = loaded(kilohour(f"sweep calendar-spread --tape {tape_folder} --set window=20,40 --cores 1 --json"))
    run = loaded(kilohour(f"backtest calendar-spread --tape {tape_folder} --set window={swept['best']['window']} --json"))
    assert swept["best"]["net_usd"] == pytest.approx(run["net_usd"], abs=1e-6)
    assert swept["best"]["fills"] == run["fills"]


def test_a_sweep_prints_a_table(kilohour, here, tape_folder):
    ended = kilohour(f"sweep calendar-spread --tape {tape_folder} --set window=20,40 --out swept")
    assert ended.code == 0
    assert "Best window" in ended.out
    assert ended.out.splitlines()[-1].startswith("report: swept")


# contracts


def test_contracts_venues_are_side_by_side_and_one_by_one(kilohour):
    found = {venue["name"]: venue for venue in loaded(kilohour("contracts venues --json"))["venues"]}
    assert list(found) == ["ax", "gate", "nymex", "okx", "sandbox"]
    assert loaded(kilohour("contracts venues ax --json")) == found["ax"]
    assert found["ax"]["features"]["fok"]["code"] == "INCORRECT_ORDER_TYPE"
    assert found["nymex"]["features"]["post_only"] == {**found["nymex"]["features"]["post_only"], "state": "refused", "known": False,
                                                       "code": "unknown"}
    lines = kilohour("contracts venues").out.splitlines()
    assert ["fok", "refused", "accepted", "accepted", "accepted", "accepted"] in [line.split() for line in lines]
    assert "INVALID_PRICE_INCREMENT" in kilohour("contracts venues ax").out


def test_contracts_lists_every_product_and_one_venue(kilohour):
    found = loaded(kilohour("contracts list --json"))["products"]
    assert {"SIM:H100", "NYMEX:GPU1", "NYMEX:CL", "AX:NVDA-H100"} <= {row["code"] for row in found}
    ours = loaded(kilohour("contracts list --venue SIM --json"))["products"]
    assert [row["code"] for row in ours] == ["SIM:B200", "SIM:B300", "SIM:H100", "SIM:H100PERP", "SIM:H200"]
    assert kilohour("contracts").out == kilohour("contracts list").out
    assert "NYMEX:GPU2" in kilohour("contracts").out


def test_a_product_shows_each_term_with_its_source_and_who_assumed_it(kilohour):
    known = loaded(kilohour("contracts show NYMEX:GPU1 --json"))["terms"]
    filled = loaded(kilohour("contracts show NYMEX:GPU1 --assume gpu1-2026 --json"))["terms"]
    assert Fraction(known["lot"]["value"]) == 730  # the CFTC filing of June 2026
    assert known["margin_initial_ppm"]["value"] == "unknown"
    assert known["margin_initial_ppm"]["assumed_by"] is None
    assert filled["margin_initial_ppm"]["assumed_by"] == "gpu1-2026"
    assert all(term["source"] for term in filled.values())
    assert "assumed by" in kilohour("contracts show NYMEX:GPU1 --assume gpu1-2026").out


def test_a_contract_shows_its_days(kilohour):
    days = loaded(kilohour("contracts show SIM:H100-2026-05 --json"))["contract"]
    # May 2026 has 20 business days: 21 weekdays less Memorial Day, the 25th.
    assert len(days["fixing_days"]) == 20
    assert "2026-05-25" not in days["fixing_days"]
    assert days["last_trade"] == "2026-05-29T20:00:00Z"
    assert loaded(kilohour("contracts show SH100K26 --near 2026 --json"))["contract"] == days
    assert "20 days, 2026-05-01 to 2026-05-29" in kilohour("contracts show SIM:H100-2026-05").out


def test_a_perpetual_never_ends(kilohour):
    days = loaded(kilohour("contracts show GATE:H100-PERP --json"))["contract"]
    assert days["last_trade"] is None
    assert days["fixing_days"] == []


# data


def test_a_strip_is_imported_shown_and_checked(kilohour, here):
    (here / "strip.csv").write_text(STRIP, encoding="utf-8")
    (here / "expiries.csv").write_text(EXPIRIES, encoding="utf-8")
    done = kilohour("data import energy-strip strip.csv --expiries expiries.csv --out new/energy")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "tape: new/energy"
    shown = loaded(kilohour("data show new/energy --product NYMEX:CL --json"))
    assert shown["kinds"]["bar"] == 9
    assert [row["code"] for row in shown["contract_list"]] == [f"NYMEX:CL-2020-0{month}" for month in (4, 5, 6)]
    assert shown["products"] == [{"code": "NYMEX:CL", "contracts": 3, "bars": 9, "first": "2020-03-02", "last": "2020-03-04"}]
    assert any("physical delivery is modelled as cash" in note for note in shown["notes"])
    assert "NYMEX:CL-2020-05" in kilohour("data show new/energy --product NYMEX:CL").out
    assert kilohour("data check new/energy").code == 0


def test_an_import_that_fails_leaves_nothing(kilohour, here):
    (here / "strip.csv").write_text(STRIP + "CL,2020-03-05,202005,-37.63\nCL,2020-03-05,202005,1\n", encoding="utf-8")
    (here / "expiries.csv").write_text(EXPIRIES, encoding="utf-8")
    ended = kilohour("data import energy-strip strip.csv --expiries expiries.csv --out new/energy")
    assert (ended.code, ended.out) == (2, "")
    assert sorted(path.name for path in here.iterdir()) == ["expiries.csv", "strip.csv"]


def test_the_embedded_market_is_written_as_a_tape(kilohour, here):
    (here / "small.toml").write_text('first = "2026-01-02"\nlast = "2026-03-31"\n', encoding="utf-8")
    assert kilohour("data embedded small.toml:5 --out five").code == 0
    shown = loaded(kilohour("data show five --json"))
    assert shown["source"] == "embedded market, seed 5"
    assert sum(shown["kinds"].values()) == shown["events"] == len(Tape.load(here / "five"))


def test_a_check_grades_what_it_finds(kilohour, here, tape):
    day = int(np.datetime64("2026-05-13", "D").astype(np.int64))
    gone = (tape.events["kind"] == Kind.PRINT) & (tape.events["ts_event"] // NANOS_PER_DAY == day)
    events = {name: column[~gone] for name, column in tape.events.items()}
    dataclasses.replace(tape, events=events, sha256="").save("holed")
    ended = kilohour("data check holed --json")
    found = json.loads(ended.out)
    assert (ended.code, ended.err) == (1, "")
    errors = [row for row in found["findings"] if row["grade"] == "error"]
    assert found["errors"] == len(errors) > 0
    assert {(row["rule"], row["day"]) for row in errors} == {("missing print", "2026-05-13")}
    assert kilohour("data check holed").out.splitlines()[-1].startswith(f"{len(errors)} errors, ")


def test_a_sound_tape_checks_without_errors(kilohour, tape_folder):
    ended = kilohour(f"data check {tape_folder}")
    assert ended.code == 0
    assert ended.out.splitlines()[-1].startswith("0 errors, ")
    assert doubts(Tape.load(tape_folder)) == []


# new, report, doctor


def test_a_new_strategy_runs_at_once_compiled_and_trades(kilohour, here, tape_folder):
    ended = kilohour("new strategy my-idea")
    assert ended.out == "wrote ./my_idea.py\nnext:  kilohour backtest ./my_idea.py:MyIdea\n"
    text = (here / "my_idea.py").read_text(encoding="utf-8")
    result = loaded(kilohour(f"backtest ./my_idea.py:MyIdea --tape {tape_folder} --set fast=10 --set slow=40 --json"))
    manifest = json.loads((here / "runs" / "MyIdea" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["face"] == "compiled"
    assert result["fills"] > 10
    assert result["refused"] == 0
    assert kilohour("new strategy my-idea").code == 2
    assert (here / "my_idea.py").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("name", "file", "class_name"), [
    ("carry", "carry.py", "Carry"), ("my_idea", "my_idea.py", "MyIdea"), ("MyIdea", "my_idea.py", "MyIdea"),
    ("h100 roll", "h100_roll.py", "H100Roll"),
])  # fmt: skip
def test_names_of_new_strategies(kilohour, here, name, file, class_name):
    (here / "ideas").mkdir()
    assert kilohour(f"new strategy '{name}' --dir ideas").code == 0
    text = (here / "ideas" / file).read_text(encoding="utf-8")
    assert f"class {class_name}(Strategy):" in text
    assert "MyIdea" not in text or class_name == "MyIdea"


def test_a_report_is_made_again_from_the_folder(kilohour, here, tape_folder):
    kilohour(f"backtest calendar-spread --tape {tape_folder} --out one")
    first = (here / "one" / "report.html").read_bytes()
    (here / "one" / "report.html").unlink()
    shutil.move("one", "moved")
    assert kilohour("report moved").out == "report: moved/report.html\n"
    assert len((here / "moved" / "report.html").read_bytes()) == pytest.approx(len(first), abs=200)


def test_the_doctor_finds_all_well_here(kilohour):
    found = loaded(kilohour("doctor --json"))
    assert found["ok"] is True
    assert found["problems"] == []
    assert all(found["versions"].values())
    assert kilohour("doctor").out.splitlines()[-1] == "all is well"


def test_the_doctor_says_what_is_missing_and_fails(kilohour, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", (*doctor.NEEDED, "a-package-nobody-made"))
    monkeypatch.setattr(doctor, "FOLDERS", (*doctor.FOLDERS, "nowhere"))
    ended = kilohour("doctor")
    assert ended.code == 2
    assert "problem: a-package-nobody-made is needed and not installed" in ended.out
    assert "problem: the folder kilohour/nowhere is missing" in ended.out
