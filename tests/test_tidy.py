# SPDX-License-Identifier: Apache-2.0
"""The style rules that no linter knows, each with what to do instead."""

from __future__ import annotations

import ast
import functools
import gc
import re
from pathlib import Path

import pytest

from kilohour.kernels.compiling import collector_paused

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


@functools.cache
def text_of(path):
    return path.read_text(encoding="utf-8")


ASKED_ABOUT = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Call, ast.Import, ast.ImportFrom, ast.For, ast.comprehension)

LEAVES = {ast.Load, ast.Store, ast.Name, ast.Constant}


@functools.cache
def nodes_of(path):
    """The nodes of a file that a rule asks about: looked for once, by ``ast.walk`` it takes three times as long."""
    return found_in(ast.parse(text_of(path)))


def found_in(tree):
    found, left = [], [tree]
    while left:
        node = left.pop()
        if isinstance(node, ASKED_ABOUT):
            found.append(node)
        for value in node.__dict__.values():
            if isinstance(value, ast.AST):
                if type(value) not in LEAVES:
                    left.append(value)
            elif isinstance(value, list):
                left += [each for each in value if isinstance(each, ast.AST)]
    return found


def broken(rule, paths):
    """A line for each breach of a rule, which yields what to do instead. One test a rule: a test a file took longer than the reading."""
    with collector_paused():  # it would look through a million nodes again and again, and all of them stay
        found = "\n".join(f"{name_of(path)}: {why}" for path in paths for why in rule(path))
        gc.freeze()
    return found


def begins_well(path):
    lines = text_of(path).splitlines()
    if not lines:
        return
    if lines[0] != "# SPDX-License-Identifier: Apache-2.0":
        yield "begin with the SPDX line"
    if lines[1:2] == [lines[0]]:
        yield "one SPDX line is enough"
    if len(lines) > LINES:
        yield f"{len(lines)} lines: split it by nouns, aim at 250"
    if path in PACKAGE and len(lines) > 1 and not lines[1].startswith('"""'):
        yield "say in a module docstring what the file is"


def fits_on_a_screen(path):
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"line {node.lineno}: {node.name} has {length} lines: push ifs up and fors down"


def calls_nothing_banned(path):
    is_driver = name_of(path).startswith(DRIVERS)
    for node in nodes_of(path):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in BANNED_CALLS and not is_driver and not (called == "hash" and "__hash__" in text_of(path)):
                yield f"line {node.lineno}: {called}: {BANNED_CALLS[called]}"
        for module in modules_of(node):
            if module in BANNED_MODULES:
                yield f"{module}: {BANNED_MODULES[module]}"
            if module in FOLDERS[1:]:
                yield f"import kilohour.{module}: a second path makes a second copy of each class"
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"line {node.lineno}: import kilohour.x by its whole name"


def modules_of(node):
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [(node.module or "").split(".")[0]] if isinstance(node, ast.ImportFrom) else []


def loops_over_no_set(path):
    """A set of text comes out in another order in every process."""
    for node in nodes_of(path):
        loops = [node.iter] if isinstance(node, ast.For | ast.comprehension) else []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("list", "tuple", "enumerate") and node.args:
            loops.append(node.args[0])
        for over in loops:
            if isinstance(over, ast.Set | ast.SetComp) or (isinstance(over, ast.Call) and ast.unparse(over.func) in ("set", "frozenset")):
                yield f"line {over.lineno}: {ast.unparse(over)}: use sorted(...) or dict.fromkeys(...)"


PLACES = re.compile(r"""(?<![\w.~-])/(work|tmp|home|root|Users|mnt)/[\w.]""")


def names_no_machine(path):
    for number, line in enumerate(text_of(path).splitlines(), 1):
        if PLACES.search(line):
            yield f"line {number}: a path of one machine: {line.strip()[:80]}"


RULES = [(begins_well, [*PACKAGE, *TESTS]), (fits_on_a_screen, [*PACKAGE, *TESTS]), (calls_nothing_banned, PACKAGE),
         (loops_over_no_set, PACKAGE), (names_no_machine, [path for path in TEXT if path != Path(__file__)])]  # fmt: skip


@pytest.mark.parametrize(("rule", "paths"), RULES, ids=[rule.__name__ for rule, _ in RULES])
def test_every_file(rule, paths):
    assert len(paths) > 200
    assert not broken(rule, paths), broken(rule, paths)


BAD = '''import random
from . import other

def long():
    print(hash("x"), time.time())
    for each in {"b", "a"}:
        list(set(each))
''' + "    pass\n" * FUNCTION_LINES


@pytest.mark.parametrize(("rule", "number"), [
    (begins_well, 2), (fits_on_a_screen, 1), (calls_nothing_banned, 5), (loops_over_no_set, 2), (names_no_machine, 1)])
def test_a_rule_finds_its_breaches(rule, number, monkeypatch):
    path = PACKAGE[-1]
    text = BAD + "# kept in /tm" + "p/here\n"
    monkeypatch.setitem(globals(), "text_of", lambda _: text)
    monkeypatch.setitem(globals(), "nodes_of", lambda _: found_in(ast.parse(text)))
    assert len(broken(rule, [path]).splitlines()) == number, broken(rule, [path])


def imported():
    """Every dotted name that an import statement of the package or the tests speaks of."""
    for path in [*PACKAGE, *TESTS]:
        for node in nodes_of(path):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_file_is_dead():
    """Every module of the package is imported by another one or a test, or named in one, or an entry point."""
    names = set(imported())
    text = "\n".join(text_of(path) for path in [*PACKAGE, *TESTS, ROOT / "pyproject.toml", ROOT / "Makefile"])
    for path in PACKAGE:
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts if parts[0] == "kilohour" else ("kilohour", *parts))
        if parts[-1] not in ("__init__", "__main__"):
            used = module in names or re.search(rf"{re.escape(module)}\b", text)
            assert used, f"{name_of(path)} is imported nowhere: delete it"
