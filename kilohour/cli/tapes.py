# SPDX-License-Identifier: Apache-2.0
"""What ``kilohour data show`` and ``check`` say of a tape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from kilohour.errors import UnknownName
from kilohour.tape.check import check
from kilohour.tape.doubts import doubts
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import datetime_of

STOPPING = ("bar outside listing", "missing final", "out of order", "duplicated row", "unit slip")
"""Findings that make a run's money wrong, whatever the product says."""


def describe(tape: Tape, product: str | None = None) -> dict[str, Any]:
    """Source, span, counts by kind, products (or the contracts of one), series and notes.

    Raises :class:`UnknownName` for a product that is not on the tape.
    """
    if product is not None and product not in tape.product_codes:
        raise UnknownName("product", product, tape.product_codes, where="this tape")
    kinds = np.bincount(tape.events["kind"], minlength=max(Kind) + 1)
    found: dict[str, Any] = {
        "source": tape.source,
        "sha256": tape.sha256,
        "start": _time(tape.start),
        "end": _time(tape.end),
        "events": len(tape),
        "kinds": {kind.name.lower(): int(kinds[kind]) for kind in Kind if kinds[kind]},
        "contracts": len(tape.contracts),
        "days_per_year": tape.days_per_year,
        "assumptions": list(tape.assumptions),
        "notes": list(tape.notes),
        "products": [_product(tape, code) for code in tape.product_codes if product in (None, code)],
        "series": [
            {"code": index.code, "unit": index.unit, "note": index.note, "prints": count}
            for index, count in zip(tape.indices, _prints(tape), strict=True)
        ],
    }
    if product is not None:
        found["contract_list"] = _contracts(tape, product)
    return found


def graded(tape: Tape) -> list[dict[str, Any]]:
    """The findings of :func:`kilohour.tape.check.check` and :func:`kilohour.tape.doubts.doubts`, each with a grade.

    ``error``: a run refuses it, or would book wrong money. A missing print is one where the product's rule refuses it.
    """
    refusing = _refusing(tape)
    rows = []
    for finding in (*check(tape), *doubts(tape)):
        product = next((c.product for c in tape.contracts if c.code == finding.contract), finding.contract)
        stops = finding.rule in STOPPING or (finding.rule == "missing print" and product in refusing)
        rows.append({"grade": "error" if stops else "warning", **asdict(finding)})
    return rows


def print_tape(found: Mapping[str, Any]) -> None:
    """The description as tables."""
    from kilohour.cli.output import grid, line, show

    kinds = ", ".join(f"{count:,} {name}" for name, count in found["kinds"].items())
    rows = [
        ("Source", found["source"]),
        ("From", found["start"]),
        ("To", found["end"]),
        ("Events", f"{found['events']:,}: {kinds}"),
        ("Contracts", f"{found['contracts']:,}"),
        ("SHA-256", found["sha256"]),
    ]
    show(grid("", ("What", "Value"), rows))
    columns: tuple[str, ...] = ("code", "contracts", "bars", "first", "last")
    show(
        grid(
            "Products",
            [c.capitalize() for c in columns],
            [[p[c] for c in columns] for p in found["products"]],
            right=("Contracts", "Bars"),
        )
    )
    if "contract_list" in found:
        columns = ("code", "symbol", "bars", "first", "last", "last_trade")
        show(
            grid(
                "Contracts",
                [c.capitalize().replace("_", " ") for c in columns],
                [[c[k] for k in columns] for c in found["contract_list"]],
                right=("Bars",),
            )
        )
    if found["series"]:
        show(
            grid(
                "Series",
                ("Code", "Prints", "Unit", "Note"),
                [(s["code"], s["prints"], s["unit"], s["note"]) for s in found["series"]],
                right=("Prints",),
            )
        )
    for note in found["notes"]:
        line(f"- {note}")


def _refusing(tape: Tape) -> set[str]:
    from kilohour.contracts import Assumptions, Registry

    products = Registry.shipped().adding(tape.products).assuming(*map(Assumptions.load, tape.assumptions))
    return {code for code in tape.product_codes if products.product(code).get("missing_day") == "refuse"}


def _product(tape: Tape, code: str) -> dict[str, Any]:
    refs = [ref for ref, contract in enumerate(tape.contracts) if contract.product == code]
    rows = np.flatnonzero((tape.events["kind"] == Kind.BAR) & np.isin(tape.events["ref"], refs))
    return {"code": code, "contracts": len(refs), **_span(tape, rows)}


def _contracts(tape: Tape, product: str) -> list[dict[str, Any]]:
    found = []
    for ref, contract in enumerate(tape.contracts):
        if contract.product == product:
            rows = np.flatnonzero((tape.events["kind"] == Kind.BAR) & (tape.events["ref"] == ref))
            found.append(
                {
                    "code": contract.code,
                    "symbol": contract.symbol,
                    **_span(tape, rows),
                    "last_trade": "never" if contract.is_perpetual else _time(contract.last_trade_at),
                }
            )
    return found


def _span(tape: Tape, rows: Any) -> dict[str, Any]:
    ts = tape.events["ts"]
    first, last = (_time(int(ts[rows[at]]))[:10] if len(rows) else "" for at in (0, -1))
    return {"bars": len(rows), "first": first, "last": last}


def _prints(tape: Tape) -> list[int]:
    refs = tape.events["ref"][tape.events["kind"] == Kind.PRINT]
    return [int(count) for count in np.bincount(refs, minlength=len(tape.indices))[: len(tape.indices)]]


def _time(nanos: int) -> str:
    return f"{datetime_of(nanos):%Y-%m-%dT%H:%M:%SZ}"
