# SPDX-License-Identifier: Apache-2.0
"""The status screen of a live run. It reads the run's journal and nothing else, record by record, none missing."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from kilohour.errors import KilohourError

REFRESH_SECONDS = 0.25
EVENTS_SHOWN = 8
FRAME_ROWS = 18
"""Rows of the screen that hold no position, order or event; the head may take two lines and the money two."""
NANOS = 1_000_000_000


class Status:
    """What the records so far add up to."""

    def __init__(self) -> None:
        self.seq = 0
        self.start: dict[str, Any] = {}
        self.positions: dict[str, int] = {}
        self.money: dict[str, int] = {}
        self.orders: dict[int, dict[str, Any]] = {}
        self.fills = self.sent = self.timestamps = 0
        self.market_time = self.fed_at = self.at = 0
        self.risk, self.why = "ACTIVE", ""
        self.events: deque[str] = deque(maxlen=EVENTS_SHOWN)

    def take(self, records: Any) -> None:
        """Adds records."""
        for record in records:
            self.seq, self.at = record.seq, record.at
            note = getattr(self, f"_{record.kind}", None)
            if note is not None:
                note(record.body)

    def _start(self, body: dict[str, Any]) -> None:
        self.start, self.money = body, {"cash": body["cash"], "equity": body["cash"]}

    def _feed(self, body: dict[str, Any]) -> None:
        self.timestamps, self.fed_at = self.timestamps + 1, self.at
        if body["events"]:
            self.market_time = body["events"][0][1]

    def _books(self, body: dict[str, Any]) -> None:
        self.positions = body["positions"]
        self.money = {name: body[name] for name in ("cash", "equity", "initial", "maintenance")}

    def _intent(self, body: dict[str, Any]) -> None:
        self.sent += 1
        self.orders[body["cid"]] = {**body, "state": "SENT"}

    def _order(self, body: dict[str, Any]) -> None:
        if body["state"] in ("FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED"):
            self.orders.pop(body["cid"], None)
        elif body["cid"] in self.orders:
            self.orders[body["cid"]]["state"] = body["state"]
        if body["state"] in ("UNKNOWN", "REJECTED"):
            self._say(f"order {body['cid'] % (1 << 32)} is {body['state']}: {body['why']}")

    def _fill(self, body: dict[str, Any]) -> None:
        self.fills += 1
        for contract, _, lots, price in body["legs"]:
            self.positions[contract] = self.positions.get(contract, 0) + lots
            self._say(f"{'bought' if lots > 0 else 'sold'} {abs(lots)} {contract} at {price / 1e6:g}")
        self._count(body)
        self.money["cash"] = body["cash"]

    def _count(self, body: dict[str, Any]) -> None:
        """An order whose every leg has filled works no longer; only its fills say so."""
        order = self.orders.get(body["cid"])
        if order is None:
            return
        done = order.setdefault("done", {})
        for contract, _, lots, _ in body["legs"]:
            done[contract] = done.get(contract, 0) + lots
        order["state"] = "PARTIAL"
        if all(abs(done.get(contract, 0)) >= abs(ratio * order["units"]) for contract, ratio in order["legs"]):
            del self.orders[body["cid"]]

    def _risk(self, body: dict[str, Any]) -> None:
        self.risk, self.why = body["state"], body["why"]
        self._say(f"{body['state']}: {body['why']}")

    def _deny(self, body: dict[str, Any]) -> None:
        self._say(f"order {body['number']} was not sent: {body['why']}")

    def _mismatch(self, body: dict[str, Any]) -> None:
        self._say(f"the account differs: {body['positions'] or body['cash']}")

    def _cash(self, body: dict[str, Any]) -> None:
        if body["moved"] is not None:
            self._say(f"the account's cash moved by {body['moved'] / 1e6:+,.2f} USD that this run did not book")

    def _say(self, text: str) -> None:
        self.events.append(text)


class Screen:
    """Shows :class:`Status` while it is entered, on a terminal; elsewhere nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.status = folder, Status()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._show, name="screen", daemon=True)

    def __enter__(self) -> Screen:
        if sys.stdout.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _show(self) -> None:
        import sqlite3

        from rich.console import Console
        from rich.live import Live

        from kilohour.execution.journal import tail

        with Live(console=Console(file=sys.stdout), refresh_per_second=4, transient=True) as live:
            while not self._stop.wait(REFRESH_SECONDS):
                try:
                    self.status.take(tail(self.folder, self.status.seq))
                except (sqlite3.Error, KilohourError):
                    continue
                live.update(page_of(self.status, live.console.height, time.time_ns()))


def page_of(status: Status, height: int = 40, now: int = 0) -> Any:
    """The screen: money and risk, positions, orders, last events; of each so many rows as a terminal of that height holds. ``now``
    (nanoseconds): a feed that has fallen silent writes no record from which its age could be told."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    from kilohour.cli.output import grid
    from kilohour.units import datetime_of

    money, start = status.money, status.start
    most = max((height - FRAME_ROWS) // 3, 1)
    moment = f"{datetime_of(status.market_time):%Y-%m-%d %H:%M}" if status.market_time else "not begun"
    net = (money.get("equity", 0) - start.get("cash", 0)) / 1e6
    age = max(now - status.fed_at, status.at - status.fed_at, 0) / NANOS if status.fed_at else 0.0
    head = Text(f"{start.get('strategy', '')} at {start.get('venue', '')}   {moment} UTC   timestamp {status.timestamps}   "
                f"{status.risk}{': ' + status.why if status.why else ''}   feed age {age:.1f} s")
    amounts = {"P&L": net, "cash": money.get("cash", 0) / 1e6, "equity": money.get("equity", 0) / 1e6,
               "initial margin": money.get("initial", 0) / 1e6, "maintenance": money.get("maintenance", 0) / 1e6}
    counted = f"orders sent {status.sent}   fills {status.fills}"
    sums = Text("   ".join(f"{name} {amount:,.2f}" for name, amount in amounts.items()) + f"   {counted}")
    held = [(code, lots) for code, lots in sorted(status.positions.items()) if lots][:most]
    working = [(cid % (1 << 32), " ".join(f"{ratio:+d} {code}" for code, ratio in order["legs"]), order["units"], order["state"])
               for cid, order in list(status.orders.items())[-most:]]
    return Panel(Group(
        head, sums,
        grid("Positions", ("contract", "lots"), held, right=("lots",)),
        grid("Orders", ("order", "legs", "units", "state"), working, right=("order", "units")),
        Text("\n".join(list(status.events)[-most:]))),
        title="kilohour paper", title_align="left")  # fmt: skip
