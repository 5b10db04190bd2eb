# SPDX-License-Identifier: Apache-2.0
"""``kilohour data adoption``: a series on a tape or in a file, fitted as it was known."""

from __future__ import annotations

import json
import math


def users(folder):
    """A logistic without noise: ceiling 1000, rate 1.2, midpoint two years after the first month end."""
    rows = ["date,metric,value"]
    for k in range(48):
        year, month = 2020 + k // 12, k % 12 + 1
        t = k / 12.0
        rows.append(f"{year}-{month:02d}-15,users,{1000 / (1 + math.exp(-1.2 * (t - 2))):.9f}")
    (folder / "users.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_a_file_is_fitted_as_known_and_drawn(kilohour, here):
    users(here)
    done = kilohour("data adoption users --file users.csv --on 2023-06-30 --launch 2019-12-01 --html page.html --json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["values"] == 41, "May 15 is known on June 29, June 15 is not"
    logistic = found["fits"][0]
    assert logistic["curve"] == "logistic"
    assert abs(logistic["ceiling"] - 1000) < 25
    assert [fit["curve"] for fit in found["fits"]] == ["logistic", "gompertz", "bass"]
    page = (here / "page.html").read_text(encoding="utf-8")
    assert "came later" in page
    assert len(page) < 6_000_000


def test_a_series_of_the_tape_is_a_table(kilohour, tape_folder):
    done = kilohour(f"data adoption SIM-ADOPTION --tape {tape_folder} --on 2026-12-31")
    assert done.code == 0, done.err
    assert "SIM-ADOPTION on 2026-12-31" in done.out
    assert "no Bass curve" in done.out


def test_unknown_names_are_one_line(kilohour, tape_folder, here):
    users(here)
    assert "unknown metric 'usrs' in users.csv; did you mean 'users'" in kilohour("data adoption usrs --file users.csv --on 2023-06-30").err
    assert "unknown series 'SIM-ADOPT'" in kilohour(f"data adoption SIM-ADOPT --tape {tape_folder} --on 2026-12-31").err
    both = kilohour(f"data adoption users --file users.csv --tape {tape_folder} --on 2023-06-30")
    assert (both.code, both.err) == (2, "kilohour: error: give --file or a tape, not both, found --file users.csv\n")
