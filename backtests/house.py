# SPDX-License-Identifier: Apache-2.0
"""The other side of the books: what a house paid and received for every account, so that all of them sum to zero.

Every cash flow of an account has a counter-entry with somebody: the exchange, the clearing house, the bank that holds
its cash, or the counterparties of its trades, whose gains and losses clearing passes on. docs/engine.md, "Accounts and the house".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilohour.errors import DataError

if TYPE_CHECKING:
    from kilohour.backtests.run import Run

PARTIES = {
    "variation": "counterparties", "variation_reversed": "counterparties", "unsettled": "counterparties",
    "settlement": "counterparties", "settlement_reversed": "counterparties", "funding": "counterparties",
    "fee": "exchange", "settlement_fee": "exchange", "clearing_fee": "clearing", "interest": "bank",
}  # fmt: skip
"""Who stands on the other side of each kind of ledger row."""


@dataclass(frozen=True, slots=True)
class House:
    """Cash in micros since the start. ``accounts`` by name; ``parties`` the exchange, clearing, the bank, the counterparties."""

    accounts: dict[str, int]
    parties: dict[str, int]
    by_kind: dict[str, int]
    """The house's side of each kind of ledger row."""

    @property
    def total(self) -> int:
        """All accounts and the house together: zero."""
        return sum(self.accounts.values()) + sum(self.parties.values())


def house(runs: Mapping[str, Run]) -> House:
    """The house's statement over the runs of several accounts, by name. Raises as :func:`statement`."""
    books = {}
    for name, run in runs.items():
        ledger = run.tables["ledger"].select(["kind", "micros"]).to_pydict()
        books[name] = (list(zip(ledger["kind"], ledger["micros"], strict=True)),
                       int(run.result["equity_end_micros"]) - int(run.result["equity_start_micros"]))
    return statement(books)


def statement(books: Mapping[str, tuple[Iterable[tuple[str, int]], int]]) -> House:
    """The same from ledgers: by account the kind and micros of every row, and how its cash changed.

    Raises :class:`DataError` when a change of cash is not the sum of its rows, or nobody stands behind a row.
    """
    accounts: dict[str, int] = {}
    by_kind: dict[str, int] = {}
    for name, (rows, changed) in books.items():
        accounts[name] = 0
        for kind, micros in rows:
            if kind not in PARTIES:
                raise DataError(f"account {name}: a ledger row must be one of {', '.join(PARTIES)}, found {kind!r}")
            by_kind[kind] = by_kind.get(kind, 0) - micros
            accounts[name] += micros
        if accounts[name] != changed:
            raise DataError(f"account {name}: its ledger must add up to its change in cash, {changed} micros, found {accounts[name]}")
    parties = dict.fromkeys(("exchange", "clearing", "bank", "counterparties"), 0)
    for kind, micros in by_kind.items():
        parties[PARTIES[kind]] += micros
    return House(accounts, parties, by_kind)
