# SPDX-License-Identifier: Apache-2.0
"""Prints on disk: a :class:`~kilohour.datafeeds.table_folder.TableFolder` in the order of ``value_at``, series and ``known_at``.

By time first, so that an import can write it stretch by stretch; in memory :class:`~kilohour.datafeeds.prints.Prints` have the series
first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.datafeeds.prints import COLUMNS, NUMBERS, SCHEMA_VERSION, WORDS, Prints
from kilohour.datafeeds.table_folder import TableFolder
from kilohour.errors import UnknownName
from kilohour.folders import written_whole

TABLE = TableFolder(kind="prints", one="print", version=SCHEMA_VERSION, numbers=NUMBERS, words=WORDS, statistics="value_at")


def save(prints: Prints, folder: Path) -> Prints:
    """Writes prints that are in memory; see :meth:`Prints.save`."""
    TABLE.check_replaceable(folder)
    order = np.lexsort((prints.known_at, prints.series, prints.value_at))
    with written_whole(folder) as draft:
        parts = TABLE.write_parts(draft, {name: getattr(prints, name)[order] for name in COLUMNS}, prints.names)
        manifest = {"names": prints.names, "units": dict(prints.units), "parts": parts, "notes": list(prints.notes), "rows": len(prints)}
        digest = TABLE.write_manifest(draft, manifest)
    return replace(prints, sha256=digest)


def load(folder: Path, series: Collection[str] | None = None) -> Prints:
    """See :meth:`Prints.load`."""
    manifest = TABLE.read_manifest(folder)
    names = {name: tuple(manifest["names"][name]) for name in WORDS}
    for code in series or ():
        if code not in names["series"]:
            raise UnknownName("series", code, names["series"], where="these prints")
    wanted = np.array([place for place, code in enumerate(names["series"]) if series is None or code in series], dtype=np.int32)
    parts: list[Mapping[str, Any]] = [{name: np.empty(0, np.int64 if name in NUMBERS else np.int32) for name in COLUMNS}]
    for part in TABLE.read_parts(folder, manifest):
        rows = np.isin(part["series"], wanted)
        parts.append({name: part[name][rows] for name in COLUMNS})
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    columns["series"] = np.searchsorted(wanted, columns["series"]).astype(np.int32)
    names["series"] = tuple(names["series"][place] for place in wanted.tolist())
    order = np.lexsort((columns["known_at"], columns["value_at"], columns["series"]))
    found = {name: column[order] for name, column in columns.items()}
    units = {code: manifest["units"][code] for code in names["series"]}
    return Prints(**found, names=names, units=units, sha256=manifest["sha256"], notes=tuple(manifest["notes"]))
