# SPDX-License-Identifier: Apache-2.0
"""Looks a tape over before money is put on it: what a run would stop at, and what a trader would ask about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import Contract
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.tape.windows import Unprinted, unprinted_days
from kilohour.units import NANOS_PER_DAY, date_of, datetime_of

GAP_DAYS_MAX = {252: 5, 365: 1}
"""Calendar days without a bar of a product that weekends and holidays explain, by trading days a year."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found: the rule, the contract (or product) it is about, the first day, and how often."""

    rule: str
    """``gap``, ``missing bar``, ``missing mark``, ``missing print``, ``window before prints``, ``bar outside listing``,
    ``missing final`` or ``settled twice``."""
    contract: str
    day: str
    """ISO date of the first time."""
    count: int
    detail: str

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.contract}: {self.rule} on {self.day}{times}: {self.detail}"


def check(tape: Tape, *, indices: Mapping[str, str] | None = None) -> list[Finding]:
    """Findings by contract, in the order of the tape's products and contracts; empty when all is well.

    - ``gap``: no bar of any contract of a product for longer than weekends and holidays explain (:data:`GAP_DAYS_MAX`);
    - ``missing bar``: between its first and last bar a contract has none on a day on which its product has some;
    - ``missing mark``: a day with a bar and no mark, where the contract has marks at all or its product has;
    - ``bar outside listing``: a bar before the listing or after the last trade;
    - ``missing print``: a fixing day without a print known at the settlement, for finals by rule on this tape: the
      product's missing-day rule decides there, and with ``refuse`` no run begins (the same :func:`unprinted_days`);
    - ``window before prints``: fixing days before the index's first print on this tape: it began too late to settle
      the contract, which stops a run only when the contract is held to its settlement;
    - ``missing final``: the settlement time lies inside the tape and nothing settles the contract;
    - ``settled twice``: a second final settlement that is not a correction (it has no revision).

    Days are UTC days. ``indices`` names the index that settles each product, by code; without it the products
    on the tape and the shipped registry say so.
    """
    settling = _settling_indices(tape) if indices is None else indices
    view = _View(tape, settling)
    findings: list[Finding] = []
    for product in tape.product_codes:
        refs = [ref for ref, contract in enumerate(tape.contracts) if contract.product == product]
        findings += list(_product_findings(view, product, refs))
    return findings


class _View:
    """The tape's times by kind and contract, cut up once."""

    def __init__(self, tape: Tape, settling: Mapping[str, str]) -> None:
        self.tape = tape
        self._times = {kind: self._by_ref(kind) for kind in (Kind.BAR, Kind.MARK, Kind.FINAL, Kind.LISTING)}
        self.unprinted: dict[int, list[Unprinted]] = {}
        for found in unprinted_days(tape, settling):
            self.unprinted.setdefault(found.contract, []).append(found)

    def _by_ref(self, kind: Kind) -> list[Ints]:
        rows = self.tape.events["kind"] == kind
        if kind in (Kind.MARK, Kind.FINAL):
            rows &= self.tape.events["volume"] <= 0  # corrections have a revision
        ref, ts = self.tape.events["ref"][rows], self.tape.events["ts"][rows]
        order = np.argsort(ref, kind="stable")
        cuts = np.searchsorted(ref[order], np.arange(1, len(self.tape.contracts)))
        return np.split(ts[order], cuts)

    def times(self, kind: Kind, ref: int) -> Ints:
        return self._times[kind][ref]


def _product_findings(view: _View, product: str, refs: list[int]) -> Iterator[Finding]:
    bar_days = {ref: np.unique(view.times(Kind.BAR, ref) // NANOS_PER_DAY) for ref in refs}
    days = np.unique(np.concatenate(list(bar_days.values())))
    yield from _gaps(product, days, GAP_DAYS_MAX.get(view.tape.days_per_year, 5))
    marked = any(len(view.times(Kind.MARK, ref)) for ref in refs)
    for ref in refs:
        contract = view.tape.contracts[ref]
        if len(bar_days[ref]):
            expected = days[(days >= bar_days[ref][0]) & (days <= bar_days[ref][-1])]
            yield from _missing(contract, "missing bar", expected, bar_days[ref], "its product has bars that day")
        if marked:
            marks = np.unique(view.times(Kind.MARK, ref) // NANOS_PER_DAY)
            yield from _missing(contract, "missing mark", bar_days[ref], marks, "a bar but no settlement that day")
        yield from _outside(view, contract, ref)
        yield from _settlement(view, contract, ref)


def _gaps(product: str, days: Ints, most: int) -> Iterator[Finding]:
    steps = np.diff(days)
    for i in np.flatnonzero(steps > most):
        yield Finding(rule="gap", contract=product, day=str(date_of(days[i])), count=1,
                      detail=f"no bar of any contract for {int(steps[i])} days, until {date_of(days[i + 1])}")


def _missing(contract: Contract, rule: str, expected: Ints, found: Ints, detail: str) -> Iterator[Finding]:
    absent = np.setdiff1d(expected, found)
    if len(absent):
        yield Finding(rule=rule, contract=contract.code, day=str(date_of(absent[0])), count=len(absent), detail=detail)


def _outside(view: _View, contract: Contract, ref: int) -> Iterator[Finding]:
    bars, listings = view.times(Kind.BAR, ref), view.times(Kind.LISTING, ref)
    # Within one timestamp bars come before listings, so the first bar may carry the listing's own time.
    listed = int(listings[0]) if len(listings) else contract.listed_at
    outside = bars[(bars < listed) | (bars > contract.last_trade_at)]
    if len(outside):
        end = "never" if contract.is_perpetual else f"{datetime_of(contract.last_trade_at):%Y-%m-%d %H:%M}"
        yield Finding(rule="bar outside listing", contract=contract.code, count=len(outside),
                      day=f"{datetime_of(int(outside[0])):%Y-%m-%d}",
                      detail=f"listed {datetime_of(listed):%Y-%m-%d %H:%M}, last trade {end}")


def _settling_indices(tape: Tape) -> dict[str, str]:
    """Index code by product code, from the products on the tape and then the shipped registry."""
    from kilohour.contracts import Registry

    own = {product.code: product for product in tape.products}
    missing = [code for code in tape.product_codes if code not in own]
    if missing:
        registry = Registry.shipped()
        own |= {code: registry.product(code) for code in missing}
    return {code: own[code].index or "" for code in tape.product_codes}


def _settlement(view: _View, contract: Contract, ref: int) -> Iterator[Finding]:
    if contract.is_perpetual:
        return
    finals = view.times(Kind.FINAL, ref)
    if not len(finals):
        if contract.settlement_at <= view.tape.end:
            yield Finding(rule="missing final", contract=contract.code, count=1,
                          day=f"{datetime_of(contract.settlement_at):%Y-%m-%d}", detail=contract.rule)
        return
    if len(finals) > 1:
        yield Finding(rule="settled twice", contract=contract.code, day=f"{datetime_of(int(finals[1])):%Y-%m-%d}",
                      count=len(finals) - 1, detail="a contract is settled once; a correction needs a revision number")
    found = view.unprinted.get(ref, [])
    early = [its for its in found if its.before_prints]
    if early:
        yield Finding(rule="window before prints", contract=contract.code, day=str(date_of(early[0].day)), count=len(early),
                      detail=f"fixing days before the first print of the index on this tape: a position held to "
                             f"{datetime_of(early[0].settled_at):%Y-%m-%d %H:%M} may not be settled ({contract.rule})")
    for its in found:
        if not its.before_prints:
            came = "none" if its.known_at is None else f"one first known {datetime_of(its.known_at):%Y-%m-%d %H:%M}"
            yield Finding(rule="missing print", contract=contract.code, day=str(date_of(its.day)), count=1,
                          detail=f"a fixing day needs a print known by {datetime_of(its.settled_at):%Y-%m-%d %H:%M}, "
                                 f"found {came} ({contract.rule})")
