# SPDX-License-Identifier: Apache-2.0
"""Without the extra: the core imports, and what needs backtrader says which extra brings it. One module imports it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = "execution/bridge/extra.py"
WORDS = "pip install 'kilohour[backtrader]'"
HIDDEN = """
import contextlib, io, json, sys
sys.modules["backtrader"] = None
import kilohour
from kilohour.cli.main import main
told = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(words)
    told.append([code, out.getvalue(), err.getvalue()])
sys.stdout.write(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Exit code, output and errors of three command lines, one after another in one process that has no backtrader."""
    file = tmp_path_factory.mktemp("absent") / "idea.py"
    file.write_text("import backtrader as bt\n\n\nclass Idea(bt.Strategy):\n    pass\n")
    lines = {"core": ["contracts", "list"], "certify": ["certify", "calendar-spread"], "backtest": ["backtest", f"{file}:Idea"]}
    done = subprocess.run([sys.executable, "-c", HIDDEN, json.dumps(list(lines.values()))], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(zip(lines, json.loads(done.stdout), strict=True))


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


def test_the_core_runs_without_it(told):
    code, out, err = told["core"]
    assert code == 0, err
    assert "H100" in out


@pytest.mark.parametrize("command", ["certify", "backtest"])
def test_what_needs_it_says_so_in_one_line(command, told):
    code, out, err = told[command]
    assert code == 2
    assert err.count("\n") == 1
    assert WORDS in err
    assert out == ""
