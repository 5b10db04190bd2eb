# SPDX-License-Identifier: Apache-2.0
"""Sources of tapes: importers of files, by the name that ``kilohour data import NAME`` takes."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from kilohour.errors import UnknownName
from kilohour.tape import Tape

IMPORTERS = {
    "energy-strip": "kilohour.datafeeds.energy:import_strip",
    "gpu-prices": "kilohour.datafeeds.gpu_prices:import_prices",
}
"""Importer by name, as ``module:function``; looked up late, for they import pandas."""


def importer(name: str) -> Callable[..., Tape]:
    """The importer of a name. Raises :class:`UnknownName` with the nearest."""
    if name not in IMPORTERS:
        raise UnknownName("importer", name, IMPORTERS, where="kilohour data import")
    module, function = IMPORTERS[name].split(":")
    return cast("Callable[..., Tape]", getattr(importlib.import_module(module), function))
