# SPDX-License-Identifier: Apache-2.0
"""``kilohour data continuous``: for a person, for a machine, and as CSV."""

import csv
import json


def test_a_series_for_a_person_for_a_machine_and_as_csv(kilohour, here, tape_folder):
    told = kilohour(f"data continuous SIM:H100 --tape {tape_folder} --csv h100.csv")
    assert told.code == 0
    assert told.out.startswith("SIM:H100-CONTINUOUS: ")
    assert "for indicators and plots only" in told.out
    found = json.loads(kilohour(f"data continuous SIM:H100 --tape {tape_folder} --json").out)
    rows = list(csv.DictReader((here / "h100.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["day"] for row in rows] == [row["day"] for row in found["series"]]
    assert [float(row["price"]) for row in rows] == [row["price"] for row in found["series"]]
    assert sum(row["rolled"] == "True" for row in rows) == found["rolls"]
    assert len({row["contract"] for row in rows}) == found["rolls"] + 1
    assert found["series"][-1]["price"] == found["series"][-1]["mark"]


def test_what_is_wrong_is_named_in_one_line(kilohour, tape_folder):
    for words, told in (("SIM:H10", "did you mean 'SIM:H100'?"), ("SIM:H100 --method panama", "unknown method 'panama'"),
                        ("SIM:H100 --days 900", "days must be from 0 to 365, found 900")):
        ended = kilohour(f"data continuous {words} --tape {tape_folder}")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert told in ended.err


def test_a_backtest_on_it_is_refused(kilohour, tape_folder):
    ended = kilohour(f"backtest calendar-spread --tape {tape_folder} --set product=SIM:H100-CONTINUOUS")
    assert ended.code == 2
    assert "SIM:H100-CONTINUOUS is a continuous series, for indicators and plots" in ended.err
