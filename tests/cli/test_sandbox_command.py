# SPDX-License-Identifier: Apache-2.0
"""``kilohour sandbox``: it starts, says where it is, and ends by itself; what makes no sense is one line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kilohour.cli.main import main
from tests.backtests.tapes import sim_tape


def test_a_replay_says_where_it_is_and_ends_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sim_tape(5).save(tmp_path / "tape")
    rules = tmp_path / "faults.toml"
    rules.write_text('[[rule]]\ndo = "lose_reply"\non = "place"\n', encoding="utf-8")
    words = ["--replay", str(tmp_path / "tape"), "--speed", "max", "--accounts", "a,b", "--for", "0.2", "--chaos", str(rules)]
    assert main(["sandbox", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["account"] for each in told["accounts"]] == ["a", "b"]
    assert told["addresses"]["ax_orders_ws"] == f"ws://127.0.0.1:{told['port']}/orders/ws"
    assert main(["sandbox", *words]) == 0
    out = capsys.readouterr().out
    assert all(f"{name} {value}" in out for name, value in told["accounts"][0].items())
    assert {"api_key", "api_secret", "passphrase", "password", "totp_secret"} < set(told["accounts"][0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--speed", "fast"], "speed must be a number above 0, max or lockstep, found 'fast'"),
        (["--speed", "lockstep"], "speed must be a number for a market; lockstep is for --replay"),
        (["--port", "99999"], "port must be between 0 and 65535"),
        (["--for", "0"], "for must be above 0 seconds"),
        (["--accounts", "a,a"], "accounts must be different names"),
        (["--bots", "-1"], "bots must be between 0 and 1000"),
        (["--market", "7", "--replay", "x"], "give --market or --replay, not both"),
        (["--chaos", "nowhere.toml"], "nowhere.toml"),
        (["--replay", "nowhere"], "nowhere"),
    ],
)
def test_what_makes_no_sense_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_rule_that_is_none_is_refused_before_anything_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sim_tape(5).save(tmp_path / "tape")
    rules = tmp_path / "faults.toml"
    for text, said in (
        ('[[rule]]\ndo = "explode"\n', "unknown fault 'explode'"),
        ("colour = 1\n", "must hold [[rule]] tables"),
        ("][", "not TOML"),
    ):
        rules.write_text(text, encoding="utf-8")
        assert main(["sandbox", "--replay", str(tmp_path / "tape"), "--speed", "max", "--for", "1", "--chaos", str(rules)]) == 2
        assert said in capsys.readouterr().err
