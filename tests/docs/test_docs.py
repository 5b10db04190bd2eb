# SPDX-License-Identifier: Apache-2.0
"""The pages run: blocks of plain Python, and the commands that stand in ``console`` blocks.

A block whose first line is a comment with a file's name becomes that file; the others of a page are one module, in
order. Blocks with ``>>>`` are doctests, which other tests run.
"""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kilohour.cli.main import main
from kilohour.datafeeds.embedded import EmbeddedMarket

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
         if any(">>>" not in text for _, text in BLOCK.findall(page.read_text(encoding="utf-8")))]


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(autouse=True, scope="module")
def made_once():
    """Each page makes the default market for itself; here they read one. Its bytes are what other tests are about."""
    make, usual, made = EmbeddedMarket.tape, EmbeddedMarket(), {}

    def tape(market, *part):
        if part or replace(market, seed=usual.seed) != usual:
            return make(market, *part)
        if market.seed not in made:
            made[market.seed] = make(market)
        return made[market.seed]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddedMarket, "tape", tape)
        yield


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_runs(page, tmp_path, monkeypatch, capsys):
    if page.name == "backtrader.md":
        pytest.importorskip("backtrader", reason="the extra kilohour[backtrader] is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before, told, count = set(sys.modules), "", 0
    scope: dict[str, object] = {}
    try:
        for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if kind == "console":
                for line in text.replace("\\\n", " ").splitlines():
                    if line.startswith("$ kilohour "):
                        code = main(shlex.split(line, comments=True)[2:])
                        assert code in (0, None), f"{line}\n{capsys.readouterr().err}"
                capsys.readouterr()
            elif ">>>" not in text:
                named = re.match(r"# (\w+\.py)\n", text)
                if named:
                    (tmp_path / named[1]).write_text(text, encoding="utf-8")
                    importlib.invalidate_caches()
                else:
                    count += 1
                    exec(compile(text, f"{page.name}, block {count}", "exec"), scope)
                    told += capsys.readouterr().out
    finally:
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
                del sys.modules[name]
    shown = re.findall(r"^```text\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    if page.name == "writing-a-strategy.md":
        assert told in shown
