# SPDX-License-Identifier: Apache-2.0
"""The five linked folders, and the wheel: every module and data file in it, and it works where the source is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINKED = ("backtests", "datafeeds", "execution", "reports", "strategies")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
"""What pip runs to build a wheel, after two processes that only ask what else to install."""
DATA = (".toml", ".css", ".js", ".html", ".typed", ".txt")


@pytest.mark.parametrize("name", LINKED)
def test_a_folder_at_the_top_is_linked_into_the_package(name):
    link = ROOT / "kilohour" / name
    assert link.is_symlink(), f"{link} is no link: check out with symlinks on, or the wheel lacks {name}"
    assert os.readlink(link) == f"../{name}"
    assert (ROOT / name / "__init__.py").is_file()


def test_the_links_are_committed_as_links():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-s", "kilohour"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    links = [line.split()[-1] for line in listed.splitlines() if line.startswith("120000")]
    assert links == [f"kilohour/{name}" for name in LINKED]


def files_of_package():
    """Paths as they are in the wheel: sources and data of the package and of the linked folders."""
    found = set()
    for folder in ("kilohour", *LINKED):
        for file in (ROOT / folder).rglob("*"):
            inside = file.relative_to(ROOT)
            if inside.parts[0] == "kilohour" and len(inside.parts) > 1 and inside.parts[1] in LINKED:
                continue
            if file.is_file() and "__pycache__" not in inside.parts and file.suffix in (".py", *DATA):
                found.add(str(inside if folder == "kilohour" else Path("kilohour") / inside))
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing is left in the checkout; without network."""
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("building the wheel needs setuptools 77 (the extra `test` brings it)")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True,
                             text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        origin, target = ROOT / name, source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_symlink():
            target.symlink_to(os.readlink(origin))
        elif origin.is_file():
            target.write_bytes(origin.read_bytes())
    done = subprocess.run([sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("kilohour-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file_and_no_other(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == files_of_package()
    assert sum(name.endswith(".py") for name in names) > 100


@pytest.mark.slow
def test_the_wheel_works_from_an_empty_folder(wheel, tmp_path):
    """Installed by pip into an environment of its own: kilohour from the wheel alone, its dependencies those of the test, both commands."""
    home, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    venv.create(home, with_pip=False, symlinks=True)
    site = next(home.glob("lib/python*/site-packages"))
    done = subprocess.run([sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", str(wheel), "--no-deps", "--no-index",
                           "--no-compile", "--disable-pip-version-check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # appended to sys.path as a plain line, so that an editable kilohour's own .pth is not followed
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments, command="python"):
        done = subprocess.run([str(home / "bin" / command), *arguments], cwd=empty, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = Path(run("-c", "import kilohour, kilohour.strategies as s; print(kilohour.__file__); print(s.__file__)").splitlines()[1])
    assert site in where.parents
    assert run("--version", command="kh") == f"kilohour {version('kilohour')}\n"
    result = json.loads(run("backtest", "calendar-spread", "--json", "--from", "2024-01-01", "--to", "2024-12-31", command="kilohour"))
    assert result["strategy"] == "calendar-spread"
    assert result["bars"] > 1000
