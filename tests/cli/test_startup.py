# SPDX-License-Identifier: Apache-2.0
"""Help for every command, and that asking for it imports nothing heavy."""

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "pandas", "numba", "pyarrow", "scipy", "plotly", "exchange_calendars")
"""Not pydantic: typer itself imports it where it is installed, 0.06 s."""
COMMANDS = """
backtest
sweep
contracts
contracts list
contracts show
data
data import
data show
data sources
data known
data check
data embedded
new
new strategy
report
paper
live
record
kill
journal
journal show
journal verify
journal replay
doctor
"""


@pytest.mark.parametrize("command", [line for line in COMMANDS.split("\n") if line])
def test_every_command_has_help_with_an_example(kilohour, command):
    ended = kilohour(f"{command} --help")
    assert (ended.code, ended.err) == (0, "")
    assert f"kilohour {command}" in ended.out.split("Example")[1]


def test_the_help_lists_every_command(kilohour):
    told = kilohour("--help").out
    assert all(f" {line} " in told for line in COMMANDS.split("\n") if line and " " not in line)
    assert kilohour("-h").out == told


def test_without_a_command_the_help_is_shown_and_the_code_is_2(kilohour):
    assert kilohour("").code == 2
    assert "Usage" in kilohour("").out


def test_the_version(kilohour):
    import kilohour as kh

    assert kilohour("--version").out == f"kilohour {kh.__version__}\n"


def test_help_imports_nothing_heavy_and_listing_contracts_no_compiler(environment):
    """Counted in modules, not timed: 0.2 s of typer and rich, and nothing of ours that needs numbers. One process for all, the lightest first."""
    code = ("import json, sys\nfrom kilohour.cli.main import main\nfound = []\n"
            "for line in json.loads(sys.argv[1]):\n    main(line)\n    found.append(list(sys.modules))\nsys.stderr.write(json.dumps(found))")
    lines = [["--version"], ["--help"], ["backtest", "--help"], ["contracts", "list"]]
    done = subprocess.run([sys.executable, "-c", code, json.dumps(lines)], capture_output=True, text=True, env=environment, check=True)
    *helps, listing = json.loads(done.stderr)
    assert len(helps) == 3
    for line, modules in zip(lines, helps, strict=False):
        assert not set(HEAVY) & set(modules), line
    assert not {"numba", "pandas", "pyarrow", "exchange_calendars"} & set(listing)


def test_a_closed_pipe_is_no_error_message(environment):
    command = [sys.executable, "-m", "kilohour", "contracts", "show", "NYMEX:GPU1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        told = process.stderr.read()
    assert (process.returncode, told) == (141, b"")
