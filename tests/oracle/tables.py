# SPDX-License-Identifier: Apache-2.0
"""Text tables that a trader can read, in and out: contracts, tape and actions as input, ledger and fills as output.

Cells are split by ``|``; the first line of an input table names its columns. Times are days since 1970, so that
day 20 is the value date 20 of a print; a half day is 20.5. Prices and money are dollars. Product ``X:GPU`` unless
the contracts table names another; its index is ``X-GPU``.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from kilohour.contracts.contract import NEVER, Contract
from kilohour.tape import Index, Tape, TapeBuilder
from kilohour.units import MICROS, MISSING, NANOS_PER_DAY
from tests.oracle import reference
from tests.oracle.books import FillRules, Result, Terms
from tests.oracle.cases import Case
from tests.oracle.requests import PRICES

PRODUCT = "X:GPU"


def rows_of(text: str) -> list[dict[str, str]]:
    """Lines of a table as dicts by the header's names; an empty cell is left out."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines() if line.strip()]
    return [{name: cell for name, cell in zip(lines[0], line, strict=True) if cell} for line in lines[1:]]


def micros_of(text: str) -> int:
    """Exact micros of dollars in text."""
    value = Fraction(text) * MICROS
    assert value.denominator == 1, f"{text} is finer than a micro"
    return value.numerator


def nanos_of(text: str) -> int:
    """Nanoseconds of a day in text; ``-`` is never."""
    return NEVER if text == "-" else int(Fraction(text) * NANOS_PER_DAY)


def contracts_of(text: str) -> list[Contract]:
    """Columns ``contract``, and optional ``product``, ``listed``, ``last``, ``final``, ``fixings`` (days)."""
    return [Contract(code=row["contract"], product=row.get("product", PRODUCT), symbol=row["contract"], month=203001,
                     listed_at=nanos_of(row.get("listed", "0")), last_trade_at=nanos_of(row.get("last", "-")),
                     settlement_at=nanos_of(row.get("final", "-")),
                     fixing_days=tuple(int(day) for day in row.get("fixings", "").split()), rule="by hand")
            for row in rows_of(text)]


def tape_of(contracts: str, events: str) -> Tape:
    """Columns ``day``, ``event`` (bar mark print final), ``of``, ``open high low close`` or ``price``, ``volume``.

    ``mark corrected`` has the day of the mark in ``volume``; ``final corrected`` needs none. The ``price`` of ``funding``
    is its rate; without one it is by rule. A session state has no price.

    A bar with only a ``price`` has traded at that price alone. A print's ``of`` is its value date, its ``volume`` its weight.
    """
    listed = contracts_of(contracts)
    builder = TapeBuilder(source="by hand")
    refs = {contract.code: builder.contract(contract) for contract in listed}
    indices = {product: builder.index(Index(code=product.replace(":", "-"), unit="USD per GPU-hour"))
               for product in dict.fromkeys(contract.product for contract in listed)}
    prints: list[tuple[int, int, int, int]] = []
    for row in rows_of(events):
        ts = np.array([nanos_of(row["day"])])
        if row["event"] == "print":
            prints.append((int(row["of"]), int(ts[0]), micros_of(row["price"]), int(row.get("volume", MISSING))))
        elif row["event"] == "bar":
            opened, high, low, closed = (np.array([micros_of(row.get(name) or row["price"])])
                                         for name in ("open", "high", "low", "close"))
            volume = int(row["volume"]) if "volume" in row else MISSING
            builder.bars(refs[row["of"]], ts, opened, high, low, closed, np.array([volume]))
        elif row["event"] == "mark":
            builder.marks(refs[row["of"]], ts, np.array([micros_of(row["price"])]))
        elif row["event"] == "mark corrected":
            builder.correct_mark(refs[row["of"]], int(ts[0]), nanos_of(row["volume"]), micros_of(row["price"]))
        elif row["event"] == "final corrected":
            builder.correct_final(refs[row["of"]], int(ts[0]), micros_of(row["price"]))
        elif row["event"] == "funding":
            rate = np.array([int(Fraction(row["price"]) * 10**8)]) if "price" in row else None
            builder.funding(refs[row["of"]], ts, rate)
        elif row["event"] in ("open", "pre_open", "no_cancel", "halted", "closed"):
            builder.session(refs[row["of"]], int(ts[0]), row["event"])
        else:
            assert row["event"] == "final", row
            builder.finals(refs[row["of"]], int(ts[0]), micros_of(row["price"]) if "price" in row else MISSING)
    if prints:
        builder.prints(indices[listed[0].product], *(np.array(column) for column in zip(*prints, strict=True)))
    return builder.build()


def actions_of(text: str) -> dict[int, list[reference.Action]]:
    """Columns ``day``, ``request``: the verb and its arguments as a trader would type them; ``#2`` is ticket 2.

    Prices are dollars; ``name=value`` is an option: ``until=5 post_only=yes reduce_only=yes against=FAR``.
    """
    actions: dict[int, list[reference.Action]] = {}
    for row in rows_of(text):
        verb, *words = row["request"].split()
        prices = 3 if verb == "bracket" else PRICES.get(verb, int(verb == "amend"))
        options = dict(word.split("=") for word in words if "=" in word)
        arguments: list[Any] = []
        for place, word in enumerate(word for word in words if "=" not in word):
            if 2 <= place < 2 + prices:
                arguments.append(micros_of(word))
            elif word.lstrip("#+-").isdigit():
                arguments.append(int(word.lstrip("#")))
            else:
                arguments.append(word)
        if options:
            arguments.append({name: nanos_of(value) if name == "until" else value if name == "against" else value == "yes"
                              for name, value in options.items()})
        actions.setdefault(nanos_of(row["day"]), []).append((verb, *arguments))
    return actions


def case_of(contracts: str, events: str, requests: str = "day | request", *, cash: str = "1000000",
            terms: Terms | dict[str, Terms] | None = None, watched: set[str] | None = None,
            rules: FillRules | None = None) -> Case:
    """Three text tables as a case, for the oracle and the engine."""
    tape = tape_of(contracts, events)
    by_product = terms if isinstance(terms, dict) else dict.fromkeys(tape.product_codes, terms or Terms())
    return Case(tape=tape, terms=by_product, actions=actions_of(requests), cash_micros=micros_of(cash),
                watched=watched or set(tape.product_codes), rules=rules or FillRules())


def play(contracts: str, events: str, requests: str = "day | request", **of: Any) -> Result:
    """Runs the oracle on three text tables; the keywords are those of :func:`case_of`."""
    return case_of(contracts, events, requests, **of).run()


def shown(rows: Iterable[NamedTuple], *names: str) -> list[str]:
    """Rows as text: days, dollars (columns in micros) and words, cells joined by `` | ``."""
    return [" | ".join(_cell(name, getattr(row, name)) for name in names) for row in rows]


def table(text: str) -> list[str]:
    """An expected table, without the blanks that align it."""
    return [" | ".join(cell.strip() for cell in line.split("|")) for line in text.strip().splitlines()]


def _cell(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    assert isinstance(value, int)
    if name == "ts":
        return _decimal(Fraction(value, NANOS_PER_DAY))
    if name.endswith("micros"):
        return "" if value == MISSING else _decimal(Fraction(value, MICROS))
    return str(value)


def _decimal(value: Fraction) -> str:
    whole, rest = divmod(abs(value) * MICROS, MICROS)
    tail = f"{int(rest):06d}".rstrip("0")
    sign = "-" if value < 0 else ""
    return f"{sign}{int(whole)}" + (f".{tail}" if tail else "")
