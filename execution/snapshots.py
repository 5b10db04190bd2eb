# SPDX-License-Identifier: Apache-2.0
"""A trader between two inputs as bytes, and back: a restart need not play a long journal from its first record.

The bytes are canonical: two traders that are equal give the same, so a replay proves a snapshot by its hash. They hold memory as
the machine has it, so they name its layout; bytes of another layout are refused, not read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import kilohour
from kilohour.errors import DataError
from kilohour.execution.journal import Snapshot, canonical, digest_of
from kilohour.execution.orders import State, VenueOrder
from kilohour.execution.port import Native, Place, from_json, to_json
from kilohour.execution.risk import Trading
from kilohour.execution.trader import Progress, Trader
from kilohour.kernels.compiling import collector_paused
from kilohour.live import LiveSession

VERSION = 3
_COUNTS = ("gate_state", "made", "steps", "filled_at", "foreign_fills", "mismatches", "stop_all", "cash_apart",
           "cash_accepted")
_RISK = ("reason", "day", "day_start", "feed_at", "is_linked", "is_reconciled")
_PLACE = tuple(field.name for field in dataclasses.fields(Place))
_ORDER = tuple(field.name for field in dataclasses.fields(VenueOrder) if field.name != "place")
_PROGRESS = tuple(field.name for field in dataclasses.fields(Progress))
_NATIVE = tuple(field.name for field in dataclasses.fields(Native))
_place, _order, _progress, _native = (attrgetter(*names) for names in (_PLACE, _ORDER, _PROGRESS, _NATIVE))


def layout_of(session: LiveSession) -> str:
    """A hash of how the memory lies: other versions of the engine, of the strategy or of the machine have another."""
    parts = (session.state, session.desk, session.book, session.latest, session.first, session.scratch, session.guard)
    types = [None if part is None else (part.dtype.descr, part.shape) for part in parts]
    text = repr((VERSION, kilohour.__version__, sys.byteorder, types, _COUNTS, _RISK, _PLACE, _ORDER, _PROGRESS, _NATIVE))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def taken(trader: Trader) -> bytes:
    """The trader as bytes. It must be between two inputs, with nothing left to write down."""
    assert not any((trader.records, trader.commands, trader.opens))
    with collector_paused():  # it would look through each list that is made
        plain, parts = trader.session.image()
        head = {
            "session": plain,
            "parts": [[name, part.nbytes] for name, part in parts.items()],
            "counts": {name: getattr(trader, name) for name in _COUNTS},
            "foreign": list(trader.foreign), "accepted": trader.accepted,
            "risk": {"trading": int(trader.risk.trading), "sent": list(trader.risk.sent_at),
                     **{name: getattr(trader.risk, name) for name in _RISK}},
            "orders": [[_place(order.place)[:-1], None if order.place.native is None else _native(order.place.native), _order(order)]
                       for order in trader.orders.values()],
            "progress": [[number, _progress(each)] for number, each in trader.progress.items()],
            "trades": trader.trades.rows(), "account": None if trader.last_account is None else to_json(trader.last_account),
        }  # fmt: skip
        return b"\n".join([canonical(head).encode(), b"".join(part.tobytes() for part in parts.values())])


def unreadable(trader: Trader, body: Mapping[str, Any]) -> str:
    """Why this program cannot tell what the bytes of such a record mean, empty when it can."""
    if body.get("version") != VERSION:
        return f"its version must be {VERSION}, found {body.get('version')!r}"
    if body.get("layout") != (ours := layout_of(trader.session)):
        return f"its layout must be {ours}, as kilohour {kilohour.__version__} has it, found {body.get('layout')!r}"
    return ""


def restore(trader: Trader, snapshot: Snapshot) -> None:
    """Puts a fresh trader of the same run where a snapshot was taken. Raises :class:`DataError` for one that is damaged or of another
    version, before anything was changed."""
    if why := unreadable(trader, snapshot.body):
        raise DataError(why)
    text, _, memory = snapshot.data().partition(b"\n")
    head, parts, at = json.loads(text), {}, 0
    for name, size in head["parts"]:
        parts[name], at = memory[at : at + size], at + size
    trader.session.take_image(head["session"], parts)
    for name in _COUNTS:
        setattr(trader, name, head["counts"][name])
    trader.foreign = dict.fromkeys(head["foreign"])
    trader.accepted = head["accepted"]
    _restore_risk(trader, head["risk"])
    for place, native, order in head["orders"]:
        named = dict(zip(_PLACE, place, strict=False))
        named |= {"legs": _legs(named["legs"]), "native": None if native is None else Native(**dict(zip(_NATIVE, native, strict=True)))}
        known = VenueOrder(place=Place(**named), **dict(zip(_ORDER, order, strict=True)))
        known.state = State(known.state)
        trader.know(known)
    for number, progress in head["progress"]:
        trader.progress[number] = known_progress = Progress(*progress)
        known_progress.legs = _legs(known_progress.legs)
    trader.trades.take_rows(head["trades"])
    trader.last_account = None if head["account"] is None else from_json(head["account"])


def _legs(listed: Iterable[Iterable[Any]]) -> Any:
    return tuple((code, ratio) for code, ratio in listed)


def _restore_risk(trader: Trader, body: dict[str, Any]) -> None:
    for name in _RISK:
        setattr(trader.risk, name, body[name])
    trader.risk.trading, trader.risk.sent_at = Trading(body["trading"]), deque(body["sent"])


def note_of(trader: Trader, data: bytes) -> dict[str, Any]:
    """What the journal's chain holds of a snapshot: the bytes themselves lie beside it."""
    return {"version": VERSION, "layout": layout_of(trader.session), "bytes": len(data), "digest": digest_of(data)}

