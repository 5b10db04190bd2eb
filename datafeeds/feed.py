# SPDX-License-Identifier: Apache-2.0
"""What a source of data says of itself, and how it is imported.

A plug-in puts a :class:`Feed` behind the entry point ``kilohour.feeds``; ours stand there too. Its ``run`` takes the inputs, the
folder to write and the options that it lists, and returns lines for whoever ran it:

    def run(inputs: Sequence[Path], out: Path, *, progress: Progress | None = None, **options) -> Iterable[str]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kilohour.errors import UnknownName

GIVES = ("tape", "quotes", "prints")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that a source has, as a trader needs to know it."""

    name: str
    unit: str
    meaning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One source of data."""

    name: str
    """As ``kilohour data import NAME`` takes it."""
    about: str
    """One line: what it holds, of whom, since when."""
    gives: str
    """``tape``, ``quotes`` or ``prints``: what the import writes."""
    columns: tuple[Column, ...]
    time: str
    """What the times mean, and from when a row counts as known."""
    licence: str
    """Under which terms the data may be used and passed on."""
    run: Callable[..., Iterable[str]]
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of ``run``, each with a line of help that begins with FILE where it names one. ``run`` may get text: ``--set`` gives it."""
    needs: tuple[str, ...] = ()
    """Options that must be given."""
    inputs: str = "one"
    """``none``, ``one``, ``some`` (files) or ``folder``: what it takes."""
    defects: tuple[str, ...] = ()
    """Known faults of the data; every import writes them into its notes."""

    def __post_init__(self) -> None:
        if self.gives not in GIVES:
            raise UnknownName("result", self.gives, GIVES, where=f"feed {self.name}")
