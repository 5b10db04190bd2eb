# SPDX-License-Identifier: Apache-2.0
"""``kilohour check``: exit codes, the table and the object."""

from __future__ import annotations

import json

LEAKY = '''
import kilohour as kh

kept = []


class Leaky(kh.Strategy):
    interpreted = True
    chip: kh.Product = kh.product("SIM:H100")

    def on_bar(self, desk):
        kept.append(desk.now)
        desk.target(desk.nth(self.chip, 3), len(kept) % 4)
'''


def test_a_clean_strategy_ends_with_0(kilohour, tape_folder, here):
    done = kilohour(f"check calendar-spread --tape {tape_folder} --cuts 1 --json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["clean"] is True
    assert found["findings"] == []
    assert found["decisions"] > 100
    assert len(found["memory"]) == 2


def test_a_leak_ends_with_1_and_is_named(kilohour, tape_folder, here):
    (here / "leaky.py").write_text(LEAKY, encoding="utf-8")
    done = kilohour(f"check leaky.py:Leaky --tape {tape_folder} --cuts 1")
    assert done.code == 1
    assert "repeat" in done.out
    found = kilohour(f"check leaky.py:Leaky --tape {tape_folder} --cuts 1 --json")
    assert found.code == 1
    first = json.loads(found.out)["findings"][0]
    assert (first["probe"], first["what"]) == ("repeat", "order")
    assert first["time"].startswith("2026-01-")


def test_a_wrong_number_of_cuts_is_one_line(kilohour, tape_folder):
    done = kilohour(f"check calendar-spread --tape {tape_folder} --cuts 0")
    assert (done.code, done.err) == (2, "kilohour: error: cuts must be from 1 to 1000, found 0\n")
