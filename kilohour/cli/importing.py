# SPDX-License-Identifier: Apache-2.0
"""Fits the options of ``kilohour data import`` to the importer they are for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kilohour.errors import UsageError

SPELLINGS = {
    "expiries": "expiries",
    "adoption": "adoption_csv",
    "segment": "segment",
    "carry": "carry",
    "release-lag": "release_lag_days",
}
"""Option on the command line: the importer's argument."""


def arguments_of(
    name: str, function: Callable[..., Any], inputs: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Path], dict[str, Any]]:
    """Positional and named arguments of an importer.

    Raises :class:`UsageError` for an option it does not take, one it needs, a file too many, or one that is not there.
    """
    takes = inspect.signature(function).parameters
    for option in options:
        if SPELLINGS[option] not in takes:
            fitting = ", ".join(f"--{o}" for o, argument in SPELLINGS.items() if argument in takes)
            raise UsageError(f"{name} takes no --{option}; it takes {fitting}")
    if len(inputs) != 1:
        raise UsageError(f"{name} takes one INPUT, found {len(inputs)}: {', '.join(map(str, inputs))}")
    for option, argument in SPELLINGS.items():
        if argument in takes and takes[argument].default is inspect.Parameter.empty and option not in options:
            raise UsageError(f"{name} needs --{option} FILE, found none")
    for file in (*inputs, *(value for value in options.values() if isinstance(value, Path))):
        if not file.is_file():
            raise UsageError(f"{name}: no such file {str(file)!r}")
    return list(inputs), {SPELLINGS[option]: value for option, value in options.items()}
