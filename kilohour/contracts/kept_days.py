# SPDX-License-Identifier: Apache-2.0
"""The days of a calendar as exchange_calendars has them, kept on disk: the library and pandas take a second to import and to ask.

What is kept is named by the calendar and by the releases of all that computes it, and read only while the library is not
imported: who imports it himself may have registered a calendar of his own under any name, which is computed and not kept.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import sys
import tempfile
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kilohour.errors import UnknownName, UsageError
from kilohour.kernels import cache_root
from kilohour.units import day_of

EVERY_DAY = "24/7"
FIRST, LAST = dt.date(1990, 1, 1), dt.date(2049, 12, 31)
"""The span that calendars are computed over; a library calendar with narrower bounds is cut to those."""
COMPUTED_BY = ("exchange_calendars", "pandas", "numpy", "python-dateutil", "pyluach", "korean_lunar_calendar")
DIGEST_BYTES = 16

Days = npt.NDArray[np.int64]


def days_of(name: str) -> tuple[Days, str, int, int]:
    """The days, the library with its release, and the first and last day that are known.

    Raises :class:`UnknownName` when the library has no such calendar, :class:`UsageError` when it cannot compute it.
    """
    version = f"exchange_calendars {metadata.version('exchange_calendars')}"
    place = _place(name)
    kept = _kept(place) if "exchange_calendars" not in sys.modules else None
    if kept is None:
        kept, is_shipped = _computed(name, version)
        if is_shipped:
            _keep(place, kept)
    return kept[2:], version, int(kept[0]), int(kept[1])


def _place(name: str) -> Path:
    releases = [f"{package} {_release(package)}" for package in COMPUTED_BY]
    known = hashlib.blake2b("\n".join([name, str(FIRST), str(LAST), *releases]).encode(), digest_size=10)
    return cache_root() / "calendars" / known.hexdigest()


def _release(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _kept(place: Path) -> Days | None:
    """First and last day and the days, or None when nothing whole is there."""
    with contextlib.suppress(OSError):
        data = place.read_bytes()
        if data[:DIGEST_BYTES] == _digest(data[DIGEST_BYTES:]):
            return np.frombuffer(data, np.int64, offset=DIGEST_BYTES)
    return None


def _keep(place: Path, days: Days) -> None:
    """Written whole or not at all; a folder that cannot be written costs the next process a second."""
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_digest(days.tobytes()) + days.tobytes())
            os.replace(draft, place)
        except BaseException:
            os.unlink(draft)
            raise


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _computed(name: str, version: str) -> tuple[Days, bool]:
    """First and last day and the days; true when the library shipped the calendar."""
    with warnings.catch_warnings():
        # exchange_calendars 4.13 uses calls that pandas 3.1 deprecates; nothing a trader could act on.
        warnings.simplefilter("ignore")
        import exchange_calendars as library

        known = library.get_calendar_names()
        if name not in known:
            raise UnknownName("calendar", name, [EVERY_DAY, *known])
        first, last = FIRST, LAST
        try:
            try:
                calendar = library.get_calendar(name, start=str(first), end=str(last))
            except ValueError:
                # Some calendars follow the moon or a government's yearly notice, and say how far they go.
                first, last = _bounds(library.get_calendar(name))
                calendar = library.get_calendar(name, start=str(first), end=str(last))
        except (ValueError, NotImplementedError) as error:
            raise UsageError(f"calendar {name}: {version} cannot compute it from {first} to {last} "
                             f"({str(error).splitlines()[0][:80]})") from error
    days = calendar.sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    is_shipped = type(calendar).__module__.startswith("exchange_calendars.")
    return np.concatenate([[day_of(first), day_of(last)], days]).astype(np.int64), is_shipped


def _bounds(calendar: Any) -> tuple[dt.date, dt.date]:
    low, high = calendar.bound_min(), calendar.bound_max()
    return (FIRST if low is None else max(FIRST, low.date()), LAST if high is None else min(LAST, high.date()))
