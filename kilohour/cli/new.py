# SPDX-License-Identifier: Apache-2.0
"""``kilohour new strategy``: a commented file that runs at once."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(
    help="Write a new strategy to start from.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    epilog="Example: [cyan]kilohour new strategy my-idea[/cyan]",
)
TEMPLATE = Path(__file__).with_name("strategy_template.txt")

NewName = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Name, as my-idea; the class is then MyIdea.")]
Folder = Annotated[Path, typer.Option("--dir", metavar="DIR", help="Folder to write to.")]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    app.add_typer(group, name="new")


@group.callback()
def _group() -> None:
    """Keeps ``strategy`` a word of its own: a group of one command would lose it."""


@group.command("strategy", epilog="Example: [cyan]kilohour new strategy my-idea --dir ideas[/cyan]")
def strategy(name: NewName, folder: Folder = Path()) -> None:
    """Write a commented strategy that runs at once; an existing file is never overwritten."""
    from kilohour.cli.output import line

    path, class_name = write_strategy(name, folder)
    shown = path if path.is_absolute() else f".{os.sep}{path}"
    line(f"wrote {shown}")
    line(f"next:  kilohour backtest {shown}:{class_name}")


def write_strategy(name: str, folder: Path) -> tuple[Path, str]:
    """Writes the file and returns its path and its class. Raises :class:`~kilohour.errors.UsageError`."""
    import keyword

    from kilohour.errors import UsageError

    words = [word for word in re.split(r"[-_ ]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)) if word]
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([-_ ]?[A-Za-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UsageError(f"name must be words of letters and digits such as my-idea, found {name!r}")
    class_name = "".join(word[0].upper() + word[1:] for word in words)
    path = folder / ("_".join(word.lower() for word in words) + ".py")
    if not folder.is_dir():
        raise UsageError(f"dir must be a folder that exists, found {str(folder)!r}")
    text = TEMPLATE.read_text(encoding="utf-8").replace("MyIdea", class_name).replace("my_idea.py", path.name)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists: an existing file is never overwritten, choose another name") from None
    return path, class_name
