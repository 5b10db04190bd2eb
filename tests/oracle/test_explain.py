# SPDX-License-Identifier: Apache-2.0
"""What one reads when the engine and the oracle part: the case, both rows, the order, its requests and its bar."""

from __future__ import annotations

from dataclasses import replace

from tests.oracle import explain
from tests.oracle.scripts import case


def plain(seed):
    return case(seed, plain=True)


def test_nothing_is_said_of_cases_that_agree():
    assert explain.report(range(3), plain) == ""


def test_the_first_difference_is_told_in_full(monkeypatch):
    def dearer(of):
        rules = replace(of.rules, slippage_ticks=1)
        return replace(of, rules=rules).run()

    monkeypatch.setattr(explain, "outcome", dearer)
    text = explain.report([2, 3], plain)
    assert text.startswith("2 cases differ: [2, 3]. The first is case 2:")
    for words in ("fills: row 0 differs in price_micros", "oracle: ts=", "engine: ts=", "oracle's order: OrderRow(order=",
                  "requests at 2027-", "kind=<Kind.BAR", "FillRules(", "Terms("):
        assert words in text, f"{words!r} is not in\n{text}"


def test_the_first_case_is_told_again_with_as_few_requests_as_show_a_difference(monkeypatch):
    """One request that fills is enough to show that the oracle pays a tick too much."""
    monkeypatch.setattr(explain, "outcome", lambda of: replace(of, rules=replace(of.rules, slippage_ticks=1)).run())
    assert sum(map(len, plain(2).actions.values())) > 5
    assert sum(map(len, explain.shrunk(plain(2)).actions.values())) == 1


def test_an_exception_of_the_engine_names_its_case(monkeypatch):
    def breaks(of):
        raise ZeroDivisionError("in the engine")

    monkeypatch.setattr(explain, "scripted", breaks)
    text = explain.report([2], plain)
    assert "case 2" in text
    assert "ZeroDivisionError: in the engine" in text
