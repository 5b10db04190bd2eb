# SPDX-License-Identifier: Apache-2.0
"""Builds a tape from columns: checks every value, sorts once, adds the events that contracts imply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kilohour.contracts.contract import NEVER, Contract
from kilohour.errors import DataError
from kilohour.kernels.words import SESSIONS
from kilohour.tape.levels import bars_of_trades, checked_levels
from kilohour.tape.schema import COLUMNS, Index, Kind
from kilohour.tape.tape import Tape
from kilohour.units import MISSING, NANOS_PER_DAY, date_of, datetime_of

if TYPE_CHECKING:
    from kilohour.contracts.product import Product

Ints = npt.NDArray[np.int64]
WEIGHT_MAX = 10**9
PRODUCT_MAX = 1e17
"""Of a print's value in millionths and its weight: ninety such days add up within 64 bits."""


class TapeBuilder:
    """Collects events in any order, then :meth:`build` checks and sorts them.

    Prices are integer micros, times nanoseconds UTC, volumes whole lots. Use ``ref`` numbers that
    :meth:`contract` and :meth:`index` hand out. Listings, expiries and finals by rule are added from
    the contracts' own days; give :meth:`finals` only where the venue states the final price. A contract
    without fixing days has no final but a stated one.

    Raises :class:`~kilohour.errors.DataError` with the contract, the time and the value found.
    """

    def __init__(self, *, source: str, notes: Sequence[str] = (), days_per_year: int = 252,
                 products: Sequence[Product] = (), assumptions: Sequence[str] = ()) -> None:
        self.source = source
        self.notes = list(notes)
        self.days_per_year = days_per_year
        self.products = tuple(products)
        self.assumptions = tuple(assumptions)
        self._contracts: list[Contract] = []
        self._contract_refs: dict[str, int] = {}
        self._indices: list[Index] = []
        self._parts: list[dict[str, npt.NDArray[Any]]] = []
        self._prints: list[tuple[int, int, int, int, int]] = []
        self._finals: dict[int, int] = {}
        self._corrections: list[tuple[Kind, int, int, int, int]] = []

    def contract(self, contract: Contract) -> int:
        """Registers a contract and returns its ``ref``; the same code twice is an error."""
        if contract.code in self._contract_refs:
            raise DataError(f"contract {contract.code} is registered twice")
        self._contract_refs[contract.code] = len(self._contracts)
        self._contracts.append(contract)
        return len(self._contracts) - 1

    def index(self, index: Index) -> int:
        """Registers an index or public series and returns its ``ref``."""
        if any(i.code == index.code for i in self._indices):
            raise DataError(f"index {index.code} is registered twice")
        self._indices.append(index)
        return len(self._indices) - 1

    def bars(self, ref: int, ts: Ints, open: Ints, high: Ints, low: Ints, close: Ints, volume: Ints) -> None:
        """Bars of one contract, each seen at its close ``ts``; ``volume`` MISSING where unknown."""
        self._check_contract(ref, ts, "bar")
        code = self._contracts[ref].code
        _check_increasing(code, "bar", ts)
        prices = (np.asarray(open), np.asarray(high), np.asarray(low), np.asarray(close))
        bad = (prices[1] < prices[0]) | (prices[1] < prices[3]) | (prices[2] > prices[0]) | (prices[2] > prices[3])
        if bad.any():
            i = int(np.argmax(bad))
            names = ("open", "high", "low", "close")
            found = " ".join(f"{name} {price[i] / 1e6:g}" for name, price in zip(names, prices, strict=True))
            raise DataError(f"{code}: a bar's high must be its highest and low its lowest price, found {found} "
                            f"at {datetime_of(int(ts[i])):%Y-%m-%d %H:%M}")
        negative = (volume < 0) & (volume != MISSING)
        if np.any(negative):
            i = int(np.argmax(negative))
            raise DataError(f"{code}: volume must not be negative, found {int(volume[i])} "
                            f"at {datetime_of(int(ts[i])):%Y-%m-%d}")
        last_trade_at = self._contracts[ref].last_trade_at
        late = ts > last_trade_at
        if np.any(late):
            i = int(np.argmax(late))
            raise DataError(f"{code}: no bar after the last trade on {datetime_of(last_trade_at):%Y-%m-%d %H:%M}, "
                            f"found one at {datetime_of(int(ts[i])):%Y-%m-%d %H:%M}")
        self._add(Kind.BAR, ref, ts, ts, open=open, high=high, low=low, close=close, volume=volume)

    def trades(self, ref: int, ts: Ints, price: Ints, size: Ints) -> None:
        """Trades of one contract in order of time; those of one time become one bar. A trade alone is a bar of one price."""
        self._check_contract(ref, ts, "trade")
        self.bars(ref, *bars_of_trades(self._contracts[ref].code, ts, price, size))

    def quotes(self, ref: int, ts: Ints, bid: Ints, bid_size: Ints, ask: Ints, ask_size: Ints, level: Ints | None = None,
               ts_event: Ints | None = None) -> None:
        """What was displayed of one contract at ``ts``: prices in micros, sizes in lots, 0 where a side has none.

        A row is one level of both sides, ``level`` 0 (the default) the best one; the rows of one time, levels counted up from 0,
        are one snapshot, and a snapshot replaces the one before it. At most ten levels.
        """
        self._check_contract(ref, ts, "quote")
        columns = checked_levels(self._contracts[ref], ts, bid, bid_size, ask, ask_size, level)
        self._add(Kind.QUOTE, ref, ts, ts if ts_event is None else ts_event, **columns)

    def marks(self, ref: int, ts: Ints, price: Ints, ts_event: Ints | None = None) -> None:
        """Official settlement prices of one contract, seen at ``ts``."""
        self._check_contract(ref, ts, "mark")
        _check_increasing(self._contracts[ref].code, "mark", ts)
        self._add(Kind.MARK, ref, ts, ts if ts_event is None else ts_event, close=price)

    def correct_mark(self, ref: int, ts: int, of: int, price: int) -> None:
        """The venue corrects the mark that happened at ``of``; known at ``ts``, later than what it corrects."""
        self._check_ref(ref, len(self._contracts), "contract")
        self._corrections.append((Kind.MARK, ref, of, ts, price))

    def funding(self, ref: int, ts: Ints, rate: Ints | None = None) -> None:
        """Fundings of a perpetual at ``ts``: the venue's rates in hundred-millionths (0.0001 is 10,000), longs pay when
        positive; without rates the product's funding rule works them out."""
        self._check_contract(ref, ts, "funding")
        _check_increasing(self._contracts[ref].code, "funding", ts)
        self._add(Kind.FUNDING, ref, ts, ts, close=np.full(len(ts), MISSING) if rate is None else rate)

    def interest(self, ref: int, ts: Ints, lots: Ints, ts_event: Ints | None = None) -> None:
        """Open interest of one contract, seen at ``ts`` (as a rule the next business morning)."""
        self._check_contract(ref, ts, "open interest")
        self._add(Kind.INTEREST, ref, ts, ts if ts_event is None else ts_event, volume=lots)

    def prints(self, ref: int, value_day: Ints, known_at: Ints, value: Ints, weight: Ints | None = None) -> None:
        """Prints of one index: value dates (days since 1970), when each was known, value in millionths.

        A second print for a value date is a restatement; it must be known later than the first. ``weight``: whole units
        behind each print (hours rented, say) for contracts that settle on a volume-weighted mean, MISSING without.
        """
        self._check_ref(ref, len(self._indices), "index")
        order = np.lexsort((np.asarray(known_at), np.asarray(value_day)))
        weights = np.full(len(order), MISSING) if weight is None else weight
        day, known, values, weights = (np.asarray(column)[order] for column in (value_day, known_at, value, weights))
        _check_weights(self._indices[ref].code, day, values, weights)
        again = np.concatenate([[False], day[1:] == day[:-1]])[:len(day)]
        clash = again & np.concatenate([[False], known[1:] == known[:-1]])[:len(day)]
        if clash.any():
            i = int(np.argmax(clash))
            raise DataError(f"{self._indices[ref].code}: a print of a day needs a time of its own, found two of "
                            f"{date_of(int(day[i]))} known at {datetime_of(int(known[i])):%Y-%m-%d %H:%M}")
        before = np.where(again, np.concatenate([[MISSING], values[:-1]])[:len(day)], MISSING)
        row = np.arange(len(day))
        revision = row - np.maximum.accumulate(np.where(again, 0, row))
        self._add(Kind.PRINT, ref, known, day * NANOS_PER_DAY, open=before, high=weights, close=values, volume=revision)

    def finals(self, ref: int, ts: int, price: int = MISSING) -> None:
        """The final settlement price that the venue itself stated, known at ``ts``; a contract is settled once.

        Without a price the product's rule decides; only a contract that settles at its last mark needs to be told so.
        """
        self._check_ref(ref, len(self._contracts), "contract")
        if ref in self._finals:
            raise DataError(f"{self._contracts[ref].code}: a contract is settled once, found a second final settlement at "
                            f"{_minute(ts)}; the venue's correction is correct_final")
        self._finals[ref] = ts
        self._add(Kind.FINAL, ref, np.array([ts]), np.array([ts]), close=np.array([price]))

    def correct_final(self, ref: int, ts: int, price: int) -> None:
        """The venue corrects a final settlement, by rule or stated; known at ``ts``, later than what it corrects."""
        self._check_ref(ref, len(self._contracts), "contract")
        self._corrections.append((Kind.FINAL, ref, 0, ts, price))

    def session(self, ref: int, ts: int, state: str) -> None:
        """The contract's session state from ``ts`` on: ``open``, ``pre_open``, ``no_cancel``, ``halted`` or ``closed``; it is open
        until the first."""
        self._check_ref(ref, len(self._contracts), "contract")
        if state not in SESSIONS:
            raise DataError(f"{self._contracts[ref].code}: a session state must be one of {', '.join(SESSIONS)}, found {state!r}")
        self._add(Kind.SESSION, ref, np.array([ts]), np.array([ts]), volume=np.array([SESSIONS.index(state)]))

    def halt(self, ref: int, ts: int, until: int | None = None) -> None:
        """Trading in the contract is halted from ``ts``, and opens again at ``until`` if it does."""
        if until is not None and until <= ts:
            raise DataError(f"{self._contracts[ref].code}: a halt must end after it begins, {_minute(ts)}, found {_minute(until)}")
        self.session(ref, ts, "halted")
        if until is not None:
            self.session(ref, until, "open")

    def build(self, *, prints_only: bool = False) -> Tape:
        """The finished tape. Raises :class:`DataError` when there is no bar, or with ``prints_only`` no print."""
        needed = Kind.PRINT if prints_only else Kind.BAR
        if not any(int(part["kind"][0]) == needed for part in self._parts):
            raise DataError(f"a tape needs at least one {needed.name.lower()}, found none")
        return self._tape(self._ordered(self._span()))

    def beside(self, first: int, last: int) -> Tape:
        """The tape but for bars that come from elsewhere, seen from ``first`` to ``last``: its contracts and all its other events."""
        return self._tape(self._ordered(self._span((first, last))))

    def _span(self, known: tuple[int, int] | None = None) -> tuple[int, int]:
        spans = [*([known] if known else []), *((int(part["ts"].min()), int(part["ts"].max())) for part in self._parts)]
        return min(first for first, _ in spans), max([last for _, last in spans] + [ts for _, _, _, ts, _ in self._corrections])

    def _ordered(self, span: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
        for ref, contract in enumerate(self._contracts):
            self._add_lifecycle(ref, contract, *span)
        self._add_corrections()
        columns = {name: np.concatenate([part[name] for part in self._parts]) for name in COLUMNS}
        order = np.lexsort((columns["ref"], columns["kind"], columns["ts"]))
        return {name: np.ascontiguousarray(column[order]) for name, column in columns.items()}

    def _tape(self, events: dict[str, npt.NDArray[Any]]) -> Tape:
        return Tape(events=events, contracts=tuple(self._contracts), indices=tuple(self._indices), source=self.source,
                    notes=tuple(self.notes), days_per_year=self.days_per_year, products=self.products,
                    assumptions=self.assumptions)

    def _add_lifecycle(self, ref: int, contract: Contract, first: int, last: int) -> None:
        listed = np.array([max(contract.listed_at, first)])
        if listed[0] <= last:
            self._add(Kind.LISTING, ref, listed, np.array([contract.listed_at]))
        if contract.is_perpetual:
            return
        if contract.last_trade_at <= last:
            at = np.array([contract.last_trade_at])
            self._add(Kind.EXPIRY, ref, at, at)
        by_rule = bool(contract.fixing_days) and ref not in self._finals
        if by_rule and contract.settlement_at <= last and contract.settlement_at != NEVER:
            at = np.array([contract.settlement_at])
            self._finals[ref] = contract.settlement_at
            self._add(Kind.FINAL, ref, at, at)

    def _add_corrections(self) -> None:
        """Numbers the corrections of each mark and final in the order they were known, each with the price before it."""
        known = self._correctable({(kind, ref) for kind, ref, *_ in self._corrections})
        for kind, ref, of, ts, price in sorted(self._corrections, key=lambda one: one[3]):
            is_mark = kind == Kind.MARK
            what = f"{self._contracts[ref].code}: a correction of a {'mark' if is_mark else 'final settlement'}"
            of = of if is_mark else self._finals.get(ref, 0)
            if (kind, ref, of) not in known:
                raise DataError(f"{what} needs one to correct, found none" + (f" of {_minute(of)}" if is_mark else ""))
            seen, before, revision = known[kind, ref, of]
            if ts <= seen:
                raise DataError(f"{what} must be known later than what it corrects, {_minute(seen)}, found {_minute(ts)}")
            known[kind, ref, of] = (ts, price, revision + 1)
            self._add(kind, ref, np.array([ts]), np.array([of]), open=np.array([before]), close=np.array([price]),
                      volume=np.array([revision + 1]))

    def _correctable(self, wanted: set[tuple[Kind, int]]) -> dict[tuple[Kind, int, int], tuple[int, int, int]]:
        """Marks and finals of the wanted contracts by kind, contract and time: when seen, the price, revision 0."""
        known: dict[tuple[Kind, int, int], tuple[int, int, int]] = {}
        for part in self._parts:
            key = Kind(int(part["kind"][0])), int(part["ref"][0])
            if key in wanted:
                rows = zip(part["ts_event"].tolist(), part["ts"].tolist(), part["close"].tolist(), strict=True)
                known |= {(*key, of): (ts, price, 0) for of, ts, price in rows}
        return known

    def _add(self, kind: Kind, ref: int, ts: Ints, ts_event: Ints, **values: Ints) -> None:
        n = len(ts)
        if n == 0:
            return
        part: dict[str, npt.NDArray[Any]] = {
            "ts": np.asarray(ts, dtype=np.int64), "ts_event": np.asarray(ts_event, dtype=np.int64),
            "kind": np.full(n, int(kind), dtype=np.uint8), "ref": np.full(n, ref, dtype=np.int32),
        }
        missing = np.full(n, MISSING, dtype=np.int64)  # for every column that is not given: parts are only read
        for name in ("open", "high", "low", "close", "volume"):
            given = values.get(name)
            if given is None:
                part[name] = missing
                continue
            column = np.asarray(given)
            if column.dtype.kind not in "iu":
                raise DataError(f"column {name!r} must be integers (micros or lots), found {column.dtype}")
            part[name] = column.astype(np.int64, copy=False)
            if part[name].shape != (n,):
                raise DataError(f"column {name!r} must have the length of ts, {n}, found {part[name].shape}")
        self._parts.append(part)

    def _check_contract(self, ref: int, ts: Ints, what: str) -> None:
        self._check_ref(ref, len(self._contracts), "contract")
        if np.asarray(ts).dtype.kind not in "iu":
            raise DataError(f"{what}: times must be integer nanoseconds UTC, found {np.asarray(ts).dtype}")

    @staticmethod
    def _check_ref(ref: int, count: int, what: str) -> None:
        if not 0 <= ref < count:
            raise DataError(f"{what} ref must be in 0..{count - 1}, found {ref}")


def _check_weights(code: str, day: Ints, values: Ints, weights: Ints) -> None:
    """A weight is not negative, and a window's sum of weight times value must fit 64 bits."""
    known = weights != MISSING
    size = np.abs(values.astype(np.float64)) * np.where(known, weights, 0)
    bad = known & ((weights < 0) | (weights > WEIGHT_MAX) | (size > PRODUCT_MAX))
    if bad.any():
        i = int(np.argmax(bad))
        raise DataError(f"{code}: a print's weight must be from 0 to {WEIGHT_MAX:,} and its product with the value at most "
                        f"{PRODUCT_MAX:.0e}, found {int(weights[i])} with {values[i] / 1e6:g} for {date_of(int(day[i]))}")


def _minute(ts: int) -> str:
    return f"{datetime_of(ts):%Y-%m-%d %H:%M}"


def _check_increasing(code: str, what: str, ts: Ints) -> None:
    steps = np.diff(np.asarray(ts))
    if (steps <= 0).any():
        i = int(np.argmax(steps <= 0))
        word = "a duplicate" if steps[i] == 0 else "an earlier"
        raise DataError(f"{code}: {what}s must be in increasing order of time, found {word} time "
                        f"{datetime_of(int(ts[i + 1])):%Y-%m-%d %H:%M:%S} at row {i + 1}")
