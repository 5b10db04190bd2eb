# SPDX-License-Identifier: Apache-2.0
"""The command ``kilohour``: its subcommands, and how each failure ends.

=====================================  =========  ==================================================
what happened                          exit code  standard error
=====================================  =========  ==================================================
done                                   0
``data check`` found an error          1          nothing: the findings are the result
``certify`` found a difference         1          nothing: the difference is the result
``check`` found a look-ahead           1          nothing: the finding is the result
bad option, name, value, data, file    2          one line ``kilohour: error: ...``
the user's strategy raised             2          that line, then the traceback cut to the user's lines
kilohour is wrong                      70         the whole traceback
Ctrl-C                                 130        ``kilohour: interrupted``
the reader of a pipe went away         141        nothing
=====================================  =========  ==================================================
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from kilohour.cli import (
    backtest,
    certify,
    check,
    contracts,
    data,
    data_continuous,
    data_curve,
    data_index,
    doctor,
    journal,
    kill,
    live,
    new,
    paper,
    record,
    report,
    sandbox,
    scenarios,
    sweep,
)
from kilohour.errors import KilohourError

INTERNAL, INTERRUPTED, PIPE_CLOSED = 70, 130, 141

app = typer.Typer(
    name="kilohour",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Trade and backtest [bold]compute futures[/bold]: contracts on the price of a GPU-hour.",
    epilog="Example: [cyan]kilohour backtest calendar-spread --set window=90[/cyan]",
)
COMMANDS = (
    backtest,
    sweep,
    check,
    certify,
    paper,
    live,
    record,
    sandbox,
    journal,
    kill,
    contracts,
    scenarios,
    data,
    new,
    report,
    doctor,
)
for command in COMMANDS:
    command.add_to(app)
for subcommand in (data_index, data_curve, data_continuous):
    subcommand.add_to(data.group)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        import kilohour

        typer.echo(f"kilohour {kilohour.__version__}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code; ``arguments`` are those of the process unless given."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _command().main(words, prog_name="kilohour", standalone_mode=False)
        sys.stdout.flush()
    except KilohourError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except (BrokenPipeError, SystemExit):  # typer leaves by SystemExit when a pipe is closed, and only then
        return _pipe_closed()
    except Exception as error:
        return _unexpected(error)
    if code == INTERRUPTED:
        sys.stderr.write("kilohour: interrupted\n")
    return code if isinstance(code, int) else 0


@functools.cache
def _command() -> Any:
    """Every option of every command is looked at once a process, not once a line."""
    return typer.main.get_command(app)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"kilohour: error: {message}\n")
    return code


def _unexpected(error: Exception) -> int:
    """An option typer refuses, a file the system refuses, or a mistake of ours."""
    told = getattr(error, "format_message", None)
    if told is not None:
        if type(error).__name__ == "NoArgsIsHelpError":
            return 2
        return _fail(" ".join(str(told()).split()), 2)
    if isinstance(error, OSError) and error.filename is not None:
        return _fail(f"{error.filename}: {error.strerror}", 2)
    import traceback

    sys.stderr.write(traceback.format_exc())
    return _fail(f"{type(error).__name__}: this is a mistake in kilohour, please report it with the lines above", INTERNAL)


def _pipe_closed() -> int:
    """What is still buffered goes nowhere, so that the interpreter's own flush at exit does not fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED
