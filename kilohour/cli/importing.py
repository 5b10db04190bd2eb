# SPDX-License-Identifier: Apache-2.0
"""Fits the options of ``kilohour data import`` to the source they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilohour.cli.assignments import split_assignments
from kilohour.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from kilohour.datafeeds.feed import Feed


def arguments_of(
    source: Feed, inputs: Sequence[Path], named: Mapping[str, Any], assigned: Sequence[str]
) -> tuple[list[Path], dict[str, Any]]:
    """Inputs and named arguments of a feed's ``run``: ``named`` by options of their own, ``assigned`` as ``--set name=value``.

    Raises :class:`UsageError` for an option it does not take, one it needs, an input too many or too few, or a file that is not there.
    """
    for option in named:
        if option not in source.options:
            fitting = ", ".join(f"--{name}" for name in source.options) or "no options"
            raise UsageError(f"{source.name} takes no --{option}; it takes {fitting}")
    by_text = split_assignments(assigned)
    for option in by_text:
        if option not in source.options:
            raise UnknownName("option", option, source.options, where=source.name)
        if option in named:
            raise UsageError(f"{source.name} is given {option} twice, as --{option} and with --set")
    given = {**by_text, **named}
    _check_inputs(source, inputs)
    for option in source.needs:
        if option not in given:
            raise UsageError(f"{source.name} needs --{option} FILE, found none" if _is_file(source, option) else
                             f"{source.name} needs --set {option}=..., found none: {source.options[option]}")  # fmt: skip
    for file in (*inputs, *(Path(value) for option, value in given.items() if _is_file(source, option))):
        if not file.is_file() and not (file in inputs and file.is_dir() and source.inputs == "folder"):
            raise UsageError(f"{source.name}: no such file {str(file)!r}")
    return list(inputs), {option.replace("-", "_"): value for option, value in given.items()}


def _check_inputs(source: Feed, inputs: Sequence[Path]) -> None:
    found = f"found {len(inputs)}" + (f": {', '.join(map(str, inputs))}" if inputs else "")
    if source.inputs == "none" and inputs:
        raise UsageError(f"{source.name} takes no INPUT, {found}")
    if source.inputs in ("one", "folder") and len(inputs) != 1:
        raise UsageError(f"{source.name} takes one INPUT, {found}")
    if source.inputs == "some" and not inputs:
        raise UsageError(f"{source.name} takes one INPUT or more, {found}")


def _is_file(source: Feed, option: str) -> bool:
    return source.options[option].startswith("FILE")
