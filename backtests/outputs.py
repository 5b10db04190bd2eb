# SPDX-License-Identifier: Apache-2.0
"""A session's output rows as the tables of a run folder: words for codes, contract codes for rows, one row a leg.

Times are nanoseconds UTC in ``ts``, money is integer micros, lots are signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kilohour.backtests.refusals import refusal_codes
from kilohour.contracts import Venue
from kilohour.desk import column_name
from kilohour.kernels import records as r
from kilohour.kernels import words
from kilohour.kernels.records import Array
from kilohour.session import Session
from kilohour.tape.arrow import named, table, texts
from kilohour.units import MISSING

if TYPE_CHECKING:
    import pyarrow as pa


KINDS = dict(enumerate(words.KINDS, 1))
LIVES = dict(enumerate(words.LIVES, 1))
ORIGINS = {r.FROM_TARGET: "target", r.FROM_ORDER: "order", r.FROM_LIQUIDATION: "liquidation", r.FROM_RISK: "risk"}
STATUSES = {
    r.WORKING: "working", r.FILLED: "filled", r.REPLACED: "replaced", r.CANCELLED: "cancelled", r.LAPSED: "lapsed",
    r.EXPIRED: "expired", r.MARGIN_CALL: "margin_call", r.REFUSED: "refused", r.RISK_STOP: "risk",
}  # fmt: skip
REFUSALS = {0: "", **dict(enumerate(r.CODES, 1))}
LEDGER_KINDS = {
    r.VARIATION: "variation", r.FEE: "fee", r.SETTLEMENT: "settlement", r.SETTLEMENT_FEE: "settlement_fee",
    r.UNSETTLED: "unsettled", r.VARIATION_REVERSED: "variation_reversed", r.SETTLEMENT_REVERSED: "settlement_reversed",
    r.FUNDING_PAID: "funding", r.CLEARING_FEE: "clearing_fee", r.INTEREST_PAID: "interest",
}  # fmt: skip
CASH = "cash"
"""Stands for the contract of a ledger row that has none."""
FLAGS = ("", "post_only", "reduce_only", "post_only reduce_only")
PURPOSES = ("open", "close", "roll", "liquidation")
OPEN, CLOSE, ROLL, LIQUIDATION = range(4)


def tables_of(session: Session, venues: Mapping[str, Venue] | None = None) -> dict[str, pa.Table]:
    """Tables ``orders fills ledger equity positions settlements records``; call it after :meth:`Session.close`.

    ``venues``, by product code, give the reason codes of what a venue refuses; without them it reads ``venue``.
    ``equity`` has no baseline: it needs the market's marks, not the session's rows.
    """
    codes = [contract.code for contract in session.market.tape.contracts]
    orders = one_row_a_leg(session)
    return {
        "orders": _orders_table(orders, codes, *refusal_codes(orders, session.market.tape.contracts, venues or {}, REFUSALS)),
        "fills": _fills_table(session, orders, codes),
        "ledger": _ledger_table(session.table("ledger"), codes),
        "equity": _equity_table(session.table("equity")),
        "positions": _positions_table(session.table("positions"), codes),
        "settlements": _settlements_table(session),
        "records": _records_table(session),
    }


def refusal_counts(session: Session, venues: Mapping[str, Venue]) -> dict[str, int]:
    """Orders refused, by code; an order of several legs counts once."""
    rows = np.concatenate([part[part["status"] == r.REFUSED] for part in session.tables["orders"]] or [np.zeros(0, r.OUT_ORDERS)])
    codes, words = refusal_codes(rows, session.market.tape.contracts, venues, REFUSALS)
    first_legs = np.unique(rows["order"], return_index=True)[1]
    return {words[int(code)]: int(count) for code, count in zip(*np.unique(codes[first_legs], return_counts=True), strict=True)}


def one_row_a_leg(session: Session) -> Array:
    """Order rows, each as it was accepted and with the status and the filled lots it has now, by order number."""
    rows = session.table("orders")
    begun = np.isin(rows["status"], (r.WORKING, r.REFUSED))
    orders, ends = _last_word(rows[begun]), rows[~begun]
    ends = ends[np.argsort(ends["order"], kind="stable")]
    ended = np.isin(orders["order"], ends["order"])
    for name in ("status", "filled_lots"):
        orders[name][ended] = ends[name]
    book = session.book[0]
    for order in book["order"][: int(book["orders_working"])]:
        orders["filled_lots"][orders["order"] == order["number"]] = order["ratio"][: order["legs"]] * order["filled"]
    orders["limit_micros"][~np.isin(orders["kind"], (r.LIMIT, r.STOP_LIMIT))] = MISSING
    return orders


def purposes_of(fills: Array, orders: Array, product_of: Array) -> Array:
    """What each fill was for, as a place in :data:`PURPOSES`.

    A fill closes when it makes the position smaller, and opens otherwise. It rolls when another order leg of the same
    product, decided at the same timestamp, does the opposite in the other direction: what was long (or short) in
    one contract becomes long (or short) in another.
    """
    before = fills["position_after"] - fills["lots"]
    purposes = np.where(np.abs(fills["position_after"]) < np.abs(before), CLOSE, OPEN)
    purposes[fills["origin"] == r.FROM_LIQUIDATION] = LIQUIDATION
    first_row = np.searchsorted(orders["order"], fills["order"])
    decided = np.unique(orders["ts"][first_row], return_inverse=True)[1]
    group = (decided * r.PRODUCTS + product_of[fills["contract"]]) * 2
    buys = (fills["lots"] > 0).astype(np.int64)
    rolls = np.zeros(len(fills), dtype=bool)
    for here, there in ((OPEN, CLOSE), (CLOSE, OPEN)):
        mine = purposes == here
        rolls |= mine & np.isin(group + buys, (group + 1 - buys)[purposes == there])
    purposes[rolls] = ROLL
    return purposes


def _words(codes: Array, words: Mapping[Any, str]) -> pa.Array:
    return named(codes, [words.get(code, "") for code in range(max(words) + 1)])


def _plain(rows: Array, *columns: str) -> dict[str, Array]:
    return {name: np.ascontiguousarray(rows[name]) for name in columns}


def _last_word(rows: Array) -> Array:
    """One row a leg: when it was first accepted, as it was last amended, refused when it was so at its first bar.

    A row of the last kind says nothing of size and price: other orders may have taken lots of it by then.
    """
    legs = np.stack([rows["order"], rows["contract"]], axis=1)
    _, first, place = np.unique(legs, axis=0, return_index=True, return_inverse=True)
    place, at = place.reshape(-1), np.arange(len(rows))
    by_age = np.argsort(first)
    found = rows[first[by_age]].copy()
    for names, those in ((("lots", "limit_micros"), rows["code"] != r.RESTS), (("status", "code", "filled_lots"), at >= 0)):
        last = np.zeros(len(first), dtype=np.int64)
        np.maximum.at(last, place[those], at[those])
        for name in names:
            found[name] = rows[name][last[by_age]]
    return found


def _orders_table(orders: Array, codes: list[str], refusals: Array, words: Mapping[int, str]) -> pa.Table:
    return table({
        **_plain(orders, "order", "ts", "basket"),
        "contract": named(orders["contract"], codes),
        **_plain(orders, "lots"),
        "kind": _words(orders["kind"], KINDS),
        **_plain(orders, "limit_micros"),
        "tif": _words(orders["tif"], LIVES),
        "origin": _words(orders["origin"], ORIGINS),
        "status": _words(orders["status"], STATUSES),
        "code": _words(refusals, words),
        **_plain(orders, "filled_lots"),
        "flags": named(orders["flags"] % len(FLAGS), FLAGS),
    })


def _fills_table(session: Session, orders: Array, codes: list[str]) -> pa.Table:
    fills = session.table("fills")
    purposes = purposes_of(fills, orders, session.market.desk[0]["product_of"])
    return table({
        "fill": np.arange(1, len(fills) + 1, dtype=np.int64),
        **_plain(fills, "order", "ts"),
        "contract": named(fills["contract"], codes),
        **_plain(fills, "lots", "price_micros", "fee_micros", "half_spread_micros", "position_after"),
        "purpose": named(purposes, PURPOSES),
        "liquidity": named(fills["maker"], ("taker", "maker")),
    })


def _ledger_table(rows: Array, codes: list[str]) -> pa.Table:
    return table({
        **_plain(rows, "ts"),
        "contract": named(rows["contract"], [*codes, CASH]),  # interest has no contract: row -1
        "kind": _words(rows["kind"], LEDGER_KINDS),
        **_plain(rows, "micros"),
    })


def _equity_table(rows: Array) -> pa.Table:
    names = ("ts", "equity_micros", "cash_micros", "margin_initial_micros", "margin_maintenance_micros")
    return table(_plain(rows, *names))


def _positions_table(rows: Array, codes: list[str]) -> pa.Table:
    """Contracts in tape order within a timestamp; the engine lists them as they were opened."""
    rows = rows[np.lexsort((rows["contract"], rows["ts"]))]
    return table({
        **_plain(rows, "ts"),
        "contract": named(rows["contract"], codes),
        **_plain(rows, "lots", "mark_micros"),
    })


def _settlements_table(session: Session) -> pa.Table:
    rows, contracts = session.table("settlements"), session.market.tape.contracts
    days = [len(contracts[row].fixing_days) for row in rows["contract"]]
    weighted = session.market.terms["weighted"][rows["contract"]]
    rules = [_rule(int(fixings), of, weighs) if revision == 0 else f"corrected by the venue, revision {revision}"
             for fixings, of, weighs, revision in zip(rows["fixings"], days, weighted, rows["revision"], strict=True)]
    rows["fixings"] = np.maximum(rows["fixings"], 0)
    return table({
        **_plain(rows, "ts"),
        "contract": named(rows["contract"], [contract.code for contract in contracts]),
        **_plain(rows, "lots", "price_micros", "fixings", "prints_sum_micros", "missing"),
        "rule": texts(rules),
        **_plain(rows, "weight", "revision"),
    })


def _rule(fixings: int, days: int, weighted: int) -> str:
    if fixings == r.AT_MARK:
        return "last official mark"
    if fixings == 0:
        return "stated by the venue"
    mean = "volume-weighted mean" if weighted else "mean"
    return "single print" if days == 1 else f"{mean} of {fixings} print{'s' if fixings > 1 else ''}"


def _records_table(session: Session) -> pa.Table:
    rows, desk = session.table("records"), session.desk[0]
    names = [column_name(int(key)) for key in desk["column_key"][: int(desk["column_count"])]]
    columns = {name: np.ascontiguousarray(rows["values"][:, at]) for at, name in enumerate(names)}
    return table({**_plain(rows, "ts"), **columns})
