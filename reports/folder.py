# SPDX-License-Identifier: Apache-2.0
"""A run folder, read: ``manifest.json`` and its Parquet tables.

Nothing else is consulted, so a report can be remade anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.errors import DataError
from kilohour.reports.table import Labels, Table, read_table

COLUMNS: dict[str, tuple[str, ...]] = {
    "equity": ("ts", "equity_micros", "margin_initial_micros", "margin_maintenance_micros", "baseline_micros"),
    "orders": ("order", "ts", "contract", "lots", "origin", "status", "code"),
    "fills": ("ts", "contract", "lots", "price_micros", "fee_micros", "half_spread_micros", "purpose"),
    "positions": ("ts", "contract", "lots"),
    "ledger": ("ts", "contract", "kind", "micros"),
    "settlements": ("ts", "contract", "lots", "price_micros", "fixings", "prints_sum_micros", "missing", "rule"),
    "records": ("ts",),
    "curve": ("ts", "contract", "product", "month", "nth", "mark_micros"),
    "prices": ("ts", "contract", "close_micros"),
}
"""The tables of a run and the columns the report needs of each."""

_MONTH = re.compile(r"^(.*)-(\d{4})-(\d{2})$")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Everything a report knows."""

    path: Path
    manifest: dict[str, Any]
    tables: dict[str, Table]

    @property
    def result(self) -> dict[str, Any]:
        """The JSON of the run."""
        found = self.manifest.get("result")
        return found if isinstance(found, dict) else {}

    @property
    def products(self) -> tuple[str, ...]:
        """Codes of the run's products, in the manifest's order."""
        return product_codes(self.manifest)

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]


def product_codes(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Codes of a manifest's products, which are objects with a ``code`` (or bare codes)."""
    return tuple(str(entry["code"] if isinstance(entry, dict) else entry) for entry in manifest.get("products", ()))


def read_manifest(path: Path) -> dict[str, Any]:
    """The folder's ``manifest.json``; raises DataError when it is missing or is not a JSON object."""
    file = path / "manifest.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"a run folder must hold manifest.json, found none in {path}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file} must be JSON, found: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f"{file} must be a JSON object, found {type(found).__name__}")
    return found


def read_run(path: Path) -> RunFolder:
    """Reads a run folder; raises DataError when a file, a column or the balance of the books is missing.

    The balance: the ledger's amounts add up to the change in equity, to the micro.
    """
    manifest = read_manifest(path)
    tables = {name: read_table(path / f"{name}.parquet", columns) for name, columns in COLUMNS.items()}
    folder = RunFolder(path, manifest, tables)
    booked = int(tables["ledger"].integers("micros").sum())
    stated = folder.result.get("net_micros")
    if stated is not None and booked != int(stated):
        raise DataError(f"the ledger of {path} must add up to net_micros {stated}, found {booked}")
    return folder


def product_of(contract: str) -> str:
    """The product of a contract's code; a perpetual is its own.

    >>> product_of("NYMEX:GPU1-2026-12"), product_of("GATE:H100_USDT")
    ('NYMEX:GPU1', 'GATE:H100_USDT')
    """
    found = _MONTH.match(contract)
    return found.group(1) if found else contract


def month_of(contract: str) -> int:
    """The delivery month, YYYYMM, of a contract's code; 0 for a perpetual.

    >>> month_of("SIM:H100-2027-03"), month_of("BITGET:H100USDT")
    (202703, 0)
    """
    found = _MONTH.match(contract)
    return int(found.group(2)) * 100 + int(found.group(3)) if found else 0


def by_product(contracts: Labels) -> Labels:
    """A column of contracts as a column of their products."""
    names = tuple(dict.fromkeys(product_of(name) for name in contracts.names))
    place = {name: code for code, name in enumerate(names)}
    lookup = np.array([place[product_of(name)] for name in contracts.names], dtype=np.int64)
    return Labels(lookup[contracts.codes] if len(lookup) else contracts.codes, names)


def months_of(contracts: Labels) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The delivery month, YYYYMM, of each row of a column of contracts; 0 for perpetuals; shape (rows,)."""
    lookup = np.array([month_of(name) for name in contracts.names], dtype=np.int64)
    return lookup[contracts.codes] if len(lookup) else contracts.codes
