# SPDX-License-Identifier: Apache-2.0
"""The style rules that no linter knows, each with what to do instead."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("kilohour", "strategies", "datafeeds", "execution", "backtests", "reports")
PACKAGE = sorted({file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")
                  if not any((ROOT / "kilohour" / name) in file.parents for name in FOLDERS)})
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEXT = sorted(file for pattern in ("*.py", "*.md", "*.toml", "*.css", "*.js") for folder in (*FOLDERS, "tests", "docs")
              for file in (ROOT / folder).rglob(pattern))
LINES, FUNCTION_LINES = 500, 70

BANNED_CALLS = {
    "print": "return text, or use rich in kilohour/cli",
    "time.time": "time is passed in; for a duration use time.perf_counter",
    "time.time_ns": "time is passed in; for a duration use time.perf_counter",
    "datetime.now": "time is passed in",
    "datetime.utcnow": "time is passed in",
    "datetime.today": "time is passed in",
    "dt.datetime.now": "time is passed in",
    "dt.date.today": "time is passed in",
    "date.today": "time is passed in",
    "os.urandom": "pass a seed",
    "uuid.uuid4": "number things in order",
    "np.random.seed": "use np.random.default_rng(seed)",
    "np.random.rand": "use np.random.default_rng(seed)",
    "np.random.normal": "use np.random.default_rng(seed)",
    "hash": "hash() of text differs in every process; use hashlib",
    "eval": "read the value by its type",
    "exec": "import the file",
}
BANNED_MODULES = {"random": "use numpy's Generator with a seed that is passed in", "argparse": "typer", "matplotlib": "plotly"}
DRIVERS = ("kilohour/cli/",)
"""The only folders that may read a clock, or print."""


def name_of(path):
    return str(path.relative_to(ROOT))


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [*PACKAGE, *TESTS], ids=name_of)
def test_a_file_begins_with_its_licence_and_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    if not text:
        return
    lines = text.splitlines()
    assert lines[0] == "# SPDX-License-Identifier: Apache-2.0", "begin with the SPDX line"
    assert lines[1:2] != [lines[0]], "one SPDX line is enough"
    assert len(lines) <= LINES, f"{len(lines)} lines: split it by nouns, aim at 250"
    if path in PACKAGE and len(lines) > 1:
        assert ast.get_docstring(tree_of(path)), "say in a module docstring what the file is"


@pytest.mark.parametrize("path", [*PACKAGE, *TESTS], ids=name_of)
def test_a_function_fits_on_a_screen(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= FUNCTION_LINES, f"line {node.lineno}: {node.name} has {length} lines: push ifs up and fors down"


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_nothing_banned_is_called(path):
    is_driver = name_of(path).startswith(DRIVERS)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "hash" and "__hash__" in path.read_text(encoding="utf-8"):
                continue
            assert called not in BANNED_CALLS or is_driver, f"line {node.lineno}: {called}: {BANNED_CALLS.get(called)}"
        for module in modules_of(node):
            assert module not in BANNED_MODULES, f"{module}: {BANNED_MODULES.get(module)}"
            assert module not in FOLDERS[1:], f"import kilohour.{module}: a second path makes a second copy of each class"
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import kilohour.x by its whole name"


def modules_of(node):
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [(node.module or "").split(".")[0]] if isinstance(node, ast.ImportFrom) else []


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_no_loop_runs_over_a_set(path):
    """A set of text comes out in another order in every process: sort it, or use dict.fromkeys."""
    for node in ast.walk(tree_of(path)):
        loops = [node.iter] if isinstance(node, ast.For | ast.comprehension) else []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("list", "tuple", "enumerate") and node.args:
            loops.append(node.args[0])
        for over in loops:
            is_set = isinstance(over, ast.Set | ast.SetComp) or (isinstance(over, ast.Call) and ast.unparse(over.func) in ("set", "frozenset"))
            assert not is_set, f"line {over.lineno}: {ast.unparse(over)}: use sorted(...) or dict.fromkeys(...)"


PLACES = re.compile(r"""(?<![\w.~-])/(work|tmp|home|root|Users|mnt)/[\w.]""")


@pytest.mark.parametrize("path", TEXT, ids=name_of)
def test_no_path_of_a_machine_is_written_down(path):
    if path == Path(__file__):
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        assert not PLACES.search(line), f"line {number}: a path of one machine: {line.strip()[:80]}"


def test_no_file_is_dead():
    """Every module of the package is imported by another one, a test or an entry point."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*PACKAGE, *TESTS, ROOT / "pyproject.toml", ROOT / "Makefile"])
    for path in PACKAGE:
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts if parts[0] == "kilohour" else ("kilohour", *parts))
        if parts[-1] in ("__init__", "__main__"):
            continue
        parent, _, leaf = module.rpartition(".")
        used = re.search(rf"{re.escape(module)}\b|from {re.escape(parent)} import (?:\([^)]*|[^\n(]*)\b{leaf}\b", text)
        assert used, f"{name_of(path)} is imported nowhere: delete it"
