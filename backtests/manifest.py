# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself: the result's numbers, the assumptions, and in plain words what is modelled."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import kilohour
from kilohour.backtests.prepare import Prepared
from kilohour.contracts import Product, Venue
from kilohour.contracts.terms import not_enforced
from kilohour.reports import statistics
from kilohour.session import Session
from kilohour.tape.schema import Kind
from kilohour.tape.store import fingerprint
from kilohour.tape.tape import Tape
from kilohour.units import MICROS, MISSING, datetime_of


def assumption_rows(prepared: Prepared) -> list[dict[str, Any]]:
    """One row for each term of the run's products that an assumptions file filled."""
    hashes = {a.name: a.sha256 for a in prepared.assumptions}
    return [
        {"file": term.assumed_by, "sha256": hashes.get(term.assumed_by or "", ""), "product": product.code, "term": name,
         "value": str(term.value), "source": term.source}
        for product in prepared.products for name, term in product.assumed_terms.items()
    ]  # fmt: skip


def venue_rows(prepared: Prepared) -> list[dict[str, Any]]:
    """One row for each venue of the run: its table, its products, what is emulated, what is refused with which code, and the
    venue's codes where our risk gate refuses."""
    return [
        {"name": venue.name, "title": venue.title, "sha256": venue.sha256, "products": products, "emulated": list(venue.emulated()),
         "refused": venue.refusals(), "reasons": {rule: str(term.value) for rule, term in venue.reasons.items() if term.is_known}}
        for venue, products in _by_venue(prepared)
    ]  # fmt: skip


def _by_venue(prepared: Prepared) -> list[tuple[Venue, list[str]]]:
    found: dict[str, tuple[Venue, list[str]]] = {}
    for code, venue in prepared.venues.items():
        found.setdefault(venue.sha256, (venue, []))[1].append(code)
    return list(found.values())


def venue_sentences(prepared: Prepared, refused: Mapping[str, int] | None) -> list[str]:
    """Whose orders go where, what kilohour emulates, and what no venue published; ``refused``: orders refused by code."""
    sentences = []
    for venue, products in _by_venue(prepared):
        said = f"{', '.join(products)}: orders are accepted and refused as at {venue.title}"
        emulated = [name.replace("_", " ") for name in venue.emulated()]
        sentences.append(f"{said}; emulated by kilohour: {', '.join(emulated)}." if emulated else f"{said}.")
        if {"calendar", "inter_product"} & set(venue.emulated()):
            sentences.append("Where a spread order is emulated it becomes an order a leg; here the legs fill together, "
                             "so the risk of a broken leg is not in the result.")
    if refused is not None:
        count = sum(refused.values())
        by_code = ", ".join(f"{number} {code}" for code, number in sorted(refused.items()))
        sentences.append(f"{count} order{' was' if count == 1 else 's were'} refused: {by_code}." if count else "No order was refused.")
    for product in prepared.products:
        unknown = not_enforced(product)
        if unknown:
            sentences.append(f"{product.code}: {', '.join(unknown)} unknown: not enforced.")
    return sentences


def modelled_sentences(prepared: Prepared, refused: Mapping[str, int] | None = None) -> list[str]:
    """What the run assumes about orders, fills, margin and settlement, and what the tape's maker said."""
    tape = prepared.market.tape
    sentences = [*tape.notes, *getattr(prepared.face, "notes", ())]
    fills = prepared.market.fills
    sentences.append(("An order meets what is displayed from the next event on, never in the one that caused it; " if fills.needs_quotes
                      else "An order fills from the next bar of its contract on, never in the bar that caused it; ")
                     + "the legs of a spread fill together or wait.")
    sentences.append(fills.sentence())
    if prepared.cash_rate.earns:
        sentences.append(prepared.cash_rate.sentence())
    if prepared.market.limits is not None:
        sentences.append(prepared.market.limits.sentence())
    sentences += venue_sentences(prepared, refused)
    for product in prepared.products:
        sentences.append(f"{product.code}: {_cost_sentence(product, fills.needs_quotes)}")
        if product.term("margin_initial_ppm") or product.term("margin_initial_floor"):
            sentences.append(f"{product.code}: {_margin_sentence(product)}")
    if np.any(tape.events["kind"][np.flatnonzero(tape.events["volume"] == MISSING)] == Kind.BAR):
        sentences.append("Where a bar has no volume, fills are not limited by it.")
    sentences.append("The baseline holds the run's average lots at each place of the curve, rolled at the mark without costs; "
                     "it is known only afterwards.")
    return sentences


def _cost_sentence(product: Product, at_quotes: bool) -> str:
    ticks, share = product.ratio("half_spread_ticks"), product.whole("participation_ppm") / 10_000
    if at_quotes:
        return ("a market order pays what is asked and the fees; of a bar with a range a resting order may have been part of "
                f"{share:g} % of the volume.")
    return (f"a market order pays {_plain(ticks)} tick{'s' if ticks != 1 else ''} of half spread and the fees, and takes at most "
            f"{share:g} % of a bar's volume.")


def _margin_sentence(product: Product) -> str:
    initial, maintained = product.whole("margin_initial_ppm") / 10_000, product.whole("margin_maintenance_ppm") / 10_000
    floor, least = product.ratio("margin_initial_floor"), product.ratio("margin_maintenance_floor")
    model, grace = product.get("margin_model"), product.get("margin_grace_marks")
    if model == "per_lot":
        said = f"margin is {_plain(floor)} USD a lot initially and {_plain(least)} maintained; spreads get no credit"
    elif model == "scenario":
        said = (f"margin is the worst loss of {len(product.text('margin_scenarios').split(';'))} scenarios on {initial:g} % of notional, "
                "less credits for spreads")
    else:
        said = f"margin is {initial:g} % of notional initially and {maintained:g} % maintained, with a floor per lot; spreads get no credit"
    return said + (f"; a margin call leaves {grace} mark{'s' if grace != 1 else ''} to pay." if grace else ".")


def _plain(value: Any) -> str:
    return f"{float(value):g}"


def strategy_entry(prepared: Prepared, name: str) -> dict[str, Any]:
    """Name, class, file name and documentation of the strategy."""
    face = prepared.face
    try:
        file = Path(inspect.getsourcefile(face) or "").name
    except TypeError:
        file = ""
    return {"name": name, "class": face.__qualname__, "file": file, "doc": inspect.cleandoc(face.__doc__ or "")}


def tape_entry(tape: Tape, part: Tape) -> dict[str, Any]:
    """Source, hash, span and size of the tape; counts are those of the part that was played."""
    return {"source": tape.source, "sha256": fingerprint(tape), "start": iso(part.start), "end": iso(part.end), "events": len(part),
            "bars": part.bars, "contracts": len(part.contracts), "notes": list(tape.notes), "days_per_year": tape.days_per_year}


def iso(nanos: int) -> str:
    """A time as ISO text in UTC, to the second."""
    return f"{datetime_of(nanos):%Y-%m-%dT%H:%M:%SZ}"


def result_of(prepared: Prepared, session: Session, name: str, run: str, seconds: dict[str, float], report: str | None) -> dict[str, Any]:
    """The JSON of a run; every ``_usd`` has its ``_micros`` twin."""
    book, tape = session.book[0], prepared.market.tape
    equity, start, end = session.table("equity"), prepared.cash_micros, int(book["equity"])
    fall = statistics.max_drawdown(np.append(equity["equity_micros"], end), start)
    money = {"fees": int(book["fees"]), "net": end - start, "equity_start": start, "equity_end": end,
             "max_drawdown": fall.micros, "margin_peak": int(book["margin_peak"])}
    twins: dict[str, Any] = {}
    for key, amount in money.items():
        twins[f"{key}_usd"], twins[f"{key}_micros"] = amount / MICROS, amount
    return {
        "run": run, "strategy": name, "parameters": prepared.parameters, "tape": tape.source,
        "assumptions": sorted({a.name for a in prepared.assumptions}), "start": iso(tape.start), "end": iso(tape.end),
        "events": session.cursor, "bars": int(book["bars"]), "orders": int(book["orders_made"] - book["orders_refused"]),
        "refused": int(book["orders_refused"]), "fills": int(book["fills"]), "lots_traded": int(book["lots_traded"]),
        "settlements": int(book["settlements"]), **twins, "max_drawdown": fall.fraction,
        "sharpe": statistics.sharpe(equity["ts"], equity["equity_micros"], start, tape.days_per_year),
        "margin_calls": int(book["margin_calls"]), "seconds": seconds,
        "bars_per_second": int(book["bars"]) / seconds["run"] if seconds["run"] > 0 else None, "report": report,
    }  # fmt: skip


def manifest_of(prepared: Prepared, tape: Tape, name: str, run: str, result: dict[str, Any], refused: Mapping[str, int],
                notes: Sequence[str] = ()) -> dict[str, Any]:
    """The manifest of a run folder. ``refused``: orders refused, by code; ``notes``: what else happened that one should know."""
    return {
        "kilohour": kilohour.__version__, "run": run, "strategy": strategy_entry(prepared, name), "parameters": prepared.parameters,
        "tape": tape_entry(tape, prepared.market.tape), "products": [product_entry(p) for p in prepared.products],
        "assumptions": assumption_rows(prepared), "venues": venue_rows(prepared), "refused": dict(refused),
        "limits": None if prepared.market.limits is None else prepared.market.limits.in_force(),
        "modelled": [*modelled_sentences(prepared, refused), *notes], "result": result,
        "face": "interpreted" if prepared.interpreted else "compiled",
    }  # fmt: skip


def product_entry(product: Product) -> dict[str, Any]:
    """What a report shows of a product."""
    return {"code": product.code, "name": product.name, "unit": product.unit, "currency": product.currency,
            "units_per_lot": float(product.ratio("lot"))}
