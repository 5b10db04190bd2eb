# SPDX-License-Identifier: Apache-2.0
"""One engine, one strategy, one account: the memory of a run, and the step that moves it on.

Every mode uses this session; a mode decides only which events are on the tape, and when to step.
"""

from __future__ import annotations

import datetime as dt
import mmap
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from kilohour.cash import NOTHING, CashRate
from kilohour.errors import DataError, EngineError, StrategyRaised, UsageError
from kilohour.kernels import records as r
from kilohour.kernels.records import Array
from kilohour.kernels.words import TRADING_STATES
from kilohour.limits import RiskLimits
from kilohour.market import Market
from kilohour.rare import empty_quotes
from kilohour.rewind import Rewind
from kilohour.strategy import Strategy
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, NANOS_PER_DAY, date_of, datetime_of, micros

if TYPE_CHECKING:
    from kilohour.kernels.late_margin import LateMargin
    from kilohour.step import PythonStep

BLOCK = 262_144
"""Events between two looks at the clock, the progress bar and Ctrl-C: some ten milliseconds compiled, half a second in CPython, where
Ctrl-C needs no look."""
ORDER_VERBS = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop", "if_touched", "at_settlement", "bracket"})


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
    cash_rate: CashRate = NOTHING
    events: Mapping[str, Array] = field(init=False)
    """The columns that the engine runs over: the tape's."""
    step: Any = field(init=False)
    quotes: Array | None = field(init=False, default=None)
    """What is displayed, where there are quotes; several accounts may share it."""
    tables: dict[str, list[Array]] = field(init=False)
    _rewind: Rewind | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        from kilohour.faces.reach import reach_of
        from kilohour.step import compiled_step, wants_events

        market = self.market
        self.events = market.tape.events
        self.desk, self.book = copied(market.desk), _empty_book(self.cash_micros, self.quiet)
        self.book["latency"], self.book["fill_model"] = market.fills.latency_ns, market.fills.model_number
        self.book["earns"], self.book["cash_rate"] = int(self.cash_rate.earns), self.cash_rate.ppm
        self.book["rate_index"], self.desk["quote_life"] = self.cash_rate.row(market.tape), market.fills.stale_after_ns
        if market.has_quotes:
            self.keep_quotes()
        self.book["may_correct"] = int(market.has_rare)
        self.desk["tracks_equity"] = int(bool({"equity", "cash"} & reach_of(self.face).names))
        self.guard = None if market.limits is None else guard_of(market.limits, market.tape, self.cash_micros)
        if self.guard is not None:
            self.desk["tracks_equity"] = 1
        self.desk["column_limit"] = 0 if self.quiet else r.COLUMNS
        # Values of every index and day as known, and below them their weights. The last row of each half stays empty: row -1,
        # the index that a contract's tape does not have.
        self.latest = np.full((2 * (len(market.tape.indices) + 1), market.day_count), MISSING, dtype=np.int64)
        self.first = self.latest.copy()
        self.scratch = np.zeros(1, r.ORDER)
        self.out = _unwritten() if self.quiet else _buffers()
        if not self.quiet:
            self.out["record_row"]["values"] = np.nan  # a column is absent before the strategy first names it
        self.tables = {name: [] for name in r.TABLES}
        self._lies_at: tuple[int, ...] = ()
        self._lies_with: tuple[Array, Market] | None = None
        self.wants_events = int(wants_events(self.face))
        self.python: PythonStep | None = None
        self.late_margin: LateMargin | None = None
        self.step = None if self.interpreted else compiled_step(self.face)

    def warm_up(self) -> None:
        """Compiles the engine or loads it from the cache; nothing moves."""
        from kilohour.kernels.compiling import collector_paused, set_aside
        from kilohour.kernels.engine import advance, close_books

        if not advance.signatures:
            with collector_paused():
                self._advance(self.cursor)
                close_books(self.desk, _empty_book(0, True), self.market.terms, self.out)
                set_aside(sum(advance.stats.cache_hits.values()))

    def run(self, until: int) -> None:
        """Moves the engine until ``until`` events are behind it, whole timestamps only.

        Raises :class:`StrategyRaised` with the user's traceback, :class:`DataError` when a fixing window lacks a print.
        """
        if until > len(self.events["ts"]):
            raise UsageError(f"until must be at most the tape's {len(self.events['ts'])} events, found {until}")
        before = self.keep() if self.step is not None else None
        status = self.move(until)
        if status == r.FAILED:
            self._raise_failure(before)
        if status != r.DONE:
            self.raise_status(status)

    def move(self, until: int) -> int:
        """Moves as :meth:`run` does and returns a status of ``records``; a failure leaves the traceback to be found."""
        return self._move(until) if self.step is not None else self._move_interpreted(until)

    def raise_status(self, status: int) -> NoReturn:
        """Raises for a status of :meth:`move` other than DONE; of FAILED only where the strategy ran in CPython."""
        if status == r.FAILED:
            self._raise_failure(None)
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

    def flush(self) -> None:
        """Puts the rows still in the buffers into the tables, so that :meth:`table` holds all of them in the middle of a run."""
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
        if self.guard is not None and not self.book["risk"]["call"][0]:
            self._set_guard(self.guard)
        return int(advance(
            self.desk, self.book, market.terms, events["ts"], events["ts_event"], events["kind"], events["ref"], events["open"],
            events["high"], events["low"], events["close"], events["volume"], self.wants_events, self.latest,
            self.first, market.first_day, market.fixes_from, market.fixes_contract, market.fixing_days, self.out,
            self._step_address(), self._service_address(), self._meeting_address(), self._rare_address(),
            *self._addresses(), self._margin_address(), self._margin_terms_at, until,
        ))  # fmt: skip

    def _addresses(self) -> tuple[int, ...]:
        """Where the memory of a run lies. Asked of numpy once for a buffer of rows and a market: each takes it microseconds."""
        market = self.market
        if self._lies_with is None or self._lies_with[0] is not self.out or self._lies_with[1] is not market:
            parts = self.state, self.desk, self.book, market.asked_terms, self.scratch, self.out
            self._lies_at = tuple(part.ctypes.data for part in parts)
            self._margin_terms_at, self._lies_with = market.margin_terms.ctypes.data, (self.out, market)
        return self._lies_at

    def _service_address(self) -> int:
        if self.service_address is None:
            from kilohour.kernels.desk_service import service_address

            self.service_address = service_address(self.market.has_scenarios, targets_only=not asks_for_orders(self.face, self.interpreted))
        return self.service_address

    def _set_guard(self, guard: Array) -> None:
        """Tells the gate where the run's limits are; their part is compiled only for a run that has some."""
        from kilohour.kernels.risk_service import risk_address

        market = self.market
        self.book["risk"]["call"] = risk_address(market.has_scenarios)
        for name, memory in (("guard", guard), ("book", self.book), ("desk", self.desk), ("order", self.scratch), ("out", self.out),
                             ("terms", market.asked_terms)):
            self.book["risk"][name] = memory.ctypes.data

    def _rare_address(self) -> int:
        """Corrections, funding, quotes and interest are compiled only for a run that has some."""
        if not (self.market.has_rare or self.cash_rate.earns):
            return 0
        from kilohour.kernels.rare_events import rare_events_address

        return rare_events_address(self.market.has_scenarios)

    def _meeting_address(self) -> int:
        """The engine's third part, the run's fill model. 0 where bars are met and the strategy names no order verb; in CPython a verb
        can be named at run time."""
        if self.meeting_address is None:
            from kilohour.kernels.fill_models import model_address

            fills = self.market.fills
            is_needed = fills.needs_quotes or asks_for_orders(self.face, self.interpreted)
            self.meeting_address = model_address(fills.model_number, self.market.has_scenarios) if is_needed else 0
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
        counts = self._row_counts()
        for (name, (row, _)), used in zip(r.TABLES.items(), counts.tolist(), strict=True):
            if used:
                rows = self.out[row][0][:used]
                self.tables[name].append(_narrow(rows, int(self.desk["column_count"][0])) if name == "records" else rows.copy())
        counts[:] = 0

    def _row_counts(self) -> Array:
        """Rows in use of each table: they come before the rows. Of the buffer as it is now, for accounts of a sandbox share one."""
        counts: Array = self.out.view(np.int64)[: len(r.TABLES)]
        return counts

    def _others(self) -> list[Array]:
        """What a run changes beside the engine's records."""
        return [self.state, self.latest, self.first, *([] if self.quotes is None else [self.quotes])]

    def keep_quotes(self) -> None:
        """From now on what is displayed is kept."""
        self.quotes, self._rewind = empty_quotes(self.market.fills.stale_after_ns), None
        self.book["quotes"], self.book["keeps_quotes"] = self.quotes.ctypes.data, 1

    def share_quotes(self, other: Session) -> None:
        """From now on both accounts take from the same displayed sizes."""
        assert other.quotes is not None, "the other account has no quotes"
        self.quotes, self._rewind = other.quotes, None
        self.book["quotes"], self.book["keeps_quotes"] = other.quotes.ctypes.data, 0

    def see_what_is_left(self, other: Session) -> None:
        """What another account on the same tape has left of this timestamp's volume and of the displayed sizes."""
        for name in ("available", "stamp"):
            self.book[name] = other.book[name]
        if self.market.has_quotes:
            for name in ("bid_lots", "ask_lots"):
                self.desk[name] = other.desk[name]

    def keep(self) -> Rewind:
        """All that a run changes, its tables aside, as it is now; good until the next one only."""
        if self._rewind is None:
            records = [self.desk, self.book, *([] if self.guard is None else [self.guard])]
            self._rewind = Rewind(records, self._others(), self.book, len(self.market.tape.contracts))
        self._rewind.keep()
        return self._rewind

    def _raise_failure(self, before: Rewind | None) -> None:
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

    def _rerun(self, before: Rewind, at: dt.datetime) -> None:
        """The block once more from its snapshot, in CPython. The tables stay as the first pass left them."""
        kept = self.out, self.tables
        self.out, self.tables = np.zeros(1, r.OUT), {name: [] for name in r.TABLES}
        before.put_back()
        self.book["risk"]["call"] = 0
        self.step = None
        status = self._move(len(self.events["ts"]))
        self.out, self.tables = kept
        if status != r.FAILED:
            raise EngineError(f"{self.face.__name__} failed when compiled at {at} and did not in CPython: please report")


def asks_for_orders(face: type[Strategy], interpreted: bool) -> bool:
    """True when a strategy may ask for more than targets: it names an order verb, or runs in CPython, where that shows at run time."""
    from kilohour.faces.reach import reach_of

    return interpreted or bool(ORDER_VERBS & reach_of(face).names)


def copied(records: Array) -> Array:
    """A copy as bytes: numpy copies records field by field, which takes seven times as long."""
    return records.view(np.uint8).copy().view(records.dtype)


def guard_of(limits: RiskLimits, tape: Tape, cash: int) -> Array:
    """The memory of a run's risk limits."""
    guard = np.zeros(1, r.GUARD)
    view = guard[0]
    for name in (*r.LIMIT_NUMBERS, *r.LIMIT_AMOUNTS):
        view[name] = getattr(limits, name)
    for name in r.LIMIT_LOSSES:
        view[name] = micros(getattr(limits, name))
    view["duplicate_ns"], view["fills_ns"] = (round(ms * 1e6) for ms in (limits.duplicate_ms, limits.fills_within_ms))
    view["collar_ppm"] = round(limits.collar_percent * 10_000)
    view["last_trade_ns"] = round(limits.last_trade_days * NANOS_PER_DAY)
    view["state"] = view["floor"] = TRADING_STATES.index(limits.state)
    view["day"], view["day_equity"], view["last_equity"], view["peak"] = MISSING, cash, cash, cash
    codes = set(limits.restricted)
    for row, contract in enumerate(tape.contracts):
        view["restricted"][row] = int(bool(codes & {contract.code, contract.product}))
    return guard


def _buffers() -> Array:
    """Where the engine writes its rows, all zeros. Memory straight from the system is that already, and each page of it costs nothing
    until it is written; numpy clears all eight megabytes where a run that has ended has left them."""
    if sys.platform == "win32":
        return np.zeros(1, r.OUT)
    return np.frombuffer(mmap.mmap(-1, r.OUT.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), r.OUT)


@cache
def _unwritten() -> Array:
    """Stands in their place in every quiet session: they write none."""
    return _buffers()


def _empty_book(cash: int, quiet: bool) -> Array:
    book = np.zeros(1, r.BOOK)
    view = book[0]
    view["cash"] = view["equity"] = view["equity_peak"] = view["day_before"] = view["day_last"] = cash
    view["day"] = view["interest_day"] = view["lapsed_at"] = MISSING
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
