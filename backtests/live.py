# SPDX-License-Identifier: Apache-2.0
"""A live run from its beginning to its report: prepared as a backtest is, and told by its journal alone."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import kilohour
from kilohour.backtests.backtest import finish
from kilohour.backtests.prepare import Prepared, fill_state, prepare
from kilohour.backtests.resolve import strategy_class
from kilohour.backtests.run import Run
from kilohour.contracts import Contract, Product
from kilohour.errors import DataError, UsageError
from kilohour.execution.door import NAMED
from kilohour.execution.journal import FILE, Record, last_memory, read, snapshots, tail
from kilohour.execution.replay import Difference, events_of, inputs_of, replay, take
from kilohour.execution.risk import LiveLimits
from kilohour.execution.snapshots import restore
from kilohour.execution.trader import Trader
from kilohour.execution.watchdog import Watchdog
from kilohour.faces.fields import dtype_of
from kilohour.limits import RiskLimits
from kilohour.live import LiveSession
from kilohour.strategy import Strategy
from kilohour.tape import Index, Tape
from kilohour.tape.schema import COLUMNS, Kind
from kilohour.units import NANOS_PER_DAY

_CODES = weakref.WeakKeyDictionary[type[Strategy], str]()
PREFIX_BITS = 31
"""Of a run's number in its client ids: the sign bit of a 64-bit database integer stays free."""


def start_body(
    strategy: str, prepared: Prepared, *, tape: Tape, venue: str, url: str, account: str, limits: LiveLimits, can_spread: bool,
    compares_cash: bool, began: int, made_at: int, mode: str, expresses: Mapping[str, Iterable[int]], assume: Sequence[str] = (),
    contracts: str | None = None, table: str | None = None, symbols: Mapping[str, str] | None = None, extension: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The first record of a journal: all that decides what a run makes of its inputs, and how to reach its venue (``symbols``: the
    adapter's name of each contract). ``began``: time of the market;
    ``made_at``: the clock, which makes the order numbers of this run its own."""
    text = f"{venue}|{account}|{strategy}|{made_at}"
    return {
        "kilohour": kilohour.__version__, "mode": mode, "strategy": strategy, "class": prepared.face.__qualname__,
        "code": code_of(prepared.face), "parameters": prepared.parameters, "interpreted": prepared.interpreted, "venue": venue, "url": url,
        "account": account, "table": table, "cash": prepared.cash_micros, "limits": dataclasses.asdict(limits),
        "risk": None if prepared.market.limits is None else prepared.market.limits.in_force(),
        "can_spread": can_spread, "masks": masks_of(expresses), "compares_cash": compares_cash, "began": began, "made_at": made_at,
        "symbols": dict(symbols or {}), "extension": extension,
        "assume": list(assume), "contracts_file": contracts,
        "prefix": int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1 or 1, "market": market_body(tape),
    }  # fmt: skip


def watchdog_of(folder: Path, start: Mapping[str, Any], keys: Mapping[str, str]) -> Watchdog | None:
    """The watchdog of a run that sends orders and states how long a step may take."""
    seconds = start["limits"]["step_seconds"]
    if not seconds or start["mode"] == "dry":
        return None
    return Watchdog(folder, {name: start[name] for name in NAMED}, keys, seconds)


def masks_of(expresses: Mapping[str, Iterable[int]]) -> dict[str, int]:
    """What an adapter can say on the wire, as the engine's masks: the gate refuses the rest, with the code ``venue``."""
    return {"kinds_mask": sum(1 << kind for kind in expresses["kinds"]), "lives_mask": sum(1 << life for life in expresses["lives"]),
            "flags_mask": sum(expresses["flags"])}


def code_of(face: type[Strategy]) -> str:
    """A hash of what the strategy is made of, so that a replay by other code is told apart."""
    if face not in _CODES:
        import inspect

        try:
            source = inspect.getsource(face)
        except (OSError, TypeError):
            source = face.__qualname__
        _CODES[face] = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
    return _CODES[face]


def market_body(tape: Tape) -> dict[str, Any]:
    """Contracts, indices and products of a market as JSON."""
    return {"source": tape.source, "notes": list(tape.notes), "days_per_year": tape.days_per_year, "assumptions": list(tape.assumptions),
            "contracts": [dataclasses.asdict(contract) for contract in tape.contracts],
            "indices": [dataclasses.asdict(index) for index in tape.indices], "products": [product.to_dict() for product in tape.products]}


def market_tape(body: Mapping[str, Any], events: Mapping[str, Any] | None = None) -> Tape:
    """The market back, with ``events`` if there are any."""
    return Tape(
        events=events or {name: np.zeros(0, dtype) for name, dtype in COLUMNS.items()},
        contracts=tuple(Contract(**{**given, "fixing_days": tuple(given["fixing_days"])}) for given in body["contracts"]),
        indices=tuple(Index(**given) for given in body["indices"]), source=body["source"], notes=tuple(body["notes"]),
        days_per_year=body["days_per_year"], assumptions=tuple(body["assumptions"]),
        products=tuple(Product.from_dict(given) for given in body["products"]))


def prepared_of(start: Mapping[str, Any], face: type[Strategy] | None = None) -> Prepared:
    """What a journal's first record describes. Raises :class:`UsageError` when the strategy is not what it was."""
    found = face or strategy_class(start["strategy"])
    if code_of(found) != start["code"]:
        raise UsageError(f"{start['strategy']} has changed since the run: its code was {start['code']}, now it is {code_of(found)}")
    risk = start.get("risk")
    return prepare(found, market_tape(start["market"]), parameters=start["parameters"], cash=start["cash"] / 1e6, assume=start["assume"],
                   contracts=start["contracts_file"], venue=start["table"], interpreted=start["interpreted"],
                   limits=None if risk is None else RiskLimits(**risk), live_from=start["began"])


def trader_of(start: Mapping[str, Any], prepared: Prepared) -> Trader:
    """A fresh trader as the run began with it."""
    state = np.zeros(1, dtype_of(prepared.face))
    fill_state(prepared.face, state, prepared.parameters, prepared.market)
    terms = prepared.market.terms.copy()
    for name, mask in start["masks"].items():
        terms[name] &= mask
    market = dataclasses.replace(prepared.market, terms=terms)
    session = LiveSession(market, prepared.face, state, start["cash"], interpreted=prepared.interpreted)
    trader = Trader(session, LiveLimits(**start["limits"]), prefix=start["prefix"], can_spread=start["can_spread"],
                    compares_cash=start["compares_cash"], extension=start.get("extension", ""))
    trader.is_dry = start["mode"] == "dry"
    return trader


def start_of(records: Sequence[Record]) -> dict[str, Any]:
    """The first record's body. Raises :class:`DataError` for a journal without one."""
    if not records or records[0].kind != "start":
        raise DataError(f"a journal must begin with its start, found {records[0].kind if records else 'nothing'}")
    return records[0].body


def recovered(folder: Path, prepared: Prepared) -> tuple[Trader, dict[str, Any]]:
    """The trader as the last commit left it: from the last snapshot that is good, every input behind it played again, and from the
    first record where none is. And how it was done: ``snapshot``, the number of its record (0: none), ``passed_over``, why others were
    not taken, which is said on stderr too.

    The journal must have been checked. Raises :class:`DataError` when the replay decides otherwise than the run did.
    """
    start, passed_over = start_of(tail(folder, 0, 1)), list[str]()
    for snapshot in snapshots(folder):
        trader = trader_of(start, prepared)
        try:
            restore(trader, snapshot)
            apart = replay(trader, tail(folder, snapshot.seq), (snapshot.seq, snapshot.hash))
            why = f"what follows does not replay: {apart}"
        except DataError as error:
            why = str(error)
        else:
            if apart is None:
                return trader, {"snapshot": snapshot.seq, "passed_over": passed_over}
        passed_over.append(f"the snapshot of record {snapshot.seq} is passed over: {why}")
        sys.stderr.write(f"kilohour: {folder}: {passed_over[-1]}\n")
    trader = trader_of(start, prepared)
    apart = replay(trader, read(folder))
    if apart is not None:
        raise DataError(f"the journal does not replay: {apart}")
    return trader, {"snapshot": 0, "passed_over": passed_over}


def fills_from(start: Mapping[str, Any], trader: Trader) -> int:
    """The venue's time from which on a run has to ask for fills, nanoseconds: a day before the last one it booked, or its beginning.

    What a stream had lost just before a crash may be older than the last fill that it told.
    """
    return max(int(start["began"]), trader.filled_at - NANOS_PER_DAY)


def replayed(folder: Path, face: type[Strategy] | None = None) -> tuple[Trader, Difference | None]:
    """A run once more from its folder, and the first difference, None when there is none."""
    records = read(folder)
    start = start_of(records)
    trader = trader_of(start, prepared_of(start, face))
    apart = replay(trader, records)
    kept = last_memory(folder)
    if apart is None and kept is not None and kept[0] == records[-1].seq and kept[1] != trader.state_bytes():
        apart = Difference(kept[0], kept[1].hex(), trader.state_bytes().hex())
    return trader, apart


class NothingToReport(UsageError):
    """A run that was over before its first bar."""


def report_of(folder: Path) -> dict[str, str | None]:
    """Writes the report of a run that has ended beside its journal: ``report`` is its path, or None, and then ``no_report`` why."""
    try:
        return {"report": str(write_live(run_of_journal(folder, folder.name), folder))}
    except NothingToReport as why:
        return {"report": None, "no_report": str(why)}


def run_of_journal(folder: Path, name: str, face: type[Strategy] | None = None) -> Run:
    """The run that a journal tells of, as the tables and the manifest of a backtest. Raises :class:`DataError`, :class:`UsageError`."""
    records = read(folder)
    start = start_of(records)
    prepared = prepared_of(start, face)
    trader = trader_of(start, prepared)
    rows = []
    for group in inputs_of(records):
        take(trader, group[0].kind, group[0].body, group[0].at)
        if group[0].kind == "feed":
            rows += events_of(trader, group[0].body)
    session = trader.session
    if not any(event.kind == Kind.BAR for event in rows):
        raise NothingToReport(f"{folder}: the run saw no bar, so there is nothing to report")
    rows.sort(key=lambda event: (event.ts, event.kind, event.ref))
    columns = {column: np.array([getattr(event, column) for event in rows], dtype=dtype) for column, dtype in COLUMNS.items()}
    tape = dataclasses.replace(prepared.market.tape, events=columns, sha256="")
    market = dataclasses.replace(session.market, tape=tape)
    session.market = market
    session.close()
    told = dataclasses.replace(prepared, market=market)
    run = finish(told, session, tape, start["strategy"] if ".py" not in start["strategy"] else start["class"], seconds_of(records), name)
    run.manifest["live"] = {"mode": start["mode"], "venue": start["venue"], "account": start["account"], "records": len(records),
                            "hash": records[-1].hash.hex(), "orders_sent": trader.made, "foreign_fills": trader.foreign_fills}
    told_by = f"This is a {start['mode']} run at {start['venue']}, told by its journal: fills are the venue's, not the engine's."
    engine_s_own = ("An order fills", "Within a bar")
    run.manifest["modelled"] = [told_by, *(line for line in run.manifest["modelled"] if not line.startswith(engine_s_own))]
    return run


def write_live(run: Run, folder: Path) -> Path:
    """Writes the run beside its journal, whole or not at all; the path of the report."""
    from kilohour.folders import written_whole
    from kilohour.reports.report import write_report

    run.result["report"] = str(folder / "report.html")
    with written_whole(folder) as draft:
        run.write_into(draft)
        write_report(draft)
        shutil.copy2(folder / FILE, draft / FILE)
    run.folder = folder
    return folder / "report.html"


def seconds_of(records: Sequence[Record]) -> dict[str, float]:
    """How long the run took, as a result says it."""
    return {"load": 0.0, "compile": 0.0, "run": (records[-1].at - records[0].at) / 1e9, "report": 0.0}
