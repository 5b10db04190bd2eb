# SPDX-License-Identifier: Apache-2.0
"""What every session on one tape shares and none changes: terms, fixing days, the contracts' facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kilohour.contracts.contract import NEVER, Contract
from kilohour.contracts.terms import EngineTerms
from kilohour.errors import UsageError
from kilohour.fills import Fills
from kilohour.kernels import records as r
from kilohour.kernels.records import Array
from kilohour.limits import RiskLimits
from kilohour.margin_terms import margin_terms_of
from kilohour.rare import check_funding, rarities
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape, check_settled_once
from kilohour.units import MISSING, NANOS_PER_DAY


@dataclass(frozen=True, slots=True, repr=False)
class Market:
    """What every session on one tape shares and none changes: terms, fixing days, who settles on which index.

    Like a session it has no printed form: numpy would write out every row of its records, which takes gigabytes.
    """

    tape: Tape
    products: tuple[str, ...]
    terms: Array
    margin_terms: Array
    """The same terms with those that only margin calls and scenario margin read."""
    has_scenarios: bool
    desk: Array
    """One desk record with the contracts' facts filled in."""
    fixing_days: Array
    fixes_from: Array
    fixes_contract: Array
    """Contracts that fix on each (index, day), compressed rows."""
    first_day: int
    day_count: int
    fills: Fills
    limits: RiskLimits | None
    has_rare: bool = False
    """The tape holds corrections by the venue, funding or quotes."""
    has_quotes: bool = False

    @property
    def asked_terms(self) -> Array:
        """The terms that a requirement is worked out by."""
        return self.margin_terms if self.has_scenarios else self.terms

    @classmethod
    def of(cls, tape: Tape, terms: Mapping[str, EngineTerms], index_of: Mapping[str, str | None], fills: Fills | None = None,
           limits: RiskLimits | None = None, print_days: tuple[int, int] | None = None) -> Market:
        """Prepares a tape: ``terms`` and the index code of every product on it. ``print_days``: the first value date and the count of
        days that prints may have, where the tape does not hold them yet.

        Raises :class:`UsageError` when the tape holds more than the engine's fixed capacities, :class:`~kilohour.errors.DataError` when
        it settles a contract twice.
        """
        products = tape.product_codes
        check_settled_once(tape.events, [contract.code for contract in tape.contracts])
        for what, count, most in (("contracts", len(tape.contracts), r.CONTRACTS), ("products", len(products), r.PRODUCTS),
                                  ("indices", len(tape.indices), r.INDICES)):
            if count > most:
                raise UsageError(f"a run holds at most {most} {what}, the tape has {count}; cut it with --from and --to")
        days = print_days or _print_days(tape)
        rows, fixing_days = _terms_rows(tape, terms, index_of)
        fills = fills or Fills()
        if limits is not None:
            limits.check_codes(products, [contract.code for contract in tape.contracts])
        for row in rows[: len(tape.contracts)]:
            row["slippage"], row["slippage_ppm"] = fills.slippage_micros(int(row["tick"])), fills.slippage_ppm
        check_funding(tape, rows)
        has_rare, has_quotes = rarities(tape, fills)
        fixes_from, fixes_contract = _contracts_by_day(rows, fixing_days, len(tape.indices), days)
        return cls(tape=tape, products=products, terms=rows, margin_terms=margin_terms_of(tape, rows, terms),
                   has_scenarios=bool((rows["margin_model"] == r.BY_SCENARIO).any()), desk=_desk_of(tape, rows), fixing_days=fixing_days,
                   fixes_from=fixes_from, fixes_contract=fixes_contract, first_day=days[0], day_count=days[1], fills=fills, limits=limits,
                   has_rare=has_rare, has_quotes=has_quotes)

    def product_row(self, code: str) -> int:
        """Row of a product, -1 when the tape has none of it."""
        return self.products.index(code) if code in self.products else -1


def _print_days(tape: Tape) -> tuple[int, int]:
    value_days = tape.events["ts_event"][tape.events["kind"] == Kind.PRINT] // NANOS_PER_DAY
    if not len(value_days):
        return 0, 1
    first = int(value_days.min())
    return first, int(value_days.max()) - first + 1


def _terms_rows(tape: Tape, terms: Mapping[str, EngineTerms], index_of: Mapping[str, str | None]) -> tuple[Array, Array]:
    rows = np.zeros(max(len(tape.contracts), 1), r.TERMS)
    index_rows = {index.code: row for row, index in enumerate(tape.indices)}
    days: list[int] = []
    for row, contract in zip(rows, tape.contracts, strict=False):
        term = terms[contract.product]
        row["lot_num"], row["lot_den"] = term.lot_num, term.lot_den
        row["tick"], row["rounding"] = term.tick_micros, term.rounding_micros
        row["spread_tick"] = term.tick_micros if term.spread_tick_micros is None else term.spread_tick_micros
        row["fee_per_lot"], row["fee_ppm"], row["fee_settlement"] = term.fee_per_lot_micros, term.fee_ppm, term.fee_settlement_micros
        row["initial_ppm"], row["maintenance_ppm"] = term.margin_initial_ppm, term.margin_maintenance_ppm
        row["initial_floor"], row["maintenance_floor"] = term.margin_initial_floor_micros, term.margin_maintenance_floor_micros
        row["half_spread"], row["participation_ppm"] = term.half_spread_micros, term.participation_ppm
        row["missing_rule"], row["restatement_latest"] = term.missing_rule, term.restatement_latest
        for name in ("kinds_mask", "lives_mask", "flags_mask", "spreads_mask", "groups_mask", "can_amend", "order_in_halt",
                     "cancel_in_halt", "band_ppm", "band_queues", "price_minimum", "position_limit", "spot_limit"):
            row[name] = getattr(term, name)
        row["spot_from"] = _spot_month_begins(contract, term.spot_days) if term.spot_limit else NEVER
        row["fee_maker_per_lot"] = term.fee_per_lot_micros if term.fee_maker_per_lot_micros is None else term.fee_maker_per_lot_micros
        row["fee_maker_ppm"] = term.fee_ppm if term.fee_maker_ppm is None else term.fee_maker_ppm
        row["fee_clearing"] = term.fee_clearing_micros
        row["weighted"], row["settles_at_mark"] = term.weighted, term.settles_at_mark
        row["funding_cap"], row["funding_damper"] = term.funding_cap, term.funding_damper
        row["funding_interest"], row["funding_divisor"] = term.funding_interest, term.funding_divisor
        row["margin_model"] = r.BY_NOTIONAL if term.margin_table is None else r.BY_SCENARIO
        row["index"] = index_rows.get(index_of.get(contract.product) or "", -1)
        row["fixing_from"] = len(days)
        days += contract.fixing_days
        row["fixing_to"] = len(days)
    return rows, np.array(days or [0], dtype=np.int64)


def _spot_month_begins(contract: Contract, days: int) -> int:
    """The close so many business days before the last trade. Fixing days are business days; without them weekdays count."""
    if contract.last_trade_at == NEVER:
        return NEVER
    last = contract.last_trade_at // NANOS_PER_DAY
    business = [day for day in contract.fixing_days if day <= last]
    begins = business[-1 - days] if len(business) > days else _weekday_before(last, days)
    return contract.last_trade_at - (last - begins) * NANOS_PER_DAY


def _weekday_before(day: int, count: int) -> int:
    return int(np.busday_offset(np.datetime64(day, "D"), -count, roll="backward").astype(np.int64))


def _contracts_by_day(terms: Array, fixing_days: Array, indices: int, days: tuple[int, int]) -> tuple[Array, Array]:
    first, count = days
    cells: list[tuple[int, int]] = []
    for contract, term in enumerate(terms):
        if term["index"] >= 0:
            offsets = fixing_days[term["fixing_from"] : term["fixing_to"]] - first
            cells += [(int(term["index"]) * count + int(day), contract) for day in offsets if 0 <= day < count]
    cells.sort()
    starts = np.searchsorted(np.array([cell for cell, _ in cells], dtype=np.int64), np.arange(max(indices, 1) * count + 1))
    return starts.astype(np.int64), np.array([contract for _, contract in cells] or [0], dtype=np.int64)


def _desk_of(tape: Tape, terms: Array) -> Array:
    desk = np.zeros(1, r.DESK)
    view, n = desk[0], len(tape.contracts)
    for name in ("last", "official", "variance", "column_value", "index_value"):
        view[name][:] = np.nan
    view["traded"][:] = MISSING
    view["seen_at"][:] = view["quoted_at"][:] = -1
    view["index_value_day"][:] = view["index_micros"][:] = MISSING
    view["front"][:] = -1
    view["contract_count"], view["product_count"], view["index_count"] = n, len(tape.product_codes), len(tape.indices)
    rows = {code: row for row, code in enumerate(tape.product_codes)}
    view["product_of"][:n] = [rows[c.product] for c in tape.contracts]
    view["delivery_month"][:n] = [c.month for c in tape.contracts]
    view["last_trade_at"][:n] = [c.last_trade_at for c in tape.contracts]
    view["settlement_at"][:n] = [c.settlement_at for c in tape.contracts]
    view["fixing_at"][:n] = [_window_begins(c.fixing_days, c.last_trade_at) for c in tape.contracts]
    view["fixing_count"][:n] = [len(c.fixing_days) for c in tape.contracts]
    view["units_per_lot"][:n] = terms["lot_num"][:n] / np.maximum(terms["lot_den"][:n], 1)
    view["tick_size"][:n] = terms["tick"][:n] / 1e6
    view["spread_tick_size"][:n] = terms["spread_tick"][:n] / 1e6
    return desk


def _window_begins(fixing_days: tuple[int, ...], last_trade_at: int) -> int:
    """A window of several days begins with its first; a single print counts until the last trade."""
    return fixing_days[0] * NANOS_PER_DAY if len(fixing_days) > 1 else last_trade_at
