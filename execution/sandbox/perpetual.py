# SPDX-License-Identifier: Apache-2.0
"""Perpetuals on the indices of a market: what the exchange adds to the market's tape, and the rate of their funding.

Each official mark, at the times of funding, is the latest print of the index and a premium of a few hundredths of a per cent drawn from
the seed for that time alone; what a perpetual is worth in between is drawn like any contract's (fair.py). So it comes back to its index.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from kilohour.contracts import Contract, Product, Registry
from kilohour.contracts.days import funding_times
from kilohour.contracts.terms import EngineTerms
from kilohour.tape.schema import COLUMNS, Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, divide_half_even

PREMIUM, PREMIUM_MOST = 0.0005, 0.002
"""Standard deviation of a mark's premium over the index, and the largest there is."""
RATE_UNIT = 10**8
"""A rate of funding has eight decimals."""
Ints = npt.NDArray[np.int64]


def with_perpetuals(tape: Tape, registry: Registry, seed: int) -> Tape:
    """The tape with a contract, marks and fundings for every perpetual of the registry that has all its terms and whose index it prints."""
    printed = {index.code: row for row, index in enumerate(tape.indices)}
    parts, contracts = [tape.events], list(tape.contracts)
    for product in registry.products():
        index = printed.get(product.index or "")
        if not _is_listed(product) or index is None or product.code in tape.product_codes:
            continue
        times, values = known_prints(tape, index)
        if len(times) and times[0] < tape.end:
            contract = dataclasses.replace(product.contract(0), listed_at=int(times[0]))
            parts.append(_events(product, contract, len(contracts), times, values, tape.end, seed))
            contracts.append(contract)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    order = np.lexsort((columns["ref"], columns["kind"], columns["ts"]))
    return dataclasses.replace(tape, events={name: np.ascontiguousarray(column[order]) for name, column in columns.items()},
                               contracts=tuple(contracts), sha256="")  # fmt: skip


def _is_listed(product: Product) -> bool:
    return product.is_perpetual and not product.unknown_terms and product.get("funding_interval_hours") is not None


def known_prints(tape: Tape, index: int) -> tuple[Ints, Ints]:
    """When the print of the latest value date of an index changed, and what it was: restatements of older days are left out."""
    events = tape.events
    rows = np.flatnonzero((events["kind"] == Kind.PRINT) & (events["ref"] == index))
    days = events["ts_event"][rows]
    rows = rows[days >= np.maximum.accumulate(days)] if len(rows) else rows
    return events["ts"][rows], events["close"][rows]


def _events(product: Product, contract: Contract, ref: int, known: Ints, values: Ints, end: int,
            seed: int) -> dict[str, npt.NDArray[np.int64]]:  # fmt: skip
    """A listing with the first print, then a mark and a funding by rule at each time of funding."""
    hours = product.whole("funding_interval_hours")
    times = np.array(funding_times(hours, int(known[0]), end), np.int64)
    index = values[np.searchsorted(known, times, side="left") - 1]
    drawn = [np.random.default_rng([seed, 2, int(ts // 10**9)]).standard_normal() for ts in times.tolist()]
    premium = np.clip(PREMIUM * np.array(drawn), -PREMIUM_MOST, PREMIUM_MOST)
    tick = round(product.ratio("tick") * 10**6)
    marks = np.round(index * (1.0 + premium) / tick).astype(np.int64) * tick
    count = 2 * len(times) + 1
    kinds = [Kind.LISTING] + [Kind.MARK] * len(times) + [Kind.FUNDING] * len(times)
    events: dict[str, npt.NDArray[np.int64]] = {name: np.full(count, MISSING) for name in ("open", "high", "low", "volume")}
    events["ts"] = events["ts_event"] = np.concatenate([[contract.listed_at], times, times])
    events["kind"], events["ref"] = np.array(kinds, COLUMNS["kind"]), np.full(count, ref, COLUMNS["ref"])
    events["close"] = np.concatenate([[MISSING], marks, np.full(len(times), MISSING)])
    return events


def funding_rate(terms: EngineTerms, mark: int, index: int) -> int:
    """The rate by the product's rule in hundred-millionths, for ``index > 0``; prices in micros. docs/engine.md, "Funding"."""
    premium = divide_half_even((mark - index) * RATE_UNIT, index)
    rate = premium + min(max(terms.funding_interest - premium, -terms.funding_damper), terms.funding_damper)
    return divide_half_even(min(max(rate, -terms.funding_cap), terms.funding_cap), terms.funding_divisor)


def next_funding(product: Product, now: int) -> int | None:
    """The next time of funding after ``now``, nanoseconds UTC; None for a product that states no interval."""
    hours = product.get("funding_interval_hours")
    return funding_times(hours, now, now + hours * 3_600_000_000_000)[0] if isinstance(hours, int) else None
