# SPDX-License-Identifier: Apache-2.0
"""Without the extra: the core imports, and what needs backtrader says which extra brings it. One module imports it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = "execution/bridge/extra.py"
WORDS = "pip install 'kilohour[backtrader]'"
HIDDEN = "import sys; sys.modules['backtrader'] = None; "


def run(code):
    return subprocess.run([sys.executable, "-c", HIDDEN + code], cwd=ROOT, capture_output=True, text=True, check=False)


def imports_of(path):
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)) if "backtrader" in text else ():  # who imports it says its name
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def test_one_module_imports_backtrader():
    folders = ("kilohour", "strategies", "datafeeds", "execution", "backtests", "reports")
    files = {file.resolve() for folder in folders for file in (ROOT / folder).rglob("*.py")}
    assert sorted(str(file.relative_to(ROOT)) for file in files if "backtrader" in imports_of(file)) == [LIBRARY]


def test_the_core_runs_without_it():
    done = run("import kilohour; from kilohour.cli.main import main; sys.exit(main(['contracts', 'list']))")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["certify", "calendar-spread"], ["backtest", "FILE:Idea"]], ids=["certify", "backtest"])
def test_what_needs_it_says_so_in_one_line(words, tmp_path):
    file = tmp_path / "idea.py"
    file.write_text("import backtrader as bt\n\n\nclass Idea(bt.Strategy):\n    pass\n")
    arguments = [word.replace("FILE", str(file)) for word in words]
    done = run(f"from kilohour.cli.main import main; sys.exit(main({arguments!r}))")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert WORDS in done.stderr
    assert done.stdout == ""
