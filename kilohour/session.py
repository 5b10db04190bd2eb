# SPDX-License-Identifier: Apache-2.0
"""One engine, one strategy, one account: the memory of a run, and the step that moves it on.

Every mode uses this session; a mode decides only which events are on the tape, and when to step.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import NEVER, Contract
from kilohour.contracts.terms import EngineTerms
from kilohour.errors import DataError, EngineError, StrategyRaised, UsageError
from kilohour.fills import Fills
from kilohour.kernels import records as r
from kilohour.margin_terms import margin_terms_of
from kilohour.strategy import Strategy
from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, NANOS_PER_DAY, date_of, datetime_of

if TYPE_CHECKING:
    from kilohour.kernels.late_margin import LateMargin
    from kilohour.step import PythonStep

BLOCK = 65_536
"""Events between two looks at the clock, the progress bar and Ctrl-C."""
ORDER_VERBS = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop", "if_touched", "at_settlement", "bracket"})
Array = npt.NDArray[Any]


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
    spare: Array
    """Stands where a session keeps its rows, for quiet sessions: they write none."""
    has_rare: bool = False
    """The tape holds corrections by the venue or funding."""

    @classmethod
    def of(cls, tape: Tape, terms: Mapping[str, EngineTerms], index_of: Mapping[str, str | None], fills: Fills | None = None,
           print_days: tuple[int, int] | None = None) -> Market:
        """Prepares a tape: ``terms`` and the index code of every product on it. ``print_days``: the first value date and the count of
        days that prints may have, where the tape does not hold them yet.

        Raises :class:`UsageError` when the tape holds more than the engine's fixed capacities.
        """
        products = tape.product_codes
        for what, count, most in (("contracts", len(tape.contracts), r.CONTRACTS), ("products", len(products), r.PRODUCTS),
                                  ("indices", len(tape.indices), r.INDICES)):
            if count > most:
                raise UsageError(f"a run holds at most {most} {what}, the tape has {count}; cut it with --from and --to")
        days = print_days or _print_days(tape)
        rows, fixing_days = _terms_rows(tape, terms, index_of)
        fills = fills or Fills()
        for row in rows[: len(tape.contracts)]:
            row["slippage"], row["slippage_ppm"] = fills.slippage_micros(int(row["tick"])), fills.slippage_ppm
        _check_funding(tape, rows)
        kind = tape.events["kind"]
        has_rare = bool(np.any((kind == Kind.FUNDING) | ((kind == Kind.MARK) | (kind == Kind.FINAL)) & (tape.events["volume"] > 0)))
        fixes_from, fixes_contract = _contracts_by_day(rows, fixing_days, len(tape.indices), days)
        return cls(tape=tape, products=products, terms=rows, margin_terms=margin_terms_of(tape, rows, terms),
                   has_scenarios=bool((rows["margin_model"] == r.BY_SCENARIO).any()), desk=_desk_of(tape, rows), fixing_days=fixing_days,
                   fixes_from=fixes_from, fixes_contract=fixes_contract, first_day=days[0], day_count=days[1], fills=fills,
                   spare=np.zeros(1, r.OUT), has_rare=has_rare)

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
        row["fee_per_lot"], row["fee_ppm"], row["fee_settlement"] = term.fee_per_lot_micros, term.fee_ppm, term.fee_settlement_micros
        row["initial_ppm"], row["maintenance_ppm"] = term.margin_initial_ppm, term.margin_maintenance_ppm
        row["initial_floor"], row["maintenance_floor"] = term.margin_initial_floor_micros, term.margin_maintenance_floor_micros
        row["half_spread"], row["participation_ppm"] = term.half_spread_micros, term.participation_ppm
        row["missing_rule"], row["restatement_latest"] = term.missing_rule, term.restatement_latest
        for name in ("kinds_mask", "lives_mask", "flags_mask", "spreads_mask", "groups_mask", "can_amend", "band_ppm", "position_limit",
                     "spot_limit"):
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


def _check_funding(tape: Tape, terms: Array) -> None:
    """Funding by rule needs the product's rule; a rate times the lot's denominator must leave the ledger 64 bits."""
    rows = np.flatnonzero(tape.events["kind"] == Kind.FUNDING)
    if not len(rows):
        return
    refs, rates = tape.events["ref"][rows], tape.events["close"][rows]
    by_rule = rates == MISSING
    for ref in np.unique(refs):
        contract, term, own = tape.contracts[ref], terms[ref], refs == ref
        if (by_rule & own).any() and (term["funding_divisor"] == 0 or term["index"] < 0):
            raise UsageError(f"{contract.product}: funding by rule needs the terms index and funding_cap_ppm, and the index on the tape; "
                             "or give the rates the venue stated")
        largest = max(int(np.abs(np.where(by_rule, 0, rates))[own].max()), int(term["funding_cap"]))
        if largest * int(term["lot_den"]) > 2 * 10**10:
            raise DataError(f"{contract.code}: a funding rate times the lot's denominator ({int(term['lot_den'])}) must be at most "
                            f"200, found {largest * int(term['lot_den']) / 1e8:g}")


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
    view["seen_at"][:] = -1
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
    return desk


def _window_begins(fixing_days: tuple[int, ...], last_trade_at: int) -> int:
    """A window of several days begins with its first; a single print counts until the last trade."""
    return fixing_days[0] * NANOS_PER_DAY if len(fixing_days) > 1 else last_trade_at


@dataclass(repr=False)
class Session:
    """The memory of one run. ``state`` is an array of one record of the strategy's class.

    ``quiet`` keeps no rows: counters and running statistics only, for sweeps.
    """

    market: Market
    face: type[Strategy]
    state: Array
    cash_micros: int
    interpreted: bool = False
    quiet: bool = False
    service_address: int | None = None
    meeting_address: int | None = None
    """Addresses of the engine's second and third part; found when they are first needed."""
    events: Mapping[str, Array] = field(init=False)
    """The columns that the engine runs over: the tape's."""
    step: Any = field(init=False)
    tables: dict[str, list[Array]] = field(init=False)

    def __post_init__(self) -> None:
        from kilohour.faces.reach import reach_of
        from kilohour.step import compiled_step, wants_events

        market = self.market
        self.events = market.tape.events
        self.desk, self.book = copied(market.desk), _empty_book(self.cash_micros, self.quiet)
        self.book["latency"], self.book["fill_model"] = market.fills.latency_ns, market.fills.model_number
        self.book["may_correct"] = int(market.has_rare)
        self.desk["tracks_equity"] = int(bool({"equity", "cash"} & reach_of(self.face).names))
        self.desk["column_limit"] = 0 if self.quiet else r.COLUMNS
        # Values of every index and day as known, and below them their weights. The last row of each half stays empty: row -1,
        # the index that a contract's tape does not have.
        self.latest = np.full((2 * (len(market.tape.indices) + 1), market.day_count), MISSING, dtype=np.int64)
        self.first = self.latest.copy()
        self.scratch = np.zeros(1, r.ORDER)
        self.out = market.spare if self.quiet else np.zeros(1, r.OUT)
        if not self.quiet:
            self.out["record_row"]["values"] = np.nan  # a column is absent before the strategy first names it
        self.tables = {name: [] for name in r.TABLES}
        self.wants_events = int(wants_events(self.face))
        self.python: PythonStep | None = None
        self.late_margin: LateMargin | None = None
        self.step = None if self.interpreted else compiled_step(self.face)

    def warm_up(self) -> None:
        """Compiles the engine or loads it from the cache; nothing moves."""
        from kilohour.kernels.compiling import collector_paused
        from kilohour.kernels.engine import advance, close_books

        if not advance.signatures:
            with collector_paused():
                self._advance(self.cursor)
                close_books(self.desk, _empty_book(0, True), self.market.terms, self.out)

    def run(self, until: int) -> None:
        """Moves the engine until ``until`` events are behind it, whole timestamps only.

        Raises :class:`StrategyRaised` with the user's traceback, :class:`DataError` when a fixing window lacks a print.
        """
        if until > len(self.events["ts"]):
            raise UsageError(f"until must be at most the tape's {len(self.events['ts'])} events, found {until}")
        before = self._snapshot() if self.step is not None else None
        status = self._move(until) if before is not None else self._move_interpreted(until)
        if status == r.DONE:
            return
        if status == r.FAILED:
            self._raise_failure(before)
        contract = self.market.tape.contracts[int(self.book["failed_ref"][0])]
        if status == r.NO_PRINT:
            if int(self.book["failed_day"][0]) == MISSING:
                raise DataError(f"{contract.code}: a final settlement needs a price: the venue's, prints of its fixing days with weights "
                                "above zero, or for settlement 'last_mark' an official mark; found none")
            day = date_of(int(self.book["failed_day"][0]))
            raise DataError(f"{contract.code}: the product's missing_day rule needs a print of every fixing day, found none for {day}")
        if status == r.NO_FUNDING:
            raise DataError(f"{contract.code}: funding of a position needs an official mark, and by rule a positive print of its index, "
                            f"found none by {datetime_of(int(self.desk['now'][0])):%Y-%m-%d %H:%M}")
        raise UsageError(f"{contract.product}: at most {r.CHAIN} contracts of one product can be listed at a time")

    def _move(self, until: int) -> int:
        while (status := self._advance(until)) == r.FULL:
            self._drain()
        return status

    def _move_interpreted(self, until: int) -> int:
        python = self._python_step()
        python.begin(until - self.cursor)
        try:
            status = self._move(until)
        finally:
            fault = python.end()
        if fault and status != r.FAILED:
            raise StrategyRaised(f"{fault} (seen at the end of a block, {datetime_of(int(self.desk['now'][0])):%Y-%m-%d %H:%M} UTC)")
        return status

    def close(self) -> None:
        """Ends the run: what is open is marked at the last price, and the buffers are emptied."""
        from kilohour.kernels.engine import close_books

        if not self.quiet and int(self.out["ledger"][0]) + len(self.market.tape.contracts) > r.ROWS:
            self._drain()
        close_books(self.desk, self.book, self.market.terms, self.out)
        if not self.quiet:
            self._drain()

    def table(self, name: str) -> Array:
        """All rows of one output so far, oldest first."""
        parts = self.tables[name]
        if name == "records":
            width = int(self.desk["column_count"][0])
            parts = [_widen(part, width) for part in parts]
        return np.concatenate(parts) if parts else np.zeros(0, r.TABLES[name][1])

    @property
    def cursor(self) -> int:
        """Events behind the engine."""
        return int(self.book["cursor"][0])

    def _advance(self, until: int) -> int:
        from kilohour.kernels.engine import advance

        market, events = self.market, self.events
        return int(advance(
            self.desk, self.book, market.terms, events["ts"], events["ts_event"], events["kind"], events["ref"], events["open"],
            events["high"], events["low"], events["close"], events["volume"], self.wants_events, self.latest,
            self.first, market.first_day, market.fixes_from, market.fixes_contract, market.fixing_days, self.out,
            self._step_address(), self._service_address(), self._meeting_address(), self._rare_address(),
            self.state.ctypes.data, self.desk.ctypes.data, self.book.ctypes.data,
            (market.margin_terms if market.has_scenarios else market.terms).ctypes.data, self.scratch.ctypes.data,
            self.out.ctypes.data, self._margin_address(), market.margin_terms.ctypes.data, until,
        ))  # fmt: skip

    def _service_address(self) -> int:
        if self.service_address is None:
            from kilohour.kernels.desk_service import service_address

            self.service_address = service_address(self.market.has_scenarios)
        return self.service_address

    def _rare_address(self) -> int:
        """Corrections and funding are compiled only for a tape that holds some."""
        if not self.market.has_rare:
            return 0
        from kilohour.kernels.rare_events import rare_events_address

        return rare_events_address(self.market.has_scenarios)

    def _meeting_address(self) -> int:
        """The engine's third part, 0 for a strategy that names no order verb; in CPython a verb can be named at run time."""
        if self.meeting_address is None:
            from kilohour.faces.reach import reach_of
            from kilohour.kernels.meeting_service import meeting_address

            is_needed = self.interpreted or ORDER_VERBS & reach_of(self.face).names
            self.meeting_address = meeting_address(self.market.has_scenarios) if is_needed else 0
        return self.meeting_address

    def _margin_address(self) -> int:
        """The engine's fourth part, or the way to it."""
        from kilohour.kernels import late_margin

        if self.late_margin is None:
            self.late_margin = late_margin.LateMargin()
            if self.market.has_scenarios:
                late_margin.margin_address()
        return self.late_margin.address

    def _step_address(self) -> int:
        if self.step is not None:
            return int(self.step.address)
        return self._python_step().address

    def _python_step(self) -> PythonStep:
        if self.python is None:
            from kilohour.step import PythonStep

            self.python = PythonStep(self.face, self.state.ctypes.data, self.desk.ctypes.data)
        return self.python

    def _drain(self) -> None:
        for name, (row, _) in r.TABLES.items():
            used, rows = int(self.out[name][0]), self.out[row][0]
            if used:
                kept = _narrow(rows[:used], int(self.desk["column_count"][0])) if name == "records" else rows[:used].copy()
                self.tables[name].append(kept)
            self.out[name] = 0

    def _memory(self) -> list[Array]:
        return [self.state, self.desk, self.book, self.latest, self.first]

    def _snapshot(self) -> list[Array]:
        return [copied(part) for part in self._memory()]

    def _raise_failure(self, before: list[Array] | None) -> None:
        """Reruns the block in CPython from its snapshot, for the traceback."""
        from kilohour.faces.traceback import user_traceback

        if self.late_margin is not None and self.late_margin.error is not None:
            raise self.late_margin.error
        at = datetime_of(int(self.desk["now"][0]))
        if before is not None:
            self._rerun(before, at)
        assert self.python is not None
        error = self.python.error
        assert error is not None
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error
        raise StrategyRaised(f"{self.face.__name__} raised at {at:%Y-%m-%d %H:%M} UTC\n{user_traceback(error)}") from error

    def _rerun(self, before: list[Array], at: dt.datetime) -> None:
        """The block once more from its snapshot, in CPython. The tables stay as the first pass left them."""
        kept = self.out, self.tables
        self.out, self.tables = np.zeros(1, r.OUT), {name: [] for name in r.TABLES}
        for part, saved in zip(self._memory(), before, strict=True):
            part.view(np.uint8)[...] = saved.view(np.uint8)
        self.step = None
        status = self._move(len(self.events["ts"]))
        self.out, self.tables = kept
        if status != r.FAILED:
            raise EngineError(f"{self.face.__name__} failed when compiled at {at} and did not in CPython: please report")


def copied(records: Array) -> Array:
    """A copy as bytes: numpy copies records field by field, which takes seven times as long."""
    return records.view(np.uint8).copy().view(records.dtype)


def _empty_book(cash: int, quiet: bool) -> Array:
    book = np.zeros(1, r.BOOK)
    view = book[0]
    view["cash"] = view["equity"] = view["equity_peak"] = view["day_before"] = view["day_last"] = cash
    view["day"] = MISSING
    view["quiet"] = int(quiet)
    view["mark"][:] = MISSING
    view["stamp"][:] = MISSING
    view["marked_at"][:] = MISSING
    view["open_slot"][:] = -1
    return book


def _narrow(rows: Array, width: int) -> Array:
    """Records without the columns that no name uses: a row of sixteen would cost 136 bytes a bar."""
    out = np.zeros(len(rows), [("ts", np.int64), ("values", np.float64, (max(width, 1),))])
    out["ts"], out["values"] = rows["ts"], rows["values"][:, : max(width, 1)]
    return out


def _widen(rows: Array, width: int) -> Array:
    """Older records with NaN in columns that were named later."""
    have = rows["values"].shape[1]
    if have >= width:
        return rows
    out = np.zeros(len(rows), [("ts", np.int64), ("values", np.float64, (width,))])
    out["ts"], out["values"] = rows["ts"], np.nan
    out["values"][:, :have] = rows["values"]
    return out
